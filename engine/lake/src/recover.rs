//! Recovery of runs that ended without sealing everything they recorded.
//!
//! A run that was killed leaves its [`Mark`] and its segments in the journal's folder. Whoever finds
//! them, the next engine to start or `lake recover`, seals what is whole in the segments and writes
//! into the ledger how the run ended. For cold threads.

use crate::layout;
use crate::ledger::{self, Book};
use crate::lock;
use crate::mark::{MARK_SUFFIX, Mark, segment_named};
use crate::run::{Origin, RunId, catalogue_digest};
use crate::seal::{RunSealer, SealError, Sealed};
use crate::segment::{Damage, SegmentError, SegmentInfo, SegmentReader};
use crate::table;
use spreadwire_market::clock::Nanos;
use spreadwire_market::instrument::Catalogue;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What a run left in the journal's folder.
#[derive(Clone, Debug)]
pub struct Leftover {
    /// The run.
    pub run: RunId,
    /// The run's mark, if there is one that can be read.
    pub mark: Option<Mark>,
    /// The run's segments with their numbers, in order.
    pub segments: Vec<(u32, PathBuf)>,
}

/// What became of a leftover.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Segments that were sealed.
    pub sealed: Vec<Sealed>,
    /// Segments that were begun and held nothing.
    pub empty: usize,
    /// A sentence for each thing that could not be done. The files concerned stay.
    pub failures: Vec<String>,
}

/// Returns what runs have left in the journal's folder, in the order of the runs' names. The files of
/// an engine that is running are among them.
///
/// # Errors
/// If the folder is there and cannot be listed.
pub fn leftovers(lake: &Path) -> io::Result<Vec<Leftover>> {
    let folder = lake.join(layout::JOURNAL);
    let mut found: BTreeMap<RunId, Leftover> = BTreeMap::new();
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let leftover = |run| Leftover { run, mark: None, segments: Vec::new() };
        if let Some(run) = name.strip_suffix(MARK_SUFFIX).and_then(RunId::new) {
            let mark = Mark::read(&path)?.filter(|mark| mark.run == run);
            found.entry(run).or_insert_with(|| leftover(run)).mark = mark;
        } else if let Some((run, number)) = segment_named(name) {
            found.entry(run).or_insert_with(|| leftover(run)).segments.push((number, path));
        }
    }
    let mut found: Vec<Leftover> = found.into_values().collect();
    found.iter_mut().for_each(|leftover| leftover.segments.sort());
    Ok(found)
}

/// Returns when the run after `leftovers[place]` began, or `until` after the last one.
#[must_use]
pub fn began_after(leftovers: &[Leftover], place: usize, until: Option<Nanos>) -> Option<Nanos> {
    let marks = leftovers.iter().skip(place + 1).filter_map(|left| left.mark.as_ref());
    marks.map(|mark| mark.started_at).next().or(until)
}

impl Leftover {
    /// Seals what is whole in the segments, and writes into the ledger how the run ended. `until`
    /// is when the next run began. `catalogue` is used if the mark is lost. `each` is called before
    /// each segment.
    pub fn recover(
        &self,
        lake: &Path,
        until: Option<Nanos>,
        catalogue: Option<&Catalogue>,
        mut each: impl FnMut(&Path),
    ) -> Recovered {
        self.recover_while(lake, until, catalogue, |path| {
            each(path);
            true
        })
    }

    /// Does what [`recover`](Leftover::recover) does as long as `go_on`, which is called before each
    /// segment, says so. What is left then is a failure, and the run is not concluded.
    pub fn recover_while(
        &self,
        lake: &Path,
        until: Option<Nanos>,
        catalogue: Option<&Catalogue>,
        mut go_on: impl FnMut(&Path) -> bool,
    ) -> Recovered {
        let mut recovered = Recovered::default();
        let Some(known) = self.mark.as_ref().map(|mark| &mark.catalogue).or(catalogue) else {
            recovered.failures.push(format!(
                "run {}: {} segments stay in the journal, because its mark ({}{MARK_SUFFIX}) is \
                 missing or cannot be read: its instruments and venues are not known",
                self.run,
                self.segments.len(),
                self.run,
            ));
            return recovered;
        };
        if let Some(living) = self.living(lake) {
            recovered.failures.push(living);
            return recovered;
        }
        let mut sealer = RunSealer::new(self.book(lake), known.clone());
        for (place, (number, path)) in self.segments.iter().enumerate() {
            if !go_on(path) {
                let (run, count) = (self.run, self.segments.len() - place);
                recovered.failures.push(format!(
                    "run {run}: {count} segments stay in the journal: there was no time to seal them"
                ));
                return recovered;
            }
            match self.seal(&mut sealer, *number, path, known) {
                Ok(Some(sealed)) => recovered.sealed.push(sealed),
                Ok(None) => recovered.empty += 1,
                Err(error) => {
                    let error = anyhow::Error::from(error);
                    recovered.failures.push(format!("{} stays: {error:#}", path.display()));
                }
            }
        }
        if recovered.failures.is_empty() {
            self.conclude(lake, until, &mut recovered);
        }
        recovered
    }

