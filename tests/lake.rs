//! Tests the path from the ring to the lake: journal, segments and sealer.
//!
//! Every scenario runs on one thread with a manual clock and compares with a naive account of the
//! input. The Python readers are in `outside/lake.rs`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod counting_allocator;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Float64Type, Int64Type, TimeUnit, TimestampNanosecondType, UInt8Type, UInt64Type,
};
use bytemuck::Zeroable;
use counting_allocator::counted;
use crossbeam::channel;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Encoding;
use parquet::file::reader::{FileReader, SerializedFileReader};
use proptest::prelude::*;
use spreadwire_engine::journal::syncer::{self, Syncer};
use spreadwire_engine::journal::{Annex, Disk, Edges, Journal, Settings};
use spreadwire_engine::runtime::agent::{Agent, Report};
use spreadwire_engine::runtime::ring::{self, CountSender, EdgeCounters, HoldSender, Receiver};
use spreadwire_lake::disk::{FreeSpace, STEP_BYTES};
use spreadwire_lake::ledger::{self, Cause, EntryKind};
use spreadwire_lake::mark::Mark;
use spreadwire_lake::recover;
use spreadwire_lake::run::{Origin, RunId, catalogue_digest};
use spreadwire_lake::seal::{SealError, Sealer, seal_segment};
use spreadwire_lake::segment::{ClosedSegment, SegmentError, SegmentReader};
use spreadwire_lake::table::{QUOTES, TableError, TableReader};
use spreadwire_market::clock::{Clock, MILLI, Nanos, SECOND};
use spreadwire_market::counters::Counters;
use spreadwire_market::decimal;
use spreadwire_market::instrument::{Catalogue, Instrument, InstrumentId, VenueId, VenueInfo};
use spreadwire_market::record::{
    Closed, Gap, GapCause, Kind, Opened, Quote, Record, Recording, RecordingState, Spread, Status,
    flags,
};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) const MIDNIGHT: Nanos = 1_723_161_600 * SECOND;
const RING: usize = 4096;
const ANNEX_RING: usize = 256;

fn catalogue() -> Catalogue {
    let instrument = |name: &str, price_scale, size_scale| Instrument {
        name: name.to_owned(),
        price_scale,
        size_scale,
    };
    let venue = |name: &str| VenueInfo { name: name.to_owned(), taker_fee: 0.001, max_age: SECOND };
    Catalogue {
        instruments: vec![
            instrument("BTC/USDT", 2, 8),
            instrument("BTC/USDT:PERP", 1, 3),
            instrument("SHIB/USDT", 12, 0),
        ],
        venues: vec![venue("binance"), venue("binance-usdm"), venue("okx")],
        listings: Vec::new(),
    }
}

/// Settings under which only full blocks are written and nothing else happens by itself.
pub(crate) fn patient() -> Settings {
    Settings {
        segment_rows: u64::MAX,
        segment_age: Nanos::MAX,
        flush_interval: Nanos::MAX,
        sync_interval: 0,
        disk_reserve: 0,
        block_records_max: 7,
    }
}

/// A journal with its surroundings.
pub(crate) struct Rig {
    pub(crate) home: tempfile::TempDir,
    pub(crate) clock: Clock,
    pub(crate) counters: Counters,
    pub(crate) sender: HoldSender,
    pub(crate) spreads: CountSender,
    pub(crate) opportunities: CountSender,
    pub(crate) journal: Journal,
    pub(crate) syncer: Syncer,
    pub(crate) states: Receiver,
    /// Free bytes that the disk reports.
    pub(crate) free: Arc<AtomicU64>,
    pub(crate) closed: channel::Receiver<ClosedSegment>,
}

impl Rig {
    pub(crate) fn new(settings: Settings) -> Rig {
        Rig::with_channel(settings, 1000)
    }

    fn with_channel(settings: Settings, capacity: usize) -> Rig {
        let home = tempfile::tempdir().unwrap();
        let (clock, counters) = (Clock::manual(MIDNIGHT), Counters::default());
        let (sender, inputs) = ring::hold(RING, EdgeCounters::default());
        let (spreads, spreads_out) = ring::count(ANNEX_RING, EdgeCounters::default());
        let (opportunities, opportunities_out) = ring::count(ANNEX_RING, EdgeCounters::default());
        let (states, states_out) = ring::count(ANNEX_RING, EdgeCounters::default());
        let annexes = vec![
            Annex { receiver: spreads_out, cause: GapCause::Spreads },
            Annex { receiver: opportunities_out, cause: GapCause::Opportunities },
        ];
        let (sealer, closed) = channel::bounded(capacity);
        let lake = home.path().join("lake");
        let folder = lake.join(spreadwire_lake::lake::JOURNAL);
        let (requests, syncer) = syncer::pair(&folder, 0 < settings.sync_interval, sealer);
        let free = Arc::new(AtomicU64::new(u64::MAX));
        let probe = Arc::clone(&free);
        let probe = FreeSpace::new(move |_| Ok(probe.load(Ordering::Relaxed)));
        let disk = Disk { lake: &lake, free: probe, syncer: requests };
        let edges = Edges { inputs, annexes, states };
        let journal = Journal::new(edges, disk, origin(), settings, clock.clone(), &counters);
        let states = states_out;
        Rig {
            home,
            clock,
            counters,
            sender,
            spreads,
            opportunities,
            journal,
            syncer,
            states,
            free,
            closed,
        }
    }

    pub(crate) fn lake(&self) -> PathBuf {
        self.home.path().join("lake")
    }

    fn cycle(&mut self, now: Nanos) -> usize {
        self.clock.set(now);
        let done = self.journal.do_work(now);
        self.syncer.handle_queued();
        done
    }

