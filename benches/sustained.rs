//! Measures the sustained rate of one core: frames of all venues are decoded, turned into spreads,
//! decided on and journalled, without loss.
//!
//! Everything shares one core: the stages, which run one after the other on one thread, and the
//! syncer, which forces the journal to the disk. Frames come from memory, in feed turns of every
//! venue. They all have different sequence numbers and are written before the clock runs. The input
//! is counted at every hop and in the files; any loss ends the run. Sockets, WebSocket and the
//! broadcast are not included; `wire-to-wire` has them. Without `--bench` it is short and only
//! checks.
#![allow(clippy::print_stdout, reason = "a bench tells its figures")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

use benches::{header, results};
use crossbeam::channel;
use serde_json::json;
use spreadwire_engine::calculator::{Calculator, Output};
use spreadwire_engine::decision::Decision;
use spreadwire_engine::feed::FRAMES_PER_TURN;
use spreadwire_engine::journal::{self, Disk, Edges, Journal, syncer};
use spreadwire_engine::runtime::agent::{Agent, Report};
use spreadwire_engine::runtime::cpu;
use spreadwire_engine::runtime::ring::{self, CountSender, EdgeCounters};
use spreadwire_lake::disk::FreeSpace;
use spreadwire_lake::layout;
use spreadwire_lake::run::{Origin, RunId, catalogue_digest};
use spreadwire_lake::segment::{ReadBlock, SegmentReader};
use spreadwire_market::book::Book;
use spreadwire_market::clock::{Clock, Nanos, SECOND};
use spreadwire_market::counters::Counters;
use spreadwire_market::decision::{DecisionMaker, Settings};
use spreadwire_rigs::source::{Source, catalogue};
use spreadwire_venues::venues::VENUES;
use std::path::{Path, PathBuf};

/// Capacity of the journal's ring, records; the default.
const JOURNAL_RING: usize = 1 << 18;
/// Capacity of the channel of closed segments.
const SEGMENTS: usize = 64;

/// The stages and their counters.
struct Stages {
    sources: Vec<Source>,
    calculator: Calculator,
    decision: Decision,
    journal: Journal,
    counters: Counters,
    clock: Clock,
}

impl Stages {
    fn new(lake: &Path, syncer: syncer::Requests, clock: &Clock) -> Stages {
        let (counters, catalogue) = (Counters::default(), catalogue(SECOND));
        let (sources, inputs): (Vec<_>, Vec<_>) =
            VENUES.iter().enumerate().map(|(place, spec)| Source::new(place, spec)).unzip();
        let edge = |name: &str, room| {
            let counter = |what: &str| counters.register(&format!("edge.{name}.{what}"));
            let (passed, dropped, full) = (counter("passed"), counter("dropped"), counter("full"));
            ring::count(room, EdgeCounters { passed, dropped, full })
        };
        let (to_decision, decision_in) = edge("decision", 1 << 16);
        let (to_journal, journal_in) = edge("journal", JOURNAL_RING);
        let (output, _) = edge("chronicle", 1 << 10);
        let (states, _): (CountSender, _) = edge("recording", 1 << 6);
        let outputs = vec![Output::of_results(to_decision), Output::of_inputs(to_journal)];
        let calculator =
            Calculator::new(inputs, outputs, Book::new(&catalogue), clock.clone(), &counters);
        let enabled = vec![true; catalogue.instruments.len()];
        let settings = Settings { entry: 1.0, exit: 0.0, cooldown: 0, enabled, rules: None };
        let maker = DecisionMaker::new(&catalogue, settings);
        let decision = Decision::new(decision_in, vec![output], maker, clock.clone(), &counters);
        let run = RunId::new("sustained").unwrap();
        let origin = Origin { run, catalogue: catalogue_digest(&catalogue) };
        let edges = Edges { inputs: journal_in, annexes: Vec::new(), states };
        let disk = Disk { lake, free: FreeSpace::of_host(), syncer };
        let settings = journal::Settings { disk_reserve: 0, ..journal::Settings::default() };
        let journal = Journal::new(edges, disk, origin, settings, clock.clone(), &counters);
        Stages { sources, calculator, decision, journal, counters, clock: clock.clone() }
    }

    /// Processes all frames, a turn of each venue at a time, and returns the duration.
    fn run(&mut self, frames: &[Vec<Vec<u8>>]) -> Nanos {
        let start = self.clock.now();
        for turn in 0..frames[0].len() / FRAMES_PER_TURN {
            for (source, frames) in self.sources.iter_mut().zip(frames) {
                let now = self.clock.now();
                for frame in &frames[turn * FRAMES_PER_TURN..(turn + 1) * FRAMES_PER_TURN] {
                    source.decode(frame);
                    source.pass_on(now);
                }
                self.calculator.do_work(now);
                self.decision.do_work(now);
                self.journal.do_work(now);
            }
        }
        self.journal.on_close();
        self.clock.now() - start
    }

