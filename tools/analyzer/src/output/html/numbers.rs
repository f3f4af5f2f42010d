//! Numbers and names as people read them: pure functions from a value to text. Names come from
//! folders that others wrote, so characters that would be invisible are made visible here. Escaping
//! is left to the templates.

use crate::report::{Cell, Column};

/// Number of entries of a list that are shown; the rest are counted.
pub(super) const LISTED: usize = 50;
/// Stands for a value that is not known.
pub(super) const UNKNOWN: &str = "–";
/// A true minus sign, as wide as a plus.
const MINUS: char = '\u{2212}';

/// Replaces characters that are invisible or change the direction of the text around them.
pub(super) fn name(text: &str) -> String {
    text.chars().map(|char| if is_hidden(char) { '\u{fffd}' } else { char }).collect()
}

/// Returns whether a character is a control or a direction mark.
fn is_hidden(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Returns the name of a column as words.
pub(super) fn words(column: &str) -> String {
    name(column).replace('_', " ")
}

/// Cuts a text to at most `most` characters; the last one is then an ellipsis.
pub(super) fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// Formats a count, with digits in groups of three.
pub(super) fn count(value: u64) -> String {
    grouped(&value.to_string())
}

/// Formats a figure: three significant digits or two decimals, whichever is more precise, and
/// powers of ten where there would be too many digits.
pub(super) fn figure(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if !value.is_finite() => UNKNOWN.to_owned(),
        _ if size < f64::MIN_POSITIVE => "0".to_owned(),
        _ if !(0.001..1e9).contains(&size) => signed(value, power(size, 2)),
        _ if size < 0.1 => signed(value, format!("{size:.4}")),
        _ if size < 1.0 => signed(value, format!("{size:.3}")),
        _ if size < 1000.0 => signed(value, format!("{size:.2}")),
        _ => signed(value, grouped(&format!("{size:.0}"))),
    }
}

/// Formats a figure for a small cell: at most six characters, unless it is huge.
pub(super) fn short(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if !value.is_finite() => UNKNOWN.to_owned(),
        _ if size < 0.005 => "0".to_owned(),
        _ if size < 9.995 => signed(value, format!("{size:.2}")),
        _ if size < 99.95 => signed(value, format!("{size:.1}")),
        _ if size < 9_999.5 => signed(value, format!("{size:.0}")),
        _ if size < 999_500.0 => signed(value, format!("{:.0}k", size / 1e3)),
        _ => signed(value, power(size, 0)),
    }
}

/// Formats a figure on an axis, without trailing zeros.
pub(super) fn tick(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if !value.is_finite() => UNKNOWN.to_owned(),
        _ if size < 1e-12 => "0".to_owned(),
        _ if !(0.001..1e7).contains(&size) => signed(value, power(size, 1)),
        _ => {
            let text = format!("{size:.4}");
            let text = text.trim_end_matches('0').trim_end_matches('.');
            let (whole, rest) = text.split_once('.').map_or((text, None), |(a, b)| (a, Some(b)));
            let rest = rest.map(|rest| format!(".{rest}")).unwrap_or_default();
            signed(value, grouped(whole) + &rest)
        }
    }
}

/// Formats an amount on an axis: `500`, `20k`, `1.5M`.
pub(super) fn thousands(value: f64) -> String {
    match value.abs() {
        size if size < 1e3 => tick(value),
        size if size < 1e6 => format!("{}k", tick(value / 1e3)),
        size if size < 1e9 => format!("{}M", tick(value / 1e6)),
        _ => tick(value),
    }
}

/// Returns a sentence about entries that are not listed, if there are any.
pub(super) fn rest(all: usize, what: &str) -> Option<String> {
    let rest = all.saturating_sub(LISTED);
    (0 < rest).then(|| format!("And {} more {what}.", count(rest as u64)))
}

/// Formats a share (1 is all) as a percentage.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// Formats a duration in a suitable unit.
pub(super) fn duration(seconds: f64) -> String {
    let (value, unit) = match seconds {
        _ if seconds < 0.001 => (seconds * 1e6, "µs"),
        _ if seconds < 1.0 => (seconds * 1e3, "ms"),
        _ if seconds < 120.0 => (seconds, "s"),
        _ if seconds < 7200.0 => (seconds / 60.0, "min"),
        _ if seconds < 172_800.0 => (seconds / 3600.0, "h"),
        _ => (seconds / 86_400.0, "d"),
    };
    format!("{} {unit}", tick((value * 10.0).round() / 10.0))
}

