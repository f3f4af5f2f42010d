//! Tests latency files with other programs' readers: the Python port of HdrHistogram reads the
//! interval log and finds the distributions in it, and a demo leaves such files.
//!
//! The Python part needs the package `hdrhistogram`. If it is missing, the test prints that and is
//! skipped, except in CI (`CI=true`), which installs it (`.ci/run`).
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as the tests may")]

use spreadwire_engine::runtime::agent::Agent;
use spreadwire_engine::runtime::stopwatch::{self, Stopwatch};
use spreadwire_engine::telemetry::{Board, Telemetry};
use spreadwire_market::clock::{Clock, MICRO, Nanos, SECOND};
use spreadwire_market::instrument::VenueId;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

const START: Nanos = 1_700_000_000 * SECOND;
const VENUES: [&str; 2] = ["binance", "okx"];
const STAGES: [&str; 2] = ["read_to_quote", "read_to_spread"];

/// Reads a log with the package's reader. Prints one line of JSON for each interval, then for each
/// tag the percentiles over all its intervals.
const READ: &str = r#"
import json, sys
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

reader = HistogramLogReader(sys.argv[1], HdrHistogram(1, 60 * 10**9, 2))
sums = {}
while True:
    interval = reader.get_next_interval_histogram()
    if interval is None:
        break
    tag = interval.get_tag()
    print(json.dumps({
        "tag": tag, "count": interval.get_total_count(),
        "start_ms": interval.get_start_time_stamp(), "end_ms": interval.get_end_time_stamp(),
    }))
    total = sums.setdefault(tag, HdrHistogram(1, 60 * 10**9, 2))
    total.add(interval)
for tag, total in sums.items():
    print(json.dumps({
        "tag": tag, "count": total.get_total_count(), "max": total.get_max_value(),
        "percentiles": [[p, total.get_value_at_percentile(p)] for p in (50, 90, 99, 99.9)],
    }))
"#;

