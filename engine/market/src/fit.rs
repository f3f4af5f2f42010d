//! The range of what a record may hold: everything that the lake can store, and nothing else.
//!
//! Times, journal sequences and ids become signed columns, so half of what a `u64` holds has no
//! place there. The bound stands here once. A decoder can only pass on an event time as an
//! [`EventTime`], an import checks what it reads with the same function, and the sealer looks at
//! every record once more with [`check`], because a journal may come from elsewhere.

use crate::clock::{MILLI, Nanos};
use crate::named;
use crate::record::{Closed, Ended, Gap, Kind, Opened, Quote, Record, Spread, numbers_taken};

/// Largest time, journal sequence or id that a column can hold. As a time it is in the year 2262.
pub const SIGNED_MAX: u64 = i64::MAX.cast_unsigned();

/// Longest name of a venue or an instrument, bytes: it becomes the name of a folder, and part of one
/// that holds at most 255.
pub const NAME_BYTES_MAX: usize = 128;

named! {
    /// Why the lake cannot hold a value.
    pub enum Unfit {
        /// A time is beyond [`SIGNED_MAX`].
        Time => "time",
        /// A journal sequence, an id or a count is beyond [`SIGNED_MAX`].
        Number => "number",
        /// The catalogue has no such venue or instrument.
        UnknownId => "unknown_id",
        /// The name of its venue or instrument cannot be a folder of the lake.
        Name => "name",
    }
}

/// A venue's event time that the lake can hold, ns since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventTime(Nanos);

impl EventTime {
    /// Returns the time.
    ///
    /// # Errors
    /// [`Unfit::Time`] if the lake cannot hold it.
    #[inline]
    pub fn new(time: Nanos) -> Result<EventTime, Unfit> {
        fit(time, Unfit::Time).map(EventTime)
    }

    /// Returns a time that was sent in milliseconds since 1970.
    ///
    /// # Errors
    /// [`Unfit::Time`] if the lake cannot hold it.
    #[inline]
    pub fn of_millis(millis: u64) -> Result<EventTime, Unfit> {
        millis.checked_mul(MILLI).ok_or(Unfit::Time).and_then(EventTime::new)
    }

    /// Returns the time as the record has it.
    #[inline]
    #[must_use]
    pub fn ns(self) -> Nanos {
        self.0
    }
}

/// Returns a time if the lake can hold it.
///
/// # Errors
/// [`Unfit::Time`].
#[inline]
pub fn time(time: Nanos) -> Result<Nanos, Unfit> {
    fit(time, Unfit::Time)
}

/// Checks that the lake can hold a record with its journal sequence, and that a catalogue of so many
/// venues and instruments has its ids.
///
/// # Errors
/// The first reason why it cannot.
pub fn check(record: &Record, number: u64, venues: usize, instruments: usize) -> Result<(), Unfit> {
    fit(number, Unfit::Number)?;
    time(record.ts_recv())?;
    let of_kind = record.kind();
    if of_kind == Some(Kind::Gap) {
        // It becomes an entry of the ledger and names no instrument.
        let end = number.saturating_add(numbers_taken(record));
        return fit(end.max(record.view::<Gap>().missed), Unfit::Number).map(drop);
    }
    let Record { venue, peer, instrument, .. } = *record;
    let is_known =
        venue.index() < venues && peer.index() < venues.max(1) && instrument.index() < instruments;
    if !is_known {
        return Err(Unfit::UnknownId);
    }
    let (times, numbers) = held(record, of_kind);
    times.into_iter().try_for_each(|value| time(value).map(drop))?;
    numbers.into_iter().try_for_each(|value| fit(value, Unfit::Number).map(drop))
}

