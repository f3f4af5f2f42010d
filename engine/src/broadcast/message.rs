//! What the server says: WebSocket frames, JSON or binary, encoded once for all clients.
//!
//! The frequent ones (spread, status, gap, snapshot) are written by hand into one reused buffer,
//! whose front has room for the frame's header; the rare ones go through serde. `docs/broadcast.md`
//! shows each message, and a test holds it to that. `binary.rs` has the binary layouts; what answers
//! a request is a JSON text in both protocols. It must not know clients or sockets.

use super::binary::{self, CONFLATED, IN_SNAPSHOT, SNAPSHOT_HEAD_BYTES, SnapshotOf};
use super::conflation::Missed;
use super::log::Protocol;
use super::market::{Event, Market};
use super::request::Refusal;
use super::subscription::Filter;
use super::text::{Fragment, Text};
use serde::Serialize;
use spreadwire_market::clock::Nanos;
use spreadwire_market::instrument::{Catalogue, InstrumentId, VenueId};
use spreadwire_market::record::{Gap, Kind, Record, Recording, RecordingState, Spread, Status};
use spreadwire_market::spread::BPS;
use spreadwire_market::state::{Reason, State};
use std::sync::Arc;

/// The protocol's name and version, as `hello` says it.
pub const PROTOCOL: &str = "spreadwire.v1";

/// An unmasked frame's header is at most this long.
const HEADER_MAX: usize = 10;
/// One snapshot message holds at most this many states and spreads: some 40 KiB.
const SNAPSHOT_ITEMS_MAX: usize = 128;
/// One snapshot message looks at this many keys at most, so that a filter that matches little does
/// not hold a cycle up.
const SNAPSHOT_KEYS_MAX: usize = 4096;
/// An event's frame without its names is at most this long: fourteen fields, nine numbers.
const EVENT_BYTES_MAX: usize = 512;

/// Text, final, unmasked.
const TEXT: u8 = 0x81;
/// Binary, final, unmasked.
const BINARY: u8 = 0x82;
/// A ping frame without payload.
pub(super) const PING: [u8; 2] = [0x89, 0];

/// How an event reaches a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// As it happened, after everything before it.
    InOrder,
    /// As the latest of its key, after the client was too slow for the rest.
    Conflated,
}

/// What a snapshot message covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Covered {
    /// States and spreads in it.
    pub(super) items: usize,
    /// The first key that it did not look at.
    pub(super) reached: usize,
}

/// Writes messages; each call replaces the frame of the one before.
///
/// Public for benches alone, which measure what it costs.
#[derive(Debug)]
pub struct Encoder {
    catalogue: Arc<Catalogue>,
    names: Names,
    out: Text,
    start: usize,
}

/// Names as JSON, with what stands around them in a message.
#[derive(Debug)]
struct Names {
    /// By instrument, in a spread.
    instruments: Vec<Fragment>,
    /// By venue, in a spread.
    buy_venues: Vec<Fragment>,
    /// By venue, in a spread.
    sell_venues: Vec<Fragment>,
    /// By venue, in a state.
    state_venues: Vec<Fragment>,
    /// By instrument, in a state.
    state_instruments: Vec<Fragment>,
}

impl Names {
    fn new(catalogue: &Catalogue) -> Names {
        let quoted = |name: &str| serde_json::Value::from(name).to_string();
        let instruments = |write: &dyn Fn(String) -> String| {
            catalogue.instruments.iter().map(|i| Fragment::new(&write(quoted(&i.name)))).collect()
        };
        let venues = |write: &dyn Fn(String) -> String| {
            catalogue.venues.iter().map(|v| Fragment::new(&write(quoted(&v.name)))).collect()
        };
        Names {
            instruments: instruments(&|name| format!(",\"instrument\":{name},\"buy_venue\":")),
            buy_venues: venues(&|name| format!("{name},\"sell_venue\":")),
            sell_venues: venues(&|name| format!("{name},\"buy_px\":\"")),
            state_venues: venues(&|name| format!("\"venue\":{name},\"instrument\":")),
            state_instruments: instruments(&|name| format!("{name},\"state\":\"")),
        }
    }

    /// Bytes of the longest names of a message.
    fn longest(&self) -> usize {
        let longest = |names: &[Fragment]| names.iter().map(Fragment::length).max().unwrap_or(0);
        longest(&self.instruments) + longest(&self.buy_venues) + longest(&self.sell_venues)
    }
}

