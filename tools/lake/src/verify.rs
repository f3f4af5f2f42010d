//! `lake verify`: recomputes the ledger's statements from the files.
//!
//! It verifies four things, each from another side. Every file is byte for byte one that the ledger
//! has. Every folder has as many rows as were sealed into it, with the same digest. For every run,
//! each number that the calculator assigned is a row exactly once, or the ledger explains why not.
//! For every run that ended in order, the counts of its stages agree. Data that was never received
//! is listed with the cause; data that was received but is missing is a finding. Nothing is
//! changed.

use crate::findings::{Finding, Problem, TableSum, Verdict, ranges_text, time_text};
use crate::import;
use crate::numbers::{Numbers, Range};
use crate::progress;
use anyhow::Context;
use clap::Args;
use expected::{Expected, Folder};
use folder::Found;
use indicatif::ProgressBar;
use rayon::prelude::*;
use spreadwire_lake::ledger::{Entry, Head, Ledger};
use spreadwire_lake::recover::Leftover;
use spreadwire_lake::segment::{CLOSED_SUFFIX, OPEN_SUFFIX};
use spreadwire_lake::table::Table;
use spreadwire_lake::{layout, lock, mark, recover};
use spreadwire_market::clock::{Clock, Nanos};
use spreadwire_output::{Stream, out, write};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

mod chains;
mod decisions;
mod expected;
mod folder;
mod repair;
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
    /// Read no rows: only the ledger, and of each file its size and its footer. What was changed
    /// within a file is not noticed.
    #[arg(long)]
    fast: bool,
    /// Mend what the ledger proves, then verify: give files their names back, delete copies and
    /// unfinished files. Nothing else is touched.
    #[arg(long)]
    repair: bool,
    /// Print the verdict as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Verifies and prints the verdict. Returns 0 if the lake is complete, otherwise 1.
///
/// # Errors
/// If the folder does not exist, or something that can be mended cannot be written.
pub fn run(arguments: &Verify) -> anyhow::Result<ExitCode> {
    let Verify { lake, date, fast, repair, json } = arguments;
    anyhow::ensure!(lake.is_dir(), "{} is not a folder", lake.display());
    let mended = if *repair { mend(lake)? } else { Vec::new() };
    let bar = progress::bar("folders", 0, *json);
    let depth = if *fast { Depth::Footers } else { Depth::Rows };
    let mut verdict = verify_to(lake, *date, depth, &bar);
    verdict.notes.splice(0..0, mended.into_iter().map(|what| format!("repaired {what}")));
    bar.finish_and_clear();
    if *json {
        out!("{}", verdict.to_json());
    } else {
        write(Stream::Out, &verdict.to_text());
    }
    Ok(ExitCode::from(u8::from(!verdict.is_complete())))
}

/// Mends what the ledger proves, and returns a sentence for each thing that was done.
///
/// # Errors
/// If the ledger cannot be read, or a file cannot be changed.
pub fn mend(lake: &Path) -> anyhow::Result<Vec<String>> {
    let _lock = lock::changes(lake)?;
    let mut ledger = Ledger::read(lake);
    if let Some(error) = ledger.errors.pop() {
        return Err(error).context("the ledger is damaged, so that nothing can be proved by it");
    }
    let (tree, expected) = (Tree::of(lake), Expected::new(&ledger.facts));
    let recording = lock::is_recording(lake);
    let mut done = repair::repair(lake, &tree, &expected, recording)?;
    // The head is written by whoever records.
    if !recording {
        let added = Head::complete(lake, &ledger.chains)?;
        done.extend(added.iter().map(|run| format!("{}: names run {run} again", layout::HEAD)));
    }
    Ok(done)
}

/// How much is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Every byte and every row.
    Rows,
    /// Of each file the size and the footer.
    Footers,
}

/// Compares a lake, or one of its days, with its ledger.
#[must_use]
pub fn verify(lake: &Path, date: Option<jiff::civil::Date>, bar: &ProgressBar) -> Verdict {
    verify_to(lake, date, Depth::Rows, bar)
}

