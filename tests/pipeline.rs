//! Runs the whole engine against simulated exchanges over real sockets, and checks every row.
//!
//! Each test starts a simulator and an engine in this process and listens to the broadcast like any
//! client. What the simulator wrote, what the client heard and what the lake contains are compared
//! with each other and with a naive account of the expected result. Tests wait for conditions, with
//! a generous limit that fails with a message; nothing is timed. Tests that need real data, Python
//! or a command are in `outside/pipeline.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

#[path = "pipeline/capture.rs"]
mod capture;
#[path = "pipeline/engine_under_test.rs"]
mod engine_under_test;
#[path = "pipeline/faults.rs"]
mod faults;
#[path = "pipeline/lake_rows.rs"]
mod lake_rows;
#[path = "pipeline/listener.rs"]
mod listener;
#[path = "pipeline/market.rs"]
mod market;
#[path = "pipeline/naive.rs"]
mod naive;
#[path = "pipeline/outcome.rs"]
mod outcome;
#[path = "pipeline/surroundings.rs"]
mod surroundings;
