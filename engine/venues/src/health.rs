//! The health of each (venue, instrument), and the rules by which a message becomes a quote.
//!
//! One state machine serves all venues. It is driven by the venue's [`SequenceRule`] and by times
//! that the caller hands in. Only quotes in [`State::Live`] enter spreads: whatever makes a quote
//! doubtful changes the state first. A fault of one instrument never affects another.
//!
//! An instrument may come on several lines at once. The first valid copy of each update wins, by the
//! venue's sequence number, or by content where there is none. Copies that come later are dropped.

use crate::venue::{EventTime, QuoteMessage, SequenceRule, Side};
use bytemuck::Zeroable;
use spreadwire_market::clock::Nanos;
use spreadwire_market::instrument::{InstrumentId, VenueId};
use spreadwire_market::named;
use spreadwire_market::record::{Quote, Status, flags};
use spreadwire_market::state::{Reason, State};

mod lag;
mod numbering;
mod pace;
mod plausible;

pub use lag::LagMeter;
pub use numbering::LINES_MAX;

use numbering::{Numbering, Order};
use pace::Pace;
use plausible::Plausible;

named! {
    /// Reason why a quote message produces no quote. It is counted; nothing of the message enters
    /// the book.
    pub enum Discard {
        /// The sequence number is below the last one of the same line.
        OutOfOrder => "out_of_order",
        /// The message is a change, but the snapshot that it applies to is missing.
        AwaitingSnapshot => "awaiting_snapshot",
        /// Another line brought the same update, or a later one, before.
        Copy => "copy",
        /// A line that has just been opened began behind updates that another line will bring first.
        Ahead => "ahead",
    }
}

/// Result of a message: a change of state, then perhaps a quote.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// The change of state, if there is one. It is sent before the quote.
    pub status: Option<Status>,
    /// The quote, or the reason why there is none.
    pub quote: Result<Quote, Discard>,
    /// Whether the quote's event time is that of this update.
    pub is_measured: bool,
}

/// The bounds within which a quote is taken for true.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// A live quote older than this is stale, ns.
    pub max_age: Nanos,
    /// A quote whose event time is behind by more than this is lagging, ns.
    pub max_lag: Nanos,
    /// A quote whose middle is further from the one before than this is not believed until the next
    /// quotes confirm it, a fraction.
    pub max_jump: f64,
    /// The time within which the first quote is expected after a subscription, ns.
    pub first_quote: Nanos,
    /// For a venue that repeats an unchanged quote: the longest time between two quotes, ns.
    /// Otherwise the pace of the instrument is learned.
    pub repeats_within: Option<Nanos>,
}

impl Bounds {
    /// Returns bounds that only the age of a quote exceeds, ns.
    #[must_use]
    pub fn of_age(max_age: Nanos) -> Bounds {
        Bounds {
            max_age,
            max_lag: Nanos::MAX,
            max_jump: f64::INFINITY,
            first_quote: Nanos::MAX,
            repeats_within: None,
        }
    }
}

/// A message's way to us, as far as the connection knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// Number of the line that it came on.
    pub line: usize,
    /// When it was read, ns since 1970 UTC.
    pub ts_recv: Nanos,
    /// Whether it had waited because our own thread was held up.
    pub held_up: bool,
}

/// State machine of one (venue, instrument).
#[derive(Clone, Copy, Debug)]
pub struct Health {
    venue: VenueId,
    instrument: InstrumentId,
    bounds: Bounds,
    state: State,
    /// Reason for the current state.
    reason: Reason,
    /// Time of the current state.
    since: Nanos,
    /// The last quote, which changes apply to.
    last: Quote,
    /// Whether `last` is the venue's present picture.
    known: bool,
    /// Whether quotes were lost since the last one that was passed on.
    lost: bool,
    numbering: Numbering,
    plausible: Plausible,
    pace: Pace,
}

