//! The augmented Dickey-Fuller test for a unit root: can the series be told from a random walk?
//!
//! The regression is of `dy(t)` on a constant (or nothing, or constant and trend),
//! `dy(t-1) .. dy(t-p)` and `y(t-1)`; the statistic is the t-value of the last. With the columns in
//! that order and the response last, a triangular factor R of the regression holds all that is
//! needed: `t = sqrt(n - k) R[y, dy] / R[dy, dy]` for n rows and k regressors.
//!
//! The number of lags p is given, or chosen by the data ([`chosen`]): all orders up to a bound are
//! compared over the rows that the largest one has, and the best is fitted over all its own rows.
//! With the level as the second column and the lags behind it, one triangular factor holds the
//! residuals of every order.
//!
//! The p-values are from MacKinnon, J. Bus. Econ. Stat. 12 (1994) 167, by his polynomials in the
//! statistic; the critical values are from MacKinnon, Queen's Economics Department working paper
//! 1227 (2010). Both sets of constants are those of statsmodels' `tsa/adfvalues.py`. References:
//! `statsmodels.tsa.stattools.adfuller(maxlag=p, autolag=None)`, and with `autolag="AIC"` and
//! `"t-stat"`. The modified criterion is that of Ng and Perron, Econometrica 69 (2001) 1519, over
//! least squares as Perron and Qu, Economics Letters 94 (2007) 12, advise.

use super::normal;
use serde::{Deserialize, Serialize};

/// The deterministic terms of the regression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regression {
    /// No constant: the series reverts to 0. statsmodels: `n`.
    Nothing,
    /// A constant: the series reverts to some level. statsmodels: `c`.
    Constant,
    /// A constant and a linear trend: the series reverts to a moving level. statsmodels: `ct`.
    Trend,
}

/// The result of the test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Adf {
    /// t-value of the level; the more negative it is, the less the series is like a random walk.
    pub statistic: f64,
    /// p-value under a random walk, after MacKinnon 1994.
    pub p_value: f64,
    /// Number of lagged differences in the regression.
    pub lags: u32,
    /// Number of rows of the regression.
    pub n: u64,
}

/// MacKinnon's approximation of 1994 for one regression.
struct Table {
    least: f64,
    switch: f64,
    most: f64,
    small: [f64; 3],
    large: [f64; 4],
    /// Critical values of 2010 at 1, 5 and 10 %: the coefficients of 1, 1/n, 1/n² and 1/n³.
    critical: [[f64; 4]; 3],
}

const NOTHING: Table = Table {
    least: -19.04,
    switch: -1.04,
    most: f64::INFINITY,
    small: [0.6344, 1.2378, 3.2496e-2],
    large: [0.4797, 9.3557e-1, -0.6999e-1, 3.3066e-2],
    critical: [
        [-2.56574, -2.2358, -3.627, 0.0],
        [-1.94100, -0.2686, -3.365, 31.223],
        [-1.61682, 0.2656, -2.714, 25.364],
    ],
};

const CONSTANT: Table = Table {
    least: -18.83,
    switch: -1.61,
    most: 2.74,
    small: [2.1659, 1.4412, 3.8269e-2],
    large: [1.7339, 9.3202e-1, -1.2745e-1, -1.0368e-2],
    critical: [
        [-3.43035, -6.5393, -16.786, -79.433],
        [-2.86154, -2.8903, -4.234, -40.040],
        [-2.56677, -1.5384, -2.809, 0.0],
    ],
};

const TREND: Table = Table {
    least: -16.18,
    switch: -2.89,
    most: 0.7,
    small: [3.2512, 1.6047, 4.9588e-2],
    large: [2.5261, 6.1654e-1, -3.7956e-1, -6.0285e-2],
    critical: [
        [-3.95877, -9.0531, -28.428, -134.155],
        [-3.41049, -4.3904, -9.036, -45.374],
        [-3.12705, -2.5856, -3.925, -22.380],
    ],
};

impl Regression {
    fn table(self) -> &'static Table {
        match self {
            Regression::Nothing => &NOTHING,
            Regression::Constant => &CONSTANT,
            Regression::Trend => &TREND,
        }
    }
}

fn polynomial(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |value, coefficient| value * x + coefficient)
}

/// Returns the probability that a random walk has a statistic this low or lower (MacKinnon 1994).
#[must_use]
pub fn p_value(statistic: f64, regression: Regression) -> f64 {
    let table = regression.table();
    if table.most < statistic {
        1.0
    } else if statistic < table.least {
        0.0
    } else if statistic <= table.switch {
        normal::cdf(polynomial(&table.small, statistic))
    } else {
        normal::cdf(polynomial(&table.large, statistic))
    }
}

