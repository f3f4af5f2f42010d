//! The agent that reads venues' sockets: frames in, quotes and changes of state out.
//!
//! In each duty cycle a feed reads one ready socket. It stamps each read, has the frames decoded by
//! the venue's protocol, passes the messages through the state machine of their instrument, and sends
//! the records to the calculator. It keeps heartbeats and subscriptions going, and asks the connector
//! (a cold thread) for a new socket when one is lost, so that a reconnect of one connection never
//! stalls the others. A few sockets are read in turn; more of them are read only when the kernel says
//! that they have something ([`DIRECT_MAX`]).

use crate::runtime::agent::{Agent, Report};
use crate::runtime::ring::HoldSender;
use crate::runtime::stopwatch::Stopwatch;
use crate::socket::connect_error::ConnectError;
use crate::socket::connector::Connected;
use crate::socket::web_socket::WebSocket;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token};
use spreadwire_lake::stage::{Stage, StageCounter};
use spreadwire_market::backoff::Backoff;
use spreadwire_market::clock::{Clock, MILLI, Nanos};
use spreadwire_market::counters::Counters;
use std::io;
use std::time::Duration;

mod cold;
mod connection;
mod desk;
mod line;
mod outlet;
#[cfg(test)]
mod rig;

pub use cold::{ColdSide, Notice};
pub use connection::ConnectionPlan;
pub use line::FRAMES_PER_TURN;

use connection::{Around, Connection};
use outlet::Outlet;

/// The stage whose latency a feed reports: receive time to the quote being on the edge.
pub const STAGE: &str = "read_to_quote";
/// The stage before it, where the kernel stamps what it receives: the kernel's stamp of the youngest
/// segment of a read to the receive time.
pub const KERNEL_STAGE: &str = "kernel_to_read";

/// Up to this many connections are read in turn without asking which one is ready. Measured
/// (`benches/websocket_read.rs`, groups `idle` and `ready`): a read that finds nothing costs 400 ns a
/// socket, epoll that finds nothing 230 ns for all, epoll that finds something 500 to 900 ns beside
/// the read. A spinning thread begins to read what came to one of `n` sockets after `n * 400 / 2` ns
/// on average, or by epoll after `230 / 2` and 500 to 900 ns: equal between three and five.
pub const DIRECT_MAX: usize = 3;
/// While sockets are known to be readable, the kernel is asked again after this many cycles.
const POLLS_SKIPPED_MAX: usize = 8;
/// Timers, reconnects and heartbeats are checked this often.
const HOUSEKEEPING_INTERVAL: Nanos = MILLI;
/// Ages of quotes are checked this often.
const AGE_INTERVAL: Nanos = 20 * MILLI;

/// The feed agent: any number of connections on one thread.
#[derive(Debug)]
pub struct Feed {
    role: String,
    connections: Vec<Connection<WebSocket>>,
    output: Outlet,
    cold: ColdSide,
    /// `None` where sockets are read directly.
    readiness: Option<Readiness>,
    clock: Clock,
    housekeeping_at: Nanos,
    ages_at: Nanos,
    /// Number of the connection that is read next.
    turn: usize,
    polls_skipped: usize,
    stopped: bool,
    stopwatch: Stopwatch,
    /// From the kernel's stamp to the read.
    kernel: Stopwatch,
}

/// How the kernel tells which sockets have something.
#[derive(Debug)]
struct Readiness {
    poll: Poll,
    events: Events,
}

impl Readiness {
    fn registry(&self) -> &Registry {
        self.poll.registry()
    }
}

