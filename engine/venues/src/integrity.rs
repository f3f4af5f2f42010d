//! The state of each (venue, instrument), and the rules by which a message becomes a quote.
//!
//! One state machine serves all venues. It is driven by the venue's [`SequenceRule`] and by times
//! that the caller supplies. Only quotes in [`State::Live`] enter spreads. A gap in one instrument
//! never affects another.

use crate::venue::{QuoteMessage, SequenceRule, Side};
use bytemuck::Zeroable;
use spreadwire_market::clock::Nanos;
use spreadwire_market::instrument::{InstrumentId, VenueId};
use spreadwire_market::named;
use spreadwire_market::record::{Quote, Status, flags};
use spreadwire_market::state::{Reason, State};

named! {
    /// Reason why a quote message produces no quote. It is counted; nothing of the message enters
    /// the book.
    pub enum Discard {
        /// The sequence number is not above the last one.
        OutOfOrder => "out_of_order",
        /// The message is a change, but the snapshot that it applies to is missing.
        AwaitingSnapshot => "awaiting_snapshot",
    }
}

/// Result of a message: a change of state, then perhaps a quote.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// The change of state, if there is one. It is sent before the quote.
    pub status: Option<Status>,
    /// The quote, or the reason why there is none.
    pub quote: Result<Quote, Discard>,
}

/// State machine of one (venue, instrument).
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    venue: VenueId,
    instrument: InstrumentId,
    rule: SequenceRule,
    state: State,
    /// Reason for the current state.
    reason: Reason,
    /// The last quote, which changes apply to.
    last: Quote,
    /// Whether `last` was received on this connection.
    known: bool,
    /// Whether quotes were lost since the last one that was passed on.
    lost: bool,
}

/// Order of a message's sequence number relative to the last one.
enum Order {
    Next,
    Repeat,
    Old,
    Restart,
    Hole,
}

impl Watch {
    /// Starts in `Down` with no quote.
    #[must_use]
    pub fn new(venue: VenueId, instrument: InstrumentId, rule: SequenceRule) -> Watch {
        let last = Quote::zeroed();
        let (state, reason) = (State::Down, Reason::Disconnected);
        Watch { venue, instrument, rule, state, reason, last, known: false, lost: false }
    }

    /// Returns the current state.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Returns whether a quote has arrived on this connection.
    #[must_use]
    pub fn has_quote(&self) -> bool {
        self.known
    }

    /// Processes a message received at `ts_recv`.
    pub fn on_message(&mut self, message: &QuoteMessage, ts_recv: Nanos) -> Outcome {
        let order = self.order(message);
        match order {
            Order::Old => return Outcome { status: None, quote: Err(Discard::OutOfOrder) },
            Order::Hole => {
                // The current quote is unknown until the next snapshot.
                self.lost = true;
                self.known = false;
                let status = self.turn(State::Gap, Reason::SequenceGap, ts_recv);
                return Outcome { status, quote: Err(Discard::AwaitingSnapshot) };
            }
            Order::Next | Order::Repeat | Order::Restart => {}
        }
        if !message.snapshot && !self.known {
            return Outcome { status: None, quote: Err(Discard::AwaitingSnapshot) };
        }
        let quote = self.picture(message, ts_recv, matches!(order, Order::Repeat));
        let crossed = quote.flags & flags::CROSSED != 0;
        (self.last, self.known, self.lost) = (quote, true, false);
        let status = if crossed {
            self.turn(State::Crossed, Reason::Crossed, ts_recv)
        } else {
            self.turn(State::Live, Reason::Quote, ts_recv)
        };
        Outcome { status, quote: Ok(quote) }
    }

    /// Records that the connection ended or the venue refused the subscription. The last quote is
    /// forgotten.
    pub fn on_down(&mut self, reason: Reason, now: Nanos) -> Option<Status> {
        self.known = false;
        self.turn(State::Down, reason, now)
    }

    /// Makes a live quote older than `max_age` stale. The next quote makes it live again.
    pub fn on_time(&mut self, now: Nanos, max_age: Nanos) -> Option<Status> {
        let quiet = max_age < now.saturating_sub(self.last.ts_recv);
        (self.state == State::Live && quiet)
            .then(|| self.turn(State::Stale, Reason::Quiet, now))
            .flatten()
    }

