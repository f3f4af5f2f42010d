//! What is traded and what is said about it: instruments, records, spreads and the decision on them.
//!
//! The floor of Spreadwire. Nothing here performs I/O on sockets or starts threads, so that traders
//! and research tools can be built on it alone. Modules are listed from the bottom up.

pub mod codes;
pub mod word;

pub mod clock;
pub mod counters;
pub mod decimal;
pub mod known_keys;

pub mod problem;

pub mod backoff;
pub mod instrument;

pub mod state;

pub mod record;

pub mod spread;

pub mod book;
pub mod decision;
pub mod opportunity;
pub mod recommendations;
