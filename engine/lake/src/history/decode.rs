//! Rows of a batch as inputs: quotes and statuses with the ids and scales of a catalogue.

use super::batch::{OfRun, Wrong, column, texts};
use super::chunk::{Chunk, LeftOut, Order, Window};
use super::exact::{Found, Scale};
use crate::table::{QUOTES, STATUS, Table};
use arrow_array::types::{
    ArrowPrimitiveType, Float64Type, Int64Type, TimestampNanosecondType, UInt8Type, UInt64Type,
};
use arrow_array::{Array, Int32Array, PrimitiveArray, RecordBatch, StringArray};
use spreadwire_market::instrument::{Catalogue, InstrumentId, VenueId};
use spreadwire_market::record::{Quote, Record, Status};
use spreadwire_market::state::{Reason, State};

/// Decodes the rows of one run from one file.
#[derive(Debug)]
pub(super) struct Decoder<'a> {
    catalogue: &'a Catalogue,
    /// The run, where the file has rows of others too.
    run: Option<&'a str>,
    order: Order,
    window: Window,
    rows: Rows<'a>,
}

/// What the rows are.
#[derive(Debug)]
enum Rows<'a> {
    Quotes(Listed<'a>),
    /// Quotes of a venue or an instrument that the catalogue lacks.
    Skipped(&'a (String, String)),
    Statuses,
}

/// A listing of the catalogue.
#[derive(Clone, Copy, Debug)]
struct Listed<'a> {
    venue: VenueId,
    instrument: InstrumentId,
    name: &'a str,
    price: Scale,
    size: Scale,
}

