//! The sessions meet the simulated venues: a trader decides, the sessions write the venues' protocols, the
//! simulator reads them and answers in them, and nothing but texts and times passes between the two.

#![allow(clippy::unwrap_used, reason = "a test that cannot build its world has failed")]

mod world;

use spreadwire_market::clock::{MILLI, SECOND};
use spreadwire_trading::entry::{Event, Halt, Outcome};
use spreadwire_trading::order::{Answer, Ended, Reject};
use world::{Kind, Rewrite, World};

/// Quotes of a venue that is cheap and of one that is dear, with much on display.
const CHEAP: [&str; 4] = ["99.90", "50", "100.00", "50"];
const DEAR: [&str; 4] = ["101.00", "50", "101.10", "50"];
/// What the trader sees of them: half a unit of each.
const BUY: (i64, i64) = (10_000, 50_000);
const SELL: (i64, i64) = (10_100, 50_000);

/// Each kind as the venue under test, with another venue beside it.
fn pairs() -> Vec<[Kind; 2]> {
    let beside = |kind: Kind| if kind.venue == "okx" { Kind::ALL[0] } else { Kind::ALL[3] };
    Kind::ALL.into_iter().map(|kind| [kind, beside(kind)]).collect()
}

/// A world in which both venues were compared and show their quotes.
fn world(kinds: [Kind; 2], faults: &[&str]) -> World {
    let faults: Vec<String> =
        faults.iter().map(|fault| format!("{}:{fault}", kinds[0].venue)).collect();
    let mut world = World::new(kinds, &faults);
    world.quote(0, CHEAP);
    world.quote(1, DEAR);
    world.pass(3 * SECOND);
    assert_eq!(world.differences(), Vec::<String>::new(), "{kinds:?}: books begin as the venues");
    world
}

fn outcomes(world: &World) -> Vec<Outcome> {
    let settled = world.entries.iter().filter_map(|entry| {
        let Event::Settled(settled) = entry.event else { return None };
        Some(settled.outcome)
    });
    settled.collect()
}

fn sum(world: &World, venue: u8) -> i64 {
    let fills = world.trades().into_iter().filter(|fill| fill.venue.0 == venue);
    fills.map(|fill| fill.side.sign() * fill.sz).sum()
}

#[test]
fn both_legs_are_filled_and_booked_to_the_last_digit() {
    for kinds in pairs() {
        let mut world = world(kinds, &[]);
        for _ in 0..3 {
            world.spread(BUY, SELL);
            world.pass(2 * SECOND);
            // The opportunity ends, so that the next one is a new one.
            world.spread((10_000, 1), (10_000, 1));
        }
        world.pass(5 * SECOND);
        world.check(0);
        assert_eq!(outcomes(&world), [Outcome::Done; 3], "{kinds:?} {:#?}", world.told());
        assert_eq!((sum(&world, 0), sum(&world, 1)), (150_000, -150_000));
        assert_eq!(world.differences(), Vec::<String>::new(), "{kinds:?}");
        for counts in world.counts() {
            let odd = (counts.malformed, counts.doubtful, counts.unasked, counts.failed);
            assert_eq!(odd, (0, 0, 0, 0), "{kinds:?}: {counts:?}");
        }
    }
}

#[test]
fn an_order_fills_in_part_or_not_at_all_and_the_residual_is_hedged() {
    for kinds in pairs() {
        for (quote, expected) in [
            // A fifth of a unit is there, and then a unit at a worse price.
            (["99.90", "50", "100.00", "0.2"], "a part"),
            (["100.50", "50", "100.60", "50"], "nothing"),
        ] {
            let mut world = world(kinds, &[]);
            world.quote(0, quote);
            world.spread(BUY, SELL);
            world.pass(100 * MILLI);
            let first = world.placed()[0].id;
            let done = world.entries.iter().find_map(|entry| {
                let Event::Answered(answer) = entry.event else { return None };
                let Answer::Done { id, how, filled } = answer else { return None };
                (id == first).then_some((how, filled))
            });
            let filled = if expected == "a part" { 20_000 } else { 0 };
            assert_eq!(done, Some((Ended::Unfilled, filled)), "{kinds:?} {:#?}", world.told());
            world.quote(0, ["100.50", "50", "100.60", "50"]);
            world.spread((10_060, 5_000_000), SELL);
            world.pass(10 * SECOND);
            world.check(0);
            assert_eq!(outcomes(&world), [Outcome::Hedged], "{kinds:?} {expected}");
            assert_eq!(sum(&world, 0) + sum(&world, 1), 0, "{kinds:?} {expected}");
            assert_eq!(world.differences(), Vec::<String>::new(), "{kinds:?}");
        }
    }
}

