//! Rows of CSV files by the names of their columns, which may stand in any order and among others.

use super::format::Rows;
use super::refusal::Refusal;
use super::row::Row;
use super::source::{Content, CsvFile};
use anyhow::{Context, bail, ensure};
use csv::{ErrorKind, StringRecord};

/// The names of a format's columns. An empty name stands for a column that the format does not have.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Columns {
    pub(super) venue: &'static str,
    pub(super) symbol: &'static str,
    pub(super) received: &'static str,
    pub(super) event: &'static str,
    /// Price and size.
    pub(super) bid: [&'static str; 2],
    /// Price and size.
    pub(super) ask: [&'static str; 2],
    pub(super) sequence: &'static str,
}

impl Columns {
    /// Returns the columns in the order of [`field`].
    fn names(&self) -> [&'static str; 9] {
        let Columns { venue, symbol, received, event, bid, ask, sequence } = *self;
        [venue, symbol, received, event, bid[0], bid[1], ask[0], ask[1], sequence]
    }

    /// Returns whether the file is CSV with all of these columns.
    pub(super) fn are_in(&self, content: &Content) -> bool {
        let Content::Csv(csv) = content else { return false };
        let has = |name: &&str| name.is_empty() || csv.header.iter().any(|found| found == *name);
        self.names().iter().all(has)
    }

    /// Begins to read rows. `finish` completes each row.
    pub(super) fn rows(
        &self,
        content: Content,
        finish: impl Fn(&mut Row) + 'static,
    ) -> anyhow::Result<CsvRows> {
        let Content::Csv(CsvFile { reader, header, .. }) = content else {
            bail!("it is not a CSV file");
        };
        let mut fields = [None; 9];
        for (field, name) in fields.iter_mut().zip(self.names()) {
            let mut found = (0..).zip(&header).filter(|(_, column)| *column == name);
            let place = found.next().map(|(place, _)| place);
            ensure!(found.next().is_none() || name.is_empty(), "it has two columns {name}");
            ensure!(place.is_some() || name.is_empty(), "it has no column {name}");
            *field = place.filter(|_| !name.is_empty());
        }
        let (record, row) = (StringRecord::new(), Row::default());
        Ok(CsvRows { reader, record, row, fields, finish: Box::new(finish) })
    }
}

/// Returns a field of a row, in the order of [`Columns::names`].
fn field(row: &mut Row, at: usize) -> &mut String {
    match at {
        0 => &mut row.venue,
        1 => &mut row.symbol,
        2 => &mut row.received,
        3 => &mut row.event,
        4 | 5 => &mut row.bid[at - 4],
        6 | 7 => &mut row.ask[at - 6],
        _ => &mut row.sequence,
    }
}

/// The rows of an open CSV file.
pub(super) struct CsvRows {
    reader: csv::Reader<super::source::Summed>,
    record: StringRecord,
    row: Row,
    /// The column of each field.
    fields: [Option<usize>; 9],
    finish: Box<dyn Fn(&mut Row)>,
}

impl Rows for CsvRows {
    #[expect(clippy::wildcard_enum_match_arm, reason = "any other csv error ends the file")]
    fn next_row(&mut self) -> anyhow::Result<Option<(u64, Result<&Row, Refusal>)>> {
        let line = self.reader.position().line();
        match self.reader.read_record(&mut self.record) {
            Ok(false) => return Ok(None),
            Ok(true) => {}
            Err(error) => match error.kind() {
                ErrorKind::UnequalLengths { .. } | ErrorKind::Utf8 { .. } => {
                    return Ok(Some((line, Err(Refusal::Fields))));
                }
                _ => return Err(error).with_context(|| format!("cannot read line {line}")),
            },
        }
        self.row.clear();
        for (at, column) in self.fields.iter().enumerate() {
            if let Some(column) = column {
                field(&mut self.row, at).push_str(self.record[*column].trim_ascii());
            }
        }
        (self.finish)(&mut self.row);
        Ok(Some((line, Ok(&self.row))))
    }
}
