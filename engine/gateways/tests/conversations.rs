//! Conversations with venues, as scripts: what is done, what must be sent for it, what the venue says,
//! and what must be answered. The venues' frames are those of their documentation, with our own ids.
//!
//! A script begins with `venue NAME KEYS`. A line that begins with two spaces continues the line before.
//! - `open LINE`, `lost LINE`, `pass TIME`, `place ID SIDE PRICE SIZE`, `cancel ID`, `amend ID SIZE`,
//!   `ask ID`, `reconcile MILLISECONDS`: what is done;
//! - `hear LINE TEXT`, `reply STATUS BODY`, `fail`, `notsent`: what the venue or the transport says. A
//!   reply is to the oldest request, `notsent` is about the last text;
//! - `send LINE TEXT`, `request METHOD PATH [BODY]`, `close LINE`: what must be sent, in order;
//! - `answer JSON`: what must be said, in order; `count NAME NUMBER`: what must be counted.
//!
//! In texts to be sent, `"*"` is anything and `"$name"` is anything that has to be the same wherever it
//! stands again. Nothing may be sent or said that is not in the script.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its script has failed")]

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use spreadwire_gateways::credentials::Keys;
use spreadwire_gateways::gateway::protocol;
use spreadwire_gateways::okx::TradeMode;
use spreadwire_gateways::protocol::{Account, Line};
use spreadwire_gateways::session::{Incoming, Options, Outgoing, Session};
use spreadwire_gateways::terms::{Markets, Terms};
use spreadwire_market::clock::{MILLI, Nanos, SECOND};
use spreadwire_market::decimal;
use spreadwire_market::instrument::{InstrumentId, VenueId};
use spreadwire_trading::amount::Amount;
use spreadwire_trading::order::{Answer, AssetName, ClientId, Order, Owner, Purpose, Side};
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

/// The start of every script, ms since 1970 UTC.
const START: u64 = 1_660_801_715_000;
const PRICE_SCALE: u8 = 2;
const SIZE_SCALE: u8 = 8;
/// The keys of Binance's documentation.
const API_KEY: &str = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
const SECRET: &str = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
/// The key of RFC 8032, section 7.1, test 1.
const PRIVATE_KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
    -----END PRIVATE KEY-----\n";

struct Conversation {
    name: String,
    session: Session,
    now: Nanos,
    orders: BTreeMap<u64, Order>,
    sent: VecDeque<Outgoing>,
    said: VecDeque<Answer>,
    requests: VecDeque<u64>,
    last_text: u64,
    names: BTreeMap<String, String>,
}

fn terms(venue: &str) -> Vec<Terms> {
    let names: [(&str, u64); 2] = match venue {
        "okx" => [("BTC-USDT", 101), ("ETH-USDT", 102)],
        "okx-swap" => [("BTC-USDT-SWAP", 201), ("ETH-USDT-SWAP", 202)],
        _ => [("BTCUSDT", 0), ("ETHUSDT", 0)],
    };
    let asset = |name: &str| AssetName::new(name).unwrap();
    let of = |(at, (symbol, code)): (usize, (&str, u64))| Terms {
        instrument: InstrumentId(u32::try_from(at).unwrap() + 1),
        symbol: symbol.to_owned(),
        code,
        price_scale: PRICE_SCALE,
        size_scale: SIZE_SCALE,
        contract: (venue == "okx-swap").then(|| Amount::parse("0.01").unwrap()),
        base: asset(&symbol[..3]),
        quote: asset("USDT"),
    };
    names.into_iter().enumerate().map(of).collect()
}

fn line(name: &str) -> Line {
    if name == "private" { Line::Private } else { Line::Orders }
}

fn matches(expected: &Value, found: &Value, names: &mut BTreeMap<String, String>) -> bool {
    match (expected, found) {
        (Value::String(text), _) if text == "*" => true,
        (Value::String(name), Value::String(text)) if name.starts_with('$') => {
            names.entry(name.clone()).or_insert_with(|| text.clone()) == text
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(k, v)| b.get(k).is_some_and(|found| matches(v, found, names)))
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| matches(a, b, names))
        }
        _ => expected == found,
    }
}

