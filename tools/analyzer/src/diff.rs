//! `analyzer diff OLD NEW`: what changed between two analyses.
//!
//! It compares two files of recommendations pair by pair. Each has every recommended pair, so a pair
//! that is missing is not recommended any more. With `--approved FILE` it first lists, loudly, the
//! approved pairs that NEW does not recommend or that are outside its bounds. OLD may have expired.
//!
//! ```text
//! $ analyzer diff analysis/2026-11-23T0210Z/recommendations.toml analysis/latest/recommendations.toml
//! added: 1 pair
//!   +  DOGE/USDT buy binance sell okx: entry 11 bp, exit 2 bp, size to 300, 1.5 a day
//! changed: 1 pair
//!   ~  BTC/USDT buy okx sell binance
//!        entry_bps 4.5 -> 4 (-11.1 %)
//! ```
//!
//! How to read it: figures are written as in the files (`docs/recommendations.md`), and changes are
//! relative to the figure in OLD. The exit codes are those of diff(1): 0 if the files are the same and
//! nothing is said of the approved pairs, 1 if not, 2 if a file cannot be read.

use crate::approvals;
use crate::report::{Standing, State};
use crate::standing::{self, Analysis};
use clap::Args;
use serde::Serialize;
use spreadwire_market::approved;
use spreadwire_market::clock::Nanos;
use spreadwire_market::moment::time_to_text;
use spreadwire_market::problem::Problem;
use spreadwire_market::recommendations::{self, Pair, Recommendations, name_of};
use spreadwire_output::{Stream, err, write};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `analyzer diff`.
#[derive(Debug, Args)]
pub struct Diff {
    /// The older file of recommendations.
    old: PathBuf,
    /// The newer one.
    new: PathBuf,
    /// The approved pairs: what concerns them is listed first.
    #[arg(long, value_name = "FILE")]
    approved: Option<PathBuf>,
    /// Print the differences as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Prints the differences at `now`, ns since 1970 UTC. Returns exit code 0 if there are none, 1 if
/// there are some, and 2 if a file cannot be read or has problems.
///
/// # Errors
/// Returns an error if the output cannot be written; the caller exits with 2.
pub fn run(arguments: &Diff, now: Nanos) -> anyhow::Result<ExitCode> {
    let difference = match read(arguments, now) {
        Ok(difference) => difference,
        Err(problems) => {
            problems.iter().for_each(|problem| err!("analyzer: {problem}"));
            return Ok(ExitCode::from(2));
        }
    };
    let text = if arguments.json {
        serde_json::to_string_pretty(&difference)? + "\n"
    } else {
        difference.to_text()
    };
    write(Stream::Out, &text);
    Ok(ExitCode::from(u8::from(!difference.is_empty())))
}

/// Reads the files and compares them.
fn read(arguments: &Diff, now: Nanos) -> Result<Difference, Vec<Problem>> {
    // At time 0 nothing has expired. The older file often has.
    let old = recommendations::read(&arguments.old, 0);
    let new = recommendations::read(&arguments.new, 0);
    let approved = arguments.approved.as_deref().map(approved::read).transpose();
    let (old, new, approved) = match (old, new, approved) {
        (Ok(old), Ok(new), Ok(approved)) => (old, new, approved),
        (old, new, approved) => {
            let problems = [old.err(), new.err(), approved.err()];
            return Err(problems.into_iter().flatten().flatten().collect());
        }
    };
    let mut difference = compare(&old, &new);
    if let Some(approved) = approved {
        let report = approvals::report_beside(&arguments.new);
        let analysis = Analysis { recommended: &new, report: report.as_ref() };
        difference.approved = standing::of(&approved, Some(analysis), now);
        difference.approved.retain(|of| of.state != State::Recommended);
    }
    Ok(difference)
}

/// The differences between two files.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Difference {
    /// Changes of the files as a whole: when they were made, when they expire, what was analysed.
    pub head: Vec<Change>,
    /// Approved pairs that are not as approved in the new file.
    pub approved: Vec<Standing>,
    /// Pairs only in the new file, in its order.
    pub added: Vec<Pair>,
    /// Pairs only in the old file, in its order.
    pub removed: Vec<Pair>,
    /// Pairs in both files with other figures or another reason, in the order of the new file.
    pub changed: Vec<PairChange>,
}

/// The changes of a pair that is in both files.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PairChange {
    /// Instrument.
    pub instrument: String,
    /// Venue to buy on.
    pub buy: String,
    /// Venue to sell on.
    pub sell: String,
    /// Keys with their values; the figures of the evidence are named `evidence.NAME`.
    pub changes: Vec<Change>,
}

/// One key with its two values.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// Key as written in the file.
    pub key: String,
    /// Old value; `None` if there was none.
    pub old: Option<Value>,
    /// New value; `None` if there is none.
    pub new: Option<Value>,
    /// By how much the new figure exceeds the old one, as a fraction of the old one: 0.1 is 10 %
    /// more. `None` for text, and where the old figure is 0.
    pub relative: Option<f64>,
}

/// A value in a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A finite figure.
    Number(f64),
    /// Text.
    Text(String),
}

/// Compares two files that have been read.
#[must_use]
pub fn compare(old: &Recommendations, new: &Recommendations) -> Difference {
    let gone = |pair: &&Pair| new.pair(pair.key()).is_none();
    let mut all = Difference {
        head: head(old, new),
        removed: old.pairs.iter().filter(gone).cloned().collect(),
        ..Difference::default()
    };
    for pair in &new.pairs {
        let Some(before) = old.pair(pair.key()) else {
            all.added.push(pair.clone());
            continue;
        };
        let changes = changes(before, pair);
        if !changes.is_empty() {
            let Pair { instrument, buy, sell, .. } = pair.clone();
            all.changed.push(PairChange { instrument, buy, sell, changes });
        }
    }
    all
}

