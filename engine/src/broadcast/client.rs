//! One client's connection, from its first byte to its last: handshake, requests, life, departure.
//!
//! All of this is state, and time that is handed in; nothing waits. What the client is sent is its
//! [`Stream`].

use super::departure::Departure;
use super::event::Event;
use super::frame::{PING, close_frame};
use super::network::Socket;
use super::request::{self, Refusal, Rejection, Request};
use super::shared::Shared;
use super::stream::{Manner, Stream};
use super::upgrade::{self, Upgrade};
use super::wire::Wire;
use spreadwire_market::clock::{Nanos, SECOND};
use std::io::{ErrorKind, Read};
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error, Message};

/// Most frames of one client that are read in one cycle.
const FRAMES_PER_CYCLE: usize = 16;
/// Bytes read at once while shaking hands.
const HANDSHAKE_READ_BYTES: usize = 2048;
/// tungstenite zeroes its buffer at every read; requests are short.
const READ_BUFFER_BYTES: usize = 4096;
/// A client that is told to go has this long to take what is queued and to close.
const LINGER: Nanos = SECOND;

/// Where a connection stands.
#[derive(Debug)]
enum Phase {
    /// The request for an upgrade is not whole yet.
    Greeting { head: Vec<u8> },
    /// It is a WebSocket.
    Open { socket: Box<WebSocketContext> },
    /// The client was told to go; what is queued still leaves.
    Leaving { since: Nanos, finished: bool },
    /// It is to be forgotten.
    Gone,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Client<S> {
    stream: Stream<S>,
    phase: Phase,
    accepted_at: Nanos,
    /// When the client last showed life.
    seen_at: Nanos,
    pinged_at: Nanos,
    /// The current second of its requests, and how many came in it.
    second: (Nanos, u32),
}

impl<S: Socket> Client<S> {
    /// Begins with an accepted socket.
    pub(super) fn new(wire: Wire<S>, now: Nanos) -> Client<S> {
        Client {
            stream: Stream::new(wire),
            phase: Phase::Greeting { head: Vec::new() },
            accepted_at: now,
            seen_at: now,
            pinged_at: now,
            second: (now, 0),
        }
    }

    /// Notes what the poll said.
    pub(super) fn ready(&mut self, readable: bool, writable: bool) {
        self.stream.wire_mut().ready(readable, writable);
    }

