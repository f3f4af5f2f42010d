//! The broadcast agent: it sends every spread and state, and whether quotes are being recorded, to
//! every WebSocket client that wants them.
//!
//! One agent on one thread holds the listener, the clients' sockets, and the latest of everything.
//! A record is encoded once per protocol into a log of frames that all clients share. A client that
//! wants everything is a position in that log and gets what is behind it with one `write` per duty
//! cycle, so that a message costs nothing per client but those writes. A client that does not keep
//! up is conflated and in the end disconnected; it never delays the others. `docs/broadcast.md` is
//! the protocol with its promises.
//!
//! Sockets are polled at most every [`Settings::poll_interval`]: the poll is a system call, and new
//! clients and requests can wait that long, while spreads go out in the cycle that took them.

mod binary;
mod client;
mod clients;
mod conflation;
mod departure;
mod event;
mod frame;
mod json;
mod log;
mod market;
mod message;
pub mod network;
mod queue;
mod request;
mod settings;
mod shared;
mod snapshot;
mod stream;
mod subscription;
mod tally;
mod text;
mod upgrade;
mod wire;

pub use json::PROTOCOL;
pub use log::Protocol;
pub use message::Encoder;
pub use settings::Settings;
pub use upgrade::{BINARY_SUBPROTOCOL, JSON_SUBPROTOCOL};

use crate::runtime::agent::{Agent, Report};
use crate::runtime::ring::Receiver;
use crate::runtime::stopwatch::Stopwatch;
use client::Client;
use clients::Clients;
use departure::Departure;
use event::{Event, Topic};
use mio::net::TcpListener;
use network::{Network, Ready, Tcp};
use shared::Shared;
use spreadwire_market::clock::{Clock, MICRO, MILLI, Nanos};
use spreadwire_market::counters::Counters;
use spreadwire_market::instrument::{Catalogue, VenueId};
use spreadwire_market::record::{Gap, Recording, RecordingState};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tally::Tally;
use wire::Wire;

/// The stage whose latency the broadcast reports: receive time to the end of the cycle's `write`s.
pub const STAGE: &str = "read_to_broadcast";

/// Most connections accepted in one cycle.
const ACCEPTS_PER_CYCLE: usize = 16;
/// Connections beyond [`Settings::max_clients`] that are held long enough to be told why not.
const REFUSALS_MAX: usize = 16;
/// A queue holds at least this much, so that one part of a snapshot always fits.
const CLIENT_BUFFER_BYTES_MIN: usize = 128 * 1024;
/// While bytes wait for a socket, polls are at most this far apart.
const BLOCKED_POLL_INTERVAL: Nanos = 50 * MICRO;
/// How often sockets are tried again at the end.
const CLOSE_ATTEMPTS: usize = 200;
/// How long sockets are tried again at the end.
const CLOSE_TIME_MAX: Nanos = 200 * MILLI;

/// Binds the port, so that one in use is an error at start.
///
/// # Errors
/// What the OS says, with the address.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address)
        .map_err(|error| io::Error::new(error.kind(), format!("broadcast on {address}: {error}")))
}

/// The agent, over TCP unless a test plays the network.
#[derive(Debug)]
pub struct Broadcast<N: Network = Tcp> {
    records: Receiver,
    states: Receiver,
    network: N,
    clients: Clients<N::Socket>,
    shared: Shared,
    clock: Clock,
    stopwatch: Stopwatch,
    /// Leading venues and receive times of the spreads that this cycle queued to anyone.
    queued: Vec<(VenueId, Nanos)>,
    polled_at: Nanos,
    /// Whether the listener may have a connection.
    acceptable: bool,
}

impl Broadcast {
    /// Serves the clients of a listener made by [`bind`] from the calculator's `records` and the
    /// journal's `states`.
    ///
    /// # Errors
    /// If the OS gives no poll, or does not watch the listener.
    pub fn new(
        records: Receiver,
        states: Receiver,
        catalogue: Arc<Catalogue>,
        listener: TcpListener,
        settings: Settings,
        clock: Clock,
        counters: &Counters,
    ) -> io::Result<Broadcast> {
        let network = Tcp::new(listener)?;
        Ok(Broadcast::over(network, records, states, catalogue, settings, clock, counters))
    }

    /// Returns the address that clients connect to.
    ///
    /// # Errors
    /// What the OS says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.network.address()
    }
}

impl<N: Network> Broadcast<N> {
    /// Serves the clients of a network, as [`new`](Broadcast::new) does those of a listener.
    pub fn over(
        network: N,
        records: Receiver,
        states: Receiver,
        catalogue: Arc<Catalogue>,
        settings: Settings,
        clock: Clock,
        counters: &Counters,
    ) -> Broadcast<N> {
        let client_buffer_bytes = settings.client_buffer_bytes.max(CLIENT_BUFFER_BYTES_MIN);
        let settings = Settings { client_buffer_bytes, ..settings };
        Broadcast {
            records,
            states,
            network,
            clients: Clients::new(),
            shared: Shared::new(settings, catalogue, Tally::new(counters)),
            stopwatch: Stopwatch::alone(STAGE, clock.clone()),
            clock,
            queued: Vec::with_capacity(1024),
            polled_at: 0,
            acceptable: true,
        }
    }

    /// Replaces the stopwatch.
    #[must_use]
    pub fn timed(mut self, stopwatch: Stopwatch) -> Broadcast<N> {
        self.stopwatch = stopwatch;
        self
    }

