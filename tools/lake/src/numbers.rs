//! Sets of journal sequence numbers, to find missing and duplicate ones.
//!
//! A set has one bit per number, in chunks that exist only where numbers are. A single wrong number
//! far away therefore costs little memory.

use std::collections::BTreeMap;

/// Number of bits in a chunk.
const CHUNK: u64 = 1 << 16;
const WORDS: usize = (CHUNK / 64) as usize;

/// A set of numbers.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    chunks: BTreeMap<u64, Box<[u64; WORDS]>>,
}

/// Numbers from `first` to `last`, both inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Range {
    /// First number.
    pub first: u64,
    /// Last number.
    pub last: u64,
}

impl Range {
    /// Returns how many numbers the range has.
    #[must_use]
    pub fn count(&self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.first == self.last {
            return write!(f, "{}", self.first);
        }
        write!(f, "{} to {}", self.first, self.last)
    }
}

impl Numbers {
    /// Adds a number and returns whether it is new.
    pub fn insert(&mut self, number: u64) -> bool {
        let chunk = self.chunks.entry(number / CHUNK).or_insert_with(|| Box::new([0; WORDS]));
        let (word, bit) = place(number);
        let new = chunk[word] & bit == 0;
        chunk[word] |= bit;
        new
    }

    /// Returns whether the set contains a number.
    #[must_use]
    pub fn contains(&self, number: u64) -> bool {
        let (word, bit) = place(number);
        self.chunks.get(&(number / CHUNK)).is_some_and(|chunk| chunk[word] & bit != 0)
    }

    /// Returns the numbers of a range that are missing, as at most `limit` ranges in order, and the
    /// total count of missing numbers.
    #[must_use]
    pub fn missing(&self, range: Range, limit: usize) -> (Vec<Range>, u64) {
        let (mut found, mut count): (Vec<Range>, u64) = (Vec::new(), 0);
        let mut next = range.first;
        let mut miss = |first: u64, last: u64| {
            count = count.saturating_add(Range { first, last }.count());
            let room = found.len() < limit;
            match found.last_mut() {
                Some(before) if before.last.checked_add(1) == Some(first) => before.last = last,
                Some(_) | None if room => found.push(Range { first, last }),
                Some(_) | None => {}
            }
        };
        while next <= range.last {
            let chunk_last = (next / CHUNK * CHUNK).saturating_add(CHUNK - 1).min(range.last);
            match self.chunks.get(&(next / CHUNK)) {
                // NB: a range may span more chunks than there are atoms. A hole without chunks is
                // one step.
                None => {
                    let after = self.chunks.range(next / CHUNK..).next();
                    let last = after.map_or(range.last, |(chunk, _)| chunk * CHUNK - 1);
                    let last = last.min(range.last);
                    miss(next, last);
                    let Some(after) = last.checked_add(1) else { break };
                    next = after;
                    continue;
                }
                Some(_) => {
                    (next..=chunk_last).filter(|n| !self.contains(*n)).for_each(|n| miss(n, n));
                }
            }
            let Some(after) = chunk_last.checked_add(1) else { break };
            next = after;
        }
        (found, count)
    }
}

fn place(number: u64) -> (usize, u64) {
    let at = number % CHUNK;
    (usize::try_from(at / 64).unwrap_or(0), 1 << (at % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_in_ranges() {
        let mut numbers = Numbers::default();
        for number in [3, 4, 9, CHUNK - 1, CHUNK, 5 * CHUNK + 7] {
            assert!(numbers.insert(number));
            assert!(!numbers.insert(number), "{number} was inserted");
        }
        let range = |first, last| Range { first, last };
        let (missing, count) = numbers.missing(range(2, 5 * CHUNK + 9), 10);
        let wanted = [
            range(2, 2),
            range(5, 8),
            range(10, CHUNK - 2),
            range(CHUNK + 1, 5 * CHUNK + 6),
            range(5 * CHUNK + 8, 5 * CHUNK + 9),
        ];
        assert_eq!(missing, wanted);
        assert_eq!(count, wanted.iter().map(Range::count).sum::<u64>());
        assert_eq!(numbers.missing(range(2, 100), 1).0, [range(2, 2)]);
        assert_eq!(numbers.missing(range(3, 4), 10), (vec![], 0));
        let far = range(6 * CHUNK, u64::MAX);
        assert_eq!(numbers.missing(far, 10).0, [far]);
        assert_eq!(numbers.missing(range(0, u64::MAX), 10).0.len(), 5);
    }
}
