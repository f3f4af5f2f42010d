//! Tests the latency files: an interval log, distributions and plots, of a run with known latencies
//! and of a demo. `outside.rs` reads the log with the Python port of HdrHistogram.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as the tests may")]

#[allow(dead_code, reason = "the test in Python needs the rest")]
mod written;

use std::path::Path;
use std::process::Command;
use written::{distribution, write};

#[test]
fn every_stage_has_its_distributions() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("hist");
    let counts = write(&folder);
    for (tag, count) in &counts {
        let (rows, total) = distribution(&folder.join(format!("{tag}.hgrm")));
        let seen = rows.last().unwrap()[2].to_string();
        assert_eq!((total, seen), (*count, count.to_string()), "{tag}");
    }
}

#[test]
fn a_demo_leaves_latencies_of_every_stage_and_venue() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let (hist, lake, summary) = (path("hist"), path("lake"), path("summary.json"));
    let usual = ["demo", "--listen", "127.0.0.1:0", "--for", "2", "--lake", &lake];
    let mut command = Command::new(env!("CARGO_BIN_EXE_spreadwire"));
    let output =
        command.args(usual).args(["--hist", &hist, "--summary", &summary]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let summary = std::fs::read_to_string(summary).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    let stages =
        ["quote", "spread", "decision", "broadcast", "journal"].map(|s| format!("read_to_{s}"));
    for stage in &stages {
        let venues = summary["latency_ns_by_venue"][stage].as_object().unwrap();
        let names: Vec<&str> = venues.keys().map(String::as_str).collect();
        assert_eq!(names, ["binance", "binance-usdm", "bybit", "okx"], "{stage}");
        let sum: u64 = venues.values().map(|venue| venue["count"].as_u64().unwrap()).sum();
        assert_eq!(summary["latency_ns"][stage]["count"], sum, "{stage}");
        for (venue, latency) in venues {
            let file = format!("{hist}/{stage}.{venue}.hgrm");
            assert_eq!(latency["count"], distribution(Path::new(&file)).1, "{file}");
        }
    }
    let quotes = &summary["totals"]["quotes"];
    assert_eq!(&summary["latency_ns"]["read_to_quote"]["count"], quotes, "not one is left out");
    let log = std::fs::read_to_string(format!("{hist}/latency.hlog")).unwrap();
    let tags =
        |tag: &str| log.lines().filter(|line| line.starts_with(&format!("Tag={tag},"))).count();
    assert!(1 < tags("read_to_spread.binance") && 1 < tags("read_to_journal.okx"), "intervals");
    for svg in ["latency", stages[0].as_str(), stages[4].as_str()] {
        let text = std::fs::read_to_string(format!("{hist}/{svg}.svg")).unwrap();
        assert!(text.contains("<svg") && text.contains("99.9%"), "{svg}");
    }
}