    /// Returns the run's book. A run whose mark is lost goes on as one of this version.
    fn book(&self, lake: &Path) -> Book {
        let known = self.mark.as_ref().map(|mark| mark.book.clone());
        known.unwrap_or_else(|| Book::resume(lake, self.run, ledger::VERSION))
    }

    /// Returns a sentence if the run is still being recorded, or if that cannot be told: its mark and
    /// its open segment are then locked.
    #[must_use]
    pub fn living(&self, lake: &Path) -> Option<String> {
        let journal = lake.join(layout::JOURNAL);
        let mark = journal.join(format!("{}{MARK_SUFFIX}", self.run));
        let paths = [&mark].into_iter().chain(self.segments.iter().map(|(_, path)| path));
        let (run, count) = (self.run, self.segments.len());
        paths.into_iter().find_map(|path| match lock::owner_of(path) {
            Ok(None) => None,
            Ok(Some(holder)) => Some(format!(
                "run {run} is still being recorded ({holder}): its {count} segments stay"
            )),
            Err(error) => Some(format!(
                "run {run}: cannot tell whether {} is still written to: {error}; its {count} \
                 segments stay",
                path.display()
            )),
        })
    }

    /// Seals one segment. Returns `None` if nothing was ever written into it.
    fn seal(
        &self,
        sealer: &mut RunSealer,
        number: u32,
        path: &Path,
        catalogue: &Catalogue,
    ) -> Result<Option<Sealed>, SealError> {
        match SegmentReader::open(path) {
            Err(SegmentError::Truncated { offset: 0 }) => {
                fs::remove_file(path).map_err(|source| table::io_error("delete", path, source))?;
                Ok(None)
            }
            Err(
                SegmentError::Corrupt { offset: 0, damage: Damage::Header | Damage::Content }
                | SegmentError::NotASegment,
            ) => {
                let origin = Origin { run: self.run, catalogue: catalogue_digest(catalogue) };
                let started_at = self.mark.as_ref().map_or(0, |mark| mark.started_at);
                let info = SegmentInfo { origin, number, started_at };
                if !SegmentReader::open_headless(path, info)?.skip_damage()? {
                    // No block of ours is in it, although its name is one of ours.
                    return Err(SegmentError::NotASegment.into());
                }
                sealer.seal_headless(path, info).map(Some)
            }
            _ => sealer.seal(path).map(Some),
        }
    }

