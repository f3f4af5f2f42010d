//! Sealing: a closed segment of the journal becomes Parquet files in the lake.
//!
//! The records of a segment are grouped by table and folder and sorted by time, in the order of the
//! journal where times are equal. Each group becomes a file, or joins the newest file that this
//! process wrote into its folder where one of the two is small, so that an hour's edge or a quiet
//! instrument leaves no tiny files. Every file is written under another name and read back; then the
//! ledger gets its entries, the files get their names, and only then the segment is deleted. The
//! footer lists the segments that a file has rows of, so that sealing again after a crash finds what
//! is done already; a file is believed only if the ledger knows its bytes. For cold threads.
//!
//! `content` is a segment in memory, `unfit` what the lake cannot hold of it, `rows` writes a group of
//! its records as a file, `newest` remembers the files that may be joined, `draft` is a file that does
//! not have its name yet, `done` finds what an earlier attempt has sealed, and `sealer` is the loop
//! that seals what the journal closes.

use crate::columns::Columns;
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
use std::time::Duration;

mod content;
mod done;
mod draft;
mod newest;
mod own_file;
mod rows;
mod sealer;
mod unfit;

use content::Content;
pub use content::Tally;
use done::Done;
use draft::{Draft, Drafts, Step};
use newest::Newest;
pub use rows::{EDGE_ROWS_MAX, JOINED_ROWS_MAX, SMALL_ROWS};
use rows::{Rows, write_file};
pub use sealer::Sealer;
pub use unfit::UNFIT_SUFFIX;

/// Longest wait for whoever else changes the lake.
const CHANGES_WAIT: Duration = Duration::from_secs(5);

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
    /// How many records the lake cannot hold, by reason, in words; empty if there are none.
    pub unfit: String,
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

/// Seals one segment, as [`RunSealer::seal`] does.
///
/// # Errors
/// [`SealError`]; the segment stays.
pub fn seal_segment(path: &Path, book: &Book, catalogue: &Catalogue) -> Result<Sealed, SealError> {
    RunSealer::new(book.clone(), catalogue.clone()).seal(path)
}

/// Seals the segments of one run, one after another.
#[derive(Debug)]
pub struct RunSealer {
    book: Book,
    catalogue: Catalogue,
    newest: Newest,
    /// Longest wait for whoever else changes the lake.
    patience: Duration,
    /// Whether it is waited for at all.
    patient: bool,
}

impl RunSealer {
    /// Makes a sealer for the run of a book, whose segments were written with `catalogue`.
    #[must_use]
    pub fn new(book: Book, catalogue: Catalogue) -> RunSealer {
        RunSealer {
            book,
            catalogue,
            newest: Newest::default(),
            patience: CHANGES_WAIT,
            patient: true,
        }
    }

    /// Seals a segment and deletes it. A damaged segment is moved to the folder [`layout::DAMAGED`]
    /// instead. Rows that an earlier attempt has sealed are not sealed twice. Nobody may write to the
    /// segment any more.
    ///
    /// # Errors
    /// [`SealError`]; the segment stays.
    pub fn seal(&mut self, path: &Path) -> Result<Sealed, SealError> {
        self.work(path, SegmentReader::open(path)?, None, true)
    }

    /// Seals what is whole in a segment whose header is damaged. `info` replaces the header; it comes
    /// from the file's name and the run's mark.
    ///
    /// # Errors
    /// [`SealError`]; the segment stays.
    pub fn seal_headless(&mut self, path: &Path, info: SegmentInfo) -> Result<Sealed, SealError> {
        self.work(path, SegmentReader::open_headless(path, info)?, None, true)
    }

    /// From now on, whoever changes the lake is not waited for.
    fn lose_patience(&mut self) {
        self.patient = false;
    }

    fn be_patient(&mut self) {
        self.patient = true;
    }

    fn patience_now(&self) -> Duration {
        if self.patient { self.patience } else { Duration::ZERO }
    }

    fn wait_for(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Seals a segment. `written` is how many records its writer counted, and `resumed` whether an
    /// earlier attempt may have done part of it.
    fn work(
        &mut self,
        path: &Path,
        reader: SegmentReader<io::BufReader<fs::File>>,
        written: Option<u64>,
        resumed: bool,
    ) -> Result<Sealed, SealError> {
        let origin = reader.info().origin;
        if origin.catalogue != catalogue_digest(&self.catalogue) {
            return Err(SealError::OtherCatalogue);
        }
        if origin.run != self.book.run() {
            return Err(SealError::OtherRun);
        }
        let columns = Columns::of_any(&self.catalogue, origin.run.as_str());
        let columns = columns.of_provenance(self.book.provenance());
        let content = Content::read(reader, written, &columns)?;
        let _lock = lock::changes_within(self.book.lake(), self.patience_now())?;
        let done = resumed.then(|| Done::new(self.book.lake()));
        let mut drafts = Drafts::default();
        for (group, mut places) in content.groups() {
            // The sort is stable, so the journal's order breaks ties.
            places.sort_by_key(|at| content.records[*at as usize].ts_recv());
            let rows = Rows { group, places, content: &content, columns: &columns };
            drafts.0.push((group, self.draft(&rows, done.as_ref())?));
        }
        content.unfit.put_aside(self.book.lake(), &content.info)?;
        let mut entries = content.entries(&self.catalogue, path);
        drafts.0.iter().for_each(|(_, draft)| entries.extend(draft.entries(&content.info)));
        self.book.write(&number_name(content.info.number), content.info.started_at, &entries)?;
        drafts.name_all()?;
        drafts.0.iter().for_each(|(group, draft)| self.newest.take(*group, draft));
        self.newest.forget_before(content.last_time);
        self.put_away(path, &content)?;
        let files = drafts.0.iter().map(|(_, draft)| draft.file.clone()).collect();
        Ok(content.sealed(files))
    }

    /// Writes a group's file under a name that readers ignore, and reads it back.
    fn draft(&self, rows: &Rows<'_>, done: Option<&Done<'_>>) -> Result<Draft, SealError> {
        let relative = rows.columns.folder(&rows.group);
        let folder = self.book.lake().join(&relative);
        folder::create_in(self.book.lake(), &folder)
            .map_err(|source| table::io_error("make the folder", &folder, source))?;
        let path = folder.join(format!("{}{PARQUET_SUFFIX}", rows.segment_name()));
        if let Some(found) = done.map(|done| done.find(rows, &relative)).transpose()?.flatten() {
            return Draft::of_done(rows, relative, path, found);
        }
        let joined = self.newest.of(&rows.group).and_then(|newest| rows.join(newest));
        let unfinished = path.with_extension(&UNFINISHED_SUFFIX[1..]);
        let (written, digest) = match &joined {
            None => {
                let written = write_file(&unfinished, rows, None, rows.batches())?;
                (written, written.digest)
            }
            Some(joined) => rows.write_joined(&unfinished, joined)?,
        };
        let replaces = joined.map(|joined| joined.path).filter(|replaced| *replaced != path);
        let file = SealedFile { path, rows: written.rows };
        let own = rows.own(digest);
        Ok(Draft { step: Step::Written { unfinished, replaces }, file, relative, written, own })
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
