//! One configuration: its outcome is that of its entries, whatever the blocks are.

#![allow(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks at some events")]

mod rig;

use rig::{amount, drawn, setup};
use spreadwire_backtest::run::{Outcome, Run};
use spreadwire_backtest::setup::Setup;
use spreadwire_backtest::stream::{BLOCK, Blocks, Instruments, Stream};
use spreadwire_market::clock::{MILLI, SECOND};
use spreadwire_market::record::{Gap, Record};
use spreadwire_trading::amount::Amount;
use spreadwire_trading::books::Account;
use spreadwire_trading::desk::Desk;
use spreadwire_trading::entry::{Entry, Event};
use spreadwire_trading::order::{Answer, Side};
use spreadwire_trading::settings::Exit;
use spreadwire_trading::terms::FeeAsset;
use spreadwire_trading::trader::Out;
use std::collections::BTreeMap;

/// The outcome and the entries of a run whose records come in blocks of this size.
fn told(setup: &Setup, stream: &Stream, block: usize) -> (Outcome, Vec<Entry>) {
    let mut entries = Vec::new();
    let mut told = |entry: &Entry| entries.push(*entry);
    let mut run = Run::new(setup, stream.period().map_or(0, |period| period.0));
    for records in stream.records().chunks(block) {
        run.feed_telling(records, &mut told);
    }
    (run.finish_telling(&mut told), entries)
}

/// Setups that differ in what makes a difference to the books.
fn setups() -> Vec<Setup> {
    let mut convergence = setup();
    convergence.settings.exit = Exit::Convergence;
    let mut received = setup();
    received.settings.venues.iter_mut().for_each(|venue| venue.fee_asset = FeeAsset::Received);
    received.settings.limits.drawdown = amount("20");
    vec![setup(), convergence, received]
}

#[test]
fn a_run_does_what_the_trader_does_record_by_record() {
    for (number, setup) in setups().iter().enumerate() {
        let stream = drawn(1, 6_000);
        let (outcome, entries) = told(setup, &stream, BLOCK);
        assert!(20 < outcome.tally.decided, "the stream gives something to decide: {number}");
        let mut both = setup.trader(0);
        let (mut naive, mut end) = (Vec::new(), 0);
        for record in stream.records() {
            let mut out = Out::default();
            both.on_record(record, &mut out);
            both.trader.caught_up();
            naive.extend(out.entries);
            end = end.max(record.ts_recv());
        }
        let mut out = Out::default();
        both.stop(end, &mut out);
        naive.extend(out.entries);
        assert_eq!(entries, naive, "setup {number}");
        assert_eq!(outcome.why_not, *both.trader.why_not());
        assert_eq!((outcome.above, outcome.acted), both.trader.above_and_acted());
        assert_eq!(outcome.marked, both.trader.marked());
        assert_eq!(outcome.records, stream.records().len() as u64);
    }
}

#[test]
fn every_sum_is_that_of_the_entries() {
    for setup in setups() {
        let stream = drawn(2, 6_000);
        let (outcome, entries) = told(&setup, &stream, BLOCK);
        let settled = entries.iter().filter_map(|entry| match entry.event {
            Event::Settled(settled) => Some(settled),
            _ => None,
        });
        let (mut profit, mut fees, mut peak, mut drawdown) = ([Amount::ZERO; 4]).into();
        for settled in settled {
            profit += settled.profit;
            fees += settled.fees;
            peak = peak.max(profit);
            drawdown = drawdown.max(peak - profit);
        }
        assert_eq!(outcome.profit(), profit + outcome.marked);
        assert_eq!((outcome.tally.profit, outcome.tally.fees), (profit, fees));
        assert_eq!(outcome.tally.drawdown, drawdown);
        assert!(drawdown <= outcome.drawdown());
        let pairs = outcome.subtotals.pairs().values();
        assert_eq!(pairs.clone().map(|pair| pair.profit).sum::<Amount>(), profit);
        assert_eq!(pairs.clone().map(|pair| pair.fees).sum::<Amount>(), fees);
        assert_eq!(pairs.map(|pair| pair.decided).sum::<u64>(), outcome.tally.decided);
        let last = outcome.samples.last().unwrap();
        assert_eq!((last.settled, last.marked), (profit, outcome.marked));
        venues_are_those_of(&entries, &outcome);
        pairs_and_samples_are_those_of(&entries, &outcome);
    }
}

