//! What `lake verify` has found, as text for people and as JSON for scripts.
//!
//! It must not know how anything was found.

use crate::numbers::Range;
use serde_json::{Value, json};
use spreadwire_lake::ledger::Cause;
use spreadwire_market::clock::Nanos;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Findings that the text lists; JSON has all of them.
const FINDINGS_TOLD: usize = 50;
/// Ranges of numbers that a text lists.
const RANGES_TOLD: usize = 10;
/// Restarts that the text lists.
const RESTARTS_TOLD: usize = 20;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Problem {
    /// Rows that were sealed are not there, or segments wait to be sealed.
    Missing,
    /// Bytes or rows are not those that were written.
    Damaged,
    /// Rows stand twice.
    Duplicated,
    /// Something is there that the ledger does not know.
    Unexpected,
    /// The recorder received it and could not store it; the ledger says so.
    Lost,
}

impl Problem {
    /// As output has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Problem::Missing => "missing",
            Problem::Damaged => "damaged",
            Problem::Duplicated => "duplicated",
            Problem::Unexpected => "unexpected",
            Problem::Lost => "lost",
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub problem: Problem,
    /// In words.
    pub text: String,
    /// In which folder, from the lake's top.
    pub folder: Option<String>,
    /// In which file of it.
    pub file: Option<String>,
    /// Of which run.
    pub run: Option<String>,
    /// Which numbers, in order.
    pub ranges: Vec<Range>,
    /// How many rows.
    pub rows: Option<u64>,
    /// From when to when, as far as it is known.
    pub times: Option<(Nanos, Option<Nanos>)>,
}

impl Finding {
    /// A finding in words.
    #[must_use]
    pub fn new(problem: Problem, text: String) -> Finding {
        let (folder, file, run, rows, times) = (None, None, None, None, None);
        Finding { problem, text, folder, file, run, ranges: Vec::new(), rows, times }
    }

    /// The same with its folder.
    #[must_use]
    pub fn in_folder(self, folder: &str) -> Finding {
        Finding { folder: Some(folder.to_owned()), ..self }
    }

    /// The same with its file.
    #[must_use]
    pub fn of_file(self, file: &str) -> Finding {
        Finding { file: Some(file.to_owned()), ..self }
    }

    /// The same with its run.
    #[must_use]
    pub fn of_run(self, run: &str) -> Finding {
        Finding { run: Some(run.to_owned()), ..self }
    }

    /// The same with the numbers concerned.
    #[must_use]
    pub fn with_ranges(self, ranges: Vec<Range>, rows: u64) -> Finding {
        Finding { rows: Some(rows), ranges, ..self }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// In order.
    Clean,
    /// It was killed, and the next start sealed what it left.
    Killed,
    /// It has not ended.
    Running,
    /// The ledger does not say: it was killed and nothing was recovered yet.
    Unknown,
}

impl RunEnd {
    fn name(self) -> &'static str {
        match self {
            RunEnd::Clean => "clean",
            RunEnd::Killed => "killed",
            RunEnd::Running => "running",
            RunEnd::Unknown => "unknown",
        }
    }
}

/// A run of the engine or of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunStory {
    /// Its name.
    pub run: String,
    /// When it began.
    pub started: Nanos,
    /// When it ended; of one that was killed, its last record.
    pub ended: Option<Nanos>,
    /// How.
    pub end: RunEnd,
}

/// The cause of an outage in which no engine ran, because it had been ended in order.
pub const STOPPED: &str = "stopped";

/// An interval in which there was nothing to record, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Why: the name of a [`Cause`], or [`STOPPED`].
    pub cause: &'static str,
    /// From when.
    pub from: Nanos,
    /// Until when, if the ledger knows.
    pub until: Option<Nanos>,
    /// Of a venue, otherwise of all.
    pub venue: Option<String>,
    /// Of an instrument, otherwise of all.
    pub instrument: Option<String>,
    /// Told by which run.
    pub run: String,
}

/// What a table has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableSum {
    /// Rows that were read.
    pub rows: u64,
    /// Files that were read.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The first time.
    pub first: Option<Nanos>,
    /// The last time.
    pub last: Option<Nanos>,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What is there, by table.
    pub tables: BTreeMap<&'static str, TableSum>,
    /// Runs in the order of their names.
    pub runs: Vec<RunStory>,
    /// Intervals that nothing could be recorded in.
    pub outages: Vec<Outage>,
    /// What is worth knowing and not wrong.
    pub notes: Vec<String>,
    /// Whether an engine records now.
    pub recording: bool,
}

