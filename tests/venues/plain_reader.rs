//! A second reader of every venue's quotes, which uses only `serde_json` and plain arithmetic.
//!
//! `data/fixtures/<venue>.toml` says where the fields of a quote are. [`Case::decode`] compares the
//! two decoders of a venue with each other; [`Case::agree`] and [`Case::makes_nothing_up`] compare
//! them with this reader. It serves tests and fuzz targets.
#![expect(clippy::unwrap_used, reason = "a fixture that cannot be read ends the run")]
#![allow(dead_code, reason = "a fuzz target needs a part of it")]

use serde::Deserialize;
use serde_json::Value;
use spreadwire_market::clock::MILLI;
use spreadwire_market::instrument::InstrumentId;
use spreadwire_venues::venue::{
    Contract, EventTime, Message, Protocol, QuoteMessage, Rejected, Side, Symbol, Symbols,
    VenueSpec,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// `<venue>.toml`: where a plain reader finds a quote. Pointers are tried in order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Layout {
    /// Spelling, price scale and size scale.
    pub(crate) symbols: Vec<(String, u8, u8)>,
    /// Base units of one contract by symbol, where sizes count contracts.
    #[serde(default)]
    pub(crate) contract_sizes: BTreeMap<String, String>,
    /// Recorded frames, all of them quotes.
    pub(crate) real: Vec<String>,
    /// Recorded or documented frames in layouts that need not be read by position, among other messages.
    #[serde(default)]
    pub(crate) odd: Vec<String>,
    /// Recorded frames of channels to which we do not subscribe.
    #[serde(default)]
    pub(crate) other: Vec<String>,
    /// Recorded lists of instruments: file, number of the line, and number of rows that are listed.
    pub(crate) list_real: Vec<(String, usize, usize)>,
    /// How the venue's list of instruments is made.
    pub(crate) list: List,
    /// Recorded sessions, with other channels between the quotes.
    #[serde(default)]
    pub(crate) tapes: Vec<String>,
    only: Option<Only>,
    /// A second condition.
    only_too: Option<Only>,
    symbol: Vec<String>,
    #[serde(default)]
    symbol_prefix: String,
    /// Text that follows the symbol.
    symbol_followed_by: Option<String>,
    /// A second pointer to the symbol alone, which must agree.
    symbol_too: Option<String>,
    bid: Vec<String>,
    /// If there are no pointers to sizes, `bid` and `ask` are lists of levels.
    #[serde(default)]
    bid_size: Vec<String>,
    /// Pointers to the bid and to the ask as a whole, which make an empty side if they are `null` (`null`),
    /// or also if they are absent (`absent`).
    null: Option<(String, String)>,
    absent: Option<(String, String)>,
    /// Pointer to what makes both sides empty if it is `true`.
    halted: Option<String>,
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
    /// As `event_ms`, in ns.
    #[serde(default)]
    event_ns: Vec<String>,
    /// As `event_ms`, as text of RFC 3339. A time before 1971 is none.
    #[serde(default)]
    event_text: Vec<String>,
    /// Whether a price or size that is `null` is 0.
    #[serde(default)]
    null_is_zero: bool,
    /// Whether a number or a time of 0 is none, and an empty price 0.
    #[serde(default)]
    zero_is_none: bool,
    kind: Option<Kind>,
    /// Where frames are protobuf messages: the fields that the pointers mean.
    protobuf: Option<Protobuf>,
    /// A number in the first frame that counts up in streams of it, where no pointer finds one.
    #[serde(rename = "number")]
    _number: Option<u64>,
}

/// The fields of a protobuf message by their paths, such as `/315/1`. Others are passed over.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Protobuf {
    /// A text without which a message is none.
    required: String,
    texts: Vec<String>,
    numbers: Vec<String>,
    messages: Vec<String>,
    /// Texts that are `0` if they are empty or absent in their message.
    decimals: Vec<String>,
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
    change: Option<String>,
}

