//! A client's filters, and how far the snapshot of each has come.
//!
//! The reception has checked each filter and its id (`reception/wishes.rs`); here they are applied.
//!
//! A filter's snapshot walks the market's table key by key, in several messages if it is long.
//! Until it has reached a key, events of that key are left out, because the snapshot will carry the
//! latest; from then on each event is sent. The client thus gets each key's events from the
//! snapshot on, without a gap or a repetition.

use super::event::{Event, Topic};
use super::request::Wish;
use spreadwire_market::instrument::{Catalogue, InstrumentId, VenueId};
use spreadwire_market::spread::BPS;

/// The id of the filter that every client begins with.
pub(super) const DEFAULT_ID: &str = "default";

/// Spreads that a client wants, and the states they depend on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Filter {
    id: String,
    /// A bit for each instrument; `None` for all.
    instruments: Option<Vec<u64>>,
    /// A bit for each venue; `None` for all.
    venues: Option<u64>,
    min_net_bps: Option<f64>,
    /// `min_net_bps` as a fraction, minus infinity for none.
    min_net: f64,
    /// The first key that the snapshot has not covered.
    reached: usize,
}

impl Filter {
    /// Prepares a filter under an id.
    pub(super) fn new(id: String, wish: Wish) -> Filter {
        let min_net = wish.min_net_bps.map_or(f64::NEG_INFINITY, |bps| bps / BPS);
        let Wish { instruments, venues, min_net_bps, .. } = wish;
        let instruments = instruments.map(|ids| {
            let words = ids.iter().map(|i| i.index() / 64 + 1).max().unwrap_or(0);
            let mut bits = vec![0; words];
            ids.iter().for_each(|id| bits[id.index() / 64] |= 1 << (id.index() % 64));
            bits
        });
        let venues = venues.map(|ids| ids.iter().fold(0, |bits, id| bits | bit(*id)));
        Filter { id, instruments, venues, min_net_bps, min_net, reached: 0 }
    }

    /// Returns the id that the client gave it or was given.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Returns the first key that its snapshot has not covered.
    pub(super) fn reached(&self) -> usize {
        self.reached
    }

    /// Returns whether it asks for this event.
    #[inline]
    pub(super) fn covers(&self, event: &Event) -> bool {
        match event.topic() {
            Some(Topic::Spread(spread)) => {
                let legs = bit(spread.buy_venue) | bit(spread.sell_venue);
                self.has_instrument(spread.instrument)
                    && self.venues.is_none_or(|venues| venues & legs != 0)
                    && (self.min_net_bps.is_none() || self.min_net <= spread.net)
            }
            // The spread may have been wanted, whatever its net was.
            Some(Topic::Ended(ended)) => {
                let legs = bit(ended.buy_venue) | bit(ended.sell_venue);
                self.has_instrument(ended.instrument)
                    && self.venues.is_none_or(|venues| venues & legs != 0)
            }
            // The other leg of a wanted spread may be on any venue.
            Some(Topic::Status(status)) => self.has_instrument(status.instrument),
            Some(Topic::Gap(_) | Topic::Recording(_)) | None => false,
        }
    }

    #[inline]
    fn has_instrument(&self, id: InstrumentId) -> bool {
        self.instruments.as_ref().is_none_or(|bits| {
            bits.get(id.index() / 64).is_some_and(|word| word >> (id.index() % 64) & 1 == 1)
        })
    }

    /// Returns the instruments that it lists, `None` for all.
    pub(super) fn instrument_names<'a>(&self, catalogue: &'a Catalogue) -> Option<Vec<&'a str>> {
        self.instruments.as_ref()?;
        let all = (0_u32..).zip(&catalogue.instruments);
        Some(
            all.filter(|(id, _)| self.has_instrument(InstrumentId(*id)))
                .map(|(_, i)| &*i.name)
                .collect(),
        )
    }

    /// Returns the venues that it lists, `None` for all.
    pub(super) fn venue_names<'a>(&self, catalogue: &'a Catalogue) -> Option<Vec<&'a str>> {
        let bits = self.venues?;
        let all = (0_u8..).zip(&catalogue.venues);
        Some(all.filter(|(id, _)| bits & bit(VenueId(*id)) != 0).map(|(_, v)| &*v.name).collect())
    }

    /// Returns whether it asks for everything.
    fn is_all(&self) -> bool {
        self.instruments.is_none() && self.venues.is_none() && self.min_net_bps.is_none()
    }

    /// Returns the least net spread that it asks for.
    pub(super) fn min_net_bps(&self) -> Option<f64> {
        self.min_net_bps
    }
}

/// All filters of one client.
#[derive(Debug)]
pub(super) struct Filters {
    filters: Vec<Filter>,
}

impl Filters {
    /// Begins with a filter for everything, until the client asks for something.
    pub(super) fn new() -> Filters {
        Filters { filters: vec![Filter::new(DEFAULT_ID.to_owned(), Wish::default())] }
    }

    /// Returns whether any filter asks for this event now.
    #[inline]
    pub(super) fn want(&self, event: &Event) -> bool {
        self.filters.iter().any(|filter| event.key < filter.reached && filter.covers(event))
    }

    /// Returns whether any filter asks for every event there is, now that its snapshot is complete.
    pub(super) fn want_everything(&self, keys: usize) -> bool {
        self.filters.iter().any(|filter| filter.is_all() && keys <= filter.reached)
    }

    /// Returns whether the snapshot of any filter has begun.
    pub(super) fn have_begun(&self) -> bool {
        self.filters.iter().any(|filter| 0 < filter.reached)
    }

    /// Adds a filter.
    pub(super) fn add(&mut self, filter: Filter) {
        self.filters.push(filter);
    }

    /// Removes every filter.
    pub(super) fn clear(&mut self) {
        self.filters.clear();
    }

    /// Removes the filters with these ids.
    pub(super) fn remove(&mut self, ids: &[String]) {
        self.filters.retain(|filter| !ids.contains(&filter.id));
    }

    /// Returns the first filter whose snapshot is not complete.
    pub(super) fn unfinished(&self, keys: usize) -> Option<usize> {
        self.filters.iter().position(|filter| filter.reached < keys)
    }

    /// Returns a filter by its place.
    pub(super) fn at(&self, place: usize) -> &Filter {
        &self.filters[place]
    }

    /// Notes how far a filter's snapshot has come.
    pub(super) fn advance(&mut self, place: usize, reached: usize) {
        self.filters[place].reached = reached;
    }
}

fn bit(venue: VenueId) -> u64 {
    1 << (venue.index() % 64)
}

/// A venue's bit has a place in one word.
const _: () = assert!(spreadwire_market::instrument::VENUES_MAX <= 64);
