//! The venues that the engine speaks to, one file and one row each.
//!
//! A venue's file turns its frames into messages and says in a [`VenueSpec`] what the venue permits
//! and promises, with the source and its date. It uses `venue`, `json`, `decimal` and `instrument`
//! of ours and nothing else. Tests, docs and tools iterate over [`VENUES`]; `docs/venues.md` says
//! how to add one.

use crate::venue::VenueSpec;

mod binance;
mod bybit;
mod okx;

/// Every venue.
pub const VENUES: &[VenueSpec] = &[binance::SPOT, binance::USDM, bybit::SPOT, okx::SPOT];

/// The venue of a name: `binance-usdm`.
#[must_use]
pub fn named(name: &str) -> Option<&'static VenueSpec> {
    VENUES.iter().find(|venue| venue.name == name)
}
