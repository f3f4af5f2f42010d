//! The clock of every pair: the time in which the lake was recorded.
//!
//! It is the same for all pairs, whatever their venues did in it, so that a venue that was away does
//! not make the time of its pairs shorter. Where the lake has a ledger, it is the time in which an
//! engine was recording or an import has rows, without the times in which the recorder lost
//! everything. Without a ledger, it is the time from the first quote to the last of any instrument,
//! on the days that are analysed.

use crate::input::bounds;
use crate::kernel::profile::HOUR;
use crate::kernel::times::{Times, common, joined, less};
use jiff::civil::Date;
use spreadwire_lake::completeness;
use spreadwire_lake::ledger::{Entry, EntryKind};
use spreadwire_market::clock::Nanos;

/// One day, in ns.
const DAY: f64 = 86_400e9;

/// The time in which a lake was recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    times: Times,
    /// By hour since 1970, the time recorded in ns; ascending, and none is 0.
    hours: Vec<(i64, u64)>,
}

/// Returns whether the facts of a ledger tell of any run. Otherwise it vouches for nothing.
#[must_use]
pub fn has_runs(facts: &[Entry]) -> bool {
    facts.iter().any(|fact| fact.kind == EntryKind::Started)
}

impl Recorded {
    /// Returns the time that was recorded by the facts of a ledger, from one day to another, both
    /// included.
    #[must_use]
    pub fn by_ledger(facts: &[Entry], from: Date, to: Date) -> Recorded {
        let times = |spans: Vec<(Nanos, Nanos)>| -> Times {
            spans.into_iter().map(|(from, to)| (from.cast_signed(), to.cast_signed())).collect()
        };
        let recorded = times(completeness::spans(facts));
        let period = (bounds(from).0, bounds(to).1);
        let whole = less(&recorded, &times(completeness::lost(facts)));
        Recorded::of(common(&whole, &[period]))
    }

    /// Returns the time from the first quote to the last on the days that are analysed.
    #[must_use]
    pub fn by_quotes(span: Option<(i64, i64)>, days: &[Date]) -> Recorded {
        let days = days.iter().map(|day| bounds(*day)).collect();
        let span: Times = span.into_iter().filter(|(first, last)| first < last).collect();
        Recorded::of(common(&joined(days), &span))
    }

    /// Returns these times, which may overlap.
    #[must_use]
    pub fn of(times: Times) -> Recorded {
        let times = joined(times);
        let mut hours: Vec<(i64, u64)> = Vec::new();
        for (mut from, until) in times.iter().copied() {
            while from < until {
                let hour = from.div_euclid(HOUR);
                let end = until.min((hour + 1).saturating_mul(HOUR));
                match hours.last_mut() {
                    Some((last, recorded)) if *last == hour => *recorded += end.abs_diff(from),
                    Some(_) | None => hours.push((hour, end.abs_diff(from))),
                }
                from = end;
            }
        }
        Recorded { times, hours }
    }

    /// Returns the times themselves, ascending and apart, in ns since 1970.
    #[must_use]
    pub fn times(&self) -> &[(i64, i64)] {
        &self.times
    }

    /// Returns the recorded time of each hour that has any, by hour since 1970, in ns.
    #[must_use]
    pub fn hours(&self) -> &[(i64, u64)] {
        &self.hours
    }

    /// Returns the whole recorded time, in ns.
    #[must_use]
    pub fn total_ns(&self) -> u64 {
        self.within(|_| true)
    }

    /// Returns the recorded time of some hours since 1970, in ns.
    #[must_use]
    pub fn within(&self, is_it: impl Fn(i64) -> bool) -> u64 {
        self.hours.iter().filter(|(hour, _)| is_it(*hour)).map(|(_, recorded)| recorded).sum()
    }

    /// Returns an amount of the whole time as one a day; 0 if nothing was recorded.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "times are shown with fewer digits")]
    pub fn per_day(&self, amount: f64) -> f64 {
        match self.total_ns() {
            0 => 0.0,
            total => amount / (total as f64 / DAY),
        }
    }

    /// Returns the hour since 1970 at which the second half of the recorded time begins; `None` if
    /// there are fewer than two hours with any.
    #[must_use]
    pub fn middle(&self) -> Option<i64> {
        let total = self.total_ns();
        let mut before = 0;
        for (place, (hour, recorded)) in self.hours.iter().enumerate() {
            if 0 < place && total <= before * 2 {
                return Some(*hour);
            }
            before += recorded;
        }
        // Most of the time is in the last hour.
        self.hours.last().filter(|_| 2 <= self.hours.len()).map(|(hour, _)| *hour)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDNIGHT: i64 = 1_723_075_200_000_000_000;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn hours_add_up_to_the_whole_and_have_a_middle() {
        let times = vec![(HOUR / 2, 2 * HOUR), (5 * HOUR, 5 * HOUR + 10), (29 * HOUR, 30 * HOUR)];
        let recorded = Recorded::of(times);
        let half = HOUR.unsigned_abs() / 2;
        assert_eq!(recorded.hours(), [(0, half), (1, 2 * half), (5, 10), (29, 2 * half)]);
        assert_eq!(recorded.total_ns(), 5 * half + 10);
        assert_eq!(recorded.within(|hour| hour.rem_euclid(24) == 5), 2 * half + 10);
        assert_eq!(recorded.middle(), Some(5));
        assert_eq!(Recorded::of(vec![(0, HOUR)]).middle(), None);
        assert_eq!(Recorded::of(vec![(HOUR - 1, 2 * HOUR)]).middle(), Some(1));
        assert_eq!(Recorded::default().per_day(5.0).to_bits(), 0.0_f64.to_bits());
        let of_a_day = Recorded::of(vec![(0, 12 * HOUR)]).per_day(5.0);
        assert_eq!(of_a_day.to_bits(), 10.0_f64.to_bits());
    }

    #[test]
    fn quotes_are_a_clock_on_the_days_that_are_analysed() {
        let days = ["2024-08-08", "2024-08-10"].map(day);
        let span = (MIDNIGHT + 23 * HOUR, MIDNIGHT + 50 * HOUR);
        let expected = [(span.0, MIDNIGHT + 24 * HOUR), (MIDNIGHT + 48 * HOUR, span.1)];
        assert_eq!(Recorded::by_quotes(Some(span), &days).times(), expected);
        assert_eq!(Recorded::by_quotes(None, &days).total_ns(), 0);
    }

    #[test]
    fn a_ledger_is_a_clock_without_what_was_lost_and_until_its_last_word() {
        let at = |hour: i64| (MIDNIGHT + hour * HOUR).unsigned_abs();
        let of = |kind, hour| Entry::new(kind, at(hour)).of_run("run-1");
        let lost = |hour, until| Entry { until: Some(at(until)), ..of(EntryKind::Gap, hour) };
        let own = Entry { venue: Some("okx".to_owned()), ..lost(4, 5).because("venue") };
        let segment = Entry { until: Some(at(8)), ..of(EntryKind::Segment, -1) };
        let facts = [of(EntryKind::Started, -1), lost(2, 3).because("disk"), own, segment];
        let recorded = Recorded::by_ledger(&facts, day("2024-08-08"), day("2024-08-08"));
        let expected =
            [(MIDNIGHT, MIDNIGHT + 2 * HOUR), (MIDNIGHT + 3 * HOUR, MIDNIGHT + 8 * HOUR)];
        assert_eq!(recorded.times(), expected);
    }
}
