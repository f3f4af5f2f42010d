//! The ranking as CSV: a header, and one line per pair, best first. A number is written as the
//! shortest text that parses to the same double; an unknown value is an empty field.

use crate::report::{Cell, Report};

/// Returns the ranking as CSV.
///
/// # Errors
/// Never in practice: writing to memory cannot fail.
pub fn table(report: &Report) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(report.columns.iter().map(|column| column.name.as_str()))?;
    for pair in &report.pairs {
        writer.write_record(pair.cells.iter().map(text))?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

fn text(cell: &Cell) -> String {
    match cell {
        Cell::None => String::new(),
        Cell::Flag(flag) => flag.to_string(),
        Cell::Count(count) => count.to_string(),
        Cell::Number(number) => number.to_string(),
        Cell::Text(text) => text.clone(),
    }
}
