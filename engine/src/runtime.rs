//! What runs agents: duty cycles, threads, the rings between agents, and how long stages take.

pub mod cpu;
pub mod descriptors;
pub mod duration;
pub mod kernel_clock;
pub mod latency;
pub mod memory;
pub mod pulse;
pub mod tally;
pub mod thread_watch;

mod spsc;

pub mod watchdog;

pub mod stopwatch;

pub mod agent;
pub mod frame_ring;
pub mod ring;

pub mod runner;

#[cfg(test)]
mod interleavings;
