//! The broadcast agent from outside: real sockets on loopback, one thread, a clock that stands still.
//!
//! The test's thread drives the agent and the clients in turn. What takes the kernel a moment is
//! awaited by driving on, never by sleeping, and a bound on the turns makes a wait that never ends fail.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod counting_allocator;

use bytemuck::Zeroable;
use counting_allocator::counted;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use spreadwire_engine::broadcast::{self, Broadcast, Settings};
use spreadwire_engine::runtime::agent::{Agent, Report};
use spreadwire_engine::runtime::ring::{self, CountSender, EdgeCounters, HoldSender};
use spreadwire_market::clock::{Clock, MILLI, Nanos, SECOND};
use spreadwire_market::counters::Counters;
use spreadwire_market::decimal;
use spreadwire_market::instrument::{
    Catalogue, Instrument, InstrumentId, Listing, VenueId, VenueInfo,
};
use spreadwire_market::record::{Gap, Record, Recording, RecordingState, Spread, Status};
use spreadwire_market::state::{Reason, State};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read, Seek, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use tungstenite::client::IntoClientRequest;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, HandshakeError, Message, WebSocket};

/// Turns after which a wait is given up; the kernel needs a handful.
const TURNS_MAX: usize = 200_000;
const START: Nanos = 1_700_000_000 * SECOND;

/// Every instrument on every venue, but the last instrument not on the last venue.
fn catalogue(instruments: u32, venues: u8) -> Catalogue {
    let instrument = |n| Instrument { name: format!("C{n}/USDT"), price_scale: 2, size_scale: 4 };
    let venue = |n| VenueInfo { name: format!("venue{n}"), taker_fee: 0.001, max_age: 0 };
    let listing = |i: u32, v: u8| Listing {
        venue: VenueId(v),
        instrument: InstrumentId(i),
        symbol: format!("C{i}USDT"),
    };
    Catalogue {
        instruments: (0..instruments).map(instrument).collect(),
        venues: (0..venues).map(venue).collect(),
        listings: (0..instruments)
            .flat_map(|i| (0..venues).map(move |v| (i, v)))
            .filter(|(i, v)| (i + 1, v + 1) != (instruments, venues))
            .map(|(i, v)| listing(i, v))
            .collect(),
    }
}

fn spread(instrument: u32, buy: u8, sell: u8, sell_px: i64) -> Spread {
    Spread {
        ts_recv: START,
        buy_px: 10_000,
        sell_px,
        buy_sz: 5,
        sell_sz: 70_000,
        net: spreadwire_market::spread::gross(sell_px, 10_000) - 0.002,
        instrument: InstrumentId(instrument),
        buy_venue: VenueId(buy),
        sell_venue: VenueId(sell),

        ..Spread::zeroed()
    }
}

fn status(instrument: u32, venue: u8, state: State) -> Status {
    Status {
        ts_recv: START,
        state: state as u8,
        previous: State::Live as u8,
        reason: Reason::Quiet as u8,
        instrument: InstrumentId(instrument),
        venue: VenueId(venue),

        ..Status::zeroed()
    }
}

fn settings() -> Settings {
    Settings { poll_interval: 0, ..Settings::default() }
}

/// The agent, its edge and its clock.
struct Server {
    agent: Broadcast,
    edge: Option<HoldSender>,
    /// The journal's.
    states: Option<CountSender>,
    clock: Clock,
    counters: Counters,
    address: SocketAddr,
}

impl Server {
    fn new(catalogue: Catalogue, settings: Settings) -> Server {
        let (edge, records) = ring::hold(4096, EdgeCounters::default());
        let (state, states) = ring::count(64, EdgeCounters::default());
        let listener = broadcast::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let (clock, counters) = (Clock::manual(START), Counters::default());
        let catalogue = Arc::new(catalogue);
        let clocked = clock.clone();
        let mut agent =
            Broadcast::new(records, states, catalogue, listener, settings, clocked, &counters)
                .unwrap();
        agent.on_start();
        let address = agent.address().unwrap();
        Server { agent, edge: Some(edge), states: Some(state), clock, counters, address }
    }

    fn turn(&mut self) -> usize {
        self.agent.do_work(self.clock.now())
    }

    fn send(&mut self, record: impl Into<Record>) {
        let edge = self.edge.as_mut().unwrap();
        assert!(edge.room(1), "the test sends more than the ring holds");
        edge.send(record.into());
    }

    /// The journal's state changes.
    fn record(&mut self, state: RecordingState, lost: u64) {
        let state = state as u8;
        let recording = Recording { ts_recv: START, lost, state, ..Recording::zeroed() };
        self.states.as_mut().unwrap().offer(recording.into());
    }

    fn pass(&mut self, time: Nanos) {
        self.clock.set(self.clock.now() + time);
    }

    fn count(&self, name: &str) -> u64 {
        self.counters.counter(&format!("broadcast.{name}")).get()
    }

    fn until(&mut self, what: &str, mut done: impl FnMut(&mut Server) -> bool) {
        for _ in 0..TURNS_MAX {
            self.turn();
            if done(self) {
                return;
            }
            std::thread::yield_now();
        }
        panic!("in vain: {what}; {:?}", self.counters.snapshot());
    }

    /// As `until`, for what another process does: starting one takes long.
    fn until_patiently(&mut self, what: &str, mut done: impl FnMut(&mut Server) -> bool) {
        for _ in 0..1000 * TURNS_MAX {
            self.turn();
            if done(self) {
                return;
            }
            std::thread::yield_now();
        }
        panic!("in vain: {what}; {:?}", self.counters.snapshot());
    }

    fn connect(&mut self) -> Client {
        self.connect_offering(None)
    }

    fn connect_offering(&mut self, subprotocol: Option<&str>) -> Client {
        let mut request = format!("ws://{}/", self.address).into_client_request().unwrap();
        if let Some(name) = subprotocol {
            request.headers_mut().insert("Sec-WebSocket-Protocol", name.parse().unwrap());
        }
        let socket = self.socket();
        let mut attempt = tungstenite::client(request, socket);
        for _ in 0..TURNS_MAX {
            match attempt {
                Ok((socket, _)) => return Client::new(socket),
                Err(HandshakeError::Interrupted(shake)) => {
                    self.turn();
                    attempt = shake.handshake();
                }
                Err(HandshakeError::Failure(error)) => panic!("refused: {error}"),
            }
        }
        panic!("the handshake never ended");
    }

    /// A connection that is no WebSocket yet.
    fn socket(&mut self) -> TcpStream {
        let socket = TcpStream::connect(self.address).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket
    }

    /// What the server answers to these bytes until it closes.
    fn answer(&mut self, request: &[u8]) -> String {
        let mut socket = self.socket();
        socket.write_all(request).unwrap();
        let mut answer = Vec::new();
        self.until("an answer and the end", |_| end_of(&mut socket, &mut answer));
        String::from_utf8(answer).unwrap()
    }
}

