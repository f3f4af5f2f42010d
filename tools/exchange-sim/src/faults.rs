//! Scripted faults: what goes wrong at a venue, and when.
//!
//! A fault happens after a number of quotes sent by its venue, which is the same in every run of a
//! script, or at a time since the source began to play. It affects every connection that the venue
//! has at that moment. `server/fault_effects.rs` carries it out.

use std::str::FromStr;
use std::time::Duration;

use crate::duration::{duration_of, nanos};
use crate::error::SimError;

/// Length in bytes of the message of [`FaultKind::Oversized`], if the fault's text gives none.
pub const OVERSIZED_LEN: usize = 1 << 20;

/// One scripted fault.
///
/// Its text form, as on the command line, is `<venue>:<moment>:<kind>`, for example
/// `bybit:every=500:skip=3`. The moment is `after=N` (once, after N quotes), `every=N` (after each
/// N quotes), `at=TIME` (once) or `each=TIME` (repeatedly). A time is written `250ms`, `10s` or
/// `2m`. The kinds are `drop`, `close`, `stall=TIME`, `garbage`, `truncated`, `cut`,
/// `oversized[=BYTES]`, `unknown`, `skip=K`, `refuse`, `crossed`, `zero-size`, `negative`, `one-sided`,
/// `empty`, `unreadable`, `drop-one`, `lag=TIME`, `die=SYMBOL`, `refuse-for-ever=SYMBOL` and
/// `shutdown`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Name of the venue.
    pub venue: String,
    /// When the fault happens.
    pub moment: Moment,
    /// What goes wrong.
    pub kind: FaultKind,
}

/// When a fault happens. Only quotes of the source that were sent to at least one client count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Once, right after this many quotes. 0 is when the source begins to play.
    AfterQuotes(u64),
    /// Each time that this many more quotes were sent.
    EveryQuotes(u64),
    /// Once, at this time since the source began to play.
    At(Duration),
    /// Each time that this much more time has passed.
    Each(Duration),
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// The connection ends by a TCP reset, once everything sent before has left.
    Drop,
    /// The connection ends by a WebSocket close.
    Close,
    /// The connection stays open, but for this long nothing is sent and nothing is answered. The
    /// client never gets the quotes of that time.
    Stall(Duration),
    /// A text message that is not JSON is sent.
    Garbage,
    /// A complete message is sent whose JSON breaks off in the middle.
    Truncated,
    /// A WebSocket frame breaks off in the middle, and the connection ends.
    Cut,
    /// A JSON message of about this many bytes is sent.
    Oversized(usize),
    /// Valid JSON is sent that is of no kind the venue documents.
    Unknown,
    /// The next quotes, this many, are not sent. Their update ids are used up.
    Skip(u64),
    /// The next subscription gets the venue's error reply and has no effect.
    Refuse,
    /// A quote is sent whose bid is above its ask. Like the next two, it is the symbol's last quote
    /// until the source has a new one.
    Crossed,
    /// A quote is sent whose bid size is 0.
    ZeroSize,
    /// A quote is sent whose bid price is negative.
    Negative,
    /// A quote is sent without an ask.
    OneSided,
    /// A quote is sent without a bid and an ask: a halt.
    Empty,
    /// A quote is sent whose bid price is no number.
    Unreadable,
    /// One connection of the venue, the one in the lowest place, ends by a TCP reset.
    DropOne,
    /// From now on the times in quotes are older by this. 0 ends it.
    Lag(Duration),
    /// From now on nothing is sent of this symbol, although it can be subscribed.
    Die(String),
    /// From now on subscriptions of this symbol are refused.
    RefuseForEver(String),
    /// The venue announces that it will end the connection, if it has such a message.
    Shutdown,
}

impl FaultKind {
    /// Returns the symbol that it concerns, if it concerns one.
    pub(crate) fn symbol(&self) -> Option<&str> {
        if let FaultKind::Die(symbol) | FaultKind::RefuseForEver(symbol) = self {
            return Some(symbol);
        }
        None
    }
}

impl FromStr for Fault {
    type Err = SimError;

    fn from_str(text: &str) -> Result<Fault, SimError> {
        let wrong = |why: &str| SimError::Fault { text: text.to_owned(), why: why.to_owned() };
        let mut parts = text.splitn(3, ':');
        let (Some(venue), Some(moment), Some(kind)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong(
                "expected <venue>:<moment>:<kind>, for example binance:after=500:drop",
            ));
        };
        let moment = moment_of(moment)
            .ok_or_else(|| wrong("the moment must be after=N, every=N, at=TIME or each=TIME"))?;
        let kind = kind_of(kind).ok_or_else(|| {
            wrong(
                "the kind must be drop, drop-one, close, stall=TIME, garbage, truncated, cut, \
                 oversized[=BYTES], unknown, skip=K, refuse, crossed, zero-size, negative, \
                 one-sided, empty, unreadable, lag=TIME, die=SYMBOL, refuse-for-ever=SYMBOL or \
                 shutdown",
            )
        })?;
        Ok(Fault { venue: venue.to_owned(), moment, kind })
    }
}

fn moment_of(text: &str) -> Option<Moment> {
    let (name, value) = text.split_once('=')?;
    match name {
        "after" => value.parse().ok().map(Moment::AfterQuotes),
        "every" => value.parse().ok().filter(|n| 0 < *n).map(Moment::EveryQuotes),
        "at" => duration_of(value).map(Moment::At),
        "each" => duration_of(value).filter(|d| !d.is_zero()).map(Moment::Each),
        _ => None,
    }
}

