//! What there is to read: instruments by day, their venues, and the files of these.

use super::names::Scale;
use super::selection::TimeUnit;
use crate::report::Problem;
use jiff::civil::Date;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// What there is to analyse.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Units by instrument, then by day; empty if nothing is selected or found.
    pub units: Vec<Unit>,
    /// What was left out.
    pub problems: Vec<Problem>,
    /// The days of the units, in order.
    pub days: Vec<Date>,
    /// Number of files that belong to no unit, although nothing in the selection excludes them.
    /// A folder that cannot be listed counts as one.
    pub not_read: u64,
    /// Number of files that are known to hold no quotes: the lake's other tables, and files that
    /// are hidden or not finished.
    pub known: u64,
}

/// One instrument on one day. A day on which only one venue has quotes is a unit too.
#[derive(Clone, Debug, PartialEq)]
pub struct Unit {
    /// Canonical name: `BTC/USDT`.
    pub instrument: String,
    /// Name as a folder of the lake: `BTC#USDT`.
    pub symbol_folder: String,
    /// The day, UTC.
    pub date: Date,
    /// One or more venues, in order of name.
    pub venues: Vec<VenueDay>,
}

/// What one venue has for a unit.
#[derive(Clone, Debug, PartialEq)]
pub struct VenueDay {
    /// Name of the venue: `binance_usdm`.
    pub venue: String,
    /// Its symbols of the instrument as the lake spells them: `1000PEPE#USDT`. There are several if
    /// it has the instrument under one after the other.
    pub symbols: Vec<String>,
    /// The units of its prices and sizes.
    pub scale: Scale,
    /// The day, UTC.
    pub date: Date,
    /// One or more files, in order of path.
    pub files: Vec<QuoteFile>,
    /// Unit of times that are numbers and whose column does not say it.
    pub time_unit: Option<TimeUnit>,
}

/// A file as it was found. If its length or time differs when it is read, it is left out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QuoteFile {
    /// Path below the lake.
    pub path: String,
    /// Length in bytes.
    pub bytes: u64,
    /// Time of the last change, in ns since 1970 UTC.
    pub modified_ns: i64,
    /// Whether the path names its day. The rows of a file whose path does not are divided by day:
    /// it is in every unit that has some of them.
    pub names_day: bool,
}

impl VenueDay {
    /// Returns the name of a symbol of it in problems: its folder, if it is our recorder's.
    #[must_use]
    pub fn subject(&self, symbol: &str) -> String {
        let folder = format!("exchange={}/symbol={symbol}", self.venue);
        let is_below = |file: &QuoteFile| file.path.starts_with(&format!("{folder}/"));
        if self.files.iter().any(is_below) { folder } else { format!("{} {symbol}", self.venue) }
    }
}

impl QuoteFile {
    pub(super) fn new(path: String, of: &fs::Metadata, names_day: bool) -> QuoteFile {
        QuoteFile { path, bytes: of.len(), modified_ns: modified_ns(of), names_day }
    }
}

/// Returns the time of a file's last change, in ns since 1970.
pub(super) fn modified_ns(of: &fs::Metadata) -> i64 {
    of.mtime().saturating_mul(1_000_000_000).saturating_add(of.mtime_nsec())
}
