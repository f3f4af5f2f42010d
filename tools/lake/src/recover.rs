//! `lake recover`: seals the segments that a killed engine left in the journal.
//!
//! An engine does the same when it starts. The command is for a lake that no engine will record
//! into again, or that was copied from another machine.

use crate::progress;
use clap::Args;
use serde_json::json;
use spreadwire_lake::lock;
use spreadwire_lake::mark;
use spreadwire_lake::recover::{self, Leftover, Recovered};
use spreadwire_output::{err, out};
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `lake recover`.
#[derive(Debug, Args)]
pub struct Recover {
    /// Folder of the lake.
    lake: PathBuf,
    /// If the mark of a run is lost: take instruments and venues from this configuration of the
    /// engine, which must be the one that the run used.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the outcome as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Recovers and prints the outcome of each run. Returns 0 if nothing is left in the journal,
/// otherwise 1.
///
/// # Errors
/// If an engine is recording into the lake, or its folders cannot be read.
pub fn run(arguments: &Recover) -> anyhow::Result<ExitCode> {
    crate::ensure_lake(&arguments.lake)?;
    let catalogue = match &arguments.config {
        None => None,
        // Only its venues and instruments matter.
        Some(file) => match spreadwire_catalogue::read(file) {
            Ok(catalogue) => Some(catalogue),
            Err(problems) => {
                problems.iter().for_each(|problem| err!("{problem}"));
                return Ok(ExitCode::from(2));
            }
        },
    };
    let _lock = lock::recording(&arguments.lake)?;
    mark::sweep(&arguments.lake)?;
    let leftovers = recover::leftovers(&arguments.lake)?;
    let segments = leftovers.iter().map(|leftover| leftover.segments.len() as u64).sum();
    let bar = progress::bar("segments", segments, arguments.json);
    let outcomes: Vec<(&Leftover, Recovered)> = leftovers
        .iter()
        .enumerate()
        .map(|(place, leftover)| {
            let until = recover::began_after(&leftovers, place, None);
            let each = |path: &std::path::Path| {
                bar.set_message(path.display().to_string());
                bar.inc(1);
            };
            (leftover, leftover.recover(&arguments.lake, until, catalogue.as_ref(), each))
        })
        .collect();
    bar.finish_and_clear();
    tell(&outcomes, arguments.json);
    let whole = outcomes.iter().all(|(_, recovered)| recovered.failures.is_empty());
    Ok(ExitCode::from(u8::from(!whole)))
}

fn tell(outcomes: &[(&Leftover, Recovered)], as_json: bool) {
    if as_json {
        let run = |(leftover, recovered): &(&Leftover, Recovered)| {
            json!({
                "run": leftover.run.as_str(),
                "segments_sealed": recovered.sealed.len(),
                "segments_empty": recovered.empty,
                "quotes": quotes(recovered),
                "failures": recovered.failures,
            })
        };
        out!("{}", json!({"runs": outcomes.iter().map(run).collect::<Vec<_>>()}));
        return;
    }
    if outcomes.is_empty() {
        out!("nothing to recover: the journal is empty");
    }
    for (leftover, recovered) in outcomes {
        out!(
            "run {}: {} segments sealed with {} quotes, {} were empty",
            leftover.run,
            recovered.sealed.len(),
            quotes(recovered),
            recovered.empty
        );
        recovered.failures.iter().for_each(|failure| out!("  FAILED {failure}"));
    }
}

fn quotes(recovered: &Recovered) -> u64 {
    recovered.sealed.iter().map(|sealed| sealed.tally.quotes).sum()
}
