//! The streams, paths and requests that Binance spot and Binance USD-M have in common.
//!
//! This follows `web-socket-streams.md` of binance/binance-spot-api-docs as of 2026-07-21. A
//! subscription of a well-formed stream whose symbol does not exist is acknowledged; the stream
//! stays silent.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::rest::RestInstrument;
use crate::venue::{Action, Recorded, Route, Session};

/// Greatest number of streams that one connection may subscribe.
const STREAMS_MAX: usize = 1024;

/// Returns the stream of a symbol's quotes.
pub(super) fn stream(symbol: &str) -> String {
    format!("{}@bookTicker", symbol.to_lowercase())
}

/// Wraps a frame with the name of its stream.
pub(super) fn combined(topic: &str, bare: &str) -> String {
    format!(r#"{{"stream":"{topic}","data":{bare}}}"#)
}

/// Returns the route of `/ws`, `/ws/<stream>[/<stream>...]`, `/stream` and
/// `/stream?streams=<stream>[/<stream>...]`.
pub(super) fn route(path: &str, query: Option<&str>) -> Route {
    let split = |list: &str| {
        list.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    if path == "/stream" || path == "/stream/" {
        let streams = query
            .and_then(|query| query.split('&').find_map(|part| part.strip_prefix("streams=")))
            .unwrap_or_default();
        return Route::Open { combined: true, topics: split(streams), without_quotes: false };
    }
    match path.strip_prefix("/ws") {
        Some("") => Route::Open { combined: false, topics: Vec::new(), without_quotes: false },
        Some(rest) if rest.starts_with('/') => {
            Route::Open { combined: false, topics: split(rest), without_quotes: false }
        }
        Some(_) | None => Route::NotFound,
    }
}

/// Returns the answer of `exchangeInfo`. Futures name the type of their contracts.
pub(super) fn exchange_info(list: &[RestInstrument], contract: Option<&str>) -> String {
    let row = |it: &RestInstrument| {
        let notional = match contract {
            None => json!({
                "filterType": "NOTIONAL", "minNotional": it.min_notional(),
                "applyMinToMarket": true, "avgPriceMins": 0,
            }),
            Some(_) => json!({ "filterType": "MIN_NOTIONAL", "notional": it.min_notional() }),
        };
        let mut row = json!({
            "symbol": it.symbol, "baseAsset": it.base, "quoteAsset": it.quote,
            "status": if it.is_halted { "HALT" } else { "TRADING" },
            "filters": [
                { "filterType": "PRICE_FILTER", "tickSize": it.tick },
                { "filterType": "LOT_SIZE", "minQty": it.lot, "stepSize": it.lot },
                notional,
            ],
        });
        if let Some(contract) = contract {
            row["contractType"] = contract.into();
        }
        row
    };
    let rows: Vec<Value> = list.iter().map(row).collect();
    json!({ "timezone": "UTC", "rateLimits": [], "exchangeFilters": [], "symbols": rows })
        .to_string()
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
    let answered = match request.get("method").and_then(Value::as_str) {
        Some("SUBSCRIBE") => subscribe(&request, &id, session),
        Some("UNSUBSCRIBE") => unsubscribe(&request, &id),
        Some("LIST_SUBSCRIPTIONS") => {
            Ok(vec![done(&Value::from(session.topics.clone()).to_string(), &id)])
        }
        Some("SET_PROPERTY") => set_property(&request, &id),
        Some("GET_PROPERTY") => {
            Ok(vec![done(if session.combined { "true" } else { "false" }, &id)])
        }
        Some(_) => Err((2, "Invalid request: unknown method")),
        None => Err((2, "Invalid request: missing field `method`")),
    };
    answered.unwrap_or_else(|(code, message)| vec![Action::Fail(error(code, message, Some(&id)))])
}

/// The actions that answer a request, or the code and message of the error.
type Answered = Result<Vec<Action>, (u32, &'static str)>;

/// Acknowledges a subscription, then subscribes, so that the quotes follow the acknowledgement.
fn subscribe(request: &Value, id: &Value, session: &Session) -> Answered {
    let streams = streams(request)?;
    if STREAMS_MAX < session.topics.len() + streams.len() {
        return Err((2, "Invalid request: too many parameters"));
    }
    let mut actions = vec![done("null", id)];
    actions.extend(streams.into_iter().map(Action::Subscribe));
    Ok(actions)
}

/// Unsubscribes, then acknowledges, so that no quote follows the acknowledgement.
fn unsubscribe(request: &Value, id: &Value) -> Answered {
    let mut actions: Vec<_> = streams(request)?.into_iter().map(Action::Unsubscribe).collect();
    actions.push(done("null", id));
    Ok(actions)
}

/// Sets the property `combined`, the only one there is.
fn set_property(request: &Value, id: &Value) -> Answered {
    let Some(params) = request.get("params").and_then(Value::as_array) else {
        return Err((2, "Invalid request: property must be an array"));
    };
    match params.as_slice() {
        [Value::String(name), Value::Bool(on)] if name == "combined" => {
            Ok(vec![Action::Combine(*on), done("null", id)])
        }
        [Value::String(_), Value::Bool(_)] => Err((0, "Unknown property")),
        _ => Err((1, "Invalid value type: expected Boolean")),
    }
}

fn done(result: &str, id: &Value) -> Action {
    Action::Reply(format!(r#"{{"result":{result},"id":{id}}}"#))
}

/// Returns the error reply to a request that a fault refuses.
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

/// Returns the streams that a request names.
fn streams(request: &Value) -> Result<Vec<String>, (u32, &'static str)> {
    let params = request.get("params").and_then(Value::as_array);
    params
        .ok_or((2, "Invalid request: streams must be an array"))?
        .iter()
        .map(|name| name.as_str().map(str::to_owned))
        .collect::<Option<Vec<_>>>()
        .ok_or((2, "Invalid request: stream must be a string"))
}

/// Finds the stream of a recorded frame, which is wrapped or bare. Of the bare frames, only quotes
/// name their symbol.
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
