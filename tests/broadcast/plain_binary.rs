//! A plain reader of `spreadwire.v1.bin`, written only from `docs/broadcast.md`.
//!
//! It shares no constant with the engine: every offset and code here is a number from the document.
//! Bytes that the document does not name must be 0, and every length must be the documented one.

use serde_json::{Value, json};

const KINDS: [&str; 8] =
    ["", "catalogue", "spread", "status", "gap", "recording", "snapshot", "ended"];
const STATES: [&str; 5] = ["down", "live", "stale", "gap", "crossed"];
const HEALTHS: [&str; 10] = [
    "down",
    "live",
    "stale",
    "gap",
    "crossed",
    "one_sided",
    "lagging",
    "unreadable",
    "silent",
    "refused",
];
const REASONS: [&str; 16] = [
    "quote",
    "disconnected",
    "silent",
    "quiet",
    "sequence_gap",
    "crossed",
    "refused",
    "one_sided",
    "empty",
    "lag",
    "held_up",
    "unreadable",
    "implausible",
    "subscribed",
    "no_quote",
    "out_of_order",
];
const END_REASONS: [&str; 3] = ["leg_not_live", "leg_old", "implausible"];
const GAP_REASONS: [&str; 3] = ["", "slow_client", "engine"];
const RECORDING: [&str; 6] =
    ["on", "disk_full", "vanished", "refused", "no_descriptor", "displaced"];

/// The bytes of a message.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn array<const N: usize>(&self, offset: usize) -> [u8; N] {
        self.0[offset..offset + N].try_into().unwrap()
    }

    fn u8(&self, offset: usize) -> u8 {
        self.0[offset]
    }

    fn u32(&self, offset: usize) -> u32 {
        u32::from_le_bytes(self.array(offset))
    }

    fn u64(&self, offset: usize) -> u64 {
        u64::from_le_bytes(self.array(offset))
    }

    fn i64(&self, offset: usize) -> i64 {
        i64::from_le_bytes(self.array(offset))
    }

    fn f64(&self, offset: usize) -> f64 {
        f64::from_le_bytes(self.array(offset))
    }

    /// Returns the text whose offset and length are at these positions.
    fn text(&self, offset_at: usize, length_at: usize) -> &str {
        let (from, length) = (self.u32(offset_at) as usize, self.u32(length_at) as usize);
        std::str::from_utf8(&self.0[from..from + length]).unwrap()
    }

    fn expect_zeros(&self, from: usize, to: usize) {
        assert!(self.0[from..to].iter().all(|byte| *byte == 0), "{from}..{to} of {:?}", self.0);
    }

    fn expect_length(&self, length: usize) {
        assert_eq!(self.0.len(), length, "{}", KINDS[usize::from(self.u8(0))]);
    }
}

/// Decodes consecutive messages, with ids and mantissas as sent.
pub(crate) fn decode(mut bytes: &[u8]) -> Vec<Value> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let head = Bytes(bytes);
        let length = head.u32(4) as usize;
        assert!(length >= 8 && length.is_multiple_of(8), "a length of {length}");
        let (message, rest) = bytes.split_at(length);
        messages.push(decode_one(&Bytes(message)));
        bytes = rest;
    }
    messages
}

fn decode_one(message: &Bytes<'_>) -> Value {
    let (kind, flags) = (message.u8(0), u16::from_le_bytes(message.array(2)));
    assert_eq!(message.u8(1), 1, "the version");
    assert_eq!(flags >> 2, 0, "bits 0 and 1 alone have a meaning");
    let mut value = match kind {
        1 => catalogue(message),
        2 => spread(message),
        3 => status(message),
        4 => gap(message),
        5 => recording(message),
        6 => snapshot(message),
        7 => ended(message),
        _ => panic!("kind {kind}"),
    };
    value["type"] = json!(KINDS[usize::from(kind)]);
    if flags & 1 != 0 {
        value["conflated"] = json!(true);
    }
    if flags & 2 != 0 {
        value["in_snapshot"] = json!(true);
    }
    value
}

fn catalogue(message: &Bytes<'_>) -> Value {
    let (venues, instruments) = (message.u32(8) as usize, message.u32(12) as usize);
    let venue = |row: usize| {
        let at = 24 + 16 * row;
        json!({"name": message.text(at, at + 4), "taker_fee_bps": message.f64(at + 8)})
    };
    let instrument = |row: usize| {
        let at = 24 + 16 * venues + 24 * row;
        message.expect_zeros(at + 18, at + 24);
        json!({
            "name": message.text(at, at + 4), "venues": message.u64(at + 8),
            "price_scale": message.u8(at + 16), "size_scale": message.u8(at + 17),
        })
    };
    json!({
        "engine": message.text(16, 20),
        "venues": (0..venues).map(venue).collect::<Vec<_>>(),
        "instruments": (0..instruments).map(instrument).collect::<Vec<_>>(),
    })
}

