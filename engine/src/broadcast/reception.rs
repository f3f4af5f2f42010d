//! The half of the broadcast that listens: connections, upgrades, and all that clients say.
//!
//! The agent runs on a cold thread, so that nothing here can hold up a spread. Even so every client
//! has a budget per cycle in bytes and frames, and the cycle one in time; whoever is not served goes
//! on in the next. What is understood goes to the broadcast as [orders](super::order). A client
//! that the broadcast has not answered yet, or that does not keep up, is not read from.
//!
//! A connection has one place from its first byte to its last, which names it in the poll and in
//! orders (`places.rs`). It arrives ([`Arrival`](arrival::Arrival)), becomes a client
//! ([`Visitor`](visitor::Visitor)) or is refused, and in the end lingers a moment, so that it reads
//! what it was sent.

pub(super) mod access;
mod addresses;
mod arrival;
mod bearer;
mod connection;
mod denial;
mod desk;
mod failures;
mod farewell;
pub mod message_reader;
mod places;
mod pool;
mod rate;
pub(super) mod upgrade;
mod visitor;
mod wishes;

pub(super) use desk::READ_BYTES;
pub(super) use upgrade::REQUEST_BYTES_MAX;

use super::audit::{Auditor, Entry, Identity};
use super::departure::Dismissal;
use super::network::{Network, Ready, Sockets};
use super::order::Orders;
use super::peer::Peer;
use super::settings::{PARTING_MAX, Settings};
use super::tally::ReceptionTally;
use crate::runtime::agent::Agent;
use crate::runtime::descriptors;
use addresses::Addresses;
use connection::{Connection, Kind};
use crossbeam::channel::Sender;
use desk::Desk;
use places::Places;
use pool::Pool;
use spreadwire_market::clock::{Clock, MILLI, Nanos};
use spreadwire_market::counters::Counters;
use spreadwire_market::instrument::Catalogue;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// Most connections accepted in one cycle.
const ACCEPTS_PER_CYCLE: usize = 16;
/// A cycle that has taken this long leaves the other connections to the next one.
const CYCLE_MAX: Nanos = 2 * MILLI;
/// How often connections are read out at the end, so that closing them resets none.
const CLOSE_ATTEMPTS: usize = 16;

/// The half that listens, over sockets unless a test plays the network.
#[derive(Debug)]
pub struct Reception<N: Network = Sockets> {
    network: N,
    places: Places<Connection<N::Socket>>,
    /// Places of connections whose upgrade is not complete, and of those that part.
    arriving: Pool,
    parting: Pool,
    addresses: Addresses,
    desk: Desk<N::Socket>,
    clock: Clock,
    /// Number of connections that were ever accepted.
    accepted: u64,
    /// Whether the listener may have a connection.
    acceptable: bool,
    /// The place at which the next cycle begins.
    next: usize,
}

impl Reception {
    /// Returns the address and the port that clients connect to.
    ///
    /// # Errors
    /// What the OS says, and `Unsupported` for a Unix socket, which has no address.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.network.endpoint()?.tcp().ok_or_else(|| io::ErrorKind::Unsupported.into())
    }
}

impl<N: Network> Reception<N> {
    /// Tells an audit log who connects, asks and leaves.
    #[must_use]
    pub fn audited(mut self, log: Sender<Entry>) -> Reception<N> {
        self.desk.auditor.set(log);
        self
    }

    pub(super) fn new(
        network: N,
        orders: Orders<N::Socket>,
        catalogue: Arc<Catalogue>,
        settings: Settings,
        clock: Clock,
        counters: &Counters,
    ) -> Reception<N> {
        let tally = ReceptionTally::new(counters);
        Reception {
            network,
            places: Places::new(),
            arriving: Pool::new(settings.max_upgrades),
            parting: Pool::new(PARTING_MAX),
            addresses: Addresses::default(),
            desk: Desk::new(settings, catalogue, orders, tally, Auditor::new(counters)),
            accepted: 0,
            clock,
            acceptable: true,
            next: 0,
        }
    }

