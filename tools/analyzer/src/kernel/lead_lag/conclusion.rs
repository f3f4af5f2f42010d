//! Which venue leads, by how much, and whether that may be chance. Pure functions of the sums.

use super::student;
use super::sums::{Grid, LeadLag, SHIFTS};
use serde::{Deserialize, Serialize};

/// How often the peak may lie beyond the band if neither venue leads.
const LEVEL: f64 = 0.01;

/// Number of changes that each venue must have for a band. With fewer, a correlation consists of a
/// few large changes, and the null is far from normal.
const LEAST_CHANGES: u64 = 100;

/// The venue whose mid changes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leader {
    /// The pair's first venue.
    Exchange1,
    /// The pair's second venue.
    Exchange2,
}

/// What the sums of a pair say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeadLagResult {
    /// Lag in ns and correlation, -1 to 1, from the most negative lag on. Positive lag: exchange1
    /// leads. The estimator itself is not bounded: where the moves of one venue continue from one
    /// change to the next, neighbouring changes that overlap add up, and the sum exceeds that of the
    /// squares. It is cut off at one. Noise of the mids lowers it.
    pub correlations: Vec<(i64, f64)>,
    /// Lag in ns at which the correlation is farthest from zero; of equals, the middle one.
    pub peak_lag_ns: i64,
    /// The correlation at that lag.
    pub peak_correlation: f64,
    /// If the venues have nothing in common, the peak is outside `-band..band` in at most 1 of 100
    /// cases. `None` if no block was long enough for shifts, or a venue had fewer than 100 changes.
    ///
    /// The correlations at the shifts have mean zero and a spread that their root mean square
    /// estimates. Student's t, with as many degrees of freedom as there are shifts, gives how far
    /// one lag strays in `1 % / lags` of all cases. (This is Bonferroni's correction; neighbouring
    /// lags are correlated, so the true rate is lower.)
    pub band: Option<f64>,
    /// Probability of a peak at least this high at some lag by chance, 0 to 1, computed as the band
    /// is: below 0.01 if and only if the peak is beyond the band.
    pub p_value: Option<f64>,
    /// Sum of squared correlations at positive lags, divided by that at negative lags. Above 1,
    /// exchange1 leads on the whole. `None` if the divisor is zero.
    pub lead_lag_ratio: Option<f64>,
    /// Whether a venue leads, but the peak is at an end of the grid, so that by how much is unknown.
    pub beyond_grid: bool,
    /// The venue that leads at the peak. `None` if there is no band, if the peak is within it, at
    /// lag 0 or at an end of the grid, or if the peak does not exceed the correlation at the opposite lag by more than the
    /// band.
    ///
    /// The last condition is for venues that share one price and change it seldom. Their curve is
    /// flat on top, far beyond the band, and where the peak lies is chance. The chance difference
    /// of two correlations is at most 1.4 times that of one, and less because the two are
    /// correlated. The band is made for many lags, so it is more than this one difference needs.
    pub leader: Option<Leader>,
}

impl LeadLag {
    /// Returns what the sums say; `None` if a venue's mid never changed, or if the sums are not for
    /// this grid.
    #[must_use]
    pub fn result(&self, grid: &Grid) -> Option<LeadLagResult> {
        conclude(self, grid)
    }
}

fn conclude(sums: &LeadLag, grid: &Grid) -> Option<LeadLagResult> {
    let scale = scale_of(sums.squares())?;
    if !sums.fits(grid) {
        return None;
    }
    let correlations: Vec<(i64, f64)> =
        grid.lags().zip(sums.covariances().iter().map(|sum| bounded(sum / scale))).collect();
    let (peak_lag_ns, peak_correlation) = peak_of(&correlations);
    let spread = spread_of_null(sums);
    let lags = f64::from(2 * grid.steps + 1);
    let band = spread.map(|spread| spread * student::critical(LEVEL / lags, SHIFTS));
    let p_value = spread.map(|spread| {
        (lags * student::two_sided_tail(peak_correlation.abs() / spread, SHIFTS)).min(1.0)
    });
    let at_end = peak_lag_ns.abs() == i64::from(grid.steps) * grid.step_ns;
    let leads = band.is_some_and(|band| band < lead_of_peak(&correlations, peak_lag_ns));
    Some(LeadLagResult {
        peak_lag_ns,
        peak_correlation,
        band,
        p_value,
        lead_lag_ratio: lead_lag_ratio(&correlations),
        beyond_grid: leads && at_end,
        leader: if leads && !at_end { leader_at(peak_lag_ns) } else { None },
        correlations,
    })
}

