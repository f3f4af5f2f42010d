//! OKX v5 spot: `/ws/v5/private` takes orders and tells what happens to them, and REST answers questions.
//!
//! This follows OKX's v5 documentation and its changelog up to 2026-09: orders name their instrument by
//! `instIdCode`, and one with only `instId` is refused. An order past its `expTime` is not processed.
//! `requests` reads orders, `reports` writes them, and `queries` answers REST.

mod queries;
mod reports;
mod requests;

use serde_json::{Value, json};

use crate::orders::gateway::{Context, Done, Gateway, Session, Step, Ticket, Topic, text_of};
use crate::orders::limits::Limit;
use crate::orders::matching::Rules;
use crate::orders::okx::requests::Problem;
use crate::orders::order::{Event, Order, Refusal};
use crate::orders::signing::hmac_base64;
use crate::rest::{Request, Response};

const NS_PER_MS: u64 = 1_000_000;

/// Time in which a login must arrive after its timestamp, in s.
const LOGIN_WITHIN_S: u64 = 30;

/// Channels of the private path that the simulator has.
const CHANNELS: [&str; 3] = ["orders", "account", "fills"];

/// Requests in 2 s, for each kind of request.
const LIMITS: [Limit; 3] = [
    Limit { name: "order", window_ns: 2_000_000_000, most: 60 },
    Limit { name: "cancel-order", window_ns: 2_000_000_000, most: 60 },
    Limit { name: "amend-order", window_ns: 2_000_000_000, most: 60 },
];

/// OKX spot.
#[derive(Debug)]
pub(super) struct Okx;

impl Gateway for Okx {
    fn venue(&self) -> &'static str {
        "okx"
    }

    fn paths(&self) -> &'static [&'static str] {
        &["/ws/v5/private"]
    }

    fn rules(&self, maker_fee: u32, taker_fee: u32) -> Rules {
        Rules {
            maker_fee,
            taker_fee,
            fee_places: 18,
            has_min_notional: false,
            reuses_client_ids: true,
            refuses_takers: false,
        }
    }

    fn on_text(&self, text: &str, session: &mut Session, context: &mut Context<'_>) -> Step {
        if text == "ping" {
            return Step::Beat("pong".to_owned());
        }
        let id = |request: &Value| text_of(request, "id");
        let Ok(request) = serde_json::from_str::<Value>(text) else {
            let problem = Problem::new(60012, &format!("Invalid request: {text}"));
            return Step::Fail(error(&problem, None, session));
        };
        match text_of(&request, "op").as_deref() {
            Some("login") => match login(&request, session, context) {
                Ok(()) => Step::Say(
                    json!({ "event": "login", "code": "0", "msg": "", "connId": session.id })
                        .to_string(),
                ),
                Err(problem) => Step::Fail(error(&problem, id(&request), session)),
            },
            Some(op @ ("subscribe" | "unsubscribe")) => {
                change_topics(&request, op, session, context)
            }
            Some("order" | "cancel-order" | "amend-order") => on_order(&request, session, context),
            Some(op) => {
                let problem = Problem::new(60019, &format!("Invalid OP: {op}"));
                Step::Fail(error(&problem, id(&request), session))
            }
            None => {
                let problem = Problem::new(60012, &format!("Invalid request: {text}"));
                Step::Fail(error(&problem, id(&request), session))
            }
        }
    }

    fn answer(&self, ticket: &Ticket, done: &Result<Done, Refusal>, out_ns: u64) -> String {
        match done {
            Ok(Done::Placed(order, _) | Done::Amended(order)) => {
                told(ticket, Some(order), &Problem::none(), out_ns)
            }
            Ok(Done::Cancelled(orders)) => told(ticket, orders.first(), &Problem::none(), out_ns),
            Err(refusal) => told(ticket, None, &Problem::of(refusal, &ticket.method), out_ns),
        }
    }

    fn push(&self, event: &Event, session: &Session, _out_ns: u64) -> Vec<String> {
        let message = |topic: &Topic| reports::message(event, topic);
        session.topics.iter().filter_map(message).collect()
    }

    fn rest(&self, request: &Request, context: &mut Context<'_>) -> Option<Response> {
        queries::answer(request, context)
    }
}

/// Checks a login, and notes its key.
fn login(request: &Value, session: &mut Session, context: &Context<'_>) -> Result<(), Problem> {
    let arg = request.get("args").and_then(|args| args.get(0)).unwrap_or(&Value::Null);
    let part = |name: &str| text_of(arg, name).unwrap_or_default();
    let at = part("timestamp");
    let at_s = at.parse::<u64>().map_err(|_| Problem::new(60004, "Invalid timestamp"))?;
    let now_s = context.now_ns / 1_000_000_000;
    if LOGIN_WITHIN_S < now_s.abs_diff(at_s) {
        return Err(Problem::new(60006, "Timestamp request expired"));
    }
    let key = context.key(&part("apiKey")).ok_or_else(|| Problem::new(60005, "Invalid apiKey"))?;
    if key.passphrase != part("passphrase") {
        return Err(Problem::new(60024, "Wrong passphrase"));
    }
    let message = format!("{at}GET/users/self/verify");
    if !key.signs(&message, &part("sign"), hmac_base64) {
        return Err(Problem::new(60007, "Invalid sign"));
    }
    session.key = Some((key.key.clone(), context.now_ns));
    Ok(())
}

