//! The engine's surroundings: certificates, clients of every kind, ports and folders that are
//! taken, and requests to end at the worst time.

use exchange_sim::{Simulator, Speed};
use spreadwire_config::config::Config;
use spreadwire_engine::launch;
use spreadwire_rigs::pipeline::engine_under_test::{EngineUnderTest, PATIENCE, plan, surroundings};
use spreadwire_rigs::pipeline::listener::{Heard, Listener};
use spreadwire_rigs::pipeline::naive;
use spreadwire_rigs::pipeline::outcome::Outcome;
use spreadwire_rigs::pipeline::scene::{Scene, configured, held, of_model, on_two_threads};
use spreadwire_rigs::pipeline::small_market::{INSTRUMENTS, source};
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use tracing_subscriber::fmt::MakeWriter;

/// Returns a held, endless market in real time.
fn endless(rate: f64) -> exchange_sim::Options {
    held(source(rate), Speed::Times(1.0))
}

fn trusting(config: &mut Config, file: &Path) {
    config.venues.iter_mut().for_each(|venue| venue.ca_file = Some(file.to_owned()));
}

#[test]
fn a_market_over_tls_comes_through_like_any_other() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("simulator.pem");
    let options = exchange_sim::Options {
        tls: true,
        limit: Some(4_000),
        ..held(source(5_000.0), Speed::Max)
    };
    let simulator = Simulator::start(options).unwrap();
    std::fs::write(&file, simulator.certificate_pem().unwrap()).unwrap();
    let mut config = configured(&simulator, of_model(INSTRUMENTS));
    trusting(&mut config, &file);
    let outcome = {
        let scene = Scene::around(simulator, config);
        scene.play_to_the_end();
        scene.end()
    };
    assert_eq!(outcome.rows.len(), 4_000);
    outcome.check();
}

#[test]
fn a_certificate_that_nobody_trusts_is_told_and_leaves_the_other_venues_live() {
    let log = Log::shared();
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("simulator.pem");
    let options = exchange_sim::Options { tls: true, ..endless(1_500.0) };
    let simulator = Simulator::start(options).unwrap();
    std::fs::write(&file, simulator.certificate_pem().unwrap()).unwrap();
    let mut config = configured(&simulator, of_model(INSTRUMENTS));
    trusting(&mut config, &file);
    let okx = config.venues.iter_mut().find(|venue| venue.name == "okx").unwrap();
    okx.ca_file = None;
    let engine = EngineUnderTest::launch(config);
    let listener = Listener::join(engine.address(), &engine.plan.catalogue);
    let others = 3 * INSTRUMENTS as u64;
    let tried = simulator.wait_until(PATIENCE, |stats| {
        stats.subscriptions() == others && 3 <= stats.venue("okx").turned_away
    });
    assert!(tried, "the engine tries again: {:?}", simulator.stats());
    simulator.release();
    listener.wait_for_more_spreads(500);
    log.wait_for(&["okx #0", "invalid peer certificate", "next attempt in"]);
    let outcome = Scene { simulator, engine, listener }.end();
    assert_eq!(outcome.count("feed.okx.0.connects"), 0);
    let stories = outcome.stories();
    assert_eq!(stories.len() as u64, others, "nothing is told of okx: {stories:?}");
    for story in stories.values() {
        let states: Vec<_> = story.iter().map(|(state, _)| state.as_str()).collect();
        assert_eq!(states, ["silent", "live", "down"]);
    }
    // Quotes of okx were never written, because nobody had subscribed to them.
    outcome.check();
}

/// Everything that this process logs, from any test.
#[derive(Clone, Default)]
struct Log(Arc<(Mutex<String>, Condvar)>);

impl Log {
    /// Takes over the process's log; only one test does so.
    fn shared() -> Log {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(log.clone());
        subscriber.try_init().unwrap();
        log
    }

