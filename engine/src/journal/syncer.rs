//! The work for which the journal would have to wait for the disk: syncing its file, closing its
//! segments.
//!
//! The journal's agent holds [`Requests`], which never block: one sync at a time is under way, and
//! finished segments queue. The [`Syncer`], on a cold thread, forces files to the disk, gives finished
//! segments their closed names and passes them on to the sealer. A segment that cannot be closed is
//! tried again until it can. Once a second the syncer looks whether the lake is still the one that is
//! locked. Failures come back as an [`Answer`]. Tests have no thread and call
//! [`Syncer::handle_queued`].

use crossbeam::channel::{self, Receiver, RecvTimeoutError, Sender, TrySendError};
use spreadwire_lake::folder;
use spreadwire_lake::lock::{LockError, Watch};
use spreadwire_lake::segment::{ClosedSegment, Contents, FinishedSegment};
use spreadwire_market::clock::{Clock, Nanos, SECOND};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Number of requests that may wait. Finished segments beyond that stay with the journal.
const REQUESTS_MAX: usize = 64;
/// Number of answers that may wait: each request has one at most, and the journal takes them in every
/// cycle.
const ANSWERS_MAX: usize = 4 * REQUESTS_MAX;

/// Longest wait for a request: what else is due is done in between.
const TEND_INTERVAL: Duration = Duration::from_millis(100);
/// Interval at which the lake and its lock are looked at.
const LOOK_INTERVAL: Nanos = SECOND;
/// A segment that could not be closed is tried again after this time, ns; then after twice the time,
/// and so on.
const CLOSE_AGAIN_MIN: Nanos = SECOND;
/// The longest of these pauses.
const CLOSE_AGAIN_MAX: Nanos = 30 * SECOND;

#[derive(Debug)]
enum Request {
    Sync { file: Arc<File>, number: u32 },
    Close(FinishedSegment),
}

/// What became of a request, or what the syncer noticed by itself.
#[derive(Debug)]
pub enum Answer {
    /// The file is on the disk.
    Synced,
    /// The file may not be on the disk.
    NotSynced(Trouble),
    /// The segment has its closed name.
    Closed,
    /// The segment has its closed name, and may not be on the disk.
    ClosedUnsynced(Trouble),
    /// The segment keeps its open name for now.
    NotClosed(Trouble),
    /// The segment's file is gone, with its contents.
    Vanished(Trouble, Contents),
    /// The file of a segment that could not be closed is gone now.
    VanishedLate(Trouble, Contents),
    /// The lake at its path is not the one that is locked, for the reason given.
    Displaced(String),
    /// The lake at its path is again the one that is locked.
    InPlace,
}

/// What went wrong.
#[derive(Debug)]
pub struct Trouble {
    /// Number of the segment.
    pub number: u32,
    /// What the syncer tried to do.
    pub doing: &'static str,
    /// The operating system's answer.
    pub error: io::Error,
}

/// The journal's end.
#[derive(Debug)]
pub struct Requests {
    requests: Sender<Request>,
    answers: Receiver<Answer>,
    /// Whether a sync is under way.
    busy: bool,
    /// Segments that are under way: the room allocated ahead that each will give back, bytes.
    closing: VecDeque<u64>,
}

/// The cold end.
#[derive(Debug)]
pub struct Syncer {
    folder: PathBuf,
    /// Whether a segment is forced to the disk before it is closed.
    syncs: bool,
    requests: Receiver<Request>,
    answers: Sender<Answer>,
    /// Answers that the journal did not take any more.
    unheard: Receiver<Answer>,
    sealer: Sender<ClosedSegment>,
    /// Closed segments that wait for room at the sealer.
    closed: VecDeque<ClosedSegment>,
    /// Number of the last segment whose name was forced to the disk.
    named: Option<u32>,
    clock: Clock,
    /// Segments that could not be closed.
    late: Vec<Late>,
    /// The lock of the lake, shared with whoever ends the run.
    watch: Option<Arc<Mutex<Watch>>>,
    looked_at: Nanos,
    displaced: bool,
}

/// A segment that could not be closed.
#[derive(Debug)]
struct Late {
    segment: FinishedSegment,
    why: String,
    /// When it is tried again.
    due: Nanos,
    pause: Nanos,
}

