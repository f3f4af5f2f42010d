//! A lake of version 0.1 is analysed as version 0.1 analysed it: figures whose meaning has not changed are
//! the same, and the pairs are the same.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its fixtures has failed")]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/fixtures/version-0.1")
}

fn json_of(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Beginnings of the names of columns that mean what they meant. Clock offsets do not: they are of quotes
/// that changed a price now.
const SAME: [&str; 13] = [
    "deviation_",
    "net_",
    "time_above_",
    "episodes_",
    "duration_p",
    "peak_",
    "size_mean_",
    "arrived_",
    "met_bps_",
    "rows",
    "silences",
    "marked_gaps",
    "crossed",
];
/// Number of the compatible columns, which come first.
const COMPATIBLE: usize = 26;

/// Returns a cell of the old report as a CSV file has it.
fn text(cell: &Value) -> String {
    match cell {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => cell.to_string(),
    }
}

#[test]
fn figures_of_an_old_lake_are_the_old_ones() {
    let home = tempfile::tempdir().unwrap();
    let lake = fixtures().canonicalize().unwrap().join("lakes/complete");
    std::os::unix::fs::symlink(lake, home.path().join("lake")).unwrap();
    let asked = json_of(&fixtures().join("analyzer/arguments.json"));
    let mut arguments: Vec<&str> =
        asked["arguments"].as_array().unwrap().iter().map(|a| a.as_str().unwrap()).collect();
    // The figures of all pairs are in the table, for which version 0.1 did not ask.
    let format = arguments.iter().position(|argument| *argument == "--format").unwrap();
    arguments[format + 1] = "csv";
    let mut command = Command::new(env!("CARGO_BIN_EXE_analyzer"));
    command.arg("lake").args(arguments).current_dir(home.path());
    let status = command.stdout(Stdio::null()).status().unwrap();
    // Version 0.1 ended with 0 whatever the ledger said of the day.
    assert_eq!((status.code(), asked["code"].as_i64()), (Some(3), Some(0)));
    let old = json_of(&fixtures().join("analyzer/report.json"));
    let mut table =
        csv::Reader::from_path(home.path().join("analysis/latest/ranking.csv")).unwrap();
    let names = table.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    let mut compared = 0;
    for pair in old["pairs"].as_array().unwrap() {
        let cells = pair["cells"].as_array().unwrap();
        let is_it = |row: &&csv::StringRecord| (0..3).all(|at| row[at] == text(&cells[at]));
        let row = rows.iter().find(is_it).unwrap();
        for (at, (column, cell)) in old["columns"].as_array().unwrap().iter().zip(cells).enumerate()
        {
            let name = column[0].as_str().unwrap();
            if COMPATIBLE <= at && !SAME.iter().any(|begin| name.starts_with(begin)) {
                continue;
            }
            let place =
                names.iter().position(|it| it == name).unwrap_or_else(|| panic!("no {name}"));
            let (found, wanted) = (&row[place], text(cell));
            let numbers = found.parse::<f64>().ok().zip(wanted.parse::<f64>().ok());
            // The last digit of a number may get lost where the old report is read.
            let is_near = |(a, b): (f64, f64)| a.to_bits().abs_diff(b.to_bits()) <= 1;
            let is_same = numbers.map_or(*found == wanted, is_near);
            assert!(is_same, "{name} of {:?}: {found} is not {wanted}", &cells[..3]);
            compared += 1;
        }
    }
    assert_eq!(rows.len(), old["pairs"].as_array().unwrap().len());
    assert!(COMPATIBLE * rows.len() < compared, "{compared} figures compared");
}
