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
    assert_eq!(status.code().map(i64::from), asked["code"].as_i64());
    let old = json_of(&fixtures().join("analyzer/report.json"));
    let mut new = json_of(&home.path().join("analysis/report.json"));
    for column in new["columns"].as_array_mut().unwrap() {
        *column = json!([column["name"], column["unit"], column["kind"]]);
    }
    for detail in new["details"].as_array_mut().unwrap() {
        detail.as_object_mut().unwrap().retain(|key, _| !key.starts_with("net_"));
    }
    for (key, wanted) in old.as_object().unwrap() {
        assert_eq!(new[key], *wanted, "{key}");
    }
    let read = |folder: PathBuf| {
        recommendations::read(&folder.join("recommendations.toml"), 0).unwrap().pairs
    };
    let (old, new) = (read(fixtures().join("analyzer")), read(home.path().join("analysis")));
    assert!(!old.is_empty());
    // The sentence may be put another way.
    let figures = |pair: &Pair| Pair { reason: String::new(), ..pair.clone() };
    assert_eq!(
        new.iter().map(figures).collect::<Vec<_>>(),
        old.iter().map(figures).collect::<Vec<_>>()
    );
}
