//! What of each venue's instrument was recorded when, by the ledger: a table of intervals.
//!
//! Each interval is of one run, or of the time between two runs of an engine. The intervals of a
//! venue's instrument that are not imports cover the time from its first run to its last one without
//! overlap. The table speaks of what was received; only `lake verify` proves that the rows are there.
//!
//! A run that has no end may have been killed. It is known to have recorded until the last time that
//! the ledger has of it, and nothing is known of the time after.

use crate::layout;
use crate::ledger::{Cause, Entry, EntryKind};
use crate::provenance;
use crate::run::Provenance;
use spreadwire_market::clock::Nanos;
use spreadwire_market::named;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The cause of the time between two runs, the first of which ended in order.
pub const STOPPED: &str = "stopped";

named! {
    /// What is known of an interval.
    pub enum Known {
        /// What came was recorded.
        Recorded => "recorded",
        /// The venue gave nothing for the instrument, or there was no connection to it.
        VenueDown => "venue_down",
        /// Something was received, and the recorder lost it.
        Lost => "lost",
        /// No engine ran.
        Outage => "outage",
        /// Rows that somebody else recorded were brought in.
        Imported => "imported",
    }
}

impl Known {
    /// Whether the rows of the interval are all that there was.
    #[must_use]
    pub fn is_whole(self) -> bool {
        matches!(self, Known::Recorded | Known::Imported)
    }
}

/// An instrument on a venue, by name.
pub type Listing = (String, String);

/// An interval of a venue's instrument.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interval {
    /// The venue's name.
    pub venue: String,
    /// The instrument's name.
    pub instrument: String,
    /// The beginning, ns since 1970 UTC.
    pub from: Nanos,
    /// The end, ns since 1970 UTC; after the beginning.
    pub until: Nanos,
    /// What is known of it.
    pub known: Known,
    /// Of what is not whole the cause: a name of [`Cause`], or [`STOPPED`].
    pub cause: String,
    /// The run; between two runs the one before.
    pub run: String,
}

/// A run by the ledger.
#[derive(Default)]
struct Run<'a> {
    started: Option<Nanos>,
    ended: Option<Nanos>,
    /// The last time that any of its entries has.
    seen: Nanos,
    clean: bool,
    import: bool,
    listings: BTreeSet<Listing>,
    gaps: Vec<&'a Entry>,
    /// Beginnings of the segments that have rows of a listing, by their numbers.
    with_rows: BTreeMap<Listing, BTreeSet<u32>>,
    segments: BTreeMap<u32, Nanos>,
    /// The times of the folders that have rows of it.
    folders: BTreeSet<(Nanos, Nanos)>,
}

/// Returns the times in which something was recorded or imported, by the facts of a ledger: ascending
/// and apart. An import counts hour by hour, where it has rows: whoever recorded them tells nothing of
/// the hours without.
#[must_use]
pub fn spans(facts: &[Entry]) -> Vec<(Nanos, Nanos)> {
    let mut spans: Vec<(Nanos, Nanos)> = Vec::new();
    for run in runs_of(facts).into_values() {
        let (started, ended) = run.span();
        if run.import {
            let within =
                |(from, until): &(Nanos, Nanos)| ((*from).max(started), (*until).min(ended + 1));
            spans.extend(run.folders.iter().map(within));
        } else {
            spans.push((started, ended));
        }
    }
    joined(spans)
}

/// Returns the times in which everything that a recorder received was lost: ascending and apart.
#[must_use]
pub fn lost(facts: &[Entry]) -> Vec<(Nanos, Nanos)> {
    let of_all = |gap: &&Entry| gap.venue.is_none() && gap.instrument.is_none();
    let is_loss =
        |cause: Cause| cause.is_loss() && !matches!(cause, Cause::Spreads | Cause::Opportunities);
    let gaps = facts.iter().filter(of_all).filter(|gap| gap.gap_cause().is_some_and(is_loss));
    joined(gaps.filter_map(|gap| Some((gap.time, gap.until?))).collect())
}

