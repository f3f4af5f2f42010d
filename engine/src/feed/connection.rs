//! One connection to a venue: its socket, its subscriptions, its heartbeat, its instruments' states.
//!
//! Lives inside a feed and uses what that hands it. It must not know other connections.

use super::{ColdSide, ConnectionPlan, FRAMES_PER_TURN, Outlet};
use crate::backoff::Backoff;
use crate::clock::{Clock, Nanos, SECOND};
use crate::connector::{Request, Socket};
use crate::counters::{Counter, Counters};
use crate::frame_ring::Frame as RawFrame;
use crate::instrument::VenueId;
use crate::integrity::{Discard, Reason, Watch};
use crate::json::FRAME_MAX;
use crate::record::Record;
use crate::stopwatch::Stopwatch;
use crate::venue::{Message, Ping, Protocol, QuoteMessage, Reject, Symbols, VenueSpec};
use mio::Registry;
use mio::unix::SourceFd;
use std::collections::VecDeque;
use std::io;
use tungstenite::{Bytes, Error, Message as Frame, Utf8Bytes};

/// Bytes of a frame that a notice keeps.
const SAMPLE_BYTES: usize = 200;
/// A sample of a rejected frame is logged at most this often for each connection.
const SAMPLE_INTERVAL: Nanos = SECOND;
/// A connection that has given quotes for this long was a success: the next failure is waited for
/// briefly again. One that is cut after its first quotes is not, or venues would see a flood.
const WELL_AFTER: Nanos = 30 * SECOND;
/// No quote at all on a connection for this long, although it is alive, where the venue does not
/// repeat quiet instruments: the subscription is taken for lost.
const STALL_DEFAULT: Nanos = 300 * SECOND;

/// Something for the log. Made only when something changes or, for rejects, once a second.
#[derive(Debug)]
pub enum Notice {
    /// A connection is up.
    Opened {
        /// The venue.
        venue: VenueId,
        /// Its number among the venue's connections, as in the names of counters.
        connection: usize,
    },
    /// A connection could not be made, or ended.
    Lost {
        /// The venue.
        venue: VenueId,
        /// Its number among the venue's connections, as in the names of counters.
        connection: usize,
        /// Why, in words.
        why: String,
        /// When the next attempt is made, ns from now.
        retry_in: Nanos,
    },
    /// A frame was rejected; a sample.
    Rejected {
        /// The venue.
        venue: VenueId,
        /// Why.
        reason: Reject,
        /// Its first bytes.
        sample: Box<[u8]>,
    },
    /// The venue refused a subscription.
    Refused {
        /// The venue.
        venue: VenueId,
        /// The symbol, where the venue tells.
        symbol: Option<String>,
        /// The message's first bytes.
        sample: Box<[u8]>,
    },
}

/// Counters of one connection.
#[derive(Debug)]
struct Tally {
    frames: Counter,
    bytes: Counter,
    quotes: Counter,
    connects: Counter,
    connect_failures: Counter,
    disconnects: Counter,
    general: Counter,
    refused: Counter,
    other: Counter,
    notices_dropped: Counter,
    uncaptured: Counter,
    rejected: Vec<(Reject, Counter)>,
    discarded: Vec<(Discard, Counter)>,
    /// Quotes passed on, by symbol.
    passed: Vec<Counter>,
}

impl Tally {
    /// Of connection `number` of the venue, which subscribes these instruments.
    fn new(venue: &str, number: usize, instruments: &[String], counters: &Counters) -> Tally {
        let counter = |what: &str| counters.counter(&format!("feed.{venue}.{number}.{what}"));
        let passed = |name: &String| counter(&format!("instrument.{name}.passed"));
        let rejected = |r: Reject| (r, counter(&format!("rejected.{r}")));
        let discarded = |d: Discard| (d, counter(&format!("discarded.{}", d.name())));
        Tally {
            frames: counter("frames"),
            bytes: counter("bytes"),
            quotes: counter("quotes"),
            connects: counter("connects"),
            connect_failures: counter("connect_failures"),
            disconnects: counter("disconnects"),
            general: counter("general"),
            refused: counter("refused"),
            other: counter("other"),
            notices_dropped: counter("notices_dropped"),
            uncaptured: counter("uncaptured"),
            rejected: Reject::ALL.into_iter().map(rejected).collect(),
            discarded: Discard::ALL.into_iter().map(discarded).collect(),
            passed: instruments.iter().map(passed).collect(),
        }
    }
}

