//! A connection of the kernel's, over TCP or a Unix socket.

use mio::net::{TcpStream, UnixStream};
use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, RawFd};

/// A connection that never blocks.
#[derive(Debug)]
pub(super) enum ByteStream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a Unix socket.
    Unix(UnixStream),
}

impl ByteStream {
    /// Has small messages sent at once.
    pub(super) fn set_nodelay(&self) -> io::Result<()> {
        match self {
            ByteStream::Tcp(stream) => stream.set_nodelay(true),
            ByteStream::Unix(_) => Ok(()),
        }
    }

    /// Ends our direction, or the whole connection.
    pub(super) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            ByteStream::Tcp(stream) => stream.shutdown(how),
            ByteStream::Unix(stream) => stream.shutdown(how),
        }
    }
}

impl AsRawFd for ByteStream {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            ByteStream::Tcp(stream) => stream.as_raw_fd(),
            ByteStream::Unix(stream) => stream.as_raw_fd(),
        }
    }
}

impl Read for &ByteStream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match *self {
            ByteStream::Tcp(stream) => (&*stream).read(into),
            ByteStream::Unix(stream) => (&*stream).read(into),
        }
    }
}

impl Write for &ByteStream {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match *self {
            ByteStream::Tcp(stream) => (&*stream).write(bytes),
            ByteStream::Unix(stream) => (&*stream).write(bytes),
        }
    }

    #[inline]
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match *self {
            ByteStream::Tcp(stream) => (&*stream).write_vectored(slices),
            ByteStream::Unix(stream) => (&*stream).write_vectored(slices),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
