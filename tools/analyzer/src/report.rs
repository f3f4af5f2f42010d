//! What an analysis found, in the form that every output shares: a table of pairs, the details of
//! the best ones, and what was left out. Plain data.

use serde::{Deserialize, Serialize};
use spreadwire_market::recommendations::name_of;

mod decision;
mod ledger;

pub use decision::{DayProfit, Decision, Period, Played, Reason, Trade, Verdict};
pub use ledger::{DealRow, OrderRow};

/// Version of the form of `report.json` and of the files beside it; `docs/report.schema.json` describes it.
pub const FORMAT: u32 = 2;
/// Longest part of a file's name that comes from one name of a pair, in characters.
const NAME_MAX: usize = 60;

/// The result of one analysis.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`FORMAT`].
    pub format: u32,
    /// Version of the analyzer.
    pub version: String,
    /// Time of the analysis, RFC 3339, UTC.
    pub generated: String,
    /// The lake, as it was named on the command line.
    pub lake: String,
    /// Days that were analysed, `YYYY-MM-DD`, in order.
    pub days: Vec<String>,
    /// Time in which the lake was recorded, in h: what every rate per day is of.
    pub recorded_hours: f64,
    /// What was reckoned with at each venue that was analysed.
    pub venues: Vec<Venue>,
    /// Settings of the analysis: option and value.
    pub settings: Vec<(String, String)>,
    /// Name of the ranking column.
    pub rank_by: String,
    /// The columns of `pairs`, in order.
    pub columns: Vec<Column>,
    /// The pairs, best first.
    pub pairs: Vec<PairRow>,
    /// Details of the first pairs, and of the approved ones below them, in the same order. They are files
    /// beside `report.json`.
    #[serde(skip)]
    pub details: Vec<Detail>,
    /// What was read.
    pub totals: Totals,
    /// What the lake's own ledger says about the days.
    pub completeness: Completeness,
    /// What was left out or noted, by name.
    pub problems: Vec<Problem>,
    /// Digest of the data that was analysed: hexadecimal.
    #[serde(default)]
    pub data_digest: String,
    /// How the approved pairs stand beside this analysis.
    #[serde(default)]
    pub approved: Vec<Standing>,
    /// What was promised of the approved pairs, and what was met.
    #[serde(default)]
    pub promised: Vec<Promised>,
}

/// What became of an approved pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is recommended, and its entry is within the bounds.
    Recommended,
    /// It is recommended, and its entry is outside the bounds.
    OutOfBounds,
    /// It is not recommended any more.
    Refused,
    /// The analysed lake does not have it.
    Gone,
    /// Its approval has expired.
    Expired,
    /// There is no analysis to compare with.
    #[default]
    Unknown,
}

/// How an approved pair stands beside an analysis.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Canonical name of the instrument.
    pub instrument: String,
    /// Name of the venue to buy on.
    pub buy: String,
    /// Name of the venue to sell on.
    pub sell: String,
    /// What became of it.
    pub state: State,
    /// Why, in a sentence.
    pub why: String,
    /// The approved entry, in bp.
    pub entry_bps: f64,
    /// Who approved it.
    pub approved_by: String,
    /// Expiry of the approval, RFC 3339, UTC.
    pub expires: String,
    /// Whether that is within a day.
    pub expires_soon: bool,
}

impl Standing {
    /// Describes it in a line.
    #[must_use]
    pub fn line(&self) -> String {
        let Standing { instrument, buy, sell, why, entry_bps, approved_by, expires, .. } = self;
        let state = match self.state {
            State::Recommended => "recommended".to_owned(),
            State::OutOfBounds => format!("OUT OF BOUNDS: {why}"),
            State::Refused => format!("NOT RECOMMENDED: {why}"),
            State::Gone => format!("GONE: {why}"),
            State::Expired => format!("EXPIRED: {why}"),
            State::Unknown => format!("unknown: {why}"),
        };
        let soon = if self.expires_soon { ", WITHIN A DAY" } else { "" };
        let name = name_of((instrument, buy, sell));
        format!("{name}: {state}; entry {entry_bps} bp, by {approved_by}, until {expires}{soon}")
    }

