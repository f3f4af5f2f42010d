//! The completeness ledger: what was counted, missed and sealed, as rows that outlive the process.
//!
//! An [`Entry`] is one fact: a run began, a segment held these numbers, so many rows with this digest
//! went into that folder, inputs are missing from here to there and why. Entries are written a small
//! Parquet file at a time and never changed; the same fact may stand in two files and counts once.
//! `docs/formats.md` says what each kind fills in.

use crate::folder;
use crate::layout::{self, HOUR, PARQUET_SUFFIX, UNFINISHED_SUFFIX};
use crate::table::{self, LEDGER, Metadata, TableError, TableReader, TableWriter, io_error};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type, TimestampNanosecondType, UInt64Type};
use arrow_array::{
    Array, ArrayRef, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray, UInt64Array,
};
use arrow_schema::ArrowError;
use spreadwire_market::clock::Nanos;
use spreadwire_market::named;
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Version of what a run writes into the ledger about itself. A run of version 1 left its stages'
/// counts among its counters alone; from version 2 on, a run that ends in order writes an entry for
/// each [`Stage`](crate::stage::Stage). The [`Started`](EntryKind::Started) entry says which it is.
pub const VERSION: u64 = 2;

named! {
    /// What an entry says.
    pub enum EntryKind {
        /// A run began; `rows` is the version of its ledger, absent for 1.
        Started => "started",
        /// A run ended: `cause` is `clean`, or `killed` if the next one found out.
        Ended => "ended",
        /// A segment was sealed: the numbers `first` to `last`, `rows` records, `bytes` read.
        Segment => "segment",
        /// Of a segment, so many `rows` with this `digest` went into `folder`.
        Rows => "rows",
        /// A file was written: `rows`, `bytes`, and its CRC32C as `digest`.
        File => "file",
        /// Something is missing, from the time to `until`, for the `cause` given.
        Gap => "gap",
        /// A connection was made.
        Connected => "connected",
        /// A connection ended or could not be made; why is the `cause`.
        Disconnected => "disconnected",
        /// A counter, named by `cause`, stood at `rows`.
        Count => "count",
        /// A stage, named by `cause`, counted `rows` in the whole run.
        Stage => "stage",
    }
}

named! {
    /// Why something is missing: the `cause` of a [`EntryKind::Gap`].
    pub enum Cause {
        /// The venue's own numbers have a hole.
        Venue => "venue",
        /// No connection, or none that shows life.
        Network => "network",
        /// The ring to the journal was full: `rows` inputs, numbered `first` to `last`.
        Ring => "ring",
        /// The journal could not write: `rows` inputs, numbered `first` to `last`.
        Disk => "disk",
        /// Bytes of a segment were not those that were written: the numbers `first` to `last`.
        Damage => "damage",
        /// The process was killed or the machine stopped; how many inputs came after is not known.
        Restart => "restart",
        /// The ring for recorded spreads was full: `rows` of them.
        Spreads => "spreads",
        /// The ring for recorded opportunities was full: `rows` of them.
        Opportunities => "opportunities",
    }
}

impl Cause {
    /// Whether what is missing had reached the engine: the recorder lost it.
    #[must_use]
    pub fn is_loss(self) -> bool {
        match self {
            Cause::Ring | Cause::Disk | Cause::Damage | Cause::Spreads | Cause::Opportunities => {
                true
            }
            Cause::Venue | Cause::Network | Cause::Restart => false,
        }
    }
}

/// One fact. What its kind does not speak of is absent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// When, ns since 1970 UTC; of a gap its beginning.
    pub time: Nanos,
    /// What it says.
    pub kind: EntryKind,
    /// The run.
    pub run: Option<String>,
    /// The segment within the run.
    pub segment: Option<u32>,
    /// Which rows: the name of a [`Table`](crate::table::Table).
    pub table: Option<String>,
    /// A folder, from the lake's top.
    pub folder: Option<String>,
    /// A file in that folder.
    pub file: Option<String>,
    /// The venue's name.
    pub venue: Option<String>,
    /// The instrument's name.
    pub instrument: Option<String>,
    /// The first journal sequence concerned.
    pub first: Option<u64>,
    /// The last one.
    pub last: Option<u64>,
    /// Rows, records, or a count; of a run that began the version of its ledger.
    pub rows: Option<u64>,
    /// Bytes.
    pub bytes: Option<u64>,
    /// Of rows their digest, of a file its CRC32C.
    pub digest: Option<u64>,
    /// The end of an interval, ns since 1970 UTC.
    pub until: Option<Nanos>,
    /// Why, or which.
    pub cause: Option<String>,
}

