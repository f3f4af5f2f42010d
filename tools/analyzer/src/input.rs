//! From a lake's folders to quotes in the order of time.
//!
//! [`find`] walks the folders, chooses by a [`Selection`] and gives a [`Unit`] for each instrument and
//! day: its venues and their files. [`VenueDay::open`] reads the quotes of one venue as batches of the
//! same columns and types whatever recorder wrote them, sorted by time; where times are equal, in the
//! order of the files' paths, and within a file in that of its rows. What cannot be used is left out
//! and told by name.
//!
//! A file can turn out to be damaged, or not as its footer says, when rows of it have been handed out
//! already. Then a [`ReadError`] ends the reading; who reads drops what came of the unit so far, lets
//! [`Caution::heed`] take note and opens the unit's venues again.
//!
//! It must not know what is computed from quotes.

mod decode;
mod discovery;
mod fault;
mod footer;
mod guarded;
mod last;
mod plan;
mod quotes;
mod selection;
mod window;

pub use decode::BATCH_ROWS;
pub use discovery::{Found, QuoteFile, Unit, VenueDay, find};
pub use fault::{Caution, ReadError};
pub use last::LastQuote;
pub use quotes::{Tally, VenueQuotes};
pub use selection::{Columns, Selection};
