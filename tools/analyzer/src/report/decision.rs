//! What was decided about a pair, and what it rests on: every figure is drawn from the ledger of its deals.

use serde::{Deserialize, Serialize};

/// What was decided about a pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is worth approving.
    Recommended,
    /// It is not; the reasons say why.
    #[default]
    Refused,
    /// Its feeds cannot be trusted, so that it is not judged.
    Unsound,
}

impl Verdict {
    /// Returns the name in columns and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Recommended => "recommended",
            Verdict::Refused => "refused",
            Verdict::Unsound => "unsound",
        }
    }
}

/// Why a pair is not recommended; `why` has it in words, with figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Its feeds cannot be trusted.
    Feeds,
    /// Its legs were never live at the same time.
    NeverLive,
    /// No strategy opened anything.
    NoDeals,
    /// There is too little evidence to say anything.
    TooLittle,
    /// No strategy that had enough events earned anything.
    NothingEarned,
    /// The held-out part has too few events.
    FewHeldOut,
    /// The held-out part lost.
    HeldOutLost,
    /// The held-out part proves nothing.
    HeldOutUnsure,
    /// Positions are held for too long.
    HeldTooLong,
    /// Choosing by the past may have lost.
    ForwardUnsure,
    /// The profit hangs on one event.
    OneEvent,
    /// The profit hangs on one hour.
    OneHour,
    /// Nothing happened at the end.
    Quiet,
    /// It is no more than luck would give.
    Luck,
}

impl Reason {
    /// Returns a heading for the pairs that have this reason.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Reason::Feeds => "The feeds cannot be trusted",
            Reason::NeverLive => "The legs were never live at once",
            Reason::NoDeals => "No strategy opened anything",
            Reason::TooLittle => "Too little evidence",
            Reason::NothingEarned => "No strategy earned anything",
            Reason::FewHeldOut => "Too few events in the held-out part",
            Reason::HeldOutLost => "The held-out part lost",
            Reason::HeldOutUnsure => "The held-out part proves nothing",
            Reason::HeldTooLong => "Positions are held for too long",
            Reason::ForwardUnsure => "Choosing by the past may have lost",
            Reason::OneEvent => "The profit hangs on one event",
            Reason::OneHour => "The profit hangs on one hour",
            Reason::Quiet => "Nothing happened at the end",
            Reason::Luck => "No more than luck would give",
        }
    }
}

/// The strategy of a pair.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trade {
    /// `inventory` or `convergence`.
    pub model: String,
    /// Venue to buy on; with `inventory` the one that most deals bought on.
    pub buy: String,
    /// Venue to sell on.
    pub sell: String,
    /// Whether it trades in both directions.
    pub both_ways: bool,
    /// Net spread to enter at, in bp.
    pub entry_bps: f64,
    /// Lowest entry that earned something, by the same model in the same direction, in bp.
    pub entry_bps_min: f64,
    /// Highest entry that did.
    pub entry_bps_max: f64,
    /// Net spread below which it leaves, in bp.
    pub exit_bps: f64,
    /// Share of the deals that bought on the venue whose name comes first, 0 to 1.
    pub first_share: f64,
    /// Largest size of an order that was played, in quote currency.
    pub size_quote: f64,
}

/// What was decided about one pair. Amounts are in quote currency, rates per day of recorded time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// What was decided.
    pub verdict: Verdict,
    /// Why not, by name; empty if it is recommended.
    pub reasons: Vec<Reason>,
    /// Why, in words; for a recommended pair, what speaks for it.
    pub why: Vec<String>,
    /// The strategy; `None` if no strategy opened anything.
    pub strategy: Option<Played>,
    /// Mean profit per day, walking forward; `None` without enough evidence.
    pub per_day: Option<f64>,
    /// Lower end of its 90 % interval: the figure to rank by.
    pub per_day_low: Option<f64>,
    /// Upper end.
    pub per_day_high: Option<f64>,
    /// Lower end of the 90 % interval of one day to come.
    pub next_day_low: Option<f64>,
    /// Upper end.
    pub next_day_high: Option<f64>,
    /// Events of the strategy: deals that belong together.
    pub events: u32,
    /// Hours in which the pair was live.
    pub live_hours: f64,
    /// Hours that were recorded.
    pub recorded_hours: f64,
    /// Number of strategies that were tried.
    pub tried: usize,
    /// p-value of the best of them, adjusted over all pairs.
    pub q: f64,
    /// Profit per day in the held-out part.
    pub held_out_per_day: Option<f64>,
    /// Lower bound of it.
    pub held_out_low: Option<f64>,
    /// Events in it.
    pub held_out_events: Option<u32>,
    /// The walk forward, period by period.
    pub forward: Vec<Period>,
    /// What the best strategy in hindsight would have earned in those periods.
    pub best_in_hindsight: Option<f64>,
}

/// One strategy and what it did. Amounts are in quote currency, rates per day of recorded time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Played {
    /// The strategy.
    #[serde(flatten)]
    pub trade: Trade,
    /// Deals that have ended.
    pub deals: u64,
    /// Profit of all of them.
    pub profit: f64,
    /// Fees of all of them; they are in the profit.
    pub fees: f64,
    /// What all trades exchanged.
    pub volume: f64,
    /// Share of the deals that left something, 0 to 1.
    pub won_share: Option<f64>,
    /// Share of the decisions that met what they were decided on, 0 to 1.
    pub still_there_share: Option<f64>,
    /// Decisions of which neither order was filled.
    pub missed: u64,
    /// Deals of which one leg had to be hedged.
    pub hedged: u64,
    /// How often so many deals in a row had a leg to hedge that the trader would halt, until a person resumes it.
    pub halts: u64,
    /// Deals that the end of a day closed.
    pub day_ends: u64,
    /// Largest fall of the profit below its highest value so far.
    pub drawdown: f64,
    /// The least that closing one deal would have left at any time.
    pub worst: f64,
    /// Hours in which a position was held.
    pub hours_held: f64,
    /// Taker fee of each trade, in bp, at which nothing would be left.
    pub break_even_fee_bps: Option<f64>,
    /// Mean size of one leg.
    pub size: f64,
    /// Profit over time: when a deal ended, in ns since 1970, and the profit of all until then.
    pub curve: Vec<(i64, f64)>,
    /// Profit by UTC day that was recorded.
    pub days: Vec<DayProfit>,
    /// Profit by hour of the day, UTC; `None` where nothing was recorded.
    pub hours: Vec<Option<f64>>,
    /// Profit per day by latency in ms.
    pub latencies: Vec<(f64, f64)>,
    /// Size in quote currency, mean size of a deal, profit per day.
    pub sizes: Vec<(f64, f64, f64)>,
    /// Change of every taker fee in bp, and the profit per day with it.
    pub fee_tiers: Vec<(f64, f64)>,
    /// Profit per day if the legs on the one venue and on the other paid no fee, as a maker who is filled at
    /// the same prices might; whether he is, no recording tells.
    pub maker: Vec<(String, f64)>,
}

/// The profit of one day.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DayProfit {
    /// `YYYY-MM-DD`, UTC.
    pub day: String,
    /// Profit of the deals that ended in it.
    pub profit: f64,
    /// Hours of it that were recorded.
    pub recorded_hours: f64,
}

/// One period of a walk forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Period {
    /// Its beginning, in ns since 1970.
    pub from_ns: i64,
    /// Its end, in ns since 1970.
    pub to_ns: i64,
    /// What the strategy that was chosen by the time before earned in it.
    pub profit: f64,
}