/// What the connection waits for when it has no socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    /// For its time to try again.
    Until(Nanos),
    /// For the connector's answer.
    Answer,
}

/// A socket and what belongs to it alone; a new connection starts with a fresh one.
#[derive(Debug)]
struct Line {
    socket: Box<Socket>,
    readable: bool,
    /// Subscriptions still to be sent, paced.
    outbox: VecDeque<Utf8Bytes>,
    send_at: Nanos,
    ping_at: Nanos,
    alive_at: Nanos,
    quote_at: Nanos,
    bytes_counted: u64,
    opened_at: Nanos,
    resubscribe_at: Option<Nanos>,
}

/// One connection of a feed.
#[derive(Debug)]
pub(super) struct Connection {
    /// Among those of its feed: what the connector is asked for.
    number: usize,
    /// Among those of its venue: what people and counters call it.
    in_venue: usize,
    venue: VenueId,
    spec: &'static VenueSpec,
    symbols: Symbols,
    max_age: Nanos,
    protocol: ProtocolBox,
    watches: Vec<Watch>,
    messages: Vec<Message>,
    line: Option<Line>,
    waiting: Waiting,
    /// Between attempts to connect; starts over once a connection has been well for a while.
    backoff: Backoff,
    /// Between requests for what the venue refused; starts over with each connection.
    refusals: Backoff,
    sample_at: Nanos,
    tally: Tally,
}

/// `dyn Protocol` with a Debug that names it.
struct ProtocolBox(Box<dyn Protocol>);

impl std::fmt::Debug for ProtocolBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Protocol")
    }
}

impl Connection {
    pub(super) fn new(
        number: usize,
        in_venue: usize,
        plan: ConnectionPlan,
        backoff: Backoff,
        counters: &Counters,
    ) -> Connection {
        let ConnectionPlan { venue, spec, symbols, instruments, max_age } = plan;
        assert_eq!(symbols.list().len(), instruments.len(), "each symbol is an instrument");
        let watch =
            |symbol: &crate::venue::Symbol| Watch::new(venue, symbol.instrument, spec.sequence);
        Connection {
            number,
            in_venue,
            venue,
            spec,
            max_age,
            protocol: ProtocolBox((spec.protocol)()),
            watches: symbols.list().iter().map(watch).collect(),
            messages: Vec::with_capacity(64),
            line: None,
            waiting: Waiting::Until(0),
            refusals: backoff.clone(),
            backoff,
            sample_at: 0,
            tally: Tally::new(spec.name, in_venue, &instruments, counters),
            symbols,
        }
    }

    pub(super) fn venue(&self) -> VenueId {
        self.venue
    }

    /// The connector made the socket: subscribe.
    pub(super) fn opened(&mut self, socket: Box<Socket>, now: Nanos, cold: &ColdSide) {
        let mut texts = Vec::new();
        let symbols: Vec<&str> = self.symbols.list().iter().map(|s| s.text.as_str()).collect();
        self.protocol.0.subscribe(&symbols, &mut texts);
        self.tally.connects.add(1);
        self.line = Some(Line {
            socket,
            // Frames may have come with the upgrade's last bytes, and no event tells of those.
            readable: true,
            outbox: texts.into_iter().map(Utf8Bytes::from).collect(),
            send_at: now,
            ping_at: now + self.spec.heartbeat.interval,
            alive_at: now,
            quote_at: now,
            bytes_counted: 0,
            opened_at: now,
            resubscribe_at: None,
        });
        self.refusals.reset();
        self.notify(cold, Notice::Opened { venue: self.venue, connection: self.in_venue });
    }

