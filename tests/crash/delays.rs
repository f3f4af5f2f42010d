//! Kills after random delays: while the engine starts, recovers, writes, closes, seals, or ends in
//! order. One lake is used throughout, so recoveries are killed as well. A seed repeats the delays,
//! but not the moments.

use crate::noted::{Glance, Noted, check, marks};
use crate::segments;
use crate::victim::{Home, Scene, Victim, market, until};
use exchange_sim::Simulator;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spreadwire_market::clock::{Clock, MILLI, Nanos};
use std::collections::BTreeSet;
use std::time::Duration;

const CRASHES: u64 = 40;
/// Number of kills from which open and closed segments must both have been met.
const CRASHES_TELLING: u64 = 100;
/// Quotes a second, over all venues.
const RATE: f64 = 2_000.0;
const SEGMENT_RECORDS: u64 = 700;
/// An engine that finds more runs to recover than this is not killed once: the longer the list, the
/// fewer kills would hit anything else.
const RECOVERIES_MAX: usize = 8;
/// Maximum lifetime of a victim, where it takes [`BEGIN_EXPECTED`] to write its first block.
const LIFE_MAX: Nanos = 1_200 * MILLI;
const BEGIN_EXPECTED: Nanos = 150 * MILLI;

/// Kills by the moment that they hit.
#[derive(Debug, Default)]
struct Moments {
    kills: u64,
    before_its_mark: u64,
    open_segment: u64,
    header_cut_off: u64,
    closed_segment: u64,
    unfinished_file: u64,
    during_recovery: u64,
    while_ending: u64,
    ended_before: u64,
}

impl Moments {
    fn met(&mut self, glance: &Glance) {
        self.unfinished_file += u64::from(glance.unfinished_file);
        self.open_segment += u64::from(glance.open_segment);
        self.closed_segment += u64::from(glance.closed_segment);
        self.header_cut_off += u64::from(glance.header_cut_off);
    }
}

pub(crate) fn what_was_written_before_a_kill_is_in_the_lake_once() {
    let crashes = number_of("SPREADWIRE_CRASHES").unwrap_or(CRASHES);
    let seed = number_of("SEED").unwrap_or_else(|| Clock::host().now() % 1_000_000);
    println!("SEED={seed}, {crashes} kills");
    let home = Home::new();
    let simulator = Simulator::start(market(seed, RATE)).unwrap();
    let scene = Scene::set(home.path(), &simulator, SEGMENT_RECORDS);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (mut noted, mut moments) = (Noted::default(), Moments::default());
    let life_max = longest_life(&scene);
    moments.met(&noted.look(&scene));
    for _ in 1..crashes {
        let before = marks(&scene.lake);
        let ending = kill_one(&scene, &mut random, life_max, &mut moments);
        let fresh: BTreeSet<String> = marks(&scene.lake).difference(&before).cloned().collect();
        moments.before_its_mark += u64::from(fresh.is_empty());
        moments.during_recovery += u64::from(!marks(&scene.lake).is_disjoint(&before));
        noted.ending.extend(fresh.into_iter().filter(|_| ending));
        moments.met(&noted.look(&scene));
    }
    println!("{moments:?}");
    let last = scene.start(&["--for", "1"]).wait(&scene.clock);
    assert!(last.success(), "the last run ended with {last}: {}", home.path().display());
    check(&scene, &noted);
    if CRASHES_TELLING <= crashes {
        assert!(0 < moments.open_segment && 0 < moments.closed_segment, "{moments:?}");
    }
}

fn number_of(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|value| value.parse().unwrap())
}

/// The first victim shows how long it takes here until blocks are written. Lifetimes are chosen by
/// that.
fn longest_life(scene: &Scene) -> Nanos {
    let begun = scene.clock.now();
    let victim = scene.start(&[]);
    until(&scene.clock, "the first block", || segments::is_written(&scene.lake).then_some(()));
    let took = scene.clock.now() - begun;
    victim.kill();
    println!("the first block was written after {} ms", took / MILLI);
    LIFE_MAX.max(LIFE_MAX / BEGIN_EXPECTED * took)
}

/// Starts an engine and kills it; returns whether it was ending in order.
fn kill_one(
    scene: &Scene,
    random: &mut ChaCha8Rng,
    life_max: Nanos,
    moments: &mut Moments,
) -> bool {
    let mut victim = scene.start(&[]);
    if RECOVERIES_MAX < marks(&scene.lake).len() {
        until(&scene.clock, "the recovery of every run but its own", || {
            (marks(&scene.lake).len() == 1).then_some(())
        });
    }
    // A quarter are killed while they start.
    let longest = if random.random_ratio(1, 4) { life_max / 12 } else { life_max };
    live(&scene.clock, &mut victim, random.random_range(MILLI..longest));
    let ending = random.random_ratio(1, 8);
    if ending {
        victim.ask_to_end();
        live(&scene.clock, &mut victim, random.random_range(MILLI..life_max / 3));
    }
    let ended = victim.kill();
    let alone = ended.code().is_some();
    // It may have been asked to end before its first quote, which is a failure by itself.
    let in_order = ending && matches!(ended.code(), Some(0 | 1));
    assert!(!alone || in_order, "the engine gave up: {ended}");
    moments.kills += 1;
    moments.while_ending += u64::from(ending && !alone);
    moments.ended_before += u64::from(alone);
    ending
}

/// Lets a victim live for a time, or until it ends.
fn live(clock: &Clock, victim: &mut Victim, time: Nanos) {
    let end = clock.now() + time;
    while victim.has_ended().is_none() {
        let left = Duration::from_nanos(end.saturating_sub(clock.now()));
        if left.is_zero() {
            break;
        }
        std::thread::park_timeout(left.min(Duration::from_millis(5)));
    }
}
