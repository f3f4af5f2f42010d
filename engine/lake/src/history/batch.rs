//! The columns of a batch, and the rows of it that belong to a run.

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Int32Type};
use arrow_array::{Int32Array, PrimitiveArray, RecordBatch, StringArray};

/// A batch that is not what its table says, with what is wrong.
pub(super) type Wrong = String;

/// The rows of a batch that belong to a run: all of them, or those whose text says so.
pub(super) struct OfRun<'a>(Option<(&'a Int32Array, Vec<bool>)>);

impl<'a> OfRun<'a> {
    /// Finds the rows of a run; of all runs if none is named.
    pub(super) fn new(batch: &'a RecordBatch, run: Option<&str>) -> Result<OfRun<'a>, Wrong> {
        let Some(run) = run else { return Ok(OfRun(None)) };
        let (keys, texts) = texts(batch, "Run")?;
        Ok(OfRun(Some((keys, texts.iter().map(|text| text == Some(run)).collect()))))
    }

    #[inline]
    pub(super) fn has(&self, row: usize) -> bool {
        let Some((keys, is_it)) = &self.0 else { return true };
        usize::try_from(keys.value(row)).is_ok_and(|key| is_it.get(key).is_some_and(|is_it| *is_it))
    }
}

/// Returns a column of text: the place of each row's text, and the texts.
pub(super) fn texts<'a>(
    batch: &'a RecordBatch,
    name: &str,
) -> Result<(&'a Int32Array, &'a StringArray), Wrong> {
    let column = batch.column_by_name(name).and_then(|it| it.as_dictionary_opt::<Int32Type>());
    let texts = column.and_then(|column| Some((column, column.values().as_string_opt::<i32>()?)));
    let (column, texts) = texts.ok_or_else(|| format!("{name} is no column of text"))?;
    Ok((column.keys(), texts))
}

/// Returns a column of numbers or times.
pub(super) fn column<'a, T: ArrowPrimitiveType>(
    batch: &'a RecordBatch,
    name: &str,
) -> Result<&'a PrimitiveArray<T>, Wrong> {
    let column = batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<T>());
    column.ok_or_else(|| format!("{name} is no column of {}", T::DATA_TYPE))
}
