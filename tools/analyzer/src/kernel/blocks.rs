//! Means of blocks of samples: a series that stays short however long it is recorded.
//!
//! A block begins [`SHORTEST`] samples wide, aligned to whole multiples of its width on the sampling
//! grid, and doubles in width whenever more than [`BLOCKS_MAX`] have samples. Within a block, noise of
//! single samples averages out, but a random walk does not. What a unit-root test can tell depends
//! on the time observed and hardly on the number of values, so few blocks are enough.

use serde::{Deserialize, Serialize};

/// Width of the first blocks, in samples: a power of two.
pub const SHORTEST: u32 = 1 << SHORTEST_BITS;

const SHORTEST_BITS: u32 = 3;

/// With more blocks than this, blocks are merged two by two.
pub const BLOCKS_MAX: usize = 512;

/// The blocks of one unit, or of several.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Blocks {
    /// Number of times that the width has doubled.
    doubled: u32,
    /// Number of the first block, counted in widths since sample 0.
    first: i64,
    /// The blocks that have samples, in order.
    blocks: Vec<Block>,
}

/// The samples of one block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Block {
    /// Number of blocks since the first one.
    place: u64,
    count: u64,
    /// Sum of the levels, relative to the origin of the series.
    sum: f64,
}

impl Blocks {
    /// Adds a sample: its number on the grid, which must not go backwards, and its level.
    #[inline]
    pub(super) fn add(&mut self, number: i64, level: f64) {
        let block = number >> self.bits();
        match self.blocks.last_mut() {
            Some(last) if self.first.wrapping_add_unsigned(last.place) == block => {
                last.count += 1;
                last.sum += level;
            }
            Some(_) | None => self.push(block, 1, level),
        }
    }

    #[inline]
    fn bits(&self) -> u32 {
        SHORTEST_BITS + self.doubled
    }

    /// Adds samples to a block of this number, which is the last one or comes after it.
    fn push(&mut self, number: i64, count: u64, sum: f64) {
        if self.blocks.is_empty() {
            self.first = number;
        }
        let place = number.abs_diff(self.first);
        match self.blocks.last_mut().filter(|last| last.place == place) {
            Some(last) => {
                last.count += count;
                last.sum += sum;
            }
            None => self.blocks.push(Block { place, count, sum }),
        }
        while BLOCKS_MAX < self.blocks.len() {
            self.double();
        }
    }

    fn double(&mut self) {
        let (first, blocks) = (self.first, std::mem::take(&mut self.blocks));
        self.doubled += 1;
        for block in blocks {
            let number = first.wrapping_add_unsigned(block.place) >> 1;
            self.push(number, block.count, block.sum);
        }
    }

    /// Adds the blocks of a later unit, whose origin lies `by` above this one's.
    pub(super) fn merge(&mut self, later: &Blocks, by: f64) {
        while self.doubled < later.doubled {
            self.double();
        }
        for block in &later.blocks {
            let number = later.first.wrapping_add_unsigned(block.place);
            #[expect(clippy::cast_precision_loss, reason = "counts of samples are far below 2^53")]
            let sum = block.sum + by * block.count as f64;
            self.push(number << later.doubled >> self.doubled, block.count, sum);
        }
    }

    /// Returns the width of a block, in samples.
    #[must_use]
    pub fn width(&self) -> u64 {
        1 << self.bits()
    }

    /// Returns the mean of every block relative to the origin, in order. A block with fewer than
    /// half of its samples is not a number, and so is one that stands for a gap.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of samples are far below 2^53")]
    pub fn means(&self) -> Vec<f64> {
        let (width, mut next) = (self.width(), 0);
        let mut means = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            if next < block.place {
                means.push(f64::NAN);
            }
            next = block.place + 1;
            let known = width <= 2 * block.count;
            means.push(if known { block.sum / block.count as f64 } else { f64::NAN });
        }
        means
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sums of multiples of a quarter are exact.
    fn level(number: i64) -> f64 {
        f64::from(i32::try_from(number.rem_euclid(97)).unwrap()) / 4.0
    }

    fn of(numbers: impl Iterator<Item = i64>) -> Blocks {
        let mut blocks = Blocks::default();
        numbers.for_each(|number| blocks.add(number, level(number)));
        blocks
    }

    #[test]
    fn blocks_are_the_means_of_aligned_samples_however_they_came() {
        let start = 1_723_161_254;
        for length in [100_i64, 4_000, 5_000, 90_000] {
            let all = of(start..start + length);
            assert!(all.blocks.len() <= BLOCKS_MAX);
            let width = i64::try_from(all.width()).unwrap();
            for (number, mean) in (start / width..).zip(all.means()) {
                let within =
                    (number * width).max(start)..((number + 1) * width).min(start + length);
                let count = within.end - within.start;
                let sum: f64 = within.map(level).sum();
                let half = width <= 2 * count;
                assert_eq!(mean.is_nan(), !half, "{length} {number}");
                let expected = sum / f64::from(i32::try_from(count).unwrap());
                assert!(!half || (mean - expected).abs() < 1e-12);
            }
            for cut in [1, 77, length / 3, length - 1] {
                let (from, to) = (start + cut, start + length);
                let mut merged = of(start..from);
                merged.merge(&of(from..to), 0.0);
                assert_eq!(merged, all, "{length} cut at {cut}");
            }
        }
    }

    #[test]
    fn an_hour_a_day_has_blocks_as_fine_as_its_samples_allow() {
        let mut month = Blocks::default();
        for day in 0..30_i64 {
            month.merge(&of(day * 86_400..day * 86_400 + 3_600), 0.0);
        }
        assert_eq!(month.width(), 256);
        assert!(400 < month.means().iter().filter(|mean| mean.is_finite()).count());
    }

    #[test]
    fn a_gap_leaves_blocks_without_a_mean_and_an_origin_moves() {
        let mut one = of(0..64);
        let two = of(128..192);
        one.merge(&two, 0.5);
        assert_eq!(one.means().iter().position(|mean| mean.is_nan()), Some(8));
        assert_eq!(one.means().len(), 17);
        assert!((one.means()[9] - two.means()[0] - 0.5).abs() < 1e-15);
        let mut nothing = Blocks::default();
        nothing.merge(&two, 0.0);
        assert_eq!(nothing, two);
        nothing.merge(&Blocks::default(), 3.0);
        assert_eq!(nothing, two);
    }
}