    /// Returns the changes of state since the last call, with the inputs lost until then.
    fn told(&mut self) -> Vec<(RecordingState, u64)> {
        let mut told = Vec::new();
        self.states.drain(|record| {
            let recording: &Recording = record.view();
            told.push((RecordingState::of_code(recording.state).unwrap(), recording.lost));
        });
        told
    }

    pub(crate) fn pass(&mut self, records: &[Record], now: Nanos) {
        for chunk in records.chunks(RING) {
            chunk.iter().for_each(|record| self.sender.send(*record));
            self.cycle(now);
        }
    }

    fn count(&self, name: &str) -> u64 {
        self.counters.expect(name)
    }

    fn failures(&mut self) -> Vec<String> {
        let mut report = Report::default();
        self.journal.report(&mut report);
        report.failures
    }

    fn close(&mut self) {
        self.journal.on_close();
        self.syncer.handle_queued();
    }

    /// Returns every record in the journal's folder with its number, in file order.
    fn stored(&self) -> Vec<(u64, Record)> {
        let folder = self.lake().join(spreadwire_lake::lake::JOURNAL);
        let mut stored = Vec::new();
        for name in files_under(&folder) {
            for block in SegmentReader::open(&folder.join(name)).unwrap() {
                let block = block.unwrap();
                stored.extend(block.numbered().map(|(number, record)| (number, *record)));
            }
        }
        stored
    }

    /// Closes the journal and seals everything it left; returns the sealer's complaints.
    pub(crate) fn seal(&mut self) -> Vec<String> {
        self.close();
        let (sender, closed) = channel::unbounded();
        self.closed.try_iter().for_each(|segment| sender.send(segment).unwrap());
        drop(sender);
        Sealer::new(&self.lake(), catalogue(), &self.counters).run(&closed)
    }
}

fn origin() -> Origin {
    Origin { run: RunId::new("run").unwrap(), catalogue: catalogue_digest(&catalogue()) }
}

pub(crate) fn quote(venue: u8, instrument: u32, ts_recv: Nanos) -> Quote {
    Quote {
        ts_recv,
        ts_event: ts_recv - 5 * MILLI,
        bid_px: 6_183_763,
        ask_px: 6_183_764,
        bid_sz: 378_826_000,
        ask_sz: 154_698_000,
        sequence: 7,
        instrument: InstrumentId(instrument),
        venue: VenueId(venue),

        ..Quote::zeroed()
    }
}

fn status(ts_recv: Nanos) -> Record {
    Status { ts_recv, ..Status::zeroed() }.into()
}

pub(crate) fn quotes(count: u64) -> Vec<Record> {
    (0..count).map(|at| quote(0, 0, MIDNIGHT + at).into()).collect()
}

/// A row as a reader of the lake sees it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) ts: i64,
    pub(crate) bid: Option<f64>,
    pub(crate) ask: Option<f64>,
    pub(crate) bid_sz: Option<f64>,
    pub(crate) ask_sz: Option<f64>,
    pub(crate) event: Option<i64>,
    pub(crate) sequence: Option<u64>,
    pub(crate) number: i64,
    pub(crate) flags: u8,
}

/// Returns the expected text of a quote that is read back.
pub(crate) fn row(quote: &Quote, number: u64) -> Row {
    let instrument = &catalogue().instruments[quote.instrument.index()];
    let value = |mantissa, scale| decimal::to_text(mantissa, scale).parse::<f64>().unwrap();
    let bid = (quote.bid_px, quote.bid_sz) != (0, 0);
    let ask = (quote.ask_px, quote.ask_sz) != (0, 0);
    let (price, size) = (instrument.price_scale, instrument.size_scale);
    Row {
        ts: quote.ts_recv.cast_signed(),
        bid: bid.then(|| value(quote.bid_px, price)),
        ask: ask.then(|| value(quote.ask_px, price)),
        bid_sz: bid.then(|| value(quote.bid_sz, size)),
        ask_sz: ask.then(|| value(quote.ask_sz, size)),
        event: (quote.flags & flags::TS_EVENT_ABSENT == 0).then_some(quote.ts_event.cast_signed()),
        sequence: (quote.sequence != 0).then_some(quote.sequence),
        number: number.cast_signed(),
        flags: quote.flags,
    }
}

fn rows_of_batch(batch: &RecordBatch) -> Vec<Row> {
    let column = |name: &str| batch.column_by_name(name).unwrap();
    let times = column("Timestamp").as_primitive::<TimestampNanosecondType>();
    let events = column("EventTime").as_primitive::<TimestampNanosecondType>();
    let sequences = column("Sequence").as_primitive::<UInt64Type>();
    let double = |name: &str, at: usize| {
        let column = column(name).as_primitive::<Float64Type>();
        column.is_valid(at).then(|| column.value(at))
    };
    (0..batch.num_rows())
        .map(|at| Row {
            ts: times.value(at),
            bid: double("BestBid", at),
            ask: double("BestAsk", at),
            bid_sz: double("BestBidSize", at),
            ask_sz: double("BestAskSize", at),
            event: events.is_valid(at).then(|| events.value(at)),
            sequence: sequences.is_valid(at).then(|| sequences.value(at)),
            number: column("JournalSequence").as_primitive::<Int64Type>().value(at),
            flags: column("Flags").as_primitive::<UInt8Type>().value(at),
        })
        .collect()
}

fn rows_of_file(path: &Path) -> Vec<Row> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    reader.build().unwrap().flat_map(|batch| rows_of_batch(&batch.unwrap())).collect()
}

