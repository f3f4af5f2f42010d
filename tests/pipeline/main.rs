//! Runs the whole engine against simulated exchanges over real sockets, and checks every row.
//!
//! Each test starts a simulator and an engine in this process and listens to the broadcast like any
//! client. What the simulator wrote, what the client heard and what the lake contains are compared
//! with each other and with a naive account of the expected result. Tests wait for conditions, with
//! a generous limit that fails with a message; nothing is timed. Tests that need real data, Python
//! or a command are in `outside/pipeline.rs`.

#![allow(clippy::print_stdout, reason = "a test tells what it did")]
#![allow(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

mod capture;
mod every_venue;
mod faults;
mod market;
mod replay;
mod surroundings;
