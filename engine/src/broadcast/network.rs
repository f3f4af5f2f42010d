//! Where the broadcast's connections come from: TCP in the engine, whatever a test plays in a test.
//!
//! The agent is generic over [`Network`], so that calls to the sockets are static. A network
//! behaves as `epoll` does in its edge-triggered mode: what is ready is reported once, and stands
//! until a call would block.

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use std::fmt::Debug;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

/// Events taken from one poll; the rest comes with the next.
const EVENTS_MAX: usize = 256;
/// The poll's name for the listener; clients are named by their place.
const LISTENER: Token = Token(usize::MAX - 1);

/// A listener and a poll over it and its connections.
pub trait Network: Debug + Send {
    /// One side of a connection.
    type Socket: Socket;

    /// Waits up to `timeout` for anything to become ready and reports it.
    fn poll(&mut self, timeout: Duration, report: impl FnMut(Ready));

    /// Returns the next connection.
    ///
    /// # Errors
    /// `WouldBlock` if there is none; everything else is a connection that could not be accepted.
    fn accept(&mut self) -> io::Result<Self::Socket>;

    /// Has the poll report on a socket under the name of a place.
    ///
    /// # Errors
    /// If the socket cannot be prepared or watched.
    fn watch(&mut self, socket: &mut Self::Socket, place: usize) -> io::Result<()>;
}

/// A socket that never blocks: where it would, it returns `WouldBlock`.
pub trait Socket: Read + Write + Debug + Send {
    /// Ends our direction: the client reads what was sent, then the end.
    ///
    /// # Errors
    /// If the connection has failed.
    fn finish(&mut self) -> io::Result<()>;
}

/// What a poll reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// There may be a connection to accept.
    Listener,
    /// A client's socket became ready.
    Client {
        /// The place under which it is watched.
        place: usize,
        /// Whether there is something to read, or an end to find.
        readable: bool,
        /// Whether it takes bytes again, or has failed.
        writable: bool,
    },
}

/// TCP by way of mio.
#[derive(Debug)]
pub struct Tcp {
    listener: TcpListener,
    poll: Poll,
    events: Events,
}

impl Tcp {
    /// Watches a listener.
    ///
    /// # Errors
    /// If the OS gives no poll, or does not watch the listener.
    pub fn new(mut listener: TcpListener) -> io::Result<Tcp> {
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Tcp { listener, poll, events: Events::with_capacity(EVENTS_MAX) })
    }

    /// Returns the address that clients connect to.
    ///
    /// # Errors
    /// What the OS says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Network for Tcp {
    type Socket = TcpStream;

    fn poll(&mut self, timeout: Duration, mut report: impl FnMut(Ready)) {
        // An interrupted poll reports nothing; the next one will.
        if self.poll.poll(&mut self.events, Some(timeout)).is_err() {
            return;
        }
        for event in &self.events {
            if event.token() == LISTENER {
                report(Ready::Listener);
                continue;
            }
            let ended = event.is_error() || event.is_read_closed();
            report(Ready::Client {
                place: event.token().0,
                readable: event.is_readable() || ended,
                writable: event.is_writable() || ended,
            });
        }
    }

    fn accept(&mut self) -> io::Result<TcpStream> {
        self.listener.accept().map(|(socket, _)| socket)
    }

    fn watch(&mut self, socket: &mut TcpStream, place: usize) -> io::Result<()> {
        socket.set_nodelay(true)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(socket, Token(place), interest)
    }
}

impl Socket for TcpStream {
    fn finish(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}
