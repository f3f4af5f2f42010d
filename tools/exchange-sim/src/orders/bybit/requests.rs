//! Reads the requests about orders of Bybit, and names its errors.

use serde_json::Value;

use crate::orders::amount::Amount;
use crate::orders::bybit::reports;
use crate::orders::gateway::{Command, text_of};
use crate::orders::matching::{Change, Matching, Named};
use crate::orders::order::{Lasting, NewOrder, Refusal, Side, Size, Status};

const NS_PER_MS: u64 = 1_000_000;

/// Length of the longest client id.
const CLIENT_ID_LEN_MAX: usize = 36;

/// Window of a request's timestamp if it gives none, in ms.
const WINDOW_MS: u64 = 5_000;

/// A request about an order.
#[derive(Debug)]
pub(super) struct Asked(pub(super) Command);

/// An error, as an answer tells it. Code 0 is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) code: i64,
    pub(super) message: String,
    /// When an exceeded limit ends.
    pub(super) until_ns: Option<u64>,
}

impl Problem {
    pub(super) fn new(code: i64, message: &str) -> Problem {
        Problem { code, message: message.to_owned(), until_ns: None }
    }

    pub(super) fn none() -> Problem {
        Problem::new(0, "OK")
    }

    /// Returns the error of a refusal.
    pub(super) fn of(refusal: &Refusal) -> Problem {
        let (code, message) = match refusal {
            Refusal::Balance(_) => (170_131, "Balance insufficient"),
            Refusal::DuplicateClientId => (170_141, "Duplicate clientOrderId"),
            Refusal::UnknownSymbol => (170_121, "Invalid symbol."),
            Refusal::Halted => (170_151, "The trading pair is not open yet"),
            Refusal::Tick => (170_134, "Order price decimal too long."),
            Refusal::Lot => (170_137, "Order volume decimal too long"),
            Refusal::TooSmall => (170_136, "Order quantity lower than the minimum."),
            Refusal::MinNotional => (170_140, "Order value exceeded lower limit"),
            Refusal::TooLarge => (170_124, "Order amount too large."),
            Refusal::WouldTake => {
                (170_218, "The LIMIT-MAKER order is rejected due to invalid price.")
            }
            Refusal::UnknownOrder => (110_001, "Order does not exist"),
            Refusal::Closed(Status::Filled) => (170_139, "Order has been filled."),
            Refusal::Closed(Status::Cancelled | Status::Expired) => {
                (170_142, "Order has been cancelled")
            }
            Refusal::Closed(Status::New | Status::PartlyFilled) | Refusal::AmendUp => {
                (170_312, "The current order does not support modification")
            }
            Refusal::NoChange => (10_001, "The order remains unchanged"),
            Refusal::AmendBelowFilled => (
                170_313,
                "The modified contract quantity cannot be less than to the filled quantity",
            ),
            Refusal::RateLimited { until_ns } => {
                let message = "System level frequency protection";
                return Problem { until_ns: Some(*until_ns), ..Problem::new(10_429, message) };
            }
            Refusal::Scripted { code, message } => (*code, message.as_str()),
        };
        Problem::new(code, message)
    }
}

/// Checks the timestamp in a request's header.
pub(super) fn check_time(header: &Value, now_ns: u64) -> Result<(), Problem> {
    let whole = |name: &str| text_of(header, name).and_then(|text| text.parse::<u64>().ok());
    let Some(at_ms) = whole("X-BAPI-TIMESTAMP") else {
        return Err(Problem::new(10_001, "Request parameter error: X-BAPI-TIMESTAMP"));
    };
    let window_ms = whole("X-BAPI-RECV-WINDOW").unwrap_or(WINDOW_MS);
    check_window(at_ms, window_ms, now_ns)
}

/// Checks that server time - window <= timestamp < server time + 1 s.
pub(super) fn check_window(at_ms: u64, window_ms: u64, now_ns: u64) -> Result<(), Problem> {
    let now_ms = now_ns / NS_PER_MS;
    if at_ms < now_ms.saturating_sub(window_ms) || now_ms + 1_000 <= at_ms {
        let message = "The request time exceeds the time window range.";
        return Err(Problem::new(10_002, message));
    }
    Ok(())
}

