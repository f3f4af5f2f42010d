//! The command line, and what it means once it is proved: all problems at once, each with a remedy.
//!
//! It must not know how anything is computed.

use crate::input::Selection;
use crate::kernel::lead_lag::Grid;
use crate::kernel::{Metrics, Settings, VenueTerms};
use clap::{Args, ValueEnum};
use globset::Glob;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use spreadwire_config::config;
use spreadwire_market::spread::BPS;
use spreadwire_venues::venues::VENUES;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Nanoseconds of a millisecond.
const MILLI: f64 = 1e6;
/// The column that ranks where nobody says otherwise and capture is computed.
pub const RANK: &str = "capture_per_day";
/// The column that ranks where only the compatible figures are computed.
pub const RANK_COMPATIBLE: &str = "zero_crossings_per_minute";
/// The column that ranks where neither is.
pub const RANK_LEAD_LAG: &str = "lead_lag_correlation";

/// Arguments of an analysis.
#[derive(Clone, Debug, Args)]
#[command(next_line_help = false)]
pub struct Arguments {
    /// The lake: a folder with exchange=/symbol=/date=/hour=/*.parquet of any recorder, columns
    /// Timestamp, BestBid, BestAsk at least.
    #[arg(value_name = "LAKE")]
    pub lake: Option<PathBuf>,
    /// Only this day, UTC.
    #[arg(long, value_name = "DATE", help_heading = "What to read")]
    pub date: Option<Date>,
    /// From this day on.
    #[arg(long, value_name = "DATE", help_heading = "What to read")]
    pub from: Option<Date>,
    /// Up to this day, itself included.
    #[arg(long, value_name = "DATE", help_heading = "What to read")]
    pub to: Option<Date>,
    /// Only yesterday, UTC.
    #[arg(long, help_heading = "What to read")]
    pub yesterday: bool,
    /// The last N days before today, UTC.
    #[arg(long, value_name = "N", help_heading = "What to read")]
    pub last_days: Option<u16>,
    /// Venues by name or pattern, several with commas: binance,okx*
    #[arg(long, value_name = "GLOB", value_delimiter = ',', help_heading = "What to read")]
    pub venues: Vec<String>,
    /// Instruments by name or pattern, several with commas: BTC/*,ETH/USDT
    #[arg(long, value_name = "GLOB", value_delimiter = ',', help_heading = "What to read")]
    pub instruments: Vec<String>,
    /// What to compute.
    #[arg(long, value_delimiter = ',', default_value = "all", help_heading = "What to compute")]
    pub metrics: Vec<MetricName>,
    /// A quote older than this is stale and takes part in nothing but the compatible figures, s.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, help_heading = "What to compute")]
    pub max_age: f64,
    /// Taker fees in basis points: one number for all, or VENUE=BPS, several with commas. Otherwise
    /// those of --config, the venues' lowest tiers, and 10 bp for venues that are not known.
    #[arg(long, value_name = "BPS", value_delimiter = ',', help_heading = "What to compute")]
    pub fees: Vec<String>,
    /// From sending an order to its arrival, ms: one number for all, or VENUE=MS, several with
    /// commas. Otherwise 20 ms; take what you measured.
    #[arg(long, value_name = "MS", value_delimiter = ',', help_heading = "What to compute")]
    pub latency: Vec<String>,
    /// An engine's configuration, for the venues' fees.
    #[arg(long, value_name = "FILE", help_heading = "What to compute")]
    pub config: Option<PathBuf>,
    /// Net spreads from which an episode counts, bp, several with commas.
    #[arg(
        long,
        value_name = "BPS",
        value_delimiter = ',',
        default_value = "0,5,10,20",
        allow_negative_numbers = true,
        help_heading = "What to compute"
    )]
    pub thresholds: Vec<f64>,
    /// Most that one order trades, in the quote currency.
    #[arg(
        long,
        value_name = "AMOUNT",
        default_value_t = 1_000.0,
        help_heading = "What to compute"
    )]
    pub size: f64,
    /// Distance of the samples for the mean reversion, s (previous tick).
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, help_heading = "What to compute")]
    pub sampling: f64,
    /// Distance of two lags of the cross-correlation, ms.
    #[arg(long, value_name = "MS", default_value_t = 5.0, help_heading = "What to compute")]
    pub lag_step: f64,
    /// Lags to either side of zero.
    #[arg(long, value_name = "N", default_value_t = 20, help_heading = "What to compute")]
    pub lag_steps: u32,
    /// Folder for the results; made if it is not there.
    #[arg(long, value_name = "DIR", default_value = "analysis", help_heading = "What comes out")]
    pub out: PathBuf,
    /// Files to write.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "csv,parquet,html,json,toml",
        help_heading = "What comes out"
    )]
    pub format: Vec<Format>,
    /// The column that ranks; greatest first, or least first with a minus before it. Default is
    /// capture_per_day; where that is not computed zero_crossings_per_minute, and with lead-lag alone
    /// lead_lag_correlation.
    #[arg(
        long,
        value_name = "COLUMN",
        allow_hyphen_values = true,
        help_heading = "What comes out"
    )]
    pub rank: Option<String>,
    /// Pairs that are recommended at most, and shown with pictures.
    #[arg(long, value_name = "N", default_value_t = 10, help_heading = "What comes out")]
    pub top: usize,
    /// Recommendations expire after this many days.
    #[arg(long, value_name = "DAYS", default_value_t = 3, help_heading = "What comes out")]
    pub expires: u16,
    /// Print the report as JSON instead of the table.
    #[arg(long, help_heading = "What comes out")]
    pub json: bool,
    /// Where partial results are kept; default is LAKE.partials, beside the lake.
    #[arg(long, value_name = "DIR", help_heading = "How to run")]
    pub partials: Option<PathBuf>,
    /// Neither read nor keep partial results.
    #[arg(long, conflicts_with = "partials", help_heading = "How to run")]
    pub no_partials: bool,
    /// Threads; default is one for each core.
    #[arg(long, value_name = "N", help_heading = "How to run")]
    pub threads: Option<usize>,
    /// End with exit code 1 and no results if anything has to be left out.
    #[arg(long, help_heading = "How to run")]
    pub strict: bool,
}

