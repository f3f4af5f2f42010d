//! Makes lakes of pairs whose truth is known, analyses them as the program does, and prints what was
//! decided about each kind of truth, and about deals of made-up markets without an edge: the figures
//! of `docs/metrics.md`:
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
#[path = "../tests/judge/markets.rs"]
mod markets;
#[path = "../tests/truths/matrix.rs"]
mod matrix;

use analyzer::judge::{Rules, decide, judge};
use kinds::Kind;
use lakes::{Kinds, Lake};
use markets::{Basis, Market, Noise};
use matrix::Matrix;

/// Pairs of each half-life and strength.
const OF_EACH: usize = 10;

/// Made-up markets of each kind.
const MARKETS: u64 = 400;

fn main() {
    let seed = std::env::args().nth(1).map_or(1, |text| text.parse().unwrap());
    for (hours, per_hour) in [(6, 10.0), (24, 2.0), (24, 10.0), (72, 1.0), (240, 3.0)] {
        let noise = Noise { hours, per_hour, sharpe: 0.0 };
        count(&format!("{noise:?}"), seed, |seed| noise.market(seed));
    }
    for (hours, of_hour) in
        [(24, 20.0), (24, 60.0), (24, 200.0), (24, 600.0), (72, 60.0), (72, 200.0)]
    {
        let walk = Basis::Walk(of_hour);
        count(&format!("{walk:?}, {hours} hours"), seed, |seed| walk.market(hours, seed));
    }
    print("Without an edge", &lakes::nulls(), 1, seed);
    print("With an edge", &fast(OF_EACH), 1, seed);
    print("With an edge", &slow(OF_EACH), 5, seed);
}

/// Returns kinds with an edge that shows within a day: so many pairs of each.
fn fast(of_each: usize) -> Kinds {
    let mut kinds = honest(&[5.0, 30.0], &[0.5, 0.75, 1.0, 1.5], of_each);
    let lagging = Kind::Honest { half_life_s: 30.0, strength: 1.0, lag_ms: 200 };
    kinds.push((lagging, of_each));
    kinds
}

/// Returns kinds with an edge that takes days to show.
fn slow(of_each: usize) -> Kinds {
    honest(&[300.0, 1_800.0], &[0.75, 1.0, 1.5, 2.0], of_each)
}

fn honest(half_lives_s: &[f64], strengths: &[f64], of_each: usize) -> Kinds {
    let of = |half_life_s: f64, strength: f64| {
        (Kind::Honest { half_life_s, strength, lag_ms: 0 }, of_each)
    };
    let kinds =
        half_lives_s.iter().flat_map(|of_s| strengths.iter().map(|strength| of(*of_s, *strength)));
    kinds.collect()
}

fn print(what: &str, kinds: &Kinds, days: usize, seed: u64) {
    let lake = Lake::of(kinds, days, seed);
    let report = lake.analyse(days);
    println!("{what}, days: {days}, seed {seed}:\n\n{}", Matrix::of(kinds, &lake, &report));
}

/// Prints how many made-up markets are recommended, each as if it was the only one that was tried.
fn count(what: &str, seed: u64, market: impl Fn(u64) -> Market) {
    let rules = Rules::default();
    let is_recommended = |seed: &u64| {
        let mut judged = [judge(&format!("market {seed}"), &market(*seed).tried(), &rules)];
        decide(&mut judged, &rules);
        judged[0].is_recommended()
    };
    let first = seed.wrapping_mul(MARKETS);
    let recommended = (first..first + MARKETS).filter(is_recommended).count();
    println!("{what}: {recommended} of {MARKETS} recommended");
}