impl Conversation {
    fn new(name: &str, venue: &str, keys: &str) -> Conversation {
        let keys = match keys {
            "ed25519" => Keys::ed25519(API_KEY, PRIVATE_KEY),
            _ => Keys::hmac(API_KEY, SECRET, if venue.starts_with("okx") { "pass" } else { "" }),
        };
        let account = Account {
            venue: VenueId(3),
            owner: Owner::new("desk1").unwrap(),
            markets: Markets::new(terms(venue)),
            recv_window: 2_000,
        };
        let protocol = protocol(venue, account, keys.unwrap(), TradeMode::Cash).unwrap();
        let options = Options { cancel_on_disconnect: false, ..Options::default() };
        let now = START * MILLI;
        Conversation {
            name: name.to_owned(),
            session: Session::new(protocol, options, None, now),
            now,
            orders: BTreeMap::new(),
            sent: VecDeque::new(),
            said: VecDeque::new(),
            requests: VecDeque::new(),
            last_text: 0,
            names: BTreeMap::new(),
        }
    }

    /// Collects what was sent and said.
    fn collect(&mut self) {
        while let Some(outgoing) = self.session.outgoing() {
            match &outgoing {
                Outgoing::Text { number, .. } => self.last_text = *number,
                Outgoing::Http { number, .. } => self.requests.push_back(*number),
                Outgoing::Close { .. } => {}
            }
            self.sent.push_back(outgoing);
        }
        let mut answers = Vec::new();
        self.session.answers(&mut answers);
        self.said.extend(answers);
    }

    fn run(&mut self, command: &str, rest: &str, at: &str) {
        let words: Vec<&str> = rest.split_whitespace().collect();
        match command {
            "send" => return self.must_send(words[0], rest[words[0].len()..].trim(), at),
            "request" => return self.must_request(&words, at),
            "answer" => return self.must_say(rest, at),
            "count" => return self.must_count(&words, at),
            "close" => {
                let found = self.sent.pop_front();
                return assert_eq!(found, Some(Outgoing::Close { line: line(words[0]) }), "{at}");
            }
            _ => {}
        }
        assert!(self.sent.is_empty(), "{at}: before this, there was sent {}", self.shown());
        assert!(self.said.is_empty(), "{at}: before this, there was said {:?}", self.said);
        self.act(command, &words, rest);
        self.collect();
    }

    fn shown(&self) -> String {
        let text = |it: &Outgoing| match it {
            Outgoing::Text { text, .. } => text.clone(),
            Outgoing::Http { request, .. } => format!("{request:?} {}", request.body),
            Outgoing::Close { .. } => format!("{it:?}"),
        };
        self.sent.iter().map(text).collect::<Vec<_>>().join("\n")
    }

