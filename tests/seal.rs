//! Tests sealing against segments made by hand and an oracle: the rows of each folder, the ledger's
//! entries, the remains of the segment, and when rows are merged into an existing file.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type, TimestampNanosecondType};
use bytemuck::Zeroable;
use crossbeam::channel;
use spreadwire_kit::{catalogue, quotes};
use spreadwire_lake::ledger::{self, Book, Entry, EntryKind};
use spreadwire_lake::lock;
use spreadwire_lake::run::{Origin, RunId, catalogue_digest};
use spreadwire_lake::seal::{
    EDGE_ROWS_MAX, JOINED_ROWS_MAX, RunSealer, SMALL_ROWS, SealError, Sealed, Sealer, Tally,
    UNFIT_SUFFIX,
};
use spreadwire_lake::segment::{Block, ClosedSegment, SegmentInfo, SegmentWriter};
use spreadwire_lake::stage::{Stage, StageCounts};
use spreadwire_lake::table::{self, Table, TableReader};
use spreadwire_market::clock::{Clock, Nanos, SECOND};
use spreadwire_market::counters::Counters;
use spreadwire_market::instrument::{Catalogue, VenueId};
use spreadwire_market::record::{
    Closed, Ended, Gap, GapCause, Kind, Opened, Quote, Record, Spread, Status,
};
use spreadwire_market::state::{Reason, State};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// 2024-08-09 00:00 UTC.
const MIDNIGHT: Nanos = 1_723_161_600 * SECOND;
const HOUR: Nanos = 3_600 * SECOND;
/// Number of records in a block, except in large segments.
const BLOCK: usize = 4;
/// Size of a record, and of the header of a segment or a block, bytes.
const RECORD: u64 = 64;
/// Names of the venues and their folders, by id.
const VENUES: [[&str; 2]; 2] = [["binance", "binance"], ["binance-usdm", "binance_usdm"]];
/// Names of the instruments and their folders, by id.
const INSTRUMENTS: [[&str; 2]; 2] = [["BTC/USDT", "BTC#USDT"], ["BTC/USDT:PERP", "BTC#USDT:PERP"]];
const HOUR_0: &str = "exchange=binance/symbol=BTC#USDT/date=2024-08-09/hour=00";

fn catalogue() -> Catalogue {
    catalogue::of(INSTRUMENTS.map(|[name, _]| name), VENUES.map(|[name, _]| name)).build()
}

fn quote(venue: u8, instrument: u32, ts_recv: Nanos) -> Record {
    quotes::quote(venue, instrument, ts_recv).into()
}

fn status(venue: u8, state: State, reason: Reason, ts_recv: Nanos) -> Record {
    Status { reason: reason as u8, ..quotes::status(venue, 0, state, ts_recv) }.into()
}

fn spread(sequence: u64, ts_recv: Nanos) -> Record {
    Spread { ts_recv, sequence, sell_venue: VenueId(1), ..Spread::zeroed() }.into()
}

fn ended(sequence: u64, ts_recv: Nanos) -> Record {
    Ended { ts_recv, sequence, sell_venue: VenueId(1), ..Ended::default() }.into()
}

fn opened(id: u64, ts_recv: Nanos) -> Record {
    Opened { id, ts_recv, sell_venue: VenueId(1), ..Opened::zeroed() }.into()
}

fn closed(id: u64, ts_close: Nanos) -> Record {
    Closed { id, ts_close, sell_venue: VenueId(1), ..Closed::zeroed() }.into()
}

fn gap(cause: GapCause, missed: u64, ts_recv: Nanos) -> Record {
    Gap::new(ts_recv, missed).because(cause).into()
}

/// Returns quotes of one instrument on one venue, a nanosecond apart.
fn quotes(count: u64, from: Nanos) -> Vec<Record> {
    (0..count).map(|at| quote(0, 0, from + at)).collect()
}

/// Returns how many sequence numbers a record takes.
fn numbers(record: &Record) -> u64 {
    match record.kind().unwrap() {
        Kind::Quote | Kind::Status => 1,
        Kind::Gap if record.flags <= GapCause::Disk as u8 => record.view::<Gap>().missed,
        Kind::Gap | Kind::Spread | Kind::Ended | Kind::Opened | Kind::Closed | Kind::Recording => 0,
    }
}

/// A lake with a journal, and the process that seals it.
struct Lake {
    home: tempfile::TempDir,
    catalogue: Catalogue,
    sealer: RefCell<RunSealer>,
}

impl Lake {
    fn new() -> Lake {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("journal")).unwrap();
        let sealer = RefCell::new(sealer_of(home.path(), catalogue()));
        Lake { home, catalogue: catalogue(), sealer }
    }

    /// Lets a later process go on.
    fn restart(&self) {
        self.sealer.replace(sealer_of(self.path(), self.catalogue.clone()));
    }

    fn path(&self) -> &Path {
        self.home.path()
    }

    /// Writes records as a closed segment. The first of them has the number `first`.
    fn segment(&self, number: u32, first: u64, records: &[Record]) -> PathBuf {
        self.segment_in_blocks(number, first, records, BLOCK)
    }

    fn segment_in_blocks(
        &self,
        number: u32,
        first: u64,
        records: &[Record],
        size: usize,
    ) -> PathBuf {
        let run = RunId::new("run").unwrap();
        let origin = Origin { run, catalogue: catalogue_digest(&self.catalogue) };
        let info = SegmentInfo { origin, number, started_at: MIDNIGHT - 7 };
        let mut writer = SegmentWriter::create(&self.path().join("journal"), info).unwrap();
        let mut next = first;
        for some in records.chunks(size) {
            let mut block = Block::new(size, next);
            some.iter().for_each(|record| block.push(record));
            next += some.iter().map(numbers).sum::<u64>();
            writer.write(&mut block).unwrap();
        }
        let finished = writer.finish();
        finished.trim().unwrap();
        finished.close().unwrap().path
    }

    fn book(&self) -> Book {
        book(self.path())
    }

    fn seal(&self, segment: &Path) -> Result<Sealed, SealError> {
        self.sealer.borrow_mut().seal(segment)
    }

    /// Writes and seals a segment of quotes; returns the names of the folder's files with their
    /// rows.
    fn join(&self, number: u32, records: &[Record]) -> Vec<(String, u64)> {
        let segment = self.segment_in_blocks(number, 0, records, 4096);
        self.seal(&segment).unwrap();
        self.files(HOUR_0)
    }

    /// Returns the finished files of a folder with their numbers of rows.
    fn files(&self, folder: &str) -> Vec<(String, u64)> {
        let table = Table::of_folder(Path::new(folder)).unwrap();
        let files = parquet_files(&self.path().join(folder)).into_iter();
        let rows = |path: &Path| TableReader::open(path, table).unwrap().rows();
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        files.map(|path| (name(&path), rows(&path))).collect()
    }

    fn entries(&self, kind: EntryKind) -> Vec<Entry> {
        let (entries, errors) = ledger::read(self.path());
        assert!(errors.is_empty(), "{errors:?}");
        entries.into_iter().filter(|entry| entry.kind == kind).collect()
    }

    /// Returns every file of the lake with its content, except the lock and the ledger.
    fn data(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let ledger = self.path().join("ledger");
        self.content().into_iter().filter(|(path, _)| !path.starts_with(&ledger)).collect()
    }

    /// Returns every file of the lake with its content, except the lock.
    fn content(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        walk(self.path(), &mut |path| {
            if !path.ends_with("change.lock") {
                found.insert(path.to_owned(), fs::read(path).unwrap());
            }
        });
        found
    }
}

