//! Whether the journal records, and what it has lost: a state machine without a file or a clock.
//!
//! The journal is recording, or it has stopped for a reason and tries again at a time. While it is
//! stopped every record is counted as lost. When recording resumes, the machine says what the gaps
//! at the head of the new segment stand for. Errors, times and the contents of lost segments are
//! handed in.

use crate::runtime::descriptors;
use bytemuck::Zeroable;
use spreadwire_lake::segment::{Annexed, Contents};
use spreadwire_market::clock::{Nanos, SECOND};
use spreadwire_market::record::{Record, Recording, RecordingState, is_input};
use std::io::{self, ErrorKind};

/// How long recording stays stopped before it is tried again.
pub(super) const RETRY_INTERVAL: Nanos = SECOND;

/// The state of recording and the account of losses.
#[derive(Debug, Default)]
pub(super) struct Machine {
    stopped: Option<Stopped>,
    /// Number of inputs that are in no file, over the whole run.
    lost: u64,
    /// What the next gaps stand for, beside the numbers that the journal's block has skipped.
    owed: Owed,
    /// Segments that vanished after they were finished and before they were closed.
    vanished: Vec<Contents>,
}

/// Why nothing is recorded.
#[derive(Debug)]
struct Stopped {
    state: RecordingState,
    why: String,
    retry_at: Nanos,
}

/// Losses that no gap stands for yet.
#[derive(Clone, Copy, Debug, Default)]
struct Owed {
    /// Time of the first record lost.
    since: Option<Nanos>,
    annexed: Annexed,
}

/// What the gaps at the head of a new segment stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Losses {
    /// First number that is in no file.
    pub(super) first_sequence: u64,
    /// Time of the first record lost.
    pub(super) since: Nanos,
    /// Lost records that take no numbers.
    pub(super) annexed: Annexed,
}

impl Machine {
    /// Returns whether recording has stopped.
    #[inline]
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    /// Returns the number of inputs lost over the whole run.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// Stops recording, or, if it has stopped already, puts the next attempt off. Returns whether
    /// the state changed.
    pub(super) fn stop(&mut self, now: Nanos, state: RecordingState, why: String) -> bool {
        let before = self.state();
        // A folder that is gone can be made anew at once.
        let at_once = state == RecordingState::Vanished && before == RecordingState::On;
        let pause = if at_once { 0 } else { RETRY_INTERVAL };
        self.stopped = Some(Stopped { state, why, retry_at: now.saturating_add(pause) });
        state != before
    }

    /// Returns whether recording is to be tried again now. `is_all_known` is whether the syncer has
    /// told what became of every finished segment; `is_folder_there` looks.
    ///
    /// Where files vanish, finished segments may have vanished too. Recording then waits until that
    /// is known, so that the gap stands for all of them.
    pub(super) fn is_retry_due(
        &self,
        now: Nanos,
        is_all_known: bool,
        is_folder_there: impl FnOnce() -> bool,
    ) -> bool {
        let Some(Stopped { state, retry_at, .. }) = &self.stopped else { return false };
        let vanishing = || *state == RecordingState::Vanished || !is_folder_there();
        *retry_at <= now && (is_all_known || !vanishing())
    }

    /// Goes on recording. `first_sequence` is the first number that the journal's block has skipped.
    /// Returns what the new segment's gaps stand for.
    pub(super) fn resume(&mut self, now: Nanos, first_sequence: u64) -> Losses {
        self.stopped = None;
        let mut first_sequence = first_sequence;
        while let Some(contents) = self.vanished.pop() {
            // Segments that vanished right before the skipped numbers belong to the same hole. Others
            // leave a hole of their own between the segments around them.
            if contents.next_sequence == first_sequence {
                first_sequence = self.owe(&contents).unwrap_or(first_sequence).min(first_sequence);
            }
        }
        let Owed { since, annexed } = std::mem::take(&mut self.owed);
        Losses { first_sequence, since: since.unwrap_or(now), annexed }
    }

    /// Counts a record that is stored nowhere. The inputs that a gap stands for are counted already.
    #[cold]
    pub(super) fn lose(&mut self, record: &Record) {
        self.owed.annexed.add(record);
        self.lost += u64::from(is_input(record));
        self.owed.since.get_or_insert(record.ts_recv());
    }

    /// Counts the contents of the open segment, which vanished with the records before the skipped
    /// numbers. Returns the first number that is in no file now, if the segment held any records.
    pub(super) fn lose_open(&mut self, contents: &Contents) -> Option<u64> {
        self.lost += contents.inputs;
        self.owe(contents)
    }

