//! Tests `lake verify` on sound lakes and on every kind of damage. No incomplete lake may be called
//! complete.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use indicatif::ProgressBar;
use lake::findings::{Problem, RunEnd, STOPPED, Verdict};
use lake::numbers::Range;
use lake::verify::verify;
use spreadwire_kit::{catalogue, quotes};
use spreadwire_lake::ledger::{self, Book, Entry, EntryKind};
use spreadwire_lake::mark::Mark;
use spreadwire_lake::recover;
use spreadwire_lake::run::{Origin, Provenance, RunId, catalogue_digest};
use spreadwire_lake::seal::{RunSealer, seal_segment};
use spreadwire_lake::segment::{Block, SegmentInfo, SegmentWriter};
use spreadwire_lake::stage::{Stage, StageCounts};
use spreadwire_market::clock::{Nanos, SECOND};
use spreadwire_market::instrument::Catalogue;
use spreadwire_market::record::{Gap, GapCause, Quote, Record, Status};
use spreadwire_market::state::{Reason, State};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const MIDNIGHT: Nanos = 1_723_161_600 * SECOND;

fn catalogue() -> Catalogue {
    catalogue::of(["BTC/USDT", "ETH/USDT"], ["binance", "okx"]).build()
}

fn quote(at: u64, ts_recv: Nanos) -> Record {
    let (venue, instrument) = (u8::from(at.is_multiple_of(2)), u32::from(at.is_multiple_of(3)));
    let quote = quotes::quote(venue, instrument, ts_recv);
    let [bid, ask, size] = [at % 7, at % 5, at].map(|more| i64::try_from(more).unwrap());
    let (bid_px, ask_px) = (quote.bid_px + bid, quote.ask_px + ask);
    let ask_sz = quote.ask_sz + size;
    Quote { ts_event: ts_recv - 5, bid_px, ask_px, ask_sz, sequence: at, ..quote }.into()
}

fn status(state: State, reason: Reason, ts_recv: Nanos) -> Record {
    Status { reason: reason as u8, ..quotes::status(0, 0, state, ts_recv) }.into()
}

/// Writes records as one segment and returns its path.
fn segment(lake: &Path, run: RunId, number: u32, first: u64, records: &[Record]) -> PathBuf {
    let origin = Origin { run, catalogue: catalogue_digest(&catalogue()) };
    let info = SegmentInfo { origin, number, started_at: MIDNIGHT };
    let mut writer = SegmentWriter::create(&lake.join("journal"), info).unwrap();
    let mut block = Block::new(64, first);
    for chunk in records.chunks(64) {
        chunk.iter().for_each(|record| block.push(record));
        writer.write(&mut block).unwrap();
        block.clear();
    }
    let finished = writer.finish();
    finished.trim().unwrap();
    finished.close().unwrap().path
}

/// Returns counters as an engine leaves them, one of each kind; `verify` compares none of them.
fn counters() -> BTreeMap<String, u64> {
    BTreeMap::from([("calculator.quotes".to_owned(), 1), ("feed.okx.0.frames".to_owned(), 2)])
}

/// Returns the stage counts of a run of these records, of which the edge to the journal lost some.
fn stages<'a>(records: impl IntoIterator<Item = &'a Record>, lost: u64) -> StageCounts {
    let mut stages = StageCounts::of_records(records);
    let before = [Stage::Fed, Stage::NumberedQuotes, Stage::Missed];
    before.into_iter().for_each(|stage| stages.add(stage, lost));
    stages
}

/// Begins a run whose ledger has this version. Before version 3 it was no chain.
fn begin(lake: &Path, run: RunId, started_at: Nanos, version: u64) -> Mark {
    let mark = Mark::begin(lake, run, started_at, &catalogue(), Provenance::Live).unwrap();
    if version == ledger::VERSION {
        return mark;
    }
    fs::remove_dir_all(lake.join("ledger")).unwrap();
    fs::remove_file(lake.join("head.json")).unwrap();
    let path = lake.join(format!("journal/{run}.run.json"));
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let keys = json.as_object_mut().unwrap();
    keys.remove("provenance");
    keys.remove("ledger");
    let rows = (1 < version).then_some(version);
    rows.map(|version| keys.insert("ledger".to_owned(), version.into()));
    fs::write(&path, json.to_string()).unwrap();
    let started = Entry::new(EntryKind::Started, started_at).of_run(run.as_str());
    let book = Book::resume(lake, run, version);
    book.write("started", started_at, &[Entry { rows, ..started }]).unwrap();
    Mark { ledger: version, provenance: None, book, ..mark }
}

/// Writes a run of two segments on both sides of midnight, which ended in order.
fn recorded(lake: &Path) -> Vec<PathBuf> {
    recorded_by(lake, ledger::VERSION)
}