    fn order(&self, message: &QuoteMessage) -> Order {
        let Some(sequence) = message.sequence else { return Order::Next };
        if !self.known || message.restarted {
            return if self.known { Order::Restart } else { Order::Next };
        }
        let last = self.last.sequence;
        match self.rule {
            SequenceRule::Increasing if sequence <= last => Order::Old,
            SequenceRule::Increasing => Order::Next,
            SequenceRule::SnapshotsAndChanges if !message.snapshot => match sequence {
                next if Some(next) == last.checked_add(1) => Order::Next,
                old if old <= last => Order::Old,
                _ => Order::Hole,
            },
            SequenceRule::IncreasingWithRestarts | SequenceRule::SnapshotsAndChanges => {
                match sequence.cmp(&last) {
                    std::cmp::Ordering::Greater => Order::Next,
                    std::cmp::Ordering::Equal => Order::Repeat,
                    std::cmp::Ordering::Less => Order::Restart,
                }
            }
        }
    }

    /// Returns the complete quote: the message, with the sides it leaves unchanged taken from the
    /// last quote.
    fn picture(&self, message: &QuoteMessage, ts_recv: Nanos, repeat: bool) -> Quote {
        let (bid_px, bid_sz) = side(message.bid, (self.last.bid_px, self.last.bid_sz));
        let (ask_px, ask_sz) = side(message.ask, (self.last.ask_px, self.last.ask_sz));
        let mut bits = 0;
        for (set, bit) in [
            (self.lost, flags::GAP),
            (!self.known || message.restarted, flags::SNAPSHOT),
            (0 < ask_px && ask_px < bid_px, flags::CROSSED),
            (message.ts_event.is_none(), flags::TS_EVENT_ABSENT),
            (repeat, flags::REPEAT),
        ] {
            bits |= if set { bit } else { 0 };
        }
        Quote {
            ts_recv,
            ts_event: message.ts_event.unwrap_or(0),
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

    /// Changes the state. Returns a record if the state differs or the reason is a new refusal.
    fn turn(&mut self, state: State, reason: Reason, ts_recv: Nanos) -> Option<Status> {
        let previous = std::mem::replace(&mut self.state, state);
        let before = std::mem::replace(&mut self.reason, reason);
        let refused = reason == Reason::Refused && before != reason;
        (previous != state || refused).then(|| Status {
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

/// Returns price and size of a side after a message; both are 0 if the side is empty.
fn side(side: Side, before: (i64, i64)) -> (i64, i64) {
    match side {
        Side::Unchanged => before,
        Side::Empty => (0, 0),
        Side::Level { px, sz } => (px, sz),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVEL: (Side, Side) = (Side::Level { px: 100, sz: 5 }, Side::Level { px: 101, sz: 6 });

    fn message(sequence: u64, snapshot: bool, (bid, ask): (Side, Side)) -> QuoteMessage {
        QuoteMessage {
            symbol: 0,
            bid,
            ask,
            ts_event: None,
            sequence: Some(sequence),
            snapshot,
            restarted: false,
        }
    }

    /// Returns the result of each (sequence, snapshot) message: the state after it, and the quote's
    /// flags or the reason why there is no quote.
    fn story(rule: SequenceRule, messages: &[(u64, bool)]) -> Vec<(State, Result<u8, Discard>)> {
        let mut watch = Watch::new(VenueId(1), InstrumentId(2), rule);
        let step = |(place, &(sequence, snapshot)): (usize, &(u64, bool))| {
            let outcome = watch.on_message(&message(sequence, snapshot, LEVEL), 10 + place as u64);
            (watch.state(), outcome.quote.map(|q| q.flags & !flags::TS_EVENT_ABSENT))
        };
        messages.iter().enumerate().map(step).collect()
    }

    #[test]
    fn increasing_sequences_drop_what_is_old_and_mind_no_holes() {
        assert_eq!(
            story(
                SequenceRule::Increasing,
                &[(5, true), (9, true), (9, true), (8, true), (10, true)]
            ),
            [
                (State::Live, Ok(flags::SNAPSHOT)),
                (State::Live, Ok(0)),
                (State::Live, Err(Discard::OutOfOrder)),
                (State::Live, Err(Discard::OutOfOrder)),
                (State::Live, Ok(0)),
            ]
        );
    }

    #[test]
    fn restarting_sequences_take_repeats_and_lower_numbers() {
        assert_eq!(
            story(SequenceRule::IncreasingWithRestarts, &[(5, true), (5, true), (3, true)]),
            [
                (State::Live, Ok(flags::SNAPSHOT)),
                (State::Live, Ok(flags::REPEAT)),
                (State::Live, Ok(0)),
            ]
        );
    }

    #[test]
    fn a_hole_between_changes_is_a_gap_until_the_next_snapshot() {
        assert_eq!(
            story(
                SequenceRule::SnapshotsAndChanges,
                &[
                    (1, false),
                    (5, true),
                    (6, false),
                    (8, false),
                    (9, false),
                    (12, true),
                    (13, false)
                ]
            ),
            [
                (State::Down, Err(Discard::AwaitingSnapshot)),
                (State::Live, Ok(flags::SNAPSHOT)),
                (State::Live, Ok(0)),
                (State::Gap, Err(Discard::AwaitingSnapshot)),
                (State::Gap, Err(Discard::AwaitingSnapshot)),
                (State::Live, Ok(flags::SNAPSHOT | flags::GAP)),
                (State::Live, Ok(0)),
            ]
        );
    }

    #[test]
    fn a_crossed_quote_is_recorded_and_marked_and_the_next_good_one_is_live() {
        let mut watch = Watch::new(VenueId(0), InstrumentId(0), SequenceRule::Increasing);
        let crossed = (Side::Level { px: 102, sz: 1 }, Side::Level { px: 101, sz: 1 });
        let outcome = watch.on_message(&message(1, true, crossed), 1);
        assert_eq!(watch.state(), State::Crossed);
        assert_ne!(outcome.quote.unwrap().flags & flags::CROSSED, 0);
        let outcome = watch.on_message(&message(2, true, LEVEL), 2);
        let status = outcome.status.unwrap();
        assert_eq!((status.previous, status.state), (State::Crossed as u8, State::Live as u8));
        let locked = (Side::Level { px: 101, sz: 1 }, Side::Level { px: 101, sz: 1 });
        assert!(watch.on_message(&message(3, true, locked), 3).status.is_none(), "locked is live");
    }

    #[test]
    fn changes_apply_to_the_side_they_name() {
        let mut watch = Watch::new(VenueId(0), InstrumentId(0), SequenceRule::SnapshotsAndChanges);
        watch.on_message(&message(1, true, LEVEL), 1).quote.unwrap();
        let change = (Side::Unchanged, Side::Level { px: 103, sz: 9 });
        let quote = watch.on_message(&message(2, false, change), 2).quote.unwrap();
        assert_eq!((quote.bid_px, quote.bid_sz, quote.ask_px, quote.ask_sz), (100, 5, 103, 9));
        let emptied = (Side::Empty, Side::Unchanged);
        let quote = watch.on_message(&message(3, false, emptied), 3).quote.unwrap();
        assert_eq!((quote.bid_px, quote.bid_sz, quote.ask_px), (0, 0, 103));
        assert_eq!(watch.state(), State::Live, "a quote with one side is live");
    }

    #[test]
    fn a_refusal_is_told_once_though_it_was_down_before() {
        let mut watch = Watch::new(VenueId(0), InstrumentId(0), SequenceRule::Increasing);
        let status = watch.on_down(Reason::Refused, 1).unwrap();
        assert_eq!((status.previous, status.state), (State::Down as u8, State::Down as u8));
        assert_eq!(status.reason, Reason::Refused as u8);
        assert!(watch.on_down(Reason::Refused, 2).is_none());
        watch.on_message(&message(1, true, LEVEL), 3).quote.unwrap();
        assert_eq!(watch.state(), State::Live);
    }

    #[test]
    fn quiet_makes_stale_once_and_down_forgets_the_picture() {
        let mut watch = Watch::new(VenueId(0), InstrumentId(0), SequenceRule::SnapshotsAndChanges);
        watch.on_message(&message(1, true, LEVEL), 100).quote.unwrap();
        assert!(watch.on_time(150, 50).is_none(), "as old as allowed");
        assert_eq!(watch.on_time(151, 50).unwrap().reason, Reason::Quiet as u8);
        assert!(watch.on_time(152, 50).is_none());
        assert_eq!(watch.on_down(Reason::Disconnected, 200).unwrap().state, State::Down as u8);
        assert!(watch.on_down(Reason::Disconnected, 201).is_none());
        let late = watch.on_message(&message(2, false, LEVEL), 202);
        assert_eq!(late.quote, Err(Discard::AwaitingSnapshot), "a change to a forgotten snapshot");
    }
}
