//! What the log is told about the health of instruments: each change once, not each second.
//!
//! A state that needs attention is told when it begins, and its end once the instrument has been live
//! for a while. Of an instrument that changes back and forth, each reason is told once a minute.

use super::cold::Notice;
use spreadwire_market::clock::{Nanos, SECOND};
use spreadwire_market::instrument::VenueId;
use spreadwire_market::record::Status;
use spreadwire_market::state::{Reason, State};
use spreadwire_venues::health::Health;

/// The same reason is told again after this time, if the instrument was not well meanwhile.
const AGAIN_AFTER: Nanos = 60 * SECOND;
/// An instrument that has been live for this long is told to be well.
const WELL_AFTER: Nanos = 10 * SECOND;

/// What was told of one instrument.
#[derive(Clone, Debug, Default)]
struct Told {
    /// The reasons that were told since it was well, and when.
    reasons: Vec<(Reason, Nanos)>,
    /// When the last state began that was looked at.
    seen: Nanos,
    /// Whether its end is still to be told.
    is_open: bool,
}

/// What was told of each instrument.
#[derive(Debug)]
pub(super) struct Telling {
    venue: VenueId,
    names: Vec<String>,
    told: Vec<Told>,
}

impl Telling {
    pub(super) fn new(venue: VenueId, names: Vec<String>) -> Telling {
        let told = vec![Told::default(); names.len()];
        Telling { venue, names, told }
    }

    /// Tells a change of state, if it needs attention and was not told a short time ago.
    pub(super) fn on_status(
        &mut self,
        symbol: usize,
        status: &Status,
        tell: &mut impl FnMut(Notice),
    ) {
        self.told[symbol].seen = status.ts_recv;
        let codes = State::of_code(status.state).zip(Reason::of_code(status.reason));
        let Some((state, reason)) = codes.filter(|(_, reason)| needs_attention(*reason)) else {
            return;
        };
        let told = &mut self.told[symbol];
        let now = status.ts_recv;
        told.is_open = true;
        told.reasons.retain(|(_, at)| now.saturating_sub(*at) < AGAIN_AFTER);
        if told.reasons.iter().all(|(before, _)| *before != reason) {
            told.reasons.push((reason, now));
            tell(self.notice(symbol, state, reason));
        }
    }

    /// Notes that something of an instrument was told elsewhere, so that its end is told here.
    pub(super) fn on_told(&mut self, symbol: usize) {
        self.told[symbol].is_open = true;
    }

    /// Tells what time or the end of a line has brought about, and that an instrument is well again.
    pub(super) fn on_time(
        &mut self,
        symbol: usize,
        health: &Health,
        now: Nanos,
        tell: &mut impl FnMut(Notice),
    ) {
        let (state, reason, since) = (health.state(), health.reason(), health.since());
        if since != self.told[symbol].seen {
            let (state, reason) = (state as u8, reason as u8);
            let status = Status { ts_recv: since, state, reason, ..Status::default() };
            return self.on_status(symbol, &status, tell);
        }
        let told = &mut self.told[symbol];
        if told.is_open && state == State::Live && WELL_AFTER <= now.saturating_sub(since) {
            // What comes next is news, even if it is the same again.
            *told = Told::default();
            tell(self.notice(symbol, state, reason));
        }
    }

    fn notice(&self, symbol: usize, state: State, reason: Reason) -> Notice {
        let instrument = self.names[symbol].clone();
        Notice::Health { venue: self.venue, instrument, state, reason }
    }
}

/// Returns whether a person should know. Connections have notices of their own, and quiet
/// instruments are no fault.
fn needs_attention(reason: Reason) -> bool {
    match reason {
        Reason::Crossed
        | Reason::SequenceGap
        | Reason::OneSided
        | Reason::Empty
        | Reason::Lag
        | Reason::Unreadable
        | Reason::Implausible
        | Reason::NoQuote
        | Reason::OutOfOrder => true,
        Reason::Quote
        | Reason::Disconnected
        | Reason::Silent
        | Reason::Quiet
        | Reason::Refused
        | Reason::HeldUp
        | Reason::Subscribed => false,
    }
}
