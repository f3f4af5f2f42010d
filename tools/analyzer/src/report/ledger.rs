//! The ledger of a strategy: every deal and every order. Amounts are in quote currency.

use crate::kernel::play::ledger::{Arrived, Deal, End, Purpose};
use serde::{Deserialize, Serialize};
use spreadwire_market::spread::BPS;

/// A position from its opening to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DealRow {
    /// Time of the decision, in ns since 1970.
    pub opened_ns: i64,
    /// Time at which the position ended, in ns since 1970.
    pub closed_ns: i64,
    /// Venue that it bought on.
    pub buy: String,
    /// Venue that it sold on.
    pub sell: String,
    /// Why it ended.
    pub end: End,
    /// Net spread that it was decided on, in bp.
    pub entry_net_bps: f64,
    /// Size of one leg.
    pub size: f64,
    /// What all its trades exchanged.
    pub volume: f64,
    /// Profit after fees and carry.
    pub profit: f64,
    /// Fees; they are in the profit.
    pub fees: f64,
    /// Funding and interest, below 0 where they cost; they are in the profit.
    pub carry: f64,
    /// The least that closing it at any time would have left.
    pub worst: f64,
}

/// An order that arrived.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderRow {
    /// Time of sending, in ns since 1970.
    pub sent_ns: i64,
    /// Time of arrival, in ns since 1970.
    pub arrived_ns: i64,
    /// Its venue.
    pub venue: String,
    /// `buy` or `sell`.
    pub side: String,
    /// What it was for.
    pub purpose: Purpose,
    /// Its limit.
    pub limit: f64,
    /// Its size, in the base currency.
    pub size: f64,
    /// Price that it met; 0 if none was seen.
    pub price: f64,
    /// How much was filled, in the base currency.
    pub filled: f64,
}

impl DealRow {
    /// Returns a deal between these two venues.
    #[must_use]
    pub fn of(deal: &Deal, venues: [&str; 2]) -> DealRow {
        let bought = usize::from(deal.direction);
        DealRow {
            opened_ns: deal.opened,
            closed_ns: deal.closed,
            buy: venues[bought].to_owned(),
            sell: venues[1 - bought].to_owned(),
            end: deal.end,
            entry_net_bps: deal.entry_net * BPS,
            size: deal.notional,
            volume: deal.volume,
            profit: deal.profit,
            fees: deal.fees,
            carry: deal.carry,
            worst: deal.worst,
        }
    }
}

impl OrderRow {
    /// Returns an order to one of these two venues.
    #[must_use]
    pub fn of(order: &Arrived, venues: [&str; 2]) -> OrderRow {
        OrderRow {
            sent_ns: order.sent,
            arrived_ns: order.arrived,
            venue: venues[usize::from(order.venue)].to_owned(),
            side: if order.buys { "buy" } else { "sell" }.to_owned(),
            purpose: order.purpose,
            limit: order.limit,
            size: order.sz,
            price: order.px,
            filled: order.filled,
        }
    }
}
