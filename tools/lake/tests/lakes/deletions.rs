//! Rows that are deleted on purpose are no loss, and what an import adds hides no outage.

use crate::recorded::{MIDNIGHT, findings, names, parquet_files, quote, record};
use ::lake::compact::{Work, compact};
use ::lake::drop_run::{self, drop_run};
use ::lake::prune::prune;
use ::lake::verify::verify;
use indicatif::ProgressBar;
use spreadwire_lake::completeness::{self, Known};
use spreadwire_lake::layout::HOUR;
use spreadwire_lake::ledger;
use spreadwire_market::clock::{Nanos, SECOND};
use spreadwire_market::record::Record;
use std::fs;
use std::path::Path;

const LATER: Nanos = MIDNIGHT + 72 * HOUR;

fn quotes(from: Nanos, count: u64) -> Vec<Record> {
    (0..count).map(|at| Record::from(quote(0, 0, from + at * SECOND, 7))).collect()
}

/// A run over midnight and one within the day after, both with files in the same hour.
fn lake() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let first = [quotes(MIDNIGHT - 30 * SECOND, 20), quotes(MIDNIGHT - 10 * SECOND, 20)];
    record(home.path(), "run-1", &first);
    record(home.path(), "run-2", &[quotes(MIDNIGHT + 60 * SECOND, 5)]);
    home
}

fn rows(lake: &Path) -> u64 {
    let verdict = verify(lake, None, &ProgressBar::hidden());
    verdict.tables.get("quotes").map_or(0, |sum| sum.rows)
}

fn merge(lake: &Path) {
    let work = Work { lake, now: LATER, date: None, min_files: 2, closed_for: 0 };
    compact(&work, &ProgressBar::hidden(), &mut |_| Ok(())).unwrap();
}

#[test]
fn pruned_days_are_gone_and_the_lake_is_complete_without_them() {
    for merged in [false, true] {
        let home = lake();
        if merged {
            merge(home.path());
        }
        let kept = "2024-08-09".parse().unwrap();
        let would = prune(home.path(), kept, LATER, true).unwrap();
        assert_eq!((would.folders.len(), would.files), (1, if merged { 1 } else { 2 }));
        assert_eq!(rows(home.path()), 45, "nothing was deleted");
        assert_eq!(prune(home.path(), kept, LATER, false).unwrap(), would);
        assert_eq!(findings(home.path()), Vec::<String>::new());
        assert_eq!(rows(home.path()), 15);
        let verdict = verify(home.path(), None, &ProgressBar::hidden());
        let told = verdict.notes.iter().any(|note| note.contains("before 2024-08-09 00:00:00.000"));
        assert!(told, "{:?}", verdict.notes);
        assert!(prune(home.path(), kept, LATER + 1, false).unwrap().folders.is_empty());
        // What is lost on the days that are kept is lost all the same.
        let file = parquet_files(&home.path().join("exchange=binance")).remove(0);
        fs::remove_file(file).unwrap();
        assert!(!findings(home.path()).is_empty());
    }
}

#[test]
fn rows_that_come_back_to_a_pruned_day_are_told() {
    let home = lake();
    let place = home.path().join("exchange=binance/symbol=BTC#USDT/date=2024-08-08");
    let aside = home.path().with_extension("aside");
    let file = parquet_files(&place).remove(0);
    fs::create_dir(&aside).unwrap();
    let kept = aside.join("kept.parquet");
    fs::copy(&file, &kept).unwrap();
    prune(home.path(), "2024-08-09".parse().unwrap(), LATER, false).unwrap();
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::rename(&kept, &file).unwrap();
    fs::remove_dir_all(&aside).unwrap();
    assert!(findings(home.path())[0].contains("was pruned"), "{:?}", findings(home.path()));
    prune(home.path(), "2024-08-09".parse().unwrap(), LATER + 1, false).unwrap();
    assert_eq!(findings(home.path()), Vec::<String>::new());
}

#[test]
fn segments_that_wait_are_not_pruned_away() {
    let home = lake();
    fs::create_dir_all(home.path().join("journal")).unwrap();
    fs::write(home.path().join("journal/run-9-000000.seg"), "x").unwrap();
    let refused = prune(home.path(), "2024-08-09".parse().unwrap(), LATER, false).unwrap_err();
    assert!(refused.to_string().contains("lake recover"), "{refused}");
    assert_eq!(rows(home.path()), 45);
}

