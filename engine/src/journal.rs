//! The journal: the agent that stores what the calculator passes on, in the order it was used.
//!
//! Quotes, statuses and gaps go into a block in memory; the block is written when it is full or
//! old enough, the file is synced and changed for the next one by rules that take the time from
//! the cycle. A closed segment is offered to the sealer and stays on disk if there is no room. A
//! write error is a state: from then on every input is counted as lost, so that nobody else is
//! harmed. In steady state a cycle allocates nothing; changing the segment does. It must not know
//! the calculator, Parquet, or what happens to a closed segment.

use crate::agent::{Agent, Report};
use crate::clock::{Clock, MILLI, Nanos, SECOND};
use crate::counters::{Counter, Counters};
use crate::folder;
use crate::latency::Latency;
use crate::record::{Gap, Kind, Record};
use crate::ring::Receiver;
use crate::segment::{Block, ClosedSegment, Origin, SegmentInfo, SegmentWriter};
use crossbeam::channel::{Sender, TrySendError};
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

/// Segments lie in this folder of the lake.
pub const FOLDER: &str = "journal";
/// The stage whose latency the journal reports: receive time to the end of the `write`.
pub const STAGE: &str = "read_to_journal";

/// Whether the open segment is still there is looked at this often at most.
const LOOK_INTERVAL_MIN: Nanos = 100 * MILLI;
/// Closed segments that a full channel keeps waiting before the list has to grow.
const WAITING_EXPECTED: usize = 64;

/// When the journal writes, syncs, and begins the next segment. Times in ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A segment is closed when it holds this many records; bounds the sealer's memory.
    pub segment_rows: u64,
    /// A segment is closed when it was begun so long ago.
    pub segment_age: Nanos,
    /// A record waits at most so long in memory: what `kill -9` can lose.
    pub flush_interval: Nanos,
    /// At most so long between syncs (`fdatasync`): what a power cut can lose. 0 leaves it to the
    /// operating system, for a thread that must not wait for a disk.
    pub sync_interval: Nanos,
    /// A block holds at most so many records; 1 to
    /// [`BLOCK_RECORDS_MAX`](crate::segment::BLOCK_RECORDS_MAX).
    pub block_records_max: usize,
}

impl Default for Settings {
    /// A million records or five minutes a segment; 5 ms to the file, 200 ms to the disk.
    fn default() -> Settings {
        Settings {
            segment_rows: 1_000_000,
            segment_age: 300 * SECOND,
            flush_interval: 5 * MILLI,
            sync_interval: 200 * MILLI,
            block_records_max: 4096,
        }
    }
}

/// The agent.
#[derive(Debug)]
pub struct Journal {
    receiver: Receiver,
    store: Store,
}

/// Everything but the input, so that draining can borrow both.
#[derive(Debug)]
struct Store {
    folder: PathBuf,
    origin: Origin,
    settings: Settings,
    clock: Clock,
    sealer: Sender<ClosedSegment>,
    counts: Counts,
    latency: Latency,
    block: Block,
    block_since: Nanos,
    segment: Option<SegmentWriter>,
    next_number: u32,
    synced_at: Nanos,
    waiting: VecDeque<ClosedSegment>,
    failure: Option<String>,
}

#[derive(Debug)]
struct Counts {
    records: Counter,
    quotes: Counter,
    statuses: Counter,
    gaps: Counter,
    missed: Counter,
    lost: Counter,
    bytes: Counter,
    segments: Counter,
    waiting: Counter,
}

impl Counts {
    fn new(counters: &Counters) -> Counts {
        let named = |name: &str| counters.counter(&format!("journal.{name}"));
        Counts {
            records: named("records"),
            quotes: named("quotes"),
            statuses: named("statuses"),
            gaps: named("gaps"),
            missed: named("missed"),
            lost: named("lost"),
            bytes: named("bytes"),
            segments: named("segments"),
            waiting: named("waiting"),
        }
    }
}