/// How a venue's list of instruments is made, and what it answers in its place.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct List {
    /// Pointer to the rows.
    pub(crate) rows: String,
    /// Key of a row's symbol.
    pub(crate) symbol: String,
    /// Key of a row without whose value the row cannot be read.
    pub(crate) required: String,
    /// A refusal, and what is told of it.
    pub(crate) refusal: String,
    pub(crate) told: String,
    /// A list without rows, and an answer without a list; none where the answer is the list itself.
    pub(crate) empty: Option<String>,
    pub(crate) missing: Option<String>,
}

fn yes() -> bool {
    true
}

/// A venue with its fixture and the decoders of one connection.
pub(crate) struct Case {
    pub(crate) spec: &'static VenueSpec,
    pub(crate) layout: Layout,
    /// Contents of `<venue>.jsonl`.
    pub(crate) frames: Vec<Vec<u8>>,
    pub(crate) symbols: Symbols,
    protocol: Box<dyn Protocol>,
    /// Number of frames that the positional decoder accepted, and number of frames given to both.
    pub(crate) taken: (usize, usize),
}

impl Case {
    /// Creates the case of a venue.
    ///
    /// # Panics
    /// If its fixture is not as described in `data/README.md`.
    pub(crate) fn of(spec: &'static VenueSpec) -> Case {
        let layout = std::fs::read_to_string(fixture(spec, "toml")).unwrap();
        let layout: Layout =
            toml::from_str(&layout).unwrap_or_else(|e| panic!("{}.toml: {e}", spec.name));
        let frames = std::fs::read(fixture(spec, "jsonl")).unwrap();
        let frames = frames.strip_suffix(b"\n").unwrap_or(&frames);
        let frames = frames.split(|b| *b == b'\n').map(unhexed).collect();
        let symbols = symbols(&layout.symbols, &layout.contract_sizes);
        Case { spec, layout, frames, symbols, protocol: (spec.protocol)(), taken: (0, 0) }
    }

    /// Returns the result of the general decoder, after checking that the positional decoder agrees
    /// unless it declines, and that both keep their promises about `out`.
    ///
    /// # Panics
    /// If they do not keep what they promise.
    pub(crate) fn decode(&mut self, frame: &[u8]) -> Result<Vec<Message>, Rejected> {
        let mut out = vec![Message::Pong];
        let result = self.protocol.general(frame, &self.symbols, &mut out);
        assert_eq!(out[0], Message::Pong, "touched what was there");
        let said = out.split_off(1);
        match result {
            Ok(()) => assert!(!said.is_empty(), "no message, no error"),
            Err(error) => assert!(said.is_empty(), "{error:?} and yet {said:?}"),
        }
        let result = result.map(|()| said);
        let taken = self.protocol.positional(frame, &self.symbols, &mut out).is_some();
        assert_eq!(out[0], Message::Pong, "touched what was there");
        let said = out.split_off(1);
        let text = String::from_utf8_lossy(frame);
        self.taken.0 += usize::from(taken);
        self.taken.1 += 1;
        if taken {
            assert_eq!(result, Ok(said), "{}, positional on the right: {text}", self.spec.name);
            let json = self.layout.json(frame);
            assert!(json.is_some(), "{}: {text} is no JSON", self.spec.name);
        } else {
            assert!(said.is_empty(), "{} declined, and yet {said:?}: {text}", self.spec.name);
        }
        result
    }

    /// Returns the quote in a frame, if the frame is a quote and nothing else.
    pub(crate) fn decoded_quote(&mut self, frame: &[u8]) -> Option<QuoteMessage> {
        match self.decode(frame).as_deref() {
            Ok([Message::Quote(quote)]) => Some(*quote),
            Ok(_) | Err(_) => None,
        }
    }

