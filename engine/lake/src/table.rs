//! A Parquet file of the lake: which columns each table has, its writer, its reader, and the digest
//! by which rows are recognised wherever they lie.
//!
//! Every table has a `Timestamp` and is sorted by it. The digest of rows is the wrapping sum of one
//! 64-bit hash for each row over all its columns: it does not depend on the order of the rows or on
//! the files that they are spread over, so that what was journalled can be compared with what is in
//! the lake after any number of merges. `docs/formats.md` has the columns. It must not know records,
//! segments or who writes.

use crate::lake;
use arrow_array::builder::StringDictionaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float64Type, Int32Type, Int64Type, TimestampNanosecondType, UInt8Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Int32Array, RecordBatch, StringArray, UInt32Array,
};
use arrow_buffer::NullBuffer;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
pub use order::SortKeys;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, ParquetMetaData, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnPath;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod order;

/// Version of the columns and metadata that this code writes; it reads this one and those before.
pub const VERSION: u32 = 2;

/// Rows are handed to and from the Parquet library in batches of this many.
pub const BATCH_ROWS: usize = 65_536;

/// A value that no column holds, in the place of one that is absent.
const ABSENT: u64 = 0x9E37_79B9_7F4A_7C15;

/// One kind of rows: its columns, and where its files lie.
#[derive(Debug)]
pub struct Table {
    /// As the metadata calls it.
    pub name: &'static str,
    /// The folder of the lake; empty for quotes, which lie under `exchange=`.
    pub folder: &'static str,
    /// What breaks ties of `Timestamp` when rows are sorted.
    order: &'static [&'static str],
    columns: &'static [(&'static str, Type, Null)],
}

/// What a column holds.
#[derive(Clone, Copy, Debug)]
enum Type {
    Time,
    Float,
    Signed,
    Unsigned,
    Byte,
    Text,
}

/// Whether a value may be absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Null {
    Never,
    Possible,
}

use Null::{Never, Possible};
use Type::{Byte, Float, Signed, Text, Time, Unsigned};

/// Every quote.
pub const QUOTES: Table = Table {
    name: "quotes",
    folder: "",
    order: &["Run", "JournalSequence"],
    columns: &[
        ("Timestamp", Time, Never),
        ("BestBid", Float, Possible),
        ("BestAsk", Float, Possible),
        ("BestBidSize", Float, Possible),
        ("BestAskSize", Float, Possible),
        ("EventTime", Time, Possible),
        ("Sequence", Unsigned, Possible),
        ("JournalSequence", Signed, Never),
        ("Flags", Byte, Never),
        ("Run", Text, Never),
    ],
};

/// Every change of state of a (venue, instrument).
pub const STATUS: Table = Table {
    name: "status",
    folder: lake::STATUS,
    order: &["Run", "JournalSequence"],
    columns: &[
        ("Timestamp", Time, Never),
        ("Venue", Text, Never),
        ("Instrument", Text, Never),
        ("State", Text, Never),
        ("Previous", Text, Never),
        ("Reason", Text, Never),
        ("JournalSequence", Signed, Never),
        ("Run", Text, Never),
    ],
};

/// Spreads above the configured threshold.
pub const SPREADS: Table = Table {
    name: "spreads",
    folder: lake::SPREADS,
    order: &["Run", "JournalSequence", "BuyVenue", "SellVenue"],
    columns: &[
        ("Timestamp", Time, Never),
        ("Instrument", Text, Never),
        ("BuyVenue", Text, Never),
        ("SellVenue", Text, Never),
        ("BuyPrice", Float, Never),
        ("SellPrice", Float, Never),
        ("BuySize", Float, Never),
        ("SellSize", Float, Never),
        ("NetBps", Float, Never),
        ("JournalSequence", Signed, Never),
        ("Run", Text, Never),
    ],
};

/// Opportunities, a row when one opens and a row when it closes.
pub const OPPORTUNITIES: Table = Table {
    name: "opportunities",
    folder: lake::OPPORTUNITIES,
    order: &["Run", "Id", "Event"],
    columns: &[
        ("Timestamp", Time, Never),
        ("Event", Text, Never),
        ("Id", Signed, Never),
        ("Instrument", Text, Never),
        ("BuyVenue", Text, Never),
        ("SellVenue", Text, Never),
        ("BuyPrice", Float, Possible),
        ("SellPrice", Float, Possible),
        ("BuySize", Float, Possible),
        ("SellSize", Float, Possible),
        ("NetBps", Float, Never),
        ("OpenedAt", Time, Never),
        ("PeakNetBps", Float, Possible),
        ("PeakAt", Time, Possible),
        ("Updates", Signed, Possible),
        ("Reason", Text, Possible),
        ("Run", Text, Never),
    ],
};

