//! A validated analysis: the arguments checked and converted, or all their problems at once.

use crate::input::{Market, Selection};
use crate::kernel::lead_lag::Grid;
use crate::kernel::{Metrics, Settings};
use crate::options::{Arguments, MetricName};
use globset::Glob;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use problems::Problems;
use spreadwire_lake::run::Provenance;
use spreadwire_lake::{ledger, provenance};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use terms::{ns, terms};

mod play;
mod problems;
mod terms;

pub use problems::Problem;
pub use terms::venue_named;

/// The default ranking column if strategies are played.
pub const RANK: &str = "per_day_low";
/// The default ranking column if the compatible metrics are computed, but nothing is played.
pub const RANK_COMPATIBLE: &str = "zero_crossings_per_minute";
/// The default ranking column if neither is computed.
pub const RANK_LEAD_LAG: &str = "lead_lag_correlation";

/// A validated analysis.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The lake.
    pub lake: PathBuf,
    /// What to read.
    pub selection: Selection,
    /// What to compute.
    pub settings: Settings,
    /// Folder for partial results; `None` to use none.
    pub partials: Option<PathBuf>,
    /// The ranking column.
    pub rank: String,
    /// Whether the least value comes first.
    pub ascending: bool,
    /// The arguments as given.
    pub arguments: Arguments,
}

impl Plan {
    /// Validates the arguments. `now_ns` is the time in ns since 1970.
    ///
    /// # Errors
    /// Returns all problems at once.
    pub fn new(arguments: Arguments, now_ns: i64) -> Result<Plan, Vec<Problem>> {
        let mut problems = Problems::default();
        let mut selection = selection(&arguments, now_ns, &mut problems);
        let settings = settings(&arguments, &mut problems);
        let lake = arguments.lake.clone().unwrap_or_default();
        if !lake.is_dir() {
            let what = format!("{:?} is not a folder", lake.display().to_string());
            problems.add("LAKE", what, "name the folder that holds exchange=.../");
        }
        selection.market = market(&arguments, &lake, &mut problems);
        let partials = match (&arguments.partials, arguments.no_partials) {
            (_, true) => None,
            (Some(given), false) => Some(given.clone()),
            (None, false) => Some(beside(&lake)),
        };
        if arguments.threads == Some(0) {
            problems.add("--threads", "0 is out of range".to_owned(), "give 1 or more");
        }
        let rank = arguments.rank.clone().unwrap_or_else(|| default_rank(settings.metrics));
        let (ascending, rank) = match rank.strip_prefix('-') {
            Some(rank) => (true, rank.to_owned()),
            None => (false, rank),
        };
        if !problems.0.is_empty() {
            return Err(problems.0);
        }
        Ok(Plan { lake, selection, settings, partials, rank, ascending, arguments })
    }
}

fn default_rank(metrics: Metrics) -> String {
    let rank = match metrics {
        Metrics { timed: true, .. } => RANK,
        Metrics { compatible: true, .. } => RANK_COMPATIBLE,
        Metrics { .. } => RANK_LEAD_LAG,
    };
    rank.to_owned()
}

/// Returns `lake.partials` for `lake`.
fn beside(lake: &Path) -> PathBuf {
    let whole = lake.canonicalize().unwrap_or_else(|_| lake.to_owned());
    let mut name = whole.file_name().unwrap_or_default().to_owned();
    name.push(".partials");
    whole.with_file_name(name)
}