impl<'a> Decoder<'a> {
    /// Makes a decoder for a file of quotes of a listing, or of statuses if there is none.
    pub(super) fn new(
        catalogue: &'a Catalogue,
        run: Option<&'a str>,
        listing: Option<&'a (String, String)>,
        order: Order,
        window: Window,
    ) -> Decoder<'a> {
        let rows = match listing {
            None => Rows::Statuses,
            Some(names) => match listed(catalogue, names) {
                Some(listed) => Rows::Quotes(listed),
                None => Rows::Skipped(names),
            },
        };
        Decoder { catalogue, run, order, window, rows }
    }

    /// Returns the columns that are needed.
    pub(super) fn columns(&self) -> Vec<&'static str> {
        const QUOTED: [&str; 9] = [
            "Timestamp",
            "BestBid",
            "BestAsk",
            "BestBidSize",
            "BestAskSize",
            "EventTime",
            "Sequence",
            "JournalSequence",
            "Flags",
        ];
        const CHANGED: [&str; 7] =
            ["Timestamp", "Venue", "Instrument", "State", "Previous", "Reason", "JournalSequence"];
        let mut names = match self.rows {
            Rows::Quotes(_) => QUOTED.to_vec(),
            Rows::Statuses => CHANGED.to_vec(),
            Rows::Skipped(_) => vec!["Timestamp", "JournalSequence"],
        };
        names.extend(self.run.map(|_| "Run"));
        names
    }

    /// Returns the columns that tell the keys of the rows.
    pub(super) fn key_columns(&self) -> Vec<&'static str> {
        [self.order.column()].into_iter().chain(self.run.map(|_| "Run")).collect()
    }

    /// Returns the least key of the run's rows in a batch of the [`key_columns`](Decoder::key_columns).
    pub(super) fn least(&self, batch: &RecordBatch) -> Result<Option<u64>, Wrong> {
        let keys = self.keys(batch)?;
        let of_run = OfRun::new(batch, self.run)?;
        let rows = (0..batch.num_rows()).filter(|row| of_run.has(*row));
        Ok(rows.map(|row| keys[row].cast_unsigned()).min())
    }

    /// Decodes a batch. The rows are in the order of their keys.
    pub(super) fn chunk(&self, batch: &RecordBatch) -> Result<Chunk, Wrong> {
        let rows = self.wanted(batch)?;
        let numbers = column::<Int64Type>(batch, "JournalSequence")?.values();
        let times = column::<TimestampNanosecondType>(batch, "Timestamp")?.values();
        if let Some(row) = rows.iter().find(|row| numbers[**row] < 0 || times[**row] < 0) {
            return Err(format!("number {} at the time {}", numbers[*row], times[*row]));
        }
        let keys = self.keys(batch)?;
        let of_rows =
            |values: &[i64]| rows.iter().map(|row| values[*row].cast_unsigned()).collect();
        let mut chunk = Chunk {
            keys: of_rows(keys),
            numbers: of_rows(numbers),
            records: Vec::new(),
            read: batch.num_rows() as u64,
            left_out: LeftOut::default(),
        };
        match &self.rows {
            Rows::Quotes(listed) => listed.quotes(batch, &rows, &mut chunk)?,
            Rows::Statuses => self.statuses(batch, &rows, &mut chunk)?,
            Rows::Skipped(names) => {
                let count = (!rows.is_empty()).then_some(rows.len() as u64);
                chunk.left_out.skipped.extend(count.map(|count| ((*names).clone(), count)));
            }
        }
        chunk.sort();
        Ok(chunk)
    }

    fn keys<'b>(&self, batch: &'b RecordBatch) -> Result<&'b [i64], Wrong> {
        let name = self.order.column();
        Ok(match self.order {
            Order::Number => column::<Int64Type>(batch, name)?.values(),
            Order::Time => column::<TimestampNanosecondType>(batch, name)?.values(),
        })
    }

    /// Returns the rows of the run that are within the window.
    fn wanted(&self, batch: &RecordBatch) -> Result<Vec<usize>, Wrong> {
        let of_run = OfRun::new(batch, self.run)?;
        let keys = self.keys(batch)?;
        let (first, last) = match self.order {
            // Statuses before the first number tell the states at the beginning.
            Order::Number if matches!(self.rows, Rows::Statuses) => (0, self.window.numbers.1),
            Order::Number => self.window.numbers,
            Order::Time => self.window.times,
        };
        let is_in = |row: &usize| {
            let key = keys[*row].cast_unsigned();
            first <= key && key <= last && of_run.has(*row)
        };
        Ok((0..batch.num_rows()).filter(is_in).collect())
    }

    fn statuses(
        &self,
        batch: &RecordBatch,
        rows: &[usize],
        chunk: &mut Chunk,
    ) -> Result<(), Wrong> {
        let times = column::<TimestampNanosecondType>(batch, "Timestamp")?.values();
        let venue = Named::new(batch, "Venue", |name| self.catalogue.venue_named(name))?;
        let instrument =
            Named::new(batch, "Instrument", |name| self.catalogue.instrument_named(name))?;
        let state =
            |name: &str| State::of_name(name).map(State::code).or_else(|| name.parse().ok());
        let reason =
            |name: &str| Reason::of_name(name).map(Reason::code).or_else(|| name.parse().ok());
        let [state, previous, reason] = [
            Named::new(batch, "State", state)?,
            Named::new(batch, "Previous", state)?,
            Named::new(batch, "Reason", reason)?,
        ];
        chunk.records.reserve(rows.len());
        for &row in rows {
            let (Some(venue_id), Some(instrument_id)) = (venue.at(row), instrument.at(row)) else {
                let names = (venue.text(row).to_owned(), instrument.text(row).to_owned());
                *chunk.left_out.skipped.entry(names).or_default() += 1;
                chunk.records.push(Record::default());
                continue;
            };
            let status = Status {
                ts_recv: times[row].cast_unsigned(),
                state: state.known(row)?,
                previous: previous.known(row)?,
                reason: reason.known(row)?,
                instrument: instrument_id,
                venue: venue_id,
                ..Status::default()
            };
            chunk.records.push(status.into());
        }
        Ok(())
    }
}

/// Returns the table whose columns a decoder of a listing, or of none, needs.
pub(super) fn table_of(listing: Option<&(String, String)>) -> &'static Table {
    if listing.is_some() { &QUOTES } else { &STATUS }
}

fn listed<'a>(catalogue: &'a Catalogue, names: &(String, String)) -> Option<Listed<'a>> {
    let venue = catalogue.venue_named(&names.0)?;
    let instrument = catalogue.instrument_named(&names.1)?;
    let of = catalogue.instrument(instrument);
    let (price, size) = (Scale::new(of.price_scale), Scale::new(of.size_scale));
    Some(Listed { venue, instrument, name: &of.name, price, size })
}

