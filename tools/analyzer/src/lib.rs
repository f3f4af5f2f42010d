//! What the `analyzer` does: a lake of quotes becomes a ranking of instruments and pairs of venues.
//!
//! `input` finds and reads the quotes of any recorder. `kernel` turns the record batches of one instrument and day into a partial result that can be
//! stored and merged, `statistics` draws conclusions from sums, and `report` is what a person or a
//! script gets. The kernel and the statistics know no file, thread or command line.

pub mod input;
pub mod kernel;
pub mod report;
pub mod statistics;