/// Returns the ledger of the run, as a later process finds it.
fn book(lake: &Path) -> Book {
    Book::resume(lake, RunId::new("run").unwrap(), ledger::VERSION)
}

fn sealer_of(lake: &Path, catalogue: Catalogue) -> RunSealer {
    RunSealer::new(book(lake), catalogue)
}

fn walk(folder: &Path, each: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, each);
        } else {
            each(&path);
        }
    }
}

fn parquet_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(folder, &mut |path| {
        if path.extension().is_some_and(|end| end == "parquet") {
            found.push(path.to_owned());
        }
    });
    found.sort();
    found
}

/// A row as the oracle and a reader of the file have it.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    time: Nanos,
    /// Sequence number in the journal, or id of the opportunity; for a spread, the number of its
    /// quote.
    number: u64,
    run: String,
}

/// Expected contents of one folder.
#[derive(Debug, Default)]
struct Wanted {
    table: &'static str,
    venue: Option<&'static str>,
    instrument: Option<&'static str>,
    rows: Vec<Row>,
    /// Sequence number of each of its records, or that of the next input.
    numbers: Vec<u64>,
}

/// Works out the expected contents record by record, by the rules in `docs/formats.md`.
fn oracle(records: &[Record], first: u64) -> BTreeMap<String, Wanted> {
    let mut wanted: BTreeMap<String, Wanted> = BTreeMap::new();
    let mut next = first;
    for record in records {
        let time = record.ts_recv();
        let (day, hour) = match time.checked_sub(MIDNIGHT) {
            None => ("2024-08-08", 24 - (MIDNIGHT - time).div_ceil(HOUR)),
            Some(since) => ("2024-08-09", since / HOUR),
        };
        let [venue, venue_folder] = VENUES[record.venue.index()];
        let [instrument, symbol] = INSTRUMENTS[record.instrument.index()];
        let hour = format!("date={day}/hour={hour:02}");
        let (folder, table, venue, instrument, number) = match record.kind().unwrap() {
            Kind::Quote => (
                format!("exchange={venue_folder}/symbol={symbol}/{hour}"),
                "quotes",
                Some(venue),
                Some(instrument),
                next,
            ),
            Kind::Status => (format!("status/date={day}"), "status", None, None, next),
            Kind::Spread => {
                let folder = format!("spreads/symbol={symbol}/{hour}");
                (folder, "spreads", None, Some(instrument), record.view::<Spread>().sequence)
            }
            Kind::Ended => {
                let folder = format!("ends/date={day}");
                (folder, "ends", None, None, record.view::<Ended>().sequence)
            }
            Kind::Opened => {
                let folder = format!("opportunities/date={day}");
                (folder, "opportunities", None, None, record.view::<Opened>().id)
            }
            Kind::Closed => {
                let folder = format!("opportunities/date={day}");
                (folder, "opportunities", None, None, record.view::<Closed>().id)
            }
            Kind::Gap | Kind::Recording => {
                next += numbers(record);
                continue;
            }
        };
        let of = wanted.entry(folder).or_default();
        (of.table, of.venue, of.instrument) = (table, venue, instrument);
        of.rows.push(Row { time, number, run: "run".to_owned() });
        of.numbers.push(next);
        next += numbers(record);
    }
    // A stable sort keeps the journal's order where times are equal.
    wanted.values_mut().for_each(|of| of.rows.sort_by_key(|row| row.time));
    wanted
}

/// Returns the rows of a file in order, each with its hash.
fn rows_of(path: &Path, table: &'static Table) -> Vec<(Row, u64)> {
    let mut rows = Vec::new();
    for batch in TableReader::open(path, table).unwrap() {
        let batch = batch.unwrap();
        let hashes = table::row_hashes(&batch);
        let times = batch.column(0).as_primitive::<TimestampNanosecondType>();
        let numbers = batch.column_by_name("JournalSequence").or(batch.column_by_name("Id"));
        let numbers = numbers.unwrap().as_primitive::<Int64Type>();
        let runs = batch.column_by_name("Run").unwrap().as_dictionary::<Int32Type>();
        let names = runs.values().as_string::<i32>();
        for (at, hash) in hashes.into_iter().enumerate() {
            let row = Row {
                time: times.value(at).cast_unsigned(),
                number: numbers.value(at).cast_unsigned(),
                run: names.value(runs.key(at).unwrap()).to_owned(),
            };
            rows.push((row, hash));
        }
    }
    rows
}

/// Returns records of every kind, from two venues, two instruments, three hours and two days, not
/// in time order.
fn mixed() -> Vec<Record> {
    vec![
        status(0, State::Live, Reason::Quote, MIDNIGHT - 6),
        quote(0, 0, MIDNIGHT - 5),
        quote(1, 1, MIDNIGHT - 5),
        spread(12, MIDNIGHT - 5),
        quote(0, 0, MIDNIGHT + 9),
        quote(0, 0, MIDNIGHT + 4),
        opened(1, MIDNIGHT + 4),
        quote(0, 0, MIDNIGHT + 4),
        quote(1, 0, MIDNIGHT + 5),
        status(1, State::Live, Reason::Quote, MIDNIGHT + 5),
        quote(0, 0, MIDNIGHT + HOUR),
        spread(18, MIDNIGHT + HOUR),
        ended(18, MIDNIGHT + HOUR),
        ended(12, MIDNIGHT - 5),
        closed(1, MIDNIGHT + HOUR),
        quote(0, 0, MIDNIGHT + 2),
    ]
}