fn joined(mut spans: Vec<(Nanos, Nanos)>) -> Vec<(Nanos, Nanos)> {
    spans.retain(|(from, until)| from < until);
    spans.sort_unstable();
    let mut found: Vec<(Nanos, Nanos)> = Vec::new();
    for (from, until) in spans {
        match found.last_mut() {
            Some((_, last)) if from <= *last => *last = until.max(*last),
            Some(_) | None => found.push((from, until)),
        }
    }
    found
}

/// Returns the table of the facts of a ledger, sorted.
#[must_use]
pub fn table(facts: &[Entry]) -> Vec<Interval> {
    let runs = runs_of(facts);
    let mut table = Vec::new();
    let listings: BTreeSet<&Listing> = runs.values().flat_map(|run| &run.listings).collect();
    for listing in listings {
        let has_it = || runs.iter().filter(|(_, run)| run.listings.contains(listing));
        let engines = has_it().filter(|(_, run)| !run.import).map(|(name, run)| (*name, run));
        between_runs(listing, engines, &mut table);
        has_it().for_each(|(name, run)| run.intervals(name, listing, &mut table));
    }
    table.sort_unstable();
    table
}

fn runs_of(facts: &[Entry]) -> BTreeMap<&str, Run<'_>> {
    let mut runs: BTreeMap<&str, Run<'_>> = BTreeMap::new();
    for fact in facts {
        let Some(name) = fact.run.as_deref() else { continue };
        let run = runs.entry(name).or_default();
        run.seen = run.seen.max(fact.time).max(fact.until.unwrap_or(0));
        let listing = fact.venue.clone().zip(fact.instrument.clone());
        match fact.kind {
            EntryKind::Started => {
                run.started = Some(fact.time);
                run.import = provenance::of_started(fact) == Some(Provenance::Import);
            }
            EntryKind::Ended => {
                (run.ended, run.clean) = (Some(fact.time), fact.cause.as_deref() == Some("clean"));
            }
            EntryKind::Segment => {
                run.segments.insert(fact.segment.unwrap_or(0), fact.time);
            }
            EntryKind::Rows => {
                let folder = fact.folder.as_deref().map(Path::new);
                run.folders.extend(folder.and_then(layout::times_of));
                if let Some(listing) = listing {
                    let segments = run.with_rows.entry(listing.clone()).or_default();
                    segments.insert(fact.segment.unwrap_or(0));
                    run.listings.insert(listing);
                }
            }
            EntryKind::Gap => {
                run.listings.extend(listing);
                run.gaps.push(fact);
            }
            EntryKind::File
            | EntryKind::Connected
            | EntryKind::Disconnected
            | EntryKind::Count
            | EntryKind::Stage
            | EntryKind::Clock
            | EntryKind::Dropped
            | EntryKind::Link => {}
        }
    }
    runs.retain(|_, run| run.started.is_some());
    runs
}