    /// Ends the stages and returns their measurements.
    ///
    /// # Panics
    /// If a hop counted less than the one before it.
    fn finish(mut self, quotes: u64) -> Report {
        let count = |name: &str| self.counters.expect(name);
        assert_eq!(count("calculator.quotes"), quotes, "quotes that the calculator took");
        assert_eq!(count("journal.quotes"), quotes, "quotes that were journalled");
        assert_eq!(count("journal.lost"), 0, "records that the journal lost");
        assert_eq!(count("decision.spreads"), count("calculator.spreads"), "spreads decided");
        assert_eq!(self.counters.sum("edge.", ".dropped"), 0, "records that an edge dropped");
        let venues = VENUES.len() as u64;
        let unpaired = FRAMES_PER_TURN as u64 * venues * (venues - 1);
        assert_eq!(count("calculator.spreads"), quotes * 2 * (venues - 1) - unpaired, "spreads");
        let mut report = Report::default();
        self.decision.report(&mut report);
        self.journal.report(&mut report);
        report
    }
}

/// Returns the number of quotes in the files of a journal.
fn stored(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap();
    let files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    let quotes = |path: &PathBuf| -> u64 {
        let blocks = SegmentReader::open(path).unwrap().map(Result::unwrap);
        let of_block = |block: ReadBlock| {
            let quote = spreadwire_market::record::Kind::Quote;
            block.records.iter().filter(|record| record.kind() == Some(quote)).count() as u64
        };
        blocks.map(of_block).sum()
    };
    files.iter().map(quotes).sum()
}

/// Makes one run on a lake of its own; returns its duration and the stages' measurements.
fn once(frames: &[Vec<Vec<u8>>], clock: &Clock) -> (Nanos, Report) {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(layout::JOURNAL);
    std::fs::create_dir_all(&folder).unwrap();
    let (segments, closed) = channel::bounded(SEGMENTS);
    let (requests, syncer) = syncer::pair(&folder, true, segments);
    let syncing = std::thread::Builder::new().name("syncer".to_owned());
    let syncing = syncing.spawn(move || syncer.run()).unwrap();
    let mut stages = Stages::new(home.path(), requests, clock);
    let quotes = (frames.len() * frames[0].len()) as u64;
    let spent = stages.run(frames);
    let report = stages.finish(quotes);
    assert_eq!(syncing.join().unwrap(), Vec::<String>::new(), "what the syncer could not do");
    assert!(0 < closed.try_iter().map(|segment| segment.records).sum::<u64>());
    assert_eq!(stored(&folder), quotes, "quotes in the journal's files");
    (spent, report)
}

fn main() {
    header::print("sustained");
    let measuring = std::env::args().any(|argument| argument == "--bench");
    let (turns, runs) = if measuring { (20_000, 7) } else { (20, 1) };
    let core = cpu::available().last().copied().unwrap();
    assert!(core_affinity::set_for_current(core_affinity::CoreId { id: core }), "CPU {core}");
    let of_venue = |place| {
        let (source, _) = Source::new(place, &VENUES[place]);
        source.fixture.quotes(turns * FRAMES_PER_TURN, 0)
    };
    let frames: Vec<Vec<Vec<u8>>> = (0..VENUES.len()).map(of_venue).collect();
    let quotes = (frames.len() * frames[0].len()) as f64;
    let (clock, mut all, mut rates) = (Clock::host(), Report::default(), Vec::new());
    for _ in 0..runs {
        let (spent, report) = once(&frames, &clock);
        all.merge(&report);
        rates.push(quotes * 1e9 / spent.max(1) as f64);
    }
    rates.sort_by(f64::total_cmp);
    let [least, median, most] = [0, rates.len() / 2, rates.len() - 1].map(|at| rates[at].round());
    println!(
        "{median} quotes/s on CPU {core} ({least} to {most}, {runs} runs of {quotes} quotes, {} venues): \
         decoded, spread, decided, journalled; lost: 0",
        VENUES.len()
    );
    results::append(&json!({
        "bench": "sustained", "case": format!("{} venues", VENUES.len()), "who": "engine",
        "unit": "quotes/s", "per_second": median, "least": least, "most": most, "lost": 0,
    }));
    for (stage, latency) in &all.latencies {
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|quantile| latency.quantile(quantile));
        println!("{}, ns: p50 {p50}, p99 {p99}, p99.9 {p999}", stage.replace('_', " "));
        results::append(&results::row("sustained", "turns of 16", stage, latency).into());
    }
}
