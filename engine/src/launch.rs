//! Builds every agent and every edge from a plan, starts the threads, and stops them in order.
//!
//! This is the only module that knows all agents and all rings. Everything that can fail is done
//! before the first thread starts.

use crate::audit::Audit;
use crate::broadcast;
use crate::broadcast::endpoint::Endpoint;
use crate::broadcast::listener::Listener;
use crate::broadcast::tls::{self, Relay};
use crate::calculator::{self, Calculator, Doubt, Output};
use crate::capture::{self, Capture, ConnectionName};
use crate::chronicle::Chronicle;
use crate::decision::execution::{self, Execution};
use crate::decision::{self, Decision, Mind, Retune};
use crate::decision_journal::{DecisionJournal, Switches};
use crate::feed::{self, ColdSide, ConnectionPlan, Feed, Notice};
use crate::journal::{self, Annex, Disk, Journal, syncer};
use crate::plan::{COLD, FeedPlan, Plan, PlannedVenue};
use crate::runtime::agent::{Agent, IdleStrategy, Report};
use crate::runtime::pulse::PulseReader;
use crate::runtime::ring::{self, CountSender, EdgeCounters, Receiver};
use crate::runtime::runner::{self, Running, Stop, ThreadPlan};
use crate::runtime::stopwatch::{self, Readings, Stopwatch};
use crate::runtime::tally::Tally;
use crate::runtime::{descriptors, frame_ring, memory};
use crate::socket::connector::{Connector, Route, Target};
use crate::socket::gate::Gates;
use crate::socket::lookup::Lookups;
use crate::telemetry::{Board, Telemetry};
use anyhow::Context;
use crossbeam::channel::{self, Sender};
use spreadwire_catalogue::trading::TradingPlan;
use spreadwire_lake::decisions::{self, Decisions, Head};
use spreadwire_lake::disk::FreeSpace;
use spreadwire_lake::files;
use spreadwire_lake::folder;
use spreadwire_lake::layout;
use spreadwire_lake::ledger;
use spreadwire_lake::lock::{self, Watch};
use spreadwire_lake::mark::{self, Mark};
use spreadwire_lake::provenance;
use spreadwire_lake::recover::{self, Leftover};
use spreadwire_lake::run::{Origin, RunId, catalogue_digest};
use spreadwire_lake::seal::Sealer;
use spreadwire_lake::stage::{StageCounter, StageCounts};
use spreadwire_market::book::Book;
use spreadwire_market::clock::{Clock, Nanos, SECOND};
use spreadwire_market::counters::{Counter, Counters};
use spreadwire_market::decision::DecisionMaker;
use spreadwire_market::instrument::{Catalogue, VenueId};
use spreadwire_market::record::GapCause;
use spreadwire_trading::desk::Desk;
use spreadwire_trading::gateway::Mode;
use spreadwire_trading::kill::KillSwitch;
use spreadwire_trading::paper_trader::{PaperTrader, Restoring};
use spreadwire_trading::trader::Out;
use spreadwire_venues::health::LINES_MAX;
use spreadwire_venues::venue::{Symbol, Symbols};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Capacity of the ring to the chronicle, records.
const CHRONICLE_RING: usize = 1 << 12;
/// Capacity of the ring of opportunities to the journal, records.
const OPPORTUNITIES_RING: usize = 1 << 12;
/// Capacity of the channel of notices to the chronicle.
const NOTICES: usize = 1 << 10;
/// Capacity of the channel of closed segments to the sealer. Further segments stay with the syncer
/// and the journal.
const SEGMENTS: usize = 64;
/// Capacity of the ring of journal states to the broadcast. There is at most one a second.
const STATES_RING: usize = 64;

/// Longest sleep of a cold thread.
const COLD_SLEEP_MAX: Duration = Duration::from_millis(5);
/// Longest sleep of the reception: how long a client's request may wait to be read.
const RECEPTION_SLEEP_MAX: Duration = Duration::from_millis(1);

/// Inputs of the launch other than the plan.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The process's clock.
    pub clock: Clock,
    /// Registry of all counters.
    pub counters: Counters,
    /// The flag that stops everything.
    pub stop: Stop,
    /// Id of this run in file names.
    pub run: RunId,
    /// Seed of the reconnect jitter.
    pub seed: u64,
}

