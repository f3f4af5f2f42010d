//! The binary `doctor`: parses the arguments, runs a command and returns its exit code.
//!
//! The exit code is 0 if nothing failed, 1 if a check failed or something could not be done, and 2
//! if the arguments or the configuration are wrong.

use anyhow::Context;
use clap::Parser;
use comfy_table::{CellAlignment, Table, presets};
use doctor::check::Status;
use doctor::cpulist::CpuList;
use doctor::host::{Host, Programs, Wanted};
use doctor::jitter::{self, Figures, Hiccups};
use doctor::options::{CheckOptions, Command, Jitter, Options, Topology};
use doctor::placement;
use doctor::topology::{self, Pair};
use doctor::verdict::Report;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use spreadwire_engine::plan::{self, Plan};
use spreadwire_market::clock::Clock;
use spreadwire_market::problem::Problem;
use spreadwire_output::{Stream, err, out, write};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// How long the counters are watched. This is long enough for a rate and keeps the whole run below
/// two seconds.
const WATCH: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match &options.command {
        None => check(&options.check),
        Some(Command::Jitter(options)) => measure_jitter(options),
        Some(Command::Topology(options)) => measure_topology(options),
    };
    spreadwire_output::conclude(done.unwrap_or_else(|error| {
        err!("doctor: {error:#}");
        ExitCode::from(1)
    }))
}

fn check(options: &CheckOptions) -> anyhow::Result<ExitCode> {
    if let Some(root) = options.root.as_ref().filter(|root| !root.join("proc").is_dir()) {
        err!(
            "doctor: --root: {} has no folder proc; name a folder with a copy of proc, sys, etc",
            root.display()
        );
        return Ok(ExitCode::from(2));
    }
    // The host is read once without a configuration, because the plan needs the allowed CPUs.
    let root = options.root.as_deref();
    let files = |wanted: Option<Wanted>, root: &Path| {
        let programs = Programs::Given(BTreeMap::new());
        Host::of_files(root, root, programs, wanted, options.cpus.clone())
    };
    let allowed = files(None, root.unwrap_or(Path::new("/"))).cpus;
    let wanted = match options.config.as_deref().map(|config| plan_of(config, &allowed)) {
        None => None,
        Some(Ok(plan)) => Some(Wanted::of(&plan)),
        Some(Err(problems)) => return Ok(refuse(&problems)),
    };
    let host = match root {
        Some(root) => files(wanted, root),
        None => Host::live(wanted, options.cpus.clone(), WATCH),
    };
    let report = Report::of(&host);
    if options.json {
        out!("{}", serde_json::to_string_pretty(&report)?);
    } else if options.quiet {
        out!("{}", report.line);
    } else {
        write(Stream::Out, &report.text());
    }
    let worst = report.findings.iter().map(|finding| finding.status).max();
    let bound = if options.strict { Status::Warn } else { Status::Fail };
    Ok(ExitCode::from(u8::from(worst.is_some_and(|worst| bound <= worst))))
}

fn plan_of(config: &Path, cpus: &CpuList) -> Result<Plan, Vec<Problem>> {
    Plan::read(
        config,
        &plan::Host {
            cpus: cpus.iter().collect(),
            descriptors: u64::MAX,
            now: Clock::host().now(),
        },
    )
}

fn refuse(problems: &[Problem]) -> ExitCode {
    for problem in problems {
        err!("{problem}");
    }
    let s = if problems.len() == 1 { "" } else { "s" };
    err!("{} problem{s}; nothing was checked", problems.len());
    ExitCode::from(2)
}

/// Returns the CPUs asked for, or those of `default` if none were; all of them must be online.
fn chosen(
    asked: Option<&CpuList>,
    default: impl Fn(&Host) -> CpuList,
) -> Result<CpuList, ExitCode> {
    let root = Path::new("/");
    let host = Host::of_files(root, root, Programs::Given(BTreeMap::new()), None, None);
    let cpus = asked.cloned().unwrap_or_else(|| default(&host));
    let missing = cpus.without(&host.online());
    if missing.is_empty() {
        return Ok(cpus);
    }
    err!("doctor: --cpus: CPU {missing} does not exist; online CPUs are {}", host.online());
    Err(ExitCode::from(2))
}

fn measure_jitter(options: &Jitter) -> anyhow::Result<ExitCode> {
    let cpus = match chosen(options.cpus.as_ref(), |host| host.hot.clone()) {
        Ok(cpus) => cpus,
        Err(code) => return Ok(code),
    };
    if let Some(folder) = &options.hist {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let bar = bar("watching", 100, "%");
    let cpus: Vec<usize> = cpus.iter().collect();
    let measured = jitter::measure(&cpus, options.duration, |share| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
        bar.set_position((share * 100.0) as u64);
    });
    bar.finish_and_clear();
    let measured = measured?;
    for (figures, hiccups) in options.hist.iter().flat_map(|_| &measured) {
        write_histogram(options, figures, hiccups)?;
    }
    let figures: Vec<Figures> = measured.into_iter().map(|(figures, _)| figures).collect();
    if options.json {
        out!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        out!("{}", jitter_table(&figures));
    }
    let accepted = figures.iter().all(|figures| figures.accepted);
    Ok(ExitCode::from(u8::from(options.strict && !accepted)))
}

