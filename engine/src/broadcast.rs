//! The broadcast agent: every spread and state to every WebSocket client that wants it, and whether
//! quotes are being recorded.
//!
//! One agent on one thread holds the listener, the clients' sockets, and the latest of everything.
//! A record is encoded once per protocol into a log of frames that all clients share; a client that
//! wants everything is a position in that log, and gets what is behind it with one `write` per duty
//! cycle, so that a message costs nothing per client but those writes. A client that does not keep up is conflated and in the end disconnected; it never
//! delays the others (`docs/broadcast.md` is the protocol and its promises).
//!
//! Sockets are polled at most every [`Settings::poll_interval`]: the poll is a system call, and new
//! clients and requests can wait that long, while spreads go out in the cycle that took them. It
//! must not know where records come from.

mod binary;
mod client;
mod conflation;
mod log;
mod market;
mod message;
mod queue;
mod request;
mod subscription;
mod text;
mod upgrade;
mod wire;

pub use log::Protocol;
pub use message::{Encoder, PROTOCOL};
pub use upgrade::{BINARY_SUBPROTOCOL, JSON_SUBPROTOCOL};

use crate::runtime::agent::{Agent, Report};
use crate::runtime::ring::Receiver;
use crate::runtime::stopwatch::Stopwatch;
use client::{Client, Manner};
use log::Log;
use market::{Event, Market};
use message::Delivery;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use spreadwire_market::clock::{Clock, MICRO, MILLI, Nanos, SECOND};
use spreadwire_market::counters::{Counter, Counters};
use spreadwire_market::instrument::{Catalogue, VenueId};
use spreadwire_market::named;
use spreadwire_market::record::{Kind, Record, Recording, RecordingState, Spread};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use wire::Wire;

/// The stage whose latency the broadcast reports: receive time to the end of the cycle's `write`s.
pub const STAGE: &str = "read_to_broadcast";

/// Connections accepted in one cycle.
const ACCEPTS_PER_CYCLE: usize = 16;
/// Events taken from one poll; the rest comes with the next.
const EVENTS_MAX: usize = 256;
/// Connections beyond [`Settings::max_clients`] that are held long enough to be told why not.
const REFUSALS_MAX: usize = 16;
/// Bytes of new messages after which the sockets are tried before the cycle's end: half of what a
/// loopback segment carries, so that one cycle's backlog does not pile up beside sockets that take it.
const FLUSH_AT: usize = 32 * 1024;
/// A queue holds at least this much, so that one part of a snapshot always fits.
const CLIENT_BUFFER_BYTES_MIN: usize = 128 * 1024;
/// While bytes wait for a socket, polls are at most this far apart.
const BLOCKED_POLL_INTERVAL: Nanos = 50 * MICRO;
/// How often, and how long at most, sockets are tried again at the end.
const CLOSE_ATTEMPTS: usize = 200;
/// See [`CLOSE_ATTEMPTS`].
const CLOSE_TIME_MAX: Nanos = 200 * MILLI;
/// The poll's name for the listener; clients are named by their place.
const LISTENER: Token = Token(usize::MAX - 1);

/// Limits of the server and of each client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Clients at a time; more are refused with HTTP 503.
    pub max_clients: usize,
    /// Bytes that wait for one client before it is conflated; at least 128 KiB.
    pub client_buffer_bytes: usize,
    /// The longest message a client may send.
    pub request_bytes_max: usize,
    /// Frames that a client may send within a second.
    pub requests_per_second: u32,
    /// Filters that a client may hold.
    pub filters_max: usize,
    /// A connection that is no WebSocket after this long is closed, ns.
    pub handshake_timeout: Nanos,
    /// Time between two pings of ours, ns.
    pub ping_interval: Nanos,
    /// A client that shows no life for this long is closed, ns.
    pub silent_timeout: Nanos,
    /// A client whose socket takes nothing for this long although bytes wait is closed, ns.
    pub stuck_timeout: Nanos,
    /// Time between two polls of the sockets while nothing waits, ns.
    pub poll_interval: Nanos,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            max_clients: 1_000,
            client_buffer_bytes: 1024 * 1024,
            request_bytes_max: 16 * 1024,
            requests_per_second: 100,
            filters_max: 64,
            handshake_timeout: 5 * SECOND,
            ping_interval: 15 * SECOND,
            silent_timeout: 35 * SECOND,
            stuck_timeout: 5 * SECOND,
            poll_interval: 200 * MICRO,
        }
    }
}

