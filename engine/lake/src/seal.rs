//! Sealing: a closed segment of the journal becomes Parquet files in the lake.
//!
//! The records of a segment are grouped by table and folder and sorted by time, in the order of the
//! journal where times are equal. Each group becomes a file, or joins the newest file of its folder
//! where one of the two is small, so that an hour's edge or a quiet instrument leaves no tiny files.
//! Every file is written under another name and read back; then the ledger gets its entries, the
//! files get their names, and only then the segment is deleted. The footer lists the segments that a
//! file has rows of, so that sealing again after a crash finds what is done already. It runs on a
//! cold thread and must not know the journal's agent or any ring.

use crate::columns::{Columns, NamesError, RowError};
use crate::folder;
use crate::group::Group;
use crate::layout::{self, PARQUET_SUFFIX, UNFINISHED_SUFFIX};
use crate::ledger::{self, Cause, Entry, EntryKind};
use crate::lock::{self, LockError};
use crate::run::{catalogue_digest, segment_name};
use crate::segment::{ClosedSegment, SegmentError, SegmentInfo, SegmentReader};
use crate::table::{
    self, BATCH_ROWS, Metadata, Table, TableError, TableReader, TableWriter, Written,
};
use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use crossbeam::channel::{Receiver, RecvTimeoutError};
use rustc_hash::FxHashMap;
use spreadwire_market::clock::Nanos;
use spreadwire_market::counters::{Counter, Counters};
use spreadwire_market::instrument::Catalogue;
use spreadwire_market::record::{Gap, GapCause, Kind, Record, Status, numbers_taken};
use spreadwire_market::state::{Reason, State};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A group or a file with fewer rows than this does not stay alone if the folder has another file.
pub const SMALL_ROWS: u64 = 4096;
/// A file grows no further by joining than this, so that small segments do not write it again and
/// again.
pub const JOINED_ROWS_MAX: u64 = 1 << 16;
/// Rows of an hour that is over join a file of up to so many: they are the last ones, and few.
pub const EDGE_ROWS_MAX: u64 = 1 << 20;
/// Where the first block of a segment begins.
const FIRST_BLOCK: u64 = size_of::<Record>() as u64;
/// Segments that could not be sealed are tried again this often.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);

/// What became of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// What the segment said of itself.
    pub info: SegmentInfo,
    /// The files that its rows are in now, in the order written.
    pub files: Vec<SealedFile>,
    /// What the segment held.
    pub tally: Tally,
    /// The number after its last record; `None` if it held none.
    pub next_sequence: Option<u64>,
    /// The latest receive time in it; of an empty one when it was begun.
    pub last_time: Nanos,
    /// Where the last whole block ended, if the segment was cut off inside the one after it.
    pub truncated_at: Option<u64>,
    /// Where blocks were damaged; the whole ones around them are sealed, the segment is kept.
    pub damaged_at: Vec<u64>,
}

/// A Parquet file of the lake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its rows, as its footer says.
    pub rows: u64,
}

/// Records of a segment by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Quotes.
    pub quotes: u64,
    /// Statuses.
    pub statuses: u64,
    /// Spreads.
    pub spreads: u64,
    /// Opportunities that opened or closed.
    pub opportunities: u64,
    /// Gap marks, which are no rows but entries of the ledger.
    pub gaps: u64,
    /// Inputs that the gap marks stand for.
    pub missed: u64,
}

impl Tally {
    fn count(&mut self, record: &Record) {
        match record.kind() {
            Some(Kind::Quote) => self.quotes += 1,
            Some(Kind::Status) => self.statuses += 1,
            Some(Kind::Spread) => self.spreads += 1,
            Some(Kind::Opened | Kind::Closed) => self.opportunities += 1,
            Some(Kind::Gap) => {
                self.gaps += 1;
                self.missed = self.missed.saturating_add(numbers_taken(record));
            }
            // The reader hands out no others.
            _ => {}
        }
    }

    /// Records of every kind.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.quotes + self.statuses + self.spreads + self.opportunities + self.gaps
    }
}

