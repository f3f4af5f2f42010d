//! How alike two venues' prices are: whether they are one asset, and whether one of them follows the
//! other by seconds. Sums over samples, an hour at a time.
//!
//! A copy of another venue's prices that is late by some seconds is not a price. It shows in the
//! correlation of the changes by lag: it peaks at the delay, and is low around 0. Venues that follow
//! each other within the second peak around 0, and so do those that quote seldom, at random times.

use crate::kernel::bounds::{
    FLAT_APART, LATE_ERRORS, LATE_LEAST, LATE_MOVES, LATE_STEPS, LATE_TIMES,
};
use crate::kernel::samples::Together;
use crate::kernel::seconds::{Block, COARSE, SLOW};
use serde::{Deserialize, Serialize};

/// Steps over which changes are compared, in seconds.
pub const HORIZONS: [usize; 3] = [10, 60, 300];
/// A time in which a venue may be late for itself, in seconds.
const STRETCH: usize = 600;
/// Lags to either side, in seconds.
const FINE_LAGS: usize = 15;
/// Lags to either side, in steps of [`COARSE`] seconds: a minute.
const COARSE_LAGS: usize = 12;
/// Lags to either side, in steps of [`SLOW`] seconds: six minutes, by when one asset does not seem to be one.
const SLOW_LAGS: usize = 12;

/// What two venues' samples have in common.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Alike {
    /// Seconds in which both venues had a price.
    pub seconds: u64,
    /// Sum over these of the log ratio of the mids.
    log_sum: f64,
    /// Number of these in which the mids were further apart than flat prices may be.
    pub beyond: u64,
    /// Changes over the [`HORIZONS`].
    pub horizons: [Together; 3],
    fine: Lags,
    coarse: Lags,
    slow: Lags,
    /// Number of stretches of ten minutes with enough changes to tell.
    pub stretches: u64,
    /// Number of those in which each venue was late.
    pub late_stretches: [u64; 2],
}

/// Sums of products of changes by lag.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Lags {
    /// From the greatest lag of the first venue behind the second to the greatest of the second
    /// behind the first.
    products: Vec<f64>,
    squares: [f64; 2],
    /// Number of steps, and of those in which each price moved.
    steps: u64,
    moves: [u64; 2],
}

/// A venue whose price follows the other's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Late {
    /// 0 for the first venue, 1 for the second.
    pub venue: usize,
    /// About how late it is, in seconds.
    pub by_s: f64,
    /// Correlation of the changes at that lag.
    pub peak: f64,
    /// The greatest within a step around 0.
    pub around_zero: f64,
}

impl Alike {
    /// Adds an hour of both venues' samples.
    pub(super) fn add(&mut self, one: &Block, two: &Block) {
        for (a, b) in one.logs.iter().zip(&two.logs).filter(|(a, b)| !(*a - *b).is_nan()) {
            self.seconds += 1;
            self.log_sum += a - b;
            self.beyond += u64::from(FLAT_APART < (a - b).abs());
        }
        for (together, step) in self.horizons.iter_mut().zip(HORIZONS) {
            compare(together, &one.logs, &two.logs, step);
        }
        let mut hour = Alike::default();
        hour.fine.add(&one.fine, &two.fine, FINE_LAGS);
        hour.coarse.add(&one.coarse, &two.coarse, COARSE_LAGS);
        hour.slow.add(&one.slow, &two.slow, SLOW_LAGS);
        self.add_stretches(one, two);
        self.fine.merge(&hour.fine);
        self.coarse.merge(&hour.coarse);
        self.slow.merge(&hour.slow);
    }

    /// Counts the stretches of an hour in which a venue was late: one that is late now and then is not on the
    /// whole.
    fn add_stretches(&mut self, one: &Block, two: &Block) {
        const PART: usize = STRETCH / COARSE;
        let fine = one.fine.chunks(STRETCH).zip(two.fine.chunks(STRETCH));
        let mut coarse = one.coarse.chunks(PART).zip(two.coarse.chunks(PART));
        for (one, two) in fine {
            let mut stretch = Alike::default();
            stretch.fine.add(one, two, FINE_LAGS);
            if let Some((one, two)) = coarse.next() {
                stretch.coarse.add(one, two, COARSE_LAGS);
            }
            let moves = stretch.fine.moves;
            self.stretches += u64::from(LATE_MOVES <= moves[0].min(moves[1]));
            if let Some(late) = stretch.late() {
                self.late_stretches[late.venue] += 1;
            }
        }
    }

