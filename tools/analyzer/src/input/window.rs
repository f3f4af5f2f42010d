//! The rows of row groups that overlap in time, sorted. Rows leave once no unread row can come
//! before them.

use super::decode::times;
use super::plan::Key;
use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

/// Rows sorted by key.
#[derive(Debug)]
pub(super) struct Window {
    rows: RecordBatch,
    /// Rank of each row.
    ranks: Vec<u32>,
    /// Number of rows that have left.
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

    /// Returns the number of rows in the window.
    pub(super) fn len(&self) -> usize {
        self.ranks.len() - self.at
    }

    /// Adds rows and sorts.
    ///
    /// # Errors
    /// Returns an error if there are more rows than Arrow can take.
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

    /// Returns how many rows may leave if no row before `key` will be added.
    pub(super) fn ready(&self, key: Option<Key>) -> usize {
        let Some(key) = key else { return self.len() };
        let times = &times(&self.rows)[self.at..];
        let later = times.partition_point(|time| *time < key.0);
        // Among the rows with the same time, those of lower ranks; they are sorted by rank.
        let same = times[later..].partition_point(|time| *time == key.0);
        let ranks = &self.ranks[self.at + later..][..same];
        later + ranks.partition_point(|rank| *rank < key.1)
    }

    /// Removes and returns the first rows.
    pub(super) fn take(&mut self, count: usize) -> RecordBatch {
        let rows = self.rows.slice(self.at, count);
        self.at += count;
        if self.len() == 0 {
            // This frees the memory before the next row group is read.
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
    // The sort is stable: within a rank, rows keep the order of the file.
    order.sort_by_key(|row| (times[*row as usize], ranks[*row as usize]));
    let ranks = order.iter().map(|row| ranks[*row as usize]).collect();
    Ok((take_record_batch(&rows, &UInt32Array::from(order))?, ranks))
}
