//! What an analysis found, as every output has it: a table of pairs, the pictures of the best ones,
//! and what was left out. Plain data; it must not know lakes, kernels or formats.

use serde::{Deserialize, Serialize};

/// The outcome of one analysis.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Version of the analyzer.
    pub version: String,
    /// When the analysis was made, RFC 3339, UTC.
    pub generated: String,
    /// The lake, as it was named.
    pub lake: String,
    /// Days that were analysed, `YYYY-MM-DD`, in order.
    pub days: Vec<String>,
    /// What was asked for: option and value.
    pub settings: Vec<(String, String)>,
    /// The column that ranks.
    pub rank_by: String,
    /// What every cell of `pairs` means, in order.
    pub columns: Vec<Column>,
    /// The pairs, best first.
    pub pairs: Vec<PairRow>,
    /// Pictures of the first pairs, in the same order.
    pub details: Vec<Detail>,
    /// What was read.
    pub totals: Totals,
    /// Spearman's correlation of the ranks of all pairs in the two halves of the period, by expected
    /// capture; `None` with fewer than three pairs.
    pub rank_stability: Option<f64>,
    /// What the lake's own ledger says of the days.
    pub completeness: Completeness,
    /// What was left out or mended, by name.
    pub problems: Vec<Problem>,
}

/// One column of the table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// As CSV, Parquet and JSON have it.
    pub name: String,
    /// `compatible`, `time-weighted`, `mean reversion`, `lead-lag`, `capturable` or `trust`.
    pub group: String,
    /// Unit; empty for text, counts and flags.
    pub unit: String,
    /// One sentence.
    pub meaning: String,
    /// What its cells hold, where they are not none.
    pub kind: Kind,
}

/// What the cells of a column hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// [`Cell::Number`].
    #[default]
    Number,
    /// [`Cell::Count`].
    Count,
    /// [`Cell::Flag`].
    Flag,
    /// [`Cell::Text`].
    Text,
}

/// One value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Cell {
    /// Not known, or not defined for this pair.
    None,
    /// A flag.
    Flag(bool),
    /// A count.
    Count(u64),
    /// A figure; finite.
    Number(f64),
    /// Text.
    Text(String),
}

/// One pair of venues of one instrument.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PairRow {
    /// As the lake's folder has it, `#` read as `/`: `BTC/USDT`.
    pub instrument: String,
    /// The venue whose name comes first.
    pub exchange1: String,
    /// The other one.
    pub exchange2: String,
    /// A cell for each column; the first three are the names above.
    pub cells: Vec<Cell>,
}

/// What there is to see of one pair. Whatever was not asked for is empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    /// As in [`PairRow`].
    pub instrument: String,
    /// As in [`PairRow`].
    pub exchange1: String,
    /// As in [`PairRow`].
    pub exchange2: String,
    /// The deviation over time, in order; times without both legs live have no bin.
    pub over_time: Vec<TimeBin>,
    /// Distribution of the deviation by time.
    pub deviation: Vec<Bar>,
    /// Distribution of the net spread by time, buying on exchange1 and selling on exchange2.
    pub net_12: Vec<Bar>,
    /// The same, buying on exchange2 and selling on exchange1.
    pub net_21: Vec<Bar>,
    /// By hour of day, UTC: 24 of them, or none.
    pub hours: Vec<HourBin>,
    /// Episodes by threshold and direction.
    pub episodes: Vec<Episodes>,
    /// Half-life by sampling interval.
    pub signature: Vec<SignaturePoint>,
    /// Cross-correlation by lag; positive lag: exchange1 leads.
    pub lead_lag: Vec<LagPoint>,
    /// A correlation beyond this, either side, is rare if neither leads (99 %).
    pub lead_lag_band: Option<f64>,
}

/// A span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TimeBin {
    /// Beginning, ns since 1970 UTC.
    pub start_ns: i64,
    /// Length, ns.
    pub width_ns: i64,
    /// Least deviation, bp.
    pub min_bps: f64,
    /// Mean deviation by time, bp.
    pub mean_bps: f64,
    /// Greatest deviation, bp.
    pub max_bps: f64,
}

/// One bar of a distribution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bar {
    /// From here, bp.
    pub low_bps: f64,
    /// To here, bp.
    pub high_bps: f64,
    /// Share of the time in which both legs were live, 0 to 1.
    pub share: f64,
}

/// An hour of the day over all days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HourBin {
    /// 0 to 23, UTC.
    pub hour: u8,
    /// Time in which both legs were live, s.
    pub live_s: f64,
    /// Mean deviation by time, bp.
    pub mean_bps: f64,
    /// Episodes that began, at the pair's best threshold, both directions.
    pub episodes: u64,
    /// Expected capture, quote currency per day.
    pub capture: f64,
}

/// What one direction did at one threshold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Episodes {
    /// Bought here.
    pub buy: String,
    /// Sold there.
    pub sell: String,
    /// Net spread from which an episode counts, bp.
    pub threshold_bps: f64,
    /// How many there were.
    pub count: u64,
    /// Durations: upper bound in s and how many lasted no longer (not cumulative).
    pub durations: Vec<(f64, u64)>,
    /// Highest net spread, bp.
    pub peak_bps: Option<f64>,
    /// Share of episodes that still paid when both orders had arrived, 0 to 1.
    pub still_there: Option<f64>,
    /// Expected capture, quote currency per day.
    pub capture: f64,
}

/// Half-life at one sampling interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SignaturePoint {
    /// Sampling interval, s.
    pub interval_s: f64,
    /// Half-life, s; `None` where no reversion was found.
    pub half_life_s: Option<f64>,
    /// 95 % interval, s.
    pub low_s: Option<f64>,
    /// 95 % interval, s.
    pub high_s: Option<f64>,
}

/// Cross-correlation at one lag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LagPoint {
    /// Positive: exchange1 leads by this much, ms.
    pub lag_ms: f64,
    /// Hayashi-Yoshida cross-correlation.
    pub correlation: f64,
}

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Instruments with two venues or more.
    pub instruments: u64,
    /// Pairs in the table.
    pub pairs: u64,
    /// Quotes, over all venues.
    pub rows: u64,
    /// Partial results that were read instead of quotes, and those that were computed.
    pub partials_reused: u64,
    /// See above.
    pub partials_computed: u64,
}

/// What the ledger says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completeness {
    /// `complete`, `incomplete` or `unknown` (no ledger: another recorder's lake).
    pub verdict: String,
    /// What is missing, in words, by day.
    pub findings: Vec<String>,
}

/// One thing that is wrong with the input.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Problem {
    /// File or folder from the lake's top, or `instrument exchange1 exchange2`.
    pub subject: String,
    /// What is wrong.
    pub what: String,
    /// Whether something was left out for it; otherwise it was mended (sorted, say).
    pub left_out: bool,
}
