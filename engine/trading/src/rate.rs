//! How many orders went to a venue within the last second.

use spreadwire_market::clock::{Nanos, SECOND};
use std::collections::VecDeque;

/// The times of the last orders to a venue.
#[derive(Clone, Debug)]
pub struct OrderRate {
    times: VecDeque<Nanos>,
    most: usize,
}

impl OrderRate {
    /// Allows `most` orders within any second.
    #[must_use]
    pub fn new(most: usize) -> OrderRate {
        OrderRate { times: VecDeque::with_capacity(most), most }
    }

    /// Allows another number from now on. What was sent within the last second still counts.
    pub fn set_most(&mut self, most: usize) {
        self.most = most;
    }

    /// Takes orders that were noted after `now`, by a clock that was ahead, for sent at `now`.
    pub fn not_after(&mut self, now: Nanos) {
        self.times.iter_mut().for_each(|time| *time = now.min(*time));
    }

    /// Returns whether one more order may be sent at `now`.
    #[must_use]
    pub fn has_room(&self, now: Nanos) -> bool {
        let Some(place) = self.times.len().checked_sub(self.most) else { return true };
        self.times.get(place).is_some_and(|oldest| oldest.saturating_add(SECOND) <= now)
    }

    /// Notes an order that was sent at `now`.
    pub fn note(&mut self, now: Nanos) {
        while self.times.front().is_some_and(|oldest| oldest.saturating_add(SECOND) <= now) {
            self.times.pop_front();
        }
        self.times.push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_has_more_orders_than_allowed() {
        let mut rate = OrderRate::new(2);
        rate.note(0);
        assert!(rate.has_room(0));
        rate.note(SECOND / 2);
        assert!(!rate.has_room(SECOND - 1) && rate.has_room(SECOND));
        rate.note(SECOND);
        assert!(!rate.has_room(SECOND + 1));
        assert!(!OrderRate::new(0).has_room(5), "none is none");
    }

    #[test]
    fn another_number_forgets_no_order() {
        let mut rate = OrderRate::new(3);
        for ts in 0..3 {
            rate.note(ts);
        }
        rate.set_most(1);
        assert!(!rate.has_room(SECOND + 1) && rate.has_room(SECOND + 2));
        rate.set_most(4);
        assert!(rate.has_room(3));
        rate.note(3);
        assert!(!rate.has_room(4) && rate.has_room(SECOND));
        rate.set_most(0);
        assert!(!rate.has_room(9 * SECOND));
    }
}
