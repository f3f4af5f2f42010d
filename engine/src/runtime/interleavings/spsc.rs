//! The ring that stands in for rtrb's where interleavings are explored: the same calls, each of which
//! is one step.
//!
//! Elsewhere it is an ordinary ring: the ends' own tests run over it too, and show that it behaves as
//! rtrb's does.

use super::explorer;
use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug)]
struct Ring<T> {
    /// Never contended: there is no step while it is locked.
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    capacity: usize,
    items: VecDeque<T>,
    /// Number of items ever taken; where the next one lies in memory.
    head: usize,
    producer_is_gone: bool,
    consumer_is_gone: bool,
}

impl<T> Ring<T> {
    fn step<R>(&self, act: impl FnOnce(&mut State<T>) -> R) -> R {
        explorer::step();
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[derive(Debug)]
pub(super) struct RingBuffer;

impl RingBuffer {
    #[expect(clippy::new_ret_no_self, reason = "as rtrb has it")]
    pub(super) fn new<T>(capacity: usize) -> (Producer<T>, Consumer<T>) {
        let items = VecDeque::with_capacity(capacity);
        let (producer_is_gone, consumer_is_gone) = (false, false);
        let state = State { capacity, items, head: 0, producer_is_gone, consumer_is_gone };
        let ring = Arc::new(Ring { state: Mutex::new(state) });
        (Producer { ring: Arc::clone(&ring), cached_slots: Cell::new(capacity) }, Consumer { ring })
    }
}

#[derive(Debug)]
pub(super) struct Producer<T> {
    ring: Arc<Ring<T>>,
    /// The free slots as they were last seen, less those filled since: the consumer may have made more.
    cached_slots: Cell<usize>,
}

#[derive(Debug)]
pub(super) struct Consumer<T> {
    ring: Arc<Ring<T>>,
}

#[derive(Debug)]
pub(super) enum PushError<T> {
    Full(T),
}

impl<T> Producer<T> {
    pub(super) fn slots(&self) -> usize {
        let slots = self.ring.step(|state| state.capacity - state.items.len());
        self.cached_slots.set(slots);
        slots
    }

    pub(super) fn cached_slots(&self) -> usize {
        self.cached_slots.get()
    }

    pub(super) fn push(&mut self, item: T) -> Result<(), PushError<T>> {
        self.ring.step(|state| {
            if !claim(&self.cached_slots, state, 1) {
                return Err(PushError::Full(item));
            }
            state.items.push_back(item);
            Ok(())
        })
    }

    pub(super) fn push_entire_slice(&mut self, items: &[T]) -> Result<(), ()>
    where
        T: Copy,
    {
        self.ring.step(|state| {
            if !claim(&self.cached_slots, state, items.len()) {
                return Err(());
            }
            state.items.extend(items);
            Ok(())
        })
    }

    /// Nothing is written: what is not committed is not there.
    pub(super) fn write_chunk(&mut self, _slots: usize) -> WriteChunk {
        WriteChunk
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.ring.step(|state| state.consumer_is_gone)
    }
}

/// Takes so many slots of those that were seen to be free, after another look if they do not suffice.
fn claim<T>(cached_slots: &Cell<usize>, state: &State<T>, count: usize) -> bool {
    if cached_slots.get() < count {
        cached_slots.set(state.capacity - state.items.len());
    }
    let rest = cached_slots.get().checked_sub(count);
    cached_slots.set(rest.unwrap_or(cached_slots.get()));
    rest.is_some()
}

/// Items that are not committed.
#[derive(Debug)]
pub(super) struct WriteChunk;

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        self.ring.step(|state| state.producer_is_gone = true);
    }
}

impl<T> Consumer<T> {
    pub(super) fn slots(&self) -> usize {
        self.ring.step(|state| state.items.len())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots() == 0
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.ring.step(|state| state.producer_is_gone)
    }

    pub(super) fn pop(&mut self) -> Result<T, ()> {
        self.ring.step(|state| {
            let item = state.items.pop_front().ok_or(())?;
            state.head += 1;
            Ok(item)
        })
    }

    pub(super) fn read_chunk(&mut self, count: usize) -> Result<ReadChunk<'_, T>, ()>
    where
        T: Copy,
    {
        let (items, until_end) = self.ring.step(|state| {
            let items = state.items.iter().take(count).copied().collect::<Vec<T>>();
            (items, state.capacity - state.head % state.capacity)
        });
        if items.len() < count {
            return Err(());
        }
        Ok(ReadChunk { items, until_end, consumer: self })
    }
}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        self.ring.step(|state| state.consumer_is_gone = true);
    }
}

/// Items that stay in the ring until they are committed.
#[derive(Debug)]
pub(super) struct ReadChunk<'a, T> {
    items: Vec<T>,
    until_end: usize,
    consumer: &'a mut Consumer<T>,
}

impl<T> ReadChunk<'_, T> {
    /// The items up to the end of the ring's memory, and the rest.
    pub(super) fn as_slices(&self) -> (&[T], &[T]) {
        self.items.split_at(self.until_end.min(self.items.len()))
    }

    pub(super) fn commit_all(self) {
        let count = self.items.len();
        self.consumer.ring.step(|state| {
            state.head += count;
            state.items.drain(..count);
        });
    }
}