impl Encoder {
    /// For the names and scales of a catalogue.
    #[must_use]
    pub fn new(catalogue: Arc<Catalogue>) -> Encoder {
        Encoder { names: Names::new(&catalogue), catalogue, out: Text::default(), start: 0 }
    }

    /// The frame of a spread, status, gap or recording, as the stream has it.
    pub fn encode(&mut self, record: &Record, seq: u64, protocol: Protocol) -> &[u8] {
        self.event(&Event { record: *record, seq, key: 0 }, Delivery::InOrder, protocol);
        self.frame()
    }

    /// The names behind the ids.
    pub(super) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The last message as a frame.
    #[inline]
    pub(super) fn frame(&self) -> &[u8] {
        &self.out.bytes()[self.start..]
    }

    /// No event's frame is longer.
    pub(super) fn event_bytes_max(&self) -> usize {
        EVENT_BYTES_MAX + self.names.longest()
    }

    /// What all clients have in common: a `spread`, a `status`, a `gap` of the engine's, a `recording`.
    #[inline]
    pub(super) fn event(&mut self, event: &Event, delivery: Delivery, protocol: Protocol) {
        self.out.begin(HEADER_MAX);
        match protocol {
            Protocol::Json => {
                self.json_event(event, delivery);
                self.end(TEXT);
            }
            Protocol::Binary => {
                let flags = if delivery == Delivery::Conflated { CONFLATED } else { 0 };
                let known = binary::event(&mut self.out, event, &self.catalogue, flags);
                debug_assert!(known, "not what clients are told");
                self.end(BINARY);
            }
        }
    }

    fn json_event(&mut self, event: &Event, delivery: Delivery) {
        match event.record.kind() {
            Some(Kind::Spread) => {
                self.out.put(b"{\"type\":\"spread\",");
                self.spread_fields(event.seq, event.record.view());
            }
            Some(Kind::Status) => {
                let status: &Status = event.record.view();
                self.text("{\"type\":\"status\",");
                self.state_fields(status);
                self.text(",\"previous\":\"");
                self.text(State::of_code(status.previous).map_or("unknown", State::name));
                self.text("\"");
            }
            Some(Kind::Gap) => self.engine_gap_fields(event.record.view()),
            Some(Kind::Recording) => self.recording_fields(event.record.view()),
            _ => {
                debug_assert!(false, "not what clients are told");
                self.text("{\"type\":\"unknown\"");
            }
        }
        if delivery == Delivery::Conflated {
            self.text(",\"conflated\":true");
        }
        self.out.put(b"}");
    }

    fn engine_gap_fields(&mut self, gap: &Gap) {
        self.text("{\"type\":\"gap\",\"reason\":\"engine\"");
        self.number(",\"missed\":", gap.missed);
        self.number(",\"ts_recv\":", gap.ts_recv);
    }

    fn recording_fields(&mut self, recording: &Recording) {
        self.text("{\"type\":\"recording\",\"state\":\"");
        self.text(RecordingState::of_code(recording.state).map_or("unknown", RecordingState::name));
        self.number("\",\"ts_recv\":", recording.ts_recv);
        self.number(",\"lost\":", recording.lost);
    }

    /// A `gap` of the engine's own.
    pub(super) fn engine_gap(&mut self, gap: &Gap, protocol: Protocol) {
        let event = Event { record: (*gap).into(), seq: 0, key: 0 };
        self.event(&event, Delivery::InOrder, protocol);
    }

    /// Whether quotes are recorded.
    pub(super) fn recording(&mut self, recording: &Recording, protocol: Protocol) {
        let event = Event { record: (*recording).into(), seq: 0, key: 0 };
        self.event(&event, Delivery::InOrder, protocol);
    }

    /// A `gap` of one client.
    pub(super) fn client_gap(&mut self, missed: &Missed, protocol: Protocol) {
        self.out.begin(HEADER_MAX);
        if protocol == Protocol::Binary {
            binary::client_gap(&mut self.out, missed);
            return self.end(BINARY);
        }
        self.text("{\"type\":\"gap\",\"reason\":\"slow_client\"");
        self.number(",\"missed\":", missed.count);
        self.number(",\"from_seq\":", missed.from_seq);
        self.number(",\"to_seq\":", missed.to_seq);
        self.text("}");
        self.end(TEXT);
    }

