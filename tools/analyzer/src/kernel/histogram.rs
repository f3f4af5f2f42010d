//! A signed log-linear histogram of weights by value, which merges exactly.
//!
//! Each power of two of the magnitude is split into 128 buckets of equal width, so that a quantile
//! is off by at most 0.4 % of its value. Magnitudes below [`LEAST`] share one bucket, and so do
//! magnitudes from [`GREATEST`] up.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Magnitudes below this share one bucket.
pub const LEAST: f64 = 0.007_812_5;
/// Magnitudes from here up share one bucket.
pub const GREATEST: f64 = 1_048_576.0;

/// Number of mantissa bits that tell buckets apart.
const FINE_BITS: u32 = 7;
const SHIFT: u32 = 52 - FINE_BITS;
/// Number of buckets of one sign; bucket 0 is around zero.
const BUCKETS: usize = ((27 << FINE_BITS) + 1) as usize;

/// Weights of the buckets that have any. Negative values have negative bucket numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    weights: BTreeMap<i32, u64>,
}

/// A histogram being filled: an array, which is faster to add to.
#[derive(Clone, Debug)]
pub struct Filling {
    weights: Vec<u64>,
}

impl Default for Filling {
    fn default() -> Filling {
        Filling { weights: vec![0; 2 * BUCKETS - 1] }
    }
}

impl Filling {
    /// Adds a weight to the bucket of a value.
    #[inline]
    pub fn add(&mut self, value: f64, weight: u64) {
        let bucket = bucket(value.abs());
        let place = if value < 0.0 { BUCKETS - 1 - bucket } else { BUCKETS - 1 + bucket };
        self.weights[place] += weight;
    }

    /// Returns the filled histogram.
    #[must_use]
    pub fn finish(&self) -> Histogram {
        let first = 1 - i32::try_from(BUCKETS).unwrap_or(i32::MAX);
        let all = (first..).zip(&self.weights);
        Histogram { weights: all.filter(|(_, w)| **w != 0).map(|(b, w)| (b, *w)).collect() }
    }
}

#[inline]
fn bucket(magnitude: f64) -> usize {
    let key = (magnitude.min(GREATEST).to_bits() >> SHIFT) as usize;
    let least = (LEAST.to_bits() >> SHIFT) as usize - 1;
    key.saturating_sub(least).min(BUCKETS - 1)
}

/// Returns the range of magnitudes that a bucket holds.
fn bounds(bucket: u32) -> (f64, f64) {
    let edge = |n: u32| match n {
        0 => 0.0,
        _ => f64::from_bits(((LEAST.to_bits() >> SHIFT) + u64::from(n) - 1) << SHIFT),
    };
    (edge(bucket), edge(bucket + 1))
}

impl Histogram {
    /// Adds a weight to the bucket of a value.
    pub fn add(&mut self, value: f64, weight: u64) {
        let bucket = i32::try_from(bucket(value.abs())).unwrap_or(i32::MAX);
        let bucket = if value < 0.0 { -bucket } else { bucket };
        *self.weights.entry(bucket).or_default() += weight;
    }

    /// Adds the weights of `other`.
    pub fn merge(&mut self, other: &Histogram) {
        for (bucket, weight) in &other.weights {
            *self.weights.entry(*bucket).or_default() += weight;
        }
    }

    /// Returns the sum of all weights.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.weights.values().sum()
    }

    /// Returns the value at or below which a share `q` (0 to 1) of the weights lies: the middle of
    /// its bucket. `None` if there is no weight.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "weights are below 2^62, and a rank may be off by their rounding"
    )]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let total = self.total();
        let rank = ((q * total as f64).ceil() as u64).clamp(1, total.max(1));
        let mut below = 0;
        for (bucket, weight) in &self.weights {
            below += weight;
            if rank <= below {
                return Some(middle(*bucket));
            }
        }
        None
    }

    /// Returns bars for a chart: `count` bars of equal width from `low` to `high`, each with its
    /// share of all weights. Values outside that range are left out.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a picture"
    )]
    pub fn bars(&self, low: f64, high: f64, count: usize) -> Vec<(f64, f64, f64)> {
        let total = self.total().max(1) as f64;
        let width = (high - low) / count as f64;
        let mut shares = vec![0.0; count];
        for (bucket, weight) in &self.weights {
            let at = (middle(*bucket) - low) / width;
            if (0.0..count as f64).contains(&at) {
                shares[at as usize] += *weight as f64 / total;
            }
        }
        let edge = |n: usize| low + width * n as f64;
        shares.into_iter().enumerate().map(|(n, share)| (edge(n), edge(n + 1), share)).collect()
    }

    /// Returns the bounds and weight of every bucket that has any, in order.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, f64, u64)> + '_ {
        self.weights.iter().map(|(bucket, weight)| {
            let (low, high) = bounds(bucket.unsigned_abs());
            if *bucket < 0 { (-high, -low, *weight) } else { (low, high, *weight) }
        })
    }
}

fn middle(bucket: i32) -> f64 {
    if bucket == 0 {
        return 0.0;
    }
    let (low, high) = bounds(bucket.unsigned_abs());
    f64::midpoint(low, high) * f64::from(bucket.signum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_in_their_buckets_and_quantiles_are_near() {
        for value in [0.0, 0.005, 0.01, 0.3, 1.0, 1.5, 99.99, 1e5, 1e9] {
            for signed in [value, -value] {
                let mut histogram = Histogram::default();
                let mut filling = Filling::default();
                histogram.add(signed, 3);
                filling.add(signed, 3);
                assert_eq!(filling.finish(), histogram, "{signed}");
                let found = histogram.quantile(0.5).unwrap();
                let near = (found - signed).abs() <= LEAST.max(signed.abs() * 0.004);
                assert!(near || GREATEST < value, "{signed}: {found}");
            }
        }
        assert_eq!(Histogram::default().quantile(0.5), None);
    }

    #[test]
    fn merging_is_adding() {
        let (mut one, mut two, mut all) =
            (Histogram::default(), Histogram::default(), Histogram::default());
        for n in 0..1_000_u32 {
            let value = f64::from(n) * 0.37 - 150.0;
            if n % 3 == 0 { &mut one } else { &mut two }.add(value, u64::from(n));
            all.add(value, u64::from(n));
        }
        one.merge(&two);
        assert_eq!(one, all);
        let shares: f64 = all.bars(-200.0, 300.0, 50).iter().map(|bar| bar.2).sum();
        assert!((shares - 1.0).abs() < 1e-12);
        let medians = (all.quantile(0.0).unwrap(), all.quantile(1.0).unwrap());
        assert!(
            (medians.0 + 149.63).abs() < 1.0 && (medians.1 - 219.63).abs() < 1.0,
            "{medians:?}"
        );
    }
}
