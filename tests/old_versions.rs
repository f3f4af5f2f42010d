//! Tests files and clients of version 0.1 with this version: its journal, ledgers, configurations
//! and recommendations, and everything its clients send to a broadcast server.
//!
//! `data/README.md` describes how the files were made. Their contents were written down by the old
//! version itself or by independent readers, so nothing here is compared with this version's own
//! opinion. Each tool has a test of the same name, for lakes, sessions and reports.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its fixtures has failed")]

use base64::Engine as _;
use exchange_sim::{FramesOptions, ModelOptions, Options, Simulator, Source, Speed, VenueAt};
use lake::findings::RunEnd;
use lake::progress::bar;
use lake::verify::verify;
use serde_json::{Value, json};
use spreadwire_engine::plan::{Host, Plan};
use spreadwire_lake::ledger::{self, EntryKind};
use spreadwire_lake::segment::SegmentReader;
use spreadwire_market::approved::{self, Approved};
use spreadwire_market::problem::Problem;
use spreadwire_market::recommendations;
use spreadwire_market::record::numbers_taken;
use spreadwire_market::record::{Kind, Quote, Record};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

/// Maximum wait for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/fixtures/version-0.1")
}

fn json_of(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Contents of the files, determined by independent readers.
fn expected() -> Value {
    json_of(&fixtures().join("expected.json"))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn object(counts: &BTreeMap<String, u64>) -> Value {
    serde_json::to_value(counts).unwrap()
}

#[test]
fn segments_of_a_killed_run_are_read() {
    let expected = &expected()["lakes"]["killed"]["segments"];
    let segments = expected.as_object().unwrap();
    assert_eq!(segments.len(), 2, "one closed, one open");
    for (name, wanted) in segments {
        let path = fixtures().join("lakes/killed/journal").join(name);
        let mut reader = SegmentReader::open(&path).unwrap();
        let info = *reader.info();
        assert_eq!(info.origin.run.as_str(), wanted["run"]);
        assert_eq!(
            json!([info.number, info.origin.catalogue]),
            json!([wanted["number"], wanted["catalogue"]])
        );
        let records: Vec<(u64, Record)> = reader
            .by_ref()
            .map(Result::unwrap)
            .flat_map(|block| block.numbered().map(|(number, r)| (number, *r)).collect::<Vec<_>>())
            .collect();
        assert_eq!(records[0].0, wanted["first_sequence"]);
        let (last, record) = records.last().unwrap();
        assert_eq!(last + numbers_taken(record), wanted["next_sequence"]);
        let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
        for (_, record) in &records {
            let kind = format!("{:?}", record.kind().unwrap()).to_lowercase();
            *kinds.entry(kind).or_default() += 1;
        }
        assert_eq!(object(&kinds), wanted["kinds"], "{name}");
        let mut quotes = records.iter().filter(|(_, r)| r.kind() == Some(Kind::Quote));
        assert_eq!(fields(&quotes.next().unwrap().1), wanted["first_quote"], "{name}");
        assert_eq!(fields(&quotes.next_back().unwrap().1), wanted["last_quote"], "{name}");
    }
}

/// Returns the fields of a quote that a client of the journal reads.
fn fields(record: &Record) -> Value {
    let quote: &Quote = record.view();
    json!({
        "ts_recv": quote.ts_recv, "ts_event": quote.ts_event, "sequence": quote.sequence,
        "bid_px": quote.bid_px, "ask_px": quote.ask_px,
        "bid_sz": quote.bid_sz, "ask_sz": quote.ask_sz,
        "instrument": quote.instrument.0, "venue": quote.venue.0, "flags": quote.flags,
    })
}

#[test]
fn every_entry_of_the_ledgers_is_read() {
    for (name, wanted) in expected()["lakes"].as_object().unwrap() {
        let (entries, errors) = ledger::read(&fixtures().join("lakes").join(name));
        assert!(errors.is_empty(), "{name}: {errors:?}");
        let (mut kinds, mut gaps): (BTreeMap<_, _>, BTreeMap<_, _>) = Default::default();
        let (mut ends, mut counts): (BTreeMap<_, _>, BTreeMap<_, _>) = Default::default();
        for entry in &entries {
            *kinds.entry(entry.kind.name().to_owned()).or_default() += 1;
            let cause = entry.cause.clone().unwrap_or_default();
            if let Some(gap) = entry.gap_cause() {
                *gaps.entry(gap.name().to_owned()).or_default() += 1;
            } else if entry.kind == EntryKind::Ended {
                ends.insert(entry.run.clone().unwrap(), cause);
            } else if entry.kind == EntryKind::Count {
                counts.insert(cause, entry.rows.unwrap());
            }
        }
        assert_eq!(object(&kinds), wanted["ledger"]["kinds"], "{name}");
        assert_eq!(object(&gaps), wanted["ledger"]["gaps"], "{name}");
        assert_eq!(serde_json::to_value(&ends).unwrap(), wanted["ledger"]["ends"], "{name}");
        for (counter, count) in wanted["ledger"]["counts"].as_object().unwrap() {
            assert_eq!(counts[counter], *count, "{name}: {counter}");
        }
    }
}

/// Returns the simulated venues, which never send a quote.
fn silent(venues: &[&str]) -> Simulator {
    let model = ModelOptions { instruments: 2, ..ModelOptions::default() };
    Simulator::start(Options {
        venues: venues.iter().map(|name| VenueAt::any_port(name)).collect(),
        source: Source::Model(model),
        hold: true,
        ..Options::default()
    })
    .unwrap()
}

/// An engine on simulated venues. Dropping it kills it.
struct Engine {
    child: Child,
    address: String,
    /// Its log, read up to the address. The pipe must stay open, and has space for minutes.
    _log: BufReader<ChildStderr>,
}

impl Engine {
    fn start(home: &Path, simulator: &Simulator, instruments: &[&str], more: &[&str]) -> Engine {
        let mut text = String::new();
        for (name, _) in simulator.venues() {
            text += &format!("[[venues]]\nname = {name:?}\nurl = {:?}\n", simulator.url(name));
        }
        for name in instruments {
            let decimals = "price_decimals = 2\nsize_decimals = 8\n";
            text += &format!("[[instruments]]\nname = {name:?}\n{decimals}");
        }
        text += "[[threads]]\nname = \"all\"\nidle = \"backoff\"\nagents = [\"feed\", \
                 \"calculator\", \"decision\", \"broadcast\", \"journal\"]\n\
                 [broadcast]\naddress = \"127.0.0.1:0\"\n[journal]\nlake = \"lake\"\n\
                 disk_reserve_mb = 0\n";
        fs::write(home.join("engine.toml"), text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_spreadwire"));
        command.args(["run", "--config", "engine.toml"]).args(more).current_dir(home);
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut told = log.by_ref().lines().map(Result::unwrap);
        let is_address = |line: String| Some(line.strip_prefix("broadcast on ws://")?.to_owned());
        let rest = told.find_map(is_address).expect("the engine says where it listens");
        let address = rest.split([';', ' ']).next().unwrap().to_owned();
        Engine { child, address, _log: log }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn captured_frames_are_played() {
    let captured = expected()["lakes"]["complete"]["captured"].clone();
    let messages: u64 = captured.as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert!(0 < messages);
    let folder = fixtures().join("lakes/complete/capture");
    let simulator = Simulator::start(Options {
        venues: vec![VenueAt::any_port("okx")],
        source: Source::Frames(FramesOptions::captured(&folder, &["okx"]).unwrap()),
        speed: Speed::Max,
        ..Options::default()
    })
    .unwrap();
    assert!(simulator.wait_until(PATIENCE, |stats| stats.finished));
    let stats = simulator.stop().stats;
    assert_eq!((stats.produced, stats.lost, stats.problem), (messages, 0, None));
}

#[test]
fn an_engine_seals_what_a_killed_one_of_the_old_version_left() {
    let home = tempfile::tempdir().unwrap();
    let lake = home.path().join("lake");
    copy(&fixtures().join("lakes/killed"), &lake);
    let simulator = silent(&["binance", "bybit", "okx"]);
    let mut engine = Engine::start(home.path(), &simulator, &["BTC/USDT"], &["--for", "0.1"]);
    // Its own venues are silent, which is a failure by itself.
    assert_eq!(engine.child.wait().unwrap().code(), Some(1));
    let verdict = verify(&lake, None, &bar("", 0, true));
    assert!(verdict.is_complete(), "{}", verdict.to_text());
    let ends: Vec<RunEnd> = verdict.runs.iter().map(|run| run.end).collect();
    assert_eq!(ends, [RunEnd::Killed, RunEnd::Clean]);
    let old = json_of(&fixtures().join("lakes/killed.json"));
    for (table, wanted) in old["verify"]["tables"].as_object().unwrap() {
        let found = verdict.tables[table.as_str()];
        let wanted_rows = wanted["rows"].as_u64().unwrap();
        // This engine notes that each instrument is subscribed, if it gets so far.
        let own = if table == "status" { 3 } else { 0 };
        assert!((wanted_rows..=wanted_rows + own).contains(&found.rows), "{table}: {found:?}");
        assert_eq!(json!(found.first), wanted["first_ns"], "{table}");
    }
}

#[test]
fn everything_an_old_client_says_is_answered_as_before() {
    let home = tempfile::tempdir().unwrap();
    let simulator = silent(&["binance", "okx"]);
    let engine = Engine::start(home.path(), &simulator, &["BTC/USDT", "ETH/USDT"], &[]);
    let text = fs::read_to_string(fixtures().join("broadcast/requests.jsonl")).unwrap();
    for line in text.lines() {
        let conversation: Value = serde_json::from_str(line).unwrap();
        converse(&engine.address, &conversation);
    }
}

/// Plays one connection and compares the answers with the recorded ones.
fn converse(address: &str, conversation: &Value) {
    let mut request = format!("ws://{address}/").into_client_request().unwrap();
    let offered = conversation["offered"].as_array().unwrap().iter();
    let offered: Vec<&str> = offered.map(|name| name.as_str().unwrap()).collect();
    if !offered.is_empty() {
        let header = offered.join(", ").parse().unwrap();
        request.headers_mut().insert("Sec-WebSocket-Protocol", header);
    }
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let (mut socket, response) = tungstenite::client(request, stream).unwrap();
    let selected = response.headers().get("Sec-WebSocket-Protocol");
    let selected = selected.map(|name| name.to_str().unwrap());
    assert_eq!(json!(selected), conversation["selected"]);
    for turn in conversation["turns"].as_array().unwrap() {
        if let Some(text) = turn["send"].as_str() {
            socket.send(Message::text(text)).unwrap();
        }
        for wanted in turn["answers"].as_array().unwrap() {
            let at = format!("{offered:?}, {}", turn["send"]);
            match (next(&mut socket), wanted) {
                (Message::Text(found), Value::String(wanted)) => {
                    let parse = |text: &str| serde_json::from_str(text).unwrap();
                    has_all(&parse(&found), &parse(wanted), &at);
                }
                (Message::Binary(found), wanted) => {
                    let wanted = wanted["base64"].as_str().expect(&at);
                    let wanted = base64::engine::general_purpose::STANDARD.decode(wanted).unwrap();
                    assert_eq!(shape(&found), shape(&wanted), "{at}");
                }
                (found, _) => panic!("{at}: {found:?}, wanted {wanted}"),
            }
        }
    }
    if let Some(code) = conversation["closed"].as_u64() {
        let Message::Close(Some(frame)) = next(&mut socket) else { panic!("{code} was wanted") };
        assert_eq!(u64::from(u16::from(frame.code)), code);
        return;
    }
    // Nothing else arrived before the answer to this.
    if conversation["turns"][0]["answers"][0].is_string() {
        socket.send(Message::text(r#"{"op":"ping","id":"last"}"#)).unwrap();
        let Message::Text(text) = next(&mut socket) else { panic!("a pong was wanted") };
        assert!(text.contains(r#""type":"pong","id":"last""#), "{text}");
    }
}

fn next(socket: &mut WebSocket<TcpStream>) -> Message {
    loop {
        let message = socket.read().unwrap();
        // The venues are silent, and when this engine says so depends on when they accept.
        let is_skipped = match &message {
            Message::Ping(_) | Message::Pong(_) => true,
            Message::Text(text) => {
                text.contains(r#""type":"status""#) && text.contains(r#""reason":"subscribed""#)
            }
            Message::Binary(bytes) => bytes[0] == 3 && bytes[23] == 13,
            Message::Close(_) | Message::Frame(_) => false,
        };
        if !is_skipped {
            return message;
        }
    }
}

/// Checks that everything of an old message is in the new one, which may contain more. Times and
/// the engine's version differ, and sentences for people may be worded differently.
fn has_all(found: &Value, wanted: &Value, at: &str) {
    match (found, wanted) {
        (Value::Object(fields), Value::Object(wanted)) => {
            for (name, wanted) in wanted {
                let found = fields.get(name).unwrap_or_else(|| panic!("{at}: {name} is gone"));
                // Why an instrument is down depends on whether its silent venue has accepted yet.
                let free = ["ts", "ts_recv", "engine", "message", "reason"];
                let is_free = free.contains(&name.as_str());
                if is_free {
                    assert_eq!(found.is_string(), wanted.is_string(), "{at}: {name}");
                } else {
                    has_all(found, wanted, at);
                }
            }
        }
        (Value::Array(items), Value::Array(wanted)) => {
            assert_eq!(items.len(), wanted.len(), "{at}");
            items.iter().zip(wanted).for_each(|(found, wanted)| has_all(found, wanted, at));
        }
        _ => assert_eq!(found, wanted, "{at}"),
    }
}

/// Returns the messages of a binary frame by kind, version and the part that an old client reads:
/// bytes up to the length in version 0.1, without times and the engine's version.
fn shape(frame: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    let mut rest = frame;
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest[4..8].try_into().unwrap()) as usize;
        let (message, behind) = rest.split_at(length);
        rest = behind;
        let told = match message[0] {
            // Rows and names; the engine's version precedes the other names.
            1 => [&message[..16], &message[24..]].concat(),
            // A status has 24 bytes in version 0.1; why it is down depends on its silent venue.
            3 => [&message[..4], &message[16..23]].concat(),
            _ => message.to_vec(),
        };
        messages.push(told);
    }
    messages
}

fn plan_of(path: &Path) -> Result<Plan, Vec<Problem>> {
    Plan::read(path, &Host { cpus: (0..8).collect(), descriptors: u64::MAX, now: 0 })
}

/// Checks the values that a plan takes from a configuration.
fn has_values(folder: &Path, name: &str, values: &[&str]) {
    let plan = plan_of(&folder.join(name));
    let text = plan.unwrap_or_else(|problems| panic!("{name}: {problems:?}")).describe();
    for value in values {
        assert!(text.contains(value), "{name}: {value} in {text}");
    }
}

/// The old presets list spot names on a venue of perpetuals. That is refused, and doing what the message
/// says is all that they need.
#[test]
fn presets_of_the_old_version_are_read_once_their_instruments_name_both_markets() {
    let home = tempfile::tempdir().unwrap();
    copy(&fixtures().join("config"), home.path());
    let instruments = home.path().join("instruments.toml");
    for name in ["laptop.toml", "pinned-2.toml", "pinned-8.toml"] {
        let problems = plan_of(&home.path().join(name)).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!((&problems[0].file, problems[0].key.as_str()), (&instruments, "venues[1].name"));
        let remedy = "compare both markets as BTC/USDT:SPOT-PERP under [[across_markets]]";
        assert!(problems[0].remedy.contains(remedy), "{problems:?}");
    }
    let text = fs::read_to_string(&instruments).unwrap();
    let text = text.replace("[[instruments]]", "[[across_markets]]");
    fs::write(&instruments, text.replace("/USDT\"", "/USDT:SPOT-PERP\"")).unwrap();
    let venues = ["binance ", "binance-usdm ", "bybit ", "okx ", "5 instruments"];
    let values = |more: &[&'static str]| [&venues[..], more].concat();
    has_values(home.path(), "laptop.toml", &values(&["all ", "500µs"]));
    has_values(home.path(), "pinned-2.toml", &values(&["hot ", "consumers ", "CPU 1"]));
    has_values(home.path(), "pinned-8.toml", &values(&["feed-binance-um ", "CPU 7"]));
}

/// The old version opened pairs by the analyzer's file itself. That is refused, and doing what the message
/// says is all that is needed.
#[test]
fn every_key_of_the_old_version_is_read_but_for_the_file_of_recommendations() {
    let home = tempfile::tempdir().unwrap();
    copy(&fixtures().join("config"), home.path());
    let file = home.path().join("every-key.toml");
    let problems = plan_of(&file).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].key, "decision.recommendations");
    assert!(problems[0].remedy.contains("as approved = \"approved.toml\""), "{problems:?}");
    let old = "recommendations = \"../analyzer/recommendations.toml\"";
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace(old, "approved = \"approved.toml\"")).unwrap();
    fs::write(home.path().join("approved.toml"), Approved::default().to_toml()).unwrap();
    has_values(
        home.path(),
        "every-key.toml",
        &[
            "wss://127.0.0.1:9103/",
            "7.50 bp",
            "4000 ms",
            "binance ",
            "14 ordered pairs of 3 instruments",
            "hot ",
            "CPU 0",
            "200µs",
            "1024 records",
            "2048 records",
            "4096 records",
            "8192 records",
            "127.0.0.1:0",
            "every-key-lake",
            "every-key-hist",
            "1024 KiB for each feed",
            "0 pairs enabled: nothing will open (no pair is approved",
        ],
    );
}

#[test]
fn recommendations_of_the_old_analyzer_are_refused_with_what_to_do() {
    let path = fixtures().join("analyzer/recommendations.toml");
    let problems = recommendations::read(&path, 0).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].key, "format");
    for remedy in ["run the analyzer again", "`analyzer approve`"] {
        assert!(problems[0].remedy.contains(remedy), "{problems:?}");
    }
    let problems = approved::read(&path).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].remedy.contains("`analyzer approve PAIR...` writes one"), "{problems:?}");
}
