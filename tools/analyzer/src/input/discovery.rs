//! Lists the folders of a lake, written by any recorder: its instruments, days, venues and files.
//!
//! Quotes are in `exchange=<VENUE>/symbol=<SYMBOL>/date=<DATE>/hour=<HH>/`, in files with any name
//! that ends in `.parquet`. Other folders are ignored.

use super::names::{Named, Scale};
use super::selection::{Chosen, Selection};
use crate::report::Problem;
use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What there is to analyse.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Units by instrument, then by day; empty if nothing is selected or found.
    pub units: Vec<Unit>,
    /// What was left out.
    pub problems: Vec<Problem>,
    /// The days of the units, in order.
    pub days: Vec<Date>,
}

/// One instrument on one day. A day on which only one venue has quotes is a unit too.
#[derive(Clone, Debug, PartialEq)]
pub struct Unit {
    /// Canonical name: `BTC/USDT`.
    pub instrument: String,
    /// The same as a folder is named: `BTC#USDT`.
    pub symbol_folder: String,
    /// The day, UTC.
    pub date: Date,
    /// One or more venues, in order of name.
    pub venues: Vec<VenueDay>,
}

/// What one venue has for a unit.
#[derive(Clone, Debug, PartialEq)]
pub struct VenueDay {
    /// Name in the lake's folders: `binance_usdm`.
    pub venue: String,
    /// Name of its symbol in the lake's folders, which may be another than the instrument's:
    /// `1000PEPE#USDT`.
    pub symbol: String,
    /// The units of its prices and sizes.
    pub scale: Scale,
    /// The day, UTC.
    pub date: Date,
    /// One or more files, in order of path.
    pub files: Vec<QuoteFile>,
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
}

/// Walks a lake. Nothing is an error: a folder that cannot be read is one of the problems.
#[must_use]
pub fn find(lake: &Path, selection: &Selection) -> Found {
    let chosen = selection.chosen();
    let mut walk = Walk { lake, chosen, problems: Vec::new(), venue_days: BTreeMap::new() };
    walk.venues();
    let mut problems = walk.problems;
    let units = units(walk.venue_days, &mut problems);
    let days: BTreeSet<Date> = units.iter().map(|unit| unit.date).collect();
    problems.sort();
    Found { units, problems, days: days.into_iter().collect() }
}

/// What venues have by instrument, day and venue.
type VenueDays = BTreeMap<(String, Date), BTreeMap<String, VenueDay>>;

fn units(venue_days: VenueDays, problems: &mut Vec<Problem>) -> Vec<Unit> {
    let mut venues_of: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for ((instrument, _), venues) in &venue_days {
        venues_of.entry(instrument).or_default().extend(venues.keys().map(String::as_str));
    }
    venues_of.retain(|_, venues| venues.len() == 1);
    let lonely = venues_of.into_iter();
    let lonely: BTreeMap<String, String> =
        lonely.map(|(name, venues)| (name.to_owned(), venues.into_iter().collect())).collect();
    problems.extend(lonely.iter().map(|(instrument, venue)| Problem {
        subject: instrument.clone(),
        what: format!("only {venue} has it, so there is nothing to compare it with"),
        left_out: true,
    }));
    let paired = venue_days.into_iter().filter(|((name, _), _)| !lonely.contains_key(name));
    let unit = |((instrument, date), venues): ((String, Date), BTreeMap<String, VenueDay>)| Unit {
        symbol_folder: instrument.replace('/', "#"),
        instrument,
        date,
        venues: venues.into_values().collect(),
    };
    paired.map(unit).collect()
}

struct Walk<'a> {
    lake: &'a Path,
    chosen: Chosen,
    problems: Vec<Problem>,
    venue_days: VenueDays,
}

