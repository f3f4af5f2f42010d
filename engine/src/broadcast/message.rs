//! What the server says: JSON texts in WebSocket frames, encoded once for all clients.
//!
//! The frequent ones (spread, status, gap, snapshot) are written by hand into one reused buffer,
//! whose front has room for the frame's header; the rare ones go through serde. `docs/broadcast.md`
//! shows each message, and a test holds it to that. It must not know clients or sockets.

use super::conflation::Missed;
use super::market::{Event, Market};
use super::request::Refusal;
use super::subscription::Filter;
use crate::clock::Nanos;
use crate::instrument::{Catalogue, InstrumentId, VenueId};
use crate::integrity::{Reason, State};
use crate::record::{Gap, Kind, Recording, RecordingState, Spread, Status};
use crate::spread::BPS;
use serde::Serialize;
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

/// Text, final, unmasked.
const TEXT: u8 = 0x81;
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

/// Writes messages; each call replaces the [`frame`](Encoder::frame) of the one before.
#[derive(Debug)]
pub(super) struct Encoder {
    catalogue: Arc<Catalogue>,
    /// By instrument: the name as a JSON string.
    instruments: Vec<String>,
    /// By venue: the name as a JSON string.
    venues: Vec<String>,
    buffer: Vec<u8>,
    start: usize,
}

impl Encoder {
    /// For the names and scales of a catalogue.
    pub(super) fn new(catalogue: Arc<Catalogue>) -> Encoder {
        let quoted = |name: &String| serde_json::Value::from(name.as_str()).to_string();
        Encoder {
            instruments: catalogue.instruments.iter().map(|i| quoted(&i.name)).collect(),
            venues: catalogue.venues.iter().map(|v| quoted(&v.name)).collect(),
            catalogue,
            buffer: Vec::with_capacity(4096),
            start: 0,
        }
    }

