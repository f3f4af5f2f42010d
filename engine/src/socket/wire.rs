//! A byte stream to a venue: TCP with or without TLS, and its receive buffer.
//!
//! The stream blocks while the connector sets it up and is non-blocking once a feed has it.
//! [`Wire::fill`] reads as much as the buffer can hold with one system call, directly into the
//! buffer, and then takes the timestamp. A read that returns less than requested shows that the
//! socket is empty. No further system call is made until it may have data again (epoll(7),
//! "Questions and answers", on edge-triggered streams).
//!
//! While the stream blocks it has a deadline: each read and write waits for no longer than what is
//! left until then, so that a peer whose bytes trickle cannot stretch it.
//!
//! Only the WebSocket library uses `Read` and `Write`. Its writes are unrestricted. It reads the
//! upgrade response up to its last line, and after that only the bytes it is
//! [allowed](Wire::allow).

use crate::socket::receive_buffer::ReceiveBuffer;
use crate::socket::socket_options::{self, Control, SocketOptions};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use spreadwire_market::clock::{Clock, Nanos};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

mod tls;
use tls::Tls;

/// End of the upgrade response's head.
const HEAD_END: [u8; 4] = *b"\r\n\r\n";
/// Bytes of the upgrade response's head that are kept, so that it can be shown if the library refuses
/// it.
const HEAD_KEPT: usize = 4_096;

/// Result of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// Bytes were read and are in the buffer.
    Bytes,
    /// There are no bytes yet.
    Nothing,
    /// The peer has closed its side, and everything was read.
    Ended,
}

/// Knowledge about whether the socket's receive queue is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Empty {
    /// Unknown; the socket must be read.
    Unknown,
    /// It was empty, and no readiness was reported since.
    Yes,
    /// The peer has closed its side: read until the end, even after short reads.
    Ending,
    /// The socket blocks, so this does not matter.
    Blocking,
}

/// A TCP stream that timestamps its reads.
#[derive(Debug)]
struct StampedTcp {
    stream: TcpStream,
    clock: Clock,
    last_read: Nanos,
    bytes_read: u64,
    empty: Empty,
    /// End of the time in which reads and writes may block.
    deadline: Option<Nanos>,
    /// Whether the last write did not fit into the socket.
    write_blocked: bool,
    /// The kernel's timestamps, if they are enabled.
    kernel: Option<KernelStamps>,
}

/// The kernel's timestamp of the last read.
#[derive(Debug, Default)]
struct KernelStamps {
    control: Control,
    last: Option<Nanos>,
}

impl StampedTcp {
    /// Reads into the free space of `buffer` with one system call.
    #[inline]
    fn receive(&mut self, buffer: &mut ReceiveBuffer) -> io::Result<Received> {
        if self.empty == Empty::Yes {
            return Ok(Received::Nothing);
        }
        if self.empty == Empty::Blocking {
            self.keep_deadline()?;
        }
        let room = buffer.spare();
        debug_assert!(!room.is_empty(), "a read into no space looks like the end of the stream");
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

    /// Lets the next read and write of a blocking stream wait for what is left until the deadline.
    #[cold]
    fn keep_deadline(&self) -> io::Result<()> {
        let Some(deadline) = self.deadline else { return Ok(()) };
        let left = Duration::from_nanos(deadline.saturating_sub(self.clock.now()));
        if left.is_zero() {
            return Err(late());
        }
        self.stream.set_read_timeout(Some(left))?;
        self.stream.set_write_timeout(Some(left))
    }

    fn found_nothing(&mut self, error: io::Error) -> io::Result<Received> {
        match self.empty {
            // A blocking socket returns this when its timeout expires.
            Empty::Blocking if error.kind() == io::ErrorKind::WouldBlock => Err(late()),
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
        if self.empty == Empty::Blocking {
            self.keep_deadline()?;
        }
        let written = self.stream.write(bytes);
        let blocked = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
        let is_blocked = written.as_ref().err().is_some_and(blocked);
        if is_blocked && self.empty == Empty::Blocking {
            return Err(late());
        }
        self.write_blocked = is_blocked;
        written
    }
}

/// The error of a blocking read or write at the deadline.
fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the deadline has passed")
}

/// Returns whether an error says that the deadline passed. The operating system's own timeouts are
/// not meant.
#[must_use]
pub fn is_late(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::TimedOut && error.raw_os_error().is_none()
}

/// A byte stream to a venue.
#[derive(Debug)]
pub struct Wire {
    tcp: StampedTcp,
    /// The TLS session, for `wss://`.
    tls: Option<Box<Tls>>,
    /// Unread bytes of the peer, decrypted.
    received: ReceiveBuffer,
    /// Number of bytes that the library may read.
    allowed: usize,
    /// Number of consecutive bytes of [`HEAD_END`] that the library has read; all of them once the
    /// connection is upgraded.
    head_end: usize,
    /// First bytes of the head that the library has read, until they are taken.
    head: Option<Vec<u8>>,
    /// Whether the peer has closed its side and everything was read.
    ended: bool,
    quick_ack: bool,
}

impl Wire {
    /// Wraps a connected stream that blocks. The socket options must have been applied.
    #[must_use]
    pub fn new(stream: TcpStream, clock: Clock, options: &SocketOptions) -> Wire {
        let tcp = StampedTcp {
            stream,
            clock,
            last_read: 0,
            bytes_read: 0,
            empty: Empty::Blocking,
            deadline: None,
            write_blocked: false,
            kernel: options.kernel_timestamps.then(KernelStamps::default),
        };
        let received = ReceiveBuffer::with_capacity(options.receive_buffer_bytes);
        let quick_ack = options.quick_ack;
        let head = Some(Vec::new());
        Wire { tcp, tls: None, received, allowed: 0, head_end: 0, head, ended: false, quick_ack }
    }

