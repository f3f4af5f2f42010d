//! Rows of a lake, read with the plain Parquet reader, and the records that they were made from.
//!
//! It uses the columns documented in `docs/formats.md` and no code of the engine's tables.

use crate::segments::{Bytes, is_quote, u32_at, u64_at};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type, TimestampNanosecondType, UInt8Type, UInt64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use spreadwire_market::state::{Reason, State};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

const SIDE_ABSENT: (i64, i64) = (0, 0);
const NO_EVENT_TIME: u8 = 8;

/// Meaning of the ids and mantissas in records.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) venues: Vec<String>,
    /// Instruments, with the decimals of prices and sizes.
    pub(crate) instruments: Vec<(String, u8, u8)>,
}

impl Names {
    /// Fingerprint of the catalogue, as in the header of a segment.
    pub(crate) fn text(&self) -> String {
        let line = |(name, px, sz): &(String, u8, u8)| format!("{name}\t{px}\t{sz}\n");
        let mut text: String = self.instruments.iter().map(line).collect();
        self.venues.iter().for_each(|venue| text.push_str(&format!("\n{venue}")));
        text
    }
}

/// Contents of a row of a quote or a status; doubles are compared by their bits.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Row {
    Quote {
        folder: String,
        ts_recv: u64,
        /// Price and size of the bid, then of the ask.
        sides: [Option<(u64, u64)>; 2],
        event: Option<u64>,
        sequence: Option<u64>,
        flags: u8,
    },
    Status {
        ts_recv: u64,
        /// Venue, instrument, state, previous state, reason.
        words: [String; 5],
    },
}

/// Returns the row that a record must have become.
pub(crate) fn row_of(record: &Bytes, names: &Names) -> Row {
    let venue = &names.venues[usize::from(record[60])];
    let (name, px, sz) = &names.instruments[usize::try_from(u32_at(record, 56)).unwrap()];
    if !is_quote(record) {
        let ts_recv = u64_at(record, 0);
        let state = |code| State::of_code(code).unwrap().name().to_owned();
        let reason = Reason::of_code(record[10]).unwrap().name().to_owned();
        let words = [venue.clone(), name.clone(), state(record[8]), state(record[9]), reason];
        return Row::Status { ts_recv, words };
    }
    let mantissa = |at| u64_at(record, at).cast_signed();
    let side = |px_at, sz_at| {
        let (price, size) = (mantissa(px_at), mantissa(sz_at));
        ((price, size) != SIDE_ABSENT).then(|| (double(price, *px), double(size, *sz)))
    };
    let (flags, sequence) = (record[63], u64_at(record, 48));
    Row::Quote {
        folder: format!("exchange={}/symbol={}", venue.replace('-', "_"), name.replace('/', "#")),
        ts_recv: u64_at(record, 0),
        sides: [side(16, 32), side(24, 40)],
        event: (flags & NO_EVENT_TIME == 0).then(|| u64_at(record, 8)),
        sequence: (sequence != 0).then_some(sequence),
        flags,
    }
}

/// Returns the bits of the double nearest to a decimal.
fn double(mantissa: i64, decimals: u8) -> u64 {
    format!("{mantissa}e-{decimals}").parse::<f64>().unwrap().to_bits()
}

/// Returns every quote and every status of a lake, by run and number.
///
/// # Panics
/// If a number of a run occurs twice.
pub(crate) fn inputs(lake: &Path) -> BTreeMap<String, BTreeMap<u64, Row>> {
    let mut found: BTreeMap<String, BTreeMap<u64, Row>> = BTreeMap::new();
    for path in parquet_files(lake) {
        let folder = folder_of(&path, lake);
        let of_status = folder.starts_with("status/");
        if !of_status && !folder.starts_with("exchange=") {
            continue;
        }
        for batch in batches(&path) {
            for at in 0..batch.num_rows() {
                let row = if of_status { status(&batch, at) } else { quote(&batch, at, &folder) };
                let run = text(&batch, "Run", at);
                let number = number(&batch, "JournalSequence", at).unwrap();
                let of_run = found.entry(run.to_owned()).or_default();
                let twice = of_run.insert(number, row);
                assert!(twice.is_none(), "{run} {number} is twice in the lake");
            }
        }
    }
    found
}