/// Does what [`recorded`] does, with a ledger of this version.
fn recorded_by(lake: &Path, version: u64) -> Vec<PathBuf> {
    let run = RunId::new("run-1").unwrap();
    let mark = begin(lake, run, MIDNIGHT - SECOND, version);
    let (before, after): (Vec<Record>, Vec<Record>) =
        ((0..150).map(|at| quote(at, MIDNIGHT - 200 + at)).collect(), quotes_after().collect());
    let first = segment(lake, run, 0, 0, &before);
    let second = segment(lake, run, 1, 150, &after);
    for path in [&first, &second] {
        seal_segment(path, &mark.book, &catalogue()).unwrap();
    }
    let stages = stages(before.iter().chain(&after), 0);
    mark.end(lake, MIDNIGHT + SECOND, 352, &counters(), &stages).unwrap();
    files(lake)
}

fn quotes_after() -> impl Iterator<Item = Record> {
    let quotes = (0..200).map(|at| quote(at, MIDNIGHT - 50 + at));
    let lost = status(State::Down, Reason::Disconnected, MIDNIGHT + 10);
    let back = status(State::Live, Reason::Quote, MIDNIGHT + 20);
    quotes.chain([lost, back])
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|end| end == "parquet") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn checked(lake: &Path) -> Verdict {
    verify(lake, None, &ProgressBar::hidden())
}

fn problems(verdict: &Verdict) -> Vec<Problem> {
    let mut problems: Vec<Problem> = verdict.findings.iter().map(|f| f.problem).collect();
    problems.sort_unstable();
    problems.dedup();
    problems
}

#[test]
fn a_sound_lake_is_complete_and_its_outages_are_stated() {
    let home = tempfile::tempdir().unwrap();
    recorded(home.path());
    let verdict = checked(home.path());
    assert_eq!(verdict.findings, []);
    assert_eq!((verdict.tables["quotes"].rows, verdict.tables["status"].rows), (350, 2));
    let [outage] = &verdict.outages[..] else { panic!("{:?}", verdict.outages) };
    assert_eq!((outage.cause, outage.venue.as_deref()), ("network", Some("binance")));
    assert_eq!((outage.from, outage.until), (MIDNIGHT + 10, Some(MIDNIGHT + 20)));
    assert_eq!(verdict.runs[0].end, RunEnd::Clean);
    assert!(verdict.to_text().ends_with("complete apart from the gaps stated\n"));
}

#[test]
fn one_day_is_verified_without_the_files_of_the_others() {
    let home = tempfile::tempdir().unwrap();
    let files = recorded(home.path());
    let on = |day: &str| verify(home.path(), Some(day.parse().unwrap()), &ProgressBar::hidden());
    let (eighth, ninth) = (on("2024-08-08"), on("2024-08-09"));
    assert!(eighth.is_complete() && ninth.is_complete());
    assert_eq!(eighth.tables["quotes"].rows + ninth.tables["quotes"].rows, 350);
    assert!(!ninth.tables["quotes"].rows.is_multiple_of(350));
    let of_ninth = |path: &&PathBuf| {
        let path = path.to_string_lossy();
        path.contains("date=2024-08-09") && path.contains("exchange=")
    };
    fs::remove_file(files.iter().find(of_ninth).unwrap()).unwrap();
    assert!(on("2024-08-08").is_complete());
    assert_eq!(problems(&on("2024-08-09")), [Problem::Missing]);
}

#[test]
fn no_file_can_be_deleted_unnoticed_and_the_rows_are_told() {
    let home = tempfile::tempdir().unwrap();
    let files = recorded(home.path());
    assert!(12 < files.len(), "{}", files.len());
    for file in &files {
        let bytes = fs::read(file).unwrap();
        fs::remove_file(file).unwrap();
        let verdict = checked(home.path());
        assert!(!verdict.is_complete(), "{} is gone", file.display());
        if !file.to_string_lossy().contains("/ledger/") {
            assert_eq!(problems(&verdict), [Problem::Missing], "{}", file.display());
            let name = file.file_name().unwrap().to_str().unwrap();
            let text = verdict.to_text();
            assert!(text.contains(name), "{text}");
            let ranges = verdict.findings.iter().flat_map(|f| &f.ranges);
            let rows: u64 = ranges.map(Range::count).sum();
            let folder = verdict.findings.iter().find(|f| f.folder.is_some()).unwrap();
            assert_eq!(folder.rows, Some(rows), "each missing number is told: {text}");
        }
        fs::write(file, bytes).unwrap();
    }
    assert!(checked(home.path()).is_complete());
}