    /// Returns whether a person must look at it: it is not as it was approved, or soon expires.
    #[must_use]
    pub fn needs_a_look(&self) -> bool {
        self.expires_soon || self.state != State::Recommended
    }
}

/// How what was met compares with what was promised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Promise {
    /// Within the interval.
    Within,
    /// Above it.
    Above,
    /// Below it.
    Below,
    /// It cannot be compared.
    #[default]
    Unknown,
}

/// What was promised of an approved pair, and what the engine's decisions met.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Promised {
    /// Canonical name of the instrument.
    pub instrument: String,
    /// Name of the venue to buy on.
    pub buy: String,
    /// Name of the venue to sell on.
    pub sell: String,
    /// Who approved it.
    pub approved_by: String,
    /// When, RFC 3339, UTC.
    pub approved_at: String,
    /// The promise: profit after fees, in quote currency per day of recorded time.
    pub per_day: Option<f64>,
    /// Lower end of its 90 % interval.
    pub per_day_low: Option<f64>,
    /// Upper end of it.
    pub per_day_high: Option<f64>,
    /// The interval, 90 %, in which the profit per day of so much recorded time was to be expected: that
    /// of one day to come, wider for less time and narrower for more. What was met is compared with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_low: Option<f64>,
    /// Upper end of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_high: Option<f64>,
    /// Time in the analysed period that was recorded for both venues while the approval held, in
    /// hours; `None` where the ledger does not say.
    pub recorded_hours: Option<f64>,
    /// Deals that were decided on in that time and are over.
    pub deals: u64,
    /// Deals that were decided on in that time and are open.
    pub open_deals: u64,
    /// Profit of the deals after fees.
    pub profit: f64,
    /// Their fees.
    pub fees: f64,
    /// Currency of profit and fees; `None` without a journal of decisions.
    pub currency: Option<String>,
    /// Who executed: `PAPER`, `SIM` or `LIVE`; `None` without a journal of decisions.
    pub mode: Option<String>,
    /// Profit per day of the recorded time; `None` if that is less than an hour.
    pub met_per_day: Option<f64>,
    /// How that compares with the promise.
    pub verdict: Promise,
    /// The comparison in words.
    pub words: String,
}

/// What is reckoned with at one venue.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Venue {
    /// As in the lake's folders.
    pub name: String,
    /// Fee of a trade that takes, in bp.
    pub taker_fee_bps: f64,
    /// Time from sending an order to its arrival, in ms.
    pub latency_ms: f64,
}

/// One column of the table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Name in CSV, Parquet and JSON.
    pub name: String,
    /// `compatible`, `time-weighted`, `mean reversion`, `lead-lag`, `decision`, `capturable` or `trust`.
    pub group: String,
    /// Unit; empty for text, counts and flags.
    pub unit: String,
    /// The meaning of the column in one sentence.
    pub meaning: String,
    /// What its cells hold, unless they are unknown.
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
    /// Unknown, or not defined for this pair.
    None,
    /// A flag.
    Flag(bool),
    /// A count.
    Count(u64),
    /// A finite figure.
    Number(f64),
    /// Text.
    Text(String),
}

/// One pair of venues of one instrument.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PairRow {
    /// Canonical name: the lake's folder with `#` replaced by `/`, such as `BTC/USDT`.
    pub instrument: String,
    /// The venue whose name comes first.
    pub exchange1: String,
    /// The other venue.
    pub exchange2: String,
    /// What was decided.
    pub verdict: Verdict,
    /// Why not, by name; empty if it is recommended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
    /// Why, in words.
    pub why: Vec<String>,
    /// The strategy; absent if no strategy opened anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trade: Option<Trade>,
    /// Mean profit per day of recorded time, walking forward, in quote currency; absent without enough
    /// evidence, as are the following.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_day: Option<f64>,
    /// Lower end of its 90 % interval: the figure to rank by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_day_low: Option<f64>,
    /// Upper end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_day_high: Option<f64>,
    /// Profit per day in the held-out part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out_per_day: Option<f64>,
    /// Events in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out_events: Option<u32>,
    /// p-value of the best strategy, adjusted over all pairs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q: Option<f64>,
    /// Events of the strategy: deals that belong together.
    pub events: u32,
    /// Hours in which the pair was live.
    pub live_hours: f64,
    /// The file with its details, below the folder of `report.json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// A cell for each column; the first three are the names above. They are in `ranking.parquet`.
    #[serde(skip)]
    pub cells: Vec<Cell>,
}

