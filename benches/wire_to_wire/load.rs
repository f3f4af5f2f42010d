//! The open-loop generator: sends frames that are due and reads answers, on one spinning thread.
//!
//! A frame's latency counts from the time at which it was due, not from when it was sent. If
//! generator, relay or engine stalls, frames are late and this is counted (no coordinated
//! omission). Frames that are due at the same moment are sent with one write. The loop allocates
//! nothing.

use super::answers::Answers;
use super::frames::Frames;
use spreadwire_engine::runtime::latency::Latency;
use spreadwire_market::clock::{Clock, MILLI, Nanos, SECOND};
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

/// Frames due in this first part of a block are not counted.
const WARM_UP: Nanos = 200 * MILLI;
/// Time from the last due time until the generator stops waiting for answers.
const GRACE: Nanos = 2 * SECOND;
/// Time from the call to the first due time.
const LEAD: Nanos = MILLI;
/// Maximum size of one write, bytes.
const WRITE_BYTES: usize = 64 * 1024;

/// The two sockets of a block; both are non-blocking.
#[derive(Debug)]
pub(crate) struct Sockets {
    /// Socket that frames are sent to.
    pub(crate) feed: TcpStream,
    /// Socket that answers come from.
    pub(crate) answers: TcpStream,
}

/// Result of a block.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// Time from due to answered.
    pub(crate) latency: Latency,
    /// Time from due to the write: how far the generator itself was behind.
    pub(crate) lag: Latency,
    /// Number of frames due after the warm-up.
    pub(crate) expected: u64,
    /// Number of these that were answered.
    pub(crate) answered: u64,
    /// Number of messages that reported a gap.
    pub(crate) gaps: u64,
    /// Bytes of all answers.
    pub(crate) bytes: usize,
    /// Number of answers, including the warm-up.
    pub(crate) answers: u64,
    /// Time from the first due time to the last answer.
    pub(crate) elapsed: Nanos,
}

/// Sends the frames at their times and collects the answers.
///
/// # Errors
/// If a socket fails or ends.
pub(crate) fn run(
    sockets: &mut Sockets,
    frames: &Frames,
    due: &[Nanos],
    mut answers: Answers,
    clock: &Clock,
) -> io::Result<Outcome> {
    let counted = |number: usize| due.get(number).copied().filter(|due| WARM_UP <= *due);
    let (mut latency, mut lag) = (Latency::new(), Latency::new());
    let (mut released, mut written, mut answered, mut elapsed) = (0, 0, 0, 0);
    let last = due.last().copied().unwrap_or(0);
    let start = clock.now() + LEAD;
    loop {
        let now = clock.now();
        while released < due.len() && start + due[released] <= now {
            counted(released).into_iter().for_each(|due| lag.record(start + due, now));
            released += 1;
        }
        let waiting = frames.bytes(written, released);
        if !waiting.is_empty() {
            let part = &waiting[..waiting.len().min(WRITE_BYTES)];
            written += would_block_is_none(sockets.feed.write(part))?.unwrap_or(0);
        }
        if let Some(count) = would_block_is_none(sockets.answers.read(answers.room()))? {
            if count == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let now = clock.now();
            answers.take(count, |number| {
                answered += 1;
                elapsed = now.saturating_sub(start);
                let due = usize::try_from(number).ok().and_then(counted);
                due.into_iter().for_each(|due| latency.record(start + due, now));
            });
        }
        if answered == due.len() as u64 || start + last + GRACE < now {
            break;
        }
    }
    let expected = due.iter().filter(|due| WARM_UP <= **due).count() as u64;
    let (gaps, bytes) = (answers.gaps, answers.total());
    let in_time = latency.count();
    Ok(Outcome {
        latency,
        lag,
        expected,
        answered: in_time,
        gaps,
        bytes,
        answers: answered,
        elapsed,
    })
}

fn would_block_is_none(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(count) => Ok(Some(count)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

impl Outcome {
    /// Adds another block of the same case.
    pub(crate) fn merge(&mut self, other: &Outcome) {
        self.latency.merge(&other.latency);
        self.lag.merge(&other.lag);
        self.expected += other.expected;
        self.answered += other.answered;
        self.gaps += other.gaps;
        self.bytes += other.bytes;
        self.answers += other.answers;
        self.elapsed += other.elapsed;
    }

    /// Returns whether the contender did not keep up: answers are missing, or the last one came
    /// more than a tenth of a second after the schedule's end.
    pub(crate) fn is_saturated(&self, span: Nanos) -> bool {
        self.answered < self.expected || span + SECOND / 10 < self.elapsed
    }
}
