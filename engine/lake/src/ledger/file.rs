//! One file of the ledger: entries as a small Parquet file that has its own checksum in its name.

use super::{Entry, EntryKind};
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
use std::fs::{self, FileType};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
    // Whoever tries again may write under another name.
    let remove = || fs::remove_file(&unfinished).unwrap_or_default();
    let write = || -> Result<u32, TableError> {
        let mut writer = TableWriter::create(&unfinished, &LEDGER, Metadata::new())?;
        writer.write(&batch)?;
        Ok(writer.finish()?.crc)
    };
    let path = place.join(file_name(name, write().inspect_err(|_| remove())?));
    if let Err(source) = folder::put_in_place(&unfinished, &path) {
        // Whoever tries again must not find the same facts twice.
        fs::remove_file(&path).unwrap_or_default();
        remove();
        return Err(io_error("rename", &unfinished, source));
    }
    let is_older =
        |file: &PathBuf| *file != path && name_and_checksum(file).is_some_and(|(of, _)| of == name);
    let older: Vec<PathBuf> = files_of(&place)?.into_iter().filter(is_older).collect();
    for file in &older {
        fs::remove_file(file).map_err(|source| io_error("delete", file, source))?;
    }
    if !older.is_empty() {
        folder::sync(&place).map_err(|source| io_error("sync", &place, source))?;
    }
    Ok(path)
}

/// Returns what a folder of the ledger holds.
fn files_of(folder: &Path) -> Result<Vec<PathBuf>, TableError> {
    let mut errors = Vec::new();
    let found = list_in(folder, &mut errors).into_iter().map(|(path, _)| path).collect();
    errors.pop().map_or(Ok(found), Err)
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

/// The Parquet files of the ledger that can be listed, sorted by name.
#[must_use]
pub fn files(lake: &Path) -> Vec<PathBuf> {
    list(lake).0
}

/// Returns the Parquet files of the ledger, sorted by name, and why folders of it cannot be listed.
pub(super) fn list(lake: &Path) -> (Vec<PathBuf>, Vec<TableError>) {
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    let dates = list_in(&lake.join(layout::LEDGER), &mut errors);
    for (date, _) in dates.into_iter().filter(|(_, of)| of.is_dir()) {
        // A link or a pipe is no file of the lake, and might never end.
        let files = list_in(&date, &mut errors).into_iter().filter(|(_, of)| of.is_file());
        let paths = files.map(|(path, _)| path);
        found.extend(paths.filter(|path| path.extension().is_some_and(|end| end == "parquet")));
    }
    found.sort();
    (found, errors)
}

/// Lists a folder. One that is not there has nothing in it.
fn list_in(folder: &Path, errors: &mut Vec<TableError>) -> Vec<(PathBuf, FileType)> {
    let list = || -> io::Result<Vec<(PathBuf, FileType)>> {
        let entries = fs::read_dir(folder)?;
        entries.map(|entry| entry.and_then(|e| Ok((e.path(), e.file_type()?)))).collect()
    };
    list().unwrap_or_else(|source| {
        if source.kind() != io::ErrorKind::NotFound {
            errors.push(io_error("list", folder, source));
        }
        Vec::new()
    })
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
        number(|e| e.serial),
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
            serial: number(16, row),
        })
    };
    (0..batch.num_rows()).map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_get_its_name_leaves_nothing_behind() {
        let home = tempfile::tempdir().unwrap();
        let entries = [Entry::new(EntryKind::Count, 5)];
        let path = write(home.path(), "a", 5, &entries).unwrap();
        fs::remove_file(&path).unwrap();
        fs::create_dir_all(path.join("in the way")).unwrap();
        write(home.path(), "a", 5, &entries).unwrap_err();
        let names = fs::read_dir(path.parent().unwrap()).unwrap();
        let paths: Vec<PathBuf> = names.map(|entry| entry.unwrap().path()).collect();
        assert_eq!(paths, [path]);
    }
}
