//! The tables: their columns, their folders and the order of their rows.

use super::order::SortKeys;
use crate::layout;
use arrow_array::builder::StringDictionaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, Int32Array, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use std::path::Path;
use std::sync::Arc;

/// A kind of rows: its columns, and the folder of its files.
#[derive(Debug)]
pub struct Table {
    /// Its name, as in the metadata of its files.
    pub name: &'static str,
    /// The version of its columns and metadata.
    pub(super) version: u32,
    /// Its folder in the lake; empty for quotes, which lie under `exchange=`.
    pub folder: &'static str,
    /// The columns that break ties of `Timestamp` when rows are sorted.
    order: &'static [&'static str],
    pub(super) columns: &'static [(&'static str, Type, Null)],
}

/// The type of a column.
#[derive(Clone, Copy, Debug)]
pub(super) enum Type {
    Time,
    Float,
    Signed,
    Unsigned,
    Byte,
    Text,
}

/// Whether values of a column may be absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Null {
    Never,
    Possible,
}

use Null::{Never, Possible};
use Type::{Byte, Float, Signed, Text, Time, Unsigned};

/// Every quote.
pub const QUOTES: Table = Table {
    name: "quotes",
    version: 2,
    folder: "",
    order: &["Run", "JournalSequence"],
    columns: &[
        ("Timestamp", Time, Never),
        ("BestBid", Float, Possible),
        ("BestAsk", Float, Possible),
        ("BestBidSize", Float, Possible),
        ("BestAskSize", Float, Possible),
        ("EventTime", Time, Possible),
        ("Sequence", Unsigned, Possible),
        ("JournalSequence", Signed, Never),
        ("Flags", Byte, Never),
        ("Run", Text, Never),
    ],
};

/// Every change of state of a venue's instrument.
pub const STATUS: Table = Table {
    name: "status",
    version: 2,
    folder: layout::STATUS,
    order: &["Run", "JournalSequence"],
    columns: &[
        ("Timestamp", Time, Never),
        ("Venue", Text, Never),
        ("Instrument", Text, Never),
        ("State", Text, Never),
        ("Previous", Text, Never),
        ("Reason", Text, Never),
        ("JournalSequence", Signed, Never),
        ("Run", Text, Never),
    ],
};

/// Spreads above the configured threshold.
pub const SPREADS: Table = Table {
    name: "spreads",
    version: 2,
    folder: layout::SPREADS,
    order: &["Run", "JournalSequence", "BuyVenue", "SellVenue"],
    columns: &[
        ("Timestamp", Time, Never),
        ("Instrument", Text, Never),
        ("BuyVenue", Text, Never),
        ("SellVenue", Text, Never),
        ("BuyPrice", Float, Never),
        ("SellPrice", Float, Never),
        ("BuySize", Float, Never),
        ("SellSize", Float, Never),
        ("NetBps", Float, Never),
        ("JournalSequence", Signed, Never),
        ("Run", Text, Never),
    ],
};

/// Ends of spreads: from here on a pair could not be traded, until its next spread.
pub const ENDS: Table = Table {
    name: "ends",
    version: 2,
    folder: layout::ENDS,
    order: &["Run", "JournalSequence", "Instrument", "BuyVenue", "SellVenue"],
    columns: &[
        ("Timestamp", Time, Never),
        ("Instrument", Text, Never),
        ("BuyVenue", Text, Never),
        ("SellVenue", Text, Never),
        ("Reason", Text, Never),
        ("JournalSequence", Signed, Never),
        ("Run", Text, Never),
    ],
};

/// Opportunities: one row when one opens, another when it closes.
pub const OPPORTUNITIES: Table = Table {
    name: "opportunities",
    version: 2,
    folder: layout::OPPORTUNITIES,
    order: &["Run", "Id", "Event"],
    columns: &[
        ("Timestamp", Time, Never),
        ("Event", Text, Never),
        ("Id", Signed, Never),
        ("Instrument", Text, Never),
        ("BuyVenue", Text, Never),
        ("SellVenue", Text, Never),
        ("BuyPrice", Float, Possible),
        ("SellPrice", Float, Possible),
        ("BuySize", Float, Possible),
        ("SellSize", Float, Possible),
        ("NetBps", Float, Never),
        ("OpenedAt", Time, Never),
        ("PeakNetBps", Float, Possible),
        ("PeakAt", Time, Possible),
        ("Updates", Signed, Possible),
        ("Reason", Text, Possible),
        ("Run", Text, Never),
    ],
};

