//! `lake`: verifies, compacts, imports and exports lakes of recorded quotes.
//!
//! Exit codes: 0 success; 1 something is missing, damaged or could not be done; 2 the arguments are
//! wrong.

use clap::{Parser, Subcommand};
use spreadwire_output::err;
use std::process::ExitCode;

/// Looks after a lake: verifies that it is complete, merges small files, and imports and exports
/// quotes.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 success, 1 something is missing, damaged or failed, 2 wrong \
    arguments."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Merge the files of each past hour into one; safe while an engine records.
    Compact(lake::compact::Compact),
    /// Delete the rows of one run on purpose, and note it in the ledger.
    DropRun(lake::drop_run::DropRun),
    /// Write quotes in another format: csv, tardis or hftbacktest.
    Export(lake::export::Export),
    /// Show what of each venue's instrument was recorded when, and why not.
    Gaps(lake::gaps::Gaps),
    /// Show where the ledger of every run ends, sign it, or compare it with an earlier head.
    Head(lake::head::HeadOf),
    /// Import recorded quotes from files of other programs into a lake, as runs of their own in its
    /// ledger.
    Import(lake::import::Import),
    /// Delete the rows of old days on purpose, and note it in the ledger.
    Prune(lake::prune::Prune),
    /// Seal the segments that a killed engine left in the journal, and note in the ledger how its
    /// run ended.
    Recover(lake::recover::Recover),
    /// Show the contents of a lake by venue and instrument: rows, bytes, time span, gaps.
    Stats(lake::stats::Stats),
    /// Verify that a lake is complete: recompute everything from the files and compare with the
    /// ledger.
    Verify(lake::verify::Verify),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Compact(compact) => lake::compact::run(&compact),
        Command::DropRun(drop_run) => lake::drop_run::run(&drop_run),
        Command::Export(export) => lake::export::run(&export),
        Command::Gaps(gaps) => lake::gaps::run(&gaps),
        Command::Head(head) => lake::head::run(&head),
        Command::Import(import) => lake::import::run(&import),
        Command::Prune(prune) => lake::prune::run(&prune),
        Command::Recover(recover) => lake::recover::run(&recover),
        Command::Stats(stats) => lake::stats::run(&stats),
        Command::Verify(verify) => lake::verify::run(&verify),
    };
    let code = done.unwrap_or_else(|error| {
        let causes = || error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>());
        if causes().any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe) {
            // The reader has closed the pipe, as `head` does.
            return ExitCode::SUCCESS;
        }
        err!("lake: {error:#}");
        ExitCode::from(1)
    });
    spreadwire_output::conclude(code)
}
