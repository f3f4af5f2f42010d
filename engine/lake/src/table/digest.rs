//! The digest of rows, by which they are recognised wherever they lie. It is part of the format.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float64Type, Int32Type, Int64Type, TimestampNanosecondType, UInt8Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, TimeUnit};

/// Stands for a value that is absent; a constant that columns do not hold in practice.
const ABSENT: u64 = 0x9E37_79B9_7F4A_7C15;

/// Returns the digest of a batch: the wrapping sum of the hashes of its rows.
#[must_use]
pub fn digest(batch: &RecordBatch) -> u64 {
    row_hashes(batch).into_iter().fold(0, u64::wrapping_add)
}

/// Returns a hash for each row, over the columns in their order.
#[must_use]
pub fn row_hashes(batch: &RecordBatch) -> Vec<u64> {
    let mut rows = vec![0; batch.num_rows()];
    batch.columns().iter().for_each(|column| mix_in(&mut rows, column));
    rows
}

/// Mixes a column into the hash of each row.
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
    // The key of an absent value is arbitrary, and need not be in the dictionary.
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

/// Hashes the length, then eight bytes at a time, the last ones padded with zeros.
fn text_hash(text: &str) -> u64 {
    text.as_bytes().chunks(8).fold(text.len() as u64, |hash, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mixed(hash ^ u64::from_le_bytes(word))
    })
}

/// Applies the finaliser of `SplitMix64` (Steele, Lea and Flood 2014), with its increment.
fn mixed(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::QUOTES;
    use crate::table::test_rows::quotes;

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
}
