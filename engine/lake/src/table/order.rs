//! The order of rows in a table: by `Timestamp`, then by the columns that break its ties.
//!
//! [`SortKeys`] compares rows of one batch or of two by the few types that such columns have:
//! times, whole numbers, and text by dictionary. An absent value comes before every other, text is
//! ordered by its bytes, and rows with the same keys keep the order they had.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type, TimestampNanosecondType};
use arrow_array::{Array, ArrayRef, Int32Array, RecordBatch, StringArray};
use arrow_buffer::{NullBuffer, ScalarBuffer};
use arrow_schema::ArrowError;
use std::cmp::Ordering;

/// The values by which the rows of a batch are sorted.
#[derive(Clone, Debug)]
pub struct SortKeys {
    columns: Vec<KeyColumn>,
    rows: usize,
}

/// One column of the key. Both forms share their memory with the batch.
#[derive(Clone, Debug)]
enum KeyColumn {
    Numbers { values: ScalarBuffer<i64>, nulls: Option<NullBuffer> },
    Texts { keys: Int32Array, texts: StringArray },
}

/// One value of a key. The variants stand in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Value<'a> {
    Absent,
    Number(i64),
    Text(&'a str),
}

impl SortKeys {
    /// Takes the columns called `names`, the most significant first, from a batch.
    ///
    /// # Errors
    /// If the batch has no such column, or one of a type that no key has.
    pub fn new(
        batch: &RecordBatch,
        names: impl IntoIterator<Item = &'static str>,
    ) -> Result<SortKeys, ArrowError> {
        let column = |name| {
            let found = batch.column_by_name(name).and_then(KeyColumn::new);
            found.ok_or_else(|| ArrowError::SchemaError(format!("rows cannot be sorted by {name}")))
        };
        let columns = names.into_iter().map(column).collect::<Result<_, _>>()?;
        Ok(SortKeys { columns, rows: batch.num_rows() })
    }

    /// Returns the number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Compares a row with a row of another batch that has the same columns.
    ///
    /// # Panics
    /// If one of the rows does not exist.
    #[must_use]
    pub fn compare(&self, row: usize, other: &SortKeys, other_row: usize) -> Ordering {
        let mut columns = self.columns.iter().zip(&other.columns);
        let unequal = columns.find_map(|(one, two)| {
            Some(one.value(row).cmp(&two.value(other_row))).filter(|order| order.is_ne())
        });
        unequal.unwrap_or(Ordering::Equal)
    }

    /// Returns whether the rows are in order already.
    #[must_use]
    pub fn is_sorted(&self) -> bool {
        (1..self.rows).all(|row| self.compare(row - 1, self, row).is_le())
    }

    /// Returns the places of the rows in the order of their keys. Rows with equal keys keep the
    /// order they had.
    ///
    /// # Errors
    /// If there are more rows than a 32-bit place can tell apart.
    pub fn sorted_places(&self) -> Result<Vec<u32>, ArrowError> {
        let rows = u32::try_from(self.rows)
            .map_err(|_| ArrowError::ComputeError(format!("{} rows are too many", self.rows)))?;
        let mut places: Vec<u32> = (0..rows).collect();
        places.sort_by(|one, two| self.compare(*one as usize, self, *two as usize));
        Ok(places)
    }
}

impl KeyColumn {
    fn new(column: &ArrayRef) -> Option<KeyColumn> {
        if let Some(times) = column.as_primitive_opt::<TimestampNanosecondType>() {
            let (values, nulls) = (times.values().clone(), times.nulls().cloned());
            return Some(KeyColumn::Numbers { values, nulls });
        }
        if let Some(numbers) = column.as_primitive_opt::<Int64Type>() {
            let (values, nulls) = (numbers.values().clone(), numbers.nulls().cloned());
            return Some(KeyColumn::Numbers { values, nulls });
        }
        let dictionary = column.as_dictionary_opt::<Int32Type>()?;
        let texts = dictionary.values().as_string_opt::<i32>()?.clone();
        Some(KeyColumn::Texts { keys: dictionary.keys().clone(), texts })
    }

