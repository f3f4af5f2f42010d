//! Lakes as written by all kinds of recorders, in temporary folders, and what `input` reads from
//! them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use analyzer::input::{
    BATCH_ROWS, Caution, Columns, Found, LastQuote, QuoteFile, Selection, Tally, VenueDay, find,
};
use analyzer::report::Problem;
use arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Float32Array, Float64Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
    TimestampSecondArray, UInt8Array,
};
use arrow::datatypes::{Float64Type, TimestampNanosecondType, UInt8Type};
use globset::Glob;
use jiff::civil::Date;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use proptest::prelude::*;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

const MS: i64 = 1_000_000;
/// 2024-08-08T00:00:00Z.
const DAY: i64 = 1_723_075_200_000_000_000;
const HOUR: &str = "exchange=okx/symbol=BTC#USDT/date=2024-08-08/hour=00";

/// Time after midnight in ms, bid, ask.
type Row = (i64, Option<f64>, Option<f64>);

/// How a recorder writes its files.
#[derive(Clone, Copy, Debug)]
struct Layout {
    unit: Unit,
    group_rows: usize,
    declares: bool,
    statistics: EnabledStatistics,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Unit {
    Seconds,
    Millis,
    Micros,
    Nanos,
    NanosUtc,
}

impl Default for Layout {
    fn default() -> Layout {
        let statistics = EnabledStatistics::Chunk;
        Layout { unit: Unit::NanosUtc, group_rows: 1 << 20, declares: true, statistics }
    }
}

fn time(unit: Unit, times: &[i64]) -> ArrayRef {
    let by = |factor: i64| times.iter().map(|t| (DAY + t * MS) / factor).collect::<Vec<_>>();
    match unit {
        Unit::Seconds => Arc::new(TimestampSecondArray::from(by(1000 * MS))),
        Unit::Millis => {
            Arc::new(TimestampMillisecondArray::from(by(MS)).with_timezone("America/New_York"))
        }
        Unit::Micros => Arc::new(TimestampMicrosecondArray::from(by(1000))),
        Unit::Nanos => Arc::new(TimestampNanosecondArray::from(by(1))),
        Unit::NanosUtc => Arc::new(TimestampNanosecondArray::from(by(1)).with_timezone("UTC")),
    }
}

fn floats(values: impl IntoIterator<Item = Option<f64>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<Float64Array>())
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true)))
        .unwrap()
}

fn properties(layout: Layout) -> WriterProperties {
    let by_time = SortingColumn { column_idx: 0, descending: false, nulls_first: false };
    WriterProperties::builder()
        .set_max_row_group_row_count(Some(layout.group_rows))
        .set_sorting_columns(layout.declares.then(|| vec![by_time]))
        .set_statistics_enabled(layout.statistics)
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_column_dictionary_enabled("Timestamp".into(), false)
        .set_column_encoding("Timestamp".into(), Encoding::DELTA_BINARY_PACKED)
        .build()
}

fn write(path: &Path, batch: &RecordBatch, properties: WriterProperties) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

fn write_rows(path: &Path, rows: &[Row], layout: Layout) {
    let times: Vec<i64> = rows.iter().map(|row| row.0).collect();
    let batch = batch(vec![
        ("Timestamp", time(layout.unit, &times)),
        ("BestBid", floats(rows.iter().map(|row| row.1))),
        ("BestAsk", floats(rows.iter().map(|row| row.2))),
    ]);
    write(path, &batch, properties(layout));
}

/// Returns rows with different prices.
fn rows(times: impl IntoIterator<Item = i64>) -> Vec<Row> {
    let row = |(at, time): (usize, i64)| (time, Some(at as f64 + 1.0), Some(at as f64 + 2.0));
    times.into_iter().enumerate().map(row).collect()
}

/// Returns the files of one venue as they are found; a second venue is added so that it is a pair.
fn venue_day(lake: &Path) -> VenueDay {
    let other = lake.join(HOUR.replace("okx", "zz")).join("a.parquet");
    write_rows(&other, &rows([0]), Layout::default());
    let Found { units, .. } = find(lake, &Selection::default());
    units[0].venues[0].clone()
}

/// The outcome of reading, after errors were heeded.
struct Outcome {
    rows: Vec<(i64, f64, f64)>,
    tally: Tally,
    problems: Vec<Problem>,
    restarts: usize,
}

fn read(lake: &Path, day: &VenueDay, columns: Columns) -> (Vec<RecordBatch>, Outcome) {
    let mut caution = Caution::default();
    for restarts in 0..1000 {
        let mut quotes = day.open(lake, columns, &caution);
        let read: Result<Vec<RecordBatch>, _> = quotes.by_ref().collect();
        match read {
            Ok(batches) => {
                let (tally, problems) = (quotes.tally(), quotes.problems().to_vec());
                return (batches, Outcome { rows: Vec::new(), tally, problems, restarts });
            }
            Err(error) => caution.heed(&error),
        }
    }
    panic!("reading again does not come to an end");
}

fn outcome(lake: &Path, day: &VenueDay) -> Outcome {
    let (batches, mut outcome) = read(lake, day, Columns { ask: true, ..Columns::BID });
    for batch in &batches {
        assert!((1..=BATCH_ROWS).contains(&batch.num_rows()));
        let times = batch.column(0).as_primitive::<TimestampNanosecondType>().values();
        let bids = batch.column(1).as_primitive::<Float64Type>().values();
        let asks = batch.column(2).as_primitive::<Float64Type>().values();
        let rows = times.iter().zip(bids).zip(asks);
        outcome.rows.extend(rows.map(|((time, bid), ask)| ((time - DAY) / MS, *bid, *ask)));
    }
    assert_eq!(outcome.tally.rows, outcome.rows.len() as u64);
    // Reading the bid alone gives the same rows.
    let (bids, _) = read(lake, day, Columns::BID);
    let bids: Vec<f64> = bids
        .iter()
        .flat_map(|batch| batch.column(1).as_primitive::<Float64Type>().values().to_vec())
        .collect();
    assert_eq!(bids, outcome.rows.iter().map(|row| row.1).collect::<Vec<_>>());
    outcome
}

