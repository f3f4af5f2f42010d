//! Tests that run the analyzer, as a user would, on lakes that they write.

#![allow(clippy::print_stdout, reason = "a test tells what it did")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod approved;
mod cli;
mod clock;
mod equality;
mod kit;
mod layouts;
mod ledger;
mod markets;
mod names;
mod nightly;
mod random;
#[path = "../html/schema.rs"]
mod schema;
