//! Reads a Parquet file of the lake, also one of an earlier version.

use super::definitions::{LEDGER, QUOTES, Table, constant_text};
use super::digest::digest;
use super::error::{TableError, guarded, io_error, parquet_error};
use super::{BATCH_ROWS, Metadata, VERSION};
use arrow_array::{RecordBatch, new_null_array};
use arrow_schema::{ArrowError, DataType, Schema, SchemaRef};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::ChunkReader;
use parquet::file::statistics::Statistics;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Iterates over the rows of a file in batches that have the columns of the present version.
#[derive(Debug)]
pub struct TableReader {
    path: PathBuf,
    table: &'static Table,
    metadata: Metadata,
    rows: u64,
    batches: ParquetRecordBatchReader,
}

impl TableReader {
    /// Opens a file, which should be of `table`.
    ///
    /// # Errors
    /// If the file is damaged, of another lake or table, or of a later version.
    pub fn open(path: &Path, table: &'static Table) -> Result<TableReader, TableError> {
        let file = File::open(path).map_err(|source| io_error("open", path, source))?;
        TableReader::over(path, table, || file.try_clone())
    }

    /// Opens a file whose bytes were read before, so that the rows are certainly theirs. `path` is
    /// for messages.
    ///
    /// # Errors
    /// The same as [`open`](TableReader::open).
    pub fn of_bytes(
        path: &Path,
        bytes: &Bytes,
        table: &'static Table,
    ) -> Result<TableReader, TableError> {
        TableReader::over(path, table, || Ok(bytes.clone()))
    }

    fn over<R: ChunkReader + 'static>(
        path: &Path,
        table: &'static Table,
        input: impl Fn() -> io::Result<R>,
    ) -> Result<TableReader, TableError> {
        guarded("read", path, || {
            let plain = ParquetRecordBatchReaderBuilder::try_new(input()?)?;
            let metadata = metadata_of(plain.metadata());
            let rows = plain.metadata().file_metadata().num_rows().cast_unsigned();
            Ok((plain.schema().clone(), metadata, rows))
        })
        .and_then(|(found, metadata, rows)| {
            let version = check_format(path, table, &metadata)?;
            let schema = columns_of(version, table);
            check_columns(path, &schema, &found)?;
            let batches = guarded("read", path, || {
                let options = ArrowReaderOptions::new().with_schema(schema);
                ParquetRecordBatchReaderBuilder::try_new_with_options(input()?, options)?
                    .with_batch_size(BATCH_ROWS)
                    .build()
            })?;
            Ok(TableReader { path: path.to_owned(), table, metadata, rows, batches })
        })
    }

    /// Returns the text in the footer.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Returns the number of rows according to the footer.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Reads to the end and returns the number of rows and their digest.
    ///
    /// # Errors
    /// If a row cannot be read.
    pub fn sum(self) -> Result<(u64, u64), TableError> {
        let (mut rows, mut sum) = (0, 0_u64);
        for batch in self {
            let batch = batch?;
            rows += batch.num_rows() as u64;
            sum = sum.wrapping_add(digest(&batch));
        }
        Ok((rows, sum))
    }

    fn read(&mut self) -> Option<Result<RecordBatch, TableError>> {
        let batches = &mut self.batches;
        let batch = guarded("read", &self.path, || batches.next().transpose().map_err(Into::into));
        let batch = batch.transpose()?;
        Some(batch.and_then(|batch| {
            let run = self.metadata.get("run").map_or("", String::as_str);
            upgraded(&batch, self.table, run)
                .map_err(|error| parquet_error("read", &self.path, error.into()))
        }))
    }
}

impl Iterator for TableReader {
    type Item = Result<RecordBatch, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read()
    }
}

/// Iterates over some columns of a file, in batches. The columns have the order of the table. A file of
/// version 1 has no column `Run`, and batches of it have none either.
#[derive(Debug)]
pub struct ColumnsReader {
    path: PathBuf,
    batches: ParquetRecordBatchReader,
}

impl ColumnsReader {
    /// Opens a file, which should be of `table`, to read the columns called `names` in batches of at most
    /// `batch_rows` rows.
    ///
    /// # Errors
    /// The same as [`TableReader::open`].
    pub fn open(
        path: &Path,
        table: &'static Table,
        names: &[&str],
        batch_rows: usize,
    ) -> Result<ColumnsReader, TableError> {
        let file = File::open(path).map_err(|source| io_error("open", path, source))?;
        let plain = guarded("read", path, || {
            ArrowReaderMetadata::load(&file, ArrowReaderOptions::default())
        })?;
        let version = check_format(path, table, &metadata_of(plain.metadata()))?;
        let schema = columns_of(version, table);
        check_columns(path, &schema, plain.schema())?;
        let batches = guarded("read", path, || {
            let options = ArrowReaderOptions::new().with_schema(schema);
            let metadata = ArrowReaderMetadata::try_new(Arc::clone(plain.metadata()), options)?;
            let columns = metadata.metadata().file_metadata().schema_descr();
            let chosen = ProjectionMask::columns(columns, names.iter().copied());
            ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
                .with_projection(chosen)
                .with_batch_size(batch_rows)
                .build()
        })?;
        Ok(ColumnsReader { path: path.to_owned(), batches })
    }
}

