//! The Hayashi-Yoshida covariance of two series of changes, at many lags.
//!
//! A change of the first series happens in (t', t] and one of the second in (s', s], from the
//! change before to the change itself. At lag h, the sum is over the products of all pairs for
//! which (t' + h, t + h] and (s', s] overlap. Such pairs lie on a path: the next pair follows from
//! the current one by advancing in the series whose interval ends first, or in both. So one walk of
//! at most n + m steps finds each pair once. Every term is a product of two increments: no price
//! levels are added and subtracted again.
//!
//! Which series advances is random, so the processor's branch prediction cannot learn it, and every
//! step waits for the one before. Therefore a step has no branch, and several lags walk side by
//! side. The sum of a lag does not depend on the lags beside it.

/// One change: when it happened and how large it was. The first one of a series is its opening,
/// whose increment is not used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Change {
    /// Nanoseconds since 1970 UTC.
    pub(super) time: i64,
    /// Change of the logarithm of the mid.
    pub(super) increment: f64,
}

/// Number of lags that walk side by side; with more, their positions no longer fit in registers.
const SIDE_BY_SIDE: usize = 3;

/// Adds to `sums[k]` the covariance of `x` and `y` at the lag `lag(k)`, in ns. Times must strictly
/// increase.
pub(super) fn add_covariances(
    x: &[Change],
    y: &[Change],
    lag: impl Fn(usize) -> i64,
    sums: &mut [f64],
) {
    if x.len() < 2 || y.len() < 2 {
        return;
    }
    let mut first = 0;
    for sums in sums.chunks_mut(SIDE_BY_SIDE) {
        // If the chunk is short, its last lanes walk the last lag again, and their sums are unused.
        let last = sums.len() - 1;
        let mut lanes: [Lane; SIDE_BY_SIDE] =
            std::array::from_fn(|k| Lane::start(x, y, lag(first + k.min(last))));
        walk(x, y, &mut lanes);
        for (sum, lane) in sums.iter_mut().zip(lanes) {
            *sum += lane.sum;
        }
        first += SIDE_BY_SIDE;
    }
}

/// A walk at one lag.
#[derive(Clone, Copy)]
struct Lane {
    lag: i64,
    /// Indices of two changes whose intervals overlap, unless one is past the end.
    at_x: usize,
    at_y: usize,
    sum: f64,
}

impl Lane {
    /// Returns a lane at the first overlapping pair, if there is one.
    fn start(x: &[Change], y: &[Change], lag: i64) -> Lane {
        let (from_x, from_y) = (x[0].time + lag, y[0].time);
        Lane {
            lag,
            at_x: x.partition_point(|change| change.time + lag <= from_y).max(1),
            at_y: y.partition_point(|change| change.time <= from_x).max(1),
            sum: 0.0,
        }
    }

    /// Returns a number of steps that certainly stay inside both series.
    fn safe_steps(&self, x: &[Change], y: &[Change]) -> usize {
        (x.len() - self.at_x).min(y.len() - self.at_y)
    }

    /// Adds this pair and moves to the next. It wraps, because a check would cost a branch: indices
    /// stay below the lengths, and times below a few centuries.
    #[inline]
    fn step(&mut self, x: &[Change], y: &[Change]) {
        let (change_x, change_y) = (x[self.at_x], y[self.at_y]);
        let ends_x = change_x.time.wrapping_add(self.lag);
        let ends_y = change_y.time;
        self.sum += change_x.increment * change_y.increment;
        self.at_x = self.at_x.wrapping_add(usize::from(ends_x <= ends_y));
        self.at_y = self.at_y.wrapping_add(usize::from(ends_y <= ends_x));
    }
}

/// Walks all lanes to their ends: together while all have steps left, then one by one.
fn walk(x: &[Change], y: &[Change], lanes: &mut [Lane; SIDE_BY_SIDE]) {
    walk_together(x, y, lanes);
    for lane in lanes {
        walk_together(x, y, std::array::from_mut(lane));
    }
}

/// Walks until the first lane is at its end.
fn walk_together<const N: usize>(x: &[Change], y: &[Change], lanes: &mut [Lane; N]) {
    // A local copy can live in registers.
    let mut walking = *lanes;
    loop {
        let steps = walking.iter().map(|lane| lane.safe_steps(x, y)).min().unwrap_or(0);
        if steps == 0 {
            break;
        }
        for _ in 0..steps {
            for lane in &mut walking {
                lane.step(x, y);
            }
        }
    }
    *lanes = walking;
}
