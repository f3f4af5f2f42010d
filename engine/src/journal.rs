//! The journal: the agent that stores what the calculator passes on, in the order it was used.
//!
//! Quotes, statuses and gaps go into a block in memory, and with them spreads and opportunities, if
//! asked for; the block is written when it is full or old enough, the file is changed for the next
//! one, by rules that take the time from the cycle. Whatever waits for a disk is the syncer's.
//!
//! A disk that fills, vanishes or refuses is a state: recording stops, what is whole in the file is
//! closed, every input is counted as lost so that nobody else is harmed. Once a second it is tried
//! again; the first record then is a gap for every number that is in no file. Each change of state
//! is told to the broadcast. In steady state a cycle allocates nothing; changing the segment does.
//! It must not know the calculator, Parquet, or what happens to a closed segment.

use crate::journal::syncer::{Answer, Requests};
use crate::runtime::agent::{Agent, Report};
use crate::runtime::ring::{CountSender, Receiver};
use crate::runtime::stopwatch::Stopwatch;
use crate::runtime::tally::Tally;
use bytemuck::Zeroable;
use spreadwire_lake::disk::{FreeSpace, STEP_BYTES};
use spreadwire_lake::folder;
use spreadwire_lake::layout;
use spreadwire_lake::run::Origin;
use spreadwire_lake::segment::{
    Annexed, Block, Contents, FinishedSegment, SegmentInfo, SegmentWriter,
};
use spreadwire_lake::stage::{Stage, StageCounter};
use spreadwire_market::clock::{Clock, MILLI, Nanos, SECOND};
use spreadwire_market::counters::{Counter, Counters};
use spreadwire_market::record::{
    Class, Gap, GapCause, Kind, Quote, Record, Recording, RecordingState, is_input,
};
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

pub mod syncer;

/// The stage whose latency the journal reports: receive time to the end of the `write`.
pub const STAGE: &str = "read_to_journal";

/// Whether the open segment is still there, and how much is free, is looked at this often.
const LOOK_INTERVAL: Nanos = 100 * MILLI;
/// While recording is stopped it is tried again this often.
const RETRY_INTERVAL: Nanos = SECOND;
/// Finished segments that a full channel keeps waiting before the list has to grow.
const WAITING_EXPECTED: usize = 64;

/// When the journal writes, syncs, stops, and begins the next segment. Times in ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A segment is closed when it holds this many records; bounds the sealer's memory.
    pub segment_rows: u64,
    /// A segment is closed when it was begun so long ago.
    pub segment_age: Nanos,
    /// A record waits at most so long in memory: what `kill -9` can lose.
    pub flush_interval: Nanos,
    /// At most so long between syncs (`fdatasync`): what a power cut can lose. 0 leaves it to the
    /// operating system.
    pub sync_interval: Nanos,
    /// Recording stops while fewer bytes are free, so that the sealer still has room; 0 for never.
    pub disk_reserve: u64,
    /// A block holds at most so many records; 1 to
    /// [`BLOCK_RECORDS_MAX`](spreadwire_lake::segment::BLOCK_RECORDS_MAX).
    pub block_records_max: usize,
}

/// The journal's edges.
#[derive(Debug)]
pub struct Edges {
    /// The calculator's inputs, in its order.
    pub inputs: Receiver,
    /// What is stored beside them.
    pub annexes: Vec<Annex>,
    /// Each change of state, as a [`Recording`].
    pub states: CountSender,
}

/// An edge with records that take no numbers.
#[derive(Debug)]
pub struct Annex {
    /// The edge.
    pub receiver: Receiver,
    /// What a gap that comes out of it stands for.
    pub cause: GapCause,
}

/// Where the journal writes.
#[derive(Debug)]
pub struct Disk<'a> {
    /// The lake; segments lie in its folder [`layout::JOURNAL`].
    pub lake: &'a Path,
    /// How much is free there.
    pub free: FreeSpace,
    /// Who syncs and closes segments in that folder.
    pub syncer: Requests,
}

/// The agent.
#[derive(Debug)]
pub struct Journal {
    inputs: Receiver,
    annexes: Vec<Annex>,
    store: Store,
}

/// Everything but the input, so that draining can borrow both.
#[derive(Debug)]
struct Store {
    folder: PathBuf,
    origin: Origin,
    settings: Settings,
    clock: Clock,
    free: FreeSpace,
    syncer: Requests,
    states: CountSender,
    counts: Counts,
    stopwatch: Stopwatch,
    /// Its skipped numbers are those that are in no file.
    block: Block,
    block_since: Nanos,
    segment: Option<SegmentWriter>,
    next_number: u32,
    synced_at: Nanos,
    looked_at: Nanos,
    waiting: VecDeque<FinishedSegment>,
    stopped: Option<Stopped>,
    lost: Lost,
    /// Segments that vanished when they were finished and not closed.
    vanished: Vec<Contents>,
    /// Segments that keep their open names, and why the last one does.
    unclosed: (u64, String),
}

