//! The ledger of a lake: the facts of all its files, and the chain of each run.

use super::chain::{Chain, Linked};
use super::file::{list, name_and_checksum, read_file};
use super::{Entry, EntryKind};
use crate::layout::MERGED_SUFFIX;
use crate::table::TableError;
use spreadwire_market::clock::Nanos;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

/// What the files of a ledger say.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The facts, sorted by time, in the same order at every call. A statement stands once, however
    /// many files say it; an event as often as it happened.
    pub facts: Vec<Entry>,
    /// The chain of each run that has one.
    pub chains: BTreeMap<String, Chain>,
    /// Why files could not be read.
    pub errors: Vec<TableError>,
}

impl Ledger {
    /// Reads the ledger of a lake.
    #[must_use]
    pub fn read(lake: &Path) -> Ledger {
        let (paths, errors) = list(lake);
        let (mut ledger, mut facts) = (Ledger { errors, ..Ledger::default() }, Facts::default());
        for path in paths {
            match read_file(&path) {
                Ok(entries) => {
                    take_links(&entries, &mut ledger.chains);
                    facts.take(entries);
                }
                Err(error) => ledger.errors.push(error),
            }
        }
        ledger.facts = facts.sorted();
        ledger.forget_dropped();
        ledger
    }

    /// Takes out what is said of runs whose rows were deleted on purpose, but that they were.
    fn forget_dropped(&mut self) {
        let dropped = self.facts.iter().filter(|fact| fact.kind == EntryKind::Dropped);
        let runs: HashSet<String> = dropped.filter_map(|fact| fact.run.clone()).collect();
        let of_dropped = |fact: &Entry| fact.run.as_ref().is_some_and(|run| runs.contains(run));
        self.facts.retain(|fact| fact.kind == EntryKind::Dropped || !of_dropped(fact));
    }
}

/// Returns the end of the last day whose rows were pruned, by the facts of a ledger; 0 if none was.
#[must_use]
pub fn pruned_until(facts: &[Entry]) -> Nanos {
    let pruned = facts.iter().filter(|fact| fact.kind == EntryKind::Dropped && fact.run.is_none());
    pruned.filter_map(|fact| fact.until).max().unwrap_or(0)
}

/// Returns the facts of a lake's ledger, sorted by time, and why files could not be read.
#[must_use]
pub fn read(lake: &Path) -> (Vec<Entry>, Vec<TableError>) {
    let Ledger { facts, errors, .. } = Ledger::read(lake);
    (facts, errors)
}

/// Returns facts among which are all of a run: from the files that are named after it, and from those
/// that were merged.
///
/// # Errors
/// If one of them cannot be read.
pub fn read_run(lake: &Path, run: &str) -> Result<Vec<Entry>, TableError> {
    let mut facts = Facts::default();
    for path in files_of(lake, run)? {
        facts.take(read_file(&path)?);
    }
    Ok(facts.sorted())
}

/// Returns the chain of a run, if it has one. A file that cannot be read is an error: the chain would
/// go on in the wrong place.
pub(super) fn chain_of(lake: &Path, run: &str) -> Result<Option<Chain>, TableError> {
    let mut chains = BTreeMap::new();
    for path in files_of(lake, run)? {
        take_links(&read_file(&path)?, &mut chains);
    }
    Ok(chains.remove(run))
}

