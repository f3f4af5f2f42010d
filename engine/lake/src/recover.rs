//! Runs that ended, well or not: the mark that a run leaves in the lake while it lives, and what is
//! done about one that was killed.
//!
//! A [`Mark`] is a small JSON file beside the segments, with what is needed to seal them: the
//! catalogue. It goes when the run has ended and all its segments are sealed. Who finds one at the
//! next start seals what lies there and writes into the ledger how the run ended. For cold threads.
//! It must not know agents, rings or configuration.

use crate::folder;
use crate::layout;
use crate::ledger::{self, Cause, Entry, EntryKind};
use crate::run::{Origin, RunId, catalogue_digest};
use crate::seal::{SealError, Sealed, seal_headless, seal_segment};
use crate::segment::{
    CLOSED_SUFFIX, Damage, OPEN_SUFFIX, SegmentError, SegmentInfo, SegmentReader,
};
use crate::table::{self, TableError};
use serde_json::{Value, json};
use spreadwire_market::clock::Nanos;
use spreadwire_market::instrument::{Catalogue, Instrument, VenueInfo};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// How the name of a mark ends; before it stands the run.
pub const MARK_SUFFIX: &str = ".run.json";
/// How the name of a mark ends that is being written.
pub const UNFINISHED_SUFFIX: &str = ".run.json.tmp";
/// Version of the mark.
const VERSION: u64 = 1;

/// A run as its mark has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// The run.
    pub run: RunId,
    /// When it began.
    pub started_at: Nanos,
    /// How it ended in order; `None` while it runs and after it was killed.
    pub ended: Option<End>,
    /// Instruments with scales, and venues; without listings, fees and ages.
    pub catalogue: Catalogue,
}

/// What is known of a run that ended in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// When.
    pub time: Nanos,
    /// Inputs that the calculator had numbered.
    pub inputs: u64,
    /// Counters whose values are in the ledger.
    pub counters: u64,
}

impl Mark {
    /// Notes in the lake that a run begins: the mark, and an entry of the ledger.
    ///
    /// # Errors
    /// If either cannot be written.
    pub fn begin(
        lake: &Path,
        run: RunId,
        started_at: Nanos,
        catalogue: &Catalogue,
    ) -> Result<Mark, TableError> {
        let mark = Mark { run, started_at, ended: None, catalogue: catalogue.clone() };
        mark.write(lake)?;
        mark.tell_start(lake)?;
        Ok(mark)
    }

    fn tell_start(&self, lake: &Path) -> Result<(), TableError> {
        let entry = Entry::new(EntryKind::Started, self.started_at).of_run(self.run.as_str());
        ledger::write(lake, &format!("{}-started", self.run), self.started_at, &[entry]).map(drop)
    }

    /// Notes that the run has ended in order: `inputs` were numbered, and these are its counters.
    /// The mark goes, unless segments are left that were not sealed.
    ///
    /// # Errors
    /// If that cannot be written. The run then counts as killed.
    pub fn end(
        mut self,
        lake: &Path,
        ended_at: Nanos,
        inputs: u64,
        counters: &BTreeMap<String, u64>,
    ) -> Result<(), TableError> {
        let count = |(name, count): (&String, &u64)| Entry {
            rows: Some(*count),
            ..Entry::new(EntryKind::Count, ended_at).of_run(self.run.as_str()).because(name)
        };
        let counts: Vec<Entry> = counters.iter().map(count).collect();
        ledger::write(lake, &format!("{}-counts", self.run), ended_at, &counts)?;
        self.ended = Some(End { time: ended_at, inputs, counters: counts.len() as u64 });
        let folder = lake.join(layout::JOURNAL);
        let left = leftovers(lake).map_err(|source| table::io_error("list", &folder, source))?;
        if left.iter().any(|left| left.run == self.run && !left.segments.is_empty()) {
            return self.write(lake);
        }
        self.conclude(lake, None, None)
    }

