//! What a footer proves about prices without reading them: that every one is present, positive and
//! finite.
//!
//! The least and greatest value are no proof alone, because writers leave NaN out of them. What
//! excludes NaN in addition is any of these: the type has none; the footer counts the NaN and there
//! are none; the file is of our own recorder, whose prices come from decimals; or all pages of the
//! row group draw from its dictionary, and the dictionary has none. Of the last only the dictionary
//! is read.

use super::guarded::guarded;
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageReader};
use parquet::data_type::AsBytes;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::file::statistics::Statistics;
use std::fs::File;
use std::sync::Arc;

/// What is known about the prices of a row group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prices {
    /// Every one is present, positive and finite.
    Sound,
    /// So is every one that is a number, but there may be NaN.
    SoundUnlessNan,
    /// Nothing.
    Unknown,
}

/// Returns what the footer of a file proves about a column of prices of a row group.
pub(super) fn of(chunk: &ColumnChunkMetaData, is_own: bool) -> Prices {
    let Some(statistics) = chunk.statistics() else { return Prices::Unknown };
    if !are_in_range(chunk, statistics) {
        return Prices::Unknown;
    }
    let may_have_nan = matches!(statistics, Statistics::Float(_) | Statistics::Double(_));
    if !may_have_nan || is_own || statistics.nan_count_opt() == Some(0) {
        Prices::Sound
    } else {
        Prices::SoundUnlessNan
    }
}

/// Returns whether our recorder wrote a file.
pub(super) fn is_own(metadata: &ParquetMetaData) -> bool {
    let pairs = metadata.file_metadata().key_value_metadata();
    pairs.into_iter().flatten().any(|pair| pair.key == "spreadwire.format")
}

/// Returns whether all values come from the dictionary of a row group, and none in it is NaN.
pub(super) fn dictionary_has_no_nan(file: &File, chunk: &ColumnChunkMetaData, rows: usize) -> bool {
    let is_all_dictionary = chunk.page_encoding_stats_mask().is_some_and(|mask| {
        mask.is_only(Encoding::RLE_DICTIONARY) || mask.is_only(Encoding::PLAIN_DICTIONARY)
    });
    if !is_all_dictionary || chunk.dictionary_page_offset().is_none() {
        return false;
    }
    let page = guarded(|| {
        let file = Arc::new(file.try_clone()?);
        SerializedPageReader::new(file, chunk, rows, None)?.get_next_page()
    });
    let Ok(Some(Page::DictionaryPage { buf, .. })) = page else { return false };
    match chunk.statistics() {
        Some(Statistics::Double(_)) => {
            let (values, rest) = buf.as_chunks::<8>();
            rest.is_empty() && values.iter().all(|bytes| !f64::from_le_bytes(*bytes).is_nan())
        }
        Some(Statistics::Float(_)) => {
            let (values, rest) = buf.as_chunks::<4>();
            rest.is_empty() && values.iter().all(|bytes| !f32::from_le_bytes(*bytes).is_nan())
        }
        Some(_) | None => false,
    }
}

/// Returns whether the statistics prove that every price is present, and that those that are no NaN
/// are positive and finite.
fn are_in_range(chunk: &ColumnChunkMetaData, statistics: &Statistics) -> bool {
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