/// The details of one pair. What was not asked for is empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    /// As in [`PairRow`].
    pub instrument: String,
    /// As in [`PairRow`].
    pub exchange1: String,
    /// As in [`PairRow`].
    pub exchange2: String,
    /// What was decided, and the money that it rests on.
    pub decision: Decision,
    /// The deviation over time, in order. Times at which a leg was not live have no bin.
    pub over_time: Vec<TimeBin>,
    /// Distribution of the deviation over time.
    pub deviation: Vec<Bar>,
    /// Distribution of the net spread over time, buying on exchange1 and selling on exchange2.
    pub net_12: Vec<Bar>,
    /// The same, buying on exchange2 and selling on exchange1.
    pub net_21: Vec<Bar>,
    /// Figures by hour of day, UTC: 24 of them, or none.
    pub hours: Vec<HourBin>,
    /// Episodes by threshold and direction.
    pub episodes: Vec<Episodes>,
    /// Half-life by sampling interval.
    pub signature: Vec<SignaturePoint>,
    /// Cross-correlation by lag. Positive lag: exchange1 leads.
    pub lead_lag: Vec<LagPoint>,
    /// A correlation beyond this, on either side, is rare (1 %) if neither venue leads.
    pub lead_lag_band: Option<f64>,
    /// The venue that leads; `None` if the peak may be chance.
    pub leader: Option<String>,
    /// By how much it leads, in ms.
    pub leads_by_ms: Option<f64>,
    /// Every deal of the strategy, in the order in which they ended: what the figures of money are drawn from.
    pub deals: Vec<DealRow>,
    /// Every order of those deals, in the order in which they arrived.
    pub orders: Vec<OrderRow>,
}

impl Detail {
    /// Returns whether these are the details of a pair.
    #[must_use]
    pub fn is_of(&self, pair: &PairRow) -> bool {
        (&self.instrument, &self.exchange1, &self.exchange2)
            == (&pair.instrument, &pair.exchange1, &pair.exchange2)
    }
}

/// Returns the paths of the files of details, below the folder of `report.json`, in their order. Names come
/// from folders that others wrote, so only letters, digits and `_` are taken from them, and what then has
/// the same name is told apart by a number.
#[must_use]
pub fn detail_files(details: &[Detail]) -> Vec<String> {
    let mut files: Vec<String> = Vec::with_capacity(details.len());
    for detail in details {
        let names = [&detail.instrument, &detail.exchange1, &detail.exchange2];
        let stem = names.map(|name| safe(name)).join("-");
        let numbered = (2..).map(|number| format!("pairs/{stem}-{number}.json"));
        let mut paths = std::iter::once(format!("pairs/{stem}.json")).chain(numbered);
        let taken = |path: &String| files.iter().any(|other| other.eq_ignore_ascii_case(path));
        files.extend(paths.find(|path| !taken(path)));
    }
    files
}

fn safe(name: &str) -> String {
    let safe = |char: char| if char.is_ascii_alphanumeric() { char } else { '_' };
    name.chars().take(NAME_MAX).map(safe).collect()
}

/// A span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TimeBin {
    /// Beginning, in ns since 1970 UTC.
    pub start_ns: i64,
    /// Length, in ns.
    pub width_ns: i64,
    /// Least deviation, in bp.
    pub min_bps: f64,
    /// Mean deviation over time, in bp.
    pub mean_bps: f64,
    /// Greatest deviation, in bp.
    pub max_bps: f64,
}

/// One bar of a distribution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bar {
    /// Lower end, in bp.
    pub low_bps: f64,
    /// Upper end, in bp.
    pub high_bps: f64,
    /// Share of the time in which both legs were live, 0 to 1.
    pub share: f64,
}