/// Makes both ends, for the segments in `folder`. With `syncs` a segment is forced to the disk before
/// it gets its closed name. Closed segments go to `sealer`.
#[must_use]
pub fn pair(folder: &Path, syncs: bool, sealer: Sender<ClosedSegment>) -> (Requests, Syncer) {
    let (requests, requested) = channel::bounded(REQUESTS_MAX);
    let (answers, answered) = channel::bounded(ANSWERS_MAX);
    let syncer = Syncer {
        folder: folder.to_owned(),
        syncs,
        requests: requested,
        answers,
        unheard: answered.clone(),
        sealer,
        closed: VecDeque::new(),
        named: None,
        clock: Clock::host(),
        late: Vec::new(),
        watch: None,
        looked_at: 0,
        displaced: false,
    };
    let closing = VecDeque::with_capacity(REQUESTS_MAX);
    (Requests { requests, answers: answered, busy: false, closing }, syncer)
}

impl Requests {
    /// Asks for a segment's file to be forced to the disk. Returns whether it could: not while the last
    /// sync is under way.
    pub fn sync(&mut self, file: Arc<File>, number: u32) -> bool {
        let asked = !self.busy && self.requests.try_send(Request::Sync { file, number }).is_ok();
        self.busy |= asked;
        asked
    }

    /// Asks for a segment to be closed.
    ///
    /// # Errors
    /// The segment, if there is no room.
    pub fn close(&mut self, segment: FinishedSegment) -> Result<(), FinishedSegment> {
        let spare = segment.spare();
        match self.requests.try_send(Request::Close(segment)) {
            Ok(()) => {
                self.closing.push_back(spare);
                Ok(())
            }
            Err(
                TrySendError::Full(Request::Close(segment))
                | TrySendError::Disconnected(Request::Close(segment)),
            ) => Err(segment),
            Err(
                TrySendError::Full(Request::Sync { .. })
                | TrySendError::Disconnected(Request::Sync { .. }),
            ) => Ok(()),
        }
    }

    /// Takes the next answer, if there is one.
    pub fn answer(&mut self) -> Option<Answer> {
        let answer = self.answers.try_recv().ok()?;
        match &answer {
            Answer::Synced | Answer::NotSynced(_) => self.busy = false,
            Answer::Closed
            | Answer::ClosedUnsynced(_)
            | Answer::NotClosed(_)
            | Answer::Vanished(..) => drop(self.closing.pop_front()),
            Answer::VanishedLate(..) | Answer::Displaced(_) | Answer::InPlace => {}
        }
        Some(answer)
    }

    /// Returns the number of segments that are to be closed and have no answer yet.
    #[must_use]
    pub fn closing(&self) -> usize {
        self.closing.len()
    }

    /// Returns how much room these segments will give back, bytes.
    #[must_use]
    pub fn spare(&self) -> u64 {
        self.closing.iter().sum()
    }
}

impl Syncer {
    /// Returns the syncer with another clock.
    #[must_use]
    pub fn timed_by(self, clock: Clock) -> Syncer {
        Syncer { clock, ..self }
    }

    /// Returns the syncer watching the lake and its lock.
    #[must_use]
    pub fn watching(self, watch: Arc<Mutex<Watch>>) -> Syncer {
        Syncer { watch: Some(watch), ..self }
    }