/// The completeness ledger.
pub const LEDGER: Table = Table {
    name: "ledger",
    folder: lake::LEDGER,
    order: &["Run", "Kind", "Segment"],
    columns: &[
        ("Timestamp", Time, Never),
        ("Kind", Text, Never),
        ("Run", Text, Possible),
        ("Segment", Signed, Possible),
        ("Table", Text, Possible),
        ("Folder", Text, Possible),
        ("File", Text, Possible),
        ("Venue", Text, Possible),
        ("Instrument", Text, Possible),
        ("First", Signed, Possible),
        ("Last", Signed, Possible),
        ("Rows", Signed, Possible),
        ("Bytes", Signed, Possible),
        ("Digest", Unsigned, Possible),
        ("Until", Time, Possible),
        ("Cause", Text, Possible),
    ],
};

/// All tables.
pub const TABLES: [&Table; 5] = [&QUOTES, &STATUS, &SPREADS, &OPPORTUNITIES, &LEDGER];

/// What came of writing a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Rows.
    pub rows: u64,
    /// Length of the file.
    pub bytes: u64,
    /// CRC32C of the file.
    pub crc: u32,
    /// [`digest`] of its rows.
    pub digest: u64,
}

/// Text by key in a file's footer, without the `spreadwire.` before each key.
pub type Metadata = BTreeMap<String, String>;

/// Why a file of the lake cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The operating system refused.
    #[error("cannot {doing} {path}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Its answer.
        #[source]
        source: io::Error,
    },
    /// The Parquet library refused: on reading, the file is damaged or no Parquet at all.
    #[error("cannot {doing} {path}")]
    Parquet {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Its answer.
        #[source]
        source: ParquetError,
    },
    /// Parquet, but not of this lake.
    #[error("{path} is not a file of this lake: {why}")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What gave it away.
        why: String,
    },
    /// Written by a later version.
    #[error("{path} has format version {version}; this build reads versions 1 to {VERSION}")]
    UnknownVersion {
        /// The file.
        path: PathBuf,
        /// The version found.
        version: String,
    },
}

