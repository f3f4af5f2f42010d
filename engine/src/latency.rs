//! Latency of a stage as a distribution: a bounded HdrHistogram that never allocates once made.
//!
//! Each agent owns its own and gives it up in its report when it closes; nothing is shared while
//! it runs. It must not know what is timed, and holds no mean: quantiles only.

use crate::clock::Nanos;
use hdrhistogram::Histogram;

/// The longest latency told apart, ns; anything longer counts as this.
pub const LATENCY_MAX: Nanos = 60 * crate::clock::SECOND;

/// Latencies of one stage, 1 ns to [`LATENCY_MAX`], three significant digits.
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
        let histogram = Histogram::new_with_bounds(1, LATENCY_MAX, 3)
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
        // Both have the same bounds, so that nothing can be out of range.
        let added = self.histogram.add(&other.histogram);
        debug_assert!(added.is_ok());
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
}
