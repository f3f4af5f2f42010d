//! The registry of supported venues, with one file and one entry for each.
//!
//! A venue's file turns its frames into messages. Its [`VenueSpec`] states the venue's limits and
//! promises, with their source and date. Of our modules it uses only `venue`, `json`, `protobuf`, `decimal`
//! and `instrument`. Tests, documents and tools iterate over [`VENUES`]. `docs/venues.md` explains how
//! to add a venue.

use crate::venue::VenueSpec;

mod binance;
mod bingx;
mod bitget;
mod bybit;
mod cryptocom;
mod deribit;
mod gate;
mod htx;
mod hyperliquid;
mod kraken;
mod kucoin;
mod mexc;
mod okx;

/// All supported venues.
pub const VENUES: &[VenueSpec] = &[
    binance::SPOT,
    binance::USDM,
    bingx::SPOT,
    bingx::PERPETUAL,
    bitget::SPOT,
    bitget::PERPETUAL,
    bybit::SPOT,
    bybit::LINEAR,
    cryptocom::SPOT,
    cryptocom::PERPETUAL,
    deribit::PERPETUAL,
    gate::SPOT,
    gate::PERPETUAL,
    htx::SPOT,
    htx::PERPETUAL,
    hyperliquid::PERPETUAL,
    kraken::SPOT,
    kraken::FUTURES,
    kucoin::SPOT,
    kucoin::PERPETUAL,
    mexc::SPOT,
    mexc::PERPETUAL,
    okx::SPOT,
    okx::SWAP,
];

/// Returns the venue with this name, such as `binance-usdm`.
#[must_use]
pub fn named(name: &str) -> Option<&'static VenueSpec> {
    VENUES.iter().find(|venue| venue.name == name)
}