/// Does what [`verify`] does, and reads only so much.
#[must_use]
pub fn verify_to(
    lake: &Path,
    date: Option<jiff::civil::Date>,
    depth: Depth,
    bar: &ProgressBar,
) -> Verdict {
    let recording = lock::is_recording(lake);
    // The ledger and the files must belong together, so no sealer may run in between.
    let _lock = lock::reading(lake);
    let mut verdict = Verdict { recording, ..Verdict::default() };
    // A run may begin or end meanwhile: the head is as it was before, and a run is open if it was so
    // before or after.
    let (head, before) = (Head::read(lake), recover::leftovers(lake));
    let mut ledger = Ledger::read(lake);
    let open = open_runs([before, recover::leftovers(lake)], &mut verdict);
    let (entries, errors) = (mem::take(&mut ledger.facts), mem::take(&mut ledger.errors));
    verdict.findings.extend(errors.into_iter().map(|error| {
        let text = format!("ledger: {:#}", anyhow::Error::from(error));
        Finding::new(Problem::Damaged, text)
    }));
    let scope = Scope { date: date.map(|date| format!("date={date}")) };
    let (tree, expected) = (Tree::of(lake), Expected::new(&entries));
    let mut seen = Seen::default();
    let files = Files { lake, tree: &tree, expected: &expected, scope: &scope, depth };
    files.check(&mut verdict, &mut seen, bar);
    chains::check_chains(&ledger, head, &expected, &scope, &open, &mut verdict);
    if depth == Depth::Rows {
        runs::check_numbers(&expected, &scope, &seen, &mut verdict);
    }
    runs::check_counts(&expected, &scope, &mut verdict);
    decisions::check(lake, &mut verdict);
    look_around(&tree, &open, recording, &mut verdict);
    runs::check_runs(&expected, &open, &mut verdict);
    runs::tell_runs(&expected, &scope, recording, &mut verdict);
    runs::tell_clocks(&expected, &scope, &mut verdict);
    runs::tell_stops(&expected, date, Clock::host().now(), &mut verdict);
    verdict.notes.extend(expected.drops.iter().map(told_drop));
    if depth == Depth::Footers {
        verdict.notes.push("only sizes and footers were looked at, no rows".to_owned());
    }
    if entries.is_empty() {
        let text = "no ledger: nothing was recorded here, or it was deleted".to_owned();
        verdict.findings.push(Finding::new(Problem::Missing, text));
    }
    verdict
}

/// Returns the runs that have a mark or segments in the journal in one of two listings, each once.
fn open_runs(listings: [io::Result<Vec<Leftover>>; 2], verdict: &mut Verdict) -> Vec<Leftover> {
    let listed: io::Result<Vec<Vec<Leftover>>> = listings.into_iter().collect();
    let mut open = listed.map(|open| open.concat()).unwrap_or_else(|error| {
        let text = format!("cannot list the journal: {error}");
        verdict.findings.push(Finding::new(Problem::Damaged, text));
        Vec::new()
    });
    open.sort_by_key(|left| left.run);
    open.dedup_by_key(|left| left.run);
    open
}

/// Says what was deleted on purpose.
fn told_drop(drop: &Entry) -> String {
    let (when, why) = (time_text(drop.time), drop.cause.as_deref().unwrap_or("dropped"));
    match (&drop.run, drop.until) {
        (Some(run), _) => format!("run {run} was dropped at {when}: {why}"),
        (None, until) => {
            let until = until.map_or_else(String::new, time_text);
            format!("everything before {until} was pruned at {when}: {why}")
        }
    }
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
    /// Other files.
    others: Vec<String>,
    /// What is neither a file nor a folder.
    strange: Vec<String>,
    /// Folders that could not be listed, and why.
    unlisted: Vec<String>,
}

