//! What a player holds at the two venues.

use crate::kernel::legs::Leg;
use spreadwire_market::execution::Side;

/// The balances of one player, by venue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Funds {
    base: [f64; 2],
    quote: [f64; 2],
}

impl Funds {
    /// Returns funds worth `amount` of quote currency in each currency at each venue, at these quotes.
    pub(super) fn of(amount: f64, legs: &[Leg; 2]) -> Funds {
        Funds { base: legs.map(|leg| amount / leg.mid()), quote: [amount; 2] }
    }

    /// Returns the largest size that can be traded, in the base currency, if a unit costs `px` with its fee.
    pub(super) fn room(&self, venue: usize, side: Side, px: f64) -> f64 {
        match side {
            Side::Buy => (self.quote[venue] / px).max(0.0),
            Side::Sell => self.base[venue].max(0.0),
        }
    }

    /// Books a trade that brought `flow` of quote currency.
    pub(super) fn book(&mut self, venue: usize, side: Side, sz: f64, flow: f64) {
        self.quote[venue] += flow;
        self.base[venue] += match side {
            Side::Buy => sz,
            Side::Sell => -sz,
        };
    }
}