/// Threads of the syncer and the sealer, by name. Each returns a list of what went wrong.
type Followers = [(&'static str, JoinHandle<Vec<String>>); 2];

/// A running engine.
#[derive(Debug)]
pub struct Engine {
    hot: Running,
    cold: Running,
    /// Cold threads that end when their input ends, in this order.
    followers: Followers,
    endpoint: Endpoint,
    reload: Arc<AtomicBool>,
    kill: KillSwitch,
    retune: Sender<Box<Retune>>,
    board: Board,
    book_keeping: BookKeeping,
}

/// Entries made in the lake once everything has ended.
#[derive(Debug)]
struct BookKeeping {
    mark: Mark,
    lake: PathBuf,
    clock: Clock,
    counters: Counters,
    /// Stage counters, handed over by the agents that own them.
    stages: Vec<StageCounter>,
    /// Held until the last entry is written.
    watch: Arc<Mutex<Watch>>,
    /// Keeps others from recovering the run; none where the file system has no locks.
    _living: Option<lock::Lock>,
}

/// The longest waits at the end of a run.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// For the syncer and the sealer, both together, after the agents have ended: what they have not
    /// sealed then is left to the next start.
    followers: Nanos,
    /// For the end of the run to be written.
    books: Nanos,
}

const LIMITS: Limits = Limits { followers: 20 * SECOND, books: 5 * SECOND };
/// How long segments of earlier runs are still sealed once the engine was asked to end: a run that is
/// short recovers all the same, and one with much to recover has time left for its own segments.
const RECOVERY_LIMIT: Nanos = 5 * SECOND;
const _: () = assert!(RECOVERY_LIMIT < LIMITS.followers);
/// Interval at which a wait looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(1);

impl BookKeeping {
    /// Writes the end of the run, unless the lake was moved: the run is then concluded where it is.
    fn end(self) -> anyhow::Result<()> {
        if self.watch.lock().unwrap_or_else(PoisonError::into_inner).is_moved() {
            let lake = self.lake.display();
            anyhow::bail!("{lake} was moved or deleted: run lake recover where it is now");
        }
        let (counts, stages) = (self.counters.snapshot(), StageCounts::read(&self.stages));
        self.mark.end(&self.lake, self.clock.now(), stages.numbered(), &counts, &stages)?;
        Ok(())
    }
}

impl Engine {
    /// Returns where the broadcast listens.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Returns the flag that has the broadcast's certificate read again.
    #[must_use]
    pub fn reload(&self) -> &Arc<AtomicBool> {
        &self.reload
    }

    /// Returns the kill switch of the trading on paper.
    #[must_use]
    pub fn kill(&self) -> &KillSwitch {
        &self.kill
    }

    /// Returns the way for other settings to the decision, which takes one a turn.
    #[must_use]
    pub fn retune(&self) -> &Sender<Box<Retune>> {
        &self.retune
    }

    /// Returns the latencies of the last second, live.
    #[must_use]
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// Returns the pulse of every thread that runs agents.
    #[must_use]
    pub fn pulses(&self) -> Vec<PulseReader> {
        [self.hot.pulses(), self.cold.pulses()].concat()
    }

    /// Returns whether every agent has ended, by itself or on request.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.hot.is_finished() && self.cold.is_finished()
    }

    /// Waits for every agent, then for the syncer and the sealer, and returns their measurements and
    /// failures. The latter two may wait for a disk or for another process, so they are waited for no
    /// longer than 20 s. Nothing is lost then: the next start goes on where they were.
    #[must_use]
    pub fn join(self) -> Report {
        let mut report = self.hot.join();
        report.merge(&self.cold.join());
        let clock = self.book_keeping.clock.clone();
        let end = move || match self.book_keeping.end() {
            Ok(()) => Vec::new(),
            Err(error) => vec![format!("cannot write the end of the run to the ledger: {error:#}")],
        };
        report.failures.extend(settled(self.followers, end, &clock, LIMITS));
        report
    }
}

/// Waits for the followers, then has the end written, and returns what went wrong.
fn settled(
    followers: Followers,
    end: impl FnOnce() -> Vec<String> + Send + 'static,
    clock: &Clock,
    limits: Limits,
) -> Vec<String> {
    let mut failures = Vec::new();
    let until = clock.now().saturating_add(limits.followers);
    for (name, thread) in followers {
        failures.extend(joined(name, thread, clock, until));
    }
    let until = clock.now().saturating_add(limits.books);
    match std::thread::Builder::new().name("books".to_owned()).spawn(end) {
        Ok(thread) => failures.extend(joined("ledger", thread, clock, until)),
        Err(error) => failures.push(format!("cannot write the end of the run: {error}")),
    }
    failures
}

/// Waits for a thread until a time, and returns what went wrong. A thread that is late is left alone: it
/// ends with the process.
fn joined(name: &str, thread: JoinHandle<Vec<String>>, clock: &Clock, until: Nanos) -> Vec<String> {
    while !thread.is_finished() {
        if until <= clock.now() {
            let why = format!(
                "the {name} still waits for the disk or for another process: what it has not done is \
                 left to the next start"
            );
            tracing::error!("{why}");
            return vec![why];
        }
        std::thread::sleep(LOOK_INTERVAL);
    }
    thread.join().unwrap_or_else(|_| vec![format!("the {name} panicked")])
}

