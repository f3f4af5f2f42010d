//! The lake as folders: where everything lies in it, how names become folders, and its two locks.
//!
//! Quotes lie in `exchange=<VENUE>/symbol=<SYMBOL>/date=<DATE>/hour=<HH>/`; everything else has a
//! folder of its own beside them, so that readers that glob the quotes never meet it. Who records
//! holds the [recording lock](lock_recording) as long as it lives; who adds or replaces files holds
//! the [change lock](lock_changes) meanwhile. It must not know what is in a file.

use crate::folder;
use spreadwire_market::clock::{Nanos, SECOND};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Segments, and what a run leaves beside them until it has ended well.
pub const JOURNAL: &str = "journal";
/// The completeness ledger.
pub const LEDGER: &str = "ledger";
/// Changes of state of every (venue, instrument).
pub const STATUS: &str = "status";
/// Spreads above the configured threshold.
pub const SPREADS: &str = "spreads";
/// Opportunities, as Parquet and as lines of JSON.
pub const OPPORTUNITIES: &str = "opportunities";
/// Raw frames.
pub const CAPTURE: &str = "capture";
/// Segments that were damaged, kept for a look after what is whole in them was sealed.
pub const DAMAGED: &str = "damaged";
/// Folders on their way in or out of the lake; worth nothing once nobody holds the change lock.
pub const STAGING: &str = "staging";
/// The file that the recording lock is on.
pub const RECORDING_LOCK: &str = "recording.lock";
/// The file that the change lock is on.
pub const CHANGE_LOCK: &str = "change.lock";
/// How the name of a Parquet file ends.
pub const PARQUET_SUFFIX: &str = ".parquet";
/// How the name of an unfinished Parquet file ends.
pub const UNFINISHED_SUFFIX: &str = ".parquet.tmp";
/// How the name of a file ends, before [`PARQUET_SUFFIX`] or a checksum, that several were merged
/// into.
pub const MERGED_SUFFIX: &str = "-merged";

/// An hour in ns: what one folder of the lake holds.
pub const HOUR: Nanos = 3600 * SECOND;

/// Longer names of venues and instruments are refused: a file name holds 255 bytes.
const NAME_BYTES_MAX: usize = 128;

/// Why a lake could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else has it.
    #[error("{path} is locked: another engine or tool works on this lake ({holder})")]
    Taken {
        /// The lock's file.
        path: PathBuf,
        /// What the holder wrote into it: its process number.
        holder: String,
    },
    /// The operating system refused.
    #[error("cannot lock {path}")]
    Io {
        /// The lock's file.
        path: PathBuf,
        /// Its answer.
        #[source]
        source: io::Error,
    },
}

/// A lock that is held until it is dropped; the operating system takes it back from a process that
/// is killed.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Locks the lake for a recording engine, or a tool that must not meet one.
///
/// # Errors
/// [`LockError::Taken`] at once if somebody has it.
pub fn lock_recording(lake: &Path) -> Result<Lock, LockError> {
    let (file, path) = open_lock(lake, RECORDING_LOCK)?;
    match file.try_lock() {
        Ok(()) => signed(file, path),
        Err(TryLockError::WouldBlock) => {
            let holder = std::fs::read_to_string(&path).unwrap_or_default().trim().to_owned();
            Err(LockError::Taken { path, holder })
        }
        Err(TryLockError::Error(source)) => Err(LockError::Io { path, source }),
    }
}

/// Whether an engine records into the lake now.
#[must_use]
pub fn is_recording(lake: &Path) -> bool {
    // Opened for reading: a look must not make a file, and must work where nothing can be written.
    let Ok(file) = File::open(lake.join(RECORDING_LOCK)) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// Waits until nobody else adds or replaces files of the lake.
///
/// # Errors
/// [`LockError::Io`].
pub fn lock_changes(lake: &Path) -> Result<Lock, LockError> {
    let (file, path) = open_lock(lake, CHANGE_LOCK)?;
    match file.lock() {
        Ok(()) => Ok(Lock { _file: file }),
        Err(source) => Err(LockError::Io { path, source }),
    }
}

/// Waits until nobody adds or replaces files of the lake, and keeps them from it as long as the lock
/// is held; others may read meanwhile. `None` if nobody ever changed it, or the file system has no
/// locks.
#[must_use]
pub fn lock_reading(lake: &Path) -> Option<Lock> {
    let file = File::open(lake.join(CHANGE_LOCK)).ok()?;
    file.lock_shared().ok()?;
    Some(Lock { _file: file })
}

fn open_lock(lake: &Path, name: &str) -> Result<(File, PathBuf), LockError> {
    let path = lake.join(name);
    let opened = folder::create(lake).and_then(|()| {
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)
    });
    match opened {
        Ok(file) => Ok((file, path)),
        Err(source) => Err(LockError::Io { path, source }),
    }
}

/// The holder writes who it is, for the message of whoever comes next.
fn signed(mut file: File, path: PathBuf) -> Result<Lock, LockError> {
    let written = file.set_len(0).and_then(|()| writeln!(file, "process {}", std::process::id()));
    match written {
        Ok(()) => Ok(Lock { _file: file }),
        Err(source) => Err(LockError::Io { path, source }),
    }
}

/// A name that cannot be a folder of the lake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} cannot be the name of a folder in the lake")]
pub struct BadName(pub String);

