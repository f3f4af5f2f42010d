//! The formats that `lake import` reads, one file each. A new one is a file and a line of
//! [`FORMATS`]; everything else goes by this list, the tests included.

use super::format::Format;
use super::source::Content;
use super::{binance, cryptofeed, hftbacktest, nautilus, tape, tardis, tardis_snapshot};
use anyhow::bail;

/// The formats, in the order in which they are listed for people.
pub const FORMATS: [&Format; 7] = [
    &tape::FORMAT,
    &tardis::FORMAT,
    &tardis_snapshot::FORMAT,
    &binance::FORMAT,
    &hftbacktest::FORMAT,
    &nautilus::FORMAT,
    &cryptofeed::FORMAT,
];

/// Returns the format of this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Format> {
    FORMATS.into_iter().find(|format| format.name == name)
}

/// Returns the format of a file.
///
/// # Errors
/// If none recognises it.
pub fn of(content: &Content) -> anyhow::Result<&'static Format> {
    if let Some(format) = FORMATS.into_iter().find(|format| (format.recognises)(content)) {
        return Ok(format);
    }
    bail!("{}. Understood are: {}", describe(content), list())
}

/// Lists the formats for people.
#[must_use]
pub fn list() -> String {
    FORMATS.map(|format| format!("{} ({})", format.name, format.what)).join("; ")
}

/// Says what a file is that no format recognises.
fn describe(content: &Content) -> String {
    const SHOWN_MAX: usize = 200;
    let columns = match content {
        Content::Csv(csv) => csv.header.iter().collect::<Vec<_>>().join(","),
        Content::Parquet(file) => match file.columns() {
            Ok(columns) => columns.join(","),
            Err(error) => return format!("the Parquet file cannot be read: {error:#}"),
        },
        Content::Array(_) => {
            return "the NumPy array is not one of hftbacktest's events".to_owned();
        }
    };
    let shown: String = columns.chars().filter(|c| !c.is_control()).take(SHOWN_MAX).collect();
    let more = if shown.len() < columns.len() { "..." } else { "" };
    format!("no format has the columns {shown}{more}")
}
