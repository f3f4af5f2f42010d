//! A journal segment as a file: its format (version 2), its writer and its reader.
//!
//! A segment is a 64-byte [header](Origin) and then blocks; a block is a 64-byte header and the
//! 64-byte records as they lay in memory. Every header has a CRC32C of its own and every block one
//! over its records, so that a reader can tell a file that ends too early, as after a crash, from
//! one that was changed. Inputs of the calculator are numbered 0, 1, 2 ...: a quote or a status
//! takes one number, a gap of inputs the numbers of the `missed` records it stands for; spreads and
//! opportunities take none. `docs/formats.md` has the layout byte by byte. It must not know agents,
//! rings or Parquet.

use crate::disk::Ahead;
use crate::run::{Origin, RUN_BYTES_MAX, RunId, segment_name};
use bytemuck::{Pod, Zeroable};
use spreadwire_market::clock::Nanos;
use spreadwire_market::record::{Gap, GapCause, Kind, Record, is_input, numbers_taken};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The format that this code writes.
pub const VERSION: u32 = 2;
/// The first format that it reads; it reads all up to [`VERSION`].
pub const VERSION_MIN: u32 = 1;
/// A block holds at most this many records, 4 MiB: what a reader must be ready to take into memory.
pub const BLOCK_RECORDS_MAX: usize = 65_536;
/// How the name of a closed segment ends.
pub const CLOSED_SUFFIX: &str = ".seg";
/// How the name of a segment ends while it is written; a crash leaves it so.
pub const OPEN_SUFFIX: &str = ".seg.open";
const SEGMENT_MAGIC: [u8; 8] = *b"SPRDWSEG";
const BLOCK_MAGIC: [u8; 8] = *b"SPRDWBLK";
/// Both headers are a record long, so that records lie at multiples of 64 in the file.
const HEADER_BYTES: usize = 64;
const CHECKED_BYTES: usize = HEADER_BYTES - 4;
/// A file is read in steps of this many bytes.
const READ_BYTES: usize = 1 << 18;
/// A zeroed tail is compared in steps of this many bytes.
const ZERO_STEP_BYTES: usize = 4096;

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Which run wrote it, with which catalogue.
    pub origin: Origin,
    /// Counts up from 0 within a run.
    pub number: u32,
    /// When it was begun.
    pub started_at: Nanos,
}

/// A segment that nobody writes to any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedSegment {
    /// The file.
    pub path: PathBuf,
    /// Its number within the run.
    pub number: u32,
    /// Records in it, of every kind.
    pub records: u64,
}

/// Why a segment cannot be read on. The blocks handed out before are whole.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// The file cannot be opened or read.
    #[error("cannot read the segment at byte {offset}")]
    Io {
        /// Where reading stood.
        offset: u64,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
    /// It begins with something else: left alone.
    #[error("not a journal segment")]
    NotASegment,
    /// Written by another version: left alone.
    #[error("segment format version {version}; this build reads {VERSION_MIN} to {VERSION}")]
    UnknownVersion {
        /// The version found.
        version: u32,
    },
    /// The file ends inside a header or a block, or only zeros follow: its writer was stopped.
    #[error("the segment ends inside the block or header at byte {offset}")]
    Truncated {
        /// Where the last whole block ends.
        offset: u64,
    },
    /// Bytes are not those that were written.
    #[error("the segment is damaged at byte {offset}: {damage}")]
    Corrupt {
        /// Where the damaged block or header begins.
        offset: u64,
        /// What gave it away.
        damage: Damage,
    },
}

/// How damage showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The header's checksum differs.
    #[error("the header's checksum differs")]
    Header,
    /// The checksum over the records differs.
    #[error("the checksum of the records differs")]
    Records,
    /// The block does not begin where the one before ended: one is missing or stands twice.
    #[error("the block's first sequence does not follow the block before")]
    Sequence,
    /// The checksums hold, but this version writes no such thing.
    #[error("the content is none that this version writes")]
    Content,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
struct SegmentHeader {
    magic: [u8; 8],
    version: u32,
    number: u32,
    started_at: Nanos,
    run: [u8; RUN_BYTES_MAX],
    catalogue: u32,
    crc: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
struct BlockHeader {
    magic: [u8; 8],
    version: u32,
    count: u32,
    first_sequence: u64,
    next_sequence: u64,
    reserved: [u8; 24],
    records_crc: u32,
    crc: u32,
}

/// The layout is the format, and the bytes go to the file as they lie.
const _: () = {
    assert!(cfg!(target_endian = "little"));
    assert!(size_of::<SegmentHeader>() == HEADER_BYTES && size_of::<BlockHeader>() == HEADER_BYTES);
    assert!(size_of::<Record>() == HEADER_BYTES);
    assert!(std::mem::offset_of!(SegmentHeader, crc) == CHECKED_BYTES);
    assert!(std::mem::offset_of!(BlockHeader, crc) == CHECKED_BYTES);
};

/// The records of the next block, in memory that is taken once.
#[derive(Debug)]
pub struct Block {
    /// The header's place, then the records: one write takes both.
    slots: Vec<Record>,
    records_max: usize,
    first_sequence: u64,
    next_sequence: u64,
}

impl Block {
    /// An empty block for up to `records_max` records whose first number is `first_sequence`.
    ///
    /// # Panics
    /// If `records_max` is 0 or above [`BLOCK_RECORDS_MAX`].
    #[must_use]
    pub fn new(records_max: usize, first_sequence: u64) -> Block {
        assert!((1..=BLOCK_RECORDS_MAX).contains(&records_max), "a block of {records_max} records");
        let mut slots = Vec::with_capacity(records_max + 1);
        slots.push(Record::zeroed());
        Block { slots, records_max, first_sequence, next_sequence: first_sequence }
    }

