//! Turns the arguments of `analyzer` into an exit code.
//!
//! The exit code is 0 if all is well; 1 on failure, or if something would have been left out under
//! `--strict`; 2 if the arguments are wrong; 3 if there are results but something was left out.
//! `analyzer diff` exits as `diff` does: 0 without differences, 1 with differences, 2 on trouble.
//! `approve`, `revoke` and `approved` exit with 0, or with 2 if they were refused.

use crate::options::Arguments;
use crate::output::dated::{self, Edition, Finished, Latest};
use crate::output::{console, recommended};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::report::{Completeness, Problem, Report};
use crate::standing::{self, Analysis};
use crate::{approvals, approve, completeness, diff, output, parsing, revoke};
use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand};
use spreadwire_market::clock::Nanos;
use spreadwire_output::{Stream, err, out, write};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// Ranks instruments and pairs of venues by what their price gaps would have paid.
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  analyzer lake                              the whole lake; results in analysis/latest/
  analyzer lake --yesterday --strict         every night, from a scheduler
  analyzer lake --last-days 30               reads only days that have no partial result yet
  analyzer lake --metrics compatible --rank opportunity_cycles_040bp
  analyzer lake --fees 10,okx=8 --latency 20,binance=3 --instruments 'BTC/*'
  analyzer approved                          what is approved, and what became of it
  analyzer approve BTC/USDT:okx:binance      buy on okx, sell on binance
  analyzer diff analysis/2026-11-23T0210Z/recommendations.toml analysis/latest/recommendations.toml

Exit codes: 0 success, 1 failure, 2 wrong arguments, 3 something was left out (the results name it).
docs/metrics.md defines every figure."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    arguments: Arguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what changed between two recommendation files.
    Diff(diff::Diff),
    /// Approve recommended pairs: the engine and the trader may open them.
    Approve(approve::Approve),
    /// Take approvals back.
    Revoke(revoke::Revoke),
    /// List the approved pairs, and how they stand beside the last analysis.
    Approved(approvals::List),
}

/// Does what a command line says, whose first word is the name of the program, at `now`, ns since 1970
/// UTC. Ends the process if clap has something to say.
#[must_use]
pub fn run(words: Vec<OsString>, now: Nanos) -> ExitCode {
    let (parsed, told) = parsing::parse::<Cli>(words);
    told.iter().for_each(|told| err!("analyzer: {told}"));
    let cli = parsed.unwrap_or_else(|error| error.exit());
    obey(cli, told.is_empty(), now)
}

/// Does what a command line says, if all of it could be parsed. Otherwise tells what else is wrong.
fn obey(cli: Cli, is_parsed: bool, now: Nanos) -> ExitCode {
    if let Some(command) = cli.command.as_ref().filter(|_| is_parsed) {
        return obey_command(command, now);
    }
    if cli.arguments.lake.is_none() && cli.command.is_some() {
        return ExitCode::from(2);
    }
    if cli.arguments.lake.is_none() {
        let missing = clap::error::ErrorKind::MissingRequiredArgument;
        Cli::command().error(missing, "name the folder of a lake; see --help").exit();
    }
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let plan = match Plan::new(cli.arguments, now) {
        Ok(plan) if is_parsed => plan,
        Ok(_) => return ExitCode::from(2),
        Err(problems) => {
            problems.iter().for_each(|problem| err!("analyzer: {problem}"));
            return ExitCode::from(2);
        }
    };
    analyse(&plan, now).unwrap_or_else(|error| {
        err!("analyzer: {error:#}");
        ExitCode::FAILURE
    })
}

fn obey_command(command: &Command, now: Nanos) -> ExitCode {
    let done = match command {
        Command::Diff(diff) => {
            return diff::run(diff, now).unwrap_or_else(|error| {
                err!("analyzer: {error:#}");
                ExitCode::from(2)
            });
        }
        Command::Approve(approve) => approve::run(approve, login(), now),
        Command::Revoke(revoke) => revoke::run(revoke, now),
        Command::Approved(list) => approvals::run(list, now),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problems) => {
            problems.iter().for_each(|problem| err!("analyzer: {problem}"));
            ExitCode::from(2)
        }
    }
}

/// Returns the name of who is logged in.
fn login() -> Option<String> {
    ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok())
}

