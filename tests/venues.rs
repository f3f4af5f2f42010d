//! Every venue's decoder, by its fixture, by a naive reader, and by damaged frames.
//!
//! All tests iterate over `VENUES`, so that a new venue needs no edit here. What a frame means is
//! said twice in `data/fixtures`: `<venue>.expected` holds the golden text of what our decoder made
//! of each line of `<venue>.jsonl` (`BLESS=1` writes it anew), and `<venue>.toml` tells a plain
//! `serde_json` reader where a quote's fields stand. The two readers must agree on the fixture, on
//! any order of keys, on every damaged frame and on the recorded frames beside the project. It must
//! not know how a venue's file does its work.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as the tests may")]

mod counting_allocator;

use counting_allocator::counted;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;
use spreadwire::clock::MILLI;
use spreadwire::decimal;
use spreadwire::instrument::InstrumentId;
use spreadwire::venue::{
    Message, Protocol, QuoteMessage, Reject, Side, Symbol, Symbols, VenueSpec,
};
use spreadwire::venues::{VENUES, named};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// `<venue>.toml`: where a plain reader finds a quote. Pointers are tried in order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Layout {
    /// Spelling, price scale, size scale.
    symbols: Vec<(String, u8, u8)>,
    /// Recorded frames, all of them quotes.
    real: Vec<String>,
    only: Option<Only>,
    symbol: Vec<String>,
    #[serde(default)]
    symbol_prefix: String,
    bid: Vec<String>,
    /// Without sizes, `bid` and `ask` are lists of levels.
    #[serde(default)]
    bid_size: Vec<String>,
    ask: Vec<String>,
    #[serde(default)]
    ask_size: Vec<String>,
    sequence: Vec<String>,
    #[serde(default = "yes")]
    sequence_required: bool,
    restart: Option<u64>,
    #[serde(default)]
    event_ms: Vec<String>,
    #[serde(default)]
    event_required: bool,
    kind: Option<Kind>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Only {
    at: String,
    is: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kind {
    at: String,
    snapshot: String,
    change: String,
}

fn yes() -> bool {
    true
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A venue with its fixture.
struct Case {
    spec: &'static VenueSpec,
    layout: Layout,
    frames: Vec<Vec<u8>>,
    symbols: Symbols,
}

impl Case {
    fn of(spec: &'static VenueSpec) -> Case {
        let layout = String::from_utf8(read(&fixture(spec, "toml"))).unwrap();
        let layout: Layout =
            toml::from_str(&layout).unwrap_or_else(|e| panic!("{}.toml: {e}", spec.name));
        let frames = read(&fixture(spec, "jsonl"));
        let frames = frames.strip_suffix(b"\n").unwrap_or(&frames);
        let frames = frames.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
        let symbols = symbols(&layout.symbols);
        Case { spec, layout, frames, symbols }
    }

    fn all() -> impl Iterator<Item = Case> {
        VENUES.iter().map(Case::of)
    }

    fn protocol(&self) -> Box<dyn Protocol> {
        (self.spec.protocol)()
    }
}

fn fixture(spec: &VenueSpec, extension: &str) -> PathBuf {
    root().join("data/fixtures").join(format!("{}.{extension}", spec.name))
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn symbols(list: &[(String, u8, u8)]) -> Symbols {
    let symbols = list.iter().enumerate().map(|(place, (text, price_scale, size_scale))| Symbol {
        text: text.clone(),
        instrument: InstrumentId(u32::try_from(place).unwrap()),
        price_scale: *price_scale,
        size_scale: *size_scale,
    });
    Symbols::new(symbols.collect())
}

/// What the general decoder says of a frame; checks what it promises of `out`.
fn decode(
    protocol: &mut dyn Protocol,
    frame: &[u8],
    symbols: &Symbols,
) -> Result<Vec<Message>, Reject> {
    let mut out = vec![Message::Pong];
    let result = protocol.general(frame, symbols, &mut out);
    assert_eq!(out[0], Message::Pong, "touched what was there");
    let said = out.split_off(1);
    match result {
        Ok(()) => assert!(!said.is_empty(), "no message, no error"),
        Err(error) => assert!(said.is_empty(), "{error} and yet {said:?}"),
    }
    result.map(|()| said)
}

// What a frame means, as text.

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

// The naive reader.

fn find<'a>(json: &'a Value, pointers: &[String]) -> Option<&'a Value> {
    pointers.iter().find_map(|pointer| json.pointer(pointer))
}

/// The quote in a frame; `None` if there is none or it is broken.
fn naive(frame: &[u8], layout: &Layout, symbols: &Symbols) -> Option<QuoteMessage> {
    let json: Value = serde_json::from_slice(frame).ok()?;
    if let Some(only) = &layout.only
        && json.pointer(&only.at)? != &Value::from(only.is.as_str())
    {
        return None;
    }
    let symbol = naive_symbol(&json, layout)?;
    let place = symbols.list().iter().position(|s| s.text == symbol)?;
    let snapshot = match &layout.kind {
        None => true,
        Some(kind) => match json.pointer(&kind.at)?.as_str()? {
            text if text == kind.snapshot => true,
            text if text == kind.change => false,
            _ => return None,
        },
    };
    let scales = &symbols.list()[place];
    let side = |price, size, sign| naive_side(&json, price, size, sign, snapshot, scales);
    let sequence = match find(&json, &layout.sequence) {
        Some(value) => Some(naive_integer(value)?),
        None if layout.sequence_required => return None,
        None => None,
    };
    let ts_event = match find(&json, &layout.event_ms) {
        Some(value) => Some(naive_integer(value)?.checked_mul(MILLI)?),
        None if layout.event_required => return None,
        None => None,
    };
    Some(QuoteMessage {
        symbol: place,
        bid: side(&layout.bid, &layout.bid_size, 1)?,
        ask: side(&layout.ask, &layout.ask_size, -1)?,
        ts_event,
        sequence,
        snapshot,
        restarted: sequence.is_some() && sequence == layout.restart,
    })
}

fn naive_symbol<'a>(json: &'a Value, layout: &Layout) -> Option<&'a str> {
    find(json, &layout.symbol)?.as_str()?.strip_prefix(layout.symbol_prefix.as_str())
}

