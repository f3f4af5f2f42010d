//! The arguments of an analysis, as the command line gives them.

use clap::{Args, ValueEnum};
use jiff::civil::Date;
use std::path::PathBuf;

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
