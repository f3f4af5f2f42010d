//! A value over time, in at most [`BINS_MAX`] bins that become as wide as that takes; and hour by hour.
//!
//! Bins begin one second wide, at whole multiples of their width since 1970, and double when there
//! are too many: a function of the times alone, however they were handed in. It must not know what
//! the value is.

use crate::kernel::moments;
use serde::{Deserialize, Serialize};

/// More bins than this are merged two by two.
pub const BINS_MAX: usize = 512;

const SECOND: i64 = 1_000_000_000;
/// An hour, ns.
pub const HOUR: i64 = 3_600 * SECOND;

/// A value over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Width of a bin, ns.
    width: i64,
    /// Number of the first bin, counted in widths since 1970.
    first: i64,
    bins: Vec<Bin>,
}

/// What happened within a span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Time with a value, ns; without any the rest means nothing.
    pub weight: u64,
    /// Sum of value and time, value in steps of 2^-32.
    sum: i128,
    /// Least value.
    pub least: f64,
    /// Greatest value.
    pub greatest: f64,
}

impl Bin {
    /// The value's mean.
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

    /// The value from one time to another, ns since 1970; times do not go back.
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

    /// Makes the bin of a number exist; `false` if bins were doubled instead.
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

    /// Adds what came later.
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

    /// Beginning and width of every bin that has a value, ns, and the bin.
    pub fn bins(&self) -> impl Iterator<Item = (i64, i64, &Bin)> + '_ {
        let all = (self.first..).zip(&self.bins).filter(|(_, bin)| bin.weight != 0);
        all.map(|(number, bin)| (number * self.width, self.width, bin))
    }
}

/// A value hour by hour.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Hours {
    /// Hours since 1970, in order, and what happened in each.
    pub bins: Vec<(i64, Bin)>,
}

impl Hours {
    /// As [`Profile::add`].
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

    /// Adds what came later.
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