/// One hour of the day over all days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HourBin {
    /// Hour, 0 to 23, UTC.
    pub hour: u8,
    /// Time in which the lake was recorded, in s. At 0, nothing is known of this hour.
    pub recorded_s: f64,
    /// Time in which both legs were live, in s.
    pub live_s: f64,
    /// Mean deviation over time, in bp.
    pub mean_bps: f64,
    /// Episodes that began, in both directions, at the lowest threshold.
    pub episodes: u64,
}

/// The episodes of one direction at one threshold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Episodes {
    /// Venue to buy on.
    pub buy: String,
    /// Venue to sell on.
    pub sell: String,
    /// Net spread from which an episode counts, in bp.
    pub threshold_bps: f64,
    /// Number of episodes.
    pub count: u64,
    /// Durations: upper bound in s, and the number of episodes in that step (not cumulative).
    pub durations: Vec<(f64, u64)>,
    /// Highest net spread, in bp.
    pub peak_bps: Option<f64>,
    /// Share of the orders that still met the threshold when both had arrived, 0 to 1.
    pub still_there: Option<f64>,
}

/// Half-life at one sampling interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SignaturePoint {
    /// Sampling interval, in s.
    pub interval_s: f64,
    /// Half-life, in s; `None` where no reversion was found.
    pub half_life_s: Option<f64>,
    /// Lower end of the 95 % interval, in s.
    pub low_s: Option<f64>,
    /// Upper end of the 95 % interval, in s; `None` if there is none.
    pub high_s: Option<f64>,
}

/// Cross-correlation at one lag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LagPoint {
    /// Lag in ms. Positive: exchange1 leads by this much.
    pub lag_ms: f64,
    /// Hayashi-Yoshida cross-correlation.
    pub correlation: f64,
}

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Instruments with at least two venues.
    pub instruments: u64,
    /// Pairs in the table.
    pub pairs: u64,
    /// Quotes of all venues.
    pub rows: u64,
    /// Partial results that were loaded instead of reading quotes.
    pub partials_reused: u64,
    /// Partial results that were computed.
    pub partials_computed: u64,
    /// Files whose quotes were used.
    #[serde(default)]
    pub files_read: u64,
    /// Files that the selection does not exclude and that were not read; the problems say why. A
    /// folder that cannot be listed counts as one.
    #[serde(default)]
    pub files_not_read: u64,
    /// Files that are known to hold no quotes: the lake's other tables, and files that are hidden
    /// or not finished.
    #[serde(default)]
    pub files_known: u64,
}

/// What the ledger says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completeness {
    /// `complete`, `incomplete`, `unknown` (there is no ledger), or `not vouched for` (the user said
    /// that something else recorded the lake).
    pub verdict: String,
    /// What is missing, in words, by day.
    pub findings: Vec<String>,
}

/// One thing that is wrong with the input.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Problem {
    /// Path of a file or folder below the lake, or `instrument exchange1 exchange2`.
    pub subject: String,
    /// What is wrong.
    pub what: String,
    /// Whether something was left out because of it. Otherwise it is only noted (that rows had to
    /// be sorted, for instance).
    pub left_out: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_details_have_safe_and_different_names() {
        let of = |names: [&str; 3]| {
            let [instrument, exchange1, exchange2] = names.map(str::to_owned);
            Detail { instrument, exchange1, exchange2, ..Detail::default() }
        };
        let details = [
            of(["BTC/USDT", "binance", "okx"]),
            of(["btc#usdt", "binance", "okx"]),
            of(["BTC_USDT", "binance", "okx"]),
            of(["../../etc", ".", ""]),
            of([&"W".repeat(500), "a\0b", "ö"]),
        ];
        let files = detail_files(&details);
        assert_eq!(files[0], "pairs/BTC_USDT-binance-okx.json");
        assert_eq!(files[1], "pairs/btc_usdt-binance-okx-2.json");
        assert_eq!(files[2], "pairs/BTC_USDT-binance-okx-3.json");
        assert_eq!(files[3], "pairs/______etc-_-.json");
        assert!(files[4].len() < 255 && files[4].ends_with("W-a_b-_.json"), "{}", files[4]);
    }
}
