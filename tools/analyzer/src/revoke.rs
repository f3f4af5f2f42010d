//! `analyzer revoke PAIR...`: takes pairs out of the file that the engine and the trader read.
//!
//! A running engine or trader notices the change within a second: the pair opens nothing any more, and
//! what is open closes at its next spread. The exit code is 0, or 2 if it was refused.

use crate::approvals;
use crate::pair_names::{self, Named};
use clap::Args;
use spreadwire_market::approved::Approval;
use spreadwire_market::clock::Nanos;
use spreadwire_market::recommendations::name_of;
use spreadwire_output::out;
use std::path::PathBuf;

/// Arguments of `analyzer revoke`.
#[derive(Clone, Debug, Args)]
pub struct Revoke {
    /// Pairs: INSTRUMENT:BUY:SELL as BTC/USDT:okx:binance, numbers in the file, or all.
    #[arg(required = true, value_name = "PAIR", value_parser = pair_names::parse)]
    pub pairs: Vec<Named>,
    /// The file of approved pairs.
    #[arg(long, value_name = "FILE", default_value = approvals::FILE)]
    pub file: PathBuf,
}

/// Revokes pairs at `now`, ns since 1970 UTC.
///
/// # Errors
/// Everything that is wrong, a line each; nothing was changed then.
pub fn run(arguments: &Revoke, now: Nanos) -> Result<(), Vec<String>> {
    let mut approved = approvals::existing(&arguments.file)?;
    let keys: Vec<_> = approved.pairs.iter().map(Approval::key).collect();
    let missing = |key: (&str, &str, &str)| format!("{} is not approved", name_of(key));
    let alone: Vec<Vec<usize>> = (0..keys.len()).map(|place| vec![place]).collect();
    let places = pair_names::places(&arguments.pairs, &keys, &alone, missing)?;
    let names: Vec<String> = places.iter().map(|place| approved.pairs[*place].name()).collect();
    let mut place = 0..approved.pairs.len();
    approved.pairs.retain(|_| place.next().is_some_and(|place| !places.contains(&place)));
    approvals::write(&arguments.file, &approved)?;
    names.iter().for_each(|name| out!("revoked {name}"));
    out!("{}: {}", arguments.file.display(), approved.describe(now));
    Ok(())
}
