//! The market model: instruments, records, spreads, and the decision to open or close an
//! opportunity.
//!
//! This is the lowest layer of Spreadwire. It opens no sockets and starts no threads, so that
//! traders and research tools can be built on it alone. Within the crate, a module uses only
//! modules listed above it.

pub mod codes;
pub mod escape;
pub mod word;

pub mod clock;
pub mod counters;
pub mod decimal;
pub mod known_keys;
pub mod moment;

pub mod problem;

pub mod backoff;
pub mod instrument;

pub mod state;

pub mod record;

pub mod fit;

pub mod event;
pub mod execution;
pub mod spread;

pub mod book;
pub mod client;
pub mod decision;
pub mod opportunity;
pub mod recommendations;

pub mod approved;

pub mod calculation;
