//! `lake verify`: recomputes from the files what the ledger says of them.
//!
//! Four things are proved, each from another side. Every file is byte for byte one that the ledger
//! has. Every folder holds as many rows as were sealed into it, with the same digest. Of every run,
//! each number that the calculator gave out is a row once, or the ledger says why not. And of every
//! run that ended in order, the counts of its stages agree. What was never received is stated with
//! its cause; what was received and is not there is a finding. Nothing is changed.

use crate::findings::{Finding, Outage, Problem, RunEnd, RunStory, TableSum, Verdict, ranges_text};
use crate::numbers::{Numbers, Range};
use crate::progress;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type, TimestampNanosecondType};
use clap::Args;
use indicatif::ProgressBar;
use rayon::prelude::*;
use spreadwire::clock::Nanos;
use spreadwire::lake;
use spreadwire::ledger::{self, Entry, EntryKind};
use spreadwire::recover;
use spreadwire::table::{self, QUOTES, STATUS, Table, TableReader};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Ranges of missing numbers that are kept for each segment; how many rows are missing is always told.
const RANGES_MAX: usize = 100_000;
/// Folders that are read before their numbers are put together: bounds the memory.
const FOLDERS_AT_ONCE: usize = 32;

/// Arguments of `lake verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// The lake's folder.
    lake: PathBuf,
    /// Only this day, UTC: 2024-08-08. Numbers are then checked for segments that lie within it.
    #[arg(long, value_name = "DATE")]
    date: Option<jiff::civil::Date>,
    /// Print the verdict as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Verifies, and prints the verdict. 0 if the lake is complete, otherwise 1.
///
/// # Errors
/// If there is no such folder.
pub fn run(arguments: &Verify) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(arguments.lake.is_dir(), "{} is not a folder", arguments.lake.display());
    let bar = progress::bar("folders", 0, arguments.json);
    let verdict = verify(&arguments.lake, arguments.date, &bar);
    bar.finish_and_clear();
    if arguments.json {
        println!("{}", verdict.to_json());
    } else {
        print!("{}", verdict.to_text());
    }
    Ok(ExitCode::from(u8::from(!verdict.is_complete())))
}

/// Compares a lake with its ledger, all of it or a day of it.
#[must_use]
pub fn verify(lake: &Path, date: Option<jiff::civil::Date>, bar: &ProgressBar) -> Verdict {
    let recording = lake::is_recording(lake);
    let (entries, errors) = ledger::read(lake);
    let mut verdict = Verdict { recording, ..Verdict::default() };
    let unreadable = errors
        .iter()
        .map(|error| Finding::new(Problem::Damaged, format!("ledger: {:#}", chain(error))));
    verdict.findings.extend(unreadable);
    let scope = Scope { date: date.map(|date| format!("date={date}")) };
    let mut tree = Tree::default();
    tree.walk(lake, Path::new(""));
    let expected = Expected::new(&entries);
    let mut seen = Seen::default();
    check_folders(lake, &tree, &expected, &scope, &mut verdict, &mut seen, bar);
    check_numbers(&expected, &scope, &seen, &mut verdict);
    check_counts(&expected, &scope, &mut verdict);
    look_around(lake, &tree, recording, &mut verdict);
    check_runs(&expected, lake, recording, &mut verdict);
    tell_runs(&expected, &scope, recording, &mut verdict);
    verdict
}

/// Which days are looked at.
struct Scope {
    date: Option<String>,
}

impl Scope {
    fn has(&self, folder: &str) -> bool {
        self.date.as_deref().is_none_or(|date| folder.split('/').any(|part| part == date))
    }

    fn has_time(&self, time: Nanos) -> bool {
        self.date.as_deref().is_none_or(|date| lake::date_folder(time / lake::HOUR) == date)
    }
}

/// What the lake's folder holds, from its top.
#[derive(Default)]
struct Tree {
    /// Parquet files of known tables, by folder.
    files: BTreeMap<String, BTreeSet<String>>,
    /// Everything else.
    others: Vec<String>,
}