    fn poll_is_due(&self) -> bool {
        let (since, now) = (self.polled_at, self.shared.now);
        since + self.shared.settings.poll_interval <= now
            || since + BLOCKED_POLL_INTERVAL <= now && self.clients.is_any_waiting()
    }

    /// Takes what the network reports and serves every client once; returns how much was done.
    fn attend(&mut self) -> usize {
        self.polled_at = self.shared.now;
        self.take_readiness(Duration::ZERO);
        self.accept() + self.clients.serve(&mut self.shared)
    }

    fn take_readiness(&mut self, timeout: Duration) {
        let Broadcast { network, clients, acceptable, .. } = self;
        network.poll(timeout, |ready| match ready {
            Ready::Listener => *acceptable = true,
            Ready::Client { place, readable, writable } => {
                if let Some(client) = clients.at(place) {
                    client.ready(readable, writable);
                }
            }
        });
    }

    fn accept(&mut self) -> usize {
        let mut accepted = 0;
        while self.acceptable && accepted < ACCEPTS_PER_CYCLE {
            match self.network.accept() {
                Ok(socket) => {
                    accepted += 1;
                    self.admit(socket);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.acceptable = false,
                Err(_) => {
                    // Out of file descriptors, or a client that is gone already: tried again next time.
                    self.shared.tally.accept_failures.add(1);
                    break;
                }
            }
        }
        accepted
    }

    fn admit(&mut self, mut socket: N::Socket) {
        let place = self.clients.free_place();
        if self.shared.settings.max_clients + REFUSALS_MAX <= place {
            return self.shared.tally.disconnected(Departure::Full);
        }
        if self.network.watch(&mut socket, place).is_err() {
            return self.shared.tally.accept_failures.add(1);
        }
        let wire = Wire::new(socket, self.shared.settings.client_buffer_bytes);
        self.clients.insert(place, Client::new(wire, self.shared.now));
    }

    /// Takes what waits in the rings and queues it to the clients; returns how many records.
    fn distribute(&mut self) -> usize {
        let Broadcast { records, states, clients, shared, queued, .. } = self;
        let told = states.drain(|record| match Topic::of(record) {
            Some(Topic::Recording(recording)) => give_recording(recording, clients, shared),
            // A gap here is states that did not fit: what comes next is the present one.
            Some(Topic::Spread(_) | Topic::Ended(_) | Topic::Status(_) | Topic::Gap(_)) | None => {}
        });
        let taken = records.drain(|record| match Topic::of(record) {
            Some(Topic::Spread(spread)) => {
                shared.tally.spreads.add(1);
                for event in shared.market.mend(spread).iter().flatten() {
                    clients.give(Some(event), shared);
                }
                let event = shared.market.on_spread(spread);
                if clients.give(event.as_ref(), shared) {
                    queued.push((spread.leader(), spread.ts_recv));
                }
            }
            Some(Topic::Ended(ended)) => {
                shared.tally.ended.add(1);
                let event = shared.market.on_ended(ended);
                clients.give(event.as_ref(), shared);
            }
            Some(Topic::Status(status)) => {
                shared.tally.statuses.add(1);
                let event = shared.market.on_status(status);
                clients.give(event.as_ref(), shared);
            }
            Some(Topic::Gap(gap)) => give_gap(gap, clients, shared),
            Some(Topic::Recording(_)) | None => {}
        });
        told + taken
    }

    fn time_queued(&mut self) {
        if !self.queued.is_empty() {
            self.stopwatch.stamp_all(self.queued.drain(..));
        }
    }
}

/// Tells everyone that records are missing; which of the latest spreads still hold is unknown.
fn give_gap<S: network::Socket>(gap: &Gap, clients: &mut Clients<S>, shared: &mut Shared) {
    shared.tally.gaps.add(1);
    shared.market.forget_spreads();
    let event = Event::unkeyed(*gap, shared.market.seq());
    clients.give(Some(&event), shared);
}

/// Tells everyone whether quotes are recorded, and keeps it for those who come later.
fn give_recording<S: network::Socket>(
    recording: &Recording,
    clients: &mut Clients<S>,
    shared: &mut Shared,
) {
    shared.tally.recordings.add(1);
    let on = recording.state == RecordingState::On as u8;
    shared.stopped = (!on).then_some(*recording);
    let event = Event::unkeyed(*recording, shared.market.seq());
    clients.give(Some(&event), shared);
}

impl<N: Network> Agent for Broadcast<N> {
    fn role(&self) -> &'static str {
        "broadcast"
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        self.shared.now = now;
        self.stopwatch.turn(now);
        let mut work = self.distribute();
        if work > 0 {
            self.clients.flush(&mut self.shared);
            self.time_queued();
        }
        if self.poll_is_due() {
            work += self.attend();
        }
        work
    }

    fn is_finished(&self) -> bool {
        self.records.is_finished() && self.states.is_finished()
    }

    fn on_close(&mut self) {
        self.distribute();
        let start = self.clock.now();
        for _ in 0..CLOSE_ATTEMPTS {
            self.shared.now = self.shared.now.max(self.clock.now());
            let settled = self.clients.settle(&mut self.shared);
            if settled || start + CLOSE_TIME_MAX <= self.clock.now() {
                break;
            }
            self.take_readiness(Duration::from_millis(1));
        }
        self.time_queued();
        self.clients.clear();
        self.shared.open = 0;
        self.shared.tally.clients.set(0);
    }

    fn report(&mut self, report: &mut Report) {
        report.stopwatch(&mut self.stopwatch);
    }
}
