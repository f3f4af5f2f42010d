//! The engine's only clock: nanoseconds since 1970 UTC. Callers that need the time are given a
//! [`Clock`].
//!
//! The time comes from the CPU's invariant time-stamp counter, read through `quanta`, which falls
//! back to the monotonic OS clock where there is no such counter. It is anchored to
//! `CLOCK_REALTIME`. A cold thread calls [`Clock::discipline`] about once a second, which compares the two
//! and corrects the anchor:
//!
//! * An error up to the limit is slewed away at [`SLEW_PPM_MAX`].
//! * If the clock is behind by more, it steps forward at once. To the engine this looks like a pause of the
//!   process, which every timer survives.
//! * If the clock is ahead by more, it runs at half speed until the error is gone, because records, timers
//!   and ages rely on a time that does not step back.
//!
//! Readings on one thread therefore never step back. [`Clock::elapsed`] is not corrected and serves for
//! durations. Tests use [`Clock::manual`], and [`Clock::scripted`] where the wall clock has its own mind.
//!
//! No other part of the engine reads an OS clock.

use anchor::Anchor;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

mod anchor;
pub use anchor::{Correction, SLEW_PPM_MAX};

/// Nanoseconds since 1970-01-01 00:00 UTC; as a duration, plain nanoseconds.
pub type Nanos = u64;

/// One microsecond in [`Nanos`].
pub const MICRO: Nanos = 1_000;
/// One millisecond in [`Nanos`].
pub const MILLI: Nanos = 1_000_000;
/// One second in [`Nanos`].
pub const SECOND: Nanos = 1_000_000_000;

/// Comparisons of the two clocks, of which the quickest counts: a thread may lose its core between the
/// readings.
const COMPARISONS: usize = 3;

/// A handle to the process's clock. Clones are cheap and all tell the same time.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Counter { counter: quanta::Clock, start: u64, anchor: Arc<Anchor> },
    Scripted { script: Arc<Hands>, anchor: Arc<Anchor> },
    Manual(Arc<AtomicU64>),
}

/// The hands of a scripted clock.
#[derive(Debug)]
struct Hands {
    elapsed: AtomicU64,
    wall: AtomicU64,
}

/// What moves a [scripted](Clock::scripted) clock.
#[derive(Debug)]
pub struct Script(Arc<Hands>);

impl Script {
    /// Lets time pass, on the wall clock as well.
    pub fn pass(&self, time: Nanos) {
        self.0.elapsed.fetch_add(time, Ordering::Relaxed);
        self.0.wall.fetch_add(time, Ordering::Relaxed);
    }

    /// Steps the wall clock, and nothing else.
    pub fn step(&self, by: i64) {
        self.0.wall.fetch_add(by.cast_unsigned(), Ordering::Relaxed);
    }
}

/// What a comparison with `CLOCK_REALTIME` found, and what was done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Time of this clock at the comparison, before the correction.
    pub time: Nanos,
    /// By how much this clock was ahead of `CLOCK_REALTIME`, ns; negative if it was behind.
    pub error: i64,
    /// What was done.
    pub correction: Correction,
    /// The last time of this clock that it gave out before that took effect.
    pub until: Nanos,
}

impl Clock {
    /// Creates the host's clock, anchored to `CLOCK_REALTIME` now. Calibration takes up to 200 ms.
    #[must_use]
    pub fn host() -> Clock {
        let counter = quanta::Clock::new();
        let start = counter.raw();
        let anchor = Arc::new(Anchor::new(wall_clock()));
        Clock { source: Source::Counter { counter, start, anchor } }
    }

    /// Creates a clock that stays at `now` until it is [`set`](Clock::set), for tests and replays.
    #[must_use]
    pub fn manual(now: Nanos) -> Clock {
        Clock { source: Source::Manual(Arc::new(AtomicU64::new(now))) }
    }

    /// Creates a clock that is anchored and corrected like the host's, and whose counter and wall clock
    /// move only by the script, for tests.
    #[must_use]
    pub fn scripted(now: Nanos) -> (Clock, Script) {
        let hands = Hands { elapsed: AtomicU64::new(0), wall: AtomicU64::new(now) };
        let (script, anchor) = (Arc::new(hands), Arc::new(Anchor::new(now)));
        (Clock { source: Source::Scripted { script: Arc::clone(&script), anchor } }, Script(script))
    }

    /// Returns the current time, ns since 1970 UTC.
    #[must_use]
    #[inline]
    pub fn now(&self) -> Nanos {
        match &self.source {
            Source::Counter { counter, start, anchor } => {
                anchor.time_at(counter.delta_as_nanos(*start, counter.raw()))
            }
            Source::Scripted { script, anchor } => {
                anchor.time_at(script.elapsed.load(Ordering::Relaxed))
            }
            Source::Manual(now) => now.load(Ordering::Relaxed),
        }
    }

    /// Returns the time since the clock was created, ns, which no correction changes. A manual clock
    /// returns what it stands at.
    #[must_use]
    pub fn elapsed(&self) -> Nanos {
        match &self.source {
            Source::Counter { counter, start, .. } => counter.delta_as_nanos(*start, counter.raw()),
            Source::Scripted { script, .. } => script.elapsed.load(Ordering::Relaxed),
            Source::Manual(now) => now.load(Ordering::Relaxed),
        }
    }

