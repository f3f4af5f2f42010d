//! Reads the requests about orders of OKX, and names its errors.

use serde_json::Value;

use crate::orders::amount::Amount;
use crate::orders::gateway::{Command, Context, Ticket, text_of};
use crate::orders::matching::{Change, Named};
use crate::orders::order::{Lasting, NewOrder, Refusal, Side, Size};

/// Length of the longest id of a client's, for requests and orders.
const ID_LEN_MAX: usize = 32;

/// An error, as an answer tells it. Code 0 is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) code: i64,
    pub(super) message: String,
}

impl Problem {
    pub(super) fn new(code: i64, message: &str) -> Problem {
        Problem { code, message: message.to_owned() }
    }

    pub(super) fn none() -> Problem {
        Problem::new(0, "")
    }

    /// Returns the error for a parameter that is wrong.
    fn parameter(name: &str) -> Problem {
        Problem::new(51_000, &format!("Parameter {name} error"))
    }

    /// Returns the error for a parameter that is not there.
    fn empty(name: &str) -> Problem {
        Problem::new(50_014, &format!("Parameter {name} can not be empty."))
    }

    /// Returns the error of a refusal. `op` is that of the request.
    pub(super) fn of(refusal: &Refusal, op: &str) -> Problem {
        let (code, message) = match refusal {
            Refusal::Balance(asset) => {
                let message = format!("Order failed. Insufficient {asset} balance in account.");
                return Problem::new(51_008, &message);
            }
            Refusal::DuplicateClientId => (51_016, "Client order ID already exists."),
            Refusal::UnknownSymbol => {
                (51_001, "Instrument ID, Instrument ID code or Spread ID doesn't exist.")
            }
            Refusal::Halted => (51_022, "Contract suspended."),
            Refusal::Tick => return Problem::parameter("px"),
            Refusal::Lot => (51_121, "Order quantity must be a multiple of the lot size."),
            Refusal::TooSmall | Refusal::MinNotional => {
                (51_020, "Your order should meet or exceed the minimum order amount.")
            }
            Refusal::TooLarge => (51_005, "Your order amount exceeds the max order amount."),
            Refusal::UnknownOrder | Refusal::Closed(_) if op == "amend-order" => {
                (51_503, "Your order has already been filled or canceled.")
            }
            Refusal::UnknownOrder | Refusal::Closed(_) => (
                51_400,
                "Order cancellation failed as the order has been filled, canceled or does not exist.",
            ),
            Refusal::WouldTake => return Problem::parameter("ordType"),
            Refusal::AmendUp | Refusal::NoChange | Refusal::AmendBelowFilled => {
                (51_500, "You must enter a price, quantity, or TP/SL")
            }
            Refusal::RateLimited { .. } => (
                50_011,
                "Rate limit reached. Please refer to API documentation and throttle requests \
                 accordingly.",
            ),
            Refusal::Scripted { code, message } => (*code, message.as_str()),
        };
        Problem::new(code, message)
    }
}

/// Returns whether the id of a request is one that the venue takes.
pub(super) fn is_id(id: &Value) -> bool {
    id.as_str().is_some_and(|text| !text.is_empty() && is_short(text))
}

fn is_short(text: &str) -> bool {
    text.len() <= ID_LEN_MAX && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Reads what a request asks for.
pub(super) fn read(
    request: &Value,
    ticket: &Ticket,
    context: &Context<'_>,
) -> Result<Command, Problem> {
    let arg = &ticket.params;
    let now_ms = context.now_ns / 1_000_000;
    let deadline = text_of(request, "expTime").map(|text| text.parse::<u64>());
    match deadline {
        Some(Err(_)) => return Err(Problem::parameter("expTime")),
        // The documentation only says that such a request is not processed; this is its code for a
        // request that came to no end in time.
        Some(Ok(deadline_ms)) if deadline_ms < now_ms => {
            return Err(Problem::new(50_004, "API endpoint request timeout."));
        }
        Some(Ok(_)) | None => {}
    }
    let code = arg.get("instIdCode").and_then(Value::as_u64);
    let code = code.ok_or_else(|| Problem::empty("instIdCode"))?;
    let instrument = context.matching.instrument(|it| it.code == code);
    let instrument =
        instrument.ok_or_else(|| Problem::of(&Refusal::UnknownSymbol, &ticket.method))?;
    match ticket.method.as_str() {
        "order" => new_order(arg, instrument).map(Command::Place),
        "cancel-order" => Ok(Command::Cancel { named: named(arg)?, client_id: None }),
        _ => {
            let change = Change {
                size: number(arg, "newSz")?,
                price: number(arg, "newPx")?,
                is_reduction: false,
                client_id: None,
            };
            Ok(Command::Amend { named: named(arg)?, change })
        }
    }
}

fn new_order(arg: &Value, instrument: usize) -> Result<NewOrder, Problem> {
    match text_of(arg, "tdMode").as_deref() {
        Some("cash") => {}
        Some(_) => return Err(Problem::parameter("tdMode")),
        None => return Err(Problem::empty("tdMode")),
    }
    let side = match text_of(arg, "side").as_deref() {
        Some("buy") => Side::Buy,
        Some("sell") => Side::Sell,
        _ => return Err(Problem::parameter("side")),
    };
    let (is_market, lasting) = match text_of(arg, "ordType").as_deref() {
        Some("market") => (true, Lasting::Immediate),
        Some("limit") => (false, Lasting::Rest),
        Some("ioc") => (false, Lasting::Immediate),
        Some("fok") => (false, Lasting::Whole),
        Some("post_only") => (false, Lasting::PostOnly),
        _ => return Err(Problem::parameter("ordType")),
    };
    let price = match is_market {
        true => None,
        false => Some(number(arg, "px")?.ok_or_else(|| Problem::empty("px"))?),
    };
    let amount = number(arg, "sz")?.ok_or_else(|| Problem::empty("sz"))?;
    // The size of a market order to buy is in the quote currency, unless the order says otherwise.
    let in_quote = match text_of(arg, "tgtCcy").as_deref() {
        Some("quote_ccy") => true,
        Some("base_ccy") => false,
        _ => side == Side::Buy,
    };
    let size = if is_market && in_quote { Size::Quote(amount) } else { Size::Base(amount) };
    let client_id = text_of(arg, "clOrdId").unwrap_or_default();
    if !is_short(&client_id) {
        return Err(Problem::parameter("clOrdId"));
    }
    Ok(NewOrder { instrument, client_id, side, price, size, lasting })
}

fn number(arg: &Value, name: &str) -> Result<Option<Amount>, Problem> {
    let Some(text) = text_of(arg, name).filter(|text| !text.is_empty()) else { return Ok(None) };
    Amount::parse(&text).map(Some).ok_or_else(|| Problem::parameter(name))
}

/// Reads which order a request is about. The venue's id counts if both are given.
pub(super) fn named(arg: &Value) -> Result<Named, Problem> {
    let full = |name: &str| text_of(arg, name).filter(|text| !text.is_empty());
    match (full("ordId"), full("clOrdId")) {
        (Some(id), _) => Ok(Named::ById(id.parse().unwrap_or(0))),
        (None, Some(client_id)) => Ok(Named::ByClientId(client_id)),
        (None, None) => {
            Err(Problem::new(51_003, "Either client order ID or order ID is required."))
        }
    }
}