    fn conclude(&self, lake: &Path, until: Option<Nanos>, recovered: &mut Recovered) {
        let Some(mark) = &self.mark else { return };
        let ends = recovered.sealed.iter();
        let ends = ends.map(|sealed| (sealed.next_sequence.unwrap_or(0), sealed.last_time));
        if let Err(error) = mark.conclude_killed(lake, ends.max(), until) {
            let error = anyhow::Error::from(error);
            recovered.failures.push(format!("run {} was not concluded: {error:#}", self.run));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder;
    use crate::ledger::{Cause, Entry, EntryKind};
    use crate::mark::sweep;
    use crate::run::Provenance;
    use crate::segment::{Block, SegmentWriter};
    use crate::stage::{Stage, StageCounts};
    use spreadwire_kit::catalogue;
    use spreadwire_kit::quotes::quote;

    fn catalogue() -> Catalogue {
        catalogue::of(["BTC/USDT"], ["okx"]).build()
    }

    fn told(lake: &Path) -> Vec<(EntryKind, Nanos, Option<u64>, Option<String>)> {
        let (entries, errors) = ledger::read(lake);
        assert!(errors.is_empty());
        entries.into_iter().map(|e| (e.kind, e.time, e.last, e.cause)).collect()
    }

    /// The version that each run's beginning tells, as the ledger has it.
    fn versions(lake: &Path) -> Vec<Option<u64>> {
        let (entries, _) = ledger::read(lake);
        let started = entries.into_iter().filter(|e| e.kind == EntryKind::Started);
        started.map(|e: Entry| e.rows).collect()
    }

    #[test]
    fn a_run_of_an_older_version_stays_one_of_that_version_whoever_recovers_it() {
        let home = tempfile::tempdir().unwrap();
        let mark =
            Mark::begin(home.path(), RunId::new("run").unwrap(), 5, &catalogue(), Provenance::Live)
                .unwrap();
        assert_eq!(versions(home.path()), [Some(3)]);
        // As version 1 wrote it.
        let path = home.path().join("journal/run.run.json");
        let mut old: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let keys = old.as_object_mut().unwrap();
        assert!(keys.remove("ledger").is_some() && keys.remove("provenance").is_some());
        fs::write(&path, old.to_string()).unwrap();
        fs::remove_dir_all(home.path().join("ledger")).unwrap();
        let [left] = &leftovers(home.path()).unwrap()[..] else { panic!("the mark is there") };
        assert_eq!(left.mark, Some(Mark { ledger: 1, provenance: None, ..mark }));
        assert!(left.recover(home.path(), Some(8), None, |_| {}).failures.is_empty());
        assert_eq!(versions(home.path()), [None]);
    }

    #[test]
    fn a_run_that_ends_well_leaves_no_mark() {
        let home = tempfile::tempdir().unwrap();
        let run = RunId::new("run").unwrap();
        let mark = Mark::begin(home.path(), run, 5, &catalogue(), Provenance::Live).unwrap();
        let [left] = &leftovers(home.path()).unwrap()[..] else { panic!("the mark is there") };
        assert_eq!(left.mark.as_ref(), Some(&mark));
        let counters = BTreeMap::from([("feed.okx.frames".to_owned(), 3)]);
        let mut stages = StageCounts::default();
        stages.add(Stage::Fed, 2);
        mark.end(home.path(), 9, 0, &counters, &stages).unwrap();
        assert!(leftovers(home.path()).unwrap().is_empty());
        let expected = [
            (EntryKind::Started, 5, None, Some("live".to_owned())),
            (EntryKind::Ended, 9, None, Some("clean".to_owned())),
            (EntryKind::Count, 9, None, Some("feed.okx.frames".to_owned())),
            (EntryKind::Stage, 9, None, Some("fed".to_owned())),
        ];
        assert_eq!(told(home.path()), expected);
        assert_eq!(versions(home.path()), [Some(3)]);
    }

    #[test]
    fn a_run_that_ends_with_segments_left_keeps_its_mark_and_has_no_end_before_they_are_sealed() {
        let home = tempfile::tempdir().unwrap();
        let (lake, run) = (home.path(), RunId::new("run").unwrap());
        let mark = Mark::begin(lake, run, 5, &catalogue(), Provenance::Live).unwrap();
        let origin = Origin { run, catalogue: catalogue_digest(&catalogue()) };
        let info = SegmentInfo { origin, number: 0, started_at: 5 };
        let mut segment = SegmentWriter::create(&lake.join(layout::JOURNAL), info).unwrap();
        let mut block = Block::new(1, 0);
        block.push(&quote(0, 0, 5).into());
        segment.write(&mut block).unwrap();
        segment.finish().close().unwrap();
        mark.end(lake, 9, 1, &BTreeMap::new(), &StageCounts::default()).unwrap();
        let ends = || {
            let told = told(lake).into_iter().filter(|(kind, ..)| *kind == EntryKind::Ended);
            told.map(|(_, time, last, cause)| (time, last, cause.unwrap())).collect::<Vec<_>>()
        };
        assert_eq!(ends(), []);
        let [left] = &leftovers(lake).unwrap()[..] else { panic!("the mark is there") };
        let ended = left.mark.as_ref().and_then(|mark| mark.ended).unwrap();
        assert_eq!((ended.time, ended.inputs), (9, 1));
        assert!(left.recover(lake, Some(12), None, |_| {}).failures.is_empty());
        assert_eq!(ends(), [(9, Some(0), "clean".to_owned())]);
        assert!(leftovers(lake).unwrap().is_empty());
    }

    #[test]
    fn what_cannot_be_listed_is_not_taken_for_nothing() {
        let home = tempfile::tempdir().unwrap();
        let (lake, journal) = (home.path(), home.path().join(layout::JOURNAL));
        let run = RunId::new("run").unwrap();
        assert!(leftovers(lake).unwrap().is_empty());
        let mark = Mark::begin(lake, run, 5, &catalogue(), Provenance::Live).unwrap();
        let aside = lake.join("aside");
        fs::rename(&journal, &aside).unwrap();
        // Also root may not look into a loop of links.
        std::os::unix::fs::symlink(layout::JOURNAL, &journal).unwrap();
        leftovers(lake).unwrap_err();
        mark.clone().end(lake, 9, 0, &BTreeMap::new(), &StageCounts::default()).unwrap_err();
        fs::remove_file(&journal).unwrap();
        fs::rename(&aside, &journal).unwrap();
        assert!(told(lake).iter().all(|(kind, ..)| *kind != EntryKind::Ended));
        assert_eq!(leftovers(lake).unwrap().len(), 1, "the mark stays");
    }

    #[test]
    fn a_killed_run_is_told_of_and_an_empty_segment_goes() {
        let home = tempfile::tempdir().unwrap();
        Mark::begin(home.path(), RunId::new("run-1").unwrap(), 5, &catalogue(), Provenance::Live)
            .unwrap();
        let torn = home.path().join("journal/run-1-000000.seg.open");
        fs::write(&torn, "SPRDW").unwrap();
        let [left] = &leftovers(home.path()).unwrap()[..] else { panic!("the mark is there") };
        assert_eq!(left.segments, [(0, torn.clone())]);
        let recovered = left.recover(home.path(), Some(8), None, |_| {});
        assert_eq!((recovered.empty, recovered.failures.len()), (1, 0));
        assert!(!torn.exists() && leftovers(home.path()).unwrap().is_empty());
        let (entries, _) = ledger::read(home.path());
        let gap = entries.iter().find(|e| e.kind == EntryKind::Gap).unwrap();
        assert_eq!(gap.gap_cause(), Some(Cause::Restart));
        assert_eq!((gap.time, gap.first, gap.until), (5, Some(0), Some(8)));
    }

    #[test]
    fn a_run_killed_while_it_began_or_ended_is_told_of_whole_and_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let lake = home.path();
        Mark::begin(lake, RunId::new("run").unwrap(), 5, &catalogue(), Provenance::Live).unwrap();
        let [started] = &ledger::files(lake)[..] else { panic!("one file") };
        let torn = started.with_file_name("run-started.parquet.tmp");
        fs::rename(started, torn).unwrap();
        let counts = lake.join("ledger/date=1970-01-01/run-counts.parquet.tmp");
        fs::write(&counts, "PAR").unwrap();
        let other = counts.with_file_name("other-counts.parquet.tmp");
        fs::write(&other, "PAR").unwrap();
        let [left] = &leftovers(lake).unwrap()[..] else { panic!("the mark is there") };
        assert!(left.recover(lake, Some(8), None, |_| {}).failures.is_empty());
        let kinds: Vec<_> = told(lake).into_iter().map(|(kind, ..)| kind).collect();
        assert_eq!(kinds, [EntryKind::Started, EntryKind::Ended, EntryKind::Gap]);
        let names = fs::read_dir(counts.parent().unwrap()).unwrap();
        let unfinished = names.map(|entry| entry.unwrap().path());
        let unfinished: Vec<_> =
            unfinished.filter(|path| path.extension().is_some_and(|end| end == "tmp")).collect();
        assert_eq!(unfinished, [other], "what another run writes is none of ours");
    }

    #[test]
    fn a_run_has_one_end_though_its_mark_outlived_it() {
        let home = tempfile::tempdir().unwrap();
        let lake = home.path();
        let mark = Mark::begin(lake, RunId::new("run").unwrap(), 5, &catalogue(), Provenance::Live)
            .unwrap();
        let recover = |until| {
            let [left] = &leftovers(lake).unwrap()[..] else { panic!("the mark is there") };
            assert!(left.recover(lake, Some(until), None, |_| {}).failures.is_empty());
            assert!(leftovers(lake).unwrap().is_empty());
            ledger::read(lake).0
        };
        let first = recover(8);
        mark.write(lake).unwrap();
        assert_eq!(recover(9), first);
        let clean =
            Mark::begin(lake, RunId::new("well").unwrap(), 9, &catalogue(), Provenance::Live)
                .unwrap();
        clean.clone().end(lake, 10, 0, &BTreeMap::new(), &StageCounts::default()).unwrap();
        let first = ledger::read(lake).0;
        clean.write(lake).unwrap();
        assert_eq!(recover(11), first);
    }

    #[test]
    fn a_run_whose_end_did_not_come_into_the_head_has_one_end_and_the_head_follows() {
        let home = tempfile::tempdir().unwrap();
        let (lake, head) = (home.path(), home.path().join(layout::HEAD));
        for (name, is_clean) in [("killed", false), ("well", true)] {
            let run = RunId::new(name).unwrap();
            let mark = Mark::begin(lake, run, 5, &catalogue(), Provenance::Live).unwrap();
            let before = fs::read(&head).unwrap();
            let recover = |until| {
                let [left] = &leftovers(lake).unwrap()[..] else { panic!("the mark is there") };
                assert!(left.recover(lake, Some(until), None, |_| {}).failures.is_empty());
                assert!(leftovers(lake).unwrap().is_empty());
            };
            match is_clean {
                true => mark.clone().end(lake, 7, 0, &BTreeMap::new(), &StageCounts::default()),
                false => Ok(recover(8)),
            }
            .unwrap();
            let (facts, after) = (ledger::read(lake).0, fs::read(&head).unwrap());
            assert_ne!(before, after);
            fs::write(&head, before).unwrap();
            mark.write(lake).unwrap();
            recover(9);
            assert_eq!(ledger::read(lake).0, facts, "{name}");
            assert_eq!(fs::read(&head).unwrap(), after, "{name}");
        }
    }

    #[test]
    fn an_unfinished_mark_is_swept_away() {
        let home = tempfile::tempdir().unwrap();
        sweep(home.path()).unwrap();
        Mark::begin(home.path(), RunId::new("run").unwrap(), 5, &catalogue(), Provenance::Live)
            .unwrap();
        let torn = home.path().join("journal/torn.run.json.tmp");
        fs::write(&torn, "{").unwrap();
        sweep(home.path()).unwrap();
        assert!(!torn.exists());
        assert_eq!(leftovers(home.path()).unwrap().len(), 1);
    }

    #[test]
    fn a_segment_without_a_mark_stays_and_is_told_of() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("journal/run-000003.seg");
        folder::create(path.parent().unwrap()).unwrap();
        fs::write(&path, "anything").unwrap();
        let [left] = &leftovers(home.path()).unwrap()[..] else { panic!("one run") };
        let recovered = left.recover(home.path(), None, None, |_| {});
        assert!(recovered.failures[0].contains("its mark"), "{recovered:?}");
        assert!(path.exists());
    }

