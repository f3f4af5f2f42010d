//! Cuts the quotes of several venues into common windows of time, independently of how the rows are
//! cut into batches.
//!
//! The batches of one venue follow each other in time; those of different venues do not line up. A
//! window reaches up to the last time that the batches of every venue have reached, and holds every
//! row before it. What is computed on windows therefore does not depend on the batches.

use crate::kernel::legs::{Leg, Rows};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, TimestampNanosecondType, UInt8Type};

/// A batch that the kernel cannot use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadBatch {
    /// A column is missing, has the wrong type, or has nulls.
    #[error("a batch has no column {0} of the kernel's type without nulls")]
    Column(&'static str),
    /// Times go backwards.
    #[error("times go back within or between batches")]
    Unsorted,
    /// An episode began, but sizes were not read.
    #[error("an episode began, and sizes were left out")]
    NoSizes,
}

/// One venue's quotes that have not been used yet.
#[derive(Debug)]
pub struct Buffer<B> {
    batches: B,
    more: bool,
    at: usize,
    end: usize,
    times: Vec<i64>,
    bids: Vec<f64>,
    asks: Vec<f64>,
    bid_sizes: Vec<f64>,
    ask_sizes: Vec<f64>,
    /// Event times, or the receive time where a row has none; empty if no event time is known.
    events: Vec<i64>,
    flags: Vec<u8>,
    /// Times in which nothing of the venue counts.
    torn: Vec<(i64, i64)>,
}

/// The columns that only a venue's own sums need; empty where a column is missing.
#[derive(Clone, Copy, Debug)]
pub struct Extras<'a> {
    /// Event times in ns since 1970; the receive time where a row has none.
    pub events: &'a [i64],
    /// Flags of each record.
    pub flags: &'a [u8],
}

