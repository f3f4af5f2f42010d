//! The same quotes in every layout that is read: the ranking is the same byte for byte. What is in
//! none of them is told and counted.

use crate::kit::{self, DAY, HOUR, Home, MIDNIGHT, Row, Style, problems, walk};
use arrow::array::{
    Array, ArrayRef, FixedSizeBinaryArray, Float64Array, Int64Array, RecordBatch, StringArray,
    UInt64Array,
};
use arrow::datatypes::{Field, Schema};
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// How one recorder writes the quotes of a venue, instrument and day.
struct Layout {
    name: &'static str,
    /// Path of a file, in which `VENUE`, `BASE`, `QUOTE`, `DATE`, `YEAR`, `MONTH`, `DAY` and `HOUR`
    /// stand for what they say. Without `HOUR`, there is one file a day.
    path: &'static str,
    columns: fn(&[Row]) -> RecordBatch,
    options: &'static [&'static str],
}

/// Decimals of prices in these tests.
const PRECISION: i32 = 2;

fn ours(rows: &[Row]) -> RecordBatch {
    let batch = kit::batch(rows, Style::default());
    let events = kit::batch(&later(rows), Style::default()).column(0).clone();
    let names = ["Timestamp", "BestBid", "BestAsk", "EventTime"];
    let columns = batch.columns().iter().cloned().chain([events]);
    RecordBatch::try_from_iter(names.into_iter().zip(columns)).unwrap()
}

fn bids(rows: &[Row]) -> ArrayRef {
    Arc::new(rows.iter().map(|row| row.bid).collect::<Float64Array>())
}

fn asks(rows: &[Row]) -> ArrayRef {
    Arc::new(rows.iter().map(|row| row.ask).collect::<Float64Array>())
}

fn numbers(rows: &[Row], unit_ns: i64) -> ArrayRef {
    Arc::new(rows.iter().map(|row| row.time / unit_ns).collect::<Int64Array>())
}

fn named<const N: usize>(columns: [(&str, ArrayRef); N]) -> RecordBatch {
    RecordBatch::try_from_iter(columns).unwrap()
}

/// Sizes that say they are not known.
fn no_sizes(rows: &[Row]) -> ArrayRef {
    Arc::new(Float64Array::from(vec![0.0; rows.len()]))
}

fn tardis(rows: &[Row]) -> RecordBatch {
    let text = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text; rows.len()])) };
    named([
        ("exchange", text("okex")),
        ("symbol", text("BTC-USDT")),
        ("timestamp", numbers(&later(rows), 1_000)),
        ("local_timestamp", numbers(rows, 1_000)),
        ("ask_amount", no_sizes(rows)),
        ("ask_price", asks(rows)),
        ("bid_price", bids(rows)),
        ("bid_amount", no_sizes(rows)),
    ])
}

/// Returns rows an hour later: the venue's times, which must not count as those of receiving.
fn later(rows: &[Row]) -> Vec<Row> {
    rows.iter().map(|row| Row { time: row.time + HOUR, ..*row }).collect()
}

fn cryptofeed(rows: &[Row]) -> RecordBatch {
    #[expect(clippy::cast_precision_loss, reason = "as the recorder has it")]
    let seconds = |rows: &[Row]| -> ArrayRef {
        Arc::new(rows.iter().map(|row| row.time as f64 / 1e9).collect::<Float64Array>())
    };
    named([
        ("timestamp", seconds(&later(rows))),
        ("receipt_timestamp", seconds(rows)),
        ("bid", bids(rows)),
        ("ask", asks(rows)),
    ])
}

/// Returns prices as mantissas of so many decimals.
#[expect(clippy::cast_possible_truncation, reason = "prices of two places")]
fn mantissas(rows: &[Row], of: fn(&Row) -> Option<f64>, decimals: u32) -> Vec<i128> {
    let mantissa = |price: f64| (price * 100.0).round() as i128 * 10_i128.pow(decimals - 2);
    rows.iter().map(|row| mantissa(of(row).unwrap())).collect()
}

