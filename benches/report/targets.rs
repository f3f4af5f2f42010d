//! The performance targets, and what was reached. These are the only numbers of the page that were
//! not measured.
//!
//! A target selects rows by bench, by the beginning of the case (by the whole case after a `=`),
//! and by contender. The worst of these rows counts.

use super::rows::{Results, Row};

/// Side of the bound that is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    AtMost,
    AtLeast,
}

/// A performance target.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) what: &'static str,
    bench: &'static str,
    case: &'static str,
    who: &'static str,
    number: &'static str,
    pub(crate) bound: Bound,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
}

const fn target(
    what: &'static str,
    [bench, case, who, number]: [&'static str; 4],
    bound: Bound,
    value: f64,
    unit: &'static str,
) -> Target {
    Target { what, bench, case, who, number, bound, value, unit }
}

use Bound::{AtLeast, AtMost};

/// All targets, in the order of the page.
pub(crate) const TARGETS: &[Target] = &[
    target(
        "decoding a Binance frame, p50",
        ["decode", "=binance", "positional", "p50"],
        AtMost,
        70.0,
        "ns",
    ),
    target(
        "typed serde_json over ours, Binance, p50",
        ["decode", "binance", "serde_json", "ratio_p50"],
        AtLeast,
        5.0,
        "x",
    ),
    target(
        "sonic-rs over ours, Binance, p50",
        ["decode", "binance", "sonic-rs", "ratio_p50"],
        AtLeast,
        2.5,
        "x",
    ),
    target(
        "barter-data over ours, Binance, p50",
        ["decode", "=binance", "barter-data", "ratio_p50"],
        AtLeast,
        4.0,
        "x",
    ),
    target(
        "typed serde_json over ours, Bybit, p50",
        ["decode", "bybit", "serde_json", "ratio_p50"],
        AtLeast,
        3.0,
        "x",
    ),
    target(
        "typed serde_json over ours, OKX, p50",
        ["decode", "okx", "serde_json", "ratio_p50"],
        AtLeast,
        3.0,
        "x",
    ),
    target(
        "from reading a socket to the quote in the ring, 10,000 frames a second, p50",
        ["stages", "10000/s", "read_to_quote", "p50"],
        AtMost,
        200.0,
        "ns",
    ),
    target(
        "from reading a socket to the decision, one spinning thread, 10,000 frames a second, p50",
        ["stages", "10000/s", "read_to_decision", "p50"],
        AtMost,
        1000.0,
        "ns",
    ),
    target("the same, p99", ["stages", "10000/s", "read_to_decision", "p99"], AtMost, 5000.0, "ns"),
    target(
        "wire to wire over a bare relay, 10,000 frames a second, p50",
        ["wire_to_wire", "10000/s", "engine", "ratio_p50"],
        AtMost,
        1.10,
        "x",
    ),
    target("the same, p99", ["wire_to_wire", "10000/s", "engine", "ratio_p99"], AtMost, 1.25, "x"),
    target(
        "ccxt pro over the engine, p50",
        ["peers", "1000/s", "ccxt pro", "ratio_p50"],
        AtLeast,
        6.0,
        "x",
    ),
    target(
        "ccxt pro over the engine, p99",
        ["peers", "1000/s", "ccxt pro", "ratio_p99"],
        AtLeast,
        10.0,
        "x",
    ),
    target(
        "cryptofeed over the engine, p50",
        ["peers", "1000/s", "cryptofeed", "ratio_p50"],
        AtLeast,
        6.0,
        "x",
    ),
    target(
        "cryptofeed over the engine, p99",
        ["peers", "1000/s", "cryptofeed", "ratio_p99"],
        AtLeast,
        10.0,
        "x",
    ),
    target(
        "quotes decoded, spread, decided and journalled on one core without loss",
        ["sustained", "", "engine", "per_second"],
        AtLeast,
        1e6,
        "quotes/s",
    ),
    target(
        "reading an idle socket over a bare `recv` that fails, p50",
        ["websocket_read", "idle", "feed of 1", "ratio_p50"],
        AtMost,
        1.10,
        "x",
    ),
    target(
        "a bare loop of `write` over ours, time to the last of 1,000 clients, p50",
        ["fanout", "", "write", "ratio_p50"],
        AtLeast,
        0.833,
        "x",
    ),
    target(
        "the pipeline with latency stamps over without, p50",
        ["instrumentation", "", "with", "ratio_p50"],
        AtMost,
        1.03,
        "x",
    ),
    target(
        "encoding a spread as JSON, p50",
        ["encode", "spread", "spreadwire", "p50"],
        AtMost,
        80.0,
        "ns",
    ),
    target(
        "encoding a spread as binary, p50",
        ["encode", "spread", "spreadwire_bin", "p50"],
        AtMost,
        80.0,
        "ns",
    ),
    target(
        "serde_json over ours, a spread, p50",
        ["encode", "spread", "serde_json", "ratio_p50"],
        AtLeast,
        5.0,
        "x",
    ),
    target(
        "a hop through our edge over raw rtrb, p50",
        ["ring", "", "edge", "ratio_p50"],
        AtMost,
        1.05,
        "x",
    ),
];

/// The result for a target.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reached {
    pub(crate) value: f64,
    /// Case of the result.
    pub(crate) case: String,
    pub(crate) good: bool,
}

impl Target {
    fn is_of(&self, case: &str) -> bool {
        match self.case.strip_prefix('=') {
            Some(whole) => case == whole,
            None => case.starts_with(self.case),
        }
    }

    /// Returns the worst of the target's rows; `None` if there are none.
    pub(crate) fn reached(&self, results: &Results) -> Option<Reached> {
        let fits =
            |row: &&Row| row.bench == self.bench && self.is_of(&row.case) && row.who == self.who;
        let values = results.rows.iter().filter(fits).filter(|row| counts(row));
        let values = values.filter_map(|row| Some((row.number(self.number)?, row.case.clone())));
        let worst = match self.bound {
            AtMost => values.max_by(|a, b| a.0.total_cmp(&b.0)),
            AtLeast => values.min_by(|a, b| a.0.total_cmp(&b.0)),
        };
        let (value, case) = worst?;
        let good = match self.bound {
            AtMost => value <= self.value,
            AtLeast => self.value <= value,
        };
        Some(Reached { value, case, good })
    }
}

/// Returns whether a row counts. Latencies at rates that could not be sustained do not.
fn counts(row: &Row) -> bool {
    row.bench != "wire_to_wire" || row.number("missing") == Some(0.0)
}
