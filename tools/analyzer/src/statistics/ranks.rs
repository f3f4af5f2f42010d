//! Ranks, and Spearman's correlation of two lists by their ranks.
//!
//! Equal values share the mean of the ranks that they take. Reference: `scipy.stats.rankdata` and
//! `scipy.stats.spearmanr`.

/// Returns the rank of every value, from 1; equal values share their mean rank. Values must be
/// finite.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub fn average(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut taken = 0;
    for equal in order.chunk_by(|&a, &b| values[b] <= values[a]) {
        let mean = taken as f64 + (equal.len() + 1) as f64 / 2.0;
        equal.iter().for_each(|&at| ranks[at] = mean);
        taken += equal.len();
    }
    ranks
}

/// Returns Spearman's rank correlation, -1 to 1: Pearson's correlation of the average ranks. `None`
/// if the lists differ in length, have fewer than three values, or one of them has no order.
#[must_use]
pub fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    if a.len() != b.len() || a.len() < 3 {
        return None;
    }
    pearson(&average(a), &average(b))
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn pearson(a: &[f64], b: &[f64]) -> Option<f64> {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let [mut aa, mut ab, mut bb] = [0.0; 3];
    for (x, y) in a.iter().zip(b) {
        let (x, y) = (x - mean_a, y - mean_b);
        aa += x * x;
        ab += x * y;
        bb += y * y;
    }
    let scale = (aa * bb).sqrt();
    (0.0 < scale).then(|| (ab / scale).clamp(-1.0, 1.0))
}