fn nautilus(rows: &[Row], prices: impl Fn(fn(&Row) -> Option<f64>) -> ArrayRef) -> RecordBatch {
    let times = |rows: &[Row]| -> ArrayRef {
        Arc::new(rows.iter().map(|row| row.time.cast_unsigned()).collect::<UInt64Array>())
    };
    let columns = [
        ("bid_price", prices(|row| row.bid)),
        ("ask_price", prices(|row| row.ask)),
        ("ts_event", times(&later(rows))),
        ("ts_init", times(rows)),
    ];
    let fields = columns.iter().map(|(name, of)| Field::new(*name, of.data_type().clone(), false));
    let metadata = [("price_precision", PRECISION.to_string()), ("size_precision", "0".into())];
    let metadata: HashMap<String, String> =
        metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let schema = Schema::new(fields.collect::<Vec<_>>()).with_metadata(metadata);
    RecordBatch::try_new(Arc::new(schema), columns.into_iter().map(|(_, of)| of).collect()).unwrap()
}

fn nautilus_16(rows: &[Row]) -> RecordBatch {
    nautilus(rows, |of| {
        let bytes = mantissas(rows, of, 16).into_iter().map(i128::to_le_bytes);
        Arc::new(FixedSizeBinaryArray::try_from_iter(bytes).unwrap())
    })
}

fn nautilus_8(rows: &[Row]) -> RecordBatch {
    nautilus(rows, |of| {
        let numbers = mantissas(rows, of, 9).into_iter().map(|raw| i64::try_from(raw).unwrap());
        let bytes = numbers.map(i64::to_le_bytes);
        Arc::new(FixedSizeBinaryArray::try_from_iter(bytes).unwrap())
    })
}

fn nautilus_integers(rows: &[Row]) -> RecordBatch {
    nautilus(rows, |of| {
        let numbers = mantissas(rows, of, 9).into_iter().map(|raw| i64::try_from(raw).unwrap());
        Arc::new(numbers.collect::<Int64Array>())
    })
}

fn milliseconds(rows: &[Row]) -> RecordBatch {
    named([
        ("event_time", numbers(&later(rows), 1_000_000)),
        ("ts", numbers(rows, 1_000_000)),
        ("best_bid", bids(rows)),
        ("best_ask", asks(rows)),
    ])
}

fn named_nanoseconds(rows: &[Row]) -> RecordBatch {
    named([
        ("exch_ts_ns", numbers(&later(rows), 1)),
        ("recv_ts_ns", numbers(rows, 1)),
        ("bid_px", bids(rows)),
        ("ask_px", asks(rows)),
    ])
}

