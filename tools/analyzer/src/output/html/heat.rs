//! Venue by venue: the best instrument between every two venues, by the ranking column, as a table
//! whose cells are coloured by CSS.

use super::{numbers, table};
use crate::report::Report;
use serde::Serialize;
use std::collections::BTreeMap;

/// Venues per side; more would not fit the width.
const MOST_VENUES: usize = 16;

/// The table.
#[derive(Serialize)]
pub(super) struct Heat {
    /// Column headings.
    venues: Vec<String>,
    rows: Vec<Row>,
    /// A sentence below the table if venues were left out.
    rest: Option<String>,
    absent: Option<&'static str>,
}

#[derive(Serialize)]
struct Row {
    venue: String,
    cells: Vec<Option<Place>>,
}

/// The best instrument between two venues.
#[derive(Serialize)]
struct Place {
    instrument: String,
    value: String,
    /// Intensity of the colour, 0 to 100.
    heat: u8,
}

/// The best pair between two venues: its index in the report, and its value.
type Best = (usize, f64);

impl Heat {
    pub(super) fn new(report: &Report) -> Self {
        let best = best(report);
        let all = venues(&best);
        let kept = &all[..all.len().min(MOST_VENUES)];
        // As in the report, the name that comes first is on the left.
        let side = |of: fn(&(&str, &str)) -> String| {
            let mut names: Vec<String> = best.keys().map(of).collect();
            names.sort();
            names.dedup();
            names.retain(|name| kept.contains(name));
            names
        };
        let (left, top) = (side(|key| key.0.to_owned()), side(|key| key.1.to_owned()));
        let scale = Scale::new(&best);
        let rows = left.iter().map(|one| Row {
            venue: numbers::name(one),
            cells: top
                .iter()
                .map(|other| {
                    let best = best.get(&(one.as_str(), other.as_str()))?;
                    Some(Place::new(report, *best, &scale))
                })
                .collect(),
        });
        let hidden = all.len() - kept.len();
        Self {
            rows: rows.collect(),
            venues: top.iter().map(|venue| numbers::name(venue)).collect(),
            rest: (0 < hidden)
                .then(|| format!("The best {MOST_VENUES} venues are shown; {hidden} are not.")),
            absent: best.is_empty().then_some("There is no pair of venues to compare."),
        }
    }
}

/// Returns the best pair between every two venues: the first one, because the best pairs come
/// first.
fn best(report: &Report) -> BTreeMap<(&str, &str), Best> {
    let mut best = BTreeMap::new();
    let Some(rank) = table::rank_column(report) else { return best };
    for (at, pair) in report.pairs.iter().enumerate() {
        let Some(worth) = pair.cells.get(rank).and_then(numbers::worth) else { continue };
        best.entry((pair.exchange1.as_str(), pair.exchange2.as_str())).or_insert((at, worth));
    }
    best
}

/// Returns all venues, those of better pairs first.
fn venues(best: &BTreeMap<(&str, &str), Best>) -> Vec<String> {
    let mut pairs: Vec<_> = best.iter().collect();
    pairs.sort_by_key(|(_, best)| best.0);
    let mut venues: Vec<String> = Vec::new();
    for (one, other) in pairs.into_iter().map(|(names, _)| *names) {
        for venue in [one, other] {
            if !venues.iter().any(|known| known == venue) {
                venues.push(venue.to_owned());
            }
        }
    }
    venues
}

/// The range from the worst to the best value shown, whichever of the two is greater.
struct Scale {
    worst: f64,
    best: f64,
}

impl Scale {
    fn new(all: &BTreeMap<(&str, &str), Best>) -> Self {
        let best = all.values().min_by_key(|best| best.0).map_or(0.0, |best| best.1);
        let worst = all.values().max_by_key(|best| best.0).map_or(0.0, |best| best.1);
        Self { worst, best }
    }

    /// Returns the intensity for a value: the square root, because values have a long tail.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 100 by the clamp, and `as` takes NaN for 0"
    )]
    fn heat(&self, value: f64) -> u8 {
        // Halving first avoids overflow: the ends may be as far apart as floats go.
        let part = (value / 2.0 - self.worst / 2.0) / (self.best / 2.0 - self.worst / 2.0);
        let part = if part.is_finite() { part.clamp(0.0, 1.0) } else { 1.0 };
        (part.sqrt() * 100.0).round() as u8
    }
}

impl Place {
    fn new(report: &Report, (at, worth): Best, scale: &Scale) -> Self {
        Self {
            instrument: numbers::name(&report.pairs[at].instrument),
            value: numbers::figure(worth),
            heat: scale.heat(worth),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heat_goes_from_worst_to_best_either_way() {
        let more = Scale { worst: 0.0, best: 100.0 };
        assert_eq!([0.0, 25.0, 100.0].map(|value| more.heat(value)), [0, 50, 100]);
        let less = Scale { worst: 100.0, best: 0.0 };
        assert_eq!([0.0, 75.0, 100.0].map(|value| less.heat(value)), [100, 50, 0]);
        let same = Scale { worst: 5.0, best: 5.0 };
        assert_eq!(same.heat(5.0), 100);
        let far = Scale { worst: f64::MIN, best: f64::MAX };
        assert_eq!(far.heat(f64::MAX), 100);
    }
}
