//! Tests the broadcast agent from outside: its clients, its rings, and a manual clock.
//!
//! Everything except `tcp.rs` runs over a network in memory. There the test decides what a socket
//! accepts, holds and refuses, so slow and stuck clients behave the same in every run.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod audit;
mod binary;
mod congestion;
mod connecting;
mod frames;
mod fuzzed;
mod hostile;
mod lines;
mod plain_binary;
mod promises;
mod requests;
mod snapshots;
mod streaming;
mod tcp;
mod tls;
mod tokens;
mod unix;

use spreadwire_kit::counting_allocator::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;
