//! Binance spot, `<symbol>@bookTicker`, and the request grammar it shares with USD-M.
//!
//! Written after `web-socket-streams.md` of binance/binance-spot-api-docs as of 2026-07-21. Every
//! frame is a complete quote; nothing is sent upon subscribing; `u` only grows. A well-formed
//! stream of a symbol that does not exist is acknowledged and stays silent.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;

use super::{Action, Manners, Recorded, Route, Session, Venue, Wire};
use crate::decimal;

/// Streams one connection may subscribe.
const STREAMS_MAX: usize = 1024;

/// Spot pads prices and sizes to this many decimals.
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

    fn manners(&self) -> Manners {
        Manners {
            ping_every: Some(Duration::from_secs(20)),
            pong_within: Some(Duration::from_secs(60)),
            inbound_per_second: Some(5),
            ..Manners::default()
        }
    }

    fn symbol(&self, instrument: &str) -> String {
        instrument.replace('/', "")
    }

    fn topic(&self, symbol: &str) -> String {
        stream(symbol)
    }

    fn route(&self, path: &str, query: Option<&str>) -> Route {
        route(path, query)
    }

    fn on_text(&self, text: &str, session: &Session, _known: &dyn Fn(&str) -> bool) -> Vec<Action> {
        on_text(text, session)
    }

    fn refusal(&self, text: &str, _session: &Session) -> String {
        refusal(text)
    }

    fn number(&self, text: &str, _places: usize, out: &mut String) {
        decimal::push_padded(text, PLACES, out);
    }

    fn sequence(&self, last: Option<u64>, symbol: &str) -> u64 {
        last.map_or_else(
            || 50_093_000_000 + super::scattered(symbol, 900_000_000),
            super::with_gaps,
        )
    }

    fn frame(&self, wire: &Wire<'_>, out: &mut String) {
        let texts = wire.texts;
        let written = write!(
            out,
            r#"{{"u":{},"s":"{}","b":"{}","B":"{}","a":"{}","A":"{}"}}"#,
            wire.sequence, wire.symbol, texts.bid, texts.bid_qty, texts.ask, texts.ask_qty
        );
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
    }

    fn combined(&self, topic: &str, bare: &str) -> Option<String> {
        Some(combined(topic, bare))
    }

    fn recorded<'a>(&self, frame: &'a str) -> Option<Recorded<'a>> {
        recorded(frame)
    }
}

/// The stream of a symbol's quotes.
pub(super) fn stream(symbol: &str) -> String {
    format!("{}@bookTicker", symbol.to_lowercase())
}