#[test]
fn every_record_is_a_row_of_its_hour_in_order_and_the_ledger_tells_where() {
    let lake = Lake::new();
    let (first, records) = (10, mixed());
    let segment = lake.segment(3, first, &records);
    let bytes = fs::metadata(&segment).unwrap().len();
    let sealed = lake.seal(&segment).unwrap();
    assert!(!segment.exists(), "what is sealed is deleted");
    let wanted = oracle(&records, first);
    assert_eq!(wanted.len(), 12, "{:?}", wanted.keys());
    let parquet = |folder: &String| lake.path().join(folder).join("run-000003.parquet");
    let data = parquet_files(lake.path()).into_iter();
    let data: Vec<_> = data.filter(|path| !path.starts_with(lake.path().join("ledger"))).collect();
    assert_eq!(data, wanted.keys().map(parquet).collect::<Vec<_>>());
    let (rows, files) = (lake.entries(EntryKind::Rows), lake.entries(EntryKind::File));
    assert_eq!((rows.len(), files.len()), (wanted.len(), wanted.len()));
    for (folder, of) in &wanted {
        let (table, path) = (Table::of_folder(Path::new(folder)).unwrap(), parquet(folder));
        let found = rows_of(&path, table);
        let in_order: Vec<Row> = found.iter().map(|(row, _)| row.clone()).collect();
        assert_eq!(in_order, of.rows, "{folder}");
        let of_folder = |entries: &[Entry]| {
            let is_it = |entry: &&Entry| entry.folder.as_deref() == Some(folder);
            entries.iter().find(is_it).unwrap().clone()
        };
        let content = fs::read(&path).unwrap();
        let told = Entry {
            segment: Some(3),
            table: Some(of.table.to_owned()),
            folder: Some(folder.clone()),
            venue: of.venue.map(str::to_owned),
            instrument: of.instrument.map(str::to_owned),
            rows: Some(of.rows.len() as u64),
            ..Entry::new(EntryKind::Rows, MIDNIGHT - 7).of_run("run")
        };
        let file = Entry {
            kind: EntryKind::File,
            file: Some("run-000003.parquet".to_owned()),
            bytes: Some(content.len() as u64),
            digest: Some(u64::from(crc32c::crc32c(&content))),
            ..told.clone()
        };
        assert_eq!(of_folder(&files), file);
        let digest = found.iter().map(|(_, hash)| *hash).fold(0, u64::wrapping_add);
        let (first, last) = (of.numbers.iter().min(), of.numbers.iter().max());
        let told =
            Entry { first: first.copied(), last: last.copied(), digest: Some(digest), ..told };
        assert_eq!(of_folder(&rows), told);
    }
    let last = first + records.iter().map(numbers).sum::<u64>() - 1;
    let told = Entry {
        segment: Some(3),
        first: Some(first),
        last: Some(last),
        rows: Some(records.len() as u64),
        bytes: Some(bytes),
        until: Some(MIDNIGHT + HOUR),
        ..Entry::new(EntryKind::Segment, MIDNIGHT - 7).of_run("run").because("whole")
    };
    assert_eq!(lake.entries(EntryKind::Segment), [told]);
    assert_eq!(lake.entries(EntryKind::Gap), []);
    let tally = Tally { quotes: 8, statuses: 2, spreads: 4, opportunities: 2, ..Tally::default() };
    assert_eq!((sealed.tally, sealed.tally.records()), (tally, records.len() as u64));
    assert_eq!((sealed.next_sequence, sealed.last_time), (Some(last + 1), MIDNIGHT + HOUR));
    assert_eq!((sealed.truncated_at, sealed.damaged_at.len()), (None, 0));
    let files: BTreeMap<PathBuf, u64> =
        sealed.files.into_iter().map(|file| (file.path, file.rows)).collect();
    let expected = wanted.iter().map(|(folder, of)| (parquet(folder), of.rows.len() as u64));
    assert_eq!(files, expected.collect());
}

#[test]
fn each_gap_mark_is_an_entry_with_its_cause_and_the_records_around_it() {
    let lake = Lake::new();
    let records = [
        quote(0, 0, MIDNIGHT),
        gap(GapCause::Edge, 5, MIDNIGHT + 1),
        gap(GapCause::Disk, 2, MIDNIGHT + 2),
        quote(0, 0, MIDNIGHT + 3),
        gap(GapCause::Spreads, 7, MIDNIGHT + 4),
        gap(GapCause::Opportunities, 9, MIDNIGHT + 5),
        quote(0, 0, MIDNIGHT + 8),
        quote(0, 0, MIDNIGHT + 6),
        // Nothing follows it, and the latest record came before it began.
        gap(GapCause::Disk, 1, MIDNIGHT + 20),
    ];
    let sealed = lake.seal(&lake.segment(0, 100, &records)).unwrap();
    let told: Vec<_> = lake.entries(EntryKind::Gap).into_iter().collect();
    let told: Vec<_> = told
        .iter()
        .map(|e| {
            let at = |time: Nanos| time - MIDNIGHT;
            (e.cause.as_deref().unwrap(), at(e.time), e.until.map(at), e.first, e.last, e.rows)
        })
        .collect();
    let expected = [
        ("ring", 1, Some(3), Some(101), Some(105), Some(5)),
        ("disk", 2, Some(3), Some(106), Some(107), Some(2)),
        ("spreads", 4, Some(8), None, None, Some(7)),
        ("opportunities", 5, Some(8), None, None, Some(9)),
        ("disk", 20, Some(20), Some(111), Some(111), Some(1)),
    ];
    assert_eq!(told, expected);
    let [segment] = &lake.entries(EntryKind::Segment)[..] else { panic!("one segment") };
    assert_eq!((segment.first, segment.last, segment.rows), (Some(100), Some(111), Some(9)));
    assert_eq!(segment.until, Some(MIDNIGHT + 8));
    let Tally { quotes, gaps, missed, .. } = sealed.tally;
    assert_eq!((quotes, gaps, missed), (4, 5, 8), "what takes no number is not missed");
    assert_eq!(lake.files(HOUR_0), [("run-000000.parquet".to_owned(), 4)]);
}

