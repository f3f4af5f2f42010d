//! A whole market at full speed: the model on all venues.

use crate::engine_under_test::{Scene, frames, held, of_model, on_two_threads};
use crate::outcome::Outcome;
use exchange_sim::{ModelOptions, Source, Speed};
use spreadwire_config::config;

const SEED: u64 = 7;
pub(crate) const QUOTES: u64 = 20_000;

/// Plays the model on every venue as fast as the engine accepts it, with a volatile basis.
pub(crate) fn model(quotes: u64) -> Outcome {
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

#[test]
fn market_model_comes_through_to_the_last_row() {
    let outcome = model(QUOTES);
    assert_eq!(frames(&outcome.simulated.stats), QUOTES);
    assert_eq!(outcome.rows.len() as u64, QUOTES);
    assert_eq!(outcome.stories().len(), 80, "20 instruments on 4 venues");
    outcome.check();
    let lines = outcome.opportunities();
    let closed_by = |reason: &str| lines.iter().filter(|line| line["reason"] == reason).count();
    println!("{} messages, {} lines of opportunities", outcome.heard.len(), lines.len());
    assert!(20 < lines.len(), "the market must lead to decisions, not {}", lines.len());
    assert!(0 < closed_by("exit"), "some close by themselves");
    // Spot against perpetual is compared under a name that says so, in decisions and in the lake.
    let spans =
        |line: &serde_json::Value| line["instrument"].as_str().unwrap().ends_with(":SPOT-PERP");
    assert!(lines.iter().all(spans));
    for venue in ["binance", "binance_usdm"] {
        let folder = format!("exchange={venue}/symbol=BTC#USDT:SPOT-PERP");
        assert!(outcome.ended.plan.lake.join(&folder).is_dir(), "{folder}");
    }
}
