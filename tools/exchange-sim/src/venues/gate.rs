//! Gate v4, channels `spot.book_ticker` and `futures.book_ticker`.
//!
//! This follows Gate's documentation as of 2026-05-27 and a client that sent `X-Gate-Size-Decimal: 1`:
//! sizes are strings. Every frame is a complete quote; none is sent on subscription. `u` grows by more
//! than 1. A request is taken or refused as a whole. Sizes of perpetuals are contracts of one lot. The
//! simulator spells a topic as the symbol.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::rest::RestInstrument;
use crate::venue::{Action, Recorded, Route, Rules, Session, Venue, WireQuote};
use crate::{decimal, sequence};

/// One of Gate's markets.
#[derive(Debug)]
pub(super) struct Gate {
    name: &'static str,
    path: &'static str,
    rest_path: &'static str,
    /// `spot` or `futures`, before the names of channels.
    prefix: &'static str,
}

/// Gate spot.
pub(super) const SPOT: Gate = Gate {
    name: "gate",
    path: "/ws/v4/",
    rest_path: "/api/v4/spot/currency_pairs",
    prefix: "spot",
};

/// Gate's perpetuals that settle in USDT.
pub(super) const PERPETUAL: Gate = Gate {
    name: "gate-perp",
    path: "/v4/ws/usdt",
    rest_path: "/api/v4/futures/usdt/contracts",
    prefix: "futures",
};

impl Gate {
    fn is_spot(&self) -> bool {
        self.prefix == "spot"
    }

    /// Returns the answer to a request, with `error` or none.
    fn answer(&self, request: &Value, error: Option<&str>) -> String {
        let mut answer = json!({
            "time": request["time"], "time_ms": 0, "channel": request["channel"],
            "event": request["event"], "payload": request["payload"],
            "result": { "status": if error.is_some() { "fail" } else { "success" } },
        });
        if let Some(id) = request.get("id") {
            answer["id"] = id.clone();
        }
        if let Some(message) = error {
            answer["error"] = json!({ "code": 2, "message": message });
        }
        answer.to_string()
    }

    fn unknown(&self, symbol: &str) -> String {
        let what = if self.is_spot() { "currency pair:" } else { "contract" };
        format!("unknown {what} {symbol}")
    }
}

