//! Both halves of the broadcast with a manual clock, their clients, and their input.
//!
//! The test's thread drives the halves and the clients in turn. A wait continues until the test sees
//! what it waits for, and fails once nothing moves any more. On a network in memory, no turn
//! follows a turn in which nothing moves; on real sockets, progress is awaited for a minute.

use crate::broadcast::fake_network::{FakeNetwork, Far, State};
use bytemuck::Zeroable;
use serde_json::Value;
use spreadwire_engine::broadcast::endpoint::Endpoint;
use spreadwire_engine::broadcast::listener::Listener;
use spreadwire_engine::broadcast::network::{Network, Sockets};
use spreadwire_engine::broadcast::tls::Relay;
use spreadwire_engine::broadcast::{self, Broadcast, Reception, Settings};
use spreadwire_engine::runtime::agent::Agent;
use spreadwire_engine::runtime::ring::{self, CountSender, EdgeCounters, HoldSender};
use spreadwire_kit::{catalogue, quotes};
use spreadwire_market::clock::{Clock, Nanos, SECOND};
use spreadwire_market::counters::Counters;
use spreadwire_market::instrument::Catalogue;
use spreadwire_market::record::{Record, Recording, RecordingState, Spread, Status};
use spreadwire_market::state::{Reason, State as Health};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard};
use tungstenite::client::IntoClientRequest;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, HandshakeError, Message, WebSocket};

pub const START: Nanos = 1_700_000_000 * SECOND;
/// Number of idle turns of a network in memory after which nothing will move any more.
const IDLE_TURNS_MAX: usize = 8;
/// Maximum time without progress on real sockets, and on processes at their other end.
const PATIENCE: Nanos = 60 * SECOND;

/// Every instrument on every venue, except the last instrument on the last venue.
pub fn catalogue(instruments: u32, venues: u8) -> Catalogue {
    let names = (0..instruments).map(|n| format!("C{n}/USDT"));
    let draft = catalogue::of(names, (0..venues).map(|n| format!("venue{n}")));
    let last = (instruments, venues);
    draft.scales(2, 4).fee(0.001).listed_where(|i, v| (i + 1, v + 1) != last).build()
}

pub fn spread(instrument: u32, buy: u8, sell: u8, sell_px: i64) -> Spread {
    let spread = quotes::spread(instrument, [buy, sell], [10_000, sell_px], START);
    Spread { buy_sz: 5, sell_sz: 70_000, ..spread }
}

pub fn status(instrument: u32, venue: u8, state: Health) -> Status {
    let (previous, reason) = (Health::Live as u8, Reason::Quiet as u8);
    Status { previous, reason, ..quotes::status(venue, instrument, state, START) }
}

/// Returns the default settings, with a poll in every cycle.
pub fn settings() -> Settings {
    Settings { poll_interval: 0, ..Settings::default() }
}

/// The way in which clients reach a server, and how long its network may be idle.
pub trait Door {
    /// The client's end of a connection; it never blocks.
    type Far: Read + Write;

    fn dial(&self) -> Self::Far;

    /// Notes whether anything moved since the last call; returns whether nothing will move any
    /// more.
    fn is_in_vain(&self, wait: &mut Wait, worked: bool) -> bool;
}

/// Progress of one wait.
pub struct Wait {
    idle_turns: usize,
    moved: u64,
    /// The real time, which passes for real sockets alone.
    host: Clock,
    progress_at: Nanos,
}

impl Wait {
    fn begin() -> Wait {
        let host = Clock::host();
        Wait { idle_turns: 0, moved: 0, progress_at: host.now(), host }
    }

    /// Notes whether anything moved on real sockets; returns whether nothing has for too long.
    fn has_lasted(&mut self, worked: bool) -> bool {
        if worked {
            self.progress_at = self.host.now();
        }
        std::thread::yield_now();
        self.host.now().saturating_sub(self.progress_at) > PATIENCE
    }
}

impl Door for FakeNetwork {
    type Far = Far;

    fn dial(&self) -> Far {
        FakeNetwork::dial(self)
    }

    fn is_in_vain(&self, wait: &mut Wait, worked: bool) -> bool {
        let moved = self.moved();
        let progress = worked || moved != wait.moved;
        wait.idle_turns = if progress { 0 } else { wait.idle_turns + 1 };
        wait.moved = moved;
        wait.idle_turns > IDLE_TURNS_MAX
    }
}

impl Door for SocketAddr {
    type Far = TcpStream;

    fn dial(&self) -> TcpStream {
        let socket = TcpStream::connect(self).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket
    }

    fn is_in_vain(&self, wait: &mut Wait, worked: bool) -> bool {
        wait.has_lasted(worked)
    }
}

impl Door for PathBuf {
    type Far = UnixStream;

    fn dial(&self) -> UnixStream {
        let socket = UnixStream::connect(self).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket
    }

    fn is_in_vain(&self, wait: &mut Wait, worked: bool) -> bool {
        wait.has_lasted(worked)
    }
}