    #[inline]
    fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open { .. })
    }

    /// Returns whether there is nothing left to do for it.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self.phase, Phase::Gone)
    }

    /// Returns whether it is to be polled soon, because bytes wait for its socket.
    pub(super) fn is_waiting(&self) -> bool {
        self.stream.wire().is_blocked()
    }

    /// Finds how the client is given what happens, from the log's next message on.
    pub(super) fn take_manner(&mut self, shared: &Shared) -> Manner {
        if self.is_open() {
            return self.stream.take_manner(shared);
        }
        self.stream.leave_log(shared);
        Manner::Idles
    }

    /// Returns whether the client asks for an event.
    #[inline]
    pub(super) fn wants(&self, event: &Event) -> bool {
        self.is_open() && self.stream.wants(event)
    }

    /// Gives the client an event that it wants and that it does not follow; returns whether it was
    /// queued.
    #[inline]
    pub(super) fn give(&mut self, event: &Event, shared: &mut Shared) -> bool {
        self.stream.give(event, shared)
    }

    /// Returns the bytes that the client may still be given and the first message of the log that
    /// it has not been sent, unless it is not in order.
    #[inline]
    pub(super) fn room(&self) -> Option<(usize, Option<u64>)> {
        let room = if self.is_open() { self.stream.room() } else { None };
        room.map(|bytes| (bytes, self.stream.oldest()))
    }

    /// Conflates what waits, unless a message of `bytes` still fits and the log's oldest will then
    /// be `tail`.
    pub(super) fn make_room(&mut self, bytes: usize, tail: u64, shared: &mut Shared) {
        if self.room().is_some() && !self.stream.has_room(bytes, tail) {
            self.stream.fall_behind(shared);
        }
    }

    /// Offers what is queued to the socket; returns how many bytes it took.
    #[inline]
    pub(super) fn flush(&mut self, shared: &Shared) -> usize {
        let was_full = self.stream.wire().is_full();
        let taken = self.stream.flush(shared);
        if was_full && taken > 0 {
            // Its kernel has made room, so somebody reads.
            self.seen_at = shared.now;
        }
        taken
    }

    /// Returns whether there is nothing to do for the client but to give it events: it says
    /// nothing, nothing waits, no timer is due.
    #[inline]
    pub(super) fn is_quiet(&self, shared: &Shared) -> bool {
        let (now, settings) = (shared.now, &shared.settings);
        self.is_open()
            && self.stream.is_idle(shared)
            && !self.stream.wire().is_readable()
            && now < self.seen_at + settings.silent_timeout
            && now < self.pinged_at + settings.ping_interval
    }

    /// Does everything but events: input, timers, snapshots, catching up. Returns how much was
    /// done.
    pub(super) fn serve(&mut self, shared: &mut Shared) -> usize {
        // What the client says is answered behind what it has been told.
        self.stream.take_range(shared);
        let mut work = match self.phase {
            Phase::Greeting { .. } => self.greet(shared),
            Phase::Open { .. } => self.listen(shared),
            Phase::Leaving { .. } | Phase::Gone => 0,
        };
        if self.is_open() {
            work += self.stream.advance(shared);
            self.keep_alive(shared);
        }
        work += self.flush(shared);
        if matches!(self.phase, Phase::Leaving { .. }) {
            self.part(shared.now);
        }
        if self.stream.wire().is_broken() {
            self.depart(Departure::Reset, shared);
            self.phase = Phase::Gone;
        }
        work
    }

    fn greet(&mut self, shared: &mut Shared) -> usize {
        let Phase::Greeting { head } = &mut self.phase else { return 0 };
        let before = head.len();
        let mut ended = false;
        while self.stream.wire().is_readable() && !ended && head.len() < upgrade::REQUEST_BYTES_MAX
        {
            let mut bytes = [0; HANDSHAKE_READ_BYTES];
            match self.stream.wire_mut().read(&mut bytes) {
                Ok(0) => ended = true,
                Ok(count) => head.extend(&bytes[..count]),
                Err(_) => break,
            }
        }
        let progress = head.len() - before;
        let answer = if progress > 0 { upgrade::read(head) } else { Upgrade::Incomplete };
        match answer {
            Upgrade::Accept { response, consumed, protocol }
                if shared.open < shared.settings.max_clients =>
            {
                let tail = head.split_off(consumed);
                self.stream.wire_mut().queue_mut().speak(protocol);
                self.open(&response, tail, shared);
            }
            Upgrade::Accept { .. } => {
                let sentence = "as many clients as are allowed are connected; try again later";
                if let Upgrade::Refuse(response) =
                    upgrade::refuse("503 Service Unavailable", sentence)
                {
                    self.stream.wire_mut().push_always(&response);
                }
                self.depart(Departure::Full, shared);
            }
            Upgrade::Refuse(response) => {
                self.stream.wire_mut().push_always(&response);
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
        self.stream.wire_mut().push_always(response);
        // What came behind the request waits in the context, not in the socket.
        self.stream.wire_mut().ready(true, false);
        (self.seen_at, self.pinged_at) = (shared.now, shared.now);
        shared.enter();
        shared.manners_changed = true;
        shared.encoder.hello(self.stream.protocol());
        self.stream.say(shared);
    }

    /// Reads what the client says. A client that is behind is not heard until it has caught up: the
    /// answers would only make its queue longer.
    fn listen(&mut self, shared: &mut Shared) -> usize {
        let mut frames = 0;
        while self.stream.wire().is_readable()
            && self.stream.is_in_order()
            && frames < FRAMES_PER_CYCLE
        {
            let Phase::Open { socket } = &mut self.phase else { break };
            match socket.read(self.stream.wire_mut()) {
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
                Ok(request) => self.carry_out(request, shared),
                Err(Rejection::NotJson) => self.depart(Departure::NotJson, shared),
                Err(Rejection::Refused(refusal)) => self.refuse(&refusal, shared),
            },
            Message::Binary(_) => self.depart(Departure::Binary, shared),
            Message::Close(_) => {
                if let Phase::Open { socket } = &mut self.phase {
                    // Queues the answer; that the connection is closed now is no news.
                    drop(socket.flush(self.stream.wire_mut()));
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

    fn carry_out(&mut self, request: Request, shared: &mut Shared) {
        let filters = self.stream.change_filters(shared);
        let outcome = match request {
            Request::Subscribe(wish) => filters
                .add(wish, shared.settings.filters_max)
                .map(|filter| shared.encoder.subscribed(filter)),
            Request::Unsubscribe(id) => {
                filters.remove(id).map(|gone| shared.encoder.unsubscribed(&gone))
            }
            Request::Ping(id) => {
                shared.encoder.pong(id.as_deref(), shared.now);
                Ok(())
            }
        };
        match outcome {
            Ok(()) => self.stream.say(shared),
            Err(refusal) => self.refuse(&refusal, shared),
        }
    }

    fn refuse(&mut self, refusal: &Refusal, shared: &mut Shared) {
        shared.tally.errors.add(1);
        shared.encoder.error(refusal);
        self.stream.say(shared);
    }

    fn keep_alive(&mut self, shared: &mut Shared) {
        let (now, settings) = (shared.now, &shared.settings);
        if self.stream.wire().is_stuck(now, settings.stuck_timeout) && self.flush(shared) == 0 {
            self.depart(Departure::Stuck, shared);
        } else if self.seen_at + settings.silent_timeout <= now {
            self.depart(Departure::Silent, shared);
        } else if self.pinged_at + settings.ping_interval <= now {
            self.pinged_at = now;
            self.stream.wire_mut().push_always(&PING);
        }
    }

    /// Tells the client to go, once.
    fn depart(&mut self, departure: Departure, shared: &mut Shared) {
        match self.phase {
            Phase::Leaving { .. } | Phase::Gone => return,
            Phase::Greeting { .. } => {}
            Phase::Open { .. } => {
                shared.exit();
                shared.manners_changed = true;
                self.stream.detach(shared);
                if let Some((code, reason)) = departure.close() {
                    self.stream.wire_mut().push_always(&close_frame(code, reason));
                }
            }
        }
        shared.tally.disconnected(departure);
        self.phase = Phase::Leaving { since: shared.now, finished: false };
        if departure == Departure::Stuck {
            self.flush(shared);
            if self.stream.wire().queued() > 0 {
                self.phase = Phase::Gone;
            }
        }
    }

    /// Waits a little for the client to take what is queued and to close its side.
    fn part(&mut self, now: Nanos) {
        let Phase::Leaving { since, finished } = &mut self.phase else { return };
        if self.stream.wire().queued() == 0 && !*finished {
            *finished = true;
            self.stream.wire_mut().finish();
        }
        let ended = self.stream.wire().is_readable() && !self.stream.wire_mut().discard();
        if ended || *since + LINGER <= now {
            self.phase = Phase::Gone;
        }
    }

    /// Sends what is left at the end of the process; returns whether everything is with the kernel.
    pub(super) fn settle(&mut self, shared: &mut Shared) -> bool {
        if self.is_open() {
            self.flush(shared);
            self.stream.advance(shared);
            if self.stream.is_complete(shared) {
                self.depart(Departure::Shutdown, shared);
            }
        }
        self.flush(shared);
        self.part(shared.now);
        let with_kernel = matches!(self.phase, Phase::Leaving { finished: true, .. });
        with_kernel
            || self.stream.wire().is_broken()
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