/// Why a segment was not sealed. It stays where it is, and can be sealed again.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The segment cannot be read.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// Its ids mean something else than those of the catalogue at hand.
    #[error("the segment was written with another catalogue of instruments and venues")]
    OtherCatalogue,
    /// The catalogue's names cannot be folders.
    #[error(transparent)]
    Names(#[from] NamesError),
    /// A record that cannot be a row.
    #[error(transparent)]
    Row(#[from] RowError),
    /// Columns that do not fit their table.
    #[error("the columns do not fit the table")]
    Columns(#[from] ArrowError),
    /// A file of the lake cannot be written, or not be read back.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A file that was read back does not have the rows that went into it.
    #[error("{path} was read back and does not have the rows that were written")]
    Differs {
        /// The file.
        path: PathBuf,
    },
    /// The lake cannot be locked.
    #[error(transparent)]
    Lock(#[from] LockError),
}

/// Seals a segment, to which nobody writes any more, into `lake`, and deletes it; one that is
/// damaged is kept in the folder [`layout::DAMAGED`]. What was sealed of it before is not sealed
/// twice.
///
/// # Errors
/// [`SealError`]; the segment stays.
pub fn seal_segment(path: &Path, lake: &Path, catalogue: &Catalogue) -> Result<Sealed, SealError> {
    let work = Work { lake, catalogue, resumed: true };
    work.seal(path, SegmentReader::open(path)?, None)
}

/// Seals what is whole in a segment whose header is damaged, by what its name and its run tell.
///
/// # Errors
/// [`SealError`]; the segment stays.
pub fn seal_headless(
    path: &Path,
    lake: &Path,
    catalogue: &Catalogue,
    info: SegmentInfo,
) -> Result<Sealed, SealError> {
    let work = Work { lake, catalogue, resumed: true };
    work.seal(path, SegmentReader::open_headless(path, info)?, None)
}

/// The cold side of the journal: seals what it is sent.
#[derive(Debug)]
pub struct Sealer {
    lake: PathBuf,
    catalogue: Catalogue,
    counts: Counts,
    /// Segments that could not be sealed, and why.
    unsealed: Vec<(ClosedSegment, String)>,
}

#[derive(Debug)]
struct Counts {
    rows: Counter,
    files: Counter,
    segments: Counter,
    failed: Counter,
    statuses: Counter,
    gaps: Counter,
    missed: Counter,
    damaged: Counter,
    unsealed: Counter,
}

impl Sealer {
    /// A sealer into `lake` for segments written with `catalogue`.
    #[must_use]
    pub fn new(lake: &Path, catalogue: Catalogue, counters: &Counters) -> Sealer {
        let named = |name: &str| counters.counter(&format!("seal.{name}"));
        let counts = Counts {
            rows: named("rows"),
            files: named("files"),
            segments: named("segments"),
            failed: named("failed"),
            statuses: named("statuses"),
            gaps: named("gaps"),
            missed: named("missed"),
            damaged: named("damaged"),
            unsealed: named("unsealed"),
        };
        Sealer { lake: lake.to_owned(), catalogue, counts, unsealed: Vec::new() }
    }

    /// Seals what comes until every sender is gone and everything is sealed. For a cold thread: it
    /// blocks, and logs. Returns a sentence for each segment that was not sealed.
    pub fn run(mut self, segments: &Receiver<ClosedSegment>) -> Vec<String> {
        loop {
            match segments.recv_timeout(RETRY_INTERVAL) {
                Ok(closed) => self.seal(closed, false),
                Err(RecvTimeoutError::Timeout) => self.retry(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.retry();
        self.unsealed.into_iter().map(|(_, sentence)| sentence).collect()
    }

    /// Tries those again that could not be sealed: a disk may have room again.
    fn retry(&mut self) {
        for (closed, _) in std::mem::take(&mut self.unsealed) {
            self.seal(closed, true);
        }
    }

    fn seal(&mut self, closed: ClosedSegment, again: bool) {
        let path = closed.path.display();
        let work = Work { lake: &self.lake, catalogue: &self.catalogue, resumed: again };
        let reader = SegmentReader::open(&closed.path).map_err(SealError::from);
        match reader.and_then(|reader| work.seal(&closed.path, reader, Some(closed.records))) {
            Ok(sealed) => {
                self.count(&sealed);
                tracing::debug!(%path, rows = sealed.tally.quotes, "segment sealed");
            }
            Err(error) => {
                let sentence =
                    format!("segment {path} stays unsealed: {:#}", anyhow::Error::from(error));
                if !again {
                    self.counts.failed.add(1);
                    tracing::error!("{sentence}");
                }
                self.unsealed.push((closed, sentence));
            }
        }
        self.counts.unsealed.set(self.unsealed.len() as u64);
    }

    fn count(&self, sealed: &Sealed) {
        let Counts { rows, files, segments, statuses, gaps, missed, .. } = &self.counts;
        segments.add(1);
        rows.add(sealed.tally.quotes);
        files.add(sealed.files.len() as u64);
        statuses.add(sealed.tally.statuses);
        gaps.add(sealed.tally.gaps);
        missed.add(sealed.tally.missed);
        if !sealed.damaged_at.is_empty() {
            self.counts.damaged.add(1);
            let number = sealed.info.number;
            tracing::error!(
                "segment {number} was damaged at {:?}: what is whole was sealed",
                sealed.damaged_at
            );
        }
    }
}

/// Where to, with which names, and whether somebody may have begun before.
struct Work<'a> {
    lake: &'a Path,
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
        if reader.info().origin.catalogue != catalogue_digest(self.catalogue) {
            return Err(SealError::OtherCatalogue);
        }
        let content = Content::read(reader, written)?;
        let run = content.info.origin.run;
        let columns = Columns::new(self.catalogue, run.as_str())?;
        content.check(&columns)?;
        let _lock = lock::changes(self.lake)?;
        let mut drafts = Drafts::default();
        for (group, mut places) in content.groups() {
            // Stable: the journal's order breaks ties.
            places.sort_by_key(|at| content.records[*at as usize].ts_recv());
            let rows = Rows { group, places, content: &content, columns: &columns };
            drafts.0.push(self.draft(&rows)?);
        }
        let mut entries = content.entries(self.catalogue, path);
        drafts.0.iter().for_each(|draft| entries.extend(draft.entries(&content.info)));
        let name = segment_name(&run, content.info.number);
        ledger::write(self.lake, &name, content.info.started_at, &entries)?;
        drafts.name_all()?;
        self.put_away(path, &content)?;
        let files = drafts.0.iter().map(|draft| draft.file.clone()).collect();
        Ok(content.sealed(files))
    }

    /// Writes a group's file under a name that no reader takes, and reads it back.
    fn draft(&self, rows: &Rows<'_>) -> Result<Draft, SealError> {
        let relative = rows.columns.folder(&rows.group);
        let folder = self.lake.join(&relative);
        let io = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| table::io_error(doing, &path, source)
        };
        folder::create(&folder).map_err(io("make the folder", &folder))?;
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

    /// Deletes the segment, or keeps it aside if it was damaged.
    fn put_away(&self, path: &Path, content: &Content) -> Result<(), SealError> {
        let io = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| table::io_error(doing, &path, source)
        };
        if content.damaged_at.is_empty() {
            fs::remove_file(path).map_err(io("delete", path))?;
        } else {
            let aside = self.lake.join(layout::DAMAGED);
            folder::create(&aside).map_err(io("make the folder", &aside))?;
            let kept = aside.join(path.file_name().unwrap_or_default());
            folder::put_in_place(path, &kept).map_err(io("put aside", path))?;
        }
        if let Some(journal) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            folder::sync(journal).map_err(io("sync", journal))?;
        }
        Ok(())
    }
}

/// The finished Parquet files of a folder, sorted by name, which is by time.
fn files_of(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "parquet") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Writes batches and reads them back.
fn write_file(
    path: &Path,
    rows: &Rows<'_>,
    joined: Option<&Metadata>,
    batches: impl Iterator<Item = Result<RecordBatch, ArrowError>>,
) -> Result<Written, SealError> {
    let of = rows.group.table();
    let write = || -> Result<Written, SealError> {
        let mut writer = TableWriter::create(path, of, rows.metadata(joined))?;
        for batch in batches {
            writer.write(&batch?)?;
        }
        let written = writer.finish()?;
        if TableReader::open(path, of)?.sum()? == (written.rows, written.digest) {
            return Ok(written);
        }
        Err(SealError::Differs { path: path.to_owned() })
    };
    // Best effort: the next sealing overwrites what is left.
    write().inspect_err(|_| fs::remove_file(path).unwrap_or_default())
}

/// The rows of one group.
struct Rows<'a> {
    group: Group,
    /// Places of the records in the content, in the order of the rows.
    places: Vec<u32>,
    content: &'a Content,
    columns: &'a Columns<'a>,
}

/// A group's rows as the ledger will have them.
struct Own {
    table: &'static Table,
    venue: Option<String>,
    instrument: Option<String>,
    first: Option<u64>,
    last: Option<u64>,
    rows: u64,
    digest: u64,
}

/// A file that a group's rows join.
struct Joined {
    path: PathBuf,
    metadata: Metadata,
    batches: Vec<RecordBatch>,
    digest: u64,
}

impl Rows<'_> {
    fn segment_name(&self) -> String {
        let info = &self.content.info;
        segment_name(&info.origin.run, info.number)
    }

    fn batches(&self) -> impl Iterator<Item = Result<RecordBatch, ArrowError>> {
        let Content { records, numbers, .. } = self.content;
        self.places.chunks(BATCH_ROWS).map(|places| {
            let numbered = places.iter().map(|at| *at as usize);
            let records: Vec<_> = numbered.map(|at| (&records[at], numbers[at])).collect();
            self.columns.batch(&self.group, &records)
        })
    }

    fn digest(&self) -> Result<u64, ArrowError> {
        self.batches().try_fold(0, |sum: u64, batch| Ok(sum.wrapping_add(table::digest(&batch?))))
    }

    /// Writes the rows of a file and these as one; returns the digest of these as well.
    fn write_joined(&self, path: &Path, joined: &Joined) -> Result<(Written, u64), SealError> {
        let own: Vec<_> = self.batches().collect::<Result<_, _>>()?;
        let digest = own.iter().map(table::digest).fold(0, u64::wrapping_add);
        let all = self.group.table().sorted(&[&joined.batches[..], &own[..]].concat())?;
        let rows = all.num_rows();
        let chunks = (0..rows).step_by(BATCH_ROWS);
        let chunks = chunks.map(|at| Ok(all.slice(at, BATCH_ROWS.min(rows - at))));
        let written = write_file(path, self, Some(&joined.metadata), chunks)?;
        if written.digest == joined.digest.wrapping_add(digest) {
            return Ok((written, digest));
        }
        fs::remove_file(path).unwrap_or_default();
        Err(SealError::Differs { path: path.to_owned() })
    }

    /// The file that this segment's rows are in, from an earlier attempt.
    fn already_in(&self, files: &[PathBuf]) -> Option<PathBuf> {
        let part = self.part();
        let has_it = |path: &&PathBuf| {
            let reader = TableReader::open(path, self.group.table());
            reader.is_ok_and(|reader| parts_of(reader.metadata()).any(|found| found == part))
        };
        files.iter().find(has_it).cloned()
    }

    /// This segment's part in a file: run, segment, rows.
    fn part(&self) -> String {
        let info = &self.content.info;
        format!("{}:{}:{}", info.origin.run, info.number, self.places.len())
    }

    fn metadata(&self, joined: Option<&Metadata>) -> Metadata {
        let mut metadata = self.columns.metadata(&self.group);
        let parts = joined.into_iter().flat_map(parts_of);
        let parts: Vec<String> = parts.chain([self.part()]).collect();
        metadata.insert("parts".to_owned(), parts.join(","));
        metadata
    }

    /// The newest file of the folder, if it and these rows should be one. A file that cannot be
    /// read is left alone.
    fn join(&self, newest: Option<&PathBuf>) -> Option<Joined> {
        let path = newest?;
        let own = self.places.len() as u64;
        let reader = TableReader::open(path, self.group.table()).ok()?;
        let (there, metadata) = (reader.rows(), reader.metadata().clone());
        let small = own < SMALL_ROWS || there < SMALL_ROWS;
        let is_edge = self.group.is_over(self.content.last_time);
        let rows_max = if is_edge { EDGE_ROWS_MAX } else { JOINED_ROWS_MAX };
        if !small || rows_max < own + there {
            return None;
        }
        // Another catalogue may have kept the instrument with other scales.
        let mut same = self.columns.metadata(&self.group).into_iter();
        if !same.all(|(key, value)| metadata.get(&key) == Some(&value)) {
            return None;
        }
        let batches: Vec<_> = reader.collect::<Result<_, _>>().ok()?;
        let digest = batches.iter().map(table::digest).fold(0, u64::wrapping_add);
        Some(Joined { path: path.clone(), metadata, batches, digest })
    }

    fn own(&self, digest: u64) -> Own {
        let numbers = || self.places.iter().map(|at| self.content.numbers[*at as usize]);
        let (venue, instrument) = self.columns.names(&self.group);
        Own {
            table: self.group.table(),
            venue: venue.map(str::to_owned),
            instrument: instrument.map(str::to_owned),
            first: numbers().min(),
            last: numbers().max(),
            rows: self.places.len() as u64,
            digest,
        }
    }
}

