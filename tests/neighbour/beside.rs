//! Every attack at once, beside good venues and good clients.

use crate::attacker::Attackers;
use crate::attacks::{ATTACKS, NEVER_READ};
use crate::bad_venue::{BadVenue, CUT_OFF, WITHOUT_END};
use crate::times;
use exchange_sim::{ModelOptions, Simulator, Source, Speed, VenueAt};
use spreadwire_config::config;
use spreadwire_rigs::pipeline::engine_under_test::{EngineUnderTest, PATIENCE};
use spreadwire_rigs::pipeline::listener::{Heard, HeardSpread, Listener};
use spreadwire_rigs::pipeline::outcome::Outcome;
use spreadwire_rigs::pipeline::scene::{Scene, configured, frames, held, of_model};
use std::cell::Cell;

const SEED: u64 = 12;
const INSTRUMENTS: usize = 20;
/// Quotes of the good venues. Each is worth two spreads.
const QUOTES: u64 = 12_000;
/// Quotes a second.
const RATE: f64 = 3_000.0;
const GOOD: [&str; 2] = ["bybit", "okx"];
/// Clients that behave.
const GOOD_CLIENTS: u64 = 2;

/// Counters of the feed that the venues' attacks make grow.
const COUNTED_OF_VENUES: [&str; 6] = [
    "feed.binance.0.controls",
    "feed.binance.0.parts",
    "feed.binance.0.endless_messages",
    "feed.binance.0.turns_cut",
    "feed.binance-usdm.0.controls",
    "feed.binance-usdm.0.parts",
];

fn good_venues() -> exchange_sim::Options {
    println!("seed {SEED}");
    let model = ModelOptions { seed: SEED, rate: RATE, ..ModelOptions::default() };
    exchange_sim::Options {
        venues: GOOD.map(VenueAt::any_port).into(),
        limit: Some(times(QUOTES)),
        ..held(Source::Model(model), Speed::Times(1.0))
    }
}

/// Limits with which an attack from one address leaves the others their places, and rings as they
/// are by default: who is held up for long loses records.
fn limits(config: &mut config::Config) {
    config.rings = config::Rings::default();
    config.broadcast = config::Broadcast {
        clients_max: 200,
        clients_per_address: 30,
        connects_per_second: 20,
        client_buffer_bytes: 4 << 20,
        stuck_timeout_ms: 1_000,
        ..config.broadcast.clone()
    };
    // Several segments are sealed while the market plays.
    config.journal.segment_records = 3_000;
}

/// Everything that must grow while the attacks go on, by what makes it grow.
fn counts(engine: &EngineUnderTest) -> Vec<(&'static str, u64)> {
    let count = |name: &&str| engine.count(&format!("broadcast.{name}"));
    let of_clients = ATTACKS.iter().filter(|attack| !attack.counted.is_empty());
    let of_clients = of_clients.map(|it| (it.name, it.counted.iter().map(count).sum()));
    of_clients.chain(COUNTED_OF_VENUES.map(|name| (name, engine.count(name)))).collect()
}

/// Waits until everything that `counts` returns, except these, is more than it was.
fn wait_until_all_grow(
    engine: &EngineUnderTest,
    before: &[(&str, u64)],
    except: &[&str],
    attackers: &Attackers,
) {
    let told = Cell::new(usize::MAX);
    engine.wait_for("every attack to be counted", PATIENCE, |engine| {
        let counts = counts(engine);
        let pairs = counts.iter().zip(before);
        let grown = pairs.filter(|(now, before)| now.1 <= before.1).map(|(now, _)| now.0);
        let mut waiting: Vec<&str> = grown.filter(|name| !except.contains(name)).collect();
        waiting.extend(attackers.not_told());
        // For whoever reads why the test has waited in vain.
        if told.replace(waiting.len()) != waiting.len() {
            println!("not counted or not told yet: {waiting:?}");
        }
        waiting.is_empty()
    });
}

fn spreads(heard: &[Heard]) -> Vec<HeardSpread> {
    let spread = |heard: &Heard| match heard {
        Heard::Spread(spread) => Some(*spread),
        Heard::Ended(_) | Heard::Status(_) | Heard::Other(_) => None,
    };
    heard.iter().filter_map(spread).collect()
}

#[test]
fn every_attack_at_once_costs_no_quote_no_spread_and_no_row() {
    let simulator = Simulator::start(good_venues()).unwrap();
    let bad = [BadVenue::start(CUT_OFF), BadVenue::start(WITHOUT_END)];
    let mut config = configured(&simulator, Vec::new());
    for (name, bad) in ["binance", "binance-usdm"].into_iter().zip(&bad) {
        config.venues.push(config::Venue::at(name, &bad.url()));
    }
    spreadwire_catalogue::add_by_market(&mut config, of_model(INSTRUMENTS));
    limits(&mut config);
    let engine = EngineUnderTest::launch(config);
    let listener = Listener::join(engine.address(), &engine.plan.catalogue);
    let wanted = (GOOD.len() * INSTRUMENTS) as u64;
    assert!(simulator.wait_until(PATIENCE, |stats| stats.subscriptions() == wanted));
    let scene = Scene { simulator, engine, listener };

    bad.iter().for_each(BadVenue::begin);
    let attackers = Attackers::start(scene.engine.address());
    let nothing: Vec<_> = counts(&scene.engine).iter().map(|(name, _)| (*name, 0)).collect();
    wait_until_all_grow(&scene.engine, &nothing, &[NEVER_READ], &attackers);
    // In the midst of it, another client gets in at its first attempt.
    let late = Listener::join(scene.engine.address(), &scene.engine.plan.catalogue);
    let before = counts(&scene.engine);
    scene.play_to_the_end();
    wait_until_all_grow(&scene.engine, &before, &[], &attackers);

    let made = attackers.stop();
    drop(bad);
    for ((name, after), (_, before)) in counts(&scene.engine).iter().zip(&before) {
        println!("{:>9} {name}", after - before);
    }
    scene.engine.wait_for("every connection to be counted as ended", PATIENCE, |engine| {
        engine.sum("broadcast.disconnected.", "") == made
    });
    let written = frames(&scene.simulator.stats());
    let outcome = scene.end();
    println!("{made} connections of attackers, {written} quotes");
    assert_eq!(written, times(QUOTES));
    assert_eq!(outcome.rows.len() as u64, written);
    outcome.check();
    check_clients(&outcome, &late.leave(), made);
}

/// Both good clients heard every spread; whoever connected has left under one reason.
fn check_clients(outcome: &Outcome, late: &[Heard], made: u64) {
    let heard = spreads(late);
    assert_eq!(heard, spreads(&outcome.heard));
    assert_eq!(heard.len() as u64, outcome.count("calculator.spreads"));
    assert_eq!(outcome.sum("broadcast.disconnected.", ""), made + GOOD_CLIENTS);
    assert_eq!(outcome.count("broadcast.disconnected.shutdown"), GOOD_CLIENTS);
    for failure in ["accept_failures", "no_descriptor", "disconnected.full", "unknown"] {
        assert_eq!(outcome.count(&format!("broadcast.{failure}")), 0, "{failure}");
    }
}
