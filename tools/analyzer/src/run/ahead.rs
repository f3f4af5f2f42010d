//! Reads ahead: while one thread computes with a batch, threads without work of their own decode those that
//! come next. Nobody who decodes ever waits, so it works with any number of threads, and also with one.

use rayon::Scope;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Batches that may wait, by venue.
const WAITING_MAX: usize = 6;

/// The batches of one venue, in order, whoever decodes them.
pub(super) struct Ahead<I: Iterator> {
    held: Mutex<Held<I>>,
    changed: Condvar,
}

struct Held<I: Iterator> {
    /// Where batches come from; `None` while somebody decodes one, and once it is over.
    source: Option<I>,
    waiting: VecDeque<I::Item>,
    is_over: bool,
    /// Whether somebody was asked to decode.
    is_asked: bool,
}

impl<I> Ahead<I>
where
    I: Iterator + Send,
    I::Item: Send,
{
    pub(super) fn new(source: I) -> Ahead<I> {
        let (waiting, source) = (VecDeque::with_capacity(WAITING_MAX), Some(source));
        let held = Held { source, waiting, is_over: false, is_asked: false };
        Ahead { held: Mutex::new(held), changed: Condvar::new() }
    }

    /// Returns the next batch, and has others decode those after it, if there may be others; `None` after the
    /// last one.
    pub(super) fn next<'s>(&'s self, scope: Option<&Scope<'s>>) -> Option<I::Item> {
        let mut held = self.held();
        let batch = loop {
            if let Some(batch) = held.waiting.pop_front() {
                break batch;
            }
            if held.is_over {
                return None;
            }
            held = if held.source.is_some() {
                self.decode(held)
            } else {
                self.changed.wait(held).unwrap_or_else(PoisonError::into_inner)
            };
        };
        let scope = scope.filter(|_| !held.is_over && !held.is_asked);
        if let Some(scope) = scope {
            held.is_asked = true;
            drop(held);
            scope.spawn(|_| self.fill());
        }
        Some(batch)
    }

    /// Decodes until enough waits, or somebody else does.
    fn fill(&self) {
        let mut held = self.held();
        while held.waiting.len() < WAITING_MAX && held.source.is_some() {
            held = self.decode(held);
        }
        held.is_asked = false;
    }

    /// Decodes a batch. Meanwhile nobody else does.
    fn decode<'s>(&'s self, mut held: MutexGuard<'s, Held<I>>) -> MutexGuard<'s, Held<I>> {
        let Some(mut source) = held.source.take() else { return held };
        drop(held);
        let batch = {
            let _ends = Ends(self);
            source.next()
        };
        let mut held = self.held();
        if let Some(batch) = batch {
            held.waiting.push_back(batch);
            held.source = Some(source);
        } else {
            held.is_over = true;
        }
        self.changed.notify_all();
        held
    }

    fn held(&self) -> MutexGuard<'_, Held<I>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the batches if decoding panics, so that nobody waits for them.
struct Ends<'a, I: Iterator>(&'a Ahead<I>);

impl<I: Iterator> Drop for Ends<'_, I> {
    fn drop(&mut self) {
        let Ends(ahead) = self;
        if !std::thread::panicking() {
            return;
        }
        ahead.held.lock().unwrap_or_else(PoisonError::into_inner).is_over = true;
        ahead.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(threads: usize) -> rayon::ThreadPool {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
    }

    #[test]
    fn batches_come_in_order_however_many_decode() {
        for threads in 1..=4 {
            let venues: Vec<_> =
                (0..3).map(|venue| Ahead::new((0..500).map(move |at| (venue, at)))).collect();
            pool(threads).scope(|scope| {
                // In turns of different lengths, as a window takes them.
                for at in 0..500 {
                    for (number, venue) in venues.iter().enumerate() {
                        assert_eq!(
                            venue.next(Some(scope)),
                            Some((number, at)),
                            "{threads} threads"
                        );
                        if number == at % 3 {
                            rayon::join(|| (), || ());
                        }
                    }
                }
                assert!(venues.iter().all(|venue| venue.next(Some(scope)).is_none()));
                assert!(venues.iter().all(|venue| venue.next(Some(scope)).is_none()));
            });
        }
    }

    #[test]
    fn no_more_than_a_few_are_decoded_before_they_are_taken() {
        let decoded = std::sync::atomic::AtomicUsize::new(0);
        let count = |at| {
            decoded.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            at
        };
        let venue = Ahead::new((0..100).map(count));
        pool(3).scope(|scope| {
            for taken in 1..=100 {
                assert!(venue.next(Some(scope)).is_some());
                let decoded = decoded.load(std::sync::atomic::Ordering::Relaxed);
                assert!(decoded <= taken + WAITING_MAX, "{decoded} for {taken}");
            }
        });
    }

    #[test]
    fn a_panic_while_decoding_ends_the_work_and_is_passed_on() {
        for threads in [1, 2] {
            let source = (0..9).inspect(|at| assert!(*at < 5, "a fault"));
            let venue = Ahead::new(source);
            let work = || {
                pool(threads).scope(|scope| std::iter::from_fn(|| venue.next(Some(scope))).count())
            };
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            assert!(outcome.is_err(), "{threads} threads");
        }
    }
}
