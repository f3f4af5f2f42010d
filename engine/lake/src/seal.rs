//! Sealing: a closed segment of the journal becomes Parquet files in the lake.
//!
//! The records of a segment are grouped by table and folder and sorted by time, in the order of the
//! journal where times are equal. Each group becomes a file, or joins the newest file of its folder
//! where one of the two is small, so that an hour's edge or a quiet instrument leaves no tiny files.
//! Every file is written under another name and read back; then the ledger gets its entries, the
//! files get their names, and only then the segment is deleted. The footer lists the segments that a
//! file has rows of, so that sealing again after a crash finds what is done already. For cold
//! threads.
//!
//! `content` is a segment in memory, `rows` writes a group of its records as a file, `draft` is a
//! file that does not have its name yet, and `sealer` is the loop that seals what the journal closes.

use crate::columns::{Columns, NamesError, RowError};
use crate::folder;
use crate::layout::{self, PARQUET_SUFFIX, UNFINISHED_SUFFIX};
use crate::ledger::Book;
use crate::lock::{self, LockError};
use crate::run::{catalogue_digest, number_name};
use crate::segment::{SegmentError, SegmentInfo, SegmentReader};
use crate::table::{self, TableError};
use arrow_schema::ArrowError;
use spreadwire_market::clock::Nanos;
use spreadwire_market::instrument::Catalogue;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

mod content;
mod draft;
mod rows;
mod sealer;

use content::Content;
pub use content::Tally;
use draft::{Draft, Drafts};
pub use rows::{EDGE_ROWS_MAX, JOINED_ROWS_MAX, SMALL_ROWS};
use rows::{Rows, files_of, write_file};
pub use sealer::Sealer;

/// What became of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The segment's own header.
    pub info: SegmentInfo,
    /// Files that hold its rows now, in the order written.
    pub files: Vec<SealedFile>,
    /// Number of records of each kind in the segment.
    pub tally: Tally,
    /// Number after that of its last record; `None` if the segment held none.
    pub next_sequence: Option<u64>,
    /// Latest receive time in the segment; if it is empty, the time at which it was begun.
    pub last_time: Nanos,
    /// Offset at which the last whole block ended, if the segment was cut off within the next one.
    pub truncated_at: Option<u64>,
    /// Offsets of damaged blocks. The whole blocks around them are sealed, and the segment is kept.
    pub damaged_at: Vec<u64>,
}

/// A Parquet file of the lake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedFile {
    /// Path of the file.
    pub path: PathBuf,
    /// Number of rows, from its footer.
    pub rows: u64,
}

