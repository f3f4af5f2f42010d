//! One venue's own sums over a unit: rows, silences and clock offset; and the changes of its mid.

use crate::kernel::histogram::{Filling, Histogram};
use crate::kernel::lead_lag::Changes;
use crate::kernel::legs::{Leg, Rows};
use crate::kernel::stillness::Frozen;
use crate::kernel::window::Extras;
use serde::{Deserialize, Serialize};

/// Bit of the recorder's `Flags`: quotes were lost before this one.
const GAP: u8 = 1;

/// The sums of one venue.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VenueSums {
    /// Number of quotes.
    pub rows: u64,
    /// Quotes that have the same time as the one before.
    pub same_time: u64,
    /// Number of silences longer than the maximum age.
    pub silences: u64,
    /// Time in ns that the silences lasted beyond the maximum age; the venue was stale then.
    pub stale_ns: u64,
    /// Quotes that the recorder marked as the first after a gap.
    pub marked_gaps: u64,
    /// Quotes whose bid is above the ask.
    pub crossed: u64,
    /// Receive time minus event time, in ms, of quotes that have an event time and changed a price.
    /// (A repeated quote may have the time of the event that it repeats.)
    pub delays: Histogram,
    /// Quotes that were far from the venue's own past and alone there; they count for nothing.
    pub outliers: u64,
    /// The times in which the price was frozen; they count for nothing.
    pub frozen: Frozen,
    /// Time in ns, from the first quote to the last of each unit, in which the quote was not stale.
    pub fresh_ns: u64,
    /// Time in ns, within that of the unit, in which nothing of this venue counts, but of another.
    pub torn_ns: u64,
    /// Times of the first and last quote, in ns since 1970.
    pub span: Option<(i64, i64)>,
}

impl VenueSums {
    /// Adds the sums of a later unit.
    pub fn merge(&mut self, later: &VenueSums) {
        self.rows += later.rows;
        self.same_time += later.same_time;
        self.silences += later.silences;
        self.stale_ns += later.stale_ns;
        self.marked_gaps += later.marked_gaps;
        self.crossed += later.crossed;
        self.delays.merge(&later.delays);
        self.outliers += later.outliers;
        self.frozen.merge(&later.frozen);
        self.fresh_ns += later.fresh_ns;
        self.torn_ns += later.torn_ns;
        self.span = match (self.span, later.span) {
            (Some((first, _)), Some((_, last))) => Some((first, last)),
            (mine, theirs) => mine.or(theirs),
        };
    }

    /// Returns the time from the first to the last quote, in ns.
    #[must_use]
    pub fn span_ns(&self) -> u64 {
        self.span.map_or(0, |(first, last)| last.abs_diff(first))
    }
}

/// Counts quotes as they pass through.
#[derive(Debug)]
pub struct Counting {
    max_age: i64,
    sums: VenueSums,
    delays: Filling,
    /// The latest prices.
    prices: [u64; 2],
}

impl Counting {
    /// Returns counts of zero. A quote older than `max_age` (ns) is stale.
    #[must_use]
    pub fn new(max_age: i64) -> Counting {
        let (sums, delays) = (VenueSums::default(), Filling::default());
        Counting { max_age, sums, delays, prices: [0; 2] }
    }

    /// Counts the next quotes.
    pub fn take(&mut self, rows: Rows<'_>, extras: Extras<'_>) {
        let (Some(first), Some(last)) = (rows.times.first(), rows.times.last()) else { return };
        if let Some((_, before)) = self.sums.span {
            self.step(before, *first);
        }
        // These loops have no store and no early exit, so that they are vectorised.
        let silences = || rows.times.iter().zip(&rows.times[1..]).map(|(a, b)| b.wrapping_sub(*a));
        self.sums.same_time += silences().map(|silence| u64::from(silence == 0)).sum::<u64>();
        if silences().fold(false, |any, silence| any | (self.max_age < silence)) {
            for silence in silences().filter(|silence| self.max_age < *silence) {
                self.sums.silences += 1;
                self.sums.stale_ns += silence.abs_diff(self.max_age);
            }
        }
        self.sums.span = Some((self.sums.span.map_or(*first, |span| span.0), *last));
        self.sums.rows += rows.times.len() as u64;
        let crossed = rows.bids.iter().zip(rows.asks).filter(|(bid, ask)| ask < bid);
        self.sums.crossed += crossed.count() as u64;
        let marked = extras.flags.iter().filter(|set| **set & GAP != 0);
        self.sums.marked_gaps += marked.count() as u64;
        self.take_delays(rows, extras.events);
    }

