//! The pairs that are recommended, in the format that a person approves from, and why others are not.
//! Nothing opens by this. Everything is read from the report.

use super::exposure;
use crate::plan::Plan;
use crate::report::{Cell, PairRow, Refusal, Report, Verdict};
use spreadwire_lake::layout;
use spreadwire_market::recommendations::{FORMAT, Model, Pair, Recommendations};
use spreadwire_venues::venues::VENUES;
use std::collections::BTreeMap;

/// Figures that are written as evidence, where they are known.
const EVIDENCE: [&str; 12] = [
    "luck_q_value",
    "next_day_low",
    "next_day_high",
    "deals",
    "still_there_share",
    "won_share",
    "drawdown",
    "worst_excursion",
    "break_even_fee_bps",
    "live_share",
    "half_life_s",
    "adf_q_value",
];
/// The verdict of a ledger that accounts for everything.
const COMPLETE: &str = "complete";

/// Returns the comment at the top of the file: what its figures rest on.
#[must_use]
pub fn head(report: &Report) -> String {
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
    head + "#\n"
}

/// Returns all recommendations of a report, best first, and why other pairs are not recommended. `now_ns`
/// is the time in ns since 1970.
#[must_use]
pub fn of(report: &Report, plan: &Plan, now_ns: i64) -> (Recommendations, Vec<Refusal>) {
    let now = u64::try_from(now_ns).unwrap_or(0);
    let second = 1_000_000_000;
    let lasts = u64::from(plan.arguments.expires) * 86_400 * second;
    let day = |day: Option<&String>| day.cloned().unwrap_or_else(|| "1970-01-01".to_owned());
    let rows = || report.pairs.iter().map(|pair| Row { report, pair, plan });
    let is_recommended = |row: &Row<'_>| row.pair.verdict == Verdict::Recommended;
    let pairs = rows().filter(is_recommended).flat_map(|row| row.recommended());
    let refused = rows().filter(|row| !is_recommended(row)).flat_map(|row| row.refused());
    let recommendations = Recommendations {
        format: FORMAT,
        generated: now / second * second,
        expires: (now + lasts) / second * second,
        from: day(report.days.first()),
        to: day(report.days.last()),
        lake: report.lake.clone(),
        recorded_hours: Some(rounded(report.recorded_hours)),
        data_digest: report.data_digest.clone(),
        pairs: pairs.collect(),
    };
    let refused = refused.collect();
    (recommendations.sealed(), refused)
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

    fn count(&self, name: &str) -> Option<u64> {
        match self.cell(name) {
            Cell::Count(count) => Some(*count),
            Cell::None | Cell::Flag(_) | Cell::Text(_) | Cell::Number(_) => None,
        }
    }

    /// Returns the ordered pairs of venues that the strategy trades, each with its share of the deals.
    fn directions(&self) -> Vec<(&str, &str, f64)> {
        let PairRow { exchange1: one, exchange2: two, .. } = self.pair;
        let Some(share) = self.number("deals_12_share") else { return Vec::new() };
        let both = [(one.as_str(), two.as_str(), share), (two, one, 1.0 - share)];
        both.into_iter().filter(|(_, _, share)| 0.0 < *share).collect()
    }

    fn refused(&self) -> Vec<Refusal> {
        let PairRow { instrument, exchange1: one, exchange2: two, why, .. } = self.pair;
        let refusal = |(buy, sell): (&str, &str)| Refusal {
            instrument: instrument.clone(),
            buy: name_of(buy),
            sell: name_of(sell),
            why: why.join("; "),
        };
        [(one.as_str(), two.as_str()), (two, one)].map(refusal).to_vec()
    }

    fn recommended(&self) -> Vec<Pair> {
        self.directions().into_iter().filter_map(|of| self.direction(of)).collect()
    }

    /// Returns one direction, which earns as much of the whole as it has deals.
    fn direction(&self, (buy, sell, share): (&str, &str, f64)) -> Option<Pair> {
        let is_held = *self.cell("model") == Cell::Text(Model::Convergence.name().to_owned());
        let entry_bps = self.number("entry_bps")?;
        let of_whole = |name: &str| self.number(name).map(|value| rounded(value * share));
        Some(Pair {
            instrument: self.pair.instrument.clone(),
            buy: name_of(buy),
            sell: name_of(sell),
            model: if is_held { Model::Convergence } else { Model::Inventory },
            entry_bps,
            entry_bps_min: self.number("entry_bps_min")?.min(entry_bps),
            entry_bps_max: self.number("entry_bps_max")?.max(entry_bps),
            exit_bps: self.number("exit_bps")?,
            size_quote: self.plan.settings.size,
            per_day: of_whole("per_day"),
            per_day_low: of_whole("per_day_low"),
            per_day_high: of_whole("per_day_high"),
            held_out_per_day: of_whole("held_out_per_day"),
            held_out_events: self.count("held_out_events"),
            events: self.count("events"),
            live_hours: self.number("live_hours").map(rounded),
            reason: self.reason(share),
            evidence: self.evidence(),
            ..Pair::default()
        })
    }

    fn reason(&self, share: f64) -> String {
        let mut reason = self.pair.why.join("; ");
        if share < 1.0 {
            reason.push_str(&format!(
                "; its {:.0} % of the deals pay only together with the reverse direction",
                share * 100.0
            ));
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
