//! The cold side of the journal: seals the segments that it receives, and retries those that failed.

use super::{RunSealer, SealError, Sealed};
use crate::ledger::Book;
use crate::lock::LockError;
use crate::segment::{ClosedSegment, SegmentReader};
use crate::stage::{Stage, StageCounter};
use crossbeam::channel::{Receiver, RecvTimeoutError};
use spreadwire_market::clock::{Clock, Nanos, SECOND};
use spreadwire_market::counters::{Counter, Counters};
use spreadwire_market::instrument::Catalogue;
use std::time::Duration;

/// A segment that could not be sealed is tried again after this time, ns; then after twice the time,
/// and so on.
const RETRY_MIN: Nanos = SECOND;
/// The longest of these pauses.
const RETRY_MAX: Nanos = 60 * SECOND;

/// Seals the segments that it receives.
#[derive(Debug)]
pub struct Sealer {
    seals: RunSealer,
    clock: Clock,
    counts: Counts,
    /// Segments that could not be sealed.
    unsealed: Vec<Late>,
}

/// A segment that could not be sealed.
#[derive(Debug)]
struct Late {
    closed: ClosedSegment,
    why: String,
    /// When it is tried again.
    due: Nanos,
    pause: Nanos,
}

#[derive(Debug)]
struct Counts {
    rows: Counter,
    files: Counter,
    segments: Counter,
    failed: Counter,
    statuses: Counter,
    gaps: Counter,
    missed: Counter,
    damaged: Counter,
    unsealed: Counter,
    unfit: Counter,
    locked: Counter,
}

impl Sealer {
    /// Makes a sealer for the segments of a run that were written with `catalogue`.
    #[must_use]
    pub fn new(book: Book, catalogue: Catalogue, counters: &Counters) -> Sealer {
        let named = |name: &str| counters.register(&format!("seal.{name}"));
        let counts = Counts {
            rows: named("rows"),
            files: named("files"),
            segments: named("segments"),
            failed: named("failed"),
            statuses: named("statuses"),
            gaps: named("gaps"),
            missed: named("missed"),
            damaged: named("damaged"),
            unsealed: named("unsealed"),
            unfit: named("unfit"),
            locked: named("locked"),
        };
        let seals = RunSealer::new(book, catalogue);
        Sealer { seals, clock: Clock::host(), counts, unsealed: Vec::new() }
    }

    /// Returns the sealer with another clock.
    #[must_use]
    pub fn timed_by(self, clock: Clock) -> Sealer {
        Sealer { clock, ..self }
    }

    /// Returns the sealer waiting for so long for whoever else changes the lake.
    #[must_use]
    pub fn waiting(mut self, patience: Duration) -> Sealer {
        self.seals.wait_for(patience);
        self
    }

    /// Returns the counters of the stages that are the sealer's, for the ledger.
    #[must_use]
    pub fn stages(&self) -> Vec<StageCounter> {
        let Counts { rows, statuses, damaged, unsealed, .. } = &self.counts;
        let stages = [
            (Stage::SealedQuotes, rows),
            (Stage::SealedStatuses, statuses),
            (Stage::Damaged, damaged),
            (Stage::Unsealed, unsealed),
        ];
        stages.map(|(stage, counter)| StageCounter::of_run(stage, counter)).into()
    }

