//! The newest file of each folder, as far as this process wrote it.
//!
//! Only such a file is joined, and only if its bytes are still those that were written: what else
//! lies in a folder is somebody's, and its rows may stand elsewhere too.

use super::draft::Draft;
use crate::group::Group;
use crate::layout::HOUR;
use bytes::Bytes;
use spreadwire_market::clock::Nanos;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// A file as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OwnFile {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    pub(super) crc: u32,
}

impl OwnFile {
    /// Returns the file's bytes, if they are still those that were written.
    pub(super) fn read(&self) -> Option<Bytes> {
        let path = self.path.display();
        match fs::read(&self.path) {
            Ok(bytes) if self.is_of(&bytes) => return Some(bytes.into()),
            Ok(_) => tracing::warn!("{path} is not as it was written: no rows join it"),
            Err(error) => tracing::warn!("cannot read {path}: {error}: no rows join it"),
        }
        None
    }

    fn is_of(&self, bytes: &[u8]) -> bool {
        (self.bytes, self.crc) == (bytes.len() as u64, crc32c::crc32c(bytes))
    }
}

/// The newest file of each group that this process wrote.
#[derive(Debug, Default)]
pub(super) struct Newest(BTreeMap<Group, OwnFile>);

impl Newest {
    pub(super) fn of(&self, group: &Group) -> Option<&OwnFile> {
        self.0.get(group)
    }

    /// Remembers a file that has its name now, unless an earlier process may have written it.
    pub(super) fn take(&mut self, group: Group, draft: &Draft) {
        if draft.is_own() {
            let (bytes, crc) = (draft.written.bytes, draft.written.crc);
            self.0.insert(group, OwnFile { path: draft.file.path.clone(), bytes, crc });
        }
    }

    /// Forgets the files of hours and days that were over a day before `time`: what is later gets files
    /// of its own.
    pub(super) fn forget_before(&mut self, time: Nanos) {
        self.0.retain(|group, _| !group.is_over(time.saturating_sub(24 * HOUR)));
    }
}
