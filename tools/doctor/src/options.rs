//! The command line. It must not know what the commands do.

use crate::cpulist::CpuList;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// Checks what a host would cost the engine in latency, measures its cores, proposes a placement.
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
    doctor                                   every check, with what mends what is wrong\n  \
    doctor --config config/pinned-8.toml     the same for the cores of a configuration\n  \
    doctor --cpus 2-7 --json                 the same for these cores, for a program\n  \
    doctor --quiet                           the verdict's line alone\n  \
    doctor jitter --cpus 2,3 --for 10        how long each core is kept from its work\n  \
    doctor topology --cpus 0-7               how far cores are apart, and a placement\n\n\
    Which CPUs are hot (the engine's): those of --cpus; else those of --config; else the isolated\n\
    ones; else all but the first two (below four CPUs, all but the first).\n\
    docs/tuning.md says for each check why it matters and how to mend it.\n\n\
    Exit codes: 0 nothing failed, 1 a check failed (with --strict: or warned), or something could\n\
    not be done, 2 wrong arguments or configuration."
)]
pub struct Options {
    /// What to do instead of the checks.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The checks' options.
    #[command(flatten)]
    pub check: CheckOptions,
}

/// What to do instead of the checks.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Measure hiccups: how long each core is kept from a loop that reads the time.
    #[command(
        after_help = "The percentiles are of hiccups: gaps of more than 8 times the smallest. An \
        isolated core is accepted with p99.9 below 5 us and none of 20 us or more."
    )]
    Jitter(Jitter),
    /// Measure what handing over between each two cores costs, and propose a placement of threads.
    #[command(
        after_help = "The figure is half a round trip of a cache line between two pinned threads, \
        the median of 200 samples of 100 trips. The placement is for `[[threads]]` of a \
        configuration."
    )]
    Topology(Topology),
}

/// The checks' options.
#[derive(Debug, Args)]
pub struct CheckOptions {
    /// Check the cores that this configuration uses.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// CPUs of the engine's threads, as 2-7 or 2,3.
    #[arg(long, value_name = "LIST", value_parser = cpus)]
    pub cpus: Option<CpuList>,
    /// Print the report as JSON (docs/tuning.md describes it).
    #[arg(long, conflicts_with = "quiet")]
    pub json: bool,
    /// Print the verdict's line alone.
    #[arg(long)]
    pub quiet: bool,
    /// Exit with 1 on a warning too.
    #[arg(long)]
    pub strict: bool,
    /// Look at the files of another host, copied below this folder: proc, sys, etc.
    #[arg(long, value_name = "FOLDER")]
    pub root: Option<PathBuf>,
}

/// `doctor jitter`.
#[derive(Debug, Args)]
pub struct Jitter {
    /// CPUs to watch, as 2-7 or 2,3; default is the hot ones.
    #[arg(long, value_name = "LIST", value_parser = cpus)]
    pub cpus: Option<CpuList>,
    /// For how many seconds.
    #[arg(long = "for", value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub duration: Duration,
    /// Write an .hgrm file for each core into this folder.
    #[arg(long, value_name = "FOLDER")]
    pub hist: Option<PathBuf>,
    /// Print the figures as JSON.
    #[arg(long)]
    pub json: bool,
    /// Exit with 1 if a core is not accepted.
    #[arg(long)]
    pub strict: bool,
}

/// `doctor topology`.
#[derive(Debug, Args)]
pub struct Topology {
    /// CPUs to measure, and to place threads on, as 2-7 or 2,3; default is to measure all that the
    /// process may use, and to place on the hot ones.
    #[arg(long, value_name = "LIST", value_parser = cpus)]
    pub cpus: Option<CpuList>,
    /// Take the venues of this configuration, for feeds of their own.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the figures as JSON.
    #[arg(long)]
    pub json: bool,
}

fn cpus(text: &str) -> Result<CpuList, String> {
    let cpus: CpuList = text.parse()?;
    if cpus.is_empty() { Err("it names no CPU; write as 2-7 or 2,3".to_owned()) } else { Ok(cpus) }
}

/// Up to a day.
fn seconds(text: &str) -> Result<Duration, String> {
    let duration = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let within = |duration: &Duration| !duration.is_zero() && duration.as_secs() <= 86_400;
    duration.filter(within).ok_or_else(|| "write seconds, up to 86400, as 10 or 0.5".to_owned())
}
