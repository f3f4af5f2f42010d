//! The messages of `spreadwire.v1.json`: texts, one JSON object each.
//!
//! The frequent ones (spread, status, gap, recording, snapshot) are written by hand, with names
//! that were quoted once; the rare ones go through serde. What answers a request is one of these
//! texts in both protocols. `docs/broadcast.md` shows each message, and a test holds it to that.

use super::conflation::Missed;
use super::event::{Delivery, Event, Topic};
use super::request::Refusal;
use super::snapshot::Part;
use super::subscription::Filter;
use super::text::{Fragment, Text, tidy};
use serde::Serialize;
use spreadwire_market::clock::Nanos;
use spreadwire_market::instrument::{Catalogue, InstrumentId, VenueId};
use spreadwire_market::record::{Ended, Gap, Recording, RecordingState, Spread, Status};
use spreadwire_market::spread::BPS;
use spreadwire_market::state::{EndReason, Reason, State};
use std::sync::Arc;

/// The protocol's name and version, as `hello` says it.
pub const PROTOCOL: &str = "spreadwire.v1";
/// What has been added to version 1: 2 since `ended` and `health`.
const REVISION: u32 = 2;

/// Bytes of the longest event's frame without its names: a header, fourteen fields, nine numbers.
const EVENT_FRAME_BYTES_MAX: usize = 512;

/// Writes JSON messages for the names and scales of a catalogue.
#[derive(Debug)]
pub(super) struct Json {
    catalogue: Arc<Catalogue>,
    names: Names,
}

/// Names as JSON, with the text that stands around them in a message.
#[derive(Debug)]
struct Names {
    /// By instrument, in a spread.
    instruments: Vec<Fragment>,
    /// By venue, in a spread.
    buy_venues: Vec<Fragment>,
    /// By venue, in a spread.
    sell_venues: Vec<Fragment>,
    /// By venue, at the end of a spread.
    ended_venues: Vec<Fragment>,
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
            ended_venues: venues(&|name| format!("{name},\"reason\":\"")),
            state_venues: venues(&|name| format!("\"venue\":{name},\"instrument\":")),
            state_instruments: instruments(&|name| format!("{name},\"state\":\"")),
        }
    }

    /// Returns the bytes of the longest names of a message.
    fn longest(&self) -> usize {
        let longest = |names: &[Fragment]| names.iter().map(Fragment::length).max().unwrap_or(0);
        longest(&self.instruments) + longest(&self.buy_venues) + longest(&self.sell_venues)
    }
}

impl Json {
    /// Quotes the names of a catalogue.
    pub(super) fn new(catalogue: Arc<Catalogue>) -> Json {
        Json { names: Names::new(&catalogue), catalogue }
    }

    /// Returns a length in bytes that no event's frame exceeds.
    pub(super) fn event_frame_bytes_max(&self) -> usize {
        EVENT_FRAME_BYTES_MAX + self.names.longest()
    }

    /// Writes `spread`, `status`, a `gap` of the engine's, or `recording`.
    #[inline]
    pub(super) fn event(&self, out: &mut Text, event: &Event, delivery: Delivery) {
        match event.topic() {
            Some(Topic::Spread(spread)) => {
                out.put(b"{\"type\":\"spread\",");
                self.spread_fields(out, event.seq, spread);
            }
            Some(Topic::Ended(ended)) => {
                text(out, "{\"type\":\"ended\",");
                self.ended_fields(out, event.seq, ended);
            }
            Some(Topic::Status(status)) => {
                text(out, "{\"type\":\"status\",");
                self.state_fields(out, status);
                text(out, ",\"previous\":\"");
                text(out, basic(status.previous));
                text(out, "\"");
            }
            Some(Topic::Gap(gap)) => engine_gap_fields(out, gap),
            Some(Topic::Recording(recording)) => recording_fields(out, recording),
            None => {
                debug_assert!(false, "clients are not told about {:?}", event.record);
                text(out, "{\"type\":\"unknown\"");
            }
        }
        if delivery == Delivery::Conflated {
            text(out, ",\"conflated\":true");
        }
        out.put(b"}");
    }

    /// Writes a `gap` of one client.
    pub(super) fn client_gap(&self, out: &mut Text, missed: &Missed) {
        text(out, "{\"type\":\"gap\",\"reason\":\"slow_client\"");
        number(out, ",\"missed\":", missed.count);
        number(out, ",\"from_seq\":", missed.from_seq);
        number(out, ",\"to_seq\":", missed.to_seq);
        text(out, "}");
    }