#[test]
fn every_fault_of_orders_is_survived() {
    let faults = [
        "order=1:late=800ms",
        "order=1:late=4s",
        "order=1:late-fills=800ms",
        "order=1:late-fills=6s",
        "order=1:double-ack",
        "order=1:double-fills",
        "order=1:fills-first",
        "order=1:filled-twice",
        "order=1:fill-after-cancel",
        "order=1:silent",
        "order=1:lost",
        "order=1:disconnect",
        "order=1:reject=-2010",
        "order=1:rate-limit=2s",
        "every-order=1:double-fills",
        "every-order=2:disconnect",
        "every-order=2:silent",
    ];
    for kinds in pairs() {
        for fault in faults {
            let mut world = world(kinds, &[fault]);
            for _ in 0..3 {
                world.spread(BUY, SELL);
                for more in 0..20 {
                    world.pass(SECOND);
                    world.spread((BUY.0, BUY.1 + more), (SELL.0, SELL.1 + more));
                }
                world.spread((10_000, 1), (10_000, 1));
            }
            world.pass(30 * SECOND);
            let shown = format!("{kinds:?} {fault} {:#?}", world.told());
            world.check(0);
            assert!(!outcomes(&world).is_empty(), "{shown}");
            assert_eq!(sum(&world, 0) + sum(&world, 1), 0, "{shown}");
            assert_eq!(world.differences(), Vec::<String>::new(), "{shown}");
            assert_eq!(world.trader.desk().halts().count(), 0, "{shown}");
        }
    }
}

#[test]
fn an_order_of_unknown_outcome_is_asked_for_and_not_sent_again() {
    for kinds in pairs() {
        for (fault, how) in [("silent", Ended::Filled), ("lost", Ended::NeverThere)] {
            let mut world = world(kinds, &[&format!("order=1:{fault}")]);
            world.spread(BUY, SELL);
            world.pass(10 * SECOND);
            let first = world.placed()[0].id;
            let of_first = |event: Event| {
                let Event::Answered(answer) = event else { return None };
                if let Answer::Done { id, how, .. } = answer {
                    return (id == first).then(|| format!("{how:?}"));
                }
                (answer == Answer::Unknown { id: first }).then(|| "unknown".to_owned())
            };
            let told: Vec<String> =
                world.entries.iter().filter_map(|entry| of_first(entry.event)).collect();
            let shown = format!("{kinds:?} {fault} {told:?}");
            assert_eq!(told.first().map(String::as_str), Some("unknown"), "{shown}");
            assert_eq!(told.last(), Some(&format!("{how:?}")), "{shown}");
            world.pass(20 * SECOND);
            world.check(0);
        }
    }
}

#[test]
fn a_crash_between_the_legs_is_reconciled_and_no_order_is_doubled() {
    for kinds in pairs() {
        for fault in ["silent", "lost", "late=5s", "late-fills=5s", "disconnect"] {
            for after in [0, 1, 2, 5, 1_000, 2_500] {
                let mut world = world(kinds, &[&format!("order=1:{fault}")]);
                world.spread(BUY, SELL);
                world.pass(after * MILLI);
                world.restart();
                world.pass(4 * SECOND);
                for more in 0..30 {
                    world.spread((BUY.0, BUY.1 + more), (SELL.0, SELL.1 + more));
                    world.pass(SECOND);
                }
                let shown = format!("{kinds:?} {fault} {after} ms {:#?}", world.told());
                world.check(0);
                assert_eq!(sum(&world, 0) + sum(&world, 1), 0, "{shown}");
                assert_eq!(world.differences(), Vec::<String>::new(), "{shown}");
            }
        }
    }
}