/// Returns every file under a folder by relative path, sorted by name.
pub(crate) fn files_under(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// Returns the files of quotes.
fn quote_files(lake: &Path) -> Vec<String> {
    let is_one = |file: &String| file.starts_with("exchange=") && file.ends_with(".parquet");
    files_under(lake).into_iter().filter(is_one).collect()
}

/// Returns the quotes of the whole lake by folder.
pub(crate) fn rows_of_lake(lake: &Path) -> BTreeMap<String, Vec<Row>> {
    let mut rows: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for file in quote_files(lake) {
        let (folder, _) = file.rsplit_once('/').unwrap();
        rows.entry(folder.to_owned()).or_default().extend(rows_of_file(&lake.join(&file)));
    }
    rows
}

/// Returns the expected contents of the lake by folder, derived from the input.
fn expected(records: &[Record]) -> BTreeMap<String, Vec<Row>> {
    let mut rows: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    let mut number = 0;
    for record in records {
        if record.kind() == Some(Kind::Quote) {
            let quote: &Quote = record.view();
            let venue = ["binance", "binance_usdm", "okx"][quote.venue.index()];
            let symbol = ["BTC#USDT", "BTC#USDT:PERP", "SHIB#USDT"][quote.instrument.index()];
            let time = jiff::Timestamp::from_nanosecond(i128::from(quote.ts_recv)).unwrap();
            let text = time.to_string();
            let folder = format!(
                "exchange={venue}/symbol={symbol}/date={}/hour={}",
                &text[..10],
                &text[11..13]
            );
            rows.entry(folder).or_default().push(row(quote, number));
        }
        number += match record.kind() {
            Some(Kind::Quote | Kind::Status) => 1,
            Some(Kind::Gap) => record.view::<Gap>().missed,
            _ => 0,
        };
    }
    rows.values_mut().for_each(|rows| rows.sort_by_key(|row| row.ts));
    rows
}

fn any_quote() -> impl Strategy<Value = Record> {
    let time = prop_oneof![
        (MIDNIGHT - 2)..(MIDNIGHT + 2),
        (MIDNIGHT - 3 * 3600 * SECOND)..(MIDNIGHT + 30 * 3600 * SECOND),
    ];
    let side = prop_oneof![Just((0, 0)), (1..i64::MAX, 0..i64::MAX), (1..100_000_i64, 0..50_i64)];
    let sequence = prop_oneof![Just(0), any::<u64>()];
    (time, 0..3_u8, 0..3_u32, side.clone(), side, sequence, 0..32_u8).prop_map(
        |(ts_recv, venue, instrument, bid, ask, sequence, flags)| {
            let absent = flags & flags::TS_EVENT_ABSENT != 0;
            let mut quote = quote(venue, instrument, ts_recv);
            (quote.bid_px, quote.bid_sz) = bid;
            (quote.ask_px, quote.ask_sz) = ask;
            quote.ts_event = if absent { 0 } else { ts_recv - 1 };
            (quote.sequence, quote.flags) = (sequence, flags);
            quote.into()
        },
    )
}

fn any_record() -> impl Strategy<Value = Record> {
    prop_oneof![
        8 => any_quote(),
        1 => Just(status(MIDNIGHT)),
        1 => (1..1000_u64).prop_map(|missed| Gap::new(MIDNIGHT, missed).into()),
        1 => Just(Spread { ..Spread::zeroed() }.into()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_quote_comes_back_from_the_lake(
        records in proptest::collection::vec(any_record(), 1..60),
        segment_rows in 1..40_u64,
    ) {
        let mut rig = Rig::new(Settings { segment_rows, ..patient() });
        rig.pass(&records, MIDNIGHT);
        prop_assert_eq!(rig.seal(), Vec::<String>::new());
        let wanted = expected(&records);
        let mut found = rows_of_lake(&rig.lake());
        // Files correspond to segments, so order is guaranteed within each; across them, order by
        // time.
        found.values_mut().for_each(|rows| rows.sort_by_key(|row| (row.ts, row.number)));
        prop_assert_eq!(&found, &wanted);
        let rows: usize = wanted.values().map(Vec::len).sum();
        prop_assert_eq!(rig.count("seal.rows"), rows as u64);
        prop_assert_eq!(rig.count("journal.quotes"), rows as u64);
        prop_assert_eq!(rig.count("seal.missed"), rig.count("journal.missed"));
        prop_assert_eq!(rig.count("seal.statuses"), rig.count("journal.statuses"));
        let leftovers = files_under(&rig.lake());
        let known = |file: &String| file.ends_with(".parquet") || file == "change.lock";
        prop_assert!(leftovers.iter().all(known), "{leftovers:?}");
        let folders = wanted.len();
        prop_assert_eq!(quote_files(&rig.lake()).len(), folders, "small files join");
    }
}

#[test]
fn rows_of_equal_time_keep_the_journals_order_and_midnight_divides_the_days() {
    let mut rig = Rig::new(patient());
    let at = |ts, sequence| Record::from(Quote { sequence, ..quote(1, 1, ts) });
    let records = [
        at(MIDNIGHT + 1, 1),
        at(MIDNIGHT - 1, 2),
        at(MIDNIGHT, 3),
        at(MIDNIGHT - 1, 4),
        at(MIDNIGHT, 5),
    ];
    rig.pass(&records, MIDNIGHT);
    assert!(rig.seal().is_empty());
    let order: Vec<(String, Vec<u64>)> = rows_of_lake(&rig.lake())
        .into_iter()
        .map(|(folder, rows)| (folder, rows.iter().map(|r| r.sequence.unwrap()).collect()))
        .collect();
    let folder = "exchange=binance_usdm/symbol=BTC#USDT:PERP";
    assert_eq!(
        order,
        [
            (format!("{folder}/date=2024-08-08/hour=23"), vec![2, 4]),
            (format!("{folder}/date=2024-08-09/hour=00"), vec![3, 5, 1]),
        ]
    );
}

#[test]
fn the_files_say_what_they_hold_and_are_encoded_as_documented() {
    let mut rig = Rig::new(patient());
    rig.pass(&[Gap::new(MIDNIGHT, 40).into()], MIDNIGHT);
    rig.pass(&quotes(20), MIDNIGHT);
    assert!(rig.seal().is_empty());
    let path = rig.lake().join(&quote_files(&rig.lake())[0]);
    let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
    let metadata = reader.metadata();
    let pairs: BTreeMap<String, String> = metadata
        .file_metadata()
        .key_value_metadata()
        .unwrap()
        .iter()
        .filter_map(|pair| {
            let key = pair.key.strip_prefix("spreadwire.")?;
            Some((key.to_owned(), pair.value.clone().unwrap()))
        })
        .collect();
    let wanted = [
        ("format", "2"),
        ("instrument", "BTC/USDT"),
        ("parts", "run:0:20"),
        ("price_scale", "2"),
        ("size_scale", "8"),
        ("table", "quotes"),
        ("venue", "binance"),
    ];
    let found: Vec<(&str, &str)> = pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(found, wanted);
    for column in metadata.row_group(0).columns() {
        let name = column.column_path().string();
        let delta = ["Timestamp", "EventTime", "Sequence", "JournalSequence"].contains(&&*name);
        let encodings: Vec<Encoding> = column.encodings().collect();
        assert_eq!(encodings.contains(&Encoding::DELTA_BINARY_PACKED), delta, "{name}");
        let plain = name.ends_with("Size");
        assert_eq!(column.dictionary_page_offset().is_none(), delta || plain, "{name}");
        assert!(column.statistics().is_some(), "{name}");
    }
    let batches = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap();
    let utc = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    assert_eq!(*batches.schema().field(0).data_type(), utc);
}

#[test]
fn a_segment_ends_at_its_rows_or_at_its_age() {
    let mut rig = Rig::new(Settings { segment_rows: 10, segment_age: SECOND, ..patient() });
    rig.pass(&quotes(25), MIDNIGHT);
    let records: Vec<u64> = rig.closed.try_iter().map(|closed| closed.records).collect();
    assert_eq!(records, [10, 10], "by rows, exactly");
    rig.cycle(MIDNIGHT + SECOND - 1);
    assert_eq!(rig.closed.len(), 0);
    assert!(0 < rig.cycle(MIDNIGHT + SECOND));
    assert_eq!(rig.closed.try_iter().map(|c| (c.number, c.records)).collect::<Vec<_>>(), [(2, 5)]);
    assert_eq!(rig.cycle(MIDNIGHT + 2 * SECOND), 1, "the syncer has answered");
    assert_eq!(rig.cycle(MIDNIGHT + 9 * SECOND), 0, "nothing came, so no segment was begun");
    assert_eq!(rig.count("journal.segments"), 3);
    assert_eq!(rig.count("journal.records"), 25);
    let journal = rig.lake().join("journal");
    let names = files_under(&journal);
    assert_eq!(names, ["run-000000.seg", "run-000001.seg", "run-000002.seg"]);
    let bytes: u64 = names.iter().map(|n| fs::metadata(journal.join(n)).unwrap().len()).sum();
    assert_eq!(rig.count("journal.bytes"), bytes);
}

#[test]
fn a_record_waits_in_memory_no_longer_than_the_flush_interval() {
    let mut rig = Rig::new(Settings { flush_interval: 5 * MILLI, ..patient() });
    rig.pass(&quotes(1), MIDNIGHT);
    rig.cycle(MIDNIGHT + 5 * MILLI - 1);
    assert_eq!(rig.count("journal.records"), 0);
    assert_eq!(rig.cycle(MIDNIGHT + 5 * MILLI), 1);
    assert_eq!(rig.count("journal.records"), 1);
    // The contents after a crash at this moment.
    let open = rig.lake().join("journal/run-000000.seg.open");
    let blocks: Vec<_> = SegmentReader::open(&open).unwrap().map(Result::unwrap).collect();
    assert_eq!(blocks[0].records, quotes(1));
    let mut report = Report::default();
    rig.journal.report(&mut report);
    let (stage, latency) = &report.latencies[0];
    assert_eq!((stage.as_str(), latency.count()), ("read_to_journal", 1));
    assert!(latency.max().abs_diff(5 * MILLI) < 10_000);
}

#[test]
fn what_the_edge_could_not_take_is_skipped_in_the_numbers() {
    let rig = Rig::new(patient());
    let (mut sender, inputs) = ring::count(4, EdgeCounters::default());
    let (states, _) = ring::count(4, EdgeCounters::default());
    let (sealer, closed) = channel::bounded(1);
    let counters = &Counters::default();
    let clock = Clock::manual(MIDNIGHT);
    let lake = rig.lake();
    let (requests, mut syncer) =
        syncer::pair(&lake.join(spreadwire_lake::lake::JOURNAL), true, sealer);
    let disk = Disk { lake: &lake, free: FreeSpace::of_host(), syncer: requests };
    let edges = Edges { inputs, annexes: Vec::new(), states };
    let mut journal = Journal::new(edges, disk, origin(), patient(), clock, counters);
    for record in quotes(10) {
        sender.offer(record);
    }
    journal.do_work(MIDNIGHT);
    sender.offer(quote(0, 0, MIDNIGHT + 10).into());
    drop(sender);
    journal.do_work(MIDNIGHT);
    assert!(journal.is_finished());
    journal.on_close();
    assert_eq!(syncer.handle_queued(), 1);
    assert_eq!(counters.expect("journal.missed"), 6);
    assert_eq!(counters.expect("journal.gaps"), 1);
    let sealed = seal_segment(&closed.recv().unwrap().path, &rig.lake(), &catalogue()).unwrap();
    assert_eq!((sealed.tally.quotes, sealed.tally.gaps, sealed.tally.missed), (5, 1, 6));
    let numbers: Vec<i64> = rows_of_file(&sealed.files[0].path).iter().map(|r| r.number).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 10]);
}

#[test]
fn closed_segments_wait_on_disk_while_the_sealer_has_no_room() {
    let mut rig = Rig::with_channel(Settings { segment_rows: 2, ..patient() }, 1);
    // One is with the sealer, one has its name and waits, 64 are in the syncer's queue.
    rig.pass(&quotes(2), MIDNIGHT);
    rig.pass(&quotes(2), MIDNIGHT);
    rig.pass(&quotes(2 * 67), MIDNIGHT);
    assert_eq!(rig.count("journal.waiting"), 3);
    assert_eq!(rig.cycle(MIDNIGHT), 0);
    for number in 0..2 {
        assert_eq!(rig.closed.recv().unwrap().number, number);
        rig.cycle(MIDNIGHT);
    }
    rig.journal.on_close();
    assert_eq!(rig.count("journal.waiting"), 1);
    assert!(rig.failures()[0].starts_with("1 finished segments found no room at the syncer"));
    let names = files_under(&rig.lake().join(spreadwire_lake::lake::JOURNAL));
    assert_eq!(names.len(), 69, "nothing is gone");
    assert_eq!(names.iter().filter(|name| name.ends_with(".open")).count(), 65);
}

#[test]
fn a_file_where_the_lake_should_be_is_a_counted_loss() {
    let mut rig = Rig::new(patient());
    fs::write(rig.lake(), "not a folder").unwrap();
    let mut records = quotes(20);
    records.push(status(MIDNIGHT));
    rig.pass(&records, MIDNIGHT);
    assert_eq!(rig.count("journal.lost"), 21);
    assert!(rig.sender.room(RING), "it drains on");
    assert_eq!(rig.told(), [(RecordingState::Refused, 0)], "told once, however often it fails");
    assert_eq!(rig.count("journal.recording"), 0);
    rig.cycle(MIDNIGHT + SECOND);
    rig.journal.on_close();
    assert_eq!(rig.count("journal.records"), 0);
    let failures = rig.failures();
    assert_eq!(failures.len(), 1);
    let why = "recording stopped (refused) and 21 inputs are not recorded: the journal could not \
               make its folder";
    assert!(failures[0].starts_with(why), "{failures:?}");
    assert_eq!(fs::read(rig.lake()).unwrap(), b"not a folder");
}

#[test]
fn recording_goes_on_when_the_lake_is_mended_and_the_hole_is_marked() {
    let mut rig = Rig::new(patient());
    fs::write(rig.lake(), "not a folder").unwrap();
    let mut records = quotes(20);
    records.push(Gap::new(MIDNIGHT, 5).into());
    rig.pass(&records, MIDNIGHT);
    fs::remove_file(rig.lake()).unwrap();
    rig.pass(&quotes(1), MIDNIGHT + SECOND - 1);
    assert_eq!(rig.count("journal.records"), 0, "not before a second");
    rig.cycle(MIDNIGHT + SECOND);
    assert_eq!(rig.told(), [(RecordingState::Refused, 0), (RecordingState::On, 21)]);
    assert_eq!(rig.count("journal.recording"), 1);
    rig.pass(&quotes(2), MIDNIGHT + SECOND);
    assert_eq!(rig.seal(), Vec::<String>::new());
    assert_eq!(rig.failures(), Vec::<String>::new());
    let rows = rows_of_lake(&rig.lake());
    let numbers: Vec<i64> = rows.values().flatten().map(|row| row.number).collect();
    assert_eq!(numbers, [26, 27]);
    assert_eq!((rig.count("journal.lost"), rig.count("journal.missed")), (21, 5));
    assert_eq!(rig.count("seal.missed"), 26);
}

#[test]
fn a_journal_folder_that_vanishes_is_a_counted_loss() {
    let mut rig = Rig::new(patient());
    rig.pass(&quotes(20), MIDNIGHT);
    fs::remove_dir_all(rig.lake()).unwrap();
    rig.pass(&quotes(3), MIDNIGHT);
    rig.close();
    assert_eq!(rig.count("journal.lost"), 23);
    assert_eq!(rig.told(), [(RecordingState::Vanished, 23), (RecordingState::On, 23)]);
    assert_eq!(rig.failures(), Vec::<String>::new());
    let gap = Gap::new(MIDNIGHT, 23).because(GapCause::Disk);
    assert_eq!(rig.stored(), [(0, gap.into())], "what is gone is marked to the end");
}

#[test]
fn a_journal_folder_that_vanishes_is_made_anew_and_the_hole_is_marked() {
    let mut rig = Rig::new(Settings { segment_rows: 20, ..patient() });
    rig.pass(&quotes(30), MIDNIGHT);
    assert_eq!(rig.closed.len(), 1);
    fs::remove_dir_all(rig.lake().join(spreadwire_lake::lake::JOURNAL)).unwrap();
    // Records written into a file that nobody can read any more, and records still in memory.
    rig.pass(&quotes(9), MIDNIGHT + 1);
    rig.cycle(MIDNIGHT + 100 * MILLI);
    assert_eq!(rig.told(), [(RecordingState::Vanished, 19), (RecordingState::On, 19)]);
    rig.pass(&quotes(3), MIDNIGHT + SECOND);
    rig.close();
    let mut stored = rig.stored();
    let gap = Gap::new(MIDNIGHT + 20, 19).because(GapCause::Disk);
    assert_eq!(stored.remove(0), (20, gap.into()));
    assert_eq!(stored.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [39, 40, 41]);
}

#[test]
fn finished_segments_that_vanish_before_they_are_closed_are_part_of_the_hole() {
    let mut rig = Rig::new(Settings { segment_rows: 10, ..patient() });
    // Two segments are in the syncer's queue and one is open; the syncer comes too late.
    quotes(25).into_iter().for_each(|record| rig.sender.send(record));
    rig.journal.do_work(MIDNIGHT);
    fs::remove_dir_all(rig.lake()).unwrap();
    rig.cycle(MIDNIGHT + 1);
    rig.cycle(MIDNIGHT + 2);
    assert_eq!(rig.count("journal.lost"), 25);
    rig.close();
    let gap = Gap::new(MIDNIGHT, 25).because(GapCause::Disk);
    assert_eq!(rig.stored(), [(0, gap.into())]);
    assert_eq!(rig.failures(), Vec::<String>::new());
}

#[test]
fn recording_stops_before_the_disk_is_full_and_goes_on_when_there_is_room() {
    let mut rig = Rig::new(Settings { disk_reserve: 1000, ..patient() });
    rig.pass(&quotes(10), MIDNIGHT);
    rig.free.store(999, Ordering::Relaxed);
    rig.pass(&quotes(2), MIDNIGHT + 100 * MILLI);
    assert_eq!(rig.told(), [(RecordingState::DiskFull, 0)], "what is in memory still fits");
    assert_eq!(rig.closed.len(), 1, "what is whole can be sealed");
    rig.pass(&quotes(4), MIDNIGHT + 2 * SECOND);
    assert_eq!(rig.count("journal.lost"), 4);
    rig.free.store(1000 + STEP_BYTES - 1, Ordering::Relaxed);
    rig.cycle(MIDNIGHT + 3 * SECOND);
    assert_eq!(rig.told(), [], "a new file would take the reserve at once");
    rig.free.store(1000 + STEP_BYTES, Ordering::Relaxed);
    rig.cycle(MIDNIGHT + 4 * SECOND);
    rig.pass(&quotes(1), MIDNIGHT + 4 * SECOND);
    assert_eq!(rig.told(), [(RecordingState::On, 4)]);
    rig.close();
    let numbers: Vec<u64> = rig.stored().iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (0..12).chain([12, 16]).collect::<Vec<_>>());
    let gap = Gap::new(MIDNIGHT, 4).because(GapCause::Disk);
    assert_eq!(rig.stored()[12].1, gap.into());
}

