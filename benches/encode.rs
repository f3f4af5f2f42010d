//! Measures encoding one broadcast message, as JSON and as binary, and compares with serde_json.
//!
//! `serde_json` does what a server would do that encodes for each client separately: it fills a
//! struct with `Serialize` from the record (the four decimals as texts) and calls `to_string`.
//! `serde_json_ready` fills the struct beforehand, so that only `to_string` is timed. Each sample
//! is a batch of records that all differ, alternating between the contestants. A figure is the
//! batch's time divided by its size, so quantiles are those of batches. Not included are the copy
//! into the log (see `fanout`) and sockets. Without `--bench` it is short and only checks.

#![allow(clippy::print_stdout, reason = "a bench tells its figures")]

use benches::{header, results};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use spreadwire_engine::broadcast::{Encoder, Protocol};
use spreadwire_kit::{catalogue, quotes};
use spreadwire_market::clock::Clock;
use spreadwire_market::decimal;
use spreadwire_market::instrument::{Catalogue, VenueId};
use spreadwire_market::record::{Kind, Record, Spread, Status};
use spreadwire_market::spread::BPS;
use spreadwire_market::state::{Reason, State};
use std::hint::black_box;
use std::sync::Arc;

/// Number of records in a batch.
const BATCH: usize = 64;
/// Names of the contestants, ours first.
const WHO: [&str; 4] = ["spreadwire", "spreadwire_bin", "serde_json", "serde_json_ready"];

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Message<'a> {
    Spread {
        seq: u64,
        instrument: &'a str,
        buy_venue: &'a str,
        sell_venue: &'a str,
        buy_px: String,
        sell_px: String,
        buy_sz: String,
        sell_sz: String,
        gross_bps: f64,
        net_bps: f64,
        ts_recv: u64,
        quote_seq: u64,
    },
    Status {
        venue: &'a str,
        instrument: &'a str,
        state: &'a str,
        reason: &'a str,
        ts_recv: u64,
        health: &'a str,
        previous: &'a str,
    },
}

fn catalogue() -> Catalogue {
    let venues = ["binance", "binance-usdm", "bybit", "okx"];
    let draft = catalogue::of(["BTC/USDT", "ETH/USDT:PERP", "DOGE/USDT"], venues);
    draft.scales_each([(2, 5), (2, 4), (5, 0)]).fee(0.001).build()
}

fn bps(fraction: f64) -> f64 {
    (fraction * BPS * 1e4).round() / 1e4
}

fn message<'a>(catalogue: &'a Catalogue, record: &Record, seq: u64) -> Message<'a> {
    let of = &catalogue.instruments[record.instrument.index()];
    let venue = |id: VenueId| catalogue.venues[id.index()].name.as_str();
    if record.kind() == Some(Kind::Status) {
        let status: &Status = record.view();
        return Message::Status {
            venue: venue(status.venue),
            instrument: &of.name,
            state: State::of_code(status.state).map_or("unknown", State::name),
            health: State::of_code(status.state).map_or("unknown", State::name),
            reason: Reason::of_code(status.reason).map_or("unknown", Reason::name),
            ts_recv: status.ts_recv,
            previous: State::of_code(status.previous).map_or("unknown", State::name),
        };
    }
    let spread: &Spread = record.view();
    Message::Spread {
        seq,
        instrument: &of.name,
        buy_venue: venue(spread.buy_venue),
        sell_venue: venue(spread.sell_venue),
        buy_px: decimal::to_text(spread.buy_px, of.price_scale),
        sell_px: decimal::to_text(spread.sell_px, of.price_scale),
        buy_sz: decimal::to_text(spread.buy_sz, of.size_scale),
        sell_sz: decimal::to_text(spread.sell_sz, of.size_scale),
        gross_bps: bps(spread.gross()),
        net_bps: bps(spread.net),
        ts_recv: spread.ts_recv,
        quote_seq: spread.sequence,
    }
}

fn below(random: &mut ChaCha8Rng, bound: u32) -> u32 {
    random.next_u32() % bound
}

fn venue(random: &mut ChaCha8Rng) -> u8 {
    u8::try_from(below(random, 4)).unwrap_or(0)
}

fn time(seq: u64) -> u64 {
    1_700_000_000_123_456_789 + seq * 7_919
}

fn spread(random: &mut ChaCha8Rng, seq: u64) -> Record {
    let (place, buy_px) = match below(random, 3) {
        0 => (0, 6_183_763),
        1 => (1, 264_150),
        _ => (2, 10_412),
    };
    let buy_px = buy_px + i64::from(below(random, 4_000));
    let sell_px = buy_px + i64::from(below(random, 60)) - 30;
    let sizes = [900_000, 90_000_000].map(|bound| i64::from(below(random, bound)));
    let venues = [venue(random), venue(random)];
    Spread {
        sequence: 3 * seq,
        buy_sz: sizes[0],
        sell_sz: sizes[1],
        ..quotes::spread(place, venues, [buy_px, sell_px], time(seq))
    }
    .into()
}

