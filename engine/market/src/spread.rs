//! The arithmetic between two venues' quotes, as pure functions.
//!
//! Buy at the buy venue's ask, sell at the sell venue's bid: `gross = bid_sell / ask_buy - 1`, `net
//! = bid_sell * (1 - fee_sell) / (ask_buy * (1 + fee_buy)) - 1`. Fees are taker fees as fractions.
//! Both price mantissas have the instrument's scale, which cancels out.

use crate::record::Spread;
use std::ops::RangeInclusive;

/// Basis points per unit: a fraction times this is in basis points.
pub const BPS: f64 = 10_000.0;
/// Taker fees that a venue can have, basis points. Beyond them are only mistakes.
pub const TAKER_FEES_BPS: RangeInclusive<f64> = -100.0..=1_000.0;
/// By default, a net spread further from zero than this is taken for a mistake, basis points.
pub const MAX_NET_BPS: f64 = 1_000.0;

/// What a bound of net spreads can be, basis points.
pub const MAX_NETS_BPS: RangeInclusive<f64> = 0.0..=1e9;

/// Returns a bound of net spreads as a fraction. The bound is given in basis points; 0 means that
/// there is none.
#[must_use]
pub fn max_net(max_net_bps: f64) -> f64 {
    if max_net_bps == 0.0 { f64::INFINITY } else { max_net_bps / BPS }
}

/// A venue's taker fee as the two factors used by the net spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FeeFactors {
    /// Factor for the cost of buying: 1 + fee.
    pub buy: f64,
    /// Factor for the proceeds of selling: 1 - fee.
    pub sell: f64,
}

impl FeeFactors {
    /// Converts a taker fee given as a fraction.
    #[must_use]
    pub fn of(taker_fee: f64) -> FeeFactors {
        FeeFactors { buy: 1.0 + taker_fee, sell: 1.0 - taker_fee }
    }
}

/// Returns the gross spread, fraction. Both prices must be positive mantissas at the same scale.
#[must_use]
#[inline]
#[expect(
    clippy::cast_precision_loss,
    reason = "a relative error of 2^-53 is far below a basis point"
)]
pub fn gross(sell_bid: i64, buy_ask: i64) -> f64 {
    gross_of(sell_bid as f64, buy_ask as f64)
}

/// Returns the net spread after both taker fees, fraction. Both prices must be positive mantissas
/// at the same scale.
#[must_use]
#[inline]
#[expect(
    clippy::cast_precision_loss,
    reason = "a relative error of 2^-53 is far below a basis point"
)]
pub fn net(sell_bid: i64, sell_fee: FeeFactors, buy_ask: i64, buy_fee: FeeFactors) -> f64 {
    net_of(sell_bid as f64, sell_fee, buy_ask as f64, buy_fee)
}

/// As [`gross`], for prices that are not mantissas, such as those in a lake.
#[must_use]
#[inline]
pub fn gross_of(sell_bid: f64, buy_ask: f64) -> f64 {
    sell_bid / buy_ask - 1.0
}

/// As [`net`], for prices that are not mantissas, such as those in a lake.
#[must_use]
#[inline]
pub fn net_of(sell_bid: f64, sell_fee: FeeFactors, buy_ask: f64, buy_fee: FeeFactors) -> f64 {
    net_of_products(sell_bid * sell_fee.sell, buy_ask * buy_fee.buy)
}

/// As [`net_of`], for precomputed products: the proceeds of selling, `bid_sell * (1 - fee_sell)`,
/// and the cost of buying, `ask_buy * (1 + fee_buy)`.
#[must_use]
#[inline]
pub fn net_of_products(proceeds: f64, cost: f64) -> f64 {
    proceeds / cost - 1.0
}

impl Spread {
    /// Returns the gross spread, fraction.
    #[must_use]
    pub fn gross(&self) -> f64 {
        gross(self.sell_px, self.buy_px)
    }
}
