//! Records of the edge to the decision: in memory, or gathered into blocks as they come.

use spreadwire_market::book::{Book, Results};
use spreadwire_market::calculation::{Calculation, Consumer};
use spreadwire_market::clock::Nanos;
use spreadwire_market::instrument::InstrumentId;
use spreadwire_market::record::{Ended, Gap, Record, Spread};

/// Number of records that are passed on together: 2 MiB, which caches hold while all configurations of a
/// grid take it.
pub const BLOCK: usize = 1 << 15;

/// Passes records on in blocks of [`BLOCK`].
#[derive(Debug)]
pub struct Blocks<F> {
    records: Vec<Record>,
    take: F,
}

impl<F: FnMut(&[Record])> Blocks<F> {
    /// Creates one whose blocks `take` gets.
    pub fn new(take: F) -> Blocks<F> {
        Blocks { records: Vec::with_capacity(BLOCK), take }
    }

    /// Takes the next record.
    #[inline]
    pub fn push(&mut self, record: &Record) {
        self.records.push(*record);
        if self.records.len() == BLOCK {
            self.pass_on();
        }
    }

    /// Passes the rest on.
    pub fn finish(mut self) {
        if !self.records.is_empty() {
            self.pass_on();
        }
    }

    fn pass_on(&mut self) {
        (self.take)(&self.records);
        self.records.clear();
    }
}

/// Records in memory, 64 bytes each: spreads, ends of spreads, statuses and gaps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stream {
    records: Vec<Record>,
}

impl From<Vec<Record>> for Stream {
    fn from(records: Vec<Record>) -> Stream {
        Stream { records }
    }
}

impl Stream {
    /// Computes the records from quotes, statuses and gaps, as the calculator does.
    #[must_use]
    pub fn of_inputs<'a>(book: Book, inputs: impl IntoIterator<Item = &'a Record>) -> Stream {
        let (mut records, mut calculation) = (Vec::new(), Calculation::new(book));
        let mut blocks = Blocks::new(|block: &[Record]| records.extend_from_slice(block));
        for input in inputs {
            calculation.take_numbered(calculation.next_number(), input, &mut blocks);
        }
        blocks.finish();
        Stream { records }
    }

    /// Returns the records.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Returns the records of some instruments, and all gaps.
    #[must_use]
    pub fn only(&self, instruments: &Instruments) -> Stream {
        let kept = self.records.iter().filter(|record| instruments.has(record));
        Stream { records: kept.copied().collect() }
    }

    /// Returns the earliest and the latest receive time, ns since 1970 UTC; `None` without records.
    #[must_use]
    pub fn period(&self) -> Option<(Nanos, Nanos)> {
        let times = || self.records.iter().map(Record::ts_recv);
        times().min().zip(times().max())
    }
}

/// The instruments whose records a run takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruments(Vec<bool>);

impl Instruments {
    /// Takes those that are marked, by [`InstrumentId`].
    #[must_use]
    pub fn new(marked: Vec<bool>) -> Instruments {
        Instruments(marked)
    }

    /// Returns whether all are taken.
    #[must_use]
    pub fn are_all(&self) -> bool {
        self.0.iter().all(|is_marked| *is_marked)
    }

    /// Returns whether a record is of one of them; a gap is of all.
    #[must_use]
    #[inline]
    pub fn has(&self, record: &Record) -> bool {
        record.is::<Gap>() || self.marks(record.instrument)
    }

    fn marks(&self, instrument: InstrumentId) -> bool {
        self.0.get(instrument.index()).copied().unwrap_or(false)
    }
}

/// Takes what a [`Calculation`] says.
impl<F: FnMut(&[Record])> Results for Blocks<F> {
    #[inline]
    fn spread(&mut self, spread: Spread) {
        self.push(&spread.into());
    }

    fn ended(&mut self, ended: &Ended) {
        self.push(&(*ended).into());
    }
}

impl<F: FnMut(&[Record])> Consumer for Blocks<F> {
    fn status(&mut self, status: &Record) {
        self.push(status);
    }

    fn gap(&mut self, gap: &Record) {
        self.push(gap);
    }
}
