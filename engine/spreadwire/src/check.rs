//! `spreadwire check`: what is wrong with a configuration, or what it would do.
//!
//! With `--online` it also asks the venues for their instruments ([`ask`]), compares them with the
//! configured ones ([`compare`]), tells the result ([`report`]) and, on request, writes a file of
//! instruments ([`instruments_file`]).

use ask::Answer;
use clap::Args;
use compare::{Directory, Findings};
use report::{Needs, Report};
use spreadwire_catalogue::{self as catalogue, Venue};
use spreadwire_config::config::{self, Config};
use spreadwire_engine::plan::{Host, Plan};
use spreadwire_engine::runtime::{cpu, descriptors};
use spreadwire_market::clock::Clock;
use spreadwire_market::problem::{Faults, Problem};
use spreadwire_output::{Stream, err, write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

mod ask;
mod compare;
mod instruments_file;
mod report;

/// Time for each venue's whole answer, seconds, if the command line names none.
const TIMEOUT_S: f64 = 20.0;

/// Manual of the command.
const MANUAL: &str = "\
Examples:
  spreadwire check --config config/laptop.toml
      List every problem, or print the plan. Nothing is asked and nothing is started.

  spreadwire check --config config/laptop.toml --online
      Also ask each venue's public REST API, all at once, without any login.

  spreadwire check --config my.toml --online --write instruments.toml --all USDT
      Write a file to include: the configured instruments and all others that are paid in USDT
      and that at least two of the configured venues of a market trade.

What --online tells, for each instrument and venue:
  trades      the venue trades the configured symbol
  halted      the venue lists it and does not trade it now, with the venue's word
  renamed     the venue trades the same base and quote under another symbol
  unknown     the venue does not list it; the nearest symbol is named
  unreadable  the venue lists it, but its row is not as the venue documents it
  tick, lot   the venue's steps beside the configured decimals. Too few decimals are a problem,
              because quotes would be refused; the remedy names the number. More than needed are a
              note.

Fees are not compared, because the supported venues tell them only after a login. A regional host, a
proxy or a simulator has its own address: set `rest_url` of the venue. To try it without the network:
  exchange-sim --port-base 9101      and rest_url = \"http://127.0.0.1:9101\" for the first venue

Exit codes: 0 no problem, 1 something failed, 2 problems of the configuration or wrong arguments,
3 no problem was found, but a venue could not be asked, or what it says could not be read.";

/// Arguments of the check.
#[derive(Debug, Args)]
#[command(after_help = "See --help for examples and exit codes.", after_long_help = MANUAL)]
pub(crate) struct Check {
    /// Path of the TOML file.
    #[arg(long)]
    config: PathBuf,
    /// Also ask the venues' REST APIs for their instruments, and compare.
    #[arg(long)]
    online: bool,
    /// Write the instruments that the venues trade to this file, ready to be included.
    ///
    /// The file has the configured instruments with the venues that trade them, their symbols, and
    /// decimals that hold every tick and lot. It is not written if a venue could not be asked, and
    /// replaces only a file that was written this way.
    #[arg(long, value_name = "FILE", requires = "online")]
    write: Option<PathBuf>,
    /// Also write every instrument with this quote currency that at least two of the configured venues
    /// of a market trade; may be given several times.
    #[arg(long, value_name = "QUOTE", requires = "write", value_parser = quote)]
    all: Vec<String>,
    /// Tell the result as one JSON object on standard output.
    #[arg(long)]
    json: bool,
    /// Time for each venue's whole answer [default: 20].
    #[arg(long, value_name = "SECONDS", requires = "online", value_parser = seconds)]
    timeout: Option<Duration>,
}

fn quote(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("expected a quote currency such as USDT".to_owned());
    }
    Ok(text.trim().to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds".to_owned())?;
    if !(0.1..=3_600.0).contains(&seconds) {
        return Err("choose 0.1 to 3600 seconds".to_owned());
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// Runs the check and returns its exit code.
pub(crate) fn run(check: &Check) -> anyhow::Result<ExitCode> {
    let clock = Clock::host();
    let host = Host { cpus: cpu::available(), descriptors: descriptors::limit(), now: clock.now() };
    let mut problems = Vec::new();
    let config = config::read(&check.config, &mut problems);
    let planned = match config.clone() {
        Some(config) => Plan::new(config, &check.config, &host, problems),
        None => Err(problems),
    };
    let warning = planned.as_ref().ok().and_then(Plan::warning);
    warning.iter().for_each(|line| err!("spreadwire: {line}"));
    let (Some(config), true) = (config, check.online) else {
        return Ok(match planned {
            Ok(plan) if check.json => {
                let needs = Some(Needs::of(&plan));
                Report { needs, ..Report::default() }.print_json(&check.config, &[], &[]);
                ExitCode::SUCCESS
            }
            Ok(plan) => {
                write(Stream::Out, &plan.describe());
                ExitCode::SUCCESS
            }
            Err(problems) if check.json => {
                let findings = Findings { problems, ..Findings::default() };
                Report { findings, ..Report::default() }.print_json(&check.config, &[], &[]);
                ExitCode::from(2)
            }
            Err(problems) => crate::refuse(&problems),
        });
    };
    if let (Ok(plan), false) = (&planned, check.json) {
        write(Stream::Out, &plan.describe());
    }
    let needs = planned.as_ref().ok().map(Needs::of);
    let online = Online { check, config: &config, clock: &clock, needs };
    online.run(planned.err().unwrap_or_default())
}

/// The part of the check that asks the venues.
struct Online<'a> {
    check: &'a Check,
    config: &'a Config,
    clock: &'a Clock,
    /// What the configuration needs, if it has no problem by itself.
    needs: Option<Needs>,
}

impl Online<'_> {
    /// Runs it, with the problems that the configuration has by itself.
    fn run(mut self, mut problems: Vec<Problem>) -> anyhow::Result<ExitCode> {
        let mut faults = Faults::new(&self.check.config, Vec::new());
        let (venues, catalogue) = catalogue::prove(self.config, &mut faults);
        let faults: Vec<Problem> =
            faults.into_list().into_iter().filter(|fault| !self.is_to_be_written(fault)).collect();
        problems.retain(|problem| !self.is_to_be_written(problem));
        if !faults.is_empty() {
            // What the venues say is compared with nothing that is wrong by itself.
            let findings = Findings { problems, ..Findings::default() };
            return Ok(self.tell(&Report { findings, ..Report::default() }, &[], &[]));
        }
        let limit = self.check.timeout.unwrap_or(Duration::from_secs_f64(TIMEOUT_S));
        let answers = ask::all(&venues, limit, self.clock);
        let directory = |answer: &Answer| answer.listed.as_ref().ok().cloned().map(Directory::new);
        let directories: Vec<Option<Directory>> = answers.iter().map(directory).collect();
        let subjects = compare::subjects(self.config, &venues, &catalogue, &directories);
        let mut findings = compare::compare(&subjects, &venues, &directories, &self.check.config);
        findings.notes.extend(self.addresses(&venues));
        findings.problems.splice(0..0, problems);
        let unreachable = self.unreachable(&venues, &answers);
        let needs = self.needs.take();
        let mut report = Report { findings, unreachable, needs, ..Report::default() };
        if let Some(path) = &self.check.write {
            if let Some(why) = report.is_incomplete() {
                let why = format!("{} was not written, because {why}", path.display());
                report.not_written = Some(why);
            } else {
                let quotes = &self.check.all;
                let file = instruments_file::text(&subjects, &venues, &directories, quotes);
                instruments_file::write(path, &file.text)?;
                report.written = Some((path.clone(), file.count));
                report.added_nothing = file.added_nothing;
            }
        }
        Ok(self.tell(&report, &venues, &answers))
    }

    /// Whether a problem is that there are no instruments, which the written file will have.
    fn is_to_be_written(&self, problem: &Problem) -> bool {
        !self.check.all.is_empty() && problem.key == "instruments"
    }

    fn unreachable(&self, venues: &[Venue], answers: &[Answer]) -> Vec<Problem> {
        let problem = |(venue, answer): (&Venue, &Answer)| {
            let why = answer.listed.as_ref().err()?;
            let file = venue.place.file.as_deref().unwrap_or(&self.check.config).to_owned();
            let reason =
                format!("{} could not be asked: GET {}: {why}", venue.info.name, answer.url);
            let field =
                if matches!(why, ask::Unanswered::CaFile(_)) { "ca_file" } else { "rest_url" };
            Some(Problem { file, key: venue.key(field), reason, remedy: why.remedy().to_owned() })
        };
        venues.iter().zip(answers).filter_map(problem).collect()
    }

    /// Notes venues whose quotes come from another host than their instruments.
    fn addresses(&self, venues: &[Venue]) -> Vec<Problem> {
        let note = |(venue, written): (&Venue, &config::Venue)| {
            let elsewhere = written.url.is_some() && written.rest_url.is_none();
            elsewhere.then(|| Problem {
                file: venue.place.file.as_deref().unwrap_or(&self.check.config).to_owned(),
                key: venue.key("rest_url"),
                reason: format!("url is not the venue's own, but {} was asked", venue.rest_url),
                remedy: "set rest_url if that host has a REST API of its own".to_owned(),
            })
        };
        venues.iter().zip(&self.config.venues).filter_map(note).collect()
    }

    fn tell(&self, report: &Report, venues: &[Venue], answers: &[Answer]) -> ExitCode {
        if self.check.json {
            report.print_json(&self.check.config, venues, answers);
        } else {
            report.print(venues, answers);
        }
        ExitCode::from(report.exit_code())
    }
}