impl Table {
    /// The table whose files lie in a folder, given from the lake's top.
    #[must_use]
    pub fn of_folder(folder: &Path) -> Option<&'static Table> {
        let first = folder.iter().next()?.to_str()?;
        if first.starts_with("exchange=") {
            return Some(&QUOTES);
        }
        TABLES.into_iter().find(|table| !table.folder.is_empty() && table.folder == first)
    }

    /// The table of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Table> {
        TABLES.into_iter().find(|table| table.name == name)
    }

    /// Its columns as batches have them; text is by dictionary.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        let field = |(name, of, null): &(&str, Type, Null)| {
            let of = match of {
                Time => DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
                Float => DataType::Float64,
                Signed => DataType::Int64,
                Unsigned => DataType::UInt64,
                Byte => DataType::UInt8,
                Text => DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into()),
            };
            Field::new(*name, of, *null == Possible)
        };
        Arc::new(Schema::new(self.columns.iter().map(field).collect::<Vec<_>>()))
    }

    /// A batch of columns in the order of the [`schema`](Table::schema); text may be plain.
    ///
    /// # Errors
    /// If they do not fit it.
    pub fn batch(&self, columns: Vec<ArrayRef>) -> Result<RecordBatch, ArrowError> {
        let schema = self.schema();
        let by_dictionary = |column: ArrayRef| match column.as_string_opt::<i32>() {
            Some(texts) => text_column(texts),
            None => column,
        };
        RecordBatch::try_new(schema, columns.into_iter().map(by_dictionary).collect())
    }

    /// All rows in one batch, in the table's order.
    ///
    /// # Errors
    /// If the batches are not of this table.
    pub fn sorted(&self, batches: &[RecordBatch]) -> Result<RecordBatch, ArrowError> {
        let all = concat_batches(&self.schema(), batches)?;
        let places = self.sort_keys(&all)?.sorted_places()?;
        take_record_batch(&all, &UInt32Array::from(places))
    }

    /// Returns what the rows of a batch of this table are sorted by.
    ///
    /// # Errors
    /// If the batch is not of this table.
    pub fn sort_keys(&self, batch: &RecordBatch) -> Result<SortKeys, ArrowError> {
        SortKeys::new(batch, self.sorted_by())
    }

    /// The columns by which rows are sorted, `Timestamp` first.
    pub fn sorted_by(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once("Timestamp").chain(self.order.iter().copied())
    }

    fn properties(&self, metadata: &Metadata) -> Result<WriterProperties, ParquetError> {
        let by_time = SortingColumn { column_idx: 0, descending: false, nulls_first: false };
        let pairs = metadata.iter();
        let pairs =
            pairs.map(|(key, value)| KeyValue::new(format!("spreadwire.{key}"), value.clone()));
        let mut properties = WriterProperties::builder()
            .set_created_by(format!("spreadwire lake {VERSION}"))
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_sorting_columns(Some(vec![by_time]))
            .set_key_value_metadata(Some(pairs.collect()));
        for (name, of, _) in self.columns {
            if matches!(of, Time | Signed | Unsigned) {
                let column = ColumnPath::from(*name);
                // NB: while a column has a dictionary, its encoding is only what follows a full one.
                properties = properties
                    .set_column_dictionary_enabled(column.clone(), false)
                    .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
            }
        }
        // What differs from row to row compresses better in large pages and takes no dictionary:
        // `benches/lake_layouts.rs` has the figures.
        for (name, of, _) in self.columns {
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
        // Readers that look for a time find the page.
        let time = ColumnPath::from("Timestamp");
        Ok(properties.set_column_statistics_enabled(time, EnabledStatistics::Page).build())
    }
}

/// A file that is being written. It is synced when it is finished; the name is the caller's matter.
#[derive(Debug)]
pub struct TableWriter {
    path: PathBuf,
    writer: ArrowWriter<Checked>,
    rows: u64,
    digest: u64,
}

impl TableWriter {
    /// Begins a file, over one that was there. `format` and `table` are added to the metadata.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn create(path: &Path, table: &Table, mut metadata: Metadata) -> Result<Self, TableError> {
        let parquet = |source| parquet_error("write", path, source);
        metadata.insert("format".to_owned(), VERSION.to_string());
        metadata.insert("table".to_owned(), table.name.to_owned());
        let file = File::create(path).map_err(|source| io_error("create", path, source))?;
        let checked = Checked { file, bytes: 0, crc: 0 };
        let options = ArrowWriterOptions::new()
            .with_properties(table.properties(&metadata).map_err(parquet)?)
            // Other readers need not know that text came by dictionary.
            .with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(checked, table.schema(), options);
        let writer = writer.map_err(parquet)?;
        Ok(TableWriter { path: path.to_owned(), writer, rows: 0, digest: 0 })
    }

    /// Appends rows.
    ///
    /// # Errors
    /// If they do not fit the table or cannot be written.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), TableError> {
        self.writer.write(batch).map_err(|source| parquet_error("write", &self.path, source))?;
        self.rows += batch.num_rows() as u64;
        self.digest = self.digest.wrapping_add(digest(batch));
        Ok(())
    }

    /// Writes the footer and makes the content survive a power cut.
    ///
    /// # Errors
    /// If that fails.
    pub fn finish(self) -> Result<Written, TableError> {
        let TableWriter { path, writer, rows, digest } = self;
        let checked =
            writer.into_inner().map_err(|source| parquet_error("write", &path, source))?;
        let Checked { file, bytes, crc } = checked;
        file.sync_all().map_err(|source| io_error("sync", &path, source))?;
        Ok(Written { rows, bytes, crc, digest })
    }
}

/// A file that knows what went into it.
#[derive(Debug)]
struct Checked {
    file: File,
    bytes: u64,
    crc: u32,
}