/// Returns the divisor of a covariance; `None` unless it is positive.
fn scale_of(squares: [f64; 2]) -> Option<f64> {
    let scale = squares[0].sqrt() * squares[1].sqrt();
    (0.0 < scale).then_some(scale)
}

/// A correlation within this of one is one; it covers the rounding of the sums.
const ROUNDED: f64 = 1e-9;

/// Returns a correlation cut off at one.
fn bounded(correlation: f64) -> f64 {
    if 1.0 - ROUNDED <= correlation.abs() { correlation.signum() } else { correlation }
}

/// Returns the lag and correlation farthest from zero. Of equals, it is the one nearest to their
/// middle, so that a curve that is flat on top, or cut off, has its peak in the middle of the top.
fn peak_of(correlations: &[(i64, f64)]) -> (i64, f64) {
    let most = correlations.iter().map(|(_, rho)| rho.abs()).fold(0.0, f64::max);
    let top: Vec<(i64, f64)> =
        correlations.iter().copied().filter(|(_, rho)| most <= rho.abs()).collect();
    let (Some(first), Some(last)) = (top.first(), top.last()) else { return (0, 0.0) };
    // Halves of steps are rounded towards lag 0.
    let middle = first.0 + last.0;
    let off = |lag: i64| (2 * lag - middle).abs();
    let nearest = top.iter().min_by_key(|(lag, _)| (off(*lag), lag.abs()));
    *nearest.unwrap_or(first)
}

/// Returns by how much the peak exceeds the correlation at the opposite lag. A peak within the band
/// cannot exceed it by the band.
fn lead_of_peak(correlations: &[(i64, f64)], peak_lag_ns: i64) -> f64 {
    let at = |lag_ns: i64| {
        let found = correlations.iter().find(|(lag, _)| *lag == lag_ns);
        found.map_or(0.0, |(_, rho)| rho.abs())
    };
    at(peak_lag_ns) - at(-peak_lag_ns)
}

/// Returns the root mean square of the correlations at the shifts. It is scaled by the blocks that
/// have shifts; if these are only part of all blocks, the null is somewhat too wide, never too
/// narrow.
fn spread_of_null(sums: &LeadLag) -> Option<f64> {
    if sums.changes().iter().any(|changes| *changes < LEAST_CHANGES) {
        return None;
    }
    let scale = scale_of(sums.shifted_squares)?;
    let squares = sums.shifted_covariances().iter().map(|covariance| (covariance / scale).powi(2));
    let spread = (squares.sum::<f64>() / f64::from(SHIFTS)).sqrt();
    (0.0 < spread).then_some(spread)
}

fn lead_lag_ratio(correlations: &[(i64, f64)]) -> Option<f64> {
    let sum = |side: fn(i64) -> bool| -> f64 {
        correlations.iter().filter(|(lag, _)| side(*lag)).map(|(_, rho)| rho * rho).sum()
    };
    let (first, second) = (sum(|lag| 0 < lag), sum(|lag| lag < 0));
    let ratio = first / second;
    (0.0 < second && ratio.is_finite()).then_some(ratio)
}

fn leader_at(lag_ns: i64) -> Option<Leader> {
    match lag_ns.signum() {
        1 => Some(Leader::Exchange1),
        -1 => Some(Leader::Exchange2),
        _ => None,
    }
}
