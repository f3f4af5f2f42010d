//! One of the markets that a lake holds: which files have its quotes alone.
//!
//! A lake that our recorder wrote says of each run where its quotes come from, and of each file as well. A
//! simulated market has the names of real venues, so quotes of both must not be compared.

use super::guarded::guarded;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use spreadwire_lake::run::Provenance;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

/// The quotes of one provenance.
#[derive(Clone, Debug)]
pub struct Market {
    /// Where its quotes come from.
    pub provenance: Provenance,
    /// Where those of each run come from, by the ledger.
    pub runs: BTreeMap<String, Provenance>,
}

impl Market {
    /// Returns whether a file has quotes of this market alone; `false` if it has none of it.
    ///
    /// # Errors
    /// Returns why that is not known, or that it has quotes of several.
    pub(super) fn has(&self, path: &Path) -> Result<bool, String> {
        let footer = footer(path)?;
        let of_file = footer.get("provenance").and_then(|name| Provenance::of_name(name));
        let found: BTreeSet<Option<Provenance>> = match of_file {
            Some(provenance) => BTreeSet::from([Some(provenance)]),
            None => self.of_parts(footer.get("parts").map_or("", String::as_str)),
        };
        let is_wanted = found.contains(&Some(self.provenance));
        if found.contains(&None) || found.is_empty() {
            return Err("does not say where its quotes come from".to_owned());
        }
        if is_wanted && 1 < found.len() {
            return Err(format!("has {} quotes and others in one file", self.provenance));
        }
        Ok(is_wanted)
    }

    /// Returns where the parts of a file come from, written as `<run>:<segment>:<rows>` with commas.
    fn of_parts(&self, parts: &str) -> BTreeSet<Option<Provenance>> {
        let runs = parts.split(',').filter_map(|part| part.split(':').next());
        runs.filter(|run| !run.is_empty()).map(|run| self.runs.get(run).copied()).collect()
    }
}

/// Returns what our recorder notes in a file's footer.
fn footer(path: &Path) -> Result<BTreeMap<String, String>, String> {
    let file = File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let metadata = guarded(|| ArrowReaderMetadata::load(&file, options))
        .map_err(|error| format!("damaged, or not a Parquet file: {error}"))?;
    let pairs = metadata.metadata().file_metadata().key_value_metadata();
    let ours = |pair: &parquet::file::metadata::KeyValue| {
        let key = pair.key.strip_prefix("spreadwire.")?.to_owned();
        Some((key, pair.value.clone()?))
    };
    Ok(pairs.into_iter().flatten().filter_map(ours).collect())
}
