//! Captured frames, played to another engine, give the same lake. `outside/pipeline.rs` compares
//! them with what the venues wrote.

use crate::engine_under_test::{PATIENCE, Scene, held, of_model, on_two_threads};
use crate::lake_rows::{Row, Said};
use crate::listener::Key;
use crate::outcome::Outcome;
use exchange_sim::{Fault, FaultKind, FramesOptions, ModelOptions, Moment, Source, Speed};
use serde_json::Value;
use spreadwire_config::config::Config;
use std::collections::BTreeMap;

const SEED: u64 = 31;
const QUOTES: u64 = 6_000;
const INSTRUMENTS: usize = 5;

/// Plays until the engine has used every quote.
fn play(options: exchange_sim::Options, capture: bool) -> Outcome {
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
pub(crate) fn captured() -> Outcome {
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

/// Returns the venue's messages and the recorded ones, in order, by market.
fn told(rows: &[Row]) -> BTreeMap<Key, Vec<(Said, u8)>> {
    let mut told: BTreeMap<Key, Vec<(Said, u8)>> = BTreeMap::new();
    for row in rows {
        told.entry(row.key).or_default().push((row.said, row.flags));
    }
    told
}

#[test]
fn captured_frames_played_again_give_the_same_rows() {
    let first = captured();
    let capture = first.ended.plan.lake.join("capture");
    let venues = exchange_sim::venue_names();
    assert_eq!(first.count("capture.frames"), first.sum("feed.", ".frames"));
    assert_eq!(first.count("capture.dropped") + first.sum("feed.", ".uncaptured"), 0);
    let totals = &first.ended.summary.to_json()["totals"];
    assert_eq!(
        (&totals["captured"], &totals["not_captured"]),
        (&totals["frames"], &Value::from(0))
    );
    first.check();

    let frames = FramesOptions::captured(&capture, &venues).unwrap();
    let again = play(held(Source::Frames(frames), Speed::Max), false);
    assert_eq!(again.simulated.stats.problem, None);
    assert_eq!(again.simulated.stats.lost, 0);
    assert!(told(&again.rows) == told(&first.rows), "the same rows of each market");
    assert_eq!(first.rows.len() as u64, QUOTES);
}
