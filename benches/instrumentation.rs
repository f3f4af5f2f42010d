//! Measures the cost of recording latencies: by operation, and as a share of the pipeline's time.
//!
//! The first part measures one operation at a time in blocks of [`BLOCK`]: the bare time-stamp
//! counter, the engine's clock, a record into histograms of several kinds and numbers of venues, a
//! sample sent through a ring instead, and the operations of real agents: a stamp, a duty cycle
//! without a pending request, and a lap over the six spreads of a quote among four venues.
//!
//! The second part runs the pipeline twice in one process: the feed agent on loopback WebSockets,
//! the calculator and the decision on one thread. One pipeline has stopwatches as `launch` makes
//! them; in the other they are off and do not read the clock. The order changes with every round,
//! and histograms are handed over between rounds. A piece is written to the socket, and then the
//! time runs from the first duty cycle until its spreads are decided on. In `pipeline` a piece is
//! one quote, in `burst` 16 quotes of one venue. Figures are ns per quote; the ratio is that of one
//! run's medians.
//!
//! Broadcast and journal are not included; they would make the total longer and so the share
//! smaller. The second part's results are appended as JSON lines to the file in
//! `SPREADWIRE_RESULTS`. Without `--bench` (`cargo test --benches`) it is short and only checks.
#![allow(clippy::print_stdout, reason = "a bench tells its figures")]
#![expect(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a bench that cannot go on ends"
)]

use benches::{header, results};
use crossbeam::channel;
use hdrhistogram::Histogram;
use spreadwire_config::address::Address;
use spreadwire_engine::calculator::{self, Calculator, Output};
use spreadwire_engine::decision::{self, Decision};
use spreadwire_engine::feed::{self, ColdSide, ConnectionPlan, Feed, Notice};
use spreadwire_engine::runtime::agent::Agent;
use spreadwire_engine::runtime::latency::{LATENCY_MAX, Latency};
use spreadwire_engine::runtime::ring::{self, EdgeCounters, HoldSender};
use spreadwire_engine::runtime::stopwatch::{self, Readings, Stopwatch};
use spreadwire_engine::socket::connector::{self, Connected, Request, Target};
use spreadwire_engine::socket::socket_options::SocketOptions;
use spreadwire_market::book::Book;
use spreadwire_market::clock::{Clock, MICRO, Nanos, SECOND};
use spreadwire_market::counters::{CounterReader, Counters};
use spreadwire_market::decision::{DecisionMaker, Settings};
use spreadwire_market::instrument::VenueId;
use spreadwire_rigs::fixture::Fixture;
use spreadwire_rigs::source;
use spreadwire_venues::health::Bounds;
use spreadwire_venues::venue::VenueSpec;
use spreadwire_venues::venues::VENUES;
use std::hint::black_box;
use std::io::Write;
use std::net::{TcpListener, TcpStream};

/// Number of operations between two readings of the clock in the first part.
const BLOCK: usize = 1_000;
/// Number of quotes in one piece, by case.
const BURSTS: [usize; 2] = [1, 16];
/// Names of the cases.
const CASES: [&str; 2] = ["pipeline", "burst"];
/// Number of quotes of each venue in a round.
const BLOCK_QUOTES: usize = 16;
/// Times are kept in thousandths of a ns, because the histogram holds integers.
const PICO: Nanos = 1_000;
/// Number of spreads that a quote produces among four venues.
const SPREADS: usize = 6;
/// Number of rounds before results are kept.
const WARM_UP: usize = 50;
/// Rounds between two requests of the cold side: a second at some 10,000 quotes/s.
const ASK_EVERY: usize = 80;
/// Number of latencies to record, repeatedly; a power of two, so that indexing costs nothing.
const SAMPLES: usize = 4_096;
/// Number of duty cycles after which the bench gives up waiting.
const PATIENCE: usize = 1_000_000;