/// Both halves, their rings and their clock.
pub struct Server<N: Network = FakeNetwork, D: Door = FakeNetwork> {
    /// The half that listens.
    pub reception: Reception<N>,
    /// The half that writes.
    pub agent: Broadcast<N>,
    pub edge: Option<HoldSender>,
    /// The journal's end of the channel for its states.
    pub states: Option<CountSender>,
    pub clock: Clock,
    pub counters: Counters,
    pub door: D,
    /// What speaks TLS with the clients, if they do.
    pub relay: Option<Relay>,
}

impl Server {
    /// Creates a server on a network in memory.
    pub fn new(catalogue: Catalogue, settings: Settings) -> Server {
        let network = FakeNetwork::default();
        let (clock, counters) = (Clock::manual(START), Counters::default());
        let (edge, records) = ring::hold(4096, EdgeCounters::default());
        let (state, states) = ring::count(64, EdgeCounters::default());
        let (door, clocked) = (network.clone(), clock.clone());
        let catalogue = Arc::new(catalogue);
        let (reception, agent) = broadcast::serve_over(
            network, records, states, catalogue, settings, clocked, &counters,
        )
        .unwrap();
        Server {
            reception,
            agent,
            edge: Some(edge),
            states: Some(state),
            clock,
            counters,
            door,
            relay: None,
        }
    }
}

impl Server {
    /// Returns the server with its half that listens changed.
    pub fn with_reception(
        self,
        change: impl FnOnce(Reception<FakeNetwork>) -> Reception<FakeNetwork>,
    ) -> Server {
        Server { reception: change(self.reception), ..self }
    }
}

impl Server<Sockets, SocketAddr> {
    /// Creates a server on a loopback port.
    pub fn on_loopback(catalogue: Catalogue, settings: Settings) -> Server<Sockets, SocketAddr> {
        let listener = broadcast::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let door = listener.endpoint().unwrap().tcp().unwrap();
        Server::behind(listener, door, catalogue, settings)
    }
}

impl Server<Sockets, PathBuf> {
    /// Creates a server on a Unix socket.
    pub fn on_unix(path: &Path, catalogue: Catalogue, settings: Settings) -> Self {
        let listener = Listener::bind(&Endpoint::Unix(path.to_owned())).unwrap();
        Server::behind(listener, path.to_owned(), catalogue, settings)
    }
}

impl<D: Door> Server<Sockets, D> {
    /// Creates a server that is reached in a way that the test knows.
    pub fn behind(listener: Listener, door: D, catalogue: Catalogue, settings: Settings) -> Self {
        let (clock, counters) = (Clock::manual(START), Counters::default());
        let (edge, records) = ring::hold(4096, EdgeCounters::default());
        let (state, states) = ring::count(64, EdgeCounters::default());
        let (catalogue, clocked) = (Arc::new(catalogue), clock.clone());
        let (reception, agent) =
            broadcast::serve(records, states, catalogue, listener, settings, clocked, &counters)
                .unwrap();
        Server {
            reception,
            agent,
            edge: Some(edge),
            states: Some(state),
            clock,
            counters,
            door,
            relay: None,
        }
    }
}

impl<N: Network, D: Door> Server<N, D> {
    pub fn turn(&mut self) -> usize {
        let now = self.clock.now();
        let relayed = self.relay.as_mut().map_or(0, |relay| relay.do_work(now));
        relayed + self.reception.do_work(now) + self.agent.do_work(now)
    }

    /// Has clients speak TLS with a relay.
    pub fn beside(self, relay: Relay) -> Server<N, D> {
        Server { relay: Some(relay), ..self }
    }

    /// Ends both halves as the engine does; returns the relay, which ends after them, and the time.
    pub fn close(self) -> (Relay, Nanos) {
        let Server { mut reception, mut agent, relay, clock, .. } = self;
        agent.on_close();
        drop(agent);
        reception.on_close();
        (relay.unwrap(), clock.now())
    }

    pub fn send(&mut self, record: impl Into<Record>) {
        let edge = self.edge.as_mut().unwrap();
        assert!(edge.room(1), "the test sends more than the ring holds");
        edge.send(record.into());
    }

    /// Sends the journal's state.
    pub fn record(&mut self, state: RecordingState, lost: u64) {
        let state = state as u8;
        let recording = Recording { ts_recv: START, lost, state, ..Recording::zeroed() };
        self.states.as_mut().unwrap().offer(recording.into());
    }

    pub fn pass(&mut self, time: Nanos) {
        self.clock.set(self.clock.now() + time);
    }

    pub fn count(&self, name: &str) -> u64 {
        self.counters.expect(&format!("broadcast.{name}"))
    }

    /// Drives the server until the test sees what it waits for.
    pub fn until(&mut self, what: &str, mut done: impl FnMut(&mut Server<N, D>) -> bool) {
        let mut wait = Wait::begin();
        loop {
            let worked = self.turn() > 0;
            if done(self) {
                return;
            }
            let in_vain = self.door.is_in_vain(&mut wait, worked);
            assert!(!in_vain, "in vain: {what}; {:?}", self.counters.snapshot());
        }
    }

