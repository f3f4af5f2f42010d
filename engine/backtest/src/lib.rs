//! Runs the trader on paper over recorded spreads: one configuration, or a grid of them on all cores.
//!
//! The records are those of the edge to the decision, in their order. They come in blocks of any size, so
//! that a lake of any size can be run without holding it in memory. The same records give the same
//! outcome bit for bit, on any number of threads and with any division into blocks.
//!
//! No I/O and no clock. Within the crate, a module uses only modules listed above it.

pub mod setup;

pub mod curve;
pub mod grid;
pub mod stream;
pub mod subtotals;

pub mod run;

pub mod periods;

pub mod sweep;

pub mod walk_forward;

pub mod words;

pub mod columns;
pub mod report;

pub mod table;

mod picture;

pub mod page;
