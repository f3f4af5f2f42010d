//! What is wrong with a file that a person writes, where, and what would be right; and how such a
//! file is read.
//!
//! A [`Form`] reads TOML into plain fields. Every key that nobody asked for is a problem of its own,
//! with the nearest known one, so that all of them are reported at once. It must not know what any
//! key means.

use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// Something wrong with a file, where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// The key: `threads[1].cpu`; empty for the file as a whole.
    pub key: String,
    /// What is wrong, with the value.
    pub reason: String,
    /// What would be right.
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

/// What is known of a kind of file before it is read.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// All keys that a file may hold, for "did you mean".
    pub keys: &'static [&'static str],
    /// The one key below which the writer names the keys.
    pub free: &'static str,
    /// What to start from when there is no file.
    pub start: &'static str,
    /// The document that has every key.
    pub document: &'static str,
}

impl Form {
    /// Reads a file. Every problem of reading and parsing is appended to `problems`; what the values
    /// mean is not looked at. `None` if there is nothing to look at.
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
                let remedy = format!("mend the line; {} has every key", self.document);
                add(problems, &key, reason, remedy);
                None
            }
        }
    }

    /// Keys that nobody asked for, of a text that is TOML but does not have the right shape: a key
    /// that is missing is often one that is misspelt.
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

    /// "Did you mean", for the last part of a key.
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

/// Parses a text; the keys that nobody asked for come beside.
///
/// # Errors
/// The first error of syntax or type.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<(T, Vec<String>), toml::de::Error> {
    let mut unknown = Vec::new();
    let deserializer = toml::Deserializer::parse(text)?;
    let value = serde_ignored::deserialize(deserializer, |path| unknown.push(key_of(&path)))?;
    Ok((value, unknown))
}

/// `threads.0.cpu` as people write it: `threads[0].cpu`.
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