    /// How the run ended, into the ledger; then the mark goes. `sealed` is the number after the
    /// last one sealed and the time of that record, if something was sealed just now; `until` when
    /// the next run began.
    fn conclude(
        &self,
        lake: &Path,
        sealed: Option<(u64, Nanos)>,
        until: Option<Nanos>,
    ) -> Result<(), TableError> {
        let (next, last_time) = self.sealed_so_far(lake).max(sealed.unwrap_or((0, 0)));
        let last_time = last_time.max(self.started_at);
        let entry = |kind, time| Entry::new(kind, time).of_run(self.run.as_str());
        let entries = match self.ended {
            Some(End { time: ended_at, inputs, counters }) => {
                let ended = entry(EntryKind::Ended, ended_at).because("clean");
                let (last, rows) = (inputs.checked_sub(1), Some(counters));
                let ended = Entry { last, rows, ..ended };
                // What came after the last segment had no place to be written to.
                let tail = Entry {
                    first: Some(next),
                    last: inputs.checked_sub(1),
                    rows: Some(inputs.saturating_sub(next)),
                    until: Some(ended_at),
                    ..entry(EntryKind::Gap, last_time).because(Cause::Disk.name())
                };
                vec![Some(ended), (next < inputs).then_some(tail)]
            }
            None => {
                let ended = entry(EntryKind::Ended, last_time).because("killed");
                let gap = entry(EntryKind::Gap, last_time).because(Cause::Restart.name());
                let ended = Entry { last: next.checked_sub(1), ..ended };
                vec![Some(ended), Some(Entry { first: Some(next), until, ..gap })]
            }
        };
        let entries: Vec<Entry> = entries.into_iter().flatten().collect();
        ledger::write(lake, &format!("{}-ended", self.run), last_time, &entries)?;
        self.remove(lake)
    }

    /// The mark of a run whose end is in the ledger.
    fn remove(&self, lake: &Path) -> Result<(), TableError> {
        let path = self.path(lake);
        let removed = fs::remove_file(&path)
            .and_then(|()| folder::sync(path.parent().unwrap_or(Path::new("."))));
        match removed {
            // Somebody deleted the journal's folder while the run went on.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(|source| table::io_error("delete", &path, source)),
        }
    }

    /// Of a run that was killed: what it may have been killed before or while writing is told or
    /// deleted; then how it ended, unless the ledger has that already.
    fn conclude_killed(
        &self,
        lake: &Path,
        sealed: Option<(u64, Nanos)>,
        until: Option<Nanos>,
    ) -> Result<(), TableError> {
        let run = self.run.as_str();
        self.tell_start(lake)?;
        ledger::sweep(lake, run)?;
        let of_run = |e: &Entry| e.kind == EntryKind::Ended && e.run.as_deref() == Some(run);
        if ledger::read_run(lake, run).iter().any(of_run) {
            return self.remove(lake);
        }
        self.conclude(lake, sealed, until)
    }

    /// The number after the last one that the ledger has of the run, and the time of that record.
    fn sealed_so_far(&self, lake: &Path) -> (u64, Nanos) {
        let run = self.run.as_str();
        let segments = ledger::read_run(lake, run);
        let of_run = |e: &&Entry| e.kind == EntryKind::Segment && e.run.as_deref() == Some(run);
        let ends = segments.iter().filter(of_run);
        let ends = ends.map(|e| (e.last.map_or(0, |last| last + 1), e.until.unwrap_or(0)));
        ends.max().unwrap_or((0, 0))
    }

    fn path(&self, lake: &Path) -> PathBuf {
        lake.join(layout::JOURNAL).join(format!("{}{MARK_SUFFIX}", self.run))
    }

    fn write(&self, lake: &Path) -> Result<(), TableError> {
        let folder = lake.join(layout::JOURNAL);
        let unfinished = folder.join(format!("{}{UNFINISHED_SUFFIX}", self.run));
        let path = self.path(lake);
        let write = || -> io::Result<()> {
            folder::create(&folder)?;
            let text = self.to_json().to_string();
            folder::replace(&unfinished, &path, |mut file| file.write_all(text.as_bytes()))
        };
        write().map_err(|source| table::io_error("write", &path, source))
    }