    /// Counts the contents of a finished segment that vanished before it was closed.
    pub(super) fn lose_finished(&mut self, contents: Contents) {
        self.lost += contents.inputs;
        self.vanished.push(contents);
    }

    /// Has the next gaps stand for these contents too.
    fn owe(&mut self, contents: &Contents) -> Option<u64> {
        self.owed.annexed.merge(contents.annexed);
        (0 < contents.records).then(|| {
            self.owed.since = Some(contents.since);
            contents.first_sequence
        })
    }

    /// Returns whether there are losses that no gap stands for, beside skipped numbers.
    pub(super) fn owes(&self) -> bool {
        self.owed.since.is_some()
    }

    pub(super) fn state(&self) -> RecordingState {
        self.stopped.as_ref().map_or(RecordingState::On, |stopped| stopped.state)
    }

    /// Returns the record that tells the state.
    pub(super) fn told(&self, now: Nanos) -> Recording {
        let (lost, state) = (self.lost, self.state().code());
        Recording { ts_recv: now, lost, state, ..Recording::zeroed() }
    }

    /// Returns what went wrong and was not mended, as sentences.
    pub(super) fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        if let Some(Stopped { state, why, .. }) = &self.stopped {
            let (lost, state) = (self.lost, state.name());
            failures.push(format!(
                "recording stopped ({state}) and {lost} inputs are not recorded: {why}"
            ));
        }
        failures
    }
}

/// The lake at its path is not the one that the run began in, or is not ours.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Displaced(pub(super) String);

impl From<Displaced> for io::Error {
    fn from(displaced: Displaced) -> io::Error {
        io::Error::other(displaced)
    }
}

