//! The number of messages that one client sent within the last second.

use std::collections::VecDeque;

/// Length of the window in which messages count.
const WINDOW_NS: u64 = 1_000_000_000;

/// The times of one client's messages within the last second, oldest first.
#[derive(Debug, Default)]
pub(crate) struct MessageRate {
    times_ns: VecDeque<u64>,
}

impl MessageRate {
    /// Adds a message at `now_ns`. Returns whether more than `most` came within the last second.
    pub(crate) fn exceeds(&mut self, most: usize, now_ns: u64) -> bool {
        self.times_ns.push_back(now_ns);
        let is_old = |at_ns: &mut u64| WINDOW_NS <= now_ns.saturating_sub(*at_ns);
        while self.times_ns.pop_front_if(is_old).is_some() {}
        most < self.times_ns.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_messages_of_the_last_second_count() {
        let mut rate = MessageRate::default();
        let exceeds: Vec<bool> =
            [0, 1, 2, WINDOW_NS, WINDOW_NS + 1, WINDOW_NS + 1, WINDOW_NS + 1, 2 * WINDOW_NS + 1]
                .into_iter()
                .map(|at_ns| rate.exceeds(3, at_ns))
                .collect();
        assert_eq!(exceeds, [false, false, false, false, false, true, true, false]);
    }
}