/// Returns realistic latencies: some microseconds, with a tail, over venues in turn.
fn samples(venues: u8) -> Vec<(VenueId, Nanos)> {
    let mut state = 1_u64;
    let mut next = || {
        // A linear congruential generator is random enough to spread over buckets.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let latency =
        |random: u64| if random.is_multiple_of(64) { 50 * MICRO } else { 2 * MICRO } + random % 3_000;
    (0..venues).cycle().take(SAMPLES).map(|venue| (VenueId(venue), latency(next()))).collect()
}

/// Measures ps per operation, by block. The operation receives its number and the start time of its
/// block.
fn blocks(count: usize, clock: &Clock, mut operation: impl FnMut(usize, Nanos)) -> Latency {
    let mut latency = Latency::new();
    for block in 0..count + count / 10 {
        let start = clock.now();
        (0..BLOCK).for_each(|at| operation(block * BLOCK + at, start));
        let spent = clock.now() - start;
        if count / 10 <= block {
            latency.record(0, spent * PICO / BLOCK as u64);
        }
    }
    latency
}

fn in_ns(latency: &Latency, quantile: f64, scale: f64) -> f64 {
    latency.quantile(quantile) as f64 / scale
}

fn result(case: &str, who: &str, latency: &Latency, scale: f64, base: Option<f64>) {
    let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|quantile| in_ns(latency, quantile, scale));
    let ratio = base.map(|base| p50 / base);
    let shown = ratio.map_or(String::new(), |ratio| format!("{ratio:>10.4}"));
    println!("{case:<10}{who:<34}{p50:>10.2}{p90:>10.2}{p99:>10.2}{shown}");
    // Single operations have no ratio.
    if let Some(ratio) = ratio {
        results::append_quantiles(["instrumentation", case, who, "ns"], [p50, p90, p99], ratio);
    }
}

/// Measures recording into a histogram for each of `venues`.
fn record<T: hdrhistogram::Counter>(
    count: usize,
    clock: &Clock,
    venues: u8,
    digits: u8,
) -> Latency {
    let histogram = || Histogram::<T>::new_with_bounds(1, LATENCY_MAX, digits);
    let histograms: Result<Vec<_>, _> = (0..venues).map(|_| histogram()).collect();
    let Ok(mut histograms) = histograms else { return Latency::new() };
    let samples = samples(venues);
    let latency = blocks(count, clock, |at, _| {
        let (venue, latency) = samples[at % SAMPLES];
        histograms[venue.index()].saturating_record(latency);
    });
    let recorded: u64 = histograms.iter().map(Histogram::len).sum();
    assert_eq!(recorded, ((count + count / 10) * BLOCK) as u64);
    latency
}

/// Measures a sample of eight bytes through a ring to the cold side.
fn push(count: usize, clock: &Clock) -> Latency {
    let (mut samples_in, mut samples_out) = rtrb::RingBuffer::<u64>::new(2 * BLOCK);
    let mut latency = Latency::new();
    for _ in 0..count {
        let start = clock.now();
        for at in 0..BLOCK as u64 {
            let pushed = samples_in.push(black_box(at));
            black_box(pushed.is_ok());
        }
        latency.record(0, (clock.now() - start) * PICO / BLOCK as u64);
        while samples_out.pop().is_ok() {}
    }
    latency
}

fn by_operation(count: usize) {
    let clock = Clock::host();
    let show = |who: &str, latency: &Latency| result("stage", who, latency, 1_000.0, None);
    let counter = quanta::Clock::new();
    show(
        "time-stamp counter",
        &blocks(count, &clock, |_, _| {
            black_box(counter.raw());
        }),
    );
    show(
        "Clock::now",
        &blocks(count, &clock, |_, _| {
            black_box(clock.now());
        }),
    );
    for venues in [1, 4, 64] {
        let name = |kind: &str| format!("record, {kind}, {venues} venues");
        show(&name("u32, 2 digits"), &record::<u32>(count, &clock, venues, 2));
        show(&name("u32, 3 digits"), &record::<u32>(count, &clock, venues, 3));
        show(&name("u64, 3 digits"), &record::<u64>(count, &clock, venues, 3));
    }
    show("ring, 8 bytes", &push(count, &clock));
    let venues: Vec<VenueId> = (0..4).map(VenueId).collect();
    let (mut stopwatch, _readings) = stopwatch::pair("bench", venues, clock.clone());
    let samples = samples(4);
    let sample = |at: usize, start: Nanos| {
        let (venue, latency) = samples[at % SAMPLES];
        (venue, start - latency)
    };
    show("turn, not asked", &blocks(count, &clock, |_, start| stopwatch.turn(start)));
    let stamps = blocks(count, &clock, |at, start| {
        let (venue, start) = sample(at, start);
        stopwatch.lap(venue, start);
        stopwatch.end_lap();
    });
    show("stamp of a record", &stamps);
    let laps = blocks(count, &clock, |at, start| {
        let (venue, start) = sample(at, start);
        (0..SPREADS).for_each(|_| stopwatch.lap(venue, start));
        stopwatch.end_lap();
    });
    show("stamp of 6 spreads", &laps);
    let bursts = blocks(count, &clock, |at, start| {
        let (venue, start) = sample(at / 16, start);
        stopwatch.lap(venue, start);
    });
    show("record of a burst of 16", &bursts);
}

fn venue_ids() -> impl Iterator<Item = VenueId> {
    (0..=u8::MAX).map(VenueId).take(VENUES.len())
}

