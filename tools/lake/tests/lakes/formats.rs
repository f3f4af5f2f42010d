//! Tests the formats of `lake import`: each is recognised by its content and gives the quotes that it
//! holds, whatever is around it, and a unit of time in doubt is refused.

use crate::recorded::{findings, parquet_files};
use ::lake::import::formats::{self, FORMATS};
use ::lake::import::{Given, Outcome, Reading, Refusal, Unit, Work, import};
use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, FixedSizeBinaryArray, Float64Array, Int64Array,
    RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::datatypes::{Float64Type, Int32Type, TimestampNanosecondType, UInt64Type};
use flate2::Compression;
use flate2::write::GzEncoder;
use indicatif::ProgressBar;
use parquet::arrow::ArrowWriter;
use spreadwire_lake::table::{QUOTES, TableReader};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// 2024-08-09 00:00 UTC, in microseconds.
const MIDNIGHT_US: i64 = 1_723_161_600_000_000;

/// A quote of a lake: folder, times, prices and sizes of bid and ask, sequence.
#[derive(Clone, Debug, PartialEq)]
struct Found {
    book: String,
    times: (i64, Option<i64>),
    bid: [Option<f64>; 2],
    ask: [Option<f64>; 2],
    sequence: Option<u64>,
}

fn found(
    book: &str,
    times: (i64, Option<i64>),
    bid: Option<[f64; 2]>,
    ask: Option<[f64; 2]>,
) -> Found {
    let side = |side: Option<[f64; 2]>| side.map_or([None; 2], |side| side.map(Some));
    Found { book: book.to_owned(), times, bid: side(bid), ask: side(ask), sequence: None }
}

/// Returns the quotes of a lake in the order of their times.
fn quotes_of(lake: &Path) -> Vec<Found> {
    let mut all = Vec::new();
    for path in parquet_files(lake) {
        let relative = path.strip_prefix(lake).unwrap();
        if relative.starts_with("ledger") {
            continue;
        }
        let book: PathBuf = relative.iter().take(2).collect();
        for batch in TableReader::open(&path, &QUOTES).unwrap().map(Result::unwrap) {
            let time = |at: usize, row: usize| {
                let column = batch.column(at).as_primitive::<TimestampNanosecondType>();
                column.is_valid(row).then(|| column.value(row))
            };
            let float = |at: usize, row: usize| {
                let column = batch.column(at).as_primitive::<Float64Type>();
                column.is_valid(row).then(|| column.value(row))
            };
            let sequence = batch.column(6).as_primitive::<UInt64Type>();
            all.extend((0..batch.num_rows()).map(|row| Found {
                book: book.to_string_lossy().into_owned(),
                times: (time(0, row).unwrap(), time(5, row)),
                bid: [float(1, row), float(3, row)],
                ask: [float(2, row), float(4, row)],
                sequence: sequence.is_valid(row).then(|| sequence.value(row)),
            }));
        }
    }
    all.sort_by_key(|quote| quote.times);
    all
}

/// A scratch folder with a lake and files.
struct Rig {
    home: tempfile::TempDir,
}

impl Rig {
    fn new() -> Rig {
        Rig { home: tempfile::tempdir().unwrap() }
    }

    fn lake(&self) -> PathBuf {
        self.home.path().join("lake")
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.home.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// Imports a file into a new lake.
    fn import(&self, file: &Path, reading: &Reading) -> anyhow::Result<Outcome> {
        let (lake, files) = (self.lake(), [file.to_owned()]);
        if lake.exists() {
            fs::remove_dir_all(&lake).unwrap();
        }
        let work = Work { lake: &lake, files: &files, reading: reading.clone(), segment_rows: 7 };
        Ok(import(&work, &ProgressBar::hidden(), &mut |_| Ok(()))?.remove(0))
    }

    /// Imports a file into a new lake and returns its quotes.
    fn quotes(&self, file: &Path, reading: &Reading, format: &str) -> Vec<Found> {
        let outcome = self.import(file, reading).unwrap();
        assert_eq!(outcome.format.name, format);
        assert_eq!(findings(&self.lake()), [""; 0]);
        let quotes = quotes_of(&self.lake());
        assert_eq!(outcome.rows, quotes.len() as u64);
        quotes
    }

    fn refusal(&self, file: &Path, reading: &Reading) -> String {
        let refused = format!("{:#}", self.import(file, reading).unwrap_err());
        assert!(!self.lake().exists(), "nothing is written: {refused}");
        refused
    }
}

fn plain() -> Reading {
    Reading::default()
}

fn of(venue: &str, instrument: Option<&str>) -> Reading {
    let given = Given { venue: Some(venue.into()), instrument: instrument.map(str::to_owned) };
    Reading { given, ..Reading::default() }
}

fn gz(content: &[u8]) -> Vec<u8> {
    let mut gz = GzEncoder::new(Vec::new(), Compression::default());
    gz.write_all(content).unwrap();
    gz.finish().unwrap()
}

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    zip_by(SimpleFileOptions::default(), files)
}

