//! The compatible metrics: over the rows of the left venue, each joined to the last quote of the
//! right venue at or before it, with no tolerance.
//!
//! `deviation = (bid_1 / bid_2 - 1) * 100`, in percent. The right venue's last quote from before
//! the unit is passed in. Rows that need it are kept apart, so that a period can begin with any
//! unit.

use serde::{Deserialize, Serialize};

/// Levels of |deviation| above which a row counts, in percent, in the order of the columns.
pub const LEVELS: [f64; 3] = [0.3, 0.5, 0.4];
/// A row whose |deviation| is below this is neutral, in percent.
pub const NEUTRAL: f64 = 0.05;

/// Number of rows computed together.
const BLOCK: usize = 512;
/// 2^53. For ratios up to two, a ratio minus one is a multiple of 2^-53, so the sum is exact.
const STEPS: f64 = 9_007_199_254_740_992.0;
/// Ratios minus one below this are summed in 64 bits within a block: 2^51 steps times 512 rows.
const SMALL: f64 = 0.25;

/// The compatible metrics of one pair.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Compatible {
    /// Rows before the right venue's first quote in the unit.
    before: Section,
    /// All other rows.
    after: Section,
    right_seen: bool,
    /// Times of the left venue's first and last row.
    span: Option<(i64, i64)>,
}

/// The metrics of consecutive rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// Number of rows, including those without a deviation.
    pub rows: u64,
    /// Number of rows with a deviation.
    pub known: u64,
    /// Sum of `bid_1 / bid_2 - 1`, in steps of 2^-53.
    sum: i128,
    /// Least and greatest deviation, in percent.
    pub range: Option<(f64, f64)>,
    /// Number of consecutive rows with deviations of opposite signs.
    pub crossings: u64,
    first_sign: i8,
    last_sign: i8,
    /// Counts by level.
    pub levels: [Level; 3],
    /// Deviation of the last row in percent, if it has one.
    pub last: Option<f64>,
}

/// What a section counts at one level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level {
    /// Rows above the level.
    pub above: u64,
    /// Neutral rows whose predecessor is above the level, among the rows that are either neutral or
    /// above it.
    pub cycles: u64,
    first: Mark,
    last: Mark,
}

/// What a row is relative to a level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Mark {
    #[default]
    None,
    Above,
    Neutral,
}

impl Compatible {
    /// Returns the metrics of `rows` left rows in `span`, none of which has a right quote to join.
    #[must_use]
    pub fn without_right(rows: u64, span: Option<(i64, i64)>) -> Compatible {
        let after = Section { rows, ..Section::default() };
        Compatible { after, span, ..Compatible::default() }
    }

    /// Takes the next rows. All right rows up to the time of the last left row are among these or
    /// were taken before. `carried` is the right venue's last bid before these rows.
    pub fn take(&mut self, left: (&[i64], &[f64]), right: (&[i64], &[f64]), carried: Option<f64>) {
        let ((times, bids), (right_times, right_bids)) = (left, right);
        if let (Some(first), Some(last)) = (times.first(), times.last()) {
            self.span = Some((self.span.map_or(*first, |span| span.0), *last));
        }
        let early = match right_times.first() {
            _ if self.right_seen => 0,
            Some(first) => times.partition_point(|time| time < first),
            None => times.len(),
        };
        self.before.take_constant(&bids[..early], carried);
        if early == times.len() {
            self.right_seen |= !right_times.is_empty();
            return;
        }
        self.right_seen = true;
        let carried = carried.unwrap_or(f64::NAN);
        join((&times[early..], &bids[early..]), (right_times, right_bids), carried, |ratios| {
            self.after.take_ratios(ratios);
        });
    }

    /// Appends the metrics of the next unit. `carried` says whether the quotes that were passed to
    /// it from before belong to the period.
    pub fn merge(&mut self, later: &Compatible, carried: bool) {
        if carried {
            self.after.append(&later.before);
        } else {
            self.after.append(&later.before.without_right());
        }
        self.after.append(&later.after);
        self.span = match (self.span, later.span) {
            (Some((first, _)), Some((_, last))) => Some((first, last)),
            (mine, theirs) => mine.or(theirs),
        };
    }

    /// Returns the metrics of the period, once all units were merged into an empty one.
    #[must_use]
    pub fn total(&self) -> &Section {
        &self.after
    }

    /// Returns the time from the left venue's first row to its last, in ns.
    #[must_use]
    pub fn duration_ns(&self) -> i64 {
        self.span.map_or(0, |(first, last)| last - first)
    }
}

