//! The lake as folders: where everything lies in it, and how names and times become folders.
//!
//! Quotes lie in `exchange=<VENUE>/symbol=<SYMBOL>/date=<DATE>/hour=<HH>/`. Everything else has a
//! folder of its own beside them, so that readers that glob the quotes never meet it.

use spreadwire_market::clock::{Nanos, SECOND};
use spreadwire_market::fit::NAME_BYTES_MAX;
use std::path::Path;

/// The folder of segments, and of the marks of runs that have not ended in order yet.
pub const JOURNAL: &str = "journal";
/// The folder of the completeness ledger.
pub const LEDGER: &str = "ledger";
/// The folder of changes of state of every venue's instruments.
pub const STATUS: &str = "status";
/// The folder of spreads above the configured threshold.
pub const SPREADS: &str = "spreads";
/// The folder of the ends of spreads.
pub const ENDS: &str = "ends";
/// The folder of opportunities, as Parquet and as lines of JSON.
pub const OPPORTUNITIES: &str = "opportunities";
/// The folder of the journal of decisions.
pub const TRADING: &str = "trading";
/// The file beside that journal that tells the state of the trading.
pub const TRADING_STATUS: &str = "status.json";
/// The folder of raw frames.
pub const CAPTURE: &str = "capture";
/// The folder of damaged segments, which are kept for inspection after their whole blocks were
/// sealed.
pub const DAMAGED: &str = "damaged";
/// The folder in which a tool prepares folders for the lake, or puts those it replaced. Its content
/// is worthless once nobody holds the change lock.
pub const STAGING: &str = "staging";
/// The file that names all runs and where their chains end.
pub const HEAD: &str = "head.json";
/// The name of the head while it is being written.
pub const UNFINISHED_HEAD: &str = "head.json.tmp";
/// The file on which the recording lock is taken.
pub const RECORDING_LOCK: &str = "recording.lock";
/// The file on which the change lock is taken.
pub const CHANGE_LOCK: &str = "change.lock";
/// Suffix of the name of a Parquet file.
pub const PARQUET_SUFFIX: &str = ".parquet";
/// Suffix of the name of an unfinished Parquet file.
pub const UNFINISHED_SUFFIX: &str = ".parquet.tmp";
/// Suffix of the name of a merged file, in front of [`PARQUET_SUFFIX`] or a checksum.
pub const MERGED_SUFFIX: &str = "-merged";

/// One hour in ns, the time that a folder of quotes spans.
pub const HOUR: Nanos = 3600 * SECOND;

/// A name that cannot be a folder of the lake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} cannot be the name of a folder in the lake")]
pub struct BadName(pub String);

/// Returns the folder of a venue: `binance-usdm` becomes `binance_usdm`, because existing readers
/// use the folder's name as part of an SQL identifier.
///
/// # Errors
/// If the name would leave its folder, be hidden in it, or be read back as another name.
pub fn venue_folder(name: &str) -> Result<String, BadName> {
    if !fits_a_path(name) || name.contains('/') {
        return Err(BadName(name.to_owned()));
    }
    Ok(name.replace('-', "_"))
}

/// Returns the folder of an instrument: `BTC/USDT:PERP` becomes `BTC#USDT:PERP`.
///
/// # Errors
/// The same as [`venue_folder`].
pub fn instrument_folder(name: &str) -> Result<String, BadName> {
    if !fits_a_path(name) || 1 < name.matches('/').count() {
        return Err(BadName(name.to_owned()));
    }
    Ok(name.replace('/', "#"))
}

/// Returns whether a name has neither a dot at the start nor separators, patterns or the characters
/// that spell partitions.
fn fits_a_path(name: &str) -> bool {
    const REFUSED: &str = "\\#=%*?[]{}\"'<>|";
    let bad = |c: char| c.is_control() || c.is_whitespace() || REFUSED.contains(c);
    let hidden = name.starts_with(['.', '/']) || name.ends_with('/');
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && !hidden && !name.contains(bad)
}

/// Returns the folder of an hour, counted since 1970: `date=2024-08-08/hour=23`.
#[must_use]
pub fn hour_folder(hour: u64) -> String {
    time_of_hour(hour).strftime("date=%Y-%m-%d/hour=%H").to_string()
}

/// Returns the folder of the day that an hour lies in: `date=2024-08-08`.
#[must_use]
pub fn date_folder(hour: u64) -> String {
    time_of_hour(hour).strftime("date=%Y-%m-%d").to_string()
}

fn time_of_hour(hour: u64) -> jiff::Timestamp {
    // Every hour in range is within the calendar; any other becomes 1970.
    let second = i64::try_from(hour.saturating_mul(3600)).unwrap_or(0);
    jiff::Timestamp::from_second(second).unwrap_or_default()
}

/// Returns the times that belong to a folder of the lake, from its `date=` and `hour=` parts: the
/// first one and the one after the last, ns. `None` if the folder has no date or an impossible one.
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
}
