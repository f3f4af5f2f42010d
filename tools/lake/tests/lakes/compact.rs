//! `lake compact`: merged files hold what their files held, in order; a reader sees the old files or
//! the new one at every step; killed after any step, the next run finishes; what is odd stays.

use crate::recorded::{self, LATER, MIDNIGHT, findings, names, parquet_files, quote, record};
use ::lake::compact::{Outcome, Step, Work, compact};
use ::lake::merge;
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use indicatif::ProgressBar;
use proptest::prelude::*;
use spreadwire_kit::records;
use spreadwire_lake::layout::{HOUR, STAGING};
use spreadwire_lake::ledger;
use spreadwire_lake::table::{self, Metadata, QUOTES, Table, TableReader, TableWriter};
use spreadwire_market::clock::{Nanos, SECOND};
use spreadwire_market::record::Record;
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

const HOUR_OF_BTC: &str = "exchange=binance/symbol=BTC#USDT/date=2024-08-09/hour=00";

/// Segments too large to be joined by the sealer, of two venues, over two hours.
fn recorded_lake(lake: &Path) {
    let quotes = |from: Nanos, count: u64| -> Vec<Record> {
        let of =
            |n: u64| quote(u8::from(n.is_multiple_of(2)), 0, from + n * SECOND / 10, 6_100_000);
        (0..count).map(|n| of(n).into()).collect()
    };
    let segments = [
        quotes(MIDNIGHT, 9000),
        quotes(MIDNIGHT + 500 * SECOND, 9000),
        quotes(MIDNIGHT + HOUR - 100 * SECOND, 9000),
    ];
    record(lake, "20240809T000000-000000001", &segments);
    let more = [quotes(MIDNIGHT + 3 * SECOND, 9000)];
    record(lake, "20240809T000003-000000002", &more);
}

fn work(lake: &Path) -> Work<'_> {
    Work { lake, now: LATER, date: None, min_files: 2, closed_for: 15 * 60 * SECOND }
}

fn compacted(lake: &Path) -> Outcome {
    compact(&work(lake), &ProgressBar::hidden(), &mut |_| Ok(())).unwrap()
}

/// Rows and digest of what a glob of a folder finds.
fn sum(folder: &Path, table: &'static Table) -> (u64, u64) {
    let sums = parquet_files(folder).into_iter().map(|path| merge::sum_of(&path, table).unwrap());
    sums.fold((0, 0), |(rows, digest), (r, d)| (rows + r, digest.wrapping_add(d)))
}

fn rows(path: &Path) -> RecordBatch {
    let batches = TableReader::open(path, &QUOTES).unwrap().map(Result::unwrap);
    concat_batches(&QUOTES.schema(), &batches.collect::<Vec<_>>()).unwrap()
}

fn all_quotes(lake: &Path) -> (u64, u64) {
    let folders = names(lake).into_iter().filter(|name| name.starts_with("exchange="));
    let sums = folders.map(|name| sum(&lake.join(name), &QUOTES));
    sums.fold((0, 0), |(rows, digest), (r, d)| (rows + r, digest.wrapping_add(d)))
}

fn facts(lake: &Path) -> HashSet<ledger::Entry> {
    let (entries, errors) = ledger::read(lake);
    assert!(errors.is_empty(), "{errors:?}");
    entries.into_iter().collect()
}

