//! A deal that is not over: its orders in flight, and what it has bought and sold so far.

use super::ledger::Purpose;
use spreadwire_market::execution::Side;

/// What a deal does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its two entry orders are in flight.
    Entering,
    /// One leg was filled further than the other.
    Hedging,
    /// Both legs are held.
    Holding,
    /// Its two exit orders are in flight.
    Exiting,
}

/// An order that is not over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    pub(super) venue: usize,
    pub(super) side: Side,
    pub(super) purpose: Purpose,
    pub(super) limit: f64,
    pub(super) sz: f64,
    pub(super) sent: i64,
    /// When it arrives; or, once it has, when its answer does.
    pub(super) due: i64,
    pub(super) has_arrived: bool,
}

/// A deal. Its first leg is the purchase of its entry, its second the sale.
#[derive(Clone, Copy, Debug)]
pub(super) struct Active {
    pub(super) direction: usize,
    pub(super) stage: Stage,
    pub(super) opened: i64,
    pub(super) entry_net: f64,
    /// Price at which the purchase was decided on.
    pub(super) entry_px: f64,
    /// Prices that were last decided on, by leg.
    pub(super) px: [f64; 2],
    /// What was bought less what was sold, by leg, in the base currency.
    pub(super) position: [f64; 2],
    /// Largest size of a leg so far.
    pub(super) size: f64,
    pub(super) cash: f64,
    pub(super) fees: f64,
    pub(super) volume: f64,
    /// What closing would have left as soon as it was opened, and the least since.
    pub(super) at_once: Option<f64>,
    pub(super) worst: f64,
    pub(super) orders: [Option<Order>; 2],
    /// When hedging began, and when it is looked at again.
    pub(super) since: i64,
    pub(super) look_at: i64,
    pub(super) was_hedged: bool,
    pub(super) is_exit: bool,
}

/// Positions below this share of a deal's size are none: the rest of sums of floats.
const DUST: f64 = 1e-9;

impl Active {
    pub(super) fn new(direction: usize, opened: i64, entry_net: f64, px: [f64; 2]) -> Active {
        Active {
            direction,
            stage: Stage::Entering,
            opened,
            entry_net,
            entry_px: px[0],
            px,
            position: [0.0; 2],
            size: 0.0,
            cash: 0.0,
            fees: 0.0,
            volume: 0.0,
            at_once: None,
            worst: f64::INFINITY,
            orders: [None; 2],
            since: opened,
            look_at: i64::MAX,
            was_hedged: false,
            is_exit: false,
        }
    }

    /// Returns the venue of a leg.
    pub(super) fn venue(&self, leg: usize) -> usize {
        if leg == 0 { self.direction } else { 1 - self.direction }
    }

    /// Returns the leg of a venue.
    pub(super) fn leg(&self, venue: usize) -> usize {
        usize::from(venue != self.direction)
    }

    /// Returns what was bought beyond what was sold, in the base currency; exactly 0 if that is dust.
    pub(super) fn residual(&self) -> f64 {
        self.clean(self.position[0] + self.position[1])
    }

    /// Returns the position of a leg; exactly 0 if that is dust.
    pub(super) fn held(&self, leg: usize) -> f64 {
        self.clean(self.position[leg])
    }

    fn clean(&self, amount: f64) -> f64 {
        if amount.abs() <= DUST * self.size { 0.0 } else { amount }
    }

    pub(super) fn is_in_flight(&self) -> bool {
        self.orders.iter().any(Option::is_some)
    }

    /// Returns when something of it happens next.
    pub(super) fn due(&self) -> i64 {
        let orders = self.orders.iter().flatten().map(|order| order.due).min();
        orders.unwrap_or(i64::MAX).min(self.look_at)
    }
}