    /// The next part of a filter's `snapshot`.
    pub(super) fn snapshot(
        &mut self,
        filter: &Filter,
        market: &Market,
        protocol: Protocol,
    ) -> Covered {
        self.out.begin(HEADER_MAX);
        match protocol {
            Protocol::Json => self.json_snapshot(filter, market),
            Protocol::Binary => self.binary_snapshot(filter, market),
        }
    }

    fn json_snapshot(&mut self, filter: &Filter, market: &Market) -> Covered {
        self.text("{\"type\":\"snapshot\",\"id\":");
        self.string(filter.id());
        self.number(",\"seq\":", market.seq());
        self.text(",\"states\":[");
        let (count, states) = (market.keys().count(), market.keys().states());
        let stop = count.min(filter.reached() + SNAPSHOT_KEYS_MAX);
        let mut covered = Covered { items: 0, reached: filter.reached() };
        let mut separator = "{";
        if states <= covered.reached {
            self.text("],\"spreads\":[");
        }
        while covered.reached < stop && covered.items < SNAPSHOT_ITEMS_MAX {
            if let Some(event) = market.latest(covered.reached).filter(|e| filter.covers(e)) {
                self.text(separator);
                self.item(event);
                separator = ",{";
                covered.items += 1;
            }
            covered.reached += 1;
            if covered.reached == states {
                self.text("],\"spreads\":[");
                separator = "{";
            }
        }
        self.text(if covered.reached < states { "],\"spreads\":[]" } else { "]" });
        self.text(if covered.reached == count { ",\"last\":true}" } else { ",\"last\":false}" });
        self.end(TEXT);
        covered
    }

    fn binary_snapshot(&mut self, filter: &Filter, market: &Market) -> Covered {
        let (count, states) = (market.keys().count(), market.keys().states());
        let stop = count.min(filter.reached() + SNAPSHOT_KEYS_MAX);
        let mut covered = Covered { items: 0, reached: filter.reached() };
        let mut head = SnapshotOf { id: filter.id(), seq: market.seq(), ..SnapshotOf::default() };
        self.out.append(&[0; SNAPSHOT_HEAD_BYTES]);
        while covered.reached < stop && covered.items < SNAPSHOT_ITEMS_MAX {
            if let Some(event) = market.latest(covered.reached).filter(|e| filter.covers(e)) {
                binary::event(&mut self.out, event, &self.catalogue, IN_SNAPSHOT);
                let counted =
                    if covered.reached < states { &mut head.states } else { &mut head.spreads };
                *counted += 1;
                covered.items += 1;
            }
            covered.reached += 1;
        }
        head.last = covered.reached == count;
        let place = HEADER_MAX..HEADER_MAX + SNAPSHOT_HEAD_BYTES;
        binary::snapshot_head(&mut self.out.bytes_mut()[place], &head);
        self.end(BINARY);
        covered
    }

    /// `hello`: who speaks, and what there is.
    pub(super) fn hello(&mut self, protocol: Protocol) {
        if protocol == Protocol::Binary {
            self.out.begin(HEADER_MAX);
            binary::catalogue(&mut self.out, &self.catalogue, env!("CARGO_PKG_VERSION"));
            return self.end(BINARY);
        }
        let catalogue = Arc::clone(&self.catalogue);
        let name = |venue: VenueId| catalogue.venue(venue).name.as_str();
        let instruments = catalogue.instruments.iter().zip(0..).map(|(i, place)| HelloInstrument {
            name: &i.name,
            price_scale: i.price_scale,
            size_scale: i.size_scale,
            venues: catalogue.venues_of(InstrumentId(place)).into_iter().map(name).collect(),
        });
        let venues = catalogue.venues.iter();
        self.rare(&Rare::Hello {
            protocol: PROTOCOL,
            engine: env!("CARGO_PKG_VERSION"),
            venues: venues
                .map(|v| HelloVenue { name: &v.name, taker_fee_bps: tidy(v.taker_fee * BPS) })
                .collect(),
            instruments: instruments.collect(),
        });
    }

    /// `subscribed`: the filter as understood.
    pub(super) fn subscribed(&mut self, filter: &Filter) {
        let catalogue = Arc::clone(&self.catalogue);
        self.rare(&Rare::Subscribed {
            id: filter.id(),
            instruments: filter.instrument_names(&catalogue),
            venues: filter.venue_names(&catalogue),
            min_net_bps: filter.min_net_bps(),
        });
    }

