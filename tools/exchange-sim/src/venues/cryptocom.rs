//! Crypto.com Exchange, channel `ticker.<instrument>`, spot and perpetuals.
//!
//! This follows Crypto.com's documentation as of 2026-02. Every frame is a complete quote without a number;
//! what is absent is `null`. The venue asks with an id every 30 s. Its acceptance of a ticker is the first
//! message with the number of the request; here it has no data, as books are accepted.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::decimal;
use crate::rest::RestInstrument;
use crate::venue::{Action, Recorded, Route, Rules, Session, Venue, WireQuote};

/// One of Crypto.com's markets.
#[derive(Debug)]
pub(super) struct Cryptocom {
    name: &'static str,
    is_spot: bool,
}

/// Crypto.com spot.
pub(super) const SPOT: Cryptocom = Cryptocom { name: "cryptocom", is_spot: true };

/// Crypto.com's perpetuals.
pub(super) const PERPETUAL: Cryptocom = Cryptocom { name: "cryptocom-perp", is_spot: false };

fn refused(id: &Value, channel: &str) -> String {
    json!({
        "id": id, "method": "subscribe", "code": 40_003, "channel": channel,
        "message": "Unknown symbol",
    })
    .to_string()
}

impl Venue for Cryptocom {
    fn name(&self) -> &'static str {
        self.name
    }

    fn path(&self) -> &'static str {
        "/exchange/v1/market"
    }

    fn rules(&self) -> Rules {
        Rules {
            ping_every: Some(Duration::from_secs(30)),
            pong_within: Some(Duration::from_secs(60)),
            inbound_per_second: Some(100),
            snapshot: true,
            ..Rules::default()
        }
    }

    fn symbol(&self, instrument: &str) -> String {
        if self.is_spot {
            instrument.replace('/', "_")
        } else {
            format!("{}-PERP", instrument.replace('/', ""))
        }
    }

    fn rest_path(&self) -> &'static str {
        "/exchange/v1/public/get-instruments"
    }

    fn instruments(&self, list: &[RestInstrument]) -> String {
        let row = |it: &RestInstrument| {
            json!({
                "symbol": it.symbol, "base_ccy": it.base, "quote_ccy": it.quote,
                "inst_type": if self.is_spot { "CCY_PAIR" } else { "PERPETUAL_SWAP" },
                "quote_decimals": decimal::places(&it.tick), "price_tick_size": it.tick,
                "quantity_decimals": decimal::places(&it.lot), "qty_tick_size": it.lot,
                "tradable": !it.is_halted, "contract_size": "1",
            })
        };
        let rows: Vec<Value> = list.iter().map(row).collect();
        let method = "public/get-instruments";
        json!({ "id": -1, "method": method, "code": 0, "result": { "data": rows } }).to_string()
    }

    fn topic(&self, symbol: &str) -> String {
        format!("ticker.{symbol}")
    }

    fn route(&self, path: &str, _query: Option<&str>) -> Route {
        if path == "/exchange/v1/market" {
            Route::Open { combined: false, topics: Vec::new(), without_quotes: false }
        } else {
            Route::NotFound
        }
    }

    fn ping(&self, now_ms: u64) -> Option<String> {
        Some(format!(r#"{{"id":{now_ms},"method":"public/heartbeat","code":0}}"#))
    }

    fn on_text(&self, text: &str, _session: &Session, known: &dyn Fn(&str) -> bool) -> Vec<Action> {
        let request = serde_json::from_str::<Value>(text).unwrap_or_default();
        let (id, method) = (&request["id"], request["method"].as_str().unwrap_or_default());
        if method == "public/respond-heartbeat" && id.is_u64() {
            return vec![Action::Pong];
        }
        let channels = request["params"]["channels"].as_array().into_iter().flatten();
        let answer = |channel: &str| {
            json!({ "id": id, "method": method, "code": 0, "channel": channel }).to_string()
        };
        let on = |channel: &str| match known(channel) {
            true => vec![Action::Reply(answer(channel)), Action::Subscribe(channel.to_owned())],
            false => vec![Action::Fail(refused(id, channel))],
        };
        let off = |channel: &str| {
            vec![Action::Reply(answer(channel)), Action::Unsubscribe(channel.to_owned())]
        };
        let channels = channels.filter_map(Value::as_str);
        match method {
            "subscribe" => channels.flat_map(on).collect(),
            "unsubscribe" => channels.flat_map(off).collect(),
            _ => {
                let told =
                    json!({ "id": id, "method": method, "code": 40_001, "message": "Bad request" });
                vec![Action::Fail(told.to_string())]
            }
        }
    }

    fn refusal(&self, text: &str, _session: &Session) -> String {
        let request = serde_json::from_str::<Value>(text).unwrap_or_default();
        refused(&request["id"], request["params"]["channels"][0].as_str().unwrap_or_default())
    }

    fn number(&self, text: &str, places: usize, out: &mut String) {
        decimal::push_padded(text, places, out);
    }

    /// The frames have no number.
    fn sequence(&self, last: Option<u64>, _symbol: &str) -> u64 {
        last.map_or(1, |last| last + 1)
    }

    fn frame(&self, wire: &WireQuote<'_>, out: &mut String) {
        let texts = wire.texts;
        let is_none = |price: &str| price.bytes().all(|byte| matches!(byte, b'0' | b'.'));
        let value = |price: &str, text: &str| match is_none(price) {
            true => "null".to_owned(),
            false => format!(r#""{text}""#),
        };
        let written = write!(
            out,
            concat!(
                r#"{{"id":-1,"method":"subscribe","code":0,"result":{{"instrument_name":"{}","#,
                r#""subscription":"{}","channel":"ticker","data":[{{"h":"85247.40","l":null,"#,
                r#""a":"84366.49","c":"-0.0051","b":{},"bs":{},"k":{},"ks":{},"i":"{}","#,
                r#""v":"879.5024","vv":"26370000.12","oi":"0","t":{}}}]}}}}"#
            ),
            wire.symbol,
            wire.topic,
            value(&texts.bid, &texts.bid),
            value(&texts.bid, &texts.bid_qty),
            value(&texts.ask, &texts.ask),
            value(&texts.ask, &texts.ask_qty),
            wire.symbol,
            wire.event_ms
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
        let (_, rest) = frame.split_once(r#""subscription":""#)?;
        let (topic, _) = rest.split_once('"')?;
        Some(Recorded { topic: topic.into(), bare: 0..frame.len() })
    }
}
