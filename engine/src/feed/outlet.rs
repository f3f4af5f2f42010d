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