    /// `unsubscribed`: the ids that are gone.
    pub(super) fn unsubscribed(&mut self, ids: &[String]) {
        self.rare(&Rare::Unsubscribed { ids });
    }

    /// `pong`.
    pub(super) fn pong(&mut self, id: Option<&str>, now: Nanos) {
        self.rare(&Rare::Pong { id, ts: now });
    }

    /// `error`.
    pub(super) fn error(&mut self, refusal: &Refusal) {
        let Refusal { code, message, id } = refusal;
        self.rare(&Rare::Error { code, message, id: id.as_deref() });
    }

    fn item(&mut self, event: &Event) {
        if let Some(spread) = event.record.get::<Spread>() {
            self.spread_fields(event.seq, spread);
        } else {
            self.state_fields(event.record.view());
        }
        self.text("}");
    }

    #[inline]
    fn spread_fields(&mut self, seq: u64, spread: &Spread) {
        let place = spread.instrument.index();
        let instrument = &self.catalogue.instruments[place];
        let (price_scale, size_scale) = (instrument.price_scale, instrument.size_scale);
        let (mut out, names) = (std::mem::take(&mut self.out), &self.names);
        out.put(b"\"seq\":");
        out.number(seq);
        out.fragment(&names.instruments[place]);
        out.fragment(&names.buy_venues[spread.buy_venue.index()]);
        out.fragment(&names.sell_venues[spread.sell_venue.index()]);
        out.decimal(spread.buy_px, price_scale);
        out.put(b"\",\"sell_px\":\"");
        out.decimal(spread.sell_px, price_scale);
        out.put(b"\",\"buy_sz\":\"");
        out.decimal(spread.buy_sz, size_scale);
        out.put(b"\",\"sell_sz\":\"");
        out.decimal(spread.sell_sz, size_scale);
        out.put(b"\",\"gross_bps\":");
        out.bps(spread.gross());
        out.put(b",\"net_bps\":");
        out.bps(spread.net);
        out.put(b",\"ts_recv\":");
        out.number(spread.ts_recv);
        out.put(b",\"quote_seq\":");
        out.number(spread.sequence);
        self.out = out;
    }

    fn state_fields(&mut self, status: &Status) {
        let (out, names) = (&mut self.out, &self.names);
        out.fragment(&names.state_venues[status.venue.index()]);
        out.fragment(&names.state_instruments[status.instrument.index()]);
        out.append(State::of_code(status.state).map_or("unknown", State::name).as_bytes());
        out.put(b"\",\"reason\":\"");
        out.append(Reason::of_code(status.reason).map_or("unknown", Reason::name).as_bytes());
        out.put(b"\",\"ts_recv\":");
        out.number(status.ts_recv);
    }

    fn text(&mut self, text: &str) {
        self.out.append(text.as_bytes());
    }

    fn number(&mut self, name: &str, value: u64) {
        self.text(name);
        self.out.number(value);
    }

    /// A text of a client's own, quoted and escaped.
    fn string(&mut self, text: &str) {
        self.text(&serde_json::Value::from(text).to_string());
    }

    fn rare(&mut self, message: &Rare<'_>) {
        self.out.begin(HEADER_MAX);
        let written = serde_json::to_writer(&mut self.out, message);
        debug_assert!(written.is_ok(), "nothing in a message can fail to serialize");
        self.end(TEXT);
    }

    /// Puts the header right before the payload.
    #[inline]
    fn end(&mut self, opcode: u8) {
        let bytes = self.out.bytes_mut();
        let length = bytes.len() - HEADER_MAX;
        self.start = match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short @ 0..=125), _) => {
                bytes[8..10].copy_from_slice(&[opcode, short]);
                8
            }
            (_, Ok(medium)) => {
                let [high, low] = medium.to_be_bytes();
                bytes[6..10].copy_from_slice(&[opcode, 126, high, low]);
                6
            }
            (_, Err(_)) => {
                bytes[..2].copy_from_slice(&[opcode, 127]);
                bytes[2..10].copy_from_slice(&(length as u64).to_be_bytes());
                0
            }
        };
    }
}

/// A close frame; the reason is at most 123 bytes.
pub(super) fn close_frame(code: u16, reason: &str) -> Vec<u8> {
    let length = u8::try_from(2 + reason.len().min(123)).unwrap_or(2);
    let mut frame = vec![0x88, length];
    frame.extend(code.to_be_bytes());
    frame.extend(&reason.as_bytes()[..usize::from(length) - 2]);
    frame
}

