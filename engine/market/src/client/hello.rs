//! What `hello` says: the venues with their fees, the instruments, and which venue lists which.

use super::PROTOCOL;
use super::fault::Fault;
use super::message::{Hello, HelloInstrument, HelloVenue};
use crate::clock::Nanos;
use crate::decimal;
use crate::escape::is_printable;
use crate::instrument::{
    Catalogue, Instrument, InstrumentId, Listing, VENUES_MAX, VenueId, VenueInfo,
};
use crate::spread::{BPS, FeeFactors, TAKER_FEES_BPS};
use std::collections::{HashMap, HashSet};

/// Maximum length of a name, bytes.
const NAME_BYTES_MAX: usize = 64;
/// Maximum number of ordered pairs of venues over all instruments. The tables of clients grow with
/// it; at this size a decision takes 300 MB.
const PAIRS_MAX: usize = 1 << 22;

/// The ids of all names in `hello`.
#[derive(Debug)]
pub(super) struct Directory {
    catalogue: Catalogue,
    instruments: HashMap<String, InstrumentId>,
    venues: HashMap<String, VenueId>,
    fees: Vec<FeeFactors>,
    listed: HashSet<(InstrumentId, VenueId)>,
}

impl Directory {
    /// Learns what `hello` says. Another protocol is refused before anything else in it is read.
    pub(super) fn learn(hello: Hello) -> Result<Directory, Fault> {
        if hello.protocol != PROTOCOL {
            return Err(Fault::Protocol(hello.protocol));
        }
        bounded(hello.venues.len(), hello.instruments.len())?;
        let mut directory = Directory {
            catalogue: Catalogue::default(),
            instruments: HashMap::new(),
            venues: HashMap::new(),
            fees: Vec::new(),
            listed: HashSet::new(),
        };
        for (id, venue) in (0..).map(VenueId).zip(hello.venues) {
            directory.add_venue(id, venue)?;
        }
        for (id, instrument) in (0..).map(InstrumentId).zip(hello.instruments) {
            directory.add_instrument(id, instrument)?;
        }
        Ok(directory)
    }

    fn add_venue(&mut self, id: VenueId, venue: HelloVenue) -> Result<(), Fault> {
        let HelloVenue { name, taker_fee_bps } = venue;
        check_name(&name)?;
        if !TAKER_FEES_BPS.contains(&taker_fee_bps) {
            return Err(Fault::Fee { venue: name, fee_bps: taker_fee_bps });
        }
        if self.venues.insert(name.clone(), id).is_some() {
            return Err(Fault::Duplicate(name));
        }
        let taker_fee = taker_fee_bps / BPS;
        self.fees.push(FeeFactors::of(taker_fee));
        self.catalogue.venues.push(VenueInfo { name, taker_fee, max_age: Nanos::MAX });
        Ok(())
    }

    fn add_instrument(&mut self, id: InstrumentId, of: HelloInstrument) -> Result<(), Fault> {
        let HelloInstrument { name, price_scale, size_scale, venues } = of;
        check_name(&name)?;
        let scale = price_scale.max(size_scale);
        if decimal::SCALE_MAX < scale {
            return Err(Fault::Scale { instrument: name, scale });
        }
        if self.instruments.insert(name.clone(), id).is_some() {
            return Err(Fault::Duplicate(name));
        }
        for venue in venues {
            let listing =
                Listing { venue: self.venue(&venue)?, instrument: id, symbol: name.clone() };
            if !self.listed.insert((id, listing.venue)) {
                return Err(Fault::Duplicate(venue));
            }
            self.catalogue.listings.push(listing);
        }
        self.catalogue.instruments.push(Instrument { name, price_scale, size_scale });
        Ok(())
    }

    pub(super) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    pub(super) fn venue(&self, name: &str) -> Result<VenueId, Fault> {
        let id = self.venues.get(name).copied();
        id.ok_or_else(|| Fault::UnknownName(name.to_owned()))
    }

    pub(super) fn instrument(&self, name: &str) -> Result<InstrumentId, Fault> {
        let id = self.instruments.get(name).copied();
        id.ok_or_else(|| Fault::UnknownName(name.to_owned()))
    }

    pub(super) fn fees(&self, venue: VenueId) -> FeeFactors {
        self.fees[venue.index()]
    }

    pub(super) fn is_listed(&self, instrument: InstrumentId, venue: VenueId) -> bool {
        self.listed.contains(&(instrument, venue))
    }
}

fn bounded(venues: usize, instruments: usize) -> Result<(), Fault> {
    if VENUES_MAX < venues {
        return Err(Fault::TooManyVenues(venues));
    }
    let pairs = (venues * venues).saturating_mul(instruments);
    if PAIRS_MAX < pairs.max(instruments) {
        return Err(Fault::TooManyPairs(pairs.max(instruments), PAIRS_MAX));
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), Fault> {
    let refuse = |why| Err(Fault::Name { name: name.to_owned(), why });
    if name.is_empty() {
        return refuse("it is empty");
    }
    if !name.chars().all(is_printable) {
        return refuse("it has characters that cannot be printed");
    }
    check_length(name)
}

/// Refuses a name that is longer than [`NAME_BYTES_MAX`].
pub(super) fn check_length(name: &str) -> Result<(), Fault> {
    if NAME_BYTES_MAX < name.len() {
        return Err(Fault::Name { name: name.to_owned(), why: "it is longer than 64 bytes" });
    }
    Ok(())
}
