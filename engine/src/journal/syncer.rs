//! The work for which the journal would have to wait for the disk: syncing its file, closing its
//! segments.
//!
//! The journal's agent holds [`Requests`], which never block: one sync at a time is under way, and
//! finished segments queue. The [`Syncer`], on a cold thread, forces files to the disk, gives finished
//! segments their closed names and passes them on to the sealer. Failures come back as an [`Answer`].
//! Tests have no thread and call [`Syncer::handle_queued`].

use crossbeam::channel::{self, Receiver, Sender, TrySendError};
use spreadwire_lake::folder;
use spreadwire_lake::segment::{ClosedSegment, Contents, FinishedSegment};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Number of requests that may wait. Finished segments beyond that stay with the journal.
const REQUESTS_MAX: usize = 64;
/// Number of answers that may wait: each request has one at most, and the journal takes them in every
/// cycle.
const ANSWERS_MAX: usize = 4 * REQUESTS_MAX;

#[derive(Debug)]
enum Request {
    Sync { file: Arc<File>, number: u32 },
    Close(FinishedSegment),
}

/// What became of a request.
#[derive(Debug)]
pub enum Answer {
    /// The file is on the disk.
    Synced,
    /// The segment has its closed name.
    Closed,
    /// The file may not be on the disk.
    NotSynced(Trouble),
    /// A finished segment may not be on the disk. It comes with its contents if it could not be given
    /// its closed name either.
    NotClosed(Trouble, Option<Contents>),
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
    /// Number of segments that are under way.
    closing: usize,
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
    /// A closed segment that waits for room at the sealer.
    closed: Option<ClosedSegment>,
    /// Number of the last segment whose name was forced to the disk.
    named: Option<u32>,
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
        closed: None,
        named: None,
    };
    (Requests { requests, answers: answered, busy: false, closing: 0 }, syncer)
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
        match self.requests.try_send(Request::Close(segment)) {
            Ok(()) => {
                self.closing += 1;
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
            Answer::Closed | Answer::NotClosed(..) => self.closing = self.closing.saturating_sub(1),
        }
        Some(answer)
    }

    /// Returns the number of segments that are to be closed and have no answer yet.
    #[must_use]
    pub fn closing(&self) -> usize {
        self.closing
    }
}

impl Syncer {
    /// Handles requests until the journal is gone and everything is done. It blocks, and is for a cold
    /// thread. Returns a sentence for each failure that the journal did not hear of.
    #[must_use]
    pub fn run(mut self) -> Vec<String> {
        while let Ok(request) = self.requests.recv() {
            self.handle(request);
            if let Some(closed) = self.closed.take() {
                // Without a sealer the file stays where it is, under its closed name.
                self.sealer.send(closed).unwrap_or_default();
            }
        }
        self.unheard.try_iter().filter_map(|answer| answer.told()).collect()
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
        handled
    }

    /// Passes on the segment that waits for the sealer. Returns whether none waits any more.
    fn pass_on(&mut self) -> bool {
        if let Some(closed) = self.closed.take()
            && let Err(TrySendError::Full(closed)) = self.sealer.try_send(closed)
        {
            self.closed = Some(closed);
        }
        self.closed.is_none()
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
            Request::Close(segment) => self.close(&segment),
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

    fn close(&mut self, segment: &FinishedSegment) {
        let number = segment.number();
        // Part of a block that cannot be cut off is recognised by the reader.
        segment.trim().unwrap_or_default();
        let synced = if self.syncs { segment.sync() } else { Ok(()) };
        match segment.close() {
            Ok(closed) => {
                self.closed = Some(closed);
                let synced = synced.and_then(|()| folder::sync(&self.folder));
                self.answer(synced.map_or_else(
                    |error| {
                        let doing = "sync a closed segment";
                        Answer::NotClosed(Trouble { number, doing, error }, None)
                    },
                    |()| Answer::Closed,
                ));
            }
            Err(error) => {
                let trouble = Trouble { number, doing: "close a segment", error };
                self.answer(Answer::NotClosed(trouble, Some(*segment.contents())));
            }
        }
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
            Answer::Synced | Answer::Closed => return None,
            Answer::NotSynced(trouble) | Answer::NotClosed(trouble, None) => (trouble, 0),
            Answer::NotClosed(trouble, Some(contents)) if trouble.is_vanished() => {
                (trouble, contents.inputs)
            }
            Answer::NotClosed(trouble, Some(_)) => (trouble, 0),
        };
        let lost = if 0 < lost { format!("; its {lost} inputs are lost") } else { String::new() };
        Some(format!("{trouble}{lost}"))
    }
}

impl Trouble {
    /// Returns whether the file or its folder is gone.
    #[must_use]
    pub fn is_vanished(&self) -> bool {
        matches!(self.error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
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

    fn segment(folder: &Path, number: u32) -> FinishedSegment {
        let origin = Origin { run: RunId::new("run").unwrap(), catalogue: 0 };
        let info = SegmentInfo { origin, number, started_at: 0 };
        let mut writer = SegmentWriter::create(folder, info).unwrap();
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
}
