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
use spreadwire_market::clock::{Clock, MILLI, Nanos, SECOND};
use spreadwire_market::counters::{Counter, Counters};
use std::io;
use std::time::Duration;

mod cold;
mod connection;
mod desk;
mod line;
mod misfit;
mod outlet;
mod rehearsal;
#[cfg(test)]
mod rig;
mod subscriptions;
mod telling;

pub use cold::{ColdSide, Next, Notice, Refused};
pub use connection::ConnectionPlan;
pub use line::FRAMES_PER_TURN;
pub use rehearsal::{Rehearsal, Said};

use connection::{Around, Connection, line_at, place};
use outlet::Outlet;

/// The stage whose latency a feed reports: receive time to the quote being on the edge.
pub const STAGE: &str = "read_to_quote";
/// The stage before it, where the kernel stamps what it receives: the kernel's stamp of the youngest
/// segment of a read to the receive time.
pub const KERNEL_STAGE: &str = "kernel_to_read";
/// The stage before that: the venue's event time to the receive time, with the difference of the two
/// clocks in it. Quotes that tell no event time, or that of an old change, are left out.
pub const EVENT_STAGE: &str = "event_to_read";

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
/// The thread was held up if it read nothing for so long, or for `max_lag_ms` if that is less.
const HELD_UP_AFTER: Nanos = SECOND;
/// Ages of quotes are checked this often.
const AGE_INTERVAL: Nanos = 20 * MILLI;