/// Formats a cell of the table.
pub(super) fn cell(cell: &Cell, column: &Column) -> String {
    match cell {
        Cell::None => UNKNOWN.to_owned(),
        Cell::Flag(flag) => if *flag { "yes" } else { "no" }.to_owned(),
        Cell::Count(value) => count(*value),
        // Basis points line up best with equal decimals.
        Cell::Number(value) if column.unit == "bp" && (0.01..1000.0).contains(&value.abs()) => {
            signed(*value, format!("{:.2}", value.abs()))
        }
        Cell::Number(value) => figure(*value),
        Cell::Text(text) => name(text),
    }
}

/// Returns the value by which a cell is ordered or drawn.
pub(super) fn worth(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::None | Cell::Text(_) => None,
        Cell::Flag(flag) => Some(f64::from(u8::from(*flag))),
        #[expect(clippy::cast_precision_loss, reason = "a picture's place is not that exact")]
        Cell::Count(value) => Some(*value as f64),
        Cell::Number(value) => value.is_finite().then_some(*value),
    }
}

fn signed(value: f64, size: String) -> String {
    if value < 0.0 { format!("{MINUS}{size}") } else { size }
}

/// Writes `1.2 × 10⁻⁵` as `1.2e−5`, because charts have no superscripts.
fn power(size: f64, decimals: usize) -> String {
    let text = format!("{size:.decimals$e}").replace('-', &MINUS.to_string());
    match text.split_once('e') {
        Some((digits, exponent)) if digits.contains('.') => {
            let digits = digits.trim_end_matches('0').trim_end_matches('.');
            format!("{digits}e{exponent}")
        }
        _ => text,
    }
}

/// Groups digits by three.
fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if 0 < at && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_as_many_digits_as_they_say_something() {
        let cases = [
            (0.0, "0"),
            (-0.0, "0"),
            (12.345, "12.35"),
            (-1234.5, "−1,234"),
            (1_234_567.0, "1,234,567"),
            (1.5e12, "1.5e12"),
            (-0.000_012, "−1.2e−5"),
            (0.0123, "0.0123"),
            (f64::MAX, "1.8e308"),
            (f64::NAN, "–"),
        ];
        for (value, text) in cases {
            assert_eq!(figure(value), text, "{value}");
        }
    }

    #[test]
    fn short_figures_fit_a_cell() {
        let cases = [
            (0.0, "0"),
            (-0.001, "0"),
            (-9.999, "−10.0"),
            (1.234, "1.23"),
            (-99.96, "−100"),
            (1234.4, "1234"),
            (-12_345.0, "−12k"),
            (3.2e8, "3e8"),
            (f64::NAN, "–"),
        ];
        for (value, text) in cases {
            assert_eq!(short(value), text, "{value}");
        }
    }

    #[test]
    fn ticks_have_no_zeros_at_the_end() {
        let cases = [(0.0, "0"), (2.50, "2.5"), (-1500.0, "−1,500"), (2e7, "2e7"), (0.25, "0.25")];
        for (value, text) in cases {
            assert_eq!(tick(value), text, "{value}");
        }
    }

    #[test]
    fn amounts_have_thousands_and_millions() {
        let cases = [(500.0, "500"), (20_000.0, "20k"), (-1.5e6, "−1.5M"), (3e12, "3e12")];
        for (value, text) in cases {
            assert_eq!(thousands(value), text, "{value}");
        }
    }

    #[test]
    fn durations_have_a_unit_that_suits() {
        let cases = [
            (0.00025, "250 µs"),
            (0.25, "250 ms"),
            (60.0, "60 s"),
            (300.0, "5 min"),
            (7200.0, "2 h"),
        ];
        for (value, text) in cases {
            assert_eq!(duration(value), text, "{value}");
        }
    }

    #[test]
    fn what_is_hidden_in_a_name_is_seen() {
        assert_eq!(name("a\u{202e}b\nc"), "a\u{fffd}b\u{fffd}c");
        assert_eq!(shorten("abcdef", 4), "abc…");
        assert_eq!(shorten("äöü", 3), "äöü");
    }
}
