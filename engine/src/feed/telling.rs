//! What the log is told about the health of instruments: each change once, not each second.
//!
//! A state that needs attention is told when it begins, and its end once the instrument has been live
//! for a while. An instrument that changes back and forth is told once a minute.

use super::cold::Notice;
use spreadwire_market::clock::{Nanos, SECOND};
use spreadwire_market::instrument::VenueId;
use spreadwire_market::record::Status;
use spreadwire_market::state::{Reason, State};
use spreadwire_venues::health::Health;

/// The same reason is told again after this time.
const AGAIN_AFTER: Nanos = 60 * SECOND;
/// An instrument that has been live for this long is told to be well.
const WELL_AFTER: Nanos = 10 * SECOND;

/// What was told of one instrument.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    /// The last reason that was told, and when.
    reason: Option<(Reason, Nanos)>,
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

    /// Returns the name of the instrument that a symbol stands for.
    pub(super) fn name(&self, symbol: usize) -> &str {
        &self.names[symbol]
    }

    /// Tells a change of state, if it needs attention and was not told a short time ago.
    pub(super) fn on_status(
        &mut self,
        symbol: usize,
        status: &Status,
        tell: &mut impl FnMut(Notice),
    ) {
        let codes = State::of_code(status.state).zip(Reason::of_code(status.reason));
        let Some((state, reason)) = codes.filter(|(_, reason)| needs_attention(*reason)) else {
            return;
        };
        let told = &mut self.told[symbol];
        let now = status.ts_recv;
        told.is_open = true;
        let repeated = told
            .reason
            .is_some_and(|(last, at)| last == reason && now.saturating_sub(at) < AGAIN_AFTER);
        if !repeated {
            told.reason = Some((reason, now));
            tell(self.notice(symbol, state, reason));
        }
    }

    /// Tells what only time shows: an instrument that is well again, or still gives nothing.
    pub(super) fn on_time(
        &mut self,
        symbol: usize,
        health: &Health,
        now: Nanos,
        tell: &mut impl FnMut(Notice),
    ) {
        let (state, reason, since) = (health.state(), health.reason(), health.since());
        if since == now && needs_attention(reason) {
            let (state, reason) = (state as u8, reason as u8);
            let status = Status { ts_recv: now, state, reason, ..Status::default() };
            return self.on_status(symbol, &status, tell);
        }
        let told = &mut self.told[symbol];
        if told.is_open && state == State::Live && WELL_AFTER <= now.saturating_sub(since) {
            told.is_open = false;
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