fn zip_by(options: SimpleFileOptions, files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(*name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn parquet(path: &Path, columns: Vec<(&str, ArrayRef)>, metadata: &[(&str, &str)]) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let metadata: std::collections::HashMap<String, String> =
        metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let schema = Arc::new(batch.schema().as_ref().clone().with_metadata(metadata));
    let batch = batch.with_schema(schema.clone()).unwrap();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), schema, None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

const TARDIS: &str = "\
    exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount\n\
    binance-futures,BTCUSDT,1723161600000000,1723161600004123,0.5,61000.2,61000.1,7\n\
    binance-futures,BTCUSDT,1723161600014000,1723161600014000,,,61000.1,7.25\n";

fn tardis_quotes() -> Vec<Found> {
    let book = "exchange=binance_usdm/symbol=BTC#USDT";
    let at = |us: i64| (MIDNIGHT_US + us) * 1000;
    vec![
        found(book, (at(4123), Some(at(0))), Some([61000.1, 7.0]), Some([61000.2, 0.5])),
        found(book, (at(14_000), None), Some([61000.1, 7.25]), None),
    ]
}

#[test]
fn tardis_quotes_are_read_whatever_is_around_them() {
    let rig = Rig::new();
    let reordered: String = TARDIS
        .lines()
        .map(|line| {
            let mut fields: Vec<&str> = line.split(',').collect();
            fields.reverse();
            format!("{},more\n", fields.join(","))
        })
        .collect();
    let exponents = TARDIS.replace("61000.2", "6.10002e4").replace("7.25", "725E-2");
    for (name, content) in [
        ("a.csv", TARDIS.as_bytes().to_vec()),
        ("a.csv.gz", gz(TARDIS.as_bytes())),
        ("gzip-without-the-name", gz(TARDIS.as_bytes())),
        ("two-members.gz", [gz(&TARDIS.as_bytes()[..90]), gz(&TARDIS.as_bytes()[90..])].concat()),
        ("a.zip", zip(&[("folder/", b""), ("folder/a.csv", TARDIS.as_bytes())])),
        ("bom.csv", [b"\xEF\xBB\xBF", TARDIS.as_bytes()].concat()),
        ("crlf.csv", TARDIS.replace('\n', "\r\n").into_bytes()),
        ("no-last-line-feed.csv", TARDIS.trim_end().as_bytes().to_vec()),
        ("quoted.csv", TARDIS.replace("BTCUSDT", "\"BTCUSDT\"").into_bytes()),
        ("spaces.csv", TARDIS.replace("61000.2", " 61000.2 ").into_bytes()),
        ("reordered.csv", reordered.into_bytes()),
        ("exponents.csv", exponents.into_bytes()),
    ] {
        let file = rig.file(name, &content);
        assert_eq!(rig.quotes(&file, &plain(), "tardis"), tardis_quotes(), "{name}");
    }
}

#[test]
fn tardis_snapshots_give_their_first_level() {
    let rig = Rig::new();
    for depth in [1, 5, 25] {
        let mut text = "exchange,symbol,timestamp,local_timestamp".to_owned();
        for n in 0..depth {
            let fields = ["asks[N].price", "asks[N].amount", "bids[N].price", "bids[N].amount"];
            text +=
                &fields.map(|field| format!(",{}", field.replace('N', &n.to_string()))).concat();
        }
        text += "\nokex,ETH-USDT,1723161600000000,1723161600000001";
        for n in 0..depth {
            text += &format!(",{}.5,{},{}.5,{}", 3000 + n, n + 1, 2999 - n, n + 2);
        }
        text += "\nokex,ETH-USDT,1723161600000002,1723161600000003";
        text += &",,".repeat(2 * depth);
        let file = rig.file("book.csv", text.as_bytes());
        let outcome = rig.import(&file, &plain()).unwrap();
        assert_eq!(outcome.format.name, "tardis-snapshot");
        assert_eq!(outcome.refused.into_iter().collect::<Vec<_>>(), [(Refusal::NoPrice, 1)]);
        let at = MIDNIGHT_US * 1000;
        let sides = (Some([2999.5, 2.0]), Some([3000.5, 1.0]));
        let book = "exchange=okx/symbol=ETH#USDT";
        assert_eq!(quotes_of(&rig.lake()), [found(book, (at + 1000, Some(at)), sides.0, sides.1)]);
    }
}

const BINANCE: &str = "\
    update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time\n\
    4079,61000.10,7.5,61000.20,0.5,1723161600004,1723161600009\n";

#[test]
fn binance_dumps_are_named_by_their_file_and_by_flags() {
    let rig = Rig::new();
    let name = "BTCUSDT-bookTicker-2024-08-09";
    let at = |ms: i64| MIDNIGHT_US * 1000 + ms * 1_000_000;
    let quote = |symbol: &str| Found {
        sequence: Some(4079),
        ..found(
            &format!("exchange=binance_usdm/symbol={symbol}"),
            (at(9), Some(at(4))),
            Some([61000.1, 7.5]),
            Some([61000.2, 0.5]),
        )
    };
    let csv = rig.file(&format!("{name}.csv"), BINANCE.as_bytes());
    let inside = format!("{name}.csv");
    let zipped = rig.file("renamed.zip", &zip(&[(&inside, BINANCE.as_bytes())]));
    for file in [&csv, &zipped] {
        let quotes = rig.quotes(file, &of("binance-usdm", None), "binance");
        assert_eq!(quotes, [quote("BTC#USDT")]);
        let perpetual = of("binance-usdm", Some("BTC/USDT:PERP"));
        assert_eq!(rig.quotes(file, &perpetual, "binance"), [quote("BTC#USDT:PERP")]);
        assert!(rig.refusal(file, &plain()).contains("give --venue"));
    }
    let nameless = rig.file("quotes.csv", BINANCE.as_bytes());
    assert!(rig.refusal(&nameless, &of("binance-usdm", None)).contains("give --instrument"));
}

/// Returns columns of Nautilus with numbers of this width and scale.
fn nautilus(bytes: i32, unit: i128, off_by: i128) -> Vec<(&'static str, ArrayRef)> {
    let numbers = |hundredths: [i128; 2]| -> ArrayRef {
        let raw = hundredths.map(|n| (n * unit / 100 + off_by).to_le_bytes());
        let raw = raw.iter().map(|raw| Some(&raw[..usize::try_from(bytes).unwrap()]));
        let array = FixedSizeBinaryArray::try_from_sparse_iter_with_size(raw, bytes);
        Arc::new(array.unwrap())
    };
    let times = |us: [i64; 2]| -> ArrayRef {
        let ns = us.map(|us| ((MIDNIGHT_US + us) * 1000).cast_unsigned());
        Arc::new(UInt64Array::from(ns.to_vec()))
    };
    vec![
        ("bid_price", numbers([6_100_010, 6_100_012])),
        ("ask_price", numbers([6_100_020, 6_100_021])),
        ("bid_size", numbers([700, 725])),
        ("ask_size", numbers([50, 0])),
        ("ts_event", times([0, 10_000])),
        ("ts_init", times([4_000, 14_000])),
    ]
}

#[test]
fn nautilus_catalogs_are_read_in_both_precisions() {
    let rig = Rig::new();
    let path = rig.home.path().join("data/quote_tick/BTCUSDT-PERP.BINANCE/a.parquet");
    let at = |us: i64| (MIDNIGHT_US + us) * 1000;
    let quotes = |symbol: &str| {
        let book = format!("exchange=binance_usdm/symbol={symbol}");
        let one = found(&book, (at(4000), Some(at(0))), Some([61000.1, 7.0]), Some([61000.2, 0.5]));
        let times = (at(14_000), Some(at(10_000)));
        let two = found(&book, times, Some([61000.12, 7.25]), Some([61000.21, 0.0]));
        [one, two]
    };
    let metadata = [
        ("instrument_id", "BTCUSDT-PERP.BINANCE"),
        ("price_precision", "2"),
        ("size_precision", "2"),
    ];
    for (bytes, unit, off_by) in
        [(16, 10_i128.pow(16), 0), (8, 10_i128.pow(9), 0), (16, 10_i128.pow(16), 12_345)]
    {
        parquet(&path, nautilus(bytes, unit, off_by), &metadata);
        assert_eq!(rig.quotes(&path, &plain(), "nautilus"), quotes("BTC#USDT:PERP"));
    }
    // The folder has the name too.
    parquet(&path, nautilus(8, 10_i128.pow(9), 0), &[]);
    assert_eq!(rig.quotes(&path, &plain(), "nautilus"), quotes("BTC#USDT:PERP"));
    let elsewhere = rig.home.path().join("a.parquet");
    fs::copy(&path, &elsewhere).unwrap();
    assert!(rig.refusal(&elsewhere, &plain()).contains("give --venue"));
    let given = of("binance-usdm", Some("BTC/USDT"));
    assert_eq!(rig.quotes(&elsewhere, &given, "nautilus"), quotes("BTC#USDT"));
}

fn doubles(values: &[f64]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

#[test]
fn cryptofeed_tickers_and_books_are_read_in_the_forms_that_people_write() {
    let rig = Rig::new();
    let at = |us: i64| (MIDNIGHT_US + us) * 1000;
    let seconds = |us: i64| (MIDNIGHT_US + us) as f64 / 1e6;
    // cryptostore: names by dictionary, times as doubles of seconds, no sizes.
    let names: DictionaryArray<Int32Type> = vec!["BINANCE_FUTURES"; 2].into_iter().collect();
    let ticker = rig.home.path().join("BINANCE-ticker.parquet");
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("feed", Arc::new(names)),
        ("symbol", Arc::new(StringArray::from(vec!["BTC-USDT-PERP"; 2]))),
        ("bid", doubles(&[61000.1, f64::NAN])),
        ("ask", doubles(&[61000.2, 61000.3])),
        ("timestamp", doubles(&[seconds(0), 0.0])),
        ("receipt_timestamp", doubles(&[seconds(4123), seconds(14_001)])),
    ];
    parquet(&ticker, columns, &[]);
    let book = "exchange=binance_usdm/symbol=BTC#USDT:PERP";
    let (bid, ask) = (Some([61000.1, 0.0]), Some([61000.2, 0.0]));
    let one = found(book, (at(4123), Some(at(0))), bid, ask);
    let two = found(book, (at(14_001), None), None, Some([61000.3, 0.0]));
    assert_eq!(rig.quotes(&ticker, &plain(), "cryptofeed"), [one, two]);
    // Books, ns, and names in folders.
    let books = rig.home.path().join("exchange=BINANCE/symbol=BTC-USDT/book.parquet");
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("timestamp", Arc::new(Int64Array::from(vec![Some(at(0)), None]))),
        ("receipt_timestamp", Arc::new(Int64Array::from(vec![at(4), at(5)]))),
        ("bid_0_price", doubles(&[61000.1, 61000.1])),
        ("bid_0_size", doubles(&[7.5, 7.5])),
        ("bid_1_price", doubles(&[61000.0, 61000.0])),
        ("ask_0_price", doubles(&[61000.2, 61000.2])),
        ("ask_0_size", doubles(&[0.5, 0.25])),
    ];
    parquet(&books, columns, &[]);
    let book = "exchange=binance/symbol=BTC#USDT";
    let bid = Some([61000.1, 7.5]);
    let one = found(book, (at(4), Some(at(0))), bid, Some([61000.2, 0.5]));
    let two = found(book, (at(5), None), bid, Some([61000.2, 0.25]));
    assert_eq!(rig.quotes(&books, &plain(), "cryptofeed"), [one, two]);
    // Arrow's timestamps say their unit.
    let stamps = || -> ArrayRef { Arc::new(TimestampMicrosecondArray::from(vec![MIDNIGHT_US])) };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("timestamp", stamps()),
        ("receipt_timestamp", stamps()),
        ("bid", doubles(&[5.0])),
        ("ask", doubles(&[6.0])),
    ];
    parquet(&ticker, columns, &[]);
    let quotes = rig.quotes(&ticker, &of("okx", Some("BTC/USDT")), "cryptofeed");
    assert_eq!(quotes[0].times, (at(0), Some(at(0))));
}

