//! Bybit's REST requests about orders, executions and balances.

use serde_json::{Value, json};

use crate::orders::bybit::reports;
use crate::orders::bybit::requests::{Problem, check_window, named};
use crate::orders::gateway::{Context, text_of};
use crate::orders::matching::Named;
use crate::orders::order::Order;
use crate::orders::signing::hmac_hex;
use crate::rest::{Request, Response};

const NS_PER_MS: u64 = 1_000_000;

/// Shortest and longest time without a connection before orders are cancelled, in s.
const GUARD_S: std::ops::RangeInclusive<u64> = 3..=300;

/// Answers a request, or returns `None` if there is no such path.
pub(super) fn answer(request: &Request, context: &mut Context<'_>) -> Option<Response> {
    let is_time = request.path == "/v5/market/time";
    let known: fn(&Request, &mut Context<'_>) -> Result<Value, Problem> =
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/v5/market/time") => time,
            ("GET", "/v5/order/realtime") => open_orders,
            ("GET", "/v5/order/history") => closed_orders,
            ("GET", "/v5/execution/list") => executions,
            ("GET", "/v5/account/wallet-balance") => wallet,
            ("POST", "/v5/order/disconnected-cancel-all") => guard,
            _ => return None,
        };
    let checked = if is_time { Ok(()) } else { check(request, context) };
    let (problem, result) = match checked.and_then(|()| known(request, context)) {
        Ok(result) => (Problem::none(), result),
        Err(problem) => (problem, json!({})),
    };
    let body = json!({
        "retCode": problem.code, "retMsg": problem.message, "result": result, "retExtInfo": {},
        "time": context.now_ns / NS_PER_MS,
    });
    Some(Response::ok(body.to_string()))
}

/// Checks who signed a request, and when.
fn check(request: &Request, context: &Context<'_>) -> Result<(), Problem> {
    let name = request.header("x-bapi-api-key");
    let at = request.header("x-bapi-timestamp");
    let window = request.header("x-bapi-recv-window");
    let Ok(at_ms) = at.parse::<u64>() else {
        return Err(Problem::new(10_001, "Request parameter error: X-BAPI-TIMESTAMP"));
    };
    check_window(at_ms, window.parse().unwrap_or(5_000), context.now_ns)?;
    let key = context.key(name).ok_or_else(|| Problem::new(10_003, "API key is invalid."))?;
    let signed = if request.method == "GET" { &request.query } else { &request.body };
    let message = format!("{at}{name}{window}{signed}");
    if key.signs(&message, request.header("x-bapi-sign"), hmac_hex) {
        return Ok(());
    }
    Err(Problem::new(10_004, "Error sign, please check your signature generation algorithm."))
}

fn time(_request: &Request, context: &mut Context<'_>) -> Result<Value, Problem> {
    let now_ns = context.now_ns;
    Ok(
        json!({ "timeSecond": (now_ns / 1_000_000_000).to_string(), "timeNano": now_ns.to_string() }),
    )
}

/// Returns the parameters of a query as a JSON object.
fn parameters(request: &Request) -> Value {
    let pairs = request.query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), Value::from(value))).collect()
}

fn check_category(request: &Request) -> Result<(), Problem> {
    match request.parameter("category") {
        Some("spot") => Ok(()),
        _ => Err(Problem::new(10_001, "Request parameter error: category")),
    }
}

fn listed(rows: &[Value]) -> Value {
    json!({ "category": "spot", "list": rows, "nextPageCursor": "" })
}

/// Returns the orders that a request is about, newest first, cut to its limit.
fn orders<'a>(
    request: &Request,
    context: &'a Context<'_>,
    is_wanted: impl Fn(&Order) -> bool,
    most: usize,
) -> Result<Vec<&'a Order>, Problem> {
    check_category(request)?;
    let parameters = parameters(request);
    let is_named = ["orderId", "orderLinkId"].iter().any(|it| request.parameter(it).is_some());
    if is_named {
        let found = context.matching.find(&named(&parameters)?);
        return Ok(found.into_iter().collect());
    }
    let symbol = request.parameter("symbol");
    let limit = text_of(&parameters, "limit").and_then(|text| text.parse().ok()).unwrap_or(most);
    let found = context.matching.orders().rev().filter(|it| is_wanted(it));
    let found = found.filter(|it| symbol.is_none_or(|symbol| it.symbol == symbol));
    Ok(found.take(limit.min(most)).collect())
}

/// Orders that are open. One that is named is returned whatever its state.
fn open_orders(request: &Request, context: &mut Context<'_>) -> Result<Value, Problem> {
    let is_closed = request.parameter("openOnly") == Some("1");
    let wanted = |it: &Order| it.status.is_open() != is_closed;
    let rows = orders(request, context, wanted, if is_closed { 500 } else { 50 })?;
    let rows: Vec<Value> = rows.into_iter().map(reports::order).collect();
    Ok(listed(&rows))
}

fn closed_orders(request: &Request, context: &mut Context<'_>) -> Result<Value, Problem> {
    let rows = orders(request, context, |it| !it.status.is_open(), 50)?;
    let rows: Vec<Value> = rows.into_iter().map(reports::order).collect();
    Ok(listed(&rows))
}

/// Trades, newest first.
fn executions(request: &Request, context: &mut Context<'_>) -> Result<Value, Problem> {
    check_category(request)?;
    let matching = context.matching;
    let is = |name: &str, value: &str| request.parameter(name).is_none_or(|it| it == value);
    let whole = |name: &str| request.parameter(name).and_then(|text| text.parse::<u64>().ok());
    let (start_ms, end_ms) = (whole("startTime"), whole("endTime"));
    let limit = whole("limit").unwrap_or(50).min(100);
    let found = matching.trades().iter().rev();
    let found = found.filter(|it| is("symbol", &it.symbol) && is("orderLinkId", &it.client_id));
    let found = found.filter(|it| is("orderId", &reports::id(it.order_id)));
    let found = found.filter(|it| start_ms.is_none_or(|start| start <= it.at_ns / NS_PER_MS));
    let found = found.filter(|it| end_ms.is_none_or(|end| it.at_ns / NS_PER_MS <= end));
    let rows = found.take(usize::try_from(limit).unwrap_or(usize::MAX)).filter_map(|it| {
        let order = matching.find(&Named::ById(it.order_id))?;
        Some(reports::execution(it, order))
    });
    Ok(listed(&rows.collect::<Vec<Value>>()))
}

fn wallet(request: &Request, context: &mut Context<'_>) -> Result<Value, Problem> {
    if request.parameter("accountType") != Some("UNIFIED") {
        return Err(Problem::new(10_001, "accountType only support UNIFIED."));
    }
    let coins: Option<Vec<&str>> = request.parameter("coin").map(|text| text.split(',').collect());
    let balances = context.matching.account().balances();
    let balances = balances.filter(|(asset, it)| match &coins {
        Some(coins) => coins.contains(asset),
        None => it.total().is_positive(),
    });
    Ok(json!({ "list": [reports::wallet(balances)] }))
}

/// Sets the time without a connection that subscribes `dcp.spot` after which orders are cancelled.
fn guard(request: &Request, context: &mut Context<'_>) -> Result<Value, Problem> {
    let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
    let window_s = text_of(&body, "timeWindow").and_then(|text| text.parse().ok());
    match window_s.filter(|window_s| GUARD_S.contains(window_s)) {
        Some(window_s) => {
            context.guard.window_ns = window_s * 1_000_000_000;
            Ok(json!({}))
        }
        None => Err(Problem::new(10_001, "timeWindow must be between 3 and 300")),
    }
}