    /// Writes a part of a `snapshot`.
    pub(super) fn snapshot(&self, out: &mut Text, part: &mut Part<'_>) {
        text(out, "{\"type\":\"snapshot\",\"id\":");
        string(out, part.id());
        number(out, ",\"seq\":", part.seq());
        text(out, ",\"states\":[");
        let (mut separator, mut in_states) = ("{", true);
        while let Some(event) = part.next() {
            if in_states && !part.is_state(event) {
                text(out, SPREADS);
                (separator, in_states) = ("{", false);
            }
            text(out, separator);
            self.item(out, event);
            separator = ",{";
        }
        if in_states {
            text(out, SPREADS);
        }
        text(out, if part.covered().last { "],\"last\":true}" } else { "],\"last\":false}" });
    }

    /// Writes `hello`: who speaks, and which venues and instruments there are.
    pub(super) fn hello(&self, out: &mut Text) {
        let catalogue = &self.catalogue;
        let name = |venue: VenueId| catalogue.venue(venue).name.as_str();
        let instruments = catalogue.instruments.iter().zip(0..).map(|(i, place)| HelloInstrument {
            name: &i.name,
            price_scale: i.price_scale,
            size_scale: i.size_scale,
            venues: catalogue.venues_of(InstrumentId(place)).into_iter().map(name).collect(),
        });
        let venues = catalogue.venues.iter();
        let hello = Rare::Hello {
            protocol: PROTOCOL,
            revision: REVISION,
            engine: env!("CARGO_PKG_VERSION"),
            venues: venues
                .map(|v| HelloVenue { name: &v.name, taker_fee_bps: tidy(v.taker_fee * BPS) })
                .collect(),
            instruments: instruments.collect(),
        };
        hello.write(out);
    }

    /// Writes `subscribed`: the filter as it was understood.
    pub(super) fn subscribed(&self, out: &mut Text, filter: &Filter) {
        let subscribed = Rare::Subscribed {
            id: filter.id(),
            instruments: filter.instrument_names(&self.catalogue),
            venues: filter.venue_names(&self.catalogue),
            min_net_bps: filter.min_net_bps(),
        };
        subscribed.write(out);
    }

    /// Writes `unsubscribed`: the ids that are gone.
    pub(super) fn unsubscribed(&self, out: &mut Text, ids: &[String]) {
        Rare::Unsubscribed { ids }.write(out);
    }

    /// Writes `pong`.
    pub(super) fn pong(&self, out: &mut Text, id: Option<&str>, now: Nanos) {
        Rare::Pong { id, ts: now }.write(out);
    }

    /// Writes `error`.
    pub(super) fn error(&self, out: &mut Text, refusal: &Refusal) {
        let Refusal { code, message, id } = refusal;
        Rare::Error { code, message, id: id.as_deref() }.write(out);
    }

    /// Writes what a snapshot says about a state or a spread.
    fn item(&self, out: &mut Text, event: &Event) {
        match event.topic() {
            Some(Topic::Spread(spread)) => self.spread_fields(out, event.seq, spread),
            Some(Topic::Status(status)) => self.state_fields(out, status),
            Some(Topic::Ended(_) | Topic::Gap(_) | Topic::Recording(_)) | None => {
                debug_assert!(false, "the table of keys has states and spreads alone");
            }
        }
        text(out, "}");
    }

    #[inline]
    fn spread_fields(&self, buffer: &mut Text, seq: u64, spread: &Spread) {
        let place = spread.instrument.index();
        let instrument = &self.catalogue.instruments[place];
        let (price_scale, size_scale) = (instrument.price_scale, instrument.size_scale);
        // A local, so that the place to write to stays in a register (see `text.rs`).
        let (mut out, names) = (std::mem::take(buffer), &self.names);
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
        *buffer = out;
    }

    fn ended_fields(&self, out: &mut Text, seq: u64, ended: &Ended) {
        let names = &self.names;
        number(out, "\"seq\":", seq);
        out.fragment(&names.instruments[ended.instrument.index()]);
        out.fragment(&names.buy_venues[ended.buy_venue.index()]);
        out.fragment(&names.ended_venues[ended.sell_venue.index()]);
        text(out, EndReason::of_code(ended.flags).map_or("unknown", EndReason::name));
        number(out, "\",\"ts_recv\":", ended.ts_recv);
        number(out, ",\"quote_seq\":", ended.sequence);
    }

