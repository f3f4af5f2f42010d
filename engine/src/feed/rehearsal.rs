//! A venue's connection in virtual time, without sockets.
//!
//! A rehearsal runs the same lines, desk and health machines as a feed. The caller plays everything
//! around them: the connector, the venue at the far end of each line, and the clock. Whatever the
//! connection then sends, says or asks for can be taken. Nothing waits, and equal calls give equal
//! results. The tests that replay public reports are built on it.

use super::cold::{ColdSide, Notice};
use super::connection::{Around, Connection, ConnectionPlan};
use super::line::Socket;
use super::outlet::Outlet;
use crate::runtime::ring::{self, EdgeCounters};
use crate::runtime::stopwatch::Stopwatch;
use crate::socket::connect_error::ConnectError;
use crate::socket::connector::{Connected, Request};
use crate::socket::web_socket::Taken;
use crossbeam::channel::{self, Receiver, Sender};
use spreadwire_market::backoff::Backoff;
use spreadwire_market::clock::{Clock, Nanos};
use spreadwire_market::counters::Counters;
use spreadwire_market::record::Record;
use spreadwire_venues::health::LINES_MAX;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::rc::Rc;
use tungstenite::{Error, Message};

/// Records on the edge before the rest waits in the outlet.
const EDGE: usize = 1 << 10;
/// Notices before further ones are dropped.
const NOTICES: usize = 1 << 10;
/// Seed of the reconnect jitter.
const SEED: u64 = 11;

/// A message at the far end of a line, in either direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A text.
    Text(String),
    /// Bytes that are no text.
    Binary(Vec<u8>),
    /// A ping frame from us, or its answer from the venue.
    Beat,
    /// The begin of a closing handshake.
    Close,
}

/// One connection, and the two sides around it.
#[derive(Debug)]
pub struct Rehearsal {
    clock: Clock,
    connection: Connection<NearEnd>,
    cold: ColdSide,
    requests: Receiver<Request>,
    notices: Receiver<Notice>,
    _answers: Sender<Connected>,
    outlet: Outlet,
    records: ring::Receiver,
    stopwatch: Stopwatch,
    kernel: Stopwatch,
    event: Stopwatch,
    counters: Counters,
    lines: [FarEnd; LINES_MAX],
}

impl Rehearsal {
    /// Makes a connection that is not open yet, as a feed does from a plan.
    #[must_use]
    pub fn new(plan: ConnectionPlan) -> Rehearsal {
        let (clock, counters) = (Clock::manual(0), Counters::default());
        let (request, requests) = channel::bounded(LINES_MAX);
        let (answer, answers) = channel::bounded(1);
        let (notice, notices) = channel::bounded(NOTICES);
        let (edge, records) = ring::hold(EDGE, EdgeCounters::default());
        let stopwatch = |stage| Stopwatch::alone(stage, clock.clone());
        Rehearsal {
            connection: Connection::new(0, 0, plan, &Backoff::new(SEED), &counters),
            cold: ColdSide { requests: request, answers, notices: notice, frames: None },
            requests,
            notices,
            _answers: answer,
            outlet: Outlet::new(edge),
            records,
            stopwatch: stopwatch("read_to_quote"),
            kernel: stopwatch("kernel_to_read"),
            event: stopwatch("event_to_read"),
            clock,
            counters,
            lines: Default::default(),
        }
    }

    /// Lets the connection do what is due at this time, and read whatever the venue has sent.
    pub fn turn(&mut self, now: Nanos) {
        self.clock.set(now);
        let Rehearsal { connection, cold, outlet: output, clock, stopwatch, kernel, event, .. } =
            self;
        let mut pass = |record| output.pass(record);
        connection.keep_up(now, cold, None, &mut pass);
        connection.on_time(now, cold, &mut pass);
        for line in 0..LINES_MAX {
            connection.ask_again(line);
            loop {
                let mut around = Around { output, cold, clock, stopwatch, kernel, event };
                if connection.read(line, &mut around, None) == 0 {
                    break;
                }
            }
        }
    }

    /// Tells the connection that its thread was held up until now, as a feed does that notices it.
    pub fn hold_up(&mut self, now: Nanos) {
        let Rehearsal { connection, outlet, .. } = self;
        connection.on_held_up(now, &mut |record| outlet.pass(record));
    }

