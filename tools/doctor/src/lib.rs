//! What the `doctor` tool does: it looks at a host and tells what would cost the engine latency.
//!
//! ```text
//!  host (files, programs, counters twice) --> checks --> report --> verdict, table, JSON
//!  threads on cores --> jitter (gaps)  topology (ping-pong, TSC skew) --> placement
//! ```
//!
//! [`verdict::verdict`] is one line for the head of every benchmark. Of the engine it uses the
//! configuration and nothing that runs; the engine must not know it.

pub mod check;
pub mod checks;
pub mod cpulist;
pub mod host;
pub mod jitter;
pub mod options;
pub mod placement;
pub mod topology;
pub mod verdict;

pub use verdict::verdict;