    fn take_delays(&mut self, rows: Rows<'_>, events: &[i64]) {
        for (row, (time, event)) in rows.times.iter().zip(events).enumerate() {
            let ask = rows.asks.get(row).map_or(0, |ask| ask.to_bits());
            let prices = [rows.bids[row].to_bits(), ask];
            if time != event && prices != self.prices {
                #[expect(clippy::cast_precision_loss, reason = "a bucket is wider")]
                self.delays.add((time - event) as f64 / 1e6, 1);
            }
            self.prices = prices;
        }
    }

    #[inline]
    fn step(&mut self, before: i64, time: i64) {
        let silence = time - before;
        self.sums.same_time += u64::from(silence == 0);
        if self.max_age < silence {
            self.sums.silences += 1;
            self.sums.stale_ns += silence.abs_diff(self.max_age);
        }
    }

    /// Returns the sums.
    #[must_use]
    pub fn finish(self) -> VenueSums {
        let fresh_ns = self.sums.span_ns() - self.sums.stale_ns;
        VenueSums { delays: self.delays.finish(), fresh_ns, ..self.sums }
    }
}

/// The changes of a venue's mid that have not been used yet.
#[derive(Debug, Default)]
pub struct Mids {
    /// The mid before the first change.
    standing: Option<f64>,
    times: Vec<i64>,
    mids: Vec<f64>,
}

impl Mids {
    /// Starts with the mid of the last quote from before, if there is one.
    #[must_use]
    pub fn new(opening: Option<Leg>) -> Mids {
        let standing = opening.filter(Leg::usable).map(|leg| leg.mid());
        Mids { standing, ..Mids::default() }
    }

    /// Adds the mids of the next quotes; crossed quotes and those without an ask do not count.
    pub fn take(&mut self, rows: Rows<'_>) {
        let mut last = self.last();
        for ((time, bid), ask) in rows.times.iter().zip(rows.bids).zip(rows.asks) {
            let mid = f64::midpoint(*bid, *ask);
            let usable = bid <= ask;
            if mid.to_bits() == last.to_bits() || !usable {
                continue;
            }
            if self.times.last() == Some(time) {
                // Of several quotes with the same time, the last one counts.
                self.times.pop();
                self.mids.pop();
            }
            if mid.to_bits() != self.last().to_bits() {
                self.times.push(*time);
                self.mids.push(mid);
            }
            last = mid;
        }
    }

    fn last(&self) -> f64 {
        self.mids.last().copied().or(self.standing).unwrap_or(0.0)
    }

    /// Takes out one block of time: the log mid at its beginning, if there is one, and the changes
    /// before its end.
    #[must_use]
    pub fn block(&mut self, begin: i64, end: i64) -> Changes {
        let count = self.times.partition_point(|time| *time < end);
        let mut block = Changes::default();
        let first = self.times.first().copied().unwrap_or(end);
        if let Some(standing) = self.standing.filter(|_| begin < first) {
            block.push(begin, libm::log(standing));
        }
        for (time, mid) in self.times.drain(..count).zip(&self.mids) {
            block.push(time, libm::log(*mid));
        }
        self.standing = self.mids.drain(..count).next_back().or(self.standing);
        block
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_of_a_gap_is_the_recorders() {
        assert_eq!(GAP, spreadwire_market::record::flags::GAP);
    }

    #[test]
    fn mids_change_once_a_time_and_blocks_begin_with_what_stands() {
        let times = [1, 2, 3, 3, 3, 5, 8, 9];
        let bids = [1.0, 1.0, 2.0, 3.0, 1.0, 4.0, 4.0, 9.0];
        let asks = [1.0, 1.0, 2.0, 3.0, 1.0, 4.0, 4.0, 5.0];
        for cut in 0..=times.len() {
            let mut mids = Mids::new(None);
            for (from, to) in [(0, cut), (cut, times.len())] {
                let rows = Rows {
                    times: &times[from..to],
                    bids: &bids[from..to],
                    asks: &asks[from..to],
                    ..Rows::default()
                };
                mids.take(rows);
            }
            let (one, two, three) = (mids.block(0, 4), mids.block(4, 8), mids.block(8, 12));
            let expected = |changes: &[(i64, f64)]| {
                let mut block = Changes::default();
                changes.iter().for_each(|(time, mid)| block.push(*time, libm::log(*mid)));
                block
            };
            // Changes at one time that cancel out are no change, and a crossed quote does not
            // count.
            assert_eq!(one, expected(&[(1, 1.0)]));
            assert_eq!(two, expected(&[(4, 1.0), (5, 4.0)]));
            assert_eq!(three, expected(&[(8, 4.0)]));
        }
    }
}