#[test]
fn a_run_that_ends_on_a_full_disk_says_what_is_not_recorded() {
    let mut rig = Rig::new(Settings { disk_reserve: 1000, ..patient() });
    rig.free.store(0, Ordering::Relaxed);
    rig.pass(&quotes(10), MIDNIGHT);
    rig.close();
    let failures = rig.failures();
    let said = "recording stopped (disk_full) and 10 inputs are not recorded: the journal could \
                not keep the reserve free (segment 0 in ";
    assert!(failures.len() == 1 && failures[0].starts_with(said), "{failures:?}");
    assert_eq!(files_under(&rig.lake()), Vec::<String>::new());
}

fn spread(ts_recv: Nanos) -> Record {
    Spread { ts_recv, ..Spread::zeroed() }.into()
}

#[test]
fn spreads_and_opportunities_are_stored_beside_the_inputs_and_take_no_numbers() {
    let mut rig = Rig::new(patient());
    let opened: Record = Opened { ts_recv: 5, ..Opened::zeroed() }.into();
    let closed: Record = Closed { ts_close: 6, ..Closed::zeroed() }.into();
    rig.spreads.offer(spread(1));
    for record in [opened, closed] {
        rig.opportunities.offer(record);
    }
    rig.pass(&quotes(2), MIDNIGHT);
    for at in 0..ANNEX_RING as u64 + 3 {
        rig.spreads.offer(spread(at));
    }
    rig.cycle(MIDNIGHT);
    rig.spreads.offer(spread(9));
    rig.pass(&quotes(1), MIDNIGHT);
    rig.close();
    let stored = rig.stored();
    let head = [(0, quotes(1)[0]), (1, quotes(2)[1]), (2, spread(1)), (2, opened), (2, closed)];
    assert_eq!(stored[..5], head);
    let gap = Gap::new(ANNEX_RING as u64, 3).because(GapCause::Spreads);
    let tail = [(2, quotes(1)[0]), (3, gap.into()), (3, spread(9))];
    assert_eq!(stored[stored.len() - 3..], tail);
    assert_eq!(rig.count("journal.spreads"), ANNEX_RING as u64 + 2);
    assert_eq!(rig.count("journal.opportunities"), 2);
    assert_eq!((rig.count("journal.missed"), rig.count("journal.gaps")), (0, 1));
    let segment = rig.closed.recv().unwrap();
    let sealed = seal_segment(&segment.path, &rig.lake(), &catalogue()).unwrap();
    assert_eq!((sealed.tally.quotes, sealed.tally.missed), (3, 0));
}