    /// Compares with the naive reader: both must find the same quote, or neither may find one.
    pub(crate) fn agree(&mut self, frame: &[u8]) {
        let decoded = self.decoded_quote(frame);
        let expected = naive(frame, &self.layout, &self.symbols);
        assert_eq!(decoded, expected, "{}: {}", self.spec.name, String::from_utf8_lossy(frame));
    }

    /// Compares on a damaged frame. The decoder may find no quote where the naive reader does (for
    /// example if a key of the wrapper is broken), but it must not find another quote.
    pub(crate) fn makes_nothing_up(&mut self, frame: &[u8]) {
        if let Some(decoded) = self.decoded_quote(frame)
            && !beyond_doubles(frame)
        {
            let expected = naive(frame, &self.layout, &self.symbols);
            let text = String::from_utf8_lossy(frame);
            assert_eq!(Some(decoded), expected, "{}: {text}", self.spec.name);
        }
    }
}

impl Layout {
    /// Returns a frame as JSON.
    pub(crate) fn json(&self, frame: &[u8]) -> Option<Value> {
        match &self.protobuf {
            Some(fields) if frame.first() != Some(&b'{') => fields.json(frame, ""),
            Some(_) | None => serde_json::from_slice(frame).ok(),
        }
    }
}

impl Protobuf {
    /// Returns a message as an object whose keys are the numbers of its fields.
    fn json(&self, message: &[u8], path: &str) -> Option<Value> {
        let mut object = serde_json::Map::new();
        let mut rest = message.iter().copied();
        while rest.len() != 0 {
            let tag = u32::try_from(varint(&mut rest)?).ok()?;
            let (field, number) = (format!("{path}/{}", tag >> 3), (tag >> 3).to_string());
            let is = |list: &[String]| list.contains(&field);
            let (value, is_known) = match tag & 7 {
                0 => (Value::from(varint(&mut rest)?), is(&self.numbers)),
                kind @ (1 | 2 | 5) => {
                    let length = match kind {
                        1 => 8,
                        2 => varint(&mut rest)?,
                        _ => 4,
                    };
                    let length = usize::try_from(length).ok().filter(|it| *it <= rest.len())?;
                    let bytes: Vec<u8> = rest.by_ref().take(length).collect();
                    if kind == 2 && is(&self.messages) {
                        let Some(Value::Object(more)) = self.json(&bytes, &field) else {
                            return None;
                        };
                        // Parts of a message are one.
                        let whole = object.entry(number).or_insert_with(|| more.clone().into());
                        whole.as_object_mut()?.extend(more);
                        continue;
                    }
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    (Value::from(text), kind == 2 && is(&self.texts))
                }
                _ => return None,
            };
            let lists = [&self.texts, &self.numbers, &self.messages];
            match is_known {
                true => drop(object.insert(number.clone(), value)),
                false if number == "0" || lists.iter().any(|list| is(list)) => return None,
                false => {}
            }
        }
        if path.is_empty() {
            let json = self.with_zeros(object.into());
            return json.pointer(&self.required).is_some_and(|it| it != "").then_some(json);
        }
        Some(object.into())
    }

    fn with_zeros(&self, mut json: Value) -> Value {
        for decimal in &self.decimals {
            let Some((parent, key)) = decimal.rsplit_once('/') else { continue };
            let Some(Value::Object(parent)) = json.pointer_mut(parent) else { continue };
            if parent.get(key).is_none_or(|text| text == "") {
                parent.insert(key.to_owned(), "0".into());
            }
        }
        json
    }
}

/// Reads a number of up to 64 bits, seven in each byte, the lowest first.
fn varint(bytes: &mut impl Iterator<Item = u8>) -> Option<u64> {
    let mut number = 0_u128;
    for place in 0..10 {
        let byte = bytes.next()?;
        number += u128::from(byte & 0x7F) << (7 * place);
        if byte < 0x80 {
            return u64::try_from(number).ok();
        }
    }
    None
}

