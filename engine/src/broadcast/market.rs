//! The latest spread of every live pair and the state of every (venue, instrument).
//!
//! Each has a dense key: first all states, then, by instrument, buy and sell venue, all pairs. The
//! key is a place in this table, in a client's conflation table, and in a snapshot's course.

use super::event::Event;
use bytemuck::Zeroable;
use spreadwire_market::instrument::{Catalogue, InstrumentId, VenueId};
use spreadwire_market::record::{Ended, Record, Spread, Status};
use spreadwire_market::state::{Reason, State};

/// Rank of a venue that does not list an instrument.
const UNLISTED: u8 = u8::MAX;

/// The places of states and pairs in the table.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    venues: usize,
    /// By instrument and venue: the venue's rank among those that list the instrument.
    ranks: Vec<u8>,
    /// By instrument: how many venues list it, its first state, its first pair.
    rows: Vec<Row>,
    states: usize,
    count: usize,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    listed: usize,
    first_state: usize,
    first_pair: usize,
}

impl Keys {
    /// Assigns a key to everything that a catalogue lists.
    pub(super) fn new(catalogue: &Catalogue) -> Keys {
        let venues = catalogue.venues.len();
        let mut ranks = vec![UNLISTED; catalogue.instruments.len() * venues];
        let mut rows = Vec::with_capacity(catalogue.instruments.len());
        let (mut states, mut pairs) = (0, 0);
        for (place, ranks) in ranks.chunks_mut(venues.max(1)).enumerate() {
            let mut listed = 0;
            for listing in catalogue.listings.iter().filter(|l| l.instrument.index() == place) {
                let rank = &mut ranks[listing.venue.index()];
                if *rank == UNLISTED {
                    *rank = listed;
                    listed += 1;
                }
            }
            let listed = usize::from(listed);
            rows.push(Row { listed, first_state: states, first_pair: pairs });
            states += listed;
            pairs += listed * listed;
        }
        rows.iter_mut().for_each(|row| row.first_pair += states);
        Keys { venues, ranks, rows, states, count: states + pairs }
    }

    /// Returns the number of keys.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Returns the number of keys, from 0 on, that are states.
    pub(super) fn states(&self) -> usize {
        self.states
    }

    fn place(&self, instrument: InstrumentId, venue: VenueId) -> Option<(Row, usize)> {
        let row = *self.rows.get(instrument.index())?;
        let inside = venue.index() < self.venues;
        let rank = inside.then(|| self.ranks[instrument.index() * self.venues + venue.index()])?;
        (rank != UNLISTED).then_some((row, usize::from(rank)))
    }

    fn state(&self, instrument: InstrumentId, venue: VenueId) -> Option<usize> {
        self.place(instrument, venue).map(|(row, rank)| row.first_state + rank)
    }

    fn pair(&self, instrument: InstrumentId, buy: VenueId, sell: VenueId) -> Option<usize> {
        let (row, buy) = self.place(instrument, buy)?;
        let (_, sell) = self.place(instrument, sell)?;
        Some(row.first_pair + buy * row.listed + sell)
    }

    /// Returns the pairs that have this venue as a leg.
    pub(super) fn pairs_of(&self, status: &Status) -> impl Iterator<Item = usize> {
        let (row, rank) = self
            .place(status.instrument, status.venue)
            .unwrap_or((Row { listed: 0, first_state: 0, first_pair: 0 }, 0));
        (0..row.listed).flat_map(move |other| {
            [row.first_pair + rank * row.listed + other, row.first_pair + other * row.listed + rank]
        })
    }
}

/// The table.
#[derive(Debug)]
pub(super) struct Market {
    keys: Keys,
    latest: Vec<Event>,
    seq: u64,
    /// Whether records were lost before they came here, so that a state may be out of date.
    has_lost: bool,
}

impl Market {
    /// Begins with every state down and no spread.
    pub(super) fn new(catalogue: &Catalogue) -> Market {
        let keys = Keys::new(catalogue);
        let mut latest: Vec<Event> =
            (0..keys.count()).map(|key| Event { record: Record::zeroed(), seq: 0, key }).collect();
        for listing in &catalogue.listings {
            if let Some(key) = keys.state(listing.instrument, listing.venue) {
                latest[key].record = down(listing.instrument, listing.venue);
            }
        }
        Market { keys, latest, seq: 0, has_lost: false }
    }

    /// Returns the table's keys.
    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Returns the number of the last spread.
    pub(super) fn seq(&self) -> u64 {
        self.seq
    }

    /// Returns the event of a key; `None` for a pair without a spread.
    pub(super) fn latest(&self, key: usize) -> Option<&Event> {
        self.latest.get(key).filter(|event| event.record.kind().is_some())
    }

    /// Returns the states of a spread's legs that are not live in the table: after a loss they are out
    /// of date, because a spread has live legs alone. The table has them as live from then on.
    #[inline]
    pub(super) fn mend(&mut self, spread: &Spread) -> [Option<Event>; 2] {
        if !self.has_lost {
            return [None, None];
        }
        [spread.buy_venue, spread.sell_venue].map(|venue| self.mend_leg(spread, venue))
    }

    #[cold]
    fn mend_leg(&mut self, spread: &Spread, venue: VenueId) -> Option<Event> {
        let key = self.keys.state(spread.instrument, venue)?;
        let known = *self.latest[key].record.get::<Status>()?;
        (known.state != State::Live as u8).then(|| {
            self.on_status(&Status {
                ts_recv: spread.ts_recv,
                state: State::Live as u8,
                previous: known.state,
                reason: Reason::Quote as u8,
                ..known
            })
        })?
    }

    /// Numbers a spread and keeps it; `None` if its legs are not in the catalogue.
    #[inline]
    pub(super) fn on_spread(&mut self, spread: &Spread) -> Option<Event> {
        let key = self.keys.pair(spread.instrument, spread.buy_venue, spread.sell_venue)?;
        self.seq += 1;
        let event = Event { record: (*spread).into(), seq: self.seq, key };
        self.latest[key] = event;
        Some(event)
    }

    /// Forgets the spread of a pair; `None` if its legs are not in the catalogue.
    pub(super) fn on_ended(&mut self, ended: &Ended) -> Option<Event> {
        let key = self.keys.pair(ended.instrument, ended.buy_venue, ended.sell_venue)?;
        self.latest[key].record = Record::zeroed();
        Some(Event { record: (*ended).into(), seq: self.seq, key })
    }

    /// Keeps a state; the pairs of a leg that is not live are forgotten.
    pub(super) fn on_status(&mut self, status: &Status) -> Option<Event> {
        let key = self.keys.state(status.instrument, status.venue)?;
        let event = Event { record: (*status).into(), seq: self.seq, key };
        self.latest[key] = event;
        if status.state != State::Live as u8 {
            for pair in self.keys.pairs_of(status) {
                self.latest[pair].record = Record::zeroed();
            }
        }
        Some(event)
    }

    /// Forgets every spread: after a loss nobody knows which of them still hold.
    pub(super) fn forget_spreads(&mut self) {
        self.has_lost = true;
        let pairs = self.latest.iter_mut().skip(self.keys.states());
        pairs.for_each(|event| event.record = Record::zeroed());
    }
}

fn down(instrument: InstrumentId, venue: VenueId) -> Record {
    Status {
        state: State::Down as u8,
        previous: State::Down as u8,
        reason: Reason::Disconnected as u8,
        instrument,
        venue,

        ..Status::zeroed()
    }
    .into()
}
