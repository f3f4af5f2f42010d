//! `spreadwire`: the command line of the engine.
//!
//! Exit codes: 0 it ended as requested, 1 something failed or no quote was decoded, 2 the arguments or
//! the configuration are wrong, 3 a venue could not be asked (`check --online`), 4 a second Ctrl-C ended it at once.

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use spreadwire_engine::plan::{Host, Plan};
use spreadwire_engine::process::{self, Process};
use spreadwire_engine::runtime::{cpu, descriptors};
use spreadwire_engine::summary::Summary;
use spreadwire_lake::provenance::Mixture;
use spreadwire_market::clock::Clock;
use spreadwire_market::problem::Problem;
use spreadwire_output::{Stream, err, offer, out};
use spreadwire_venues::venues;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

mod check;
mod demo;
mod paper;
mod plot;
mod replay;

/// Finds price gaps between crypto exchanges: reads their feeds, computes the spread of every pair
/// of venues, broadcasts and decides on it, and records every quote.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "First steps:\n  \
    spreadwire demo                                 simulated exchanges, nothing to set up\n  \
    spreadwire check --config config/laptop.toml    what a configuration would do\n  \
    spreadwire check --config config/laptop.toml --online   and what the venues say about it\n  \
    spreadwire run --config config/laptop.toml      live feeds; Ctrl-C seals and stops\n  \
    spreadwire replay lake --config config/laptop.toml   the recorded quotes again\n\n\
    Exit codes: 0 success, 1 something failed or no quote was decoded, 2 wrong arguments or configuration, 3 a venue could not be asked, \
    4 a second Ctrl-C ended it at once."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Connect to the venues of a configuration and run until Ctrl-C.
    Run(Run),
    /// Check a configuration: list every problem, or print the plan. With --online, ask the venues for
    /// their instruments too.
    Check(check::Check),
    /// Feed a lake's quotes through calculation, decision and paper execution again, as fast as it can.
    Replay(replay::Replay),
    /// List the supported venues.
    Venues,
    /// Run against simulated exchanges on loopback: the whole system, without any setup.
    Demo(demo::Demo),
}

#[derive(Debug, Args)]
struct Run {
    /// Path of the TOML file; `config/` has three examples.
    #[arg(long)]
    config: PathBuf,
    /// Stop after this many seconds instead of at Ctrl-C.
    #[arg(long = "for", value_name = "SECONDS", value_parser = seconds)]
    limit: Option<Duration>,
    /// Write the closing summary to this file as JSON.
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// Write latencies by stage and venue into this folder: an interval log each second, and
    /// distributions and plots at the end (HdrHistogram's formats).
    #[arg(long, value_name = "DIR")]
    hist: Option<PathBuf>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let has_table = matches!(cli.command, Command::Demo(_)) && Stream::Out.is_terminal();
    // Log lines would break the demo's table.
    process::log_to_stderr(if has_table { "error" } else { "info" });
    let done = match cli.command {
        Command::Run(run) => run_engine(&run),
        Command::Check(check) => check::run(&check),
        Command::Replay(replay) => replay::run(&replay),
        Command::Venues => Ok(list_venues()),
        Command::Demo(demo) => demo::run(&demo),
    };
    spreadwire_output::conclude(done.unwrap_or_else(|error| {
        err!("spreadwire: {error:#}");
        ExitCode::from(1)
    }))
}

fn run_engine(run: &Run) -> anyhow::Result<ExitCode> {
    let mut plan = match plan_of(&run.config) {
        Ok(plan) => plan,
        Err(problems) => return Ok(refuse(&problems)),
    };
    if run.hist.is_some() {
        plan.hist.clone_from(&run.hist);
    }
    process::check_summary(run.summary.as_deref())?;
    let mut engine = match start(&plan, &run.config)? {
        Ok(engine) => engine,
        Err(problem) => return Ok(refuse(&[problem])),
    };
    offer(Stream::Err, &format!("broadcast on {}; Ctrl-C seals and stops", engine.url()));
    let mut status = process::StatusLine::new(&plan.catalogue);
    let mut reread = engine.reread(&run.config, &plan);
    let clock = engine.clock().clone();
    let summary = engine.supervise(run.limit, |counters, _stop| {
        reread.look(clock.now());
        offer(Stream::Err, &status.line(counters)?);
        Ok(())
    })?;
    conclude(&plan, &summary, run.summary.as_deref())
}

/// Starts the engine of a plan. A lake that holds another market is a problem of the configuration in `file`.
fn start(plan: &Plan, file: &Path) -> anyhow::Result<Result<Process, Problem>> {
    let error = match Process::start(plan) {
        Ok(engine) => return Ok(Ok(engine)),
        Err(error) => error,
    };
    let mixture = error.downcast::<Mixture>()?;
    let (file, key) = (file.to_owned(), "journal.lake".to_owned());
    Ok(Err(Problem { file, key, reason: mixture.to_string(), remedy: mixture.remedy().to_owned() }))
}

/// Parses a number of seconds.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|it| Duration::try_from_secs_f64(it).ok());
    seconds.ok_or_else(|| "write a number of seconds, such as 10 or 0.5".to_owned())
}

/// Draws the latencies if they are written, prints the summary, and returns the exit code.
fn conclude(plan: &Plan, summary: &Summary, file: Option<&Path>) -> anyhow::Result<ExitCode> {
    if let Some(folder) = &plan.hist {
        plot::write(folder, &summary.report)
            .with_context(|| format!("cannot write latency plots into {}", folder.display()))?;
    }
    let code = process::conclude(summary, file)?;
    let status = plan.trading.as_ref().and_then(|trading| paper::read(&plan.status(trading)));
    status.iter().flat_map(paper::told).for_each(|line| out!("{line}"));
    Ok(code)
}

fn plan_of(path: &Path) -> Result<Plan, Vec<Problem>> {
    let (cpus, descriptors) = (cpu::available(), descriptors::limit());
    Plan::read(path, &Host { cpus, descriptors, now: Clock::host().now() })
}

fn refuse(problems: &[Problem]) -> ExitCode {
    for problem in problems {
        err!("{problem}");
    }
    let s = if problems.len() == 1 { "" } else { "s" };
    err!("{} problem{s}; nothing was started", problems.len());
    ExitCode::from(2)
}

fn list_venues() -> ExitCode {
    for venue in venues::VENUES {
        out!(
            "{:<14} {:<16} {:<44} {}{}  taker {} bp",
            venue.name,
            venue.market.to_string(),
            venue.title,
            venue.url,
            venue.path,
            venue.taker_fee_bps
        );
    }
    ExitCode::SUCCESS
}