#[test]
fn what_is_lost_of_the_annexes_while_recording_is_stopped_is_marked_by_cause() {
    let mut rig = Rig::new(Settings { disk_reserve: 1000, ..patient() });
    rig.free.store(0, Ordering::Relaxed);
    for ts in 1..4 {
        rig.spreads.offer(spread(ts));
    }
    let opened = Opened { ts_recv: 5, ..Opened::zeroed() };
    rig.opportunities.offer(opened.into());
    rig.pass(&quotes(2), MIDNIGHT);
    rig.free.store(u64::MAX, Ordering::Relaxed);
    rig.cycle(MIDNIGHT + SECOND);
    rig.close();
    let gap = |missed, cause| Record::from(Gap::new(MIDNIGHT, missed).because(cause));
    let wanted = [
        (0, gap(2, GapCause::Disk)),
        (2, gap(3, GapCause::Spreads)),
        (2, gap(1, GapCause::Opportunities)),
    ];
    assert_eq!(rig.stored(), wanted);
}

#[test]
fn a_sync_that_is_late_is_counted_and_asked_for_again() {
    let settings = Settings { sync_interval: 10 * MILLI, flush_interval: MILLI, ..patient() };
    let mut rig = Rig::new(settings);
    let turn = |rig: &mut Rig, at: Nanos| {
        rig.sender.send(quote(0, 0, MIDNIGHT).into());
        rig.journal.do_work(MIDNIGHT + at * MILLI);
        rig.journal.do_work(MIDNIGHT + (at + 1) * MILLI);
    };
    turn(&mut rig, 0);
    turn(&mut rig, 10);
    assert_eq!(rig.count("journal.syncs_late"), 1, "the first is still under way");
    assert_eq!(rig.syncer.handle_queued(), 1);
    turn(&mut rig, 20);
    assert_eq!(rig.syncer.handle_queued(), 1);
    turn(&mut rig, 30);
    assert_eq!((rig.count("journal.syncs_late"), rig.syncer.handle_queued()), (1, 1));
    for (at, syncs) in [(41, 1), (52, 0)] {
        rig.journal.do_work(MIDNIGHT + at * MILLI);
        assert_eq!(rig.syncer.handle_queued(), syncs, "only what was written since");
    }
}

