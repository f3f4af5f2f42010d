//! When the journal writes, when it ends a segment, and how it numbers records.

use bytemuck::Zeroable;
use crossbeam::channel;
use spreadwire_engine::journal::syncer;
use spreadwire_engine::journal::{Disk, Edges, Journal, Settings};
use spreadwire_engine::runtime::agent::{Agent, Report};
use spreadwire_engine::runtime::ring::{self, EdgeCounters};
use spreadwire_kit::counting_allocator::counted;
use spreadwire_kit::quotes::quote;
use spreadwire_kit::records::spread;
use spreadwire_lake::disk::FreeSpace;
use spreadwire_lake::seal::seal_segment;
use spreadwire_lake::segment::SegmentReader;
use spreadwire_market::clock::{Clock, MILLI, SECOND};
use spreadwire_market::counters::Counters;
use spreadwire_market::record::{Closed, Gap, GapCause, Opened, Record};
use spreadwire_rigs::lake::records::{MIDNIGHT, catalogue, origin, quotes};
use spreadwire_rigs::lake::rig::{ANNEX_RING, Rig, patient};
use spreadwire_rigs::lake::rows::{files_under, rows_of_file};
use std::fs;
use std::sync::atomic::Ordering;

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
fn records_that_follow_do_not_put_off_the_first_ones_write() {
    let mut rig = Rig::new(Settings { flush_interval: 5 * MILLI, ..patient() });
    for after in 0..5 {
        rig.pass(&quotes(1), MIDNIGHT + after * MILLI);
        assert_eq!(rig.count("journal.records"), 0, "after {after} ms");
    }
    rig.cycle(MIDNIGHT + 5 * MILLI);
    assert_eq!(rig.count("journal.records"), 5);
}

#[test]
fn what_is_in_the_edges_and_in_the_block_at_the_end_is_in_the_last_segment() {
    let mut rig = Rig::new(patient());
    rig.pass(&quotes(3), MIDNIGHT);
    quotes(3).into_iter().for_each(|record| rig.sender.send(record));
    rig.spreads.offer(spread(MIDNIGHT));
    rig.close();
    assert_eq!(["journal.quotes", "journal.spreads"].map(|name| rig.count(name)), [6, 1]);
    assert_eq!((rig.stored().len(), rig.closed.len()), (7, 1));
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
        syncer::pair(&lake.join(spreadwire_lake::layout::JOURNAL), true, sealer);
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
    let sealed = seal_segment(&closed.recv().unwrap().path, &rig.book(), &catalogue()).unwrap();
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
    rig.cycle(MIDNIGHT);
    assert_eq!(rig.count("journal.waiting"), 1, "they are offered as soon as there is room");
    rig.journal.on_close();
    assert_eq!(rig.count("journal.waiting"), 1);
    assert!(rig.failures()[0].starts_with("1 finished segments found no room at the syncer"));
    let names = files_under(&rig.lake().join(spreadwire_lake::layout::JOURNAL));
    assert_eq!(names.len(), 69, "nothing is gone");
    assert_eq!(names.iter().filter(|name| name.ends_with(".open")).count(), 65);
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
    let sealed = seal_segment(&segment.path, &rig.book(), &catalogue()).unwrap();
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