/// Returns what a reader would that knows nothing of row groups.
fn naive(files: &[Vec<Row>]) -> Vec<(i64, f64, f64)> {
    let is_price = |price: &f64| 0.0 < *price && price.is_finite();
    let sound =
        |(time, bid, ask): &Row| Some((*time, (*bid).filter(is_price)?, (*ask).filter(is_price)?));
    let mut rows: Vec<_> = files.iter().flatten().filter_map(sound).collect();
    rows.sort_by_key(|row| row.0);
    rows
}

fn layouts() -> impl Strategy<Value = Layout> {
    let units = prop::sample::select(vec![Unit::Millis, Unit::Micros, Unit::Nanos, Unit::NanosUtc]);
    let statistics = prop::sample::select(vec![EnabledStatistics::None, EnabledStatistics::Chunk]);
    (units, 1..40_usize, any::<bool>(), statistics).prop_map(
        |(unit, group_rows, declares, statistics)| Layout {
            unit,
            group_rows,
            declares,
            statistics,
        },
    )
}

/// Returns files whose rows are in order, nearly in order, or in none; times often coincide.
fn files() -> impl Strategy<Value = Vec<(Vec<Row>, Layout)>> {
    let price = || prop::option::weighted(0.95, prop_oneof![19 => 1.0..9.0, 1 => Just(0.0)]);
    let rows = prop::collection::vec((0..120_i64, price(), price()), 1..120);
    let file =
        (rows, 0..3_u8, 0..100_i64, layouts()).prop_map(|(mut rows, order, shift, layout)| {
            rows.iter_mut().for_each(|row| row.0 += shift * 5);
            if order != 0 {
                rows.sort_by_key(|row| row.0);
            }
            if order == 2 && 3 < rows.len() {
                let last = rows.len() - 1;
                rows.swap(last / 2, last);
            }
            (rows, layout)
        });
    prop::collection::vec(file, 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_split_over_files_and_row_groups_gives_the_rows_of_a_stable_sort(files in files()) {
        let lake = TempDir::new().unwrap();
        for (at, (rows, layout)) in files.iter().enumerate() {
            let path = format!("{}/{at}.parquet", HOUR.replace("hour=00", &format!("hour={:02}", at / 3)));
            write_rows(&lake.path().join(path), rows, *layout);
        }
        let day = venue_day(lake.path());
        let outcome = outcome(lake.path(), &day);
        let rows: Vec<Vec<Row>> = files.into_iter().map(|(rows, _)| rows).collect();
        let expected = naive(&rows);
        prop_assert_eq!(&outcome.rows, &expected);
        let all: u64 = rows.iter().map(|rows| rows.len() as u64).sum();
        prop_assert_eq!(outcome.tally.rows_read, all);
        let left_out = outcome.tally.no_price + outcome.tally.no_sound_price;
        prop_assert_eq!(outcome.tally.rows + left_out, all);
        let same = expected.windows(2).filter(|pair| pair[0].0 == pair[1].0).count() as u64;
        prop_assert_eq!(outcome.tally.same_time, same);
        prop_assert!(outcome.problems.iter().all(|problem| !problem.left_out));
        // The last quote before any time is the one that a scan finds.
        for before in [0, 1, 60, 150, 300, 700] {
            let scanned = expected.iter().rfind(|row| row.0 < before);
            let last = last_before(lake.path(), &day, DAY + before * MS);
            let last = last.map(|last| ((last.time_ns - DAY) / MS, last.bid, last.ask));
            prop_assert_eq!(last, scanned.copied());
        }
    }
}

fn last_before(lake: &Path, day: &VenueDay, before_ns: i64) -> Option<LastQuote> {
    let mut caution = Caution::default();
    for _ in 0..1000 {
        match day.last_quote_before(lake, before_ns, &caution) {
            Ok(last) => return last,
            Err(error) => caution.heed(&error),
        }
    }
    panic!("reading again does not come to an end");
}

fn put(lake: &Path, path: &str, bytes: &[u8]) {
    let path = lake.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn glob(pattern: &str) -> Vec<Glob> {
    vec![Glob::new(pattern).unwrap()]
}

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

/// Lists the problems by subject, with a cross if something was left out.
fn told(problems: &[Problem]) -> Vec<String> {
    let told = problems.iter().map(|Problem { subject, what, left_out }| {
        format!("{}{subject}: {what}", if *left_out { "x " } else { "" })
    });
    told.collect()
}

/// Lists instruments, days, venues and files that were found, one per line.
fn listed(found: &Found) -> Vec<String> {
    let mut lines = Vec::new();
    for unit in &found.units {
        for venue in &unit.venues {
            assert_eq!(venue.date, unit.date);
            for file in &venue.files {
                let name = file.path.rsplit_once("/hour=").unwrap().1;
                lines.push(format!("{} {} {} {name}", unit.instrument, unit.date, venue.venue));
            }
        }
    }
    lines
}

#[test]
fn quotes_of_any_recorder_are_found_in_the_order_of_their_paths() {
    let lake = TempDir::new().unwrap();
    let lake = lake.path();
    for path in [
        "exchange=okx/symbol=BTC#USDT/date=2024-08-08/hour=10/part-0.parquet",
        "exchange=okx/symbol=BTC#USDT/date=2024-08-08/hour=2/b.parquet",
        "exchange=okx/symbol=BTC#USDT/date=2024-08-08/hour=2/B.parquet",
        "exchange=okx/symbol=BTC#USDT/date=2024-08-09/hour=00/a.parquet",
        "exchange=bybit/symbol=BTC#USDT/date=2024-08-08/hour=00/x.snappy.parquet",
        "exchange=bybit/symbol=ETH#USDT:PERP/date=2024-08-08/hour=00/x.parquet",
        "exchange=kraken/symbol=ETH#USDT:PERP/date=2024-08-09/hour=23/x.parquet",
        // These are known to hold no quotes.
        "exchange=okx/symbol=BTC#USDT/date=2024-08-08/hour=10/.hidden.parquet",
        "exchange=okx/symbol=BTC#USDT/date=2024-08-08/hour=10/a.parquet.tmp",
        "exchange=okx/symbol=BTC#USDT/date=2024-08-08/hour=10/_SUCCESS",
        "recording.lock",
        "head.json",
        "journal/run-000000.seg",
        "ledger/date=2024-08-08/a.parquet",
        "status/date=2024-08-08/a.parquet",
        "spreads/symbol=BTC#USDT/date=2024-08-08/hour=00/a.parquet",
    ] {
        put(lake, path, b"four");
    }
    let found = find(lake, &Selection::default());
    assert_eq!(
        listed(&found),
        [
            "BTC/USDT 2024-08-08 bybit 00/x.snappy.parquet",
            "BTC/USDT 2024-08-08 okx 10/part-0.parquet",
            "BTC/USDT 2024-08-08 okx 2/B.parquet",
            "BTC/USDT 2024-08-08 okx 2/b.parquet",
            "BTC/USDT 2024-08-09 okx 00/a.parquet",
            "ETH/USDT:PERP 2024-08-08 bybit 00/x.parquet",
            "ETH/USDT:PERP 2024-08-09 kraken 23/x.parquet",
        ]
    );
    assert_eq!(found.problems, []);
    assert_eq!((found.known, found.not_read), (9, 0));
    assert_eq!(found.days, [day("2024-08-08"), day("2024-08-09")]);
    assert_eq!(found.units[0].symbol_folder, "BTC#USDT");
    let QuoteFile { path, bytes, modified_ns, .. } = &found.units[0].venues[0].files[0];
    let modified = fs::metadata(lake.join(path)).unwrap().modified().unwrap();
    let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap();
    assert_eq!((*bytes, i128::from(*modified_ns)), (4, since.as_nanos().cast_signed()));
    assert_eq!(found, find(lake, &Selection::default()), "the same each time");
}

#[test]
fn days_venues_and_instruments_are_selected() {
    let lake = TempDir::new().unwrap();
    for venue in ["okx", "bybit", "binance_usdm"] {
        for symbol in ["BTC#USDT", "BTC#USDC", "ETH#USDT"] {
            for date in ["2024-08-08", "2024-08-09", "2024-08-10"] {
                let path =
                    format!("exchange={venue}/symbol={symbol}/date={date}/hour=00/a.parquet");
                put(lake.path(), &path, b"");
            }
        }
    }
    let all = Selection::default;
    for (selection, units, venues, problems) in [
        (all(), 9, 27, 0),
        (Selection { from: Some(day("2024-08-09")), ..all() }, 6, 18, 0),
        (Selection { to: Some(day("2024-08-08")), ..all() }, 3, 9, 0),
        (Selection { instruments: glob("BTC/*"), ..all() }, 6, 18, 0),
        (Selection { instruments: glob("*USDT"), ..all() }, 6, 18, 0),
        (Selection { instruments: glob("BTC/USDC"), venues: glob("b*"), ..all() }, 3, 6, 0),
        (Selection { venues: glob("{okx,bybit}"), ..all() }, 9, 18, 0),
        // Everything is left out, and each instrument has a reason.
        (Selection { venues: glob("okx"), ..all() }, 0, 0, 3),
        (Selection { venues: glob("OKX"), ..all() }, 0, 0, 0),
        (Selection { from: Some(day("2025-01-01")), ..all() }, 0, 0, 0),
    ] {
        let found = find(lake.path(), &selection);
        let found_venues: usize = found.units.iter().map(|unit| unit.venues.len()).sum();
        let counts = (found.units.len(), found_venues, found.problems.len());
        assert_eq!(counts, (units, venues, problems), "{selection:?}");
        assert_eq!(found.days.is_empty(), units == 0);
    }
    let found = find(lake.path(), &Selection { venues: glob("okx"), ..all() });
    let expected = "x BTC/USDC: only okx has it, so there is nothing to compare it with";
    assert_eq!(told(&found.problems)[0], expected);
}

#[test]
fn what_cannot_be_used_is_told_by_name() {
    let lake = TempDir::new().unwrap();
    let lake = lake.path();
    let symbol = "exchange=okx/symbol=BTC#USDT";
    for path in [
        "date=2024-08-08/hour=00/good.parquet",
        "date=20240808/hour=00/a.parquet",
        "date=2024-08-08/hour=24/a.parquet",
        "date=2024-08-08/hour=xx/a.parquet",
    ] {
        put(lake, &format!("{symbol}/{path}"), b"");
    }
    put(lake, &HOUR.replace("okx", "bybit").replace("hour=00", "hour=00/a.parquet"), b"");
    let hour = lake.join(HOUR);
    fs::create_dir(hour.join("folder.parquet")).unwrap();
    std::os::unix::fs::symlink("nowhere", hour.join("dangling.parquet")).unwrap();
    // A file in the place of a folder cannot be read by any user.
    put(lake, "exchange=kraken", b"");
    let found = find(lake, &Selection::default());
    assert_eq!(listed(&found).len(), 2);
    let expected = [
        "x exchange=kraken: cannot be read: Not a directory (os error 20)",
        "x S/date=2024-08-08/hour=00/dangling.parquet: cannot be read: No such file or directory (os error 2)",
        "x S/date=2024-08-08/hour=00/folder.parquet: is not a file",
        "x S/date=2024-08-08/hour=24: is not an hour from 00 to 23",
        "x S/date=2024-08-08/hour=xx: is not an hour from 00 to 23",
        "x S/date=20240808: is not a date of the form YYYY-MM-DD",
    ];
    assert_eq!(
        told(&found.problems),
        expected.map(|line| line.replace("x S", &format!("x {symbol}")))
    );
    let nowhere = find(&lake.join("nowhere"), &Selection::default());
    assert!(nowhere.units.is_empty());
    assert!(told(&nowhere.problems)[0].starts_with("x .: cannot be read"));
}

#[test]
fn every_file_that_is_not_read_is_counted_and_many_are_told_in_one_line() {
    let lake = TempDir::new().unwrap();
    let lake = lake.path();
    put(lake, &format!("{HOUR}/a.parquet"), b"");
    put(lake, &format!("{}/a.parquet", HOUR.replace("okx", "bybit")), b"");
    for number in 0..1_000 {
        put(lake, &format!("{HOUR}/{number:04}.csv.gz"), b"");
        put(lake, &format!("exchange=okx/notes/{number}/a.parquet"), b"");
    }
    put(lake, "exchange=okx/symbol=BTC#USDT/date=20240808/a.parquet", b"");
    put(lake, "exchange=okx/symbol=BTC#USDT/date=20240808/b.parquet", b"");
    put(lake, "README.md", b"");
    put(lake, "exchange=bybit/type=trades/a.parquet", b"");
    put(lake, "ledger/date=2024-08-08/a.parquet", b"");
    fs::create_dir_all(lake.join("exchange=okx/empty")).unwrap();
    let found = find(lake, &Selection::default());
    let expected = [
        "x exchange=bybit/type=trades: holds rows of another kind, so it is not read",
        "x exchange=okx/notes: is in no layout that is known, so it is not read: 1000 files",
        "x exchange=okx/symbol=BTC#USDT/date=20240808: is not a date of the form YYYY-MM-DD: 2 files",
        &format!(
            "x {HOUR}/0000.csv.gz: is not a Parquet file, so it is not read; the same goes for 1000 others: 1001 files in all"
        ),
    ];
    let mut told = told(&found.problems);
    // README.md is one of the 1,001.
    assert!(told[0].starts_with("x README.md: is not a Parquet file"), "{told:?}");
    told.sort();
    assert_eq!(told.len(), expected.len(), "{told:?}");
    assert_eq!((found.not_read, found.known), (2_004, 1));
}

#[test]
fn a_folder_that_cannot_be_read_is_told_by_name() {
    for depth in 1..=4 {
        let lake = TempDir::new().unwrap();
        let folder = HOUR.split('/').take(depth).collect::<Vec<_>>().join("/");
        put(lake.path(), &format!("{HOUR}/a.parquet"), b"");
        // No user, not even root, can read a link that leads to itself.
        let link = lake.path().join(&folder);
        fs::remove_dir_all(&link).unwrap();
        std::os::unix::fs::symlink(&link, &link).unwrap();
        let found = find(lake.path(), &Selection::default());
        let what = "cannot be read: Too many levels of symbolic links (os error 40)";
        assert_eq!(told(&found.problems), [format!("x {folder}: {what}")]);
    }
}

/// Reads one file with these columns.
fn read_file(columns: Vec<(&str, ArrayRef)>, wanted: Columns) -> (Vec<RecordBatch>, Outcome) {
    let lake = TempDir::new().unwrap();
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    write(&lake.path().join(HOUR).join("a.parquet"), &batch(columns), properties);
    read(lake.path(), &venue_day(lake.path()), wanted)
}

#[test]
fn times_of_every_unit_come_as_nanoseconds() {
    for (unit, expected) in [
        (Unit::Seconds, [1_000, 2_000]),
        (Unit::Millis, [1_001, 2_002]),
        (Unit::Micros, [1_001, 2_002]),
        (Unit::Nanos, [1_001, 2_002]),
        (Unit::NanosUtc, [1_001, 2_002]),
    ] {
        let prices = || floats([Some(1.0), Some(2.0)]);
        let columns = vec![
            ("BestAsk", prices()),
            ("EventTime", time(unit, &[1_001, 2_002])),
            ("BestBid", prices()),
            ("Timestamp", time(unit, &[1_001, 2_002])),
        ];
        let (batches, _) = read_file(columns, Columns { event_time: true, ..Columns::BID });
        assert_eq!(batches.len(), 1, "{unit:?}");
        for name in ["Timestamp", "EventTime"] {
            let times = batches[0].column_by_name(name).unwrap();
            let times = times.as_primitive::<TimestampNanosecondType>();
            assert_eq!(times.values().to_vec(), expected.map(|t| DAY + t * MS), "{unit:?} {name}");
            assert_eq!(times.timezone(), Some("UTC"));
        }
    }
}

#[test]
fn times_beyond_the_range_of_nanoseconds_and_absent_ones_are_left_out() {
    let times = [Some(i64::MAX / 1000), None, Some(DAY / MS)];
    let times: TimestampMillisecondArray = times.into_iter().collect();
    let prices = || floats([Some(1.0), Some(2.0), Some(3.0)]);
    let columns = vec![
        ("Timestamp", Arc::new(times) as ArrayRef),
        ("BestBid", prices()),
        ("BestAsk", prices()),
    ];
    let (batches, outcome) = read_file(columns, Columns::BID);
    assert_eq!(batches[0].column(1).as_primitive::<Float64Type>().values().to_vec(), [3.0]);
    assert_eq!((outcome.tally.no_time, outcome.tally.rows), (2, 1));
}

#[test]
fn prices_of_every_type_come_as_the_nearest_doubles() {
    let decimal = |values: Vec<i128>, precision, scale| -> ArrayRef {
        let values = Decimal128Array::from(values);
        Arc::new(values.with_precision_and_scale(precision, scale).unwrap())
    };
    // Beyond 2^53, dividing by a power of ten would round twice; neither Polars nor this does.
    let cases: Vec<(ArrayRef, [f64; 2])> = vec![
        (decimal(vec![618_376_300_000_000, 1], 28, 10), [61_837.63, 1e-10]),
        (
            decimal(vec![9_007_199_254_740_993, 12_345_678_901_234_567_890_123], 28, 10),
            [900_719.925_474_099_3, 1_234_567_890_123.456_8],
        ),
        (decimal(vec![123, 999_999_999], 9, 2), [1.23, 9_999_999.99]),
        (decimal(vec![123, 99_999_999_999], 18, 8), [1.23e-6, 999.999_999_99]),
        (decimal(vec![123, 5], 38, 30), [1.23e-28, 5e-30]),
        (Arc::new(Float32Array::from(vec![0.5, 1.25])), [0.5, 1.25]),
        (Arc::new(Int64Array::from(vec![7, 8])), [7.0, 8.0]),
        (Arc::new(UInt8Array::from(vec![7, 8])), [7.0, 8.0]),
    ];
    for (prices, expected) in cases {
        let columns = vec![
            ("Timestamp", time(Unit::Micros, &[1, 2])),
            ("BestBid", Arc::clone(&prices)),
            ("BestAsk", Arc::clone(&prices)),
            ("BestAskSize", Arc::clone(&prices)),
        ];
        let (batches, outcome) = read_file(columns, Columns::ALL);
        assert_eq!(outcome.problems, [], "{:?}", prices.data_type());
        for name in ["BestBid", "BestAsk", "BestAskSize"] {
            let values = batches[0].column_by_name(name).unwrap();
            let values = values.as_primitive::<Float64Type>().values().to_vec();
            assert_eq!(values, expected, "{name} of {:?}", prices.data_type());
        }
    }
}

#[test]
fn what_a_file_lacks_is_null_and_what_it_has_of_another_type_too() {
    let columns = vec![
        ("Timestamp", time(Unit::Micros, &[1])),
        ("BestBid", floats([Some(1.0)])),
        ("BestAsk", floats([Some(2.0)])),
        ("BestBidSize", Arc::new(StringArray::from(vec!["3.5"])) as ArrayRef),
        ("Flags", Arc::new(Int64Array::from(vec![5]))),
    ];
    let (batches, outcome) = read_file(columns, Columns::ALL);
    let found = &batches[0];
    assert_eq!(found.schema(), Columns::ALL.schema());
    for name in ["BestBidSize", "BestAskSize", "EventTime"] {
        assert_eq!(found.column_by_name(name).unwrap().null_count(), 1, "{name}");
    }
    assert_eq!(found.column(6).as_primitive::<UInt8Type>().values().to_vec(), [5]);
    let expected = format!(
        "{HOUR}/a.parquet: its column BestBidSize has the unsupported type Utf8 and is ignored"
    );
    assert_eq!(told(&outcome.problems), [expected]);
}

/// Reads one file whose asks have a NaN, written in one way; returns the number of rows that are
/// passed on with and without the asks.
fn rows_with_nan(properties: WriterProperties, strip: bool) -> [u64; 2] {
    let lake = TempDir::new().unwrap();
    let asks =
        (0..1_000).map(|at| Some(if at == 500 { f64::NAN } else { f64::from(at % 7) + 2.0 }));
    let columns = vec![
        ("Timestamp", time(Unit::Nanos, &(0..1_000).collect::<Vec<_>>())),
        ("BestBid", floats((0..1_000).map(|_| Some(1.0)))),
        ("BestAsk", floats(asks)),
    ];
    let path = lake.path().join(HOUR).join("a.parquet");
    write(&path, &batch(columns), properties);
    if strip {
        without_nan_counts(&path);
    }
    let day = venue_day(lake.path());
    [Columns::BID, Columns::ALL].map(|columns| {
        let (_, outcome) = read(lake.path(), &day, columns);
        assert_eq!(outcome.tally.no_sound_price, 1, "{columns:?}");
        outcome.tally.rows
    })
}

/// Writes the footer of a file again without counts of NaN, as most writers leave them out.
fn without_nan_counts(path: &Path) {
    use parquet::file::metadata::{
        ColumnChunkMetaData, ParquetMetaDataReader, ParquetMetaDataWriter,
    };
    let file = fs::File::open(path).unwrap();
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&file).unwrap();
    let mut builder = metadata.clone().into_builder();
    for group in builder.take_row_groups() {
        let columns = group.columns().iter().map(|column| {
            use parquet::file::statistics::{Statistics, ValueStatistics};
            let builder = ColumnChunkMetaData::into_builder(column.clone());
            match column.statistics() {
                Some(Statistics::Double(of)) => {
                    builder.set_statistics(Statistics::Double(ValueStatistics::new(
                        of.min_opt().copied(),
                        of.max_opt().copied(),
                        None,
                        of.null_count_opt(),
                        false,
                    )))
                }
                _ => builder,
            }
            .build()
            .unwrap()
        });
        let columns = columns.collect();
        builder = builder
            .add_row_group(group.into_builder().set_column_metadata(columns).build().unwrap());
    }
    let metadata = builder.build();
    let bytes = fs::read(path).unwrap();
    let length = u32::from_le_bytes(bytes[bytes.len() - 8..bytes.len() - 4].try_into().unwrap());
    let mut rewritten = bytes[..bytes.len() - 8 - usize::try_from(length).unwrap()].to_vec();
    ParquetMetaDataWriter::new(&mut rewritten, &metadata).finish().unwrap();
    fs::write(path, rewritten).unwrap();
}

#[test]
fn an_ask_that_is_not_a_number_is_left_out_whatever_is_read() {
    let plain = || WriterProperties::builder().set_dictionary_enabled(false).build();
    let dictionary = || WriterProperties::builder().set_dictionary_enabled(true).build();
    let none =
        || WriterProperties::builder().set_statistics_enabled(EnabledStatistics::None).build();
    for (properties, strip) in [
        (plain(), false),
        (plain(), true),
        (dictionary(), false),
        (dictionary(), true),
        (none(), false),
    ] {
        assert_eq!(rows_with_nan(properties, strip), [999, 999], "without counts: {strip}");
    }
}

#[test]
fn rows_that_are_no_quotes_are_left_out_and_counted_by_reason() {
    let lake = TempDir::new().unwrap();
    let rows = vec![
        (1, Some(1.0), Some(2.0)),
        (2, None, Some(2.0)),
        (3, Some(1.0), None),
        (4, Some(0.0), Some(2.0)),
        (5, Some(1.0), Some(-2.0)),
        (6, Some(f64::NAN), Some(2.0)),
        (7, Some(1.0), Some(f64::INFINITY)),
        (8, None, Some(0.0)),
        // A bid above the ask is a quote.
        (9, Some(3.0), Some(2.0)),
        (9, Some(3.0), Some(2.0)),
        // A quote of the day before is one, too.
        (-1, Some(4.0), Some(5.0)),
        (24 * 3_600_000, Some(6.0), Some(7.0)),
        // More than a day off is damage.
        (-24 * 3_600_000 - 1, Some(6.0), Some(7.0)),
        (48 * 3_600_000, Some(6.0), Some(7.0)),
    ];
    let layout = Layout { declares: false, ..Layout::default() };
    write_rows(&lake.path().join(HOUR).join("a.parquet"), &rows, layout);
    let day = venue_day(lake.path());
    let Outcome { rows, tally, problems, restarts } = outcome(lake.path(), &day);
    let times: Vec<i64> = rows.iter().map(|row| row.0).collect();
    assert_eq!(times, [-1, 1, 9, 9, 24 * 3_600_000]);
    let expected = Tally {
        files: 1,
        rows_read: 14,
        rows: 5,
        no_price: 3,
        no_sound_price: 4,
        same_time: 1,
        outside_day: 2,
        far_from_day: 2,
        row_groups: 1,
        row_groups_merged: 1,
        ..Tally::default()
    };
    // Read once in the hope that it is sorted, and once more.
    assert_eq!((tally, restarts), (expected, 1));
    let unsorted =
        format!("{HOUR}/a.parquet: its times are out of order, so it was sorted while reading");
    assert_eq!(told(&problems), [unsorted]);
}

#[test]
fn a_file_that_is_of_no_use_is_left_out_by_name_and_the_rest_is_read() {
    let lake = TempDir::new().unwrap();
    let hour = lake.path().join(HOUR);
    write_rows(&hour.join("good.parquet"), &rows(0..100), Layout::default());
    fs::write(hour.join("empty.parquet"), b"").unwrap();
    fs::write(hour.join("text.parquet"), b"time,bid,ask\n1,2,3\n").unwrap();
    fs::write(hour.join("tiny.parquet"), b"PAR1").unwrap();
    fs::write(hour.join("claims.parquet"), [b"PAR1".as_slice(), &[0xFF; 40], b"PAR1"].concat())
        .unwrap();
    write_rows(&hour.join("no_rows.parquet"), &[], Layout::default());
    let prices = || floats([Some(1.0)]);
    let write = |name: &str, columns| {
        write(&hour.join(name), &batch(columns), WriterProperties::default());
    };
    write("no_ask.parquet", vec![("Timestamp", time(Unit::Nanos, &[1])), ("BestBid", prices())]);
    let text: ArrayRef = Arc::new(StringArray::from(vec!["2024-08-08"]));
    write(
        "text_time.parquet",
        vec![("Timestamp", text), ("BestBid", prices()), ("BestAsk", prices())],
    );
    let number: ArrayRef = Arc::new(Int64Array::from(vec![DAY]));
    write(
        "number.parquet",
        vec![("Timestamp", number), ("BestBid", prices()), ("BestAsk", prices())],
    );
    let day = venue_day(lake.path());
    let Outcome { rows, tally, problems, .. } = outcome(lake.path(), &day);
    assert_eq!(rows.len(), 100);
    assert_eq!((tally.files, tally.files_left_out), (1, 8));
    let told: Vec<String> =
        told(&problems).iter().map(|line| line.replace(&format!("x {HOUR}/"), "")).collect();
    let begins = [
        "claims.parquet: damaged, or not a Parquet file: ",
        "empty.parquet: is empty",
        "no_ask.parquet: has no column BestAsk",
        "no_rows.parquet: has no rows",
        "number.parquet: its column Timestamp has times as numbers of a unit that it does not say: give --time-unit s, ms, us or ns",
        "text.parquet: damaged, or not a Parquet file: ",
        "text_time.parquet: its column Timestamp has the unsupported type Utf8",
        "tiny.parquet: damaged, or not a Parquet file: ",
    ];
    assert_eq!(told.len(), begins.len(), "{told:?}");
    told.iter().zip(begins).for_each(|(line, begin)| assert!(line.starts_with(begin), "{line}"));
}

#[test]
fn a_file_that_was_changed_since_it_was_found_is_left_out() {
    let lake = TempDir::new().unwrap();
    let path = lake.path().join(HOUR).join("a.parquet");
    write_rows(&path, &rows(0..10), Layout::default());
    let day = venue_day(lake.path());
    write_rows(&path, &rows(0..11), Layout::default());
    let expected = format!("x {HOUR}/a.parquet: has changed since it was found");
    assert_eq!(told(&outcome(lake.path(), &day).problems), [expected]);
    fs::remove_file(&path).unwrap();
    let gone = outcome(lake.path(), &day);
    assert!(told(&gone.problems)[0].contains("No such file"), "{:?}", gone.problems);
    assert_eq!(last_before(lake.path(), &day, i64::MAX), None);
}

#[test]
fn a_file_that_is_cut_anywhere_is_left_out_whole() {
    let lake = TempDir::new().unwrap();
    let hour = lake.path().join(HOUR);
    write_rows(&hour.join("good.parquet"), &rows(0..50), Layout::default());
    let layout = Layout { group_rows: 20, ..Layout::default() };
    write_rows(&hour.join("cut.parquet"), &rows(20..70), layout);
    let bytes = fs::read(hour.join("cut.parquet")).unwrap();
    for cut in (0..bytes.len()).step_by(17) {
        fs::write(hour.join("cut.parquet"), &bytes[..cut]).unwrap();
        let day = venue_day(lake.path());
        let outcome = outcome(lake.path(), &day);
        assert_eq!(outcome.rows, naive(&[rows(0..50)]), "cut at {cut}");
        assert_eq!((outcome.problems.len(), outcome.tally.files_left_out), (1, 1), "cut at {cut}");
    }
}

#[test]
fn a_file_that_breaks_in_the_middle_is_left_out_whole_by_reading_again() {
    let lake = TempDir::new().unwrap();
    let hour = lake.path().join(HOUR);
    let (good, broken) = (rows(0..50), rows(100..200_100));
    write_rows(&hour.join("good.parquet"), &good, Layout::default());
    let layout = Layout { group_rows: 70_000, ..Layout::default() };
    write_rows(&hour.join("broken.parquet"), &broken, layout);
    let bytes = fs::read(hour.join("broken.parquet")).unwrap();
    let mut damaged = bytes.clone();
    // These are pages of the last row group; rows of the others were returned before it is read.
    let at = bytes.len() * 4 / 5;
    damaged[at..at + 64].fill(0x55);
    fs::write(hour.join("broken.parquet"), &damaged).unwrap();
    let day = venue_day(lake.path());
    let mut quotes = day.open(lake.path(), Columns::BID, &Caution::default());
    let batches: Vec<_> = quotes.by_ref().collect();
    assert!(1 < batches.len() && batches.iter().filter(|batch| batch.is_err()).count() == 1);
    let error = batches.last().unwrap().as_ref().unwrap_err();
    assert_eq!(error.file(), format!("{HOUR}/broken.parquet"));
    let outcome = outcome(lake.path(), &day);
    assert_eq!((outcome.rows, outcome.restarts), (naive(&[good]), 1));
    assert!(told(&outcome.problems)[0].starts_with(&format!("x {HOUR}/broken.parquet: damaged")));
    assert_eq!(outcome.tally.files_left_out, 1);
}

#[test]
fn flipped_bits_never_end_the_reading_of_the_other_files() {
    let lake = TempDir::new().unwrap();
    let hour = lake.path().join(HOUR);
    write_rows(&hour.join("good.parquet"), &rows(0..50), Layout::default());
    let layout = Layout { group_rows: 20, ..Layout::default() };
    write_rows(&hour.join("flipped.parquet"), &rows(20..70), layout);
    let bytes = fs::read(hour.join("flipped.parquet")).unwrap();
    let mut left_out = 0;
    for bit in (0..bytes.len() * 8).step_by(101) {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(hour.join("flipped.parquet"), &damaged).unwrap();
        let day = venue_day(lake.path());
        let (_, outcome) = read(lake.path(), &day, Columns::ALL);
        assert!(50 <= outcome.tally.rows, "bit {bit}");
        left_out += outcome.tally.files_left_out;
    }
    assert!(0 < left_out);
}

#[test]
fn flipped_bits_in_a_file_that_is_divided_by_day_leave_the_others() {
    let lake = TempDir::new().unwrap();
    write_rows(&lake.path().join(HOUR).join("good.parquet"), &rows(0..50), Layout::default());
    let path = lake.path().join("exchange=okx/symbol=BTC#USDT/flipped.parquet");
    let of_days = rows((0..50).map(|at| 200 + at * 3_600_000));
    write_rows(&path, &of_days, Layout { group_rows: 20, ..Layout::default() });
    let bytes = fs::read(&path).unwrap();
    let mut left_out = 0;
    for bit in (0..bytes.len() * 8).step_by(101) {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &damaged).unwrap();
        let (_, outcome) = read(lake.path(), &venue_day(lake.path()), Columns::ALL);
        assert!(50 <= outcome.tally.rows, "bit {bit}");
        left_out += find(lake.path(), &Selection::default()).not_read;
    }
    assert!(0 < left_out);
    // Undamaged, each day has its rows, without those of the others.
    fs::write(&path, &bytes).unwrap();
    let other = lake.path().join("exchange=zz/symbol=BTC#USDT/flipped.parquet");
    fs::create_dir_all(other.parent().unwrap()).unwrap();
    fs::copy(&path, other).unwrap();
    let found = find(lake.path(), &Selection::default());
    let counts: Vec<usize> =
        found.units.iter().map(|unit| outcome(lake.path(), &unit.venues[0]).rows.len()).collect();
    assert_eq!(counts, [74, 24, 2]);
}

