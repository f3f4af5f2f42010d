//! Days as times in ns since 1970 UTC.

use jiff::civil::Date;
use jiff::tz::TimeZone;

/// One day, in ns.
pub(super) const DAY_NS: i64 = 86_400_000_000_000;

/// Returns the beginning of a day and of the next, in ns since 1970.
pub(crate) fn bounds(date: Date) -> (i64, i64) {
    let start = midnight(date);
    (start, start.saturating_add(DAY_NS))
}

/// Returns the beginning of a day, in ns since 1970.
pub(crate) fn midnight(date: Date) -> i64 {
    let second = date.to_zoned(TimeZone::UTC).map_or(0, |at| at.timestamp().as_second());
    second.saturating_mul(1_000_000_000)
}
