//! The times that a file says it has, where its path does not say enough.

use super::calendar::{DAY_NS, bounds};
use super::decode::{self, Counts};
use super::footer::{Footer, Reading};
use super::selection::TimeUnit;
use super::unit::QuoteFile;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;
use std::path::Path;

/// Largest number of days of one file; more are a sign of wrong times.
const DAYS_MAX: usize = 3_700;

/// Returns the days that a file has rows of.
///
/// # Errors
/// Returns a description of why the file cannot be used.
pub(super) fn of(
    lake: &Path,
    file: &QuoteFile,
    time_unit: Option<TimeUnit>,
) -> Result<BTreeSet<Date>, String> {
    let footer = Footer::read(lake, file, Reading { time_unit, within: None })?;
    let mut days = BTreeSet::new();
    for (first, last) in of_groups(&footer)? {
        let mut day = first.div_euclid(DAY_NS);
        while day <= last.div_euclid(DAY_NS) {
            if DAYS_MAX < days.len() {
                return Err(format!("has times of more than {DAYS_MAX} days, so it is not read"));
            }
            days.insert(date_of(day.saturating_mul(DAY_NS)));
            day += 1;
        }
    }
    if days.is_empty() {
        return Err("has no row with a time and a price".to_owned());
    }
    Ok(days)
}

/// Returns the spans of a file's row groups within a day; none if they are not known, because then
/// the file cannot be read either.
pub(super) fn spans(
    lake: &Path,
    file: &QuoteFile,
    date: Date,
    time_unit: Option<TimeUnit>,
) -> Vec<(i64, i64)> {
    let within = (!file.names_day).then(|| bounds(date));
    let footer = Footer::read(lake, file, Reading { time_unit, within });
    footer.and_then(|footer| of_groups(&footer)).unwrap_or_default()
}

fn of_groups(footer: &Footer) -> Result<Vec<(i64, i64)>, String> {
    let mut spans = Vec::new();
    for group in &footer.groups {
        match group.span {
            Some(span) => spans.push(span),
            None => spans.extend(decode::survey(footer, group, &mut Counts::default())?),
        }
    }
    Ok(spans)
}

fn date_of(ns: i64) -> Date {
    let at = Timestamp::from_nanosecond(i128::from(ns)).unwrap_or_default();
    at.to_zoned(TimeZone::UTC).date()
}
