//! What the `analyzer` does: a lake of quotes becomes a ranking of instruments and pairs of venues.
//!
//! `input` finds and reads the quotes, `kernel` turns the record batches of one instrument and day
//! into a partial result that can be stored and merged, `statistics` draws conclusions from sums,
//! `figures` and `columns` make a row of each pair, `ranking` orders them, and `report` is what a
//! person or a script gets, in the forms of `output`. The kernel and the statistics know no file,
//! thread or command line; `docs/metrics.md` defines every figure.

pub mod columns;
pub mod completeness;
pub mod detail;
pub mod diff;
pub mod facts;
pub mod figures;
pub mod input;
pub mod kernel;
pub mod options;
pub mod output;
pub mod partials;
pub mod plan;
pub mod progress;
pub mod ranking;
pub mod report;
pub mod run;
pub mod statistics;
