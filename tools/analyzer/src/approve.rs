//! `analyzer approve PAIR...`: writes pairs that a person has looked at into the file that the engine
//! and the trader read.
//!
//! ```text
//! $ analyzer approve BTC/USDT:okx:binance --entry 5 --expires 7
//! approved BTC/USDT buy okx sell binance: entry 5 bp (3 to 8), exit 0.5 bp, size to 5000, until
//! 2026-12-01T08:00:00Z; expected 12.5 a day (7.5 to 18)
//! approved.toml: 2 of 2 approved pairs enabled, the first until 2026-11-30T02:10:00Z
//! ```
//!
//! All of it is done, or nothing: everything that is wrong is told at once. `docs/recommendations.md`
//! is the manual. The exit code is 0, or 2 if it was refused.

use crate::approvals;
use crate::pair_names::{self, Named};
use crate::standing::Analysis;
use clap::Args;
use spreadwire_market::approved::{Approval, Approved};
use spreadwire_market::clock::{Nanos, SECOND};
use spreadwire_market::moment::time_to_text;
use spreadwire_market::recommendations::{self, Pair, Recommendations, name_of};
use spreadwire_output::out;
use std::path::PathBuf;

const DAY: Nanos = 86_400 * SECOND;

/// Arguments of `analyzer approve`.
#[derive(Clone, Debug, Args)]
pub struct Approve {
    /// Pairs: INSTRUMENT:BUY:SELL as BTC/USDT:okx:binance, numbers in the recommendations, or all.
    #[arg(required = true, value_name = "PAIR", value_parser = pair_names::parse)]
    pub pairs: Vec<Named>,
    /// The recommendations.
    #[arg(long, value_name = "FILE", default_value = approvals::FROM)]
    pub from: PathBuf,
    /// The file of approved pairs, which is made if it does not exist.
    #[arg(long, value_name = "FILE", default_value = approvals::FILE)]
    pub file: PathBuf,
    /// Who approves. Default: the name of the login.
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Entry threshold, within the bounds of each pair. Default: the recommended one.
    #[arg(long, value_name = "BPS", allow_negative_numbers = true)]
    pub entry: Option<f64>,
    /// Largest size of an order, at most the recommended one, which is the default.
    #[arg(long, value_name = "AMOUNT")]
    pub size: Option<f64>,
    /// Days until the approval expires. Default: when the recommendations do.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..=365))]
    pub expires: Option<u16>,
}

/// Approves pairs at `now`, ns since 1970 UTC. `login` is the name of who is logged in.
///
/// # Errors
/// Everything that is wrong, a line each; nothing was changed then.
pub fn run(arguments: &Approve, login: Option<String>, now: Nanos) -> Result<(), Vec<String>> {
    let by = arguments.by.clone().or(login).filter(|by| !by.trim().is_empty());
    let by =
        by.ok_or_else(|| "there is no name of a login: say who approves, with --by NAME".into());
    let recommended = recommendations::read(&arguments.from, now).map_err(|p| lines(&p));
    let approved = approvals::read(&arguments.file);
    let (by, recommended, mut approved) = match (by, recommended, approved) {
        (Ok(by), Ok(recommended), Ok(approved)) => (by, recommended, approved),
        (by, recommended, approved) => {
            let by = by.err().map(|line: String| vec![line]);
            let all = [by, recommended.err(), approved.err()];
            return Err(all.into_iter().flatten().flatten().collect());
        }
    };
    let chosen = chosen(arguments, &recommended)?;
    // Fractions of a second would only make the file harder to read.
    let now = now / SECOND * SECOND;
    let expires = arguments.expires.map_or(recommended.expires, |days| now + u64::from(days) * DAY);
    let mut problems = Vec::new();
    let mut new = Vec::new();
    for pair in chosen {
        let approval = Approval::of(pair, &by, now, expires);
        match with_choices(approval, arguments) {
            Ok(approval) => new.push(approval),
            Err(more) => problems.extend(more),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    for approval in &new {
        put(&mut approved, approval.clone());
    }
    approvals::write(&arguments.file, &approved)?;
    new.iter().for_each(|approval| out!("approved {}", told(approval)));
    out!("{}: {}", arguments.file.display(), approved.describe(now));
    Ok(())
}

/// Returns the recommended pairs that were named.
fn chosen<'a>(
    arguments: &Approve,
    recommended: &'a Recommendations,
) -> Result<Vec<&'a Pair>, Vec<String>> {
    let keys: Vec<_> = recommended.pairs.iter().map(Pair::key).collect();
    if keys.is_empty() && arguments.pairs.contains(&Named::All) {
        return Err(vec![format!("{} recommends no pair", arguments.from.display())]);
    }
    let report = std::cell::OnceCell::new();
    let missing = |key: (&str, &str, &str)| {
        let report = report.get_or_init(|| approvals::report_beside(&arguments.from));
        let analysis = Analysis { recommended, report: report.as_ref() };
        format!("{} is not recommended: {}", name_of(key), analysis.why_not(key).1)
    };
    let places = pair_names::places(&arguments.pairs, &keys, missing)?;
    Ok(places.into_iter().map(|place| &recommended.pairs[place]).collect())
}