    /// The connector could not make the socket.
    pub(super) fn not_opened(&mut self, error: &str, now: Nanos, cold: &ColdSide) {
        self.tally.connect_failures.add(1);
        let wait = self.backoff.wait();
        self.waiting = Waiting::Until(now + wait);
        self.notify_lost(cold, error.to_owned(), wait);
    }

    /// Readiness was told; `ending` if the venue has ended its side.
    pub(super) fn readable(&mut self, ending: bool) {
        if let Some(line) = &mut self.line {
            line.readable = true;
            line.socket.get_mut().rearm(ending);
        }
    }

    /// Whether there may be something to read.
    #[inline]
    pub(super) fn is_readable(&self) -> bool {
        self.line.as_ref().is_some_and(|line| line.readable)
    }

    /// Timers: asks for a connection that is due; sends what is due; ends what is dead.
    pub(super) fn keep_up(
        &mut self,
        now: Nanos,
        cold: &ColdSide,
        registry: &Registry,
        pass: &mut impl FnMut(Record),
    ) {
        if self.line.is_none() {
            return self.ask(now, cold);
        }
        let verdict = self.check_life(now).or_else(|| self.send_due(now).err());
        if let Some((reason, why)) = verdict {
            self.lose(reason, why, now, cold, registry, pass);
        }
    }

    fn ask(&mut self, now: Nanos, cold: &ColdSide) {
        if let Waiting::Until(due) = self.waiting
            && due <= now
            && cold.requests.try_send(Request { connection: self.number }).is_ok()
        {
            self.waiting = Waiting::Answer;
        }
    }

    fn check_life(&self, now: Nanos) -> Option<(Reason, String)> {
        let line = self.line.as_ref()?;
        if self.spec.heartbeat.dead_after < now.saturating_sub(line.alive_at) {
            return Some((Reason::Silent, "no frame within the venue's limit".to_owned()));
        }
        let stall = self.spec.repeats_within.unwrap_or(STALL_DEFAULT);
        (stall < now.saturating_sub(line.quote_at))
            .then(|| (Reason::Silent, "alive, but no quote within the limit".to_owned()))
    }

    /// Sends the heartbeat and the next subscription when their times have come.
    fn send_due(&mut self, now: Nanos) -> Result<(), (Reason, String)> {
        self.queue_resubscription(now);
        let Some(line) = &mut self.line else { return Ok(()) };
        let frame = if line.ping_at <= now {
            line.ping_at = now + self.spec.heartbeat.interval;
            Some(match self.spec.heartbeat.ping {
                Ping::Frame => Frame::Ping(Bytes::new()),
                Ping::Text(text) => Frame::Text(Utf8Bytes::from_static(text)),
            })
        } else if line.send_at <= now {
            line.outbox.pop_front().map(Frame::Text)
        } else {
            None
        };
        let Some(frame) = frame else { return Ok(()) };
        line.send_at = now + self.spec.message_interval;
        match line.socket.send(frame) {
            Ok(()) => Ok(()),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err((Reason::Disconnected, error.to_string())),
        }
    }

    /// After a refusal: what has given no quote is asked for again, one symbol a message, so that a
    /// bad symbol cannot take good ones with it.
    fn queue_resubscription(&mut self, now: Nanos) {
        let Some(line) = &mut self.line else { return };
        if line.resubscribe_at.is_none_or(|due| now < due) {
            return;
        }
        line.resubscribe_at = None;
        let mut texts = Vec::new();
        for (symbol, watch) in self.symbols.list().iter().zip(&self.watches) {
            if !watch.has_quote() {
                self.protocol.0.subscribe(&[symbol.text.as_str()], &mut texts);
            }
        }
        line.outbox.extend(texts.into_iter().map(Utf8Bytes::from));
    }

    /// Marks live quotes that have grown too old.
    pub(super) fn mark_quiet(&mut self, now: Nanos, pass: &mut impl FnMut(Record)) {
        for watch in &mut self.watches {
            if let Some(status) = watch.on_time(now, self.max_age) {
                pass(status.into());
            }
        }
    }