impl Listed<'_> {
    fn quotes(&self, batch: &RecordBatch, rows: &[usize], chunk: &mut Chunk) -> Result<(), Wrong> {
        let times = column::<TimestampNanosecondType>(batch, "Timestamp")?.values();
        let events = Values::<TimestampNanosecondType>::new(batch, "EventTime")?;
        let sequences = Values::<UInt64Type>::new(batch, "Sequence")?;
        let flags = column::<UInt8Type>(batch, "Flags")?.values();
        let double = |name| Values::<Float64Type>::new(batch, name);
        let [bid, ask] = [double("BestBid")?, double("BestAsk")?];
        let [bid_sz, ask_sz] = [double("BestBidSize")?, double("BestAskSize")?];
        let (mut unfit, mut rounded) = (0, 0);
        chunk.records.reserve(rows.len());
        for &row in rows {
            let mut value = Mantissas::default();
            let quote = Quote {
                ts_recv: times[row].cast_unsigned(),
                ts_event: events.or_zero(row).cast_unsigned(),
                bid_px: value.of(self.price, bid.or_zero(row)),
                ask_px: value.of(self.price, ask.or_zero(row)),
                bid_sz: value.of(self.size, bid_sz.or_zero(row)),
                ask_sz: value.of(self.size, ask_sz.or_zero(row)),
                sequence: sequences.or_zero(row),
                instrument: self.instrument,
                venue: self.venue,
                flags: flags[row],
                ..Quote::default()
            };
            unfit += u64::from(value.unfit);
            rounded += u64::from(value.rounded && !value.unfit);
            chunk.records.push(if value.unfit { Record::default() } else { quote.into() });
        }
        let LeftOut { unfit: of_unfit, rounded: of_rounded, .. } = &mut chunk.left_out;
        for (counts, count) in [(of_unfit, unfit), (of_rounded, rounded)] {
            if 0 < count {
                counts.insert(self.name.to_owned(), count);
            }
        }
        Ok(())
    }
}

/// What became of the values of one quote.
#[derive(Default)]
struct Mantissas {
    unfit: bool,
    rounded: bool,
}

impl Mantissas {
    #[inline]
    fn of(&mut self, scale: Scale, value: f64) -> i64 {
        match scale.mantissa(value) {
            Found::Exact(mantissa) => mantissa,
            Found::Rounded(mantissa) => {
                self.rounded = true;
                mantissa
            }
            Found::Unfit => {
                self.unfit = true;
                0
            }
        }
    }
}

/// A column whose absent values are read as zero.
struct Values<'a, T: ArrowPrimitiveType> {
    values: &'a [T::Native],
    /// The column, if values are absent.
    absent: Option<&'a PrimitiveArray<T>>,
}

impl<'a, T: ArrowPrimitiveType> Values<'a, T> {
    fn new(batch: &'a RecordBatch, name: &str) -> Result<Values<'a, T>, Wrong> {
        let found = column::<T>(batch, name)?;
        let absent = (0 < found.null_count()).then_some(found);
        Ok(Values { values: found.values(), absent })
    }

    #[inline]
    fn or_zero(&self, row: usize) -> T::Native {
        match self.absent {
            Some(column) if column.is_null(row) => T::Native::default(),
            Some(_) | None => self.values[row],
        }
    }
}

/// A column of text whose distinct values were looked up.
struct Named<'a, T> {
    name: &'static str,
    keys: &'a Int32Array,
    texts: &'a StringArray,
    found: Vec<Option<T>>,
}

impl<'a, T: Copy> Named<'a, T> {
    fn new(
        batch: &'a RecordBatch,
        name: &'static str,
        look_up: impl Fn(&str) -> Option<T>,
    ) -> Result<Named<'a, T>, Wrong> {
        let (keys, texts) = texts(batch, name)?;
        let found = texts.iter().map(|text| text.and_then(&look_up)).collect();
        Ok(Named { name, keys, texts, found })
    }

    fn place(&self, row: usize) -> Option<usize> {
        usize::try_from(self.keys.value(row)).ok().filter(|place| *place < self.found.len())
    }

    fn at(&self, row: usize) -> Option<T> {
        self.found[self.place(row)?]
    }

    fn text(&self, row: usize) -> &str {
        self.place(row).map_or("", |place| self.texts.value(place))
    }

    fn known(&self, row: usize) -> Result<T, Wrong> {
        self.at(row).ok_or_else(|| format!("{:?} is no {}", self.text(row), self.name))
    }
}
