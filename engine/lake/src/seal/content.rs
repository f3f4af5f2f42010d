//! A segment in memory: its records, the numbers it lacks, and its entries of the ledger.

use super::unfit::Unfits;
use super::{SealError, Sealed, SealedFile};
use crate::columns::Columns;
use crate::group::Group;
use crate::ledger::{Cause, Entry, EntryKind};
use crate::segment::{SegmentError, SegmentInfo, SegmentReader};
use rustc_hash::FxHashMap;
use spreadwire_market::clock::Nanos;
use spreadwire_market::instrument::Catalogue;
use spreadwire_market::record::{Gap, GapCause, Kind, Record, Status, numbers_taken};
use spreadwire_market::state::{Reason, State};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

/// Where the first block of a segment begins.
const FIRST_BLOCK: u64 = size_of::<Record>() as u64;
/// Numbers of records in a segment, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Quotes.
    pub quotes: u64,
    /// Statuses.
    pub statuses: u64,
    /// Spreads, and ends of spreads.
    pub spreads: u64,
    /// Opportunities that opened or closed.
    pub opportunities: u64,
    /// Gap marks, which become entries of the ledger instead of rows.
    pub gaps: u64,
    /// Inputs that the gap marks stand for.
    pub missed: u64,
    /// Records of any kind that the lake cannot hold.
    pub unfit: u64,
}

impl Tally {
    fn count(&mut self, record: &Record) {
        match record.kind() {
            Some(Kind::Quote) => self.quotes += 1,
            Some(Kind::Status) => self.statuses += 1,
            Some(Kind::Spread | Kind::Ended) => self.spreads += 1,
            Some(Kind::Opened | Kind::Closed) => self.opportunities += 1,
            Some(Kind::Gap) => {
                self.gaps += 1;
                self.missed = self.missed.saturating_add(numbers_taken(record));
            }
            // The reader hands out no others.
            _ => {}
        }
    }

    /// Records of every kind.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.quotes + self.statuses + self.spreads + self.opportunities + self.gaps + self.unfit
    }
}

/// Numbers that were lost to damage, as far as they are known, with the times of the records around
/// them.
#[derive(Clone, Copy)]
struct Lost {
    first: Option<u64>,
    /// The number after the last one lost.
    next: Option<u64>,
    from: Nanos,
    until: Option<Nanos>,
}

/// A segment in memory.
pub(super) struct Content {
    pub(super) info: SegmentInfo,
    /// Every record except gap marks, in the order of the journal.
    pub(super) records: Vec<Record>,
    /// The number of each record; for a record without one, the number of the next input.
    pub(super) numbers: Vec<u64>,
    /// Gap marks, each with the first number that it stands for and the time of the next record.
    gaps: Vec<(Gap, u64, Option<Nanos>)>,
    tally: Tally,
    first_sequence: Option<u64>,
    next_sequence: Option<u64>,
    pub(super) last_time: Nanos,
    truncated_at: Option<u64>,
    pub(super) damaged_at: Vec<u64>,
    /// What was lost to damage.
    lost: Vec<Lost>,
    /// Records that the lake cannot hold.
    pub(super) unfit: Unfits,
}

impl Content {
    pub(super) fn read(
        mut reader: SegmentReader<io::BufReader<fs::File>>,
        written: Option<u64>,
        columns: &Columns<'_>,
    ) -> Result<Content, SealError> {
        let info = *reader.info();
        let mut content = Content {
            info,
            records: Vec::new(),
            numbers: Vec::new(),
            gaps: Vec::new(),
            tally: Tally::default(),
            first_sequence: None,
            next_sequence: None,
            last_time: info.started_at,
            truncated_at: None,
            damaged_at: Vec::new(),
            lost: Vec::new(),
            unfit: Unfits::default(),
        };
        loop {
            match reader.next() {
                Some(Ok(block)) => {
                    content.begin_block(block.first_sequence);
                    for (sequence, record) in block.numbered() {
                        content.take(sequence, record, columns);
                    }
                }
                Some(Err(SegmentError::Truncated { offset })) => {
                    content.truncated_at = Some(offset)
                }
                Some(Err(SegmentError::Corrupt { offset, .. })) => {
                    content.damaged_at.push(offset);
                    let whole = reader.skip_damage()?;
                    // A damaged header costs no record if the first block follows it.
                    if !(whole && offset == 0 && reader.offset() == FIRST_BLOCK) {
                        content.lose();
                    }
                }
                Some(Err(error)) => return Err(error.into()),
                None => break,
            }
        }
        content.compare(written, reader.offset());
        Ok(content)
    }

