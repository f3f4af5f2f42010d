//! A line to a venue: the socket while there is one, and when to ask for the next.
//!
//! A line reads frames, paces what it sends, keeps the heartbeat, and declares the socket dead when
//! it is silent for too long. It hands frames to a [`Reader`] and learns from the answer only what
//! concerns the socket, so that it needs no protocol. Times are handed in.

use super::cold::Next;
use crate::runtime::frame_ring::Frame as RawFrame;
use crate::socket::connect_error::escaped;
use crate::socket::web_socket::{EndlessMessage, Taken, WebSocket};
use spreadwire_market::backoff::Backoff;
use spreadwire_market::clock::{MILLI, Nanos, SECOND};
use spreadwire_market::counters::Counter;
use spreadwire_market::state::Reason;
use spreadwire_venues::budget::{Budget, Rate};
use spreadwire_venues::venue::{Heartbeat, Ping, VenueSpec};
use std::collections::VecDeque;
use std::fmt;
use std::os::fd::RawFd;
use tungstenite::{Bytes, Error, Message, Utf8Bytes};

/// Frames read from one socket before everybody else has a turn: what they lead to is spread, decided
/// and sent first, and a burst on one socket does not hold the others up for long.
///
/// Every frame counts, pings and fragments too, and so does every part of a frame that is read.
pub const FRAMES_PER_TURN: usize = 16;
/// A turn ends after this many bytes. It is exceeded by the frame that reaches it.
const BYTES_PER_TURN: usize = 256 << 10;
/// A turn ends after this time. It is exceeded by the frame that reaches it.
const TIME_PER_TURN: Nanos = MILLI;
/// The clock is asked for the turn's time after this many bytes, because common frames are too short to
/// be worth a question.
const BYTES_PER_QUESTION: usize = 16 << 10;
/// A message that has not ended so long after its first bytes ends the connection, if the venue sends
/// other frames in the meantime. Without those the line is silent.
const MESSAGE_WAIT: Nanos = 10 * SECOND;
/// A connection that has given quotes for this long was a success: the next failure is waited for
/// briefly again. One that is cut after its first quotes is not, or venues would see a flood.
const WELL_AFTER: Nanos = 30 * SECOND;
/// No quote at all on a connection for this long, although it is alive, where the venue does not
/// repeat quiet instruments: the subscription is taken for lost.
const STALL_DEFAULT: Nanos = 300 * SECOND;
/// A line has a beat where quotes come: those within this time are one, since many symbols may be quoted
/// at once.
const BEAT: Nanos = 100 * MILLI;
/// A line that has given so many beats has a pace: it is hushed after as many of its mean intervals
/// without a quote,
const PACE_BEATS: u32 = 32;
/// and not before this time, which is shorter than the one after which the first of its instruments
/// is overdue.
const HUSHED_AFTER: Nanos = 25 * SECOND;
/// A socket that is being closed, by us or by the venue, is given up after this long. Some venues
/// never answer a close, and the next attempt should not wait for them.
const CLOSE_WAIT: Nanos = SECOND;
/// Least wait after the venue closed for a reason of ours: 1008 (policy violation, such as "Too many
/// requests") and the private codes from 4000 to 4999.
const CLOSE_FLOOR: Nanos = 60 * SECOND;
/// Least time between two heartbeats that a venue may ask for.
const PING_INTERVAL_MIN: Nanos = SECOND;

/// The calls that a line makes on its socket. Tests have a socket of their own.
pub(super) trait Socket {
    /// Takes the next message, and the time when its last bytes were read.
    fn take(&mut self) -> Result<(Taken<'_>, Nanos), Error>;
    /// Sends a message; what the socket does not take waits for [`flush`](Socket::flush).
    fn send(&mut self, message: Message) -> Result<(), Error>;
    /// Sends what waits for the socket.
    fn flush(&mut self) -> Result<(), Error>;
    /// Begins to close; the peer's answer is read like any other frame.
    fn close(&mut self) -> Result<(), Error>;
    /// Notes that there may be bytes again; `ending` if the peer will send no more.
    fn rearm(&mut self, ending: bool);
    /// Acknowledges what was read, where that is configured.
    fn acknowledge(&self);
    /// Returns the number of bytes read so far.
    fn bytes_read(&self) -> u64;
    /// Returns whether a message or a frame has begun and not ended.
    fn is_unfinished(&self) -> bool;
    /// Takes the kernel's stamp of the last read, with the time of that read.
    fn take_kernel_stamp(&mut self) -> Option<(Nanos, Nanos)>;
    /// Returns the descriptor, for readiness.
    fn fd(&self) -> RawFd;
}

impl Socket for WebSocket {
    #[inline]
    fn take(&mut self) -> Result<(Taken<'_>, Nanos), Error> {
        WebSocket::take(self)
    }