/// Returns the Python package's output for a log; `None`, with a message, if it is not installed.
fn read_by_python(log: &Path) -> Option<Vec<serde_json::Value>> {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let found = Command::new(&python).args(["-c", "import hdrh.histogram"]).output();
    if !found.is_ok_and(|output| output.status.success()) {
        assert!(
            std::env::var("CI").is_err(),
            "CI must have the package: python3 -m pip install hdrhistogram"
        );
        println!(
            "SKIPPED: {python} has no package hdrhistogram (python3 -m pip install hdrhistogram)"
        );
        return None;
    }
    let output = Command::new(&python).args(["-c", READ]).arg(log).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// Records two stages of two venues over three intervals, of which the third is cut short by the
/// end. Returns the number of samples of each tag.
fn write(folder: &Path) -> BTreeMap<String, u64> {
    let clock = Clock::manual(START);
    let venues: Vec<VenueId> = (0..2).map(VenueId).collect();
    let pair = |stage| stopwatch::pair(stage, venues.clone(), clock.clone());
    let (mut watches, readings): (Vec<Stopwatch>, Vec<_>) = STAGES.map(pair).into_iter().unzip();
    let names = VENUES.map(str::to_owned).to_vec();
    let mut telemetry =
        Telemetry::new(readings, names, Board::default(), Some(folder), START).unwrap();
    let mut counts = BTreeMap::new();
    for interval in 1..=3 {
        for (at, watch) in watches.iter_mut().enumerate() {
            for (venue, name) in VENUES.iter().enumerate() {
                // The second venue is silent in the second interval.
                let samples = if (venue, interval) == (1, 2) { 0 } else { 1_000 + 7 * interval };
                for sample in 0..samples {
                    let latency = (1 + at as u64 * 1_000) * MICRO + sample * sample;
                    watch.record(VenueId(u8::try_from(venue).unwrap()), START, START + latency);
                }
                *counts.entry(format!("{}.{name}", STAGES[at])).or_insert(0) += samples;
            }
        }
        if interval < 3 {
            let now = START + interval * SECOND;
            clock.set(now);
            assert_eq!(telemetry.do_work(now), STAGES.len());
            watches.iter_mut().for_each(|watch| watch.turn(now));
            telemetry.do_work(now);
        }
    }
    // A process that is killed now leaves whole lines; nothing waits in memory.
    let log = std::fs::read_to_string(folder.join("latency.hlog")).unwrap();
    assert!(log.ends_with('\n') && log.lines().filter(|l| l.starts_with("Tag=")).count() == 6);
    clock.set(START + 2_500 * SECOND / 1_000);
    watches.iter_mut().for_each(|watch| assert!(watch.finish().is_none()));
    drop(watches);
    telemetry.do_work(START + 2_500 * SECOND / 1_000);
    assert!(telemetry.is_finished());
    telemetry.on_close();
    counts
}

/// Returns value in us and running count by percentile, and the total, of a percentile
/// distribution.
fn distribution(file: &Path) -> (Vec<[f64; 3]>, u64) {
    let text = std::fs::read_to_string(file).unwrap();
    let numbers = |line: &str| -> Option<[f64; 3]> {
        let fields: Option<Vec<f64>> =
            line.split_whitespace().map(|field| field.parse().ok()).collect();
        fields.filter(|fields| 3 <= fields.len()).map(|fields| [fields[0], fields[1], fields[2]])
    };
    let rows = text.lines().filter_map(numbers).collect();
    let total = text.split("Total count    =").nth(1).unwrap();
    let total = total.split(']').next().unwrap().trim().parse().unwrap();
    (rows, total)
}

#[test]
fn the_log_and_the_distributions_say_the_same_to_the_python_package() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("hist");
    let counts = write(&folder);
    for (tag, count) in &counts {
        let (rows, total) = distribution(&folder.join(format!("{tag}.hgrm")));
        let seen = rows.last().unwrap()[2].to_string();
        assert_eq!((total, seen), (*count, count.to_string()), "{tag}");
    }
    for svg in ["latency", STAGES[0], STAGES[1]] {
        let text = std::fs::read_to_string(folder.join(format!("{svg}.svg"))).unwrap();
        assert!(text.contains("<svg") && text.contains("99.9%"), "{svg}");
    }
    let Some(said) = read_by_python(&folder.join("latency.hlog")) else { return };
    let (sums, intervals): (Vec<_>, Vec<_>) = said.iter().partition(|line| line["max"].is_number());
    assert_eq!((intervals.len(), sums.len()), (10, 4), "a silent venue has no line");
    let seconds =
        |value: &serde_json::Value| value.as_f64().unwrap() / 1e3 - (START / SECOND) as f64;
    let spans: Vec<(f64, f64)> = intervals
        .iter()
        .filter(|line| line["tag"] == "read_to_quote.binance")
        .map(|line| (seconds(&line["start_ms"]), seconds(&line["end_ms"])))
        .collect();
    assert_eq!(spans, [(0.0, 1.0), (1.0, 2.0), (2.0, 2.5)]);
    for sum in sums {
        let tag = sum["tag"].as_str().unwrap();
        assert_eq!(sum["count"], counts[tag], "{tag}");
        let (rows, _) = distribution(&folder.join(format!("{tag}.hgrm")));
        for percentile in sum["percentiles"].as_array().unwrap() {
            let [at, theirs] = [&percentile[0], &percentile[1]].map(|v| v.as_f64().unwrap());
            // The file has its own percentile steps; the package's value is within the step around
            // it.
            let above = rows.iter().position(|row| at / 100.0 <= row[1]).unwrap();
            let (low, high) = (rows[above.saturating_sub(1)][0], rows[above][0]);
            let theirs = theirs / 1e3;
            assert!(low * 0.99 <= theirs && theirs <= high * 1.01, "{tag} {at}: {theirs}");
        }
        let max = sum["max"].as_f64().unwrap() / 1e3;
        assert!((rows.last().unwrap()[0] - max).abs() <= max * 0.01, "{tag}: {max}");
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
    assert!(Path::new(&hist).join("latency.svg").is_file());
}