impl Journal {
    /// A journal of what comes out of `receiver`, in `<lake>/journal`. Nothing is opened before the
    /// first record. Closed segments are offered to `sealer`.
    ///
    /// # Panics
    /// If a block of [`Settings::block_records_max`] is not possible.
    #[must_use]
    pub fn new(
        receiver: Receiver,
        lake: &Path,
        origin: Origin,
        settings: Settings,
        clock: Clock,
        counters: &Counters,
        sealer: Sender<ClosedSegment>,
    ) -> Journal {
        let store = Store {
            folder: lake.join(FOLDER),
            origin,
            settings,
            clock,
            sealer,
            counts: Counts::new(counters),
            latency: Latency::new(),
            block: Block::new(settings.block_records_max, 0),
            block_since: 0,
            segment: None,
            next_number: 0,
            synced_at: 0,
            waiting: VecDeque::with_capacity(WAITING_EXPECTED),
            failure: None,
        };
        Journal { receiver, store }
    }
}

impl Agent for Journal {
    fn role(&self) -> &str {
        "journal"
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        let Journal { receiver, store } = self;
        let drained = receiver.drain(|record| store.take(record, now));
        drained + store.tend(now)
    }

    fn is_finished(&self) -> bool {
        self.receiver.is_finished()
    }

    fn on_close(&mut self) {
        let now = self.store.clock.now();
        let store = &mut self.store;
        self.receiver.drain(|record| store.take(record, now));
        store.flush();
        store.close_segment();
        store.offer_waiting();
    }

    fn report(&mut self, report: &mut Report) {
        report.latency(STAGE, &self.store.latency);
        report.failures.extend(self.store.failure.clone());
        let waiting = self.store.waiting.len();
        if 0 < waiting {
            let folder = self.store.folder.display();
            report.failures.push(format!(
                "{waiting} closed segments found no room at the sealer and wait in {folder}"
            ));
        }
    }
}

impl Store {
    /// Stores one record, or counts it.
    #[inline]
    fn take(&mut self, record: &Record, now: Nanos) {
        match record.kind() {
            Some(Kind::Quote | Kind::Status) => {}
            Some(Kind::Gap) => self.counts.missed.add(record.view::<Gap>().missed),
            Some(Kind::Spread | Kind::Opened | Kind::Closed | Kind::Recording) | None => return,
        }
        if self.segment.is_none() {
            self.open_segment(now);
        }
        let Some(segment) = &self.segment else { return self.lose(record) };
        if self.block.records().is_empty() {
            self.block_since = now;
        }
        self.block.push(record);
        let rows = segment.records() + self.block.records().len() as u64;
        if self.settings.segment_rows <= rows {
            self.flush();
            self.close_segment();
        } else if self.block.is_full() {
            self.flush();
        }
    }

    /// What is due by the time: the block, the sync, the next segment, the sealer. Returns how
    /// much of it was done.
    fn tend(&mut self, now: Nanos) -> usize {
        let Settings { flush_interval, sync_interval, segment_age, .. } = self.settings;
        let mut done = 0;
        let buffered = !self.block.records().is_empty();
        if buffered && flush_interval <= now.saturating_sub(self.block_since) {
            self.flush();
            done += 1;
        }
        if sync_interval.max(LOOK_INTERVAL_MIN) <= now.saturating_sub(self.synced_at) {
            self.synced_at = now;
            done += if 0 < sync_interval { self.sync() } else { 0 };
            self.look_for_segment();
        }
        let begun = self.segment.as_ref().map(|segment| segment.info().started_at);
        if begun.is_some_and(|begun| segment_age <= now.saturating_sub(begun)) {
            self.flush();
            self.close_segment();
            done += 1;
        }
        done + self.offer_waiting()
    }

    /// A file that was deleted takes every write, and nobody will ever read it.
    fn look_for_segment(&mut self) {
        if self.segment.as_ref().is_some_and(|segment| !segment.is_there()) {
            self.fail("find its own file", &io::ErrorKind::NotFound.into());
        }
    }