#[test]
fn a_file_that_is_not_sorted_as_it_declares_is_sorted_by_reading_again() {
    let lake = TempDir::new().unwrap();
    let path = lake.path().join(HOUR).join("a.parquet");
    let mut rows = rows(0..150_000);
    rows.swap(100, 140_000);
    write_rows(&path, &rows, Layout::default());
    let day = venue_day(lake.path());
    let outcome = outcome(lake.path(), &day);
    assert_eq!(outcome.rows, naive(&[rows]));
    assert_eq!((outcome.restarts, outcome.tally.files_left_out), (1, 0));
    let told = told(&outcome.problems);
    assert!(told[0].contains("contradicts its footer"), "{told:?}");
}

#[test]
fn statistics_that_are_wrong_are_noticed() {
    let lake = TempDir::new().unwrap();
    let hour = lake.path().join(HOUR);
    let (one, other) = (rows(0..1000), rows(500..1500));
    write_rows(&hour.join("a.parquet"), &one, Layout::default());
    write_rows(&hour.join("b.parquet"), &other, Layout::default());
    let path = hour.join("b.parquet");
    let bytes = fs::read(&path).unwrap();
    // This changes the least time of `b`, in its footer only, to one after all of `a`.
    let least = (DAY + 500 * MS).to_le_bytes();
    let footer = bytes.len()
        - 8
        - usize::from(bytes[bytes.len() - 8])
        - 256 * usize::from(bytes[bytes.len() - 7]);
    let mut patched = bytes.clone();
    for at in footer..bytes.len() - 8 {
        if bytes[at..].starts_with(&least) {
            patched[at..at + 8].copy_from_slice(&(DAY + 1200 * MS).to_le_bytes());
        }
    }
    assert_ne!(patched, bytes);
    fs::write(&path, &patched).unwrap();
    let outcome = outcome(lake.path(), &venue_day(lake.path()));
    assert_eq!((outcome.rows, outcome.restarts), (naive(&[one, other]), 1));
}

