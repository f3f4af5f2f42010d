//! Tests every venue's decoder against its fixture, a naive reader, and damaged frames.
//!
//! All tests iterate over `VENUES`, so a new venue needs no edit here. `data/fixtures` states the
//! meaning of a frame twice: `<venue>.expected` has the golden text of our decoder's output for
//! each line of `<venue>.jsonl` (`BLESS=1` writes it anew), and `<venue>.toml` tells a plain
//! `serde_json` reader where the fields of a quote are. The two readers must agree on the fixture,
//! on any order of keys, on every damaged frame and on the recorded frames beside the project.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as the tests may")]

mod counting_allocator;
#[path = "../fuzz/bodies/decode.rs"]
mod decode;
mod noise;
mod plain_reader;

use counting_allocator::counted;
use noise::noise;
use plain_reader::{Case, EDITS, edited, fixture, naive, naive_symbol, symbols};
use proptest::prelude::*;
use serde_json::Value;
use spreadwire_market::decimal;
use spreadwire_venues::venue::{Message, QuoteMessage, Reject, Side, Symbols};
use spreadwire_venues::venues::{VENUES, named};
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

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

fn describe(result: &Result<Vec<Message>, Reject>, symbols: &Symbols) -> String {
    match result {
        Err(reject) => format!("reject {reject}"),
        Ok(messages) => {
            let texts: Vec<String> = messages.iter().map(|m| message_text(m, symbols)).collect();
            texts.join("; ")
        }
    }
}

fn message_text(message: &Message, symbols: &Symbols) -> String {
    match message {
        Message::Quote(quote) => quote_text(quote, symbols),
        Message::Accepted => "accepted".to_owned(),
        Message::Refused { symbol: None } => "refused".to_owned(),
        Message::Refused { symbol: Some(place) } => {
            format!("refused {}", symbols.list()[*place].text)
        }
        Message::Pong => "pong".to_owned(),
        Message::Closing => "closing".to_owned(),
        Message::Other => "other".to_owned(),
    }
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
        write!(text, " event {time}").unwrap();
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
        let beat = spec.heartbeat;
        assert!(0 < beat.interval && beat.interval < beat.dead_after, "{name}");
        let symbol = (spec.symbol)("ABC", "XYZ").to_uppercase();
        assert!(symbol.contains("ABC") && symbol.contains("XYZ"), "{name}: {symbol}");
    }
    assert!(named("nowhere").is_none());
}

#[test]
fn the_table_of_venues_names_each() {
    let table = String::from_utf8(read(&root().join("docs/venues.md"))).unwrap();
    for spec in VENUES {
        assert!(table.contains(&format!("| `{}` |", spec.name)), "docs/venues.md: {}", spec.name);
        assert!(table.contains(&format!("{}{}", spec.url, spec.path)), "{}", spec.name);
    }
}

