//! HTX, topic `market.<symbol>.bbo`, spot and USDT-margined swaps.
//!
//! This follows HTX's documentation as of 2026-03. Every message is compressed. Every frame is a complete
//! quote; numbers are JSON numbers. Sequence numbers grow by more than 1. A request has one topic. The
//! server sends `ping` every 5 s and closes a connection that does not answer for 20 s. Sizes of swaps are
//! contracts of one lot.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::rest::RestInstrument;
use crate::venue::{Action, Form, Recorded, Route, Rules, Session, Venue, WireQuote};
use crate::{decimal, sequence};

/// One of HTX's markets.
#[derive(Debug)]
pub(super) struct Htx {
    name: &'static str,
    path: &'static str,
    rest_path: &'static str,
    is_spot: bool,
}

/// HTX spot.
pub(super) const SPOT: Htx =
    Htx { name: "htx", path: "/ws", rest_path: "/v1/common/symbols", is_spot: true };

/// HTX's swaps that settle in USDT.
pub(super) const PERPETUAL: Htx = Htx {
    name: "htx-perp",
    path: "/linear-swap-ws",
    rest_path: "/linear-swap-api/v1/swap_contract_info",
    is_spot: false,
};

const TIME_MS: u64 = 1_790_000_000_000;

fn refused(request: &Value, message: &str) -> String {
    json!({
        "status": "error", "ts": TIME_MS, "id": request["id"], "err-code": "bad-request",
        "err-msg": message,
    })
    .to_string()
}

impl Venue for Htx {
    fn name(&self) -> &'static str {
        self.name
    }

    fn path(&self) -> &'static str {
        self.path
    }

    fn rules(&self) -> Rules {
        Rules {
            ping_every: Some(Duration::from_secs(5)),
            pong_within: Some(Duration::from_secs(20)),
            ..Rules::default()
        }
    }

    fn symbol(&self, instrument: &str) -> String {
        if self.is_spot {
            instrument.replace('/', "").to_lowercase()
        } else {
            instrument.replace('/', "-")
        }
    }

    fn rest_path(&self) -> &'static str {
        self.rest_path
    }

    fn instruments(&self, list: &[RestInstrument]) -> String {
        let pair = |it: &RestInstrument| {
            json!({
                "symbol": it.symbol, "base-currency": it.base.to_lowercase(),
                "quote-currency": it.quote.to_lowercase(),
                "price-precision": decimal::places(&it.tick),
                "amount-precision": decimal::places(&it.lot),
                "state": if it.is_halted { "suspend" } else { "online" },
            })
        };
        let contract = |it: &RestInstrument| {
            json!({
                "symbol": it.base, "contract_code": it.symbol, "contract_size": it.lot,
                "price_tick": it.tick, "contract_status": if it.is_halted { 3 } else { 1 },
                "contract_type": "swap", "business_type": "swap", "pair": it.symbol,
            })
        };
        let rows: Vec<Value> = if self.is_spot {
            list.iter().map(pair).collect()
        } else {
            list.iter().map(contract).collect()
        };
        json!({ "status": "ok", "data": rows, "ts": TIME_MS }).to_string()
    }

    fn topic(&self, symbol: &str) -> String {
        format!("market.{symbol}.bbo")
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
        Some(format!(r#"{{"ping":{now_ms}}}"#))
    }

    fn on_text(&self, text: &str, _session: &Session, known: &dyn Fn(&str) -> bool) -> Vec<Action> {
        let Ok(request) = serde_json::from_str::<Value>(text) else {
            return vec![Action::Fail(refused(&Value::Null, "not json, is not json string"))];
        };
        if request["pong"].is_u64() {
            return vec![Action::Pong];
        }
        let topic = |verb: &str| request[verb].as_str();
        let answer = |verb: &str, topic: &str| {
            let answer = json!({ "id": request["id"], "status": "ok", verb: topic, "ts": TIME_MS });
            Action::Reply(answer.to_string())
        };
        match (topic("sub"), topic("unsub")) {
            (Some(topic), _) if known(topic) => {
                vec![answer("subbed", topic), Action::Subscribe(topic.to_owned())]
            }
            (None, Some(topic)) => {
                vec![answer("unsubbed", topic), Action::Unsubscribe(topic.to_owned())]
            }
            (Some(topic), _) => {
                vec![Action::Fail(refused(&request, &format!("invalid topic {topic}")))]
            }
            (None, None) => vec![Action::Fail(refused(&request, "bad request"))],
        }
    }

    fn refusal(&self, text: &str, _session: &Session) -> String {
        let request = serde_json::from_str::<Value>(text).unwrap_or_default();
        let topic = request["sub"].as_str().unwrap_or_default();
        refused(&request, &format!("invalid topic {topic}"))
    }

    fn number(&self, text: &str, _places: usize, out: &mut String) {
        decimal::push_trimmed(text, out);
    }

    fn size(&self, text: &str, places: usize, out: &mut String) {
        if self.is_spot {
            decimal::push_trimmed(text, out);
        } else {
            decimal::push_shifted(text, places, out);
        }
    }

    fn sequence(&self, last: Option<u64>, symbol: &str) -> u64 {
        last.map_or_else(
            || 155_000_000_000 + sequence::scattered(symbol, 900_000_000),
            sequence::with_gaps,
        )
    }

    fn frame(&self, wire: &WireQuote<'_>, out: &mut String) {
        let (texts, topic, number, time) = (wire.texts, wire.topic, wire.sequence, wire.event_ms);
        let [bid, bid_size, ask, ask_size] =
            [&texts.bid, &texts.bid_qty, &texts.ask, &texts.ask_qty];
        let tick = if self.is_spot {
            format!(
                r#""seqId":{number},"ask":{ask},"askSize":{ask_size},"bid":{bid},"bidSize":{bid_size},"quoteTime":{time},"symbol":"{}""#,
                wire.symbol
            )
        } else {
            let side = |name: &str, px: &str, sz: &str| match px {
                "0" => String::new(),
                _ => format!(r#""{name}":[{px},{sz}],"#),
            };
            format!(
                r#""mrid":{number},"id":{},{}{}"ts":{time},"version":{number},"ch":"{topic}""#,
                time / 1000,
                side("bid", bid, bid_size),
                side("ask", ask, ask_size),
            )
        };
        let written = write!(out, r#"{{"ch":"{topic}","ts":{},"tick":{{{tick}}}}}"#, wire.push_ms);
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
    }

    fn combined(&self, _topic: &str, _bare: &str) -> Option<String> {
        None
    }

    fn shutdown(&self, _now_ms: u64) -> Option<String> {
        None
    }

    fn recorded<'a>(&self, frame: &'a str) -> Option<Recorded<'a>> {
        let (_, rest) = frame.split_once(r#""ch":""#)?;
        let (topic, _) = rest.split_once('"')?;
        Some(Recorded { topic: topic.into(), bare: 0..frame.len() })
    }
}
