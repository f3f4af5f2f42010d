//! The bytes of one connection, over TCP, TLS or a Unix socket, with reads that end at a deadline.

use crate::server::{Route, Server};
use anyhow::Context;
use rustls::{ClientConnection, StreamOwned};
use spreadwire_market::clock::{Clock, Nanos};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

/// A connection.
#[derive(Debug)]
pub(crate) enum Transport {
    /// Without encryption.
    Plain(Timed),
    /// With it.
    Tls(Box<StreamOwned<ClientConnection, Timed>>),
}

impl Transport {
    /// Connects to a server; reads and writes may take up to `patience`.
    pub(crate) fn open(
        server: &Server,
        clock: &Clock,
        patience: Duration,
    ) -> anyhow::Result<Transport> {
        let timed = |socket: Socket| -> anyhow::Result<Timed> {
            socket.set_timeouts(patience)?;
            let mut timed = Timed { socket, clock: clock.clone(), until: 0 };
            timed.allow(patience);
            Ok(timed)
        };
        match &server.route {
            Route::Plain { host, port } => {
                Ok(Transport::Plain(timed(Socket::Tcp(connect(host, *port, patience)?))?))
            }
            Route::Tls { host, port, name, config } => {
                let socket = timed(Socket::Tcp(connect(host, *port, patience)?))?;
                let session = ClientConnection::new(Arc::clone(config), name.clone())?;
                Ok(Transport::Tls(Box::new(StreamOwned::new(session, socket))))
            }
            Route::Unix(path) => {
                let socket = UnixStream::connect(path)
                    .with_context(|| format!("cannot connect to {}", path.display()))?;
                Ok(Transport::Plain(timed(Socket::Unix(socket))?))
            }
        }
    }

    fn timed(&mut self) -> &mut Timed {
        match self {
            Transport::Plain(timed) => timed,
            Transport::Tls(stream) => &mut stream.sock,
        }
    }

    /// Lets reads wait for `patience` from now on.
    pub(crate) fn allow(&mut self, patience: Duration) {
        self.timed().allow(patience);
    }

    /// Makes reads and writes return at once from now on, for whoever waits until the socket is ready.
    pub(crate) fn stop_waiting(&mut self) -> std::io::Result<()> {
        let timed = self.timed();
        timed.until = Nanos::MAX;
        match &timed.socket {
            Socket::Tcp(socket) => socket.set_nonblocking(true),
            Socket::Unix(socket) => socket.set_nonblocking(true),
        }
    }

    /// Returns the socket, to wait until it is ready.
    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        let timed = match self {
            Transport::Plain(timed) => timed,
            Transport::Tls(stream) => &stream.sock,
        };
        match &timed.socket {
            Socket::Tcp(socket) => socket.as_fd(),
            Socket::Unix(socket) => socket.as_fd(),
        }
    }

    /// Lets a single read wait for `patience`.
    pub(crate) fn set_read_timeout(&mut self, patience: Duration) -> std::io::Result<()> {
        match &self.timed().socket {
            Socket::Tcp(socket) => socket.set_read_timeout(Some(patience)),
            Socket::Unix(socket) => socket.set_read_timeout(Some(patience)),
        }
    }
}

impl Read for Transport {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Transport::Plain(timed) => timed.read(bytes),
            Transport::Tls(stream) => stream.read(bytes),
        }
    }
}

impl Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Transport::Plain(timed) => timed.write(bytes),
            Transport::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Transport::Plain(timed) => timed.flush(),
            Transport::Tls(stream) => stream.flush(),
        }
    }
}

fn connect(host: &str, port: u16, patience: Duration) -> anyhow::Result<TcpStream> {
    let addresses = (host, port).to_socket_addrs();
    let mut addresses = addresses.with_context(|| format!("{host} has no address"))?;
    let address = addresses.next().with_context(|| format!("{host} has no address"))?;
    let socket = TcpStream::connect_timeout(&address, patience)
        .with_context(|| format!("cannot connect to {address}"))?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    fn set_timeouts(&self, patience: Duration) -> std::io::Result<()> {
        let patience = Some(patience);
        match self {
            Socket::Tcp(socket) => {
                socket.set_read_timeout(patience)?;
                socket.set_write_timeout(patience)
            }
            Socket::Unix(socket) => {
                socket.set_read_timeout(patience)?;
                socket.set_write_timeout(patience)
            }
        }
    }
}

/// A socket whose reads end at a deadline, even if the peer sends a byte now and then.
#[derive(Debug)]
pub(crate) struct Timed {
    socket: Socket,
    clock: Clock,
    until: Nanos,
}

impl Timed {
    fn allow(&mut self, patience: Duration) {
        let patience = u64::try_from(patience.as_nanos()).unwrap_or(Nanos::MAX);
        self.until = self.clock.now().saturating_add(patience);
    }
}

impl Read for Timed {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        if self.until < self.clock.now() {
            return Err(ErrorKind::WouldBlock.into());
        }
        match &mut self.socket {
            Socket::Tcp(socket) => socket.read(bytes),
            Socket::Unix(socket) => socket.read(bytes),
        }
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match &mut self.socket {
            Socket::Tcp(socket) => socket.write(bytes),
            Socket::Unix(socket) => socket.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match &mut self.socket {
            Socket::Tcp(socket) => socket.flush(),
            Socket::Unix(socket) => socket.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spreadwire_market::clock::SECOND;
    use std::net::TcpListener;

    #[test]
    fn a_read_ends_at_its_deadline_although_bytes_are_there() {
        let patience = Duration::from_millis(100);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, _) = listener.accept().unwrap();
        peer.write_all(b"abc").unwrap();
        let clock = Clock::manual(SECOND);
        let socket = Socket::Tcp(socket);
        let mut timed = Timed { socket, clock: clock.clone(), until: 0 };
        let mut byte = [0];
        timed.allow(patience);
        assert_eq!(timed.read(&mut byte).unwrap(), 1);
        clock.set(SECOND + u64::try_from(patience.as_nanos()).unwrap() + 1);
        assert_eq!(timed.read(&mut byte).unwrap_err().kind(), ErrorKind::WouldBlock);
        timed.allow(patience);
        assert_eq!((timed.read(&mut byte).unwrap(), byte), (1, *b"b"));
    }
}
