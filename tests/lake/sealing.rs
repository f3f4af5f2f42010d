//! Sealing again, after an interruption, after a crash and after damage.

use spreadwire_engine::journal::Settings;
use spreadwire_engine::runtime::agent::Agent;
use spreadwire_kit::quotes::quote;
use spreadwire_lake::ledger::{self, Cause, EntryKind};
use spreadwire_lake::mark::Mark;
use spreadwire_lake::recover;
use spreadwire_lake::run::Provenance;
use spreadwire_lake::seal::{RunSealer, SealError, seal_segment};
use spreadwire_lake::segment::SegmentError;
use spreadwire_lake::table::TableError;
use spreadwire_rigs::lake::records::{MIDNIGHT, catalogue, origin, quotes};
use spreadwire_rigs::lake::rig::{Rig, patient};
use spreadwire_rigs::lake::rows::{files_under, rows_of_file, rows_of_lake};
use std::fs;
use std::path::PathBuf;

#[test]
fn sealing_again_gives_the_same_files_and_leaves_others_alone() {
    let mut rig = Rig::new(patient());
    let mut records = quotes(30);
    records.push(quote(2, 2, MIDNIGHT).into());
    rig.pass(&records, MIDNIGHT);
    rig.close();
    let closed = rig.closed.recv().unwrap();
    let bytes = fs::read(&closed.path).unwrap();
    let folder = rig.lake().join("exchange=binance/symbol=BTC#USDT/date=2024-08-09/hour=00");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("spreads-00-00.0000000.parquet"), "another system's").unwrap();
    // A killed sealer leaves such a file.
    fs::write(folder.join("run-000000.parquet.tmp"), "half").unwrap();
    let first = seal_segment(&closed.path, &rig.book(), &catalogue()).unwrap();
    assert!(!closed.path.exists(), "sealed, so deleted");
    let content = |path: &PathBuf| fs::read(path).unwrap();
    let paths: Vec<PathBuf> = first.files.iter().map(|file| file.path.clone()).collect();
    let before: Vec<Vec<u8>> = paths.iter().map(content).collect();
    fs::write(&closed.path, bytes).unwrap();
    let second = seal_segment(&closed.path, &rig.book(), &catalogue()).unwrap();
    assert_eq!(first, second);
    assert_eq!(before, paths.iter().map(content).collect::<Vec<_>>());
    let files = files_under(&rig.lake());
    assert_eq!(
        files.iter().filter(|file| file.starts_with("exchange=")).collect::<Vec<_>>(),
        [
            "exchange=binance/symbol=BTC#USDT/date=2024-08-09/hour=00/run-000000.parquet",
            "exchange=binance/symbol=BTC#USDT/date=2024-08-09/hour=00/spreads-00-00.0000000.parquet",
            "exchange=okx/symbol=SHIB#USDT/date=2024-08-09/hour=00/run-000000.parquet",
        ]
    );
    let foreign = fs::read(folder.join("spreads-00-00.0000000.parquet")).unwrap();
    assert_eq!(foreign, b"another system's");
}

#[test]
fn a_segment_cut_by_a_crash_is_sealed_to_its_last_whole_block() {
    let mut rig = Rig::new(patient());
    rig.pass(&quotes(14), MIDNIGHT);
    let open = rig.lake().join("journal/run-000000.seg.open");
    let bytes = fs::read(&open).unwrap();
    fs::write(&open, &bytes[..bytes.len() - 1]).unwrap();
    let sealed = seal_segment(&open, &rig.book(), &catalogue()).unwrap();
    assert_eq!((sealed.tally.quotes, sealed.truncated_at), (7, Some(64 + 8 * 64)));
    assert_eq!(rows_of_file(&sealed.files[0].path).len(), 7);
}

#[test]
fn of_a_damaged_segment_the_whole_blocks_are_sealed_and_the_file_is_kept() {
    let mut rig = Rig::new(Settings { segment_rows: 21, ..patient() });
    rig.pass(&quotes(63), MIDNIGHT);
    let journal = rig.lake().join("journal");
    let damaged = journal.join("run-000001.seg");
    let mut bytes = fs::read(&damaged).unwrap();
    // In the second of three blocks of seven.
    bytes[64 + 8 * 64 + 200] ^= 1;
    fs::write(&damaged, &bytes).unwrap();
    let short = journal.join("run-000002.seg");
    let bytes_of_short = fs::read(&short).unwrap();
    fs::write(&short, &bytes_of_short[..64 + 2 * 8 * 64]).unwrap();
    assert_eq!(rig.seal(), Vec::<String>::new());
    let rows = rows_of_lake(&rig.lake());
    let numbers: Vec<i64> = rows.values().flatten().map(|row| row.number).collect();
    let wanted: Vec<i64> = (0..28).chain(35..56).collect();
    assert_eq!(numbers, wanted);
    assert_eq!(files_under(&journal), Vec::<String>::new());
    let kept = files_under(&rig.lake().join("damaged"));
    assert_eq!(kept, ["run-000001.seg", "run-000002.seg"]);
    assert_eq!(fs::read(rig.lake().join("damaged/run-000001.seg")).unwrap(), bytes);
    let (entries, _) = ledger::read(&rig.lake());
    let lost = entries.iter().filter(|e| e.gap_cause() == Some(Cause::Damage));
    let lost: Vec<_> = lost.map(|e| (e.segment, e.first, e.last, e.rows)).collect();
    assert_eq!(lost, [(Some(1), Some(28), Some(34), Some(7)), (Some(2), Some(56), None, None)]);
    assert_eq!(rig.count("seal.damaged"), 2);
}

