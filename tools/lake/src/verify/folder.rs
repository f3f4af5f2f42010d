//! Checks a folder: its files against their checksums, and its rows against those sealed into it.

use super::Depth;
use super::expected::Folder;
use crate::findings::{Finding, Problem};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type, TimestampNanosecondType};
use arrow_array::{Array, RecordBatch};
use spreadwire_lake::layout;
use spreadwire_lake::table::{self, Footer, QUOTES, STATUS, Table, TableReader};
use spreadwire_market::clock::Nanos;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A folder as it is.
#[derive(Default)]
pub(super) struct Found {
    pub(super) rows: u64,
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) digest: u64,
    pub(super) first: Option<Nanos>,
    pub(super) last: Option<Nanos>,
    /// By run.
    pub(super) numbers: BTreeMap<String, Vec<u64>>,
    pub(super) findings: Vec<Finding>,
}

pub(super) fn check_folder(
    lake: &Path,
    folder: &str,
    files: &BTreeSet<String>,
    expected: &Folder,
    depth: Depth,
) -> Found {
    let mut found = Found::default();
    let mut damaged = false;
    for name in files {
        let path = lake.join(folder).join(name);
        let file = File { path, folder, name, known: expected.files.get(name) };
        let checked = match depth {
            Depth::Rows => file.check_rows(&mut found),
            Depth::Footers => file.check_footer(&mut found),
        };
        match checked {
            Ok(()) => {}
            Err(finding) => {
                damaged |= finding.problem == Problem::Damaged;
                found.findings.push(*finding);
            }
        }
    }
    if depth == Depth::Footers {
        found.digest = expected.digest;
    }
    if (found.rows, found.digest) == (expected.rows, expected.digest) {
        return found;
    }
    found.findings.push(differs(folder, &found, expected, files, damaged));
    found
}

/// What to say of a folder whose rows are not those that were sealed.
pub(super) fn differs(
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

/// A file of a folder of the lake.
struct File<'a> {
    path: PathBuf,
    folder: &'a str,
    name: &'a str,
    /// Lengths and checksums that the ledger knows under this name.
    known: Option<&'a BTreeSet<(u64, u32)>>,
}

impl File<'_> {
    fn finding(&self, problem: Problem, why: &str) -> Box<Finding> {
        let text = format!("{}/{}: {why}", self.folder, self.name);
        Box::new(Finding::new(problem, text).in_folder(self.folder).of_file(self.name))
    }

    fn damaged(&self, error: impl Into<anyhow::Error>) -> Box<Finding> {
        self.finding(Problem::Damaged, &format!("{:#}", error.into()))
    }

    /// Returns what the ledger knows under this name.
    fn known(&self) -> Result<&BTreeSet<(u64, u32)>, Box<Finding>> {
        self.known
            .ok_or_else(|| self.finding(Problem::Unexpected, "the ledger does not know this file"))
    }

    /// Adds the file's rows to its folder's. A file that the ledger does not know byte for byte is
    /// not read: its rows count for nothing.
    fn check_rows(&self, found: &mut Found) -> Result<(), Box<Finding>> {
        let sum = table::checksum(&self.path).map_err(|error| self.damaged(error))?;
        if !self.known()?.contains(&sum) {
            let (bytes, crc) = sum;
            let why = format!("{bytes} bytes with checksum {crc:08x} are not what was written");
            return Err(self.finding(Problem::Damaged, &why));
        }
        let Some(of) = Table::of_folder(Path::new(self.folder)) else { return Ok(()) };
        let reader = TableReader::open(&self.path, of).map_err(|error| self.damaged(error))?;
        let times = layout::times_of(Path::new(self.folder)).unwrap_or((0, 0));
        let (mut rows, mut last) = (Found { files: 1, bytes: sum.0, ..Found::default() }, None);
        for batch in reader {
            let batch = batch.map_err(|error| self.damaged(error))?;
            if !is_in_order(&batch, times, &mut last) {
                let why = "rows are out of order or of another hour";
                return Err(self.finding(Problem::Damaged, why));
            }
            rows.take(&batch, of);
        }
        found.add(rows);
        Ok(())
    }

    /// Counts the file's rows by its footer, without reading any of them.
    fn check_footer(&self, found: &mut Found) -> Result<(), Box<Finding>> {
        let bytes = fs::metadata(&self.path).map_err(|error| self.damaged(error))?.len();
        if self.known()?.iter().all(|(length, _)| *length != bytes) {
            let why = format!("{bytes} bytes are not what was written");
            return Err(self.finding(Problem::Damaged, &why));
        }
        let Some(of) = Table::of_folder(Path::new(self.folder)) else { return Ok(()) };
        let footer = Footer::read(&self.path, of).map_err(|error| self.damaged(error))?;
        let Footer { rows, first, last, .. } = footer;
        found.add(Found { rows, files: 1, bytes, first, last, ..Found::default() });
        Ok(())
    }
}

impl Found {
    pub(super) fn take(&mut self, batch: &RecordBatch, of: &Table) {
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

    pub(super) fn take_numbers(&mut self, batch: &RecordBatch) {
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

    pub(super) fn add(&mut self, other: Found) {
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
pub(super) fn is_in_order(batch: &RecordBatch, of: (Nanos, Nanos), last: &mut Option<i64>) -> bool {
    let times = batch.column(0).as_primitive::<TimestampNanosecondType>().values();
    let sorted = last.is_none_or(|last| times.first().is_none_or(|first| last <= *first))
        && times.is_sorted();
    *last = times.last().copied().or(*last);
    let within = |time: i64| (of.0..of.1).contains(&time.cast_unsigned());
    sorted && times.first().copied().is_none_or(within) && times.last().copied().is_none_or(within)
}
