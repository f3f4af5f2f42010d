//! Samples of both venues' mids on a regular time grid, taken while both legs are live.

use crate::kernel::legs::Leg;
use crate::kernel::reversion::Reversion;
use serde::{Deserialize, Serialize};

/// Interval over which the changes of the two mids are compared, in ns.
const MINUTE: i64 = 60_000_000_000;

/// Changes of both log mids over steps of one length, such as whole minutes: sums of their squares
/// and of their product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Together {
    /// Number of steps.
    pub count: u64,
    /// Sum of squared changes of each venue.
    pub squares: [f64; 2],
    /// Sum of the products of the two changes.
    pub product: f64,
}

impl Together {
    /// Adds the changes of both over one step.
    pub(super) fn add(&mut self, one: f64, two: f64) {
        self.count += 1;
        self.squares[0] += one * one;
        self.squares[1] += two * two;
        self.product += one * two;
    }

    pub(super) fn merge(&mut self, later: &Together) {
        self.count += later.count;
        self.squares[0] += later.squares[0];
        self.squares[1] += later.squares[1];
        self.product += later.product;
    }

    /// Returns the correlation of the changes; `None` if one of the mids never moved.
    #[must_use]
    pub fn correlation(&self) -> Option<f64> {
        let scale = (self.squares[0] * self.squares[1]).sqrt();
        (0.0 < scale).then(|| self.product / scale)
    }
}

/// Takes the samples of one unit.
#[derive(Clone, Debug)]
pub(super) struct Sampler {
    /// Sampling interval, in ns.
    step: i64,
    /// Whether samples are taken at all.
    wanted: bool,
    /// Time of the next sample, in ns since 1970.
    next: i64,
    /// The last whole minute sampled without a gap since, and both mids at it.
    last_minute: Option<(i64, [f64; 2])>,
    together: Together,
    reversion: Reversion,
}

impl Sampler {
    /// Starts at the first grid point at or after `begin`.
    pub(super) fn new(step: i64, wanted: bool, begin: i64) -> Sampler {
        let first = (begin - 1).div_euclid(step) + 1;
        Sampler {
            step,
            wanted,
            next: first * step,
            last_minute: None,
            together: Together::default(),
            reversion: Reversion::starting_at(first),
        }
    }

    /// Returns whether a sample is due before `end`.
    #[inline]
    pub(super) fn is_due(&self, end: i64) -> bool {
        self.next < end
    }

    /// Takes the samples due before `end`. The legs must not change until then.
    pub(super) fn take_until(&mut self, end: i64, legs: &[Leg; 2]) {
        if !self.wanted {
            self.next = ((end - 1).div_euclid(self.step) + 1) * self.step;
            return;
        }
        let mids = [legs[0].mid(), legs[1].mid()];
        let ratio = libm::log(mids[0] / mids[1]);
        while self.next < end {
            self.reversion.push(ratio);
            if self.next.rem_euclid(MINUTE) < self.step {
                self.compare_minutes(mids);
            }
            self.next += self.step;
        }
    }

    /// Skips the samples due before `end`, because a leg was not live.
    pub(super) fn skip_until(&mut self, end: i64) {
        if self.next < end {
            let next = ((end - 1).div_euclid(self.step) + 1) * self.step;
            self.reversion.skip((next - self.next) / self.step);
            self.last_minute = None;
            self.next = next;
        }
    }

    /// Ends the unit and returns its sums.
    pub(super) fn finish(mut self) -> (Together, Reversion) {
        self.reversion.finish();
        (self.together, self.reversion)
    }

    fn compare_minutes(&mut self, mids: [f64; 2]) {
        let minute = self.next.div_euclid(MINUTE);
        if let Some((last, before)) = self.last_minute.filter(|(last, _)| last + 1 == minute) {
            debug_assert!(last < minute, "samples are in order");
            let change = |venue: usize| libm::log(mids[venue] / before[venue]);
            let (one, two) = (change(0), change(1));
            self.together.add(one, two);
        }
        self.last_minute = Some((minute, mids));
    }
}
