//! Things that are due at a time, in the order of their times, and of their making where times are equal.
//!
//! They wait in queues. What goes into one queue should wait equally long, so that it comes out in the order
//! of its making: then adding and taking cost the same however many wait.

use spreadwire_market::clock::Nanos;
use std::collections::VecDeque;

/// When something is due, and its number in the order of making.
type Due = (Nanos, u64);

/// Of an empty queue.
const NEVER: Due = (Nanos::MAX, u64::MAX);

/// Queues of timers.
#[derive(Clone, Debug)]
pub struct Timers<T> {
    /// Each in the order of `Due`.
    queues: Vec<VecDeque<(Due, T)>>,
    /// The first of each queue, side by side, because all are compared whenever one is taken.
    firsts: Vec<Due>,
    /// The queue whose first is the next of all.
    next: usize,
    made: u64,
}

impl<T> Timers<T> {
    /// Creates so many queues, each with room for `most`, beyond which it allocates.
    #[must_use]
    pub fn new(queues: usize, most: usize) -> Timers<T> {
        Timers {
            queues: (0..queues).map(|_| VecDeque::with_capacity(most)).collect(),
            firsts: vec![NEVER; queues],
            next: 0,
            made: 0,
        }
    }

    /// Adds what is due at a time, ns since 1970 UTC, to a queue.
    pub fn add(&mut self, queue: usize, due: Nanos, what: T) {
        self.made += 1;
        let due = (due, self.made);
        let waiting = &mut self.queues[queue];
        let before = waiting.iter().rposition(|(other, _)| *other < due);
        let place = before.map_or(0, |place| place + 1);
        waiting.insert(place, (due, what));
        if place == 0 {
            self.firsts[queue] = due;
            if due < self.firsts[self.next] {
                self.next = queue;
            }
        }
    }

    /// Returns when the next is due; [`Nanos::MAX`] if nothing is.
    #[must_use]
    #[inline]
    pub fn next_due(&self) -> Nanos {
        self.firsts.get(self.next).map_or(Nanos::MAX, |(due, _)| *due)
    }

    /// Takes the next if it is due before `ts`, with its time.
    pub fn before(&mut self, ts: Nanos) -> Option<(Nanos, T)> {
        if self.next_due() < ts { self.take() } else { None }
    }

    /// Takes the next, with its time.
    fn take(&mut self) -> Option<(Nanos, T)> {
        let waiting = self.queues.get_mut(self.next)?;
        let ((due, _), what) = waiting.pop_front()?;
        self.firsts[self.next] = waiting.front().map_or(NEVER, |(due, _)| *due);
        if waiting.is_empty() {
            // Begins at the start of its memory again, which is still in the caches.
            waiting.clear();
        }
        let firsts = self.firsts.iter().enumerate();
        self.next = firsts.min_by_key(|(_, first)| **first).map_or(0, |(queue, _)| queue);
        Some((due, what))
    }

    /// Returns how many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queues.iter().map(VecDeque::len).sum()
    }

    /// Returns whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queues.iter().all(VecDeque::is_empty)
    }

    /// Takes all that wait, in order.
    pub fn take_all(&mut self) -> Vec<(Nanos, T)> {
        std::iter::from_fn(|| self.take()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_come_by_time_then_in_the_order_of_their_making() {
        let mut timers = Timers::new(1, 4);
        for (due, what) in [(5, 'c'), (3, 'a'), (5, 'd'), (4, 'b')] {
            timers.add(0, due, what);
        }
        assert_eq!(timers.next_due(), 3);
        assert_eq!(timers.before(3), None, "not before its time is over");
        assert_eq!(timers.before(4), Some((3, 'a')));
        let rest: String = timers.take_all().into_iter().map(|(_, what)| what).collect();
        assert_eq!((rest.as_str(), timers.next_due()), ("bcd", Nanos::MAX));
    }

    /// Compares with a list that is sorted anew each time.
    #[test]
    fn the_queues_do_not_matter() {
        let mut seed = 1_u64;
        let mut draw = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % below
        };
        let mut timers = Timers::new(3, 4);
        let mut naive: Vec<(Nanos, u64)> = Vec::new();
        for number in 0..5_000 {
            if draw(5) < 3 {
                let due = draw(40) + number / 10;
                timers.add(usize::try_from(draw(3)).unwrap(), due, number);
                naive.push((due, number));
                naive.sort_unstable();
            } else {
                let ts = draw(40) + number / 10;
                let is_due = naive.first().is_some_and(|(due, _)| *due < ts);
                let expected = is_due.then(|| naive.remove(0));
                assert_eq!(timers.before(ts), expected, "{number}");
            }
            let due = naive.first().map_or(Nanos::MAX, |(due, _)| *due);
            assert_eq!((timers.next_due(), timers.len()), (due, naive.len()), "{number}");
            assert_eq!(timers.is_empty(), naive.is_empty());
        }
        assert!(10 < naive.len(), "{}", naive.len());
        assert_eq!(timers.take_all(), naive);
    }
}
