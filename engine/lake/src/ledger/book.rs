//! Writes the files of one run into the ledger, each as the next of its chain.

use super::chain::{Chain, Hash};
use super::{CHAINED, Entry, EntryKind, Tip, file, whole};
use crate::run::{Provenance, RunId};
use crate::table::TableError;
use spreadwire_market::clock::Nanos;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The ledger of one run, for everybody who writes into it. Clones write the same chain. For cold
/// threads: a file is synced before the call returns, and others wait meanwhile.
#[derive(Clone, Debug)]
pub struct Book {
    lake: PathBuf,
    run: RunId,
    /// Where the run's quotes come from, if it says so.
    provenance: Option<Provenance>,
    /// Whether the run's files are a chain; those of old runs are not.
    chained: bool,
    /// Where the chain ends; `None` if that is to be looked up in the files.
    end: Arc<Mutex<Option<End>>>,
}

/// The end of a chain: the number of the next file, and the digest of the last one.
type End = (u64, Option<Hash>);

/// Two books are equal if they are of the same run in the same lake.
impl PartialEq for Book {
    fn eq(&self, other: &Book) -> bool {
        (&self.lake, self.run) == (&other.lake, other.run)
    }
}

impl Book {
    /// Returns the book of a run of this version that begins.
    #[must_use]
    pub fn begin(lake: &Path, run: RunId) -> Book {
        let end = Arc::new(Mutex::new(Some((0, None))));
        Book { lake: lake.to_owned(), run, provenance: None, chained: true, end }
    }

    /// Returns the book of a run that an earlier process began, with a ledger of this version.
    #[must_use]
    pub fn resume(lake: &Path, run: RunId, version: u64) -> Book {
        let (lake, chained) = (lake.to_owned(), CHAINED <= version);
        Book { lake, run, provenance: None, chained, end: Arc::default() }
    }

    /// Returns the book of a run whose quotes come from there.
    #[must_use]
    pub fn of_provenance(self, provenance: Option<Provenance>) -> Book {
        Book { provenance, ..self }
    }

    /// Returns where the run's quotes come from, if it says so.
    #[must_use]
    pub fn provenance(&self) -> Option<Provenance> {
        self.provenance
    }

    /// Returns the lake.
    #[must_use]
    pub fn lake(&self) -> &Path {
        &self.lake
    }

    /// Returns the run.
    #[must_use]
    pub fn run(&self) -> RunId {
        self.run
    }

    /// Writes entries as one file into the folder of the day of `time`, so that they survive a
    /// power cut. `what` becomes part of the file's name. Returns where the chain ends now: the
    /// file's number and digest, if it has one.
    ///
    /// # Errors
    /// If that fails; nothing was written then, and it can be tried again.
    pub fn write(
        &self,
        what: &str,
        time: Nanos,
        entries: &[Entry],
    ) -> Result<Option<(u64, Hash)>, TableError> {
        let name = format!("{}-{what}", self.run);
        if !self.chained {
            return file::write(&self.lake, &name, time, entries).map(|_| None);
        }
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        let (serial, previous) = match end.take() {
            Some(known) => known,
            None => self.look_up()?,
        };
        let linked = self.linked(serial, previous, time, entries);
        let hash = Hash::of(&linked);
        file::write(&self.lake, &format!("{name}.{serial:06}"), time, &linked)?;
        *end = Some((serial + 1, Some(hash)));
        Ok(Some((serial, hash)))
    }

    /// Returns the last file of the run's chain; `None` if there is none.
    pub(super) fn tip(&self) -> Result<Option<Tip>, TableError> {
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        let known = match *end {
            Some(known) => known,
            None => self.look_up()?,
        };
        *end = Some(known);
        let (next, hash) = known;
        Ok(next.checked_sub(1).zip(hash).map(|(serial, hash)| Tip { serial, hash }))
    }