    /// The names behind the ids.
    pub(super) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The last message as a frame.
    pub(super) fn frame(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// A `spread` or a `status`.
    pub(super) fn event(&mut self, event: &Event, delivery: Delivery) {
        self.begin();
        match event.record.kind() {
            Some(Kind::Spread) => {
                self.text("{\"type\":\"spread\",");
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
            Some(Kind::Quote | Kind::Gap | Kind::Opened | Kind::Closed | Kind::Recording)
            | None => {
                debug_assert!(false, "only spreads and statuses are events");
                self.text("{\"type\":\"unknown\"");
            }
        }
        if delivery == Delivery::Conflated {
            self.text(",\"conflated\":true");
        }
        self.text("}");
        self.end();
    }

    /// A `gap` of the engine's own.
    pub(super) fn engine_gap(&mut self, gap: &Gap) {
        self.begin();
        self.text("{\"type\":\"gap\",\"reason\":\"engine\"");
        self.number(",\"missed\":", gap.missed);
        self.number(",\"ts_recv\":", gap.ts_recv);
        self.text("}");
        self.end();
    }

    /// Whether quotes are recorded.
    pub(super) fn recording(&mut self, recording: &Recording) {
        self.begin();
        self.text("{\"type\":\"recording\",\"state\":\"");
        self.text(RecordingState::of_code(recording.state).map_or("unknown", RecordingState::name));
        self.number("\",\"ts_recv\":", recording.ts_recv);
        self.number(",\"lost\":", recording.lost);
        self.text("}");
        self.end();
    }

    /// A `gap` of one client.
    pub(super) fn client_gap(&mut self, missed: &Missed) {
        self.begin();
        self.text("{\"type\":\"gap\",\"reason\":\"slow_client\"");
        self.number(",\"missed\":", missed.count);
        self.number(",\"from_seq\":", missed.from_seq);
        self.number(",\"to_seq\":", missed.to_seq);
        self.text("}");
        self.end();
    }

    /// The next part of a filter's `snapshot`.
    pub(super) fn snapshot(&mut self, filter: &Filter, market: &Market) -> Covered {
        self.begin();
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
        self.end();
        covered
    }

    /// `hello`: who speaks, and what there is.
    pub(super) fn hello(&mut self) {
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
        if event.record.kind() == Some(Kind::Spread) {
            self.spread_fields(event.seq, event.record.view());
        } else {
            self.state_fields(event.record.view());
        }
        self.text("}");
    }

    fn spread_fields(&mut self, seq: u64, spread: &Spread) {
        let place = spread.instrument.index();
        let instrument = &self.catalogue.instruments[place];
        let (price_scale, size_scale) = (instrument.price_scale, instrument.size_scale);
        let out = &mut self.buffer;
        append(out, "\"seq\":");
        append_number(out, seq);
        append(out, ",\"instrument\":");
        append(out, &self.instruments[place]);
        append(out, ",\"buy_venue\":");
        append(out, &self.venues[spread.buy_venue.index()]);
        append(out, ",\"sell_venue\":");
        append(out, &self.venues[spread.sell_venue.index()]);
        append(out, ",\"buy_px\":\"");
        append_decimal(out, spread.buy_px, price_scale);
        append(out, "\",\"sell_px\":\"");
        append_decimal(out, spread.sell_px, price_scale);
        append(out, "\",\"buy_sz\":\"");
        append_decimal(out, spread.buy_sz, size_scale);
        append(out, "\",\"sell_sz\":\"");
        append_decimal(out, spread.sell_sz, size_scale);
        append(out, "\",\"gross_bps\":");
        append_bps(out, spread.gross());
        append(out, ",\"net_bps\":");
        append_bps(out, spread.net);
        append(out, ",\"ts_recv\":");
        append_number(out, spread.ts_recv);
        append(out, ",\"quote_seq\":");
        append_number(out, spread.sequence);
    }

    fn state_fields(&mut self, status: &Status) {
        let out = &mut self.buffer;
        append(out, "\"venue\":");
        append(out, &self.venues[status.venue.index()]);
        append(out, ",\"instrument\":");
        append(out, &self.instruments[status.instrument.index()]);
        append(out, ",\"state\":\"");
        append(out, State::of_code(status.state).map_or("unknown", State::name));
        append(out, "\",\"reason\":\"");
        append(out, Reason::of_code(status.reason).map_or("unknown", Reason::name));
        append(out, "\",\"ts_recv\":");
        append_number(out, status.ts_recv);
    }

    fn text(&mut self, text: &str) {
        append(&mut self.buffer, text);
    }

    fn number(&mut self, name: &str, value: u64) {
        append(&mut self.buffer, name);
        append_number(&mut self.buffer, value);
    }

    /// A text of a client's own, quoted and escaped.
    fn string(&mut self, text: &str) {
        append(&mut self.buffer, &serde_json::Value::from(text).to_string());
    }

    fn rare(&mut self, message: &Rare<'_>) {
        self.begin();
        let written = serde_json::to_writer(&mut self.buffer, message);
        debug_assert!(written.is_ok(), "nothing in a message can fail to serialize");
        self.end();
    }

    fn begin(&mut self) {
        self.buffer.clear();
        self.buffer.resize(HEADER_MAX, 0);
    }

    /// Puts the header right before the payload.
    fn end(&mut self) {
        let length = self.buffer.len() - HEADER_MAX;
        let mut header = [0; HEADER_MAX];
        header[0] = TEXT;
        let used = match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short @ 0..=125), _) => {
                header[1] = short;
                2
            }
            (_, Ok(medium)) => {
                header[1] = 126;
                header[2..4].copy_from_slice(&medium.to_be_bytes());
                4
            }
            (_, Err(_)) => {
                header[1] = 127;
                header[2..10].copy_from_slice(&(length as u64).to_be_bytes());
                10
            }
        };
        self.start = HEADER_MAX - used;
        self.buffer[self.start..HEADER_MAX].copy_from_slice(&header[..used]);
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
fn tidy(bps: f64) -> f64 {
    (bps * 1e9).round() / 1e9
}

fn append(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

fn append_number(out: &mut Vec<u8>, value: u64) {
    append_digits(out, value, 1);
}

/// The digits of a number, at least `width`.
fn append_digits(out: &mut Vec<u8>, mut value: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut first = digits.len();
    while value > 0 {
        first -= 1;
        digits[first] = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
    }
    out.extend_from_slice(&digits[first.min(digits.len() - width)..]);
}

/// The same text as [`decimal::write_text`](crate::decimal::write_text), without its formatter.
fn append_decimal(out: &mut Vec<u8>, mantissa: i64, scale: u8) {
    let unit = crate::decimal::power_of_ten(scale).unsigned_abs();
    let (whole, mut fraction) = (mantissa.unsigned_abs() / unit, mantissa.unsigned_abs() % unit);
    if mantissa < 0 {
        out.push(b'-');
    }
    append_number(out, whole);
    if fraction == 0 {
        return;
    }
    let mut width = usize::from(scale);
    while fraction.is_multiple_of(10) {
        fraction /= 10;
        width -= 1;
    }
    out.push(b'.');
    append_digits(out, fraction, width);
}

/// A fraction in basis points with up to four decimals.
#[expect(clippy::cast_possible_truncation, reason = "a cast saturates, far beyond any spread")]
fn append_bps(out: &mut Vec<u8>, fraction: f64) {
    append_decimal(out, (fraction * BPS * 10_000.0).round() as i64, 4);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broadcast::Departure;
    use crate::broadcast::request::{self, Rejection, Wish};
    use crate::broadcast::subscription::Filters;
    use crate::decimal;
    use crate::instrument::{Instrument, Listing, VenueInfo};
    use crate::spread::FeeFactors;
    use bytemuck::Zeroable;
    use proptest::prelude::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn basis_points_have_up_to_four_decimals() {
        for (fraction, expected) in
            [(0.000_123_456_7, "1.2346"), (-0.001, "-10"), (0.0, "0"), (-0.000_000_001, "0")]
        {
            assert_eq!(text(|out| append_bps(out, fraction)), expected);
        }
    }

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
            encoder.begin();
            encoder.text(&"x".repeat(length));
            encoder.end();
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
            net: crate::spread::net(6_195_000, sell, 6_183_763, buy),
            instrument: InstrumentId(0),
            buy_venue: VenueId(0),
            sell_venue: VenueId(1),
            kind: Kind::Spread as u8,
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
            kind: Kind::Status as u8,
            ..Status::zeroed()
        }
    }

