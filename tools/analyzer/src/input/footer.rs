//! A file's footer: whether the file holds quotes, and what is known of each row group without
//! reading it.

use super::aliases;
use super::fixed::Fixed;
use super::guarded::guarded;
use super::proof::{self, Prices};
use super::selection::{COLUMNS, Column, TimeUnit};
use super::unit::{QuoteFile, modified_ns};
use crate::report::Problem;
use arrow::datatypes::DataType;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::Compression;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::file::statistics::Statistics;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How to read a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// Unit of times that are numbers and whose column does not say it.
    pub(super) time_unit: Option<TimeUnit>,
    /// The only times to read, from a time to one after it, in ns; `None` for all.
    pub(super) within: Option<(i64, i64)>,
}

/// What a file says about itself.
#[derive(Debug)]
pub(super) struct Footer {
    /// Path below the lake.
    pub(super) name: String,
    pub(super) path: PathBuf,
    stamp: (u64, i64),
    pub(super) metadata: ArrowReaderMetadata,
    /// Where each usable column is, among the file's top-level columns and among the chunks of a
    /// row group.
    places: Vec<(Column, Place)>,
    /// The only times to read.
    pub(super) within: Option<(i64, i64)>,
    /// The row groups that are not empty, and may have such times, in order.
    pub(super) groups: Vec<Group>,
    /// Columns that are ignored because of their type.
    pub(super) problems: Vec<Problem>,
}

/// Where a column is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Index among the columns of the file's Arrow schema.
    pub(super) field: usize,
    /// Index among the chunks of a row group.
    pub(super) leaf: usize,
    pub(super) form: Form,
}

/// How the values of a column are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// By a type that says what they are.
    Plain,
    /// Times as numbers of this unit since 1970.
    Epoch(TimeUnit),
    /// Fixed-point numbers.
    Fixed(Fixed),
}

/// What is known of a row group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    /// Number of the row group in the file.
    pub(super) number: usize,
    pub(super) rows: usize,
    /// First and last time according to the statistics, in ns.
    pub(super) span: Option<(i64, i64)>,
    /// Whether the footer declares that it is sorted by time.
    pub(super) is_sorted: bool,
    /// What is proved about its asks.
    pub(super) asks: Prices,
}

impl Footer {
    /// Reads the footer of a file of quotes.
    ///
    /// # Errors
    /// Returns a description of why the file cannot be used.
    pub(super) fn read(lake: &Path, file: &QuoteFile, reading: Reading) -> Result<Footer, String> {
        let path = lake.join(&file.path);
        let stamp = (file.bytes, file.modified_ns);
        let opened = open(&path, stamp)?;
        if file.bytes == 0 {
            return Err("is empty".to_owned());
        }
        // Types are taken from Parquet alone. What Arrow's writers note beside it only adds
        // variants.
        let plain = || ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let plain = guarded(|| ArrowReaderMetadata::load(&opened, plain()))
            .map_err(|error| format!("damaged, or not a Parquet file: {error}"))?;
        let metadata = Arc::clone(plain.metadata());
        // Parquet has no type for seconds: only Arrow's notes say that such numbers are times.
        let noted = || {
            let noted = ArrowReaderOptions::new();
            let noted = guarded(|| ArrowReaderMetadata::try_new(metadata, noted)).ok()?;
            Footer::of(file, path.clone(), noted, reading).ok()
        };
        if has_numbers_for_times(&plain)
            && let Some(footer) = noted()
        {
            return Ok(footer);
        }
        Footer::of(file, path.clone(), plain, reading)
    }

    fn of(
        file: &QuoteFile,
        path: PathBuf,
        metadata: ArrowReaderMetadata,
        reading: Reading,
    ) -> Result<Footer, String> {
        is_of_one_instrument(&metadata)?;
        let (places, problems) = places(&file.path, &metadata, reading.time_unit)?;
        let mut footer = Footer {
            name: file.path.clone(),
            path,
            stamp: (file.bytes, file.modified_ns),
            metadata,
            places,
            within: reading.within,
            groups: Vec::new(),
            problems,
        };
        let is_own = proof::is_own(footer.metadata.metadata());
        let groups = footer.metadata.metadata().row_groups();
        let groups = groups.iter().enumerate();
        let groups = groups.map(|(number, group)| footer.group(number, group, is_own));
        let groups: Result<Vec<_>, _> = groups.collect();
        footer.groups = groups?;
        footer.groups.retain(|group| 0 < group.rows);
        if footer.groups.is_empty() {
            return Err("has no rows".to_owned());
        }
        if let Some((start, end)) = reading.within {
            let is_within = |group: &Group| group.span.is_none_or(|of| of.0 < end && start <= of.1);
            footer.groups.retain(is_within);
            let spans = footer.groups.iter_mut().filter_map(|group| group.span.as_mut());
            spans.for_each(|span| *span = (span.0.max(start), span.1.min(end - 1)));
        }
        Ok(footer)
    }