const LAYOUTS: [Layout; 17] = [
    Layout {
        name: "by hour",
        path: "exchange=VENUE/symbol=BASE#QUOTE/date=DATE/hour=HOUR/a.parquet",
        columns: ours,
        options: &[],
    },
    Layout {
        name: "by date",
        path: "exchange=VENUE/symbol=BASE#QUOTE/date=DATE/a.parquet",
        columns: ours,
        options: &[],
    },
    Layout {
        name: "keys in other letters, and another ending",
        path: "Exchange=VENUE/Symbol=BASE_QUOTE/Date=DATE/Hour=HOUR/a.parq",
        columns: ours,
        options: &[],
    },
    Layout {
        name: "year, month, day, hour",
        path: "exchange=VENUE/symbol=BASE-QUOTE/year=YEAR/month=MONTH/day=DAY/hour=HOUR/a.parquet",
        columns: ours,
        options: &[],
    },
    Layout {
        name: "year, month, day",
        path: "exchange=VENUE/symbol=BASE%23QUOTE/year=YEAR/month=MONTH/day=DAY/a.parquet",
        columns: ours,
        options: &[],
    },
    Layout {
        name: "keys without a day",
        path: "exchange=VENUE/symbol=BASE#QUOTE/DATE-HOUR.parquet",
        columns: ours,
        options: &[],
    },
    Layout {
        name: "the day first",
        path: "date=DATE/exchange=VENUE/symbol=BASEQUOTE/a.parquet",
        columns: ours,
        options: &[],
    },
    Layout {
        name: "one file a day under keys",
        path: "exchange=VENUE/symbol=BASE#QUOTE/DATE.parquet",
        columns: ours,
        options: &[],
    },
    Layout {
        name: "one file a day",
        path: "VENUE/BASE_QUOTE/DATE.parquet",
        columns: ours,
        options: &[],
    },
    Layout {
        name: "one folder a day",
        path: "VENUE/BASEQUOTE/YEAR/MONTH/DAY/a.parquet",
        columns: named_nanoseconds,
        options: &[],
    },
    Layout {
        name: "tardis in one folder",
        path: "VENUE_quotes_DATE_BASE-QUOTE.parquet",
        columns: tardis,
        options: &[],
    },
    Layout {
        name: "tardis in folders",
        path: "VENUE/book_ticker/YEAR/MONTH/DAY/BASE-QUOTE.parquet",
        columns: tardis,
        options: &[],
    },
    Layout {
        name: "cryptofeed",
        path: "VENUE/ticker/BASE-QUOTE/VENUE-ticker-BASE-QUOTE-DATEHOUR.parquet",
        columns: cryptofeed,
        options: &[],
    },
    Layout {
        name: "NautilusTrader",
        path: "data/quote_tick/BASEQUOTE.VENUE/part-DATE.parquet",
        columns: nautilus_16,
        options: &[],
    },
    Layout {
        name: "NautilusTrader in the other precision",
        path: "data/quotes/BASEQUOTE.VENUE/part-DATEHOUR.parquet",
        columns: nautilus_8,
        options: &[],
    },
    Layout {
        name: "NautilusTrader with integers, all days in one file",
        path: "quote_tick/BASEQUOTE.VENUE/all.parquet",
        columns: nautilus_integers,
        options: &[],
    },
    Layout {
        name: "numbers of a given unit",
        path: "exchange=VENUE/symbol=BASE#QUOTE/date=DATE/a.parquet",
        columns: milliseconds,
        options: &["--time-unit", "ms"],
    },
];

/// Writes rows into the files that their paths name.
fn write(lake: &Path, layout: &Layout, venue: &str, rows: &[Row]) {
    let mut files: Vec<(String, Vec<Row>)> = Vec::new();
    for row in rows {
        let at = jiff::Timestamp::from_second(row.time.div_euclid(1_000_000_000)).unwrap();
        let mut path = layout.path.replace("VENUE", venue);
        for (word, value) in [
            ("BASE", "BTC"),
            ("QUOTE", "USDT"),
            ("DATE", "%Y-%m-%d"),
            ("YEAR", "%Y"),
            ("MONTH", "%m"),
            ("DAY", "%d"),
            ("HOUR", "%H"),
        ] {
            path = path.replace(word, &at.strftime(value).to_string());
        }
        match files.iter_mut().find(|(known, _)| *known == path) {
            Some((_, rows)) => rows.push(*row),
            None => files.push((path, vec![*row])),
        }
    }
    for (path, rows) in files {
        kit::write(&lake.join(path), &(layout.columns)(&rows));
    }
}

/// Returns three days of a venue, whose times are whole milliseconds.
fn three_days(number: u64) -> Vec<Row> {
    let of_day =
        |day: i64| walk(number, MIDNIGHT + day * DAY + 13 * HOUR + 1_800_000_000_000, 2_500);
    (0..3).flat_map(of_day).collect()
}

fn lake_of(layout: &Layout) -> Home {
    let home = Home::new();
    write(&home.lake, layout, "okx", &three_days(1));
    write(&home.lake, layout, "kraken", &three_days(2));
    home
}