/// A group of figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MetricName {
    /// Everything.
    All,
    /// The 26 columns of the customary script.
    Compatible,
    /// Distributions, episodes and capture by time.
    TimeWeighted,
    /// Half-life, unit root, variance ratio, Hurst; with time-weighted.
    Reversion,
    /// Who leads and by how much.
    LeadLag,
}

/// A file of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// ranking.csv
    Csv,
    /// ranking.parquet
    Parquet,
    /// report.html
    Html,
    /// report.json
    Json,
    /// recommendations.toml, for the trader
    Toml,
}

/// An analysis that can be made.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The lake.
    pub lake: PathBuf,
    /// What to read.
    pub selection: Selection,
    /// What to compute.
    pub settings: Settings,
    /// Where partial results are kept, if at all.
    pub partials: Option<PathBuf>,
    /// The column that ranks.
    pub rank: String,
    /// Whether its least value comes first.
    pub ascending: bool,
    /// As asked for.
    pub arguments: Arguments,
}

/// Something wrong with the arguments, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{option}: {what}; {remedy}")]
pub struct Problem {
    /// The option.
    pub option: &'static str,
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub remedy: String,
}

impl Plan {
    /// Proves the arguments. Time is handed in, ns since 1970.
    ///
    /// # Errors
    /// All problems at once.
    pub fn new(arguments: Arguments, now_ns: i64) -> Result<Plan, Vec<Problem>> {
        let mut problems = Problems::default();
        let selection = selection(&arguments, now_ns, &mut problems);
        let settings = settings(&arguments, &mut problems);
        let lake = arguments.lake.clone().unwrap_or_default();
        if !lake.is_dir() {
            let what = format!("{:?} is no folder", lake.display().to_string());
            problems.add("LAKE", what, "name the folder that holds exchange=.../");
        }
        let partials = match (&arguments.partials, arguments.no_partials) {
            (_, true) => None,
            (Some(given), false) => Some(given.clone()),
            (None, false) => Some(beside(&lake)),
        };
        if arguments.threads == Some(0) {
            problems.add("--threads", "0 threads do nothing".to_owned(), "give 1 or more");
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

/// `lake` becomes `lake.partials`.
fn beside(lake: &std::path::Path) -> PathBuf {
    let whole = lake.canonicalize().unwrap_or_else(|_| lake.to_owned());
    let mut name = whole.file_name().unwrap_or_default().to_owned();
    name.push(".partials");
    whole.with_file_name(name)
}

#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, option: &'static str, what: String, remedy: &str) {
        self.0.push(Problem { option, what, remedy: remedy.to_owned() });
    }

    /// A value that must be above zero.
    fn positive(&mut self, option: &'static str, value: f64, most: f64) {
        if !(0.0 < value && value <= most) {
            let remedy = format!("give a number above 0 and up to {most}");
            self.add(option, format!("{value} is out of range"), &remedy);
        }
    }
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
        let what = "days are named in more than one way".to_owned();
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
        problems.add("--last-days", "0 days have no quotes".to_owned(), "give 1 or more");
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
    Selection { from, to, venues, instruments }
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
        let what = format!("{thresholds:?} are not up to 8 numbers");
        problems.add("--thresholds", what, "write them as 0,5,10,20");
    }
    thresholds.sort_by(f64::total_cmp);
    thresholds.dedup_by(|a, b| a.total_cmp(b).is_eq());
    let mut others = VenueTerms { taker_fee: 10.0 / BPS, latency_ns: ns(20.0) };
    let mut venues = known_fees(arguments, others, problems);
    for (name, bps) in by_venue("--fees", &arguments.fees, -100.0..=1_000.0, problems) {
        match name {
            Some(name) => venues.entry(name).or_insert(others).taker_fee = bps / BPS,
            None => {
                others.taker_fee = bps / BPS;
                venues.values_mut().for_each(|venue| venue.taker_fee = bps / BPS);
            }
        }
    }
    for (name, millis) in by_venue("--latency", &arguments.latency, 0.0..=60_000.0, problems) {
        match name {
            Some(name) => venues.entry(name).or_insert(others).latency_ns = ns(millis),
            None => {
                others.latency_ns = ns(millis);
                venues.values_mut().for_each(|venue| venue.latency_ns = ns(millis));
            }
        }
    }
    Settings {
        metrics,
        max_age_ns: ns(arguments.max_age * 1e3),
        thresholds_bps: thresholds,
        size: arguments.size,
        sampling_ns: ns(arguments.sampling * 1e3),
        lags: Grid { step_ns: ns(arguments.lag_step), steps: arguments.lag_steps },
        venues,
        others,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "ranges are checked")]