impl Iterator for ColumnsReader {
    type Item = Result<RecordBatch, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batches = &mut self.batches;
        let batch = guarded("read", &self.path, || batches.next().transpose().map_err(Into::into));
        batch.transpose()
    }
}

/// The footer of a file, read without any of its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footer {
    /// Text in the footer.
    pub metadata: Metadata,
    /// Number of rows.
    pub rows: u64,
    /// First time, from the statistics.
    pub first: Option<u64>,
    /// Last time, from the statistics.
    pub last: Option<u64>,
    /// Least and greatest `JournalSequence`, from the statistics; `None` if the table has no such column.
    pub numbers: Option<(u64, u64)>,
}

impl Footer {
    /// Reads the footer of a file, which should be of `table`.
    ///
    /// # Errors
    /// The same as [`TableReader::open`].
    pub fn read(path: &Path, table: &Table) -> Result<Footer, TableError> {
        let file = File::open(path).map_err(|source| io_error("open", path, source))?;
        let parquet = guarded("read", path, || {
            Ok(ParquetRecordBatchReaderBuilder::try_new(file)?.metadata().as_ref().clone())
        })?;
        let metadata = metadata_of(&parquet);
        check_format(path, table, &metadata)?;
        let rows = parquet.file_metadata().num_rows().cast_unsigned();
        let times = range_of(&parquet, "Timestamp");
        let (first, last) = (times.map(|(first, _)| first), times.map(|(_, last)| last));
        let numbers = range_of(&parquet, "JournalSequence");
        Ok(Footer { metadata, rows, first, last, numbers })
    }
}

/// Returns the least and the greatest value of a column of whole numbers or times, from the statistics.
fn range_of(parquet: &ParquetMetaData, name: &str) -> Option<(u64, u64)> {
    let columns = parquet.file_metadata().schema_descr().columns();
    let place = columns.iter().position(|column| column.name() == name)?;
    let ranges = parquet.row_groups().iter().filter_map(|group| {
        let Statistics::Int64(values) = group.columns().get(place)?.statistics()? else {
            return None;
        };
        Some((values.min_opt()?.cast_unsigned(), values.max_opt()?.cast_unsigned()))
    });
    ranges.reduce(|(min, max), (first, last)| (min.min(first), max.max(last)))
}

fn metadata_of(parquet: &ParquetMetaData) -> Metadata {
    let pairs = parquet.file_metadata().key_value_metadata().into_iter().flatten();
    let own = pairs.filter_map(|pair| {
        let key = pair.key.strip_prefix("spreadwire.")?;
        Some((key.to_owned(), pair.value.clone()?))
    });
    let mut metadata: Metadata = own.collect();
    // A file of version 1 has one part, which it states by other keys.
    let of_old = || Some(format!("{}:{}:?", metadata.get("run")?, metadata.get("segment")?));
    if !metadata.contains_key("parts")
        && let Some(part) = of_old()
    {
        metadata.insert("parts".to_owned(), part);
    }
    metadata
}

/// Returns the version of the file if it is one that can be read as `table`.
fn check_format(path: &Path, table: &Table, metadata: &Metadata) -> Result<u32, TableError> {
    let foreign = |why: String| TableError::Foreign { path: path.to_owned(), why };
    let version = metadata
        .get("format")
        .ok_or_else(|| foreign("its footer has no spreadwire.format".to_owned()))?;
    let known = version.parse().ok().filter(|version| (1..=VERSION).contains(version));
    let Some(known) = known else {
        let (path, version) = (path.to_owned(), version.clone());
        return Err(TableError::UnknownVersion { path, version });
    };
    // Version 1 had only quotes and did not name the table.
    let name = metadata.get("table").map_or(QUOTES.name, String::as_str);
    if name != table.name {
        return Err(foreign(format!("it holds {name} where {} lie", table.name)));
    }
    Ok(known)
}

