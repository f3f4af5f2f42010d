//! Means of blocks of samples: a series that stays short however long it is recorded.
//!
//! A block begins [`SHORTEST`] samples wide, aligned to whole multiples of its width on the sampling
//! grid, and doubles in width whenever there are more than [`BLOCKS_MAX`]. Within a block, noise of
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
    blocks: Vec<Block>,
}

/// The samples of one block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Block {
    count: u64,
    /// Sum of the levels, relative to the origin of the series.
    sum: f64,
}

impl Blocks {
    /// Adds a sample: its number on the grid, which must not go backwards, and its level.
    #[inline]
    pub(super) fn add(&mut self, number: i64, level: f64) {
        if self.blocks.is_empty() {
            self.first = number >> self.bits();
        }
        let place = self.place_of(number);
        let block = &mut self.blocks[place];
        block.count += 1;
        block.sum += level;
    }

    #[inline]
    fn bits(&self) -> u32 {
        SHORTEST_BITS + self.doubled
    }

    /// Returns the place of a sample's block, which exists from then on.
    #[inline]
    fn place_of(&mut self, number: i64) -> usize {
        loop {
            let block = number >> self.bits();
            let place = usize::try_from(block - self.first).unwrap_or(0);
            if place < self.blocks.len() {
                return place;
            }
            if place < BLOCKS_MAX {
                self.blocks.resize(place + 1, Block::default());
                return place;
            }
            self.double();
        }
    }

    fn double(&mut self) {
        let first = self.first >> 1;
        let mut blocks: Vec<Block> = Vec::with_capacity(BLOCKS_MAX);
        for (number, block) in (self.first..).zip(&self.blocks) {
            let place = usize::try_from((number >> 1) - first).unwrap_or(0);
            blocks.resize(blocks.len().max(place + 1), Block::default());
            blocks[place].count += block.count;
            blocks[place].sum += block.sum;
        }
        (self.first, self.blocks, self.doubled) = (first, blocks, self.doubled + 1);
    }

    /// Adds the blocks of a later unit, whose origin lies `by` above this one's.
    pub(super) fn merge(&mut self, later: &Blocks, by: f64) {
        if later.blocks.is_empty() {
            return;
        }
        let mut later = later.clone();
        if self.blocks.is_empty() {
            (self.first, self.doubled) = (later.first, later.doubled);
        }
        while self.doubled < later.doubled {
            self.double();
        }
        loop {
            while later.doubled < self.doubled {
                later.double();
            }
            let last = later.first + i64::try_from(later.blocks.len()).unwrap_or(0) - 1;
            self.place_of(last << self.bits());
            if self.doubled == later.doubled {
                break;
            }
        }
        for (number, block) in (later.first..).zip(&later.blocks) {
            let place = usize::try_from(number - self.first).unwrap_or(0);
            #[expect(clippy::cast_precision_loss, reason = "counts of samples are far below 2^53")]
            let shift = by * block.count as f64;
            self.blocks[place].count += block.count;
            self.blocks[place].sum += block.sum + shift;
        }
    }

    /// Returns the width of a block, in samples.
    #[must_use]
    pub fn width(&self) -> u64 {
        1 << self.bits()
    }

    /// Returns the mean of every block relative to the origin, in order; not a number where fewer
    /// than half of its samples exist.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of samples are far below 2^53")]
    pub fn means(&self) -> Vec<f64> {
        let width = self.width();
        let mean = |block: &Block| {
            if 2 * block.count < width { f64::NAN } else { block.sum / block.count as f64 }
        };
        self.blocks.iter().map(mean).collect()
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
                assert!(!half || mean == sum / f64::from(i32::try_from(count).unwrap()));
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
    fn a_gap_leaves_blocks_without_a_mean_and_an_origin_moves() {
        let mut one = of(0..64);
        let two = of(128..192);
        one.merge(&two, 0.5);
        assert_eq!(one.means().iter().filter(|mean| mean.is_nan()).count(), 8);
        assert!((one.means()[16] - two.means()[0] - 0.5).abs() < 1e-15);
        let mut nothing = Blocks::default();
        nothing.merge(&two, 0.0);
        assert_eq!(nothing, two);
        nothing.merge(&Blocks::default(), 3.0);
        assert_eq!(nothing, two);
    }
}