impl Feed {
    /// Makes a feed of these connections; `seed` is for the jitter of reconnects.
    ///
    /// # Errors
    /// If the OS gives no readiness poll.
    pub fn new(
        role: &str,
        plans: Vec<ConnectionPlan>,
        edge: HoldSender,
        cold: ColdSide,
        clock: Clock,
        seed: u64,
        counters: &Counters,
    ) -> io::Result<Feed> {
        let mut connections: Vec<Connection<WebSocket>> = Vec::with_capacity(plans.len());
        for plan in plans {
            let number = connections.len();
            let in_venue = connections.iter().filter(|c| c.venue() == plan.venue).count();
            let jitter = Backoff::new(seed.wrapping_add(number as u64));
            connections.push(Connection::new(number, in_venue, plan, jitter, counters));
        }
        let readiness = if DIRECT_MAX < connections.len() {
            Some(Readiness { poll: Poll::new()?, events: Events::with_capacity(connections.len()) })
        } else {
            None
        };
        Ok(Feed {
            role: role.to_owned(),
            connections,
            output: Outlet::new(edge),
            cold,
            readiness,
            stopwatch: Stopwatch::alone(STAGE, clock.clone()),
            kernel: Stopwatch::alone(KERNEL_STAGE, clock.clone()),
            clock,
            housekeeping_at: 0,
            ages_at: 0,
            turn: 0,
            polls_skipped: 0,
            stopped: false,
        })
    }

    /// Returns the counters of the stages that are this feed's, for the ledger.
    #[must_use]
    pub fn stages(&self) -> Vec<StageCounter> {
        let fed = StageCounter::of_run(Stage::Fed, self.output.passed());
        self.connections.iter().flat_map(Connection::decoded).chain([fed]).collect()
    }

    /// Returns the feed timed by these: from the read to the edge, and from the kernel to the read.
    #[must_use]
    pub fn timed(mut self, stopwatch: Stopwatch, kernel: Stopwatch) -> Feed {
        self.stopwatch = stopwatch;
        self.kernel = kernel;
        self
    }

    /// Returns the feed reading every socket directly, however many there are: `SO_BUSY_POLL` needs
    /// reads to do its work.
    #[must_use]
    pub fn reading_directly(self) -> Feed {
        Feed { readiness: None, ..self }
    }

    /// Takes over sockets that the connector made, and lets connections do what is due.
    fn keep_house(&mut self, now: Nanos) -> usize {
        let mut work = 0;
        while let Ok(Connected { connection, socket }) = self.cold.answers.try_recv() {
            work += 1;
            match socket.and_then(|socket| self.register(connection, socket)) {
                Ok(socket) => self.connections[connection].opened(socket, now, &self.cold),
                Err(error) => self.connections[connection].not_opened(&error, now, &self.cold),
            }
        }
        let ages_due = self.ages_at <= now;
        if ages_due {
            self.ages_at = now + AGE_INTERVAL;
        }
        let Feed { connections, output, cold, readiness, .. } = self;
        let registry = readiness.as_ref().map(Readiness::registry);
        for connection in connections {
            let mut pass = |record| output.pass(record);
            connection.keep_up(now, cold, registry, &mut pass);
            if ages_due {
                connection.mark_quiet(now, &mut pass);
            }
        }
        work
    }

    fn register(
        &self,
        connection: usize,
        socket: Box<WebSocket>,
    ) -> Result<Box<WebSocket>, ConnectError> {
        let fd = socket.wire().fd();
        if let Some(readiness) = &self.readiness {
            readiness.registry().register(
                &mut SourceFd(&fd),
                Token(connection),
                Interest::READABLE,
            )?;
        }
        Ok(socket)
    }

    fn mark_readable(&mut self) {
        let Some(Readiness { poll, events }) = &mut self.readiness else { return };
        // An interrupted poll finds the same events at the next cycle.
        if poll.poll(events, Some(Duration::ZERO)).is_ok() {
            for event in &*events {
                self.connections[event.token().0].readable(event.is_read_closed());
            }
        }
    }

    /// Returns the next readable connection in turn.
    fn next_readable(&mut self) -> Option<usize> {
        let count = self.connections.len();
        let next = (self.turn..self.turn + count)
            .map(|place| place % count)
            .find(|place| self.connections[*place].is_readable())?;
        self.turn = next + 1;
        Some(next)
    }

    /// Reads one socket that is known to be ready. Its records go downstream before the next one is
    /// read.
    fn read_ready(&mut self) -> usize {
        // While sockets are known to be readable, the system call can wait; not for ever, or a
        // socket that never empties would keep the others from being noticed.
        self.polls_skipped += 1;
        let mut next = self.next_readable();
        if next.is_none() || self.polls_skipped == POLLS_SKIPPED_MAX {
            self.polls_skipped = 0;
            self.mark_readable();
            next = next.or_else(|| self.next_readable());
        }
        next.map_or(0, |place| self.read(place))
    }