    fn act(&mut self, command: &str, words: &[&str], rest: &str) {
        let now = self.now;
        match command {
            "open" => self.session.incoming(now, Incoming::Opened(line(words[0]))),
            "lost" => self.session.incoming(now, Incoming::Lost(line(words[0]))),
            "hear" => {
                let text = self.filled_in(rest[words[0].len()..].trim());
                self.session.incoming(now, Incoming::Text(line(words[0]), &text));
            }
            "reply" => {
                let body = self.filled_in(rest[words[0].len()..].trim());
                let number = self.requests.pop_front().unwrap();
                let status = words[0].parse().unwrap();
                self.session.incoming(now, Incoming::Http { number, status, body: &body });
            }
            "fail" => {
                let number = self.requests.pop_front().unwrap();
                self.session.incoming(now, Incoming::Failed(number));
            }
            "notsent" => self.session.incoming(now, Incoming::NotSent(self.last_text)),
            "pass" => {
                let (number, unit) = match words[0].strip_suffix("ms") {
                    Some(number) => (number, MILLI),
                    None => (words[0].strip_suffix('s').unwrap(), SECOND),
                };
                self.now += number.parse::<u64>().unwrap() * unit;
                self.session.on_time(self.now);
            }
            "place" => {
                let order = self.order(words);
                self.orders.insert(order.id.0, order);
                self.session.place(now, &order);
            }
            "cancel" => self.session.cancel(now, &self.orders[&words[0].parse().unwrap()]),
            "ask" => self.session.ask(now, &self.orders[&words[0].parse().unwrap()]),
            "amend" => {
                let sz = decimal::parse(words[1].as_bytes(), SIZE_SCALE).unwrap();
                self.session.amend(now, &self.orders[&words[0].parse().unwrap()], sz);
            }
            "reconcile" => {
                self.session.reconcile(now, words[0].parse::<u64>().unwrap() * MILLI);
            }
            // An order of an earlier process.
            "former" => {
                let order = self.order(words);
                self.orders.insert(order.id.0, order);
            }
            other => panic!("{}: no such command: {other}", self.name),
        }
    }

    fn order(&self, words: &[&str]) -> Order {
        Order {
            id: ClientId(words[0].parse().unwrap()),
            deal: 1,
            purpose: Purpose::Entry,
            instrument: InstrumentId(1),
            venue: VenueId(3),
            side: if words[1] == "buy" { Side::Buy } else { Side::Sell },
            px: decimal::parse(words[2].as_bytes(), PRICE_SCALE).unwrap(),
            sz: decimal::parse(words[3].as_bytes(), SIZE_SCALE).unwrap(),
            ts: self.now,
        }
    }

    fn filled_in(&self, text: &str) -> String {
        let fill = |text: String, (name, value): (&String, &String)| text.replace(name, value);
        // The longer name first, where one begins with another.
        self.names.iter().rev().fold(text.to_owned(), fill)
    }

    fn same(&mut self, expected: &str, found: &str) -> bool {
        match (serde_json::from_str(expected), serde_json::from_str(found)) {
            (Ok(expected), Ok(found)) => matches(&expected, &found, &mut self.names),
            _ => expected == found,
        }
    }

    fn must_send(&mut self, on: &str, expected: &str, at: &str) {
        let Some(Outgoing::Text { line: found_on, text, .. }) = self.sent.pop_front() else {
            panic!("{at}: no text was sent; next is {}", self.shown());
        };
        let is_same = line(on) == found_on && self.same(expected, &text);
        assert!(is_same, "{at}\n  expected {expected}\n  found    {text}");
    }

    fn must_request(&mut self, words: &[&str], at: &str) {
        let Some(Outgoing::Http { request, .. }) = self.sent.pop_front() else {
            panic!("{at}: no request was made");
        };
        assert_eq!((request.method, request.path.as_str()), (words[0], words[1]), "{at}");
        assert_eq!(request.body, words[2..].join(" "), "{at}");
    }

    fn must_say(&mut self, expected: &str, at: &str) {
        let Some(answer) = self.said.pop_front() else { panic!("{at}: nothing was said") };
        let found = serde_json::to_string(&answer).unwrap();
        assert!(self.same(expected, &found), "{at}\n  expected {expected}\n  found    {found}");
    }

    fn must_count(&self, words: &[&str], at: &str) {
        let counts = format!("{:?} ", self.session.counts()).replace('}', ",");
        let expected = format!(" {}: {},", words[0], words[1]);
        assert!(counts.replace(" ,", ",").contains(&expected), "{at}: {counts}");
    }
}

/// Returns the commands of a script, each with its line.
fn commands(path: &Path) -> Vec<(usize, String)> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut commands: Vec<(usize, String)> = Vec::new();
    for (at, row) in text.lines().enumerate() {
        if let Some(more) = row.strip_prefix("  ") {
            commands.last_mut().unwrap().1.push_str(more.trim());
        } else if !row.is_empty() && !row.starts_with('#') {
            commands.push((at + 1, row.to_owned()));
        }
    }
    commands
}

