//! What a client refuses, and what it doubts.
//!
//! A [`Fault`] is something that a correct server never sends. After one, nothing that the server
//! says is believed: the connection ends, and with it everything that was open. A [`Doubt`] is
//! something that happens to correct servers and clients too, such as a spread that came late. It
//! concerns one pair or one leg, which is not acted on, and the connection goes on.

use super::PROTOCOL;
use crate::clock::{MILLI, Nanos};
use crate::decimal::DecimalError;
use crate::escape::escape;
use crate::instrument::VENUES_MAX;
use crate::named;
use crate::spread::TAKER_FEES_BPS;

/// Maximum number of a peer's characters that an error repeats.
const REPEATED_MAX: usize = 80;

/// Returns a peer's text in quotes, escaped and cut.
fn quoted(text: &str) -> String {
    format!("\"{}\"", escape(text).at_most(REPEATED_MAX))
}

/// Reason why a message, or its absence, ends the connection. Each text names the thing concerned;
/// texts of the peer are escaped.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Not JSON, or without the fields that the protocol guarantees.
    #[error("not a message of {PROTOCOL}: {}", escape(&.0.to_string()).at_most(200))]
    Shape(#[from] serde_json::Error),
    /// The server uses another protocol, so connecting again is useless.
    #[error(
        "the server uses protocol {}, and this program knows only \"{PROTOCOL}\"; use the program \
         of the engine's own version, or connect to another engine", quoted(.0)
    )]
    Protocol(String),
    /// A message came before `hello`.
    #[error("the first message was not hello")]
    NoHello,
    /// A second `hello` on one connection.
    #[error("the server said hello twice")]
    HelloTwice,
    /// There are more venues than ids.
    #[error("hello lists {0} venues; {VENUES_MAX} are the most")]
    TooManyVenues(usize),
    /// The pairs of venues of all instruments do not fit in memory.
    #[error("hello lists {0} pairs of venues over all instruments; {1} are the most")]
    TooManyPairs(usize, usize),
    /// A name of a venue or instrument that is empty, too long, or has characters that are not
    /// printable.
    #[error("the server has the name {}: {why}", quoted(.name))]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Two venues or two instruments have the same name, or an instrument lists a venue twice.
    #[error("hello lists {} twice", quoted(.0))]
    Duplicate(String),
    /// An instrument has more decimals than a price or size can have.
    #[error("{} has a scale of {scale} decimals, which is too many", quoted(.instrument))]
    Scale {
        /// The instrument.
        instrument: String,
        /// The scale.
        scale: u8,
    },
    /// A taker fee outside [`TAKER_FEES_BPS`], which no engine accepts either.
    #[error(
        "the taker fee of {} is {fee_bps} bp; only {} to {} bp can be right", quoted(.venue),
        TAKER_FEES_BPS.start(), TAKER_FEES_BPS.end()
    )]
    Fee {
        /// The venue.
        venue: String,
        /// Its fee, basis points.
        fee_bps: f64,
    },
    /// A name that `hello` does not have.
    #[error("{} is not in hello", quoted(.0))]
    UnknownName(String),
    /// A venue that does not list the instrument.
    #[error("{} does not list {}, says hello", quoted(.venue), quoted(.instrument))]
    Unlisted {
        /// The venue.
        venue: String,
        /// The instrument.
        instrument: String,
    },
    /// A price or size that is not a number at the instrument's scale.
    #[error("{field} {}: {error}", quoted(.text))]
    Number {
        /// The field.
        field: &'static str,
        /// The text in it.
        text: String,
        /// What is wrong with it.
        error: DecimalError,
    },
    /// A price or size that is zero or negative.
    #[error("{field} is {}, which is not above 0", quoted(.text))]
    NotPositive {
        /// The field.
        field: &'static str,
        /// The text in it.
        text: String,
    },
    /// Both legs of a pair are on one venue.
    #[error("{} is to be bought and sold on {}", quoted(.instrument), quoted(.venue))]
    OneVenue {
        /// The instrument.
        instrument: String,
        /// The venue.
        venue: String,
    },
    /// A spread whose leg is not live.
    #[error("spread {seq} of {} has a leg on {}, which is not live", quoted(.instrument), quoted(.venue))]
    LegNotLive {
        /// The spread's number.
        seq: u64,
        /// The instrument.
        instrument: String,
        /// The venue of that leg.
        venue: String,
    },
    /// A number that is not above the one before it.
    #[error("number {seq} came after {last}")]
    Back {
        /// The last number.
        last: u64,
        /// The number that came.
        seq: u64,
    },
    /// Spreads are missing although no gap was told and no filter was set.
    #[error("number {seq} came in place of {expected}, without a gap")]
    Hole {
        /// The number that should have come.
        expected: u64,
        /// The number that came.
        seq: u64,
    },
    /// A snapshot with a spread that it cannot include yet.
    #[error("a snapshot up to number {seq} includes spread {spread}")]
    SnapshotAhead {
        /// The number of the last spread in the snapshot, by its own account.
        seq: u64,
        /// The number of the spread.
        spread: u64,
    },
    /// A snapshot that does not belong to a filter without one.
    #[error("a snapshot of {} came, and none was due", quoted(.0))]
    SnapshotUnasked(String),
    /// A gap that misses more spreads than there are numbers in it.
    #[error("a gap from number {from} to {to} misses {missed} spreads")]
    Gap {
        /// First number.
        from: u64,
        /// Last number.
        to: u64,
        /// Number of missed spreads.
        missed: u64,
    },
    /// An answer to a request, although the application sets no filters and so asks for nothing.
    #[error("the server answers \"{0}\", and nothing was asked")]
    Unasked(&'static str),
    /// A message that is not a text.
    #[error("a binary message of {0} bytes came, and {PROTOCOL}.json has only texts")]
    Binary(usize),
    /// There are more filters than a server allows.
    #[error("the server confirms more than {0} filters without a snapshot")]
    TooManyFilters(usize),
    /// The snapshot was not complete in time.
    #[error("no complete snapshot within {} ms", .0 / MILLI)]
    SnapshotLate(Nanos),
    /// An earlier fault ended this connection.
    #[error("the connection has ended with an earlier fault")]
    Over,
}