/// Starts an engine.
///
/// # Errors
/// If a system resource is not available: the port, the lake's folder, a thread. A
/// [`provenance::Mixture`] if the lake holds runs of another market.
pub fn launch(plan: &Plan, around: &Surroundings) -> anyhow::Result<Engine> {
    // With less than planned, the engine runs until it needs more.
    if let Err(error) = descriptors::raise() {
        tracing::warn!("cannot raise the limit of file descriptors: {error}");
    }
    if plan.lock_memory {
        memory::lock()?;
    }
    let listener = Listener::bind(&plan.endpoint).with_context(|| {
        let endpoint = &plan.endpoint;
        format!(
            "cannot listen on {endpoint}: choose another broadcast.address, or stop the \
             process that uses it"
        )
    })?;
    let endpoint = listener.endpoint()?;
    let lake = &plan.lake;
    let lock = lock::recording(lake).context("cannot record into this lake")?;
    provenance::refuse_mixture(lake, plan.provenance)?;
    if let Err(error) = capture::finish_leftovers(lake) {
        tracing::warn!(target: "capture", "cannot rename the files of a killed run: {error}");
    }
    for refused in plan.sockets.probe().context("cannot create a TCP socket")? {
        tracing::warn!(target: "feed", "{refused}");
    }
    let catalogue = Arc::new(plan.catalogue.clone());
    let (mut book_keeping, leftovers) = open_books(plan, &catalogue, around, lock)?;
    let reload = Arc::new(AtomicBool::new(false));
    let kill = KillSwitch::default();
    let (retune, retunes) = channel::bounded(1);
    let mut wiring = Wiring {
        plan,
        around,
        catalogue,
        agents: BTreeMap::new(),
        ledger: book_keeping.mark.book.clone(),
        watch: Arc::clone(&book_keeping.watch),
        leftovers,
        captured: Vec::new(),
        readings: Vec::new(),
        stages: Vec::new(),
        gates: Gates::default(),
        lookups: Lookups::of_system(),
        reload: Arc::clone(&reload),
        kill: kill.clone(),
        retunes,
    };
    let followers = wiring.connect_all(listener)?;
    let board = wiring.telemetry()?;
    let Wiring { mut agents, stages, .. } = wiring;
    book_keeping.stages = stages;
    let cold =
        COLD.iter().filter_map(|role| Some((cold_thread(role), vec![agents.remove(*role)?])));
    let cold = cold.collect();
    let slow_after = plan.watchdog.slow_after;
    // Agents that may wait for a disk are not slow when they do.
    let cold = runner::start(cold, &around.clock, &around.stop, &around.counters, Nanos::MAX)?;
    let mut threads = Vec::new();
    for thread in &plan.threads {
        let crew = thread.agents.iter().filter_map(|role| agents.remove(role)).collect();
        threads.push((thread.clone(), crew));
    }
    // Consumers start first, so that no agent sends before its consumer runs.
    threads.reverse();
    let hot = runner::start(threads, &around.clock, &around.stop, &around.counters, slow_after)?;
    Ok(Engine { hot, cold, followers, endpoint, reload, kill, retune, board, book_keeping })
}

/// Writes the begin of the run to the ledger and finds segments that earlier runs left unsealed.
fn open_books(
    plan: &Plan,
    catalogue: &Catalogue,
    around: &Surroundings,
    lock: lock::Lock,
) -> anyhow::Result<(BookKeeping, Vec<Leftover>)> {
    let lake = &plan.lake;
    let cannot = || format!("cannot write into the lake {}", lake.display());
    folder::refuse_links(lake).with_context(cannot)?;
    mark::sweep(lake).with_context(cannot)?;
    let leftovers = recover::leftovers(lake).with_context(cannot)?;
    // Its recording lock was deleted, or it would not have come to this.
    if let Some(living) = leftovers.iter().find_map(|left| left.living(lake)) {
        anyhow::bail!("cannot record into this lake: {living}");
    }
    let Surroundings { clock, counters, run, .. } = around;
    let mark =
        Mark::begin(lake, *run, clock.now(), catalogue, plan.provenance).with_context(cannot)?;
    let (lake, clock, counters) = (lake.to_owned(), clock.clone(), counters.clone());
    let stages = Vec::new();
    let path = lake.join(layout::JOURNAL).join(format!("{run}{}", mark::MARK_SUFFIX));
    let living = lock::try_own(&path).with_context(cannot)?;
    let watch = Arc::new(Mutex::new(Watch::begin(&lake, lock).with_context(cannot)?));
    Ok((BookKeeping { mark, lake, clock, counters, stages, watch, _living: living }, leftovers))
}

/// Returns the thread plan for one agent of the cold side.
fn cold_thread(role: &str) -> ThreadPlan {
    let idle = match role {
        // The relay waits for its sockets; a sleep behind that would be time that clients wait.
        tls::ROLE => IdleStrategy::Yield,
        "reception" => IdleStrategy::Backoff { sleep_max: RECEPTION_SLEEP_MAX },
        _ => IdleStrategy::Backoff { sleep_max: COLD_SLEEP_MAX },
    };
    ThreadPlan { name: role.to_owned(), cpu: None, idle, agents: vec![role.to_owned()] }
}

/// Agents by role, as they are created.
struct Wiring<'a> {
    plan: &'a Plan,
    around: &'a Surroundings,
    catalogue: Arc<Catalogue>,
    agents: BTreeMap<String, Box<dyn Agent>>,
    /// The run's part of the ledger.
    ledger: ledger::Book,
    /// The lake's lock.
    watch: Arc<Mutex<Watch>>,
    /// Segments of earlier runs, which are sealed before this run's.
    leftovers: Vec<Leftover>,
    /// Feeds whose frames are captured.
    captured: Vec<capture::Source>,
    /// Readings of all stopwatches, for the telemetry.
    readings: Vec<Readings>,
    /// Stage counters, for the ledger.
    stages: Vec<StageCounter>,
    /// The limits of attempts, which all feeds share.
    gates: Gates,
    /// The lookups of names, which all feeds share.
    lookups: Lookups,
    /// Asks to read the certificate again.
    reload: Arc<AtomicBool>,
    /// The kill switch.
    kill: KillSwitch,
    /// Other settings for the decision.
    retunes: channel::Receiver<Box<Retune>>,
}