fn venues_are_those_of(entries: &[Entry], outcome: &Outcome) {
    let mut venues: BTreeMap<u8, [u64; 6]> = BTreeMap::new();
    let mut orders = BTreeMap::new();
    for entry in entries {
        let (id, place) = match entry.event {
            Event::Placed(order) => {
                orders.insert(order.id, order);
                (order.id, 0)
            }
            Event::Answered(Answer::Filled(fill)) => (fill.order.unwrap(), 1),
            Event::Answered(Answer::Rejected { id, .. }) => (id, 2),
            Event::Answered(Answer::Unknown { id }) => (id, 3),
            Event::Answered(Answer::Done { id, filled, .. }) if filled == orders[&id].sz => (id, 4),
            Event::Answered(Answer::Done { id, filled: 0, .. }) => (id, 5),
            _ => continue,
        };
        venues.entry(orders[&id].venue.0).or_default()[place] += 1;
    }
    let sum = |place: usize| venues.values().map(|counts| counts[place]).sum::<u64>();
    assert!((0..6).all(|place| 0 < sum(place)), "{venues:?}");
    let counted = outcome.subtotals.venues().iter().map(|(venue, of)| {
        let orders = [of.orders, of.fills, of.rejected, of.unknown];
        (venue.0, [&orders[..], &[of.filled_whole, of.filled_none]].concat())
    });
    let expected = venues.iter().map(|(venue, counts)| (*venue, counts.to_vec()));
    assert_eq!(counted.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    let tally = &outcome.tally;
    assert_eq!([tally.orders, tally.fills, tally.rejected, tally.unknown], [0, 1, 2, 3].map(sum));
}

/// The profits by pair are those of the deals that were decided on it, and each sample has what was settled
/// before it.
fn pairs_and_samples_are_those_of(entries: &[Entry], outcome: &Outcome) {
    let (mut deals, mut pairs) = (BTreeMap::new(), BTreeMap::new());
    let (mut profits, mut profit) = (vec![(0, Amount::ZERO)], Amount::ZERO);
    for entry in entries {
        match entry.event {
            Event::Decided(of) => {
                deals.insert(of.deal, (of.instrument, of.buy_venue, of.sell_venue));
            }
            Event::Settled(settled) => {
                *pairs.entry(deals[&settled.deal]).or_insert(Amount::ZERO) += settled.profit;
                profit += settled.profit;
                profits.push((entry.ts, profit));
            }
            _ => {}
        }
    }
    for (key, pair) in outcome.subtotals.pairs() {
        let expected = pairs.get(&(key.instrument, key.buy_venue, key.sell_venue));
        assert_eq!(pair.profit, expected.copied().unwrap_or_default(), "{key:?}");
    }
    let (_, samples) = outcome.samples.split_last().unwrap();
    for sample in samples {
        let before = profits.iter().rfind(|(ts, _)| *ts < sample.ts).unwrap();
        assert_eq!(sample.settled, before.1, "at {}", sample.ts);
    }
}

#[test]
fn the_books_are_what_the_funds_and_the_fills_make_them() {
    for setup in setups() {
        let (outcome, entries) = told(&setup, &drawn(3, 6_000), BLOCK);
        let mut expected: BTreeMap<(u8, String), Amount> = BTreeMap::new();
        for fund in &setup.funds {
            *expected.entry((fund.venue.0, fund.asset.to_string())).or_default() += fund.amount;
        }
        for entry in &entries {
            let Event::Answered(Answer::Filled(fill)) = entry.event else { continue };
            let base = ["A", "B"][fill.instrument.index()];
            // Both scales are 2: a unit of base is 10^16, and one of price times size 10^14.
            let sign = if fill.side == Side::Buy { 1 } else { -1 };
            let base = (fill.venue.0, base.to_owned());
            let (px, sz) = (i128::from(fill.px), i128::from(fill.sz));
            *expected.entry(base).or_default() += Amount::of_units(sign * sz * 10_i128.pow(16));
            let quote = expected.entry((fill.venue.0, "Q".to_owned())).or_default();
            *quote += Amount::of_units(-sign * px * sz * 10_i128.pow(14));
            *expected.entry((fill.venue.0, fill.fee_asset.to_string())).or_default() -= fill.fee;
        }
        let held = outcome.accounts.iter().map(|(venue, asset, account)| {
            assert_eq!(account.funded + account.traded - account.fees, account.balance());
            ((venue.0, asset.to_string()), account.balance())
        });
        assert_eq!(held.collect::<BTreeMap<_, _>>(), expected);
        rebuilt(&setup, &entries, &outcome);
    }
}

/// Applying the entries again gives the same books and counts.
fn rebuilt(setup: &Setup, entries: &[Entry], outcome: &Outcome) {
    let mut desk = Desk::new(setup.settings.clone(), 1);
    setup.funding(rig::BEGIN).for_each(|entry| desk.apply(&entry));
    entries.iter().for_each(|entry| desk.apply(entry));
    assert_eq!(desk.tally, outcome.tally);
    assert_eq!(desk.deals().len(), outcome.open_deals);
    for (venue, asset, account) in &outcome.accounts {
        let asset = desk.settings.assets.find(*asset).unwrap();
        assert_eq!(desk.books.account(*venue, asset), account);
        assert_ne!(*account, Account::default());
    }
}

#[test]
fn blocks_and_repetition_change_nothing() {
    let stream = drawn(4, 4_000);
    for setup in setups() {
        let whole = told(&setup, &stream, stream.records().len());
        for block in [1, 7, 1_000] {
            assert_eq!(told(&setup, &stream, block), whole, "blocks of {block}");
        }
    }
}

#[test]
fn records_of_other_instruments_change_nothing() {
    let stream = drawn(5, 6_000);
    for mut setup in setups() {
        setup.thresholds.enabled = vec![true, false];
        let only = stream.only(&Instruments::new(setup.thresholds.enabled.clone()));
        assert!(only.records().len() < stream.records().len());
        assert!(only.records().iter().any(|record| record.is::<Gap>()));
        let (mut all, entries) = told(&setup, &stream, BLOCK);
        let (few, fewer) = told(&setup, &only, BLOCK);
        assert!(0 < few.tally.decided);
        // The times of samples are those of records, and the end may come a moment earlier.
        all.records = few.records;
        let upto = |entries: &[Entry]| -> Vec<Entry> {
            entries.iter().filter(|entry| entry.ts < few.end).copied().collect()
        };
        assert_eq!(upto(&entries), upto(&fewer));
        assert_eq!((all.above, all.acted), (few.above, few.acted));
    }
}

#[test]
fn after_a_gap_the_run_goes_on() {
    let stream = drawn(6, 6_000);
    let gap = stream.records().iter().find(|record| record.is::<Gap>()).unwrap().ts_recv();
    let (_, entries) = told(&setup(), &stream, BLOCK);
    let decided = entries.iter().filter(|entry| matches!(entry.event, Event::Decided(_)));
    let (before, after): (Vec<&Entry>, Vec<&Entry>) = decided.partition(|entry| entry.ts < gap);
    assert!(10 < before.len() && 10 < after.len(), "{} {}", before.len(), after.len());
}

#[test]
fn what_is_under_way_at_the_end_is_unknown() {
    let stream = drawn(1, 6_000);
    let (_, entries) = told(&setup(), &stream, BLOCK);
    let first = entries.iter().find(|entry| matches!(entry.event, Event::Placed(_))).unwrap();
    let until = stream.records().iter().position(|record| first.ts < record.ts_recv()).unwrap();
    let cut = Stream::from(stream.records()[..until].to_vec());
    let (outcome, _) = told(&setup(), &cut, BLOCK);
    assert_eq!((outcome.tally.orders, outcome.tally.unknown, outcome.tally.fills), (2, 2, 0));
    assert_eq!(outcome.open_deals, 1);
}

#[test]
fn the_end_is_the_latest_time_even_if_an_earlier_one_comes_last() {
    let stream = drawn(9, 500);
    let (_, end) = stream.period().unwrap();
    let early = Record::from(Gap::new(end - 5, 1));
    let stream = Stream::from([stream.records(), &[early]].concat());
    assert_eq!(told(&setup(), &stream, BLOCK).0.end, end);
}

#[test]
fn samples_are_taken_over_the_whole_time() {
    let stream = drawn(7, 6_000);
    let (begin, end) = stream.period().unwrap();
    let (outcome, _) = told(&setup(), &stream, BLOCK);
    assert_eq!((outcome.begin, outcome.end), (begin, end));
    assert_eq!(outcome.samples.first().unwrap().ts, begin);
    assert_eq!(outcome.samples.last().unwrap().ts, end);
    assert!(outcome.samples.is_sorted_by_key(|sample| sample.ts));
    let longest = outcome.samples.windows(2).map(|two| two[1].ts - two[0].ts).max().unwrap();
    assert!(longest < SECOND && 100 * MILLI < longest, "{longest}");
}

#[test]
fn blocks_pass_on_every_record_in_order() {
    let stream = drawn(8, 2 * BLOCK as u64 / 5);
    let (mut passed, mut sizes): (Vec<Record>, Vec<usize>) = (Vec::new(), Vec::new());
    let mut blocks = Blocks::new(|records: &[Record]| {
        passed.extend_from_slice(records);
        sizes.push(records.len());
    });
    stream.records().iter().for_each(|record| blocks.push(record));
    blocks.finish();
    assert_eq!(passed, stream.records());
    let (last, full) = sizes.split_last().unwrap();
    assert!(full.iter().all(|size| *size == BLOCK) && 0 < *last && *last <= BLOCK, "{sizes:?}");
}