#[test]
fn subscriptions_hold_every_symbol_once_and_not_too_many_in_a_message() {
    for spec in VENUES {
        let count = 2 * spec.symbols_per_message + 1;
        let symbols: Vec<String> =
            (0..count).map(|n| (spec.symbol)(&format!("C{n:04}Q"), "USDT")).collect();
        let symbols: Vec<&str> = symbols.iter().map(String::as_str).collect();
        let mut messages = vec!["before".to_owned()];
        (spec.protocol)().subscribe(&symbols, &mut messages);
        assert_eq!(messages.remove(0), "before", "{}: messages are appended", spec.name);
        let mut seen = vec![0; count];
        for message in &messages {
            assert!(serde_json::from_str::<Value>(message).is_ok(), "{message}");
            let message = message.to_uppercase();
            let held: Vec<usize> =
                (0..count).filter(|n| message.contains(&symbols[*n].to_uppercase())).collect();
            assert!((1..=spec.symbols_per_message).contains(&held.len()), "{}", spec.name);
            held.into_iter().for_each(|n| seen[n] += 1);
        }
        assert!(seen.iter().all(|times| *times == 1), "{}: {seen:?}", spec.name);
        messages.clear();
        (spec.protocol)().subscribe(&[], &mut messages);
        assert!(messages.is_empty(), "{}: nothing to subscribe", spec.name);
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
            let Ok(json) = serde_json::from_slice::<Value>(frame) else { continue };
            let expected = case.decode(frame);
            quotes += usize::from(matches!(expected.as_deref(), Ok([Message::Quote(_)])));
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

/// Returns a folder of the real data beside the project.
fn beside(folder: &str) -> PathBuf {
    let data = std::env::var("SPREADWIRE_REAL_DATA").unwrap_or("../shared".into());
    root().join(data).join(folder)
}

/// Lists the symbols that quotes are about.
fn list_symbols(case: &mut Case, quotes: &[Vec<u8>]) {
    let symbol = |frame: &Vec<u8>| {
        let json = serde_json::from_slice(frame).ok()?;
        Some((naive_symbol(&json, &case.layout)?.to_owned(), 10, 8))
    };
    let mut list: Vec<(String, u8, u8)> = quotes.iter().filter_map(symbol).collect();
    list.sort();
    list.dedup();
    case.symbols = symbols(&list);
}

/// Checks that both decoders and the plain reader agree, and that the positional decoder declines
/// no recorded quote.
#[test]
fn recorded_quotes_are_taken_by_position_and_are_what_a_plain_reader_finds() {
    for mut case in cases() {
        for file in case.layout.real.clone() {
            let path = beside("payloads").join(&file);
            let Ok(text) = std::fs::read(&path) else {
                println!("skipped: {} is not there", path.display());
                continue;
            };
            let frames: Vec<Vec<u8>> =
                text.trim_ascii_end().split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
            list_symbols(&mut case, &frames);
            case.taken = (0, 0);
            for frame in &frames {
                let (before, _) = case.taken;
                case.agree(frame);
                let text = String::from_utf8_lossy(frame);
                assert!(naive(frame, &case.layout, &case.symbols).is_some(), "{text}");
                assert!(before < case.taken.0, "{}: declined {text}", case.spec.name);
            }
            let (taken, all) = case.taken;
            println!("{}: by position {taken} of {all} frames of {file}", case.spec.name);
        }
    }
}

/// Checks the same over whole sessions, in which frames of other channels must be declined.
#[test]
fn recorded_sessions_are_taken_by_position() {
    for mut case in cases() {
        for file in case.layout.tapes.clone() {
            let path = beside("tapes").join(&file);
            let Ok(tape) = std::fs::File::open(&path) else {
                println!("skipped: {} is not there", path.display());
                continue;
            };
            let mut text = Vec::new();
            flate2::read::MultiGzDecoder::new(tape).read_to_end(&mut text).unwrap();
            let frame = |line: &[u8]| line.splitn(2, |b| *b == b' ').nth(1).map(<[u8]>::to_vec);
            let frames: Vec<Vec<u8>> = text.split(|b| *b == b'\n').filter_map(frame).collect();
            list_symbols(&mut case, &frames[..1000]);
            case.taken = (0, 0);
            let mut quotes = 0;
            for frame in &frames {
                let before = case.taken.0;
                let is_quote = case.decoded_quote(frame).is_some();
                let text = String::from_utf8_lossy(frame);
                assert_eq!(before < case.taken.0, is_quote, "{}: {text}", case.spec.name);
                quotes += usize::from(is_quote);
                if quotes % 16 == 0 {
                    case.makes_nothing_up(frame);
                }
            }
            assert!(10_000 < quotes, "{file}: {quotes} quotes");
            println!("{}: by position all {quotes} quotes of {file}", case.spec.name);
        }
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

/// `fuzz/README.md` describes the long run of this test.
#[test]
fn the_fuzz_targets_hold_on_fixed_inputs() {
    for case in cases() {
        case.frames.iter().for_each(|frame| decode::run(case.spec.name, frame));
        for seed in 0..1_000_u16 {
            decode::run(case.spec.name, &noise(seed.into(), 5 + 4 * usize::from(seed % 4)));
        }
    }
}

#[test]
fn every_venue_has_a_fuzz_target() {
    let manifest = String::from_utf8(read(&root().join("fuzz/Cargo.toml"))).unwrap();
    for spec in VENUES {
        let target = format!("decode_{}", spec.name.replace('-', "_"));
        let file = format!("fuzz_targets/{target}.rs");
        let text = String::from_utf8(read(&root().join("fuzz").join(&file))).unwrap();
        assert!(text.contains(&format!("run(\"{}\", data)", spec.name)), "{file}");
        assert!(manifest.contains(&format!("name = \"{target}\"\npath = \"{file}\"")), "{file}");
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