/// Why nothing is recorded.
#[derive(Debug)]
struct Stopped {
    state: RecordingState,
    why: String,
    retry_at: Nanos,
}

/// What is in no file since recording stopped, beside the block's skipped numbers.
#[derive(Debug, Default)]
struct Lost {
    /// The time of the first.
    since: Option<Nanos>,
    annexed: Annexed,
}

#[derive(Debug)]
struct Counts {
    /// Quotes by book.
    written: Tally,
    records: Counter,
    quotes: Counter,
    statuses: Counter,
    gaps: Counter,
    spreads: Counter,
    opportunities: Counter,
    missed: Counter,
    lost: Counter,
    bytes: Counter,
    segments: Counter,
    waiting: Counter,
    syncs_late: Counter,
    recording: Counter,
}

impl Counts {
    fn new(counters: &Counters) -> Counts {
        let named = |name: &str| counters.register(&format!("journal.{name}"));
        Counts {
            written: Tally::default(),
            records: named("records"),
            quotes: named("quotes"),
            statuses: named("statuses"),
            gaps: named("gaps"),
            spreads: named("spreads"),
            opportunities: named("opportunities"),
            missed: named("missed"),
            lost: named("lost"),
            bytes: named("bytes"),
            segments: named("segments"),
            waiting: named("waiting"),
            syncs_late: named("syncs_late"),
            recording: named("recording"),
        }
    }
}

impl Journal {
    /// A journal of what comes out of its edges. Nothing is opened before the first record.
    ///
    /// # Panics
    /// If a block of [`Settings::block_records_max`] is not possible.
    #[must_use]
    pub fn new(
        edges: Edges,
        disk: Disk<'_>,
        origin: Origin,
        settings: Settings,
        clock: Clock,
        counters: &Counters,
    ) -> Journal {
        let Edges { inputs, annexes, states } = edges;
        let counts = Counts::new(counters);
        counts.recording.set(1);
        let store = Store {
            folder: disk.lake.join(layout::JOURNAL),
            origin,
            settings,
            stopwatch: Stopwatch::alone(STAGE, clock.clone()),
            clock,
            free: disk.free,
            syncer: disk.syncer,
            states,
            counts,
            block: Block::new(settings.block_records_max, 0),
            block_since: 0,
            segment: None,
            next_number: 0,
            synced_at: 0,
            looked_at: 0,
            waiting: VecDeque::with_capacity(WAITING_EXPECTED),
            stopped: None,
            lost: Lost::default(),
            vanished: Vec::new(),
            unclosed: (0, String::new()),
        };
        Journal { inputs, annexes, store }
    }

    /// The same, counting by book the quotes that it has written.
    #[must_use]
    pub fn counting(mut self, written: Tally) -> Journal {
        self.store.counts.written = written;
        self
    }

    /// Returns the counters of the stages that are the journal's, for the ledger.
    #[must_use]
    pub fn stages(&self) -> Vec<StageCounter> {
        let Counts { written, missed, lost, .. } = &self.store.counts;
        let not_written = [(Stage::Missed, missed), (Stage::Lost, lost)];
        let not_written = not_written.map(|(stage, counter)| StageCounter::of_run(stage, counter));
        not_written.into_iter().chain(written.stages(Stage::Journalled)).collect()
    }

    /// The same, timed by this.
    #[must_use]
    pub fn timed(mut self, stopwatch: Stopwatch) -> Journal {
        self.store.stopwatch = stopwatch;
        self
    }

    /// Takes what is there: inputs first, so that what they led to stands behind them.
    fn drain(&mut self, now: Nanos) -> usize {
        let Journal { inputs, annexes, store } = self;
        let mut drained = inputs.drain(|record| store.take(record, now));
        for Annex { receiver, cause } in annexes {
            drained += receiver.drain(|record| store.take_annexed(record, *cause, now));
        }
        drained
    }
}

impl Agent for Journal {
    fn role(&self) -> &str {
        "journal"
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        self.store.stopwatch.turn(now);
        let heard = self.store.hear(now);
        let drained = self.drain(now);
        heard + drained + self.store.tend(now)
    }

    fn is_finished(&self) -> bool {
        self.inputs.is_finished() && self.annexes.iter().all(|annex| annex.receiver.is_finished())
    }

    fn on_close(&mut self) {
        let now = self.store.clock.now();
        self.store.hear(now);
        self.drain(now);
        self.store.finish(now);
    }

