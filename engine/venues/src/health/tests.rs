//! The rules by which a message becomes a quote, one instrument on one line; random histories are in
//! `model`.

use super::*;
use crate::venue::EventTime;
use spreadwire_market::clock::SECOND;

mod model;

/// An instrument on one line, subscribed at time 1.
struct One {
    health: Health,
    lag: LagMeter,
}

impl One {
    fn new(rule: SequenceRule) -> One {
        One::within(rule, Bounds::of_age(50))
    }

    fn within(rule: SequenceRule, bounds: Bounds) -> One {
        let mut health = Health::new(VenueId(1), InstrumentId(2), rule, bounds);
        health.on_subscribed(0, 1).unwrap();
        One { health, lag: LagMeter::default() }
    }

    fn take(&mut self, message: &QuoteMessage, ts_recv: Nanos) -> Outcome {
        let arrival = Arrival { ts_recv, ..Arrival::default() };
        self.health.on_message(message, arrival, &mut self.lag)
    }
}

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
    let mut one = One::new(rule);
    let step = |(place, &(sequence, snapshot)): (usize, &(u64, bool))| {
        let outcome = one.take(&message(sequence, snapshot, LEVEL), 10 + place as u64);
        (one.health.state(), outcome.quote.map(|q| q.flags & !flags::TS_EVENT_ABSENT))
    };
    messages.iter().enumerate().map(step).collect()
}

#[test]
fn increasing_sequences_drop_what_is_old_and_mind_no_holes() {
    assert_eq!(
        story(SequenceRule::Increasing, &[(5, true), (9, true), (9, true), (8, true), (10, true)]),
        [
            (State::Live, Ok(flags::SNAPSHOT)),
            (State::Live, Ok(0)),
            (State::Live, Err(Discard::OutOfOrder)),
            (State::Gap, Err(Discard::OutOfOrder)),
            (State::Live, Ok(flags::SNAPSHOT)),
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
            (State::Live, Ok(flags::SNAPSHOT)),
        ]
    );
}