/// An event of hftbacktest: flags, exchange and local time in us after midnight, price, size.
type Event = (u64, i64, i64, f64, f64);

fn npy(events: &[Event]) -> Vec<u8> {
    let kinds = ["<u8", "<i8", "<i8", "<f8", "<f8", "<u8", "<i8", "<f8"];
    let names = ["ev", "exch_ts", "local_ts", "px", "qty", "order_id", "ival", "fval"];
    let fields: Vec<String> =
        names.iter().zip(kinds).map(|(name, kind)| format!("('{name}', '{kind}')")).collect();
    let header = format!(
        "{{'descr': [{}], 'fortran_order': False, 'shape': ({},), }}\n",
        fields.join(", "),
        events.len()
    );
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    let mut bytes = [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes()].concat();
    for (flags, exchange, local, price, size) in events {
        let time = |us: i64| ((MIDNIGHT_US + us) * 1000).to_le_bytes();
        bytes.extend(flags.to_le_bytes());
        bytes.extend(time(*exchange).into_iter().chain(time(*local)));
        bytes.extend(price.to_le_bytes().into_iter().chain(size.to_le_bytes()));
        bytes.extend([0; 24]);
    }
    bytes
}

const LOCAL: u64 = 1 << 30;
const BUY: u64 = LOCAL | 1 << 29;
const SELL: u64 = LOCAL | 1 << 28;

