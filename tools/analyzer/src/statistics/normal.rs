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
