//! A network in memory whose sockets do exactly what a test specifies.
//!
//! The test's thread drives both ends, so nothing here ever waits and every run is the same. A line
//! holds as many bytes as a kernel would. A test can set how many bytes a call passes, after how
//! many it would block, and which call fails. Like `epoll` in its edge-triggered mode, the poll
//! reports once what became ready.

use spreadwire_engine::broadcast::network::{Network, Outlets, Ready, Socket};
use spreadwire_engine::broadcast::peer::Peer;
use spreadwire_market::clock::{Clock, Nanos};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// Number of bytes that a line holds for its client, unless the test sets another.
const CAPACITY: usize = 256 * 1024;

/// The server's network and the test's handle to it.
#[derive(Clone, Debug, Default)]
pub struct FakeNetwork(Arc<Mutex<Hub>>);

#[derive(Debug, Default)]
struct Hub {
    waiting: VecDeque<Line>,
    /// Errors of the next calls of `accept`.
    accept_failures: VecDeque<ErrorKind>,
    /// Lines that the half that reads watches, and those that the half that writes does.
    watched: Vec<(usize, Line)>,
    awaited: Vec<(usize, Line)>,
    /// Whether a connection has arrived since the last poll.
    has_news: bool,
    /// All lines that were ever made.
    lines: Vec<Line>,
}

impl FakeNetwork {
    fn hub(&self) -> MutexGuard<'_, Hub> {
        self.0.lock().unwrap()
    }

    /// Connects a client.
    pub fn dial(&self) -> Far {
        let line = Line::default();
        let mut hub = self.hub();
        hub.waiting.push_back(line.clone());
        hub.lines.push(line.clone());
        hub.has_news = true;
        Far(line)
    }

    /// Makes the next call of `accept` fail.
    pub fn fail_accept(&self, kind: ErrorKind) {
        let mut hub = self.hub();
        hub.accept_failures.push_back(kind);
        hub.has_news = true;
    }

    /// Returns the number of connections that the server holds.
    pub fn held(&self) -> usize {
        let hub = self.hub();
        let is_held = |line: &&Line| !line.state().near_is_gone;
        hub.lines.iter().filter(is_held).count() - hub.waiting.len()
    }

    /// Returns the number of bytes and connections that were ever passed on.
    pub fn moved(&self) -> u64 {
        self.hub().lines.iter().map(|line| line.state().moved).sum()
    }
}

impl Network for FakeNetwork {
    type Socket = Near;
    type Outlets = FakeNetwork;

    fn outlets(&self) -> io::Result<FakeNetwork> {
        Ok(self.clone())
    }

    fn poll(&mut self, mut report: impl FnMut(Ready)) {
        let mut hub = self.hub();
        if std::mem::take(&mut hub.has_news) {
            report(Ready::Listener);
        }
        hub.watched.retain(|(_, line)| !line.state().near_is_gone);
        for (place, line) in &hub.watched {
            if std::mem::take(&mut line.state().became_readable) {
                report(Ready::Readable(*place));
            }
        }
    }

    fn accept(&mut self) -> io::Result<(Near, Peer)> {
        let mut hub = self.hub();
        if let Some(kind) = hub.accept_failures.pop_front() {
            return Err(kind.into());
        }
        let line = hub.waiting.pop_front().ok_or(ErrorKind::WouldBlock)?;
        line.state().moved += 1;
        let peer = line.state().peer;
        Ok((Near(Arc::new(NearEnd(line))), peer))
    }

    fn watch(&mut self, socket: &Near, place: usize) -> io::Result<()> {
        self.hub().watched.push((place, socket.line().clone()));
        Ok(())
    }
}

impl Outlets for FakeNetwork {
    type Socket = Near;

    fn watch(&mut self, socket: &Near, place: usize) -> io::Result<()> {
        socket.line().state().became_writable = true;
        self.hub().awaited.push((place, socket.line().clone()));
        Ok(())
    }

    fn poll(&mut self, _timeout: Duration, mut report: impl FnMut(usize)) {
        let mut hub = self.hub();
        hub.awaited.retain(|(_, line)| !line.state().near_is_gone);
        for (place, line) in &hub.awaited {
            let mut line = line.state();
            if std::mem::take(&mut line.became_writable) && !line.is_silent {
                report(*place);
            }
        }
    }
}

/// A connection, shared by both ends.
#[derive(Clone, Debug, Default)]
struct Line(Arc<Mutex<State>>);

impl Line {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

/// Behaviour of one call of the server's `write`.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// It accepts at most this many bytes.
    Take(usize),
    /// It fails.
    Fail(ErrorKind),
}

/// Contents and behaviour of a line.
#[derive(Debug)]
pub struct State {
    up: VecDeque<u8>,
    down: VecDeque<u8>,
    /// The client, as the server sees it.
    pub peer: Peer,
    /// Number of bytes that the line holds for the client.
    pub capacity: usize,
    /// Maximum number of bytes that a call of the server passes, in either direction.
    pub chunk: usize,
    /// Number of bytes that the server's writes may still pass before they would block.
    pub budget: usize,
    /// Number of bytes that the client may still read.
    pub allowance: usize,
    /// Behaviour of the server's next writes. After them the line behaves as set above.
    pub script: VecDeque<Step>,
    /// Whether the poll never reports that the line accepts bytes again.
    pub is_silent: bool,
    /// A manual clock, and the time that a read of the server takes.
    pub slow_read: Option<(Clock, Nanos)>,
    was_refused: bool,
    became_readable: bool,
    became_writable: bool,
    near_has_finished: bool,
    near_is_gone: bool,
    far_is_gone: bool,
    moved: u64,
}

