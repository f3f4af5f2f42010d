//! The child: a run that records three small segments, seals them as they close, so that later ones take
//! the rows of earlier ones along, and ends in order. A step that fails is treated as the engine treats
//! it. What the disk has is said on standard output.

use crossbeam::channel;
use spreadwire_kit::{catalogue, quotes};
use spreadwire_lake::lock::{self, Watch};
use spreadwire_lake::mark::{MARK_SUFFIX, Mark};
use spreadwire_lake::run::{Origin, Provenance, RunId, catalogue_digest};
use spreadwire_lake::seal::Sealer;
use spreadwire_lake::segment::{Block, ClosedSegment, FinishedSegment, SegmentInfo, SegmentWriter};
use spreadwire_lake::stage::{Stage, StageCounts};
use spreadwire_lake::{folder, layout};
use spreadwire_market::clock::{Clock, Nanos, SECOND};
use spreadwire_market::counters::Counters;
use spreadwire_market::instrument::Catalogue;
use spreadwire_market::record::{GapCause, Record};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub(crate) const MIDNIGHT: Nanos = 1_723_161_600 * SECOND;
pub(crate) const SEGMENTS: u64 = 3;
pub(crate) const RECORDS: u64 = 5;
/// How often a step is tried.
const TRIES_MAX: usize = 3;

pub(crate) fn catalogue() -> Catalogue {
    catalogue::of(["BTC/USDT"], ["binance", "okx"]).build()
}

fn record(at: u64) -> Record {
    quotes::quote(u8::from(at.is_multiple_of(2)), 0, MIDNIGHT + at).into()
}

/// The run's journal.
struct Journal {
    folder: PathBuf,
    origin: Origin,
    block: Block,
    next_number: u32,
    closed: Vec<ClosedSegment>,
    /// Records that are in a file, and those that are in none.
    stored: Vec<Record>,
    lost: Vec<Record>,
}

/// Lives the run. The code is 1 if it could not begin or end.
pub(crate) fn live(lake: &Path) -> ExitCode {
    let run = RunId::new("run").unwrap();
    let Ok(held) = lock::recording(lake) else { return ExitCode::FAILURE };
    let Ok(mut watch) = Watch::begin(lake, held) else { return ExitCode::FAILURE };
    let begun = Mark::begin(lake, run, MIDNIGHT, &catalogue(), Provenance::Live);
    let Ok(mark) = begun else { return ExitCode::FAILURE };
    let journal = lake.join(layout::JOURNAL);
    let _living = lock::try_own(&journal.join(format!("{run}{MARK_SUFFIX}")));
    let counters = Counters::default();
    let clock = Clock::manual(MIDNIGHT);
    let sealer = Sealer::new(mark.book.clone(), catalogue(), &counters);
    let mut sealer = sealer.timed_by(clock.clone());
    let origin = Origin { run, catalogue: catalogue_digest(&catalogue()) };
    let mut journal = Journal {
        folder: journal,
        origin,
        block: Block::new(8, 0),
        next_number: 0,
        closed: Vec::new(),
        stored: Vec::new(),
        lost: Vec::new(),
    };
    for segment in 0..SEGMENTS {
        journal.record(segment * RECORDS);
        clock.set(clock.now() + SECOND);
        // What cannot be seen is no reason to stop.
        watch.look().unwrap();
        journal.closed.drain(..).for_each(|closed| sealer.turn(Some(closed)));
    }
    let counts = sealer.stages();
    // As the syncer's channel ends.
    let (sender, segments) = channel::bounded::<ClosedSegment>(1);
    drop(sender);
    sealer.run(&segments).iter().for_each(|failure| println!("unsealed {failure}"));
    let mut stages = StageCounts::read(&counts);
    journal.count(&mut stages);
    let ended = mark.end(lake, MIDNIGHT + SECOND, SEGMENTS * RECORDS, &BTreeMap::new(), &stages);
    drop(watch);
    ExitCode::from(u8::from(ended.is_err()))
}

impl Journal {
    /// Records some records as a segment. Those that cannot be written become a gap in another.
    fn record(&mut self, from: u64) {
        let records: Vec<Record> = (from..from + RECORDS).map(record).collect();
        let Some(mut segment) = self.begin() else { return self.lose(&records) };
        records.iter().for_each(|record| self.block.push(record));
        if segment.write(&mut self.block).is_ok() {
            self.block.clear();
            self.stored.extend(&records);
            return self.close(&segment.finish(), Some((from, from + RECORDS - 1)));
        }
        self.block.skip_all();
        self.lost.extend(&records);
        self.close(&segment.finish(), None);
        let Some(mut next) = self.begin() else { return };
        self.block.mark_skipped(MIDNIGHT + from, GapCause::Disk);
        next.write(&mut self.block).unwrap();
        self.block.clear();
        self.close(&next.finish(), None);
    }

    fn lose(&mut self, records: &[Record]) {
        records.iter().for_each(|record| self.block.skip(record));
        self.lost.extend(records);
    }

    fn begin(&mut self) -> Option<SegmentWriter> {
        tried(|| {
            let info =
                SegmentInfo { origin: self.origin, number: self.next_number, started_at: MIDNIGHT };
            let begun = SegmentWriter::create(&self.folder, info);
            let taken = begun.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::AlreadyExists);
            self.next_number += u32::from(begun.is_ok() || taken);
            begun
        })
    }

    /// Closes a segment, and says which numbers the disk has now.
    fn close(&mut self, segment: &FinishedSegment, numbers: Option<(u64, u64)>) {
        segment.trim().unwrap_or_default();
        let synced = segment.sync();
        let Some(closed) = tried(|| segment.close()) else { return };
        self.closed.push(closed);
        if let (Ok(()), Ok(()), Some((first, last))) = (synced, folder::sync(&self.folder), numbers)
        {
            println!("stored {first} {last}");
        }
    }

    /// Adds what the stages before the sealer counted.
    fn count(&self, stages: &mut StageCounts) {
        for stage in [Stage::Missed, Stage::NumberedStatuses, Stage::Booked] {
            stages.add(stage, 0);
        }
        for record in self.stored.iter().chain(&self.lost) {
            let listed = (record.venue, record.instrument);
            for stage in [Stage::Fed, Stage::NumberedQuotes] {
                stages.add(stage, 1);
            }
            for stage in [Stage::Decoded, Stage::Passed] {
                stages.add_listed(stage, listed, 1);
            }
            stages.add_listed(Stage::Journalled, listed, 0);
        }
        for record in &self.stored {
            stages.add_listed(Stage::Journalled, (record.venue, record.instrument), 1);
        }
        stages.add(Stage::Lost, self.lost.len() as u64);
    }
}

/// Tries a step until it succeeds.
fn tried<T>(mut step: impl FnMut() -> io::Result<T>) -> Option<T> {
    (0..TRIES_MAX).find_map(|_| step().ok())
}
