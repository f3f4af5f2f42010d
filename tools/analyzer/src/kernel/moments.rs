//! Mean and deviation of a value weighted by time, in integers: the same however it was merged.
//!
//! A value is kept in steps of 2^-32 (two millionths of a basis point, as a fraction) and cut off at
//! ±16, so that the sum of its squares times a year in ns fits 128 bits. It must not know what the
//! value is.

use serde::{Deserialize, Serialize};

const STEPS: f64 = 4_294_967_296.0;
const CUT: f64 = 16.0;

/// Sums over time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// Time, ns.
    pub weight: u64,
    sum: i128,
    squares: u128,
    /// Least and greatest value.
    range: Option<(f64, f64)>,
}

impl Moments {
    /// A value lasted for so long, ns.
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

    /// Adds another's sums.
    pub fn merge(&mut self, other: &Moments) {
        self.weight += other.weight;
        self.sum += other.sum;
        self.squares += other.squares;
        if let Some((least, greatest)) = other.range {
            let (mine, my) = self.range.unwrap_or((least, greatest));
            self.range = Some((mine.min(least), my.max(greatest)));
        }
    }

    /// Mean by time; `None` if there was none.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "the last rounding before a figure is shown")]
    pub fn mean(&self) -> Option<f64> {
        (0 < self.weight).then(|| self.sum as f64 / STEPS / self.weight as f64)
    }

    /// Standard deviation by time.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "the last rounding before a figure is shown")]
    pub fn deviation(&self) -> Option<f64> {
        let mean = self.mean()? * STEPS;
        let square = self.squares as f64 / self.weight as f64;
        Some((square - mean * mean).max(0.0).sqrt() / STEPS)
    }

    /// Least value.
    #[must_use]
    pub fn least(&self) -> Option<f64> {
        self.range.map(|(least, _)| least)
    }

    /// Greatest value.
    #[must_use]
    pub fn greatest(&self) -> Option<f64> {
        self.range.map(|(_, greatest)| greatest)
    }
}

/// A fraction in steps, the even one of two that are as near.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "it was cut off far below 2^63")]
pub(super) fn steps(value: f64) -> i64 {
    // So large a sum has no room for fractions: the processor rounds, without a call into a library.
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
