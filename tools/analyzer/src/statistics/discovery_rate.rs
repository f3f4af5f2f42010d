//! p-values of many tests, adjusted so that among those below a limit the expected share of false
//! ones is at most the limit.
//!
//! Benjamini and Hochberg, J. R. Stat. Soc. B 57 (1995) 289: for the i-th smallest of m p-values
//! `adjusted(i) = min over j >= i of p(j) m / j`, at most 1. This holds for independent tests and
//! for positively dependent ones, as tests of pairs that share a venue mostly are. Reference:
//! `scipy.stats.false_discovery_control(method="bh")`.

/// Returns the adjusted p-values, in the order of the given ones. Each must be between 0 and 1.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of tests are far below 2^53")]
pub fn benjamini_hochberg(p_values: &[f64]) -> Vec<f64> {
    let count = p_values.len() as f64;
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut least: f64 = 1.0;
    for (rank, &at) in order.iter().enumerate().rev() {
        least = least.min(p_values[at] * count / (rank + 1) as f64);
        adjusted[at] = least;
    }
    adjusted
}
