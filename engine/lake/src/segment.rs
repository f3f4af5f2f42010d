//! A journal segment as a file, in format version 2: its writer and its reader.
//!
//! A segment is a 64-byte header followed by blocks; a block is a 64-byte header followed by the
//! 64-byte records as they lay in memory. Every header has a CRC32C of its own and every block has
//! one over its records, so that a reader can tell a file that ends too early, as after a crash,
//! from one that was changed. Inputs of the calculator are numbered 0, 1, 2 ...: a quote or a
//! status takes one number, a gap of inputs takes the numbers of the `missed` records it stands
//! for, and spreads and opportunities take none. `docs/formats.md` has the layout byte by byte.

mod block;
mod contents;
mod format;
mod read;
mod write;

pub use block::Block;
pub use contents::{Annexed, Contents};
pub use format::{
    BLOCK_RECORDS_MAX, CLOSED_SUFFIX, OPEN_SUFFIX, SegmentInfo, VERSION, VERSION_MIN,
};
pub use read::{Damage, ReadBlock, SegmentError, SegmentReader};
pub(crate) use write::records_file;
pub use write::{ClosedSegment, FinishedSegment, SegmentWriter};
