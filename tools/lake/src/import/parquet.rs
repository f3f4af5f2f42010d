//! Rows of Parquet files by the names of their columns.

use super::format::Rows;
use super::refusal::Refusal;
use super::row::Row;
use super::source::{Content, ParquetFile};
use anyhow::{Context, ensure};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Metadata, TimeUnit};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use std::fmt::Write;
use std::fs::File;

impl ParquetFile {
    fn builder(&self) -> anyhow::Result<ParquetRecordBatchReaderBuilder<File>> {
        let file = self.file.try_clone()?;
        ParquetRecordBatchReaderBuilder::try_new(file).context("the Parquet file is damaged")
    }

    /// Returns the names of its columns.
    ///
    /// # Errors
    /// If its footer cannot be read.
    pub fn columns(&self) -> anyhow::Result<Vec<String>> {
        Ok(self.builder()?.schema().fields().iter().map(|field| field.name().clone()).collect())
    }

    /// Returns its metadata, those of the Arrow schema included.
    ///
    /// # Errors
    /// If its footer cannot be read.
    pub fn metadata(&self) -> anyhow::Result<Metadata> {
        let builder = self.builder()?;
        let pairs = builder.metadata().file_metadata().key_value_metadata();
        let pairs = pairs.into_iter().flatten();
        let pairs = pairs.filter_map(|pair| Some((pair.key.clone(), pair.value.clone()?)));
        let mut metadata = builder.schema().metadata().clone();
        metadata.extend(pairs);
        Ok(metadata)
    }
}

/// Returns whether a file is Parquet with all of these columns.
pub(super) fn has(content: &Content, columns: &[&str]) -> bool {
    let Content::Parquet(file) = content else { return false };
    let Ok(found) = file.columns() else { return false };
    columns.iter().all(|name| found.iter().any(|column| column == name))
}

/// Puts what a row of a batch says into an empty [`Row`].
type Fill = Box<dyn Fn(&RecordBatch, usize, &mut Row)>;

/// The rows of an open Parquet file.
pub(super) struct ParquetRows {
    reader: ParquetRecordBatchReader,
    batch: Option<RecordBatch>,
    at: usize,
    number: u64,
    row: Row,
    fill: Fill,
}

impl ParquetRows {
    /// Begins to read the rows. Columns that do not exist are left out.
    pub(super) fn open(
        file: &ParquetFile,
        columns: &[&str],
        fill: impl Fn(&RecordBatch, usize, &mut Row) + 'static,
    ) -> anyhow::Result<ParquetRows> {
        let found = file.columns()?;
        let mut wanted = columns.to_vec();
        wanted.retain(|name| found.iter().any(|column| column == name));
        ensure!(!wanted.is_empty(), "it has none of the columns {}", columns.join(", "));
        let builder = file.builder()?;
        let mask = ProjectionMask::columns(builder.parquet_schema(), wanted.iter().copied());
        let reader =
            builder.with_projection(mask).build().context("the Parquet file is damaged")?;
        let (batch, row, fill) = (None, Row::default(), Box::new(fill));
        Ok(ParquetRows { reader, batch, at: 0, number: 0, row, fill })
    }
}

impl Rows for ParquetRows {
    fn next_row(&mut self) -> anyhow::Result<Option<(u64, Result<&Row, Refusal>)>> {
        while self.batch.as_ref().is_none_or(|batch| batch.num_rows() <= self.at) {
            let Some(batch) = self.reader.next() else { return Ok(None) };
            let after = || format!("cannot read the rows after row {}", self.number);
            (self.batch, self.at) = (Some(batch.with_context(after)?), 0);
        }
        self.row.clear();
        if let Some(batch) = &self.batch {
            (self.fill)(batch, self.at, &mut self.row);
        }
        self.at += 1;
        self.number += 1;
        Ok(Some((self.number, Ok(&self.row))))
    }
}

/// Appends a value as text: nothing if it is absent or NaN, a timestamp in ns, and something that is
/// neither text nor a number as it prints.
pub(super) fn push(text: &mut String, column: &dyn Array, at: usize) {
    if column.is_null(at) {
        return;
    }
    if let Some(nanos) = timestamp(column, at) {
        text.push_str(&nanos.to_string());
    } else if let Some(number) = float(column, at) {
        text.push_str(&number);
    } else if let Some(whole) = whole(column, at) {
        text.push_str(&whole.to_string());
    } else if let Some(found) = string(column, at) {
        text.push_str(found);
    } else {
        // Writing to a string cannot fail; the value is refused as not a number.
        let _printed = write!(text, "{}", column.data_type());
    }
}

