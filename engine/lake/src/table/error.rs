//! The ways in which a file of the lake cannot be written or read.

use super::VERSION;
use parquet::errors::ParquetError;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// The reason why a file of the lake cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The operating system refused the operation.
    #[error("cannot {doing} {path}")]
    Io {
        /// The operation, as the verb of a sentence.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The underlying error.
        #[source]
        source: io::Error,
    },
    /// The Parquet library refused. On reading, the file is damaged or not Parquet at all.
    #[error("cannot {doing} {path}")]
    Parquet {
        /// The operation, as the verb of a sentence.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The underlying error.
        #[source]
        source: ParquetError,
    },
    /// The file is Parquet, but does not belong to this lake.
    #[error("{path} is not a file of this lake: {why}")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The difference that was found.
        why: String,
    },
    /// A later version wrote the file.
    #[error("{path} has format version {version}; this build reads versions 1 to {VERSION}")]
    UnknownVersion {
        /// The file.
        path: PathBuf,
        /// Version found in the footer.
        version: String,
    },
}

/// Calls the Parquet library and turns a panic, which some damaged files cause, into an error.
pub(super) fn guarded<T>(
    doing: &'static str,
    path: &Path,
    read: impl FnOnce() -> Result<T, ParquetError>,
) -> Result<T, TableError> {
    let result = catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        Err(ParquetError::General("the Parquet library gave up on it".to_owned()))
    });
    result.map_err(|source| parquet_error(doing, path, source))
}

/// Wraps an error of the operating system on a file of the lake.
#[must_use]
pub fn io_error(doing: &'static str, path: &Path, source: io::Error) -> TableError {
    TableError::Io { doing, path: path.to_owned(), source }
}

/// Wraps an error of the Parquet library.
pub(super) fn parquet_error(doing: &'static str, path: &Path, source: ParquetError) -> TableError {
    TableError::Parquet { doing, path: path.to_owned(), source }
}