#[test]
fn hftbacktest_books_become_their_best_levels() {
    let rig = Rig::new();
    let (depth, clear, snapshot) = (1, 3, 4);
    let events = [
        (BUY | clear, 0, 1, 61000.0, 0.0),
        (BUY | snapshot, 0, 1, 61000.0, 2.0),
        (BUY | snapshot, 0, 1, 60999.0, 3.0),
        (SELL | snapshot, 0, 1, 61001.0, 4.0),
        (LOCAL | 2, 1, 2, 61000.0, 1.0),
        (BUY | depth, 2, 3, 60998.0, 9.0),
        (BUY | depth, 4, 5, 61000.0, 0.0),
        ((1 << 31) | (1 << 29) | depth, 5, 6, 61000.5, 8.0),
        (SELL | clear, 6, 7, f64::NAN, 0.0),
        (LOCAL | clear, 8, 9, 0.0, 0.0),
        (SELL | depth, 8, 9, 62000.0, 1.5),
        (BUY | depth, 10, 11, 61999.0, 1.0),
        (BUY | depth, 10, 11, 61998.0, 2.0),
        (BUY | depth, 10, 11, 61997.0, 3.0),
        (BUY | clear, 12, 13, 61998.0, 0.0),
        (SELL | depth, 14, 15, 62001.0, 2.5),
        (SELL | clear, 14, 15, 62000.0, 0.0),
    ];
    let file = rig.file("btc.npz", &zip(&[("data.npy", &npy(&events))]));
    let reading = of("binance-usdm", Some("BTC/USDT:PERP"));
    let at = |us: i64| (MIDNIGHT_US + us) * 1000;
    let quote = |local: i64, bid: Option<[f64; 2]>, ask: Option<[f64; 2]>| {
        let book = "exchange=binance_usdm/symbol=BTC#USDT:PERP";
        found(book, (at(local), Some(at(local - 1))), bid, ask)
    };
    let expected = [
        quote(1, Some([61000.0, 2.0]), Some([61001.0, 4.0])),
        quote(5, Some([60999.0, 3.0]), Some([61001.0, 4.0])),
        quote(7, Some([60999.0, 3.0]), None),
        quote(9, None, Some([62000.0, 1.5])),
        quote(11, Some([61999.0, 1.0]), Some([62000.0, 1.5])),
        quote(13, Some([61997.0, 3.0]), Some([62000.0, 1.5])),
        quote(15, Some([61997.0, 3.0]), Some([62001.0, 2.5])),
    ];
    assert_eq!(rig.quotes(&file, &reading, "hftbacktest"), expected);
    let passed_over = rig.import(&file, &reading).unwrap().passed_over;
    assert_eq!(passed_over.into_values().collect::<Vec<_>>(), [1], "a trade");
    let bare = rig.file("btc.npy", &npy(&events));
    assert_eq!(rig.quotes(&bare, &reading, "hftbacktest"), expected);
    assert!(rig.refusal(&bare, &plain()).contains("give --venue"));
    assert!(rig.refusal(&bare, &of("okx", None)).contains("give --instrument"));

    let bbo = 5;
    let events = [
        (BUY | bbo, 0, 1, 61000.0, 2.0),
        (SELL | bbo, 0, 1, 61001.0, 4.0),
        (BUY | depth, 2, 3, 61000.5, 9.0),
        (BUY | bbo, 4, 5, 60999.0, 1.0),
    ];
    let file = rig.file("bbo.npy", &npy(&events));
    let expected = [expected[0].clone(), quote(5, Some([60999.0, 1.0]), Some([61001.0, 4.0]))];
    assert_eq!(rig.quotes(&file, &reading, "hftbacktest"), expected);
}

