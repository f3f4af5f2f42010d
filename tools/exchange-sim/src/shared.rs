//! State that the simulator's thread and its handle share. Orders go to the thread, and counters to
//! the handle.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::frames::Missing;
use crate::stats::{Stats, VenueStats};

/// State shared by the thread and the handle.
#[derive(Debug)]
pub(crate) struct Shared {
    is_released: AtomicBool,
    is_stopping: AtomicBool,
    stats: Mutex<Stats>,
    /// Notified whenever a counter of a venue has changed, and when the source begins or ends.
    changed: Condvar,
    /// Notified when the source has ended and everything was written.
    ended: Condvar,
}

/// How far the source has been played.
#[derive(Debug)]
pub(crate) struct Progress<'a> {
    /// Items taken from the source.
    pub(crate) produced: u64,
    /// Greatest delay between the time an item was due and its sending, in ns.
    pub(crate) late_ns_max: u64,
    /// Whether the source has begun to play.
    pub(crate) is_playing: bool,
    /// Whether the source has ended and everything was written to the sockets.
    pub(crate) has_ended: bool,
    /// Frames of a recording that could not be played.
    pub(crate) missing: Missing,
    /// Why the source stopped before its end, if it did.
    pub(crate) problem: Option<&'a str>,
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

    /// Waits until the counters satisfy `enough`. Returns false if `timeout` passes first.
    pub(crate) fn wait(&self, timeout: Duration, enough: impl Fn(&Stats) -> bool) -> bool {
        let waited = self.changed.wait_timeout_while(self.lock(), timeout, |stats| !enough(stats));
        let (stats, _timed_out) = waited.unwrap_or_else(PoisonError::into_inner);
        enough(&stats)
    }

    /// Waits until the source has ended and everything was written. Returns false if `timeout`
    /// passes first. Counters that change in between do not wake the waiting thread.
    pub(crate) fn wait_finished(&self, timeout: Duration) -> bool {
        let waited = self.ended.wait_timeout_while(self.lock(), timeout, |stats| !stats.finished);
        let (stats, _timed_out) = waited.unwrap_or_else(PoisonError::into_inner);
        stats.finished
    }

    /// Publishes the counters and wakes the threads that wait for them.
    pub(crate) fn publish(
        &self,
        venues: impl Iterator<Item = VenueStats>,
        progress: &Progress<'_>,
    ) {
        let mut stats = self.lock();
        let mut has_changed =
            stats.playing != progress.is_playing || stats.finished != progress.has_ended;
        for (shown, counted) in stats.venues.iter_mut().zip(venues) {
            has_changed |= *shown != counted;
            *shown = counted;
        }
        stats.produced = progress.produced;
        stats.late_ns_max = progress.late_ns_max;
        (stats.lost, stats.binary) = (progress.missing.lost, progress.missing.binary);
        stats.playing = progress.is_playing;
        stats.finished = progress.has_ended;
        if stats.problem.is_none() {
            stats.problem = progress.problem.map(str::to_owned);
        }
        if has_changed {
            self.changed.notify_all();
        }
        if stats.finished {
            self.ended.notify_all();
        }
    }

    /// Publishes that the thread cannot go on, and why.
    pub(crate) fn fail(&self, problem: &str) {
        self.lock().problem = Some(problem.to_owned());
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Stats> {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
