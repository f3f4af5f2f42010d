//! Recorded frames: lines `<ns> <frame as the venue sent it>`, plain or gzip, merged by time.
//!
//! The bytes of a frame are not touched here. Must not know what is in them.

use std::io::{BufRead as _, BufReader, Read};
use std::path::PathBuf;

use crate::SimError;
use crate::tape::unzipped;

/// The longest line accepted, in bytes; a full depth snapshot is well below.
const LINE_LEN_MAX: u64 = 16 << 20;

/// Which recordings are played, and by which venues.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FramesOptions {
    /// The simulated venue and a file of its frames; several files are merged by time.
    pub files: Vec<(String, PathBuf)>,
}

/// One recorded frame.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line {
    pub(crate) at_ns: u64,
    /// Index of the simulated venue.
    pub(crate) venue: usize,
    pub(crate) frame: String,
}

/// The lines of several files by time; at equal times in the order the files were given.
#[derive(Debug)]
pub(crate) struct Merged {
    heads: Vec<Head>,
}

struct Head {
    path: PathBuf,
    number: u64,
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
    /// Opens the files at their beginning. `venues` are the simulated ones.
    pub(crate) fn open(options: &FramesOptions, venues: &[&str]) -> Result<Merged, SimError> {
        let mut heads = Vec::new();
        for (name, path) in &options.files {
            let Some(venue) = venues.iter().position(|venue| venue == name) else {
                return Err(SimError::Venue(name.clone()));
            };
            let mut head = Head {
                path: path.clone(),
                number: 0,
                reader: BufReader::new(unzipped(path)?),
                line: Line { venue, ..Line::default() },
                text: String::new(),
            };
            if head.read()? {
                heads.push(head);
            }
        }
        Ok(Merged { heads })
    }

    /// Takes the next line into `line`; false at the end.
    pub(crate) fn next(&mut self, line: &mut Line) -> Result<bool, SimError> {
        let earliest = self.heads.iter().enumerate().min_by_key(|(_, head)| head.line.at_ns);
        let Some(index) = earliest.map(|(index, _)| index) else { return Ok(false) };
        let head = &mut self.heads[index];
        line.at_ns = head.line.at_ns;
        line.venue = head.line.venue;
        std::mem::swap(&mut line.frame, &mut head.line.frame);
        if !head.read()? {
            drop(self.heads.remove(index));
        }
        Ok(true)
    }
}

impl Head {
    fn read(&mut self) -> Result<bool, SimError> {
        self.text.clear();
        self.number += 1;
        let read = self.reader.by_ref().take(LINE_LEN_MAX).read_line(&mut self.text);
        let count = read
            .map_err(|source| SimError::File { path: self.path.display().to_string(), source })?;
        if count == 0 {
            return Ok(false);
        }
        let parsed = self.text.trim_end_matches(['\r', '\n']).split_once(' ');
        let parsed = parsed.and_then(|(ns, frame)| Some((ns.parse::<u64>().ok()?, frame)));
        let Some((at_ns, frame)) = parsed else {
            let path = self.path.display().to_string();
            let why = "expected <ns> <frame>".to_owned();
            return Err(SimError::Row { path, line: self.number, why });
        };
        self.line.at_ns = at_ns;
        self.line.frame.clear();
        self.line.frame.push_str(frame);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_merged_and_bytes_kept() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::write(&a, "10 {\"a\": 1}\n30 {\"a\": 3 }\n").expect("temporary file");
        std::fs::write(&b, "20 pong\n").expect("temporary file");
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
        std::fs::write(&file, "10 {}\noops\n").expect("temporary file");
        let options = FramesOptions { files: vec![("okx".into(), file)] };
        let mut merged = Merged::open(&options, &["okx"]).expect("first line is good");
        let problem = merged.next(&mut Line::default()).expect_err("second line is not");
        assert!(problem.to_string().contains("line 2"), "{problem}");
    }
}
