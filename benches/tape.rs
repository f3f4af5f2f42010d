//! Quotes for the lake's benches: from real tapes if they are present, otherwise synthetic.
//!
//! A real tape is a file of raw Binance frames with one `<receive time, ns> <frame>` per line; its
//! `bookTicker` frames become quotes. Journal numbers are assigned to the quotes of all tapes
//! together in the order of their receive times. The numbers of one tape therefore have gaps, as in
//! a journal of several venues.

use flate2::read::MultiGzDecoder;
use spreadwire_kit::quotes;
use spreadwire_market::decimal;
use spreadwire_market::record::{Quote, flags};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// Number of decimals in the mantissas of a tape: as many as its numbers need.
#[derive(Clone, Copy)]
pub(crate) struct Scales {
    pub(crate) price: u8,
    pub(crate) size: u8,
}

const TAPES: [(&str, Scales); 3] = [
    ("binance_usdm_btcusdt_20240808", Scales { price: 1, size: 3 }),
    ("binance_spot_btcusdt_20240808", Scales { price: 2, size: 5 }),
    ("binance_coinm_btcusd_perp_20240808", Scales { price: 1, size: 0 }),
];

/// The quotes of one book in the order of their receive times.
pub(crate) struct Tape {
    pub(crate) name: &'static str,
    pub(crate) scales: Scales,
    pub(crate) quotes: Vec<Quote>,
    /// Journal number of each quote.
    pub(crate) numbers: Vec<i64>,
}

/// Fields of `bookTicker`, under Binance's names.
#[derive(serde::Deserialize)]
struct Ticker<'a> {
    u: u64,
    b: &'a str,
    #[serde(rename = "B")]
    bid_size: &'a str,
    a: &'a str,
    #[serde(rename = "A")]
    ask_size: &'a str,
    /// Event time, ms; absent on spot.
    #[serde(rename = "E")]
    event: Option<u64>,
}

#[derive(serde::Deserialize)]
struct Frame<'a> {
    #[serde(borrow)]
    data: Ticker<'a>,
}

/// Returns the real tapes, each truncated after `quotes_max`, or none if the recordings are absent.
pub(crate) fn real(quotes_max: usize) -> Vec<Tape> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let folder = std::env::var_os("SPREADWIRE_REAL_DATA").map_or(beside, PathBuf::from);
    let paths = TAPES.map(|(name, _)| folder.join(format!("tapes/{name}.frames.gz")));
    if let Some(absent) = paths.iter().find(|path| !path.is_file()) {
        println!("skipped: {} is absent (SPREADWIRE_REAL_DATA)", absent.display());
        return Vec::new();
    }
    let tapes = TAPES.into_iter().zip(&paths);
    let read =
        |((name, scales), path): (_, &PathBuf)| (name, scales, read(path, scales, quotes_max));
    numbered(tapes.map(read).collect())
}

/// Returns synthetic tapes of `count` quotes: with and without event times, and with a side missing
/// at times.
pub(crate) fn made(count: u64) -> Vec<Tape> {
    let quote = |at: u64| {
        let step = (at * 7919 % 13).cast_signed();
        let (bid_px, bid_sz) = if at % 97 == 96 { (0, 0) } else { (6_000_000 + step, 1 + step) };
        let (ask_px, ask_sz) = (6_000_010 + step, 300 * step);
        let (ts_recv, ts_event) = (1_723_161_255_000_000_000 + at * 27_001, at * 1_000_000);
        let absent = if at % 89 == 88 { flags::TS_EVENT_ABSENT } else { 0 };
        Quote {
            flags: absent,
            sequence: at,
            ..quote(ts_recv, ts_event, [bid_px, bid_sz, ask_px, ask_sz])
        }
    };
    numbered(vec![("made", Scales { price: 2, size: 8 }, (0..count).map(quote).collect())])
}

fn read(path: &Path, scales: Scales, quotes_max: usize) -> Vec<Quote> {
    let lines = BufReader::new(MultiGzDecoder::new(File::open(path).unwrap())).lines();
    let tickers = lines.map(Result::unwrap).filter(|line| line.contains("@bookTicker\""));
    tickers.take(quotes_max).map(|line| parse(&line, scales)).collect()
}

fn parse(line: &str, scales: Scales) -> Quote {
    let (time, frame) = line.split_once(' ').unwrap();
    let Frame { data } = serde_json::from_str(frame).unwrap();
    let exact = |text: &str, scale| decimal::parse(text.as_bytes(), scale).unwrap();
    let numbers = [
        exact(data.b, scales.price),
        exact(data.bid_size, scales.size),
        exact(data.a, scales.price),
        exact(data.ask_size, scales.size),
    ];
    let absent = if data.event.is_none() { flags::TS_EVENT_ABSENT } else { 0 };
    let event = data.event.unwrap_or(0) * 1_000_000;
    Quote { flags: absent, sequence: data.u, ..quote(time.parse().unwrap(), event, numbers) }
}

/// Returns a quote of the first venue and instrument.
fn quote(ts_recv: u64, ts_event: u64, [bid_px, bid_sz, ask_px, ask_sz]: [i64; 4]) -> Quote {
    let quote = quotes::quote(0, 0, ts_recv);
    Quote { ts_event, bid_px, ask_px, bid_sz, ask_sz, sequence: 0, ..quote }
}

/// Numbers the quotes of all tapes in the order of their receive times.
fn numbered(tapes: Vec<(&'static str, Scales, Vec<Quote>)>) -> Vec<Tape> {
    let times = tapes.iter().enumerate().flat_map(|(tape, (_, _, quotes))| {
        quotes.iter().enumerate().map(move |(at, quote)| (quote.ts_recv, tape, at))
    });
    let mut order: Vec<_> = times.collect();
    order.sort_unstable();
    let mut numbers: Vec<Vec<i64>> =
        tapes.iter().map(|(_, _, quotes)| vec![0; quotes.len()]).collect();
    for ((_, tape, at), number) in order.into_iter().zip(0..) {
        numbers[tape][at] = number;
    }
    let named = tapes.into_iter().zip(numbers);
    named.map(|((name, scales, quotes), numbers)| Tape { name, scales, quotes, numbers }).collect()
}
