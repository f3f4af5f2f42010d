//! One byte stream to a venue: TCP, with TLS or without, read into a buffer of its own.
//!
//! Blocking while the connector makes it, non-blocking once a feed has it. [`Wire::fill`] reads as
//! much as there is room for with one system call, straight into the buffer, and stamps the time
//! after it. A read that returned less than asked for tells that the socket is empty, and no further
//! system call is made until it may have something again (epoll(7), questions and answers, on
//! edge-triggered streams).
//!
//! `Read` and `Write` are for the WebSocket library alone: it writes whatever it likes, and reads the
//! answer to the upgrade up to its last line, then only what it is [allowed](Wire::allow). It must
//! not know WebSocket or what the bytes mean.

use crate::socket::receive_buffer::ReceiveBuffer;
use crate::socket::socket_options::{self, Control, SocketOptions};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use spreadwire_market::clock::{Clock, Nanos};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

mod tls;
use tls::Tls;

/// What ends the answer to an upgrade.
const HEAD_END: [u8; 4] = *b"\r\n\r\n";

/// What a read gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// Bytes, which wait in the buffer.
    Bytes,
    /// Nothing yet.
    Nothing,
    /// The peer has ended its side, and all was read.
    Ended,
}

/// What is known of the socket's receive buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Empty {
    /// Nothing: the socket must be asked.
    Unknown,
    /// It was, and nobody said since that it may have changed.
    Yes,
    /// The peer has ended its side: ask until the end is read, however short the reads are.
    Ending,
    /// The socket blocks; the question does not arise.
    Blocking,
}

/// A TCP stream whose reads are stamped.
#[derive(Debug)]
struct StampedTcp {
    stream: TcpStream,
    clock: Clock,
    last_read: Nanos,
    bytes_read: u64,
    empty: Empty,
    /// The socket took no more when it was last written to.
    write_blocked: bool,
    /// Where the kernel's stamps are asked for.
    kernel: Option<KernelStamps>,
}

/// The kernel's stamp of what was read last.
#[derive(Debug, Default)]
struct KernelStamps {
    control: Control,
    last: Option<Nanos>,
}

impl StampedTcp {
    /// Reads into the room of `buffer` with one system call.
    #[inline]
    fn receive(&mut self, buffer: &mut ReceiveBuffer) -> io::Result<Received> {
        if self.empty == Empty::Yes {
            return Ok(Received::Nothing);
        }
        let room = buffer.spare();
        debug_assert!(!room.is_empty(), "a read into no room would look like the end");
        let asked = room.len();
        let read = loop {
            match self.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        match read {
            Ok(0) => Ok(Received::Ended),
            Ok(count) => {
                self.last_read = self.clock.now();
                self.bytes_read += count as u64;
                if count < asked && self.empty == Empty::Unknown {
                    self.empty = Empty::Yes;
                }
                buffer.filled(count);
                Ok(Received::Bytes)
            }
            Err(error) => self.found_nothing(error),
        }
    }

    #[inline]
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let Some(stamps) = &mut self.kernel else { return self.stream.read(room) };
        let (count, stamp) =
            socket_options::receive_stamped(&self.stream, room, &mut stamps.control)?;
        stamps.last = stamp;
        Ok(count)
    }

    fn found_nothing(&mut self, error: io::Error) -> io::Result<Received> {
        match self.empty {
            // A blocking socket says so when its time is up.
            Empty::Unknown | Empty::Yes | Empty::Ending
                if error.kind() == io::ErrorKind::WouldBlock =>
            {
                if self.empty == Empty::Unknown {
                    self.empty = Empty::Yes;
                }
                Ok(Received::Nothing)
            }
            Empty::Unknown | Empty::Yes | Empty::Ending | Empty::Blocking => Err(error),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.stream.write(bytes);
        let blocked = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
        self.write_blocked = written.as_ref().err().is_some_and(blocked);
        written
    }
}

/// A byte stream to a venue.
#[derive(Debug)]
pub struct Wire {
    tcp: StampedTcp,
    /// For `wss://`.
    tls: Option<Box<Tls>>,
    /// What the peer sent, decrypted.
    received: ReceiveBuffer,
    /// Bytes that the library may read.
    allowed: usize,
    /// Bytes of [`HEAD_END`] that the library has read in a row; all of them once it is upgraded.
    head_end: usize,
    /// The peer's side has ended, and all was read.
    ended: bool,
    quick_ack: bool,
}

impl Wire {
    /// Over a connected stream whose reads block; the options were asked for.
    #[must_use]
    pub fn new(stream: TcpStream, clock: Clock, options: &SocketOptions) -> Wire {
        let tcp = StampedTcp {
            stream,
            clock,
            last_read: 0,
            bytes_read: 0,
            empty: Empty::Blocking,
            write_blocked: false,
            kernel: options.kernel_timestamps.then(KernelStamps::default),
        };
        let received = ReceiveBuffer::with_capacity(options.receive_buffer_bytes);
        let quick_ack = options.quick_ack;
        Wire { tcp, tls: None, received, allowed: 0, head_end: 0, ended: false, quick_ack }
    }

