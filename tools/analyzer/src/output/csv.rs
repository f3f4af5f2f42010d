//! The ranking as CSV: a header and a line for each pair, best first. A number is the shortest text
//! that is its double; what is not known is an empty field. It must not know how rows came about.

use crate::report::{Cell, Report};

/// The table.
///
/// # Errors
/// Never of the content: writing to memory cannot fail.
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
