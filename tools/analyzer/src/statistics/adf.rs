//! The augmented Dickey-Fuller test for a unit root: can the series be told from a random walk?
//!
//! The regression is of `dy(t)` on a constant (or nothing, or constant and trend),
//! `dy(t-1) .. dy(t-p)` and `y(t-1)`; the statistic is the t-value of the last. With the columns in
//! that order and the response last, a triangular factor R of the regression holds all that is
//! needed: `t = sqrt(n - k) R[y, dy] / R[dy, dy]` for n rows and k regressors.
//!
//! The p-values are from MacKinnon, J. Bus. Econ. Stat. 12 (1994) 167, by his polynomials in the
//! statistic; the critical values are from MacKinnon, Queen's Economics Department working paper
//! 1227 (2010). Both sets of constants are those of statsmodels' `tsa/adfvalues.py`. Reference:
//! `statsmodels.tsa.stattools.adfuller(maxlag=p, autolag=None)`.

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

/// Number of lagged differences in a [`Gram`].
pub const LAGS: usize = 10;

/// Columns of a [`Gram`]: constant, lagged differences from the nearest on, level, response.
pub const COLUMNS: usize = LAGS + 3;

const LEVEL: usize = COLUMNS - 2;

/// The test from sums: products of all columns of the regression with a constant and ten lags,
/// summed over its rows. The sums of several stretches add up if they have one origin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gram {
    /// The lower triangle, row by row: 13 * 14 / 2 = 7 * 13 numbers. serde supports arrays of at
    /// most 32.
    products: [[f64; COLUMNS]; COLUMNS.div_ceil(2)],
}

const _: () = assert!(COLUMNS % 2 == 1, "an odd number of columns fills the rows of the triangle");

/// Returns the index of an entry in the triangle.
const fn place(row: usize, column: usize) -> usize {
    row * (row + 1) / 2 + column
}

impl Default for Gram {
    fn default() -> Gram {
        Gram { products: [[0.0; COLUMNS]; COLUMNS.div_ceil(2)] }
    }
}

impl Gram {
    /// Adds a row of the regression: 1, the differences from the nearest lag on, the level relative
    /// to the origin, and the response.
    #[inline]
    pub fn push(&mut self, row: &[f64; COLUMNS]) {
        let products = self.products.as_flattened_mut();
        for at in 0..COLUMNS {
            let line = &mut products[place(at, 0)..=place(at, at)];
            for (sum, other) in line.iter_mut().zip(row) {
                *sum += row[at] * other;
            }
        }
    }

    /// Adds the sums of later rows, whose origin lies `by` above this one's.
    pub fn merge(&mut self, later: &Gram, by: f64) {
        let mut moved = later.clone();
        let sums = moved.products.as_flattened_mut();
        let constant: [f64; COLUMNS] = std::array::from_fn(|column| sums[place(column, 0)]);
        sums[place(LEVEL, LEVEL)] += by * (2.0 * constant[LEVEL] + by * constant[0]);
        for column in 0..LEVEL {
            sums[place(LEVEL, column)] += by * constant[column];
        }
        sums[place(COLUMNS - 1, LEVEL)] += by * constant[COLUMNS - 1];
        let mine = self.products.as_flattened_mut();
        mine.iter_mut().zip(&*sums).for_each(|(sum, more)| *sum += more);
    }

    /// Returns the number of rows.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a sum of ones is a count"
    )]
    pub fn rows(&self) -> u64 {
        self.products[0][0] as u64
    }

    /// Returns the test, by the Cholesky factor of the sums. `None` as in [`of_series`].
    #[must_use]
    pub fn conclude(&self) -> Option<Adf> {
        let n = self.rows();
        let free = usize::try_from(n).ok()?.checked_sub(COLUMNS - 1).filter(|free| 0 < *free)?;
        let mut factor = self.products;
        let factor = factor.as_flattened_mut();
        for row in 0..COLUMNS {
            let whole = factor[place(row, row)];
            for column in 0..=row {
                let done: f64 =
                    (0..column).map(|k| factor[place(row, k)] * factor[place(column, k)]).sum();
                let left = factor[place(row, column)] - done;
                factor[place(row, column)] = if column < row {
                    left / factor[place(column, column)]
                } else if row + 1 < COLUMNS && left <= RANK * whole {
                    return None;
                } else {
                    left.max(0.0).sqrt()
                };
            }
        }
        let (along, rest) =
            (factor[place(COLUMNS - 1, LEVEL)], factor[place(COLUMNS - 1, COLUMNS - 1)]);
        let lags = u32::try_from(LAGS).ok()?;
        conclude(along, rest, free, (lags, n), Regression::Constant)
    }
}