fn status(random: &mut ChaCha8Rng, seq: u64) -> Record {
    let code = |random: &mut ChaCha8Rng| u8::try_from(below(random, 5)).unwrap_or(0);
    let [state, previous, reason] = std::array::from_fn(|_| code(random));
    let instrument = below(random, 3);
    let status = quotes::status(venue(random), instrument, State::Down, time(seq));
    Status { state, previous, reason, ..status }.into()
}

/// Checks that the payloads have the same contents.
fn check(catalogue: &Catalogue, encoder: &mut Encoder, record: &Record, seq: u64) {
    let frame = encoder.encode(record, seq, Protocol::Json);
    let start = frame.iter().position(|byte| *byte == b'{').unwrap_or(0);
    let ours: Result<serde_json::Value, _> = serde_json::from_slice(&frame[start..]);
    let theirs = serde_json::to_value(message(catalogue, record, seq));
    let (Ok(mut ours), Ok(mut theirs)) = (ours, theirs) else { panic!("not JSON") };
    for value in [&mut ours, &mut theirs] {
        for field in ["gross_bps", "net_bps"] {
            if let Some(number) = value[field].as_f64() {
                // A whole number has no decimal point in ours; there is no minus zero.
                value[field] = (number + 0.0).into();
            }
        }
    }
    assert_eq!(ours, theirs);
}

struct Case {
    name: &'static str,
    /// Time of a batch divided by its size, in tenths of a nanosecond, by contestant.
    samples: [Vec<u64>; WHO.len()],
}

fn measure(name: &'static str, record: fn(&mut ChaCha8Rng, u64) -> Record, rounds: usize) -> Case {
    let (clock, catalogue) = (Clock::host(), catalogue());
    let mut encoder = Encoder::new(Arc::new(catalogue.clone()));
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let mut samples: [Vec<u64>; WHO.len()] = std::array::from_fn(|_| Vec::with_capacity(rounds));
    for round in 0..rounds as u64 {
        let first = round * BATCH as u64;
        let batch: Vec<(Record, u64)> =
            (first..first + BATCH as u64).map(|seq| (record(&mut random, seq), seq)).collect();
        let ready: Vec<_> = batch.iter().map(|(r, seq)| message(&catalogue, r, *seq)).collect();
        if round < 100 {
            batch.iter().for_each(|(r, seq)| check(&catalogue, &mut encoder, r, *seq));
        }
        let mut time = |who: usize, run: &mut dyn FnMut()| {
            let start = clock.now();
            run();
            let spent = clock.now() - start;
            samples[who].push(spent * 10 / BATCH as u64);
        };
        for who in (0..WHO.len()).map(|n| (n + usize::try_from(round % 4).unwrap_or(0)) % 4) {
            match who {
                0 | 1 => time(who, &mut || {
                    for (record, seq) in &batch {
                        black_box(encoder.encode(black_box(record), *seq, Protocol::ALL[who]));
                    }
                }),
                2 => time(who, &mut || {
                    for (record, seq) in &batch {
                        let message = message(&catalogue, black_box(record), *seq);
                        black_box(serde_json::to_string(&message).ok());
                    }
                }),
                _ => time(who, &mut || {
                    for message in &ready {
                        black_box(serde_json::to_string(black_box(message)).ok());
                    }
                }),
            }
        }
    }
    samples.iter_mut().for_each(|samples| samples.sort_unstable());
    Case { name, samples }
}

#[expect(clippy::cast_precision_loss, reason = "times of a few microseconds")]
fn quantile(sorted: &[u64], quantile: usize) -> f64 {
    sorted[(sorted.len() * quantile / 100).min(sorted.len() - 1)] as f64 / 10.0
}

fn report(case: &Case) {
    let ours = quantile(&case.samples[0], 50);
    for (who, samples) in WHO.iter().zip(&case.samples) {
        let [p50, p90, p99] = [50, 90, 99].map(|q| quantile(samples, q));
        let ratio = p50 / ours;
        println!("{:<8}{who:<18}{p50:>9.1}{p90:>9.1}{p99:>9.1}{ratio:>9.2}", case.name);
        results::append_quantiles(["encode", case.name, who, "ns"], [p50, p90, p99], ratio);
    }
}

fn main() {
    header::print("encode");
    let measuring = std::env::args().any(|argument| argument == "--bench");
    let rounds = if measuring { 20_000 } else { 20 };
    println!("{:<8}{:<18}{:>9}{:>9}{:>9}{:>9}", "ns", "who", "p50", "p90", "p99", "ratio");
    report(&measure("spread", spread, rounds));
    report(&measure("status", status, rounds));
}
