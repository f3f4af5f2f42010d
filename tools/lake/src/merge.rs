//! Merges rows of several sorted sources into one sorted stream, with a bounded number of rows in
//! memory.
//!
//! One batch of each source is in memory. The source with the smallest next row supplies rows until
//! those of another source are smaller. Equal rows come in the order of the sources. Files are
//! sorted by `Timestamp`; rows with equal times are sorted here into the table's order. If there
//! are many files, a few at a time are merged into one, and the results are merged again, so that
//! the memory does not grow with their number.

use anyhow::{Context, bail, ensure};
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampNanosecondType;
use arrow_select::concat::concat_batches;
use arrow_select::interleave::interleave_record_batch;
use spreadwire_lake::folder;
use spreadwire_lake::table::{
    BATCH_ROWS, Metadata, SortKeys, Table, TableReader, TableWriter, Written,
};
use std::cmp::Ordering;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Number of files read concurrently, which bounds the memory.
pub const FILES_AT_ONCE: usize = 8;
/// Metadata that must be equal in all files of a folder.
const AGREED: [&str; 4] = ["venue", "instrument", "price_scale", "size_scale"];

/// Batches of one source, in time order.
pub type Batches = Box<dyn Iterator<Item = anyhow::Result<RecordBatch>>>;

/// A merge of several sources.
pub struct Merge {
    table: &'static Table,
    heads: Vec<Head>,
}

/// The next rows of one source.
#[derive(Debug)]
pub struct Slice {
    /// Index of the source.
    pub source: usize,
    /// One of its batches.
    pub batch: Arc<RecordBatch>,
    /// Rows of that batch.
    pub rows: Range<usize>,
}

struct Head {
    source: usize,
    batches: Batches,
    /// Rows of the last timestamp read; more with the same timestamp may follow.
    held: Option<RecordBatch>,
    ended: bool,
    batch: Arc<RecordBatch>,
    keys: SortKeys,
    at: usize,
}

impl std::fmt::Debug for Merge {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (table, sources) = (self.table.name, self.heads.len());
        write!(formatter, "Merge {{ table: {table}, sources: {sources} }}")
    }
}

impl Merge {
    /// Creates a merge of sources whose batches are of `table`.
    ///
    /// # Errors
    /// If the first rows cannot be read.
    pub fn new(table: &'static Table, sources: Vec<Batches>) -> anyhow::Result<Merge> {
        let mut heads = Vec::new();
        for (source, batches) in sources.into_iter().enumerate() {
            let batch = Arc::new(RecordBatch::new_empty(table.schema()));
            let keys = table.sort_keys(&batch)?;
            heads.push(Head { source, batches, held: None, ended: false, batch, keys, at: 0 });
        }
        Ok(Merge { table, heads })
    }

    /// Returns the next rows; `None` after the last ones.
    ///
    /// # Errors
    /// If a source cannot be read, or its times decrease.
    pub fn next_slice(&mut self) -> anyhow::Result<Option<Slice>> {
        let mut place = 0;
        while place < self.heads.len() {
            let head = &mut self.heads[place];
            if head.at < head.keys.rows() || head.load(self.table)? {
                place += 1;
            } else {
                drop(self.heads.remove(place));
            }
        }
        let Some(first) = first_of(&self.heads, None) else { return Ok(None) };
        let bound = first_of(&self.heads, Some(first));
        let to = self.heads[first].end_before(bound.map(|place| &self.heads[place]));
        let head = &mut self.heads[first];
        let rows = std::mem::replace(&mut head.at, to)..to;
        Ok(Some(Slice { source: head.source, batch: Arc::clone(&head.batch), rows }))
    }
}

/// Returns the place of the head whose row comes first, leaving out one of them.
fn first_of(heads: &[Head], but: Option<usize>) -> Option<usize> {
    let places = (0..heads.len()).filter(|place| Some(*place) != but);
    places.min_by(|one, two| heads[*one].compare(heads[*one].at, &heads[*two]))
}

impl Head {
    /// Compares a row of this head with the next one of another; equal rows come in the order of
    /// the sources.
    fn compare(&self, row: usize, other: &Head) -> Ordering {
        self.keys.compare(row, &other.keys, other.at).then(self.source.cmp(&other.source))
    }

    /// Returns the place after the rows that come before the next one of `bound`: at least one.
    fn end_before(&self, bound: Option<&Head>) -> usize {
        let rows = self.keys.rows();
        let Some(bound) = bound else { return rows };
        let later = |row: &usize| self.compare(*row, bound).is_ge();
        (self.at + 1..rows).find(later).unwrap_or(rows)
    }

    /// Takes the next rows in hand; false if there are none.
    fn load(&mut self, table: &Table) -> anyhow::Result<bool> {
        let Some(mut batch) = self.whole_times(table)? else { return Ok(false) };
        let mut keys = table.sort_keys(&batch)?;
        if !keys.is_sorted() {
            batch = table.sorted(&[batch])?;
            keys = table.sort_keys(&batch)?;
        }
        let last = self.keys.rows().checked_sub(1);
        if last.is_some_and(|last| keys.compare(0, &self.keys, last).is_lt()) {
            bail!("its rows are not sorted by time");
        }
        (self.batch, self.keys, self.at) = (Arc::new(batch), keys, 0);
        Ok(true)
    }

