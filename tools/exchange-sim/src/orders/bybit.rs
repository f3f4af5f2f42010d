//! Bybit v5 spot: `/v5/trade` takes orders, `/v5/private` tells what happens to them, and REST answers
//! questions.
//!
//! This follows `websocket/trade`, `websocket/private`, `order`, `account`, `enum` and `error` of the v5
//! documentation in bybit-exchange/docs as of 2026-07-24. The answer on `/v5/trade` only says that a request
//! was accepted; fills come on `/v5/private` alone. `requests` reads orders, `reports` writes them, and
//! `queries` answers REST.

mod queries;
mod reports;
mod requests;

use serde_json::{Value, json};

use crate::orders::bybit::requests::{Asked, Problem};
use crate::orders::gateway::{Context, Done, Gateway, Session, Step, Ticket, Topic, text_of};
use crate::orders::limits::Limit;
use crate::orders::matching::Rules;
use crate::orders::order::{Event, Refusal};
use crate::orders::signing::hmac_hex;
use crate::rest::{Request, Response};

const NS_PER_MS: u64 = 1_000_000;

/// Path of the order entry. The other path is that of the private stream.
const TRADE: &str = "/v5/trade";

/// Length of the longest id of a request.
const ID_LEN_MAX: usize = 36;

/// Requests a second, for each kind of request.
const LIMITS: [Limit; 3] = [
    Limit { name: "order.create", window_ns: 1_000_000_000, most: 50 },
    Limit { name: "order.amend", window_ns: 1_000_000_000, most: 50 },
    Limit { name: "order.cancel", window_ns: 1_000_000_000, most: 50 },
];

/// The topics of the private stream that the simulator has.
const TOPICS: [&str; 9] = [
    "order",
    "order.spot",
    "execution",
    "execution.spot",
    "execution.fast",
    "execution.fast.spot",
    "wallet",
    "dcp.spot",
    "dcp.future",
];

/// Bybit spot.
#[derive(Debug)]
pub(super) struct Bybit;

impl Gateway for Bybit {
    fn venue(&self) -> &'static str {
        "bybit"
    }

    fn paths(&self) -> &'static [&'static str] {
        &[TRADE, "/v5/private"]
    }

    fn rules(&self, maker_fee: u32, taker_fee: u32) -> Rules {
        Rules {
            maker_fee,
            taker_fee,
            fee_places: 18,
            has_min_notional: true,
            reuses_client_ids: false,
            refuses_takers: false,
        }
    }

    fn on_text(&self, text: &str, session: &mut Session, context: &mut Context<'_>) -> Step {
        let request = serde_json::from_str::<Value>(text).unwrap_or_default();
        if session.path == TRADE {
            on_trade(&request, session, context)
        } else {
            on_private(&request, session, context)
        }
    }

    fn answer(&self, ticket: &Ticket, done: &Result<Done, Refusal>, out_ns: u64) -> String {
        match done {
            Ok(done) => {
                let order = match done {
                    Done::Placed(order, _) | Done::Amended(order) => Some(order),
                    Done::Cancelled(orders) => orders.first(),
                };
                let data = order.map(|order| {
                    json!({ "orderId": reports::id(order.id), "orderLinkId": order.client_id })
                });
                told(ticket, &Problem::none(), &data.unwrap_or_else(|| json!({})), out_ns)
            }
            Err(refusal) => told(ticket, &Problem::of(refusal), &json!({}), out_ns),
        }
    }

    fn push(&self, event: &Event, session: &Session, out_ns: u64) -> Vec<String> {
        let messages = |topic: &Topic| reports::messages(event, &topic.channel, out_ns / NS_PER_MS);
        session.topics.iter().flat_map(messages).collect()
    }

    fn rest(&self, request: &Request, context: &mut Context<'_>) -> Option<Response> {
        queries::answer(request, context)
    }

    fn is_guard(&self, session: &Session) -> bool {
        session.topics.iter().any(|topic| topic.channel == "dcp.spot")
    }
}

