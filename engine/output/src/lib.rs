//! The only writer of standard output and standard error, for the engine and all tools.
//!
//! Whoever reads them may leave, stop reading, or have a full disk. None of that may end a program that
//! records. Nothing here panics or returns an error that has to be handled: text that cannot be written
//! is counted ([`unwritten`]). A reader of standard output that has left is remembered
//! ([`has_reader_left`]), so that a program can end in order instead of talking to nobody.
//!
//! [`out!`] and [`err!`] write a line and wait for a slow reader, as the results of a tool should. [`offer`]
//! and [`Log`] wait only for a moment, because no engine may stand still for the reader of its log. The
//! lint `print_stdout` and its like, and `disallowed_methods`, keep every other writer out.
//!
//! Both streams belong to the process, and so do the counts.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Stat, fstat};
use rustix::io::Errno;
use std::fmt::Arguments;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How long [`offer`] waits for a reader that kept up so far. It does not wait for one that did not.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// No wait at all.
const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
/// Bytes that a pipe takes at once if it is ready to be written (`PIPE_BUF`).
const PIECE: usize = 4_096;

/// Writes a line to standard output, with the arguments of [`format!`].
#[macro_export]
macro_rules! out {
    () => { $crate::line($crate::Stream::Out, format_args!("")) };
    ($($argument:tt)*) => { $crate::line($crate::Stream::Out, format_args!($($argument)*)) };
}

/// Writes a line to standard error, with the arguments of [`format!`].
#[macro_export]
macro_rules! err {
    ($($argument:tt)*) => { $crate::line($crate::Stream::Err, format_args!($($argument)*)) };
}

/// One of the two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// What has become of the writes to a stream.
#[derive(Debug)]
struct Fate {
    /// Lines, or pieces of text, that were not written whole.
    unwritten: AtomicU64,
    /// Whether the reader of a pipe or socket has left.
    has_reader_left: AtomicBool,
    /// Whether a write failed for another reason.
    has_failed: AtomicBool,
    /// Whether the reader did not keep up at the last offer.
    is_behind: AtomicBool,
}

impl Fate {
    const fn new() -> Fate {
        Fate {
            unwritten: AtomicU64::new(0),
            has_reader_left: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
            is_behind: AtomicBool::new(false),
        }
    }

    /// Counts a failed write and remembers why it failed.
    fn note(&self, written: &io::Result<()>, fd: BorrowedFd<'_>) {
        let Err(error) = written else { return };
        self.unwritten.fetch_add(1, Ordering::Relaxed);
        let kind = error.kind();
        if kind == ErrorKind::BrokenPipe || is_gone(fd, error) {
            self.has_reader_left.store(true, Ordering::Relaxed);
        } else if kind != ErrorKind::WouldBlock {
            self.has_failed.store(true, Ordering::Relaxed);
        }
    }
}

/// Whether a write failed because its terminal has gone away.
fn is_gone(fd: BorrowedFd<'_>, error: &io::Error) -> bool {
    let is_device = |stat: Stat| FileType::from_raw_mode(stat.st_mode).is_char_device();
    error.raw_os_error() == Some(Errno::IO.raw_os_error()) && fstat(fd).is_ok_and(is_device)
}

static OUT: Fate = Fate::new();
static ERR: Fate = Fate::new();

impl Stream {
    fn fate(self) -> &'static Fate {
        match self {
            Stream::Out => &OUT,
            Stream::Err => &ERR,
        }
    }

    /// Returns whether the stream is a terminal.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        self.with(|_, fd| fd.is_terminal())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the only writer of both streams")]
    fn with<R>(self, work: impl FnOnce(&mut dyn Write, BorrowedFd<'_>) -> R) -> R {
        match self {
            Stream::Out => work(&mut io::stdout().lock(), io::stdout().as_fd()),
            Stream::Err => work(&mut io::stderr().lock(), io::stderr().as_fd()),
        }
    }
}

/// Writes a line to a stream. [`out!`] and [`err!`] are shorter.
pub fn line(stream: Stream, text: Arguments<'_>) {
    write(stream, &format!("{text}\n"));
}

/// Writes a text to a stream as it is.
pub fn write(stream: Stream, text: &str) {
    stream.with(|out, fd| {
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        stream.fate().note(&written, fd);
    });
}

/// Writes a line to a stream, unless its reader does not keep up: then the line is counted and left out.
pub fn offer(stream: Stream, text: &str) {
    offer_bytes(stream, format!("{text}\n").as_bytes());
}