#[test]
fn no_bit_can_flip_and_no_end_be_cut_off_unnoticed() {
    let home = tempfile::tempdir().unwrap();
    let files = recorded(home.path());
    for (place, file) in files.iter().enumerate() {
        let bytes = fs::read(file).unwrap();
        let bits = bytes.len() * 8;
        for step in 0..6 {
            let bit = (bits / 6 * step + place * 131) % bits;
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            fs::write(file, &damaged).unwrap();
            let verdict = checked(home.path());
            assert!(problems(&verdict).contains(&Problem::Damaged), "{} bit {bit}", file.display());
        }
        for length in [0, 4, bytes.len() / 2, bytes.len() - 1] {
            fs::write(file, &bytes[..length]).unwrap();
            let verdict = checked(home.path());
            assert!(problems(&verdict).contains(&Problem::Damaged), "{} cut", file.display());
        }
        fs::write(file, bytes).unwrap();
    }
    assert!(checked(home.path()).is_complete());
}

#[test]
fn what_does_not_belong_there_is_told() {
    let home = tempfile::tempdir().unwrap();
    let files = recorded(home.path());
    let quotes = files.iter().find(|f| f.to_string_lossy().contains("exchange=")).unwrap();
    let folder = quotes.parent().unwrap();
    for (path, problem) in [
        (folder.join("copy.parquet"), Problem::Unexpected),
        (folder.join("notes.txt"), Problem::Unexpected),
        (folder.join("run-1-000009.parquet.tmp"), Problem::Unexpected),
        (home.path().join("spreads.csv"), Problem::Unexpected),
        (home.path().join("journal/hello.txt"), Problem::Unexpected),
        (
            home.path().join("exchange=x/symbol=y/date=2024-08-08/hour=25/a.parquet"),
            Problem::Unexpected,
        ),
    ] {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(quotes, &path).unwrap();
        let verdict = checked(home.path());
        assert_eq!(problems(&verdict), [problem], "{}", path.display());
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(verdict.findings[0].text.contains(name), "{:?}", verdict.findings);
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn files_that_change_places_are_damage() {
    let home = tempfile::tempdir().unwrap();
    let files = recorded(home.path());
    let quotes: Vec<_> =
        files.iter().filter(|f| f.to_string_lossy().contains("exchange=")).collect();
    let (one, other) = (fs::read(quotes[0]).unwrap(), fs::read(quotes[1]).unwrap());
    fs::write(quotes[0], other).unwrap();
    fs::write(quotes[1], one).unwrap();
    assert!(problems(&checked(home.path())).contains(&Problem::Damaged));
}

#[test]
fn an_earlier_version_of_a_file_has_too_few_rows() {
    let home = tempfile::tempdir().unwrap();
    let run = RunId::new("run-1").unwrap();
    let mark = Mark::begin(home.path(), run, MIDNIGHT, &catalogue(), Provenance::Live).unwrap();
    let all: Vec<Record> = (0..40).map(|at| quote(2, MIDNIGHT + at)).collect();
    let first = segment(home.path(), run, 0, 0, &all[..20]);
    let second = segment(home.path(), run, 1, 20, &all[20..]);
    let mut sealer = RunSealer::new(mark.book.clone(), catalogue());
    let sealed = sealer.seal(&first).unwrap();
    let file = &sealed.files[0].path;
    let early = fs::read(file).unwrap();
    let joined = sealer.seal(&second).unwrap();
    let joined = &joined.files[0].path;
    assert!(joined != file && !file.exists(), "both are small");
    mark.end(home.path(), MIDNIGHT + SECOND, 40, &counters(), &stages(&all, 0)).unwrap();
    assert!(checked(home.path()).is_complete());
    // For a moment it had the name of the file that it replaced.
    fs::rename(joined, file).unwrap();
    assert!(checked(home.path()).is_complete());
    fs::write(file, early).unwrap();
    let verdict = checked(home.path());
    assert_eq!(problems(&verdict), [Problem::Missing]);
    let ranges: Vec<Range> = verdict.findings.into_iter().flat_map(|f| f.ranges).collect();
    assert_eq!(ranges, [Range { first: 20, last: 39 }]);
}

#[test]
fn what_the_recorder_lost_is_no_completeness() {
    for (cause, numbered) in
        [(GapCause::Edge, true), (GapCause::Disk, true), (GapCause::Spreads, false)]
    {
        let home = tempfile::tempdir().unwrap();
        let run = RunId::new("run-1").unwrap();
        let mark = Mark::begin(home.path(), run, MIDNIGHT, &catalogue(), Provenance::Live).unwrap();
        let gap = Record::from(Gap::new(MIDNIGHT + 1, 5).because(cause));
        let records = [quote(0, MIDNIGHT), gap, quote(1, MIDNIGHT + 2)];
        let path = segment(home.path(), run, 0, 0, &records);
        seal_segment(&path, &mark.book, &catalogue()).unwrap();
        let lost = if numbered { 5 } else { 0 };
        let inputs = 2 + lost;
        let stages = stages(&records, lost);
        mark.end(home.path(), MIDNIGHT + SECOND, inputs, &counters(), &stages).unwrap();
        let verdict = checked(home.path());
        assert_eq!(problems(&verdict), [Problem::Lost], "{cause:?}: {:?}", verdict.findings);
        assert_eq!(verdict.findings[0].rows, Some(5));
    }
}

#[test]
fn counts_that_do_not_agree_are_told() {
    let home = tempfile::tempdir().unwrap();
    let run = RunId::new("run-1").unwrap();
    let mark = Mark::begin(home.path(), run, MIDNIGHT, &catalogue(), Provenance::Live).unwrap();
    let records = [quote(0, MIDNIGHT), quote(1, MIDNIGHT)];
    let path = segment(home.path(), run, 0, 0, &records);
    seal_segment(&path, &mark.book, &catalogue()).unwrap();
    // The calculator numbered one more than was ever journalled, and no loss was counted.
    let mut stages = stages(&records, 0);
    [Stage::Fed, Stage::NumberedQuotes].into_iter().for_each(|stage| stages.add(stage, 1));
    mark.end(home.path(), MIDNIGHT + SECOND, 2, &counters(), &stages).unwrap();
    let verdict = checked(home.path());
    assert_eq!(problems(&verdict), [Problem::Missing]);
    assert!(verdict.findings[0].text.contains("3 quotes"), "{:?}", verdict.findings);
}

/// Returns the entries of a run's stages.
fn stage_entries(lake: &Path) -> Vec<Entry> {
    ledger::read(lake).0.into_iter().filter(|e| e.kind == EntryKind::Stage).collect()
}

/// Replaces the entries of the stages of `run-1`.
fn rewrite_stages(lake: &Path, entries: &[Entry]) {
    ledger::write(lake, "run-1-stages", MIDNIGHT + SECOND, entries).unwrap();
}

#[test]
fn each_stage_that_is_missing_is_a_finding_that_names_it() {
    let home = tempfile::tempdir().unwrap();
    recorded_by(home.path(), 2);
    let whole = stage_entries(home.path());
    // Two venues with two instruments each, for three of the stages.
    assert_eq!(whole.len(), Stage::ALL.len() - 3 + 3 * 4);
    for at in 0..whole.len() {
        let mut lacking = whole.clone();
        let Entry { cause, venue, instrument, .. } = lacking.remove(at);
        rewrite_stages(home.path(), &lacking);
        let verdict = checked(home.path());
        let [finding] = &verdict.findings[..] else { panic!("{cause:?}: {:?}", verdict.findings) };
        assert_eq!(finding.problem, Problem::Missing);
        let of = venue.zip(instrument).map(|(venue, of)| format!(" of {venue} {of}"));
        let name = cause.unwrap() + &of.unwrap_or_default();
        let text = format!("run run-1: the ledger does not say what these stages counted: {name}");
        assert_eq!(finding.text, text);
    }
    rewrite_stages(home.path(), &[]);
    let stripped = Command::new(env!("CARGO_BIN_EXE_lake")).arg("verify").arg(home.path()).output();
    let stripped = stripped.unwrap();
    let told = String::from_utf8_lossy(&stripped.stdout);
    assert_eq!(stripped.status.code(), Some(1));
    let names = "decoded, fed, numbered_quotes, numbered_statuses, passed, missed, journalled, \
                 lost, sealed_quotes, sealed_statuses and 3 more";
    assert!(told.contains(names), "{told}");
    rewrite_stages(home.path(), &whole);
    assert_eq!(checked(home.path()).findings, []);
}

#[test]
fn a_stage_that_counted_anything_else_is_told() {
    let home = tempfile::tempdir().unwrap();
    recorded_by(home.path(), 2);
    let whole = stage_entries(home.path());
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        let stage = Stage::of_entry(&changed[at]).unwrap();
        changed[at].rows = changed[at].rows.map(|rows| rows + 1);
        rewrite_stages(home.path(), &changed);
        let verdict = checked(home.path());
        let found = !verdict.findings.is_empty();
        // Rows of a segment that is damaged or waits to be sealed are reported elsewhere.
        let excused = [Stage::Damaged, Stage::Unsealed].contains(&stage);
        assert_eq!(found, !excused, "{stage:?}: {:?}", verdict.findings);
        assert!(verdict.findings.iter().all(|finding| finding.problem == Problem::Missing));
    }
}

/// Makes `run-1` a run that an engine with ledger version 1 recorded, with these counters.
fn make_version_1(lake: &Path, counts: &[(&str, u64)]) {
    let entry = |kind| Entry::new(kind, MIDNIGHT - SECOND).of_run("run-1");
    ledger::write(lake, "run-1-started", MIDNIGHT - SECOND, &[entry(EntryKind::Started)]).unwrap();
    let is_stages = |path: &PathBuf| {
        ledger::name_and_checksum(path).is_some_and(|(name, _)| name == "run-1-stages")
    };
    for path in ledger::files(lake).into_iter().filter(is_stages) {
        fs::remove_file(path).unwrap();
    }
    let end = MIDNIGHT + SECOND;
    let entry = |kind| Entry::new(kind, end).of_run("run-1");
    let count = |(name, rows): &(&str, u64)| Entry {
        rows: Some(*rows),
        ..entry(EntryKind::Count).because(name)
    };
    let entries: Vec<Entry> = counts.iter().map(count).collect();
    ledger::write(lake, "run-1-counts", end, &entries).unwrap();
    let ended = entry(EntryKind::Ended).because("clean");
    let ended = Entry { last: Some(351), rows: Some(counts.len() as u64), ..ended };
    // The entry is in the day of the last record.
    ledger::write(lake, "run-1-ended", MIDNIGHT, &[ended]).unwrap();
}

#[test]
fn a_run_of_an_older_ledger_is_verified_by_the_names_of_its_counters() {
    let home = tempfile::tempdir().unwrap();
    recorded_by(home.path(), 2);
    let rows = |venue: &str, instrument: &str| {
        let (entries, _) = ledger::read(home.path());
        let of = entries.into_iter().filter(|e| {
            e.kind == EntryKind::Rows
                && e.venue.as_deref() == Some(venue)
                && e.instrument.as_deref() == Some(instrument)
        });
        of.map(|e| e.rows.unwrap()).sum::<u64>()
    };
    let btc = rows("okx", "BTC/USDT");
    let whole = [
        ("calculator.quotes", 350),
        ("calculator.statuses", 2),
        ("edge.feed.okx.passed", 300),
        ("edge.feed.binance.passed", 52),
        ("journal.missed", 0),
        ("chronicle.booked", 0),
        ("feed.okx.0.instrument.BTC/USDT.passed", btc - 1),
        ("feed.okx.1.instrument.BTC/USDT.passed", 1),
        ("calculator.okx.BTC/USDT.passed", btc),
        ("journal.okx.BTC/USDT.written", btc),
    ];
    make_version_1(home.path(), &whole);
    assert_eq!(checked(home.path()).findings, [], "no stage is missing that it never had");
    for at in 0..whole.len() {
        let mut changed = whole;
        changed[at].1 += 1;
        make_version_1(home.path(), &changed);
        assert_eq!(problems(&checked(home.path())), [Problem::Missing], "{}", whole[at].0);
    }
    // A stage by listing that was not counted is not required; nor is anything if there are no
    // counters.
    for counts in [&whole[..6], &[]] {
        make_version_1(home.path(), counts);
        assert_eq!(checked(home.path()).findings, []);
    }
}

#[test]
fn counters_of_an_hour_are_not_held_against_a_run_that_went_on_after_it() {
    for version in [1, 2, 3] {
        let home = tempfile::tempdir().unwrap();
        let run = RunId::new("run-1").unwrap();
        let mark = begin(home.path(), run, MIDNIGHT, version);
        let entry = |kind, time| Entry::new(kind, time).of_run("run-1");
        let hourly = |name: &str, rows| Entry {
            rows: Some(rows),
            ..entry(EntryKind::Count, MIDNIGHT + 5).because(name)
        };
        let hourly = [hourly("calculator.quotes", 4), hourly("chronicle.booked", 0)];
        mark.book.write("events", MIDNIGHT + 5, &hourly).unwrap();
        let connected = entry(EntryKind::Connected, MIDNIGHT + 6);
        mark.book.write("connections", MIDNIGHT + 6, &[connected]).unwrap();
        let records: Vec<Record> = (0..10).map(|at| quote(at, MIDNIGHT + at)).collect();
        let path = segment(home.path(), run, 0, 0, &records);
        seal_segment(&path, &mark.book, &catalogue()).unwrap();
        let lock = spreadwire_lake::lock::recording(home.path()).unwrap();
        assert_eq!(checked(home.path()).findings, [], "it goes on");
        drop(lock);
        let left = recover::leftovers(home.path()).unwrap();
        assert!(left[0].recover(home.path(), None, None, |_| {}).failures.is_empty());
        assert_eq!(checked(home.path()).findings, [], "it was killed");
    }
}

#[test]
fn times_that_were_off_are_told_with_the_largest_error() {
    let home = tempfile::tempdir().unwrap();
    recorded(home.path());
    let book = Book::resume(home.path(), RunId::new("run-1").unwrap(), ledger::VERSION);
    let off = |from: u64, until: u64, error: i64| {
        Entry::of_clock(MIDNIGHT + from * SECOND, MIDNIGHT + until * SECOND, error).of_run("run-1")
    };
    let (ms, later) = (1_000_000, 86_400);
    let facts = [
        off(0, 60, 1_200 * ms),
        off(60, 120, 3_600 * ms),
        off(120, 180, 900 * ms),
        off(300, 360, -5 * ms),
        off(later, later + 60, 7 * ms),
    ];
    book.write("clock", MIDNIGHT, &facts).unwrap();
    let on = |day: Option<&str>| {
        let verdict =
            verify(home.path(), day.map(|day| day.parse().unwrap()), &ProgressBar::hidden());
        let errors = verdict.clock_errors.iter();
        let told: Vec<_> = errors.map(|e| (e.from, e.until, e.error)).collect();
        (told, verdict.to_text())
    };
    let at = |seconds: u64| MIDNIGHT + seconds * SECOND;
    let expected = [
        (at(0), at(180), 3_600 * ms),
        (at(300), at(360), -5 * ms),
        (at(later), at(later + 60), 7 * ms),
    ];
    assert_eq!(on(None).0, expected);
    let (told, text) = on(Some("2024-08-09"));
    assert_eq!(told, expected[..2]);
    let line = "clock       times of 2024-08-09 00:00:00.000 to 2024-08-09 00:03:00.000 are 3.600 s too \
                late, run run-1\n";
    assert!(text.contains(line), "{text}");
    assert!(text.contains("are 0.005 s too early"), "{text}");
}

#[test]
fn a_killed_run_is_not_complete_before_it_is_recovered_and_stated_afterwards() {
    let home = tempfile::tempdir().unwrap();
    let run = RunId::new("run-1").unwrap();
    Mark::begin(home.path(), run, MIDNIGHT, &catalogue(), Provenance::Live).unwrap();
    let records: Vec<Record> = (0..10).map(|at| quote(at, MIDNIGHT + at)).collect();
    segment(home.path(), run, 0, 0, &records);
    let verdict = checked(home.path());
    assert_eq!(problems(&verdict), [Problem::Missing]);
    assert!(verdict.findings[0].text.contains("lake recover"), "{:?}", verdict.findings);
    let left = recover::leftovers(home.path()).unwrap();
    let until = Some(MIDNIGHT + SECOND);
    assert!(left[0].recover(home.path(), until, None, |_| {}).failures.is_empty());
    let verdict = checked(home.path());
    assert_eq!(verdict.findings, []);
    let [gap] = &verdict.outages[..] else { panic!("{:?}", verdict.outages) };
    assert_eq!((gap.cause, gap.from, gap.until), ("restart", MIDNIGHT + 9, until));
    assert_eq!(verdict.runs[0].end, RunEnd::Killed);
}

#[test]
fn a_damaged_segment_is_a_loss_of_just_its_numbers() {
    let home = tempfile::tempdir().unwrap();
    let run = RunId::new("run-1").unwrap();
    Mark::begin(home.path(), run, MIDNIGHT, &catalogue(), Provenance::Live).unwrap();
    let records: Vec<Record> = (0..200).map(|at| quote(at, MIDNIGHT + at)).collect();
    let path = segment(home.path(), run, 0, 0, &records);
    let mut bytes = fs::read(&path).unwrap();
    bytes[64 + 65 * 64 + 100] ^= 1;
    fs::write(&path, bytes).unwrap();
    segment(home.path(), run, 1, 200, &records[..20]);
    let left = recover::leftovers(home.path()).unwrap();
    assert!(left[0].recover(home.path(), None, None, |_| {}).failures.is_empty());
    let verdict = checked(home.path());
    assert_eq!(problems(&verdict), [Problem::Lost]);
    let finding = &verdict.findings[0];
    assert!(finding.text.contains("the numbers 64 to 127"), "{finding:?}");
    assert_eq!(verdict.tables["quotes"].rows, 156);
    assert!(verdict.notes[0].contains("damaged/run-1-000000.seg"));
    assert!(ledger::read(home.path()).1.is_empty());
}

#[test]
fn times_without_an_engine_are_stated() {
    let home = tempfile::tempdir().unwrap();
    let hour = 3600 * SECOND;
    for (name, start) in [("run-1", MIDNIGHT + hour), ("run-2", MIDNIGHT + 5 * hour)] {
        let mark = Mark::begin(
            home.path(),
            RunId::new(name).unwrap(),
            start,
            &catalogue(),
            Provenance::Live,
        )
        .unwrap();
        mark.end(home.path(), start + hour, 0, &counters(), &stages([], 0)).unwrap();
    }
    let stops = |date: Option<&str>| {
        let date = date.map(|date| date.parse().unwrap());
        let verdict = verify(home.path(), date, &ProgressBar::hidden());
        assert_eq!(verdict.findings, []);
        assert!(verdict.outages.iter().all(|outage| outage.cause == STOPPED));
        let hours = |time: Nanos| (time - (MIDNIGHT - 24 * hour)) / hour;
        let stops = verdict.outages.iter();
        stops.map(|o| (hours(o.from), hours(o.until.unwrap()))).collect::<Vec<_>>()
    };
    assert_eq!(stops(None), [(26, 29)]);
    assert_eq!(stops(Some("2024-08-09")), [(24, 25), (26, 29), (30, 48)]);
    assert_eq!(stops(Some("2024-08-08")), [(0, 24)]);
}

#[test]
fn a_folder_without_a_ledger_is_no_complete_lake() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(problems(&checked(home.path())), [Problem::Missing]);
}

