//! The raw frames of feeds in files: an agent on a cold thread of its own, and what a killed run left.
//!
//! It takes frames from the feeds' rings and writes them as lines `<receive ns> <frame>` into zstd files,
//! one for each connection and UTC hour. The stream is cut into complete zstd frames at least each
//! [`WRITE_INTERVAL`], so that whatever ends the process leaves everything before that readable. Frames
//! that are in no file, for want of room in a ring or on the disk, are counted and stand as a line in
//! the stream. `docs/formats.md` has the format. It must not know what a frame says.

use crate::runtime::agent::{Agent, Report};
use crate::runtime::frame_ring::{Entry, Frame, FrameReceiver, Place};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use spreadwire_market::clock::{Nanos, SECOND};
use spreadwire_market::counters::{Counter, Counters};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use zstd::bulk::Compressor;

/// Lines wait in memory no longer than this.
pub const WRITE_INTERVAL: Nanos = SECOND;
/// And no more of them than this, bytes; a longer frame is written with its line.
pub const BLOCK_BYTES: usize = 256 << 10;
/// After a write that failed, the next attempt is made after this.
pub const RETRY_INTERVAL: Nanos = 5 * SECOND;

/// Level of compression: that of the lake's columns.
const LEVEL: i32 = 1;
/// Taken from one ring in a duty cycle, bytes.
const BYTES_PER_CYCLE: usize = 4 << 20;
/// A file is closed without waiting for the next hour's first frame once the hour is over by this.
const HOUR_GRACE: Nanos = 10 * SECOND;
const HOUR: Nanos = 3_600 * SECOND;
/// How a file's name ends, and what is appended while it is written.
const FILE_END: &str = "frames.zst";
const OPEN_END: &str = ".open";

/// One feed's frames.
#[derive(Debug)]
pub struct Source {
    /// Where they come from.
    pub frames: FrameReceiver,
    /// The feed's connections, by their number in it.
    pub connections: Vec<ConnectionName>,
}

/// What a connection is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionName {
    /// Its venue's name.
    pub venue: String,
    /// Its number among the venue's connections.
    pub connection: usize,
}

/// The agent.
pub struct Capture {
    rings: Vec<(FrameReceiver, Vec<Stream>)>,
    desk: Desk,
}

impl std::fmt::Debug for Capture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Capture").field("rings", &self.rings).finish_non_exhaustive()
    }
}

/// What all streams use.
struct Desk {
    now: Nanos,
    /// When the next loss in a ring is worth a line of the log.
    warn_at: Nanos,
    compressor: Compressor<'static>,
    frames: Counter,
    bytes: Counter,
    dropped: Counter,
    written_bytes: Counter,
}

/// The frames of one connection on their way to its files.
#[derive(Debug)]
struct Stream {
    folder: PathBuf,
    /// The run and the connection, as in the names of files.
    stem: String,
    /// The next file's number.
    number: u64,
    /// Hour of the receive time of the lines, since 1970.
    hour: u64,
    lines: Lines,
    file: Option<OpenFile>,
    /// Frames that are in no file, and that no line says yet.
    owed: u64,
    owed_since: Nanos,
    /// Nothing is written before this: an attempt has failed.
    retry_at: Nanos,
}

/// Lines that wait to be written.
#[derive(Debug, Default)]
struct Lines {
    text: Vec<u8>,
    frames: u64,
    bytes: u64,
    /// Frames that the losses among the lines count.
    lost: u64,
    /// Receive time of the first line.
    first: Nanos,
    /// When it was taken.
    since: Nanos,
}

#[derive(Debug)]
struct OpenFile {
    file: File,
    path: PathBuf,
    /// Where its last complete zstd frame ends.
    whole: u64,
}

impl Capture {
    /// Writes into `<lake>/capture`. `run` names the run in files.
    ///
    /// # Errors
    /// If zstd gives no context.
    pub fn new(
        sources: Vec<Source>,
        lake: &Path,
        run: &str,
        counters: &Counters,
    ) -> io::Result<Capture> {
        let folder = folder(lake);
        let stream = |origin: &ConnectionName| Stream::new(&folder, run, origin);
        let ring = |s: Source| (s.frames, s.connections.iter().map(stream).collect());
        let mut compressor = Compressor::new(LEVEL)?;
        compressor.include_checksum(true)?;
        let desk = Desk {
            now: 0,
            warn_at: 0,
            compressor,
            frames: counters.register("capture.frames"),
            bytes: counters.register("capture.bytes"),
            dropped: counters.register("capture.dropped"),
            written_bytes: counters.register("capture.written_bytes"),
        };
        Ok(Capture { rings: sources.into_iter().map(ring).collect(), desk })
    }
}

