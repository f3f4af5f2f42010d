//! Live counters: one writer each, any number of readers, no lock on the way.
//!
//! A [`Counter`] is a padded atomic that its agent adds to with a plain load and store; cold threads
//! may read it at any time. The [`Counters`] registry gives each counter a dotted name, by which
//! summaries, status lines and tests find it. Only the owner of a counter registers its name.
//! Reading a name that nobody registered is an error, because a misspelt name that reads as 0 would
//! look like good news.

use crossbeam::utils::CachePadded;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A count with one writer and any number of readers.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<CachePadded<AtomicU64>>);

impl Counter {
    /// Adds `n`. Only the counter's one writer may call this: it is not a read-modify-write.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// Sets a gauge. Only the counter's one writer may call this.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Returns the current count.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Returns a handle that reads this counter and cannot change it.
    #[must_use]
    pub fn reader(&self) -> CounterReader {
        CounterReader(self.clone())
    }
}

/// A read-only handle to a counter.
#[derive(Clone, Debug)]
pub struct CounterReader(Counter);

impl CounterReader {
    /// Returns the current count.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

/// The error of reading a counter that nobody has registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no counter is named {name:?}")]
pub struct UnknownCounter {
    /// The name asked for.
    pub name: String,
}

/// A registry of counters by name. Names are registered at launch, and running agents never take the
/// lock.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    by_name: Arc<Mutex<BTreeMap<String, Counter>>>,
}

impl Counters {
    /// Registers a new counter under a name such as `feed.binance.0.frames`, and returns it to its
    /// one writer.
    ///
    /// # Panics
    /// If the name is taken: two writers of one counter would overwrite each other's counts.
    #[must_use]
    #[track_caller]
    pub fn register(&self, name: &str) -> Counter {
        let counter = Counter::default();
        let taken = self.lock().insert(name.to_owned(), counter.clone()).is_some();
        assert!(!taken, "a counter named {name:?} is registered already");
        counter
    }

    /// Returns a read-only handle to the counter with this name.
    ///
    /// # Errors
    /// [`UnknownCounter`] if nobody has registered the name.
    pub fn reader(&self, name: &str) -> Result<CounterReader, UnknownCounter> {
        let counter = self.lock().get(name).map(Counter::reader);
        counter.ok_or_else(|| UnknownCounter { name: name.to_owned() })
    }

    /// Returns the current count of the counter with this name.
    ///
    /// # Errors
    /// [`UnknownCounter`] if nobody has registered the name.
    pub fn get(&self, name: &str) -> Result<u64, UnknownCounter> {
        self.reader(name).map(|counter| counter.get())
    }

    /// Returns the current count of the counter with this name. Tests and benches use this; other
    /// readers use [`get`](Counters::get).
    ///
    /// # Panics
    /// If nobody has registered the name.
    #[must_use]
    #[track_caller]
    pub fn expect(&self, name: &str) -> u64 {
        match self.get(name) {
            Ok(count) => count,
            Err(error) => panic!("{error}"),
        }
    }

    /// Returns all names with their current counts, sorted by name.
    #[must_use]
    pub fn snapshot(&self) -> BTreeMap<String, u64> {
        self.lock().iter().map(|(name, counter)| (name.clone(), counter.get())).collect()
    }

    /// Returns the sum of a family: of all counters whose names begin with `prefix` and end with
    /// `suffix`. A family may be empty, and then sums to 0.
    #[must_use]
    pub fn sum(&self, prefix: &str, suffix: &str) -> u64 {
        let fits = |name: &str| name.starts_with(prefix) && name.ends_with(suffix);
        self.lock().iter().filter(|(name, _)| fits(name)).map(|(_, count)| count.get()).sum()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Counter>> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn a_registered_counter_is_read_by_its_name_and_a_reader_follows_it() {
        let counters = Counters::default();
        let frames = counters.register("feed.okx.0.frames");
        let reader = counters.reader("feed.okx.0.frames").unwrap();
        frames.add(3);
        assert_eq!(counters.get("feed.okx.0.frames"), Ok(3));
        assert_eq!((counters.expect("feed.okx.0.frames"), reader.get()), (3, 3));
        frames.set(2);
        assert_eq!(reader.get(), 2);
    }

    #[test]
    fn reading_an_unknown_name_is_an_error_and_registers_nothing() {
        let counters = Counters::default();
        counters.register("a").add(1);
        let unknown = |name: &str| UnknownCounter { name: name.to_owned() };
        assert_eq!(counters.get("b"), Err(unknown("b")));
        assert_eq!(counters.reader("b").map(|_| ()), Err(unknown("b")));
        let panic = catch_unwind(AssertUnwindSafe(|| counters.expect("b"))).unwrap_err();
        let text = panic.downcast_ref::<String>().unwrap();
        assert_eq!(text, "no counter is named \"b\"");
        assert_eq!(counters.snapshot(), BTreeMap::from([("a".to_owned(), 1)]));
    }

    #[test]
    fn a_name_has_one_owner() {
        let counters = Counters::default();
        counters.register("a").add(1);
        let panic = catch_unwind(AssertUnwindSafe(|| counters.register("a"))).unwrap_err();
        assert!(panic.downcast_ref::<String>().unwrap().contains("\"a\""));
    }

    #[test]
    fn a_sum_takes_the_names_that_begin_and_end_as_asked() {
        let counters = Counters::default();
        for (name, count) in [
            ("feed.okx.0.quotes", 1),
            ("feed.okx.1.quotes", 2),
            ("feed.okx.0.frames", 4),
            ("journal.quotes", 8),
        ] {
            counters.register(name).add(count);
        }
        assert_eq!(counters.sum("feed.", ".quotes"), 3);
        assert_eq!(counters.sum("capture.", ".frames"), 0);
    }
}