#[test]
fn each_hour_becomes_one_sorted_file_and_the_lake_verifies() {
    let home = tempfile::tempdir().unwrap();
    let lake = home.path().join("lake");
    recorded_lake(&lake);
    assert_eq!(findings(&lake), [""; 0]);
    let (quotes, known) = (all_quotes(&lake), facts(&lake));
    let old: Vec<RecordBatch> =
        parquet_files(&lake.join(HOUR_OF_BTC)).iter().map(|path| rows(path)).collect();
    assert!(2 < old.len());

    let outcome = compacted(&lake);
    assert_eq!(outcome.left_alone, []);
    assert_eq!(outcome.left_alone, []);
    let folders: Vec<&str> = outcome.merged.iter().map(|m| m.folder.as_str()).collect();
    assert!(folders.contains(&HOUR_OF_BTC), "{folders:?}");
    assert_eq!(folders.last(), Some(&"ledger/date=2024-08-09"), "the ledger comes last");
    assert_eq!(names(&lake.join(HOUR_OF_BTC)), ["20240809T000000-000000001-000000-merged.parquet"]);
    let merged = parquet_files(&lake.join(HOUR_OF_BTC));
    assert_eq!(rows(&merged[0]), QUOTES.sorted(&old).unwrap());
    let reader = TableReader::open(&merged[0], &QUOTES).unwrap();
    assert_eq!(reader.metadata()["venue"], "binance");
    assert_eq!(reader.metadata()["price_scale"], "2");
    assert_eq!(reader.metadata()["parts"].split(',').count(), 4, "two runs' segments");

    assert_eq!(all_quotes(&lake), quotes);
    assert!(facts(&lake).is_superset(&known), "merging the ledger keeps its facts");
    assert_eq!(findings(&lake), [""; 0]);
    assert!(names(&lake.join(STAGING)).is_empty());
    let again = compacted(&lake);
    assert_eq!((again.merged.len(), again.left_alone.len()), (0, 0));
}

#[test]
fn killed_after_any_step_a_glob_is_whole_and_the_next_run_finishes() {
    let home = tempfile::tempdir().unwrap();
    let template = home.path().join("template");
    recorded_lake(&template);
    let (quotes, known) = (all_quotes(&template), facts(&template));
    let whole = steps_until(&template, &home.path().join("whole"), usize::MAX);
    assert_eq!(whole.len(), 17, "{whole:?}");
    for kind in [Step::Swept, Step::Merged, Step::Booked, Step::Exchanged, Step::Deleted] {
        assert!(whole.contains(&kind));
    }
    for stop in 1..=whole.len() {
        let lake = home.path().join(format!("lake-{stop}"));
        assert_eq!(steps_until(&template, &lake, stop).len(), stop);
        assert_eq!(all_quotes(&lake), quotes, "after step {stop}, {:?}", whole[stop - 1]);
        assert!(facts(&lake).is_superset(&known), "after step {stop}");
        assert_eq!(findings(&lake), [""; 0], "after step {stop}");
        let outcome = compacted(&lake);
        assert_eq!(outcome.left_alone, [], "after step {stop}");
        assert_eq!(names(&lake.join(HOUR_OF_BTC)).len(), 1, "after step {stop}");
        assert_eq!(all_quotes(&lake), quotes, "after step {stop}");
        assert_eq!(findings(&lake), [""; 0], "after step {stop}");
        assert!(names(&lake.join(STAGING)).is_empty(), "after step {stop}");
        fs::remove_dir_all(&lake).unwrap();
    }
}

/// Compacts a copy until `stop` steps are done; at each, the folder must list the old files or the
/// new one.
fn steps_until(template: &Path, lake: &Path, stop: usize) -> Vec<Step> {
    copy(template, lake);
    let folder = lake.join(HOUR_OF_BTC);
    let (old, new) = (names(&folder), ["20240809T000000-000000001-000000-merged.parquet"]);
    let mut steps = Vec::new();
    let mut on_step = |step| {
        let found = names(&folder);
        assert!(found == old || found == new, "{step:?}: {found:?}");
        steps.push(step);
        anyhow::ensure!(steps.len() < stop, "killed");
        Ok(())
    };
    let done = compact(&work(lake), &ProgressBar::hidden(), &mut on_step);
    assert_eq!(done.is_err(), stop < usize::MAX);
    steps
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for name in names(from) {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).unwrap();
        }
    }
}

#[test]
fn open_hours_other_days_and_single_files_stay() {
    let home = tempfile::tempdir().unwrap();
    let lake = home.path().join("lake");
    recorded_lake(&lake);
    let merged = |work: Work<'_>| {
        let done = compact(&work, &ProgressBar::hidden(), &mut |_| Ok(())).unwrap();
        done.merged.into_iter().map(|merged| merged.folder).collect::<Vec<_>>()
    };
    let early = MIDNIGHT + HOUR + 15 * 60 * SECOND;
    assert!(merged(Work { now: early - 1, ..work(&lake) }).is_empty());
    assert!(merged(Work { min_files: 99, ..work(&lake) }).is_empty());
    let other_day = Some("2024-08-08".parse().unwrap());
    assert!(merged(Work { date: other_day, ..work(&lake) }).is_empty());
    let folders = merged(Work { now: early, ..work(&lake) });
    assert!(folders.iter().all(|folder| folder.ends_with("hour=00")), "{folders:?}");
    assert_eq!(findings(&lake), [""; 0]);
}

