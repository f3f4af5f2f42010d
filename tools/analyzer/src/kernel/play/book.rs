//! What a player sees of the pair: the quotes, which of their prices have changed, and the fees.

use crate::kernel::legs::Leg;
use spreadwire_market::execution::{Level, Side};
use spreadwire_market::spread::FeeFactors;

/// What all players of a pair share.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) fees: [FeeFactors; 2],
    /// How often each price has changed: bid and ask of the first venue, then of the second.
    pub(super) moves: [u32; 4],
}

/// The pair as it is now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Looked<'a> {
    pub(super) now: i64,
    pub(super) legs: &'a [Leg; 2],
    /// Whether the quotes hold.
    pub(super) live: bool,
    pub(super) fees: [FeeFactors; 2],
    pub(super) moves: [u32; 4],
}

impl Pair {
    pub(super) fn new(fees: [FeeFactors; 2]) -> Pair {
        Pair { fees, moves: [0; 4] }
    }

    pub(super) fn look<'a>(&self, now: i64, legs: &'a [Leg; 2], live: bool) -> Looked<'a> {
        Looked { now, legs, live, fees: self.fees, moves: self.moves }
    }
}

impl Looked<'_> {
    /// Returns price and size that an order meets; a size that is not known limits nothing.
    pub(super) fn quote(&self, venue: usize, side: Side) -> (f64, f64) {
        let leg = &self.legs[venue];
        let (px, sz) = match side {
            Side::Buy => (leg.ask, leg.sizes[1]),
            Side::Sell => (leg.bid, leg.sizes[0]),
        };
        (px, if sz.is_nan() { f64::INFINITY } else { sz })
    }

    /// Returns what a trade brings in quote currency, below 0 where it takes, and its fee.
    pub(super) fn flow(&self, venue: usize, side: Side, px: f64, sz: f64) -> (f64, f64) {
        let amount = px * sz;
        let fee = self.fees[venue];
        match side {
            Side::Buy => (-amount * fee.buy, amount * (fee.buy - 1.0)),
            Side::Sell => (amount * fee.sell, amount * (1.0 - fee.sell)),
        }
    }
}

/// The four levels of the pair as one player sees them: what is displayed, less what it has claimed and
/// taken.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Levels {
    levels: [Level<f64>; 4],
    moves: [u32; 4],
}

impl Levels {
    pub(super) fn level(
        &mut self,
        looked: &Looked<'_>,
        venue: usize,
        side: Side,
    ) -> &mut Level<f64> {
        let place = 2 * venue + usize::from(side == Side::Buy);
        let (px, sz) = looked.quote(venue, side);
        let level = &mut self.levels[place];
        if self.moves[place] != looked.moves[place] {
            // It may have changed and changed back.
            (level.claimed, level.taken) = (0.0, 0.0);
            self.moves[place] = looked.moves[place];
        }
        level.say(px, sz, looked.now.unsigned_abs());
        level
    }
}
