//! Decoding with a general JSON library the usual way: a struct with borrowed texts, then the four
//! numbers as doubles.
//!
//! It keeps no exact decimals and looks up no symbols. The library is chosen by the `read` function
//! that is passed in.

use serde::Deserialize;

/// Bid, bid size, ask, ask size.
pub(crate) type Numbers = [f64; 4];

/// `{"s":..,"b":..}`
#[derive(Deserialize)]
pub(crate) struct Ticker<'a> {
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

/// `{"stream":..,"data":{"s":..,"b":..}}`
#[derive(Deserialize)]
pub(crate) struct Wrapped<'a> {
    #[serde(rename = "stream")]
    _stream: &'a str,
    #[serde(borrow)]
    data: Ticker<'a>,
}

/// `{"topic":..,"data":{"b":[[..]],"a":[[..]]}}`
#[derive(Deserialize)]
pub(crate) struct Book<'a> {
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
pub(crate) struct Levels<'a> {
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

/// A message from which four numbers can be read.
pub(crate) trait Quoted {
    /// Returns the four numbers.
    fn numbers(&self) -> Option<Numbers>;
}

impl Quoted for Ticker<'_> {
    fn numbers(&self) -> Option<Numbers> {
        numbers([self.bid, self.bid_size, self.ask, self.ask_size])
    }
}

impl Quoted for Wrapped<'_> {
    fn numbers(&self) -> Option<Numbers> {
        self.data.numbers()
    }
}

impl Quoted for Book<'_> {
    fn numbers(&self) -> Option<Numbers> {
        let ([bid, bid_size], [ask, ask_size]) = (self.data.b.first()?, self.data.a.first()?);
        numbers([bid, bid_size, ask, ask_size])
    }
}

impl Quoted for Levels<'_> {
    fn numbers(&self) -> Option<Numbers> {
        let quote = self.data.first()?;
        let ([bid, bid_size, ..], [ask, ask_size, ..]) = (quote.bids.first()?, quote.asks.first()?);
        numbers([bid, bid_size, ask, ask_size])
    }
}

fn numbers(texts: [&str; 4]) -> Option<Numbers> {
    let mut numbers = [0.0; 4];
    for (number, text) in numbers.iter_mut().zip(texts) {
        *number = text.parse().ok()?;
    }
    Some(numbers)
}

/// Readers of one form of message, one for each library. The last works on a copy, which it
/// changes.
#[derive(Clone, Copy)]
pub(crate) struct Readers {
    pub(crate) serde_json: fn(&[u8]) -> Option<Numbers>,
    pub(crate) sonic_rs: fn(&[u8]) -> Option<Numbers>,
    pub(crate) simd_json: fn(&mut [u8], &mut simd_json::Buffers) -> Option<Numbers>,
}

macro_rules! readers {
    ($form:ident) => {
        Readers {
            serde_json: |frame| serde_json::from_slice::<$form<'_>>(frame).ok()?.numbers(),
            sonic_rs: |frame| sonic_rs::from_slice::<$form<'_>>(frame).ok()?.numbers(),
            simd_json: |frame, buffers| {
                let read = simd_json::serde::from_slice_with_buffers::<$form<'_>>(frame, buffers);
                read.ok()?.numbers()
            },
        }
    };
}

/// The supported forms. A venue whose quotes have another form is measured without a yardstick.
pub(crate) const FORMS: [Readers; 4] =
    [readers!(Ticker), readers!(Wrapped), readers!(Book), readers!(Levels)];
