//! The venues the simulator can play.
//!
//! A venue is one file under `venues/` and one row of [`VENUES`].

mod binance;
mod binance_requests;
mod binance_usdm;
mod bybit;
mod okx;

use crate::venue::Venue;

/// The venues the simulator can play.
pub(crate) static VENUES: [&dyn Venue; 4] =
    [&binance::Binance, &binance_usdm::BinanceUsdm, &bybit::Bybit, &okx::Okx];

/// The venue of that name.
pub(crate) fn by_name(name: &str) -> Option<&'static dyn Venue> {
    VENUES.iter().copied().find(|venue| venue.name() == name)
}

/// The names of all venues the simulator can play.
#[must_use]
pub fn venue_names() -> Vec<&'static str> {
    VENUES.iter().map(|venue| venue.name()).collect()
}

/// The spelling of the canonical instrument `BASE/QUOTE` on a venue; none for an unknown venue.
#[must_use]
pub fn venue_symbol(venue: &str, instrument: &str) -> Option<String> {
    by_name(venue).map(|venue| venue.symbol(instrument))
}

/// The path that a client of the venue connects to in order to subscribe by messages, such as
/// `/ws/v5/public`; none for an unknown venue.
#[must_use]
pub fn venue_path(venue: &str) -> Option<&'static str> {
    by_name(venue).map(Venue::path)
}

#[cfg(test)]
mod tests;