    fn report(&mut self, report: &mut Report) {
        report.stopwatch(&mut self.store.stopwatch);
        report.failures.extend(self.store.failures());
    }
}

impl Store {
    /// Stores one record of the main edge, or counts it.
    #[inline]
    fn take(&mut self, record: &Record, now: Nanos) {
        match record.class() {
            Some(Class::Input) => self.store(record, now),
            Some(Class::Mark) => {
                self.counts.missed.add(record.get::<Gap>().map_or(0, |gap| gap.missed));
                self.store(record, now);
            }
            Some(Class::Derived | Class::Notice) | None => {}
        }
    }

    /// Stores one record of an annex.
    #[inline]
    fn take_annexed(&mut self, record: &Record, cause: GapCause, now: Nanos) {
        if let Some(gap) = record.get::<Gap>() {
            self.store(&gap.because(cause).into(), now);
        } else if record.class() == Some(Class::Derived) {
            self.store(record, now);
        }
    }

    #[inline]
    fn store(&mut self, record: &Record, now: Nanos) {
        if self.segment.is_none() && self.stopped.is_none() {
            self.open_segment(now);
        }
        if self.segment.is_none() {
            self.block.skip(record);
            return self.lose(record);
        }
        self.push(record, now);
    }

    /// Puts a record into the block; writes and changes the segment if that fills them.
    #[inline]
    fn push(&mut self, record: &Record, now: Nanos) {
        if self.block.records().is_empty() {
            self.block_since = now;
        }
        self.block.push(record);
        self.make_room(now);
    }

    #[inline]
    fn make_room(&mut self, now: Nanos) {
        let written = self.segment.as_ref().map_or(0, |segment| segment.contents().records);
        if self.settings.segment_rows <= written + self.block.records().len() as u64 {
            self.flush(now);
            self.close_segment(now);
        } else if self.block.is_full() {
            self.flush(now);
        }
    }

    /// What is due by the time: the block, the sync, a look at the disk, the next segment, the
    /// syncer. Returns how much of it was done.
    fn tend(&mut self, now: Nanos) -> usize {
        let Settings { flush_interval, segment_age, .. } = self.settings;
        let mut done = 0;
        let buffered = !self.block.records().is_empty();
        if buffered && flush_interval <= now.saturating_sub(self.block_since) {
            self.flush(now);
            done += 1;
        }
        done += self.sync(now);
        if LOOK_INTERVAL <= now.saturating_sub(self.looked_at) {
            self.looked_at = now;
            self.look(now);
        }
        let begun = self.segment.as_ref().map(|segment| segment.info().started_at);
        if begun.is_some_and(|begun| segment_age <= now.saturating_sub(begun)) {
            self.flush(now);
            self.close_segment(now);
            done += 1;
        }
        done += self.offer_waiting();
        if self.is_to_resume(now) {
            self.resume(now);
            done += 1;
        }
        done
    }

    /// Whether it is time to try again. Where files vanish, finished segments may have vanished too:
    /// what became of them is heard first, so that the gap stands for all of them.
    fn is_to_resume(&self, now: Nanos) -> bool {
        let Some(Stopped { state, retry_at, .. }) = &self.stopped else { return false };
        let vanished = || *state == RecordingState::Vanished || !self.folder.is_dir();
        *retry_at <= now && (self.is_all_known() || !vanished())
    }

    /// Whether it is known of every finished segment that it was closed, or was not.
    fn is_all_known(&self) -> bool {
        self.waiting.is_empty() && self.syncer.closing() == 0
    }

    /// Has the file synced if that is due; returns 1 if there was something to sync.
    fn sync(&mut self, now: Nanos) -> usize {
        let interval = self.settings.sync_interval;
        if interval == 0 || now.saturating_sub(self.synced_at) < interval {
            return 0;
        }
        self.synced_at = now;
        let Some(segment) = &mut self.segment else { return 0 };
        let Some(file) = segment.take_unsynced() else { return 0 };
        if !self.syncer.sync(file, segment.info().number) {
            segment.keep_unsynced();
            self.counts.syncs_late.add(1);
        }
        1
    }

    /// A file that was deleted takes every write, and nobody will ever read it; a disk is full
    /// before it takes no more.
    fn look(&mut self, now: Nanos) {
        let Some(segment) = &self.segment else { return };
        if !segment.is_there() {
            self.stop(now, "find its own file", &ErrorKind::NotFound.into());
        } else if let Err(error) = self.check_reserve(0) {
            self.stop_whole(now, "keep the reserve free", &error);
        }
    }

