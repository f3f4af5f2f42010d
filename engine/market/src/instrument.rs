//! What is traded and where: instruments, venues, and the dense ids by which records name them.
//!
//! A [`Catalogue`] is built once from the configuration and never changes while the engine runs.
//! It must not know sockets, records or threads.

use crate::clock::Nanos;
use bytemuck::{Pod, Zeroable};

/// An instrument by its place in the catalogue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(transparent)]
pub struct InstrumentId(pub u32);

/// A venue by its place in the catalogue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(transparent)]
pub struct VenueId(pub u8);

impl InstrumentId {
    /// The place as an index.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl VenueId {
    /// The place as an index.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// At most this many venues: pairs grow with the square, and an id is a byte.
pub const VENUES_MAX: usize = 64;

/// What is traded, the same on every venue that lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instrument {
    /// Canonical name: `BTC/USDT`, `BTC/USDT:PERP`.
    pub name: String,
    /// Decimals that a price mantissa holds.
    pub price_scale: u8,
    /// Decimals that a size mantissa holds.
    pub size_scale: u8,
}

/// What the engine knows of a venue beside its protocol.
#[derive(Clone, Debug, PartialEq)]
pub struct VenueInfo {
    /// Name as in the configuration: `binance-usdm`.
    pub name: String,
    /// Taker fee as a fraction: 0.001 is 10 basis points.
    pub taker_fee: f64,
    /// A quote older than this takes part in no spread, ns.
    pub max_age: Nanos,
}

/// A venue's own name for an instrument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The venue.
    pub venue: VenueId,
    /// The instrument.
    pub instrument: InstrumentId,
    /// The venue's spelling: `BTC-USDT`.
    pub symbol: String,
}

/// All instruments and venues, in the order of their ids, and who lists what.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalogue {
    /// By [`InstrumentId`].
    pub instruments: Vec<Instrument>,
    /// By [`VenueId`].
    pub venues: Vec<VenueInfo>,
    /// Every (venue, instrument) that is subscribed.
    pub listings: Vec<Listing>,
}

impl Catalogue {
    /// The instrument of an id.
    ///
    /// # Panics
    /// If the id is not of this catalogue.
    #[must_use]
    pub fn instrument(&self, id: InstrumentId) -> &Instrument {
        &self.instruments[id.index()]
    }

    /// The venue of an id.
    ///
    /// # Panics
    /// If the id is not of this catalogue.
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

    /// The venues that list an instrument, in the order of their ids.
    #[must_use]
    pub fn venues_of(&self, instrument: InstrumentId) -> Vec<VenueId> {
        let mut venues: Vec<VenueId> =
            self.listings.iter().filter(|l| l.instrument == instrument).map(|l| l.venue).collect();
        venues.sort_unstable();
        venues
    }
}
