//! Counts and sums by pair and by venue, from the entries of a journal.

use spreadwire_market::instrument::{InstrumentId, VenueId};
use spreadwire_trading::amount::Amount;
use spreadwire_trading::entry::{Entry, Event, Outcome, Settled};
use spreadwire_trading::order::{Answer, Ended};
use std::collections::{BTreeMap, VecDeque};

/// Number of deals that are over and still known, as many as the desk knows.
const RECENT: usize = 1 << 10;

/// An ordered pair of venues of an instrument: buy, sell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PairKey {
    /// The instrument.
    pub instrument: InstrumentId,
    /// Venue to buy on.
    pub buy_venue: VenueId,
    /// Venue to sell on.
    pub sell_venue: VenueId,
}

/// The deals of a pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfPair {
    /// Deals decided on.
    pub decided: u64,
    /// Deals that are over, by [`Outcome`].
    pub outcomes: [u64; Outcome::ALL.len()],
    /// Profit of the deals that are over, after fees, in the currency of the books.
    pub profit: Amount,
    /// Their fees; they are in the profit.
    pub fees: Amount,
}

/// The orders at a venue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfVenue {
    /// Orders placed.
    pub orders: u64,
    /// Trades told.
    pub fills: u64,
    /// Orders filled in full.
    pub filled_whole: u64,
    /// Orders that found nothing.
    pub filled_none: u64,
    /// Orders rejected.
    pub rejected: u64,
    /// Times at which the outcome of an order was unknown.
    pub unknown: u64,
}

/// Counts and sums by pair and by venue. The memory is bounded by the pairs, the venues, and the deals and
/// orders that are not over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subtotals {
    pairs: BTreeMap<PairKey, OfPair>,
    venues: BTreeMap<VenueId, OfVenue>,
    /// Pairs of the deals that are not over.
    deals: BTreeMap<u64, PairKey>,
    /// Venues of the orders that are not over.
    orders: BTreeMap<u64, VenueId>,
    /// Deals that were over last, which a late trade opens again.
    recent: VecDeque<(u64, PairKey)>,
}

impl Subtotals {
    /// Returns the deals by pair.
    #[must_use]
    pub fn pairs(&self) -> &BTreeMap<PairKey, OfPair> {
        &self.pairs
    }

    /// Returns the orders by venue.
    #[must_use]
    pub fn venues(&self) -> &BTreeMap<VenueId, OfVenue> {
        &self.venues
    }

    /// Counts an entry.
    pub fn count(&mut self, entry: &Entry) {
        match &entry.event {
            Event::Decided(decided) => {
                let key = PairKey {
                    instrument: decided.instrument,
                    buy_venue: decided.buy_venue,
                    sell_venue: decided.sell_venue,
                };
                self.deals.insert(decided.deal, key);
                self.pairs.entry(key).or_default().decided += 1;
            }
            Event::Placed(order) => {
                self.orders.insert(order.id.0, order.venue);
                self.venues.entry(order.venue).or_default().orders += 1;
            }
            Event::Answered(answer) => self.answer(answer),
            Event::Settled(settled) => self.settled(settled),
            Event::Funded { .. }
            | Event::Stage { .. }
            | Event::Halted(_)
            | Event::Resumed
            | Event::Adopted { .. }
            | Event::Capturable(_)
            | Event::Markout(_) => {}
        }
    }

    fn settled(&mut self, settled: &Settled) {
        let recent = || self.recent.iter().find(|(deal, _)| *deal == settled.deal);
        let key = self.deals.remove(&settled.deal).or_else(|| recent().map(|(_, key)| *key));
        let Some(key) = key else { return };
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((settled.deal, key));
        let pair = self.pairs.entry(key).or_default();
        pair.outcomes[usize::from(settled.outcome.code())] += 1;
        pair.profit += settled.profit;
        pair.fees += settled.fees;
    }

    fn answer(&mut self, answer: &Answer) {
        match *answer {
            Answer::Filled(fill) => self.venues.entry(fill.venue).or_default().fills += 1,
            Answer::Done { id, how, filled } => {
                let Some(venue) = self.orders.remove(&id.0) else { return };
                let venue = self.venues.entry(venue).or_default();
                venue.filled_whole += u64::from(how == Ended::Filled);
                venue.filled_none += u64::from(how != Ended::Filled && filled == 0);
            }
            Answer::Rejected { id, .. } => {
                let Some(venue) = self.orders.remove(&id.0) else { return };
                self.venues.entry(venue).or_default().rejected += 1;
            }
            Answer::Unknown { id } => {
                let Some(venue) = self.orders.get(&id.0) else { return };
                self.venues.entry(*venue).or_default().unknown += 1;
            }
            Answer::Acked { .. }
            | Answer::Balance { .. }
            | Answer::Reconciled { .. }
            | Answer::Connection { .. } => {}
        }
    }
}
