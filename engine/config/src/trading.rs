//! The section `[trading]` as the file has it.

use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A decimal number as it is written: `1000`, `0.001` or `"0.001"`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Number(pub String);

impl Number {
    fn new(text: impl std::fmt::Display) -> Number {
        Number(text.to_string())
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Number, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Number;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number")
            }
            fn visit_i64<E>(self, number: i64) -> Result<Number, E> {
                Ok(Number::new(number))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Number, E> {
                Ok(Number::new(number))
            }
            fn visit_f64<E>(self, number: f64) -> Result<Number, E> {
                Ok(Number::new(number))
            }
            fn visit_str<E>(self, text: &str) -> Result<Number, E> {
                Ok(Number::new(text))
            }
        }
        from.deserialize_any(Visitor)
    }
}

/// What is done about opportunities. All amounts are in `currency` unless stated otherwise.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Trading {
    /// `off`: the engine tells opportunities and does nothing about them. `paper`: it executes them on
    /// paper. Real orders are sent by `trader` alone.
    pub mode: String,
    /// Begins every client order id: 1 to 8 lower-case letters and digits.
    pub owner: String,
    /// Currency of limits and profits.
    pub currency: String,
    /// Value of one unit of other assets in it.
    pub rates: BTreeMap<String, Number>,
    /// An opportunity is acted on once it has been open this long, ms.
    pub min_lifetime_ms: u64,
    /// `inventory` or `convergence`.
    pub exit: String,
    /// `complete`, `reverse` or `hold`.
    pub hedge: String,
    /// How far from the decided price a hedge may go, basis points.
    pub hedge_band_bps: f64,
    /// How long a hedge is tried, ms.
    pub hedge_ttl_ms: u64,
    /// An order without an answer for this long has an unknown outcome, ms.
    pub answer_timeout_ms: u64,
    /// Time that an order takes to a venue that has none of its own, one way, ms.
    pub latency_ms: f64,
    /// Share of the orders on paper that venues refuse, 0 to 1.
    pub rejects: f64,
    /// Seed of latencies and refusals on paper.
    pub seed: u64,
    /// Folder of the journal of decisions; default is `trading` in the lake.
    pub journal: Option<PathBuf>,
    /// While this file exists, no order is sent; default is `kill` in that folder.
    pub kill_file: Option<PathBuf>,
    /// How far a threshold may move when the configuration is read again, basis points.
    pub max_step_bps: f64,
    /// Limits.
    pub limits: Limits,
    /// What holds at each venue.
    pub venues: Vec<TradingVenue>,
    /// What each venue asks of orders in an instrument.
    pub markets: Vec<TradingMarket>,
}

impl Default for Trading {
    fn default() -> Self {
        Trading {
            mode: "off".to_owned(),
            owner: "spread".to_owned(),
            currency: "USDT".to_owned(),
            rates: BTreeMap::new(),
            min_lifetime_ms: 0,
            exit: "inventory".to_owned(),
            hedge: "complete".to_owned(),
            hedge_band_bps: 20.0,
            hedge_ttl_ms: 1_000,
            answer_timeout_ms: 2_000,
            latency_ms: 5.0,
            rejects: 0.0,
            seed: 1,
            journal: None,
            kill_file: None,
            max_step_bps: 10.0,
            limits: Limits::default(),
            venues: Vec::new(),
            markets: Vec::new(),
        }
    }
}

/// Limits of `[trading]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Limits {
    /// Largest notional of an order.
    pub order: Number,
    /// Largest sum of what deals of an instrument have open.
    pub instrument: Number,
    /// Largest sum of what deals have open at a venue.
    pub venue: Number,
    /// Largest sum of what all deals have open.
    pub total: Number,
    /// Largest number of deals that are not over.
    pub open_deals: usize,
    /// Loss within a day, UTC, from which nothing opens for the rest of it.
    pub loss_per_day: Number,
    /// Loss from the highest profit from which nothing opens until a person resumes.
    pub drawdown: Number,
    /// Number of deals in a row that fail after which nothing opens until a person resumes.
    pub failures: u32,
    /// A net spread above this is taken for a mistake, basis points.
    pub max_net_bps: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            order: Number::new(1_000),
            instrument: Number::new(10_000),
            venue: Number::new(20_000),
            total: Number::new(50_000),
            open_deals: 16,
            loss_per_day: Number::new(500),
            drawdown: Number::new(1_000),
            failures: 10,
            max_net_bps: 200.0,
        }
    }
}

/// What holds for all orders at a venue.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct TradingVenue {
    /// Name of the venue.
    pub name: String,
    /// `received`, `quote`, or the name of an asset; default `received`.
    pub fee_asset: Option<String>,
    /// Fees by volume; default is the venue's taker fee.
    #[serde(default)]
    pub fee_tiers: Vec<FeeTier>,
    /// Volume that was traded before; default 0.
    pub volume: Option<Number>,
    /// Largest number of orders within a second; default [`ORDERS_PER_SECOND_DEFAULT`].
    pub orders_per_second: Option<usize>,
    /// Time that an order takes there, one way, ms.
    pub latency_ms: Option<f64>,
    /// File of measured times, one way, microseconds, one a line.
    pub latency_file: Option<PathBuf>,
    /// What is there on paper when the journal of decisions begins, in units of each asset.
    #[serde(default)]
    pub balances: BTreeMap<String, Number>,
    /// Base address of the WebSockets for orders, without a path; default is the venue's own.
    pub order_url: Option<String>,
    /// Base address of the REST API for orders, without a path; default is the venue's own.
    pub order_rest_url: Option<String>,
    /// Environment variable that holds the key to the account.
    pub key_env: Option<String>,
    /// systemd credential that holds it.
    pub key_credential: Option<String>,
    /// File that holds it, which only its owner may read.
    pub key_file: Option<PathBuf>,
    /// How long after its time stamp a request may arrive, ms; default [`RECV_WINDOW_MS_DEFAULT`].
    pub recv_window_ms: Option<u64>,
    /// How OKX takes what spot orders cost: `cash` or `cross`; default `cash`.
    pub trade_mode: Option<String>,
}

/// [`TradingVenue::recv_window_ms`] where the file has none.
pub const RECV_WINDOW_MS_DEFAULT: u64 = 5_000;

impl TradingVenue {
    /// Makes a venue with the defaults of everything but its name. For configurations that a program
    /// writes.
    #[must_use]
    pub fn named(name: &str) -> TradingVenue {
        TradingVenue { name: name.to_owned(), ..TradingVenue::default() }
    }
}

/// [`TradingVenue::orders_per_second`] where the file has none.
pub const ORDERS_PER_SECOND_DEFAULT: usize = 10;

/// A taker fee from a volume on.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct FeeTier {
    /// Volume from which it holds.
    pub from: Number,
    /// The fee, basis points.
    pub bps: f64,
}

/// What a venue asks of orders in an instrument.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct TradingMarket {
    /// Name of the venue.
    pub venue: String,
    /// Canonical name of the instrument.
    pub instrument: String,
    /// Step of prices; default is one unit of the instrument's last decimal.
    pub tick: Option<Number>,
    /// Step of sizes; default is one unit of the instrument's last decimal.
    pub lot: Option<Number>,
    /// Least size; default is one lot.
    pub min_size: Option<Number>,
    /// Least price times size, in the quote currency; default 0.
    pub min_notional: Option<Number>,
    /// The venue's number of the instrument, which orders at OKX take: `instIdCode`.
    pub code: Option<u64>,
    /// Base asset in one contract, where orders count contracts: `ctVal` of OKX's swaps.
    pub contract: Option<Number>,
}
