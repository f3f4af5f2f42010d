//! Profit over time, in a bounded number of samples.

use spreadwire_market::clock::{MILLI, Nanos};
use spreadwire_trading::amount::Amount;

/// Largest number of samples. When it is reached, every second one is dropped, and the step doubles.
pub const SAMPLES: usize = 512;
/// The first step, ns.
const STEP: Nanos = 100 * MILLI;

/// The profit at a time, in the currency of the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Time, ns since 1970 UTC.
    pub ts: Nanos,
    /// Profit of the deals that were over, after fees.
    pub settled: Amount,
    /// Profit of the deals that were not over, at the prices of that time.
    pub marked: Amount,
}

impl Sample {
    /// Returns both together.
    #[must_use]
    pub fn total(&self) -> Amount {
        self.settled + self.marked
    }
}

/// Samples of the profit. They depend on the times of the records alone.
#[derive(Clone, Debug)]
pub struct Curve {
    step: Nanos,
    next: Nanos,
    samples: Vec<Sample>,
}

impl Default for Curve {
    fn default() -> Curve {
        Curve { step: STEP, next: 0, samples: Vec::with_capacity(SAMPLES) }
    }
}

impl Curve {
    /// Returns the time from which the next sample is due, ns since 1970 UTC.
    #[must_use]
    #[inline]
    pub fn next_due(&self) -> Nanos {
        self.next
    }

    /// Takes a sample that is due.
    pub fn take(&mut self, sample: Sample) {
        if self.samples.len() == SAMPLES {
            let mut place = 0;
            self.samples.retain(|_| {
                place += 1;
                place % 2 == 1
            });
            self.step = self.step.saturating_mul(2);
        }
        self.samples.push(sample);
        self.next = (sample.ts / self.step).saturating_add(1).saturating_mul(self.step);
    }

    /// Ends with the last sample, which is always kept.
    #[must_use]
    pub fn end(mut self, last: Sample) -> Vec<Sample> {
        self.take(last);
        self.samples
    }
}

/// Returns the largest fall of settled and marked profit together below its highest value so far, at or
/// above 0. The profit begins at 0.
#[must_use]
pub fn drawdown(samples: &[Sample]) -> Amount {
    let (mut peak, mut drawdown) = (Amount::ZERO, Amount::ZERO);
    for total in samples.iter().map(Sample::total) {
        peak = peak.max(total);
        drawdown = drawdown.max(peak - total);
    }
    drawdown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(ts: Nanos, units: i128) -> Sample {
        Sample { ts, settled: Amount::of_units(units), marked: Amount::of_units(-1) }
    }

    #[test]
    fn a_long_run_has_no_more_samples_and_keeps_its_first_and_last() {
        let mut curve = Curve::default();
        let mut ts = 0;
        for _ in 0..10_000 {
            ts += 37 * MILLI;
            if curve.next_due() <= ts {
                curve.take(sample(ts, i128::from(ts)));
            }
        }
        let samples = curve.end(sample(ts + 1, 5));
        assert!(SAMPLES / 2 <= samples.len() && samples.len() <= SAMPLES, "{}", samples.len());
        assert_eq!((samples[0].ts, samples[samples.len() - 1].ts), (37 * MILLI, ts + 1));
        let steps: Vec<Nanos> = samples.windows(2).map(|two| two[1].ts - two[0].ts).collect();
        assert!(
            steps[..steps.len() - 1].iter().all(|step| step.abs_diff(800 * MILLI) < 75 * MILLI)
        );
    }

    #[test]
    fn the_drawdown_is_from_the_highest_point_before() {
        let totals = [1, 5, 3, 9, 2, 4, 10, 9];
        let samples: Vec<Sample> =
            totals.iter().map(|total| sample(0, i128::from(*total) + 1)).collect();
        assert_eq!(drawdown(&samples), Amount::of_units(7));
        assert_eq!(drawdown(&[sample(0, -4)]), Amount::of_units(5), "from 0");
        assert_eq!(drawdown(&[]), Amount::ZERO);
    }
}