    /// Reads one socket that has something, asking each in turn.
    fn read_directly(&mut self) -> usize {
        for _ in 0..self.connections.len() {
            let place = if self.turn < self.connections.len() { self.turn } else { 0 };
            self.turn = place + 1;
            self.connections[place].ask_again();
            let work = self.read(place);
            if 0 < work {
                return work;
            }
        }
        0
    }

    #[inline]
    fn read(&mut self, place: usize) -> usize {
        let Feed { connections, output, cold, readiness, clock, stopwatch, kernel, .. } = self;
        let registry = readiness.as_ref().map(Readiness::registry);
        let mut around = Around { output, cold, clock, stopwatch, kernel };
        let frames = connections[place].read(&mut around, registry);
        stopwatch.end_lap();
        frames
    }
}

impl Agent for Feed {
    fn role(&self) -> &str {
        &self.role
    }

    fn on_start(&mut self) {
        self.output.touch();
        if let Some(frames) = &mut self.cold.frames {
            frames.touch();
        }
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        self.stopwatch.turn(now);
        self.kernel.turn(now);
        if self.stopped {
            // What is decoded already still goes out.
            return usize::from(self.output.is_waiting() && self.output.has_room());
        }
        let mut work = 0;
        if self.housekeeping_at <= now {
            self.housekeeping_at = now + HOUSEKEEPING_INTERVAL;
            work += self.keep_house(now);
        }
        work + if self.readiness.is_some() { self.read_ready() } else { self.read_directly() }
    }

    fn stop(&mut self) {
        self.stopped = true;
    }

    fn is_finished(&self) -> bool {
        self.stopped && (!self.output.is_waiting() || self.output.is_abandoned())
    }

    fn on_close(&mut self) {
        for connection in &mut self.connections {
            connection.close();
        }
    }

    fn report(&mut self, report: &mut Report) {
        report.stopwatch(&mut self.stopwatch);
        report.stopwatch(&mut self.kernel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::ring;
    use crossbeam::channel;
    use spreadwire_market::instrument::{InstrumentId, VenueId};
    use spreadwire_venues::venue::{Symbol, Symbols};
    use spreadwire_venues::venues;

    fn plan(venue: u8, name: &str, instrument: &str) -> ConnectionPlan {
        let symbol = Symbol {
            text: instrument.replace('/', ""),
            instrument: InstrumentId(0),
            price_scale: 2,
            size_scale: 8,
        };
        ConnectionPlan {
            venue: VenueId(venue),
            spec: venues::named(name).unwrap(),
            symbols: Symbols::new(vec![symbol]),
            instruments: vec![instrument.to_owned()],
            max_age: MILLI,
        }
    }

    #[test]
    fn connections_are_counted_within_their_venue() {
        let (requests, _asked) = channel::bounded(1);
        let (_answer, answers) = channel::bounded(1);
        let (notices, _noticed) = channel::bounded(1);
        let cold = ColdSide { requests, answers, notices, frames: None };
        let (edge, _receiver) = ring::hold(64, ring::EdgeCounters::default());
        let counters = Counters::default();
        let plans = vec![
            plan(0, "binance", "A/USDT"),
            plan(1, "okx", "A/USDT"),
            plan(0, "binance", "B/USDT"),
        ];
        Feed::new("feed", plans, edge, cold, Clock::manual(0), 1, &counters).unwrap();
        let counted = counters.snapshot();
        let of = |suffix: &str| counted.keys().filter(|n| n.ends_with(suffix)).collect::<Vec<_>>();
        let frames = ["feed.binance.0.frames", "feed.binance.1.frames", "feed.okx.0.frames"];
        assert_eq!(of(".frames"), frames);
        let passed = [
            "feed.binance.0.instrument.A/USDT.passed",
            "feed.binance.1.instrument.B/USDT.passed",
            "feed.okx.0.instrument.A/USDT.passed",
        ];
        assert_eq!(of(".passed"), passed);
    }
}
