//! How often the verdicts of `docs/metrics.md` are wrong on series of known truth, and how often they
//! are right: the tables of that page.
//!
//! ```sh
//! cargo run --release -p analyzer --example verdict_sizes -- 400
//! ```
//!
//! The argument is the number of series per cell; `SEED=` draws others. A line is one kind of
//! series; its columns are levels of noise, in standard deviations of a step per sample.

#![allow(clippy::print_stdout, reason = "it prints tables")]

use analyzer::kernel::reversion::Reversion;
use analyzer::statistics::level_shift::level_shifts;
use anyhow::Context as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

const NOISES: [f64; 5] = [0.0, 0.5, 1.0, 3.0, 10.0];
const LENGTHS: [(&str, usize); 5] =
    [("10 min", 600), ("20 min", 1_200), ("1 h", 3_600), ("4 h", 14_400), ("1 d", 86_400)];
/// Only random walks are tried at these lengths, last, because they take minutes.
const LONG: [(&str, usize); 2] = [("5 d", 432_000), ("30 d", 2_592_000)];
const HALF_LIVES: [f64; 4] = [5.0, 30.0, 300.0, 3_600.0];
/// A reversion must be observed for this many half-lives.
const OBSERVED: f64 = 50.0;

fn main() -> anyhow::Result<()> {
    let runs = std::env::args().nth(1).unwrap_or_else(|| "400".to_owned());
    let runs: usize = runs.parse().context("the argument is a number of series")?;
    let seed = std::env::var("SEED").unwrap_or_else(|_| "1".to_owned());
    let mut random = ChaCha8Rng::seed_from_u64(seed.parse().context("SEED is a number")?);
    println!("{runs} series each, SEED={seed}\n");
    unit_roots(runs, &LENGTHS, &mut random);
    intervals(runs, &mut random);
    shifts(runs, &mut random);
    unit_roots(runs, &LONG, &mut random);
    Ok(())
}

fn gaussian(random: &mut ChaCha8Rng) -> f64 {
    let (radius, angle): (f64, f64) = (1.0 - random.random::<f64>(), random.random());
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

/// Calls `take` with every sample of a process of that half-life (in samples; infinite: a random
/// walk) whose steps have standard deviation 1e-5, seen through noise.
fn play(
    length: usize,
    half_life: f64,
    noise: f64,
    random: &mut ChaCha8Rng,
    mut take: impl FnMut(f64),
) {
    let kept = (-std::f64::consts::LN_2 / half_life).exp();
    let mut level = if kept < 1.0 { gaussian(random) / (1.0 - kept * kept).sqrt() } else { 0.0 };
    for _ in 0..length {
        level = kept * level + gaussian(random);
        let seen = if 0.0 < noise { level + noise * gaussian(random) } else { level };
        take(0.05 + 1e-5 * seen);
    }
}

fn sums(length: usize, half_life: f64, noise: f64, random: &mut ChaCha8Rng) -> Reversion {
    let mut sums = Reversion::new();
    play(length, half_life, noise, random, |value| sums.push(value));
    sums.finish();
    sums
}

/// Returns a share in percent.
#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn percent(count: usize, of: usize) -> f64 {
    100.0 * count as f64 / of.max(1) as f64
}

fn heading(what: &str) {
    let noises: Vec<String> = NOISES.iter().map(|noise| format!("noise {noise}")).collect();
    println!("| {what} | observed | {} |", noises.join(" | "));
    println!("| --- | --- |{}", " --- |".repeat(NOISES.len()));
}

fn unit_roots(runs: usize, lengths: &[(&str, usize)], random: &mut ChaCha8Rng) {
    heading("half-life");
    for half_life in std::iter::once(f64::INFINITY).chain(HALF_LIVES) {
        for (name, length) in lengths.iter().copied() {
            #[expect(clippy::cast_precision_loss, reason = "small counts")]
            let observed = length as f64 / half_life;
            let long = LONG[0].1 <= length;
            if half_life.is_finite() && (observed < OBSERVED || long) {
                continue;
            }
            let share = |noise: f64| {
                let rejects = |sums: &Reversion| sums.adf().is_some_and(|adf| adf.p_value < 0.05);
                let all = (0..runs).map(|_| sums(length, half_life, noise, random));
                format!("{:.1}", percent(all.filter(rejects).count(), runs))
            };
            let shares: Vec<String> = NOISES.into_iter().map(share).collect();
            let what = if half_life.is_finite() {
                format!("{half_life} s")
            } else {
                "random walk".to_owned()
            };
            println!("| {what} | {name} | {} |", shares.join(" | "));
        }
    }
    println!();
}

fn intervals(runs: usize, random: &mut ChaCha8Rng) {
    heading("interval holds half-life (has one)");
    for (half_life, name, length) in [
        (5.0, "1 h", 3_600),
        (5.0, "1 d", 86_400),
        (30.0, "4 h", 14_400),
        (30.0, "1 d", 86_400),
        (300.0, "1 d", 86_400),
    ] {
        let share = |noise: f64| {
            let all = (0..runs).map(|_| sums(length, half_life, noise, random));
            let found: Vec<(f64, f64)> = all.filter_map(|sums| sums.robust_interval(1.0)).collect();
            let held = found.iter().filter(|(low, high)| (*low..=*high).contains(&half_life));
            format!("{:.1} ({:.0})", percent(held.count(), found.len()), percent(found.len(), runs))
        };
        let shares: Vec<String> = NOISES.into_iter().map(share).collect();
        println!("| {half_life} s | {name} | {} |", shares.join(" | "));
    }
    println!();
}

fn shifts(runs: usize, random: &mut ChaCha8Rng) {
    let sizes = [0.0, 1.0, 2.0, 4.0];
    println!(
        "| 400 bins, half-life in bins | {} |",
        sizes.map(|of| format!("shift of {of} sd")).join(" | ")
    );
    println!("| --- |{}", " --- |".repeat(sizes.len()));
    for half_life in [0.1, 1.0, 4.0, 8.0, 20.0, f64::INFINITY] {
        let kept = (-std::f64::consts::LN_2 / half_life).exp();
        let sd = if kept < 1.0 { 1e-5 / (1.0 - kept * kept).sqrt() } else { 1e-4 };
        let share = |size: f64| {
            let is_found = |_: &usize| {
                let mut bins = Vec::new();
                play(400, half_life, 0.0, random, |value| bins.push(value));
                bins[240..].iter_mut().for_each(|bin| *bin += size * sd);
                level_shifts(&bins).is_some_and(|found| !found.is_empty())
            };
            format!("{:.1}", percent((0..runs).filter(is_found).count(), runs))
        };
        println!("| {half_life} | {} |", sizes.map(share).join(" | "));
    }
}