#[test]
fn a_hole_between_changes_is_a_gap_until_the_next_snapshot() {
    assert_eq!(
        story(
            SequenceRule::SnapshotsAndChanges,
            &[(1, false), (5, true), (6, false), (8, false), (9, false), (12, true), (13, false)]
        ),
        [
            (State::Silent, Err(Discard::AwaitingSnapshot)),
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
    let mut one = One::new(SequenceRule::Increasing);
    let crossed = (Side::Level { px: 102, sz: 1 }, Side::Level { px: 101, sz: 1 });
    let outcome = one.take(&message(1, true, crossed), 2);
    assert_eq!(one.health.state(), State::Crossed);
    assert_ne!(outcome.quote.unwrap().flags & flags::CROSSED, 0);
    let outcome = one.take(&message(2, true, LEVEL), 3);
    let status = outcome.status.unwrap();
    assert_eq!((status.previous, status.state), (State::Crossed as u8, State::Live as u8));
    let locked = (Side::Level { px: 101, sz: 1 }, Side::Level { px: 101, sz: 1 });
    assert!(one.take(&message(3, true, locked), 4).status.is_none(), "locked is live");
}

#[test]
fn changes_apply_to_the_side_they_name() {
    let mut one = One::new(SequenceRule::SnapshotsAndChanges);
    one.take(&message(1, true, LEVEL), 2).quote.unwrap();
    let change = (Side::Unchanged, Side::Level { px: 103, sz: 9 });
    let quote = one.take(&message(2, false, change), 3).quote.unwrap();
    assert_eq!((quote.bid_px, quote.bid_sz, quote.ask_px, quote.ask_sz), (100, 5, 103, 9));
    let emptied = (Side::Empty, Side::Unchanged);
    let quote = one.take(&message(3, false, emptied), 4).quote.unwrap();
    assert_eq!((quote.bid_px, quote.bid_sz, quote.ask_px), (0, 0, 103));
    assert_eq!((one.health.state(), one.health.reason()), (State::OneSided, Reason::OneSided));
}

#[test]
fn a_refusal_is_told_once() {
    let mut one = One::new(SequenceRule::Increasing);
    let status = one.health.on_refused(0, 2).unwrap();
    assert_eq!((status.previous, status.state), (State::Silent as u8, State::Refused as u8));
    assert_eq!(status.reason, Reason::Refused as u8);
    assert!(one.health.on_refused(0, 3).is_none());
    one.take(&message(1, true, LEVEL), 4).quote.unwrap();
    assert_eq!(one.health.state(), State::Live);
}

#[test]
fn quiet_makes_stale_once_and_down_forgets_the_picture() {
    let mut one = One::new(SequenceRule::SnapshotsAndChanges);
    one.take(&message(1, true, LEVEL), 100).quote.unwrap();
    assert!(one.health.on_time(150).is_none(), "as old as allowed");
    assert_eq!(one.health.on_time(151).unwrap().reason, Reason::Quiet as u8);
    assert!(one.health.on_time(152).is_none());
    assert_eq!(one.health.on_lost(0, Reason::Disconnected, 200).unwrap().state, State::Down as u8);
    assert!(one.health.on_lost(0, Reason::Disconnected, 201).is_none());
    let late = one.take(&message(2, false, LEVEL), 202);
    assert_eq!(late.quote, Err(Discard::AwaitingSnapshot), "a change to a forgotten snapshot");
}

#[test]
fn an_announced_restart_is_no_hole_and_begins_with_a_snapshot_flag() {
    let mut one = One::new(SequenceRule::SnapshotsAndChanges);
    one.take(&message(7, true, LEVEL), 2).quote.unwrap();
    for (number, snapshot) in [(1, true), (90, false)] {
        let begin = QuoteMessage { restarted: true, ..message(number, snapshot, LEVEL) };
        let outcome = one.take(&begin, 3);
        assert_eq!((outcome.status, one.health.state()), (None, State::Live));
        assert_eq!(outcome.quote.unwrap().flags & (flags::SNAPSHOT | flags::GAP), flags::SNAPSHOT);
        let next = one.take(&message(number + 1, false, LEVEL), 4).quote.unwrap();
        assert_eq!(next.flags & flags::SNAPSHOT, 0);
    }
}

#[test]
fn a_restart_that_a_lower_number_shows_begins_with_a_snapshot_flag() {
    for rule in [SequenceRule::IncreasingWithRestarts, SequenceRule::SnapshotsAndChanges] {
        let story = story(rule, &[(7, true), (2, true), (3, true)]);
        assert_eq!(story[1..], [(State::Live, Ok(flags::SNAPSHOT)), (State::Live, Ok(0))]);
    }
    let story = story(SequenceRule::Increasing, &[(7, true), (2, true), (3, true), (4, true)]);
    assert_eq!(story[3], (State::Live, Ok(flags::SNAPSHOT)));
}

#[test]
fn what_is_not_live_does_not_turn_stale_by_age() {
    for (bid, ask, state) in [
        (Side::of(102, 1), Side::of(101, 1), State::Crossed),
        (Side::Empty, Side::of(101, 1), State::OneSided),
        (Side::Empty, Side::Empty, State::OneSided),
    ] {
        let mut one = One::new(SequenceRule::Increasing);
        one.take(&message(1, true, (bid, ask)), 2).quote.unwrap();
        assert_eq!((one.health.on_time(1_000), one.health.state()), (None, state));
    }
}

#[test]
fn a_symbol_that_is_quoted_after_a_refusal_is_carried() {
    let mut one = One::new(SequenceRule::Increasing);
    one.health.on_refused(0, 2).unwrap();
    one.take(&message(1, true, LEVEL), 3).quote.unwrap();
    one.health.on_subscribed(1, 4);
    assert!(one.health.on_lost(1, Reason::Disconnected, 5).is_none());
    assert_eq!(one.health.state(), State::Live);
    assert!(one.health.on_lost(0, Reason::Disconnected, 6).is_some());
}

/// Plays quotes of one line, each with its number, bid, whether it is a full picture, and how old it
/// is, s; returns the states that they lead to. The clock of the venue is known.
fn lags(rule: SequenceRule, quotes: &[(u64, i64, u64)]) -> Vec<State> {
    let bounds = Bounds {
        max_lag: 2 * SECOND,
        repeats_within: Some(1_000 * SECOND),
        ..Bounds::of_age(1_000 * SECOND)
    };
    let mut one = One::within(rule, bounds);
    let mut now = 1_000_000 * SECOND;
    (0..8).for_each(|_| _ = one.lag.behind(Some(now), now, true));
    let step = |&(number, bid, age): &(u64, i64, u64)| {
        now += SECOND;
        let sides = (Side::of(bid, 5), Side::of(200, 6));
        let ts_event = Some(EventTime::new(now - age * SECOND).unwrap());
        one.take(&QuoteMessage { ts_event, ..message(number, true, sides) }, now);
        one.health.state()
    };
    quotes.iter().map(step).collect()
}

#[test]
fn only_the_venues_repeat_and_the_first_quote_of_a_line_may_be_of_an_old_time() {
    use State::{Lagging, Live};
    for rule in [SequenceRule::IncreasingWithRestarts, SequenceRule::SnapshotsAndChanges] {
        for (what, quotes, states) in [
            ("a repeat", [(5, 100, 60), (5, 100, 63), (6, 100, 0)], [Live, Live, Live]),
            (
                "a late one repeated",
                [(5, 100, 0), (6, 101, 60), (6, 101, 63)],
                [Live, Lagging, Lagging],
            ),
            ("in time after it", [(6, 101, 60), (7, 101, 60), (8, 101, 1)], [Live, Lagging, Live]),
            (
                "another content",
                [(5, 100, 0), (5, 101, 60), (5, 102, 60)],
                [Live, Lagging, Lagging],
            ),
            ("lower numbers", [(9, 100, 0), (8, 100, 60), (7, 100, 60)], [Live, Lagging, Lagging]),
        ] {
            assert_eq!(lags(rule, &quotes), states, "{what} by {rule:?}");
        }
    }
}

#[test]
fn a_quote_after_a_fault_is_measured() {
    let bounds = Bounds {
        max_lag: 2 * SECOND,
        repeats_within: Some(1_000 * SECOND),
        ..Bounds::of_age(1_000 * SECOND)
    };
    let mut one = One::within(SequenceRule::SnapshotsAndChanges, bounds);
    let now = 1_000_000 * SECOND;
    (0..8).for_each(|_| _ = one.lag.behind(Some(now), now, true));
    let quote = |number, at| QuoteMessage {
        ts_event: Some(EventTime::new(at).unwrap()),
        ..message(number, true, LEVEL)
    };
    one.take(&quote(5, now), now);
    one.health.on_unreadable(now + 1).unwrap();
    one.take(&quote(6, now - 60 * SECOND), now + 2);
    assert_eq!(one.health.state(), State::Lagging);
}

#[test]
fn what_no_line_that_is_left_has_brought_is_not_live() {
    let mut one = One::new(SequenceRule::Increasing);
    one.health.on_subscribed(1, 2);
    let deaf = 2 + 10 * SECOND;
    one.take(&message(4, true, LEVEL), deaf).quote.unwrap();
    let mut early = One { ..one };
    assert_eq!(early.health.on_lost(0, Reason::Disconnected, deaf), None, "it may bring it yet");
    one.take(&message(5, true, LEVEL), deaf + 1).quote.unwrap();
    let status = one.health.on_lost(0, Reason::Disconnected, deaf + 1).unwrap();
    assert_eq!((status.state, status.reason), (State::Silent as u8, Reason::Subscribed as u8));
    let arrival = |ts_recv| Arrival { line: 1, ts_recv, held_up: false };
    let older = message(4, true, LEVEL);
    let older = one.health.on_message(&older, arrival(deaf + 5), &mut one.lag);
    assert_eq!(older.quote, Err(Discard::Copy));
    let newer = message(6, true, LEVEL);
    let newer = one.health.on_message(&newer, arrival(deaf + 6), &mut one.lag);
    assert_eq!((newer.quote.is_ok(), one.health.state()), (true, State::Live));
}
