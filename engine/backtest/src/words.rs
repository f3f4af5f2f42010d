//! Numbers, times and names as people read them.

use spreadwire_market::clock::{MICRO, MILLI, Nanos, SECOND};
use spreadwire_market::instrument::Catalogue;
use spreadwire_market::moment::time_to_text;
use spreadwire_market::spread::BPS;
use spreadwire_trading::amount::Amount;

/// Stands for a value that is not known.
pub const UNKNOWN: &str = "-";

/// Returns an amount with two decimals, or with three significant digits if it is small. The exact one is
/// in the JSON.
#[must_use]
pub fn amount(amount: Amount) -> String {
    if amount == Amount::ZERO { "0".to_owned() } else { number(amount.to_f64()) }
}

/// Returns a number with two decimals, or with three significant digits if it is small.
#[must_use]
pub fn number(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if !value.is_finite() => UNKNOWN.to_owned(),
        _ if size < f64::MIN_POSITIVE => "0".to_owned(),
        _ if !(1e-6..1e12).contains(&size) => format!("{value:.2e}"),
        _ if size < 0.001 => format!("{value:.8}"),
        _ if size < 0.1 => format!("{value:.4}"),
        _ if size < 1.0 => format!("{value:.3}"),
        _ => format!("{value:.2}"),
    }
}

/// Returns a number without trailing zeros, for the labels of an axis.
#[must_use]
pub fn tick(value: f64) -> String {
    let text = number(value);
    if !text.contains('.') || text.contains('e') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Returns a share (1 is all) in percent.
#[must_use]
pub fn percent(share: f64) -> String {
    if share.is_finite() { format!("{:.1} %", share * 100.0) } else { UNKNOWN.to_owned() }
}

/// Returns a fraction in basis points.
#[must_use]
pub fn bps(fraction: f64) -> f64 {
    // Twelve digits, so that 0.0003 is 3 and not 2.9999999999999996.
    (fraction * BPS * 1e9).round() / 1e9
}

/// Returns a time in milliseconds.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a latency or a lifetime, far below 2^53 ns")]
pub fn ms(time: Nanos) -> f64 {
    time as f64 / MILLI as f64
}

/// Returns a duration in a suitable unit.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub fn duration(time: Nanos) -> String {
    let seconds = time as f64 / 1e9;
    let (value, unit) = match seconds {
        _ if time < MILLI => (time as f64 / MICRO as f64, "us"),
        _ if seconds < 1.0 => (seconds * 1e3, "ms"),
        _ if seconds < 120.0 => (seconds, "s"),
        _ if seconds < 7_200.0 => (seconds / 60.0, "min"),
        _ if seconds < 172_800.0 => (seconds / 3_600.0, "h"),
        _ => (seconds / 86_400.0, "d"),
    };
    format!("{} {unit}", tick((value * 10.0).round() / 10.0))
}

/// Returns a period, UTC, in whole seconds, and its length.
#[must_use]
pub fn period((begin, end): (Nanos, Nanos)) -> String {
    let length = duration(end.saturating_sub(begin));
    let [begin, end] = [begin, end].map(|time| time_to_text(time / SECOND * SECOND));
    format!("{begin} to {end} ({length})")
}

/// Returns the name of a venue.
#[must_use]
pub fn venue(catalogue: &Catalogue, venue: spreadwire_market::instrument::VenueId) -> &str {
    catalogue.venues.get(venue.index()).map_or(UNKNOWN, |venue| &venue.name)
}

/// Returns a table with aligned columns, two blanks apart. `is_text` marks the columns that are aligned to
/// the left.
#[must_use]
pub fn aligned(rows: &[Vec<String>], is_text: impl Fn(usize) -> bool) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column| {
        let cells = rows.iter().filter_map(|row: &Vec<String>| row.get(column));
        cells.map(|cell: &String| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if is_text(column) { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_first_digits() {
        let rows = [
            (0.0, "0"),
            (1_234.567, "1234.57"),
            (-0.5, "-0.500"),
            (0.012_34, "0.0123"),
            (0.000_021_7, "0.00002170"),
            (1e-9, "1.00e-9"),
            (f64::NAN, "-"),
        ];
        for (value, text) in rows {
            assert_eq!(number(value), text);
        }
        assert_eq!((tick(2.5), tick(-10.0), tick(0.0)), ("2.5".into(), "-10".into(), "0".into()));
        assert_eq!(bps(0.0003).to_string(), "3");
        assert_eq!([500, 5 * MILLI, 90 * SECOND].map(duration), ["0.5 us", "5 ms", "90 s"]);
        assert_eq!((percent(0.117), percent(f64::NAN)), ("11.7 %".into(), "-".into()));
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [["a", "1"], ["bcd", "20"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(aligned(&rows, |column| column == 0), "a     1\nbcd  20\n");
    }
}
