//! Partial results as files beside the lake: one night computes them, the next night reads them.
//!
//! A file `<folder>/date=YYYY-MM-DD/<SYMBOL>.partial` is one line that says what it is, the CRC32C
//! of the rest, and a compressed [`Stored`]. Its key holds everything that the result depends on,
//! apart from the quotes that the unit begins with: these come from files of earlier days, and are
//! stored beside it. A file of another version, other settings or other quotes is simply computed
//! again. Touching a file of an earlier day changes nothing as long as its last quote is the same.

use crate::input::{QuoteFile, Scale, Unit, nanos_of};
use crate::kernel::Settings;
use crate::kernel::partial::Partial;
use crate::report::Problem;
use serde::{Deserialize, Serialize};
use spreadwire_lake::folder;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Must change whenever the same quotes would give other sums.
pub const VERSION: u32 = 7;

const HEAD: &[u8] = b"spreadwire partial 1\n";
const LEVEL: i32 = 3;

/// Path, bytes and time of the last change of a file.
pub type Stamp = (String, u64, i64);

/// Everything that a partial result depends on, apart from its [`Opening`]s.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Key {
    /// [`VERSION`] of the code.
    pub version: u32,
    /// What was computed.
    pub settings: Settings,
    /// The venues and files of the day.
    pub files: Vec<(String, Stamp)>,
    /// Unit of times that are numbers, in ns, if one was given.
    pub time_unit_ns: Option<i64>,
    /// The units of the prices and sizes of each venue whose units are not those of the instrument.
    pub scales: Vec<(String, Scale)>,
    /// The times in which nothing of a venue counts.
    pub torn: Vec<(String, Vec<(i64, i64)>)>,
}

/// The quote that a venue begins a unit with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opening {
    /// The venue.
    pub venue: String,
    /// Time, bid, ask and sizes, as bits; `None` if it has no quote before.
    pub quote: Option<[u64; 5]>,
    /// Each earlier day that was searched for it, the latest day first.
    pub searched: Vec<Searched>,
}

/// A day of a venue that was searched for its last quote.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Searched {
    /// Its files.
    pub files: Vec<Stamp>,
    /// The units of its prices and sizes.
    pub scale: Scale,
}

impl Key {
    /// Returns the key of a unit.
    #[must_use]
    pub fn new(settings: &Settings, unit: &Unit, torn: Vec<(String, Vec<(i64, i64)>)>) -> Key {
        let days = &unit.venues;
        let files = days.iter().flat_map(|day| day.files.iter().map(|file| (&day.venue, file)));
        let files = files.map(|(venue, file)| (venue.clone(), stamp(file))).collect();
        let time_unit_ns = days.iter().find_map(|day| day.time_unit).map(nanos_of);
        let scaled = days.iter().filter(|day| !day.scale.is_one());
        let scales = scaled.map(|day| (day.venue.clone(), day.scale)).collect();
        Key { version: VERSION, settings: settings.clone(), files, time_unit_ns, scales, torn }
    }
}

/// Returns what tells one state of a file from another.
#[must_use]
pub fn stamp(file: &QuoteFile) -> Stamp {
    (file.path.clone(), file.bytes, file.modified_ns)
}

/// The contents of a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// What the result depends on.
    pub key: Key,
    /// What each venue begins with, in order of name.
    pub openings: Vec<Opening>,
    /// The result.
    pub partial: Partial,
    /// What was wrong with the quotes.
    pub problems: Vec<Problem>,
    /// Paths of the files that were left out.
    pub files_left_out: Vec<String>,
    /// Digest of the files, in hexadecimal.
    pub digest: String,
}

/// Returns the path of a unit's partial result.
#[must_use]
pub fn path(folder: &Path, date: jiff::civil::Date, symbol_folder: &str) -> PathBuf {
    folder.join(format!("date={date}")).join(format!("{symbol_folder}.partial"))
}

/// Loads the stored result for this key; `None` if there is none, or it is damaged or has another
/// key.
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

/// Stores a result, replacing an older one.
///
/// # Errors
/// Returns an error if the file cannot be written.
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
