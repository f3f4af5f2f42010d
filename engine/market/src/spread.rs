//! The arithmetic between two venues' quotes. Pure functions; it must not know agents or books.
//!
//! Buy at the buy venue's ask, sell at the sell venue's bid:
//! `gross = bid_sell / ask_buy - 1`,
//! `net = bid_sell * (1 - fee_sell) / (ask_buy * (1 + fee_buy)) - 1`, taker fees, as fractions.
//! Both mantissas stand at the instrument's one scale, which cancels.

use crate::record::Spread;

/// Basis points in a fraction of one.
pub const BPS: f64 = 10_000.0;

/// A venue's taker fee as the two factors that the net spread needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FeeFactors {
    /// 1 + fee: what buying costs.
    pub buy: f64,
    /// 1 - fee: what selling leaves.
    pub sell: f64,
}

impl FeeFactors {
    /// From a taker fee as a fraction.
    #[must_use]
    pub fn of(taker_fee: f64) -> FeeFactors {
        FeeFactors { buy: 1.0 + taker_fee, sell: 1.0 - taker_fee }
    }
}

/// Gross spread, fraction. Both prices positive mantissas of one scale.
#[must_use]
#[inline]
#[expect(
    clippy::cast_precision_loss,
    reason = "a relative error of 2^-53 is far below a basis point"
)]
pub fn gross(sell_bid: i64, buy_ask: i64) -> f64 {
    gross_of(sell_bid as f64, buy_ask as f64)
}

/// Net spread after both taker fees, fraction. Both prices positive mantissas of one scale.
#[must_use]
#[inline]
#[expect(
    clippy::cast_precision_loss,
    reason = "a relative error of 2^-53 is far below a basis point"
)]
pub fn net(sell_bid: i64, sell_fee: FeeFactors, buy_ask: i64, buy_fee: FeeFactors) -> f64 {
    net_of(sell_bid as f64, sell_fee, buy_ask as f64, buy_fee)
}

/// [`gross`] of prices that are no mantissas, such as those of a lake.
#[must_use]
#[inline]
pub fn gross_of(sell_bid: f64, buy_ask: f64) -> f64 {
    sell_bid / buy_ask - 1.0
}

/// [`net`] of prices that are no mantissas, such as those of a lake.
#[must_use]
#[inline]
pub fn net_of(sell_bid: f64, sell_fee: FeeFactors, buy_ask: f64, buy_fee: FeeFactors) -> f64 {
    net_of_products(sell_bid * sell_fee.sell, buy_ask * buy_fee.buy)
}

/// [`net_of`] where the products are there already: what selling leaves, `bid_sell * (1 - fee_sell)`,
/// and what buying costs, `ask_buy * (1 + fee_buy)`.
#[must_use]
#[inline]
pub fn net_of_products(proceeds: f64, cost: f64) -> f64 {
    proceeds / cost - 1.0
}

impl Spread {
    /// Gross spread, fraction.
    #[must_use]
    pub fn gross(&self) -> f64 {
        gross(self.sell_px, self.buy_px)
    }
}
