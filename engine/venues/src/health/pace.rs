//! How often an instrument is quoted, and whether it is overdue.

use super::Bounds;
use spreadwire_market::clock::{Nanos, SECOND};

/// From this many intervals on, the pace is known.
const LEARNED_FROM: u32 = 32;
/// An instrument is overdue after this many of its mean intervals.
const INTERVALS: Nanos = 32;
/// Least and longest time after which an instrument of learned pace is overdue. Without a pace it is
/// the longest.
const OVERDUE: [Nanos; 2] = [30 * SECOND, 300 * SECOND];

/// The pace of one instrument.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    /// Mean interval, exponentially weighted over the last 16, ns.
    mean: Nanos,
    intervals: u32,
    /// Whether a quote has come since the instrument was subscribed.
    quoted: bool,
    /// When it was quoted or subscribed last.
    at: Nanos,
}

impl Pace {
    /// Begins to wait for the first quote. What was learned stays.
    pub(super) fn restart(&mut self, now: Nanos) {
        (self.quoted, self.at) = (false, now);
    }

    /// Takes the receive times of the last quote, 0 before the first one, and of the present one.
    #[inline]
    pub(super) fn on_quote(&mut self, last: Nanos, now: Nanos) {
        if self.quoted {
            let interval = now.saturating_sub(last);
            self.mean = self.mean - self.mean / 16 + interval / 16;
            self.intervals = self.intervals.saturating_add(1);
        }
        (self.quoted, self.at) = (true, now);
    }

    /// Returns whether a quote should have come by now.
    pub(super) fn is_overdue(&self, now: Nanos, bounds: &Bounds) -> bool {
        let waited = now.saturating_sub(self.at);
        let limit = match bounds.repeats_within {
            _ if !self.quoted => bounds.first_quote,
            Some(promised) => promised,
            None if self.intervals < LEARNED_FROM => OVERDUE[1],
            None => self.mean.saturating_mul(INTERVALS).clamp(OVERDUE[0], OVERDUE[1]),
        };
        limit < waited
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Nanos = 1_000 * SECOND;

    fn bounds(repeats_within: Option<Nanos>) -> Bounds {
        Bounds { first_quote: 60 * SECOND, repeats_within, ..Bounds::of_age(SECOND) }
    }

    /// A pace after so many quotes at an interval, and the time of the last one.
    fn quoted(count: u64, interval: Nanos) -> (Pace, Nanos) {
        let mut pace = Pace::default();
        pace.restart(START);
        let mut last = 0;
        for number in 0..count {
            let now = START + number * interval;
            pace.on_quote(last, now);
            last = now;
        }
        (pace, last)
    }

    /// Checks that an instrument is overdue after this time, and not before.
    #[track_caller]
    fn check(pace: &Pace, last: Nanos, bounds: &Bounds, limit: Nanos) {
        assert!(!pace.is_overdue(last + limit, bounds));
        assert!(pace.is_overdue(last + limit + 1, bounds));
    }

    #[test]
    fn the_first_quote_is_expected_within_its_time_after_each_subscription() {
        let mut pace = Pace::default();
        pace.restart(START);
        for bounds in [bounds(None), bounds(Some(3 * SECOND))] {
            check(&pace, START, &bounds, 60 * SECOND);
        }
        let (mut pace, last) = quoted(100, SECOND);
        pace.restart(last + SECOND);
        check(&pace, last + SECOND, &bounds(None), 60 * SECOND);
    }

    #[test]
    fn a_venue_that_repeats_is_held_to_its_promise() {
        let (pace, last) = quoted(1, SECOND);
        check(&pace, last, &bounds(Some(3 * SECOND)), 3 * SECOND);
        let (pace, last) = quoted(100, 200 * SECOND);
        check(&pace, last, &bounds(Some(3 * SECOND)), 3 * SECOND);
    }

    #[test]
    fn otherwise_the_pace_is_learned_within_its_limits() {
        // The first quote has no interval before it.
        for (count, interval, limit) in [
            (32, SECOND, 300),
            (500, SECOND / 100, 30),
            (500, 4 * SECOND, 4 * 32),
            (500, 200 * SECOND, 300),
        ] {
            let (pace, last) = quoted(count, interval);
            check(&pace, last, &bounds(None), limit * SECOND);
        }
        let (pace, last) = quoted(33, SECOND / 100);
        assert!(pace.is_overdue(last + 31 * SECOND, &bounds(None)), "learned from 32 intervals on");
    }

    #[test]
    fn the_last_intervals_count_most() {
        let (mut pace, mut now) = quoted(500, 200 * SECOND);
        for _ in 0..100 {
            pace.on_quote(now, now + SECOND);
            now += SECOND;
        }
        assert!(pace.is_overdue(now + 60 * SECOND, &bounds(None)));
    }
}
