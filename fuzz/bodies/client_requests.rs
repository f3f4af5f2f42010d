//! Reads any text as a request of a client of the broadcast.

use spreadwire_engine::broadcast::probe::Requests;
use spreadwire_kit::catalogue;
use std::sync::OnceLock;

const CODES: [&str; 6] = [
    "bad_message",
    "unknown_op",
    "unknown_field",
    "bad_value",
    "unknown_instrument",
    "unknown_venue",
];
/// An answer repeats what is wrong, and not at length: a character may be escaped in ten bytes.
const ANSWER_BYTES_MAX: usize = 1_500;

/// Reads an input.
///
/// # Panics
/// If the parser does, calls JSON none, or answers at length.
pub(crate) fn run(data: &[u8]) {
    static REQUESTS: OnceLock<Requests> = OnceLock::new();
    let requests = REQUESTS.get_or_init(|| {
        let catalogue = catalogue::of(["BTC/USDT", "ETH/USDT"], ["binance", "okx"]);
        Requests::new(&catalogue.listed().build())
    });
    let Ok(text) = std::str::from_utf8(data) else { return };
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    match requests.read(text) {
        Ok(()) => assert!(is_json),
        Err(("not_json", _)) => assert!(!is_json, "{text}"),
        Err((code, message)) => {
            assert!(is_json && CODES.contains(&code), "{code}: {text}");
            assert!(message.len() < ANSWER_BYTES_MAX, "{} bytes: {message}", message.len());
        }
    }
}
