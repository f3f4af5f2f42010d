//! Whether a quote is near those before it.
//!
//! A price that jumps is not believed at once: it may be a slipped decimal point. It is believed when
//! the next quotes confirm it, because markets do jump.

use spreadwire_market::clock::{Nanos, SECOND};
use spreadwire_market::record::Quote;

/// A quote older than this says nothing about the next one.
const MEMORY: Nanos = 60 * SECOND;
/// A jump is confirmed by this many quotes in a row, itself included,
const CONFIRMATIONS: u32 = 3;
/// that span at least this time.
const CONFIRMED_AFTER: Nanos = SECOND;

/// The last quote that was believed, and the jump that waits to be confirmed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Plausible {
    /// Sum of bid and ask of the last quote that was believed, mantissa; 0 before the first one.
    believed: f64,
    believed_at: Nanos,
    /// The same of the last quote that was not, and how many such quotes there were in a row.
    doubted: f64,
    doubts: u32,
    doubted_since: Nanos,
}

impl Plausible {
    /// Takes a quote with both sides, and returns whether it is believed. `max_jump` is a fraction.
    #[inline]
    pub(super) fn believes(&mut self, quote: &Quote, max_jump: f64) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "a ratio of prices to a percent")]
        let sum = quote.bid_px as f64 + quote.ask_px as f64;
        let forgotten = MEMORY < quote.ts_recv.saturating_sub(self.believed_at);
        let near = self.believed == 0.0 || (sum - self.believed).abs() <= max_jump * self.believed;
        if near || forgotten || self.is_confirmed(sum, quote.ts_recv, max_jump) {
            (self.believed, self.believed_at, self.doubts) = (sum, quote.ts_recv, 0);
            return true;
        }
        false
    }

    #[cold]
    fn is_confirmed(&mut self, sum: f64, now: Nanos, max_jump: f64) -> bool {
        let same = (sum - self.doubted).abs() <= max_jump * self.doubted;
        if self.doubts == 0 || !same {
            (self.doubts, self.doubted_since) = (0, now);
        }
        self.doubted = sum;
        self.doubts += 1;
        CONFIRMATIONS <= self.doubts && CONFIRMED_AFTER <= now.saturating_sub(self.doubted_since)
    }
}
