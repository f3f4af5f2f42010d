//! Bounds the offset between the time-stamp counters of two CPUs, from stamps that both took.
//!
//! A line is handed to the other CPU and back. The other CPU's stamp was taken between the two of
//! this one, which bounds how far ahead its counter is. More exchanges narrow the bounds.
//! Everything here is arithmetic; [`crate::topology`] takes the stamps.

use serde::Serialize;

/// Stamps of one exchange in ns, each by the counter of its own side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// When this side sent the line.
    pub sent: u64,
    /// When the other side had the line.
    pub there: u64,
    /// When the line was back on this side.
    pub back: u64,
}

/// Bounds on how far the second CPU's counter is ahead of the first's, ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Skew {
    /// The two CPUs.
    pub cpus: (usize, usize),
    /// Lower bound.
    pub low: i64,
    /// Upper bound.
    pub high: i64,
}

impl Skew {
    /// Returns the bounds that all exchanges of a pair allow; `None` if there is no exchange.
    ///
    /// Exchanges can contradict each other because of the counter's resolution, or because a
    /// reading was reordered. In that case the bounds are the two contradicting values.
    #[must_use]
    pub fn of(cpus: (usize, usize), exchanges: &[Exchange]) -> Option<Skew> {
        let apart = |there: u64, here: u64| there.wrapping_sub(here).cast_signed();
        let low = exchanges.iter().map(|it| apart(it.there, it.back)).max()?;
        let high = exchanges.iter().map(|it| apart(it.there, it.sent)).min()?;
        Some(Skew { cpus, low: low.min(high), high: low.max(high) })
    }

    /// Returns how far apart the counters are at least, ns.
    #[must_use]
    pub fn proven(&self) -> i64 {
        self.low.max(-self.high).max(0)
    }

    /// Returns how far apart the counters are at most, ns.
    #[must_use]
    pub fn bound(&self) -> i64 {
        self.low.abs().max(self.high.abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn exchange(sent: u64, there: u64, back: u64) -> Exchange {
        Exchange { sent, there, back }
    }

    #[test]
    fn a_skew_lies_between_what_all_exchanges_allow() {
        let skew = Skew::of((0, 1), &[exchange(0, 100, 150), exchange(1_000, 1_080, 1_100)]);
        assert_eq!(skew, Some(Skew { cpus: (0, 1), low: -20, high: 80 }));
        let skew = skew.unwrap();
        assert_eq!((skew.proven(), skew.bound()), (0, 80));
        assert_eq!(Skew::of((0, 1), &[]), None);
    }

    #[test]
    fn a_counter_that_is_behind_or_ahead_is_proven_so() {
        let behind = Skew::of((0, 1), &[exchange(1_000, 0, 1_100)]).unwrap();
        assert_eq!((behind.low, behind.high, behind.proven()), (-1_100, -1_000, 1_000));
        let ahead = Skew::of((0, 1), &[exchange(0, 1_000, 100)]).unwrap();
        assert_eq!((ahead.proven(), ahead.bound()), (900, 1_000));
    }

    #[test]
    fn exchanges_that_contradict_each_other_prove_nothing() {
        let skew = Skew::of((0, 1), &[exchange(0, 40, 30), exchange(100, 90, 130)]).unwrap();
        assert_eq!((skew.low, skew.high, skew.proven()), (-10, 10, 0));
    }

    proptest! {
        /// The true skew is within the bounds however long the hand-overs take.
        #[test]
        fn the_true_skew_is_never_excluded(
            skew in -1_000_i64..1_000,
            ways in prop::collection::vec((0_u64..500, 0_u64..500), 1..20),
        ) {
            let start = 1_000_000_u64;
            let exchanges: Vec<Exchange> = ways.iter().map(|(to, fro)| {
                let there = (start + to).wrapping_add_signed(skew);
                exchange(start, there, start + to + fro)
            }).collect();
            let found = Skew::of((0, 1), &exchanges).unwrap();
            prop_assert!(found.low <= skew && skew <= found.high);
            prop_assert!(found.proven() <= skew.abs() && skew.abs() <= found.bound());
        }
    }
}
