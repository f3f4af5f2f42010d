//! Which legs are live and which pairs have a spread, as the server has said it.

use crate::clock::Nanos;
use crate::instrument::{Catalogue, InstrumentId, VenueId};
use crate::record::Spread;

/// An ordered pair of venues for one instrument.
pub(super) type Pair = (InstrumentId, VenueId, VenueId);

/// Returns the pair of a spread.
pub(super) fn pair_of(spread: &Spread) -> Pair {
    (spread.instrument, spread.buy_venue, spread.sell_venue)
}

/// The table. Before it is told otherwise, no leg is live.
#[derive(Debug, Default)]
pub(super) struct Table {
    venues: usize,
    /// By instrument and venue.
    live: Vec<bool>,
    /// Receive time of the pair's spread, by instrument, buy and sell venue.
    spreads: Vec<Option<Nanos>>,
}

impl Table {
    pub(super) fn new(catalogue: &Catalogue) -> Table {
        let venues = catalogue.venues.len();
        let legs = catalogue.instruments.len() * venues;
        Table { venues, live: vec![false; legs], spreads: vec![None; legs * venues] }
    }

    pub(super) fn is_live(&self, instrument: InstrumentId, venue: VenueId) -> bool {
        self.live.get(self.leg(instrument, venue)).is_some_and(|live| *live)
    }

    /// Returns the receive time of the pair's spread, if it has one.
    pub(super) fn spread(&self, (instrument, buy, sell): Pair) -> Option<Nanos> {
        let place = self.leg(instrument, buy) * self.venues + sell.index();
        self.spreads.get(place).copied().flatten()
    }

    /// Keeps the state of a leg. All spreads of a leg that is not live end.
    pub(super) fn set_live(&mut self, instrument: InstrumentId, venue: VenueId, live: bool) {
        let leg = self.leg(instrument, venue);
        self.live[leg] = live;
        if live {
            return;
        }
        for other in 0..self.venues {
            let mirrored = (instrument.index() * self.venues + other) * self.venues + venue.index();
            self.spreads[leg * self.venues + other] = None;
            self.spreads[mirrored] = None;
        }
    }

    /// Keeps the receive time of a pair's spread; `None` ends it. Returns whether it had one.
    pub(super) fn set_spread(&mut self, pair: Pair, ts: Option<Nanos>) -> bool {
        let (instrument, buy, sell) = pair;
        let place = self.leg(instrument, buy) * self.venues + sell.index();
        std::mem::replace(&mut self.spreads[place], ts).is_some()
    }

    /// Ends every spread. What is known about the legs stays.
    pub(super) fn end_spreads(&mut self) {
        self.spreads.fill(None);
    }

    fn leg(&self, instrument: InstrumentId, venue: VenueId) -> usize {
        instrument.index() * self.venues + venue.index()
    }
}
