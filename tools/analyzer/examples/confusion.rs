//! Makes lakes of pairs whose truth is known, analyses them as the program does, and prints what was
//! decided about each kind of truth, as the table of `docs/metrics.md`:
//!
//! ```sh
//! cargo run --release -p analyzer --example confusion [SEED]
//! ```

#![allow(clippy::print_stdout, reason = "the table is what it is for")]
#![allow(clippy::unwrap_used, reason = "a command that cannot make its lake has failed")]
#![allow(dead_code, reason = "the tests use the rest")]

#[path = "../tests/truths/kinds.rs"]
mod kinds;
#[path = "../tests/truths/lakes.rs"]
mod lakes;
#[path = "../tests/truths/matrix.rs"]
mod matrix;

use lakes::{Kinds, Lake};
use matrix::Matrix;

/// Pairs of each half-life and strength.
const OF_EACH: usize = 10;

fn main() {
    let seed = std::env::args().nth(1).map_or(1, |text| text.parse().unwrap());
    print("Without an edge", &lakes::nulls(), 1, seed);
    print("With an edge", &lakes::fast(OF_EACH), 1, seed);
    print("With an edge", &lakes::slow(OF_EACH), 5, seed);
}

fn print(what: &str, kinds: &Kinds, days: usize, seed: u64) {
    let lake = Lake::of(kinds, days, seed);
    let report = lake.analyse(days);
    println!("{what}, days: {days}, seed {seed}:\n\n{}", Matrix::of(kinds, &lake, &report));
}