#[test]
fn a_dropped_run_is_gone_and_the_others_are_as_they_were() {
    for merged in [false, true] {
        for (run, left) in [("run-1", 5), ("run-2", 40)] {
            let home = lake();
            if merged {
                merge(home.path());
            }
            let would = drop_run(home.path(), run, LATER, true).unwrap();
            assert_eq!(would.rows, 45 - left);
            assert_eq!(rows(home.path()), 45, "nothing was deleted");
            assert_eq!(drop_run(home.path(), run, LATER, false).unwrap(), would);
            assert_eq!(findings(home.path()), Vec::<String>::new(), "{run}, merged: {merged}");
            assert_eq!(rows(home.path()), left);
            let again = drop_run(home.path(), run, LATER + 1, false).unwrap();
            assert_eq!(again, drop_run::Outcome::default());
            // The lake goes on: it can be merged, and a run can be added.
            merge(home.path());
            record(home.path(), "run-3", &[quotes(MIDNIGHT + 300 * SECOND, 3)]);
            assert_eq!(findings(home.path()), Vec::<String>::new());
            assert_eq!(rows(home.path()), left + 3);
        }
    }
}

#[test]
fn a_run_that_nobody_knows_or_that_goes_on_is_not_dropped() {
    let home = lake();
    let refused = drop_run(home.path(), "run-7", LATER, false).unwrap_err().to_string();
    assert_eq!(refused, "the ledger does not know a run run-7");
    fs::write(home.path().join("journal/run-1-000009.seg"), "x").unwrap();
    let refused = drop_run(home.path(), "run-1", LATER, false).unwrap_err().to_string();
    assert!(refused.contains("has not ended"), "{refused}");
}

#[test]
fn an_import_over_an_outage_leaves_it_stated() {
    let home = tempfile::tempdir().unwrap();
    record(home.path(), "run-1", &[quotes(MIDNIGHT, 10)]);
    record(home.path(), "run-2", &[quotes(MIDNIGHT + HOUR, 10)]);
    let gaps = |lake: &Path| {
        let verdict = verify(lake, None, &ProgressBar::hidden());
        assert_eq!(verdict.findings, []);
        verdict.outages.iter().map(|o| (o.cause, o.from, o.until)).collect::<Vec<_>>()
    };
    let before = gaps(home.path());
    assert_eq!(before, [("stopped", MIDNIGHT + 9 * SECOND, Some(MIDNIGHT + HOUR))]);
    let tape = home.path().with_extension("csv");
    let row = |at: Nanos| format!("{at},{at},okx_spot,ETHUSDT,10.5,1,10.6,2\n");
    let header = "recv_ts_ns,exch_ts_ns,venue,symbol,bid,bid_qty,ask,ask_qty\n";
    let text = format!("{header}{}{}", row(MIDNIGHT + 60 * SECOND), row(MIDNIGHT + 3000 * SECOND));
    fs::write(&tape, text).unwrap();
    let out = std::process::Command::new(env!("CARGO_BIN_EXE_lake"))
        .args(["import".as_ref(), home.path().as_os_str(), tape.as_os_str()])
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    fs::remove_file(&tape).unwrap();
    assert_eq!(gaps(home.path()), before);
    let (facts, _) = ledger::read(home.path());
    let table = completeness::table(&facts);
    let of = |venue: &str| -> Vec<Known> {
        table.iter().filter(|interval| interval.venue == venue).map(|i| i.known).collect()
    };
    assert_eq!(of("binance"), [Known::Recorded, Known::Outage, Known::Recorded]);
    assert_eq!(of("okx"), [Known::Imported]);
}

#[test]
fn the_table_of_gaps_comes_in_every_format() {
    let home = lake();
    let gaps = |arguments: &[&str]| {
        let out = std::process::Command::new(env!("CARGO_BIN_EXE_lake"))
            .arg("gaps")
            .arg(home.path())
            .args(arguments)
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    };
    let csv = gaps(&["--csv"]);
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "Venue,Instrument,From,Until,Known,Cause,Run");
    assert!(lines.iter().any(|line| line.ends_with("outage,stopped,run-1")), "{csv}");
    let missing = gaps(&["--csv", "--missing", "--date", "2024-08-09"]);
    assert_eq!(missing.lines().count(), 2, "{missing}");
    let json = gaps(&["--json"]);
    assert_eq!(json.lines().count(), lines.len() - 1);
    let first: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!((&first["known"], &first["run"]), (&"recorded".into(), &"run-1".into()));
    let file = home.path().with_extension("gaps.parquet");
    gaps(&["--parquet", file.to_str().unwrap()]);
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(
        fs::File::open(&file).unwrap(),
    );
    let rows: usize = reader.unwrap().build().unwrap().map(|b| b.unwrap().num_rows()).sum();
    assert_eq!(rows, lines.len() - 1);
    fs::remove_file(file).unwrap();
    assert!(gaps(&[]).contains("binance"));
    assert!(names(home.path()).contains(&"head.json".to_owned()));
}