impl Tree {
    fn walk(&mut self, lake: &Path, relative: &Path) {
        let entries = fs::read_dir(lake.join(relative)).into_iter().flatten().flatten();
        for entry in entries {
            let path = relative.join(entry.file_name());
            // A link is no folder of ours, wherever it leads.
            if entry.file_type().is_ok_and(|of| of.is_dir()) {
                self.walk(lake, &path);
                continue;
            }
            let is_table = path.extension().is_some_and(|end| end == "parquet")
                && Table::of_folder(relative).is_some()
                && lake::times_of(relative).is_some();
            if is_table {
                let (folder, file) = (relative.to_string_lossy(), entry.file_name());
                let files = self.files.entry(folder.into_owned()).or_default();
                files.insert(file.to_string_lossy().into_owned());
            } else {
                self.others.push(path.to_string_lossy().into_owned());
            }
        }
    }
}

/// What the ledger says, by what it says it of.
#[derive(Default)]
struct Expected {
    folders: BTreeMap<String, Folder>,
    runs: BTreeMap<String, Run>,
    gaps: Vec<Entry>,
}

/// A folder by the ledger.
#[derive(Clone, Default)]
struct Folder {
    rows: u64,
    digest: u64,
    /// Lengths and checksums that a file of this name has had.
    files: BTreeMap<String, BTreeSet<(u64, u32)>>,
}

/// A run by the ledger.
#[derive(Default)]
struct Run {
    started: Option<Nanos>,
    ended: Option<Ended>,
    /// By number: its range, and the folders that its rows went to.
    segments: BTreeMap<u32, (Option<Range>, BTreeSet<String>)>,
    last_time: Nanos,
    /// Numbers that are stated to be missing.
    stated: Vec<Range>,
    /// Damage whose end is not known begins here.
    torn: Vec<u64>,
    counts: BTreeMap<String, u64>,
    /// Connections made, lost or not made.
    connections: u64,
    /// Rows by table.
    rows: BTreeMap<String, u64>,
    /// Quotes by venue and instrument.
    books: BTreeMap<(String, String), u64>,
}

/// How a run ended, by the ledger.
struct Ended {
    time: Nanos,
    /// The last number that was given out.
    last: Option<u64>,
    /// Of one that ended in order, how many counters were noted.
    counters: Option<u64>,
    cause: String,
}

impl Expected {
    fn new(entries: &[Entry]) -> Expected {
        let mut expected = Expected::default();
        entries.iter().for_each(|entry| expected.take(entry));
        expected
    }

    fn take(&mut self, entry: &Entry) {
        let range =
            || Some(Range { first: entry.first?, last: entry.last? }).filter(|r| r.first <= r.last);
        let folder = entry.folder.clone().unwrap_or_default();
        let run = self.runs.entry(entry.run.clone().unwrap_or_default()).or_default();
        match entry.kind {
            EntryKind::Started => run.started = Some(entry.time),
            EntryKind::Ended => {
                let cause = entry.cause.clone().unwrap_or_default();
                let Entry { time, last, rows: counters, .. } = *entry;
                run.ended = Some(Ended { time, last, counters, cause });
            }
            EntryKind::Segment => {
                run.segments.entry(entry.segment.unwrap_or(0)).or_default().0 = range();
                run.last_time = run.last_time.max(entry.until.unwrap_or(0));
            }
            EntryKind::Rows => {
                run.segments
                    .entry(entry.segment.unwrap_or(0))
                    .or_default()
                    .1
                    .insert(folder.clone());
                let rows = entry.rows.unwrap_or(0);
                *run.rows.entry(entry.table.clone().unwrap_or_default()).or_default() += rows;
                let book = entry.venue.clone().zip(entry.instrument.clone());
                *run.books.entry(book.unwrap_or_default()).or_default() += rows;
                let folder = self.folders.entry(folder).or_default();
                folder.rows += rows;
                folder.digest = folder.digest.wrapping_add(entry.digest.unwrap_or(0));
            }
            EntryKind::File => {
                let crc = entry.digest.and_then(|digest| u32::try_from(digest).ok());
                let file = entry.file.clone().unwrap_or_default();
                let of_folder = self.folders.entry(folder).or_default();
                let known = of_folder.files.entry(file).or_default();
                known.extend(entry.bytes.zip(crc));
            }
            EntryKind::Gap => {
                run.stated.extend(range());
                if entry.last.is_none() && entry.gap_cause() == Some(ledger::Cause::Damage) {
                    run.torn.extend(entry.first);
                }
                self.gaps.push(entry.clone());
            }
            EntryKind::Count => {
                run.counts.insert(entry.cause.clone().unwrap_or_default(), entry.rows.unwrap_or(0));
            }
            EntryKind::Connected | EntryKind::Disconnected => run.connections += 1,
        }
    }
}