/// Reads what is there; whether the other side has ended.
fn end_of(socket: &mut TcpStream, into: &mut Vec<u8>) -> bool {
    match socket.read_to_end(into) {
        Ok(_) => true,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

/// A client that keeps what it was told.
struct Client {
    socket: WebSocket<TcpStream>,
    seen: Vec<Value>,
    /// What came in binary messages, one behind the other.
    bytes: Vec<u8>,
    closed: Option<Option<CloseFrame>>,
}

impl Client {
    fn new(socket: WebSocket<TcpStream>) -> Client {
        Client { socket, seen: Vec::new(), bytes: Vec::new(), closed: None }
    }

    /// Reads what is there now, at most some messages; whether anything came.
    fn read(&mut self) -> bool {
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

    fn say(&mut self, message: impl Into<Message>) {
        self.socket.send(message.into()).unwrap();
    }

    fn ask(&mut self, request: &Value) {
        self.say(request.to_string());
    }

    fn types(&self) -> Vec<&str> {
        self.seen.iter().map(|m| m["type"].as_str().unwrap()).collect()
    }

    /// Waits for a message of this type, and gives up what came until then.
    fn expect(&mut self, server: &mut Server, kind: &str) -> Value {
        let mut place = 0;
        server.until(&format!("a message {kind:?}"), |_| {
            self.read();
            let found = self.seen[place..].iter().position(|m| m["type"] == kind);
            place = found.map_or(self.seen.len(), |at| place + at);
            found.is_some()
        });
        self.seen.drain(..=place).next_back().unwrap()
    }

    /// Waits until it knows of the spread of this number.
    fn until_seq(&mut self, server: &mut Server, seq: u64) {
        server.until(&format!("spread {seq}"), |_| {
            self.read();
            self.seen.iter().rev().any(|m| m["type"] == "spread" && m["seq"] == seq)
        });
    }

    fn spread_seqs(&self) -> Vec<u64> {
        let spreads = self.seen.iter().filter(|m| m["type"] == "spread");
        spreads.map(|m| m["seq"].as_u64().unwrap()).collect()
    }

    fn close_code(&mut self, server: &mut Server) -> Option<CloseCode> {
        server.until("a close", |_| {
            self.read();
            self.closed.is_some()
        });
        self.closed.clone().flatten().map(|frame| frame.code)
    }
}

#[test]
fn two_clients_get_hello_then_a_snapshot_then_every_spread_in_order() {
    let mut server = Server::new(catalogue(2, 3), settings());
    server.send(spread(0, 0, 1, 10_050));
    server.send(status(1, 1, State::Live));
    server.turn();
    let mut clients = [server.connect(), server.connect()];
    for client in &mut clients {
        let hello = client.expect(&mut server, "hello");
        assert_eq!(hello["protocol"], broadcast::PROTOCOL);
        assert_eq!(hello["venues"][2], json!({"name": "venue2", "taker_fee_bps": 10.0}));
        assert_eq!(
            hello["instruments"][1],
            json!({"name": "C1/USDT", "price_scale": 2, "size_scale": 4, "venues": ["venue0", "venue1"]})
        );
        let snapshot = client.expect(&mut server, "snapshot");
        assert_eq!(
            (&snapshot["id"], &snapshot["seq"], &snapshot["last"]),
            (&json!("default"), &json!(1), &json!(true))
        );
        assert_eq!(snapshot["spreads"].as_array().unwrap().len(), 1);
        let states = snapshot["states"].as_array().unwrap();
        let live: Vec<_> = states.iter().filter(|s| s["state"] == "live").collect();
        assert_eq!((states.len(), live.len()), (5, 1));
        assert_eq!(live[0]["venue"], "venue1");
    }
    for n in 0..3000 {
        server.send(spread(n % 2, 0, 1, 10_000 + i64::from(n)));
        if n % 100 == 0 {
            server.turn();
        }
    }
    for client in &mut clients {
        client.until_seq(&mut server, 3001);
        assert_eq!(client.spread_seqs(), (2..=3001).collect::<Vec<_>>());
        assert_eq!(
            client.seen.last().unwrap(),
            &json!({
                "type": "spread", "seq": 3001, "instrument": "C1/USDT",
                "buy_venue": "venue0", "sell_venue": "venue1",
                "buy_px": "100", "sell_px": "129.99", "buy_sz": "0.0005", "sell_sz": "7",
                "gross_bps": 2999, "net_bps": 2979, "ts_recv": START, "quote_seq": 0,
            })
        );
    }
    let mut report = Report::default();
    server.agent.report(&mut report);
    assert_eq!(report.latencies[0].0, "read_to_broadcast");
    assert_eq!(report.latencies[0].1.count(), 3000, "only what somebody was there for");
    assert_eq!((server.count("clients"), server.count("spreads")), (2, 3001));
}

#[test]
fn only_the_subprotocol_that_is_spoken_is_selected() {
    let mut server = Server::new(catalogue(1, 2), settings());
    let mut client = server.connect_offering(Some("soap, spreadwire.v1.json"));
    client.expect(&mut server, "hello");
    let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Protocol: soap\r\n\r\n";
    let mut socket = server.socket();
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    server.until("hello behind the answer", |_| {
        end_of(&mut socket, &mut answer);
        String::from_utf8_lossy(&answer).contains("hello")
    });
    let answer = String::from_utf8_lossy(&answer).to_lowercase();
    assert!(answer.starts_with("http/1.1 101 ") && !answer.contains("sec-websocket-protocol"));
}

#[test]
fn filters_pass_what_they_ask_for_and_no_more() {
    let mut server = Server::new(catalogue(3, 3), settings());
    let mut client = server.connect();
    client.expect(&mut server, "snapshot");
    client.ask(&json!({"op": "subscribe", "id": "one", "instruments": ["C0/USDT"], "venues": ["venue2"], "min_net_bps": 5}));
    let subscribed = client.expect(&mut server, "subscribed");
    assert_eq!(
        subscribed,
        json!({"type": "subscribed", "id": "one", "instruments": ["C0/USDT"], "venues": ["venue2"], "min_net_bps": 5.0})
    );
    let snapshot = client.expect(&mut server, "snapshot");
    assert_eq!(snapshot["states"].as_array().unwrap().len(), 3, "of one instrument, on all venues");
    client.ask(&json!({"op": "subscribe", "instruments": ["C1/USDT"]}));
    assert_eq!(client.expect(&mut server, "subscribed")["id"], "1");
    client.expect(&mut server, "snapshot");
    // Spreads 1 to 6: pays 6 bps on venue2; too little; other venues; sold on venue2; other filter; none.
    for (instrument, buy, sell, px) in [
        (0, 2, 1, 10_026),
        (0, 2, 1, 10_024),
        (0, 0, 1, 10_100),
        (0, 1, 2, 10_100),
        (1, 0, 1, 9_000),
        (2, 0, 1, 10_100),
    ] {
        server.send(spread(instrument, buy, sell, px));
    }
    server.send(status(2, 0, State::Live));
    server.send(status(0, 0, State::Stale));
    client.ask(&json!({"op": "ping", "id": "now"}));
    let pong = json!({"type": "pong", "id": "now", "ts": START});
    server.until("a pong", |_| client.read() && client.seen.last() == Some(&pong));
    assert_eq!(client.spread_seqs(), [1, 4, 5]);
    assert_eq!(client.types(), ["spread", "spread", "spread", "status", "pong"]);
    client.ask(&json!({"op": "unsubscribe", "id": "one"}));
    assert_eq!(client.expect(&mut server, "unsubscribed")["ids"], json!(["one"]));
    server.send(spread(0, 2, 1, 10_100));
    server.send(spread(1, 2, 1, 10_100));
    client.until_seq(&mut server, 8);
    assert_eq!(client.spread_seqs(), [8]);
    client.ask(&json!({"op": "unsubscribe"}));
    assert_eq!(client.expect(&mut server, "unsubscribed")["ids"], json!(["1"]));
    server.send(spread(1, 2, 1, 10_200));
    client.ask(&json!({"op": "ping"}));
    client.expect(&mut server, "pong");
    assert!(client.seen.is_empty(), "{:?}", client.seen);
}

#[test]
fn wrong_requests_are_answered_and_the_connection_stays() {
    let limits = Settings { filters_max: 2, ..settings() };
    let mut server = Server::new(catalogue(1, 2), limits);
    let mut client = server.connect();
    for (request, code) in [
        (json!([]), "bad_message"),
        (json!({"op": "sell"}), "unknown_op"),
        (json!({"op": "subscribe", "instrument": ["C0/USDT"]}), "unknown_field"),
        (json!({"op": "subscribe", "instruments": ["C0/USD"]}), "unknown_instrument"),
        (json!({"op": "subscribe", "venues": ["venue9"]}), "unknown_venue"),
        (json!({"op": "subscribe", "min_net_bps": "much"}), "bad_value"),
        (json!({"op": "unsubscribe", "id": "x"}), "unknown_id"),
    ] {
        client.ask(&request);
        let error = client.expect(&mut server, "error");
        assert_eq!(error["code"], code, "{error}");
    }
    for id in ["a", "b"] {
        client.ask(&json!({"op": "subscribe", "id": id}));
        client.expect(&mut server, "subscribed");
    }
    client.ask(&json!({"op": "subscribe", "id": "c"}));
    let error = client.expect(&mut server, "error");
    assert_eq!((&error["code"], &error["id"]), (&json!("too_many_filters"), &json!("c")));
    client.ask(&json!({"op": "unsubscribe", "id": "a"}));
    client.expect(&mut server, "unsubscribed");
    client.ask(&json!({"op": "subscribe", "id": "b"}));
    assert_eq!(client.expect(&mut server, "error")["code"], "duplicate_id");
    assert_eq!(server.count("errors"), 9);
    assert_eq!(server.count("clients"), 1);
}

#[test]
fn what_is_no_request_at_all_is_closed_with_its_code() {
    let limits = Settings { requests_per_second: 5, ..settings() };
    let mut server = Server::new(catalogue(1, 2), limits);
    let mut ends = |message: Message, times: usize| {
        let mut client = server.connect();
        client.expect(&mut server, "hello");
        (0..times).for_each(|_| client.say(message.clone()));
        client.close_code(&mut server)
    };
    assert_eq!(ends(Message::text("buy!"), 1), Some(CloseCode::Invalid));
    assert_eq!(ends(Message::binary(vec![1, 2]), 1), Some(CloseCode::Unsupported));
    assert_eq!(ends(Message::text(" ".repeat(16 * 1024 + 1)), 1), Some(CloseCode::Size));
    assert_eq!(ends(Message::text(r#"{"op":"ping"}"#), 6), Some(CloseCode::Policy));
    let not_utf8 = tungstenite::protocol::frame::Frame::message(
        vec![0xFF],
        tungstenite::protocol::frame::coding::OpCode::Data(
            tungstenite::protocol::frame::coding::Data::Text,
        ),
        true,
    );
    assert_eq!(ends(Message::Frame(not_utf8), 1), Some(CloseCode::Invalid));
    for reason in ["not_json", "binary", "too_large", "too_fast", "not_utf8"] {
        assert_eq!(server.count(&format!("disconnected.{reason}")), 1, "{reason}");
    }
    assert_eq!(server.count("clients"), 0);
}

#[test]
fn an_unmasked_frame_is_a_protocol_error() {
    let mut server = Server::new(catalogue(1, 2), settings());
    let mut client = server.connect();
    client.expect(&mut server, "snapshot");
    client.socket.get_mut().write_all(&[0x81, 2, b'{', b'}']).unwrap();
    assert_eq!(client.close_code(&mut server), Some(CloseCode::Protocol));
}

#[test]
fn http_that_is_no_upgrade_is_told_so() {
    let mut server = Server::new(catalogue(1, 2), settings());
    let answer = server.answer(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{answer}");
    let answer = server.answer(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    let answer = server.answer(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 400 "), "TLS on a plain port: {answer}");
    assert_eq!(server.count("disconnected.no_upgrade"), 3);
}

#[test]
fn a_handshake_that_is_never_finished_is_closed() {
    let mut server = Server::new(catalogue(1, 2), settings());
    let mut socket = server.socket();
    socket.write_all(b"GET / HTTP/1.1\r\nHost:").unwrap();
    server.pass(4 * SECOND);
    server.until("a turn", |_| true);
    assert_eq!(server.count("disconnected.handshake_timeout"), 0);
    server.pass(6 * SECOND);
    let mut answer = Vec::new();
    server.until("the end", |server| {
        server.pass(5 * SECOND);
        end_of(&mut socket, &mut answer)
    });
    assert!(answer.is_empty());
    assert_eq!(server.count("disconnected.handshake_timeout"), 1);
}

#[test]
fn more_clients_than_allowed_are_refused_until_one_leaves() {
    let mut server = Server::new(catalogue(1, 2), Settings { max_clients: 1, ..settings() });
    let mut first = server.connect();
    first.expect(&mut server, "hello");
    let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let answer = server.answer(request.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    first.socket.close(None).unwrap();
    server.until("the first leaves", |server| server.count("clients") == 0);
    assert_eq!(first.close_code(&mut server), None, "our answer to its close has no code");
    server.connect().expect(&mut server, "hello");
    assert_eq!(server.count("disconnected.left"), 1);
    assert_eq!(server.count("disconnected.full"), 1);
}

#[test]
fn a_port_in_use_is_an_error_at_start() {
    let server = Server::new(catalogue(1, 2), settings());
    let error = broadcast::bind(server.address).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&server.address.to_string()), "{error}");
}

#[test]
fn who_answers_pings_stays_and_who_is_silent_is_closed() {
    let mut server = Server::new(catalogue(1, 2), settings());
    let (mut alive, mut dead) = (server.connect(), server.connect());
    alive.expect(&mut server, "hello");
    dead.expect(&mut server, "hello");
    for second in 1..=35 {
        server.pass(SECOND);
        let heard = server.count("requests");
        server.turn();
        if second % 15 == 0 {
            // Reading answers the ping; the dead one never reads.
            server.until("a pong", |server| {
                alive.read();
                server.count("requests") > heard
            });
        }
    }
    assert_eq!(server.count("clients"), 1);
    assert_eq!(server.count("disconnected.silent"), 1);
    assert_eq!(dead.close_code(&mut server), Some(CloseCode::Policy));
}

#[test]
fn a_loss_before_the_broadcast_is_told_to_all_and_forgets_the_spreads() {
    let mut server = Server::new(catalogue(2, 2), settings());
    server.send(spread(0, 0, 1, 10_050));
    let mut client = server.connect();
    let snapshot = client.expect(&mut server, "snapshot");
    assert_eq!(snapshot["spreads"].as_array().unwrap().len(), 1);
    server.send(Gap::new(START + 1, 7));
    assert_eq!(
        client.expect(&mut server, "gap"),
        json!({"type": "gap", "reason": "engine", "missed": 7, "ts_recv": START + 1})
    );
    let snapshot = server.connect().expect(&mut server, "snapshot");
    assert_eq!(snapshot["spreads"], json!([]));
}

/// A `recording` message as clients see it.
fn recording(state: &str, lost: u64) -> Value {
    json!({"type": "recording", "state": state, "ts_recv": START, "lost": lost})
}

#[test]
fn everyone_hears_whether_quotes_are_recorded_and_who_comes_later_before_the_snapshot() {
    let mut server = Server::new(catalogue(1, 2), settings());
    let (mut client, mut deaf) = (server.connect(), server.connect());
    client.expect(&mut server, "snapshot");
    deaf.expect(&mut server, "snapshot");
    deaf.ask(&json!({"op": "unsubscribe"}));
    deaf.expect(&mut server, "unsubscribed");
    server.record(RecordingState::DiskFull, 3);
    assert_eq!(client.expect(&mut server, "recording"), recording("disk_full", 3));
    let mut late = server.connect();
    late.expect(&mut server, "snapshot");
    let mut again = server.connect();
    server.until("the snapshot", |_| {
        again.read();
        again.seen.len() == 3
    });
    assert_eq!(again.types(), ["hello", "recording", "snapshot"]);
    assert_eq!(again.seen.remove(1), recording("disk_full", 3));
    server.record(RecordingState::On, 40);
    for client in [&mut client, &mut late, &mut again] {
        assert_eq!(client.expect(&mut server, "recording"), recording("on", 40));
    }
    let mut last = server.connect();
    server.until("the snapshot", |_| {
        last.read();
        1 < last.seen.len()
    });
    assert_eq!(last.types(), ["hello", "snapshot"], "all is well again");
    deaf.ask(&json!({"op": "ping"}));
    server.until("an answer", |_| deaf.read());
    assert_eq!(deaf.types(), ["pong"], "it asked for nothing");
    assert_eq!(server.count("recordings"), 2);
}

#[test]
fn a_congested_client_hears_the_present_state_of_recording_alone() {
    let mut model = Model::new(14, 3, 3);
    let mut server = Server::new(catalogue(3, 3), settings());
    let (mut slow, mut quick) = (server.connect(), server.connect());
    slow.expect(&mut server, "snapshot");
    quick.expect(&mut server, "snapshot");
    congest(&mut server, &mut model, &mut quick);
    for (state, lost) in [(RecordingState::Vanished, 5), (RecordingState::Refused, 9)] {
        server.record(state, lost);
    }
    model.batch(&mut server);
    server.until("the slow one has everything", |_| {
        slow.read();
        slow.seen.last().is_some_and(|m| m["seq"] == model.seq)
    });
    let told: Vec<&Value> = slow.seen.iter().filter(|m| m["type"] == "recording").collect();
    assert_eq!(told, [&recording("refused", 9)]);
    assert_eq!(quick.expect(&mut server, "recording"), recording("vanished", 5));
    assert_eq!(quick.expect(&mut server, "recording"), recording("refused", 9));
}

#[test]
fn at_the_end_everyone_gets_what_is_left_and_1001() {
    let mut server = Server::new(catalogue(2, 2), settings());
    let mut client = server.connect();
    client.expect(&mut server, "snapshot");
    (0..100).for_each(|n| server.send(spread(0, 0, 1, 10_000 + n)));
    server.edge = None;
    assert!(!server.agent.is_finished());
    server.turn();
    assert!(!server.agent.is_finished(), "the journal may have a last word");
    server.states = None;
    assert!(server.agent.is_finished());
    server.agent.on_close();
    for _ in 0..TURNS_MAX {
        if client.closed.is_some() {
            break;
        }
        client.read();
    }
    assert_eq!(client.spread_seqs().len(), 100);
    assert_eq!(client.closed.unwrap().unwrap().code, CloseCode::Away);
    assert_eq!(server.count("clients"), 0);
}

#[test]
fn spreads_of_what_the_catalogue_does_not_list_are_counted_and_nothing_else() {
    let mut server = Server::new(catalogue(2, 3), settings());
    let mut client = server.connect();
    client.expect(&mut server, "snapshot");
    server.send(spread(1, 0, 2, 10_000));
    server.send(spread(9, 0, 1, 10_000));
    server.send(status(1, 7, State::Down));
    server.send(spread(1, 0, 1, 10_000));
    client.until_seq(&mut server, 1);
    assert_eq!((client.seen.len(), server.count("unknown")), (1, 3));
}

/// The messages that bytes of `spreadwire.v1.bin` hold: kind, flags, everything.
fn split(mut bytes: &[u8]) -> Vec<(u8, u16, &[u8])> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let length = u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
        assert!(length >= 8 && length.is_multiple_of(8) && bytes[1] == 1, "{:?}", &bytes[..8]);
        let (message, rest) = bytes.split_at(length);
        messages.push((message[0], u16::from_le_bytes([message[2], message[3]]), message));
        bytes = rest;
    }
    messages
}

fn u64_at(message: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(message[offset..offset + 8].try_into().unwrap())
}

#[test]
fn a_binary_client_that_stops_reading_is_conflated_and_told_so_in_its_protocol() {
    let mut model = Model::new(15, 3, 3);
    let mut server = Server::new(catalogue(3, 3), settings());
    let mut slow = server.connect_offering(Some("spreadwire.v1.json, spreadwire.v1.bin"));
    let mut quick = server.connect();
    quick.expect(&mut server, "snapshot");
    slow.ask(&json!({"op": "ping", "id": "text"}));
    slow.expect(&mut server, "pong");
    congest(&mut server, &mut model, &mut quick);
    let conflated = server.count("conflated");
    server.until("the slow one has the last spread", |_| {
        slow.read();
        let last = slow.bytes.len().checked_sub(80);
        last.is_some_and(|at| u64_at(&slow.bytes, at + 8) == model.seq)
    });
    assert_eq!(slow.seen, Vec::<Value>::new(), "no texts but answers");
    let messages = split(&slow.bytes);
    let kinds: Vec<u8> = messages.iter().map(|(kind, ..)| *kind).collect();
    assert_eq!(kinds[..3], [1, 6, 3], "catalogue, a snapshot, its first state");
    let gaps: Vec<usize> = (0..kinds.len()).filter(|at| kinds[*at] == 4).collect();
    assert_eq!(gaps.len(), 1);
    let (before, after) = messages.split_at(gaps[0]);
    let gap = after[0].2;
    assert_eq!((gap.len(), gap[40], u64_at(gap, 8)), (48, 1, conflated));
    assert!(before.iter().all(|(_, flags, _)| flags & 1 == 0));
    assert!(after[1..].iter().all(|(_, flags, _)| flags & 1 == 1));
    let spreads = messages.iter().filter(|(kind, ..)| *kind == 2);
    let seqs: Vec<u64> = spreads.map(|(.., message)| u64_at(message, 8)).collect();
    assert!(seqs.is_sorted());
    assert_eq!(seqs.len() as u64 + conflated, model.seq, "told or missed, nothing else");
    let missed: Vec<u64> = (1..=model.seq).filter(|seq| seqs.binary_search(seq).is_err()).collect();
    assert_eq!((u64_at(gap, 16), u64_at(gap, 24)), (missed[0], missed[missed.len() - 1]));
}

/// Python with the package that the example needs; `None` is said aloud, and never in CI.
fn python() -> Option<&'static str> {
    let found = std::process::Command::new("python3").args(["-c", "import websockets"]).output();
    if found.is_ok_and(|output| output.status.success()) {
        return Some("python3");
    }
    assert!(std::env::var_os("CI").is_none(), "CI has python3 with websockets");
    println!("skipped: no python3 with websockets");
    None
}

/// JSON messages as the example prints binary ones: a snapshot's items stand behind its head.
fn flattened(messages: &[Value]) -> Vec<Value> {
    let mut flat = Vec::new();
    for message in messages {
        let mut head = message.clone();
        let mut items = Vec::new();
        if message["type"] == "snapshot" {
            for (field, kind) in [("states", "status"), ("spreads", "spread")] {
                let listed = message[field].as_array().unwrap();
                head[field] = json!(listed.len());
                items.extend(listed.iter().map(|item| {
                    let mut item = item.clone();
                    item["type"] = json!(kind);
                    item["in_snapshot"] = json!(true);
                    item
                }));
            }
        }
        flat.push(head);
        flat.append(&mut items);
    }
    flat
}

/// Whether one message says what the other does; basis points are rounded in JSON alone.
fn assert_same(json: &Value, binary: &Value) {
    for (field, value) in json.as_object().unwrap() {
        if field.ends_with("_bps") && json["type"] == "spread" {
            let distance = value.as_f64().unwrap() - binary[field].as_f64().unwrap();
            assert!(distance.abs() < 0.000_051, "{field}: {json} {binary}");
        } else {
            assert_eq!(&binary[field], value, "{field}: {json} {binary}");
        }
    }
    assert_eq!(binary["conflated"], json["conflated"]);
}

/// An example of `docs/examples` that reads from the server.
struct Example {
    process: std::process::Child,
    /// A file, because a pipe would fill up while nobody reads it.
    output: std::fs::File,
}

impl Example {
    fn start(python: &str, script: &str, server: &Server, rest: &[&str]) -> Example {
        let script = format!("{}/../docs/examples/{script}", env!("CARGO_MANIFEST_DIR"));
        let output = tempfile::tempfile().unwrap();
        let process = std::process::Command::new(python)
            .args([script, format!("ws://{}", server.address)])
            .args(rest)
            .stdout(output.try_clone().unwrap())
            .spawn()
            .unwrap();
        Example { process, output }
    }

    fn printed(mut self) -> String {
        let mut printed = String::new();
        self.output.rewind().unwrap();
        self.output.read_to_string(&mut printed).unwrap();
        printed
    }
}

#[test]
fn the_example_in_python_reads_the_same_values_that_json_has() {
    let Some(python) = python() else { return };
    let mut model = Model::new(16, 3, 3);
    let mut server = Server::new(catalogue(3, 3), settings());
    (0..30).for_each(|_| model.batch(&mut server));
    server.turn();
    let mut client = server.connect();
    client.ask(&json!({"op": "ping", "id": "here"}));
    client.expect(&mut server, "pong");
    let mut again = server.connect();
    again.expect(&mut server, "hello");
    let snapshot = again.expect(&mut server, "snapshot");
    let count = 2 + flattened(&[snapshot]).len() + 400;
    let rest = [&count.to_string(), r#"{"op":"ping","id":"here"}"#];
    let mut reader = Example::start(python, "read_binary.py", &server, &rest);
    let (clients, asked) = (server.count("clients"), server.count("requests"));
    server.until_patiently("the reader asks", |server| server.count("requests") > asked);
    assert_eq!(server.count("clients"), clients + 1);
    let mut later = server.connect();
    let mut stream: Vec<Value> = vec![later.expect(&mut server, "hello")];
    stream.push(later.expect(&mut server, "snapshot"));
    for round in 0..200 {
        match round % 50 {
            7 => server.send(Gap::new(START + round, 3)),
            8 => server.record(RecordingState::Vanished, round),
            _ => {}
        }
        let mut odd = spread(0, 0, 1, 10_000 - i64::try_from(round).unwrap() * 97);
        (odd.buy_sz, odd.sell_sz) = (i64::MAX, -i64::try_from(round).unwrap());
        odd.net = 0.000_000_005 * f64::from(u32::try_from(round).unwrap());
        odd.sequence = u64::MAX - round;
        server.send(odd);
        server.send(status(0, 0, State::ALL[usize::try_from(round % 5).unwrap()]));
        server.turn();
    }
    let mut end = None;
    server.until_patiently("the reader's end", |_| {
        later.read();
        end = reader.process.try_wait().unwrap();
        end.is_some()
    });
    assert!(end.unwrap().success());
    let printed = reader.printed();
    let read: Vec<Value> = printed.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let (answers, read): (Vec<_>, Vec<_>) = read.into_iter().partition(|m| m["type"] == "pong");
    assert_eq!(answers, [json!({"type": "pong", "id": "here", "ts": START})]);
    stream.append(&mut later.seen);
    let expected = flattened(&stream);
    assert!(expected.len() >= read.len() && read.len() == count - 1);
    expected.iter().zip(&read).for_each(|(json, binary)| assert_same(json, binary));
}

#[test]
fn the_short_example_prints_the_spreads_that_json_has() {
    let Some(python) = python() else { return };
    let mut model = Model::new(17, 3, 3);
    let mut server = Server::new(catalogue(3, 3), settings());
    (0..30).for_each(|_| model.batch(&mut server));
    server.turn();
    let mut client = server.connect();
    let snapshot = client.expect(&mut server, "snapshot");
    let spreads = snapshot["spreads"].as_array().unwrap();
    assert!(3 < spreads.len());
    let count = spreads.len().to_string();
    let mut reader = Example::start(python, "watch_spreads.py", &server, &[&count]);
    let mut end = None;
    server.until_patiently("the reader's end", |_| {
        end = reader.process.try_wait().unwrap();
        end.is_some()
    });
    assert!(end.unwrap().success());
    let printed = reader.printed();
    assert_eq!(printed.lines().count(), spreads.len());
    for (line, spread) in printed.lines().zip(spreads) {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |word: &str| word.parse::<f64>().unwrap();
        assert_eq!(words[0], spread["seq"].to_string());
        for (word, field) in [(1, "instrument"), (3, "buy_venue"), (7, "sell_venue")] {
            assert_eq!(words[word], text(spread, field), "{line}");
        }
        for (word, field) in [(5, "buy_px"), (9, "sell_px")] {
            assert_eq!(
                number(words[word]).to_bits(),
                number(&text(spread, field)).to_bits(),
                "{line}"
            );
        }
        let distance = number(words[11]) - spread["net_bps"].as_f64().unwrap();
        assert!(distance.abs() < 0.000_11, "{line} {spread}");
    }
}

/// What a client knows, by the rules of `docs/broadcast.md`.
#[derive(Debug, Default, PartialEq)]
struct View {
    spreads: BTreeMap<(String, String, String), (u64, String)>,
    states: BTreeMap<(String, String), String>,
}

impl View {
    fn take(&mut self, message: &Value) {
        match message["type"].as_str().unwrap() {
            "snapshot" => {
                message["states"].as_array().unwrap().iter().for_each(|s| self.state(s));
                message["spreads"].as_array().unwrap().iter().for_each(|s| self.spread(s));
            }
            "spread" => self.spread(message),
            "status" => {
                if message["state"] != "live" {
                    self.forget(&text(message, "instrument"), &text(message, "venue"));
                }
                self.state(message);
            }
            "gap" if message["reason"] == "engine" => self.spreads.clear(),
            _ => {}
        }
    }

    fn spread(&mut self, s: &Value) {
        let key = (text(s, "instrument"), text(s, "buy_venue"), text(s, "sell_venue"));
        self.spreads.insert(key, (s["seq"].as_u64().unwrap(), text(s, "sell_px")));
    }

    fn state(&mut self, s: &Value) {
        self.states.insert((text(s, "instrument"), text(s, "venue")), text(s, "state"));
    }

    fn forget(&mut self, instrument: &str, venue: &str) {
        self.spreads.retain(|(i, b, s), _| i != instrument || (b != venue && s != venue));
    }
}

fn text(of: &Value, field: &str) -> String {
    of[field].as_str().unwrap().to_owned()
}

/// What happens, as the server should tell it to someone who wants everything.
struct Model {
    random: ChaCha8Rng,
    instruments: u32,
    venues: u8,
    told: Vec<Value>,
    seq: u64,
}

impl Model {
    fn new(seed: u64, instruments: u32, venues: u8) -> Model {
        let random = ChaCha8Rng::seed_from_u64(seed);
        Model { random, instruments, venues, told: Vec::new(), seq: 0 }
    }

    fn below(&mut self, bound: u32) -> u32 {
        self.random.next_u32() % bound
    }

    fn venue(&mut self) -> u8 {
        u8::try_from(self.below(u32::from(self.venues))).unwrap()
    }

    /// A venue that lists every instrument, and another that lists this one.
    fn pair(&mut self, instrument: u32) -> (u8, u8) {
        loop {
            let (buy, sell) = (self.venue(), self.venue());
            let unlisted = instrument + 1 == self.instruments && self.venues - 1 == buy.max(sell);
            if buy != sell && !unlisted {
                return (buy, sell);
            }
        }
    }

    fn spread(&mut self) -> Spread {
        let instrument = self.below(self.instruments);
        let (buy, sell) = self.pair(instrument);
        self.spread_of(instrument, buy, sell)
    }

    fn spread_of(&mut self, instrument: u32, buy: u8, sell: u8) -> Spread {
        let s = spread(instrument, buy, sell, 9_900 + i64::from(self.below(200)));
        self.seq += 1;
        self.told.push(json!({
            "type": "spread", "seq": self.seq, "instrument": format!("C{instrument}/USDT"),
            "buy_venue": format!("venue{buy}"), "sell_venue": format!("venue{sell}"),
            "sell_px": decimal::to_text(s.sell_px, 2), "net": s.net,
        }));
        s
    }

    fn status(&mut self) -> Status {
        let instrument = self.below(self.instruments);
        let (venue, _) = self.pair(instrument);
        let state = if self.below(2) == 0 { State::Live } else { State::Stale };
        self.told.push(json!({
            "type": "status", "instrument": format!("C{instrument}/USDT"),
            "venue": format!("venue{venue}"), "state": state.name(),
        }));
        status(instrument, venue, state)
    }

    /// Some records. The last is a spread, so that a spread's number tells exactly what came before.
    fn batch(&mut self, server: &mut Server) {
        for _ in 0..self.below(8) {
            if self.below(6) == 0 {
                let status = self.status();
                server.send(status);
            } else {
                let spread = self.spread();
                server.send(spread);
            }
        }
        let spread = self.spread();
        server.send(spread);
    }
}

/// A filter, naively.
#[derive(Clone, Debug, Default)]
struct Wanted {
    instruments: Option<BTreeSet<String>>,
    venues: Option<BTreeSet<String>>,
    min_net_bps: Option<f64>,
}

impl Wanted {
    fn draw(model: &mut Model) -> Wanted {
        let instruments = (model.below(2) == 0)
            .then(|| (0..=model.below(2)).map(|_| format!("C{}/USDT", model.below(3))).collect());
        let venues = (model.below(2) == 0)
            .then(|| (0..=model.below(2)).map(|_| format!("venue{}", model.venue())).collect());
        let min_net_bps = (model.below(2) == 0).then(|| f64::from(model.below(60)) - 40.5);
        Wanted { instruments, venues, min_net_bps }
    }

    fn passes(&self, event: &Value) -> bool {
        let lists = |names: &BTreeSet<String>, field: &str| names.contains(&text(event, field));
        let named = self.instruments.as_ref().is_none_or(|names| lists(names, "instrument"));
        if event["type"] == "status" {
            return named;
        }
        named
            && self
                .venues
                .as_ref()
                .is_none_or(|names| lists(names, "buy_venue") || lists(names, "sell_venue"))
            && self.min_net_bps.is_none_or(|bps| bps / 10_000.0 <= event["net"].as_f64().unwrap())
    }

    fn request(&self) -> Value {
        let mut request = json!({"op": "subscribe", "id": "only"});
        let fields = [
            ("instruments", self.instruments.as_ref().map(|names| json!(names))),
            ("venues", self.venues.as_ref().map(|names| json!(names))),
            ("min_net_bps", self.min_net_bps.map(|bps| json!(bps))),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                request[name] = value;
            }
        }
        request
    }
}

/// The place behind a spread's in what was told.
fn place_after(told: &[Value], seq: u64) -> usize {
    told.iter().position(|m| m["seq"] == seq).map_or(0, |place| place + 1)
}

/// Checks everything a client was told between its snapshot and now, or its unsubscribing.
fn check_course(seed: u64, wanted: &Wanted, course: &[Value], told: &[Value], complete: bool) {
    let snapshot = &course[0];
    let from = place_after(told, snapshot["seq"].as_u64().unwrap());
    let mut before = View::default();
    told[..from].iter().for_each(|event| before.take(event));
    let listed = snapshot["spreads"].as_array().unwrap();
    let expected: BTreeMap<_, _> = before
        .spreads
        .iter()
        .filter(|(_, (seq, _))| wanted.passes(&told[place_after(told, *seq) - 1]))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let mut view = View::default();
    view.take(snapshot);
    assert_eq!(view.spreads, expected, "seed {seed}: {wanted:?}");
    assert_eq!(listed.len(), expected.len(), "seed {seed}: nothing twice");
    for (key, state) in &before.states {
        let named = wanted.instruments.as_ref().is_none_or(|names| names.contains(&key.0));
        assert_eq!(view.states.get(key), named.then_some(state), "seed {seed}: {key:?}");
    }
    let stream = &course[1..];
    let expected: Vec<&Value> = told[from..].iter().filter(|e| wanted.passes(e)).collect();
    assert!(stream.len() <= expected.len(), "seed {seed}: more than there was");
    assert!(!complete || stream.len() == expected.len(), "seed {seed}: something was missed");
    for (got, event) in stream.iter().zip(expected) {
        for field in ["type", "seq", "instrument", "venue", "state", "sell_px"] {
            assert_eq!(got[field], event[field], "seed {seed}: {got} for {event}");
        }
    }
}

#[test]
fn a_view_begun_at_any_moment_is_the_naive_one() {
    for seed in 0..40 {
        let mut model = Model::new(seed, 3, 3);
        let mut server = Server::new(catalogue(3, 3), settings());
        let mut client = server.connect();
        for _ in 0..8 {
            (0..model.below(6)).for_each(|_| {
                model.batch(&mut server);
                server.turn();
            });
            let wanted = Wanted::draw(&mut model);
            client.ask(&wanted.request());
            (0..model.below(6)).for_each(|_| {
                model.batch(&mut server);
                server.turn();
            });
            client.expect(&mut server, "subscribed");
            model.batch(&mut server);
            client.ask(&json!({"op": "ping"}));
            let mut course = Vec::new();
            while course.last().is_none_or(|m: &Value| m["type"] != "pong") {
                server.turn();
                client.read();
                course.append(&mut client.seen);
            }
            course.retain(|m| m["type"] != "pong");
            check_course(seed, &wanted, &course, &model.told, true);
            model.batch(&mut server);
            client.ask(&json!({"op": "unsubscribe"}));
            (0..model.below(4)).for_each(|_| {
                model.batch(&mut server);
                server.turn();
            });
            while course.last().is_none_or(|m: &Value| m["type"] != "unsubscribed") {
                server.turn();
                client.read();
                course.append(&mut client.seen);
            }
            course.pop();
            check_course(seed, &wanted, &course, &model.told, false);
        }
    }
}

#[test]
fn a_snapshot_in_many_parts_begins_each_pair_without_a_hole() {
    let mut model = Model::new(7, 24, 6);
    let mut server = Server::new(catalogue(24, 6), settings());
    (0..300).for_each(|_| {
        model.batch(&mut server);
        server.turn();
    });
    let mut client = server.connect();
    for _ in 0..40 {
        model.batch(&mut server);
        server.turn();
    }
    client.until_seq(&mut server, model.seq);
    let parts: Vec<&Value> = client.seen.iter().filter(|m| m["type"] == "snapshot").collect();
    assert!(parts.len() > 3, "{} parts", parts.len());
    let lasts: Vec<bool> = parts.iter().map(|m| m["last"].as_bool().unwrap()).collect();
    assert!(lasts.iter().rev().skip(1).all(|last| !last) && lasts[lasts.len() - 1]);
    let (mut view, mut expected) = (View::default(), View::default());
    client.seen.iter().for_each(|message| view.take(message));
    expected.states.clone_from(&view.states);
    model.told.iter().for_each(|event| expected.take(event));
    assert_eq!(view, expected);
    let mut courses: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for s in client.seen.iter().flat_map(|m| match m["spreads"].as_array() {
        Some(listed) => listed.clone(),
        None => vec![m.clone()],
    }) {
        if let Some(seq) = s["seq"].as_u64() {
            let pair = format!("{} {} {}", s["instrument"], s["buy_venue"], s["sell_venue"]);
            courses.entry(pair).or_default().push(seq);
        }
    }
    for (pair, course) in courses {
        let of_pair = |s: &&Value| {
            s["type"] == "spread"
                && format!("{} {} {}", s["instrument"], s["buy_venue"], s["sell_venue"]) == pair
        };
        let all: Vec<u64> =
            model.told.iter().filter(of_pair).map(|s| s["seq"].as_u64().unwrap()).collect();
        assert!(all.ends_with(&course), "{pair}: {course:?} is not the end of {all:?}");
    }
}

/// Sends spreads until a client that does not read is conflated; `reads` gets all of them.
fn congest(server: &mut Server, model: &mut Model, reads: &mut Client) {
    let mut known = 0;
    while server.count("conflated") < 500 {
        assert!(model.seq < 400_000, "the kernel's buffers have no end");
        (0..50).for_each(|_| model.batch(server));
        server.turn();
        reads.until_seq(server, model.seq);
        let seqs = reads.spread_seqs();
        assert_eq!(seqs, (known + 1..=model.seq).collect::<Vec<_>>(), "the other gets everything");
        assert!(reads.seen.iter().all(|m| m["conflated"].is_null()));
        known = model.seq;
        reads.seen.clear();
    }
}

#[test]
fn a_client_that_stops_reading_is_conflated_and_delays_nobody() {
    let mut model = Model::new(11, 24, 6);
    let mut server = Server::new(catalogue(24, 6), settings());
    let (mut slow, mut quick) = (server.connect(), server.connect());
    slow.expect(&mut server, "snapshot");
    quick.expect(&mut server, "snapshot");
    congest(&mut server, &mut model, &mut quick);
    // Every pair is waiting, so that catching up takes more than one cycle.
    for instrument in 0..24 {
        for (buy, sell) in (0..5).flat_map(|b| (0..5).map(move |s| (b, s))).filter(|(b, s)| b != s)
        {
            let spread = model.spread_of(instrument, buy, sell);
            server.send(spread);
        }
    }
    quick.until_seq(&mut server, model.seq);
    let conflated = server.count("conflated");
    assert_eq!(server.count("congestions"), 1);

    server.until("the slow one has everything", |_| {
        slow.read();
        slow.seen.last().is_some_and(|m| m["seq"] == model.seq)
    });
    let gaps: Vec<&Value> = slow.seen.iter().filter(|m| m["type"] == "gap").collect();
    assert_eq!(gaps.len(), 1);
    assert_eq!(
        (&gaps[0]["reason"], &gaps[0]["missed"]),
        (&json!("slow_client"), &json!(conflated))
    );
    let got: BTreeSet<u64> = slow.spread_seqs().into_iter().collect();
    assert_eq!(got.len() as u64 + conflated, model.seq, "told or missed, nothing else");
    let missed: Vec<u64> = (1..=model.seq).filter(|seq| !got.contains(seq)).collect();
    assert_eq!(gaps[0]["from_seq"], missed[0]);
    assert_eq!(gaps[0]["to_seq"], missed[missed.len() - 1]);
    let seqs = slow.spread_seqs();
    assert!(seqs.is_sorted(), "the latest come in order");
    let gap_at = slow.seen.iter().position(|m| m["type"] == "gap").unwrap();
    assert!(slow.seen[..gap_at].iter().all(|m| m["conflated"].is_null()));
    assert!(slow.seen[gap_at + 1..].iter().all(|m| m["conflated"] == true));
    let (mut view, mut expected) = (View::default(), View::default());
    slow.seen.iter().for_each(|message| view.take(message));
    model.told.iter().for_each(|event| expected.take(event));
    assert_eq!(view, expected);

    slow.seen.clear();
    let before = model.seq;
    model.batch(&mut server);
    slow.until_seq(&mut server, model.seq);
    assert_eq!(slow.spread_seqs(), (before + 1..=model.seq).collect::<Vec<_>>());
    assert!(slow.seen.iter().all(|m| m["conflated"].is_null()), "in order again");
}

#[test]
fn a_client_with_a_filter_is_conflated_before_what_waits_for_it_is_overwritten() {
    let limits = Settings { client_buffer_bytes: 128 * 1024, ..settings() };
    let mut server = Server::new(catalogue(3, 3), limits);
    let (mut slow, mut quick) = (server.connect(), server.connect());
    slow.ask(&json!({"op": "subscribe", "instruments": ["C0/USDT"]}));
    slow.expect(&mut server, "subscribed");
    slow.expect(&mut server, "snapshot");
    quick.expect(&mut server, "snapshot");
    // Of five spreads it wants one, all of one pair.
    let (mut seq, mut wanted) = (0, Vec::new());
    while server.count("congestions") == 0 {
        assert!(seq < 1_000_000, "the kernel's buffers have no end");
        for _ in 0..100 {
            let instrument = if seq % 5 == 0 { 0 } else { 1 };
            server.send(spread(instrument, 0, 1, 10_000));
            seq += 1;
            if instrument == 0 {
                wanted.push(seq);
            }
        }
        server.turn();
        quick.until_seq(&mut server, seq);
        quick.seen.clear();
    }
    server.send(spread(0, 0, 1, 10_000));
    wanted.push(seq + 1);
    slow.until_seq(&mut server, seq + 1);
    let gap = slow.seen.iter().position(|m| m["type"] == "gap").unwrap();
    let missed = slow.seen[gap]["missed"].as_u64().unwrap();
    let seqs = slow.spread_seqs();
    let (latest, whole) = seqs.split_last().unwrap();
    assert_eq!(whole, &wanted[..whole.len()], "whole frames, in order");
    assert_eq!((*latest, seqs.len() as u64 + missed), (seq + 1, wanted.len() as u64));
    // 128 KiB hold some 500 of them; the log was full long before.
    assert!((1..400).contains(&missed), "{missed}");
    assert_eq!(slow.seen.len(), gap + 2, "a gap and the latest");
}

#[test]
fn a_client_that_stays_stuck_is_disconnected() {
    let mut model = Model::new(12, 3, 3);
    let mut server = Server::new(catalogue(3, 3), settings());
    let (mut slow, mut quick) = (server.connect(), server.connect());
    slow.expect(&mut server, "snapshot");
    quick.expect(&mut server, "snapshot");
    congest(&mut server, &mut model, &mut quick);
    server.pass(5 * SECOND - MILLI);
    server.turn();
    assert_eq!(server.count("clients"), 2);
    // The kernel may take a last few bytes at the first tries, which counts as progress.
    for _ in 0..4 {
        server.pass(5 * SECOND);
        server.turn();
    }
    assert_eq!((server.count("clients"), server.count("disconnected.stuck")), (1, 1));
    let before = model.seq;
    model.batch(&mut server);
    quick.until_seq(&mut server, model.seq);
    assert_eq!(quick.spread_seqs(), (before + 1..=model.seq).collect::<Vec<_>>());
    server.until("the slow one sees the end", |_| {
        slow.read();
        slow.closed.is_some()
    });
}

#[test]
fn a_loss_before_the_broadcast_reaches_a_congested_client_too() {
    let mut model = Model::new(13, 3, 3);
    let mut server = Server::new(catalogue(3, 3), settings());
    let (mut slow, mut quick) = (server.connect(), server.connect());
    slow.expect(&mut server, "snapshot");
    quick.expect(&mut server, "snapshot");
    congest(&mut server, &mut model, &mut quick);
    server.send(Gap::new(START, 3));
    model.told.push(json!({"type": "gap", "reason": "engine"}));
    server.send(Gap::new(START, 4));
    model.batch(&mut server);
    server.until("the slow one has everything", |_| {
        slow.read();
        slow.seen.last().is_some_and(|m| m["seq"] == model.seq)
    });
    let gaps: Vec<&Value> = slow.seen.iter().filter(|m| m["type"] == "gap").collect();
    assert_eq!((&gaps[0]["reason"], &gaps[0]["missed"]), (&json!("engine"), &json!(7)));
    let (mut view, mut expected) = (View::default(), View::default());
    slow.seen.iter().for_each(|message| view.take(message));
    model.told.iter().for_each(|event| expected.take(event));
    assert_eq!(view, expected);
}

#[test]
fn a_client_that_reads_slowly_but_reads_is_not_stuck() {
    let mut model = Model::new(14, 3, 3);
    let mut server = Server::new(catalogue(3, 3), settings());
    let (mut slow, mut quick) = (server.connect(), server.connect());
    slow.expect(&mut server, "snapshot");
    quick.expect(&mut server, "snapshot");
    congest(&mut server, &mut model, &mut quick);
    for _ in 0..15 {
        // Some 250 KB every four seconds: the kernel reports the socket writable far too seldom.
        slow.seen.clear();
        slow.read();
        server.pass(4 * SECOND);
        for _ in 0..8 {
            (0..50).for_each(|_| model.batch(&mut server));
            server.turn();
            quick.until_seq(&mut server, model.seq);
            quick.seen.clear();
        }
    }
    assert_eq!((server.count("clients"), server.count("disconnected.stuck")), (2, 0));
}

#[test]
fn a_cycle_allocates_nothing_once_every_buffer_has_its_size() {
    let mut server = Server::new(catalogue(2, 3), settings());
    let mut clients = [server.connect(), server.connect()];
    let filter = json!({"op": "subscribe", "instruments": ["C0/USDT"]});
    clients[1].ask(&filter);
    clients[1].expect(&mut server, "subscribed");
    let mut allocated = 0;
    for round in 0..200 {
        for n in 0..100 {
            server.send(spread(n % 2, 0, 1, 10_000 + i64::from(n)));
        }
        server.send(status(0, 0, State::Live));
        let ((), count) = counted(|| {
            server.turn();
            server.turn();
        });
        if round > 0 {
            allocated += count;
        }
        clients.iter_mut().for_each(|client| {
            client.read();
        });
    }
    assert_eq!(allocated, 0);
    clients[0].until_seq(&mut server, 20_000);
    assert_eq!(clients[0].spread_seqs().len(), 20_000);
}