#[test]
fn a_clock_that_steps_back_costs_no_row() {
    let home = tempfile::tempdir().unwrap();
    let hour = 3600 * SECOND;
    for (name, start) in [("run-1", MIDNIGHT), ("run-2", MIDNIGHT - hour)] {
        let run = RunId::new(name).unwrap();
        let mark = Mark::begin(home.path(), run, start, &catalogue(), Provenance::Live).unwrap();
        // Also within a segment: half an hour forward, and back again.
        let times = (0..50).map(|at| start + at).chain((0..50).map(|at| start + hour / 2 + at));
        let times = times.chain((50..100).map(|at| start + at));
        let records: Vec<Record> = times.zip(0..).map(|(time, at)| quote(at, time)).collect();
        let path = segment(home.path(), run, 0, 0, &records);
        seal_segment(&path, &mark.book, &catalogue()).unwrap();
        mark.end(home.path(), start + hour, 150, &counters(), &stages(&records, 0)).unwrap();
    }
    let verdict = checked(home.path());
    assert_eq!(verdict.findings, []);
    assert_eq!(verdict.tables["quotes"].rows, 300);
}

#[test]
fn a_loss_is_told_of_every_day_that_it_lasted() {
    let home = tempfile::tempdir().unwrap();
    let run = RunId::new("run-1").unwrap();
    let hour = 3600 * SECOND;
    let mark =
        Mark::begin(home.path(), run, MIDNIGHT - hour, &catalogue(), Provenance::Live).unwrap();
    let gap = Record::from(Gap::new(MIDNIGHT - 5, 5).because(GapCause::Disk));
    let records = [quote(0, MIDNIGHT - 9), gap, quote(1, MIDNIGHT + 36 * hour)];
    let path = segment(home.path(), run, 0, 0, &records);
    seal_segment(&path, &mark.book, &catalogue()).unwrap();
    mark.end(home.path(), MIDNIGHT + 40 * hour, 7, &counters(), &stages(&records, 5)).unwrap();
    for (day, lost) in [("2024-08-07", false), ("2024-08-08", true), ("2024-08-09", true)] {
        let verdict = verify(home.path(), Some(day.parse().unwrap()), &ProgressBar::hidden());
        assert_eq!(problems(&verdict).contains(&Problem::Lost), lost, "{day}");
        assert_eq!(verdict.runs.len(), usize::from(lost), "{day}: the run was under way");
        if let Some(finding) = verdict.findings.first() {
            let until = Some(MIDNIGHT + 36 * hour);
            assert_eq!(finding.times, Some((MIDNIGHT - 5, until)), "{finding:?}");
        }
    }
    let tomorrow = verify(home.path(), Some("2999-01-01".parse().unwrap()), &ProgressBar::hidden());
    assert_eq!(problems(&tomorrow), [Problem::Missing], "nobody knows");
}

