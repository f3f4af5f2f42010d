//! The table and the folder that a record goes to.

use crate::layout::HOUR;
use crate::table::{ENDS, OPPORTUNITIES, QUOTES, SPREADS, STATUS, Table};
use spreadwire_market::clock::Nanos;
use spreadwire_market::instrument::{InstrumentId, VenueId};
use spreadwire_market::record::{Kind, Record};

const HOURS_PER_DAY: u64 = 24;

/// The records that go into one folder: their table, and what the folder is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group {
    /// The table.
    pub(crate) rows: Rows,
    /// The venue of quotes; otherwise 0.
    pub(crate) venue: VenueId,
    /// The instrument of quotes or spreads; otherwise 0.
    pub(crate) instrument: InstrumentId,
    /// Hours since 1970-01-01 00:00 UTC; if the table has a folder for each day, its first hour.
    pub(crate) hour: u64,
}

/// The tables that hold records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Rows {
    Quotes,
    Status,
    Spreads,
    Ends,
    Opportunities,
}

impl Group {
    /// Returns the group of a record, or `None` if it is a row of no table.
    #[must_use]
    pub fn of(record: &Record) -> Option<Group> {
        let hour = record.ts_recv() / HOUR;
        let day = hour - hour % HOURS_PER_DAY;
        let (venue, instrument) = (VenueId(0), InstrumentId(0));
        let group = |rows, venue, instrument, hour| Some(Group { rows, venue, instrument, hour });
        match record.kind()? {
            Kind::Quote => group(Rows::Quotes, record.venue, record.instrument, hour),
            Kind::Status => group(Rows::Status, venue, instrument, day),
            Kind::Spread => group(Rows::Spreads, venue, record.instrument, hour),
            Kind::Ended => group(Rows::Ends, venue, instrument, day),
            Kind::Opened | Kind::Closed => group(Rows::Opportunities, venue, instrument, day),
            Kind::Gap | Kind::Recording => None,
        }
    }

    /// Returns whether the hour or day of the folder had ended at a time.
    #[must_use]
    pub fn is_over(&self, time: Nanos) -> bool {
        let hours = match self.rows {
            Rows::Quotes | Rows::Spreads => 1,
            Rows::Status | Rows::Ends | Rows::Opportunities => HOURS_PER_DAY,
        };
        self.hour + hours <= time / HOUR
    }

    /// Returns the table.
    #[must_use]
    pub fn table(&self) -> &'static Table {
        match self.rows {
            Rows::Quotes => &QUOTES,
            Rows::Status => &STATUS,
            Rows::Spreads => &SPREADS,
            Rows::Ends => &ENDS,
            Rows::Opportunities => &OPPORTUNITIES,
        }
    }
}
