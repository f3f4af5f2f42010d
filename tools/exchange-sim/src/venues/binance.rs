//! Binance spot, `<symbol>@bookTicker`.
//!
//! This follows `web-socket-streams.md` of binance/binance-spot-api-docs as of 2026-07-21. Every
//! frame is a complete quote. Nothing is sent when a client subscribes. The update id `u` only
//! grows.

use std::fmt::Write as _;
use std::time::Duration;

use crate::rest::RestInstrument;
use crate::venue::{Action, Recorded, Route, Rules, Session, Venue, WireQuote};
use crate::venues::binance_requests;
use crate::{decimal, sequence};

/// Number of digits after the point to which spot pads prices and sizes.
const PLACES: usize = 8;

/// Binance spot.
#[derive(Debug)]
pub(super) struct Binance;

impl Venue for Binance {
    fn name(&self) -> &'static str {
        "binance"
    }

    fn path(&self) -> &'static str {
        "/ws"
    }

    fn rules(&self) -> Rules {
        Rules {
            ping_every: Some(Duration::from_secs(20)),
            pong_within: Some(Duration::from_secs(60)),
            inbound_per_second: Some(5),
            ..Rules::default()
        }
    }

    fn symbol(&self, instrument: &str) -> String {
        instrument.replace('/', "")
    }

    fn rest_path(&self) -> &'static str {
        "/api/v3/exchangeInfo"
    }

    fn instruments(&self, list: &[RestInstrument]) -> String {
        binance_requests::exchange_info(list, None)
    }

    fn topic(&self, symbol: &str) -> String {
        binance_requests::stream(symbol)
    }

    fn route(&self, path: &str, query: Option<&str>) -> Route {
        binance_requests::route(path, query)
    }

    fn on_text(&self, text: &str, session: &Session, _known: &dyn Fn(&str) -> bool) -> Vec<Action> {
        binance_requests::on_text(text, session)
    }

    fn refusal(&self, text: &str, _session: &Session) -> String {
        binance_requests::refusal(text)
    }

    fn number(&self, text: &str, _places: usize, out: &mut String) {
        decimal::push_padded(text, PLACES, out);
    }

    fn sequence(&self, last: Option<u64>, symbol: &str) -> u64 {
        last.map_or_else(
            || 50_093_000_000 + sequence::scattered(symbol, 900_000_000),
            sequence::with_gaps,
        )
    }

    fn frame(&self, wire: &WireQuote<'_>, out: &mut String) {
        let texts = wire.texts;
        let written = write!(
            out,
            r#"{{"u":{},"s":"{}","b":"{}","B":"{}","a":"{}","A":"{}"}}"#,
            wire.sequence, wire.symbol, texts.bid, texts.bid_qty, texts.ask, texts.ask_qty
        );
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
    }

    fn combined(&self, topic: &str, bare: &str) -> Option<String> {
        Some(binance_requests::combined(topic, bare))
    }

    fn shutdown(&self, now_ms: u64) -> Option<String> {
        Some(format!(r#"{{"e":"serverShutdown","E":{now_ms}}}"#))
    }

    fn recorded<'a>(&self, frame: &'a str) -> Option<Recorded<'a>> {
        binance_requests::recorded(frame)
    }
}
