//! A demo that trades on paper, and the replay of its lake: the same opportunities, decisions, orders, fills
//! and profits, line by line; and what a replay says of lakes and configurations that do not fit.

#![allow(clippy::unwrap_used, reason = "a test that cannot prepare its files has failed")]

use serde_json::Value;
use spreadwire_trading::amount::Amount;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

const ENGINE: &str = env!("CARGO_BIN_EXE_spreadwire");

/// A demo that ran for some seconds: its lake, and the configuration that it ran by.
struct Played(TempDir);

impl Played {
    fn new() -> Played {
        let played = Played(tempfile::tempdir().unwrap());
        let words = ["demo", "--for", "4", "--listen", "127.0.0.1:0", "--rate", "2000"];
        let words = words.into_iter().chain(["--lake", "lake", "--save-config", "engine.toml"]);
        let output = played.run(&words.collect::<Vec<_>>());
        assert!(output.status.success(), "{}", text(&output));
        played
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, words: &[&str]) -> Output {
        Command::new(ENGINE).current_dir(&self.0).args(words).output().unwrap()
    }

    fn replay(&self, words: &[&str]) -> Output {
        let all = ["replay", "lake", "--config", "engine.toml"];
        self.run(&all.into_iter().chain(words.iter().copied()).collect::<Vec<_>>())
    }
}

fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Adds up what the journal says of settled deals.
fn profit(entries: &[Value]) -> Amount {
    let settled = entries.iter().filter(|entry| entry["event"] == "settled");
    settled.map(|entry| Amount::parse(entry["profit"].as_str().unwrap()).unwrap()).sum()
}

#[test]
fn a_live_run_and_the_replay_of_its_lake_decide_the_same() {
    let played = Played::new();
    let output = played.replay(&["--compare", "--json", "--out", "again"]);
    assert!(output.status.success(), "{}", text(&output));
    let runs: Value = serde_json::from_slice(&output.stdout).unwrap();
    let run = &runs[0];
    assert_eq!(run["same_as_live"], true, "{run:#}");
    assert!(0 < run["opened"].as_u64().unwrap(), "the demo must lead to decisions: {run:#}");
    let live = lines(&played.path("lake/trading/decisions.jsonl"));
    let deals = live.iter().filter(|entry| entry["event"] == "decided").count();
    assert!(0 < deals, "the demo must lead to deals");
    let status: Value =
        serde_json::from_str(&fs::read_to_string(played.path("lake/trading/status.json")).unwrap())
            .unwrap();
    let told = profit(&live).to_string();
    assert_eq!(
        (&status["profit"], &run["trading"]["profit"]),
        (&told.clone().into(), &told.into())
    );
    // A second replay leaves the same bytes.
    let folder = played.path("again").join(run["run"].as_str().unwrap());
    let read =
        || ["opportunities.jsonl", "decisions.jsonl"].map(|it| fs::read(folder.join(it)).unwrap());
    let first = read();
    assert!(played.replay(&["--out", "again"]).status.success());
    assert!(first == read(), "another replay gives other lines");
    // The comparison itself sees what it should: one digit of one line of the live run.
    let opportunities = fs::read_dir(played.path("lake/opportunities")).unwrap();
    let file = opportunities
        .map(|it| it.unwrap().path())
        .find(|it| it.extension() == Some("jsonl".as_ref()));
    let file = file.unwrap();
    let changed = fs::read_to_string(&file).unwrap().replacen("\"buy_px\":\"", "\"buy_px\":\"1", 1);
    fs::write(&file, changed).unwrap();
    let output = played.replay(&["--compare"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("DIFFERS"), "{}", text(&output));
}

#[test]
fn other_thresholds_give_other_decisions_and_what_does_not_fit_is_told() {
    let played = Played::new();
    let config = fs::read_to_string(played.path("engine.toml")).unwrap();
    let dearer = config.replacen("entry_bps = 5.0", "entry_bps = 100000.0", 1);
    assert_ne!(config, dearer);
    fs::write(played.path("engine.toml"), dearer).unwrap();
    let output = played.replay(&["--json"]);
    let runs: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&runs[0]["opened"], output.status.code()), (&0.into(), Some(0)), "{runs:#}");
    let rows: [(&[&str], i32, &str); 4] = [
        (&["--run", "20200101T000000-000000000"], 1, "20200101T000000-000000000"),
        (&["--from", "yesterday"], 2, "2024-08-08T23:54:00Z"),
        (&["--until", "2001-01-01T00:00:00Z"], 1, "no quotes"),
        (&["--config", "absent.toml"], 2, "the argument '--config"),
    ];
    for (words, code, told) in rows {
        let output = played.replay(words);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {}", text(&output));
        assert!(text(&output).contains(told), "{words:?}: {}", text(&output));
    }
}