/// Subscribes or unsubscribes channels. Each arg has an acknowledgement or an error of its own.
fn change_topics(request: &Value, op: &str, session: &mut Session, context: &Context<'_>) -> Step {
    let id = text_of(request, "id");
    if session.key.is_none() {
        return Step::Fail(error(&Problem::new(60011, "Please log in"), id, session));
    }
    let args = request.get("args").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if args.is_empty() {
        return Step::Fail(error(&Problem::new(60013, "Invalid args"), id, session));
    }
    let change = |arg| {
        let changed = change_topic(arg, op, session, context);
        if let Err(problem) = changed {
            return error(&problem, id.clone(), session);
        }
        let mut reply = json!({ "event": op, "arg": arg, "connId": session.id });
        if let Some(id) = &id {
            reply["id"] = id.clone().into();
        }
        reply.to_string()
    };
    Step::SayAll(args.iter().map(change).collect())
}

fn change_topic(
    arg: &Value,
    op: &str,
    session: &mut Session,
    context: &Context<'_>,
) -> Result<(), Problem> {
    let channel = text_of(arg, "channel").unwrap_or_default();
    let symbol = text_of(arg, "instId");
    let is_symbol_known = symbol
        .as_ref()
        .is_none_or(|symbol| context.matching.instrument(|it| it.symbol == *symbol).is_some());
    let kind = text_of(arg, "instType");
    let has_kind = channel != "orders" || matches!(kind.as_deref(), Some("SPOT" | "ANY"));
    if !CHANNELS.contains(&channel.as_str()) || !is_symbol_known || !has_kind {
        let message = format!(
            "Wrong URL or channel:{channel},instId:{} doesn't exist. Please use the correct URL, \
             channel and parameters referring to API document.",
            symbol.unwrap_or_default()
        );
        return Err(Problem::new(60018, &message));
    }
    session.topics.retain(|topic| topic.arg != *arg);
    if op == "subscribe" {
        session.topics.push(Topic { number: 0, channel, arg: arg.clone() });
    }
    Ok(())
}

/// Reads a request about an order.
fn on_order(request: &Value, session: &Session, context: &mut Context<'_>) -> Step {
    let args = request.get("args").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let ticket = Ticket {
        id: request.get("id").cloned().unwrap_or_default(),
        method: text_of(request, "op").unwrap_or_default(),
        params: args.first().cloned().unwrap_or_default(),
        connection: session.id.clone(),
        in_ns: context.now_ns,
        limits: Value::Null,
    };
    if session.key.is_none() {
        let problem = Problem::new(60011, "Please log in");
        return Step::Fail(error(&problem, text_of(request, "id"), session));
    }
    if args.len() != 1 || !ticket.params.is_object() || !requests::is_id(&ticket.id) {
        return Step::Fail(misformed(
            &ticket,
            &Problem::new(60013, "Invalid args"),
            context.now_ns,
        ));
    }
    let limit = LIMITS.iter().find(|limit| limit.name == ticket.method);
    let limited = limit.is_some_and(|it| context.limits.take(it, 1, context.now_ns).is_err());
    let read = match limited {
        true => Err(Problem::of(&Refusal::RateLimited { until_ns: 0 }, &ticket.method)),
        false => requests::read(request, &ticket, context),
    };
    match read {
        Ok(command) => Step::Do(Box::new((command, ticket))),
        Err(problem) => Step::Fail(told(&ticket, None, &problem, context.now_ns)),
    }
}

/// Writes the answer to a request about an order.
fn told(ticket: &Ticket, order: Option<&Order>, problem: &Problem, out_ns: u64) -> String {
    let own = |name: &str| text_of(&ticket.params, name).unwrap_or_default();
    let is_known = ticket.method != "order";
    let (id, client_id) = match order {
        Some(order) => (order.id.to_string(), order.client_id.clone()),
        None => (if is_known { own("ordId") } else { String::new() }, own("clOrdId")),
    };
    let mut row = json!({
        "ordId": id, "clOrdId": client_id, "ts": (out_ns / NS_PER_MS).to_string(),
        "sCode": problem.code.to_string(), "sMsg": problem.message,
    });
    match ticket.method.as_str() {
        "order" => row["tag"] = own("tag").into(),
        "amend-order" => row["reqId"] = own("reqId").into(),
        _ => {}
    }
    answer(ticket, if problem.code == 0 { "0" } else { "1" }, "", &json!([row]), out_ns)
}

/// Writes the answer to a request whose form is wrong.
fn misformed(ticket: &Ticket, problem: &Problem, out_ns: u64) -> String {
    answer(ticket, &problem.code.to_string(), &problem.message, &json!([]), out_ns)
}

fn answer(ticket: &Ticket, code: &str, message: &str, data: &Value, out_ns: u64) -> String {
    json!({
        "id": ticket.id, "op": ticket.method, "code": code, "msg": message, "data": data,
        "inTime": (ticket.in_ns / 1_000).to_string(), "outTime": (out_ns / 1_000).to_string(),
    })
    .to_string()
}

/// Writes an error that is not about an order.
fn error(problem: &Problem, id: Option<String>, session: &Session) -> String {
    let mut error = json!({
        "event": "error", "code": problem.code.to_string(), "msg": problem.message,
        "connId": session.id,
    });
    if let Some(id) = id {
        error["id"] = id.into();
    }
    error.to_string()
}
