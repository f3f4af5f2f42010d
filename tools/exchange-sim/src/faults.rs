//! Scripted faults: what goes wrong at a venue, and when.
//!
//! A fault is armed at a number of quotes sent by its venue, which is the same in every run of a
//! script, or at a time since the source began to play. It hits every connection the venue has at
//! that moment. Knows when and what; how it is done to a socket is the server's.

use std::str::FromStr;
use std::time::Duration;

use crate::duration::{duration_of, nanos};
use crate::error::SimError;

/// Length of the message of [`FaultKind::Oversized`] when none is given, in bytes.
pub const OVERSIZED_LEN: usize = 1 << 20;

/// One scripted fault.
///
/// Its text form, as on the command line, is `<venue>:<moment>:<kind>`. The moment is `after=N`
/// (once, when N quotes were sent), `every=N` (each N quotes), `at=TIME` (once) or `each=TIME`;
/// a time is `250ms`, `10s` or `2m`. The kinds are `drop`, `close`, `stall=TIME`, `garbage`,
/// `truncated`, `cut`, `oversized[=BYTES]`, `unknown`, `skip=K`, `refuse`, `crossed`, `zero-size`
/// and `negative`. Example: `bybit:every=500:skip=3`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The venue's name.
    pub venue: String,
    /// When it happens.
    pub moment: Moment,
    /// What happens.
    pub kind: FaultKind,
}

/// When a fault happens. Quotes are those of the source that at least one client was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Once, right after that many quotes; 0 is as the source begins.
    AfterQuotes(u64),
    /// Each time that many more quotes were sent.
    EveryQuotes(u64),
    /// Once, at that time since the source began to play.
    At(Duration),
    /// Each time that much more time passed.
    Each(Duration),
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The connection ends by a TCP reset, after what was sent before has left.
    Drop,
    /// The connection ends by a WebSocket close.
    Close,
    /// The connection stays open but nothing is sent nor answered for that long. Quotes of that
    /// time are lost to the client.
    Stall(Duration),
    /// A text message that is not JSON.
    Garbage,
    /// A whole message whose JSON breaks off in the middle.
    Truncated,
    /// A WebSocket frame that breaks off in the middle; then the connection ends.
    Cut,
    /// A JSON text message of about that many bytes.
    Oversized(usize),
    /// Valid JSON of no kind the venue documents.
    Unknown,
    /// That many next quotes are not sent; their sequence numbers are used up.
    Skip(u64),
    /// The next subscription gets the venue's error reply and has no effect.
    Refuse,
    /// A quote whose bid is above its ask. It stands until the symbol's next quote, as do the two
    /// below.
    Crossed,
    /// A quote whose bid size is 0.
    ZeroSize,
    /// A quote whose bid price is negative.
    Negative,
}

impl FromStr for Fault {
    type Err = SimError;

    fn from_str(text: &str) -> Result<Fault, SimError> {
        let wrong = |why: &str| SimError::Fault { text: text.to_owned(), why: why.to_owned() };
        let mut parts = text.splitn(3, ':');
        let (Some(venue), Some(moment), Some(kind)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong("expected <venue>:<moment>:<kind>, as in binance:after=500:drop"));
        };
        let moment = moment_of(moment)
            .ok_or_else(|| wrong("the moment is after=N, every=N, at=TIME or each=TIME"))?;
        let kind = kind_of(kind).ok_or_else(|| {
            wrong(
                "the kind is drop, close, stall=TIME, garbage, truncated, cut, oversized[=BYTES], \
                 unknown, skip=K, refuse, crossed, zero-size or negative",
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
        _ => None,
    }
}

/// A fault waiting for its moment.
#[derive(Debug)]
pub(crate) struct Armed {
    kind: FaultKind,
    moment: Moment,
    fired: u64,
}

impl Armed {
    pub(crate) fn new(fault: &Fault) -> Armed {
        Armed { kind: fault.kind, moment: fault.moment, fired: 0 }
    }

    /// Says what happens if the moment has come, once for each moment.
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
        has_come.then_some(self.kind)
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
