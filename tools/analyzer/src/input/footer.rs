//! A file's footer: whether the file holds quotes, and what is known of each row group without
//! reading it.

use super::discovery::{QuoteFile, modified_ns};
use super::guarded::guarded;
use super::selection::{COLUMNS, Column};
use crate::report::Problem;
use arrow::datatypes::{DataType, TimeUnit};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::Compression;
use parquet::data_type::AsBytes;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::statistics::Statistics;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
    /// The row groups that are not empty, in order.
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
    /// Whether the statistics prove that no row must be left out because of its ask.
    pub(super) asks_are_sound: bool,
}

impl Footer {
    /// Reads the footer of a file of quotes.
    ///
    /// # Errors
    /// Returns a description of why the file cannot be used.
    pub(super) fn read(lake: &Path, file: &QuoteFile) -> Result<Footer, String> {
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
        Footer::of(file, path.clone(), plain).or_else(|why| {
            // Parquet has no type for seconds: only Arrow's notes say that such numbers are times.
            let noted =
                guarded(|| ArrowReaderMetadata::try_new(metadata, ArrowReaderOptions::new()));
            let noted = noted.ok().and_then(|noted| Footer::of(file, path, noted).ok());
            noted.ok_or(why)
        })
    }

    fn of(
        file: &QuoteFile,
        path: PathBuf,
        metadata: ArrowReaderMetadata,
    ) -> Result<Footer, String> {
        let (places, problems) = places(&file.path, &metadata)?;
        let mut footer = Footer {
            name: file.path.clone(),
            path,
            stamp: (file.bytes, file.modified_ns),
            metadata,
            places,
            groups: Vec::new(),
            problems,
        };
        let groups = footer.metadata.metadata().row_groups();
        let groups = groups.iter().enumerate().map(|(number, group)| footer.group(number, group));
        let groups: Result<Vec<_>, _> = groups.collect();
        footer.groups = groups?;
        footer.groups.retain(|group| 0 < group.rows);
        if footer.groups.is_empty() {
            return Err("has no rows".to_owned());
        }
        Ok(footer)
    }

    fn group(&self, number: usize, group: &RowGroupMetaData) -> Result<Group, String> {
        let rows = usize::try_from(group.num_rows());
        let rows =
            rows.map_err(|_| "damaged: a row group has a negative number of rows".to_owned())?;
        let chunk = |column| Some((self.place(column)?, group.columns()));
        let chunk = |column| chunk(column).and_then(|(place, chunks)| chunks.get(place.leaf));
        let (Some(time), Some(ask)) = (chunk(Column::Time), chunk(Column::Ask)) else {
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
            span: self.data_type(Column::Time).and_then(|of| span(time, of)),
            is_sorted,
            asks_are_sound: are_sound(ask),
        })
    }

    /// Returns where a column is, if the file has it.
    pub(super) fn place(&self, column: Column) -> Option<Place> {
        self.places.iter().find(|(of, _)| *of == column).map(|(_, place)| *place)
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

fn places(name: &str, metadata: &ArrowReaderMetadata) -> Result<Places, String> {
    let (mut places, mut problems) = (Vec::new(), Vec::new());
    for column in COLUMNS {
        let Some((field, found)) = metadata.schema().column_with_name(column.name()) else {
            if column.is_required() {
                return Err(format!("has no column {}", column.name()));
            }
            continue;
        };
        let leaf = leaf_of(metadata, field);
        if let Some(leaf) = leaf.filter(|_| column.takes(found.data_type())) {
            places.push((column, Place { field, leaf }));
            continue;
        }
        let what =
            format!("its column {} has the unsupported type {}", column.name(), found.data_type());
        if column.is_required() {
            return Err(what);
        }
        let what = format!("{what} and is ignored");
        problems.push(Problem { subject: name.to_owned(), what, left_out: false });
    }
    Ok((places, problems))
}

/// Returns the single leaf of a top-level column.
fn leaf_of(metadata: &ArrowReaderMetadata, field: usize) -> Option<usize> {
    let schema = metadata.parquet_schema();
    (0..schema.num_columns()).find(|leaf| {
        schema.get_column_root_idx(*leaf) == field && schema.column(*leaf).path().parts().len() == 1
    })
}

/// Returns the first and last time from the statistics. Those of INT96 are unreliable.
fn span(chunk: &ColumnChunkMetaData, of: &DataType) -> Option<(i64, i64)> {
    let Statistics::Int64(times) = chunk.statistics()? else { return None };
    let DataType::Timestamp(unit, _) = of else { return None };
    let first = times.min_opt()?.checked_mul(nanos_of(*unit))?;
    let last = times.max_opt()?.checked_mul(nanos_of(*unit))?;
    (first <= last).then_some((first, last))
}

/// Returns the length of a time unit in ns.
pub(super) fn nanos_of(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

/// Returns whether the statistics prove that every price is present, positive and finite. They say
/// nothing about NaN.
fn are_sound(chunk: &ColumnChunkMetaData) -> bool {
    let Some(statistics) = chunk.statistics() else { return false };
    let no_nulls =
        chunk.column_descr().max_def_level() == 0 || statistics.null_count_opt() == Some(0);
    no_nulls
        && match statistics {
            Statistics::Int32(values) => values.min_opt().is_some_and(|least| 0 < *least),
            Statistics::Int64(values) => values.min_opt().is_some_and(|least| 0 < *least),
            Statistics::Float(values) => {
                are_finite(values.min_opt().copied(), values.max_opt().copied())
            }
            Statistics::Double(values) => {
                are_finite(values.min_opt().copied(), values.max_opt().copied())
            }
            Statistics::FixedLenByteArray(values) => values
                .min_opt()
                .is_some_and(|least| values.min_is_exact() && is_positive(least.as_bytes())),
            Statistics::Boolean(_) | Statistics::Int96(_) | Statistics::ByteArray(_) => false,
        }
}

fn are_finite<T: Into<f64>>(least: Option<T>, greatest: Option<T>) -> bool {
    let (least, greatest) = (least.map(Into::into), greatest.map(Into::into));
    least.is_some_and(|least| 0.0 < least)
        && greatest.is_some_and(|greatest: f64| greatest < f64::INFINITY)
}

/// Returns whether a decimal's mantissa (big-endian two's complement) is positive.
fn is_positive(mantissa: &[u8]) -> bool {
    mantissa.first().is_some_and(|first| *first < 0x80) && mantissa.iter().any(|byte| *byte != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mantissas_tell_their_sign() {
        for (mantissa, expected) in [
            ([0, 0].as_slice(), false),
            (&[0, 1], true),
            (&[0x7F, 0xFF], true),
            (&[0x80, 0], false),
            (&[0xFF, 0xFF], false),
            (&[], false),
        ] {
            assert_eq!(is_positive(mantissa), expected, "{mantissa:?}");
        }
    }
}
