//! Defines the command line.

use crate::cpulist::CpuList;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// Checks what a host would cost the engine in latency, measures its cores, and proposes a
/// placement.
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
    doctor                                   run every check, and say how to fix what is wrong\n  \
    doctor --config config/pinned-8.toml     the same for the cores of a configuration\n  \
    doctor --cpus 2-7 --json                 the same for these cores, as JSON\n  \
    doctor --quiet                           only the line with the verdict\n  \
    doctor jitter --cpus 2,3 --for 10        how often and how long each core is interrupted\n  \
    doctor topology --cpus 0-7               how far apart cores are, and a placement\n\n\
    Hot CPUs (the engine's) are those of --cpus; else those of --config; else the isolated ones;\n\
    else all but the first two (with fewer than four CPUs, all but the first).\n\
    docs/tuning.md says for each check why it matters and how to fix it.\n\n\
    Exit codes: 0 nothing failed; 1 a check failed (with --strict: or warned), or something could\n\
    not be done; 2 wrong arguments or configuration."
)]
pub struct Options {
    /// Command to run instead of the checks.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Options of the checks.
    #[command(flatten)]
    pub check: CheckOptions,
}

/// Command to run instead of the checks.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Measure hiccups: how long each core is kept from a loop that reads the time.
    #[command(
        after_help = "The percentiles are over hiccups: gaps of more than 8 times the smallest \
        gap. An isolated core is accepted if p99.9 is below 5 us and no hiccup reaches 20 us."
    )]
    Jitter(Jitter),
    /// Measure the cost of a hand-over between each pair of cores, and propose a placement of
    /// threads.
    #[command(
        after_help = "The figure is half a round trip of a cache line between two pinned threads, \
        the median of 200 samples of 100 trips. The placement is meant for `[[threads]]` in a \
        configuration."
    )]
    Topology(Topology),
}

/// Options of the checks.
#[derive(Debug, Args)]
pub struct CheckOptions {
    /// Check the cores that this configuration uses.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// CPUs of the engine's threads, such as 2-7 or 2,3.
    #[arg(long, value_name = "LIST", value_parser = cpus)]
    pub cpus: Option<CpuList>,
    /// Print the report as JSON (docs/tuning.md describes it).
    #[arg(long, conflicts_with = "quiet")]
    pub json: bool,
    /// Print only the line with the verdict.
    #[arg(long)]
    pub quiet: bool,
    /// Exit with code 1 on a warning too.
    #[arg(long)]
    pub strict: bool,
    /// Check another host, whose files are copied below this folder: proc, sys, etc.
    #[arg(long, value_name = "FOLDER")]
    pub root: Option<PathBuf>,
}

/// Options of `doctor jitter`.
#[derive(Debug, Args)]
pub struct Jitter {
    /// CPUs to watch, such as 2-7 or 2,3; by default the hot ones.
    #[arg(long, value_name = "LIST", value_parser = cpus)]
    pub cpus: Option<CpuList>,
    /// Number of seconds to watch them.
    #[arg(long = "for", value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub duration: Duration,
    /// Write an .hgrm file for each core into this folder.
    #[arg(long, value_name = "FOLDER")]
    pub hist: Option<PathBuf>,
    /// Print the figures as JSON.
    #[arg(long)]
    pub json: bool,
    /// Exit with code 1 if a core is not accepted.
    #[arg(long)]
    pub strict: bool,
}

/// Options of `doctor topology`.
#[derive(Debug, Args)]
pub struct Topology {
    /// CPUs to measure and to place threads on, such as 2-7 or 2,3; by default all that the process
    /// may use are measured, and threads are placed on the hot ones.
    #[arg(long, value_name = "LIST", value_parser = cpus)]
    pub cpus: Option<CpuList>,
    /// Propose separate feeds for the venues of this configuration.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the figures as JSON.
    #[arg(long)]
    pub json: bool,
}

fn cpus(text: &str) -> Result<CpuList, String> {
    let cpus: CpuList = text.parse()?;
    if cpus.is_empty() {
        Err("the list is empty; write it as 2-7 or 2,3".to_owned())
    } else {
        Ok(cpus)
    }
}

/// Parses a number of seconds, up to a day.
fn seconds(text: &str) -> Result<Duration, String> {
    let duration = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let within = |duration: &Duration| !duration.is_zero() && duration.as_secs() <= 86_400;
    duration
        .filter(within)
        .ok_or_else(|| "write a number of seconds up to 86400, such as 10 or 0.5".to_owned())
}
