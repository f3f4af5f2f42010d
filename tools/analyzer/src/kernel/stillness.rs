//! Finds the times in which a venue's price is frozen: it stands still, repeated or not, while the
//! market moves on.
//!
//! A price stands still from its last change on. It is *frozen* from the first moment at which it
//! has stood still for longer than [`STILL`] and than [`STILL_TIMES`] its usual time between
//! changes, and another venue's mid has been away from where it was at the last change, by more than
//! [`LEAST_MOVE`] and [`WIDTHS`] times the widths of both, for [`AWAY`]. It stays frozen until it
//! changes: a quote that was proven dead does not come to life because the market passes by again.
//! All of this is known at the time.
//!
//! Only prices that stand still for longer than [`STILL`] are looked at closely. Along the others
//! the search jumps from change to change, [`STILL`] apart.

use crate::kernel::bounds::{AWAY, CHANGES, LEAST_MOVE, STILL, STILL_TIMES, WIDTHS};
use crate::kernel::legs::{Leg, Rows};
use crate::kernel::outliers::Said;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The frozen times of one venue, as sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Frozen {
    /// How often the price froze.
    pub count: u64,
    /// Time in ns in which the price was frozen and its quote not stale.
    pub ns: u64,
    /// The longest time in ns from a last change to the end of a frozen time.
    pub longest_ns: u64,
    /// The greatest distance, as a fraction, that another venue's mid had in a frozen time from
    /// where it was at the last change.
    pub moved: f64,
}

impl Frozen {
    /// Adds the sums of a later unit.
    pub fn merge(&mut self, later: &Frozen) {
        self.count += later.count;
        self.ns += later.ns;
        self.longest_ns = self.longest_ns.max(later.longest_ns);
        self.moved = self.moved.max(later.moved);
    }
}

/// A window of time: what each venue says in it, and the time of its last row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window<'a> {
    pub(super) said: &'a [Said<'a>],
    pub(super) last: i64,
}

/// What is frozen of a venue's rows in a window.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    /// The frozen rows.
    pub(super) rows: Vec<Range<usize>>,
    /// Times at which the price froze between two rows, and the row before which that was.
    pub(super) onsets: Vec<(usize, i64)>,
}

/// Since when the price of one venue stands still, and what is known about that.
#[derive(Clone, Debug)]
pub(super) struct Stillness {
    venue: usize,
    max_age: i64,
    /// The latest quote; its time is that of the latest row.
    quote: Option<Leg>,
    /// Time of the last change.
    since: i64,
    /// Row of the window at which it was, if it was in this window.
    changed_at: Option<usize>,
    /// Times of the last changes before this window, or of those up to the last change, ascending.
    recent: Vec<i64>,
    /// Time that the price must stand still for, once that has been computed.
    bound: Option<i64>,
    /// The mids of all venues at the last change, once they have been looked up; NaN where unknown.
    then: Option<Vec<f64>>,
    /// For each venue, since when its mid has been away from there.
    away: Vec<Option<i64>>,
    /// Time from which the price is frozen.
    onset: Option<i64>,
    /// Time up to which frozen time has been counted, and up to which the quote is fresh.
    counted: (i64, i64),
    sums: Frozen,
}

impl Stillness {
    /// Starts with the last quote from before, if there is one. `all` are those of all venues.
    pub(super) fn new(venue: usize, max_age: i64, all: &[Option<Leg>]) -> Stillness {
        let quote = all[venue];
        let mid = |leg: &Option<Leg>| leg.filter(Leg::usable).map_or(f64::NAN, |leg| leg.mid());
        let since = quote.map_or(0, |leg| leg.time);
        Stillness {
            venue,
            max_age,
            quote,
            since,
            changed_at: None,
            recent: quote.iter().map(|leg| leg.time).collect(),
            bound: None,
            then: quote.map(|_| all.iter().map(mid).collect()),
            away: vec![None; all.len()],
            onset: None,
            counted: (0, 0),
            sums: Frozen::default(),
        }
    }

