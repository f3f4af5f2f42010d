//! Bybit v5 spot and linear perpetuals, `orderbook.1.<SYMBOL>`.
//!
//! This follows docs/v5/websocket of bybit-exchange/docs as of 2026-07-24. Since 2025-03-20, depth
//! 1 has only snapshots: one when a client subscribes, one at each change, and the last one again
//! with the same `u` after 3 s of silence. An option selects the dialect before that date, which
//! has deltas without `cts`. A wrong or repeated topic fails its whole request.

use std::cmp::Ordering;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::rest::RestInstrument;
use crate::venue::{Action, Recorded, Route, Rules, Session, Texts, Venue, WireQuote};
use crate::{decimal, sequence};

/// Greatest number of topics in a spot request.
const ARGS_MAX: usize = 10;

/// Greatest length of all topics of a connection together, in bytes.
const TOPICS_LEN_MAX: usize = 21_000;

/// One of Bybit's markets.
#[derive(Debug)]
pub(super) struct Bybit {
    name: &'static str,
    path: &'static str,
    /// The venue's name of the market.
    category: &'static str,
}

/// Bybit spot.
pub(super) const SPOT: Bybit = Bybit { name: "bybit", path: "/v5/public/spot", category: "spot" };

/// Bybit's linear perpetuals.
pub(super) const LINEAR: Bybit =
    Bybit { name: "bybit-linear", path: "/v5/public/linear", category: "linear" };