/// The numbers found in rows, by run.
#[derive(Default)]
struct Seen {
    runs: BTreeMap<String, Numbers>,
}

/// A folder as it is.
#[derive(Default)]
struct Found {
    rows: u64,
    files: u64,
    bytes: u64,
    digest: u64,
    first: Option<Nanos>,
    last: Option<Nanos>,
    /// By run.
    numbers: BTreeMap<String, Vec<u64>>,
    findings: Vec<Finding>,
}

fn check_folders(
    lake: &Path,
    tree: &Tree,
    expected: &Expected,
    scope: &Scope,
    verdict: &mut Verdict,
    seen: &mut Seen,
    bar: &ProgressBar,
) {
    let is_data = |folder: &&String| !folder.starts_with(lake::LEDGER) && scope.has(folder);
    let folders: BTreeSet<&String> =
        tree.files.keys().chain(expected.folders.keys()).filter(is_data).collect();
    let folders: Vec<&String> = folders.into_iter().collect();
    bar.set_length(folders.len() as u64);
    let (no_files, unknown) = (BTreeSet::new(), Folder::default());
    for some in folders.chunks(FOLDERS_AT_ONCE) {
        let check = |folder: &&String| {
            let files = tree.files.get(*folder).unwrap_or(&no_files);
            let by_ledger = expected.folders.get(*folder).unwrap_or(&unknown);
            let found = check_folder(lake, folder, files, by_ledger, verdict.recording);
            bar.inc(1);
            found
        };
        let found: Vec<Found> = some.par_iter().map(check).collect();
        for (folder, found) in some.iter().zip(found) {
            take(folder, found, verdict, seen);
        }
    }
}

/// Puts what was found in a folder together with the others.
fn take(folder: &str, found: Found, verdict: &mut Verdict, seen: &mut Seen) {
    verdict.findings.extend(found.findings);
    if let Some(table) = Table::of_folder(Path::new(folder)) {
        let sum = verdict.tables.entry(table.name).or_default();
        let TableSum { rows, files, bytes, first, last } = sum;
        (*rows, *files, *bytes) = (*rows + found.rows, *files + found.files, *bytes + found.bytes);
        *first = first.iter().copied().chain(found.first).min();
        *last = last.iter().copied().chain(found.last).max();
    }
    for (run, numbers) in found.numbers {
        let set = seen.runs.entry(run.clone()).or_default();
        let twice: Vec<u64> = numbers.into_iter().filter(|number| !set.insert(*number)).collect();
        if !twice.is_empty() {
            let rows = twice.len() as u64;
            let ranges = ranges(twice);
            let numbers = ranges_text(&ranges);
            let text = format!("{folder}: {rows} rows of run {run} stand twice: numbers {numbers}");
            let finding = Finding::new(Problem::Duplicated, text);
            verdict.findings.push(finding.of_run(&run).in_folder(folder).with_ranges(ranges, rows));
        }
    }
}

