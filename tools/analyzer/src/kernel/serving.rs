//! Serves the rows of a window to everything that counts money or time: quotes that are odd or
//! frozen are not usable there. The metrics over rows see the rows as they came.
//!
//! A row that does not count has no ask (NaN). Where a price freezes between two rows, a row without
//! prices is put in. A window in which everything counts is served as it is, without a copy.

use crate::kernel::legs::{Leg, Rows};
use crate::kernel::outliers::{Level, Said};
use crate::kernel::stillness::{Frozen, Marks, Stillness, Window};
use std::ops::Range;

/// A venue's rows of a window with some of them taken out.
#[derive(Clone, Debug, Default)]
struct Copy {
    times: Vec<i64>,
    bids: Vec<f64>,
    asks: Vec<f64>,
    bid_sizes: Vec<f64>,
    ask_sizes: Vec<f64>,
}

/// Serves the rows of one unit.
#[derive(Debug)]
pub(super) struct Serving {
    levels: Vec<Level>,
    still: Vec<Stillness>,
    /// For each venue, its last quote before the window, as it came and without odd ones.
    last: Vec<[Leg; 2]>,
    /// For each venue, its rows without the odd ones, and without the frozen ones either; `None` if
    /// all rows count.
    straight: Vec<Option<Copy>>,
    served: Vec<Option<Copy>>,
    /// Number of odd quotes by venue.
    odd: Vec<u64>,
    found: Vec<usize>,
}

impl Serving {
    /// Starts with the last quotes from before. `outlier` is the largest step of a mid as a
    /// fraction.
    pub(super) fn new(outlier: f64, max_age: i64, openings: &[Option<Leg>]) -> Serving {
        let legs: Vec<Leg> = openings.iter().map(|leg| leg.unwrap_or(Leg::NONE)).collect();
        let mut levels = vec![Level::new(outlier); legs.len()];
        let all: Vec<Said<'_>> =
            legs.iter().map(|before| Said { rows: Rows::default(), before: *before }).collect();
        let opened = levels.iter_mut().enumerate();
        let opened: Vec<Leg> =
            opened.map(|(venue, level)| level.open(legs[venue], except(&all, venue))).collect();
        let known = |(venue, leg): (usize, &Option<Leg>)| leg.map(|_| opened[venue]);
        let known: Vec<Option<Leg>> = openings.iter().enumerate().map(known).collect();
        Serving {
            levels,
            still: (0..legs.len()).map(|venue| Stillness::new(venue, max_age, &known)).collect(),
            last: legs.iter().zip(&opened).map(|(raw, leg)| [*raw, *leg]).collect(),
            straight: vec![None; legs.len()],
            served: vec![None; legs.len()],
            odd: vec![0; legs.len()],
            found: Vec::new(),
        }
    }

    /// Returns the last quote from before the unit, not usable if it is odd.
    pub(super) fn opening(&self, venue: usize) -> Leg {
        self.last[venue][1]
    }

