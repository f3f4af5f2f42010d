//! A deal: a purchase on one venue and a sale on another, and what became of the two.

use crate::amount::{Amount, Rounding};
use crate::entry::{Decided, Stage};
use crate::order::Side;
use crate::settings::{Exit, Hedge};
use crate::terms::Terms;
use spreadwire_market::clock::Nanos;
use spreadwire_market::execution::completing_legs;
use spreadwire_market::instrument::VenueId;

/// One of the two sides of a deal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// The venue.
    pub venue: VenueId,
    /// Direction of the entry.
    pub side: Side,
    /// Decided price, mantissa.
    pub px: i64,
    /// What was bought less what was sold here for this deal, mantissa.
    pub position: i64,
    /// Quote currency that the trades here brought, below 0 where they took.
    pub flow: Amount,
}

/// A deal that is not over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Deal {
    /// What was decided.
    pub decided: Decided,
    /// Time of the decision, ns since 1970 UTC.
    pub ts: Nanos,
    /// What it does.
    pub stage: Stage,
    /// Time since when it does, ns since 1970 UTC.
    pub since: Nanos,
    /// The purchase and the sale, in this order.
    pub legs: [Leg; 2],
    /// Number of its orders that are not over.
    pub in_flight: u32,
    /// Fees in the currency of the books.
    pub fees: Amount,
    /// Size bought and sold in all, mantissa.
    pub traded: i64,
    /// What the books count against the limits for it.
    pub exposure: Amount,
    /// Whether an order was rejected, its outcome unknown, or a residual remained for a time.
    pub failed: bool,
    /// Whether a residual was hedged.
    pub hedged: bool,
    /// Whether its legs are being closed, so that a residual is one of the exit.
    pub is_exit: bool,
}

/// A hedge that brings a deal closer to no residual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HedgeOrder {
    /// Index of the leg whose venue it goes to.
    pub leg: usize,
    /// Direction.
    pub side: Side,
    /// Size, mantissa, in lots of that venue.
    pub sz: i64,
    /// Limit, mantissa.
    pub px: i64,
}

impl Deal {
    /// Begins a deal.
    #[must_use]
    pub fn new(decided: Decided, ts: Nanos) -> Deal {
        let Decided { buy_venue, sell_venue, buy_px, sell_px, .. } = decided;
        let leg = |venue, side, px| Leg { venue, side, px, position: 0, flow: Amount::ZERO };
        Deal {
            decided,
            ts,
            stage: Stage::Entering,
            since: ts,
            legs: [leg(buy_venue, Side::Buy, buy_px), leg(sell_venue, Side::Sell, sell_px)],
            in_flight: 0,
            fees: Amount::ZERO,
            traded: 0,
            exposure: Amount::ZERO,
            failed: false,
            hedged: false,
            is_exit: false,
        }
    }

    /// Returns the surplus of what was bought over what was sold, mantissa, signed.
    #[must_use]
    pub fn residual(&self) -> i64 {
        self.legs[0].position + self.legs[1].position
    }

    /// Returns whether an order of it is not over.
    #[must_use]
    pub fn is_in_flight(&self) -> bool {
        0 < self.in_flight
    }

    /// Returns the size that the deal may lose on, mantissa: all of it while its entry is in flight or
    /// its legs are held, the residual otherwise.
    #[must_use]
    pub fn at_risk(&self, exit: Exit) -> i64 {
        if self.stage == Stage::Entering && self.is_in_flight() {
            return self.decided.sz;
        }
        match exit {
            Exit::Inventory => self.residual().abs(),
            Exit::Convergence => {
                let [bought, sold] = self.legs.map(|leg| leg.position.abs());
                bought.max(sold)
            }
        }
    }

    /// Returns the leg of a venue.
    #[must_use]
    pub fn leg_of(&self, venue: VenueId) -> Option<usize> {
        self.legs.iter().position(|leg| leg.venue == venue)
    }

    /// Notes a trade on one of its legs.
    pub fn on_trade(&mut self, leg: usize, side: Side, sz: i64, notional: Amount) {
        self.legs[leg].position += side.sign() * sz;
        self.legs[leg].flow += match side {
            Side::Buy => -notional,
            Side::Sell => notional,
        };
        self.traded = self.traded.saturating_add(sz);
    }

    /// Returns the legs at whose venues the residual can be hedged, the preferred one first. To complete
    /// an entry is to trade at the leg that is short of it, to reverse it at the one that has too much; for
    /// an exit it is the other way round.
    #[must_use]
    pub fn hedge_legs(&self, policy: Hedge) -> Option<[usize; 2]> {
        let is_short = self.residual() < 0;
        match policy {
            Hedge::Hold => None,
            Hedge::Complete => Some(completing_legs(is_short, self.is_exit)),
            Hedge::Reverse => Some(completing_legs(is_short, !self.is_exit)),
        }
    }

