//! The pairs that are worth enabling, in the format that the trader loads. Nothing is enabled here;
//! a person does that. Everything is read from the report's columns.

use super::exposure;
use crate::plan::Plan;
use crate::report::{Cell, PairRow, Report};
use spreadwire_lake::layout;
use spreadwire_market::recommendations::{FORMAT, Pair, Recommendations};
use spreadwire_venues::venues::VENUES;
use std::collections::BTreeMap;

/// A pair with fewer orders is not recommended.
const ORDERS_MIN: u64 = 5;
/// Figures that are written as evidence, where they are known.
const EVIDENCE: [&str; 7] = [
    "capture_bps",
    "still_there_share",
    "orders",
    "live_share",
    "half_life_s",
    "adf_q_value",
    "rank_second_half",
];

/// Returns the file of the recommendations: what they rest on, and the recommendations themselves.
#[must_use]
pub fn text(report: &Report, plan: &Plan, now_ns: i64) -> String {
    let told = exposure::told(report);
    let mut head = format!("# Recorded time that these figures rest on: {told}.\n");
    if let Some(caution) = exposure::caution(report) {
        head.push_str(&format!("# The {caution}.\n"));
    }
    if report.completeness.verdict != COMPLETE {
        let verdict = &report.completeness.verdict;
        head.push_str(&format!(
            "# Whether the days are complete, by the lake's ledger: {verdict}.\n"
        ));
    }
    format!("{head}#\n{}", of(report, plan, now_ns).to_toml())
}

/// The verdict of a ledger that accounts for everything.
const COMPLETE: &str = "complete";

/// Returns the recommendations of a report, best first. `now_ns` is the time in ns since 1970.
#[must_use]
pub fn of(report: &Report, plan: &Plan, now_ns: i64) -> Recommendations {
    let now = u64::try_from(now_ns).unwrap_or(0);
    let second = 1_000_000_000;
    let lasts = u64::from(plan.arguments.expires) * 86_400 * second;
    let day = |day: Option<&String>| day.cloned().unwrap_or_else(|| "1970-01-01".to_owned());
    let pairs = report.pairs.iter().filter_map(|pair| Row { report, pair, plan }.recommended());
    Recommendations {
        format: FORMAT,
        generated: now / second * second,
        expires: (now + lasts) / second * second,
        from: day(report.days.first()),
        to: day(report.days.last()),
        lake: report.lake.clone(),
        pairs: pairs.take(plan.arguments.top).collect(),
    }
}

struct Row<'a> {
    report: &'a Report,
    pair: &'a PairRow,
    plan: &'a Plan,
}

impl Row<'_> {
    fn cell(&self, name: &str) -> &Cell {
        let place = self.report.columns.iter().position(|column| column.name == name);
        place.and_then(|place| self.pair.cells.get(place)).unwrap_or(&Cell::None)
    }

    fn number(&self, name: &str) -> Option<f64> {
        match self.cell(name) {
            Cell::Number(number) => Some(*number),
            #[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
            Cell::Count(count) => Some(*count as f64),
            Cell::None | Cell::Flag(_) | Cell::Text(_) => None,
        }
    }

    /// Returns a recommendation if the pair pays on the whole, over enough orders, between legs
    /// that are the same asset, at a level that did not shift.
    fn recommended(&self) -> Option<Pair> {
        let capture = self.number("capture_per_day").filter(|capture| 0.0 < *capture)?;
        let Cell::Count(orders) = *self.cell("orders") else { return None };
        let sound = *self.cell("same_asset") == Cell::Text("yes".to_owned())
            && *self.cell("level_shift") != Cell::Flag(true);
        if orders < ORDERS_MIN || !sound {
            return None;
        }
        let PairRow { instrument, exchange1, exchange2, .. } = self.pair;
        let Cell::Text(direction) = self.cell("best_direction") else { return None };
        let is_first = *direction == format!("buy {exchange1} sell {exchange2}");
        let (buy, sell) = if is_first { (exchange1, exchange2) } else { (exchange2, exchange1) };
        let direction = if is_first { "12" } else { "21" };
        let entry = self.number("best_threshold_bps")?;
        let of_entry = |name: &str| self.number(&format!("{name}_{entry}bp_{direction}"));
        let size = self.plan.settings.size.min(of_entry("size_mean").unwrap_or(f64::INFINITY));
        let peak = of_entry("peak_max_bps").unwrap_or(entry).ceil();
        Some(Pair {
            instrument: instrument.clone(),
            buy: name_of(buy),
            sell: name_of(sell),
            enabled: false,
            entry_bps: entry,
            entry_bps_min: self.least_paying(direction).unwrap_or(entry).min(entry),
            entry_bps_max: peak.max(entry),
            exit_bps: entry.min(0.0),
            size_quote: rounded(size).max(0.01),
            capture_per_day: rounded(capture),
            reason: self.reason(orders),
            evidence: self.evidence(),
        })
    }

    /// Returns the least threshold that pays on the whole.
    fn least_paying(&self, direction: &str) -> Option<f64> {
        let pays = |bps: &&f64| {
            let capture = self.number(&format!("capture_per_day_{bps}bp_{direction}"));
            capture.is_some_and(|capture| 0.0 < capture)
        };
        self.plan.settings.thresholds_bps.iter().find(pays).copied()
    }

    fn reason(&self, orders: u64) -> String {
        let share = self.number("still_there_share").unwrap_or(0.0) * 100.0;
        let met = self.number("capture_bps").unwrap_or(0.0);
        let mut reason = format!(
            "Of {orders} orders, {share:.0} % still paid on arrival; they met {met:.2} bp net on \
             average"
        );
        if *self.cell("reversion") == Cell::Text("reversion".to_owned())
            && let Some(half_life) = self.number("half_life_s")
        {
            reason.push_str(&format!("; a gap halves in {half_life:.1} s"));
        }
        if let Some(caution) = exposure::caution(self.report) {
            reason.push_str(&format!("; {caution}"));
        }
        reason + "."
    }

    fn evidence(&self) -> BTreeMap<String, f64> {
        let known = EVIDENCE.into_iter().filter_map(|name| Some((name, self.number(name)?)));
        known.map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// Rounds to two decimals, which are enough for amounts.
fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Returns the name of a venue from its folder in the lake: `binance_usdm` becomes `binance-usdm`.
fn name_of(folder: &str) -> String {
    let is_it = |name: &&str| layout::venue_folder(name).is_ok_and(|of| of == folder);
    let known = VENUES.iter().map(|venue| venue.name).find(is_it);
    known.unwrap_or(folder).to_owned()
}