/// Returns a value of type timestamp in ns.
fn timestamp(column: &dyn Array, at: usize) -> Option<i128> {
    let DataType::Timestamp(unit, _) = column.data_type() else { return None };
    let (value, nanos) = match unit {
        TimeUnit::Second => (column.as_primitive::<TimestampSecondType>().value(at), 1_000_000_000),
        TimeUnit::Millisecond => {
            (column.as_primitive::<TimestampMillisecondType>().value(at), 1_000_000)
        }
        TimeUnit::Microsecond => {
            (column.as_primitive::<TimestampMicrosecondType>().value(at), 1_000)
        }
        TimeUnit::Nanosecond => (column.as_primitive::<TimestampNanosecondType>().value(at), 1),
    };
    Some(i128::from(value) * nanos)
}

/// Returns a floating-point value as its shortest text; empty if it is NaN.
fn float(column: &dyn Array, at: usize) -> Option<String> {
    let number = |number: f64, text: String| if number.is_nan() { String::new() } else { text };
    if let Some(doubles) = column.as_primitive_opt::<Float64Type>() {
        let value = doubles.value(at);
        return Some(number(value, value.to_string()));
    }
    let value = column.as_primitive_opt::<Float32Type>()?.value(at);
    Some(number(value.into(), value.to_string()))
}

/// Returns a value of an integer type.
fn whole(column: &dyn Array, at: usize) -> Option<i128> {
    fn of<T: ArrowPrimitiveType>(column: &dyn Array, at: usize) -> Option<i128>
    where
        T::Native: Into<i128>,
    {
        Some(column.as_primitive_opt::<T>()?.value(at).into())
    }
    let signed = of::<Int64Type>(column, at).or_else(|| of::<Int32Type>(column, at));
    let signed =
        signed.or_else(|| of::<Int16Type>(column, at).or_else(|| of::<Int8Type>(column, at)));
    let unsigned = || of::<UInt64Type>(column, at).or_else(|| of::<UInt32Type>(column, at));
    let unsigned = || unsigned().or_else(|| of::<UInt16Type>(column, at));
    signed.or_else(unsigned).or_else(|| of::<UInt8Type>(column, at))
}

/// Returns a value of a text type.
fn string(column: &dyn Array, at: usize) -> Option<&str> {
    if let Some(texts) = column.as_string_opt::<i32>() {
        return Some(texts.value(at));
    }
    if let Some(texts) = column.as_string_opt::<i64>() {
        return Some(texts.value(at));
    }
    if let Some(texts) = column.as_string_view_opt() {
        return Some(texts.value(at));
    }
    let dictionary = column.as_any_dictionary_opt()?;
    let key = usize::try_from(whole(dictionary.keys(), at)?).ok()?;
    string(dictionary.values(), key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{
        ArrayRef, Float32Array, Float64Array, Int16Array, StringArray, TimestampMicrosecondArray,
        TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray, UInt64Array,
    };
    use std::sync::Arc;

    #[test]
    fn values_become_the_text_that_csv_would_have() {
        let texts: [(ArrayRef, &str); 11] = [
            (Arc::new(TimestampSecondArray::from(vec![5])), "5000000000"),
            (Arc::new(TimestampMillisecondArray::from(vec![5])), "5000000"),
            (Arc::new(TimestampMicrosecondArray::from(vec![5])), "5000"),
            (Arc::new(TimestampNanosecondArray::from(vec![5])), "5"),
            (Arc::new(Float64Array::from(vec![61000.1])), "61000.1"),
            (Arc::new(Float64Array::from(vec![f64::NAN])), ""),
            (Arc::new(Float64Array::from(vec![None])), ""),
            (Arc::new(Float32Array::from(vec![0.1])), "0.1"),
            (Arc::new(Int16Array::from(vec![-7])), "-7"),
            (Arc::new(UInt64Array::from(vec![u64::MAX])), "18446744073709551615"),
            (Arc::new(StringArray::from(vec!["1.50"])), "1.50"),
        ];
        for (column, expected) in texts {
            let mut text = String::new();
            push(&mut text, &column, 0);
            assert_eq!(text, expected, "{}", column.data_type());
        }
    }
}
