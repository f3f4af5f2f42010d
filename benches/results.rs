//! Results as JSON lines for `report`: every bench appends them to the file in
//! `SPREADWIRE_RESULTS`.
//!
//! A line is either `{"header":{..}}`, which describes software and machine, or a row: `bench`,
//! `case`, `who`, `unit`, quantiles, and `ratio_p50` if the row is compared with the yardstick of
//! its case. Without the variable nothing is written.

use serde_json::{Map, Value, json};
use spreadwire_engine::runtime::latency::Latency;
use std::io::Write;

/// Environment variable with the file's path.
const VARIABLE: &str = "SPREADWIRE_RESULTS";

/// Quantiles of a row.
pub const QUANTILES: [(&str, f64); 5] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999)];

/// Appends a line, if a file is configured.
///
/// # Panics
/// If the file cannot be written: a lost result must not look like one that was never requested.
pub fn append(line: &Value) {
    let Some(path) = std::env::var_os(VARIABLE) else { return };
    let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
    let written = file.and_then(|mut file| writeln!(file, "{line}"));
    assert!(written.is_ok(), "{VARIABLE}={}: {written:?}", path.display());
}

/// Appends a row of a bench that computes its own quantiles; `ratio` is relative to the first row
/// of its case.
pub fn append_quantiles(
    [bench, case, who, unit]: [&str; 4],
    [p50, p90, p99]: [f64; 3],
    ratio: f64,
) {
    append(&json!({
        "bench": bench, "case": case, "who": who, "unit": unit,
        "p50": p50, "p90": p90, "p99": p99, "ratio_p50": ratio,
    }));
}

/// Returns a row for a distribution in ns: the quantiles that it has enough samples for, the
/// maximum and the count.
pub fn row(bench: &str, case: &str, who: &str, latency: &Latency) -> Map<String, Value> {
    let mut row = Map::new();
    for (key, text) in [("bench", bench), ("case", case), ("who", who), ("unit", "ns")] {
        row.insert(key.to_owned(), json!(text));
    }
    for (name, quantile) in QUANTILES {
        if let Some(value) = at(latency, quantile) {
            row.insert(name.to_owned(), json!(value));
        }
    }
    row.insert("max".to_owned(), json!(latency.max()));
    row.insert("count".to_owned(), json!(latency.count()));
    row
}

/// Returns the value at a quantile; `None` if there are too few samples beyond it.
pub fn at(latency: &Latency, quantile: f64) -> Option<u64> {
    let beyond = latency.count() as f64 * (1.0 - quantile);
    (1.0 - 1e-9 <= beyond).then(|| latency.quantile(quantile))
}

/// Appends a row with its ratios to the yardstick's quantiles.
pub fn append_compared(mut row: Map<String, Value>, latency: &Latency, yardstick: &Latency) {
    for (name, quantile) in [("ratio_p50", 0.5), ("ratio_p99", 0.99)] {
        let ratio = latency.quantile(quantile) as f64 / yardstick.quantile(quantile).max(1) as f64;
        row.insert(name.to_owned(), json!(ratio));
    }
    append(&Value::Object(row));
}
