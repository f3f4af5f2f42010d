//! A block of records on its way into a segment.

use super::format::{BLOCK_MAGIC, BLOCK_RECORDS_MAX, BlockHeader, VERSION, header_crc};
use bytemuck::Zeroable;
use spreadwire_market::clock::Nanos;
use spreadwire_market::record::{Gap, GapCause, Record, numbers_taken};

/// The records of the next block. Its memory is allocated once.
#[derive(Debug)]
pub struct Block {
    /// Room for the header, then the records, so that one write takes both.
    slots: Vec<Record>,
    records_max: usize,
    first_sequence: u64,
    next_sequence: u64,
}

impl Block {
    /// Returns an empty block for up to `records_max` records, numbered from `first_sequence`.
    ///
    /// # Panics
    /// If `records_max` is 0 or above [`BLOCK_RECORDS_MAX`].
    #[must_use]
    pub fn new(records_max: usize, first_sequence: u64) -> Block {
        assert!((1..=BLOCK_RECORDS_MAX).contains(&records_max), "a block of {records_max} records");
        let mut slots = Vec::with_capacity(records_max + 1);
        slots.push(Record::zeroed());
        Block { slots, records_max, first_sequence, next_sequence: first_sequence }
    }

    /// Appends a record.
    ///
    /// # Panics
    /// If the block is full.
    #[inline]
    pub fn push(&mut self, record: &Record) {
        assert!(!self.is_full(), "a full block was given one more record");
        self.slots.push(*record);
        self.next_sequence = self.next_sequence.saturating_add(numbers_taken(record));
    }

    /// Returns whether no further record fits.
    #[must_use]
    #[inline]
    pub fn is_full(&self) -> bool {
        self.records_max < self.slots.len()
    }

    /// Returns the records so far.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.slots[1..]
    }

    /// Drops the records, which were written: the next record gets the number after the last one.
    pub fn clear(&mut self) {
        self.slots.truncate(1);
        self.first_sequence = self.next_sequence;
    }

    /// Drops the records unwritten; their numbers count as skipped.
    pub fn skip_all(&mut self) {
        self.slots.truncate(1);
    }

    /// Skips the numbers of a record that is not stored. The block must hold no records.
    pub fn skip(&mut self, record: &Record) {
        debug_assert!(self.records().is_empty(), "numbers are skipped in front of records");
        self.next_sequence = self.next_sequence.saturating_add(numbers_taken(record));
    }

    /// Also skips earlier numbers, from `first_sequence` on. The block must hold no records.
    pub fn skip_back_to(&mut self, first_sequence: u64) {
        debug_assert!(self.records().is_empty(), "numbers are skipped in front of records");
        self.first_sequence = self.first_sequence.min(first_sequence);
    }

    /// Returns the number of the first record, or of the first one that was skipped.
    #[must_use]
    pub fn first_sequence(&self) -> u64 {
        self.first_sequence
    }

    /// Returns the number of the next record.
    pub(super) fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// Returns how many numbers were skipped by a block that holds no records.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.next_sequence - self.first_sequence
    }

    /// Puts a gap record in the place of the numbers that were skipped, if there are any.
    ///
    /// # Panics
    /// If the block holds records already.
    pub fn mark_skipped(&mut self, ts_recv: Nanos, cause: GapCause) {
        assert!(self.records().is_empty(), "what was skipped stands in front of records");
        let missed = self.skipped();
        if 0 < missed {
            self.slots.push(Gap::new(ts_recv, missed).because(cause).into());
        }
    }

    /// Returns the block as it stands in the file.
    pub(super) fn bytes(&mut self) -> &[u8] {
        let records = &self.slots[1..];
        let mut header = BlockHeader {
            magic: BLOCK_MAGIC,
            version: VERSION,
            count: u32::try_from(records.len()).unwrap_or(u32::MAX),
            first_sequence: self.first_sequence,
            next_sequence: self.next_sequence,
            records_crc: crc32c::crc32c(bytemuck::cast_slice(records)),
            ..BlockHeader::zeroed()
        };
        header.crc = header_crc(&header);
        self.slots[0] = bytemuck::cast(header);
        bytemuck::cast_slice(&self.slots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spreadwire_kit::records::{quote, status};

    #[test]
    fn numbers_that_were_skipped_become_a_gap_in_front() {
        let mut block = Block::new(4, 10);
        block.mark_skipped(5, GapCause::Disk);
        assert!(block.records().is_empty(), "nothing was skipped");
        block.push(&quote(1));
        block.push(&Gap::new(2, 4).into());
        block.skip_all();
        block.skip(&status(3));
        block.skip_back_to(7);
        block.mark_skipped(5, GapCause::Disk);
        assert_eq!(block.records(), [Gap::new(5, 9).because(GapCause::Disk).into()]);
        block.push(&quote(4));
        assert_eq!((block.first_sequence, block.next_sequence), (7, 17));
    }
}
