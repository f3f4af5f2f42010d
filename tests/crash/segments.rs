//! Reads journal segments by the description in `docs/formats.md`, with no code of the engine: not
//! its reader, records or checksum. This reads what another program would read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const HEADER_BYTES: usize = 64;
const RECORD_BYTES: usize = 64;
/// Versions with this layout; they differ in the kinds of records.
const VERSIONS: [u32; 2] = [1, 2];
const QUOTE: u8 = 1;
const STATUS: u8 = 3;
const GAP: u8 = 4;
/// Causes of a gap that takes no numbers.
const UNNUMBERED: [u8; 2] = [2, 3];

/// Size of a record, bytes.
pub(crate) type Bytes = [u8; RECORD_BYTES];

/// Contents of a segment up to its end or the point where it breaks off.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) run: String,
    /// CRC32C of the catalogue's text.
    pub(crate) catalogue: u32,
    /// Quotes and statuses by their numbers.
    pub(crate) inputs: BTreeMap<u64, Bytes>,
    /// Number after the last complete block; `None` if there is no block.
    pub(crate) next: Option<u64>,
}

/// A segment in the journal's folder.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    /// Whether its name says that it was never closed.
    pub(crate) open: bool,
    /// Its contents; `None` if its header was not written.
    pub(crate) segment: Option<Segment>,
}

/// Returns the segments of a lake that were not read before, by file name.
///
/// # Panics
/// If one contains what a killed writer cannot leave: a damaged header or block.
pub(crate) fn new_in(lake: &Path, before: &BTreeSet<PathBuf>) -> Vec<Found> {
    let names = fs::read_dir(lake.join("journal")).into_iter().flatten();
    let paths: BTreeSet<PathBuf> = names.map(|entry| entry.unwrap().path()).collect();
    let found = paths.difference(before).filter_map(|path| {
        let name = path.to_string_lossy();
        let open = name.ends_with(".seg.open");
        let is_segment = open || name.ends_with(".seg");
        let segment = is_segment.then(|| read(path))?;
        Some(Found { open, segment, path: path.clone() })
    });
    found.collect()
}

/// Returns whether a segment has more than its header; for a lake that an engine is writing to.
pub(crate) fn is_written(lake: &Path) -> bool {
    let entries = fs::read_dir(lake.join("journal")).into_iter().flatten().flatten();
    let mut segments = entries.filter(|entry| entry.file_name().to_string_lossy().contains(".seg"));
    segments.any(|entry| entry.metadata().is_ok_and(|of| (HEADER_BYTES as u64) < of.len()))
}

fn read(path: &Path) -> Option<Segment> {
    let bytes = fs::read(path).unwrap();
    let header = bytes.get(..HEADER_BYTES)?;
    assert!(header.starts_with(b"SPRDWSEG"), "{} is no segment", path.display());
    assert!(VERSIONS.contains(&u32_at(header, 8)), "{}: another version", path.display());
    assert!(is_sound(header), "{}: the header's checksum differs", path.display());
    let run = header[24..56].split(|b| *b == 0).next().unwrap();
    let mut segment = Segment {
        run: String::from_utf8(run.to_vec()).unwrap(),
        catalogue: u32_at(header, 56),
        inputs: BTreeMap::new(),
        next: None,
    };
    let mut rest = &bytes[HEADER_BYTES..];
    while let Some(block) = whole_block(rest) {
        let (header, records) = block.split_at(HEADER_BYTES);
        assert!(is_sound(header), "{}: a block's header differs", path.display());
        assert!(header.starts_with(b"SPRDWBLK"), "{}: no block", path.display());
        assert_eq!(u32_at(header, 56), crc32c(records), "{}: records differ", path.display());
        let first = u64_at(header, 16);
        assert!(segment.next.is_none_or(|next| next == first), "{}: a hole", path.display());
        segment.next = Some(take(records, first, &mut segment.inputs));
        assert_eq!(segment.next, Some(u64_at(header, 24)), "{}: numbers", path.display());
        rest = &rest[block.len()..];
    }
    Some(segment)
}

/// Returns the block that `rest` begins with, if it is complete.
fn whole_block(rest: &[u8]) -> Option<&[u8]> {
    let header = rest.get(..HEADER_BYTES)?;
    let count = usize::try_from(u32_at(header, 12)).unwrap();
    rest.get(..HEADER_BYTES + count * RECORD_BYTES)
}

/// Adds quotes and statuses by their numbers; returns the number after the last record.
fn take(records: &[u8], first: u64, inputs: &mut BTreeMap<u64, Bytes>) -> u64 {
    let mut next = first;
    for record in records.chunks_exact(RECORD_BYTES) {
        match (record[62], record[63]) {
            (QUOTE | STATUS, _) => {
                inputs.insert(next, record.try_into().unwrap());
                next += 1;
            }
            (GAP, cause) if !UNNUMBERED.contains(&cause) => next += u64_at(record, 8),
            _ => {}
        }
    }
    next
}

/// Checks a header's own checksum.
fn is_sound(header: &[u8]) -> bool {
    u32_at(header, 60) == crc32c(&header[..60])
}

/// Returns whether the record is a quote; otherwise it is a status.
pub(crate) fn is_quote(record: &Bytes) -> bool {
    record[62] == QUOTE
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// Computes CRC32C (Castagnoli), bit by bit.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82F6_3B78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

pub(crate) fn the_checksum_is_the_one_that_the_world_calls_crc32c() {
    assert_eq!(crc32c(b"123456789"), 0xE306_9283);
}