    /// Finds what is frozen in the next window.
    pub(super) fn take(&mut self, window: Window<'_>, marks: &mut Marks) {
        let rows = window.said[self.venue].rows;
        self.changed_at = None;
        let mut row = 0;
        if self.quote.is_none() {
            if rows.times.is_empty() {
                return;
            }
            self.restart(rows, 0);
            row = 1;
        }
        loop {
            let due = self.since.saturating_add(STILL);
            let end = row + rows.times[row..].partition_point(|time| *time <= due);
            if let Some(changed) = (row..end).rev().find(|row| self.differs(rows, *row)) {
                self.restart(rows, changed);
                row = changed + 1;
                continue;
            }
            let next = (end..rows.times.len()).find(|row| self.differs(rows, *row));
            let until = next.map_or(window.last + 1, |next| rows.times[next]);
            let still = row..next.unwrap_or(rows.times.len());
            if due < until || next.is_none() {
                self.judge(window, still, until, marks);
            }
            let Some(next) = next else { break };
            self.thaw(until);
            self.restart(rows, next);
            row = next + 1;
        }
        self.keep(window);
    }

    /// Ends at the unit's last row and returns the sums.
    pub(super) fn finish(mut self, end: i64) -> Frozen {
        self.thaw(end);
        self.sums
    }

    /// Returns whether the prices of a row differ from those before it.
    fn differs(&self, rows: Rows<'_>, row: usize) -> bool {
        let of = |leg: &Leg| [leg.bid.to_bits(), leg.ask.to_bits()];
        let before = match row.checked_sub(1) {
            Some(before) => Some(rows.leg(before)),
            None => self.quote,
        };
        before.is_none_or(|before| of(&before) != of(&rows.leg(row)))
    }

    fn restart(&mut self, rows: Rows<'_>, row: usize) {
        self.since = rows.times[row];
        self.changed_at = Some(row);
        (self.bound, self.then, self.onset) = (None, None, None);
        self.away.fill(None);
        self.quote = self.quote.or_else(|| Some(rows.leg(row)));
    }

    /// Judges a price that stands still for long, or at the window's end: its rows in this window,
    /// and the time of the next change, or one after the window.
    fn judge(&mut self, window: Window<'_>, still: Range<usize>, until: i64, marks: &mut Marks) {
        let rows = window.said[self.venue].rows;
        let quote = match still.end.checked_sub(1) {
            Some(row) => Some(rows.leg(row)),
            None => self.quote,
        };
        let Some(quote) = quote.filter(Leg::usable) else { return };
        self.look_up(window);
        let is_new = self.onset.is_none();
        if is_new {
            // Until then, the bound does not matter.
            let long = self.since.saturating_add(STILL) < until;
            if long && self.bound.is_none() {
                self.bound = Some(bound_of(&self.changes(rows)));
            }
            let due = self.since.saturating_add(self.bound.unwrap_or(STILL));
            self.onset = self.find_onset(window, &quote, due, until);
        }
        let Some(onset) = self.onset else { return };
        let first = still.start.max(rows.times.partition_point(|time| *time < onset));
        if is_new {
            let before = first.checked_sub(1).map(|row| rows.times[row]);
            let latest = before.or(self.quote.map(|leg| leg.time)).unwrap_or(onset);
            self.counted = (onset, latest.saturating_add(self.max_age));
            if rows.times.get(first) != Some(&onset) {
                marks.onsets.push((first, onset));
            }
        }
        for row in first..still.end {
            self.count(rows.times[row]);
            self.counted.1 = rows.times[row].saturating_add(self.max_age);
        }
        if first < still.end {
            marks.rows.push(first..still.end);
        }
        self.measure(window, onset, until);
    }

    /// Returns the first time after `due`, before `until`, at which another venue has been away for
    /// long enough.
    fn find_onset(&mut self, window: Window<'_>, quote: &Leg, due: i64, until: i64) -> Option<i64> {
        let width = |leg: &Leg| (leg.ask - leg.bid) / leg.mid();
        let mine = width(quote);
        let enough = |since: Option<i64>, to: i64| {
            let from = since.map(|since| (since + AWAY).max(due.saturating_add(1)));
            from.filter(|time| *time < to)
        };
        let mut away = std::mem::take(&mut self.away);
        let mut onset: Option<i64> = None;
        for (venue, said, then) in self.others(window) {
            let times = said.rows.times;
            let mut since = away[venue];
            let mut found = None;
            for row in times.partition_point(|time| *time <= self.since)..times.len() {
                let leg = said.rows.leg(row);
                // Of several quotes with the same time, the last one counts.
                if times.get(row + 1) == Some(&leg.time) || !leg.usable() {
                    continue;
                }
                found = enough(since, leg.time.min(until));
                if found.is_some() || until <= leg.time {
                    break;
                }
                let bound = LEAST_MOVE.max(WIDTHS * (mine + width(&leg)));
                let is_away = bound < (leg.mid() / then - 1.0).abs();
                since = since.filter(|_| is_away).or(is_away.then_some(leg.time));
            }
            away[venue] = since;
            onset = onset.into_iter().chain(found.or_else(|| enough(since, until))).min();
        }
        self.away = away;
        onset
    }

