//! One configuration over recorded records.

use crate::curve::{self, Curve, Sample};
use crate::setup::Setup;
use crate::subtotals::Subtotals;
use spreadwire_market::clock::Nanos;
use spreadwire_market::instrument::VenueId;
use spreadwire_market::record::{Gap, Record, Spread};
use spreadwire_trading::amount::Amount;
use spreadwire_trading::books::Account;
use spreadwire_trading::entry::{Entry, Halt};
use spreadwire_trading::order::AssetName;
use spreadwire_trading::paper_trader::PaperTrader;
use spreadwire_trading::tally::Tally;
use spreadwire_trading::trader::Out;
use spreadwire_trading::why::WhyNot;

/// Room for what one record leads to before memory is allocated.
const ROOM: usize = 64;

/// What a run came to. Two runs of the same configuration over the same records have equal outcomes.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Number of records.
    pub records: u64,
    /// Receive time of the first record, ns since 1970 UTC.
    pub begin: Nanos,
    /// Latest receive time of a record, ns since 1970 UTC.
    pub end: Nanos,
    /// Counts and sums over all entries.
    pub tally: Tally,
    /// Profit of the deals that are not over, at the prices seen last.
    pub marked: Amount,
    /// Deals that are not over.
    pub open_deals: usize,
    /// Spreads at or above their thresholds.
    pub above: u64,
    /// Of those, the ones that were acted on.
    pub acted: u64,
    /// Why the others were not.
    pub why_not: WhyNot,
    /// What stops openings at the end.
    pub halts: Vec<Halt>,
    /// The profit over time.
    pub samples: Vec<Sample>,
    /// Counts and sums by pair and venue.
    pub subtotals: Subtotals,
    /// What is held at the end, by venue and asset; accounts that were never used are left out.
    pub accounts: Vec<(VenueId, AssetName, Account)>,
}

impl Outcome {
    /// Returns the profit of all deals, those that are not over at the prices seen last.
    #[must_use]
    pub fn profit(&self) -> Amount {
        self.tally.profit + self.marked
    }

    /// Returns the deals that traded something: all that are over but for those that missed.
    #[must_use]
    pub fn trades(&self) -> u64 {
        use spreadwire_trading::entry::Outcome::{Done, Hedged, Kept};
        [Done, Hedged, Kept].map(|way| self.tally.outcomes[usize::from(way.code())]).iter().sum()
    }

    /// Returns the largest fall of the profit below its highest value so far: of the settled profit at any
    /// time, and of settled and marked profit together at the times of the samples.
    #[must_use]
    pub fn drawdown(&self) -> Amount {
        self.tally.drawdown.max(curve::drawdown(&self.samples))
    }
}

/// A run that is not over.
#[derive(Clone, Debug)]
pub struct Run {
    both: PaperTrader,
    out: Out,
    curve: Curve,
    subtotals: Subtotals,
    records: u64,
    begin: Nanos,
    end: Nanos,
}

impl Run {
    /// Begins a run, funded at `ts`, ns since 1970 UTC.
    ///
    /// # Panics
    /// If the thresholds or the settings are not of the catalogue.
    #[must_use]
    pub fn new(setup: &Setup, ts: Nanos) -> Run {
        Run {
            both: setup.trader(ts),
            out: Out::with_capacity(ROOM),
            curve: Curve::default(),
            subtotals: Subtotals::default(),
            records: 0,
            begin: ts,
            end: ts,
        }
    }

    /// Processes the next records.
    pub fn feed(&mut self, records: &[Record]) {
        self.feed_telling(records, &mut |_| {});
    }

    /// As [`feed`](Run::feed), and calls a function with each entry of the journal, in order. Those of the
    /// funding are not among them.
    pub fn feed_telling(&mut self, records: &[Record], told: &mut impl FnMut(&Entry)) {
        for record in records {
            let ts = record.ts_recv();
            self.end = self.end.max(ts);
            if self.curve.next_due() <= ts {
                self.sample(ts);
            }
            self.both.on_record(record, &mut self.out);
            if !record.is::<Spread>() && record.is::<Gap>() {
                // All that is left of the recording follows, so nothing is waited for.
                self.both.trader.caught_up();
            }
            if !self.out.entries.is_empty() || !self.out.records.is_empty() {
                self.drain(told);
            }
        }
        self.records += records.len() as u64;
    }

    #[inline(never)]
    fn sample(&mut self, ts: Nanos) {
        self.both.run_until(ts, &mut self.out);
        self.curve.take(sample(&self.both, ts));
    }

    #[inline(never)]
    fn drain(&mut self, told: &mut impl FnMut(&Entry)) {
        for entry in &self.out.entries {
            self.subtotals.count(entry);
            told(entry);
        }
        self.out.clear();
    }

    /// Ends the run: what is under way is unknown.
    #[must_use]
    pub fn finish(self) -> Outcome {
        self.finish_telling(&mut |_| {})
    }

    /// As [`finish`](Run::finish), and calls a function with each entry of the journal, in order.
    #[must_use]
    pub fn finish_telling(mut self, told: &mut impl FnMut(&Entry)) -> Outcome {
        self.both.stop(self.end, &mut self.out);
        self.drain(told);
        let last = sample(&self.both, self.end);
        let trader = &self.both.trader;
        let (above, acted) = trader.above_and_acted();
        let desk = trader.desk();
        Outcome {
            records: self.records,
            begin: self.begin,
            end: self.end,
            tally: desk.tally.clone(),
            marked: last.marked,
            open_deals: desk.deals().len(),
            above,
            acted,
            why_not: trader.why_not().clone(),
            halts: desk.halts().collect(),
            samples: self.curve.end(last),
            subtotals: self.subtotals,
            accounts: accounts(&self.both),
        }
    }
}

fn sample(both: &PaperTrader, ts: Nanos) -> Sample {
    Sample { ts, settled: both.trader.desk().profit(), marked: both.trader.marked() }
}

fn accounts(both: &PaperTrader) -> Vec<(VenueId, AssetName, Account)> {
    let desk = both.trader.desk();
    let assets = &desk.settings.assets;
    let venues = (0_u8..).zip(&desk.settings.venues).map(|(venue, _)| VenueId(venue));
    let all = venues.flat_map(|venue| assets.ids().map(move |asset| (venue, asset)));
    all.map(|(venue, asset)| (venue, assets.name(asset), *desk.books.account(venue, asset)))
        .filter(|(_, _, account)| *account != Account::default())
        .collect()
}
