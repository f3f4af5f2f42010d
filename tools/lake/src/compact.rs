//! `lake compact`: merges the files of each past hour into one.
//!
//! Every folder goes through the same steps. Its files are checked against the ledger, merged into
//! a new folder in staging, and read back. The new file is added to the ledger. Then the new folder
//! and the old one are exchanged, and the old one is deleted. The ledger is written before anything
//! else changes, so at every moment the ledger knows each file of the lake. A folder that is not as
//! expected is left alone and reported. Compact shares only the change lock with a running engine.

use crate::merge;
use crate::progress;
use crate::staging::{self, Listed, Staging};
use anyhow::{Context, bail, ensure};
use clap::Args;
use indicatif::ProgressBar;
use serde_json::json;
use spreadwire_lake::files;
use spreadwire_lake::folder;
use spreadwire_lake::layout::{self, MERGED_SUFFIX, PARQUET_SUFFIX};
use spreadwire_lake::ledger::{self, Entry, EntryKind};
use spreadwire_lake::lock;
use spreadwire_lake::run::RunId;
use spreadwire_lake::table::{self, LEDGER, Table, TableReader, Written};
use spreadwire_market::clock::{Clock, Nanos, SECOND};
use spreadwire_output::{Stream, out, write};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `lake compact`.
#[derive(Debug, Args)]
pub struct Compact {
    /// Folder of the lake.
    lake: PathBuf,
    /// Only folders of this day, UTC: 2024-08-08.
    #[arg(long, value_name = "DATE")]
    date: Option<jiff::civil::Date>,
    /// Merge folders with at least this many files.
    #[arg(long, value_name = "N", default_value_t = 2,
        value_parser = clap::value_parser!(u32).range(2..))]
    min_files: u32,
    /// Merge folders whose hour or day ended at least this long ago; later rows go into a new file.
    #[arg(long, value_name = "MINUTES", default_value_t = 15)]
    closed_for: u32,
    /// Print the outcome as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Compacts and prints the outcome. Returns 0 if no folder had to be left alone, otherwise 1.
///
/// # Errors
/// If the file system cannot exchange folders, another compact is running, or the ledger cannot be
/// written.
pub fn run(arguments: &Compact) -> anyhow::Result<ExitCode> {
    crate::ensure_lake(&arguments.lake)?;
    let work = Work {
        lake: &arguments.lake,
        now: Clock::host().now(),
        date: arguments.date,
        min_files: arguments.min_files as usize,
        closed_for: Nanos::from(arguments.closed_for) * 60 * SECOND,
    };
    let bar = progress::bar("folders", 0, arguments.json);
    let outcome = compact(&work, &bar, &mut |_| Ok(()))?;
    bar.finish_and_clear();
    if arguments.json {
        out!("{}", outcome.to_json());
    } else {
        write(Stream::Out, &outcome.to_text());
    }
    Ok(ExitCode::from(u8::from(!outcome.left_alone.is_empty())))
}

/// Parameters of a compaction.
#[derive(Debug)]
pub struct Work<'a> {
    /// Folder of the lake.
    pub lake: &'a Path,
    /// Current time.
    pub now: Nanos,
    /// Only folders of this day, if given.
    pub date: Option<jiff::civil::Date>,
    /// Minimum number of files of a folder to be merged.
    pub min_files: usize,
    /// Minimum time since the end of a folder's hour or day, ns.
    pub closed_for: Nanos,
}

/// A completed step. Tests kill the process after each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The remains of a killed run were deleted.
    Swept,
    /// The files of a folder were merged.
    Merged,
    /// The merged file was read back and its folder was synced.
    Staged,
    /// The merged files were added to the ledger.
    Booked,
    /// A folder and its replacement were exchanged.
    Exchanged,
    /// The exchange was synced, so it survives a power cut.
    Synced,
    /// The old folder was deleted.
    Deleted,
}

/// Called after each step. An error stops the work immediately.
pub type OnStep<'a> = &'a mut dyn FnMut(Step) -> anyhow::Result<()>;

/// Outcome of a compaction.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Folders that were merged into one file.
    pub merged: Vec<Merged>,
    /// Folders that changed during the merge. The next run can merge them.
    pub busy: Vec<String>,
    /// Places that were left alone, with the reason.
    pub left_alone: Vec<(String, String)>,
}