#[test]
fn an_outage_lasts_until_the_same_instrument_of_the_venue_changes_its_state() {
    let causes = |state, reason| match (state, reason) {
        (State::Gap | State::Refused, _) | (State::Down, Reason::Refused) => Some("venue"),
        (State::Silent, Reason::NoQuote) => Some("venue"),
        (State::Down, _) | (State::Stale, Reason::Silent) => Some("network"),
        _ => None,
    };
    for state in State::ALL {
        for reason in Reason::ALL {
            let lake = Lake::new();
            let records = [
                status(0, state, reason, MIDNIGHT + 1),
                status(1, State::Live, Reason::Quote, MIDNIGHT + 2),
                status(0, State::Live, Reason::Quote, MIDNIGHT + 3),
                status(1, state, reason, MIDNIGHT + 4),
                quote(0, 0, MIDNIGHT + 5),
            ];
            lake.seal(&lake.segment(2, 0, &records)).unwrap();
            let outage = |venue: usize, from, until: Option<Nanos>| {
                let cause = causes(state, reason)?;
                Some(Entry {
                    segment: Some(2),
                    venue: Some(VENUES[venue][0].to_owned()),
                    instrument: Some("BTC/USDT".to_owned()),
                    until,
                    ..Entry::new(EntryKind::Gap, MIDNIGHT + from).of_run("run").because(cause)
                })
            };
            let expected = [outage(0, 1, Some(MIDNIGHT + 3)), outage(1, 4, None)];
            let expected: Vec<Entry> = expected.into_iter().flatten().collect();
            assert_eq!(lake.entries(EntryKind::Gap), expected, "{state:?} {reason:?}");
        }
    }
}

/// Returns the offset of a block in a segment of complete blocks.
fn block_at(number: u64) -> u64 {
    RECORD + number * (1 + BLOCK as u64) * RECORD
}

#[test]
fn what_is_whole_around_damage_is_sealed_the_rest_is_stated_and_the_segment_is_kept() {
    // Damaged block of three; the lost numbers; the times around them.
    for (block, first, last, rows, from, until) in [
        (0, None, Some(103), None, MIDNIGHT - 7, Some(MIDNIGHT + 4)),
        (1, Some(104), Some(107), Some(4), MIDNIGHT + 3, Some(MIDNIGHT + 8)),
        (2, Some(108), None, None, MIDNIGHT + 7, None),
    ] {
        let lake = Lake::new();
        let segment = lake.segment(0, 100, &quotes(12, MIDNIGHT));
        let mut bytes = fs::read(&segment).unwrap();
        let at = usize::try_from(block_at(block) + RECORD + 3).unwrap();
        bytes[at] ^= 1;
        fs::write(&segment, &bytes).unwrap();
        let sealed = lake.seal(&segment).unwrap();
        assert_eq!(sealed.damaged_at, [block_at(block)], "block {block}");
        assert!(!segment.exists());
        assert_eq!(fs::read(lake.path().join("damaged/run-000000.seg")).unwrap(), bytes);
        let [told] = &lake.entries(EntryKind::Gap)[..] else { panic!("block {block}: one gap") };
        let lost = Entry {
            segment: Some(0),
            first,
            last,
            rows,
            until,
            ..Entry::new(EntryKind::Gap, from).of_run("run").because("damage")
        };
        assert_eq!(told, &lost, "block {block}");
        let [told] = &lake.entries(EntryKind::Segment)[..] else { panic!("one segment") };
        assert_eq!((told.cause.as_deref(), told.rows), (Some("damaged"), Some(8)));
        let numbers: Vec<u64> = rows_of(
            &lake.path().join(HOUR_0).join("run-000000.parquet"),
            Table::of_folder(Path::new(HOUR_0)).unwrap(),
        )
        .into_iter()
        .map(|(row, _)| row.number - 100)
        .collect();
        let whole: Vec<u64> = (0..12).filter(|number| number / 4 != block).collect();
        assert_eq!(numbers, whole);
    }
}

#[test]
fn a_damaged_header_costs_no_record_unless_the_first_block_is_damaged_too() {
    let run = RunId::new("run").unwrap();
    for (damaged, rows, gaps) in [(&[20][..], 12, 0), (&[20, 200], 8, 1)] {
        let lake = Lake::new();
        let segment = lake.segment(0, 100, &quotes(12, MIDNIGHT));
        let mut bytes = fs::read(&segment).unwrap();
        damaged.iter().for_each(|at: &usize| bytes[*at] ^= 1);
        fs::write(&segment, &bytes).unwrap();
        assert!(matches!(lake.seal(&segment), Err(SealError::Segment(_))));
        let origin = Origin { run, catalogue: catalogue_digest(&lake.catalogue) };
        let info = SegmentInfo { origin, number: 0, started_at: MIDNIGHT - 9 };
        let sealed = lake.sealer.borrow_mut().seal_headless(&segment, info).unwrap();
        assert_eq!((sealed.damaged_at, sealed.tally.quotes), (vec![0], rows));
        let told = lake.entries(EntryKind::Gap);
        let told: Vec<_> = told.iter().map(|e| (e.time, e.first, e.last)).collect();
        assert_eq!(told, vec![(MIDNIGHT - 9, None, Some(103)); gaps]);
        assert_eq!(fs::read(lake.path().join("damaged/run-000000.seg")).unwrap(), bytes);
    }
}

#[test]
fn a_segment_that_was_cut_off_is_sealed_up_to_its_last_whole_block_and_deleted() {
    let lake = Lake::new();
    let segment = lake.segment(0, 0, &quotes(12, MIDNIGHT));
    let file = fs::OpenOptions::new().write(true).open(&segment).unwrap();
    file.set_len(block_at(3) - 1).unwrap();
    let sealed = lake.seal(&segment).unwrap();
    assert_eq!((sealed.truncated_at, sealed.damaged_at), (Some(block_at(2)), Vec::new()));
    assert_eq!((sealed.next_sequence, sealed.last_time), (Some(8), MIDNIGHT + 7));
    assert_eq!(lake.files(HOUR_0), [("run-000000.parquet".to_owned(), 8)]);
    let [told] = &lake.entries(EntryKind::Segment)[..] else { panic!("one segment") };
    assert_eq!((told.cause.as_deref(), told.rows), (Some("truncated"), Some(8)));
    assert_eq!(lake.entries(EntryKind::Gap), []);
    assert!(!segment.exists() && !lake.path().join("damaged").exists());
}

