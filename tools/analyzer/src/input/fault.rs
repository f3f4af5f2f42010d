//! Why a reading was broken off, and what is to be done differently the next time.
//!
//! It must not know how files are read.

use crate::report::Problem;
use std::collections::BTreeMap;

/// What ends the reading of a venue's quotes although some may have been handed out already.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// A footer is wrong about its rows: their order, or their first or last time. Read again without
    /// trust, the rows are all there.
    #[error("the rows of {file} are not as its footer says: {what}")]
    NotAsDeclared {
        /// From the lake's top.
        file: String,
        /// What is different.
        what: String,
    },
    /// A file cannot be read to its end. It is to be left out whole.
    #[error("{file} cannot be used: {what}")]
    Damaged {
        /// From the lake's top.
        file: String,
        /// Why.
        what: String,
    },
}

impl ReadError {
    /// The file.
    #[must_use]
    pub fn file(&self) -> &str {
        match self {
            ReadError::NotAsDeclared { file, .. } | ReadError::Damaged { file, .. } => file,
        }
    }
}

/// What readings before this one have taught: begin with the default, and let it [`heed`](Self::heed)
/// every error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caution {
    /// Files whose footers are not believed, and in what they were wrong.
    distrusted: BTreeMap<String, String>,
    /// Files to be left out, and why.
    left_out: BTreeMap<String, String>,
}

impl Caution {
    /// Takes an error into account. What was read of the unit so far is to be dropped, and its venues
    /// are to be opened again.
    ///
    /// Each file is heeded at most twice: first it is distrusted, then left out. So reading again comes
    /// to an end.
    pub fn heed(&mut self, error: &ReadError) {
        match error {
            ReadError::NotAsDeclared { file, what } if !self.distrusts(file) => {
                self.distrusted.insert(file.clone(), what.clone());
            }
            ReadError::NotAsDeclared { file, what } | ReadError::Damaged { file, what } => {
                self.left_out.insert(file.clone(), what.clone());
            }
        }
    }

    pub(super) fn distrusts(&self, file: &str) -> bool {
        self.distrusted.contains_key(file)
    }

    /// Why a file is to be left out, if it is.
    pub(super) fn refuses(&self, file: &str) -> Option<&str> {
        self.left_out.get(file).map(String::as_str)
    }

    /// What it knows of a file.
    pub(super) fn problem(&self, file: &str) -> Option<Problem> {
        if let Some(what) = self.left_out.get(file) {
            return Some(Problem { subject: file.to_owned(), what: what.clone(), left_out: true });
        }
        let what = self.distrusted.get(file)?;
        let what = format!("not as its footer says, and therefore sorted while reading: {what}");
        Some(Problem { subject: file.to_owned(), what, left_out: false })
    }
}