    /// Makes it secure, blocking.
    ///
    /// # Errors
    /// What the handshake ended with; TLS's own errors are inside.
    pub fn secure(
        &mut self,
        config: &Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> io::Result<()> {
        let tls = Tls::handshake(config, name, &mut self.tcp, &mut self.received)?;
        self.tls = Some(Box::new(tls));
        Ok(())
    }

    /// The longest frame that is waited for in the buffer, header included, bytes: beside it one
    /// record of TLS must have room.
    #[must_use]
    pub fn frame_max(&self) -> usize {
        let beside = if self.tls.is_some() { tls::RECORD_MAX } else { 0 };
        self.received.capacity() - beside
    }

    /// Reads what there is room for, if the socket may have something.
    ///
    /// # Errors
    /// As the OS and TLS have them.
    #[inline]
    pub fn fill(&mut self) -> io::Result<Received> {
        let received = match &mut self.tls {
            None => self.tcp.receive(&mut self.received),
            Some(tls) => tls.fill(&mut self.tcp, &mut self.received),
        }?;
        self.ended |= received == Received::Ended;
        Ok(received)
    }

    /// What was read and not taken.
    #[must_use]
    #[inline]
    pub fn waiting(&self) -> &[u8] {
        self.received.waiting()
    }

    /// Takes the first `count` bytes of what waits.
    ///
    /// # Panics
    /// If fewer wait.
    #[inline]
    pub fn take(&mut self, count: usize) -> &[u8] {
        self.received.take(count)
    }

    /// Lets the library read the first `count` bytes of what waits.
    pub fn allow(&mut self, count: usize) {
        self.allowed += count;
    }

    /// There may be bytes again. `ending` if the peer will send no more.
    #[inline]
    pub fn rearm(&mut self, ending: bool) {
        self.tcp.empty = match (self.tcp.empty, ending) {
            (Empty::Ending, _) | (_, true) => Empty::Ending,
            (Empty::Unknown | Empty::Yes | Empty::Blocking, false) => Empty::Unknown,
        };
    }

    /// When bytes were last read from the socket.
    #[must_use]
    #[inline]
    pub fn last_read(&self) -> Nanos {
        self.tcp.last_read
    }

    /// The kernel's stamp of the youngest bytes of the last read, once; `None` where there is none.
    #[inline]
    pub fn take_kernel_stamp(&mut self) -> Option<Nanos> {
        self.tcp.kernel.as_mut()?.last.take()
    }

    /// Bytes read from the socket so far.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.tcp.bytes_read
    }

    /// Whether what was written waits for the socket.
    #[must_use]
    pub fn is_write_blocked(&self) -> bool {
        self.tcp.write_blocked
    }

    /// Where it is configured: acknowledges what was read.
    #[inline]
    pub fn acknowledge(&self) {
        if self.quick_ack {
            // A lost connection shows at the next read.
            drop(socket_options::acknowledge(&self.tcp.stream));
        }
    }

    /// The descriptor, for readiness.
    #[must_use]
    pub fn fd(&self) -> RawFd {
        self.tcp.stream.as_raw_fd()
    }

    /// Switches from the connector's way of using it to the feed's.
    ///
    /// # Errors
    /// As the OS has them.
    pub fn set_nonblocking(&mut self) -> io::Result<()> {
        self.tcp.stream.set_read_timeout(None)?;
        self.tcp.stream.set_write_timeout(None)?;
        self.tcp.stream.set_nonblocking(true)?;
        self.tcp.empty = Empty::Unknown;
        Ok(())
    }

    /// Whether the library has read the head of an answer to its end, and nothing behind it.
    #[must_use]
    pub fn is_upgraded(&self) -> bool {
        self.head_end == HEAD_END.len()
    }

    /// Lets the library read the answer to the upgrade: up to the last line of its head, for what
    /// stands behind are frames.
    fn allow_head(&mut self) -> io::Result<()> {
        if self.received.waiting().is_empty() {
            self.fill()?;
        }
        for byte in self.received.waiting() {
            self.allowed += 1;
            let continues = HEAD_END[self.head_end] == *byte;
            self.head_end = if continues { self.head_end + 1 } else { usize::from(*byte == b'\r') };
            if self.head_end == HEAD_END.len() {
                break;
            }
        }
        Ok(())
    }
}

/// For the library: what it is allowed to read; the end of the stream once that was read.
impl Read for Wire {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.allowed == 0 {
            match (self.is_upgraded(), self.ended) {
                (true, true) => return Ok(0),
                (true, false) => return Err(io::ErrorKind::WouldBlock.into()),
                (false, _) => self.allow_head()?,
            }
        }
        let count = self.allowed.min(into.len());
        into[..count].copy_from_slice(self.received.take(count));
        self.allowed -= count;
        Ok(count)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.tcp.write(bytes),
            Some(tls) => tls.write(bytes, &mut self.tcp, &mut self.received),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            None => self.tcp.stream.flush(),
            Some(tls) => tls.flush(&mut self.tcp),
        }
    }
}
