//! A journal with the ring before it and the syncer behind it, on one thread, with a clock and a
//! disk that the test sets by hand.

use crate::lake::records::{MIDNIGHT, catalogue, origin};
use crate::lake::rows::files_under;
use crossbeam::channel;
use spreadwire_engine::journal::syncer::{self, Syncer};
use spreadwire_engine::journal::{Annex, Disk, Edges, Journal, Settings};
use spreadwire_engine::runtime::agent::{Agent, Report};
use spreadwire_engine::runtime::ring::{self, CountSender, EdgeCounters, HoldSender, Receiver};
use spreadwire_lake::disk::FreeSpace;
use spreadwire_lake::ledger::{self, Book};
use spreadwire_lake::seal::Sealer;
use spreadwire_lake::segment::{ClosedSegment, SegmentReader};
use spreadwire_market::clock::{Clock, Nanos};
use spreadwire_market::counters::Counters;
use spreadwire_market::record::{GapCause, Record, Recording, RecordingState};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub const RING: usize = 4096;
pub const ANNEX_RING: usize = 256;

/// Settings under which only full blocks are written and nothing else happens by itself.
pub fn patient() -> Settings {
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
pub struct Rig {
    pub home: tempfile::TempDir,
    pub clock: Clock,
    pub counters: Counters,
    pub sender: HoldSender,
    pub spreads: CountSender,
    pub opportunities: CountSender,
    pub journal: Journal,
    pub syncer: Syncer,
    pub states: Receiver,
    /// Free bytes that the disk reports.
    pub free: Arc<AtomicU64>,
    pub closed: channel::Receiver<ClosedSegment>,
}

impl Rig {
    pub fn new(settings: Settings) -> Rig {
        Rig::with_channel(settings, 1000)
    }

    pub fn with_channel(settings: Settings, capacity: usize) -> Rig {
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
        let folder = lake.join(spreadwire_lake::layout::JOURNAL);
        let (requests, syncer) = syncer::pair(&folder, 0 < settings.sync_interval, sealer);
        let syncer = syncer.timed_by(clock.clone());
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

    pub fn lake(&self) -> PathBuf {
        self.home.path().join("lake")
    }

    pub fn cycle(&mut self, now: Nanos) -> usize {
        self.clock.set(now);
        let done = self.journal.do_work(now);
        self.syncer.handle_queued();
        done
    }

    /// Returns the changes of state since the last call, with the inputs lost until then.
    pub fn told(&mut self) -> Vec<(RecordingState, u64)> {
        let mut told = Vec::new();
        self.states.drain(|record| {
            let recording: &Recording = record.view();
            told.push((RecordingState::of_code(recording.state).unwrap(), recording.lost));
        });
        told
    }

    pub fn pass(&mut self, records: &[Record], now: Nanos) {
        for chunk in records.chunks(RING) {
            chunk.iter().for_each(|record| self.sender.send(*record));
            self.cycle(now);
        }
    }

    /// Returns the ledger of the run, as a later process finds it.
    pub fn book(&self) -> Book {
        Book::resume(&self.lake(), origin().run, ledger::VERSION)
    }

    pub fn count(&self, name: &str) -> u64 {
        self.counters.expect(name)
    }

    pub fn failures(&mut self) -> Vec<String> {
        let mut report = Report::default();
        self.journal.report(&mut report);
        report.failures
    }

    pub fn close(&mut self) {
        self.journal.on_close();
        self.syncer.handle_queued();
    }

    /// Returns every record in the journal's folder with its number, in file order.
    pub fn stored(&self) -> Vec<(u64, Record)> {
        let folder = self.lake().join(spreadwire_lake::layout::JOURNAL);
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
    pub fn seal(&mut self) -> Vec<String> {
        self.close();
        let (sender, closed) = channel::unbounded();
        self.closed.try_iter().for_each(|segment| sender.send(segment).unwrap());
        drop(sender);
        let sealer = Sealer::new(self.book(), catalogue(), &self.counters);
        sealer.timed_by(self.clock.clone()).run(&closed)
    }
}
