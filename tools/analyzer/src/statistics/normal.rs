//! The standard normal distribution, by `libm`'s error function, so that the digits do not depend
//! on the machine's C library.
//!
//! Reference: `scipy.stats.norm`.

use std::f64::consts::FRAC_1_SQRT_2;

/// Returns the probability of a value of at most `z`; accurate in both tails, as far as `f64` goes.
#[must_use]
pub fn cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z * FRAC_1_SQRT_2)
}

/// Returns the probability of a value at least as far from 0 as `z`: the p-value of a two-sided
/// test.
#[must_use]
pub fn two_sided(z: f64) -> f64 {
    libm::erfc(z.abs() * FRAC_1_SQRT_2)
}

/// The normal value that is exceeded on either side in 5 %.
const NORMAL_95: f64 = 1.959_963_984_540_054;

/// Returns the value of Student's t that is exceeded on either side in 5 %, by the expansion in the
/// degrees of freedom (Abramowitz and Stegun, 26.7.5): right to 0.001 from 7 degrees on.
#[must_use]
pub fn student_95(degrees: f64) -> f64 {
    let z = NORMAL_95;
    let (z3, z5, z7) = (z.powi(3), z.powi(5), z.powi(7));
    let terms = [
        (z3 + z) / 4.0,
        (5.0 * z5 + 16.0 * z3 + 3.0 * z) / 96.0,
        (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * z) / 384.0,
    ];
    terms.iter().rev().fold(0.0, |sum, term| (sum + term) / degrees) + z
}
