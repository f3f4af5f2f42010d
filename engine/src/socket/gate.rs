//! The gate before a venue's host: every attempt to connect there, of any feed, passes it in turn.
//!
//! A venue counts attempts by our address, not by our feeds. So all connections to a host share one
//! budget. When the host refuses an attempt with a wait, the gate stays closed for everybody until
//! that wait is over: other connections would only prolong the ban. Waiting happens on cold threads,
//! before an attempt's deadline begins, and ends at once when the feed ends.
//!
//! A part of the budget is kept for lines that were lost. An attempt for a line that is to replace one
//! that still works does not get it, and does not wait in the queue either.

use crate::runtime::duration;
use crossbeam::channel::{Receiver, RecvTimeoutError};
use spreadwire_market::clock::{Clock, Nanos, SECOND};
use spreadwire_venues::budget::{Budget, Rate};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Longest sleep before the clock is asked again. The clock may be slewed meanwhile.
const LOOK_INTERVAL: Nanos = SECOND;
/// A wait of this length or more is logged. An attempt for a replacement does not wait so long.
const TOLD_FROM: Nanos = 2 * SECOND;
/// The share of each rate that is kept for lost lines, as a divisor.
const KEPT: u32 = 4;

/// The gates of all hosts.
#[derive(Debug, Default)]
pub struct Gates(BTreeMap<(String, &'static [Rate]), Gate>);

impl Gates {
    /// Returns the gate of a host with these limits. Venues with the same limits on one host share it.
    pub fn of(&mut self, host: &str, rates: &'static [Rate]) -> Gate {
        self.0.entry((host.to_owned(), rates)).or_insert_with(|| Gate::new(rates)).clone()
    }
}

/// The gate of one host. Clones share it. Only cold threads use it, so it may be a lock.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    budget: Budget,
    /// Nobody passes before this time.
    closed_until: Nanos,
}

impl State {
    /// Takes the next free place from `now` on and returns its time.
    fn reserve(&mut self, now: Nanos) -> Nanos {
        self.budget.reserve(now.max(self.closed_until))
    }

    /// As [`reserve`](State::reserve), with the reason for the wait.
    fn place(&mut self, now: Nanos) -> (Nanos, &'static str) {
        let at = self.reserve(now);
        if self.closed_until < at {
            (at, "the venue's limit of attempts is used up")
        } else {
            (at, "the venue asked for a wait")
        }
    }

    /// Takes a place now, if enough others are left.
    fn try_spare(&mut self, now: Nanos) -> Result<(), Nanos> {
        let from = now.max(self.closed_until);
        let at = self.budget.next_leaving(from, |rate| rate.count / KEPT);
        if now < at {
            return Err(at);
        }
        self.budget.take(now);
        Ok(())
    }
}

impl Gate {
    /// Creates an open gate.
    #[must_use]
    pub fn new(rates: &'static [Rate]) -> Gate {
        Gate(Arc::new(Mutex::new(State { budget: Budget::new(rates), closed_until: 0 })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets nobody pass before `until`.
    pub fn close(&self, until: Nanos) {
        let mut state = self.state();
        state.closed_until = state.closed_until.max(until);
    }

    /// Waits until an attempt may be made, and counts it. A longer wait is logged with the name of the
    /// venue. Returns `None` if `ending` was disconnected meanwhile.
    pub(super) fn pass(
        &self,
        venue: &str,
        clock: &Clock,
        ending: &Receiver<Infallible>,
    ) -> Option<()> {
        loop {
            let now = clock.now();
            let (at, why) = self.state().place(now);
            if TOLD_FROM <= at - now {
                let wait = duration::in_words(at - now);
                tracing::warn!(target: "feed", "{venue}: the next attempt to connect waits {wait}: {why}");
            }
            wait_until(at, clock, ending)?;
            // It may have been closed meanwhile. Then everybody takes a new place, or all who waited
            // would pass together.
            if self.state().closed_until <= at {
                return Some(());
            }
        }
    }

    /// As [`pass`](Gate::pass), for an attempt that leaves a part of the budget to others. The result
    /// is an error with the time that is left, ns, if that is long.
    pub(super) fn pass_sparing(
        &self,
        clock: &Clock,
        ending: &Receiver<Infallible>,
    ) -> Option<Result<(), Nanos>> {
        loop {
            let now = clock.now();
            let at = match self.state().try_spare(now) {
                Ok(()) => return Some(Ok(())),
                Err(at) => at,
            };
            if TOLD_FROM <= at - now {
                return Some(Err(at - now));
            }
            wait_until(at, clock, ending)?;
        }
    }

    /// Counts one more attempt now.
    ///
    /// # Errors
    /// The time from which on it is allowed, if it is not yet.
    pub(super) fn try_pass(&self, now: Nanos) -> Result<(), Nanos> {
        let mut state = self.state();
        let at = state.budget.next(now.max(state.closed_until));
        if now < at {
            return Err(at);
        }
        state.budget.take(now);
        Ok(())
    }
}

fn wait_until(at: Nanos, clock: &Clock, ending: &Receiver<Infallible>) -> Option<()> {
    loop {
        let left = at.saturating_sub(clock.now());
        if left == 0 {
            return Some(());
        }
        let sleep = Duration::from_nanos(left.min(LOOK_INTERVAL));
        match ending.recv_timeout(sleep) {
            Ok(never) => match never {},
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam::channel;

    const RATES: &[Rate] = &[Rate { count: 2, per: SECOND }];
    const OTHER: &[Rate] = &[Rate { count: 3, per: SECOND }];

    /// Number of times that a test looks for what another thread does.
    const PATIENCE: usize = 100_000_000;

    fn until(condition: impl Fn() -> bool) {
        for _ in 0..PATIENCE {
            if condition() {
                return;
            }
            std::thread::yield_now();
        }
        panic!("the other thread does not do it");
    }

    #[test]
    fn one_host_is_one_gate_where_the_limits_are_the_same() {
        let mut gates = Gates::default();
        let first = gates.of("venue", RATES);
        let same = gates.of("venue", RATES);
        let [limit, host] = [gates.of("venue", OTHER), gates.of("elsewhere", RATES)];
        assert!(Arc::ptr_eq(&first.0, &same.0));
        assert!(!Arc::ptr_eq(&first.0, &limit.0) && !Arc::ptr_eq(&first.0, &host.0));
    }

    #[test]
    fn places_are_given_in_turn_and_not_while_it_is_closed() {
        let gate = Gate::new(RATES);
        let places = |now| [(); 3].map(|()| gate.state().reserve(now));
        assert_eq!(places(5), [5, 5, SECOND + 5]);
        assert_eq!(places(6), [SECOND + 5, 2 * SECOND + 5, 2 * SECOND + 5]);
        gate.close(60 * SECOND);
        gate.close(30 * SECOND);
        assert_eq!(places(7), [60 * SECOND, 60 * SECOND, 61 * SECOND]);
    }

    #[test]
    fn a_further_address_counts_as_an_attempt() {
        let gate = Gate::new(RATES);
        assert_eq!(gate.try_pass(5), Ok(()));
        assert_eq!(gate.try_pass(6), Ok(()));
        assert_eq!(gate.try_pass(7), Err(SECOND + 5));
        assert_eq!(gate.state().reserve(8), SECOND + 5);
    }

    #[test]
    fn a_replacement_leaves_a_quarter_of_the_budget_and_does_not_queue() {
        const FOUR: &[Rate] = &[Rate { count: 4, per: 300 * SECOND }];
        let (_open, ending) = channel::bounded::<Infallible>(0);
        let (clock, gate) = (Clock::manual(0), Gate::new(FOUR));
        for _ in 0..3 {
            assert_eq!(gate.pass_sparing(&clock, &ending), Some(Ok(())));
        }
        assert_eq!(gate.pass_sparing(&clock, &ending), Some(Err(300 * SECOND)));
        assert_eq!(gate.pass("venue", &clock, &ending), Some(()), "a lost line is made at once");
        clock.set(300 * SECOND);
        assert_eq!(gate.pass_sparing(&clock, &ending), Some(Ok(())));
        gate.close(400 * SECOND);
        assert_eq!(gate.pass_sparing(&clock, &ending), Some(Err(100 * SECOND)));
    }

    #[test]
    fn a_wait_has_its_reason() {
        let mut state = State { budget: Budget::new(RATES), closed_until: 0 };
        let limit = "the venue's limit of attempts is used up";
        let places = [(); 3].map(|()| state.place(5 * SECOND));
        assert_eq!(places[2], (6 * SECOND, limit));
        state.closed_until = 60 * SECOND;
        assert_eq!(state.place(7 * SECOND), (60 * SECOND, "the venue asked for a wait"));
    }

    #[test]
    fn who_waits_leaves_when_the_feed_ends() {
        let (open, ending) = channel::bounded::<Infallible>(0);
        let (clock, gate) = (Clock::manual(0), Gate::new(RATES));
        assert_eq!([(); 2].map(|()| gate.pass("venue", &clock, &ending)), [Some(()); 2]);
        // This clock stands still, so nothing but the end ends the wait.
        drop(open);
        assert_eq!(gate.pass("venue", &clock, &ending), None);
    }

    #[test]
    fn who_waited_when_it_was_closed_waits_again() {
        let (_open, ending) = channel::bounded::<Infallible>(0);
        let (clock, gate) = (Clock::manual(0), Gate::new(&[Rate { count: 1, per: SECOND }]));
        assert_eq!(gate.pass("venue", &clock, &ending), Some(()));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| gate.pass("venue", &clock, &ending));
            // Its place has been taken once the next one is a second later.
            until(|| gate.state().budget.next(0) == 2 * SECOND);
            gate.close(60 * SECOND);
            clock.set(60 * SECOND - 1);
            until(|| gate.state().budget.next(0) == 61 * SECOND || waiting.is_finished());
            assert!(!waiting.is_finished());
            clock.set(60 * SECOND);
            assert_eq!(waiting.join().unwrap(), Some(()));
        });
    }
}
