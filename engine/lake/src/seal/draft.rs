//! Files that are written, but do not have their final names yet.

use super::done::DoneFile;
use super::rows::{Own, Rows};
use super::{SealError, SealedFile};
use crate::folder;
use crate::group::Group;
use crate::ledger::{Entry, EntryKind};
use crate::segment::SegmentInfo;
use crate::table::{TableError, TableReader, Written, io_error};
use std::fs;
use std::path::{Path, PathBuf};

/// A file on its way into the lake.
pub(super) struct Draft {
    pub(super) step: Step,
    /// The file under its final name.
    pub(super) file: SealedFile,
    /// Path of the folder, relative to the lake.
    pub(super) relative: PathBuf,
    pub(super) written: Written,
    pub(super) own: Own,
}

/// How far a file is on its way.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It is whole under a name that readers ignore. If it has the rows of another file too, it takes
    /// that one's name first, so that no reader finds rows twice or not at all.
    Written { unfinished: PathBuf, replaces: Option<PathBuf> },
    /// An earlier attempt gave it the name of the file that it replaces, and no more.
    Replaced { from: PathBuf },
    /// An earlier attempt finished it.
    Done,
    /// It has its final name.
    Named,
}

impl Draft {
    /// Makes the draft of a file into which an earlier attempt has sealed the rows. `path` is the name
    /// that the file was to get.
    pub(super) fn of_done(
        rows: &Rows<'_>,
        relative: PathBuf,
        path: PathBuf,
        found: DoneFile,
    ) -> Result<Draft, SealError> {
        let digest = rows.digest()?;
        let DoneFile { path: from, bytes, crc, rename_to } = found;
        let there = TableReader::open(&from, rows.group.table())?.rows();
        let written = Written { rows: there, bytes, crc, digest };
        let (step, path) = match rename_to {
            Some(_) => (Step::Replaced { from }, path),
            None => (Step::Done, from),
        };
        let file = SealedFile { path, rows: there };
        Ok(Draft { step, file, relative, written, own: rows.own(digest) })
    }

    /// Returns whether this process wrote the file.
    pub(super) fn is_own(&self) -> bool {
        self.step == Step::Named
    }

    /// Returns the names that the file may be found under from now on.
    fn names(&self) -> impl Iterator<Item = &Path> {
        let former = match &self.step {
            Step::Written { replaces, .. } => replaces.as_deref(),
            Step::Replaced { from } => Some(from.as_path()),
            Step::Done | Step::Named => None,
        };
        former.into_iter().chain([self.file.path.as_path()])
    }

    /// Gives the file its final name, and syncs its folder, so that the name survives a power cut.
    fn name(&mut self) -> Result<(), TableError> {
        let path = &self.file.path;
        let rename = |from: &Path, to: &Path| {
            fs::rename(from, to).map_err(|source| io_error("rename", from, source))
        };
        match &self.step {
            Step::Written { unfinished, replaces: None } => rename(unfinished, path)?,
            Step::Written { unfinished, replaces: Some(replaced) } => {
                rename(unfinished, replaced)?;
                let from = replaced.clone();
                self.step = Step::Replaced { from: from.clone() };
                rename(&from, path)?;
            }
            Step::Replaced { from } => rename(from, path)?,
            // Its name may not be on the disk yet.
            Step::Done | Step::Named => {}
        }
        if self.step != Step::Done {
            self.step = Step::Named;
        }
        let folder = path.parent().unwrap_or(path);
        folder::sync(folder).map_err(|source| io_error("sync", folder, source))
    }

    pub(super) fn entries(&self, info: &SegmentInfo) -> Vec<Entry> {
        let folder = Some(self.relative.to_string_lossy().into_owned());
        let Own { table, venue, instrument, first, last, rows, digest } = &self.own;
        let entry = |kind| Entry {
            segment: Some(info.number),
            table: Some(table.name.to_owned()),
            folder: folder.clone(),
            venue: venue.clone(),
            instrument: instrument.clone(),
            ..Entry::new(kind, info.started_at).of_run(info.origin.run.as_str())
        };
        let Written { rows: all, bytes, crc, .. } = self.written;
        let own = Entry {
            first: *first,
            last: *last,
            rows: Some(*rows),
            digest: Some(*digest),
            ..entry(EntryKind::Rows)
        };
        let files = self.names().map(|path| Entry {
            file: path.file_name().map(|name| name.to_string_lossy().into_owned()),
            rows: Some(all),
            bytes: Some(bytes),
            digest: Some(u64::from(crc)),
            ..entry(EntryKind::File)
        });
        [own].into_iter().chain(files).collect()
    }
}

/// Files on their way into the lake, each with the group of its rows. Unfinished ones are deleted on
/// drop.
#[derive(Default)]
pub(super) struct Drafts(pub(super) Vec<(Group, Draft)>);

impl Drafts {
    /// Gives every file its final name.
    pub(super) fn name_all(&mut self) -> Result<(), TableError> {
        self.0.iter_mut().try_for_each(|(_, draft)| draft.name())
    }
}

impl Drop for Drafts {
    fn drop(&mut self) {
        for (_, draft) in &self.0 {
            if let Step::Written { unfinished, .. } = &draft.step {
                // Best effort: the next sealing overwrites what is left.
                fs::remove_file(unfinished).unwrap_or_default();
            }
        }
    }
}
