//! `lake export`: a CSV export imported again is the same lake; the other formats say what the lake
//! says, read by the programs that users have where those are installed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "kit/recorded.rs"]
mod recorded;

use ::lake::export::{Told, Wanted, export};
use ::lake::formats::Format;
use ::lake::import;
use indicatif::ProgressBar;
use proptest::prelude::*;
use recorded::{MIDNIGHT, one_sided, quote, record};
use spreadwire_lake::layout::HOUR;
use spreadwire_market::clock::SECOND;
use spreadwire_market::record::{Quote, Record};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn all(lake: &Path) -> Wanted<'_> {
    Wanted { lake, venue: None, instrument: None, from: 0, until: u64::MAX }
}

fn exported(wanted: &Wanted<'_>, format: Format, receive_time: bool) -> (Vec<u8>, Told) {
    let mut out = Vec::new();
    let told = export(wanted, format, receive_time, &mut out, &ProgressBar::hidden()).unwrap();
    (out, told)
}

fn csv_of(lake: &Path) -> String {
    String::from_utf8(exported(&all(lake), Format::Csv, false).0).unwrap()
}

fn imported(lake: &Path, file: PathBuf) {
    let work = import::Work {
        lake,
        files: &[file],
        names: import::Names::default(),
        scales: (None, None),
        segment_rows: 700,
    };
    let outcomes = import::import(&work, &ProgressBar::hidden(), &mut |_| Ok(())).unwrap();
    assert!(outcomes[0].refused.is_empty());
}

/// Two hours of two venues and two instruments, one side absent now and then, in overlapping files.
fn recorded_lake(lake: &Path) {
    let quotes = |from: u64| -> Vec<Record> {
        let of = |n: u64| {
            let price = 6_100_000 + i64::try_from(n * 7 % 13).unwrap();
            let instrument = u32::from(n % 3 == 1);
            let quote =
                quote(u8::from(n.is_multiple_of(2)), instrument, from + n * SECOND / 2, price);
            if n % 11 == 5 { one_sided(quote) } else { quote }
        };
        (0..9000).map(|n| Record::from(of(n))).collect()
    };
    record(lake, "20240809T000000-000000001", &[quotes(MIDNIGHT), quotes(MIDNIGHT + 1)]);
}

#[test]
fn a_csv_export_imported_again_exports_the_same() {
    let home = tempfile::tempdir().unwrap();
    let (lake, again) = (home.path().join("lake"), home.path().join("again"));
    recorded_lake(&lake);
    let csv = csv_of(&lake);
    assert_eq!(csv.lines().count(), 1 + 18_000);
    let times: Vec<u64> =
        csv.lines().skip(1).map(|line| line.split(',').next().unwrap().parse().unwrap()).collect();
    assert!(times.is_sorted(), "several files, venues and instruments are merged by time");
    assert!(csv.contains(",binance-usdm,BTC/USDT,61000.05,3.78826,61000.06,1.54698\n"));
    assert!(csv.contains(",3.78826,,\n"), "an absent side is empty");
    let file = home.path().join("export.csv");
    fs::write(&file, &csv).unwrap();
    imported(&again, file);
    assert_eq!(csv_of(&again), csv);
    assert_eq!(recorded::findings(&again), [""; 0]);
}

