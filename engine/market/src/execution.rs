//! What a limit order that is valid at once or not at all gets of a displayed level, on paper.
//!
//! Pure functions of the level: the trader executes on paper by them with exact mantissas, and the
//! analyzer with the prices of a lake, so that both mean the same by a fill. What is displayed is taken
//! once, by whichever of our own orders comes first, until the level changes.

use crate::clock::Nanos;
use crate::named;
use serde::{Deserialize, Serialize};
use std::ops::{Add, Sub};

named! {
    /// What becomes of the two legs of a deal once both are filled.
    #[derive(Default, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum Exit {
        /// Both legs stay: each venue holds an inventory of base and quote currency, which shifts. Positions
        /// are held until they converge all the same.
        #[default]
        Inventory => "inventory",
        /// The legs are held until the spread has converged, and are closed then: four trades and four fees.
        Convergence => "convergence",
    }
}

/// Direction of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Pays quote currency and receives the base.
    Buy,
    /// Pays the base and receives quote currency.
    Sell,
}

impl Side {
    /// Returns the other direction.
    #[must_use]
    pub fn opposite(self) -> Side {
        match self {
            Side::Buy => Side::Sell,
            Side::Sell => Side::Buy,
        }
    }

    /// Returns 1 for a purchase and -1 for a sale.
    #[must_use]
    pub fn sign(self) -> i64 {
        match self {
            Side::Buy => 1,
            Side::Sell => -1,
        }
    }

    /// Returns whether an order with this limit may trade at a price.
    #[must_use]
    #[inline]
    pub fn is_met<N: PartialOrd + Copy>(self, limit: N, px: N) -> bool {
        match self {
            Side::Buy => px <= limit,
            Side::Sell => limit <= px,
        }
    }
}

/// Returns the legs, 0 for the purchase and 1 for the sale of the entry, at whose venues a residual can be
/// traded away so that what was begun is completed, the preferred one first: for an entry the leg that is
/// short of it, for an exit the one that has too much. `is_short` says whether more was sold than bought.
/// To reverse what was begun is to complete the other way.
#[must_use]
pub fn completing_legs(is_short: bool, is_exit: bool) -> [usize; 2] {
    let has_too_much = usize::from(is_short);
    if is_exit { [has_too_much, 1 - has_too_much] } else { [1 - has_too_much, has_too_much] }
}

/// What prices and sizes are counted in: mantissas, or floats.
pub trait Number: Copy + Default + PartialOrd + Add<Output = Self> + Sub<Output = Self> {}
impl Number for i64 {}
impl Number for f64 {}

/// One side of a venue's book for one instrument: its best price, and what our own orders have claimed
/// and taken of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level<N> {
    /// Price; 0 before the first record.
    pub px: N,
    /// Displayed size.
    pub sz: N,
    /// Size that our orders were sent for since the level last changed.
    pub claimed: N,
    /// Size that our orders on paper were filled with since the level last changed.
    pub taken: N,
    /// Time of the record that last said it, ns since 1970 UTC.
    pub ts: Nanos,
    /// Whether it still holds.
    pub is_good: bool,
}

impl<N: Number> Level<N> {
    /// Takes what the venue shows at `ts`, ns since 1970 UTC. Claims end when price or size change.
    #[inline]
    pub fn say(&mut self, px: N, sz: N, ts: Nanos) {
        if px != self.px || sz != self.sz {
            (self.px, self.sz, self.claimed, self.taken) = (px, sz, N::default(), N::default());
        }
        self.ts = ts;
        self.is_good = true;
    }

    /// Returns the size that no order of ours was sent for.
    #[must_use]
    #[inline]
    pub fn unclaimed(&self) -> N {
        at_least_zero(self.sz - self.claimed)
    }

    /// Returns the size that no order of ours was filled with.
    #[must_use]
    #[inline]
    pub fn untaken(&self) -> N {
        at_least_zero(self.sz - self.taken)
    }

    /// Returns how much of `sz` an order that arrives now is filled with, at the level's price.
    #[must_use]
    #[inline]
    pub fn fills(&self, side: Side, limit: N, sz: N) -> N {
        if !side.is_met(limit, self.px) {
            return N::default();
        }
        let untaken = self.untaken();
        if untaken < sz { untaken } else { sz }
    }
}

#[inline]
fn at_least_zero<N: Number>(value: N) -> N {
    if value < N::default() { N::default() } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_takes_what_is_displayed_once_at_its_limit_or_better() {
        let mut ask = Level::default();
        ask.say(100, 5, 1);
        let rows = [(99, 3, 0), (100, 3, 3), (101, 9, 5)];
        for (limit, sz, filled) in rows {
            assert_eq!(ask.fills(Side::Buy, limit, sz), filled, "buy {sz} at {limit}");
        }
        assert_eq!([99, 100, 101].map(|limit| ask.fills(Side::Sell, limit, 2)), [2, 2, 0]);
        (ask.taken, ask.claimed) = (3, 6);
        assert_eq!((ask.fills(Side::Buy, 100, 5), ask.unclaimed()), (2, 0));
        ask.say(100, 5, 1);
        assert_eq!(ask.untaken(), 2, "said again, not changed");
        ask.say(100, 6, 1);
        assert_eq!((ask.untaken(), ask.unclaimed()), (6, 6));
        let mut half = Level { px: 0.5, sz: f64::INFINITY, ..Level::default() };
        half.taken = 7.5;
        assert!(
            (half.fills(Side::Buy, 0.5, 2.5) - 2.5).abs() < 1e-12,
            "a size that is not known limits nothing"
        );
    }
}