    pub fn connect(&mut self) -> Client<D::Far> {
        self.connect_offering(None)
    }

    pub fn connect_offering(&mut self, subprotocol: Option<&str>) -> Client<D::Far> {
        let far = self.door.dial();
        self.shake_hands(far, subprotocol)
    }

    /// Upgrades a connection to a WebSocket.
    pub fn shake_hands(&mut self, far: D::Far, subprotocol: Option<&str>) -> Client<D::Far> {
        let mut request = "ws://localhost/".into_client_request().unwrap();
        if let Some(name) = subprotocol {
            request.headers_mut().insert("Sec-WebSocket-Protocol", name.parse().unwrap());
        }
        let mut attempt = Some(tungstenite::client(request, far));
        let mut connected = None;
        self.until("a WebSocket", |_| {
            match attempt.take().unwrap() {
                Ok((socket, _)) => connected = Some(socket),
                Err(HandshakeError::Interrupted(shake)) => attempt = Some(shake.handshake()),
                Err(HandshakeError::Failure(error)) => panic!("refused: {error}"),
            }
            connected.is_some()
        });
        Client::new(connected.unwrap())
    }

    /// Returns what the server answers to these bytes until it closes.
    pub fn answer(&mut self, request: &[u8]) -> String {
        let mut socket = self.door.dial();
        socket.write_all(request).unwrap();
        let mut answer = Vec::new();
        self.until("an answer and the end", |_| end_of(&mut socket, &mut answer));
        String::from_utf8(answer).unwrap()
    }
}

/// Reads all available bytes; returns whether the other side has ended.
pub fn end_of(socket: &mut impl Read, into: &mut Vec<u8>) -> bool {
    match socket.read_to_end(into) {
        Ok(_) => true,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

/// A client that keeps everything it receives.
pub struct Client<S: Read + Write = Far> {
    pub socket: WebSocket<S>,
    pub seen: Vec<Value>,
    /// Contents of the binary messages, one after the other.
    pub bytes: Vec<u8>,
    pub closed: Option<Option<CloseFrame>>,
}

impl Client {
    /// Returns its line, to change how it behaves.
    pub fn line(&self) -> MutexGuard<'_, State> {
        self.socket.get_ref().line()
    }
}

impl<S: Read + Write> Client<S> {
    fn new(socket: WebSocket<S>) -> Client<S> {
        Client { socket, seen: Vec::new(), bytes: Vec::new(), closed: None }
    }

    /// Reads what is available, up to a number of messages; returns whether anything arrived.
    pub fn read(&mut self) -> bool {
        for come in 0..1000 {
            match self.socket.read() {
                Ok(Message::Text(text)) => self.seen.push(serde_json::from_str(&text).unwrap()),
                Ok(Message::Binary(bytes)) => self.bytes.extend(&bytes),
                Ok(Message::Close(frame)) => self.closed = Some(frame),
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => return come > 0,
                Err(_) => {
                    self.closed.get_or_insert(None);
                    return come > 0;
                }
            }
        }
        true
    }

    pub fn say(&mut self, message: impl Into<Message>) {
        self.socket.send(message.into()).unwrap();
    }

    pub fn ask(&mut self, request: &Value) {
        self.say(request.to_string());
    }

    pub fn types(&self) -> Vec<&str> {
        self.seen.iter().map(|m| m["type"].as_str().unwrap()).collect()
    }

    /// Waits for a message of this type, and discards what arrived before it.
    pub fn expect<N: Network, D: Door>(&mut self, server: &mut Server<N, D>, kind: &str) -> Value {
        let mut place = 0;
        server.until(&format!("a message {kind:?}"), |_| {
            self.read();
            let found = self.seen[place..].iter().position(|m| m["type"] == kind);
            place = found.map_or(self.seen.len(), |at| place + at);
            found.is_some()
        });
        self.seen.drain(..=place).next_back().unwrap()
    }

    /// Waits until it knows the spread with this number.
    pub fn until_seq<N: Network, D: Door>(&mut self, server: &mut Server<N, D>, seq: u64) {
        server.until(&format!("spread {seq}"), |_| {
            self.read();
            self.seen.iter().rev().any(|m| m["type"] == "spread" && m["seq"] == seq)
        });
    }

    pub fn spread_seqs(&self) -> Vec<u64> {
        let spreads = self.seen.iter().filter(|m| m["type"] == "spread");
        spreads.map(|m| m["seq"].as_u64().unwrap()).collect()
    }

    pub fn close_code<N: Network, D: Door>(
        &mut self,
        server: &mut Server<N, D>,
    ) -> Option<CloseCode> {
        server.until("a close", |_| {
            self.read();
            self.closed.is_some()
        });
        self.closed.clone().flatten().map(|frame| frame.code)
    }
}