#[test]
fn a_disk_that_does_not_sync_stops_recording_and_nothing_written_is_given_up() {
    let settings = Settings { sync_interval: 10 * MILLI, flush_interval: MILLI, ..patient() };
    let mut rig = Rig::new(settings);
    quotes(3).into_iter().for_each(|record| rig.sender.send(record));
    rig.journal.do_work(MIDNIGHT);
    rig.journal.do_work(MIDNIGHT + MILLI);
    // The file can be synced but its name cannot, because the folder was moved away.
    let (folder, aside) =
        (rig.lake().join(spreadwire_lake::lake::JOURNAL), rig.lake().join("aside"));
    fs::rename(&folder, &aside).unwrap();
    assert_eq!(rig.syncer.handle_queued(), 1);
    fs::rename(&aside, &folder).unwrap();
    rig.cycle(MIDNIGHT + 2 * MILLI);
    assert_eq!(rig.told(), [(RecordingState::Vanished, 0)]);
    rig.cycle(MIDNIGHT + 3 * MILLI);
    assert_eq!(rig.told(), [(RecordingState::On, 0)]);
    rig.pass(&quotes(2), MIDNIGHT + 2 * SECOND);
    rig.close();
    let numbers: Vec<u64> = rig.stored().iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4]);
    assert_eq!(rig.count("journal.lost"), 0);
}

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
    let first = seal_segment(&closed.path, &rig.lake(), &catalogue()).unwrap();
    assert!(!closed.path.exists(), "sealed, so deleted");
    let content = |path: &PathBuf| fs::read(path).unwrap();
    let paths: Vec<PathBuf> = first.files.iter().map(|file| file.path.clone()).collect();
    let before: Vec<Vec<u8>> = paths.iter().map(content).collect();
    fs::write(&closed.path, bytes).unwrap();
    let second = seal_segment(&closed.path, &rig.lake(), &catalogue()).unwrap();
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
    let sealed = seal_segment(&open, &rig.lake(), &catalogue()).unwrap();
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
    Mark::begin(&rig.lake(), origin().run, MIDNIGHT, &catalogue()).unwrap();
    rig.pass(&quotes(14), MIDNIGHT);
    let open = rig.lake().join("journal/run-000000.seg.open");
    let mut bytes = fs::read(&open).unwrap();
    bytes[20] ^= 1;
    fs::write(&open, bytes).unwrap();
    let leftovers = recover::leftovers(&rig.lake()).unwrap();
    let recovered = leftovers[0].recover(&rig.lake(), None, None, |_| {});
    assert_eq!(recovered.failures, Vec::<String>::new());
    assert_eq!(recovered.sealed[0].tally.quotes, 14);
    assert_eq!(rows_of_lake(&rig.lake()).values().map(Vec::len).sum::<usize>(), 14);
}

