//! Binance spot, WebSocket API `/ws-api/v3`.
//!
//! This follows `web-socket-api.md`, `user-data-stream.md`, `filters.md` and `errors.md` of
//! binance/binance-spot-api-docs as of 2026-07-21. The signed text is the parameters without the
//! signature, sorted by name, as `name=value` with `&` between them and in plain UTF-8. `reports`
//! writes orders and trades, `errors` the codes.

mod errors;
mod reports;
mod requests;

use serde_json::{Value, json};

use crate::orders::binance::errors::Problem;
use crate::orders::binance::requests::{Asked, checked};
use crate::orders::gateway::{Context, Done, Gateway, Session, Step, Ticket, Topic, text_of};
use crate::orders::keys::Secret;
use crate::orders::limits::Limit;
use crate::orders::matching::{Matching, Rules};
use crate::orders::order::{Event, Refusal};
use crate::rest::{Request, Response};

const NS_PER_MS: u64 = 1_000_000;
const NS_PER_S: u64 = 1_000_000_000;

/// Limits of orders and of weights, as `rateLimits` names them: type, interval, number of intervals.
const LIMITS: [(Limit, &str, &str, u64); 3] = [
    (Limit { name: "orders in 10 s", window_ns: 10 * NS_PER_S, most: 100 }, "ORDERS", "SECOND", 10),
    (
        Limit { name: "orders a day", window_ns: 86_400 * NS_PER_S, most: 200_000 },
        "ORDERS",
        "DAY",
        1,
    ),
    (
        Limit { name: "weight", window_ns: 60 * NS_PER_S, most: 6_000 },
        "REQUEST_WEIGHT",
        "MINUTE",
        1,
    ),
];

/// Binance spot.
#[derive(Debug)]
pub(super) struct Binance;

impl Gateway for Binance {
    fn venue(&self) -> &'static str {
        "binance"
    }

    fn paths(&self) -> &'static [&'static str] {
        &["/ws-api/v3"]
    }

    fn rules(&self, maker_fee: u32, taker_fee: u32) -> Rules {
        Rules {
            maker_fee,
            taker_fee,
            fee_places: 8,
            has_min_notional: true,
            reuses_client_ids: true,
            refuses_takers: true,
        }
    }

    fn on_text(&self, text: &str, session: &mut Session, context: &mut Context<'_>) -> Step {
        let Ok(request) = serde_json::from_str::<Value>(text) else {
            let problem = Problem::new(-1135, "Invalid JSON.");
            return Step::Fail(failed(&Ticket::default(), &problem, 400, context.now_ns));
        };
        let method = text_of(&request, "method").unwrap_or_default();
        let mut ticket = Ticket {
            id: request.get("id").cloned().unwrap_or_default(),
            method: method.trim_start_matches("v3/").to_owned(),
            params: request.get("params").cloned().unwrap_or_else(|| json!({})),
            connection: session.id.clone(),
            in_ns: context.now_ns,
            limits: Value::Null,
        };
        let limited = count(&ticket, context);
        ticket.limits = shown_limits(&ticket, session, context);
        let answered = match limited {
            Err(until_ns) => Err(Problem::limited(until_ns)),
            Ok(()) => answer_to(&ticket, session, context),
        };
        match answered {
            Ok(Asked::Told(result)) => Step::Say(told(&ticket, &result)),
            Ok(Asked::Command(command)) => Step::Do(Box::new((command, ticket))),
            Err(problem) => Step::Fail(failed(&ticket, &problem, problem.status(), context.now_ns)),
        }
    }

    fn answer(&self, ticket: &Ticket, done: &Result<Done, Refusal>, out_ns: u64) -> String {
        match done {
            Ok(Done::Placed(order, trades)) => {
                let kind = text_of(&ticket.params, "newOrderRespType");
                told(ticket, &reports::placed(order, trades, kind.as_deref().unwrap_or("FULL")))
            }
            Ok(Done::Cancelled(orders)) if ticket.method == "openOrders.cancelAll" => {
                told(ticket, &orders.iter().map(reports::cancelled).collect())
            }
            Ok(Done::Cancelled(orders)) => {
                told(ticket, &orders.first().map(reports::cancelled).unwrap_or_default())
            }
            Ok(Done::Amended(order)) => told(ticket, &reports::amended(order)),
            Err(refusal) => {
                let problem = Problem::of(refusal, &ticket.method);
                failed(ticket, &problem, problem.status(), out_ns)
            }
        }
    }

    fn push(&self, event: &Event, session: &Session, out_ns: u64) -> Vec<String> {
        let report = reports::event(event, out_ns / NS_PER_MS);
        let wrap =
            |topic: &Topic| json!({ "subscriptionId": topic.number, "event": report }).to_string();
        session.topics.iter().map(wrap).collect()
    }

    fn rest(&self, _request: &Request, _context: &mut Context<'_>) -> Option<Response> {
        None
    }
}

