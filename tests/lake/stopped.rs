//! Recording stops when the disk cannot take more, goes on when it can, and marks the hole.

use spreadwire_engine::journal::Settings;
use spreadwire_engine::runtime::agent::Agent;
use spreadwire_kit::quotes::quote;
use spreadwire_kit::records::status;
use spreadwire_lake::disk::STEP_BYTES;
use spreadwire_market::clock::{MILLI, Nanos, SECOND};
use spreadwire_market::record::{Gap, GapCause, RecordingState};
use spreadwire_rigs::lake::records::{MIDNIGHT, quotes};
use spreadwire_rigs::lake::rig::{RING, Rig, patient};
use spreadwire_rigs::lake::rows::{files_under, rows_of_lake};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

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

fn journal(rig: &Rig) -> PathBuf {
    rig.lake().join(spreadwire_lake::layout::JOURNAL)
}

#[test]
fn a_lake_that_is_moved_stops_recording_until_it_is_put_back_and_nothing_written_is_lost() {
    let mut rig = Rig::new(patient());
    rig.pass(&quotes(20), MIDNIGHT);
    let aside = rig.home.path().join("aside");
    fs::rename(rig.lake(), &aside).unwrap();
    rig.cycle(MIDNIGHT + 100 * MILLI);
    // What was in memory is lost: the file that it belongs to is no longer in the lake.
    assert_eq!(rig.told(), [(RecordingState::Displaced, 6)]);
    rig.pass(&quotes(3), MIDNIGHT + SECOND);
    rig.cycle(MIDNIGHT + 2 * SECOND);
    assert!(!rig.lake().exists(), "no second lake is begun");
    fs::rename(&aside, rig.lake()).unwrap();
    rig.cycle(MIDNIGHT + 3 * SECOND + 100 * MILLI);
    rig.pass(&quotes(2), MIDNIGHT + 4 * SECOND);
    rig.close();
    assert_eq!(rig.told(), [(RecordingState::On, 9)]);
    let numbers: Vec<u64> = rig.stored().iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (0..14).chain([14, 23, 24]).collect::<Vec<_>>());
    let gap = Gap::new(MIDNIGHT + 14, 9).because(GapCause::Disk);
    assert_eq!(rig.stored()[14].1, gap.into());
}

#[test]
fn a_folder_that_cannot_be_seen_for_a_while_costs_no_record_that_was_written() {
    let mut rig = Rig::new(Settings { segment_rows: 14, ..patient() });
    rig.pass(&quotes(7), MIDNIGHT);
    let (folder, aside) = (journal(&rig), rig.home.path().join("aside"));
    fs::rename(&folder, &aside).unwrap();
    // Also root may not look into a loop of links.
    std::os::unix::fs::symlink("journal", &folder).unwrap();
    for at in 1..30 {
        rig.cycle(MIDNIGHT + at * 100 * MILLI);
    }
    assert_eq!(rig.told(), [], "the open file takes every write");
    // The segment is full; it can neither be closed nor followed by another.
    rig.pass(&quotes(10), MIDNIGHT + 3 * SECOND);
    assert_eq!(rig.told(), [(RecordingState::Refused, 0)]);
    fs::remove_file(&folder).unwrap();
    fs::rename(&aside, &folder).unwrap();
    rig.cycle(MIDNIGHT + 5 * SECOND);
    rig.pass(&quotes(1), MIDNIGHT + 6 * SECOND);
    rig.close();
    assert_eq!(rig.told(), [(RecordingState::On, 3)]);
    let numbers: Vec<u64> = rig.stored().iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (0..14).chain([14, 17]).collect::<Vec<_>>());
    assert_eq!((rig.count("journal.lost"), rig.closed.len()), (3, 2), "both are closed");
}

#[test]
fn a_new_segment_near_the_reserve_does_not_stop_recording() {
    let mut rig = Rig::new(Settings { disk_reserve: 1000, segment_rows: 7, ..patient() });
    let near = 1000 + (1 << 20);
    rig.free.store(near, Ordering::Relaxed);
    for at in 0..9 {
        // The syncer has not given back the room of the last segment when the next one begins.
        quotes(7).into_iter().for_each(|record| rig.sender.send(record));
        rig.journal.do_work(MIDNIGHT + at * 100 * MILLI);
    }
    assert_eq!((rig.told(), rig.count("journal.lost")), (vec![], 0));
    rig.syncer.handle_queued();
    rig.close();
    assert_eq!(rig.stored().len(), 63);
}

#[test]
fn a_journal_folder_that_vanishes_is_a_counted_loss() {
    let mut rig = Rig::new(patient());
    rig.pass(&quotes(20), MIDNIGHT);
    fs::remove_dir_all(journal(&rig)).unwrap();
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
    fs::remove_dir_all(journal(&rig)).unwrap();
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
    fs::remove_dir_all(journal(&rig)).unwrap();
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
        (rig.lake().join(spreadwire_lake::layout::JOURNAL), rig.lake().join("aside"));
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
