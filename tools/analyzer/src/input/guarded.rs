//! Calls into the Parquet library, which panics on some damaged files.

use parquet::errors::ParquetError;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls `read` and turns a panic of the Parquet library into an error.
pub(super) fn guarded<T>(
    read: impl FnOnce() -> Result<T, ParquetError>,
) -> Result<T, ParquetError> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(ParquetError::General("the Parquet library panicked".to_owned())))
}
