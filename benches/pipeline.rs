//! Measures the path of a quote on one thread as quantiles: decode, watch, calculator, decision.
//!
//! Frames of every venue of the registry come in turn. The first pass processes one quote at a time
//! and reads the clock after every stage; `clock` is the base case, two readings with nothing in
//! between, and is included in every other row. In the second pass up to 16 frames of a venue go
//! through together, as in a turn of a feed, and the clock is read only around a round; this gives
//! quotes per second.
//!
//! Sockets, WebSocket, other threads, journal and broadcast are not included. A round's frames and
//! the book stay in the cache, and prices do not change, so branches are well predicted: the
//! figures are a lower bound. Without `--bench` (`cargo test --benches`) it is short and only
//! checks.

#![allow(clippy::print_stdout, reason = "a bench tells its figures")]

use benches::header;
use spreadwire_engine::calculator::{Calculator, Output};
use spreadwire_engine::decision::Decision;
use spreadwire_engine::feed::FRAMES_PER_TURN;
use spreadwire_engine::runtime::agent::Agent;
use spreadwire_engine::runtime::latency::Latency;
use spreadwire_engine::runtime::ring::{self, EdgeCounters};
use spreadwire_market::book::Book;
use spreadwire_market::clock::{Clock, Nanos, SECOND};
use spreadwire_market::counters::Counters;
use spreadwire_market::decision::{DecisionMaker, Settings};
use spreadwire_rigs::source::{Source, catalogue};
use spreadwire_venues::venues::VENUES;

/// Number of frames of each venue in a round. They are written before it and not timed.
const FRAMES: usize = 4 * FRAMES_PER_TURN;
/// Number of rounds before anything is measured.
const WARM_UP: usize = 20;
/// Timed stages, in the order of a quote's path.
const STAGES: [&str; 6] = ["clock", "decode", "watch", "calculator", "decision", "whole"];

/// The stages on one thread.
struct Pipeline {
    sources: Vec<Source>,
    calculator: Calculator,
    decision: Decision,
    clock: Clock,
    counters: Counters,
    rounds: usize,
}

impl Pipeline {
    fn new() -> Pipeline {
        let (clock, counters, catalogue) = (Clock::host(), Counters::default(), catalogue(SECOND));
        let (sources, inputs): (Vec<_>, Vec<_>) =
            VENUES.iter().enumerate().map(|(place, spec)| Source::new(place, spec)).unzip();
        let edge = || ring::count(1 << 10, EdgeCounters::default());
        let ((to_decision, decision_in), (output, _)) = (edge(), edge());
        let outputs = vec![Output::of_results(to_decision)];
        let book = Book::new(&catalogue);
        let calculator = Calculator::new(inputs, outputs, book, clock.clone(), &counters);
        // The fees are such that nothing opens, as is usual.
        let enabled = vec![true; catalogue.instruments.len()];
        let settings = Settings { entry: 0.0, exit: 0.0, cooldown: 0, enabled, rules: None };
        let maker = DecisionMaker::new(&catalogue, settings);
        let decision = Decision::new(decision_in, vec![output], maker, clock.clone(), &counters);
        Pipeline { sources, calculator, decision, clock, counters, rounds: 0 }
    }

    /// Returns the next frames of every venue.
    fn frames(&mut self) -> Vec<Vec<Vec<u8>>> {
        let round = self.rounds;
        self.rounds += 1;
        self.sources.iter().map(|s| s.fixture.quotes(FRAMES, round)).collect()
    }

    /// Processes one quote at a time and times every stage.
    fn timed_round(&mut self, stages: &mut [Latency; STAGES.len()]) {
        let frames = self.frames();
        for at in 0..FRAMES {
            for (source, frames) in self.sources.iter_mut().zip(&frames) {
                let clock = &self.clock;
                let before = clock.now();
                let start = clock.now();
                source.decode(&frames[at]);
                let decoded = clock.now();
                source.pass_on(start);
                let passed = clock.now();
                self.calculator.do_work(passed);
                let calculated = clock.now();
                self.decision.do_work(calculated);
                let decided = clock.now();
                let ends = [
                    (before, start),
                    (start, decoded),
                    (decoded, passed),
                    (passed, calculated),
                    (calculated, decided),
                    (start, decided),
                ];
                let times = stages.iter_mut().zip(ends);
                times.for_each(|(stage, (start, end))| stage.record(start, end));
            }
        }
    }

    /// Processes one feed turn of each venue at a time, and returns the duration of the round.
    fn round(&mut self) -> Nanos {
        let frames = self.frames();
        let start = self.clock.now();
        for turn in 0..FRAMES / FRAMES_PER_TURN {
            for (source, frames) in self.sources.iter_mut().zip(&frames) {
                let now = self.clock.now();
                for frame in &frames[turn * FRAMES_PER_TURN..(turn + 1) * FRAMES_PER_TURN] {
                    source.decode(frame);
                    source.pass_on(now);
                }
                self.calculator.do_work(now);
                self.decision.do_work(now);
            }
        }
        self.clock.now() - start
    }

    /// Checks that every quote was used with every other venue that was live, and that every venue
    /// can be lost.
    fn check(&mut self) {
        let venues = VENUES.len() as u64;
        let quotes = self.rounds as u64 * FRAMES as u64 * venues;
        let count = |name: &str| self.counters.expect(name);
        assert_eq!(count("calculator.quotes"), quotes);
        // In the first turns, only venues that had their turn before were live.
        let unpaired = FRAMES_PER_TURN as u64 * venues * (venues - 1);
        let spreads = quotes * 2 * (venues - 1) - unpaired;
        assert_eq!(count("calculator.spreads"), spreads);
        assert_eq!(count("decision.spreads"), spreads);
        let before = count("calculator.statuses");
        let now = self.clock.now();
        self.sources.iter_mut().for_each(|source| source.lose(now));
        self.calculator.do_work(now);
        assert_eq!(self.counters.expect("calculator.statuses") - before, venues);
    }
}

fn print_row(stage: &str, latency: &Latency) {
    let quantiles = [0.5, 0.9, 0.99, 0.999].map(|q| format!("{:>8}", latency.quantile(q)));
    println!("{stage:<12}{:>10}{}{:>10}", latency.count(), quantiles.concat(), latency.max());
}

fn main() {
    header::print("pipeline");
    let measuring = std::env::args().any(|argument| argument == "--bench");
    let rounds = if measuring { 4_000 } else { 2 };
    let mut pipeline = Pipeline::new();
    (0..WARM_UP).for_each(|_| {
        pipeline.round();
    });
    let mut stages = STAGES.map(|_| Latency::new());
    (0..rounds).for_each(|_| pipeline.timed_round(&mut stages));
    let spent: Nanos = (0..rounds).map(|_| pipeline.round()).sum();
    pipeline.check();
    println!(
        "{:<12}{:>10}{:>8}{:>8}{:>8}{:>8}{:>10}",
        "ns", "quotes", "p50", "p90", "p99", "p99.9", "max"
    );
    STAGES.iter().zip(&stages).for_each(|(stage, latency)| print_row(stage, latency));
    let quotes = (rounds * FRAMES * VENUES.len()) as u128;
    let per_second = quotes * 1_000_000_000 / u128::from(spent.max(1));
    println!("{per_second} quotes/s, {} venues, turns of {FRAMES_PER_TURN}", VENUES.len());
}
