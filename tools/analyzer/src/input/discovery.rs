//! Walks a lake, written by any recorder, and lists its instruments, days, venues and files.
//!
//! Everything in the lake is accounted for. A file has quotes by its path ([`layouts`]), or is known
//! to be something else ([`known`]), or it is not read and told so. What the selection excludes is
//! not looked at.

use super::days;
use super::known;
use super::layouts::{self, Partial};
use super::names::{Meanings, Named};
use super::selection::{Chosen, Selection, TimeUnit};
use super::sources::{Sources, VenueDays};
use super::spelling;
use super::unit::{Found, QuoteFile, Unit};
use super::unread::Unread;
use crate::report::Problem;
use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Walks a lake. Nothing is an error: a folder that cannot be read is one of the problems.
#[must_use]
pub fn find(lake: &Path, selection: &Selection) -> Found {
    let (chosen, time_unit) = (selection.chosen(), selection.time_unit);
    let (unread, sources) = (Unread::default(), Sources::default());
    let (meanings, aliases) = (Meanings::new(selection.names.clone()), BTreeMap::new());
    let mut walk = Walk { lake, chosen, time_unit, meanings, unread, sources, aliases, known: 0 };
    walk.folder("", &layouts::all());
    let Walk { sources, mut unread, aliases, known, .. } = walk;
    let venue_days = sources.venue_days(lake, time_unit, &mut unread);
    let mut not_read = unread.files();
    let mut problems = unread.problems();
    problems.extend(aliases.into_values());
    let units = units(venue_days, &mut problems, &mut not_read);
    let days: BTreeSet<Date> = units.iter().map(|unit| unit.date).collect();
    problems.sort();
    Found { units, problems, days: days.into_iter().collect(), not_read, known }
}

fn units(venue_days: VenueDays, problems: &mut Vec<Problem>, not_read: &mut u64) -> Vec<Unit> {
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
    let mut units = Vec::new();
    // Units are by instrument, then by day, as the map is.
    for ((instrument, date), venues) in venue_days {
        if lonely.contains_key(&instrument) {
            *not_read += venues.values().map(|day| day.files.len() as u64).sum::<u64>();
            continue;
        }
        let venues = venues.into_values().collect();
        let symbol_folder = instrument.replace('/', "#");
        units.push(Unit { instrument, symbol_folder, date, venues });
    }
    units
}

struct Walk<'a> {
    lake: &'a Path,
    chosen: Chosen,
    time_unit: Option<TimeUnit>,
    meanings: Meanings,
    unread: Unread,
    sources: Sources,
    /// By venue and symbol, that it is read as another instrument.
    aliases: BTreeMap<(String, String), Problem>,
    /// Number of files that are known to hold no quotes.
    known: u64,
}