/// A folder that was merged into one file.
#[derive(Debug)]
pub struct Merged {
    /// Path of the folder, relative to the lake.
    pub folder: String,
    /// Number of files before the merge.
    pub files: usize,
    /// Size of those files, bytes.
    pub bytes_before: u64,
    /// Size of the merged file, bytes.
    pub bytes: u64,
    /// Number of rows.
    pub rows: u64,
}

impl Outcome {
    fn to_json(&self) -> serde_json::Value {
        let merged = |m: &Merged| {
            json!({"folder": m.folder, "files": m.files, "rows": m.rows,
                "bytes_before": m.bytes_before, "bytes": m.bytes})
        };
        let left = |(place, why): &(String, String)| json!({"place": place, "why": why});
        json!({
            "folders": self.merged.len(),
            "files_before": self.merged.iter().map(|m| m.files).sum::<usize>(),
            "bytes_before": self.merged.iter().map(|m| m.bytes_before).sum::<u64>(),
            "bytes": self.merged.iter().map(|m| m.bytes).sum::<u64>(),
            "merged": self.merged.iter().map(merged).collect::<Vec<_>>(),
            "busy": self.busy,
            "left_alone": self.left_alone.iter().map(left).collect::<Vec<_>>(),
        })
    }

    fn to_text(&self) -> String {
        let mut lines = Vec::new();
        let files: usize = self.merged.iter().map(|m| m.files).sum();
        let before: u64 = self.merged.iter().map(|m| m.bytes_before).sum();
        let bytes: u64 = self.merged.iter().map(|m| m.bytes).sum();
        let folders = self.merged.len();
        lines.push(match folders {
            0 => "nothing to merge".to_owned(),
            _ => format!(
                "{folders} folders: {files} files with {before} bytes became {folders} with {bytes}"
            ),
        });
        let busy = |folder| format!("{folder}: changed during the merge: run compact again");
        lines.extend(self.busy.iter().map(busy));
        let left = self.left_alone.iter().map(|(place, why)| format!("LEFT ALONE {place}: {why}"));
        lines.extend(left);
        lines.join("\n") + "\n"
    }
}

/// Compacts a lake, and calls `on_step` after each step.
///
/// # Errors
/// Those of `on_step`, and errors that prevent the compaction of all folders.
pub fn compact(work: &Work<'_>, bar: &ProgressBar, on_step: OnStep<'_>) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    let staging = Staging::open(work.lake)?;
    for path in staging.sweep(work.lake)? {
        let why = "not created by a lake tool: move it away".to_owned();
        outcome.left_alone.push((path.display().to_string(), why));
    }
    on_step(Step::Swept)?;
    let days = work.candidates(&mut outcome)?;
    if days.is_empty() {
        return Ok(outcome);
    }
    staging.try_exchange()?;
    bar.set_length(days.values().map(|folders| folders.len() as u64).sum());
    let known = Known::read(work.lake, days.values().flatten(), &mut outcome);
    let mut press = Press { work, staging: &staging, known, outcome, on_step, bar, next: 0 };
    for ((date, _), folders) in days {
        press.merge_day(&date, &folders)?;
    }
    Ok(press.outcome)
}

/// Folders by date and by whether they belong to the ledger, which comes last.
type Days = BTreeMap<(String, bool), Vec<Candidate>>;

/// A folder with files to merge.
struct Candidate {
    /// Path of the folder, relative to the lake.
    folder: String,
    table: &'static Table,
    files: Vec<Listed>,
}