/// Counts a request against the limits. Returns when the exceeded one ends.
fn count(ticket: &Ticket, context: &mut Context<'_>) -> Result<(), u64> {
    let weight = match ticket.method.as_str() {
        "account.status" | "allOrders" | "myTrades" => 20,
        "openOrders.status" if ticket.params.get("symbol").is_none() => 80,
        "openOrders.status" => 6,
        "order.status" | "order.amend.keepPriority" => 4,
        "session.logon" | "session.status" | "userDataStream.subscribe" => 2,
        _ => 1,
    };
    let mut counted = context.limits.take(&LIMITS[2].0, weight, context.now_ns);
    if ticket.method == "order.place" {
        for (limit, ..) in &LIMITS[..2] {
            counted = counted.and(context.limits.take(limit, 1, context.now_ns));
        }
    }
    counted
}

/// Returns the `rateLimits` of an answer, or null if the client does not want them.
fn shown_limits(ticket: &Ticket, session: &Session, context: &Context<'_>) -> Value {
    let by_url = !session.query.contains("returnRateLimits=false");
    let is_shown = ticket.params.get("returnRateLimits").and_then(Value::as_bool);
    if !is_shown.unwrap_or(by_url) {
        return Value::Null;
    }
    let from = if ticket.method == "order.place" { 0 } else { 2 };
    let row = |(limit, kind, interval, number): &(Limit, &str, &str, u64)| {
        json!({
            "rateLimitType": kind, "interval": interval, "intervalNum": number,
            "limit": limit.most, "count": context.limits.used(limit, context.now_ns),
        })
    };
    LIMITS[from..].iter().map(row).collect()
}

/// Carries out what needs no order, and reads what does.
fn answer_to(
    ticket: &Ticket,
    session: &mut Session,
    context: &mut Context<'_>,
) -> Result<Asked, Problem> {
    let (params, matching) = (&ticket.params, context.matching);
    let now_ms = context.now_ns / NS_PER_MS;
    match ticket.method.as_str() {
        "ping" => return Ok(Asked::Told(json!({}))),
        "time" => return Ok(Asked::Told(json!({ "serverTime": now_ms }))),
        "session.status" => return Ok(Asked::Told(status(session, context.now_ns))),
        "session.logout" => {
            session.key = None;
            session.topics.retain(|topic| topic.channel != "session");
            return Ok(Asked::Told(status(session, context.now_ns)));
        }
        "userDataStream.subscribe" => return subscribe_session(session),
        "userDataStream.unsubscribe" => return unsubscribe(params, session),
        _ => {}
    }
    let key = checked(params, session.key.as_ref().map(|(key, _)| key.as_str()), context)?;
    match ticket.method.as_str() {
        "session.logon" => {
            if matches!(key.secret, Secret::Hmac(_)) {
                return Err(Problem::new(-4056, "HMAC_SHA256 API key is not supported."));
            }
            session.key = Some((key.key.clone(), context.now_ns));
            Ok(Asked::Told(status(session, context.now_ns)))
        }
        "userDataStream.subscribe.signature" => subscribe(session, &key.key),
        "order.place" => requests::place(params, matching),
        "order.cancel" => requests::cancel(params, matching),
        "openOrders.cancelAll" => requests::cancel_all(params, matching),
        "order.amend.keepPriority" => requests::amend(params, matching),
        "order.status" => requests::order_status(params, matching).map(Asked::Told),
        "openOrders.status" => requests::open_orders(params, matching).map(Asked::Told),
        "allOrders" => requests::orders(params, matching).map(Asked::Told),
        "myTrades" => requests::trades(params, matching).map(Asked::Told),
        "account.status" => Ok(Asked::Told(account(params, matching, now_ms))),
        _ => Err(Problem::new(-1000, "Unknown method.")),
    }
}