/// Returns the times and the numbers that a record holds beside its receive time.
fn held(record: &Record, of_kind: Option<Kind>) -> ([Nanos; 2], [u64; 2]) {
    match of_kind {
        Some(Kind::Quote) => ([record.view::<Quote>().ts_event, 0], [0; 2]),
        Some(Kind::Spread) => ([0; 2], [record.view::<Spread>().sequence, 0]),
        Some(Kind::Ended) => ([0; 2], [record.view::<Ended>().sequence, 0]),
        Some(Kind::Opened) => ([0; 2], [record.view::<Opened>().id, 0]),
        Some(Kind::Closed) => {
            let Closed { id, ts_open, ts_peak, updates, .. } = *record.view();
            ([ts_open, ts_peak], [id, updates])
        }
        Some(Kind::Status | Kind::Gap | Kind::Recording) | None => ([0; 2], [0; 2]),
    }
}

#[inline]
fn fit(value: u64, why: Unfit) -> Result<u64, Unfit> {
    if value <= SIGNED_MAX { Ok(value) } else { Err(why) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instrument::{InstrumentId, VenueId};
    use bytemuck::Zeroable;

    const BEYOND: u64 = SIGNED_MAX + 1;

    #[test]
    fn the_last_time_that_fits_is_the_last_one_of_a_signed_column() {
        assert_eq!(EventTime::new(SIGNED_MAX).map(EventTime::ns), Ok(SIGNED_MAX));
        assert_eq!(EventTime::new(BEYOND), Err(Unfit::Time));
        let last = SIGNED_MAX / MILLI;
        assert_eq!(EventTime::of_millis(last).map(EventTime::ns), Ok(last * MILLI));
        for millis in [last + 1, 9_999_999_999_999, u64::MAX] {
            assert_eq!(EventTime::of_millis(millis), Err(Unfit::Time), "{millis}");
        }
    }

    #[test]
    fn every_field_that_becomes_a_signed_column_is_looked_at() {
        let quote = Quote::zeroed();
        let (opened, closed) = (Opened::zeroed(), Closed::zeroed());
        let cases: [(Record, Unfit); 13] = [
            (Quote { ts_recv: BEYOND, ..quote }.into(), Unfit::Time),
            (Quote { ts_event: BEYOND, ..quote }.into(), Unfit::Time),
            (Quote { venue: VenueId(2), ..quote }.into(), Unfit::UnknownId),
            (Quote { instrument: InstrumentId(3), ..quote }.into(), Unfit::UnknownId),
            (Spread { sequence: BEYOND, ..Spread::zeroed() }.into(), Unfit::Number),
            (Spread { sell_venue: VenueId(2), ..Spread::zeroed() }.into(), Unfit::UnknownId),
            (Ended { sequence: BEYOND, ..Ended::default() }.into(), Unfit::Number),
            (Opened { id: BEYOND, ..opened }.into(), Unfit::Number),
            (Closed { id: BEYOND, ..closed }.into(), Unfit::Number),
            (Closed { ts_open: BEYOND, ..closed }.into(), Unfit::Time),
            (Closed { ts_peak: BEYOND, ..closed }.into(), Unfit::Time),
            (Closed { updates: BEYOND, ..closed }.into(), Unfit::Number),
            (Gap::new(5, BEYOND).into(), Unfit::Number),
        ];
        for (record, why) in cases {
            assert_eq!(check(&record, 7, 2, 3), Err(why), "{record:?}");
        }
        // The venue's own sequence is an unsigned column, and prices and sizes are doubles.
        let full = Quote { sequence: u64::MAX, bid_px: i64::MIN, ask_sz: i64::MAX, ..quote };
        let last = Quote { ts_recv: SIGNED_MAX, ts_event: SIGNED_MAX, ..full };
        assert_eq!(check(&last.into(), SIGNED_MAX, 2, 3), Ok(()));
        assert_eq!(check(&quote.into(), BEYOND, 2, 3), Err(Unfit::Number));
        assert_eq!(check(&Gap::new(5, 9).into(), 7, 0, 0), Ok(()), "a gap has no ids");
        assert_eq!(check(&Gap::new(5, 9).into(), SIGNED_MAX, 2, 3), Err(Unfit::Number));
    }
}