#[test]
fn the_same_quotes_in_any_layout_give_the_same_ranking() {
    let mut expected: Option<String> = None;
    for layout in &LAYOUTS {
        let home = lake_of(layout);
        let options = [&["--no-partials", "--strict"][..], layout.options].concat();
        let report = home.report(0, &options);
        assert!(problems(&report).is_empty(), "{}: {:?}", layout.name, problems(&report));
        assert_eq!(report["days"].as_array().unwrap().len(), 3, "{}", layout.name);
        assert_eq!(report["totals"]["rows"], 15_000, "{}", layout.name);
        assert_eq!(report["totals"]["files_not_read"], 0, "{}", layout.name);
        let csv = fs::read_to_string(home.file("out/ranking.csv")).unwrap();
        let expected = expected.get_or_insert_with(|| csv.clone());
        assert_eq!(csv, *expected, "{}", layout.name);
    }
}

#[test]
fn a_period_of_files_that_hold_several_days_is_as_of_files_by_day() {
    let mut expected: Option<String> = None;
    for layout in [&LAYOUTS[0], &LAYOUTS[15]] {
        let home = lake_of(layout);
        home.report(0, &["--from", "2024-08-09", "--to", "2024-08-09"]);
        let csv = fs::read_to_string(home.file("out/ranking.csv")).unwrap();
        assert_eq!(csv, *expected.get_or_insert_with(|| csv.clone()), "{}", layout.name);
    }
}

#[test]
fn times_as_numbers_of_an_unknown_unit_are_refused_with_a_remedy() {
    let home = lake_of(&LAYOUTS[16]);
    let outcome = home.run(&["--no-partials"]);
    assert!(outcome.text.contains("its column ts has times as numbers"), "{}", outcome.text);
    assert!(outcome.text.contains("give --time-unit s, ms, us or ns"), "{}", outcome.text);
    let strict = home.run(&["--strict"]);
    assert_eq!(strict.code, Some(1));
    // The partial results of a wrong unit are not taken for those of the right one.
    assert_eq!(home.run(&["--time-unit", "us"]).code, Some(3));
    let report = home.report(0, &["--time-unit", "ms"]);
    assert_eq!(report["totals"]["rows"], 15_000);
}

#[test]
fn fixed_point_numbers_without_a_precision_are_refused_by_name() {
    let home = lake_of(&LAYOUTS[13]);
    let without = |rows: &[Row]| {
        let batch = nautilus_16(rows);
        let schema = batch.schema().as_ref().clone().with_metadata(HashMap::new());
        RecordBatch::try_new(Arc::new(schema), batch.columns().to_vec()).unwrap()
    };
    let path = "data/quote_tick/BTCUSDT.okx/other.parquet";
    kit::write(&home.lake.join(path), &without(&walk(9, MIDNIGHT, 10)));
    let report = home.report(3, &["--no-partials"]);
    let what = "its column bid_price has fixed-point numbers, and its metadata does not say their \
                price_precision";
    assert_eq!(problems(&report), [(path.to_owned(), what.to_owned(), true)]);
    assert_eq!(report["totals"]["files_not_read"], 1);
}

#[test]
fn a_file_with_the_rows_of_several_instruments_is_refused_by_name() {
    let home = lake_of(&LAYOUTS[0]);
    let rows = walk(9, MIDNIGHT + 5 * HOUR, 10);
    let symbols: Vec<&str> = (0..10).map(|at| if at < 5 { "BTC" } else { "ETH" }).collect();
    let symbols: ArrayRef = Arc::new(StringArray::from(symbols));
    let quotes = kit::batch(&rows, Style::default());
    let columns = quotes.columns().iter().cloned().chain([symbols]);
    let names = ["Timestamp", "BestBid", "BestAsk", "symbol"];
    let batch = RecordBatch::try_from_iter(names.into_iter().zip(columns)).unwrap();
    let path = "exchange=okx/symbol=BTC#USDT/date=2024-08-08/hour=05/several.parquet";
    kit::write(&home.lake.join(path), &batch);
    let report = home.report(3, &["--no-partials"]);
    let what = "has rows of more than one symbol by its column symbol";
    assert_eq!(problems(&report), [(path.to_owned(), what.to_owned(), true)]);
}

