//! Budgets of attempts and requests: how often a venue allows something, and when the next one may go.
//!
//! A venue allows `count` uses in any time `per` ([`Rate`]), often by several rates at once. A
//! [`Budget`] keeps the times of the last uses. A use is allowed at time `t` if, for each rate, fewer
//! than `count` uses lie later than `t - per`: the window slides, so that no boundary of a minute or
//! an hour lets twice as many through. Times are handed in.

use spreadwire_market::clock::Nanos;
use std::collections::VecDeque;

/// A limit: at most this many uses in any time of this length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate {
    /// Maximum number of uses in the time, at least 1.
    pub count: u32,
    /// Length of the time, ns.
    pub per: Nanos,
}

/// What is left of some rates. Without any rate, everything is allowed at once.
#[derive(Clone, Debug)]
pub struct Budget {
    rates: &'static [Rate],
    /// Times of the last uses, oldest first: as many as the largest rate counts.
    taken: VecDeque<Nanos>,
    /// Maximum length of `taken`.
    kept: usize,
}

impl Budget {
    /// Creates a budget that nothing was taken from. It allocates its memory here, once.
    #[must_use]
    pub fn new(rates: &'static [Rate]) -> Budget {
        let kept = rates.iter().map(|rate| places(*rate)).max().unwrap_or(0);
        Budget { rates, taken: VecDeque::with_capacity(kept), kept }
    }

    /// Returns the earliest time from `now` on at which one more use is allowed.
    #[must_use]
    pub fn next(&self, now: Nanos) -> Nanos {
        self.next_leaving(now, |_| 0)
    }

    /// As [`next`](Budget::next), where so many further uses of each rate must still be allowed.
    #[must_use]
    pub fn next_leaving(&self, now: Nanos, left: impl Fn(Rate) -> u32) -> Nanos {
        let less = |rate: &Rate| Rate { count: rate.count.saturating_sub(left(*rate)), ..*rate };
        self.rates.iter().fold(now, |next, rate| next.max(self.free_at(less(rate))))
    }

    /// Returns when the use that fills this rate leaves its window; 0 if it is not full.
    fn free_at(&self, rate: Rate) -> Nanos {
        let filling = self.taken.len().checked_sub(places(rate)).and_then(|at| self.taken.get(at));
        filling.map_or(0, |at| at.saturating_add(rate.per))
    }

    /// Notes a use at `now`, whether it was allowed or not. A time before the last use counts as
    /// the last use's.
    pub fn take(&mut self, now: Nanos) {
        if self.kept == 0 {
            return;
        }
        if self.taken.len() == self.kept {
            self.taken.pop_front();
        }
        let last = self.taken.back().copied().unwrap_or(0);
        self.taken.push_back(now.max(last));
    }

    /// Takes the earliest use from `now` on and returns its time. The caller waits until then. Uses
    /// that are reserved one after another do not overtake each other.
    pub fn reserve(&mut self, now: Nanos) -> Nanos {
        let at = self.next(now);
        self.take(at);
        at
    }
}

/// Returns the number of uses that fill a rate. A rate of none would never allow anything and counts
/// as one.
fn places(rate: Rate) -> usize {
    usize::try_from(rate.count.max(1)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RATES: &[&[Rate]] = &[
        &[],
        &[Rate { count: 1, per: 7 }],
        &[Rate { count: 3, per: 10 }],
        &[Rate { count: 3, per: 10 }, Rate { count: 5, per: 60 }],
        &[Rate { count: 20, per: 50 }, Rate { count: 2, per: 4 }],
    ];

    /// Keeps every use and asks each time in turn whether one more is allowed.
    struct Naive {
        rates: &'static [Rate],
        taken: Vec<Nanos>,
    }

    impl Naive {
        fn allows(&self, at: Nanos) -> bool {
            self.rates.iter().all(|rate| {
                // Written as `at - per < use` without falling below zero.
                let within = self.taken.iter().filter(|taken| at < **taken + rate.per);
                within.count() < rate.count as usize
            })
        }

        fn next(&self, now: Nanos) -> Nanos {
            (now..).find(|at| self.allows(*at)).unwrap()
        }
    }

    proptest! {
        #[test]
        fn the_next_use_is_the_first_that_no_window_forbids(
            rates in 0..RATES.len(),
            uses in proptest::collection::vec((0..15u64, any::<bool>()), 1..120),
        ) {
            let rates = RATES[rates];
            let (mut budget, mut naive) = (Budget::new(rates), Naive { rates, taken: Vec::new() });
            let mut now = 0;
            for (later, obedient) in uses {
                now += later;
                let next = naive.next(now);
                prop_assert_eq!(budget.next(now), next, "at {}", now);
                // Somebody may also take more than is allowed: a ping must go out.
                if obedient {
                    now = next;
                }
                budget.take(now);
                naive.taken.push(now);
            }
        }

        #[test]
        fn reservations_keep_every_window_and_the_order(
            rates in 1..RATES.len(),
            steps in proptest::collection::vec(0..4u64, 1..80),
        ) {
            let rates = RATES[rates];
            let mut budget = Budget::new(rates);
            let mut now = 0;
            let mut at: Vec<Nanos> = Vec::new();
            for step in steps {
                now += step;
                at.push(budget.reserve(now));
                prop_assert!(now <= at[at.len() - 1]);
            }
            prop_assert!(at.is_sorted());
            for rate in rates {
                let full = rate.count as usize;
                prop_assert!(at.windows(full + 1).all(|w| w[0] + rate.per <= w[full]), "{:?}", at);
            }
        }
    }

    #[test]
    fn uses_can_be_left_to_others() {
        const RATES: &[Rate] = &[Rate { count: 4, per: 10 }];
        let mut budget = Budget::new(RATES);
        for now in [100, 101, 102] {
            assert_eq!(budget.next_leaving(now, |_| 1), now);
            budget.take(now);
        }
        assert_eq!((budget.next_leaving(103, |_| 1), budget.next(103)), (110, 103));
        assert_eq!(budget.next_leaving(103, |_| 9), 112, "one is always allowed in the end");
    }

    #[test]
    fn a_clock_that_steps_back_gives_nothing_for_free() {
        let mut budget = Budget::new(&[Rate { count: 2, per: 10 }]);
        for now in [100, 50, 50] {
            budget.take(now);
        }
        assert_eq!((budget.next(55), budget.next(300)), (110, 300));
        budget.take(110);
        assert_eq!(budget.next(109), 110);
        budget.take(112);
        assert_eq!(budget.next(112), 120);
    }
}