/// Reads what a request asks for.
pub(super) fn read(op: &str, arg: &Value, matching: &Matching) -> Result<Asked, Problem> {
    if text_of(arg, "category").as_deref() != Some("spot") {
        return Err(Problem::new(10_404, "category is not correct/supported"));
    }
    let symbol = text_of(arg, "symbol").unwrap_or_default();
    let instrument = matching.instrument(|it| it.symbol == symbol);
    let instrument = instrument.ok_or_else(|| Problem::of(&Refusal::UnknownSymbol))?;
    let command = match op {
        "order.create" => Command::Place(new_order(arg, instrument)?),
        "order.cancel" => Command::Cancel { named: named(arg)?, client_id: None },
        _ => {
            let change = Change {
                size: number(arg, "qty")?,
                price: number(arg, "price")?,
                is_reduction: false,
                client_id: None,
            };
            Command::Amend { named: named(arg)?, change }
        }
    };
    Ok(Asked(command))
}

fn new_order(arg: &Value, instrument: usize) -> Result<NewOrder, Problem> {
    let side = match text_of(arg, "side").as_deref() {
        Some("Buy") => Side::Buy,
        Some("Sell") => Side::Sell,
        _ => return Err(Problem::new(170_117, "Invalid side.")),
    };
    let is_market = match text_of(arg, "orderType").as_deref() {
        Some("Market") => true,
        Some("Limit") => false,
        _ => return Err(Problem::new(170_116, "Invalid orderType.")),
    };
    let empty = |name: &str| Problem::new(170_105, &format!("Parameter '{name}' was empty."));
    let price = match is_market {
        true => None,
        false => Some(number(arg, "price")?.ok_or_else(|| empty("price"))?),
    };
    let lasting = match text_of(arg, "timeInForce").as_deref() {
        _ if is_market => Lasting::Immediate,
        None | Some("GTC") => Lasting::Rest,
        Some("IOC") => Lasting::Immediate,
        Some("FOK") => Lasting::Whole,
        Some("PostOnly") => Lasting::PostOnly,
        Some(_) => return Err(Problem::new(170_115, "Invalid timeInForce.")),
    };
    let amount = number(arg, "qty")?.ok_or_else(|| empty("qty"))?;
    // The size of a market order to buy is in the quote coin, unless the order says otherwise.
    let in_quote = match text_of(arg, "marketUnit").as_deref() {
        Some("quoteCoin") => true,
        Some("baseCoin") => false,
        _ => side == Side::Buy,
    };
    let size = if is_market && in_quote { Size::Quote(amount) } else { Size::Base(amount) };
    Ok(NewOrder { instrument, client_id: client_id(arg)?, side, price, size, lasting })
}

fn client_id(arg: &Value) -> Result<String, Problem> {
    let text = text_of(arg, "orderLinkId").unwrap_or_default();
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if CLIENT_ID_LEN_MAX < text.len() || !text.bytes().all(is_allowed) {
        return Err(Problem::new(170_130, "Data sent for paramter 'orderLinkId' is not valid."));
    }
    Ok(text)
}

fn number(arg: &Value, name: &str) -> Result<Option<Amount>, Problem> {
    let Some(text) = text_of(arg, name).filter(|text| !text.is_empty()) else { return Ok(None) };
    Amount::parse(&text).map(Some).ok_or_else(|| {
        Problem::new(170_130, &format!("Data sent for paramter '{name}' is not valid."))
    })
}

/// Reads which order a request is about.
pub(super) fn named(arg: &Value) -> Result<Named, Problem> {
    let full = |name: &str| text_of(arg, name).filter(|text| !text.is_empty());
    match (full("orderId"), full("orderLinkId")) {
        (Some(id), _) => Ok(Named::ById(reports::number(&id).unwrap_or(0))),
        (None, Some(client_id)) => Ok(Named::ByClientId(client_id)),
        (None, None) => Err(Problem::new(10_001, "orderId or orderLinkId is required")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_of_a_timestamp_is_as_documented() {
        const NOW_NS: u64 = 1_711_001_595_207_000_000;
        for (at_ms, window_ms, code) in [
            (1_711_001_595_207, 5_000, None),
            (1_711_001_590_207, 5_000, None),
            (1_711_001_590_206, 5_000, Some(10_002)),
            (1_711_001_590_206, 8_000, None),
            (1_711_001_596_206, 5_000, None),
            (1_711_001_596_207, 5_000, Some(10_002)),
        ] {
            let checked = check_window(at_ms, window_ms, NOW_NS);
            assert_eq!(checked.err().map(|it| it.code), code, "{at_ms} {window_ms}");
        }
    }
}
