//! The mark that a run leaves in the lake while it lives.
//!
//! A [`Mark`] is a small JSON file beside the segments. It holds what is needed to seal them: the
//! catalogue. It goes when the run has ended and all its segments are sealed. A mark that is found
//! when nobody records belongs to a run that was killed, or that ended with segments left; see
//! [`recover`](crate::recover). For cold threads.

use crate::folder;
use crate::layout;
use crate::ledger::{self, Book, Cause, Entry, EntryKind, Head};
use crate::run::{Provenance, RunId, run_and_number};
use crate::segment::{CLOSED_SUFFIX, OPEN_SUFFIX};
use crate::stage::StageCounts;
use crate::table::{self, TableError};
use serde_json::{Value, json};
use spreadwire_market::clock::Nanos;
use spreadwire_market::instrument::{Catalogue, Instrument, VenueInfo};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// End of the name of a mark's file, after the name of the run.
pub const MARK_SUFFIX: &str = ".run.json";
/// End of the name of a mark's file while it is being written.
pub const UNFINISHED_SUFFIX: &str = ".run.json.tmp";
/// Version of the mark's format.
const VERSION: u64 = 1;

/// A run, as recorded in its mark.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// The run.
    pub run: RunId,
    /// Time at which the run began.
    pub started_at: Nanos,
    /// How the run ended; `None` while it runs and after it was killed.
    pub ended: Option<End>,
    /// Version of what the run writes into the ledger: [`ledger::VERSION`] of its engine.
    pub ledger: u64,
    /// Where its quotes come from; `None` for runs that did not say.
    pub provenance: Option<Provenance>,
    /// Its part of the ledger.
    pub book: Book,
    /// Instruments with their scales, and venues; without listings, fees and maximum ages.
    pub catalogue: Catalogue,
}

/// What is known about a run that ended in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Time of the end.
    pub time: Nanos,
    /// Number of inputs that the calculator numbered.
    pub inputs: u64,
    /// Number of counters whose values are in the ledger.
    pub counters: u64,
}

impl Mark {
    /// Writes the mark of a run that begins, and its first entry of the ledger.
    ///
    /// # Errors
    /// If either cannot be written.
    pub fn begin(
        lake: &Path,
        run: RunId,
        started_at: Nanos,
        catalogue: &Catalogue,
        provenance: Provenance,
    ) -> Result<Mark, TableError> {
        Mark::begin_in(Book::begin(lake, run), started_at, catalogue, provenance)
    }

    /// Does what [`begin`](Mark::begin) does for a run that may have been begun before, and goes on.
    ///
    /// # Errors
    /// As `begin`.
    pub fn begin_or_resume(
        lake: &Path,
        run: RunId,
        started_at: Nanos,
        catalogue: &Catalogue,
        provenance: Provenance,
    ) -> Result<Mark, TableError> {
        let book = Book::resume(lake, run, ledger::VERSION);
        Mark::begin_in(book, started_at, catalogue, provenance)
    }

    fn begin_in(
        book: Book,
        started_at: Nanos,
        catalogue: &Catalogue,
        provenance: Provenance,
    ) -> Result<Mark, TableError> {
        let (run, lake, catalogue) = (book.run(), book.lake().to_owned(), catalogue.clone());
        let (ledger, provenance) = (ledger::VERSION, Some(provenance));
        let book = book.of_provenance(provenance);
        let mark = Mark { run, started_at, ended: None, ledger, provenance, book, catalogue };
        mark.write(&lake)?;
        mark.tell_start()?;
        Ok(mark)
    }

    fn tell_start(&self) -> Result<(), TableError> {
        let entry = Entry::new(EntryKind::Started, self.started_at).of_run(self.run.as_str());
        let cause = self.provenance.map(|provenance| provenance.name().to_owned());
        let rows = Some(self.ledger).filter(|version| 1 < *version);
        Head::write(&self.book, "started", self.started_at, &[Entry { rows, cause, ..entry }])
    }

    /// Notes that the run has ended in order: the calculator numbered `inputs`, and `counters` and
    /// `stages` are the final counts. Deletes the mark, unless segments are left that were not
    /// sealed.
    ///
    /// # Errors
    /// If the lake cannot be written. The run then counts as killed.
    pub fn end(
        mut self,
        lake: &Path,
        ended_at: Nanos,
        inputs: u64,
        counters: &BTreeMap<String, u64>,
        stages: &StageCounts,
    ) -> Result<(), TableError> {
        let count = |(name, count): (&String, &u64)| Entry {
            rows: Some(*count),
            ..Entry::new(EntryKind::Count, ended_at).of_run(self.run.as_str()).because(name)
        };
        let counts: Vec<Entry> = counters.iter().map(count).collect();
        self.book.write("counts", ended_at, &counts)?;
        let stages = stages.entries(self.run.as_str(), ended_at, &self.catalogue);
        self.book.write("stages", ended_at, &stages)?;
        self.ended = Some(End { time: ended_at, inputs, counters: counts.len() as u64 });
        let folder = lake.join(layout::JOURNAL);
        let left = self.has_segments(&folder);
        if left.map_err(|source| table::io_error("list", &folder, source))? {
            return self.write(lake);
        }
        self.conclude(lake, None, None)
    }