impl Tree {
    fn of(lake: &Path) -> Tree {
        let mut tree = Tree::default();
        tree.walk(lake, Path::new(""));
        tree
    }

    fn walk(&mut self, lake: &Path, relative: &Path) {
        let entries = fs::read_dir(lake.join(relative)).and_then(Iterator::collect);
        let entries: Vec<fs::DirEntry> = entries.unwrap_or_else(|error| {
            // A folder that went meanwhile held nothing.
            if error.kind() != io::ErrorKind::NotFound {
                self.unlisted.push(format!("{}: cannot be listed: {error}", relative.display()));
            }
            Vec::new()
        });
        for entry in entries {
            let path = relative.join(entry.file_name());
            let of = entry.file_type();
            if of.as_ref().is_ok_and(fs::FileType::is_dir) {
                self.walk(lake, &path);
                continue;
            }
            // A link may lead anywhere, and a pipe may never end: neither is ever opened.
            if !of.is_ok_and(|of| of.is_file()) {
                self.strange.push(path.to_string_lossy().into_owned());
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

/// What the files are checked against.
struct Files<'a> {
    lake: &'a Path,
    tree: &'a Tree,
    expected: &'a Expected,
    scope: &'a Scope,
    depth: Depth,
}

impl Files<'_> {
    fn check(&self, verdict: &mut Verdict, seen: &mut Seen, bar: &ProgressBar) {
        let folders = self.folders(verdict);
        bar.set_length(folders.len() as u64);
        let (no_files, unknown) = (BTreeSet::new(), Folder::default());
        for some in folders.chunks(FOLDERS_AT_ONCE) {
            let check = |folder: &&String| {
                let files = self.tree.files.get(*folder).unwrap_or(&no_files);
                let by_ledger = self.expected.folders.get(*folder).unwrap_or(&unknown);
                let found = folder::check_folder(self.lake, folder, files, by_ledger, self.depth);
                bar.inc(1);
                found
            };
            let found: Vec<Found> = some.par_iter().map(check).collect();
            for (folder, found) in some.iter().zip(found) {
                take(folder, found, verdict, seen);
            }
        }
    }

    /// Returns the folders to check, and tells of those that should be gone.
    fn folders(&self, verdict: &mut Verdict) -> Vec<&String> {
        let Files { tree, expected, scope, .. } = self;
        let is_data = |folder: &&String| !folder.starts_with(layout::LEDGER) && scope.has(folder);
        let (pruned, kept): (Vec<&String>, Vec<&String>) =
            tree.files.keys().partition(|folder| expected.is_pruned(folder));
        for folder in pruned.into_iter().filter(is_data) {
            let text =
                format!("{folder}: the day was pruned, and not all of it is gone: prune again");
            verdict.findings.push(Finding::new(Problem::Unexpected, text).in_folder(folder));
        }
        let folders: BTreeSet<&String> =
            kept.into_iter().chain(expected.folders.keys()).filter(is_data).collect();
        folders.into_iter().collect()
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
    let unlisted = tree.unlisted.iter().cloned();
    verdict.findings.extend(unlisted.map(|text| Finding::new(Problem::Damaged, text)));
    let in_trading = |path: &&String| path.starts_with(&format!("{}/", layout::TRADING));
    // A trader has a socket there.
    for path in tree.strange.iter().filter(|path| !in_trading(path)) {
        let text = format!("{path}: neither a file nor a folder, and was not opened: remove it");
        verdict.findings.push(Finding::new(Problem::Unexpected, text));
    }
    for path in &tree.others {
        let first = path.split('/').next().unwrap_or_default();
        let known = match first {
            layout::JOURNAL => is_of_journal(path),
            layout::CAPTURE | layout::TRADING => true,
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
    for left in open.iter().filter(|_| !recording) {
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
    let parts: Vec<&str> = path.split('/').collect();
    let is_place = parts.len() == 2 || (parts.len() == 3 && parts[1] == import::ASIDE);
    is_place && ends.iter().any(|end| path.ends_with(end))
}
