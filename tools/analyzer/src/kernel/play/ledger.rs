//! What the strategies did: every order and every deal, from which all figures of money are drawn.

use super::strategy::Strategy;
use serde::{Deserialize, Serialize};

/// What all strategies of a pair did, in the order of
/// [`strategy::all`](super::strategy::all); empty if none ever had anything to do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Played {
    /// By strategy.
    pub tried: Vec<Tried>,
}

/// What one strategy did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// The strategy.
    pub strategy: Strategy,
    /// Its deals at the configured size and latency, in the order in which they closed.
    pub deals: Vec<Deal>,
    /// The orders of those deals, in the order in which they arrived.
    pub orders: Vec<Arrived>,
    /// What became of what was decided.
    pub counts: Counts,
    /// Sums at the configured size and latency, then with each other latency, then with each other size.
    pub variants: Vec<Totals>,
}

/// What was bought and sold together, and what it left when it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Deal {
    /// Time of the decision, in ns since 1970.
    pub opened: i64,
    /// Time at which the position ended, in ns since 1970.
    pub closed: i64,
    /// 0 bought on the first venue, 1 on the second.
    pub direction: u8,
    /// Why it ended.
    pub end: End,
    /// Net spread that it was decided on, as a fraction.
    pub entry_net: f64,
    /// Size of one leg, in quote currency.
    pub notional: f64,
    /// What all its trades exchanged, in quote currency; fees are a share of it.
    pub volume: f64,
    /// Profit after all fees, in quote currency.
    pub profit: f64,
    /// Fees, in quote currency; they are in the profit.
    pub fees: f64,
    /// What holding it brought beside its trades, in quote currency, below 0 where it cost; it is in the
    /// profit. 0 until [`Played::book_carry`].
    pub carry: f64,
    /// What it would have left had it been closed as soon as it was opened, in quote currency.
    pub at_once: f64,
    /// The least that closing it at any time would have left, in quote currency.
    pub worst: f64,
}

/// Why a position ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The spread converged, and it was closed; or the reverse direction shifted it back.
    #[default]
    Closed,
    /// One leg was filled, and then traded back.
    Reversed,
    /// The day ended, and it was closed at what that cost.
    DayEnd,
}

/// An order that has arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Arrived {
    /// Time of sending, in ns since 1970.
    pub sent: i64,
    /// Time of arrival, in ns since 1970.
    pub arrived: i64,
    /// 0 or 1.
    pub venue: u8,
    /// Whether it bought.
    pub buys: bool,
    /// What it was for.
    pub purpose: Purpose,
    /// Its limit.
    pub limit: f64,
    /// Its size, in the base currency.
    pub sz: f64,
    /// Price that it met; 0 if none was seen.
    pub px: f64,
    /// How much was filled, in the base currency.
    pub filled: f64,
}

/// What an order is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// One of the two legs of a deal.
    #[default]
    Entry,
    /// One of the two that close it.
    Exit,
    /// A leg that was filled further than the other one.
    Hedge,
    /// The end of the day.
    DayEnd,
}

/// What became of what was decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Pairs of orders that were sent to enter.
    pub decided: u64,
    /// Of these, pairs of which neither order was filled.
    pub missed: u64,
    /// Deals of which one leg had to be hedged.
    pub hedged: u64,
    /// Deals of which a leg could not be hedged; the strategy then waits for the next day.
    pub kept: u64,
    /// Of `decided`, those that met the net spread that they were decided on, or a better one.
    pub still_there: u64,
}

/// The sums of one strategy with one latency and size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Deals that have ended.
    pub deals: u64,
    /// Profit after all fees, in quote currency.
    pub profit: f64,
    /// Sum of the deals' notional, in quote currency.
    pub notional: f64,
}

impl Totals {
    pub(super) fn count(&mut self, deal: &Deal) {
        self.deals += 1;
        self.profit += deal.profit;
        self.notional += deal.notional;
    }

    fn merge(&mut self, later: &Totals) {
        self.deals += later.deals;
        self.profit += later.profit;
        self.notional += later.notional;
    }
}

impl Played {
    /// Books what holding each position brought, in quote currency. What it brought with other latencies and
    /// sizes is taken in proportion to the amounts.
    pub fn book_carry(&mut self, brought: impl Fn(&Strategy, &Deal) -> f64) {
        for tried in &mut self.tried {
            let Tried { strategy, deals, variants, .. } = tried;
            let (mut sum, mut notional) = (0.0, 0.0);
            for deal in deals {
                let carry = brought(strategy, deal);
                deal.carry += carry;
                deal.profit += carry;
                deal.worst = deal.worst.min(deal.worst + carry);
                sum += carry;
                notional += deal.notional;
            }
            if 0.0 < notional {
                variants.iter_mut().for_each(|of| of.profit += sum * of.notional / notional);
            }
        }
    }

    /// Adds what the same strategies did in a later unit.
    pub fn merge(&mut self, later: &Played) {
        if self.tried.is_empty() {
            self.tried.clone_from(&later.tried);
            return;
        }
        for (mine, later) in self.tried.iter_mut().zip(&later.tried) {
            mine.deals.extend_from_slice(&later.deals);
            mine.orders.extend_from_slice(&later.orders);
            mine.counts.decided += later.counts.decided;
            mine.counts.missed += later.counts.missed;
            mine.counts.hedged += later.counts.hedged;
            mine.counts.kept += later.counts.kept;
            mine.counts.still_there += later.counts.still_there;
            mine.variants
                .iter_mut()
                .zip(&later.variants)
                .for_each(|(mine, later)| mine.merge(later));
        }
    }
}