    /// Appends a record.
    ///
    /// # Panics
    /// If the block is full.
    #[inline]
    pub fn push(&mut self, record: &Record) {
        assert!(!self.is_full(), "a full block was given one more record");
        self.slots.push(*record);
        self.next_sequence = self.next_sequence.saturating_add(numbers_taken(record));
    }

    /// Whether no record fits any more.
    #[must_use]
    #[inline]
    pub fn is_full(&self) -> bool {
        self.records_max < self.slots.len()
    }

    /// The records so far.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.slots[1..]
    }

    /// Makes room: the next record has the number after the last one pushed.
    pub fn clear(&mut self) {
        self.slots.truncate(1);
        self.first_sequence = self.next_sequence;
    }

    /// Forgets the records; their numbers are skipped.
    pub fn skip_all(&mut self) {
        self.slots.truncate(1);
    }

    /// Skips the numbers of a record that is not stored. For a block without records.
    pub fn skip(&mut self, record: &Record) {
        debug_assert!(self.records().is_empty(), "numbers are skipped in front of records");
        self.next_sequence = self.next_sequence.saturating_add(numbers_taken(record));
    }

    /// Skips earlier numbers too, those from `first_sequence` on. For a block without records.
    pub fn skip_back_to(&mut self, first_sequence: u64) {
        debug_assert!(self.records().is_empty(), "numbers are skipped in front of records");
        self.first_sequence = self.first_sequence.min(first_sequence);
    }

    /// The number of the first record, or of the first that was skipped.
    #[must_use]
    pub fn first_sequence(&self) -> u64 {
        self.first_sequence
    }

    /// How many numbers were skipped, of a block without records.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.next_sequence - self.first_sequence
    }

    /// Puts a gap in the place of the numbers that were skipped, if there are any.
    ///
    /// # Panics
    /// If there are records already.
    pub fn mark_skipped(&mut self, ts_recv: Nanos, cause: GapCause) {
        assert!(self.records().is_empty(), "what was skipped stands in front of records");
        let missed = self.skipped();
        if 0 < missed {
            self.slots.push(Gap::new(ts_recv, missed).because(cause).into());
        }
    }

    /// The block as it stands in the file.
    fn bytes(&mut self) -> &[u8] {
        let records = &self.slots[1..];
        let mut header = BlockHeader {
            magic: BLOCK_MAGIC,
            version: VERSION,
            count: u32::try_from(records.len()).unwrap_or(u32::MAX),
            first_sequence: self.first_sequence,
            next_sequence: self.next_sequence,
            records_crc: crc32c::crc32c(bytemuck::cast_slice(records)),
            ..BlockHeader::zeroed()
        };
        header.crc = header_crc(&header);
        self.slots[0] = bytemuck::cast(header);
        bytemuck::cast_slice(&self.slots)
    }
}

/// The CRC32C of a header without its own last four bytes.
fn header_crc<T: Pod>(header: &T) -> u32 {
    crc32c::crc32c(&bytemuck::bytes_of(header)[..CHECKED_BYTES])
}

/// What was written to a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Records, of every kind.
    pub records: u64,
    /// Quotes and statuses.
    pub inputs: u64,
    /// The number that its first block begins with.
    pub first_sequence: u64,
    /// The number behind its last block; no more than `first_sequence` if nothing was written.
    pub next_sequence: u64,
    /// The first record's time; 0 if there is none.
    pub since: Nanos,
    /// Records that take no numbers.
    pub annexed: Annexed,
}

/// Records that take no numbers, and those that their gaps stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Annexed {
    /// Spreads.
    pub spreads: u64,
    /// Opportunities opened and closed.
    pub opportunities: u64,
}