#[test]
fn a_segment_that_holds_nothing_is_told_of_and_deleted() {
    let lake = Lake::new();
    let segment = lake.segment(0, 0, &[]);
    let sealed = lake.seal(&segment).unwrap();
    assert_eq!((sealed.next_sequence, sealed.last_time), (None, MIDNIGHT - 7));
    assert_eq!((sealed.files.len(), sealed.tally.records()), (0, 0));
    let [told] = &lake.entries(EntryKind::Segment)[..] else { panic!("one segment") };
    assert_eq!((told.first, told.last, told.rows), (None, None, Some(0)));
    assert!(!segment.exists());
}

#[test]
fn what_the_lake_cannot_hold_is_kept_aside_and_stated_and_the_rest_is_sealed() {
    let late = Quote { ts_event: 1 << 63, ..quotes::quote(0, 0, MIDNIGHT + 3) };
    let lake = Lake::new();
    let records = [
        quote(0, 0, MIDNIGHT),
        quote(0, 2, MIDNIGHT + 1),
        late.into(),
        quote(0, 0, MIDNIGHT + 4),
        spread(1 << 63, MIDNIGHT + 5),
        closed(1 << 63, MIDNIGHT + 6),
        quote(0, 0, MIDNIGHT + 7),
    ];
    let segment = lake.segment(0, 100, &records);
    let whole = fs::read(&segment).unwrap();
    let sealed = lake.seal(&segment).unwrap();
    assert_eq!((sealed.tally.quotes, sealed.tally.unfit, sealed.tally.records()), (3, 4, 7));
    assert_eq!(sealed.unfit, "1 time, 2 number, 1 unknown_id");
    assert!(!segment.exists());
    let rows = rows_of(
        &lake.path().join(HOUR_0).join("run-000000.parquet"),
        Table::of_folder(Path::new(HOUR_0)).unwrap(),
    );
    let numbers: Vec<u64> = rows.into_iter().map(|(row, _)| row.number).collect();
    assert_eq!(numbers, [100, 103, 104]);
    let gap = |first: Option<u64>, last, from, until| Entry {
        segment: Some(0),
        first,
        last,
        rows: Some(2),
        until: Some(MIDNIGHT + until),
        ..Entry::new(EntryKind::Gap, MIDNIGHT + from).of_run("run").because("unfit")
    };
    let told = [gap(Some(101), Some(102), 1, 3), gap(None, None, 5, 6)];
    assert_eq!(lake.entries(EntryKind::Gap), told);
    // The file holds the records as they were, each in a block with its number.
    let aside = fs::read(lake.path().join(format!("damaged/run-000000{UNFIT_SUFFIX}"))).unwrap();
    assert_eq!(aside.len() as u64, RECORD + 4 * 2 * RECORD);
    assert_eq!(aside[..64], whole[..64], "the header of the segment");
    for (at, (number, record)) in [(101, 1), (102, 2), (104, 4), (104, 5)].into_iter().enumerate() {
        let block = &aside[64 + at * 128..][..128];
        assert_eq!(u64::from_le_bytes(block[16..24].try_into().unwrap()), number);
        assert_eq!(&block[64..], bytemuck::bytes_of(&records[record]));
    }
}

#[test]
fn a_name_that_cannot_be_a_folder_costs_its_own_records_alone() {
    let names = ["A".repeat(200), "BTC/USDT".to_owned(), "BTC#USDT".to_owned()];
    let catalogue = catalogue::of(names.each_ref().map(String::as_str), ["okx"]).build();
    let mut lake = Lake::new();
    lake.catalogue = catalogue;
    lake.restart();
    let records = [quote(0, 0, MIDNIGHT), quote(0, 1, MIDNIGHT + 1), quote(0, 2, MIDNIGHT + 2)];
    let sealed = lake.seal(&lake.segment(0, 0, &records)).unwrap();
    assert_eq!((sealed.tally.quotes, sealed.unfit.as_str()), (1, "2 name"));
    let rows: Vec<_> = lake.entries(EntryKind::Rows).into_iter().map(|e| e.instrument).collect();
    assert_eq!(rows, [Some("BTC/USDT".to_owned())]);
}

#[test]
fn a_segment_of_another_catalogue_is_refused() {
    let mut lake = Lake::new();
    let segment = lake.segment(0, 0, &quotes(3, MIDNIGHT));
    lake.catalogue.instruments[0].price_scale = 3;
    lake.restart();
    let before = lake.content();
    assert!(matches!(lake.seal(&segment), Err(SealError::OtherCatalogue)));
    assert_eq!(lake.content(), before);
}

#[test]
fn nothing_is_left_half_done_when_a_later_file_cannot_be_written() {
    let lake = Lake::new();
    let segment = lake.segment(0, 0, &[quote(0, 0, MIDNIGHT), quote(1, 0, MIDNIGHT)]);
    // Venues are sealed in the order of their ids; the second one's folder cannot be created.
    fs::write(lake.path().join("exchange=binance_usdm"), "in the way").unwrap();
    let before = lake.content();
    let error = lake.seal(&segment).unwrap_err();
    assert!(matches!(error, SealError::Table(_)), "{error}");
    assert_eq!(lake.content(), before, "the first one's file is gone again");
}

#[test]
fn no_file_has_its_name_before_the_ledger_knows_it() {
    let lake = Lake::new();
    let segment = lake.segment(0, 0, &quotes(3, MIDNIGHT));
    fs::write(lake.path().join("ledger"), "in the way").unwrap();
    let before = lake.content();
    let error = lake.seal(&segment).unwrap_err();
    assert!(matches!(error, SealError::Table(_)), "{error}");
    assert_eq!(lake.content(), before);
}

/// Returns the names of the first segments' files with their rows.
fn named<const N: usize>(files: [(u32, u64); N]) -> [(String, u64); N] {
    files.map(|(number, rows)| (format!("run-{number:06}.parquet"), rows))
}

