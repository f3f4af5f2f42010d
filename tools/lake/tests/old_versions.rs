//! Lakes of version 0.1, processed by this version: verified, counted, exported, recovered and
//! compacted as before.
//!
//! `data/README.md` describes how they were made. Beside each lake is the output of version 0.1
//! itself, and `expected.json` has sums over its quotes by independent readers.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its fixtures has failed")]

use indicatif::ProgressBar;
use lake::compact::{Work, compact};
use serde_json::{Value, json};
use spreadwire_lake::layout::HOUR;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const LAKES: [&str; 5] = ["complete", "compacted", "faults", "killed", "perpetual"];
/// Number of decimals of all instruments of these lakes.
const PRICE_SCALE: usize = 2;
const SIZE_SCALE: usize = 8;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/fixtures/version-0.1")
}

fn json_of(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Returns the old tool's output about a lake.
fn told(lake: &str) -> Value {
    json_of(&fixtures().join(format!("lakes/{lake}.json")))
}

/// Returns what other readers found in a lake.
fn expected(lake: &str) -> Value {
    json_of(&fixtures().join("expected.json"))["lakes"][lake].clone()
}

/// Returns a copy of a lake that may be changed.
fn copy_of(lake: &str) -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("lake");
    copy(&fixtures().join("lakes").join(lake), &path);
    (home, path)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Runs the tool and returns its exit code and output.
fn run(arguments: &[&str], lake: &Path) -> (i32, String) {
    let (command, more) = arguments.split_first().unwrap();
    let mut tool = Command::new(env!("CARGO_BIN_EXE_lake"));
    let output = tool.arg(command).arg(lake).args(more).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

fn run_json(command: &str, lake: &Path) -> (i32, Value) {
    let (code, text) = run(&[command, "--json"], lake);
    (code, serde_json::from_str(&text).unwrap())
}

/// Returns a verdict without its sentences, which may be worded differently, and without the
/// provenance of runs and the errors of clocks, which the old version did not know. Gaps and findings
/// of the same time may come in any order.
fn facts(verdict: &Value) -> Value {
    let mut facts = verdict.clone();
    for finding in facts["findings"].as_array_mut().unwrap() {
        assert!(finding["text"].take().is_string());
    }
    for run in facts["runs"].as_array_mut().unwrap() {
        run.as_object_mut().unwrap().remove("provenance");
    }
    facts.as_object_mut().unwrap().remove("clock_errors");
    for list in ["findings", "gaps"] {
        facts[list].as_array_mut().unwrap().sort_by_key(Value::to_string);
    }
    facts["notes"] = json!(verdict["notes"].as_array().unwrap().len());
    facts
}

#[test]
fn old_lakes_are_verified_as_by_the_old_version() {
    for lake in LAKES {
        let (_home, path) = copy_of(lake);
        let (code, verdict) = run_json("verify", &path);
        let key = if lake == "killed" { "verify_before" } else { "verify" };
        assert_eq!(facts(&verdict), facts(&told(lake)[key]), "{lake}");
        let complete = !["faults", "killed"].contains(&lake);
        assert_eq!(
            (code == 0, verdict["complete"].as_bool()),
            (complete, Some(complete)),
            "{lake}"
        );
    }
}

#[test]
fn a_file_that_was_lost_from_an_old_lake_is_found_missing() {
    let (_home, path) = copy_of("complete");
    let wanted = expected("complete")["quotes"]["okx BTC/USDT"]["rows"].as_u64().unwrap();
    fs::remove_dir_all(path.join("exchange=okx/symbol=BTC#USDT")).unwrap();
    let (code, verdict) = run_json("verify", &path);
    assert_eq!((code, &verdict["complete"]), (1, &json!(false)));
    let findings = verdict["findings"].as_array().unwrap();
    assert!(findings.iter().all(|finding| finding["problem"] == "missing"), "{findings:?}");
    let nowhere = findings.iter().filter(|finding| finding["numbers"] != json!([]));
    assert_eq!(nowhere.map(|finding| finding["rows"].as_u64().unwrap()).sum::<u64>(), wanted);
}

/// A folder of `miscounted/` has the complete lake's file of counts with one counter lowered by
/// one.
#[test]
fn the_counts_of_an_old_ledger_are_compared() {
    let folders = fs::read_dir(fixtures().join("miscounted")).unwrap();
    let folders: Vec<PathBuf> = folders.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(folders.len(), 5);
    for folder in folders {
        let (_home, path) = copy_of("complete");
        let counts = files_of(&path.join("ledger"), "-counts.");
        let [old] = &counts[..] else { panic!("{counts:?}") };
        fs::remove_file(old).unwrap();
        let [new] = &files_of(&folder, "-counts.")[..] else { panic!("{folder:?}") };
        fs::copy(new, old.with_file_name(new.file_name().unwrap())).unwrap();
        let (code, verdict) = run_json("verify", &path);
        let findings = verdict["findings"].as_array().unwrap();
        let missing = findings.iter().all(|finding| finding["problem"] == "missing");
        assert!(code == 1 && !findings.is_empty() && missing, "{folder:?}: {verdict}");
    }
}

/// Returns the files below a folder whose names contain `part`.
fn files_of(folder: &Path, part: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(files_of(&path, part));
        } else if path.file_name().unwrap().to_str().unwrap().contains(part) {
            found.push(path);
        }
    }
    found
}