type Spoil = fn(&Path);

#[test]
fn what_is_odd_is_left_alone_and_named() {
    let home = tempfile::tempdir().unwrap();
    let template = home.path().join("template");
    recorded_lake(&template);
    let spoil: [(&str, Spoil); 5] = [
        ("is not a file of this lake", |folder| fs::write(folder.join("notes.txt"), "x").unwrap()),
        ("is not a file of this lake", |folder| {
            fs::write(folder.join("a.parquet.tmp"), "x").unwrap()
        }),
        ("checksum", |folder| {
            let path = parquet_files(folder).remove(1);
            let mut bytes = fs::read(&path).unwrap();
            bytes[100] ^= 1;
            fs::write(&path, bytes).unwrap();
        }),
        ("the ledger has no", |folder| {
            let path = parquet_files(folder).remove(1);
            fs::copy(&path, folder.join("zzz.parquet")).unwrap();
        }),
        ("were sealed into it", |folder| fs::remove_file(parquet_files(folder).remove(1)).unwrap()),
    ];
    for (number, (why, spoil)) in spoil.into_iter().enumerate() {
        let lake = home.path().join(number.to_string());
        copy(&template, &lake);
        let folder = lake.join(HOUR_OF_BTC);
        spoil(&folder);
        let before = staging_view(&folder);
        let outcome = compacted(&lake);
        let left: Vec<_> = outcome.left_alone.iter().filter(|(f, _)| f == HOUR_OF_BTC).collect();
        assert_eq!(left.len(), 1, "{:?}", outcome.left_alone);
        assert!(left[0].1.contains(why), "{left:?}");
        assert_eq!(staging_view(&folder), before);
        assert!(!outcome.merged.is_empty(), "the other folders are merged");
    }
}

fn staging_view(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let read = |name: String| (name.clone(), fs::read(folder.join(name)).unwrap());
    names(folder).into_iter().map(read).collect()
}

#[test]
fn a_folder_that_changed_meanwhile_is_left_for_the_next_time() {
    let home = tempfile::tempdir().unwrap();
    let lake = home.path().join("lake");
    recorded_lake(&lake);
    let mut late = true;
    let mut on_step = |step| {
        if step == Step::Booked && std::mem::take(&mut late) {
            let records: Vec<Record> =
                (0..5000).map(|n| quote(0, 0, MIDNIGHT + n, 6_000_000).into()).collect();
            record(&lake, "20240811T000000-000000003", &[records]);
        }
        Ok(())
    };
    let outcome = compact(&work(&lake), &ProgressBar::hidden(), &mut on_step).unwrap();
    assert_eq!(outcome.busy, [HOUR_OF_BTC, "ledger/date=2024-08-09"]);
    assert_eq!(findings(&lake), [""; 0]);
    let quotes = all_quotes(&lake);
    let again = compacted(&lake);
    assert!(again.merged.iter().any(|merged| merged.folder == HOUR_OF_BTC));
    assert_eq!(all_quotes(&lake), quotes);
    assert_eq!(findings(&lake), [""; 0]);
}

#[test]
fn foreign_things_in_staging_are_named_and_kept() {
    let home = tempfile::tempdir().unwrap();
    let lake = home.path().join("lake");
    recorded_lake(&lake);
    fs::create_dir_all(lake.join(STAGING).join("000001")).unwrap();
    let (ours, foreign) =
        (lake.join(STAGING).join("000001/a.parquet"), lake.join(STAGING).join("000001/b.txt"));
    fs::write(&ours, "x").unwrap();
    fs::write(&foreign, "x").unwrap();
    let outcome = compacted(&lake);
    assert_eq!(outcome.left_alone.len(), 1);
    assert!(outcome.left_alone[0].0.ends_with("b.txt"));
    assert!(foreign.exists() && !ours.exists());
}

