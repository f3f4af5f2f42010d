//! How often the verdicts are wrong on series of known truth, and how often they are right: sizes
//! and powers, printed as a table. `examples/verdict_sizes.rs` has the full table of the document.

use crate::half_lives::{gaussian, seed};
use analyzer::kernel::reversion::Reversion;
use analyzer::statistics::level_shift::level_shifts;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

/// Returns a process that keeps `kept` of its deviation from sample to sample and moves by steps of
/// standard deviation 1e-5, seen through noise of that many times the steps' size. At 1 it is a
/// random walk.
fn path(length: usize, kept: f64, noise: f64, random: &mut ChaCha8Rng) -> Vec<f64> {
    let mut level = if kept < 1.0 { gaussian(random) / (1.0 - kept * kept).sqrt() } else { 0.0 };
    let mut next = || {
        level = kept * level + gaussian(random);
        let seen = if 0.0 < noise { level + noise * gaussian(random) } else { level };
        0.05 + 1e-5 * seen
    };
    (0..length).map(|_| next()).collect()
}

fn sums(values: &[f64]) -> Reversion {
    let mut sums = Reversion::new();
    values.iter().for_each(|value| sums.push(*value));
    sums.finish();
    sums
}

/// Returns how often the unit-root test rejects a random walk.
fn rejected(runs: usize, length: usize, kept: f64, noise: f64, random: &mut ChaCha8Rng) -> usize {
    let is_rejected = |_: &usize| {
        let adf = sums(&path(length, kept, noise, random)).adf().unwrap();
        adf.p_value < 0.05
    };
    (0..runs).filter(is_rejected).count()
}

#[test]
fn a_random_walk_through_quote_noise_is_seldom_taken_for_a_reversion() {
    let mut random = ChaCha8Rng::seed_from_u64(seed(21));
    println!("of 400 random walks, taken for stationary:");
    let length = 1_200;
    for noise in [0.0, 0.5, 1.0, 3.0, 10.0] {
        let found = rejected(400, length, 1.0, noise, &mut random);
        println!("{length} samples, noise {noise} steps: {found}");
        // Of 400 at 5 %, more than 34 are seen in one of 500 cases.
        assert!(found <= 34, "{length} {noise}: {found}");
    }
}

#[test]
fn a_reversion_is_told_from_a_random_walk_over_a_hundred_half_lives() {
    let mut random = ChaCha8Rng::seed_from_u64(seed(22));
    println!("of 40 reversions, told from a random walk:");
    for (length, half_life) in [(1_200, 5.0), (3_000, 30.0), (12_000, 120.0)] {
        for noise in [0.0, 3.0, 10.0] {
            let kept = 0.5_f64.powf(1.0 / half_life);
            let found = rejected(40, length, kept, noise, &mut random);
            println!("{length} samples, half-life {half_life}, noise {noise} steps: {found}");
            assert!(38 <= found, "{length} {half_life} {noise}: {found}");
        }
    }
}

#[test]
fn the_robust_interval_holds_a_known_half_life() {
    let mut random = ChaCha8Rng::seed_from_u64(seed(23));
    println!("of 100 intervals, hold the half-life:");
    for (length, half_life, noise) in [(7_200, 12.0, 2.0), (7_200, 5.0, 1.0), (14_400, 60.0, 10.0)]
    {
        let (mut held, mut known) = (0, 0);
        for _ in 0..100 {
            let kept = 0.5_f64.powf(1.0 / half_life);
            let sums = sums(&path(length, kept, noise, &mut random));
            if let Some((low, high)) = sums.robust_interval(1.0) {
                known += 1;
                held += usize::from((low..=high).contains(&half_life));
            }
        }
        println!("{length} samples, half-life {half_life}, noise {noise}: {held} of {known}");
        assert!(90 <= known && 88 * known <= 100 * held, "{length} {half_life}: {held} of {known}");
    }
}

#[test]
fn a_shift_of_the_level_is_rare_by_chance_however_slowly_the_series_reverts() {
    let mut random = ChaCha8Rng::seed_from_u64(seed(24));
    println!("of 400 series without a shift, seem to have one:");
    for bins in [120, 400] {
        for (half_life, noise) in
            [(0.1, 0.0), (1.0, 0.0), (1.0, 1.0), (4.0, 0.0), (4.0, 2.0), (bins as f64 / 50.0, 0.0)]
        {
            let kept = 0.5_f64.powf(1.0 / half_life);
            let found = (0..400).filter(|_| {
                !level_shifts(&path(bins, kept, noise, &mut random)).unwrap().is_empty()
            });
            let found = found.count();
            println!("{bins} bins, half-life {half_life} bins, noise {noise}: {found}");
            assert!(found <= 34, "{bins} {half_life} {noise}: {found}");
        }
    }
}

#[test]
fn shifts_of_a_series_that_reverts_are_found_at_their_times() {
    let mut random = ChaCha8Rng::seed_from_u64(seed(25));
    let kept = 0.5_f64.powf(1.0 / 3.0);
    let sd = 1e-5 / (1.0 - kept * kept).sqrt();
    let (mut found, mut near) = ([0; 3], 0);
    for _ in 0..100 {
        let mut bins = path(400, kept, 0.0, &mut random);
        bins[240..].iter_mut().for_each(|bin| *bin += 4.0 * sd);
        bins[330..].iter_mut().for_each(|bin| *bin += 4.0 * sd);
        let shifts = level_shifts(&bins).unwrap();
        found[shifts.len().min(2)] += 1;
        near += usize::from(shifts.last().is_some_and(|last| last.at.abs_diff(330) <= 10));
    }
    println!("of 100 series with two shifts, none, one, two or more found: {found:?}");
    println!("the last one within ten bins: {near}");
    assert!(found[0] == 0 && 90 <= found[2] && 90 <= near);
}
