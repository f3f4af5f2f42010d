//! The inputs of a run, merged from its files.
//!
//! Each step reads the next piece of the files that have the least keys, on all cores. What lies below the
//! least key of all that is left is complete, and passed on in order.

use super::chunk::{Chunk, LeftOut, Order};
use super::error::HistoryError;
use super::runs::Run;
use super::stream::Stream;
use rayon::prelude::*;
use spreadwire_market::clock::Nanos;
use spreadwire_market::instrument::{Catalogue, InstrumentId, VenueId};
use spreadwire_market::record::{Kind, Quote, Record, Status};
use spreadwire_market::state::{Reason, State};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashSet};

/// Pieces that one step reads for each core.
const PIECES_PER_CORE: usize = 2;

/// Inputs that follow each other: quotes, statuses and gaps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    numbers: Vec<u64>,
    records: Vec<Record>,
}

impl Block {
    /// Returns each record with its number; a gap with the first number that is missing.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u64, &Record)> {
        self.numbers.iter().copied().zip(&self.records)
    }

    /// Returns the numbers of the [records](Block::records).
    #[must_use]
    pub fn numbers(&self) -> &[u64] {
        &self.numbers
    }

    /// Returns the records.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    fn push(&mut self, number: u64, record: Record) {
        self.numbers.push(number);
        self.records.push(record);
    }
}

/// What was passed on so far, and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Quotes.
    pub quotes: u64,
    /// Statuses, also those that were made up for imports.
    pub statuses: u64,
    /// Gaps.
    pub gaps: u64,
    /// Numbers that are in no file.
    pub missed: u64,
    /// Rows whose venue or instrument the catalogue lacks, by both names.
    pub skipped: BTreeMap<(String, String), u64>,
    /// Quotes left out because the catalogue's scale cannot hold a price or size exactly, by instrument.
    pub unfit: BTreeMap<String, u64>,
    /// Quotes passed on with a price or size of more than 15 digits, by instrument. The lake has a double,
    /// so these digits may differ from those that were received.
    pub rounded: BTreeMap<String, u64>,
    /// Rows with a number that another row has too. They are left out.
    pub doubled: u64,
}

/// Iterates over the inputs of a run in blocks.
pub struct Inputs<'a> {
    run: &'a Run,
    streams: Vec<Stream<'a>>,
    /// Streams that are not at their end, by the least key of what they have left.
    left: BinaryHeap<Reverse<(u64, usize)>>,
    pending: Vec<Pending>,
    line: Line<'a>,
    read: u64,
    telling: Option<Box<dyn FnMut(u64) + 'a>>,
    is_over: bool,
}

impl std::fmt::Debug for Inputs<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Inputs { run, line, read, .. } = self;
        let mut told = formatter.debug_struct("Inputs");
        told.field("run", &run.names).field("tally", &line.tally).field("read", read);
        told.finish_non_exhaustive()
    }
}

/// A piece in memory, of which rows were passed on.
struct Pending {
    chunk: Chunk,
    /// The place of its run among those that are read as one.
    rank: u32,
    /// Rows that were passed on.
    passed: usize,
}

/// A row that is to be passed on: its key, what breaks ties, and where it is.
type Place = (u64, u32, u64, u32, u32);

impl<'a> Inputs<'a> {
    pub(super) fn new(run: &'a Run, catalogue: &'a Catalogue) -> Inputs<'a> {
        let stream = |source| Stream::new(source, catalogue, run.order, run.window);
        let streams: Vec<Stream<'a>> = run.sources.iter().map(stream).collect();
        let least = streams.iter().enumerate();
        let left = least.filter_map(|(at, stream)| Some(Reverse((stream.least()?, at)))).collect();
        let line = Line::new(run);
        let (pending, telling) = (Vec::new(), None);
        Inputs { run, streams, left, pending, line, read: 0, telling, is_over: false }
    }

    /// Calls a function after each block with the number of rows that were read so far, of
    /// [`Run::rows`].
    #[must_use]
    pub fn telling(mut self, told: impl FnMut(u64) + 'a) -> Inputs<'a> {
        self.telling = Some(Box::new(told));
        self
    }

    /// Returns what was passed on so far, and what was not.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.line.tally
    }

    /// Returns the next block that has records; `None` at the end.
    fn next_block(&mut self) -> Result<Option<Block>, HistoryError> {
        let mut block = Block::default();
        while block.records.is_empty() && !self.is_over {
            self.step()?;
            let end = self.left.peek().map(|Reverse((least, _))| *least);
            self.pass_on(end, &mut block);
            if self.left.is_empty() {
                self.line.finish(&mut block);
                self.is_over = true;
            }
        }
        if let Some(told) = &mut self.telling {
            told(self.read);
        }
        Ok((!block.records.is_empty()).then_some(block))
    }

    /// Reads the next piece of the streams that have the least keys.
    fn step(&mut self) -> Result<(), HistoryError> {
        let mut chosen = HashSet::new();
        let pieces = PIECES_PER_CORE * rayon::current_num_threads();
        while chosen.len() < pieces
            && let Some(Reverse((_, at))) = self.left.pop()
        {
            chosen.insert(at);
        }
        let streams = self.streams.iter_mut().enumerate();
        let streams: Vec<_> = streams.filter(|(at, _)| chosen.contains(at)).collect();
        let advanced = streams.into_par_iter().map(|(at, stream)| {
            let chunk = stream.advance()?;
            Ok((at, stream.least(), stream.rank(), chunk))
        });
        let advanced: Vec<_> = advanced.collect::<Result<_, HistoryError>>()?;
        for (at, least, rank, chunk) in advanced {
            self.left.extend(least.map(|least| Reverse((least, at))));
            self.read += chunk.read;
            self.line.leave_out(&chunk.left_out);
            if !chunk.keys.is_empty() {
                self.pending.push(Pending { chunk, rank, passed: 0 });
            }
        }
        Ok(())
    }

    /// Passes on all rows with keys below `end`, or all if nothing is left.
    fn pass_on(&mut self, end: Option<u64>, block: &mut Block) {
        let mut places: Vec<Place> = Vec::new();
        for (at, pending) in (0..).zip(&mut self.pending) {
            let Pending { chunk, rank, passed } = pending;
            let until =
                end.map_or(chunk.keys.len(), |end| chunk.keys.partition_point(|k| *k < end));
            let rows = *passed..until;
            places.extend(
                (0..)
                    .zip(&chunk.keys)
                    .zip(&chunk.numbers)
                    .skip(*passed)
                    .take(rows.len())
                    .map(|((row, key), number)| (*key, *rank, *number, at, row)),
            );
            *passed = until.max(*passed);
        }
        // Each piece is in order, so this merges.
        places.sort();
        block.numbers.reserve(places.len());
        block.records.reserve(places.len());
        for (_, _, number, at, row) in places {
            let records = &self.pending[at as usize].chunk.records;
            let record = records.get(row as usize).filter(|record| record.kind().is_some());
            self.line.take(number, record, block);
        }
        self.pending.retain(|pending| pending.passed < pending.chunk.keys.len());
    }
}