impl Wiring<'_> {
    fn connect_all(&mut self, listener: Listener) -> anyhow::Result<Followers> {
        let (notices, notices_out) = channel::bounded(NOTICES);
        let feeds = &self.plan.feeds;
        let inputs: Vec<Receiver> = feeds
            .iter()
            .enumerate()
            .map(|(place, feed)| self.feed(place, feed, &notices))
            .collect::<anyhow::Result<_>>()?;
        self.capture()?;
        let rings = &self.plan.rings;
        let (to_broadcast, broadcast_in) = ring::count(rings.broadcast, self.edge("broadcast"));
        let (to_decision, decision_in) = ring::count(rings.decision, self.edge("decision"));
        let (to_journal, journal_in) = ring::count(rings.journal, self.edge("journal"));
        let mut outputs = vec![
            Output::of_results(to_decision),
            Output::of_results(to_broadcast),
            Output::of_inputs(to_journal),
        ];
        let mut annexes = Vec::new();
        if let Some(min_net) = self.plan.spreads_min_net {
            let (sender, receiver) = ring::count(rings.journal, self.edge("journal_spreads"));
            outputs.push(Output::of_spreads(sender, min_net));
            annexes.push(Annex { receiver, cause: GapCause::Spreads });
        }
        let (to_annex, receiver) =
            ring::count(OPPORTUNITIES_RING, self.edge("journal_opportunities"));
        annexes.push(Annex { receiver, cause: GapCause::Opportunities });
        let Surroundings { clock, counters, .. } = self.around;
        let book = Book::new(&self.catalogue).believing(self.plan.max_net);
        let passed = Tally::new("calculator", "passed", &self.catalogue, counters);
        let calculator = Calculator::new(inputs, outputs, book, clock.clone(), counters);
        let stopwatch = self.stopwatch(calculator::STAGE);
        let (doubts, doubts_out) = channel::bounded(NOTICES);
        let calculator = calculator.counting(passed).telling(doubts).timed(stopwatch);
        self.stages.extend(calculator.stages());
        self.add(calculator);
        let (states, states_in) = ring::count(STATES_RING, self.edge("recording"));
        self.broadcast(broadcast_in, states_in, listener)?;
        self.decision(decision_in, to_annex, (notices_out, doubts_out))?;
        self.journal(journal::Edges { inputs: journal_in, annexes, states })
    }

    /// Creates a stopwatch for a stage that the records of all venues pass.
    fn stopwatch(&mut self, stage: &'static str) -> Stopwatch {
        let count = self.catalogue.venues.len();
        let venues = (0..=u8::MAX).map(VenueId).take(count).collect();
        self.stopwatch_of(stage, venues)
    }

    fn stopwatch_of(&mut self, stage: &'static str, venues: Vec<VenueId>) -> Stopwatch {
        let (stopwatch, readings) = stopwatch::pair(stage, venues, self.around.clock.clone());
        self.readings.push(readings);
        stopwatch
    }

    /// Creates the agent that gathers the latencies of all stopwatches, and returns the board that
    /// shows them.
    fn telemetry(&mut self) -> anyhow::Result<Board> {
        let board = Board::default();
        let readings = std::mem::take(&mut self.readings);
        let venues = self.catalogue.venues.iter().map(|venue| venue.name.clone()).collect();
        let (folder, now) = (self.plan.hist.as_deref(), self.around.clock.now());
        let agent = Telemetry::new(readings, venues, board.clone(), folder, now);
        self.add(agent.with_context(|| {
            let folder = folder.unwrap_or(Path::new("")).display();
            format!("cannot write latency histograms into {folder}")
        })?);
        Ok(board)
    }

    fn add(&mut self, agent: impl Agent + 'static) {
        self.agents.insert(agent.role().to_owned(), Box::new(agent));
    }

    fn edge(&self, name: &str) -> EdgeCounters {
        let counter = |what: &str| self.around.counters.register(&format!("edge.{name}.{what}"));
        EdgeCounters {
            passed: counter("passed"),
            dropped: counter("dropped"),
            full: counter("full"),
        }
    }

    /// Creates a feed agent with its connector and returns the calculator's end of its edge.
    fn feed(
        &mut self,
        place: usize,
        feed: &FeedPlan,
        notices: &Sender<Notice>,
    ) -> anyhow::Result<Receiver> {
        let (connections, routes) = self.connections(feed)?;
        let (requests, requests_out) = channel::bounded(routes.len().max(1));
        let (answers_in, answers) = channel::bounded(routes.len().max(1));
        let connector = Connector::new(routes, self.lookups.clone(), self.around.clock.clone());
        // Not joined: the thread ends by itself once the feed has dropped its channels.
        std::thread::Builder::new()
            .name(format!("connect-{place}"))
            .spawn(move || connector.serve(&requests_out, &answers_in))?;
        let (edge, receiver) = ring::hold(self.plan.rings.feed, self.edge(&feed.role));
        let frames = self.captured_frames(&connections);
        let cold = ColdSide { requests, answers, notices: notices.clone(), frames };
        let seed = self.around.seed.wrapping_add((place as u64) << 32);
        let Surroundings { clock, counters, .. } = self.around;
        let venues = connections.iter().map(|connection| connection.venue);
        let venues: BTreeSet<VenueId> = venues.collect();
        let agent = Feed::new(&feed.role, connections, edge, cold, clock.clone(), seed, counters)?;
        let venues: Vec<VenueId> = venues.into_iter().collect();
        let kernel = self.stopwatch_of(feed::KERNEL_STAGE, venues.clone());
        let event = self.stopwatch_of(feed::EVENT_STAGE, venues.clone());
        let stopwatch = self.stopwatch_of(feed::STAGE, venues);
        let agent = agent.timed(stopwatch, kernel, event);
        self.stages.extend(agent.stages());
        let busy_polled = 0 < self.plan.sockets.busy_poll_us;
        self.add(if busy_polled { agent.reading_directly() } else { agent });
        Ok(receiver)
    }

    /// Splits the listings of a feed's venues into connections and returns them with their routes.
    fn connections(
        &mut self,
        feed: &FeedPlan,
    ) -> anyhow::Result<(Vec<ConnectionPlan>, Vec<Route>)> {
        let (mut connections, mut routes) = (Vec::new(), Vec::new());
        for name in &feed.venues {
            let Some(venue) = self.catalogue.venue_named(name) else { continue };
            let planned = &self.plan.venues[venue.index()];
            let symbols = self.symbols_of(venue);
            for symbols in symbols.chunks(planned.spec.symbols_per_connection) {
                let PlannedVenue { spec, bounds, lines, .. } = *planned;
                let name = |s: &Symbol| self.catalogue.instrument(s.instrument).name.clone();
                let instruments = symbols.iter().map(name).collect();
                let symbols = Symbols::new(symbols.to_vec());
                connections.push(ConnectionPlan {
                    venue,
                    spec,
                    symbols,
                    instruments,
                    bounds,
                    lines,
                });
                routes.extend(self.routes(planned));
            }
        }
        Ok((connections, routes))
    }

    /// Returns the routes of a connection, by the role of the line that takes one.
    fn routes(&mut self, planned: &PlannedVenue) -> [Route; LINES_MAX] {
        let [first, second] = &planned.addresses;
        std::array::from_fn(|role| {
            let address = if role == 1 { second } else { first }.clone();
            let gate = self.gates.of(&address.host, planned.spec.connects);
            let tls = Arc::clone(&planned.tls);
            let target =
                Target { address, tls, options: self.plan.sockets, headers: planned.spec.headers };
            Route { venue: planned.spec.name, target, gate }
        })
    }

    /// Creates the ring for a feed's frames, if any of its venues is captured, and keeps the other
    /// end for the capture agent.
    fn captured_frames(
        &mut self,
        connections: &[ConnectionPlan],
    ) -> Option<frame_ring::FrameSender> {
        let capture = self.plan.capture.as_ref()?;
        let wanted = |c: &ConnectionPlan| capture.venues.contains(&c.venue);
        let lines = |wanted| std::iter::repeat_n(wanted, LINES_MAX);
        let wanted: Vec<bool> = connections.iter().map(wanted).flat_map(lines).collect();
        if !wanted.contains(&true) {
            return None;
        }
        let origins = connections.iter().enumerate().flat_map(|(number, c)| {
            let connection = connections[..number].iter().filter(|o| o.venue == c.venue).count();
            let venue = self.catalogue.venue(c.venue).name.clone();
            (0..LINES_MAX).map(move |line| ConnectionName {
                venue: venue.clone(),
                connection,
                line,
            })
        });
        let origins = origins.collect();
        let (sender, frames) = frame_ring::frames(capture.ring_bytes, &wanted);
        self.captured.push(capture::Source { frames, connections: origins });
        Some(sender)
    }

    fn capture(&mut self) -> anyhow::Result<()> {
        let sources = std::mem::take(&mut self.captured);
        if !sources.is_empty() {
            let Surroundings { counters, run, .. } = self.around;
            let lake = &self.plan.lake;
            self.add(Capture::new(sources, lake, run.as_str(), counters)?);
        }
        Ok(())
    }

    fn symbols_of(&self, venue: VenueId) -> Vec<Symbol> {
        let listings = self.catalogue.listings.iter().filter(|l| l.venue == venue);
        let symbol = |l: &spreadwire_market::instrument::Listing| {
            let instrument = self.catalogue.instrument(l.instrument);
            Symbol {
                text: l.symbol.clone(),
                instrument: l.instrument,
                price_scale: instrument.price_scale,
                size_scale: instrument.size_scale,
                contract: self.plan.venues[venue.index()].contract_of(l.instrument),
            }
        };
        listings.map(symbol).collect()
    }

    fn broadcast(
        &mut self,
        input: Receiver,
        states: Receiver,
        listener: Listener,
    ) -> anyhow::Result<()> {
        let settings = self.plan.broadcast.clone();
        let listener = self.relay(listener)?;
        let Surroundings { clock, counters, .. } = self.around;
        let catalogue = Arc::clone(&self.catalogue);
        let clock = clock.clone();
        let (reception, broadcast) =
            broadcast::serve(input, states, catalogue, listener, settings, clock, counters)?;
        let stopwatch = self.stopwatch(broadcast::STAGE);
        let reception = match &self.plan.audit {
            Some(path) => {
                let (entries, written) = broadcast::audit::queue();
                let audit = Audit::new(written, path, counters);
                let cannot = || format!("cannot write the audit log {}", path.display());
                self.add(audit.with_context(cannot)?);
                reception.audited(entries)
            }
            None => reception,
        };
        self.add(reception);
        self.add(broadcast.timed(stopwatch));
        Ok(())
    }

    /// Creates the agent that speaks TLS with the clients, if there is a certificate.
    fn relay(&mut self, listener: Listener) -> anyhow::Result<Listener> {
        let Some(tls) = self.plan.tls.clone() else { return Ok(listener) };
        let (relay, handed) = tls::handover();
        let sessions_max = self.plan.broadcast.connections_max() + tls::LINGERING_MAX;
        let (reload, counters) = (Arc::clone(&self.reload), &self.around.counters);
        self.add(Relay::new(handed, tls, sessions_max, reload, counters)?);
        Ok(listener.over_tls(relay))
    }

    fn decision(
        &mut self,
        input: Receiver,
        to_journal: CountSender,
        (notices, doubts): (channel::Receiver<Notice>, channel::Receiver<Doubt>),
    ) -> anyhow::Result<()> {
        let (output, opportunities) = ring::count(CHRONICLE_RING, self.edge("chronicle"));
        let outputs = vec![output, to_journal];
        let mind = self.mind()?;
        let Surroundings { clock, counters, .. } = self.around;
        let agent = Decision::new(input, outputs, mind, clock.clone(), counters);
        let stopwatch = self.stopwatch(decision::STAGE);
        self.add(agent.timed(stopwatch).retuned_by(self.retunes.clone()));
        let lake = &self.plan.lake;
        let catalogue = Arc::clone(&self.catalogue);
        let chronicle =
            Chronicle::new(opportunities, notices, catalogue, self.ledger.clone(), counters)
                .with_context(|| format!("cannot write into the lake {}", lake.display()))?;
        self.stages.extend(chronicle.stages());
        let max_error = self.plan.clock.max_error;
        let chronicle = chronicle.keeping_time(clock.clone(), max_error, counters);
        self.add(chronicle.hearing(doubts));
        Ok(())
    }

    /// Creates what decides: with `[trading]` on, a trader on paper that goes on where the journal of
    /// decisions ends, and the agent that writes it.
    fn mind(&mut self) -> anyhow::Result<Mind> {
        let Some(trading) = &self.plan.trading else {
            let maker = DecisionMaker::new(&self.catalogue, self.plan.decision.clone());
            return Ok(maker.acting_within(self.plan.decision_max_age).into());
        };
        let (entries, written) = execution::edge();
        let counters = &self.around.counters;
        let switches = Switches {
            kill: self.kill.clone(),
            adopt: Arc::default(),
            kill_file: self.plan.kill_file(trading),
        };
        let Restored { trader, desk, journal } =
            restore(self.plan, trading, switches.kill.clone(), self.around.clock.now())?;
        let adopt = Arc::clone(&switches.adopt);
        let catalogue = Arc::clone(&self.catalogue);
        let agent = DecisionJournal::new(written, journal, desk, catalogue, switches, counters);
        self.agents.insert(agent.role().to_owned(), Box::new(agent));
        Ok(Execution::new(trader, entries, adopt, counters).into())
    }

    /// Creates the journal, with the syncer and the sealer on their cold threads.
    fn journal(&mut self, edges: journal::Edges) -> anyhow::Result<Followers> {
        let (settings, lake) = (self.plan.journal, &self.plan.lake);
        let (segments, closed) = channel::bounded(SEGMENTS);
        let Surroundings { clock, counters, run, .. } = self.around;
        let origin = Origin { run: *run, catalogue: catalogue_digest(&self.catalogue) };
        let sealer = Sealer::new(self.ledger.clone(), Catalogue::clone(&self.catalogue), counters);
        let sealer = sealer.timed_by(clock.clone());
        let (requests, syncer) =
            syncer::pair(&lake.join(layout::JOURNAL), 0 < settings.sync_interval, segments);
        let syncer = syncer.timed_by(clock.clone()).watching(Arc::clone(&self.watch));
        let disk = Disk { lake, free: FreeSpace::of_host(), syncer: requests };
        let written = Tally::new("journal", "written", &self.catalogue, counters);
        let agent = Journal::new(edges, disk, origin, settings, clock.clone(), counters);
        let stopwatch = self.stopwatch(journal::STAGE);
        let agent = agent.counting(written).timed(stopwatch);
        self.stages.extend(sealer.stages().into_iter().chain(agent.stages()));
        self.add(agent);
        let (leftovers, until) = (std::mem::take(&mut self.leftovers), clock.now());
        let (recovered, lake) = (counters.register("seal.recovered"), lake.clone());
        let mut patience = Patience::new(self.around.stop.clone(), clock.clone());
        let seal_all = move || {
            let go_on = || patience.lasts();
            let mut failures = recover_all(&leftovers, &lake, until, &recovered, go_on);
            failures.extend(sealer.run(&closed));
            failures
        };
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        Ok([
            ("syncer", thread("syncer").spawn(move || syncer.run())?),
            ("sealer", thread("sealer").spawn(seal_all)?),
        ])
    }
}