    fn state_fields(&self, out: &mut Text, status: &Status) {
        out.fragment(&self.names.state_venues[status.venue.index()]);
        out.fragment(&self.names.state_instruments[status.instrument.index()]);
        text(out, basic(status.state));
        out.put(b"\",\"health\":\"");
        text(out, State::of_code(status.state).map_or("unknown", State::name));
        out.put(b"\",\"reason\":\"");
        text(out, Reason::of_code(status.reason).map_or("unknown", Reason::name));
        out.put(b"\",\"ts_recv\":");
        out.number(status.ts_recv);
    }
}

/// Ends the states of a snapshot and begins its spreads.
const SPREADS: &str = "],\"spreads\":[";

/// Returns the name of a state in the terms of the first five.
fn basic(code: u8) -> &'static str {
    State::of_code(code).map_or("unknown", |state| state.basic().name())
}

fn engine_gap_fields(out: &mut Text, gap: &Gap) {
    text(out, "{\"type\":\"gap\",\"reason\":\"engine\"");
    number(out, ",\"missed\":", gap.missed);
    number(out, ",\"ts_recv\":", gap.ts_recv);
}

fn recording_fields(out: &mut Text, recording: &Recording) {
    text(out, "{\"type\":\"recording\",\"state\":\"");
    text(out, RecordingState::of_code(recording.state).map_or("unknown", RecordingState::name));
    number(out, "\",\"ts_recv\":", recording.ts_recv);
    number(out, ",\"lost\":", recording.lost);
}

fn text(out: &mut Text, text: &str) {
    out.append(text.as_bytes());
}

fn number(out: &mut Text, name: &str, value: u64) {
    text(out, name);
    out.number(value);
}

/// Writes a client's own text, quoted and escaped.
fn string(out: &mut Text, of: &str) {
    text(out, &serde_json::Value::from(of).to_string());
}

