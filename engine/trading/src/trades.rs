//! Which trades of the venues were booked: each is booked once, however often it is told.

use crate::order::VenueText;
use spreadwire_market::clock::Nanos;
use spreadwire_market::instrument::{InstrumentId, VenueId};
use std::collections::{HashSet, VecDeque};

/// A trade by its venue, its instrument there, and the venue's id.
type Key = (VenueId, InstrumentId, VenueText);

/// The trades that were booked last. One that is no younger than what was forgotten of its venue counts
/// as booked: if it was not, the balances differ, whereas one booked twice would go unnoticed until then.
#[derive(Clone, Debug)]
pub struct Trades {
    known: HashSet<Key>,
    order: VecDeque<(Key, Nanos)>,
    /// Time of the youngest trade that was forgotten, by venue.
    forgotten: Vec<Option<Nanos>>,
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
            forgotten: vec![None; 1 << u8::BITS],
            most,
        }
    }

    /// Notes a trade of the time `ts` by the venue's clock; returns whether it is new.
    pub fn note(
        &mut self,
        venue: VenueId,
        instrument: InstrumentId,
        trade: VenueText,
        ts: Nanos,
    ) -> bool {
        let key = (venue, instrument, trade);
        let is_forgotten = self.forgotten[venue.index()].is_some_and(|youngest| ts <= youngest);
        if is_forgotten || !self.known.insert(key) {
            return false;
        }
        if self.order.len() == self.most
            && let Some((oldest, ts)) = self.order.pop_front()
        {
            self.known.remove(&oldest);
            let youngest = &mut self.forgotten[oldest.0.index()];
            *youngest = (*youngest).max(Some(ts));
        }
        self.order.push_back((key, ts));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trade_is_new_once() {
        let mut trades = Trades::new(2);
        let mut note = |venue, id, ts| {
            trades.note(VenueId(venue), InstrumentId(0), VenueText::of_number(id), ts)
        };
        assert!(note(0, 1, 10) && !note(0, 1, 10));
        assert!(note(1, 1, 5), "another venue");
        assert!(!note(0, 1, 10) && note(0, 2, 12));
        assert!(!note(0, 1, 10), "forgotten, but no younger than that");
        assert!(note(0, 3, 11) && note(1, 2, 6), "younger than what was forgotten");
    }
}