/// The venues' ends of loopback WebSockets. Frames are written before the time runs.
struct Peer {
    socket: TcpStream,
    frames: Fixture,
    sent: usize,
}

impl Peer {
    /// Writes the next quotes of a venue in one piece.
    fn write(&mut self, count: usize) {
        let mut bytes = Vec::new();
        for frame in self.frames.quotes(count, self.sent / count) {
            let length = u16::try_from(frame.len()).unwrap();
            // What is no JSON is binary.
            bytes.push(if frame[0] == b'{' { 0x81 } else { 0x82 });
            match u8::try_from(length) {
                Ok(short) if short < 126 => bytes.push(short),
                _ => {
                    bytes.push(126);
                    bytes.extend_from_slice(&length.to_be_bytes());
                }
            }
            bytes.extend_from_slice(&frame);
        }
        self.sent += count;
        self.socket.write_all(&bytes).unwrap();
    }
}

/// Upgrades the connection that `connect` makes in the meantime, and returns both ends.
fn upgrade<C>(listener: &TcpListener, connect: impl FnOnce() -> C) -> (TcpStream, C) {
    let listener = listener.try_clone().unwrap();
    let accept = move || {
        let socket = tungstenite::accept(listener.accept().unwrap().0).unwrap();
        socket.get_ref().try_clone().unwrap()
    };
    let thread = std::thread::Builder::new().name("peer".to_owned()).spawn(accept).unwrap();
    let client = connect();
    (thread.join().unwrap(), client)
}

/// The pipeline stages on one thread, with sockets.
struct Pipeline {
    peers: Vec<Peer>,
    feed: Feed,
    calculator: Calculator,
    decision: Decision,
    readings: Vec<Readings>,
    clock: Clock,
    counters: Counters,
    quotes: CounterReader,
    /// Latencies by the number of quotes in one piece.
    latency: [Latency; BURSTS.len()],
    _cold: ColdEnds,
}

/// Ends of channels that must stay open for the feed.
type ColdEnds = (channel::Receiver<Request>, channel::Sender<Connected>, channel::Receiver<Notice>);

impl Pipeline {
    fn new(timed: bool) -> Pipeline {
        let (clock, counters, catalogue) =
            (Clock::host(), Counters::default(), source::catalogue(60 * SECOND));
        let mut readings = Vec::new();
        let mut stopwatch = |stage| {
            if !timed {
                return Stopwatch::off(stage, clock.clone());
            }
            let (stopwatch, reading) = stopwatch::pair(stage, venue_ids().collect(), clock.clone());
            readings.push(reading);
            stopwatch
        };
        let edge = || ring::count(1 << 10, EdgeCounters::default());
        let ((to_decision, decision_in), (output, _)) = (edge(), edge());
        let (to_calculator, input) = ring::hold(1 << 10, EdgeCounters::default());
        let outputs = vec![Output::of_results(to_decision)];
        let book = Book::new(&catalogue);
        let calculator = Calculator::new(vec![input], outputs, book, clock.clone(), &counters)
            .timed(stopwatch(calculator::STAGE));
        // The fees are such that nothing opens, as is usual.
        let enabled = vec![true; catalogue.instruments.len()];
        let settings = Settings { entry: 0.0, exit: 0.0, cooldown: 0, enabled, rules: None };
        let maker = DecisionMaker::new(&catalogue, settings);
        let decision = Decision::new(decision_in, vec![output], maker, clock.clone(), &counters)
            .timed(stopwatch(decision::STAGE));
        let (feed, peers, cold) = connected(to_calculator, &clock, &counters);
        let (feed, quotes) = (
            feed.timed(
                stopwatch(feed::STAGE),
                stopwatch(feed::KERNEL_STAGE),
                stopwatch(feed::EVENT_STAGE),
            ),
            counters.reader("calculator.quotes").unwrap(),
        );
        let latency = BURSTS.map(|_| Latency::new());
        Pipeline {
            peers,
            feed,
            calculator,
            decision,
            readings,
            clock,
            counters,
            quotes,
            latency,
            _cold: cold,
        }
    }

    /// Runs duty cycles of the three agents, like a composite thread, until `quotes` have arrived.
    fn cycles(&mut self, quotes: u64) {
        let until = self.quotes.get() + quotes;
        for _ in 0..PATIENCE {
            let now = self.clock.now();
            self.feed.do_work(now);
            self.calculator.do_work(now);
            self.decision.do_work(now);
            if until <= self.quotes.get() {
                return;
            }
        }
        panic!("{quotes} quotes did not come");
    }

