//! Samples of one venue's mid, a second apart and an hour at a time, whether or not another venue is
//! live: what two venues' prices have in common is judged by them.

use crate::kernel::bounds::{CUT, SAMPLED};
use crate::kernel::legs::{Leg, Rows};
use crate::kernel::profile::HOUR;

/// Distance of two samples, in ns.
pub(super) const SECOND: i64 = 1_000_000_000;
/// Distance of two coarse samples, in seconds.
pub(super) const COARSE: usize = 5;
/// Distance of two samples of a slow copy, in seconds.
pub(super) const SLOW: usize = 30;

/// Samples one venue.
#[derive(Clone, Debug, Default)]
pub(super) struct Seconds {
    /// Time and mid of the latest usable quote.
    last: Option<(i64, f64)>,
    /// Logarithms of the mids sampled in this hour; NaN where there was none.
    logs: Vec<f64>,
    /// Log mid of the latest sample, to compute no logarithm twice.
    known: (f64, f64),
}

/// One venue's samples of an hour or of a part of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Block {
    /// Log mids; NaN where there was none.
    pub(super) logs: Vec<f64>,
    /// Changes over a second, over [`COARSE`], and over [`SLOW`] seconds; 0 where one is not known.
    pub(super) fine: Vec<f64>,
    pub(super) coarse: Vec<f64>,
    pub(super) slow: Vec<f64>,
}

impl Seconds {
    pub(super) fn new(opening: Leg) -> Seconds {
        let last = opening.usable().then(|| (opening.time, opening.mid()));
        Seconds { last, ..Seconds::default() }
    }

    /// Samples at `from` and every second after it, before `to`. The rows are those of the window,
    /// from `place` on; returns the place of the first row after the last sample.
    pub(super) fn take(&mut self, rows: Rows<'_>, place: usize, (from, to): (i64, i64)) -> usize {
        let mut place = place;
        let mut at = from;
        while at < to {
            let end = place + rows.times[place..].partition_point(|time| *time <= at);
            self.step(rows, place, end);
            place = end;
            let standing = self.last.filter(|(time, _)| at - time <= SAMPLED);
            let log = standing.map_or(f64::NAN, |(_, mid)| self.log(mid));
            self.logs.push(log);
            at += SECOND;
        }
        place
    }

    /// Takes the rest of a window, after its last sample.
    pub(super) fn leave(&mut self, rows: Rows<'_>, place: usize) {
        self.step(rows, place, rows.times.len());
    }

    /// Takes out the samples.
    pub(super) fn block(&mut self) -> Block {
        let logs = std::mem::take(&mut self.logs);
        let of = |step| changes(&logs, step);
        let (fine, coarse, slow) = (of(1), of(COARSE), of(SLOW));
        Block { logs, fine, coarse, slow }
    }

    fn step(&mut self, rows: Rows<'_>, from: usize, to: usize) {
        let legs = (from..to).rev().map(|row| (rows.times[row], rows.bids[row], rows.asks[row]));
        let usable = |(_, bid, ask): &(i64, f64, f64)| 0.0 < *bid && bid <= ask;
        let last = legs.into_iter().find(usable);
        self.last = last.map(|(time, bid, ask)| (time, f64::midpoint(bid, ask))).or(self.last);
    }

    fn log(&mut self, mid: f64) -> f64 {
        if mid.to_bits() != self.known.0.to_bits() {
            self.known = (mid, libm::log(mid));
        }
        self.known.1
    }
}

/// Returns the changes over `step` samples, the largest cut off; 0 where one is not known.
pub(super) fn changes(logs: &[f64], step: usize) -> Vec<f64> {
    let points: Vec<f64> = logs.iter().step_by(step).copied().collect();
    let known = |two: &[f64]| {
        let change = two[1] - two[0];
        if change.is_nan() { 0.0 } else { change }
    };
    let mut changes: Vec<f64> = points.windows(2).map(known).collect();
    let moves = changes.iter().filter(|change| **change != 0.0).count().max(1);
    let count = f64::from(u32::try_from(moves).unwrap_or(u32::MAX));
    let cut = CUT * changes.iter().map(|change| change.abs()).sum::<f64>() / count;
    changes.iter_mut().for_each(|change| *change = change.clamp(-cut, cut));
    changes
}

/// Returns the beginning of the hour after a time.
pub(super) fn hour_after(time: i64) -> i64 {
    (time.div_euclid(HOUR) + 1) * HOUR
}
