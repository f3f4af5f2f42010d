//! Recorded frames: files of lines `<ns> <frame as the venue sent it>`, merged by time.
//!
//! A file is plain, gzip or zstd. The bytes of a frame are not changed. In an engine's capture, a
//! line with a `#` after the time is a frame in another encoding or tells what is missing
//! (`docs/formats.md`). A zstd file that breaks off, because its writer was killed, ends with its
//! last complete line.

use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::SimError;
use crate::recording;
use crate::venue::{Form, Venue};
use crate::venues::by_name;

/// Length of the longest line accepted, in bytes: a message of 16 MiB in base64, and its time.
const LINE_LEN_MAX: u64 = 32 << 20;

/// Endings of the names of files of frames. The last one is that of a file that is still being
/// written.
const ENDINGS: [&str; 4] = [".frames", ".frames.gz", ".frames.zst", ".frames.zst.open"];

/// Which recordings are played, and which venues play them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FramesOptions {
    /// Simulated venue, and a file of its frames or a folder of such files and folders. All files
    /// are merged by time.
    pub files: Vec<(String, PathBuf)>,
}

impl FramesOptions {
    /// Returns the recordings of `venues` in an engine's capture, the folder `<lake>/capture`. A
    /// venue's folder in it is `exchange=<venue>`, with `_` for `-`. Venues without a folder are
    /// left out.
    ///
    /// # Errors
    ///
    /// If none of the venues has a folder.
    pub fn captured(folder: &Path, venues: &[&str]) -> Result<FramesOptions, SimError> {
        let place = |venue: &&str| folder.join(format!("exchange={}", venue.replace('-', "_")));
        let found = venues.iter().map(|venue| ((*venue).to_owned(), place(venue)));
        let files: Vec<_> = found.filter(|(_, path)| path.is_dir()).collect();
        if files.is_empty() {
            let why = format!("{} has no frames of {}", folder.display(), venues.join(", "));
            return Err(SimError::Option(why));
        }
        Ok(FramesOptions { files })
    }
}

/// One recorded frame.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line {
    pub(crate) at_ns: u64,
    /// Index of the simulated venue.
    pub(crate) venue: usize,
    pub(crate) frame: String,
}

/// Numbers of frames of a recording that cannot be played.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Missing {
    /// Frames that the recording says it lacks.
    pub(crate) lost: u64,
    /// Binary frames of venues that send text, and damaged ones.
    pub(crate) binary: u64,
}

/// The lines of several files, ordered by time and, at equal times, by file. A file is opened only
/// when its first line is due, so that of a long recording only the files that overlap are open at
/// once.
#[derive(Debug)]
pub(crate) struct Merged {
    /// Files that are not open yet, the earliest last.
    later: Vec<Later>,
    heads: Vec<Head>,
    missing: Missing,
}

#[derive(Debug)]
struct Later {
    first_ns: u64,
    order: usize,
    venue: usize,
    form: Form,
    path: PathBuf,
}

struct Head {
    path: PathBuf,
    order: usize,
    number: u64,
    /// How the venue sends its messages.
    form: Form,
    /// Whether a last line without a line feed is incomplete.
    may_break_off: bool,
    reader: BufReader<Box<dyn Read + Send>>,
    line: Line,
    text: String,
}