impl Health {
    /// Starts in `Down` with no quote.
    #[must_use]
    pub fn new(
        venue: VenueId,
        instrument: InstrumentId,
        rule: SequenceRule,
        bounds: Bounds,
    ) -> Health {
        Health {
            venue,
            instrument,
            bounds,
            state: State::Down,
            reason: Reason::Disconnected,
            since: 0,
            last: Quote::zeroed(),
            known: false,
            lost: false,
            numbering: Numbering::new(rule),
            plausible: Plausible::default(),
            pace: Pace::default(),
        }
    }

    /// Returns the current state.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Returns the reason for the current state.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// Returns the time of the current state, ns since 1970 UTC.
    #[must_use]
    pub fn since(&self) -> Nanos {
        self.since
    }

    /// Returns whether the last quote is the venue's present picture.
    #[must_use]
    pub fn has_quote(&self) -> bool {
        self.known
    }

    /// Returns the last quote's receive time, ns since 1970 UTC; 0 before the first one.
    #[must_use]
    pub fn quoted_at(&self) -> Nanos {
        self.last.ts_recv
    }

    /// Returns the venue's number of the last quote; 0 if it sends none.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.last.sequence
    }

    /// Returns whether a line has brought a message of this instrument since it was opened.
    #[must_use]
    pub fn is_heard(&self, line: usize) -> bool {
        self.numbering.is_heard(line)
    }

    /// Notes that a line was opened and the instrument subscribed on it.
    pub fn on_subscribed(&mut self, line: usize, now: Nanos) -> Option<Status> {
        self.numbering.open(line, now);
        self.pace.restart(now);
        let is_dead = matches!(self.state, State::Down | State::Refused);
        is_dead.then(|| self.turn(State::Silent, Reason::Subscribed, now)).flatten()
    }

    /// Notes that the venue accepted the subscription on a line, which it may have refused before.
    pub fn on_accepted(&mut self, line: usize, now: Nanos) -> Option<Status> {
        if self.numbering.is_open(line) { None } else { self.on_subscribed(line, now) }
    }

    /// Processes a message. `lag` measures the event times of its line.
    ///
    /// A message that is [ahead](Discard::Ahead) changes nothing: it is to be handed in again, before
    /// any other of its line, until it is not, or [`on_joined`](Health::on_joined) was called.
    #[inline]
    pub fn on_message(
        &mut self,
        message: &QuoteMessage,
        arrival: Arrival,
        lag: &mut LagMeter,
    ) -> Outcome {
        let is_first = !self.numbering.is_heard(arrival.line);
        let order = self.numbering.order(message, arrival, &self.last, self.known);
        let ts_recv = arrival.ts_recv;
        match order {
            Order::Copy => return dropped(None, Discard::Copy),
            Order::Ahead => return dropped(None, Discard::Ahead),
            Order::Late => {
                // One of the two is not the present picture, and nobody knows which.
                self.known = false;
                let status = self.turn(State::Gap, Reason::OutOfOrder, ts_recv);
                return dropped(status, Discard::OutOfOrder);
            }
            Order::Old => return dropped(None, Discard::OutOfOrder),
            Order::Hole { alone } => {
                if !alone {
                    return dropped(None, Discard::AwaitingSnapshot);
                }
                return dropped(self.on_hole(ts_recv), Discard::AwaitingSnapshot);
            }
            Order::Next | Order::Repeat | Order::Restart => {}
        }
        if !message.snapshot && !self.known {
            return dropped(None, Discard::AwaitingSnapshot);
        }
        let quote = self.picture(message, ts_recv, order);
        let measured = self.is_measured(order, is_first);
        let behind = lag.behind(message.ts_event.map(EventTime::ns), ts_recv, measured);
        let verdict = self.verdict(&quote, behind, measured, arrival.held_up);
        self.pace.on_quote(self.last.ts_recv, ts_recv);
        self.numbering.accept(arrival.line, message);
        (self.last, self.known, self.lost) = (quote, true, false);
        let status = self.turn(verdict.0, verdict.1, ts_recv);
        let is_measured = measured && message.ts_event.is_some();
        Outcome { status, quote: Ok(quote), is_measured }
    }

    /// Notes that a line that has just been opened is not to wait any longer for updates that the
    /// other lines have not brought.
    pub fn on_joined(&mut self, line: usize) {
        self.numbering.join(line);
    }

    /// Notes a message of this instrument that cannot be decoded: the last quote has been replaced
    /// by one that we do not know. The next readable full quote makes it known again.
    pub fn on_unreadable(&mut self, now: Nanos) -> Option<Status> {
        self.known = false;
        self.lost = true;
        self.turn(State::Unreadable, Reason::Unreadable, now)
    }

    /// Notes that a line ended. The instrument is down if no other line carries it.
    pub fn on_lost(&mut self, line: usize, reason: Reason, now: Nanos) -> Option<Status> {
        self.on_closed(line, State::Down, reason, now)
    }

    /// Notes that the venue refused the subscription on a line.
    pub fn on_refused(&mut self, line: usize, now: Nanos) -> Option<Status> {
        self.on_closed(line, State::Refused, Reason::Refused, now)
    }

    fn on_closed(
        &mut self,
        line: usize,
        state: State,
        reason: Reason,
        now: Nanos,
    ) -> Option<Status> {
        self.numbering.close(line);
        if !self.numbering.is_carried() {
            return self.on_down(state, reason, now);
        }
        if self.known && !self.numbering.is_brought(self.last.ts_recv) {
            // Those that are left have not brought what this one brought.
            self.known = false;
            return self.turn(State::Silent, Reason::Subscribed, now);
        }
        // The line that could have filled another's hole is gone.
        (self.known && self.numbering.is_broken(self.last.sequence))
            .then(|| self.on_hole(now))
            .flatten()
    }

    /// Notes that a change is missing: the current quote is unknown until the next snapshot.
    fn on_hole(&mut self, now: Nanos) -> Option<Status> {
        (self.lost, self.known) = (true, false);
        self.turn(State::Gap, Reason::SequenceGap, now)
    }

    /// Forgets the last quote.
    fn on_down(&mut self, state: State, reason: Reason, now: Nanos) -> Option<Status> {
        self.known = false;
        self.numbering.forget();
        self.plausible = Plausible::default();
        self.turn(state, reason, now)
    }

    /// Makes a live quote older than the maximum age stale, and an instrument silent that does not
    /// keep its pace. The next quote makes it live again.
    pub fn on_time(&mut self, now: Nanos) -> Option<Status> {
        let age = now.saturating_sub(self.last.ts_recv);
        match (self.state, self.reason) {
            (State::Live, _) if self.bounds.max_age < age => {
                self.turn(State::Stale, Reason::Quiet, now)
            }
            (State::Stale, Reason::Quiet) | (State::Silent, Reason::Subscribed)
                if self.is_overdue(now) =>
            {
                self.turn(self.state, Reason::NoQuote, now)
            }
            _ => None,
        }
    }

    /// Returns whether a quote should have come by now.
    #[must_use]
    pub fn is_overdue(&self, now: Nanos) -> bool {
        self.pace.is_overdue(now, &self.bounds)
    }

    /// Returns whether it is to be subscribed again: a quote should have come by now, and
    /// [`on_time`](Health::on_time) has said so.
    #[must_use]
    pub fn needs_renewal(&self, now: Nanos) -> bool {
        let is_untold = matches!(self.reason, Reason::Quiet | Reason::Subscribed);
        self.state != State::Refused && !is_untold && self.is_overdue(now)
    }

    /// Notes that it was subscribed again, so that the next quote is expected anew.
    pub fn on_asked_again(&mut self, now: Nanos) {
        self.pace.restart(now);
    }

    /// Notes that everything that had waited while our thread was held up has been read: the last
    /// quote is the venue's present one, unless it has grown too old meanwhile.
    pub fn on_caught_up(&mut self, now: Nanos) -> Option<Status> {
        if (self.state, self.reason) != (State::Lagging, Reason::HeldUp) || !self.known {
            return None;
        }
        if self.bounds.max_age < now.saturating_sub(self.last.ts_recv) {
            return self.turn(State::Stale, Reason::Quiet, now);
        }
        self.turn(State::Live, Reason::Quote, now)
    }

    /// Notes that our thread was held up: what the book has may have been replaced meanwhile.
    pub fn on_held_up(&mut self, now: Nanos) -> Option<Status> {
        let live = self.state == State::Live;
        live.then(|| self.turn(State::Lagging, Reason::HeldUp, now)).flatten()
    }

    /// Returns whether a quote's event time tells how late it is. Where the last quote is sent again,
    /// after a subscription or as a sign of life, it is that of an old change.
    #[inline]
    fn is_measured(&self, order: Order, is_first: bool) -> bool {
        let may_be_old = !self.known && is_first && self.bounds.repeats_within.is_some();
        order != Order::Repeat && !may_be_old
    }

    /// Returns the state that a quote leads to.
    #[inline]
    fn verdict(
        &mut self,
        quote: &Quote,
        behind: Nanos,
        measured: bool,
        held_up: bool,
    ) -> (State, Reason) {
        if quote.flags & flags::CROSSED != 0 {
            return (State::Crossed, Reason::Crossed);
        }
        match (0 < quote.bid_px, 0 < quote.ask_px) {
            (true, true) => {}
            (false, false) => return (State::OneSided, Reason::Empty),
            _ => return (State::OneSided, Reason::OneSided),
        }
        if lag::DAY < behind && self.bounds.max_lag < Nanos::MAX {
            return (State::Unreadable, Reason::Implausible);
        }
        // A picture that came late and is sent again is still that picture.
        let is_late_still = !measured && self.reason == Reason::Lag;
        if self.bounds.max_lag < behind || is_late_still {
            return (State::Lagging, Reason::Lag);
        }
        if !self.plausible.believes(quote, self.bounds.max_jump) {
            return (State::Unreadable, Reason::Implausible);
        }
        if held_up { (State::Lagging, Reason::HeldUp) } else { (State::Live, Reason::Quote) }
    }

    /// Returns the complete quote: the message, with the sides it leaves unchanged taken from the
    /// last quote.
    #[inline]
    fn picture(&self, message: &QuoteMessage, ts_recv: Nanos, order: Order) -> Quote {
        let (bid_px, bid_sz) = side(message.bid, (self.last.bid_px, self.last.bid_sz));
        let (ask_px, ask_sz) = side(message.ask, (self.last.ask_px, self.last.ask_sz));
        let mut bits = 0;
        for (set, bit) in [
            (self.lost, flags::GAP),
            (!self.known || order == Order::Restart, flags::SNAPSHOT),
            (0 < ask_px && ask_px < bid_px, flags::CROSSED),
            (message.ts_event.is_none(), flags::TS_EVENT_ABSENT),
            (order == Order::Repeat, flags::REPEAT),
        ] {
            bits |= if set { bit } else { 0 };
        }
        Quote {
            ts_recv,
            ts_event: message.ts_event.map_or(0, EventTime::ns),
            bid_px,
            ask_px,
            bid_sz,
            ask_sz,
            sequence: message.sequence.unwrap_or(0),
            instrument: self.instrument,
            venue: self.venue,

            flags: bits,
            ..Quote::zeroed()
        }
    }

    /// Changes the state. Returns a record if the state or its reason differs.
    #[inline]
    fn turn(&mut self, state: State, reason: Reason, ts_recv: Nanos) -> Option<Status> {
        if (self.state, self.reason) == (state, reason) {
            return None;
        }
        let previous = std::mem::replace(&mut self.state, state);
        (self.reason, self.since) = (reason, ts_recv);
        Some(Status {
            ts_recv,
            state: state as u8,
            previous: previous as u8,
            reason: reason as u8,
            instrument: self.instrument,
            venue: self.venue,

            ..Status::zeroed()
        })
    }
}

fn dropped(status: Option<Status>, why: Discard) -> Outcome {
    Outcome { status, quote: Err(why), is_measured: false }
}

/// Returns price and size of a side after a message; both are 0 if the side is empty.
fn side(side: Side, before: (i64, i64)) -> (i64, i64) {
    match side {
        Side::Unchanged => before,
        Side::Empty => (0, 0),
        Side::Level { px, sz } => (px, sz),
    }
}

#[cfg(test)]
mod tests;
