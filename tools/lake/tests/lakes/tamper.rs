//! A table of what somebody may do to a lake: every row is noticed by `lake verify`, of the whole lake
//! and of each day that the run touches, but for the one that only a head kept elsewhere shows.

use crate::recorded::{MIDNIGHT, names, parquet_files, quote, record};
use ::lake::findings::{Problem, Verdict};
use ::lake::verify::{Depth, mend, verify, verify_to};
use indicatif::ProgressBar;
use spreadwire_lake::ledger::{self, Entry, EntryKind, Head, Ledger};
use spreadwire_market::clock::{Nanos, SECOND};
use spreadwire_market::record::Record;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

const DAYS: [&str; 2] = ["2024-08-08", "2024-08-09"];

/// Two runs; the first one has segments before, over and after midnight.
fn lake() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let quotes = |from: Nanos, bid: i64| -> Vec<Record> {
        (0..40).map(|at| Record::from(quote(0, 0, from + at * SECOND, bid))).collect()
    };
    let segments = [
        quotes(MIDNIGHT - 100 * SECOND, 1),
        quotes(MIDNIGHT - 20 * SECOND, 2),
        quotes(MIDNIGHT + 100 * SECOND, 3),
    ];
    record(home.path(), "run-1", &segments);
    let other = (0..40).map(|at| quote(1, 1, MIDNIGHT + (200 + at) * SECOND, 4));
    record(home.path(), "run-2", &[other.map(Record::from).collect()]);
    home
}

fn whole(lake: &Path) -> Verdict {
    verify(lake, None, &ProgressBar::hidden())
}

fn of_day(lake: &Path, day: &str) -> Verdict {
    verify(lake, Some(day.parse().unwrap()), &ProgressBar::hidden())
}

fn problems(verdict: &Verdict) -> Vec<Problem> {
    let mut problems: Vec<Problem> = verdict.findings.iter().map(|f| f.problem).collect();
    problems.sort_unstable();
    problems.dedup();
    problems
}

fn ledger_files(lake: &Path, of: &str) -> Vec<PathBuf> {
    let mut files = ledger::files(lake);
    files.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with(of));
    assert!(!files.is_empty(), "{of}");
    files
}

/// Deletes the ledger files and the rows that begin with this name.
fn delete_consistently(lake: &Path, of: &str) {
    let rows = parquet_files(lake).into_iter();
    let rows = rows.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(of));
    rows.for_each(|path| fs::remove_file(path).unwrap());
}

/// Writes a file of the ledger anew, with a sound checksum and other entries.
fn rewrite(path: &Path, change: impl FnOnce(&mut Vec<Entry>)) {
    let mut entries = ledger::read_file(path).unwrap();
    change(&mut entries);
    let lake = path.ancestors().nth(3).unwrap();
    let name = ledger::name_and_checksum(path).unwrap().0.to_owned();
    let day = spreadwire_lake::layout::times_of(path.parent().unwrap()).unwrap().0;
    fs::remove_file(path).unwrap();
    ledger::write(lake, &name, day, &entries).unwrap();
}

