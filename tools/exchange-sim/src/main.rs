//! The command line of the exchange simulator.
//!
//! Turns arguments into options, prints the URLs and one line a second, and stops on Ctrl-C. Bad
//! arguments end with exit code 2, what cannot start with 1. What is simulated is the library's.

mod command_line;
mod report;
mod write_tape;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use exchange_sim::{Clock, Options, Simulator, Source, Stats, venue_path};

use crate::command_line::Arguments;

/// How long one status line stands.
const STATUS: Duration = Duration::from_secs(1);

/// How often Ctrl-C and the end of the time are looked for.
const LOOK: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let options = match command_line::options(&arguments) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("error: {problem:#}\n\nFor more information, try '--help'.");
            return ExitCode::from(2);
        }
    };
    match run(&arguments, options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("error: {problem:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, options: Options) -> Result<()> {
    if let (Some(path), Some(lasting), Source::Model(model)) =
        (&arguments.write_tape, arguments.lasting, &options.source)
    {
        let rows = write_tape::write(path, model, &options.venues, lasting)
            .with_context(|| format!("cannot write {}", path.display()))?;
        println!("{rows} quotes written to {}", path.display());
        return Ok(());
    }
    let is_interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&is_interrupted))
            .context("cannot listen to Ctrl-C")?;
    }
    let simulator = Simulator::start(options).context("cannot start the simulator")?;
    if let (Some(path), Some(pem)) = (&arguments.cert_out, simulator.certificate_pem()) {
        std::fs::write(path, pem).with_context(|| format!("cannot write {}", path.display()))?;
        println!("certificate  {}", path.display());
    }
    for (name, _) in simulator.venues() {
        let path = venue_path(name).unwrap_or_default();
        println!("{name:<13}{}{path}", simulator.url(name));
    }
    watch(&simulator, arguments.lasting, &is_interrupted);
    report::summarise(&simulator.stop());
    Ok(())
}

/// Prints a line a second until the time is over or Ctrl-C comes.
fn watch(simulator: &Simulator, lasting: Option<Duration>, is_interrupted: &AtomicBool) {
    let clock = Clock::start();
    let begin_ns = clock.now_ns();
    let mut before = Stats::default();
    let mut lines = 0;
    while !is_interrupted.load(Ordering::Relaxed) {
        let elapsed = Duration::from_nanos(clock.now_ns() - begin_ns);
        if lasting.is_some_and(|lasting| lasting <= elapsed) {
            return;
        }
        if STATUS * (lines + 1) <= elapsed {
            lines += 1;
            let stats = simulator.stats();
            report::print_status(&stats, &before);
            before = stats;
        }
        std::thread::sleep(LOOK);
    }
    println!();
}
