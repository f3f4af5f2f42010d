//! The few functions that the model needs beyond `+ - * / sqrt`, in plain IEEE arithmetic.
//!
//! The platform's `exp` and `ln` may differ in the last bit from machine to machine, but a seed
//! must give the same quotes everywhere. The functions here use only operations whose results IEEE
//! 754 defines to the bit.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

/// Returns e^x for x <= 0, to about 1e-12. Returns 0 for `x` below -40.
pub(crate) fn exp_of_negative(x: f64) -> f64 {
    debug_assert!(x <= 0.0, "exp_of_negative takes no positive argument");
    if x < -40.0 {
        return 0.0;
    }
    // e^x = (e^(x/1024))^1024. The inner argument is above -0.04, where seven terms are enough.
    let small = x / 1024.0;
    let mut term = 1.0;
    let mut sum = 1.0;
    for n in 1..=7 {
        term *= small / f64::from(n);
        sum += term;
    }
    for _ in 0..10 {
        sum *= sum;
    }
    sum
}

/// Returns ln(x) for 0 < x <= 1, to about 1e-12.
pub(crate) fn ln_of_unit(x: f64) -> f64 {
    debug_assert!(x > 0.0 && x <= 1.0, "ln_of_unit takes an argument in (0, 1]");
    const LN_2: f64 = std::f64::consts::LN_2;
    let mut mantissa = x;
    let mut halvings = 0.0;
    // A uniform draw is at least 2^-53, so the loop ends after 53 rounds at most.
    while mantissa < 0.5 && halvings < 1100.0 {
        mantissa *= 2.0;
        halvings += 1.0;
    }
    let z = (mantissa - 1.0) / (mantissa + 1.0);
    let square = z * z;
    let mut power = z;
    let mut sum = 0.0;
    for n in 0..14 {
        sum += power / f64::from(2 * n + 1);
        power *= square;
    }
    2.0 * sum - halvings * LN_2
}

/// Draws from the uniform distribution on (0, 1]. The result is never 0, so its logarithm exists.
pub(crate) fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    1.0 - rng.random::<f64>()
}

/// Draws from the exponential distribution of mean 1.
pub(crate) fn exponential(rng: &mut ChaCha8Rng) -> f64 {
    -ln_of_unit(uniform(rng))
}

/// Draws from the standard normal distribution by Marsaglia's polar method.
pub(crate) fn normal(rng: &mut ChaCha8Rng) -> f64 {
    loop {
        let u = 2.0 * uniform(rng) - 1.0;
        let v = 2.0 * uniform(rng) - 1.0;
        let s = u * u + v * v;
        if 0.0 < s && s < 1.0 {
            return u * (-2.0 * ln_of_unit(s) / s).sqrt();
        }
    }
}

/// Rounds `x` down to a whole number. Returns 0 for negative numbers and NaN.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, which is the intent"
)]
pub(crate) fn floor_units(x: f64) -> u64 {
    x as u64
}

/// Converts `x` to a float, which is the nearest one above 2^53.
pub(crate) fn float(x: u64) -> f64 {
    x as f64
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn exp_and_ln_agree_with_the_platform() {
        for n in 1..2000 {
            let x = f64::from(n) / 2000.0;
            assert!((ln_of_unit(x) - x.ln()).abs() < 1e-11, "ln {x}");
            let y = -40.0 * x;
            assert!((exp_of_negative(y) - y.exp()).abs() < 1e-11, "exp {y}");
        }
    }

    #[test]
    fn draws_have_their_moments() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let count = 40_000;
        let (mut sum, mut squares, mut waits) = (0.0, 0.0, 0.0);
        for _ in 0..count {
            let x = normal(&mut rng);
            sum += x;
            squares += x * x;
            waits += exponential(&mut rng);
        }
        let n = f64::from(count);
        assert!((sum / n).abs() < 0.03);
        assert!((squares / n - 1.0).abs() < 0.05);
        assert!((waits / n - 1.0).abs() < 0.03);
    }
}
