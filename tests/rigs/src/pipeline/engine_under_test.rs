//! Starts and ends an engine on a temporary lake.

use crossbeam::channel;
use exchange_sim::Simulator;
use spreadwire_config::config::Config;
use spreadwire_engine::launch::{self, Engine, Surroundings};
use spreadwire_engine::plan::{Host, Plan};
use spreadwire_engine::runtime::cpu;
use spreadwire_engine::runtime::runner::Stop;
use spreadwire_engine::summary::Summary;
use spreadwire_lake::run::RunId;
use spreadwire_market::clock::Clock;
use spreadwire_market::counters::Counters;
use spreadwire_market::instrument::VenueId;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// Longest wait of a test; nothing takes longer unless the machine is broken.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Longest duration of a tape of real quotes.
pub const PLAY_PATIENCE: Duration = Duration::from_secs(300);
/// Id of the run in the lake's files.
pub const RUN: &str = "pipeline";
/// Seed of the reconnect jitter.
const SEED: u64 = 20_261_122;

/// A running engine whose lake is deleted with the test.
pub struct EngineUnderTest {
    home: Option<TempDir>,
    pub plan: Plan,
    around: Surroundings,
    engine: Option<Engine>,
}

/// Returns a plan whose lake is in a folder of the test.
pub fn plan(mut config: Config, home: &Path) -> Plan {
    config.journal.lake = home.join("lake");
    let host = Host { cpus: cpu::available(), descriptors: u64::MAX, now: 0 };
    Plan::new(config, Path::new("(test)"), &host, Vec::new())
        .unwrap_or_else(|all| panic!("{all:#?}"))
}

/// Returns the inputs of an engine other than its plan.
pub fn surroundings() -> Surroundings {
    Surroundings {
        clock: Clock::host(),
        counters: Counters::default(),
        stop: Stop::default(),
        run: RunId::new(RUN).unwrap(),
        seed: SEED,
    }
}

impl EngineUnderTest {
    pub fn launch(config: Config) -> EngineUnderTest {
        let home = tempfile::tempdir().unwrap();
        let plan = plan(config, home.path());
        let around = surroundings();
        let engine = Some(launch::launch(&plan, &around).unwrap());
        EngineUnderTest { home: Some(home), plan, around, engine }
    }

    pub fn address(&self) -> SocketAddr {
        self.engine.as_ref().unwrap().endpoint().tcp().unwrap()
    }

    /// Returns a folder that is deleted with the engine.
    pub fn home(&self) -> PathBuf {
        self.home.as_ref().unwrap().path().to_owned()
    }

    pub fn count(&self, name: &str) -> u64 {
        self.around.counters.expect(name)
    }

    /// Returns the sum of counters by prefix and suffix of their names.
    pub fn sum(&self, prefix: &str, suffix: &str) -> u64 {
        self.around.counters.sum(prefix, suffix)
    }

    /// Waits for a condition that only counters show; they offer nothing to block on.
    pub fn wait_for(&self, what: &str, limit: Duration, done: impl Fn(&Self) -> bool) {
        let clock = &self.around.clock;
        let end = clock.now() + u64::try_from(limit.as_nanos()).unwrap();
        while !done(self) {
            let counters = &self.around.counters;
            let now = clock.now();
            assert!(now < end, "waited {limit:?} for {what}: {:#?}", counters.snapshot());
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }

    /// Waits until the engine holds every configured subscription, on every line.
    pub fn wait_for_subscriptions(&self, simulator: &Simulator) {
        let lines = |venue: VenueId| self.plan.venues[venue.index()].lines as u64;
        let wanted = self.plan.catalogue.listings.iter().map(|l| lines(l.venue)).sum::<u64>();
        let all = simulator.wait_until(PATIENCE, |stats| stats.subscriptions() == wanted);
        assert!(all, "{wanted} subscriptions within {PATIENCE:?}: {:?}", simulator.stats());
    }

    /// Asks the engine to end and waits until it has.
    pub fn end(mut self) -> Ended {
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
pub struct Ended {
    /// Dropping this deletes the lake.
    _home: TempDir,
    pub plan: Plan,
    pub summary: Summary,
}
