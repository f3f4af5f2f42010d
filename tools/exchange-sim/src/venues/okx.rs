//! OKX v5 spot and linear swaps, channel `bbo-tbt`.
//!
//! This follows OKX's documentation as of 2026-07-07. Every frame is a complete quote: one when a
//! client subscribes, one at each change, and the last one again after 60 s of silence. `seqId`
//! grows by more than 1. Each arg of a request gets an acknowledgement or an error. Heartbeats are
//! the bare texts `ping` and `pong`. The simulator spells a topic `channel:instId`.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::rest::RestInstrument;
use crate::venue::{Action, Recorded, Route, Rules, Session, Venue, WireQuote};
use crate::{decimal, sequence};

const CHANNEL: &str = "bbo-tbt";

/// One of OKX's markets.
#[derive(Debug)]
pub(super) struct Okx {
    name: &'static str,
    is_spot: bool,
}

/// OKX spot.
pub(super) const SPOT: Okx = Okx { name: "okx", is_spot: true };

/// OKX's linear swaps. Their contracts are of one lot.
pub(super) const SWAP: Okx = Okx { name: "okx-swap", is_spot: false };

impl Venue for Okx {
    fn name(&self) -> &'static str {
        self.name
    }

    fn path(&self) -> &'static str {
        "/ws/v5/public"
    }

    fn rules(&self) -> Rules {
        Rules {
            idle_close: Some(Duration::from_secs(30)),
            repeat_after: Some(Duration::from_secs(60)),
            snapshot: true,
            ..Rules::default()
        }
    }

    fn symbol(&self, instrument: &str) -> String {
        let pair = instrument.replace('/', "-");
        if self.is_spot { pair } else { format!("{pair}-SWAP") }
    }

    fn rest_path(&self) -> &'static str {
        "/api/v5/public/instruments"
    }

    fn instruments(&self, list: &[RestInstrument]) -> String {
        let row = |it: &RestInstrument| {
            json!({
                "instType": "SPOT", "instId": it.symbol, "baseCcy": it.base, "quoteCcy": it.quote,
                "instIdCode": it.code, "tickSz": it.tick, "lotSz": it.lot, "minSz": it.lot,
                "upcChg": [],
                "state": if it.is_halted { "suspend" } else { "live" },
            })
        };
        let swap = |it: &RestInstrument| {
            json!({
                "instType": "SWAP", "instId": it.symbol, "baseCcy": "", "quoteCcy": "",
                "uly": format!("{}-{}", it.base, it.quote), "settleCcy": it.quote,
                "ctType": "linear", "ctVal": it.lot, "ctMult": "1", "ctValCcy": it.base,
                "instIdCode": it.code, "tickSz": it.tick, "lotSz": "1", "minSz": "1", "upcChg": [],
                "state": if it.is_halted { "suspend" } else { "live" },
            })
        };
        let rows: Vec<Value> = if self.is_spot {
            list.iter().map(row).collect()
        } else {
            list.iter().map(swap).collect()
        };
        json!({ "code": "0", "msg": "", "data": rows }).to_string()
    }

    fn topic(&self, symbol: &str) -> String {
        format!("{CHANNEL}:{symbol}")
    }

    /// Only `/public` serves quotes. On the venue's other paths, every channel of quotes is error
    /// 60018.
    fn route(&self, path: &str, _query: Option<&str>) -> Route {
        match path.strip_prefix("/ws/v5/") {
            Some("public") => {
                Route::Open { combined: false, topics: Vec::new(), without_quotes: false }
            }
            Some("business" | "private") => {
                Route::Open { combined: false, topics: Vec::new(), without_quotes: true }
            }
            Some(_) | None => Route::NotFound,
        }
    }

    fn on_text(&self, text: &str, session: &Session, known: &dyn Fn(&str) -> bool) -> Vec<Action> {
        if text == "ping" {
            return vec![Action::Heartbeat("pong".to_owned())];
        }
        let invalid = || {
            let message = format!("Invalid request: {text}");
            vec![Action::Fail(error("60012", &message, session, None))]
        };
        let Ok(request) = serde_json::from_str::<Value>(text) else { return invalid() };
        let id = request.get("id").and_then(Value::as_str);
        let Some(op) = request.get("op").and_then(Value::as_str) else { return invalid() };
        if op != "subscribe" && op != "unsubscribe" {
            let message = format!("Invalid OP: {op}");
            return vec![Action::Fail(error("60019", &message, session, id))];
        }
        let Some(args) = request.get("args").and_then(Value::as_array) else { return invalid() };
        args.iter().flat_map(|arg| one_arg(op, arg, id, session, known)).collect()
    }

    fn refusal(&self, text: &str, session: &Session) -> String {
        let request = serde_json::from_str::<Value>(text).unwrap_or_default();
        let id = request.get("id").and_then(Value::as_str);
        let arg = request.get("args").and_then(|args| args.get(0)).cloned().unwrap_or_default();
        let (channel, symbol) = parts(&arg);
        error("60018", &unknown(channel, symbol), session, id)
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
            || 26_000_000_000 + sequence::scattered(symbol, 900_000_000),
            sequence::with_gaps,
        )
    }

    fn frame(&self, wire: &WireQuote<'_>, out: &mut String) {
        let texts = wire.texts;
        let [bids, asks] = wire.orders;
        let [bids, asks] =
            [level(&texts.bid, &texts.bid_qty, bids), level(&texts.ask, &texts.ask_qty, asks)];
        let written = write!(
            out,
            concat!(
                r#"{{"arg":{{"channel":"bbo-tbt","instId":"{}"}},"data":[{{"#,
                r#""asks":{},"bids":{},"#,
                r#""ts":"{}","seqId":{}}}]}}"#
            ),
            wire.symbol, asks, bids, wire.event_ms, wire.sequence
        );
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
    }

    fn combined(&self, _topic: &str, _bare: &str) -> Option<String> {
        None
    }

    fn shutdown(&self, _now_ms: u64) -> Option<String> {
        let notice = r#"{"event":"notice","code":"64008","msg":"The connection will soon be closed for a service upgrade. Please reconnect.","connId":"a4d3ae55"}"#;
        Some(notice.to_owned())
    }

    fn recorded<'a>(&self, frame: &'a str) -> Option<Recorded<'a>> {
        let (_, rest) = frame.split_once(r#""channel":""#)?;
        let (channel, rest) = rest.split_once('"')?;
        let (_, rest) = rest.split_once(r#""instId":""#)?;
        let (symbol, _) = rest.split_once('"')?;
        Some(Recorded { topic: format!("{channel}:{symbol}").into(), bare: 0..frame.len() })
    }
}