impl Write for Checked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.crc = crc32c::crc32c_append(self.crc, &bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The rows of a file, batch by batch, with the columns of the present version.
#[derive(Debug)]
pub struct TableReader {
    path: PathBuf,
    table: &'static Table,
    metadata: Metadata,
    rows: u64,
    batches: ParquetRecordBatchReader,
}

impl TableReader {
    /// Opens a file that should be of `table`.
    ///
    /// # Errors
    /// If it is damaged, not of this lake or table, or of a later version.
    pub fn open(path: &Path, table: &'static Table) -> Result<TableReader, TableError> {
        let file = File::open(path).map_err(|source| io_error("open", path, source))?;
        guarded("read", path, || {
            let plain = ParquetRecordBatchReaderBuilder::try_new(file.try_clone()?)?;
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
                ParquetRecordBatchReaderBuilder::try_new_with_options(file, options)?
                    .with_batch_size(BATCH_ROWS)
                    .build()
            })?;
            Ok(TableReader { path: path.to_owned(), table, metadata, rows, batches })
        })
    }

    /// The footer's text.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Rows as the footer counts them.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Reads to the end: how many rows there are, and their digest.
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

/// What a file says of itself, without a row being read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footer {
    /// The footer's text.
    pub metadata: Metadata,
    /// Rows as the footer counts them.
    pub rows: u64,
    /// The first time, by the statistics.
    pub first: Option<u64>,
    /// The last time, by the statistics.
    pub last: Option<u64>,
}

impl Footer {
    /// Reads the footer of a file that should be of `table`.
    ///
    /// # Errors
    /// As [`TableReader::open`].
    pub fn read(path: &Path, table: &Table) -> Result<Footer, TableError> {
        let file = File::open(path).map_err(|source| io_error("open", path, source))?;
        let parquet = guarded("read", path, || {
            Ok(ParquetRecordBatchReaderBuilder::try_new(file)?.metadata().as_ref().clone())
        })?;
        let metadata = metadata_of(&parquet);
        check_format(path, table, &metadata)?;
        let rows = parquet.file_metadata().num_rows().cast_unsigned();
        let times = parquet.row_groups().iter().filter_map(|group| {
            let Statistics::Int64(times) = group.columns().first()?.statistics()? else {
                return None;
            };
            Some((times.min_opt()?.cast_unsigned(), times.max_opt()?.cast_unsigned()))
        });
        let (firsts, lasts): (Vec<_>, Vec<_>) = times.unzip();
        let (first, last) = (firsts.into_iter().min(), lasts.into_iter().max());
        Ok(Footer { metadata, rows, first, last })
    }
}

fn metadata_of(parquet: &ParquetMetaData) -> Metadata {
    let pairs = parquet.file_metadata().key_value_metadata().into_iter().flatten();
    let own = pairs.filter_map(|pair| {
        let key = pair.key.strip_prefix("spreadwire.")?;
        Some((key.to_owned(), pair.value.clone()?))
    });
    let mut metadata: Metadata = own.collect();
    // Version 1 had one part in each file, and said so by other keys.
    let of_old = || Some(format!("{}:{}:?", metadata.get("run")?, metadata.get("segment")?));
    if !metadata.contains_key("parts")
        && let Some(part) = of_old()
    {
        metadata.insert("parts".to_owned(), part);
    }
    metadata
}

/// Which version the file is of, if it is one of ours.
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
    // Version 1 had quotes alone, and did not say so.
    let name = metadata.get("table").map_or(QUOTES.name, String::as_str);
    if name != table.name {
        return Err(foreign(format!("it holds {name} where {} lie", table.name)));
    }
    Ok(known)
}

