//! What is aimed at, beside what was reached. The only numbers of the page that nobody measured.
//!
//! A target says of which rows it is, by bench and the beginnings of case and who; the worst of them
//! counts. It must not know how a page looks.

use super::rows::{Results, Row};

/// Which side of the bound is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    AtMost,
    AtLeast,
}

/// One target.
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

/// All of them, in the order of the page.
pub(crate) const TARGETS: &[Target] = &[
    target(
        "wire to wire over a bare relay, p50, at 1,000 to 100,000 frames a second (powers of ten)",
        ["wire_to_wire", "1", "engine", "ratio_p50"],
        AtMost,
        1.10,
        "x",
    ),
    target(
        "wire to wire over a bare relay, p50, bursts",
        ["wire_to_wire", "bursts", "engine", "ratio_p50"],
        AtMost,
        1.10,
        "x",
    ),
    target(
        "tokio-tungstenite and serde_json over the engine, p50",
        ["peers", "", "tokio-tungstenite", "ratio_p50"],
        AtLeast,
        1.0,
        "x",
    ),
    target(
        "websockets over the engine, p50",
        ["peers", "", "websockets", "ratio_p50"],
        AtLeast,
        6.0,
        "x",
    ),
    target(
        "websockets over the engine, p99",
        ["peers", "", "websockets", "ratio_p99"],
        AtLeast,
        10.0,
        "x",
    ),
    target(
        "ccxt pro over the engine, p50",
        ["peers", "", "ccxt pro", "ratio_p50"],
        AtLeast,
        6.0,
        "x",
    ),
    target(
        "ccxt pro over the engine, p99",
        ["peers", "", "ccxt pro", "ratio_p99"],
        AtLeast,
        10.0,
        "x",
    ),
    target(
        "cryptofeed over the engine, p50",
        ["peers", "", "cryptofeed", "ratio_p50"],
        AtLeast,
        6.0,
        "x",
    ),
    target(
        "cryptofeed over the engine, p99",
        ["peers", "", "cryptofeed", "ratio_p99"],
        AtLeast,
        10.0,
        "x",
    ),
    target(
        "one core: decoded, spread, decided and journalled without loss",
        ["sustained", "", "engine", "per_second"],
        AtLeast,
        1e6,
        "quotes/s",
    ),
    target(
        "a hop through our edge over raw rtrb, p50",
        ["ring", "", "edge", "ratio_p50"],
        AtMost,
        1.05,
        "x",
    ),
    target(
        "decoding, serde_json over ours, p50",
        ["decode", "", "serde_json", "ratio_p50"],
        AtLeast,
        5.0,
        "x",
    ),
    target("decoding a frame, p50", ["decode", "", "positional", "p50"], AtMost, 60.0, "ns"),
    target(
        "a quote to all its spreads, 8 venues, p50",
        ["spread", "8", "book", "p50"],
        AtMost,
        25.0,
        "ns",
    ),
    target("a spread to a decision, p50", ["decision", "", "maker", "p50"], AtMost, 40.0, "ns"),
    target("encoding a message, p50", ["encode", "", "engine", "p50"], AtMost, 80.0, "ns"),
];

/// What was reached of a target.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reached {
    pub(crate) value: f64,
    /// The case that it is of.
    pub(crate) case: String,
    pub(crate) good: bool,
}

impl Target {
    /// The worst of its rows, `None` if there are none.
    pub(crate) fn reached(&self, results: &Results) -> Option<Reached> {
        let fits = |row: &&Row| {
            row.bench == self.bench
                && row.case.starts_with(self.case)
                && row.who.starts_with(self.who)
        };
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

/// Latencies at rates that were not kept up with are none.
fn counts(row: &Row) -> bool {
    row.bench != "wire_to_wire" || row.number("missing") == Some(0.0)
}
