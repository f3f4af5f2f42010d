//! Writes a segment, block by block, and gives it its closed name.

use super::block::Block;
use super::contents::Contents;
use super::format::{CLOSED_SUFFIX, HEADER_BYTES, OPEN_SUFFIX, SegmentInfo, segment_header};
use crate::disk::{Ahead, STEP_BYTES};
use crate::files;
use crate::inode::Inode;
use crate::run::segment_name;
use spreadwire_market::record::Record;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A segment that is complete and has its closed name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedSegment {
    /// Path of the file.
    pub path: PathBuf,
    /// Number of the segment within its run.
    pub number: u32,
    /// Number of records in it, of every kind.
    pub records: u64,
}

/// A segment that is being written. Its file is locked until it is closed, so that nobody takes it for
/// one that a killed process left.
#[derive(Debug)]
pub struct SegmentWriter {
    file: Arc<File>,
    place: Box<Place>,
    open_path: PathBuf,
    closed_path: PathBuf,
    info: SegmentInfo,
    bytes: u64,
    ahead: Ahead,
    contents: Contents,
    unsynced: bool,
}

impl SegmentWriter {
    /// Creates a segment in `folder` under a name that no file there has yet.
    ///
    /// # Errors
    /// If the file exists, or cannot be created or written. Existing files are left as they are,
    /// and no new file is left behind.
    pub fn create(folder: &Path, info: SegmentInfo) -> io::Result<SegmentWriter> {
        SegmentWriter::create_with(folder, info, STEP_BYTES)
    }

    /// Does what [`create`](SegmentWriter::create) does. Room is allocated ahead in steps of so many
    /// bytes.
    ///
    /// # Errors
    /// The same as `create`.
    pub fn create_with(
        folder: &Path,
        info: SegmentInfo,
        step_bytes: u64,
    ) -> io::Result<SegmentWriter> {
        let name = segment_name(&info.origin.run, info.number);
        let open_path = folder.join(format!("{name}{OPEN_SUFFIX}"));
        let closed_path = folder.join(format!("{name}{CLOSED_SUFFIX}"));
        if closed_path.try_exists()? {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = files::create_new(&open_path)?;
        // A file system without locks has none to give.
        drop(file.try_lock());
        let mut ahead = Ahead::in_steps_of(step_bytes);
        let bytes = HEADER_BYTES as u64;
        let begun =
            ahead.cover(&file, 0, bytes).and_then(|()| (&file).write_all(&segment_header(&info)));
        let place = match begun.and_then(|()| Place::of(folder, &file)) {
            Ok(place) => Box::new(place),
            Err(error) => {
                // If even this fails, the reader recognises the file as cut off.
                fs::remove_file(&open_path).unwrap_or_default();
                return Err(error);
            }
        };
        Ok(SegmentWriter {
            file: Arc::new(file),
            place,
            open_path,
            closed_path,
            info,
            bytes,
            ahead,
            contents: Contents::default(),
            unsynced: true,
        })
    }

    /// Writes a block with one `write` and returns its length in bytes. Clearing the block is left
    /// to the caller.
    ///
    /// # Errors
    /// If the operating system refuses, for example because the disk is full. The file may then end
    /// inside a block: write no more, [`finish`](SegmentWriter::finish) it and have it trimmed.
    pub fn write(&mut self, block: &mut Block) -> io::Result<u64> {
        let bytes = block.bytes();
        let length = bytes.len() as u64;
        self.ahead.cover(&self.file, self.bytes, length)?;
        (&*self.file).write_all(bytes)?;
        self.bytes += length;
        self.contents.add(block);
        self.unsynced = true;
        Ok(length)
    }

    /// Returns the file if anything was written since the last call, so that it can be synced.
    pub fn take_unsynced(&mut self) -> Option<Arc<File>> {
        std::mem::take(&mut self.unsynced).then(|| Arc::clone(&self.file))
    }

    /// Undoes [`take_unsynced`](SegmentWriter::take_unsynced): the file still needs a sync.
    pub fn keep_unsynced(&mut self) {
        self.unsynced = true;
    }

    /// Ends writing; the file keeps its open name until it is closed.
    #[must_use]
    pub fn finish(self) -> FinishedSegment {
        let SegmentWriter { file, place, open_path, closed_path, info, bytes, contents, .. } = self;
        let (number, contents) = (info.number, Box::new(contents));
        let spare = self.ahead.beyond(bytes);
        FinishedSegment { file, place, open_path, closed_path, bytes, spare, number, contents }
    }

    /// Returns whether the file was certainly deleted. A file that cannot be seen now may well be
    /// there, and in a lake that was moved it moved with it.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.place.is_empty(&self.open_path)
    }

    /// Returns the identity of the segment.
    #[must_use]
    pub fn info(&self) -> &SegmentInfo {
        &self.info
    }