    /// Notes the first number of a block. After damage it tells which numbers are missing.
    fn begin_block(&mut self, first_sequence: u64) {
        if let Some(lost) = self.lost.last_mut() {
            lost.next.get_or_insert(first_sequence);
        }
        self.first_sequence.get_or_insert(first_sequence);
        self.next_sequence = Some(first_sequence);
    }

    /// Notes that blocks after the last record taken are damaged.
    fn lose(&mut self) {
        let (first, from) = (self.next_sequence, self.last_time);
        self.lost.push(Lost { first, next: None, from, until: None });
    }

    fn take(&mut self, sequence: u64, record: &Record, columns: &Columns<'_>) {
        self.next_sequence = Some(sequence.saturating_add(numbers_taken(record)));
        if let Err(why) = columns.check(record, sequence) {
            self.tally.unfit += 1;
            return self.unfit.push(sequence, record, why, self.last_time);
        }
        self.tally.count(record);
        if record.kind() == Some(Kind::Gap) {
            return self.gaps.push((*record.view(), sequence, None));
        }
        let time = record.ts_recv();
        self.gaps
            .iter_mut()
            .rev()
            .map_while(|(.., until)| until.is_none().then_some(until))
            .for_each(|until| *until = Some(time));
        if let Some(lost) = self.lost.last_mut() {
            lost.until.get_or_insert(time);
        }
        self.last_time = self.last_time.max(record.ts_recv());
        self.records.push(*record);
        self.numbers.push(sequence);
    }

    /// Counts a file as damaged if it holds fewer records than its writer counted, even if it ends
    /// with a whole block.
    fn compare(&mut self, written: Option<u64>, offset: u64) {
        let short = written.is_some_and(|written| self.tally.records() < written);
        if short && self.damaged_at.is_empty() {
            self.damaged_at.push(offset);
            self.lose();
        }
    }

    /// Returns the places of each group's records, in the order of the journal.
    pub(super) fn groups(&self) -> BTreeMap<Group, Vec<u32>> {
        let mut groups: FxHashMap<Group, Vec<u32>> = FxHashMap::default();
        for (at, record) in self.records.iter().enumerate() {
            if let (Some(group), Ok(at)) = (Group::of(record), u32::try_from(at)) {
                groups.entry(group).or_default().push(at);
            }
        }
        groups.into_iter().collect()
    }

