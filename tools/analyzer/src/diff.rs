//! `analyzer diff OLD NEW`: what a person must look at before NEW replaces OLD.
//!
//! It compares two files of recommendations pair by pair. First it lists, loudly, the pairs that
//! are enabled in OLD and missing from NEW; then the pairs to enable again in NEW. The analyzer
//! carries no `enabled` over, so that nothing opens whose figures nobody has looked at. OLD may
//! have expired.
//!
//! ```text
//! $ analyzer diff recommendations.toml new/recommendations.toml
//! !! ENABLED IN OLD AND MISSING FROM NEW: 1 pair
//! !!   ETH/USDT buy okx sell bybit: entry 6 bp
//! to enable again in NEW, if you agree: 1 pair
//!      BTC/USDT buy okx sell binance: entry 4.5 bp in OLD, within the bounds of NEW, 3 to 8 bp
//! changed: 1 pair
//!   ~  BTC/USDT buy okx sell binance
//!        entry_bps 4.5 -> 4 (-11.1 %)
//! ```
//!
//! How to read it: figures are written as in the files (`docs/recommendations.md`), and changes are
//! relative to the figure in OLD. The exit codes are those of diff(1): 0 if the files are the same,
//! 1 if they differ, 2 if one of them cannot be read.

use clap::Args;
use serde::Serialize;
use spreadwire_market::recommendations::{self, Pair, Recommendations, time_to_text};
use spreadwire_output::{Stream, err, write};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `analyzer diff`.
#[derive(Debug, Args)]
pub struct Diff {
    /// The file that is in use.
    old: PathBuf,
    /// The file that is to replace it.
    new: PathBuf,
    /// Print the differences as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Prints the differences. Returns exit code 0 if there are none, 1 if there are some, and 2 if a
/// file cannot be read or has problems.
///
/// # Errors
/// Returns an error if the output cannot be written; the caller exits with 2.
pub fn run(arguments: &Diff) -> anyhow::Result<ExitCode> {
    // At time 0 nothing has expired. The file being replaced often has.
    let (old, new) = match (
        recommendations::read(&arguments.old, 0),
        recommendations::read(&arguments.new, 0),
    ) {
        (Ok(old), Ok(new)) => (old, new),
        (old, new) => {
            let problems = [old.err(), new.err()].into_iter().flatten().flatten();
            problems.for_each(|problem| err!("analyzer: {problem}"));
            return Ok(ExitCode::from(2));
        }
    };
    let difference = compare(&old, &new);
    let text = if arguments.json {
        serde_json::to_string_pretty(&difference)? + "\n"
    } else {
        difference.to_text()
    };
    write(Stream::Out, &text);
    Ok(ExitCode::from(u8::from(!difference.is_empty())))
}

/// The differences between two files.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Difference {
    /// Changes of the files as a whole: when they were made, when they expire, what was analysed.
    pub head: Vec<Change>,
    /// Pairs enabled in the old file and missing from the new one, in the order of the old one.
    pub enabled_gone: Vec<Pair>,
    /// Pairs enabled in the old file and present but not enabled in the new one, in the order of
    /// the new one.
    pub to_enable: Vec<Again>,
    /// Pairs enabled in the new file and not in the old one: somebody has already reviewed them.
    pub newly_enabled: Vec<Pair>,
    /// Pairs only in the new file, in its order.
    pub added: Vec<Pair>,
    /// Pairs only in the old file, in its order, whether or not they were enabled.
    pub removed: Vec<Pair>,
    /// Pairs in both files with other figures or another reason, in the order of the new file.
    pub changed: Vec<PairChange>,
}

/// A pair that was enabled by a person and may be enabled again.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Again {
    /// The pair in the new file.
    #[serde(flatten)]
    pub pair: Pair,
    /// Entry in the old file, in bp.
    pub old_entry_bps: f64,
    /// Whether that entry is within the bounds of the new file.
    pub within_bounds: bool,
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
    let gone = |pair: &&Pair| twin(pair, new).is_none();
    let removed: Vec<Pair> = old.pairs.iter().filter(gone).cloned().collect();
    let mut all = Difference {
        head: head(old, new),
        enabled_gone: removed.iter().filter(|pair| pair.enabled).cloned().collect(),
        removed,
        ..Difference::default()
    };
    for pair in &new.pairs {
        let before = twin(pair, old);
        let was_enabled = before.is_some_and(|before| before.enabled);
        if pair.enabled && !was_enabled {
            all.newly_enabled.push(pair.clone());
        }
        let Some(before) = before else {
            all.added.push(pair.clone());
            continue;
        };
        if was_enabled && !pair.enabled {
            all.to_enable.push(again(before, pair));
        }
        let changes = changes(before, pair);
        if !changes.is_empty() {
            let Pair { instrument, buy, sell, .. } = pair.clone();
            all.changed.push(PairChange { instrument, buy, sell, changes });
        }
    }
    all
}