    /// Sends one quote of each venue in turn, or a burst of one venue after the other.
    fn round(&mut self, case: usize) {
        let burst = BURSTS[case];
        for _ in 0..BLOCK_QUOTES / burst {
            for venue in 0..self.peers.len() {
                self.peers[venue].write(burst);
                let start = self.clock.now();
                self.cycles(burst as u64);
                let spent = self.clock.now() - start;
                self.latency[case].record(0, spent * PICO / burst as u64);
            }
        }
    }

    /// Does the cold side's work of one second, and returns the number of samples received.
    fn gather(&mut self) -> u64 {
        let mut samples = 0;
        for readings in &mut self.readings {
            readings.take(|times| {
                samples += times.histograms.iter().map(Histogram::len).sum::<u64>();
            });
            readings.ask();
        }
        samples
    }
}

/// Returns a feed with a connection to each venue, and the venues' ends.
fn connected(edge: HoldSender, clock: &Clock, counters: &Counters) -> (Feed, Vec<Peer>, ColdEnds) {
    let plan = |(place, spec): (usize, &'static VenueSpec)| {
        let symbols = Fixture::of(spec).symbols;
        let instruments = symbols.list().iter().map(|symbol| symbol.text.clone()).collect();
        let venue = VenueId(u8::try_from(place).unwrap());
        ConnectionPlan {
            venue,
            spec,
            symbols,
            instruments,
            bounds: Bounds::of_age(60 * SECOND),
            lines: 1,
        }
    };
    let plans: Vec<ConnectionPlan> = VENUES.iter().enumerate().map(plan).collect();
    let (requests, asked) = channel::bounded(plans.len());
    let (answer, answers) = channel::bounded(plans.len());
    let (notices, noticed) = channel::bounded(16);
    let cold = ColdSide { requests, answers, notices, frames: None };
    let mut feed = Feed::new("feed", plans, edge, cold, clock.clone(), 1, counters).unwrap();
    feed.do_work(clock.now());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let mut peers = Vec::new();
    for spec in VENUES {
        // The connections ask in the order of the venues.
        let Request { connection, .. } = asked.try_recv().unwrap();
        let target = Target {
            address: Address::parse(&url).unwrap(),
            tls: connector::tls_config(None).unwrap(),
            options: SocketOptions::default(),
            headers: spec.headers,
        };
        let (socket, client) = upgrade(&listener, || connector::connect(&target, clock));
        answer.send(Connected { connection, socket: client.map(Box::new) }).unwrap();
        socket.set_nodelay(true).unwrap();
        peers.push(Peer { socket, frames: Fixture::of(spec), sent: 0 });
    }
    for _ in 0..PATIENCE {
        feed.do_work(clock.now());
        if counters.sum("feed.", ".connects") == peers.len() as u64 {
            return (feed, peers, (asked, answer, noticed));
        }
    }
    panic!("the feed did not take its connections");
}

fn of_pipeline(rounds: usize) {
    let mut both = [Pipeline::new(true), Pipeline::new(false)];
    let mut samples = 0;
    for round in 0..WARM_UP + rounds {
        if round == WARM_UP {
            both.iter_mut().for_each(|p| p.latency = BURSTS.map(|_| Latency::new()));
        }
        for case in 0..BURSTS.len() {
            for who in [round % 2, 1 - round % 2] {
                both[who].round(case);
            }
        }
        if round % ASK_EVERY == 0 {
            samples += both[0].gather();
        }
    }
    let quotes = (BURSTS.len() * (WARM_UP + rounds) * BLOCK_QUOTES * VENUES.len()) as u64;
    let count = |pipeline: &Pipeline, name: &str| pipeline.counters.expect(name);
    let [with, without] = &both;
    assert_eq!((with.quotes.get(), without.quotes.get()), (quotes, quotes));
    assert_eq!(count(with, "decision.spreads"), count(without, "decision.spreads"));
    assert!(0 < samples || rounds < ASK_EVERY, "readings arrive while it runs");
    let scale = PICO as f64;
    for (case, name) in CASES.into_iter().enumerate() {
        let base = in_ns(&without.latency[case], 0.5, scale);
        result(name, "without", &without.latency[case], scale, Some(base));
        result(name, "with", &with.latency[case], scale, Some(base));
    }
}

fn main() {
    header::print("instrumentation");
    let measuring = std::env::args().any(|argument| argument == "--bench");
    println!("{:<10}{:<34}{:>10}{:>10}{:>10}{:>10}", "case", "ns", "p50", "p90", "p99", "ratio");
    by_operation(if measuring { 2_000 } else { 10 });
    of_pipeline(if measuring { 4_000 } else { 2 });
}
