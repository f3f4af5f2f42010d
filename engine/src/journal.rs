//! The journal: the agent that stores what the calculator passes on, in the order it was used.
//!
//! The agent drains its edges into the store, which keeps a block in memory and a segment on the
//! disk. When a block is written or a segment ends is decided by the schedule, from the time of the
//! duty cycle. Whatever has to wait for a disk is done by the syncer, on a thread of its own.
//!
//! A disk that fills, vanishes or refuses is a state, kept in `recording`: recording stops, what is
//! whole in the file is closed, and every input is counted as lost so that nobody else is harmed. Once
//! a second recording is tried again; the new segment then begins with a gap for every number that is
//! in no file. Each change of state is told to the broadcast.

use crate::runtime::agent::{Agent, Report};
use crate::runtime::ring::{CountSender, Receiver};
use crate::runtime::stopwatch::Stopwatch;
use crate::runtime::tally::Tally;
use spreadwire_lake::run::Origin;
use spreadwire_lake::stage::StageCounter;
use spreadwire_market::clock::{Clock, Nanos};
use spreadwire_market::counters::Counters;
use spreadwire_market::record::GapCause;

mod counts;
mod recording;
mod schedule;
mod store;
pub mod syncer;

pub use schedule::Settings;
pub use store::Disk;

use counts::Counts;
use store::Store;

/// Number of times that the edges are drained before the last write of a process that ends at once.
/// Each takes everything that is there.
const HURRIED_DRAINS_MAX: usize = 16;

/// The stage whose latency the journal reports: receive time to the end of the `write`.
pub const STAGE: &str = "read_to_journal";

/// The journal's edges.
#[derive(Debug)]
pub struct Edges {
    /// The calculator's inputs, in its order.
    pub inputs: Receiver,
    /// The edges whose records are stored beside them.
    pub annexes: Vec<Annex>,
    /// Each change of state, as a [`Recording`](spreadwire_market::record::Recording).
    pub states: CountSender,
}

/// An edge with records that take no numbers.
#[derive(Debug)]
pub struct Annex {
    /// The edge.
    pub receiver: Receiver,
    /// What is missing where a gap comes out of it.
    pub cause: GapCause,
}

/// The agent.
#[derive(Debug)]
pub struct Journal {
    inputs: Receiver,
    annexes: Vec<Annex>,
    store: Store,
}

impl Journal {
    /// Makes a journal of what comes out of its edges. Nothing is opened before the first record.
    ///
    /// # Panics
    /// If a block of [`Settings::block_records_max`] is not possible.
    #[must_use]
    pub fn new(
        edges: Edges,
        disk: Disk<'_>,
        origin: Origin,
        settings: Settings,
        clock: Clock,
        counters: &Counters,
    ) -> Journal {
        let Edges { inputs, annexes, states } = edges;
        let stopwatch = Stopwatch::alone(STAGE, clock.clone());
        let counts = Counts::new(counters);
        let store = Store::new(disk, states, origin, settings, stopwatch, clock, counts);
        Journal { inputs, annexes, store }
    }

    /// Returns the journal counting by book the quotes that it has written.
    #[must_use]
    pub fn counting(mut self, written: Tally) -> Journal {
        self.store.counts.written = written;
        self
    }

    /// Returns the counters of the stages that are the journal's, for the ledger.
    #[must_use]
    pub fn stages(&self) -> Vec<StageCounter> {
        self.store.counts.stages()
    }

    /// Returns the journal timed by this stopwatch.
    #[must_use]
    pub fn timed(mut self, stopwatch: Stopwatch) -> Journal {
        self.store.stopwatch = stopwatch;
        self
    }

    /// Takes what is there: inputs first, so that what they led to stands behind them.
    fn drain(&mut self, now: Nanos) -> usize {
        let Journal { inputs, annexes, store } = self;
        let mut drained = inputs.drain(|record| store.take(record, now));
        for Annex { receiver, cause } in annexes {
            drained += receiver.drain(|record| store.take_annexed(record, *cause, now));
        }
        drained
    }
}

impl Agent for Journal {
    fn role(&self) -> &str {
        "journal"
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        self.store.stopwatch.turn(now);
        let heard = self.store.hear(now);
        let drained = self.drain(now);
        heard + drained + self.store.tend(now)
    }

    fn hurry(&mut self) {
        let now = self.store.now();
        // Producers that go on must not keep this from ending.
        for _ in 0..HURRIED_DRAINS_MAX {
            if self.drain(now) == 0 {
                break;
            }
        }
        self.store.flush(now);
    }

    fn is_finished(&self) -> bool {
        self.inputs.is_finished() && self.annexes.iter().all(|annex| annex.receiver.is_finished())
    }

    fn on_close(&mut self) {
        let now = self.store.now();
        self.store.hear(now);
        self.drain(now);
        self.store.finish(now);
    }

