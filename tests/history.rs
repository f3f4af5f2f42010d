//! Reads lakes back whose inputs are known: the records and numbers that went into the journal come out
//! of the history bit for bit, whatever lies between.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use proptest::prelude::*;
use spreadwire_kit::{catalogue, quotes};
use spreadwire_lake::history::{History, HistoryError, Inputs, Run, Selection, Tally, Unsealed};
use spreadwire_lake::ledger::{self, Entry, EntryKind};
use spreadwire_lake::mark::Mark;
use spreadwire_lake::run::{Origin, Provenance, RunId, catalogue_digest};
use spreadwire_lake::seal::RunSealer;
use spreadwire_lake::segment::{Block, SegmentInfo, SegmentWriter};
use spreadwire_lake::stage::StageCounts;
use spreadwire_lake::table::{QUOTES, STATUS, Table, TableReader, TableWriter};
use spreadwire_market::clock::{Nanos, SECOND};
use spreadwire_market::instrument::Catalogue;
use spreadwire_market::record::{Gap, GapCause, Kind, Quote, Record, Status, flags, numbers_taken};
use spreadwire_market::state::{Reason, State};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// 2024-08-09 00:00 UTC.
const MIDNIGHT: Nanos = 1_723_161_600 * SECOND;
const HOUR: Nanos = 3_600 * SECOND;
const VENUES: [&str; 3] = ["binance", "binance-usdm", "okx"];
const INSTRUMENTS: [&str; 3] = ["BTC/USDT", "BTC/USDT:PERP", "SHIB/USDT"];

fn catalogue() -> Catalogue {
    catalogue::of(INSTRUMENTS, VENUES).scales_each([(2, 8), (1, 3), (12, 0)]).listed().build()
}

/// Inputs with their numbers.
type Numbered = Vec<(u64, Record)>;

/// Gives inputs their numbers, as the calculator does.
fn numbered(records: &[Record]) -> Numbered {
    let mut next = 0;
    let number = |record: &Record| {
        let number = next;
        next += numbers_taken(record);
        (number, *record)
    };
    records.iter().map(number).collect()
}

/// A lake whose runs are written by hand.
struct Lake {
    home: tempfile::TempDir,
    catalogue: Catalogue,
}

impl Lake {
    fn new() -> Lake {
        Lake { home: tempfile::tempdir().unwrap(), catalogue: catalogue() }
    }

    fn path(&self) -> &Path {
        self.home.path()
    }

    /// Writes a run as segments of `rows` records. Those from `sealed` on stay in the journal.
    fn record(&self, name: &str, of: Provenance, records: &[Record], rows: usize, sealed: usize) {
        let run = RunId::new(name).unwrap();
        let begin = records.iter().map(Record::ts_recv).min().unwrap();
        let mark = Mark::begin(self.path(), run, begin, &self.catalogue, of).unwrap();
        let mut sealer = RunSealer::new(mark.book.clone(), self.catalogue.clone());
        let mut next = 0;
        for (number, some) in (0..).zip(records.chunks(rows)) {
            let origin = Origin { run, catalogue: catalogue_digest(&self.catalogue) };
            let info = SegmentInfo { origin, number, started_at: begin };
            let mut writer = SegmentWriter::create(&self.path().join("journal"), info).unwrap();
            for some in some.chunks(1000) {
                let mut block = Block::new(some.len(), next);
                some.iter().for_each(|record| block.push(record));
                next += some.iter().map(numbers_taken).sum::<u64>();
                writer.write(&mut block).unwrap();
            }
            let path = writer.finish().close().unwrap().path;
            if (number as usize) < sealed {
                sealer.seal(&path).unwrap();
            }
        }
        let (counters, stages) = (BTreeMap::new(), StageCounts::of_records([]));
        let end = records.iter().map(Record::ts_recv).max().unwrap();
        mark.end(self.path(), end, next, &counters, &stages).unwrap();
    }

    fn live(&self, name: &str, records: &[Record], rows: usize) {
        self.record(name, Provenance::Live, records, rows, usize::MAX);
    }

