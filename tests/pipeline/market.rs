//! Whole markets at full speed: the model on all venues, a tape of real quotes, and the readers
//! that users have.

use crate::engine_under_test::{Scene, frames, held, of_model, on_two_threads};
use crate::lake_rows::{CROSSED, Row};
use crate::listener::Key;
use crate::outcome::Outcome;
use exchange_sim::{ModelOptions, Source, Speed, TapeOptions};
use spreadwire_config::config;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

const SEED: u64 = 7;
const QUOTES: u64 = 20_000;

/// Plays the model on every venue as fast as the engine accepts it, with a volatile basis.
fn model(quotes: u64) -> Outcome {
    println!("seed {SEED}");
    let model = ModelOptions { seed: SEED, shocks_per_minute: 1_200.0, ..ModelOptions::default() };
    let options =
        exchange_sim::Options { limit: Some(quotes), ..held(Source::Model(model), Speed::Max) };
    let scene = Scene::set(options, of_model(20), |config| {
        on_two_threads(config, &["feed", "calculator", "decision"]);
        config.decision = config::Decision {
            cooldown_ms: 20,
            entry_bps: 4.0,
            exit_bps: 0.5,
            ..config::Decision::default()
        };
        // Several segments are sealed while the market plays.
        config.journal.segment_records = 3_000;
    });
    scene.play_to_the_end();
    scene.end()
}

#[test]
fn market_model_comes_through_to_the_last_row() {
    let outcome = model(QUOTES);
    assert_eq!(frames(&outcome.simulated.stats), QUOTES);
    assert_eq!(outcome.rows.len() as u64, QUOTES);
    assert_eq!(outcome.stories().len(), 80, "20 instruments on 4 venues");
    outcome.check();
    let lines = outcome.opportunities();
    let closed_by = |reason: &str| lines.iter().filter(|line| line["reason"] == reason).count();
    println!("{} messages, {} lines of opportunities", outcome.heard.len(), lines.len());
    assert!(20 < lines.len(), "the market must lead to decisions, not {}", lines.len());
    assert!(0 < closed_by("exit"), "some close by themselves");
}

/// Returns the real tape, with a row for each of its quotes in file order.
fn btc_tape() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let folder = std::env::var_os("SPREADWIRE_REAL_DATA").map_or(default, PathBuf::from);
    let tape = folder.join("tapes/quotes_binance_spot_usdm_coinm_BTC_20240808T2354Z.csv.gz");
    let found = tape.is_file();
    if !found {
        println!("skipped: {} is absent (SPREADWIRE_REAL_DATA)", tape.display());
    }
    found.then_some(tape)
}

/// Simulated venues for the venues of the tape.
const PLAYED: [(&str, &str); 3] =
    [("binance_spot", "binance"), ("binance_usdm", "binance-usdm"), ("binance_coinm", "bybit")];

/// Bid, bid size, ask and ask size by simulated venue, read without the simulator.
fn on_tape(tape: &Path) -> BTreeMap<&'static str, Vec<[f64; 4]>> {
    let file = std::fs::File::open(tape).unwrap();
    let mut rows: BTreeMap<&str, Vec<[f64; 4]>> = BTreeMap::new();
    for record in csv::Reader::from_reader(flate2::read::MultiGzDecoder::new(file)).records() {
        let record = record.unwrap();
        let (_, venue) = PLAYED.iter().find(|(name, _)| *name == &record[2]).unwrap();
        let number = |place: usize| record[place].parse().unwrap();
        rows.entry(*venue).or_default().push([number(4), number(5), number(6), number(7)]);
    }
    rows
}

#[test]
fn btc_tape_of_three_markets_comes_through_to_the_last_row() {
    let Some(path) = btc_tape() else { return };
    let pair = |(tape, venue): (&str, &str)| (tape.to_owned(), venue.to_owned());
    let tape = TapeOptions {
        path: path.clone(),
        venues: PLAYED.into_iter().map(pair).collect(),
        instruments: vec![("BTCUSD_PERP".to_owned(), "BTC/USDT".to_owned())],
        ..TapeOptions::default()
    };
    let mut options = held(Source::Tape(tape), Speed::Max);
    options.venues.retain(|at| at.name != "okx");
    let mut instruments = of_model(1);
    let venues = PLAYED.iter().map(|(_, venue)| (*venue).to_owned());
    instruments[0].venues = Some(venues.collect());
    instruments[0].symbols.remove("okx");
    let scene = Scene::set(options, instruments, |config| {
        on_two_threads(config, &["feed", "calculator", "decision"]);
        config.rings.broadcast = 1 << 20;
        config.rings.decision = 1 << 20;
        config.decision.entry_bps = -9.0;
        config.decision.exit_bps = -11.0;
        config.decision.cooldown_ms = 5;
    });
    scene.play_to_the_end();
    let outcome = scene.end();
    let on_tape = on_tape(&path);
    assert_eq!(outcome.rows.len(), 187_618);
    for (venue, quotes) in on_tape {
        let venue = outcome.names().venue_named(venue).unwrap();
        let rows: Vec<_> = outcome.rows.iter().filter(|row| row.key.0 == venue).collect();
        assert_eq!(rows.len(), quotes.len(), "{venue:?}");
        for (number, (row, quote)) in rows.iter().zip(&quotes).enumerate() {
            assert!(has(row, quote), "row {number} of {venue:?}: {row:?}, not {quote:?}");
        }
    }
    let crossed = outcome.rows.iter().filter(|row| row.flags & CROSSED != 0).count();
    let lines = outcome.opportunities().len();
    println!("{} messages, {lines} lines, {crossed} rows crossed", outcome.heard.len());
    assert!(20 < lines, "the tape must lead to decisions");
    outcome.check();
}

