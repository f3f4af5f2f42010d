//! A piece of a file in memory, and the order in which pieces are merged.

use spreadwire_market::clock::Nanos;
use spreadwire_market::record::Record;
use std::collections::BTreeMap;

/// By what the inputs of a run are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// By journal sequence: the run of an engine.
    Number,
    /// By receive time: imports.
    Time,
}

impl Order {
    /// The column that has the keys.
    pub(super) fn column(self) -> &'static str {
        match self {
            Order::Number => "JournalSequence",
            Order::Time => "Timestamp",
        }
    }
}

/// The inputs that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// Numbers of an engine's run, the last one included. Statuses before them are read too.
    pub(super) numbers: (u64, u64),
    /// Times of imports, the last one included.
    pub(super) times: (Nanos, Nanos),
}

/// Where the rows of a piece of a file belong.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// The key of each row, in ascending order.
    pub(super) keys: Vec<u64>,
    /// The number of each row.
    pub(super) numbers: Vec<u64>,
    /// The input of each row. One without a kind is not passed on, and only tells that its number is in a
    /// file. Empty if that is so for all rows.
    pub(super) records: Vec<Record>,
    /// Rows that were read, also those of other runs and other times.
    pub(super) read: u64,
    /// Rows that are not passed on, by why.
    pub(super) left_out: LeftOut,
}

/// Rows that are not passed on, or not as they were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// By venue and instrument: the catalogue lacks one of them.
    pub(super) skipped: BTreeMap<(String, String), u64>,
    /// By instrument: the catalogue's scale cannot hold a price or size.
    pub(super) unfit: BTreeMap<String, u64>,
    /// By instrument: passed on with a price or size of more than 15 digits.
    pub(super) rounded: BTreeMap<String, u64>,
}

impl Chunk {
    /// Brings the rows into the order of their keys, then of their numbers.
    pub(super) fn sort(&mut self) {
        let keys = || self.keys.iter().zip(&self.numbers);
        if keys().is_sorted() {
            return;
        }
        let mut places: Vec<usize> = (0..self.keys.len()).collect();
        places.sort_by_key(|at| (self.keys[*at], self.numbers[*at]));
        self.keys = places.iter().map(|at| self.keys[*at]).collect();
        self.numbers = places.iter().map(|at| self.numbers[*at]).collect();
        if !self.records.is_empty() {
            self.records = places.iter().map(|at| self.records[*at]).collect();
        }
    }
}
