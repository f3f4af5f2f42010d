//! Mean and standard deviation of a value weighted by time, summed in integers so that the order of
//! merging does not matter.
//!
//! A value is kept in steps of 2^-32 (two millionths of a basis point, for a fraction) and clamped
//! to ±16, so that the sum of its squares times a year in ns fits in 128 bits.

use serde::{Deserialize, Serialize};

const STEPS: f64 = 4_294_967_296.0;
const CUT: f64 = 16.0;

/// Sums over time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// Total time, in ns.
    pub weight: u64,
    sum: i128,
    squares: u128,
    /// Least and greatest value.
    range: Option<(f64, f64)>,
}

impl Moments {
    /// Adds a value that lasted `weight` ns.
    #[inline]
    pub fn add(&mut self, value: f64, weight: u64) {
        let steps = steps(value);
        self.weight += weight;
        self.sum += i128::from(steps) * i128::from(weight);
        let square = u128::from(steps.unsigned_abs()) * u128::from(steps.unsigned_abs());
        self.squares += square * u128::from(weight);
        let (least, greatest) = self.range.unwrap_or((value, value));
        self.range = Some((least.min(value), greatest.max(value)));
    }

    /// Adds the sums of `other`.
    pub fn merge(&mut self, other: &Moments) {
        self.weight += other.weight;
        self.sum += other.sum;
        self.squares += other.squares;
        if let Some((least, greatest)) = other.range {
            let (mine, my) = self.range.unwrap_or((least, greatest));
            self.range = Some((mine.min(least), my.max(greatest)));
        }
    }

    /// Returns the mean over time; `None` if there was no time.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "the last rounding before a figure is shown")]
    pub fn mean(&self) -> Option<f64> {
        (0 < self.weight).then(|| self.sum as f64 / STEPS / self.weight as f64)
    }

    /// Returns the standard deviation over time.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "the last rounding before a figure is shown")]
    pub fn deviation(&self) -> Option<f64> {
        let mean = self.mean()? * STEPS;
        let square = self.squares as f64 / self.weight as f64;
        Some((square - mean * mean).max(0.0).sqrt() / STEPS)
    }

    /// Returns the least value.
    #[must_use]
    pub fn least(&self) -> Option<f64> {
        self.range.map(|(least, _)| least)
    }

    /// Returns the greatest value.
    #[must_use]
    pub fn greatest(&self) -> Option<f64> {
        self.range.map(|(_, greatest)| greatest)
    }
}

/// Rounds a fraction to steps, ties to even.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "it was cut off far below 2^63")]
pub(super) fn steps(value: f64) -> i64 {
    // Adding this constant leaves no bits for a fraction: the processor rounds, without a library
    // call.
    const NO_FRACTIONS: f64 = 6_755_399_441_055_744.0;
    ((value.clamp(-CUT, CUT) * STEPS + NO_FRACTIONS) - NO_FRACTIONS) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_deviation_are_those_of_the_definition_and_merge_exactly() {
        let values: Vec<(f64, u64)> =
            (1..500_u32).map(|n| (f64::from(n % 37) * 1e-4 - 1e-3, u64::from(n) * 1_000)).collect();
        let (mut one, mut two, mut all) =
            (Moments::default(), Moments::default(), Moments::default());
        for (n, (value, weight)) in values.iter().enumerate() {
            if n < 200 { &mut one } else { &mut two }.add(*value, *weight);
            all.add(*value, *weight);
        }
        one.merge(&two);
        assert_eq!(one, all);
        let total: f64 = values.iter().map(|(_, w)| *w as f64).sum();
        let mean = values.iter().map(|(v, w)| v * *w as f64).sum::<f64>() / total;
        let square = values.iter().map(|(v, w)| (v - mean).powi(2) * *w as f64).sum::<f64>();
        assert!((all.mean().unwrap() - mean).abs() < 1e-9);
        assert!((all.deviation().unwrap() - (square / total).sqrt()).abs() < 1e-9);
        assert_eq!(Moments::default().mean(), None);
    }
}
