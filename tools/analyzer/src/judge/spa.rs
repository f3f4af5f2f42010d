//! Whether the best of several strategies earned more than luck would give the best of as many:
//! Hansen's test for superior predictive ability (J. Bus. Econ. Stat. 23 (2005) 365), the
//! consistent version, studentised. It is White's reality check (Econometrica 68 (2000) 1097) with
//! strategies on one scale and without those that are so bad that they cannot have been the best.
//!
//! All strategies share the slots. A draw takes blocks of slots at random places, of random lengths
//! with a given mean, around the end (the stationary bootstrap, Politis and Romano 1994), and all
//! strategies of a draw have the same ones. `w`, the standard deviation of `sqrt(n)` times a mean
//! under that scheme, has a closed form. The statistic is the greatest `t = sqrt(n) mean / w`, and
//! the p-value the share of draws whose greatest `sqrt(n) (mean* - mean) / w` is as great; a
//! strategy with `t < -sqrt(2 ln ln n)` is not centred, so that it hardly counts.
//!
//! With few blocks, `t` has the tails of Student and not of a normal variable, and `w` does not
//! vary between the draws. So `t` is first replaced by the z that is as far in the tail. Reference,
//! without this: `arch.bootstrap.SPA`.

use super::bound::{Draws, LEAST_BLOCKS, RARE};
use super::chance::Chance;
use super::student;

/// Weights of covariances below this are left out.
const NEGLIGIBLE: f64 = 1e-9;

/// One strategy.
#[derive(Clone, Debug)]
pub(super) struct Strategy {
    /// Its profits by slot.
    pub(super) profits: Vec<f64>,
    /// The most that its statistic may be, by other evidence.
    pub(super) most: f64,
}

/// A strategy on the scale of its error.
struct Scaled {
    /// `w`
    deviation: f64,
    mean: f64,
    /// The statistic.
    z: f64,
}

/// Returns the p-value of the best strategy. Profits are of the same slots, and blocks have `block`
/// of them on average. `few_blocks` says whether the tails are those of Student. It is 1 if there
/// are fewer than four blocks, and without strategies.
pub(super) fn p_value(
    strategies: &[Strategy],
    block: usize,
    few_blocks: bool,
    draws: Draws,
    chance: &mut Chance,
) -> f64 {
    let slots = strategies.first().map_or(0, |first| first.profits.len());
    let block = block.max(1);
    if slots / block < LEAST_BLOCKS {
        return 1.0;
    }
    let degrees = few_blocks.then(|| (slots / block) as f64 - 1.0);
    let scaled = strategies.iter().map(|it| scale(it, block, degrees));
    let known: Vec<(&Strategy, Scaled)> =
        strategies.iter().zip(scaled).filter(|(_, scaled)| 0.0 < scaled.deviation).collect();
    let found = known.iter().map(|(_, scaled)| scaled.z).fold(0.0, f64::max);
    if found <= 0.0 {
        return 1.0;
    }
    let urn = Urn::new(&known, slots, block);
    let mut sums = vec![0.0; known.len()];
    let (mut exceeding, mut made) = (0, 0);
    while made < draws.first || (exceeding < RARE && made < draws.most) {
        exceeding += usize::from(found <= urn.draw(&mut sums, chance));
        made += 1;
    }
    (exceeding + 1) as f64 / (made + 1) as f64
}

fn scale(strategy: &Strategy, block: usize, degrees: Option<f64>) -> Scaled {
    let slots = strategy.profits.len() as f64;
    let mean = strategy.profits.iter().sum::<f64>() / slots;
    let deviation = deviation(&strategy.profits, mean, block);
    let t = slots.sqrt() * mean / deviation;
    let z = degrees.map_or(t, |degrees| student::as_normal(t, degrees));
    Scaled { deviation, mean, z: z.min(strategy.most) }
}

/// Returns `w`: the root of `c(0) + 2 sum of k(i) c(i)`, with the covariances `c` and
/// `k(i) = (1 - i / n) q^i + (i / n) q^(n - i)`, `q = 1 - 1 / block`.
fn deviation(values: &[f64], mean: f64, block: usize) -> f64 {
    let count = values.len();
    let slots = count as f64;
    let around: Vec<f64> = values.iter().map(|value| value - mean).collect();
    let keep = 1.0 - 1.0 / block as f64;
    let powers: Vec<f64> =
        std::iter::successors(Some(1.0), |power| Some(power * keep)).take(count + 1).collect();
    let mut variance = around.iter().map(|value| value * value).sum::<f64>();
    for lag in 1..count {
        let share = lag as f64 / slots;
        let weight = (1.0 - share) * powers[lag] + share * powers[count - lag];
        if NEGLIGIBLE < weight {
            let products = around[..count - lag].iter().zip(&around[lag..]);
            variance += 2.0 * weight * products.map(|(one, other)| one * other).sum::<f64>();
        }
    }
    // What is left of a constant are errors of rounding.
    let rounding = 1e-24 * mean * mean;
    let variance = variance / slots;
    if variance <= rounding { 0.0 } else { variance.sqrt() }
}

/// What blocks are drawn from.
struct Urn {
    slots: usize,
    /// The logarithm of the share of blocks that go on after a slot.
    log_keep: f64,
    /// Sums before every slot of two rounds, on the scale of the statistic, all strategies of a
    /// slot beside each other.
    before: Vec<f64>,
    /// What is taken from a draw: the mean, or nothing where a strategy is bad.
    centres: Vec<f64>,
}

