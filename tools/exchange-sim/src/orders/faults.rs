//! Scripted faults of order entry: what goes wrong with an order or an account, and when.
//!
//! A fault of a request happens to the n-th order, cancel or amendment that the venue was asked for, or to
//! the next order after a time. `desk.rs` carries it out.

use std::str::FromStr;
use std::time::Duration;

use crate::duration::{duration_of, nanos};
use crate::error::SimError;
use crate::orders::amount::Amount;
use crate::orders::order::{Forced, Side};

/// One scripted fault of order entry.
///
/// Its text form, as on the command line, is `<venue>:<moment>:<kind>`, for example
/// `bybit:order=3:late=250ms`. The moment is `order=N`, `cancel=N` or `amend=N` (the N-th such request,
/// from 1), `every-order=N`, `at=TIME` (once) or `each=TIME`. Times count from when the source begins to
/// play; a fault of a request then happens to the next order. The kinds are those of
/// [`OrderFaultKind`], written `late=TIME`, `late-fills=TIME`, `double-ack`, `double-fills`,
/// `fills-first`, `fill-after-cancel`, `filled-twice`, `silent`, `lost`, `reject=CODE[:MESSAGE]`,
/// `rate-limit[=TIME]`, `disconnect`, `balance=ASSET:DIFFERENCE`, `liquidation=SYMBOL:SIDE:SIZE` and
/// `adl=SYMBOL:SIDE:SIZE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderFault {
    /// Name of the venue.
    pub venue: String,
    /// When the fault happens.
    pub moment: OrderMoment,
    /// What goes wrong.
    pub kind: OrderFaultKind,
}

/// A kind of request about orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A new order.
    Place,
    /// A cancel, of one order or of all.
    Cancel,
    /// A change of an open order.
    Amend,
}

/// When a fault happens. Only signed and well-formed requests count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderMoment {
    /// At the n-th request of this kind, counted from 1.
    Nth(Operation, u64),
    /// At each n-th order.
    EveryOrder(u64),
    /// Once, at this time since the source began to play.
    At(Duration),
    /// Each time that this much more time has passed.
    Each(Duration),
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderFaultKind {
    /// The answer and the messages that follow from the request come later by this.
    Late(Duration),
    /// Messages about fills of the order come later by this.
    LateFills(Duration),
    /// The answer is sent twice.
    DoubleAck,
    /// Each message about a fill of the order is sent twice.
    DoubleFills,
    /// Messages about the order come before the answer.
    FillsFirst,
    /// A cancel of the order is acknowledged as done, and then the order fills. The fill is real.
    FillAfterCancel,
    /// When the order is filled, the venue says so a second time, as Bybit does for a cancel that came
    /// too late. There is one fill.
    FilledTwice,
    /// The request is carried out, but there is no answer and no message.
    Silent,
    /// The request is not carried out, and there is no answer.
    Lost,
    /// The request is refused with this code of the venue.
    Reject {
        /// The venue's code.
        code: i64,
        /// The venue's message.
        message: String,
    },
    /// The request is refused because of a rate limit that ends after this time.
    RateLimit(Duration),
    /// The request is carried out, and the connection that sent it ends by a TCP reset without an
    /// answer.
    Disconnect,
    /// The free balance of an asset changes without a trade or a message.
    Balance {
        /// The asset.
        asset: String,
        /// What is added to it; what is taken never makes it negative.
        difference: Amount,
    },
    /// A trade that no client asked for, at the quoted price.
    Forced {
        /// Why the venue trades.
        forced: Forced,
        /// The venue's symbol.
        symbol: String,
        /// Side of the trade.
        side: Side,
        /// Size in the base asset. It is cut to what the balance allows.
        size: Amount,
    },
}

impl OrderFaultKind {
    /// Returns whether it happens to a request, and not to the account.
    fn is_of_request(&self) -> bool {
        !matches!(self, OrderFaultKind::Balance { .. } | OrderFaultKind::Forced { .. })
    }
}

impl FromStr for OrderFault {
    type Err = SimError;

