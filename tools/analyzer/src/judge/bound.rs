//! Bounds of a sum over slots whose neighbours may depend on each other: a studentised block
//! bootstrap, with Student's t as the wider alternative.
//!
//! Of the sums of all blocks of `l` slots (overlapping, and around the end), the mean is `l` times
//! that of a slot, and the variance `v` gives the standard error `sqrt(v n / l)` of the sum over
//! `n` slots, with `k = n / l` blocks. A draw takes `k` of these blocks with replacement, and its
//! own mean and standard error from them. The quantiles of `t* = (mean* - mean) / se*` over all
//! draws stand in for those of Student's t, so that skewness is accounted for (Goetze and Kuensch,
//! Ann. Statist. 24 (1996) 1914). Few blocks make `t*` wide. Where that of Student with `k - 1`
//! degrees is wider, it counts: with few blocks it is valid even if their variances differ, at
//! levels up to 8 % (Ibragimov and Mueller, J. Bus. Econ. Stat. 28 (2010) 453).

use super::chance::Chance;
use super::student;

/// Fewer blocks bound nothing.
pub(super) const LEAST_BLOCKS: usize = 4;
/// Draws beyond the first ones are made where fewer than this exceeded what was found.
pub(super) const RARE: usize = 10;

/// How many draws to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Draws {
    /// At first.
    pub(super) first: usize,
    /// In all, where few of the first ones exceeded what was found.
    pub(super) most: usize,
}

/// What is known of a sum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bound {
    /// The sum.
    pub(super) sum: f64,
    /// The lower end of the interval.
    pub(super) low: f64,
    /// The upper end of the interval.
    pub(super) high: f64,
    /// Standard error of the sum.
    pub(super) error: f64,
    /// Degrees of freedom.
    pub(super) degrees: f64,
    /// The p-value of a sum of 0 or less.
    pub(super) p: f64,
}

/// Sums of blocks of one series.
struct Blocks {
    /// The sum of the block that begins with each slot, less its expected value.
    sums: Vec<f64>,
    /// Slots of a block.
    length: usize,
    /// Blocks of a draw.
    count: usize,
    /// The sum of the series.
    total: f64,
    /// Standard error of the mean of `count` sums of blocks.
    error: f64,
}

/// Returns the standard error of a sum, by the variance of block sums. `None` with fewer than
/// [`LEAST_BLOCKS`] blocks.
pub(super) fn error(values: &[f64], block: usize) -> Option<f64> {
    Some(Blocks::new(values, block)?.error_of_sum(values.len()))
}

/// Returns the bounds of a sum, each with a confidence of one minus `level`, by blocks of `block`
/// slots. `None` with fewer than [`LEAST_BLOCKS`] blocks.
pub(super) fn bound(
    values: &[f64],
    block: usize,
    level: f64,
    draws: Draws,
    chance: &mut Chance,
) -> Option<Bound> {
    let blocks = Blocks::new(values, block)?;
    let degrees = blocks.count as f64 - 1.0;
    let error = blocks.error_of_sum(values.len());
    let sum = blocks.total;
    if error <= 0.0 {
        let p = if 0.0 < sum { 1.0 / (draws.first + 1) as f64 } else { 1.0 };
        return Some(Bound { sum, low: sum, high: sum, error, degrees, p });
    }
    let found = sum / error;
    let mut drawn: Vec<f64> = (0..draws.first).map(|_| blocks.draw(chance)).collect();
    let mut exceeding = drawn.iter().filter(|t| found <= **t).count();
    let mut made = draws.first;
    while exceeding < RARE && made < draws.most && 0.0 < found {
        exceeding += usize::from(found <= blocks.draw(chance));
        made += 1;
    }
    drawn.sort_by(f64::total_cmp);
    let student = student::critical(level, degrees);
    let up = quantile(&drawn, 1.0 - level).max(student);
    let down = (-quantile(&drawn, level)).max(student);
    let p = (exceeding + 1) as f64 / (made + 1) as f64;
    let p = p.max(student::tail(found, degrees));
    Some(Bound { sum, low: sum - up * error, high: sum + down * error, error, degrees, p })
}

impl Blocks {
    fn new(values: &[f64], block: usize) -> Option<Blocks> {
        let length = block.max(1);
        let count = values.len() / length;
        if count < LEAST_BLOCKS {
            return None;
        }
        let total: f64 = values.iter().sum();
        let mean = total / values.len() as f64 * length as f64;
        let mut sum: f64 = values[..length].iter().sum();
        let mut sums = Vec::with_capacity(values.len());
        for start in 0..values.len() {
            sums.push(sum - mean);
            sum += values[(start + length) % values.len()] - values[start];
        }
        let variance = sums.iter().map(|sum| sum * sum).sum::<f64>() / values.len() as f64;
        // Blocks share the mean that was taken from them.
        let variance = variance * count as f64 / (count as f64 - 1.0);
        // What is left of a constant are errors of rounding.
        let rounding = 1e-24 * mean * mean;
        let variance = if variance <= rounding { 0.0 } else { variance };
        Some(Blocks { sums, length, count, total, error: (variance / count as f64).sqrt() })
    }

