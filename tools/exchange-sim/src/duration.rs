//! Durations: their text form on the command line, and their length in ns.

use std::time::Duration;

/// Parses a duration such as `250ms`, `10s`, `2m` or `1h`. A number without a unit is in seconds.
/// Fractions are allowed. Returns `None` for any other text.
#[must_use]
pub fn duration_of(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: f64 = digits.parse().ok()?;
    let seconds = match &text[digits.len()..] {
        "ms" => number / 1000.0,
        "s" | "" => number,
        "m" => number * 60.0,
        "h" => number * 3600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

/// Returns the length of `time` in ns, or `u64::MAX` if it does not fit.
pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_forms_are_read() {
        for (text, ms) in
            [("250ms", 250), ("10s", 10_000), ("1.5", 1_500), ("2m", 120_000), ("1h", 3_600_000)]
        {
            assert_eq!(duration_of(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "s", "-1s", "5 s", "5d", "1e400s"] {
            assert_eq!(duration_of(text), None, "{text}");
        }
    }
}
