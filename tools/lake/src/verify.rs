//! `lake verify`: recomputes the ledger's statements from the files.
//!
//! It verifies four things, each from another side. Every file is byte for byte one that the ledger
//! has. Every folder has as many rows as were sealed into it, with the same digest. For every run,
//! each number that the calculator assigned is a row exactly once, or the ledger explains why not.
//! For every run that ended in order, the counts of its stages agree. Data that was never received
//! is listed with the cause; data that was received but is missing is a finding. Nothing is
//! changed.

use crate::findings::{Finding, Problem, TableSum, Verdict, ranges_text};
use crate::numbers::{Numbers, Range};
use crate::progress;
use clap::Args;
use expected::{Expected, Folder};
use folder::Found;
use indicatif::ProgressBar;
use rayon::prelude::*;
use spreadwire_lake::ledger::{Head, Ledger};
use spreadwire_lake::recover::Leftover;
use spreadwire_lake::segment::{CLOSED_SUFFIX, OPEN_SUFFIX};
use spreadwire_lake::table::Table;
use spreadwire_lake::{layout, lock, mark, recover};
use spreadwire_market::clock::{Clock, Nanos};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

mod chains;
mod expected;
mod folder;
mod runs;
mod stages;

/// Number of folders that are read before their numbers are combined, which bounds the memory.
const FOLDERS_AT_ONCE: usize = 32;

/// Arguments of `lake verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// Folder of the lake.
    lake: PathBuf,
    /// Only this day, UTC: 2024-08-08. Numbers are then checked for segments within that day.
    #[arg(long, value_name = "DATE")]
    date: Option<jiff::civil::Date>,
    /// Print the verdict as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Verifies and prints the verdict. Returns 0 if the lake is complete, otherwise 1.
///
/// # Errors
/// If the folder does not exist.
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

/// Compares a lake, or one of its days, with its ledger.
#[must_use]
pub fn verify(lake: &Path, date: Option<jiff::civil::Date>, bar: &ProgressBar) -> Verdict {
    let recording = lock::is_recording(lake);
    // The ledger and the files must belong together, so no sealer may run in between.
    let _lock = lock::reading(lake);
    // A run may begin or end meanwhile: the head is as it was before, and a run is open if it was so
    // before or after.
    let head = Head::read(lake);
    let before = recover::leftovers(lake);
    let mut ledger = Ledger::read(lake);
    let open: io::Result<Vec<Vec<Leftover>>> =
        [before, recover::leftovers(lake)].into_iter().collect();
    let (open, unlisted) = match open {
        Ok(open) => (open.concat(), None),
        Err(error) => (Vec::new(), Some(format!("cannot list the journal: {error}"))),
    };
    let unlisted = unlisted.map(|text| Finding::new(Problem::Damaged, text));
    let (entries, errors) = (mem::take(&mut ledger.facts), mem::take(&mut ledger.errors));
    let mut verdict = Verdict { recording, ..Verdict::default() };
    let unreadable = errors.into_iter().map(|error| {
        let text = format!("ledger: {:#}", anyhow::Error::from(error));
        Finding::new(Problem::Damaged, text)
    });
    verdict.findings.extend(unreadable.chain(unlisted));
    let scope = Scope { date: date.map(|date| format!("date={date}")) };
    let mut tree = Tree::default();
    tree.walk(lake, Path::new(""));
    let expected = Expected::new(&entries);
    let mut seen = Seen::default();
    check_folders(lake, &tree, &expected, &scope, &mut verdict, &mut seen, bar);
    chains::check_chains(&ledger, head, &expected, &scope, &open, &mut verdict);
    runs::check_numbers(&expected, &scope, &seen, &mut verdict);
    runs::check_counts(&expected, &scope, &mut verdict);
    look_around(&tree, &open, recording, &mut verdict);
    runs::check_runs(&expected, &open, &mut verdict);
    runs::tell_runs(&expected, &scope, recording, &mut verdict);
    runs::tell_stops(&expected, date, Clock::host().now(), &mut verdict);
    if entries.is_empty() {
        let text = "no ledger: nothing was recorded here, or it was deleted".to_owned();
        verdict.findings.push(Finding::new(Problem::Missing, text));
    }
    verdict
}

/// Days to verify.
struct Scope {
    date: Option<String>,
}

impl Scope {
    fn has(&self, folder: &str) -> bool {
        self.date.as_deref().is_none_or(|date| folder.split('/').any(|part| part == date))
    }

