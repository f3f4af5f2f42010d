//! Numbered places, of which the lowest free one is given next.

/// The places.
#[derive(Debug)]
pub(super) struct Places<T> {
    all: Vec<Option<T>>,
}

impl<T> Places<T> {
    /// Begins with nobody.
    pub(super) fn new() -> Places<T> {
        Places { all: Vec::new() }
    }

    /// Returns the first place that is free.
    pub(super) fn free(&self) -> usize {
        self.all.iter().position(Option::is_none).unwrap_or(self.all.len())
    }

    /// Takes a free place.
    pub(super) fn insert(&mut self, place: usize, one: T) {
        match self.all.get_mut(place) {
            Some(free) => *free = Some(one),
            None => self.all.push(Some(one)),
        }
    }

    /// Returns who is at a place.
    pub(super) fn at(&mut self, place: usize) -> Option<&mut T> {
        self.all.get_mut(place)?.as_mut()
    }

    /// Frees a place; returns who was there.
    pub(super) fn remove(&mut self, place: usize) -> Option<T> {
        self.all.get_mut(place)?.take()
    }

    /// Returns the number of places, free ones among them.
    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    /// Acts on everyone.
    pub(super) fn each(&mut self, act: impl FnMut(&mut T)) {
        self.all.iter_mut().flatten().for_each(act);
    }

    /// Frees every place.
    pub(super) fn clear(&mut self) {
        self.all.clear();
    }
}