fn kind_of(text: &str) -> Option<FaultKind> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    match (name, value) {
        ("drop", None) => Some(FaultKind::Drop),
        ("close", None) => Some(FaultKind::Close),
        ("stall", Some(value)) => duration_of(value).map(FaultKind::Stall),
        ("garbage", None) => Some(FaultKind::Garbage),
        ("truncated", None) => Some(FaultKind::Truncated),
        ("cut", None) => Some(FaultKind::Cut),
        ("oversized", None) => Some(FaultKind::Oversized(OVERSIZED_LEN)),
        ("oversized", Some(value)) => value.parse().ok().map(FaultKind::Oversized),
        ("unknown", None) => Some(FaultKind::Unknown),
        ("skip", Some(value)) => value.parse().ok().map(FaultKind::Skip),
        ("refuse", None) => Some(FaultKind::Refuse),
        ("crossed", None) => Some(FaultKind::Crossed),
        ("zero-size", None) => Some(FaultKind::ZeroSize),
        ("negative", None) => Some(FaultKind::Negative),
        ("one-sided", None) => Some(FaultKind::OneSided),
        ("empty", None) => Some(FaultKind::Empty),
        ("unreadable", None) => Some(FaultKind::Unreadable),
        ("drop-one", None) => Some(FaultKind::DropOne),
        ("lag", Some(value)) => duration_of(value).map(FaultKind::Lag),
        ("die" | "refuse-for-ever", Some("")) => None,
        ("die", Some(symbol)) => Some(FaultKind::Die(symbol.to_owned())),
        ("refuse-for-ever", Some(symbol)) => Some(FaultKind::RefuseForEver(symbol.to_owned())),
        ("shutdown", None) => Some(FaultKind::Shutdown),
        _ => None,
    }
}

/// A fault that waits for its moment.
#[derive(Debug)]
pub(crate) struct Armed {
    kind: FaultKind,
    moment: Moment,
    fired: u64,
}

impl Armed {
    /// Returns the symbol that it concerns, if it concerns one.
    pub(crate) fn symbol(&self) -> Option<&str> {
        self.kind.symbol()
    }

    pub(crate) fn new(fault: &Fault) -> Armed {
        Armed { kind: fault.kind.clone(), moment: fault.moment, fired: 0 }
    }

    /// Returns what goes wrong if the moment has come, once for each moment. `quotes` are those
    /// sent so far, and `elapsed_ns` the time since the source began to play.
    pub(crate) fn due(&mut self, quotes: u64, elapsed_ns: u64) -> Option<FaultKind> {
        let has_come = match self.moment {
            Moment::AfterQuotes(count) => self.fired == 0 && count <= quotes,
            Moment::EveryQuotes(count) => self.fired < quotes / count,
            Moment::At(time) => self.fired == 0 && nanos(time) <= elapsed_ns,
            Moment::Each(time) => self.fired < elapsed_ns / nanos(time).max(1),
        };
        if has_come {
            self.fired += 1;
        }
        has_come.then(|| self.kind.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Fault {
        text.parse().expect(text)
    }

    #[test]
    fn text_forms_are_read() {
        assert_eq!(
            fault("binance:after=500:drop"),
            Fault {
                venue: "binance".into(),
                moment: Moment::AfterQuotes(500),
                kind: FaultKind::Drop
            }
        );
        assert_eq!(
            fault("okx:each=1.5s:stall=250ms"),
            Fault {
                venue: "okx".into(),
                moment: Moment::Each(Duration::from_millis(1500)),
                kind: FaultKind::Stall(Duration::from_millis(250))
            }
        );
        for kind in [
            "close",
            "garbage",
            "truncated",
            "cut",
            "oversized",
            "oversized=99",
            "unknown",
            "skip=3",
            "refuse",
            "crossed",
            "zero-size",
            "negative",
            "one-sided",
            "empty",
            "unreadable",
            "drop-one",
            "lag=60s",
            "die=BTCUSDT",
            "refuse-for-ever=BTC-USDT",
            "shutdown",
        ] {
            fault(&format!("bybit:every=7:{kind}"));
        }
    }

    #[test]
    fn wrong_text_says_what_was_expected() {
        for (text, hint) in [
            ("binance:drop", "<venue>:<moment>:<kind>"),
            ("binance:after=x:drop", "after=N"),
            ("binance:every=0:drop", "after=N"),
            ("binance:after=1:explode", "zero-size"),
            ("binance:after=1:skip", "skip=K"),
            ("binance:after=1:die=", "die=SYMBOL"),
            ("binance:after=1:refuse-for-ever=", "refuse-for-ever=SYMBOL"),
        ] {
            let problem = text.parse::<Fault>().expect_err(text).to_string();
            assert!(problem.contains(hint) && problem.contains(text), "{problem}");
        }
    }

    #[test]
    fn each_moment_comes_once() {
        let mut once = Armed::new(&fault("okx:after=3:drop"));
        assert_eq!((0..9).filter(|n| once.due(*n, 0).is_some()).count(), 1);
        let mut again = Armed::new(&fault("okx:every=3:drop"));
        let fired: Vec<u64> = (0..=9).filter(|n| again.due(*n, 0).is_some()).collect();
        assert_eq!(fired, [3, 6, 9]);
        let mut timed = Armed::new(&fault("okx:each=10ms:drop"));
        let fired = (0..=50_u64).filter(|ms| timed.due(0, ms * 1_000_000).is_some()).count();
        assert_eq!(fired, 5);
    }
}
