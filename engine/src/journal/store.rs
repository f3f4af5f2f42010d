//! The journal's block and files: what the schedule says is due and the state of recording allows.
//!
//! Quotes, statuses and gaps go into a block in memory, and with them spreads and opportunities, if
//! asked for. The block is written when it is full or old enough, and a segment that is full or old
//! enough is finished and handed to the syncer. In steady state nothing is allocated; changing the
//! segment allocates.

use crate::journal::counts::Counts;
use crate::journal::recording::{self, Displaced, Losses, Machine};
use crate::journal::schedule::{Schedule, Settings};
use crate::journal::syncer::{Answer, Requests, Trouble};
use crate::runtime::ring::CountSender;
use crate::runtime::stopwatch::Stopwatch;
use spreadwire_lake::disk::{FreeSpace, STEP_BYTES};
use spreadwire_lake::folder;
use spreadwire_lake::inode::{self, Inode};
use spreadwire_lake::layout;
use spreadwire_lake::run::Origin;
use spreadwire_lake::segment::{
    Annexed, Block, Contents, FinishedSegment, SegmentInfo, SegmentWriter,
};
use spreadwire_market::clock::{Clock, Nanos};
use spreadwire_market::record::{Class, Gap, GapCause, Record};
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Finished segments that may wait for the syncer before the list has to grow.
const WAITING_EXPECTED: usize = 64;

/// The least room that a segment takes ahead.
const STEP_BYTES_MIN: u64 = 1 << 20;

/// Where the journal writes.
#[derive(Debug)]
pub struct Disk<'a> {
    /// The lake; segments lie in its folder [`layout::JOURNAL`].
    pub lake: &'a Path,
    /// How much is free there.
    pub free: FreeSpace,
    /// Where syncing and closing of segments in that folder is asked for.
    pub syncer: Requests,
}

/// The journal without its input edges.
#[derive(Debug)]
pub(super) struct Store {
    lake: PathBuf,
    /// The lake's folder, once it is there: it may be moved while its path gets another one.
    home: Option<Inode>,
    /// Why the lake is not ours any more, if the syncer says so.
    displaced: Option<String>,
    folder: PathBuf,
    origin: Origin,
    clock: Clock,
    free: FreeSpace,
    syncer: Requests,
    states: CountSender,
    pub(super) counts: Counts,
    pub(super) stopwatch: Stopwatch,
    schedule: Schedule,
    recording: Machine,
    /// The records since the last write. Its skipped numbers are those that are in no file.
    block: Block,
    segment: Option<SegmentWriter>,
    next_number: u32,
    /// Finished segments for which the syncer had no room.
    waiting: VecDeque<FinishedSegment>,
}

impl Store {
    /// Makes a store that opens nothing before the first record.
    ///
    /// # Panics
    /// If a block of [`Settings::block_records_max`] is not possible.
    pub(super) fn new(
        disk: Disk<'_>,
        states: CountSender,
        origin: Origin,
        settings: Settings,
        stopwatch: Stopwatch,
        clock: Clock,
        counts: Counts,
    ) -> Store {
        counts.recording.set(1);
        Store {
            lake: disk.lake.to_owned(),
            home: Inode::at(disk.lake).ok().flatten(),
            displaced: None,
            folder: disk.lake.join(layout::JOURNAL),
            origin,
            clock,
            free: disk.free,
            syncer: disk.syncer,
            states,
            counts,
            stopwatch,
            schedule: Schedule::new(settings),
            recording: Machine::default(),
            block: Block::new(settings.block_records_max, 0),
            segment: None,
            next_number: 0,
            waiting: VecDeque::with_capacity(WAITING_EXPECTED),
        }
    }

    /// Returns the time now, for the end of the run.
    pub(super) fn now(&self) -> Nanos {
        self.clock.now()
    }