#[test]
fn spellings_whose_times_are_apart_are_put_together_and_a_copy_does_not_count_twice() {
    let plain = lake_of(&LAYOUTS[0]);
    let options = ["--no-partials", "--metrics", "all"];
    plain.report(0, &options);
    let expected = fs::read_to_string(plain.file("out/ranking.csv")).unwrap();
    // The second day of one venue is in another layout and spelling.
    let home = Home::new();
    let rows = three_days(1);
    write(&home.lake, &LAYOUTS[0], "okx", &rows[..2_500]);
    write(&home.lake, &LAYOUTS[8], "OKX", &rows[2_500..5_000]);
    write(&home.lake, &LAYOUTS[0], "okx", &rows[5_000..]);
    write(&home.lake, &LAYOUTS[0], "kraken", &three_days(2));
    home.report(0, &options);
    assert_eq!(fs::read_to_string(home.file("out/ranking.csv")).unwrap(), expected);
    // Half of a day too.
    let home = Home::new();
    write(&home.lake, &LAYOUTS[0], "okx", &rows[..1_000]);
    write(&home.lake, &LAYOUTS[8], "OKX", &rows[1_000..2_500]);
    write(&home.lake, &LAYOUTS[0], "okx", &rows[2_500..]);
    write(&home.lake, &LAYOUTS[0], "kraken", &three_days(2));
    home.report(0, &options);
    assert_eq!(fs::read_to_string(home.file("out/ranking.csv")).unwrap(), expected);
    // A copy of everything in another layout is not read, and told.
    write(&plain.lake, &LAYOUTS[8], "okx", &rows);
    let report = plain.report(3, &options);
    assert_eq!(fs::read_to_string(plain.file("out/ranking.csv")).unwrap(), expected);
    let problems = problems(&report);
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(problems.iter().all(|of| of.2 && of.0.starts_with("okx/BTC_USDT/")), "{problems:?}");
    assert!(problems[0].1.contains("has times of okx BTC/USDT that the lake has"), "{problems:?}");
    assert_eq!(report["totals"]["files_not_read"], 3);
}

#[test]
fn what_is_in_no_layout_is_told_with_a_total_and_fails_under_strict() {
    let home = lake_of(&LAYOUTS[0]);
    let batch = ours(&walk(9, MIDNIGHT, 10));
    for number in 0..100 {
        kit::write(&home.lake.join(format!("archive/{number}/a.parquet")), &batch);
        let other = format!("exchange=okx/symbol=BTC#USDT/date=2024-08-08/note-{number}.txt");
        fs::write(home.lake.join(other), "").unwrap();
    }
    kit::write(&home.lake.join("status/date=2024-08-08/a.parquet"), &batch);
    let report = home.report(3, &["--no-partials"]);
    let problems = problems(&report);
    assert_eq!(problems.len(), 2, "{problems:?}");
    let totals = &report["totals"];
    assert_eq!(
        (&totals["files_read"], &totals["files_not_read"], &totals["files_known"]),
        (&12.into(), &200.into(), &1.into())
    );
    let outcome = home.run(&["--no-partials"]);
    let line = "files: 12 read, 200 not read, 1 known to hold no quotes";
    assert!(outcome.text.contains(line), "{}", outcome.text);
    let strict = home.run(&["--strict", "--no-partials"]);
    assert_eq!(strict.code, Some(1), "{}", strict.text);
    // With partial results the totals are the same.
    for _ in 0..2 {
        assert_eq!(&home.report(3, &[])["totals"]["files_not_read"], &totals["files_not_read"]);
    }
}