    fn report(&mut self, report: &mut Report) {
        report.stopwatch(&mut self.store.stopwatch);
        report.failures.extend(self.store.failures());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::syncer::{self, Syncer};
    use crate::runtime::ring::{self, EdgeCounters, HoldSender};
    use proptest::prelude::*;
    use spreadwire_kit::records::{quote, spread};
    use spreadwire_lake::disk::{FreeSpace, STEP_BYTES};
    use spreadwire_lake::run::RunId;
    use spreadwire_lake::segment::{ClosedSegment, SegmentReader};
    use spreadwire_lake::{folder, layout};
    use spreadwire_market::clock::{MILLI, SECOND};
    use spreadwire_market::record::{
        Gap, Kind, Record, Recording, RecordingState, is_input, numbers_taken,
    };
    use std::fs::{self, OpenOptions};
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    const RESERVE: u64 = 1000;

    /// A journal with everything around it on one thread; closed segments are taken away at once,
    /// as a sealer would.
    struct Rig {
        lake: tempfile::TempDir,
        counters: Counters,
        inputs: HoldSender,
        spreads: CountSender,
        states: Receiver,
        free: Arc<AtomicU64>,
        journal: Journal,
        syncer: Syncer,
        closed: crossbeam::channel::Receiver<ClosedSegment>,
        stored: Vec<(u64, Record)>,
        now: Nanos,
        /// The syncer's clock.
        clock: Clock,
    }

    impl Rig {
        fn new(settings: Settings) -> Rig {
            let lake = tempfile::tempdir().unwrap();
            let counters = Counters::default();
            let (sender, inputs) = ring::hold(256, EdgeCounters::default());
            let (spreads, receiver) = ring::count(8, EdgeCounters::default());
            let (state, states) = ring::count(4096, EdgeCounters::default());
            let (sealer, closed) = crossbeam::channel::bounded(4096);
            let (requests, syncer) =
                syncer::pair(&lake.path().join(layout::JOURNAL), false, sealer);
            let free = Arc::new(AtomicU64::new(u64::MAX));
            let probe = Arc::clone(&free);
            let probe = FreeSpace::new(move |_| Ok(probe.load(Ordering::Relaxed)));
            let disk = Disk { lake: lake.path(), free: probe, syncer: requests };
            let annexes = vec![Annex { receiver, cause: GapCause::Spreads }];
            let edges = Edges { inputs, annexes, states: state };
            let origin = Origin { run: RunId::new("run").unwrap(), catalogue: 0 };
            let clock = Clock::manual(0);
            let syncer = syncer.timed_by(clock.clone());
            let journal = Journal::new(edges, disk, origin, settings, Clock::manual(0), &counters);
            let (inputs, stored, now) = (sender, Vec::new(), 0);
            Rig {
                lake,
                counters,
                inputs,
                spreads,
                states,
                free,
                journal,
                syncer,
                closed,
                stored,
                now,
                clock,
            }
        }

        fn folder(&self) -> PathBuf {
            self.lake.path().join(layout::JOURNAL)
        }

        fn cycle(&mut self) -> usize {
            self.journal.do_work(self.now)
        }

        /// The syncer and, behind it, the sealer.
        fn follow(&mut self) {
            self.clock.set(self.now);
            self.syncer.handle_queued();
            for segment in self.closed.try_iter() {
                let before = self.stored.len();
                for block in SegmentReader::open(&segment.path).unwrap() {
                    let block = block.unwrap();
                    self.stored.extend(block.numbered().map(|(number, record)| (number, *record)));
                }
                assert_eq!(segment.records, (self.stored.len() - before) as u64);
                fs::remove_file(segment.path).unwrap();
            }
        }

        /// Lets the next write find the disk full.
        fn fill(&mut self) {
            let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
            self.journal.store.replace_file(full);
        }

        fn vanish(&self) {
            let folder = self.folder();
            if folder.is_dir() {
                fs::remove_dir_all(folder).unwrap();
            }
        }

        fn counts<const N: usize>(&self, names: [&str; N]) -> [u64; N] {
            names.map(|name| self.counters.expect(&format!("journal.{name}")))
        }

        fn told(&mut self) -> Vec<RecordingState> {
            let mut told = Vec::new();
            self.states.drain(|record| {
                told.push(RecordingState::of_code(record.view::<Recording>().state).unwrap());
            });
            told
        }

        fn failures(&mut self) -> Vec<String> {
            let mut report = Report::default();
            self.journal.report(&mut report);
            report.failures
        }
    }

    fn settings() -> Settings {
        let (block_records_max, segment_rows) = (2, 1_000);
        Settings { block_records_max, segment_rows, disk_reserve: RESERVE, ..Settings::default() }
    }

    #[test]
    fn in_haste_what_waits_in_the_block_and_the_edges_is_written() {
        let mut rig = Rig::new(Settings { block_records_max: 100, ..settings() });
        (1..=2).for_each(|ts| rig.inputs.send(quote(ts)));
        rig.cycle();
        (3..=5).for_each(|ts| rig.inputs.send(quote(ts)));
        rig.spreads.offer(spread(5));
        assert_eq!(rig.counts(["quotes"]), [0], "nothing is due");
        rig.journal.hurry();
        assert_eq!(rig.counts(["quotes", "spreads"]), [5, 1]);
        let file = fs::read_dir(rig.folder()).unwrap().next().unwrap().unwrap().path();
        let blocks = SegmentReader::open(&file).unwrap().map(Result::unwrap);
        assert_eq!(blocks.map(|block| block.records.len()).sum::<usize>(), 6);
    }

    #[test]
    fn a_full_disk_keeps_the_blocks_before_and_goes_on_with_a_gap() {
        let mut rig = Rig::new(settings());
        (1..=2).for_each(|ts| rig.inputs.send(quote(ts)));
        rig.cycle();
        rig.fill();
        (3..=7).for_each(|ts| rig.inputs.send(quote(ts)));
        rig.inputs.send(Gap::new(8, 4).into());
        assert_eq!(rig.cycle(), 6, "it goes on draining");
        assert_eq!(rig.told(), [RecordingState::DiskFull]);
        rig.now = SECOND - 1;
        rig.inputs.send(quote(12));
        rig.cycle();
        assert_eq!(rig.counts(["quotes", "lost", "missed", "segments"]), [2, 6, 4, 1]);
        rig.now = SECOND;
        rig.cycle();
        assert_eq!(rig.told(), [RecordingState::On]);
        rig.inputs.send(quote(13));
        rig.cycle();
        rig.journal.on_close();
        rig.follow();
        let gap = Gap::new(3, 10).because(GapCause::Disk);
        let wanted = [(0, quote(1)), (1, quote(2)), (2, gap.into()), (12, quote(13))];
        assert_eq!(rig.stored, wanted);
        assert_eq!(rig.failures(), Vec::<String>::new());
    }

    #[test]
    fn a_segment_of_the_same_name_is_never_written_over() {
        for name in ["run-000000.seg", "run-000000.seg.open"] {
            let mut rig = Rig::new(settings());
            folder::create(&rig.folder()).unwrap();
            fs::write(rig.folder().join(name), "somebody's").unwrap();
            rig.inputs.send(quote(1));
            rig.cycle();
            assert_eq!(rig.told(), [RecordingState::Refused]);
            rig.now = SECOND;
            rig.cycle();
            rig.journal.on_close();
            rig.follow();
            assert_eq!(rig.counts(["quotes", "lost", "segments"]), [0, 1, 1]);
            let gap = Gap::new(1, 1).because(GapCause::Disk);
            assert_eq!(rig.stored, [(0, gap.into())], "under the next number");
            assert_eq!(fs::read(rig.folder().join(name)).unwrap(), b"somebody's");
        }
    }

    #[test]
    fn a_segment_that_cannot_be_renamed_is_tried_again_and_reported_at_the_end() {
        let mut rig = Rig::new(Settings { segment_rows: 2, ..settings() });
        (1..=2).for_each(|ts| rig.inputs.send(quote(ts)));
        rig.cycle();
        // A folder of the closed name, with something in it.
        let closed = rig.folder().join("run-000000.seg");
        folder::create(&closed.join("in the way")).unwrap();
        rig.follow();
        rig.cycle();
        assert_eq!(rig.told(), [RecordingState::Refused]);
        rig.now = SECOND;
        rig.inputs.send(quote(3));
        rig.cycle();
        rig.journal.on_close();
        rig.follow();
        assert_eq!(rig.counts(["quotes", "lost"]), [2, 1]);
        let gap = Gap::new(3, 1).because(GapCause::Disk);
        assert_eq!(rig.stored, [(2, gap.into())]);
        let open = rig.folder().join("run-000000.seg.open");
        assert_eq!(SegmentReader::open(&open).unwrap().count(), 1, "it is found at the next start");
        let failures = rig.syncer.finish();
        let told = "the journal could not close a segment (segment 0): ";
        assert!(failures.len() == 1 && failures[0].starts_with(told), "{failures:?}");
    }

    #[derive(Clone, Debug)]
    enum Step {
        Quotes(u64),
        Gap(u64),
        Spreads(u64),
        Cycle,
        Pass(Nanos),
        Follow,
        Fill,
        Vanish,
        Bar,
        Unbar,
        Low,
        Room,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (1..9_u64).prop_map(Step::Quotes),
            1 => (1..5_u64).prop_map(Step::Gap),
            2 => (1..12_u64).prop_map(Step::Spreads),
            4 => Just(Step::Cycle),
            3 => prop_oneof![Just(6 * MILLI), Just(150 * MILLI), Just(SECOND)].prop_map(Step::Pass),
            3 => Just(Step::Follow),
            1 => Just(Step::Fill),
            1 => Just(Step::Vanish),
            1 => Just(Step::Bar),
            1 => Just(Step::Unbar),
            1 => Just(Step::Low),
            1 => Just(Step::Room),
        ]
    }