impl Annexed {
    /// Counts a record, if it is one that takes no numbers.
    #[inline]
    pub fn add(&mut self, record: &Record) {
        match record.kind() {
            Some(Kind::Spread) => self.spreads += 1,
            Some(Kind::Opened | Kind::Closed) => self.opportunities += 1,
            Some(Kind::Gap) => {
                let gap: &Gap = record.view();
                match gap.cause() {
                    Some(GapCause::Spreads) => self.spreads += gap.missed,
                    Some(GapCause::Opportunities) => self.opportunities += gap.missed,
                    Some(GapCause::Edge | GapCause::Disk) | None => {}
                }
            }
            Some(Kind::Quote | Kind::Status | Kind::Recording) | None => {}
        }
    }

    /// Counts those of another count.
    pub fn merge(&mut self, other: Annexed) {
        self.spreads += other.spreads;
        self.opportunities += other.opportunities;
    }
}

impl Contents {
    fn add(&mut self, block: &Block) {
        let Some(first) = block.records().first() else { return };
        if self.records == 0 {
            (self.first_sequence, self.since) = (block.first_sequence, first.ts_recv());
        }
        self.next_sequence = block.next_sequence;
        self.records += block.records().len() as u64;
        for record in block.records() {
            self.inputs += u64::from(is_input(record));
            self.annexed.add(record);
        }
    }
}

/// A segment that is being written.
#[derive(Debug)]
pub struct SegmentWriter {
    file: Arc<File>,
    open_path: PathBuf,
    closed_path: PathBuf,
    info: SegmentInfo,
    bytes: u64,
    ahead: Ahead,
    contents: Contents,
    unsynced: bool,
}

impl SegmentWriter {
    /// Begins a segment in `folder` under a name that no file there has.
    ///
    /// # Errors
    /// If the file exists, or cannot be made or written. Nothing that was there is changed, and
    /// nothing new is left behind.
    pub fn create(folder: &Path, info: SegmentInfo) -> io::Result<SegmentWriter> {
        let name = segment_name(&info.origin.run, info.number);
        let open_path = folder.join(format!("{name}{OPEN_SUFFIX}"));
        let closed_path = folder.join(format!("{name}{CLOSED_SUFFIX}"));
        if closed_path.try_exists()? {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = OpenOptions::new().write(true).create_new(true).open(&open_path)?;
        let mut ahead = Ahead::default();
        let bytes = HEADER_BYTES as u64;
        let begun =
            ahead.cover(&file, 0, bytes).and_then(|()| (&file).write_all(&segment_header(&info)));
        if let Err(error) = begun {
            // What stays all the same is recognised by the reader as cut off.
            fs::remove_file(&open_path).unwrap_or_default();
            return Err(error);
        }
        let (file, contents) = (Arc::new(file), Contents::default());
        let unsynced = true;
        Ok(SegmentWriter { file, open_path, closed_path, info, bytes, ahead, contents, unsynced })
    }

    /// Writes a block with one `write` and leaves clearing it to the caller. Returns its bytes.
    ///
    /// # Errors
    /// Of the operating system: the disk is full, say. The file may then end in part of a block;
    /// write no more, [`finish`](SegmentWriter::finish) it and have it trimmed.
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

    /// The file, if anything was written since this was last asked: for who syncs it.
    pub fn take_unsynced(&mut self) -> Option<Arc<File>> {
        std::mem::take(&mut self.unsynced).then(|| Arc::clone(&self.file))
    }

    /// Takes back that [`take_unsynced`](SegmentWriter::take_unsynced) was asked.
    pub fn keep_unsynced(&mut self) {
        self.unsynced = true;
    }

    /// Ends writing.
    #[must_use]
    pub fn finish(self) -> FinishedSegment {
        let SegmentWriter { file, open_path, closed_path, info, bytes, contents, .. } = self;
        let (number, contents) = (info.number, Box::new(contents));
        FinishedSegment { file, open_path, closed_path, bytes, number, contents }
    }

    /// Whether the file can still be found under its open name.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.open_path.exists()
    }

    /// What the segment says of itself.
    #[must_use]
    pub fn info(&self) -> &SegmentInfo {
        &self.info
    }

    /// What was written.
    #[must_use]
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// Writes to another file from now on. Tests of the journal make writes fail with it.
    pub fn replace_file(&mut self, file: File) {
        self.file = Arc::new(file);
        self.ahead = Ahead::never();
    }
}

/// A segment that is written to its end and still has its open name. Each step may take as long as
/// the disk likes.
#[derive(Debug)]
pub struct FinishedSegment {
    file: Arc<File>,
    open_path: PathBuf,
    closed_path: PathBuf,
    bytes: u64,
    number: u32,
    contents: Box<Contents>,
}

impl FinishedSegment {
    /// Cuts off part of a block that a failed write left, and gives back the room taken ahead.
    ///
    /// # Errors
    /// Of the operating system: the part stays, and a reader calls the segment truncated.
    pub fn trim(&self) -> io::Result<()> {
        self.file.set_len(self.bytes)
    }