#[test]
fn old_lakes_have_the_rows_files_and_bytes_that_they_had() {
    for lake in LAKES {
        let (_home, path) = copy_of(lake);
        let before = if lake == "killed" { "stats_before" } else { "stats" };
        assert_eq!(run_json("stats", &path), (0, told(lake)[before].clone()), "{lake}");
    }
}

/// Returns the digits of a decimal as an integer in units of 10^-scale.
fn units(text: &str, scale: usize) -> i128 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    assert!(fraction.len() <= scale, "{text} has more than {scale} decimals");
    format!("{whole}{fraction:0<scale$}").parse().unwrap()
}

/// Returns sums over all quotes of a lake by venue and instrument, computed from the output of
/// `lake export`.
fn sums(lake: &Path) -> BTreeMap<String, [i128; 5]> {
    let (code, text) = run(&["export", "--to", "csv"], lake);
    assert_eq!(code, 0);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let wanted = "recv_ts_ns,exch_ts_ns,venue,symbol,bid,bid_qty,ask,ask_qty";
    assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>().join(","), wanted);
    let mut sums: BTreeMap<String, [i128; 5]> = BTreeMap::new();
    for row in reader.records().map(Result::unwrap) {
        let sum = sums.entry(format!("{} {}", &row[2], &row[3])).or_default();
        let [bid, bid_size, ask, ask_size] =
            [(4, PRICE_SCALE), (5, SIZE_SCALE), (6, PRICE_SCALE), (7, SIZE_SCALE)]
                .map(|(column, scale)| units(&row[column], scale));
        for (sum, value) in sum.iter_mut().zip([1, bid, ask, bid_size, ask_size]) {
            *sum += value;
        }
    }
    sums
}

/// Returns the same sums by other readers, of sealed and of unsealed quotes.
fn expected_sums(lake: &str, parts: &[&str]) -> BTreeMap<String, [i128; 5]> {
    let mut sums: BTreeMap<String, [i128; 5]> = BTreeMap::new();
    let expected = expected(lake);
    for (name, found) in parts.iter().flat_map(|part| expected[*part].as_object().unwrap()) {
        let text = |key: &str| found[key].as_str().unwrap().parse::<i128>().unwrap();
        let rows = i128::from(found["rows"].as_u64().unwrap());
        let values = [rows, text("bids"), text("asks"), text("bid_sizes"), text("ask_sizes")];
        let sum = sums.entry(name.clone()).or_default();
        sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
    }
    sums
}

#[test]
fn every_quote_of_an_old_lake_is_exported() {
    for lake in LAKES {
        let (_home, path) = copy_of(lake);
        let found = sums(&path);
        assert!(!found.is_empty());
        assert_eq!(found, expected_sums(lake, &["quotes"]), "{lake}");
    }
}

#[test]
fn a_killed_run_of_the_old_version_is_recovered() {
    let (_home, path) = copy_of("killed");
    let wanted = told("killed");
    assert_eq!(run_json("recover", &path), (0, wanted["recover"].clone()));
    let (code, verdict) = run_json("verify", &path);
    assert_eq!((code, &verdict["complete"]), (0, &json!(true)), "{verdict}");
    for key in ["runs", "gaps", "findings"] {
        assert_eq!(verdict[key], wanted["verify"][key], "{key}");
    }
    let rows = |verdict: &Value| -> BTreeMap<String, (Value, Value, Value)> {
        let tables = verdict["tables"].as_object().unwrap().iter();
        let sum =
            |sum: &Value| (sum["rows"].clone(), sum["first_ns"].clone(), sum["last_ns"].clone());
        tables.map(|(name, table)| (name.clone(), sum(table))).collect()
    };
    assert_eq!(rows(&verdict), rows(&wanted["verify"]));
    assert_eq!(sums(&path), expected_sums("killed", &["quotes", "unsealed"]));
}

#[test]
fn an_old_lake_is_compacted_with_its_ledger_and_stays_complete() {
    for lake in ["complete", "perpetual"] {
        let (_home, path) = copy_of(lake);
        let last = told(lake)["verify"]["tables"]["quotes"]["last_ns"].as_u64().unwrap();
        let now = last + 48 * HOUR;
        let work = Work { lake: &path, now, date: None, min_files: 2, closed_for: 0 };
        let outcome = compact(&work, &ProgressBar::hidden(), &mut |_| Ok(())).unwrap();
        let folders: Vec<&str> = outcome.merged.iter().map(|m| m.folder.as_str()).collect();
        assert!(folders.iter().any(|folder| folder.starts_with("ledger/")), "{outcome:?}");
        assert!(outcome.left_alone.is_empty(), "{outcome:?}");
        let (code, verdict) = run_json("verify", &path);
        assert_eq!((code, &verdict["complete"]), (0, &json!(true)), "{verdict}");
        assert_eq!(sums(&path), expected_sums(lake, &["quotes"]), "{lake}");
    }
}