/// Answers a message on the order entry.
fn on_trade(request: &Value, session: &mut Session, context: &mut Context<'_>) -> Step {
    let ticket = Ticket {
        id: request.get("reqId").cloned().unwrap_or_default(),
        method: text_of(request, "op").unwrap_or_default(),
        connection: session.id.clone(),
        in_ns: context.now_ns,
        ..Ticket::default()
    };
    let answered = match ticket.method.as_str() {
        "ping" => {
            let mut pong = json!({
                "retCode": 0, "retMsg": "OK", "op": "pong", "connId": session.id,
                "data": [(context.now_ns / NS_PER_MS).to_string()],
            });
            if !ticket.id.is_null() {
                pong["reqId"] = ticket.id;
            }
            return Step::Beat(pong.to_string());
        }
        "auth" => {
            let authed = auth(request, session, context);
            return match authed {
                Ok(()) => Step::Say(authorised(&ticket, &Problem::none())),
                Err(problem) => Step::Fail(authorised(&ticket, &problem)),
            };
        }
        _ => asked(request, &ticket, session, context),
    };
    match answered {
        Ok((Asked(command), limits)) => Step::Do(Box::new((command, Ticket { limits, ..ticket }))),
        Err(problem) => Step::Fail(told(&ticket, &problem, &json!({}), context.now_ns)),
    }
}

/// Reads a request about an order. Returns it with what the answer says about the limit.
fn asked(
    request: &Value,
    ticket: &Ticket,
    session: &mut Session,
    context: &mut Context<'_>,
) -> Result<(Asked, Value), Problem> {
    let Some(limit) = LIMITS.iter().find(|limit| limit.name == ticket.method) else {
        return Err(Problem::new(10404, "op type is not found"));
    };
    if session.key.is_none() {
        return Err(Problem::new(10003, "API key is invalid. Authenticate the connection first."));
    }
    if let Some(id) = ticket.id.as_str() {
        if ID_LEN_MAX < id.len() {
            return Err(Problem::new(10001, "reqId is longer than 36 characters"));
        }
        if !session.seen.insert(id.to_owned()) {
            return Err(Problem::new(20006, "reqId is duplicated"));
        }
    }
    requests::check_time(request.get("header").unwrap_or(&Value::Null), context.now_ns)?;
    if context.limits.take(limit, 1, context.now_ns).is_err() {
        return Err(Problem::new(10429, "System level frequency protection"));
    }
    let left = limit.most - context.limits.used(limit, context.now_ns);
    let limits = json!({ "most": limit.most.to_string(), "left": left.to_string() });
    let arg = request.get("args").and_then(|args| args.get(0)).unwrap_or(&Value::Null);
    requests::read(&ticket.method, arg, context.matching).map(|asked| (asked, limits))
}

/// Checks `auth` of either path, and notes the key.
fn auth(request: &Value, session: &mut Session, context: &Context<'_>) -> Result<(), Problem> {
    if session.key.is_some() {
        return Err(Problem::new(20001, "Repeat auth"));
    }
    let arg = |index: usize| request.get("args").and_then(|args| args.get(index));
    let (Some(name), Some(signature)) = (arg(0).and_then(Value::as_str), arg(2)) else {
        return Err(Problem::new(10001, "Param error"));
    };
    let expires = arg(1).map(ToString::to_string).unwrap_or_default();
    let expires = expires.trim_matches('"');
    let is_in_time =
        expires.parse::<u64>().is_ok_and(|expires| context.now_ns / NS_PER_MS < expires);
    if !is_in_time {
        return Err(Problem::new(10001, "Params Error: expires is in the past"));
    }
    let key = context.key(name).ok_or_else(|| Problem::new(10003, "API key is invalid."))?;
    let message = format!("GET/realtime{expires}");
    if !key.signs(&message, signature.as_str().unwrap_or_default(), hmac_hex) {
        return Err(Problem::new(10004, "Error sign, please check your signature."));
    }
    session.key = Some((key.key.clone(), context.now_ns));
    Ok(())
}

