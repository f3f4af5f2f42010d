//! The ranking as CSV: a header, and one line per pair, best first. A number is written as the
//! shortest text that parses to the same double, and always with a decimal point or an exponent:
//! readers that guess the type of a column from its first rows would take it for one of integers. A
//! count never has a point. An unknown value is an empty field.

use crate::report::{Cell, Kind, Report};

/// Returns the ranking as CSV.
///
/// # Errors
/// Never in practice: writing to memory cannot fail.
pub fn table(report: &Report) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(report.columns.iter().map(|column| column.name.as_str()))?;
    for pair in &report.pairs {
        let kinds = report.columns.iter().map(|column| column.kind);
        writer.write_record(pair.cells.iter().zip(kinds).map(text))?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

fn text((cell, kind): (&Cell, Kind)) -> String {
    match cell {
        Cell::None => String::new(),
        Cell::Flag(flag) => flag.to_string(),
        Cell::Count(count) if kind == Kind::Number => format!("{count}.0"),
        Cell::Count(count) => count.to_string(),
        Cell::Number(number) => float(*number),
        Cell::Text(text) => text.clone(),
    }
}

/// Returns a number with a decimal point. One that is not finite is unknown.
fn float(number: f64) -> String {
    if !number.is_finite() {
        return String::new();
    }
    let text = number.to_string();
    if text.contains('.') { text } else { text + ".0" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_float_always_looks_like_one_and_a_count_never_does() {
        for (number, expected) in [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (1e22, "10000000000000000000000.0"),
            (1.5e-9, "0.0000000015"),
            (f64::NAN, ""),
            (f64::INFINITY, ""),
            (f64::NEG_INFINITY, ""),
        ] {
            assert_eq!(float(number), expected);
            assert_eq!(text((&Cell::Number(number), Kind::Number)), expected);
        }
        assert_eq!(text((&Cell::Count(3), Kind::Number)), "3.0");
        assert_eq!(text((&Cell::Count(3), Kind::Count)), "3");
    }
}
