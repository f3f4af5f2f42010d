//! Whole engines with two lines for each venue, of which one is killed.

use exchange_sim::{Fault, FaultKind, ModelOptions, Moment, Source, Speed};
use spreadwire_market::instrument::Listing;
use spreadwire_rigs::pipeline::engine_under_test::PATIENCE;
use spreadwire_rigs::pipeline::lake_rows::Row;
use spreadwire_rigs::pipeline::listener::Key;
use spreadwire_rigs::pipeline::outcome::Outcome;
use spreadwire_rigs::pipeline::scene::{Scene, held, of_model};
use std::collections::BTreeMap;

const SEED: u64 = 11;
const INSTRUMENTS: usize = 2;
/// Quotes of a venue before one of its lines is killed.
const BEFORE: u64 = 200;
/// Spreads to wait for after the killed lines are back.
const AFTERWARDS: usize = 2_000;

/// Plays a small market in which each venue kills one of its two connections.
fn killing() -> exchange_sim::Options {
    println!("seed {SEED}");
    let (seed, rate, instruments) = (SEED, 3_000.0, INSTRUMENTS);
    let model = ModelOptions { seed, rate, instruments, ..ModelOptions::default() };
    let fault = |venue: &str| Fault {
        venue: venue.to_owned(),
        moment: Moment::AfterQuotes(BEFORE),
        kind: FaultKind::DropOne,
    };
    let faults = exchange_sim::venue_names().into_iter().map(fault).collect();
    exchange_sim::Options { faults, ..held(Source::Model(model), Speed::Times(1.0)) }
}

#[test]
fn one_of_two_lines_is_killed_under_load_and_no_quote_is_missing() {
    let scene = Scene::set(killing(), of_model(INSTRUMENTS), |config| {
        config.venues.iter_mut().for_each(|venue| venue.lines = Some(2));
    });
    let lines = 2 * exchange_sim::venue_names().len() as u64;
    let subscribed = scene
        .simulator
        .wait_until(PATIENCE, |stats| stats.subscriptions() == lines * INSTRUMENTS as u64);
    assert!(subscribed, "both lines carry everything: {:?}", scene.simulator.stats());
    scene.simulator.release();
    let killed = |stats: &exchange_sim::Stats| stats.venues.iter().all(|venue| 1 <= venue.faults);
    assert!(scene.simulator.wait_until(PATIENCE, killed), "{:?}", scene.simulator.stats());
    let venues = exchange_sim::venue_names();
    let connects = |venue: &str| format!("feed.{venue}.0.connects");
    scene.engine.wait_for("each killed line to be back", PATIENCE, |engine| {
        venues.iter().all(|venue| engine.count(&connects(venue)) == 3)
    });
    scene.listener.wait_for_more_spreads(AFTERWARDS);
    let outcome = scene.end();
    for ((venue, instrument), mut story) in outcome.stories() {
        // The simulator's end is the only one that anybody hears of.
        assert_eq!(story.pop().unwrap().0, "down");
        story.retain(|(_, reason)| reason != "subscribed");
        let live = ("live".to_owned(), "quote".to_owned());
        assert_eq!(story, [live], "{venue:?} {instrument:?}");
    }
    for (key, written) in numbers_written(&outcome) {
        let mut rows: Vec<u64> =
            outcome.rows.iter().filter(|row| row.key == key).map(number).collect();
        rows.dedup();
        println!("{key:?}: {} numbers", written.len());
        assert!(rows.is_sorted(), "{key:?}: an older quote came behind a newer one");
        let missing: Vec<u64> =
            written.iter().copied().filter(|number| !rows.contains(number)).collect();
        assert_eq!(missing, [0; 0], "{key:?}");
    }
    for venue in venues {
        let copies = outcome.count(&format!("feed.{venue}.0.discarded.copy"));
        let passed = outcome.count(&format!("feed.{venue}.0.quotes"));
        println!("{venue}: {passed} quotes, {copies} copies");
        assert!(0 < copies, "{venue}");
    }
}

fn number(row: &Row) -> u64 {
    row.said.sequence.unwrap()
}

/// Returns the numbers of the quotes that the simulator wrote on any line, in order, by market.
fn numbers_written(outcome: &Outcome) -> BTreeMap<Key, Vec<u64>> {
    let names = outcome.names();
    let mut numbers: BTreeMap<Key, Vec<u64>> = BTreeMap::new();
    for written in &outcome.simulated.written {
        let venue = names.venue_named(written.venue).unwrap();
        let is_it = |l: &&Listing| l.venue == venue && l.symbol == written.symbol;
        let listing = names.listings.iter().find(is_it).unwrap();
        numbers.entry((venue, listing.instrument)).or_default().push(written.sequence);
    }
    // A line that comes back is sent the last quote once more, perhaps behind the next one.
    for numbers in numbers.values_mut() {
        numbers.sort_unstable();
        numbers.dedup();
    }
    numbers
}
