//! How positions end, by quotes written out by hand: one venue stands still, the other moves.

use crate::drawn::{Row, play, settings};
use analyzer::kernel::Settings;
use analyzer::kernel::play::ledger::{Deal, End, Purpose, Tried};
use spreadwire_market::clock::{Nanos, SECOND};
use spreadwire_market::execution::Exit;

const BEGIN: Nanos = 1_723_075_200 * SECOND + 3_600 * SECOND;
/// Sizes that limit nothing.
const ENOUGH: i64 = 1_000_000_000;

/// The first venue at 100.00 / 100.02, and the second at these bids, one a second, 2 ticks wide.
fn rows(bids: &[i64]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (second, bid) in (0..).zip(bids) {
        let ts = BEGIN + second * SECOND;
        let row = |ts, venue, bid| Row { ts, venue, px: [bid, bid + 2], sz: [ENOUGH; 2] };
        rows.extend([row(ts, 0, 10_000), row(ts + 1, 1, *bid)]);
    }
    rows
}

fn with(change: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = settings(1e9);
    settings.play.entries_bps = vec![10.0];
    settings.play.margins_bps = vec![3.0];
    change(&mut settings);
    settings
}

fn of(rows: &[Row], settings: &Settings, model: Exit, direction: Option<u8>) -> Tried {
    let played = play(rows, settings, 1);
    let is_it =
        |tried: &Tried| tried.strategy.model == model && tried.strategy.direction == direction;
    played.tried.into_iter().find(is_it).unwrap_or_default()
}

/// What buying at `ask` and selling at `bid` leaves of a size, with the fees of the drawn market.
fn left(buy: (usize, f64), sell: (usize, f64), sz: f64) -> f64 {
    let fees = [0.0001, 0.0002];
    sz * (sell.1 * (1.0 - fees[sell.0]) - buy.1 * (1.0 + fees[buy.0]))
}

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
}

/// Bids of the second venue that pay from the first to the second, then from the second to the first.
const UP: i64 = 10_040;
const DOWN: i64 = 9_960;

#[test]
fn an_inventory_is_shifted_back_by_the_reverse_direction() {
    let quotes = rows(&[10_000, UP, UP, 10_000, DOWN, DOWN, 10_000, 10_000]);
    let tried = of(&quotes, &with(|_| {}), Exit::Inventory, None);
    // The second order buys more for its 2,000, at its own ask; what is beyond the first ends with the day.
    let [deal, rest] = tried.deals[..] else { panic!("{:?}", tried.deals) };
    assert_eq!((deal.direction, deal.end), (0, End::Closed));
    assert_eq!((rest.direction, rest.end), (1, End::DayEnd));
    assert!((rest.notional - 2_000.0 * (1.0 - 99.62 / 100.02)).abs() < 1e-6, "{rest:?}");
    let sz = 2_000.0 / 100.02;
    let there = left((0, 100.02), (1, 100.40), sz);
    let back = left((1, 99.62), (0, 100.00), sz);
    near(deal.profit, there + back);
    assert_eq!(tried.counts.decided, 2);
    assert!(tried.orders.iter().all(|order| order.filled > 0.0));
}

#[test]
fn what_is_left_of_an_inventory_is_traded_back_at_the_end_or_moved() {
    let quotes = rows(&[10_000, UP, UP, 10_000, 10_000]);
    let sz = 2_000.0 / 100.02;
    let there = left((0, 100.02), (1, 100.40), sz);
    let tried = of(&quotes, &with(|_| {}), Exit::Inventory, None);
    let [deal] = tried.deals[..] else { panic!("{:?}", tried.deals) };
    assert_eq!((deal.end, deal.closed), (End::DayEnd, quotes.last().unwrap().ts.cast_signed()));
    near(deal.profit, there + left((1, 100.02), (0, 100.00), sz));
    let ends = tried.orders.iter().filter(|order| order.purpose == Purpose::DayEnd);
    assert_eq!(ends.count(), 2);
    let moved = with(|settings| {
        settings.play.transfer = Some(0.0005);
        settings.transfers = ["x", "y"].map(str::to_owned).into();
    });
    let tried = of(&quotes, &moved, Exit::Inventory, None);
    near(tried.deals[0].profit, there - 0.0005 * 2_000.0);
    let one_side = with(|settings| {
        settings.play.transfer = Some(0.0005);
        settings.transfers = ["x"].map(str::to_owned).into();
    });
    let tried = of(&quotes, &one_side, Exit::Inventory, None);
    near(tried.deals[0].profit, deal.profit);
}

#[test]
fn an_inventory_that_is_used_up_buys_nothing_more() {
    let bids: Vec<i64> = (0..40).map(|second| if second % 2 == 0 { UP } else { 9_998 }).collect();
    let bound = |inventory: f64| {
        let settings = with(|settings| settings.play.inventory = inventory);
        of(&rows(&bids), &settings, Exit::Inventory, None).deals
    };
    let notional = |deals: &[Deal]| deals.iter().map(|deal| deal.notional).sum::<f64>();
    let (few, many) = (notional(&bound(5_000.0)), notional(&bound(1e9)));
    assert!((few - 5_000.0).abs() < 30.0, "{few}");
    assert!((many - 40_000.0).abs() < 50.0, "{many}");
}

