//! Reads the requests of Binance's WebSocket API, and answers those that only look.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::orders::amount::Amount;
use crate::orders::binance::errors::Problem;
use crate::orders::binance::reports;
use crate::orders::gateway::{Command, Context, text_of};
use crate::orders::keys::ApiKey;
use crate::orders::matching::{Change, Matching, Named};
use crate::orders::order::{Lasting, NewOrder, Side, Size};
use crate::orders::signing::hmac_hex;

/// Length of the longest client id.
const CLIENT_ID_LEN_MAX: usize = 36;

/// `recvWindow` where a request has none, and the greatest one, in us.
const WINDOW_US: u64 = 5_000_000;
const WINDOW_US_MAX: u64 = 60_000_000;

/// A timestamp from this on is in us, and below it in ms.
const MICROSECONDS_FROM: u64 = 100_000_000_000_000;

/// What a request asks for.
#[derive(Debug)]
pub(super) enum Asked {
    /// This answer.
    Told(Value),
    /// This command.
    Command(Command),
}

/// Checks who signed a request, and when. Without an API key in the request, it is that of the session.
pub(super) fn checked<'a>(
    params: &Value,
    session_key: Option<&str>,
    context: &'a Context<'_>,
) -> Result<&'a ApiKey, Problem> {
    let unknown = || Problem::new(-2015, "Invalid API-key, IP, or permissions for action.");
    check_time(params, context.now_ns)?;
    let Some(name) = text_of(params, "apiKey") else {
        return session_key
            .and_then(|key| context.key(key))
            .ok_or_else(|| Problem::missing("apiKey"));
    };
    let key = context.key(&name).ok_or_else(unknown)?;
    let signature = text_of(params, "signature").ok_or_else(|| Problem::missing("signature"))?;
    // The hex digits of an HMAC may have either case; base64 may not.
    let hmac = signature.to_ascii_lowercase();
    let message = signed_text(params);
    if key.signs(&message, &signature, hmac_hex) || key.signs(&message, &hmac, hmac_hex) {
        return Ok(key);
    }
    Err(Problem::new(-1022, "Signature for this request is not valid."))
}

/// Returns the text that a request's signature signs.
fn signed_text(params: &Value) -> String {
    let members: BTreeMap<&String, &Value> =
        params.as_object().map(|members| members.iter().collect()).unwrap_or_default();
    let pair = |(name, value): (&&String, &&Value)| match value.as_str() {
        Some(text) => format!("{name}={text}"),
        None => format!("{name}={value}"),
    };
    let signed = members.iter().filter(|(name, _)| name.as_str() != "signature");
    signed.map(pair).collect::<Vec<_>>().join("&")
}

fn check_time(params: &Value, now_ns: u64) -> Result<(), Problem> {
    let timestamp = text_of(params, "timestamp").and_then(|text| text.parse::<u64>().ok());
    let timestamp = timestamp.ok_or_else(|| Problem::missing("timestamp"))?;
    let at_us = if timestamp < MICROSECONDS_FROM { timestamp * 1_000 } else { timestamp };
    let window_us = match text_of(params, "recvWindow") {
        Some(text) => Amount::parse(&text)
            .and_then(|it| it.times(Amount::parse("1000")?)?.to_string().parse::<u64>().ok())
            .ok_or_else(|| Problem::missing("recvWindow"))?,
        None => WINDOW_US,
    };
    if WINDOW_US_MAX < window_us {
        let message = "'recvWindow' contains unexpected value. Cannot be greater than 60000.";
        return Err(Problem::new(-1102, message));
    }
    let now_us = now_ns / 1_000;
    if now_us + 1_000_000 <= at_us {
        let message = "Timestamp for this request was 1000ms ahead of the server's time.";
        return Err(Problem::new(-1021, message));
    }
    if window_us < now_us.saturating_sub(at_us) {
        let message = "Timestamp for this request is outside of the recvWindow.";
        return Err(Problem::new(-1021, message));
    }
    Ok(())
}