/// Answers a message on the private stream.
fn on_private(request: &Value, session: &mut Session, context: &mut Context<'_>) -> Step {
    let op = text_of(request, "op").unwrap_or_default();
    let id = text_of(request, "req_id");
    let reply = |success: bool, message: &str, session: &Session| {
        let mut reply = json!({
            "success": success, "ret_msg": message, "op": op, "conn_id": session.id,
        });
        if let Some(id) = &id {
            reply["req_id"] = id.clone().into();
        }
        reply.to_string()
    };
    match op.as_str() {
        "ping" => {
            let at_ms = (context.now_ns / NS_PER_MS).to_string();
            let mut pong = json!({ "op": "pong", "args": [at_ms], "conn_id": session.id });
            if let Some(id) = &id {
                pong["req_id"] = id.clone().into();
            }
            Step::Beat(pong.to_string())
        }
        "auth" => match auth(request, session, context) {
            Ok(()) => Step::Say(reply(true, "", session)),
            Err(problem) => Step::Fail(reply(false, &problem.message, session)),
        },
        "subscribe" | "unsubscribe" => match change_topics(request, &op, session, context) {
            Ok(()) => Step::Say(reply(true, "", session)),
            Err(message) => Step::Fail(reply(false, &message, session)),
        },
        _ => Step::Fail(reply(false, "error:invalid op", session)),
    }
}

fn change_topics(
    request: &Value,
    op: &str,
    session: &mut Session,
    context: &mut Context<'_>,
) -> Result<(), String> {
    if session.key.is_none() {
        return Err("Request not authorized".to_owned());
    }
    let args = request.get("args").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let topics: Vec<&str> = args.iter().filter_map(Value::as_str).collect();
    if topics.is_empty() || topics.len() != args.len() {
        return Err("error:args is empty".to_owned());
    }
    if let Some(unknown) = topics.iter().find(|topic| !TOPICS.contains(topic)) {
        return Err(format!("error:handler not found,topic:{unknown}"));
    }
    for topic in topics {
        session.topics.retain(|held| held.channel != topic);
        if op == "subscribe" {
            let channel = topic.to_owned();
            session.topics.push(Topic { channel, ..Topic::default() });
        }
        if topic == "dcp.spot" && op == "subscribe" {
            context.guard.deadline_ns = None;
        }
    }
    Ok(())
}

/// Writes an answer to `auth` on the order entry.
fn authorised(ticket: &Ticket, problem: &Problem) -> String {
    let mut answer = json!({
        "retCode": problem.code, "retMsg": problem.message, "op": "auth",
        "connId": ticket.connection,
    });
    if !ticket.id.is_null() {
        answer["reqId"] = ticket.id.clone();
    }
    answer.to_string()
}

/// Writes an answer on the order entry.
fn told(ticket: &Ticket, problem: &Problem, data: &Value, out_ns: u64) -> String {
    let at_ms = (out_ns / NS_PER_MS).to_string();
    let limit = |name: &str| ticket.limits.get(name).cloned().unwrap_or_else(|| "0".into());
    let reset_ms =
        problem.until_ns.map_or_else(|| at_ms.clone(), |ns| (ns / NS_PER_MS).to_string());
    let mut answer = json!({
        "retCode": problem.code, "retMsg": problem.message, "op": ticket.method, "data": data,
        "retExtInfo": {}, "connId": ticket.connection,
        "header": {
            "X-Bapi-Limit": limit("most"), "X-Bapi-Limit-Status": limit("left"),
            "X-Bapi-Limit-Reset-Timestamp": reset_ms, "Traceid": trace(ticket.in_ns),
            "Timenow": at_ms,
        },
    });
    if !ticket.id.is_null() {
        answer["reqId"] = ticket.id.clone();
    }
    answer.to_string()
}

/// Returns the venue's id of a request.
fn trace(in_ns: u64) -> String {
    format!("{in_ns:032x}")
}
