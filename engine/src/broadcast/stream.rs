//! What one client is sent: everything in order while it keeps up, the latest of each key when not.
//!
//! A client is in order as long as its socket takes what it is given. One that wants everything
//! then follows the log: nothing is done for it per message, and what it gets is found when its
//! socket is written to. When its queue is full it is behind: what waits and what comes is
//! conflated until its own bytes have left. Then it catches up and is in order again.

use super::conflation::Conflation;
use super::event::{Delivery, Event, Topic};
use super::log::Protocol;
use super::network::Socket;
use super::order::{Change, Request};
use super::shared::Shared;
use super::subscription::Filters;
use super::wire::Wire;

/// Most conflated events that one client gets in one cycle: some 80 KiB.
const CATCH_UP_EVENTS_MAX: usize = 256;

/// Keys that a part of a snapshot looks at for the effort of one message.
const KEYS_PER_EFFORT: usize = 16;

/// Whether a client keeps up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// It gets everything as it happens.
    InOrder,
    /// Its queue was full and has not drained since.
    Behind,
    /// Its queue has drained; what was conflated is on its way.
    CatchingUp,
}

/// How a client is given what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// It gets everything, by following the log.
    Follows(Protocol),
    /// It is asked about each event.
    Picks,
    /// It gets nothing.
    Idles,
}

/// A socket, what waits for it, and what is to follow.
#[derive(Debug)]
pub(super) struct Stream<S> {
    wire: Wire<S>,
    /// The first message of the log that a client that follows it has not queued.
    following: Option<u64>,
    filters: Filters,
    /// Whether a snapshot may be incomplete.
    unfinished: bool,
    pace: Pace,
    /// What the client has missed, while it does not keep up.
    conflation: Option<Box<Conflation>>,
}

impl<S: Socket> Stream<S> {
    /// Begins with everything and an empty queue.
    pub(super) fn new(wire: Wire<S>) -> Stream<S> {
        Stream {
            wire,
            following: None,
            filters: Filters::new(),
            unfinished: true,
            pace: Pace::InOrder,
            conflation: None,
        }
    }

    /// Returns the socket with its queue.
    pub(super) fn wire(&self) -> &Wire<S> {
        &self.wire
    }

    /// Returns the socket with its queue.
    pub(super) fn wire_mut(&mut self) -> &mut Wire<S> {
        &mut self.wire
    }

    /// Returns the protocol that the client speaks.
    pub(super) fn protocol(&self) -> Protocol {
        self.wire.queue().protocol()
    }

    /// Returns whether the client keeps up.
    pub(super) fn is_in_order(&self) -> bool {
        self.pace == Pace::InOrder
    }

    /// Returns whether the client has missed more than is kept for it.
    pub(super) fn has_missed_too_much(&self) -> bool {
        self.conflation.as_ref().is_some_and(|table| table.is_full())
    }

    /// Returns whether a request may be answered now. A client that does not read its answers is not
    /// given more of them.
    pub(super) fn is_answerable(&self) -> bool {
        self.pace == Pace::InOrder && self.wire.queued() <= self.wire.limit() / 2
    }

    /// Changes the filters, and answers behind what the client has been told.
    pub(super) fn carry_out(&mut self, request: Request, shared: &mut Shared) {
        self.take_range(shared);
        let filters = self.change_filters(shared);
        match request.change {
            Change::Nothing => {}
            Change::Begin(filter) => {
                filters.clear();
                filters.add(filter);
            }
            Change::Add(filter) => filters.add(filter),
            Change::Remove(ids) => filters.remove(&ids),
        }
        self.wire.push_always(&request.answer);
        shared.tally.messages.add(1);
    }

    /// Returns the filters, because they are about to change.
    fn change_filters(&mut self, shared: &mut Shared) -> &mut Filters {
        shared.manners_changed = true;
        self.unfinished = true;
        &mut self.filters
    }

    /// Finds how the client is given what happens, from the log's next message on.
    pub(super) fn take_manner(&mut self, shared: &Shared) -> Manner {
        let keys = shared.market.keys().count();
        if self.pace == Pace::InOrder && self.filters.want_everything(keys) {
            self.following.get_or_insert(shared.log.head());
            Manner::Follows(self.protocol())
        } else {
            self.leave_log(shared);
            Manner::Picks
        }
    }

    /// Follows the log no longer.
    pub(super) fn leave_log(&mut self, shared: &Shared) {
        self.take_range(shared);
        self.following = None;
    }

    /// Copies what waits in the log, because the log goes on without this client.
    pub(super) fn detach(&mut self, shared: &Shared) {
        self.leave_log(shared);
        self.wire.queue_mut().detach(&shared.log);
        self.conflation = None;
    }

    /// Queues what a client that follows the log has not queued, which is two numbers.
    #[inline]
    pub(super) fn take_range(&mut self, shared: &Shared) {
        let (Some(from), head) = (self.following, shared.log.head()) else { return };
        if from < head {
            let queue = self.wire.queue_mut();
            let bytes = shared.log.len(from, head, queue.protocol());
            queue.share(from, head, bytes);
            self.following = Some(head);
            shared.tally.messages.add(head - from);
        }
    }

