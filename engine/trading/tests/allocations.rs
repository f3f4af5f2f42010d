//! In steady state, nothing that the trader on paper does allocates: deciding, sending, filling, hedging,
//! settling, measuring. Reloads, reconciliations and a person's commands may.

#![allow(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

mod rig;

use rig::{restored, reverse, spread};
use spreadwire_kit::counting_allocator::{Counting, counted};
use spreadwire_market::clock::{MILLI, Nanos, SECOND};
use spreadwire_market::record::Record;
use spreadwire_trading::entry::{Entry, Event};
use spreadwire_trading::kill::KillSwitch;
use spreadwire_trading::paper_trader::PaperTrader;
use spreadwire_trading::settings::Exit;
use spreadwire_trading::tally::Tally;
use spreadwire_trading::trader::Out;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Number of deals in a round.
const DEALS: u64 = 200;
/// Time between two deals.
const PACE: Nanos = 40 * MILLI;

/// Records of one deal: it is filled whole, in part, or not at all, in turn, and the prices come together.
fn records(turn: u64) -> [Record; 6] {
    let ts = SECOND + turn * PACE;
    let sz = 100 + i64::try_from(turn % 7).unwrap();
    let (late, left) =
        [(10_000, sz), (10_000, 30), (10_200, sz)][usize::try_from(turn % 3).unwrap()];
    [
        spread(ts, (10_000, sz), (10_100, sz)),
        spread(ts + MILLI, (late, left), (10_100, sz)),
        reverse(ts + 2 * MILLI, (10_105, sz), (9_995, sz)),
        spread(ts + 15 * MILLI, (10_050, sz), (10_050, sz)),
        reverse(ts + 15 * MILLI, (10_051, sz), (10_049, sz)),
        spread(ts + 30 * MILLI, (10_050, sz + 1), (10_050, sz)),
    ]
}

fn round(both: &mut PaperTrader, out: &mut Out, from: u64) {
    for record in (from..from + DEALS).flat_map(records) {
        out.clear();
        both.on_record(&record, out);
    }
}

fn difference(before: &Tally, after: &Tally) -> [u64; 4] {
    let counts = |tally: &Tally| {
        [tally.decided, tally.fills, tally.outcomes[0], tally.outcomes[2] + tally.outcomes[3]]
    };
    let (before, after) = (counts(before), counts(after));
    std::array::from_fn(|place| after[place] - before[place])
}

#[test]
fn deals_from_the_decision_to_the_settlement_allocate_nothing() {
    for exit in Exit::ALL {
        let mut settings = rig::settings();
        settings.exit = exit;
        settings.limits.failures = u32::MAX;
        let funded = rig::funded();
        let mut both = restored(&funded, settings, KillSwitch::default());
        let mut out = Out::with_capacity(1 << 10);
        round(&mut both, &mut out, 0);
        let before = both.trader.desk().tally.clone();
        let ((), allocations) = counted(|| round(&mut both, &mut out, DEALS));
        let done = difference(&before, &both.trader.desk().tally);
        assert!(done.iter().all(|count| DEALS / 5 < *count), "{done:?} with {exit}");
        assert_eq!(allocations, 0, "{exit}");
    }
}

#[test]
fn unknown_outcomes_are_asked_for_without_an_allocation() {
    let mut settings = rig::settings();
    settings.answer_timeout = MILLI;
    let mut entries: Vec<Entry> = rig::funded();
    let mut first = restored(&entries, settings.clone(), KillSwitch::default());
    let mut out = Out::with_capacity(1 << 10);
    first.on_record(&records(0)[0], &mut out);
    entries.append(&mut out.entries);
    let mut both = restored(&entries, settings, KillSwitch::default());
    let is_placed = |entry: &&Entry| matches!(entry.event, Event::Placed(_));
    assert_eq!(entries.iter().filter(is_placed).count(), 2);
    both.restored(SECOND, &mut out);
    let asked = out.asks.len();
    let ((), allocations) = counted(|| both.run_until(2 * SECOND, &mut out));
    assert!(asked + 10 < out.asks.len(), "{}", out.asks.len());
    assert_eq!(allocations, 0);
}