    fn from_str(text: &str) -> Result<OrderFault, SimError> {
        let wrong = |why: &str| SimError::Fault { text: text.to_owned(), why: why.to_owned() };
        let mut parts = text.splitn(3, ':');
        let (Some(venue), Some(moment), Some(kind)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong(
                "expected <venue>:<moment>:<kind>, for example bybit:order=3:late=250ms",
            ));
        };
        let moment = moment_of(moment).ok_or_else(|| {
            wrong(
                "the moment must be order=N, every-order=N, cancel=N, amend=N, at=TIME or each=TIME",
            )
        })?;
        let kind = kind_of(kind).ok_or_else(|| {
            wrong(
                "the kind must be late=TIME, late-fills=TIME, double-ack, double-fills, fills-first, \
                 fill-after-cancel, filled-twice, silent, lost, reject=CODE[:MESSAGE], \
                 rate-limit[=TIME], disconnect, balance=ASSET:DIFFERENCE, \
                 liquidation=SYMBOL:SIDE:SIZE or adl=SYMBOL:SIDE:SIZE",
            )
        })?;
        Ok(OrderFault { venue: venue.to_owned(), moment, kind })
    }
}

fn moment_of(text: &str) -> Option<OrderMoment> {
    let (name, value) = text.split_once('=')?;
    let count = || value.parse().ok().filter(|count| 0 < *count);
    match name {
        "order" => count().map(|n| OrderMoment::Nth(Operation::Place, n)),
        "cancel" => count().map(|n| OrderMoment::Nth(Operation::Cancel, n)),
        "amend" => count().map(|n| OrderMoment::Nth(Operation::Amend, n)),
        "every-order" => count().map(OrderMoment::EveryOrder),
        "at" => duration_of(value).map(OrderMoment::At),
        "each" => duration_of(value).filter(|time| !time.is_zero()).map(OrderMoment::Each),
        _ => None,
    }
}

fn kind_of(text: &str) -> Option<OrderFaultKind> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    match (name, value) {
        ("late", Some(value)) => duration_of(value).map(OrderFaultKind::Late),
        ("late-fills", Some(value)) => duration_of(value).map(OrderFaultKind::LateFills),
        ("double-ack", None) => Some(OrderFaultKind::DoubleAck),
        ("double-fills", None) => Some(OrderFaultKind::DoubleFills),
        ("fills-first", None) => Some(OrderFaultKind::FillsFirst),
        ("fill-after-cancel", None) => Some(OrderFaultKind::FillAfterCancel),
        ("filled-twice", None) => Some(OrderFaultKind::FilledTwice),
        ("silent", None) => Some(OrderFaultKind::Silent),
        ("lost", None) => Some(OrderFaultKind::Lost),
        ("reject", Some(value)) => {
            let (code, message) = value.split_once(':').unwrap_or((value, "refused by a script"));
            let code = code.parse().ok()?;
            Some(OrderFaultKind::Reject { code, message: message.to_owned() })
        }
        ("rate-limit", None) => Some(OrderFaultKind::RateLimit(Duration::from_secs(1))),
        ("rate-limit", Some(value)) => duration_of(value).map(OrderFaultKind::RateLimit),
        ("disconnect", None) => Some(OrderFaultKind::Disconnect),
        ("balance", Some(value)) => {
            let (asset, difference) = value.split_once(':')?;
            let difference = Amount::parse(difference.trim_start_matches('+'))?;
            Some(OrderFaultKind::Balance { asset: asset.to_owned(), difference })
        }
        ("liquidation", Some(value)) => forced(Forced::Liquidation, value),
        ("adl", Some(value)) => forced(Forced::Deleveraging, value),
        _ => None,
    }
}

/// Reads `SYMBOL:SIDE:SIZE`.
fn forced(forced: Forced, text: &str) -> Option<OrderFaultKind> {
    let (symbol, rest) = text.split_once(':')?;
    let (side, size) = rest.split_once(':')?;
    let side = match side {
        "buy" => Side::Buy,
        "sell" => Side::Sell,
        _ => return None,
    };
    let size = Amount::parse(size).filter(|size| size.is_positive())?;
    Some(OrderFaultKind::Forced { forced, symbol: symbol.to_owned(), side, size })
}

/// A fault that waits for its moment.
#[derive(Debug)]
pub(crate) struct Armed {
    kind: OrderFaultKind,
    moment: OrderMoment,
    fired: u64,
}

impl Armed {
    pub(crate) fn new(fault: &OrderFault) -> Armed {
        Armed { kind: fault.kind.clone(), moment: fault.moment, fired: 0 }
    }

    /// Returns the kind if it happens to this request, which is the `count`-th of its operation,
    /// `elapsed_ns` after the source began to play.
    pub(crate) fn at_request(
        &mut self,
        operation: Operation,
        count: u64,
        elapsed_ns: Option<u64>,
    ) -> Option<OrderFaultKind> {
        let has_come = match self.moment {
            OrderMoment::Nth(of, n) => of == operation && n == count,
            OrderMoment::EveryOrder(n) => operation == Operation::Place && count.is_multiple_of(n),
            OrderMoment::At(_) | OrderMoment::Each(_) => {
                operation == Operation::Place
                    && self.kind.is_of_request()
                    && self.is_time(elapsed_ns)
            }
        };
        self.fire_if(has_come)
    }

