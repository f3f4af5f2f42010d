//! The listening sockets of the venues, and the tokens that name each socket in the poll.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use rustls::ServerConfig;

use crate::connection::Transport;
use crate::error::SimError;
use crate::options::VenueAt;

/// The token that wakes the poll. The tokens of the listeners follow, then those of the
/// connections.
pub(crate) const WAKE: Token = Token(0);

/// The meaning of a token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    /// The handle of the simulator has woken the poll.
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
    /// TLS configuration of accepted connections, if they use TLS.
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

    /// Returns the addresses that the listeners are bound to, by market.
    pub(crate) fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.sockets.iter().map(TcpListener::local_addr).collect()
    }

    /// Returns the meaning of a token.
    pub(crate) fn ready(&self, token: Token) -> Ready {
        let Some(index) = token.0.checked_sub(1) else { return Ready::Wake };
        match index.checked_sub(self.sockets.len()) {
            None => Ready::Listener(index),
            Some(slot) => Ready::Connection(slot),
        }
    }

    /// Accepts the next client of a market. Returns `None` if no client waits.
    pub(crate) fn accept(&self, market: usize) -> Option<TcpStream> {
        loop {
            match self.sockets[market].accept() {
                Ok((stream, _)) => return Some(stream),
                // This client left before it was accepted. Others may wait behind it.
                Err(problem) if problem.kind() == io::ErrorKind::ConnectionAborted => {}
                // No client waits, or the error would come again at once.
                Err(_) => return None,
            }
        }
    }

    /// Registers the stream of the client in `slot`, and wraps it in TLS if the options ask for it.
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