/// The best level with a size, `sign` 1 for bids and -1 for asks.
fn naive_side(
    json: &Value,
    price: &[String],
    size: &[String],
    sign: i64,
    snapshot: bool,
    scales: &Symbol,
) -> Option<Side> {
    let mut levels = Vec::new();
    if size.is_empty() {
        for level in find(json, price)?.as_array()? {
            levels.push((level.as_array()?.first()?, level.get(1)?));
        }
    } else {
        levels.push((find(json, price)?, find(json, size)?));
    }
    let none = if levels.is_empty() && !snapshot { Side::Unchanged } else { Side::Empty };
    let mut parsed = Vec::new();
    for (px, sz) in levels {
        let px = naive_decimal(px, scales.price_scale)?;
        parsed.push((px, naive_decimal(sz, scales.size_scale)?));
    }
    parsed.retain(|(px, sz)| *px != 0 && *sz != 0);
    // The first of equal ones.
    parsed.sort_by_key(|(px, _)| -sign * px);
    Some(parsed.first().map_or(none, |&(px, sz)| Side::Level { px, sz }))
}

fn naive_integer(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        // `-0` is a double for serde_json, and a whole number for us.
        Value::Number(number) if number.as_f64().is_some_and(|n| n == 0.0) => Some(0),
        Value::Number(number) => number.as_u64(),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    }
}

/// Digits before and behind the point, by hand; not negative.
fn naive_decimal(value: &Value, scale: u8) -> Option<i64> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let (text, exponent) = match text.split_once(['e', 'E']) {
        Some((text, exponent)) => (text, exponent.parse::<i32>().ok()?),
        None => (text.as_str(), 0),
    };
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (text, ""),
    };
    let (negative, whole) = whole.strip_prefix('-').map_or((false, whole), |rest| (true, rest));
    let digits = format!("{whole}{fraction}");
    if whole.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let digits = digits.parse::<num_bigint::BigInt>().ok()?;
    let shift = i32::from(scale) + exponent - i32::try_from(fraction.len()).ok()?;
    let power = num_bigint::BigInt::from(10).pow(shift.unsigned_abs().min(99));
    let scaled = if shift < 0 {
        (&digits % &power == num_bigint::BigInt::ZERO).then(|| digits / power)?
    } else {
        digits * power
    };
    let scaled = i64::try_from(scaled).ok()?;
    (!negative || scaled == 0).then_some(scaled)
}

