//! Counts the instructions of each kernel with callgrind and compares them with
//! `instructions.toml`. This guards performance without needing a quiet machine.
//!
//! `check` compares with the file and fails if a count differs by more than 3 % either way. An
//! increase is a regression; a decrease asks for `update`, which writes the file anew. `run KERNEL
//! TIMES` is the command that callgrind runs. A kernel's count is the difference between two runs
//! of different lengths, divided by the difference in calls, so start-up, set-up and inlining do
//! not matter. System calls and time are not counted: a cache miss costs as little as a hit here.
//!
//! The counts are those of the profile `release`, which CI builds anyway. `dist` inlines more across
//! crates, so its counts differ.
//!
//! Decoding iterates over the registry and calls the decoders as the feed does, the positional one
//! first.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench tells its figures")]
#![expect(clippy::unwrap_used, reason = "a count that cannot be made ends the run")]

use anyhow::{Context, bail, ensure};
use spreadwire_engine::broadcast;
use spreadwire_engine::runtime::agent::Agent;
use spreadwire_engine::runtime::ring::{self, EdgeCounters};
use spreadwire_kit::{catalogue, quotes};
use spreadwire_market::book::{Book, Spreads};
use spreadwire_market::clock::{Clock, MILLI, SECOND};
use spreadwire_market::counters::Counters;
use spreadwire_market::decision::{DecisionMaker, Settings};
use spreadwire_market::instrument::Catalogue;
use spreadwire_market::record::{Quote, Record, Spread, Status};
use spreadwire_market::state::State;
use spreadwire_rigs::fixture::Fixture;
use spreadwire_venues::venue::{Message, VenueSpec};
use spreadwire_venues::venues::VENUES;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;

/// The two run lengths.
const TIMES: [u64; 2] = [1_000, 3_000];
/// Maximum deviation of a count, percent.
const TOLERANCE: f64 = 3.0;
/// Number of venues of the book, the decision and the broadcast.
const LEGS: u8 = 4;

/// Counts by kernel.
type Counts = BTreeMap<String, u64>;

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["run", kernel, times] => run(kernel, times.parse()?).map(|()| ExitCode::SUCCESS),
        ["check"] => Ok(compare(&stored()?, &counted()?)),
        ["update"] => {
            std::fs::write(file(), text(&counted()?))?;
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            eprintln!("cargo run --release -p benches --bin instructions -- check|update");
            Ok(ExitCode::from(2))
        }
    }
}

fn kernels() -> Vec<String> {
    let decode = VENUES.iter().map(|spec| format!("decode/{}", spec.name));
    decode.chain(["spread", "decide", "encode"].map(str::to_owned)).collect()
}

/// Runs a kernel the given number of times.
fn run(kernel: &str, times: u64) -> anyhow::Result<()> {
    match kernel {
        "spread" => spread(times),
        "decide" => decide(times),
        "encode" => encode(times),
        _ => {
            let venue = kernel.strip_prefix("decode/").context("no such kernel")?;
            decode(spreadwire_venues::venues::named(venue).context("no such venue")?, times);
        }
    }
    Ok(())
}

/// Decodes a frame of the fixture to messages, with its sequence number counting up.
fn decode(spec: &'static VenueSpec, times: u64) {
    let fixture = Fixture::of(spec);
    let frames = fixture.quotes(64, 0);
    let mut protocol = (spec.protocol)();
    let mut messages: Vec<Message> = Vec::with_capacity(16);
    let mut quotes = 0;
    for frame in frames.iter().cycle().take(usize::try_from(times).unwrap()) {
        messages.clear();
        let frame = black_box(frame.as_slice());
        if protocol.positional(frame, &fixture.symbols, &mut messages).is_none() {
            protocol.general(frame, &fixture.symbols, &mut messages).unwrap();
        }
        quotes += messages.len() as u64;
    }
    assert_eq!(quotes, times);
}

fn catalogue() -> Catalogue {
    let venues = (0..LEGS).map(|venue| format!("venue-{venue}"));
    let draft = catalogue::of(["BTC/USDT"], venues).scales(2, 5);
    draft.fee(0.001).max_age(SECOND).listed().build()
}

fn quote(venue: u8) -> Quote {
    let bid_px = 6_183_763 + i64::from(venue);
    Quote { bid_px, ask_px: bid_px + 2, bid_sz: 48, ask_sz: 120, ..quotes::quote(venue, 0, SECOND) }
}

fn live(venue: u8) -> Status {
    quotes::status(venue, 0, State::Live, 0)
}

/// Returns a book whose legs are all live.
fn book() -> Book {
    let mut book = Book::new(&catalogue());
    for venue in 0..LEGS {
        book.on_status(&live(venue), 0, &mut ());
        book.on_quote(&quote(venue), 0, &mut ());
    }
    book
}

/// Applies a quote and computes its spreads with every other venue, with venues in turn.
fn spread(times: u64) {
    let (mut book, mut spreads) = (book(), 0);
    let quotes: Vec<Quote> = (0..LEGS).map(quote).collect();
    for (quote, sequence) in quotes.iter().cycle().zip(1..=times) {
        let mut take = Spreads(|spread: Spread| {
            black_box(spread);
            spreads += 1;
        });
        book.on_quote(black_box(quote), sequence, &mut take);
    }
    assert_eq!(spreads, times * 2 * (u64::from(LEGS) - 1));
}

/// Returns the spreads that one quote produces.
fn spreads() -> Vec<Record> {
    let (mut book, mut spreads) = (book(), Vec::new());
    book.on_quote(&quote(0), 1, &mut spreads);
    spreads
}