    /// Takes the numbers of the lines for which a socket is asked.
    pub fn take_requests(&mut self) -> Vec<usize> {
        self.requests.try_iter().map(|request| request.connection).collect()
    }

    /// Answers a request with a new socket.
    pub fn connect(&mut self, line: usize, now: Nanos) {
        self.clock.set(now);
        let far = FarEnd::default();
        let socket = NearEnd { far: far.clone(), clock: self.clock.clone(), message: Vec::new() };
        self.lines[line] = far;
        let Rehearsal { connection, cold, outlet, .. } = self;
        connection.opened(line, Box::new(socket), now, cold, &mut |record| outlet.pass(record));
    }

    /// Answers a request with the reason why there is no socket.
    pub fn refuse(&mut self, line: usize, why: &str, now: Nanos) {
        let error = ConnectError::Upgrade(why.to_owned());
        self.connection.not_opened(line, &error, now, &self.cold);
    }

    /// Lets the venue send something on a line, to be read at the next turn.
    pub fn send(&mut self, line: usize, said: Said) {
        self.lines[line].0.borrow_mut().sent.push_back(Ok(said));
    }

    /// Lets the venue end a line.
    pub fn end(&mut self, line: usize, error: Error) {
        self.lines[line].0.borrow_mut().sent.push_back(Err(error));
    }

    /// Takes what the connection has sent on a line.
    pub fn take_sent(&mut self, line: usize) -> Vec<Said> {
        std::mem::take(&mut self.lines[line].0.borrow_mut().received)
    }

    /// Takes the records for the calculator.
    pub fn take_records(&mut self) -> Vec<Record> {
        let mut records = Vec::new();
        loop {
            if self.records.drain(|record| records.push(*record)) == 0 && self.outlet.has_room() {
                return records;
            }
        }
    }

    /// Takes the notices for the log.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        self.notices.try_iter().collect()
    }

    /// Returns the counters, which are named as in an engine.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}

/// The venue's end of a line.
#[derive(Clone, Debug, Default)]
struct FarEnd(Rc<RefCell<Wires>>);

#[derive(Debug, Default)]
struct Wires {
    /// By the venue, and not read yet.
    sent: VecDeque<Result<Said, Error>>,
    received: Vec<Said>,
    /// Bytes that were read.
    bytes: u64,
}

/// Our end of a line. What it reads was read now.
#[derive(Debug)]
struct NearEnd {
    far: FarEnd,
    clock: Clock,
    message: Vec<u8>,
}

impl Socket for NearEnd {
    fn take(&mut self) -> Result<(Taken<'_>, Nanos), Error> {
        let now = self.clock.now();
        let Some(sent) = self.far.0.borrow_mut().sent.pop_front() else {
            return Ok((Taken::Nothing, 0));
        };
        let (bytes, is_text) = match sent? {
            Said::Text(text) => (text.into_bytes(), true),
            Said::Binary(bytes) => (bytes, false),
            Said::Beat | Said::Close => {
                self.far.0.borrow_mut().bytes += 2;
                return Ok((Taken::Control, now));
            }
        };
        self.far.0.borrow_mut().bytes += bytes.len() as u64;
        self.message = bytes;
        let taken = if is_text { Taken::Text(&self.message) } else { Taken::Binary(&self.message) };
        Ok((taken, now))
    }

    fn send(&mut self, message: Message) -> Result<(), Error> {
        let said = match message {
            Message::Text(text) => Said::Text(text.to_string()),
            Message::Binary(bytes) => Said::Binary(bytes.to_vec()),
            Message::Ping(_) | Message::Pong(_) => Said::Beat,
            Message::Close(_) | Message::Frame(_) => Said::Close,
        };
        self.far.0.borrow_mut().received.push(said);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        self.far.0.borrow_mut().received.push(Said::Close);
        Ok(())
    }

    fn rearm(&mut self, _: bool) {}

    fn acknowledge(&self) {}

    fn bytes_read(&self) -> u64 {
        self.far.0.borrow().bytes
    }

    fn is_unfinished(&self) -> bool {
        false
    }

    fn take_kernel_stamp(&mut self) -> Option<(Nanos, Nanos)> {
        None
    }

    fn fd(&self) -> RawFd {
        -1
    }
}
