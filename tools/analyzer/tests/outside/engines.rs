//! The compatible columns equal those of the customary script, by all three engines of
//! `pair_metrics.py`, on random lakes and on recorded tapes.

use crate::kit::{self, Home, Row, Style, pairs};
use crate::random::{all_by_loops, analysed, assert_equal, random_lake};
use spreadwire_kit::needs::{Need, python, real_data};
use std::collections::BTreeMap;
use std::fs::File;
use std::process::Command;

const SEED: u64 = 20_240_815;
/// The customary script.
const SCRIPT: &str = "baselines/pair_metrics.py";
const NEEDS: [Need; 2] = [Need::Python(&["polars", "duckdb"]), Need::data(SCRIPT)];

/// Returns what the script needs.
pub(crate) fn needs() -> Vec<Need> {
    NEEDS.to_vec()
}

/// Returns what the script needs to read the tapes.
pub(crate) fn needs_of_tapes() -> Vec<Need> {
    NEEDS.into_iter().chain(TAPES.map(|(name, _)| Need::data(name))).collect()
}

/// Compares the metrics of a lake with those of the three engines.
fn assert_equal_to_all_engines(home: &Home, options: &[&str], code: Option<i32>) {
    let (header, ours) = analysed(home, options, code);
    for engine in ["script", "polars", "duckdb"] {
        let csv = home.file(&format!("{engine}.csv"));
        let output = Command::new(python())
            .arg(real_data(SCRIPT))
            .args([engine, home.lake.to_str().unwrap(), "--csv", csv.to_str().unwrap()])
            .output()
            .unwrap();
        assert!(output.status.success(), "{engine}: {}", String::from_utf8_lossy(&output.stderr));
        let (their_header, mut theirs) = pairs(&csv);
        assert_eq!(header, their_header, "{engine}");
        // A pair without a single deviation is a problem here and a row there.
        theirs.retain(|_, cells| !cells[3].1.is_empty());
        // Two of the engines convert times to Python's datetime, which has microseconds.
        assert_equal(&ours, &theirs, if engine == "duckdb" { 0.0 } else { 2e-6 }, engine);
    }
}

pub(crate) fn on_random_lakes_the_compatible_columns_are_those_of_all_three_engines() {
    let home = Home::new();
    let quotes = random_lake(&home.lake, SEED);
    let expected = all_by_loops(&quotes).len();
    let all: usize = quotes.values().map(|of| of.len() * (of.len() - 1) / 2).sum();
    let code = Some(if expected < all { 3 } else { 0 });
    assert_equal_to_all_engines(&home, &["--metrics", "compatible"], code);
}

/// A tape, and a function that names the instrument for a venue and symbol of it.
type Tape = (&'static str, fn(&str, &str) -> String);

const TAPES: [Tape; 5] = [
    ("tapes/quotes_binance_spot_usdm_coinm_BTC_20240808T2354Z.csv.gz", |_, _| "BTC/A".to_owned()),
    ("tapes/quotes_binance_spot_usdm_BTCUSDT_20260216T0400Z_100ms.csv.gz", |_, _| {
        "BTC/B".to_owned()
    }),
    ("tapes/quotes_gateiofut_mexcspot_LUNCUSDT_20251011.csv.gz", |_, _| "LUNC/C".to_owned()),
    ("tapes/minute_close_quotes_bybit_binance_BTC_20221213.csv.gz", |_, _| "BTC/D".to_owned()),
    ("tapes/minute_median_quotes_6perp_venues_8symbols_20260212_20260213.csv.gz", |_, symbol| {
        format!("{symbol}/E")
    }),
];

/// Writes the recorded tapes as one lake, in which each tape has its own instruments.
fn lake_of_tapes(home: &Home) {
    let mut rows: BTreeMap<(String, String), Vec<Row>> = BTreeMap::new();
    for (name, instrument) in TAPES {
        let file = File::open(real_data(name)).unwrap();
        let mut csv = csv::Reader::from_reader(flate2::read::MultiGzDecoder::new(file));
        for line in csv.records() {
            let line = line.unwrap();
            let row = Row {
                time: line[0].parse().unwrap(),
                bid: line[4].parse().ok(),
                ask: line[6].parse().ok(),
            };
            rows.entry((line[2].to_owned(), instrument(&line[2], &line[3]))).or_default().push(row);
        }
    }
    for ((venue, symbol), rows) in rows {
        kit::write_hours(&home.lake, &venue, &symbol, "tape", &rows, Style::default());
    }
}

pub(crate) fn on_the_recorded_tapes_the_compatible_columns_are_those_of_all_three_engines() {
    let home = Home::new();
    lake_of_tapes(&home);
    assert_equal_to_all_engines(&home, &["--metrics", "compatible"], Some(0));
}