#[test]
fn our_own_files_are_handed_on_as_they_are_decoded() {
    let lake = TempDir::new().unwrap();
    let hour = lake.path().join(HOUR);
    let (one, other) = (rows(0..100_000), rows(100_000..150_000));
    write_rows(&hour.join("a.parquet"), &one, Layout::default());
    write_rows(&hour.join("b.parquet"), &other, Layout::default());
    // A file that begins when the other ends, but whose name sorts before it, has to wait.
    write_rows(&hour.join("0.parquet"), &rows([149_999, 150_000]), Layout::default());
    let day = venue_day(lake.path());
    let outcome = outcome(lake.path(), &day);
    assert_eq!(outcome.rows, naive(&[rows([149_999, 150_000]), one, other]));
    assert_eq!((outcome.tally.row_groups, outcome.tally.row_groups_merged), (3, 2));
    assert_eq!((outcome.tally.same_time, outcome.problems.len()), (1, 0));
}

#[test]
fn of_a_file_of_the_engine_all_columns_are_read() {
    use spreadwire_lake::table::{Metadata, QUOTES, TableWriter, constant_text};
    let lake = TempDir::new().unwrap();
    fs::create_dir_all(lake.path().join(HOUR)).unwrap();
    let columns: Vec<ArrayRef> = vec![
        time(Unit::NanosUtc, &[1, 2, 3]),
        floats([Some(1.0), None, Some(3.0)]),
        floats([Some(2.0), Some(2.0), Some(4.0)]),
        floats([Some(5.0), None, Some(6.0)]),
        floats([Some(7.0), Some(7.5), Some(8.0)]),
        time(Unit::NanosUtc, &[0, 1, 2]),
        Arc::new(arrow::array::UInt64Array::from(vec![1, 2, 3])),
        Arc::new(Int64Array::from(vec![1, 2, 3])),
        Arc::new(UInt8Array::from(vec![2, 0, 16])),
        constant_text("run-1", 3),
    ];
    let path = lake.path().join(HOUR).join("run-1-000000.parquet");
    let mut writer = TableWriter::create(&path, &QUOTES, Metadata::new()).unwrap();
    writer.write(&QUOTES.batch(columns).unwrap()).unwrap();
    writer.finish().unwrap();
    let day = venue_day(lake.path());
    let (batches, outcome) = read(lake.path(), &day, Columns::ALL);
    let expected = RecordBatch::try_new(
        Columns::ALL.schema(),
        vec![
            time(Unit::NanosUtc, &[1, 3]),
            floats([Some(1.0), Some(3.0)]),
            floats([Some(2.0), Some(4.0)]),
            floats([Some(5.0), Some(6.0)]),
            floats([Some(7.0), Some(8.0)]),
            time(Unit::NanosUtc, &[0, 2]),
            Arc::new(UInt8Array::from(vec![2, 16])),
        ],
    );
    assert_eq!(batches, [expected.unwrap()]);
    assert_eq!((outcome.tally.no_price, outcome.tally.row_groups_merged), (1, 0));
    let last = last_before(lake.path(), &day, DAY + 3 * MS).unwrap();
    let expected = LastQuote {
        time_ns: DAY + MS,
        bid: 1.0,
        ask: 2.0,
        bid_size: Some(5.0),
        ask_size: Some(7.0),
        flags: Some(2),
    };
    assert_eq!(last, expected);
}

#[test]
fn times_of_96_bits_are_read() {
    use parquet::data_type::{DoubleType, Int96, Int96Type};
    use parquet::file::writer::SerializedFileWriter;
    let lake = TempDir::new().unwrap();
    fs::create_dir_all(lake.path().join(HOUR)).unwrap();
    let schema = "message quotes { required int96 Timestamp; required double BestBid; required double BestAsk; }";
    let schema = Arc::new(parquet::schema::parser::parse_message_type(schema).unwrap());
    let file = fs::File::create(lake.path().join(HOUR).join("a.parquet")).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let times = [3_000, 1_000].map(|ms: i64| {
        let mut time = Int96::new();
        // Nanoseconds of the day, and the Julian day of 2024-08-08.
        time.set_data(u32::try_from(ms * MS).unwrap(), 0, 2_460_531);
        time
    });
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int96Type>().write_batch(&times, None, None).unwrap();
    column.close().unwrap();
    for _ in 0..2 {
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<DoubleType>().write_batch(&[3.0, 1.0], None, None).unwrap();
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
    let outcome = outcome(lake.path(), &venue_day(lake.path()));
    assert_eq!(outcome.rows, [(1_000, 1.0, 1.0), (3_000, 3.0, 3.0)]);
}
