//! Decodes one row group: reads the columns that are asked for, casts each to its type, and leaves
//! out rows that are not quotes.

use super::footer::{Footer, Form, Group, nanos_of};
use super::guarded::guarded;
use super::proof::{self, Prices};
use super::selection::{Column, Columns};
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, PrimitiveArray, RecordBatch,
    TimestampNanosecondArray, new_null_array,
};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{cast, filter, filter_record_batch};
use arrow::datatypes::{
    ArrowTimestampType, DataType, Float64Type, Int64Type, SchemaRef, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use std::fs::File;
use std::ops::AddAssign;
use std::sync::Arc;

/// Largest number of rows in a batch. With twice as many, three columns took half as long again,
/// because the allocator returned their memory to the operating system after each batch.
pub const BATCH_ROWS: usize = 32_768;
/// Stands for a size that cannot be one, of which nothing can be had.
const NO_SIZE: f64 = -1.0;

/// Reads the rows of a row group, batch by batch, in the file's order.
#[derive(Debug)]
pub(super) struct GroupReader {
    batches: ParquetRecordBatchReader,
    columns: Columns,
    schema: SchemaRef,
    /// The columns that are read: their names in the file, and how their values are stored.
    inputs: Vec<(Column, String, Form)>,
    /// The only times to pass on.
    within: Option<(i64, i64)>,
    rows_left: usize,
}

/// A batch without the rows that were left out.
#[derive(Debug)]
pub(super) struct Sound {
    /// The rows that remain.
    pub(super) rows: RecordBatch,
    pub(super) counts: Counts,
}

/// Number of rows read, and of those left out by reason.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) read: u64,
    pub(super) no_time: u64,
    pub(super) no_price: u64,
    pub(super) no_sound_price: u64,
    /// Rows that are passed on although a size cannot be one.
    pub(super) no_sound_size: u64,
}

impl GroupReader {
    /// Opens a row group.
    ///
    /// # Errors
    /// Returns a description of why it cannot be read.
    pub(super) fn open(
        footer: &Footer,
        group: &Group,
        columns: Columns,
    ) -> Result<GroupReader, String> {
        let file = footer.open()?;
        // A bid without a valid ask is not a quote, so the ask is checked even if it is not asked
        // for.
        let with_ask = columns.ask || !asks_are_sound(footer, group, &file);
        let wanted = Columns { ask: with_ask, ..columns };
        let input = |column| {
            let form = footer.place(column)?.form;
            Some((column, footer.name_of(column)?.to_owned(), form))
        };
        let inputs = wanted.list().filter_map(input).collect();
        let fields = wanted.list().filter_map(|column| footer.place(column));
        let batches = guarded(|| {
            let mask = ProjectionMask::leaves(
                footer.metadata.parquet_schema(),
                fields.map(|place| place.leaf),
            );
            ParquetRecordBatchReaderBuilder::new_with_metadata(file, footer.metadata.clone())
                .with_row_groups(vec![group.number])
                .with_projection(mask)
                .with_batch_size(BATCH_ROWS.min(group.rows))
                .build()
        });
        let batches = batches.map_err(|error| damaged(&error))?;
        let (schema, within, rows_left) = (columns.schema(), footer.within, group.rows);
        Ok(GroupReader { batches, columns, schema, inputs, within, rows_left })
    }

    /// Returns the next batch; `None` after the last one.
    ///
    /// # Errors
    /// Returns a description of why it cannot be read.
    pub(super) fn next(&mut self) -> Result<Option<Sound>, String> {
        let batches = &mut self.batches;
        let batch = guarded(|| batches.next().transpose().map_err(ParquetError::from));
        let Some(batch) = batch.map_err(|error| damaged(&error))? else {
            if self.rows_left == 0 {
                return Ok(None);
            }
            return Err(format!("damaged: {} rows are missing", self.rows_left));
        };
        self.rows_left = self
            .rows_left
            .checked_sub(batch.num_rows())
            .ok_or_else(|| "damaged: it has more rows than its footer says".to_owned())?;
        self.sound(&batch).map(Some).map_err(|error| damaged(&error))
    }

    /// Casts a file's columns to the types of the schema and leaves out rows that are not quotes.
    fn sound(&self, batch: &RecordBatch) -> Result<Sound, ArrowError> {
        let Some(within) = self.within else { return self.sound_of(batch) };
        let time = self.typed(batch, Column::Time)?;
        let time = time.as_primitive::<TimestampNanosecondType>();
        // Rows without a time are of no day, so each day tells them.
        let is_within =
            |time: Option<i64>| Some(time.is_none_or(|time| within.0 <= time && time < within.1));
        let keep: BooleanArray = time.iter().map(is_within).collect();
        self.sound_of(&filter_record_batch(batch, &keep)?)
    }

