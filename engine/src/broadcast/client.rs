//! One client, from its first byte to its last: handshake, requests, its pace, its departure.
//!
//! A client is in order as long as its socket takes what it is given; when its queue is full it is
//! behind, and events are conflated until the queue has drained; then it catches up and is in order
//! again. All of this is state and time that is handed in; nothing waits. It must not know other
//! clients.

use super::conflation::Conflation;
use super::market::Event;
use super::message::{Delivery, PING, close_frame};
use super::request::{self, Refusal, Rejection, Request};
use super::subscription::Filters;
use super::upgrade::{self, Upgrade};
use super::wire::Wire;
use super::{Departure, Shared};
use crate::clock::{Nanos, SECOND};
use crate::record::{Gap, Recording};
use std::io::{ErrorKind, Read};
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error, Message};

/// Frames of one client that are read in one cycle.
const FRAMES_PER_CYCLE: usize = 16;
/// Conflated events that one client gets in one cycle: some 80 KiB.
const CATCH_UP_EVENTS_MAX: usize = 256;
/// Bytes read at once while shaking hands.
const HANDSHAKE_READ_BYTES: usize = 2048;
/// tungstenite zeroes its buffer at every read; requests are short.
const READ_BUFFER_BYTES: usize = 4096;
/// A client that is told to go has this long to take what is queued and to close.
const LINGER: Nanos = SECOND;

/// Where a client stands.
#[derive(Debug)]
enum Phase {
    /// Its request is not whole yet.
    Greeting { head: Vec<u8> },
    /// A WebSocket.
    Open { socket: Box<WebSocketContext> },
    /// Told to go; what is queued still leaves.
    Leaving { since: Nanos, finished: bool },
    /// To be forgotten.
    Gone,
}

/// Whether a client keeps up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// Gets everything as it happens.
    InOrder,
    /// Its queue was full and has not drained since.
    Behind,
    /// Its queue has drained; what was conflated is on its way.
    CatchingUp,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Client {
    wire: Wire,
    phase: Phase,
    filters: Filters,
    pace: Pace,
    /// Taken at the first congestion and kept.
    conflation: Option<Box<Conflation>>,
    accepted_at: Nanos,
    /// When it last showed life.
    seen_at: Nanos,
    pinged_at: Nanos,
    /// The current second of its requests, and how many came in it.
    second: (Nanos, u32),
}

impl Client {
    /// Begins with an accepted socket.
    pub(super) fn new(wire: Wire, now: Nanos) -> Client {
        Client {
            wire,
            phase: Phase::Greeting { head: Vec::new() },
            filters: Filters::new(),
            pace: Pace::InOrder,
            conflation: None,
            accepted_at: now,
            seen_at: now,
            pinged_at: now,
            second: (now, 0),
        }
    }

