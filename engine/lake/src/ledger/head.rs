//! The head of a lake: which runs it has, and where the chain of each one ends.
//!
//! The chain of a run cannot tell that all of the run was removed. The head can: a small JSON file
//! that names every run when it begins, and once more when it has ended. Whoever could change the
//! lake could change its head too, so a copy kept elsewhere, or signed, proves more. The head is
//! written by whoever holds the recording lock.

use super::chain::Hash;
use super::{Book, Entry};
use crate::folder;
use crate::layout;
use crate::table::{TableError, io_error};
use serde_json::{Map, Value, json};
use spreadwire_market::clock::Nanos;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// Version of the head's format.
const VERSION: u64 = 1;

/// A file of a run's chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Its number in the chain.
    pub serial: u64,
    /// The digest of its entries.
    pub hash: Hash,
}

/// The runs of a lake, each with the last file of its chain that the head knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// By name of the run.
    pub runs: BTreeMap<String, Tip>,
}

impl Head {
    /// Reads the head of a lake. A lake that has none has no runs of this version.
    ///
    /// # Errors
    /// If it cannot be read, or is no head that this version knows.
    pub fn read(lake: &Path) -> Result<Option<Head>, TableError> {
        let path = lake.join(layout::HEAD);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(io_error("read", &path, source)),
        };
        let foreign = || TableError::Foreign {
            path: path.clone(),
            why: "it is not a head of this version".to_owned(),
        };
        let value = serde_json::from_slice(&bytes).map_err(|_| foreign())?;
        Head::of_json(&value).map(Some).ok_or_else(foreign)
    }

    /// Writes entries into a run's ledger, and into the head that its chain ends there.
    pub(crate) fn write(
        book: &Book,
        what: &str,
        time: Nanos,
        entries: &[Entry],
    ) -> Result<(), TableError> {
        let Some((serial, hash)) = book.write(what, time, entries)? else { return Ok(()) };
        let mut head = Head::read(book.lake())?.unwrap_or_default();
        head.runs.insert(book.run().to_string(), Tip { serial, hash });
        head.put(book.lake())
    }

    /// Writes into the head where a run's chain ends, unless the head knows that already.
    pub(crate) fn follow(book: &Book) -> Result<(), TableError> {
        let Some((serial, hash)) = book.tip()? else { return Ok(()) };
        let tip = Tip { serial, hash };
        let mut head = Head::read(book.lake())?.unwrap_or_default();
        if head.runs.insert(book.run().to_string(), tip) == Some(tip) {
            return Ok(());
        }
        head.put(book.lake())
    }

    fn put(&self, lake: &Path) -> Result<(), TableError> {
        let path = lake.join(layout::HEAD);
        let text = format!("{:#}\n", self.to_json());
        let unfinished = lake.join(layout::UNFINISHED_HEAD);
        folder::replace(&unfinished, &path, |mut file| file.write_all(text.as_bytes()))
            .map_err(|source| io_error("write", &path, source))
    }

    /// Returns the head as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let tip = |(run, tip): (&String, &Tip)| {
            (run.clone(), json!({"serial": tip.serial, "sha256": tip.hash.to_string()}))
        };
        json!({"format": VERSION, "runs": self.runs.iter().map(tip).collect::<Map<_, _>>()})
    }

    /// Returns the head that JSON holds.
    #[must_use]
    pub fn of_json(value: &Value) -> Option<Head> {
        if value["format"].as_u64()? != VERSION {
            return None;
        }
        let tip = |(run, tip): (&String, &Value)| {
            let hash = Hash::parse(tip["sha256"].as_str()?)?;
            Some((run.clone(), Tip { serial: tip["serial"].as_u64()?, hash }))
        };
        let runs = value["runs"].as_object()?.iter().map(tip).collect::<Option<_>>()?;
        Some(Head { runs })
    }
}

#[cfg(test)]
mod tests {
    use super::super::EntryKind;
    use super::*;
    use crate::run::RunId;

    #[test]
    fn the_head_names_every_run_with_the_end_of_its_chain() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(Head::read(home.path()).unwrap(), None);
        let mut tips = Vec::new();
        for name in ["a", "b"] {
            let book = Book::begin(home.path(), RunId::new(name).unwrap());
            Head::write(&book, "started", 5, &[Entry::new(EntryKind::Started, 5)]).unwrap();
            let head = Head::read(home.path()).unwrap().unwrap();
            assert_eq!(head.runs[name].serial, 0);
            tips.push(head.runs[name]);
        }
        let book = Book::resume(home.path(), RunId::new("old").unwrap(), 2);
        Head::write(&book, "started", 5, &[Entry::new(EntryKind::Started, 5)]).unwrap();
        let head = Head::read(home.path()).unwrap().unwrap();
        assert_eq!(head.runs.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!([head.runs["a"], head.runs["b"]], tips[..]);
        assert_ne!(tips[0].hash, tips[1].hash);
        assert!(!home.path().join(layout::UNFINISHED_HEAD).exists());
    }

    #[test]
    fn what_is_no_head_is_an_error_and_not_an_empty_one() {
        let home = tempfile::tempdir().unwrap();
        for text in ["", "{}", r#"{"format":2,"runs":{}}"#, r#"{"format":1,"runs":{"a":{}}}"#] {
            fs::write(home.path().join(layout::HEAD), text).unwrap();
            assert!(Head::read(home.path()).is_err(), "{text:?}");
        }
        fs::remove_file(home.path().join(layout::HEAD)).unwrap();
        assert_eq!(Head::read(home.path()).unwrap(), None);
        // Also root may not look into a loop of links.
        std::os::unix::fs::symlink(layout::HEAD, home.path().join(layout::HEAD)).unwrap();
        assert!(Head::read(home.path()).is_err(), "it cannot be seen");
    }
}