    fn send(&mut self, message: Message) -> Result<(), Error> {
        WebSocket::send(self, message)
    }

    fn flush(&mut self) -> Result<(), Error> {
        WebSocket::flush(self)
    }

    fn close(&mut self) -> Result<(), Error> {
        WebSocket::close(self)
    }

    #[inline]
    fn rearm(&mut self, ending: bool) {
        self.wire_mut().rearm(ending);
    }

    #[inline]
    fn acknowledge(&self) {
        self.wire().acknowledge();
    }

    #[inline]
    fn bytes_read(&self) -> u64 {
        self.wire().bytes_read()
    }

    fn is_unfinished(&self) -> bool {
        WebSocket::is_unfinished(self)
    }

    #[inline]
    fn take_kernel_stamp(&mut self) -> Option<(Nanos, Nanos)> {
        let stamp = self.wire_mut().take_kernel_stamp()?;
        Some((stamp, self.wire().last_read()))
    }

    fn fd(&self) -> RawFd {
        self.wire().fd()
    }
}

/// The side that takes the frames of a line.
pub(super) trait Reader {
    /// Returns whether the records of one more frame can go out at once.
    fn has_room(&mut self) -> bool;
    /// Takes a frame.
    fn on_frame(&mut self, frame: RawFrame<'_>, ts_recv: Nanos) -> Heard;
    /// Returns the time now.
    fn now(&self) -> Nanos;
    /// Takes the kernel's stamp of a read, and the time of that read.
    fn on_kernel_stamp(&mut self, stamp: Nanos, read_at: Nanos);
}

/// What a frame means to the line that it came on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    /// It held a quote that was passed on: the subscription is well.
    pub(super) quote: bool,
    /// The venue announced that it will close: another line takes over before it does.
    pub(super) closing: bool,
    /// The venue asks whether we are alive.
    pub(super) ping: bool,
    /// The venue takes requests from now on, and heartbeats after this time if it states one.
    pub(super) welcome: Option<Option<Nanos>>,
}

/// Why a socket is given up.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Loss {
    /// What the instruments' changes of state say.
    pub(super) reason: Reason,
    /// What the log says.
    pub(super) why: String,
}

impl Loss {
    fn disconnected(why: &impl fmt::Display) -> Loss {
        Loss { reason: Reason::Disconnected, why: escaped(why) }
    }

    fn silent(why: &str) -> Loss {
        Loss { reason: Reason::Silent, why: why.to_owned() }
    }
}

/// A close by the venue, with the code and the reason if it gave any. Shown, they are escaped.
#[derive(Debug, PartialEq, Eq)]
struct Close(Option<(u16, String)>);

impl Close {
    /// Returns the least time until the next attempt.
    fn floor(&self) -> Nanos {
        match self.0 {
            Some((1008 | 4000..=4999, _)) => CLOSE_FLOOR,
            Some(_) | None => 0,
        }
    }
}

impl fmt::Display for Close {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("closed by the venue")?;
        match &self.0 {
            None => Ok(()),
            Some((code, reason)) if reason.is_empty() => write!(f, ": {code}"),
            Some((code, reason)) => write!(f, ": {code} {reason:?}"),
        }
    }
}

/// How a socket is being closed.
#[derive(Debug, Default)]
struct Closing {
    /// Since when; `None` while it is not.
    since: Option<Nanos>,
    /// Whether the venue announced it, so that we close.
    is_announced: bool,
    /// What the venue said when it closed.
    close: Option<Close>,
}

impl Closing {
    /// Returns why the connection ended, where `error` is what the socket said.
    fn loss(&self, error: &Error) -> Loss {
        match (&self.close, self.is_announced) {
            (Some(close), false) => Loss::disconnected(close),
            (Some(close), true) => Loss::disconnected(&format!("{close}, as it had announced")),
            (None, true) => Loss::disconnected(&"closed, as the venue had announced"),
            (None, false) => match EndlessMessage::of(error) {
                Some(endless) => Loss::disconnected(&endless),
                None => Loss::disconnected(error),
            },
        }
    }
}