    /// Makes what was written survive a power cut.
    ///
    /// # Errors
    /// Of the operating system: what is on the disk is then not known.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Gives the file its closed name.
    ///
    /// # Errors
    /// Of the operating system: the file keeps its open name, if it is still there at all.
    pub fn close(&self) -> io::Result<ClosedSegment> {
        fs::rename(&self.open_path, &self.closed_path)?;
        let (path, records) = (self.closed_path.clone(), self.contents.records);
        Ok(ClosedSegment { path, number: self.number, records })
    }

    /// Its number within the run.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// What was written.
    #[must_use]
    pub fn contents(&self) -> &Contents {
        &self.contents
    }
}

fn segment_header(info: &SegmentInfo) -> [u8; HEADER_BYTES] {
    let mut header = SegmentHeader {
        magic: SEGMENT_MAGIC,
        version: VERSION,
        number: info.number,
        started_at: info.started_at,
        run: info.origin.run.text,
        catalogue: info.origin.catalogue,
        crc: 0,
    };
    header.crc = header_crc(&header);
    bytemuck::cast(header)
}

/// A whole block as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadBlock {
    /// Where it begins in the file.
    pub offset: u64,
    /// The number of its first record.
    pub first_sequence: u64,
    /// The records as they were written.
    pub records: Vec<Record>,
}

impl ReadBlock {
    /// The records with their numbers; a gap has the number of the first record that is missing, a
    /// record that takes no number that of the next input.
    pub fn numbered(&self) -> impl Iterator<Item = (u64, &Record)> {
        self.records.iter().scan(self.first_sequence, |next, record| {
            let sequence = *next;
            *next = next.saturating_add(numbers_taken(record));
            Some((sequence, record))
        })
    }
}

/// The whole blocks of a segment in order; after the first error it has no more.
#[derive(Debug)]
pub struct SegmentReader<R> {
    input: R,
    info: SegmentInfo,
    version: u32,
    offset: u64,
    next_sequence: Option<u64>,
    ended: bool,
}

impl SegmentReader<BufReader<File>> {
    /// Opens a segment, closed or not.
    ///
    /// # Errors
    /// As [`SegmentReader::new`].
    pub fn open(path: &Path) -> Result<Self, SegmentError> {
        let file = File::open(path).map_err(|source| SegmentError::Io { offset: 0, source })?;
        SegmentReader::new(BufReader::with_capacity(READ_BYTES, file))
    }

    /// Opens a segment whose header is damaged, by what is known of it otherwise. The header is the
    /// first damage that it finds; [`skip_damage`](SegmentReader::skip_damage) goes on behind it.
    ///
    /// # Errors
    /// [`SegmentError::Io`].
    pub fn open_headless(path: &Path, info: SegmentInfo) -> Result<Self, SegmentError> {
        let file = File::open(path).map_err(|source| SegmentError::Io { offset: 0, source })?;
        let input = BufReader::with_capacity(READ_BYTES, file);
        Ok(SegmentReader {
            input,
            info,
            version: VERSION,
            offset: 0,
            next_sequence: None,
            ended: false,
        })
    }
}

impl<R: Read + Seek> SegmentReader<R> {
    /// After damage: looks for the next whole block behind it that is not one of those before, and
    /// goes on there. Returns whether there is one; the numbers in between are lost.
    ///
    /// # Errors
    /// [`SegmentError::Io`].
    pub fn skip_damage(&mut self) -> Result<bool, SegmentError> {
        let least = self.next_sequence;
        let mut candidate = self.offset + HEADER_BYTES as u64;
        self.seek(candidate)?;
        let mut header = [0; HEADER_BYTES];
        while fill(&mut self.input, &mut header, candidate)? == HEADER_BYTES {
            if header.starts_with(&BLOCK_MAGIC) {
                self.seek(candidate)?;
                let whole = self.read_block().ok().flatten();
                let next = |block: &ReadBlock| least.is_none_or(|l| l <= block.first_sequence);
                self.seek(candidate)?;
                if whole.is_some_and(|block| next(&block)) {
                    self.ended = false;
                    return Ok(true);
                }
                self.seek(candidate + HEADER_BYTES as u64)?;
            }
            candidate += HEADER_BYTES as u64;
        }
        self.ended = true;
        Ok(false)
    }

    /// Goes on at `offset`, whatever number comes there.
    fn seek(&mut self, offset: u64) -> Result<(), SegmentError> {
        let sought = self.input.seek(SeekFrom::Start(offset));
        sought.map_err(|source| SegmentError::Io { offset, source })?;
        (self.offset, self.next_sequence) = (offset, None);
        Ok(())
    }
}