    /// Judges the rows of the next window, which ends with a row at `last`.
    pub(super) fn take(&mut self, raw: &[Rows<'_>], last: i64) {
        self.take_odd_out(raw);
        self.take_frozen_out(raw, last);
        for (venue, rows) in raw.iter().enumerate() {
            if let Some(row) = rows.times.len().checked_sub(1) {
                self.last[venue] = [rows.leg(row), view(&self.straight[venue], *rows).leg(row)];
            }
        }
    }

    /// Returns what is served of a venue's rows.
    pub(super) fn rows<'a>(&'a self, venue: usize, raw: Rows<'a>) -> Rows<'a> {
        view(&self.served[venue], view(&self.straight[venue], raw))
    }

    /// Ends at the unit's last row. Returns the number of odd quotes and the frozen times by venue.
    pub(super) fn finish(self, end: i64) -> Vec<(u64, Frozen)> {
        let frozen = self.still.into_iter().map(|still| still.finish(end));
        self.odd.into_iter().zip(frozen).collect()
    }

    fn take_odd_out(&mut self, raw: &[Rows<'_>]) {
        let all: Vec<Said<'_>> = raw
            .iter()
            .zip(&self.last)
            .map(|(rows, last)| Said { rows: *rows, before: last[0] })
            .collect();
        for (venue, level) in self.levels.iter_mut().enumerate() {
            self.found.clear();
            level.take(raw[venue], || except(&all, venue), &mut self.found);
            self.odd[venue] += self.found.len() as u64;
            self.straight[venue] = (!self.found.is_empty()).then(|| {
                let mut copy = Copy::of(raw[venue], &[]);
                self.found.iter().for_each(|row| copy.asks[*row] = f64::NAN);
                copy
            });
        }
    }

    fn take_frozen_out(&mut self, raw: &[Rows<'_>], last: i64) {
        let said: Vec<Said<'_>> = raw
            .iter()
            .zip(&self.straight)
            .zip(&self.last)
            .map(|((rows, copy), last)| Said { rows: view(copy, *rows), before: last[1] })
            .collect();
        let window = Window { said: &said, last };
        let mut marks = Marks::default();
        for (venue, still) in self.still.iter_mut().enumerate() {
            marks.rows.clear();
            marks.onsets.clear();
            still.take(window, &mut marks);
            let rows = said[venue].rows;
            let has_marks = !marks.rows.is_empty() || !marks.onsets.is_empty();
            self.served[venue] = has_marks.then(|| Copy::without(rows, &marks));
        }
    }
}

/// Returns what all venues but one say.
fn except<'a>(all: &'a [Said<'a>], venue: usize) -> impl Iterator<Item = Said<'a>> {
    all.iter().enumerate().filter(move |(other, _)| *other != venue).map(|(_, said)| *said)
}

fn view<'a>(copy: &'a Option<Copy>, raw: Rows<'a>) -> Rows<'a> {
    copy.as_ref().map_or(raw, |copy| Rows {
        times: &copy.times,
        bids: &copy.bids,
        asks: &copy.asks,
        bid_sizes: &copy.bid_sizes,
        ask_sizes: &copy.ask_sizes,
        torn: raw.torn,
    })
}

impl Copy {
    /// Copies rows, with a row without prices at each onset.
    fn of(rows: Rows<'_>, onsets: &[(usize, i64)]) -> Copy {
        let mut copy = Copy::default();
        let mut from = 0;
        for (to, time) in onsets {
            copy.append(rows, from..*to);
            copy.times.push(*time);
            for (column, values) in copy.columns(rows) {
                // A column that is missing stays so.
                if rows.times.is_empty() || !values.is_empty() {
                    column.push(f64::NAN);
                }
            }
            from = *to;
        }
        copy.append(rows, from..rows.times.len());
        copy
    }

    fn append(&mut self, rows: Rows<'_>, range: Range<usize>) {
        self.times.extend_from_slice(&rows.times[range.clone()]);
        for (column, values) in self.columns(rows) {
            column.extend_from_slice(values.get(range.clone()).unwrap_or_default());
        }
    }

    /// Returns each column of prices and sizes with the one that it is copied from.
    fn columns<'a, 'b>(&'a mut self, rows: Rows<'b>) -> [(&'a mut Vec<f64>, &'b [f64]); 4] {
        [
            (&mut self.bids, rows.bids),
            (&mut self.asks, rows.asks),
            (&mut self.bid_sizes, rows.bid_sizes),
            (&mut self.ask_sizes, rows.ask_sizes),
        ]
    }

    /// Copies rows without the marked ones.
    fn without(rows: Rows<'_>, marks: &Marks) -> Copy {
        let mut copy = Copy::of(rows, &marks.onsets);
        for range in &marks.rows {
            let shift = marks.onsets.iter().filter(|(before, _)| *before <= range.start).count();
            copy.asks[range.start + shift..range.end + shift].fill(f64::NAN);
        }
        copy
    }
}
