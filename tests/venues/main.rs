//! Tests every venue's decoder against its fixture, a naive reader, and damaged frames.
//!
//! All tests iterate over `VENUES`, so a new venue needs no edit here. `data/fixtures` states the
//! meaning of a frame twice: `<venue>.expected` has the golden text of our decoder's output for
//! each line of `<venue>.jsonl` (`BLESS=1` writes it anew), and `<venue>.toml` tells a plain
//! `serde_json` reader where the fields of a quote are. The two readers must agree on the fixture,
//! on any order of keys and on every damaged frame. `outside.rs` tests recorded frames.
#![allow(clippy::print_stdout, reason = "a test tells what it did")]
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as the tests may")]

#[path = "../../fuzz/bodies/decode.rs"]
mod decode;
mod instruments;
mod plain_reader;
mod simulated;
mod tables;

use plain_reader::{Case, EDITS, edited, fixture};
use proptest::prelude::*;
use serde_json::Value;
use spreadwire_kit::counting_allocator::{Counting, counted};
use spreadwire_kit::noise::noise;
use spreadwire_market::decimal;
use spreadwire_venues::venue::{
    Answer, Message, QuoteMessage, Rejected, Request, SECOND, Side, Symbols,
};
use spreadwire_venues::venues::{VENUES, named};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn cases() -> impl Iterator<Item = Case> {
    VENUES.iter().map(Case::of)
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

// Frames as text.

fn describe(result: &Result<Vec<Message>, Rejected>, symbols: &Symbols) -> String {
    match result {
        Err(Rejected { reason, symbol: None }) => format!("reject {reason}"),
        Err(Rejected { reason, symbol: Some(place) }) => {
            format!("reject {reason} of {}", symbols.list()[*place].text)
        }
        Ok(messages) => {
            let texts: Vec<String> = messages.iter().map(|m| message_text(m, symbols)).collect();
            texts.join("; ")
        }
    }
}

fn message_text(message: &Message, symbols: &Symbols) -> String {
    match message {
        Message::Quote(quote) => quote_text(quote, symbols),
        Message::Accepted(answer) => answer_text("accepted", *answer, symbols),
        Message::Refused(answer) => answer_text("refused", *answer, symbols),
        Message::Pong => "pong".to_owned(),
        Message::Ping => "ping".to_owned(),
        Message::Welcome(None) => "welcome".to_owned(),
        Message::Welcome(Some(interval)) => format!("welcome, ping every {interval} ns"),
        Message::Closing => "closing".to_owned(),
        Message::Other => "other".to_owned(),
    }
}

fn answer_text(what: &str, Answer { request, symbol }: Answer, symbols: &Symbols) -> String {
    let symbol = symbol.map(|place| format!(" {}", symbols.list()[place].text));
    let request = request.map(|number| format!(" #{number}"));
    format!("{what}{}{}", symbol.unwrap_or_default(), request.unwrap_or_default())
}

fn quote_text(quote: &QuoteMessage, symbols: &Symbols) -> String {
    let symbol = &symbols.list()[quote.symbol];
    let side = |side| match side {
        Side::Unchanged => "unchanged".to_owned(),
        Side::Empty => "empty".to_owned(),
        Side::Level { px, sz } => format!(
            "{} x {}",
            decimal::to_text(px, symbol.price_scale),
            decimal::to_text(sz, symbol.size_scale)
        ),
    };
    let mut text = format!("quote {} bid {} ask {}", symbol.text, side(quote.bid), side(quote.ask));
    if let Some(time) = quote.ts_event {
        write!(text, " event {}", time.ns()).unwrap();
    }
    if let Some(sequence) = quote.sequence {
        write!(text, " seq {sequence}").unwrap();
    }
    text += if quote.snapshot { " snapshot" } else { " change" };
    text += if quote.restarted { " restarted" } else { "" };
    text
}

/// Returns the same JSON with another order of keys and with white space.
fn rewrite(value: &Value, turn: usize, space: &str, out: &mut String) {
    let mut parts = Vec::new();
    let (open, close) = match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let mut part = format!("{}{space}:{space}", Value::from(key.as_str()));
                rewrite(value, turn, space, &mut part);
                parts.push(part);
            }
            // Half of the rotations are also reversed.
            let turns = turn % parts.len().max(1);
            parts.rotate_left(turns);
            if turn % 2 == 1 {
                parts.reverse();
            }
            ('{', '}')
        }
        Value::Array(items) => {
            for item in items {
                let mut part = String::new();
                rewrite(item, turn, space, &mut part);
                parts.push(part);
            }
            ('[', ']')
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            return *out += &value.to_string();
        }
    };
    let parts = parts.join(&format!("{space},{space}"));
    write!(out, "{open}{space}{parts}{space}{close}").unwrap();
}