impl Default for State {
    fn default() -> State {
        State {
            // Never reallocated, so that a test can count what the agent allocates.
            up: VecDeque::with_capacity(CAPACITY),
            down: VecDeque::with_capacity(CAPACITY),
            peer: Peer::Remote(SocketAddr::from((Ipv4Addr::LOCALHOST, 5000))),
            capacity: CAPACITY,
            chunk: usize::MAX,
            budget: usize::MAX,
            allowance: usize::MAX,
            script: VecDeque::new(),
            is_silent: false,
            slow_read: None,
            was_refused: false,
            became_readable: false,
            became_writable: false,
            near_has_finished: false,
            near_is_gone: false,
            far_is_gone: false,
            moved: 0,
        }
    }
}

impl State {
    /// Returns the number of bytes that the next write may pass.
    fn room(&self) -> usize {
        self.budget.min(self.capacity.saturating_sub(self.down.len()))
    }

    /// Reports space as a kernel does, only once a third of the capacity is free.
    fn note_room(&mut self) {
        if self.was_refused && self.room() >= (self.capacity / 3).max(1) {
            self.was_refused = false;
            self.became_writable = true;
        }
    }

    /// Lets the server's writes pass again as much as fits.
    pub fn lift_budget(&mut self) {
        self.budget = usize::MAX;
        self.note_room();
    }

    /// Returns the number of bytes that wait for the client.
    pub fn held(&self) -> usize {
        self.down.len()
    }

    /// Returns how many bytes a write of `length` passes.
    fn taken(&mut self, length: usize) -> io::Result<usize> {
        if self.far_is_gone {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let limit = match self.script.pop_front() {
            Some(Step::Fail(kind)) => {
                self.was_refused |= kind == ErrorKind::WouldBlock;
                return Err(kind.into());
            }
            Some(Step::Take(count)) => count,
            None if self.room() == 0 => {
                self.was_refused = true;
                return Err(ErrorKind::WouldBlock.into());
            }
            None => self.chunk,
        };
        let taken = limit.min(self.room()).min(length);
        if self.budget != usize::MAX {
            self.budget -= taken;
        }
        self.moved += taken as u64;
        Ok(taken)
    }
}

/// A handle to the server's end, which is closed with its last handle.
#[derive(Clone, Debug)]
pub struct Near(Arc<NearEnd>);

#[derive(Debug)]
struct NearEnd(Line);

impl Near {
    fn line(&self) -> &Line {
        &self.0.0
    }
}

impl Read for Near {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut line = self.line().state();
        if let Some((clock, time)) = &line.slow_read {
            clock.set(clock.now() + time);
        }
        if line.up.is_empty() && !line.far_is_gone {
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = line.up.len().min(into.len()).min(line.chunk);
        line.up.read_exact(&mut into[..count])?;
        line.moved += count as u64;
        Ok(count)
    }
}

impl Write for Near {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut line = self.line().state();
        let taken = line.taken(slices.iter().map(|slice| slice.len()).sum())?;
        let mut left = taken;
        for slice in slices {
            let part = &slice[..slice.len().min(left)];
            line.down.extend(part);
            left -= part.len();
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Socket for Near {
    fn finish(&mut self) -> io::Result<()> {
        let mut line = self.line().state();
        line.near_has_finished = true;
        if line.far_is_gone { Err(ErrorKind::NotConnected.into()) } else { Ok(()) }
    }
}

impl Drop for NearEnd {
    fn drop(&mut self) {
        let mut line = self.0.state();
        line.near_is_gone = true;
        line.near_has_finished = true;
    }
}

/// The client's end.
#[derive(Debug)]
pub struct Far(Line);

impl Far {
    /// Returns the line, to read or to change how it behaves.
    pub fn line(&self) -> MutexGuard<'_, State> {
        self.0.state()
    }
}

impl Read for Far {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut line = self.0.state();
        let count = line.down.len().min(into.len()).min(line.allowance);
        if count == 0 {
            let ended = line.down.is_empty() && line.near_has_finished;
            return if ended { Ok(0) } else { Err(ErrorKind::WouldBlock.into()) };
        }
        line.down.read_exact(&mut into[..count])?;
        if line.allowance != usize::MAX {
            line.allowance -= count;
        }
        line.moved += count as u64;
        line.note_room();
        Ok(count)
    }
}

impl Write for Far {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut line = self.0.state();
        if line.near_is_gone {
            return Err(ErrorKind::BrokenPipe.into());
        }
        line.up.extend(bytes);
        line.became_readable = true;
        line.moved += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        let mut line = self.0.state();
        line.far_is_gone = true;
        line.became_readable = true;
    }
}