/// Decides on a spread that opens nothing.
fn decide(times: u64) {
    let settings =
        Settings { entry: 0.1, exit: 0.0, cooldown: 0, enabled: vec![true], rules: None };
    let mut maker = DecisionMaker::new(&catalogue(), settings);
    let (records, mut out) = (spreads(), Vec::with_capacity(16));
    for record in records.iter().cycle().take(usize::try_from(times).unwrap()) {
        maker.on_record(black_box(record), &mut out);
    }
    assert!(out.is_empty());
}

/// Sends a spread from the broadcast's edge to the socket of its only client.
fn encode(times: u64) {
    let (mut now, counters) = (SECOND, Counters::default());
    let (mut sender, input) = ring::count(64, EdgeCounters::default());
    let (_states, states) = ring::count(64, EdgeCounters::default());
    let listener = broadcast::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let mut client = TcpStream::connect(listener.endpoint().unwrap().tcp().unwrap()).unwrap();
    client.set_nonblocking(true).unwrap();
    let (settings, clock) = (broadcast::Settings::default(), Clock::manual(now));
    let catalogue = Arc::new(catalogue());
    let (mut reception, mut agent) =
        broadcast::serve(input, states, catalogue, listener, settings, clock, &counters).unwrap();
    client.write_all(UPGRADE.as_bytes()).unwrap();
    for venue in 0..LEGS {
        assert!(sender.offer(live(venue).into()));
    }
    let mut bytes = vec![0; 1 << 16];
    for _ in 0..100 {
        now += MILLI;
        reception.do_work(now);
        agent.do_work(now);
        drop(client.read(&mut bytes));
    }
    let before = counters.expect("broadcast.messages");
    for record in spreads().iter().cycle().take(usize::try_from(times).unwrap()) {
        assert!(sender.offer(*record));
        agent.do_work(now);
        assert!(client.read(&mut bytes).is_ok());
    }
    assert_eq!(counters.expect("broadcast.messages") - before, times);
}

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Counts every kernel.
fn counted() -> anyhow::Result<Counts> {
    ensure!(!cfg!(debug_assertions), "this build is not optimised: use cargo run --release");
    let mut counts = Counts::new();
    for kernel in kernels() {
        let [short, long] = TIMES;
        let instructions =
            instructions(&kernel, long)?.saturating_sub(instructions(&kernel, short)?);
        counts.insert(kernel, instructions / (long - short));
    }
    Ok(counts)
}

/// Returns all instructions of a run under callgrind.
fn instructions(kernel: &str, times: u64) -> anyhow::Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["run", kernel, &times.to_string()])
        .output()
        .context(
            "valgrind does not start: install it, for example with apt-get install valgrind",
        )?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{kernel} failed under valgrind:\n{said}");
    }
    let line = said.lines().find_map(|line| line.split_once("Collected :"));
    let (_, count) = line.with_context(|| format!("callgrind counted nothing:\n{said}"))?;
    count.trim().parse().with_context(|| format!("no count: {count}"))
}

fn file() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.toml"))
}

fn stored() -> anyhow::Result<Counts> {
    let text = std::fs::read_to_string(file()).with_context(|| file().display().to_string())?;
    Ok(toml::from_str(&text)?)
}

fn text(counts: &Counts) -> String {
    let head = "# Instructions of each kernel, by callgrind; see instructions.rs. Written by\n\
                # cargo run --release -p benches --bin instructions -- update\n";
    let lines = counts.iter().map(|(kernel, count)| format!("{kernel:?} = {count}\n"));
    lines.fold(head.to_owned(), |text, line| text + &line)
}

/// Prints both, and fails if they differ by more than the tolerance or have different kernels.
fn compare(stored: &Counts, counted: &Counts) -> ExitCode {
    println!("{:<22}{:>8}{:>8}  change", "instructions", "stored", "now");
    let mut failed = false;
    for (kernel, now) in counted {
        let Some(before) = stored.get(kernel) else {
            println!("{kernel:<22}{:>8}{now:>8}  NEW: run `instructions update`", "-");
            failed = true;
            continue;
        };
        let verdict = verdict(*before, *now);
        failed |= verdict.is_some();
        let change = (*now as f64 / *before as f64 - 1.0) * 100.0;
        println!("{kernel:<22}{before:>8}{now:>8}  {change:+.1} % {}", verdict.unwrap_or_default());
    }
    for kernel in stored.keys().filter(|kernel| !counted.contains_key(*kernel)) {
        println!("{kernel:<22} is gone: run `instructions update`");
        failed = true;
    }
    ExitCode::from(u8::from(failed))
}

/// Returns what is wrong with a change.
fn verdict(before: u64, now: u64) -> Option<&'static str> {
    let change = (now as f64 / before as f64 - 1.0) * 100.0;
    match change {
        change if TOLERANCE < change => Some("MORE: fix it, or update the file and say why"),
        change if change < -TOLERANCE => Some("FEWER: run `instructions update` to keep the gain"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_checks_its_own_result() {
        for kernel in kernels() {
            run(&kernel, 50).unwrap();
        }
    }

    #[test]
    fn changes_beyond_the_tolerance_are_told() {
        assert!(verdict(1_000, 1_029).is_none() && verdict(1_000, 971).is_none());
        assert!(verdict(1_000, 1_031).is_some() && verdict(1_000, 969).is_some());
    }

    #[test]
    fn file_names_every_kernel() {
        let stored: Vec<String> = stored().unwrap().into_keys().collect();
        let mut kernels = kernels();
        kernels.sort();
        assert_eq!(stored, kernels, "run `instructions update`");
        assert_eq!(
            toml::from_str::<Counts>(&text(&Counts::from([("a/b".to_owned(), 1)]))).unwrap().len(),
            1
        );
    }
}
