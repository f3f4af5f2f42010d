//! The layout of a segment: its constants and its two headers.

use crate::run::{Origin, RUN_BYTES_MAX};
use bytemuck::{Pod, Zeroable};
use spreadwire_market::clock::Nanos;
use spreadwire_market::record::Record;

/// The format version that this code writes.
pub const VERSION: u32 = 2;
/// The oldest format version that it reads; it reads all versions up to [`VERSION`].
pub const VERSION_MIN: u32 = 1;
/// A block holds at most this many records, 4 MiB, which bounds the memory that a reader needs.
pub const BLOCK_RECORDS_MAX: usize = 65_536;
/// Suffix of the file name of a closed segment.
pub const CLOSED_SUFFIX: &str = ".seg";
/// Suffix of the file name of a segment that is being written; a crash leaves it so.
pub const OPEN_SUFFIX: &str = ".seg.open";
pub(super) const SEGMENT_MAGIC: [u8; 8] = *b"SPRDWSEG";
pub(super) const BLOCK_MAGIC: [u8; 8] = *b"SPRDWBLK";
/// Both headers are as long as a record, so that records lie at multiples of 64 in the file.
pub(super) const HEADER_BYTES: usize = 64;
/// The bytes of a header that its checksum covers: all but the checksum itself.
pub(super) const CHECKED_BYTES: usize = HEADER_BYTES - 4;

/// The identity of a segment, from its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// The run that wrote it, and the catalogue it used.
    pub origin: Origin,
    /// Number of the segment within its run, counting up from 0.
    pub number: u32,
    /// When it was begun.
    pub started_at: Nanos,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(super) struct SegmentHeader {
    pub(super) magic: [u8; 8],
    pub(super) version: u32,
    pub(super) number: u32,
    pub(super) started_at: Nanos,
    pub(super) run: [u8; RUN_BYTES_MAX],
    pub(super) catalogue: u32,
    pub(super) crc: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(super) struct BlockHeader {
    pub(super) magic: [u8; 8],
    pub(super) version: u32,
    pub(super) count: u32,
    pub(super) first_sequence: u64,
    pub(super) next_sequence: u64,
    pub(super) reserved: [u8; 24],
    pub(super) records_crc: u32,
    pub(super) crc: u32,
}

/// The layout in memory is the file format: headers and records are written as they lie.
const _: () = {
    assert!(cfg!(target_endian = "little"));
    assert!(size_of::<SegmentHeader>() == HEADER_BYTES && size_of::<BlockHeader>() == HEADER_BYTES);
    assert!(size_of::<Record>() == HEADER_BYTES);
    assert!(std::mem::offset_of!(SegmentHeader, crc) == CHECKED_BYTES);
    assert!(std::mem::offset_of!(BlockHeader, crc) == CHECKED_BYTES);
};

/// Returns the CRC32C of a header without its last four bytes, which hold the checksum.
pub(super) fn header_crc<T: Pod>(header: &T) -> u32 {
    crc32c::crc32c(&bytemuck::bytes_of(header)[..CHECKED_BYTES])
}

/// Returns the header of a segment as it stands in the file.
pub(super) fn segment_header(info: &SegmentInfo) -> [u8; HEADER_BYTES] {
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