/// A message that is seldom sent.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Rare<'a> {
    Hello {
        protocol: &'a str,
        revision: u32,
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

impl Rare<'_> {
    fn write(&self, out: &mut Text) {
        let written = serde_json::to_writer(out, self);
        debug_assert!(written.is_ok(), "nothing in a message can fail to serialize");
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broadcast::directory::Directory;
    use crate::broadcast::market::Market;
    use crate::broadcast::request::{self, Rejection, Wish};
    use crate::broadcast::subscription::Filters;
    use bytemuck::Zeroable;
    use proptest::prelude::*;
    use spreadwire_kit::{catalogue, quotes};
    use spreadwire_market::clock::SECOND;
    use spreadwire_market::instrument::Instrument;
    use spreadwire_market::record::Record;
    use spreadwire_market::spread::FeeFactors;

    /// Header of a frame whose payload has 126 to 65,535 bytes.
    const FRAME_HEADER_BYTES: usize = 4;

    fn catalogue() -> Catalogue {
        let draft = catalogue::of(["BTC/USDT"], ["binance", "okx"]).scales(2, 5);
        draft.fees([0.001, 0.0008]).max_age(1).listed().build()
    }

    fn spread() -> Spread {
        let (sell, buy) = (FeeFactors::of(0.0008), FeeFactors::of(0.001));
        Spread {
            sequence: 9001,
            net: spreadwire_market::spread::net(6_195_000, sell, 6_183_763, buy),
            ..quotes::spread(0, [0, 1], [6_183_763, 6_195_000], 1_700_000_000_123_456_789)
        }
    }

    fn status(venue: u8, state: State, reason: Reason, ts_recv: Nanos) -> Status {
        let (previous, reason) = (State::Live as u8, reason as u8);
        Status { previous, reason, ..quotes::status(venue, 0, state, ts_recv) }
    }

    /// Every kind of message, in the order in which the document shows them.
    fn messages() -> Vec<String> {
        let json = Json::new(Arc::new(catalogue()));
        let mut texts = Vec::new();
        let mut keep = |write: &mut dyn FnMut(&mut Text)| {
            let mut out = Text::default();
            write(&mut out);
            texts.push(String::from_utf8(out.bytes().to_vec()).unwrap());
        };
        let start = 1_700_000_000_000_000_000;
        let mut market = Market::new(&catalogue());
        for venue in 0..2 {
            market.on_status(&status(venue, State::Live, Reason::Quote, start));
        }
        for _ in 0..41 {
            market.on_spread(&spread());
        }
        let filters = Filters::new();
        keep(&mut |out| json.hello(out));
        keep(&mut |out| json.snapshot(out, &mut Part::new(filters.at(0), &market)));
        let event = |seq| Event::unkeyed(spread(), seq);
        keep(&mut |out| json.event(out, &event(42), Delivery::InOrder));
        let ended = Ended {
            sequence: 9_002,
            flags: EndReason::LegOld as u8,
            buy_venue: VenueId(0),
            sell_venue: VenueId(1),
            ts_recv: spread().ts_recv,
            ..Ended::zeroed()
        };
        keep(&mut |out| json.event(out, &Event::unkeyed(ended, 42), Delivery::InOrder));
        let stale = status(1, State::Stale, Reason::Quiet, start + 5 * SECOND);
        keep(&mut |out| json.event(out, &Event::unkeyed(stale, 42), Delivery::InOrder));
        let missed = Missed { count: 1250, from_seq: 43, to_seq: 1300 };
        keep(&mut |out| json.client_gap(out, &missed));
        keep(&mut |out| json.event(out, &event(1301), Delivery::Conflated));
        let gap = Event::unkeyed(Gap::new(start, 7), 0);
        keep(&mut |out| json.event(out, &gap, Delivery::InOrder));
        for (state, lost) in [(RecordingState::DiskFull, 310), (RecordingState::On, 4_200)] {
            let recording =
                Recording { ts_recv: start, lost, state: state as u8, ..Recording::zeroed() };
            let recording = Event::unkeyed(recording, 0);
            keep(&mut |out| json.event(out, &recording, Delivery::InOrder));
        }
        let wish = Wish {
            id: Some("mine".into()),
            instruments: Some(vec![InstrumentId(0)]),
            venues: Some(vec![VenueId(1)]),
            min_net_bps: Some(2.5),
        };
        let filter = |id: &str, wish| Filter::new(id.to_owned(), wish);
        keep(&mut |out| json.subscribed(out, &filter("mine", wish.clone())));
        keep(&mut |out| json.subscribed(out, &filter("1", Wish::default())));
        keep(&mut |out| json.unsubscribed(out, &["mine".to_owned()]));
        keep(&mut |out| json.pong(out, Some("now"), start));
        let wrong = r#"{"op":"subscribe","id":"mine","venues":["okex"]}"#;
        let directory = Directory::new(&catalogue());
        let Err(Rejection::Refused(refusal)) = request::parse(wrong, &directory) else {
            panic!("an unknown venue was accepted");
        };
        keep(&mut |out| json.error(out, &refusal));
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
        let directory = Directory::new(&catalogue());
        for text in asked {
            assert!(request::parse(text, &directory).is_ok(), "{text}");
        }
    }

    /// What revision 1 calls each state, by the code of the state.
    const FIRST_FIVE: [&str; 10] =
        ["down", "live", "stale", "gap", "crossed", "stale", "stale", "gap", "down", "down"];

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
            code in 0_u8..10, reason in 0_u8..16, number in any::<u64>(), conflated in any::<bool>()
        ) {
            let mut catalogue = catalogue();
            catalogue.instruments[0] =
                Instrument { name: "A\"/\u{e9}".into(), price_scale: scales.0, size_scale: scales.1 };
            let json = Json::new(Arc::new(catalogue));
            let delivery = if conflated { Delivery::Conflated } else { Delivery::InOrder };
            let check = |record: Record, mut naive: serde_json::Value| {
                if conflated {
                    naive["conflated"] = true.into();
                }
                let mut out = Text::default();
                json.event(&mut out, &Event::unkeyed(record, seq), delivery);
                assert_equal(out.bytes(), &naive);
                assert!(FRAME_HEADER_BYTES + out.bytes().len() <= json.event_frame_bytes_max());
            };
            check(spread.into(), naive_spread(seq, &spread, scales));
            let status = Status {
                state: code, previous: 9 - code, reason, ..status(1, State::Down, Reason::Quote, number)
            };
            check(status.into(), serde_json::json!({
                "type": "status", "venue": "okx", "instrument": "A\"/\u{e9}",
                "state": FIRST_FIVE[usize::from(code)],
                "health": State::ALL[usize::from(code)].name(),
                "reason": Reason::ALL[usize::from(reason)].name(), "ts_recv": number,
                "previous": FIRST_FIVE[usize::from(9 - code)],
            }));
            let why = EndReason::ALL[usize::from(code % 3)];
            let ended = Ended {
                ts_recv: number, sequence: seq, sell_venue: VenueId(1), flags: why as u8,
                ..Ended::zeroed()
            };
            check(ended.into(), serde_json::json!({
                "type": "ended", "seq": seq, "instrument": "A\"/\u{e9}", "buy_venue": "binance",
                "sell_venue": "okx", "reason": why.name(), "ts_recv": number, "quote_seq": seq,
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
