//! The newest file of each folder, as far as this process wrote it.
//!
//! Only such a file is joined, and only if its bytes are still those that were written: what else
//! lies in a folder is somebody's, and its rows may stand elsewhere too.

use super::draft::Draft;
use super::own_file::OwnFile;
use crate::group::Group;
use crate::layout::HOUR;
use spreadwire_market::clock::Nanos;
use std::collections::BTreeMap;

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
