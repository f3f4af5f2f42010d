//! Problems in files that people write, and how such files are read.
//!
//! A [`Problem`] says what is wrong, where, and how to correct it. A [`Form`] reads TOML into plain
//! fields. Every unknown key is a problem of its own, with the nearest known key as a suggestion,
//! so that all problems are reported at once.

use serde::de::DeserializeOwned;
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

/// Description of a kind of file, needed to read it and to report its problems.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// All known keys, for "did you mean".
    pub keys: &'static [&'static str],
    /// Key below which users choose the names of the keys.
    pub free: &'static str,
    /// Hint for a user who has no such file yet.
    pub start: &'static str,
    /// Document that describes every key.
    pub document: &'static str,
}

impl Form {
    /// Reads and parses a file. Appends every problem found to `problems`; does not check what the
    /// values mean. Returns `None` if the file could not be parsed.
    pub fn read<T: DeserializeOwned>(&self, path: &Path, problems: &mut Vec<Problem>) -> Option<T> {
        let add = |problems: &mut Vec<Problem>, key: &str, reason: String, remedy: String| {
            let (file, key) = (path.to_owned(), key.to_owned());
            problems.push(Problem { file, key, reason, remedy });
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                let remedy = format!("name a readable TOML file; {}", self.start);
                add(problems, "", format!("cannot be read: {error}"), remedy);
                return None;
            }
        };
        let (read, unknown) = match parse(&text) {
            Ok((value, unknown)) => (Ok(value), unknown),
            Err(error) => (Err(error), self.unknown_of(&text)),
        };
        for key in unknown {
            add(problems, &key, "no such key".to_owned(), self.nearest(&key));
        }
        match read {
            Ok(value) => Some(value),
            Err(error) => {
                let line = error.span().map_or(0, |s| text[..s.start].matches('\n').count() + 1);
                let key = if line == 0 { String::new() } else { format!("line {line}") };
                let reason = error.message().trim().replace('\n', ", ");
                let remedy = format!("correct the line; {} has every key", self.document);
                add(problems, &key, reason, remedy);
                None
            }
        }
    }

    /// Returns the unknown keys of a text that is valid TOML but does not have the expected fields.
    /// A missing key is often a misspelt one.
    fn unknown_of(&self, text: &str) -> Vec<String> {
        let mut unknown = Vec::new();
        if let Ok(table) = text.parse::<toml::Table>() {
            self.walk(&toml::Value::Table(table), "", &mut unknown);
        }
        unknown
    }

    fn walk(&self, value: &toml::Value, path: &str, unknown: &mut Vec<String>) {
        match value {
            toml::Value::Table(table) => {
                for (key, value) in table {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    if !self.keys.contains(&key.as_str()) {
                        unknown.push(path);
                    } else if key != self.free {
                        self.walk(value, &path, unknown);
                    }
                }
            }
            toml::Value::Array(items) => {
                for (number, item) in items.iter().enumerate() {
                    self.walk(item, &format!("{path}[{number}]"), unknown);
                }
            }
            toml::Value::String(_)
            | toml::Value::Integer(_)
            | toml::Value::Float(_)
            | toml::Value::Boolean(_)
            | toml::Value::Datetime(_) => {}
        }
    }

    /// Suggests the nearest known key, compared by its last part.
    fn nearest(&self, key: &str) -> String {
        let last = key.rsplit('.').next().unwrap_or(key);
        let likeness = |known: &str| strsim::jaro_winkler(known, last);
        let close = self.keys.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        match close {
            Some(known) if likeness(known) > 0.8 && *known != last => {
                format!("did you mean `{known}`?")
            }
            _ => format!("remove it; {} has every key", self.document),
        }
    }
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