/// Returns a line of a fixture as a frame. A frame that is no text is written `hex:0a33`.
fn unhexed(line: &[u8]) -> Vec<u8> {
    let Some(digits) = line.strip_prefix(b"hex:") else { return line.to_vec() };
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// Returns a file of a venue's fixture.
pub(crate) fn fixture(spec: &VenueSpec, extension: &str) -> PathBuf {
    let above =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|it| it.join("data/fixtures"));
    let folder = above.into_iter().find(|it| it.is_dir()).unwrap();
    folder.join(format!("{}.{extension}", spec.name))
}

pub(crate) fn symbols(
    list: &[(String, u8, u8)],
    contract_sizes: &BTreeMap<String, String>,
) -> Symbols {
    let contract = |symbol: &String| match contract_sizes.get(symbol) {
        Some(size) => Contract::parse(size).unwrap(),
        None => Contract::ONE,
    };
    let symbols = list.iter().enumerate().map(|(place, (text, price_scale, size_scale))| Symbol {
        text: text.clone(),
        instrument: InstrumentId(u32::try_from(place).unwrap()),
        price_scale: *price_scale,
        size_scale: *size_scale,
        contract: contract(text),
    });
    Symbols::new(symbols.collect())
}

fn find<'a>(json: &'a Value, pointers: &[String]) -> Option<&'a Value> {
    pointers.iter().find_map(|pointer| json.pointer(pointer))
}

/// Returns the quote in a frame; `None` if there is none or it is broken.
pub(crate) fn naive(frame: &[u8], layout: &Layout, symbols: &Symbols) -> Option<QuoteMessage> {
    let json = layout.json(frame)?;
    for only in layout.only.iter().chain(&layout.only_too) {
        let value = json.pointer(&only.at)?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        // Whatever the case, because one venue writes both.
        if !text.eq_ignore_ascii_case(&only.is) {
            return None;
        }
    }
    let symbol = naive_symbol(&json, layout)?;
    let place = symbols.list().iter().position(|s| s.text == symbol)?;
    let snapshot = match &layout.kind {
        None => true,
        Some(kind) => match json.pointer(&kind.at)?.as_str()? {
            text if text == kind.snapshot => true,
            text if Some(text) == kind.change.as_deref() => false,
            _ => return None,
        },
    };
    let scales = &symbols.list()[place];
    let contract = layout.contract_sizes.get(symbol).map_or("1", String::as_str);
    let numbers = |px: &Value, sz: &Value| {
        let zero = Value::from(0);
        let px = if layout.zero_is_none && px == "" { &zero } else { px };
        let or_zero =
            |value| if layout.null_is_zero && value == &Value::Null { &zero } else { value };
        let (px, sz) = (or_zero(px), or_zero(sz));
        let px = naive_decimal(px, scales.price_scale, "1")?;
        Some((px, naive_decimal(sz, scales.size_scale, contract)?))
    };
    let is_none = |at: &String, may_lack: bool| json.pointer(at).map_or(may_lack, Value::is_null);
    let [no_bid, no_ask] = match (&layout.null, &layout.absent) {
        (Some((bid, ask)), _) => [is_none(bid, false), is_none(ask, false)],
        (None, Some((bid, ask))) => [is_none(bid, true), is_none(ask, true)],
        (None, None) => [false, false],
    };
    let halted = layout.halted.as_ref().and_then(|at| json.pointer(at)) == Some(&Value::Bool(true));
    let or_none = |side| if halted { Side::Empty } else { side };
    let side = |price, size, sign| match if 0 < sign { no_bid } else { no_ask } {
        true => Some(Side::Empty),
        false => naive_side(&json, (price, size), sign, snapshot, numbers),
    };
    let is_zero = |number: u64| layout.zero_is_none && number == 0;
    let sequence = match find(&json, &layout.sequence) {
        Some(value) => Some(naive_integer(value)?).filter(|number| !is_zero(*number)),
        None if layout.sequence_required => return None,
        None => None,
    };
    let millis = find(&json, &layout.event_ms).map(|value| (value, MILLI));
    let text = find(&json, &layout.event_text);
    let ts_event = match millis.or_else(|| Some((find(&json, &layout.event_ns)?, 1))) {
        None if text.is_some() => naive_instant(text?.as_str()?)?,
        Some((value, unit)) => match naive_integer(value)?.checked_mul(unit)? {
            time if is_zero(time) => None,
            time => Some(EventTime::new(time).ok()?),
        },
        None if layout.event_required => return None,
        None => None,
    };
    Some(QuoteMessage {
        symbol: place,
        bid: or_none(side(&layout.bid, &layout.bid_size, 1)?),
        ask: or_none(side(&layout.ask, &layout.ask_size, -1)?),
        ts_event,
        sequence,
        snapshot,
        restarted: sequence.is_some() && sequence == layout.restart,
    })
}