/// The columns that a version had.
fn columns_of(version: u32, table: &Table) -> SchemaRef {
    let schema = table.schema();
    if 1 < version {
        return schema;
    }
    let fields = schema.fields().iter().filter(|field| field.name() != "Run").cloned();
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

/// A batch with the columns of the present version: version 1 had the run in the footer alone.
fn upgraded(batch: &RecordBatch, table: &Table, run: &str) -> Result<RecordBatch, ArrowError> {
    let schema = table.schema();
    if batch.num_columns() == schema.fields().len() {
        // The reader's fields may differ in what they say of nulls.
        return RecordBatch::try_new(schema, batch.columns().to_vec());
    }
    let mut columns = batch.columns().to_vec();
    columns.push(constant_text(run, batch.num_rows()));
    table.batch(columns)
}

/// A column that has the same text in every row.
#[must_use]
pub fn constant_text(text: &str, rows: usize) -> ArrayRef {
    let keys = Int32Array::from_value(0, rows);
    let values = Arc::new(StringArray::from(vec![text]));
    Arc::new(DictionaryArray::<Int32Type>::new(keys, values))
}

/// A column of text, by dictionary as batches have it.
#[must_use]
pub fn text_column<T: AsRef<str>>(texts: impl IntoIterator<Item = Option<T>>) -> ArrayRef {
    let mut builder = StringDictionaryBuilder::<Int32Type>::new();
    texts.into_iter().for_each(|text| builder.append_option(text));
    Arc::new(builder.finish())
}

/// The digest of a batch: the wrapping sum of its rows' hashes.
#[must_use]
pub fn digest(batch: &RecordBatch) -> u64 {
    row_hashes(batch).into_iter().fold(0, u64::wrapping_add)
}

/// A hash for each row, over the columns in their order.
#[must_use]
pub fn row_hashes(batch: &RecordBatch) -> Vec<u64> {
    let mut rows = vec![0; batch.num_rows()];
    batch.columns().iter().for_each(|column| mix_in(&mut rows, column));
    rows
}

/// Takes a column into the hash of each row.
#[expect(clippy::wildcard_enum_match_arm, reason = "tables have no columns of other types")]
fn mix_in(rows: &mut [u64], column: &ArrayRef) {
    let nulls = column.logical_nulls();
    let nulls = nulls.as_ref();
    match column.data_type() {
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            let values = column.as_primitive::<TimestampNanosecondType>().values();
            mix_values(rows, values.iter().map(|v| v.cast_unsigned()), nulls);
        }
        DataType::Int64 => {
            let values = column.as_primitive::<Int64Type>().values();
            mix_values(rows, values.iter().map(|v| v.cast_unsigned()), nulls);
        }
        DataType::UInt64 => {
            let values = column.as_primitive::<UInt64Type>().values();
            mix_values(rows, values.iter().copied(), nulls);
        }
        DataType::Float64 => {
            let values = column.as_primitive::<Float64Type>().values();
            mix_values(rows, values.iter().map(|v| v.to_bits()), nulls);
        }
        DataType::UInt8 => {
            let values = column.as_primitive::<UInt8Type>().values();
            mix_values(rows, values.iter().map(|v| u64::from(*v)), nulls);
        }
        _ => mix_texts(rows, column, nulls),
    }
}

fn mix_texts(rows: &mut [u64], column: &ArrayRef, nulls: Option<&NullBuffer>) {
    let dictionary = column.as_dictionary::<Int32Type>();
    let texts = dictionary.values().as_string::<i32>();
    let hashes: Vec<u64> = (0..texts.len()).map(|at| text_hash(texts.value(at))).collect();
    // The key of an absent value means nothing.
    let hash = |key: &i32| usize::try_from(*key).ok().and_then(|key| hashes.get(key)).copied();
    let keys = dictionary.keys().values().iter();
    mix_values(rows, keys.map(|key| hash(key).unwrap_or(ABSENT)), nulls);
}

fn mix_values(rows: &mut [u64], values: impl Iterator<Item = u64>, nulls: Option<&NullBuffer>) {
    let Some(nulls) = nulls.filter(|nulls| 0 < nulls.null_count()) else {
        return rows.iter_mut().zip(values).for_each(|(row, value)| *row = mixed(*row ^ value));
    };
    for ((row, value), valid) in rows.iter_mut().zip(values).zip(nulls) {
        *row = mixed(*row ^ if valid { value } else { ABSENT });
    }
}

/// Eight bytes at a time, the last ones filled with zeros, after the length.
fn text_hash(text: &str) -> u64 {
    text.as_bytes().chunks(8).fold(text.len() as u64, |hash, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mixed(hash ^ u64::from_le_bytes(word))
    })
}

/// The finaliser of `SplitMix64` (Steele, Lea and Flood 2014), with its increment.
fn mixed(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Length and CRC32C of a file.
///
/// # Errors
/// Of the operating system.
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

/// The Parquet library panics on some damaged files: that is one more way of refusing.
fn guarded<T>(
    doing: &'static str,
    path: &Path,
    read: impl FnOnce() -> Result<T, ParquetError>,
) -> Result<T, TableError> {
    let result = catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        Err(ParquetError::General("the Parquet library gave up on it".to_owned()))
    });
    result.map_err(|source| parquet_error(doing, path, source))
}