/// What is left of a turn of reading.
#[derive(Debug, Default)]
struct Turn {
    frames: usize,
    bytes: usize,
    /// Bytes at which the clock is asked next.
    question_at: usize,
    /// When the clock was asked first.
    began: Option<Nanos>,
    is_late: bool,
}

impl Turn {
    /// Returns whether another frame may be read.
    #[inline]
    fn goes_on(&self) -> bool {
        self.frames < FRAMES_PER_TURN && self.bytes < BYTES_PER_TURN && !self.is_late
    }

    /// Counts a frame of so many bytes, or a part of one.
    #[inline]
    fn count(&mut self, bytes: usize, now: impl FnOnce() -> Nanos) {
        self.frames += 1;
        self.bytes += bytes;
        if self.question_at + BYTES_PER_QUESTION <= self.bytes {
            self.question_at = self.bytes;
            let now = now();
            let began = *self.began.get_or_insert(now);
            self.is_late = TIME_PER_TURN < now.saturating_sub(began);
        }
    }

    /// Returns whether the turn ended for another reason than the number of frames.
    fn is_cut(&self) -> bool {
        BYTES_PER_TURN <= self.bytes || self.is_late
    }
}

/// What a line without a socket waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    /// For its time to try again.
    Until(Nanos),
    /// For the connector's answer.
    Answer,
}

/// A socket with its timers. A new connection starts with a fresh one.
#[derive(Debug)]
struct Open<S> {
    socket: Box<S>,
    readable: bool,
    /// Messages still to be sent, paced.
    outbox: VecDeque<Utf8Bytes>,
    send_at: Nanos,
    /// What the venue allows of those messages.
    requests: Budget,
    ping_at: Nanos,
    /// Time between two heartbeats.
    ping_interval: Nanos,
    /// The answer to the venue's last heartbeat, if it has not been sent.
    pong_due: Option<Utf8Bytes>,
    alive_at: Nanos,
    quote_at: Nanos,
    /// Number of beats so far, and when the last one began.
    beats: u64,
    beat_at: Nanos,
    bytes_counted: u64,
    opened_at: Nanos,
    /// When a message began that has not ended, where it came in parts.
    unfinished_since: Option<Nanos>,
    closing: Closing,
}

/// Counters of a line.
#[derive(Clone, Debug)]
pub(super) struct LineCounters {
    frames: Counter,
    /// Fragments and parts of frames that were no whole message yet.
    parts: Counter,
    /// Pings, pongs and closes.
    controls: Counter,
    bytes: Counter,
    /// Turns that ended at their budget of bytes or time.
    turns_cut: Counter,
    connects: Counter,
    connect_failures: Counter,
    disconnects: Counter,
}

impl LineCounters {
    /// Names each counter by `counter`.
    pub(super) fn new(counter: impl Fn(&str) -> Counter) -> LineCounters {
        LineCounters {
            frames: counter("frames"),
            parts: counter("parts"),
            controls: counter("controls"),
            bytes: counter("bytes"),
            turns_cut: counter("turns_cut"),
            connects: counter("connects"),
            connect_failures: counter("connect_failures"),
            disconnects: counter("disconnects"),
        }
    }
}

/// A line to a venue.
#[derive(Debug)]
pub(super) struct Line<S> {
    heartbeat: Heartbeat,
    message_interval: Nanos,
    /// Whether requests wait for the venue's welcome.
    is_greeted: bool,
    requests: &'static [Rate],
    /// Longest time without a quote.
    stall: Nanos,
    open: Option<Open<S>>,
    waiting: Waiting,
    /// Whether it waits only because what is left of the venue's limit is kept for lost lines.
    is_put_off: bool,
    /// Between attempts to connect; starts over once a connection has been well for a while.
    backoff: Backoff,
    counters: LineCounters,
}

impl<S: Socket> Line<S> {
    /// Makes a line that has no socket and may ask for one at once.
    pub(super) fn new(spec: &VenueSpec, backoff: Backoff, counters: LineCounters) -> Line<S> {
        Line {
            heartbeat: spec.heartbeat,
            message_interval: spec.message_interval,
            is_greeted: spec.greets,
            requests: spec.requests,
            stall: spec.repeats_within.unwrap_or(STALL_DEFAULT),
            open: None,
            waiting: Waiting::Until(0),
            is_put_off: false,
            backoff,
            counters,
        }
    }

