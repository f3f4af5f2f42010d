//! BingX, spot `bookTicker` and perpetuals `depth5`.
//!
//! This follows BingX's documentation as of 2026-02. Every message is compressed. Every frame is a complete
//! quote without a number. Of the levels of perpetuals there is the best bid, a worse ask and the best ask,
//! in this order. A request has one topic. The server asks with `Ping` on perpetuals and with an id
//! and a time on spot. The simulator spells a topic as the venue does, with any interval.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::decimal;
use crate::rest::RestInstrument;
use crate::venue::{Action, Form, Recorded, Route, Rules, Session, Venue, WireQuote};

/// One of BingX's markets.
#[derive(Debug)]
pub(super) struct Bingx {
    name: &'static str,
    path: &'static str,
    rest_path: &'static str,
    is_spot: bool,
}

/// BingX spot.
pub(super) const SPOT: Bingx = Bingx {
    name: "bingx",
    path: "/market",
    rest_path: "/openApi/spot/v1/common/symbols",
    is_spot: true,
};

/// BingX's perpetuals.
pub(super) const PERPETUAL: Bingx = Bingx {
    name: "bingx-perp",
    path: "/swap-market",
    rest_path: "/openApi/swap/v2/quote/contracts",
    is_spot: false,
};

impl Bingx {
    fn answer(&self, request: &Value, code: u32, told: &str) -> String {
        let id = &request["id"];
        if self.is_spot {
            json!({ "code": code, "id": id, "msg": told, "timestamp": 1_790_000_000_000_u64 })
        } else {
            json!({ "id": id, "code": code, "msg": told, "dataType": "", "data": null })
        }
        .to_string()
    }
}

impl Venue for Bingx {
    fn name(&self) -> &'static str {
        self.name
    }

    fn path(&self) -> &'static str {
        self.path
    }

    fn rules(&self) -> Rules {
        Rules {
            ping_every: Some(Duration::from_secs(5)),
            pong_within: Some(Duration::from_secs(30)),
            ..Rules::default()
        }
    }

    fn symbol(&self, instrument: &str) -> String {
        instrument.replace('/', "-")
    }

    fn rest_path(&self) -> &'static str {
        self.rest_path
    }

    fn instruments(&self, list: &[RestInstrument]) -> String {
        let status = |it: &RestInstrument| if it.is_halted { 25 } else { 1 };
        let pair = |it: &RestInstrument| {
            json!({
                "symbol": it.symbol, "tickSize": it.tick, "stepSize": it.lot,
                "minNotional": it.min_notional(), "status": status(it),
            })
        };
        let contract = |it: &RestInstrument| {
            json!({
                "symbol": it.symbol, "asset": it.base, "currency": it.quote, "size": it.lot,
                "pricePrecision": decimal::places(&it.tick),
                "quantityPrecision": decimal::places(&it.lot), "status": status(it),
            })
        };
        let data = if self.is_spot {
            json!({ "symbols": list.iter().map(pair).collect::<Vec<Value>>() })
        } else {
            list.iter().map(contract).collect::<Vec<Value>>().into()
        };
        json!({ "code": 0, "msg": "", "data": data }).to_string()
    }

    fn topic(&self, symbol: &str) -> String {
        let channel = match (self.is_spot, symbol) {
            (true, _) => "bookTicker",
            (false, "BTC-USDT" | "ETH-USDT") => "depth5@200ms",
            (false, _) => "depth5@500ms",
        };
        format!("{symbol}@{channel}")
    }

    fn route(&self, path: &str, _query: Option<&str>) -> Route {
        if path == self.path {
            Route::Open { combined: false, topics: Vec::new(), without_quotes: false }
        } else {
            Route::NotFound
        }
    }

    fn form(&self) -> Form {
        Form::Gzip
    }

    fn ping(&self, now_ms: u64) -> Option<String> {
        Some(if self.is_spot {
            format!(r#"{{"ping":"{now_ms:032x}","time":"2026-09-21T14:18:20.123+0800"}}"#)
        } else {
            "Ping".to_owned()
        })
    }

    fn on_text(&self, text: &str, _session: &Session, known: &dyn Fn(&str) -> bool) -> Vec<Action> {
        if text == "Pong" && !self.is_spot {
            return vec![Action::Pong];
        }
        let Ok(request) = serde_json::from_str::<Value>(text) else {
            return vec![Action::Fail(self.answer(&Value::Null, 100_400, "bad request"))];
        };
        if request["pong"].is_string() && request["time"].is_string() {
            return vec![Action::Pong];
        }
        let told = if self.is_spot { "SUCCESS" } else { "" };
        let reply = Action::Reply(self.answer(&request, 0, told));
        let topic = request["dataType"].as_str().unwrap_or_default().to_owned();
        match request["reqType"].as_str() {
            Some("sub") if known(&topic) => vec![reply, Action::Subscribe(topic)],
            Some("unsub") => vec![reply, Action::Unsubscribe(topic)],
            Some(_) | None => {
                vec![Action::Fail(self.answer(&request, 80_015, "dataType not support"))]
            }
        }
    }

    fn refusal(&self, text: &str, _session: &Session) -> String {
        let request = serde_json::from_str::<Value>(text).unwrap_or_default();
        self.answer(&request, 80_015, "dataType not support")
    }

    fn number(&self, text: &str, _places: usize, out: &mut String) {
        decimal::push_trimmed(text, out);
    }

    /// The frames have no number.
    fn sequence(&self, last: Option<u64>, _symbol: &str) -> u64 {
        last.map_or(1, |last| last + 1)
    }

    fn frame(&self, wire: &WireQuote<'_>, out: &mut String) {
        let texts = wire.texts;
        let [bid, bid_size, ask, ask_size] =
            [&texts.bid, &texts.bid_qty, &texts.ask, &texts.ask_qty];
        let written = if self.is_spot {
            write!(
                out,
                concat!(
                    r#"{{"code":0,"data":{{"A":"{}","B":"{}","E":{},"a":"{}","b":"{}","#,
                    r#""e":"bookTicker","s":"{}"}},"dataType":"{}","success":true}}"#
                ),
                ask_size, bid_size, wire.event_ms, ask, bid, wire.symbol, wire.topic
            )
        } else {
            // Asks are listed up to the best.
            let bids = match bid.as_str() {
                "0" => String::new(),
                _ => format!(r#"["{bid}","{bid_size}"]"#),
            };
            let asks = match ask.as_str() {
                "0" => String::new(),
                _ => format!(r#"["9{ask}","{ask_size}"],["{ask}","{ask_size}"]"#),
            };
            write!(
                out,
                r#"{{"code":0,"dataType":"{}","ts":{},"data":{{"bids":[{bids}],"asks":[{asks}]}}}}"#,
                wire.topic, wire.event_ms
            )
        };
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
    }

    fn combined(&self, _topic: &str, _bare: &str) -> Option<String> {
        None
    }

    fn shutdown(&self, _now_ms: u64) -> Option<String> {
        None
    }

    fn recorded<'a>(&self, frame: &'a str) -> Option<Recorded<'a>> {
        let (_, rest) = frame.split_once(r#""dataType":""#)?;
        let (topic, _) = rest.split_once('"')?;
        Some(Recorded { topic: topic.into(), bare: 0..frame.len() })
    }
}
