//! What runs an agent: duty cycles, threads, the rings between agents, and what they cost.

pub mod cpu;
pub mod latency;
pub mod memory;
pub mod tally;
pub mod thread_watch;

pub mod stopwatch;

pub mod agent;
pub mod frame_ring;
pub mod ring;

pub mod runner;
