//! Instruments, venues, their markets, and the dense ids by which records refer to them.
//!
//! A [`Catalogue`] is built once from the configuration and never changes while the engine runs.

use crate::clock::Nanos;
use bytemuck::{Pod, Zeroable};

/// Dense id of an instrument: its index in the catalogue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(transparent)]
pub struct InstrumentId(pub u32);

/// Dense id of a venue: its index in the catalogue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(transparent)]
pub struct VenueId(pub u8);

impl InstrumentId {
    /// Returns the id as an index.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl VenueId {
    /// Returns the id as an index.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Maximum number of venues. Pairs grow with its square, and an id is one byte.
pub const VENUES_MAX: usize = 64;

/// Kind of market that a venue belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Market {
    /// The asset itself changes hands: `BTC/USDT`.
    Spot,
    /// Futures that never expire and are settled in the quote currency: `BTC/USDT:PERP`.
    LinearPerpetual,
}

impl Market {
    /// All markets.
    pub const ALL: [Market; 2] = [Market::Spot, Market::LinearPerpetual];
}

impl std::fmt::Display for Market {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Market::Spot => "spot",
            Market::LinearPerpetual => "linear perpetual",
        })
    }
}

/// Parts of an instrument's canonical name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CanonicalName<'a> {
    /// The asset that is bought and sold: `BTC`.
    pub base: &'a str,
    /// The currency that it is paid with: `USDT`.
    pub quote: &'a str,
    /// The market whose venues list it; `None` if it spans all markets.
    pub market: Option<Market>,
}

/// Suffix of a linear perpetual's name.
const PERPETUAL: &str = "PERP";
/// Suffix of an instrument that spans the spot and the perpetual market.
const SPANNING: &str = "SPOT-PERP";

impl<'a> CanonicalName<'a> {
    /// Parses `BTC/USDT`, `BTC/USDT:PERP` and `BTC/USDT:SPOT-PERP`; `None` for anything else.
    #[must_use]
    pub fn parse(name: &'a str) -> Option<CanonicalName<'a>> {
        let (pair, market) = match name.split_once(':') {
            None => (name, Some(Market::Spot)),
            Some((pair, PERPETUAL)) => (pair, Some(Market::LinearPerpetual)),
            Some((pair, SPANNING)) => (pair, None),
            Some(_) => return None,
        };
        let (base, quote) = pair.split_once('/')?;
        let plain = |part: &str| {
            !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')
        };
        (plain(base) && plain(quote)).then_some(CanonicalName { base, quote, market })
    }

    /// Returns the same base and quote on another market, or on all markets.
    #[must_use]
    pub fn on(self, market: Option<Market>) -> CanonicalName<'a> {
        CanonicalName { market, ..self }
    }
}

impl std::fmt::Display for CanonicalName<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let CanonicalName { base, quote, market } = self;
        match market {
            Some(Market::Spot) => write!(f, "{base}/{quote}"),
            Some(Market::LinearPerpetual) => write!(f, "{base}/{quote}:{PERPETUAL}"),
            None => write!(f, "{base}/{quote}:{SPANNING}"),
        }
    }
}

/// A tradable thing, the same on every venue that lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instrument {
    /// Canonical name, as [`CanonicalName`] reads it: `BTC/USDT`, `BTC/USDT:PERP`.
    pub name: String,
    /// Number of decimals in a price mantissa.
    pub price_scale: u8,
    /// Number of decimals in a size mantissa.
    pub size_scale: u8,
}

/// Properties of a venue that do not belong to its protocol.
#[derive(Clone, Debug, PartialEq)]
pub struct VenueInfo {
    /// Name as in the configuration: `binance-usdm`.
    pub name: String,
    /// Taker fee as a fraction: 0.001 is 10 basis points.
    pub taker_fee: f64,
    /// Maximum age of a quote that may take part in a spread, ns.
    pub max_age: Nanos,
}

/// An instrument on a venue, with the venue's symbol for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The venue.
    pub venue: VenueId,
    /// The instrument.
    pub instrument: InstrumentId,
    /// The venue's own spelling: `BTC-USDT`.
    pub symbol: String,
}

/// All instruments and venues in the order of their ids, and the listings that connect them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalogue {
    /// Indexed by [`InstrumentId`].
    pub instruments: Vec<Instrument>,
    /// Indexed by [`VenueId`].
    pub venues: Vec<VenueInfo>,
    /// Every subscribed (venue, instrument).
    pub listings: Vec<Listing>,
}

impl Catalogue {
    /// Returns the instrument with this id.
    ///
    /// # Panics
    /// If the id is not in this catalogue.
    #[must_use]
    pub fn instrument(&self, id: InstrumentId) -> &Instrument {
        &self.instruments[id.index()]
    }

    /// Returns the venue with this id.
    ///
    /// # Panics
    /// If the id is not in this catalogue.
    #[must_use]
    pub fn venue(&self, id: VenueId) -> &VenueInfo {
        &self.venues[id.index()]
    }

    /// Finds an instrument by its canonical name.
    #[must_use]
    pub fn instrument_named(&self, name: &str) -> Option<InstrumentId> {
        let place = self.instruments.iter().position(|i| i.name == name)?;
        u32::try_from(place).ok().map(InstrumentId)
    }

    /// Finds a venue by its name.
    #[must_use]
    pub fn venue_named(&self, name: &str) -> Option<VenueId> {
        let place = self.venues.iter().position(|v| v.name == name)?;
        u8::try_from(place).ok().map(VenueId)
    }

    /// Returns the venues that list an instrument, in the order of their ids.
    #[must_use]
    pub fn venues_of(&self, instrument: InstrumentId) -> Vec<VenueId> {
        let mut venues: Vec<VenueId> =
            self.listings.iter().filter(|l| l.instrument == instrument).map(|l| l.venue).collect();
        venues.sort_unstable();
        venues
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_with_their_market_and_written_the_same() {
        for (name, market) in [
            ("BTC/USDT", Some(Market::Spot)),
            ("1000SATS/USDT:PERP", Some(Market::LinearPerpetual)),
            ("BTC/USDT:SPOT-PERP", None),
        ] {
            let read = CanonicalName::parse(name).unwrap();
            assert_eq!((read.market, read.to_string()), (market, name.to_owned()));
        }
        for name in ["", "BTC", "BTCUSDT", "/USDT", "BTC/", "A/B/C", "A/B:", "A/B:perp", "A B/C"] {
            assert_eq!(CanonicalName::parse(name), None, "{name:?}");
        }
        let spot = CanonicalName::parse("BTC/USDT").unwrap();
        assert_eq!(spot.on(Some(Market::LinearPerpetual)).to_string(), "BTC/USDT:PERP");
    }
}