impl<B, E> Buffer<B>
where
    B: Iterator<Item = Result<RecordBatch, E>>,
    E: From<BadBatch>,
{
    /// Returns a buffer that has read nothing yet, of a venue of which nothing counts in the times
    /// `torn`.
    pub fn new(batches: B, torn: Vec<(i64, i64)>) -> Buffer<B> {
        Buffer {
            batches,
            more: true,
            at: 0,
            end: 0,
            times: Vec::new(),
            bids: Vec::new(),
            asks: Vec::new(),
            bid_sizes: Vec::new(),
            ask_sizes: Vec::new(),
            events: Vec::new(),
            flags: Vec::new(),
            torn,
        }
    }

    /// Drops the rows already used and appends the next batch that has rows.
    fn refill(&mut self) -> Result<(), E> {
        self.forget_taken();
        while self.more {
            let Some(batch) = self.batches.next() else {
                self.more = false;
                return Ok(());
            };
            let batch = batch?;
            if 0 < batch.num_rows() {
                return Ok(self.append(&batch)?);
            }
        }
        Ok(())
    }

    fn forget_taken(&mut self) {
        let taken = std::mem::take(&mut self.at);
        self.end = 0;
        for column in [&mut self.bids, &mut self.asks, &mut self.bid_sizes, &mut self.ask_sizes] {
            column.drain(..taken.min(column.len()));
        }
        for column in [&mut self.times, &mut self.events] {
            column.drain(..taken.min(column.len()));
        }
        self.flags.drain(..taken.min(self.flags.len()));
    }

    fn append(&mut self, batch: &RecordBatch) -> Result<(), BadBatch> {
        let held = self.times.len();
        let times = batch.column_by_name("Timestamp");
        let times = times.and_then(|c| c.as_primitive_opt::<TimestampNanosecondType>());
        let times = times.filter(|c| c.null_count() == 0).ok_or(BadBatch::Column("Timestamp"))?;
        let from = self.times.last().copied().unwrap_or(i64::MIN);
        let values = times.values();
        let back = values.iter().zip(&values[1..]).any(|(a, b)| b < a);
        if back || values[0] < from {
            return Err(BadBatch::Unsorted);
        }
        self.times.extend_from_slice(values);
        append_floats(&mut self.bids, batch, "BestBid", held)?;
        append_optional(&mut self.asks, batch, "BestAsk", held)?;
        append_optional(&mut self.bid_sizes, batch, "BestBidSize", held)?;
        append_optional(&mut self.ask_sizes, batch, "BestAskSize", held)?;
        let events = batch.column_by_name("EventTime");
        if let Some(events) = events.and_then(|c| c.as_primitive_opt::<TimestampNanosecondType>()) {
            if !self.events.is_empty() || events.null_count() < events.len() {
                let known = self.events.len();
                self.events.extend_from_slice(&self.times[known..held]);
                let event = |(row, time): (usize, &i64)| {
                    if events.is_null(row) { *time } else { events.value(row) }
                };
                self.events.extend(values.iter().enumerate().map(event));
            }
        } else if !self.events.is_empty() {
            self.events.extend_from_slice(values);
        }
        let flags = batch.column_by_name("Flags").and_then(|c| c.as_primitive_opt::<UInt8Type>());
        if let Some(flags) = flags {
            self.flags.resize(held, 0);
            self.flags.extend_from_slice(flags.values());
        } else if !self.flags.is_empty() {
            self.flags.resize(self.times.len(), 0);
        }
        Ok(())
    }

    /// Returns the time of the last row that waits; `None` if no rows come after it.
    fn reach(&self) -> Option<i64> {
        self.times.last().copied().filter(|_| self.more)
    }

    /// Returns the rows of the window.
    pub fn rows(&self) -> Rows<'_> {
        let range = self.at..self.end;
        let some = |column| part(column, &range);
        Rows {
            times: &self.times[range.clone()],
            bids: &self.bids[range.clone()],
            asks: some(&self.asks),
            bid_sizes: some(&self.bid_sizes),
            ask_sizes: some(&self.ask_sizes),
            torn: &self.torn,
        }
    }

    /// Returns the remaining columns of the window's rows.
    pub fn extras(&self) -> Extras<'_> {
        let range = self.at..self.end;
        let events = self.events.get(range.clone()).unwrap_or_default();
        Extras { events, flags: self.flags.get(range).unwrap_or_default() }
    }

    /// Returns the last quote of the window.
    pub fn last(&self) -> Option<Leg> {
        let rows = self.rows();
        rows.times.len().checked_sub(1).map(|row| rows.leg(row))
    }
}

/// Returns part of a column; empty where the column is missing.
fn part<'a>(column: &'a [f64], range: &std::ops::Range<usize>) -> &'a [f64] {
    column.get(range.clone()).unwrap_or_default()
}

fn floats<'a>(batch: &'a RecordBatch, name: &'static str) -> Option<&'a [f64]> {
    let column = batch.column_by_name(name)?.as_primitive_opt::<Float64Type>()?;
    (column.null_count() == 0).then(|| &column.values()[..])
}

fn append_floats(
    column: &mut Vec<f64>,
    batch: &RecordBatch,
    name: &'static str,
    held: usize,
) -> Result<(), BadBatch> {
    debug_assert_eq!(column.len(), held, "columns are of one length");
    column.extend_from_slice(floats(batch, name).ok_or(BadBatch::Column(name))?);
    Ok(())
}

/// Appends a column that may be missing or have nulls; nulls become NaN.
fn append_optional(
    column: &mut Vec<f64>,
    batch: &RecordBatch,
    name: &'static str,
    held: usize,
) -> Result<(), BadBatch> {
    let Some(found) = batch.column_by_name(name) else {
        if !column.is_empty() {
            column.resize(held + batch.num_rows(), f64::NAN);
        }
        return Ok(());
    };
    column.resize(held, f64::NAN);
    if let Some(values) = floats(batch, name) {
        column.extend_from_slice(values);
        return Ok(());
    }
    let values = found.as_primitive_opt::<Float64Type>().ok_or(BadBatch::Column(name))?;
    column.extend(values.iter().map(|value| value.unwrap_or(f64::NAN)));
    Ok(())
}