impl std::fmt::Debug for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Head").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Merged {
    /// Opens the recordings for the simulated `venues`. Reads the first line of each file.
    pub(crate) fn open(options: &FramesOptions, venues: &[&str]) -> Result<Merged, SimError> {
        let mut later = Vec::new();
        for (name, path) in &options.files {
            let Some(venue) = venues.iter().position(|venue| venue == name) else {
                return Err(SimError::Venue(name.clone()));
            };
            for path in files(path)? {
                let order = later.len();
                let form = by_name(name).map_or(Form::Text, Venue::form);
                let mut head = Head::open(&path, order, venue, form)?;
                // A file without a frame to play may still tell of lost frames.
                let has_first = head.read(&mut Missing::default())?;
                let first_ns = if has_first { head.line.at_ns } else { u64::MAX };
                later.push(Later { first_ns, order, venue, form, path });
            }
        }
        later.sort_by_key(|file| std::cmp::Reverse((file.first_ns, file.order)));
        Ok(Merged { later, heads: Vec::new(), missing: Missing::default() })
    }

    /// Returns the numbers of frames, up to here, that cannot be played.
    pub(crate) fn missing(&self) -> Missing {
        self.missing
    }

    /// Reads the next line into `line`. Returns false at the end.
    pub(crate) fn next(&mut self, line: &mut Line) -> Result<bool, SimError> {
        self.open_due()?;
        let time = |(_, head): &(usize, &Head)| (head.line.at_ns, head.order);
        let Some((index, _)) = self.heads.iter().enumerate().min_by_key(time) else {
            return Ok(false);
        };
        let head = &mut self.heads[index];
        line.at_ns = head.line.at_ns;
        line.venue = head.line.venue;
        std::mem::swap(&mut line.frame, &mut head.line.frame);
        if !head.read(&mut self.missing)? {
            drop(self.heads.remove(index));
        }
        Ok(true)
    }

    /// Opens the files whose first line is not later than the earliest line of the open files.
    fn open_due(&mut self) -> Result<(), SimError> {
        loop {
            let earliest = self.heads.iter().map(|head| head.line.at_ns).min();
            let is_due = |file: &mut Later| earliest.is_none_or(|at_ns| file.first_ns <= at_ns);
            let Some(file) = self.later.pop_if(is_due) else { return Ok(()) };
            let mut head = Head::open(&file.path, file.order, file.venue, file.form)?;
            if head.read(&mut self.missing)? {
                self.heads.push(head);
            }
        }
    }
}

