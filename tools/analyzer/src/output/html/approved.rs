//! The approved pairs: how each stands beside this analysis, and what was promised and met.

use super::numbers::{self, LISTED, rest};
use super::rate::Rate;
use crate::report::{Promise, Promised, Report, Standing};
use serde::Serialize;
use spreadwire_market::recommendations::name_of;

/// The section.
#[derive(Serialize)]
pub(super) struct Approved {
    standings: Vec<(&'static str, String)>,
    rows: Vec<Row>,
    rest: Option<String>,
}

/// What was promised of one pair, and what was met.
#[derive(Serialize)]
struct Row {
    pair: String,
    promised: String,
    met: String,
    deals: String,
    words: String,
    /// CSS class of the words.
    class: &'static str,
}

impl Approved {
    pub(super) fn new(report: &Report) -> Approved {
        let standing = |of: &Standing| {
            let class = if of.needs_a_look() { "bad" } else { "good" };
            (class, numbers::name(&of.line()))
        };
        Approved {
            standings: report.approved.iter().take(LISTED).map(standing).collect(),
            rows: report.promised.iter().take(LISTED).map(|of| Row::new(report, of)).collect(),
            rest: rest(report.approved.len(), "approved pairs"),
        }
    }
}

impl Row {
    fn new(report: &Report, of: &Promised) -> Row {
        let rate = Rate::new(report, &of.instrument);
        let unknown = || numbers::UNKNOWN.to_owned();
        let hours = of.recorded_hours.map_or_else(unknown, |hours| format!("{hours:.1}"));
        Row {
            pair: numbers::name(&name_of((&of.instrument, &of.buy, &of.sell))),
            promised: match (of.per_day_low, of.per_day, of.per_day_high) {
                (Some(low), Some(mean), Some(high)) => {
                    let [low, mean, high] = [low, mean, high].map(numbers::figure);
                    format!("{low} – {mean} – {high} {} a day", rate.currency())
                }
                (_, Some(mean), _) => format!("{} a day", rate.amount(mean)),
                _ => unknown(),
            },
            met: of.met_per_day.map_or_else(unknown, |met| format!("{} a day", rate.amount(met))),
            deals: format!("{} in {hours} h recorded", numbers::count(of.deals)),
            words: numbers::name(&of.words),
            class: match of.verdict {
                Promise::Within | Promise::Above => "good",
                Promise::Below => "bad",
                Promise::Unknown => "unsure",
            },
        }
    }
}
