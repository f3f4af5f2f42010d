//! One connection over TLS: plain bytes on the inner socket, encrypted ones on the outer.
//!
//! Each direction holds one buffer and reads only once that is empty.

use super::Pair;
use crate::broadcast::byte_stream::ByteStream;
use mio::net::UnixStream;
use rustls::{ServerConfig, ServerConnection};
use spreadwire_market::clock::{Nanos, SECOND};
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;

/// Most bytes that are read at once, and that wait in one direction: a record of TLS.
pub(super) const BUFFER_BYTES: usize = 16 * 1024;
/// Most bytes of a session: its buffers of each direction, plain and encrypted, and the library's own.
pub(super) const BYTES_MAX: usize = 8 * BUFFER_BYTES;
/// Most rounds of one step: a session that could go on does so in the next cycle.
const ROUNDS_MAX: usize = 8;
/// Once our side has ended, the client has this long to read the rest: somewhat longer than the
/// reception gives it.
const LINGER: Nanos = 2 * SECOND;

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It waits for one of its sockets.
    Waits,
    /// There is more to do at once.
    GoesOn,
    /// It is over, as is usual.
    Ended,
    /// The client does not speak TLS as we do.
    Failed,
}

/// The two sockets and what is between them.
#[derive(Debug)]
pub(super) struct Session {
    tls: ServerConnection,
    outer: ByteStream,
    inner: UnixStream,
    /// Plain bytes of the client that the inner socket has not taken yet.
    inward: Vec<u8>,
    taken: usize,
    /// Whether the client will say no more, and whether the inner socket was told.
    outer_has_ended: bool,
    inner_is_told: bool,
    /// When our side said that it will say no more, whether that is queued behind all else, and
    /// whether the client was told.
    inner_ended_at: Option<Nanos>,
    end_is_said: bool,
    outer_is_told: bool,
}

impl Session {
    /// Begins with a handshake to come.
    pub(super) fn new(pair: Pair, config: &Arc<ServerConfig>) -> Result<Session, rustls::Error> {
        let mut tls = ServerConnection::new(Arc::clone(config))?;
        tls.set_buffer_limit(Some(2 * BUFFER_BYTES));
        Ok(Session {
            tls,
            outer: pair.outer,
            inner: pair.inner,
            inward: Vec::new(),
            taken: 0,
            outer_has_ended: false,
            inner_is_told: false,
            inner_ended_at: None,
            end_is_said: false,
            outer_is_told: false,
        })
    }

    /// Returns the sockets, to watch them.
    pub(super) fn sockets(&self) -> (&ByteStream, &UnixStream) {
        (&self.outer, &self.inner)
    }

    /// Returns whether the time to read the rest is over.
    pub(super) fn is_overdue(&self, now: Nanos) -> bool {
        self.inner_ended_at.is_some_and(|since| since + LINGER <= now)
    }

    /// Passes on what there is; `scratch` is where it is read into.
    pub(super) fn step(&mut self, scratch: &mut [u8; BUFFER_BYTES], now: Nanos) -> Step {
        for _ in 0..ROUNDS_MAX {
            let moved = match self.pass(scratch, now) {
                Ok(moved) => moved,
                Err(error) if error.kind() == ErrorKind::InvalidData => return self.fail(),
                Err(_) => return Step::Ended,
            };
            if self.is_over() {
                return Step::Ended;
            }
            if !moved {
                return Step::Waits;
            }
        }
        Step::GoesOn
    }

    fn is_over(&self) -> bool {
        let is_told = self.outer_is_told || self.tls.is_handshaking();
        self.outer_has_ended && self.inner_ended_at.is_some() && is_told
    }

    /// Tells the client what is wrong with it, as far as its socket takes it.
    fn fail(&mut self) -> Step {
        drop(self.tls.write_tls(&mut &self.outer));
        Step::Failed
    }

    fn pass(&mut self, scratch: &mut [u8; BUFFER_BYTES], now: Nanos) -> io::Result<bool> {
        // Both directions have their turn, whether or not the first one moves.
        let inward = self.pass_inward(scratch)?;
        let outward = self.pass_outward(scratch, now)?;
        Ok(inward || outward)
    }

    fn pass_inward(&mut self, scratch: &mut [u8; BUFFER_BYTES]) -> io::Result<bool> {
        if self.taken < self.inward.len() {
            let Some(count) = ready(|| (&self.inner).write(&self.inward[self.taken..]))? else {
                return Ok(false);
            };
            self.taken += count;
            return Ok(true);
        }
        if self.outer_has_ended {
            let is_news = !std::mem::replace(&mut self.inner_is_told, true);
            if is_news {
                self.inner.shutdown(Shutdown::Write)?;
            }
            return Ok(is_news);
        }
        self.read_outer(scratch)
    }

    /// Takes plain bytes that are decrypted, or else reads encrypted ones.
    fn read_outer(&mut self, scratch: &mut [u8; BUFFER_BYTES]) -> io::Result<bool> {
        match self.tls.reader().read(scratch) {
            Ok(0) => self.outer_has_ended = true,
            Ok(count) => {
                self.inward.clear();
                self.inward.extend(&scratch[..count]);
                self.taken = 0;
            }
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => self.outer_has_ended = true,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if ready(|| self.tls.read_tls(&mut &self.outer))?.is_none() {
                    return Ok(false);
                }
                let bad = |error| io::Error::new(ErrorKind::InvalidData, error);
                self.tls.process_new_packets().map_err(bad)?;
            }
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    fn pass_outward(&mut self, scratch: &mut [u8; BUFFER_BYTES], now: Nanos) -> io::Result<bool> {
        if self.tls.wants_write() {
            return ready(|| self.tls.write_tls(&mut &self.outer)).map(|sent| sent.is_some());
        }
        if self.inner_ended_at.is_some() {
            return self.end_outer();
        }
        // Before the end of the handshake nothing can be sent; the little that is said is kept.
        let Some(count) = ready(|| (&self.inner).read(scratch))? else { return Ok(false) };
        if count == 0 {
            self.inner_ended_at = Some(now);
        }
        self.tls.writer().write_all(&scratch[..count])?;
        Ok(true)
    }

    /// Tells the client, behind all that it was sent, that no more will come.
    fn end_outer(&mut self) -> io::Result<bool> {
        if self.tls.is_handshaking() || self.outer_is_told {
            return Ok(false);
        }
        if self.end_is_said {
            self.outer_is_told = true;
            self.outer.shutdown(Shutdown::Write)?;
        } else {
            self.end_is_said = true;
            self.tls.send_close_notify();
        }
        Ok(true)
    }
}

/// Returns what a call did, and `None` if it would block.
fn ready(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<Option<usize>> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            done => return done.map(Some),
        }
    }
}