/// Why a segment was not sealed. The segment stays where it is, and sealing it can be tried again.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The segment cannot be read.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// The segment was written with another catalogue, so its ids mean something else.
    #[error("the segment was written with another catalogue of instruments and venues")]
    OtherCatalogue,
    /// The segment is of another run than the book.
    #[error("the segment is one of another run")]
    OtherRun,
    /// The catalogue's names cannot be folders.
    #[error(transparent)]
    Names(#[from] NamesError),
    /// A record cannot be a row.
    #[error(transparent)]
    Row(#[from] RowError),
    /// Columns do not fit their table.
    #[error("the columns do not fit the table")]
    Columns(#[from] ArrowError),
    /// A file of the lake cannot be written or read back.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A file was read back and does not have the rows that were written into it.
    #[error("{path} was read back and does not have the rows that were written")]
    Differs {
        /// The file.
        path: PathBuf,
    },
    /// The lake cannot be locked.
    #[error(transparent)]
    Lock(#[from] LockError),
}

/// Seals a segment into the lake of `book`, which is that of its run, and deletes it. A damaged segment is moved to the folder
/// [`layout::DAMAGED`] instead. Rows that an earlier attempt has sealed are not sealed twice. Nobody
/// may write to the segment any more.
///
/// # Errors
/// [`SealError`]; the segment stays.
pub fn seal_segment(path: &Path, book: &Book, catalogue: &Catalogue) -> Result<Sealed, SealError> {
    let work = Work { book, catalogue, resumed: true };
    work.seal(path, SegmentReader::open(path)?, None)
}

/// Seals what is whole in a segment whose header is damaged. `info` replaces the header; it comes
/// from the file's name and the run's mark.
///
/// # Errors
/// [`SealError`]; the segment stays.
pub fn seal_headless(
    path: &Path,
    book: &Book,
    catalogue: &Catalogue,
    info: SegmentInfo,
) -> Result<Sealed, SealError> {
    let work = Work { book, catalogue, resumed: true };
    work.seal(path, SegmentReader::open_headless(path, info)?, None)
}

/// Where to seal, with which names, and whether an earlier attempt may have done part of it.
struct Work<'a> {
    book: &'a Book,
    catalogue: &'a Catalogue,
    resumed: bool,
}

impl Work<'_> {
    fn seal(
        &self,
        path: &Path,
        reader: SegmentReader<io::BufReader<fs::File>>,
        written: Option<u64>,
    ) -> Result<Sealed, SealError> {
        let origin = reader.info().origin;
        if origin.catalogue != catalogue_digest(self.catalogue) {
            return Err(SealError::OtherCatalogue);
        }
        if origin.run != self.book.run() {
            return Err(SealError::OtherRun);
        }
        let content = Content::read(reader, written)?;
        let run = content.info.origin.run;
        let columns = Columns::new(self.catalogue, run.as_str())?;
        let columns = columns.of_provenance(self.book.provenance());
        content.check(&columns)?;
        let _lock = lock::changes(self.book.lake())?;
        let mut drafts = Drafts::default();
        for (group, mut places) in content.groups() {
            // The sort is stable, so the journal's order breaks ties.
            places.sort_by_key(|at| content.records[*at as usize].ts_recv());
            let rows = Rows { group, places, content: &content, columns: &columns };
            drafts.0.push(self.draft(&rows)?);
        }
        let mut entries = content.entries(self.catalogue, path);
        drafts.0.iter().for_each(|draft| entries.extend(draft.entries(&content.info)));
        self.book.write(&number_name(content.info.number), content.info.started_at, &entries)?;
        drafts.name_all()?;
        self.put_away(path, &content)?;
        let files = drafts.0.iter().map(|draft| draft.file.clone()).collect();
        Ok(content.sealed(files))
    }

    /// Writes a group's file under a name that readers ignore, and reads it back.
    fn draft(&self, rows: &Rows<'_>) -> Result<Draft, SealError> {
        let relative = rows.columns.folder(&rows.group);
        let folder = self.book.lake().join(&relative);
        let io = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| table::io_error(doing, &path, source)
        };
        folder::create_in(self.book.lake(), &folder).map_err(io("make the folder", &folder))?;
        let newest = files_of(&folder).map_err(io("list", &folder))?;
        if self.resumed
            && let Some(done) = rows.already_in(&newest)
        {
            return Draft::of_done(rows, relative, done);
        }
        let joined = rows.join(newest.last());
        let path = match &joined {
            Some(joined) => joined.path.clone(),
            None => folder.join(format!("{}{PARQUET_SUFFIX}", rows.segment_name())),
        };
        let unfinished = path.with_extension(&UNFINISHED_SUFFIX[1..]);
        let (written, digest) = match joined {
            None => {
                let written = write_file(&unfinished, rows, None, rows.batches())?;
                (written, written.digest)
            }
            Some(joined) => rows.write_joined(&unfinished, &joined)?,
        };
        let file = SealedFile { path, rows: written.rows };
        let own = rows.own(digest);
        Ok(Draft { unfinished: Some(unfinished), file, relative, written, own })
    }

    /// Deletes the segment, or puts it aside if it was damaged.
    fn put_away(&self, path: &Path, content: &Content) -> Result<(), SealError> {
        let io = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| table::io_error(doing, &path, source)
        };
        if content.damaged_at.is_empty() {
            fs::remove_file(path).map_err(io("delete", path))?;
        } else {
            let aside = self.book.lake().join(layout::DAMAGED);
            folder::create_in(self.book.lake(), &aside).map_err(io("make the folder", &aside))?;
            let kept = aside.join(path.file_name().unwrap_or_default());
            folder::put_in_place(path, &kept).map_err(io("put aside", path))?;
        }
        if let Some(journal) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            folder::sync(journal).map_err(io("sync", journal))?;
        }
        Ok(())
    }
}