impl Agent for Capture {
    fn role(&self) -> &'static str {
        "capture"
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        let Capture { rings, desk } = self;
        desk.now = now;
        let mut work = 0;
        for (ring, streams) in rings {
            work += ring.drain(BYTES_PER_CYCLE, |place, entry| {
                streams[place.connection].take(place, entry, desk);
            });
            streams.iter_mut().for_each(|stream| stream.keep_up(desk));
        }
        work
    }

    fn is_finished(&self) -> bool {
        self.rings.iter().all(|(ring, _)| ring.is_finished())
    }

    fn on_close(&mut self) {
        let Capture { rings, desk } = self;
        rings.iter_mut().flat_map(|(_, streams)| streams).for_each(|stream| stream.end(desk));
    }

    fn report(&mut self, report: &mut Report) {
        let streams = self.rings.iter().flat_map(|(_, streams)| streams);
        let untold: u64 = streams.map(|stream| stream.owed).sum();
        if 0 < untold {
            report.failures.push(format!(
                "the capture could not be written at its end: {untold} frames are missing that no file tells of"
            ));
        }
    }
}

impl Desk {
    /// Frames that found the ring full; told at most once in [`WRITE_INTERVAL`].
    fn lost_in_ring(&mut self, count: u64, folder: &Path) {
        self.dropped.add(count);
        if self.warn_at <= self.now {
            self.warn_at = self.now + WRITE_INTERVAL;
            let folder = folder.display();
            tracing::warn!(
                target: "capture",
                "{count} frames are NOT captured in {folder}: the ring was full; raise capture.ring_bytes"
            );
        }
    }
}

impl Stream {
    fn new(folder: &Path, run: &str, origin: &ConnectionName) -> Stream {
        Stream {
            folder: folder.join(format!("exchange={}", origin.venue.replace('-', "_"))),
            stem: format!("{run}-{}", origin.connection),
            number: 0,
            hour: 0,
            lines: Lines::default(),
            file: None,
            owed: 0,
            owed_since: 0,
            retry_at: 0,
        }
    }

    fn take(&mut self, place: Place, entry: Entry<'_>, desk: &mut Desk) {
        let hour = place.ts_recv / HOUR;
        if hour != self.hour {
            self.write(desk);
            self.close();
            self.hour = hour;
        }
        if let Entry::Lost(count) = entry {
            self.owe(count, place.ts_recv);
            desk.lost_in_ring(count, &self.folder);
            return;
        }
        if desk.now < self.retry_at {
            self.owe(1, place.ts_recv);
            desk.dropped.add(1);
            return;
        }
        self.tell_losses(desk);
        let Entry::Frame(frame) = entry else { return };
        self.lines.begin(place.ts_recv, desk.now);
        self.lines.frames += 1;
        self.lines.bytes += append(&mut self.lines.text, place.ts_recv, frame);
        if BLOCK_BYTES <= self.lines.text.len() {
            self.write(desk);
        }
    }

    fn owe(&mut self, count: u64, since: Nanos) {
        self.owed_since = if self.owed == 0 { since } else { self.owed_since.min(since) };
        self.owed += count;
    }

    /// A line for what is missing.
    fn tell_losses(&mut self, desk: &Desk) {
        if self.owed == 0 {
            return;
        }
        self.lines.begin(self.owed_since, desk.now);
        self.lines.text.extend(format!("{} #lost {}\n", self.owed_since, self.owed).bytes());
        self.lines.lost += std::mem::take(&mut self.owed);
    }

    /// Writes what has waited long enough; closes the file of an hour that is over.
    fn keep_up(&mut self, desk: &mut Desk) {
        let waits = !self.lines.text.is_empty();
        if waits && WRITE_INTERVAL <= desk.now.saturating_sub(self.lines.since) {
            self.write(desk);
        }
        let is_over = self.hour < desk.now.saturating_sub(HOUR_GRACE) / HOUR;
        if self.file.is_some() && self.lines.text.is_empty() && is_over {
            self.close();
        }
    }

    /// Everything out, whether or not an attempt has failed before.
    fn end(&mut self, desk: &mut Desk) {
        self.tell_losses(desk);
        self.write(desk);
        self.close();
    }