/// Returns the critical values at 1, 5 and 10 % for a regression of `n` rows (MacKinnon 2010).
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of samples are far below 2^53")]
pub fn critical_values(regression: Regression, n: u64) -> [f64; 3] {
    regression.table().critical.map(|row| polynomial(&row, 1.0 / n as f64))
}

/// A column or pivot this small relative to its size before elimination counts as zero.
const RANK: f64 = 1e-12;

/// Tests one unbroken, equally spaced series, by orthogonal factors (modified Gram-Schmidt). `None`
/// if there are too few values or the columns are linearly dependent, as with a constant series.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of samples are far below 2^53")]
pub fn of_series(values: &[f64], lags: u32, regression: Regression) -> Option<Adf> {
    let p = lags as usize;
    let n = values.len().checked_sub(p + 1)?;
    let first = *values.first()?;
    let steps: Vec<f64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let mut columns: Vec<Vec<f64>> = match regression {
        Regression::Nothing => Vec::new(),
        Regression::Constant => vec![vec![1.0; n]],
        Regression::Trend => vec![vec![1.0; n], (0..n).map(|t| t as f64).collect()],
    };
    // Fewer digits are lost relative to the first value; if there is a constant, it absorbs the
    // shift.
    let origin = if regression == Regression::Nothing { 0.0 } else { first };
    columns.extend((1..=p).map(|lag| steps[p - lag..][..n].to_vec()));
    columns.push(values[p..][..n].iter().map(|value| value - origin).collect());
    columns.push(steps[p..].to_vec());
    let free = n.checked_sub(columns.len() - 1).filter(|free| 0 < *free)?;
    let (along, rest) = last_two(columns)?;
    conclude(along, rest, free, (lags, n as u64), regression)
}

#[expect(clippy::cast_precision_loss, reason = "counts of samples are far below 2^53")]
fn conclude(
    along: f64,
    rest: f64,
    free: usize,
    (lags, n): (u32, u64),
    regression: Regression,
) -> Option<Adf> {
    let statistic = (free as f64).sqrt() * along / rest;
    let p_value = p_value(statistic, regression);
    statistic.is_finite().then_some(Adf { statistic, p_value, lags, n })
}

/// Returns the last column of the triangular factor: its entry on the last regressor and its own.
fn last_two(mut columns: Vec<Vec<f64>>) -> Option<(f64, f64)> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let lengths: Vec<f64> = columns.iter().map(|column| dot(column, column).sqrt()).collect();
    let mut along = 0.0;
    for at in 0..columns.len() - 1 {
        let (done, rest) = columns.split_at_mut(at + 1);
        let column = &done[at];
        let length = dot(column, column).sqrt();
        if length <= RANK * lengths[at] {
            return None;
        }
        for other in rest {
            along = dot(column, other) / length;
            let share = along / length;
            other.iter_mut().zip(column).for_each(|(value, unit)| *value -= share * unit);
        }
    }
    let left = columns.last()?;
    Some((along, dot(left, left).sqrt()))
}

/// How the number of lags is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LagChoice {
    /// The least Akaike criterion. statsmodels: `AIC`.
    Aic,
    /// The largest order whose last lag is significant at 10 %. statsmodels: `t-stat`.
    LastSignificant,
    /// The least modified Akaike criterion. It counts the level's own coefficient as well, and so
    /// keeps the lags that noise of single values needs.
    ModifiedAic,
}

/// The last lag is significant at 10 % from this t-value on.
const LAST_LAG: f64 = 1.644_853_626_951_472_9;

/// Returns Schwert's bound on the number of lags, `factor (n / 100)^(1/4)`, rounded up. His factors
/// are 4 and 12.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a small positive number"
)]
pub fn schwert(factor: f64, n: usize) -> u32 {
    (factor * libm::sqrt(libm::sqrt(n as f64 / 100.0))).ceil() as u32
}

/// Tests a series for a unit root, with a constant and a number of lags that the data choose, at
/// most `most`. Values that are not finite are gaps: a row of the regression needs all its values in
/// one unbroken stretch. `None` as in [`of_series`].
#[must_use]
pub fn chosen(values: &[f64], most: u32, choice: LagChoice) -> Option<Adf> {
    let most = (most as usize).min((values.len() / 2).checked_sub(2)?);
    let lags = Nested::of(values, most)?.best(choice);
    let (products, n) = products(values, lags, lags + 1)?;
    let factor = triangle(products)?;
    let last = factor.last()?;
    let free = n.checked_sub(lags + 2).filter(|free| 0 < *free)?;
    let counts = (u32::try_from(lags).ok()?, n as u64);
    conclude(last[lags + 1], last[lags + 2], free, counts, Regression::Constant)
}

/// The regressions with 0, 1, .. lags over the same rows: the triangular factor of constant, level,
/// lags and response.
struct Nested {
    factor: Vec<Vec<f64>>,
    most: usize,
    rows: f64,
}

