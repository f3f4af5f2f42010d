//! What the ledger says, by what it says it of: folders, files, runs, gaps.

use super::stages::{Listing, Stages};
use crate::numbers::Range;
use spreadwire_lake::layout;
use spreadwire_lake::ledger::{self, Entry, EntryKind};
use spreadwire_lake::run::Provenance;
use spreadwire_lake::stage::Stage;
use spreadwire_market::clock::Nanos;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Begins the name of an import, also of one that does not state its provenance.
const IMPORT: &str = "import-";

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
        if entry.kind == EntryKind::Dropped {
            return self.drops.push(entry.clone());
        }
        let range =
            || Some(Range { first: entry.first?, last: entry.last? }).filter(|r| r.first <= r.last);
        let (folder, pruned) = (entry.folder.clone().unwrap_or_default(), self.pruned_until);
        let run = self.runs.entry(entry.run.clone().unwrap_or_default()).or_default();
        match entry.kind {
            EntryKind::Started => {
                run.started = Some(entry.time);
                run.version = run.version.max(entry.rows.unwrap_or(1));
                let stated = entry.cause.as_deref().and_then(Provenance::of_name);
                let import = entry.run.as_deref().is_some_and(|name| name.starts_with(IMPORT));
                run.provenance = stated.or(import.then_some(Provenance::Import));
            }
            EntryKind::Ended => {
                let cause = entry.cause.clone().unwrap_or_default();
                let Entry { time, last, rows: counters, .. } = *entry;
                run.ended = Some(Ended { time, last, counters, cause });
            }
            EntryKind::Segment => {
                let segment = run.segments.entry(entry.segment.unwrap_or(0)).or_default();
                segment.range = range();
                (segment.from, segment.until) = (entry.time, entry.until.unwrap_or(entry.time));
                run.last_time = run.last_time.max(entry.until.unwrap_or(0));
            }
            EntryKind::Rows => {
                let segment = run.segments.entry(entry.segment.unwrap_or(0)).or_default();
                segment.folders.insert(folder.clone());
                let rows = entry.rows.unwrap_or(0);
                *run.rows.entry(entry.table.clone().unwrap_or_default()).or_default() += rows;
                let book = entry.venue.clone().zip(entry.instrument.clone());
                *run.books.entry(book.unwrap_or_default()).or_default() += rows;
                if !layout::times_of(Path::new(&folder)).is_some_and(|(_, end)| end <= pruned) {
                    let folder = self.folders.entry(folder).or_default();
                    folder.rows += rows;
                    folder.digest = folder.digest.wrapping_add(entry.digest.unwrap_or(0));
                }
            }
            EntryKind::File => {
                let crc = entry.digest.and_then(|digest| u32::try_from(digest).ok());
                let file = entry.file.clone().unwrap_or_default();
                if layout::times_of(Path::new(&folder)).is_some_and(|(_, end)| end <= pruned) {
                    return;
                }
                let of_folder = self.folders.entry(folder).or_default();
                let known = of_folder.files.entry(file).or_default();
                known.extend(entry.bytes.zip(crc));
            }
            EntryKind::Gap => {
                run.stated.extend(range());
                if entry.gap_cause() == Some(ledger::Cause::Damage) {
                    match (entry.first, entry.last) {
                        (Some(first), None) => run.torn.push(first),
                        (None, Some(last)) => run.torn_before.push(last),
                        (Some(_), Some(_)) | (None, None) => {}
                    }
                }
                self.gaps.push(entry.clone());
            }
            EntryKind::Count => {
                run.counts.insert(entry.cause.clone().unwrap_or_default(), entry.rows.unwrap_or(0));
            }
            EntryKind::Stage => {
                let listing = entry.venue.clone().zip(entry.instrument.clone());
                if let Some(stage) = Stage::of_entry(entry) {
                    run.noted.insert(stage, listing, entry.rows.unwrap_or(0));
                }
            }
            EntryKind::Connected | EntryKind::Disconnected => run.connections += 1,
            // A drop was taken before.
            EntryKind::Clock | EntryKind::Dropped | EntryKind::Link => {}
        }
    }
}
