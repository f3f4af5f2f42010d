//! A listener over TCP or a Unix socket, whose connections may pass through the TLS relay.

use super::byte_stream::ByteStream;
use super::endpoint::Endpoint;
use super::local::LocalListener;
use super::peer::Peer;
use super::tls::Handover;
use mio::net::TcpListener;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use std::io;
use std::os::fd::{AsRawFd, RawFd};

/// A listener.
#[derive(Debug)]
pub struct Listener {
    kind: Kind,
    /// Where connections over TLS go.
    relay: Option<Handover>,
}

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    Unix(LocalListener),
}

impl Listener {
    /// Listens, so that what is in use is an error at start.
    ///
    /// # Errors
    /// What the OS says, with the address.
    pub fn bind(endpoint: &Endpoint) -> io::Result<Listener> {
        let kind = match endpoint {
            Endpoint::Tcp(address) => TcpListener::bind(*address).map(Kind::Tcp),
            Endpoint::Unix(path) => LocalListener::bind(path).map(Kind::Unix),
        };
        kind.map(|kind| Listener { kind, relay: None }).map_err(|error| {
            io::Error::new(error.kind(), format!("broadcast on {endpoint}: {error}"))
        })
    }

    /// Has clients speak TLS with a relay.
    #[must_use]
    pub fn over_tls(self, relay: Handover) -> Listener {
        Listener { relay: Some(relay), ..self }
    }

    /// Returns what clients connect to.
    ///
    /// # Errors
    /// What the OS says.
    pub fn endpoint(&self) -> io::Result<Endpoint> {
        match &self.kind {
            Kind::Tcp(listener) => listener.local_addr().map(Endpoint::Tcp),
            Kind::Unix(listener) => Ok(Endpoint::Unix(listener.path().to_owned())),
        }
    }

    pub(super) fn accept(&self) -> io::Result<(ByteStream, Peer)> {
        let (stream, peer) = self.accept_plain()?;
        let stream = match &self.relay {
            Some(relay) => relay.replace(stream)?,
            None => stream,
        };
        Ok((stream, peer))
    }

    fn accept_plain(&self) -> io::Result<(ByteStream, Peer)> {
        match &self.kind {
            Kind::Tcp(listener) => {
                let (stream, address) = listener.accept()?;
                Ok((ByteStream::Tcp(stream), Peer::Remote(address)))
            }
            Kind::Unix(listener) => {
                let (stream, _) = listener.listener.accept()?;
                let user = getsockopt(&stream, PeerCredentials)?.uid();
                Ok((ByteStream::Unix(stream), Peer::Local(user)))
            }
        }
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        match &self.kind {
            Kind::Tcp(listener) => listener.as_raw_fd(),
            Kind::Unix(listener) => listener.as_raw_fd(),
        }
    }
}
