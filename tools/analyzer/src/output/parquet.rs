//! The ranking as a Parquet file: the columns of the CSV with their types, unknown values as nulls.

use crate::report::{Cell, Column, Kind, Report};
use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use std::sync::Arc;

/// Returns the bytes of the file.
///
/// # Errors
/// Returns the errors of the Parquet library.
pub fn file(report: &Report) -> anyhow::Result<Vec<u8>> {
    let fields = report.columns.iter().map(field).collect::<Vec<_>>();
    let schema = Arc::new(Schema::new(fields));
    let columns = report.columns.iter().enumerate();
    let columns = columns.map(|(place, column)| values(report, place, column.kind)).collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
    let properties = WriterProperties::builder()
        .set_created_by(format!("spreadwire analyzer {}", report.version))
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?));
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties.build()))?;
    writer.write(&batch)?;
    Ok(writer.into_inner()?)
}

fn field(column: &Column) -> Field {
    let of = match column.kind {
        Kind::Number => DataType::Float64,
        Kind::Count => DataType::Int64,
        Kind::Flag => DataType::Boolean,
        Kind::Text => DataType::Utf8,
    };
    Field::new(&column.name, of, true)
}

fn values(report: &Report, place: usize, kind: Kind) -> ArrayRef {
    let cells = report.pairs.iter().map(|pair| &pair.cells[place]);
    match kind {
        Kind::Number => Arc::new(cells.map(number).collect::<Float64Array>()),
        Kind::Count => Arc::new(cells.map(count).collect::<Int64Array>()),
        Kind::Flag => Arc::new(cells.map(flag).collect::<BooleanArray>()),
        Kind::Text => Arc::new(cells.map(text).collect::<StringArray>()),
    }
}

fn number(cell: &Cell) -> Option<f64> {
    if let Cell::Number(number) = cell { Some(*number) } else { None }
}

fn count(cell: &Cell) -> Option<i64> {
    if let Cell::Count(count) = cell { i64::try_from(*count).ok() } else { None }
}

fn flag(cell: &Cell) -> Option<bool> {
    if let Cell::Flag(flag) = cell { Some(*flag) } else { None }
}

fn text(cell: &Cell) -> Option<&str> {
    if let Cell::Text(text) = cell { Some(text) } else { None }
}
