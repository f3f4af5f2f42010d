//! How long to wait before the next attempt: doubling, capped, with full jitter.
//!
//! Randomness is handed in as a seed; time is the caller's. After the method "full jitter" of
//! M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015-03-04.

use crate::clock::{MILLI, Nanos, SECOND};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The ceiling of the first wait.
pub const FIRST: Nanos = 250 * MILLI;
/// The ceiling of every wait.
pub const CAP: Nanos = 30 * SECOND;
/// No wait is shorter: venues count connection attempts.
pub const FLOOR: Nanos = 50 * MILLI;

/// Waits between attempts, each drawn between [`FLOOR`] and a ceiling that doubles up to [`CAP`].
#[derive(Clone, Debug)]
pub struct Backoff {
    ceiling: Nanos,
    random: ChaCha8Rng,
}

impl Backoff {
    /// Starts at the shortest; equal seeds give equal waits.
    #[must_use]
    pub fn new(seed: u64) -> Backoff {
        Backoff { ceiling: FIRST, random: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// The next wait, ns.
    pub fn wait(&mut self) -> Nanos {
        let wait = self.random.random_range(FLOOR..=self.ceiling);
        self.ceiling = (self.ceiling * 2).min(CAP);
        wait
    }

    /// The attempt succeeded: the next failure starts at the shortest again.
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
    fn equal_seeds_wait_equally_and_others_do_not() {
        let waits = |seed| {
            let mut backoff = Backoff::new(seed);
            (0..8).map(|_| backoff.wait()).collect::<Vec<_>>()
        };
        assert_eq!(waits(1), waits(1));
        assert_ne!(waits(1), waits(2));
    }
}