    fn group(
        &self,
        number: usize,
        group: &RowGroupMetaData,
        is_own: bool,
    ) -> Result<Group, String> {
        let rows = usize::try_from(group.num_rows());
        let rows =
            rows.map_err(|_| "damaged: a row group has a negative number of rows".to_owned())?;
        let chunk = |column| {
            let place = self.place(column)?;
            Some((place.form, group.columns().get(place.leaf)?))
        };
        let (Some((form, time)), Some(ask)) = (chunk(Column::Time), chunk(Column::Ask)) else {
            return Err("damaged: a row group lacks columns".to_owned());
        };
        let used = self.places.iter().filter_map(|(_, place)| group.columns().get(place.leaf));
        let mut unread = used.filter_map(|chunk| unread_codec(chunk.compression()));
        if let Some(codec) = unread.next() {
            return Err(format!("is compressed with {codec}, which is not supported"));
        }
        let time_at = self.place(Column::Time).and_then(|place| i32::try_from(place.leaf).ok());
        let first_key = group.sorting_columns().and_then(|columns| columns.first());
        let is_sorted =
            first_key.is_some_and(|key| Some(key.column_idx) == time_at && !key.descending);
        Ok(Group {
            number,
            rows,
            span: self.data_type(Column::Time).and_then(|of| span(time, of, form)),
            is_sorted,
            asks: match ask {
                (Form::Plain, chunk) => proof::of(chunk, is_own),
                (Form::Epoch(_) | Form::Fixed(_), _) => Prices::Unknown,
            },
        })
    }

    /// Returns where a column is, if the file has it.
    pub(super) fn place(&self, column: Column) -> Option<Place> {
        self.places.iter().find(|(of, _)| *of == column).map(|(_, place)| *place)
    }

    /// Returns a column's name in the file, if it has it.
    pub(super) fn name_of(&self, column: Column) -> Option<&str> {
        let place = self.place(column)?;
        Some(self.metadata.schema().field(place.field).name())
    }

    /// Returns the chunk of a column in a row group, if the file has it.
    pub(super) fn chunk(&self, column: Column, group: &Group) -> Option<&ColumnChunkMetaData> {
        let place = self.place(column)?;
        self.metadata.metadata().row_groups().get(group.number)?.columns().get(place.leaf)
    }

    fn data_type(&self, column: Column) -> Option<&DataType> {
        let place = self.place(column)?;
        Some(self.metadata.schema().field(place.field).data_type())
    }

    /// Opens the file again. A file that was replaced in the meantime is refused.
    pub(super) fn open(&self) -> Result<File, String> {
        open(&self.path, self.stamp)
    }
}

fn open(path: &Path, stamp: (u64, i64)) -> Result<File, String> {
    let cannot = |error| format!("cannot be read: {error}");
    let file = File::open(path).map_err(cannot)?;
    let of = file.metadata().map_err(cannot)?;
    if (of.len(), modified_ns(&of)) != stamp {
        return Err("has changed since it was found".to_owned());
    }
    Ok(file)
}

/// Returns the name of a codec that this build does not include; quotes rarely use these.
fn unread_codec(codec: Compression) -> Option<&'static str> {
    match codec {
        Compression::BROTLI(_) => Some("Brotli"),
        Compression::LZO => Some("LZO"),
        Compression::UNCOMPRESSED
        | Compression::SNAPPY
        | Compression::GZIP(_)
        | Compression::LZ4
        | Compression::LZ4_RAW
        | Compression::ZSTD(_) => None,
    }
}

/// The usable columns, and the problems of those that are ignored.
type Places = (Vec<(Column, Place)>, Vec<Problem>);

fn places(
    name: &str,
    metadata: &ArrowReaderMetadata,
    time_unit: Option<TimeUnit>,
) -> Result<Places, String> {
    let (mut places, mut problems) = (Vec::new(), Vec::new());
    let fields = metadata.schema().fields();
    let mut names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
    let mut time_form = None;
    for column in COLUMNS {
        let Some(field) = aliases::find(column, &names) else {
            if column.is_required() {
                return Err(format!("has no column {}", column.name()));
            }
            continue;
        };
        // A file may have one column for two purposes; the first one has it.
        let found = (std::mem::take(&mut names[field]), fields[field].data_type());
        let given = if column == Column::EventTime { time_form.or(time_unit) } else { time_unit };
        match form(column, found, metadata.metadata(), given).and_then(|form| {
            let leaf = leaf_of(metadata, field);
            leaf.map(|leaf| Place { field, leaf, form }).ok_or_else(|| unsupported(found))
        }) {
            Ok(place) => {
                if let (Column::Time, Form::Epoch(unit)) = (column, place.form) {
                    time_form = Some(unit);
                }
                places.push((column, place));
            }
            Err(what) if column.is_required() => return Err(what),
            Err(what) => {
                let what = format!("{what} and is ignored");
                problems.push(Problem { subject: name.to_owned(), what, left_out: false });
            }
        }
    }
    Ok((places, problems))
}