#[test]
fn damage_is_told_with_the_numbers_and_times_around_it_wherever_it_is() {
    // Flips one byte of three blocks of 64, and checks which block is affected and what is lost.
    let block = |number: usize| 64 + number * 65 * 64;
    for (byte, lost) in [
        (2, None),
        (8, None),
        (20, None),
        (62, None),
        (block(0) + 3, Some((0, 63))),
        (block(0) + 200, Some((0, 63))),
        (block(1) + 200, Some((64, 127))),
    ] {
        let home = tempfile::tempdir().unwrap();
        let run = RunId::new("run-1").unwrap();
        Mark::begin(home.path(), run, MIDNIGHT, &catalogue(), Provenance::Live).unwrap();
        let records: Vec<Record> = (0..192).map(|at| quote(at, MIDNIGHT + at)).collect();
        let path = segment(home.path(), run, 0, 0, &records);
        let mut bytes = fs::read(&path).unwrap();
        bytes[byte] ^= 4;
        fs::write(&path, bytes).unwrap();
        let left = recover::leftovers(home.path()).unwrap();
        let recovered = left[0].recover(home.path(), None, None, |_| {});
        assert_eq!(recovered.failures, Vec::<String>::new(), "byte {byte}");
        let verdict = checked(home.path());
        let Some((first, last)) = lost else {
            assert_eq!(verdict.findings, [], "byte {byte}: every block is whole");
            assert_eq!(verdict.tables["quotes"].rows, 192);
            continue;
        };
        let [finding] = &verdict.findings[..] else { panic!("byte {byte}: {verdict:?}") };
        assert_eq!(finding.problem, Problem::Lost);
        assert!(finding.text.contains(&last.to_string()), "{finding:?}");
        assert_eq!(verdict.tables["quotes"].rows, 128);
        let from = if first == 0 { MIDNIGHT } else { MIDNIGHT + first - 1 };
        assert_eq!(finding.times, Some((from, Some(MIDNIGHT + last + 1))));
    }
}

