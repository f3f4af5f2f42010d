//! Bitget v3, topic `books1`, spot and USDT perpetuals.
//!
//! This follows Bitget's documentation as of 2026-09. Every frame is a complete quote; sizes are in
//! base units. `seq` grows by more than 1. Each arg of a request is answered by itself. Heartbeats are
//! the bare texts `ping` and `pong`. The simulator spells a topic as the symbol.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::rest::RestInstrument;
use crate::venue::{Action, Recorded, Route, Rules, Session, Venue, WireQuote};
use crate::{decimal, sequence};

const PATH: &str = "/v3/ws/public";

/// Greatest number of args in a request.
const ARGS_MAX: usize = 20;

/// One of Bitget's markets.
#[derive(Debug)]
pub(super) struct Bitget {
    name: &'static str,
    rest_path: &'static str,
    /// The venue's name of the market.
    inst_type: &'static str,
}

/// Bitget spot.
pub(super) const SPOT: Bitget =
    Bitget { name: "bitget", rest_path: "/api/v2/spot/public/symbols", inst_type: "spot" };

/// Bitget's perpetuals that settle in USDT.
pub(super) const PERPETUAL: Bitget = Bitget {
    name: "bitget-perp",
    rest_path: "/api/v2/mix/market/contracts",
    inst_type: "usdt-futures",
};

impl Bitget {
    fn error(&self, arg: &Value, code: u32, message: &str) -> String {
        json!({ "event": "error", "arg": arg, "code": code, "msg": message }).to_string()
    }

    fn one_arg(&self, op: &str, arg: &Value, known: &dyn Fn(&str) -> bool) -> Vec<Action> {
        let symbol = arg["symbol"].as_str().unwrap_or_default();
        let is_ours = arg["instType"] == self.inst_type && arg["topic"] == "books1";
        if !is_ours || !known(symbol) {
            let message =
                format!("instType:{},topic:books1,symbol:{symbol} doesn't exist", self.inst_type);
            return vec![Action::Fail(self.error(arg, 30_001, &message))];
        }
        let act = if op == "subscribe" { Action::Subscribe } else { Action::Unsubscribe };
        let reply = json!({ "event": op, "arg": arg, "connId": "1f2e3d4c" }).to_string();
        vec![Action::Reply(reply), act(symbol.to_owned())]
    }
}

impl Venue for Bitget {
    fn name(&self) -> &'static str {
        self.name
    }

    fn path(&self) -> &'static str {
        PATH
    }

    fn rules(&self) -> Rules {
        Rules {
            idle_close: Some(Duration::from_secs(120)),
            inbound_per_second: Some(10),
            ..Rules::default()
        }
    }

    fn symbol(&self, instrument: &str) -> String {
        instrument.replace('/', "")
    }

    fn rest_path(&self) -> &'static str {
        self.rest_path
    }

    fn instruments(&self, list: &[RestInstrument]) -> String {
        let pair = |it: &RestInstrument| {
            json!({
                "symbol": it.symbol, "baseCoin": it.base, "quoteCoin": it.quote,
                "pricePrecision": places(&it.tick), "quantityPrecision": places(&it.lot),
                "minTradeUSDT": it.min_notional(),
                "status": if it.is_halted { "halt" } else { "online" },
            })
        };
        let contract = |it: &RestInstrument| {
            json!({
                "symbol": it.symbol, "baseCoin": it.base, "quoteCoin": it.quote,
                "supportMarginCoins": [it.quote], "symbolType": "perpetual",
                "pricePlace": places(&it.tick), "priceEndStep": "1", "sizeMultiplier": it.lot,
                "minTradeUSDT": it.min_notional(),
                "symbolStatus": if it.is_halted { "maintain" } else { "normal" },
            })
        };
        let rows: Vec<Value> = if self.inst_type == "spot" {
            list.iter().map(pair).collect()
        } else {
            list.iter().map(contract).collect()
        };
        json!({ "code": "00000", "msg": "success", "data": rows }).to_string()
    }

    fn topic(&self, symbol: &str) -> String {
        symbol.to_owned()
    }

    fn route(&self, path: &str, _query: Option<&str>) -> Route {
        if path == PATH {
            Route::Open { combined: false, topics: Vec::new(), without_quotes: false }
        } else {
            Route::NotFound
        }
    }

    fn on_text(&self, text: &str, _session: &Session, known: &dyn Fn(&str) -> bool) -> Vec<Action> {
        if text == "ping" {
            return vec![Action::Heartbeat("pong".to_owned())];
        }
        let wrong = || vec![Action::Fail(self.error(&Value::Null, 30_016, "Param error"))];
        let Ok(request) = serde_json::from_str::<Value>(text) else { return wrong() };
        let args = request["args"].as_array().map_or(&[][..], Vec::as_slice);
        match request["op"].as_str() {
            Some(op @ ("subscribe" | "unsubscribe"))
                if !args.is_empty() && args.len() <= ARGS_MAX =>
            {
                args.iter().flat_map(|arg| self.one_arg(op, arg, known)).collect()
            }
            Some(_) | None => wrong(),
        }
    }

    fn refusal(&self, text: &str, _session: &Session) -> String {
        let request = serde_json::from_str::<Value>(text).unwrap_or_default();
        self.error(&request["args"][0], 30_001, "doesn't exist")
    }

    fn number(&self, text: &str, _places: usize, out: &mut String) {
        decimal::push_trimmed(text, out);
    }

    fn sequence(&self, last: Option<u64>, symbol: &str) -> u64 {
        last.map_or_else(
            || 1_304_314_000_000_000_000 + sequence::scattered(symbol, 900_000_000),
            sequence::with_gaps,
        )
    }

    fn frame(&self, wire: &WireQuote<'_>, out: &mut String) {
        let level = |px: &str, sz: &str| match px {
            "0" => "[]".to_owned(),
            _ => format!(r#"[["{px}","{sz}"]]"#),
        };
        let texts = wire.texts;
        let written = write!(
            out,
            concat!(
                r#"{{"action":"snapshot","arg":{{"instType":"{}","topic":"books1","symbol":"{}"}},"#,
                r#""data":[{{"a":{},"b":{},"seq":{},"pseq":0,"ts":"{}"}}],"ts":{}}}"#
            ),
            self.inst_type,
            wire.symbol,
            level(&texts.ask, &texts.ask_qty),
            level(&texts.bid, &texts.bid_qty),
            wire.sequence,
            wire.event_ms,
            wire.push_ms,
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
        let (_, rest) = frame.split_once(r#""symbol":""#)?;
        let (symbol, _) = rest.split_once('"')?;
        Some(Recorded { topic: symbol.into(), bare: 0..frame.len() })
    }
}

/// Returns the number of digits after the point of a step, as text.
fn places(step: &str) -> String {
    let digits = step.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    digits.to_string()
}
