//! One connection to a venue: the lines that carry its symbols, and the desk at their ends.
//!
//! A connection asks for a socket when a line needs one, lets the desk subscribe on it, hands the
//! line's frames to the desk and to the capture, and tells the desk when the line is lost. A line
//! whose end is announced or near is replaced: a new line is made first, and takes over once it is in
//! step. With two lines, each carries everything, and the first copy of an update wins.

use super::cold::{ColdSide, Next, Notice, notify};
use super::desk::{Desk, DeskCounters, Out};
use super::line::{Heard, Line, LineCounters, Loss, Reader, Socket};
use super::outlet::Outlet;
use super::subscriptions::Again;
use crate::runtime::duration;
use crate::runtime::frame_ring::Frame as RawFrame;
use crate::runtime::stopwatch::Stopwatch;
use crate::socket::connect_error::ConnectError;
use crate::socket::connector::Request;
use crate::socket::web_socket::EndlessMessage;
use mio::Registry;
use mio::unix::SourceFd;
use spreadwire_lake::stage::StageCounter;
use spreadwire_market::backoff::Backoff;
use spreadwire_market::clock::{Clock, Nanos, SECOND};
use spreadwire_market::counters::{Counter, Counters};
use spreadwire_market::instrument::VenueId;
use spreadwire_market::record::Record;
use spreadwire_market::state::Reason;
use spreadwire_venues::health::{Bounds, LINES_MAX};
use spreadwire_venues::venue::{Symbols, VenueSpec};
use std::borrow::Cow;
use tungstenite::Error;

/// Replacements of a line and its successors that were caused by what the venue says, or does not say,
/// follow each other after waits that double up to an hour. They are short again after this time
/// without one.
const CALM_AFTER: Nanos = 3_600 * SECOND;
/// Why a line is replaced.
const ANNOUNCED: &str = "the venue announced its end";
const TIME_IS_OVER: &str = "its time is nearly over";

/// Where one connection's quotes come from, as the plan has it.
#[derive(Debug)]
pub struct ConnectionPlan {
    /// The venue's place in the catalogue.
    pub venue: VenueId,
    /// The venue's row in the registry.
    pub spec: &'static VenueSpec,
    /// Symbols that this connection subscribes.
    pub symbols: Symbols,
    /// Canonical names of the instruments that these are, in the same order, for counters.
    pub instruments: Vec<String>,
    /// The bounds within which a quote is taken for true.
    pub bounds: Bounds,
    /// Number of lines that carry these symbols at once, 1 or 2.
    pub lines: usize,
}

/// What the feed lends a connection for a turn of reading.
#[derive(Debug)]
pub(super) struct Around<'a> {
    pub(super) output: &'a mut Outlet,
    pub(super) cold: &'a mut ColdSide,
    pub(super) clock: &'a Clock,
    /// From the read to each quote.
    pub(super) stopwatch: &'a mut Stopwatch,
    /// From the kernel's stamp to the read.
    pub(super) kernel: &'a mut Stopwatch,
    /// From the venue's event to the read.
    pub(super) event: &'a mut Stopwatch,
}

/// A line of a connection, or the place for one.
#[derive(Debug)]
struct Slot<S> {
    line: Line<S>,
    /// Number of the address that it connects to, where the lines have addresses of their own. A
    /// successor takes that of the line that it replaces.
    role: usize,
    /// Whether the connection wants a line here.
    is_wanted: bool,
    /// Whether another line is to take over; until it has, this one goes on.
    is_retiring: bool,
    /// Whether it is to take over from one that still works.
    is_spare: bool,
    /// Time from which it is replaced, before the venue ends it, and why.
    replaced_at: Nanos,
    why: Cow<'static, str>,
}

/// One connection of a feed: the lines that carry its symbols, and the desk at their ends.
#[derive(Debug)]
pub(super) struct Connection<S> {
    /// Its number in the feed.
    number: usize,
    /// Its number among the venue's connections, by which people and counters call it.
    in_venue: usize,
    venue: VenueId,
    /// Number of lines that it has when nothing is being replaced.
    lines: usize,
    lifetime: Option<Nanos>,
    slots: [Slot<S>; LINES_MAX],
    /// Replacements so far, by role.
    replaced: [Again; LINES_MAX],
    desk: Desk,
    notices_dropped: Counter,
    uncaptured: Counter,
    /// Connections that ended because a message did not.
    endless: Counter,
}