#[test]
fn times_are_taken_in_the_unit_that_they_have_in_every_format() {
    let rig = Rig::new();
    let tape = "recv_ts_ns,exch_ts_ns,venue,symbol,bid,bid_qty,ask,ask_qty\n\
        1723161600000000000,1723161599000000000,okx,BTCUSDT,5,1,6,1\n";
    let at = MIDNIGHT_US * 1000;
    for (recv, exch) in [("000000000", "000000000"), ("000", "000000"), ("", "000"), ("000000", "")]
    {
        let text = tape.replace("1723161600000000000", &format!("1723161600{recv}"));
        let text = text.replace("1723161599000000000", &format!("1723161599{exch}"));
        let file = rig.file("t.csv", text.as_bytes());
        assert_eq!(rig.quotes(&file, &plain(), "tape")[0].times, (at, Some(at - 1_000_000_000)));
    }
    let mixed = TARDIS.replace("000000,1723", "000,1723").replace("14000,,", "14001,,");
    let file = rig.file("ms.csv", mixed.as_bytes());
    let refused = rig.refusal(&file, &plain());
    assert!(
        refused.contains("timestamp is in doubt") && refused.contains("--time-unit"),
        "{refused}"
    );
    let small = tape.replace("1723161600000000000", "5000").replace("1723161599000000000", "");
    let file = rig.file("small.csv", small.as_bytes());
    let refused = rig.refusal(&file, &plain());
    assert!(refused.contains("recv_ts_ns is in doubt: \"5000\""), "{refused}");
    let given =
        |column: &str| Reading { units: vec![(column.to_owned(), Unit::Ms)], ..Reading::default() };
    for column in ["", "recv_ts_ns"] {
        assert_eq!(rig.quotes(&file, &given(column), "tape")[0].times, (5_000_000_000, None));
    }
    rig.refusal(&file, &given("exch_ts_ns"));
    let text = rig.import(&file, &given("")).unwrap().to_text();
    assert!(text.contains("read as tape, recv_ts_ns in ms"), "{text}");
    let json = rig.import(&file, &given("")).unwrap().to_json();
    assert_eq!(json["time_units"]["recv_ts_ns"], "ms");
}

