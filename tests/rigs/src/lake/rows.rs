//! The rows of a lake as its readers see them, and a naive account of those that should be there.

use crate::lake::records::catalogue;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type, TimestampNanosecondType, UInt8Type, UInt64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use spreadwire_market::decimal;
use spreadwire_market::record::{Gap, Kind, Quote, Record, flags};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

/// A row as a reader of the lake sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub ts: i64,
    pub bid: Option<f64>,
    pub ask: Option<f64>,
    pub bid_sz: Option<f64>,
    pub ask_sz: Option<f64>,
    pub event: Option<i64>,
    pub sequence: Option<u64>,
    pub number: i64,
    pub flags: u8,
}

/// Returns the expected text of a quote that is read back.
pub fn row(quote: &Quote, number: u64) -> Row {
    let instrument = &catalogue().instruments[quote.instrument.index()];
    let value = |mantissa, scale| decimal::to_text(mantissa, scale).parse::<f64>().unwrap();
    let bid = (quote.bid_px, quote.bid_sz) != (0, 0);
    let ask = (quote.ask_px, quote.ask_sz) != (0, 0);
    let (price, size) = (instrument.price_scale, instrument.size_scale);
    Row {
        ts: quote.ts_recv.cast_signed(),
        bid: bid.then(|| value(quote.bid_px, price)),
        ask: ask.then(|| value(quote.ask_px, price)),
        bid_sz: bid.then(|| value(quote.bid_sz, size)),
        ask_sz: ask.then(|| value(quote.ask_sz, size)),
        event: (quote.flags & flags::TS_EVENT_ABSENT == 0).then_some(quote.ts_event.cast_signed()),
        sequence: (quote.sequence != 0).then_some(quote.sequence),
        number: number.cast_signed(),
        flags: quote.flags,
    }
}

pub fn rows_of_batch(batch: &RecordBatch) -> Vec<Row> {
    let column = |name: &str| batch.column_by_name(name).unwrap();
    let times = column("Timestamp").as_primitive::<TimestampNanosecondType>();
    let events = column("EventTime").as_primitive::<TimestampNanosecondType>();
    let sequences = column("Sequence").as_primitive::<UInt64Type>();
    let double = |name: &str, at: usize| {
        let column = column(name).as_primitive::<Float64Type>();
        column.is_valid(at).then(|| column.value(at))
    };
    (0..batch.num_rows())
        .map(|at| Row {
            ts: times.value(at),
            bid: double("BestBid", at),
            ask: double("BestAsk", at),
            bid_sz: double("BestBidSize", at),
            ask_sz: double("BestAskSize", at),
            event: events.is_valid(at).then(|| events.value(at)),
            sequence: sequences.is_valid(at).then(|| sequences.value(at)),
            number: column("JournalSequence").as_primitive::<Int64Type>().value(at),
            flags: column("Flags").as_primitive::<UInt8Type>().value(at),
        })
        .collect()
}

pub fn rows_of_file(path: &Path) -> Vec<Row> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    reader.build().unwrap().flat_map(|batch| rows_of_batch(&batch.unwrap())).collect()
}

/// Returns every file under a folder by relative path, sorted by name; none if nothing was recorded,
/// and so no folder was made.
pub fn files_under(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    if !folder.exists() {
        return found;
    }
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// Returns the files of quotes.
pub fn quote_files(lake: &Path) -> Vec<String> {
    let is_one = |file: &String| file.starts_with("exchange=") && file.ends_with(".parquet");
    files_under(lake).into_iter().filter(is_one).collect()
}

/// Returns the quotes of the whole lake by folder.
pub fn rows_of_lake(lake: &Path) -> BTreeMap<String, Vec<Row>> {
    let mut rows: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for file in quote_files(lake) {
        let (folder, _) = file.rsplit_once('/').unwrap();
        rows.entry(folder.to_owned()).or_default().extend(rows_of_file(&lake.join(&file)));
    }
    rows
}

/// Returns the expected contents of the lake by folder, derived from the input.
pub fn expected(records: &[Record]) -> BTreeMap<String, Vec<Row>> {
    let mut rows: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    let mut number = 0;
    for record in records {
        if record.kind() == Some(Kind::Quote) {
            let quote: &Quote = record.view();
            let venue = ["binance", "binance_usdm", "okx"][quote.venue.index()];
            let symbol = ["BTC#USDT", "BTC#USDT:PERP", "SHIB#USDT"][quote.instrument.index()];
            let time = jiff::Timestamp::from_nanosecond(i128::from(quote.ts_recv)).unwrap();
            let text = time.to_string();
            let folder = format!(
                "exchange={venue}/symbol={symbol}/date={}/hour={}",
                &text[..10],
                &text[11..13]
            );
            rows.entry(folder).or_default().push(row(quote, number));
        }
        number += match record.kind() {
            Some(Kind::Quote | Kind::Status) => 1,
            Some(Kind::Gap) => record.view::<Gap>().missed,
            _ => 0,
        };
    }
    rows.values_mut().for_each(|rows| rows.sort_by_key(|row| row.ts));
    rows
}
