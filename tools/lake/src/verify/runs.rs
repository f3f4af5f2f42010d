//! Runs: whether every number that was given out is a row or a stated gap, whether the counts of the
//! stages agree, how runs ended, and when none was under way.

use super::expected::{Expected, Run, Segment};
use super::stages::Stages;
use super::{Scope, Seen};
use crate::findings::{
    ClockError, Finding, Outage, Problem, RunEnd, RunStory, STOPPED, Verdict, ranges_text,
    time_text,
};
use crate::numbers::{Numbers, Range};
use spreadwire_lake::layout;
use spreadwire_lake::ledger::Cause;
use spreadwire_lake::recover::Leftover;
use spreadwire_lake::stage::Stage;
use spreadwire_lake::table::{QUOTES, STATUS};
use spreadwire_market::clock::Nanos;
use std::path::Path;

/// Ranges of missing numbers that are kept for each segment; how many rows are missing is always told.
const RANGES_MAX: usize = 100_000;
/// Missing counts of stages that are told by name.
const STAGES_TOLD: usize = 10;

/// Every number that a run gave out must have been seen once, or be stated as missing.
pub(super) fn check_numbers(
    expected: &Expected,
    scope: &Scope,
    seen: &Seen,
    verdict: &mut Verdict,
) {
    let none = Numbers::default();
    for (name, run) in &expected.runs {
        let numbers = seen.runs.get(name).unwrap_or(&none);
        let is_there = |folder: &String| scope.has(folder) && !expected.is_pruned(folder);
        let segments = run.segments.values();
        let in_scope = segments.filter(|segment| segment.folders.iter().all(is_there));
        let mut to_check: Vec<Range> = in_scope.filter_map(|segment| segment.range).collect();
        // Where a segment was torn off, the ledger has said so.
        let holes = between_segments(run).into_iter();
        let holes = holes.filter(|hole| expected.pruned_until < hole.until);
        let holes = holes.filter(|hole| scope.overlaps(hole.from, Some(hole.until)));
        to_check.extend(holes.map(|hole| hole.range).filter(|hole| !run.is_torn(hole)));
        for range in to_check {
            missing_of(name, run, range, numbers, verdict);
        }
    }
    for name in seen.runs.keys().filter(|name| !expected.runs.contains_key(*name)) {
        let text = format!("rows of a run that the ledger does not know: {name}");
        verdict.findings.push(Finding::new(Problem::Unexpected, text).of_run(name));
    }
}

/// Numbers that no segment holds, with the times of the segments around them.
pub(super) struct Hole {
    range: Range,
    from: Nanos,
    until: Nanos,
}

/// Numbers that lie before, between and behind the segments of a run.
pub(super) fn between_segments(run: &Run) -> Vec<Hole> {
    let segments = run.segments.values();
    let mut ranges: Vec<(Range, &Segment)> =
        segments.filter_map(|segment| Some((segment.range?, segment))).collect();
    ranges.sort_unstable_by_key(|(range, _)| *range);
    let (mut next, mut from, mut found) = (0, run.started.unwrap_or(0), Vec::new());
    for (range, segment) in ranges {
        if next < range.first {
            let hole = Range { first: next, last: range.first - 1 };
            found.push(Hole { range: hole, from, until: segment.from.max(from) });
        }
        next = next.max(range.last.saturating_add(1));
        from = from.max(segment.until);
    }
    let ended = run.ended.as_ref();
    let last = ended.and_then(|ended| ended.last).filter(|last| next <= *last);
    let until = ended.map_or(from, |ended| ended.time.max(from));
    found.extend(last.map(|last| Hole { range: Range { first: next, last }, from, until }));
    found
}