    /// Returns what was written so far.
    #[must_use]
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// Replaces the file that is written to. Tests of the journal use it to make writes fail.
    pub fn replace_file(&mut self, file: File) {
        self.file = Arc::new(file);
        self.ahead = Ahead::never();
    }
}

/// A segment's file and the lake around its folder, when it was made.
#[derive(Debug)]
struct Place {
    file: Inode,
    lake: Inode,
    lake_path: PathBuf,
}

impl Place {
    fn of(folder: &Path, file: &File) -> io::Result<Place> {
        let around = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
        let lake_path = around.unwrap_or(folder).to_owned();
        let lake = Inode::of(&fs::metadata(&lake_path)?);
        Ok(Place { file: Inode::of_file(file)?, lake, lake_path })
    }

    /// Returns whether the file has left its path although the lake is where it was.
    fn is_empty(&self, path: &Path) -> bool {
        self.file.has_left(path) && !self.lake.has_left(&self.lake_path)
    }
}

/// Returns records with their numbers as a file: the header of their segment, then a block for each
/// record. Unlike in a segment, numbers may be missing between blocks.
pub(crate) fn records_file(info: &SegmentInfo, records: &[(u64, Record)]) -> Vec<u8> {
    let mut bytes = segment_header(info).to_vec();
    for (number, record) in records {
        let mut block = Block::new(1, *number);
        block.push(record);
        bytes.extend_from_slice(block.bytes());
    }
    bytes
}

/// A segment to which nothing more is written and which still has its open name. Each of its
/// methods may wait for the disk.
#[derive(Debug)]
pub struct FinishedSegment {
    file: Arc<File>,
    place: Box<Place>,
    open_path: PathBuf,
    closed_path: PathBuf,
    bytes: u64,
    spare: u64,
    number: u32,
    contents: Box<Contents>,
}

impl FinishedSegment {
    /// Cuts off the part of a block that a failed write left, and frees the room allocated ahead.
    ///
    /// # Errors
    /// If the operating system refuses. The part stays, and a reader calls the segment truncated.
    pub fn trim(&self) -> io::Result<()> {
        self.file.set_len(self.bytes)
    }

    /// Syncs the file, so that its content survives a power cut.
    ///
    /// # Errors
    /// If the operating system refuses. What is on the disk is then unknown.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Gives the file its closed name.
    ///
    /// # Errors
    /// If the operating system refuses. The file keeps its open name if it still exists.
    pub fn close(&self) -> io::Result<ClosedSegment> {
        fs::rename(&self.open_path, &self.closed_path)?;
        let (path, records) = (self.closed_path.clone(), self.contents.records);
        Ok(ClosedSegment { path, number: self.number, records })
    }

    /// Returns whether the file was certainly deleted, as [`SegmentWriter::is_gone`] does.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.place.is_empty(&self.open_path)
    }

    /// Returns the room allocated beyond what was written, bytes, which [`trim`](FinishedSegment::trim)
    /// gives back.
    #[must_use]
    pub fn spare(&self) -> u64 {
        self.spare
    }

    /// Returns the number of the segment within its run.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Returns what was written so far.
    #[must_use]
    pub fn contents(&self) -> &Contents {
        &self.contents
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Origin, RunId};
    use crate::segment::SegmentReader;
    use spreadwire_kit::records::quote;

    #[test]
    fn a_segments_length_is_what_was_written_and_a_part_of_a_block_is_cut_off() {
        let origin = Origin { run: RunId::new("run-1").unwrap(), catalogue: 0 };
        let info = SegmentInfo { origin, number: 3, started_at: 77 };
        let home = tempfile::tempdir().unwrap();
        let mut segment = SegmentWriter::create(home.path(), info).unwrap();
        let mut block = Block::new(4, 100);
        block.push(&quote(1));
        segment.write(&mut block).unwrap();
        let open = home.path().join("run-1-000003.seg.open");
        assert_eq!(fs::metadata(&open).unwrap().len(), 192, "room ahead is no length");
        // What a write that fails in the middle leaves.
        File::options().append(true).open(&open).unwrap().write_all(&[7; 100]).unwrap();
        let finished = segment.finish();
        finished.trim().unwrap();
        let closed = finished.close().unwrap();
        assert_eq!(fs::metadata(&closed.path).unwrap().len(), 192);
        use std::os::unix::fs::MetadataExt;
        let held = fs::metadata(&closed.path).unwrap().blocks() * 512;
        assert!(held < STEP_BYTES, "the room ahead is given back, not {held}");
        let reader = SegmentReader::open(&closed.path).unwrap();
        let blocks: Vec<_> = reader.map(|block| block.unwrap().records).collect();
        assert_eq!(blocks, [[quote(1)]]);
        assert!(finished.close().is_err(), "it has its name");
    }
}