/// Returns the columns of a table in a version.
fn columns_of(version: u32, table: &Table) -> SchemaRef {
    let schema = table.schema();
    let lacks = |name: &str| match version {
        1 => name == "Run",
        2 => table.name == LEDGER.name && name == "Serial",
        _ => false,
    };
    let fields = schema.fields().iter().filter(|field| !lacks(field.name())).cloned();
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn check_columns(path: &Path, expected: &Schema, found: &Schema) -> Result<(), TableError> {
    let plain = |of: &DataType| {
        if let DataType::Dictionary(_, text) = of { text.as_ref().clone() } else { of.clone() }
    };
    let same = expected.fields().len() == found.fields().len()
        && expected
            .fields()
            .iter()
            .zip(found.fields())
            .all(|(a, b)| a.name() == b.name() && plain(a.data_type()) == plain(b.data_type()));
    if same {
        return Ok(());
    }
    Err(TableError::Foreign { path: path.to_owned(), why: "its columns are others".to_owned() })
}

/// Returns a batch with the columns of the present version. Version 1 had the run only in the
/// footer, and the ledger of version 2 no serial numbers.
fn upgraded(batch: &RecordBatch, table: &Table, run: &str) -> Result<RecordBatch, ArrowError> {
    let schema = table.schema();
    if batch.num_columns() == schema.fields().len() {
        // The fields of the reader may differ in whether they allow nulls.
        return RecordBatch::try_new(schema, batch.columns().to_vec());
    }
    let mut columns = batch.columns().to_vec();
    columns.push(match table.name == LEDGER.name {
        true => new_null_array(&DataType::Int64, batch.num_rows()),
        false => constant_text(run, batch.num_rows()),
    });
    table.batch(columns)
}

/// Returns the length and the CRC32C of a file.
///
/// # Errors
/// If the file cannot be read.
pub fn checksum(path: &Path) -> io::Result<(u64, u32)> {
    let mut file = BufReader::with_capacity(0, File::open(path)?);
    let (mut buffer, mut bytes, mut crc) = (vec![0; 1 << 18], 0, 0);
    loop {
        let read = match file.read(&mut buffer) {
            Ok(0) => return Ok((bytes, crc)),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        bytes += read as u64;
        crc = crc32c::crc32c_append(crc, &buffer[..read]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::test_rows::quotes;
    use crate::table::{STATUS, TableWriter, Written};

    fn written(path: &Path, batch: &RecordBatch) -> Written {
        let mut writer = TableWriter::create(path, &QUOTES, Metadata::new()).unwrap();
        writer.write(batch).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn rows_come_back_and_the_file_is_the_one_that_was_counted() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a.parquet");
        let batch = quotes(&[1, 2, 3]);
        let Written { rows, bytes, crc, digest: expected } = written(&path, &batch);
        assert_eq!(rows, 3);
        assert_eq!(checksum(&path).unwrap(), (bytes, crc));
        let footer = Footer::read(&path, &QUOTES).unwrap();
        assert_eq!((footer.first, footer.last, footer.numbers), (Some(1), Some(3), Some((3, 9))));
        let columns = ["JournalSequence", "Flags"];
        let some = ColumnsReader::open(&path, &QUOTES, &columns, 2).unwrap();
        let some: Vec<_> = some.map(Result::unwrap).collect();
        let whole = batch.project(&[7, 8]).unwrap();
        assert_eq!(some, [whole.slice(0, 2), whole.slice(2, 1)]);
        let reader = TableReader::open(&path, &QUOTES).unwrap();
        assert_eq!(reader.metadata()["table"], "quotes");
        let read: Vec<_> = reader.map(Result::unwrap).collect();
        assert_eq!(read, [batch]);
        assert_eq!(digest(&read[0]), expected);
        assert!(matches!(TableReader::open(&path, &STATUS), Err(TableError::Foreign { .. })));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_gives_an_error_or_another_checksum() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a.parquet");
        let sound = written(&path, &quotes(&[1, 2, 3]));
        let bytes = std::fs::read(&path).unwrap();
        let read = || -> Result<u64, TableError> {
            let reader = TableReader::open(&path, &QUOTES)?;
            reader.map(|batch| batch.map(|b| digest(&b))).sum()
        };
        for bit in (0..bytes.len() * 8).step_by(61) {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &damaged).unwrap();
            assert_ne!(checksum(&path).unwrap().1, sound.crc, "bit {bit}");
            // Reading may fail or give other rows; it must come back.
            drop(read());
        }
        for cut in 0..bytes.len() {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            assert!(read().is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn later_versions_and_foreign_files_are_refused_by_name() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a.parquet");
        std::fs::write(&path, "PAR1 and nothing else").unwrap();
        assert!(matches!(TableReader::open(&path, &QUOTES), Err(TableError::Parquet { .. })));
        let metadata = |version: &str| Metadata::from([("format".to_owned(), version.to_owned())]);
        let refused = check_format(&path, &QUOTES, &metadata("4")).unwrap_err().to_string();
        assert!(refused.contains("version 4"), "{refused}");
        assert!(check_format(&path, &QUOTES, &Metadata::new()).is_err());
        assert_eq!(check_format(&path, &QUOTES, &metadata("1")).unwrap(), 1);
        assert!(check_format(&path, &STATUS, &metadata("1")).is_err());
    }
}
