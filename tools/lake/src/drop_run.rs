//! `lake drop-run`: deletes the rows of one run on purpose, and says so in the ledger.
//!
//! The ledger is written first. A file that has rows of other runs too is written anew without those
//! of the dropped one, under a name of its own.

use anyhow::{Context, ensure};
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;
use clap::Args;
use serde_json::json;
use spreadwire_lake::layout::{OPPORTUNITIES, PARQUET_SUFFIX, UNFINISHED_SUFFIX};
use spreadwire_lake::ledger::{self, Entry, EntryKind, Ledger};
use spreadwire_lake::run::RunId;
use spreadwire_lake::table::{self, LEDGER, Metadata, Table, TableReader, TableWriter, Written};
use spreadwire_lake::{folder, lock, recover};
use spreadwire_market::clock::{Clock, Nanos};
use spreadwire_output::out;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `lake drop-run`.
#[derive(Debug, Args)]
pub struct DropRun {
    /// Folder of the lake.
    lake: PathBuf,
    /// Name of the run, as lake verify --json lists it.
    run: String,
    /// Only tell what would be deleted.
    #[arg(long)]
    dry_run: bool,
    /// Print the outcome as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Drops the run and prints the outcome.
///
/// # Errors
/// If the run is not known or has not ended, or the lake cannot be written.
pub fn run(arguments: &DropRun) -> anyhow::Result<ExitCode> {
    crate::ensure_lake(&arguments.lake)?;
    let DropRun { lake, run, dry_run, json } = arguments;
    let Outcome { files, rows } = drop_run(lake, run, Clock::host().now(), *dry_run)?;
    let did = if *dry_run { "would be deleted" } else { "deleted" };
    if *json {
        out!("{}", json!({"run": run, "files": files, "rows": rows, "deleted": !dry_run}));
    } else {
        out!("run {run}: {rows} rows in {files} files: {did}");
    }
    Ok(ExitCode::SUCCESS)
}

/// What was deleted, or would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Files that have rows of the run.
    pub files: u64,
    /// Rows of the run.
    pub rows: u64,
}

/// A file that has rows of the run.
struct Affected {
    table: &'static Table,
    path: PathBuf,
    /// Folder, relative to the lake.
    place: String,
    rows: u64,
    /// Whether it has rows of other runs too.
    mixed: bool,
}

/// A file without the rows of the run, which has not its name yet.
struct Rewritten {
    unfinished: PathBuf,
    old: PathBuf,
    new: PathBuf,
    fact: Entry,
}

/// Deletes the rows of a run. If that is interrupted, it can be done again.
///
/// # Errors
/// If the run is not known or has not ended, or the lake cannot be written.
pub fn drop_run(lake: &Path, run: &str, now: Nanos, dry_run: bool) -> anyhow::Result<Outcome> {
    let ledger = Ledger::read(lake);
    let said = ledger.facts.iter().any(|fact| fact.run.as_deref() == Some(run));
    ensure!(said || ledger.chains.contains_key(run), "the ledger does not know a run {run}");
    let open = recover::leftovers(lake)?;
    let has_ended = open.iter().all(|left| left.run.as_str() != run);
    ensure!(has_ended, "run {run} has not ended: stop its engine, or run lake recover");
    let lock = lock::changes(lake)?;
    let mut affected = Vec::new();
    find(lake, Path::new(""), run, &mut affected)?;
    let files = affected.len() as u64;
    let outcome = Outcome { files, rows: affected.iter().map(|file| file.rows).sum() };
    if dry_run {
        return Ok(outcome);
    }
    let mixed = affected.iter().filter(|file| file.mixed);
    let rewritten =
        mixed.map(|file| rewrite(file, run, now)).collect::<anyhow::Result<Vec<_>>>()?;
    let fact = Entry::new(EntryKind::Dropped, now).of_run(run).because("lake drop-run");
    let facts: Vec<Entry> = rewritten.iter().map(|file| file.fact.clone()).chain([fact]).collect();
    let name = format!("dropped-{}", RunId::starting_at(now));
    ledger::write(lake, &name, now, &facts).context("nothing was deleted")?;
    for Rewritten { unfinished, old, new, .. } in &rewritten {
        // Readers find the rows of the others at every moment, and once.
        folder::put_in_place(unfinished, old)?;
        folder::put_in_place(old, new)?;
    }
    for Affected { path, .. } in affected.iter().filter(|file| !file.mixed) {
        fs::remove_file(path).with_context(|| format!("cannot delete {}", path.display()))?;
        folder::sync(path.parent().unwrap_or(lake))?;
    }
    let lines = lake.join(OPPORTUNITIES).join(format!("{run}.jsonl"));
    match fs::remove_file(&lines) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        Ok(()) | Err(_) => {}
    }
    drop(lock);
    Ok(outcome)
}