impl Walk<'_> {
    fn venues(&mut self) {
        for (venue, folder) in self.keyed("", "exchange=") {
            if self.chosen.venue(&venue) {
                self.symbols(&venue, &folder);
            }
        }
    }

    fn symbols(&mut self, venue: &str, folder: &str) {
        for (symbol, folder) in self.keyed(folder, "symbol=") {
            let named = self.chosen.names.named(venue, &symbol);
            if self.chosen.instrument(&named.instrument) {
                self.tell_alias(&folder, &named);
                self.days(venue, (&symbol, &named), &folder);
            }
        }
    }

    /// Notes that a symbol is read as another instrument, and in which units.
    fn tell_alias(&mut self, folder: &str, named: &Named) {
        let Named { instrument, scale, is_alias } = named;
        if *is_alias {
            let scaled = scale.told().map_or_else(String::new, |told| format!(": {told}"));
            let what = format!("is read as {instrument}{scaled}");
            self.problems.push(Problem { subject: folder.to_owned(), what, left_out: false });
        }
    }

    fn days(&mut self, venue: &str, (symbol, named): (&str, &Named), folder: &str) {
        for (text, folder) in self.keyed(folder, "date=") {
            let Some(date) = date(&text) else {
                self.leave_out(&folder, "is not a date of the form YYYY-MM-DD");
                continue;
            };
            if !self.chosen.day(date) {
                continue;
            }
            let files = self.hours(&folder);
            if !files.is_empty() {
                let (venue, symbol) = (venue.to_owned(), symbol.to_owned());
                let day = VenueDay { venue, symbol, scale: named.scale, date, files };
                self.add(&named.instrument, &folder, day);
            }
        }
    }

    /// Adds a venue's day, unless the venue has the instrument under another symbol already.
    fn add(&mut self, instrument: &str, folder: &str, day: VenueDay) {
        let key = (instrument.to_owned(), day.date);
        let venues = self.venue_days.entry(key).or_default();
        if let Some(other) = venues.get(&day.venue) {
            let what =
                format!("{} is {instrument} too, which is read from {}", day.symbol, other.symbol);
            self.leave_out(folder, &what);
        } else {
            venues.insert(day.venue.clone(), day);
        }
    }

    fn hours(&mut self, folder: &str) -> Vec<QuoteFile> {
        let mut files = Vec::new();
        for (text, folder) in self.keyed(folder, "hour=") {
            if is_hour(&text) {
                self.files(&folder, &mut files);
            } else {
                self.leave_out(&folder, "is not an hour from 00 to 23");
            }
        }
        // Whole paths are sorted, because an hour may have one digit; rows of equal times follow
        // this order.
        files.sort();
        files
    }

    fn files(&mut self, folder: &str, files: &mut Vec<QuoteFile>) {
        for name in self.names(folder) {
            // Files that begin with a dot are hidden; some recorders name unfinished files that
            // way.
            if !name.ends_with(".parquet") || name.starts_with('.') {
                continue;
            }
            let path = format!("{folder}/{name}");
            match fs::metadata(self.lake.join(&path)) {
                Ok(of) if of.is_file() => {
                    if !self.is_of_market(&path) {
                        continue;
                    }
                    let modified_ns = modified_ns(&of);
                    files.push(QuoteFile { path, bytes: of.len(), modified_ns });
                }
                Ok(_) => self.leave_out(&path, "is not a file"),
                Err(error) => self.leave_out(&path, &format!("cannot be read: {error}")),
            }
        }
    }

    /// Returns whether a file has quotes of the chosen market. One that does not say is left out.
    fn is_of_market(&mut self, path: &str) -> bool {
        let Some(market) = &self.chosen.market else { return true };
        match market.has(&self.lake.join(path)) {
            Ok(is_of_market) => is_of_market,
            Err(why) => {
                self.leave_out(path, &why);
                false
            }
        }
    }

    /// Returns the folders in `folder` whose name is `key` followed by a value: the values and
    /// paths.
    fn keyed(&mut self, folder: &str, key: &str) -> Vec<(String, String)> {
        let below = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let names = self.names(folder).into_iter();
        let keyed = names.filter_map(|name| {
            let value = name.strip_prefix(key)?.to_owned();
            Some((value, format!("{below}{name}")))
        });
        keyed.collect()
    }

    /// Returns the names of everything in a folder, in order.
    fn names(&mut self, folder: &str) -> Vec<String> {
        let path =
            if folder.is_empty() { PathBuf::from(self.lake) } else { self.lake.join(folder) };
        let read = || fs::read_dir(path)?.map(|entry| Ok(entry?.file_name())).collect();
        let read: std::io::Result<Vec<_>> = read();
        let entries = match read {
            Ok(entries) => entries,
            Err(error) => {
                let subject = if folder.is_empty() { "." } else { folder };
                self.leave_out(subject, &format!("cannot be read: {error}"));
                return Vec::new();
            }
        };
        let mut names = Vec::new();
        for entry in entries {
            match entry.into_string() {
                Ok(name) => names.push(name),
                Err(name) => {
                    let name = name.to_string_lossy();
                    self.leave_out(&format!("{folder}/{name}"), "its name is not UTF-8");
                }
            }
        }
        names.sort();
        names
    }

    fn leave_out(&mut self, subject: &str, what: &str) {
        let (subject, what) = (subject.to_owned(), what.to_owned());
        self.problems.push(Problem { subject, what, left_out: true });
    }
}

/// Returns the time of a file's last change, in ns since 1970.
pub(super) fn modified_ns(of: &fs::Metadata) -> i64 {
    of.mtime().saturating_mul(1_000_000_000).saturating_add(of.mtime_nsec())
}

/// Parses `YYYY-MM-DD`, and nothing else that could be read as a date.
fn date(text: &str) -> Option<Date> {
    let date: Date = text.parse().ok()?;
    (date.to_string() == text).then_some(date)
}

/// Returns whether the text is an hour. One digit is accepted: not every recorder pads with a zero.
fn is_hour(text: &str) -> bool {
    let digits = matches!(text.len(), 1 | 2) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits && text.parse::<u8>().is_ok_and(|hour| hour < 24)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_hours_are_read_strictly() {
        for (text, expected) in [
            ("2024-08-08", true),
            ("2024-02-29", true),
            ("2023-02-29", false),
            ("20240808", false),
            ("2024-8-8", false),
            ("2024-08-08T00:00", false),
            ("", false),
        ] {
            assert_eq!(date(text).is_some(), expected, "{text}");
        }
        for (text, expected) in
            [("00", true), ("7", true), ("23", true), ("24", false), ("007", false), ("+7", false)]
        {
            assert_eq!(is_hour(text), expected, "{text}");
        }
    }
}
