//! `lake prune`: deletes the rows of old days on purpose, and says so in the ledger.
//!
//! The ledger is written first, so that at no time rows are missing without a word. It stays whole:
//! what was recorded on a day that is gone, and how completely, can still be read.

use anyhow::{Context, ensure};
use clap::Args;
use jiff::civil::Date;
use jiff::{ToSpan, Unit, Zoned};
use serde_json::json;
use spreadwire_lake::layout::{self, CAPTURE};
use spreadwire_lake::ledger::{self, Entry, EntryKind};
use spreadwire_lake::recover;
use spreadwire_lake::run::RunId;
use spreadwire_lake::table::{LEDGER, Table};
use spreadwire_lake::{folder, lock};
use spreadwire_market::clock::{Clock, Nanos};
use spreadwire_output::{Stream, out, write};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `lake prune`.
#[derive(Debug, Args)]
pub struct Prune {
    /// Folder of the lake.
    lake: PathBuf,
    /// Keep this many days before today, UTC, and delete the rows and captured frames of all days
    /// before: 90d, 12w.
    #[arg(long, value_name = "TIME", value_parser = days)]
    keep: i32,
    /// Only tell what would be deleted.
    #[arg(long)]
    dry_run: bool,
    /// Print the outcome as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Prunes and prints the outcome.
///
/// # Errors
/// If segments of those days wait to be sealed, or the lake cannot be written.
pub fn run(arguments: &Prune) -> anyhow::Result<ExitCode> {
    crate::ensure_lake(&arguments.lake)?;
    let now = Clock::host().now();
    let first_kept = first_kept(now, arguments.keep)?;
    let outcome = prune(&arguments.lake, first_kept, now, arguments.dry_run)?;
    if arguments.json {
        out!("{}", outcome.to_json(arguments.dry_run));
    } else {
        write(Stream::Out, &outcome.to_text(arguments.dry_run));
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns a number of days: `90d`, `12w`, or without a letter days.
fn days(text: &str) -> Result<i32, String> {
    let (number, unit) = match text.strip_suffix('w') {
        Some(weeks) => (weeks, 7),
        None => (text.strip_suffix('d').unwrap_or(text), 1),
    };
    let days = number.parse::<i32>().ok().and_then(|number| number.checked_mul(unit));
    days.filter(|days| (1..=100_000).contains(days))
        .ok_or_else(|| "a number of days from 1 on, as 90d, or weeks, as 12w".to_owned())
}

/// Returns the first day that is kept.
fn first_kept(now: Nanos, keep: i32) -> anyhow::Result<Date> {
    let now = jiff::Timestamp::from_nanosecond(i128::from(now))?;
    let today = Zoned::new(now, jiff::tz::TimeZone::UTC).round(Unit::Second)?.date();
    Ok(today.checked_sub(keep.days())?)
}

/// What was deleted, or would be.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The first day that is kept.
    pub first_kept: Date,
    /// Folders, relative to the lake.
    pub folders: Vec<String>,
    /// Files in them.
    pub files: u64,
    /// Bytes of those files.
    pub bytes: u64,
}

impl Outcome {
    fn to_json(&self, dry_run: bool) -> serde_json::Value {
        let Outcome { first_kept, folders, files, bytes } = self;
        json!({"first_kept": first_kept.to_string(), "folders": folders, "files": files,
            "bytes": bytes, "deleted": !dry_run})
    }

    fn to_text(&self, dry_run: bool) -> String {
        let Outcome { first_kept, folders, files, bytes } = self;
        let did = if dry_run { "would be deleted" } else { "deleted" };
        let folders = folders.len();
        format!("{folders} folders before {first_kept} with {files} files, {bytes} bytes: {did}\n")
    }
}

/// Deletes the rows and captured frames of all days before `first_kept`.
///
/// # Errors
/// If segments of those days wait to be sealed, or the lake cannot be written.
pub fn prune(lake: &Path, first_kept: Date, now: Nanos, dry_run: bool) -> anyhow::Result<Outcome> {
    let midnight = first_kept.at(0, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC)?;
    let until = u64::try_from(midnight.timestamp().as_nanosecond()).context("before 1970")?;
    let lock = lock::changes(lake)?;
    let mut outcome = Outcome { first_kept, folders: Vec::new(), files: 0, bytes: 0 };
    find(lake, Path::new(""), until, &mut outcome)?;
    outcome.folders.sort();
    let open = recover::leftovers(lake)?;
    let waits = open.iter().find(|left| {
        let started = left.mark.as_ref().map_or(0, |mark| mark.started_at);
        !left.segments.is_empty() && started < until && !lock::is_recording(lake)
    });
    if let Some(left) = waits {
        let run = left.run;
        ensure!(dry_run, "segments of run {run} wait to be sealed: run lake recover first");
    }
    if dry_run || outcome.folders.is_empty() {
        return Ok(outcome);
    }
    let fact = Entry {
        until: Some(until),
        rows: Some(outcome.files),
        bytes: Some(outcome.bytes),
        ..Entry::new(EntryKind::Dropped, now).because("lake prune")
    };
    let name = format!("pruned-{}", RunId::starting_at(now));
    ledger::write(lake, &name, now, &[fact]).context("nothing was deleted")?;
    for place in &outcome.folders {
        delete(&lake.join(place)).with_context(|| format!("cannot delete {place}"))?;
    }
    drop(lock);
    Ok(outcome)
}

/// Finds the folders of days that ended by `until`.
fn find(lake: &Path, at: &Path, until: Nanos, outcome: &mut Outcome) -> io::Result<()> {
    let mut entries: Vec<fs::DirEntry> = fs::read_dir(lake.join(at))?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries.into_iter().filter(|entry| entry.file_type().is_ok_and(|of| of.is_dir())) {
        let path = at.join(entry.file_name());
        let table = Table::of_folder(&path).filter(|table| table.name != LEDGER.name);
        if table.is_none() && !path.starts_with(CAPTURE) {
            continue;
        }
        match layout::times_of(&path) {
            None => find(lake, &path, until, outcome)?,
            Some((_, end)) if end <= until => take(lake, &path, outcome)?,
            Some(_) => {}
        }
    }
    Ok(())
}

/// Adds a folder of a day and counts what is in it.
fn take(lake: &Path, folder: &Path, outcome: &mut Outcome) -> io::Result<()> {
    let mut left = vec![lake.join(folder)];
    while let Some(place) = left.pop() {
        for entry in fs::read_dir(place)? {
            let entry = entry?;
            let metadata = fs::symlink_metadata(entry.path())?;
            if metadata.is_dir() {
                left.push(entry.path());
            } else {
                outcome.files += 1;
                outcome.bytes += metadata.len();
            }
        }
    }
    outcome.folders.push(folder.to_string_lossy().into_owned());
    Ok(())
}

/// Deletes a folder of a day.
fn delete(place: &Path) -> io::Result<()> {
    fs::remove_dir_all(place)?;
    place.parent().map_or(Ok(()), folder::sync)
}
