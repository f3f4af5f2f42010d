//! Why the inputs of a lake cannot be read.

use crate::table::TableError;
use std::path::PathBuf;

/// The reason why a lake's inputs cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// A file or folder cannot be read; the error names it.
    #[error(transparent)]
    File(#[from] TableError),
    /// A value of a file is impossible.
    #[error("{path} has rows that cannot be inputs: {why}")]
    Impossible {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A run was selected by name, and neither a row nor the ledger names it, or it was dropped.
    #[error("{} has no run {run}", lake.display())]
    UnknownRun {
        /// The lake.
        lake: PathBuf,
        /// The run's name.
        run: String,
    },
}
