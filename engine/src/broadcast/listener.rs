//! The kernel's side of a network: a listener over TCP or a Unix socket, and its connections.

use super::endpoint::Endpoint;
use super::local::LocalListener;
use super::peer::Peer;
use super::tls::Handover;
use mio::net::{TcpListener, TcpStream, UnixStream};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
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

    pub(super) fn accept(&self) -> io::Result<(Stream, Peer)> {
        let (stream, peer) = self.accept_plain()?;
        let stream = match &self.relay {
            Some(relay) => relay.replace(stream)?,
            None => stream,
        };
        Ok((stream, peer))
    }

    fn accept_plain(&self) -> io::Result<(Stream, Peer)> {
        match &self.kind {
            Kind::Tcp(listener) => {
                let (stream, address) = listener.accept()?;
                Ok((Stream::Tcp(stream), Peer::Remote(address)))
            }
            Kind::Unix(listener) => {
                let (stream, _) = listener.listener.accept()?;
                let user = getsockopt(&stream, PeerCredentials)?.uid();
                Ok((Stream::Unix(stream), Peer::Local(user)))
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

/// A connection that never blocks.
#[derive(Debug)]
pub(super) enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a Unix socket.
    Unix(UnixStream),
}

impl Stream {
    /// Has small messages sent at once.
    pub(super) fn set_nodelay(&self) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.set_nodelay(true),
            Stream::Unix(_) => Ok(()),
        }
    }

    /// Ends our direction, or the whole connection.
    pub(super) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.shutdown(how),
            Stream::Unix(stream) => stream.shutdown(how),
        }
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Stream::Tcp(stream) => stream.as_raw_fd(),
            Stream::Unix(stream) => stream.as_raw_fd(),
        }
    }
}

impl Read for &Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match *self {
            Stream::Tcp(stream) => (&*stream).read(into),
            Stream::Unix(stream) => (&*stream).read(into),
        }
    }
}

impl Write for &Stream {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match *self {
            Stream::Tcp(stream) => (&*stream).write(bytes),
            Stream::Unix(stream) => (&*stream).write(bytes),
        }
    }

    #[inline]
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match *self {
            Stream::Tcp(stream) => (&*stream).write_vectored(slices),
            Stream::Unix(stream) => (&*stream).write_vectored(slices),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
