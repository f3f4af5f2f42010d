//! The cold side of the journal: seals the segments that it receives, and retries those that failed.

use super::{SealError, Sealed, Work};
use crate::ledger::Book;
use crate::segment::{ClosedSegment, SegmentReader};
use crate::stage::{Stage, StageCounter};
use crossbeam::channel::{Receiver, RecvTimeoutError};
use spreadwire_market::counters::{Counter, Counters};
use spreadwire_market::instrument::Catalogue;
use std::time::Duration;

/// Interval at which segments that could not be sealed are tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);

/// Seals the segments that it receives.
#[derive(Debug)]
pub struct Sealer {
    book: Book,
    catalogue: Catalogue,
    counts: Counts,
    /// Segments that could not be sealed, and why.
    unsealed: Vec<(ClosedSegment, String)>,
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
        };
        Sealer { book, catalogue, counts, unsealed: Vec::new() }
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
            match segments.recv_timeout(RETRY_INTERVAL) {
                Ok(closed) => self.seal(closed, false),
                Err(RecvTimeoutError::Timeout) => self.retry(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.retry();
        self.unsealed.into_iter().map(|(_, sentence)| sentence).collect()
    }

    /// Tries the failed segments again: the disk may have room now.
    fn retry(&mut self) {
        for (closed, _) in std::mem::take(&mut self.unsealed) {
            self.seal(closed, true);
        }
    }

    fn seal(&mut self, closed: ClosedSegment, again: bool) {
        let path = closed.path.display();
        let work = Work { book: &self.book, catalogue: &self.catalogue, resumed: again };
        let reader = SegmentReader::open(&closed.path).map_err(SealError::from);
        match reader.and_then(|reader| work.seal(&closed.path, reader, Some(closed.records))) {
            Ok(sealed) => {
                self.count(&sealed);
                tracing::debug!(%path, rows = sealed.tally.quotes, "segment sealed");
            }
            Err(error) => {
                let sentence =
                    format!("segment {path} stays unsealed: {:#}", anyhow::Error::from(error));
                if !again {
                    self.counts.failed.add(1);
                    tracing::error!("{sentence}");
                }
                self.unsealed.push((closed, sentence));
            }
        }
        self.counts.unsealed.set(self.unsealed.len() as u64);
    }

    fn count(&self, sealed: &Sealed) {
        let Counts { rows, files, segments, statuses, gaps, missed, .. } = &self.counts;
        segments.add(1);
        rows.add(sealed.tally.quotes);
        files.add(sealed.files.len() as u64);
        statuses.add(sealed.tally.statuses);
        gaps.add(sealed.tally.gaps);
        missed.add(sealed.tally.missed);
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
