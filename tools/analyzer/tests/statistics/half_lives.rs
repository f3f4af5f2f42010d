//! Simulated series whose half-life is known, and the interval that must hold it.

use analyzer::statistics::ou::{self, HalfLife, Transition};
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

pub(crate) const RUNS: usize = 400;
pub(crate) const GAPS: usize = 2_000;

/// Number of half-lives that the gaps span. The rate is biased upwards by up to 4 / T, in units of
/// its error `4 / sqrt(2 ln 2 * 500) = 0.15`, which costs the coverage less than half a percent.
const HALF_LIVES: f64 = 500.0;

pub(crate) fn holds(found: &HalfLife, truth: f64) -> bool {
    found.low_s <= truth && found.high_s.is_none_or(|high| truth <= high)
}

/// Checks that the 95 % interval holds the truth in 92 to 98 % of all runs, which at 400 runs is
/// 2.75 standard errors to either side.
#[track_caller]
pub(crate) fn about_95_percent(held: usize) {
    assert!((RUNS * 92 / 100..=RUNS * 98 / 100).contains(&held), "{held} of {RUNS}");
}

#[track_caller]
pub(crate) fn covers(gaps: impl Fn(usize, &mut ChaCha8Rng) -> Vec<f64>, random: &mut ChaCha8Rng) {
    let (mut held, mut sum) = (0, 0.0);
    for run in 0..RUNS {
        let gaps = gaps(run, random);
        let truth = gaps.iter().sum::<f64>() / HALF_LIVES;
        let values = ornstein_uhlenbeck(&gaps, truth, random);
        let steps = gaps.iter().zip(values.windows(2));
        let transitions: Vec<Transition> = steps
            .map(|(dt_s, pair)| Transition { dt_s: *dt_s, from: pair[0], to: pair[1] })
            .collect();
        let found = ou::half_life(&transitions).unwrap();
        held += usize::from(holds(&found, truth));
        sum += truth / found.half_life_s;
    }
    println!("{held} of {RUNS} intervals hold the truth; rate over truth {:.4}", sum / RUNS as f64);
    about_95_percent(held);
}

pub(crate) fn seed(default: u64) -> u64 {
    let seed = std::env::var("SEED").map_or(default, |text| text.parse().unwrap());
    println!("SEED={seed}");
    seed
}

pub(crate) fn gaussian(random: &mut ChaCha8Rng) -> f64 {
    let (radius, angle): (f64, f64) = (1.0 - random.random::<f64>(), random.random());
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

/// Returns a stationary path with mean 0.05 and standard deviation 3e-4, one value before and one
/// after each gap.
pub(crate) fn ornstein_uhlenbeck(
    gaps: &[f64],
    half_life: f64,
    random: &mut ChaCha8Rng,
) -> Vec<f64> {
    let mut deviation = 3e-4 * gaussian(random);
    let mut values = vec![0.05 + deviation];
    for gap in gaps {
        let left = 0.5_f64.powf(gap / half_life);
        deviation = left * deviation + 3e-4 * (1.0 - left * left).sqrt() * gaussian(random);
        values.push(0.05 + deviation);
    }
    values
}