    /// The connection.
    pub(super) fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    /// Whether there is nothing left to do for it.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self.phase, Phase::Gone)
    }

    /// Whether it is to be polled soon, because bytes wait for its socket.
    pub(super) fn is_waiting(&self) -> bool {
        self.wire.is_blocked()
    }

    /// Whether it asks for an event.
    #[inline]
    pub(super) fn wants(&self, event: &Event) -> bool {
        matches!(self.phase, Phase::Open { .. }) && self.filters.want(event)
    }

    /// Gives it an event that it wants, encoded as the frame in `shared`. Whether it was queued.
    #[inline]
    pub(super) fn give(&mut self, event: &Event, shared: &Shared) -> bool {
        if self.pace == Pace::InOrder && self.wire.push(shared.encoder.frame(), shared.now) {
            shared.tally.messages.add(1);
            return true;
        }
        let lost = self.fall_behind(shared).put(event, shared.market.keys());
        shared.tally.conflated.add(lost);
        false
    }

    /// Tells it of a loss before the broadcast, encoded as the frame in `shared`.
    pub(super) fn give_gap(&mut self, gap: &Gap, shared: &Shared) {
        if !matches!(self.phase, Phase::Open { .. }) {
            return;
        }
        if self.pace == Pace::InOrder && self.wire.push(shared.encoder.frame(), shared.now) {
            shared.tally.messages.add(1);
            return;
        }
        let lost = self.fall_behind(shared).put_gap(gap, shared.market.keys());
        shared.tally.conflated.add(lost);
    }

    /// Tells it whether quotes are recorded, encoded as the frame in `shared`. One that has no
    /// snapshot yet is told with it.
    pub(super) fn give_recording(&mut self, recording: &Recording, shared: &Shared) {
        if !matches!(self.phase, Phase::Open { .. }) || !self.filters.have_begun() {
            return;
        }
        if self.pace == Pace::InOrder && self.wire.push(shared.encoder.frame(), shared.now) {
            shared.tally.messages.add(1);
            return;
        }
        self.fall_behind(shared).put_recording(recording);
    }

    fn fall_behind(&mut self, shared: &Shared) -> &mut Conflation {
        if self.pace == Pace::InOrder {
            self.pace = Pace::Behind;
            shared.tally.congestions.add(1);
        }
        let keys = shared.market.keys();
        self.conflation.get_or_insert_with(|| Box::new(Conflation::new(keys)))
    }

    /// Offers what is queued to the socket; returns how many bytes it took.
    pub(super) fn flush(&mut self, now: Nanos) -> usize {
        let was_full = self.wire.is_full();
        let taken = self.wire.flush(now);
        if was_full && taken > 0 {
            // Its kernel has made room, so somebody reads.
            self.seen_at = now;
        }
        taken
    }

    /// Everything but events: input, timers, snapshots, catching up. Returns how much was done.
    pub(super) fn serve(&mut self, shared: &mut Shared) -> usize {
        let mut work = match self.phase {
            Phase::Greeting { .. } => self.greet(shared),
            Phase::Open { .. } => self.listen(shared),
            Phase::Leaving { .. } | Phase::Gone => 0,
        };
        if matches!(self.phase, Phase::Open { .. }) {
            work += self.advance(shared);
            self.keep_alive(shared);
        }
        work += self.flush(shared.now);
        if matches!(self.phase, Phase::Leaving { .. }) {
            self.part(shared.now);
        }
        if self.wire.is_broken() {
            self.depart(Departure::Reset, shared);
            self.phase = Phase::Gone;
        }
        work
    }

    fn greet(&mut self, shared: &mut Shared) -> usize {
        let Phase::Greeting { head } = &mut self.phase else { return 0 };
        let before = head.len();
        let mut ended = false;
        while self.wire.is_readable() && !ended && head.len() < upgrade::REQUEST_BYTES_MAX {
            let mut bytes = [0; HANDSHAKE_READ_BYTES];
            match self.wire.read(&mut bytes) {
                Ok(0) => ended = true,
                Ok(count) => head.extend(&bytes[..count]),
                Err(_) => break,
            }
        }
        let progress = head.len() - before;
        let answer = if progress > 0 { upgrade::read(head) } else { Upgrade::Incomplete };
        match answer {
            Upgrade::Accept { response, consumed } if shared.open < shared.settings.max_clients => {
                let tail = head.split_off(consumed);
                self.open(&response, tail, shared);
            }
            Upgrade::Accept { .. } => {
                let sentence = "as many clients as are allowed are connected; try again later";
                if let Upgrade::Refuse(response) =
                    upgrade::refuse("503 Service Unavailable", sentence)
                {
                    self.wire.push_always(&response);
                }
                self.depart(Departure::Full, shared);
            }
            Upgrade::Refuse(response) => {
                self.wire.push_always(&response);
                self.depart(Departure::NoUpgrade, shared);
            }
            Upgrade::Incomplete if ended => self.depart(Departure::Left, shared),
            Upgrade::Incomplete => {
                if self.accepted_at + shared.settings.handshake_timeout <= shared.now {
                    self.depart(Departure::HandshakeTimeout, shared);
                }
            }
        }
        progress
    }

    fn open(&mut self, response: &[u8], tail: Vec<u8>, shared: &mut Shared) {
        let max = Some(shared.settings.request_bytes_max);
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0)
            .max_message_size(max)
            .max_frame_size(max);
        let socket = WebSocketContext::from_partially_read(tail, Role::Server, Some(config));
        self.phase = Phase::Open { socket: Box::new(socket) };
        self.wire.push_always(response);
        // What came behind the request waits in the context, not in the socket.
        self.wire.ready(true, false);
        (self.seen_at, self.pinged_at) = (shared.now, shared.now);
        shared.enter();
        shared.encoder.hello();
        self.say(shared);
    }

    /// Queues the encoder's message, whatever waits.
    fn say(&mut self, shared: &Shared) {
        self.wire.push_always(shared.encoder.frame());
        shared.tally.messages.add(1);
    }

    /// Reads what the client says. One that is behind is not heard until it has caught up: its
    /// answers would only make its queue longer.
    fn listen(&mut self, shared: &mut Shared) -> usize {
        let mut frames = 0;
        while self.wire.is_readable() && self.pace == Pace::InOrder && frames < FRAMES_PER_CYCLE {
            let Phase::Open { socket } = &mut self.phase else { break };
            match socket.read(&mut self.wire) {
                Ok(message) => {
                    frames += 1;
                    self.seen_at = shared.now;
                    self.hear(message, shared);
                }
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => break,
                Err(Error::Io(error)) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.depart(departure_of(&error), shared);
                    break;
                }
            }
        }
        frames
    }

    fn hear(&mut self, message: Message, shared: &mut Shared) {
        shared.tally.requests.add(1);
        if self.is_too_fast(shared) {
            return self.depart(Departure::TooFast, shared);
        }
        match message {
            Message::Text(text) => match request::parse(&text, shared.encoder.catalogue()) {
                Ok(request) => self.follow(request, shared),
                Err(Rejection::NotJson) => self.depart(Departure::NotJson, shared),
                Err(Rejection::Refused(refusal)) => self.refuse(&refusal, shared),
            },
            Message::Binary(_) => self.depart(Departure::Binary, shared),
            Message::Close(_) => {
                if let Phase::Open { socket } = &mut self.phase {
                    // Queues the answer; that the connection is closed now is no news.
                    drop(socket.flush(&mut self.wire));
                }
                self.depart(Departure::Left, shared);
            }
            // tungstenite has queued the pong; a pong of the client's is a sign of life.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }

    fn is_too_fast(&mut self, shared: &Shared) -> bool {
        let (since, count) = self.second;
        self.second =
            if since + SECOND <= shared.now { (shared.now, 1) } else { (since, count + 1) };
        shared.settings.requests_per_second < self.second.1
    }

    fn follow(&mut self, request: Request, shared: &mut Shared) {
        let outcome = match request {
            Request::Subscribe(wish) => self
                .filters
                .add(wish, shared.settings.filters_max)
                .map(|filter| shared.encoder.subscribed(filter)),
            Request::Unsubscribe(id) => {
                self.filters.remove(id).map(|gone| shared.encoder.unsubscribed(&gone))
            }
            Request::Ping(id) => {
                shared.encoder.pong(id.as_deref(), shared.now);
                Ok(())
            }
        };
        match outcome {
            Ok(()) => self.say(shared),
            Err(refusal) => self.refuse(&refusal, shared),
        }
    }

    fn refuse(&mut self, refusal: &Refusal, shared: &mut Shared) {
        shared.tally.errors.add(1);
        shared.encoder.error(refusal);
        self.say(shared);
    }

    /// The next part of a snapshot, or of what was conflated.
    fn advance(&mut self, shared: &mut Shared) -> usize {
        if self.pace == Pace::Behind && self.wire.queued() == 0 {
            self.pace = Pace::CatchingUp;
        }
        match self.pace {
            Pace::Behind => 0,
            Pace::CatchingUp => self.catch_up(shared),
            Pace::InOrder => self.snapshot(shared),
        }
    }

    fn snapshot(&mut self, shared: &mut Shared) -> usize {
        let keys = shared.market.keys().count();
        let Some(place) = self.filters.unfinished(keys) else { return 0 };
        if self.wire.limit() / 2 < self.wire.queued() {
            return 0;
        }
        if let Some(stopped) = shared.stopped.filter(|_| self.filters.at(place).reached() == 0) {
            shared.encoder.recording(&stopped);
            self.say(shared);
        }
        let covered = shared.encoder.snapshot(self.filters.at(place), &shared.market);
        self.filters.advance(place, covered.reached);
        if covered.items > 0 || covered.reached == keys {
            self.say(shared);
        }
        1
    }

    fn catch_up(&mut self, shared: &mut Shared) -> usize {
        let Some(conflation) = &mut self.conflation else { return 0 };
        if let Some(gap) = conflation.take_gap() {
            shared.encoder.engine_gap(&gap);
            self.wire.push_always(shared.encoder.frame());
            shared.tally.messages.add(1);
        }
        if let Some(recording) = conflation.take_recording() {
            shared.encoder.recording(&recording);
            self.wire.push_always(shared.encoder.frame());
            shared.tally.messages.add(1);
        }
        if let Some(missed) = conflation.take_missed() {
            shared.encoder.client_gap(&missed);
            self.wire.push_always(shared.encoder.frame());
            shared.tally.messages.add(1);
        }
        let mut sent = 0;
        while sent < CATCH_UP_EVENTS_MAX && self.wire.queued() < self.wire.limit() / 2 {
            let Some(event) = conflation.take_first() else { break };
            shared.encoder.event(&event, Delivery::Conflated);
            self.wire.push_always(shared.encoder.frame());
            shared.tally.messages.add(1);
            sent += 1;
        }
        if conflation.is_empty() {
            self.pace = Pace::InOrder;
        }
        sent
    }

    fn keep_alive(&mut self, shared: &mut Shared) {
        let (now, settings) = (shared.now, &shared.settings);
        if self.wire.is_stuck(now, settings.stuck_timeout) && self.flush(now) == 0 {
            self.depart(Departure::Stuck, shared);
        } else if self.seen_at + settings.silent_timeout <= now {
            self.depart(Departure::Silent, shared);
        } else if self.pinged_at + settings.ping_interval <= now {
            self.pinged_at = now;
            self.wire.push_always(&PING);
        }
    }

    /// Tells the client to go, once.
    pub(super) fn depart(&mut self, departure: Departure, shared: &mut Shared) {
        match self.phase {
            Phase::Leaving { .. } | Phase::Gone => return,
            Phase::Greeting { .. } => {}
            Phase::Open { .. } => {
                shared.exit();
                if let Some((code, reason)) = departure.close() {
                    self.wire.push_always(&close_frame(code, reason));
                }
            }
        }
        shared.tally.disconnected(departure);
        self.phase = Phase::Leaving { since: shared.now, finished: false };
        if departure == Departure::Stuck {
            self.flush(shared.now);
            if self.wire.queued() > 0 {
                self.phase = Phase::Gone;
            }
        }
    }

    /// Waits, a little, for the client to take what is queued and to close its side.
    pub(super) fn part(&mut self, now: Nanos) {
        let Phase::Leaving { since, finished } = &mut self.phase else { return };
        if self.wire.queued() == 0 && !*finished {
            *finished = true;
            self.wire.finish();
        }
        let ended = self.wire.is_readable() && !self.wire.discard();
        if ended || *since + LINGER <= now {
            self.phase = Phase::Gone;
        }
    }

    /// Sends what is left at the end of the process; whether everything is with the kernel.
    pub(super) fn settle(&mut self, shared: &mut Shared) -> bool {
        if matches!(self.phase, Phase::Open { .. }) {
            self.flush(shared.now);
            self.advance(shared);
            let keys = shared.market.keys().count();
            if self.pace == Pace::InOrder && self.filters.unfinished(keys).is_none() {
                self.depart(Departure::Shutdown, shared);
            }
        }
        self.flush(shared.now);
        self.part(shared.now);
        let with_kernel = matches!(self.phase, Phase::Leaving { finished: true, .. });
        with_kernel
            || self.wire.is_broken()
            || matches!(self.phase, Phase::Gone | Phase::Greeting { .. })
    }
}

fn departure_of(error: &Error) -> Departure {
    use tungstenite::error::ProtocolError::ResetWithoutClosingHandshake;
    match error {
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ResetWithoutClosingHandshake) => Departure::Left,
        Error::Io(_) | Error::Tls(_) => Departure::Reset,
        Error::Capacity(_) => Departure::TooLarge,
        Error::Utf8(_) => Departure::NotUtf8,
        Error::Protocol(_)
        | Error::WriteBufferFull(_)
        | Error::AttackAttempt
        | Error::Url(_)
        | Error::Http(_)
        | Error::HttpFormat(_) => Departure::Protocol,
    }
}
