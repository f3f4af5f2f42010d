//! The segments of the journal that are no rows yet. Their names are looked at; they are not opened.

use super::error::HistoryError;
use super::selection::Selection;
use crate::layout;
use crate::run::run_and_number;
use crate::segment::{CLOSED_SUFFIX, OPEN_SUFFIX};
use crate::table::io_error;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

/// A run with segments that are not sealed: it records now, or was killed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsealed {
    /// The run's name.
    pub run: String,
    /// Number of its segments that are not in the lake's tables.
    pub segments: u64,
}

impl Unsealed {
    /// Returns what to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        "stop the engine that records, or run `lake recover` if it was killed, to read them too"
    }
}

/// Finds the selected runs that have unsealed segments, by name.
pub(super) fn find(lake: &Path, selection: &Selection) -> Result<Vec<Unsealed>, HistoryError> {
    let folder = lake.join(layout::JOURNAL);
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|source| io_error("list", &folder, source))?,
    };
    let mut segments: BTreeMap<String, u64> = BTreeMap::new();
    for entry in entries {
        let entry = entry.map_err(|source| io_error("list", &folder, source))?;
        let name = entry.file_name();
        let stem = name.to_str().and_then(|name| {
            name.strip_suffix(OPEN_SUFFIX).or_else(|| name.strip_suffix(CLOSED_SUFFIX))
        });
        if let Some((run, _)) = stem.and_then(run_and_number)
            && selection.has_run(run.as_str())
        {
            *segments.entry(run.as_str().to_owned()).or_default() += 1;
        }
    }
    Ok(segments.into_iter().map(|(run, segments)| Unsealed { run, segments }).collect())
}
