//! Captured frames are what the venues wrote; played to another engine, they give the same lake.

use crate::engine_under_test::{PATIENCE, Scene, held, of_model, on_two_threads};
use crate::lake_rows::{Row, Said};
use crate::listener::Key;
use crate::outcome::Outcome;
use exchange_sim::{Fault, FaultKind, FramesOptions, ModelOptions, Moment, Source, Speed, Written};
use serde_json::Value;
use spreadwire_config::config::Config;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

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
fn captured() -> Outcome {
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

/// Symbol, bid, its size, ask, its size, sequence.
type Quote = (String, [String; 4], u64);

/// Reads a frame by the venues' documents, without the engine; `None` if it is not a quote.
fn quote_in(venue: &str, frame: &str) -> Option<Quote> {
    let frame: Value = serde_json::from_str(frame).ok()?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let level = |side: &Value| Some([text(&side[0][0])?, text(&side[0][1])?]);
    let (symbol, [bid, ask], sequence) = match venue {
        "binance" | "binance-usdm" => {
            let data = frame.get("data").unwrap_or(&frame);
            let side = |px: &str, sz: &str| Some([text(&data[px])?, text(&data[sz])?]);
            (&data["s"], [side("b", "B")?, side("a", "A")?], &data["u"])
        }
        "bybit" => {
            let data = &frame["data"];
            (&data["s"], [level(&data["b"])?, level(&data["a"])?], &data["u"])
        }
        "okx" => {
            let data = &frame["data"][0];
            let sides = [level(&data["bids"])?, level(&data["asks"])?];
            (&frame["arg"]["instId"], sides, &data["seqId"])
        }
        other => panic!("what does {other} write?"),
    };
    let ([bid, bid_qty], [ask, ask_qty]) = (bid, ask);
    Some((text(symbol)?, [bid, bid_qty, ask, ask_qty], sequence.as_u64()?))
}

fn quote_of(written: &Written) -> Quote {
    let Written { symbol, bid, bid_qty, ask, ask_qty, sequence, .. } = written.clone();
    (symbol, [bid, bid_qty, ask, ask_qty], sequence)
}

/// Returns the lines of a venue's files, read with the zstd command.
fn lines(capture: &Path, venue: &str) -> Vec<String> {
    let folder = capture.join(format!("exchange={}", venue.replace('-', "_")));
    let command = format!("zstd -dcq {}/date=*/*.frames.zst", folder.display());
    let output = Command::new("sh").args(["-c", &command]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
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
fn captured_frames_are_those_written_and_played_again_give_the_same_rows() {
    let first = captured();
    let capture = first.ended.plan.journal.lake.join("capture");
    let venues = exchange_sim::venue_names();
    let has_zstd = Command::new("zstd").arg("--version").output().is_ok();
    for venue in venues.iter().filter(|_| has_zstd) {
        check_lines(&first, venue, &lines(&capture, venue));
    }
    if !has_zstd {
        println!("skipped: lines are not read without the zstd command");
    }
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

/// Checks that the quotes among the lines are those written, and the other lines the other received
/// frames.
fn check_lines(outcome: &Outcome, venue: &str, lines: &[String]) {
    let parts = |line: &String| {
        let (ns, frame) = line.split_once(' ').unwrap();
        (ns.parse::<u64>().unwrap(), frame.to_owned())
    };
    let lines: Vec<(u64, String)> = lines.iter().map(parts).collect();
    assert!(lines.is_sorted_by_key(|(ns, _)| *ns), "in the order of receiving");
    let quotes: Vec<Quote> = lines.iter().filter_map(|(_, frame)| quote_in(venue, frame)).collect();
    let written = outcome.simulated.written.iter().filter(|written| written.venue == venue);
    let written: Vec<Quote> = written.map(quote_of).collect();
    let differing = quotes.iter().zip(&written).find(|(line, written)| line != written);
    assert_eq!(differing, None, "a line of {venue}, and what was written");
    assert_eq!(quotes.len(), written.len(), "quotes of {venue}");
    let received = outcome.count(&format!("feed.{venue}.0.frames"));
    assert_eq!(lines.len() as u64, received, "lines of {venue}");
    let is_json = |frame: &str| serde_json::from_str::<Value>(frame).is_ok();
    let garbage = lines.iter().filter(|(_, frame)| !is_json(frame)).count();
    assert_eq!(garbage, 1, "the rejected frame of {venue} is kept");
}
