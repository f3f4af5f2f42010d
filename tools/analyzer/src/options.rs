//! The command-line arguments of an analysis.

use crate::input::TimeUnit;
use clap::{Args, ValueEnum};
use jiff::civil::Date;
use spreadwire_lake::run::Provenance;
use std::path::PathBuf;

mod play;

pub use play::Strategies;

/// Arguments of an analysis.
#[derive(Clone, Debug, Args)]
#[command(next_line_help = false)]
pub struct Arguments {
    /// The lake: a folder of Parquet files with quotes, written by any recorder, such as
    /// exchange=/symbol=/date=/hour=/*.parquet; docs/analyzer.md lists layouts and columns.
    #[arg(value_name = "LAKE")]
    pub lake: Option<PathBuf>,
    /// Only this day, UTC.
    #[arg(long, value_name = "DATE", help_heading = "What to read")]
    pub date: Option<Date>,
    /// From this day on, UTC.
    #[arg(long, value_name = "DATE", help_heading = "What to read")]
    pub from: Option<Date>,
    /// Up to and including this day, UTC.
    #[arg(long, value_name = "DATE", help_heading = "What to read")]
    pub to: Option<Date>,
    /// Only yesterday, UTC.
    #[arg(long, help_heading = "What to read")]
    pub yesterday: bool,
    /// The last N days before today, UTC.
    #[arg(long, value_name = "N", help_heading = "What to read")]
    pub last_days: Option<u16>,
    /// Venues by name or pattern, separated by commas: binance,okx*. Names may be written as the
    /// engine does, binance-usdm, or as folders of a lake, binance_usdm.
    #[arg(long, value_name = "GLOB", value_delimiter = ',', help_heading = "What to read")]
    pub venues: Vec<String>,
    /// Instruments by name or pattern, separated by commas: BTC/*,ETH/USDT
    #[arg(long, value_name = "GLOB", value_delimiter = ',', help_heading = "What to read")]
    pub instruments: Vec<String>,
    /// Only quotes that come from there; needed where a lake holds several markets.
    #[arg(long, value_name = "WHERE", help_heading = "What to read")]
    pub provenance: Option<Origin>,
    /// Unit of times that are numbers since 1970, where neither the name of their column nor its
    /// type says it.
    #[arg(long, value_name = "UNIT", help_heading = "What to read")]
    pub time_unit: Option<TimeUnitName>,
    /// A file of names of assets, and of what single symbols and their contracts are, which come
    /// before those that are built in. config/aliases.toml explains its form.
    #[arg(long, value_name = "FILE", help_heading = "What to read")]
    pub instruments_file: Option<PathBuf>,
    /// The lake was recorded by something else, and no ledger vouches for its days: analyse it all
    /// the same. The report says so. Without this, a lake without a ledger ends with exit code 3.
    #[arg(long, help_heading = "What to read")]
    pub no_ledger: bool,
    /// Metrics to compute, separated by commas.
    #[arg(long, value_delimiter = ',', default_value = "all", help_heading = "What to compute")]
    pub metrics: Vec<MetricName>,
    /// Age in seconds above which a quote is stale; stale quotes count only in the compatible
    /// metrics.
    #[arg(
        allow_negative_numbers = true,
        long,
        value_name = "SECONDS",
        default_value_t = 2.0,
        help_heading = "What to compute"
    )]
    pub max_age: f64,
    /// Largest step in percent from one mid of a venue to the next. A quote further off, at which no
    /// other venue stands, counts only in the compatible metrics, until it has stood for 10 s.
    #[arg(
        allow_negative_numbers = true,
        long,
        value_name = "PERCENT",
        default_value_t = 5.0,
        help_heading = "What to compute"
    )]
    pub outlier: f64,
    /// Taker fees in basis points: one number for all venues, or VENUE=BPS, separated by commas.
    /// Default: the fees of --config, then each venue's lowest tier, then 10 bp for unknown venues.
    #[arg(
        allow_negative_numbers = true,
        long,
        value_name = "BPS",
        value_delimiter = ',',
        help_heading = "What to compute"
    )]
    pub fees: Vec<String>,
    /// Milliseconds from sending an order to its arrival: one number for all venues, or VENUE=MS,
    /// separated by commas. Default: 20 ms. Use what you have measured.
    #[arg(
        allow_negative_numbers = true,
        long,
        value_name = "MS",
        value_delimiter = ',',
        help_heading = "What to compute"
    )]
    pub latency: Vec<String>,
    /// An engine configuration to take the venues' fees from.
    #[arg(long, value_name = "FILE", help_heading = "What to compute")]
    pub config: Option<PathBuf>,
    /// Net spreads in basis points from which an episode counts, separated by commas.
    #[arg(
        long,
        value_name = "BPS",
        value_delimiter = ',',
        default_value = "0,5,10,20",
        allow_negative_numbers = true,
        help_heading = "What to compute"
    )]
    pub thresholds: Vec<f64>,
    /// Largest size of one order, in the quote currency.
    #[arg(
        allow_negative_numbers = true,
        long,
        value_name = "AMOUNT",
        default_value_t = 1_000.0,
        help_heading = "What to compute"
    )]
    pub size: f64,
    /// What is played.
    #[command(flatten)]
    pub strategies: Strategies,
    /// Sampling interval for mean reversion, in seconds (previous-tick sampling).
    #[arg(
        allow_negative_numbers = true,
        long,
        value_name = "SECONDS",
        default_value_t = 1.0,
        help_heading = "What to compute"
    )]
    pub sampling: f64,
    /// Distance between two lags of the cross-correlation, in milliseconds.
    #[arg(
        allow_negative_numbers = true,
        long,
        value_name = "MS",
        default_value_t = 5.0,
        help_heading = "What to compute"
    )]
    pub lag_step: f64,
    /// Number of lags to either side of zero.
    #[arg(long, value_name = "N", default_value_t = 20, help_heading = "What to compute")]
    pub lag_steps: u32,
    /// Folder for the results, outside the lake; created if it does not exist. Each analysis writes a dated folder in it,
    /// and the link `latest` points to the newest.
    #[arg(long, value_name = "DIR", default_value = "analysis", help_heading = "What comes out")]
    pub out: PathBuf,
    /// Number of dated folders to keep; older ones are deleted, but for files of others.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 30,
        value_parser = clap::value_parser!(u32).range(1..),
        help_heading = "What comes out"
    )]
    pub keep: u32,
    /// The approved pairs: they stay in the report whatever their rank, and what changed against them
    /// is told first. Default: approved.toml beside the folder for the results, if it exists.
    #[arg(long, value_name = "FILE", help_heading = "What comes out")]
    pub approved: Option<PathBuf>,
    /// Files to write, separated by commas.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "csv,parquet,html,json,toml",
        help_heading = "What comes out"
    )]
    pub format: Vec<Format>,
    /// Column to rank by: greatest first, or least first with a minus sign before the name.
    /// Default: per_day_low, or zero_crossings_per_minute if that is not computed, or
    /// lead_lag_correlation with lead-lag alone.
    #[arg(
        long,
        value_name = "COLUMN",
        allow_hyphen_values = true,
        help_heading = "What comes out"
    )]
    pub rank: Option<String>,
    /// Number of pairs to show with charts, besides the approved ones.
    #[arg(long, value_name = "N", default_value_t = 10, help_heading = "What comes out")]
    pub top: usize,
    /// Days after which the recommendations expire, 1 or more.
    #[arg(long, value_name = "DAYS", default_value_t = 3, help_heading = "What comes out")]
    pub expires: u32,
    /// Print the report as JSON instead of the table.
    #[arg(long, help_heading = "What comes out")]
    pub json: bool,
    /// Folder for partial results. Default: LAKE.partials, beside the lake.
    #[arg(long, value_name = "DIR", help_heading = "How to run")]
    pub partials: Option<PathBuf>,
    /// Neither read nor write partial results.
    #[arg(long, conflicts_with = "partials", help_heading = "How to run")]
    pub no_partials: bool,
    /// Number of threads. Default: one per core.
    #[arg(long, value_name = "N", help_heading = "How to run")]
    pub threads: Option<usize>,
    /// Exit with code 1 and write nothing if anything would be left out, or if the ledger does not
    /// say that the days are complete.
    #[arg(long, help_heading = "How to run")]
    pub strict: bool,
}

