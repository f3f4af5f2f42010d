//! The time of a pair, cut into slots of equal length: the live hours, or parts of them where there
//! are few.
//!
//! Profits belong to the slot in which they were settled. Slots are what the bootstrap draws, and
//! all strategies of a pair have the same ones, so that a draw keeps what they have in common.

use super::tried::Tried;
use std::ops::Range;

/// An hour, in ns.
pub(super) const HOUR: i64 = 3_600_000_000_000;
/// Slots that a period should have, where hours are few.
const SLOTS: usize = 144;
/// Most slots of an hour: five minutes each.
const MOST_OF_HOUR: usize = 12;
/// Parts of a period that is too short to be divided by days.
const PARTS: usize = 6;
/// Days from which on a period is divided by days.
const LEAST_DAYS: usize = 3;
/// Hours of a day.
const DAY: i64 = 24;

/// The time of one pair.
#[derive(Debug)]
pub(super) struct Axis<'a> {
    tried: &'a Tried<'a>,
    /// Slots of an hour.
    of_hour: usize,
}

impl<'a> Axis<'a> {
    pub(super) fn new(tried: &'a Tried<'a>) -> Axis<'a> {
        let hours = tried.live.len().max(1);
        Axis { tried, of_hour: SLOTS.div_ceil(hours).clamp(1, MOST_OF_HOUR) }
    }

    /// Returns the number of slots.
    pub(super) fn slots(&self) -> usize {
        self.tried.live.len() * self.of_hour
    }

    /// Returns the number of slots of an hour.
    pub(super) fn of_hour(&self) -> usize {
        self.of_hour
    }

    /// Returns the slot of something that ended at this time. What ends with an hour belongs to it.
    /// The end of a day may be in an hour without live time; it belongs to the slot before.
    pub(super) fn slot(&self, ended: i64) -> usize {
        let last = ended.saturating_sub(1);
        let (hour, within) = (last.div_euclid(HOUR), last.rem_euclid(HOUR));
        let after = self.tried.live.partition_point(|(live, _)| *live <= hour);
        let Some(place) = after.checked_sub(1) else { return 0 };
        if self.tried.live[place].0 < hour {
            return after * self.of_hour - 1;
        }
        let parts = i64::try_from(self.of_hour).unwrap_or(1);
        let part = usize::try_from(within * parts / HOUR).unwrap_or(0);
        place * self.of_hour + part
    }

    /// Returns the hour since 1970 of a slot.
    pub(super) fn hour(&self, slot: usize) -> Option<i64> {
        self.tried.live.get(slot / self.of_hour).map(|(hour, _)| *hour)
    }

    /// Returns the live time in s.
    pub(super) fn live_s(&self) -> f64 {
        self.tried.live.iter().map(|(_, live_s)| live_s).sum()
    }

    /// Returns the first slot of the hour with which this share of the live time has passed, as
    /// nearly as hours allow.
    pub(super) fn after(&self, share: f64) -> usize {
        let wanted = share * self.live_s();
        let mut passed = 0.0;
        for (place, (_, live_s)) in self.tried.live.iter().enumerate() {
            if wanted <= passed + 0.5 * live_s {
                return place * self.of_hour;
            }
            passed += live_s;
        }
        self.slots()
    }

    /// Returns the recorded time in s.
    pub(super) fn recorded_s(&self) -> f64 {
        self.tried.recorded.iter().map(|(_, recorded_s)| recorded_s).sum()
    }

    /// Returns the live time of these slots in s.
    pub(super) fn live_s_of(&self, slots: &Range<usize>) -> f64 {
        let of_slot = |slot: usize| {
            self.tried.live.get(slot / self.of_hour).map_or(0.0, |(_, live_s)| *live_s)
        };
        slots.clone().map(of_slot).sum::<f64>() / self.of_hour as f64
    }

    /// Returns the periods of a walk forward: UTC days, or parts with the same live time if there
    /// are few days.
    pub(super) fn periods(&self) -> Vec<Range<usize>> {
        let days: Vec<i64> = self.tried.live.iter().map(|(hour, _)| hour.div_euclid(DAY)).collect();
        let by_day = days.chunk_by(|one, other| one == other);
        let mut ends: Vec<usize> = by_day.map(|day| day.len() * self.of_hour).collect();
        if ends.len() < LEAST_DAYS {
            let parts = (1..=PARTS).map(|part| part as f64 / PARTS as f64);
            ends = parts.map(|share| self.after(share)).collect();
        } else {
            let mut end = 0;
            ends.iter_mut().for_each(|length| {
                end += *length;
                *length = end;
            });
        }
        let starts = std::iter::once(0).chain(ends.clone());
        starts.zip(ends).map(|(start, end)| start..end).filter(|of| !of.is_empty()).collect()
    }

    /// Returns the slots that are within the last `seconds` of the recorded time, and how long ago
    /// the recorded time has to be counted.
    pub(super) fn last(&self, seconds: f64) -> Range<usize> {
        let mut left = seconds;
        let mut from = i64::MAX;
        for (hour, recorded_s) in self.tried.recorded.iter().rev() {
            if left <= 0.0 {
                break;
            }
            left -= recorded_s;
            from = *hour;
        }
        let first = self.tried.live.partition_point(|(hour, _)| *hour < from);
        first * self.of_hour..self.slots()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An hour, in s.
    const HOUR_S: f64 = 3_600.0;

    fn hours(of: Range<i64>) -> Vec<(i64, f64)> {
        of.map(|hour| (hour, HOUR_S)).collect()
    }

    fn tried<'a>(live: &'a [(i64, f64)], recorded: &'a [(i64, f64)]) -> Tried<'a> {
        Tried { strategies: Vec::new(), live, recorded }
    }

    #[test]
    fn a_day_has_slots_of_ten_minutes_and_a_month_has_hours() {
        for (count, of_hour) in [(6, 12), (24, 6), (72, 2), (144, 1), (720, 1)] {
            let live = hours(0..count);
            let tried = tried(&live, &live);
            assert_eq!(Axis::new(&tried).of_hour(), of_hour, "{count} hours");
        }
    }

    #[test]
    fn profits_belong_to_the_slot_that_ends_with_them() {
        let live = [hours(0..12), hours(14..26)].concat();
        let recorded = hours(0..48);
        let tried = tried(&live, &recorded);
        let axis = Axis::new(&tried);
        for (ended, slot) in [
            (0, 0),
            (1, 0),
            (HOUR / 6, 0),
            (HOUR / 6 + 1, 1),
            (HOUR, 5),
            (12 * HOUR, 71),
            (13 * HOUR, 71),
            (14 * HOUR + 1, 72),
            (48 * HOUR, 143),
        ] {
            assert_eq!(axis.slot(ended), slot, "{ended}");
        }
    }

    #[test]
    fn recorded_time_goes_on_where_the_pair_is_not_live() {
        let live = hours(4..10);
        let recorded = hours(0..24);
        let tried = tried(&live, &recorded);
        let axis = Axis::new(&tried);
        let split = axis.after(2.0 / 3.0);
        assert_eq!(axis.hour(split), Some(8));
        assert!((axis.recorded_s() - 24.0 * HOUR_S).abs() < 1e-6);
        assert!((axis.live_s_of(&(0..split)) - 4.0 * HOUR_S).abs() < 1e-6);
        assert!((axis.live_s_of(&(split..axis.slots())) - 2.0 * HOUR_S).abs() < 1e-6);
        assert!(axis.last(6.0 * HOUR_S).is_empty());
        assert_eq!(axis.last(16.0 * HOUR_S).len(), 2 * axis.of_hour());
    }

    #[test]
    fn periods_are_days_or_sixths() {
        let lengths = |of: Range<i64>| {
            let live = hours(of);
            let tried = tried(&live, &live);
            let axis = Axis::new(&tried);
            let periods = axis.periods();
            assert_eq!(periods.last().map(|last| last.end), Some(axis.slots()));
            periods.iter().map(|of| of.len() / axis.of_hour()).collect::<Vec<_>>()
        };
        assert_eq!(lengths(6..30), [4; 6]);
        assert_eq!(lengths(6..12), [1; 6]);
        assert_eq!(lengths(6..80), [18, 24, 24, 8]);
    }
}