    /// Returns the kind if it happens to the account at this time.
    pub(crate) fn at_time(&mut self, elapsed_ns: u64) -> Option<OrderFaultKind> {
        let has_come = !self.kind.is_of_request() && self.is_time(Some(elapsed_ns));
        self.fire_if(has_come)
    }

    fn fire_if(&mut self, has_come: bool) -> Option<OrderFaultKind> {
        self.fired += u64::from(has_come);
        has_come.then(|| self.kind.clone())
    }

    fn is_time(&self, elapsed_ns: Option<u64>) -> bool {
        let Some(elapsed_ns) = elapsed_ns else { return false };
        match self.moment {
            OrderMoment::At(time) => self.fired == 0 && nanos(time) <= elapsed_ns,
            OrderMoment::Each(time) => self.fired < elapsed_ns / nanos(time).max(1),
            OrderMoment::Nth(..) | OrderMoment::EveryOrder(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> OrderFault {
        text.parse().expect(text)
    }

    #[test]
    fn text_forms_are_read() {
        assert_eq!(
            fault("okx:cancel=2:reject=51400:gone: away"),
            OrderFault {
                venue: "okx".into(),
                moment: OrderMoment::Nth(Operation::Cancel, 2),
                kind: OrderFaultKind::Reject { code: 51400, message: "gone: away".into() },
            }
        );
        let half = Amount::parse("0.5").expect("a number");
        assert_eq!(
            fault("bybit:at=2s:adl=BTCUSDT:sell:0.5").kind,
            OrderFaultKind::Forced {
                forced: Forced::Deleveraging,
                symbol: "BTCUSDT".into(),
                side: Side::Sell,
                size: half,
            }
        );
        let taken = OrderFaultKind::Balance { asset: "BTC".into(), difference: -half };
        assert_eq!(fault("binance:each=1s:balance=BTC:-0.5").kind, taken);
        for kind in [
            "late=1s",
            "late-fills=250ms",
            "double-ack",
            "double-fills",
            "fills-first",
            "fill-after-cancel",
            "filled-twice",
            "silent",
            "lost",
            "reject=-2010",
            "rate-limit",
            "rate-limit=5s",
            "disconnect",
            "balance=BTC:+1",
            "liquidation=BTCUSDT:buy:1",
        ] {
            fault(&format!("bybit:every-order=7:{kind}"));
        }
    }

    #[test]
    fn wrong_text_says_what_was_expected() {
        for (text, hint) in [
            ("binance:lost", "<venue>:<moment>:<kind>"),
            ("binance:order=0:lost", "every-order=N"),
            ("binance:after=1:lost", "every-order=N"),
            ("binance:order=1:explode", "fill-after-cancel"),
            ("binance:order=1:reject", "reject=CODE"),
            ("binance:order=1:balance=BTC", "balance=ASSET:DIFFERENCE"),
            ("binance:order=1:adl=BTCUSDT:short:1", "adl=SYMBOL:SIDE:SIZE"),
        ] {
            let problem = text.parse::<OrderFault>().expect_err(text).to_string();
            assert!(problem.contains(hint) && problem.contains(text), "{problem}");
        }
    }

    #[test]
    fn each_moment_comes_once() {
        let at = |text: &str, operation, elapsed_ns: Option<u64>| -> Vec<u64> {
            let mut armed = Armed::new(&fault(text));
            (1..=9).filter(|n| armed.at_request(operation, *n, elapsed_ns).is_some()).collect()
        };
        assert_eq!(at("okx:order=3:lost", Operation::Place, None), [3]);
        assert_eq!(at("okx:order=3:lost", Operation::Cancel, None), [0; 0]);
        assert_eq!(at("okx:every-order=4:lost", Operation::Place, None), [4, 8]);
        assert_eq!(at("okx:at=1s:lost", Operation::Place, Some(1_000_000_000)), [1]);
        assert_eq!(at("okx:at=1s:lost", Operation::Place, Some(999_999_999)), [0; 0]);
        assert_eq!(at("okx:at=0s:lost", Operation::Place, None), [0; 0]);
        let mut timed = Armed::new(&fault("okx:each=10ms:balance=BTC:1"));
        let fired = (0..=50_u64).filter(|ms| timed.at_time(ms * 1_000_000).is_some()).count();
        assert_eq!(fired, 5);
    }
}