/// Moves the windows of all venues on to the next one. Returns `false` if nothing is left.
///
/// # Errors
/// Returns the errors of the batches, and [`BadBatch`].
pub fn advance<B, E>(buffers: &mut [Buffer<B>]) -> Result<bool, E>
where
    B: Iterator<Item = Result<RecordBatch, E>>,
    E: From<BadBatch>,
{
    for buffer in &mut *buffers {
        buffer.at = buffer.end;
    }
    loop {
        for buffer in &mut *buffers {
            if buffer.more && buffer.at == buffer.times.len() {
                buffer.refill()?;
            }
        }
        let until = buffers.iter().filter_map(Buffer::reach).min();
        let mut any = false;
        for buffer in &mut *buffers {
            let waiting = &buffer.times[buffer.at..];
            let count = match until {
                Some(until) => waiting.partition_point(|time| *time < until),
                None => waiting.len(),
            };
            buffer.end = buffer.at + count;
            any |= 0 < count;
        }
        if any || until.is_none() {
            return Ok(any);
        }
        // All rows that wait in the venues holding the others back have one time, so more are
        // needed.
        for buffer in &mut *buffers {
            if buffer.reach() == until {
                buffer.refill()?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Float64Array, TimestampNanosecondArray};
    use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
    use std::sync::Arc;

    fn batch(times: &[i64]) -> Result<RecordBatch, BadBatch> {
        let price = |time: &i64| f64::from(i32::try_from(*time).unwrap());
        let prices: Vec<f64> = times.iter().map(price).collect();
        let schema = Schema::new(vec![
            Field::new("Timestamp", DataType::Timestamp(TimeUnit::Nanosecond, None), false),
            Field::new("BestBid", DataType::Float64, false),
        ]);
        let times = Arc::new(TimestampNanosecondArray::from(times.to_vec()));
        let prices = Arc::new(Float64Array::from(prices));
        Ok(RecordBatch::try_new(Arc::new(schema), vec![times, prices]).unwrap())
    }

    #[test]
    fn windows_hold_every_row_once_and_never_part_equal_times() {
        let one =
            vec![batch(&[1, 2, 2]), batch(&[2, 2]), batch(&[2, 9, 9]), batch(&[]), batch(&[9])];
        let two = vec![batch(&[2]), batch(&[2, 3, 4, 5, 6, 7]), batch(&[9, 10])];
        let mut buffers = vec![
            Buffer::new(one.into_iter(), Vec::new()),
            Buffer::new(two.into_iter(), Vec::new()),
        ];
        let (mut seen, mut last) = ([Vec::new(), Vec::new()], i64::MIN);
        while advance(&mut buffers).unwrap() {
            let rows: Vec<i64> =
                buffers.iter().flat_map(|buffer| buffer.rows().times.to_vec()).collect();
            assert!(rows.iter().all(|time| last < *time), "{rows:?} after {last}");
            last = rows.iter().copied().max().unwrap_or(last);
            for (seen, buffer) in seen.iter_mut().zip(&buffers) {
                seen.extend_from_slice(buffer.rows().times);
            }
        }
        assert_eq!(seen[0], [1, 2, 2, 2, 2, 2, 9, 9, 9]);
        assert_eq!(seen[1], [2, 2, 3, 4, 5, 6, 7, 9, 10]);
    }

    #[test]
    fn what_goes_back_in_time_is_refused() {
        for batches in [vec![batch(&[1, 3, 2])], vec![batch(&[1, 3]), batch(&[2])]] {
            let mut buffers = vec![Buffer::new(batches.into_iter(), Vec::new())];
            let mut outcome = std::iter::from_fn(|| match advance(&mut buffers) {
                Ok(true) => Some(Ok(())),
                Ok(false) => None,
                Err(error) => Some(Err(error)),
            });
            let refused = outcome.find(Result::is_err);
            assert_eq!(refused, Some(Err(BadBatch::Unsorted)));
        }
    }
}
