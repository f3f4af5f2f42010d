//! Reads a lake: from its folders to quotes in time order.
//!
//! [`find`] walks the folders, filters them by a [`Selection`], and returns a [`Unit`] for each
//! instrument and day: its venues and their files. [`VenueDay::open`] reads the quotes of one venue
//! as batches with the same columns and types, whichever recorder wrote them. Batches are sorted by
//! time. Rows with equal times are in the order of the paths of their files, and within a file in
//! row order. What cannot be used is left out and reported by name.
//!
//! A file can turn out to be damaged, or to contradict its footer, after some of its rows have been
//! returned. Reading then ends with a [`ReadError`]. The caller drops what it computed from the
//! unit so far, passes the error to [`Caution::heed`], and opens the unit's venues again.

mod decode;
mod discovery;
mod fault;
mod footer;
mod guarded;
mod last;
mod listed;
mod market;
mod names;
mod plan;
mod quotes;
mod selection;
mod window;

pub use decode::BATCH_ROWS;
pub use discovery::{Found, QuoteFile, Unit, VenueDay, find};
pub use fault::{Caution, ReadError};
pub use last::LastQuote;
pub use listed::Listed;
pub use market::Market;
pub use names::{Contract, Named, Names, Scale};
pub use quotes::{Tally, VenueQuotes};
pub use selection::{Columns, Selection, is_chosen};

use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Returns the beginning of a day, in ns since 1970.
pub(crate) fn midnight(date: Date) -> i64 {
    let second = date.to_zoned(TimeZone::UTC).map_or(0, |at| at.timestamp().as_second());
    second.saturating_mul(1_000_000_000)
}
