//! How far behind a line's quotes are.
//!
//! The difference between the receive time and the venue's event time is the delay of the quote plus
//! the difference of the two clocks. The least difference of the last minutes has the least delay, so
//! what exceeds it is lag, whatever the clocks say. Clocks may differ by [`SKEW_MAX`]: a line that is
//! further behind from its beginning is lagging, and a quote that is further ahead is as late as it is
//! ahead, because nothing can be said of its age. An event time ahead of our clock is believed when
//! the next ones confirm it, because one wrong event time must not make all others late.

use spreadwire_market::clock::{MILLI, Nanos, SECOND};

/// Largest difference of the clocks that is taken for one, ns.
pub(super) const SKEW_MAX: Nanos = 5 * SECOND;
/// An event time further than this from the receive time is none.
pub(super) const DAY: Nanos = 86_400 * SECOND;
/// The least difference is that of the present interval of this length and of the one before: a
/// clock that drifts by 50 ppm moves by 30 ms in two of them.
const INTERVAL: Nanos = 300 * SECOND;
/// An event time that is ahead, and lowers the least difference by more than this, is confirmed
const STEP_MAX: i64 = 100 * MILLI.cast_signed();
/// by this many in a row.
const CONFIRMATIONS: u32 = 3;

/// Measures the lag of the lines to one venue, whose clock is the same on all of them.
#[derive(Clone, Copy, Debug)]
pub struct LagMeter {
    /// Least difference of the interval before, ns; at most [`SKEW_MAX`].
    before: i64,
    /// Least difference of the present interval, ns.
    least: i64,
    began: Nanos,
    /// Largest of the differences in a row that wait to be confirmed, ns, and how many.
    below: (i64, u32),
}

impl Default for LagMeter {
    fn default() -> LagMeter {
        let skew = SKEW_MAX.cast_signed();
        LagMeter { before: skew, least: skew, began: 0, below: (i64::MIN, 0) }
    }
}

impl LagMeter {
    /// Returns by how much a quote is behind, ns: 0 if it is not, or if the venue sends no event
    /// time. If `measured` is false, its event time may be that of an old change: it is only checked
    /// to be within a day of the receive time.
    #[inline]
    pub fn behind(&mut self, ts_event: Option<Nanos>, ts_recv: Nanos, measured: bool) -> Nanos {
        let Some(ts_event) = ts_event else { return 0 };
        if DAY < ts_event.abs_diff(ts_recv) {
            return Nanos::MAX;
        }
        if !measured {
            return 0;
        }
        let difference = ts_recv.cast_signed() - ts_event.cast_signed();
        if difference < -SKEW_MAX.cast_signed() {
            return difference.unsigned_abs();
        }
        if INTERVAL < ts_recv.saturating_sub(self.began) {
            (self.before, self.least) = (self.least, SKEW_MAX.cast_signed());
            self.began = ts_recv;
        }
        if difference < self.least {
            self.lower(difference);
        } else {
            self.below = (i64::MIN, 0);
        }
        let lag = difference - self.least.min(self.before);
        u64::try_from(lag).unwrap_or(0)
    }

    /// Takes a difference below the least one.
    #[inline]
    fn lower(&mut self, difference: i64) {
        if 0 <= difference || self.least - STEP_MAX <= difference {
            (self.least, self.below) = (difference, (i64::MIN, 0));
            return;
        }
        let (largest, count) = self.below;
        self.below = (largest.max(difference), count + 1);
        if CONFIRMATIONS <= count + 1 {
            (self.least, self.below) = (self.below.0, (i64::MIN, 0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spreadwire_market::clock::MILLI;

    const NOW: Nanos = 1_000_000 * SECOND;

    fn behind(meter: &mut LagMeter, event_ms: i64, at: Nanos) -> Nanos {
        let event = at.checked_add_signed(-event_ms * MILLI.cast_signed()).unwrap();
        meter.behind(Some(event), at, true) / MILLI
    }

    /// A meter that knows the difference, ms.
    fn begun(difference: i64) -> LagMeter {
        let mut meter = LagMeter::default();
        (0..3).for_each(|_| _ = behind(&mut meter, difference, NOW));
        meter
    }

    #[test]
    fn the_difference_of_the_clocks_cancels() {
        for skew in [-4_000, 0, 4_000] {
            let mut meter = begun(skew + 10);
            assert_eq!(behind(&mut meter, skew + 25, NOW + 1), 15, "skew {skew} ms");
            assert_eq!(behind(&mut meter, skew + 5, NOW + 2), 0, "skew {skew} ms");
            assert_eq!(behind(&mut meter, skew + 2_005, NOW + 3), 2_000, "skew {skew} ms");
        }
    }

    #[test]
    fn a_line_that_is_behind_from_its_beginning_lags() {
        let mut meter = LagMeter::default();
        for second in 0..1_000 {
            assert_eq!(behind(&mut meter, 60_000, NOW + second * SECOND), 55_000);
        }
    }

    #[test]
    fn the_least_difference_is_forgotten_after_ten_minutes() {
        let mut meter = begun(0);
        assert_eq!(behind(&mut meter, 100, NOW + 250 * SECOND), 100);
        assert_eq!(behind(&mut meter, 100, NOW + 500 * SECOND), 100);
        (0..3).for_each(|_| _ = behind(&mut meter, 100, NOW + 900 * SECOND));
        assert_eq!(behind(&mut meter, 100, NOW + 1_201 * SECOND), 0);
    }

    #[test]
    fn single_times_ahead_make_no_other_late() {
        let mut meter = begun(10);
        for ahead in [4_900, 1_000, 91] {
            for _ in 0..2 {
                assert_eq!(behind(&mut meter, -ahead, NOW + 1), 0);
            }
            assert_eq!(behind(&mut meter, 10, NOW + 2), 0, "{ahead} ms");
        }
        assert_eq!(behind(&mut meter, -90, NOW + 3), 0);
        assert_eq!(behind(&mut meter, 10, NOW + 4), 100, "a small step is believed at once");
    }

    #[test]
    fn a_clock_that_was_set_is_believed_after_three_quotes_in_a_row() {
        let mut meter = begun(10);
        // The nearest of them counts.
        for ahead in [4_900, 3_000, 4_000] {
            assert_eq!(behind(&mut meter, -ahead, NOW + 1), 0);
        }
        assert_eq!(behind(&mut meter, 10, NOW + 2), 3_010);
    }

    #[test]
    fn a_time_further_ahead_than_clocks_may_differ_is_as_late() {
        let mut meter = begun(10);
        for _ in 0..20 {
            assert_eq!(behind(&mut meter, -5_001, NOW + 1), 5_001);
        }
        assert_eq!(behind(&mut meter, 10, NOW + 2), 0);
        assert_eq!(behind(&mut meter, -5_000, NOW + 3), 0);
    }

    #[test]
    fn a_time_of_another_day_is_none_and_an_old_one_counts_only_if_it_is_measured() {
        let mut meter = LagMeter::default();
        for event in [NOW - DAY - 1, NOW + DAY + 1, NOW / 1_000, 0] {
            assert_eq!(meter.behind(Some(event), NOW, false), Nanos::MAX);
        }
        assert_eq!(meter.behind(Some(NOW - DAY), NOW, false), 0);
        assert_eq!(meter.behind(None, NOW, true), 0);
    }
}
