//! Measures decoding a venue's frame to a quote message, and compares our decoders with common JSON
//! libraries.
//!
//! There is a case for every venue of the registry. It uses frames in the first layout of the
//! venue's fixture with varying digits and, where the venue cuts trailing zeros, varying lengths.
//! Cases named `binance, recorded` and the like use recorded sessions, if they are present beside
//! the project. The contestants are our positional decoder as the feed calls it, our general
//! decoder, typed serde_json, sonic-rs and simd-json (`decode/typed.rs`), and with `--features
//! barter` barter-data's own type, which keeps decimals of 96 bits.
//!
//! Our decoders also find the symbol, the sequence number and the time, and keep exact decimals.
//! Before anything is measured, every reader's numbers are checked on every frame.
#![allow(clippy::print_stdout, reason = "a bench tells its figures")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

mod quantiles;
mod typed;

use benches::header;
use quantiles::{Contestant, compare};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spreadwire_market::decimal;
use spreadwire_rigs::fixture::{Fixture, PRICE_SCALE, SIZE_SCALE};
use spreadwire_venues::venue::{Message, Side, Symbols, VenueSpec};
use spreadwire_venues::venues::VENUES;
use std::hint::black_box;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use typed::{FORMS, Numbers, Readers};

/// Number of frames in a batch, and of batches in each case.
const BATCH: usize = 64;
const BATCHES: usize = 64;
/// Number of rounds over the batches.
const ROUNDS: usize = 20_000;
const SEED: u64 = 5;

/// Returns the frame with other digits in its decimals: `"0.3210"` becomes `"0.8670"`. If a number
/// ends in zeros, the venue sends all decimals and the zeros stay. Otherwise the venue cuts zeros,
/// and the length changes as well.
fn other_digits(frame: &str, random: &mut impl Rng) -> String {
    let mut out = String::new();
    for part in frame.split('"') {
        out += if out.is_empty() { "" } else { "\"" };
        let Some((whole, fraction)) = part.split_once('.').filter(|(whole, fraction)| {
            format!("{whole}{fraction}").bytes().all(|b| b.is_ascii_digit())
        }) else {
            out += part;
            continue;
        };
        let kept = fraction.trim_end_matches('0').len();
        let cut = if kept == fraction.len() { random.random_range(0..kept) } else { 0 };
        out += whole;
        out.push('.');
        for at in 0..fraction.len() - cut {
            // The last significant digit is not zero, or the venue would have cut it.
            let lowest = u8::from(at + 1 == kept - cut);
            let digit = if at < kept { random.random_range(lowest..10) } else { 0 };
            out.push(char::from(b'0' + digit));
        }
    }
    out
}

/// Returns the quotes of a recorded session, up to the number that is measured.
fn recorded(path: &Path) -> Option<Vec<String>> {
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(std::fs::File::open(path).ok()?)
        .read_to_string(&mut text)
        .ok()?;
    let frames = text.lines().filter_map(|line| Some(line.split_once(' ')?.1));
    let quotes = frames.filter(|frame| frame.contains("@bookTicker\""));
    Some(quotes.take(BATCH * BATCHES).map(str::to_owned).collect())
}

/// Returns the numbers of a decoded frame as doubles.
fn decoded(message: &Message) -> Numbers {
    let Message::Quote(quote) = message else { panic!("{message:?} is not a quote") };
    let side = |side| {
        let Side::Level { px, sz } = side else { panic!("{side:?} has no price") };
        [decimal::to_f64(px, PRICE_SCALE), decimal::to_f64(sz, SIZE_SCALE)]
    };
    let ([bid, bid_size], [ask, ask_size]) = (side(quote.bid), side(quote.ask));
    [bid, bid_size, ask, ask_size]
}

/// Checks what another reader found. Where a venue counts contracts, their size, a power of ten, is not in the
/// frame, so that only the decoder has multiplied by it.
fn check(who: &str, frame: &str, found: Option<Numbers>, expected: Numbers) {
    let Some([bid, bid_size, ask, ask_size]) = found else { panic!("{who}: {frame}") };
    let units = expected[1] / bid_size;
    let power = units.log10();
    let told = format!("{who}: {found:?} is not {expected:?}: {frame}");
    assert!((power - power.round()).abs() < 1e-9, "{told}");
    assert!((bid, ask) == (expected[0], expected[2]), "{told}");
    assert!((ask_size * units - expected[3]).abs() <= 1e-9 * expected[3].abs(), "{told}");
}

