//! The sums of one pair of venues by lag, which can be stored and merged.

use super::changes::Changes;
use super::walk;
use serde::{Deserialize, Serialize};

/// Default step of the grid, ns: 5 ms. Receive times are good to well below, and the changes of a
/// busy pair come about as close as that; finer steps would be told apart by chance.
pub const DEFAULT_STEP_NS: i64 = 5_000_000;

/// Default number of steps to either side: 100 ms. Between two venues light and gateways take less,
/// and a slower answer than that is not a race.
pub const DEFAULT_STEPS: u32 = 20;

/// Shifts that make the null. An even number, of which a spread is known within an eighth, and no
/// more work than the default grid's 41 lags.
pub const SHIFTS: u32 = 32;

/// The least shift, ns: a block of which a tenth is less gives no null. 5 s, as whatever a venue has
/// to say to another one's move is said by then.
const LEAST_SHIFT_NS: i64 = 5_000_000_000;

/// The least shift, in widths of the grid's one side, so that no shift comes near a lag.
const LEAST_SHIFT_IN_GRIDS: i64 = 2;

/// The lags that are looked at: all multiples of the step from `-steps` to `steps`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grid {
    /// Distance of two lags, ns; positive.
    pub step_ns: i64,
    /// Lags to either side of zero. Each costs a walk over all changes.
    pub steps: u32,
}

impl Default for Grid {
    fn default() -> Grid {
        Grid { step_ns: DEFAULT_STEP_NS, steps: DEFAULT_STEPS }
    }
}

impl Grid {
    /// The lags in ns, from the most negative one.
    pub fn lags(&self) -> impl Iterator<Item = i64> + use<> {
        let step_ns = self.step_ns;
        let steps = i64::from(self.steps);
        (-steps..=steps).map(move |k| k * step_ns)
    }

    /// How many lags there are.
    #[must_use]
    pub fn lag_count(&self) -> usize {
        2 * self.steps as usize + 1
    }
}

/// The sums of one pair of venues: those of two times are those of both together, added. Of a new one
/// the grid is that of the first block.
///
/// The increments are of natural logarithms of prices, so the sums have no unit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LeadLag {
    /// Blocks in which both venues had a mid, and how many of them were long enough for shifts.
    blocks: u64,
    shifted_blocks: u64,
    /// Changes of exchange1 and exchange2 in all blocks.
    changes: [u64; 2],
    /// Sum of squared increments of each, in all blocks and in those with shifts.
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
    /// If the grid's step is not positive, or the blocks before had another number of lags.
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

    /// Turned around a circle of that length, ns, `y` is met at the lag of the shift, and behind the
    /// circle's end at the same lag less the circle: two plain walks, of half the length on average.
    /// A change across the end is seen on both sides of it.
    fn add_shifts(&mut self, circle: i64, x: &Changes, y: &Changes) {
        let sums = &mut self.shifted_covariance;
        walk::add_covariances(&x.changes, &y.changes, |k| shift(circle, k), sums);
        walk::add_covariances(&x.changes, &y.changes, |k| shift(circle, k) - circle, sums);
    }

    /// Adds the sums of later blocks.
    ///
    /// # Panics
    ///
    /// If both have blocks, and their grids another number of lags.
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

    /// Whether these sums, which may come from a file, can be of this grid: the number of lags and of
    /// shifts is right. Otherwise [`LeadLag::add_block`] and [`LeadLag::merge`] panic.
    #[must_use]
    pub fn fits(&self, grid: &Grid) -> bool {
        self.covariance.is_empty() && self.shifted_covariance.is_empty()
            || self.covariance.len() == grid.lag_count()
                && self.shifted_covariance.len() == SHIFTS as usize
    }

    /// Changes of exchange1's and exchange2's mid.
    #[must_use]
    pub fn changes(&self) -> [u64; 2] {
        self.changes
    }

    /// Blocks in which both venues had a mid, and how many of them were long enough for the null.
    #[must_use]
    pub fn blocks(&self) -> (u64, u64) {
        (self.blocks, self.shifted_blocks)
    }

    /// C(h) by lag, from the most negative one; empty before the first block.
    #[must_use]
    pub fn covariances(&self) -> &[f64] {
        &self.covariance
    }

    /// The same at each shift, from the least one; empty before the first block.
    #[must_use]
    pub fn shifted_covariances(&self) -> &[f64] {
        &self.shifted_covariance
    }

    /// Sums of squared increments of exchange1 and exchange2: their realised variances.
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

/// Shift number `k` on a circle, ns: evenly from a tenth of it to nine tenths.
fn shift(circle: i64, k: usize) -> i64 {
    let shifts = i64::from(SHIFTS);
    let middle = 2 * as_i64(k) + 1;
    // An hour times a few hundred is far from an i64's end.
    circle * (2 * shifts + 8 * middle) / (20 * shifts)
}

/// From the first opening to the last change of both, ns; `None` if one of them has no mid.
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

/// A place in a list of lags or shifts, of which there are few.
#[expect(clippy::cast_possible_wrap, reason = "the lists are far shorter")]
fn as_i64(place: usize) -> i64 {
    place as i64
}
