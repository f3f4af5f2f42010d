//! One file of a run, read piece by piece.
//!
//! The rows of a file are sorted by time, and almost always by number too. Nothing relies on that: when a
//! file is opened, its numbers are read once, and of each piece the least number of it and all later ones
//! is kept. So a stream always knows a number below which it has nothing left.

use super::batch::Wrong;
use super::chunk::{Chunk, Order, Window};
use super::decode::{Decoder, table_of};
use super::error::HistoryError;
use crate::table::ColumnsReader;
use spreadwire_market::instrument::Catalogue;
use std::path::PathBuf;

/// Rows of a piece.
pub(super) const CHUNK_ROWS: usize = 16_384;

/// A file that has rows of a run.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    /// The venue and the instrument of quotes; `None` for statuses.
    pub(super) listing: Option<(String, String)>,
    /// The run's name, and its place among those that are read as one.
    pub(super) run: (String, u32),
    /// Whether the file has rows of other runs.
    pub(super) is_shared: bool,
    /// No row has a key below this.
    pub(super) least: u64,
    /// Rows of the file.
    pub(super) rows: u64,
}

/// A file that is being read.
#[derive(Debug)]
pub(super) struct Stream<'a> {
    source: &'a Source,
    decoder: Decoder<'a>,
    open: Option<Open>,
    /// No row that is left has a key below this; `None` at the end.
    least: Option<u64>,
}

#[derive(Debug)]
struct Open {
    reader: ColumnsReader,
    /// For every [`CHUNK_ROWS`] rows the least key of them and all later ones. Empty for a file that is one
    /// piece.
    minima: Vec<u64>,
    /// Rows that were read.
    rows: usize,
}

impl<'a> Stream<'a> {
    pub(super) fn new(
        source: &'a Source,
        catalogue: &'a Catalogue,
        order: Order,
        window: Window,
    ) -> Stream<'a> {
        let run = source.is_shared.then_some(source.run.0.as_str());
        let decoder = Decoder::new(catalogue, run, source.listing.as_ref(), order, window);
        Stream { source, decoder, open: None, least: Some(source.least) }
    }

    /// Returns a key below which nothing is left; `None` at the end.
    pub(super) fn least(&self) -> Option<u64> {
        self.least
    }

    /// Returns the place of its run among those that are read as one.
    pub(super) fn rank(&self) -> u32 {
        self.source.run.1
    }

    /// Reads the next piece.
    pub(super) fn advance(&mut self) -> Result<Chunk, HistoryError> {
        let promised = self.least.unwrap_or(u64::MAX);
        let open = match &mut self.open {
            Some(open) => open,
            closed => closed.insert(Open::new(self.source, &self.decoder)?),
        };
        let Some(batch) = open.reader.next() else {
            (self.open, self.least) = (None, None);
            return Ok(Chunk::default());
        };
        let batch = batch?;
        let chunk = self.decoder.chunk(&batch);
        let chunk = chunk.map_err(|why| impossible(self.source, why))?;
        open.rows += batch.num_rows();
        let of_rest = open.minima.get(open.rows / CHUNK_ROWS).copied().unwrap_or(promised);
        let is_over = self.source.rows <= open.rows as u64 || of_rest == u64::MAX;
        self.least = (!is_over).then_some(of_rest);
        if self.least.is_none() {
            self.open = None;
        }
        if chunk.keys.first().is_some_and(|first| *first < promised) {
            let why = "values are below the least one in its footer";
            return Err(impossible(self.source, why.to_owned()));
        }
        Ok(chunk)
    }
}

impl Open {
    fn new(source: &Source, decoder: &Decoder<'_>) -> Result<Open, HistoryError> {
        let Source { path, listing, rows, .. } = source;
        let table = table_of(listing.as_ref());
        let mut minima = Vec::new();
        if CHUNK_ROWS as u64 <= *rows {
            for batch in ColumnsReader::open(path, table, &decoder.key_columns(), CHUNK_ROWS)? {
                let least = decoder.least(&batch?).map_err(|why| impossible(source, why))?;
                minima.push(least.unwrap_or(u64::MAX));
            }
            let mut least = u64::MAX;
            for of_chunk in minima.iter_mut().rev() {
                least = least.min(*of_chunk);
                *of_chunk = least;
            }
        }
        let reader = ColumnsReader::open(path, table, &decoder.columns(), CHUNK_ROWS)?;
        Ok(Open { reader, minima, rows: 0 })
    }
}

fn impossible(source: &Source, why: Wrong) -> HistoryError {
    HistoryError::Impossible { path: source.path.clone(), why }
}