/// Returns how a column's values are stored.
///
/// # Errors
/// Returns a description of why they cannot be used.
fn form(
    column: Column,
    (name, of): (&str, &DataType),
    metadata: &Arc<ParquetMetaData>,
    time_unit: Option<TimeUnit>,
) -> Result<Form, String> {
    if column.is_time() && is_number(of) {
        let unit = aliases::unit_of(name, of.is_floating(), time_unit).ok_or_else(|| {
            format!(
                "its column {name} has times as numbers of a unit that it does not say: give \
                 --time-unit s, ms, us or ns"
            )
        })?;
        return Ok(Form::Epoch(unit));
    }
    let is_fixed = matches!(of, DataType::FixedSizeBinary(_));
    if is_fixed || matches!(of, DataType::Int64 | DataType::UInt64) {
        let key = match column {
            Column::Bid | Column::Ask => "price_precision",
            Column::BidSize | Column::AskSize => "size_precision",
            Column::Time | Column::EventTime | Column::Flags => "",
        };
        let precision = noted(metadata, key).and_then(|text| text.parse().ok());
        match precision.and_then(|precision| Fixed::of(of, precision)) {
            Some(fixed) => return Ok(Form::Fixed(fixed)),
            None if is_fixed && !key.is_empty() => {
                return Err(format!(
                    "its column {name} has fixed-point numbers, and its metadata does not say their \
                     {key}"
                ));
            }
            None => {}
        }
    }
    if column.takes(of) { Ok(Form::Plain) } else { Err(unsupported((name, of))) }
}

fn unsupported((name, of): (&str, &DataType)) -> String {
    format!("its column {name} has the unsupported type {of}")
}

/// Returns whether values of a type can be times as numbers.
fn is_number(of: &DataType) -> bool {
    matches!(
        of,
        DataType::Int32 | DataType::UInt32 | DataType::Int64 | DataType::UInt64 | DataType::Float64
    )
}

/// Returns whether the times of a file are numbers as far as Parquet tells.
fn has_numbers_for_times(metadata: &ArrowReaderMetadata) -> bool {
    let fields = metadata.schema().fields();
    let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
    let time = aliases::find(Column::Time, &names);
    time.is_some_and(|time| is_number(fields[time].data_type()))
}

/// Returns what the metadata of a file says, or of the Arrow schema in it.
fn noted(metadata: &Arc<ParquetMetaData>, key: &str) -> Option<String> {
    if key.is_empty() {
        return None;
    }
    let pairs = metadata.file_metadata().key_value_metadata();
    let mut pairs = pairs.into_iter().flatten().filter(|pair| pair.key == key);
    if let Some(pair) = pairs.next() {
        return pair.value.clone();
    }
    let metadata = Arc::clone(metadata);
    let noted =
        guarded(|| ArrowReaderMetadata::try_new(metadata, ArrowReaderOptions::new())).ok()?;
    noted.schema().metadata().get(key).cloned()
}

/// Checks that no column says that the rows are of several venues or instruments.
///
/// # Errors
/// Returns the name of such a column.
fn is_of_one_instrument(metadata: &ArrowReaderMetadata) -> Result<(), String> {
    for (field, column) in metadata.schema().fields().iter().enumerate() {
        if !aliases::is_of_rows(column.name()) {
            continue;
        }
        let Some(leaf) = leaf_of(metadata, field) else { continue };
        let groups = metadata.metadata().row_groups().iter();
        let chunks = groups.filter_map(|group| group.columns().get(leaf)?.statistics());
        let ends = chunks.flat_map(|of| [of.min_bytes_opt(), of.max_bytes_opt()]).flatten();
        let mut ends = ends.collect::<Vec<_>>();
        ends.dedup();
        if 1 < ends.len() {
            let name = column.name();
            return Err(format!("has rows of more than one {name} by its column {name}"));
        }
    }
    Ok(())
}

/// Returns the single leaf of a top-level column.
fn leaf_of(metadata: &ArrowReaderMetadata, field: usize) -> Option<usize> {
    let schema = metadata.parquet_schema();
    (0..schema.num_columns()).find(|leaf| {
        schema.get_column_root_idx(*leaf) == field && schema.column(*leaf).path().parts().len() == 1
    })
}

/// Returns the first and last time from the statistics. Those of INT96 are unreliable.
fn span(chunk: &ColumnChunkMetaData, of: &DataType, form: Form) -> Option<(i64, i64)> {
    let Statistics::Int64(times) = chunk.statistics()? else { return None };
    let unit = match (of, form) {
        (DataType::Timestamp(unit, _), _) => *unit,
        (_, Form::Epoch(unit)) => unit,
        _ => return None,
    };
    let first = times.min_opt()?.checked_mul(nanos_of(unit))?;
    let last = times.max_opt()?.checked_mul(nanos_of(unit))?;
    (first <= last).then_some((first, last))
}

/// Returns the length of a time unit in ns.
pub(crate) fn nanos_of(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}
