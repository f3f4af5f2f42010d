//! Starts and ends a simulator, an engine on a temporary lake, and a client of its broadcast. Other
//! files judge the output.

use crate::listener::Listener;
use crate::outcome::Outcome;
use crossbeam::channel;
use exchange_sim::{INSTRUMENTS, Simulator, Speed, Stats};
use spreadwire_config::config::{self, Config};
use spreadwire_engine::launch::{self, Engine, Surroundings};
use spreadwire_engine::plan::{Host, Plan};
use spreadwire_engine::runtime::cpu;
use spreadwire_engine::runtime::runner::Stop;
use spreadwire_engine::summary::Summary;
use spreadwire_lake::run::RunId;
use spreadwire_market::clock::Clock;
use spreadwire_market::counters::Counters;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// Longest wait of a test; nothing takes longer unless the machine is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Longest duration of a tape of real quotes.
pub(crate) const PLAY_PATIENCE: Duration = Duration::from_secs(300);
/// Id of the run in the lake's files.
pub(crate) const RUN: &str = "pipeline";
/// Maximum age, long enough that no quote goes stale unless a test wants it.
const AGE_MAX_MS: u64 = 3_600_000;
/// Seed of the reconnect jitter.
const SEED: u64 = 20_261_122;

/// Options of a simulator that is held and records. It repeats nothing, so what it wrote is final.
pub(crate) fn held(source: exchange_sim::Source, speed: Speed) -> exchange_sim::Options {
    exchange_sim::Options {
        source,
        speed,
        hold: true,
        record: true,
        repeat_after: Some(Duration::from_secs(3_600)),
        ..exchange_sim::Options::default()
    }
}

/// Returns the first instruments of the model. [`configured`] names them after the markets of their
/// venues.
pub(crate) fn of_model(count: usize) -> Vec<config::Instrument> {
    let instrument = |i: &exchange_sim::Instrument| config::Instrument {
        place: config::Place::default(),
        name: i.name.to_owned(),
        price_decimals: u8::try_from(i.price_decimals).unwrap(),
        size_decimals: 8,
        venues: None,
        symbols: exchange_sim::venue_names()
            .into_iter()
            .filter_map(|v| Some((v.to_owned(), exchange_sim::venue_symbol(v, i.name)?)))
            .collect(),
    };
    INSTRUMENTS[..count].iter().map(instrument).collect()
}

/// Returns a configuration for the simulator's venues: one thread, and edges and buffers that hold
/// everything.
pub(crate) fn configured(simulator: &Simulator, instruments: Vec<config::Instrument>) -> Config {
    let venue = |(name, _): &(&'static str, SocketAddr)| config::Venue {
        max_age_ms: Some(AGE_MAX_MS),
        // Tapes and frames play with the event times that they were recorded with.
        max_lag_ms: Some(0),
        ..config::Venue::at(name, &simulator.url(name))
    };
    let mut config = Config {
        venues: simulator.venues().iter().map(venue).collect(),
        threads: vec![thread("all", &["feed", "calculator", "decision", "broadcast", "journal"])],
        broadcast: config::Broadcast {
            address: "127.0.0.1:0".to_owned(),
            client_buffer_bytes: 1 << 30,
            stuck_timeout_ms: 60_000,
            ..config::Broadcast::default()
        },
        rings: config::Rings { broadcast: 1 << 17, decision: 1 << 17, ..config::Rings::default() },
        ..Config::default()
    };
    spreadwire_catalogue::add_by_market(&mut config, instruments);
    config
}

/// All agents, in the order of the data flow.
const AGENTS: [&str; 5] = ["feed", "calculator", "decision", "broadcast", "journal"];

/// Returns the configuration with two threads: these agents on one, the others on the other.
pub(crate) fn on_two_threads(config: &mut Config, first: &[&str]) {
    let rest: Vec<_> = AGENTS.into_iter().filter(|agent| !first.contains(agent)).collect();
    config.threads = vec![thread("first", first), thread("rest", &rest)];
}

fn thread(name: &str, agents: &[&str]) -> config::Thread {
    config::Thread {
        name: name.to_owned(),
        cpu: None,
        idle: "backoff".to_owned(),
        sleep_max_us: Some(500),
        agents: agents.iter().map(|agent| (*agent).to_owned()).collect(),
    }
}

/// A running engine whose lake is deleted with the test.
pub(crate) struct EngineUnderTest {
    home: Option<TempDir>,
    pub(crate) plan: Plan,
    around: Surroundings,
    engine: Option<Engine>,
}

/// Returns a plan whose lake is in a folder of the test.
pub(crate) fn plan(mut config: Config, home: &Path) -> Plan {
    config.journal.lake = home.join("lake");
    let host = Host { cpus: cpu::available(), now: 0 };
    Plan::new(config, Path::new("(test)"), &host, Vec::new())
        .unwrap_or_else(|all| panic!("{all:#?}"))
}

/// Returns the inputs of an engine other than its plan.
pub(crate) fn surroundings() -> Surroundings {
    Surroundings {
        clock: Clock::host(),
        counters: Counters::default(),
        stop: Stop::default(),
        run: RunId::new(RUN).unwrap(),
        seed: SEED,
    }
}