/// Numbers as ranges.
fn ranges(mut numbers: Vec<u64>) -> Vec<Range> {
    numbers.sort_unstable();
    let mut found: Vec<Range> = Vec::new();
    for number in numbers {
        match found.last_mut() {
            Some(range) if number <= range.last + 1 => range.last = number,
            Some(_) | None => found.push(Range { first: number, last: number }),
        }
    }
    found
}

fn check_folder(
    lake: &Path,
    folder: &str,
    files: &BTreeSet<String>,
    expected: &Folder,
    recording: bool,
) -> Found {
    let mut found = Found::default();
    let mut damaged = false;
    for file in files {
        let known = expected.files.get(file);
        match check_file(lake, folder, file, known, &mut found) {
            Ok(()) => {}
            Err(finding) => {
                damaged |= finding.problem == Problem::Damaged;
                found.findings.push(*finding);
            }
        }
    }
    if (found.rows, found.digest) == (expected.rows, expected.digest) {
        return found;
    }
    // While an engine records, a segment may have been sealed since the ledger was read.
    if recording && expected.rows < found.rows {
        return found;
    }
    found.findings.push(differs(folder, &found, expected, files, damaged));
    found
}

/// What to say of a folder whose rows are not those that were sealed.
fn differs(
    folder: &str,
    found: &Found,
    expected: &Folder,
    files: &BTreeSet<String>,
    damaged: bool,
) -> Finding {
    let (there, wanted) = (found.rows, expected.rows);
    let gone: Vec<&str> =
        expected.files.keys().filter(|file| !files.contains(*file)).map(String::as_str).collect();
    let hint = match (gone.as_slice(), damaged) {
        (_, true) => ": the rows of the damaged file".to_owned(),
        ([], false) => String::new(),
        (gone, false) => format!(": not there are {}", gone.join(", ")),
    };
    let (problem, text) = if there < wanted {
        let missing = wanted - there;
        (Problem::Missing, format!("{folder}: {missing} of {wanted} rows are missing{hint}"))
    } else if wanted < there {
        (
            Problem::Unexpected,
            format!("{folder}: {} rows more than the {wanted} sealed", there - wanted),
        )
    } else {
        (Problem::Damaged, format!("{folder}: {there} rows, but not those that were sealed"))
    };
    let finding = Finding::new(problem, text).in_folder(folder);
    Finding { rows: Some(there.abs_diff(wanted)), ..finding }
}

/// Adds a file's rows to its folder's. A file that the ledger does not know byte for byte is not
/// read: its rows count for nothing.
fn check_file(
    lake: &Path,
    folder: &str,
    file: &str,
    known: Option<&BTreeSet<(u64, u32)>>,
    found: &mut Found,
) -> Result<(), Box<Finding>> {
    let path = lake.join(folder).join(file);
    let finding = |problem, why: &str| {
        Box::new(
            Finding::new(problem, format!("{folder}/{file}: {why}"))
                .in_folder(folder)
                .of_file(file),
        )
    };
    let damaged = |error: &dyn std::error::Error| finding(Problem::Damaged, &chain(error));
    let sum = table::checksum(&path).map_err(|error| damaged(&error))?;
    let Some(known) = known else {
        return Err(finding(Problem::Unexpected, "the ledger does not know this file"));
    };
    if !known.contains(&sum) {
        let (bytes, crc) = sum;
        let why = format!("{bytes} bytes with checksum {crc:08x} are not what was written");
        return Err(finding(Problem::Damaged, &why));
    }
    let Some(of) = Table::of_folder(Path::new(folder)) else { return Ok(()) };
    let reader = TableReader::open(&path, of).map_err(|error| damaged(&error))?;
    let times = lake::times_of(Path::new(folder)).unwrap_or((0, 0));
    let (mut rows, mut last) = (Found { files: 1, bytes: sum.0, ..Found::default() }, None);
    for batch in reader {
        let batch = batch.map_err(|error| damaged(&error))?;
        if !is_in_order(&batch, times, &mut last) {
            return Err(finding(Problem::Damaged, "rows are out of order or of another hour"));
        }
        rows.take(&batch, of);
    }
    found.add(rows);
    Ok(())
}

