//! The row groups of one venue and day, in the order in which to read them.
//!
//! A row group has a key: its first time and its rank. The rank is its position among all row
//! groups, ordered by path of the file and number in the file. Rows have keys too: their time and
//! the rank of their row group. The quotes of a venue are in the order of the keys of the rows;
//! rows with the same key keep the order of the file.

use super::calendar::bounds;
use super::decode::{self, Counts};
use super::fault::{Caution, ReadError};
use super::footer::{Footer, Group, Reading};
use super::unit::{QuoteFile, VenueDay};
use crate::report::Problem;
use std::collections::BTreeMap;
use std::path::Path;

/// Time and rank.
pub(super) type Key = (i64, u32);

/// What to read.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) footers: Vec<Footer>,
    /// The pieces, in order of key.
    pub(super) pieces: Vec<Piece>,
    pub(super) problems: Vec<Problem>,
    pub(super) files_left_out: u64,
    /// Rows that cannot be used, by index into `footers`.
    pub(super) counts: BTreeMap<usize, Counts>,
}

/// A row group and its place in the order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    /// Index of its file in `footers`.
    pub(super) file: usize,
    pub(super) group: Group,
    pub(super) rank: u32,
    /// First and last time: no row of it is earlier or later.
    pub(super) span: (i64, i64),
    /// Whether its rows are said or hoped to be sorted; this is checked while reading.
    pub(super) is_sorted: bool,
}

impl Piece {
    /// Returns the least key that a row of it can have.
    pub(super) fn first_key(&self) -> Key {
        (self.span.0, self.rank)
    }

    /// Returns the greatest key that a row of it can have.
    pub(super) fn last_key(&self) -> Key {
        (self.span.1, self.rank)
    }

    /// Checks that no time is outside the span, on which the order of row groups rests. If the rows
    /// are sorted, checking the first and the last is enough.
    pub(super) fn check_span(
        &self,
        plan: &Plan,
        times: &[i64],
        are_sorted: bool,
    ) -> Result<(), ReadError> {
        let (least, greatest) = self.span;
        let is_within = |time: &i64| (least <= *time) & (*time <= greatest);
        let are_within = if are_sorted {
            times.first().is_none_or(is_within) && times.last().is_none_or(is_within)
        } else {
            times.iter().all(is_within)
        };
        if are_within {
            return Ok(());
        }
        Err(plan.not_as_declared(self, "it has times outside the range that it states"))
    }
}

impl Plan {
    /// Reads the footers, and the times where a footer says too little.
    pub(super) fn of(lake: &Path, day: &VenueDay, caution: &Caution) -> Plan {
        let mut plan = Plan::default();
        let mut rank = 0;
        for file in &day.files {
            plan.problems.extend(caution.problem(&file.path));
            if caution.refuses(&file.path).is_some() {
                plan.files_left_out += 1;
                continue;
            }
            if let Err(what) = plan.add(lake, (day, file), &mut rank, caution) {
                plan.files_left_out += 1;
                let subject = file.path.clone();
                plan.problems.push(Problem { subject, what, left_out: true });
            }
        }
        plan.pieces.sort_by_key(Piece::first_key);
        plan
    }

    fn add(
        &mut self,
        lake: &Path,
        (day, file): (&VenueDay, &QuoteFile),
        rank: &mut u32,
        caution: &Caution,
    ) -> Result<(), String> {
        let within = (!file.names_day).then(|| bounds(day.date));
        let reading = Reading { time_unit: day.time_unit, within };
        let footer = Footer::read(lake, file, reading)?;
        let trusted = !caution.distrusts(&file.path);
        let (mut pieces, mut without_time) = (Vec::new(), Counts::default());
        for group in &footer.groups {
            let span = match group.span.filter(|_| trusted) {
                Some(span) => Some(span),
                None => decode::survey(&footer, group, &mut without_time)?,
            };
            *rank += 1;
            let is_sorted = trusted && (group.is_sorted || caution.hopes());
            let file = self.footers.len();
            pieces.extend(span.map(|span| Piece {
                file,
                group: *group,
                rank: *rank,
                span,
                is_sorted,
            }));
        }
        self.pieces.append(&mut pieces);
        *self.counts.entry(self.footers.len()).or_default() += without_time;
        self.problems.extend(footer.problems.iter().cloned());
        self.footers.push(footer);
        Ok(())
    }

    /// Returns the footer of the file that a piece belongs to.
    pub(super) fn footer(&self, piece: &Piece) -> &Footer {
        &self.footers[piece.file]
    }

    /// Returns the error for a file that must be left out whole.
    pub(super) fn damaged(&self, piece: &Piece, what: String) -> ReadError {
        ReadError::Damaged { file: self.footer(piece).name.clone(), what }
    }

    /// Returns the error for a piece whose rows are not in order.
    pub(super) fn unsorted(&self, piece: &Piece) -> ReadError {
        if piece.group.is_sorted {
            let what = "it declares that it is sorted by time, but it is not";
            return self.not_as_declared(piece, what);
        }
        ReadError::Unsorted { file: self.footer(piece).name.clone() }
    }

    /// Returns the error for a file whose footer is wrong.
    pub(super) fn not_as_declared(&self, piece: &Piece, what: &str) -> ReadError {
        ReadError::NotAsDeclared { file: self.footer(piece).name.clone(), what: what.to_owned() }
    }
}
