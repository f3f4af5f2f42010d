//! Reads the rows of a lake with the Parquet reader and no code of the engine.

use crate::pipeline::listener::Key;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type, TimestampNanosecondType, UInt8Type, UInt64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use spreadwire_market::instrument::Catalogue;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Flags as documented in docs/formats.md.
pub const GAP: u8 = 1;
pub const SNAPSHOT: u8 = 2;
pub const CROSSED: u8 = 4;

/// Price and size of a side; `None` if it is absent.
pub type Side = Option<(f64, f64)>;

/// The part of a row that the simulator knows as well.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Said {
    pub bid: Side,
    pub ask: Side,
    pub event: Option<u64>,
    pub sequence: Option<u64>,
}

/// One row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    pub key: Key,
    pub ts_recv: u64,
    pub said: Said,
    pub number: u64,
    pub flags: u8,
}

/// Returns every row of a lake, by its number in the journal.
pub fn read(lake: &Path, catalogue: &Catalogue) -> Vec<Row> {
    let mut rows = Vec::new();
    for file in files(lake) {
        let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(&file).unwrap()).unwrap();
        let metadata = builder.metadata().file_metadata().key_value_metadata().unwrap().clone();
        let value = |name: &str| {
            let pair = metadata.iter().find(|pair| pair.key == format!("spreadwire.{name}"));
            pair.and_then(|pair| pair.value.clone()).unwrap()
        };
        let (venue, instrument) = (value("venue"), value("instrument"));
        let folder = format!(
            "exchange={}/symbol={}/",
            venue.replace('-', "_"),
            instrument.replace('/', "#")
        );
        assert!(file.to_string_lossy().contains(&folder), "{} in {folder}", file.display());
        let venue = catalogue.venue_named(&venue).unwrap();
        let key = (venue, catalogue.instrument_named(&instrument).unwrap());
        for batch in builder.build().unwrap() {
            take(&batch.unwrap(), key, &mut rows);
        }
    }
    rows.sort_unstable_by_key(|row| row.number);
    rows
}

/// Returns every Parquet file of quotes; no unfinished file and no segment may be left.
fn files(lake: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![lake.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let ends = |end: &str| path.to_string_lossy().ends_with(end);
            if path.is_dir() {
                folders.push(path);
            } else if ends(".parquet") {
                let below = path.strip_prefix(lake).unwrap().to_string_lossy();
                let is_quotes = below.starts_with("exchange=");
                files.extend(is_quotes.then_some(path));
            } else {
                let known = [".jsonl", ".lock", ".frames.zst", "head.json"].into_iter().any(ends);
                assert!(known, "left in the lake: {}", path.display());
            }
        }
    }
    files
}

fn take(batch: &RecordBatch, key: Key, rows: &mut Vec<Row>) {
    let column = |name: &str| batch.column_by_name(name).unwrap();
    let time = |name: &str| column(name).as_primitive::<TimestampNanosecondType>();
    let double = |name: &str| column(name).as_primitive::<Float64Type>();
    let side = |px: &str, sz: &str, place: usize| {
        let (px, sz) = (double(px), double(sz));
        assert_eq!(px.is_null(place), sz.is_null(place), "a side is there or it is not");
        px.is_valid(place).then(|| (px.value(place), sz.value(place)))
    };
    let sequence = column("Sequence").as_primitive::<UInt64Type>();
    let number = column("JournalSequence").as_primitive::<Int64Type>();
    let flags = column("Flags").as_primitive::<UInt8Type>();
    let nanos = |value: i64| u64::try_from(value).unwrap();
    let (timestamp, event) = (time("Timestamp"), time("EventTime"));
    for place in 0..batch.num_rows() {
        let said = Said {
            bid: side("BestBid", "BestBidSize", place),
            ask: side("BestAsk", "BestAskSize", place),
            event: event.is_valid(place).then(|| nanos(event.value(place))),
            sequence: sequence.is_valid(place).then(|| sequence.value(place)),
        };
        rows.push(Row {
            key,
            ts_recv: nanos(timestamp.value(place)),
            said,
            number: nanos(number.value(place)),
            flags: flags.value(place),
        });
    }
}
