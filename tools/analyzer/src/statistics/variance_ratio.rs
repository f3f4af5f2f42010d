//! Lo and MacKinlay's variance ratio: does the variance of differences grow with their length?
//!
//! Given n differences over one step and all overlapping windows of q steps, each within one
//! unbroken stretch, without drift:
//!
//! `VR(q) = [S(q) / (q m (1 - q / n))] / [S(1) / (n - 1)]`, where S(q) is the sum of squared
//! differences over q steps and m the number of windows. It is 1 for a random walk and below 1
//! where the series reverts.
//!
//! `z = sqrt(n) (VR - 1) / sqrt(sum over k < q of 4 (1 - k / q)² d(k))` with
//! `d(k) = n (sum of z(t)² z(t-k)²) / (sum of z(t)²)²`, which holds even if the variance changes
//! over time.
//!
//! Campbell, Lo and MacKinlay, *The Econometrics of Financial Markets* (1997), 2.4. Reference:
//! `arch.unitroot.VarianceRatio(y, lags=q, trend="n", debiased=True, robust=True, overlap=True)`;
//! for one unbroken stretch the two are equal.

use super::normal;
use serde::{Deserialize, Serialize};

/// The result for one window length.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct VarianceRatio {
    /// Window length, in steps.
    pub q: u32,
    /// Variance per step over q steps, divided by that over one step.
    pub ratio: f64,
    /// Robust test statistic; standard normal for a random walk.
    pub z: f64,
    /// Two-sided p-value under a random walk.
    pub p_value: f64,
}

/// The sums that the ratio is computed from.
#[derive(Clone, Copy, Debug)]
pub struct Sums<'a> {
    /// Number of differences over one step.
    pub steps: u64,
    /// Sum of their squares.
    pub squares: f64,
    /// Sums of products of squares that are 1, 2, ... steps apart; at least q - 1 of them.
    pub products: &'a [f64],
    /// Number of windows of q steps.
    pub windows: u64,
    /// Sum of the squared differences over q steps.
    pub window_squares: f64,
}

/// Returns the variance ratio at `q`. `None` if there are no more than `q` steps, no window, or no
/// movement.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of samples are far below 2^53")]
pub fn variance_ratio(q: u32, sums: &Sums<'_>) -> Option<VarianceRatio> {
    let (n, m, width) = (sums.steps as f64, sums.windows as f64, f64::from(q));
    let spread = robust_variance(width, n, sums);
    if q < 2 || n <= width + 1.0 || m <= 0.0 || sums.squares <= 0.0 || spread <= 0.0 {
        return None;
    }
    let long = sums.window_squares / (width * m * (1.0 - width / n));
    let ratio = long / (sums.squares / (n - 1.0));
    let z = n.sqrt() * (ratio - 1.0) / spread.sqrt();
    Some(VarianceRatio { q, ratio, z, p_value: normal::two_sided(z) })
}

#[expect(clippy::cast_precision_loss, reason = "windows are short")]
fn robust_variance(width: f64, n: f64, sums: &Sums<'_>) -> f64 {
    let lags = sums.products.iter().enumerate().map(|(before, product)| {
        let weight = (1.0 - (before + 1) as f64 / width).max(0.0);
        4.0 * weight * weight * product
    });
    n * lags.sum::<f64>() / (sums.squares * sums.squares)
}

/// Returns the variance ratio of one unbroken series.
#[must_use]
pub fn of_series(values: &[f64], q: u32) -> Option<VarianceRatio> {
    let width = q as usize;
    let squares: Vec<f64> = values.windows(2).map(|pair| (pair[1] - pair[0]).powi(2)).collect();
    let apart = |lag: usize| squares.iter().zip(squares.iter().skip(lag));
    let products: Vec<f64> =
        (1..width).map(|lag| apart(lag).map(|(early, late)| early * late).sum()).collect();
    let windows = || values.iter().zip(values.iter().skip(width));
    let sums = Sums {
        steps: squares.len() as u64,
        squares: squares.iter().sum(),
        products: &products,
        windows: windows().count() as u64,
        window_squares: windows().map(|(from, to)| (to - from).powi(2)).sum(),
    };
    variance_ratio(q, &sums)
}