    /// Begins the next segment, unless the journal has failed.
    #[cold]
    fn open_segment(&mut self, now: Nanos) {
        if self.failure.is_some() {
            return;
        }
        let info = SegmentInfo { origin: self.origin, number: self.next_number, started_at: now };
        let created = folder::create(&self.folder)
            .and_then(|()| SegmentWriter::create(&self.folder, info))
            .and_then(|segment| folder::sync(&self.folder).map(|()| segment));
        match created {
            Ok(segment) => {
                self.segment = Some(segment);
                self.next_number += 1;
                self.counts.segments.add(1);
                self.counts.bytes.add(size_of::<Record>() as u64);
            }
            Err(error) => self.fail("begin a segment", &error),
        }
    }

    /// Writes the block.
    fn flush(&mut self) {
        let Some(segment) = &mut self.segment else { return };
        if self.block.records().is_empty() {
            return;
        }
        match segment.write(&mut self.block) {
            Ok(bytes) => {
                self.counts.bytes.add(bytes);
                self.count_written();
                self.block.clear();
            }
            Err(error) => self.fail("write a block", &error),
        }
    }

    fn count_written(&mut self) {
        let after = self.clock.now();
        let (mut quotes, mut statuses, mut gaps) = (0, 0, 0);
        for record in self.block.records() {
            match record.kind() {
                Some(Kind::Quote) => quotes += 1,
                Some(Kind::Status) => statuses += 1,
                // Its time is that of a record that never came.
                Some(Kind::Gap | Kind::Spread | Kind::Opened | Kind::Closed | Kind::Recording)
                | None => {
                    gaps += 1;
                    continue;
                }
            }
            self.latency.record(record.ts_recv(), after);
        }
        self.counts.records.add(quotes + statuses + gaps);
        self.counts.quotes.add(quotes);
        self.counts.statuses.add(statuses);
        self.counts.gaps.add(gaps);
    }

    /// Returns 1 if there was something to sync.
    fn sync(&mut self) -> usize {
        let Some(segment) = &mut self.segment else { return 0 };
        match segment.sync() {
            Ok(synced) => usize::from(synced),
            Err(error) => {
                self.fail("sync a segment", &error);
                1
            }
        }
    }

    /// Closes the segment, if one is open, and puts it in the sealer's line.
    #[cold]
    fn close_segment(&mut self) {
        let Some(mut segment) = self.segment.take() else { return };
        let synced = if 0 < self.settings.sync_interval { segment.sync() } else { Ok(false) };
        match synced.and_then(|_| segment.close()) {
            Ok(closed) => {
                self.line_up(closed);
                folder::sync(&self.folder)
                    .unwrap_or_else(|error| self.fail("sync a folder", &error));
            }
            Err(error) => {
                self.segment = Some(segment);
                self.fail("close a segment", &error);
            }
        }
    }

    fn line_up(&mut self, closed: ClosedSegment) {
        self.waiting.push_back(closed);
        self.counts.waiting.set(self.waiting.len() as u64);
    }

    /// Offers closed segments to the sealer while it has room. Returns how many it took.
    fn offer_waiting(&mut self) -> usize {
        let mut taken = 0;
        while let Some(closed) = self.waiting.pop_front() {
            match self.sealer.try_send(closed) {
                Ok(()) => taken += 1,
                Err(TrySendError::Full(closed) | TrySendError::Disconnected(closed)) => {
                    self.waiting.push_front(closed);
                    break;
                }
            }
        }
        if 0 < taken {
            self.counts.waiting.set(self.waiting.len() as u64);
        }
        taken
    }

    /// Gives up storing: what is in memory is lost, what is whole in the file is kept.
    #[cold]
    fn fail(&mut self, doing: &str, error: &io::Error) {
        let folder = self.folder.display();
        let number = self.segment.as_ref().map_or(self.next_number, |s| s.info().number);
        self.failure.get_or_insert_with(|| {
            format!("the journal could not {doing} (segment {number} in {folder}): {error}")
        });
        (0..self.block.records().len()).for_each(|at| {
            let record = self.block.records()[at];
            self.lose(&record);
        });
        self.block.clear();
        if let Some(segment) = self.segment.take() {
            self.rescue(segment);
        }
    }