    fn value(&self, row: usize) -> Value<'_> {
        match self {
            KeyColumn::Numbers { nulls: Some(nulls), .. } if nulls.is_null(row) => Value::Absent,
            KeyColumn::Numbers { values, .. } => Value::Number(values[row]),
            KeyColumn::Texts { keys, .. } if keys.is_null(row) => Value::Absent,
            KeyColumn::Texts { keys, texts } => {
                // A key that is not null is a place in the dictionary.
                let place = usize::try_from(keys.value(row)).unwrap_or(usize::MAX);
                if texts.is_null(place) { Value::Absent } else { Value::Text(texts.value(place)) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::builder::StringDictionaryBuilder;
    use arrow_array::{DictionaryArray, Int64Array, TimestampNanosecondArray, UInt8Array};
    use proptest::prelude::*;
    use std::sync::Arc;

    const NAMES: [&str; 3] = ["Timestamp", "Run", "Segment"];

    /// A row's key, as plain values.
    type Key = (i64, Option<String>, Option<i64>);

    /// Few values, so that there are ties in every column.
    fn any_key() -> impl Strategy<Value = Key> {
        let text = proptest::sample::select(vec!["", "a", "ab", "b", "B", "é", "a\0"]);
        let time = prop_oneof![9 => -2_i64..3, 1 => any::<i64>()];
        let number = prop_oneof![9 => -2_i64..3, 1 => any::<i64>()];
        let text = proptest::option::of(text.prop_map(str::to_owned));
        (time, text, proptest::option::of(number))
    }

    /// A batch of keys. `known` fills the dictionary first, in an order that is not that of text.
    fn batch(keys: &[Key], known: &[&str]) -> RecordBatch {
        let times = TimestampNanosecondArray::from_iter_values(keys.iter().map(|key| key.0));
        let texts = keys.iter().map(|key| key.1.as_deref());
        let mut runs = StringDictionaryBuilder::<Int32Type>::new();
        known.iter().copied().map(Some).chain(texts).for_each(|text| runs.append_option(text));
        let runs: ArrayRef = Arc::new(runs.finish().slice(known.len(), keys.len()));
        let segments: Int64Array = keys.iter().map(|key| key.2).collect();
        let columns: [ArrayRef; 3] =
            [Arc::new(times.with_timezone("UTC")), runs, Arc::new(segments)];
        RecordBatch::try_from_iter_with_nullable(
            NAMES.into_iter().zip(columns).map(|(name, column)| (name, column, true)),
        )
        .unwrap()
    }

    fn sort_keys(keys: &[Key], known: &[&str]) -> SortKeys {
        SortKeys::new(&batch(keys, known), NAMES).unwrap()
    }

    /// The place of each row by counting those that come before it.
    fn naive(keys: &[Key]) -> Vec<u32> {
        let mut places = vec![u32::MAX; keys.len()];
        for (row, key) in (0_u32..).zip(keys) {
            let smaller = keys.iter().filter(|other| *other < key).count();
            let earlier = keys[..row as usize].iter().filter(|other| *other == key).count();
            places[smaller + earlier] = row;
        }
        places
    }

    proptest! {
        #[test]
        fn rows_are_sorted_as_by_counting(
            keys in proptest::collection::vec(any_key(), 0..60),
        ) {
            let expected = naive(&keys);
            let found = sort_keys(&keys, &["b", "z", "a"]);
            prop_assert_eq!(found.sorted_places().unwrap(), &expected[..]);
            let in_order = (0..).zip(&expected).all(|(at, place)| *place == at);
            prop_assert_eq!(found.is_sorted(), in_order);
            let ordered: Vec<Key> =
                expected.iter().map(|place| keys[*place as usize].clone()).collect();
            prop_assert!(sort_keys(&ordered, &[]).is_sorted());
        }

        #[test]
        fn rows_of_two_batches_compare_by_their_values(one in any_key(), two in any_key()) {
            let [first, second] = [(&one, &["b", "a"][..]), (&two, &["a", "é"][..])]
                .map(|(key, known)| sort_keys(std::slice::from_ref(key), known));
            prop_assert_eq!(first.compare(0, &second, 0), one.cmp(&two));
            prop_assert_eq!(second.compare(0, &first, 0), two.cmp(&one));
        }
    }

    #[test]
    fn a_null_in_the_dictionary_is_an_absent_value() {
        let texts = StringArray::from(vec![Some("a"), None]);
        let keys = Int32Array::from(vec![Some(0), Some(1), None]);
        let column: ArrayRef =
            Arc::new(DictionaryArray::<Int32Type>::try_new(keys, Arc::new(texts)).unwrap());
        let batch = RecordBatch::try_from_iter([("Run", column)]).unwrap();
        let keys = SortKeys::new(&batch, ["Run"]).unwrap();
        assert_eq!(keys.sorted_places().unwrap(), [1, 2, 0]);
    }

    #[test]
    fn a_column_that_is_missing_or_of_another_type_is_refused() {
        let flags: ArrayRef = Arc::new(UInt8Array::from(vec![1]));
        let batch = RecordBatch::try_from_iter([("Flags", flags)]).unwrap();
        for name in ["Flags", "Run"] {
            let refused = SortKeys::new(&batch, [name]).unwrap_err().to_string();
            assert!(refused.contains(name), "{refused}");
        }
    }
}