/// The parts that a file says it has.
fn parts_of(metadata: &Metadata) -> impl Iterator<Item = String> {
    let parts = metadata.get("parts").cloned().unwrap_or_default();
    parts.split(',').map(str::to_owned).collect::<Vec<_>>().into_iter()
}

/// A file on its way into the lake.
struct Draft {
    /// `None` if it has its name already.
    unfinished: Option<PathBuf>,
    file: SealedFile,
    /// The folder, from the lake's top.
    relative: PathBuf,
    written: Written,
    own: Own,
}

impl Draft {
    /// The rows were sealed by an earlier attempt.
    fn of_done(rows: &Rows<'_>, relative: PathBuf, path: PathBuf) -> Result<Draft, SealError> {
        let digest = rows.digest()?;
        let of = rows.group.table();
        let (bytes, crc) =
            table::checksum(&path).map_err(|source| table::io_error("read", &path, source))?;
        let found = TableReader::open(&path, of)?.rows();
        let written = Written { rows: found, bytes, crc, digest };
        let file = SealedFile { path, rows: found };
        Ok(Draft { unfinished: None, file, relative, written, own: rows.own(digest) })
    }

    fn entries(&self, info: &SegmentInfo) -> [Entry; 2] {
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

/// Files on their way; what has no name yet when this goes is deleted.
#[derive(Default)]
struct Drafts(Vec<Draft>);

impl Drafts {
    /// Gives every file its name, so that it survives a power cut.
    fn name_all(&mut self) -> Result<(), TableError> {
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

/// Numbers lost to damage, as far as they are known, and between which records.
#[derive(Clone, Copy)]
struct Lost {
    first: Option<u64>,
    /// The number after the last one.
    next: Option<u64>,
    from: Nanos,
    until: Option<Nanos>,
}

/// A segment in memory.
struct Content {
    info: SegmentInfo,
    /// Every record but gap marks, in their order.
    records: Vec<Record>,
    /// Of each record its number, or that of the next input.
    numbers: Vec<u64>,
    /// Gap marks with the first number that they stand for, and when the next record came.
    gaps: Vec<(Gap, u64, Option<Nanos>)>,
    tally: Tally,
    first_sequence: Option<u64>,
    next_sequence: Option<u64>,
    last_time: Nanos,
    truncated_at: Option<u64>,
    damaged_at: Vec<u64>,
    /// What was lost to damage.
    lost: Vec<Lost>,
}

impl Content {
    fn read(
        mut reader: SegmentReader<io::BufReader<fs::File>>,
        written: Option<u64>,
    ) -> Result<Content, SealError> {
        let info = *reader.info();
        let mut content = Content {
            info,
            records: Vec::new(),
            numbers: Vec::new(),
            gaps: Vec::new(),
            tally: Tally::default(),
            first_sequence: None,
            next_sequence: None,
            last_time: info.started_at,
            truncated_at: None,
            damaged_at: Vec::new(),
            lost: Vec::new(),
        };
        loop {
            match reader.next() {
                Some(Ok(block)) => {
                    content.begin_block(block.first_sequence);
                    block.numbered().for_each(|(sequence, record)| content.take(sequence, record));
                }
                Some(Err(SegmentError::Truncated { offset })) => {
                    content.truncated_at = Some(offset)
                }
                Some(Err(SegmentError::Corrupt { offset, .. })) => {
                    content.damaged_at.push(offset);
                    let whole = reader.skip_damage()?;
                    // A header that is damaged costs no record if the first block follows it.
                    if !(whole && offset == 0 && reader.offset() == FIRST_BLOCK) {
                        content.lose();
                    }
                }
                Some(Err(error)) => return Err(error.into()),
                None => break,
            }
        }
        content.compare(written, reader.offset());
        Ok(content)
    }

    /// After damage the next block tells which numbers are missing.
    fn begin_block(&mut self, first_sequence: u64) {
        if let Some(lost) = self.lost.last_mut() {
            lost.next.get_or_insert(first_sequence);
        }
        self.first_sequence.get_or_insert(first_sequence);
        self.next_sequence = Some(first_sequence);
    }

    /// Notes that blocks are damaged behind what was taken.
    fn lose(&mut self) {
        let (first, from) = (self.next_sequence, self.last_time);
        self.lost.push(Lost { first, next: None, from, until: None });
    }

    fn take(&mut self, sequence: u64, record: &Record) {
        self.tally.count(record);
        self.next_sequence = Some(sequence.saturating_add(numbers_taken(record)));
        if record.kind() == Some(Kind::Gap) {
            return self.gaps.push((*record.view(), sequence, None));
        }
        let time = record.ts_recv();
        self.gaps
            .iter_mut()
            .rev()
            .map_while(|(.., until)| until.is_none().then_some(until))
            .for_each(|until| *until = Some(time));
        if let Some(lost) = self.lost.last_mut() {
            lost.until.get_or_insert(time);
        }
        self.last_time = self.last_time.max(record.ts_recv());
        self.records.push(*record);
        self.numbers.push(sequence);
    }

    /// A file that ends before what its writer counted is damaged, however cleanly it ends.
    fn compare(&mut self, written: Option<u64>, offset: u64) {
        let short = written.is_some_and(|written| self.tally.records() < written);
        if short && self.damaged_at.is_empty() {
            self.damaged_at.push(offset);
            self.lose();
        }
    }

    fn check(&self, columns: &Columns<'_>) -> Result<(), RowError> {
        let mut numbered = self.records.iter().zip(&self.numbers);
        numbered.try_for_each(|(record, number)| columns.check(record, *number))
    }

    /// The places of each group's records, in the order of the journal.
    fn groups(&self) -> BTreeMap<Group, Vec<u32>> {
        let mut groups: FxHashMap<Group, Vec<u32>> = FxHashMap::default();
        for (at, record) in self.records.iter().enumerate() {
            if let (Some(group), Ok(at)) = (Group::of(record), u32::try_from(at)) {
                groups.entry(group).or_default().push(at);
            }
        }
        groups.into_iter().collect()
    }

    /// What the ledger says of the segment itself, and of what is missing in it.
    fn entries(&self, catalogue: &Catalogue, path: &Path) -> Vec<Entry> {
        let entry = |kind, time| Entry {
            segment: Some(self.info.number),
            ..Entry::new(kind, time).of_run(self.info.origin.run.as_str())
        };
        let state = match (self.damaged_at.is_empty(), self.truncated_at) {
            (false, _) => "damaged",
            (true, Some(_)) => "truncated",
            (true, None) => "whole",
        };
        let mut entries = vec![Entry {
            first: self.first_sequence,
            last: self.next_sequence.and_then(|next| next.checked_sub(1)),
            rows: Some(self.tally.records()),
            bytes: fs::metadata(path).ok().map(|metadata| metadata.len()),
            until: Some(self.last_time),
            ..entry(EntryKind::Segment, self.info.started_at).because(state)
        }];
        for (gap, first, until) in &self.gaps {
            let numbered = gap.cause().is_none_or(GapCause::is_numbered);
            let last = first.saturating_add(gap.missed).checked_sub(1);
            entries.push(Entry {
                first: numbered.then_some(*first),
                last: last.filter(|_| numbered),
                rows: Some(gap.missed),
                until: Some(until.unwrap_or(self.last_time).max(gap.ts_recv)),
                ..entry(EntryKind::Gap, gap.ts_recv).because(cause_of(gap).name())
            });
        }
        for Lost { first, next, from, until } in &self.lost {
            let rows = next.zip(*first).map(|(next, first)| next.saturating_sub(first));
            let last = next.and_then(|next| next.checked_sub(1));
            let gap = entry(EntryKind::Gap, *from).because(Cause::Damage.name());
            entries.push(Entry { first: *first, last, rows, until: *until, ..gap });
        }
        entries.extend(self.outages(catalogue).map(|outage| Entry {
            segment: Some(self.info.number),
            ..outage.of_run(self.info.origin.run.as_str())
        }));
        entries
    }

    /// Intervals in which a venue gave nothing for an instrument: from its change of state to the
    /// next one, where this segment has it.
    fn outages(&self, catalogue: &Catalogue) -> impl Iterator<Item = Entry> {
        let mut open: BTreeMap<(u8, u32), Entry> = BTreeMap::new();
        let mut done = Vec::new();
        for record in self.records.iter().filter(|record| record.kind() == Some(Kind::Status)) {
            let status: &Status = record.view();
            let key = (status.venue.0, status.instrument.0);
            if let Some(outage) = open.remove(&key) {
                done.push(Entry { until: Some(status.ts_recv), ..outage });
            }
            if let Some(cause) = outage_of(status) {
                let gap = Entry {
                    venue: Some(catalogue.venue(status.venue).name.clone()),
                    instrument: Some(catalogue.instrument(status.instrument).name.clone()),
                    ..Entry::new(EntryKind::Gap, status.ts_recv).because(cause.name())
                };
                open.insert(key, gap);
            }
        }
        done.into_iter().chain(open.into_values())
    }

    fn sealed(self, files: Vec<SealedFile>) -> Sealed {
        let Content { info, tally, next_sequence, last_time, truncated_at, damaged_at, .. } = self;
        Sealed { info, files, tally, next_sequence, last_time, truncated_at, damaged_at }
    }
}

fn cause_of(gap: &Gap) -> Cause {
    match gap.cause() {
        Some(GapCause::Edge) | None => Cause::Ring,
        Some(GapCause::Disk) => Cause::Disk,
        Some(GapCause::Spreads) => Cause::Spreads,
        Some(GapCause::Opportunities) => Cause::Opportunities,
    }
}

/// Why a (venue, instrument) that changes to this state gives nothing from then on.
fn outage_of(status: &Status) -> Option<Cause> {
    let reason = Reason::of_code(status.reason)?;
    match (State::of_code(status.state)?, reason) {
        (State::Gap, _) | (State::Down, Reason::Refused) => Some(Cause::Venue),
        (State::Down, _) | (State::Stale, Reason::Silent) => Some(Cause::Network),
        (State::Live | State::Stale | State::Crossed, _) => None,
    }
}