    /// Returns the standard error of the sum over `slots`.
    fn error_of_sum(&self, slots: usize) -> f64 {
        self.error * slots as f64 / self.length as f64
    }

    /// Returns `t*` of one draw. If all of its blocks are the same, it is as far away as it goes.
    fn draw(&self, chance: &mut Chance) -> f64 {
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..self.count {
            let block = self.sums[chance.below(self.sums.len())];
            sum += block;
            squares += block * block;
        }
        let count = self.count as f64;
        let mean = sum / count;
        let variance = (squares - sum * mean) / (count - 1.0);
        let spread = self.error * self.error * count;
        if variance <= 1e-12 * spread {
            return mean.signum() * f64::MAX * f64::from(u8::from(mean != 0.0));
        }
        mean / (variance / count).sqrt()
    }
}

/// Returns a quantile of sorted values: the least one with that share of them at or below it.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(place.saturating_sub(1).min(sorted.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: Draws = Draws { first: 999, most: 9_999 };

    fn bounds(values: &[f64], block: usize, name: &str) -> Bound {
        bound(values, block, 0.05, DRAWS, &mut Chance::of(name, 1)).unwrap()
    }

    /// Returns a standard normal number, nearly: twelve shares less their mean.
    fn normal(chance: &mut Chance) -> f64 {
        (0..12).map(|_| chance.share()).sum::<f64>() - 6.0
    }

    #[test]
    fn the_error_of_independent_slots_is_that_of_a_sum() {
        let mut chance = Chance::of("independent", 1);
        let values: Vec<f64> = (0..4_000).map(|_| 3.0 * normal(&mut chance)).collect();
        for block in [1, 5, 20] {
            let error = error(&values, block).unwrap();
            let expected = 3.0 * (values.len() as f64).sqrt();
            assert!((error / expected - 1.0).abs() < 0.1, "{block}: {error} {expected}");
        }
        assert_eq!(error(&values, 1_001), None);
    }

    /// In blocks of ten equal slots, a tenth of the slots is independent.
    #[test]
    fn blocks_see_what_neighbours_have_in_common() {
        let mut chance = Chance::of("neighbours", 1);
        let tens: Vec<f64> = (0..200).map(|_| normal(&mut chance)).collect();
        let values: Vec<f64> = (0..2_000).map(|slot| tens[slot / 10]).collect();
        let alone = error(&values, 1).unwrap();
        let together = error(&values, 40).unwrap();
        assert!((2.5..3.5).contains(&(together / alone)), "{together} {alone}");
    }

    /// Of 1,000 samples without an edge, whose slots depend on the one before, the lower bound is
    /// above 0 in about one of twenty, never far more often.
    #[test]
    fn bounds_hold_as_often_as_they_say() {
        for (slots, block) in [(24, 3), (48, 6), (160, 6)] {
            let mut chance = Chance::of("coverage", 7);
            let runs = 400;
            let mut misses = [0, 0];
            for run in 0..runs {
                let mut last = 0.0;
                let values: Vec<f64> = (0..slots)
                    .map(|_| {
                        last = 0.3 * last + normal(&mut chance).powi(3);
                        last
                    })
                    .collect();
                let bound = bounds(&values, block, &run.to_string());
                misses[0] += usize::from(0.0 < bound.low);
                misses[1] += usize::from(bound.high < 0.0);
                assert_eq!(0.0 < bound.low, bound.p <= 0.05 && 0.0 < bound.sum, "{bound:?}");
            }
            println!("{slots} slots, blocks of {block}: beyond {misses:?} of {runs}");
            // Of 400 with a probability of 5 %, more than 33 come in one of 1,000 cases.
            assert!(misses.iter().all(|misses| *misses <= 33), "{slots}: {misses:?}");
        }
    }

    #[test]
    fn the_bound_of_a_constant_is_the_constant() {
        let bound = bounds(&[0.1; 40], 4, "constant");
        assert!((bound.low - 4.0).abs() < 1e-9 && (bound.high - 4.0).abs() < 1e-9);
        assert!(bound.p < 0.01);
        assert!((bounds(&[0.0; 40], 4, "zero").p - 1.0).abs() < 1e-12);
    }
}
