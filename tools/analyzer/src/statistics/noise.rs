//! Reversion of a series that is seen through noise. It must not know what the noise comes from.
//!
//! If each sample is an Ornstein-Uhlenbeck process plus a noise of its own, the noise returns at once and
//! the plain half-life collapses with the sampling interval. The noise stands in the variance only, not in
//! the covariance of samples apart: `cov(lag) = V exp(-theta lag)` for every lag but 0. With `g(lag)` half
//! the mean squared step over the lag, `cov(lag) = variance - g(lag)`, and theta is the slope of a weighted
//! line through `log cov` over the lags, its weights `(n / 2) (cov / g)²` after the variance of `log cov`,
//! if steps are normal. What the line at lag 0 lacks of the variance is the noise.
//! The idea is that of the variogram's nugget (Matheron 1963); reference: simulations in
//! `tools/analyzer/tests/statistics.rs`.

use serde::{Deserialize, Serialize};
use std::f64::consts::LN_2;

/// Mean squared step over one lag.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LagPoint {
    /// The lag, s.
    pub lag_s: f64,
    /// Mean of the squared step, squared unit of the values.
    pub mean_square: f64,
    /// Steps that do not overlap.
    pub count: u64,
}

/// Half-life with the noise taken out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Robust {
    /// Half-life of what is not noise, s.
    pub half_life_s: f64,
    /// Share of the variance that is noise, 0 to 1.
    pub noise_share: f64,
}

/// A correlation within this many times 1/sqrt(n) of 0 is none.
const SIGNIFICANT: f64 = 3.0;

/// Lags at which less than this of the first covariance is left say more about chance than about theta.
const LEFT: f64 = 0.1;

/// Half-life without noise, from the variance of the samples and two lags or more, in order. `None` if
/// nothing is left of the covariance at the first two lags, or if it does not fall.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of samples are far below 2^53")]
pub fn robust_half_life(variance: f64, lags: &[LagPoint]) -> Option<Robust> {
    let covariance = |point: &LagPoint| variance - 0.5 * point.mean_square;
    let is_clear =
        |point: &LagPoint| SIGNIFICANT * variance < covariance(point) * (point.count as f64).sqrt();
    let first = lags.first()?;
    // A lag whose covariance is chance would be kept where chance made it large, and pull the line flat.
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