    fn to_json(&self) -> Value {
        let Catalogue { instruments, venues, .. } = &self.catalogue;
        let instrument = |i: &Instrument| json!({"name": i.name, "price_scale": i.price_scale, "size_scale": i.size_scale});
        json!({
            "format": VERSION,
            "run": self.run.as_str(),
            "started_at": self.started_at,
            "ended_at": self.ended.map(|end| end.time),
            "inputs": self.ended.map(|end| end.inputs),
            "counters": self.ended.map(|end| end.counters),
            "venues": venues.iter().map(|venue| &venue.name).collect::<Vec<_>>(),
            "instruments": instruments.iter().map(instrument).collect::<Vec<_>>(),
        })
    }

    fn of_json(value: &Value) -> Option<Mark> {
        if value["format"].as_u64()? != VERSION {
            return None;
        }
        let scale = |value: &Value| u8::try_from(value.as_u64()?).ok();
        let instrument = |value: &Value| {
            Some(Instrument {
                name: value["name"].as_str()?.to_owned(),
                price_scale: scale(&value["price_scale"])?,
                size_scale: scale(&value["size_scale"])?,
            })
        };
        let venue = |value: &Value| {
            Some(VenueInfo { name: value.as_str()?.to_owned(), taker_fee: 0.0, max_age: 0 })
        };
        let catalogue = Catalogue {
            instruments: value["instruments"]
                .as_array()?
                .iter()
                .map(instrument)
                .collect::<Option<_>>()?,
            venues: value["venues"].as_array()?.iter().map(venue).collect::<Option<_>>()?,
            listings: Vec::new(),
        };
        let number = |key: &str| value[key].as_u64();
        let ended = number("ended_at").zip(number("inputs")).zip(number("counters"));
        let ended = ended.map(|((time, inputs), counters)| End { time, inputs, counters });
        let run = RunId::new(value["run"].as_str()?)?;
        Some(Mark { run, started_at: value["started_at"].as_u64()?, ended, catalogue })
    }
}

/// What a run left in the journal's folder.
#[derive(Clone, Debug)]
pub struct Leftover {
    /// The run.
    pub run: RunId,
    /// Its mark, if there is one that can be read.
    pub mark: Option<Mark>,
    /// Its segments with their numbers, in order.
    pub segments: Vec<(u32, PathBuf)>,
}

/// What became of a leftover.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Segments that were sealed.
    pub sealed: Vec<Sealed>,
    /// Segments that were begun and held nothing.
    pub empty: usize,
    /// A sentence for each thing that could not be done; its files stay.
    pub failures: Vec<String>,
}

/// What runs left in the journal's folder, by run in the order of their names. An engine that runs
/// has its own there.
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
            let text = fs::read(&path)?;
            let value = serde_json::from_slice(&text).unwrap_or(Value::Null);
            let mark = Mark::of_json(&value).filter(|mark| mark.run == run);
            found.entry(run).or_insert_with(|| leftover(run)).mark = mark;
        } else if let Some((run, number)) = named(name) {
            found.entry(run).or_insert_with(|| leftover(run)).segments.push((number, path));
        }
    }
    let mut found: Vec<Leftover> = found.into_values().collect();
    found.iter_mut().for_each(|leftover| leftover.segments.sort());
    Ok(found)
}