/// `binance-usdm` becomes `binance_usdm`: existing readers use the folder's name as part of an SQL
/// identifier.
///
/// # Errors
/// If the name would leave its folder, hide in it, or be read back as something else.
pub fn venue_folder(name: &str) -> Result<String, BadName> {
    if !fits_a_path(name) || name.contains('/') {
        return Err(BadName(name.to_owned()));
    }
    Ok(name.replace('-', "_"))
}

/// `BTC/USDT:PERP` becomes `BTC#USDT:PERP`.
///
/// # Errors
/// As [`venue_folder`].
pub fn instrument_folder(name: &str) -> Result<String, BadName> {
    if !fits_a_path(name) || 1 < name.matches('/').count() {
        return Err(BadName(name.to_owned()));
    }
    Ok(name.replace('/', "#"))
}

/// Refuses dots at the start, other separators, patterns, and the characters that partitions are
/// spelled with.
fn fits_a_path(name: &str) -> bool {
    const REFUSED: &str = "\\#=%*?[]{}\"'<>|";
    let bad = |c: char| c.is_control() || c.is_whitespace() || REFUSED.contains(c);
    let hidden = name.starts_with(['.', '/']) || name.ends_with('/');
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && !hidden && !name.contains(bad)
}

/// The folder of an hour, counted since 1970: `date=2024-08-08/hour=23`.
#[must_use]
pub fn hour_folder(hour: u64) -> String {
    time_of_hour(hour).strftime("date=%Y-%m-%d/hour=%H").to_string()
}

/// The folder of the day that an hour lies in: `date=2024-08-08`.
#[must_use]
pub fn date_folder(hour: u64) -> String {
    time_of_hour(hour).strftime("date=%Y-%m-%d").to_string()
}

fn time_of_hour(hour: u64) -> jiff::Timestamp {
    // Every time in range is within the calendar; 1970 is where there is none.
    let second = i64::try_from(hour.saturating_mul(3600)).unwrap_or(0);
    jiff::Timestamp::from_second(second).unwrap_or_default()
}

/// The times that a folder of the lake is for, by its `date=` and `hour=` parts: the first and the
/// one after the last, ns. `None` if it has no date or one that there never was.
#[must_use]
pub fn times_of(folder: &Path) -> Option<(Nanos, Nanos)> {
    let part = |key: &str| {
        let mut parts = folder.iter().filter_map(|part| part.to_str());
        parts.find_map(|part| part.strip_prefix(key))
    };
    let date: jiff::civil::Date = part("date=")?.parse().ok()?;
    let midnight = date.at(0, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    let first = u64::try_from(midnight.timestamp().as_second()).ok()?.checked_mul(SECOND)?;
    let Some(hour) = part("hour=") else { return Some((first, first + 24 * HOUR)) };
    let hour: u64 = hour.parse().ok().filter(|hour| *hour < 24)?;
    Some((first + hour * HOUR, first + (hour + 1) * HOUR))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_folders_or_are_refused() {
        for (name, folder) in [
            ("BTC/USDT", "BTC#USDT"),
            ("BTC/USDT:PERP", "BTC#USDT:PERP"),
            ("BTC/USDT:SPOT-PERP", "BTC#USDT:SPOT-PERP"),
            ("1000PEPE/USDT", "1000PEPE#USDT"),
            ("币安人生/USDT", "币安人生#USDT"),
        ] {
            assert_eq!(instrument_folder(name).unwrap(), folder);
        }
        for name in [
            "",
            "..",
            "../BTC",
            "/BTC",
            "BTC/",
            "A/B/C",
            "A\\B",
            "A#B",
            "A=B",
            "A*/B",
            "A B",
            "A\0B",
            "A\nB",
            ".hidden/B",
            "50%/B",
        ] {
            assert!(instrument_folder(name).is_err(), "{name:?}");
        }
        assert!(instrument_folder(&"A".repeat(129)).is_err());
        assert_eq!(venue_folder("binance-usdm").unwrap(), "binance_usdm");
        assert!(venue_folder("a/b").is_err());
        assert!(venue_folder("..").is_err());
    }

    #[test]
    fn hours_are_those_of_utc_there_and_back() {
        for (ts, folder) in [
            (0, "date=1970-01-01/hour=00"),
            (1_723_161_599_999_999_999, "date=2024-08-08/hour=23"),
            (1_723_161_600_000_000_000, "date=2024-08-09/hour=00"),
            (i64::MAX.cast_unsigned(), "date=2262-04-11/hour=23"),
        ] {
            assert_eq!(hour_folder(ts / HOUR), folder);
            let (first, end) = times_of(&Path::new("exchange=v").join(folder)).unwrap();
            assert!((first..end).contains(&ts), "{folder}");
            assert_eq!(end - first, HOUR);
        }
        let (first, end) = times_of(Path::new("ledger/date=2024-08-09")).unwrap();
        assert_eq!((first, end - first), (1_723_161_600 * SECOND, 24 * HOUR));
        for bad in ["", "date=2024-13-01/hour=00", "date=2024-08-08/hour=24", "hour=01"] {
            assert_eq!(times_of(Path::new(bad)), None, "{bad}");
        }
    }

    #[test]
    fn a_lake_has_one_recorder_and_says_who_has_it() {
        let home = tempfile::tempdir().unwrap();
        let lake = home.path().join("lake");
        assert!(!is_recording(&lake));
        let lock = lock_recording(&lake).unwrap();
        assert!(is_recording(&lake));
        let refused = lock_recording(&lake).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        drop(lock_changes(&lake).unwrap());
        drop(lock);
        assert!(!is_recording(&lake));
        lock_recording(&lake).unwrap();
    }
}
