//! A validated analysis: the arguments checked and converted, or all their problems at once.

use crate::carry::Carry;
use crate::columns::columns;
use crate::input::{Listed, Market, Names, Selection};
use crate::kernel::lead_lag::Grid;
use crate::kernel::{Metrics, Settings};
use crate::options::{Arguments, MetricName};
use problems::{Problems, nearest};
use spreadwire_lake::run::Provenance;
use spreadwire_lake::{ledger, provenance};
use spreadwire_market::approved::Approved;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use terms::{ns, terms};

mod approvals;
mod choice;
mod folders;
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

/// Days after which recommendations may expire. A file that expires at once is refused by its readers.
const EXPIRES_DAYS: RangeInclusive<u16> = 1..=36_500;
/// Numbers of threads.
const THREADS: RangeInclusive<usize> = 1..=1_024;
/// Ages of quotes, s.
const MAX_AGE_S: RangeInclusive<f64> = 0.001..=86_400.0;
/// Largest steps of a mid, percent. The greatest are no bound.
const OUTLIER_PERCENT: RangeInclusive<f64> = 0.01..=1e6;
/// Sizes of an order, quote currency. Recommendations are written in hundredths.
const SIZE: RangeInclusive<f64> = 0.01..=1e9;
/// Sampling intervals, s.
const SAMPLING_S: RangeInclusive<f64> = 0.001..=60.0;
/// Distances between two lags, ms.
const LAG_STEP_MS: RangeInclusive<f64> = 0.001..=10_000.0;
/// Numbers of lags to either side.
const LAG_STEPS: RangeInclusive<u32> = 1..=200;
/// Net spreads from which an episode counts, bp.
const THRESHOLDS_BPS: RangeInclusive<f64> = -10_000.0..=10_000.0;

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
    /// The approved pairs; empty without a file of them.
    pub approvals: Approved,
    /// What holding positions costs.
    pub carry: Carry,
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
        let lake = arguments.lake.clone().unwrap_or_default();
        if !lake.is_dir() {
            let what = format!("{:?} is not a folder", lake.display().to_string());
            problems.add("LAKE", what, "name the folder that holds the quotes");
        }
        let names = names(&arguments, &mut problems);
        let listed = Listed::of(&lake, &names);
        let mut selection = choice::selection(&arguments, &listed, now_ns, &mut problems);
        selection.names = names;
        selection.market = market(&arguments, &lake, &mut problems);
        let settings = settings(&arguments, &listed, &mut problems);
        let approvals = approvals::read(&arguments, &mut problems);
        let carry = play::carry(&arguments, &mut problems);
        let partials = match (&arguments.partials, arguments.no_partials) {
            (_, true) => None,
            (Some(given), false) => Some(given.clone()),
            (None, false) => Some(beside(&lake)),
        };
        folders::apart("--out", &arguments.out, &lake, &mut problems);
        if let Some(partials) = &arguments.partials {
            folders::apart("--partials", partials, &lake, &mut problems);
        }
        problems.within("--threads", &arguments.threads.unwrap_or(1), &THREADS);
        problems.within("--expires", &arguments.expires, &EXPIRES_DAYS);
        let (ascending, rank) = rank(&arguments, &settings, &mut problems);
        if !problems.0.is_empty() {
            return Err(problems.0);
        }
        Ok(Plan {
            lake,
            selection,
            settings,
            partials,
            rank,
            ascending,
            approvals,
            carry,
            arguments,
        })
    }
}

/// Returns whether the least value comes first, and the column to rank by.
fn rank(arguments: &Arguments, settings: &Settings, problems: &mut Problems) -> (bool, String) {
    let rank = arguments.rank.clone().unwrap_or_else(|| default_rank(settings.metrics));
    let (ascending, rank) = match rank.strip_prefix('-') {
        Some(rank) => (true, rank.to_owned()),
        None => (false, rank),
    };
    let columns = columns(settings);
    let names = || columns.iter().map(|column| column.about.name.as_str());
    if !names().any(|name| name == rank) {
        let remedy = match nearest(&rank, names()) {
            Some(near) => format!("did you mean {near}? report.json lists all columns"),
            None => "report.json lists all columns".to_owned(),
        };
        problems.add("--rank", format!("there is no column {rank:?}"), &remedy);
    }
    (ascending, rank)
}

/// Returns the names that are built in, and those of a file.
fn names(arguments: &Arguments, problems: &mut Problems) -> Names {
    let names = Names::default();
    let Some(path) = &arguments.instruments_file else { return names };
    names.with(path).unwrap_or_else(|found| {
        for problem in found {
            problems.add("--instruments-file", problem.to_string(), "fix the file");
        }
        Names::default()
    })
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

fn settings(arguments: &Arguments, listed: &Listed, problems: &mut Problems) -> Settings {
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
    problems.within("--max-age", &arguments.max_age, &MAX_AGE_S);
    problems.within("--outlier", &arguments.outlier, &OUTLIER_PERCENT);
    problems.within("--size", &arguments.size, &SIZE);
    problems.within("--sampling", &arguments.sampling, &SAMPLING_S);
    problems.within("--lag-step", &arguments.lag_step, &LAG_STEP_MS);
    problems.within("--lag-steps", &arguments.lag_steps, &LAG_STEPS);
    let mut thresholds = arguments.thresholds.clone();
    if thresholds.iter().any(|bps| !THRESHOLDS_BPS.contains(bps)) || 8 < thresholds.len() {
        let (least, most) = (THRESHOLDS_BPS.start(), THRESHOLDS_BPS.end());
        let what =
            format!("{thresholds:?} is not a list of at most 8 numbers from {least} to {most}");
        problems.add("--thresholds", what, "write them as 0,5,10,20");
    }
    thresholds.sort_by(f64::total_cmp);
    thresholds.dedup_by(|a, b| a.total_cmp(b).is_eq());
    let play = play::play(arguments, &thresholds, problems);
    let (venues, others) = terms(arguments, listed, problems);
    let transfers = terms::spelled(&arguments.strategies.transfers, listed);
    Settings {
        metrics,
        max_age_ns: ns(arguments.max_age * 1e3),
        outlier: arguments.outlier / 100.0,
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
