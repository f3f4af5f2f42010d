//! The broadcast: it sends every spread and state, and whether quotes are being recorded, to every
//! WebSocket client that wants them.
//!
//! It has two halves. The [`Reception`] is an agent on a cold thread: it accepts connections,
//! answers upgrades, and reads and parses all that clients say, within budgets. The [`Broadcast`] is
//! the hot agent: it only writes. What clients ask for comes to it as orders over a bounded ring, so
//! that nothing that a client says takes the hot thread more than carrying out a parsed request.
//! Both halves hold the same socket, and tell each other where the client stands (`link.rs`).
//!
//! A record is encoded once per protocol into a log of frames that all clients share. A client that
//! wants everything is a position in that log and gets what is behind it with one `write` per duty
//! cycle, so that a message costs nothing per client but those writes. A client that does not keep
//! up is conflated and in the end disconnected; it never delays the others. `docs/broadcast.md` is
//! the protocol with its promises.
//!
//! Orders are taken at most every [`Settings::poll_interval`], while spreads go out in the cycle
//! that took them.

pub mod audit;
mod binary;
mod byte_stream;
mod client;
mod clients;
mod conflation;
mod departure;
mod directory;
pub mod endpoint;
mod event;
mod footprint;
mod frame;
mod json;
mod link;
pub mod listener;
mod local;
mod log;
mod market;
mod message;
pub mod network;
mod order;
pub mod peer;
pub mod probe;
mod queue;
mod reception;
mod request;
mod settings;
mod shared;
mod snapshot;
mod stream;
mod subscription;
mod tally;
mod text;
pub mod tls;
pub mod token;
mod wire;

pub use footprint::client_bytes_max;
pub use json::PROTOCOL;
pub use log::Protocol;
pub use message::Encoder;
pub use reception::Reception;
pub use reception::message_reader;
pub use reception::upgrade::{BINARY_SUBPROTOCOL, JSON_SUBPROTOCOL};
pub use settings::Settings;

use crate::runtime::agent::{Agent, Report};
use crate::runtime::ring::Receiver;
use crate::runtime::stopwatch::Stopwatch;
use client::Client;
use clients::Clients;
use departure::Departure;
use endpoint::Endpoint;
use event::{Event, Topic};
use link::{Link, Stage};
use listener::Listener;
use network::{Network, Outlets, Sockets};
use order::{Order, OrdersIn};
use queue::Queue;
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

/// Most orders carried out in one cycle.
const ORDERS_PER_CYCLE: usize = 64;
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
pub fn bind(address: SocketAddr) -> io::Result<Listener> {
    Listener::bind(&Endpoint::Tcp(address))
}

/// Makes both halves for the clients of a listener made by [`bind`], from the calculator's
/// `records` and the journal's `states`.
///
/// # Errors
/// If the OS gives no poll, or does not watch the listener.
pub fn serve(
    records: Receiver,
    states: Receiver,
    catalogue: Arc<Catalogue>,
    listener: Listener,
    settings: Settings,
    clock: Clock,
    counters: &Counters,
) -> io::Result<(Reception, Broadcast)> {
    serve_over(Sockets::new(listener)?, records, states, catalogue, settings, clock, counters)
}

/// Makes both halves for the clients of a network, as [`serve`] does for those of a listener.
///
/// # Errors
/// If the network has no poll for the second half.
pub fn serve_over<N: Network>(
    network: N,
    records: Receiver,
    states: Receiver,
    catalogue: Arc<Catalogue>,
    settings: Settings,
    clock: Clock,
    counters: &Counters,
) -> io::Result<(Reception<N>, Broadcast<N>)> {
    let client_buffer_bytes = settings.client_buffer_bytes.max(CLIENT_BUFFER_BYTES_MIN);
    let settings = Settings { client_buffer_bytes, ..settings };
    let (orders, orders_in) = order::ring();
    let outlets = network.outlets()?;
    let (named, timed) = (Arc::clone(&catalogue), clock.clone());
    let heard = settings.clone();
    let reception = Reception::new(network, orders, named, heard, timed, counters);
    let broadcast = Broadcast {
        records,
        states,
        orders: orders_in,
        outlets,
        clients: Clients::new(),
        shared: Shared::new(settings, catalogue, Tally::new(counters)),
        stopwatch: Stopwatch::alone(STAGE, clock.clone()),
        clock,
        queued: Vec::with_capacity(1024),
        polled_at: 0,
    };
    Ok((reception, broadcast))
}

/// The half that writes, over sockets unless a test plays the network.
#[derive(Debug)]
pub struct Broadcast<N: Network = Sockets> {
    records: Receiver,
    states: Receiver,
    orders: OrdersIn<N::Socket>,
    outlets: N::Outlets,
    clients: Clients<N::Socket>,
    shared: Shared,
    clock: Clock,
    stopwatch: Stopwatch,
    /// Leading venues and receive times of the spreads that this cycle queued to anyone.
    queued: Vec<(VenueId, Nanos)>,
    polled_at: Nanos,
}

impl<N: Network> Broadcast<N> {
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

    /// Carries out orders and serves every client once; returns how much was done.
    fn attend(&mut self) -> usize {
        self.polled_at = self.shared.now;
        if self.clients.is_any_waiting() {
            self.take_readiness(Duration::ZERO);
        }
        self.take_orders() + self.clients.serve(&mut self.shared)
    }

    fn take_readiness(&mut self, timeout: Duration) {
        let Broadcast { outlets, clients, .. } = self;
        outlets.poll(timeout, |place| {
            if let Some(client) = clients.at(place) {
                client.ready();
            }
        });
    }

    fn take_orders(&mut self) -> usize {
        let mut taken = 0;
        while taken < ORDERS_PER_CYCLE {
            let Ok(order) = self.orders.pop() else { break };
            taken += 1;
            match order {
                Order::Admit { place, socket, link, protocol, first } => {
                    self.admit(place, &socket, link, Queue::new(protocol, first));
                }
                Order::Ask { place, request } => self.at(place, |c, s| c.ask(request, s)),
                Order::Ping { place } => self.at(place, |client, _| client.ping()),
                Order::Depart { place, departure, last } => {
                    self.at(place, |client, shared| client.depart(departure, &last, shared));
                }
            }
        }
        taken
    }

    /// A client that the broadcast has sent off itself is not there any more.
    fn at(&mut self, place: usize, act: impl FnOnce(&mut Client<N::Socket>, &mut Shared)) {
        if let Some(client) = self.clients.at(place) {
            act(client, &mut self.shared);
        }
    }

    fn admit(&mut self, place: usize, socket: &N::Socket, link: Arc<Link>, queue: Queue) {
        self.shared.enter();
        if self.outlets.watch(socket, place).is_err() {
            self.shared.exit();
            self.shared.tally.disconnected(Departure::Reset);
            link.depart(Departure::Reset);
            return link.set(Stage::Cut);
        }
        self.shared.tally.messages.add(1);
        self.shared.manners_changed = true;
        let limit = self.shared.settings.client_buffer_bytes;
        let wire = Wire::new(socket.clone(), queue, limit);
        self.clients.insert(place, Client::new(wire, link));
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
        self.take_orders();
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
        self.clients.clear(&mut self.shared);
        self.shared.open = 0;
        self.shared.tally.clients.set(0);
    }

    fn report(&mut self, report: &mut Report) {
        report.stopwatch(&mut self.stopwatch);
    }
}