#[test]
fn what_is_no_format_or_no_whole_file_is_refused_with_what_is_understood() {
    let rig = Rig::new();
    let whole = zip(&[("a.csv", TARDIS.as_bytes())]);
    // A price that is another: only the checksum knows.
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut flipped = zip_by(stored, &[("a.csv", TARDIS.as_bytes())]);
    let price = flipped.windows(7).position(|bytes| bytes == b"61000.2").unwrap();
    flipped[price] ^= 1;
    let zipped = gz(&TARDIS.repeat(50).into_bytes());
    let header = TARDIS.lines().next().unwrap();
    let npy = npy(&[(BUY | 1, 0, 1, 5.0, 1.0), (BUY | 1, 2, 3, 5.0, 2.0)]);
    for (name, content, why) in [
        ("empty.csv", vec![], "the file is empty"),
        ("empty.csv.gz", gz(b""), "the file is empty"),
        ("header.csv", header.as_bytes().to_vec(), "it has no rows"),
        ("twice.csv", TARDIS.replace(",symbol", ",exchange,symbol").into_bytes(), "two columns"),
        ("trades.csv", b"exchange,symbol,price\nx,y,1\n".to_vec(), "Understood are: tape"),
        ("a.html", b"<!DOCTYPE html>\n<p>".to_vec(), "Understood are: tape"),
        ("binary", vec![0xFF; 100], "Understood are: tape"),
        ("cut.csv.gz", zipped[..zipped.len() / 2].to_vec(), "cannot read line"),
        ("cut.zip", whole[..whole.len() / 2].to_vec(), "the zip file is damaged"),
        ("flipped.zip", flipped, "the checksum of its content is another"),
        ("two.zip", zip(&[("a.csv", b"x"), ("b.csv", b"y")]), "holds 2 files"),
        ("a.csv.zst", b"\x28\xB5\x2F\xFD rest".to_vec(), "decompress it first"),
        ("a.parquet", b"PAR1 and nothing else".to_vec(), "cannot be read"),
        ("cut.npy", npy[..npy.len() - 70].to_vec(), "the array ends"),
        ("more.npy", [npy.as_slice(), b"more"].concat(), "4 bytes follow"),
        ("head.npy", npy[..40].to_vec(), "ends in its header"),
    ] {
        let file = rig.file(name, &content);
        let refused = rig.refusal(&file, &of("okx", Some("BTC/USDT")));
        assert!(refused.contains(why), "{name}: {refused}");
    }
    let other = rig.home.path().join("other.parquet");
    parquet(&other, vec![("price", doubles(&[1.0]))], &[]);
    assert!(rig.refusal(&other, &plain()).contains("no format has the columns price"));
}