/// Returns `path` if it is a file, or all files of frames in the folder and its subfolders, by
/// path.
fn files(path: &Path) -> Result<Vec<PathBuf>, SimError> {
    let failed = |source| SimError::file(path, source);
    if !fs::metadata(path).map_err(failed)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let (mut files, mut folders) = (Vec::new(), vec![path.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).map_err(failed)? {
            let found = entry.map_err(failed)?.path();
            let name = found.to_string_lossy();
            if found.is_dir() {
                folders.push(found);
            } else if ENDINGS.iter().any(|ending| name.ends_with(ending)) {
                files.push(found);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The meaning of a line.
enum Parsed {
    Frame,
    Lost(u64),
    Binary,
}

impl Head {
    fn open(path: &Path, order: usize, venue: usize, form: Form) -> Result<Head, SimError> {
        let is_zstd = recording::is_zstd(path);
        let reader = if is_zstd { recording::open_zstd(path)? } else { recording::open(path)? };
        Ok(Head {
            path: path.to_owned(),
            order,
            number: 0,
            form,
            may_break_off: is_zstd,
            reader: BufReader::new(reader),
            line: Line { venue, ..Line::default() },
            text: String::new(),
        })
    }

    /// Reads the next frame to play. Returns false at the end.
    fn read(&mut self, missing: &mut Missing) -> Result<bool, SimError> {
        while self.read_text()? {
            match self.parse() {
                Ok(Parsed::Frame) => return Ok(true),
                Ok(Parsed::Lost(count)) => missing.lost += count,
                Ok(Parsed::Binary) => missing.binary += 1,
                Err(why) => {
                    return Err(SimError::row(&self.path, self.number, &why));
                }
            }
        }
        Ok(false)
    }

    /// Reads the next line into `self.text`. Returns false at the end.
    fn read_text(&mut self) -> Result<bool, SimError> {
        self.text.clear();
        self.number += 1;
        let read = self.reader.by_ref().take(LINE_LEN_MAX).read_line(&mut self.text);
        let count = read.map_err(|source| SimError::file(&self.path, source))?;
        let breaks_off = self.may_break_off && !self.text.ends_with('\n');
        Ok(0 < count && !breaks_off)
    }

    /// Parses `self.text` and puts a frame into `self.line`.
    fn parse(&mut self) -> Result<Parsed, String> {
        let text = self.text.trim_end_matches(['\r', '\n']);
        let parsed = text.split_once(' ');
        let parsed = parsed.and_then(|(ns, frame)| Some((ns.parse::<u64>().ok()?, frame)));
        let (at_ns, frame) =
            parsed.ok_or("expected <ns> <frame>, the time in ns and a space before the frame")?;
        let line = &mut self.line;
        line.at_ns = at_ns;
        line.frame.clear();
        let Some(mark) = frame.strip_prefix('#') else {
            line.frame.push_str(frame);
            return Ok(Parsed::Frame);
        };
        match mark.split_once(' ') {
            Some(("lost", count)) => {
                count.parse().map(Parsed::Lost).map_err(|_| "expected #lost <count>".to_owned())
            }
            Some(("binary", coded)) => {
                let bytes = STANDARD.decode(coded).map_err(|problem| problem.to_string())?;
                match self.form.text(&bytes) {
                    Some(text) => line.frame = text,
                    None => return Ok(Parsed::Binary),
                }
                Ok(Parsed::Frame)
            }
            Some(("text", coded)) => {
                let bytes = STANDARD.decode(coded).map_err(|problem| problem.to_string())?;
                line.frame = String::from_utf8(bytes).map_err(|problem| problem.to_string())?;
                Ok(Parsed::Frame)
            }
            Some(_) | None => Err("expected #lost, #text or #binary".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tungstenite::Message;

    #[test]
    fn binary_frames_are_played_as_their_venue_sends_them() {
        let folder = tempfile::tempdir().expect("temporary folder");
        for (venue, form, frame) in [
            ("htx", Form::Gzip, r#"{"ch":"market.btcusdt.bbo","ts":1}"#),
            ("kucoin", Form::Binary, r#"{"T":"obu.SPOT","é":1}"#),
            ("mexc", Form::Protobuf, "\n\u{3}abc0\u{96}\u{1}\u{da}\u{13}\0"),
        ] {
            let Message::Binary(bytes) = form.message(frame) else { panic!("{venue}") };
            let text = format!("5 #binary {}\n", STANDARD.encode(&bytes));
            let file = folder.path().join(venue);
            fs::write(&file, format!("{text}6 #binary /w==\n")).expect("temporary file");
            let options = FramesOptions { files: vec![(venue.into(), file)] };
            let mut merged = Merged::open(&options, &[venue]).expect("good file");
            let mut line = Line::default();
            assert!(merged.next(&mut line).expect("good file"), "{venue}");
            assert_eq!((line.at_ns, line.frame.as_str()), (5, frame), "{venue}");
            // One byte is a message of protobuf as good as any.
            let is_damaged = form != Form::Protobuf;
            assert_eq!(merged.missing().binary, u64::from(is_damaged), "{venue}");
        }
    }

    #[test]
    fn lines_are_merged_and_bytes_kept() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&a, "10 {\"a\": 1}\n30 {\"a\": 3 }\n").expect("temporary file");
        fs::write(&b, "20 pong\n").expect("temporary file");
        let options = FramesOptions { files: vec![("okx".into(), a), ("bybit".into(), b)] };
        let mut merged = Merged::open(&options, &["bybit", "okx"]).expect("good files");
        let mut line = Line::default();
        let mut seen = Vec::new();
        while merged.next(&mut line).expect("good files") {
            seen.push((line.at_ns, line.venue, line.frame.clone()));
        }
        assert_eq!(
            seen,
            [
                (10, 1, "{\"a\": 1}".to_owned()),
                (20, 0, "pong".to_owned()),
                (30, 1, "{\"a\": 3 }".to_owned())
            ]
        );
    }

    #[test]
    fn a_line_without_a_time_is_named() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let file = folder.path().join("a");
        fs::write(&file, "10 {}\noops\n").expect("temporary file");
        let options = FramesOptions { files: vec![("okx".into(), file)] };
        let mut merged = Merged::open(&options, &["okx"]).expect("first line is good");
        let problem = merged.next(&mut Line::default()).expect_err("second line is not");
        assert!(problem.to_string().contains("line 2"), "{problem}");
    }

    fn read_all(options: &FramesOptions) -> (Vec<(u64, usize, String)>, Missing) {
        let mut merged = Merged::open(options, &["bybit", "okx"]).expect("good files");
        let (mut line, mut seen) = (Line::default(), Vec::new());
        while merged.next(&mut line).expect("good files") {
            seen.push((line.at_ns, line.venue, line.frame.clone()));
        }
        (seen, merged.missing())
    }

    /// Zstd frames one behind the other.
    fn zipped(parts: &[&str]) -> Vec<u8> {
        let zip = |part: &&str| zstd::bulk::compress(part.as_bytes(), 1).expect("memory");
        parts.iter().flat_map(zip).collect()
    }

    #[test]
    fn a_capture_of_many_files_plays_as_one_stream_and_tells_what_it_lacks() {
        let lake = tempfile::tempdir().expect("temporary folder");
        let write = |path: &str, parts: &[&str]| {
            let path = lake.path().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("temporary folder");
            fs::write(path, zipped(parts)).expect("temporary file");
        };
        write("exchange=okx/date=2024-08-09/b-0-000000.frames.zst", &["40 d\n50 #lost 2\n"]);
        write("exchange=okx/date=2024-08-08/a-0-000001.frames.zst", &["30 c\n", "35 e\n"]);
        write(
            "exchange=okx/date=2024-08-08/a-0-000000.frames.zst",
            &["7 #lost 3\n10 a\n", "20 b\n"],
        );
        // A frame with a line feed, and a frame that looks like a mark.
        let coded = "15 #text eAp5\n25 #text I2xvc3QgMQ==\n26 #binary AAE=\n";
        write("exchange=bybit/date=2024-08-08/a-0-000000.frames.zst.open", &[coded]);
        write("exchange=bybit/date=2024-08-08/a-1-000000.frames.zst", &["9 #lost 4\n"]);
        write("exchange=kraken/date=2024-08-08/a-0-000000.frames.zst", &["1 x\n"]);
        let options = FramesOptions::captured(lake.path(), &["bybit", "okx"]).expect("is there");
        let (seen, missing) = read_all(&options);
        let expected = [
            (10, 1, "a"),
            (15, 0, "x\ny"),
            (20, 1, "b"),
            (25, 0, "#lost 1"),
            (30, 1, "c"),
            (35, 1, "e"),
            (40, 1, "d"),
        ];
        assert_eq!(seen, expected.map(|(at, venue, text)| (at, venue, text.to_owned())));
        assert_eq!(missing, Missing { lost: 9, binary: 1 });
        assert!(FramesOptions::captured(lake.path(), &["binance"]).is_err());
    }

    #[test]
    fn a_file_cut_anywhere_gives_the_whole_lines_before_the_cut() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("cut.frames.zst");
        let options = FramesOptions { files: vec![("okx".into(), path.clone())] };
        let parts = ["1 {\"a\":1}\n2 {\"a\":2}\n", "3 {\"a\":3}\n", "4 {\"a\":4}\n5 {\"a\":5}\n"];
        let whole = zipped(&parts);
        let ends: Vec<usize> = (1..=parts.len()).map(|n| zipped(&parts[..n]).len()).collect();
        for cut in 0..=whole.len() {
            fs::write(&path, &whole[..cut]).expect("temporary file");
            let (seen, _) = read_all(&options);
            let times: Vec<u64> = seen.iter().map(|(at_ns, ..)| *at_ns).collect();
            let sure = [2, 3, 5].into_iter().zip(&ends).filter(|(_, end)| **end <= cut);
            let sure = sure.map(|(count, _)| count).next_back().unwrap_or(0);
            assert!(times.iter().copied().eq(1..=times.len() as u64), "{cut}: {times:?}");
            assert!(sure <= times.len(), "{cut}: {times:?} lacks what is before");
            assert!(seen.iter().all(|(at, _, frame)| *frame == format!("{{\"a\":{at}}}")), "{cut}");
        }
    }

    #[test]
    fn a_mark_of_no_known_kind_is_named() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let file = folder.path().join("a.frames");
        fs::write(&file, "10 {}\n11 #new 1\n").expect("temporary file");
        let options = FramesOptions { files: vec![("okx".into(), file)] };
        let mut merged = Merged::open(&options, &["okx"]).expect("first line is good");
        let problem = merged.next(&mut Line::default()).expect_err("second line is not");
        assert!(problem.to_string().contains("line 2"), "{problem}");
    }
}