    /// Whether the disk has the room that is to stay free, and `more` bytes.
    fn check_reserve(&mut self, more: u64) -> io::Result<()> {
        let reserve = self.settings.disk_reserve;
        if 0 < reserve && self.free.bytes(&self.folder)? < reserve.saturating_add(more) {
            return Err(ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    /// Takes what the syncer says; returns how much.
    fn hear(&mut self, now: Nanos) -> usize {
        let mut heard = 0;
        while let Some(answer) = self.syncer.answer() {
            heard += 1;
            match answer {
                Answer::Synced | Answer::Closed => {}
                Answer::NotClosed(trouble, Some(contents)) if trouble.is_vanished() => {
                    self.counts.lost.add(contents.inputs);
                    self.vanished.push(contents);
                    if self.segment.is_none() {
                        self.stop_whole(now, trouble.doing, &trouble.error);
                    }
                    self.look(now);
                }
                Answer::NotSynced(trouble) | Answer::NotClosed(trouble, None) => {
                    self.stop_whole(now, trouble.doing, &trouble.error);
                }
                Answer::NotClosed(trouble, Some(_)) => {
                    self.unclosed = (self.unclosed.0 + 1, trouble.to_string());
                    self.stop_whole(now, trouble.doing, &trouble.error);
                }
            }
        }
        heard
    }

    /// Stops recording, if it is not stopped, where the file may still take what is in memory.
    #[cold]
    fn stop_whole(&mut self, now: Nanos, doing: &str, error: &io::Error) {
        self.flush(now);
        if self.stopped.is_none() {
            self.stop(now, doing, error);
        }
    }

    /// Begins the next segment.
    #[cold]
    fn open_segment(&mut self, now: Nanos) {
        if !self.is_all_known() && !self.folder.is_dir() {
            return self.stop(now, "find its folder", &ErrorKind::NotFound.into());
        }
        if let Err((doing, error)) = self.begin_segment(now) {
            self.stop(now, doing, &error);
        }
    }

    fn begin_segment(&mut self, now: Nanos) -> Result<(), (&'static str, io::Error)> {
        let info = SegmentInfo { origin: self.origin, number: self.next_number, started_at: now };
        folder::create(&self.folder).map_err(|error| ("make its folder", error))?;
        // A new file takes room ahead: it is not to stop again for that alone.
        self.check_reserve(STEP_BYTES).map_err(|error| ("keep the reserve free", error))?;
        let segment = SegmentWriter::create(&self.folder, info).map_err(|error| {
            // Somebody's file is left alone; the next number may be free.
            self.next_number += u32::from(error.kind() == ErrorKind::AlreadyExists);
            ("begin a segment", error)
        })?;
        self.segment = Some(segment);
        self.next_number += 1;
        self.counts.segments.add(1);
        self.counts.bytes.add(size_of::<Record>() as u64);
        Ok(())
    }

    /// Writes the block.
    fn flush(&mut self, now: Nanos) {
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
            Err(error) => self.stop(now, "write a block", &error),
        }
    }

    fn count_written(&mut self) {
        let after = self.clock.now();
        let (mut quotes, mut statuses, mut gaps, mut spreads, mut opportunities) = (0, 0, 0, 0, 0);
        for record in self.block.records() {
            let count = match record.kind() {
                Some(Kind::Quote) => &mut quotes,
                Some(Kind::Status) => &mut statuses,
                Some(Kind::Spread) => &mut spreads,
                Some(Kind::Opened | Kind::Closed) => &mut opportunities,
                _ => &mut gaps,
            };
            *count += 1;
            if record.is::<Quote>() {
                self.counts.written.add(record.venue, record.instrument);
            }
            // What a gap stands for never came.
            if is_input(record) {
                self.stopwatch.record(record.venue, record.ts_recv(), after);
            }
        }
        self.counts.records.add(self.block.records().len() as u64);
        self.counts.quotes.add(quotes);
        self.counts.statuses.add(statuses);
        self.counts.gaps.add(gaps);
        self.counts.spreads.add(spreads);
        self.counts.opportunities.add(opportunities);
    }

    /// Ends the segment, if one is open, and has it closed.
    #[cold]
    fn close_segment(&mut self, now: Nanos) {
        if self.segment.as_ref().is_some_and(|segment| !segment.is_there()) {
            return self.stop(now, "close a segment", &ErrorKind::NotFound.into());
        }
        if let Some(segment) = self.segment.take() {
            self.line_up(segment.finish());
        }
    }

    fn line_up(&mut self, segment: FinishedSegment) {
        self.waiting.push_back(segment);
        self.offer_waiting();
        self.counts.waiting.set(self.waiting.len() as u64);
    }

    /// Offers finished segments to the syncer while it has room. Returns how many it took.
    fn offer_waiting(&mut self) -> usize {
        let mut taken = 0;
        while let Some(segment) = self.waiting.pop_front() {
            if let Err(segment) = self.syncer.close(segment) {
                self.waiting.push_front(segment);
                break;
            }
            taken += 1;
        }
        if 0 < taken {
            self.counts.waiting.set(self.waiting.len() as u64);
        }
        taken
    }

    /// Stops recording: what is in memory is lost, what is whole in the file is kept.
    #[cold]
    fn stop(&mut self, now: Nanos, doing: &str, error: &io::Error) {
        let folder = self.folder.display();
        let number = self.segment.as_ref().map_or(self.next_number, |s| s.info().number);
        let why = format!("the journal could not {doing} (segment {number} in {folder}): {error}");
        let state = state_of(error);
        for at in 0..self.block.records().len() {
            let record = self.block.records()[at];
            self.lose(&record);
        }
        self.block.skip_all();
        if let Some(segment) = self.segment.take() {
            self.rescue(segment);
        }
        let before = self.stopped.as_ref().map_or(RecordingState::On, |stopped| stopped.state);
        // A folder that is gone can be made anew at once.
        let at_once = state == RecordingState::Vanished && before == RecordingState::On;
        let pause = if at_once { 0 } else { RETRY_INTERVAL };
        self.stopped = Some(Stopped { state, why, retry_at: now.saturating_add(pause) });
        if state != before {
            self.tell(state, now);
        }
    }

    /// Has the segment closed, or counts what was in it as lost if it is gone.
    fn rescue(&mut self, segment: SegmentWriter) {
        if segment.is_there() {
            return self.line_up(segment.finish());
        }
        let contents = *segment.contents();
        self.counts.lost.add(contents.inputs);
        self.give_up(&contents);
    }

    /// Notes that what was written right before the skipped numbers is in no file any more.
    fn give_up(&mut self, contents: &Contents) {
        self.lost.annexed.merge(contents.annexed);
        if 0 < contents.records {
            self.lost.since = Some(contents.since);
            self.block.skip_back_to(contents.first_sequence);
        }
    }

    /// Counts a record that is stored nowhere. A gap's own inputs are in `missed` or `lost` already.
    #[cold]
    fn lose(&mut self, record: &Record) {
        let mut annexed = Annexed::default();
        annexed.add(record);
        self.lost.annexed.merge(annexed);
        self.counts.lost.add(u64::from(is_input(record)));
        self.lost.since.get_or_insert(record.ts_recv());
    }

    /// Tries to record again; the new segment begins with gaps for what is in no file.
    #[cold]
    fn resume(&mut self, now: Nanos) {
        match self.begin_segment(now) {
            Ok(()) => {
                self.stopped = None;
                self.tell(RecordingState::On, now);
                self.mark_losses(now);
            }
            Err((doing, error)) => self.stop(now, doing, &error),
        }
    }

    fn mark_losses(&mut self, now: Nanos) {
        while let Some(contents) = self.vanished.pop() {
            // Those that vanished right before belong to the same hole; others leave one between
            // the segments around them.
            if contents.next_sequence == self.block.first_sequence() {
                self.give_up(&contents);
            }
        }
        let Lost { since, annexed } = std::mem::take(&mut self.lost);
        let since = since.unwrap_or(now);
        self.block_since = now;
        self.block.mark_skipped(since, GapCause::Disk);
        let Annexed { spreads, opportunities } = annexed;
        for (missed, cause) in
            [(spreads, GapCause::Spreads), (opportunities, GapCause::Opportunities)]
        {
            if 0 < missed {
                self.make_room(now);
                self.store(&Gap::new(since, missed).because(cause).into(), now);
            }
        }
        self.make_room(now);
    }

    /// Tells a change of state.
    fn tell(&mut self, state: RecordingState, now: Nanos) {
        let recording = state == RecordingState::On;
        self.counts.recording.set(u64::from(recording));
        let record = Recording {
            ts_recv: now,
            lost: self.counts.lost.get(),
            state: state as u8,

            ..Recording::zeroed()
        };
        self.states.offer(record.into());
    }

    /// Writes and closes what there is, at the end.
    fn finish(&mut self, now: Nanos) {
        self.flush(now);
        self.close_segment(now);
        if self.stopped.is_some() && (0 < self.block.skipped() || self.lost.since.is_some()) {
            // The last chance to mark what is lost.
            self.resume(now);
            self.flush(now);
            self.close_segment(now);
        }
        self.offer_waiting();
        self.states.settle();
    }

    /// What went wrong and was not mended, as sentences.
    fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        let (unclosed, last) = &self.unclosed;
        if 0 < *unclosed {
            failures.push(format!("{unclosed} segments keep their open names, at last: {last}"));
        }
        if let Some(Stopped { state, why, .. }) = &self.stopped {
            let (lost, state) = (self.counts.lost.get(), state.name());
            failures.push(format!(
                "recording stopped ({state}) and {lost} inputs are not recorded: {why}"
            ));
        }
        let waiting = self.waiting.len();
        if 0 < waiting {
            let folder = self.folder.display();
            failures.push(format!(
                "{waiting} finished segments found no room at the syncer and wait in {folder}"
            ));
        }
        failures
    }
}

/// What a failure means for recording.
fn state_of(error: &io::Error) -> RecordingState {
    let kind = error.kind();
    if matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
        RecordingState::DiskFull
    } else if kind == ErrorKind::NotFound {
        RecordingState::Vanished
    } else {
        RecordingState::Refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::syncer::{self, Syncer};
    use crate::runtime::ring::{self, EdgeCounters, HoldSender};
    use proptest::prelude::*;
    use spreadwire_lake::run::RunId;
    use spreadwire_lake::segment::{ClosedSegment, SegmentReader};
    use spreadwire_market::record::{Quote, Spread, numbers_taken};
    use std::fs::{self, OpenOptions};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    const RESERVE: u64 = 1000;

    /// A journal with everything around it on one thread; closed segments are taken away at once,
    /// as a sealer would.
    struct Rig {
        lake: tempfile::TempDir,
        counters: Counters,
        inputs: HoldSender,
        spreads: CountSender,
        states: Receiver,
        free: Arc<AtomicU64>,
        journal: Journal,
        syncer: Syncer,
        closed: crossbeam::channel::Receiver<ClosedSegment>,
        stored: Vec<(u64, Record)>,
        now: Nanos,
    }

    impl Rig {
        fn new(settings: Settings) -> Rig {
            let lake = tempfile::tempdir().unwrap();
            let counters = Counters::default();
            let (sender, inputs) = ring::hold(256, EdgeCounters::default());
            let (spreads, receiver) = ring::count(8, EdgeCounters::default());
            let (state, states) = ring::count(4096, EdgeCounters::default());
            let (sealer, closed) = crossbeam::channel::bounded(4096);
            let (requests, syncer) =
                syncer::pair(&lake.path().join(layout::JOURNAL), false, sealer);
            let free = Arc::new(AtomicU64::new(u64::MAX));
            let probe = Arc::clone(&free);
            let probe = FreeSpace::new(move |_| Ok(probe.load(Ordering::Relaxed)));
            let disk = Disk { lake: lake.path(), free: probe, syncer: requests };
            let annexes = vec![Annex { receiver, cause: GapCause::Spreads }];
            let edges = Edges { inputs, annexes, states: state };
            let origin = Origin { run: RunId::new("run").unwrap(), catalogue: 0 };
            let clock = Clock::manual(0);
            let journal = Journal::new(edges, disk, origin, settings, clock, &counters);
            let (inputs, stored, now) = (sender, Vec::new(), 0);
            Rig {
                lake,
                counters,
                inputs,
                spreads,
                states,
                free,
                journal,
                syncer,
                closed,
                stored,
                now,
            }
        }

        fn folder(&self) -> PathBuf {
            self.lake.path().join(layout::JOURNAL)
        }

        fn cycle(&mut self) -> usize {
            self.journal.do_work(self.now)
        }

        /// The syncer and, behind it, the sealer.
        fn follow(&mut self) {
            self.syncer.handle_queued();
            for segment in self.closed.try_iter() {
                let before = self.stored.len();
                for block in SegmentReader::open(&segment.path).unwrap() {
                    let block = block.unwrap();
                    self.stored.extend(block.numbered().map(|(number, record)| (number, *record)));
                }
                assert_eq!(segment.records, (self.stored.len() - before) as u64);
                fs::remove_file(segment.path).unwrap();
            }
        }

        /// Lets the next write find the disk full.
        fn fill(&mut self) {
            if let Some(segment) = &mut self.journal.store.segment {
                segment.replace_file(OpenOptions::new().write(true).open("/dev/full").unwrap());
            }
        }

        fn vanish(&self) {
            let folder = self.folder();
            if folder.is_dir() {
                fs::remove_dir_all(folder).unwrap();
            }
        }

        fn counts<const N: usize>(&self, names: [&str; N]) -> [u64; N] {
            names.map(|name| self.counters.expect(&format!("journal.{name}")))
        }

        fn told(&mut self) -> Vec<RecordingState> {
            let mut told = Vec::new();
            self.states.drain(|record| {
                told.push(RecordingState::of_code(record.view::<Recording>().state).unwrap());
            });
            told
        }

        fn failures(&mut self) -> Vec<String> {
            let mut report = Report::default();
            self.journal.report(&mut report);
            report.failures
        }
    }

    fn settings() -> Settings {
        let (block_records_max, segment_rows) = (2, 1_000);
        Settings { block_records_max, segment_rows, disk_reserve: RESERVE, ..Settings::default() }
    }

    fn quote(ts_recv: Nanos) -> Record {
        Quote { ts_recv, ..Quote::zeroed() }.into()
    }

    fn spread(ts_recv: Nanos) -> Record {
        Spread { ts_recv, ..Spread::zeroed() }.into()
    }

    #[test]
    fn a_full_disk_keeps_the_blocks_before_and_goes_on_with_a_gap() {
        let mut rig = Rig::new(settings());
        (1..=2).for_each(|ts| rig.inputs.send(quote(ts)));
        rig.cycle();
        rig.fill();
        (3..=7).for_each(|ts| rig.inputs.send(quote(ts)));
        rig.inputs.send(Gap::new(8, 4).into());
        assert_eq!(rig.cycle(), 6, "it goes on draining");
        assert_eq!(rig.told(), [RecordingState::DiskFull]);
        rig.now = SECOND - 1;
        rig.inputs.send(quote(12));
        rig.cycle();
        assert_eq!(rig.counts(["quotes", "lost", "missed", "segments"]), [2, 6, 4, 1]);
        rig.now = SECOND;
        rig.cycle();
        assert_eq!(rig.told(), [RecordingState::On]);
        rig.inputs.send(quote(13));
        rig.cycle();
        rig.journal.on_close();
        rig.follow();
        let gap = Gap::new(3, 10).because(GapCause::Disk);
        let wanted = [(0, quote(1)), (1, quote(2)), (2, gap.into()), (12, quote(13))];
        assert_eq!(rig.stored, wanted);
        assert_eq!(rig.failures(), Vec::<String>::new());
    }

    #[test]
    fn a_segment_of_the_same_name_is_never_written_over() {
        for name in ["run-000000.seg", "run-000000.seg.open"] {
            let mut rig = Rig::new(settings());
            folder::create(&rig.folder()).unwrap();
            fs::write(rig.folder().join(name), "somebody's").unwrap();
            rig.inputs.send(quote(1));
            rig.cycle();
            assert_eq!(rig.told(), [RecordingState::Refused]);
            rig.now = SECOND;
            rig.cycle();
            rig.journal.on_close();
            rig.follow();
            assert_eq!(rig.counts(["quotes", "lost", "segments"]), [0, 1, 1]);
            let gap = Gap::new(1, 1).because(GapCause::Disk);
            assert_eq!(rig.stored, [(0, gap.into())], "under the next number");
            assert_eq!(fs::read(rig.folder().join(name)).unwrap(), b"somebody's");
        }
    }

    #[test]
    fn a_segment_that_cannot_be_renamed_keeps_its_name_and_is_reported() {
        let mut rig = Rig::new(Settings { segment_rows: 2, ..settings() });
        (1..=2).for_each(|ts| rig.inputs.send(quote(ts)));
        rig.cycle();
        // A folder of the closed name, with something in it.
        let closed = rig.folder().join("run-000000.seg");
        folder::create(&closed.join("in the way")).unwrap();
        rig.follow();
        rig.cycle();
        assert_eq!(rig.told(), [RecordingState::Refused]);
        rig.now = SECOND;
        rig.inputs.send(quote(3));
        rig.cycle();
        rig.journal.on_close();
        rig.follow();
        let failures = rig.failures();
        let told = "1 segments keep their open names, at last: the journal could not close a \
                    segment (segment 0)";
        assert!(failures.len() == 1 && failures[0].starts_with(told), "{failures:?}");
        assert_eq!(rig.counts(["quotes", "lost"]), [2, 1]);
        let gap = Gap::new(3, 1).because(GapCause::Disk);
        assert_eq!(rig.stored, [(2, gap.into())]);
        let open = rig.folder().join("run-000000.seg.open");
        assert_eq!(SegmentReader::open(&open).unwrap().count(), 1, "it is found at the next start");
    }

    #[test]
    fn failures_are_told_apart() {
        let state = |code| state_of(&io::Error::from_raw_os_error(code));
        let codes = [28, 122, 2, 30, 13, 5].map(state);
        use RecordingState::{DiskFull, Refused, Vanished};
        // ENOSPC, EDQUOT, ENOENT, EROFS, EACCES, EIO.
        assert_eq!(codes, [DiskFull, DiskFull, Vanished, Refused, Refused, Refused]);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Quotes(u64),
        Gap(u64),
        Spreads(u64),
        Cycle,
        Pass(Nanos),
        Follow,
        Fill,
        Vanish,
        Bar,
        Unbar,
        Low,
        Room,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (1..9_u64).prop_map(Step::Quotes),
            1 => (1..5_u64).prop_map(Step::Gap),
            2 => (1..12_u64).prop_map(Step::Spreads),
            4 => Just(Step::Cycle),
            3 => prop_oneof![Just(6 * MILLI), Just(150 * MILLI), Just(SECOND)].prop_map(Step::Pass),
            3 => Just(Step::Follow),
            1 => Just(Step::Fill),
            1 => Just(Step::Vanish),
            1 => Just(Step::Bar),
            1 => Just(Step::Unbar),
            1 => Just(Step::Low),
            1 => Just(Step::Room),
        ]
    }