// The tests.

#[test]
fn rows_are_complete() {
    for (place, spec) in VENUES.iter().enumerate() {
        let name = spec.name;
        assert!(VENUES[..place].iter().all(|other| other.name != name), "{name} stands twice");
        assert!(named(name).is_some_and(|found| found.name == name));
        for extension in ["jsonl", "expected", "toml"] {
            let file = fixture(spec, extension);
            assert!(file.exists(), "{} is missing: see data/README.md", file.display());
        }
        assert!(!name.is_empty() && !spec.title.is_empty(), "{name}");
        assert!(spec.url.starts_with("wss://") && !spec.url["wss://".len()..].contains('/'));
        assert!(spec.path.starts_with('/'), "{name}");
        assert!((0.0..100.0).contains(&spec.taker_fee_bps), "{name}");
        assert!(0 < spec.symbols_per_message, "{name}");
        assert!(spec.symbols_per_message <= spec.symbols_per_connection, "{name}");
        assert!(0 < spec.message_interval, "{name}");
        for rate in spec.connects.iter().chain(spec.requests) {
            assert!(0 < rate.count && 0 < rate.per, "{name}: {rate:?}");
        }
        assert!(!spec.connects.is_empty(), "{name}: every venue limits attempts");
        let beat = spec.heartbeat;
        assert!(0 < beat.interval && beat.interval < beat.dead_after, "{name}");
        let symbol = (spec.symbol)("ABC", "XYZ").to_uppercase();
        let states_quote = spec.quotes.is_some() || symbol.contains("XYZ");
        assert!(symbol.contains("ABC") && states_quote, "{name}: {symbol}");
    }
    assert!(named("nowhere").is_none());
}

#[test]
fn a_request_holds_every_symbol_once_and_its_number() {
    for spec in VENUES {
        let symbols: Vec<String> = (0..spec.symbols_per_message)
            .map(|n| (spec.symbol)(&format!("C{n:04}Q"), "USDT"))
            .collect();
        let symbols: Vec<&str> = symbols.iter().map(String::as_str).collect();
        let mut protocol = (spec.protocol)();
        let request = Request { number: 7_654, now: 1_790_000_300 * SECOND };
        let [on, off] =
            [protocol.subscribe(request, &symbols), protocol.unsubscribe(request, &symbols)];
        assert_ne!(on, off, "{}", spec.name);
        for message in [on, off] {
            assert!(serde_json::from_str::<Value>(&message).is_ok(), "{message}");
            // A venue that numbers no requests answers each symbol by itself.
            let is_numbered = spec.refuses_whole_requests || message.contains("7654");
            let numbers = message.matches("7654").count();
            assert_eq!(numbers, usize::from(is_numbered), "{}: {message}", spec.name);
            let message = message.to_uppercase();
            for symbol in &symbols {
                let held = message.matches(&symbol.to_uppercase()).count();
                assert_eq!(held, 1, "{}: {symbol}", spec.name);
            }
        }
    }
}

#[test]
fn fixtures_give_the_expected_messages() {
    let bless = std::env::var_os("BLESS").is_some();
    for mut case in cases() {
        let mut actual = String::new();
        for frame in case.frames.clone().iter() {
            let result = case.decode(frame);
            actual += &describe(&result, &case.symbols);
            actual.push('\n');
        }
        let path = fixture(case.spec, "expected");
        if bless {
            std::fs::write(&path, &actual).unwrap();
        }
        let expected = String::from_utf8(read(&path)).unwrap();
        for (at, (is, should)) in actual.lines().zip(expected.lines()).enumerate() {
            let frame = String::from_utf8_lossy(&case.frames[at]);
            assert_eq!(is, should, "{}.jsonl:{}: {frame}", case.spec.name, at + 1);
        }
        assert_eq!(actual.lines().count(), expected.lines().count(), "{}", case.spec.name);
    }
}

