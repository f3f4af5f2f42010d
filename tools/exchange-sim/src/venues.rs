//! The list of the venues that the simulator can play.
//!
//! A venue is one file in `venues/` and one entry of [`VENUES`].

mod binance;
mod binance_requests;
mod binance_usdm;
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

use crate::rest::RestInstrument;
use crate::venue::{Action, Form, Session, Texts, Venue, WireQuote};

/// The venues that the simulator can play.
pub(crate) static VENUES: &[&dyn Venue] = &[
    &binance::Binance,
    &binance_usdm::BinanceUsdm,
    &bingx::SPOT,
    &bingx::PERPETUAL,
    &bitget::SPOT,
    &bitget::PERPETUAL,
    &bybit::SPOT,
    &bybit::LINEAR,
    &cryptocom::SPOT,
    &cryptocom::PERPETUAL,
    &deribit::Deribit,
    &gate::SPOT,
    &gate::PERPETUAL,
    &htx::SPOT,
    &htx::PERPETUAL,
    &hyperliquid::Hyperliquid,
    &kraken::Spot,
    &kraken::Futures,
    &kucoin::SPOT,
    &kucoin::PERPETUAL,
    &mexc::Spot,
    &mexc::Perpetual,
    &okx::SPOT,
    &okx::SWAP,
];

/// Returns the venue with this name.
pub(crate) fn by_name(name: &str) -> Option<&'static dyn Venue> {
    VENUES.iter().copied().find(|venue| venue.name() == name)
}

/// Returns the names of all venues that the simulator can play.
#[must_use]
pub fn known_venue_names() -> Vec<&'static str> {
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

/// A quote as a source of quotes has it, for [`venue_quote`].
#[derive(Clone, Copy, Debug)]
pub struct PlainQuote<'a> {
    /// Canonical name of the instrument: `BTC/USDT`.
    pub instrument: &'a str,
    /// Bid, its size, ask, its size, in base units. A price of 0 makes an absent side.
    pub numbers: [&'a str; 4],
    /// Numbers of digits after the point of the instrument's prices and sizes.
    pub places: (usize, usize),
    /// Update id.
    pub sequence: u64,
    /// Matching time, in ms since 1970 UTC.
    pub event_ms: u64,
}

/// Returns a quote as a venue's text, and how that is sent. Returns `None` if the venue is not known.
#[must_use]
pub fn venue_quote(venue: &str, quote: &PlainQuote<'_>) -> Option<(String, Form)> {
    let venue = by_name(venue)?;
    let [bid, bid_qty, ask, ask_qty] = quote.numbers;
    let written = |write: &dyn Fn(&mut String)| {
        let mut out = String::new();
        write(&mut out);
        out
    };
    let price = |text: &str| written(&|out| venue.number(text, quote.places.0, out));
    let size = |text: &str| written(&|out| venue.size(text, quote.places.1, out));
    let texts =
        Texts { bid: price(bid), bid_qty: size(bid_qty), ask: price(ask), ask_qty: size(ask_qty) };
    let symbol = venue.symbol(quote.instrument);
    let mut out = String::new();
    let wire = WireQuote {
        topic: &venue.topic(&symbol),
        symbol: &symbol,
        texts: &texts,
        before: None,
        delta_dialect: false,
        sequence: quote.sequence,
        cross: quote.sequence,
        orders: [1, 1],
        event_ms: quote.event_ms,
        push_ms: quote.event_ms,
    };
    venue.frame(&wire, &mut out);
    Some((out, venue.form()))
}

/// Returns a venue's list of one instrument `BASE/QUOTE`, whose prices and sizes have so many digits
/// after the point, as its REST API sends it. Returns `None` if the venue is not known.
#[must_use]
pub fn venue_list(venue: &str, instrument: &str, places: (usize, usize)) -> Option<String> {
    let venue = by_name(venue)?;
    let row = RestInstrument::of(instrument, &venue.symbol(instrument), places);
    Some(venue.instruments(&[row.numbered(0)]))
}

/// Returns what a venue sends a client first, or `None` if the venue is not known or does not greet.
#[must_use]
pub fn venue_greeting(venue: &str) -> Option<String> {
    by_name(venue)?.greeting(&Session::default())
}

/// Returns the text with which a venue asks whether a client is alive, or `None` if the venue is not
/// known or sends WebSocket pings.
#[must_use]
pub fn venue_ping(venue: &str, now_ms: u64) -> Option<String> {
    by_name(venue)?.ping(now_ms)
}

/// Returns the texts with which a venue answers a client's, where all symbols are known or none is;
/// `<pong>` stands for taking an answer to [`venue_ping`]. Returns `None` if the venue is not known.
#[must_use]
pub fn venue_answers(venue: &str, text: &str, are_known: bool) -> Option<Vec<String>> {
    let actions = by_name(venue)?.on_text(text, &Session::default(), &|_| are_known);
    let answer = |action| match action {
        Action::Reply(text) | Action::Fail(text) | Action::Heartbeat(text) => Some(text),
        Action::Pong => Some("<pong>".to_owned()),
        Action::Subscribe(_) | Action::Unsubscribe(_) | Action::Combine(_) | Action::End => None,
    };
    Some(actions.into_iter().filter_map(answer).collect())
}

#[cfg(test)]
mod tests;