    /// Adds the sums of a later unit.
    pub fn merge(&mut self, later: &Alike) {
        self.seconds += later.seconds;
        self.log_sum += later.log_sum;
        self.beyond += later.beyond;
        for (mine, later) in self.horizons.iter_mut().zip(&later.horizons) {
            mine.merge(later);
        }
        self.fine.merge(&later.fine);
        self.coarse.merge(&later.coarse);
        self.slow.merge(&later.slow);
        self.stretches += later.stretches;
        for venue in 0..2 {
            self.late_stretches[venue] += later.late_stretches[venue];
        }
    }

    /// Returns the mean of the log ratio of the two mids.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
    pub fn level(&self) -> Option<f64> {
        (0 < self.seconds).then(|| self.log_sum / self.seconds as f64)
    }

    /// Returns which venue follows the other by seconds, if one does.
    #[must_use]
    pub fn late(&self) -> Option<Late> {
        #[expect(clippy::cast_precision_loss, reason = "a few seconds")]
        let (coarse, slow) = (COARSE as f64, SLOW as f64);
        let late = self.fine.late(1.0).or_else(|| self.coarse.late(coarse));
        late.or_else(|| self.slow.late(slow))
    }
}

/// Adds the changes of two venues over whole steps in which both are known.
fn compare(together: &mut Together, one: &[f64], two: &[f64], step: usize) {
    let ends = || one.iter().zip(two).step_by(step);
    for ((a, b), (later_a, later_b)) in ends().zip(ends().skip(1)) {
        let (one, two) = (later_a - a, later_b - b);
        if !(one + two).is_nan() {
            together.add(one, two);
        }
    }
}

impl Lags {
    fn add(&mut self, one: &[f64], two: &[f64], lags: usize) {
        self.products.resize(2 * lags + 1, 0.0);
        let mut padded = vec![0.0; two.len() + 2 * lags];
        padded[lags..lags + two.len()].copy_from_slice(two);
        for (place, change) in one.iter().enumerate().filter(|(_, change)| **change != 0.0) {
            let around = &padded[place..=place + 2 * lags];
            for (product, other) in self.products.iter_mut().zip(around) {
                *product += change * other;
            }
        }
        for (venue, changes) in [one, two].into_iter().enumerate() {
            self.squares[venue] += changes.iter().map(|change| change * change).sum::<f64>();
            self.moves[venue] += changes.iter().filter(|change| **change != 0.0).count() as u64;
        }
        self.steps += one.len() as u64;
    }

    fn merge(&mut self, later: &Lags) {
        self.products.resize(self.products.len().max(later.products.len()), 0.0);
        for (mine, later) in self.products.iter_mut().zip(&later.products) {
            *mine += later;
        }
        for venue in 0..2 {
            self.squares[venue] += later.squares[venue];
            self.moves[venue] += later.moves[venue];
        }
        self.steps += later.steps;
    }

    /// Returns which venue is late. A step is `step_s` seconds.
    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
    fn late(&self, step_s: f64) -> Option<Late> {
        let scale = (self.squares[0] * self.squares[1]).sqrt();
        if self.moves[0].min(self.moves[1]) < LATE_MOVES || scale <= 0.0 {
            return None;
        }
        let middle = self.products.len() / 2;
        let at = |place: usize| self.products[place] / scale;
        let (around, far): (Vec<usize>, Vec<usize>) =
            (0..self.products.len()).partition(|place| place.abs_diff(middle) < LATE_STEPS);
        let around_zero = around.into_iter().map(at).fold(0.0, f64::max);
        let place = far.into_iter().max_by(|a, b| at(*a).total_cmp(&at(*b)))?;
        let peak = at(place);
        let least = LATE_LEAST.max(LATE_ERRORS / (self.steps as f64).sqrt());
        if peak < least.max(LATE_TIMES * around_zero) {
            return None;
        }
        // The delay lies between steps; its neighbours tell where.
        let near = place.saturating_sub(1)..=(place + 1).min(self.products.len() - 1);
        let (mut sum, mut weight) = (0.0, 0.0);
        for place in near {
            let share = at(place).max(0.0);
            sum += share * (place as f64 - middle as f64);
            weight += share;
        }
        let by_s = (sum / weight).abs() * step_s;
        Some(Late { venue: usize::from(middle < place), by_s, peak, around_zero })
    }
}