impl Work<'_> {
    fn candidates(&self, outcome: &mut Outcome) -> anyhow::Result<Days> {
        let mut days = Days::new();
        self.walk(Path::new(""), &mut days, outcome)
            .with_context(|| format!("cannot list {}", self.lake.display()))?;
        Ok(days)
    }

    fn walk(&self, at: &Path, days: &mut Days, outcome: &mut Outcome) -> std::io::Result<()> {
        let mut files = Vec::new();
        for entry in staging::list(&self.lake.join(at))? {
            let path = at.join(&entry.name);
            let inner = self.lake.join(&path);
            // A symbolic link is never a folder of the lake.
            let is_folder = !entry.is_file && fs::symlink_metadata(&inner)?.is_dir();
            if is_folder && Table::of_folder(&path).is_some() && !is_leaf(at) {
                self.walk(&path, days, outcome)?;
            } else {
                files.push(entry);
            }
        }
        let Some(table) = Table::of_folder(at).filter(|_| is_leaf(at)) else { return Ok(()) };
        self.consider(at, table, files, days, outcome);
        Ok(())
    }

    fn consider(
        &self,
        at: &Path,
        table: &'static Table,
        files: Vec<Listed>,
        days: &mut Days,
        outcome: &mut Outcome,
    ) {
        let is_parquet = |file: &Listed| file.is_file && file.name.ends_with(PARQUET_SUFFIX);
        let Some((_, end)) = layout::times_of(at) else { return };
        let closed = end.saturating_add(self.closed_for) <= self.now;
        let date = at.iter().filter_map(|part| part.to_str()?.strip_prefix("date=")).next();
        let date = date.unwrap_or_default().to_owned();
        let wanted = self.date.is_none_or(|wanted| wanted.to_string() == date);
        let many = self.min_files <= files.iter().filter(|file| is_parquet(file)).count();
        if !(closed && wanted && many) {
            return;
        }
        let folder = at.to_string_lossy().into_owned();
        if let Some(foreign) = files.iter().find(|file| !is_parquet(file)) {
            let why =
                format!("{:?} is not a file of this lake: delete it or move it away", foreign.name);
            outcome.left_alone.push((folder, why));
            return;
        }
        let candidate = Candidate { folder, table, files };
        days.entry((date, table.name == LEDGER.name)).or_default().push(candidate);
    }
}

/// Returns whether files may be in this folder: an hour, or a day of a table that is stored by day.
fn is_leaf(at: &Path) -> bool {
    let has = |key: &str| at.iter().filter_map(|part| part.to_str()).any(|p| p.starts_with(key));
    let hourly = has("exchange=") || at.starts_with(layout::SPREADS);
    has("date=") && (!hourly || has("hour="))
}

/// Contents of the ledger about the folders in question.
struct Known(HashMap<String, Facts>);

#[derive(Default)]
struct Facts {
    /// Name, length and CRC32C of each file.
    files: HashSet<(String, u64, u64)>,
    /// Entries about rows, without duplicates.
    rows: HashSet<Entry>,
}

impl Known {
    fn read<'a>(
        lake: &Path,
        folders: impl Iterator<Item = &'a Candidate>,
        outcome: &mut Outcome,
    ) -> Known {
        let mut known: HashMap<String, Facts> =
            folders.map(|candidate| (candidate.folder.clone(), Facts::default())).collect();
        let (entries, errors) = ledger::read(lake);
        let left = errors
            .into_iter()
            .map(|error| (layout::LEDGER.to_owned(), format!("{:#}", anyhow::Error::from(error))));
        outcome.left_alone.extend(left);
        for entry in entries {
            let facts = entry.folder.as_ref().and_then(|folder| known.get_mut(folder));
            facts.into_iter().for_each(|facts| facts.take(&entry));
        }
        Known(known)
    }

    /// Checks that the ledger has this file with this length and checksum.
    fn check_file(&self, candidate: &Candidate, name: &str, sum: (u64, u32)) -> anyhow::Result<()> {
        // The ledger's own files have their checksums in their names.
        if candidate.table.name == LEDGER.name {
            let named = ledger::name_and_checksum(Path::new(name)).map(|(_, crc)| crc);
            ensure!(named == Some(sum.1), "{name} differs from its checksum");
            return Ok(());
        }
        let file = (name.to_owned(), sum.0, u64::from(sum.1));
        let facts = self.0.get(&candidate.folder);
        ensure!(
            facts.is_some_and(|facts| facts.files.contains(&file)),
            "the ledger has no {name} of {} bytes with checksum {:08x}: see lake verify",
            sum.0,
            sum.1
        );
        Ok(())
    }

    /// Checks that the rows are those that were sealed into the folder.
    fn check_rows(&self, candidate: &Candidate, found: (u64, u64)) -> anyhow::Result<()> {
        if candidate.table.name == LEDGER.name {
            return Ok(());
        }
        let rows = self.0.get(&candidate.folder).into_iter().flat_map(|facts| &facts.rows);
        let sealed = rows.fold((0, 0_u64), |(rows, digest), entry| {
            let (more, of) = (entry.rows.unwrap_or(0), entry.digest.unwrap_or(0));
            (rows + more, digest.wrapping_add(of))
        });
        ensure!(
            sealed == found,
            "it has {} rows, but {} or other rows were sealed into it: see lake verify",
            found.0,
            sealed.0
        );
        Ok(())
    }
}