    /// What went in.
    #[derive(Default)]
    struct Sent {
        inputs: Vec<Record>,
        numbers: u64,
        spreads: u64,
    }

    impl Rig {
        fn take(&mut self, step: &Step, sent: &mut Sent) {
            match step {
                Step::Quotes(count) => (0..*count).for_each(|_| self.input(quote(0), sent)),
                Step::Gap(missed) => self.input(Gap::new(0, *missed).into(), sent),
                Step::Spreads(count) => (0..*count).for_each(|_| {
                    self.spreads.offer(spread(self.now));
                    sent.spreads += 1;
                }),
                Step::Cycle => drop(self.cycle()),
                Step::Pass(time) => self.now += time,
                Step::Follow => self.follow(),
                Step::Fill => self.fill(),
                Step::Vanish => self.vanish(),
                Step::Bar => {
                    self.vanish();
                    fs::write(self.folder(), "in the way").unwrap();
                }
                Step::Unbar => self.unbar(),
                Step::Low => self.free.store(RESERVE - 1, Ordering::Relaxed),
                Step::Room => self.free.store(RESERVE + STEP_BYTES, Ordering::Relaxed),
            }
        }

        fn input(&mut self, record: Record, sent: &mut Sent) {
            if !self.inputs.room(1) {
                self.cycle();
            }
            // Each quote can be told from all others.
            let ts_recv = sent.numbers + 1;
            let record = match record.kind() {
                Some(Kind::Gap) => record,
                _ => quote(ts_recv),
            };
            sent.numbers += numbers_taken(&record);
            sent.inputs.push(record);
            self.inputs.send(record);
        }