    /// Takes the socket that the connector made, and the messages to be sent first.
    pub(super) fn opened(&mut self, socket: Box<S>, messages: Vec<String>, now: Nanos) {
        self.counters.connects.add(1);
        self.open = Some(Open {
            socket,
            // Frames may have come with the upgrade's last bytes, and no event tells of those.
            readable: true,
            outbox: messages.into_iter().map(Utf8Bytes::from).collect(),
            send_at: if self.is_greeted { Nanos::MAX } else { now },
            requests: Budget::new(self.requests),
            ping_at: now + self.heartbeat.interval,
            ping_interval: self.heartbeat.interval,
            pong_due: None,
            alive_at: now,
            quote_at: now,
            beats: 0,
            beat_at: now,
            bytes_counted: 0,
            opened_at: now,
            unfinished_since: None,
            closing: Closing::default(),
        });
    }

    /// Notes that the connector could not make the socket, and that the next attempt may not be made
    /// for `floor` ns. Returns the time until the next attempt.
    pub(super) fn not_opened(&mut self, floor: Nanos, now: Nanos) -> Nanos {
        self.counters.connect_failures.add(1);
        self.wait(floor, now)
    }

    /// Notes that no attempt was made, because what is left of the venue's limit is kept for lost
    /// lines for this time. Returns the time until the next attempt.
    pub(super) fn put_off(&mut self, wait: Nanos, now: Nanos) -> Nanos {
        (self.waiting, self.is_put_off) = (Waiting::Until(now + wait), true);
        wait
    }

    /// Notes that the line that this one was to replace is lost. Returns what comes next.
    pub(super) fn hurry(&mut self, now: Nanos) -> Next {
        if std::mem::take(&mut self.is_put_off) {
            return Next::In(self.wait(0, now));
        }
        match self.waiting {
            Waiting::Until(due) => Next::In(due.saturating_sub(now)),
            Waiting::Answer => Next::UnderWay,
        }
    }

    /// Waits for the back-off after `floor`, so that connections that wait equally long do not all
    /// come back together.
    fn wait(&mut self, floor: Nanos, now: Nanos) -> Nanos {
        let wait = floor.saturating_add(self.backoff.wait());
        self.waiting = Waiting::Until(now + wait);
        wait
    }

    /// Returns whether there is a socket.
    #[inline]
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Asks for a socket by `request` if it is time to. `request` returns whether it could.
    pub(super) fn ask(&mut self, now: Nanos, request: impl FnOnce() -> bool) {
        if let Waiting::Until(due) = self.waiting
            && due <= now
            && request()
        {
            (self.waiting, self.is_put_off) = (Waiting::Answer, false);
        }
    }

    /// Notes that the socket is ready; `ending` if the venue has ended its side.
    pub(super) fn readable(&mut self, ending: bool) {
        if let Some(open) = &mut self.open {
            open.readable = true;
            open.socket.rearm(ending);
        }
    }

    /// Marks an empty socket as worth a read again, where nobody tells of readiness.
    #[inline]
    pub(super) fn ask_again(&mut self) {
        if let Some(open) = &mut self.open
            && !open.readable
        {
            open.readable = true;
            open.socket.rearm(false);
        }
    }