#[test]
fn small_groups_and_small_files_become_one_file_whose_footer_lists_their_parts() {
    let lake = Lake::new();
    assert_eq!(lake.join(0, &quotes(3, MIDNIGHT + 10)), named([(0, 3)]));
    // Earlier times: the rows of a file are in time order, whichever segment they came from.
    assert_eq!(lake.join(1, &quotes(2, MIDNIGHT)), named([(1, 5)]));
    let path = lake.path().join(HOUR_0).join("run-000001.parquet");
    let table = Table::of_folder(Path::new(HOUR_0)).unwrap();
    let rows = rows_of(&path, table);
    let times: Vec<Nanos> = rows.iter().map(|(row, _)| row.time - MIDNIGHT).collect();
    assert_eq!(times, [0, 1, 10, 11, 12]);
    let metadata = TableReader::open(&path, table).unwrap().metadata().clone();
    assert_eq!(metadata["parts"], "run:0:3,run:1:2");
    // The entry of each segment is about its own rows; that of the file is about all of them.
    let digest = |some: &[(Row, u64)]| some.iter().map(|(_, h)| *h).fold(0, u64::wrapping_add);
    let told = lake.entries(EntryKind::Rows);
    let told: Vec<_> = told.iter().map(|e| (e.segment, e.rows, e.digest)).collect();
    let of = |segment, rows, digest| (Some(segment), Some(rows), Some(digest));
    assert_eq!(told, [of(0, 3, digest(&rows[2..])), of(1, 2, digest(&rows[..2]))]);
    let content = fs::read(&path).unwrap();
    let told = lake.entries(EntryKind::File);
    // It has the name of the file that it replaces for a moment, so the ledger states both.
    let newest: Vec<&Entry> = told.iter().filter(|entry| entry.segment == Some(1)).collect();
    let names: Vec<_> = newest.iter().map(|entry| entry.file.as_deref().unwrap()).collect();
    assert_eq!(names, ["run-000000.parquet", "run-000001.parquet"]);
    for entry in newest {
        assert_eq!((entry.rows, entry.bytes), (Some(5), Some(content.len() as u64)));
        assert_eq!(entry.digest, Some(u64::from(crc32c::crc32c(&content))));
    }
}

#[test]
fn rows_join_where_one_of_the_two_is_small() {
    assert_eq!((SMALL_ROWS, JOINED_ROWS_MAX, EDGE_ROWS_MAX), (4_096, 65_536, 1_048_576));
    for (there, own, joins) in [
        (SMALL_ROWS, SMALL_ROWS, false),
        (SMALL_ROWS, SMALL_ROWS - 1, true),
        (SMALL_ROWS - 1, SMALL_ROWS, true),
    ] {
        let lake = Lake::new();
        lake.join(0, &quotes(there, MIDNIGHT));
        let found = lake.join(1, &quotes(own, MIDNIGHT + SECOND));
        let (one, two) = (named([(1, there + own)]), named([(0, there), (1, own)]));
        assert_eq!(found, if joins { one.to_vec() } else { two.to_vec() }, "{there} {own}");
    }
}

#[test]
fn a_file_grows_up_to_a_bound_and_beyond_it_with_the_last_rows_of_its_hour() {
    let (own, there) = (3, JOINED_ROWS_MAX - 3);
    let lake = Lake::new();
    let full = lake.join(0, &quotes(there, MIDNIGHT));
    assert_eq!(full, named([(0, there)]));
    assert_eq!(lake.join(1, &quotes(own, MIDNIGHT + SECOND)), named([(1, JOINED_ROWS_MAX)]));
    let next = quotes(1, MIDNIGHT + 2 * SECOND);
    assert_eq!(lake.join(2, &next), named([(1, JOINED_ROWS_MAX), (2, 1)]));
    // Rows are merged into the newest file, which is small.
    let last = quotes(2, MIDNIGHT + 3 * SECOND);
    assert_eq!(lake.join(3, &last), named([(1, JOINED_ROWS_MAX), (3, 3)]));
    // If the segment continues in the next hour, the bound differs.
    let lake = Lake::new();
    lake.join(0, &quotes(JOINED_ROWS_MAX, MIDNIGHT));
    let edge = [quote(0, 0, MIDNIGHT + 2 * SECOND), quote(0, 0, MIDNIGHT + HOUR)];
    assert_eq!(lake.join(1, &edge), named([(1, JOINED_ROWS_MAX + 1)]));
    let next_hour = HOUR_0.replace("hour=00", "hour=01");
    assert_eq!(lake.files(&next_hour), named([(1, 1)]));
    // The hour is not over before its end.
    let lake = Lake::new();
    lake.join(0, &quotes(JOINED_ROWS_MAX, MIDNIGHT));
    let within = [quote(0, 0, MIDNIGHT + HOUR - 1)];
    assert_eq!(lake.join(1, &within), named([(0, JOINED_ROWS_MAX), (1, 1)]));
}

#[test]
fn only_a_file_that_this_process_wrote_is_joined_and_only_as_it_was_written() {
    let file = |lake: &Lake, name: &str| lake.path().join(HOUR_0).join(name);
    let name = "run-000000.parquet";
    // A copy beside it is none of ours, and stays what it is.
    let lake = Lake::new();
    lake.join(0, &quotes(3, MIDNIGHT));
    fs::copy(file(&lake, name), file(&lake, "z-copy.parquet")).unwrap();
    let found = lake.join(1, &quotes(2, MIDNIGHT + SECOND));
    assert_eq!(found, [("run-000001.parquet".to_owned(), 5), ("z-copy.parquet".to_owned(), 3)]);
    // Changed bytes are not joined, whether they can be read or not, and nor is a missing file.
    for change in [b"PAR1 and no more".to_vec(), vec![], other_rows()] {
        let lake = Lake::new();
        lake.join(0, &quotes(3, MIDNIGHT));
        fs::write(file(&lake, name), &change).unwrap();
        lake.seal(&lake.segment(1, 3, &quotes(2, MIDNIGHT))).unwrap();
        assert_eq!(fs::read(file(&lake, name)).unwrap(), change);
        assert!(file(&lake, "run-000001.parquet").exists());
    }
    let lake = Lake::new();
    lake.join(0, &quotes(3, MIDNIGHT));
    fs::remove_file(file(&lake, name)).unwrap();
    assert_eq!(lake.join(1, &quotes(2, MIDNIGHT + SECOND)), named([(1, 2)]));
    // A later process joins nothing of an earlier one.
    let lake = Lake::new();
    lake.join(0, &quotes(3, MIDNIGHT));
    lake.restart();
    assert_eq!(lake.join(1, &quotes(2, MIDNIGHT + SECOND)), named([(0, 3), (1, 2)]));
}

