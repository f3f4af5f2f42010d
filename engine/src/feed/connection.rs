//! One connection to a venue: its socket, its subscriptions, its heartbeat, its instruments' states.
//!
//! Lives inside a feed and uses what that hands it. It must not know other connections.

use super::{ColdSide, ConnectionPlan, FRAMES_PER_TURN, Outlet};
use crate::runtime::frame_ring::Frame as RawFrame;
use crate::runtime::stopwatch::Stopwatch;
use crate::socket::connector::Request;
use crate::socket::web_socket::{Taken, WebSocket};
use mio::Registry;
use mio::unix::SourceFd;
use spreadwire_lake::stage::{Stage, StageCounter};
use spreadwire_market::backoff::Backoff;
use spreadwire_market::clock::{Clock, Nanos, SECOND};
use spreadwire_market::counters::{Counter, Counters};
use spreadwire_market::instrument::VenueId;
use spreadwire_market::record::Record;
use spreadwire_market::state::Reason;
use spreadwire_venues::integrity::{Discard, Watch};
use spreadwire_venues::json::FRAME_MAX;
use spreadwire_venues::venue::{Message, Ping, Protocol, QuoteMessage, Reject, Symbols, VenueSpec};
use std::collections::VecDeque;
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
        let counter = |what: &str| counters.register(&format!("feed.{venue}.{number}.{what}"));
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
    socket: Box<WebSocket>,
    life: Life,
}

/// What is known of a socket beside its bytes.
#[derive(Debug)]
struct Life {
    readable: bool,
    /// The venue has announced its end: close when the frame in hand is done with.
    closing: bool,
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

/// What a turn of reading is handed by the feed.
#[derive(Debug)]
pub(super) struct Around<'a> {
    pub(super) output: &'a mut Outlet,
    pub(super) cold: &'a mut ColdSide,
    pub(super) clock: &'a Clock,
    /// From the read to each quote.
    pub(super) stopwatch: &'a mut Stopwatch,
    /// From the kernel's stamp to the read.
    pub(super) kernel: &'a mut Stopwatch,
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
    line: Option<Box<Line>>,
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
        let watch = |symbol: &spreadwire_venues::venue::Symbol| {
            Watch::new(venue, symbol.instrument, spec.sequence)
        };
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

    /// Returns the counters of the quotes that were decoded and passed on, by listing.
    pub(super) fn decoded(&self) -> impl Iterator<Item = StageCounter> {
        let instruments = self.symbols.list().iter().map(|symbol| symbol.instrument);
        instruments.zip(&self.tally.passed).map(|(instrument, counter)| {
            StageCounter::of_listing(Stage::Decoded, (self.venue, instrument), counter)
        })
    }