/// What the journal of decisions of earlier runs leads to.
struct Restored {
    trader: PaperTrader,
    desk: Desk,
    journal: Decisions,
}

/// Opens the journal of decisions, or begins it, and restores what its entries lead to.
fn restore(
    plan: &Plan,
    trading: &TradingPlan,
    kill: KillSwitch,
    now: Nanos,
) -> anyhow::Result<Restored> {
    let folder = plan.decisions(trading);
    let cannot = || format!("cannot trade on paper by {}", folder.display());
    if !folder.is_dir() {
        files::create_folder(&folder).with_context(cannot)?;
    }
    let settings = &trading.settings;
    let head = Head::new(Mode::Paper, &trading.owner, now, &plan.catalogue, settings);
    let mut restoring = Restoring::new(plan.trader(trading, kill));
    let path = folder.join(decisions::FILE_NAME);
    let names = (&plan.catalogue, &settings.assets);
    let (mut journal, found) = Decisions::open(&path, &head, names, |entry| restoring.entry(entry))
        .with_context(cannot)?;
    if let Some(torn) = &found.torn {
        let (line, path) = (torn.line, path.display());
        tracing::warn!(target: "trading", "PAPER: line {line} of {path} had no end, and is cut off");
    }
    let mut out = Out::default();
    let mut trader = restoring.on_paper(&trading.balances, trading.paper.clone(), now, &mut out);
    if 0 < found.entries {
        let desk = trader.trader.desk();
        let (deals, orders) = (desk.deals().len(), desk.orders().len());
        tracing::info!(
            target: "trading",
            "PAPER: restored {} entries: {deals} deals open, {orders} orders in flight",
            found.entries
        );
    }
    trader.restored(now, &mut out);
    journal.append(&out.entries).with_context(cannot)?;
    journal.sync().with_context(cannot)?;
    let desk = trader.trader.desk().clone();
    Ok(Restored { trader, desk, journal })
}

