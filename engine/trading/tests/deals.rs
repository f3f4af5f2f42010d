//! Deals on paper, told record by record: what is decided, sent, filled, hedged and booked.

#![allow(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

mod rig;

use rig::{Rig, amount, reverse, spread, status};
use spreadwire_market::clock::MILLI;
use spreadwire_market::instrument::{InstrumentId, VenueId};
use spreadwire_market::state::State;
use spreadwire_trading::amount::Amount;
use spreadwire_trading::entry::Outcome;
use spreadwire_trading::settings::{Exit, Hedge};
use spreadwire_trading::terms::Settlement;
use spreadwire_trading::why::Why;

#[test]
fn both_legs_are_filled_and_the_profit_is_that_of_the_fills() {
    let mut rig = Rig::new();
    // Buy at 100.00, sell at 101.00, 2 displayed on the buy side and 3 on the sell side.
    rig.on(spread(1, (10_000, 200), (10_100, 300)));
    rig.on(spread(100 * MILLI, (10_000, 200), (10_100, 300)));
    // 2 x (101 - 100) less 10 bp of 200 and of 202.
    let tally = &rig.trader().desk().tally;
    assert_eq!((tally.decided, tally.orders, tally.fills), (1, 2, 2), "{:#?}", rig.told());
    assert_eq!(tally.profit, amount("1.598"));
    assert_eq!(tally.outcomes[usize::from(Outcome::Done.code())], 1);
    assert_eq!(rig.balance(0, "A"), amount("1002"));
    assert_eq!(rig.balance(1, "A"), amount("998"));
    assert_eq!(rig.balance(0, "B"), amount("99799.8"));
    assert_eq!(rig.balance(1, "B"), amount("100201.798"));
    rig.check();
}

#[test]
fn an_order_meets_the_book_that_is_there_when_it_arrives() {
    let mut rig = Rig::new();
    rig.on(spread(1, (10_000, 200), (10_100, 300)));
    // Before the arrival at 1 + 5 ms the ask has moved away, the bid has not.
    rig.on(spread(MILLI, (10_150, 200), (10_100, 300)));
    rig.on(spread(6 * MILLI, (10_150, 200), (10_100, 300)));
    rig.on(spread(100 * MILLI, (10_150, 200), (10_100, 300)));
    let tally = &rig.trader().desk().tally;
    // The sale is filled, the purchase is not, and the sale is bought back within the band.
    assert_eq!(tally.outcomes[usize::from(Outcome::Hedged.code())], 1, "{:#?}", rig.told());
    assert_eq!(rig.position(), [0, 0]);
    assert!(tally.profit < Amount::ZERO);
    rig.check();
}

#[test]
fn a_run_that_begins_soon_after_another_trades_by_its_own_time() {
    // The second run begins a moment after the first one, or before it ended: its clock was ahead.
    for begin in [200 * MILLI, 40 * MILLI] {
        let mut rig = Rig::new();
        rig.on(spread(1, (10_000, 200), (10_100, 300)));
        // Markouts of 10 s and a look at what was capturable are not due yet.
        rig.stop_and_begin(50 * MILLI, begin);
        let last = rig.entries.iter().map(|entry| entry.ts).max();
        assert_eq!(last, Some(50 * MILLI), "{:#?}", rig.told());
        let before = rig.entries.len();
        rig.on(spread(begin + 1, (10_000, 200), (10_100, 300)));
        assert!(rig.entries[before..].iter().all(|entry| entry.ts == begin + 1));
        rig.on(spread(begin + 100 * MILLI, (10_000, 200), (10_100, 300)));
        let tally = &rig.trader().desk().tally;
        assert_eq!((tally.decided, tally.fills, tally.unknown), (2, 4, 0), "{:#?}", rig.told());
        rig.check();
    }
}

#[test]
fn a_deal_with_a_position_is_held_until_it_converges_whatever_is_set() {
    let mut settings = rig::settings();
    let position = settings.assets.find(rig::name("Z")).unwrap();
    let terms = settings.terms[1].as_mut().unwrap();
    (terms.settlement, terms.base) = (Settlement::Position, position);
    assert_eq!(settings.exit, Exit::Inventory);
    let mut rig = Rig::with(settings);
    rig.on(spread(1, (10_000, 200), (10_100, 300)));
    rig.on(reverse(2, (10_101, 500), (9_999, 500)));
    rig.on(spread(100 * MILLI, (10_000, 200), (10_100, 300)));
    let exposure = &rig.trader().desk().exposure;
    assert_eq!((rig.position(), exposure.total), ([200, -200], amount("200")), "{:#?}", rig.told());
    assert_eq!((rig.balance(1, "Z"), rig.trader().desk().profit()), (amount("-2"), Amount::ZERO));
    rig.on(spread(102 * MILLI, (10_050, 200), (10_050, 300)));
    rig.on(reverse(102 * MILLI, (10_051, 500), (10_049, 500)));
    rig.on(reverse(202 * MILLI, (10_051, 500), (10_049, 500)));
    let desk = rig.trader().desk();
    assert_eq!((rig.position(), rig.balance(1, "Z")), ([0, 0], Amount::ZERO), "{:#?}", rig.told());
    assert_eq!(desk.profit(), amount("1.96") - desk.tally.fees);
}