pub(super) fn missing_of(
    name: &str,
    run: &Run,
    range: Range,
    seen: &Numbers,
    verdict: &mut Verdict,
) {
    let mut stated: Vec<Range> = run.stated.clone();
    stated.retain(|s| s.first <= range.last && range.first <= s.last);
    stated.sort_unstable();
    let mut next = range.first;
    let mut asked = Vec::new();
    for gap in stated {
        if next < gap.first {
            asked.push(Range { first: next, last: gap.first - 1 });
        }
        next = next.max(gap.last.saturating_add(1));
    }
    if next <= range.last {
        asked.push(Range { first: next, last: range.last });
    }
    let (mut ranges, mut rows) = (Vec::new(), 0_u64);
    for part in asked {
        let (missing, count) = seen.missing(part, RANGES_MAX);
        ranges.extend(missing);
        rows = rows.saturating_add(count);
    }
    if 0 < rows {
        let numbers = ranges_text(&ranges);
        let text = format!("run {name}: {rows} rows are nowhere: numbers {numbers}");
        let finding = Finding::new(Problem::Missing, text).of_run(name);
        verdict.findings.push(finding.with_ranges(ranges, rows));
    }
}

/// The ledger must tell how every run began and ended, what it counted, and what each of its stages
/// counted.
pub(super) fn check_runs(expected: &Expected, open: &[Leftover], verdict: &mut Verdict) {
    let is_open = |name: &str| open.iter().any(|left| left.run.as_str() == name);
    for (name, run) in expected.runs.iter().filter(|(name, _)| !name.is_empty()) {
        let noted = run.ended.as_ref().and_then(|ended| ended.counters).unwrap_or(0);
        let lacks = if run.started.is_none() {
            "how the run began"
        } else if run.ended.is_none() && !is_open(name) {
            "how the run ended"
        } else if noted != 0 && noted != run.counts.len() as u64 {
            "what the run counted"
        } else if run.is_clean()
            && run.stages().of_run(Stage::Booked).is_some_and(|count| count != run.connections)
        {
            "all of its connections"
        } else {
            ""
        };
        if !lacks.is_empty() {
            let text = format!(
                "run {name}: the ledger does not say any more {lacks}: a file of it is gone"
            );
            verdict.findings.push(Finding::new(Problem::Missing, text).of_run(name));
        }
        let stages = run.missing_stages();
        if !stages.is_empty() {
            let told = stages[..stages.len().min(STAGES_TOLD)].join(", ");
            let more = stages.len().saturating_sub(STAGES_TOLD);
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            let text = format!(
                "run {name}: the ledger does not say what these stages counted: {told}{more}"
            );
            verdict.findings.push(Finding::new(Problem::Missing, text).of_run(name));
        }
    }
}

/// The stages of a run that ended in order must have counted the same. A count that is missing is a
/// finding of its own, and nothing is compared with it.
pub(super) fn check_counts(expected: &Expected, scope: &Scope, verdict: &mut Verdict) {
    for (name, run) in &expected.runs {
        let started = run.started.is_some_and(|time| scope.has_time(time));
        let counted = run.has_stages() || !run.counts.is_empty();
        // While a run goes on, and after it was killed, the last counts are those of some hour.
        if !started || !counted || !run.is_clean() {
            continue;
        }
        let stages = run.stages();
        let sum = |all: [Stage; 2]| Some(stages.of_run(all[0])? + stages.of_run(all[1])?);
        let lost = sum([Stage::Missed, Stage::Lost]);
        let damaged = sum([Stage::Damaged, Stage::Unsealed]);
        let (quotes, statuses) =
            (stages.of_run(Stage::NumberedQuotes), stages.of_run(Stage::NumberedStatuses));
        let numbered = quotes.zip(statuses);
        if let (Some((quotes, statuses)), Some(lost), Some(0)) = (numbered, lost, damaged) {
            check_rows(name, run, (quotes, statuses), lost, verdict);
        }
        if let (Some(fed), Some((quotes, statuses))) = (stages.of_run(Stage::Fed), numbered) {
            check_feeds(name, fed, quotes + statuses, verdict);
        }
        if damaged == Some(0) {
            check_sealer(name, run, &stages, verdict);
        }
        if (lost, damaged) == (Some(0), Some(0)) {
            check_books(name, run, &stages, verdict);
        }
    }
}

/// Where no segment was damaged, what was numbered is a row or was lost.
fn check_rows(name: &str, run: &Run, numbered: (u64, u64), lost: u64, verdict: &mut Verdict) {
    let (quotes, statuses) = numbered;
    let sealed = run.rows_of(QUOTES.name) + run.rows_of(STATUS.name);
    if quotes + statuses != sealed + lost {
        let text = format!(
            "run {name}: {quotes} quotes and {statuses} statuses were numbered, {sealed} rows \
             sealed and {lost} lost"
        );
        verdict.findings.push(Finding::new(Problem::Missing, text).of_run(name));
    }
}

