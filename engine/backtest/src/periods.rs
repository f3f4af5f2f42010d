//! Periods into which a recording is divided, to choose on one and judge on the next.

use spreadwire_market::clock::{Nanos, SECOND};

/// Nanoseconds of a day.
const DAY: Nanos = 86_400 * SECOND;

/// Consecutive periods, by the times at which each but the first begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Periods {
    /// ns since 1970 UTC, rising.
    starts: Vec<Nanos>,
}

impl Periods {
    /// Divides the time from `begin` to `end`, ns since 1970 UTC, into equal parts.
    #[must_use]
    pub fn equal(begin: Nanos, end: Nanos, parts: u32) -> Periods {
        let length = u128::from(end.saturating_sub(begin)) + 1;
        let start = |part: u32| {
            let after = length * u128::from(part) / u128::from(parts.max(1));
            begin.saturating_add(u64::try_from(after).unwrap_or(u64::MAX))
        };
        Periods { starts: (1..parts).map(start).collect() }
    }

    /// Divides the time from `begin` to `end`, ns since 1970 UTC, into days, UTC.
    #[must_use]
    pub fn days(begin: Nanos, end: Nanos) -> Periods {
        Periods { starts: (begin / DAY + 1..=end / DAY).map(|day| day * DAY).collect() }
    }

    /// Returns the number of periods.
    #[must_use]
    pub fn count(&self) -> usize {
        self.starts.len() + 1
    }

    /// Returns when the period after the one of this index begins, ns since 1970 UTC; `None` for the
    /// last one.
    #[must_use]
    pub fn end_of(&self, period: usize) -> Option<Nanos> {
        self.starts.get(period).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_equal_and_days_begin_at_midnight() {
        assert_eq!(Periods::equal(100, 199, 4).starts, [125, 150, 175]);
        assert_eq!(Periods::equal(0, u64::MAX, 2).starts, [1 << 63]);
        assert_eq!(Periods::equal(5, 5, 1), Periods::default());
        let days = Periods::days(DAY - 1, 3 * DAY);
        assert_eq!(days.starts, [DAY, 2 * DAY, 3 * DAY]);
        assert_eq!((days.count(), days.end_of(0), days.end_of(3)), (4, Some(DAY), None));
        assert_eq!(Periods::days(DAY, 2 * DAY - 1).count(), 1);
    }
}
