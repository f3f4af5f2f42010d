//! Files that are written, but do not have their final names yet.

use super::rows::{Own, Rows};
use super::{SealError, SealedFile};
use crate::folder;
use crate::ledger::{Entry, EntryKind};
use crate::segment::SegmentInfo;
use crate::table::{self, TableError, TableReader, Written};
use std::fs;
use std::path::PathBuf;

/// A file on its way into the lake.
pub(super) struct Draft {
    /// The path under which it was written; `None` if it has its final name already.
    pub(super) unfinished: Option<PathBuf>,
    pub(super) file: SealedFile,
    /// Path of the folder, relative to the lake.
    pub(super) relative: PathBuf,
    pub(super) written: Written,
    pub(super) own: Own,
}

impl Draft {
    /// Makes the draft of a file into which an earlier attempt has sealed the rows.
    pub(super) fn of_done(
        rows: &Rows<'_>,
        relative: PathBuf,
        path: PathBuf,
    ) -> Result<Draft, SealError> {
        let digest = rows.digest()?;
        let of = rows.group.table();
        let (bytes, crc) =
            table::checksum(&path).map_err(|source| table::io_error("read", &path, source))?;
        let found = TableReader::open(&path, of)?.rows();
        let written = Written { rows: found, bytes, crc, digest };
        let file = SealedFile { path, rows: found };
        Ok(Draft { unfinished: None, file, relative, written, own: rows.own(digest) })
    }

    pub(super) fn entries(&self, info: &SegmentInfo) -> [Entry; 2] {
        let folder = Some(self.relative.to_string_lossy().into_owned());
        let file = self.file.path.file_name().map(|name| name.to_string_lossy().into_owned());
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
        [
            Entry {
                first: *first,
                last: *last,
                rows: Some(*rows),
                digest: Some(*digest),
                ..entry(EntryKind::Rows)
            },
            Entry {
                file,
                rows: Some(all),
                bytes: Some(bytes),
                digest: Some(u64::from(crc)),
                ..entry(EntryKind::File)
            },
        ]
    }
}

/// Files on their way into the lake. Those without a final name are deleted on drop.
#[derive(Default)]
pub(super) struct Drafts(pub(super) Vec<Draft>);

impl Drafts {
    /// Gives every file its final name and syncs its folder, so that the name survives a power cut.
    pub(super) fn name_all(&mut self) -> Result<(), TableError> {
        for Draft { unfinished, file, .. } in &mut self.0 {
            if let Some(from) = unfinished {
                folder::put_in_place(from, &file.path)
                    .map_err(|source| table::io_error("rename", from, source))?;
            }
            *unfinished = None;
        }
        Ok(())
    }
}

impl Drop for Drafts {
    fn drop(&mut self) {
        let left = self.0.iter().filter_map(|draft| draft.unfinished.as_ref());
        // Best effort: the next sealing overwrites what is left.
        left.for_each(|path| fs::remove_file(path).unwrap_or_default());
    }
}