/// Finds the files that have rows of a run.
fn find(lake: &Path, at: &Path, run: &str, found: &mut Vec<Affected>) -> anyhow::Result<()> {
    for entry in fs::read_dir(lake.join(at))? {
        let entry = entry?;
        let (path, of) = (at.join(entry.file_name()), entry.file_type()?);
        let Some(table) = Table::of_folder(&path).filter(|table| table.name != LEDGER.name) else {
            continue;
        };
        let is_table = path.extension().is_some_and(|end| end == "parquet");
        if of.is_dir() {
            find(lake, &path, run, found)?;
        } else if of.is_file() && is_table {
            let (rows, others) = rows_of(&lake.join(&path), table, run)?;
            if 0 < rows {
                let place = at.to_string_lossy().into_owned();
                let (path, mixed) = (lake.join(&path), 0 < others);
                found.push(Affected { table, path, place, rows, mixed });
            }
        }
    }
    Ok(())
}

/// Returns how many rows of a file are of a run, and how many are not.
fn rows_of(path: &Path, table: &'static Table, run: &str) -> anyhow::Result<(u64, u64)> {
    let mut counts = (0, 0);
    for batch in TableReader::open(path, table)? {
        let kept = of_others(&batch?, run)?;
        let others = kept.true_count() as u64;
        counts = (counts.0 + kept.len() as u64 - others, counts.1 + others);
    }
    Ok(counts)
}

/// Returns for each row whether it is of another run.
fn of_others(batch: &RecordBatch, run: &str) -> anyhow::Result<BooleanArray> {
    let column = batch.column_by_name("Run").context("a table has no column Run")?;
    let runs = column.as_dictionary::<Int32Type>();
    let names = runs.values().as_string::<i32>();
    let is_other = |row| runs.key(row).is_none_or(|key| names.value(key) != run);
    Ok((0..batch.num_rows()).map(|row| Some(is_other(row))).collect())
}

/// Writes a file anew without the rows of a run.
fn rewrite(file: &Affected, run: &str, now: Nanos) -> anyhow::Result<Rewritten> {
    let Affected { table, path, place, .. } = file;
    let stem = path.file_stem().and_then(|stem| stem.to_str()).context("a file has no name")?;
    let unfinished = path.with_file_name(format!("{stem}{UNFINISHED_SUFFIX}"));
    let reader = TableReader::open(path, table)?;
    let mut metadata: Metadata = reader.metadata().clone();
    let parts = metadata.get("parts").cloned().unwrap_or_default();
    let own = format!("{run}:");
    let parts: Vec<&str> = parts.split(',').filter(|part| !part.starts_with(&own)).collect();
    metadata.insert("parts".to_owned(), parts.join(","));
    let (venue, instrument) = (metadata.get("venue").cloned(), metadata.get("instrument").cloned());
    let mut writer = TableWriter::create(&unfinished, table, metadata)?;
    for batch in reader {
        let batch = batch?;
        writer.write(&filter_record_batch(&batch, &of_others(&batch, run)?)?)?;
    }
    let Written { rows, bytes, crc, digest } = writer.finish()?;
    let again = TableReader::open(&unfinished, table)?.sum()?;
    ensure!(again == (rows, digest), "{} was read back with other rows", unfinished.display());
    let new = path.with_file_name(format!("{stem}-{crc:08x}{PARQUET_SUFFIX}"));
    let name = new.file_name().map(|name| name.to_string_lossy().into_owned());
    let fact = Entry {
        table: Some(table.name.to_owned()),
        folder: Some(place.clone()),
        file: name,
        venue,
        instrument,
        rows: Some(rows),
        bytes: Some(bytes),
        digest: Some(u64::from(crc)),
        ..Entry::new(EntryKind::File, now)
    };
    debug_assert_eq!(table::checksum(&unfinished).ok(), Some((bytes, crc)));
    Ok(Rewritten { unfinished, old: path.clone(), new, fact })
}
