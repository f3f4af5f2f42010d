//! The rules by which a message becomes a quote, one instrument on one line; random histories are in
//! `model`.

use super::*;

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
    let story = story(SequenceRule::Increasing, &[(7, true), (2, true), (3, true)]);
    assert_eq!(story[2], (State::Live, Ok(flags::SNAPSHOT)));
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
