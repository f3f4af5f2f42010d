//! The Parquet tables of the lake: their columns, their files, and the digest of their rows.
//!
//! Every table has a `Timestamp` and is sorted by it. The digest of rows is the wrapping sum of one
//! 64-bit hash for each row over all its columns. It depends neither on the order of the rows nor
//! on the files over which they are spread, so that the rows that were recorded can be compared
//! with those in the lake after any number of merges. `docs/formats.md` lists the columns.

mod definitions;
mod digest;
mod error;
mod footer;
mod order;
mod read;
mod write;

pub use definitions::{
    ENDS, LEDGER, OPPORTUNITIES, QUOTES, SPREADS, STATUS, TABLES, Table, constant_text, text_column,
};
pub use digest::{digest, row_hashes};
pub use error::{TableError, io_error};
pub use order::SortKeys;
pub use read::{ColumnsReader, Footer, TableReader, checksum};
pub use write::{TableWriter, Written};

use std::collections::BTreeMap;

/// The newest version of columns and metadata, which this code reads with those before. Each
/// [`Table`] says the version in which it is written.
pub const VERSION: u32 = 3;

/// Rows are passed to and from the Parquet library in batches of this many.
pub const BATCH_ROWS: usize = 65_536;

/// The text in the footer of a file by key, without the prefix `spreadwire.` of each key.
pub type Metadata = BTreeMap<String, String>;

/// Rows for the tests of several files.
#[cfg(test)]
mod test_rows {
    use super::{QUOTES, constant_text};
    use arrow_array::{
        ArrayRef, Float64Array, Int64Array, RecordBatch, TimestampNanosecondArray, UInt8Array,
        UInt64Array,
    };
    use std::sync::Arc;

    pub(super) fn quotes(times: &[i64]) -> RecordBatch {
        let rows = times.len();
        let float = |absent: usize| -> ArrayRef {
            Arc::new((0..rows).map(|r| (r != absent).then_some(0.5)).collect::<Float64Array>())
        };
        let time = |times: &[i64]| -> ArrayRef {
            Arc::new(TimestampNanosecondArray::from(times.to_vec()).with_timezone("UTC"))
        };
        let numbers: Vec<i64> = times.iter().map(|t| t * 3).collect();
        QUOTES
            .batch(vec![
                time(times),
                float(0),
                float(1),
                float(2),
                float(9),
                time(times),
                Arc::new(UInt64Array::from(vec![Some(7); rows])),
                Arc::new(Int64Array::from(numbers)),
                Arc::new(UInt8Array::from(vec![3; rows])),
                constant_text("run-1", rows),
            ])
            .unwrap()
    }
}
