//! The latest quote of every (instrument, venue), and the spreads that a new one leads to.
//!
//! Only legs whose state is live and whose quote is no older than the venue's maximum age, measured
//! from the receive time of the quote in hand, take part. A function of the order of its input
//! alone: no clock, no thread, no ring.

use crate::clock::Nanos;
use crate::instrument::{Catalogue, InstrumentId, VenueId};
use crate::integrity::State;
use crate::record::{Quote, Spread, Status, flags};
use crate::spread::FeeFactors;
use bytemuck::Zeroable;

/// One venue's side of one instrument.
#[derive(Clone, Copy, Debug)]
struct Leg {
    quote: Quote,
    live: bool,
}

/// All legs, by instrument and venue.
#[derive(Clone, Debug)]
pub struct Book {
    venues: usize,
    legs: Vec<Leg>,
    /// By instrument: who lists it.
    listed: Vec<Vec<VenueId>>,
    /// By venue.
    fees: Vec<FeeFactors>,
    /// By venue, ns.
    max_age: Vec<Nanos>,
}

impl Book {
    /// An empty book for a catalogue; all memory is taken now.
    #[must_use]
    pub fn new(catalogue: &Catalogue) -> Book {
        let venues = catalogue.venues.len();
        let instruments = u32::try_from(catalogue.instruments.len()).unwrap_or(u32::MAX);
        let empty = Leg { quote: Quote::zeroed(), live: false };
        Book {
            venues,
            legs: vec![empty; catalogue.instruments.len() * venues],
            listed: (0..instruments).map(|i| catalogue.venues_of(InstrumentId(i))).collect(),
            fees: catalogue.venues.iter().map(|v| FeeFactors::of(v.taker_fee)).collect(),
            max_age: catalogue.venues.iter().map(|v| v.max_age).collect(),
        }
    }

    /// Takes a change of state: what is not live takes part in nothing.
    pub fn on_status(&mut self, status: &Status) {
        let place = self.place(status.instrument, status.venue);
        self.legs[place].live = status.state == State::Live as u8;
    }

    /// Takes a quote and hands `each` the spreads it leads to with every other usable venue, both
    /// directions, in the order of venue ids: first buying here, then selling here.
    #[inline]
    pub fn on_quote(&mut self, quote: &Quote, sequence: u64, mut each: impl FnMut(Spread)) {
        let place = self.place(quote.instrument, quote.venue);
        self.legs[place].quote = *quote;
        if !self.legs[place].live || quote.flags & flags::CROSSED != 0 {
            return;
        }
        let here = (quote, self.fees[quote.venue.index()]);
        for &venue in &self.listed[quote.instrument.index()] {
            if venue == quote.venue {
                continue;
            }
            let leg = &self.legs[self.place(quote.instrument, venue)];
            let age = quote.ts_recv.saturating_sub(leg.quote.ts_recv);
            let crossed = leg.quote.flags & flags::CROSSED != 0;
            if !leg.live || crossed || self.max_age[venue.index()] < age {
                continue;
            }
            let there = (&leg.quote, self.fees[venue.index()]);
            for (buy, sell) in [(here, there), (there, here)] {
                if let Some(spread) = Spread::between(buy, sell, quote.ts_recv, sequence) {
                    each(spread);
                }
            }
        }
    }

    fn place(&self, instrument: InstrumentId, venue: VenueId) -> usize {
        instrument.index() * self.venues + venue.index()
    }
}