#[test]
fn a_plain_reader_agrees_in_any_order_of_keys() {
    for mut case in cases() {
        let mut quotes = 0;
        for frame in case.frames.clone().iter() {
            case.agree(frame);
            let expected = case.decode(frame);
            quotes += usize::from(matches!(expected.as_deref(), Ok([Message::Quote(_)])));
            let Ok(json) = serde_json::from_slice::<Value>(frame) else { continue };
            for turn in 0..12 {
                for space in ["", " ", "\n\t "] {
                    let mut text = String::new();
                    rewrite(&json, turn, space, &mut text);
                    let result = case.decode(text.as_bytes());
                    assert_eq!(result, expected, "{}: {text}", case.spec.name);
                }
            }
        }
        assert!(0 < quotes, "{}: no quote in the fixture", case.spec.name);
    }
}

#[test]
fn an_ordinary_quote_is_taken_by_position() {
    for mut case in cases() {
        let frames = case.frames.clone();
        case.decode(&frames[0]).unwrap();
        assert_eq!(case.taken, (1, 1), "{}: the first frame of its fixture", case.spec.name);
        frames[1..].iter().for_each(|frame| drop(case.decode(frame)));
        println!("{}: {} of {} frames of its fixture", case.spec.name, case.taken.0, case.taken.1);
    }
}

#[test]
fn frames_cut_or_flipped_anywhere_never_panic_nor_make_up_a_quote() {
    for mut case in cases() {
        for frame in case.frames.clone().iter() {
            for cut in 0..frame.len() {
                case.makes_nothing_up(&frame[..cut]);
            }
            let mut damaged = frame.clone();
            for at in 0..frame.len() {
                for bit in 0..8 {
                    damaged[at] ^= 1 << bit;
                    case.makes_nothing_up(&damaged);
                    damaged[at] ^= 1 << bit;
                }
            }
        }
    }
}

#[test]
fn decoding_allocates_nothing_once_warm() {
    for case in cases() {
        let mut protocol = (case.spec.protocol)();
        let mut out = Vec::with_capacity(16);
        for round in 0..3 {
            for frame in case.frames.clone().iter() {
                out.clear();
                let text = String::from_utf8_lossy(frame);
                let (result, allocations) =
                    counted(|| protocol.general(frame, &case.symbols, &mut out));
                assert!(round == 0 || allocations == 0, "{allocations}: {result:?} of {text}");
                let (taken, allocations) =
                    counted(|| protocol.positional(frame, &case.symbols, &mut out));
                assert_eq!(allocations, 0, "positional, {taken:?}: {text}");
            }
        }
    }
}

#[test]
fn deep_and_huge_frames_are_survived() {
    for mut case in cases() {
        let deep = "[".repeat(1 << 20);
        let nested = format!("{}1{}", r#"{"data":"#.repeat(5000), "}".repeat(5000));
        let wide = format!(r#"{{"data":[{}0]}}"#, "0,".repeat(1 << 19));
        let long = format!(r#"{{"s":"{}"}}"#, "x".repeat(1 << 21));
        for frame in [deep, nested, wide, long] {
            assert!(case.decode(frame.as_bytes()).is_err());
        }
        for frame in case.frames.clone().iter() {
            case.agree(frame);
        }
    }
}

/// `fuzz/README.md` describes the long run of this test, which begins with what is written here.
#[test]
fn the_fuzz_target_holds_on_fixed_inputs_of_every_venue() {
    let corpus = std::env::var_os("SPREADWIRE_CORPUS").map(PathBuf::from);
    corpus.iter().for_each(|folder| std::fs::create_dir_all(folder).unwrap());
    for (place, case) in cases().enumerate() {
        let byte = u8::try_from(place).expect("one byte chooses the venue");
        for (number, frame) in case.frames.iter().enumerate() {
            let input = [&[byte][..], frame].concat();
            decode::run(&input);
            if let Some(folder) = &corpus {
                let file = folder.join(format!("{}-{number:03}", case.spec.name));
                std::fs::write(file, &input).unwrap();
            }
        }
        for seed in 0..1_000_u16 {
            decode::run_on(place, &noise(seed.into(), 5 + 4 * usize::from(seed % 4)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for mut case in cases() {
            case.makes_nothing_up(&bytes);
        }
    }

    #[test]
    fn edited_frames_never_panic_nor_make_up_a_quote(
        edits in proptest::collection::vec(
            (
                0..EDITS,
                any::<usize>(),
                prop_oneof![any::<u8>(), proptest::sample::select(br#"{}[]:,"\-.0123456789eE"#.to_vec())],
                any::<usize>(),
            ),
            1..6,
        ),
    ) {
        for mut case in cases() {
            for frame in case.frames.clone().iter() {
                case.makes_nothing_up(&edited(frame, &edits));
            }
        }
    }
}