#[test]
fn a_gap_ends_when_the_next_run_begins_whoever_recovered() {
    let home = tempfile::tempdir().unwrap();
    for (name, at) in [("run-1", 0), ("run-2", 50), ("run-3", 90)] {
        let run = RunId::new(name).unwrap();
        Mark::begin(home.path(), run, MIDNIGHT + at, &catalogue(), Provenance::Live).unwrap();
        segment(home.path(), run, 0, 0, &[quote(0, MIDNIGHT + at + 5)]);
    }
    for (place, left) in recover::leftovers(home.path()).unwrap().iter().enumerate() {
        let all = recover::leftovers(home.path()).unwrap();
        let until = recover::began_after(&all, all.len() - (3 - place), None);
        assert!(left.recover(home.path(), until, None, |_| {}).failures.is_empty());
    }
    let mut verdict = checked(home.path());
    assert_eq!(verdict.findings, []);
    verdict.outages.sort_by_key(|outage| outage.from);
    let gaps: Vec<_> = verdict
        .outages
        .iter()
        .map(|o| (o.from - MIDNIGHT, o.until.map(|u| u - MIDNIGHT)))
        .collect();
    assert_eq!(gaps, [(5, Some(50)), (55, Some(90)), (95, None)]);
}

#[test]
fn a_torn_segment_hides_nothing_of_those_behind_it() {
    let home = tempfile::tempdir().unwrap();
    let run = RunId::new("run-1").unwrap();
    Mark::begin(home.path(), run, MIDNIGHT, &catalogue(), Provenance::Live).unwrap();
    let records: Vec<Record> = (0..128).map(|at| quote(2, MIDNIGHT + at)).collect();
    let path = segment(home.path(), run, 0, 0, &records);
    let mut bytes = fs::read(&path).unwrap();
    // If it is in the last block, the number of lost records is unknown.
    bytes[64 + 65 * 64 + 100] ^= 1;
    fs::write(&path, bytes).unwrap();
    let later: Vec<Record> = (0..64).map(|at| quote(1, MIDNIGHT + at)).collect();
    segment(home.path(), run, 1, 128, &later);
    let left = recover::leftovers(home.path()).unwrap();
    let recovered = left[0].recover(home.path(), None, None, |_| {});
    assert_eq!(problems(&checked(home.path())), [Problem::Lost]);
    fs::remove_file(&recovered.sealed[1].files[0].path).unwrap();
    let verdict = checked(home.path());
    assert_eq!(problems(&verdict), [Problem::Missing, Problem::Lost]);
    let ranges: Vec<Range> = verdict.findings.into_iter().flat_map(|f| f.ranges).collect();
    assert_eq!(ranges, [Range { first: 128, last: 191 }]);
}

#[test]
fn the_command_says_it_by_its_exit_code_and_as_json() {
    let home = tempfile::tempdir().unwrap();
    let files = recorded(home.path());
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lake"));
        command.arg("verify").arg(home.path()).args(arguments).output().unwrap()
    };
    let sound = run(&["--json"]);
    assert_eq!(sound.status.code(), Some(0));
    let said: serde_json::Value = serde_json::from_slice(&sound.stdout).unwrap();
    assert_eq!((&said["complete"], &said["tables"]["quotes"]["rows"]), (&true.into(), &350.into()));
    fs::write(&files[0], "").unwrap();
    let broken = run(&[]);
    assert_eq!(broken.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&broken.stdout).contains("NOT COMPLETE"));
    let broken: serde_json::Value = serde_json::from_slice(&run(&["--json"]).stdout).unwrap();
    assert_eq!(broken["findings"][0]["problem"], "damaged");
    assert_eq!(run(&["--date", "yesterday"]).status.code(), Some(2));
    let nowhere = Command::new(env!("CARGO_BIN_EXE_lake")).args(["verify", "/nowhere"]).output();
    assert_eq!(nowhere.unwrap().status.code(), Some(1));
}