impl Nested {
    #[expect(clippy::cast_precision_loss, reason = "counts of samples are far below 2^53")]
    fn of(values: &[f64], most: usize) -> Option<Nested> {
        let (products, rows) = products(values, most, 1)?;
        (most + 2 < rows).then_some(())?;
        Some(Nested { factor: triangle(products)?, most, rows: rows as f64 })
    }

    /// Returns the response's entries of the factor: what each column explains of it, and what is
    /// left.
    fn response(&self) -> &[f64] {
        &self.factor[self.most + 2]
    }

    /// Returns the sum of squared residuals with that many lags.
    fn residual(&self, lags: usize) -> f64 {
        self.response()[lags + 2..].iter().map(|entry| entry * entry).sum()
    }

    fn best(&self, choice: LagChoice) -> usize {
        if choice == LagChoice::LastSignificant {
            let is_significant = |lags: &usize| LAST_LAG <= self.last_t(*lags).abs();
            return (1..=self.most).rev().find(is_significant).unwrap_or(0);
        }
        let mut best = (f64::INFINITY, 0);
        for lags in 0..=self.most {
            let criterion = self.criterion(lags, choice);
            if criterion < best.0 {
                best = (criterion, lags);
            }
        }
        best.1
    }

    /// Returns the t-value of the last lag.
    #[expect(clippy::cast_precision_loss, reason = "a handful of lags")]
    fn last_t(&self, lags: usize) -> f64 {
        let free = self.rows - (lags + 2) as f64;
        self.response()[lags + 1] / (self.residual(lags) / free).sqrt()
    }

    #[expect(clippy::cast_precision_loss, reason = "a handful of lags")]
    fn criterion(&self, lags: usize, choice: LagChoice) -> f64 {
        let variance = self.residual(lags) / self.rows;
        let level = if choice == LagChoice::ModifiedAic {
            (self.level(lags) * self.factor[1][1]).powi(2) / variance
        } else {
            0.0
        };
        self.rows * libm::log(variance) + 2.0 * (level + lags as f64)
    }

    /// Returns the coefficient of the level with that many lags.
    fn level(&self, lags: usize) -> f64 {
        let mut left: Vec<f64> = self.response()[..lags + 2].to_vec();
        for at in (1..lags + 2).rev() {
            let coefficient = left[at] / self.factor[at][at];
            for (other, entry) in left.iter_mut().zip(&self.factor[at]).take(at) {
                *other -= coefficient * entry;
            }
            left[at] = coefficient;
        }
        left[1]
    }
}

/// Returns the products of all columns of the regression with a constant, summed over its rows, as
/// rows of the lower triangle, and the number of rows. The level is column `level_at`, the lags fill
/// the other places from 1 on, and the response is last. `None` without a finite value.
fn products(values: &[f64], lags: usize, level_at: usize) -> Option<(Vec<Vec<f64>>, usize)> {
    let columns = lags + 3;
    // Fewer digits are lost relative to one of the values; the constant absorbs the shift.
    let origin = *values.iter().find(|value| value.is_finite())?;
    let mut sums: Vec<Vec<f64>> = (1..=columns).map(|length| vec![0.0; length]).collect();
    let mut row = vec![1.0; columns];
    let (mut rows, mut unbroken) = (0, 0);
    for (at, value) in values.iter().enumerate() {
        unbroken = if value.is_finite() { unbroken + 1 } else { 0 };
        if unbroken < lags + 2 {
            continue;
        }
        let step = |back: usize| values[at - back] - values[at - back - 1];
        for lag in 1..=lags {
            row[if lag < level_at { lag } else { lag + 1 }] = step(lag);
        }
        row[level_at] = values[at - 1] - origin;
        row[columns - 1] = step(0);
        rows += 1;
        for (sums, one) in sums.iter_mut().zip(&row) {
            sums.iter_mut().zip(&row).for_each(|(sum, other)| *sum += one * other);
        }
    }
    Some((sums, rows))
}

/// Returns the Cholesky factor of a lower triangle. `None` if the columns before the last are
/// linearly dependent.
fn triangle(mut factor: Vec<Vec<f64>>) -> Option<Vec<Vec<f64>>> {
    let columns = factor.len();
    for row in 0..columns {
        let (above, below) = factor.split_at_mut(row);
        let line = &mut below[0];
        let whole = line[row];
        for column in 0..=row {
            let other: &[f64] = if column < row { &above[column] } else { &[] };
            let done: f64 = if column < row {
                line[..column].iter().zip(other).map(|(a, b)| a * b).sum()
            } else {
                line[..row].iter().map(|entry| entry * entry).sum()
            };
            let left = line[column] - done;
            line[column] = if column < row {
                left / above[column][column]
            } else if row + 1 < columns && left <= RANK * whole {
                return None;
            } else {
                left.max(0.0).sqrt()
            };
        }
    }
    Some(factor)
}
