//! How much recorded time figures rest on, in words.

use crate::report::Report;

/// One day, in h.
pub const DAY: f64 = 24.0;
/// What counts as a day, in h: a recorder that is started every day misses a minute or so of it.
const WHOLE_DAY: f64 = 23.9;

/// Returns the recorded time in words: `20 s`, `3 h 5 min`, `4.2 days`.
#[must_use]
pub fn told(report: &Report) -> String {
    let hours = report.recorded_hours.max(0.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below a day")]
    let seconds = (hours.min(DAY) * 3_600.0).round() as u64;
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        _ if DAY <= hours => format!("{:.1} days", hours / DAY),
        (0, 0, _) if seconds < 10 => format!("{:.1} s", hours * 3_600.0),
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

/// Returns what to bear in mind of figures per day, if they are of less than a day. Of nothing there are
/// none.
#[must_use]
pub fn caution(report: &Report) -> Option<String> {
    let is_short = 0.0 < report.recorded_hours && report.recorded_hours < WHOLE_DAY;
    is_short.then(|| format!("figures per day are scaled up from {} recorded", told(report)))
}

/// Returns what stands beside every figure per day if less than a day was recorded: `from 0.4 h recorded`.
#[must_use]
pub fn from(report: &Report) -> Option<String> {
    (report.recorded_hours < WHOLE_DAY)
        .then(|| format!("from {:.1} h recorded", report.recorded_hours))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_time_is_told_and_less_than_a_day_stands_beside_a_rate() {
        for (recorded_hours, expected) in [
            (0.0, "0.0 s"),
            (0.5 / 3_600.0, "0.5 s"),
            (20.0 / 3_600.0, "20 s"),
            (240.0 / 3_600.0, "4 min 0 s"),
            (3.1, "3 h 6 min"),
            (23.89, "23 h 53 min"),
            (23.99, "23 h 59 min"),
            (24.0, "1.0 days"),
            (100.0, "4.2 days"),
        ] {
            let report = Report { recorded_hours, ..Report::default() };
            assert_eq!(told(&report), expected);
            let is_cautious = caution(&report).is_some_and(|told| told.contains(expected));
            assert_eq!(is_cautious, 0.0 < recorded_hours && recorded_hours < 23.9);
            assert_eq!(from(&report).is_some(), recorded_hours < 23.9);
        }
        let report = Report { recorded_hours: 0.41, ..Report::default() };
        assert_eq!(from(&report).as_deref(), Some("from 0.4 h recorded"));
    }
}
