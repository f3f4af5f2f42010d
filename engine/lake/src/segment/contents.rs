//! What a segment holds, counted while it is written.

use super::block::Block;
use spreadwire_market::clock::Nanos;
use spreadwire_market::record::{Gap, GapCause, Kind, Record, is_input};

/// Counts of what was written to a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Number of records of every kind.
    pub records: u64,
    /// Number of quotes and statuses.
    pub inputs: u64,
    /// First number of its first block.
    pub first_sequence: u64,
    /// Number after those of its last block; at most `first_sequence` if nothing was written.
    pub next_sequence: u64,
    /// Time of the first record; 0 if there is none.
    pub since: Nanos,
    /// Counts of the records that take no numbers.
    pub annexed: Annexed,
}

/// Counts of records that take no numbers, including those that a gap stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Annexed {
    /// Number of spreads.
    pub spreads: u64,
    /// Number of opportunities opened and closed.
    pub opportunities: u64,
}

impl Annexed {
    /// Counts a record if it takes no numbers.
    #[inline]
    pub fn add(&mut self, record: &Record) {
        match record.kind() {
            Some(Kind::Spread | Kind::Ended) => self.spreads += 1,
            Some(Kind::Opened | Kind::Closed) => self.opportunities += 1,
            Some(Kind::Gap) => {
                let gap: &Gap = record.view();
                match gap.cause() {
                    Some(GapCause::Spreads) => self.spreads += gap.missed,
                    Some(GapCause::Opportunities) => self.opportunities += gap.missed,
                    Some(GapCause::Edge | GapCause::Disk) | None => {}
                }
            }
            _ => {}
        }
    }

    /// Adds another count.
    pub fn merge(&mut self, other: Annexed) {
        self.spreads += other.spreads;
        self.opportunities += other.opportunities;
    }
}

impl Contents {
    pub(super) fn add(&mut self, block: &Block) {
        let Some(first) = block.records().first() else { return };
        if self.records == 0 {
            (self.first_sequence, self.since) = (block.first_sequence(), first.ts_recv());
        }
        self.next_sequence = block.next_sequence();
        self.records += block.records().len() as u64;
        for record in block.records() {
            self.inputs += u64::from(is_input(record));
            self.annexed.add(record);
        }
    }
}
