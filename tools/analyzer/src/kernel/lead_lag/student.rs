//! Tails of Student's t for an even number of degrees of freedom, for which they are finite sums
//! (Abramowitz and Stegun 26.7.4).
//!
//! With n degrees of freedom, `c = n / (n + t^2)` and `f(k) = (1 3 .. (2k-1)) / (2 4 .. 2k)`:
//! `P(|T| < t) = sqrt(1 - c) * sum of f(k) c^k for k < n / 2`. The infinite series sums to one, so
//! the tail is its remainder. Computed that way it is exact where one minus the probability would
//! not be.

/// Number of terms of the remainder that are added. `c` is at most a half, so the last ones vanish.
const TERMS_OF_REST: u32 = 64;

/// Number of interval halvings: enough for all digits of a double.
const HALVINGS: u32 = 64;

/// Upper end of the search for a tail; beyond it every tail is smaller than any level asked for.
const FARTHEST: f64 = 1000.0;

/// Returns `P(|T| >= t)` for `t >= 0` and an even number of degrees.
pub(super) fn two_sided_tail(t: f64, degrees: u32) -> f64 {
    let n = f64::from(degrees);
    let c = n / (n + t * t);
    // `1 - c` would lose digits for a small t, and `t * t` may overflow for a large one.
    let sine = if t < FARTHEST { t / (n + t * t).sqrt() } else { 1.0 };
    if t * t < n {
        (1.0 - sine * sum_of_terms(c, 0, degrees / 2)).max(0.0)
    } else {
        sine * sum_of_terms(c, degrees / 2, degrees / 2 + TERMS_OF_REST)
    }
}

/// Returns the `t` whose tail is `tail`, between 0 and 1.
pub(super) fn critical(tail: f64, degrees: u32) -> f64 {
    let (mut low, mut high) = (0.0, FARTHEST);
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        if tail < two_sided_tail(middle, degrees) {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// Returns the sum of `f(k) c^k` for `from <= k < to`.
fn sum_of_terms(c: f64, from: u32, to: u32) -> f64 {
    let mut term = 1.0;
    let mut sum = 0.0;
    for k in 0..to {
        if from <= k {
            sum += term;
        }
        let odd = f64::from(2 * k + 1);
        term *= c * odd / (odd + 1.0);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) -> bool {
        (found - expected).abs() <= 1e-11 * expected
    }

    #[test]
    fn tails_are_those_of_scipy() {
        // 2 * scipy.stats.t.sf(t, n), scipy 1.17.1.
        for (t, degrees, tail) in SCIPY {
            let found = two_sided_tail(t, degrees);
            assert!(close(found, tail), "t {t} degrees {degrees}: {found:e}, not {tail:e}");
        }
    }

    #[test]
    fn critical_is_the_inverse() {
        for tail in [0.9, 0.05, 0.01, 0.01 / 41.0, 1e-9] {
            let t = critical(tail, 32);
            assert!(close(two_sided_tail(t, 32), tail), "{tail}: {t}");
        }
    }

    #[test]
    fn the_ends_are_one_and_zero() {
        assert!(close(two_sided_tail(0.0, 32), 1.0));
        assert!(two_sided_tail(f64::MAX, 32) <= 0.0);
    }

    const SCIPY: [(f64, u32, f64); 11] = [
        (0.001, 32, 0.9992083237566881),
        (0.5, 32, 0.6204961749568938),
        (1.0, 2, 0.4226497308103742),
        (2.0, 4, 0.11611652351681556),
        (3.0, 32, 0.0051947044058107475),
        (4.1, 32, 0.0002642254004852312),
        (5.6, 32, 3.465981234814356e-06),
        (5.7, 32, 2.5914532058273505e-06),
        (9.0, 32, 2.7957480388823793e-10),
        (20.0, 32, 1.1921419326945262e-19),
        (50.0, 2, 0.00039976015988808057),
    ];
}
