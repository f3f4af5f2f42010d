//! Digests of the data that an analysis rests on.

use crate::input::Unit;
use crate::partials::Opening;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Returns the SHA-256 of the paths, lengths and CRC32C of a unit's files, in hexadecimal. Of a file that
/// cannot be read, the error counts instead. The checksum costs a tenth of what a SHA-256 of all contents does,
/// and tells any change that is no forgery.
pub(super) fn of_files(lake: &Path, unit: &Unit) -> String {
    let mut sum = Sha256::new();
    for file in unit.venues.iter().flat_map(|day| &day.files) {
        let content = match checksum(&lake.join(&file.path)) {
            Ok(checksum) => format!("{checksum:08x}"),
            Err(error) => error.to_string(),
        };
        sum.update(format!("{} {} {content}\n", file.path, file.bytes));
    }
    hex(&sum.finalize())
}

fn checksum(path: &Path) -> io::Result<u32> {
    let (mut file, mut piece, mut sum) = (File::open(path)?, vec![0; 1 << 16], 0);
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok(sum);
        }
        sum = crc32c::crc32c_append(sum, &piece[..read]);
    }
}

/// Returns a unit's digest with the quotes that it begins with.
pub(super) fn with_openings(digest: &str, openings: &[Opening]) -> String {
    let mut sum = Sha256::new_with_prefix(digest);
    for Opening { venue, quote, .. } in openings {
        sum.update(format!("\n{venue} {quote:?}"));
    }
    hex(&sum.finalize())
}

/// Returns bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