/// Messages that are seldom sent.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Rare<'a> {
    Hello {
        protocol: &'a str,
        engine: &'a str,
        venues: Vec<HelloVenue<'a>>,
        instruments: Vec<HelloInstrument<'a>>,
    },
    Subscribed {
        id: &'a str,
        instruments: Option<Vec<&'a str>>,
        venues: Option<Vec<&'a str>>,
        min_net_bps: Option<f64>,
    },
    Unsubscribed {
        ids: &'a [String],
    },
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        ts: Nanos,
    },
    Error {
        code: &'a str,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
    },
}

#[derive(Serialize)]
struct HelloVenue<'a> {
    name: &'a str,
    taker_fee_bps: f64,
}

#[derive(Serialize)]
struct HelloInstrument<'a> {
    name: &'a str,
    price_scale: u8,
    size_scale: u8,
    venues: Vec<&'a str>,
}

/// Without the last digits that turning a fraction into basis points adds.
pub(super) fn tidy(bps: f64) -> f64 {
    (bps * 1e9).round() / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broadcast::Departure;
    use crate::broadcast::request::{self, Rejection, Wish};
    use crate::broadcast::subscription::Filters;
    use bytemuck::Zeroable;
    use proptest::prelude::*;
    use spreadwire_market::instrument::{Instrument, Listing, VenueInfo};
    use spreadwire_market::spread::FeeFactors;

    #[test]
    fn headers_of_all_three_lengths_are_those_of_rfc_6455() {
        let mut encoder = Encoder::new(Arc::default());
        for (length, header) in [
            (0_usize, vec![0x81, 0]),
            (125, vec![0x81, 125]),
            (126, vec![0x81, 126, 0, 126]),
            (255, vec![0x81, 126, 0, 255]),
            (65_535, vec![0x81, 126, 255, 255]),
            (65_536, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            encoder.out.begin(HEADER_MAX);
            encoder.text(&"x".repeat(length));
            encoder.end(TEXT);
            let (head, payload) = encoder.frame().split_at(header.len());
            assert_eq!((head, payload.len()), (&header[..], length));
        }
    }

    fn catalogue() -> Catalogue {
        let venue = |name: &str, taker_fee| VenueInfo { name: name.into(), taker_fee, max_age: 1 };
        let listing =
            |v| Listing { venue: VenueId(v), instrument: InstrumentId(0), symbol: String::new() };
        Catalogue {
            instruments: vec![Instrument {
                name: "BTC/USDT".into(),
                price_scale: 2,
                size_scale: 5,
            }],
            venues: vec![venue("binance", 0.001), venue("okx", 0.0008)],
            listings: vec![listing(0), listing(1)],
        }
    }

    fn spread() -> Spread {
        let (sell, buy) = (FeeFactors::of(0.0008), FeeFactors::of(0.001));
        Spread {
            ts_recv: 1_700_000_000_123_456_789,
            sequence: 9001,
            buy_px: 6_183_763,
            sell_px: 6_195_000,
            buy_sz: 50_000,
            sell_sz: 120_002,
            net: spreadwire_market::spread::net(6_195_000, sell, 6_183_763, buy),
            instrument: InstrumentId(0),
            buy_venue: VenueId(0),
            sell_venue: VenueId(1),

            ..Spread::zeroed()
        }
    }

    fn status(venue: u8, state: State, reason: Reason, ts_recv: Nanos) -> Status {
        Status {
            ts_recv,
            state: state as u8,
            previous: State::Live as u8,
            reason: reason as u8,
            venue: VenueId(venue),

            ..Status::zeroed()
        }
    }

    /// Every kind of message, in the order in which the document shows them.
    fn messages() -> Vec<String> {
        let mut encoder = Encoder::new(Arc::new(catalogue()));
        let mut texts = Vec::new();
        let mut keep = |write: &mut dyn FnMut(&mut Encoder)| {
            write(&mut encoder);
            texts.push(String::from_utf8(encoder.out.bytes()[HEADER_MAX..].to_vec()).unwrap());
        };
        let start = 1_700_000_000_000_000_000;
        let mut market = Market::new(&catalogue());
        for venue in 0..2 {
            market.on_status(&status(venue, State::Live, Reason::Quote, start));
        }
        for _ in 0..41 {
            market.on_spread(&spread());
        }
        let mut filters = Filters::new();
        keep(&mut |e| e.hello(Protocol::Json));
        keep(&mut |e| {
            e.snapshot(filters.at(0), &market, Protocol::Json);
        });
        let event = |seq| Event { record: spread().into(), seq, key: 0 };
        keep(&mut |e| e.event(&event(42), Delivery::InOrder, Protocol::Json));
        let stale =
            status(1, State::Stale, Reason::Quiet, start + 5 * spreadwire_market::clock::SECOND);
        let stale = Event { record: stale.into(), seq: 42, key: 0 };
        keep(&mut |e| e.event(&stale, Delivery::InOrder, Protocol::Json));
        keep(&mut |e| {
            e.client_gap(&Missed { count: 1250, from_seq: 43, to_seq: 1300 }, Protocol::Json)
        });
        keep(&mut |e| e.event(&event(1301), Delivery::Conflated, Protocol::Json));
        keep(&mut |e| e.engine_gap(&Gap::new(start, 7), Protocol::Json));
        for (state, lost) in [(RecordingState::DiskFull, 310), (RecordingState::On, 4_200)] {
            let recording =
                Recording { ts_recv: start, lost, state: state as u8, ..Recording::zeroed() };
            keep(&mut |e| e.recording(&recording, Protocol::Json));
        }
        let wish = Wish {
            id: Some("mine".into()),
            instruments: Some(vec![InstrumentId(0)]),
            venues: Some(vec![VenueId(1)]),
            min_net_bps: Some(2.5),
        };
        keep(&mut |e| e.subscribed(filters.add(wish.clone(), 9).unwrap()));
        keep(&mut |e| e.subscribed(filters.add(Wish::default(), 9).unwrap()));
        keep(&mut |e| e.unsubscribed(&filters.remove(Some("mine".into())).unwrap()));
        keep(&mut |e| e.pong(Some("now"), start));
        let wrong = r#"{"op":"subscribe","id":"mine","venues":["okex"]}"#;
        let Err(Rejection::Refused(refusal)) = request::parse(wrong, &catalogue()) else {
            panic!("an unknown venue was accepted");
        };
        keep(&mut |e| e.error(&refusal));
        texts
    }

    #[test]
    fn the_document_shows_what_is_sent_and_what_is_accepted() {
        let document = include_str!("../../../docs/broadcast.md");
        let blocks = document.split("```json\n").skip(1).map(|b| b.split("```").next().unwrap());
        let examples: Vec<&str> = blocks.flat_map(str::lines).collect();
        let (sent, asked): (Vec<&str>, Vec<&str>) =
            examples.into_iter().partition(|text| text.starts_with("{\"type\":"));
        assert_eq!(sent, messages());
        assert_eq!(asked.len(), 5);
        for text in asked {
            assert!(request::parse(text, &catalogue()).is_ok(), "{text}");
        }
    }

    #[test]
    fn the_document_lists_every_close_code_and_the_default_limits() {
        let document = include_str!("../../../docs/broadcast.md");
        for departure in Departure::ALL {
            if let Some((code, _)) = departure.close() {
                assert!(document.contains(&format!("| {code} |")), "{departure:?}");
            }
        }
        let limits = crate::broadcast::Settings::default();
        for row in [
            format!("| connections | {} |", limits.max_clients),
            format!(
                "| complete within {} s;",
                limits.handshake_timeout / spreadwire_market::clock::SECOND
            ),
            format!("| {} a second |", limits.requests_per_second),
            format!("| a request | {} KiB |", limits.request_bytes_max / 1024),
            format!("| filters | {} |", limits.filters_max),
            format!("| bytes that wait for you | {} MiB |", limits.client_buffer_bytes >> 20),
            format!(
                "although bytes wait | {} s |",
                limits.stuck_timeout / spreadwire_market::clock::SECOND
            ),
            format!("pings every {} s;", limits.ping_interval / spreadwire_market::clock::SECOND),
            format!(
                "is enough) | {} s |",
                limits.silent_timeout / spreadwire_market::clock::SECOND
            ),
        ] {
            assert!(document.contains(&row), "{row}");
        }
    }

    /// A spread as anyone would write it with serde, from its fields.
    fn naive_spread(seq: u64, s: &Spread, (price, size): (u8, u8)) -> serde_json::Value {
        let px = |mantissa| spreadwire_market::decimal::to_text(mantissa, price);
        let sz = |mantissa| spreadwire_market::decimal::to_text(mantissa, size);
        let bps = |fraction: f64| (fraction * BPS * 1e4).round() / 1e4;
        serde_json::json!({
            "type": "spread", "seq": seq, "instrument": "A\"/\u{e9}", "buy_venue": "binance",
            "sell_venue": "okx", "buy_px": px(s.buy_px), "sell_px": px(s.sell_px),
            "buy_sz": sz(s.buy_sz), "sell_sz": sz(s.sell_sz), "gross_bps": bps(s.gross()),
            "net_bps": bps(s.net), "ts_recv": s.ts_recv, "quote_seq": s.sequence,
        })
    }

    /// The same value, where a whole number may be written with or without a point.
    fn assert_equal(ours: &[u8], naive: &serde_json::Value) {
        let ours: serde_json::Value = serde_json::from_slice(ours).unwrap();
        let (ours, naive) = (ours.as_object().unwrap(), naive.as_object().unwrap());
        assert_eq!(ours.keys().collect::<Vec<_>>(), naive.keys().collect::<Vec<_>>());
        for (field, value) in naive {
            if field.ends_with("_bps") {
                let same = ours[field].as_f64().map(f64::to_bits);
                // No minus zero: -0.0 + 0.0 is 0.0.
                assert_eq!(same, value.as_f64().map(|v| (v + 0.0).to_bits()), "{field}");
            } else {
                assert_eq!(&ours[field], value, "{field}");
            }
        }
    }

    fn any_spread() -> impl Strategy<Value = Spread> {
        let px = || (0_u32..63, 1..i64::MAX).prop_map(|(shift, px)| (px >> shift).max(1));
        let sz = || (0_u32..63, any::<i64>()).prop_map(|(shift, sz)| sz >> shift);
        (px(), 1..40_000_i64, sz(), sz(), -1.0..1.0_f64, any::<u64>(), any::<u64>()).prop_map(
            |(buy_px, more, buy_sz, sell_sz, net, ts_recv, sequence)| Spread {
                buy_px,
                sell_px: buy_px.saturating_add(more - 20_000).max(1),
                buy_sz,
                sell_sz,
                net,
                ts_recv,
                sequence,
                ..spread()
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_by_hand_is_what_serde_writes(
            spread in any_spread(), seq in any::<u64>(), scales in (0_u8..=18, 0_u8..=18),
            code in 0_u8..5, reason in 0_u8..7, number in any::<u64>(), conflated in any::<bool>()
        ) {
            let mut catalogue = catalogue();
            catalogue.instruments[0] =
                Instrument { name: "A\"/\u{e9}".into(), price_scale: scales.0, size_scale: scales.1 };
            let mut encoder = Encoder::new(Arc::new(catalogue));
            let delivery = if conflated { Delivery::Conflated } else { Delivery::InOrder };
            let mut check = |record: Record, mut naive: serde_json::Value| {
                if conflated {
                    naive["conflated"] = true.into();
                }
                encoder.event(&Event { record, seq, key: 0 }, delivery, Protocol::Json);
                assert_equal(&encoder.out.bytes()[HEADER_MAX..], &naive);
                assert!(encoder.frame().len() <= encoder.event_bytes_max());
            };
            check(spread.into(), naive_spread(seq, &spread, scales));
            let status = Status {
                state: code, previous: 4 - code, reason, ..status(1, State::Down, Reason::Quote, number)
            };
            check(status.into(), serde_json::json!({
                "type": "status", "venue": "okx", "instrument": "A\"/\u{e9}",
                "state": State::ALL[usize::from(code)].name(),
                "reason": Reason::ALL[usize::from(reason)].name(), "ts_recv": number,
                "previous": State::ALL[usize::from(4 - code)].name(),
            }));
            check(Gap::new(number, seq).into(), serde_json::json!({
                "type": "gap", "reason": "engine", "missed": seq, "ts_recv": number,
            }));
            let state = RecordingState::ALL[usize::from(code % 4)];
            let recording = Recording {
                ts_recv: number, lost: seq, state: state as u8,
                ..Recording::zeroed()
            };
            check(recording.into(), serde_json::json!({
                "type": "recording", "state": state.name(), "ts_recv": number, "lost": seq,
            }));
        }
    }
}
