//! One client as the broadcast serves it, from its first byte to its last.
//!
//! What it says comes from the reception as orders, and what it is sent is its [`Stream`]. All of
//! this is state, and time that is handed in; nothing waits.

use super::departure::Departure;
use super::event::Event;
use super::frame::{PING, close_frame};
use super::link::{Link, Stage};
use super::network::Socket;
use super::order::Request;
use super::shared::Shared;
use super::stream::{Manner, Stream};
use super::wire::Wire;
use spreadwire_market::clock::{Nanos, SECOND};
use std::sync::Arc;

/// A client that is told to go has this long to take what is queued, and as long to close.
pub(super) const LINGER: Nanos = SECOND;

/// Where a client stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It is served.
    Open,
    /// It was told to go; what is queued still leaves.
    Leaving { since: Nanos },
    /// It is to be forgotten.
    Gone,
}

/// A client.
#[derive(Debug)]
pub(super) struct Client<S> {
    stream: Stream<S>,
    phase: Phase,
    link: Arc<Link>,
    /// A request that came while the client was behind, or had much to read: it waits.
    parked: Option<Request>,
}

impl<S: Socket> Client<S> {
    /// Begins with a socket on which the answer to the upgrade waits.
    pub(super) fn new(wire: Wire<S>, link: Arc<Link>) -> Client<S> {
        Client { stream: Stream::new(wire), phase: Phase::Open, link, parked: None }
    }

    /// Notes that the poll says that the socket accepts bytes again.
    pub(super) fn ready(&mut self) {
        self.stream.wire_mut().ready();
    }

    #[inline]
    fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Returns whether there is nothing left to do for it.
    pub(super) fn is_gone(&self) -> bool {
        self.phase == Phase::Gone
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
            self.link.set(Stage::Behind);
        }
    }

    /// Offers what is queued to the socket; returns how many bytes it took.
    #[inline]
    pub(super) fn flush(&mut self, shared: &Shared) -> usize {
        let was_full = self.stream.wire().is_full();
        let taken = self.stream.flush(shared);
        if was_full && taken > 0 {
            self.link.see(shared.now);
        }
        taken
    }

    /// Returns whether there is nothing to do for the client but to give it events.
    #[inline]
    pub(super) fn is_quiet(&self, shared: &Shared) -> bool {
        self.is_open() && self.parked.is_none() && self.stream.is_idle(shared)
    }

    /// Does everything but events: snapshots, catching up, what is stuck, what leaves. Returns how
    /// much was done.
    pub(super) fn serve(&mut self, shared: &mut Shared) -> usize {
        let mut work = 0;
        if self.is_open() {
            work += self.advance(shared);
            self.cut(shared);
        }
        work += self.flush(shared);
        self.part(shared.now);
        if self.stream.wire().is_broken() {
            self.depart(Departure::Reset, &[], shared);
            self.forget(Stage::Cut);
        }
        work
    }

    fn advance(&mut self, shared: &mut Shared) -> usize {
        let was_in_order = self.stream.is_in_order();
        let mut work = self.stream.advance(shared);
        if self.stream.is_in_order() && !was_in_order {
            self.link.set(Stage::InOrder);
        }
        if self.stream.is_answerable()
            && let Some(request) = self.parked.take()
        {
            self.carry_out(request, shared);
            work += 1;
        }
        work
    }

    /// Changes the client's filters and answers, once it keeps up: an answer stands behind what the
    /// client has been told.
    pub(super) fn ask(&mut self, request: Request, shared: &mut Shared) {
        if !self.is_open() {
            return;
        }
        if self.stream.is_answerable() {
            self.carry_out(request, shared);
        } else {
            debug_assert!(self.parked.is_none(), "the reception waits for the answer");
            self.parked = Some(request);
        }
    }

    fn carry_out(&mut self, request: Request, shared: &mut Shared) {
        self.stream.carry_out(request, shared);
        self.link.answer();
    }

    /// Sends a ping, whatever waits.
    pub(super) fn ping(&mut self) {
        if self.is_open() {
            self.stream.wire_mut().push_always(&PING);
        }
    }

    /// Sends the client off if it has missed too much, or if its socket has been full for too long.
    fn cut(&mut self, shared: &mut Shared) {
        if self.stream.has_missed_too_much() {
            return self.depart(Departure::Overrun, &[], shared);
        }
        let (now, timeout) = (shared.now, shared.settings.stuck_timeout);
        if self.stream.wire().is_stuck(now, timeout) && self.flush(shared) == 0 {
            self.depart(Departure::Stuck, &[], shared);
            self.flush(shared);
            if self.stream.wire().queued() > 0 {
                self.forget(Stage::Cut);
            }
        }
    }

    /// Tells the client to go, once, behind what it has been told and these last bytes.
    pub(super) fn depart(&mut self, departure: Departure, last: &[u8], shared: &mut Shared) {
        if !self.is_open() {
            return;
        }
        shared.exit();
        shared.manners_changed = true;
        self.stream.detach(shared);
        self.stream.wire_mut().push_always(last);
        if let Some((code, reason)) = departure.close() {
            self.stream.wire_mut().push_always(&close_frame(code, reason));
        }
        shared.tally.disconnected(departure);
        self.parked = None;
        self.phase = Phase::Leaving { since: shared.now };
        self.link.depart(departure);
        self.link.set(Stage::Leaving);
        if departure == Departure::Reset {
            self.forget(Stage::Cut);
        }
    }

    /// Waits a little for the client to take what is queued.
    fn part(&mut self, now: Nanos) {
        let Phase::Leaving { since } = self.phase else { return };
        if self.stream.wire().queued() == 0 && !self.stream.wire().is_broken() {
            self.stream.wire_mut().finish();
            self.forget(Stage::Finished);
        } else if since + LINGER <= now {
            self.forget(Stage::Cut);
        }
    }

    fn forget(&mut self, stage: Stage) {
        self.phase = Phase::Gone;
        self.link.set(stage);
    }

    /// Sends what is left at the end of the process; returns whether everything is with the kernel.
    pub(super) fn settle(&mut self, shared: &mut Shared) -> bool {
        if self.is_open() {
            self.flush(shared);
            self.advance(shared);
            if self.stream.is_complete(shared) {
                self.depart(Departure::Shutdown, &[], shared);
            }
        }
        self.flush(shared);
        self.part(shared.now);
        self.is_gone() || self.stream.wire().is_broken()
    }
}

/// Whatever the reason, the reception must not wait for a client that is no more.
impl<S> Drop for Client<S> {
    fn drop(&mut self) {
        if self.phase != Phase::Gone {
            self.link.set(Stage::Cut);
        }
    }
}