#[test]
fn a_format_can_be_forced_and_then_says_what_does_not_fit() {
    let rig = Rig::new();
    let file = rig.file("a.csv", TARDIS.as_bytes());
    for format in FORMATS {
        let forced = Reading { format: Some(format), ..of("okx", Some("BTC/USDT")) };
        if format.name == "tardis" {
            let forced = Reading { format: Some(format), ..plain() };
            assert_eq!(rig.quotes(&file, &forced, "tardis"), tardis_quotes());
        } else {
            let refused = rig.refusal(&file, &forced);
            assert!(refused.contains(&format!("cannot be read as {}", format.name)), "{refused}");
        }
    }
    assert!(formats::named("csv").is_none());
}

#[test]
fn an_option_that_would_have_no_effect_is_refused() {
    let rig = Rig::new();
    let file = rig.file("a.csv", TARDIS.as_bytes());
    assert!(rig.refusal(&file, &of("okx", None)).contains("see --map"));
    let instrument = Given { venue: None, instrument: Some("BTC/USDT:PERP".to_owned()) };
    let refused = rig.refusal(&file, &Reading { given: instrument, ..plain() });
    assert!(refused.contains("write it as SYMBOL=BTC/USDT:PERP"), "{refused}");
    let units = vec![("recv_ts_ns".to_owned(), Unit::Us)];
    let refused = rig.refusal(&file, &Reading { units, ..plain() });
    assert!(refused.contains("no file has a column of times of this name"), "{refused}");
}

#[test]
fn what_is_not_a_regular_file_is_told_at_once() {
    let rig = Rig::new();
    let fifo = rig.home.path().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    assert!(rig.refusal(&fifo, &plain()).contains("not a regular file"));
    assert!(rig.refusal(rig.home.path(), &plain()).contains("it is a folder"));
    assert!(rig.refusal(Path::new("/dev/null"), &plain()).contains("not a regular file"));
    let link = rig.home.path().join("link.csv");
    std::os::unix::fs::symlink(rig.home.path().join("a.csv"), &link).unwrap();
    assert!(rig.refusal(&link, &plain()).contains("link.csv: cannot open it: No such file"));
    rig.file("a.csv", TARDIS.as_bytes());
    assert_eq!(rig.quotes(&link, &plain(), "tardis"), tardis_quotes(), "a link is followed");
    std::os::unix::fs::symlink(&fifo, rig.home.path().join("to-fifo")).unwrap();
    assert!(rig.refusal(&rig.home.path().join("to-fifo"), &plain()).contains("not a regular"));
}
