//! Live counters: each has one writer and any number of readers, without locks.
//!
//! A [`Counter`] is a cache-padded atomic that its agent updates with a plain load and store. Cold
//! threads may read it at any time. The [`Counters`] registry gives each counter a dotted name, by
//! which summaries, status lines and tests find it.

use crossbeam::utils::CachePadded;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A count with one writer and any number of readers.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<CachePadded<AtomicU64>>);

impl Counter {
    /// Adds `n`. Only the counter's single writer may call this, because the update is not atomic.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// Sets the value of a gauge. Only the counter's single writer may call this.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Returns the current value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters by name. They are registered at launch, so a running agent never takes the lock.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    by_name: Arc<Mutex<BTreeMap<String, Counter>>>,
}

impl Counters {
    /// Returns the counter with this name, such as `feed.binance.0.frames`, and creates it on first
    /// use.
    #[must_use]
    pub fn counter(&self, name: &str) -> Counter {
        let mut by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        by_name.entry(name.to_owned()).or_default().clone()
    }

    /// Returns all counters with their current values, sorted by name.
    #[must_use]
    pub fn snapshot(&self) -> BTreeMap<String, u64> {
        let by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        by_name.iter().map(|(name, counter)| (name.clone(), counter.get())).collect()
    }

    /// Returns the sum of all counters whose names begin with `prefix` and end with `suffix`.
    #[must_use]
    pub fn sum(&self, prefix: &str, suffix: &str) -> u64 {
        self.snapshot()
            .iter()
            .filter(|(name, _)| name.starts_with(prefix) && name.ends_with(suffix))
            .map(|(_, count)| count)
            .sum()
    }
}
