//! Each trade once: a venue tells a trade in the answer to an order, in its stream and in lists, and
//! may double each.

use spreadwire_market::instrument::InstrumentId;
use spreadwire_trading::order::{Fill, VenueText};
use std::collections::{HashSet, VecDeque};

/// Most trades that are remembered. Who asks for older ones hears them again: they are told apart by
/// their ids.
const TRADES_MAX: usize = 65_536;

/// The trades of a venue that were passed on.
#[derive(Debug, Default)]
pub(crate) struct Trades {
    seen: HashSet<(InstrumentId, VenueText)>,
    oldest: VecDeque<(InstrumentId, VenueText)>,
}

impl Trades {
    /// Returns whether a trade is heard of for the first time.
    pub(crate) fn is_new(&mut self, fill: &Fill) -> bool {
        let key = (fill.instrument, fill.trade);
        if !self.seen.insert(key) {
            return false;
        }
        self.oldest.push_back(key);
        if TRADES_MAX < self.oldest.len()
            && let Some(oldest) = self.oldest.pop_front()
        {
            self.seen.remove(&oldest);
        }
        true
    }
}