    fn open(&self, selection: &Selection) -> History {
        History::open(self.path(), &self.catalogue, selection).unwrap()
    }

    /// Returns every file under a folder of the lake that is Parquet.
    fn files(&self, folder: &str) -> Vec<PathBuf> {
        let (mut files, mut folders) = (Vec::new(), vec![self.path().join(folder)]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|end| end == "parquet") {
                    files.push(path);
                }
            }
        }
        files.sort();
        files
    }

    /// Merges the files of each folder into one, as `lake compact` does.
    fn merge(&self) {
        let mut folders: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
        let tops = fs::read_dir(self.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let tops = tops.filter_map(|name| name.into_string().ok());
        for top in tops.filter(|name| name.starts_with("exchange=") || name == "status") {
            for file in self.files(&top) {
                folders.entry(file.parent().unwrap().to_owned()).or_default().push(file);
            }
        }
        for (folder, files) in folders {
            let is_status = folder.starts_with(self.path().join("status"));
            let table: &'static Table = if is_status { &STATUS } else { &QUOTES };
            let readers = files.iter().map(|file| TableReader::open(file, table).unwrap());
            let (mut parts, mut batches, mut metadata) = (Vec::new(), Vec::new(), BTreeMap::new());
            for reader in readers {
                metadata = reader.metadata().clone();
                parts.push(metadata["parts"].clone());
                batches.extend(reader.map(Result::unwrap));
            }
            metadata.insert("parts".to_owned(), parts.join(","));
            let merged = folder.join("all-merged.parquet");
            let mut writer = TableWriter::create(&merged, table, metadata).unwrap();
            writer.write(&table.sorted(&batches).unwrap()).unwrap();
            writer.finish().unwrap();
            files.iter().for_each(|file| fs::remove_file(file).unwrap());
        }
    }
}

fn drained(mut inputs: Inputs<'_>) -> (Numbered, Tally) {
    let mut all = Vec::new();
    for block in &mut inputs {
        let block = block.unwrap();
        assert!(!block.records().is_empty(), "an empty block is not handed out");
        all.extend(block.iter().map(|(number, record)| (number, *record)));
    }
    (all, inputs.tally().clone())
}

fn read(history: &History, run: &Run) -> (Numbered, Tally) {
    let (mut told, rows) = (0, run.rows());
    let read = drained(history.read(run).telling(|done| {
        assert!(told <= done && done <= rows, "{done} of {rows} after {told}");
        told = done;
    }));
    assert_eq!(told, rows, "progress is told to the end");
    read
}

fn named(name: &str) -> Selection {
    Selection { runs: BTreeSet::from([name.to_owned()]), ..Selection::default() }
}

/// The runs with their inputs, by their names.
fn all(history: &History) -> Vec<(Vec<String>, Numbered)> {
    let runs = history.runs().iter();
    runs.map(|run| (run.names.clone(), read(history, run).0)).collect()
}

fn any_time() -> impl Strategy<Value = Nanos> {
    prop_oneof![
        (MIDNIGHT - 3)..(MIDNIGHT + 3),
        (MIDNIGHT + HOUR - 3)..(MIDNIGHT + HOUR + 3),
        (MIDNIGHT - 2 * HOUR)..(MIDNIGHT + 26 * HOUR),
    ]
}

fn any_quote() -> impl Strategy<Value = Record> {
    let mantissa = || {
        prop_oneof![
            3 => 1..1_000_000_i64,
            1 => 1..1_000_000_000_000_000_i64,
            // Few digits before many zeros.
            1 => (1..100_000_i64).prop_map(|digits| digits * 10_i64.pow(13)),
        ]
    };
    let side = || {
        prop_oneof![
            1 => Just((0, 0)),
            1 => mantissa().prop_map(|price| (price, 0)),
            6 => (mantissa(), mantissa()),
        ]
    };
    let sequence = prop_oneof![Just(0), any::<u64>()];
    (any_time(), 0..3_u8, 0..3_u32, side(), side(), sequence, any::<u8>()).prop_map(
        |(ts_recv, venue, instrument, bid, ask, sequence, flags)| {
            let mut quote = quotes::quote(venue, instrument, ts_recv);
            ((quote.bid_px, quote.bid_sz), (quote.ask_px, quote.ask_sz)) = (bid, ask);
            (quote.sequence, quote.flags) = (sequence, flags);
            if flags & flags::TS_EVENT_ABSENT != 0 {
                quote.ts_event = 0;
            }
            quote.into()
        },
    )
}

