//! A counter for each listing: what a stage did with the quotes of each venue and instrument.
//!
//! A counter is found by its two ids; no name is looked up.

use spreadwire_lake::stage::{Listed, Stage, StageCounter};
use spreadwire_market::counters::{Counter, Counters};
use spreadwire_market::instrument::{Catalogue, InstrumentId, VenueId};

/// Counters by listing. The default has none, and counts nothing.
#[derive(Debug, Default)]
pub struct Tally {
    instruments: usize,
    counters: Vec<Counter>,
    listed: Vec<Listed>,
}

impl Tally {
    /// Registers a counter `<stage>.<venue>.<instrument>.<what>` for each listing of the catalogue.
    #[must_use]
    pub fn new(stage: &str, what: &str, catalogue: &Catalogue, counters: &Counters) -> Tally {
        let instruments = catalogue.instruments.len();
        let mut all = vec![Counter::default(); instruments * catalogue.venues.len()];
        for listing in &catalogue.listings {
            let venue = &catalogue.venue(listing.venue).name;
            let instrument = &catalogue.instrument(listing.instrument).name;
            let name = format!("{stage}.{venue}.{instrument}.{what}");
            all[listing.venue.index() * instruments + listing.instrument.index()] =
                counters.register(&name);
        }
        let listed = catalogue.listings.iter().map(|l| (l.venue, l.instrument)).collect();
        Tally { instruments, counters: all, listed }
    }

    /// Returns the counter of each listing as that of a stage.
    pub fn stages(&self, stage: Stage) -> impl Iterator<Item = StageCounter> {
        let counter = |(venue, instrument): Listed| {
            &self.counters[venue.index() * self.instruments + instrument.index()]
        };
        self.listed.iter().map(move |of| StageCounter::of_listing(stage, *of, counter(*of)))
    }

    /// Counts one more.
    #[inline]
    pub fn add(&self, venue: VenueId, instrument: InstrumentId) {
        let place = venue.index() * self.instruments + instrument.index();
        if let Some(counter) = self.counters.get(place) {
            counter.add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spreadwire_kit::catalogue;
    use spreadwire_lake::stage::StageCounts;

    #[test]
    fn each_book_has_its_counter() {
        let catalogue = catalogue::of(["A/B", "C/D"], ["okx", "bybit"])
            .listed_where(|instrument, venue| (instrument, venue) != (1, 0))
            .build();
        let counters = Counters::default();
        let tally = Tally::new("journal", "written", &catalogue, &counters);
        for (venue, instrument, times) in [(0, 0, 1), (1, 0, 2), (1, 1, 3), (0, 1, 9), (7, 7, 9)] {
            (0..times).for_each(|_| tally.add(VenueId(venue), InstrumentId(instrument)));
        }
        let counts: Vec<(String, u64)> = counters.snapshot().into_iter().collect();
        let count = |name: &str, count| (name.to_owned(), count);
        let wanted = [
            count("journal.bybit.A/B.written", 2),
            count("journal.bybit.C/D.written", 3),
            count("journal.okx.A/B.written", 1),
        ];
        assert_eq!(counts, wanted);
        let stages: Vec<_> = tally.stages(Stage::Journalled).collect();
        let mut of_stage = StageCounts::default();
        for (venue, instrument, count) in [(0, 0, 1), (1, 0, 2), (1, 1, 3)] {
            let listed = (VenueId(venue), InstrumentId(instrument));
            of_stage.add_listed(Stage::Journalled, listed, count);
        }
        assert_eq!(StageCounts::read(&stages), of_stage);
        Tally::default().add(VenueId(0), InstrumentId(0));
    }
}
