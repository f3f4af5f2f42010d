//! The ids of a server in those of the configuration, so that a trader keeps its own ids, whatever server
//! it is connected to and in whatever order that lists its venues.

use spreadwire_market::instrument::{Catalogue, InstrumentId, VenueId};
use spreadwire_market::record::{Ended, Gap, Record, Spread, Status};

/// Ids of the configuration by those of a server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Translation {
    instruments: Vec<Option<InstrumentId>>,
    venues: Vec<Option<VenueId>>,
}

impl Translation {
    /// Compares the catalogues of a server and of the configuration. An instrument whose decimals
    /// differ is left out. Returns the differences too, a line each.
    #[must_use]
    pub(crate) fn new(server: &Catalogue, own: &Catalogue) -> (Translation, Vec<String>) {
        let mut differences = Vec::new();
        let venues = server.venues.iter().map(|venue| own.venue_named(&venue.name)).collect();
        let mut instruments = Vec::new();
        for there in &server.instruments {
            let id = own.instrument_named(&there.name).filter(|id| {
                let here = own.instrument(*id);
                let is_same =
                    (here.price_scale, here.size_scale) == (there.price_scale, there.size_scale);
                if !is_same {
                    differences.push(format!(
                        "the server has {} and {} decimals for prices and sizes of {}, and the \
                         configuration {} and {}: it is not traded; use the engine's configuration",
                        there.price_scale,
                        there.size_scale,
                        there.name,
                        here.price_scale,
                        here.size_scale
                    ));
                }
                is_same
            });
            instruments.push(id);
        }
        let missing = |name: &String| format!("the server does not list {name}");
        let listed = own.instruments.iter().map(|it| &it.name);
        let is_there = |name: &&String| server.instrument_named(name).is_none();
        differences.extend(listed.filter(is_there).map(missing));
        let venues_here = own.venues.iter().map(|it| &it.name);
        let is_missing = |name: &&String| server.venue_named(name).is_none();
        differences.extend(venues_here.filter(is_missing).map(missing));
        (Translation { instruments, venues }, differences)
    }

    /// Returns a record in the ids of the configuration; `None` if it concerns nothing in it, or no
    /// decision.
    #[must_use]
    pub(crate) fn record(&self, record: &Record) -> Option<Record> {
        if let Some(spread) = record.get::<Spread>() {
            let ids = self.pair(spread.instrument, spread.buy_venue, spread.sell_venue)?;
            let (instrument, buy_venue, sell_venue) = ids;
            return Some(Spread { instrument, buy_venue, sell_venue, ..*spread }.into());
        }
        if let Some(ended) = record.get::<Ended>() {
            let ids = self.pair(ended.instrument, ended.buy_venue, ended.sell_venue)?;
            let (instrument, buy_venue, sell_venue) = ids;
            return Some(Ended { instrument, buy_venue, sell_venue, ..*ended }.into());
        }
        if let Some(status) = record.get::<Status>() {
            let instrument = self.instrument(status.instrument)?;
            let venue = self.venue(status.venue)?;
            return Some(Status { instrument, venue, ..*status }.into());
        }
        record.is::<Gap>().then_some(*record)
    }

    fn pair(
        &self,
        instrument: InstrumentId,
        buy: VenueId,
        sell: VenueId,
    ) -> Option<(InstrumentId, VenueId, VenueId)> {
        Some((self.instrument(instrument)?, self.venue(buy)?, self.venue(sell)?))
    }

    fn instrument(&self, id: InstrumentId) -> Option<InstrumentId> {
        *self.instruments.get(id.index())?
    }

    fn venue(&self, id: VenueId) -> Option<VenueId> {
        *self.venues.get(id.index())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spreadwire_kit::catalogue;

    #[test]
    fn ids_follow_the_names_and_what_is_not_configured_is_left_out() {
        let of = |instruments: &[&str], venues: &[&str]| {
            catalogue::of(instruments.iter().copied(), venues.iter().copied())
        };
        let own = of(&["A/B", "C/D", "E/F"], &["x", "y", "z"]).scales(2, 2).build();
        let server = of(&["C/D", "G/H", "A/B"], &["y", "w", "x"]);
        let server = server.scales_each([(2, 2), (2, 2), (3, 2)]).build();
        let (translation, differences) = Translation::new(&server, &own);
        let spread = |instrument, buy, sell| {
            let (instrument, buy_venue) = (InstrumentId(instrument), VenueId(buy));
            let spread = Spread {
                instrument,
                buy_venue,
                sell_venue: VenueId(sell),
                ts_recv: 9,
                ..Spread::default()
            };
            let record = translation.record(&spread.into())?;
            let spread = record.get::<Spread>().unwrap();
            assert_eq!(spread.ts_recv, 9);
            Some((spread.instrument.0, spread.buy_venue.0, spread.sell_venue.0))
        };
        assert_eq!(spread(0, 0, 2), Some((1, 1, 0)));
        for (instrument, buy, sell) in [(1, 0, 2), (0, 1, 2), (0, 0, 1), (2, 0, 2), (9, 0, 2)] {
            assert_eq!(spread(instrument, buy, sell), None, "{instrument} {buy} {sell}");
        }
        let status = Status { instrument: InstrumentId(0), venue: VenueId(2), ..Status::default() };
        let status = translation.record(&status.into()).unwrap();
        let status = status.get::<Status>().unwrap();
        assert_eq!((status.instrument, status.venue), (InstrumentId(1), VenueId(0)));
        assert!(translation.record(&Gap::new(1, 0).into()).is_some());
        let told = differences.join("\n");
        for part in ["3 and 2 decimals for prices and sizes of A/B", "not list E/F", "not list z"] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert_eq!(differences.len(), 3, "{told}");
    }
}