/// Passes the ratios of bids to `each` in blocks. Every left row has a right row at or before it,
/// or uses `carried`.
fn join(
    left: (&[i64], &[f64]),
    right: (&[i64], &[f64]),
    mut carried: f64,
    mut each: impl FnMut(&mut [f64]),
) {
    let (mut right_times, mut right_bids) = right;
    let mut ratios = [0.0; BLOCK];
    let mut joined = [0.0; BLOCK];
    for (times, bids) in left.0.chunks(BLOCK).zip(left.1.chunks(BLOCK)) {
        let mut next = 0;
        for (time, joined) in times.iter().zip(&mut joined) {
            while right_times.get(next).is_some_and(|right| right <= time) {
                carried = right_bids[next];
                next += 1;
            }
            *joined = carried;
        }
        (right_times, right_bids) = (&right_times[next..], &right_bids[next..]);
        let ratios = &mut ratios[..times.len()];
        for ((ratio, bid), joined) in ratios.iter_mut().zip(bids).zip(&joined) {
            *ratio = bid / joined - 1.0;
        }
        each(ratios);
    }
}

impl Section {
    /// Returns the mean deviation in percent, over the rows that have one.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "the last rounding before a figure is shown")]
    pub fn mean(&self) -> Option<f64> {
        (0 < self.known).then(|| self.sum as f64 / STEPS / self.known as f64 * 100.0)
    }

    /// Takes rows that all join the same right bid, or none.
    fn take_constant(&mut self, bids: &[f64], right: Option<f64>) {
        let Some(right) = right else {
            self.append(&Section { rows: bids.len() as u64, ..Section::default() });
            return;
        };
        let mut ratios = [0.0; BLOCK];
        for bids in bids.chunks(BLOCK) {
            let ratios = &mut ratios[..bids.len()];
            for (ratio, bid) in ratios.iter_mut().zip(bids) {
                *ratio = bid / right - 1.0;
            }
            self.take_ratios(ratios);
        }
    }

    /// Returns the same rows as if there had been nothing to join them to.
    fn without_right(&self) -> Section {
        Section { rows: self.rows, ..Section::default() }
    }

    /// Takes at most [`BLOCK`] rows as ratios minus one, and turns them into deviations in place.
    #[inline]
    fn take_ratios(&mut self, ratios: &mut [f64]) {
        let (mut least, mut greatest) = (f64::INFINITY, f64::NEG_INFINITY);
        let mut nearest = f64::INFINITY;
        for ratio in ratios.iter() {
            (least, greatest) = (least.min(*ratio), greatest.max(*ratio));
            nearest = nearest.min(ratio.abs());
        }
        self.sum += sum(ratios, least, greatest);
        for ratio in ratios.iter_mut() {
            *ratio *= 100.0;
        }
        let deviations = ratios;
        self.count_crossings(deviations, least, greatest);
        let (low, high) = self.range.unwrap_or((f64::INFINITY, f64::NEG_INFINITY));
        self.range = Some((low.min(least * 100.0), high.max(greatest * 100.0)));
        let farthest = (least * 100.0).abs().max((greatest * 100.0).abs());
        for (level, above) in self.levels.iter_mut().zip(LEVELS) {
            if farthest <= above {
                if nearest * 100.0 < NEUTRAL {
                    level.mark(Mark::Neutral);
                }
            } else {
                level.take(deviations, above);
            }
        }
        self.last = deviations.last().copied();
        self.rows += deviations.len() as u64;
        self.known += deviations.len() as u64;
    }

    #[inline]
    fn count_crossings(&mut self, deviations: &[f64], least: f64, greatest: f64) {
        let (Some(first), Some(last)) = (deviations.first(), deviations.last()) else { return };
        if self.rows == 0 {
            self.first_sign = sign(*first);
        }
        self.crossings += u64::from(opposite(self.last_sign, sign(*first)));
        if least < 0.0 && 0.0 < greatest {
            let pairs = deviations.iter().zip(&deviations[1..]);
            let crossed = |(a, b): (&f64, &f64)| {
                u64::from((*a < 0.0) & (0.0 < *b)) + u64::from((0.0 < *a) & (*b < 0.0))
            };
            self.crossings += pairs.map(crossed).sum::<u64>();
        }
        self.last_sign = sign(*last);
    }

    /// Appends the rows that follow.
    fn append(&mut self, later: &Section) {
        if later.rows == 0 {
            return;
        }
        self.crossings += later.crossings;
        if self.rows == 0 {
            self.first_sign = later.first_sign;
        } else {
            self.crossings += u64::from(opposite(self.last_sign, later.first_sign));
        }
        self.last_sign = later.last_sign;
        self.rows += later.rows;
        self.known += later.known;
        self.sum += later.sum;
        if let Some((least, greatest)) = later.range {
            let (low, high) = self.range.unwrap_or((least, greatest));
            self.range = Some((low.min(least), high.max(greatest)));
        }
        for (level, later) in self.levels.iter_mut().zip(&later.levels) {
            level.append(*later);
        }
        self.last = later.last;
    }
}