    fn take_readiness(&mut self) {
        let Reception { network, places, acceptable, .. } = self;
        network.poll(|ready| match ready {
            Ready::Listener => *acceptable = true,
            Ready::Readable(place) => {
                if let Some(connection) = places.at(place) {
                    connection.ready();
                }
            }
        });
    }

    fn accept(&mut self) -> usize {
        let mut accepted = 0;
        while self.acceptable && accepted < ACCEPTS_PER_CYCLE {
            match self.network.accept() {
                Ok((socket, peer)) => {
                    accepted += 1;
                    self.receive(socket, peer);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.acceptable = false,
                Err(error) => {
                    // A client that is gone already, or no descriptor: tried again next time.
                    self.desk.tally.accept_failures.add(1);
                    if descriptors::is_exhausted(&error) {
                        self.desk.tally.no_descriptor.add(1);
                    }
                    break;
                }
            }
        }
        accepted
    }

    fn receive(&mut self, socket: N::Socket, peer: Peer) {
        let place = self.places.free();
        if self.network.watch(&socket, place).is_err() {
            return self.desk.tally.accept_failures.add(1);
        }
        let now = self.desk.now;
        self.accepted += 1;
        let who = Identity { number: self.accepted, peer, token: None };
        let connection = match self.addresses.arrive(peer.source(), &self.desk.settings, now) {
            Ok(()) => Connection::arriving(socket, who, now),
            Err(why) => {
                self.desk.dismiss(&who, why);
                Connection::refused(socket, who, upgrade::too_many(why), now)
            }
        };
        let kind = connection.kind();
        self.places.insert(place, connection);
        self.settle(place, Kind::Over, kind);
    }

    /// Keeps account of the kinds of connections. When a pool is full, its oldest gives way.
    fn settle(&mut self, place: usize, before: Kind, after: Kind) {
        if before == after {
            return;
        }
        match before {
            Kind::Arriving => self.arriving.remove(place),
            Kind::Parting => self.parting.remove(place),
            Kind::Client | Kind::Over => {}
        }
        match after {
            Kind::Arriving => {
                if let Some(oldest) = self.arriving.add(place) {
                    if let Some(connection) = self.places.at(oldest) {
                        self.desk.dismiss(connection.who(), Dismissal::Evicted);
                    }
                    self.remove(oldest);
                }
            }
            Kind::Parting => {
                if let Some(oldest) = self.parting.add(place) {
                    self.remove(oldest);
                }
            }
            Kind::Over => self.remove(place),
            Kind::Client => {}
        }
    }

    fn remove(&mut self, place: usize) {
        let gone = self.places.remove(place);
        if let Some(source) = gone.and_then(|connection| connection.source()) {
            self.addresses.leave(source);
        }
    }

    /// Serves every connection once, or as many as the cycle has time for; returns how much was
    /// done.
    fn attend(&mut self) -> usize {
        let mut work = 0;
        let count = self.places.count();
        for step in 0..count {
            let place = (self.next + step) % count;
            let Some(connection) = self.places.at(place) else { continue };
            let before = connection.kind();
            let done = connection.serve(place, &mut self.desk);
            let after = connection.kind();
            self.settle(place, before, after);
            work += done;
            if done > 0 && self.desk.now + CYCLE_MAX <= self.clock.now() {
                self.next = place + 1;
                break;
            }
        }
        work
    }
}

impl<N: Network> Agent for Reception<N> {
    fn role(&self) -> &'static str {
        "reception"
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        self.desk.now = now;
        self.take_readiness();
        self.accept() + self.attend()
    }

    /// Ends with the other half, which sends the clients off.
    fn is_finished(&self) -> bool {
        self.desk.is_alone()
    }

    fn on_close(&mut self) {
        for _ in 0..CLOSE_ATTEMPTS {
            self.take_readiness();
            self.places.each(Connection::discard);
        }
        let desk = &self.desk;
        self.places.each(|connection| {
            if connection.kind() == Kind::Arriving {
                desk.tally.dismissed(Dismissal::Stopped);
            }
            connection.end(desk);
        });
        self.places.clear();
    }
}