/// What the feeds handed on is what the calculator numbered.
fn check_feeds(name: &str, fed: u64, numbered: u64, verdict: &mut Verdict) {
    if fed != numbered {
        let text =
            format!("run {name}: the feeds handed on {fed} records, {numbered} were numbered");
        verdict.findings.push(Finding::new(Problem::Missing, text).of_run(name));
    }
}

/// Where no segment was damaged or left, the rows are those that the sealer counted. Runs of version
/// 1 do not tell.
fn check_sealer(name: &str, run: &Run, stages: &Stages, verdict: &mut Verdict) {
    for (stage, table) in [(Stage::SealedQuotes, &QUOTES), (Stage::SealedStatuses, &STATUS)] {
        let rows = run.rows_of(table.name);
        if let Some(count) = stages.of_run(stage).filter(|count| *count != rows) {
            let table = table.name;
            let text =
                format!("run {name}: the sealer made {count} rows of {table}, {rows} are noted");
            verdict.findings.push(Finding::new(Problem::Missing, text).of_run(name));
        }
    }
}

/// Where nothing was lost, every stage must have had the same quotes of each venue and instrument.
fn check_books(name: &str, run: &Run, stages: &Stages, verdict: &mut Verdict) {
    let by_listing = [
        ("decoded", Stage::Decoded),
        ("handed on", Stage::Passed),
        ("journalled", Stage::Journalled),
    ];
    for (listing, rows) in run.books.iter().filter(|((venue, _), _)| !venue.is_empty()) {
        for (did, stage) in by_listing {
            let count = stages.of_listing(stage, listing);
            if let Some(count) = count.filter(|count| count != rows) {
                let (venue, instrument) = listing;
                let text = format!(
                    "run {name}: {count} quotes of {venue} {instrument} were {did}, {rows} sealed"
                );
                verdict.findings.push(Finding::new(Problem::Missing, text).of_run(name));
            }
        }
    }
}

/// How runs ended, and what is stated as missing.
pub(super) fn tell_runs(
    expected: &Expected,
    scope: &Scope,
    recording: bool,
    verdict: &mut Verdict,
) {
    for (name, run) in expected.runs.iter().filter(|(_, run)| run.started.is_some()) {
        let started = run.started.unwrap_or(0);
        let end = match &run.ended {
            None if recording => RunEnd::Running,
            None => RunEnd::Unknown,
            Some(ended) if ended.cause == "clean" => RunEnd::Clean,
            Some(_) => RunEnd::Killed,
        };
        let ended = run.ended.as_ref().map(|ended| ended.time);
        if scope.overlaps(started, ended) {
            let provenance = run.provenance;
            verdict.runs.push(RunStory { run: name.clone(), started, ended, end, provenance });
        }
    }
    let engines = expected.runs.values().filter(|run| !run.is_import());
    let mut starts: Vec<Nanos> = engines.filter_map(|run| run.started).collect();
    starts.sort_unstable();
    for gap in &expected.gaps {
        let Some(cause) = gap.gap_cause() else { continue };
        let mut until = gap.until;
        let went_on =
            gap.run.as_ref().and_then(|run| expected.runs.get(run)).is_some_and(Run::is_clean);
        // An import that was interrupted, and was run again to its end, lacks nothing.
        if cause == Cause::Restart && went_on {
            continue;
        }
        if cause == Cause::Restart {
            // Whoever concluded the run may not have been the next one to begin.
            let next = starts.iter().copied().find(|start| gap.time <= *start);
            until = until.into_iter().chain(next).min();
        }
        if !scope.overlaps(gap.time, until) {
            continue;
        }
        if !cause.is_loss() {
            let outage = Outage {
                cause: cause.name(),
                from: gap.time,
                until,
                venue: gap.venue.clone(),
                instrument: gap.instrument.clone(),
                run: gap.run.clone().unwrap_or_default(),
            };
            verdict.outages.push(outage);
            continue;
        }
        let run = gap.run.clone().unwrap_or_default();
        let what = match (gap.first, gap.last, gap.rows) {
            (Some(first), Some(last), _) => format!("the numbers {}", Range { first, last }),
            (Some(first), None, _) => format!("an unknown number of rows from number {first}"),
            (None, Some(last), _) => format!("rows up to the number {last}"),
            (None, None, rows) => format!("{} rows", rows.unwrap_or(0)),
        };
        let from = time_text(gap.time);
        let to = until.map_or_else(|| "the end of the segment".to_owned(), time_text);
        let text =
            format!("run {run}: {what} were lost from {from} to {to}, cause {}", cause.name());
        let finding = Finding::new(Problem::Lost, text).of_run(&run);
        let ranges = gap.first.zip(gap.last).map(|(first, last)| Range { first, last });
        let times = Some((gap.time, until));
        let ranges = ranges.into_iter().collect();
        verdict.findings.push(Finding { rows: gap.rows, ranges, times, ..finding });
    }
}

