//! The engine's only clock: nanoseconds since 1970 UTC. Callers that need the time are given a
//! [`Clock`].
//!
//! The time comes from the CPU's invariant time-stamp counter, read through `quanta`, which falls
//! back to the monotonic OS clock where there is no such counter. It is anchored to
//! `CLOCK_REALTIME`. A cold thread calls [`Clock::discipline`] about once a second to slew the
//! anchor towards the OS clock. The slew is at most [`SLEW_PPM_MAX`], so readings on one thread
//! never step back. Tests use [`Clock::manual`].
//!
//! No other part of the engine reads an OS clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

/// Nanoseconds since 1970-01-01 00:00 UTC; as a duration, plain nanoseconds.
pub type Nanos = u64;

/// One microsecond in [`Nanos`].
pub const MICRO: Nanos = 1_000;
/// One millisecond in [`Nanos`].
pub const MILLI: Nanos = 1_000_000;
/// One second in [`Nanos`].
pub const SECOND: Nanos = 1_000_000_000;

/// Maximum slew of the anchor, as a share of the elapsed time: 500 ppm, as in `adjtime`.
pub const SLEW_PPM_MAX: u64 = 500;

/// A handle to the process's clock. Clones are cheap and all tell the same time.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Counter { counter: quanta::Clock, start: u64, anchor: Arc<Anchor> },
    Manual(Arc<AtomicU64>),
}

/// Offset of the counter's start from the wall clock. Only the disciplining thread changes it.
#[derive(Debug)]
struct Anchor {
    offset_ns: AtomicI64,
    disciplined_at: AtomicU64,
}

impl Clock {
    /// Creates the host's clock, anchored to `CLOCK_REALTIME` now. Calibration takes up to 200 ms.
    #[must_use]
    pub fn host() -> Clock {
        let counter = quanta::Clock::new();
        let start = counter.raw();
        let anchor = Anchor {
            offset_ns: AtomicI64::new(wall_clock().cast_signed()),
            disciplined_at: AtomicU64::new(0),
        };
        Clock { source: Source::Counter { counter, start, anchor: Arc::new(anchor) } }
    }

    /// Creates a clock that stays at `now` until it is [`set`](Clock::set), for tests and replays.
    #[must_use]
    pub fn manual(now: Nanos) -> Clock {
        Clock { source: Source::Manual(Arc::new(AtomicU64::new(now))) }
    }

    /// Returns the current time, ns since 1970 UTC.
    #[must_use]
    #[inline]
    pub fn now(&self) -> Nanos {
        match &self.source {
            Source::Counter { counter, start, anchor } => {
                let elapsed = counter.delta_as_nanos(*start, counter.raw());
                elapsed.wrapping_add_signed(anchor.offset_ns.load(Ordering::Relaxed))
            }
            Source::Manual(now) => now.load(Ordering::Relaxed),
        }
    }

    /// Moves a manual clock to `now`.
    ///
    /// # Panics
    /// If this is the host's clock, which cannot be set.
    pub fn set(&self, now: Nanos) {
        match &self.source {
            Source::Manual(cell) => cell.store(now, Ordering::Relaxed),
            Source::Counter { .. } => panic!("the host's clock cannot be set"),
        }
    }

    /// Slews the anchor towards `CLOCK_REALTIME` and returns the error found, ns; it is positive if
    /// this clock was ahead. Call it from one cold thread only. A manual clock has no error.
    pub fn discipline(&self) -> i64 {
        let Source::Counter { counter, start, anchor } = &self.source else { return 0 };
        let elapsed = counter.delta_as_nanos(*start, counter.raw());
        let error = self.now().wrapping_sub(wall_clock()).cast_signed();
        let since = elapsed.saturating_sub(anchor.disciplined_at.swap(elapsed, Ordering::Relaxed));
        let step_max = (since / 1_000_000 * SLEW_PPM_MAX).cast_signed();
        anchor.offset_ns.fetch_sub(error.clamp(-step_max, step_max), Ordering::Relaxed);
        error
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the only function that reads the OS clock")]
fn wall_clock() -> Nanos {
    let since_epoch = std::time::SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since_epoch.unwrap_or(Duration::ZERO).as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manual_clock_stands_where_it_is_set_in_all_clones() {
        let clock = Clock::manual(5);
        let twin = clock.clone();
        clock.set(7);
        assert_eq!(twin.now(), 7);
    }

    #[test]
    fn host_clock_never_steps_back_while_it_is_disciplined() {
        let clock = Clock::host();
        let mut last = clock.now();
        for _ in 0..10_000 {
            clock.discipline();
            let now = clock.now();
            assert!(last <= now, "{last} > {now}");
            last = now;
        }
    }
}