    /// Waits for a line that contains all of these.
    fn wait_for(&self, parts: &[&str]) {
        let (text, changed) = &*self.0;
        let has_line =
            |text: &str| text.lines().any(|line| parts.iter().all(|part| line.contains(part)));
        let text = text.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_timeout_while(text, PATIENCE, |text| !has_line(text));
        let (text, _) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(has_line(&text), "no line of the log has {parts:?}: {text}");
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut text = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.push_str(&String::from_utf8_lossy(bytes));
        self.0.1.notify_all();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Log;

    fn make_writer(&'a self) -> Log {
        self.clone()
    }
}

#[test]
fn a_client_that_never_reads_costs_the_others_nothing() {
    let scene = Scene::set(endless(4_000.0), of_model(INSTRUMENTS), |config| {
        config.broadcast.client_buffer_bytes = 4 << 20;
        config.broadcast.stuck_timeout_ms = 1_000;
    });
    let tcp = TcpStream::connect(scene.engine.address()).unwrap();
    let address = format!("ws://{}/", scene.engine.address());
    let (deaf, _) = tungstenite::client(address, tcp).unwrap();
    scene.simulator.release();
    scene.engine.wait_for("the deaf client to be conflated and ended", PATIENCE, |engine| {
        engine.count("broadcast.disconnected.stuck") == 1
    });
    scene.listener.wait_for_more_spreads(1_000);
    let outcome = scene.end();
    assert_eq!(outcome.count("broadcast.congestions"), 1, "the deaf client alone is slow");
    assert!(0 < outcome.count("broadcast.conflated"));
    outcome.check();
    drop(deaf);
}

/// Returns a simulator without any client, for engines that do not get that far.
fn idle_simulator() -> Simulator {
    Simulator::start(endless(1_000.0)).unwrap()
}

#[test]
fn a_port_that_is_taken_is_an_error_that_names_address_and_key() {
    let simulator = idle_simulator();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let home = tempfile::tempdir().unwrap();
    let mut config = configured(&simulator, of_model(INSTRUMENTS));
    config.broadcast.address.clone_from(&address);
    let plan = plan(config, home.path());
    let error = format!("{:#}", launch::launch(&plan, &surroundings()).unwrap_err());
    for part in [address.as_str(), "broadcast.address"] {
        assert!(error.contains(part), "{part:?} in {error:?}");
    }
    assert!(!home.path().join("lake").exists(), "nothing is made before the port is had");
}

#[test]
fn a_lake_that_is_a_file_is_an_error_that_names_it() {
    let simulator = idle_simulator();
    let home = tempfile::tempdir().unwrap();
    let plan = plan(configured(&simulator, of_model(INSTRUMENTS)), home.path());
    // After the plan, which would have refused it.
    std::fs::write(home.path().join("lake"), "not a folder").unwrap();
    let error = format!("{:#}", launch::launch(&plan, &surroundings()).unwrap_err());
    let lake = home.path().join("lake");
    assert!(error.contains(lake.to_str().unwrap()), "{error:?}");
}

#[test]
fn a_plan_refuses_a_lake_that_is_a_file() {
    let simulator = idle_simulator();
    let home = tempfile::tempdir().unwrap();
    let mut config = configured(&simulator, of_model(INSTRUMENTS));
    config.journal.lake = home.path().join("lake");
    std::fs::write(&config.journal.lake, "not a folder").unwrap();
    let host = spreadwire_engine::plan::Host {
        cpus: spreadwire_engine::runtime::cpu::available(),
        descriptors: u64::MAX,
        now: 0,
    };
    let problems =
        spreadwire_engine::plan::Plan::new(config, Path::new("test.toml"), &host, Vec::new())
            .unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    let told = problems[0].to_string();
    for part in ["test.toml: journal.lake: ", "is no folder", "name a folder"] {
        assert!(told.contains(part), "{part:?} in {told:?}");
    }
}

#[test]
fn an_engine_ends_while_its_connections_are_being_made() {
    // A listener that accepts connections and sends nothing, so that handshakes hang.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let simulator = idle_simulator();
    let mut config = configured(&simulator, of_model(INSTRUMENTS));
    for venue in &mut config.venues {
        venue.url = Some(format!("ws://{}", silent.local_addr().unwrap()));
    }
    let engine = EngineUnderTest::launch(config);
    let (one, _) = silent.accept().unwrap();
    let ended = engine.end();
    assert!(ended.summary.report.failures.is_empty(), "{:?}", ended.summary.report.failures);
    assert!(ended.summary.is_complete());
    drop(one);
}

#[test]
fn an_engine_told_to_end_at_full_speed_seals_everything_it_has_decoded() {
    let scene = Scene::set(held(source(5_000.0), Speed::Max), of_model(INSTRUMENTS), |config| {
        // The feed alone is faster than the rest, so its edge is full when it ends.
        on_two_threads(config, &["feed"]);
        config.rings.feed = 64;
        config.decision.entry_bps = -30.0;
        config.decision.exit_bps = -40.0;
        config.journal.segment_records = 1_000;
    });
    scene.simulator.release();
    scene.listener.wait_for_more_spreads(20_000);
    let Scene { simulator, engine, listener } = scene;
    let ended = engine.end();
    let heard = listener.leave();
    let simulated = simulator.stop();
    let outcome = Outcome::of(simulated, ended, heard);
    for (key, written) in outcome.written() {
        let rows: Vec<_> = outcome.rows.iter().filter(|row| row.key == key).collect();
        assert!(rows.iter().map(|row| &row.said).eq(written.iter().take(rows.len())), "{key:?}");
    }
    assert!(0 < outcome.count("edge.feed.full"), "the feed had to wait for the rest");
    outcome.check_nothing_was_dropped();
    let events = naive::events(&outcome.rows, &outcome.statuses(), outcome.names());
    outcome.check_broadcast(&events, false);
    outcome.check_opportunities(&events);
    let lines = outcome.opportunities();
    let stopped = lines.iter().filter(|line| line["reason"] == "stopped").count();
    assert!(0 < stopped, "what was open closes with the engine: {} lines", lines.len());
}

#[test]
fn a_journal_folder_that_vanishes_in_a_run_is_told_to_clients_and_the_hole_is_marked() {
    let scene = Scene::set(held(source(5_000.0), Speed::Max), of_model(INSTRUMENTS), |config| {
        config.journal.sync_ms = 1;
    });
    scene.simulator.release();
    scene.engine.wait_for("a journal", PATIENCE, |engine| 0 < engine.count("journal.quotes"));
    std::fs::remove_dir_all(scene.engine.plan.lake.join("journal")).unwrap();
    scene.engine.wait_for("recording to go on", PATIENCE, |engine| {
        2 == engine.count("broadcast.recordings")
    });
    let Scene { simulator, engine, listener } = scene;
    let ended = engine.end();
    let heard = listener.leave();
    drop(simulator.stop());
    let told: Vec<&str> = heard
        .iter()
        .filter_map(|heard| match heard {
            Heard::Other(text) => Some(text.as_str()),
            Heard::Spread(_) | Heard::Ended(_) | Heard::Status(_) => None,
        })
        .collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains(r#""type":"recording","state":"vanished""#), "{told:?}");
    assert!(told[1].contains(r#""type":"recording","state":"on""#), "{told:?}");
    let count = |name| ended.summary.counters.expect(name);
    let (lost, quotes) = (count("journal.lost"), count("calculator.quotes"));
    assert!(0 < lost);
    assert_eq!(
        count("seal.rows") + count("seal.statuses") + lost,
        quotes + count("calculator.statuses")
    );
    assert_eq!(count("seal.missed"), lost, "each of them is in a gap");
    assert!(ended.summary.report.failures.is_empty(), "{:?}", ended.summary.report.failures);
    assert!(!ended.summary.is_complete());
}
