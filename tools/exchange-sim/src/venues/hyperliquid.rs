//! Hyperliquid's main exchange, subscription `bbo`.
//!
//! This follows Hyperliquid's documentation as of 2026-03. Every frame is a complete quote without a
//! number. A request has one coin. The venue ends the connection of a client that asks for an unknown coin,
//! without a word. All prices are in USDC, whatever the
//! source's quote currency is. The simulator spells a topic as the coin.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::decimal;
use crate::rest::RestInstrument;
use crate::venue::{Action, Recorded, Route, Rules, Session, Venue, WireQuote};

/// Decimals of a price and those of a size are this many together.
const DECIMALS: usize = 6;

/// Hyperliquid's perpetuals.
#[derive(Debug)]
pub(super) struct Hyperliquid;

fn error(request: &str) -> String {
    let told = format!("Error parsing JSON into valid websocket request: {request}");
    json!({ "channel": "error", "data": told }).to_string()
}

impl Venue for Hyperliquid {
    fn name(&self) -> &'static str {
        "hyperliquid"
    }

    fn path(&self) -> &'static str {
        "/ws"
    }

    fn rules(&self) -> Rules {
        Rules { idle_close: Some(Duration::from_secs(60)), snapshot: true, ..Rules::default() }
    }

    fn symbol(&self, instrument: &str) -> String {
        instrument.split('/').next().unwrap_or(instrument).to_owned()
    }

    fn rest_path(&self) -> &'static str {
        "/info"
    }

    fn rest_is_posted(&self) -> bool {
        true
    }

    fn instruments(&self, list: &[RestInstrument]) -> String {
        let coin = |it: &RestInstrument| {
            let mut coin = json!({
                "name": it.symbol, "maxLeverage": 40,
                "szDecimals": DECIMALS.saturating_sub(decimal::places(&it.tick)),
            });
            if it.is_halted {
                coin["isDelisted"] = true.into();
            }
            coin
        };
        let universe: Vec<Value> = list.iter().map(coin).collect();
        json!({ "universe": universe, "marginTables": [] }).to_string()
    }

    fn topic(&self, symbol: &str) -> String {
        symbol.to_owned()
    }

    fn route(&self, path: &str, _query: Option<&str>) -> Route {
        if path == "/ws" {
            Route::Open { combined: false, topics: Vec::new(), without_quotes: false }
        } else {
            Route::NotFound
        }
    }

    fn on_text(&self, text: &str, session: &Session, known: &dyn Fn(&str) -> bool) -> Vec<Action> {
        let Ok(request) = serde_json::from_str::<Value>(text) else {
            return vec![Action::Fail(error(text))];
        };
        let subscription = &request["subscription"];
        let coin = subscription["coin"].as_str().unwrap_or_default();
        let reply = || {
            let data = json!({ "method": request["method"], "subscription": subscription });
            Action::Reply(json!({ "channel": "subscriptionResponse", "data": data }).to_string())
        };
        match request["method"].as_str() {
            Some("ping") => vec![Action::Heartbeat(r#"{"channel":"pong"}"#.to_owned())],
            Some("subscribe") if session.topics.iter().any(|topic| topic == coin) => {
                let told = format!("Already subscribed: {subscription}");
                vec![Action::Fail(json!({ "channel": "error", "data": told }).to_string())]
            }
            Some("subscribe") if subscription["type"] == "bbo" && known(coin) => {
                vec![reply(), Action::Subscribe(coin.to_owned())]
            }
            Some("subscribe") if subscription["type"] == "bbo" => vec![Action::End],
            Some("unsubscribe") => vec![reply(), Action::Unsubscribe(coin.to_owned())],
            Some(_) | None => vec![Action::Fail(error(text))],
        }
    }

    fn refusal(&self, text: &str, _session: &Session) -> String {
        error(text)
    }

    fn number(&self, text: &str, _places: usize, out: &mut String) {
        decimal::push_trimmed(text, out);
    }

    /// The frames have no number.
    fn sequence(&self, last: Option<u64>, _symbol: &str) -> u64 {
        last.map_or(1, |last| last + 1)
    }

    fn frame(&self, wire: &WireQuote<'_>, out: &mut String) {
        let side = |px: &str, sz: &str, orders: u64| match px {
            "0" => "null".to_owned(),
            _ => format!(r#"{{"px":"{px}","sz":"{sz}","n":{orders}}}"#),
        };
        let (texts, [bids, asks]) = (wire.texts, wire.orders);
        let written = write!(
            out,
            r#"{{"channel":"bbo","data":{{"coin":"{}","time":{},"bbo":[{},{}]}}}}"#,
            wire.symbol,
            wire.event_ms,
            side(&texts.bid, &texts.bid_qty, bids),
            side(&texts.ask, &texts.ask_qty, asks),
        );
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
    }

    fn combined(&self, _topic: &str, _bare: &str) -> Option<String> {
        None
    }

    fn shutdown(&self, _now_ms: u64) -> Option<String> {
        None
    }

    fn recorded<'a>(&self, frame: &'a str) -> Option<Recorded<'a>> {
        let (_, rest) = frame.split_once(r#""coin":""#)?;
        let (coin, _) = rest.split_once('"')?;
        Some(Recorded { topic: coin.into(), bare: 0..frame.len() })
    }
}
