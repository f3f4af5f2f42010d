//! Rows of coloured cells, a day or an hour each: gains in one colour, losses in another, and cells without
//! data marked as such.

use super::numbers;
use super::rate::Rate;
use crate::report::{DayProfit, Detail, HourBin, Report};
use serde::Serialize;

/// A day counts as whole if this many hours of it were recorded.
const WHOLE_DAY: f64 = 23.5;
/// Days of a row, the last ones.
const MOST_DAYS: usize = 31;
/// Pairs of the map.
const MOST_PAIRS: usize = 30;
/// From this intensity on, text needs the colour that goes with it.
const STRONG: f64 = 55.0;

/// A row of cells.
#[derive(Serialize)]
pub(super) struct Strip {
    title: String,
    cells: Vec<Cell>,
}

/// One day or hour.
#[derive(Clone, Serialize)]
pub(super) struct Cell {
    /// Which day or hour it is.
    label: String,
    /// The figure, or that there is none.
    text: String,
    /// What the figure is of, if that is less than it should be.
    note: String,
    /// CSS classes.
    class: &'static str,
    /// Intensity of the colour, 0 to 100.
    heat: u8,
}

impl Cell {
    fn none(label: String) -> Cell {
        let (text, note) = ("no data".to_owned(), String::new());
        Cell { label, text, note, class: "none", heat: 0 }
    }

    /// Returns the cell of a value, `most` being the greatest of all.
    fn of(label: String, value: f64, most: f64, text: String) -> Cell {
        let part = if 0.0 < most { (value.abs() / most).clamp(0.0, 1.0) } else { 0.0 };
        let heat = if part.is_finite() { part.sqrt() * 100.0 } else { 0.0 };
        let class = match (value < 0.0, STRONG < heat) {
            (false, false) => "gain",
            (false, true) => "gain strong",
            (true, false) => "loss",
            (true, true) => "loss strong",
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
        let heat = heat.round() as u8;
        Cell { label, text, note: String::new(), class, heat }
    }
}

fn greatest(values: impl Iterator<Item = f64>) -> f64 {
    values.map(f64::abs).filter(|value| value.is_finite()).fold(0.0, f64::max)
}

/// Returns the month and day of a day.
fn short(day: &str) -> String {
    numbers::name(day.split_once('-').map_or(day, |(_, rest)| rest))
}

fn day(of: &DayProfit, most: f64) -> Cell {
    let label = short(&of.day);
    if of.recorded_hours <= 0.0 {
        return Cell::none(label);
    }
    let mut cell = Cell::of(label, of.profit, most, numbers::short(of.profit));
    if of.recorded_hours < WHOLE_DAY {
        cell.note = format!("in {:.1} h", of.recorded_hours);
    }
    cell
}

/// Returns the rows of one pair: its profit by day, and what happened by hour of the day.
pub(super) fn of_pair(detail: &Detail, rate: &Rate) -> Vec<Strip> {
    let mut strips = Vec::new();
    let hours = &detail.hours;
    if let Some(played) = &detail.decision.strategy {
        let from = played.days.len().saturating_sub(MOST_DAYS);
        let days = &played.days[from..];
        let most = greatest(days.iter().map(|day| day.profit));
        let cells = days.iter().map(|of| day(of, most)).collect();
        strips.push(Strip { title: format!("Profit by day ({})", rate.currency()), cells });
        let most = greatest(played.hours.iter().copied().flatten());
        let cell = |(hour, profit): (usize, &Option<f64>)| match profit {
            Some(profit) => Cell::of(hour.to_string(), *profit, most, numbers::short(*profit)),
            None => Cell::none(hour.to_string()),
        };
        let title = format!("Profit by hour of the day, UTC ({})", rate.currency());
        strips.push(Strip { title, cells: played.hours.iter().enumerate().map(cell).collect() });
    }
    #[expect(clippy::cast_precision_loss, reason = "a colour is not that exact")]
    let episodes = |hour: &HourBin| (hour.episodes as f64, numbers::count(hour.episodes));
    strips.push(by_hour(
        "Episodes by hour of the day, UTC",
        hours,
        |of| 0.0 < of.recorded_s,
        episodes,
    ));
    let title = "Mean deviation by hour of the day, UTC (bp)";
    let mean = |hour: &HourBin| (hour.mean_bps, numbers::short(hour.mean_bps));
    strips.push(by_hour(title, hours, |of| 0.0 < of.live_s, mean));
    strips.retain(|strip| !strip.cells.is_empty());
    strips
}

fn by_hour(
    title: &str,
    hours: &[HourBin],
    is_known: impl Fn(&HourBin) -> bool,
    value: impl Fn(&HourBin) -> (f64, String),
) -> Strip {
    let most = greatest(hours.iter().filter(|of| is_known(of)).map(|of| value(of).0));
    let cell = |of: &HourBin| {
        let ((amount, text), label) = (value(of), of.hour.to_string());
        if is_known(of) { Cell::of(label, amount, most, text) } else { Cell::none(label) }
    };
    Strip { title: title.to_owned(), cells: hours.iter().map(cell).collect() }
}

/// Days by pairs.
#[derive(Serialize)]
pub(super) struct Days {
    days: Vec<String>,
    rows: Vec<Row>,
    /// A sentence on what is not shown.
    rest: Option<String>,
}

/// One pair.
#[derive(Serialize)]
struct Row {
    /// Anchor of the pair's section.
    section: String,
    instrument: String,
    venues: String,
    cells: Vec<Cell>,
}

impl Days {
    /// Returns the map of the detailed pairs that traded, best first.
    pub(super) fn new(report: &Report) -> Days {
        let from = report.days.len().saturating_sub(MOST_DAYS);
        let days = &report.days[from..];
        let traded = report.details.iter().enumerate();
        let traded: Vec<_> =
            traded.filter_map(|(at, of)| Some((at, of, of.decision.strategy.as_ref()?))).collect();
        let profits =
            traded.iter().flat_map(|(.., played)| &played.days).map(|day: &DayProfit| day.profit);
        let most = greatest(profits);
        let row = |(at, detail, played): &(usize, &Detail, &crate::report::Played)| Row {
            section: super::table::pair_id(*at),
            instrument: numbers::name(&detail.instrument),
            venues: numbers::name(&format!("{} – {}", detail.exchange1, detail.exchange2)),
            cells: days
                .iter()
                .map(|of| {
                    let found = played.days.iter().find(|played| played.day == *of);
                    found.map_or_else(|| Cell::none(short(of)), |found| day(found, most))
                })
                .collect(),
        };
        Days {
            rows: traded.iter().take(MOST_PAIRS).map(row).collect(),
            days: days.iter().map(|day| short(day)).collect(),
            rest: (0 < from).then(|| format!("The last {MOST_DAYS} days are shown.")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_recorded_is_no_zero() {
        let of = |profit: f64, recorded_hours: f64| {
            day(&DayProfit { day: "2024-08-08".to_owned(), profit, recorded_hours }, 4.0)
        };
        let (none, part, whole) = (of(0.0, 0.0), of(-1.0, 3.25), of(4.0, 24.0));
        assert_eq!((none.text.as_str(), none.class), ("no data", "none"));
        assert_eq!((part.note.as_str(), part.class, part.heat), ("in 3.2 h", "loss", 50));
        assert_eq!((whole.note.as_str(), whole.class, whole.heat), ("", "gain strong", 100));
        assert_eq!(whole.label, "08-08");
    }
}