impl Found {
    fn take(&mut self, batch: &RecordBatch, of: &Table) {
        self.rows += batch.num_rows() as u64;
        self.digest = self.digest.wrapping_add(table::digest(batch));
        let times = batch.column(0).as_primitive::<TimestampNanosecondType>().values();
        self.first = self.first.or(times.first().map(|time| time.cast_unsigned()));
        self.last = times.last().map(|time| time.cast_unsigned()).or(self.last);
        // Spreads and opportunities bear the number of a quote, they have none of their own.
        if of.name == QUOTES.name || of.name == STATUS.name {
            self.take_numbers(batch);
        }
    }

    fn take_numbers(&mut self, batch: &RecordBatch) {
        let (Some(numbers), Some(runs)) =
            (batch.column_by_name("JournalSequence"), batch.column_by_name("Run"))
        else {
            return;
        };
        let (numbers, runs) =
            (numbers.as_primitive::<Int64Type>(), runs.as_dictionary::<Int32Type>());
        let names = runs.values().as_string::<i32>();
        let mut by_name: Vec<Vec<u64>> = vec![Vec::new(); names.len()];
        for row in 0..batch.num_rows() {
            if let Some(key) = runs.key(row) {
                by_name[key].push(numbers.value(row).cast_unsigned());
            }
        }
        for (name, numbers) in by_name.into_iter().enumerate().filter(|(_, n)| !n.is_empty()) {
            self.numbers.entry(names.value(name).to_owned()).or_default().extend(numbers);
        }
    }

    fn add(&mut self, other: Found) {
        self.rows += other.rows;
        self.files += other.files;
        self.bytes += other.bytes;
        self.digest = self.digest.wrapping_add(other.digest);
        self.first = self.first.into_iter().chain(other.first).min();
        self.last = self.last.into_iter().chain(other.last).max();
        for (run, numbers) in other.numbers {
            self.numbers.entry(run).or_default().extend(numbers);
        }
    }
}

/// Whether times go up and are those of the folder.
fn is_in_order(batch: &RecordBatch, of: (Nanos, Nanos), last: &mut Option<i64>) -> bool {
    let times = batch.column(0).as_primitive::<TimestampNanosecondType>().values();
    let sorted = last.is_none_or(|last| times.first().is_none_or(|first| last <= *first))
        && times.is_sorted();
    *last = times.last().copied().or(*last);
    let within = |time: i64| (of.0..of.1).contains(&time.cast_unsigned());
    sorted && times.first().copied().is_none_or(within) && times.last().copied().is_none_or(within)
}