impl<S: Socket> Connection<S> {
    pub(super) fn new(
        number: usize,
        in_venue: usize,
        plan: ConnectionPlan,
        backoff: &Backoff,
        counters: &Counters,
    ) -> Connection<S> {
        let ConnectionPlan { venue, spec, symbols, instruments, bounds, lines } = plan;
        assert_eq!(symbols.list().len(), instruments.len(), "each symbol is an instrument");
        assert!((1..LINES_MAX).contains(&lines), "there is a place for a successor");
        let counter =
            |what: &str| counters.register(&format!("feed.{}.{in_venue}.{what}", spec.name));
        let notices_dropped = counter("notices_dropped");
        let desk_counters = DeskCounters::new(counter, &instruments, notices_dropped.clone());
        let line_counters = LineCounters::new(counter);
        let slots = std::array::from_fn(|slot| Slot {
            line: Line::new(spec, backoff.fork(slot as u64), line_counters.clone()),
            role: slot,
            is_wanted: slot < lines,
            is_retiring: false,
            is_spare: false,
            replaced_at: Nanos::MAX,
            why: Cow::Borrowed(""),
        });
        Connection {
            number,
            in_venue,
            venue,
            lines,
            lifetime: spec.lifetime,
            slots,
            replaced: [Again::default(); LINES_MAX],
            desk: Desk::new((venue, in_venue), spec, symbols, bounds, instruments, desk_counters),
            notices_dropped,
            uncaptured: counter("uncaptured"),
            endless: counter("endless_messages"),
        }
    }

    pub(super) fn venue(&self) -> VenueId {
        self.venue
    }

    /// Returns the counters of the quotes that were decoded and passed on, by listing.
    pub(super) fn decoded(&self) -> impl Iterator<Item = StageCounter> {
        self.desk.decoded()
    }

    /// Takes the socket that the connector made for a line, and subscribes.
    pub(super) fn opened(
        &mut self,
        slot: usize,
        socket: Box<S>,
        now: Nanos,
        cold: &ColdSide,
        pass: &mut impl FnMut(Record),
    ) {
        let subscriptions = self.desk.open(slot, now, pass);
        self.slots[slot].line.opened(socket, subscriptions, now);
        // A tenth earlier, and each line at another time.
        let share = 17 + self.number as u64 % 7 + slot as u64;
        let life = self.lifetime.map(|lifetime| lifetime - lifetime * share / 256);
        self.slots[slot].replaced_at = life.map_or(Nanos::MAX, |life| now + life);
        self.slots[slot].why = Cow::Borrowed(TIME_IS_OVER);
        let (venue, connection) = (self.venue, self.in_venue);
        self.notify(cold, Notice::Opened { venue, connection, line: slot });
    }

    /// Notes that the connector could not make the socket of a line.
    pub(super) fn not_opened(
        &mut self,
        slot: usize,
        error: &ConnectError,
        now: Nanos,
        cold: &ColdSide,
    ) {
        let line = &mut self.slots[slot].line;
        let retry_in = if let ConnectError::Spared { wait } = error {
            line.put_off(*wait, now)
        } else {
            line.not_opened(error.floor(), now)
        };
        self.notify_lost(slot, cold, error.to_string(), Next::In(retry_in));
    }

    /// Notes that a line's socket is ready; `ending` if the venue has ended its side.
    pub(super) fn readable(&mut self, slot: usize, ending: bool) {
        self.slots[slot].line.readable(ending);
    }

    /// Marks an empty socket as worth a read again, where nobody tells of readiness.
    #[inline]
    pub(super) fn ask_again(&mut self, slot: usize) {
        self.slots[slot].line.ask_again();
    }

    /// Returns whether there may be something to read on a line.
    #[inline]
    pub(super) fn is_readable(&self, slot: usize) -> bool {
        self.slots[slot].line.is_readable()
    }