    /// Returns whether the client asks for an event.
    #[inline]
    pub(super) fn wants(&self, event: &Event) -> bool {
        match event.topic() {
            Some(Topic::Spread(_) | Topic::Ended(_) | Topic::Status(_)) => self.filters.want(event),
            Some(Topic::Gap(_)) => true,
            // One that has no snapshot yet is told with it.
            Some(Topic::Recording(_)) => self.filters.have_begun(),
            None => false,
        }
    }

    /// Gives the client an event that it wants and that it does not follow: the log's next message.
    /// Returns whether it was queued.
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
        let (keys, limit) = (shared.market.keys(), self.wire.limit());
        let table = self.conflation.get_or_insert_with(|| Box::new(Conflation::new(keys, limit)));
        shared.tally.conflated.add(table.put(event, keys));
    }

    /// Returns whether a message of `bytes` still fits within the limit, and the log's oldest will
    /// not be one that the client has not been sent.
    pub(super) fn has_room(&self, bytes: usize, tail: u64) -> bool {
        self.wire.queued() + bytes <= self.wire.limit() && self.oldest().is_none_or(|o| tail <= o)
    }

    /// Returns the first message of the log that the client has not been sent.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.wire.queue().first_message().or(self.following)
    }

    /// Returns the bytes that the client may still be given, unless it does not keep up.
    pub(super) fn room(&self) -> Option<usize> {
        (self.pace == Pace::InOrder).then(|| self.wire.limit().saturating_sub(self.wire.queued()))
    }

    /// Conflates what waits, but for the client's own bytes and a frame that has begun.
    pub(super) fn fall_behind(&mut self, shared: &mut Shared) {
        self.leave_log(shared);
        self.pace = Pace::Behind;
        shared.manners_changed = true;
        shared.tally.congestions.add(1);
        let (keys, limit) = (shared.market.keys(), self.wire.limit());
        let table = self.conflation.get_or_insert_with(|| Box::new(Conflation::new(keys, limit)));
        let (mut conflated, mut unsent) = (0, 0);
        self.wire.queue_mut().give_up(&shared.log, |event| {
            conflated += table.put(event, keys);
            unsent += 1;
        });
        shared.tally.conflated.add(conflated);
        shared.tally.messages.set(shared.tally.messages.get() - unsent);
    }

    /// Offers what is queued to the socket; returns how many bytes it took.
    #[inline]
    pub(super) fn flush(&mut self, shared: &Shared) -> usize {
        self.take_range(shared);
        self.wire.flush(&shared.log, shared.now)
    }

    /// Returns whether there is nothing to send but events to come.
    #[inline]
    pub(super) fn is_idle(&self, shared: &Shared) -> bool {
        self.pace == Pace::InOrder
            && !self.unfinished
            && !self.wire.is_broken()
            && self.wire.queued() == 0
            && self.following.is_none_or(|next| next == shared.log.head())
    }

    /// Returns whether the client keeps up and has all its snapshots.
    pub(super) fn is_complete(&self, shared: &Shared) -> bool {
        let keys = shared.market.keys().count();
        self.pace == Pace::InOrder && self.filters.unfinished(keys).is_none()
    }

    /// Queues the encoder's message, whatever waits.
    pub(super) fn say(&mut self, shared: &Shared) {
        self.wire.push_always(shared.encoder.frame());
        shared.tally.messages.add(1);
    }

    /// Queues the next part of a snapshot, or of what was conflated; returns how much was done.
    pub(super) fn advance(&mut self, shared: &mut Shared) -> usize {
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
        if self.wire.limit() / 2 < self.wire.queued() || shared.effort == 0 {
            return 0;
        }
        let protocol = self.protocol();
        if let Some(stopped) = shared.stopped.filter(|_| self.filters.at(place).reached() == 0) {
            shared.encoder.recording(&stopped, protocol);
            self.say(shared);
        }
        shared.manners_changed = true;
        let covered = shared.encoder.snapshot(self.filters.at(place), &shared.market, protocol);
        let looked_at = covered.reached - self.filters.at(place).reached();
        self.filters.advance(place, covered.reached);
        let effort = 1 + covered.items + looked_at / KEYS_PER_EFFORT;
        shared.effort = shared.effort.saturating_sub(effort);
        if covered.items > 0 || covered.last {
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
        while sent < CATCH_UP_EVENTS_MAX
            && self.wire.queued() < self.wire.limit() / 2
            && shared.effort > 0
        {
            let Some(event) = conflation.take_first() else { break };
            shared.effort -= 1;
            shared.encoder.event(&event, Delivery::Conflated, protocol);
            self.say(shared);
            sent += 1;
        }
        if conflation.is_empty() {
            self.pace = Pace::InOrder;
            shared.manners_changed = true;
        } else {
            self.conflation = Some(conflation);
        }
        sent
    }
}