    /// Returns the ledger's entries for the segment itself, and for what is missing in it.
    pub(super) fn entries(&self, catalogue: &Catalogue, path: &Path) -> Vec<Entry> {
        let entry = |kind, time| Entry {
            segment: Some(self.info.number),
            ..Entry::new(kind, time).of_run(self.info.origin.run.as_str())
        };
        let state = match (self.damaged_at.is_empty(), self.truncated_at) {
            (false, _) => "damaged",
            (true, Some(_)) => "truncated",
            (true, None) => "whole",
        };
        let mut entries = vec![Entry {
            first: self.first_sequence,
            last: self.next_sequence.and_then(|next| next.checked_sub(1)),
            rows: Some(self.tally.records()),
            bytes: fs::metadata(path).ok().map(|metadata| metadata.len()),
            until: Some(self.last_time),
            ..entry(EntryKind::Segment, self.info.started_at).because(state)
        }];
        for (gap, first, until) in &self.gaps {
            let numbered = gap.cause().is_none_or(GapCause::is_numbered);
            let last = first.saturating_add(gap.missed).checked_sub(1);
            entries.push(Entry {
                first: numbered.then_some(*first),
                last: last.filter(|_| numbered),
                rows: Some(gap.missed),
                until: Some(until.unwrap_or(self.last_time).max(gap.ts_recv)),
                ..entry(EntryKind::Gap, gap.ts_recv).because(cause_of(gap).name())
            });
        }
        for Lost { first, next, from, until } in &self.lost {
            let rows = next.zip(*first).map(|(next, first)| next.saturating_sub(first));
            let last = next.and_then(|next| next.checked_sub(1));
            let gap = entry(EntryKind::Gap, *from).because(Cause::Damage.name());
            entries.push(Entry { first: *first, last, rows, until: *until, ..gap });
        }
        entries.extend(self.unfit.gaps().map(|gap| Entry {
            segment: Some(self.info.number),
            ..gap.of_run(self.info.origin.run.as_str())
        }));
        entries.extend(self.outages(catalogue).map(|outage| Entry {
            segment: Some(self.info.number),
            ..outage.of_run(self.info.origin.run.as_str())
        }));
        entries
    }

    /// Returns the intervals in which a venue gave nothing for an instrument. Each lasts from a
    /// change of its state to the next one, or has no end if this segment does not hold that.
    fn outages(&self, catalogue: &Catalogue) -> impl Iterator<Item = Entry> {
        let mut open: BTreeMap<(u8, u32), Entry> = BTreeMap::new();
        let mut done = Vec::new();
        for record in self.records.iter().filter(|record| record.kind() == Some(Kind::Status)) {
            let status: &Status = record.view();
            let key = (status.venue.0, status.instrument.0);
            if let Some(outage) = open.remove(&key) {
                done.push(Entry { until: Some(status.ts_recv), ..outage });
            }
            if let Some(cause) = outage_of(status) {
                let gap = Entry {
                    venue: Some(catalogue.venue(status.venue).name.clone()),
                    instrument: Some(catalogue.instrument(status.instrument).name.clone()),
                    ..Entry::new(EntryKind::Gap, status.ts_recv).because(cause.name())
                };
                open.insert(key, gap);
            }
        }
        done.into_iter().chain(open.into_values())
    }

    pub(super) fn sealed(self, files: Vec<SealedFile>) -> Sealed {
        let Content { info, tally, next_sequence, last_time, truncated_at, damaged_at, .. } = self;
        let unfit = self.unfit.reasons();
        Sealed { info, files, tally, next_sequence, last_time, truncated_at, unfit, damaged_at }
    }
}

fn cause_of(gap: &Gap) -> Cause {
    match gap.cause() {
        Some(GapCause::Edge) | None => Cause::Ring,
        Some(GapCause::Disk) => Cause::Disk,
        Some(GapCause::Spreads) => Cause::Spreads,
        Some(GapCause::Opportunities) => Cause::Opportunities,
    }
}

/// Returns why a (venue, instrument) that changes to this state gives nothing from then on; `None`
/// if it does give quotes.
fn outage_of(status: &Status) -> Option<Cause> {
    let reason = Reason::of_code(status.reason)?;
    match (State::of_code(status.state)?, reason) {
        (State::Gap | State::Refused, _) | (State::Down, Reason::Refused) => Some(Cause::Venue),
        (State::Silent, Reason::NoQuote) => Some(Cause::Venue),
        (State::Down, _) | (State::Stale, Reason::Silent) => Some(Cause::Network),
        // Quotes come, even if they are not to be traded on, or the first one is on its way.
        (
            State::Silent
            | State::Live
            | State::Stale
            | State::Crossed
            | State::OneSided
            | State::Lagging
            | State::Unreadable,
            _,
        ) => None,
    }
}
