//! Tails and quantiles of Student's t with any number of degrees, and normal quantiles.
//!
//! `P(T > t) = I(n / 2, 1 / 2; n / (n + t^2)) / 2` for `t >= 0`, with the regularised incomplete
//! beta function by its continued fraction (Abramowitz and Stegun 26.5.8, by Lentz's method).
//! Reference: `scipy.stats.t.sf`, `scipy.stats.norm.isf`.

use crate::statistics::normal;

/// Terms of the continued fraction; it converges in some tens.
const TERMS: u32 = 300;
/// The least denominator of Lentz's method.
const TINY: f64 = 1e-300;
/// Interval halvings of a search: enough for all digits of a double.
const HALVINGS: u32 = 80;
/// The farthest quantile that is searched for.
const FARTHEST: f64 = 1e6;

/// Returns `P(T > t)` for `degrees` degrees of freedom, which need not be whole.
pub(super) fn tail(t: f64, degrees: f64) -> f64 {
    if t < 0.0 {
        return 1.0 - tail(-t, degrees);
    }
    let square = t * t;
    if !square.is_finite() {
        return 0.0;
    }
    let x = degrees / (degrees + square);
    0.5 * beta(x, square / (degrees + square), 0.5 * degrees, 0.5)
}

/// Returns the `t` whose tail is `share`, which must be above 0 and at most a half.
pub(super) fn critical(share: f64, degrees: f64) -> f64 {
    search(|t| tail(t, degrees), share)
}

/// Returns the z with `P(Z > z) = share` of the standard normal distribution.
pub(super) fn normal_critical(share: f64) -> f64 {
    if 0.5 < share {
        return -normal_critical(1.0 - share);
    }
    search(|z| normal::cdf(-z), share)
}

/// Returns the z that is as far in the tail of the standard normal distribution as `t` is in that
/// of Student's. Beyond 1e-300 there is no telling apart.
pub(super) fn as_normal(t: f64, degrees: f64) -> f64 {
    if t < 0.0 {
        return -as_normal(-t, degrees);
    }
    normal_critical(tail(t, degrees).max(TINY))
}

fn search(tail: impl Fn(f64) -> f64, share: f64) -> f64 {
    let (mut low, mut high) = (0.0, FARTHEST);
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        if share < tail(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// Returns `I(a, b; x)`; `rest` is `1 - x`, with all its digits.
fn beta(x: f64, rest: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if rest <= 0.0 {
        return 1.0;
    }
    let front = libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b)
        + a * libm::log(x)
        + b * libm::log(rest);
    let front = libm::exp(front);
    if x < (a + 1.0) / (a + b + 2.0) {
        front * fraction(x, a, b) / a
    } else {
        1.0 - front * fraction(rest, b, a) / b
    }
}

fn fraction(x: f64, a: f64, b: f64) -> f64 {
    let away = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / away(1.0 - (a + b) * x / (a + 1.0));
    let mut result = d;
    for term in 1..TERMS {
        let m = f64::from(term);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away(1.0 + even * d);
        c = away(1.0 + even / c);
        result *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away(1.0 + odd * d);
        c = away(1.0 + odd / c);
        result *= d * c;
        if (d * c - 1.0).abs() < 1e-16 {
            break;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_those_of_scipy() {
        for (t, degrees, expected) in SCIPY {
            let found = tail(t, degrees);
            assert!((found - expected).abs() <= 1e-10 * expected, "{t} {degrees}: {found:e}");
        }
    }

    #[test]
    fn quantiles_are_the_inverse() {
        for share in [0.4, 0.05, 1e-3, 1e-9] {
            for degrees in [3.0, 7.0, 40.5] {
                let found = tail(critical(share, degrees), degrees);
                assert!((found - share).abs() < 1e-9 * share, "{share} {degrees}: {found:e}");
            }
            let found = normal::cdf(-normal_critical(share));
            assert!((found - share).abs() < 1e-9 * share, "{share}: {found:e}");
        }
        assert!((normal_critical(0.95) + normal_critical(0.05)).abs() < 1e-12);
    }

    #[test]
    fn few_degrees_are_taken_for_less_evidence() {
        let z = as_normal(4.0, 7.0);
        assert!((2.5..2.9).contains(&z), "{z}");
        assert!((as_normal(4.0, 1e7) - 4.0).abs() < 1e-4);
        assert!((as_normal(-4.0, 7.0) + z).abs() < 1e-12);
        assert!(as_normal(f64::INFINITY, 7.0).is_finite());
    }

    /// `t`, degrees, `scipy.stats.t.sf`.
    const SCIPY: [(f64, f64, f64); 11] = [
        (0.001, 3.0, 0.49963244748473046),
        (0.5, 7.0, 0.3162035678446422),
        (1.0, 2.0, 0.2113248654051871),
        (2.0, 5.0, 0.050969739414929174),
        (3.0, 11.5, 0.0057733036163812555),
        (-1.5, 7.0, 0.911350756505015),
        (4.1, 32.0, 0.0001321127002426156),
        (9.0, 7.0, 2.1328504605621644e-05),
        (20.0, 15.0, 1.577596276745218e-12),
        (50.0, 3.0, 8.808576020635984e-06),
        (6.0, 200.0, 4.557560174405173e-09),
    ];
}
