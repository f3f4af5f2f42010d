//! The part of a filter's snapshot that goes into one message.
//!
//! A snapshot goes through the keys of the table in order: first all states, then all pairs. A part
//! is bounded in the items that it holds and in the keys that it looks at, so that neither a long
//! snapshot nor a filter that matches little holds up a cycle. Both protocols write the same parts.

use super::event::Event;
use super::market::Market;
use super::subscription::Filter;

/// Most states and spreads in one part: some 40 KiB as JSON.
const ITEMS_MAX: usize = 128;
/// Most keys that one part looks at.
const KEYS_MAX: usize = 4096;

/// An iterator over the events of one part, which is written down as it goes.
#[derive(Debug)]
pub(super) struct Part<'a> {
    filter: &'a Filter,
    market: &'a Market,
    reached: usize,
    stop: usize,
    items: usize,
}

/// What a part covered once it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Covered {
    /// Number of states and spreads in it.
    pub(super) items: usize,
    /// The first key that it did not look at.
    pub(super) reached: usize,
    /// Whether it looked at the last key.
    pub(super) last: bool,
}

impl<'a> Part<'a> {
    /// Begins where the filter's snapshot has arrived.
    pub(super) fn new(filter: &'a Filter, market: &'a Market) -> Part<'a> {
        let reached = filter.reached();
        let stop = market.keys().count().min(reached + KEYS_MAX);
        Part { filter, market, reached, stop, items: 0 }
    }

    /// Returns the id of the filter.
    pub(super) fn id(&self) -> &'a str {
        self.filter.id()
    }

    /// Returns the number of the last spread that the snapshot takes into account.
    pub(super) fn seq(&self) -> u64 {
        self.market.seq()
    }

    /// Returns whether an event is a state, which stands before all spreads.
    pub(super) fn is_state(&self, event: &Event) -> bool {
        event.key < self.market.keys().states()
    }

    /// Returns what has been covered so far: all of it, once there is no next event.
    pub(super) fn covered(&self) -> Covered {
        let last = self.reached == self.market.keys().count();
        Covered { items: self.items, reached: self.reached, last }
    }
}

impl<'a> Iterator for Part<'a> {
    type Item = &'a Event;

    fn next(&mut self) -> Option<&'a Event> {
        while self.reached < self.stop && self.items < ITEMS_MAX {
            let key = self.reached;
            self.reached += 1;
            if let Some(event) = self.market.latest(key).filter(|event| self.filter.covers(event)) {
                self.items += 1;
                return Some(event);
            }
        }
        None
    }
}