impl Facts {
    fn take(&mut self, entry: &Entry) {
        match entry.kind {
            EntryKind::File => {
                let file = entry.file.clone().zip(entry.bytes).zip(entry.digest);
                self.files.extend(file.map(|((name, bytes), crc)| (name, bytes, crc)));
            }
            EntryKind::Rows => {
                self.rows.insert(entry.clone());
            }
            EntryKind::Started
            | EntryKind::Ended
            | EntryKind::Segment
            | EntryKind::Gap
            | EntryKind::Connected
            | EntryKind::Disconnected
            | EntryKind::Count
            | EntryKind::Stage
            | EntryKind::Clock
            | EntryKind::Dropped
            | EntryKind::Link => {}
        }
    }
}

/// A merged folder in staging.
struct Staged<'a> {
    candidate: &'a Candidate,
    /// Path in staging.
    place: PathBuf,
    /// Name of its only file.
    name: String,
    venue: Option<String>,
    instrument: Option<String>,
    written: Written,
}

/// Merges folders one by one.
struct Press<'a> {
    work: &'a Work<'a>,
    staging: &'a Staging,
    known: Known,
    outcome: Outcome,
    on_step: OnStep<'a>,
    bar: &'a ProgressBar,
    next: u32,
}

impl Press<'_> {
    /// Merges all folders of a day in staging, adds them to the ledger, and exchanges them with the
    /// old ones.
    fn merge_day(&mut self, date: &str, candidates: &[Candidate]) -> anyhow::Result<()> {
        let mut ready = Vec::new();
        for candidate in candidates {
            self.bar.set_message(candidate.folder.clone());
            let place = self.fresh_place();
            match self.merge(candidate, &place) {
                Ok(staged) => ready.push(staged),
                Err(error) => self.leave_alone(&candidate.folder, &place, &error)?,
            }
            (self.on_step)(Step::Merged)?;
        }
        folder::sync(&self.staging.path(""))?;
        (self.on_step)(Step::Staged)?;
        self.book(date, &ready)?;
        (self.on_step)(Step::Booked)?;
        for staged in ready {
            self.put_in_place(&staged)?;
            self.bar.inc(1);
        }
        Ok(())
    }

    /// Returns an unused path in staging.
    fn fresh_place(&mut self) -> PathBuf {
        loop {
            self.next += 1;
            let place = self.staging.path(&format!("{:06}", self.next));
            if !place.exists() {
                return place;
            }
        }
    }

    fn leave_alone(
        &mut self,
        folder: &str,
        place: &Path,
        error: &anyhow::Error,
    ) -> anyhow::Result<()> {
        self.bar.inc(1);
        self.outcome.left_alone.push((folder.to_owned(), format!("{error:#}")));
        for path in [place.to_owned(), between(place)] {
            if path.exists() {
                staging::delete(&path, &mut Vec::new())?;
            }
        }
        Ok(())
    }

    fn merge<'a>(&self, candidate: &'a Candidate, place: &Path) -> anyhow::Result<Staged<'a>> {
        let source = self.work.lake.join(&candidate.folder);
        let Candidate { table, files, .. } = candidate;
        let paths: Vec<PathBuf> = files.iter().map(|file| source.join(&file.name)).collect();
        let (mut footers, mut sum) = (Vec::new(), (0, 0_u64));
        for (file, path) in files.iter().zip(&paths) {
            let found = table::checksum(path).with_context(|| path.display().to_string())?;
            self.known.check_file(candidate, &file.name, found)?;
            footers.push(TableReader::open(path, table)?.metadata().clone());
            let (rows, digest) = merge::sum_of(path, table)?;
            sum = (sum.0 + rows, sum.1.wrapping_add(digest));
        }
        self.known.check_rows(candidate, sum)?;
        let metadata = merge::joined(&footers)?;
        files::create_folder(place)?;
        let unnamed = place.join(format!("merged{PARQUET_SUFFIX}"));
        let written = merge::merge_files(table, &paths, &metadata, &unnamed, &between(place))?;
        ensure!(
            (written.rows, written.digest) == sum && merge::sum_of(&unnamed, table)? == sum,
            "the merged file does not have the rows of the original files"
        );
        let name = merged_name(candidate, written.crc)?;
        folder::put_in_place(&unnamed, &place.join(&name))?;
        let of = |key: &str| metadata.get(key).cloned();
        let (place, venue, instrument) = (place.to_owned(), of("venue"), of("instrument"));
        Ok(Staged { candidate, place, name, venue, instrument, written })
    }

    /// Adds the merged files to today's ledger. Files of the ledger itself need no entry.
    fn book(&self, date: &str, staged: &[Staged<'_>]) -> anyhow::Result<()> {
        let data = staged.iter().filter(|staged| staged.candidate.table.name != LEDGER.name);
        let entries: Vec<Entry> = data.map(|staged| staged.entry(self.work.now)).collect();
        if entries.is_empty() {
            return Ok(());
        }
        // A unique name, whatever the clock says.
        let what: String = entries.iter().map(|entry| format!("{entry:?}")).collect();
        let (start, what) = (RunId::starting_at(self.work.now), crc32c::crc32c(what.as_bytes()));
        let name = format!("compaction-{start}-{date}-{what:08x}");
        let _lock = lock::changes(self.work.lake)?;
        ledger::write(self.work.lake, &name, self.work.now, &entries)
            .context("cannot write into the ledger: nothing was changed")?;
        Ok(())
    }

    fn put_in_place(&mut self, staged: &Staged<'_>) -> anyhow::Result<()> {
        let folder = &staged.candidate.folder;
        let place = self.work.lake.join(folder);
        let lock = lock::changes(self.work.lake)?;
        if staging::list(&place).ok().as_ref() != Some(&staged.candidate.files) {
            self.outcome.busy.push(folder.clone());
            staging::delete(&staged.place, &mut Vec::new())?;
            return Ok(());
        }
        if let Err(error) = staging::exchange(&staged.place, &place) {
            let error =
                anyhow::Error::from(error).context("cannot be exchanged with its replacement");
            return self.leave_alone(folder, &staged.place, &error);
        }
        (self.on_step)(Step::Exchanged)?;
        let parent = place.parent().context("a folder of the lake has no parent folder")?;
        folder::sync(parent)?;
        folder::sync(&self.staging.path(""))?;
        (self.on_step)(Step::Synced)?;
        let mut foreign = Vec::new();
        staging::delete(&staged.place, &mut foreign)?;
        for path in foreign {
            let why = "was added to the folder while it was replaced: move it back".to_owned();
            self.outcome.left_alone.push((path.display().to_string(), why));
        }
        drop(lock);
        let files = &staged.candidate.files;
        self.outcome.merged.push(Merged {
            folder: folder.clone(),
            files: files.len(),
            bytes_before: files.iter().map(|file| file.bytes).sum(),
            bytes: staged.written.bytes,
            rows: staged.written.rows,
        });
        (self.on_step)(Step::Deleted)
    }
}

