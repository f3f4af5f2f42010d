//! What clients are told about: a record with its place in the stream and in the table of keys.
//!
//! [`Topic`] is the one list of the kinds of record that clients are told about. A new kind that
//! clients are not told about touches nothing else here; one that they are told about becomes a
//! variant, and the compiler names every place that has to handle it.

use spreadwire_market::record::{Ended, Gap, Kind, Record, Recording, Spread, Status};

/// A record with its place in the table and in the stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    /// The record; it has no kind where the table is empty.
    pub(super) record: Record,
    /// For a spread its number since start, for everything else the number of the last spread.
    pub(super) seq: u64,
    /// Its place in the table.
    pub(super) key: usize,
}

impl Event {
    /// Makes an event that has no place in the table: a gap or the state of recording.
    pub(super) fn unkeyed(record: impl Into<Record>, seq: u64) -> Event {
        Event { record: record.into(), seq, key: 0 }
    }

    /// Returns what it tells clients; `None` if its record is not for them.
    #[inline]
    pub(super) fn topic(&self) -> Option<Topic<'_>> {
        Topic::of(&self.record)
    }
}

/// A record of a kind that clients are told about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Topic<'a> {
    /// The price gap of a pair of venues changed.
    Spread(&'a Spread),
    /// A pair can no longer be traded, until its next spread.
    Ended(&'a Ended),
    /// The state of a (venue, instrument) changed.
    Status(&'a Status),
    /// Records are missing.
    Gap(&'a Gap),
    /// The journal stopped or resumed recording.
    Recording(&'a Recording),
}

impl Topic<'_> {
    /// Returns what a record tells clients; `None` if it is not for them.
    #[inline]
    pub(super) fn of(record: &Record) -> Option<Topic<'_>> {
        match record.kind() {
            Some(Kind::Spread) => Some(Topic::Spread(record.view())),
            Some(Kind::Ended) => Some(Topic::Ended(record.view())),
            Some(Kind::Status) => Some(Topic::Status(record.view())),
            Some(Kind::Gap) => Some(Topic::Gap(record.view())),
            Some(Kind::Recording) => Some(Topic::Recording(record.view())),
            _ => None,
        }
    }
}

/// How an event reaches a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// As it happened, after everything before it.
    InOrder,
    /// As the latest of its key, after the client was too slow for the rest.
    Conflated,
}