/// The feed agent: any number of connections on one thread.
#[derive(Debug)]
pub struct Feed {
    role: String,
    connections: Vec<Connection<WebSocket>>,
    output: Outlet,
    cold: ColdSide,
    /// The thread was held up if a cycle begins so long after the last one, ns.
    held_up_after: Nanos,
    /// When the last cycle began in which something could be read; 0 before the first one.
    cycle_at: Nanos,
    /// Cycles before which the thread was held up.
    held_up: Counter,
    /// `None` where sockets are read directly.
    readiness: Option<Readiness>,
    clock: Clock,
    housekeeping_at: Nanos,
    ages_at: Nanos,
    /// Place of the line that is read next.
    turn: usize,
    polls_skipped: usize,
    stopped: bool,
    stopwatch: Stopwatch,
    /// From the kernel's stamp to the read.
    kernel: Stopwatch,
    /// From the venue's event to the read.
    event: Stopwatch,
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
        let lines = plans.iter().map(|plan| plan.lines).sum::<usize>();
        let max_lags = plans.iter().map(|plan| plan.bounds.max_lag);
        let held_up_after = max_lags.min().unwrap_or(HELD_UP_AFTER).min(HELD_UP_AFTER);
        for plan in plans {
            let number = connections.len();
            let in_venue = connections.iter().filter(|c| c.venue() == plan.venue).count();
            let jitter = Backoff::new(seed.wrapping_add(number as u64));
            connections.push(Connection::new(number, in_venue, plan, &jitter, counters));
        }
        let readiness = if DIRECT_MAX < lines {
            Some(Readiness { poll: Poll::new()?, events: Events::with_capacity(2 * lines) })
        } else {
            None
        };
        Ok(Feed {
            role: role.to_owned(),
            connections,
            output: Outlet::new(edge),
            cold,
            held_up_after,
            cycle_at: 0,
            held_up: counters.register(&format!("{role}.held_up")),
            readiness,
            stopwatch: Stopwatch::alone(STAGE, clock.clone()),
            kernel: Stopwatch::alone(KERNEL_STAGE, clock.clone()),
            event: Stopwatch::alone(EVENT_STAGE, clock.clone()),
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

    /// Returns the feed timed by these: from the read to the edge, from the kernel to the read, and
    /// from the event to the read.
    #[must_use]
    pub fn timed(mut self, stopwatch: Stopwatch, kernel: Stopwatch, event: Stopwatch) -> Feed {
        self.stopwatch = stopwatch;
        self.kernel = kernel;
        self.event = event;
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
        while let Ok(Connected { connection: place, socket }) = self.cold.answers.try_recv() {
            work += 1;
            let socket = socket.and_then(|socket| self.register(place, socket));
            let Feed { connections, output, cold, .. } = self;
            let (number, slot) = line_at(place);
            let connection = &mut connections[number];
            match socket {
                Ok(socket) => connection.opened(slot, socket, now, cold, &mut |r| output.pass(r)),
                Err(error) => connection.not_opened(slot, &error, now, cold),
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
                connection.on_time(now, cold, &mut pass);
            }
        }
        work
    }

    /// Checks that the last cycle in which something could be read is not long ago. A full edge holds
    /// the reading up as well.
    #[inline]
    fn mind_the_time(&mut self, now: Nanos) {
        if !self.output.has_room() {
            return;
        }
        let before = std::mem::replace(&mut self.cycle_at, now);
        if self.held_up_after < now.saturating_sub(before) && 0 < before {
            self.on_held_up(now, now - before);
        }
    }

    /// Notes that nothing was read for so long that whatever waits in the sockets may be old.
    #[cold]
    fn on_held_up(&mut self, now: Nanos, time: Nanos) {
        self.held_up.add(1);
        let Feed { connections, output, cold, .. } = self;
        for connection in connections {
            connection.on_held_up(now, &mut |record| output.pass(record));
        }
        // A notice that does not fit is one of many; the counter has them all.
        drop(cold.notices.try_send(Notice::HeldUp { time }));
    }

    fn register(
        &self,
        place: usize,
        socket: Box<WebSocket>,
    ) -> Result<Box<WebSocket>, ConnectError> {
        let fd = socket.wire().fd();
        if let Some(readiness) = &self.readiness {
            readiness.registry().register(&mut SourceFd(&fd), Token(place), Interest::READABLE)?;
        }
        Ok(socket)
    }

    fn mark_readable(&mut self) {
        let Some(Readiness { poll, events }) = &mut self.readiness else { return };
        // An interrupted poll finds the same events at the next cycle.
        if poll.poll(events, Some(Duration::ZERO)).is_ok() {
            for event in &*events {
                let (number, slot) = line_at(event.token().0);
                self.connections[number].readable(slot, event.is_read_closed());
            }
        }
    }

    /// Number of places for lines.
    fn places(&self) -> usize {
        place(self.connections.len(), 0)
    }

    /// Returns the next readable line in turn.
    fn next_readable(&mut self) -> Option<usize> {
        let count = self.places();
        let is_readable = |place: &usize| {
            let (number, slot) = line_at(*place);
            self.connections[number].is_readable(slot)
        };
        let next = (self.turn..self.turn + count).map(|place| place % count).find(is_readable)?;
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
        for _ in 0..self.places() {
            let place = if self.turn < self.places() { self.turn } else { 0 };
            self.turn = place + 1;
            let (number, slot) = line_at(place);
            self.connections[number].ask_again(slot);
            let work = self.read(place);
            if 0 < work {
                return work;
            }
        }
        0
    }

    #[inline]
    fn read(&mut self, place: usize) -> usize {
        let Feed { connections, output, cold, readiness, clock, stopwatch, kernel, event, .. } =
            self;
        let registry = readiness.as_ref().map(Readiness::registry);
        let mut around = Around { output, cold, clock, stopwatch, kernel, event };
        let (number, slot) = line_at(place);
        let frames = connections[number].read(slot, &mut around, registry);
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
        self.event.turn(now);
        if self.stopped {
            // What is decoded already still goes out.
            return usize::from(self.output.is_waiting() && self.output.has_room());
        }
        let mut work = 0;
        self.mind_the_time(now);
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
        report.stopwatch(&mut self.event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::ring;
    use crate::socket::connector;
    use crate::socket::socket_options::SocketOptions;
    use crate::socket::wire::Wire;
    use crossbeam::channel::{self, Receiver, Sender};
    use spreadwire_market::instrument::{InstrumentId, VenueId};
    use spreadwire_venues::health::Bounds;
    use spreadwire_venues::venue::{Symbol, Symbols};
    use spreadwire_venues::venues;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use tungstenite::protocol::Role;

    fn plan(venue: u8, name: &str, instrument: &str) -> ConnectionPlan {
        let symbol = Symbol {
            text: instrument.replace('/', ""),
            instrument: InstrumentId(0),
            price_scale: 2,
            size_scale: 8,
            contract: spreadwire_venues::venue::Contract::ONE,
        };
        ConnectionPlan {
            venue: VenueId(venue),
            spec: venues::named(name).unwrap(),
            symbols: Symbols::new(vec![symbol]),
            instruments: vec![instrument.to_owned()],
            bounds: rig::bounds(),
            lines: 1,
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

    /// A feed of connections over loopback, one symbol each, and their far ends.
    struct Rig {
        feed: Feed,
        now: Nanos,
        clock: Clock,
        peers: Vec<TcpStream>,
        records: ring::Receiver,
        counters: Counters,
        notices: Receiver<Notice>,
        _channels: (Receiver<connector::Request>, Sender<Connected>),
    }

    impl Rig {
        fn new(connections: usize, room: usize) -> Rig {
            let (clock, counters) = (Clock::manual(SECOND), Counters::default());
            let (request, requests) = channel::bounded(connections);
            let (answer, answers) = channel::bounded(connections);
            let (notice, notices) = channel::bounded(100);
            let cold = ColdSide { requests: request, answers, notices: notice, frames: None };
            let (edge, records) = ring::hold(room, ring::EdgeCounters::default());
            let spec: &'static _ = Box::leak(Box::new(rig::spec()));
            let plan = |_| ConnectionPlan {
                spec,
                symbols: rig::first_symbols(1),
                bounds: Bounds { max_lag: SECOND, max_age: 3_600 * SECOND, ..rig::bounds() },
                ..plan(0, "okx", "A/USDT")
            };
            let plans = (0..connections).map(plan).collect();
            let feed = Feed::new("feed", plans, edge, cold, clock.clone(), 1, &counters).unwrap();
            let mut rig = Rig {
                feed,
                now: SECOND,
                clock,
                peers: Vec::new(),
                records,
                counters,
                notices,
                _channels: (requests, answer),
            };
            for number in 0..connections {
                let (peer, socket) = pair(&rig.clock);
                rig.peers.push(peer);
                let answer = Connected { connection: place(number, 0), socket: Ok(socket) };
                rig._channels.1.send(answer).unwrap();
            }
            rig.cycles(20);
            assert_eq!(rig.records().len(), connections, "each is subscribed");
            rig
        }

        /// Cycles of a millisecond.
        fn cycles(&mut self, count: usize) {
            for _ in 0..count {
                self.now += MILLI;
                self.clock.set(self.now);
                self.feed.do_work(self.now);
            }
        }

        /// Sends quotes of these numbers, in one segment if they are few.
        fn send(&mut self, connection: usize, numbers: impl IntoIterator<Item = usize>) {
            let frame = |number| {
                let text = format!("quote A {number}");
                [&[0x81, u8::try_from(text.len()).unwrap()][..], text.as_bytes()].concat()
            };
            let frames: Vec<u8> = numbers.into_iter().flat_map(frame).collect();
            self.peers[connection].write_all(&frames).unwrap();
        }

        fn records(&mut self) -> Vec<String> {
            let mut words = Vec::new();
            self.records.drain(|record| words.push(rig::in_words(record)));
            words
        }
    }

    /// The far end of a connection over loopback, and the near end.
    fn pair(clock: &Clock) -> (TcpStream, Box<WebSocket>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut peer = listener.accept().unwrap().0;
        peer.set_nodelay(true).unwrap();
        let mut wire = Wire::new(client, clock.clone(), &SocketOptions::default());
        peer.write_all(b"HTTP/1.1 101\r\n\r\n").unwrap();
        wire.read_exact(&mut [0; 16]).unwrap();
        wire.set_nonblocking().unwrap();
        let settings = Some(connector::settings());
        let library = tungstenite::WebSocket::from_raw_socket(wire, Role::Client, settings);
        (peer, Box::new(WebSocket::new(library)))
    }

    #[test]
    fn a_busy_socket_does_not_starve_the_others() {
        const BUSY: usize = 8_000;
        // Few are read directly, many when the kernel says so.
        for connections in [DIRECT_MAX, DIRECT_MAX + 2] {
            let mut rig = Rig::new(connections, 2 * BUSY);
            rig.send(0, 1..=BUSY);
            rig.cycles(1);
            (1..connections).for_each(|other| rig.send(other, [2 * BUSY + other]));
            // The first one is still busy. A quarter of its frames is time enough for loopback.
            rig.cycles(BUSY / FRAMES_PER_TURN / 4);
            let records = rig.records();
            for other in 1..connections {
                let quote = format!("A quote {}", 2 * BUSY + other);
                assert!(records.contains(&quote), "{quote} of {connections}");
            }
            let last = format!("A quote {BUSY}");
            assert!(!records.contains(&last));
            rig.cycles(BUSY);
            assert!(rig.records().contains(&last));
        }
    }

    #[test]
    fn a_venue_that_sends_no_message_for_ever_does_not_starve_the_others() {
        const BUSY: usize = 16_000;
        let ping = &[0x89, 0][..];
        let empty = &[0x00, 0][..];
        let begun = &[0x01, 0][..];
        for connections in [DIRECT_MAX, DIRECT_MAX + 2] {
            // Fragments for ever, pings for ever, and a frame of 16 MiB in small parts.
            for (first, then, ends) in [
                (begun, empty, Some("a message of more than 4096 fragments")),
                (ping, ping, None),
                (&[0x82, 127, 0, 0, 0, 0, 1, 0, 0, 0][..], &[0, 0][..], None),
            ] {
                let mut rig = Rig::new(connections, 64);
                rig.notices.try_iter().for_each(drop);
                rig.peers[0].write_all(&[first, &then.repeat(BUSY)].concat()).unwrap();
                rig.cycles(1);
                (1..connections).for_each(|other| rig.send(other, [other]));
                let counted = |rig: &Rig, what: &str| {
                    usize::try_from(rig.counters.expect(&format!("feed.test.0.{what}"))).unwrap()
                };
                assert!(counted(&rig, "parts") + counted(&rig, "controls") <= FRAMES_PER_TURN);
                rig.cycles(100);
                let records = rig.records();
                for other in 1..connections {
                    let quote = format!("A quote {other}");
                    assert!(records.contains(&quote), "{quote} of {connections}, {ends:?}");
                }
                rig.cycles(2 * BUSY / FRAMES_PER_TURN);
                let lost = rig.notices.try_iter().find_map(|notice| {
                    if let Notice::Lost { why, .. } = notice { Some(why) } else { None }
                });
                assert_eq!(lost.as_deref(), ends, "{connections}");
                let ended = rig.counters.expect("feed.test.0.endless_messages");
                assert_eq!(ended, u64::from(ends.is_some()));
            }
        }
    }

    #[test]
    fn what_waited_while_the_thread_was_held_up_is_live_once_all_of_it_is_read() {
        for connections in [1, DIRECT_MAX + 1] {
            let mut rig = Rig::new(connections, 4_096);
            rig.send(0, [1]);
            rig.cycles(20);
            assert_eq!(rig.records(), ["A live quote", "A quote 1"]);
            rig.send(0, 2..=40);
            rig.now += 2 * SECOND;
            rig.cycles(20);
            let records = rig.records();
            assert_eq!(records[..2], ["A lagging held_up", "A quote 2"], "{connections}");
            assert_eq!(records[records.len() - 2..], ["A quote 40", "A live quote"]);
            assert_eq!(records.len(), 41);
            assert_eq!(rig.counters.expect("feed.held_up"), 1);
            let held_up = |notice| matches!(notice, Notice::HeldUp { time } if 2 * SECOND < time);
            assert!(rig.notices.try_iter().any(held_up));
            // Nothing came meanwhile: what the book has is still true.
            rig.now += 2 * SECOND;
            rig.cycles(20);
            assert_eq!(rig.records(), ["A lagging held_up", "A live quote"]);
        }
    }

    #[test]
    fn a_full_edge_holds_the_reading_up_as_well() {
        let mut rig = Rig::new(1, 4);
        rig.send(0, 1..=8);
        rig.cycles(2_000);
        assert_eq!(rig.records(), ["A live quote", "A quote 1", "A quote 2"]);
        rig.cycles(1);
        assert_eq!(rig.records()[..2], ["A lagging held_up", "A quote 3"]);
        rig.cycles(1);
        assert_eq!(rig.counters.expect("feed.held_up"), 1);
    }
}
