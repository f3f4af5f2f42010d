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
