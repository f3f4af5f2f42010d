//! What the engine's tests and benches put around a part of it: frames of every venue, a server of
//! the broadcast, a journal with its syncer, and a whole engine between simulator and client.
//!
//! Tests and benches alone depend on it. What needs no engine is in `spreadwire-kit`.

#![allow(clippy::print_stdout, reason = "a test tells what it did")]
#![expect(clippy::unwrap_used, reason = "a rig that cannot go on fails the test")]
#![expect(clippy::missing_panics_doc, reason = "the parts of a rig panic where a test would")]
#![allow(missing_docs, missing_debug_implementations, reason = "tests are the only readers")]

pub mod broadcast;
pub mod fixture;
pub mod lake;
pub mod pipeline;
pub mod running;
pub mod source;
