//! The pairs that are recommended, in the format that a person approves from, and why others are not.
//! Nothing opens by this. Everything is read from the report.

use super::exposure;
use crate::plan::Plan;
use crate::report::{Cell, PairRow, Report, Verdict};
use spreadwire_lake::layout;
use spreadwire_market::execution::Exit;
use spreadwire_market::recommendations::{FORMAT, Pair, Recommendations};
use spreadwire_venues::venues::VENUES;
use std::collections::BTreeMap;

/// Figures that are written as evidence, where they are known.
const EVIDENCE: [&str; 10] = [
    "luck_q_value",
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

/// Returns all recommendations of a report, best first. `now_ns` is the time in ns since 1970.
#[must_use]
pub fn of(report: &Report, plan: &Plan, now_ns: i64) -> Recommendations {
    let now = u64::try_from(now_ns).unwrap_or(0);
    let second = 1_000_000_000;
    let lasts = u64::from(plan.arguments.expires) * 86_400 * second;
    let day = |day: Option<&String>| day.cloned().unwrap_or_else(|| "1970-01-01".to_owned());
    let rows = report.pairs.iter().filter(|pair| pair.verdict == Verdict::Recommended);
    let pairs = rows.flat_map(|pair| Row { report, pair }.recommended());
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
    recommendations.sealed()
}

/// Returns the venues to buy and to sell on, named as the trader does, with the share of the deals: both
/// directions of a strategy that trades both ways; none without a strategy.
#[must_use]
pub fn directions(pair: &PairRow) -> Vec<(String, String, f64)> {
    let Some(trade) = &pair.trade else { return Vec::new() };
    let (buy, sell) = (name_of(&trade.buy), name_of(&trade.sell));
    if !trade.both_ways {
        return vec![(buy, sell, 1.0)];
    }
    let is_first = trade.buy == pair.exchange1;
    let share = if is_first { trade.first_share } else { 1.0 - trade.first_share };
    vec![(buy.clone(), sell.clone(), share), (sell, buy, 1.0 - share)]
}

struct Row<'a> {
    report: &'a Report,
    pair: &'a PairRow,
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

    fn recommended(&self) -> Vec<Pair> {
        directions(self.pair).into_iter().filter_map(|of| self.direction(of)).collect()
    }

    /// Returns one direction, which earns as much of the whole as it has deals.
    fn direction(&self, (buy, sell, share): (String, String, f64)) -> Option<Pair> {
        let trade = self.pair.trade.as_ref()?;
        let of_whole = |value: Option<f64>| value.map(|value| rounded(value * share));
        let next_day = self.next_day(share);
        Some(Pair {
            instrument: self.pair.instrument.clone(),
            buy,
            sell,
            model: Exit::of_name(&trade.model).unwrap_or_default(),
            entry_bps: trade.entry_bps,
            entry_bps_min: trade.entry_bps_min,
            entry_bps_max: trade.entry_bps_max,
            exit_bps: trade.exit_bps,
            size_quote: trade.size_quote,
            per_day: of_whole(self.pair.per_day),
            per_day_low: of_whole(self.pair.per_day_low),
            per_day_high: of_whole(self.pair.per_day_high),
            next_day_low: next_day.map(|(low, _)| rounded(low)),
            next_day_high: next_day.map(|(_, high)| rounded(high)),
            held_out_per_day: of_whole(self.pair.held_out_per_day),
            held_out_events: self.pair.held_out_events.map(u64::from),
            events: Some(u64::from(self.pair.events)),
            live_hours: Some(rounded(self.pair.live_hours)),
            reason: self.reason(share),
            evidence: self.evidence(),
            ..Pair::default()
        })
    }

    /// Returns the interval of one day to come of a direction with this share of the deals. Deals of both
    /// directions scatter by themselves, so that the scatter is the root of the share.
    fn next_day(&self, share: f64) -> Option<(f64, f64)> {
        let (low, high) = self.number("next_day_low").zip(self.number("next_day_high"))?;
        let (middle, half) = (0.5 * (low + high) * share, 0.5 * (high - low) * share.sqrt());
        Some((middle - half, middle + half))
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