    /// Handles requests until the journal is gone and everything is done. It blocks, and is for a cold
    /// thread. Returns a sentence for each failure that the journal did not hear of.
    #[must_use]
    pub fn run(mut self) -> Vec<String> {
        loop {
            match self.requests.recv_timeout(TEND_INTERVAL) {
                Ok(request) => self.handle(request),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.tend();
        }
        self.finish()
    }

    /// Tries once more to close what could not be closed, and hands over everything that is closed.
    /// Returns what [`run`](Syncer::run) returns.
    #[must_use]
    pub fn finish(mut self) -> Vec<String> {
        self.close_late(Nanos::MAX);
        for closed in std::mem::take(&mut self.closed) {
            // Without a sealer the file stays where it is, under its closed name.
            self.sealer.send(closed).unwrap_or_default();
        }
        let unclosed = self.late.iter().map(|late| {
            format!("{}; it keeps its open name, and the next start seals it", late.why)
        });
        let unheard = self.unheard.try_iter().filter_map(|answer| answer.told());
        unclosed.chain(unheard).collect()
    }

    /// Handles the requests that wait now, as far as the sealer has room. Returns how many it handled.
    /// For tests on one thread.
    pub fn handle_queued(&mut self) -> usize {
        let mut handled = 0;
        while self.pass_on() {
            let Ok(request) = self.requests.try_recv() else { break };
            self.handle(request);
            handled += 1;
        }
        self.tend();
        handled
    }

    /// Does what is due: looks at the lake, closes what could not be closed, passes on what is closed.
    fn tend(&mut self) {
        let now = self.clock.now();
        self.look(now);
        self.close_late(now);
        self.pass_on();
    }

    /// Passes on the segments that wait for the sealer. Returns whether none waits any more.
    fn pass_on(&mut self) -> bool {
        while let Some(closed) = self.closed.pop_front() {
            // Without a sealer the file stays where it is, under its closed name.
            if let Err(TrySendError::Full(closed)) = self.sealer.try_send(closed) {
                self.closed.push_front(closed);
                return false;
            }
        }
        true
    }

    /// Looks whether the lake is still the one that is locked, once a second.
    fn look(&mut self, now: Nanos) {
        let Some(watch) = &self.watch else { return };
        if now.saturating_sub(self.looked_at) < LOOK_INTERVAL {
            return;
        }
        self.looked_at = now;
        let found = watch.lock().unwrap_or_else(PoisonError::into_inner).look();
        if let Ok(true) = found {
            tracing::warn!(
                "the file of the recording lock was deleted: it was made and locked anew"
            );
        }
        let why = match found {
            Err(error @ (LockError::Moved { .. } | LockError::Taken { .. })) => {
                Some(error.to_string())
            }
            // What cannot be seen or locked now may well be there.
            Ok(_) | Err(LockError::NoFolder { .. } | LockError::Io { .. }) => None,
        };
        let was_displaced = std::mem::replace(&mut self.displaced, why.is_some());
        match why {
            Some(why) if !was_displaced => self.answer(Answer::Displaced(why)),
            None if was_displaced => self.answer(Answer::InPlace),
            Some(_) | None => {}
        }
    }

    fn handle(&mut self, request: Request) {
        match request {
            Request::Sync { file, number } => {
                let answer = match self.sync(&file, number) {
                    Ok(()) => Answer::Synced,
                    Err(error) => {
                        Answer::NotSynced(Trouble { number, doing: "sync a segment", error })
                    }
                };
                self.answer(answer);
            }
            Request::Close(segment) => self.close(segment),
        }
    }

    fn sync(&mut self, file: &File, number: u32) -> io::Result<()> {
        file.sync_data()?;
        if self.named != Some(number) {
            folder::sync(&self.folder)?;
            self.named = Some(number);
        }
        Ok(())
    }

    fn close(&mut self, segment: FinishedSegment) {
        // Part of a block that cannot be cut off is recognised by the reader.
        segment.trim().unwrap_or_default();
        let synced = if self.syncs { segment.sync() } else { Ok(()) };
        match segment.close() {
            Ok(closed) => {
                let number = closed.number;
                self.closed.push_back(closed);
                let synced = synced.and_then(|()| folder::sync(&self.folder));
                self.answer(synced.map_or_else(
                    |error| {
                        let doing = "sync a closed segment";
                        Answer::ClosedUnsynced(Trouble { number, doing, error })
                    },
                    |()| Answer::Closed,
                ));
            }
            Err(error) => {
                let trouble = Trouble { number: segment.number(), doing: "close a segment", error };
                if segment.is_gone() {
                    return self.answer(Answer::Vanished(trouble, *segment.contents()));
                }
                let (why, pause) = (trouble.to_string(), CLOSE_AGAIN_MIN);
                tracing::error!("{why}: it is tried again");
                self.answer(Answer::NotClosed(trouble));
                let due = self.clock.now().saturating_add(pause);
                self.late.push(Late { segment, why, due, pause });
            }
        }
    }

    /// Tries again to close the segments whose time has come.
    fn close_late(&mut self, now: Nanos) {
        for one in std::mem::take(&mut self.late) {
            if now < one.due {
                self.late.push(one);
                continue;
            }
            let Late { segment, pause, .. } = one;
            segment.trim().unwrap_or_default();
            let synced = if self.syncs { segment.sync() } else { Ok(()) };
            match synced.and_then(|()| segment.close()) {
                Ok(closed) => {
                    self.closed.push_back(closed);
                    // The sealer deletes it in a moment, or the next start looks for both names.
                    folder::sync(&self.folder).unwrap_or_default();
                }
                Err(error) => self.put_off(segment, error, pause),
            }
        }
    }

    fn put_off(&mut self, segment: FinishedSegment, error: io::Error, pause: Nanos) {
        let trouble = Trouble { number: segment.number(), doing: "close a segment", error };
        if segment.is_gone() {
            return self.answer(Answer::VanishedLate(trouble, *segment.contents()));
        }
        let pause = pause.saturating_mul(2).min(CLOSE_AGAIN_MAX);
        let due = self.clock.now().saturating_add(pause);
        self.late.push(Late { segment, why: trouble.to_string(), due, pause });
    }

    fn answer(&self, answer: Answer) {
        // There is room: see ANSWERS_MAX. A journal that is gone asks nothing more.
        self.answers.try_send(answer).unwrap_or_default();
    }
}

impl Answer {
    /// Returns what went wrong, as a sentence.
    fn told(&self) -> Option<String> {
        let (trouble, lost) = match self {
            Answer::Synced
            | Answer::Closed
            | Answer::NotClosed(_)
            | Answer::Displaced(_)
            | Answer::InPlace => return None,
            Answer::NotSynced(trouble) | Answer::ClosedUnsynced(trouble) => (trouble, 0),
            Answer::Vanished(trouble, contents) | Answer::VanishedLate(trouble, contents) => {
                (trouble, contents.inputs)
            }
        };
        let lost = if 0 < lost { format!("; its {lost} inputs are lost") } else { String::new() };
        Some(format!("{trouble}{lost}"))
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Trouble { number, doing, error } = self;
        write!(formatter, "the journal could not {doing} (segment {number}): {error}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spreadwire_kit::records::quote;
    use spreadwire_lake::run::{Origin, RunId};
    use spreadwire_lake::segment::{Block, SegmentInfo, SegmentWriter};

    fn info(number: u32) -> SegmentInfo {
        let origin = Origin { run: RunId::new("run").unwrap(), catalogue: 0 };
        SegmentInfo { origin, number, started_at: 0 }
    }

    fn segment(folder: &Path, number: u32) -> FinishedSegment {
        let mut writer = SegmentWriter::create(folder, info(number)).unwrap();
        let mut block = Block::new(2, 0);
        block.push(&quote(1));
        writer.write(&mut block).unwrap();
        writer.finish()
    }

    #[test]
    fn what_a_journal_asked_for_is_done_after_it_has_gone_and_failures_are_told() {
        let home = tempfile::tempdir().unwrap();
        let (sealer, closed) = channel::bounded(4);
        let (mut requests, syncer) = pair(home.path(), true, sealer);
        for number in 0..3 {
            requests.close(segment(home.path(), number)).unwrap();
        }
        assert_eq!(requests.closing(), 3);
        std::fs::remove_file(home.path().join("run-000001.seg.open")).unwrap();
        drop(requests);
        let failures = syncer.run();
        assert_eq!(failures.len(), 1, "{failures:?}");
        let told = "the journal could not close a segment (segment 1): ";
        assert!(failures[0].starts_with(told), "{failures:?}");
        assert!(failures[0].ends_with("; its 1 inputs are lost"), "{failures:?}");
        assert_eq!(closed.iter().map(|segment| segment.number).collect::<Vec<_>>(), [0, 2]);
        assert!(home.path().join("run-000002.seg").exists());
    }

    #[test]
    fn one_sync_at_a_time_is_under_way_and_a_line_that_is_full_gives_segments_back() {
        let home = tempfile::tempdir().unwrap();
        let (sealer, _closed) = channel::bounded(REQUESTS_MAX + 1);
        let (mut requests, mut syncer) = pair(home.path(), false, sealer);
        let file = Arc::new(File::create(home.path().join("file")).unwrap());
        assert!(requests.sync(Arc::clone(&file), 0));
        assert!(!requests.sync(Arc::clone(&file), 0));
        for number in 1..REQUESTS_MAX {
            let number = u32::try_from(number).unwrap();
            requests.close(segment(home.path(), number)).unwrap();
        }
        let returned = requests.close(segment(home.path(), 99)).unwrap_err();
        assert_eq!((returned.number(), requests.closing()), (99, REQUESTS_MAX - 1));
        assert_eq!(syncer.handle_queued(), REQUESTS_MAX);
        assert!(matches!(requests.answer(), Some(Answer::Synced)));
        while let Some(answer) = requests.answer() {
            assert!(matches!(answer, Answer::Closed), "{answer:?}");
        }
        assert_eq!(requests.closing(), 0);
        assert!(requests.sync(file, 0) && requests.close(returned).is_ok());
    }

    #[test]
    fn a_segment_that_cannot_be_closed_now_is_closed_later_and_its_records_are_not_lost() {
        let home = tempfile::tempdir().unwrap();
        let (folder, aside) = (home.path().join("journal"), home.path().join("aside"));
        std::fs::create_dir(&folder).unwrap();
        let (sealer, closed) = channel::bounded(4);
        let (mut requests, syncer) = pair(&folder, true, sealer);
        let clock = Clock::manual(0);
        let mut syncer = syncer.timed_by(clock.clone());
        requests.close(segment(&folder, 0)).unwrap();
        // Also root may not look into a loop of links.
        std::fs::rename(&folder, &aside).unwrap();
        std::os::unix::fs::symlink("journal", &folder).unwrap();
        syncer.handle_queued();
        let answer = requests.answer();
        assert!(matches!(answer, Some(Answer::NotClosed(_))), "{answer:?}");
        assert_eq!(requests.closing(), 0);
        clock.set(CLOSE_AGAIN_MIN);
        syncer.handle_queued();
        assert!(requests.answer().is_none() && closed.is_empty(), "it is told once");
        std::fs::remove_file(&folder).unwrap();
        std::fs::rename(&aside, &folder).unwrap();
        clock.set(3 * CLOSE_AGAIN_MIN - 1);
        syncer.handle_queued();
        assert!(closed.is_empty(), "not before twice the pause");
        clock.set(3 * CLOSE_AGAIN_MIN);
        syncer.handle_queued();
        assert_eq!(closed.try_recv().map(|closed| closed.number), Ok(0));
        drop(requests);
        assert_eq!(syncer.finish(), Vec::<String>::new());
    }

    #[test]
    fn what_cannot_be_closed_is_tried_at_the_end_and_then_left_to_the_next_start() {
        let home = tempfile::tempdir().unwrap();
        let lake = home.path().join("lake");
        std::fs::create_dir_all(lake.join("journal")).unwrap();
        let (sealer, closed) = channel::bounded(4);
        let (mut requests, mut syncer) = pair(&lake.join("journal"), true, sealer);
        requests.close(segment(&lake.join("journal"), 7)).unwrap();
        std::fs::rename(&lake, home.path().join("moved")).unwrap();
        syncer.handle_queued();
        assert!(matches!(requests.answer(), Some(Answer::NotClosed(_))), "it moved with the lake");
        drop(requests);
        let [told] = &syncer.finish()[..] else { panic!("one segment") };
        assert!(
            told.contains("(segment 7)") && told.ends_with("the next start seals it"),
            "{told}"
        );
        assert!(closed.try_recv().is_err());
        assert!(!lake.exists() && home.path().join("moved/journal/run-000007.seg.open").exists());
    }

    #[test]
    fn what_could_not_be_closed_is_closed_at_the_end_though_its_time_has_not_come() {
        let home = tempfile::tempdir().unwrap();
        let (folder, aside) = (home.path().join("journal"), home.path().join("aside"));
        std::fs::create_dir(&folder).unwrap();
        let (sealer, closed) = channel::bounded(4);
        let (mut requests, syncer) = pair(&folder, true, sealer);
        let mut syncer = syncer.timed_by(Clock::manual(0));
        requests.close(segment(&folder, 3)).unwrap();
        std::fs::rename(&folder, &aside).unwrap();
        std::os::unix::fs::symlink("journal", &folder).unwrap();
        syncer.handle_queued();
        std::fs::remove_file(&folder).unwrap();
        std::fs::rename(&aside, &folder).unwrap();
        syncer.handle_queued();
        assert!(closed.is_empty(), "its time has not come");
        drop(requests);
        assert_eq!(syncer.finish(), Vec::<String>::new());
        assert_eq!(closed.try_recv().map(|closed| closed.number), Ok(3));
    }

    #[test]
    fn files_and_names_are_synced_and_what_was_not_is_told() {
        let home = tempfile::tempdir().unwrap();
        let (folder, missing) = (home.path().to_owned(), home.path().join("missing"));
        // A device takes every write, and cannot be synced.
        let device = || File::options().write(true).open("/dev/null").unwrap();
        let mut number = 0;
        for (is_file_whole, is_folder_there, syncs, told) in [
            (true, true, true, ["Synced", "Closed"]),
            (false, true, true, ["NotSynced", "ClosedUnsynced"]),
            (true, false, true, ["NotSynced", "ClosedUnsynced"]),
            // What the operating system is to sync when it likes.
            (false, true, false, ["NotSynced", "Closed"]),
        ] {
            number += 1;
            let (sealer, _closed) = channel::bounded(4);
            let synced = if is_folder_there { &folder } else { &missing };
            let (mut requests, mut syncer) = pair(synced, syncs, sealer);
            let mut writer = SegmentWriter::create(&folder, info(number)).unwrap();
            if !is_file_whole {
                writer.replace_file(device());
            }
            assert!(requests.sync(writer.take_unsynced().unwrap(), number));
            requests.close(writer.finish()).unwrap();
            syncer.handle_queued();
            for told in told {
                let answer = format!("{:?}", requests.answer().unwrap());
                let name = answer.split('(').next().unwrap();
                assert_eq!(name, told, "{is_file_whole} {is_folder_there} {syncs}: {answer}");
            }
        }
    }

    #[test]
    fn a_lake_that_is_not_the_one_that_is_locked_is_told_and_a_lock_that_was_deleted_is_made_anew()
    {
        let home = tempfile::tempdir().unwrap();
        let (lake, moved) = (home.path().join("lake"), home.path().join("moved"));
        let lock = spreadwire_lake::lock::recording(&lake).unwrap();
        let watch = Arc::new(Mutex::new(Watch::begin(&lake, lock).unwrap()));
        let (sealer, _closed) = channel::bounded(4);
        let (mut requests, syncer) = pair(&lake.join("journal"), true, sealer);
        let clock = Clock::manual(0);
        let mut syncer = syncer.timed_by(clock.clone()).watching(watch);
        let mut now = 0;
        let mut answer = || {
            now += LOOK_INTERVAL;
            clock.set(now);
            syncer.handle_queued();
            requests.answer().map(|answer| format!("{answer:?}"))
        };
        assert_eq!(answer(), None);
        std::fs::remove_file(lake.join("recording.lock")).unwrap();
        assert_eq!(answer(), None, "nobody else took it");
        assert!(spreadwire_lake::lock::is_recording(&lake), "it was locked anew");
        std::fs::rename(&lake, &moved).unwrap();
        assert!(answer().is_some_and(|told| told.contains("was moved or deleted")));
        assert_eq!(answer(), None, "it is told once");
        assert!(!lake.exists(), "nothing is made in its place");
        std::fs::rename(&moved, &lake).unwrap();
        assert_eq!(answer(), Some("InPlace".to_owned()));
        std::fs::remove_file(lake.join("recording.lock")).unwrap();
        let other = spreadwire_lake::lock::recording(&lake).unwrap();
        assert!(answer().is_some_and(|told| told.contains("recording.lock is locked")));
        drop(other);
        assert_eq!(answer(), Some("InPlace".to_owned()));
    }
}
