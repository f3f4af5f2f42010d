//! A feed's processing of a venue's frames without its socket, for tests and benches of the path of
//! a quote on one thread.
//!
//! A venue is used only through the registry and its fixture.

use crate::fixture::{Fixture, PRICE_SCALE, SIZE_SCALE};
use spreadwire_engine::runtime::ring::{self, EdgeCounters, HoldSender, Receiver};
use spreadwire_kit::catalogue;
use spreadwire_market::clock::Nanos;
use spreadwire_market::instrument::{Catalogue, VenueId};
use spreadwire_market::state::Reason;
use spreadwire_venues::health::{Arrival, Bounds, Health, LagMeter};
use spreadwire_venues::venue::{Message, Protocol, Symbol, VenueSpec};
use spreadwire_venues::venues::VENUES;

/// Returns a catalogue in which every venue of the registry lists the same three instruments.
pub fn catalogue(max_age: Nanos) -> Catalogue {
    let names = VENUES.iter().map(|spec| spec.name);
    let draft = catalogue::of(["A/USDT", "B/USDT", "C/USDT"], names);
    let fees = VENUES.iter().map(|spec| spec.taker_fee_bps / 10_000.0);
    draft.scales(PRICE_SCALE, SIZE_SCALE).fees(fees).max_age(max_age).listed().build()
}

fn venue_id(place: usize) -> VenueId {
    VenueId(u8::try_from(place).unwrap())
}

/// The feed's part of a quote's path for one venue.
pub struct Source {
    /// Source of its frames.
    pub fixture: Fixture,
    protocol: Box<dyn Protocol>,
    messages: Vec<Message>,
    healths: Vec<Health>,
    lag: LagMeter,
    edge: HoldSender,
}

impl Source {
    /// Creates the source of the venue at `place` in the registry, and the other end of its edge.
    pub fn new(place: usize, spec: &'static VenueSpec) -> (Source, Receiver) {
        let (edge, receiver) = ring::hold(256, EdgeCounters::default());
        let fixture = Fixture::of(spec);
        let health = |s: &Symbol| {
            Health::new(venue_id(place), s.instrument, spec.sequence, Bounds::of_age(Nanos::MAX))
        };
        let source = Source {
            protocol: (spec.protocol)(),
            messages: Vec::with_capacity(16),
            healths: fixture.symbols.list().iter().map(health).collect(),
            lag: LagMeter::default(),
            fixture,
            edge,
        };
        (source, receiver)
    }

    /// Decodes bytes to messages.
    pub fn decode(&mut self, frame: &[u8]) {
        self.messages.clear();
        let symbols = &self.fixture.symbols;
        if self.protocol.positional(frame, symbols, &mut self.messages).is_none() {
            self.protocol.general(frame, symbols, &mut self.messages).unwrap();
        }
    }

    /// Turns messages into records in the ring.
    ///
    /// # Panics
    /// If the frame was not a good quote, or the ring is full.
    pub fn pass_on(&mut self, now: Nanos) {
        for message in &self.messages {
            let Message::Quote(message) = message else { panic!("{message:?} is not a quote") };
            let arrival = Arrival { ts_recv: now, ..Arrival::default() };
            let health = &mut self.healths[message.symbol];
            let outcome = health.on_message(message, arrival, &mut self.lag);
            outcome.status.into_iter().for_each(|status| self.edge.send(status.into()));
            self.edge.send(outcome.quote.unwrap().into());
        }
    }

    /// Loses the connection, and with it all instruments.
    pub fn lose(&mut self, now: Nanos) {
        for health in &mut self.healths {
            let status = health.on_lost(0, Reason::Disconnected, now);
            status.into_iter().for_each(|status| self.edge.send(status.into()));
        }
    }
}