fn decoded_quote(case: &Case, protocol: &mut dyn Protocol, frame: &[u8]) -> Option<QuoteMessage> {
    match decode(protocol, frame, &case.symbols).as_deref() {
        Ok([Message::Quote(quote)]) => Some(*quote),
        Ok(_) | Err(_) => None,
    }
}

/// Holds a frame against the naive reader: a quote for both, or for neither.
fn agree(case: &Case, protocol: &mut dyn Protocol, frame: &[u8]) {
    let decoded = decoded_quote(case, protocol, frame);
    let expected = naive(frame, &case.layout, &case.symbols);
    assert_eq!(decoded, expected, "{}: {}", case.spec.name, String::from_utf8_lossy(frame));
}

/// Whether a number stands there, outside a string, of which `serde_json` keeps only the nearest
/// double. Our decoder reads its digits.
fn beyond_doubles(frame: &[u8]) -> bool {
    fn any(json: &Value) -> bool {
        match json {
            Value::Number(number) => {
                number.is_f64()
                    && 15 < number.to_string().bytes().filter(u8::is_ascii_digit).count()
            }
            Value::Array(items) => items.iter().any(any),
            Value::Object(fields) => fields.values().any(any),
            Value::Null | Value::Bool(_) | Value::String(_) => false,
        }
    }
    serde_json::from_slice(frame).is_ok_and(|json| any(&json))
}

/// Of a damaged frame the decoder may find that it is no quote any more where the naive reader sees
/// one (a key of the wrapper is broken); it may find no other quote.
fn makes_nothing_up(case: &Case, protocol: &mut dyn Protocol, frame: &[u8]) {
    if let Some(decoded) = decoded_quote(case, protocol, frame)
        && !beyond_doubles(frame)
    {
        let expected = naive(frame, &case.layout, &case.symbols);
        let text = String::from_utf8_lossy(frame);
        assert_eq!(Some(decoded), expected, "{}: {text}", case.spec.name);
    }
}