fn head(old: &Recommendations, new: &Recommendations) -> Vec<Change> {
    let values = |all: &Recommendations| {
        let (made, expires) = (time_to_text(all.generated), time_to_text(all.expires));
        [made, expires, all.from.clone(), all.to.clone(), all.lake.clone(), all.data_digest.clone()]
    };
    let keys = ["generated", "expires", "from", "to", "lake", "data_digest"];
    let both = values(old).into_iter().zip(values(new));
    let texts = keys.into_iter().zip(both).filter_map(|(key, (old, new))| texts(key, old, new));
    texts.chain(numbers("recorded_hours", old.recorded_hours, new.recorded_hours)).collect()
}

fn changes(old: &Pair, new: &Pair) -> Vec<Change> {
    let model = texts("model", old.model.name().to_owned(), new.model.name().to_owned());
    let both = old.figures().into_iter().zip(new.figures());
    let plain = both.filter_map(|((key, old), (_, new))| numbers(key, old, new));
    let reason = texts("reason", old.reason.clone(), new.reason.clone());
    let names: BTreeSet<&String> = old.evidence.keys().chain(new.evidence.keys()).collect();
    let evidence = names.into_iter().filter_map(|name| {
        let value = |pair: &Pair| pair.evidence.get(name).copied();
        numbers(&format!("evidence.{name}"), value(old), value(new))
    });
    model.into_iter().chain(plain).chain(reason).chain(evidence).collect()
}

/// Returns the change of a text; `None` if there is none.
fn texts(key: &str, old: String, new: String) -> Option<Change> {
    let (key, differ) = (key.to_owned(), old != new);
    let (old, new) = (Some(Value::Text(old)), Some(Value::Text(new)));
    differ.then_some(Change { key, old, new, relative: None })
}

/// Returns the change of a figure; `None` if not even the last digit differs.
fn numbers(key: &str, old: Option<f64>, new: Option<f64>) -> Option<Change> {
    // Adding 0 turns -0 into 0.
    let bits = |value: Option<f64>| value.map(|value| (value + 0.0).to_bits());
    let relative = old.zip(new).map(|(old, new)| (new - old) / old.abs());
    let relative = relative.filter(|relative| relative.is_finite());
    let change = Change {
        key: key.to_owned(),
        old: old.map(Value::Number),
        new: new.map(Value::Number),
        relative,
    };
    (bits(old) != bits(new)).then_some(change)
}

impl Difference {
    /// Returns whether the files are the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Difference::default()
    }

    /// Returns the differences as text, the urgent ones first; one line if there are none.
    #[must_use]
    pub fn to_text(&self) -> String {
        if self.is_empty() {
            return "no difference\n".to_owned();
        }
        let approved = self.approved.iter().map(Standing::line);
        let approved = approved.map(|line| format!("!!   {line}"));
        let added = self.added.iter().map(|pair| {
            let Pair { entry_bps_min: min, entry_bps_max: max, reason, .. } = pair;
            format!("  +  {}\n       entry within {min} to {max} bp; {reason}", line(pair))
        });
        let removed = self.removed.iter().map(|pair| format!("  -  {}", line(pair)));
        let changed = self.changed.iter().map(PairChange::line);
        let sections: [(&str, Vec<String>); 4] = [
            ("!! APPROVED, AND NOT AS APPROVED IN NEW", approved.collect()),
            ("added", added.collect()),
            ("removed", removed.collect()),
            ("changed", changed.collect()),
        ];
        let mut text = String::new();
        for change in &self.head {
            text.push_str(&format!("{change}\n"));
        }
        for (title, lines) in sections.iter().filter(|(_, lines)| !lines.is_empty()) {
            let s = if lines.len() == 1 { "" } else { "s" };
            text.push_str(&format!("{title}: {} pair{s}\n{}\n", lines.len(), lines.join("\n")));
        }
        text
    }
}

/// Formats a pair with its figures.
fn line(pair: &Pair) -> String {
    let Pair { entry_bps, exit_bps, size_quote, per_day, .. } = pair;
    let expected = per_day.map(|per_day| format!(", {per_day} a day")).unwrap_or_default();
    format!(
        "{}: entry {entry_bps} bp, exit {exit_bps} bp, size to {size_quote}{expected}",
        pair.name()
    )
}

impl PairChange {
    fn line(&self) -> String {
        let PairChange { instrument, buy, sell, changes } = self;
        let (evidence, plain): (Vec<&Change>, Vec<&Change>) =
            changes.iter().partition(|change| change.key.starts_with("evidence."));
        let mut lines = vec![format!("  ~  {}", name_of((instrument, buy, sell)))];
        lines.extend(plain.iter().map(|change| format!("       {change}")));
        if !evidence.is_empty() {
            // There are many of these figures and nobody decides by them, so they share one line at
            // the end.
            let told: Vec<String> = evidence.iter().map(ToString::to_string).collect();
            lines.push(format!("       {}", told.join(", ")));
        }
        lines.join("\n")
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let told = |value: &Option<Value>| match value {
            None => "none".to_owned(),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Text(text)) => text.clone(),
        };
        write!(f, "{} {} -> {}", self.key, told(&self.old), told(&self.new))?;
        self.relative.map_or(Ok(()), |relative| write!(f, " ({:+.1} %)", relative * 100.0))
    }
}
