//! How the counter's time becomes the time of day: a line that the disciplining thread replaces.
//!
//! Hot threads read the line that holds, without waiting: two lines take turns, and a reader that was
//! overtaken by a replacement reads again. A line begins a moment after it is published. Until then the
//! one before it holds, so that the time has no step where one follows the other.

use super::{MILLI, Nanos};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering, fence};

/// Maximum slew for drift, as a share of the elapsed time: 500 ppm, as in `adjtime`.
pub const SLEW_PPM_MAX: u64 = 500;
/// The unit of a line's rate.
const RATE_BITS: u32 = 20;
/// The rate of a slew for drift.
const DRIFT: u64 = (SLEW_PPM_MAX << RATE_BITS) / 1_000_000;
/// The rate at which a clock that is far ahead is held back: half.
const HALF: u64 = 1 << (RATE_BITS - 1);
/// A line begins so long after it is published.
const LEAD: Nanos = MILLI;

/// What is done about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Correction {
    /// It is slewed away at [`SLEW_PPM_MAX`].
    Slewing,
    /// The clock was behind and has stepped forward.
    Stepped,
    /// The clock is ahead and runs at half speed.
    Slowed,
}

/// A line: the time at a reading of the counter, and what is still to be added, little by little.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    /// The reading of the counter at which it begins.
    since: Nanos,
    /// The time then.
    time: Nanos,
    /// What is added to the time from then on, ns.
    slew: i64,
    /// How fast: parts of 2^[`RATE_BITS`] of the elapsed time.
    rate: u64,
}

impl Line {
    #[inline]
    fn time_at(self, elapsed: Nanos) -> Nanos {
        let time = self.time.wrapping_add(elapsed.wrapping_sub(self.since));
        if self.slew == 0 {
            return time;
        }
        let passed = elapsed.saturating_sub(self.since);
        let part = (passed.saturating_mul(self.rate) >> RATE_BITS).min(self.slew.unsigned_abs());
        if self.slew < 0 { time.wrapping_sub(part) } else { time.wrapping_add(part) }
    }
}

/// A line that other threads read.
#[derive(Debug, Default)]
struct Shared {
    since: AtomicU64,
    time: AtomicU64,
    slew: AtomicI64,
    rate: AtomicU64,
}

impl Shared {
    #[inline]
    fn load(&self) -> Line {
        Line {
            since: self.since.load(Ordering::Relaxed),
            time: self.time.load(Ordering::Relaxed),
            slew: self.slew.load(Ordering::Relaxed),
            rate: self.rate.load(Ordering::Relaxed),
        }
    }

    fn store(&self, line: Line) {
        self.since.store(line.since, Ordering::Relaxed);
        self.time.store(line.time, Ordering::Relaxed);
        self.slew.store(line.slew, Ordering::Relaxed);
        self.rate.store(line.rate, Ordering::Relaxed);
    }
}

/// The lines. Only the disciplining thread replaces them.
#[derive(Debug)]
pub(super) struct Anchor {
    /// Twice the number of replacements, and one more while the place beside the newest line is written. The
    /// bit above the lowest is the newest line's place.
    state: AtomicU64,
    lines: [Shared; 2],
}

impl Anchor {
    /// Makes the anchor of a counter that stands at 0 when the time is `time`.
    pub(super) fn new(time: Nanos) -> Anchor {
        let anchor = Anchor { state: AtomicU64::new(0), lines: Default::default() };
        let line = Line { time, ..Line::default() };
        anchor.lines.iter().for_each(|shared| shared.store(line));
        anchor
    }

    /// Returns the time when the counter stands at `elapsed`.
    #[inline]
    pub(super) fn time_at(&self, elapsed: Nanos) -> Nanos {
        loop {
            // Pairs with the last store of `publish`: the line was stored before.
            let state = self.state.load(Ordering::Acquire);
            let mut line = self.line(state);
            let is_early = elapsed < line.since && state & 1 == 0;
            if is_early {
                line = self.line(state.wrapping_sub(2));
            }
            // Pairs with the fence of `publish`: whoever saw a part of a newer line sees its state.
            fence(Ordering::Acquire);
            let after = self.state.load(Ordering::Relaxed);
            if after == state || (after >> 1 == state >> 1 && !is_early) {
                return line.time_at(elapsed);
            }
        }
    }

    #[inline]
    fn line(&self, state: u64) -> Line {
        self.lines[usize::from(state & 2 == 2)].load()
    }

    /// Begins a new line that takes the error away. The clock was ahead by `error` when the counter stood
    /// at `elapsed`; `counter` reads it. Also returns the last time of the line before.
    pub(super) fn correct(
        &self,
        elapsed: Nanos,
        error: i64,
        max_error: Nanos,
        counter: impl Fn() -> Nanos,
    ) -> (Correction, Nanos) {
        let before = self.line(self.state.load(Ordering::Relaxed));
        let correction = match (error.unsigned_abs() <= max_error, error < 0) {
            (true, _) => Correction::Slewing,
            (false, true) => Correction::Stepped,
            (false, false) => Correction::Slowed,
        };
        let since = counter().max(elapsed) + LEAD;
        let time = self.time_at(since);
        // What the line before takes away until the new one begins is done by then.
        let done = time.wrapping_sub(self.time_at(elapsed)).wrapping_sub(since - elapsed);
        let slew = error.saturating_neg().saturating_sub(done.cast_signed());
        let line = match correction {
            Correction::Slewing => Line { since, time, slew, rate: DRIFT },
            Correction::Slowed => Line { since, time, slew, rate: HALF },
            Correction::Stepped => {
                Line { since, time: time.wrapping_add_signed(slew), ..Line::default() }
            }
        };
        self.publish(line);
        // Whoever read the clock before this moment may have read it from the line before.
        (correction, before.time_at(counter().max(since)))
    }

    fn publish(&self, line: Line) {
        let state = self.state.load(Ordering::Relaxed);
        self.state.store(state.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        let next = state.wrapping_add(2);
        self.lines[usize::from(next & 2 == 2)].store(line);
        self.state.store(next, Ordering::Release);
    }
}
