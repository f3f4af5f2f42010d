//! Latency of a stage as a distribution: a bounded HdrHistogram that never allocates once made.
//!
//! This type is for gathering and showing latencies; hot agents record into those of `stopwatch`. It
//! offers quantiles and no mean.

use hdrhistogram::Histogram;
use spreadwire_market::clock::Nanos;

/// The longest latency told apart, ns; anything longer counts as this.
pub const LATENCY_MAX: Nanos = 60 * spreadwire_market::clock::SECOND;

/// Latencies of one stage, 1 ns to [`LATENCY_MAX`], three significant digits unless made with
/// others.
#[derive(Clone, Debug)]
pub struct Latency {
    histogram: Histogram<u64>,
}

impl Default for Latency {
    fn default() -> Self {
        Latency::new()
    }
}

impl Latency {
    /// An empty distribution; all its memory is taken now.
    ///
    /// # Panics
    /// Never: the bounds are constants that the library accepts.
    #[must_use]
    pub fn new() -> Latency {
        Latency::with_digits(3)
    }

    /// The same with another number of significant digits.
    ///
    /// # Panics
    /// If there are more than five.
    #[must_use]
    pub fn with_digits(digits: u8) -> Latency {
        let histogram = Histogram::new_with_bounds(1, LATENCY_MAX, digits)
            .expect("the bounds are within what the histogram allows");
        Latency { histogram }
    }

    /// Records the time from `start` to `end`, ns; a clock that stepped back counts as 0.
    #[inline]
    pub fn record(&mut self, start: Nanos, end: Nanos) {
        self.histogram.saturating_record(end.saturating_sub(start));
    }

    /// Adds another's samples.
    pub fn merge(&mut self, other: &Latency) {
        // All have the same bounds, so that nothing can be out of range.
        let added = self.histogram.add(&other.histogram);
        debug_assert!(added.is_ok());
    }

    /// Adds the samples of a histogram with smaller counts, each at the top of its bucket, where
    /// quantiles are read as well.
    pub fn merge_counts(&mut self, other: &Histogram<u32>) {
        for value in other.iter_recorded() {
            let count = u64::from(value.count_at_value());
            self.histogram.saturating_record_n(value.value_iterated_to(), count);
        }
    }

    /// How many samples there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The value at a quantile (0 to 1), ns.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Nanos {
        self.histogram.value_at_quantile(quantile)
    }

    /// The largest value, ns.
    #[must_use]
    pub fn max(&self) -> Nanos {
        self.histogram.max()
    }

    /// The histogram itself, for its formats.
    #[must_use]
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_small_counts_keeps_every_sample_in_its_bucket() {
        let mut small = Histogram::<u32>::new_with_bounds(1, LATENCY_MAX, 2).unwrap();
        let values = [0, 1, 127, 1_000, 1_003, 1_000_000, LATENCY_MAX, u64::MAX];
        values.iter().for_each(|value| small.saturating_record(*value));
        let mut sum = Latency::with_digits(2);
        sum.merge_counts(&small);
        sum.merge_counts(&small);
        assert_eq!(sum.count(), 2 * values.len() as u64);
        for quantile in [0.1, 0.25, 0.5, 0.75, 0.9, 1.0] {
            assert_eq!(sum.quantile(quantile), small.value_at_quantile(quantile));
        }
        assert_eq!(sum.max(), small.max());
    }
}