/// A file of the same table, from another lake.
fn other_rows() -> Vec<u8> {
    let other = Lake::new();
    other.join(0, &quotes(2, MIDNIGHT + 9));
    fs::read(other.path().join(HOUR_0).join("run-000000.parquet")).unwrap()
}

#[test]
fn sealing_again_whatever_was_done_before_it_broke_off_gives_the_same_rows() {
    let lake = Lake::new();
    // The second segment is merged into the first one's file, and starts its own file in the next
    // hour.
    lake.join(0, &quotes(3, MIDNIGHT));
    let records = [quotes(2, MIDNIGHT + SECOND), quotes(1, MIDNIGHT + HOUR)].concat();
    let segment = lake.segment(1, 3, &records);
    let (before, journal) = (lake.data(), fs::read(&segment).unwrap());
    let sealed = lake.seal(&segment).unwrap();
    let (after, facts) = (lake.data(), ledger::read(lake.path()).0);
    let folders = [HOUR_0.to_owned(), HOUR_0.replace("hour=00", "hour=01")];
    let [joined, alone] = folders.map(|folder| lake.path().join(folder).join("run-000001.parquet"));
    let replaced = joined.with_file_name("run-000000.parquet");
    let unfinished = [&joined, &alone].map(|path| path.with_extension("parquet.tmp"));
    let again = |what: &str| {
        lake.restart();
        fs::write(&segment, &journal).unwrap();
        let found = lake.seal(&segment).unwrap();
        assert_eq!(lake.data(), after, "{what}");
        assert_eq!(ledger::read(lake.path()).0, facts, "{what}");
        assert_eq!(found, sealed, "{what}");
    };
    again("all but the segment's end");
    fs::rename(&alone, &unfinished[1]).unwrap();
    again("the second file has no name");
    fs::rename(&joined, &replaced).unwrap();
    again("the joined file has the name of the one that it replaces");
    // Before that, nothing of the segment is in the lake, and a later process joins nothing.
    fs::remove_file(&joined).unwrap();
    fs::remove_file(&alone).unwrap();
    fs::write(&replaced, &before[&replaced]).unwrap();
    fs::write(&unfinished[0], "half of a fi").unwrap();
    fs::write(&unfinished[1], "").unwrap();
    lake.restart();
    fs::write(&segment, &journal).unwrap();
    lake.seal(&segment).unwrap();
    assert_eq!(lake.files(HOUR_0), named([(0, 3), (1, 2)]));
    assert!(!unfinished.iter().any(|path| path.exists()));
}

#[test]
fn a_file_that_claims_to_have_the_rows_is_believed_only_if_the_ledger_knows_its_bytes() {
    let lake = Lake::new();
    let segment = lake.segment(0, 0, &quotes(3, MIDNIGHT));
    // Another lake of the same run and segment, with other rows.
    let folder = lake.path().join(HOUR_0);
    fs::create_dir_all(&folder).unwrap();
    let other = Lake::new();
    other.join(0, &quotes(3, MIDNIGHT + 9));
    let claim = fs::read(other.path().join(HOUR_0).join("run-000000.parquet")).unwrap();
    fs::write(folder.join("claims.parquet"), &claim).unwrap();
    lake.seal(&segment).unwrap();
    let files = [("claims.parquet".to_owned(), 3), ("run-000000.parquet".to_owned(), 3)];
    assert_eq!(lake.files(HOUR_0), files);
}

#[test]
fn rows_that_a_later_segment_took_along_are_not_sealed_again() {
    let lake = Lake::new();
    let first = lake.segment_in_blocks(0, 0, &quotes(3, MIDNIGHT), 4096);
    let journal = fs::read(&first).unwrap();
    lake.seal(&first).unwrap();
    lake.join(1, &quotes(2, MIDNIGHT + SECOND));
    // The first segment could not be deleted.
    fs::write(&first, journal).unwrap();
    lake.seal(&first).unwrap();
    assert_eq!(lake.files(HOUR_0), named([(1, 5)]));
}

#[test]
fn a_file_that_cannot_be_seen_is_not_taken_for_one_that_is_missing() {
    let lake = Lake::new();
    let segment = lake.segment(0, 0, &quotes(3, MIDNIGHT));
    let folder = lake.path().join(HOUR_0);
    fs::create_dir_all(&folder).unwrap();
    // Also root may not read a loop of links.
    let unseen = folder.join("other.parquet");
    std::os::unix::fs::symlink("other.parquet", &unseen).unwrap();
    assert!(matches!(lake.seal(&segment), Err(SealError::Table(_))));
    assert!(segment.exists());
    fs::remove_file(unseen).unwrap();
    assert!(fs::read_dir(&folder).unwrap().next().is_none());
    lake.seal(&segment).unwrap();
}

#[test]
fn the_rows_of_another_segment_are_not_taken_for_those_of_this_one() {
    // Segment 1 of the run is in the file with the same number of rows; segment 11 is not.
    let lake = Lake::new();
    lake.join(1, &quotes(3, MIDNIGHT));
    assert_eq!(lake.join(11, &quotes(3, MIDNIGHT + SECOND)), named([(11, 6)]));
}

#[test]
fn the_sealer_counts_what_it_sealed_and_hands_its_counts_over_as_stages() {
    let lake = Lake::new();
    let records = [mixed(), vec![gap(GapCause::Edge, 5, MIDNIGHT + HOUR + 1)]].concat();
    let counters = Counters::default();
    let sealer = Sealer::new(lake.book(), catalogue(), &counters);
    let stages = sealer.stages();
    let (sender, segments) = channel::unbounded();
    for (number, records) in [(0, &records[..]), (1, &quotes(4, MIDNIGHT)[..])] {
        let path = lake.segment(number, 100 * u64::from(number), records);
        sender.send(ClosedSegment { path, number, records: records.len() as u64 }).unwrap();
    }
    drop(sender);
    assert_eq!(sealer.run(&segments), Vec::<String>::new());
    let count = |name: &str| counters.expect(&format!("seal.{name}"));
    let counts = ["rows", "statuses", "gaps", "missed", "segments", "files"].map(count);
    assert_eq!(counts, [8 + 4, 2, 1, 5, 2, 12 + 1]);
    assert_eq!(["failed", "damaged", "unsealed"].map(count), [0; 3]);
    let stages = StageCounts::read(&stages);
    let sealed = [Stage::SealedQuotes, Stage::SealedStatuses, Stage::Damaged, Stage::Unsealed];
    assert_eq!(sealed.map(|stage| stages.total(stage)), [12, 2, 0, 0].map(Some));
}

