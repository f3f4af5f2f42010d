//! One client's socket and the queue of what waits for it.
//!
//! Everything that goes out is queued here and leaves with one `writev` per duty cycle, straight
//! out of the log that all clients share, so that no frame is copied for a client or torn by
//! another.

use super::log::Log;
use super::network::Socket;
use super::queue::Queue;
use spreadwire_market::clock::{MILLI, Nanos};
use std::io::{self, ErrorKind, IoSlice};

/// Most bytes offered to one socket per cycle: the copy into the kernel stays within some 50 us.
const FLUSH_BYTES_MAX: usize = 256 * 1024;
/// Most slices offered to one socket per call: a client that wants everything needs few, one with
/// filters many.
const SLICES_MAX: usize = 64;
/// A blocked socket is tried again after this long even if the poll is silent: the kernel reports
/// it writable only once a third of its buffer is free, and a slow client needs long for that.
const RETRY_INTERVAL: Nanos = 5 * MILLI;

/// A socket with its queue.
#[derive(Debug)]
pub(super) struct Wire<S> {
    socket: S,
    queue: Queue,
    /// Most bytes that may wait.
    limit: usize,
    blocked: bool,
    broken: bool,
    /// Time since which the socket has taken nothing.
    waiting_since: Option<Nanos>,
    tried_at: Nanos,
}

impl<S: Socket> Wire<S> {
    /// Takes over a socket for which at most `limit` bytes shall wait.
    pub(super) fn new(socket: S, queue: Queue, limit: usize) -> Wire<S> {
        Wire {
            socket,
            queue,
            limit,
            blocked: false,
            broken: false,
            waiting_since: None,
            tried_at: 0,
        }
    }

    /// Notes that the poll says that the socket accepts bytes again, or has failed.
    pub(super) fn ready(&mut self) {
        self.blocked = false;
    }

    /// Returns what waits.
    pub(super) fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Returns what waits, to add to it.
    pub(super) fn queue_mut(&mut self) -> &mut Queue {
        &mut self.queue
    }

    /// Queues answers and control frames, which go out whatever waits. The limit of requests per
    /// second bounds them.
    pub(super) fn push_always(&mut self, bytes: &[u8]) {
        self.queue.push(bytes);
    }

    /// Offers the queue to the socket; returns how many bytes it took.
    #[inline]
    pub(super) fn flush(&mut self, log: &Log, now: Nanos) -> usize {
        if self.queue.bytes() == 0 || self.broken {
            return 0;
        }
        if self.blocked && self.tried_at + RETRY_INTERVAL <= now {
            self.blocked = false;
        }
        let mut taken = 0;
        while self.queue.bytes() > 0 && !self.blocked && !self.broken && taken < FLUSH_BYTES_MAX {
            self.tried_at = now;
            match self.offer(log) {
                Ok(0) => self.broken = true,
                Ok(count) => {
                    self.queue.advance(count, log);
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

    fn offer(&mut self, log: &Log) -> io::Result<usize> {
        let mut few = [IoSlice::new(&[]); 4];
        let (count, total) = self.queue.gather(log, FLUSH_BYTES_MAX, &mut few);
        if count == 1 {
            return self.socket.write(&few[0]);
        }
        if count < few.len() || total == FLUSH_BYTES_MAX {
            return self.socket.write_vectored(&few[..count]);
        }
        let mut many = [IoSlice::new(&[]); SLICES_MAX];
        let (count, _) = self.queue.gather(log, FLUSH_BYTES_MAX, &mut many);
        self.socket.write_vectored(&many[..count])
    }

    /// Returns the number of bytes that wait.
    pub(super) fn queued(&self) -> usize {
        self.queue.bytes()
    }

    /// Returns the number of bytes that may wait.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Returns whether bytes wait for a socket that took no more.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked && self.queue.bytes() > 0
    }

    /// Returns whether the socket took no more when it was last tried, whatever the poll has said
    /// since.
    pub(super) fn is_full(&self) -> bool {
        self.waiting_since.is_some()
    }

    /// Returns whether the connection failed; nothing goes in or out any more.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Returns whether the socket has taken nothing for `timeout` although bytes wait.
    pub(super) fn is_stuck(&self, now: Nanos, timeout: Nanos) -> bool {
        self.waiting_since.is_some_and(|since| since + timeout <= now)
    }

    /// Ends our direction: the client reads what was sent, then the end.
    pub(super) fn finish(&mut self) {
        self.broken |= self.socket.finish().is_err();
    }
}
