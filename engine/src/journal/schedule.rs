//! When the journal writes, syncs, looks after its file, and begins the next segment.
//!
//! A schedule has no file and no clock: times and sizes are handed in, and it says what is due.

use spreadwire_market::clock::{MILLI, Nanos};

/// How often it is checked that the open segment is still there and that the reserve is free.
const LOOK_INTERVAL: Nanos = 100 * MILLI;

/// When the journal writes, syncs, stops, and begins the next segment. Times in ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A segment is closed when it holds this many records; bounds the sealer's memory.
    pub segment_rows: u64,
    /// A segment is closed when it is this old.
    pub segment_age: Nanos,
    /// Longest time that a record waits in memory: what `kill -9` can lose.
    pub flush_interval: Nanos,
    /// Longest time between syncs (`fdatasync`): what a power cut can lose. 0 leaves syncing to the
    /// operating system.
    pub sync_interval: Nanos,
    /// Recording stops while fewer bytes are free, so that the sealer still has room; 0 for never.
    pub disk_reserve: u64,
    /// Number of records that a block holds at most; 1 to
    /// [`BLOCK_RECORDS_MAX`](spreadwire_lake::segment::BLOCK_RECORDS_MAX).
    pub block_records_max: usize,
}

/// The journal's timers.
#[derive(Debug)]
pub(super) struct Schedule {
    settings: Settings,
    /// When the block got its first record.
    block_since: Nanos,
    synced_at: Nanos,
    looked_at: Nanos,
}

impl Schedule {
    pub(super) fn new(settings: Settings) -> Schedule {
        Schedule { settings, block_since: 0, synced_at: 0, looked_at: 0 }
    }

    /// Notes that an empty block gets its first record.
    #[inline]
    pub(super) fn begin_block(&mut self, now: Nanos) {
        self.block_since = now;
    }

    /// Returns whether a block that holds records is to be written.
    pub(super) fn is_flush_due(&self, now: Nanos) -> bool {
        self.settings.flush_interval <= now.saturating_sub(self.block_since)
    }

    /// Returns whether a segment of so many records, those of the block included, is full.
    #[inline]
    pub(super) fn is_full(&self, records: u64) -> bool {
        self.settings.segment_rows <= records
    }

    /// Returns whether a segment that was begun then is old enough to be closed.
    pub(super) fn is_old(&self, begun: Nanos, now: Nanos) -> bool {
        self.settings.segment_age <= now.saturating_sub(begun)
    }

    /// Returns whether a sync is due; the next one is then due an interval later.
    pub(super) fn take_sync(&mut self, now: Nanos) -> bool {
        let interval = self.settings.sync_interval;
        0 < interval && is_due(&mut self.synced_at, interval, now)
    }

    /// Returns whether a look at the file and the disk is due; the next one is then due an interval
    /// later.
    pub(super) fn take_look(&mut self, now: Nanos) -> bool {
        is_due(&mut self.looked_at, LOOK_INTERVAL, now)
    }

    /// Returns the bytes that are to stay free on the disk; 0 if it may fill up.
    pub(super) fn disk_reserve(&self) -> u64 {
        self.settings.disk_reserve
    }
}

/// Returns whether `interval` has passed since `last`, and moves `last` to now if it has.
fn is_due(last: &mut Nanos, interval: Nanos, now: Nanos) -> bool {
    let due = interval <= now.saturating_sub(*last);
    if due {
        *last = now;
    }
    due
}

#[cfg(test)]
mod tests {
    use super::*;
    use spreadwire_market::clock::SECOND;

    const SETTINGS: Settings = Settings {
        segment_rows: 10,
        segment_age: 1_000,
        flush_interval: 5,
        sync_interval: 200,
        disk_reserve: 0,
        block_records_max: 1,
    };

    fn schedule() -> Schedule {
        Schedule::new(SETTINGS)
    }

    #[test]
    fn a_block_is_due_when_its_first_record_has_waited_long_enough() {
        let mut schedule = schedule();
        for (begun, now, due) in [
            (100, 100, false),
            (100, 104, false),
            (100, 105, true),
            (105, 109, false),
            (105, 110, true),
            // A clock that stepped back makes nothing due.
            (110, 50, false),
        ] {
            schedule.begin_block(begun);
            assert_eq!(schedule.is_flush_due(now), due, "begun at {begun}, at {now}");
        }
    }

    #[test]
    fn a_segment_ends_by_its_records_or_its_age() {
        let schedule = schedule();
        assert_eq!(
            [0, 9, 10, 11].map(|records| schedule.is_full(records)),
            [false, false, true, true]
        );
        let ages = [(0, 999), (0, 1_000), (500, 1_499), (500, 1_500), (2_000, 1_000)];
        let old = ages.map(|(begun, now)| schedule.is_old(begun, now));
        assert_eq!(old, [false, true, false, true, false]);
    }

    #[test]
    fn syncs_and_looks_come_once_an_interval_counted_from_the_last_one() {
        let due = |take: fn(&mut Schedule, Nanos) -> bool, times: [Nanos; 6]| {
            let mut schedule = schedule();
            times.map(|now| take(&mut schedule, now))
        };
        let wanted = [false, true, false, false, true, false];
        assert_eq!(due(Schedule::take_sync, [199, 250, 250, 449, 450, 451]), wanted);
        let times = [99, 150, 150, 249, 250, 251].map(|millis| millis * MILLI);
        assert_eq!(due(Schedule::take_look, times), wanted);
    }

    #[test]
    fn an_interval_of_zero_leaves_syncing_to_the_operating_system() {
        let mut schedule = Schedule::new(Settings { sync_interval: 0, ..SETTINGS });
        assert!(![0, SECOND, Nanos::MAX].into_iter().any(|now| schedule.take_sync(now)));
    }
}