impl Venue for Bybit {
    fn name(&self) -> &'static str {
        self.name
    }

    fn path(&self) -> &'static str {
        self.path
    }

    fn rules(&self) -> Rules {
        Rules {
            idle_close: Some(Duration::from_secs(10 * 60)),
            repeat_after: Some(Duration::from_secs(3)),
            snapshot: true,
            deltas: true,
            ..Rules::default()
        }
    }

    fn symbol(&self, instrument: &str) -> String {
        instrument.replace('/', "")
    }

    fn rest_path(&self) -> &'static str {
        "/v5/market/instruments-info"
    }

    fn instruments(&self, list: &[RestInstrument]) -> String {
        let lots = |it: &RestInstrument| match self.category {
            "spot" => json!({
                "basePrecision": it.lot, "minOrderQty": it.lot, "minOrderAmt": it.min_notional(),
            }),
            _ => json!({
                "qtyStep": it.lot, "minOrderQty": it.lot, "minNotionalValue": it.min_notional(),
            }),
        };
        let row = |it: &RestInstrument| {
            json!({
                "contractType": if self.category == "spot" { None } else { Some("LinearPerpetual") },
                "symbol": it.symbol, "baseCoin": it.base, "quoteCoin": it.quote, "innovation": "0",
                "status": if it.is_halted { "Closed" } else { "Trading" },
                "lotSizeFilter": lots(it),
                "priceFilter": { "tickSize": it.tick },
            })
        };
        let rows: Vec<Value> = list.iter().map(row).collect();
        let result = json!({ "category": self.category, "list": rows, "nextPageCursor": "" });
        json!({ "retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {} }).to_string()
    }

    fn topic(&self, symbol: &str) -> String {
        format!("orderbook.1.{symbol}")
    }

    fn route(&self, path: &str, _query: Option<&str>) -> Route {
        if path == self.path() {
            Route::Open { combined: false, topics: Vec::new(), without_quotes: false }
        } else {
            Route::NotFound
        }
    }

    fn on_text(&self, text: &str, session: &Session, known: &dyn Fn(&str) -> bool) -> Vec<Action> {
        let Ok(request) = serde_json::from_str::<Value>(text) else {
            return vec![Action::Fail(reply(false, "error:invalid json", session, None, ""))];
        };
        let id = request.get("req_id").and_then(Value::as_str);
        match request.get("op").and_then(Value::as_str) {
            Some("ping") => vec![Action::Heartbeat(reply(true, "pong", session, id, "ping"))],
            Some(op @ ("subscribe" | "unsubscribe")) => {
                let topics = match topics(&request, op, session, known) {
                    Ok(topics) => topics,
                    Err(problem) => {
                        return vec![Action::Fail(reply(false, &problem, session, id, op))];
                    }
                };
                let mut actions = vec![Action::Reply(reply(true, op, session, id, op))];
                let act = if op == "subscribe" { Action::Subscribe } else { Action::Unsubscribe };
                actions.extend(topics.into_iter().map(act));
                actions
            }
            Some(op) => vec![Action::Fail(reply(false, "error:invalid op", session, id, op))],
            None => vec![Action::Fail(reply(false, "error:invalid op", session, id, ""))],
        }
    }

    fn refusal(&self, text: &str, session: &Session) -> String {
        let request = serde_json::from_str::<Value>(text).unwrap_or_default();
        let id = request.get("req_id").and_then(Value::as_str);
        let topic = request.get("args").and_then(|args| args.get(0)).and_then(Value::as_str);
        let problem = format!("error:handler not found,topic:{}", topic.unwrap_or_default());
        reply(false, &problem, session, id, "subscribe")
    }

    fn number(&self, text: &str, _places: usize, out: &mut String) {
        decimal::push_trimmed(text, out);
    }

    fn sequence(&self, last: Option<u64>, symbol: &str) -> u64 {
        last.map_or_else(|| 141_000_000 + sequence::scattered(symbol, 1_000_000), |last| last + 1)
    }

    fn frame(&self, wire: &WireQuote<'_>, out: &mut String) {
        let kind = if wire.before.is_some() { "delta" } else { "snapshot" };
        let mut written = write!(
            out,
            r#"{{"topic":"{}","ts":{},"type":"{kind}","data":{{"s":"{}","b":"#,
            wire.topic, wire.push_ms, wire.symbol
        );
        let texts = wire.texts;
        let before = |side: for<'a> fn(&'a Texts) -> (&'a str, &'a str)| wire.before.map(side);
        let bid = before(|texts| (&texts.bid, &texts.bid_qty));
        push_side((&texts.bid, &texts.bid_qty), bid, Ordering::Greater, out);
        out.push_str(r#","a":"#);
        let ask = before(|texts| (&texts.ask, &texts.ask_qty));
        push_side((&texts.ask, &texts.ask_qty), ask, Ordering::Less, out);
        written =
            written.and_then(|()| write!(out, r#","u":{},"seq":{}}}"#, wire.sequence, wire.cross));
        if !wire.delta_dialect {
            written = written.and_then(|()| write!(out, r#","cts":{}"#, wire.event_ms));
        }
        out.push('}');
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
    }

    fn combined(&self, _topic: &str, _bare: &str) -> Option<String> {
        None
    }

    fn shutdown(&self, _now_ms: u64) -> Option<String> {
        None
    }

    fn recorded<'a>(&self, frame: &'a str) -> Option<Recorded<'a>> {
        let (_, rest) = frame.split_once(r#""topic":""#)?;
        let (topic, _) = rest.split_once('"')?;
        Some(Recorded { topic: topic.into(), bare: 0..frame.len() })
    }
}

/// Appends one side of the book. In a delta, an unchanged side is empty and a price that is gone
/// has size 0. Levels are written best first; `best` is the result of comparing a better price with
/// a worse one.
fn push_side(
    (px, sz): (&str, &str),
    before: Option<(&str, &str)>,
    best: Ordering,
    out: &mut String,
) {
    let level = |px: &str, sz: &str, out: &mut String| {
        for part in ["[\"", px, "\",\"", sz, "\"]"] {
            out.push_str(part);
        }
    };
    out.push('[');
    match before {
        Some((px_before, _)) if px_before != px => {
            let new_first = decimal::compare(px, px_before) == best;
            let (first, second) =
                if new_first { ((px, sz), (px_before, "0")) } else { ((px_before, "0"), (px, sz)) };
            level(first.0, first.1, out);
            out.push(',');
            level(second.0, second.1, out);
        }
        Some((_, sz_before)) if sz_before == sz => {}
        // Without a price there is no level.
        None if px == "0" => {}
        Some(_) | None => level(px, sz, out),
    }
    out.push(']');
}

/// Returns the topics that a request names, or the venue's message about the first one that is
/// wrong.
fn topics(
    request: &Value,
    op: &str,
    session: &Session,
    known: &dyn Fn(&str) -> bool,
) -> Result<Vec<String>, String> {
    let args = request.get("args").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if args.is_empty() {
        return Err("error:args is empty".to_owned());
    }
    if ARGS_MAX < args.len() {
        return Err(format!("args size >{ARGS_MAX}"));
    }
    let mut topics: Vec<String> = Vec::with_capacity(args.len());
    for arg in args {
        let topic = arg.as_str().unwrap_or_default();
        if !known(topic) {
            return Err(format!("error:handler not found,topic:{topic}"));
        }
        let held = |list: &[String]| list.iter().any(|held| held == topic);
        if op == "subscribe" && (held(&session.topics) || held(&topics)) {
            return Err(format!("error:already subscribed,topic:{topic}"));
        }
        topics.push(topic.to_owned());
    }
    let length: usize = session.topics.iter().chain(&topics).map(String::len).sum();
    if op == "subscribe" && TOPICS_LEN_MAX < length {
        return Err(format!("error:args length >{TOPICS_LEN_MAX}"));
    }
    Ok(topics)
}

/// Returns a reply.
fn reply(success: bool, message: &str, session: &Session, id: Option<&str>, op: &str) -> String {
    // Like Go's encoder, the venue's escapes <, > and &.
    let escape = |text: &str| {
        let quoted = Value::from(text).to_string();
        quoted.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
    };
    let id = id.map_or_else(String::new, |id| format!(r#","req_id":{}"#, escape(id)));
    format!(
        r#"{{"success":{success},"ret_msg":{},"conn_id":"{}"{id},"op":{}}}"#,
        escape(message),
        session.id,
        escape(op)
    )
}