    /// Lets reads and writes block until `deadline` at the latest, by the clock of this stream, ns
    /// since 1970. Then they fail with an error that [`is_late`]. Without a deadline they block for
    /// ever.
    pub fn set_deadline(&mut self, deadline: Nanos) {
        self.tcp.deadline = Some(deadline);
    }

    /// Performs the TLS handshake, blocking.
    ///
    /// # Errors
    /// The error that ended the handshake, with TLS's own error inside.
    pub fn secure(
        &mut self,
        config: &Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> io::Result<()> {
        let tls = Tls::handshake(config, name, &mut self.tcp, &mut self.received)?;
        self.tls = Some(Box::new(tls));
        Ok(())
    }

    /// Returns the longest frame that fits the buffer, including its header, bytes. Space for one
    /// TLS record is reserved beside it.
    #[must_use]
    pub fn frame_max(&self) -> usize {
        let beside = if self.tls.is_some() { tls::RECORD_MAX } else { 0 };
        self.received.capacity() - beside
    }

    /// Reads as much as fits the buffer, if the socket may have data.
    ///
    /// # Errors
    /// The error of the operating system or of TLS.
    #[inline]
    pub fn fill(&mut self) -> io::Result<Received> {
        let received = match &mut self.tls {
            None => self.tcp.receive(&mut self.received),
            Some(tls) => tls.fill(&mut self.tcp, &mut self.received),
        }?;
        self.ended |= received == Received::Ended;
        Ok(received)
    }

    /// Returns the bytes that were read but not consumed.
    #[must_use]
    #[inline]
    pub fn waiting(&self) -> &[u8] {
        self.received.waiting()
    }

    /// Consumes the first `count` unread bytes.
    ///
    /// # Panics
    /// If there are fewer than `count` unread bytes.
    #[inline]
    pub fn take(&mut self, count: usize) -> &[u8] {
        self.received.take(count)
    }

    /// Allows the library to read the first `count` unread bytes.
    pub fn allow(&mut self, count: usize) {
        self.allowed += count;
    }

    /// Notes that the socket may have data again. `ending` means that the peer will send no more
    /// after it.
    #[inline]
    pub fn rearm(&mut self, ending: bool) {
        self.tcp.empty = match (self.tcp.empty, ending) {
            (Empty::Ending, _) | (_, true) => Empty::Ending,
            (Empty::Unknown | Empty::Yes | Empty::Blocking, false) => Empty::Unknown,
        };
    }

    /// Returns the time of the last read from the socket.
    #[must_use]
    #[inline]
    pub fn last_read(&self) -> Nanos {
        self.tcp.last_read
    }

    /// Returns the kernel's timestamp of the youngest bytes of the last read, once; `None` if there
    /// is none.
    #[inline]
    pub fn take_kernel_stamp(&mut self) -> Option<Nanos> {
        self.tcp.kernel.as_mut()?.last.take()
    }

    /// Returns the number of bytes read from the socket so far.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.tcp.bytes_read
    }

    /// Returns whether written bytes still wait for the socket.
    #[must_use]
    pub fn is_write_blocked(&self) -> bool {
        self.tcp.write_blocked
    }

    /// Acknowledges received data at once, if this is configured.
    #[inline]
    pub fn acknowledge(&self) {
        if self.quick_ack {
            // A lost connection shows at the next read.
            drop(socket_options::acknowledge(&self.tcp.stream));
        }
    }

    /// Returns the file descriptor, for readiness polling.
    #[must_use]
    pub fn fd(&self) -> RawFd {
        self.tcp.stream.as_raw_fd()
    }

    /// Switches the stream from the connector's blocking mode to the feed's non-blocking mode.
    ///
    /// # Errors
    /// The operating system's error.
    pub fn set_nonblocking(&mut self) -> io::Result<()> {
        self.tcp.stream.set_read_timeout(None)?;
        self.tcp.stream.set_write_timeout(None)?;
        self.tcp.stream.set_nonblocking(true)?;
        self.tcp.empty = Empty::Unknown;
        self.tcp.deadline = None;
        Ok(())
    }

    /// Returns whether the library has read exactly the head of the upgrade response.
    #[must_use]
    pub fn is_upgraded(&self) -> bool {
        self.head_end == HEAD_END.len()
    }

    /// Takes the first bytes of the upgrade response's head, as far as the library has read it.
    pub fn take_head(&mut self) -> Vec<u8> {
        self.head.take().unwrap_or_default()
    }

    /// Allows the library to read the upgrade response up to the last line of its head. The bytes
    /// after it are frames.
    fn allow_head(&mut self) -> io::Result<()> {
        // A read may bring no bytes of the head: a part of a TLS record.
        while self.received.waiting().is_empty() && self.fill()? == Received::Bytes {}
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

/// Read access for the library: returns the bytes it is allowed to read, then the end of the stream
/// once all was read.
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
        if let Some(head) = &mut self.head {
            head.extend_from_slice(&into[..count.min(HEAD_KEPT - head.len())]);
        }
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

#[cfg(test)]
mod tests;