fn ns(millis: f64) -> i64 {
    (millis * MILLI).round() as i64
}

/// The fees of venues that are known, by their names in the lake: lowest tiers, then those of an
/// engine's configuration.
fn known_fees(
    arguments: &Arguments,
    others: VenueTerms,
    problems: &mut Problems,
) -> BTreeMap<String, VenueTerms> {
    let mut venues = BTreeMap::new();
    let mut add = |name: &str, bps: f64| {
        if let Ok(folder) = spreadwire_lake::layout::venue_folder(name) {
            venues.insert(folder, VenueTerms { taker_fee: bps / BPS, ..others });
        }
    };
    VENUES.iter().for_each(|venue| add(venue.name, venue.taker_fee_bps));
    if let Some(path) = &arguments.config {
        let mut found = Vec::new();
        let config = config::read(path, &mut found).unwrap_or_default();
        for problem in found {
            problems.add("--config", problem.to_string(), "mend the configuration");
        }
        for venue in &config.venues {
            if let Some(bps) = venue.taker_fee_bps {
                add(&venue.name, bps);
            }
        }
    }
    venues
}

/// The venue of `okx=8`, as the lake's folders have it; `None` of a number alone.
#[must_use]
pub fn venue_named(given: &str) -> Option<String> {
    given.split_once('=').map(|(name, _)| name.trim().replace('-', "_"))
}

/// `10`, or `okx=8`: a venue, if one is named, and a number. General numbers come first.
fn by_venue(
    option: &'static str,
    given: &[String],
    range: std::ops::RangeInclusive<f64>,
    problems: &mut Problems,
) -> Vec<(Option<String>, f64)> {
    let mut found = Vec::new();
    for text in given {
        let number = text.split_once('=').map_or(text.as_str(), |(_, number)| number);
        let name = venue_named(text);
        match number.trim().parse::<f64>() {
            Ok(number) if range.contains(&number) => found.push((name, number)),
            Ok(_) | Err(_) => {
                let remedy = format!(
                    "give a number from {} to {}, or VENUE=NUMBER",
                    range.start(),
                    range.end()
                );
                problems.add(option, format!("{text:?} is no such number"), &remedy);
            }
        }
    }
    found.sort_by_key(|(name, _)| name.is_some());
    found
}