    /// Returns the next rows, with all rows of each timestamp.
    fn whole_times(&mut self, table: &Table) -> anyhow::Result<Option<RecordBatch>> {
        while !self.ended {
            let Some(batch) = self.batches.next().transpose()? else {
                self.ended = true;
                break;
            };
            let batch = match self.held.take() {
                Some(held) => concat_batches(&table.schema(), [&held, &batch])?,
                None => batch,
            };
            let times = batch.column(0).as_primitive::<TimestampNanosecondType>().values();
            let last = times.last().copied();
            let tail = times.iter().rev().take_while(|time| Some(**time) == last).count();
            let whole = batch.num_rows() - tail;
            self.held = Some(batch.slice(whole, tail)).filter(|held| 0 < held.num_rows());
            if 0 < whole {
                return Ok(Some(batch.slice(0, whole)));
            }
        }
        Ok(self.held.take())
    }
}

/// Returns the metadata for the footer of a merged file: the parts of all files, and the values on
/// which they agree.
///
/// # Errors
/// If the files are of different venues, instruments or scales.
pub fn joined(footers: &[Metadata]) -> anyhow::Result<Metadata> {
    let Some(first) = footers.first() else { return Ok(Metadata::new()) };
    for key in AGREED {
        let other = footers.iter().find(|footer| footer.get(key) != first.get(key));
        if let Some(other) = other {
            let text = |of: &Metadata| of.get(key).cloned().unwrap_or_else(|| "none".to_owned());
            bail!("its files disagree on {key}: {} and {}", text(first), text(other));
        }
    }
    let agreed =
        AGREED.iter().filter_map(|key| Some(((*key).to_owned(), first.get(*key)?.clone())));
    let mut joined: Metadata = agreed.collect();
    let parts = footers.iter().filter_map(|footer| footer.get("parts").map(String::as_str));
    let parts: Vec<&str> = parts.collect();
    if !parts.is_empty() {
        joined.insert("parts".to_owned(), parts.join(","));
    }
    Ok(joined)
}

/// Merges files into `out`, which is synced. Intermediate files are in the folder `between`, which
/// is created and deleted.
///
/// # Errors
/// If a file cannot be read completely, or `out` cannot be written.
pub fn merge_files(
    table: &'static Table,
    files: &[PathBuf],
    metadata: &Metadata,
    out: &Path,
    between: &Path,
) -> anyhow::Result<Written> {
    let mut files = files.to_vec();
    let mut round = 0;
    while FILES_AT_ONCE < files.len() {
        folder::create(between).with_context(|| format!("cannot create {}", between.display()))?;
        let mut merged = Vec::new();
        for (number, some) in files.chunks(FILES_AT_ONCE).enumerate() {
            let path = between.join(format!("{round}-{number:06}.parquet"));
            write_merged(table, some, &Metadata::new(), &path)?;
            merged.push(path);
        }
        if 0 < round {
            files.iter().try_for_each(fs::remove_file)?;
        }
        (files, round) = (merged, round + 1);
    }
    let written = write_merged(table, &files, metadata, out)?;
    if 0 < round {
        fs::remove_dir_all(between)?;
    }
    Ok(written)
}

fn write_merged(
    table: &'static Table,
    files: &[PathBuf],
    metadata: &Metadata,
    out: &Path,
) -> anyhow::Result<Written> {
    let sources: anyhow::Result<Vec<Batches>> =
        files.iter().map(|path| Ok(batches_of(TableReader::open(path, table)?))).collect();
    let mut merge = Merge::new(table, sources?)?;
    let mut writer = TableWriter::create(out, table, metadata.clone())?;
    let mut gathered = Gathered::default();
    while let Some(slice) = merge.next_slice()? {
        gathered.take(slice);
        while BATCH_ROWS <= gathered.picks.len() {
            writer.write(&gathered.give(BATCH_ROWS)?)?;
        }
    }
    if !gathered.picks.is_empty() {
        writer.write(&gathered.give(gathered.picks.len())?)?;
    }
    Ok(writer.finish()?)
}

/// Returns the batches of a file as a source.
#[must_use]
pub fn batches_of(reader: TableReader) -> Batches {
    Box::new(reader.map(|batch| Ok(batch?)))
}

/// Rows that will form a batch.
#[derive(Default)]
struct Gathered {
    batches: Vec<Arc<RecordBatch>>,
    /// Index of the batch and of the row in it.
    picks: Vec<(usize, usize)>,
}

impl Gathered {
    fn take(&mut self, slice: Slice) {
        let known = self.batches.iter().rposition(|batch| Arc::ptr_eq(batch, &slice.batch));
        let at = known.unwrap_or_else(|| {
            self.batches.push(slice.batch);
            self.batches.len() - 1
        });
        self.picks.extend(slice.rows.map(|row| (at, row)));
    }

    fn give(&mut self, rows: usize) -> anyhow::Result<RecordBatch> {
        let batches: Vec<&RecordBatch> = self.batches.iter().map(Arc::as_ref).collect();
        let picks: Vec<_> = self.picks.drain(..rows).collect();
        let batch = interleave_record_batch(&batches, &picks)?;
        // Drop batches whose rows have all been used.
        let first = self.picks.iter().map(|(at, _)| *at).min().unwrap_or(self.batches.len());
        self.batches.drain(..first);
        self.picks.iter_mut().for_each(|(at, _)| *at -= first);
        Ok(batch)
    }
}

/// Reads a file completely and returns its number of rows and their digest.
///
/// # Errors
/// If the file cannot be read, or its footer states another number of rows.
pub fn sum_of(path: &Path, table: &'static Table) -> anyhow::Result<(u64, u64)> {
    let reader = TableReader::open(path, table)?;
    let stated = reader.rows();
    let (rows, digest) = reader.sum()?;
    ensure!(rows == stated, "{} has {rows} rows, its footer says {stated}", path.display());
    Ok((rows, digest))
}
