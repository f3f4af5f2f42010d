//! Tests lakes and `lake export` with the programs that users have: the formats have the contents of
//! the lake, and readers skip what a filter rules out.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod exported;
mod readers;
mod recorded;

use ::lake::formats::Format;
use exported::{all, exported, recorded_lake};
use recorded::{MIDNIGHT, one_sided, quote, record};
use spreadwire_kit::needs::{Need, python, tests};
use spreadwire_market::clock::SECOND;
use spreadwire_market::record::{Quote, Record};
use std::fs;
use std::process::Command;

fn main() -> std::process::ExitCode {
    spreadwire_kit::needs::run(tests![
        hftbacktest_sees_every_best_bid_and_ask_at_its_time: [Need::Python(&["numpy"])],
        polars_reads_the_csv_formats: [Need::Python(&["polars"])],
        readers::arrow_skips_what_a_filter_rules_out: [Need::Python(&["pyarrow"])],
        readers::duckdb_skips_what_a_filter_rules_out: [Need::Python(&["pyarrow", "duckdb"])],
        readers::polars_skips_what_a_filter_rules_out: [Need::Python(&["pyarrow", "polars"])],
        readers::arrow_opens_the_quotes_of_a_lake_as_documented: [Need::Python(&["pyarrow"])],
    ])
}

/// Replays the events of each clock as hftbacktest's depth does, and prints the best bid and ask of
/// the exchange's clock after each time.
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

fn hftbacktest_sees_every_best_bid_and_ask_at_its_time() {
    let home = tempfile::tempdir().unwrap();
    let lake = home.path().join("lake");
    let price = |n: u64| 6_100_000 + i64::try_from(n * n % 5).unwrap();
    let of = |n: u64| {
        let quote = quote(0, 0, MIDNIGHT + n * SECOND, price(n));
        if n % 7 == 3 { Quote { ask_px: 0, ask_sz: 0, ..quote } } else { quote }
    };
    let mut quotes: Vec<Quote> = (0..200).map(of).collect();
    // The venue's times may go backwards.
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
    let output = Command::new(python()).args(["-c", REPLAY]).arg(&file).output().unwrap();
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
    // Quotes that change nothing produce no events.
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

fn polars_reads_the_csv_formats() {
    let script = "import sys, polars as pl\nfor f in sys.argv[1:]: print(pl.read_csv(f).shape)";
    let home = tempfile::tempdir().unwrap();
    let lake = home.path().join("lake");
    recorded_lake(&lake);
    let files = [Format::Csv, Format::Tardis].map(|format| {
        let path = home.path().join(format!("{format:?}.csv"));
        fs::write(&path, exported(&all(&lake), format, false).0).unwrap();
        path
    });
    let output = Command::new(python()).args(["-c", script]).args(&files).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "(18000, 8)\n(18000, 8)\n");
}
