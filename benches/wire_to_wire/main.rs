//! Measures wire to wire: from a frame's scheduled send on one socket to the spread on another,
//! compared with a bare relay.
//!
//! `options.rs` is the manual. A case is a schedule; each contender runs its blocks in turn. This
//! file runs the blocks and collects their results.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench tells its figures")]

mod answers;
mod cores;
mod engine;
mod frames;
mod load;
mod options;
mod peer;
mod relay;
mod schedule;
mod table;
mod venue;

use answers::{Answers, Form};
use anyhow::Context;
use benches::header;
use clap::Parser;
use cores::Cores;
use frames::{Frames, Wrapping};
use load::Outcome;
use options::Options;
use peer::Peer;
use relay::Lengths;
use schedule::{Case, Tape};
use spreadwire_engine::runtime::agent::Report;
use spreadwire_engine::summary::Summary;
use spreadwire_market::clock::{Clock, MILLI, Nanos, SECOND};
use std::time::Duration;
use table::{Measured, Page};
use venue::Listener;

/// Maximum lifetime of an engine: set-up, block and end.
const ENGINE_LIMIT: Duration = Duration::from_secs(60);
/// The block that determines the length of an answer.
const TRIAL: (Case, Nanos) = (Case::Rate(1_000), 500 * MILLI);

/// A contender.
#[derive(Clone, Debug)]
enum Contender {
    Relay,
    Engine,
    Peer(Peer),
}

impl Contender {
    fn name(&self) -> &'static str {
        match self {
            Contender::Relay => "relay",
            Contender::Engine => "engine",
            Contender::Peer(peer) => peer.name,
        }
    }
}

/// State shared by all blocks.
struct Harness {
    clock: Clock,
    cores: Cores,
    exchange: Listener,
    answers: Listener,
    /// Length of a spread sent by the engine, including its frame header, bytes.
    answer_bytes: usize,
}

/// A block's schedule and its frames.
struct Block<'a> {
    due: &'a [Nanos],
    frames: &'a Frames,
}

impl Harness {
    fn new(options: &Options) -> anyhow::Result<Harness> {
        let clock = Clock::host();
        let cores = Cores::choose(options.engine_cpu, options.load_cpu)?;
        let (exchange, answers) = (Listener::new(&clock)?, Listener::new(&clock)?);
        let mut harness = Harness { clock, cores, exchange, answers, answer_bytes: 0 };
        let due = TRIAL.0.due(TRIAL.1, &Tape::made());
        let frames = Frames::new(due.len(), Wrapping::Bare);
        let (trial, _) = harness.engine(&Block { due: &due, frames: &frames })?;
        let answers = usize::try_from(trial.answers)?;
        harness.answer_bytes = trial.bytes.checked_div(answers).context("no spread arrived")?;
        Ok(harness)
    }

    fn relay(&self, block: &Block<'_>) -> anyhow::Result<Outcome> {
        let lengths = Lengths { frame: block.frames.length(), answer: self.answer_bytes };
        let (mut sockets, relay) = relay::start(lengths, self.cores.engine)?;
        let answers = Answers::new(Form::Bytes { length: self.answer_bytes });
        let work = move || {
            sockets.feed.set_nonblocking(true)?;
            sockets.answers.set_nonblocking(true)?;
            Ok(load::run(&mut sockets, block.frames, block.due, answers, &self.clock)?)
        };
        let (outcome, ()) = cores::beside(self.cores.load, work, || Ok(()))?;
        // A relay that has failed would not be a valid measurement.
        drop(relay.join().map_err(|_| anyhow::anyhow!("the relay panicked"))?);
        Ok(outcome)
    }

    fn engine(&self, block: &Block<'_>) -> anyhow::Result<(Outcome, Summary)> {
        let home = tempfile::tempdir()?;
        let place = engine::Place { exchange: self.exchange.address()?, cpu: self.cores.engine };
        let process = engine::start(place, home.path())?;
        let address = process.endpoint().tcp().context("the engine listens on no port")?;
        let stop = process.stop().clone();
        let work = move || {
            let connected = engine::connect(&self.exchange, address, &self.clock);
            let outcome = connected.and_then(|(mut sockets, answers)| {
                sockets.feed.set_nonblocking(true)?;
                sockets.answers.set_nonblocking(true)?;
                Ok(load::run(&mut sockets, block.frames, block.due, answers, &self.clock)?)
            });
            stop.request();
            outcome
        };
        let supervise = || process.supervise(Some(ENGINE_LIMIT), |_, _| Ok(()));
        cores::beside(self.cores.load, work, supervise)
    }