fn write_histogram(options: &Jitter, figures: &Figures, hiccups: &Hiccups) -> anyhow::Result<()> {
    let Some(folder) = &options.hist else { return Ok(()) };
    let file = folder.join(format!("cpu{}.hgrm", figures.cpu));
    std::fs::write(&file, hiccups.hgrm()).with_context(|| file.display().to_string())
}

fn jitter_table(all: &[Figures]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "CPU",
        "hiccups",
        "p50 us",
        "p99 us",
        "p99.9 us",
        "p99.99 us",
        "max us",
        "> 10 us",
        "> 100 us",
        "> 1 ms",
        "lost",
        "accepted",
    ]);
    #[expect(clippy::cast_precision_loss, reason = "microseconds for people")]
    let us = |ns: u64| format!("{:.1}", ns as f64 / 1e3);
    for it in all {
        table.add_row([
            it.cpu.to_string(),
            it.hiccups.to_string(),
            us(it.p50_ns),
            us(it.p99_ns),
            us(it.p99_9_ns),
            us(it.p99_99_ns),
            us(it.max_ns),
            it.above_10us.to_string(),
            it.above_100us.to_string(),
            it.above_1ms.to_string(),
            format!("{:.3} %", it.lost * 100.0),
            if it.accepted { "yes" } else { "no" }.to_owned(),
        ]);
    }
    right(&mut table);
    table
}

fn right(table: &mut Table) {
    table.column_iter_mut().for_each(|column| column.set_cell_alignment(CellAlignment::Right));
}

fn measure_topology(options: &Topology) -> anyhow::Result<ExitCode> {
    let all = match chosen(options.cpus.as_ref(), |host| host.cpus.clone()) {
        Ok(cpus) => cpus,
        Err(code) => return Ok(code),
    };
    let mut problems = Vec::new();
    let config =
        options.config.as_deref().map(|it| spreadwire_config::config::read(it, &mut problems));
    if !problems.is_empty() {
        return Ok(refuse(&problems));
    }
    let venues = config.flatten().map(|config| config.venues).unwrap_or_default();
    let venues: Vec<String> = venues.into_iter().map(|venue| venue.name).collect();
    let pairs = measure_pairs(&all)?;
    let root = Path::new("/");
    let given = Programs::Given(BTreeMap::new());
    let host = Host::of_files(root, root, given, None, options.cpus.clone());
    let cores = host.without_siblings(&host.hot);
    let threads = placement::propose(&cores, &pairs, &venues);
    if options.json {
        let report = serde_json::json!({ "pairs": pairs, "threads": placement::toml(&threads) });
        out!("{report:#}");
    } else {
        out!("one hand-over between two CPUs, ns (median)\n{}", matrix(&all, &pairs));
        out!("\noffset between the time-stamp counters of two CPUs");
        for Pair { cpus: (a, b), skew, .. } in &pairs {
            out!("  CPU {a} to {b}: {} to {} ns", skew.low, skew.high);
        }
        out!("\n# proposed placement on CPUs {}\n", host.hot);
        write(Stream::Out, &placement::toml(&threads));
    }
    Ok(ExitCode::SUCCESS)
}

fn measure_pairs(cpus: &CpuList) -> anyhow::Result<Vec<Pair>> {
    let clock = quanta::Clock::new();
    let numbers: Vec<usize> = cpus.iter().collect();
    let count = numbers.len() * numbers.len().saturating_sub(1) / 2;
    let bar = bar("pairs", count as u64, "");
    let mut pairs = Vec::new();
    for (place, a) in numbers.iter().enumerate() {
        for b in &numbers[place + 1..] {
            let pair = topology::measure(&clock, *a, *b);
            pairs.push(pair.with_context(|| {
                format!("CPUs {a} and {b}: the system does not allow threads to be pinned there")
            })?);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(pairs)
}

fn matrix(cpus: &CpuList, pairs: &[Pair]) -> Table {
    let mut table = Table::new();
    let head = cpus.iter().map(|cpu| cpu.to_string());
    table.load_style(presets::NOTHING);
    table.set_header(std::iter::once("CPU".to_owned()).chain(head));
    for a in cpus.iter() {
        let cell = |b: usize| {
            let pair = pairs.iter().find(|pair| pair.cpus == (a.min(b), a.max(b)));
            pair.map_or(String::new(), |pair| format!("{:.0}", pair.p50_ns))
        };
        table.add_row(std::iter::once(a.to_string()).chain(cpus.iter().map(cell)));
    }
    right(&mut table);
    table
}

/// Creates a progress bar on standard error, so that standard output has only the results.
fn bar(what: &'static str, steps: u64, unit: &'static str) -> ProgressBar {
    if !Stream::Err.is_terminal() {
        return ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::hidden());
    }
    let template = format!("{{prefix}} [{{bar:30}}] {{pos}}{unit} {{eta}}");
    let style = ProgressStyle::with_template(&template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    ProgressBar::new(steps).with_style(style).with_prefix(what)
}
