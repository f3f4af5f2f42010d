//! Problems in files that people write, and how such files are read.
//!
//! A [`Problem`] says what is wrong, where, and how to correct it. A [`Form`] reads TOML into plain
//! fields. Every unknown key is a problem of its own, with the nearest known key as a suggestion,
//! so that all problems are reported at once. [`Faults`] collects the problems that are found when
//! the values are checked.

use crate::known_keys::KnownKeys;
use serde::de::DeserializeOwned;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// A problem in a file, with its place and remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Path of the file.
    pub file: PathBuf,
    /// Key with the problem: `threads[1].cpu`; empty for the file as a whole.
    pub key: String,
    /// What is wrong, including the value.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: ", self.file.display())?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}; {}", self.reason, self.remedy)
    }
}

/// Collects problems, each with the file being checked.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    file: PathBuf,
    list: Vec<Problem>,
}

impl Faults {
    /// Starts with a file, and with the problems that were found when reading it.
    #[must_use]
    pub fn new(file: &Path, list: Vec<Problem>) -> Faults {
        Faults { file: file.to_owned(), list }
    }

    /// Adds a problem of the file being checked.
    pub fn add(&mut self, key: &str, reason: impl Into<String>, remedy: impl Into<String>) {
        let (reason, remedy) = (reason.into(), remedy.into());
        self.list.push(Problem { file: self.file.clone(), key: key.to_owned(), reason, remedy });
    }

    /// Adds problems that were found elsewhere.
    pub fn extend(&mut self, problems: Vec<Problem>) {
        self.list.extend(problems);
    }

    /// Adds a problem if a value is outside its range, which includes both ends.
    pub fn within<T: PartialOrd + std::fmt::Display + Copy>(
        &mut self,
        key: &str,
        value: T,
        range: RangeInclusive<T>,
    ) {
        if !range.contains(&value) {
            let remedy = format!("choose {} to {}", range.start(), range.end());
            self.add(key, format!("{value} is out of range"), remedy);
        }
    }

    /// Runs `look` with another file as the one being checked, if one is given.
    pub fn in_file<R>(&mut self, file: Option<&Path>, look: impl FnOnce(&mut Faults) -> R) -> R {
        let Some(file) = file else { return look(self) };
        let before = std::mem::replace(&mut self.file, file.to_owned());
        let seen = look(self);
        self.file = before;
        seen
    }

    /// Returns the number of problems so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Returns whether there is no problem so far.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Returns all problems in the order in which they were found.
    #[must_use]
    pub fn into_list(self) -> Vec<Problem> {
        self.list
    }
}

/// How problems of this kind of file are reported.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// Hint for a user who has no such file yet.
    pub start: &'static str,
    /// Document that describes every key.
    pub document: &'static str,
    /// Keys of earlier versions, without list indexes, each with what to do instead.
    pub gone: &'static [(&'static str, &'static str)],
}

impl Form {
    /// Reads and parses a file. Appends every problem found to `problems`; does not check what the
    /// values mean. Returns `None` if the file could not be parsed.
    pub fn read<T: DeserializeOwned>(&self, path: &Path, problems: &mut Vec<Problem>) -> Option<T> {
        let text = self.text(path, problems)?;
        self.parse(path, &text, problems)
    }

    /// Reads the text of a file. If it cannot be read, adds a problem and returns `None`.
    pub fn text(&self, path: &Path, problems: &mut Vec<Problem>) -> Option<String> {
        std::fs::read_to_string(path)
            .map_err(|error| {
                let remedy = format!("name a readable TOML file; {}", self.start);
                let reason = format!("cannot be read: {error}");
                problems.push(Problem {
                    file: path.to_owned(),
                    key: String::new(),
                    reason,
                    remedy,
                });
            })
            .ok()
    }

    /// Parses the text of a file, as [`read`](Form::read) does.
    pub fn parse<T: DeserializeOwned>(
        &self,
        path: &Path,
        text: &str,
        problems: &mut Vec<Problem>,
    ) -> Option<T> {
        let mut faults = Faults::new(path, Vec::new());
        let known = KnownKeys::of::<T>();
        let (read, unknown) = match parse(text) {
            Ok((value, unknown)) => (Ok(value), unknown),
            Err(error) => (Err(error), unknown_of(text, &known)),
        };
        for key in unknown {
            match self.gone.iter().find(|(gone, _)| *gone == without_places(&key)) {
                Some((_, remedy)) => faults.add(&key, "there is no such key any more", *remedy),
                None => faults.add(&key, "no such key", self.nearest(&key, &known)),
            }
        }
        let read = read.map_err(|error| {
            let line = error.span().map_or(0, |s| text[..s.start].matches('\n').count() + 1);
            let key = if line == 0 { String::new() } else { format!("line {line}") };
            let reason = error.message().trim().replace('\n', ", ");
            faults.add(&key, reason, format!("correct the line; {} has every key", self.document));
        });
        problems.extend(faults.into_list());
        read.ok()
    }

    /// Suggests the nearest of the keys with the same parent, compared by the last part.
    fn nearest(&self, key: &str, known: &KnownKeys) -> String {
        let key = without_places(key);
        let last = key.rsplit('.').next().unwrap_or(&key);
        let likeness = |known: &str| strsim::jaro_winkler(known, last);
        let close = known.beside(&key).max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        match close {
            Some(near) if likeness(near) > 0.8 => format!("did you mean `{near}`?"),
            _ => format!("remove it; {} has every key", self.document),
        }
    }
}

/// Returns the unknown keys of a text that is valid TOML but does not have the expected fields. A
/// missing key is often a misspelt one.
fn unknown_of(text: &str, known: &KnownKeys) -> Vec<String> {
    let mut unknown = Vec::new();
    if let Ok(table) = text.parse::<toml::Table>() {
        walk(&toml::Value::Table(table), "", known, &mut unknown);
    }
    unknown
}

fn walk(value: &toml::Value, path: &str, known: &KnownKeys, unknown: &mut Vec<String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let key = without_places(&path);
                if !known.contains(&key) {
                    unknown.push(path);
                } else if !known.is_free(&key) {
                    walk(value, &path, known, unknown);
                }
            }
        }
        toml::Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                walk(item, &format!("{path}[{number}]"), known, unknown);
            }
        }
        toml::Value::String(_)
        | toml::Value::Integer(_)
        | toml::Value::Float(_)
        | toml::Value::Boolean(_)
        | toml::Value::Datetime(_) => {}
    }
}

/// Removes the list indexes from a key: `threads[0].cpu` becomes `threads.cpu`.
fn without_places(key: &str) -> String {
    let part = |part: &str| part.split('[').next().unwrap_or(part).to_owned();
    key.split('.').map(part).collect::<Vec<_>>().join(".")
}

/// Parses a text and returns its value with the unknown keys.
///
/// # Errors
/// The first error of syntax or type.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<(T, Vec<String>), toml::de::Error> {
    let mut unknown = Vec::new();
    let deserializer = toml::Deserializer::parse(text)?;
    let value = serde_ignored::deserialize(deserializer, |path| unknown.push(key_of(&path)))?;
    Ok((value, unknown))
}

/// Formats a key the way people write it: `threads.0.cpu` becomes `threads[0].cpu`.
fn key_of(path: &serde_ignored::Path<'_>) -> String {
    let mut key = String::new();
    for part in path.to_string().split('.').filter(|part| *part != "?") {
        if part.bytes().all(|b| b.is_ascii_digit()) {
            key.push_str(&format!("[{part}]"));
        } else {
            if !key.is_empty() {
                key.push('.');
            }
            key.push_str(part);
        }
    }
    key
}
