//! A client's byte stream: TCP, with TLS on top if asked for.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// One client's byte stream, over TCP or TLS.
pub(crate) struct Transport {
    line: Line,
    /// Bytes that were read and given back, to be read again.
    unread: VecDeque<u8>,
    /// Number of bytes that the line has taken so far.
    written: u64,
}

enum Line {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Transport {
    /// Wraps an accepted stream, in TLS if `tls` is given.
    pub(crate) fn new(stream: TcpStream, tls: Option<&Arc<ServerConfig>>) -> io::Result<Transport> {
        stream.set_nodelay(true)?;
        let line = match tls {
            None => Line::Plain(stream),
            Some(config) => {
                let server = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
                Line::Tls(Box::new(StreamOwned::new(server, stream)))
            }
        };
        Ok(Transport { line, unread: VecDeque::new(), written: 0 })
    }

    /// Returns the number of bytes that the line has taken so far.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Gives bytes back, which are read again before what follows them.
    pub(crate) fn unread(&mut self, bytes: Vec<u8>) {
        self.unread = bytes.into();
    }

    /// Returns the TCP stream.
    pub(crate) fn tcp(&mut self) -> &mut TcpStream {
        match &mut self.line {
            Line::Plain(stream) => stream,
            Line::Tls(stream) => &mut stream.sock,
        }
    }
}

impl Read for Transport {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.unread.is_empty() {
            return self.unread.read(buffer);
        }
        match &mut self.line {
            Line::Plain(stream) => stream.read(buffer),
            Line::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = match &mut self.line {
            Line::Plain(stream) => stream.write(bytes),
            Line::Tls(stream) => stream.write(bytes),
        }?;
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.line {
            Line::Plain(stream) => stream.flush(),
            Line::Tls(stream) => stream.flush(),
        }
    }
}