/// One entry of a folder.
struct Entry {
    name: String,
    /// Path below the lake.
    path: String,
    is_folder: bool,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &str, partials: &[Partial]) {
        for entry in self.entries(folder) {
            if known::is_hidden(&entry.name)
                || (folder.is_empty() && known::is_beside_quotes(&entry.name))
            {
                self.known += if entry.is_folder { self.count(&entry.path) } else { 1 };
            } else if entry.is_folder || layouts::is_keyed_folder(&entry.name) {
                self.enter(&entry, partials);
            } else {
                self.file(&entry, partials);
            }
        }
    }

    fn enter(&mut self, entry: &Entry, partials: &[Partial]) {
        match layouts::enter(partials, &entry.name) {
            Ok(mut entered) => {
                entered.retain(|partial| self.is_chosen(partial));
                entered.iter_mut().for_each(|partial| partial.heed_folder(&entry.path));
                if !entered.is_empty() {
                    self.folder(&entry.path, &entered);
                }
            }
            Err(reason) => {
                let is_file_by_name = layouts::file(partials, &entry.name).is_ok();
                let files = self.count(&entry.path);
                if is_file_by_name {
                    self.unread.add(&entry.path, "is not a file", files);
                } else if 0 < files {
                    self.unread.add(&entry.path, reason, files);
                }
            }
        }
    }

    fn file(&mut self, entry: &Entry, partials: &[Partial]) {
        let partial = match layouts::file(partials, &entry.name) {
            Ok(partial) => partial,
            Err(reason) => return self.unread.add(&entry.path, reason, 1),
        };
        if !self.is_chosen(&partial) {
            return;
        }
        let of = match fs::metadata(self.lake.join(&entry.path)) {
            Ok(of) if of.is_file() => of,
            Ok(_) => return self.unread.add(&entry.path, "is not a file", 1),
            Err(error) => {
                let reason = format!("cannot be read: {error}");
                return self.unread.add(&entry.path, &reason, 1);
            }
        };
        if !self.is_of_market(&entry.path) {
            return;
        }
        let Some((venue, symbol)) = partial.place.names() else { return };
        let named = self.meanings.of(venue, symbol);
        if named.is_alias {
            self.tell_alias(entry, &partial, &named);
        }
        let file = QuoteFile::new(entry.path.clone(), &of, partial.place.date.is_some());
        match partial.place.date {
            Some(date) => self.sources.add(&partial, &named, date, file),
            None => self.divide((&partial, &named), &file),
        }
    }

    /// Notes that a symbol is read as another instrument, and in which units.
    fn tell_alias(&mut self, entry: &Entry, partial: &Partial, named: &Named) {
        let Some((venue, symbol)) = partial.place.names() else { return };
        let key = (venue.to_owned(), symbol.to_owned());
        self.aliases.entry(key).or_insert_with(|| {
            let folder = partial.named_at.and_then(|length| entry.path.get(..length));
            let subject = folder.map_or_else(|| format!("{venue} {symbol}"), str::to_owned);
            let scaled = named.scale.told().map_or_else(String::new, |told| format!(": {told}"));
            let what = format!("is read as {}{scaled}", named.instrument);
            Problem { subject, what, left_out: false }
        });
    }

    /// Adds a file whose path names no day to each day of its rows.
    fn divide(&mut self, (partial, named): (&Partial, &Named), file: &QuoteFile) {
        match days::of(self.lake, file, self.time_unit) {
            Ok(days) => {
                for date in days.into_iter().filter(|date| self.chosen.day(*date)) {
                    self.sources.add(partial, named, date, file.clone());
                }
            }
            Err(reason) => self.unread.add(&file.path, &reason, 1),
        }
    }

    /// Returns whether nothing that a path says so far is excluded by the selection.
    fn is_chosen(&mut self, partial: &Partial) -> bool {
        let (place, chosen) = (&partial.place, &self.chosen);
        let venue = |name: &String| chosen.venue(name) || chosen.venue(&spelling::venue(name));
        let meanings = &mut self.meanings;
        let mut instrument = |(venue, symbol): (&str, &str)| {
            chosen.instrument(&meanings.of(venue, symbol).instrument)
        };
        place.venue.as_ref().is_none_or(venue)
            && place.names().is_none_or(&mut instrument)
            && place.date.is_none_or(|date| chosen.day(date))
    }

    /// Returns whether a file has quotes of the chosen market. One that does not say is left out.
    fn is_of_market(&mut self, path: &str) -> bool {
        let Some(market) = &self.chosen.market else { return true };
        match market.has(&self.lake.join(path)) {
            Ok(is_of_market) => is_of_market,
            Err(why) => {
                self.unread.add(path, &why, 1);
                false
            }
        }
    }

    /// Returns the number of files in a folder that is not read. Links are not followed.
    fn count(&self, folder: &str) -> u64 {
        let (mut count, mut waiting) = (0, vec![self.lake.join(folder)]);
        while let Some(folder) = waiting.pop() {
            let Ok(entries) = fs::read_dir(folder) else { continue };
            for entry in entries.flatten() {
                match entry.file_type() {
                    Ok(of) if of.is_dir() => waiting.push(entry.path()),
                    Ok(_) | Err(_) => count += 1,
                }
            }
        }
        count
    }

    /// Returns everything in a folder, in order of name.
    fn entries(&mut self, folder: &str) -> Vec<Entry> {
        let whole =
            if folder.is_empty() { PathBuf::from(self.lake) } else { self.lake.join(folder) };
        let read = || -> std::io::Result<Vec<_>> {
            let entry = |entry: std::io::Result<fs::DirEntry>| {
                let entry = entry?;
                Ok((entry.file_name(), entry.file_type()?, entry.path()))
            };
            fs::read_dir(whole)?.map(entry).collect()
        };
        let read = match read() {
            Ok(read) => read,
            Err(error) => {
                let subject = if folder.is_empty() { "." } else { folder };
                self.unread.add(subject, &format!("cannot be read: {error}"), 1);
                return Vec::new();
            }
        };
        let below = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let mut entries = Vec::with_capacity(read.len());
        for (name, kind, whole) in read {
            match name.into_string() {
                Ok(name) => {
                    let path = format!("{below}{name}");
                    let is_folder = kind.is_dir() || (kind.is_symlink() && whole.is_dir());
                    entries.push(Entry { name, path, is_folder });
                }
                Err(name) => {
                    let path = format!("{below}{}", name.to_string_lossy());
                    self.unread.add(&path, "its name is not UTF-8", 1);
                }
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        entries
    }
}
