//! The records that a consumer of spreads must handle.
//!
//! Each consumer matches on [`Event`] without a wildcard. A new kind that says something about
//! spreads becomes a variant here, and the compiler then names every consumer that does not handle
//! it yet.

use crate::record::{Ended, Gap, Kind, Record, Spread, Status};

/// A record about spreads, in the order in which the calculator says them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event<'a> {
    /// A pair can be traded at these prices, until its next spread or its end.
    Spread(&'a Spread),
    /// A pair can no longer be traded.
    Ended(&'a Ended),
    /// A (venue, instrument) changed its state. If it is not live, all its spreads have ended.
    Status(&'a Status),
    /// Records are missing here, so no earlier spread is known to hold.
    Gap(&'a Gap),
}

impl Event<'_> {
    /// Returns what a record says about spreads; `None` if it says nothing about them.
    #[must_use]
    #[inline]
    pub fn of(record: &Record) -> Option<Event<'_>> {
        match record.kind()? {
            Kind::Spread => Some(Event::Spread(record.view())),
            Kind::Ended => Some(Event::Ended(record.view())),
            Kind::Status => Some(Event::Status(record.view())),
            Kind::Gap => Some(Event::Gap(record.view())),
            Kind::Quote | Kind::Opened | Kind::Closed | Kind::Recording => None,
        }
    }
}