/// Every number that a run gave out must have been seen once, or be stated as missing.
fn check_numbers(expected: &Expected, scope: &Scope, seen: &Seen, verdict: &mut Verdict) {
    let none = Numbers::default();
    for (name, run) in &expected.runs {
        let numbers = seen.runs.get(name).unwrap_or(&none);
        let whole = run.segments.values().all(|(_, folders)| folders.iter().all(|f| scope.has(f)));
        let segments = run.segments.values();
        let in_scope = segments.filter(|(_, folders)| folders.iter().all(|f| scope.has(f)));
        let mut to_check: Vec<Range> = in_scope.filter_map(|(range, _)| *range).collect();
        if whole {
            to_check.extend(between_segments(run));
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
fn between_segments(run: &Run) -> Vec<Range> {
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

fn missing_of(name: &str, run: &Run, range: Range, seen: &Numbers, verdict: &mut Verdict) {
    let mut stated: Vec<Range> = run.stated.clone();
    // What was torn ends where the next segment begins, which is where this range ends.
    stated.extend(run.torn.iter().map(|first| Range { first: *first, last: range.last }));
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
fn check_runs(expected: &Expected, lake: &Path, recording: bool, verdict: &mut Verdict) {
    let marked = recover::leftovers(lake).unwrap_or_default();
    let is_open = |name: &str| recording || marked.iter().any(|left| left.run.as_str() == name);
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
fn check_counts(expected: &Expected, scope: &Scope, verdict: &mut Verdict) {
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
fn check_books(name: &str, run: &Run, verdict: &mut Verdict) {
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
fn check_feeds(name: &str, run: &Run, numbered: u64, verdict: &mut Verdict) {
    let is_feed = |counter: &str| counter.starts_with("edge.feed") && counter.ends_with(".passed");
    let feeds = run.counts.iter().filter(|(counter, _)| is_feed(counter));
    let passed: u64 = feeds.map(|(_, count)| count).sum();
    if passed != numbered {
        let text =
            format!("run {name}: the feeds handed on {passed} records, {numbered} were numbered");
        verdict.findings.push(Finding::new(Problem::Missing, text).of_run(name));
    }
}

/// What lies in the lake beside the tables.
fn look_around(lake: &Path, tree: &Tree, recording: bool, verdict: &mut Verdict) {
    for path in &tree.others {
        let first = path.split('/').next().unwrap_or_default();
        let known = match first {
            lake::JOURNAL | lake::CAPTURE => true,
            lake::RECORDING_LOCK | lake::CHANGE_LOCK => path == first,
            lake::OPPORTUNITIES => path.ends_with(".jsonl"),
            lake::DAMAGED | lake::STAGING => {
                verdict.notes.push(format!("{path} is kept aside and no part of the lake"));
                true
            }
            _ => false,
        };
        let unfinished = path.ends_with(lake::UNFINISHED_SUFFIX);
        if known || (recording && unfinished) {
            continue;
        }
        let why = if unfinished {
            "an unfinished file of a sealer or tool that was killed: delete it"
        } else {
            "no file of this lake"
        };
        verdict.findings.push(Finding::new(Problem::Unexpected, format!("{path}: {why}")));
    }
    let leftovers = recover::leftovers(lake).unwrap_or_default();
    for left in leftovers.iter().filter(|_| !recording) {
        let (run, segments) = (left.run, left.segments.len());
        let text = format!(
            "run {run} was not concluded: {segments} of its segments wait in the journal; start \
             the engine again, or run lake recover"
        );
        verdict.findings.push(Finding::new(Problem::Missing, text).of_run(run.as_str()));
    }
}

/// How runs ended, and what is stated as missing.
fn tell_runs(expected: &Expected, scope: &Scope, recording: bool, verdict: &mut Verdict) {
    for (name, run) in expected.runs.iter().filter(|(_, run)| run.started.is_some()) {
        let started = run.started.unwrap_or(0);
        let end = match &run.ended {
            None if recording => RunEnd::Running,
            None => RunEnd::Unknown,
            Some(ended) if ended.cause == "clean" => RunEnd::Clean,
            Some(_) => RunEnd::Killed,
        };
        let ended = run.ended.as_ref().map(|ended| ended.time);
        let within = scope.has_time(started) || ended.is_some_and(|time| scope.has_time(time));
        if within {
            verdict.runs.push(RunStory { run: name.clone(), started, ended, end });
        }
    }
    for gap in expected.gaps.iter().filter(|gap| scope.has_time(gap.time)) {
        let Some(cause) = gap.gap_cause() else { continue };
        if !cause.is_loss() {
            let outage = Outage {
                cause,
                from: gap.time,
                until: gap.until,
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
            (None, _, rows) => format!("{} rows", rows.unwrap_or(0)),
        };
        let at = crate::findings::time_text(gap.time);
        let text = format!("run {run}: {what} were lost at {at}, cause {}", cause.name());
        let finding = Finding::new(Problem::Lost, text).of_run(&run);
        verdict.findings.push(Finding { rows: gap.rows, ..finding });
    }
}

/// An error with its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
