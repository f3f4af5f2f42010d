//! What the ledger says, by what it says it of: folders, files, runs, gaps.

use super::stages::{Listing, Stages};
use crate::numbers::Range;
use spreadwire_lake::layout;
use spreadwire_lake::ledger::{self, Entry, EntryKind};
use spreadwire_lake::provenance;
use spreadwire_lake::run::Provenance;
use spreadwire_lake::stage::Stage;
use spreadwire_market::clock::Nanos;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What the ledger says, by what it says it of.
#[derive(Default)]
pub(super) struct Expected {
    /// Rows before this time were pruned; 0 if none were.
    pub(super) pruned_until: Nanos,
    /// Deletions on purpose.
    pub(super) drops: Vec<Entry>,
    pub(super) folders: BTreeMap<String, Folder>,
    pub(super) runs: BTreeMap<String, Run>,
    pub(super) gaps: Vec<Entry>,
    /// When the clock was off.
    pub(super) clocks: Vec<Entry>,
}

/// A folder by the ledger.
#[derive(Clone, Default)]
pub(super) struct Folder {
    pub(super) rows: u64,
    pub(super) digest: u64,
    /// Lengths and checksums that a file of this name has had.
    pub(super) files: BTreeMap<String, BTreeSet<(u64, u32)>>,
}

/// A run by the ledger.
#[derive(Default)]
pub(super) struct Run {
    pub(super) started: Option<Nanos>,
    /// The version of its ledger; 0 while its beginning is not known.
    pub(super) version: u64,
    /// Where its quotes come from, if that is known.
    pub(super) provenance: Option<Provenance>,
    pub(super) ended: Option<Ended>,
    pub(super) segments: BTreeMap<u32, Segment>,
    pub(super) last_time: Nanos,
    /// Numbers that are stated to be missing.
    pub(super) stated: Vec<Range>,
    /// Damage whose end is not known begins with these numbers.
    pub(super) torn: Vec<u64>,
    /// Damage whose beginning is not known ends with these.
    pub(super) torn_before: Vec<u64>,
    /// Counters by name, as they were noted last.
    pub(super) counts: BTreeMap<String, u64>,
    /// What the stages counted, as entries of their own say.
    noted: Stages,
    /// Connections made, lost or not made.
    pub(super) connections: u64,
    /// Rows by table.
    pub(super) rows: BTreeMap<String, u64>,
    /// Quotes by venue and instrument.
    pub(super) books: BTreeMap<Listing, u64>,
}

/// A segment by the ledger.
#[derive(Default)]
pub(super) struct Segment {
    pub(super) range: Option<Range>,
    /// The folders that its rows went to.
    pub(super) folders: BTreeSet<String>,
    pub(super) from: Nanos,
    pub(super) until: Nanos,
}

/// How a run ended, by the ledger.
pub(super) struct Ended {
    pub(super) time: Nanos,
    /// The last number that was given out.
    pub(super) last: Option<u64>,
    /// Of one that ended in order, how many counters were noted.
    pub(super) counters: Option<u64>,
    pub(super) cause: String,
}

impl Run {
    /// Whether a hole between segments is one that damage explains.
    pub(super) fn is_torn(&self, hole: &Range) -> bool {
        self.torn.contains(&hole.first) || self.torn_before.contains(&hole.last)
    }

    /// Returns how many rows of a table it has.
    pub(super) fn rows_of(&self, table: &str) -> u64 {
        self.rows.get(table).copied().unwrap_or(0)
    }

    /// Whether its quotes were recorded by somebody else and brought in.
    pub(super) fn is_import(&self) -> bool {
        self.provenance == Some(Provenance::Import)
    }

    /// Whether it ended in order.
    pub(super) fn is_clean(&self) -> bool {
        self.ended.as_ref().is_some_and(|ended| ended.cause == "clean")
    }

    /// Whether its stages have entries of their own.
    pub(super) fn has_stages(&self) -> bool {
        2 <= self.version
    }

    /// Returns what its stages counted.
    pub(super) fn stages(&self) -> Stages {
        if self.has_stages() { self.noted.clone() } else { Stages::of_names(&self.counts) }
    }

    /// Returns the stages that it should have counted, and that the ledger does not have.
    pub(super) fn missing_stages(&self) -> Vec<String> {
        if !self.has_stages() || !self.is_clean() {
            return Vec::new();
        }
        self.noted.missing(self.books.keys().filter(|(venue, _)| !venue.is_empty()))
    }
}