impl Entry {
    /// An entry that says nothing else yet.
    #[must_use]
    pub fn new(kind: EntryKind, time: Nanos) -> Entry {
        Entry {
            time,
            kind,
            run: None,
            segment: None,
            table: None,
            folder: None,
            file: None,
            venue: None,
            instrument: None,
            first: None,
            last: None,
            rows: None,
            bytes: None,
            digest: None,
            until: None,
            cause: None,
        }
    }

    /// The same of a run.
    #[must_use]
    pub fn of_run(self, run: &str) -> Entry {
        Entry { run: Some(run.to_owned()), ..self }
    }

    /// The same with a cause.
    #[must_use]
    pub fn because(self, cause: &str) -> Entry {
        Entry { cause: Some(cause.to_owned()), ..self }
    }

    /// The cause of a gap.
    #[must_use]
    pub fn gap_cause(&self) -> Option<Cause> {
        let name = self.cause.as_deref().filter(|_| self.kind == EntryKind::Gap)?;
        Cause::ALL.into_iter().find(|cause| cause.name() == name)
    }
}

/// Writes entries as one file of the ledger, in the place of one of the same name, so that they
/// survive a power cut. The file lies in the folder of the day of `time`.
///
/// # Errors
/// If that fails; a file that was there is as it was.
pub fn write(
    lake: &Path,
    name: &str,
    time: Nanos,
    entries: &[Entry],
) -> Result<PathBuf, TableError> {
    let place = lake.join(layout::LEDGER).join(layout::date_folder(time / HOUR));
    folder::create_in(lake, &place)
        .map_err(|source| io_error("make the folder", &place, source))?;
    let unfinished = place.join(format!("{name}{UNFINISHED_SUFFIX}"));
    let batch = batch_of(entries).map_err(|error| TableError::Parquet {
        doing: "write",
        path: unfinished.clone(),
        source: error.into(),
    })?;
    let mut writer = TableWriter::create(&unfinished, &LEDGER, Metadata::new())?;
    writer.write(&batch)?;
    let path = place.join(file_name(name, writer.finish()?.crc));
    folder::put_in_place(&unfinished, &path)
        .map_err(|source| io_error("rename", &unfinished, source))?;
    let is_older =
        |file: &PathBuf| *file != path && name_and_checksum(file).is_some_and(|(of, _)| of == name);
    let older: Vec<PathBuf> = files_in(&place).into_iter().filter(is_older).collect();
    for file in &older {
        fs::remove_file(file).map_err(|source| io_error("delete", file, source))?;
    }
    if !older.is_empty() {
        folder::sync(&place).map_err(|source| io_error("sync", &place, source))?;
    }
    Ok(path)
}

/// Deletes files that a run which was killed did not finish.
///
/// # Errors
/// If one cannot be deleted.
pub fn sweep(lake: &Path, run: &str) -> Result<(), TableError> {
    let dates = fs::read_dir(lake.join(layout::LEDGER)).into_iter().flatten().flatten();
    let entries = dates.flat_map(|date| fs::read_dir(date.path()).into_iter().flatten().flatten());
    for entry in entries {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if name.starts_with(run) && name.ends_with(UNFINISHED_SUFFIX) {
            fs::remove_file(&path).map_err(|source| io_error("delete", &path, source))?;
        }
    }
    Ok(())
}

/// The name of a file of the ledger: nothing else keeps its checksum.
#[must_use]
pub fn file_name(name: &str, crc: u32) -> String {
    format!("{name}.{crc:08x}{PARQUET_SUFFIX}")
}

/// The name that a file was written under and its CRC32C, by the file's name.
#[must_use]
pub fn name_and_checksum(path: &Path) -> Option<(&str, u32)> {
    let stem = path.file_name()?.to_str()?.strip_suffix(PARQUET_SUFFIX)?;
    let (name, crc) = stem.rsplit_once('.').filter(|(_, crc)| crc.len() == 8)?;
    Some((name, u32::from_str_radix(crc, 16).ok()?))
}

