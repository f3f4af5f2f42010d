//! The head of a lake: which runs it has, and where the chain of each one ends.
//!
//! The chain of a run cannot tell that all of the run was removed. The head can: a small JSON file
//! that names every run when it begins, and once more when it has ended. Whoever could change the
//! lake could change its head too, so a copy kept elsewhere, or signed, proves more. The head is
//! written by whoever holds the recording lock.

use super::chain::{Chain, Hash};
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
        let mut head = Head::read_or_put_aside(book)?;
        head.runs.insert(book.run().to_string(), Tip { serial, hash });
        head.put(book.lake())
    }

    /// Reads the head. A file that is none must not keep a run from recording: it is kept aside, and
    /// `lake verify` tells which runs are named no more.
    fn read_or_put_aside(book: &Book) -> Result<Head, TableError> {
        let lake = book.lake();
        match Head::read(lake) {
            Err(TableError::Foreign { path, .. }) => {
                let aside = lake.join(layout::DAMAGED);
                let kept = aside.join(format!("{}.{}", layout::HEAD, book.run()));
                let put = folder::create_in(lake, &aside);
                put.and_then(|()| folder::put_in_place(&path, &kept))
                    .map_err(|source| io_error("put aside", &path, source))?;
                Ok(Head::default())
            }
            read => Ok(read?.unwrap_or_default()),
        }
    }

    /// Adds the ends of chains that are whole, of runs that the head of a lake does not name. A head
    /// that is missing is made. Returns the names of those runs.
    ///
    /// # Errors
    /// If the head cannot be read or written, or is none.
    pub fn complete(
        lake: &Path,
        chains: &BTreeMap<String, Chain>,
    ) -> Result<Vec<String>, TableError> {
        let mut head = Head::read(lake)?.unwrap_or_default();
        let mut added = Vec::new();
        for (run, chain) in chains.iter().filter(|(_, chain)| chain.breaks().is_empty()) {
            if let (next, Some(hash)) = chain.tip()
                && !head.runs.contains_key(run)
            {
                head.runs.insert(run.clone(), Tip { serial: next - 1, hash });
                added.push(run.clone());
            }
        }
        if !added.is_empty() {
            head.put(lake)?;
        }
        Ok(added)
    }

    /// Writes into the head where a run's chain ends, unless the head knows that already.
    pub(crate) fn follow(book: &Book) -> Result<(), TableError> {
        let Some((serial, hash)) = book.tip()? else { return Ok(()) };
        let tip = Tip { serial, hash };
        let mut head = Head::read_or_put_aside(book)?;
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
    use super::super::{EntryKind, Ledger, files};
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
    fn what_is_no_head_is_an_error_and_is_kept_aside_by_the_next_run() {
        let home = tempfile::tempdir().unwrap();
        for text in ["", "{}", r#"{"format":2,"runs":{}}"#, r#"{"format":1,"runs":{"a":{}}}"#] {
            fs::write(home.path().join(layout::HEAD), text).unwrap();
            assert!(Head::read(home.path()).is_err(), "{text:?}");
            let book = Book::begin(home.path(), RunId::new("run").unwrap());
            Head::write(&book, "started", 5, &[Entry::new(EntryKind::Started, 5)]).unwrap();
            let head = Head::read(home.path()).unwrap().unwrap();
            assert_eq!(head.runs.keys().collect::<Vec<_>>(), ["run"]);
            let kept = home.path().join("damaged/head.json.run");
            assert_eq!(fs::read_to_string(kept).unwrap(), text);
            fs::remove_dir_all(home.path().join(layout::LEDGER)).unwrap();
        }
        fs::remove_file(home.path().join(layout::HEAD)).unwrap();
        assert_eq!(Head::read(home.path()).unwrap(), None);
        // Also root may not look into a loop of links.
        std::os::unix::fs::symlink(layout::HEAD, home.path().join(layout::HEAD)).unwrap();
        assert!(Head::read(home.path()).is_err(), "it cannot be seen");
    }

    #[test]
    fn runs_that_the_head_does_not_name_are_added_if_their_chains_are_whole() {
        let home = tempfile::tempdir().unwrap();
        for name in ["a", "b"] {
            let book = Book::begin(home.path(), RunId::new(name).unwrap());
            for what in ["started", "ended"] {
                let entry = Entry::new(EntryKind::Count, 5).of_run(name);
                Head::write(&book, what, 5, &[entry]).unwrap();
            }
        }
        let whole = Head::read(home.path()).unwrap().unwrap();
        let chains = || Ledger::read(home.path()).chains;
        assert_eq!(Head::complete(home.path(), &chains()).unwrap(), Vec::<String>::new());
        fs::remove_file(home.path().join(layout::HEAD)).unwrap();
        assert_eq!(Head::complete(home.path(), &chains()).unwrap(), ["a", "b"]);
        assert_eq!(Head::read(home.path()).unwrap().unwrap(), whole);
        fs::remove_file(home.path().join(layout::HEAD)).unwrap();
        let first =
            files(home.path()).into_iter().find(|p| p.to_string_lossy().contains("a-started"));
        fs::remove_file(first.unwrap()).unwrap();
        assert_eq!(Head::complete(home.path(), &chains()).unwrap(), ["b"]);
    }
}
