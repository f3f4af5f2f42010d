//! Catalogues for tests, which say only what the test depends on.

use spreadwire_market::clock::Nanos;
use spreadwire_market::instrument::{
    Catalogue, Instrument, InstrumentId, Listing, VenueId, VenueInfo,
};

/// Starts a catalogue of these names, in the order of their ids.
///
/// Prices have 2 decimals and sizes 8. Fees and maximum ages are 0, and no venue lists anything.
pub fn of<I, V>(instruments: I, venues: V) -> Draft
where
    I: IntoIterator<Item: Into<String>>,
    V: IntoIterator<Item: Into<String>>,
{
    let instrument =
        |name: I::Item| Instrument { name: name.into(), price_scale: 2, size_scale: 8 };
    let venue = |name: V::Item| VenueInfo { name: name.into(), taker_fee: 0.0, max_age: 0 };
    Draft(Catalogue {
        instruments: instruments.into_iter().map(instrument).collect(),
        venues: venues.into_iter().map(venue).collect(),
        listings: Vec::new(),
    })
}

/// A catalogue that is not finished.
#[derive(Clone, Debug)]
#[must_use = "`build` returns the catalogue"]
pub struct Draft(Catalogue);

impl Draft {
    /// Sets the number of decimals of all prices and sizes.
    pub fn scales(self, price: u8, size: u8) -> Draft {
        let count = self.0.instruments.len();
        self.scales_each(std::iter::repeat_n((price, size), count))
    }

    /// Sets the number of decimals of prices and sizes for each instrument.
    pub fn scales_each(mut self, scales: impl IntoIterator<Item = (u8, u8)>) -> Draft {
        for (instrument, (price, size)) in self.0.instruments.iter_mut().zip(scales) {
            (instrument.price_scale, instrument.size_scale) = (price, size);
        }
        self
    }

    /// Sets the taker fee of all venues, as a fraction.
    pub fn fee(self, fee: f64) -> Draft {
        let count = self.0.venues.len();
        self.fees(std::iter::repeat_n(fee, count))
    }

    /// Sets the taker fee of each venue, as a fraction.
    pub fn fees(mut self, fees: impl IntoIterator<Item = f64>) -> Draft {
        self.0.venues.iter_mut().zip(fees).for_each(|(venue, fee)| venue.taker_fee = fee);
        self
    }

    /// Sets the maximum age of every venue's quotes.
    pub fn max_age(mut self, age: Nanos) -> Draft {
        self.0.venues.iter_mut().for_each(|venue| venue.max_age = age);
        self
    }

    /// Lists every instrument on every venue.
    pub fn listed(self) -> Draft {
        self.listed_where(|_, _| true)
    }

    /// Lists an instrument on a venue where `is_listed` says so. The symbol is the instrument's
    /// name.
    pub fn listed_where(mut self, is_listed: impl Fn(u32, u8) -> bool) -> Draft {
        let Catalogue { instruments, venues, listings } = &mut self.0;
        for (id, instrument) in (0..).zip(instruments) {
            let ids = (0..).zip(venues.iter()).map(|(venue, _)| venue);
            listings.extend(ids.filter(|venue| is_listed(id, *venue)).map(|venue| Listing {
                venue: VenueId(venue),
                instrument: InstrumentId(id),
                symbol: instrument.name.clone(),
            }));
        }
        self
    }

    /// Returns the catalogue.
    #[must_use]
    pub fn build(self) -> Catalogue {
        self.0
    }
}
