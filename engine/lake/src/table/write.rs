//! Writes a Parquet file of the lake, and keeps its digest and checksum meanwhile.

use super::definitions::{Table, Type};
use super::digest::digest;
use super::error::{TableError, io_error, parquet_error};
use super::footer;
use super::{BATCH_ROWS, Metadata};
use crate::files;
use Type::{Float, Signed, Time, Unsigned};
use arrow_array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Facts about a file that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Number of rows.
    pub rows: u64,
    /// Length of the file, bytes.
    pub bytes: u64,
    /// CRC32C of the file.
    pub crc: u32,
    /// [`digest`] of its rows.
    pub digest: u64,
}

/// Writes a file of a table. The file is synced when it is finished; its name is up to the caller.
#[derive(Debug)]
pub struct TableWriter {
    path: PathBuf,
    columns: usize,
    writer: ArrowWriter<Checked>,
    rows: u64,
    digest: u64,
}

impl TableWriter {
    /// Creates a file, replacing one that was there. Adds `format` and `table` to the metadata.
    ///
    /// # Errors
    /// If the file cannot be created.
    pub fn create(path: &Path, table: &Table, mut metadata: Metadata) -> Result<Self, TableError> {
        let parquet = |source| parquet_error("write", path, source);
        metadata.insert("format".to_owned(), table.version.to_string());
        metadata.insert("table".to_owned(), table.name.to_owned());
        let file = files::fresh(path).map_err(|source| io_error("create", path, source))?;
        let checked = Checked { file, bytes: 0, crc: 0, held_back: None };
        let options = ArrowWriterOptions::new()
            .with_properties(properties(table, &metadata).map_err(parquet)?)
            // To other readers text is plain, however it came.
            .with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(checked, table.schema(), options);
        let writer = writer.map_err(parquet)?;
        let (path, columns) = (path.to_owned(), table.columns.len());
        Ok(TableWriter { path, columns, writer, rows: 0, digest: 0 })
    }

    /// Appends rows.
    ///
    /// # Errors
    /// If the rows do not fit the table or cannot be written.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), TableError> {
        self.writer.write(batch).map_err(|source| parquet_error("write", &self.path, source))?;
        self.rows += batch.num_rows() as u64;
        self.digest = self.digest.wrapping_add(digest(batch));
        Ok(())
    }

    /// Writes the footer and syncs the file, so that its content survives a power cut.
    ///
    /// # Errors
    /// If the operating system or the Parquet library refuses.
    pub fn finish(self) -> Result<Written, TableError> {
        let TableWriter { path, columns, mut writer, rows, digest } = self;
        let parquet = |source| parquet_error("write", &path, source);
        writer.flush().map_err(parquet)?;
        writer.inner_mut().held_back = Some(Vec::new());
        let mut checked = writer.into_inner().map_err(parquet)?;
        let mut footer = checked.held_back.take().unwrap_or_default();
        let understood = footer::order_by_type(&mut footer, columns);
        debug_assert!(understood, "the footer is not as expected: see table/footer.rs");
        checked.write_all(&footer).map_err(|source| io_error("write", &path, source))?;
        let Checked { file, bytes, crc, .. } = checked;
        file.sync_all().map_err(|source| io_error("sync", &path, source))?;
        Ok(Written { rows, bytes, crc, digest })
    }
}

/// Returns how the columns of a table are encoded and compressed.
fn properties(table: &Table, metadata: &Metadata) -> Result<WriterProperties, ParquetError> {
    let by_time = SortingColumn { column_idx: 0, descending: false, nulls_first: false };
    let pairs = metadata.iter();
    let pairs = pairs.map(|(key, value)| KeyValue::new(format!("spreadwire.{key}"), value.clone()));
    let mut properties = WriterProperties::builder()
        .set_created_by(format!("spreadwire lake {}", table.version))
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_sorting_columns(Some(vec![by_time]))
        .set_key_value_metadata(Some(pairs.collect()));
    for (name, of, _) in table.columns {
        if matches!(of, Time | Signed | Unsigned) {
            let column = ColumnPath::from(*name);
            // NB: while a column has a dictionary, its encoding applies only once that is full.
            properties = properties
                .set_column_dictionary_enabled(column.clone(), false)
                .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
        }
    }
    // Values that differ from row to row compress better in large pages and without a dictionary:
    // `benches/lake_layouts.rs` has the figures.
    for (name, of, _) in table.columns {
        let size = matches!(of, Float) && name.ends_with("Size");
        if size {
            properties = properties
                .set_column_dictionary_enabled(ColumnPath::from(*name), false)
                .set_column_encoding(ColumnPath::from(*name), Encoding::PLAIN);
        }
        if size || *name == "EventTime" {
            let zstd = Compression::ZSTD(ZstdLevel::try_new(3)?);
            properties = properties
                .set_column_compression(ColumnPath::from(*name), zstd)
                .set_column_data_page_row_count_limit(ColumnPath::from(*name), BATCH_ROWS);
        }
    }
    // Readers that look for a time can find its page.
    let time = ColumnPath::from("Timestamp");
    Ok(properties.set_column_statistics_enabled(time, EnabledStatistics::Page).build())
}

/// A file that keeps the length and the CRC32C of what is written to it.
#[derive(Debug)]
struct Checked {
    file: File,
    bytes: u64,
    crc: u32,
    /// What is written goes here instead, if present: the footer, until it is complete.
    held_back: Option<Vec<u8>>,
}

impl Write for Checked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(held_back) = &mut self.held_back {
            held_back.extend_from_slice(bytes);
            return Ok(bytes.len());
        }
        let written = self.file.write(bytes)?;
        self.crc = crc32c::crc32c_append(self.crc, &bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