    /// Closes the segment of a journal that failed as far as that goes.
    fn rescue(&mut self, mut segment: SegmentWriter) {
        // A part that cannot be cut off is recognised by the reader.
        segment.cut_back().unwrap_or_default();
        match segment.close() {
            Ok(closed) => self.line_up(closed),
            // A file under its open name is found again at the next start; one that is gone is not.
            Err(_) if segment.is_there() => {}
            Err(_) => self.counts.lost.add(segment.inputs()),
        }
    }

    /// Counts a record that is stored nowhere. A gap's own records are in `missed` already.
    fn lose(&mut self, record: &Record) {
        if record.kind() != Some(Kind::Gap) {
            self.counts.lost.add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Quote;
    use crate::ring::{self, EdgeCounters, HoldSender};
    use crate::segment::{RunId, SegmentReader};
    use bytemuck::Zeroable;
    use std::fs::OpenOptions;
    use std::path::PathBuf;

    fn quote(ts_recv: Nanos) -> Record {
        Quote { ts_recv, kind: Kind::Quote as u8, ..Quote::zeroed() }.into()
    }

    fn journal_in(lake: &Path, counters: &Counters) -> (HoldSender, Journal) {
        let (sender, receiver) = ring::hold(64, EdgeCounters::default());
        let origin = Origin { run: RunId::new("run").unwrap(), catalogue: 0 };
        let settings = Settings { block_records_max: 2, ..Settings::default() };
        let (sealer, _) = crossbeam::channel::bounded(1);
        let clock = Clock::manual(0);
        (sender, Journal::new(receiver, lake, origin, settings, clock, counters, sealer))
    }

    fn counts(counters: &Counters, names: [&str; 4]) -> [u64; 4] {
        names.map(|name| counters.counter(&format!("journal.{name}")).get())
    }

    #[test]
    fn a_full_disk_keeps_the_blocks_before_and_counts_the_rest() {
        let lake = tempfile::tempdir().unwrap();
        let counters = Counters::default();
        let (mut sender, mut journal) = journal_in(lake.path(), &counters);
        (1..=2).for_each(|ts| sender.send(quote(ts)));
        journal.do_work(1);
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        journal.store.segment.as_mut().unwrap().replace_file(full);
        (3..=7).for_each(|ts| sender.send(quote(ts)));
        sender.send(Gap::new(8, 4).into());
        assert_eq!(journal.do_work(2), 6, "it goes on draining");
        sender.send(quote(9));
        journal.do_work(3);
        journal.on_close();
        let found = counts(&counters, ["quotes", "lost", "missed", "segments"]);
        assert_eq!(found, [2, 6, 4, 1]);
        let mut report = Report::default();
        journal.report(&mut report);
        assert!(report.failures[0].contains("could not write a block (segment 0"), "{report:?}");
        assert_eq!(report.latencies[0].1.count(), 2);
        let path: PathBuf = lake.path().join("journal/run-000000.seg");
        let blocks: Result<Vec<_>, _> = SegmentReader::open(&path).unwrap().collect();
        assert_eq!(blocks.unwrap()[0].records, [quote(1), quote(2)]);
    }

    #[test]
    fn a_segment_of_the_same_name_is_never_written_over() {
        let lake = tempfile::tempdir().unwrap();
        for name in ["run-000000.seg", "run-000000.seg.open"] {
            let journal_folder = lake.path().join(name).join(FOLDER);
            folder::create(&journal_folder).unwrap();
            std::fs::write(journal_folder.join(name), "somebody's").unwrap();
            let counters = Counters::default();
            let (mut sender, mut journal) = journal_in(&lake.path().join(name), &counters);
            sender.send(quote(1));
            journal.do_work(1);
            journal.on_close();
            assert_eq!(counts(&counters, ["quotes", "lost", "missed", "segments"]), [0, 1, 0, 0]);
            assert_eq!(std::fs::read(journal_folder.join(name)).unwrap(), b"somebody's");
        }
    }
}
