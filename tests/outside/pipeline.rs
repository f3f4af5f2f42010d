//! The whole engine with a Python client and users' readers, and with recorded quotes.

use exchange_sim::{Source, Speed, TapeOptions, Written};
use serde_json::Value;
use spreadwire_kit::needs::{python, real_data};
use spreadwire_rigs::pipeline::captured::captured;
use spreadwire_rigs::pipeline::engine_under_test::PATIENCE;
use spreadwire_rigs::pipeline::lake_rows::{CROSSED, Row};
use spreadwire_rigs::pipeline::listener::{Heard, Key};
use spreadwire_rigs::pipeline::outcome::Outcome;
use spreadwire_rigs::pipeline::scene::{Scene, held, of_model, on_two_threads};
use spreadwire_rigs::pipeline::small_market::{INSTRUMENTS, source};
use spreadwire_rigs::pipeline::whole_market::{QUOTES, model};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Tape with the quotes of three markets.
pub(crate) const BTC_TAPE: &str = "tapes/quotes_binance_spot_usdm_coinm_BTC_20240808T2354Z.csv.gz";

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

pub(crate) fn btc_tape_of_three_markets_comes_through_to_the_last_row() {
    let path = real_data(BTC_TAPE);
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

pub(crate) fn polars_duckdb_and_pyarrow_read_what_the_simulator_wrote() {
    let outcome = model(QUOTES / 4);
    let lake = outcome.ended.plan.lake.to_str().unwrap();
    let output = Command::new(python()).args(["-c", READERS, lake]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let expected = serde_json::json!(sums(&outcome));
    let readers = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let readers: Vec<Value> = readers.collect();
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
    let sum = |said: &Vec<spreadwire_rigs::pipeline::lake_rows::Said>| {
        said.iter().fold([0; 4], |sum: [u64; 4], said| {
            let px = |side: spreadwire_rigs::pipeline::lake_rows::Side| whole(side.unwrap().0);
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

/// Listens until every market that was live is down, and returns what it received.
const PYTHON_CLIENT: &str = r#"
import json, sys
from websockets.sync.client import connect
with connect(sys.argv[1], max_size=None) as socket:
    hello = json.loads(socket.recv())
    snapshot = json.loads(socket.recv())
    assert (hello["type"], snapshot["type"], snapshot["last"]) == ("hello", "snapshot", True)
    print("ready", flush=True)
    spreads, ended, seq, best, live, begun = 0, 0, 0, None, {}, False
    # What was said before this client came: an instrument begins as down.
    statuses = sum(state["health"] != "down" for state in snapshot["states"])
    wanted = sum(len(instrument["venues"]) for instrument in hello["instruments"])
    while not begun or len(live) < wanted or any(live.values()):
        message = json.loads(socket.recv())
        if message["type"] == "spread":
            spreads, seq = spreads + 1, message["seq"]
            best = max(best, message["net_bps"]) if best is not None else message["net_bps"]
        elif message["type"] == "status":
            statuses += 1
            live[message["venue"], message["instrument"]] = message["state"] == "live"
            begun = begun or message["state"] == "live"
        elif message["type"] == "ended":
            ended += 1
        else:
            raise SystemExit("heard " + str(message))
print(json.dumps({"protocol": hello["protocol"], "spreads": spreads, "statuses": statuses, "ended": ended,
                  "last_seq": seq, "best": best}))
"#;

pub(crate) fn a_client_in_python_hears_what_the_engine_counts() {
    let options = exchange_sim::Options { limit: Some(3_000), ..held(source(5_000.0), Speed::Max) };
    let scene = Scene::set(options, of_model(INSTRUMENTS), |_| {});
    let script = scene.engine.home().join("client.py");
    std::fs::write(&script, PYTHON_CLIENT).unwrap();
    let address = format!("ws://{}/", scene.engine.address());
    let python = Python::start(&script, &address);
    assert_eq!(python.line(), "ready");
    scene.play_to_the_end();
    let scene = scene.close_market();
    let said = python.line();
    let told: Value = serde_json::from_str(&said).unwrap();
    let outcome = scene.end();
    assert_eq!(told["protocol"], "spreadwire.v1");
    assert_eq!(told["spreads"], outcome.count("calculator.spreads"));
    assert_eq!(told["last_seq"], outcome.count("calculator.spreads"));
    assert_eq!(told["statuses"], outcome.count("calculator.statuses"));
    assert!(told["ended"].as_u64().unwrap() <= outcome.count("calculator.ended"));
    assert_eq!(told["best"].as_f64(), best(&outcome), "the best net spread");
    outcome.check();
}

fn best(outcome: &Outcome) -> Option<f64> {
    let net = |heard: &Heard| match heard {
        Heard::Spread(spread) => Some(spread.net_bps),
        Heard::Status(_) | Heard::Ended(_) | Heard::Other(_) => None,
    };
    outcome.heard.iter().filter_map(net).max_by(f64::total_cmp)
}

/// A script that prints line by line. It is killed if the test ends before it.
struct Python {
    child: Child,
    lines: crossbeam::channel::Receiver<String>,
}

impl Python {
    fn start(script: &Path, address: &str) -> Python {
        let command = &mut Command::new(python());
        let mut child = command.arg(script).arg(address).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = crossbeam::channel::unbounded();
        let reader = std::thread::Builder::new().name("python".to_owned());
        let read = move || output.lines().map_while(Result::ok).try_for_each(|l| sender.send(l));
        drop(reader.spawn(read).unwrap());
        Python { child, lines }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("the script prints a line in time")
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // It has ended by itself unless the test failed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Symbol, bid, its size, ask, its size, sequence.
type Quote = (String, [String; 4], u64);

/// Reads a frame by the venues' documents, without the engine; `None` if it is not a quote.
fn quote_in(venue: &str, frame: &str) -> Option<Quote> {
    let frame: Value = serde_json::from_str(frame).ok()?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let level = |side: &Value| Some([text(&side[0][0])?, text(&side[0][1])?]);
    let (symbol, [bid, ask], sequence) = match venue {
        "binance" | "binance-usdm" => {
            let data = frame.get("data").unwrap_or(&frame);
            let side = |px: &str, sz: &str| Some([text(&data[px])?, text(&data[sz])?]);
            (&data["s"], [side("b", "B")?, side("a", "A")?], &data["u"])
        }
        "bybit" => {
            let data = &frame["data"];
            (&data["s"], [level(&data["b"])?, level(&data["a"])?], &data["u"])
        }
        "okx" => {
            let data = &frame["data"][0];
            let sides = [level(&data["bids"])?, level(&data["asks"])?];
            (&frame["arg"]["instId"], sides, &data["seqId"])
        }
        other => panic!("what does {other} write?"),
    };
    let ([bid, bid_qty], [ask, ask_qty]) = (bid, ask);
    Some((text(symbol)?, [bid, bid_qty, ask, ask_qty], sequence.as_u64()?))
}

fn quote_of(written: &Written) -> Quote {
    let Written { symbol, bid, bid_qty, ask, ask_qty, sequence, .. } = written.clone();
    (symbol, [bid, bid_qty, ask, ask_qty], sequence)
}

/// Returns the lines of a venue's files, read with the zstd command.
fn lines(capture: &Path, venue: &str) -> Vec<String> {
    let folder = capture.join(format!("exchange={}", venue.replace('-', "_")));
    let command = format!("zstd -dcq {}/date=*/*.frames.zst", folder.display());
    let output = Command::new("sh").args(["-c", &command]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

pub(crate) fn captured_frames_are_those_written() {
    let outcome = captured();
    let capture = outcome.ended.plan.lake.join("capture");
    for venue in exchange_sim::venue_names() {
        check_lines(&outcome, venue, &lines(&capture, venue));
    }
}

/// Checks that the quotes among the lines are those written, and the other lines the other received
/// frames.
fn check_lines(outcome: &Outcome, venue: &str, lines: &[String]) {
    let parts = |line: &String| {
        let (ns, frame) = line.split_once(' ').unwrap();
        (ns.parse::<u64>().unwrap(), frame.to_owned())
    };
    let lines: Vec<(u64, String)> = lines.iter().map(parts).collect();
    assert!(lines.is_sorted_by_key(|(ns, _)| *ns), "in the order of receiving");
    let quotes: Vec<Quote> = lines.iter().filter_map(|(_, frame)| quote_in(venue, frame)).collect();
    let written = outcome.simulated.written.iter().filter(|written| written.venue == venue);
    let written: Vec<Quote> = written.map(quote_of).collect();
    let differing = quotes.iter().zip(&written).find(|(line, written)| line != written);
    assert_eq!(differing, None, "a line of {venue}, and what was written");
    assert_eq!(quotes.len(), written.len(), "quotes of {venue}");
    let received = outcome.count(&format!("feed.{venue}.0.frames"));
    assert_eq!(lines.len() as u64, received, "lines of {venue}");
    let is_json = |frame: &str| serde_json::from_str::<Value>(frame).is_ok();
    let garbage = lines.iter().filter(|(_, frame)| !is_json(frame)).count();
    assert_eq!(garbage, 1, "the rejected frame of {venue} is kept");
}
