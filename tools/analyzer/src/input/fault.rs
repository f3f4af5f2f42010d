//! Why reading was abandoned, and what to do differently the next time.

use crate::report::Problem;
use std::collections::BTreeMap;

/// An error that ends the reading of a venue's quotes, possibly after some of them were returned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// A footer is wrong about its rows: about their order, or their first or last time. When read
    /// again without trusting the footer, all rows are available.
    #[error("the rows of {file} contradict its footer: {what}")]
    NotAsDeclared {
        /// Path below the lake.
        file: String,
        /// What is different.
        what: String,
    },
    /// Rows that were hoped to be in order of time are not. When read again without that hope, all rows are
    /// available.
    #[error("the rows of {file} are not in order of time")]
    Unsorted {
        /// Path below the lake.
        file: String,
    },
    /// A file cannot be read to its end. All of it must be left out.
    #[error("{file} cannot be used: {what}")]
    Damaged {
        /// Path below the lake.
        file: String,
        /// Why it cannot be read.
        what: String,
    },
}

impl ReadError {
    /// Returns the file's path.
    #[must_use]
    pub fn file(&self) -> &str {
        match self {
            ReadError::NotAsDeclared { file, .. }
            | ReadError::Unsorted { file }
            | ReadError::Damaged { file, .. } => file,
        }
    }
}

/// What was learnt from earlier attempts to read. Start with the default, and pass every error to
/// [`heed`](Self::heed).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caution {
    /// Files whose footers are not trusted, and what is wrong with each.
    distrusted: BTreeMap<String, String>,
    /// Whether a row group that does not say that it is sorted turned out not to be. Then none is hoped to be,
    /// so that a unit of many such files is not read once for each.
    without_hope: bool,
    /// Files to leave out, and why.
    left_out: BTreeMap<String, String>,
}

impl Caution {
    /// Takes note of an error. The caller must drop what it read of the unit so far and open its
    /// venues again.
    ///
    /// Hope is lost once, and each file is noted at most twice: first it is distrusted, then left out. So the
    /// repeated reading comes to an end.
    pub fn heed(&mut self, error: &ReadError) {
        match error {
            ReadError::Unsorted { .. } => self.without_hope = true,
            ReadError::NotAsDeclared { file, what } if !self.distrusts(file) => {
                self.distrusted.insert(file.clone(), what.clone());
            }
            ReadError::NotAsDeclared { file, what } | ReadError::Damaged { file, what } => {
                self.left_out.insert(file.clone(), what.clone());
            }
        }
    }

    /// Returns whether row groups that do not say that they are sorted may be.
    pub(super) fn hopes(&self) -> bool {
        !self.without_hope
    }

    pub(super) fn distrusts(&self, file: &str) -> bool {
        self.distrusted.contains_key(file)
    }

    /// Returns why a file must be left out, if it must.
    pub(super) fn refuses(&self, file: &str) -> Option<&str> {
        self.left_out.get(file).map(String::as_str)
    }

    /// Returns what is known against a file.
    pub(super) fn problem(&self, file: &str) -> Option<Problem> {
        if let Some(what) = self.left_out.get(file) {
            return Some(Problem { subject: file.to_owned(), what: what.clone(), left_out: true });
        }
        let what = self.distrusted.get(file)?;
        let what = format!("contradicts its footer, so it was sorted while reading: {what}");
        Some(Problem { subject: file.to_owned(), what, left_out: false })
    }
}