        fn unbar(&self) {
            if self.folder().is_file() {
                fs::remove_file(self.folder()).unwrap();
            }
        }

        /// Everything is well again, and the run ends.
        fn end(&mut self) {
            self.unbar();
            self.free.store(u64::MAX, Ordering::Relaxed);
            // The longest way back: a sync that waits for the one before it, fails, is heard of, and
            // only then the second until recording is tried again.
            for _ in 0..6 {
                self.now += SECOND;
                self.cycle();
                self.follow();
            }
            self.spreads.settle();
            self.cycle();
            self.journal.on_close();
            self.follow();
        }
    }

    /// Number of cases: few, because each waits for the disk many times, unless the environment asks
    /// for more.
    fn cases() -> u32 {
        let asked = std::env::var_os("PROPTEST_CASES").is_some();
        if asked { ProptestConfig::default().cases } else { 48 }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_number_is_a_record_or_in_a_gap_whatever_the_disk_does(
            steps in proptest::collection::vec(step(), 1..80),
            segment_rows in 1..30_u64,
        ) {
            let mut rig = Rig::new(Settings { segment_rows, ..settings() });
            let mut sent = Sent::default();
            for step in &steps {
                rig.take(step, &mut sent);
            }
            rig.end();
            let (mut next, mut quotes, mut missing, mut spreads) = (0, 0, 0, 0);
            for (number, record) in &rig.stored {
                prop_assert_eq!(*number, next, "a hole or an overlap before {:?}", record);
                next += numbers_taken(record);
                match record.kind() {
                    Some(Kind::Quote) => {
                        prop_assert_eq!(record.ts_recv(), number + 1, "another quote's number");
                        quotes += 1;
                    }
                    Some(Kind::Spread) => spreads += 1,
                    _ => {
                        let gap: &Gap = record.view();
                        match gap.cause() {
                            Some(GapCause::Spreads) => spreads += gap.missed,
                            _ => missing += gap.missed,
                        }
                    }
                }
            }
            prop_assert_eq!(next, sent.numbers);
            prop_assert_eq!(spreads, sent.spreads);
            let [lost, missed, recording] = rig.counts(["lost", "missed", "recording"]);
            let inputs = sent.inputs.iter().filter(|record| is_input(record)).count() as u64;
            prop_assert_eq!((quotes + lost, missing, recording), (inputs, lost + missed, 1));
            let told = rig.told();
            prop_assert!(told.windows(2).all(|pair| pair[0] != pair[1]), "{:?}", told);
            prop_assert!(told.last().is_none_or(|state| *state == RecordingState::On));
            prop_assert_eq!(rig.failures(), Vec::<String>::new());
        }
    }
}
