//! OKX's REST requests about orders, fills and balances.

use serde_json::{Value, json};

use crate::orders::gateway::{Context, text_of};
use crate::orders::okx::reports;
use crate::orders::okx::requests::{Problem, named};
use crate::orders::signing::hmac_base64;
use crate::rest::{Request, Response};

const NS_PER_MS: u64 = 1_000_000;
const MS_PER_DAY: u64 = 86_400_000;

/// Time in which a request must arrive after its timestamp, in ms.
const WITHIN_MS: u64 = 30_000;

/// Greatest number of rows of an answer.
const ROWS_MAX: usize = 100;

/// Shortest and longest countdown of `cancel-all-after`, in s.
const COUNTDOWN_S: std::ops::RangeInclusive<u64> = 10..=120;

/// Answers a request, or returns `None` if there is no such path.
pub(super) fn answer(request: &Request, context: &mut Context<'_>) -> Option<Response> {
    let known: fn(&Request, &mut Context<'_>) -> Result<Value, Problem> =
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/api/v5/public/time") => time,
            ("GET", "/api/v5/trade/order") => order,
            ("GET", "/api/v5/trade/orders-pending") => pending,
            ("GET", "/api/v5/trade/fills") => fills,
            ("GET", "/api/v5/account/balance") => balance,
            ("POST", "/api/v5/trade/cancel-all-after") => cancel_all_after,
            _ => return None,
        };
    let is_public = request.path == "/api/v5/public/time";
    let checked = if is_public { Ok(()) } else { check(request, context) };
    let status = if checked.is_err() { 401 } else { 200 };
    let (problem, data) = match checked.and_then(|()| known(request, context)) {
        Ok(data) => (Problem::none(), data),
        Err(problem) => (problem, json!([])),
    };
    let body = json!({ "code": problem.code.to_string(), "msg": problem.message, "data": data });
    Some(Response { status, body: body.to_string() })
}

/// Checks who signed a request, and when.
fn check(request: &Request, context: &Context<'_>) -> Result<(), Problem> {
    let at = request.header("ok-access-timestamp");
    let at_ms = millis(at).ok_or_else(|| Problem::new(50_112, "Invalid OK-ACCESS-TIMESTAMP."))?;
    if WITHIN_MS < at_ms.abs_diff(context.now_ns / NS_PER_MS) {
        return Err(Problem::new(50_102, "Timestamp request expired."));
    }
    let key = context.key(request.header("ok-access-key"));
    let key = key.ok_or_else(|| Problem::new(50_111, "Invalid OK-ACCESS-KEY."))?;
    if key.passphrase != request.header("ok-access-passphrase") {
        let message = "Request header \"OK-ACCESS-PASSPHRASE\" incorrect.";
        return Err(Problem::new(50_105, message));
    }
    let message = format!("{at}{}{}{}", request.method, request.target(), request.body);
    if key.signs(&message, request.header("ok-access-sign"), hmac_base64) {
        return Ok(());
    }
    Err(Problem::new(50_113, "Invalid signature."))
}

/// Reads a time like `2020-12-08T09:08:57.715Z`, in ms since 1970 UTC.
fn millis(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let whole = |part: &str| part.parse::<u64>().ok();
    let date: Vec<u64> = date.split('-').map(whole).collect::<Option<_>>()?;
    let (clock, fraction) = time.split_once('.')?;
    let clock: Vec<u64> = clock.split(':').map(whole).collect::<Option<_>>()?;
    let ([year, month, day], [hours, minutes, seconds]) = (&date[..], &clock[..]) else {
        return None;
    };
    let is_possible =
        (1970..=9999).contains(year) && (1..=12).contains(month) && (1..=31).contains(day);
    if !is_possible || fraction.len() != 3 {
        return None;
    }
    let of_day = ((hours * 60 + minutes) * 60 + seconds) * 1_000 + whole(fraction)?;
    Some(days(*year, *month, *day) * MS_PER_DAY + of_day)
}

/// Returns the days from 1970-01-01 to a date of the Gregorian calendar. The year is taken to begin in
/// March, so that the leap day is its last one.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let before_year = 365 * year + year / 4 - year / 100 + year / 400;
    let before_month = (153 * month + 2) / 5;
    // 719,469 days lie between 0000-03-01 and 1970-01-01, of which the first counts as 1.
    before_year + before_month + day - 719_469
}

