//! A file that this process wrote, and whether its bytes are still those.

use bytes::Bytes;
use std::fs;
use std::path::PathBuf;

/// A file as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OwnFile {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    pub(super) crc: u32,
}

impl OwnFile {
    /// Returns the file's bytes, if they are still those that were written.
    pub(super) fn read(&self) -> Option<Bytes> {
        let path = self.path.display();
        match fs::read(&self.path) {
            Ok(bytes) if self.is_of(&bytes) => return Some(bytes.into()),
            Ok(_) => tracing::warn!("{path} is not as it was written: no rows join it"),
            Err(error) => tracing::warn!("cannot read {path}: {error}: no rows join it"),
        }
        None
    }

    fn is_of(&self, bytes: &[u8]) -> bool {
        (self.bytes, self.crc) == (bytes.len() as u64, crc32c::crc32c(bytes))
    }
}