impl Verdict {
    /// Whether everything that was received is there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.findings.is_empty()
    }

    /// For people.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (name, sum) in &self.tables {
            let TableSum { rows, files, bytes, .. } = sum;
            let span = sum.first.zip(sum.last);
            let span = span.map(|(a, b)| format!(", {} to {}", time_text(a), time_text(b)));
            let span = span.unwrap_or_default();
            line(
                &mut text,
                &format!("{name:<14}{rows:>14} rows {files:>8} files {bytes:>14} bytes{span}"),
            );
        }
        let ends = [RunEnd::Clean, RunEnd::Killed, RunEnd::Running, RunEnd::Unknown];
        let count = |end| self.runs.iter().filter(|run| run.end == end).count();
        let ends: Vec<String> =
            ends.into_iter().map(|end| format!("{} {}", count(end), end.name())).collect();
        line(&mut text, &format!("runs          {:>14}      {}", self.runs.len(), ends.join(", ")));
        if self.recording {
            line(&mut text, "an engine records now: what is in its journal is not looked at");
        }
        self.notes.iter().for_each(|note| line(&mut text, note));
        self.outages_text(&mut text);
        for finding in self.findings.iter().take(FINDINGS_TOLD) {
            line(&mut text, &format!("{:<11} {}", finding.problem.name(), finding.text));
        }
        if FINDINGS_TOLD < self.findings.len() {
            let more = self.findings.len() - FINDINGS_TOLD;
            line(&mut text, &format!("and {more} more: --json lists all"));
        }
        line(&mut text, &self.sentence());
        text
    }

    fn sentence(&self) -> String {
        match (self.findings.len(), self.outages.len()) {
            (0, 0) => "complete".to_owned(),
            (0, _) => "complete apart from the gaps stated".to_owned(),
            (1, _) => "NOT COMPLETE: 1 finding".to_owned(),
            (findings, _) => format!("NOT COMPLETE: {findings} findings"),
        }
    }

    /// Restarts one by one, the others summed up by cause and venue.
    fn outages_text(&self, text: &mut String) {
        let of_all = |o: &&Outage| o.cause == Cause::Restart.name() || o.cause == STOPPED;
        let all: Vec<&Outage> = self.outages.iter().filter(of_all).collect();
        for outage in all.iter().take(RESTARTS_TOLD) {
            let until = outage.until.map_or_else(|| "the next start".to_owned(), time_text);
            let (from, run) = (time_text(outage.from), &outage.run);
            let killed = format!("run {run} was killed");
            let why = if outage.cause == STOPPED { "no engine ran" } else { &killed };
            line(text, &format!("gap         {from} to {until}: {why}"));
        }
        if RESTARTS_TOLD < all.len() {
            let more = all.len() - RESTARTS_TOLD;
            line(text, &format!("gap         and {more} more of these: --json lists all"));
        }
        let mut sums: BTreeMap<(&str, &str), (u64, Nanos)> = BTreeMap::new();
        for outage in self.outages.iter().filter(|o| !of_all(o)) {
            let venue = outage.venue.as_deref().unwrap_or("all venues");
            let sum = sums.entry((outage.cause, venue)).or_default();
            sum.0 += 1;
            sum.1 += outage.until.map_or(0, |until| until.saturating_sub(outage.from));
        }
        for ((cause, venue), (count, ns)) in sums {
            let seconds = ns / 1_000_000_000;
            line(
                text,
                &format!("gap         {venue}: {count} by {cause}, {seconds} s of instruments"),
            );
        }
    }

    /// For scripts.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let table = |(name, sum): (&&str, &TableSum)| {
            let TableSum { rows, files, bytes, first, last } = sum;
            let value = json!({
                "rows": rows, "files": files, "bytes": bytes, "first_ns": first, "last_ns": last,
            });
            ((*name).to_owned(), value)
        };
        let run = |run: &RunStory| {
            json!({
                "run": run.run, "started_ns": run.started, "ended_ns": run.ended,
                "end": run.end.name(),
            })
        };
        let outage = |o: &Outage| {
            json!({
                "cause": o.cause, "from_ns": o.from, "until_ns": o.until,
                "venue": o.venue, "instrument": o.instrument, "run": o.run,
            })
        };
        let finding = |f: &Finding| {
            json!({
                "problem": f.problem.name(), "text": f.text, "folder": f.folder, "file": f.file,
                "run": f.run, "rows": f.rows,
                "from_ns": f.times.map(|(from, _)| from), "until_ns": f.times.and_then(|(_, until)| until),
                "numbers": f.ranges.iter().map(|r| [r.first, r.last]).collect::<Vec<_>>(),
            })
        };
        json!({
            "complete": self.is_complete(),
            "recording": self.recording,
            "tables": self.tables.iter().map(table).collect::<serde_json::Map<_, _>>(),
            "runs": self.runs.iter().map(run).collect::<Vec<_>>(),
            "gaps": self.outages.iter().map(outage).collect::<Vec<_>>(),
            "notes": self.notes,
            "findings": self.findings.iter().map(finding).collect::<Vec<_>>(),
        })
    }
}

/// Ranges for people: the first ones.
#[must_use]
pub fn ranges_text(ranges: &[Range]) -> String {
    let told: Vec<String> = ranges.iter().take(RANGES_TOLD).map(ToString::to_string).collect();
    let more = ranges.len().saturating_sub(RANGES_TOLD);
    let more = if more == 0 { String::new() } else { format!(" and {more} ranges more") };
    format!("{}{more}", told.join(", "))
}

fn line(text: &mut String, words: &str) {
    // Writing into memory cannot fail.
    writeln!(text, "{words}").unwrap_or_default();
}

/// A time for people: UTC with milliseconds.
#[must_use]
pub fn time_text(time: Nanos) -> String {
    let time = jiff::Timestamp::from_nanosecond(i128::from(time)).unwrap_or_default();
    time.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}
