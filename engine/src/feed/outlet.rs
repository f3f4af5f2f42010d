//! The edge from a feed to the calculator, with the records that did not fit yet.
//!
//! Sockets are read only while nothing waits here. What waits is therefore bounded by the records of
//! one frame or of one lost connection.

use crate::runtime::ring::HoldSender;
use spreadwire_market::counters::Counter;
use spreadwire_market::record::Record;
use std::collections::VecDeque;

/// Records that a common frame leads to at most: a change of state and a quote.
const RECORDS_PER_FRAME: usize = 2;
/// Waiting records for which memory is taken at the start.
const WAITING_EXPECTED: usize = 1024;

/// The sending end of the edge, and the records that wait for room on it.
#[derive(Debug)]
pub(super) struct Outlet {
    edge: HoldSender,
    waiting: VecDeque<Record>,
}

impl Outlet {
    pub(super) fn new(edge: HoldSender) -> Outlet {
        Outlet { edge, waiting: VecDeque::with_capacity(WAITING_EXPECTED) }
    }

    /// Returns the counter of the records that went out.
    pub(super) fn passed(&self) -> &Counter {
        &self.edge.counters().passed
    }

    /// Touches the memory of the edge, on the thread that will send.
    pub(super) fn touch(&mut self) {
        self.edge.touch();
    }

    /// Sends a record, or keeps it until there is room.
    #[inline]
    pub(super) fn pass(&mut self, record: Record) {
        if self.waiting.is_empty() && self.edge.room(1) {
            self.edge.send(record);
        } else {
            self.waiting.push_back(record);
        }
    }

    /// Sends what waits, as far as it fits. Returns whether a frame's records can go out at once.
    #[inline]
    pub(super) fn has_room(&mut self) -> bool {
        while !self.waiting.is_empty() && self.edge.room(1) {
            self.waiting.pop_front().into_iter().for_each(|record| self.edge.send(record));
        }
        self.waiting.is_empty() && self.edge.room(RECORDS_PER_FRAME)
    }

    /// Whether records wait for room.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether the consumer is gone.
    pub(super) fn is_abandoned(&self) -> bool {
        self.edge.is_abandoned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::ring::{self, EdgeCounters};
    use spreadwire_kit::records::quote;

    #[test]
    fn records_that_wait_go_out_first_and_nothing_overtakes_them() {
        let (edge, mut receiver) = ring::hold(2, EdgeCounters::default());
        let mut outlet = Outlet::new(edge);
        let mut drained = || {
            let mut times = Vec::new();
            receiver.drain(|record| times.push(record.ts_recv()));
            times
        };
        (1..=4).for_each(|ts_recv| outlet.pass(quote(ts_recv)));
        assert!(outlet.is_waiting() && !outlet.has_room());
        assert_eq!(drained(), [1, 2]);
        // There is room, but not before those that wait.
        outlet.pass(quote(5));
        assert!(!outlet.has_room());
        assert_eq!(drained(), [3, 4]);
        assert!(!outlet.has_room() && !outlet.is_waiting(), "one is on the edge");
        assert_eq!(drained(), [5]);
        assert!(outlet.has_room());
        assert_eq!(outlet.passed().get(), 5);
    }
}