#[test]
fn sealing_that_was_interrupted_anywhere_is_finished_without_a_row_too_many() {
    let folder = "exchange=binance/symbol=BTC#USDT/date=2024-08-09/hour=00";
    // Two segments: the second is merged into the file of the first.
    let mut rig = Rig::new(Settings { segment_rows: 15, ..patient() });
    rig.pass(&quotes(30), MIDNIGHT);
    rig.journal.on_close();
    let segments: Vec<_> = rig.closed.try_iter().map(|closed| closed.path).collect();
    seal_segment(&segments[0], &rig.lake(), &catalogue()).unwrap();
    let file = rig.lake().join(folder).join("run-000000.parquet");
    let (first, segment) = (fs::read(&file).unwrap(), fs::read(&segments[1]).unwrap());
    seal_segment(&segments[1], &rig.lake(), &catalogue()).unwrap();
    let both = fs::read(&file).unwrap();
    let (entries, _) = ledger::read(&rig.lake());
    // Killed before the file was renamed; killed after that, but before the segment was deleted.
    for left in [&first, &both] {
        fs::write(&file, left).unwrap();
        fs::write(&segments[1], &segment).unwrap();
        seal_segment(&segments[1], &rig.lake(), &catalogue()).unwrap();
        assert_eq!(fs::read(&file).unwrap(), both);
        assert_eq!(ledger::read(&rig.lake()).0, entries);
        assert!(!segments[1].exists());
    }
    assert_eq!(rows_of_file(&file).len(), 30);
    let rows = entries.iter().filter(|e| e.kind == EntryKind::Rows);
    let rows: Vec<_> = rows.map(|e| (e.segment, e.first, e.last, e.rows)).collect();
    let part = |segment, first, last| (Some(segment), Some(first), Some(last), Some(15));
    assert_eq!(rows, [part(0, 0, 14), part(1, 15, 29)]);
}

