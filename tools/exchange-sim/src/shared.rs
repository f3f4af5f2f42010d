//! What the simulator's thread and its handle have in common: orders one way, counters the other.
//!
//! Must not know what is counted.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::frames::Missing;
use crate::stats::{Stats, VenueStats};

/// Shared by the thread and the handle.
#[derive(Debug)]
pub(crate) struct Shared {
    is_released: AtomicBool,
    is_stopping: AtomicBool,
    stats: Mutex<Stats>,
    /// Told whenever a counter has changed.
    changed: Condvar,
    /// Told when the source has ended and all is written.
    ended: Condvar,
}

impl Shared {
    pub(crate) fn new(is_released: bool, venues: Vec<VenueStats>) -> Shared {
        Shared {
            is_released: AtomicBool::new(is_released),
            is_stopping: AtomicBool::new(false),
            stats: Mutex::new(Stats { venues, ..Stats::default() }),
            changed: Condvar::new(),
            ended: Condvar::new(),
        }
    }

    pub(crate) fn is_released(&self) -> bool {
        self.is_released.load(Ordering::Acquire)
    }

    pub(crate) fn release(&self) {
        self.is_released.store(true, Ordering::Release);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }

    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
    }

    pub(crate) fn stats(&self) -> Stats {
        self.lock().clone()
    }

    /// Waits until the counters satisfy `enough`; false when `timeout` came first.
    pub(crate) fn wait(&self, timeout: Duration, enough: impl Fn(&Stats) -> bool) -> bool {
        let waited = self.changed.wait_timeout_while(self.lock(), timeout, |stats| !enough(stats));
        let (stats, _timed_out) = waited.unwrap_or_else(PoisonError::into_inner);
        enough(&stats)
    }

    /// Waits until the source has ended and all is written; false when `timeout` came first. The
    /// waiter sleeps until then, whatever is counted in between.
    pub(crate) fn wait_finished(&self, timeout: Duration) -> bool {
        let waited = self.ended.wait_timeout_while(self.lock(), timeout, |stats| !stats.finished);
        let (stats, _timed_out) = waited.unwrap_or_else(PoisonError::into_inner);
        stats.finished
    }

    /// Takes over the counters; `counted` are produced, greatest lateness, playing and finished.
    pub(crate) fn publish(
        &self,
        venues: impl Iterator<Item = VenueStats>,
        counted: (u64, u64, bool, bool),
        missing: Missing,
        problem: Option<&str>,
    ) {
        let mut stats = self.lock();
        let (produced, late_ns_max, playing, finished) = counted;
        let mut has_changed = stats.playing != playing || stats.finished != finished;
        for (shown, counted) in stats.venues.iter_mut().zip(venues) {
            has_changed |= *shown != counted;
            *shown = counted;
        }
        stats.produced = produced;
        stats.late_ns_max = late_ns_max;
        (stats.lost, stats.binary) = (missing.lost, missing.binary);
        stats.playing = playing;
        stats.finished = finished;
        if stats.problem.is_none() {
            stats.problem = problem.map(str::to_owned);
        }
        if has_changed {
            self.changed.notify_all();
        }
        if finished {
            self.ended.notify_all();
        }
    }

    pub(crate) fn fail(&self, problem: &str) {
        self.lock().problem = Some(problem.to_owned());
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Stats> {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