    /// Every kind of message, in the order in which the document shows them.
    fn messages() -> Vec<String> {
        let mut encoder = Encoder::new(Arc::new(catalogue()));
        let mut texts = Vec::new();
        let mut keep = |write: &mut dyn FnMut(&mut Encoder)| {
            write(&mut encoder);
            texts.push(String::from_utf8(encoder.buffer[HEADER_MAX..].to_vec()).unwrap());
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
        keep(&mut |e| e.hello());
        keep(&mut |e| {
            e.snapshot(filters.at(0), &market);
        });
        let event = |seq| Event { record: spread().into(), seq, key: 0 };
        keep(&mut |e| e.event(&event(42), Delivery::InOrder));
        let stale = status(1, State::Stale, Reason::Quiet, start + 5 * crate::clock::SECOND);
        let stale = Event { record: stale.into(), seq: 42, key: 0 };
        keep(&mut |e| e.event(&stale, Delivery::InOrder));
        keep(&mut |e| e.client_gap(&Missed { count: 1250, from_seq: 43, to_seq: 1300 }));
        keep(&mut |e| e.event(&event(1301), Delivery::Conflated));
        keep(&mut |e| e.engine_gap(&Gap::new(start, 7)));
        for (state, lost) in [(RecordingState::DiskFull, 310), (RecordingState::On, 4_200)] {
            let recording =
                Recording { ts_recv: start, lost, state: state as u8, ..Recording::zeroed() };
            keep(&mut |e| e.recording(&recording));
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
            format!("| complete within {} s;", limits.handshake_timeout / crate::clock::SECOND),
            format!("| {} a second |", limits.requests_per_second),
            format!("| a request | {} KiB |", limits.request_bytes_max / 1024),
            format!("| filters | {} |", limits.filters_max),
            format!("| bytes that wait for you | {} MiB |", limits.client_buffer_bytes >> 20),
            format!("although bytes wait | {} s |", limits.stuck_timeout / crate::clock::SECOND),
            format!("pings every {} s;", limits.ping_interval / crate::clock::SECOND),
            format!("is enough) | {} s |", limits.silent_timeout / crate::clock::SECOND),
        ] {
            assert!(document.contains(&row), "{row}");
        }
    }

    proptest! {
        #[test]
        fn decimals_are_those_of_the_decimal_module(
            mantissa in any::<i64>(), scale in 0..=decimal::SCALE_MAX
        ) {
            let ours = text(|out| append_decimal(out, mantissa, scale));
            prop_assert_eq!(ours, decimal::to_text(mantissa, scale));
        }
    }
}
