//! A value over time, in at most [`BINS_MAX`] bins that are as wide as that requires; and hour by
//! hour.
//!
//! Bins begin one second wide, aligned to whole multiples of their width since 1970, and double in
//! width whenever there are too many. They depend on the times alone, not on how the values came
//! in.

use crate::kernel::moments;
use serde::{Deserialize, Serialize};

/// With more bins than this, bins are merged two by two.
pub const BINS_MAX: usize = 512;

const SECOND: i64 = 1_000_000_000;
/// One hour, in ns.
pub const HOUR: i64 = 3_600 * SECOND;

/// A value over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Width of a bin, in ns.
    width: i64,
    /// Number of the first bin, counted in widths since 1970.
    first: i64,
    bins: Vec<Bin>,
}

/// What happened within a span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Time with a value, in ns; at 0 the other fields mean nothing.
    pub weight: u64,
    /// Sum of value times ns, the value in steps of 2^-32.
    sum: i128,
    /// Least value.
    pub least: f64,
    /// Greatest value.
    pub greatest: f64,
}

impl Bin {
    /// Returns the mean of the value over the bin's time.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "the last rounding before a figure is shown")]
    pub fn mean(&self) -> f64 {
        self.sum as f64 / STEPS / (self.weight.max(1)) as f64
    }

    fn add(&mut self, value: f64, weight: u64) {
        let steps = moments::steps(value);
        let one = Bin {
            weight,
            sum: i128::from(steps) * i128::from(weight),
            least: value,
            greatest: value,
        };
        self.merge(&one);
    }

    fn merge(&mut self, other: &Bin) {
        if self.weight == 0 || other.weight == 0 {
            if self.weight == 0 {
                *self = *other;
            }
            return;
        }
        self.weight += other.weight;
        self.sum += other.sum;
        self.least = self.least.min(other.least);
        self.greatest = self.greatest.max(other.greatest);
    }
}

const STEPS: f64 = 4_294_967_296.0;

impl Default for Profile {
    fn default() -> Profile {
        Profile::of_width(SECOND, BINS_MAX)
    }
}

impl Profile {
    fn of_width(width: i64, room: usize) -> Profile {
        Profile { width, first: 0, bins: Vec::with_capacity(room.min(BINS_MAX)) }
    }

    /// Adds a value that lasted from one time to another, in ns since 1970. Times must not go
    /// backwards.
    pub fn add(&mut self, from: i64, to: i64, value: f64) {
        let mut at = from;
        while at < to {
            let number = at.div_euclid(self.width);
            let end = to.min((number + 1) * self.width);
            if !self.make_room(number) {
                continue;
            }
            let place = usize::try_from(number - self.first).unwrap_or(0);
            self.bins[place].add(value, end.abs_diff(at));
            at = end;
        }
    }

    /// Makes room for a bin. Returns `false` if the bins were doubled in width instead.
    fn make_room(&mut self, number: i64) -> bool {
        if self.bins.is_empty() {
            self.first = number;
        }
        let needed = usize::try_from(number - self.first).unwrap_or(usize::MAX).saturating_add(1);
        if BINS_MAX < needed {
            self.double();
            return false;
        }
        if self.bins.len() < needed {
            self.bins.resize(needed, Bin::default());
        }
        true
    }

    fn double(&mut self) {
        let first = self.first.div_euclid(2);
        let mut bins: Vec<Bin> = Vec::new();
        for (number, bin) in (self.first..).zip(&self.bins) {
            let place = usize::try_from(number.div_euclid(2) - first).unwrap_or(0);
            bins.resize(bins.len().max(place + 1), Bin::default());
            bins[place].merge(bin);
        }
        (self.first, self.bins, self.width) = (first, bins, self.width * 2);
    }

    /// Adds a later profile.
    pub fn merge(&mut self, later: &Profile) {
        let mut later = later.clone();
        while self.width < later.width && !self.bins.is_empty() {
            self.double();
        }
        if self.bins.is_empty() {
            *self = later;
            return;
        }
        if later.bins.is_empty() {
            return;
        }
        loop {
            while later.width < self.width {
                later.double();
            }
            let last = later.first + i64::try_from(later.bins.len()).unwrap_or(0) - 1;
            if self.make_room(last) {
                break;
            }
        }
        for (number, bin) in (later.first..).zip(&later.bins) {
            let place = usize::try_from(number - self.first).unwrap_or(0);
            self.bins[place].merge(bin);
        }
    }

    /// Returns the beginning and width in ns of every bin that has a value, and the bin.
    pub fn bins(&self) -> impl Iterator<Item = (i64, i64, &Bin)> + '_ {
        let all = (self.first..).zip(&self.bins).filter(|(_, bin)| bin.weight != 0);
        all.map(|(number, bin)| (number * self.width, self.width, bin))
    }
}

/// A value hour by hour.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Hours {
    /// Hours since 1970, in order, with what happened in each.
    pub bins: Vec<(i64, Bin)>,
}

impl Hours {
    /// Adds a value as [`Profile::add`] does.
    pub fn add(&mut self, from: i64, to: i64, value: f64) {
        let mut at = from;
        while at < to {
            let hour = at.div_euclid(HOUR);
            let end = to.min((hour + 1) * HOUR);
            if self.bins.last().is_none_or(|(last, _)| *last != hour) {
                self.bins.push((hour, Bin::default()));
            }
            if let Some((_, bin)) = self.bins.last_mut() {
                bin.add(value, end.abs_diff(at));
            }
            at = end;
        }
    }

    /// Adds the hours of a later period.
    pub fn merge(&mut self, later: &Hours) {
        for (hour, bin) in &later.bins {
            match self.bins.last_mut() {
                Some((last, mine)) if last == hour => mine.merge(bin),
                Some(_) | None => self.bins.push((*hour, *bin)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_double_and_merge_to_the_same_however_they_came() {
        let start = 1_723_161_254_087_891_268;
        let pieces: Vec<(i64, i64, f64)> = (0..900)
            .map(|n: i64| {
                let from = start + n * 2_300_000_000;
                (from, from + 1_700_000_000, f64::from(i32::try_from(n % 19).unwrap()) * 1e-4)
            })
            .collect();
        let whole = |pieces: &[(i64, i64, f64)]| {
            let mut profile = Profile::default();
            pieces.iter().for_each(|(from, to, value)| profile.add(*from, *to, *value));
            profile
        };
        let all = whole(&pieces);
        assert!(all.bins.len() <= BINS_MAX && 4 * SECOND <= all.width, "{}", all.width);
        let weight: u64 = all.bins().map(|(_, _, bin)| bin.weight).sum();
        assert_eq!(weight, 900 * 1_700_000_000);
        for cut in [0, 1, 300, 899, 900] {
            let mut merged = whole(&pieces[..cut]);
            merged.merge(&whole(&pieces[cut..]));
            assert_eq!(merged, all, "cut at {cut}");
        }
        let mut halves = pieces.clone();
        halves.splice(
            0..1,
            [
                (pieces[0].0, pieces[0].0 + 5, pieces[0].2),
                (pieces[0].0 + 5, pieces[0].1, pieces[0].2),
            ],
        );
        assert_eq!(whole(&halves), all);
    }
}