/// An error of the operating system on a file of the lake.
#[must_use]
pub fn io_error(doing: &'static str, path: &Path, source: io::Error) -> TableError {
    TableError::Io { doing, path: path.to_owned(), source }
}

fn parquet_error(doing: &'static str, path: &Path, source: ParquetError) -> TableError {
    TableError::Parquet { doing, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{
        Float64Array, Int64Array, TimestampNanosecondArray, UInt8Array, UInt64Array,
    };

    fn quotes(times: &[i64]) -> RecordBatch {
        let rows = times.len();
        let float = |absent: usize| -> ArrayRef {
            Arc::new((0..rows).map(|r| (r != absent).then_some(0.5)).collect::<Float64Array>())
        };
        let time = |times: &[i64]| -> ArrayRef {
            Arc::new(TimestampNanosecondArray::from(times.to_vec()).with_timezone("UTC"))
        };
        let numbers: Vec<i64> = times.iter().map(|t| t * 3).collect();
        QUOTES
            .batch(vec![
                time(times),
                float(0),
                float(1),
                float(2),
                float(9),
                time(times),
                Arc::new(UInt64Array::from(vec![Some(7); rows])),
                Arc::new(Int64Array::from(numbers)),
                Arc::new(UInt8Array::from(vec![3; rows])),
                constant_text("run-1", rows),
            ])
            .unwrap()
    }

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
        let reader = TableReader::open(&path, &QUOTES).unwrap();
        assert_eq!(reader.metadata()["table"], "quotes");
        let read: Vec<_> = reader.map(Result::unwrap).collect();
        assert_eq!(read, [batch]);
        assert_eq!(digest(&read[0]), expected);
        assert!(matches!(TableReader::open(&path, &STATUS), Err(TableError::Foreign { .. })));
    }

    #[test]
    fn the_digest_knows_every_value_but_not_the_order() {
        let batch = quotes(&[1, 2, 3]);
        let turned = QUOTES.sorted(&[quotes(&[3]), batch.slice(0, 2)]).unwrap();
        assert_eq!(turned.num_rows(), 3);
        let parts = [batch.slice(2, 1), batch.slice(0, 2)];
        let sum = parts.iter().map(digest).fold(0, u64::wrapping_add);
        assert_eq!(sum, digest(&batch));
        for column in 0..batch.num_columns() {
            // Each column on its own has its part in the hash.
            let mut columns = batch.columns().to_vec();
            let first = columns[column].slice(0, 1);
            let rest = columns[column].slice(1, 1);
            columns[column] =
                arrow_select::concat::concat(&[rest.as_ref(), first.as_ref(), first.as_ref()])
                    .unwrap();
            let changed = columns[column].as_ref() != batch.column(column).as_ref();
            let other = RecordBatch::try_new(QUOTES.schema(), columns).unwrap();
            assert_eq!(digest(&other) != digest(&batch), changed, "column {column}");
        }
    }

    #[test]
    fn the_hash_of_a_row_is_part_of_the_format() {
        assert_eq!(mixed(0), 0xE220_A839_7B1D_CDAF, "SplitMix64 from seed 0");
        assert_eq!(text_hash(""), 0);
        assert_eq!(text_hash("a"), mixed(1 ^ 0x61));
        assert_ne!(text_hash("a"), text_hash("a\0"));
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
        let refused = check_format(&path, &QUOTES, &metadata("3")).unwrap_err().to_string();
        assert!(refused.contains("version 3"), "{refused}");
        assert!(check_format(&path, &QUOTES, &Metadata::new()).is_err());
        assert_eq!(check_format(&path, &QUOTES, &metadata("1")).unwrap(), 1);
        assert!(check_format(&path, &STATUS, &metadata("1")).is_err());
    }

    #[test]
    fn folders_tell_their_tables() {
        for (folder, table) in [
            ("exchange=okx/symbol=A#B/date=2024-08-08/hour=23", Some("quotes")),
            ("status/date=2024-08-08", Some("status")),
            ("ledger/date=2024-08-08", Some("ledger")),
            ("journal", None),
            ("", None),
        ] {
            let found = Table::of_folder(Path::new(folder)).map(|table| table.name);
            assert_eq!(found, table, "{folder:?}");
        }
        assert!(TABLES.iter().all(|t| Table::named(t.name).is_some_and(|n| n.name == t.name)));
    }
}