#[test]
fn a_round_trip_ends_when_its_spread_has_converged_or_with_the_day() {
    // Four fees are 6 bp: the exit is 9 bp below the entry of 10.
    let quotes = rows(&[10_000, UP, UP, 10_030, 10_000, 10_000, 10_000]);
    let tried = of(&quotes, &with(|_| {}), Exit::Convergence, Some(0));
    near(tried.strategy.exit_bps, 1.0);
    let [deal] = tried.deals[..] else { panic!("{:?}", tried.deals) };
    let sz = 2_000.0 / 100.02;
    near(deal.profit, left((0, 100.02), (1, 100.40), sz) + left((1, 100.02), (0, 100.00), sz));
    assert_eq!(deal.end, End::Closed);
    near(deal.at_once, left((0, 100.02), (1, 100.40), sz) + left((1, 100.42), (0, 100.00), sz));
    assert!(deal.worst <= deal.at_once && deal.worst <= deal.profit, "{deal:?}");
    let premium = rows(&[10_000, UP, UP, UP, UP, UP]);
    let tried = of(&premium, &with(|_| {}), Exit::Convergence, Some(0));
    assert_eq!((tried.deals.len(), tried.deals[0].end), (1, End::DayEnd));
    assert!(tried.deals[0].profit < 0.0, "a standing premium costs four fees: {:?}", tried.deals);
}

#[test]
fn a_spread_that_stands_at_midnight_is_not_entered_again() {
    let quotes = rows(&[UP, UP, UP, 10_000, UP, UP]);
    let settings = with(|_| {});
    let fresh = of(&quotes, &settings, Exit::Inventory, None);
    assert_eq!(fresh.counts.decided, 2);
    let went_on = crate::drawn::play_after(&quotes, &settings, [10_000, UP]);
    let tried = went_on.tried.into_iter().find(|tried| tried.strategy.model == Exit::Inventory);
    assert_eq!(tried.unwrap().counts.decided, 1, "only what opened after it had closed");
}

#[test]
fn a_strategy_opens_so_many_deals_an_hour() {
    let bids: Vec<i64> = (0..40).map(|second| if second % 2 == 0 { UP } else { 9_998 }).collect();
    let decided = |quotes: &[Row], most: u32| {
        let settings = with(|settings| settings.play.deals_per_hour = most);
        of(quotes, &settings, Exit::Inventory, None).counts.decided
    };
    let mut quotes = rows(&bids);
    assert_eq!(decided(&quotes, 1_000), 20);
    assert_eq!(decided(&quotes, 3), 3);
    // The last four opportunities come in the next hour of the clock.
    let later = quotes.len() - 16;
    for row in &mut quotes[later..] {
        row.ts += 3_600 * SECOND;
        // A price that stood for an hour would be taken for frozen.
        row.px = if row.venue == 0 { [10_001, 10_003] } else { row.px };
    }
    assert_eq!(decided(&quotes, 3), 3 + 3);
    assert_eq!(decided(&quotes, 10), 10 + 4);
}

#[test]
fn a_dead_leg_ends_an_opportunity() {
    let mut quotes = rows(&[10_000, UP, UP, UP]);
    // The first venue falls silent beyond the maximum age, and comes back: another opportunity.
    for row in quotes.iter_mut().skip(6) {
        row.ts += 7_200 * SECOND;
    }
    // Its price has changed, so that it is not taken for frozen.
    quotes[6].px = [10_001, 10_003];
    let tried = of(&quotes, &with(|_| {}), Exit::Inventory, None);
    assert_eq!(tried.counts.decided, 2);
}

#[test]
fn other_latencies_and_sizes_are_tried_on_the_same_signals() {
    let quotes = rows(&[10_000, UP, UP, 10_000, DOWN, DOWN, 10_000, 10_000]);
    let tried = of(&quotes, &with(|_| {}), Exit::Inventory, None);
    // The configured ones, then latencies of 0 and 100 ms, then half and four times the size.
    let [own, at_once, late, half, large] = tried.variants[..] else { panic!("{tried:?}") };
    near(own.profit, at_once.profit);
    near(own.profit, late.profit);
    near(half.notional, own.notional / 2.0);
    near(large.profit, own.profit * 4.0);
    let missed = rows(&[10_000, UP, 10_000, 10_000]);
    let mut missed = missed;
    // The spread is gone 50 ms after it came.
    missed[4].ts = missed[3].ts + 50_000_000;
    missed[5].ts = missed[4].ts + 1;
    let tried = of(&missed, &with(|_| {}), Exit::Inventory, None);
    let [own, _, late, ..] = tried.variants[..] else { panic!("{tried:?}") };
    assert_eq!(tried.counts.still_there, 1);
    // Late, only the venue that stands still fills; its leg is traded back.
    assert!(late.profit < own.profit && late.profit < 0.0, "{own:?} {late:?}");
}