impl<R: Read> SegmentReader<R> {
    /// Reads the segment header from `input`.
    ///
    /// # Errors
    /// [`SegmentError`] of any kind, with offset 0.
    pub fn new(mut input: R) -> Result<Self, SegmentError> {
        let mut bytes = [0; HEADER_BYTES];
        let filled = fill(&mut input, &mut bytes, 0)?;
        if filled < HEADER_BYTES {
            let begins = SEGMENT_MAGIC.starts_with(&bytes[..filled.min(SEGMENT_MAGIC.len())])
                || bytes.starts_with(&SEGMENT_MAGIC);
            let short = SegmentError::Truncated { offset: 0 };
            return Err(if begins { short } else { SegmentError::NotASegment });
        }
        let header: SegmentHeader = bytemuck::cast(bytes);
        if header.magic != SEGMENT_MAGIC {
            return Err(SegmentError::NotASegment);
        }
        let corrupt = |damage| SegmentError::Corrupt { offset: 0, damage };
        // Every version keeps the checksum where it is, so that damage is told from another version.
        if header.crc != header_crc(&header) {
            return Err(corrupt(Damage::Header));
        }
        if !(VERSION_MIN..=VERSION).contains(&header.version) {
            return Err(SegmentError::UnknownVersion { version: header.version });
        }
        let run = RunId::of_bytes(header.run).ok_or(corrupt(Damage::Content))?;
        let info = SegmentInfo {
            origin: Origin { run, catalogue: header.catalogue },
            number: header.number,
            started_at: header.started_at,
        };
        let offset = HEADER_BYTES as u64;
        let version = header.version;
        Ok(SegmentReader { input, info, version, offset, next_sequence: None, ended: false })
    }

    /// What the segment says of itself.
    #[must_use]
    pub fn info(&self) -> &SegmentInfo {
        &self.info
    }

    /// Where the last whole block that was handed out ends.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    fn read_block(&mut self) -> Result<Option<ReadBlock>, SegmentError> {
        let Some(header) = self.read_block_header()? else { return Ok(None) };
        let offset = self.offset;
        let corrupt = |damage| SegmentError::Corrupt { offset, damage };
        if self.next_sequence.is_some_and(|next| next != header.first_sequence) {
            return Err(corrupt(Damage::Sequence));
        }
        let count = header.count as usize;
        let fits = (1..=BLOCK_RECORDS_MAX).contains(&count) && header.version == self.version;
        if !fits {
            return Err(corrupt(Damage::Content));
        }
        let mut records = vec![Record::zeroed(); count];
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut records);
        if fill(&mut self.input, bytes, offset)? < bytes.len() {
            return Err(SegmentError::Truncated { offset });
        }
        if crc32c::crc32c(bytes) != header.records_crc {
            return Err(corrupt(Damage::Records));
        }
        let block = ReadBlock { offset, first_sequence: header.first_sequence, records };
        if !follows_the_rules(&block, header.next_sequence, self.version) {
            return Err(corrupt(Damage::Content));
        }
        self.offset += (HEADER_BYTES * (count + 1)) as u64;
        self.next_sequence = Some(header.next_sequence);
        Ok(Some(block))
    }

    fn read_block_header(&mut self) -> Result<Option<BlockHeader>, SegmentError> {
        let offset = self.offset;
        let mut bytes = [0; HEADER_BYTES];
        let filled = fill(&mut self.input, &mut bytes, offset)?;
        if filled == 0 {
            return Ok(None);
        }
        let unwritten = bytes == [0; HEADER_BYTES] && self.only_zeros_follow()?;
        if filled < HEADER_BYTES || unwritten {
            return Err(SegmentError::Truncated { offset });
        }
        let header: BlockHeader = bytemuck::cast(bytes);
        if header.magic != BLOCK_MAGIC || header.crc != header_crc(&header) {
            return Err(SegmentError::Corrupt { offset, damage: Damage::Header });
        }
        Ok(Some(header))
    }

    /// A power cut can leave the length of a file on the disk without its content.
    fn only_zeros_follow(&mut self) -> Result<bool, SegmentError> {
        let mut step = [0; ZERO_STEP_BYTES];
        loop {
            let filled = fill(&mut self.input, &mut step, self.offset)?;
            if step[..filled].iter().any(|b| *b != 0) {
                return Ok(false);
            }
            if filled < step.len() {
                return Ok(true);
            }
        }
    }
}

impl<R: Read> Iterator for SegmentReader<R> {
    type Item = Result<ReadBlock, SegmentError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let block = self.read_block().transpose();
        self.ended = !matches!(block, Some(Ok(_)));
        block
    }
}

/// Whether a block whose checksums hold has only what its version has.
fn follows_the_rules(block: &ReadBlock, next_sequence: u64, version: u32) -> bool {
    let taken = block.records.iter().map(numbers_taken).fold(0, u64::saturating_add);
    let belongs = |record: &Record| belongs(record, version);
    block.first_sequence.saturating_add(taken) == next_sequence && block.records.iter().all(belongs)
}

/// Whether a segment of a version may hold a record.
fn belongs(record: &Record, version: u32) -> bool {
    match record.kind() {
        Some(Kind::Quote | Kind::Status) => true,
        // Version 1 knew no causes.
        Some(Kind::Gap) => 1 < version || record.flags == 0,
        Some(Kind::Spread | Kind::Opened | Kind::Closed) => 1 < version,
        Some(Kind::Recording) | None => false,
    }
}

