//! The sums of one pair of venues by lag, which can be stored and merged.

use super::changes::Changes;
use super::walk;
use serde::{Deserialize, Serialize};

/// Default step of the grid in ns: 5 ms. Receive times are accurate to well below that, and the
/// changes of a busy pair are about that far apart. Finer steps would be told apart only by chance.
pub const DEFAULT_STEP_NS: i64 = 5_000_000;

/// Default number of steps to either side: 100 ms. Light and gateways between two venues take less,
/// and a slower response than that is not a race.
pub const DEFAULT_STEPS: u32 = 20;

/// Number of shifts that make the null. It must be even. With 32, the spread is known to within an
/// eighth, at no more work than the 41 lags of the default grid.
pub const SHIFTS: u32 = 32;

/// The least shift in ns. A block whose tenth is shorter has no null. By 5 s, a venue's response to
/// a move of another is over.
const LEAST_SHIFT_NS: i64 = 5_000_000_000;

/// The least shift in multiples of one side of the grid, so that no shift comes near a lag.
const LEAST_SHIFT_IN_GRIDS: i64 = 2;

/// The lags to compute: all multiples of the step from `-steps` to `steps`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grid {
    /// Distance between two lags in ns; positive.
    pub step_ns: i64,
    /// Number of lags to either side of zero. Each costs a walk over all changes.
    pub steps: u32,
}

impl Default for Grid {
    fn default() -> Grid {
        Grid { step_ns: DEFAULT_STEP_NS, steps: DEFAULT_STEPS }
    }
}

impl Grid {
    /// Returns the lags in ns, from the most negative one on.
    pub fn lags(&self) -> impl Iterator<Item = i64> + use<> {
        let step_ns = self.step_ns;
        let steps = i64::from(self.steps);
        (-steps..=steps).map(move |k| k * step_ns)
    }

    /// Returns the number of lags.
    #[must_use]
    pub fn lag_count(&self) -> usize {
        2 * self.steps as usize + 1
    }
}

/// The sums of one pair of venues. Those of a longer time are those of its parts, added. The first
/// block sets the grid.
///
/// The increments are of natural logarithms of prices, so the sums have no unit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LeadLag {
    /// Number of blocks in which both venues had a mid, and of those that were long enough for
    /// shifts.
    blocks: u64,
    shifted_blocks: u64,
    /// Number of changes of exchange1 and exchange2 in all blocks.
    changes: [u64; 2],
    /// Sum of squared increments of each venue, in all blocks and in those with shifts.
    squares: [f64; 2],
    pub(super) shifted_squares: [f64; 2],
    /// C(h) by lag, and by shift; empty before the first block.
    covariance: Vec<f64>,
    shifted_covariance: Vec<f64>,
}

impl LeadLag {
    /// Adds a block; `x` is exchange1's. A block in which a venue had no mid adds nothing.
    ///
    /// # Panics
    ///
    /// Panics if the grid's step is not positive, or if earlier blocks had another number of lags.
    pub fn add_block(&mut self, grid: &Grid, x: &Changes, y: &Changes) {
        assert!(0 < grid.step_ns, "a lag's sign says who leads");
        let Some(circle) = time_of_both(x, y) else {
            return;
        };
        if self.covariance.is_empty() {
            *self = LeadLag::empty(grid.lag_count());
        }
        assert_eq!(self.covariance.len(), grid.lag_count(), "blocks of one pair have one grid");

        let squares = [x.sum_of_squares(), y.sum_of_squares()];
        self.blocks += 1;
        add(&mut self.changes, &[x.len() as u64, y.len() as u64]);
        add(&mut self.squares, &squares);
        let first = -i64::from(grid.steps);
        let lag = |k: usize| (first + as_i64(k)) * grid.step_ns;
        walk::add_covariances(&x.changes, &y.changes, lag, &mut self.covariance);

        let reach = i64::from(grid.steps) * grid.step_ns;
        if circle / 10 >= LEAST_SHIFT_NS.max(LEAST_SHIFT_IN_GRIDS * reach) {
            self.shifted_blocks += 1;
            add(&mut self.shifted_squares, &squares);
            self.add_shifts(circle, x, y);
        }
    }

