//! The venues' listening sockets, and the tokens by which the poll names every socket.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use rustls::ServerConfig;

use crate::connection::Transport;
use crate::error::SimError;
use crate::options::VenueAt;

/// The token that wakes the poll. The listeners' tokens follow, then the connections'.
pub(crate) const WAKE: Token = Token(0);

/// What a token of the poll stands for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    /// The handle of the simulator wants attention.
    Wake,
    /// Clients wait at the listener of this market.
    Listener(usize),
    /// The connection in this slot can be read or written.
    Connection(usize),
}

/// The listening sockets, by market.
#[derive(Debug)]
pub(crate) struct Listeners {
    sockets: Vec<TcpListener>,
    /// Accepted connections speak TLS with this.
    tls: Option<Arc<ServerConfig>>,
}

impl Listeners {
    /// Binds the address of each venue.
    pub(crate) fn bind(
        venues: &[VenueAt],
        tls: Option<Arc<ServerConfig>>,
        registry: &Registry,
    ) -> Result<Listeners, SimError> {
        let mut sockets = Vec::new();
        for (index, at) in venues.iter().enumerate() {
            let listen = || {
                let mut socket = TcpListener::bind(at.bind)?;
                registry.register(&mut socket, Token(1 + index), Interest::READABLE)?;
                Ok(socket)
            };
            let socket = listen().map_err(|source| SimError::Bind { address: at.bind, source })?;
            sockets.push(socket);
        }
        Ok(Listeners { sockets, tls })
    }

    /// Returns the addresses bound, by market.
    pub(crate) fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.sockets.iter().map(TcpListener::local_addr).collect()
    }

    /// Returns what a token stands for.
    pub(crate) fn ready(&self, token: Token) -> Ready {
        let Some(index) = token.0.checked_sub(1) else { return Ready::Wake };
        match index.checked_sub(self.sockets.len()) {
            None => Ready::Listener(index),
            Some(slot) => Ready::Connection(slot),
        }
    }

    /// Accepts the next client of a market; None if nobody is waiting.
    pub(crate) fn accept(&self, market: usize) -> Option<TcpStream> {
        loop {
            match self.sockets[market].accept() {
                Ok((stream, _)) => return Some(stream),
                // This client left before it was accepted; others may be waiting behind it.
                Err(problem) if problem.kind() == io::ErrorKind::ConnectionAborted => {}
                // Nobody is waiting, or something failed that another try would not cure.
                Err(_) => return None,
            }
        }
    }

    /// Registers a client's stream for the connection in `slot`, and wraps it in TLS if asked for.
    pub(crate) fn open(
        &self,
        mut stream: TcpStream,
        slot: usize,
        registry: &Registry,
    ) -> io::Result<Transport> {
        let token = Token(1 + self.sockets.len() + slot);
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Transport::new(stream, self.tls.as_ref())
    }
}
