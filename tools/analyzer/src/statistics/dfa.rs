//! Detrended fluctuation analysis of first order (DFA-1), and the Hurst exponent from it. It must not
//! know where the series comes from.
//!
//! The series itself is the profile, so that the exponent is that of its increments: 0.5 for a random
//! walk, towards 0 for a series that returns, above 0.5 for one that trends. In boxes of s samples that
//! do not overlap a straight line is fitted to the series;
//! `F²(s) = sum of squared residuals / (boxes s)`, and H is the slope of log F against log s.
//!
//! Peng et al., Phys. Rev. E 49 (1994) 1685. Reference: a fit by `numpy.polyfit` in every box.
//! Box sizes double, so that a box is two of the size before: [`Line::join`] needs no samples.

use serde::{Deserialize, Serialize};

/// A straight line through equally spaced values: what a fit needs of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Line {
    count: f64,
    mean: f64,
    /// Sum of squares around the mean.
    squares: f64,
    /// Sum of place times value, both around their means.
    slant: f64,
}

impl Line {
    /// Through `values`, one step apart.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "boxes are short")]
    pub fn through(values: &[f64]) -> Line {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let (mut squares, mut slant) = (0.0, 0.0);
        for (place, value) in values.iter().enumerate() {
            squares += (value - mean) * (value - mean);
            slant += (place as f64 - 0.5 * (count - 1.0)) * (value - mean);
        }
        Line { count, mean, squares, slant }
    }

    /// Through the values of both, of equal number, `later` following at once.
    #[must_use]
    pub fn join(self, later: Line) -> Line {
        let step = later.mean - self.mean;
        Line {
            count: self.count + later.count,
            mean: self.mean + 0.5 * step,
            squares: self.squares + later.squares + 0.5 * self.count * step * step,
            slant: self.slant + later.slant + 0.5 * self.count * self.count * step,
        }
    }

    /// Sum of squared residuals of the best line.
    #[must_use]
    pub fn residual(&self) -> f64 {
        let spread = self.count * (self.count * self.count - 1.0) / 12.0;
        (self.squares - self.slant * self.slant / spread).max(0.0)
    }
}

/// The boxes of one size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Boxes {
    /// How many there were.
    pub count: u64,
    /// Sum of the squared residuals of all of them.
    pub residual: f64,
}

/// Fewer boxes of a size say nothing about it.
const LEAST_BOXES: u64 = 4;

/// Fewer sizes make no slope.
const LEAST_SIZES: usize = 4;

/// The Hurst exponent from boxes of the given sizes (samples). `None` with fewer than four sizes of four
/// boxes each, or if the series does not move.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of boxes are far below 2^53")]
pub fn hurst(sizes: &[(u32, Boxes)]) -> Option<f64> {
    let points: Vec<(f64, f64)> = sizes
        .iter()
        .filter(|(_, boxes)| LEAST_BOXES <= boxes.count && 0.0 < boxes.residual)
        .map(|(size, boxes)| {
            let size = f64::from(*size);
            (libm::log(size), 0.5 * libm::log(boxes.residual / (boxes.count as f64 * size)))
        })
        .collect();
    (LEAST_SIZES <= points.len()).then(|| slope(&points))
}

/// Slope of the least squares line.
#[expect(clippy::cast_precision_loss, reason = "a handful of points")]
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let xy: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let xx: f64 = points.iter().map(|(x, _)| (x - mean_x) * (x - mean_x)).sum();
    xy / xx
}

/// The boxes of `size` samples in one unbroken series; a rest at its end is left out.
#[must_use]
pub fn boxes(values: &[f64], size: u32) -> Boxes {
    let whole = values.chunks_exact(size as usize);
    Boxes {
        count: whole.len() as u64,
        residual: whole.map(|part| Line::through(part).residual()).sum(),
    }
}