/// Subscribes the account that the session has logged on to.
fn subscribe_session(session: &mut Session) -> Result<Asked, Problem> {
    match session.key {
        Some(_) => subscribe(session, "session"),
        None => Err(Problem::new(
            -2015,
            "Invalid API-key, IP, or permissions for action. Log on to the session first.",
        )),
    }
}

/// Subscribes the account. A connection can subscribe it once; all keys belong to one account.
fn subscribe(session: &mut Session, channel: &str) -> Result<Asked, Problem> {
    if !session.topics.is_empty() {
        return Err(Problem::new(-2035, "User Data Stream subscription already active."));
    }
    let number = session.subscriptions;
    session.subscriptions += 1;
    session.topics.push(Topic { number, channel: channel.to_owned(), arg: Value::Null });
    Ok(Asked::Told(json!({ "subscriptionId": number })))
}

fn unsubscribe(params: &Value, session: &mut Session) -> Result<Asked, Problem> {
    let number = params.get("subscriptionId").and_then(Value::as_u64);
    let before = session.topics.len();
    session.topics.retain(|topic| number.is_some_and(|number| topic.number != number));
    if session.topics.len() == before {
        return Err(Problem::new(-2036, "User Data Stream subscription not active."));
    }
    Ok(Asked::Told(json!({})))
}

fn status(session: &Session, now_ns: u64) -> Value {
    let (key, since) = session.key.clone().unzip();
    json!({
        "apiKey": key,
        "authorizedSince": since.map(|ns| ns / NS_PER_MS),
        "connectedSince": session.connected_ns / NS_PER_MS,
        "returnRateLimits": !session.query.contains("returnRateLimits=false"),
        "serverTime": now_ns / NS_PER_MS,
        "userDataStream": !session.topics.is_empty(),
    })
}

fn account(params: &Value, matching: &Matching, now_ms: u64) -> Value {
    let omits = params.get("omitZeroBalances").and_then(Value::as_bool) == Some(true);
    let balances = matching.account().balances();
    let balances = balances.filter(|(_, it)| !omits || it.total().is_positive());
    let balances: Vec<Value> = balances
        .map(|(asset, it)| {
            json!({ "asset": asset, "free": it.free.padded(8), "locked": it.locked.padded(8) })
        })
        .collect();
    json!({
        "makerCommission": 10, "takerCommission": 10, "buyerCommission": 0, "sellerCommission": 0,
        "canTrade": true, "canWithdraw": false, "canDeposit": false, "brokered": false,
        "requireSelfTradePrevention": false, "preventSor": false, "updateTime": now_ms,
        "accountType": "SPOT", "balances": balances, "permissions": ["SPOT"], "uid": 354_937_868,
    })
}

/// Writes a good answer.
fn told(ticket: &Ticket, result: &Value) -> String {
    let mut answer = json!({ "id": ticket.id, "status": 200, "result": result });
    if !ticket.limits.is_null() {
        answer["rateLimits"] = ticket.limits.clone();
    }
    answer.to_string()
}

/// Writes an error.
fn failed(ticket: &Ticket, problem: &Problem, status: u16, now_ns: u64) -> String {
    let mut answer =
        json!({ "id": ticket.id, "status": status, "error": problem.told(now_ns / NS_PER_MS) });
    if !ticket.limits.is_null() {
        answer["rateLimits"] = ticket.limits.clone();
    }
    answer.to_string()
}