fn play(path: &Path) {
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let commands = commands(path);
    let mut conversation: Option<Conversation> = None;
    for (at, row) in &commands {
        let (command, rest) = row.split_once(' ').unwrap_or((row, ""));
        if command == "venue" {
            let (venue, keys) = rest.split_once(' ').unwrap();
            conversation = Some(Conversation::new(&name, venue, keys));
        } else {
            let place = format!("{name}.txt:{at}: {row}");
            conversation.as_mut().unwrap().run(command, rest.trim(), &place);
        }
    }
    let rest = conversation.unwrap();
    assert!(rest.sent.is_empty(), "{name}: at the end, there was sent {}", rest.shown());
    assert!(rest.said.is_empty(), "{name}: at the end, there was said {:?}", rest.said);
}

/// Damages a text: a part is gone, doubled, or replaced by what a reader may stumble over.
fn damaged(text: &str, rng: &mut ChaCha8Rng) -> String {
    let bytes = text.as_bytes();
    let start = rng.random_range(0..bytes.len());
    let end = rng.random_range(start..=bytes.len().min(start + 40));
    let (before, part, after) = (&bytes[..start], &bytes[start..end], &bytes[end..]);
    let other: &[u8] = match rng.random_range(0..9) {
        0 => b"",
        1 => b"null",
        2 => b"-1",
        3 => b"9223372036854775807",
        4 => b"18446744073709551616",
        5 => b"1e300",
        6 => "\u{1F4A5}\u{0}".as_bytes(),
        7 => b"[[[[{\"a\":",
        _ => part,
    };
    let is_doubled = rng.random_range(0..9) == 8;
    let parts = if is_doubled { [before, part, part, after] } else { [before, other, after, b""] };
    String::from_utf8_lossy(&parts.concat()).into_owned()
}

/// Says everything that a script's venue says, and damaged forms of it before. Nothing is expected but
/// that the session goes on.
fn play_damaged(path: &Path, seed: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let commands = commands(path);
    let (venue, keys) = commands[0].1["venue ".len()..].split_once(' ').unwrap();
    let mut it = Conversation::new("damaged", venue, keys);
    for (_, row) in &commands[1..] {
        let (command, rest) = row.split_once(' ').unwrap_or((row, ""));
        let words: Vec<&str> = rest.split_whitespace().collect();
        match command {
            "send" => {
                let expected = rest[words[0].len()..].trim();
                if let Some(Outgoing::Text { text, .. }) = it.sent.pop_front() {
                    it.same(expected, &text);
                }
            }
            "request" | "close" | "answer" | "count" => {}
            "reply" | "fail" if it.requests.is_empty() => {}
            "hear" => {
                let text = it.filled_in(rest[words[0].len()..].trim());
                for _ in 0..rng.random_range(0..4) {
                    let text = damaged(&text, &mut rng);
                    let incoming = Incoming::Text(line(words[0]), &text);
                    it.session.incoming(it.now, incoming);
                }
                it.act(command, &words, rest);
            }
            "reply" if rng.random_range(0..2) == 0 => {
                let body = damaged(rest[words[0].len()..].trim(), &mut rng);
                it.act(command, &words, &format!("{} {body}", words[0]));
            }
            _ => it.act(command, &words, rest),
        }
        it.collect();
        it.said.clear();
    }
}

fn scripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conversations");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = paths.collect();
    paths.sort();
    assert!(10 <= paths.len(), "{paths:?}");
    paths
}

/// Every script, so that a new one needs no line here.
#[test]
fn venues_are_spoken_with_as_their_documentation_says() {
    scripts().iter().for_each(|script| play(script));
}

#[test]
fn no_frame_ends_the_process() {
    for script in scripts() {
        for seed in 0..60 {
            let result = std::panic::catch_unwind(|| play_damaged(&script, seed));
            assert!(result.is_ok(), "{} with seed {seed}", script.display());
        }
    }
}