/// Tells whether there is time to seal what earlier runs left.
#[derive(Debug)]
struct Patience {
    stop: Stop,
    clock: Clock,
    /// When it was first seen that the engine was asked to end.
    asked: Option<Nanos>,
}

impl Patience {
    fn new(stop: Stop, clock: Clock) -> Patience {
        Patience { stop, clock, asked: None }
    }

    /// Returns whether the engine was not asked to end, or not for [`RECOVERY_LIMIT`] yet.
    fn lasts(&mut self) -> bool {
        if !self.stop.is_requested() {
            return true;
        }
        let now = self.clock.now();
        now.saturating_sub(*self.asked.get_or_insert(now)) < RECOVERY_LIMIT
    }
}

/// Seals the segments that earlier runs left, as long as `go_on`, which is called before each one, says
/// so. Returns a sentence for each failure.
fn recover_all(
    leftovers: &[Leftover],
    lake: &Path,
    until: Nanos,
    segments: &Counter,
    mut go_on: impl FnMut() -> bool,
) -> Vec<String> {
    let mut failures = Vec::new();
    for (place, leftover) in leftovers.iter().enumerate() {
        let until = recover::began_after(leftovers, place, Some(until));
        let recovered = leftover.recover_while(lake, until, None, |_| go_on());
        segments.add(recovered.sealed.len() as u64);
        let rows: u64 = recovered.sealed.iter().map(|sealed| sealed.tally.quotes).sum();
        let ended = leftover.mark.as_ref().is_some_and(|mark| mark.ended.is_some());
        let how = if ended { "left segments behind" } else { "was killed" };
        let (run, sealed) = (leftover.run, recovered.sealed.len());
        tracing::warn!(target: "lake", "run {run} {how}: {sealed} segments sealed, {rows} quotes");
        recovered.failures.iter().for_each(|failure| tracing::error!(target: "lake", "{failure}"));
        failures.extend(recovered.failures);
    }
    failures
}