pub(crate) fn naive_symbol<'a>(json: &'a Value, layout: &Layout) -> Option<&'a str> {
    let text = find(json, &layout.symbol)?.as_str()?;
    let text = text.strip_prefix(layout.symbol_prefix.as_str())?;
    let symbol = match &layout.symbol_followed_by {
        Some(behind) => text.split_once(behind)?.0,
        None => text,
    };
    let too = layout.symbol_too.as_ref().map(|at| json.pointer(at));
    too.is_none_or(|too| too == Some(&Value::from(symbol))).then_some(symbol)
}

/// Returns the best level with a size; `sign` is 1 for bids and -1 for asks.
fn naive_side(
    json: &Value,
    (price, size): (&[String], &[String]),
    sign: i64,
    snapshot: bool,
    numbers: impl Fn(&Value, &Value) -> Option<(i64, i64)>,
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
        parsed.push(numbers(px, sz)?);
    }
    parsed.retain(|(px, sz)| *px != 0 && *sz != 0);
    // The first of equal ones.
    parsed.sort_by_key(|(px, _)| -sign * px);
    Some(parsed.first().map_or(none, |&(px, sz)| Side::Level { px, sz }))
}

/// Reads a time of RFC 3339 by counting days. Returns `Some(None)` before 1971.
fn naive_instant(text: &str) -> Option<Option<EventTime>> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let numbers = |text: &str, between: char, widths: [usize; 3]| {
        let parts: Vec<&str> = text.split(between).collect();
        let widths_are = parts.iter().map(|part| part.len()).eq(widths);
        let digits = parts.iter().all(|part| part.bytes().all(|b| b.is_ascii_digit()));
        let numbers = parts.iter().map(|part| part.parse::<u64>().ok());
        numbers.collect::<Option<Vec<u64>>>().filter(|_| widths_are && digits)
    };
    let (date, time) = (numbers(date, '-', [4, 2, 2])?, numbers(time, ':', [2, 2, 2])?);
    let is_fraction = !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit());
    if !is_fraction || 9 < fraction.len() {
        return None;
    }
    let (year, month, day) = (date[0], date[1], date[2]);
    if year <= 1970 {
        return Some(None);
    }
    let divides = |by: u64, year: u64| year.is_multiple_of(by);
    let is_leap = |y| (divides(4, y) && !divides(100, y)) || divides(400, y);
    let in_year = |year: u64| if is_leap(year) { 366 } else { 365 };
    let in_month = |month: u64| match month {
        2 => in_year(year) - 337,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let is_day = (1..=12).contains(&month) && 1 <= day && day <= in_month(month);
    if !is_day || 23 < time[0] || 59 < time[1] || 60 < time[2] {
        return None;
    }
    let days = (1970..year).map(in_year).sum::<u64>() + (1..month).map(in_month).sum::<u64>();
    let seconds = (days + day - 1) * 86_400 + time[0] * 3_600 + time[1] * 60 + time[2];
    let ns = format!("{fraction:0<9}").parse::<u64>().ok()?;
    let time = seconds.checked_mul(1_000_000_000)?.checked_add(ns)?;
    Some(Some(EventTime::new(time).ok()?))
}

