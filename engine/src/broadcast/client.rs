//! One client, from its first byte to its last: handshake, requests, its pace, its departure.
//!
//! A client is in order as long as its socket takes what it is given. One that wants everything then
//! follows the log: nothing is done for it per message, and what it gets is found when its socket is
//! written to. When its queue is full it is behind: what waits and what comes is conflated until its
//! own bytes have left; then it catches up and is in order again. All of this is state and time that is handed in; nothing waits. It must not know other
//! clients.

use super::conflation::Conflation;
use super::log::Protocol;
use super::market::{Event, Keys};
use super::message::{Delivery, PING, close_frame};
use super::request::{self, Refusal, Rejection, Request};
use super::subscription::Filters;
use super::upgrade::{self, Upgrade};
use super::wire::Wire;
use super::{Departure, Shared};
use spreadwire_market::clock::{Nanos, SECOND};
use spreadwire_market::record::Kind;
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

/// How a client is given what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Everything, by following the log.
    Follows(Protocol),
    /// Asked about each event.
    Picks,
    /// Nothing.
    Idles,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Client {
    wire: Wire,
    /// The first message of the log that a client that follows it has not queued.
    following: Option<u64>,
    phase: Phase,
    filters: Filters,
    /// Whether a snapshot may be incomplete.
    unfinished: bool,
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
            following: None,
            phase: Phase::Greeting { head: Vec::new() },
            filters: Filters::new(),
            unfinished: true,
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

    /// How it is given what happens from now on.
    pub(super) fn manner(&self, keys: &Keys) -> Manner {
        let open = matches!(self.phase, Phase::Open { .. });
        if open && self.pace == Pace::InOrder && self.filters.want_everything(keys.count()) {
            Manner::Follows(self.wire.queue().protocol())
        } else if open {
            Manner::Picks
        } else {
            Manner::Idles
        }
    }

    /// Gives it in this manner from the log's next message on.
    pub(super) fn take_manner(&mut self, shared: &Shared) -> Manner {
        let manner = self.manner(shared.market.keys());
        if matches!(manner, Manner::Follows(_)) {
            self.following.get_or_insert(shared.log.head());
        } else {
            self.take_range(shared);
            self.following = None;
        }
        manner
    }

    /// Queues what a client that follows the log has not queued, which is two numbers.
    #[inline]
    fn take_range(&mut self, shared: &Shared) {
        let (Some(from), head) = (self.following, shared.log.head()) else { return };
        if from < head {
            let queue = self.wire.queue_mut();
            let bytes = shared.log.len(from, head, queue.protocol());
            queue.share(from, head, bytes);
            self.following = Some(head);
            shared.tally.messages.add(head - from);
        }
    }

    /// Whether it asks for an event.
    #[inline]
    pub(super) fn wants(&self, event: &Event) -> bool {
        matches!(self.phase, Phase::Open { .. })
            && match event.record.kind() {
                Some(Kind::Gap) => true,
                // One that has no snapshot yet is told with it.
                Some(Kind::Recording) => self.filters.have_begun(),
                Some(Kind::Spread | Kind::Status) => self.filters.want(event),
                _ => false,
            }
    }

    /// Gives it an event that it wants and that it does not follow: the log's next message. Whether
    /// it was queued.
    #[inline]
    pub(super) fn give(&mut self, event: &Event, shared: &mut Shared) -> bool {
        if self.pace != Pace::InOrder {
            self.conflate(event, shared);
            return false;
        }
        let queue = self.wire.queue_mut();
        let protocol = queue.protocol();
        shared.stage(event, protocol);
        let number = shared.log.head();
        queue.share(number, number + 1, shared.log.staged(protocol));
        shared.tally.messages.add(1);
        true
    }

    fn conflate(&mut self, event: &Event, shared: &Shared) {
        let keys = shared.market.keys();
        let table = self.conflation.get_or_insert_with(|| Box::new(Conflation::new(keys)));
        shared.tally.conflated.add(note(table, event, keys));
    }

    /// Whether a message of `bytes` still fits within its limit, and the log's oldest will not be
    /// one that it has not been sent.
    pub(super) fn has_room(&self, bytes: usize, tail: u64) -> bool {
        self.wire.queued() + bytes <= self.wire.limit() && self.oldest().is_none_or(|o| tail <= o)
    }

    /// The first message of the log that it has not been sent.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.wire.queue().first_message().or(self.following)
    }

    /// Bytes that it may still be given, unless it is not in order.
    pub(super) fn room(&self) -> Option<usize> {
        let open = matches!(self.phase, Phase::Open { .. }) && self.pace == Pace::InOrder;
        open.then(|| self.wire.limit().saturating_sub(self.wire.queued()))
    }

    /// Conflates what waits, but for its own bytes and a frame that has begun.
    pub(super) fn fall_behind(&mut self, shared: &mut Shared) {
        self.take_range(shared);
        self.following = None;
        self.pace = Pace::Behind;
        shared.manners_changed = true;
        shared.tally.congestions.add(1);
        let keys = shared.market.keys();
        let table = self.conflation.get_or_insert_with(|| Box::new(Conflation::new(keys)));
        let (mut conflated, mut unsent) = (0, 0);
        self.wire.queue_mut().give_up(&shared.log, |event| {
            conflated += note(table, event, keys);
            unsent += 1;
        });
        shared.tally.conflated.add(conflated);
        shared.tally.messages.set(shared.tally.messages.get() - unsent);
    }

    /// Offers what is queued to the socket; returns how many bytes it took.
    #[inline]
    pub(super) fn flush(&mut self, shared: &Shared) -> usize {
        self.take_range(shared);
        let was_full = self.wire.is_full();
        let taken = self.wire.flush(&shared.log, shared.now);
        if was_full && taken > 0 {
            // Its kernel has made room, so somebody reads.
            self.seen_at = shared.now;
        }
        taken
    }

    /// Whether there is nothing to do for it but to give it events: it says nothing, nothing waits,
    /// no timer is due.
    #[inline]
    pub(super) fn is_quiet(&self, shared: &Shared) -> bool {
        let (now, settings) = (shared.now, &shared.settings);
        matches!(self.phase, Phase::Open { .. })
            && self.pace == Pace::InOrder
            && !self.unfinished
            && !self.wire.is_readable()
            && !self.wire.is_broken()
            && self.wire.queued() == 0
            && self.following.is_none_or(|next| next == shared.log.head())
            && now < self.seen_at + settings.silent_timeout
            && now < self.pinged_at + settings.ping_interval
    }

    /// Everything but events: input, timers, snapshots, catching up. Returns how much was done.
    pub(super) fn serve(&mut self, shared: &mut Shared) -> usize {
        // What it says is answered behind what it has been told.
        self.take_range(shared);
        let mut work = match self.phase {
            Phase::Greeting { .. } => self.greet(shared),
            Phase::Open { .. } => self.listen(shared),
            Phase::Leaving { .. } | Phase::Gone => 0,
        };
        if matches!(self.phase, Phase::Open { .. }) {
            work += self.advance(shared);
            self.keep_alive(shared);
        }
        work += self.flush(shared);
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
            Upgrade::Accept { response, consumed, protocol }
                if shared.open < shared.settings.max_clients =>
            {
                let tail = head.split_off(consumed);
                self.wire.queue_mut().speak(protocol);
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
        shared.manners_changed = true;
        shared.encoder.hello(self.protocol());
        self.say(shared);
    }

    fn protocol(&self) -> Protocol {
        self.wire.queue().protocol()
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
        shared.manners_changed = true;
        self.unfinished = true;
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
        let Some(place) = self.filters.unfinished(keys) else {
            self.unfinished = false;
            return 0;
        };
        if self.wire.limit() / 2 < self.wire.queued() {
            return 0;
        }
        let protocol = self.protocol();
        if let Some(stopped) = shared.stopped.filter(|_| self.filters.at(place).reached() == 0) {
            shared.encoder.recording(&stopped, protocol);
            self.say(shared);
        }
        shared.manners_changed = true;
        let covered = shared.encoder.snapshot(self.filters.at(place), &shared.market, protocol);
        self.filters.advance(place, covered.reached);
        if covered.items > 0 || covered.reached == keys {
            self.say(shared);
        }
        1
    }

    fn catch_up(&mut self, shared: &mut Shared) -> usize {
        let protocol = self.protocol();
        let Some(mut conflation) = self.conflation.take() else { return 0 };
        if let Some(gap) = conflation.take_gap() {
            shared.encoder.engine_gap(&gap, protocol);
            self.say(shared);
        }
        if let Some(recording) = conflation.take_recording() {
            shared.encoder.recording(&recording, protocol);
            self.say(shared);
        }
        if let Some(missed) = conflation.take_missed() {
            shared.encoder.client_gap(&missed, protocol);
            self.say(shared);
        }
        let mut sent = 0;
        while sent < CATCH_UP_EVENTS_MAX && self.wire.queued() < self.wire.limit() / 2 {
            let Some(event) = conflation.take_first() else { break };
            shared.encoder.event(&event, Delivery::Conflated, protocol);
            self.say(shared);
            sent += 1;
        }
        if conflation.is_empty() {
            self.pace = Pace::InOrder;
            shared.manners_changed = true;
        }
        self.conflation = Some(conflation);
        sent
    }

    fn keep_alive(&mut self, shared: &mut Shared) {
        let (now, settings) = (shared.now, &shared.settings);
        if self.wire.is_stuck(now, settings.stuck_timeout) && self.flush(shared) == 0 {
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
                shared.manners_changed = true;
                self.take_range(shared);
                self.following = None;
                self.wire.queue_mut().detach(&shared.log);
                if let Some((code, reason)) = departure.close() {
                    self.wire.push_always(&close_frame(code, reason));
                }
            }
        }
        shared.tally.disconnected(departure);
        self.phase = Phase::Leaving { since: shared.now, finished: false };
        if departure == Departure::Stuck {
            self.flush(shared);
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
            self.flush(shared);
            self.advance(shared);
            let keys = shared.market.keys().count();
            if self.pace == Pace::InOrder && self.filters.unfinished(keys).is_none() {
                self.depart(Departure::Shutdown, shared);
            }
        }
        self.flush(shared);
        self.part(shared.now);
        let with_kernel = matches!(self.phase, Phase::Leaving { finished: true, .. });
        with_kernel
            || self.wire.is_broken()
            || matches!(self.phase, Phase::Gone | Phase::Greeting { .. })
    }
}

/// Notes an event for later; returns how many spreads that makes pointless.
fn note(table: &mut Conflation, event: &Event, keys: &Keys) -> u64 {
    if let Some(gap) = event.record.get() {
        return table.put_gap(gap, keys);
    }
    if let Some(recording) = event.record.get() {
        table.put_recording(recording);
        return 0;
    }
    table.put(event, keys)
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