/// Orders are for immediate execution. One that rests all the same, because the venue took it so, is
/// cancelled at the next start, whatever goes wrong with the cancel.
#[test]
fn own_open_orders_are_cancelled_at_a_start() {
    for kinds in pairs() {
        for fault in [
            "cancel=9:lost",
            "cancel=1:lost",
            "cancel=1:silent",
            "cancel=1:late=3s",
            "cancel=1:double-ack",
            "cancel=1:disconnect",
            "order=1:fill-after-cancel",
        ] {
            let mut world = world(kinds, &[fault]);
            world.quote(0, ["100.50", "50", "100.60", "50"]);
            world.rewrite = Rewrite::Resting;
            world.spread(BUY, SELL);
            world.pass(100 * MILLI);
            assert_eq!(world.open_orders(), 1, "{kinds:?} {fault}");
            world.rewrite = Rewrite::Nothing;
            world.restart();
            for more in 0..30 {
                world.spread((10_060, 60_000 + more), (SELL.0, SELL.1 + more));
                world.pass(SECOND);
            }
            let shown = format!("{kinds:?} {fault} {:#?}", world.told());
            assert_eq!(world.open_orders(), 0, "{shown}");
            world.check(0);
            assert_eq!(sum(&world, 0) + sum(&world, 1), 0, "{shown}");
            assert_eq!(world.differences(), Vec::<String>::new(), "{shown}");
        }
    }
}

#[test]
fn open_orders_of_others_are_left_alone() {
    for kinds in pairs() {
        let mut world = world(kinds, &[]);
        world.quote(0, ["100.50", "50", "100.60", "50"]);
        world.rewrite = Rewrite::Strange;
        world.spread(BUY, SELL);
        world.pass(100 * MILLI);
        world.rewrite = Rewrite::Nothing;
        world.restart();
        world.pass(20 * SECOND);
        assert_eq!(world.open_orders(), 1, "{kinds:?} {:#?}", world.told());
    }
}

#[test]
fn what_is_not_ours_halts_until_a_person_adopts() {
    for kinds in pairs() {
        let symbol = if kinds[0].venue == "okx" { "BTC-USDT" } else { "BTCUSDT" };
        for (fault, halt, foreign) in [
            ("at=5s:balance=USDT:-12.5".to_owned(), Halt::Balance, 0),
            (format!("at=5s:liquidation={symbol}:sell:0.3"), Halt::ForeignTrade, 1),
            (format!("at=5s:adl={symbol}:buy:0.3"), Halt::ForeignTrade, 1),
        ] {
            let mut world = world(kinds, &[&fault]);
            world.pass(4 * SECOND);
            // A silent difference is found at the next comparison, which a restart makes.
            world.restart();
            world.pass(5 * SECOND);
            let shown = format!("{kinds:?} {fault} {:#?}", world.told());
            let halts: Vec<Halt> = world.trader.desk().halts().collect();
            assert_eq!(halts, [halt], "{shown}");
            world.spread(BUY, SELL);
            world.pass(2 * SECOND);
            assert_eq!(world.placed().len(), 0, "nothing is sent: {shown}");
            world.adopt();
            world.pass(2 * SECOND);
            assert_eq!(world.differences(), Vec::<String>::new(), "{shown}");
            world.spread((10_000, 1), (10_000, 1));
            world.spread(BUY, SELL);
            world.pass(5 * SECOND);
            assert_eq!(outcomes(&world), [Outcome::Done], "{shown}");
            world.check(foreign);
        }
    }
}

#[test]
fn too_many_requests_are_told_as_that_and_nothing_is_sent_until_then() {
    for kinds in pairs() {
        let mut world = world(kinds, &["order=1:rate-limit=2s"]);
        world.spread(BUY, SELL);
        let sent = world.sent.len();
        world.pass(1_500 * MILLI);
        let refused = world.entries.iter().any(|entry| {
            matches!(entry.event, Event::Answered(Answer::Rejected { why: Reject::RateLimit, .. }))
        });
        assert!(refused, "{kinds:?} {:#?}", world.told());
        let later = world.sent[sent..].iter().filter(|(at, _)| *at == 0).count();
        assert_eq!(later, 1, "{kinds:?}: {:?}", &world.sent[sent..]);
    }
}