#[test]
fn what_is_not_seen_on_arrival_is_unknown_and_never_a_fill() {
    let mut rig = Rig::new();
    rig.on(spread(1, (10_000, 200), (10_100, 300)));
    rig.on(status(MILLI, 0, State::Stale));
    rig.on(status(20 * MILLI, 1, State::Stale));
    let tally = &rig.trader().desk().tally;
    assert_eq!((tally.unknown, tally.fills), (1, 1), "{:#?}", rig.told());
    rig.check();
}

#[test]
fn a_residual_that_cannot_be_hedged_is_kept_and_stops_the_instrument() {
    let mut rig = Rig::new();
    rig.settings(|s| s.hedging.policy = Hedge::Reverse);
    rig.on(spread(1, (10_000, 200), (10_100, 300)));
    rig.on(spread(MILLI, (10_000, 50), (10_100, 300)));
    // Half of the purchase is missing; the sell venue's ask is never seen, so nothing can be bought back.
    rig.on(spread(6 * MILLI, (10_000, 50), (10_100, 300)));
    for k in 7..2_000 {
        rig.on(spread(k * MILLI, (11_000, 50), (11_100, 300)));
    }
    assert_eq!(rig.position(), [50, -200], "{:#?}", rig.told());
    rig.on(spread(2_000 * MILLI, (11_000, 50), (11_000, 300)));
    rig.on(spread(2_001 * MILLI, (11_000, 50), (11_100, 300)));
    assert!(0 < rig.trader().why_not().of(Why::Residual), "{:?}", rig.trader().why_not().ranked());
    rig.check();
}

#[test]
fn legs_are_held_until_the_spread_has_converged() {
    let mut rig = Rig::new();
    rig.settings(|s| s.exit = Exit::Convergence);
    rig.on(spread(1, (10_000, 200), (10_100, 300)));
    rig.on(reverse(2, (10_101, 500), (9_999, 500)));
    rig.on(spread(100 * MILLI, (10_000, 200), (10_100, 300)));
    assert_eq!(rig.position(), [200, -200], "{:#?}", rig.told());
    rig.on(spread(102 * MILLI, (10_050, 200), (10_050, 300)));
    rig.on(reverse(102 * MILLI, (10_051, 500), (10_049, 500)));
    rig.on(reverse(202 * MILLI, (10_051, 500), (10_049, 500)));
    let tally = &rig.trader().desk().tally;
    assert_eq!(rig.position(), [0, 0], "{:#?}", rig.told());
    // Bought at 100, sold at 100.49; sold at 101, bought back at 100.51: 2 x 0.98 less fees.
    assert_eq!(tally.profit, amount("1.96") - tally.fees);
    rig.check();
}

#[test]
fn a_pair_ends_as_it_was_approved_whatever_other_pairs_do() {
    for (others, approved) in
        [(Exit::Inventory, Exit::Convergence), (Exit::Convergence, Exit::Inventory)]
    {
        let mut rig = Rig::new();
        rig.settings(|settings| {
            let place = settings.pair(InstrumentId(0), VenueId(0), VenueId(1));
            settings.exit = others;
            settings.exits[place] = Some(approved);
            let exit_of = |venues| settings.exit_of(InstrumentId(0), venues);
            assert_eq!(exit_of([VenueId(0), VenueId(1)]), approved);
            assert_eq!(exit_of([VenueId(1), VenueId(0)]), others, "the other direction");
        });
        rig.on(spread(1, (10_000, 200), (10_100, 300)));
        rig.on(spread(100 * MILLI, (10_000, 200), (10_100, 300)));
        let deals = rig.trader().desk().deals().len();
        assert_eq!(deals, usize::from(approved == Exit::Convergence), "{:#?}", rig.told());
        rig.check();
    }
}

#[test]
fn nothing_is_sent_while_the_kill_switch_is_on() {
    let mut rig = Rig::new();
    rig.kill.set(true);
    rig.on(spread(1, (10_000, 200), (10_100, 300)));
    let trader = rig.trader();
    assert_eq!((trader.desk().tally.orders, trader.why_not().of(Why::Killed)), (0, 1));
}
