//! What a venue asks of orders: ticks, lots, least sizes, fees.

use crate::amount::{Amount, Rounding};
use crate::order::{AssetName, Side};
use spreadwire_market::clock::Nanos;

/// Number of an asset: its index in [`Assets`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AssetId(pub u16);

impl AssetId {
    /// Returns the id as an index.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The assets that are held or paid with, by their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assets(Vec<AssetName>);

impl Assets {
    /// Returns the number of an asset, which is added if it is new.
    ///
    /// # Panics
    /// If there are more than 65,535 assets.
    pub fn intern(&mut self, name: AssetName) -> AssetId {
        let place = self.0.iter().position(|known| *known == name).unwrap_or_else(|| {
            self.0.push(name);
            self.0.len() - 1
        });
        AssetId(u16::try_from(place).expect("fewer than 65,536 assets"))
    }

    /// Returns the number of a known asset.
    #[must_use]
    pub fn find(&self, name: AssetName) -> Option<AssetId> {
        let place = self.0.iter().position(|known| *known == name)?;
        u16::try_from(place).ok().map(AssetId)
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self, id: AssetId) -> AssetName {
        self.0[id.index()]
    }

    /// Returns how many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns all ids.
    pub fn ids(&self) -> impl Iterator<Item = AssetId> + use<> {
        (0..u16::try_from(self.0.len()).unwrap_or(u16::MAX)).map(AssetId)
    }
}

/// What a trade moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// The asset itself: it cannot be sold unless it is there.
    Spot,
    /// A position, which may be short. It is kept as an asset of the instrument's own name.
    Position,
}

/// Terms of an instrument on a venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What a trade moves.
    pub settlement: Settlement,
    /// What is bought and sold.
    pub base: AssetId,
    /// What it is paid with.
    pub quote: AssetId,
    /// Decimals of price mantissas.
    pub px_scale: u8,
    /// Decimals of size mantissas.
    pub sz_scale: u8,
    /// Step of prices, mantissa, at least 1.
    pub tick: i64,
    /// Step of sizes, mantissa, at least 1.
    pub lot: i64,
    /// Least size of an order, mantissa.
    pub min_sz: i64,
    /// Least price times size of an order, in quote currency.
    pub min_notional: Amount,
}

impl Terms {
    /// Returns price times size in quote currency: rounded up for what is paid, down for what is
    /// received.
    #[must_use]
    #[inline]
    pub fn notional(&self, px: i64, sz: i64, side: Side) -> Amount {
        let rounding = match side {
            Side::Buy => Rounding::Up,
            Side::Sell => Rounding::Down,
        };
        Amount::product(px, self.px_scale, sz, self.sz_scale, rounding)
    }

    /// Returns a size in units of the base.
    #[must_use]
    #[inline]
    pub fn size(&self, sz: i64) -> Amount {
        Amount::of_mantissa(sz, self.sz_scale)
    }

    /// Returns whether the venue takes an order of that price and size.
    #[must_use]
    pub fn takes(&self, px: i64, sz: i64) -> bool {
        0 < px
            && 0 < sz
            && px % self.tick == 0
            && sz % self.lot == 0
            && self.min_sz <= sz
            && self.min_notional <= self.notional(px, sz, Side::Sell)
    }

    /// Returns a price on the venue's tick that is no worse for us than `px`.
    #[must_use]
    #[inline]
    pub fn on_tick(&self, px: i64, side: Side) -> i64 {
        let below = px.div_euclid(self.tick) * self.tick;
        match side {
            Side::Sell if below < px => below + self.tick,
            Side::Buy | Side::Sell => below,
        }
    }
}

/// Asset that a venue takes its fee in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeeAsset {
    /// What the trade brings: the base of a purchase, the quote currency of a sale. Of a position it is the
    /// quote currency either way.
    Received,
    /// The quote currency.
    Quote,
    /// An asset of the venue's own, at its rate.
    Own(AssetId),
}

/// A taker fee from a traded volume on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Volume from which the fee holds, in the currency of the books.
    pub from: Amount,
    /// Fee, millionths of the notional; below 0 for a rebate.
    pub millionths: i64,
}

/// What holds for all orders at a venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenueTerms {
    /// Fees by volume, the first from 0 on, in rising order.
    pub tiers: Vec<Tier>,
    /// Volume that was traded before the books begin, in their currency.
    pub volume: Amount,
    /// Asset of the fee.
    pub fee_asset: FeeAsset,
    /// Largest number of orders within a second.
    pub orders_per_second: usize,
    /// A level that was last said longer ago than this cannot be relied on, ns.
    pub max_age: Nanos,
}

impl VenueTerms {
    /// Returns the fee after so much volume in all, millionths.
    #[must_use]
    pub fn fee(&self, volume: Amount) -> i64 {
        let reached = self.tiers.iter().take_while(|tier| tier.from <= volume);
        reached.last().map_or(0, |tier| tier.millionths)
    }
}

/// Returns the smallest step that two lots have in common, mantissa; `None` if it is beyond `i64`.
#[must_use]
pub fn common_lot(one: i64, other: i64) -> Option<i64> {
    let (mut a, mut b) = (one, other);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    (one / a.max(1)).checked_mul(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_move_to_the_tick_that_is_no_worse() {
        let terms = Terms {
            settlement: Settlement::Spot,
            base: AssetId(0),
            quote: AssetId(1),
            px_scale: 2,
            sz_scale: 3,
            tick: 5,
            lot: 10,
            min_sz: 20,
            min_notional: Amount::parse("1").unwrap(),
        };
        assert_eq!([101, 105, 109].map(|px| terms.on_tick(px, Side::Buy)), [100, 105, 105]);
        assert_eq!([101, 105, 109].map(|px| terms.on_tick(px, Side::Sell)), [105, 105, 110]);
        // 1.05 x 0.95 is 0.9975, 1.05 x 0.96 is 1.008.
        assert!(!terms.takes(105, 950) && terms.takes(105, 960));
        assert!(!terms.takes(104, 960) && !terms.takes(105, 965) && !terms.takes(100_000, 10));
    }

    #[test]
    fn the_fee_is_that_of_the_volume() {
        let tier = |from: &str, millionths| Tier { from: Amount::parse(from).unwrap(), millionths };
        let terms = VenueTerms {
            tiers: vec![tier("0", 1_000), tier("1000", 800), tier("5000", -50)],
            volume: Amount::ZERO,
            fee_asset: FeeAsset::Quote,
            orders_per_second: 1,
            max_age: 1,
        };
        let fee = |volume| terms.fee(Amount::parse(volume).unwrap());
        assert_eq!(["0", "999.9", "1000", "4999", "5000"].map(fee), [1_000, 1_000, 800, 800, -50]);
    }

    #[test]
    fn lots_have_a_common_step() {
        assert_eq!(common_lot(10, 25), Some(50));
        assert_eq!(common_lot(1, 7), Some(7));
        assert_eq!(common_lot(i64::MAX, i64::MAX - 1), None);
    }
}