fn selection(arguments: &Arguments, now_ns: i64, problems: &mut Problems) -> Selection {
    let Arguments { date, yesterday, last_days, .. } = arguments;
    let (mut from, mut to) = (arguments.from, arguments.to);
    let now = Timestamp::from_nanosecond(i128::from(now_ns)).unwrap_or_default();
    let today = now.to_zoned(TimeZone::UTC).date();
    let before = |days: i64| today.checked_sub(days.days()).unwrap_or(today);
    let range = from.is_some() || to.is_some();
    let ways = [date.is_some(), *yesterday, last_days.is_some(), range];
    if 1 < ways.into_iter().filter(|way| *way).count() {
        let what = "the days are given in more than one way".to_owned();
        let remedy = "give one of --date, --yesterday, --last-days, or --from and --to";
        problems.add("--date", what, remedy);
    }
    if let Some(date) = date {
        (from, to) = (Some(*date), Some(*date));
    }
    if *yesterday {
        (from, to) = (Some(before(1)), Some(before(1)));
    }
    if *last_days == Some(0) {
        problems.add("--last-days", "0 is out of range".to_owned(), "give 1 or more");
    } else if let Some(days) = last_days {
        (from, to) = (Some(before(i64::from(*days))), Some(before(1)));
    }
    if let (Some(first), Some(last)) = (from, to)
        && last < first
    {
        let what = format!("{last} is before {first}");
        problems.add("--to", what, "give a day that is not before --from");
    }
    let mut globs = |option: &'static str, patterns: &[String]| -> Vec<Glob> {
        let mut found = Vec::new();
        for pattern in patterns {
            match Glob::new(pattern) {
                Ok(glob) => found.push(glob),
                Err(error) => problems.add(option, error.to_string(), "write it as BTC/* or *USDT"),
            }
        }
        found
    };
    let venues = globs("--venues", &arguments.venues);
    let instruments = globs("--instruments", &arguments.instruments);
    Selection { from, to, venues, instruments, market: None }
}

/// Returns the market that was asked for. Without a choice the lake must hold but one.
fn market(arguments: &Arguments, lake: &Path, problems: &mut Problems) -> Option<Market> {
    let runs = provenance::of_runs(&ledger::read(lake).0);
    if let Some(origin) = arguments.provenance {
        return Some(Market { provenance: origin.into(), runs });
    }
    let found: BTreeSet<Provenance> = runs.into_values().collect();
    if !found.iter().all(|one| found.iter().all(|other| one.goes_with(*other))) {
        let names: Vec<&str> = found.iter().map(|it| it.name()).collect();
        let what = format!(
            "{} holds {} quotes, which are different markets",
            lake.display(),
            names.join(" and ")
        );
        let remedy = format!("choose one, as --provenance {}", names[0]);
        problems.add("--provenance", what, &remedy);
    }
    None
}

fn settings(arguments: &Arguments, problems: &mut Problems) -> Settings {
    let wants = |name: MetricName| {
        arguments.metrics.iter().any(|given| *given == MetricName::All || *given == name)
    };
    let reversion = wants(MetricName::Reversion);
    let metrics = Metrics {
        compatible: wants(MetricName::Compatible),
        timed: reversion || wants(MetricName::TimeWeighted),
        reversion,
        lead_lag: wants(MetricName::LeadLag),
    };
    problems.positive("--max-age", arguments.max_age, 86_400.0);
    problems.positive("--size", arguments.size, 1e12);
    problems.positive("--sampling", arguments.sampling, 60.0);
    problems.positive("--lag-step", arguments.lag_step, 10_000.0);
    if !(1..=200).contains(&arguments.lag_steps) {
        let what = format!("{} is out of range", arguments.lag_steps);
        problems.add("--lag-steps", what, "give a number from 1 to 200");
    }
    let mut thresholds = arguments.thresholds.clone();
    if thresholds.iter().any(|bps| !bps.is_finite()) || 8 < thresholds.len() {
        let what = format!("{thresholds:?} is not a list of at most 8 numbers");
        problems.add("--thresholds", what, "write them as 0,5,10,20");
    }
    thresholds.sort_by(f64::total_cmp);
    thresholds.dedup_by(|a, b| a.total_cmp(b).is_eq());
    let (venues, others) = terms(arguments, problems);
    let play = play::play(arguments, &thresholds, problems);
    let transfers = arguments.strategies.transfers.iter().cloned().collect();
    Settings {
        metrics,
        max_age_ns: ns(arguments.max_age * 1e3),
        thresholds_bps: thresholds,
        size: arguments.size,
        sampling_ns: ns(arguments.sampling * 1e3),
        lags: Grid { step_ns: ns(arguments.lag_step), steps: arguments.lag_steps },
        play,
        transfers,
        venues,
        others,
    }
}
