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

mod aliases;
mod calendar;
mod copies;
mod days;
mod decode;
mod discovery;
mod fault;
mod fixed;
mod footer;
mod guarded;
mod known;
mod last;
mod layouts;
mod listed;
mod market;
mod names;
mod plan;
mod proof;
mod quotes;
mod selection;
mod sources;
mod spelling;
mod unit;
mod unread;
mod window;

pub(crate) use calendar::{bounds, midnight};
pub use decode::BATCH_ROWS;
pub use discovery::find;
pub use fault::{Caution, ReadError};
pub(crate) use footer::nanos_of;
pub use last::LastQuote;
pub use listed::Listed;
pub use market::Market;
pub use names::{Contract, Named, Names, Scale};
pub use quotes::{Tally, VenueQuotes};
pub use selection::{Columns, Selection, TimeUnit, chooses};
pub(crate) use spelling::venue;
pub use unit::{Found, QuoteFile, Unit, VenueDay};
