//! A small lake, recorded as by an engine, for the tool's tests.

#![allow(dead_code, reason = "the tests that need Python take a part of it")]

use arrow::array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, TimestampNanosecondArray, UInt8Array,
    UInt64Array,
};
use indicatif::ProgressBar;
use spreadwire_kit::{catalogue, quotes};
use spreadwire_lake::layout::{self, HOUR};
use spreadwire_lake::mark::Mark;
use spreadwire_lake::run::{Origin, Provenance, RunId, catalogue_digest};
use spreadwire_lake::seal::seal_segment;
use spreadwire_lake::segment::{Block, SegmentInfo, SegmentWriter};
use spreadwire_lake::stage::StageCounts;
use spreadwire_lake::table::{self, QUOTES};
use spreadwire_market::clock::{Nanos, SECOND};
use spreadwire_market::instrument::Catalogue;
use spreadwire_market::record::{Quote, Record, flags, numbers_taken};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// 2024-08-09 00:00 UTC.
pub(crate) const MIDNIGHT: Nanos = 1_723_161_600 * SECOND;
/// Time of the compaction, two days later.
pub(crate) const LATER: Nanos = MIDNIGHT + 48 * HOUR;

pub(crate) fn catalogue() -> Catalogue {
    let draft = catalogue::of(["BTC/USDT", "ETH/USDT"], ["binance", "binance-usdm"]);
    draft.scales_each([(2, 5), (2, 4)]).build()
}

pub(crate) fn quote(venue: u8, instrument: u32, ts_recv: Nanos, bid_px: i64) -> Quote {
    let (ts_event, ask_px) = (ts_recv - 5_000_001, bid_px + 1);
    let quote = quotes::quote(venue, instrument, ts_recv);
    Quote { ts_event, bid_px, ask_px, bid_sz: 378_826, ask_sz: 154_698, ..quote }
}

/// Returns the quote without an ask and without event time.
pub(crate) fn one_sided(quote: Quote) -> Quote {
    Quote { ask_px: 0, ask_sz: 0, ts_event: 0, flags: flags::TS_EVENT_ABSENT, ..quote }
}

/// Records a run with these segments and ends it in order.
pub(crate) fn record(lake: &Path, run: &str, segments: &[Vec<Record>]) {
    let (run, catalogue) = (RunId::new(run).unwrap(), catalogue());
    let started_at = segments[0][0].ts_recv();
    let mark = Mark::begin(lake, run, started_at, &catalogue, Provenance::Live).unwrap();
    let mut next = 0;
    for (number, records) in segments.iter().enumerate() {
        let origin = Origin { run, catalogue: catalogue_digest(&catalogue) };
        let number = u32::try_from(number).unwrap();
        let info = SegmentInfo { origin, number, started_at: records[0].ts_recv() };
        let mut writer = SegmentWriter::create(&lake.join(layout::JOURNAL), info).unwrap();
        for some in records.chunks(1000) {
            let mut block = Block::new(1000, next);
            some.iter().for_each(|record| block.push(record));
            next += some.iter().map(numbers_taken).sum::<u64>();
            writer.write(&mut block).unwrap();
        }
        let finished = writer.finish();
        finished.trim().unwrap();
        seal_segment(&finished.close().unwrap().path, &mark.book, &catalogue).unwrap();
    }
    let last = segments.iter().flatten().map(Record::ts_recv).max().unwrap();
    let stages = StageCounts::of_records(segments.iter().flatten());
    mark.end(lake, last, next, &BTreeMap::new(), &stages).unwrap();
}

/// Returns the findings of `lake verify`.
pub(crate) fn findings(lake: &Path) -> Vec<String> {
    let verdict = ::lake::verify::verify(lake, None, &ProgressBar::hidden());
    verdict.findings.iter().take(3).map(|finding| format!("{finding:?}")).collect()
}

/// Returns the names in a folder.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Returns the Parquet files under a folder.
pub(crate) fn parquet_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for name in names(folder) {
        let path = folder.join(name);
        if path.is_dir() {
            found.extend(parquet_files(&path));
        } else if path.extension().is_some_and(|end| end == "parquet") {
            found.push(path);
        }
    }
    found
}

/// Returns quote rows with these times and numbers.
pub(crate) fn quote_rows(rows: &[(i64, i64)], run: &str) -> RecordBatch {
    let times = |of: fn(&(i64, i64)) -> i64| -> ArrayRef {
        let times: TimestampNanosecondArray = rows.iter().map(|row| Some(of(row))).collect();
        Arc::new(times.with_timezone("UTC"))
    };
    let floats = |of: fn(&(i64, i64)) -> Option<f64>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<Float64Array>())
    };
    let price: fn(&(i64, i64)) -> Option<f64> = |row| (row.1 % 5 != 0).then_some(61_000.25);
    let columns: Vec<ArrayRef> = vec![
        times(|row| row.0),
        floats(price),
        floats(|_| Some(61_000.5)),
        floats(price),
        floats(|_| Some(0.25)),
        times(|row| row.0 - 1),
        Arc::new(UInt64Array::from(vec![None::<u64>; rows.len()])),
        Arc::new(rows.iter().map(|row| Some(row.1)).collect::<Int64Array>()),
        Arc::new(UInt8Array::from(vec![0; rows.len()])),
        table::constant_text(run, rows.len()),
    ];
    QUOTES.batch(columns).unwrap()
}