/// Returns the state that a failure leads to.
pub(super) fn state_of(error: &io::Error) -> RecordingState {
    let kind = error.kind();
    if error.get_ref().is_some_and(|inner| inner.is::<Displaced>()) {
        RecordingState::Displaced
    } else if descriptors::is_exhausted(error) {
        RecordingState::NoDescriptor
    } else if matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
        RecordingState::DiskFull
    } else if kind == ErrorKind::NotFound {
        RecordingState::Vanished
    } else {
        RecordingState::Refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RecordingState::{DiskFull, On, Refused, Vanished};
    use spreadwire_kit::records::{quote, spread};
    use spreadwire_market::record::{Gap, GapCause};

    /// A segment of quotes that holds these numbers, one a ns since 1000, and so many spreads.
    fn contents(first_sequence: u64, next_sequence: u64, spreads: u64) -> Contents {
        let inputs = next_sequence - first_sequence;
        let annexed = Annexed { spreads, opportunities: 0 };
        let (records, since) = (inputs + spreads, 1_000 + first_sequence);
        Contents { records, inputs, first_sequence, next_sequence, since, annexed }
    }

    fn stopped(state: RecordingState) -> Machine {
        let mut machine = Machine::default();
        machine.stop(0, state, "why".to_owned());
        machine
    }

    #[test]
    fn failures_are_told_apart() {
        let state = |code| state_of(&io::Error::from_raw_os_error(code));
        let codes = [28, 122, 2, 30, 13, 5].map(state);
        // ENOSPC, EDQUOT, ENOENT, EROFS, EACCES, EIO.
        assert_eq!(codes, [DiskFull, DiskFull, Vanished, Refused, Refused, Refused]);
        // EMFILE, ENFILE.
        assert_eq!([24, 23].map(state), [RecordingState::NoDescriptor; 2]);
        let moved = io::Error::from(Displaced("moved".to_owned()));
        assert_eq!(state_of(&moved), RecordingState::Displaced);
    }

    #[test]
    fn a_stop_is_told_when_the_state_changes_and_tried_again_after_its_pause() {
        // States in a row, at 0, 10, 20 ... s: whether it is told, and how long it waits.
        let table: [&[(RecordingState, bool, Nanos)]; 4] = [
            &[(DiskFull, true, SECOND), (DiskFull, false, SECOND), (Refused, true, SECOND)],
            // A folder that is gone is made anew at once, but only the first time.
            &[(Vanished, true, 0), (Vanished, false, SECOND)],
            &[(Refused, true, SECOND), (Vanished, true, SECOND)],
            &[(Vanished, true, 0), (DiskFull, true, SECOND)],
        ];
        for row in table {
            let mut machine = Machine::default();
            assert!(!machine.is_stopped() && machine.told(1).state == On.code());
            for ((state, told, pause), at) in row.iter().zip((0..).map(|n| n * 10 * SECOND)) {
                assert_eq!(machine.stop(at, *state, String::new()), *told, "{state} in {row:?}");
                assert!(machine.is_stopped() && machine.told(1).state == state.code());
                let due = |now| machine.is_retry_due(now, true, || true);
                assert!(due(at + pause), "{state} in {row:?}");
                assert!(*pause == 0 || !due(at + pause - 1), "{state} in {row:?}");
            }
            machine.resume(SECOND, 0);
            assert!(!machine.is_stopped() && machine.told(1).state == On.code());
            assert!(!machine.is_retry_due(Nanos::MAX, true, || true), "nothing to try");
        }
    }

    #[test]
    fn recording_waits_for_news_of_finished_segments_where_files_vanish() {
        for (state, is_all_known, is_folder_there, due) in [
            (DiskFull, true, true, true),
            (DiskFull, true, false, true),
            (DiskFull, false, true, true),
            (DiskFull, false, false, false),
            (Vanished, true, true, true),
            (Vanished, true, false, true),
            (Vanished, false, true, false),
            (Vanished, false, false, false),
        ] {
            let machine = stopped(state);
            let case = (state, is_all_known, is_folder_there);
            assert_eq!(
                machine.is_retry_due(SECOND, is_all_known, || is_folder_there),
                due,
                "{case:?}"
            );
        }
    }

    #[test]
    fn records_that_are_stored_nowhere_are_counted_by_what_they_stand_for() {
        let mut machine = stopped(DiskFull);
        assert!(!machine.owes());
        for record in [quote(7), quote(8), spread(9), Gap::new(10, 40).into()] {
            machine.lose(&record);
        }
        machine.lose(&Gap::new(11, 3).because(GapCause::Spreads).into());
        machine.lose(&Gap::new(12, 5).because(GapCause::Opportunities).into());
        assert!(machine.owes());
        // The numbers of a gap are skipped by the block; its inputs were counted as missed.
        assert_eq!((machine.lost(), machine.told(20).lost, machine.told(20).ts_recv), (2, 2, 20));
        let annexed = Annexed { spreads: 4, opportunities: 5 };
        assert_eq!(machine.resume(30, 2), Losses { first_sequence: 2, since: 7, annexed });
        assert!(!machine.owes());
        assert_eq!(machine.lost(), 2, "over the whole run");
        let nothing = Losses { first_sequence: 50, since: 60, annexed: Annexed::default() };
        assert_eq!(machine.resume(60, 50), nothing, "it was told once");
    }

    #[test]
    fn an_open_segment_that_vanished_is_part_of_the_gap() {
        let mut machine = Machine::default();
        machine.lose(&quote(1_020));
        machine.stop(0, Vanished, String::new());
        assert_eq!(machine.lose_open(&contents(10, 20, 2)), Some(10));
        assert_eq!(machine.lost(), 11);
        let annexed = Annexed { spreads: 2, opportunities: 0 };
        assert_eq!(machine.resume(9_999, 10), Losses { first_sequence: 10, since: 1_010, annexed });
        assert_eq!(machine.lose_open(&Contents::default()), None, "nothing was written to it");
        assert!(!machine.owes());
    }

    #[test]
    fn finished_segments_that_vanished_are_part_of_the_gap_if_they_touch_it() {
        // Segments as they vanished, and the first number and the time that the gap begins with. The
        // block has skipped the numbers from 30 on.
        type Case = (&'static [(u64, u64)], u64, Nanos);
        let table: [Case; 4] = [
            (&[(20, 30)], 20, 1_020),
            (&[(10, 20), (20, 30)], 10, 1_010),
            // The segment from 20 on is on the disk.
            (&[(10, 20)], 30, 5_000),
            (&[(0, 10), (20, 30)], 20, 1_020),
        ];
        for (segments, first_sequence, since) in table {
            let mut machine = stopped(Vanished);
            for (first, next) in segments {
                machine.lose_finished(contents(*first, *next, 1));
            }
            assert_eq!(machine.lost(), 10 * segments.len() as u64);
            let losses = machine.resume(5_000, 30);
            assert_eq!((losses.first_sequence, losses.since), (first_sequence, since));
            assert_eq!(losses.annexed.spreads, (30 - first_sequence) / 10, "{segments:?}");
        }
    }

    #[test]
    fn what_was_not_mended_is_told_in_sentences() {
        let mut machine = Machine::default();
        assert_eq!(machine.failures(), Vec::<String>::new());
        machine.stop(0, Refused, "the disk said no".to_owned());
        machine.lose(&quote(1));
        let stopped = "recording stopped (refused) and 1 inputs are not recorded: the disk said no";
        assert_eq!(machine.failures(), [stopped]);
        machine.resume(0, 0);
        assert_eq!(machine.failures(), Vec::<String>::new());
    }
}