/// Reads until `out` is full or the input ends; returns how much came.
fn fill(input: &mut impl Read, out: &mut [u8], offset: u64) -> Result<usize, SegmentError> {
    let mut filled = 0;
    while filled < out.len() {
        match input.read(&mut out[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(SegmentError::Io { offset, source }),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use spreadwire_market::record::{Quote, Status};
    use std::io::Cursor;

    const INFO: SegmentInfo = SegmentInfo {
        origin: Origin {
            run: RunId { text: *b"run-1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" },
            catalogue: 0xC0FF_EE00,
        },
        number: 3,
        started_at: 77,
    };

    fn quote(ts_recv: Nanos) -> Record {
        Quote { ts_recv, bid_px: 5, kind: Kind::Quote as u8, ..Quote::zeroed() }.into()
    }

    fn status(ts_recv: Nanos) -> Record {
        Status { ts_recv, kind: Kind::Status as u8, ..Status::zeroed() }.into()
    }

    fn blocks() -> Vec<Vec<Record>> {
        vec![
            vec![quote(1), status(2), quote(3)],
            vec![Gap::new(4, 10).into()],
            vec![quote(14), Gap::new(15, 2).into(), quote(17), status(18)],
        ]
    }

    /// The bytes of a segment, and where each block ends.
    fn segment(blocks: &[Vec<Record>]) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = segment_header(&INFO).to_vec();
        let mut ends = vec![bytes.len()];
        let mut block = Block::new(16, 100);
        for records in blocks {
            records.iter().for_each(|r| block.push(r));
            bytes.extend_from_slice(block.bytes());
            block.clear();
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    fn read(bytes: &[u8]) -> (Vec<Vec<Record>>, Option<SegmentError>) {
        let mut blocks = Vec::new();
        let reader = match SegmentReader::new(bytes) {
            Ok(reader) => reader,
            Err(error) => return (blocks, Some(error)),
        };
        for block in reader {
            match block {
                Ok(block) => blocks.push(block.records),
                Err(error) => return (blocks, Some(error)),
            }
        }
        (blocks, None)
    }

    #[test]
    fn gaps_skip_the_numbers_they_stand_for() {
        let (bytes, _) = segment(&blocks());
        let numbers: Vec<Vec<u64>> = SegmentReader::new(&bytes[..])
            .unwrap()
            .map(|block| block.unwrap().numbered().map(|(sequence, _)| sequence).collect())
            .collect();
        assert_eq!(numbers, [vec![100, 101, 102], vec![103], vec![113, 114, 116, 117]]);
        assert_eq!(*SegmentReader::new(&bytes[..]).unwrap().info(), INFO);
    }

    #[test]
    fn headers_are_those_of_version_2() {
        let (bytes, _) = segment(&[vec![quote(1)]]);
        let mut expected = [0; 128];
        expected[..8].copy_from_slice(b"SPRDWSEG");
        expected[8] = 2;
        expected[12] = 3;
        expected[16] = 77;
        expected[24..29].copy_from_slice(b"run-1");
        expected[56..60].copy_from_slice(&[0x00, 0xEE, 0xFF, 0xC0]);
        expected[60..64].copy_from_slice(&crc32c::crc32c(&bytes[..60]).to_le_bytes());
        expected[64..72].copy_from_slice(b"SPRDWBLK");
        expected[72] = 2;
        expected[76] = 1;
        expected[80] = 100;
        expected[88] = 101;
        expected[120..124].copy_from_slice(&crc32c::crc32c(&bytes[128..192]).to_le_bytes());
        expected[124..128].copy_from_slice(&crc32c::crc32c(&bytes[64..124]).to_le_bytes());
        assert_eq!(bytes[..128], expected);
    }

    #[test]
    fn a_file_cut_at_any_byte_gives_the_whole_blocks_before() {
        let (bytes, ends) = segment(&blocks());
        for cut in 0..=bytes.len() {
            let (found, error) = read(&bytes[..cut]);
            let whole = ends[1..].iter().filter(|end| **end <= cut).count();
            assert_eq!(found, blocks()[..whole], "cut at {cut}");
            match error {
                None => assert!(ends.contains(&cut), "cut at {cut} went unnoticed"),
                Some(SegmentError::Truncated { offset }) => {
                    let last = ends.iter().rfind(|end| **end <= cut).copied().unwrap_or(0);
                    assert_eq!(offset, last as u64, "cut at {cut}");
                }
                Some(other) => panic!("cut at {cut}: {other}"),
            }
        }
    }

    #[test]
    fn a_flip_of_any_bit_gives_the_whole_blocks_before_and_says_where() {
        let (bytes, ends) = segment(&blocks());
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let (found, error) = read(&damaged);
            let whole = ends[1..].iter().filter(|end| **end <= bit / 8).count();
            assert_eq!(found, blocks()[..whole], "bit {bit}");
            match error.expect("a flip must show") {
                SegmentError::NotASegment | SegmentError::UnknownVersion { .. } => {
                    assert!(bit / 8 < 12, "bit {bit}");
                }
                SegmentError::Corrupt { offset, .. } => {
                    let begin = ends.iter().rfind(|end| **end <= bit / 8).copied().unwrap_or(0);
                    assert_eq!(offset, begin as u64, "bit {bit}");
                }
                other @ (SegmentError::Io { .. } | SegmentError::Truncated { .. }) => {
                    panic!("bit {bit}: {other}")
                }
            }
        }
    }

    #[test]
    fn a_tail_of_zeros_was_never_written_but_zeros_in_the_middle_are_damage() {
        let (mut bytes, ends) = segment(&blocks());
        let tail = bytes.split_off(ends[2]);
        bytes.resize(ends[2] + 5000, 0);
        let (found, error) = read(&bytes);
        assert_eq!(found.len(), 2);
        assert!(
            matches!(error, Some(SegmentError::Truncated { offset }) if offset == ends[2] as u64)
        );
        bytes.extend(tail);
        assert!(matches!(read(&bytes).1, Some(SegmentError::Corrupt { .. })));
    }

    #[test]
    fn a_block_that_is_missing_or_stands_twice_shows() {
        let (bytes, ends) = segment(&blocks());
        let mut missing = bytes[..ends[1]].to_vec();
        missing.extend(&bytes[ends[2]..]);
        let mut twice = bytes[..ends[1]].to_vec();
        twice.extend(&bytes[ends[0]..ends[1]]);
        for damaged in [missing, twice] {
            let (found, error) = read(&damaged);
            assert_eq!(found.len(), 1);
            let damage = Damage::Sequence;
            assert!(matches!(error, Some(SegmentError::Corrupt { damage: d, .. }) if d == damage));
        }
    }

    #[test]
    fn whole_blocks_behind_the_damage_are_found() {
        let (bytes, ends) = segment(&blocks());
        for (damaged, expected) in [(0, vec![1, 2]), (1, vec![0, 2]), (2, vec![0, 1])] {
            let mut bytes = bytes.clone();
            bytes[ends[damaged] + 70] ^= 1;
            let mut reader = SegmentReader::new(Cursor::new(bytes)).unwrap();
            let mut found = Vec::new();
            loop {
                match reader.next() {
                    Some(Ok(block)) => found.push(block.records),
                    Some(Err(_)) if reader.skip_damage().unwrap() => {}
                    Some(Err(_)) | None => break,
                }
            }
            let expected: Vec<_> = expected.into_iter().map(|at| blocks()[at].clone()).collect();
            assert_eq!(found, expected, "block {damaged} damaged");
        }
    }

    #[test]
    fn another_version_and_another_file_are_told_apart() {
        let (mut bytes, _) = segment(&[]);
        for version in [0, 3] {
            bytes[8] = version;
            let flipped = read(&bytes).1;
            assert!(matches!(flipped, Some(SegmentError::Corrupt { offset: 0, .. })));
            let crc = crc32c::crc32c(&bytes[..60]);
            bytes[60..64].copy_from_slice(&crc.to_le_bytes());
            let error = read(&bytes).1.unwrap();
            assert!(matches!(error, SegmentError::UnknownVersion { .. }));
            let text = format!("segment format version {version}; this build reads 1 to 2");
            assert_eq!(error.to_string(), text);
        }
        assert!(matches!(read(b"PAR1").1, Some(SegmentError::NotASegment)));
    }

    /// The same bytes as version 1 had them, with checksums that hold.
    fn as_version_1(bytes: &[u8], ends: &[usize]) -> Vec<u8> {
        let mut old = bytes.to_vec();
        let starts = [0].iter().chain(&ends[..ends.len() - 1]).copied();
        for start in starts {
            old[start + 8..start + 12].copy_from_slice(&1_u32.to_le_bytes());
            let crc = crc32c::crc32c(&old[start..start + CHECKED_BYTES]);
            old[start + CHECKED_BYTES..start + HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
        }
        old
    }

    fn annexed() -> [Record; 3] {
        use spreadwire_market::record::{Closed, Opened, Spread};
        [
            Spread { kind: Kind::Spread as u8, ..Spread::zeroed() }.into(),
            Opened { kind: Kind::Opened as u8, ..Opened::zeroed() }.into(),
            Closed { kind: Kind::Closed as u8, ..Closed::zeroed() }.into(),
        ]
    }

    #[test]
    fn version_1_is_read_and_holds_inputs_and_gaps_without_a_cause_alone() {
        let (bytes, ends) = segment(&blocks());
        let (found, error) = read(&as_version_1(&bytes, &ends));
        assert!(error.is_none(), "{error:?}");
        assert_eq!(found, blocks());
        let newer = [Gap::new(1, 2).because(GapCause::Disk).into()];
        for record in newer.into_iter().chain(annexed()) {
            let (bytes, ends) = segment(&[vec![record]]);
            assert_eq!(read(&bytes).0, [vec![record]], "version 2 holds it");
            let (found, error) = read(&as_version_1(&bytes, &ends));
            assert!(found.is_empty());
            assert!(
                matches!(error, Some(SegmentError::Corrupt { damage: Damage::Content, .. })),
                "{error:?}"
            );
        }
        // Versions do not mix within a file.
        let (bytes, ends) = segment(&blocks());
        let mut mixed = bytes[..ends[0]].to_vec();
        mixed.extend(&as_version_1(&bytes, &ends)[ends[0]..]);
        assert!(matches!(read(&mixed).1, Some(SegmentError::Corrupt { .. })));
    }

    #[test]
    fn what_is_no_input_takes_no_numbers_and_an_unknown_cause_does() {
        let mut records = vec![quote(1)];
        records.extend(annexed());
        records.push(Gap::new(2, 9).because(GapCause::Spreads).into());
        records.push(Gap::new(2, 9).because(GapCause::Opportunities).into());
        records.push(Gap::new(3, 5).because(GapCause::Disk).into());
        records.push(Gap { flags: 77, ..Gap::new(4, 3) }.into());
        records.push(quote(5));
        let (bytes, _) = segment(&[records]);
        let block = SegmentReader::new(&bytes[..]).unwrap().next().unwrap().unwrap();
        let numbers: Vec<u64> = block.numbered().map(|(sequence, _)| sequence).collect();
        assert_eq!(numbers, [100, 101, 101, 101, 101, 101, 101, 106, 109]);
    }

    #[test]
    fn a_segments_length_is_what_was_written_and_a_part_of_a_block_is_cut_off() {
        let home = tempfile::tempdir().unwrap();
        let mut segment = SegmentWriter::create(home.path(), INFO).unwrap();
        let mut block = Block::new(4, 100);
        block.push(&quote(1));
        segment.write(&mut block).unwrap();
        let open = home.path().join("run-1-000003.seg.open");
        assert_eq!(fs::metadata(&open).unwrap().len(), 192, "room ahead is no length");
        // What a write that fails in the middle leaves.
        OpenOptions::new().append(true).open(&open).unwrap().write_all(&[7; 100]).unwrap();
        let finished = segment.finish();
        finished.trim().unwrap();
        let closed = finished.close().unwrap();
        assert_eq!(fs::metadata(&closed.path).unwrap().len(), 192);
        use std::os::unix::fs::MetadataExt;
        let held = fs::metadata(&closed.path).unwrap().blocks() * 512;
        assert!(held < crate::disk::STEP_BYTES, "the room ahead is given back, not {held}");
        assert_eq!(read(&fs::read(&closed.path).unwrap()).0, [[quote(1)]]);
        assert!(finished.close().is_err(), "it has its name");
    }

    #[test]
    fn numbers_that_were_skipped_become_a_gap_in_front() {
        let mut block = Block::new(4, 10);
        block.mark_skipped(5, GapCause::Disk);
        assert!(block.records().is_empty(), "nothing was skipped");
        block.push(&quote(1));
        block.push(&Gap::new(2, 4).into());
        block.skip_all();
        block.skip(&status(3));
        block.skip_back_to(7);
        block.mark_skipped(5, GapCause::Disk);
        assert_eq!(block.records(), [Gap::new(5, 9).because(GapCause::Disk).into()]);
        block.push(&quote(4));
        assert_eq!((block.first_sequence, block.next_sequence), (7, 17));
    }

    proptest! {
        #[test]
        fn damage_of_any_kind_never_gives_a_wrong_record(
            sizes in proptest::collection::vec(1_usize..16, 0..6),
            at in any::<proptest::sample::Index>(),
            patch in proptest::collection::vec(any::<u8>(), 1..80),
            cut in any::<proptest::sample::Index>(),
        ) {
            let written: Vec<Vec<Record>> =
                sizes.iter().map(|n| (0..*n as u64).map(quote).collect()).collect();
            let (bytes, ends) = segment(&written);
            let mut damaged = bytes.clone();
            let at = at.index(damaged.len());
            let end = damaged.len().min(at + patch.len());
            damaged[at..end].copy_from_slice(&patch[..end - at]);
            damaged.truncate(cut.index(damaged.len()) + 1);
            let same = damaged.iter().zip(&bytes).take_while(|(a, b)| a == b).count();
            let whole = ends[1..].iter().filter(|end| **end <= same).count();
            let (found, error) = read(&damaged);
            prop_assert_eq!(&found[..], &written[..whole]);
            prop_assert!(error.is_some() || ends.contains(&damaged.len()));
        }

        #[test]
        fn any_bytes_are_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(read(&bytes).0.is_empty());
        }
    }
}