#[cfg(test)]
mod tests {
    use super::*;
    use spreadwire_kit::catalogue;
    use spreadwire_kit::records::quote;
    use spreadwire_lake::run::Provenance;
    use spreadwire_lake::segment::{Block, SegmentInfo, SegmentWriter};

    const NOW: Nanos = 1_723_161_600 * SECOND;
    const NO_TIME: Limits = Limits { followers: 0, books: 0 };

    /// A thread that does something and ends when its channel does, and says so.
    fn waiting(
        name: &'static str,
        act: impl FnOnce() + Send + 'static,
    ) -> (Sender<()>, (&'static str, JoinHandle<Vec<String>>)) {
        let (sender, receiver) = channel::bounded::<()>(0);
        let wait = move || {
            act();
            assert!(receiver.recv().is_err());
            vec![format!("the {name} has ended")]
        };
        (sender, (name, std::thread::Builder::new().spawn(wait).unwrap()))
    }

    fn late(name: &str) -> String {
        format!(
            "the {name} still waits for the disk or for another process: what it has not done is left \
             to the next start"
        )
    }

    #[test]
    fn whatever_waits_at_the_end_is_waited_for_no_longer_than_agreed() {
        let clock = Clock::manual(NOW);
        let (syncer, sealer) = (waiting("syncer", || {}), waiting("sealer", || {}));
        let (books, books_wait) = channel::bounded::<()>(0);
        let end = move || {
            assert!(books_wait.recv().is_err());
            Vec::new()
        };
        let told = settled([syncer.1, sealer.1], end, &clock, NO_TIME);
        assert_eq!(told, ["syncer", "sealer", "ledger"].map(late));
        drop((syncer.0, sealer.0, books));
    }

    #[test]
    fn the_followers_have_one_limit_together_and_the_end_is_written_though_they_are_late() {
        let clock = Clock::manual(NOW);
        // The syncer takes all the time.
        let passes = clock.clone();
        let syncer = waiting("syncer", move || passes.set(NOW + LIMITS.followers));
        let sealer = waiting("sealer", || {});
        let end = || vec!["written".to_owned()];
        let told = settled([syncer.1, sealer.1], end, &clock, LIMITS);
        assert_eq!(told, [late("syncer"), late("sealer"), "written".to_owned()]);
        drop((syncer.0, sealer.0));
    }

    #[test]
    fn followers_that_end_in_time_are_heard_and_a_panic_is_told() {
        let clock = Clock::manual(NOW);
        let (syncer, sealer) = (waiting("syncer", || {}), std::thread::Builder::new());
        drop(syncer.0);
        let panics = sealer.spawn(|| std::panic::resume_unwind(Box::new("on purpose"))).unwrap();
        let told = settled([syncer.1, ("sealer", panics)], Vec::new, &clock, LIMITS);
        assert_eq!(told, ["the syncer has ended", "the sealer panicked"]);
    }

    #[test]
    fn recovery_has_a_limit_once_the_engine_was_asked_to_end() {
        let (stop, clock) = (Stop::default(), Clock::manual(NOW));
        let mut patience = Patience::new(stop.clone(), clock.clone());
        assert!(patience.lasts());
        clock.set(NOW + 9 * RECOVERY_LIMIT);
        assert!(patience.lasts(), "nobody asked");
        stop.request();
        for (after, lasts) in [(0, true), (RECOVERY_LIMIT - 1, true), (RECOVERY_LIMIT, false)] {
            clock.set(NOW + 9 * RECOVERY_LIMIT + after);
            assert_eq!(patience.lasts(), lasts, "{after}");
        }
    }

    #[test]
    fn recovery_stops_between_two_segments_and_the_next_start_seals_the_rest() {
        let home = tempfile::tempdir().unwrap();
        let (lake, catalogue) = (home.path(), catalogue::of(["A/B"], ["okx"]).build());
        for name in ["run-a", "run-b"] {
            let run = RunId::new(name).unwrap();
            Mark::begin(lake, run, NOW, &catalogue, Provenance::Live).unwrap();
            let origin = Origin { run, catalogue: catalogue_digest(&catalogue) };
            for number in 0..2 {
                let info = SegmentInfo { origin, number, started_at: NOW };
                let folder = lake.join(layout::JOURNAL);
                let mut segment = SegmentWriter::create(&folder, info).unwrap();
                let mut block = Block::new(1, number.into());
                block.push(&quote(NOW));
                segment.write(&mut block).unwrap();
                segment.finish().close().unwrap();
            }
        }
        let left = || {
            let leftovers = recover::leftovers(lake).unwrap();
            leftovers.iter().map(|left| left.segments.len()).collect::<Vec<_>>()
        };
        let counter = Counters::default().register("recovered");
        let recover = |most: u64| {
            let leftovers = recover::leftovers(lake).unwrap();
            let mut asked = 0;
            recover_all(&leftovers, lake, NOW + SECOND, &counter, || {
                asked += 1;
                asked <= most
            })
        };
        let stays = |run, count| {
            format!(
                "run {run}: {count} segments stay in the journal: there was no time to seal them"
            )
        };
        assert_eq!(recover(1), [stays("run-a", 1), stays("run-b", 2)]);
        assert_eq!((left(), counter.get()), (vec![1, 2], 1));
        assert_eq!(recover(2), [stays("run-b", 1)]);
        assert_eq!(left(), [1], "the first run is concluded");
        assert_eq!(recover(9), Vec::<String>::new());
        assert_eq!((left(), counter.get()), (vec![], 4));
    }
}
