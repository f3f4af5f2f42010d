//! The Python port of HdrHistogram reads the interval log and finds the distributions in it.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as the tests may")]

mod written;

use spreadwire_kit::needs::{Need, python, tests};
use spreadwire_market::clock::SECOND;
use std::path::Path;
use std::process::Command;
use written::{START, distribution, write};

fn main() -> std::process::ExitCode {
    let python = Need::Python(&["hdrh.histogram"]);
    spreadwire_kit::needs::run(tests![
        the_log_and_the_distributions_say_the_same_to_the_python_package: [python],
    ])
}

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

/// Returns the Python package's output for a log.
fn read_by_python(log: &Path) -> Vec<serde_json::Value> {
    let output = Command::new(python()).args(["-c", READ]).arg(log).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn the_log_and_the_distributions_say_the_same_to_the_python_package() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("hist");
    let counts = write(&folder);
    let said = read_by_python(&folder.join("latency.hlog"));
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
