//! The results of `lake verify`, as text for people and as JSON for scripts.

use crate::numbers::Range;
use serde_json::{Value, json};
use spreadwire_lake::ledger::Cause;
use spreadwire_lake::run::Provenance;
use spreadwire_market::clock::Nanos;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Maximum number of findings in the text; JSON has all of them.
const FINDINGS_TOLD: usize = 50;
/// Maximum number of ranges in a finding's text.
const RANGES_TOLD: usize = 10;
/// Maximum number of restarts in the text.
const RESTARTS_TOLD: usize = 20;

/// Kind of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Problem {
    /// Sealed rows are missing, or segments were never sealed.
    Missing,
    /// Bytes or rows differ from those that were written.
    Damaged,
    /// Rows are duplicated.
    Duplicated,
    /// The lake contains something that the ledger does not know.
    Unexpected,
    /// The recorder received data that it could not store, as the ledger states.
    Lost,
}

impl Problem {
    /// Returns the name in the output.
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

/// A deviation from a complete lake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Kind of the finding.
    pub problem: Problem,
    /// Description.
    pub text: String,
    /// Folder, relative to the lake.
    pub folder: Option<String>,
    /// File in the folder.
    pub file: Option<String>,
    /// Run concerned.
    pub run: Option<String>,
    /// Sequence numbers concerned, in order.
    pub ranges: Vec<Range>,
    /// Number of rows concerned.
    pub rows: Option<u64>,
    /// Time span concerned, as far as it is known.
    pub times: Option<(Nanos, Option<Nanos>)>,
}

impl Finding {
    /// Creates a finding with a description.
    #[must_use]
    pub fn new(problem: Problem, text: String) -> Finding {
        let (folder, file, run, rows, times) = (None, None, None, None, None);
        Finding { problem, text, folder, file, run, ranges: Vec::new(), rows, times }
    }

    /// Returns the finding with its folder.
    #[must_use]
    pub fn in_folder(self, folder: &str) -> Finding {
        Finding { folder: Some(folder.to_owned()), ..self }
    }

    /// Returns the finding with its file.
    #[must_use]
    pub fn of_file(self, file: &str) -> Finding {
        Finding { file: Some(file.to_owned()), ..self }
    }

    /// Returns the finding with its run.
    #[must_use]
    pub fn of_run(self, run: &str) -> Finding {
        Finding { run: Some(run.to_owned()), ..self }
    }

    /// Returns the finding with the sequence numbers concerned.
    #[must_use]
    pub fn with_ranges(self, ranges: Vec<Range>, rows: u64) -> Finding {
        Finding { rows: Some(rows), ranges, ..self }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// It was stopped in order.
    Clean,
    /// It was killed; the next start sealed its remains.
    Killed,
    /// It is still running.
    Running,
    /// The ledger does not say: it was killed, and nothing was recovered yet.
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
    /// Name of the run.
    pub run: String,
    /// Start of the run.
    pub started: Nanos,
    /// End of the run; for a killed run, the time of its last record.
    pub ended: Option<Nanos>,
    /// How it ended.
    pub end: RunEnd,
    /// Where its quotes come from, if it said so.
    pub provenance: Option<Provenance>,
}

/// Cause of an outage in which no engine ran, because it had been stopped in order.
pub const STOPPED: &str = "stopped";

/// An interval in which nothing could be recorded, with its cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Name of a [`Cause`], or [`STOPPED`].
    pub cause: &'static str,
    /// Start of the interval.
    pub from: Nanos,
    /// End of the interval, if the ledger knows it.
    pub until: Option<Nanos>,
    /// Venue concerned; `None` means all.
    pub venue: Option<String>,
    /// Instrument concerned; `None` means all.
    pub instrument: Option<String>,
    /// Run that reported it.
    pub run: String,
}

/// An interval in which the clock of a run was off, so that its receive times are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockError {
    /// Start of the interval.
    pub from: Nanos,
    /// End of the interval.
    pub until: Nanos,
    /// The largest error in it, ns: the times are so much too late, or too early if it is below 0.
    pub error: i64,
    /// The run.
    pub run: String,
}

impl ClockError {
    fn text(&self) -> String {
        let ClockError { from, until, error, run } = self;
        let (from, until) = (time_text(*from), time_text(*until));
        let (seconds, ms) =
            (error.unsigned_abs() / 1_000_000_000, error.unsigned_abs() / 1_000_000 % 1_000);
        let side = if *error < 0 { "early" } else { "late" };
        format!(
            "clock       times of {from} to {until} are {seconds}.{ms:03} s too {side}, run {run}"
        )
    }
}

/// Contents of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableSum {
    /// Number of rows read.
    pub rows: u64,
    /// Number of files read.
    pub files: u64,
    /// Size of those files, bytes.
    pub bytes: u64,
    /// First timestamp.
    pub first: Option<Nanos>,
    /// Last timestamp.
    pub last: Option<Nanos>,
}

