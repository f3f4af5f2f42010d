//! What several benches use: the header, results, times and plots.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench tells its figures")]
#![allow(missing_docs, missing_debug_implementations, reason = "benches are the only readers")]

pub mod header;
pub mod plot;
pub mod results;
pub mod timing;