    /// Moves a manual clock to `now`.
    ///
    /// # Panics
    /// If this is the host's clock or a scripted one, which cannot be set.
    pub fn set(&self, now: Nanos) {
        match &self.source {
            Source::Manual(cell) => cell.store(now, Ordering::Relaxed),
            Source::Counter { .. } | Source::Scripted { .. } => {
                panic!("only a manual clock can be set")
            }
        }
    }

    /// Compares the clock with `CLOCK_REALTIME` and corrects it; an error above `max_error` ns is more
    /// than drift. Call it from one cold thread only. Returns `None` if the thread was held up so long that
    /// the comparison says nothing, and for a manual clock, which has no error.
    pub fn discipline(&self, max_error: Nanos) -> Option<Comparison> {
        let (anchor, elapsed, wall) = match &self.source {
            Source::Counter { anchor, .. } => {
                let (elapsed, wall) = self.hands(max_error)?;
                (anchor, elapsed, wall)
            }
            Source::Scripted { script, anchor } => {
                (anchor, self.elapsed(), script.wall.load(Ordering::Relaxed))
            }
            Source::Manual(_) => return None,
        };
        let time = anchor.time_at(elapsed);
        let error = time.wrapping_sub(wall).cast_signed();
        let (correction, until) = anchor.correct(elapsed, error, max_error, || self.elapsed());
        Some(Comparison { time, error, correction, until })
    }

    /// Reads the counter and `CLOCK_REALTIME` at one moment, to within `max_gap` ns.
    fn hands(&self, max_gap: Nanos) -> Option<(Nanos, Nanos)> {
        let compare = |_| {
            let (before, wall, after) = (self.elapsed(), wall_clock(), self.elapsed());
            let gap = after.saturating_sub(before);
            (gap, before + gap / 2, wall)
        };
        let quickest = (0..COMPARISONS).map(compare).min();
        quickest.filter(|(gap, ..)| *gap <= max_gap).map(|(_, elapsed, wall)| (elapsed, wall))
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

    const LIMIT: Nanos = 100 * MILLI;
    const START: Nanos = 1_700_000_000 * SECOND;
    const HOUR: Nanos = 3_600 * SECOND;

    #[test]
    fn manual_clock_stands_where_it_is_set_in_all_clones() {
        let clock = Clock::manual(5);
        let twin = clock.clone();
        clock.set(7);
        assert_eq!(twin.now(), 7);
        assert_eq!(clock.discipline(LIMIT), None);
    }

    #[test]
    fn host_clock_never_steps_back_while_it_is_disciplined() {
        let clock = Clock::host();
        let mut last = clock.now();
        for _ in 0..10_000 {
            clock.discipline(LIMIT);
            let now = clock.now();
            assert!(last <= now, "{last} > {now}");
            last = now;
        }
    }

    /// Lets seconds pass with a look each, and returns the clock's error against the wall after them, ns.
    fn after(clock: &Clock, script: &Script, seconds: u64) -> i64 {
        for _ in 0..seconds {
            let mut last = clock.now();
            for _ in 0..1_000 {
                script.pass(MILLI);
                assert!(last <= clock.now(), "it stepped back from {last} to {}", clock.now());
                last = clock.now();
            }
            clock.discipline(LIMIT);
        }
        clock.now().wrapping_sub(script.0.wall.load(Ordering::Relaxed)).cast_signed()
    }

    #[test]
    fn a_small_error_is_slewed_away_at_500_ppm_both_ways() {
        for by in [30_000_000, -30_000_000] {
            let (clock, script) = Clock::scripted(START);
            script.step(by);
            let error = clock.discipline(LIMIT).unwrap();
            assert_eq!((error.error, error.correction), (-by, Correction::Slewing));
            let left = after(&clock, &script, 10);
            let slewed = (by + left).abs();
            assert!((4_900_000..=5_000_000).contains(&slewed), "{slewed} ns in 10 s");
            assert!(after(&clock, &script, 60).abs() < 1_000);
        }
    }

    #[test]
    fn a_clock_that_is_far_behind_steps_forward_at_once() {
        let (clock, script) = Clock::scripted(START);
        script.pass(SECOND);
        script.step(HOUR.cast_signed());
        let found = clock.discipline(LIMIT).unwrap();
        let error = -HOUR.cast_signed();
        let wanted = Comparison {
            time: START + SECOND,
            error,
            correction: Correction::Stepped,
            until: START + SECOND + MILLI,
        };
        assert_eq!(found, wanted);
        assert_eq!(after(&clock, &script, 1), 0);
        assert_eq!(clock.elapsed(), 2 * SECOND, "durations know nothing of it");
    }

    #[test]
    fn a_clock_that_is_far_ahead_runs_at_half_speed_and_never_steps_back() {
        let (clock, script) = Clock::scripted(START);
        script.step(-37 * SECOND.cast_signed());
        assert_eq!(clock.discipline(LIMIT).unwrap().correction, Correction::Slowed);
        let half = after(&clock, &script, 37);
        assert!((18_400_000_000..18_600_000_000).contains(&half), "{half} ns after half the time");
        let end = after(&clock, &script, 40);
        assert!(end.unsigned_abs() <= LIMIT, "{end}");
        assert!(after(&clock, &script, 300).abs() < 1_000);
    }

    #[test]
    fn a_step_is_followed_by_another_one() {
        let (clock, script) = Clock::scripted(START);
        script.step(-10 * SECOND.cast_signed());
        after(&clock, &script, 2);
        script.step(60 * SECOND.cast_signed());
        after(&clock, &script, 1);
        assert_eq!(after(&clock, &script, 1), 0, "it was behind, and ran at full speed again");
    }
}