/// Checks that every reader finds the same numbers in every frame, and returns the readers for this
/// form of message.
fn check_all(spec: &VenueSpec, symbols: &Symbols, frames: &[String]) -> Option<Readers> {
    let mut protocol = (spec.protocol)();
    let (mut out, mut buffers) = (Vec::new(), simd_json::Buffers::default());
    let form = FORMS.into_iter().find(|form| (form.serde_json)(frames[0].as_bytes()).is_some());
    for frame in frames {
        out.clear();
        protocol.general(frame.as_bytes(), symbols, &mut out).unwrap();
        let taken = protocol.positional(frame.as_bytes(), symbols, &mut out);
        assert!(taken.is_some() && out[0] == out[1], "{}: {frame}", spec.name);
        let expected = decoded(&out[0]);
        let Some(form) = form else { continue };
        check("serde_json", frame, (form.serde_json)(frame.as_bytes()), expected);
        check("sonic-rs", frame, (form.sonic_rs)(frame.as_bytes()), expected);
        let mut copy = frame.clone().into_bytes();
        check("simd-json", frame, (form.simd_json)(&mut copy, &mut buffers), expected);
    }
    form
}

/// Returns barter-data's reader, for frames that it supports.
#[cfg(feature = "barter")]
fn barter<'a>(batches: &'a [&'a [String]]) -> Option<Contestant<'a>> {
    use barter_data::exchange::binance::book::l1::BinanceOrderBookL1;
    let read = |frame: &str| serde_json::from_str::<BinanceOrderBookL1>(frame).ok();
    read(&batches[0][0])?;
    Some(Contestant::new("barter-data", move |round| {
        for frame in batches[round % batches.len()] {
            black_box(read(black_box(frame)).unwrap());
        }
    }))
}

#[cfg(not(feature = "barter"))]
fn barter<'a>(_: &'a [&'a [String]]) -> Option<Contestant<'a>> {
    None
}

fn measure(spec: &VenueSpec, case: &str, symbols: &Symbols, frames: &[String]) {
    let form = check_all(spec, symbols, frames);
    let batches: Vec<&[String]> = frames.chunks_exact(BATCH).collect();
    let batch = |round: usize| batches[round % batches.len()];
    let (mut quick, mut general) = ((spec.protocol)(), (spec.protocol)());
    let (mut out, mut other_out) = (Vec::with_capacity(16), Vec::with_capacity(16));
    let mut contestants = vec![
        Contestant::new("positional", |round| {
            for frame in batch(round) {
                out.clear();
                quick.positional(black_box(frame.as_bytes()), symbols, &mut out).unwrap();
                black_box(&out);
            }
        }),
        Contestant::new("general", |round| {
            for frame in batch(round) {
                other_out.clear();
                general.general(black_box(frame.as_bytes()), symbols, &mut other_out).unwrap();
                black_box(&other_out);
            }
        }),
    ];
    if let Some(form) = form {
        let (mut buffers, mut copy) = (simd_json::Buffers::default(), Vec::new());
        contestants.push(Contestant::new("serde_json", move |round| {
            for frame in batch(round) {
                black_box((form.serde_json)(black_box(frame.as_bytes())).unwrap());
            }
        }));
        contestants.push(Contestant::new("sonic-rs", move |round| {
            for frame in batch(round) {
                black_box((form.sonic_rs)(black_box(frame.as_bytes())).unwrap());
            }
        }));
        contestants.push(Contestant::new("simd-json", move |round| {
            for frame in batch(round) {
                copy.clear();
                copy.extend_from_slice(black_box(frame.as_bytes()));
                black_box((form.simd_json)(&mut copy, &mut buffers).unwrap());
            }
        }));
    }
    contestants.extend(barter(&batches));
    compare("decode", case, (ROUNDS, BATCH as u64), &mut contestants);
}

/// Returns the recorded sessions that a venue's fixture names.
fn sessions(spec: &VenueSpec) -> Vec<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let layout = here.join(format!("../data/fixtures/{}.toml", spec.name));
    let layout: toml::Table = std::fs::read_to_string(layout).unwrap().parse().unwrap();
    let data = std::env::var("SPREADWIRE_REAL_DATA").unwrap_or("../shared".into());
    let tapes = here.join("..").join(data).join("tapes");
    let names = layout.get("tapes").and_then(toml::Value::as_array).into_iter().flatten();
    names.map(|name| tapes.join(name.as_str().unwrap())).collect()
}

fn main() {
    header::print("decode");
    for spec in VENUES {
        let fixture = Fixture::of(spec);
        let mut random = ChaCha8Rng::seed_from_u64(SEED);
        let frames = fixture.quotes(BATCH * BATCHES, 0).into_iter().map(String::from_utf8);
        // The other readers are of JSON.
        let Ok(frames) = frames.collect::<Result<Vec<String>, _>>() else {
            println!("skipped: the frames of {} are no text", spec.name);
            continue;
        };
        let frames: Vec<String> =
            frames.iter().map(|frame| other_digits(frame, &mut random)).collect();
        measure(spec, spec.name, &fixture.symbols, &frames);
        match sessions(spec).first().map(|path| (path, recorded(path))) {
            Some((_, Some(frames))) => {
                let case = format!("{}, recorded", spec.name);
                measure(spec, &case, &fixture.symbols, &frames);
            }
            Some((path, None)) => println!("skipped: {} is absent", path.display()),
            None => {}
        }
    }
}
