//! One market with a client over loopback. The time is handed in.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use mio::{Events, Poll};
use tungstenite::WebSocket;
use tungstenite::protocol::Role;

use crate::connection::Connection;
use crate::feed::Listed;
use crate::market::Market;
use crate::options::{Options, VenueAt};
use crate::server::clients;
use crate::server::hub::Hub;
use crate::server::listeners::{Listeners, Ready};
use crate::venue::Texts;
use crate::venues;

pub(crate) const NS_PER_S: u64 = 1_000_000_000;

/// Time limit of every wait. A test that waits this long has failed.
const LONG: Duration = Duration::from_secs(30);

/// A client's end of a WebSocket.
pub(crate) type Client = WebSocket<TcpStream>;

pub(crate) struct Rig {
    pub(crate) hub: Hub,
    listeners: Listeners,
    poll: Poll,
    path: &'static str,
}

impl Rig {
    /// Returns a market with the venue's own rules, which lists `BTC/USDT` and has one quote of it.
    pub(crate) fn new(venue: &str) -> Rig {
        let options = Options { venues: vec![VenueAt::any_port(venue)], ..Options::default() };
        let poll = Poll::new().expect("a poll");
        let listeners =
            Listeners::bind(&options.venues, None, poll.registry()).expect("a free port");
        let venue = venues::by_name(venue).expect("a known venue");
        let mut market = Market::new(venue, &options);
        let symbols = vec![(0, venue.symbol("BTC/USDT"))];
        let name = "BTC/USDT".to_owned();
        let listed = [Listed { name, price_places: 2, size_places: 5, symbols }];
        market.list(&listed, 0).expect("known symbols");
        let [bid, bid_qty, ask, ask_qty] = ["100.5", "1", "101.5", "2"].map(str::to_owned);
        market.take(0, &Texts { bid, bid_qty, ask, ask_qty }, 0, 0);
        Rig { hub: Hub::new(vec![market], false), listeners, poll, path: venue.path() }
    }

    /// Connects a client that has not sent its handshake yet.
    pub(crate) fn connect(&mut self, now_ns: u64) -> TcpStream {
        let address = self.listeners.addresses().expect("bound")[0];
        let stream = TcpStream::connect(address).expect("the market listens");
        stream.set_read_timeout(Some(LONG)).expect("a socket");
        self.until(now_ns, |hub| !hub.connections.is_empty());
        stream
    }

    /// Opens a WebSocket in slot 0.
    pub(crate) fn open(&mut self, now_ns: u64) -> Client {
        let stream = self.connect(now_ns);
        self.shake_hands(stream, now_ns)
    }

    /// Turns a connected client, which is in slot 0, into a WebSocket.
    pub(crate) fn shake_hands(&mut self, mut stream: TcpStream, now_ns: u64) -> Client {
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            self.path
        );
        stream.write_all(request.as_bytes()).expect("the market reads");
        self.until(now_ns, |hub| connection(hub).is_open());
        let mut response = Vec::new();
        while !response.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("the market answers");
            response.push(byte[0]);
        }
        WebSocket::from_raw_socket(stream, Role::Client, None)
    }

    /// Accepts and reads what comes over the sockets until `is_done`, all at the time `now_ns`.
    pub(crate) fn until(&mut self, now_ns: u64, is_done: impl Fn(&Hub) -> bool) {
        let mut events = Events::with_capacity(64);
        while !is_done(&self.hub) {
            self.poll.poll(&mut events, Some(LONG)).expect("a poll");
            assert!(!events.is_empty(), "nothing came over the sockets");
            for event in &events {
                match self.listeners.ready(event.token()) {
                    Ready::Connection(slot) => clients::read(&mut self.hub, slot, now_ns),
                    Ready::Listener(market) => self.accept(market, now_ns),
                    Ready::Wake => {}
                }
            }
        }
    }

    /// Flushes whenever the socket can be written, until it has taken everything.
    pub(crate) fn until_written(&mut self, now_ns: u64) {
        let mut events = Events::with_capacity(64);
        loop {
            self.hub.each_live(0, |connection| connection.flush(now_ns));
            if !self.hub.is_blocked() {
                return;
            }
            self.poll.poll(&mut events, Some(LONG)).expect("a poll");
            assert!(!events.is_empty(), "the socket takes nothing");
        }
    }

    fn accept(&mut self, market: usize, now_ns: u64) {
        while let Some(stream) = self.listeners.accept(market) {
            let slot = self.hub.free_slot();
            let transport = self.listeners.open(stream, slot, self.poll.registry());
            let entry = &self.hub.markets[market];
            let (venue, paths) = (entry.venue, entry.order_paths());
            let transport = transport.expect("a socket");
            let connection =
                Connection::new(transport, market, venue, paths, "1".to_owned(), now_ns);
            self.hub.connections[slot] = Some(connection);
        }
    }
}

/// Returns the connection in slot 0.
pub(crate) fn connection(hub: &Hub) -> &Connection {
    hub.connections[0].as_ref().expect("a connection")
}
