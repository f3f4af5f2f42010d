//! Every venue's decoders over recorded frames, which are among the real data; see `tests/kit/src/needs.rs`.
//!
//! A venue's `data/fixtures/<venue>.toml` lists the recordings, and each is a test.

#![allow(clippy::print_stdout, reason = "a test tells what it did")]
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as the tests may")]

mod plain_reader;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use plain_reader::{Case, naive, naive_symbol, symbols};
use spreadwire_kit::needs::{Need, Test, real_data};
use spreadwire_venues::gzip::Inflater;
use spreadwire_venues::venue::{Message, Reject, Sizes, VenueSpec};
use spreadwire_venues::venues::VENUES;
use std::io::Read as _;

fn main() -> std::process::ExitCode {
    let mut tests: Vec<Test> = Vec::new();
    for spec in VENUES {
        let layout = Case::of(spec).layout;
        for file in &layout.real {
            let (name, test) = (
                "recorded_quotes_are_taken_by_position_and_are_what_a_plain_reader_finds",
                recorded_quotes as fn(&'static VenueSpec, &str),
            );
            tests.push(of_recording(name, spec, format!("payloads/{file}"), test));
        }
        for file in &layout.odd {
            let name = "odd_recordings_are_what_a_plain_reader_finds";
            tests.push(of_recording(name, spec, format!("payloads/{file}"), odd_recording));
        }
        for file in &layout.other {
            let name = "recorded_frames_of_other_channels_are_passed_over";
            tests.push(of_recording(name, spec, format!("payloads/{file}"), other_channels));
        }
        for (file, line, rows) in layout.list_real.clone() {
            let file = format!("payloads/{file}");
            tests.push(Test {
                name: format!("recorded_lists_of_instruments::{}::{file}::{line}", spec.name),
                needs: vec![Need::RealData(file.clone().into())],
                run: Box::new(move || recorded_instruments(spec, &file, line, rows)),
            });
        }
        for file in &layout.tapes {
            let name = "recorded_sessions_are_taken_by_position";
            tests.push(of_recording(name, spec, format!("tapes/{file}"), recorded_session));
        }
    }
    spreadwire_kit::needs::run(tests)
}

fn of_recording(
    name: &str,
    spec: &'static VenueSpec,
    file: String,
    test: fn(&'static VenueSpec, &str),
) -> Test {
    Test {
        name: format!("{name}::{}::{file}", spec.name),
        needs: vec![Need::RealData(file.clone().into())],
        run: Box::new(move || test(spec, &file)),
    }
}

/// Checks that a recorded list of instruments is read whole, and that its steps are steps.
fn recorded_instruments(spec: &'static VenueSpec, file: &str, line: usize, rows: usize) {
    let text = std::fs::read(real_data(file)).unwrap();
    let body = text.split(|byte| *byte == b'\n').nth(line).unwrap();
    let page = (spec.instruments.read)(body).unwrap();
    assert_eq!((page.odd, page.next), (Vec::new(), None), "{file}");
    assert_eq!(page.listed.len(), rows, "{file}");
    let mut other = 0;
    // Before it trades, an instrument may lack its steps, and even its currencies.
    for listed in page.listed.iter().filter(|listed| listed.halted.is_none()) {
        assert!(listed.tick.is_ok() && listed.lot.is_ok(), "{}: {listed:?}", spec.name);
        let contract = listed.contract.as_ref();
        assert!(contract.is_none_or(Result::is_ok), "{}: {listed:?}", spec.name);
        assert_eq!(contract.is_some(), spec.sizes == Sizes::Contracts, "{}", spec.name);
        let customary = (spec.symbol)(&listed.base, &listed.quote);
        other += usize::from(customary != listed.symbol);
    }
    // An asset that was renamed may keep its symbols.
    assert!(20 * other <= rows, "{}: {other} of {rows} symbols are not customary", spec.name);
}

/// Returns the recorded frames of a file, one a line. Those that are no text are in base64 there, and what
/// is compressed in them is inflated as the engine does it.
fn recorded(file: &str) -> Vec<Vec<u8>> {
    let text = std::fs::read(real_data(file)).unwrap();
    let lines = text.trim_ascii_end().split(|b| *b == b'\n');
    if !file.ends_with(".b64l") {
        return lines.map(<[u8]>::to_vec).collect();
    }
    let mut inflater = Inflater::default();
    let frame = |line: &[u8]| {
        let bytes = STANDARD.decode(line).unwrap();
        let is_gzip = bytes.starts_with(b"\x1f\x8b");
        if is_gzip { inflater.inflate(&bytes).unwrap().to_vec() } else { bytes }
    };
    lines.map(frame).collect()
}

/// Checks that both decoders and the plain reader agree on recorded frames of any layout and channel.
fn odd_recording(spec: &'static VenueSpec, file: &str) {
    let mut case = Case::of(spec);
    let frames = recorded(file);
    list_symbols(&mut case, &frames);
    let mut quotes = 0;
    for frame in &frames {
        case.agree(frame);
        quotes += usize::from(case.decoded_quote(frame).is_some());
    }
    assert!(0 < quotes, "{}: no quote in {file}", spec.name);
    println!("{}: {quotes} quotes in {} frames of {file}", spec.name, frames.len());
}

/// Checks that recorded frames of other channels, however they are sent, hold no quote and no fault.
fn other_channels(spec: &'static VenueSpec, file: &str) {
    let mut case = Case::of(spec);
    let frames = recorded(file);
    for frame in &frames {
        let read = case.decode(frame);
        // The JSON reader refuses integers that no machine number holds: HTX has such ids of trades.
        let is_beyond = frame.split(|byte| !byte.is_ascii_digit()).any(|it| 20 < it.len());
        let is_passed = match read.as_deref() {
            Ok([Message::Other | Message::Ping | Message::Accepted(_)]) => true,
            Ok(_) => false,
            Err(rejected) => is_beyond && rejected.reason == Reject::Malformed,
        };
        assert!(is_passed, "{}: {read:?} of {}", spec.name, String::from_utf8_lossy(frame));
    }
    println!("{}: {} frames of {file}", spec.name, frames.len());
}

/// Lists the symbols that quotes are about.
fn list_symbols(case: &mut Case, quotes: &[Vec<u8>]) {
    let symbol = |frame: &Vec<u8>| {
        let json = case.layout.json(frame)?;
        Some((naive_symbol(&json, &case.layout)?.to_owned(), 10, 8))
    };
    let mut list: Vec<(String, u8, u8)> = quotes.iter().filter_map(symbol).collect();
    list.sort();
    list.dedup();
    case.symbols = symbols(&list, &case.layout.contract_sizes);
}

/// Checks that both decoders and the plain reader agree, and that the positional decoder declines
/// no recorded quote.
fn recorded_quotes(spec: &'static VenueSpec, file: &str) {
    let mut case = Case::of(spec);
    let frames = recorded(file);
    list_symbols(&mut case, &frames);
    case.taken = (0, 0);
    for frame in &frames {
        let (before, _) = case.taken;
        case.agree(frame);
        let text = String::from_utf8_lossy(frame);
        assert!(naive(frame, &case.layout, &case.symbols).is_some(), "{text}");
        assert!(before < case.taken.0, "{}: declined {text}", spec.name);
    }
    let (taken, all) = case.taken;
    println!("{}: by position {taken} of {all} frames of {file}", spec.name);
}

/// Checks the same over a whole session, in which frames of other channels must be declined.
fn recorded_session(spec: &'static VenueSpec, file: &str) {
    let mut case = Case::of(spec);
    let tape = std::fs::File::open(real_data(file)).unwrap();
    let mut text = Vec::new();
    flate2::read::MultiGzDecoder::new(tape).read_to_end(&mut text).unwrap();
    let frame = |line: &[u8]| line.splitn(2, |b| *b == b' ').nth(1).map(<[u8]>::to_vec);
    let frames: Vec<Vec<u8>> = text.split(|b| *b == b'\n').filter_map(frame).collect();
    list_symbols(&mut case, &frames[..1000]);
    case.taken = (0, 0);
    let mut quotes = 0;
    for frame in &frames {
        let before = case.taken.0;
        let is_quote = case.decoded_quote(frame).is_some();
        let text = String::from_utf8_lossy(frame);
        assert_eq!(before < case.taken.0, is_quote, "{}: {text}", spec.name);
        quotes += usize::from(is_quote);
        if quotes % 16 == 0 {
            case.makes_nothing_up(frame);
        }
    }
    assert!(10_000 < quotes, "{file}: {quotes} quotes");
    println!("{}: by position all {quotes} quotes of {file}", spec.name);
}