    /// Seals segments until every sender is gone, and then tries once more those that failed. Blocks
    /// and logs, so it needs a cold thread. Returns a sentence for each segment that was not sealed.
    pub fn run(mut self, segments: &Receiver<ClosedSegment>) -> Vec<String> {
        loop {
            match segments.recv_timeout(self.pause()) {
                Ok(closed) => self.turn(Some(closed)),
                Err(RecvTimeoutError::Timeout) => self.turn(None),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.finish()
    }

    /// Seals a segment, if there is one, and tries those again whose time has come.
    pub fn turn(&mut self, segment: Option<ClosedSegment>) {
        if let Some(closed) = segment {
            self.seal(closed, None);
        }
        let now = self.clock.now();
        let (due, later) =
            std::mem::take(&mut self.unsealed).into_iter().partition(|late| late.due <= now);
        self.unsealed = later;
        self.retry(due);
    }

    /// Tries once more what failed. Whoever keeps others from changing the lake is waited for once,
    /// not for each segment. Returns a sentence for each segment that was not sealed.
    pub fn finish(mut self) -> Vec<String> {
        let late = std::mem::take(&mut self.unsealed);
        self.retry(late);
        self.unsealed.into_iter().map(|late| late.why).collect()
    }

    /// Returns how long the next segment may be waited for.
    fn pause(&self) -> Duration {
        let due = self.unsealed.iter().map(|late| late.due).min();
        let pause = due.map_or(RETRY_MAX, |due| due.saturating_sub(self.clock.now()));
        Duration::from_nanos(pause.min(RETRY_MAX))
    }

    /// Tries the failed segments again: the disk may have room now. If the lake is locked for one of
    /// them, it is for the others too, which are not waited for.
    fn retry(&mut self, late: Vec<Late>) {
        for one in late {
            let Late { closed, pause, .. } = one;
            self.seal(closed, Some(pause));
        }
        self.seals.be_patient();
    }

    /// Seals a segment. `failed` is how long it was put off before, if it failed before.
    fn seal(&mut self, closed: ClosedSegment, failed: Option<Nanos>) {
        let path = closed.path.display();
        let reader = SegmentReader::open(&closed.path).map_err(SealError::from);
        let sealed = reader.and_then(|reader| {
            self.seals.work(&closed.path, reader, Some(closed.records), failed.is_some())
        });
        match sealed {
            Ok(sealed) => {
                self.count(&sealed);
                tracing::debug!(%path, rows = sealed.tally.quotes, "segment sealed");
            }
            Err(error) => self.put_off(closed, error, failed),
        }
        self.counts.unsealed.set(self.unsealed.len() as u64);
    }

    /// Keeps a segment for later. Each failure doubles the pause.
    fn put_off(&mut self, closed: ClosedSegment, error: SealError, failed: Option<Nanos>) {
        if matches!(error, SealError::Lock(LockError::Taken { .. })) {
            self.counts.locked.add(1);
            self.seals.lose_patience();
        }
        let error = anyhow::Error::from(error);
        let why = format!("segment {} stays unsealed: {error:#}", closed.path.display());
        match failed {
            None => {
                self.counts.failed.add(1);
                tracing::error!("{why}");
            }
            Some(_) => tracing::warn!("{why}"),
        }
        let pause = failed.map_or(RETRY_MIN, |pause| pause.saturating_mul(2).min(RETRY_MAX));
        let due = self.clock.now().saturating_add(pause);
        self.unsealed.push(Late { closed, why, due, pause });
    }

    fn count(&self, sealed: &Sealed) {
        let Counts { rows, files, segments, statuses, gaps, missed, unfit, .. } = &self.counts;
        segments.add(1);
        rows.add(sealed.tally.quotes);
        files.add(sealed.files.len() as u64);
        statuses.add(sealed.tally.statuses);
        gaps.add(sealed.tally.gaps);
        missed.add(sealed.tally.missed);
        unfit.add(sealed.tally.unfit);
        if 0 < sealed.tally.unfit {
            let (number, why) = (sealed.info.number, &sealed.unfit);
            tracing::error!(
                "segment {number} has records that the lake cannot hold ({why}): they are kept in \
                 the folder damaged, and the rest was sealed"
            );
        }
        if !sealed.damaged_at.is_empty() {
            self.counts.damaged.add(1);
            let number = sealed.info.number;
            tracing::error!(
                "segment {number} was damaged at {:?}: what is whole was sealed",
                sealed.damaged_at
            );
        }
    }
}