fn naive_integer(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        // `-0` is a double for serde_json, and an integer for us.
        Value::Number(number) if number.as_f64().is_some_and(|n| n == 0.0) => Some(0),
        Value::Number(number) => number.as_u64(),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    }
}

/// Parses digits before and after the point by hand and multiplies them by `factor`; negative numbers
/// are refused.
fn naive_decimal(value: &Value, scale: u8, factor: &str) -> Option<i64> {
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
    let (factor_whole, factor_fraction) = factor.split_once('.').unwrap_or((factor, ""));
    let factor = format!("{factor_whole}{factor_fraction}").parse::<num_bigint::BigInt>().ok()?;
    let digits = digits * factor;
    let decimals = i32::try_from(fraction.len() + factor_fraction.len()).ok()?;
    let shift = i32::from(scale) + exponent - decimals;
    let power = num_bigint::BigInt::from(10).pow(shift.unsigned_abs().min(99));
    let scaled = if shift < 0 {
        (&digits % &power == num_bigint::BigInt::ZERO).then(|| digits / power)?
    } else {
        digits * power
    };
    let scaled = i64::try_from(scaled).ok()?;
    (!negative || scaled == 0).then_some(scaled)
}

/// Returns whether the frame contains a number, outside a string, of which `serde_json` keeps only
/// the nearest double. Our decoder reads its digits.
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

/// Changes a frame once: at a position, replaces, inserts or removes a byte, copies a piece there,
/// writes a number in another way, or a byte as an escape.
pub(crate) type Edit = (u8, usize, u8, usize);

/// Number of kinds of changes in [`edited`].
pub(crate) const EDITS: u8 = 6;

/// Numbers as a venue might send them one day, or by mistake.
const NUMBERS: &[&[u8]] = &[
    b"0",
    b"-0",
    b"-1",
    b"00",
    b"01",
    b"1.",
    b".5",
    b"1e2",
    b"1E-2",
    b"1.5e1",
    b"+1",
    b"0x1",
    b"",
    b"0.0",
    b"12345678",
    b"123456789",
    b"1234567890123456",
    b"12345678901234567",
    b"9223372036854775807",
    b"9223372036854775808",
    b"9999999999999999999",
    b"10000000000000000000",
    b"18446744073709551615",
    b"18446744073709551616",
    b"99999999999999999999",
    b"0.1234567",
    b"0.12345678",
    b"0.123456789",
    b"0.1234567890123456",
    b"0.12345678901234567",
    b"1.00000000000",
    b"1.000000000000000000000",
    b"61837.63000000",
    b"61837.630000001",
    b"0.0000112351",
    b"1_0",
    b"null",
    b"true",
    b"\"1\"",
    b"[]",
    b"NaN",
    "\u{661}".as_bytes(),
];

/// Returns a frame after some changes.
pub(crate) fn edited(frame: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut bytes = frame.to_vec();
    for &(what, at, byte, from) in edits {
        let at = at % (bytes.len() + 1);
        match what % EDITS {
            0 if at < bytes.len() => bytes[at] = byte,
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 => {
                let from = from % (bytes.len() + 1);
                let piece = bytes[from..(from + usize::from(byte % 40)).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            3 => {
                let is_part = |b: &u8| b.is_ascii_digit() || *b == b'.';
                let start = at + bytes[at..].iter().position(is_part).unwrap_or(0);
                let length = bytes[start..].iter().position(|b| !is_part(b)).unwrap_or(0);
                let number = NUMBERS[from % NUMBERS.len()].iter().copied();
                bytes.splice(start..start + length, number);
            }
            4 if at < bytes.len() => {
                let escape = format!("\\u{:04x}", bytes[at]).into_bytes();
                bytes.splice(at..=at, escape);
            }
            _ => bytes.insert(at, byte),
        }
    }
    bytes
}