/// When the clock of a run was off. Entries of a run that follow each other are told as one, with the
/// largest error.
pub(super) fn tell_clocks(expected: &Expected, scope: &Scope, verdict: &mut Verdict) {
    let told = &mut verdict.clock_errors;
    for entry in &expected.clocks {
        let (from, run) = (entry.time, entry.run.clone().unwrap_or_default());
        let (until, error) = (entry.until.unwrap_or(from), entry.clock_error().unwrap_or(0));
        if !scope.overlaps(from, Some(until)) {
            continue;
        }
        match told.iter_mut().rfind(|before| before.run == run) {
            Some(before) if from <= before.until && before.error.signum() == error.signum() => {
                before.until = before.until.max(until);
                if before.error.unsigned_abs() < error.unsigned_abs() {
                    before.error = error;
                }
            }
            Some(_) | None => told.push(ClockError { from, until, error, run }),
        }
    }
}

/// Times in which no engine ran: between the runs, and of a day before the first and behind the last.
/// What follows a run that was killed is told by its gap.
pub(super) fn tell_stops(
    expected: &Expected,
    date: Option<jiff::civil::Date>,
    now: Nanos,
    verdict: &mut Verdict,
) {
    let day = date.and_then(|date| layout::times_of(Path::new(&format!("date={date}"))));
    // Quotes that were brought in say nothing of an engine, unless there never was one.
    let mut begun = expected.runs.values().filter(|run| run.started.is_some());
    let has_engine = begun.any(|run| !run.is_import());
    let runs = expected.runs.values().filter(|run| !has_engine || !run.is_import());
    let mut runs: Vec<(Nanos, Nanos, bool)> = runs.filter_map(interval).collect();
    runs.sort_unstable();
    // Nobody knows yet who will run.
    let end_of_day = |end: Nanos| end.min(now);
    if date.is_some() && day.is_none_or(|(first, _)| now < first) {
        let text = "the day has not begun".to_owned();
        verdict.findings.push(Finding::new(Problem::Missing, text));
    }
    let clip = |from: Nanos, until: Nanos| match day {
        Some((first, end)) => (from.max(first), until.min(end_of_day(end))),
        None => (from, until),
    };
    let mut covered = day.map(|(first, _)| (first, true));
    let mut stops = Vec::new();
    for (started, ended, clean) in runs {
        if let Some((until, true)) = covered {
            stops.push(clip(until, started));
        }
        let (until, was_clean) = covered.unwrap_or((0, true));
        covered = Some(if until <= ended { (ended, clean) } else { (until, was_clean) });
    }
    if let (Some((until, true)), Some((_, end))) = (covered, day) {
        stops.push(clip(until, end));
    }
    let stops = stops.into_iter().filter(|(from, until)| from < until);
    verdict.outages.extend(stops.map(|(from, until)| Outage {
        cause: STOPPED,
        from,
        until: Some(until),
        venue: None,
        instrument: None,
        run: String::new(),
    }));
}

/// From when to when a run recorded, and whether it ended in order; one that goes on has no end.
pub(super) fn interval(run: &Run) -> Option<(Nanos, Nanos, bool)> {
    let started = run.started?;
    Some(match &run.ended {
        Some(ended) => (started, ended.time.max(started), ended.cause == "clean"),
        None => (started, Nanos::MAX, true),
    })
}