#[test]
fn venue_instrument_and_time_are_those_asked_for() {
    let home = tempfile::tempdir().unwrap();
    let lake = home.path().join("lake");
    recorded_lake(&lake);
    let whole = csv_of(&lake);
    let (from, until) = (MIDNIGHT + HOUR - 10 * SECOND, MIDNIGHT + HOUR + 10 * SECOND);
    let wanted = Wanted {
        venue: Some("binance-usdm".to_owned()),
        instrument: Some("ETH/USDT".to_owned()),
        from,
        until,
        ..all(&lake)
    };
    let found = String::from_utf8(exported(&wanted, Format::Csv, false).0).unwrap();
    let is_wanted = |line: &&str| {
        let time: u64 = line.split(',').next().unwrap().parse().unwrap_or(0);
        line.contains(",binance-usdm,ETH/USDT,") && (from..until).contains(&time)
    };
    let expected: Vec<&str> = whole.lines().filter(is_wanted).collect();
    assert!(5 < expected.len());
    assert_eq!(found.lines().skip(1).collect::<Vec<_>>(), expected);
    let nothing = Wanted { venue: Some("okx".to_owned()), ..all(&lake) };
    let refused = export(&nothing, Format::Csv, false, Vec::new(), &ProgressBar::hidden());
    assert!(refused.unwrap_err().to_string().contains("no quotes of this venue"));
    let many = export(&all(&lake), Format::Hftbacktest, false, Vec::new(), &ProgressBar::hidden());
    assert!(many.unwrap_err().to_string().contains("give --venue and --instrument"));
}

#[test]
fn tardis_has_its_columns_and_says_what_it_lacks() {
    let home = tempfile::tempdir().unwrap();
    let lake = home.path().join("lake");
    let time = MIDNIGHT + 1234;
    record(
        &lake,
        "run",
        &[vec![
            quote(0, 0, time, 6_100_000).into(),
            one_sided(quote(0, 0, time, 6_100_001)).into(),
        ]],
    );
    let (out, told) = exported(&all(&lake), Format::Tardis, false);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount\n\
         binance,BTC/USDT,1723161599995001,1723161600000001,1.54698,61000.01,61000,3.78826\n\
         binance,BTC/USDT,1723161600000001,1723161600000001,,,61000.01,3.78826\n"
    );
    assert_eq!(told.quotes, 2);
    assert_eq!(told.lost.values().copied().collect::<Vec<_>>(), [2, 1], "{:?}", told.lost);
}

/// Replays the events of each of its clocks as hftbacktest's depth does, and prints the best bid and
/// ask of the exchange's clock after each time.
const REPLAY: &str = r#"
import sys, numpy as np
data = np.load(sys.argv[1])["data"]
names = ("ev", "exch_ts", "local_ts", "px", "qty", "order_id", "ival", "fval")
kinds = ("u8", "i8", "i8", "f8", "f8", "u8", "i8", "f8")
assert data.dtype == np.dtype(list(zip(names, kinds)), align=True), data.dtype
EXCH, LOCAL, BUY, SELL, DEPTH = 1 << 31, 1 << 30, 1 << 29, 1 << 28, 1
for clock, ts in ((EXCH, "exch_ts"), (LOCAL, "local_ts")):
    rows = data[data["ev"] & clock != 0]
    assert (np.diff(rows[ts]) >= 0).all(), ts
    bids, asks, last = {}, {}, None
    def tell():
        bid = max(bids.items(), default=("", ""))
        ask = min(asks.items(), default=("", ""))
        print(ts, last, *bid, *ask, sep=",")
    for row in rows:
        assert row["ev"] & 0xff == DEPTH and bool(row["ev"] & BUY) != bool(row["ev"] & SELL)
        if last is not None and last != int(row[ts]):
            tell()
        last = int(row[ts])
        side = bids if row["ev"] & BUY else asks
        if row["qty"] == 0: del side[float(row["px"])]
        else: side[float(row["px"])] = float(row["qty"])
        assert len(side) <= 1
    if last is not None: tell()
"#;

fn has_numpy() -> bool {
    let found = Command::new("python3").args(["-c", "import numpy"]).output();
    let found = found.is_ok_and(|output| output.status.success());
    if !found {
        println!("skipped: no python3 with numpy");
    }
    found
}