impl Run<'_> {
    fn span(&self) -> (Nanos, Nanos) {
        let started = self.started.unwrap_or(0);
        (started, self.ended.unwrap_or(self.seen).max(started))
    }

    /// Adds what is known of a listing in this run.
    fn intervals(&self, name: &str, listing: &Listing, table: &mut Vec<Interval>) {
        let (started, ended) = self.span();
        let interval = |from, until, known, cause: &str| Interval {
            venue: listing.0.clone(),
            instrument: listing.1.clone(),
            from,
            until,
            known,
            cause: cause.to_owned(),
            run: name.to_owned(),
        };
        if self.import {
            // Its last row is within it.
            table.push(interval(started, ended + 1, Known::Imported, ""));
            return;
        }
        let mut next = started;
        for (from, until, known, cause) in self.gaps_of(listing, ended) {
            let from = from.max(next);
            if from < until {
                if next < from {
                    table.push(interval(next, from, Known::Recorded, ""));
                }
                table.push(interval(from, until, known, cause.name()));
                next = until;
            }
        }
        if next < ended {
            table.push(interval(next, ended, Known::Recorded, ""));
        }
    }

    /// Returns what a listing lacks, by time. A gap that lasts beyond its segment ends where the
    /// next segment begins that has rows of the listing.
    fn gaps_of(&self, listing: &Listing, ended: Nanos) -> Vec<(Nanos, Nanos, Known, Cause)> {
        let is_its = |gap: &&&Entry| match (&gap.venue, &gap.instrument) {
            (None, None) => true,
            (venue, of) => venue.as_ref() == Some(&listing.0) && of.as_ref() == Some(&listing.1),
        };
        let mut found = Vec::new();
        for gap in self.gaps.iter().filter(is_its) {
            let Some(cause) = gap.gap_cause().filter(|cause| *cause != Cause::Restart) else {
                continue;
            };
            if matches!(cause, Cause::Spreads | Cause::Opportunities) {
                continue;
            }
            let known = if cause.is_loss() { Known::Lost } else { Known::VenueDown };
            let until = gap.until.unwrap_or_else(|| self.rows_after(listing, gap, ended));
            found.push((gap.time, until.min(ended), known, cause));
        }
        found.sort_unstable();
        found
    }

    fn rows_after(&self, listing: &Listing, gap: &Entry, ended: Nanos) -> Nanos {
        let segments = self.with_rows.get(listing).into_iter().flatten();
        let mut later = segments.filter(|segment| gap.segment.unwrap_or(0) < **segment);
        let begun = later.next().and_then(|segment| self.segments.get(segment));
        begun.copied().unwrap_or(ended)
    }
}