    fn peer(&self, peer: &Peer, due: &[Nanos]) -> anyhow::Result<Outcome> {
        let _running = peer.start(&self.exchange, &self.answers, self.cores.engine)?;
        let work = || {
            let connected = peer::connect(&self.exchange, &self.answers, &self.clock);
            let (mut sockets, answers, wrapping) = connected?;
            let frames = Frames::new(due.len(), wrapping);
            sockets.feed.set_nonblocking(true)?;
            sockets.answers.set_nonblocking(true)?;
            Ok(load::run(&mut sockets, &frames, due, answers, &self.clock)?)
        };
        Ok(cores::beside(self.cores.load, work, || Ok(()))?.0)
    }

    /// Runs all blocks of a case, in turn.
    fn case(
        &self,
        case: &Case,
        contenders: &[Contender],
        options: &Options,
        tape: &Tape,
    ) -> anyhow::Result<Measured> {
        let span = options.block_seconds * SECOND;
        let due = case.due(span, tape);
        let frames = Frames::new(due.len(), Wrapping::Bare);
        let block = Block { due: &due, frames: &frames };
        let names = contenders.iter().map(Contender::name);
        let mut measured = Measured::new(&case.name(tape), names, due.len(), options.block_seconds);
        for number in 0..options.blocks {
            for (place, contender) in contenders.iter().enumerate() {
                let outcome = match contender {
                    Contender::Relay => self.relay(&block),
                    Contender::Engine => self.engine(&block).map(|(outcome, summary)| {
                        measured.engine_ran(&summary);
                        measured.saturated |= outcome.is_saturated(span);
                        outcome
                    }),
                    Contender::Peer(peer) => self.peer(peer, &due),
                };
                let name = contender.name();
                let told = || format!("{name}, {}, block {number}", case.name(tape));
                measured.add(place, outcome.with_context(told)?);
            }
        }
        Ok(measured)
    }
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if cfg!(debug_assertions) {
        eprintln!("not optimised: use cargo run --profile dist -p benches --bin wire-to-wire");
    }
    header::print("wire-to-wire");
    let tape = Tape::find()?;
    let harness = Harness::new(&options)?;
    let Cores { engine, load } = harness.cores;
    println!(
        "engine and relay on CPU {engine}, generator and client on CPU {load}; {} blocks of {} s each; \
         a frame has {} bytes, an answer {}",
        options.blocks,
        options.block_seconds,
        Frames::new(1, Wrapping::Bare).length(),
        harness.answer_bytes
    );
    let mut page = Page::new(&options);
    if options.peer {
        beside_peers(&harness, &options, &tape, &mut page)?;
    } else {
        beside_relay(&harness, &options, &tape, &mut page)?;
    }
    page.finish()
}

fn beside_relay(
    harness: &Harness,
    options: &Options,
    tape: &Tape,
    page: &mut Page<'_>,
) -> anyhow::Result<()> {
    let contenders = [Contender::Relay, Contender::Engine];
    let mut others = Vec::new();
    if !options.no_bursts {
        others.push(Case::Bursts);
    }
    if !options.no_tape {
        others.push(Case::Tape);
    }
    for case in others {
        page.add(&harness.case(&case, &contenders, options, tape)?);
    }
    for rate in &options.rates {
        let measured = harness.case(&Case::Rate(*rate), &contenders, options, tape)?;
        page.add_rate(*rate, &measured);
        if measured.saturated {
            break;
        }
    }
    Ok(())
}

fn beside_peers(
    harness: &Harness,
    options: &Options,
    tape: &Tape,
    page: &mut Page<'_>,
) -> anyhow::Result<()> {
    let mut contenders = vec![Contender::Engine];
    let trial = TRIAL.0.due(TRIAL.1, tape);
    for peer in peer::installed()? {
        match harness.peer(&peer, &trial) {
            Ok(_) => contenders.push(Contender::Peer(peer)),
            Err(error) => println!("{} is left out: {error:#}", peer.name),
        }
    }
    let mut cases = vec![Case::Rate(options.peer_rate)];
    if !options.no_tape {
        cases.push(Case::Tape);
    }
    for case in cases {
        page.add(&harness.case(&case, &contenders, options, tape)?);
    }
    Ok(())
}

/// Stage latencies that the engines of a case measured themselves.
type Stages = Report;