fn spread(message: &Bytes<'_>) -> Value {
    message.expect_length(80);
    json!({
        "seq": message.u64(8), "ts_recv": message.u64(16), "quote_seq": message.u64(24),
        "buy_px": message.i64(32), "sell_px": message.i64(40),
        "buy_sz": message.i64(48), "sell_sz": message.i64(56), "net": message.f64(64),
        "instrument": message.u32(72), "buy_venue": message.u8(76), "sell_venue": message.u8(77),
        "price_scale": message.u8(78), "size_scale": message.u8(79),
    })
}

fn status(message: &Bytes<'_>) -> Value {
    message.expect_length(32);
    message.expect_zeros(25, 32);
    json!({
        "ts_recv": message.u64(8), "instrument": message.u32(16), "venue": message.u8(20),
        "state": STATES[usize::from(message.u8(21))],
        "previous": STATES[usize::from(message.u8(22))],
        "reason": REASONS[usize::from(message.u8(23))],
        "health": HEALTHS[usize::from(message.u8(24))],
    })
}

fn ended(message: &Bytes<'_>) -> Value {
    message.expect_length(40);
    message.expect_zeros(39, 40);
    json!({
        "seq": message.u64(8), "ts_recv": message.u64(16), "quote_seq": message.u64(24),
        "instrument": message.u32(32), "buy_venue": message.u8(36), "sell_venue": message.u8(37),
        "reason": END_REASONS[usize::from(message.u8(38))],
    })
}

fn gap(message: &Bytes<'_>) -> Value {
    message.expect_length(48);
    message.expect_zeros(41, 48);
    let reason = GAP_REASONS[usize::from(message.u8(40))];
    if reason == "engine" {
        message.expect_zeros(16, 32);
        return json!({"reason": reason, "missed": message.u64(8), "ts_recv": message.u64(32)});
    }
    message.expect_zeros(32, 40);
    json!({
        "reason": reason, "missed": message.u64(8), "from_seq": message.u64(16),
        "to_seq": message.u64(24),
    })
}

fn recording(message: &Bytes<'_>) -> Value {
    message.expect_length(32);
    message.expect_zeros(25, 32);
    json!({
        "ts_recv": message.u64(8), "lost": message.u64(16),
        "state": RECORDING[usize::from(message.u8(24))],
    })
}

fn snapshot(message: &Bytes<'_>) -> Value {
    message.expect_length(96);
    message.expect_zeros(26, 32);
    let length = usize::from(message.u8(25));
    message.expect_zeros(32 + length, 96);
    assert!(message.u8(24) <= 1, "last is 0 or 1");
    json!({
        "seq": message.u64(8), "states": message.u32(16), "spreads": message.u32(20),
        "last": message.u8(24) == 1,
        "id": std::str::from_utf8(&message.0[32..32 + length]).unwrap(),
    })
}

/// Converts to what the JSON protocol says: `hello` for the catalogue, names for ids, texts for
/// mantissas.
///
/// The first message is the catalogue. `net` stays a fraction, and a snapshot's items stay after
/// its head.
pub(crate) fn with_names(messages: Vec<Value>) -> Vec<Value> {
    let catalogue = messages[0].clone();
    assert_eq!(catalogue["type"], "catalogue");
    messages.into_iter().map(|message| with_names_of(&catalogue, message)).collect()
}

fn with_names_of(catalogue: &Value, mut message: Value) -> Value {
    let kind = message["type"].as_str().unwrap().to_owned();
    if kind == "catalogue" {
        return hello(message);
    }
    for (field, list) in [
        ("venue", "venues"),
        ("buy_venue", "venues"),
        ("sell_venue", "venues"),
        ("instrument", "instruments"),
    ] {
        if let Some(id) = message[field].as_u64() {
            message[field] = catalogue[list][usize::try_from(id).unwrap()]["name"].clone();
        }
    }
    if kind == "spread" {
        for (field, scale) in [
            ("buy_px", "price_scale"),
            ("sell_px", "price_scale"),
            ("buy_sz", "size_scale"),
            ("sell_sz", "size_scale"),
        ] {
            let scale = usize::try_from(message[scale].as_u64().unwrap()).unwrap();
            message[field] = json!(decimal(message[field].as_i64().unwrap(), scale));
        }
        let fields = message.as_object_mut().unwrap();
        fields.retain(|field, _| !field.ends_with("_scale"));
    }
    message
}

fn hello(mut message: Value) -> Value {
    let venues = message["venues"].as_array().unwrap().clone();
    for instrument in message["instruments"].as_array_mut().unwrap() {
        let bits = instrument["venues"].as_u64().unwrap();
        assert_eq!(bits.checked_shr(u32::try_from(venues.len()).unwrap()).unwrap_or(0), 0);
        let listed = venues.iter().enumerate().filter(|(id, _)| bits >> id & 1 == 1);
        instrument["venues"] = listed.map(|(_, venue)| venue["name"].clone()).collect();
    }
    message["type"] = json!("hello");
    message["protocol"] = json!("spreadwire.v1");
    message["revision"] = json!(2);
    message
}

/// Formats `mantissa / 10^scale` without trailing zeros.
fn decimal(mantissa: i64, scale: usize) -> String {
    let digits = format!("{:0>width$}", mantissa.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let fraction = fraction.trim_end_matches('0');
    let sign = if mantissa < 0 { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}