/// Complete result of a verification.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Everything that is wrong.
    pub findings: Vec<Finding>,
    /// Contents by table.
    pub tables: BTreeMap<&'static str, TableSum>,
    /// Runs in the order of their names.
    pub runs: Vec<RunStory>,
    /// Intervals in which nothing could be recorded.
    pub outages: Vec<Outage>,
    /// Intervals in which the clock was off.
    pub clock_errors: Vec<ClockError>,
    /// Remarks that are not findings.
    pub notes: Vec<String>,
    /// Whether an engine is recording now.
    pub recording: bool,
}

impl Verdict {
    /// Returns whether everything that was received is in the lake.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.findings.is_empty()
    }

    /// Returns the text for people.
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
        if let Some(told) = self.provenance_text() {
            line(&mut text, &told);
        }
        if self.recording {
            line(&mut text, "an engine is recording now: its journal is not checked");
        }
        self.notes.iter().for_each(|note| line(&mut text, note));
        self.outages_text(&mut text);
        self.clock_errors.iter().for_each(|error| line(&mut text, &error.text()));
        for finding in self.findings.iter().take(FINDINGS_TOLD) {
            line(&mut text, &format!("{:<11} {}", finding.problem.name(), finding.text));
        }
        if FINDINGS_TOLD < self.findings.len() {
            let more = self.findings.len() - FINDINGS_TOLD;
            line(&mut text, &format!("and {more} more; --json lists all"));
        }
        line(&mut text, &self.sentence());
        text
    }

    /// Returns how many runs are of which provenance, where not all are live.
    fn provenance_text(&self) -> Option<String> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for run in &self.runs {
            let name = run.provenance.map_or("unstated", Provenance::name);
            *counts.entry(name).or_default() += 1;
        }
        let told = counts.iter().map(|(name, count)| format!("{count} {name}"));
        let told = told.collect::<Vec<_>>().join(", ");
        let all_live = counts.keys().all(|name| *name == Provenance::Live.name());
        (!all_live).then(|| format!("provenance                   {told}"))
    }

    fn sentence(&self) -> String {
        match (self.findings.len(), self.outages.len()) {
            (0, 0) => "complete".to_owned(),
            (0, _) => "complete apart from the gaps stated".to_owned(),
            (1, _) => "NOT COMPLETE: 1 finding".to_owned(),
            (findings, _) => format!("NOT COMPLETE: {findings} findings"),
        }
    }

    /// Appends the restarts one by one, and the other outages summed up by cause and venue.
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
            line(text, &format!("gap         and {more} more of these; --json lists all"));
        }
        let mut sums: BTreeMap<(&str, &str), (u64, Nanos)> = BTreeMap::new();
        for outage in self.outages.iter().filter(|o| !of_all(o)) {
            let venue = outage.venue.as_deref().unwrap_or("all venues");
            let sum = sums.entry((outage.cause, venue)).or_default();
            sum.0 += 1;
            sum.1 += outage.until.map_or(0, |until| until.saturating_sub(outage.from));
        }
        for ((cause, venue), (count, ns)) in sums {
            let (seconds, ms) = (ns / 1_000_000_000, ns / 1_000_000 % 1_000);
            let time = format!("{seconds}.{ms:03} s over all instruments");
            line(text, &format!("gap         {venue}: {count} by {cause}, {time}"));
        }
    }

    /// Returns the JSON for scripts.
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
            let mut json = json!({
                "run": run.run, "started_ns": run.started, "ended_ns": run.ended,
                "end": run.end.name(),
            });
            if let Some(provenance) = run.provenance {
                json["provenance"] = provenance.name().into();
            }
            json
        };
        let outage = |o: &Outage| {
            json!({
                "cause": o.cause, "from_ns": o.from, "until_ns": o.until,
                "venue": o.venue, "instrument": o.instrument, "run": o.run,
            })
        };
        let clock_error = |e: &ClockError| json!({"from_ns": e.from, "until_ns": e.until, "error_ns": e.error, "run": e.run});
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
            "clock_errors": self.clock_errors.iter().map(clock_error).collect::<Vec<_>>(),
            "notes": self.notes,
            "findings": self.findings.iter().map(finding).collect::<Vec<_>>(),
        })
    }
}

/// Formats the first ranges for people.
#[must_use]
pub fn ranges_text(ranges: &[Range]) -> String {
    let told: Vec<String> = ranges.iter().take(RANGES_TOLD).map(ToString::to_string).collect();
    let more = ranges.len().saturating_sub(RANGES_TOLD);
    let more = if more == 0 { String::new() } else { format!(" and {more} more ranges") };
    format!("{}{more}", told.join(", "))
}

fn line(text: &mut String, words: &str) {
    // Writing into memory cannot fail.
    writeln!(text, "{words}").unwrap_or_default();
}

/// Formats a time for people: UTC with milliseconds.
#[must_use]
pub fn time_text(time: Nanos) -> String {
    let time = jiff::Timestamp::from_nanosecond(i128::from(time)).unwrap_or_default();
    time.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}