#[test]
fn small_segments_stop_joining_a_large_file_but_the_last_rows_of_an_hour_join_it() {
    let large = (1 << 16) - 10;
    let few: Vec<Record> = (0..20).map(|at| quote(0, 0, MIDNIGHT + large + at).into()).collect();
    let next_hour = Record::from(quote(0, 0, MIDNIGHT + 3600 * SECOND));
    for (second, wanted) in [
        (few.clone(), vec![large, 20]),
        (few.iter().copied().chain([next_hour]).collect(), vec![large + 20, 1]),
    ] {
        let settings = Settings { segment_age: SECOND, block_records_max: 4096, ..patient() };
        let mut rig = Rig::new(settings);
        for (part, now) in [(quotes(large), MIDNIGHT), (second, MIDNIGHT + 2 * SECOND)] {
            rig.pass(&part, now);
            rig.cycle(now + SECOND);
        }
        assert!(rig.seal().is_empty());
        let files = quote_files(&rig.lake());
        let rows = |file: &String| rows_of_file(&rig.lake().join(file)).len() as u64;
        assert_eq!(files.iter().map(rows).collect::<Vec<_>>(), wanted);
    }
}

#[test]
fn a_version_1_segment_is_sealed() {
    let rig = Rig::new(patient());
    let old = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/fixtures/lake/segment-v1.seg");
    let path = rig.home.path().join("old-run-000000.seg");
    fs::copy(old, &path).unwrap();
    let sealed = seal_segment(&path, &rig.lake(), &catalogue()).unwrap();
    assert_eq!(sealed.info.origin.run.as_str(), "old-run");
    let wanted: Vec<Row> =
        quotes(3).iter().zip(0..).map(|(quote, number)| row(quote.view(), number)).collect();
    assert_eq!(rows_of_file(&sealed.files[0].path), wanted);
}

#[test]
fn a_version_1_file_is_read_and_joined() {
    let mut rig = Rig::new(patient());
    let folder = rig.lake().join("exchange=binance/symbol=BTC#USDT/date=2024-08-09/hour=00");
    fs::create_dir_all(&folder).unwrap();
    let old = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/fixtures/lake/quotes-v1.parquet");
    fs::copy(old, folder.join("run-000000.parquet")).unwrap();
    rig.pass(&quotes(3), MIDNIGHT);
    assert!(rig.seal().is_empty());
    let reader = TableReader::open(&folder.join("run-000000.parquet"), &QUOTES).unwrap();
    assert_eq!(reader.metadata()["parts"], "old-run:0:?,run:0:3");
    let batch = reader.map(Result::unwrap).next().unwrap();
    let runs = arrow::compute::cast(batch.column_by_name("Run").unwrap(), &DataType::Utf8).unwrap();
    let runs: Vec<_> = runs.as_string::<i32>().iter().flatten().collect();
    assert_eq!(runs, ["old-run", "run", "old-run", "run", "old-run", "run"]);
}

#[test]
fn a_segment_of_another_catalogue_or_a_folder_that_is_a_file_is_refused() {
    let mut rig = Rig::new(patient());
    rig.pass(&quotes(3), MIDNIGHT);
    rig.close();
    let path = rig.closed.recv().unwrap().path;
    let mut other = catalogue();
    other.venues.swap(0, 1);
    let refused = seal_segment(&path, &rig.lake(), &other);
    assert!(matches!(refused, Err(SealError::OtherCatalogue)));
    fs::write(rig.lake().join("exchange=binance"), "in the way").unwrap();
    let refused = seal_segment(&path, &rig.lake(), &catalogue());
    assert!(
        matches!(refused, Err(SealError::Table(TableError::Io { doing: "make the folder", .. }))),
        "{refused:?}"
    );
    assert!(path.exists());
    let foreign = seal_segment(&rig.lake().join("exchange=binance"), &rig.lake(), &catalogue());
    assert!(matches!(foreign, Err(SealError::Segment(SegmentError::NotASegment))), "{foreign:?}");
}

#[test]
fn a_cycle_allocates_nothing_while_the_segment_stays_the_same() {
    let settings = Settings { block_records_max: 64, flush_interval: MILLI, ..patient() };
    let mut rig = Rig::new(Settings { sync_interval: 50 * MILLI, ..settings });
    rig.pass(&quotes(1000), MIDNIGHT);
    let records = quotes(300);
    let ((), allocations) = counted(|| {
        for cycle in 0..200 {
            rig.pass(&records, MIDNIGHT + cycle * MILLI);
            rig.cycle(MIDNIGHT + cycle * MILLI + MILLI / 2);
        }
    });
    assert_eq!(allocations, 0);
    assert_eq!(rig.count("journal.lost"), 0);
    rig.journal.on_close();
    assert_eq!(rig.count("journal.records"), 61_000);
}