impl Venue for Gate {
    fn name(&self) -> &'static str {
        self.name
    }

    fn path(&self) -> &'static str {
        self.path
    }

    fn rules(&self) -> Rules {
        Rules { idle_close: Some(Duration::from_secs(30)), ..Rules::default() }
    }

    fn symbol(&self, instrument: &str) -> String {
        instrument.replace('/', "_")
    }

    fn rest_path(&self) -> &'static str {
        self.rest_path
    }

    fn instruments(&self, list: &[RestInstrument]) -> String {
        let pair = |it: &RestInstrument| {
            json!({
                "id": it.symbol, "base": it.base, "quote": it.quote, "fee": "0.1",
                "precision": places(&it.tick), "amount_precision": places(&it.lot),
                "min_quote_amount": it.min_notional(),
                "trade_status": if it.is_halted { "untradable" } else { "tradable" },
            })
        };
        let contract = |it: &RestInstrument| {
            json!({
                "name": it.symbol, "type": "direct", "quanto_multiplier": it.lot,
                "order_price_round": it.tick, "order_size_min": 1, "enable_decimal": false,
                "in_delisting": false,
                "status": if it.is_halted { "delisted" } else { "trading" },
            })
        };
        let rows: Vec<Value> = if self.is_spot() {
            list.iter().map(pair).collect()
        } else {
            list.iter().map(contract).collect()
        };
        Value::from(rows).to_string()
    }

    fn topic(&self, symbol: &str) -> String {
        symbol.to_owned()
    }

    fn route(&self, path: &str, _query: Option<&str>) -> Route {
        if path == self.path {
            Route::Open { combined: false, topics: Vec::new(), without_quotes: false }
        } else {
            Route::NotFound
        }
    }

    fn on_text(&self, text: &str, _session: &Session, known: &dyn Fn(&str) -> bool) -> Vec<Action> {
        let fail = |request: &Value, why: &str| vec![Action::Fail(self.answer(request, Some(why)))];
        let Ok(request) = serde_json::from_str::<Value>(text) else {
            return fail(&Value::Null, "invalid request");
        };
        let channel = request["channel"].as_str().unwrap_or_default();
        let Some(channel) = channel.strip_prefix(self.prefix) else {
            return fail(&request, "unknown channel");
        };
        // The venue refuses requests whose time is absent or wrong.
        if request["time"].as_u64().is_none() {
            return fail(&request, "request payload does not follow json schema");
        }
        if channel == ".ping" {
            let pong = json!({
                "time": request["time"], "channel": format!("{}.pong", self.prefix), "event": "",
                "result": null,
            });
            return vec![Action::Heartbeat(pong.to_string())];
        }
        let payload = request["payload"].as_array().map_or(&[][..], Vec::as_slice);
        let symbols: Vec<&str> = payload.iter().filter_map(Value::as_str).collect();
        if channel != ".book_ticker" || symbols.is_empty() {
            return fail(&request, "request payload does not follow json schema");
        }
        if let Some(unknown) = symbols.iter().find(|symbol| !known(symbol)) {
            return fail(&request, &self.unknown(unknown));
        }
        let act = match request["event"].as_str() {
            Some("subscribe") => Action::Subscribe,
            Some("unsubscribe") => Action::Unsubscribe,
            Some(_) | None => return fail(&request, "unknown event"),
        };
        let reply = Action::Reply(self.answer(&request, None));
        let topics = symbols.into_iter().map(|symbol| act(symbol.to_owned()));
        std::iter::once(reply).chain(topics).collect()
    }

    fn refusal(&self, text: &str, _session: &Session) -> String {
        let request = serde_json::from_str::<Value>(text).unwrap_or_default();
        let symbol = request["payload"][0].as_str().unwrap_or_default();
        self.answer(&request, Some(&self.unknown(symbol)))
    }

    fn number(&self, text: &str, _places: usize, out: &mut String) {
        decimal::push_trimmed(text, out);
    }

    fn size(&self, text: &str, places: usize, out: &mut String) {
        if self.is_spot() {
            decimal::push_trimmed(text, out);
        } else {
            decimal::push_shifted(text, places, out);
        }
    }

    fn sequence(&self, last: Option<u64>, symbol: &str) -> u64 {
        last.map_or_else(
            || 40_000_000_000 + sequence::scattered(symbol, 900_000_000),
            sequence::with_gaps,
        )
    }

    fn frame(&self, wire: &WireQuote<'_>, out: &mut String) {
        let texts = wire.texts;
        let price = |px: &str| if px == "0" { String::new() } else { px.to_owned() };
        let size = |px: &str, sz: &str| if px == "0" { "0".to_owned() } else { sz.to_owned() };
        let is_bare = texts.bid == "0" && texts.ask == "0";
        let (time, number) = if is_bare { (0, 0) } else { (wire.event_ms, wire.sequence) };
        let written = write!(
            out,
            concat!(
                r#"{{"time":{},"time_ms":{},"channel":"{}.book_ticker","event":"update","#,
                r#""result":{{"t":{},"u":{},"s":"{}","b":"{}","B":"{}","a":"{}","A":"{}"}}}}"#
            ),
            wire.push_ms / 1000,
            wire.push_ms,
            self.prefix,
            time,
            number,
            wire.symbol,
            price(&texts.bid),
            size(&texts.bid, &texts.bid_qty),
            price(&texts.ask),
            size(&texts.ask, &texts.ask_qty),
        );
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
    }

    fn combined(&self, _topic: &str, _bare: &str) -> Option<String> {
        None
    }

    fn shutdown(&self, now_ms: u64) -> Option<String> {
        let notice = json!({
            "time": now_ms / 1000, "time_ms": now_ms, "channel": format!("{}.system", self.prefix),
            "event": "update",
            "result": {
                "type": "upgrade",
                "msg": "The connection will soon be closed for a service upgrade. Please reconnect.",
            },
        });
        Some(notice.to_string())
    }

    fn recorded<'a>(&self, frame: &'a str) -> Option<Recorded<'a>> {
        let (_, rest) = frame.split_once(r#""s":""#)?;
        let (symbol, _) = rest.split_once('"')?;
        Some(Recorded { topic: symbol.into(), bare: 0..frame.len() })
    }
}

/// Returns the number of digits after the point of a step such as 0.01. Scripted steps may be no such
/// numbers, and are sent as they are written.
fn places(step: &str) -> Value {
    let digits =
        |fraction: &str| fraction.strip_suffix('1')?.bytes().all(|b| b == b'0').then_some(());
    match step.split_once('.') {
        Some(("0", fraction)) if digits(fraction).is_some() => fraction.len().into(),
        None if step == "1" => 0.into(),
        Some(_) | None => step.into(),
    }
}