/// Binds the port, so that one in use is an error at start.
///
/// # Errors
/// What the OS says, with the address.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address)
        .map_err(|error| io::Error::new(error.kind(), format!("broadcast on {address}: {error}")))
}

named! {
    /// Why a client's connection ended. The name is the last part of the counter's name.
    enum Departure {
        /// The client closed the connection.
        Left => "left",
        /// The connection broke.
        Reset => "reset",
        /// The upgrade was not complete in time.
        HandshakeTimeout => "handshake_timeout",
        /// What came was no WebSocket upgrade.
        NoUpgrade => "no_upgrade",
        /// There were as many clients as are served.
        Full => "full",
        /// No frame came within the silent timeout.
        Silent => "silent",
        /// Its socket took nothing within the stuck timeout.
        Stuck => "stuck",
        /// It sent more frames within a second than are read.
        TooFast => "too_fast",
        /// A request was too long.
        TooLarge => "too_large",
        /// A request was not JSON.
        NotJson => "not_json",
        /// A text frame was not UTF-8.
        NotUtf8 => "not_utf8",
        /// It sent a binary frame.
        Binary => "binary",
        /// It sent something that is not a frame of RFC 6455.
        Protocol => "protocol",
        /// The engine stopped.
        Shutdown => "shutdown",
    }
}

impl Departure {
    /// The close code (RFC 6455, 7.4.1) and reason that the client is sent.
    fn close(self) -> Option<(u16, &'static str)> {
        match self {
            Departure::Shutdown => Some((1001, "the engine stops")),
            Departure::Protocol => Some((1002, "not a frame of RFC 6455")),
            Departure::Binary => Some((1003, "requests are text")),
            Departure::NotJson => Some((1007, "requests are JSON")),
            Departure::NotUtf8 => Some((1007, "text is UTF-8")),
            Departure::Silent => Some((1008, "no frame of yours within the silent timeout")),
            Departure::Stuck => Some((1008, "your socket takes nothing")),
            Departure::TooFast => Some((1008, "too many frames within a second")),
            Departure::TooLarge => Some((1009, "a request is too long")),
            Departure::Left
            | Departure::Reset
            | Departure::HandshakeTimeout
            | Departure::NoUpgrade
            | Departure::Full => None,
        }
    }
}

/// Counters of the broadcast.
#[derive(Debug)]
struct Tally {
    clients: Counter,
    connections: Counter,
    messages: Counter,
    spreads: Counter,
    statuses: Counter,
    gaps: Counter,
    recordings: Counter,
    conflated: Counter,
    congestions: Counter,
    requests: Counter,
    errors: Counter,
    unknown: Counter,
    accept_failures: Counter,
    disconnected: [Counter; Departure::ALL.len()],
}

impl Tally {
    fn new(counters: &Counters) -> Tally {
        let counter = |name: &str| counters.counter(&format!("broadcast.{name}"));
        Tally {
            clients: counter("clients"),
            connections: counter("connections"),
            messages: counter("messages"),
            spreads: counter("spreads"),
            statuses: counter("statuses"),
            gaps: counter("gaps"),
            recordings: counter("recordings"),
            conflated: counter("conflated"),
            congestions: counter("congestions"),
            requests: counter("requests"),
            errors: counter("errors"),
            unknown: counter("unknown"),
            accept_failures: counter("accept_failures"),
            disconnected: Departure::ALL.map(|d| counter(&format!("disconnected.{}", d.name()))),
        }
    }

