//! The instruments, assets and venues of the simulation, as plain numbers.

use spreadwire_market::instrument::{Catalogue, Instrument, VenueInfo};
use spreadwire_trading::amount::Amount;
use spreadwire_trading::order::{AssetName, Side};
use spreadwire_trading::terms::{AssetId, Assets, FeeAsset, Settlement, Terms, Tier, VenueTerms};

pub(crate) const VENUES: usize = 3;
pub(crate) const INSTRUMENTS: usize = 2;
/// `A` and `C` are traded for `B`; one venue takes its fees in `Z`.
pub(crate) const ASSETS: [&str; 4] = ["A", "C", "B", "Z"];
pub(crate) const QUOTE: usize = 2;
pub(crate) const FEE_ASSET: usize = 3;
/// Value of a `Z` in `B`, millionths.
pub(crate) const FEE_RATE: i64 = 2_500_000;
pub(crate) const PX_SCALES: [u8; INSTRUMENTS] = [2, 4];
pub(crate) const SZ_SCALES: [u8; INSTRUMENTS] = [3, 1];
/// Prices around which the instruments trade, mantissas.
pub(crate) const PRICES: [i64; INSTRUMENTS] = [10_000, 20_000];
/// Fees of the venues, millionths.
pub(crate) const FEES: [i64; VENUES] = [1_000, 400, 750];
/// Units of 10^-18 per unit of price times size: both instruments have five decimals in all.
pub(crate) const PER_NOTIONAL: i128 = 10_i128.pow(13);

/// Steps and least sizes of an instrument at a venue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steps {
    pub(crate) tick: i64,
    pub(crate) lot: i64,
    pub(crate) min_sz: i64,
    /// Units of 10^-18.
    pub(crate) min_notional: i128,
}

pub(crate) fn steps(instrument: usize, venue: usize) -> Steps {
    let one = 10_i128.pow(18);
    let of = |tick, lot, min_sz, min: i128| Steps { tick, lot, min_sz, min_notional: min * one };
    match (instrument, venue) {
        (0, 0) => of(1, 1, 1, 5),
        (0, 1) => of(5, 10, 20, 10),
        (0, _) => of(2, 4, 4, 1),
        (_, 0) => of(10, 1, 10, 5),
        (_, 1) => of(1, 5, 5, 2),
        (_, _) => of(4, 2, 2, 8),
    }
}

/// Units of 10^-18 of the base in a size.
pub(crate) fn base_units(instrument: usize, sz: i64) -> i128 {
    i128::from(sz) * 10_i128.pow(u32::from(18 - SZ_SCALES[instrument]))
}

/// Units of 10^-18 of quote currency in a price times a size.
pub(crate) fn notional(px: i64, sz: i64) -> i128 {
    i128::from(px) * i128::from(sz) * PER_NOTIONAL
}

pub(crate) fn name(asset: usize) -> AssetName {
    AssetName::new(ASSETS[asset]).unwrap()
}

pub(crate) fn asset_of(name: AssetName) -> usize {
    ASSETS.iter().position(|known| *known == name.as_str()).unwrap()
}

pub(crate) fn amount(units: i128) -> Amount {
    Amount::of_units(units)
}

/// Returns whether `px` is no worse than `limit`.
pub(crate) fn is_within(side: Side, px: i64, limit: i64) -> bool {
    match side {
        Side::Buy => px <= limit,
        Side::Sell => limit <= px,
    }
}

pub(crate) fn catalogue() -> Catalogue {
    let venue = |place: usize| VenueInfo {
        name: format!("v{place}"),
        taker_fee: fee_fraction(place),
        max_age: 1_000_000_000,
    };
    let instrument = |place: usize| Instrument {
        name: format!("{}/B", ASSETS[place]),
        price_scale: PX_SCALES[place],
        size_scale: SZ_SCALES[place],
    };
    Catalogue {
        instruments: (0..INSTRUMENTS).map(instrument).collect(),
        venues: (0..VENUES).map(venue).collect(),
        listings: Vec::new(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a small number")]
pub(crate) fn fee_fraction(venue: usize) -> f64 {
    FEES[venue] as f64 / 1e6
}

pub(crate) fn assets() -> Assets {
    let mut assets = Assets::default();
    for place in 0..ASSETS.len() {
        assets.intern(name(place));
    }
    assets
}

fn asset_id(place: usize) -> AssetId {
    AssetId(u16::try_from(place).unwrap())
}

pub(crate) fn all_terms() -> Vec<Option<Terms>> {
    let places = (0..INSTRUMENTS).flat_map(|i| (0..VENUES).map(move |v| (i, v)));
    let terms = |(instrument, venue): (usize, usize)| {
        let Steps { tick, lot, min_sz, min_notional } = steps(instrument, venue);
        Some(Terms {
            settlement: Settlement::Spot,
            base: asset_id(instrument),
            quote: asset_id(QUOTE),
            px_scale: PX_SCALES[instrument],
            sz_scale: SZ_SCALES[instrument],
            tick,
            lot,
            min_sz,
            min_notional: amount(min_notional),
        })
    };
    places.map(terms).collect()
}

pub(crate) fn venue_terms(venue: usize, orders_per_second: usize) -> VenueTerms {
    VenueTerms {
        tiers: vec![Tier { from: Amount::ZERO, millionths: FEES[venue] }],
        volume: Amount::ZERO,
        fee_asset: match venue {
            0 => FeeAsset::Quote,
            1 => FeeAsset::Received,
            _ => FeeAsset::Own(asset_id(FEE_ASSET)),
        },
        orders_per_second,
        max_age: 1_000_000_000,
    }
}