fn instrument(params: &Value, matching: &Matching) -> Result<usize, Problem> {
    let symbol = text_of(params, "symbol").ok_or_else(|| Problem::missing("symbol"))?;
    let found = matching.instrument(|it| it.symbol == symbol);
    found.ok_or_else(|| Problem::new(-1121, "Invalid symbol."))
}

/// Returns a number of a request, if it has it.
fn number(params: &Value, name: &str) -> Result<Option<Amount>, Problem> {
    let Some(text) = text_of(params, name) else { return Ok(None) };
    Amount::parse(&text).map(Some).ok_or_else(|| {
        let message = format!("Illegal characters found in parameter '{name}'.");
        Problem::new(-1100, &message)
    })
}

/// Reads a new order.
pub(super) fn place(params: &Value, matching: &Matching) -> Result<Asked, Problem> {
    let instrument = instrument(params, matching)?;
    let side = match text_of(params, "side").as_deref() {
        Some("BUY") => Side::Buy,
        Some("SELL") => Side::Sell,
        Some(_) => return Err(Problem::new(-1117, "Invalid side.")),
        None => return Err(Problem::missing("side")),
    };
    let kind = text_of(params, "type").ok_or_else(|| Problem::missing("type"))?;
    let lasting = lasting(&kind, text_of(params, "timeInForce").as_deref())?;
    let price = match kind.as_str() {
        "MARKET" => None,
        _ => Some(number(params, "price")?.ok_or_else(|| Problem::missing("price"))?),
    };
    let size = match (number(params, "quantity")?, number(params, "quoteOrderQty")?) {
        (Some(size), None) => Size::Base(size),
        (None, Some(cost)) if price.is_none() => Size::Quote(cost),
        _ => return Err(Problem::missing("quantity")),
    };
    check_response_type(params)?;
    let client_id = client_id(params, "newClientOrderId")?.unwrap_or_else(|| generated(matching));
    let new = NewOrder { instrument, client_id, side, price, size, lasting };
    Ok(Asked::Command(Command::Place(new)))
}

fn lasting(kind: &str, in_force: Option<&str>) -> Result<Lasting, Problem> {
    match (kind, in_force) {
        ("MARKET", None) => Ok(Lasting::Immediate),
        ("LIMIT_MAKER", None) => Ok(Lasting::PostOnly),
        ("MARKET" | "LIMIT_MAKER", Some(_)) => {
            Err(Problem::new(-1106, "Parameter 'timeInForce' sent when not required."))
        }
        ("LIMIT", Some("GTC")) => Ok(Lasting::Rest),
        ("LIMIT", Some("IOC")) => Ok(Lasting::Immediate),
        ("LIMIT", Some("FOK")) => Ok(Lasting::Whole),
        ("LIMIT", Some(_)) => Err(Problem::new(-1115, "Invalid timeInForce.")),
        ("LIMIT", None) => Err(Problem::missing("timeInForce")),
        _ => Err(Problem::new(-1116, "Invalid orderType.")),
    }
}

fn check_response_type(params: &Value) -> Result<(), Problem> {
    match text_of(params, "newOrderRespType").as_deref() {
        None | Some("ACK" | "RESULT" | "FULL") => Ok(()),
        Some(_) => {
            Err(Problem::new(-1130, "Data sent for parameter 'newOrderRespType' is not valid."))
        }
    }
}

/// Returns the client id of a request, if it has one.
fn client_id(params: &Value, name: &str) -> Result<Option<String>, Problem> {
    let Some(text) = text_of(params, name) else { return Ok(None) };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte);
    if text.is_empty() || CLIENT_ID_LEN_MAX < text.len() || !text.bytes().all(allowed) {
        let message = format!(
            "Illegal characters found in parameter '{name}'; legal range is \
             '^[\\.A-Z\\:/a-z0-9_-]{{1,36}}$'."
        );
        return Err(Problem::new(-1100, &message));
    }
    Ok(Some(text))
}