/// Returns the path for intermediate files of a merge.
fn between(place: &Path) -> PathBuf {
    place.with_extension("between")
}

/// Returns the first file's name with a suffix; for the ledger, with the checksum in it.
fn merged_name(candidate: &Candidate, crc: u32) -> anyhow::Result<String> {
    let Some(first) = candidate.files.first() else { bail!("it has no files") };
    let is_ledger = candidate.table.name == LEDGER.name;
    let stem = match ledger::name_and_checksum(Path::new(&first.name)).filter(|_| is_ledger) {
        Some((name, _)) => name,
        None => first.name.strip_suffix(PARQUET_SUFFIX).unwrap_or(&first.name),
    };
    let name = format!("{}{MERGED_SUFFIX}", stem.strip_suffix(MERGED_SUFFIX).unwrap_or(stem));
    Ok(if is_ledger { ledger::file_name(&name, crc) } else { format!("{name}{PARQUET_SUFFIX}") })
}

impl Staged<'_> {
    fn entry(&self, now: Nanos) -> Entry {
        Entry {
            table: Some(self.candidate.table.name.to_owned()),
            folder: Some(self.candidate.folder.clone()),
            file: Some(self.name.clone()),
            venue: self.venue.clone(),
            instrument: self.instrument.clone(),
            rows: Some(self.written.rows),
            bytes: Some(self.written.bytes),
            digest: Some(u64::from(self.written.crc)),
            ..Entry::new(EntryKind::File, now)
        }
    }
}
