//! Reconnect delays: exponential backoff with a cap and full jitter.
//!
//! The caller supplies the seed and does the waiting. The method is "full jitter" from M. Brooker,
//! "Exponential Backoff and Jitter", AWS Architecture Blog, 2015-03-04.

use crate::clock::{MILLI, Nanos, SECOND};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Upper bound of the first wait.
pub const FIRST: Nanos = 250 * MILLI;
/// Upper bound of every wait.
pub const CAP: Nanos = 30 * SECOND;
/// Lower bound of every wait. Venues limit connection attempts, so none follows immediately.
pub const FLOOR: Nanos = 50 * MILLI;

/// Waits between attempts, each drawn between [`FLOOR`] and an upper bound that doubles up to
/// [`CAP`].
#[derive(Clone, Debug)]
pub struct Backoff {
    ceiling: Nanos,
    random: ChaCha8Rng,
}

impl Backoff {
    /// Creates a backoff that starts with the shortest wait. Equal seeds give equal waits.
    #[must_use]
    pub fn new(seed: u64) -> Backoff {
        Backoff { ceiling: FIRST, random: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// Returns a backoff that starts with the shortest wait and draws other waits than this one.
    #[must_use]
    pub fn fork(&self, number: u64) -> Backoff {
        let mut random = self.random.clone();
        random.set_stream(number);
        Backoff { ceiling: FIRST, random }
    }

    /// Returns the next wait, ns.
    pub fn wait(&mut self) -> Nanos {
        let wait = self.random.random_range(FLOOR..=self.ceiling);
        self.ceiling = (self.ceiling * 2).min(CAP);
        wait
    }

    /// Records a successful attempt: the next failure starts with the shortest wait again.
    pub fn reset(&mut self) {
        self.ceiling = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_cap_within_their_bounds_and_start_over_after_a_success() {
        let mut backoff = Backoff::new(7);
        let mut ceiling = FIRST;
        for _ in 0..20 {
            let wait = backoff.wait();
            assert!((FLOOR..=ceiling).contains(&wait), "{wait} above {ceiling}");
            ceiling = (ceiling * 2).min(CAP);
        }
        assert_eq!(ceiling, CAP);
        backoff.reset();
        assert!(backoff.wait() <= FIRST);
    }

    #[test]
    fn over_many_seeds_the_waits_fill_their_bounds() {
        // The bounds in ns, written out: 50 ms below, above 250 ms, 500 ms, 1 s and so on to 30 s.
        let above = [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000];
        let mut least = [u64::MAX; 9];
        let mut most = [0; 9];
        for seed in 0..2_000 {
            let mut backoff = Backoff::new(seed);
            for place in 0..above.len() {
                let wait = backoff.wait();
                least[place] = least[place].min(wait);
                most[place] = most[place].max(wait);
            }
        }
        for (place, above_ms) in above.into_iter().enumerate() {
            let (below, above) = (50_000_000, above_ms * 1_000_000);
            assert!(below <= least[place] && most[place] <= above, "wait {place}");
            let margin = (above - below) / 50;
            assert!(least[place] < below + margin && above - margin < most[place], "wait {place}");
        }
    }

    #[test]
    fn equal_seeds_wait_equally_and_others_do_not() {
        let waits = |seed| {
            let mut backoff = Backoff::new(seed);
            (0..8).map(|_| backoff.wait()).collect::<Vec<_>>()
        };
        assert_eq!(waits(1), waits(1));
        assert_ne!(waits(1), waits(2));
    }
}
