//! The error codes and messages of Binance, from its `errors.md` and `filters.md`.

use serde_json::{Value, json};

use crate::orders::order::Refusal;

const NS_PER_MS: u64 = 1_000_000;

/// Code of answers to requests over a limit.
const TOO_MANY: i64 = -1003;
const TOO_MANY_ORDERS: i64 = -1015;

/// An error, as an answer tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    code: i64,
    message: String,
    /// When the client may try again, in ms since 1970 UTC, if a limit was exceeded.
    retry_ms: Option<u64>,
}

impl Problem {
    pub(super) fn new(code: i64, message: &str) -> Problem {
        Problem { code, message: message.to_owned(), retry_ms: None }
    }

    /// Returns the error for a parameter that is not there or not understood.
    pub(super) fn missing(name: &str) -> Problem {
        let message =
            format!("Mandatory parameter '{name}' was not sent, was empty/null, or malformed.");
        Problem::new(-1102, &message)
    }

    /// Returns the error for a limit that ends at `until_ns`.
    pub(super) fn limited(until_ns: u64) -> Problem {
        let message = "Too much request weight used; current limit is 6000 request weight per 1 \
                       MINUTE. Please use WebSocket Streams for live updates to avoid polling the API.";
        Problem { retry_ms: Some(until_ns / NS_PER_MS), ..Problem::new(TOO_MANY, message) }
    }

    /// Returns the error of a refusal. `method` is that of the request.
    pub(super) fn of(refusal: &Refusal, method: &str) -> Problem {
        let is_new = method == "order.place";
        let rejected = match method {
            "order.place" => -2010,
            "order.amend.keepPriority" => -2038,
            _ => -2011,
        };
        let filter = |name: &str| Problem::new(-1013, &format!("Filter failure: {name}"));
        let (code, message) = match refusal {
            Refusal::Tick => return filter("PRICE_FILTER"),
            Refusal::Lot | Refusal::TooSmall => return filter("LOT_SIZE"),
            Refusal::MinNotional | Refusal::TooLarge => return filter("NOTIONAL"),
            Refusal::Balance(_) => {
                (rejected, "Account has insufficient balance for requested action.")
            }
            Refusal::DuplicateClientId => (rejected, "Duplicate order sent."),
            Refusal::UnknownSymbol => (-1121, "Invalid symbol."),
            Refusal::Halted => (if is_new { -1013 } else { rejected }, "Market is closed."),
            Refusal::WouldTake => (rejected, "Order would immediately match and take."),
            Refusal::UnknownOrder | Refusal::Closed(_) => (rejected, "Unknown order sent."),
            Refusal::AmendUp => (rejected, "Order amend (quantity increase) is not supported."),
            Refusal::NoChange => {
                (rejected, "The requested action would change no state; rejecting")
            }
            Refusal::AmendBelowFilled => (rejected, "Order amend is not supported below filled."),
            Refusal::RateLimited { until_ns } => {
                let message = "Too many new orders; current limit is 100 orders per 10 SECOND.";
                let retry_ms = Some(until_ns / NS_PER_MS);
                return Problem { retry_ms, ..Problem::new(TOO_MANY_ORDERS, message) };
            }
            Refusal::Scripted { code, message } => (*code, message.as_str()),
        };
        Problem::new(code, message)
    }

    /// Returns the status of the answer.
    pub(super) fn status(&self) -> u16 {
        match self.code {
            TOO_MANY | TOO_MANY_ORDERS => 429,
            -2015 | -2014 => 401,
            _ => 400,
        }
    }

    /// Returns the error as an answer has it.
    pub(super) fn told(&self, now_ms: u64) -> Value {
        let mut told = json!({ "code": self.code, "msg": self.message });
        if let Some(retry_ms) = self.retry_ms {
            told["data"] = json!({ "serverTime": now_ms, "retryAfter": retry_ms });
        }
        told
    }
}