#[test]
fn tables_by_the_day_are_merged_too() {
    let home = tempfile::tempdir().unwrap();
    let lake = home.path().join("lake");
    let status = |n: u64| records::status(MIDNIGHT + n);
    let segment = |from: u64| -> Vec<Record> { (from..from + 5000).map(status).collect() };
    record(&lake, "20240809T000000-000000001", &[segment(0), segment(4000)]);
    let outcome = compacted(&lake);
    assert_eq!(outcome.left_alone, []);
    let folders: Vec<&str> = outcome.merged.iter().map(|m| m.folder.as_str()).collect();
    assert_eq!(folders, ["status/date=2024-08-09", "ledger/date=2024-08-09"]);
    assert_eq!(findings(&lake), [""; 0]);
}

/// Files of these rows each, sorted, in a folder.
fn written(folder: &Path, files: &[Vec<(i64, i64)>]) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for (number, rows) in files.iter().enumerate() {
        let batch = recorded::quote_rows(rows, &format!("run-{}", number % 3));
        let path = folder.join(format!("{number:03}.parquet"));
        let mut writer = TableWriter::create(&path, &QUOTES, Metadata::new()).unwrap();
        writer.write(&QUOTES.sorted(&[batch]).unwrap()).unwrap();
        writer.finish().unwrap();
        paths.push(path);
    }
    paths
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn merged_files_are_their_sorted_concatenation(
        files in prop::collection::vec(prop::collection::vec((0..40_i64, 0..1000_i64), 1..60), 1..20)
    ) {
        let home = tempfile::tempdir().unwrap();
        let paths = written(home.path(), &files);
        let (out, between) = (home.path().join("out"), home.path().join("between"));
        let done = merge::merge_files(&QUOTES, &paths, &Metadata::new(), &out, &between).unwrap();
        let all: Vec<RecordBatch> = paths.iter().map(|path| rows(path)).collect();
        let merged = rows(&out);
        prop_assert_eq!(table::digest(&merged), done.digest);
        // Rows that are equal in what they are sorted by may stand in either order.
        let keys = |batch: &RecordBatch| {
            let columns = QUOTES.sorted_by().map(|name| batch.column_by_name(name).unwrap().clone());
            columns.map(|column| arrow::compute::cast(&column, &plain(&column)).unwrap()).collect::<Vec<_>>()
        };
        let expected = QUOTES.sorted(&all).unwrap();
        prop_assert_eq!(keys(&in_small_batches(&all)), keys(&expected));
        prop_assert_eq!(keys(&merged), keys(&expected));
        prop_assert_eq!(table::digest(&merged), table::digest(&expected));
        prop_assert!(!between.exists());
    }
}

/// Merged from batches of three rows, as large files come in batches.
fn in_small_batches(all: &[RecordBatch]) -> RecordBatch {
    let source = |rows: &RecordBatch| -> merge::Batches {
        let rows = rows.clone();
        let starts = (0..rows.num_rows()).step_by(3);
        Box::new(starts.map(move |at| Ok(rows.slice(at, 3.min(rows.num_rows() - at)))))
    };
    let mut merge = merge::Merge::new(&QUOTES, all.iter().map(source).collect()).unwrap();
    let mut slices = Vec::new();
    while let Some(slice) = merge.next_slice().unwrap() {
        slices.push(slice.batch.slice(slice.rows.start, slice.rows.len()));
    }
    concat_batches(&QUOTES.schema(), &slices).unwrap()
}

fn plain(column: &arrow::array::ArrayRef) -> arrow::datatypes::DataType {
    let of = column.data_type();
    let is_text = matches!(of, arrow::datatypes::DataType::Dictionary(..));
    if is_text { arrow::datatypes::DataType::Utf8 } else { of.clone() }
}

#[test]
fn files_that_disagree_are_not_merged() {
    let footer = |scale: &str| {
        let pairs = [("venue", "okx"), ("price_scale", scale), ("parts", "run:0:5")];
        pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    };
    let joined = merge::joined(&[footer("2"), footer("2")]).unwrap();
    assert_eq!(joined["parts"], "run:0:5,run:0:5");
    let refused = merge::joined(&[footer("2"), footer("3")]).unwrap_err().to_string();
    assert!(refused.contains("price_scale: 2 and 3"), "{refused}");
}