    /// Rotated on a circle of that length (ns), `y` meets `x` at the lag of the shift, and beyond
    /// the circle's end at that lag minus the circle. This takes two plain walks, of half the
    /// length on average. A change across the end of the circle is seen on both sides of it.
    fn add_shifts(&mut self, circle: i64, x: &Changes, y: &Changes) {
        let sums = &mut self.shifted_covariance;
        walk::add_covariances(&x.changes, &y.changes, |k| shift(circle, k), sums);
        walk::add_covariances(&x.changes, &y.changes, |k| shift(circle, k) - circle, sums);
    }

    /// Adds the sums of later blocks.
    ///
    /// # Panics
    ///
    /// Panics if both have blocks and their grids have different numbers of lags.
    pub fn merge(&mut self, later: &LeadLag) {
        if later.covariance.is_empty() {
            return;
        }
        if self.covariance.is_empty() {
            self.clone_from(later);
            return;
        }
        assert_eq!(self.covariance.len(), later.covariance.len(), "one pair has one grid");
        self.blocks += later.blocks;
        self.shifted_blocks += later.shifted_blocks;
        add(&mut self.changes, &later.changes);
        add(&mut self.squares, &later.squares);
        add(&mut self.shifted_squares, &later.shifted_squares);
        add(&mut self.covariance, &later.covariance);
        add(&mut self.shifted_covariance, &later.shifted_covariance);
    }

    /// Returns whether these sums, which may come from a file, can belong to this grid: whether the
    /// numbers of lags and of shifts match. If not, [`LeadLag::add_block`] and [`LeadLag::merge`]
    /// panic.
    #[must_use]
    pub fn fits(&self, grid: &Grid) -> bool {
        self.covariance.is_empty() && self.shifted_covariance.is_empty()
            || self.covariance.len() == grid.lag_count()
                && self.shifted_covariance.len() == SHIFTS as usize
    }

    /// Returns the number of changes of exchange1's and exchange2's mid.
    #[must_use]
    pub fn changes(&self) -> [u64; 2] {
        self.changes
    }

    /// Returns the number of blocks in which both venues had a mid, and of those that were long
    /// enough for the null.
    #[must_use]
    pub fn blocks(&self) -> (u64, u64) {
        (self.blocks, self.shifted_blocks)
    }

    /// Returns C(h) by lag, from the most negative one on; empty before the first block.
    #[must_use]
    pub fn covariances(&self) -> &[f64] {
        &self.covariance
    }

    /// Returns the covariance at each shift, from the least one on; empty before the first block.
    #[must_use]
    pub fn shifted_covariances(&self) -> &[f64] {
        &self.shifted_covariance
    }

    /// Returns the sums of squared increments of exchange1 and exchange2: their realised variances.
    #[must_use]
    pub fn squares(&self) -> [f64; 2] {
        self.squares
    }

    fn empty(lags: usize) -> LeadLag {
        LeadLag {
            covariance: vec![0.0; lags],
            shifted_covariance: vec![0.0; SHIFTS as usize],
            ..LeadLag::default()
        }
    }
}

/// Returns shift number `k` on a circle, in ns; shifts are even from a tenth of it to nine tenths.
fn shift(circle: i64, k: usize) -> i64 {
    let shifts = i64::from(SHIFTS);
    let middle = 2 * as_i64(k) + 1;
    // An hour times a few hundred is far below the limit of an i64.
    circle * (2 * shifts + 8 * middle) / (20 * shifts)
}

/// Returns the time in ns from the first opening to the last change of both; `None` if one of them
/// has no mid.
fn time_of_both(x: &Changes, y: &Changes) -> Option<i64> {
    let from = x.changes.first()?.time.min(y.changes.first()?.time);
    let to = x.changes.last()?.time.max(y.changes.last()?.time);
    Some(to - from)
}

fn add<T: Copy + std::ops::AddAssign>(sums: &mut [T], more: &[T]) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum += *more;
    }
}

/// Converts an index into a list of lags or shifts; these are short.
#[expect(clippy::cast_possible_wrap, reason = "the lists are far shorter")]
fn as_i64(place: usize) -> i64 {
    place as i64
}
