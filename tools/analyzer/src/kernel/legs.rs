//! The quotes of one venue as a pair sees them: the latest quote, the rows of a window, and the
//! rows among them at which something can change.

use serde::{Deserialize, Serialize};

/// Consecutive quotes of one venue. `asks` and the sizes are empty where they are unknown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rows<'a> {
    /// Receive times in ns since 1970, ascending.
    pub times: &'a [i64],
    /// Best bids.
    pub bids: &'a [f64],
    /// Best asks.
    pub asks: &'a [f64],
    /// Sizes at the best bids, in the base currency.
    pub bid_sizes: &'a [f64],
    /// Sizes at the best asks.
    pub ask_sizes: &'a [f64],
    /// Times in which nothing that the venue has said counts, each from a time to one after it:
    /// ascending, and apart.
    pub torn: &'a [(i64, i64)],
}

/// Returns the last time at which a quote of `time` is fresh: until it is older than `max_age`, or
/// until its venue is torn. A quote from a torn time never is.
#[must_use]
#[inline]
pub fn fresh_until(time: i64, max_age: i64, torn: &[(i64, i64)]) -> i64 {
    let until = time.saturating_add(max_age);
    if torn.is_empty() {
        return until;
    }
    match torn[torn.partition_point(|(_, end)| *end <= time)..] {
        [(begin, _), ..] if begin <= time => i64::MIN,
        [(begin, _), ..] => until.min(begin - 1),
        [] => until,
    }
}

/// A venue's latest quote.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Leg {
    /// Receive time in ns since 1970.
    pub time: i64,
    /// Best bid.
    pub bid: f64,
    /// Best ask.
    pub ask: f64,
    /// Sizes of bid and ask; NaN where unknown.
    pub sizes: [f64; 2],
}

impl Leg {
    /// Stands for "no quote yet".
    pub const NONE: Leg = Leg { time: i64::MIN / 2, bid: 0.0, ask: 0.0, sizes: [f64::NAN; 2] };

    /// Returns whether both sides are present and not crossed.
    #[must_use]
    pub fn usable(&self) -> bool {
        0.0 < self.bid && self.bid <= self.ask
    }

    /// Replaces sizes of 0 by NaN: recorders write 0 where they do not know the size. Where a size cannot be
    /// one, nothing is displayed.
    #[must_use]
    #[inline]
    pub fn of_known_sizes(self) -> Leg {
        let known = |size: f64| match size {
            _ if 0.0 < size => size,
            _ if size < 0.0 => 0.0,
            _ => f64::NAN,
        };
        Leg { sizes: self.sizes.map(known), ..self }
    }

    /// Returns the midpoint of bid and ask.
    #[must_use]
    pub fn mid(&self) -> f64 {
        f64::midpoint(self.bid, self.ask)
    }
}

impl Rows<'_> {
    /// Returns whether the next row is unknown or comes when this one is no longer fresh.
    #[inline]
    fn is_silent_after(&self, row: usize, max_age: i64) -> bool {
        let next = self.times.get(row + 1);
        next.is_none_or(|next| fresh_until(self.times[row], max_age, self.torn) < *next)
    }

    /// Returns the quote of a row.
    #[must_use]
    #[inline]
    pub fn leg(&self, row: usize) -> Leg {
        let known = |column: &[f64]| column.get(row).copied().unwrap_or(f64::NAN);
        let sizes = [known(self.bid_sizes), known(self.ask_sizes)];
        let (time, bid, ask) = (self.times[row], self.bids[row], known(self.asks));
        Leg { time, bid, ask, sizes }.of_known_sizes()
    }
}

/// Finds the turns of a window: the rows that can change something while no episode is open. These
/// are the rows whose prices differ from the row before, the rows around a time in which the quote was
/// no longer fresh, and the first and the last row.
pub fn turns(rows: Rows<'_>, max_age: i64, turns: &mut Vec<usize>) {
    turns.clear();
    let count = rows.times.len();
    turns.resize(count, 0);
    let mut found = 0;
    let mut was_silent = true;
    // Prices are unpredictable, so this loop does not branch on them.
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

/// Steps through the rows of a window: through all of them, or through the turns alone.
pub(super) struct Cursor<'a> {
    pub(super) rows: Rows<'a>,
    /// The turns that have not been taken yet; some that have been may still stand before them.
    pub(super) turns: &'a [usize],
    /// Index of the next row.
    pub(super) row: usize,
}

impl Cursor<'_> {
    /// Returns the time of the next row or turn; `i64::MAX` if there is none.
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

    /// Takes the next row or turn, which must exist, and returns its quote and the time until which
    /// it is fresh.
    #[inline]
    pub(super) fn take(&mut self, only_turns: bool, max_age: i64) -> (Leg, i64) {
        let row = if only_turns { self.next_turn() } else { self.row };
        self.row = row + 1;
        let leg = self.rows.leg(row);
        let is_silent = self.rows.is_silent_after(row, max_age);
        let fresh = || fresh_until(leg.time, max_age, self.rows.torn);
        (leg, if is_silent { fresh() } else { i64::MAX })
    }

    /// Returns the latest quote at `time`, given that all turns up to it were taken. `None` means
    /// that the quote dates from before this window.
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