/// Where quotes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Origin {
    /// Venues, as they happened.
    Live,
    /// A simulator, such as the demo's.
    Simulated,
    /// Files that somebody else recorded.
    Import,
    /// Frames captured earlier, played back.
    Replay,
}

impl From<Origin> for Provenance {
    fn from(origin: Origin) -> Provenance {
        match origin {
            Origin::Live => Provenance::Live,
            Origin::Simulated => Provenance::Simulated,
            Origin::Import => Provenance::Import,
            Origin::Replay => Provenance::Replay,
        }
    }
}

/// A unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TimeUnitName {
    /// Seconds.
    S,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// Nanoseconds.
    Ns,
}

impl From<TimeUnitName> for TimeUnit {
    fn from(name: TimeUnitName) -> TimeUnit {
        match name {
            TimeUnitName::S => TimeUnit::Second,
            TimeUnitName::Ms => TimeUnit::Millisecond,
            TimeUnitName::Us => TimeUnit::Microsecond,
            TimeUnitName::Ns => TimeUnit::Nanosecond,
        }
    }
}

/// A group of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MetricName {
    /// All metrics.
    All,
    /// The 26 columns of the customary script.
    Compatible,
    /// Distributions, episodes and strategies over time.
    TimeWeighted,
    /// Half-life, unit root, variance ratio and Hurst exponent; includes time-weighted.
    Reversion,
    /// Which venue leads, and by how much.
    LeadLag,
}

/// A result file.
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
