//! Finds the quotes of a venue that are far off: off its own past, and alone there.
//!
//! A venue has a level: the mid of its last quote that counted. A quote that is further from it than
//! the bound is odd, unless the latest quote of another venue confirms it. Odd quotes at one new
//! place become the level once they have been there for [`STOOD`]. Everything is decided by what was
//! known at the time of the quote.

use crate::kernel::bounds::{CONFIRMED, STOOD};
use crate::kernel::legs::{Leg, Rows};

/// Rows that are compared with the level at once.
const CHUNK: usize = 1_024;

/// What one venue says in a window of time: its rows, and its last quote before them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said<'a> {
    pub(super) rows: Rows<'a>,
    pub(super) before: Leg,
}

impl Said<'_> {
    /// Returns the latest quote at a time within the window, or before it.
    pub(super) fn at(&self, time: i64) -> Leg {
        let place = self.rows.times.partition_point(|at| *at <= time);
        place.checked_sub(1).map_or(self.before, |row| self.rows.leg(row))
    }

    /// Returns the mid that stands at a time; `None` if it is too old, or not a usable quote.
    fn standing(&self, time: i64) -> Option<f64> {
        let leg = self.at(time);
        (leg.usable() && time - leg.time <= STOOD).then(|| leg.mid())
    }
}

/// The level of one venue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    /// Largest step between two quotes, as a fraction.
    bound: f64,
    mid: Option<f64>,
    /// Time of the first of the odd quotes at one place, and the mid of the last.
    pending: Option<(i64, f64)>,
}

impl Level {
    pub(super) fn new(bound: f64) -> Level {
        Level { bound, mid: None, pending: None }
    }

    /// Judges the last quote before the unit, and returns it; not usable if it is odd.
    pub(super) fn open<'a>(&mut self, opening: Leg, others: impl Iterator<Item = Said<'a>>) -> Leg {
        if !opening.usable() || self.counts(opening.time, opening.mid(), others) {
            return opening;
        }
        Leg { ask: f64::NAN, ..opening }
    }

    /// Appends the odd ones of the next rows to `odd`.
    pub(super) fn take<'a, I>(
        &mut self,
        rows: Rows<'_>,
        others: impl Fn() -> I,
        odd: &mut Vec<usize>,
    ) where
        I: Iterator<Item = Said<'a>>,
    {
        let mut from = 0;
        for (bids, asks) in rows.bids.chunks(CHUNK).zip(rows.asks.chunks(CHUNK)) {
            if !self.takes_all(bids, asks) {
                for (row, (bid, ask)) in (from..).zip(bids.iter().zip(asks)) {
                    let mid = f64::midpoint(*bid, *ask);
                    let usable = 0.0 < *bid && *bid <= *ask;
                    if usable && !self.counts(rows.times[row], mid, others()) {
                        odd.push(row);
                    }
                }
            }
            from += bids.len();
        }
    }

    /// Moves the level on if all these quotes are so near it that none can be odd. They are if they
    /// lie in a band around it that is as wide as the bound.
    fn takes_all(&mut self, bids: &[f64], asks: &[f64]) -> bool {
        let Some(level) = self.mid.filter(|_| self.pending.is_none()) else { return false };
        let reach = (1.0 + 0.999 * self.bound).sqrt();
        let (low, high) = (2.0 * level / reach, 2.0 * level * reach);
        // No early exit, so that this is vectorised.
        let far = bids.iter().zip(asks).fold(false, |far, (bid, ask)| {
            let twice = bid + ask;
            far | (twice < low) | (high < twice)
        });
        if far {
            return false;
        }
        let last = bids.iter().zip(asks).rev().find(|(bid, ask)| 0.0 < **bid && bid <= ask);
        self.mid = last.map_or(self.mid, |(bid, ask)| Some(f64::midpoint(*bid, *ask)));
        true
    }

    /// Returns whether a quote counts, and moves the level there if so.
    fn counts<'a>(&mut self, time: i64, mid: f64, others: impl Iterator<Item = Said<'a>>) -> bool {
        let is_near = |at: f64, bound: f64| (mid / at - 1.0).abs() <= bound;
        if self.mid.is_some_and(|level| is_near(level, self.bound)) {
            return self.settle(mid);
        }
        // Without a past, other venues that are not even near are a reason for doubt; none are not.
        let bound = if self.mid.is_some() { CONFIRMED } else { self.bound };
        let mut standing = others.filter_map(|other| other.standing(time)).peekable();
        let alone = self.mid.is_none() && standing.peek().is_none();
        if alone || standing.any(|other| is_near(other, bound)) {
            return self.settle(mid);
        }
        let since = match self.pending {
            Some((since, at)) if is_near(at, self.bound) => since,
            Some(_) | None => time,
        };
        if STOOD <= time - since {
            return self.settle(mid);
        }
        self.pending = Some((since, mid));
        false
    }

    fn settle(&mut self, mid: f64) -> bool {
        self.mid = Some(mid);
        self.pending = None;
        true
    }
}