impl Urn {
    fn new(known: &[(&Strategy, Scaled)], slots: usize, block: usize) -> Urn {
        let root = (slots as f64).sqrt();
        let least = -(2.0 * libm::log(libm::log(slots as f64))).max(0.0).sqrt();
        let centre = |scaled: &Scaled| {
            let t = root * scaled.mean / scaled.deviation;
            if least <= t { t } else { 0.0 }
        };
        let width = known.len();
        let mut before = vec![0.0; width * (2 * slots + 1)];
        for slot in 0..2 * slots {
            for (place, (strategy, scaled)) in known.iter().enumerate() {
                let value = strategy.profits[slot % slots] / (scaled.deviation * root);
                before[(slot + 1) * width + place] = before[slot * width + place] + value;
            }
        }
        Urn {
            slots,
            log_keep: libm::log1p(-1.0 / block as f64),
            before,
            centres: known.iter().map(|(_, scaled)| centre(scaled)).collect(),
        }
    }

    /// Returns the statistic of one draw; `sums` is room for a number per strategy.
    fn draw(&self, sums: &mut [f64], chance: &mut Chance) -> f64 {
        sums.fill(0.0);
        let width = sums.len();
        let mut left = self.slots;
        while 0 < left {
            let start = chance.below(self.slots);
            let length = self.length(chance).min(left);
            let from = &self.before[start * width..][..width];
            let to = &self.before[(start + length) * width..][..width];
            for ((sum, to), from) in sums.iter_mut().zip(to).zip(from) {
                *sum += to - from;
            }
            left -= length;
        }
        let differences = sums.iter().zip(&self.centres).map(|(sum, centre)| sum - centre);
        differences.fold(0.0, f64::max)
    }

    /// Returns the length of a block: geometric, at least 1.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "capped")]
    fn length(&self, chance: &mut Chance) -> usize {
        if !self.log_keep.is_finite() {
            return 1;
        }
        let length = 1.0 + libm::log(chance.share()) / self.log_keep;
        length.min(self.slots as f64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    const DRAWS: Draws = Draws { first: 20_000, most: 20_000 };

    /// `data/fixtures/judge/spa.json`; see `make.py` beside it.
    #[derive(Deserialize)]
    struct Reference {
        reps: usize,
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        block: usize,
        profits: Vec<Vec<f64>>,
        p: f64,
        deviations: Vec<f64>,
    }

    fn reference() -> Reference {
        let text = include_str!("../../../../data/fixtures/judge/spa.json");
        serde_json::from_str(text).unwrap()
    }

    fn strategies(profits: &[Vec<f64>]) -> Vec<Strategy> {
        let free = |profits: &Vec<f64>| Strategy { profits: profits.clone(), most: f64::INFINITY };
        profits.iter().map(free).collect()
    }

    #[test]
    fn deviations_are_those_of_arch() {
        for case in reference().cases {
            for (strategy, expected) in strategies(&case.profits).iter().zip(case.deviations) {
                let found = scale(strategy, case.block, None).deviation;
                assert!((found - expected).abs() < 1e-6 * expected, "{found} {expected}");
            }
        }
    }

    /// Both p-values are shares of random draws. They differ by less than four standard errors.
    #[test]
    fn p_values_are_those_of_arch() {
        let reference = reference();
        for (number, case) in reference.cases.iter().enumerate() {
            let mut chance = Chance::of("arch", 1);
            let found = p_value(&strategies(&case.profits), case.block, false, DRAWS, &mut chance);
            let variance = case.p * (1.0 - case.p);
            let draws = 1.0 / DRAWS.first as f64 + 1.0 / reference.reps as f64;
            let error = (variance * draws).sqrt() + 1.0 / DRAWS.first as f64;
            println!("case {number}: {found:.4}, by arch {:.4}, error {error:.4}", case.p);
            assert!((found - case.p).abs() < 4.0 * error, "case {number}: {found} {}", case.p);
        }
    }

    #[test]
    fn other_evidence_limits_the_statistic() {
        let case = &reference().cases[3];
        let p = |most: f64| {
            let mut all = strategies(&case.profits);
            all.iter_mut().for_each(|strategy| strategy.most = most);
            p_value(&all, case.block, false, DRAWS, &mut Chance::of("limited", 1))
        };
        assert!(p(1.0) > 2.0 * p(f64::INFINITY), "{} {}", p(1.0), p(f64::INFINITY));
        assert!((p(-1.0) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn nothing_is_proved_by_nothing_and_by_few_blocks() {
        let p = |profits: &[Vec<f64>], block| {
            p_value(&strategies(profits), block, true, DRAWS, &mut Chance::of("few", 1))
        };
        assert!((p(&[], 1) - 1.0).abs() < 1e-12);
        assert!((p(&[vec![0.0; 40]], 1) - 1.0).abs() < 1e-12);
        let gain: Vec<f64> = (0..40).map(|slot| 1.0 + 0.1 * f64::from(slot % 3)).collect();
        assert!((p(std::slice::from_ref(&gain), 11) - 1.0).abs() < 1e-12);
        assert!(p(std::slice::from_ref(&gain), 4) < 1e-3);
    }
}