/// Returns one side of the book: a level, or nothing if there is no price.
fn level(px: &str, sz: &str, orders: u64) -> String {
    if px == "0" { "[]".to_owned() } else { format!(r#"[["{px}","{sz}","0","{orders}"]]"#) }
}

/// Returns the answer to one arg of a request.
fn one_arg(
    op: &str,
    arg: &Value,
    id: Option<&str>,
    session: &Session,
    known: &dyn Fn(&str) -> bool,
) -> Vec<Action> {
    let (channel, symbol) = parts(arg);
    let topic = format!("{channel}:{symbol}");
    if session.without_quotes || !known(&topic) {
        return vec![Action::Fail(error("60018", &unknown(channel, symbol), session, id))];
    }
    let echo = format!(
        r#"{{{}"event":"{op}","arg":{{"channel":"{channel}","instId":"{symbol}"}},"connId":"{}"}}"#,
        id_part(id),
        session.id
    );
    let act = if op == "subscribe" { Action::Subscribe(topic) } else { Action::Unsubscribe(topic) };
    vec![Action::Reply(echo), act]
}

/// Returns the channel and the symbol of an arg.
fn parts(arg: &Value) -> (&str, &str) {
    let part = |key| arg.get(key).and_then(Value::as_str).unwrap_or_default();
    (part("channel"), part("instId"))
}

/// Returns the venue's message about a channel or symbol that does not exist.
fn unknown(channel: &str, symbol: &str) -> String {
    format!(
        "Wrong URL or channel:{channel},instId:{symbol} doesn't exist. \
         Please use the correct URL, channel and parameters referring to API document."
    )
}

fn error(code: &str, message: &str, session: &Session, id: Option<&str>) -> String {
    format!(
        r#"{{{}"event":"error","msg":{},"code":"{code}","connId":"{}"}}"#,
        id_part(id),
        Value::from(message),
        session.id
    )
}

fn id_part(id: Option<&str>) -> String {
    id.map_or_else(String::new, |id| format!(r#""id":{},"#, Value::from(id)))
}