    /// Whether segments of the run lie in the journal's folder.
    fn has_segments(&self, journal: &Path) -> io::Result<bool> {
        let entries = match fs::read_dir(journal) {
            Ok(entries) => entries,
            // Somebody deleted the folder while the run went on.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let name = entry?.file_name();
            let found = name.to_str().and_then(segment_named);
            if found.is_some_and(|(run, _)| run == self.run) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes into the ledger how the run ended, then deletes the mark. If something was sealed just
    /// now, `sealed` is the number after the last record sealed, and that record's time. `until` is
    /// when the next run began.
    fn conclude(
        &self,
        lake: &Path,
        sealed: Option<(u64, Nanos)>,
        until: Option<Nanos>,
    ) -> Result<(), TableError> {
        let (next, last_time) = self.sealed_so_far(lake)?.max(sealed.unwrap_or((0, 0)));
        let last_time = last_time.max(self.started_at);
        let entry = |kind, time| Entry::new(kind, time).of_run(self.run.as_str());
        let entries = match self.ended {
            Some(End { time: ended_at, inputs, counters }) => {
                let ended = entry(EntryKind::Ended, ended_at).because("clean");
                let (last, rows) = (inputs.checked_sub(1), Some(counters));
                let ended = Entry { last, rows, ..ended };
                // The inputs after the last segment could not be written.
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
        Head::write(&self.book, "ended", last_time, &entries)?;
        self.remove(lake)
    }

    /// Deletes the mark, after the run's end is in the ledger.
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

    /// Completes the ledger of a run that was killed. It may have been killed before it had written
    /// its beginning, or while it wrote a file; the beginning is written again and unfinished files
    /// are deleted. Then the end is written, unless the ledger has one already.
    pub(crate) fn conclude_killed(
        &self,
        lake: &Path,
        sealed: Option<(u64, Nanos)>,
        until: Option<Nanos>,
    ) -> Result<(), TableError> {
        let run = self.run.as_str();
        ledger::sweep(lake, run)?;
        let facts = ledger::read_run(lake, run)?;
        let has = |kind| facts.iter().any(|e| e.kind == kind && e.run.as_deref() == Some(run));
        if !has(EntryKind::Started) {
            self.tell_start()?;
        }
        // What was sealed after the end is behind it in the chain, and the end is told once more.
        if self.book.ends_with(EntryKind::Ended)? {
            Head::follow(&self.book)?;
            return self.remove(lake);
        }
        self.conclude(lake, sealed, until)
    }

    /// Returns the number after the run's last one in the ledger, and the time of that record.
    fn sealed_so_far(&self, lake: &Path) -> Result<(u64, Nanos), TableError> {
        let run = self.run.as_str();
        let segments = ledger::read_run(lake, run)?;
        let of_run = |e: &&Entry| e.kind == EntryKind::Segment && e.run.as_deref() == Some(run);
        let ends = segments.iter().filter(of_run);
        let ends = ends.map(|e| (e.last.map_or(0, |last| last + 1), e.until.unwrap_or(0)));
        Ok(ends.max().unwrap_or((0, 0)))
    }

    fn path(&self, lake: &Path) -> PathBuf {
        lake.join(layout::JOURNAL).join(format!("{}{MARK_SUFFIX}", self.run))
    }

    pub(crate) fn write(&self, lake: &Path) -> Result<(), TableError> {
        let folder = lake.join(layout::JOURNAL);
        let unfinished = folder.join(format!("{}{UNFINISHED_SUFFIX}", self.run));
        let path = self.path(lake);
        let write = || -> io::Result<()> {
            folder::create_in(lake, &folder)?;
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
            "ledger": self.ledger,
            "provenance": self.provenance.map(Provenance::name),
            "inputs": self.ended.map(|end| end.inputs),
            "counters": self.ended.map(|end| end.counters),
            "venues": venues.iter().map(|venue| &venue.name).collect::<Vec<_>>(),
            "instruments": instruments.iter().map(instrument).collect::<Vec<_>>(),
        })
    }

    /// Reads a mark; `None` if the file does not hold one.
    pub(crate) fn read(path: &Path) -> io::Result<Option<Mark>> {
        let value = serde_json::from_slice(&fs::read(path)?).unwrap_or(Value::Null);
        let lake = path.parent().and_then(Path::parent).unwrap_or(Path::new(""));
        Ok(Mark::of_json(&value, lake))
    }

    fn of_json(value: &Value, lake: &Path) -> Option<Mark> {
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
        // Marks of version 1 do not have this key.
        let ledger = number("ledger").unwrap_or(1);
        let provenance = value["provenance"].as_str().and_then(Provenance::of_name);
        let (started_at, book) =
            (number("started_at")?, Book::resume(lake, run, ledger).of_provenance(provenance));
        Some(Mark { run, started_at, ended, ledger, provenance, book, catalogue })
    }
}

/// Deletes marks that were never finished: their runs had not begun. The caller must hold the
/// recording lock.
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

/// Returns the run and the number of a segment, open or closed, by the name of its file.
pub(crate) fn segment_named(name: &str) -> Option<(RunId, u32)> {
    let stem = name.strip_suffix(OPEN_SUFFIX).or_else(|| name.strip_suffix(CLOSED_SUFFIX))?;
    run_and_number(stem)
}