/// Returns a client id for an order whose client gives none.
fn generated(matching: &Matching) -> String {
    format!("web_{:012}", matching.orders().count() + 1)
}

/// Reads which order a request is about.
fn named(params: &Value, matching: &Matching) -> Result<Named, Problem> {
    let id = text_of(params, "orderId").and_then(|text| text.parse::<u64>().ok());
    let client_id = text_of(params, "origClientOrderId");
    match (id, client_id) {
        (Some(id), None) => Ok(Named::ById(id)),
        (None, Some(client_id)) => Ok(Named::ByClientId(client_id)),
        (Some(id), Some(client_id)) => {
            let order = matching.find(&Named::ById(id));
            let is_same = order.is_none_or(|it| it.client_id == client_id);
            let wrong = "Client order ID is not correct for this order ID.";
            if is_same { Ok(Named::ById(id)) } else { Err(Problem::new(-2039, wrong)) }
        }
        (None, None) => Err(Problem::new(
            -1102,
            "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!",
        )),
    }
}

/// Reads a cancel of one order.
pub(super) fn cancel(params: &Value, matching: &Matching) -> Result<Asked, Problem> {
    instrument(params, matching)?;
    let named = named(params, matching)?;
    let client_id = client_id(params, "newClientOrderId")?;
    let client_id = client_id.or_else(|| Some(format!("cancel_{}", generated(matching))));
    Ok(Asked::Command(Command::Cancel { named, client_id }))
}

/// Reads a cancel of all orders of a symbol.
pub(super) fn cancel_all(params: &Value, matching: &Matching) -> Result<Asked, Problem> {
    let instrument = instrument(params, matching)?;
    Ok(Asked::Command(Command::CancelAll { instrument }))
}

/// Reads a reduction of an order.
pub(super) fn amend(params: &Value, matching: &Matching) -> Result<Asked, Problem> {
    instrument(params, matching)?;
    let named = named(params, matching)?;
    let size = Some(number(params, "newQty")?.ok_or_else(|| Problem::missing("newQty"))?);
    let client_id = client_id(params, "newClientOrderId")?;
    let client_id = client_id.or_else(|| Some(format!("amend_{}", generated(matching))));
    let change = Change { size, price: None, is_reduction: true, client_id };
    Ok(Asked::Command(Command::Amend { named, change }))
}

/// Returns the state of one order.
pub(super) fn order_status(params: &Value, matching: &Matching) -> Result<Value, Problem> {
    let instrument = instrument(params, matching)?;
    let named = named(params, matching)?;
    // A cancel replaces the client's id, so an order is also known by its former one.
    let former = || match &named {
        Named::ByClientId(client_id) => matching.find_former(client_id),
        Named::ById(_) => None,
    };
    let found = matching.find(&named).or_else(former);
    let found = found.filter(|it| it.instrument == instrument);
    found.map(reports::state).ok_or_else(|| Problem::new(-2013, "Order does not exist."))
}

/// Returns the open orders, of one symbol or of all.
pub(super) fn open_orders(params: &Value, matching: &Matching) -> Result<Value, Problem> {
    let wanted = params.get("symbol").map(|_| instrument(params, matching)).transpose()?;
    let open = matching.open_orders();
    let open = open.filter(|it| wanted.is_none_or(|wanted| wanted == it.instrument));
    Ok(open.map(reports::state).collect())
}

fn whole(params: &Value, name: &str) -> Option<u64> {
    text_of(params, name)?.parse().ok()
}

/// Returns the rows that a request wants: from an id on, the oldest are returned; otherwise the most
/// recent.
fn page(rows: Vec<Value>, params: &Value, from: Option<u64>) -> Value {
    let limit = whole(params, "limit").unwrap_or(500).min(1_000);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let skipped = if from.is_some() { 0 } else { rows.len().saturating_sub(limit) };
    rows.into_iter().skip(skipped).take(limit).collect()
}