/// The same JSON in another order of keys, with white space.
fn rewrite(value: &Value, turn: usize, space: &str, out: &mut String) {
    let mut parts = Vec::new();
    let (open, close) = match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let mut part = format!("{}{space}:{space}", Value::from(key.as_str()));
                rewrite(value, turn, space, &mut part);
                parts.push(part);
            }
            // Half of the turns also run backwards.
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
    for case in Case::all() {
        let mut protocol = case.protocol();
        let mut actual = String::new();
        for frame in &case.frames {
            let result = decode(protocol.as_mut(), frame, &case.symbols);
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
    for case in Case::all() {
        let mut protocol = case.protocol();
        let mut quotes = 0;
        for frame in &case.frames {
            agree(&case, protocol.as_mut(), frame);
            let Ok(json) = serde_json::from_slice::<Value>(frame) else { continue };
            let expected = decode(protocol.as_mut(), frame, &case.symbols);
            quotes += usize::from(matches!(expected.as_deref(), Ok([Message::Quote(_)])));
            for turn in 0..12 {
                for space in ["", " ", "\n\t "] {
                    let mut text = String::new();
                    rewrite(&json, turn, space, &mut text);
                    let result = decode(protocol.as_mut(), text.as_bytes(), &case.symbols);
                    assert_eq!(result, expected, "{}: {text}", case.spec.name);
                }
            }
        }
        assert!(0 < quotes, "{}: no quote in the fixture", case.spec.name);
    }
}

#[test]
fn recorded_frames_decode_to_what_a_plain_reader_finds() {
    let beside = root().join(std::env::var("SPREADWIRE_REAL_DATA").unwrap_or("../shared".into()));
    for mut case in Case::all() {
        for file in &case.layout.real {
            let path = beside.join("payloads").join(file);
            let Ok(text) = std::fs::read_to_string(&path) else {
                println!("skipped: {} is not there", path.display());
                continue;
            };
            let mut list: Vec<(String, u8, u8)> = text
                .lines()
                .map(|line| {
                    let json = serde_json::from_str(line).unwrap();
                    let symbol = naive_symbol(&json, &case.layout);
                    (symbol.unwrap_or_else(|| panic!("{file}: {line}")).to_owned(), 10, 8)
                })
                .collect();
            list.sort();
            list.dedup();
            case.symbols = symbols(&list);
            let mut protocol = case.protocol();
            for line in text.lines() {
                agree(&case, protocol.as_mut(), line.as_bytes());
                assert!(naive(line.as_bytes(), &case.layout, &case.symbols).is_some(), "{line}");
            }
            println!("{}: {} frames of {file}", case.spec.name, text.lines().count());
        }
    }
}

#[test]
fn frames_cut_or_flipped_anywhere_never_panic_nor_make_up_a_quote() {
    for case in Case::all() {
        let mut protocol = case.protocol();
        for frame in &case.frames {
            for cut in 0..frame.len() {
                makes_nothing_up(&case, protocol.as_mut(), &frame[..cut]);
            }
            let mut damaged = frame.clone();
            for at in 0..frame.len() {
                for bit in 0..8 {
                    damaged[at] ^= 1 << bit;
                    makes_nothing_up(&case, protocol.as_mut(), &damaged);
                    damaged[at] ^= 1 << bit;
                }
            }
        }
    }
}

#[test]
fn decoding_allocates_nothing_once_warm() {
    for case in Case::all() {
        let mut protocol = case.protocol();
        let mut out = Vec::with_capacity(16);
        for round in 0..3 {
            for frame in &case.frames {
                out.clear();
                let (result, allocations) =
                    counted(|| protocol.general(frame, &case.symbols, &mut out));
                let text = String::from_utf8_lossy(frame);
                assert!(round == 0 || allocations == 0, "{allocations}: {result:?} of {text}");
            }
        }
    }
}

#[test]
fn deep_and_huge_frames_are_survived() {
    for case in Case::all() {
        let mut protocol = case.protocol();
        let deep = "[".repeat(1 << 20);
        let nested = format!("{}1{}", r#"{"data":"#.repeat(5000), "}".repeat(5000));
        let wide = format!(r#"{{"data":[{}0]}}"#, "0,".repeat(1 << 19));
        let long = format!(r#"{{"s":"{}"}}"#, "x".repeat(1 << 21));
        for frame in [deep, nested, wide, long] {
            assert!(decode(protocol.as_mut(), frame.as_bytes(), &case.symbols).is_err());
        }
        for frame in &case.frames {
            agree(&case, protocol.as_mut(), frame);
        }
    }
}

/// One change to a frame: at a place, replace, insert or remove a byte, or copy a piece there.
type Edit = (u8, usize, u8, usize);

fn edited(frame: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut bytes = frame.to_vec();
    for &(what, at, byte, from) in edits {
        let at = at % (bytes.len() + 1);
        match what {
            0 if at < bytes.len() => bytes[at] = byte,
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 => {
                let from = from % (bytes.len() + 1);
                let piece = bytes[from..(from + usize::from(byte % 40)).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => bytes.insert(at, byte),
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for case in Case::all() {
            makes_nothing_up(&case, case.protocol().as_mut(), &bytes);
        }
    }

    #[test]
    fn edited_frames_never_panic_nor_make_up_a_quote(
        edits in proptest::collection::vec(
            (
                0..4_u8,
                any::<usize>(),
                prop_oneof![any::<u8>(), proptest::sample::select(br#"{}[]:,"\-.0123456789eE"#.to_vec())],
                any::<usize>(),
            ),
            1..6,
        ),
    ) {
        for case in Case::all() {
            let mut protocol = case.protocol();
            for frame in &case.frames {
                makes_nothing_up(&case, protocol.as_mut(), &edited(frame, &edits));
            }
        }
    }
}
