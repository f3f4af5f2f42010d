//! `analyzer approved`: what is approved, and how it stands beside the last analysis. Also reads and
//! writes the file of approved pairs for the other commands.
//!
//! ```text
//! $ analyzer approved
//! 1  BTC/USDT buy okx sell binance: recommended; entry 5 bp, by ada, until 2026-12-01T08:00:00Z
//! 2  ETH/USDT buy okx sell bybit: NOT RECOMMENDED: only 3 orders; entry 6 bp, by ada, until ...
//! ```

use crate::output;
use crate::report::Report;
use crate::standing::{self, Analysis};
use clap::Args;
pub use spreadwire_market::approved::FILE;
use spreadwire_market::approved::{self, Approved};
use spreadwire_market::clock::Nanos;
use spreadwire_market::recommendations;
use spreadwire_output::{err, out};
use std::path::{Path, PathBuf};

/// Default of the recommendations.
pub const FROM: &str = "analysis/latest/recommendations.toml";

/// Arguments of `analyzer approved`.
#[derive(Clone, Debug, Args)]
pub struct List {
    /// The file of approved pairs.
    #[arg(long, value_name = "FILE", default_value = FILE)]
    pub file: PathBuf,
    /// The recommendations to compare with.
    #[arg(long, value_name = "FILE", default_value = FROM)]
    pub from: PathBuf,
    /// Print the list as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Prints the approvals at `now`, ns since 1970 UTC.
///
/// # Errors
/// Everything that is wrong with the file of approved pairs, a line each.
pub fn run(arguments: &List, now: Nanos) -> Result<(), Vec<String>> {
    let approved = read(&arguments.file)?;
    if approved.pairs.is_empty() && !arguments.file.exists() {
        let nothing = format!("nothing is approved: there is no {}", arguments.file.display());
        out!("{}", if arguments.json { "[]" } else { &nothing });
        return Ok(());
    }
    // What was recommended stays comparable after its expiry.
    let recommended = match recommendations::read(&arguments.from, 0) {
        Ok(recommended) => Some(recommended),
        Err(problems) => {
            problems.iter().for_each(|problem| err!("analyzer: {problem}"));
            None
        }
    };
    let report = recommended.as_ref().and_then(|_| report_beside(&arguments.from));
    let analysis =
        recommended.as_ref().map(|recommended| Analysis { recommended, report: report.as_ref() });
    let standings = standing::of(&approved, analysis, now);
    if arguments.json {
        let text = serde_json::to_string_pretty(&standings).map_err(|e| vec![e.to_string()])?;
        out!("{text}");
        return Ok(());
    }
    for (number, standing) in (1..).zip(&standings) {
        out!("{number:<3}{}", standing.line());
    }
    out!("{}: {}", arguments.file.display(), approved.describe(now));
    Ok(())
}

/// Reads the file of approved pairs; without a file nothing is approved.
///
/// # Errors
/// Everything that is wrong with it, a line each.
pub fn read(file: &Path) -> Result<Approved, Vec<String>> {
    match file.try_exists() {
        Ok(false) => Ok(Approved::default()),
        Ok(true) | Err(_) => existing(file),
    }
}

/// Reads the file of approved pairs, which must exist.
///
/// # Errors
/// As [`read`].
pub fn existing(file: &Path) -> Result<Approved, Vec<String>> {
    approved::read(file).map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

/// Replaces the file of approved pairs as a whole. A link to it stays a link.
///
/// # Errors
/// What its readers would refuse, or the operating system's error.
pub fn write(file: &Path, approved: &Approved) -> Result<(), Vec<String>> {
    let problems = approved.check(file);
    if !problems.is_empty() {
        return Err(problems.iter().map(ToString::to_string).collect());
    }
    let path = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let written = output::replace(&path, approved.to_toml().as_bytes());
    written.map_err(|error| vec![format!("cannot write {}: {error}", file.display())])
}

/// Reads the report beside a file of recommendations; `None` if there is none that can be read.
#[must_use]
pub fn report_beside(recommendations: &Path) -> Option<Report> {
    let text = std::fs::read_to_string(recommendations.with_file_name(output::REPORT)).ok()?;
    serde_json::from_str(&text).ok()
}
