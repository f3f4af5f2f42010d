//! Detrended fluctuation analysis of first order (DFA-1), and the Hurst exponent from it.
//!
//! The series itself is the profile, so the exponent is that of its increments: 0.5 for a random
//! walk, towards 0 for a series that reverts, above 0.5 for one that trends. A straight line is
//! fitted to the series in boxes of s samples that do not overlap;
//! `F²(s) = sum of squared residuals / (boxes s)`, and H is the slope of log F against log s.
//!
//! Peng et al., Phys. Rev. E 49 (1994) 1685. Reference: a fit by `numpy.polyfit` in every box.
//! Box sizes double, so a box consists of two boxes of the size before, and [`Line::join`] needs no
//! samples.

use serde::{Deserialize, Serialize};

/// What a fit of a straight line through equally spaced values needs to know of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Line {
    count: f64,
    mean: f64,
    /// Sum of squares around the mean.
    squares: f64,
    /// Sum of index times value, both relative to their means.
    slant: f64,
}

impl Line {
    /// Returns the line through `values`, one step apart.
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

    /// Returns the line through the values of both, which must be equally many; `later` follows
    /// directly.
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

    /// Returns the sum of squared residuals of the best line.
    #[must_use]
    pub fn residual(&self) -> f64 {
        let spread = self.count * (self.count * self.count - 1.0) / 12.0;
        (self.squares - self.slant * self.slant / spread).max(0.0)
    }
}

/// The boxes of one size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Boxes {
    /// Number of boxes.
    pub count: u64,
    /// Sum of the squared residuals of all boxes.
    pub residual: f64,
}

/// A size with fewer boxes is not used.
const LEAST_BOXES: u64 = 4;

/// With fewer sizes there is no slope.
const LEAST_SIZES: usize = 4;

/// Returns the Hurst exponent from boxes of the given sizes (in samples). `None` with fewer than
/// four sizes of four boxes each, or if the series does not move.
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

/// Returns the slope of the least squares line.
#[expect(clippy::cast_precision_loss, reason = "a handful of points")]
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let xy: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let xx: f64 = points.iter().map(|(x, _)| (x - mean_x) * (x - mean_x)).sum();
    xy / xx
}

/// Returns the boxes of `size` samples in one unbroken series; a remainder at its end is left out.
#[must_use]
pub fn boxes(values: &[f64], size: u32) -> Boxes {
    let whole = values.chunks_exact(size as usize);
    Boxes {
        count: whole.len() as u64,
        residual: whole.map(|part| Line::through(part).residual()).sum(),
    }
}
