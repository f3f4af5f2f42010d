//! Deterministic simulation: the trader, a network that delays, loses, doubles and lies, and venues, all
//! on one virtual clock, with crashes, partitions, kill switches, gaps and reloads drawn from a seed.
//!
//! `venue` is what is true: accounts, matching, trades. `oracle` reads the entries of the journal and the
//! records, and computes from them alone what must hold. Neither uses the desk, the books or the amounts
//! of the crate.
//!
//! `SPREADWIRE_SIMULATION_SEEDS` sets how many seeds run; `SPREADWIRE_SIMULATION_SEED` runs one, and
//! tells its story.

#![allow(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]
#![expect(clippy::print_stdout, reason = "the story of a seed that is run alone")]

mod market;
mod network;
mod options;
mod oracle;
mod terms;
mod venue;
mod world;

use options::Options;
use std::panic::{AssertUnwindSafe, catch_unwind};
use world::{Report, World};

/// Seeds that run if nothing else is said.
const SEEDS: u64 = 1_500;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn run(seed: u64, is_told: bool) -> Report {
    World::new(Options::drawn(seed), is_told).run()
}

#[test]
fn invariants_hold_whatever_happens() {
    if let Some(seed) = number("SPREADWIRE_SIMULATION_SEED") {
        run(seed, true);
        return;
    }
    let mut total = Report::default();
    for seed in 0..number("SPREADWIRE_SIMULATION_SEEDS").unwrap_or(SEEDS) {
        match catch_unwind(AssertUnwindSafe(|| run(seed, false))) {
            Ok(report) => total.add(&report),
            Err(_) => {
                panic!("seed {seed} failed: SPREADWIRE_SIMULATION_SEED={seed} tells its story")
            }
        }
    }
    total.assert_everything_happened();
}

#[test]
fn a_seed_gives_the_same_story_each_time() {
    for seed in 0..20 {
        assert_eq!(run(seed, false), run(seed, false), "seed {seed}");
    }
}