/// Adds the times between the runs of engines that had a listing.
fn between_runs<'a>(
    listing: &Listing,
    runs: impl Iterator<Item = (&'a str, &'a Run<'a>)>,
    table: &mut Vec<Interval>,
) {
    let mut runs: Vec<((Nanos, Nanos), &str, bool)> =
        runs.map(|(name, run)| (run.span(), name, run.clean)).collect();
    runs.sort_unstable();
    for pair in runs.windows(2) {
        let (((_, from), run, clean), ((until, _), ..)) = (pair[0], pair[1]);
        if from < until {
            table.push(Interval {
                venue: listing.0.clone(),
                instrument: listing.1.clone(),
                from,
                until,
                known: Known::Outage,
                cause: if clean { STOPPED } else { Cause::Restart.name() }.to_owned(),
                run: run.to_owned(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(run: &str, kind: EntryKind, time: Nanos) -> Entry {
        Entry::new(kind, time).of_run(run)
    }

    fn rows(run: &str, segment: u32, time: Nanos) -> [Entry; 2] {
        let held = Entry { segment: Some(segment), ..of(run, EntryKind::Segment, time) };
        let rows = Entry {
            segment: Some(segment),
            venue: Some("okx".to_owned()),
            instrument: Some("A/B".to_owned()),
            ..of(run, EntryKind::Rows, time)
        };
        [held, rows]
    }

    fn gap(run: &str, cause: Cause, from: Nanos, until: Option<Nanos>) -> Entry {
        Entry { until, ..of(run, EntryKind::Gap, from).because(cause.name()) }
    }

    fn of_okx(entry: Entry) -> Entry {
        let (venue, instrument) = (Some("okx".to_owned()), Some("A/B".to_owned()));
        Entry { venue, instrument, segment: Some(1), ..entry }
    }

    /// The intervals of the venue okx, in short.
    fn told(facts: &[Entry]) -> Vec<(Nanos, Nanos, Known, String, String)> {
        let rows = table(facts).into_iter().filter(|interval| interval.venue == "okx");
        rows.map(|i| (i.from, i.until, i.known, i.cause, i.run)).collect()
    }

    fn row(
        from: Nanos,
        until: Nanos,
        known: Known,
        cause: &str,
        run: &str,
    ) -> (Nanos, Nanos, Known, String, String) {
        (from, until, known, cause.to_owned(), run.to_owned())
    }

    #[test]
    fn a_run_is_what_was_recorded_between_its_gaps_and_runs_are_apart() {
        use Known::{Lost, Outage, Recorded, VenueDown};
        let facts = [
            vec![of("a", EntryKind::Started, 10), of("a", EntryKind::Ended, 50).because("clean")],
            rows("a", 1, 12).to_vec(),
            rows("a", 2, 40).to_vec(),
            vec![
                of_okx(gap("a", Cause::Network, 20, Some(25))),
                gap("a", Cause::Ring, 23, Some(28)),
                // Until the next segment that has rows.
                of_okx(gap("a", Cause::Venue, 30, None)),
                gap("a", Cause::Spreads, 45, Some(46)),
                Entry { venue: Some("bybit".into()), ..of_okx(gap("a", Cause::Venue, 41, None)) },
            ],
            vec![of("b", EntryKind::Started, 60), of("b", EntryKind::Ended, 70).because("killed")],
            vec![gap("b", Cause::Restart, 70, Some(90))],
            rows("b", 0, 60).to_vec(),
            // Killed, or still recording: its last segment was sealed at 97.
            vec![of("c", EntryKind::Started, 90)],
            rows("c", 0, 90).map(|entry| Entry { until: Some(97), ..entry }).to_vec(),
        ];
        let expected = [
            row(10, 20, Recorded, "", "a"),
            row(20, 25, VenueDown, "network", "a"),
            row(25, 28, Lost, "ring", "a"),
            row(28, 30, Recorded, "", "a"),
            row(30, 40, VenueDown, "venue", "a"),
            row(40, 50, Recorded, "", "a"),
            row(50, 60, Outage, "stopped", "a"),
            row(60, 70, Recorded, "", "b"),
            row(70, 90, Outage, "restart", "b"),
            row(90, 97, Recorded, "", "c"),
        ];
        let facts = facts.concat();
        assert_eq!(told(&facts), expected);
        assert_eq!(spans(&facts), [(10, 50), (60, 70), (90, 97)]);
        assert_eq!(lost(&facts), [(23, 28)]);
        // The other venue has only the run in which it stopped giving anything.
        let of_bybit = table(&facts).into_iter().filter(|interval| interval.venue == "bybit");
        let of_bybit: Vec<_> = of_bybit.map(|i| (i.from, i.until, i.known)).collect();
        let whole = [(10, 23, Recorded), (23, 28, Lost), (28, 41, Recorded), (41, 50, VenueDown)];
        assert_eq!(of_bybit, whole);
    }

    #[test]
    fn an_import_stands_beside_what_an_engine_has_and_hides_nothing() {
        let facts = [
            vec![of("a", EntryKind::Started, 10), of("a", EntryKind::Ended, 20).because("clean")],
            rows("a", 0, 10).to_vec(),
            vec![of("b", EntryKind::Started, 40), of("b", EntryKind::Ended, 50).because("clean")],
            rows("b", 0, 40).to_vec(),
            vec![of("import-x", EntryKind::Started, 25)],
            vec![of("import-x", EntryKind::Ended, 30).because("clean")],
            rows("import-x", 0, 25).to_vec(),
        ];
        let expected = [
            row(10, 20, Known::Recorded, "", "a"),
            row(20, 40, Known::Outage, "stopped", "a"),
            row(25, 31, Known::Imported, "", "import-x"),
            row(40, 50, Known::Recorded, "", "b"),
        ];
        assert_eq!(told(&facts.concat()), expected);
    }

    #[test]
    fn an_import_counts_in_the_hours_that_have_rows() {
        let hour = layout::HOUR;
        let begin = 1_723_075_200_000_000_000;
        let rows_of = |hours: u64| {
            let [_, rows] = rows("import-x", 0, begin);
            let folder = format!("exchange=okx/symbol=A#B/date=2024-08-08/hour={hours:02}");
            Entry { folder: Some(folder), ..rows }
        };
        let started = of("import-x", EntryKind::Started, begin + 5).because("import");
        let ended = of("import-x", EntryKind::Ended, begin + 23 * hour).because("clean");
        let facts = [started, ended, rows_of(0), rows_of(1), rows_of(22), rows_of(23)];
        let expected = [(begin + 5, begin + 2 * hour), (begin + 22 * hour, begin + 23 * hour + 1)];
        assert_eq!(spans(&facts), expected);
    }
}
