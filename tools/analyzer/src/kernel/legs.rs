//! The quotes of one venue as a pair sees them: the latest one, the rows of a window, and the rows
//! among them at which something can change.

use serde::{Deserialize, Serialize};

/// Consecutive quotes of one venue. Asks and sizes are empty where they are not known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rows<'a> {
    /// Receive times, ns since 1970, ascending.
    pub times: &'a [i64],
    /// Best bids.
    pub bids: &'a [f64],
    /// Best asks.
    pub asks: &'a [f64],
    /// Sizes at the bids, base currency.
    pub bid_sizes: &'a [f64],
    /// Sizes at the asks.
    pub ask_sizes: &'a [f64],
}

/// A venue's latest quote.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Leg {
    /// When it was received, ns since 1970.
    pub time: i64,
    /// Best bid.
    pub bid: f64,
    /// Best ask.
    pub ask: f64,
    /// Sizes of bid and ask; not a number where they are not known.
    pub sizes: [f64; 2],
}

impl Leg {
    /// No quote yet.
    pub const NONE: Leg = Leg { time: i64::MIN / 2, bid: 0.0, ask: 0.0, sizes: [f64::NAN; 2] };

    /// Whether it has both sides and they are not crossed.
    #[must_use]
    pub fn usable(&self) -> bool {
        0.0 < self.bid && self.bid <= self.ask
    }

    /// A quote of no size is none: recorders write 0 where they do not know it.
    #[must_use]
    #[inline]
    pub fn of_known_sizes(self) -> Leg {
        let known = |size| if 0.0 < size { size } else { f64::NAN };
        Leg { sizes: self.sizes.map(known), ..self }
    }

    /// Middle of bid and ask.
    #[must_use]
    pub fn mid(&self) -> f64 {
        f64::midpoint(self.bid, self.ask)
    }
}

impl Rows<'_> {
    /// Whether the next row is not known, or comes later than so long after this one.
    #[inline]
    fn is_silent_after(&self, row: usize, max_age: i64) -> bool {
        let next = self.times.get(row + 1);
        next.is_none_or(|next| max_age < next.wrapping_sub(self.times[row]))
    }

    /// The quote of a row.
    #[must_use]
    #[inline]
    pub fn leg(&self, row: usize) -> Leg {
        let known = |column: &[f64]| column.get(row).copied().unwrap_or(f64::NAN);
        let sizes = [known(self.bid_sizes), known(self.ask_sizes)];
        let (time, bid, ask) = (self.times[row], self.bids[row], known(self.asks));
        Leg { time, bid, ask, sizes }.of_known_sizes()
    }
}

/// Finds the rows of a window that turn something if no episode goes on: whose prices differ from
/// those before, and those around a silence longer than the maximum age, of which a quote is stale;
/// also the first and the last.
pub fn turns(rows: Rows<'_>, max_age: i64, turns: &mut Vec<usize>) {
    turns.clear();
    let count = rows.times.len();
    turns.resize(count, 0);
    let mut found = 0;
    let mut was_silent = true;
    // Without branches on the prices, which come as they like.
    for row in 0..count {
        let is_silent = rows.is_silent_after(row, max_age);
        let before = row.saturating_sub(1);
        let differs = |column: &[f64]| {
            let both = column.get(before..=row);
            both.is_some_and(|both| both[0].to_bits() != both[both.len() - 1].to_bits())
        };
        turns[found] = row;
        let is_turn = was_silent | is_silent | differs(rows.bids) | differs(rows.asks);
        found += usize::from(is_turn);
        was_silent = is_silent;
    }
    turns.truncate(found);
}

/// Goes through a window's rows: each of them, or the turns alone.
pub(super) struct Cursor<'a> {
    pub(super) rows: Rows<'a>,
    /// Those not taken yet, and some that were.
    pub(super) turns: &'a [usize],
    /// The next row.
    pub(super) row: usize,
}

impl Cursor<'_> {
    /// The time of the next row or turn; beyond all times if there is none.
    #[inline]
    pub(super) fn next_time(&mut self, only_turns: bool) -> i64 {
        let row = if only_turns { self.next_turn() } else { self.row };
        self.rows.times.get(row).copied().unwrap_or(i64::MAX)
    }

    #[inline]
    fn next_turn(&mut self) -> usize {
        while let [turn, rest @ ..] = self.turns {
            if self.row <= *turn {
                return *turn;
            }
            self.turns = rest;
        }
        usize::MAX
    }

    /// The quote of the next row or turn, which there is, and until when it is young enough.
    #[inline]
    pub(super) fn take(&mut self, only_turns: bool, max_age: i64) -> (Leg, i64) {
        let row = if only_turns { self.next_turn() } else { self.row };
        self.row = row + 1;
        let leg = self.rows.leg(row);
        let is_silent = self.rows.is_silent_after(row, max_age);
        (leg, if is_silent { leg.time.saturating_add(max_age) } else { i64::MAX })
    }

    /// The quote that stands at a time, up to which all turns were taken; `None` if it is from before.
    pub(super) fn latest(&mut self, time: i64) -> Option<Leg> {
        while self.rows.times.get(self.row).is_some_and(|at| *at <= time) {
            self.row += 1;
        }
        self.row.checked_sub(1).map(|row| self.rows.leg(row))
    }
}

/// Returns the notional that the two quotes of a direction allow, in the quote currency; NaN where
/// no size is known.
pub(super) fn notional(legs: &[Leg; 2], direction: usize) -> f64 {
    let (buy, sell) = (&legs[direction], &legs[1 - direction]);
    (buy.ask * buy.sizes[1]).min(sell.bid * sell.sizes[0])
}