    /// Measures how far the other venues were away in a frozen time.
    fn measure(&mut self, window: Window<'_>, onset: i64, until: i64) {
        let mut moved = self.sums.moved;
        for (_, said, then) in self.others(window) {
            let from = said.rows.times.partition_point(|time| *time <= onset);
            let to = said.rows.times.partition_point(|time| *time < until);
            let rows = (from..to.max(from)).map(|row| said.rows.leg(row));
            for leg in rows.chain([said.at(onset)]).filter(Leg::usable) {
                let away = (leg.mid() / then - 1.0).abs();
                moved = if moved < away { away } else { moved };
            }
        }
        self.sums.moved = moved;
    }

    /// Returns the other venues with their mids at the last change, where these are known.
    fn others<'a>(
        &'a self,
        window: Window<'a>,
    ) -> impl Iterator<Item = (usize, &'a Said<'a>, f64)> + 'a {
        let then = self.then.iter().flatten().copied();
        let all = window.said.iter().zip(then).enumerate();
        let known = all.filter(|(venue, (_, then))| *venue != self.venue && !then.is_nan());
        known.map(|(venue, (said, then))| (venue, said, then))
    }

    /// Looks up the mids at the last change. A venue that had none then has its first one after.
    fn look_up(&mut self, window: Window<'_>) {
        let since = self.since;
        let mid = |leg: Leg| if leg.usable() { leg.mid() } else { f64::NAN };
        let mids = || window.said.iter().map(|said| mid(said.at(since))).collect();
        let then = self.then.get_or_insert_with(mids);
        for (then, said) in then.iter_mut().zip(window.said).filter(|(then, _)| then.is_nan()) {
            let after = said.rows.times.partition_point(|time| *time <= since);
            let mut legs = (after..said.rows.times.len()).map(|row| said.rows.leg(row));
            *then = legs.find(Leg::usable).map_or(f64::NAN, |leg| leg.mid());
        }
    }

    /// Returns the times of the last changes, ascending, up to that since which the price is still.
    fn changes(&self, rows: Rows<'_>) -> Vec<i64> {
        let Some(last) = self.changed_at else { return self.recent.clone() };
        let changed = (0..=last).rev().filter(|row| self.differs(rows, *row));
        let mut times: Vec<i64> = changed.map(|row| rows.times[row]).take(CHANGES).collect();
        times.extend(self.recent.iter().rev().take(CHANGES - times.len()));
        times.reverse();
        times
    }

    /// Keeps what the next window needs of this one.
    fn keep(&mut self, window: Window<'_>) {
        let rows = window.said[self.venue].rows;
        self.look_up(window);
        self.recent = self.changes(rows);
        if let Some(row) = rows.times.len().checked_sub(1) {
            self.quote = Some(rows.leg(row));
        }
    }

    /// Counts the frozen time up to `to` in which the quote was fresh.
    fn count(&mut self, to: i64) {
        let (from, fresh) = self.counted;
        self.sums.ns += (to.min(fresh) - from).max(0).unsigned_abs();
        self.counted.0 = to;
    }

    /// Ends a frozen time, if there is one.
    fn thaw(&mut self, at: i64) {
        if self.onset.take().is_some() {
            self.count(at);
            self.sums.count += 1;
            self.sums.longest_ns = self.sums.longest_ns.max(at.abs_diff(self.since));
        }
    }
}

/// Returns the time in ns that a price with these changes must stand still for.
fn bound_of(changes: &[i64]) -> i64 {
    let apart = || changes.windows(2).map(|two| two[1] - two[0]);
    let longest = apart().max().unwrap_or(0);
    let others = i64::try_from(changes.len()).unwrap_or(0) - 2;
    if others < 1 {
        return STILL;
    }
    let usual = (apart().sum::<i64>() - longest) / others;
    STILL.max(STILL_TIMES.saturating_mul(usual))
}
