//! Which trades of the venues were booked: each is booked once, however often it is told.

use crate::order::VenueText;
use spreadwire_market::instrument::{InstrumentId, VenueId};
use std::collections::{HashSet, VecDeque};

/// A trade by its venue, its instrument there, and the venue's id.
type Key = (VenueId, InstrumentId, VenueText);

/// The trades that were booked last.
#[derive(Clone, Debug)]
pub struct Trades {
    known: HashSet<Key>,
    order: VecDeque<Key>,
    most: usize,
}

impl Trades {
    /// Remembers the last `most` trades. All memory is allocated here.
    #[must_use]
    pub fn new(most: usize) -> Trades {
        // Twice the room, so that the set never grows for what it removed.
        Trades {
            known: HashSet::with_capacity(2 * most),
            order: VecDeque::with_capacity(most),
            most,
        }
    }

    /// Notes a trade; returns whether it is new.
    pub fn note(&mut self, venue: VenueId, instrument: InstrumentId, trade: VenueText) -> bool {
        let key = (venue, instrument, trade);
        if !self.known.insert(key) {
            return false;
        }
        if self.order.len() == self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.order.push_back(key);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trade_is_new_once() {
        let mut trades = Trades::new(2);
        let mut note =
            |venue, id| trades.note(VenueId(venue), InstrumentId(0), VenueText::of_number(id));
        assert!(note(0, 1) && !note(0, 1));
        assert!(note(1, 1), "another venue");
        assert!(!note(0, 1) && note(0, 2));
        assert!(note(0, 1), "forgotten after two others");
    }
}
