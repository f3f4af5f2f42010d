//! Implements the `doctor` tool, which inspects a host and reports what would cost the engine
//! latency.
//!
//! ```text
//!  host (files, programs, counters read twice) --> checks --> report --> verdict, table, JSON
//!  threads on cores --> jitter (gaps)  topology (ping-pong, TSC skew) --> placement
//! ```
//!
//! [`verdict::verdict`] gives the line that every benchmark prints first. The crate uses only the
//! engine's configuration, none of its agents, and the engine does not depend on this crate.

pub mod check;
pub mod checks;
pub mod cpulist;
pub mod host;
pub mod jitter;
pub mod options;
pub mod placement;
pub mod skew;
pub mod topology;
pub mod verdict;

pub use verdict::verdict;
