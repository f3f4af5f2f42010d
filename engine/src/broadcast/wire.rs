//! One client's socket and the bytes that wait for it.
//!
//! Everything that goes out is queued here and leaves with one `write` per duty cycle, so that a
//! frame encoded once is copied to each client and no frame is ever torn by another. Reading passes
//! through. It must not know WebSocket, messages or other clients.

use crate::clock::{MILLI, Nanos};
use mio::net::TcpStream;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;

/// Queued bytes at which the socket is tried before the cycle's end: half of what a loopback
/// segment carries, so that one cycle's backlog does not pile up beside a socket that takes it.
const FLUSH_AT: usize = 32 * 1024;
/// Bytes offered to one socket in one go: the copy into the kernel stays within some 50 us.
const FLUSH_BYTES_MAX: usize = 256 * 1024;
/// A blocked socket is tried again after this long even if the poll is silent: the kernel reports
/// it writable only once a third of its buffer is free, and a slow client needs long for that.
const RETRY_INTERVAL: Nanos = 5 * MILLI;

/// A socket with its queue.
#[derive(Debug)]
pub(super) struct Wire {
    socket: TcpStream,
    queue: VecDeque<u8>,
    limit: usize,
    readable: bool,
    blocked: bool,
    broken: bool,
    /// Since when the socket has taken nothing.
    waiting_since: Option<Nanos>,
    tried_at: Nanos,
}

impl Wire {
    /// Takes over an accepted socket; at most `limit` bytes wait before [`push`](Wire::push) refuses.
    pub(super) fn new(socket: TcpStream, limit: usize) -> Wire {
        Wire {
            socket,
            queue: VecDeque::new(),
            limit,
            readable: true,
            blocked: false,
            broken: false,
            waiting_since: None,
            tried_at: 0,
        }
    }

    /// The socket, to register and deregister it.
    pub(super) fn socket(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    /// Notes what the poll said; readiness stands until the socket would block.
    pub(super) fn ready(&mut self, readable: bool, writable: bool) {
        self.readable |= readable;
        self.blocked &= !writable;
    }

    /// Queues a frame if it fits within the limit, trying the socket first if it must.
    pub(super) fn push(&mut self, frame: &[u8], now: Nanos) -> bool {
        if self.limit < self.queue.len() + frame.len() {
            self.flush(now);
        }
        let fits = self.queue.len() + frame.len() <= self.limit;
        if fits {
            self.queue.extend(frame);
            if FLUSH_AT <= self.queue.len() {
                self.flush(now);
            }
        }
        fits
    }

    /// Queues what must go out whatever waits: answers and control frames, which the limit of
    /// requests per second bounds.
    pub(super) fn push_always(&mut self, bytes: &[u8]) {
        self.queue.extend(bytes);
    }

    /// Offers the queue to the socket; returns how many bytes it took.
    pub(super) fn flush(&mut self, now: Nanos) -> usize {
        if self.blocked && self.tried_at + RETRY_INTERVAL <= now {
            self.blocked = false;
        }
        let mut taken = 0;
        while !self.queue.is_empty() && !self.blocked && !self.broken && taken < FLUSH_BYTES_MAX {
            let (first, _) = self.queue.as_slices();
            self.tried_at = now;
            match self.socket.write(&first[..first.len().min(FLUSH_BYTES_MAX)]) {
                Ok(0) => self.broken = true,
                Ok(count) => {
                    self.queue.drain(..count);
                    taken += count;
                    self.waiting_since = None;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.blocked = true;
                    self.waiting_since.get_or_insert(now);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.broken = true,
            }
        }
        taken
    }

    /// Bytes that wait.
    pub(super) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Bytes that may wait.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Whether the socket may have something to read.
    pub(super) fn is_readable(&self) -> bool {
        self.readable && !self.broken
    }

    /// Whether bytes wait for a socket that took no more.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked && !self.queue.is_empty()
    }

    /// Whether the socket took no more when it was last tried, whatever the poll has said since.
    pub(super) fn is_full(&self) -> bool {
        self.waiting_since.is_some()
    }

    /// Whether the connection failed; nothing goes in or out any more.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether the socket has taken nothing for `timeout` although bytes wait.
    pub(super) fn is_stuck(&self, now: Nanos, timeout: Nanos) -> bool {
        self.waiting_since.is_some_and(|since| since + timeout <= now)
    }

    /// Ends our direction: the client reads what was sent, then the end.
    pub(super) fn finish(&mut self) {
        self.broken |= self.socket.shutdown(Shutdown::Write).is_err();
    }

    /// Reads and forgets up to one buffer; `false` once the client has ended its direction too.
    pub(super) fn discard(&mut self) -> bool {
        let mut waste = [0; 4096];
        !matches!(self.read(&mut waste), Ok(0))
    }
}

impl Read for Wire {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.socket.read(into);
        match &read {
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable = false,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => self.broken = true,
            Ok(_) => {}
        }
        read
    }
}

/// What tungstenite writes (pongs, the answer to a close) joins the queue as whole frames.
impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push_always(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
