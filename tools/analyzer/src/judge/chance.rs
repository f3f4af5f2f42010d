//! Random numbers of the bootstrap: `SplitMix64` (Steele, Lea and Flood 2014), seeded by a stated
//! seed and a name. So every pair has draws of its own, which are the same on every machine, with
//! any number of threads, and whatever other pairs there are.

/// The increment of the generator.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// A generator.
#[derive(Clone, Debug)]
pub(super) struct Chance(u64);

impl Chance {
    /// Returns the generator of a name (FNV-1a) and a seed.
    pub(super) fn of(name: &str, seed: u64) -> Chance {
        let hash = name.bytes().fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
        });
        Chance(hash ^ seed.wrapping_mul(STEP))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Returns a number from 0 to below `n`, which must be above 0 (Lemire's multiplication; the
    /// bias is below `n / 2^64`).
    #[expect(clippy::cast_possible_truncation, reason = "below n, which is a usize")]
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    /// Returns a number above 0 and at most 1.
    pub(super) fn share(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_that_of_the_reference() {
        assert_eq!(Chance(0).next(), 0xE220_A839_7B1D_CDAF, "SplitMix64 from seed 0");
    }

    #[test]
    fn names_and_seeds_have_streams_of_their_own() {
        let first = |name, seed| Chance::of(name, seed).next();
        assert_ne!(first("a", 1), first("b", 1));
        assert_ne!(first("a", 1), first("a", 2));
        assert_eq!(first("a", 1), first("a", 1));
    }

    #[test]
    fn numbers_are_spread_evenly() {
        let mut chance = Chance(7);
        let mut counts = [0; 3];
        let mut sum = 0.0;
        for _ in 0..30_000 {
            counts[chance.below(3)] += 1;
            sum += chance.share();
        }
        assert!(counts.iter().all(|count| (9_700..10_300).contains(count)), "{counts:?}");
        assert!((14_800.0..15_200.0).contains(&sum), "{sum}");
    }
}
