//! The binary of the exchange simulator.
//!
//! It turns the arguments into options, starts the library's simulator, and prints the URLs of the
//! venues and one status line a second until Ctrl-C or the end of `--for`. `--help` is the manual:
//! it explains the sources, the faults and the output.
//!
//! The exit code is 2 for wrong arguments and 1 if the simulator cannot start.

mod command_line;
mod report;
mod write_tape;

use spreadwire_output::{err, out};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use exchange_sim::{
    ApiKey, Clock, Options, Secret, SimError, Simulator, Source, Stats, TEST_ED25519_PRIVATE,
    order_paths, test_keys, venue_path,
};

use crate::command_line::Arguments;

/// Time between two status lines.
const STATUS: Duration = Duration::from_secs(1);

/// How often Ctrl-C and the end of `--for` are checked.
const CHECK: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    spreadwire_output::conclude(simulate(&Arguments::parse()))
}

fn simulate(arguments: &Arguments) -> ExitCode {
    let options = match command_line::options(arguments) {
        Ok(options) => options,
        Err(problem) => {
            err!("error: {problem:#}\n\nFor more information, try '--help'.");
            return ExitCode::from(2);
        }
    };
    match run(arguments, options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            err!("error: {problem:#}");
            // Only the source knows whether it has the symbols of faults and listings.
            let is_argument = matches!(problem.downcast_ref(), Some(SimError::Option(_)));
            if is_argument { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

fn run(arguments: &Arguments, options: Options) -> Result<()> {
    if let (Some(path), Some(lasting), Source::Model(model)) =
        (&arguments.write_tape, arguments.lasting, &options.source)
    {
        let rows = write_tape::write(path, model, &options.venues, lasting)
            .with_context(|| format!("cannot write {}", path.display()))?;
        out!("{rows} quotes written to {}", path.display());
        return Ok(());
    }
    let is_interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&is_interrupted))
            .context("cannot install a handler for Ctrl-C")?;
    }
    let takes_orders = options.orders.is_some();
    let simulator = Simulator::start(options).context("cannot start the simulator")?;
    if let (Some(path), Some(pem)) = (&arguments.cert_out, simulator.certificate_pem()) {
        std::fs::write(path, pem).with_context(|| format!("cannot write {}", path.display()))?;
        out!("certificate  {}", path.display());
    }
    for (name, _) in simulator.venues() {
        let path = venue_path(name).unwrap_or_default();
        out!("{name:<13}{}{path}", simulator.url(name));
        for path in if takes_orders { order_paths(name) } else { &[] } {
            out!("{name:<13}{}{path} (orders)", simulator.url(name));
        }
    }
    if takes_orders && arguments.uses_test_keys() {
        print_test_keys(&simulator);
    }
    watch(&simulator, arguments.lasting, &is_interrupted);
    report::summarise(&simulator.stop());
    Ok(())
}

/// Prints the built-in keys of the venues served. They are no secrets.
fn print_test_keys(simulator: &Simulator) {
    let served = |key: &ApiKey| simulator.venues().iter().any(|(name, _)| *name == key.venue);
    for ApiKey { venue, key, secret, passphrase } in test_keys().into_iter().filter(served) {
        match secret {
            Secret::Hmac(secret) if passphrase.is_empty() => {
                out!("{venue:<13}key {key}, secret {secret}");
            }
            Secret::Hmac(secret) => {
                out!("{venue:<13}key {key}, secret {secret}, passphrase {passphrase}");
            }
            Secret::Ed25519(_) => {
                out!("{venue:<13}key {key}, private Ed25519 key {TEST_ED25519_PRIVATE}");
            }
        }
    }
}

/// Prints a status line a second until `lasting` has passed, Ctrl-C was pressed or nobody reads the lines.
fn watch(simulator: &Simulator, lasting: Option<Duration>, is_interrupted: &AtomicBool) {
    let clock = Clock::start();
    let begin_ns = clock.now_ns();
    let mut before = Stats::default();
    let mut lines = 0;
    while !is_interrupted.load(Ordering::Relaxed) && !spreadwire_output::has_reader_left() {
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
        std::thread::sleep(CHECK);
    }
    out!();
}
