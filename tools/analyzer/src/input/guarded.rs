//! Calls into the Parquet library.

use parquet::errors::ParquetError;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The Parquet library panics on some damaged files: that is one more way of refusing.
pub(super) fn guarded<T>(
    read: impl FnOnce() -> Result<T, ParquetError>,
) -> Result<T, ParquetError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        Err(ParquetError::General("the Parquet library gave up on it".to_owned()))
    })
}
