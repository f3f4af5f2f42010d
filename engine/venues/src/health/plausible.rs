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

#[cfg(test)]
mod tests {
    use super::*;
    use bytemuck::Zeroable;
    use spreadwire_market::clock::MILLI;

    /// What is believed of quotes at these times, ms, with these prices, by a jump of a tenth.
    fn believed(quotes: &[(u64, i64)]) -> Vec<bool> {
        let mut plausible = Plausible::default();
        let quote = |&(ms, price): &(u64, i64)| {
            let ts_recv = 1_000 * SECOND + ms * MILLI;
            let (bid_px, ask_px) = (price, price);
            plausible.believes(&Quote { ts_recv, bid_px, ask_px, ..Quote::zeroed() }, 0.1)
        };
        quotes.iter().map(quote).collect()
    }

    #[test]
    fn the_first_quote_is_believed_and_so_is_what_is_near_the_one_before() {
        let up = [(0, 1_000), (1, 1_100), (2, 1_210), (3, 1_089), (4, 981)];
        assert_eq!(believed(&up), [true; 5], "each is within a tenth");
        assert_eq!(believed(&[(0, 1_000), (1, 1_101)]), [true, false]);
        assert_eq!(believed(&[(0, 1_000), (1, 899)]), [true, false]);
    }

    #[test]
    fn a_jump_is_believed_after_three_quotes_in_a_row_that_span_a_second() {
        let jump = [(0, 1_000), (1, 10), (500, 10), (1_000, 10), (1_001, 10), (1_002, 10)];
        assert_eq!(believed(&jump), [true, false, false, false, true, true]);
        assert_eq!(believed(&[(0, 1_000), (1, 10), (2_000, 10), (2_001, 10)])[2..], [false, true]);
    }

    #[test]
    fn a_good_quote_and_another_price_begin_the_doubt_anew() {
        let good = [(0, 1_000), (1, 10), (2, 10), (3, 1_000), (1_500, 10), (1_600, 10)];
        assert_eq!(believed(&good), [true, false, false, true, false, false]);
        let other = [(0, 1_000), (1, 10), (900, 10), (1_100, 50), (1_500, 50), (2_100, 50)];
        assert_eq!(believed(&other), [true, false, false, false, false, true]);
    }

    #[test]
    fn after_a_minute_nothing_is_known_of_the_price() {
        assert_eq!(believed(&[(0, 1_000), (60_000, 10)]), [true, false]);
        assert_eq!(believed(&[(0, 1_000), (60_001, 10)]), [true, true]);
    }
}
