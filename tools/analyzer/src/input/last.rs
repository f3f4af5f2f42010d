//! The last quote before a point in time: what the day after begins with.

use super::decode::{GroupReader, Sound, times};
use super::fault::{Caution, ReadError};
use super::plan::{Key, Piece, Plan};
use super::selection::Columns;
use super::unit::VenueDay;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, UInt8Type};
use std::path::Path;

/// One quote.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LastQuote {
    /// Time in ns since 1970 UTC.
    pub time_ns: i64,
    /// Best bid, positive and finite.
    pub bid: f64,
    /// Best ask, positive and finite.
    pub ask: f64,
    /// Size at the bid; `None` if unknown.
    pub bid_size: Option<f64>,
    /// Size at the ask; `None` if unknown.
    pub ask_size: Option<f64>,
    /// Flags; `None` if the recorder has none.
    pub flags: Option<u8>,
}

const COLUMNS: Columns = Columns { ask: true, sizes: true, event_time: false, flags: true };

impl VenueDay {
    /// Returns the last quote before a point in time (ns since 1970 UTC), in the order of
    /// [`VenueDay::open`]; `None` if there is none. Only the row groups that may contain it are
    /// decoded, which is usually the last one.
    ///
    /// # Errors
    /// Returns the errors of [`VenueQuotes`](super::VenueQuotes). A file that was left out there is
    /// left out here too, if `caution` has heeded the error.
    pub fn last_quote_before(
        &self,
        lake: &Path,
        before_ns: i64,
        caution: &Caution,
    ) -> Result<Option<LastQuote>, ReadError> {
        let mut plan = Plan::of(lake, self, caution);
        let mut pieces = std::mem::take(&mut plan.pieces);
        pieces.retain(|piece| piece.span.0 < before_ns);
        pieces.sort_by_key(Piece::last_key);
        let mut best: Option<(Key, LastQuote)> = None;
        for piece in pieces.iter().rev() {
            if best.is_some_and(|(key, _)| piece.last_key() < key) {
                break;
            }
            let found = last_of(&plan, piece, before_ns)?;
            let found = found.map(|quote| ((quote.time_ns, piece.rank), quote));
            if best.map(|(key, _)| key) < found.map(|(key, _)| key) {
                best = found;
            }
        }
        Ok(best.map(|(_, quote)| self.scaled(quote)))
    }
}

impl VenueDay {
    fn scaled(&self, quote: LastQuote) -> LastQuote {
        let (bid, ask) = (self.scale.price(quote.bid), self.scale.price(quote.ask));
        let bid_size = quote.bid_size.map(|size| self.scale.size(size, bid));
        let ask_size = quote.ask_size.map(|size| self.scale.size(size, ask));
        LastQuote { bid, ask, bid_size, ask_size, ..quote }
    }
}

/// Returns the last quote of a piece: among those with the greatest time, the last one in the file.
fn last_of(plan: &Plan, piece: &Piece, before: i64) -> Result<Option<LastQuote>, ReadError> {
    let damaged = |what| plan.damaged(piece, what);
    let mut reader =
        GroupReader::open(plan.footer(piece), &piece.group, COLUMNS).map_err(damaged)?;
    let mut last: Option<LastQuote> = None;
    while let Some(Sound { rows, .. }) = reader.next().map_err(damaged)? {
        piece.check_span(plan, times(&rows), false)?;
        let earlier = times(&rows).iter().enumerate().filter(|(_, time)| **time < before);
        // Of equal times, the last row counts.
        let Some((row, time)) = earlier.max_by_key(|(_, time)| **time) else { continue };
        if last.is_none_or(|last| last.time_ns <= *time) {
            last = Some(quote(&rows, row, *time));
        }
    }
    Ok(last)
}

fn quote(rows: &RecordBatch, row: usize, time_ns: i64) -> LastQuote {
    let number = |column: usize| {
        let values = rows.column(column).as_primitive::<Float64Type>();
        values.is_valid(row).then(|| values.value(row))
    };
    let flags = rows.column(5).as_primitive::<UInt8Type>();
    LastQuote {
        time_ns,
        bid: number(1).unwrap_or(f64::NAN),
        ask: number(2).unwrap_or(f64::NAN),
        bid_size: number(3),
        ask_size: number(4),
        flags: flags.is_valid(row).then(|| flags.value(row)),
    }
}
