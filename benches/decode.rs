//! A venue's frame to a quote message: our general decoder beside typed `serde_json`.
//!
//! Group `decode/<venue>`, for every venue of the registry, on the first frame of its fixture. The
//! yardstick is what one writes with `serde_json` for that message: a struct with borrowed texts,
//! then the four numbers as doubles. It keeps neither the exact decimals nor the order of keys
//! apart; the decoder also finds the symbol, the sequence and the time. Both are checked once.
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

#[path = "../tests/fixture.rs"]
mod fixture;
mod header;

use criterion::{Criterion, Throughput};
use fixture::{Fixture, PRICE_SCALE, SIZE_SCALE};
use serde::Deserialize;
use spreadwire::venue::{Message, Side};
use spreadwire::venues::VENUES;
use std::hint::black_box;
use std::time::Duration;

/// Bid, bid size, ask, ask size.
type Numbers = [f64; 4];

/// `{"s":..,"b":..}`
#[derive(Deserialize)]
struct Ticker<'a> {
    #[serde(rename = "u")]
    _sequence: u64,
    #[serde(rename = "s")]
    _symbol: &'a str,
    #[serde(rename = "b")]
    bid: &'a str,
    #[serde(rename = "B")]
    bid_size: &'a str,
    #[serde(rename = "a")]
    ask: &'a str,
    #[serde(rename = "A")]
    ask_size: &'a str,
    #[serde(rename = "E", default)]
    _time: u64,
}

/// `{"topic":..,"data":{"b":[[..]],"a":[[..]]}}`
#[derive(Deserialize)]
struct Book<'a> {
    #[serde(rename = "topic")]
    _topic: &'a str,
    #[serde(rename = "type")]
    _kind: &'a str,
    #[serde(rename = "cts")]
    _time: u64,
    #[serde(borrow)]
    data: BookData<'a>,
}

#[derive(Deserialize)]
struct BookData<'a> {
    #[serde(borrow)]
    b: Vec<[&'a str; 2]>,
    #[serde(borrow)]
    a: Vec<[&'a str; 2]>,
    #[serde(rename = "u")]
    _sequence: u64,
}

/// `{"arg":{..},"data":[{"bids":[[..]],"asks":[[..]]}]}`
#[derive(Deserialize)]
struct Levels<'a> {
    #[serde(borrow, rename = "arg")]
    _arg: Channel<'a>,
    #[serde(borrow)]
    data: Vec<LevelsData<'a>>,
}

#[derive(Deserialize)]
struct Channel<'a> {
    #[serde(rename = "channel")]
    _channel: &'a str,
    #[serde(rename = "instId")]
    _symbol: &'a str,
}

#[derive(Deserialize)]
struct LevelsData<'a> {
    #[serde(borrow)]
    bids: Vec<[&'a str; 4]>,
    #[serde(borrow)]
    asks: Vec<[&'a str; 4]>,
    #[serde(rename = "ts")]
    _time: &'a str,
    #[serde(rename = "seqId")]
    _sequence: u64,
}

fn numbers(texts: [&str; 4]) -> Option<Numbers> {
    let mut numbers = [0.0; 4];
    for (number, text) in numbers.iter_mut().zip(texts) {
        *number = text.parse().ok()?;
    }
    Some(numbers)
}

fn ticker(frame: &[u8]) -> Option<Numbers> {
    let Ticker { bid, bid_size, ask, ask_size, .. } = serde_json::from_slice(frame).ok()?;
    numbers([bid, bid_size, ask, ask_size])
}

fn book(frame: &[u8]) -> Option<Numbers> {
    let Book { data, .. } = serde_json::from_slice(frame).ok()?;
    let ([bid, bid_size], [ask, ask_size]) = (data.b.first()?, data.a.first()?);
    numbers([bid, bid_size, ask, ask_size])
}

fn levels(frame: &[u8]) -> Option<Numbers> {
    let Levels { data, .. } = serde_json::from_slice(frame).ok()?;
    let ([bid, bid_size, ..], [ask, ask_size, ..]) =
        (data.first()?.bids.first()?, data.first()?.asks.first()?);
    numbers([bid, bid_size, ask, ask_size])
}

/// A typed reader of one form of message.
type Typed = fn(&[u8]) -> Option<Numbers>;

/// The forms there are; a venue whose quotes have another one is measured without a yardstick.
const TYPED: [Typed; 3] = [ticker, book, levels];

/// What the decoder made of a frame, as doubles.
fn decoded(message: &Message) -> Numbers {
    let Message::Quote(quote) = message else { panic!("{message:?} is no quote") };
    let side = |side| {
        let Side::Level { px, sz } = side else { panic!("{side:?} has no price") };
        [(px, PRICE_SCALE), (sz, SIZE_SCALE)].map(|(mantissa, scale)| {
            spreadwire::decimal::to_text(mantissa, scale).parse::<f64>().unwrap()
        })
    };
    let ([bid, bid_size], [ask, ask_size]) = (side(quote.bid), side(quote.ask));
    [bid, bid_size, ask, ask_size]
}

fn venues(criterion: &mut Criterion) {
    for spec in VENUES {
        let fixture = Fixture::of(spec);
        let frames = fixture.quotes(1, 0);
        let frame = frames[0].as_bytes();
        let mut protocol = (spec.protocol)();
        let mut out = Vec::with_capacity(16);
        protocol.general(frame, &fixture.symbols, &mut out).unwrap();
        let expected = decoded(&out[0]);
        let typed = TYPED.into_iter().find(|typed| typed(frame).is_some());

        let mut group = criterion.benchmark_group(format!("decode/{}", spec.name));
        group.throughput(Throughput::Elements(1));
        group.bench_function("general", |bencher| {
            bencher.iter(|| {
                out.clear();
                protocol.general(black_box(frame), &fixture.symbols, &mut out).unwrap();
                out.len()
            });
        });
        if let Some(typed) = typed {
            let found = typed(frame).unwrap();
            let same = found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= b.abs() * 1e-12);
            assert!(same, "{}: {found:?}, not {expected:?}", spec.name);
            group.bench_function("serde_json_typed", |b| b.iter(|| typed(black_box(frame))));
        }
        group.finish();
    }
}

fn main() {
    header::print("decode");
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    venues(&mut criterion);
    criterion.final_summary();
}