    /// What went in.
    #[derive(Default)]
    struct Sent {
        inputs: Vec<Record>,
        numbers: u64,
        spreads: u64,
    }

    impl Rig {
        fn take(&mut self, step: &Step, sent: &mut Sent) {
            match step {
                Step::Quotes(count) => (0..*count).for_each(|_| self.input(quote(0), sent)),
                Step::Gap(missed) => self.input(Gap::new(0, *missed).into(), sent),
                Step::Spreads(count) => (0..*count).for_each(|_| {
                    self.spreads.offer(spread(self.now));
                    sent.spreads += 1;
                }),
                Step::Cycle => drop(self.cycle()),
                Step::Pass(time) => self.now += time,
                Step::Follow => self.follow(),
                Step::Fill => self.fill(),
                Step::Vanish => self.vanish(),
                Step::Bar => {
                    self.vanish();
                    fs::write(self.folder(), "in the way").unwrap();
                }
                Step::Unbar => self.unbar(),
                Step::Low => self.free.store(RESERVE - 1, Ordering::Relaxed),
                Step::Room => self.free.store(RESERVE + STEP_BYTES, Ordering::Relaxed),
            }
        }

        fn input(&mut self, record: Record, sent: &mut Sent) {
            if !self.inputs.room(1) {
                self.cycle();
            }
            // Each quote can be told from all others.
            let ts_recv = sent.numbers + 1;
            let record = match record.kind() {
                Some(Kind::Gap) => record,
                _ => quote(ts_recv),
            };
            sent.numbers += numbers_taken(&record);
            sent.inputs.push(record);
            self.inputs.send(record);
        }