#[test]
fn the_sealer_tries_again_at_the_end_and_tells_what_it_could_not_seal() {
    for mended in [true, false] {
        let lake = Lake::new();
        let counters = Counters::default();
        let sealer = Sealer::new(lake.book(), catalogue(), &counters);
        let (sender, segments) = channel::unbounded();
        let path = lake.segment(0, 0, &quotes(3, MIDNIGHT));
        let in_the_way = lake.path().join("exchange=binance");
        fs::write(&in_the_way, "").unwrap();
        sender.send(ClosedSegment { path: path.clone(), number: 0, records: 3 }).unwrap();
        // Sealed after it on the same thread: when it is gone, the first has failed.
        let other = [quote(1, 0, MIDNIGHT)];
        let second = lake.segment(1, 3, &other);
        sender.send(ClosedSegment { path: second.clone(), number: 1, records: 1 }).unwrap();
        let failures = std::thread::scope(|scope| {
            let sealing = scope.spawn(|| sealer.run(&segments));
            while second.exists() {
                std::thread::yield_now();
            }
            assert_eq!(counters.expect("seal.failed"), 1);
            if mended {
                fs::remove_file(&in_the_way).unwrap();
            }
            drop(sender);
            sealing.join().unwrap()
        });
        let count = |name: &str| counters.expect(&format!("seal.{name}"));
        assert_eq!(count("failed"), 1, "it is told once");
        if mended {
            assert_eq!(failures, Vec::<String>::new());
            assert_eq!((count("unsealed"), count("rows")), (0, 4));
            assert!(!path.exists());
        } else {
            let [sentence] = &failures[..] else { panic!("{failures:?}") };
            assert!(sentence.contains("run-000000.seg stays unsealed"), "{sentence}");
            assert_eq!((count("unsealed"), count("rows")), (1, 1));
            assert!(path.exists());
        }
    }
}

#[test]
fn a_failed_segment_is_tried_again_when_its_time_has_come_though_others_arrive() {
    let lake = Lake::new();
    let (counters, clock) = (Counters::default(), Clock::manual(MIDNIGHT));
    let sealer = Sealer::new(lake.book(), catalogue(), &counters);
    let mut sealer = sealer.timed_by(clock.clone());
    let in_the_way = lake.path().join("exchange=binance");
    fs::write(&in_the_way, "").unwrap();
    let of = |number: u32, venue| {
        let path = lake.segment(number, u64::from(number), &[quote(venue, 0, MIDNIGHT)]);
        ClosedSegment { path, number, records: 1 }
    };
    let unsealed = || counters.expect("seal.unsealed");
    let first = of(0, 0);
    sealer.turn(Some(first.clone()));
    assert_eq!((unsealed(), counters.expect("seal.failed")), (1, 1));
    // It is tried after a second, then after two more: others that arrive neither hasten nor delay it.
    for (number, after) in [(1, 0), (2, SECOND), (3, 2 * SECOND)] {
        clock.set(MIDNIGHT + after);
        sealer.turn(Some(of(number, 1)));
        assert_eq!(unsealed(), 1, "{number}");
    }
    fs::remove_file(&in_the_way).unwrap();
    sealer.turn(Some(of(4, 1)));
    assert_eq!(unsealed(), 1, "not due before three seconds");
    clock.set(MIDNIGHT + 3 * SECOND);
    sealer.turn(Some(of(5, 1)));
    assert_eq!((unsealed(), first.path.exists()), (0, false));
    assert_eq!(counters.expect("seal.failed"), 1);
    assert!(sealer.finish().is_empty());
}

#[test]
fn whoever_holds_the_lake_is_named_and_waited_for_no_longer_than_agreed() {
    let lake = Lake::new();
    let (counters, clock) = (Counters::default(), Clock::manual(MIDNIGHT));
    let sealer = Sealer::new(lake.book(), catalogue(), &counters);
    let mut sealer = sealer.timed_by(clock.clone()).waiting(Duration::ZERO);
    drop(lock::changes(lake.path()).unwrap());
    // As `lake verify` holds it, which may be suspended for any time.
    let reader = lock::reading(lake.path()).unwrap();
    for number in 0..3 {
        let path = lake.segment(number, u64::from(number), &[quote(0, 0, MIDNIGHT)]);
        sealer.turn(Some(ClosedSegment { path, number, records: 1 }));
    }
    let counts = || ["unsealed", "locked", "failed"].map(|n| counters.expect(&format!("seal.{n}")));
    assert_eq!(counts(), [3, 3, 3]);
    clock.set(MIDNIGHT + SECOND);
    sealer.turn(None);
    assert_eq!(counts(), [3, 6, 3]);
    drop(reader);
    clock.set(MIDNIGHT + 3 * SECOND);
    sealer.turn(None);
    assert_eq!(counts(), [0, 6, 3]);
    let _held = lock::changes(lake.path()).unwrap();
    let path = lake.segment(3, 3, &[quote(0, 0, MIDNIGHT)]);
    sealer.turn(Some(ClosedSegment { path, number: 3, records: 1 }));
    let [told] = &sealer.finish()[..] else { panic!("one segment") };
    let holder = format!("(process {} (", std::process::id());
    assert!(told.contains("change.lock is locked") && told.contains(&holder), "{told}");
}

#[test]
fn a_segment_with_fewer_records_than_its_writer_counted_is_damaged() {
    let lake = Lake::new();
    let counters = Counters::default();
    let sealer = Sealer::new(lake.book(), catalogue(), &counters);
    let path = lake.segment(0, 0, &quotes(8, MIDNIGHT));
    // A complete block is missing at its end, so the file alone looks sound.
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(block_at(1)).unwrap();
    let (sender, segments) = channel::unbounded();
    sender.send(ClosedSegment { path, number: 0, records: 8 }).unwrap();
    drop(sender);
    assert_eq!(sealer.run(&segments), Vec::<String>::new());
    assert_eq!((counters.expect("seal.damaged"), counters.expect("seal.rows")), (1, 4));
    let [told] = &lake.entries(EntryKind::Gap)[..] else { panic!("one gap") };
    assert_eq!((told.cause.as_deref(), told.first, told.last), (Some("damage"), Some(4), None));
    assert_eq!(told.time, MIDNIGHT + 3);
    assert!(lake.path().join("damaged/run-000000.seg").exists());
}