    /// Writes the lines as one complete zstd frame. If that fails, they are counted as lost, and the
    /// file ends before them.
    fn write(&mut self, desk: &mut Desk) {
        if self.lines.text.is_empty() {
            return;
        }
        match self.append_block(&mut desk.compressor) {
            Ok(written) => {
                desk.written_bytes.add(written);
                desk.frames.add(self.lines.frames);
                desk.bytes.add(self.lines.bytes);
            }
            Err(error) => {
                let frames = self.lines.frames;
                tracing::error!(
                    target: "capture",
                    "{frames} frames and what follows are NOT captured in {}: {error}; next attempt in {} s",
                    self.folder.display(),
                    RETRY_INTERVAL / SECOND
                );
                desk.dropped.add(frames);
                self.owe(frames + self.lines.lost, self.lines.first);
                self.retry_at = desk.now + RETRY_INTERVAL;
                self.cut();
                self.close();
            }
        }
        self.lines.clear();
    }

    /// Returns the bytes written.
    fn append_block(&mut self, compressor: &mut Compressor<'_>) -> io::Result<u64> {
        let block = compressor.compress(&self.lines.text)?;
        if self.file.is_none() {
            self.file = Some(self.open()?);
        }
        let Some(open) = &mut self.file else { return Ok(0) };
        open.file.write_all(&block)?;
        let written = block.len() as u64;
        open.whole += written;
        Ok(written)
    }

    fn open(&mut self) -> io::Result<OpenFile> {
        let second = (self.hour * 3_600).cast_signed();
        // Every time in range is within the calendar; 1970 is where there is none.
        let hour = jiff::Timestamp::from_second(second).unwrap_or_default();
        let folder = self.folder.join(hour.strftime("date=%Y-%m-%d").to_string());
        fs::create_dir_all(&folder)?;
        let name = format!("{}-{:06}.{FILE_END}{OPEN_END}", self.stem, self.number);
        let path = folder.join(name);
        let file = File::create_new(&path)?;
        self.number += 1;
        Ok(OpenFile { file, path, whole: 0 })
    }

    /// After a write that failed: what it left of a zstd frame goes.
    fn cut(&mut self) {
        if let Some(open) = &self.file
            && let Err(error) = open.file.set_len(open.whole)
        {
            let path = open.path.display();
            tracing::warn!(target: "capture", "{path} ends with a broken zstd frame: {error}");
        }
    }

    fn close(&mut self) {
        let Some(open) = self.file.take() else { return };
        if let Err(error) = finish(&open.path) {
            tracing::warn!(target: "capture", "{} keeps its name: {error}", open.path.display());
        }
    }
}

impl Lines {
    fn begin(&mut self, ts_recv: Nanos, now: Nanos) {
        if self.text.is_empty() {
            (self.first, self.since) = (ts_recv, now);
        }
    }

    fn clear(&mut self) {
        self.text.clear();
        (self.frames, self.bytes, self.lost) = (0, 0, 0);
    }
}

/// Appends a frame's line; returns the bytes of the frame.
fn append(text: &mut Vec<u8>, ts_recv: Nanos, frame: Frame<'_>) -> u64 {
    let mut coded = |kind: &str, bytes: &[u8]| {
        text.extend(format!("{ts_recv} {kind}{}\n", STANDARD.encode(bytes)).bytes());
        bytes.len()
    };
    let length = match frame {
        Frame::Binary(bytes) => coded("#binary ", bytes),
        Frame::Text(bytes)
            if bytes.starts_with(b"#") || bytes.iter().any(|b| matches!(b, b'\n' | b'\r')) =>
        {
            coded("#text ", bytes)
        }
        Frame::Text(bytes) => {
            text.extend(format!("{ts_recv} ").bytes());
            text.extend(bytes);
            text.push(b'\n');
            bytes.len()
        }
    };
    length as u64
}

fn folder(lake: &Path) -> PathBuf {
    lake.join("capture")
}

/// Gives a file its final name; an empty one goes.
fn finish(open: &Path) -> io::Result<()> {
    if fs::metadata(open)?.len() == 0 {
        return fs::remove_file(open);
    }
    let name = open.to_string_lossy();
    let path = PathBuf::from(name.trim_end_matches(OPEN_END));
    if path.exists() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "its final name is taken"));
    }
    fs::rename(open, path)
}

/// Gives the files that a killed run left in the lake their final names, which they are read by.
/// Returns how many. A last zstd frame that breaks off stays where it is: readers keep what is whole.
///
/// # Errors
/// The first that a folder or a file gave; the others were tried all the same.
pub fn finish_leftovers(lake: &Path) -> io::Result<usize> {
    let (mut finished, mut failed) = (0, None);
    let mut folders = vec![folder(lake)];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                failed.get_or_insert(error);
                continue;
            }
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(&format!(".{FILE_END}{OPEN_END}")) {
                match finish(&path) {
                    Ok(()) => finished += 1,
                    Err(error) => drop(failed.get_or_insert(error)),
                }
            }
        }
    }
    failed.map_or(Ok(finished), Err)
}
