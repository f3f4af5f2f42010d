//! What became of a file, for people and as JSON.

use super::format::Format;
use super::refusal::Refusal;
use super::survey::Surveyed;
use super::time::Clock;
use serde_json::json;
use spreadwire_lake::run::RunId;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Maximum number of refused rows of a file that are listed.
const NAMED_MAX: usize = 5;

/// Outcome of one file.
#[derive(Debug)]
pub struct Outcome {
    /// Path of the file.
    pub file: PathBuf,
    /// The format that it was read as.
    pub format: &'static Format,
    /// How the times of receiving and of the event were read; `None` if there are none.
    pub clocks: [Option<Clock>; 2],
    /// Its run in the ledger.
    pub run: RunId,
    /// Number of rows in the lake.
    pub rows: u64,
    /// Number of rows that were refused, by reason.
    pub refused: BTreeMap<Refusal, u64>,
    /// Place and reason of the first refused rows.
    pub named: Vec<(u64, Refusal)>,
    /// What was passed over because it is not about quotes.
    pub passed_over: BTreeMap<&'static str, u64>,
}

impl Outcome {
    /// Returns the outcome of a file of which nothing is imported yet.
    pub(super) fn of(surveyed: &Surveyed) -> Outcome {
        let Surveyed { file, format, clocks, run, .. } = surveyed;
        Outcome {
            file: file.clone(),
            format,
            clocks: *clocks,
            run: *run,
            rows: 0,
            refused: BTreeMap::new(),
            named: Vec::new(),
            passed_over: BTreeMap::new(),
        }
    }

    /// Counts a row that is refused.
    pub(super) fn refuse(&mut self, place: u64, why: Refusal) {
        *self.refused.entry(why).or_default() += 1;
        if self.named.len() < NAMED_MAX {
            self.named.push((place, why));
        }
    }

    /// Returns each column of times that has times, with their unit.
    fn units(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let columns = self.format.times.into_iter().zip(self.clocks);
        columns.filter_map(|(column, clock)| Some((column, clock?.unit.name())))
    }

    /// Returns the outcome as JSON.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let refused: BTreeMap<&str, u64> =
            self.refused.iter().map(|(why, count)| (why.name(), *count)).collect();
        let named = |(line, why): &(u64, Refusal)| json!({"line": line, "why": why.name()});
        let units: BTreeMap<&str, &str> = self.units().collect();
        json!({
            "file": self.file.display().to_string(),
            "format": self.format.name,
            "time_units": units,
            "run": self.run.as_str(),
            "rows": self.rows,
            "refused": refused,
            "first_refused": self.named.iter().map(named).collect::<Vec<_>>(),
            "passed_over": self.passed_over,
        })
    }

    /// Returns the outcome as lines of text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let file = self.file.display();
        let mut lines = vec![format!("{file}: {} rows, run {}", self.rows, self.run)];
        let units = self.units().map(|(of, unit)| format!("{of} in {unit}"));
        let units: Vec<String> = units.collect();
        lines.push(format!("  read as {}, {}", self.format.name, units.join(", ")));
        for (what, count) in &self.passed_over {
            lines.push(format!("  passed over {count} {what}"));
        }
        for (why, count) in &self.refused {
            let at = self.named.iter().filter(|(_, named)| named == why);
            let at: Vec<String> = at.map(|(place, _)| place.to_string()).collect();
            let at = if at.is_empty() {
                String::new()
            } else {
                format!(" ({} {})", self.format.place, at.join(", "))
            };
            lines.push(format!("  NOT IMPORTED {count} rows: {}{at}", why.text()));
        }
        lines.join("\n") + "\n"
    }
}