fn analyse(plan: &Plan, now: i64) -> anyhow::Result<ExitCode> {
    if let Some(why) = dated::obstacle(&plan.arguments.out)? {
        anyhow::bail!("--out: {why}");
    }
    let progress = Progress::new(plan.arguments.json);
    let mut report = crate::run::analyse(plan, now, &progress)?;
    progress.finish();
    let recommended = review(plan, &mut report, now);
    let left_out: Vec<&Problem> = report.problems.iter().filter(|of| of.left_out).collect();
    let is_empty = report.days.is_empty();
    let in_doubt = doubts(&report);
    if is_empty || (plan.arguments.strict && !(left_out.is_empty() && in_doubt.is_empty())) {
        left_out.iter().for_each(|of| err!("analyzer: {}: {}", of.subject, of.what));
        anyhow::ensure!(!is_empty, nothing_found(plan));
        in_doubt.iter().for_each(|of| err!("analyzer: {of}"));
        let count = left_out.len() + in_doubt.len();
        anyhow::bail!("{}, and --strict was given", would_be_left_out(count));
    }
    let is_whole = left_out.is_empty() && in_doubt.is_empty();
    let (finished, files) = write_all(plan, &report, recommended.as_deref(), now)?;
    tell(plan, &report, (&finished, &files))?;
    Ok(ExitCode::from(if is_whole { 0 } else { 3 }))
}

fn would_be_left_out(count: usize) -> String {
    match count {
        1 => "1 thing would be left out or is in doubt".to_owned(),
        many => format!("{many} things would be left out or are in doubt"),
    }
}

/// Returns what the ledger says is missing, or that it says nothing, unless the user acknowledged it.
fn doubts(report: &Report) -> &[String] {
    let Completeness { verdict, findings } = &report.completeness;
    let is_sound =
        [completeness::COMPLETE, completeness::NOT_VOUCHED_FOR].contains(&verdict.as_str());
    if is_sound { &[] } else { findings }
}

/// Returns what the report recommends, and adds to it how the approved pairs stand. If nothing was
/// decided, there is no telling.
fn review(plan: &Plan, report: &mut Report, now: i64) -> Option<String> {
    if report.undecided {
        return None;
    }
    let recommended = recommended::of(report, plan, now);
    let analysis = Analysis { recommended: &recommended, report: Some(report) };
    let now = u64::try_from(now).unwrap_or(0);
    report.approved = standing::of(&plan.approvals, Some(analysis), now);
    Some(recommended::head(report) + &recommended.to_toml())
}

/// Writes the results into a dated folder, and returns the paths of the files. What decided
/// nothing takes the place of no decision: the link `latest` stays with it.
fn write_all(
    plan: &Plan,
    report: &Report,
    recommended: Option<&str>,
    now: i64,
) -> anyhow::Result<(Finished, Vec<PathBuf>)> {
    let (out, keep) = (&plan.arguments.out, plan.arguments.keep as usize);
    let whole = || format!("cannot write results into {}", out.display());
    let edition = Edition::begin(out, now).with_context(whole)?;
    let files = output::write(report, edition.folder(), &plan.arguments.format, recommended)?;
    let latest = match recommended {
        Some(_) => Latest::Moves,
        None => Latest::StaysWith(output::RECOMMENDATIONS),
    };
    let finished = edition.finish(&files, keep, latest).with_context(whole)?;
    let moved = finished.stays.is_none().then(|| finished.latest.clone());
    let files = files.iter().map(|file| finished.folder.join(file)).chain(moved).collect();
    Ok((finished, files))
}

fn nothing_found(plan: &Plan) -> String {
    format!(
        "{} has no quotes that match: check --from, --to, --venues and --instruments, and that its \
         files are in one of the layouts that docs/analyzer.md lists",
        plan.lake.display()
    )
}

fn tell(
    plan: &Plan,
    report: &Report,
    (finished, written): (&Finished, &[PathBuf]),
) -> anyhow::Result<()> {
    if plan.arguments.json {
        write(Stream::Out, &output::json::text(report)?);
    } else {
        // Details of pairs are named by their folder.
        let named = |path: &PathBuf| match path.parent() {
            Some(folder) if folder.ends_with(output::DETAILS) => format!("{}/", folder.display()),
            Some(_) | None => path.display().to_string(),
        };
        let mut files: Vec<String> = written.iter().map(named).collect();
        files.dedup();
        let text = console::text(report, plan.arguments.top);
        out!("{text}written: {}", files.join(", "));
        if let Some(folder) = &finished.stays {
            out!(
                "{} stays with the last decision, {}",
                finished.latest.display(),
                folder.display()
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_no_plural() {
        assert_eq!(would_be_left_out(1), "1 thing would be left out or is in doubt");
        assert_eq!(would_be_left_out(2), "2 things would be left out or are in doubt");
    }
}