impl Iterator for Inputs<'_> {
    type Item = Result<Block, HistoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        let block = self.next_block();
        // Nothing after an error could be trusted to be complete.
        self.is_over |= block.is_err();
        block.transpose()
    }
}

/// The inputs in a row: their numbers, and the gaps between them.
struct Line<'a> {
    run: &'a Run,
    /// The next number.
    next: u64,
    /// The last number that was taken.
    taken: Option<u64>,
    /// Receive time of the last input.
    time: Nanos,
    /// Listings of imports that have had a quote.
    live: HashSet<(VenueId, InstrumentId)>,
    tally: Tally,
}

impl<'a> Line<'a> {
    fn new(run: &'a Run) -> Line<'a> {
        let (next, time) = (run.window.numbers.0, run.begin);
        Line { run, next, taken: None, time, live: HashSet::new(), tally: Tally::default() }
    }

    fn leave_out(&mut self, left_out: &LeftOut) {
        let Tally { skipped, unfit, rounded, .. } = &mut self.tally;
        let LeftOut { skipped: of_skipped, unfit: of_unfit, rounded: of_rounded } = left_out;
        for (names, count) in of_skipped {
            *skipped.entry(names.clone()).or_default() += count;
        }
        for (counts, more) in [(unfit, of_unfit), (rounded, of_rounded)] {
            for (name, count) in more {
                *counts.entry(name.clone()).or_default() += count;
            }
        }
    }

    /// Takes the next row. One without a record only has its number.
    fn take(&mut self, number: u64, record: Option<&Record>, block: &mut Block) {
        match self.run.order {
            Order::Number => self.take_numbered(number, record, block),
            Order::Time => {
                if let Some(record) = record {
                    self.take_imported(record, block);
                }
            }
        }
    }

    fn take_numbered(&mut self, number: u64, record: Option<&Record>, block: &mut Block) {
        if self.taken.is_some_and(|taken| number <= taken) {
            self.tally.doubled += 1;
            return;
        }
        self.taken = Some(number);
        // Of the numbers before the first one only statuses are read.
        if self.run.window.numbers.0 <= number {
            self.miss(number, block);
            self.next = number.saturating_add(1);
        }
        if let Some(record) = record {
            self.push(number, *record, block);
        }
    }

    /// Numbers an imported quote. A status precedes the first one of its listing.
    fn take_imported(&mut self, record: &Record, block: &mut Block) {
        let Some(Quote { ts_recv, venue, instrument, .. }) = record.get::<Quote>().copied() else {
            return;
        };
        if self.live.insert((venue, instrument)) {
            let (state, reason) = (State::Live.code(), Reason::Quote.code());
            let previous = State::Down.code();
            let zero = Status::default();
            let status = Status { ts_recv, state, previous, reason, instrument, venue, ..zero };
            self.push(self.next, status.into(), block);
            self.next += 1;
        }
        self.push(self.next, *record, block);
        self.next += 1;
    }

    fn push(&mut self, number: u64, record: Record, block: &mut Block) {
        let is_quote = record.kind() == Some(Kind::Quote);
        *if is_quote { &mut self.tally.quotes } else { &mut self.tally.statuses } += 1;
        self.time = record.ts_recv();
        block.push(number, record);
    }

    /// Adds the gaps from the next number to the one before `number`.
    fn miss(&mut self, number: u64, block: &mut Block) {
        if number <= self.next {
            return;
        }
        for (first, gap) in self.run.gaps.filling(self.next, number, self.time) {
            self.tally.gaps += 1;
            self.tally.missed += gap.missed;
            block.push(first, gap.into());
        }
    }

    /// Adds what is missing at the end.
    fn finish(&mut self, block: &mut Block) {
        if let Some(last) = self.run.last {
            let next = last.saturating_add(1);
            self.miss(next, block);
            self.next = self.next.max(next);
        }
    }
}