fn has(row: &Row, [bid, bid_sz, ask, ask_sz]: &[f64; 4]) -> bool {
    (row.said.bid, row.said.ask) == (Some((*bid, *bid_sz)), Some((*ask, *ask_sz)))
}

/// Prints count and sums by exchange with each of the three readers. The sums are integers, so the
/// order of addition does not matter.
const READERS: &str = r#"
import glob, json, sys
import duckdb, polars, pyarrow.compute, pyarrow.dataset
files = sorted(glob.glob(sys.argv[1] + "/exchange=*/symbol=*/date=*/hour=*/*.parquet"))
def whole(px): return int(round(px * 100000000))
def say(name, rows):
    sums = {}
    for exchange, symbol, bid, ask, sequence in rows:
        one = sums.setdefault(exchange + " " + symbol, [0, 0, 0, 0])
        for place, value in enumerate([1, whole(bid), whole(ask), sequence]): one[place] += value
    print(json.dumps({"reader": name, "sums": sums}))
part = pyarrow.dataset.partitioning(flavor="hive")
wanted = ["exchange", "symbol", "BestBid", "BestAsk", "Sequence"]
table = pyarrow.dataset.dataset(files, format="parquet", partitioning=part,
                                partition_base_dir=sys.argv[1]).to_table(columns=wanted)
say("pyarrow", zip(*[table[name].to_pylist() for name in wanted]))
say("polars", polars.scan_parquet(sys.argv[1] + "/exchange=*/**/*.parquet",
    hive_partitioning=True).select(wanted).collect().iter_rows())
say("duckdb", duckdb.sql(f"select {', '.join(wanted)} from read_parquet('{sys.argv[1]}"
    + "/exchange=*/symbol=*/date=*/hour=*/*.parquet', hive_partitioning = true)").fetchall())
"#;

#[test]
fn polars_duckdb_and_pyarrow_read_what_the_simulator_wrote() {
    let has_readers =
        Command::new("python3").args(["-c", "import pyarrow, polars, duckdb"]).output();
    if !has_readers.is_ok_and(|output| output.status.success()) {
        return println!("skipped: python3 with pyarrow, polars and duckdb is not installed");
    }
    let outcome = model(QUOTES / 4);
    let lake = outcome.ended.plan.journal.lake.to_str().unwrap();
    let output = Command::new("python3").args(["-c", READERS, lake]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let expected = serde_json::json!(sums(&outcome));
    let readers = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let readers: Vec<serde_json::Value> = readers.collect();
    for (reader, name) in readers.iter().zip(["pyarrow", "polars", "duckdb"]) {
        assert_eq!(reader["reader"], name);
        assert_eq!(reader["sums"], expected, "{name}");
    }
    assert_eq!(readers.len(), 3);
}

/// Returns count, and sums of bids and asks in units of 1e-8 and of sequences, by folder.
fn sums(outcome: &Outcome) -> BTreeMap<String, [u64; 4]> {
    let names = outcome.names();
    let folder = |(venue, instrument): Key| {
        let (venue, instrument) = (&names.venue(venue).name, &names.instrument(instrument).name);
        format!("{} {}", venue.replace('-', "_"), instrument.replace('/', "#"))
    };
    let sum = |said: &Vec<crate::lake_rows::Said>| {
        said.iter().fold([0; 4], |sum: [u64; 4], said| {
            let px = |side: crate::lake_rows::Side| whole(side.unwrap().0);
            let one = [1, px(said.bid), px(said.ask), said.sequence.unwrap()];
            std::array::from_fn(|place| sum[place] + one[place])
        })
    };
    outcome.written().iter().map(|(key, said)| (folder(*key), sum(said))).collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "prices are small")]
fn whole(px: f64) -> u64 {
    (px * 1e8).round() as u64
}