impl Expected {
    pub(super) fn new(entries: &[Entry]) -> Expected {
        let pruned_until = ledger::pruned_until(entries);
        let mut expected = Expected { pruned_until, ..Expected::default() };
        entries.iter().for_each(|entry| expected.take(entry));
        expected
    }

    /// Whether the rows of a folder were pruned.
    pub(super) fn is_pruned(&self, folder: &str) -> bool {
        layout::times_of(Path::new(folder)).is_some_and(|(_, end)| end <= self.pruned_until)
    }

    pub(super) fn take(&mut self, entry: &Entry) {
        match entry.kind {
            EntryKind::Dropped => return self.drops.push(entry.clone()),
            EntryKind::Clock => self.clocks.push(entry.clone()),
            EntryKind::Gap => self.gaps.push(entry.clone()),
            EntryKind::Rows | EntryKind::File => self.take_of_folder(entry),
            EntryKind::Started
            | EntryKind::Ended
            | EntryKind::Segment
            | EntryKind::Connected
            | EntryKind::Disconnected
            | EntryKind::Count
            | EntryKind::Stage
            | EntryKind::Link => {}
        }
        self.runs.entry(entry.run.clone().unwrap_or_default()).or_default().take(entry);
    }

    /// Takes what is said of the rows or a file of a folder, unless that was pruned.
    fn take_of_folder(&mut self, entry: &Entry) {
        let name = entry.folder.clone().unwrap_or_default();
        if self.is_pruned(&name) {
            return;
        }
        let folder = self.folders.entry(name).or_default();
        if entry.kind == EntryKind::Rows {
            folder.rows += entry.rows.unwrap_or(0);
            folder.digest = folder.digest.wrapping_add(entry.digest.unwrap_or(0));
        } else {
            let crc = entry.digest.and_then(|digest| u32::try_from(digest).ok());
            let known = folder.files.entry(entry.file.clone().unwrap_or_default()).or_default();
            known.extend(entry.bytes.zip(crc));
        }
    }
}

impl Run {
    fn take(&mut self, entry: &Entry) {
        let number = entry.segment.unwrap_or(0);
        let rows = entry.rows.unwrap_or(0);
        let cause = || entry.cause.clone().unwrap_or_default();
        match entry.kind {
            EntryKind::Started => self.begin(entry),
            EntryKind::Ended => {
                let Entry { time, last, rows: counters, .. } = *entry;
                self.ended = Some(Ended { time, last, counters, cause: cause() });
            }
            EntryKind::Segment => {
                let until = entry.until.unwrap_or(entry.time);
                let segment = self.segments.entry(number).or_default();
                (segment.range, segment.from, segment.until) = (range_of(entry), entry.time, until);
                self.last_time = self.last_time.max(until);
            }
            EntryKind::Rows => {
                let folders = &mut self.segments.entry(number).or_default().folders;
                folders.insert(entry.folder.clone().unwrap_or_default());
                *self.rows.entry(entry.table.clone().unwrap_or_default()).or_default() += rows;
                let book = entry.venue.clone().zip(entry.instrument.clone());
                *self.books.entry(book.unwrap_or_default()).or_default() += rows;
            }
            EntryKind::Gap => self.take_gap(entry),
            EntryKind::Count => {
                self.counts.insert(cause(), rows);
            }
            EntryKind::Stage => {
                let listing = entry.venue.clone().zip(entry.instrument.clone());
                if let Some(stage) = Stage::of_entry(entry) {
                    self.noted.insert(stage, listing, rows);
                }
            }
            EntryKind::Connected | EntryKind::Disconnected => self.connections += 1,
            EntryKind::File | EntryKind::Clock | EntryKind::Dropped | EntryKind::Link => {}
        }
    }

    fn begin(&mut self, entry: &Entry) {
        self.started = Some(entry.time);
        self.version = self.version.max(entry.rows.unwrap_or(1));
        self.provenance = provenance::of_started(entry);
    }

    fn take_gap(&mut self, entry: &Entry) {
        self.stated.extend(range_of(entry));
        if entry.gap_cause() != Some(ledger::Cause::Damage) {
            return;
        }
        match (entry.first, entry.last) {
            (Some(first), None) => self.torn.push(first),
            (None, Some(last)) => self.torn_before.push(last),
            (Some(_), Some(_)) | (None, None) => {}
        }
    }
}

/// Returns the numbers that an entry speaks of.
fn range_of(entry: &Entry) -> Option<Range> {
    let range = Range { first: entry.first?, last: entry.last? };
    (range.first <= range.last).then_some(range)
}
