//! Lakes of pairs whose truth is known, from files to verdicts: pairs that look good and have no edge
//! are refused, and those with one are found. The example `confusion` does the same with 500 pairs
//! without an edge; `docs/metrics.md` has its table.
//!
//! The seed is printed; `SEED=` runs with another.

#![allow(dead_code, reason = "the example confusion uses the rest")]
#![allow(clippy::print_stdout, reason = "a test tells what it found")]
#![allow(clippy::unwrap_used, reason = "a test that cannot make its lake has failed")]

mod kinds;
mod lakes;
mod matrix;

use kinds::Kind;
use lakes::{Kinds, Lake};
use matrix::Matrix;

fn decided(kinds: &Kinds) -> Matrix {
    let seed = std::env::var("SEED").map_or(1, |text| text.parse().unwrap());
    println!("SEED={seed}");
    let lake = Lake::of(kinds, 1, seed);
    let matrix = Matrix::of(kinds, &lake, &lake.analyse(1));
    println!("{matrix}");
    matrix
}

/// Two pairs of each kind. Of 34 with a probability of 5 %, more than 5 are recommended in one of 100
/// lakes; nothing here is likelier to be recommended than that.
#[test]
fn pairs_without_an_edge_are_refused() {
    let kinds: Kinds = lakes::nulls().into_iter().map(|(kind, _)| (kind, 2)).collect();
    let [pairs, recommended] = decided(&kinds).total();
    assert_eq!(pairs, 34);
    assert!(recommended <= 1, "{recommended}");
}

/// Of 12 with a probability of 95 %, fewer than 10 are found in one of 50 lakes.
#[test]
fn pairs_with_an_edge_are_found() {
    let of = |half_life_s, strength| (Kind::Honest { half_life_s, strength, lag_ms: 0 }, 4);
    let [pairs, found] = decided(&vec![of(30.0, 0.75), of(30.0, 1.0), of(30.0, 1.5)]).total();
    assert_eq!(pairs, 12);
    assert!(10 <= found, "{found}");
}
