//! The commands of the `lake` tool that the oracle calls.

use clap::Parser;
use std::process::ExitCode;

/// The first argument with which the test is the tool.
pub(crate) const WORD: &str = "lake";

#[derive(Debug, Parser)]
#[command(name = WORD)]
enum Tool {
    Compact(lake::compact::Compact),
    Recover(lake::recover::Recover),
    Verify(lake::verify::Verify),
}

/// Runs the tool and returns its exit code, if this process is to be the tool.
pub(crate) fn asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1).peekable();
    arguments.peek().filter(|word| *word == WORD)?;
    let done = match Tool::parse_from(arguments) {
        Tool::Compact(compact) => lake::compact::run(&compact),
        Tool::Recover(recover) => lake::recover::run(&recover),
        Tool::Verify(verify) => lake::verify::run(&verify),
    };
    Some(done.unwrap_or_else(|error| {
        eprintln!("lake: {error:#}");
        ExitCode::FAILURE
    }))
}