    fn disconnected(&self, departure: Departure) {
        self.disconnected[departure as usize].add(1);
    }
}

/// How many bytes may be appended to the log before every client has to be looked at.
#[derive(Debug)]
struct Room {
    /// What the fullest client still takes, and no more than [`FLUSH_AT`].
    bytes: usize,
    /// The oldest message that somebody has to be sent.
    oldest: u64,
    /// What has been appended since.
    spent: usize,
}

impl Room {
    /// Before anyone is looked at.
    fn new(log: &Log) -> Room {
        Room { bytes: FLUSH_AT, oldest: log.head(), spent: 0 }
    }

    /// Looks at one.
    #[inline]
    fn see(&mut self, client: &Client) {
        if let Some(room) = client.room() {
            self.bytes = self.bytes.min(room);
            self.oldest = client.oldest().map_or(self.oldest, |oldest| oldest.min(self.oldest));
        }
    }
}

/// What the clients have in common.
#[derive(Debug)]
struct Shared {
    settings: Settings,
    market: Market,
    log: Log,
    room: Room,
    encoder: Encoder,
    /// By protocol, how many clients follow the log.
    followers: [usize; 2],
    /// Places of the clients that are asked about each event.
    pickers: Vec<usize>,
    /// Whether these two have to be found anew.
    manners_changed: bool,
    tally: Tally,
    /// What the journal said last, if it records nothing.
    stopped: Option<Recording>,
    /// The cycle's time.
    now: Nanos,
    /// WebSockets that are open.
    open: usize,
}

impl Shared {
    /// Encodes the log's next message for a protocol, once.
    #[inline]
    fn stage(&mut self, event: &Event, protocol: Protocol) {
        if !self.log.is_staged(protocol) {
            self.encoder.event(event, Delivery::InOrder, protocol);
            self.log.stage(self.encoder.frame(), protocol);
        }
    }

    fn has_room(&self) -> bool {
        let bound = self.encoder.event_bytes_max();
        self.room.spent + bound <= self.room.bytes && self.log.tail_with(bound) <= self.room.oldest
    }

    fn enter(&mut self) {
        self.open += 1;
        self.tally.connections.add(1);
        self.tally.clients.set(self.open as u64);
    }

    fn exit(&mut self) {
        self.open -= 1;
        self.tally.clients.set(self.open as u64);
    }
}