/// Returns whether a time, in ns, is within those of a request.
fn is_within(params: &Value, at_ns: u64) -> bool {
    let at_ms = at_ns / 1_000_000;
    whole(params, "startTime").is_none_or(|start| start <= at_ms)
        && whole(params, "endTime").is_none_or(|end| at_ms <= end)
}

/// Returns the orders of a symbol, open and past, oldest first.
pub(super) fn orders(params: &Value, matching: &Matching) -> Result<Value, Problem> {
    let instrument = instrument(params, matching)?;
    let from = whole(params, "orderId");
    let found = matching
        .orders()
        .filter(|it| it.instrument == instrument)
        .filter(|it| from.is_none_or(|from| from <= it.id))
        .filter(|it| is_within(params, it.created_ns))
        .map(reports::state);
    Ok(page(found.collect(), params, from))
}

/// Returns the trades of a symbol, oldest first.
pub(super) fn trades(params: &Value, matching: &Matching) -> Result<Value, Problem> {
    let symbol = &matching.instruments()[instrument(params, matching)?].symbol;
    let (order, from) = (whole(params, "orderId"), whole(params, "fromId"));
    let found: Vec<Value> = matching
        .trades()
        .iter()
        .filter(|it| it.symbol == *symbol)
        .filter(|it| order.is_none_or(|order| it.order_id == order))
        .filter(|it| from.is_none_or(|from| from <= it.id))
        .filter(|it| is_within(params, it.at_ns))
        .map(reports::trade)
        .collect();
    Ok(page(found, params, from))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The documentation's first example, whose signature `signing.rs` checks.
    #[test]
    fn the_signed_text_is_sorted_and_leaves_the_signature_out() {
        let params = json!({
            "symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT", "timeInForce": "GTC",
            "quantity": "0.01000000", "price": "52000.00", "recvWindow": 100,
            "timestamp": 1_645_423_376_532_u64, "apiKey": "k", "signature": "s",
        });
        assert_eq!(
            signed_text(&params),
            "apiKey=k&price=52000.00&quantity=0.01000000&recvWindow=100&side=SELL&symbol=BTCUSDT&\
             timeInForce=GTC&timestamp=1645423376532&type=LIMIT"
        );
    }

    #[test]
    fn times_are_checked_as_documented() {
        const NOW_NS: u64 = 1_645_423_376_532_000_000;
        for (timestamp, window, code) in [
            (json!(1_645_423_376_532_u64), None, None),
            (json!("1645423376532"), None, None),
            (json!(1_645_423_376_532_000_u64), None, None),
            (json!(1_645_423_371_532_u64), None, None),
            (json!(1_645_423_371_531_u64), None, Some("outside of the recvWindow")),
            (json!(1_645_423_377_531_u64), None, None),
            (json!(1_645_423_377_532_u64), None, Some("ahead of the server")),
            (json!(1_645_423_376_432_u64), Some(json!(100)), None),
            (json!(1_645_423_376_431_999_u64), Some(json!(100)), Some("outside")),
            (json!(1_645_423_376_431_600_u64), Some(json!(100.4)), None),
            (json!(1_645_423_376_532_u64), Some(json!(60_001)), Some("greater than 60000")),
            (json!("x"), None, Some("'timestamp'")),
        ] {
            let mut params = json!({ "timestamp": timestamp });
            if let Some(window) = window {
                params["recvWindow"] = window;
            }
            let checked = check_time(&params, NOW_NS);
            let told = checked.err().map(|it| it.told(0).to_string());
            match code {
                None => assert_eq!(told, None, "{params}"),
                Some(part) => assert!(told.is_some_and(|it| it.contains(part)), "{params}"),
            }
        }
    }
}
