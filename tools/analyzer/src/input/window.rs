//! Rows of row groups that overlap in time, in order: those behind which a row that is yet to be read
//! could not come may leave.
//!
//! It must not know files.

use super::decode::times;
use super::plan::Key;
use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

/// Rows by key.
#[derive(Debug)]
pub(super) struct Window {
    rows: RecordBatch,
    /// Of each row.
    ranks: Vec<u32>,
    /// How many have left.
    at: usize,
}

/// The rows of one row group, in the file's order.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) rank: u32,
    pub(super) batches: Vec<RecordBatch>,
}

impl Window {
    pub(super) fn new(schema: SchemaRef) -> Window {
        Window { rows: RecordBatch::new_empty(schema), ranks: Vec::new(), at: 0 }
    }

    /// How many rows are in it.
    pub(super) fn len(&self) -> usize {
        self.ranks.len() - self.at
    }

    /// Rows join.
    ///
    /// # Errors
    /// If there are more of them than Arrow can take.
    pub(super) fn join(&mut self, loaded: &[Loaded]) -> Result<(), ArrowError> {
        let rest = self.rows.slice(self.at, self.len());
        let mut ranks = self.ranks.split_off(self.at);
        for Loaded { rank, batches } in loaded {
            let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
            ranks.resize(ranks.len() + rows, *rank);
        }
        let batches = loaded.iter().flat_map(|loaded| &loaded.batches);
        let all = concat_batches(&rest.schema(), std::iter::once(&rest).chain(batches))?;
        (self.rows, self.ranks) = sorted(all, ranks)?;
        self.at = 0;
        Ok(())
    }

    /// How many rows may leave when no row before `key` will join any more.
    pub(super) fn ready(&self, key: Option<Key>) -> usize {
        let Some(key) = key else { return self.len() };
        let times = &times(&self.rows)[self.at..];
        let later = times.partition_point(|time| *time < key.0);
        // Of rows of the same time, those of lower ranks; they are sorted by it.
        let same = times[later..].partition_point(|time| *time == key.0);
        let ranks = &self.ranks[self.at + later..][..same];
        later + ranks.partition_point(|rank| *rank < key.1)
    }

    /// The first rows leave.
    pub(super) fn take(&mut self, count: usize) -> RecordBatch {
        let rows = self.rows.slice(self.at, count);
        self.at += count;
        if self.len() == 0 {
            // Memory is given back before the next row group is read.
            *self = Window::new(rows.schema());
        }
        rows
    }
}

fn sorted(rows: RecordBatch, ranks: Vec<u32>) -> Result<(RecordBatch, Vec<u32>), ArrowError> {
    let times = times(&rows);
    if times.iter().zip(&ranks).is_sorted() {
        return Ok((rows, ranks));
    }
    let count = u32::try_from(times.len());
    let count = count.map_err(|_| ArrowError::ComputeError("too many rows overlap".to_owned()))?;
    let mut order: Vec<u32> = (0..count).collect();
    // Stable: within a rank rows keep the order of the file.
    order.sort_by_key(|row| (times[*row as usize], ranks[*row as usize]));
    let ranks = order.iter().map(|row| ranks[*row as usize]).collect();
    Ok((take_record_batch(&rows, &UInt32Array::from(order))?, ranks))
}
