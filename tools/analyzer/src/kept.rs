//! The sums of the pairs that may be shown in detail. All others are dropped as soon as their figures are
//! known, so that memory does not grow with the number of pairs.

use crate::figures::Pair;
use crate::kernel::partial::PairPartial;
use crate::order::Order;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Instrument and the two venues.
type Names = (String, String, String);

/// The packed sums of pairs, filled by all threads; what it holds in the end does not depend on their order.
#[derive(Debug)]
pub struct Kept {
    order: Order,
    most: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// Pairs that must be kept whatever the others are.
    sure: BTreeMap<Names, Vec<u8>>,
    /// The best of the others, best first.
    best: Vec<(Pair, Vec<u8>)>,
}

impl Kept {
    /// Keeps, of the pairs that are refused already, the best `most` in this order.
    #[must_use]
    pub fn new(order: Order, most: usize) -> Kept {
        Kept { order, most, held: Mutex::default() }
    }

    /// Takes the sums of a pair. `is_sure` says whether they must be kept: the pair may be recommended yet,
    /// or is approved.
    pub fn offer(&self, pair: &Pair, sums: &PairPartial, is_sure: bool) {
        let pack = || {
            let mut sums = sums.clone();
            sums.timed.iter_mut().for_each(|timed| timed.reversion.shorten());
            // Packing sums made of our own types cannot fail.
            postcard::to_allocvec(&sums).unwrap_or_default()
        };
        if is_sure {
            let packed = pack();
            self.held().sure.insert(names(pair), packed);
            return;
        }
        let is_worse = |held: &Held| {
            let last = held.best.last().filter(|_| self.most <= held.best.len());
            self.most == 0 || last.is_some_and(|(last, _)| self.order.compare(last, pair).is_le())
        };
        if is_worse(&self.held()) {
            return;
        }
        let packed = pack();
        let mut held = self.held();
        let place = held.best.partition_point(|(of, _)| self.order.compare(of, pair).is_lt());
        held.best.insert(place, (pair.clone(), packed));
        held.best.truncate(self.most);
    }

    /// Returns the sums of a pair; nothing if they were not kept.
    #[must_use]
    pub fn sums(&self, pair: &Pair) -> PairPartial {
        let (names, held) = (names(pair), self.held());
        let of_best = || held.best.iter().find(|(of, _)| of.key() == pair.key());
        let packed = held.sure.get(&names).or_else(|| of_best().map(|(_, packed)| packed));
        packed.and_then(|packed| postcard::from_bytes(packed).ok()).unwrap_or_default()
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn names(pair: &Pair) -> Names {
    (pair.instrument.clone(), pair.one.clone(), pair.two.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Cell;

    fn pair(name: &str, rank: f64) -> Pair {
        Pair { instrument: name.to_owned(), cells: vec![Cell::Number(rank)], ..Pair::default() }
    }

    #[test]
    fn the_best_are_kept_in_whatever_order_they_come() {
        let all = [("a", 3.0), ("b", 9.0), ("c", 1.0), ("d", 5.0), ("e", 9.0), ("f", 2.0)];
        for turn in 0..all.len() {
            let kept = Kept::new(Order::by(0), 3);
            let mut come = all;
            come.rotate_left(turn);
            for (name, rank) in come {
                let sums =
                    PairPartial { timed: Some(Default::default()), ..PairPartial::default() };
                kept.offer(&pair(name, rank), &sums, name == "c");
            }
            let has = |name: &str| kept.sums(&pair(name, 0.0)).timed.is_some();
            let found: Vec<&str> = all.iter().map(|of| of.0).filter(|name| has(name)).collect();
            assert_eq!(found, ["b", "c", "d", "e"], "turn {turn}");
        }
    }
}