    /// Stores one record of the main edge, or counts it.
    #[inline]
    pub(super) fn take(&mut self, record: &Record, now: Nanos) {
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
    pub(super) fn take_annexed(&mut self, record: &Record, cause: GapCause, now: Nanos) {
        if let Some(gap) = record.get::<Gap>() {
            self.store(&gap.because(cause).into(), now);
        } else if record.class() == Some(Class::Derived) {
            self.store(record, now);
        }
    }

    #[inline]
    fn store(&mut self, record: &Record, now: Nanos) {
        if self.segment.is_none() && !self.recording.is_stopped() {
            self.open_segment(now);
        }
        if self.segment.is_none() {
            self.block.skip(record);
            self.recording.lose(record);
            return self.counts.lost.set(self.recording.lost());
        }
        self.push(record, now);
    }

    /// Puts a record into the block; writes the block and ends the segment if that fills them.
    #[inline]
    fn push(&mut self, record: &Record, now: Nanos) {
        if self.block.records().is_empty() {
            self.schedule.begin_block(now);
        }
        self.block.push(record);
        self.make_room(now);
    }

    #[inline]
    fn make_room(&mut self, now: Nanos) {
        let written = self.segment.as_ref().map_or(0, |segment| segment.contents().records);
        if self.schedule.is_full(written + self.block.records().len() as u64) {
            self.flush(now);
            self.close_segment(now);
        } else if self.block.is_full() {
            self.flush(now);
        }
    }

    /// Does what is due by the time: writes the block, has the file synced, looks at the disk, ends
    /// the segment, offers finished segments to the syncer, tries to record again. Returns how much
    /// of it was done.
    pub(super) fn tend(&mut self, now: Nanos) -> usize {
        let mut done = 0;
        if !self.block.records().is_empty() && self.schedule.is_flush_due(now) {
            self.flush(now);
            done += 1;
        }
        if self.schedule.take_sync(now) {
            done += self.sync();
        }
        if self.schedule.take_look(now) {
            self.look(now);
        }
        let begun = self.segment.as_ref().map(|segment| segment.info().started_at);
        if begun.is_some_and(|begun| self.schedule.is_old(begun, now)) {
            self.flush(now);
            self.close_segment(now);
            done += 1;
        }
        done += self.offer_waiting();
        if self.recording.is_stopped() && self.is_retry_due(now) {
            self.resume(now);
            done += 1;
        }
        done
    }

    #[cold]
    fn is_retry_due(&self, now: Nanos) -> bool {
        self.recording.is_retry_due(now, self.is_all_known(), || !inode::is_missing(&self.folder))
    }

    /// Returns whether the syncer has told what became of every finished segment.
    fn is_all_known(&self) -> bool {
        self.waiting.is_empty() && self.syncer.closing() == 0
    }

    /// Has the file synced; returns 1 if there was something to sync.
    fn sync(&mut self) -> usize {
        let Some(segment) = &mut self.segment else { return 0 };
        let Some(file) = segment.take_unsynced() else { return 0 };
        if !self.syncer.sync(file, segment.info().number) {
            segment.keep_unsynced();
            self.counts.syncs_late.add(1);
        }
        1
    }

    /// Checks that the file is still there and the reserve still free. A file that was deleted takes
    /// every write, and nobody will ever read it; the disk is to be left before it takes no more.
    fn look(&mut self, now: Nanos) {
        let Some(segment) = &self.segment else { return };
        if let Err(error) = self.check_place() {
            self.stop(now, "find its lake", &error);
        } else if segment.is_gone() {
            self.stop(now, "find its own file", &ErrorKind::NotFound.into());
        } else if let Err(error) = self.check_reserve(0) {
            self.stop_whole(now, "keep the reserve free", &error);
        }
    }

    /// Checks that the lake is the one that the run began in, and that its lock is ours.
    fn check_place(&self) -> io::Result<()> {
        if let Some(why) = &self.displaced {
            return Err(Displaced(why.clone()).into());
        }
        if self.is_moved() {
            let lake = self.lake.display();
            return Err(Displaced(format!("{lake} was moved or deleted")).into());
        }
        Ok(())
    }

    /// Returns whether the lake is certainly not at its path any more.
    fn is_moved(&self) -> bool {
        self.home.is_some_and(|home| home.has_left(&self.lake))
    }

    /// Checks that the disk has the room that is to stay free, and `more` bytes.
    fn check_reserve(&mut self, more: u64) -> io::Result<()> {
        let reserve = self.schedule.disk_reserve();
        if 0 < reserve && self.free()? < reserve.saturating_add(more) {
            return Err(ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    /// Returns the free bytes, with those that finished segments give back when they are closed.
    fn free(&mut self) -> io::Result<u64> {
        let waiting: u64 = self.waiting.iter().map(FinishedSegment::spare).sum();
        let spare = waiting.saturating_add(self.syncer.spare());
        Ok(self.free.bytes(&self.folder)?.saturating_add(spare))
    }

    /// Takes the syncer's answers; returns how many.
    pub(super) fn hear(&mut self, now: Nanos) -> usize {
        let mut heard = 0;
        while let Some(answer) = self.syncer.answer() {
            heard += 1;
            match answer {
                Answer::Synced | Answer::Closed => {}
                Answer::Vanished(trouble, contents) | Answer::VanishedLate(trouble, contents) => {
                    self.lose_finished(now, &trouble, contents);
                }
                Answer::NotSynced(trouble)
                | Answer::ClosedUnsynced(trouble)
                | Answer::NotClosed(trouble) => {
                    self.stop_whole(now, trouble.doing, &trouble.error);
                }
                Answer::Displaced(why) => {
                    self.displaced = Some(why.clone());
                    self.stop_whole(now, "keep its lake", &Displaced(why).into());
                }
                Answer::InPlace => self.displaced = None,
            }
        }
        heard
    }

    /// Counts the contents of a finished segment whose file is gone.
    #[cold]
    fn lose_finished(&mut self, now: Nanos, trouble: &Trouble, contents: Contents) {
        self.recording.lose_finished(contents);
        self.counts.lost.set(self.recording.lost());
        if self.segment.is_none() {
            self.stop_whole(now, trouble.doing, &trouble.error);
        }
        self.look(now);
    }

    /// Stops recording, unless it has stopped, where the file may still take what is in memory.
    #[cold]
    fn stop_whole(&mut self, now: Nanos, doing: &str, error: &io::Error) {
        self.flush(now);
        if !self.recording.is_stopped() {
            self.stop(now, doing, error);
        }
    }

    /// Begins the next segment, or stops recording.
    #[cold]
    fn open_segment(&mut self, now: Nanos) {
        if !self.is_all_known() && inode::is_missing(&self.folder) {
            return self.stop(now, "find its folder", &ErrorKind::NotFound.into());
        }
        if let Err((doing, error)) = self.begin_segment(now, STEP_BYTES_MIN) {
            self.stop(now, doing, &error);
        }
    }

    /// Returns how many bytes a segment may take ahead: fewer near the reserve, so that a new file
    /// alone does not stop recording, but at least `least`.
    fn room_ahead(&mut self, least: u64) -> io::Result<u64> {
        self.check_reserve(least)?;
        let reserve = self.schedule.disk_reserve();
        let room = if 0 < reserve { self.free()?.saturating_sub(reserve) } else { STEP_BYTES };
        Ok(room.clamp(least, STEP_BYTES))
    }

    /// Begins a segment, if at least `least` bytes are free beside the reserve.
    fn begin_segment(&mut self, now: Nanos, least: u64) -> Result<(), (&'static str, io::Error)> {
        self.check_place().map_err(|error| ("find its lake", error))?;
        let info = SegmentInfo { origin: self.origin, number: self.next_number, started_at: now };
        folder::create_in(&self.lake, &self.folder).map_err(|error| ("make its folder", error))?;
        if self.home.is_none() {
            self.home = Inode::at(&self.lake).ok().flatten();
        }
        let step = self.room_ahead(least).map_err(|error| ("keep the reserve free", error))?;
        let segment = SegmentWriter::create_with(&self.folder, info, step).map_err(|error| {
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
    pub(super) fn flush(&mut self, now: Nanos) {
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
        let Store { block, counts, stopwatch, .. } = self;
        counts.add_written(block.records(), |input| {
            stopwatch.record(input.venue, input.ts_recv(), after);
        });
    }

    /// Ends the segment, if one is open, and has it closed.
    #[cold]
    fn close_segment(&mut self, now: Nanos) {
        if self.segment.as_ref().is_some_and(SegmentWriter::is_gone) {
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
        self.block.records().iter().for_each(|record| self.recording.lose(record));
        self.block.skip_all();
        if let Some(segment) = self.segment.take() {
            self.rescue(segment);
        }
        self.counts.lost.set(self.recording.lost());
        if self.recording.stop(now, recording::state_of(error), why) {
            self.tell(now);
        }
    }

    /// Has the segment closed, or counts its contents as lost if its file is gone.
    fn rescue(&mut self, segment: SegmentWriter) {
        if !segment.is_gone() {
            return self.line_up(segment.finish());
        }
        if let Some(first_sequence) = self.recording.lose_open(segment.contents()) {
            self.block.skip_back_to(first_sequence);
        }
    }

    /// Tries to record again; the new segment begins with gaps for what is in no file.
    #[cold]
    fn resume(&mut self, now: Nanos) {
        // Whatever stopped it should not do so again in a moment.
        match self.begin_segment(now, STEP_BYTES) {
            Ok(()) => {
                let losses = self.recording.resume(now, self.block.first_sequence());
                self.tell(now);
                self.mark_losses(losses, now);
            }
            Err((doing, error)) => self.stop(now, doing, &error),
        }
    }

    fn mark_losses(&mut self, losses: Losses, now: Nanos) {
        let Losses { first_sequence, since, annexed: Annexed { spreads, opportunities } } = losses;
        self.schedule.begin_block(now);
        self.block.skip_back_to(first_sequence);
        self.block.mark_skipped(since, GapCause::Disk);
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
    fn tell(&mut self, now: Nanos) {
        self.counts.recording.set(u64::from(!self.recording.is_stopped()));
        self.counts.state.set(self.recording.state().code().into());
        self.states.offer(self.recording.told(now).into());
    }

    /// Writes and closes what there is, at the end.
    pub(super) fn finish(&mut self, now: Nanos) {
        self.flush(now);
        self.close_segment(now);
        if self.recording.is_stopped() && (0 < self.block.skipped() || self.recording.owes()) {
            // The last chance to mark what is lost.
            self.resume(now);
            self.flush(now);
            self.close_segment(now);
        }
        self.offer_waiting();
        self.states.settle();
    }

    /// Returns what went wrong and was not mended, as sentences.
    pub(super) fn failures(&self) -> Vec<String> {
        let mut failures = self.recording.failures();
        let waiting = self.waiting.len();
        if 0 < waiting {
            let folder = self.folder.display();
            failures.push(format!(
                "{waiting} finished segments found no room at the syncer and wait in {folder}"
            ));
        }
        failures
    }

    /// Lets the next write of the open segment go to another file.
    #[cfg(test)]
    pub(super) fn replace_file(&mut self, file: std::fs::File) {
        if let Some(segment) = &mut self.segment {
            segment.replace_file(file);
        }
    }
}
