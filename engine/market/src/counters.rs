//! Live counters: one writer each, any reader, no lock.
//!
//! A [`Counter`] is a padded atomic that its agent adds to with a plain load and store; cold threads
//! read it at any time. The [`Counters`] registry gives each a dotted name, which is how summaries,
//! status lines and tests find it. It must not know what is counted.

use crossbeam::utils::CachePadded;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A count with one writer and any number of readers.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<CachePadded<AtomicU64>>);

impl Counter {
    /// Adds `n`. Only the counter's one writer calls this: it is no read-modify-write.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// Sets a gauge.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The count now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters by name. Names are made at launch; the lock is never taken by a running agent.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    by_name: Arc<Mutex<BTreeMap<String, Counter>>>,
}

impl Counters {
    /// The counter of this name, made on first use: `feed.binance.0.frames`.
    #[must_use]
    pub fn counter(&self, name: &str) -> Counter {
        let mut by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        by_name.entry(name.to_owned()).or_default().clone()
    }

    /// All names with their counts now, sorted by name.
    #[must_use]
    pub fn snapshot(&self) -> BTreeMap<String, u64> {
        let by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        by_name.iter().map(|(name, counter)| (name.clone(), counter.get())).collect()
    }

    /// The sum of all counters whose name begins with `prefix` and ends with `suffix`.
    #[must_use]
    pub fn sum(&self, prefix: &str, suffix: &str) -> u64 {
        self.snapshot()
            .iter()
            .filter(|(name, _)| name.starts_with(prefix) && name.ends_with(suffix))
            .map(|(_, count)| count)
            .sum()
    }
}