fn time(_request: &Request, context: &mut Context<'_>) -> Result<Value, Problem> {
    Ok(json!([{ "ts": (context.now_ns / NS_PER_MS).to_string() }]))
}

/// Returns the parameters of a query as a JSON object.
fn parameters(request: &Request) -> Value {
    let pairs = request.query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), Value::from(value))).collect()
}

fn order(request: &Request, context: &mut Context<'_>) -> Result<Value, Problem> {
    let Some(symbol) = request.parameter("instId") else {
        return Err(Problem::new(50_014, "Parameter instId can not be empty."));
    };
    let found = context.matching.find(&named(&parameters(request))?);
    let found = found.filter(|it| it.symbol == symbol);
    let found = found.ok_or_else(|| Problem::new(51_603, "Order does not exist."))?;
    Ok(json!([reports::order(found)]))
}

fn pending(request: &Request, context: &mut Context<'_>) -> Result<Value, Problem> {
    let symbol = request.parameter("instId");
    let open: Vec<Value> = context
        .matching
        .open_orders()
        .filter(|it| symbol.is_none_or(|symbol| it.symbol == symbol))
        .map(reports::order)
        .collect();
    // Newest first.
    Ok(open.into_iter().rev().take(ROWS_MAX).collect())
}

fn fills(request: &Request, context: &mut Context<'_>) -> Result<Value, Problem> {
    let is = |name: &str, value: &str| request.parameter(name).is_none_or(|it| it == value);
    let whole = |name: &str| request.parameter(name).and_then(|text| text.parse::<u64>().ok());
    let (after, before) = (whole("after"), whole("before"));
    let found = context.matching.trades().iter().rev();
    let found =
        found.filter(|it| is("instId", &it.symbol) && is("ordId", &it.order_id.to_string()));
    let found = found.filter(|it| after.is_none_or(|id| it.id < id));
    let found = found.filter(|it| before.is_none_or(|id| id < it.id));
    Ok(found.take(ROWS_MAX).map(reports::fill).collect())
}

fn balance(request: &Request, context: &mut Context<'_>) -> Result<Value, Problem> {
    let wanted: Option<Vec<&str>> = request.parameter("ccy").map(|text| text.split(',').collect());
    let balances = context.matching.account().balances();
    let balances = balances.filter(|(asset, it)| match &wanted {
        Some(wanted) => wanted.contains(asset),
        None => it.total().is_positive(),
    });
    Ok(json!([reports::account(balances, context.now_ns)]))
}

/// Starts, restarts or, with 0, ends the countdown after which all orders are cancelled.
fn cancel_all_after(request: &Request, context: &mut Context<'_>) -> Result<Value, Problem> {
    let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
    let countdown_s = text_of(&body, "timeOut").and_then(|text| text.parse::<u64>().ok());
    let deadline_ns = match countdown_s {
        Some(0) => None,
        Some(s) if COUNTDOWN_S.contains(&s) => Some(context.now_ns + s * 1_000_000_000),
        Some(_) | None => return Err(Problem::new(51_000, "Parameter timeOut error")),
    };
    context.guard.deadline_ns = deadline_ns;
    let at_s = |ns: u64| (ns / 1_000_000_000).to_string();
    let trigger = deadline_ns.map_or_else(|| "0".to_owned(), at_s);
    Ok(json!([{ "triggerTime": trigger, "tag": "", "ts": at_s(context.now_ns) }]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (text, expected) in [
            ("1970-01-01T00:00:00.000Z", Some(0)),
            ("2020-12-08T09:08:57.715Z", Some(1_607_418_537_715)),
            ("2024-02-29T23:59:59.999Z", Some(1_709_251_199_999)),
            ("2024-03-01T00:00:00.000Z", Some(1_709_251_200_000)),
            ("2026-11-30T22:00:00.001Z", Some(1_796_076_000_001)),
            ("2020-12-08T09:08:57Z", None),
            ("2020-13-08T09:08:57.715Z", None),
            ("2020-12-08 09:08:57.715Z", None),
            ("1607418537715", None),
        ] {
            assert_eq!(millis(text), expected, "{text}");
        }
    }
}
