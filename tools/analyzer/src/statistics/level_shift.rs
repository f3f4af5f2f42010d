//! The times at which the level of a series moved, and by how much.
//!
//! Binary segmentation: the series, as means of equal bins, is split where two means explain most of
//! it, and the parts are split on, up to [`SHIFTS_MAX`] times. Each split is standardised,
//!
//! `Z = |mean after - mean before| / (omega sqrt(1 / n before + 1 / n after))`,
//!
//! over the two parts beside it. `omega²` is the **long-run variance** of what is left without the
//! shifts, not the variance of a bin: neighbouring bins of a series that reverts slowly are alike,
//! and n of them tell as much as far fewer independent ones. What is left is taken as a process of
//! first order plus noise, with autocovariances `g(1)`, `g(2)`, `g(4)`:
//!
//! `omega² = g(0) + 2 g(1) / (1 - a)`, `a` the largest of `g(1) / g(0)`, `g(2) / g(1)` and
//! `sqrt(g(4) / g(2))`, the last only if `g(2)` is beyond chance, moved up by its bias `parts (1 + 3 a) / n` (Kendall, Biometrika 41 (1954)
//! 403), because every fitted mean takes some of the correlation away. Where that reaches 1, nothing
//! can be told.
//!
//! The number of shifts is the largest whose last split is at least [`CLEAR`]; then the least clear
//! one is dropped as long as it is below that. So two shifts that hide each other are found. Single
//! bins far off their neighbours are pulled in first. References: Vostrikova (1981) for the search;
//! Bai and Perron, Econometrica 66 (1998) 47, for the statistic; simulations in
//! `tools/analyzer/tests/statistics` for its size.

/// A shift of the level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LevelShift {
    /// Index of the first bin after the shift, among the given bins.
    pub at: usize,
    /// Standardised size, 0 or more.
    pub statistic: f64,
    /// Mean after the shift minus mean before, up to the shifts beside it, in the unit of the means.
    pub shift: f64,
    /// Mean from the shift to the next one.
    pub level: f64,
}

/// Number of shifts searched for.
pub const SHIFTS_MAX: usize = 8;

/// A shift is clear from this standardised size on.
pub const CLEAR: f64 = 5.0;

/// Share of the bins that each side of a shift must have.
const LEAST_SHARE: f64 = 0.05;

/// Fewer bins say nothing.
const LEAST_BINS: usize = 100;

/// A bin may be this many times the usual distance away from the middle of its neighbours.
const FAR: f64 = 5.0;

/// Returns the clear shifts of the level in time order, from the means of equal bins. A bin without
/// a mean is not finite. `None` with fewer than 100 means.
#[must_use]
pub fn level_shifts(means: &[f64]) -> Option<Vec<LevelShift>> {
    let places: Vec<usize> = (0..means.len()).filter(|at| means[*at].is_finite()).collect();
    if places.len() < LEAST_BINS {
        return None;
    }
    let values = pulled_in(&places.iter().map(|at| means[*at]).collect::<Vec<_>>());
    let series = Series { places: &places, values: &values };
    let mut cuts = series.clear_cuts();
    loop {
        let sizes = series.sizes(&cuts);
        let least = (0..cuts.len()).min_by(|a, b| sizes[*a].total_cmp(&sizes[*b]));
        match least.filter(|least| sizes[*least] < CLEAR) {
            Some(least) => cuts.remove(least),
            None => return Some(series.shifts(&cuts, &sizes)),
        };
    }
}

/// Pulls values that are far off towards the middle one of five.
fn pulled_in(values: &[f64]) -> Vec<f64> {
    let middle = |at: usize| {
        let from = at.saturating_sub(2).min(values.len() - 5);
        median(&mut values[from..from + 5].to_vec())
    };
    let middles: Vec<f64> = (0..values.len()).map(middle).collect();
    let mut off: Vec<f64> = values.iter().zip(&middles).map(|(v, m)| (v - m).abs()).collect();
    let reach = FAR * 1.4826 * median(&mut off);
    values.iter().zip(middles).map(|(value, m)| value.clamp(m - reach, m + reach)).collect()
}

fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// The known means, and their places among all bins.
struct Series<'a> {
    places: &'a [usize],
    values: &'a [f64],
}

impl Series<'_> {
    /// Splits on until [`SHIFTS_MAX`], and returns the first splits up to the last clear one.
    fn clear_cuts(&self) -> Vec<usize> {
        let (mut cuts, mut clear) = (Vec::new(), 0);
        let mut all: Vec<Vec<usize>> = vec![Vec::new()];
        while cuts.len() < SHIFTS_MAX {
            let Some(next) = self.next_cut(&cuts) else { break };
            let place = cuts.partition_point(|cut| *cut < next);
            cuts.insert(place, next);
            if CLEAR <= self.sizes(&cuts)[place] {
                clear = cuts.len();
            }
            all.push(cuts.clone());
        }
        all.swap_remove(clear)
    }

    /// Returns the parts between cuts.
    fn parts<'c>(&self, cuts: &'c [usize]) -> impl Iterator<Item = (usize, usize)> + use<'c> {
        let begins = std::iter::once(0).chain(cuts.iter().copied());
        begins.zip(cuts.iter().copied().chain([self.values.len()]))
    }

    fn mean(&self, from: usize, to: usize) -> f64 {
        self.values[from..to].iter().sum::<f64>() / float(to - from)
    }

    /// Returns the place that explains most of what is left, in any of the parts.
    fn next_cut(&self, cuts: &[usize]) -> Option<usize> {
        let least = (LEAST_SHARE * float(self.values.len())).ceil();
        let mut best: Option<(f64, usize)> = None;
        for (from, to) in self.parts(cuts) {
            let (mean, mut sum) = (self.mean(from, to), 0.0);
            for at in from + 1..to {
                sum += self.values[at - 1] - mean;
                let (before, after) = (float(at - from), float(to - at));
                let gain = sum * sum * (1.0 / before + 1.0 / after);
                let fits = least <= before && least <= after;
                if fits && best.is_none_or(|(most, _)| most < gain) {
                    best = Some((gain, at));
                }
            }
        }
        best.filter(|(gain, _)| 0.0 < *gain).map(|(_, at)| at)
    }

    /// Returns the standardised size of every shift.
    fn sizes(&self, cuts: &[usize]) -> Vec<f64> {
        let omega = self.long_run_variance(cuts).sqrt();
        let parts: Vec<(usize, usize)> = self.parts(cuts).collect();
        let size = |pair: &[(usize, usize)]| {
            let ((from, at), (_, to)) = (pair[0], pair[1]);
            let shift = (self.mean(at, to) - self.mean(from, at)).abs();
            let error = omega * (1.0 / float(at - from) + 1.0 / float(to - at)).sqrt();
            if shift <= 0.0 { 0.0 } else { shift / error }
        };
        parts.windows(2).map(size).collect()
    }

    /// Returns the long-run variance of a bin without the shifts; infinite if nothing can be told.
    fn long_run_variance(&self, cuts: &[usize]) -> f64 {
        let mut left = vec![f64::NAN; self.places.last().map_or(0, |last| last + 1)];
        for (from, to) in self.parts(cuts) {
            let mean = self.mean(from, to);
            (from..to).for_each(|at| left[self.places[at]] = self.values[at] - mean);
        }
        let n = float(self.values.len());
        let covariance = |lag: usize| {
            let products = left.iter().zip(&left[lag.min(left.len())..]).map(|(a, b)| a * b);
            products.filter(|product| product.is_finite()).sum::<f64>() / n
        };
        let [variance, one, two, four] = [0, 1, 2, 4].map(covariance);
        let chance = 2.0 * variance / n.sqrt();
        if one <= chance {
            return variance + 2.0 * one.max(0.0);
        }
        // Where all but the nearest may be chance, their ratio would be too.
        let slow = if chance < two { (four.max(0.0) / two).sqrt() } else { 0.0 };
        let kept = (one / variance).max(two / one).max(slow).min(1.0);
        let corrected = kept + float(cuts.len() + 1) * (1.0 + 3.0 * kept) / n;
        if 1.0 - 2.0 / n <= corrected {
            return f64::INFINITY;
        }
        variance + 2.0 * one / (1.0 - corrected)
    }

    fn shifts(&self, cuts: &[usize], sizes: &[f64]) -> Vec<LevelShift> {
        let levels: Vec<f64> = self.parts(cuts).map(|(from, to)| self.mean(from, to)).collect();
        let shift = |(at, cut): (usize, &usize)| LevelShift {
            at: self.places[*cut],
            statistic: sizes[at],
            shift: levels[at + 1] - levels[at],
            level: levels[at + 1],
        };
        cuts.iter().enumerate().map(shift).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of bins are far below 2^53")]
fn float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns bins with noise of one size around a level that moves at each of `shifts`.
    fn stepped(shifts: &[(usize, f64)]) -> Vec<f64> {
        let noise = |i: usize| (i * i * 7_919 % 1_009) as f64 / 1_008.0 - 0.5;
        let level = |i: usize| -> f64 {
            shifts.iter().filter(|(at, _)| *at <= i).map(|(_, shift)| shift).sum()
        };
        (0..300).map(|i| noise(i) + level(i)).collect()
    }

    #[test]
    fn steps_are_found_where_they_are_and_as_large_as_they_are() {
        let all: [&[(usize, f64)]; 5] = [
            &[(150, 3.0)],
            &[(20, -2.0)],
            &[(280, 5.0)],
            // Two that hide each other.
            &[(140, 4.0), (160, -4.0)],
            &[(50, 2.0), (100, 2.0), (200, -3.0), (250, 6.0)],
        ];
        for shifts in all {
            let found = level_shifts(&stepped(shifts)).unwrap();
            assert_eq!(found.len(), shifts.len(), "{shifts:?} {found:?}");
            for (found, (at, shift)) in found.iter().zip(shifts) {
                assert!(found.at.abs_diff(*at) <= 1, "{shifts:?} {found:?}");
                assert!((found.shift - shift).abs() < 0.3, "{shifts:?} {found:?}");
            }
            let level: f64 = shifts.iter().map(|(_, shift)| shift).sum();
            assert!((found[found.len() - 1].level - level).abs() < 0.2);
        }
    }

    #[test]
    fn a_spike_or_two_are_no_shift_and_do_not_hide_one() {
        let mut bins = stepped(&[(150, 3.0)]);
        (bins[40], bins[41], bins[260]) = (3_000.0, 3_000.0, -500.0);
        let found = level_shifts(&bins).unwrap();
        assert_eq!(found.iter().map(|shift| shift.at).collect::<Vec<_>>(), [150]);
        let mut bins = stepped(&[]);
        bins[40] = 3_000.0;
        assert_eq!(level_shifts(&bins), Some(Vec::new()));
    }

    #[test]
    fn bins_without_a_mean_are_skipped_and_keep_their_places() {
        let mut bins = stepped(&[(150, 3.0)]);
        bins[100..140].fill(f64::NAN);
        assert_eq!(level_shifts(&bins).unwrap()[0].at, 150);
        assert_eq!(level_shifts(&bins[..50]), None);
        assert_eq!(level_shifts(&[]), None);
    }

    #[test]
    fn a_constant_level_has_no_shift_and_a_bare_step_has_one() {
        assert_eq!(level_shifts(&[1.0; 120]), Some(Vec::new()));
        let step: Vec<f64> = (0..120).map(|i| if i < 60 { 1.0 } else { 2.0 }).collect();
        let found = level_shifts(&step).unwrap();
        assert_eq!((found.len(), found[0].at), (1, 60));
        assert!((found[0].shift - 1.0).abs() < 1e-12);
    }
}