fn offer_bytes(stream: Stream, bytes: &[u8]) {
    let fate = stream.fate();
    stream.with(|out, fd| {
        let mut pieces = bytes.chunks(PIECE);
        let write = |piece| wait_until_ready(fd, fate).and_then(|()| out.write_all(piece));
        let written = pieces.try_for_each(write).and_then(|()| out.flush());
        fate.note(&written, fd);
    });
}

/// Waits until a piece can be written without waiting, for a moment at most. A file is always ready.
fn wait_until_ready(fd: BorrowedFd<'_>, fate: &Fate) -> io::Result<()> {
    let patience = if fate.is_behind.load(Ordering::Relaxed) { NOW } else { PATIENCE };
    let mut fds = [PollFd::new(&fd, PollFlags::OUT)];
    let is_behind = poll(&mut fds, Some(&patience)).is_ok_and(|ready| ready == 0);
    fate.is_behind.store(is_behind, Ordering::Relaxed);
    if is_behind { Err(ErrorKind::WouldBlock.into()) } else { Ok(()) }
}

/// Returns the number of lines that could not be written to either stream so far.
#[must_use]
pub fn unwritten() -> u64 {
    OUT.unwritten.load(Ordering::Relaxed) + ERR.unwritten.load(Ordering::Relaxed)
}

/// Returns whether the reader of standard output has left, as `head` does.
#[must_use]
pub fn has_reader_left() -> bool {
    OUT.has_reader_left.load(Ordering::Relaxed)
}

/// Returns the exit code of a program that would end with `code`. A reader that has left changes nothing:
/// it has what it wanted. But a result that could not be written is a failure, and is told on standard
/// error.
#[must_use]
pub fn conclude(code: ExitCode) -> ExitCode {
    if !OUT.has_failed.load(Ordering::Relaxed) {
        return code;
    }
    err!("standard output is not complete: it could not be written");
    if code == ExitCode::SUCCESS { ExitCode::FAILURE } else { code }
}

/// Standard output for whoever needs an [`io::Write`]. Unlike the rest of this module it returns its
/// errors, so that long work ends at the first one; they are counted all the same.
#[derive(Clone, Copy, Debug, Default)]
pub struct Output;

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Stream::Out.with(|out, fd| {
            out.write(bytes).inspect_err(|error| OUT.note(&Err(error.kind().into()), fd))
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Stream::Out.with(|out, fd| {
            let flushed = out.flush();
            OUT.note(&flushed, fd);
            flushed
        })
    }
}

/// Standard error for a log: each write is a whole line, which is [offered](offer) and never fails.
#[derive(Clone, Copy, Debug, Default)]
pub struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        offer_bytes(Stream::Err, bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_written_is_counted_and_its_reason_remembered() {
        let (fate, (_, pipe)) = (Fate::new(), io::pipe().unwrap());
        let note = |written: Result<(), ErrorKind>| {
            fate.note(&written.map_err(io::Error::from), pipe.as_fd());
        };
        let told = |fate: &Fate| {
            let flag = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
            let count = fate.unwritten.load(Ordering::Relaxed);
            (count, flag(&fate.has_reader_left), flag(&fate.has_failed))
        };
        note(Ok(()));
        assert_eq!(told(&fate), (0, false, false));
        note(Err(ErrorKind::WouldBlock));
        assert_eq!(told(&fate), (1, false, false), "a slow reader may come back");
        note(Err(ErrorKind::BrokenPipe));
        assert_eq!(told(&fate), (2, true, false));
        note(Err(ErrorKind::StorageFull));
        assert_eq!(told(&fate), (3, true, true));
    }

    #[test]
    fn nobody_waits_long_for_a_pipe_that_nobody_reads() {
        let (reader, mut writer) = io::pipe().unwrap();
        let fate = Fate::new();
        let mut written = 0;
        while wait_until_ready(writer.as_fd(), &fate).is_ok() {
            writer.write_all(&[b'x'; PIECE]).unwrap();
            written += PIECE;
        }
        assert!(PIECE < written, "{written}");
        assert!(fate.is_behind.load(Ordering::Relaxed));
        io::Read::read_exact(&mut &reader, &mut vec![0; written]).unwrap();
        assert!(wait_until_ready(writer.as_fd(), &fate).is_ok(), "it is read again");
        drop(reader);
        assert!(wait_until_ready(writer.as_fd(), &fate).is_ok(), "the write itself says why");
        assert!(writer.write_all(b"x").is_err());
    }
}
