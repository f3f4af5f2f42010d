//! Partial results as files beside the lake: what a night has computed, the next night reads.
//!
//! `<folder>/date=YYYY-MM-DD/<SYMBOL>.partial`: a line that says what it is, the CRC32C of the rest,
//! and a compressed [`Stored`]. It holds all that the result depends on (the key), so that a file that
//! is of another version, other settings or other quotes is simply computed again. It must not know
//! what is in a partial result.

use crate::input::QuoteFile;
use crate::kernel::Settings;
use crate::kernel::partial::Partial;
use crate::report::Problem;
use serde::{Deserialize, Serialize};
use spreadwire_lake::folder;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Changes whenever the same quotes would give other sums.
pub const VERSION: u32 = 1;

const HEAD: &[u8] = b"spreadwire partial 1\n";
const LEVEL: i32 = 3;

/// All that a partial result depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Key {
    /// [`VERSION`] of the code.
    pub version: u32,
    /// What was asked for.
    pub settings: Settings,
    /// The files of the day, and of the days that its venues' last quotes came from: venue, path,
    /// bytes, time of change.
    pub files: Vec<(String, String, u64, i64)>,
}

impl Key {
    /// The key of a unit.
    #[must_use]
    pub fn new<'a>(
        settings: &Settings,
        files: impl Iterator<Item = (&'a str, &'a QuoteFile)>,
    ) -> Key {
        let files = files.map(|(venue, file)| {
            (venue.to_owned(), file.path.clone(), file.bytes, file.modified_ns)
        });
        Key { version: VERSION, settings: settings.clone(), files: files.collect() }
    }
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// What it depends on.
    pub key: Key,
    /// The result.
    pub partial: Partial,
    /// What was wrong with the quotes.
    pub problems: Vec<Problem>,
}

/// Where a unit's partial result is kept.
#[must_use]
pub fn path(folder: &Path, date: jiff::civil::Date, symbol_folder: &str) -> PathBuf {
    let symbol = symbol_folder.trim_start_matches("symbol=");
    folder.join(format!("date={date}")).join(format!("{symbol}.partial"))
}

/// The stored result of this very key; `None` if there is none, or it is damaged or of another key.
#[must_use]
pub fn load(path: &Path, key: &Key) -> Option<Stored> {
    let bytes = fs::read(path).ok()?;
    let (crc, packed) = bytes.strip_prefix(HEAD)?.split_first_chunk::<4>()?;
    if crc32c::crc32c(packed) != u32::from_le_bytes(*crc) {
        return None;
    }
    let plain = zstd::decode_all(packed).ok()?;
    let stored: Stored = postcard::from_bytes(&plain).ok()?;
    (stored.key == *key).then_some(stored)
}

/// Keeps a result, in the place of an older one.
///
/// # Errors
/// If it cannot be written.
pub fn store(path: &Path, stored: &Stored) -> io::Result<()> {
    let plain = postcard::to_allocvec(stored).map_err(io::Error::other)?;
    let packed = zstd::encode_all(&plain[..], LEVEL)?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let unfinished = path.with_extension(format!("partial.{}.tmp", std::process::id()));
    // Not synced: the checksum tells a file that a power cut left incomplete, and its unit is
    // computed again.
    folder::replace_unsynced(&unfinished, path, |mut file| {
        file.write_all(HEAD)?;
        file.write_all(&crc32c::crc32c(&packed).to_le_bytes())?;
        file.write_all(&packed)
    })
}
