//! A market whose frames are captured.

use crate::pipeline::engine_under_test::PATIENCE;
use crate::pipeline::outcome::Outcome;
use crate::pipeline::scene::{Scene, held, of_model, on_two_threads};
use exchange_sim::{Fault, FaultKind, ModelOptions, Moment, Source, Speed};
use spreadwire_config::config::Config;

const SEED: u64 = 31;
pub const QUOTES: u64 = 6_000;
pub const INSTRUMENTS: usize = 5;

/// Plays until the engine has used every quote.
pub fn play(options: exchange_sim::Options, capture: bool) -> Outcome {
    let edit = |config: &mut Config| {
        on_two_threads(config, &["feed", "calculator", "decision"]);
        config.capture.enabled = capture;
    };
    let scene = Scene::set(options, of_model(INSTRUMENTS), edit);
    scene.simulator.release();
    let finished = scene.simulator.wait_finished(PATIENCE);
    assert!(finished, "the source ends: {:?}", scene.simulator.stats());
    // Not all recorded frames are quotes, so the simulator does not know how many quotes there are.
    scene.engine.wait_for("every quote to be used", PATIENCE, |engine| {
        engine.count("calculator.quotes") == QUOTES
    });
    scene.end()
}

/// Captures what the venues wrote, including a frame that is rejected.
pub fn captured() -> Outcome {
    println!("seed {SEED}");
    let model = ModelOptions { seed: SEED, instruments: INSTRUMENTS, ..ModelOptions::default() };
    let garbage = |venue: &str| Fault {
        venue: venue.to_owned(),
        moment: Moment::AfterQuotes(100),
        kind: FaultKind::Garbage,
    };
    let faults = exchange_sim::venue_names().into_iter().map(garbage).collect();
    let held = held(Source::Model(model), Speed::Max);
    play(exchange_sim::Options { limit: Some(QUOTES), faults, ..held }, true)
}