/// Returns whether a run has such an entry.
pub(super) fn has(
    lake: &Path,
    run: &str,
    is_it: impl Fn(&Entry) -> bool,
) -> Result<bool, TableError> {
    for path in files_of(lake, run)? {
        let entries = read_file(&path)?;
        if entries.iter().any(|entry| entry.run.as_deref() == Some(run) && is_it(entry)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the files that may have entries of a run.
fn files_of(lake: &Path, run: &str) -> Result<Vec<PathBuf>, TableError> {
    let may_have_it = |path: &PathBuf| {
        let name = name_and_checksum(path).map(|(name, _)| name);
        name.is_some_and(|name| name.starts_with(run) || name.ends_with(MERGED_SUFFIX))
    };
    let (mut paths, mut errors) = list(lake);
    paths.retain(may_have_it);
    errors.pop().map_or(Ok(paths), Err)
}

/// Adds the links of a file: one, or several if it was merged from several.
fn take_links(entries: &[Entry], chains: &mut BTreeMap<String, Chain>) {
    let mut by_serial: BTreeMap<(&str, u64), Vec<Entry>> = BTreeMap::new();
    for entry in entries {
        if let (Some(run), Some(serial)) = (entry.run.as_deref(), entry.serial) {
            by_serial.entry((run, serial)).or_default().push(entry.clone());
        }
    }
    for ((run, serial), entries) in by_serial {
        chains.entry(run.to_owned()).or_default().add(serial, Linked::of(&entries));
    }
}

/// Facts with how often each one stands in the file that has it most often, and the highest serial
/// number of a file that has it.
#[derive(Default)]
struct Facts(HashMap<Entry, (usize, Option<u64>)>);

impl Facts {
    /// Adds the facts of one file.
    fn take(&mut self, entries: Vec<Entry>) {
        let mut of_file: HashMap<Entry, (usize, Option<u64>)> = HashMap::new();
        for entry in entries.into_iter().filter(|entry| entry.kind != EntryKind::Link) {
            let (serial, is_event) = (entry.serial, entry.kind.is_event());
            // An event is one of its file; a statement is the same wherever it stands.
            let kept = serial.filter(|_| is_event);
            let found = of_file.entry(Entry { serial: kept, ..entry }).or_default();
            *found = (if is_event { found.0 + 1 } else { 1 }, serial);
        }
        for (entry, (count, serial)) in of_file {
            let found = self.0.entry(entry).or_default();
            *found = (found.0.max(count), found.1.max(serial));
        }
    }

    fn sorted(self) -> Vec<Entry> {
        let mut facts: Vec<_> = self.0.into_iter().collect();
        facts.sort_unstable_by(|(a, (_, a_serial)), (b, (_, b_serial))| {
            let first = (a.time, a.kind, &a.run, a_serial).cmp(&(b.time, b.kind, &b.run, b_serial));
            first.then_with(|| a.cmp(b))
        });
        let told = facts.into_iter().flat_map(|(entry, (count, _))| {
            std::iter::repeat_n(Entry { serial: None, ..entry }, count)
        });
        told.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Book, Cause, files, write};
    use super::*;
    use crate::run::RunId;
    use std::fs;

    fn full() -> Entry {
        Entry {
            time: 1_723_161_600_000_000_000,
            kind: EntryKind::Rows,
            run: Some("run-1".to_owned()),
            segment: Some(7),
            table: Some("quotes".to_owned()),
            folder: Some("exchange=okx/symbol=A#B".to_owned()),
            file: Some("f.parquet".to_owned()),
            venue: Some("okx".to_owned()),
            instrument: Some("A/B".to_owned()),
            first: Some(0),
            last: Some(u64::MAX / 2),
            rows: Some(3),
            bytes: Some(4),
            digest: Some(u64::MAX),
            until: Some(5),
            cause: Some("ring".to_owned()),
            serial: None,
        }
    }

    #[test]
    fn entries_come_back_each_once_and_a_broken_file_is_told() {
        let home = tempfile::tempdir().unwrap();
        let lake = home.path().join("lake");
        let kinds = EntryKind::ALL.into_iter().filter(|kind| *kind != EntryKind::Link);
        let entries: Vec<Entry> = kinds.map(|kind| Entry::new(kind, 9)).collect();
        write(&lake, "a", full().time, &[full()]).unwrap();
        let path = write(&lake, "b", 9, &[&entries[..], &[full()]].concat()).unwrap();
        assert!(path.parent().unwrap().ends_with("ledger/date=1970-01-01"), "{path:?}");
        assert_eq!(name_and_checksum(&path).unwrap().0, "b");
        let (found, errors) = read(&lake);
        assert!(errors.is_empty());
        assert_eq!(found, [&entries[..], &[full()]].concat());
        let mut bytes = fs::read(&path).unwrap();
        bytes[100] ^= 1;
        fs::write(&path, bytes).unwrap();
        let (found, errors) = read(&lake);
        assert_eq!((found, errors.len()), (vec![full()], 1));
    }

    #[test]
    fn a_name_is_written_over_as_a_whole() {
        let home = tempfile::tempdir().unwrap();
        write(home.path(), "a", 9, &[full()]).unwrap();
        write(home.path(), "a", 9, &[Entry::new(EntryKind::Started, 1)]).unwrap();
        assert_eq!(read(home.path()).0, [Entry::new(EntryKind::Started, 1)]);
        assert_eq!(files(home.path()).len(), 1);
    }

    #[test]
    fn equal_events_are_as_many_as_happened_and_equal_statements_are_one() {
        let home = tempfile::tempdir().unwrap();
        let book = Book::begin(home.path(), RunId::new("run").unwrap());
        let lost = Entry::new(EntryKind::Disconnected, 9).of_run("run").because("reset");
        let gap = Entry::new(EntryKind::Gap, 9).of_run("run").because(Cause::Restart.name());
        book.write("events", 9, &vec![lost.clone(); 5]).unwrap();
        book.write("events", 9, &[lost.clone(), gap.clone(), gap.clone()]).unwrap();
        book.write("ended", 9, std::slice::from_ref(&gap)).unwrap();
        let expected = [vec![gap], vec![lost; 6]].concat();
        assert_eq!(read(home.path()).0, expected);
        // A merge that was killed leaves the files and what they were merged into.
        for path in files(home.path()) {
            write(home.path(), "run-merged", 9, &read_file(&path).unwrap()).unwrap();
            assert_eq!(read(home.path()).0, expected, "beside {path:?}");
        }
        assert!(Ledger::read(home.path()).chains["run"].breaks().is_empty());
    }

    #[test]
    fn what_is_said_of_a_dropped_run_is_forgotten_and_its_chain_is_not() {
        let home = tempfile::tempdir().unwrap();
        for run in ["gone", "kept"] {
            let book = Book::begin(home.path(), RunId::new(run).unwrap());
            book.write("x", 9, &[Entry::new(EntryKind::Started, 9).of_run(run)]).unwrap();
        }
        let dropped = Entry::new(EntryKind::Dropped, 10);
        let pruned = |until| Entry { until: Some(until), ..dropped.clone() };
        let drops = [dropped.clone().of_run("gone"), pruned(7), pruned(5)];
        write(home.path(), "dropped", 10, &drops).unwrap();
        let ledger = Ledger::read(home.path());
        let runs: Vec<_> = ledger.facts.iter().map(|e| (e.kind, e.run.as_deref())).collect();
        let dropped = EntryKind::Dropped;
        let expected = [
            (EntryKind::Started, Some("kept")),
            (dropped, None),
            (dropped, None),
            (dropped, Some("gone")),
        ];
        assert_eq!(runs, expected);
        assert_eq!(ledger.chains.keys().collect::<Vec<_>>(), ["gone", "kept"]);
        assert_eq!((pruned_until(&ledger.facts), pruned_until(&[])), (7, 0));
    }

    #[test]
    fn a_run_is_in_merged_files_too_and_its_chain_goes_on_after_them() {
        let home = tempfile::tempdir().unwrap();
        let (run, other) = (RunId::new("run").unwrap(), RunId::new("another").unwrap());
        let fact = |rows| Entry { rows: Some(rows), ..Entry::new(EntryKind::Count, 9) };
        for (name, rows) in [(other, 1), (run, 2), (run, 3)] {
            let book = Book::resume(home.path(), name, super::super::VERSION);
            book.write("x", 9, &[fact(rows).of_run(name.as_str())]).unwrap();
        }
        let before = Ledger::read(home.path());
        let written = files(home.path());
        let entries: Vec<Entry> =
            written.iter().flat_map(|path| read_file(path).unwrap()).collect();
        write(home.path(), &format!("another-x{MERGED_SUFFIX}"), 9, &entries).unwrap();
        written.iter().for_each(|path| fs::remove_file(path).unwrap());
        let after = Ledger::read(home.path());
        assert_eq!((&after.facts, &after.chains), (&before.facts, &before.chains));
        let facts = read_run(home.path(), "run").unwrap();
        let of_run: Vec<_> = facts.iter().filter(|e| e.run.as_deref() == Some("run")).collect();
        assert_eq!(of_run.len(), 2);
        let book = Book::resume(home.path(), run, super::super::VERSION);
        let (serial, _) = book.write("x", 9, &[fact(4).of_run("run")]).unwrap().unwrap();
        assert_eq!(serial, 2);
        let ledger = Ledger::read(home.path());
        assert!(ledger.chains["run"].breaks().is_empty() && ledger.errors.is_empty());
    }

    #[test]
    fn a_ledger_that_cannot_be_seen_is_an_error_and_not_an_empty_one() {
        let home = tempfile::tempdir().unwrap();
        assert!(Ledger::read(home.path()).errors.is_empty());
        // Also root may not look into a loop of links.
        std::os::unix::fs::symlink("ledger", home.path().join("ledger")).unwrap();
        assert_eq!(Ledger::read(home.path()).errors.len(), 1);
        read_run(home.path(), "run").unwrap_err();
        chain_of(home.path(), "run").unwrap_err();
    }

    #[test]
    fn of_two_ends_at_one_time_the_one_written_later_is_last() {
        let home = tempfile::tempdir().unwrap();
        let book = Book::begin(home.path(), RunId::new("run").unwrap());
        let ended = |cause| Entry::new(EntryKind::Ended, 9).of_run("run").because(cause);
        book.write("ended", 9, &[ended("killed")]).unwrap();
        book.write("ended", 9, &[ended("clean")]).unwrap();
        assert_eq!(read(home.path()).0, [ended("killed"), ended("clean")]);
        assert_eq!(read_run(home.path(), "run").unwrap().len(), 2);
    }
}
