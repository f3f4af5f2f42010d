//! From the ring to the lake: journal, segments and sealer.
//!
//! Every scenario runs on one thread with a clock set by hand, and compares the lake with a naive
//! account of what went in. The readers in Python are in `outside/lake.rs`.

mod files;
mod journal;
mod round_trip;
mod sealing;
mod stopped;

use spreadwire_kit::counting_allocator::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;