        fn unbar(&self) {
            if self.folder().is_file() {
                fs::remove_file(self.folder()).unwrap();
            }
        }

        /// Everything is well again, and the run ends.
        fn end(&mut self) {
            self.unbar();
            self.free.store(u64::MAX, Ordering::Relaxed);
            // The longest way back: a sync that waits for the one before it, fails, is heard of, and
            // only then the second until recording is tried again.
            for _ in 0..6 {
                self.now += SECOND;
                self.cycle();
                self.follow();
            }
            self.spreads.settle();
            self.cycle();
            self.journal.on_close();
            self.follow();
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_number_is_a_record_or_in_a_gap_whatever_the_disk_does(
            steps in proptest::collection::vec(step(), 1..80),
            segment_rows in 1..30_u64,
        ) {
            let mut rig = Rig::new(Settings { segment_rows, ..settings() });
            let mut sent = Sent::default();
            for step in &steps {
                rig.take(step, &mut sent);
            }
            rig.end();
            let (mut next, mut quotes, mut missing, mut spreads) = (0, 0, 0, 0);
            for (number, record) in &rig.stored {
                prop_assert_eq!(*number, next, "a hole or an overlap before {:?}", record);
                next += numbers_taken(record);
                match record.kind() {
                    Some(Kind::Quote) => {
                        prop_assert_eq!(record.ts_recv(), number + 1, "another quote's number");
                        quotes += 1;
                    }
                    Some(Kind::Spread) => spreads += 1,
                    _ => {
                        let gap: &Gap = record.view();
                        match gap.cause() {
                            Some(GapCause::Spreads) => spreads += gap.missed,
                            _ => missing += gap.missed,
                        }
                    }
                }
            }
            prop_assert_eq!(next, sent.numbers);
            prop_assert_eq!(spreads, sent.spreads);
            let [lost, missed, recording] = rig.counts(["lost", "missed", "recording"]);
            let inputs = sent.inputs.iter().filter(|record| is_input(record)).count() as u64;
            prop_assert_eq!((quotes + lost, missing, recording), (inputs, lost + missed, 1));
            let told = rig.told();
            prop_assert!(told.windows(2).all(|pair| pair[0] != pair[1]), "{:?}", told);
            prop_assert!(told.last().is_none_or(|state| *state == RecordingState::On));
            prop_assert_eq!(rig.failures(), Vec::<String>::new());
        }
    }
}