impl EngineUnderTest {
    pub(crate) fn launch(config: Config) -> EngineUnderTest {
        let home = tempfile::tempdir().unwrap();
        let plan = plan(config, home.path());
        let around = surroundings();
        let engine = Some(launch::launch(&plan, &around).unwrap());
        EngineUnderTest { home: Some(home), plan, around, engine }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.engine.as_ref().unwrap().address()
    }

    /// Returns a folder that is deleted with the engine.
    #[allow(dead_code, reason = "one of the two test binaries that share this file uses it")]
    pub(crate) fn home(&self) -> PathBuf {
        self.home.as_ref().unwrap().path().to_owned()
    }

    pub(crate) fn count(&self, name: &str) -> u64 {
        self.around.counters.expect(name)
    }

    /// Waits for a condition that only counters show; they offer nothing to block on.
    pub(crate) fn wait_for(&self, what: &str, limit: Duration, done: impl Fn(&Self) -> bool) {
        let clock = &self.around.clock;
        let end = clock.now() + u64::try_from(limit.as_nanos()).unwrap();
        while !done(self) {
            let counters = &self.around.counters;
            let now = clock.now();
            assert!(now < end, "waited {limit:?} for {what}: {:#?}", counters.snapshot());
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }

    /// Waits until the engine holds every configured subscription.
    pub(crate) fn wait_for_subscriptions(&self, simulator: &Simulator) {
        let wanted = self.plan.catalogue.listings.len() as u64;
        let all = simulator.wait_until(PATIENCE, |stats| stats.subscriptions() == wanted);
        assert!(all, "{wanted} subscriptions within {PATIENCE:?}: {:?}", simulator.stats());
    }

    /// Asks the engine to end and waits until it has.
    pub(crate) fn end(mut self) -> Ended {
        self.around.stop.request();
        let engine = self.engine.take().unwrap();
        let (ended_in, ended) = channel::bounded(1);
        // On a thread of its own, so that an engine that does not end fails the test instead of
        // hanging it.
        let joining = std::thread::Builder::new().name("join".to_owned());
        drop(joining.spawn(move || ended_in.send(engine.join())).unwrap());
        let report = ended.recv_timeout(PATIENCE).expect("the engine ends when it is asked to");
        let counters = self.around.counters.clone();
        let summary = Summary::new(1, counters, report).unwrap();
        let home = self.home.take().unwrap();
        Ended { _home: home, plan: self.plan.clone(), summary }
    }
}

impl Drop for EngineUnderTest {
    fn drop(&mut self) {
        // After a failed test, no engine is left running beside the others.
        self.around.stop.request();
    }
}

/// Remains of an engine.
pub(crate) struct Ended {
    /// Dropping this deletes the lake.
    _home: TempDir,
    pub(crate) plan: Plan,
    pub(crate) summary: Summary,
}

/// Everything that takes part in a test.
pub(crate) struct Scene {
    pub(crate) simulator: Simulator,
    pub(crate) engine: EngineUnderTest,
    pub(crate) listener: Listener,
}

impl Scene {
    /// Starts all three; the market is held, subscribed and listened to.
    pub(crate) fn set(
        options: exchange_sim::Options,
        instruments: Vec<config::Instrument>,
        edit: impl FnOnce(&mut Config),
    ) -> Scene {
        let simulator = Simulator::start(options).unwrap();
        let mut config = configured(&simulator, instruments);
        edit(&mut config);
        Scene::around(simulator, config)
    }

    /// Starts the others around an existing simulator.
    pub(crate) fn around(simulator: Simulator, config: Config) -> Scene {
        let engine = EngineUnderTest::launch(config);
        let listener = Listener::join(engine.address(), &engine.plan.catalogue);
        engine.wait_for_subscriptions(&simulator);
        Scene { simulator, engine, listener }
    }

    /// Plays the source to its end, until the engine has used every quote.
    pub(crate) fn play_to_the_end(&self) {
        self.simulator.release();
        let finished = self.simulator.wait_finished(PLAY_PATIENCE);
        assert!(finished, "the source ends: {:?}", self.simulator.stats());
        let written = frames(&self.simulator.stats());
        self.engine.wait_for("every quote written to be used", PLAY_PATIENCE, |engine| {
            engine.count("calculator.quotes") == written
        });
    }

    /// Ends the simulator and waits until the client has heard that every market is down, which
    /// comes after everything else.
    pub(crate) fn close_market(self) -> ClosedMarket {
        let Scene { simulator, engine, listener } = self;
        let simulated = simulator.stop();
        listener.wait_until_all_are_down();
        ClosedMarket { simulated, engine, listener }
    }

    /// As above, and then ends the engine.
    pub(crate) fn end(self) -> Outcome {
        self.close_market().end()
    }
}

/// A scene whose simulator has ended.
pub(crate) struct ClosedMarket {
    simulated: exchange_sim::Outcome,
    engine: EngineUnderTest,
    listener: Listener,
}

impl ClosedMarket {
    pub(crate) fn end(self) -> Outcome {
        let ended = self.engine.end();
        Outcome::of(self.simulated, ended, self.listener.leave())
    }
}

/// Returns the quotes that a simulator wrote, for any reason.
pub(crate) fn frames(stats: &Stats) -> u64 {
    stats.venues.iter().map(|venue| venue.frames).sum()
}