    fn sound_of(&self, batch: &RecordBatch) -> Result<Sound, ArrowError> {
        let time = self.typed(batch, Column::Time)?;
        let prices = [Column::Bid, Column::Ask].into_iter();
        // If the ask is not read, the footer has shown it to be valid.
        let is_read = |column: &Column| self.inputs.iter().any(|(of, ..)| of == column);
        let prices = prices.filter(is_read).map(|column| self.typed(batch, column));
        let prices: Vec<_> = prices.collect::<Result<_, _>>()?;
        let mut counts = Counts { read: batch.num_rows() as u64, ..Counts::default() };
        let keep = kept(&time, &prices, &mut counts);
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        for column in self.columns.list() {
            let values = match column {
                Column::Time => Arc::clone(&time),
                Column::Bid => Arc::clone(&prices[0]),
                Column::Ask if 1 < prices.len() => Arc::clone(&prices[1]),
                Column::BidSize | Column::AskSize => sizes(self.typed(batch, column)?, &mut counts),
                Column::Ask | Column::EventTime | Column::Flags => self.typed(batch, column)?,
            };
            columns.push(match &keep {
                Some(keep) => filter(&values, keep)?,
                None => values,
            });
        }
        Ok(Sound { rows: RecordBatch::try_new(Arc::clone(&self.schema), columns)?, counts })
    }

    /// Returns the values of a column, cast to its type; all null if the file does not have it.
    fn typed(&self, batch: &RecordBatch, column: Column) -> Result<ArrayRef, ArrowError> {
        let input = self.inputs.iter().find(|(of, ..)| *of == column);
        let input = input.and_then(|(_, name, form)| Some((batch.column_by_name(name)?, *form)));
        match input {
            Some((values, form)) => typed(values, column, form),
            None => Ok(new_null_array(&column.data_type(), batch.num_rows())),
        }
    }
}

/// Returns whether it is proved that no row must be left out because of its ask.
fn asks_are_sound(footer: &Footer, group: &Group, file: &File) -> bool {
    match group.asks {
        Prices::Sound => true,
        Prices::Unknown => false,
        Prices::SoundUnlessNan => {
            let chunk = footer.chunk(Column::Ask, group);
            chunk.is_some_and(|chunk| proof::dictionary_has_no_nan(file, chunk, group.rows))
        }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.read += other.read;
        self.no_time += other.no_time;
        self.no_price += other.no_price;
        self.no_sound_price += other.no_sound_price;
        self.no_sound_size += other.no_sound_size;
    }
}

/// Returns sizes with [`NO_SIZE`] where one cannot be a size.
fn sizes(values: ArrayRef, counts: &mut Counts) -> ArrayRef {
    let of = values.as_primitive::<Float64Type>();
    let is_size = |size: f64| (0.0..f64::INFINITY).contains(&size);
    let wrong = of.iter().flatten().filter(|size| !is_size(*size)).count() as u64;
    if wrong == 0 {
        return values;
    }
    counts.no_sound_size += wrong;
    let mended: Float64Array = of.unary(|size| if is_size(size) { size } else { NO_SIZE });
    Arc::new(mended)
}

/// Returns the least and the greatest time of a row group, from its rows. If no row can be used,
/// the rows are added to `useless`.
///
/// # Errors
/// Returns a description of why it cannot be read.
pub(super) fn survey(
    footer: &Footer,
    group: &Group,
    useless: &mut Counts,
) -> Result<Option<(i64, i64)>, String> {
    let group = Group { asks: Prices::Sound, ..*group };
    let mut span: Option<(i64, i64)> = None;
    let mut reader = GroupReader::open(footer, &group, Columns::BID)?;
    let mut counts = Counts::default();
    while let Some(Sound { rows, counts: more }) = reader.next()? {
        counts += more;
        for time in times(&rows) {
            let (first, last) = span.unwrap_or((*time, *time));
            span = Some((first.min(*time), last.max(*time)));
        }
    }
    if span.is_none() {
        *useless += counts;
    }
    Ok(span)
}

/// Returns the times of a batch that has [`Columns::schema`].
pub(super) fn times(rows: &RecordBatch) -> &[i64] {
    rows.column(0).as_primitive::<TimestampNanosecondType>().values()
}

fn damaged(error: &dyn std::error::Error) -> String {
    format!("damaged: {error}")
}

/// Returns which rows stay; `None` if all do.
fn kept(time: &ArrayRef, prices: &[ArrayRef], counts: &mut Counts) -> Option<BooleanArray> {
    let prices: Vec<&Float64Array> = prices.iter().map(|price| price.as_primitive()).collect();
    if time.null_count() == 0 && prices.iter().all(|price| are_all_sound(price)) {
        return None;
    }
    let has_time = |row| time.is_valid(row);
    let has_prices = |row| prices.iter().all(|price| price.is_valid(row));
    let is_sound = |row| prices.iter().all(|price| is_price(price.value(row)));
    let keep = BooleanBuffer::collect_bool(time.len(), |row| {
        let reason = if !has_time(row) {
            &mut counts.no_time
        } else if !has_prices(row) {
            &mut counts.no_price
        } else if !is_sound(row) {
            &mut counts.no_sound_price
        } else {
            return true;
        };
        *reason += 1;
        false
    });
    Some(BooleanArray::new(keep, None))
}

