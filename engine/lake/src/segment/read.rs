//! Reads a segment, tells how it ends, and finds whole blocks behind damage.

use super::format::{
    BLOCK_MAGIC, BLOCK_RECORDS_MAX, BlockHeader, HEADER_BYTES, SEGMENT_MAGIC, SegmentHeader,
    SegmentInfo, VERSION, VERSION_MIN, header_crc,
};
use crate::run::{Origin, RunId};
use bytemuck::Zeroable;
use spreadwire_market::record::{Class, Record, numbers_taken};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// A file is read in steps of this many bytes.
const READ_BYTES: usize = 1 << 18;
/// A zeroed tail is compared in steps of this many bytes.
const ZERO_STEP_BYTES: usize = 4096;

/// The reason why a segment cannot be read any further. Blocks returned before it are whole.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// The file cannot be opened or read.
    #[error("cannot read the segment at byte {offset}")]
    Io {
        /// Position of the block or header being read.
        offset: u64,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// The file begins with something else. It is left alone.
    #[error("not a journal segment")]
    NotASegment,
    /// Another version wrote the file. It is left alone.
    #[error("segment format version {version}; this build reads {VERSION_MIN} to {VERSION}")]
    UnknownVersion {
        /// Version found in the header.
        version: u32,
    },
    /// The file ends inside a header or a block, or only zeros follow: the writer was interrupted.
    #[error("the segment ends inside the block or header at byte {offset}")]
    Truncated {
        /// End of the last whole block.
        offset: u64,
    },
    /// The bytes are not those that were written.
    #[error("the segment is damaged at byte {offset}: {damage}")]
    Corrupt {
        /// Start of the damaged block or header.
        offset: u64,
        /// The check that failed.
        damage: Damage,
    },
}

/// The check by which damage was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The checksum of a header differs.
    #[error("the header's checksum differs")]
    Header,
    /// The checksum over the records differs.
    #[error("the checksum of the records differs")]
    Records,
    /// The block does not continue the numbers of the one before: a block is missing or doubled.
    #[error("the block's first sequence does not follow the block before")]
    Sequence,
    /// The checksums hold, but the file's version never writes such content.
    #[error("the content is none that this version writes")]
    Content,
}

/// A whole block that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadBlock {
    /// Position of the block in the file.
    pub offset: u64,
    /// Number of its first record.
    pub first_sequence: u64,
    /// Records as they were written.
    pub records: Vec<Record>,
}

impl ReadBlock {
    /// Returns the records with their numbers. A gap has the number of the first record that is
    /// missing; a record that takes no number has that of the next input.
    pub fn numbered(&self) -> impl Iterator<Item = (u64, &Record)> {
        self.records.iter().scan(self.first_sequence, |next, record| {
            let sequence = *next;
            *next = next.saturating_add(numbers_taken(record));
            Some((sequence, record))
        })
    }
}

/// Iterates over the whole blocks of a segment in order, and ends after the first error.
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
    /// Opens a segment, whether it is closed or not.
    ///
    /// # Errors
    /// The same as [`SegmentReader::new`].
    pub fn open(path: &Path) -> Result<Self, SegmentError> {
        let file = File::open(path).map_err(|source| SegmentError::Io { offset: 0, source })?;
        SegmentReader::new(BufReader::with_capacity(READ_BYTES, file))
    }

    /// Opens a segment whose header is damaged; the caller knows its identity from elsewhere. The
    /// first item is the damaged header; [`skip_damage`](SegmentReader::skip_damage) then continues
    /// behind it.
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
    /// Looks for the next whole block behind the damage that is not one of those before it, and
    /// continues there. Returns whether there is one; the numbers in between are lost.
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

    /// Continues at `offset`, whichever number the block there has.
    fn seek(&mut self, offset: u64) -> Result<(), SegmentError> {
        let sought = self.input.seek(SeekFrom::Start(offset));
        sought.map_err(|source| SegmentError::Io { offset, source })?;
        (self.offset, self.next_sequence) = (offset, None);
        Ok(())
    }
}

impl<R: Read> SegmentReader<R> {
    /// Reads the header of a segment from `input`.
    ///
    /// # Errors
    /// Any [`SegmentError`], with offset 0.
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
        // The checksum stands at the same place in every version, so that damage can be told from
        // another version.
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

    /// Returns the identity of the segment.
    #[must_use]
    pub fn info(&self) -> &SegmentInfo {
        &self.info
    }

    /// Returns the end of the last whole block that was returned.
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

    /// Returns whether the rest is zeros: a power cut can leave the length of a file on the disk
    /// without its content.
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

/// Returns whether a block whose checksums hold has only content that its version writes.
fn follows_the_rules(block: &ReadBlock, next_sequence: u64, version: u32) -> bool {
    let taken = block.records.iter().map(numbers_taken).fold(0, u64::saturating_add);
    let belongs = |record: &Record| belongs(record, version);
    block.first_sequence.saturating_add(taken) == next_sequence && block.records.iter().all(belongs)
}

/// Returns whether a segment of this version may hold the record.
fn belongs(record: &Record, version: u32) -> bool {
    match record.class() {
        Some(Class::Input) => true,
        // Gaps of version 1 have no cause.
        Some(Class::Mark) => 1 < version || record.flags == 0,
        Some(Class::Derived) => 1 < version,
        Some(Class::Notice) | None => false,
    }
}

/// Reads until `out` is full or the input ends, and returns the number of bytes read.
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
    use crate::segment::Block;
    use crate::segment::format::{CHECKED_BYTES, segment_header};
    use proptest::prelude::*;
    use spreadwire_kit::records::{quote, status};
    use spreadwire_market::record::{Gap, GapCause};
    use std::io::Cursor;

    const INFO: SegmentInfo = SegmentInfo {
        origin: Origin {
            run: RunId { text: *b"run-1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" },
            catalogue: 0xC0FF_EE00,
        },
        number: 3,
        started_at: 77,
    };

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
            Spread { ..Spread::zeroed() }.into(),
            Opened { ..Opened::zeroed() }.into(),
            Closed { ..Closed::zeroed() }.into(),
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