/// Applies the entry and the size that were chosen, within the bounds of the recommendation.
fn with_choices(mut approval: Approval, arguments: &Approve) -> Result<Approval, Vec<String>> {
    let mut problems = Vec::new();
    let name = approval.name();
    if let Some(entry) = arguments.entry {
        let (min, max) = (approval.entry_bps_min, approval.entry_bps_max);
        if !(min..=max).contains(&entry) {
            problems.push(format!(
                "--entry: {entry} bp is outside the bounds of {name}; choose {min} to {max}"
            ));
        }
        approval.entry_bps = entry;
        approval.exit_bps = approval.exit_bps.min(entry);
    }
    if let Some(size) = arguments.size {
        let most = approval.size_quote_max;
        if !(0.0 < size && size <= most) {
            problems.push(format!(
                "--size: {size} is no size for {name}; choose one above 0 and up to {most}"
            ));
        }
        scale(&mut approval, size / most);
        approval.size_quote = size;
    }
    if problems.is_empty() { Ok(approval) } else { Err(problems) }
}

/// Makes the promise of an approval that of smaller orders. They are filled at least as well as large ones, so
/// what they leave is no less than their share.
fn scale(approval: &mut Approval, share: f64) {
    let promise = [
        &mut approval.per_day,
        &mut approval.per_day_low,
        &mut approval.per_day_high,
        &mut approval.next_day_low,
        &mut approval.next_day_high,
    ];
    for amount in promise.into_iter().flatten() {
        *amount = (*amount * share * 100.0).round() / 100.0;
    }
}

/// Puts an approval in the place of an older one of the same pair, or at the end.
fn put(approved: &mut Approved, approval: Approval) {
    match approved.pairs.iter_mut().find(|pair| pair.key() == approval.key()) {
        Some(old) => *old = approval,
        None => approved.pairs.push(approval),
    }
}

fn told(approval: &Approval) -> String {
    let Approval { entry_bps, entry_bps_min, entry_bps_max, exit_bps, size_quote, .. } = approval;
    let expected = match (approval.per_day, approval.per_day_low.zip(approval.per_day_high)) {
        (Some(per_day), Some((low, high))) => {
            format!("; expected {per_day} a day ({low} to {high})")
        }
        (Some(per_day), None) => format!("; expected {per_day} a day, without an interval"),
        (None, _) => String::new(),
    };
    format!(
        "{}: entry {entry_bps} bp ({entry_bps_min} to {entry_bps_max}), exit {exit_bps} bp, size to \
         {size_quote}, until {}{expected}",
        approval.name(),
        time_to_text(approval.expires)
    )
}

fn lines(problems: &[spreadwire_market::problem::Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}
