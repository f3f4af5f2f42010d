//! Finds the files into which an earlier attempt has sealed rows.
//!
//! Anybody can put a file into a folder, so a footer alone proves nothing: the ledger must know the
//! file by its name and its bytes. A file that cannot be read now is not one that is missing, so the
//! attempt fails and is made again.

use super::SealError;
use super::rows::{Rows, files_of, parts_of};
use crate::ledger::{EntryKind, Ledger};
use crate::table::{self, TableError, TableReader};
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

/// A file of the lake that the ledger knows, with its length and checksum.
pub(super) struct DoneFile {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    pub(super) crc: u32,
    /// The name that it was to get next, if it does not have it yet.
    pub(super) rename_to: Option<PathBuf>,
}

/// What the ledger knows, read when it is first needed.
pub(super) struct Done<'a> {
    lake: &'a Path,
    known: OnceCell<Known>,
}

/// Folder, name, length and checksum of files.
type Known = BTreeSet<(String, String, u64, u64)>;

impl<'a> Done<'a> {
    pub(super) fn new(lake: &'a Path) -> Done<'a> {
        Done { lake, known: OnceCell::new() }
    }

    /// Returns the file that has these rows. The caller must hold the change lock.
    pub(super) fn find(
        &self,
        rows: &Rows<'_>,
        relative: &Path,
    ) -> Result<Option<DoneFile>, SealError> {
        let folder = self.lake.join(relative);
        let files = files_of(&folder).map_err(|source| table::io_error("list", &folder, source))?;
        for path in files {
            let Some(is_newest) = claims(&path, rows)? else { continue };
            let Some((bytes, crc)) = sum_of(&path)? else { continue };
            let knows = |path: &Path| self.knows(relative, path, bytes, crc);
            if knows(&path)? {
                let last = folder.join(format!("{}.parquet", rows.segment_name()));
                let renames = is_newest && path != last && knows(&last)?;
                let rename_to = renames.then_some(last);
                return Ok(Some(DoneFile { path, bytes, crc, rename_to }));
            }
            tracing::warn!("{} is no file that the ledger knows: ignored", path.display());
        }
        Ok(None)
    }

    fn knows(&self, relative: &Path, path: &Path, bytes: u64, crc: u32) -> Result<bool, SealError> {
        let known = match self.known.get() {
            Some(known) => known,
            None => {
                let read = known_files(self.lake)?;
                self.known.get_or_init(|| read)
            }
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let folder = relative.to_string_lossy().into_owned();
        Ok(known.contains(&(folder, name, bytes, u64::from(crc))))
    }
}

/// Returns the files that the ledger states. A file of the ledger that is damaged states nothing.
fn known_files(lake: &Path) -> Result<Known, SealError> {
    let Ledger { facts, errors, .. } = Ledger::read(lake);
    if let Some(error) = errors.into_iter().find(|error| matches!(error, TableError::Io { .. })) {
        return Err(error.into());
    }
    let files = facts.into_iter().filter(|fact| fact.kind == EntryKind::File);
    Ok(files.filter_map(|f| Some((f.folder?, f.file?, f.bytes?, f.digest?))).collect())
}

/// If a file's footer says that it has these rows, returns whether they were the last ones to join it.
/// A damaged file says nothing.
fn claims(path: &Path, rows: &Rows<'_>) -> Result<Option<bool>, SealError> {
    match TableReader::open(path, rows.group.table()) {
        Ok(reader) => {
            let (parts, own): (Vec<String>, _) =
                (parts_of(reader.metadata()).collect(), rows.part());
            Ok(parts.contains(&own).then(|| parts.last() == Some(&own)))
        }
        Err(TableError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error @ TableError::Io { .. }) => Err(error.into()),
        // Damage, unless it cannot be read at all.
        Err(_) => sum_of(path).map(|_| None),
    }
}

/// Returns the length and checksum of a file, unless it is gone.
fn sum_of(path: &Path) -> Result<Option<(u64, u32)>, SealError> {
    match table::checksum(path) {
        Ok(sum) => Ok(Some(sum)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(table::io_error("read", path, source).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_an_error_and_only_what_is_gone_is_missing() {
        let home = tempfile::tempdir().unwrap();
        let (file, ledger) = (home.path().join("a.parquet"), home.path().join("ledger"));
        assert!(sum_of(&file).unwrap().is_none() && known_files(home.path()).unwrap().is_empty());
        // Also root may not look into a loop of links.
        std::os::unix::fs::symlink("a.parquet", &file).unwrap();
        std::os::unix::fs::symlink("ledger", ledger).unwrap();
        assert!(sum_of(&file).is_err() && known_files(home.path()).is_err());
    }
}
