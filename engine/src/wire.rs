//! One byte stream to a venue: TCP, with TLS or without, that stamps the time after each read.
//!
//! Blocking while the connector makes it, non-blocking once a feed has it. It must not know
//! WebSocket or what the bytes mean.

use crate::clock::{Clock, Nanos};
use rustls::{ClientConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, RawFd};

/// A TCP stream whose reads are stamped.
#[derive(Debug)]
pub struct StampedTcp {
    tcp: TcpStream,
    clock: Clock,
    last_read: Nanos,
    bytes_read: u64,
}

/// A byte stream to a venue.
#[derive(Debug)]
pub enum Wire {
    /// `ws://`
    Plain(StampedTcp),
    /// `wss://`
    Tls(Box<StreamOwned<ClientConnection, StampedTcp>>),
}

impl StampedTcp {
    /// Over a connected stream.
    #[must_use]
    pub fn new(tcp: TcpStream, clock: Clock) -> StampedTcp {
        StampedTcp { tcp, clock, last_read: 0, bytes_read: 0 }
    }
}

impl Read for StampedTcp {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.tcp.read(buf)?;
        self.last_read = self.clock.now();
        self.bytes_read += read as u64;
        Ok(read)
    }
}

impl Write for StampedTcp {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.tcp.write(buf)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}

impl Wire {
    fn tcp(&self) -> &StampedTcp {
        match self {
            Wire::Plain(tcp) => tcp,
            Wire::Tls(tls) => &tls.sock,
        }
    }

    /// When bytes were last read from the socket.
    #[must_use]
    #[inline]
    pub fn last_read(&self) -> Nanos {
        self.tcp().last_read
    }

    /// Bytes read from the socket so far.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.tcp().bytes_read
    }

    /// The descriptor, for readiness.
    #[must_use]
    pub fn fd(&self) -> RawFd {
        self.tcp().tcp.as_raw_fd()
    }

    /// Switches from the connector's way of using it to the feed's.
    ///
    /// # Errors
    /// As the OS has them.
    pub fn set_nonblocking(&self) -> io::Result<()> {
        self.tcp().tcp.set_read_timeout(None)?;
        self.tcp().tcp.set_write_timeout(None)?;
        self.tcp().tcp.set_nonblocking(true)
    }
}

impl Read for Wire {
    #[inline]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Wire::Plain(tcp) => tcp.read(buf),
            Wire::Tls(tls) => tls.read(buf),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Wire::Plain(tcp) => tcp.write(buf),
            Wire::Tls(tls) => tls.write(buf),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Wire::Plain(tcp) => tcp.flush(),
            Wire::Tls(tls) => tls.flush(),
        }
    }
}
