//! Digests of the data that an analysis rests on.

use crate::input::Unit;
use crate::partials::Opening;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Returns the SHA-256 of the paths and contents of a unit's files, in hexadecimal. Of a file that cannot be
/// read, the error counts instead of the rest.
pub(super) fn of_files(lake: &Path, unit: &Unit) -> String {
    let mut sum = Sha256::new();
    for file in unit.venues.iter().flat_map(|day| &day.files) {
        sum.update(format!("{} {}\n", file.path, file.bytes));
        if let Err(error) = contents(&lake.join(&file.path), &mut sum) {
            sum.update(error.to_string());
        }
    }
    hex(&sum.finalize())
}

fn contents(path: &Path, sum: &mut Sha256) -> io::Result<()> {
    let (mut file, mut piece) = (File::open(path)?, vec![0; 1 << 16]);
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok(());
        }
        sum.update(&piece[..read]);
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