/// Deletes marks that were never finished: their runs had not begun. For who holds the recording
/// lock.
///
/// # Errors
/// If one cannot be deleted.
pub fn sweep(lake: &Path) -> io::Result<()> {
    let entries = fs::read_dir(lake.join(layout::JOURNAL)).into_iter().flatten();
    for entry in entries {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(UNFINISHED_SUFFIX) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Run and number of a segment by its file's name.
fn named(name: &str) -> Option<(RunId, u32)> {
    let stem = name.strip_suffix(OPEN_SUFFIX).or_else(|| name.strip_suffix(CLOSED_SUFFIX))?;
    let (run, number) = stem.rsplit_once('-')?;
    Some((RunId::new(run)?, number.parse().ok()?))
}

/// When the run after one of `leftovers` began: its neighbour, or behind the last one `until`.
#[must_use]
pub fn began_after(leftovers: &[Leftover], place: usize, until: Option<Nanos>) -> Option<Nanos> {
    let marks = leftovers.iter().skip(place + 1).filter_map(|left| left.mark.as_ref());
    marks.map(|mark| mark.started_at).next().or(until)
}

impl Leftover {
    /// Seals what is whole in the segments, and writes into the ledger how the run ended. `until`
    /// is when the next run began. `catalogue` stands in where the mark is lost. `each` is told
    /// before each segment.
    pub fn recover(
        &self,
        lake: &Path,
        until: Option<Nanos>,
        catalogue: Option<&Catalogue>,
        mut each: impl FnMut(&Path),
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
        for (number, path) in &self.segments {
            each(path);
            match self.seal(lake, *number, path, known) {
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

    /// Seals one segment; `None` if nothing was ever written into it.
    fn seal(
        &self,
        lake: &Path,
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
                    // Nothing in it is ours, whatever its name says.
                    return Err(SegmentError::NotASegment.into());
                }
                seal_headless(path, lake, catalogue, info).map(Some)
            }
            _ => seal_segment(path, lake, catalogue).map(Some),
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

    fn catalogue() -> Catalogue {
        let name = "BTC/USDT".to_owned();
        let venue = VenueInfo { name: "okx".to_owned(), taker_fee: 0.0, max_age: 0 };
        Catalogue {
            instruments: vec![Instrument { name, price_scale: 2, size_scale: 8 }],
            venues: vec![venue],
            listings: Vec::new(),
        }
    }

    fn told(lake: &Path) -> Vec<(EntryKind, Nanos, Option<u64>, Option<String>)> {
        let (entries, errors) = ledger::read(lake);
        assert!(errors.is_empty());
        entries.into_iter().map(|e| (e.kind, e.time, e.last, e.cause)).collect()
    }

    #[test]
    fn a_run_that_ends_well_leaves_no_mark() {
        let home = tempfile::tempdir().unwrap();
        let run = RunId::new("run").unwrap();
        let mark = Mark::begin(home.path(), run, 5, &catalogue()).unwrap();
        let [left] = &leftovers(home.path()).unwrap()[..] else { panic!("the mark is there") };
        assert_eq!(left.mark.as_ref(), Some(&mark));
        let counters = BTreeMap::from([("feed.okx.frames".to_owned(), 3)]);
        mark.end(home.path(), 9, 0, &counters).unwrap();
        assert!(leftovers(home.path()).unwrap().is_empty());
        let expected = [
            (EntryKind::Started, 5, None, None),
            (EntryKind::Ended, 9, None, Some("clean".to_owned())),
            (EntryKind::Count, 9, None, Some("feed.okx.frames".to_owned())),
        ];
        assert_eq!(told(home.path()), expected);
    }

    #[test]
    fn a_killed_run_is_told_of_and_an_empty_segment_goes() {
        let home = tempfile::tempdir().unwrap();
        Mark::begin(home.path(), RunId::new("run-1").unwrap(), 5, &catalogue()).unwrap();
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
        Mark::begin(lake, RunId::new("run").unwrap(), 5, &catalogue()).unwrap();
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
        let mark = Mark::begin(lake, RunId::new("run").unwrap(), 5, &catalogue()).unwrap();
        let recover = |until| {
            let [left] = &leftovers(lake).unwrap()[..] else { panic!("the mark is there") };
            assert!(left.recover(lake, Some(until), None, |_| {}).failures.is_empty());
            assert!(leftovers(lake).unwrap().is_empty());
            ledger::read(lake).0
        };
        let first = recover(8);
        mark.write(lake).unwrap();
        assert_eq!(recover(9), first);
        let clean = Mark::begin(lake, RunId::new("well").unwrap(), 9, &catalogue()).unwrap();
        clean.clone().end(lake, 10, 0, &BTreeMap::new()).unwrap();
        let first = ledger::read(lake).0;
        clean.write(lake).unwrap();
        assert_eq!(recover(11), first);
    }

    #[test]
    fn an_unfinished_mark_is_swept_away() {
        let home = tempfile::tempdir().unwrap();
        sweep(home.path()).unwrap();
        Mark::begin(home.path(), RunId::new("run").unwrap(), 5, &catalogue()).unwrap();
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
}