    /// Returns whether an interval, which may not have ended, overlaps these days.
    fn overlaps(&self, from: Nanos, until: Option<Nanos>) -> bool {
        let Some(date) = &self.date else { return true };
        let day = layout::times_of(Path::new(date));
        day.is_some_and(|(first, end)| from < end && until.is_none_or(|until| first <= until))
    }

    fn has_time(&self, time: Nanos) -> bool {
        self.date.as_deref().is_none_or(|date| layout::date_folder(time / layout::HOUR) == date)
    }
}

/// Contents of the lake's folder.
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
            // A symbolic link is never a folder of the lake.
            if entry.file_type().is_ok_and(|of| of.is_dir()) {
                self.walk(lake, &path);
                continue;
            }
            let is_table = path.extension().is_some_and(|end| end == "parquet")
                && Table::of_folder(relative).is_some()
                && layout::times_of(relative).is_some();
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

/// Numbers found in rows, by run.
#[derive(Default)]
struct Seen {
    runs: BTreeMap<String, Numbers>,
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
    let is_data = |folder: &&String| !folder.starts_with(layout::LEDGER) && scope.has(folder);
    let folders: BTreeSet<&String> =
        tree.files.keys().chain(expected.folders.keys()).filter(is_data).collect();
    let folders: Vec<&String> = folders.into_iter().collect();
    bar.set_length(folders.len() as u64);
    let (no_files, unknown) = (BTreeSet::new(), Folder::default());
    for some in folders.chunks(FOLDERS_AT_ONCE) {
        let check = |folder: &&String| {
            let files = tree.files.get(*folder).unwrap_or(&no_files);
            let by_ledger = expected.folders.get(*folder).unwrap_or(&unknown);
            let found = folder::check_folder(lake, folder, files, by_ledger);
            bar.inc(1);
            found
        };
        let found: Vec<Found> = some.par_iter().map(check).collect();
        for (folder, found) in some.iter().zip(found) {
            take(folder, found, verdict, seen);
        }
    }
}

/// Adds the results of a folder to the verdict.
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
            let text =
                format!("{folder}: {rows} rows of run {run} are duplicated: numbers {numbers}");
            let finding = Finding::new(Problem::Duplicated, text);
            verdict.findings.push(finding.of_run(&run).in_folder(folder).with_ranges(ranges, rows));
        }
    }
}

/// Returns the numbers as ranges.
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

/// Checks the entries of the lake other than the tables.
fn look_around(tree: &Tree, open: &[Leftover], recording: bool, verdict: &mut Verdict) {
    for path in &tree.others {
        let first = path.split('/').next().unwrap_or_default();
        let known = match first {
            layout::JOURNAL => is_of_journal(path),
            layout::CAPTURE => true,
            layout::RECORDING_LOCK | layout::CHANGE_LOCK | layout::HEAD => path == first,
            layout::OPPORTUNITIES => path.ends_with(".jsonl"),
            layout::DAMAGED | layout::STAGING => {
                verdict.notes.push(format!("{path} is kept aside and is not part of the lake"));
                true
            }
            _ => false,
        };
        let unfinished = path.ends_with(layout::UNFINISHED_SUFFIX);
        if known || (recording && unfinished) {
            continue;
        }
        let why = if unfinished {
            "an unfinished file of a sealer or tool that was killed: delete it"
        } else {
            "not a file of this lake"
        };
        verdict.findings.push(Finding::new(Problem::Unexpected, format!("{path}: {why}")));
    }
    let mut open: Vec<&Leftover> = open.iter().filter(|_| !recording).collect();
    open.sort_by_key(|left| left.run);
    open.dedup_by_key(|left| left.run);
    for left in open {
        let (run, segments) = (left.run, left.segments.len());
        let text = format!(
            "run {run} was not concluded: {segments} of its segments wait in the journal; start \
             the engine again, or run lake recover"
        );
        verdict.findings.push(Finding::new(Problem::Missing, text).of_run(run.as_str()));
    }
}

/// Returns whether a file in the journal's folder is one that an engine or an import leaves there.
fn is_of_journal(path: &str) -> bool {
    let ends = [CLOSED_SUFFIX, OPEN_SUFFIX, mark::MARK_SUFFIX, mark::UNFINISHED_SUFFIX];
    ends.iter().any(|end| path.ends_with(end)) || path.split('/').count() == 3
}
