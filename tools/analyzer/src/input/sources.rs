//! The files of a lake by instrument, day and venue, where a venue and instrument may have several
//! sources: layouts, spellings, or symbols that mean the same.
//!
//! Sources whose times are apart are put together, if their prices are in the same units. Otherwise
//! the first one counts and the others are told, so that no quote counts twice.

use super::copies;
use super::days;
use super::layouts::Partial;
use super::names::{Named, Scale};
use super::selection::TimeUnit;
use super::spelling;
use super::unit::{QuoteFile, VenueDay};
use super::unread::Unread;
use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What venues have, by instrument and day, and by venue.
pub(super) type VenueDays = BTreeMap<(String, Date), BTreeMap<String, VenueDay>>;

/// A layout by its number, and how it spells venue and symbol.
type Source = (usize, String, String);

/// What one venue has on one day.
type BySource = BTreeMap<Source, (Scale, Vec<QuoteFile>)>;

/// The files that were found, by their sources.
#[derive(Debug, Default)]
pub(super) struct Sources {
    files: BTreeMap<(String, Date), BTreeMap<String, BySource>>,
    /// For each venue, the ways to spell it, and whether it is the value of a key there.
    spellings: BTreeMap<String, BTreeSet<(String, bool)>>,
}

impl Sources {
    /// Adds a file of a symbol that means this.
    pub(super) fn add(&mut self, partial: &Partial, named: &Named, date: Date, file: QuoteFile) {
        let place = &partial.place;
        let (Some(venue), Some(symbol)) = (&place.venue, &place.symbol) else { return };
        let name = spelling::venue(venue);
        let spellings = self.spellings.entry(name.clone()).or_default();
        spellings.insert((venue.clone(), place.venue_by_key));
        let of_day = self.files.entry((named.instrument.clone(), date)).or_default();
        let source = (partial.layout, venue.clone(), symbol.clone());
        let of_venue = of_day.entry(name).or_default();
        let (_, files) = of_venue.entry(source).or_insert_with(|| (named.scale, Vec::new()));
        files.push(file);
    }

    /// Returns what each venue has on each day, its files in order of path.
    pub(super) fn venue_days(
        mut self,
        lake: &Path,
        time_unit: Option<TimeUnit>,
        unread: &mut Unread,
    ) -> VenueDays {
        let files = std::mem::take(&mut self.files);
        let mut venue_days = VenueDays::new();
        for ((instrument, date), venues) in files {
            let mut of_day = BTreeMap::new();
            for (venue, sources) in venues {
                let (scale, symbols, files) = (Scale::default(), Vec::new(), Vec::new());
                let venue = self.shown(&venue);
                let day = VenueDay { venue, symbols, scale, date, files, time_unit };
                let day = joined(day, &instrument, sources, lake, unread);
                of_day.insert(day.venue.clone(), day);
            }
            venue_days.insert((instrument, date), of_day);
        }
        venue_days
    }

    /// Returns the name of a venue: as its folder spells it, if all its folders have a key and spell
    /// it alike.
    fn shown(&self, venue: &str) -> String {
        let spellings = self.spellings.get(venue).into_iter().flatten();
        let mut spellings = spellings.map(|(spelled, by_key)| by_key.then_some(spelled));
        match (spellings.next().flatten(), spellings.next()) {
            (Some(spelled), None) => spelled.clone(),
            (Some(_) | None, _) => venue.to_owned(),
        }
    }
}

/// Puts the sources of one venue and day together, without those that overlap an earlier one or have
/// other units.
fn joined(
    mut day: VenueDay,
    instrument: &str,
    sources: BySource,
    lake: &Path,
    unread: &mut Unread,
) -> VenueDay {
    let is_only_one = sources.len() == 1;
    let mut taken: Vec<(i64, i64)> = Vec::new();
    for ((_, _, symbol), (scale, files)) in sources {
        let files = copies::without(lake, files, unread);
        let spans = |file| days::spans(lake, file, day.date, day.time_unit);
        let spans: Vec<(i64, i64)> =
            if is_only_one { Vec::new() } else { files.iter().flat_map(spans).collect() };
        let overlaps = |one: &(i64, i64)| taken.iter().any(|other| overlap(one, other));
        let is_first = day.symbols.is_empty();
        if !is_first && (scale != day.scale || spans.iter().any(overlaps)) {
            let reason = reason(&day, instrument, (&symbol, scale));
            files.iter().for_each(|file| unread.add(&file.path, &reason, 1));
            continue;
        }
        taken.extend(spans);
        day.scale = scale;
        day.files.extend(files);
        if !day.symbols.contains(&symbol) {
            day.symbols.push(symbol);
        }
    }
    // Whole paths are sorted, because an hour may have one digit; rows of equal times follow this
    // order.
    day.files.sort();
    day
}

/// Returns why a source is left out of a venue's day.
fn reason(day: &VenueDay, instrument: &str, (symbol, scale): (&str, Scale)) -> String {
    let spelled = spelling::instrument(symbol);
    let is_same = |other: &String| spelling::instrument(other) == spelled;
    if scale == day.scale && day.symbols.iter().any(is_same) {
        return format!(
            "has times of {} {instrument} that the lake has in another layout or spelling too, so \
             it is not read",
            day.venue
        );
    }
    format!("{symbol} is {instrument} too, which is read from {}", day.symbols.join(", "))
}

/// Returns whether two spans have more in common than an end.
fn overlap(one: &(i64, i64), other: &(i64, i64)) -> bool {
    one == other || (one.0 < other.1 && other.0 < one.1)
}