/// The agent.
#[derive(Debug)]
pub struct Broadcast {
    records: Receiver,
    states: Receiver,
    listener: TcpListener,
    poll: Poll,
    events: Events,
    clients: Vec<Option<Client>>,
    shared: Shared,
    clock: Clock,
    stopwatch: Stopwatch,
    /// Leading venues and receive times of the spreads that this cycle queued to anyone.
    queued: Vec<(VenueId, Nanos)>,
    polled_at: Nanos,
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
        mut listener: TcpListener,
        settings: Settings,
        clock: Clock,
        counters: &Counters,
    ) -> io::Result<Broadcast> {
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let settings = Settings {
            client_buffer_bytes: settings.client_buffer_bytes.max(CLIENT_BUFFER_BYTES_MIN),
            ..settings
        };
        // Twice what may wait for one client, so that who has filters, whose messages lie far apart,
        // is seldom overtaken.
        let log = Log::new(2 * settings.client_buffer_bytes);
        let shared = Shared {
            settings,
            market: Market::new(&catalogue),
            room: Room::new(&log),
            log,
            followers: [0; 2],
            pickers: Vec::new(),
            manners_changed: false,
            encoder: Encoder::new(catalogue),
            tally: Tally::new(counters),
            stopped: None,
            now: 0,
            open: 0,
        };
        Ok(Broadcast {
            records,
            states,
            listener,
            poll,
            events: Events::with_capacity(EVENTS_MAX),
            clients: Vec::new(),
            shared,
            stopwatch: Stopwatch::alone(STAGE, clock.clone()),
            clock,
            queued: Vec::with_capacity(1024),
            polled_at: 0,
            acceptable: true,
        })
    }

    /// The same, timed by this.
    #[must_use]
    pub fn timed(mut self, stopwatch: Stopwatch) -> Broadcast {
        self.stopwatch = stopwatch;
        self
    }

    /// The address that clients connect to.
    ///
    /// # Errors
    /// What the OS says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    fn poll_is_due(&self) -> bool {
        let (since, now) = (self.polled_at, self.shared.now);
        let interval = self.shared.settings.poll_interval;
        since + interval <= now
            || since + BLOCKED_POLL_INTERVAL <= now
                && self.clients.iter().flatten().any(Client::is_waiting)
    }

    /// Takes what the OS reports and serves every client once; returns how much was done.
    fn attend(&mut self, timeout: Duration) -> usize {
        self.polled_at = self.shared.now;
        self.take_readiness(timeout);
        let mut work = self.accept();
        let mut room = Room::new(&self.shared.log);
        for place in &mut self.clients {
            let Some(client) = place else { continue };
            if client.is_quiet(&self.shared) {
                continue;
            }
            work += client.serve(&mut self.shared);
            room.see(client);
            if client.is_gone() {
                *place = None;
            }
        }
        self.shared.room = room;
        work
    }

    fn take_readiness(&mut self, timeout: Duration) {
        // An interrupted poll reports nothing; the next one will.
        if self.poll.poll(&mut self.events, Some(timeout)).is_err() {
            return;
        }
        for event in &self.events {
            if event.token() == LISTENER {
                self.acceptable = true;
            } else if let Some(Some(client)) = self.clients.get_mut(event.token().0) {
                let ended = event.is_error() || event.is_read_closed();
                client.wire().ready(event.is_readable() || ended, event.is_writable() || ended);
            }
        }
    }

    fn accept(&mut self) -> usize {
        let mut accepted = 0;
        while self.acceptable && accepted < ACCEPTS_PER_CYCLE {
            match self.listener.accept() {
                Ok((socket, _)) => {
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

    fn admit(&mut self, socket: mio::net::TcpStream) {
        let max = self.shared.settings.max_clients + REFUSALS_MAX;
        let place = self.clients.iter().position(Option::is_none).unwrap_or(self.clients.len());
        if max <= place {
            return self.shared.tally.disconnected(Departure::Full);
        }
        let mut wire = Wire::new(socket, self.shared.settings.client_buffer_bytes);
        let interest = Interest::READABLE | Interest::WRITABLE;
        let watched = wire
            .socket()
            .set_nodelay(true)
            .and_then(|()| self.poll.registry().register(wire.socket(), Token(place), interest));
        if watched.is_err() {
            return self.shared.tally.accept_failures.add(1);
        }
        let client = Some(Client::new(wire, self.shared.now));
        match self.clients.get_mut(place) {
            Some(free) => *free = client,
            None => self.clients.push(client),
        }
    }

    /// Takes what waits in the ring and queues it to the clients; returns how many records.
    fn distribute(&mut self) -> usize {
        let Broadcast { records, states, clients, shared, queued, .. } = self;
        // A gap here means states that did not fit; the next one is the present one.
        let told = states.drain(|record| {
            if let Some(recording) = record.get::<Recording>() {
                give_recording(recording, clients, shared);
            }
        });
        let taken = records.drain(|record| match record.kind() {
            Some(Kind::Spread) => {
                shared.tally.spreads.add(1);
                let event = shared.market.on_spread(record.view());
                if give(event.as_ref(), clients, shared) {
                    let spread: &Spread = record.view();
                    queued.push((spread.leader(), spread.ts_recv));
                }
            }
            Some(Kind::Status) => {
                shared.tally.statuses.add(1);
                let event = shared.market.on_status(record.view());
                give(event.as_ref(), clients, shared);
            }
            Some(Kind::Gap) => give_gap(record, clients, shared),
            _ => {}
        });
        told + taken
    }

    fn time_queued(&mut self) {
        if !self.queued.is_empty() {
            self.stopwatch.stamp_all(self.queued.drain(..));
        }
    }
}

/// Gives an event to everyone who wants it, encoded once per protocol if anyone does. Whether anyone
/// got it now.
#[inline]
fn give(event: Option<&Event>, clients: &mut [Option<Client>], shared: &mut Shared) -> bool {
    let Some(event) = event else {
        shared.tally.unknown.add(1);
        return false;
    };
    if shared.manners_changed {
        assign_manners(clients, shared);
    }
    if !shared.has_room() {
        make_room(clients, shared);
    }
    let mut queued = false;
    for protocol in Protocol::ALL {
        if shared.followers[protocol as usize] > 0 {
            shared.stage(event, protocol);
            queued = true;
        }
    }
    for place in 0..shared.pickers.len() {
        let Some(client) = &mut clients[shared.pickers[place]] else { continue };
        if client.wants(event) {
            queued |= client.give(event, shared);
        }
    }
    if queued {
        shared.room.spent += shared.log.commit(event);
    }
    queued
}

/// Finds out who follows the log and who is to be asked.
#[cold]
fn assign_manners(clients: &mut [Option<Client>], shared: &mut Shared) {
    shared.manners_changed = false;
    shared.followers = [0; 2];
    shared.pickers.clear();
    for (place, client) in clients.iter_mut().enumerate() {
        let Some(client) = client else { continue };
        match client.take_manner(shared) {
            Manner::Follows(protocol) => shared.followers[protocol as usize] += 1,
            Manner::Picks => shared.pickers.push(place),
            Manner::Idles => {}
        }
    }
}

/// Offers everything to the sockets; whoever then still has no room for one message is behind.
#[cold]
fn make_room(clients: &mut [Option<Client>], shared: &mut Shared) {
    flush(clients, shared);
    if shared.has_room() {
        return;
    }
    let bound = shared.encoder.event_bytes_max();
    let tail = shared.log.tail_with(bound);
    for client in clients.iter_mut().flatten() {
        if client.room().is_some() && !client.has_room(bound, tail) {
            client.fall_behind(shared);
        }
    }
    assign_manners(clients, shared);
    let mut room = Room::new(&shared.log);
    clients.iter().flatten().for_each(|client| room.see(client));
    shared.room = room;
}

/// Offers what waits to every socket.
fn flush(clients: &mut [Option<Client>], shared: &mut Shared) {
    let mut room = Room::new(&shared.log);
    for client in clients.iter_mut().flatten() {
        client.flush(shared);
        room.see(client);
    }
    shared.room = room;
}

/// Tells everyone that records are missing; which of the latest spreads still hold is unknown.
fn give_gap(record: &Record, clients: &mut [Option<Client>], shared: &mut Shared) {
    shared.tally.gaps.add(1);
    shared.market.forget_spreads();
    let event = Event { record: *record, seq: shared.market.seq(), key: 0 };
    give(Some(&event), clients, shared);
}

/// Tells everyone whether quotes are recorded, and keeps it for those who come later.
fn give_recording(recording: &Recording, clients: &mut [Option<Client>], shared: &mut Shared) {
    shared.tally.recordings.add(1);
    let on = recording.state == RecordingState::On as u8;
    shared.stopped = (!on).then_some(*recording);
    let event = Event { record: (*recording).into(), seq: shared.market.seq(), key: 0 };
    give(Some(&event), clients, shared);
}

impl Agent for Broadcast {
    fn role(&self) -> &'static str {
        "broadcast"
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        self.shared.now = now;
        self.stopwatch.turn(now);
        let mut work = self.distribute();
        if work > 0 {
            flush(&mut self.clients, &mut self.shared);
            self.time_queued();
        }
        if self.poll_is_due() {
            work += self.attend(Duration::ZERO);
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
            let shared = &mut self.shared;
            let settle = |client: &mut Client| client.settle(shared);
            let unsettled = self.clients.iter_mut().flatten().map(settle).filter(|s| !s).count();
            if unsettled == 0 || start + CLOSE_TIME_MAX <= self.clock.now() {
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