fn are_all_sound(prices: &Float64Array) -> bool {
    prices.null_count() == 0 && prices.values().iter().all(|price| is_price(*price))
}

/// Returns whether a price is positive and finite. The bits of such doubles are the integers from 1
/// to those of the greatest double, so this takes one comparison (0.3 ns per row) instead of two
/// (1.0 ns).
fn is_price(value: f64) -> bool {
    value.to_bits().wrapping_sub(1) < f64::MAX.to_bits()
}

/// Casts values to the type of a column; what does not fit becomes null.
fn typed(values: &ArrayRef, column: Column, form: Form) -> Result<ArrayRef, ArrowError> {
    match form {
        Form::Plain => {}
        Form::Epoch(unit) => return Ok(Arc::new(since_1970(values, unit)?.with_timezone("UTC"))),
        Form::Fixed(fixed) => return Ok(Arc::new(fixed.decode(values))),
    }
    let wanted = column.data_type();
    if let DataType::Timestamp(unit, _) = values.data_type() {
        return Ok(Arc::new(nanos(values, *unit).with_timezone("UTC")));
    }
    if *values.data_type() == wanted { Ok(Arc::clone(values)) } else { cast(values, &wanted) }
}

/// Converts times to nanoseconds. Times without a zone are taken as UTC.
fn nanos(values: &ArrayRef, unit: TimeUnit) -> TimestampNanosecondArray {
    match unit {
        TimeUnit::Nanosecond => values.as_primitive::<TimestampNanosecondType>().clone(),
        TimeUnit::Microsecond => scaled(values.as_primitive::<TimestampMicrosecondType>()),
        TimeUnit::Millisecond => scaled(values.as_primitive::<TimestampMillisecondType>()),
        TimeUnit::Second => scaled(values.as_primitive::<TimestampSecondType>()),
    }
}

/// Converts numbers to times. A double has its seconds to the microsecond, which is as exact as it
/// can be.
fn since_1970(values: &ArrayRef, unit: TimeUnit) -> Result<TimestampNanosecondArray, ArrowError> {
    let factor = nanos_of(unit);
    if let Some(numbers) = values.as_primitive_opt::<Float64Type>() {
        return Ok(numbers.unary_opt(|number| nanos_of_float(number, unit)));
    }
    let numbers = cast(values, &DataType::Int64)?;
    let numbers = numbers.as_primitive::<Int64Type>();
    Ok(numbers.unary_opt(|number| number.checked_mul(factor)))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "what does not fit is refused before"
)]
fn nanos_of_float(number: f64, unit: TimeUnit) -> Option<i64> {
    let micros = (number * (nanos_of(unit) as f64 / 1e3)).round();
    (micros.abs() < 9e15).then(|| micros as i64 * 1_000)
}

/// Multiplies times to nanoseconds. Times outside the years 1677 to 2262 become null.
fn scaled<T: ArrowTimestampType>(values: &PrimitiveArray<T>) -> TimestampNanosecondArray {
    let factor = nanos_of(T::UNIT);
    values.unary_opt(|time| time.checked_mul(factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_size_that_cannot_be_one_nothing_can_be_had() {
        let given = [Some(1.5), None, Some(0.0), Some(-1.0), Some(f64::NAN), Some(f64::INFINITY)];
        let mut counts = Counts::default();
        let mended = sizes(Arc::new(Float64Array::from(given.to_vec())), &mut counts);
        let found: Vec<Option<f64>> = mended.as_primitive::<Float64Type>().iter().collect();
        let none = Some(NO_SIZE);
        assert_eq!(found, [Some(1.5), None, Some(0.0), none, none, none]);
        assert_eq!(counts.no_sound_size, 3);
        // What is not known limits nothing, and what cannot be one all.
        let leg =
            |size| crate::kernel::legs::Leg { time: 0, bid: 1.0, ask: 1.0, sizes: [size, 2.0] };
        assert!(leg(0.0).of_known_sizes().sizes[0].is_nan());
        assert_eq!(
            leg(NO_SIZE).of_known_sizes().sizes.map(f64::to_bits),
            [0.0, 2.0].map(f64::to_bits)
        );
    }

    #[test]
    fn a_price_is_positive_and_finite() {
        for value in [f64::MIN_POSITIVE, 5e-324, 1e-8, 1.0, f64::MAX] {
            assert!(is_price(value), "{value}");
        }
        let others = [0.0, -0.0, -1e-300, -1.0, f64::MIN, f64::INFINITY, f64::NEG_INFINITY];
        for value in others.into_iter().chain([f64::NAN, -f64::NAN]) {
            assert!(!is_price(value), "{value}");
        }
    }
}
