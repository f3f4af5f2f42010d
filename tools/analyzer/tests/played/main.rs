//! What the kernel plays is what the trader does on paper: over drawn quotes, every order of a strategy is
//! the trader's, in time, side, limit, size and fill, and so is the profit. The trader is run as a replay
//! runs it, on exact mantissas; the kernel has the prices of a lake.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use analyzer::kernel::play::ledger::{Arrived, End, Purpose, Tried};
use drawn::{Drawn, draw};
use spreadwire_market::execution::Exit;
use spreadwire_trading::entry::{Entry, Event};
use spreadwire_trading::order::{Answer, Order, Purpose as TradersPurpose, Side};
use std::collections::BTreeMap;

mod drawn;
mod rules;

/// An order of the trader and how much of it was filled.
#[derive(Clone, Copy, Debug)]
struct Done {
    order: Order,
    filled: i64,
}

/// Returns the trader's orders, in the order in which they were sent.
fn orders(entries: &[Entry]) -> Vec<Done> {
    let mut all: BTreeMap<u64, Done> = BTreeMap::new();
    for entry in entries {
        if let Event::Placed(order) = entry.event {
            all.insert(order.id.0, Done { order, filled: 0 });
        }
        if let Event::Answered(Answer::Filled(fill)) = entry.event {
            all.get_mut(&fill.order.unwrap().0).unwrap().filled += fill.sz;
        }
    }
    all.into_values().collect()
}

fn purpose(of: TradersPurpose) -> Purpose {
    match of {
        TradersPurpose::Entry => Purpose::Entry,
        TradersPurpose::Exit => Purpose::Exit,
        TradersPurpose::Hedge => Purpose::Hedge,
    }
}

/// Compares the orders of a strategy with those of the trader.
fn compare(drawn: &Drawn, tried: &Tried, entries: &[Entry], seed: u64) -> usize {
    let traders = orders(entries);
    let is_order = |order: &&Arrived| {
        order.purpose != Purpose::DayEnd && drawn.has_arrived(order.sent.cast_unsigned())
    };
    let mut ours: Vec<&Arrived> = tried.orders.iter().filter(is_order).collect();
    ours.sort_by_key(|order| (order.sent, order.buys == (order.purpose == Purpose::Exit)));
    let key = |done: &Done| {
        (
            done.order.ts,
            (done.order.side == Side::Buy) == (done.order.purpose == TradersPurpose::Exit),
        )
    };
    let mut traders: Vec<Done> =
        traders.into_iter().filter(|done| drawn.has_arrived(done.order.ts)).collect();
    traders.sort_by_key(key);
    for (place, (one, other)) in ours.iter().zip(&traders).enumerate() {
        let what =
            format!("seed {seed}, {:?}, order {place}: {one:?} is not {other:?}", tried.strategy);
        let Order { ts, venue, side, px, sz, .. } = other.order;
        assert_eq!(one.sent, ts.cast_signed(), "{what}");
        assert_eq!(
            (usize::from(one.venue), one.buys),
            (venue.index(), side == Side::Buy),
            "{what}"
        );
        assert_eq!(one.purpose, purpose(other.order.purpose), "{what}");
        let near = |found: f64, expected: i64, scale: f64, within: f64| {
            assert!((found - expected as f64 / scale).abs() <= within, "{what}");
        };
        // A limit is on the tick that is no worse; a size in whole lots.
        near(one.limit, px, drawn::PRICES, 1.01 / drawn::PRICES);
        near(one.sz, sz, drawn::SIZES, 3.0 / drawn::SIZES);
        near(one.filled, other.filled, drawn::SIZES, 3.0 / drawn::SIZES);
    }
    assert_eq!(ours.len(), traders.len(), "seed {seed}, {:?}", tried.strategy);
    traders.len()
}

/// A bound that no spread reaches.
const FREE: f64 = 1.0;

#[test]
fn every_order_is_the_traders() {
    let (mut compared, mut hedged, mut exits) = (0, 0, 0);
    for seed in 0..8 {
        let drawn = draw(seed, 2_000);
        let played = drawn.played(seed, FREE);
        assert_eq!(played.tried.len(), 10, "seed {seed}");
        for tried in &played.tried {
            let (entries, profit) = drawn.traded(tried.strategy, FREE);
            compared += compare(&drawn, tried, &entries, seed);
            hedged += tried.counts.hedged;
            exits += tried.orders.iter().filter(|order| order.purpose == Purpose::Exit).count();
            if tried.strategy.model == Exit::Convergence && tried.counts.kept == 0 {
                let ended = tried.deals.iter().filter(|deal| deal.end != End::DayEnd);
                let settled: f64 = ended.map(|deal| deal.profit).sum();
                assert!(
                    (settled - profit).abs() < 0.05 + 1e-6 * settled.abs(),
                    "seed {seed}, {:?}: {settled} is not {profit}",
                    tried.strategy
                );
            }
        }
    }
    println!("{compared} orders compared, {hedged} deals hedged, {exits} orders to exit");
    assert!(4_000 < compared && 100 < hedged && 200 < exits, "{compared} {hedged} {exits}");
}

#[test]
fn a_spread_beyond_belief_opens_nothing_with_either() {
    let of = |drawn: &Drawn, seed: u64, bound: f64| {
        let played = drawn.played(seed, bound);
        let traded = |tried: &Tried| drawn.traded(tried.strategy, bound).0;
        let compared = played.tried.iter().map(|tried| compare(drawn, tried, &traded(tried), seed));
        compared.sum::<usize>()
    };
    let (mut free, mut bounded) = (0, 0);
    for seed in 20..24 {
        let drawn = draw(seed, 2_000);
        free += of(&drawn, seed, FREE);
        bounded += of(&drawn, seed, 0.001);
    }
    println!("{free} orders, {bounded} of them at up to 10 bp");
    assert!(100 < bounded && bounded < free, "{bounded} of {free}");
}