    /// Asks for sockets that are due, sends what is due, gives up sockets that are dead, and replaces
    /// lines whose time has come.
    pub(super) fn keep_up(
        &mut self,
        now: Nanos,
        cold: &ColdSide,
        registry: Option<&Registry>,
        pass: &mut impl FnMut(Record),
    ) {
        for slot in 0..LINES_MAX {
            self.keep_line_up(slot, now, cold, registry, pass);
        }
        if let Some((line, why)) = self.desk.take_barren() {
            self.retire_silent(line, why.into(), now, cold);
        }
        self.succeed(now, cold, registry, pass);
    }

    fn keep_line_up(
        &mut self,
        slot: usize,
        now: Nanos,
        cold: &ColdSide,
        registry: Option<&Registry>,
        pass: &mut impl FnMut(Record),
    ) {
        let Slot { line, role, is_wanted, is_spare, is_retiring, replaced_at, why } =
            &mut self.slots[slot];
        if !line.is_open() {
            if *is_wanted {
                let connection = place(self.number, slot);
                let route = place(self.number, *role);
                let request = Request { connection, route, is_spare: *is_spare };
                line.ask(now, || cold.requests.try_send(request).is_ok());
            }
            return;
        }
        // What is silent on a line that is to be replaced is asked for on the new one.
        let may_renew = !*is_retiring;
        if *replaced_at <= now {
            let why = why.clone();
            self.retire(slot, why, now, cold);
        }
        let line = &mut self.slots[slot].line;
        if !self.desk.expects_quotes() {
            line.excuse(now);
        }
        let kept = line.check(now).and_then(|()| {
            // Both halves of a renewal go out, or none.
            if line.may_request(2, now) {
                line.queue(self.desk.ask_again(slot, may_renew, now, &cold.notices));
            }
            line.send_due(now)
        });
        if let Err(loss) = kept {
            self.lose(slot, loss, now, cold, registry, pass);
        } else if let Some(quiet) = self.slots[slot].line.is_hushed(now)
            && self.desk.has_several(slot)
        {
            let why = format!("alive, but no quote for {}", duration::in_words(quiet));
            self.retire_silent(slot, why.into(), now, cold);
        }
    }

    /// Has another line take over from one that gives too little, unless that was tried a short time
    /// ago.
    fn retire_silent(&mut self, slot: usize, why: Cow<'static, str>, now: Nanos, cold: &ColdSide) {
        // While another line is being replaced, this one may recover.
        let is_busy = self.slots.iter().any(|slot| slot.is_retiring);
        if !is_busy && self.replaced[self.slots[slot].role].from() <= now {
            self.retire(slot, why, now, cold);
        }
    }

    /// Has another line take over from one whose end was announced. A venue that announces the end
    /// of each new line soon is answered after waits that grow: until then the line goes on, and if
    /// it is ended it is lost like any other.
    fn retire_announced(&mut self, slot: usize, now: Nanos, cold: &ColdSide) {
        let Slot { role, is_retiring, replaced_at, why, .. } = &mut self.slots[slot];
        let from = self.replaced[*role].from();
        if from <= now {
            self.retire(slot, ANNOUNCED.into(), now, cold);
        } else if !*is_retiring && from < *replaced_at {
            (*replaced_at, *why) = (from, ANNOUNCED.into());
            self.notify_replacing(slot, ANNOUNCED.into(), from - now, cold);
        }
    }

    /// Has another line take over from one, as soon as there is a place for it.
    fn retire(&mut self, slot: usize, why: Cow<'static, str>, now: Nanos, cold: &ColdSide) {
        let wanted = self.slots.iter().filter(|slot| slot.is_wanted).count();
        if self.slots[slot].is_retiring || !self.slots[slot].line.is_open() {
            return;
        }
        let free = self.slots.iter().position(|slot| !slot.is_wanted);
        let Some(free) = free.filter(|_| wanted <= self.lines) else {
            // Another one is being replaced; this one is next.
            (self.slots[slot].replaced_at, self.slots[slot].why) = (0, why);
            return;
        };
        self.slots[slot].is_retiring = true;
        self.slots[slot].replaced_at = Nanos::MAX;
        let role = self.slots[slot].role;
        (self.slots[free].is_wanted, self.slots[free].is_spare) = (true, true);
        self.slots[free].role = role;
        if self.replaced[role].from().saturating_add(CALM_AFTER) <= now {
            self.replaced[role] = Again::default();
        }
        self.replaced[role].wait(now);
        self.notify_replacing(slot, why, 0, cold);
    }