fn quotes_folder(lake: &Path) -> PathBuf {
    lake.join("exchange=binance/symbol=BTC#USDT/date=2024-08-09/hour=00")
}

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// What is done, and on which days it must be noticed.
type Row = (&'static str, fn(&Path), &'static [&'static str]);

const NOTICED: &[Row] = &[
    (
        "a segment that begins before midnight, consistently",
        |l| delete_consistently(l, "run-1-000001"),
        &DAYS,
    ),
    ("a segment after midnight, consistently", |l| delete_consistently(l, "run-1-000002"), &DAYS),
    (
        "the last segment of a run, consistently",
        |l| delete_consistently(l, "run-2-000000"),
        &["2024-08-09"],
    ),
    ("a whole run, consistently", |l| delete_consistently(l, "run-2"), &DAYS),
    ("how a run ended", |l| delete_consistently(l, "run-1-ended"), &DAYS),
    ("how a run began", |l| delete_consistently(l, "run-1-started"), &DAYS),
    (
        "a count, with a sound checksum",
        |l| {
            rewrite(&ledger_files(l, "run-1-stages")[0], |entries| {
                let stage =
                    entries.iter_mut().find(|e| e.kind == EntryKind::Stage && e.rows == Some(0));
                stage.unwrap().rows = Some(1);
            });
        },
        &DAYS,
    ),
    (
        "an entry of the last file, with a sound checksum",
        |l| {
            rewrite(&ledger_files(l, "run-2-ended")[0], |entries| {
                entries.iter_mut().for_each(|entry| entry.time -= 1);
            });
        },
        &["2024-08-09"],
    ),
    (
        "an entry left out of a file",
        |l| {
            rewrite(&ledger_files(l, "run-1-stages")[0], |entries| {
                entries.truncate(entries.len() - 1)
            });
        },
        &DAYS,
    ),
    ("the head", |l| fs::remove_file(l.join("head.json")).unwrap(), &DAYS),
    ("the content of the head", |l| fs::write(l.join("head.json"), "{}").unwrap(), &DAYS),
    (
        "a run in the head",
        |l| {
            let text = fs::read_to_string(l.join("head.json")).unwrap();
            fs::write(l.join("head.json"), text.replace("run-2", "run-3")).unwrap();
        },
        &DAYS,
    ),
    ("a pipe among the rows", |l| fifo(&quotes_folder(l).join("x.parquet")), &DAYS),
    ("a pipe among the ledger", |l| fifo(&l.join("ledger/date=2024-08-09/x.parquet")), &DAYS),
    (
        "a link to a file of the folder",
        |l| {
            let folder = quotes_folder(l);
            symlink(&names(&folder)[0], folder.join("x.parquet")).unwrap();
        },
        &DAYS,
    ),
    ("a link to a folder", |l| symlink(quotes_folder(l), l.join("exchange=okx")).unwrap(), &DAYS),
    (
        "a copy beside a file",
        |l| {
            let folder = quotes_folder(l);
            fs::copy(folder.join(&names(&folder)[0]), folder.join("x.parquet")).unwrap();
        },
        &["2024-08-09"],
    ),
    (
        "another name for a file",
        |l| {
            let folder = quotes_folder(l);
            fs::rename(folder.join(&names(&folder)[0]), folder.join("x.parquet")).unwrap();
        },
        &["2024-08-09"],
    ),
    (
        "a file in a folder of the journal",
        |l| {
            fs::create_dir_all(l.join("journal/x")).unwrap();
            fs::write(l.join("journal/x/y"), "z").unwrap();
        },
        &DAYS,
    ),
    ("a file beside the folders", |l| fs::write(l.join("notes.txt"), "z").unwrap(), &DAYS),
];

#[test]
fn whatever_is_done_to_a_lake_is_noticed_on_every_day_that_it_touches() {
    let sound = lake();
    assert_eq!(whole(sound.path()).findings, []);
    for day in DAYS {
        assert_eq!(of_day(sound.path(), day).findings, [], "{day}");
    }
    for (what, tamper, days) in NOTICED {
        let home = lake();
        tamper(home.path());
        assert!(!whole(home.path()).is_complete(), "{what}");
        for day in *days {
            assert!(!of_day(home.path(), day).is_complete(), "{what}, {day}");
        }
    }
}

#[test]
fn each_file_of_the_ledger_is_missed_by_its_number() {
    let home = lake();
    for path in ledger::files(home.path()) {
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let verdict = whole(home.path());
        let gone = |text: &str| text.contains("of its ledger is gone");
        assert!(verdict.findings.iter().any(|f| gone(&f.text)), "{path:?}: {verdict:?}");
        fs::write(&path, bytes).unwrap();
    }
    assert_eq!(whole(home.path()).findings, []);
}

#[test]
fn a_run_that_is_taken_out_of_the_head_too_shows_in_a_head_kept_elsewhere_alone() {
    let home = lake();
    let kept = home.path().with_extension("head.json");
    let key = home.path().with_extension("key");
    fs::write(&key, "0123456789abcdef\n").unwrap();
    assert!(Command::new("chmod").arg("600").arg(&key).status().unwrap().success());
    let head = |arguments: &[&str]| {
        let out = Command::new(env!("CARGO_BIN_EXE_lake"))
            .arg("head")
            .arg(home.path())
            .args(arguments)
            .output()
            .unwrap();
        let told = [out.stdout, out.stderr].concat();
        (out.status.code().unwrap(), String::from_utf8(told).unwrap())
    };
    let (kept, key) = (kept.to_str().unwrap(), key.to_str().unwrap());
    assert_eq!(head(&["--sign", key, "--out", kept]), (0, String::new()));
    assert_eq!(head(&["--expect", kept]).0, 0);
    assert_eq!(
        head(&["--expect", kept, "--sign", key]),
        (0, "2 runs are here as they were\n".into())
    );
    // More runs are no difference.
    record(home.path(), "run-3", &[vec![Record::from(quote(0, 0, MIDNIGHT + 900 * SECOND, 1))]]);
    assert_eq!(head(&["--expect", kept, "--sign", key]).0, 0);
    delete_consistently(home.path(), "run-2");
    let mut left = Head::read(home.path()).unwrap().unwrap();
    left.runs.remove("run-2");
    fs::write(home.path().join("head.json"), left.to_json().to_string()).unwrap();
    assert_eq!(whole(home.path()).findings, [], "this is documented");
    let (code, told) = head(&["--expect", kept, "--sign", key]);
    assert_eq!((code, told.lines().next()), (1, Some("run run-2 is gone")));
    // Whoever changes the head that was kept does not have the key.
    let text = fs::read_to_string(kept).unwrap();
    fs::write(kept, text.replacen("\"serial\": ", "\"serial\": 1", 1)).unwrap();
    let (code, told) = head(&["--expect", kept, "--sign", key]);
    assert!(code == 1 && told.contains("was changed, or signed with another key"), "{told}");
    fs::write(kept, "{}").unwrap();
    assert!(head(&["--expect", kept, "--sign", key]).1.contains("is not signed"));
    assert!(Command::new("chmod").arg("644").arg(key).status().unwrap().success());
    assert!(head(&["--sign", key]).1.contains("can be read by others"));
    for file in [kept, key] {
        fs::remove_file(file).unwrap();
    }
}

#[test]
fn a_merged_ledger_keeps_its_chains() {
    use ::lake::compact::{Work, compact};
    let home = lake();
    let now = MIDNIGHT + 72 * 3600 * SECOND;
    let work = Work { lake: home.path(), now, date: None, min_files: 2, closed_for: 0 };
    let chains = Ledger::read(home.path()).chains;
    compact(&work, &ProgressBar::hidden(), &mut |_| Ok(())).unwrap();
    let merged = ledger_files(home.path(), "run-1").len();
    assert_eq!(merged, 2, "one for each day");
    assert_eq!(Ledger::read(home.path()).chains, chains);
    assert_eq!(whole(home.path()).findings, []);
}

#[test]
fn without_rows_sizes_and_footers_are_compared() {
    let home = lake();
    let fast = || verify_to(home.path(), None, Depth::Footers, &ProgressBar::hidden());
    let (all, some) = (whole(home.path()), fast());
    assert_eq!(some.findings, []);
    assert_eq!(some.tables["quotes"].rows, all.tables["quotes"].rows);
    assert_eq!(some.tables["quotes"].first, all.tables["quotes"].first);
    let file = parquet_files(&quotes_folder(home.path())).remove(0);
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(problems(&fast()), [Problem::Missing, Problem::Damaged]);
    fs::remove_file(&file).unwrap();
    assert_eq!(problems(&fast()), [Problem::Missing]);
    let mut flipped = bytes.clone();
    flipped[30] ^= 1;
    fs::write(&file, &flipped).unwrap();
    assert_eq!(fast().findings, [], "a byte within a file is what this does not notice");
    fs::write(file.with_file_name("x.parquet"), &bytes).unwrap();
    assert_eq!(problems(&fast()), [Problem::Unexpected]);
}

#[test]
fn what_the_ledger_proves_is_mended_and_nothing_else_touched() {
    let home = lake();
    let lake = home.path();
    let folder = quotes_folder(lake);
    let first = folder.join(&names(&folder)[0]);
    let copy = folder.join("copy.parquet");
    fs::copy(&first, &copy).unwrap();
    fs::write(folder.join("torn.parquet.tmp"), "PAR").unwrap();
    let other = lake.join("exchange=binance/symbol=BTC#USDT/date=2024-08-08/hour=23");
    let lost = other.join(&names(&other)[0]);
    fs::rename(&lost, other.join("strange.parquet")).unwrap();
    let mended = mend(lake).unwrap();
    assert_eq!(mended.len(), 3, "{mended:?}");
    assert!(lost.exists() && !copy.exists());
    assert_eq!(whole(lake).findings, []);
    assert_eq!(mend(lake).unwrap(), Vec::<String>::new());
    fs::remove_file(lake.join("head.json")).unwrap();
    let named = ["head.json: names run run-1 again", "head.json: names run run-2 again"];
    assert_eq!(mend(lake).unwrap(), named);
    assert_eq!(whole(lake).findings, []);
    // A file of another folder, one that was changed, and one that nobody knows prove nothing.
    fs::copy(&lost, folder.join("elsewhere.parquet")).unwrap();
    let mut bytes = fs::read(&first).unwrap();
    bytes[40] ^= 1;
    fs::write(folder.join("changed.parquet"), bytes).unwrap();
    fs::write(folder.join("unknown.parquet"), "PAR1").unwrap();
    assert_eq!(mend(lake).unwrap(), Vec::<String>::new());
    for name in ["elsewhere", "changed", "unknown"] {
        assert!(folder.join(format!("{name}.parquet")).exists(), "{name}");
    }
}