    /// Returns whether there may be something to read.
    #[inline]
    pub(super) fn is_readable(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.readable)
    }

    /// Checks that the socket is alive and gives quotes.
    ///
    /// # Errors
    /// If it has been silent or closing for too long.
    pub(super) fn check(&self, now: Nanos) -> Result<(), Loss> {
        let Some(open) = &self.open else { return Ok(()) };
        if open.closing.since.is_some_and(|since| CLOSE_WAIT < now.saturating_sub(since)) {
            return Err(open.closing.loss(&Error::ConnectionClosed));
        }
        if self.heartbeat.dead_after < now.saturating_sub(open.alive_at) {
            return Err(Loss::silent("no frame within the venue's limit"));
        }
        if self.stall < now.saturating_sub(open.quote_at) {
            return Err(Loss::silent("alive, but no quote within the limit"));
        }
        Ok(())
    }

    /// Returns for how long nothing was quoted on the line, if that is long for its pace.
    pub(super) fn is_hushed(&self, now: Nanos) -> Option<Nanos> {
        let open = self.open.as_ref().filter(|open| u64::from(PACE_BEATS) <= open.beats)?;
        let mean = open.quote_at.saturating_sub(open.opened_at) / open.beats;
        let limit = mean.saturating_mul(PACE_BEATS.into()).max(HUSHED_AFTER);
        let quiet = now.saturating_sub(open.quote_at);
        (limit < quiet).then_some(quiet)
    }

    /// Returns whether so many requests can be sent one after another, the first at once.
    pub(super) fn may_request(&self, count: u32, now: Nanos) -> bool {
        let may = |open: &Open<S>| {
            open.outbox.is_empty()
                && open.closing.since.is_none()
                && open.send_at <= now
                && open.requests.next_leaving(now, |_| count - 1) <= now
        };
        self.open.as_ref().is_some_and(may)
    }

    /// Notes that no quote is expected by now: the time without one counts from here.
    pub(super) fn excuse(&mut self, now: Nanos) {
        if let Some(open) = &mut self.open {
            open.quote_at = now;
        }
    }

    /// Sends the answer to the venue's heartbeat before anything else. Only the last answer is sent,
    /// however many are made at a time.
    pub(super) fn answer(&mut self, pong: String) {
        if let Some(open) = &mut self.open {
            open.pong_due = Some(pong.into());
        }
    }

    /// Adds messages to be sent.
    pub(super) fn queue(&mut self, messages: Vec<String>) {
        if let Some(open) = &mut self.open {
            open.outbox.extend(messages.into_iter().map(Utf8Bytes::from));
        }
    }

    /// Sends the heartbeat or the next message when its time has come.
    ///
    /// # Errors
    /// If the socket is broken.
    pub(super) fn send_due(&mut self, now: Nanos) -> Result<(), Loss> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let lost = |error: Error| Loss::disconnected(&error);
        open.socket.flush().map_err(lost)?;
        if open.closing.since.is_some() {
            return Ok(());
        }
        let mut message = open.heartbeat_due(self.heartbeat, now);
        if message.is_none() && open.send_at <= now && open.requests.next(now) <= now {
            message = open.outbox.pop_front().map(|text| {
                open.requests.take(now);
                Message::Text(text)
            });
        }
        let Some(message) = message else { return Ok(()) };
        // A heartbeat does not replace the welcome.
        if open.send_at != Nanos::MAX {
            open.send_at = now + self.message_interval;
        }
        open.socket.send(message).map_err(lost)
    }

    /// Reads what is ready, up to [`FRAMES_PER_TURN`] frames. Returns how many, and 1 at least if
    /// anything was read; and the error that ended the socket, if one did. The caller then
    /// [loses](Line::lose) it.
    #[inline]
    pub(super) fn read(&mut self, reader: &mut impl Reader) -> (usize, Option<Error>) {
        let Line { open, backoff, counters, heartbeat, .. } = self;
        let Some(open) = open else { return (0, None) };
        let mut turn = Turn::default();
        let ended = open.read_frames(&mut turn, backoff, counters, reader, *heartbeat).err();
        if turn.is_cut() {
            counters.turns_cut.add(1);
        }
        let mut frames = turn.frames;
        if open.bytes_counted != open.socket.bytes_read() {
            if let Some((stamp, read_at)) = open.socket.take_kernel_stamp() {
                reader.on_kernel_stamp(stamp, read_at);
            }
            open.socket.acknowledge();
            open.count_bytes(counters);
            frames = frames.max(1);
        }
        (frames, ended)
    }

    /// Returns why the socket ended: what the venue said, or else the error.
    pub(super) fn loss(&self, error: &Error) -> Loss {
        match &self.open {
            Some(open) => open.closing.loss(error),
            None => Loss::disconnected(error),
        }
    }

    /// Gives the socket up. Returns it, and the time until the next attempt.
    pub(super) fn lose(&mut self, now: Nanos) -> (Option<Box<S>>, Nanos) {
        let mut floor = 0;
        let lost = self.open.take().map(|mut open| {
            open.count_bytes(&self.counters);
            floor = open.closing.close.as_ref().map_or(0, Close::floor);
            open.socket
        });
        self.counters.disconnects.add(1);
        (lost, self.wait(floor, now))
    }

    /// Tells the venue that we close, without waiting for an answer.
    pub(super) fn begin_close(&mut self) {
        if let Some(open) = &mut self.open {
            drop(open.socket.close());
            drop(open.socket.flush());
        }
    }

    /// Makes the next request for a socket wait for nothing.
    pub(super) fn rest(&mut self) {
        self.waiting = Waiting::Until(0);
        self.backoff.reset();
    }

    /// Ends the connection politely, without waiting for an answer.
    pub(super) fn close(&mut self) {
        if let Some(mut open) = self.open.take() {
            open.count_bytes(&self.counters);
            drop(open.socket.close());
            drop(open.socket.flush());
        }
    }
}

