//! Things that are due at a time, in the order of their times, and of their making where times are equal.

use spreadwire_market::clock::Nanos;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// What is due.
#[derive(Clone, Debug)]
struct Timer<T> {
    due: Nanos,
    number: u64,
    what: T,
}

impl<T> PartialEq for Timer<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Timer<T> {}

impl<T> PartialOrd for Timer<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Timer<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.due, self.number).cmp(&(other.due, other.number))
    }
}

/// A queue of timers.
#[derive(Clone, Debug)]
pub struct Timers<T> {
    heap: BinaryHeap<Reverse<Timer<T>>>,
    made: u64,
}

impl<T> Timers<T> {
    /// Creates a queue with room for so many, beyond which it allocates.
    #[must_use]
    pub fn with_capacity(most: usize) -> Timers<T> {
        Timers { heap: BinaryHeap::with_capacity(most), made: 0 }
    }

    /// Adds what is due at a time, ns since 1970 UTC.
    pub fn add(&mut self, due: Nanos, what: T) {
        self.made += 1;
        self.heap.push(Reverse(Timer { due, number: self.made, what }));
    }

    /// Returns when the next is due; [`Nanos::MAX`] if nothing is.
    #[must_use]
    #[inline]
    pub fn next_due(&self) -> Nanos {
        self.heap.peek().map_or(Nanos::MAX, |Reverse(timer)| timer.due)
    }

    /// Takes the next if it is due before `ts`, with its time.
    pub fn before(&mut self, ts: Nanos) -> Option<(Nanos, T)> {
        if self.next_due() < ts { self.next() } else { None }
    }

    /// Takes the next, with its time.
    fn next(&mut self) -> Option<(Nanos, T)> {
        self.heap.pop().map(|Reverse(timer)| (timer.due, timer.what))
    }

    /// Returns how many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Returns whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Takes all that wait, in order.
    pub fn take_all(&mut self) -> Vec<(Nanos, T)> {
        std::iter::from_fn(|| self.next()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_come_by_time_then_in_the_order_of_their_making() {
        let mut timers = Timers::with_capacity(4);
        for (due, what) in [(5, 'c'), (3, 'a'), (5, 'd'), (4, 'b')] {
            timers.add(due, what);
        }
        assert_eq!(timers.next_due(), 3);
        assert_eq!(timers.before(3), None, "not before its time is over");
        assert_eq!(timers.before(4), Some((3, 'a')));
        let rest: String = timers.take_all().into_iter().map(|(_, what)| what).collect();
        assert_eq!((rest.as_str(), timers.next_due()), ("bcd", Nanos::MAX));
    }
}