fn any_status() -> impl Strategy<Value = Record> {
    // Codes of later versions too.
    (any_time(), 0..3_u8, 0..3_u32, 0..14_u8, 0..14_u8, 0..20_u8).prop_map(
        |(ts_recv, venue, instrument, state, previous, reason)| {
            let status = quotes::status(venue, instrument, State::Live, ts_recv);
            Status { state, previous, reason, ..status }.into()
        },
    )
}

fn any_gap() -> impl Strategy<Value = Record> {
    let cause = prop_oneof![Just(GapCause::Edge), Just(GapCause::Disk)];
    (any_time(), 1..1000_u64, cause)
        .prop_map(|(time, missed, cause)| Gap::new(time, missed).because(cause).into())
}

fn any_run() -> impl Strategy<Value = Vec<Record>> {
    let record = prop_oneof![10 => any_quote(), 3 => any_status(), 1 => any_gap()];
    // A run begins and ends with an input, so that all its gaps lie between two.
    (any_quote(), prop::collection::vec(record, 0..60), any_status())
        .prop_map(|(first, more, last)| [vec![first], more, vec![last]].concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_input_comes_back_in_its_order_with_its_number(
        runs in prop::collection::vec((any_run(), 1..40_usize), 1..4),
        merged in any::<bool>(),
    ) {
        let lake = Lake::new();
        let names = ["a", "b", "c"];
        for (name, (records, rows)) in names.iter().zip(&runs) {
            lake.live(name, records, *rows);
        }
        if merged {
            lake.merge();
        }
        let history = lake.open(&Selection::default());
        let begin = |records: &[Record]| records.iter().map(Record::ts_recv).min();
        let mut expected: Vec<_> = names.iter().zip(&runs).collect();
        expected.sort_by_key(|(name, (records, _))| (begin(records), **name));
        let found = all(&history);
        prop_assert_eq!(found.len(), runs.len());
        for ((name, (records, _)), (found_names, found)) in expected.into_iter().zip(found) {
            prop_assert_eq!(&found_names, &[(*name).to_owned()]);
            prop_assert_eq!(&found, &numbered(records));
        }
        prop_assert!(history.unsealed().is_empty() && history.passed_over().is_empty());
    }

    #[test]
    fn times_select_the_numbers_between_the_first_and_the_last_input_received_then(
        records in any_run(),
        rows in 1..40_usize,
        window in (any_time(), any_time()),
        open in 0..3_u8,
    ) {
        let (from, until) = (window.0.min(window.1), window.0.max(window.1));
        let from = (open != 1).then_some(from);
        let until = (open != 2).then_some(until);
        let all = numbered(&records);
        let is_input = |(_, record): &&(u64, Record)| record.kind() != Some(Kind::Gap);
        let is_near = |(_, record): &&(u64, Record)| {
            let time = record.ts_recv();
            from.is_none_or(|from| from <= time) && until.is_none_or(|until| time < until)
        };
        let selected = || all.iter().filter(is_input).filter(is_near).map(|(number, _)| *number);
        let first = from.map_or(Some(0), |_| selected().min()).unwrap_or(0);
        let last = until.map_or(Some(u64::MAX), |_| selected().max()).unwrap_or(0);
        let is_given = |(number, record): &&(u64, Record)| {
            let is_between = first <= *number && *number <= last;
            is_between || (*number < first && record.kind() == Some(Kind::Status))
        };
        let expected: Numbered = all.iter().filter(is_given).copied().collect();
        // Folders that are more than an hour away are not looked at. In this lake nothing that is given may
        // lie in one.
        let is_far = |(number, record): &(u64, Record)| {
            let hour = record.ts_recv() / HOUR * HOUR;
            let is_early = from.is_some_and(|from| hour + 2 * HOUR <= from) && first <= *number;
            let is_late = until.is_some_and(|until| until + HOUR <= hour);
            record.kind() != Some(Kind::Gap) && (is_early || is_late)
        };
        prop_assume!(!expected.iter().any(is_far));
        let lake = Lake::new();
        lake.live("a", &records, rows);
        let history = lake.open(&Selection { from, until, ..Selection::default() });
        if selected().next().is_none() {
            prop_assert!(history.runs().is_empty());
            return Ok(());
        }
        prop_assert_eq!(read(&history, &history.runs()[0]).0, expected);
    }
}

/// Quotes of all listings, a millisecond apart, in an order that is not that of their times.
fn shuffled(count: usize) -> Vec<Record> {
    let quote = |at: usize| -> Record {
        // Neighbours change places over a distance of 40 rows.
        let time = MIDNIGHT - 30 * SECOND + (at / 40 * 40 + (at * 7) % 40) as u64 * 1_000_000;
        let (venue, instrument) = ([0, 1, 2][at % 3], [0, 1, 2][at / 3 % 3]);
        let quote = quotes::quote(venue, instrument, time);
        let sequence = at as u64 + 1;
        Quote { bid_px: sequence.cast_signed(), sequence, ..quote }.into()
    };
    (0..count).map(quote).collect()
}

#[test]
fn files_of_many_pieces_are_merged_by_number() {
    let lake = Lake::new();
    // Two files, one of which has the first numbers in its last rows.
    let crossing = (0..40_000_u64).flat_map(|at| {
        let quote = |venue, time| Record::from(quotes::quote(venue, 2, MIDNIGHT + 2 * HOUR + time));
        [quote(2, 50_000 - at), quote(1, at)]
    });
    let runs = [("a", shuffled(200_000)), ("b", crossing.collect())];
    for (name, records) in &runs {
        lake.live(name, records, 1 << 19);
    }
    lake.merge();
    let history = lake.open(&Selection::default());
    for (run, (_, records)) in history.runs().iter().zip(&runs) {
        let (found, tally) = read(&history, run);
        assert_eq!(found.len(), records.len());
        assert!(found == numbered(records), "the same records in the same order");
        assert_eq!((tally.quotes, tally.gaps, tally.doubled), (records.len() as u64, 0, 0));
    }
}

#[test]
fn what_is_in_no_file_is_a_gap_at_its_place() {
    let lake = Lake::new();
    let records = shuffled(90);
    lake.live("a", &records, 30);
    // The rows of the second segment are lost: their files are deleted.
    for file in lake.files("exchange=okx") {
        fs::remove_file(file).unwrap();
    }
    let history = lake.open(&Selection::default());
    let (found, tally) = read(&history, &history.runs()[0]);
    let all = numbered(&records);
    let mut expected = Numbered::new();
    for (number, record) in all {
        if record.view::<Quote>().venue.0 != 2 {
            expected.push((number, record));
            continue;
        }
        // One number of three is missing, from the time of the one before it on.
        let since = expected.last().unwrap().1.ts_recv();
        expected.push((number, Gap::new(since, 1).because(GapCause::Disk).into()));
    }
    assert_eq!(found, expected);
    assert_eq!((tally.gaps, tally.missed, tally.quotes), (30, 30, 60));
}

#[test]
fn a_gap_at_the_end_and_the_pruned_beginning_are_told() {
    let lake = Lake::new();
    let gap: Record = Gap::new(MIDNIGHT + 9, 7).into();
    let quote = |time| Record::from(quotes::quote(0, 0, time));
    let records = [quote(MIDNIGHT - 1), quote(MIDNIGHT), quote(MIDNIGHT + 1), gap];
    lake.live("a", &records, 10);
    let history = lake.open(&Selection::default());
    assert_eq!(read(&history, &history.runs()[0]).0, numbered(&records));
    let pruned = "exchange=binance/symbol=BTC#USDT/date=2024-08-08";
    fs::remove_dir_all(lake.path().join(pruned)).unwrap();
    let history = lake.open(&Selection::default());
    let (found, tally) = read(&history, &history.runs()[0]);
    let missing: Record = Gap::new(MIDNIGHT - 1, 1).because(GapCause::Disk).into();
    assert_eq!(found, [vec![(0, missing)], numbered(&records)[1..].to_vec()].concat());
    assert_eq!((tally.gaps, tally.missed), (2, 8));
}

#[test]
fn what_the_catalogue_lacks_is_counted_and_leaves_no_gap() {
    let lake = Lake::new();
    let mut records = shuffled(90);
    let status =
        |venue, instrument| Record::from(quotes::status(venue, instrument, State::Live, MIDNIGHT));
    records.extend([status(0, 0), status(1, 0), status(0, 2)]);
    lake.live("a", &records, 40);
    // The ids are others too: okx is the first venue.
    let small = catalogue::of(["BTC/USDT:PERP", "BTC/USDT"], ["okx", "binance"]);
    let small = small.scales_each([(1, 3), (2, 8)]).build();
    let history = History::open(lake.path(), &small, &Selection::default()).unwrap();
    let (found, tally) = read(&history, &history.runs()[0]);
    let id = |record: &Record| {
        let venue = [Some(1), None, Some(0)][record.venue.index()]?;
        let instrument = [Some(1), Some(0), None][record.instrument.index()]?;
        Some((venue, instrument))
    };
    let mut skipped: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut expected = Numbered::new();
    for (number, mut record) in numbered(&records) {
        if let Some((venue, instrument)) = id(&record) {
            (record.venue.0, record.instrument.0) = (venue, instrument);
            expected.push((number, record));
        } else {
            let names = (VENUES[record.venue.index()], INSTRUMENTS[record.instrument.index()]);
            *skipped.entry((names.0.to_owned(), names.1.to_owned())).or_default() += 1;
        }
    }
    assert_eq!(found, expected);
    assert_eq!(tally.skipped, skipped);
    assert_eq!((tally.gaps, tally.unfit.len(), tally.rounded.len()), (0, 0, 0));
}

#[test]
fn values_that_the_scale_cannot_hold_are_counted_and_a_finer_scale_holds_them_all() {
    let lake = Lake::new();
    let priced =
        |bid_px, bid_sz| Record::from(Quote { bid_px, bid_sz, ..quotes::quote(0, 0, MIDNIGHT) });
    // Prices with 2 decimals; a size of 17 digits, one of which is not kept by a double.
    let records =
        [priced(120, 5), priced(125, 5), priced(130, 5), priced(140, 90_071_992_547_409_931)];
    lake.live("a", &records, 10);
    let scaled = |price, size| catalogue::of(["BTC/USDT"], ["binance"]).scales(price, size).build();
    let open = |of: &Catalogue| {
        let history = History::open(lake.path(), of, &Selection::default()).unwrap();
        let (found, tally) = read(&history, &history.runs()[0]);
        let prices = found.iter().map(|(number, r)| (*number, r.view::<Quote>().bid_px)).collect();
        (prices, tally)
    };
    let counted = |count| BTreeMap::from([("BTC/USDT".to_owned(), count)]);
    // The asks have two decimals as well: no quote fits one.
    let (prices, tally): (Vec<_>, _) = open(&scaled(1, 8));
    assert_eq!((prices, tally.unfit, tally.gaps), (vec![], counted(4), 0));
    let (prices, tally) = open(&scaled(4, 8));
    assert_eq!(prices, [(0, 12_000), (1, 12_500), (2, 13_000), (3, 14_000)]);
    assert_eq!((tally.unfit.len(), tally.rounded), (0, counted(1)));
}

#[test]
fn imports_that_overlap_are_one_run_by_time_and_live_from_their_first_quote() {
    let lake = Lake::new();
    let quote = |venue, time| Record::from(quotes::quote(venue, 0, MIDNIGHT + time));
    let import = |name: &str, records: &[Record]| {
        lake.record(name, Provenance::Import, records, 2, usize::MAX);
    };
    import("import-b", &[quote(0, 10), quote(0, 20), quote(0, 20), quote(0, 30)]);
    import("import-a", &[quote(1, 15), quote(1, 20), quote(1, 40)]);
    import("import-c", &[quote(2, 41), quote(2, 50)]);
    let history = lake.open(&Selection::default());
    let live = |venue, time| {
        let status = quotes::status(venue, 0, State::Live, MIDNIGHT + time);
        Record::from(Status { reason: Reason::Quote as u8, ..status })
    };
    let together = [
        live(0, 10),
        quote(0, 10),
        live(1, 15),
        quote(1, 15),
        quote(1, 20),
        quote(0, 20),
        quote(0, 20),
        quote(0, 30),
        quote(1, 40),
    ];
    let alone = [live(2, 41), quote(2, 41), quote(2, 50)];
    let name = |of: &str| format!("import-{of}");
    let expected =
        [(vec![name("a"), name("b")], numbered(&together)), (vec![name("c")], numbered(&alone))];
    assert_eq!(all(&history), expected);
    assert!(history.runs().iter().all(Run::is_import));
    let selection = Selection { from: Some(MIDNIGHT + 20), ..named("import-a") };
    let part = [live(1, 20), quote(1, 20), quote(1, 40)];
    let history = lake.open(&selection);
    assert_eq!(all(&history), [(vec![name("a")], numbered(&part))]);
}

#[test]
fn segments_that_are_not_sealed_are_named_and_not_read() {
    let lake = Lake::new();
    let records = shuffled(90);
    lake.record("a", Provenance::Live, &records, 30, 2);
    lake.record("b", Provenance::Live, &records, 30, 0);
    let history = lake.open(&Selection::default());
    assert_eq!(all(&history), [(vec!["a".to_owned()], numbered(&records[..60]))]);
    let left = |run: &str, segments| Unsealed { run: run.to_owned(), segments };
    assert_eq!(history.unsealed(), [left("a", 1), left("b", 3)]);
    assert!(left("a", 1).remedy().contains("lake recover"));
    assert_eq!(lake.open(&named("b")).unsealed(), [left("b", 3)]);
}

#[test]
fn runs_are_selected_by_name_and_an_unknown_one_is_an_error() {
    let lake = Lake::new();
    let records = shuffled(9);
    lake.live("a", &records, 30);
    lake.live("b", &records, 30);
    assert_eq!(all(&lake.open(&named("b"))), [(vec!["b".to_owned()], numbered(&records))]);
    let refused = History::open(lake.path(), &lake.catalogue, &named("c"));
    let refused = refused.unwrap_err().to_string();
    assert_eq!(refused, format!("{} has no run c", lake.path().display()));
    // A run that was dropped is not there, even if some of its files are.
    let entry = Entry::new(EntryKind::Dropped, MIDNIGHT).of_run("a").because("drop-run");
    ledger::write(lake.path(), "dropped", MIDNIGHT, &[entry]).unwrap();
    assert_eq!(all(&lake.open(&Selection::default())).len(), 1);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let records = [shuffled(9), vec![quotes::status(0, 0, State::Live, MIDNIGHT).into()]].concat();
    for folder in ["exchange=okx", "status", "ledger"] {
        let lake = Lake::new();
        lake.live("a", &records, 30);
        let file = lake.files(folder).remove(0);
        let bytes = fs::read(&file).unwrap();
        fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
        let opened = History::open(lake.path(), &lake.catalogue, &Selection::default());
        let refused = opened.unwrap_err().to_string();
        assert!(refused.contains(file.to_str().unwrap()), "{refused}");
    }
    // A file that is damaged between footer and beginning is found when it is read.
    let lake = Lake::new();
    lake.live("a", &records, 30);
    let history = lake.open(&Selection::default());
    let file = lake.files("exchange=okx").remove(0);
    fs::write(&file, "no Parquet").unwrap();
    let mut inputs = history.read(&history.runs()[0]);
    let failed = inputs.find_map(Result::err).unwrap();
    assert!(matches!(failed, HistoryError::File(_)), "{failed:?}");
    assert!(failed.to_string().contains(file.to_str().unwrap()), "{failed}");
    assert!(inputs.next().is_none(), "nothing comes after an error");
}

#[test]
fn links_and_pipes_are_passed_over_and_never_opened() {
    let lake = Lake::new();
    let records = shuffled(9);
    lake.live("a", &records, 30);
    let file = lake.files("exchange=okx").remove(0);
    let outside = tempfile::tempdir().unwrap();
    let copy = outside.path().join("copy.parquet");
    fs::copy(&file, &copy).unwrap();
    let link = file.with_file_name("link.parquet");
    std::os::unix::fs::symlink(&copy, &link).unwrap();
    let folder = lake.path().join("exchange=okx/symbol=LINK");
    std::os::unix::fs::symlink(outside.path(), &folder).unwrap();
    let pipe = file.with_file_name("pipe.parquet");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let history = lake.open(&Selection::default());
    let mut strange = [link, folder, pipe];
    strange.sort();
    assert_eq!(history.passed_over(), strange);
    assert_eq!(all(&history), [(vec!["a".to_owned()], numbered(&records))]);
    std::os::unix::fs::symlink(outside.path(), lake.path().join("exchange=x")).unwrap();
    let opened = History::open(lake.path(), &lake.catalogue, &Selection::default());
    let refused = format!("{:#}", anyhow::Error::from(opened.unwrap_err()));
    assert!(refused.contains("exchange=x is a symbolic link"), "{refused}");
}

#[test]
fn a_lake_that_is_empty_or_missing_has_no_runs_or_is_an_error() {
    let lake = Lake::new();
    assert!(lake.open(&Selection::default()).runs().is_empty());
    let missing = lake.path().join("missing");
    let opened = History::open(&missing, &lake.catalogue, &Selection::default());
    assert!(opened.unwrap_err().to_string().contains("missing"));
}

#[test]
fn a_number_that_stands_twice_is_passed_on_once() {
    let lake = Lake::new();
    let status = |at| Record::from(quotes::status(0, 0, State::Live, MIDNIGHT - 60 * SECOND + at));
    let records = [vec![status(0), status(1)], shuffled(90)].concat();
    lake.live("a", &records, 100);
    for folder in ["exchange=okx/symbol=SHIB#USDT", "status"] {
        let file = lake.files(folder).remove(0);
        fs::copy(&file, file.with_file_name("copy.parquet")).unwrap();
    }
    let history = lake.open(&Selection::default());
    let (found, tally) = read(&history, &history.runs()[0]);
    assert_eq!((found, tally.doubled), (numbered(&records), 12));
    // The statuses before a time as well.
    let selection = Selection { from: Some(MIDNIGHT - 40 * SECOND), ..Selection::default() };
    let history = lake.open(&selection);
    let (found, tally) = read(&history, &history.runs()[0]);
    assert_eq!((found, tally.doubled), (numbered(&records), 12));
}

#[test]
fn numbers_below_zero_are_refused() {
    let lake = Lake::new();
    lake.live("a", &shuffled(9), 30);
    let file = lake.files("exchange=okx").remove(0);
    let reader = TableReader::open(&file, &QUOTES).unwrap();
    let metadata = reader.metadata().clone();
    let batch = reader.map(Result::unwrap).next().unwrap();
    let mut columns = batch.columns().to_vec();
    columns[7] = std::sync::Arc::new(arrow_array::Int64Array::from(vec![-1; batch.num_rows()]));
    let mut writer = TableWriter::create(&file, &QUOTES, metadata).unwrap();
    writer.write(&QUOTES.batch(columns).unwrap()).unwrap();
    writer.finish().unwrap();
    let history = lake.open(&Selection::default());
    let refused = history.read(&history.runs()[0]).find_map(Result::err).unwrap().to_string();
    assert!(refused.contains(file.to_str().unwrap()), "{refused}");
    assert!(refused.contains("number -1"), "{refused}");
}

/// Quotes of a listing, as DuckDB summed them up.
#[derive(Default)]
struct Sums {
    rows: i64,
    sides: [i64; 4],
    event_times: i64,
    numbers: u64,
}

impl Sums {
    fn add(&mut self, number: u64, quote: &Quote) {
        self.rows += 1;
        let sides = [quote.bid_px, quote.ask_px, quote.bid_sz, quote.ask_sz];
        self.sides.iter_mut().zip(sides).for_each(|(sum, side)| *sum += side);
        self.event_times += i64::from(quote.flags & flags::TS_EVENT_ABSENT == 0);
        self.numbers += number;
    }
}

/// Lakes of version 0.1, whose contents independent readers wrote down.
#[test]
fn lakes_of_version_0_1_are_read_as_others_read_them() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/fixtures/version-0.1");
    let expected = fs::read_to_string(fixtures.join("expected.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&expected).unwrap();
    let instruments = ["BTC/USDT", "ETH/USDT", "BTC/USDT:PERP"];
    let catalogue = catalogue::of(instruments, ["binance", "binance-usdm", "bybit", "okx"]).build();
    for (name, unsealed, gaps) in [
        ("complete", 0, 0),
        ("killed", 2, 0),
        ("compacted", 0, 0),
        ("perpetual", 0, 0),
        ("faults", 0, 1),
    ] {
        let lake = fixtures.join("lakes").join(name);
        let history = History::open(&lake, &catalogue, &Selection::default()).unwrap();
        let (mut sums, mut all): (BTreeMap<String, Sums>, Tally) = Default::default();
        for run in history.runs() {
            let (found, tally) = read(&history, run);
            for (number, record) in &found {
                let venue = &catalogue.venue(record.venue).name;
                let listing = format!("{venue} {}", catalogue.instrument(record.instrument).name);
                if let Some(quote) = record.get::<Quote>() {
                    sums.entry(listing).or_default().add(*number, quote);
                }
            }
            let taken: u64 = found.iter().map(|(_, record)| numbers_taken(record)).sum();
            assert_eq!(found.last().unwrap().0 + 1, taken, "{name}: numbers without a hole");
            assert_eq!((tally.skipped.len(), tally.unfit.len(), tally.doubled), (0, 0, 0));
            (all.gaps, all.missed) = (all.gaps + tally.gaps, all.missed + tally.missed);
        }
        let listings = expected["lakes"].as_object().map_or(&expected[name], |lakes| &lakes[name]);
        let listings = listings["quotes"].as_object().unwrap();
        assert!(sums.keys().eq(listings.keys()), "{name}: {:?}", sums.keys());
        for (listing, told) in listings {
            let sum = &sums[listing];
            // Sums of mantissas stand there as text.
            let side = |key: &str| told[key].as_str().map(|sum| sum.parse().unwrap());
            let told_sides = ["bids", "asks", "bid_sizes", "ask_sizes"].map(side);
            assert_eq!(sum.sides.map(Some), told_sides, "{name}: {listing}");
            assert_eq!(Some(sum.rows), told["rows"].as_i64(), "{name}: {listing}");
            assert_eq!(Some(sum.event_times), told["event_times"].as_i64(), "{name}: {listing}");
            // Imports are numbered anew.
            if !history.runs()[0].is_import() {
                let numbers = told["journal_sequences"].to_string();
                assert_eq!(sum.numbers.to_string(), numbers.trim_matches('"'), "{name}: {listing}");
            }
        }
        let segments: u64 = history.unsealed().iter().map(|unsealed| unsealed.segments).sum();
        assert_eq!((segments, all.gaps), (unsealed, gaps), "{name}: {} missed", all.missed);
    }
}