    fn notify_replacing(&self, line: usize, why: Cow<'static, str>, wait: Nanos, cold: &ColdSide) {
        let (venue, connection) = (self.venue, self.in_venue);
        self.notify(cold, Notice::Replacing { venue, connection, line, why, wait });
    }

    /// Closes a line that is to be replaced once its successor is in step.
    fn succeed(
        &mut self,
        now: Nanos,
        cold: &ColdSide,
        registry: Option<&Registry>,
        pass: &mut impl FnMut(Record),
    ) {
        let Some(old) = self.slots.iter().position(|slot| slot.is_retiring) else { return };
        let mut others = (0..LINES_MAX).filter(|slot| *slot != old && self.slots[*slot].is_wanted);
        if others.all(|slot| self.slots[slot].line.is_open() && self.desk.is_in_step(slot, now)) {
            self.slots[old].line.begin_close();
            let why = "replaced by a new line".to_owned();
            let loss = Loss { reason: Reason::Disconnected, why };
            self.lose(old, loss, now, cold, registry, pass);
        }
    }

    /// Marks live quotes that have grown too old, and tells what has changed.
    pub(super) fn on_time(&mut self, now: Nanos, cold: &ColdSide, pass: &mut impl FnMut(Record)) {
        self.desk.on_time(now, &cold.notices, pass);
    }

    /// Notes that the thread was held up for longer than a quote may lag.
    pub(super) fn on_held_up(&mut self, now: Nanos, pass: &mut impl FnMut(Record)) {
        self.desk.on_held_up(now, pass);
        // Each is read at once, or an empty one would not be known to be empty.
        for slot in &mut self.slots {
            slot.line.ask_again();
        }
    }

    /// Reads what is ready on a line, as much as fits into a turn. Returns how many frames, and 1 at
    /// least if anything was read.
    #[inline]
    pub(super) fn read(
        &mut self,
        slot: usize,
        around: &mut Around<'_>,
        registry: Option<&Registry>,
    ) -> usize {
        if self.desk.is_ahead(slot) {
            self.catch_up(slot, around);
        }
        let Connection { slots, desk, number, venue, uncaptured, .. } = self;
        let (number, venue) = (place(*number, slot), *venue);
        let line = &mut slots[slot].line;
        let mut reading = Reading {
            desk,
            around: &mut *around,
            slot,
            number,
            venue,
            uncaptured,
            closing: false,
            ping: false,
        };
        let (frames, ended) = line.read(&mut reading);
        let closing = reading.closing;
        if reading.ping {
            let pong = reading.desk.pong(slot);
            line.answer(pong);
        }
        if let Some(error) = ended {
            self.on_error(slot, &error, around, registry);
        } else if closing {
            self.retire_announced(slot, around.clock.now(), around.cold);
        } else if self.desk.is_held_up() && !self.slots[slot].line.is_readable() {
            self.on_empty(slot, around);
        }
        frames
    }

    #[cold]
    fn catch_up(&mut self, slot: usize, around: &mut Around<'_>) {
        let Around { output, cold, stopwatch, event, clock, .. } = around;
        let mut out = Out { output, notices: &cold.notices, stopwatch, event };
        let replaces = self.slots.iter().any(|slot| slot.is_retiring);
        self.desk.catch_up(slot, replaces, clock.now(), &mut out);
    }

    #[cold]
    fn on_empty(&mut self, slot: usize, around: &mut Around<'_>) {
        let Around { output, clock, .. } = around;
        self.desk.on_empty(slot, clock.now(), &mut |record| output.pass(record));
    }

    #[cold]
    fn on_error(
        &mut self,
        slot: usize,
        error: &Error,
        around: &mut Around<'_>,
        registry: Option<&Registry>,
    ) {
        if matches!(error, Error::Capacity(_)) {
            self.desk.on_oversized();
        }
        if EndlessMessage::of(error).is_some() {
            self.endless.add(1);
        }
        let Around { output, cold, clock, .. } = around;
        let mut pass = |record| output.pass(record);
        let loss = self.slots[slot].line.loss(error);
        self.lose(slot, loss, clock.now(), cold, registry, &mut pass);
    }

