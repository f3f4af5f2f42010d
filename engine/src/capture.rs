//! Raw capture: writes the feeds' frames to files, and completes files that a killed run left
//! behind.
//!
//! The agent runs on its own cold thread. It takes frames from the feeds' rings and writes them as
//! lines `<receive ns> <frame>` into zstd files, one per connection and UTC hour. The stream is cut
//! into complete zstd frames at least every [`WRITE_INTERVAL`], so everything before the last cut
//! stays readable however the process ends. Frames that are lost because a ring or the disk is full
//! are counted, and a line in the stream marks the loss. `docs/formats.md` describes the format.

use crate::runtime::agent::{Agent, Report};
use crate::runtime::frame_ring::{Entry, Frame, FrameReceiver, Place};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use spreadwire_lake::{files, folder};
use spreadwire_market::clock::{Nanos, SECOND};
use spreadwire_market::counters::{Counter, Counters};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use zstd::bulk::Compressor;

/// Maximum time that lines wait in memory.
pub const WRITE_INTERVAL: Nanos = SECOND;
/// Maximum size of the lines that wait, bytes. A longer frame is written together with its line.
pub const BLOCK_BYTES: usize = 256 << 10;
/// Time until the next attempt after a failed write.
pub const RETRY_INTERVAL: Nanos = 5 * SECOND;

/// Compression level, the same as for the lake's columns.
const LEVEL: i32 = 1;
/// Maximum number of bytes taken from one ring in a duty cycle.
const BYTES_PER_CYCLE: usize = 4 << 20;
/// A file is closed this long after its hour has ended, even if no frame of the next hour has
/// arrived.
const HOUR_GRACE: Nanos = 10 * SECOND;
const HOUR: Nanos = 3_600 * SECOND;
/// Suffix of a file's name, and the suffix appended to that while the file is being written.
const FILE_END: &str = "frames.zst";
const OPEN_END: &str = ".open";

/// The frames of one feed.
#[derive(Debug)]
pub struct Source {
    /// The ring that the frames come from.
    pub frames: FrameReceiver,
    /// The feed's connections, indexed by their number in the feed.
    pub connections: Vec<ConnectionName>,
}

/// Name of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionName {
    /// Name of its venue.
    pub venue: String,
    /// Its number among the venue's connections.
    pub connection: usize,
    /// The line, where several carry the same symbols.
    pub line: usize,
}

/// The capture agent.
pub struct Capture {
    rings: Vec<(FrameReceiver, Vec<Stream>)>,
    desk: Desk,
}

impl std::fmt::Debug for Capture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Capture").field("rings", &self.rings).finish_non_exhaustive()
    }
}

/// State shared by all streams.
struct Desk {
    now: Nanos,
    /// Time from which the next loss in a ring is logged.
    warn_at: Nanos,
    compressor: Compressor<'static>,
    frames: Counter,
    bytes: Counter,
    dropped: Counter,
    written_bytes: Counter,
}

/// The frames of one connection, on their way to its files.
#[derive(Debug)]
struct Stream {
    lake: PathBuf,
    folder: PathBuf,
    /// Run and connection, as they appear in file names.
    stem: String,
    /// Number of the next file.
    number: u64,
    /// Hour of the lines' receive times, counted since 1970.
    hour: u64,
    lines: Lines,
    file: Option<OpenFile>,
    /// Number of lost frames that no line reports yet.
    owed: u64,
    owed_since: Nanos,
    /// Nothing is written before this time, because a write failed.
    retry_at: Nanos,
}

/// Lines that wait to be written.
#[derive(Debug, Default)]
struct Lines {
    text: Vec<u8>,
    frames: u64,
    bytes: u64,
    /// Number of frames that the loss lines among them report.
    lost: u64,
    /// Receive time of the first line.
    first: Nanos,
    /// Time at which the first line was added.
    since: Nanos,
}

#[derive(Debug)]
struct OpenFile {
    file: File,
    path: PathBuf,
    /// End of the last complete zstd frame in the file, bytes.
    whole: u64,
}

impl Capture {
    /// Creates an agent that writes into `<lake>/capture`. `run` identifies the run in file names.
    ///
    /// # Errors
    /// If zstd cannot create a compression context.
    pub fn new(
        sources: Vec<Source>,
        lake: &Path,
        run: &str,
        counters: &Counters,
    ) -> io::Result<Capture> {
        let stream = |origin: &ConnectionName| Stream::new(lake, run, origin);
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
                "cannot write the end of the capture: no file tells of {untold} missing frames"
            ));
        }
    }
}

impl Desk {
    /// Counts frames lost because the ring was full, and logs that at most once per
    /// [`WRITE_INTERVAL`].
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
    fn new(lake: &Path, run: &str, origin: &ConnectionName) -> Stream {
        Stream {
            lake: lake.to_owned(),
            folder: folder(lake).join(format!("exchange={}", origin.venue.replace('-', "_"))),
            stem: match origin {
                ConnectionName { connection, line: 0, .. } => format!("{run}-{connection}"),
                ConnectionName { connection, line, .. } => format!("{run}-{connection}.{line}"),
            },
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

    /// Adds a line that reports the lost frames.
    fn tell_losses(&mut self, desk: &Desk) {
        if self.owed == 0 {
            return;
        }
        self.lines.begin(self.owed_since, desk.now);
        self.lines.text.extend(format!("{} #lost {}\n", self.owed_since, self.owed).bytes());
        self.lines.lost += std::mem::take(&mut self.owed);
    }

    /// Writes lines that have waited long enough, and closes the file of an hour that is over.
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

    /// Writes everything that is left, even if an earlier attempt failed.
    fn end(&mut self, desk: &mut Desk) {
        self.tell_losses(desk);
        self.write(desk);
        self.close();
    }

    /// Writes the lines as one complete zstd frame. If that fails, their frames are counted as lost
    /// and the file ends before them.
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
                    "{frames} frames and later ones NOT captured in {}: {error}; retrying in {} s",
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

    /// Appends a block to the file and returns the number of bytes written.
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
        // Every time in range is within the calendar; the default, 1970, is never used.
        let hour = jiff::Timestamp::from_second(second).unwrap_or_default();
        let folder = self.folder.join(hour.strftime("date=%Y-%m-%d").to_string());
        folder::create_in(&self.lake, &folder)?;
        let name = format!("{}-{:06}.{FILE_END}{OPEN_END}", self.stem, self.number);
        let path = folder.join(name);
        let file = files::create_new(&path)?;
        self.number += 1;
        Ok(OpenFile { file, path, whole: 0 })
    }

    /// Truncates the file to its last complete zstd frame after a failed write.
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
            tracing::warn!(target: "capture", "cannot rename {}: {error}", open.path.display());
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

/// Appends the line of a frame and returns the frame's length in bytes.
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

/// Renames a file to its final name, or removes it if it is empty.
fn finish(open: &Path) -> io::Result<()> {
    if fs::metadata(open)?.len() == 0 {
        return fs::remove_file(open);
    }
    let name = open.to_string_lossy();
    let path = PathBuf::from(name.trim_end_matches(OPEN_END));
    if path.exists() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "a file with the final name exists already",
        ));
    }
    fs::rename(open, path)
}

/// Renames the files that a killed run left in the lake to their final names, under which readers
/// find them, and returns their number. A truncated last zstd frame is kept: readers use the
/// complete ones.
///
/// # Errors
/// The first error of a folder or a file. The remaining files are still processed.
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
