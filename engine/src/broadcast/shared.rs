//! What the clients have in common: the log, the market, the limits, the counters.

use super::event::{Delivery, Event};
use super::log::{Log, Protocol};
use super::market::Market;
use super::message::Encoder;
use super::settings::Settings;
use super::tally::Tally;
use spreadwire_market::clock::Nanos;
use spreadwire_market::instrument::Catalogue;
use spreadwire_market::record::Recording;
use std::sync::Arc;

/// Bytes of new messages after which the sockets are tried before the cycle's end: half of what a
/// loopback segment carries, so that one cycle's backlog does not pile up beside sockets that take
/// it.
const FLUSH_AT: usize = 32 * 1024;

/// Messages that snapshots and catching up may take in one cycle, all clients together: some 1 ms.
/// A part of a snapshot that looks at many keys and finds little counts for what it looked at.
pub(super) const EFFORT_PER_CYCLE: usize = 2048;

/// How many bytes may be appended to the log before every client has to be looked at.
#[derive(Debug)]
pub(super) struct Room {
    /// Bytes that the fullest client still takes, at most [`FLUSH_AT`].
    bytes: usize,
    /// The oldest message that somebody has to be sent.
    oldest: u64,
    /// Bytes that have been appended since.
    spent: usize,
}

impl Room {
    /// Begins before any client is looked at.
    pub(super) fn new(log: &Log) -> Room {
        Room { bytes: FLUSH_AT, oldest: log.head(), spent: 0 }
    }

    /// Looks at a client that still takes `bytes`, and has not been sent the messages of the log
    /// from `oldest` on; a client that is not in order takes no room.
    #[inline]
    pub(super) fn see(&mut self, client: Option<(usize, Option<u64>)>) {
        if let Some((bytes, oldest)) = client {
            self.bytes = self.bytes.min(bytes);
            self.oldest = oldest.map_or(self.oldest, |oldest| oldest.min(self.oldest));
        }
    }

    /// Notes bytes that were appended to the log.
    #[inline]
    pub(super) fn spend(&mut self, bytes: usize) {
        self.spent += bytes;
    }
}

/// What the clients have in common.
#[derive(Debug)]
pub(super) struct Shared {
    /// The limits.
    pub(super) settings: Settings,
    /// The latest of everything.
    pub(super) market: Market,
    /// The messages that clients have in common.
    pub(super) log: Log,
    /// What may be appended to the log.
    pub(super) room: Room,
    /// The writer of messages.
    pub(super) encoder: Encoder,
    /// Whether a client may be given events in another manner than before.
    pub(super) manners_changed: bool,
    /// The counters.
    pub(super) tally: Tally,
    /// The journal's last word, if it records nothing.
    pub(super) stopped: Option<Recording>,
    /// Time of the duty cycle.
    pub(super) now: Nanos,
    /// What is left of the cycle's [`EFFORT_PER_CYCLE`].
    pub(super) effort: usize,
    /// Number of WebSockets that are open.
    pub(super) open: usize,
}

impl Shared {
    /// Begins with an empty log and nobody connected.
    pub(super) fn new(settings: Settings, catalogue: Arc<Catalogue>, tally: Tally) -> Shared {
        // Twice what may wait for one client, so that a client with filters, whose messages lie far
        // apart, is seldom overtaken.
        let log = Log::new(2 * settings.client_buffer_bytes);
        Shared {
            settings,
            market: Market::new(&catalogue),
            room: Room::new(&log),
            log,
            manners_changed: false,
            encoder: Encoder::new(catalogue),
            tally,
            stopped: None,
            now: 0,
            effort: EFFORT_PER_CYCLE,
            open: 0,
        }
    }

    /// Encodes the log's next message for a protocol, once.
    #[inline]
    pub(super) fn stage(&mut self, event: &Event, protocol: Protocol) {
        if !self.log.is_staged(protocol) {
            self.encoder.event(event, Delivery::InOrder, protocol);
            self.log.stage(self.encoder.frame(), protocol);
        }
    }

    /// Returns whether one more message can be appended without looking at any client.
    pub(super) fn has_room(&self) -> bool {
        let bound = self.encoder.event_bytes_max();
        self.room.spent + bound <= self.room.bytes && self.log.tail_with(bound) <= self.room.oldest
    }

    /// Counts a WebSocket that opened.
    pub(super) fn enter(&mut self) {
        self.open += 1;
        self.tally.connections.add(1);
        self.tally.clients.set(self.open as u64);
    }

    /// Counts a WebSocket that is to close.
    pub(super) fn exit(&mut self) {
        self.open -= 1;
        self.tally.clients.set(self.open as u64);
    }
}