    /// Reads what is ready, up to [`FRAMES_PER_TURN`] frames; returns how many, 1 at least if the
    /// socket was looked at.
    pub(super) fn read(
        &mut self,
        output: &mut Outlet,
        cold: &mut ColdSide,
        registry: &Registry,
        clock: &Clock,
        stopwatch: &mut Stopwatch,
    ) -> usize {
        let mut frames = 0;
        while frames < FRAMES_PER_TURN {
            let Some(line) = self.line.as_mut().filter(|line| line.readable) else { break };
            if !output.has_room() {
                break;
            }
            match line.socket.read() {
                Ok(frame) => {
                    frames += 1;
                    self.on_frame(&frame, output, cold, stopwatch);
                }
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    line.readable = false;
                    self.count_bytes();
                    return frames.max(1);
                }
                Err(error) => {
                    if matches!(error, Error::Capacity(_)) {
                        count(&self.tally.rejected, Reject::Oversized);
                    }
                    let why = error.to_string();
                    let now = clock.now();
                    let mut pass = |record| output.pass(record);
                    self.lose(Reason::Disconnected, why, now, cold, registry, &mut pass);
                }
            }
        }
        frames
    }

    fn count_bytes(&mut self) {
        if let Some(line) = &mut self.line {
            let read = line.socket.get_ref().bytes_read();
            self.tally.bytes.add(read - line.bytes_counted);
            line.bytes_counted = read;
        }
    }

    fn on_frame(
        &mut self,
        frame: &Frame,
        output: &mut Outlet,
        cold: &mut ColdSide,
        stopwatch: &mut Stopwatch,
    ) {
        let Some(line) = &mut self.line else { return };
        let ts_recv = line.socket.get_ref().last_read();
        line.alive_at = ts_recv;
        let frame = match frame {
            Frame::Text(text) => RawFrame::Text(text.as_bytes()),
            Frame::Binary(bytes) => RawFrame::Binary(bytes),
            Frame::Ping(_) | Frame::Pong(_) | Frame::Close(_) | Frame::Frame(_) => return,
        };
        self.tally.frames.add(1);
        match frame {
            RawFrame::Text(text) => self.on_text(text, ts_recv, output, cold, stopwatch),
            RawFrame::Binary(bytes) => self.reject(Reject::Binary, bytes, ts_recv, cold),
        }
        // Its quotes have gone out: what keeps the frame does not hold them up.
        if let Some(frames) = &mut cold.frames
            && !frames.offer(self.number, ts_recv, frame)
        {
            self.tally.uncaptured.add(1);
        }
    }

    fn on_text(
        &mut self,
        bytes: &[u8],
        ts_recv: Nanos,
        output: &mut Outlet,
        cold: &ColdSide,
        stopwatch: &mut Stopwatch,
    ) {
        self.messages.clear();
        if let Err(reason) = self.decode(bytes) {
            return self.reject(reason, bytes, ts_recv, cold);
        }
        for place in 0..self.messages.len() {
            match self.messages[place] {
                Message::Quote(message) => {
                    stopwatch.lap(self.venue, ts_recv);
                    self.on_quote(&message, ts_recv, output);
                }
                Message::Refused { symbol } => {
                    self.on_refused(symbol, bytes, ts_recv, output, cold);
                }
                Message::Closing => self.on_closing(),
                Message::Other => self.tally.other.add(1),
                Message::Accepted | Message::Pong => {}
            }
        }
    }

    /// The quick decoder first; whatever it does not claim, the general one decides.
    #[inline]
    fn decode(&mut self, bytes: &[u8]) -> Result<(), Reject> {
        if FRAME_MAX < bytes.len() {
            return Err(Reject::Oversized);
        }
        if self.protocol.0.positional(bytes, &self.symbols, &mut self.messages).is_some() {
            return Ok(());
        }
        self.tally.general.add(1);
        self.protocol.0.general(bytes, &self.symbols, &mut self.messages)
    }

    fn on_quote(&mut self, message: &QuoteMessage, ts_recv: Nanos, output: &mut Outlet) {
        let outcome = self.watches[message.symbol].on_message(message, ts_recv);
        if let Some(status) = outcome.status {
            output.pass(status.into());
        }
        match outcome.quote {
            Ok(quote) => {
                // What is discarded is no sign that the subscription is well.
                if let Some(line) = &mut self.line {
                    line.quote_at = ts_recv;
                    if WELL_AFTER < ts_recv.saturating_sub(line.opened_at) {
                        self.backoff.reset();
                    }
                }
                self.tally.quotes.add(1);
                self.tally.passed[message.symbol].add(1);
                output.pass(quote.into());
            }
            Err(reason) => count(&self.tally.discarded, reason),
        }
    }

    fn on_refused(
        &mut self,
        symbol: Option<usize>,
        bytes: &[u8],
        now: Nanos,
        output: &mut Outlet,
        cold: &ColdSide,
    ) {
        self.tally.refused.add(1);
        if let Some(line) = &mut self.line
            && line.resubscribe_at.is_none()
        {
            line.resubscribe_at = Some(now + self.refusals.wait());
        }
        // A symbol that gives quotes is well, whatever a second request for it was answered.
        if let Some(watch) = symbol.map(|place| &mut self.watches[place])
            && !watch.has_quote()
            && let Some(status) = watch.on_down(Reason::Refused, now)
        {
            output.pass(status.into());
        }
        if self.sample_at <= now {
            self.sample_at = now + SAMPLE_INTERVAL;
            let symbol = symbol.map(|place| self.symbols.list()[place].text.clone());
            let notice = Notice::Refused { venue: self.venue, symbol, sample: sample_of(bytes) };
            self.notify(cold, notice);
        }
    }

    /// The venue will close soon: go first, when the socket is drained, and come back.
    fn on_closing(&mut self) {
        if let Some(line) = &mut self.line {
            // The peer's answer ends the connection in the ordinary way; an error shows at the read.
            drop(line.socket.close(None));
        }
    }

    fn reject(&mut self, reason: Reject, bytes: &[u8], now: Nanos, cold: &ColdSide) {
        count(&self.tally.rejected, reason);
        if self.sample_at <= now {
            self.sample_at = now + SAMPLE_INTERVAL;
            let notice = Notice::Rejected { venue: self.venue, reason, sample: sample_of(bytes) };
            self.notify(cold, notice);
        }
    }

    /// The connection is over: all its instruments are down until it is made again.
    fn lose(
        &mut self,
        reason: Reason,
        why: String,
        now: Nanos,
        cold: &ColdSide,
        registry: &Registry,
        pass: &mut impl FnMut(Record),
    ) {
        self.count_bytes();
        if let Some(line) = self.line.take() {
            let fd = line.socket.get_ref().fd();
            // Closing the descriptor would deregister it as well.
            drop(registry.deregister(&mut SourceFd(&fd)));
        }
        for watch in &mut self.watches {
            if let Some(status) = watch.on_down(reason, now) {
                pass(status.into());
            }
        }
        self.tally.disconnects.add(1);
        let wait = self.backoff.wait();
        self.waiting = Waiting::Until(now + wait);
        self.notify_lost(cold, why, wait);
    }

    /// Ends the connection politely; an answer is not waited for.
    pub(super) fn close(&mut self) {
        self.count_bytes();
        if let Some(mut line) = self.line.take() {
            drop(line.socket.close(None));
            drop(line.socket.flush());
        }
    }

    fn notify_lost(&self, cold: &ColdSide, why: String, retry_in: Nanos) {
        let (venue, connection) = (self.venue, self.in_venue);
        self.notify(cold, Notice::Lost { venue, connection, why, retry_in });
    }

    fn notify(&self, cold: &ColdSide, notice: Notice) {
        if cold.notices.try_send(notice).is_err() {
            self.tally.notices_dropped.add(1);
        }
    }
}

fn count<T: PartialEq + Copy>(counters: &[(T, Counter)], what: T) {
    if let Some((_, counter)) = counters.iter().find(|(known, _)| *known == what) {
        counter.add(1);
    }
}

fn sample_of(bytes: &[u8]) -> Box<[u8]> {
    bytes[..bytes.len().min(SAMPLE_BYTES)].into()
}
