//! The list of the venues that the simulator can play.
//!
//! A venue is one file in `venues/` and one entry of [`VENUES`].

mod binance;
mod binance_requests;
mod binance_usdm;
mod bybit;
mod okx;

use crate::venue::{Venue, WireQuote};

/// The venues that the simulator can play.
pub(crate) static VENUES: [&dyn Venue; 4] =
    [&binance::Binance, &binance_usdm::BinanceUsdm, &bybit::Bybit, &okx::Okx];

/// Returns the venue with this name.
pub(crate) fn by_name(name: &str) -> Option<&'static dyn Venue> {
    VENUES.iter().copied().find(|venue| venue.name() == name)
}

/// Returns the names of all venues that the simulator can play.
#[must_use]
pub fn venue_names() -> Vec<&'static str> {
    VENUES.iter().map(|venue| venue.name()).collect()
}

/// Returns the names of the venues that announce the end of a connection.
pub(crate) fn announcing() -> Vec<&'static str> {
    let announces = |venue: &&&dyn Venue| venue.shutdown(0).is_some();
    VENUES.iter().filter(announces).map(|venue| venue.name()).collect()
}

/// Returns the symbol of the canonical instrument `BASE/QUOTE` on a venue, or `None` if the venue
/// is not known.
#[must_use]
pub fn venue_symbol(venue: &str, instrument: &str) -> Option<String> {
    by_name(venue).map(|venue| venue.symbol(instrument))
}

/// Returns the path, such as `/ws/v5/public`, that clients connect to in order to subscribe by
/// messages. Returns `None` if the venue is not known.
#[must_use]
pub fn venue_path(venue: &str) -> Option<&'static str> {
    by_name(venue).map(Venue::path)
}

/// Returns a number as a venue writes it, or `None` if the venue is not known. `places` is the number
/// of digits after the point in the instrument's grid.
#[must_use]
pub fn venue_number(venue: &str, text: &str, places: usize) -> Option<String> {
    let mut out = String::new();
    by_name(venue)?.number(text, places, &mut out);
    Some(out)
}

/// Returns a quote as a venue's frame: bare, or as a combined stream carries it. Returns `None` if the
/// venue is not known or has no combined streams.
#[must_use]
pub fn venue_frame(venue: &str, quote: &WireQuote<'_>, combined: bool) -> Option<String> {
    let venue = by_name(venue)?;
    let mut bare = String::new();
    venue.frame(quote, &mut bare);
    if combined { venue.combined(quote.topic, &bare) } else { Some(bare) }
}

#[cfg(test)]
mod tests;
