//! What the simulator writes for each venue, which was written a second time from the venue's documents:
//! our decoder must read the same quotes, answers, greetings and lists in it.

use super::describe;
use exchange_sim::{
    Form, PlainQuote, known_venue_names, venue_answers, venue_greeting, venue_list, venue_path,
    venue_ping, venue_quote, venue_symbol,
};
use spreadwire_market::decimal;
use spreadwire_market::instrument::InstrumentId;
use spreadwire_venues::venue::{
    Contract, Frames, MILLI, Message, Ping, QuoteMessage, Request, SECOND, Side, Sizes, Symbol,
    Symbols, VenueSpec,
};
use spreadwire_venues::venues::VENUES;

const NOW: u64 = 1_790_000_300_123 * MILLI;

/// An instrument with digits after the point of its prices and sizes, and its quotes.
type Played = (&'static str, (u8, u8), &'static [[&'static str; 4]]);

const PLAYED: &[Played] = &[
    (
        "BTC/USDT",
        (2, 5),
        &[
            ["61837.60", "3.78", "61838", "0.5"],
            ["61837.65", "0.00001", "61837.66", "12345.67891"],
            ["0", "0", "61838", "1"],
            ["61838", "1", "0", "0"],
            ["0", "0", "0", "0"],
        ],
    ),
    ("DOGE/USDT", (5, 0), &[["0.163", "41", "0.16301", "1200000"]]),
];

/// A decoder of a venue, with the symbols of the instruments that are played.
struct Ours {
    spec: &'static VenueSpec,
    symbols: Symbols,
}

impl Ours {
    fn new(spec: &'static VenueSpec) -> Ours {
        let symbol = |(place, (name, (price_scale, size_scale), _)): (usize, &Played)| {
            let (base, quote) = name.split_once('/').unwrap();
            let instrument = InstrumentId(u32::try_from(place).unwrap());
            Symbol {
                text: (spec.symbol)(base, quote),
                instrument,
                price_scale: *price_scale,
                size_scale: *size_scale,
                contract: listed_contract(spec, name, (*price_scale, *size_scale)),
            }
        };
        Ours { spec, symbols: Symbols::new(PLAYED.iter().enumerate().map(symbol).collect()) }
    }

    /// Decodes a text by both decoders, which must agree. Returns the messages, and whether the quick
    /// one took it.
    fn decode(&self, text: &str) -> (Vec<Message>, bool) {
        self.decode_bytes(text.as_bytes())
    }

    fn decode_bytes(&self, frame: &[u8]) -> (Vec<Message>, bool) {
        let text = String::from_utf8_lossy(frame);
        let mut protocol = (self.spec.protocol)();
        let (mut quick, mut all) = (Vec::new(), Vec::new());
        let taken = protocol.positional(frame, &self.symbols, &mut quick).is_some();
        let result = protocol.general(frame, &self.symbols, &mut all);
        assert_eq!(result, Ok(()), "{}: {text}", self.spec.name);
        assert!(!taken || quick == all, "{}: {quick:?} {all:?} {text}", self.spec.name);
        (all, taken)
    }

    fn described(&self, text: &str) -> String {
        describe(&Ok(self.decode(text).0), &self.symbols)
    }
}

/// Returns what sizes of an instrument count, by the simulator's list.
fn listed_contract(spec: &VenueSpec, instrument: &str, (price, size): (u8, u8)) -> Contract {
    let list = venue_list(spec.name, instrument, (price.into(), size.into())).unwrap();
    let page = (spec.instruments.read)(list.as_bytes()).unwrap();
    let [row] = &page.listed[..] else { panic!("{}: {list}", spec.name) };
    let (base, quote) = instrument.split_once('/').unwrap();
    assert_eq!(row.base.as_str(), base, "{}: {list}", spec.name);
    let quote_is_right = spec.quotes.map_or(row.quote == quote, |own| own.contains(&&*row.quote));
    assert!(quote_is_right, "{}: {list}", spec.name);
    assert_eq!((&row.halted, &row.next_tick), (&None, &None), "{}: {list}", spec.name);
    assert_eq!(row.symbol, (spec.symbol)(base, quote), "{}: {list}", spec.name);
    let (tick, lot) = (row.tick.as_ref().unwrap().decimals, row.lot.as_ref().unwrap().decimals);
    // Hyperliquid states one of the two alone, and the simulator keeps the tick.
    assert!(tick == price && (lot == size || tick + lot == 6), "{}: {list}", spec.name);
    assert_eq!(row.contract.is_some(), spec.sizes == Sizes::Contracts, "{}", spec.name);
    let contract = row.contract.clone();
    contract.map_or(Contract::ONE, |size| Contract::parse(&size.unwrap().text).unwrap())
}

#[test]
fn every_venue_has_a_simulated_side_at_the_same_address_with_the_same_symbols() {
    for spec in VENUES {
        let name = spec.name;
        assert!(
            known_venue_names().contains(&name),
            "{name} is not in tools/exchange-sim/src/venues.rs"
        );
        let path = spec.path.split('?').next();
        assert_eq!(venue_path(name), path, "{name}");
        for (instrument, ..) in PLAYED {
            let (base, quote) = instrument.split_once('/').unwrap();
            assert_eq!(venue_symbol(name, instrument), Some((spec.symbol)(base, quote)));
        }
    }
}

#[test]
fn simulated_quotes_are_read_as_they_were_written() {
    for spec in VENUES {
        let ours = Ours::new(spec);
        for (place, (instrument, places, quotes)) in PLAYED.iter().enumerate() {
            for numbers in *quotes {
                read_back(
                    &ours,
                    place,
                    &PlainQuote {
                        instrument,
                        numbers: *numbers,
                        places: (places.0.into(), places.1.into()),
                        sequence: 40_013_503_861,
                        event_ms: NOW / MILLI,
                    },
                );
            }
        }
    }
}

fn read_back(ours: &Ours, place: usize, quote: &PlainQuote<'_>) {
    let spec = ours.spec;
    let (text, form) = venue_quote(spec.name, quote).unwrap();
    let is_fit = match spec.frames {
        Frames::Text => form == Form::Text,
        Frames::Either => matches!(form, Form::Binary | Form::Protobuf),
        Frames::Gzip => form == Form::Gzip,
    };
    assert!(is_fit, "{}: {form:?}", spec.name);
    let (messages, taken) = ours.decode_bytes(&form.content(&text));
    let [Message::Quote(read)] = messages[..] else { panic!("{}: {messages:?}", spec.name) };
    let symbol = &ours.symbols.list()[place];
    let side = |px: &str, sz: &str| {
        let px = decimal::parse(px.as_bytes(), symbol.price_scale).unwrap();
        Side::of(px, decimal::parse(sz.as_bytes(), symbol.size_scale).unwrap())
    };
    let [bid, bid_size, ask, ask_size] = quote.numbers;
    let (bid, ask) = (side(bid, bid_size), side(ask, ask_size));
    let is_whole = ![bid, ask].contains(&Side::Empty);
    assert!(taken || !is_whole, "{} declined {text}", spec.name);
    let QuoteMessage { ts_event, sequence, .. } = read;
    assert_eq!((read.symbol, read.bid, read.ask), (place, bid, ask), "{}: {text}", spec.name);
    assert!(read.snapshot, "{}: {text}", spec.name);
    // A venue without a time or a number of its own has none; one that has them has these.
    let has_time = spec.about.event_time != "none";
    assert!(!is_whole || ts_event.is_some() == has_time, "{}: {text}", spec.name);
    assert!(ts_event.is_none_or(|at| at.ns() == NOW), "{}: {text}", spec.name);
    let is_numbered = sequence.is_none_or(|it| !is_whole || it == quote.sequence);
    assert!(is_numbered, "{}: {text}", spec.name);
}

#[test]
fn simulated_answers_to_our_requests_are_read() {
    for spec in VENUES {
        let ours = Ours::new(spec);
        let mut protocol = (spec.protocol)();
        let count = spec.symbols_per_message.min(ours.symbols.list().len());
        let texts: Vec<&str> =
            ours.symbols.list()[..count].iter().map(|symbol| symbol.text.as_str()).collect();
        let request = Request { number: 7, now: NOW };
        let subscribe = protocol.subscribe(request, &texts);
        let told = venue_answers(spec.name, &subscribe, true).unwrap();
        assert!(!told.is_empty(), "{}: {subscribe} is not answered", spec.name);
        for text in &told {
            assert!(ours.described(text).starts_with("accepted"), "{}: {text}", spec.name);
        }
        // Some venues accept what they do not know and stay silent.
        for text in venue_answers(spec.name, &subscribe, false).unwrap() {
            let described = ours.described(&text);
            let is_answer = described.starts_with("refused") || described.starts_with("accepted");
            assert!(is_answer, "{}: {text} is {described}", spec.name);
        }
        let unsubscribe = protocol.unsubscribe(request, &texts);
        for text in venue_answers(spec.name, &unsubscribe, true).unwrap() {
            let described = ours.described(&text);
            assert!(["accepted", "other"].iter().any(|it| described.starts_with(it)), "{text}");
        }
    }
}

#[test]
fn simulated_heartbeats_and_greetings_are_read() {
    for spec in VENUES {
        let ours = Ours::new(spec);
        let ping = match spec.heartbeat.ping {
            Ping::Frame | Ping::None => None,
            Ping::Text(text) => Some(text.to_owned()),
            Ping::Made(make) => Some(make(NOW)),
        };
        if let Some(ping) = ping {
            let told = venue_answers(spec.name, &ping, true).unwrap();
            assert_eq!(told.len(), 1, "{}: {ping} has {told:?}", spec.name);
            assert_eq!(ours.described(&told[0]), "pong", "{}: {told:?}", spec.name);
        }
        if let Some(text) = venue_ping(spec.name, NOW / MILLI) {
            let mut protocol = (spec.protocol)();
            let mut messages = Vec::new();
            let read = protocol.general(text.as_bytes(), &ours.symbols, &mut messages);
            assert_eq!((read, &messages[..]), (Ok(()), &[Message::Ping][..]), "{text}");
            let pong = protocol.pong();
            let told = venue_answers(spec.name, &pong, true).unwrap();
            assert_eq!(told, ["<pong>"], "{}: {pong} answers {text}", spec.name);
        }
        let greeting = venue_greeting(spec.name);
        assert_eq!(greeting.is_some(), spec.greets, "{}", spec.name);
        if let Some(text) = greeting {
            let (messages, _) = ours.decode(&text);
            let [Message::Welcome(interval)] = messages[..] else { panic!("{text}") };
            assert!(interval.is_none_or(|it| (SECOND..=60 * SECOND).contains(&it)), "{text}");
        }
    }
}
