//! A small market that never ends by itself.

use exchange_sim::{ModelOptions, Source};

const SEED: u64 = 23;
pub const INSTRUMENTS: usize = 2;

/// Returns the model's market.
pub fn source(rate: f64) -> Source {
    println!("seed {SEED}");
    let instruments = INSTRUMENTS;
    Source::Model(ModelOptions { seed: SEED, rate, instruments, ..ModelOptions::default() })
}