    #[test]
    fn a_run_that_lives_is_left_alone_and_its_holder_is_named() {
        let home = tempfile::tempdir().unwrap();
        let (lake, run) = (home.path(), RunId::new("run").unwrap());
        Mark::begin(lake, run, 5, &catalogue(), Provenance::Live).unwrap();
        let origin = Origin { run, catalogue: catalogue_digest(&catalogue()) };
        let info = SegmentInfo { origin, number: 0, started_at: 5 };
        let mut segment = SegmentWriter::create(&lake.join(layout::JOURNAL), info).unwrap();
        let mut block = Block::new(1, 0);
        block.push(&quote(0, 0, 5).into());
        segment.write(&mut block).unwrap();
        let recover = || {
            let [left] = &leftovers(lake).unwrap()[..] else { panic!("one run") };
            left.recover(lake, Some(8), None, |_| {})
        };
        // The open segment is locked, then only the mark.
        let told = format!("run run is still being recorded (process {}", std::process::id());
        assert!(recover().failures[0].starts_with(&told), "{:?}", recover());
        let mark = lock::try_own(&lake.join("journal/run.run.json")).unwrap();
        drop(segment);
        assert!(recover().failures[0].starts_with(&told), "{:?}", recover());
        assert!(recover().failures[0].ends_with("its 1 segments stay"));
        drop(mark);
        let recovered = recover();
        assert_eq!((recovered.failures.len(), recovered.sealed.len()), (0, 1));
    }

    #[test]
    fn a_run_of_which_it_cannot_be_told_whether_it_lives_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let lake = home.path();
        Mark::begin(lake, RunId::new("run").unwrap(), 5, &catalogue(), Provenance::Live).unwrap();
        let [left] = &leftovers(lake).unwrap()[..] else { panic!("one run") };
        let path = lake.join("journal/run-000000.seg.open");
        std::os::unix::fs::symlink("run-000000.seg.open", &path).unwrap();
        let left = Leftover { segments: vec![(0, path)], ..left.clone() };
        let failures = left.recover(lake, Some(8), None, |_| {}).failures;
        assert!(failures[0].contains("cannot tell whether"), "{failures:?}");
        assert!(lake.join("journal/run.run.json").exists());
    }
}
