//! The parts of `analyzer`, which turns a lake of quotes into a ranking of instruments and pairs of
//! venues.
//!
//! `input` finds and reads the quotes. `kernel` turns the record batches of one instrument and day
//! into a partial result that can be stored and merged, and `statistics` draws conclusions from
//! sums. `judge` decides which pairs are recommended. `figures` and `columns` make a row for each pair, `ranking` orders the rows, and `report`
//! is the result, which `output` writes in several formats. `run` ties these together, and `command_line` is the program.
//!
//! A test keeps the layers apart: kernel, statistics and judge use no file, thread or command line;
//! `input` uses no metrics; `output` uses the report alone. `docs/metrics.md` defines every figure.

pub mod approvals;
pub mod approve;
pub mod carry;
pub mod columns;
pub mod command_line;
pub mod completeness;
pub mod decided;
pub mod detail;
pub mod diff;
pub mod facts;
pub mod figures;
pub mod input;
pub mod judge;
pub mod kept;
pub mod kernel;
pub mod met;
pub mod options;
pub mod order;
pub mod output;
pub mod pair_names;
pub mod parsing;
pub mod partials;
pub mod plan;
pub mod progress;
pub mod promised;
pub mod ranking;
pub mod recorded;
pub mod report;
pub mod revoke;
pub mod run;
pub mod soundness;
pub mod standing;
pub mod statistics;
pub mod torn;