    /// The connector made the socket: subscribe.
    pub(super) fn opened(&mut self, socket: Box<WebSocket>, now: Nanos, cold: &ColdSide) {
        let mut texts = Vec::new();
        let symbols: Vec<&str> = self.symbols.list().iter().map(|s| s.text.as_str()).collect();
        self.protocol.0.subscribe(&symbols, &mut texts);
        self.tally.connects.add(1);
        let life = Life {
            // Frames may have come with the upgrade's last bytes, and no event tells of those.
            readable: true,
            closing: false,
            outbox: texts.into_iter().map(Utf8Bytes::from).collect(),
            send_at: now,
            ping_at: now + self.spec.heartbeat.interval,
            alive_at: now,
            quote_at: now,
            bytes_counted: 0,
            opened_at: now,
            resubscribe_at: None,
        };
        self.line = Some(Box::new(Line { socket, life }));
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
            line.life.readable = true;
            line.socket.wire_mut().rearm(ending);
        }
    }

    /// Nobody tells of readiness: what was empty may have something again.
    #[inline]
    pub(super) fn ask_again(&mut self) {
        if let Some(line) = &mut self.line
            && !line.life.readable
        {
            line.life.readable = true;
            line.socket.wire_mut().rearm(false);
        }
    }

    /// Whether there may be something to read.
    #[inline]
    pub(super) fn is_readable(&self) -> bool {
        self.line.as_ref().is_some_and(|line| line.life.readable)
    }

    /// Timers: asks for a connection that is due; sends what is due; ends what is dead.
    pub(super) fn keep_up(
        &mut self,
        now: Nanos,
        cold: &ColdSide,
        registry: Option<&Registry>,
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
        let life = &self.line.as_ref()?.life;
        if self.spec.heartbeat.dead_after < now.saturating_sub(life.alive_at) {
            return Some((Reason::Silent, "no frame within the venue's limit".to_owned()));
        }
        let stall = self.spec.repeats_within.unwrap_or(STALL_DEFAULT);
        (stall < now.saturating_sub(life.quote_at))
            .then(|| (Reason::Silent, "alive, but no quote within the limit".to_owned()))
    }

    /// Sends the heartbeat and the next subscription when their times have come.
    fn send_due(&mut self, now: Nanos) -> Result<(), (Reason, String)> {
        self.queue_resubscription(now);
        let Some(line) = &mut self.line else { return Ok(()) };
        let Line { socket, life } = &mut **line;
        let lost = |error: Error| (Reason::Disconnected, error.to_string());
        socket.flush().map_err(lost)?;
        let frame = if life.ping_at <= now {
            life.ping_at = now + self.spec.heartbeat.interval;
            Some(match self.spec.heartbeat.ping {
                Ping::Frame => Frame::Ping(Bytes::new()),
                Ping::Text(text) => Frame::Text(Utf8Bytes::from_static(text)),
            })
        } else if life.send_at <= now {
            life.outbox.pop_front().map(Frame::Text)
        } else {
            None
        };
        let Some(frame) = frame else { return Ok(()) };
        life.send_at = now + self.spec.message_interval;
        socket.send(frame).map_err(lost)
    }

    /// After a refusal: what has given no quote is asked for again, one symbol a message, so that a
    /// bad symbol cannot take good ones with it.
    fn queue_resubscription(&mut self, now: Nanos) {
        let Some(line) = &mut self.line else { return };
        let life = &mut line.life;
        if life.resubscribe_at.is_none_or(|due| now < due) {
            return;
        }
        life.resubscribe_at = None;
        let mut texts = Vec::new();
        for (symbol, watch) in self.symbols.list().iter().zip(&self.watches) {
            if !watch.has_quote() {
                self.protocol.0.subscribe(&[symbol.text.as_str()], &mut texts);
            }
        }
        life.outbox.extend(texts.into_iter().map(Utf8Bytes::from));
    }

    /// Marks live quotes that have grown too old.
    pub(super) fn mark_quiet(&mut self, now: Nanos, pass: &mut impl FnMut(Record)) {
        for watch in &mut self.watches {
            if let Some(status) = watch.on_time(now, self.max_age) {
                pass(status.into());
            }
        }
    }

    /// Reads what is ready, up to [`FRAMES_PER_TURN`] frames; returns how many, and 1 at least if
    /// anything was read.
    #[inline]
    pub(super) fn read(&mut self, around: &mut Around<'_>, registry: Option<&Registry>) -> usize {
        // Apart while its frames are looked at where they lie.
        let Some(mut line) = self.line.take() else { return 0 };
        let mut frames = 0;
        let ended = self.read_frames(&mut line, &mut frames, around).err();
        let wire = line.socket.wire_mut();
        if line.life.bytes_counted != wire.bytes_read() {
            if let Some(stamp) = wire.take_kernel_stamp() {
                around.kernel.record(self.venue, stamp, wire.last_read());
            }
            wire.acknowledge();
            self.count_bytes(&mut line);
            frames = frames.max(1);
        }
        self.line = Some(line);
        if let Some(error) = ended {
            self.on_error(&error, around, registry);
        }
        frames
    }

    /// Until the socket is empty, the turn is over, or nothing more can go out.
    #[inline]
    fn read_frames(
        &mut self,
        line: &mut Line,
        frames: &mut usize,
        around: &mut Around<'_>,
    ) -> Result<(), Error> {
        let Line { socket, life } = line;
        while *frames < FRAMES_PER_TURN && around.output.has_room() {
            let (taken, ts_recv) = socket.take()?;
            let frame = match taken {
                Taken::Nothing => {
                    life.readable = false;
                    break;
                }
                Taken::Control => None,
                Taken::Text(text) => Some(RawFrame::Text(text)),
                Taken::Binary(bytes) => Some(RawFrame::Binary(bytes)),
            };
            *frames += 1;
            life.alive_at = ts_recv;
            let Some(frame) = frame else { continue };
            self.on_frame(frame, ts_recv, life, around);
            if std::mem::take(&mut life.closing) {
                // The peer's answer ends the connection in the ordinary way; an error shows at the read.
                drop(socket.close());
            }
        }
        Ok(())
    }

    #[cold]
    fn on_error(&mut self, error: &Error, around: &mut Around<'_>, registry: Option<&Registry>) {
        if matches!(error, Error::Capacity(_)) {
            count(&self.tally.rejected, Reject::Oversized);
        }
        let Around { output, cold, clock, .. } = around;
        let (why, now) = (error.to_string(), clock.now());
        let mut pass = |record| output.pass(record);
        self.lose(Reason::Disconnected, why, now, cold, registry, &mut pass);
    }

    fn count_bytes(&self, line: &mut Line) {
        let read = line.socket.wire().bytes_read();
        self.tally.bytes.add(read - line.life.bytes_counted);
        line.life.bytes_counted = read;
    }

    fn on_frame(
        &mut self,
        frame: RawFrame<'_>,
        ts_recv: Nanos,
        life: &mut Life,
        around: &mut Around<'_>,
    ) {
        self.tally.frames.add(1);
        match frame {
            RawFrame::Text(text) => self.on_text(text, ts_recv, life, around),
            RawFrame::Binary(bytes) => self.reject(Reject::Binary, bytes, ts_recv, around.cold),
        }
        // Its quotes have gone out: what keeps the frame does not hold them up.
        if let Some(frames) = &mut around.cold.frames
            && !frames.offer(self.number, ts_recv, frame)
        {
            self.tally.uncaptured.add(1);
        }
    }

    fn on_text(&mut self, bytes: &[u8], ts_recv: Nanos, life: &mut Life, around: &mut Around<'_>) {
        let Around { output, cold, stopwatch, .. } = around;
        self.messages.clear();
        if let Err(reason) = self.decode(bytes) {
            return self.reject(reason, bytes, ts_recv, cold);
        }
        for place in 0..self.messages.len() {
            match self.messages[place] {
                Message::Quote(message) => {
                    stopwatch.lap(self.venue, ts_recv);
                    self.on_quote(&message, ts_recv, life, output);
                }
                Message::Refused { symbol } => {
                    self.on_refused(symbol, bytes, ts_recv, life, output, cold);
                }
                // Go first, when the socket is drained, and come back.
                Message::Closing => life.closing = true,
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

    fn on_quote(
        &mut self,
        message: &QuoteMessage,
        ts_recv: Nanos,
        life: &mut Life,
        output: &mut Outlet,
    ) {
        let outcome = self.watches[message.symbol].on_message(message, ts_recv);
        if let Some(status) = outcome.status {
            output.pass(status.into());
        }
        match outcome.quote {
            Ok(quote) => {
                // What is discarded is no sign that the subscription is well.
                life.quote_at = ts_recv;
                if WELL_AFTER < ts_recv.saturating_sub(life.opened_at) {
                    self.backoff.reset();
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
        life: &mut Life,
        output: &mut Outlet,
        cold: &ColdSide,
    ) {
        self.tally.refused.add(1);
        if life.resubscribe_at.is_none() {
            life.resubscribe_at = Some(now + self.refusals.wait());
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
        registry: Option<&Registry>,
        pass: &mut impl FnMut(Record),
    ) {
        if let Some(mut line) = self.line.take() {
            self.count_bytes(&mut line);
            let fd = line.socket.wire().fd();
            // Closing the descriptor would deregister it as well.
            drop(registry.map(|registry| registry.deregister(&mut SourceFd(&fd))));
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
        if let Some(mut line) = self.line.take() {
            self.count_bytes(&mut line);
            drop(line.socket.close());
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