    /// Returns whether the last thing that the run wrote into its ledger is of this kind. Of a run
    /// without a chain it is not known what was last: whether it wrote one at all.
    pub(crate) fn ends_with(&self, kind: EntryKind) -> Result<bool, TableError> {
        let last = self.tip()?.map(|tip| tip.serial);
        whole::has(&self.lake, self.run.as_str(), |entry| {
            entry.kind == kind && (last.is_none() || entry.serial == last)
        })
    }

    /// Returns where the chain ends by the files.
    fn look_up(&self) -> Result<End, TableError> {
        let chain = whole::chain_of(&self.lake, self.run.as_str())?;
        Ok(chain.as_ref().map_or((0, None), Chain::tip))
    }

    fn linked(
        &self,
        serial: u64,
        previous: Option<Hash>,
        time: Nanos,
        entries: &[Entry],
    ) -> Vec<Entry> {
        let link = Entry {
            rows: Some(entries.len() as u64),
            cause: previous.map(|hash| hash.to_string()),
            ..Entry::new(EntryKind::Link, time).of_run(self.run.as_str())
        };
        let mut linked: Vec<Entry> = entries.iter().cloned().chain([link]).collect();
        linked.iter_mut().for_each(|entry| entry.serial = Some(serial));
        linked
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Break, Ledger, VERSION, files};
    use super::*;
    use std::fs;

    fn run() -> RunId {
        RunId::new("run").unwrap()
    }

    fn count(rows: u64) -> Entry {
        Entry { rows: Some(rows), ..Entry::new(EntryKind::Count, 5).of_run("run") }
    }

    fn numbers(lake: &Path) -> (Vec<Option<u64>>, Vec<Break>) {
        let ledger = Ledger::read(lake);
        assert!(ledger.errors.is_empty());
        let breaks = ledger.chains["run"].breaks();
        (ledger.facts.into_iter().map(|entry| entry.rows).collect(), breaks)
    }

    #[test]
    fn clones_and_later_processes_write_one_chain() {
        let home = tempfile::tempdir().unwrap();
        let book = Book::begin(home.path(), run());
        let other = book.clone();
        let serials = [
            book.write("a", 5, &[count(1)]).unwrap().unwrap().0,
            other.write("b", 5, &[count(2)]).unwrap().unwrap().0,
            book.write("a", 5, &[count(3)]).unwrap().unwrap().0,
            Book::resume(home.path(), run(), VERSION)
                .write("c", 5, &[count(4)])
                .unwrap()
                .unwrap()
                .0,
        ];
        assert_eq!(serials, [0, 1, 2, 3]);
        let facts = [1, 2, 3, 4].map(Some).to_vec();
        assert_eq!(numbers(home.path()), (facts, vec![]));
    }

    #[test]
    fn a_file_that_could_not_be_written_leaves_no_hole() {
        let home = tempfile::tempdir().unwrap();
        let book = Book::begin(home.path(), run());
        book.write("a", 5, &[count(1)]).unwrap();
        let day = files(home.path())[0].parent().unwrap().to_owned();
        let aside = home.path().join("aside");
        fs::rename(&day, &aside).unwrap();
        fs::write(&day, "in the way").unwrap();
        book.write("b", 5, &[count(2)]).unwrap_err();
        fs::remove_file(&day).unwrap();
        fs::rename(&aside, &day).unwrap();
        book.write("b", 5, &[count(2)]).unwrap();
        assert_eq!(numbers(home.path()), (vec![Some(1), Some(2)], vec![]));
    }

    #[test]
    fn an_old_run_goes_on_without_a_chain_and_a_file_takes_the_place_of_its_namesake() {
        let home = tempfile::tempdir().unwrap();
        let book = Book::resume(home.path(), run(), 2);
        assert_eq!(book.write("a", 5, &[count(1)]).unwrap(), None);
        book.write("a", 5, &[count(2)]).unwrap();
        let ledger = Ledger::read(home.path());
        assert_eq!((ledger.facts, ledger.chains.len()), (vec![count(2)], 0));
    }
}
