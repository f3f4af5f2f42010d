//! Captured frames, played to another engine, give the same lake. `outside/pipeline.rs` compares
//! them with what the venues wrote.

use exchange_sim::{FramesOptions, Source, Speed};
use serde_json::Value;
use spreadwire_rigs::pipeline::captured::{QUOTES, captured, play};
use spreadwire_rigs::pipeline::lake_rows::{Row, Said};
use spreadwire_rigs::pipeline::listener::Key;
use spreadwire_rigs::pipeline::scene::held;
use std::collections::BTreeMap;

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
