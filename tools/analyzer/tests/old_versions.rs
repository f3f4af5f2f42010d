//! A lake of version 0.1 is analysed as version 0.1 analysed it: the same report and the same
//! recommendations, but for when they were made.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its fixtures has failed")]

use serde_json::{Value, json};
use spreadwire_market::recommendations::{self, Pair};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/fixtures/version-0.1")
}

fn json_of(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Whether a figure is one of a time: that of the lake's ledger now, that from the first quote to the
/// last in version 0.1.
fn is_rate(name: &str) -> bool {
    ["capture_per_day", "live_share", "rank_"].iter().any(|begin| name.starts_with(begin))
}

/// Returns a report without the figures of a time.
fn without_rates(mut report: Value) -> Value {
    let names: Vec<String> = report["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| column[0].as_str().unwrap().to_owned())
        .collect();
    for pair in report["pairs"].as_array_mut().unwrap() {
        for (cell, name) in pair["cells"].as_array_mut().unwrap().iter_mut().zip(&names) {
            if is_rate(name) {
                *cell = Value::Null;
            }
        }
    }
    for detail in report["details"].as_array_mut().unwrap() {
        detail.as_object_mut().unwrap().remove("hours");
        for episodes in detail["episodes"].as_array_mut().unwrap() {
            episodes.as_object_mut().unwrap().remove("capture");
        }
    }
    report
}

#[test]
fn the_report_of_an_old_lake_is_the_old_report() {
    let home = tempfile::tempdir().unwrap();
    // The report names the lake as it was given.
    std::os::unix::fs::symlink(
        fixtures().canonicalize().unwrap().join("lakes/complete"),
        home.path().join("lake"),
    )
    .unwrap();
    let asked = json_of(&fixtures().join("analyzer/arguments.json"));
    let arguments = asked["arguments"].as_array().unwrap().iter().map(|a| a.as_str().unwrap());
    let mut command = Command::new(env!("CARGO_BIN_EXE_analyzer"));
    command.arg("lake").args(arguments).current_dir(home.path());
    let status = command.stdout(Stdio::null()).status().unwrap();
    // Version 0.1 ended with 0 whatever the ledger said of the day.
    assert_eq!((status.code(), asked["code"].as_i64()), (Some(3), Some(0)));
    let old = json_of(&fixtures().join("analyzer/report.json"));
    let mut new = json_of(&home.path().join("analysis/report.json"));
    for column in new["columns"].as_array_mut().unwrap() {
        *column = json!([column["name"], column["unit"], column["kind"]]);
    }
    for detail in new["details"].as_array_mut().unwrap() {
        detail.as_object_mut().unwrap().retain(|key, _| !key.starts_with("net_"));
    }
    let old = without_rates(old);
    let new = without_rates(new);
    for (key, wanted) in old.as_object().unwrap() {
        assert_eq!(new[key], *wanted, "{key}");
    }
    let read = |folder: PathBuf| {
        recommendations::read(&folder.join("recommendations.toml"), 0).unwrap().pairs
    };
    let (old, new) = (read(fixtures().join("analyzer")), read(home.path().join("analysis")));
    assert!(!old.is_empty());
    // The sentence may be put another way.
    let figures = |pair: &Pair| {
        let mut evidence = pair.evidence.clone();
        evidence.retain(|name, _| !is_rate(name));
        Pair { reason: String::new(), capture_per_day: 0.0, evidence, ..pair.clone() }
    };
    assert_eq!(
        new.iter().map(figures).collect::<Vec<_>>(),
        old.iter().map(figures).collect::<Vec<_>>()
    );
}
