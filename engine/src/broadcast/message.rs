//! What the server says, as WebSocket frames that are encoded once for all clients.
//!
//! The encoder picks the protocol and makes the frame; `json.rs` and `binary.rs` write the
//! messages.

use super::binary::Binary;
use super::conflation::Missed;
use super::event::{Delivery, Event};
use super::frame::{Frame, Opcode};
use super::json::Json;
use super::log::Protocol;
use super::market::Market;
use super::request::Refusal;
use super::snapshot::{Covered, Part};
use super::subscription::Filter;
use super::text::Text;
use spreadwire_market::clock::Nanos;
use spreadwire_market::instrument::Catalogue;
use spreadwire_market::record::{Gap, Record, Recording};
use std::sync::Arc;

/// Writes messages; each call replaces the frame of the one before.
///
/// It is public for the benches, which measure its cost.
#[derive(Debug)]
pub struct Encoder {
    json: Json,
    binary: Binary,
    frame: Frame,
}

impl Encoder {
    /// Prepares the names and scales of a catalogue.
    #[must_use]
    pub fn new(catalogue: Arc<Catalogue>) -> Encoder {
        Encoder {
            json: Json::new(Arc::clone(&catalogue)),
            binary: Binary::new(catalogue),
            frame: Frame::default(),
        }
    }

    /// Returns the frame of a spread, status, gap or recording, as the stream has it.
    pub fn encode(&mut self, record: &Record, seq: u64, protocol: Protocol) -> &[u8] {
        self.event(&Event { record: *record, seq, key: 0 }, Delivery::InOrder, protocol);
        self.frame()
    }

    /// Returns the last message as a frame.
    #[inline]
    pub(super) fn frame(&self) -> &[u8] {
        self.frame.bytes()
    }

    /// Returns a length in bytes that no event's frame exceeds in either protocol.
    pub(super) fn event_bytes_max(&self) -> usize {
        self.json.event_frame_bytes_max()
    }

    /// Makes the frame of what all clients are told alike.
    #[inline]
    pub(super) fn event(&mut self, event: &Event, delivery: Delivery, protocol: Protocol) {
        let out = self.frame.begin();
        match protocol {
            Protocol::Json => self.json.event(out, event, delivery),
            Protocol::Binary => self.binary.event(out, event, delivery),
        }
        self.end(protocol);
    }

    /// Makes the frame of a `gap` of the engine's.
    pub(super) fn engine_gap(&mut self, gap: &Gap, protocol: Protocol) {
        self.event(&Event::unkeyed(*gap, 0), Delivery::InOrder, protocol);
    }

    /// Makes the frame of a `recording`.
    pub(super) fn recording(&mut self, recording: &Recording, protocol: Protocol) {
        self.event(&Event::unkeyed(*recording, 0), Delivery::InOrder, protocol);
    }

    /// Makes the frame of a `gap` of one client.
    pub(super) fn client_gap(&mut self, missed: &Missed, protocol: Protocol) {
        let out = self.frame.begin();
        match protocol {
            Protocol::Json => self.json.client_gap(out, missed),
            Protocol::Binary => self.binary.client_gap(out, missed),
        }
        self.end(protocol);
    }

    /// Makes the frame of the next part of a filter's `snapshot`.
    pub(super) fn snapshot(
        &mut self,
        filter: &Filter,
        market: &Market,
        protocol: Protocol,
    ) -> Covered {
        let mut part = Part::new(filter, market);
        let out = self.frame.begin();
        match protocol {
            Protocol::Json => self.json.snapshot(out, &mut part),
            Protocol::Binary => self.binary.snapshot(out, &mut part),
        }
        self.end(protocol);
        part.covered()
    }

    /// Makes the frame of a `hello`, which is the catalogue in the binary protocol.
    pub(super) fn hello(&mut self, protocol: Protocol) {
        let out = self.frame.begin();
        match protocol {
            Protocol::Json => self.json.hello(out),
            Protocol::Binary => self.binary.catalogue(out, env!("CARGO_PKG_VERSION")),
        }
        self.end(protocol);
    }

    /// Makes the frame of a `subscribed`: the filter as it was understood.
    pub(super) fn subscribed(&mut self, filter: &Filter) {
        self.answer(|json, out| json.subscribed(out, filter));
    }

    /// Makes the frame of an `unsubscribed`: the ids that are gone.
    pub(super) fn unsubscribed(&mut self, ids: &[String]) {
        self.answer(|json, out| json.unsubscribed(out, ids));
    }

    /// Makes the frame of a `pong`.
    pub(super) fn pong(&mut self, id: Option<&str>, now: Nanos) {
        self.answer(|json, out| json.pong(out, id, now));
    }

    /// Makes the frame of an `error`.
    pub(super) fn error(&mut self, refusal: &Refusal) {
        self.answer(|json, out| json.error(out, refusal));
    }

    /// Makes the frame of the answer to a request, which is a JSON text in both protocols.
    fn answer(&mut self, write: impl FnOnce(&Json, &mut Text)) {
        write(&self.json, self.frame.begin());
        self.end(Protocol::Json);
    }

    #[inline]
    fn end(&mut self, protocol: Protocol) {
        self.frame.end(match protocol {
            Protocol::Json => Opcode::Text,
            Protocol::Binary => Opcode::Binary,
        });
    }
}
