//! Places of one kind in the order in which they were taken, so many at most.

use std::collections::VecDeque;

/// The pool.
#[derive(Debug)]
pub(super) struct Pool {
    places: VecDeque<usize>,
    max: usize,
}

impl Pool {
    /// Holds up to `max` places.
    pub(super) fn new(max: usize) -> Pool {
        Pool { places: VecDeque::new(), max }
    }

    /// Adds a place; returns the oldest one if it has to give way.
    pub(super) fn add(&mut self, place: usize) -> Option<usize> {
        self.places.push_back(place);
        if self.max < self.places.len() { self.places.pop_front() } else { None }
    }

    /// Removes a place.
    pub(super) fn remove(&mut self, place: usize) {
        self.places.retain(|held| *held != place);
    }
}
