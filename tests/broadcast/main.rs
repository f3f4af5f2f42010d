//! The broadcast agent from outside: its clients, its rings, and a clock that stands still.
//!
//! Everything but `tcp.rs` runs over a network in memory, in which the test decides what a socket
//! takes, holds and refuses, so that a client that is slow or stuck is the same in every run.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod binary;
mod congestion;
mod connecting;
#[path = "../counting_allocator.rs"]
mod counting_allocator;
mod fake_network;
mod flattened;
mod kit;
mod lines;
mod model;
mod plain_binary;
mod requests;
mod snapshots;
mod streaming;
mod tcp;
