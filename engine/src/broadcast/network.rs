//! Where the broadcast's connections come from: sockets in the engine, whatever a test plays in a test.
//!
//! The agents are generic over [`Network`], so that calls to the sockets are static. The reception
//! holds the network and reads; the broadcast holds its [`Outlets`] and writes. A socket is one
//! handle that both hold. A network behaves as `epoll` does in its edge-triggered mode: what is
//! ready is reported once, and stands until a call would block.

use super::byte_stream::ByteStream;
use super::endpoint::Endpoint;
use super::listener::Listener;
use super::peer::Peer;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::fmt::Debug;
use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

/// Events taken from one poll; the rest comes with the next.
const EVENTS_MAX: usize = 256;
/// The poll's name for the listener; connections are named by their place.
const LISTENER: Token = Token(usize::MAX - 1);

/// A listener and a poll over it and what its connections say.
pub trait Network: Debug + Send {
    /// One side of a connection.
    type Socket: Socket;
    /// The poll of the other half.
    type Outlets: Outlets<Socket = Self::Socket>;

    /// Makes the poll over what the connections accept.
    ///
    /// # Errors
    /// If the OS gives none.
    fn outlets(&self) -> io::Result<Self::Outlets>;

    /// Reports what has become ready, without waiting.
    fn poll(&mut self, report: impl FnMut(Ready));

    /// Returns the next connection and its other side.
    ///
    /// # Errors
    /// `WouldBlock` if there is none; everything else is a connection that could not be accepted.
    fn accept(&mut self) -> io::Result<(Self::Socket, Peer)>;

    /// Has the poll report when there is something to read, under the name of a place.
    ///
    /// # Errors
    /// If the socket cannot be prepared or watched.
    fn watch(&mut self, socket: &Self::Socket, place: usize) -> io::Result<()>;
}

/// A poll over what connections accept.
pub trait Outlets: Debug + Send {
    /// One side of a connection.
    type Socket: Socket;

    /// Has the poll report when the socket accepts bytes again, under the name of a place.
    ///
    /// # Errors
    /// If the socket cannot be watched.
    fn watch(&mut self, socket: &Self::Socket, place: usize) -> io::Result<()>;

    /// Waits up to `timeout` for any socket to accept bytes again, or to fail, and reports its
    /// place.
    fn poll(&mut self, timeout: Duration, report: impl FnMut(usize));
}

/// A handle to a socket that never blocks: where it would, it returns `WouldBlock`. The socket is
/// closed with its last handle.
pub trait Socket: Read + Write + Clone + Debug + Send {
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
    /// There is something to read at a place, or an end to find.
    Readable(usize),
}

/// Sockets of the kernel, by way of mio.
#[derive(Debug)]
pub struct Sockets {
    listener: Listener,
    poll: Poll,
    events: Events,
}

impl Sockets {
    /// Watches a listener.
    ///
    /// # Errors
    /// If the OS gives no poll, or does not watch the listener.
    pub fn new(listener: Listener) -> io::Result<Sockets> {
        let poll = Poll::new()?;
        let descriptor = listener.as_raw_fd();
        poll.registry().register(&mut SourceFd(&descriptor), LISTENER, Interest::READABLE)?;
        Ok(Sockets { listener, poll, events: Events::with_capacity(EVENTS_MAX) })
    }

    /// Returns what clients connect to.
    ///
    /// # Errors
    /// What the OS says.
    pub fn endpoint(&self) -> io::Result<Endpoint> {
        self.listener.endpoint()
    }
}

impl Network for Sockets {
    type Socket = StreamSocket;
    type Outlets = SocketOutlets;

    fn outlets(&self) -> io::Result<SocketOutlets> {
        Ok(SocketOutlets { poll: Poll::new()?, events: Events::with_capacity(EVENTS_MAX) })
    }

    fn poll(&mut self, mut report: impl FnMut(Ready)) {
        // An interrupted poll reports nothing; the next one will.
        if self.poll.poll(&mut self.events, Some(Duration::ZERO)).is_err() {
            return;
        }
        for event in &self.events {
            report(match event.token() {
                LISTENER => Ready::Listener,
                Token(place) => Ready::Readable(place),
            });
        }
    }

    fn accept(&mut self) -> io::Result<(StreamSocket, Peer)> {
        let (socket, peer) = self.listener.accept()?;
        Ok((StreamSocket(Arc::new(socket)), peer))
    }

    fn watch(&mut self, socket: &StreamSocket, place: usize) -> io::Result<()> {
        socket.0.set_nodelay()?;
        register(&self.poll, socket, place, Interest::READABLE)
    }
}

/// The poll of the half that writes.
#[derive(Debug)]
pub struct SocketOutlets {
    poll: Poll,
    events: Events,
}

impl Outlets for SocketOutlets {
    type Socket = StreamSocket;

    fn watch(&mut self, socket: &StreamSocket, place: usize) -> io::Result<()> {
        register(&self.poll, socket, place, Interest::WRITABLE)
    }

    fn poll(&mut self, timeout: Duration, mut report: impl FnMut(usize)) {
        if self.poll.poll(&mut self.events, Some(timeout)).is_ok() {
            self.events.iter().for_each(|event| report(event.token().0));
        }
    }
}

/// The kernel forgets a descriptor in both polls once it is closed.
fn register(poll: &Poll, socket: &StreamSocket, place: usize, what: Interest) -> io::Result<()> {
    poll.registry().register(&mut SourceFd(&socket.0.as_raw_fd()), Token(place), what)
}

/// A handle to a socket: one descriptor, whoever holds it.
#[derive(Clone, Debug)]
pub struct StreamSocket(Arc<ByteStream>);

impl Read for StreamSocket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(into)
    }
}

impl Write for StreamSocket {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self.0).write(bytes)
    }

    #[inline]
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self.0).write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Socket for StreamSocket {
    fn finish(&mut self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }
}