impl<S: Socket> Open<S> {
    /// Returns the answer to the venue's heartbeat, or ours, if it is due.
    fn heartbeat_due(&mut self, heartbeat: Heartbeat, now: Nanos) -> Option<Message> {
        if let Some(pong) = self.pong_due.take() {
            return Some(Message::Text(pong));
        }
        if now < self.ping_at {
            return None;
        }
        self.ping_at = now + self.ping_interval;
        match heartbeat.ping {
            Ping::Frame => Some(Message::Ping(Bytes::new())),
            Ping::Text(text) => Some(Message::Text(Utf8Bytes::from_static(text))),
            Ping::Made(make) => Some(Message::Text(make(now).into())),
            Ping::None => None,
        }
    }

    /// Reads until the socket is empty, the turn is over, or nothing more can go out.
    #[inline]
    fn read_frames(
        &mut self,
        turn: &mut Turn,
        backoff: &mut Backoff,
        counters: &LineCounters,
        reader: &mut impl Reader,
        heartbeat: Heartbeat,
    ) -> Result<(), Error> {
        while turn.goes_on() && reader.has_room() {
            let (taken, ts_recv) = self.socket.take()?;
            let frame = match taken {
                Taken::Nothing => {
                    self.readable = false;
                    break;
                }
                Taken::Text(text) => RawFrame::Text(text),
                Taken::Binary(bytes) => RawFrame::Binary(bytes),
                Taken::Part(bytes) => {
                    turn.count(bytes, || reader.now());
                    counters.parts.add(1);
                    self.on_part(ts_recv)?;
                    continue;
                }
                Taken::Control => {
                    counters.controls.add(1);
                    turn.count(0, || reader.now());
                    self.alive_at = ts_recv;
                    self.on_part(ts_recv)?;
                    continue;
                }
                Taken::Close(close) => {
                    counters.controls.add(1);
                    let close = close.map(|(code, reason)| (code, reason.to_owned()));
                    turn.count(0, || reader.now());
                    self.alive_at = ts_recv;
                    self.closing.since.get_or_insert(ts_recv);
                    self.closing.close = Some(Close(close));
                    continue;
                }
            };
            self.alive_at = ts_recv;
            self.unfinished_since = None;
            counters.frames.add(1);
            let (RawFrame::Text(bytes) | RawFrame::Binary(bytes)) = frame;
            let bytes = bytes.len();
            let heard = reader.on_frame(frame, ts_recv);
            turn.count(bytes, || reader.now());
            if heard.quote {
                self.quote_at = ts_recv;
                if BEAT <= ts_recv.saturating_sub(self.beat_at) {
                    self.beats += 1;
                    self.beat_at = ts_recv;
                }
                if WELL_AFTER < ts_recv.saturating_sub(self.opened_at) {
                    backoff.reset();
                }
            }
            // The line goes on until another takes over, or the venue ends it.
            self.closing.is_announced |= heard.closing;
            if let Some(interval) = heard.welcome {
                self.on_welcome(interval, heartbeat, ts_recv);
            }
        }
        Ok(())
    }

    /// Begins to send requests, and heartbeats after the time that the venue asks for, if it does. Two of
    /// them fit into the time after which the line is dead.
    #[cold]
    fn on_welcome(&mut self, interval: Option<Nanos>, heartbeat: Heartbeat, now: Nanos) {
        if self.send_at == Nanos::MAX {
            self.send_at = now;
        }
        if let Some(interval) = interval {
            self.ping_interval = interval.clamp(PING_INTERVAL_MIN, heartbeat.dead_after / 2);
            self.ping_at = now + self.ping_interval;
        }
    }

    /// Checks that a message which came in parts ends within its time.
    #[cold]
    fn on_part(&mut self, ts_recv: Nanos) -> Result<(), Error> {
        if !self.socket.is_unfinished() {
            self.unfinished_since = None;
            return Ok(());
        }
        let since = *self.unfinished_since.get_or_insert(ts_recv);
        if MESSAGE_WAIT < ts_recv.saturating_sub(since) {
            return Err(EndlessMessage::Late(MESSAGE_WAIT / SECOND).into());
        }
        Ok(())
    }

    fn count_bytes(&mut self, counters: &LineCounters) {
        let read = self.socket.bytes_read();
        counters.bytes.add(read - self.bytes_counted);
        self.bytes_counted = read;
    }
}

#[cfg(test)]
mod tests;