    /// Ends a line: instruments that no other line carries are down until it is made again. A line
    /// that was to be replaced leaves its place.
    fn lose(
        &mut self,
        slot: usize,
        loss: Loss,
        now: Nanos,
        cold: &ColdSide,
        registry: Option<&Registry>,
        pass: &mut impl FnMut(Record),
    ) {
        let (socket, retry_in) = self.slots[slot].line.lose(now);
        if let (Some(socket), Some(registry)) = (socket, registry) {
            // Closing the descriptor would deregister it as well.
            drop(registry.deregister(&mut SourceFd(&socket.fd())));
        }
        self.slots[slot].replaced_at = Nanos::MAX;
        let next = if std::mem::take(&mut self.slots[slot].is_retiring) {
            self.slots[slot].is_wanted = false;
            self.slots[slot].line.rest();
            self.promote(now)
        } else {
            Next::In(retry_in)
        };
        self.desk.on_lost(slot, loss.reason, now, pass);
        self.notify_lost(slot, cold, loss.why, next);
    }

    /// Makes the successor of a line that is gone a line like any other. Returns what comes next.
    fn promote(&mut self, now: Nanos) -> Next {
        let Some(Slot { line, is_spare, .. }) = self.slots.iter_mut().find(|slot| slot.is_spare)
        else {
            return Next::Nothing;
        };
        *is_spare = false;
        if line.is_open() { Next::Nothing } else { line.hurry(now) }
    }

    /// Ends all lines politely, without waiting for an answer.
    pub(super) fn close(&mut self) {
        for slot in &mut self.slots {
            slot.line.close();
        }
    }

    fn notify_lost(&self, line: usize, cold: &ColdSide, why: String, next: Next) {
        let (venue, connection) = (self.venue, self.in_venue);
        self.notify(cold, Notice::Lost { venue, connection, line, why, next });
    }

    fn notify(&self, cold: &ColdSide, notice: Notice) {
        notify(&cold.notices, notice, &self.notices_dropped);
    }
}

/// Returns the number by which a feed calls a line of a connection.
pub(super) fn place(connection: usize, slot: usize) -> usize {
    connection * LINES_MAX + slot
}

/// Returns the connection and the slot that a feed calls by this number: the inverse of [`place`].
#[inline]
pub(super) fn line_at(place: usize) -> (usize, usize) {
    (place / LINES_MAX, place % LINES_MAX)
}

/// The desk and the capture, while a line is read.
struct Reading<'a, 'b> {
    desk: &'a mut Desk,
    around: &'a mut Around<'b>,
    slot: usize,
    number: usize,
    venue: VenueId,
    uncaptured: &'a Counter,
    /// Whether the venue announced that it will close.
    closing: bool,
    /// Whether the venue asked whether we are alive.
    ping: bool,
}

impl Reader for Reading<'_, '_> {
    #[inline]
    fn has_room(&mut self) -> bool {
        self.around.output.has_room() && !self.desk.is_ahead(self.slot)
    }

    #[inline]
    fn on_frame(&mut self, frame: RawFrame<'_>, ts_recv: Nanos) -> Heard {
        let Around { output, cold, stopwatch, event, .. } = &mut *self.around;
        let mut out = Out { output, notices: &cold.notices, stopwatch, event };
        let heard = self.desk.on_frame(self.slot, frame, ts_recv, &mut out);
        self.closing |= heard.closing;
        self.ping |= heard.ping;
        // Its quotes have gone out: what keeps the frame does not hold them up.
        if let Some(frames) = &mut cold.frames
            && !frames.offer(self.number, ts_recv, frame)
        {
            self.uncaptured.add(1);
        }
        heard
    }

    fn now(&self) -> Nanos {
        self.around.clock.now()
    }

    fn on_kernel_stamp(&mut self, stamp: Nanos, read_at: Nanos) {
        self.around.kernel.record(self.venue, stamp, read_at);
    }
}

#[cfg(test)]
mod tests;
