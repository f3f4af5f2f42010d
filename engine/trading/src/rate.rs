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

    /// Allows another number from now on.
    pub fn set_most(&mut self, most: usize) {
        self.most = most;
        while most < self.times.len() {
            self.times.pop_front();
        }
    }

    /// Returns whether one more order may be sent at `now`.
    #[must_use]
    pub fn has_room(&self, now: Nanos) -> bool {
        if self.times.len() < self.most {
            return true;
        }
        self.times.front().is_some_and(|oldest| oldest.saturating_add(SECOND) <= now)
    }

    /// Notes an order that was sent at `now`.
    pub fn note(&mut self, now: Nanos) {
        if self.times.len() == self.most {
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
}
