//! The model on all venues, at full speed.

use crate::pipeline::outcome::Outcome;
use crate::pipeline::scene::{Scene, held, of_model, on_two_threads};
use exchange_sim::{ModelOptions, Source, Speed};
use spreadwire_config::config;

const SEED: u64 = 7;
pub const QUOTES: u64 = 20_000;

/// Plays the model on every venue as fast as the engine accepts it, with a volatile basis.
pub fn model(quotes: u64) -> Outcome {
    println!("seed {SEED}");
    let model = ModelOptions { seed: SEED, shocks_per_minute: 1_200.0, ..ModelOptions::default() };
    let options =
        exchange_sim::Options { limit: Some(quotes), ..held(Source::Model(model), Speed::Max) };
    let scene = Scene::set(options, of_model(20), |config| {
        on_two_threads(config, &["feed", "calculator", "decision"]);
        config.decision = config::Decision {
            cooldown_ms: 20,
            entry_bps: 4.0,
            exit_bps: 0.5,
            ..config::Decision::default()
        };
        // Several segments are sealed while the market plays.
        config.journal.segment_records = 3_000;
    });
    scene.play_to_the_end();
    scene.end()
}