/// Returns every entry of a lake, each fact once, sorted by time, and why files could not be read.
/// Entries that the sort does not distinguish keep the order of the files, so that the result is the
/// same at every call.
#[must_use]
pub fn read(lake: &Path) -> (Vec<Entry>, Vec<TableError>) {
    let (mut seen, mut entries, mut errors) = (HashSet::new(), Vec::new(), Vec::new());
    for path in files(lake) {
        match read_file(&path) {
            Ok(found) => entries.extend(found.into_iter().filter(|it| seen.insert(it.clone()))),
            Err(error) => errors.push(error),
        }
    }
    let key = |e: &Entry| (e.time, e.kind, e.run.clone(), e.segment, e.folder.clone(), e.first);
    entries.sort_by_cached_key(key);
    (entries, errors)
}

/// Entries among which are all of a run, as far as they can be read: from the files that are named
/// after it, and from those that were merged.
#[must_use]
pub fn read_run(lake: &Path, run: &str) -> Vec<Entry> {
    let may_have_it = |path: &PathBuf| {
        let name = name_and_checksum(path).map(|(name, _)| name);
        name.is_some_and(|name| name.starts_with(run) || name.ends_with(layout::MERGED_SUFFIX))
    };
    let mut paths = files(lake);
    paths.retain(may_have_it);
    paths.iter().filter_map(|path| read_file(path).ok()).flatten().collect()
}

/// The Parquet files of the ledger, sorted by name.
#[must_use]
pub fn files(lake: &Path) -> Vec<PathBuf> {
    let dates = fs::read_dir(lake.join(layout::LEDGER)).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = dates.flat_map(|date| files_in(&date.path())).collect();
    found.sort();
    found
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths.filter(|path| path.extension().is_some_and(|end| end == "parquet")).collect()
}

/// The entries of one file.
///
/// # Errors
/// If it is not as it was written by the checksum in its name, cannot be read to its end, or holds a
/// kind that this version does not know.
pub fn read_file(path: &Path) -> Result<Vec<Entry>, TableError> {
    let (_, found) = table::checksum(path).map_err(|source| io_error("read", path, source))?;
    if name_and_checksum(path).is_none_or(|(_, crc)| crc != found) {
        let why = format!("its checksum is {found:08x}, which is not the one in its name");
        return Err(TableError::Foreign { path: path.to_owned(), why });
    }
    let mut entries = Vec::new();
    for batch in TableReader::open(path, &LEDGER)? {
        let batch = batch?;
        let found = entries_of(&batch).ok_or_else(|| TableError::Foreign {
            path: path.to_owned(),
            why: "it has a kind of entry that this build does not know".to_owned(),
        })?;
        entries.extend(found);
    }
    Ok(entries)
}

/// Entries as rows, in the table's order.
///
/// # Errors
/// If the table's columns are others.
fn batch_of(entries: &[Entry]) -> Result<RecordBatch, ArrowError> {
    let time = |of: fn(&Entry) -> Option<Nanos>| -> ArrayRef {
        let values = entries.iter().map(|e| of(e).map(u64::cast_signed));
        Arc::new(values.collect::<TimestampNanosecondArray>().with_timezone("UTC"))
    };
    let number = |of: fn(&Entry) -> Option<u64>| -> ArrayRef {
        Arc::new(entries.iter().map(|e| of(e).map(u64::cast_signed)).collect::<Int64Array>())
    };
    let text = |of: fn(&Entry) -> Option<&str>| -> ArrayRef {
        Arc::new(entries.iter().map(of).collect::<StringArray>())
    };
    let batch = LEDGER.batch(vec![
        time(|e| Some(e.time)),
        text(|e| Some(e.kind.name())),
        text(|e| e.run.as_deref()),
        number(|e| e.segment.map(u64::from)),
        text(|e| e.table.as_deref()),
        text(|e| e.folder.as_deref()),
        text(|e| e.file.as_deref()),
        text(|e| e.venue.as_deref()),
        text(|e| e.instrument.as_deref()),
        number(|e| e.first),
        number(|e| e.last),
        number(|e| e.rows),
        number(|e| e.bytes),
        Arc::new(entries.iter().map(|e| e.digest).collect::<UInt64Array>()),
        time(|e| e.until),
        text(|e| e.cause.as_deref()),
    ])?;
    LEDGER.sorted(&[batch])
}