fn quote(batch: &RecordBatch, at: usize, folder: &str) -> Row {
    let double = |name: &str| {
        let column = column(batch, name).as_primitive::<Float64Type>();
        column.is_valid(at).then(|| column.value(at).to_bits())
    };
    let sequence = column(batch, "Sequence").as_primitive::<UInt64Type>();
    let side = |px, sz| double(px).zip(double(sz));
    let parts: Vec<&str> = folder.split('/').collect();
    Row::Quote {
        folder: parts[..2].join("/"),
        ts_recv: time(batch, "Timestamp", at).unwrap(),
        sides: [side("BestBid", "BestBidSize"), side("BestAsk", "BestAskSize")],
        event: time(batch, "EventTime", at),
        sequence: sequence.is_valid(at).then(|| sequence.value(at)),
        flags: column(batch, "Flags").as_primitive::<UInt8Type>().value(at),
    }
}

fn status(batch: &RecordBatch, at: usize) -> Row {
    let word = |name: &str| text(batch, name, at).to_owned();
    Row::Status {
        ts_recv: time(batch, "Timestamp", at).unwrap(),
        words: ["Venue", "Instrument", "State", "Previous", "Reason"].map(word),
    }
}

/// The ledger's entries about runs.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Runs that began.
    pub(crate) started: BTreeSet<String>,
    /// Numbers that the recorder lost: run, first, last.
    pub(crate) lost: HashSet<(String, u64, u64)>,
    /// How runs ended, without duplicates.
    pub(crate) ended: BTreeMap<String, BTreeSet<String>>,
}

/// Returns the ledger of a lake.
pub(crate) fn ledger(lake: &Path) -> Ledger {
    let mut ledger = Ledger::default();
    let files = parquet_files(lake).into_iter();
    for path in files.filter(|path| folder_of(path, lake).starts_with("ledger/")) {
        for batch in batches(&path) {
            (0..batch.num_rows()).for_each(|at| ledger.take(&batch, at));
        }
    }
    ledger
}

impl Ledger {
    fn take(&mut self, batch: &RecordBatch, at: usize) {
        let word = |name: &str| text(batch, name, at).to_owned();
        let number = |name: &str| number(batch, name, at);
        match (word("Kind").as_str(), word("Cause").as_str()) {
            ("started", _) => drop(self.started.insert(word("Run"))),
            ("ended", how) => drop(self.ended.entry(word("Run")).or_default().insert(how.into())),
            ("gap", "ring" | "disk") => {
                let range = number("First").zip(number("Last"));
                self.lost.extend(range.map(|(first, last)| (word("Run"), first, last)));
            }
            _ => {}
        }
    }
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> &'a dyn Array {
    batch.column_by_name(name).unwrap_or_else(|| panic!("no column {name}")).as_ref()
}

fn time(batch: &RecordBatch, name: &str, at: usize) -> Option<u64> {
    let column = column(batch, name).as_primitive::<TimestampNanosecondType>();
    column.is_valid(at).then(|| column.value(at).cast_unsigned())
}

fn number(batch: &RecordBatch, name: &str, at: usize) -> Option<u64> {
    let column = column(batch, name).as_primitive::<Int64Type>();
    column.is_valid(at).then(|| column.value(at).cast_unsigned())
}

/// Returns the text; empty where it is absent.
fn text<'a>(batch: &'a RecordBatch, name: &str, at: usize) -> &'a str {
    column(batch, name).as_string::<i32>().value(at)
}

fn batches(path: &Path) -> Vec<RecordBatch> {
    let file = File::open(path).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    reader.map(Result::unwrap).collect()
}

fn folder_of(path: &Path, lake: &Path) -> String {
    path.strip_prefix(lake).unwrap().parent().unwrap().to_string_lossy().into_owned() + "/"
}

fn parquet_files(lake: &Path) -> Vec<PathBuf> {
    let is_parquet = |path: &PathBuf| path.extension().is_some_and(|end| end == "parquet");
    files(lake).into_iter().filter(is_parquet).collect()
}

/// Returns every file below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}
