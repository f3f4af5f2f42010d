//! Mean reversion of a series that is observed through noise.
//!
//! If each sample is an Ornstein-Uhlenbeck process plus independent noise, the noise reverts at
//! once, and the plain half-life shrinks with the sampling interval. The noise adds to the
//! variance, but not to the covariance of different samples: `cov(lag) = V exp(-theta lag)` for
//! every lag but 0. With `g(lag)` half the mean squared step over the lag,
//! `cov(lag) = variance - g(lag)`. Theta is the slope of a weighted line through `log cov` over the
//! lags, with weights `(n / 2) (cov / g)²` after the variance of `log cov` for normal steps. The
//! difference between the line at lag 0 and the variance is the noise. This is the variogram's
//! nugget (Matheron 1963). Its interval is by the jackknife over pieces of the time, which assumes
//! nothing about the distribution. Reference: simulations in `tools/analyzer/tests/statistics`.

use super::normal;
use serde::{Deserialize, Serialize};
use std::f64::consts::LN_2;

/// Mean squared step over one lag.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LagPoint {
    /// The lag, in s.
    pub lag_s: f64,
    /// Mean of the squared step, in the squared unit of the values.
    pub mean_square: f64,
    /// Number of steps that do not overlap.
    pub count: u64,
}

/// Half-life with the noise removed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Robust {
    /// Half-life of what is not noise, in s.
    pub half_life_s: f64,
    /// Share of the variance that is noise, 0 to 1.
    pub noise_share: f64,
}

/// A correlation within this many times 1/sqrt(n) of 0 counts as none.
const SIGNIFICANT: f64 = 3.0;

/// A lag at which less than this share of the first covariance is left says more about chance than
/// about theta.
const LEFT: f64 = 0.1;

/// Returns the half-life without noise, from the variance of the samples and two or more lags, in
/// order. `None` if nothing is left of the covariance at the first two lags, or if it does not
/// fall.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of samples are far below 2^53")]
pub fn robust_half_life(variance: f64, lags: &[LagPoint]) -> Option<Robust> {
    let covariance = |point: &LagPoint| variance - 0.5 * point.mean_square;
    let is_clear =
        |point: &LagPoint| SIGNIFICANT * variance < covariance(point) * (point.count as f64).sqrt();
    let first = lags.first()?;
    // Keeping a later lag whenever chance makes its covariance large would flatten the line.
    let kept = lags
        .iter()
        .take_while(|point| is_clear(point) && LEFT * covariance(first) < covariance(point));
    let [mut w, mut x, mut y, mut xx, mut xy] = [0.0; 5];
    let mut used = 0;
    for point in kept {
        let ratio = covariance(point) / (0.5 * point.mean_square);
        let weight = 0.5 * point.count as f64 * ratio * ratio;
        let (lag, log) = (point.lag_s - first.lag_s, libm::log(covariance(point) / variance));
        w += weight;
        x += weight * lag;
        y += weight * log;
        xx += weight * lag * lag;
        xy += weight * lag * log;
        used += 1;
    }
    let theta = -(w * xy - x * y) / (w * xx - x * x);
    if used < 2 || !theta.is_finite() || theta <= 0.0 {
        return None;
    }
    let at_zero = (y + theta * x) / w + theta * first.lag_s;
    let noise_share = (1.0 - libm::exp(at_zero)).clamp(0.0, 1.0);
    Some(Robust { half_life_s: LN_2 / theta, noise_share })
}

/// Returns the 95 % interval of a positive estimate, symmetric in its logarithm: the delete-one
/// jackknife over groups of unequal size (Busing, Meijer and van der Leeden, Statistics and
/// Computing 9 (1999) 3), with Student's t. `without` has the estimate without each group, and the
/// size of that group. `None` with fewer than two groups.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of samples are far below 2^53")]
pub fn log_interval(estimate: f64, without: &[(f64, u64)]) -> Option<(f64, f64)> {
    let groups = without.len() as f64;
    let n: f64 = without.iter().map(|(_, size)| *size as f64).sum();
    let whole = libm::log(estimate);
    let logs = || without.iter().map(|(left, size)| (libm::log(*left), *size as f64 / n));
    let shared: f64 = logs().map(|(left, share)| (1.0 - share) * left).sum();
    let centre = groups * whole - shared;
    let variance = logs().map(|(left, share)| {
        let others = 1.0 / share - 1.0;
        let pseudo = whole / share - others * left;
        (pseudo - centre) * (pseudo - centre) / others
    });
    let error = (variance.sum::<f64>() / groups).sqrt();
    let reach = normal::student_95(groups - 1.0) * error;
    let known = 2.0 <= groups && reach.is_finite();
    known.then(|| (estimate * libm::exp(-reach), estimate * libm::exp(reach)))
}