/// Returns the sum of ratios minus one, in steps of 2^-53.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the first is bounded, the second saturates")]
fn sum(ratios: &[f64], least: f64, greatest: f64) -> i128 {
    if -SMALL < least && greatest < SMALL {
        return i128::from(ratios.iter().map(|ratio| (ratio * STEPS) as i64).sum::<i64>());
    }
    ratios.iter().map(|ratio| (ratio * STEPS) as i128).sum()
}

fn sign(value: f64) -> i8 {
    i8::from(0.0 < value) - i8::from(value < 0.0)
}

fn opposite(a: i8, b: i8) -> bool {
    a * b < 0
}

impl Level {
    fn take(&mut self, deviations: &[f64], above: f64) {
        for deviation in deviations {
            let size = deviation.abs();
            if above < size {
                self.above += 1;
                self.mark(Mark::Above);
            } else if size < NEUTRAL {
                self.mark(Mark::Neutral);
            }
        }
    }

    #[inline]
    fn mark(&mut self, mark: Mark) {
        if self.first == Mark::None {
            self.first = mark;
        }
        self.cycles += u64::from(self.last == Mark::Above && mark == Mark::Neutral);
        self.last = mark;
    }

    fn append(&mut self, later: Level) {
        self.above += later.above;
        self.cycles += later.cycles;
        if later.first != Mark::None {
            self.mark(later.first);
            self.last = later.last;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definitions, row by row.
    fn naive(deviations: &[Option<f64>]) -> (u64, u64, [(u64, u64); 3]) {
        let mut crossings = 0;
        for pair in deviations.windows(2) {
            if let [Some(a), Some(b)] = pair {
                crossings += u64::from(a * b < 0.0);
            }
        }
        let level = |above: f64| {
            let (mut count, mut cycles, mut was) = (0, 0, false);
            for deviation in deviations.iter().flatten() {
                if above < deviation.abs() {
                    (count, was) = (count + 1, true);
                } else if deviation.abs() < NEUTRAL && was {
                    (cycles, was) = (cycles + 1, false);
                }
            }
            (count, cycles)
        };
        (deviations.len() as u64, crossings, LEVELS.map(level))
    }

    proptest::proptest! {
        #[test]
        fn sections_are_the_definitions_however_they_are_cut(
            steps in proptest::collection::vec(-70_i32..70, 1..200),
            cuts in proptest::collection::vec(0_usize..200, 0..6),
            carried in proptest::option::of(95_i32..105),
        ) {
            let bids: Vec<f64> = steps.iter().map(|s| 100.0 + f64::from(*s) / 100.0).collect();
            let times: Vec<i64> = (0..bids.len()).map(|t| i64::try_from(t).unwrap() * 2).collect();
            // The right venue has a quote at every third left row, from the sixth on.
            let right: Vec<(i64, f64)> = times.iter().skip(5).step_by(3)
                .map(|t| (*t, if t % 4 == 0 { 100.0 } else { 100.05 })).collect();
            let (right_times, right_bids): (Vec<i64>, Vec<f64>) = right.iter().copied().unzip();
            let carried = carried.map(f64::from);
            let deviations: Vec<Option<f64>> = times.iter().zip(&bids).map(|(time, bid)| {
                let last = right.iter().rev().find(|(t, _)| t <= time).map(|(_, b)| *b);
                last.or(carried).map(|right| (bid / right - 1.0) * 100.0)
            }).collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(bids.len())).collect();
            cuts.extend([0, bids.len()]);
            cuts.sort_unstable();
            let mut unit = Compatible::default();
            let mut last = carried;
            for cut in cuts.windows(2) {
                let (from, to) = (cut[0], cut[1]);
                let begin = times.get(from).copied().unwrap_or(i64::MAX);
                let end = times.get(to).copied().unwrap_or(i64::MAX);
                let first = right_times.partition_point(|t| *t < begin);
                let until = right_times.partition_point(|t| *t < end);
                unit.take((&times[from..to], &bids[from..to]),
                    (&right_times[first..until], &right_bids[first..until]), last);
                last = right_bids[first..until].last().copied().or(last);
            }
            let mut total = Compatible::default();
            total.merge(&unit, true);
            let section = total.total();
            let (rows, crossings, levels) = naive(&deviations);
            proptest::prop_assert_eq!(section.rows, rows);
            proptest::prop_assert_eq!(section.crossings, crossings);
            proptest::prop_assert_eq!(section.levels.map(|l| (l.above, l.cycles)), levels);
            let known: Vec<f64> = deviations.iter().flatten().copied().collect();
            proptest::prop_assert_eq!(section.known, known.len() as u64);
            proptest::prop_assert_eq!(section.last, deviations[deviations.len() - 1]);
            if !known.is_empty() {
                let mean = known.iter().sum::<f64>() / known.len() as f64;
                proptest::prop_assert!((section.mean().unwrap() - mean).abs() < 1e-12);
                let most = known.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                proptest::prop_assert_eq!(section.range.map(|range| range.1), Some(most));
            }
        }
    }
}
