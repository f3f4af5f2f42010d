//! Binance USD-M futures, `<symbol>@bookTicker` under `/public`.
//!
//! This follows Binance's USD-M pages as of 2026-07 and frames recorded in that month. The keys are
//! in the order `e,u,s,ps,b,B,a,A,T,E,st`, and prices are padded to the tick. The paths without
//! `/public` behave like those with it. Requests are answered as on spot.

use std::fmt::Write as _;
use std::time::Duration;

use crate::rest::RestInstrument;
use crate::venue::{Action, Recorded, Route, Rules, Session, Venue, WireQuote};
use crate::venues::binance_requests;
use crate::{decimal, sequence};

/// Binance USD-M futures.
#[derive(Debug)]
pub(super) struct BinanceUsdm;

impl Venue for BinanceUsdm {
    fn name(&self) -> &'static str {
        "binance-usdm"
    }

    fn path(&self) -> &'static str {
        "/public/ws"
    }

    fn rules(&self) -> Rules {
        Rules {
            ping_every: Some(Duration::from_secs(3 * 60)),
            pong_within: Some(Duration::from_secs(10 * 60)),
            inbound_per_second: Some(10),
            ..Rules::default()
        }
    }

    fn symbol(&self, instrument: &str) -> String {
        instrument.replace('/', "")
    }

    fn rest_path(&self) -> &'static str {
        "/fapi/v1/exchangeInfo"
    }

    fn instruments(&self, list: &[RestInstrument]) -> String {
        binance_requests::exchange_info(list, Some("PERPETUAL"))
    }

    fn topic(&self, symbol: &str) -> String {
        binance_requests::stream(symbol)
    }

    fn route(&self, path: &str, query: Option<&str>) -> Route {
        binance_requests::route(path.strip_prefix("/public").unwrap_or(path), query)
    }

    fn on_text(&self, text: &str, session: &Session, _known: &dyn Fn(&str) -> bool) -> Vec<Action> {
        binance_requests::on_text(text, session)
    }

    fn refusal(&self, text: &str, _session: &Session) -> String {
        binance_requests::refusal(text)
    }

    fn number(&self, text: &str, places: usize, out: &mut String) {
        decimal::push_padded(text, places, out);
    }

    fn sequence(&self, last: Option<u64>, symbol: &str) -> u64 {
        last.map_or_else(
            || 9_123_000_000_000 + sequence::scattered(symbol, 100_000_000_000),
            sequence::with_gaps,
        )
    }

    fn frame(&self, wire: &WireQuote<'_>, out: &mut String) {
        let texts = wire.texts;
        // The pair of a dated future is its symbol without the date.
        let pair = wire.symbol.split_once('_').map_or(wire.symbol, |(pair, _)| pair);
        let written = write!(
            out,
            concat!(
                r#"{{"e":"bookTicker","u":{},"s":"{}","ps":"{}","b":"{}","B":"{}","a":"{}","#,
                r#""A":"{}","T":{},"E":{},"st":1}}"#
            ),
            wire.sequence,
            wire.symbol,
            pair,
            texts.bid,
            texts.bid_qty,
            texts.ask,
            texts.ask_qty,
            wire.event_ms,
            wire.push_ms
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
