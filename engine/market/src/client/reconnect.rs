//! When to connect again: pauses that grow until a connection has proved itself.
//!
//! A connection proves itself by a complete snapshot and then [`PROOF`] in step with the stream. A
//! server that accepts connections, says `hello` and then fails is thus not asked twenty times a
//! second. Time is handed in.

use crate::backoff::Backoff;
use crate::clock::{MILLI, Nanos, SECOND};

/// Time in step after which a connection counts as a success.
pub const PROOF: Nanos = 10 * SECOND;
/// Lower bound of the first pause. It doubles with each further one, up to [`PAUSE_MIN_CAP`].
pub const PAUSE_MIN: Nanos = 100 * MILLI;
/// Highest lower bound of a pause.
pub const PAUSE_MIN_CAP: Nanos = 15 * SECOND;

/// The policy for one server.
#[derive(Debug)]
pub struct Reconnect {
    backoff: Backoff,
    pause_min: Nanos,
    retry_at: Nanos,
    /// Since when the connection has been in step with the stream.
    in_step_since: Option<Nanos>,
}

impl Reconnect {
    /// Creates the policy; the first attempt is due at once. Equal seeds give equal pauses.
    #[must_use]
    pub fn new(seed: u64) -> Reconnect {
        Reconnect {
            backoff: Backoff::new(seed),
            pause_min: PAUSE_MIN,
            retry_at: 0,
            in_step_since: None,
        }
    }

    /// Returns the time of the next attempt, ns since 1970 UTC.
    #[must_use]
    pub fn retry_at(&self) -> Nanos {
        self.retry_at
    }

    /// Notes at `now` whether the connection is in step with the stream. Once it has been for
    /// [`PROOF`], the next pause is a short one.
    pub fn observe(&mut self, in_step: bool, now: Nanos) {
        if !in_step {
            self.in_step_since = None;
            return;
        }
        let since = *self.in_step_since.get_or_insert(now);
        if PROOF <= now.saturating_sub(since) {
            self.backoff.reset();
            self.pause_min = PAUSE_MIN;
        }
    }

    /// Notes at `now` that an attempt failed or a connection was lost. Returns the pause before the
    /// next attempt, ns.
    pub fn lost(&mut self, now: Nanos) -> Nanos {
        self.in_step_since = None;
        // The jitter alone would allow many short pauses in a row.
        let pause = self.backoff.wait().max(self.pause_min);
        self.pause_min = (self.pause_min * 2).min(PAUSE_MIN_CAP);
        self.retry_at = now.saturating_add(pause);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Nanos = 1_700_000_000 * SECOND;

    /// Counts the attempts in `span`, if each connection is in step for `in_step` and then lost.
    fn attempts(seed: u64, in_step: Nanos, span: Nanos) -> u32 {
        let mut policy = Reconnect::new(seed);
        let (mut now, mut attempts) = (START, 0);
        while now < START + span {
            attempts += 1;
            policy.observe(false, now);
            let mut left = in_step;
            while 0 < left {
                policy.observe(true, now);
                let step = left.min(100 * MILLI);
                (now, left) = (now + step, left - step);
                policy.observe(true, now);
            }
            policy.lost(now);
            assert!(now + PAUSE_MIN <= policy.retry_at());
            now = policy.retry_at();
        }
        attempts
    }

    #[test]
    fn connections_that_prove_nothing_are_made_less_and_less_often() {
        for seed in 0..200 {
            assert!(attempts(seed, 0, 9 * SECOND) <= 7, "seed {seed}");
            assert!(attempts(seed, 0, 3600 * SECOND) <= 250, "seed {seed}");
            // Just short of the proof: 600 s hold at most 8 short pauses, and then long ones.
            assert!(attempts(seed, PROOF - 1, 600 * SECOND) <= 45, "seed {seed}");
        }
    }

    #[test]
    fn only_the_proof_makes_the_next_pause_short_again() {
        let grown = || {
            let mut policy = Reconnect::new(3);
            (0..9).for_each(|_| _ = policy.lost(START));
            policy
        };
        let mut policy = grown();
        policy.observe(true, START);
        policy.observe(true, START + PROOF - 1);
        assert!(PAUSE_MIN_CAP <= policy.lost(START));
        let mut policy = grown();
        policy.observe(true, START);
        policy.observe(false, START + PROOF / 2);
        policy.observe(true, START + PROOF / 2 + 1);
        policy.observe(true, START + PROOF + 1);
        assert!(PAUSE_MIN_CAP <= policy.lost(START), "out of step in between");
        let mut policy = grown();
        policy.observe(true, START);
        policy.observe(true, START + PROOF);
        let pause = policy.lost(START + PROOF);
        assert!((PAUSE_MIN..=crate::backoff::FIRST).contains(&pause), "{pause}");
        assert!(PAUSE_MIN * 2 <= policy.lost(START + PROOF), "and then they grow again");
    }
}
