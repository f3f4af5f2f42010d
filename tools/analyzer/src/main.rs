//! `analyzer` ranks instruments and pairs of venues over a recorded lake.

use analyzer::command_line;
use spreadwire_market::clock::Clock;
use std::process::ExitCode;

fn main() -> ExitCode {
    let code = command_line::run(std::env::args_os().collect(), Clock::host().now());
    spreadwire_output::conclude(code)
}