#[test]
fn a_segment_whose_header_is_damaged_is_sealed_by_its_runs_mark() {
    let mut rig = Rig::new(patient());
    Mark::begin(&rig.lake(), origin().run, MIDNIGHT, &catalogue(), Provenance::Live).unwrap();
    rig.pass(&quotes(14), MIDNIGHT);
    let open = rig.lake().join("journal/run-000000.seg.open");
    let mut bytes = fs::read(&open).unwrap();
    bytes[20] ^= 1;
    fs::write(&open, bytes).unwrap();
    let lake = rig.lake();
    let recover = || recover::leftovers(&lake).unwrap()[0].recover(&lake, None, None, |_| {});
    let [living] = &recover().failures[..] else { panic!("the journal holds the segment") };
    assert!(living.contains("is still being recorded"), "{living}");
    let _home = rig.home;
    drop(rig.journal);
    let recovered = recover();
    assert_eq!(recovered.failures, Vec::<String>::new());
    assert_eq!(recovered.sealed[0].tally.quotes, 14);
    assert_eq!(rows_of_lake(&lake).values().map(Vec::len).sum::<usize>(), 14);
}

#[test]
fn sealing_that_was_interrupted_anywhere_is_finished_without_a_row_too_many() {
    let folder = "exchange=binance/symbol=BTC#USDT/date=2024-08-09/hour=00";
    // Two segments: the second is merged into the file of the first.
    let mut rig = Rig::new(Settings { segment_rows: 15, ..patient() });
    rig.pass(&quotes(30), MIDNIGHT);
    rig.journal.on_close();
    let segments: Vec<_> = rig.closed.try_iter().map(|closed| closed.path).collect();
    let mut sealer = RunSealer::new(rig.book(), catalogue());
    sealer.seal(&segments[0]).unwrap();
    let [before, file] =
        [0, 1].map(|n| rig.lake().join(folder).join(format!("run-00000{n}.parquet")));
    let segment = fs::read(&segments[1]).unwrap();
    sealer.seal(&segments[1]).unwrap();
    assert!(!before.exists());
    let both = fs::read(&file).unwrap();
    let (entries, _) = ledger::read(&rig.lake());
    // Killed after the file was named, but before the segment was deleted; and when the file had the
    // name of the one that it replaces.
    for left in [&file, &before] {
        if left != &file {
            fs::rename(&file, left).unwrap();
        }
        fs::write(&segments[1], &segment).unwrap();
        seal_segment(&segments[1], &rig.book(), &catalogue()).unwrap();
        assert_eq!(fs::read(&file).unwrap(), both);
        assert_eq!(ledger::read(&rig.lake()).0, entries);
        assert!(!segments[1].exists() && !before.exists());
    }
    assert_eq!(rows_of_file(&file).len(), 30);
    let rows = entries.iter().filter(|e| e.kind == EntryKind::Rows);
    let rows: Vec<_> = rows.map(|e| (e.segment, e.first, e.last, e.rows)).collect();
    let part = |segment, first, last| (Some(segment), Some(first), Some(last), Some(15));
    assert_eq!(rows, [part(0, 0, 14), part(1, 15, 29)]);
}

#[test]
fn a_segment_of_another_catalogue_or_a_folder_that_is_a_file_is_refused() {
    let mut rig = Rig::new(patient());
    rig.pass(&quotes(3), MIDNIGHT);
    rig.close();
    let path = rig.closed.recv().unwrap().path;
    let mut other = catalogue();
    other.venues.swap(0, 1);
    let refused = seal_segment(&path, &rig.book(), &other);
    assert!(matches!(refused, Err(SealError::OtherCatalogue)));
    fs::write(rig.lake().join("exchange=binance"), "in the way").unwrap();
    let refused = seal_segment(&path, &rig.book(), &catalogue());
    assert!(
        matches!(refused, Err(SealError::Table(TableError::Io { doing: "make the folder", .. }))),
        "{refused:?}"
    );
    assert!(path.exists());
    let foreign = seal_segment(&rig.lake().join("exchange=binance"), &rig.book(), &catalogue());
    assert!(matches!(foreign, Err(SealError::Segment(SegmentError::NotASegment))), "{foreign:?}");
}
