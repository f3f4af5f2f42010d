//! A simulator, an engine and a client of its broadcast, and their configuration.

use crate::pipeline::engine_under_test::{EngineUnderTest, PLAY_PATIENCE};
use crate::pipeline::listener::Listener;
use crate::pipeline::outcome::Outcome;
use exchange_sim::{INSTRUMENTS, Simulator, Speed, Stats};
use spreadwire_config::config::{self, Config};
use spreadwire_market::decimal;
use spreadwire_venues::venue::Sizes;
use spreadwire_venues::venues;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Maximum age, long enough that no quote goes stale unless a test wants it.
const AGE_MAX_MS: u64 = 3_600_000;

/// Options of a simulator that is held and records. It repeats nothing, so what it wrote is final.
pub fn held(source: exchange_sim::Source, speed: Speed) -> exchange_sim::Options {
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
pub fn of_model(count: usize) -> Vec<config::Instrument> {
    let instrument = |i: &exchange_sim::Instrument| config::Instrument {
        place: config::Place::default(),
        name: i.name.to_owned(),
        price_decimals: u8::try_from(i.price_decimals).unwrap(),
        size_decimals: 8,
        venues: None,
        // The simulator spells symbols as its venues do.
        symbols: BTreeMap::new(),
        contract_sizes: BTreeMap::new(),
    };
    INSTRUMENTS[..count].iter().map(instrument).collect()
}

/// States the contract sizes of the simulator's venues whose sizes count contracts: one lot each.
fn add_contract_sizes(instrument: &mut config::Instrument, simulator: &Simulator) {
    let base = instrument.name.split('/').next();
    let known = INSTRUMENTS.iter().find(|known| known.name.split('/').next() == base);
    let Some(known) = known else { return };
    let lot = decimal::to_text(1, u8::try_from(known.size_decimals).unwrap());
    let counts = |name: &&str| venues::named(name).is_some_and(|it| it.sizes == Sizes::Contracts);
    for name in simulator.venues().iter().map(|(name, _)| *name).filter(counts) {
        instrument.contract_sizes.insert(name.to_owned(), lot.clone());
    }
}

/// Returns a configuration for the simulator's venues: one thread, and edges and buffers that hold
/// everything.
pub fn configured(simulator: &Simulator, instruments: Vec<config::Instrument>) -> Config {
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
    let mut instruments = instruments;
    for instrument in &mut instruments {
        add_contract_sizes(instrument, simulator);
    }
    spreadwire_catalogue::add_by_market(&mut config, instruments);
    config
}

/// All agents, in the order of the data flow.
const AGENTS: [&str; 5] = ["feed", "calculator", "decision", "broadcast", "journal"];

/// Returns the configuration with two threads: these agents on one, the others on the other.
pub fn on_two_threads(config: &mut Config, first: &[&str]) {
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

/// Everything that takes part in a test.
pub struct Scene {
    pub simulator: Simulator,
    pub engine: EngineUnderTest,
    pub listener: Listener,
}

impl Scene {
    /// Starts all three; the market is held, subscribed and listened to.
    pub fn set(
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
    pub fn around(simulator: Simulator, config: Config) -> Scene {
        let engine = EngineUnderTest::launch(config);
        let listener = Listener::join(engine.address(), &engine.plan.catalogue);
        engine.wait_for_subscriptions(&simulator);
        Scene { simulator, engine, listener }
    }

    /// Plays the source to its end, until the engine has used every quote.
    pub fn play_to_the_end(&self) {
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
    pub fn close_market(self) -> ClosedMarket {
        let Scene { simulator, engine, listener } = self;
        let simulated = simulator.stop();
        listener.wait_until_all_are_down();
        ClosedMarket { simulated, engine, listener }
    }

    /// As above, and then ends the engine.
    pub fn end(self) -> Outcome {
        self.close_market().end()
    }
}

/// A scene whose simulator has ended.
pub struct ClosedMarket {
    simulated: exchange_sim::Outcome,
    engine: EngineUnderTest,
    listener: Listener,
}

impl ClosedMarket {
    pub fn end(self) -> Outcome {
        let ended = self.engine.end();
        Outcome::of(self.simulated, ended, self.listener.leave())
    }
}

/// Returns the quotes that a simulator wrote, for any reason.
pub fn frames(stats: &Stats) -> u64 {
    stats.venues.iter().map(|venue| venue.frames).sum()
}
