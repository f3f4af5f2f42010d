//! Decimal numbers as text, as venues write them and tapes hold them.
//!
//! No number goes through a float, so no digit is changed on the way from a tape to a frame.

use std::cmp::Ordering;

/// Length of the longest number accepted from a tape, in bytes.
const LEN_MAX: usize = 40;

/// Returns whether `text` is an unsigned plain decimal: digits, with at most one point between
/// them.
pub(crate) fn is_plain(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    text.len() <= LEN_MAX && digits(whole) && digits(fraction)
}

/// Returns the number of digits after the point.
pub(crate) fn places(text: &str) -> usize {
    text.split_once('.').map_or(0, |(_, fraction)| fraction.len())
}

/// Returns the number of digits after the point, without trailing zeros.
pub(crate) fn significant_places(text: &str) -> usize {
    text.split_once('.').map_or(0, |(_, fraction)| fraction.trim_end_matches('0').len())
}

/// Appends `text`, padded with zeros to `places` digits after the point. A text with more digits is
/// appended as it is.
pub(crate) fn push_padded(text: &str, places: usize, out: &mut String) {
    const ZEROS: &str = "0000000000000000";
    let has = self::places(text);
    out.push_str(text);
    if has < places {
        if has == 0 {
            out.push('.');
        }
        out.push_str(&ZEROS[..(places - has).min(ZEROS.len())]);
    }
}

/// Appends `text` without trailing zeros in its fraction.
pub(crate) fn push_trimmed(text: &str, out: &mut String) {
    if text.contains('.') {
        out.push_str(text.trim_end_matches('0').trim_end_matches('.'));
    } else {
        out.push_str(text);
    }
}

/// Appends `text` times 10^`places`, without zeros that say nothing: a size in units of the last place.
pub(crate) fn push_shifted(text: &str, places: usize, out: &mut String) {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let (moved, rest) = fraction.split_at(places.min(fraction.len()));
    let zeros = "0".repeat(places - moved.len());
    let digits = format!("{whole}{moved}{zeros}");
    let significant = digits.trim_start_matches('0');
    out.push_str(if significant.is_empty() { "0" } else { significant });
    let rest = rest.trim_end_matches('0');
    if !rest.is_empty() {
        out.push('.');
        out.push_str(rest);
    }
}

/// Appends `units` times 10^-`places`, with exactly `places` digits after the point.
pub(crate) fn push_units(units: u64, places: usize, out: &mut String) {
    let digits = units.to_string();
    let missing = (places + 1).saturating_sub(digits.len());
    let from = out.len();
    for _ in 0..missing {
        out.push('0');
    }
    out.push_str(&digits);
    if 0 < places {
        out.insert(from + (out.len() - from - places), '.');
    }
}

/// Compares two unsigned plain decimals by value.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    let parts = |text| {
        let (whole, fraction): (&str, &str) = str::split_once(text, '.').unwrap_or((text, ""));
        (whole.trim_start_matches('0'), fraction.trim_end_matches('0'))
    };
    let ((whole_a, fraction_a), (whole_b, fraction_b)) = (parts(a), parts(b));
    let by_whole = whole_a.len().cmp(&whole_b.len()).then_with(|| whole_a.cmp(whole_b));
    by_whole.then_with(|| fraction_a.cmp(fraction_b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_in_units_of_their_last_place() {
        for (text, places, expected) in [
            ("3.78", 5, "378000"),
            ("0.00001", 5, "1"),
            ("12345.67891", 5, "1234567891"),
            ("41", 0, "41"),
            ("0", 3, "0"),
            ("0.12345", 3, "123.45"),
            ("0.500", 1, "5"),
        ] {
            assert_eq!(written(|out| push_shifted(text, places, out)), expected, "{text}");
        }
    }

    fn written(write: impl FnOnce(&mut String)) -> String {
        let mut out = String::from("x");
        write(&mut out);
        out.split_off(1)
    }

    #[test]
    fn padding_adds_zeros_and_never_removes_a_digit() {
        for (text, places, expected) in [
            ("68392.5", 8, "68392.50000000"),
            ("3", 2, "3.00"),
            ("0.00001234", 8, "0.00001234"),
            ("1.234", 2, "1.234"),
            ("7", 0, "7"),
        ] {
            assert_eq!(written(|out| push_padded(text, places, out)), expected);
        }
    }

    #[test]
    fn trimming_removes_only_zeros_of_the_fraction() {
        for (text, expected) in
            [("19920.0", "19920"), ("100", "100"), ("0.34710", "0.3471"), ("0.5", "0.5")]
        {
            assert_eq!(written(|out| push_trimmed(text, out)), expected);
        }
    }

    #[test]
    fn units_become_text() {
        for (units, places, expected) in
            [(1234, 8, "0.00001234"), (6_990_430, 2, "69904.30"), (5, 0, "5"), (0, 2, "0.00")]
        {
            assert_eq!(written(|out| push_units(units, places, out)), expected);
        }
    }

    #[test]
    fn comparison_is_by_value() {
        for (a, b, expected) in [
            ("10", "9.99", Ordering::Greater),
            ("1.50", "1.5", Ordering::Equal),
            ("0.00001", "0.0001", Ordering::Less),
            ("007", "7.0", Ordering::Equal),
            ("1.05", "1.5", Ordering::Less),
        ] {
            assert_eq!(compare(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn only_plain_numbers_are_plain() {
        for text in ["1", "0.1", "61837.63000000"] {
            assert!(is_plain(text), "{text}");
        }
        for text in ["", ".", "1.", ".5", "-1", "1e5", "1,5", "1.2.3", "NaN"] {
            assert!(!is_plain(text), "{text}");
        }
        assert_eq!(significant_places("1.500"), 1);
    }
}