/// The completeness ledger.
pub const LEDGER: Table = Table {
    name: "ledger",
    version: 3,
    folder: layout::LEDGER,
    order: &["Run", "Kind", "Segment"],
    columns: &[
        ("Timestamp", Time, Never),
        ("Kind", Text, Never),
        ("Run", Text, Possible),
        ("Segment", Signed, Possible),
        ("Table", Text, Possible),
        ("Folder", Text, Possible),
        ("File", Text, Possible),
        ("Venue", Text, Possible),
        ("Instrument", Text, Possible),
        ("First", Signed, Possible),
        ("Last", Signed, Possible),
        ("Rows", Signed, Possible),
        ("Bytes", Signed, Possible),
        ("Digest", Unsigned, Possible),
        ("Until", Time, Possible),
        ("Cause", Text, Possible),
        ("Serial", Signed, Possible),
    ],
};

/// All tables.
pub const TABLES: [&Table; 6] = [&QUOTES, &STATUS, &SPREADS, &ENDS, &OPPORTUNITIES, &LEDGER];

impl Table {
    /// Returns the table whose files lie in a folder, given as a path below the lake.
    #[must_use]
    pub fn of_folder(folder: &Path) -> Option<&'static Table> {
        let first = folder.iter().next()?.to_str()?;
        if first.starts_with("exchange=") {
            return Some(&QUOTES);
        }
        TABLES.into_iter().find(|table| !table.folder.is_empty() && table.folder == first)
    }

    /// Returns the table with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Table> {
        TABLES.into_iter().find(|table| table.name == name)
    }

    /// Returns its columns as batches have them, with text by dictionary.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        let field = |(name, of, null): &(&str, Type, Null)| {
            let of = match of {
                Time => DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
                Float => DataType::Float64,
                Signed => DataType::Int64,
                Unsigned => DataType::UInt64,
                Byte => DataType::UInt8,
                Text => DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into()),
            };
            Field::new(*name, of, *null == Possible)
        };
        Arc::new(Schema::new(self.columns.iter().map(field).collect::<Vec<_>>()))
    }

    /// Makes a batch of columns in the order of the [`schema`](Table::schema); text may be plain.
    ///
    /// # Errors
    /// If the columns do not fit the schema.
    pub fn batch(&self, columns: Vec<ArrayRef>) -> Result<RecordBatch, ArrowError> {
        let schema = self.schema();
        let by_dictionary = |column: ArrayRef| match column.as_string_opt::<i32>() {
            Some(texts) => text_column(texts),
            None => column,
        };
        RecordBatch::try_new(schema, columns.into_iter().map(by_dictionary).collect())
    }

    /// Returns all rows in one batch, in the table's order.
    ///
    /// # Errors
    /// If a batch is not of this table.
    pub fn sorted(&self, batches: &[RecordBatch]) -> Result<RecordBatch, ArrowError> {
        let all = concat_batches(&self.schema(), batches)?;
        let places = self.sort_keys(&all)?.sorted_places()?;
        take_record_batch(&all, &UInt32Array::from(places))
    }

    /// Returns the values by which the rows of a batch are sorted.
    ///
    /// # Errors
    /// If the batch is not of this table.
    pub fn sort_keys(&self, batch: &RecordBatch) -> Result<SortKeys, ArrowError> {
        SortKeys::new(batch, self.sorted_by())
    }

    /// Returns the columns by which rows are sorted, `Timestamp` first.
    pub fn sorted_by(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once("Timestamp").chain(self.order.iter().copied())
    }
}

/// Returns a column that has the same text in every row.
#[must_use]
pub fn constant_text(text: &str, rows: usize) -> ArrayRef {
    let keys = Int32Array::from_value(0, rows);
    let values = Arc::new(StringArray::from(vec![text]));
    Arc::new(DictionaryArray::<Int32Type>::new(keys, values))
}

/// Returns a column of text, by dictionary as batches have it.
#[must_use]
pub fn text_column<T: AsRef<str>>(texts: impl IntoIterator<Item = Option<T>>) -> ArrayRef {
    let mut builder = StringDictionaryBuilder::<Int32Type>::new();
    texts.into_iter().for_each(|text| builder.append_option(text));
    Arc::new(builder.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_tell_their_tables() {
        for (folder, table) in [
            ("exchange=okx/symbol=A#B/date=2024-08-08/hour=23", Some("quotes")),
            ("status/date=2024-08-08", Some("status")),
            ("ledger/date=2024-08-08", Some("ledger")),
            ("journal", None),
            ("", None),
        ] {
            let found = Table::of_folder(Path::new(folder)).map(|table| table.name);
            assert_eq!(found, table, "{folder:?}");
        }
        assert!(TABLES.iter().all(|t| Table::named(t.name).is_some_and(|n| n.name == t.name)));
    }
}
