//! The range of numbers that a range of times is in an engine's run.

use super::batch::{OfRun, Wrong, column};
use super::error::HistoryError;
use super::selection::Selection;
use super::survey::LakeFile;
use crate::table::ColumnsReader;
use arrow_array::RecordBatch;
use arrow_array::types::{Int64Type, TimestampNanosecondType};

/// Rows of a batch.
const BATCH_ROWS: usize = 1 << 16;

/// Returns the first and the last number of a run's rows that were received in the selected time; `None`
/// if there is none. Without a time, all numbers are selected.
pub(super) fn numbers(
    files: &[&LakeFile],
    run: &str,
    selection: &Selection,
) -> Result<Option<(u64, u64)>, HistoryError> {
    if (selection.from, selection.until) == (None, None) {
        return Ok(Some((0, u64::MAX)));
    }
    let mut found: Option<(u64, u64)> = None;
    for file in files {
        if let Some((first, last)) = of_file(file, run, selection)? {
            let (min, max) = found.unwrap_or((first, last));
            found = Some((min.min(first), max.max(last)));
        }
    }
    let open = |(first, last)| {
        let first = if selection.from.is_some() { first } else { 0 };
        let last = if selection.until.is_some() { last } else { u64::MAX };
        (first, last)
    };
    Ok(found.map(open))
}

fn of_file(
    file: &LakeFile,
    run: &str,
    selection: &Selection,
) -> Result<Option<(u64, u64)>, HistoryError> {
    let (first, last) = file.times;
    let is_over = selection.from.is_some_and(|from| last < from);
    if is_over || selection.until.is_some_and(|until| until <= first) {
        return Ok(None);
    }
    let is_shared = 1 < file.runs.len();
    if !is_shared && selection.has_time(first) && selection.has_time(last) {
        return Ok(Some(file.numbers));
    }
    let mut names = vec!["Timestamp", "JournalSequence"];
    names.extend(is_shared.then_some("Run"));
    let mut found: Option<(u64, u64)> = None;
    for batch in ColumnsReader::open(&file.path, file.table, &names, BATCH_ROWS)? {
        let run = is_shared.then_some(run);
        let numbers = selected(&batch?, run, selection)
            .map_err(|why| HistoryError::Impossible { path: file.path.clone(), why })?;
        for number in numbers {
            let (min, max) = found.unwrap_or((number, number));
            found = Some((min.min(number), max.max(number)));
        }
    }
    Ok(found)
}

/// Returns the numbers of a batch's rows that were received in the time, of a run if one is named.
fn selected(
    batch: &RecordBatch,
    run: Option<&str>,
    selection: &Selection,
) -> Result<Vec<u64>, Wrong> {
    let times = column::<TimestampNanosecondType>(batch, "Timestamp")?.values();
    let numbers = column::<Int64Type>(batch, "JournalSequence")?.values();
    let of_run = OfRun::new(batch, run)?;
    let is_its = |row: &usize| selection.has_time(times[*row].cast_unsigned()) && of_run.has(*row);
    let rows = (0..batch.num_rows()).filter(is_its);
    Ok(rows.map(|row| numbers[row].cast_unsigned()).collect())
}