    /// Returns the hedge at one of its legs: as many lots of the residual as that venue takes, at a limit
    /// that is at most `band` (a fraction) worse than decided. `None` if the venue takes none of it.
    #[must_use]
    pub fn hedge_at(&self, leg: usize, terms: &Terms, band: f64) -> Option<HedgeOrder> {
        let residual = self.residual();
        let side = if 0 < residual { Side::Sell } else { Side::Buy };
        let px = worst(self.legs[leg].px, side, band, terms)?;
        let sz = residual.abs() / terms.lot * terms.lot;
        terms.takes(px, sz).then_some(HedgeOrder { leg, side, sz, px })
    }

    /// Returns the leg that was traded further than the other one.
    #[must_use]
    pub fn larger_leg(&self) -> usize {
        usize::from(self.legs[0].position.abs() < self.legs[1].position.abs())
    }
}

impl Leg {
    /// Returns what its trades brought, and `position` if that were worth `mark`, both mantissas; in its
    /// quote currency before fees.
    #[must_use]
    pub fn worth(&self, position: i64, mark: i64, terms: &Terms) -> Amount {
        let value = Amount::product(mark, terms.px_scale, position, terms.sz_scale, Rounding::Down);
        self.flow + value
    }
}

/// Returns the price that is `band` worse than `px`, on the tick that is nearer to it; `None` if that is
/// no price.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a bound, for which a relative error of 2^-53 is nothing"
)]
fn worst(px: i64, side: Side, band: f64, terms: &Terms) -> Option<i64> {
    let by = (px as f64 * band) as i64;
    let limit = match side {
        Side::Buy => px.checked_add(by)?,
        Side::Sell => px - by,
    };
    Some(terms.on_tick(limit, side)).filter(|px| 0 < *px)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terms::{AssetId, Settlement};
    use spreadwire_market::instrument::InstrumentId;

    fn deal(bought: i64, sold: i64) -> Deal {
        let decided = Decided {
            deal: 1,
            opportunity: 1,
            instrument: InstrumentId(0),
            buy_venue: VenueId(0),
            sell_venue: VenueId(1),
            buy_px: 10_000,
            sell_px: 10_100,
            sz: 50,
            net: 0.01,
            age: 0,
        };
        let mut deal = Deal::new(decided, 5);
        deal.legs[0].position = bought;
        deal.legs[1].position = -sold;
        deal
    }

    fn terms(lot: i64) -> Terms {
        Terms {
            settlement: Settlement::Spot,
            base: AssetId(0),
            quote: AssetId(1),
            px_scale: 2,
            sz_scale: 0,
            tick: 10,
            lot,
            min_sz: lot,
            min_notional: Amount::parse("200").unwrap(),
        }
    }

    #[test]
    fn a_residual_is_hedged_where_the_policy_says() {
        let rows = [
            // Bought 50, sold 30: complete sells at the sell venue, reverse at the buy venue.
            (50, 30, false, Hedge::Complete, Some([1, 0])),
            (50, 30, false, Hedge::Reverse, Some([0, 1])),
            (30, 50, false, Hedge::Complete, Some([0, 1])),
            (30, 50, false, Hedge::Reverse, Some([1, 0])),
            // An exit that sold less than it bought back is completed where it sells.
            (20, 0, true, Hedge::Complete, Some([0, 1])),
            (20, 0, true, Hedge::Reverse, Some([1, 0])),
            (50, 30, false, Hedge::Hold, None),
        ];
        for (bought, sold, is_exit, policy, legs) in rows {
            // While it is hedged, the stage says no more what the residual is of.
            let deal = Deal { stage: Stage::Hedging, is_exit, ..deal(bought, sold) };
            assert_eq!(deal.hedge_legs(policy), legs, "{bought} {sold} {policy}");
        }
    }

    #[test]
    fn a_hedge_is_exact_within_its_band_or_not_made() {
        let sale = deal(50, 30).hedge_at(1, &terms(1), 0.01).unwrap();
        assert_eq!(sale, HedgeOrder { leg: 1, side: Side::Sell, sz: 20, px: 10_000 });
        let purchase = deal(30, 50).hedge_at(0, &terms(1), 0.0055).unwrap();
        assert_eq!((purchase.side, purchase.sz, purchase.px), (Side::Buy, 20, 10_050));
        assert_eq!(deal(50, 30).hedge_at(1, &terms(7), 0.01).unwrap().sz, 14, "lots, never up");
        assert_eq!(deal(50, 30).hedge_at(1, &terms(21), 0.01), None, "never zero");
        assert_eq!(deal(50, 49).hedge_at(1, &terms(1), 0.01), None, "below the least notional");
        assert_eq!(deal(50, 30).hedge_at(1, &terms(1), 1.0), None, "no price");
    }
}