#[test]
fn hftbacktest_sees_every_best_bid_and_ask_at_its_time() {
    if !has_numpy() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let lake = home.path().join("lake");
    let price = |n: u64| 6_100_000 + i64::try_from(n * n % 5).unwrap();
    let of = |n: u64| {
        let quote = quote(0, 0, MIDNIGHT + n * SECOND, price(n));
        if n % 7 == 3 { Quote { ask_px: 0, ask_sz: 0, ..quote } } else { quote }
    };
    let mut quotes: Vec<Quote> = (0..200).map(of).collect();
    // The venue's times may turn.
    (quotes[50].ts_event, quotes[51].ts_event) = (quotes[51].ts_event, quotes[50].ts_event);
    let no_time = one_sided(quote(0, 0, MIDNIGHT + 300 * SECOND, 1));
    let records = quotes.iter().chain([&no_time]).map(|q| Record::from(*q)).collect();
    record(&lake, "run", &[records]);
    let (out, told) = exported(&all(&lake), Format::Hftbacktest, false);
    assert_eq!((told.quotes, told.lost.len()), (200, 2), "one without a time, one before its time");
    let (_, with) = exported(&all(&lake), Format::Hftbacktest, true);
    assert_eq!((with.quotes, with.lost.len()), (201, 1));
    let file = home.path().join("a.npz");
    fs::write(&file, out).unwrap();
    let output = Command::new("python3").args(["-c", REPLAY]).arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let local: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("local_ts,")).collect();
    let shown = |q: &Quote| {
        let float = |v: i64, scale: f64| format!("{:?}", v as f64 / scale);
        let side = |px: i64, sz: i64| match px {
            0 => ",".to_owned(),
            _ => format!("{},{}", float(px, 100.0), float(sz, 100_000.0)),
        };
        format!("{},{},{}", q.ts_recv, side(q.bid_px, q.bid_sz), side(q.ask_px, q.ask_sz))
    };
    // Quotes that change nothing are no events.
    let mut expected: Vec<String> = Vec::new();
    let mut before = None;
    for q in &quotes {
        let book = (q.bid_px, q.bid_sz, q.ask_px, q.ask_sz);
        if before.replace(book) != Some(book) {
            expected.push(shown(q));
        }
    }
    assert_eq!(local, expected);
    assert!(text.lines().any(|line| line.starts_with("exch_ts,")));
}

#[test]
fn polars_reads_the_csv_formats() {
    let script = "import sys, polars as pl\nfor f in sys.argv[1:]: print(pl.read_csv(f).shape)";
    let found = Command::new("python3").args(["-c", "import polars"]).output();
    if !found.is_ok_and(|output| output.status.success()) {
        println!("skipped: no python3 with polars");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let lake = home.path().join("lake");
    recorded_lake(&lake);
    let files = [Format::Csv, Format::Tardis].map(|format| {
        let path = home.path().join(format!("{format:?}.csv"));
        fs::write(&path, exported(&all(&lake), format, false).0).unwrap();
        path
    });
    let output = Command::new("python3").args(["-c", script]).args(&files).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "(18000, 8)\n(18000, 8)\n");
}

/// Prices and sizes at the catalogue's scales, up to 15 digits.
fn quotes() -> impl Strategy<Value = Vec<Quote>> {
    let side = || (1..10_i64.pow(13), 0..10_i64.pow(13));
    let row = (0..5000_u64, side(), side(), any::<bool>(), 0..2_u8);
    let of = |(at, bid, ask, whole, venue): (u64, (i64, i64), (i64, i64), bool, u8)| {
        let quote = quote(venue, 0, MIDNIGHT + at * SECOND, bid.0);
        let quote = Quote { bid_sz: bid.1, ask_px: ask.0, ask_sz: ask.1, ..quote };
        if whole { quote } else { one_sided(quote) }
    };
    prop::collection::vec(row.prop_map(of), 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn any_quotes_come_back_from_a_csv_export(quotes in quotes()) {
        let home = tempfile::tempdir().unwrap();
        let (lake, again) = (home.path().join("lake"), home.path().join("again"));
        record(&lake, "run", &[quotes.iter().map(|q| Record::from(*q)).collect()]);
        let csv = csv_of(&lake);
        let file = home.path().join("export.csv");
        fs::write(&file, &csv).unwrap();
        imported(&again, file);
        let sorted = |csv: &str| {
            let mut lines: Vec<String> = csv.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        prop_assert_eq!(sorted(&csv_of(&again)), sorted(&csv));
    }
}