impl Fault {
    /// Returns whether the same server will always cause it, so that connecting again is useless.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Fault::Protocol(_))
    }
}

named! {
    /// Reason why a spread is not acted on, or a state is not believed, although the connection
    /// goes on.
    pub enum Doubt {
        /// The spread was older than the maximum age when it arrived.
        Old => "old",
        /// The time is ahead of the client's clock by more than the limit.
        Ahead => "ahead",
        /// The time is behind that of earlier messages by more than the limit.
        Behind => "behind",
        /// The net spread is further from zero than the limit.
        Implausible => "implausible",
        /// A leg of the spread is not known to be live, and the engine's broadcast has missed
        /// records, perhaps the leg's change of state.
        Unproven => "unproven",
        /// The state of a leg has a name that this version does not know; it counts as not live.
        UnknownState => "unknown_state",
    }
}

impl Doubt {
    /// Returns what is done about it and what a person can do, in words.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Doubt::Old => {
                "spreads arrive too old and are not acted on; does this program keep up, and are \
                 the clocks of both hosts right?"
            }
            Doubt::Ahead => {
                "the server's times are ahead of this host's, and such spreads are not acted on; \
                 are the clocks of both hosts right?"
            }
            Doubt::Behind => {
                "the server's times step back, and such spreads are not acted on; is the clock of \
                 its host right?"
            }
            Doubt::Implausible => {
                "spreads with a net beyond the limit are taken for mistakes and not acted on; do \
                 both venues trade the same asset, in the same unit?"
            }
            Doubt::Unproven => {
                "the engine's broadcast missed records, so some legs are not known to be live; \
                 their spreads are not acted on until their next status"
            }
            Doubt::UnknownState => {
                "the server has states that this version does not know; they count as not live"
            }
        }
    }
}

/// How often each doubt arose.
#[derive(Clone, Debug, Default)]
pub struct Doubts {
    counts: [u64; Doubt::ALL.len()],
    told: [bool; Doubt::ALL.len()],
}

impl Doubts {
    /// Counts a doubt.
    pub(super) fn add(&mut self, doubt: Doubt) {
        self.counts[doubt as usize] += 1;
    }

    /// Returns how often it arose.
    #[must_use]
    pub fn count(&self, doubt: Doubt) -> u64 {
        self.counts[doubt as usize]
    }

    /// Returns a doubt that arose and was not returned before. Each is returned once.
    pub(super) fn news(&mut self) -> Option<Doubt> {
        let new = |doubt: &Doubt| 0 < self.count(*doubt) && !self.told[*doubt as usize];
        let doubt = Doubt::ALL.into_iter().find(new)?;
        self.told[doubt as usize] = true;
        Some(doubt)
    }
}