/// A frame wrapped with its stream's name.
pub(super) fn combined(topic: &str, bare: &str) -> String {
    format!(r#"{{"stream":"{topic}","data":{bare}}}"#)
}

/// `/ws`, `/ws/<stream>[/<stream>...]`, `/stream`, `/stream?streams=<stream>[/<stream>...]`.
pub(super) fn route(path: &str, query: Option<&str>) -> Route {
    let split = |list: &str| {
        list.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    if path == "/stream" || path == "/stream/" {
        let streams = query
            .and_then(|query| query.split('&').find_map(|part| part.strip_prefix("streams=")))
            .unwrap_or_default();
        return Route::Open { combined: true, topics: split(streams), barren: false };
    }
    match path.strip_prefix("/ws") {
        Some("") => Route::Open { combined: false, topics: Vec::new(), barren: false },
        Some(rest) if rest.starts_with('/') => {
            Route::Open { combined: false, topics: split(rest), barren: false }
        }
        Some(_) | None => Route::NotFound,
    }
}

/// Answers `SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY` and `GET_PROPERTY`.
pub(super) fn on_text(text: &str, session: &Session) -> Vec<Action> {
    let request: Value = match serde_json::from_str(text) {
        Ok(request) => request,
        Err(problem) => {
            return vec![Action::Fail(error(3, &format!("Invalid JSON: {problem}"), None))];
        }
    };
    let id = request.get("id").cloned().unwrap_or(Value::Null);
    let fail = |code, message: &str| vec![Action::Fail(error(code, message, Some(&id)))];
    let done = |result: &str| Action::Reply(format!(r#"{{"result":{result},"id":{id}}}"#));
    match request.get("method").and_then(Value::as_str) {
        Some(method @ ("SUBSCRIBE" | "UNSUBSCRIBE")) => match streams(&request) {
            Ok(streams) if method == "SUBSCRIBE" => {
                if STREAMS_MAX < session.topics.len() + streams.len() {
                    return fail(2, "Invalid request: too many parameters");
                }
                let mut actions = vec![done("null")];
                actions.extend(streams.into_iter().map(Action::Subscribe));
                actions
            }
            Ok(streams) => {
                let mut actions: Vec<_> = streams.into_iter().map(Action::Unsubscribe).collect();
                actions.push(done("null"));
                actions
            }
            Err(message) => fail(2, message),
        },
        Some("LIST_SUBSCRIPTIONS") => vec![done(&Value::from(session.topics.clone()).to_string())],
        Some("SET_PROPERTY") => match request.get("params").and_then(Value::as_array) {
            Some(params) => match params.as_slice() {
                [Value::String(name), Value::Bool(on)] if name == "combined" => {
                    vec![Action::Combine(*on), done("null")]
                }
                [Value::String(_), Value::Bool(_)] => fail(0, "Unknown property"),
                _ => fail(1, "Invalid value type: expected Boolean"),
            },
            None => fail(2, "Invalid request: property must be an array"),
        },
        Some("GET_PROPERTY") => vec![done(if session.combined { "true" } else { "false" })],
        Some(_) => fail(2, "Invalid request: unknown method"),
        None => fail(2, "Invalid request: missing field `method`"),
    }
}

/// The error reply to a request that a fault refuses.
pub(super) fn refusal(text: &str) -> String {
    let id = serde_json::from_str::<Value>(text).ok().and_then(|value| value.get("id").cloned());
    error(2, "Invalid request: refused by a scripted fault", Some(&id.unwrap_or(Value::Null)))
}

fn error(code: u32, message: &str, id: Option<&Value>) -> String {
    let message = Value::from(message);
    id.map_or_else(
        || format!(r#"{{"error":{{"code":{code},"msg":{message}}}}}"#),
        |id| format!(r#"{{"error":{{"code":{code},"msg":{message}}},"id":{id}}}"#),
    )
}

fn streams(request: &Value) -> Result<Vec<String>, &'static str> {
    let params = request.get("params").and_then(Value::as_array);
    params
        .ok_or("Invalid request: streams must be an array")?
        .iter()
        .map(|name| name.as_str().map(str::to_owned))
        .collect::<Option<Vec<_>>>()
        .ok_or("Invalid request: stream must be a string")
}

/// The stream of a recorded frame, wrapped or bare; of bare ones only quotes name their symbol.
pub(super) fn recorded(frame: &str) -> Option<Recorded<'_>> {
    const HEAD: &str = r#"{"stream":""#;
    const DATA: &str = r#"","data":"#;
    if let Some(rest) = frame.strip_prefix(HEAD) {
        let (stream, _) = rest.split_once(DATA)?;
        let from = HEAD.len() + stream.len() + DATA.len();
        let to = frame.trim_end().len().checked_sub(1)?;
        return (from <= to).then_some(Recorded { topic: Cow::Borrowed(stream), bare: from..to });
    }
    let (_, rest) = frame.split_once(r#""s":""#)?;
    let (symbol, _) = rest.split_once('"')?;
    let is_quote = !frame.contains(r#""e":""#) || frame.contains(r#""e":"bookTicker""#);
    is_quote.then(|| Recorded { topic: Cow::Owned(stream(symbol)), bare: 0..frame.len() })
}