/// Rows as entries; `None` if one is of an unknown kind.
fn entries_of(batch: &RecordBatch) -> Option<Vec<Entry>> {
    let number = |column: usize, row: usize| {
        let column = batch.column(column).as_primitive::<Int64Type>();
        (!column.is_null(row)).then(|| column.value(row).cast_unsigned())
    };
    let time = |column: usize, row: usize| {
        let column = batch.column(column).as_primitive::<TimestampNanosecondType>();
        (!column.is_null(row)).then(|| column.value(row).cast_unsigned())
    };
    let text = |column: usize, row: usize| {
        let column = batch.column(column).as_dictionary::<Int32Type>();
        let key = column.key(row)?;
        Some(column.values().as_string::<i32>().value(key).to_owned())
    };
    let digest = batch.column(13).as_primitive::<UInt64Type>();
    let entry = |row: usize| {
        let name = text(1, row)?;
        Some(Entry {
            time: time(0, row)?,
            kind: EntryKind::ALL.into_iter().find(|kind| kind.name() == name)?,
            run: text(2, row),
            segment: number(3, row).and_then(|number| u32::try_from(number).ok()),
            table: text(4, row),
            folder: text(5, row),
            file: text(6, row),
            venue: text(7, row),
            instrument: text(8, row),
            first: number(9, row),
            last: number(10, row),
            rows: number(11, row),
            bytes: number(12, row),
            digest: (!digest.is_null(row)).then(|| digest.value(row)),
            until: time(14, row),
            cause: text(15, row),
        })
    };
    (0..batch.num_rows()).map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Entry {
        Entry {
            time: 1_723_161_600_000_000_000,
            kind: EntryKind::Rows,
            run: Some("run-1".to_owned()),
            segment: Some(7),
            table: Some("quotes".to_owned()),
            folder: Some("exchange=okx/symbol=A#B".to_owned()),
            file: Some("f.parquet".to_owned()),
            venue: Some("okx".to_owned()),
            instrument: Some("A/B".to_owned()),
            first: Some(0),
            last: Some(u64::MAX / 2),
            rows: Some(3),
            bytes: Some(4),
            digest: Some(u64::MAX),
            until: Some(5),
            cause: Some("ring".to_owned()),
        }
    }

    #[test]
    fn entries_come_back_each_once_and_a_broken_file_is_told() {
        let home = tempfile::tempdir().unwrap();
        let lake = home.path().join("lake");
        let entries: Vec<Entry> = EntryKind::ALL.into_iter().map(|k| Entry::new(k, 9)).collect();
        write(&lake, "a", full().time, &[full()]).unwrap();
        let path = write(&lake, "b", 9, &[&entries[..], &[full()]].concat()).unwrap();
        assert!(path.parent().unwrap().ends_with("ledger/date=1970-01-01"), "{path:?}");
        assert_eq!(name_and_checksum(&path).unwrap().0, "b");
        let (found, errors) = read(&lake);
        assert!(errors.is_empty());
        assert_eq!(found, [&entries[..], &[full()]].concat());
        let mut bytes = fs::read(&path).unwrap();
        bytes[100] ^= 1;
        fs::write(&path, bytes).unwrap();
        let (found, errors) = read(&lake);
        assert_eq!((found, errors.len()), (vec![full()], 1));
    }

    #[test]
    fn a_name_is_written_over_as_a_whole() {
        let home = tempfile::tempdir().unwrap();
        write(home.path(), "a", 9, &[full()]).unwrap();
        write(home.path(), "a", 9, &[Entry::new(EntryKind::Started, 1)]).unwrap();
        assert_eq!(read(home.path()).0, [Entry::new(EntryKind::Started, 1)]);
        assert_eq!(files(home.path()).len(), 1);
    }

    #[test]
    fn causes_are_told_apart() {
        let gap = Entry::new(EntryKind::Gap, 1);
        for cause in Cause::ALL {
            assert_eq!(gap.clone().because(cause.name()).gap_cause(), Some(cause));
        }
        assert_eq!(full().gap_cause(), None, "no gap");
    }
}
