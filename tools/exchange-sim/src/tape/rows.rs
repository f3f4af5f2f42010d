//! The rows of one file of a tape.
//!
//! The columns are `recv_ts_ns,exch_ts_ns,venue,symbol,bid,bid_qty,ask,ask_qty`. An empty field
//! means that the value was not recorded. A row without a price, or of a venue that is not mapped,
//! is counted and skipped. A row without a size gets the default size. Numbers stay text.

use std::io::Read;
use std::path::{Path, PathBuf};

use csv::StringRecord;

use crate::error::SimError;
use crate::tape::mapping::Mapping;
use crate::tape::survey::TapeSurvey;
use crate::venue::Texts;
use crate::{decimal, recording};

const COLUMNS: [&str; 8] =
    ["recv_ts_ns", "exch_ts_ns", "venue", "symbol", "bid", "bid_qty", "ask", "ask_qty"];

/// One row, with its numbers as text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    /// Receive time, in ns since 1970 UTC.
    pub(crate) recv_ns: u64,
    /// Venue's time in ns since 1970 UTC, if it was recorded.
    pub(crate) exch_ns: Option<u64>,
    /// Index of the simulated venue.
    pub(crate) venue: usize,
    /// Index of the instrument in the survey.
    pub(crate) instrument: usize,
    /// Prices and sizes.
    pub(crate) texts: Texts,
}

/// The rows of one file.
pub(crate) struct Rows {
    path: PathBuf,
    reader: csv::Reader<Box<dyn Read + Send>>,
    record: StringRecord,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Rows {
    /// Opens a file and checks its columns.
    pub(crate) fn open(path: &Path) -> Result<Rows, SimError> {
        let mut reader = csv::Reader::from_reader(recording::open(path)?);
        let header = reader.headers().map_err(|problem| SimError::row(path, 1, &problem))?;
        if header.iter().ne(COLUMNS) {
            let why = format!("the columns must be {}", COLUMNS.join(","));
            return Err(SimError::row(path, 1, &why));
        }
        Ok(Rows { path: path.to_owned(), reader, record: StringRecord::new() })
    }

    /// Reads the next row that is played into `row`. Returns false at the end. With a survey,
    /// enters new instruments and counts skipped rows there.
    pub(crate) fn next(
        &mut self,
        row: &mut Row,
        mapping: &mut Mapping,
        mut survey: Option<&mut TapeSurvey>,
    ) -> Result<bool, SimError> {
        loop {
            let line = self.reader.position().line();
            let read = self.reader.read_record(&mut self.record);
            if !read.map_err(|problem| SimError::row(&self.path, line, &problem))? {
                return Ok(false);
            }
            let Some(venue) = mapping.venue(&self.record[2]) else {
                count(survey.as_deref_mut().map(|survey| &mut survey.unmapped));
                continue;
            };
            if self.record[4].is_empty() || self.record[6].is_empty() {
                count(survey.as_deref_mut().map(|survey| &mut survey.incomplete));
                continue;
            }
            self.take(row, mapping.default_size()).map_err(|why| self.broken(&why))?;
            let instrument = mapping.instrument(venue, &self.record[3], survey.as_deref_mut());
            row.venue = venue;
            row.instrument = instrument.ok_or_else(|| {
                self.broken("the file has changed: this symbol was not in it when it was surveyed")
            })?;
            return Ok(true);
        }
    }

    /// Copies the times and numbers of the current record into `row`.
    fn take(&self, row: &mut Row, default_size: &str) -> Result<(), String> {
        let time = |index: usize| {
            let text = &self.record[index];
            text.parse::<u64>()
                .map_err(|_| format!("{}: {text:?} is not a time in ns", COLUMNS[index]))
        };
        row.recv_ns = time(0)?;
        row.exch_ns = if self.record[1].is_empty() { None } else { Some(time(1)?) };
        let texts = &mut row.texts;
        for (index, text) in [
            (4, &mut texts.bid),
            (5, &mut texts.bid_qty),
            (6, &mut texts.ask),
            (7, &mut texts.ask_qty),
        ] {
            let field = &self.record[index];
            let field = if field.is_empty() { default_size } else { field };
            if !decimal::is_plain(field) {
                return Err(format!(
                    "{}: {field:?} is not a plain decimal, such as 0.25",
                    COLUMNS[index]
                ));
            }
            text.clear();
            text.push_str(field);
        }
        Ok(())
    }

    fn broken(&self, why: &str) -> SimError {
        let line = self.record.position().map_or(0, csv::Position::line);
        SimError::row(&self.path, line, why)
    }
}

fn count(counter: Option<&mut u64>) {
    if let Some(counter) = counter {
        *counter += 1;
    }
}
