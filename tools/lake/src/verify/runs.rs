//! Runs: whether every number that was given out is a row or a stated gap, whether the counts of the
//! stages agree, how runs ended, and when none was under way. It must not know files.

use super::expected::{Expected, Run};
use super::{Scope, Seen};
use crate::findings::{
    Finding, Outage, Problem, RunEnd, RunStory, STOPPED, Verdict, ranges_text, time_text,
};
use crate::numbers::{Numbers, Range};
use spreadwire_lake::ledger::Cause;
use spreadwire_lake::table::{QUOTES, STATUS};
use spreadwire_lake::{layout, recover};
use spreadwire_market::clock::Nanos;
use std::path::Path;

/// Ranges of missing numbers that are kept for each segment; how many rows are missing is always told.
const RANGES_MAX: usize = 100_000;

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
        let whole = run.segments.values().all(|(_, folders)| folders.iter().all(|f| scope.has(f)));
        let segments = run.segments.values();
        let in_scope = segments.filter(|(_, folders)| folders.iter().all(|f| scope.has(f)));
        let mut to_check: Vec<Range> = in_scope.filter_map(|(range, _)| *range).collect();
        if whole {
            // Where a segment was torn off, the ledger has said so.
            let holes = between_segments(run).into_iter();
            to_check.extend(holes.filter(|hole| !run.is_torn(hole)));
        }
        for range in to_check {
            missing_of(name, run, range, numbers, verdict);
        }
    }
    for name in seen.runs.keys().filter(|name| !expected.runs.contains_key(*name)) {
        let text = format!("rows of a run that the ledger does not know: {name}");
        verdict.findings.push(Finding::new(Problem::Unexpected, text).of_run(name));
    }
}

/// Numbers that lie before, between and behind the segments of a run.
pub(super) fn between_segments(run: &Run) -> Vec<Range> {
    let mut ranges: Vec<Range> = run.segments.values().filter_map(|(range, _)| *range).collect();
    ranges.sort_unstable();
    let last = run.ended.as_ref().and_then(|ended| ended.last);
    let (mut next, mut found) = (0, Vec::new());
    for range in ranges {
        if next < range.first {
            found.push(Range { first: next, last: range.first - 1 });
        }
        next = next.max(range.last.saturating_add(1));
    }
    found.extend(last.filter(|last| next <= *last).map(|last| Range { first: next, last }));
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

/// The ledger must tell of every run how it began and ended, and what it counted.
pub(super) fn check_runs(expected: &Expected, lake: &Path, verdict: &mut Verdict) {
    let marked = recover::leftovers(lake).unwrap_or_default();
    let is_open = |name: &str| marked.iter().any(|left| left.run.as_str() == name);
    for (name, run) in expected.runs.iter().filter(|(name, _)| !name.is_empty()) {
        let noted = run.ended.as_ref().and_then(|ended| ended.counters).unwrap_or(0);
        let lacks = if run.started.is_none() {
            "how the run began"
        } else if run.ended.is_none() && !is_open(name) {
            "how the run ended"
        } else if noted != 0 && noted != run.counts.len() as u64 {
            "what the run counted"
        } else if run.counts.get("chronicle.booked").is_some_and(|count| *count != run.connections)
        {
            "all of its connections"
        } else {
            continue;
        };
        let text =
            format!("run {name}: the ledger does not say any more {lacks}: a file of it is gone");
        verdict.findings.push(Finding::new(Problem::Missing, text).of_run(name));
    }
}

/// The stages of a run that ended in order must have counted the same.
pub(super) fn check_counts(expected: &Expected, scope: &Scope, verdict: &mut Verdict) {
    for (name, run) in &expected.runs {
        let started = run.started.is_some_and(|time| scope.has_time(time));
        if run.counts.is_empty() || !started {
            continue;
        }
        let count = |name: &str| run.counts.get(name).copied().unwrap_or(0);
        let (quotes, statuses) = (count("calculator.quotes"), count("calculator.statuses"));
        let lost = count("journal.lost") + count("journal.missed");
        let rows = |table: &str| run.rows.get(table).copied().unwrap_or(0);
        let sealed = rows(QUOTES.name) + rows(STATUS.name);
        let damaged = count("seal.damaged") + count("seal.unsealed");
        if damaged == 0 && quotes + statuses != sealed + lost {
            let text = format!(
                "run {name}: {quotes} quotes and {statuses} statuses were numbered, {sealed} rows \
                 sealed and {lost} lost"
            );
            verdict.findings.push(Finding::new(Problem::Missing, text).of_run(name));
        }
        check_feeds(name, run, quotes + statuses, verdict);
        if lost + damaged == 0 {
            check_books(name, run, verdict);
        }
    }
}

/// Where nothing was lost, every stage must have had the same quotes of each venue and instrument.
pub(super) fn check_books(name: &str, run: &Run, verdict: &mut Verdict) {
    for ((venue, instrument), rows) in run.books.iter().filter(|((venue, _), _)| !venue.is_empty())
    {
        let sum = |prefix: String, suffix: String| -> Option<u64> {
            let fits = |counter: &str| counter.starts_with(&prefix) && counter.ends_with(&suffix);
            let counts = run.counts.iter().filter(|(counter, _)| fits(counter));
            counts.map(|(_, count)| *count).reduce(|a, b| a + b)
        };
        let stages = [
            ("decoded", sum(format!("feed.{venue}."), format!(".instrument.{instrument}.passed"))),
            ("handed on", sum(format!("calculator.{venue}.{instrument}.passed"), String::new())),
            ("journalled", sum(format!("journal.{venue}.{instrument}.written"), String::new())),
        ];
        for (stage, count) in stages.into_iter().filter_map(|(s, count)| Some((s, count?))) {
            if count != *rows {
                let text = format!(
                    "run {name}: {count} quotes of {venue} {instrument} were {stage}, {rows} sealed"
                );
                verdict.findings.push(Finding::new(Problem::Missing, text).of_run(name));
            }
        }
    }
}

/// What the feeds handed on is what the calculator numbered.
pub(super) fn check_feeds(name: &str, run: &Run, numbered: u64, verdict: &mut Verdict) {
    let is_feed = |counter: &str| counter.starts_with("edge.feed") && counter.ends_with(".passed");
    let feeds = run.counts.iter().filter(|(counter, _)| is_feed(counter));
    let passed: u64 = feeds.map(|(_, count)| count).sum();
    if passed != numbered {
        let text =
            format!("run {name}: the feeds handed on {passed} records, {numbered} were numbered");
        verdict.findings.push(Finding::new(Problem::Missing, text).of_run(name));
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
            verdict.runs.push(RunStory { run: name.clone(), started, ended, end });
        }
    }
    let mut starts: Vec<Nanos> = expected.runs.values().filter_map(|run| run.started).collect();
    starts.sort_unstable();
    for gap in &expected.gaps {
        let Some(cause) = gap.gap_cause() else { continue };
        let mut until = gap.until;
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

/// Times in which no engine ran: between the runs, and of a day before the first and behind the last.
/// What follows a run that was killed is told by its gap.
pub(super) fn tell_stops(
    expected: &Expected,
    date: Option<jiff::civil::Date>,
    now: Nanos,
    verdict: &mut Verdict,
) {
    let day = date.and_then(|date| layout::times_of(Path::new(&format!("date={date}"))));
    let mut runs: Vec<(Nanos, Nanos, bool)> = expected.runs.values().filter_map(interval).collect();
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