/// Returns the same pair in a file.
fn twin<'a>(pair: &Pair, file: &'a Recommendations) -> Option<&'a Pair> {
    let same = |other: &&Pair| {
        (&other.instrument, &other.buy, &other.sell) == (&pair.instrument, &pair.buy, &pair.sell)
    };
    file.pairs.iter().find(same)
}

fn again(before: &Pair, pair: &Pair) -> Again {
    let entry = before.entry_bps;
    let within_bounds = pair.entry_bps_min <= entry && entry <= pair.entry_bps_max;
    Again { pair: pair.clone(), old_entry_bps: entry, within_bounds }
}

fn head(old: &Recommendations, new: &Recommendations) -> Vec<Change> {
    let values = |all: &Recommendations| {
        let (made, expires) = (time_to_text(all.generated), time_to_text(all.expires));
        [made, expires, all.from.clone(), all.to.clone(), all.lake.clone()]
    };
    let keys = ["generated", "expires", "from", "to", "lake"];
    let both = values(old).into_iter().zip(values(new));
    keys.into_iter().zip(both).filter_map(|(key, (old, new))| texts(key, old, new)).collect()
}

fn changes(old: &Pair, new: &Pair) -> Vec<Change> {
    let both = old.figures().into_iter().zip(new.figures());
    let plain = both.filter_map(|((key, old), (_, new))| numbers(key, Some(old), Some(new)));
    let reason = texts("reason", old.reason.clone(), new.reason.clone());
    let names: BTreeSet<&String> = old.evidence.keys().chain(new.evidence.keys()).collect();
    let evidence = names.into_iter().filter_map(|name| {
        let value = |pair: &Pair| pair.evidence.get(name).copied();
        numbers(&format!("evidence.{name}"), value(old), value(new))
    });
    plain.chain(reason).chain(evidence).collect()
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
        let gone = self.enabled_gone.iter().map(|pair| format!("!!   {}", line(pair))).collect();
        let again = self.to_enable.iter().map(Again::line).collect();
        let enabled = self.newly_enabled.iter().map(|pair| format!("  *  {}", line(pair)));
        let added = self.added.iter().map(|pair| {
            let Pair { entry_bps_min: min, entry_bps_max: max, reason, .. } = pair;
            format!("  +  {}\n       entry within {min} to {max} bp; {reason}", line(pair))
        });
        let removed = self.removed.iter().map(|pair| format!("  -  {}", line(pair)));
        let changed = self.changed.iter().map(PairChange::line);
        let sections: [(&str, Vec<String>); 6] = [
            ("!! ENABLED IN OLD AND MISSING FROM NEW", gone),
            ("to enable again in NEW, if you agree", again),
            ("enabled in NEW and not in OLD", enabled.collect()),
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
    let Pair { entry_bps, exit_bps, size_quote, capture_per_day, .. } = pair;
    format!(
        "{}: entry {entry_bps} bp, exit {exit_bps} bp, size to {size_quote}, capture \
         {capture_per_day} a day",
        pair.name()
    )
}

impl Again {
    fn line(&self) -> String {
        let Again { pair, old_entry_bps, within_bounds } = self;
        let Pair { entry_bps_min: min, entry_bps_max: max, .. } = pair;
        let (mark, within) = if *within_bounds { ("  ", "within") } else { ("!!", "OUTSIDE") };
        let name = pair.name();
        format!(
            "{mark}   {name}: entry {old_entry_bps} bp in OLD, {within} the bounds of NEW, {min} to \
             {max} bp"
        )
    }
}

impl PairChange {
    fn line(&self) -> String {
        let PairChange { instrument, buy, sell, changes } = self;
        let (evidence, plain): (Vec<&Change>, Vec<&Change>) =
            changes.iter().partition(|change| change.key.starts_with("evidence."));
        let mut lines = vec![format!("  ~  {instrument} buy {buy} sell {sell}")];
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
