//! `lake import`: imports recorded quotes from CSV files into a lake.
//!
//! Imported quotes take the same path as live ones: into segments of the journal, which are sealed
//! and added to the ledger. Each file is a run of its own, named by its content, so a file is
//! imported only once, and an interrupted import can be run again. A segment is written aside and
//! moved into the journal when it is complete. If an engine or `lake recover` seals the remains of
//! a killed import, it seals the same rows as the import would. Each file is read twice, the first
//! time for its instruments and their decimals.

use crate::progress;
use crate::tape::{self, Refusal, Tape};
use anyhow::{Context, bail, ensure};
use clap::Args;
use csv::StringRecord;
use indicatif::ProgressBar;
use serde_json::json;
use spreadwire_lake::columns::Columns;
use spreadwire_lake::ledger::{self, Book, EntryKind};
use spreadwire_lake::mark::Mark;
use spreadwire_lake::recover;
use spreadwire_lake::run::{Origin, Provenance, RunId, catalogue_digest, segment_name};
use spreadwire_lake::seal::{Sealed, seal_segment};
use spreadwire_lake::segment::{Block, CLOSED_SUFFIX, SegmentInfo, SegmentWriter};
use spreadwire_lake::stage::{Stage, StageCounts};
use spreadwire_lake::{folder, layout, lock};
use spreadwire_market::clock::Nanos;
use spreadwire_market::decimal::SCALE_MAX;
use spreadwire_market::instrument::{
    Catalogue, Instrument, InstrumentId, VENUES_MAX, VenueId, VenueInfo,
};
use spreadwire_market::record::{Quote, Record, flags};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Maximum number of rows of a segment.
const SEGMENT_ROWS: usize = 1 << 18;
/// Maximum number of rows of a block.
const BLOCK_ROWS: usize = 4096;
/// Maximum number of refused rows of a file that are listed.
const NAMED_MAX: usize = 5;
/// Folder in the journal in which segments are written.
pub(crate) const ASIDE: &str = "importing";
/// Venues of tapes that have other names in this project.
const KNOWN_VENUES: [(&str, &str); 4] = [
    ("binance_spot", "binance"),
    ("binance_usdm", "binance-usdm"),
    ("bybit_spot", "bybit"),
    ("okx_spot", "okx"),
];

/// Arguments of `lake import`.
#[derive(Debug, Args)]
pub struct Import {
    /// Folder of the lake; created if it does not exist.
    lake: PathBuf,
    /// CSV files, plain or gzip (.gz), with the columns
    /// recv_ts_ns,exch_ts_ns,venue,symbol,bid,bid_qty,ask,ask_qty.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Rename a venue of the files. binance_spot, binance_usdm, bybit_spot and okx_spot are known;
    /// other venues keep their names.
    #[arg(long = "map", value_name = "TAPEVENUE=VENUE", value_parser = pair)]
    venues: Vec<(String, String)>,
    /// Name the instrument of a symbol, on every venue or on one: TAPEVENUE:SYMBOL=NAME. Otherwise
    /// BTCUSDT, BTC-USDT, BTC_USDT and BTC/USDT become BTC/USDT.
    #[arg(long = "instrument", value_name = "SYMBOL=NAME", value_parser = pair)]
    instruments: Vec<(String, String)>,
    /// Number of decimals of every price; by default as many as the files have, by instrument.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(..=18))]
    price_decimals: Option<u8>,
    /// Number of decimals of every size; by default as many as the files have, by instrument.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(..=18))]
    size_decimals: Option<u8>,
    /// Print the outcome as one JSON object.
    #[arg(long)]
    json: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((from, to)) if !from.is_empty() && !to.is_empty() => {
            Ok((from.to_owned(), to.to_owned()))
        }
        Some(_) | None => Err("write it as FROM=TO".to_owned()),
    }
}

/// Imports and prints the outcome. Returns 0 if every row is in the lake, otherwise 1.
///
/// # Errors
/// If a file cannot be read or was imported before, if an engine records into the lake, or if the
/// lake cannot be written.
pub fn run(arguments: &Import) -> anyhow::Result<ExitCode> {
    let Import { venues, instruments, price_decimals, size_decimals, .. } = arguments;
    let work = Work {
        lake: &arguments.lake,
        files: &arguments.files,
        names: Names { venues: venues.clone(), instruments: instruments.clone() },
        scales: (*price_decimals, *size_decimals),
        segment_rows: SEGMENT_ROWS,
    };
    let bar = progress::bar("rows", 0, arguments.json);
    let outcomes = import(&work, &bar, &mut |_| Ok(()))?;
    bar.finish_and_clear();
    if arguments.json {
        println!("{}", json!({"files": outcomes.iter().map(Outcome::to_json).collect::<Vec<_>>()}));
    } else {
        outcomes.iter().for_each(|outcome| print!("{}", outcome.to_text()));
    }
    let whole = outcomes.iter().all(|outcome| outcome.refused.is_empty());
    Ok(ExitCode::from(u8::from(!whole)))
}

/// Mapping from names in tapes to names in the lake. Names without a rule follow the default.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Pairs of a venue in the tape and a venue in the lake.
    pub venues: Vec<(String, String)>,
    /// Pairs of a symbol, optionally prefixed with the tape's venue and `:`, and an instrument.
    pub instruments: Vec<(String, String)>,
}

impl Names {
    fn venue(&self, tape: &str) -> String {
        let given = self.venues.iter().map(|(from, to)| (from.as_str(), to.as_str()));
        let mut known = given.chain(KNOWN_VENUES);
        known.find(|(from, _)| *from == tape).map_or(tape, |(_, to)| to).to_owned()
    }

    fn instrument(&self, venue: &str, symbol: &str) -> String {
        let here = format!("{venue}:{symbol}");
        let find = |key: &str| self.instruments.iter().find(|(from, _)| from == key);
        let given = find(&here).or_else(|| find(symbol));
        given.map_or_else(|| tape::canonical(symbol), |(_, name)| name.clone())
    }
}

/// A completed step. Tests kill the process after each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The run was added to the ledger.
    Begun,
    /// A segment was written aside.
    Written,
    /// The segment was moved into the journal.
    Journalled,
    /// The segment was sealed.
    Sealed,
    /// The run has ended.
    Ended,
}

/// Outcome of one file.
#[derive(Debug)]
pub struct Outcome {
    /// Path of the file.
    pub file: PathBuf,
    /// Its run in the ledger.
    pub run: RunId,
    /// Number of rows in the lake.
    pub rows: u64,
    /// Number of rows that were refused, by reason.
    pub refused: BTreeMap<Refusal, u64>,
    /// Line and reason of the first refused rows.
    pub named: Vec<(u64, Refusal)>,
}

impl Outcome {
    fn to_json(&self) -> serde_json::Value {
        let refused: BTreeMap<&str, u64> =
            self.refused.iter().map(|(why, count)| (why.name(), *count)).collect();
        let named = |(line, why): &(u64, Refusal)| json!({"line": line, "why": why.name()});
        json!({
            "file": self.file.display().to_string(),
            "run": self.run.as_str(),
            "rows": self.rows,
            "refused": refused,
            "first_refused": self.named.iter().map(named).collect::<Vec<_>>(),
        })
    }

    fn to_text(&self) -> String {
        let file = self.file.display();
        let mut lines = vec![format!("{file}: {} rows, run {}", self.rows, self.run)];
        for (why, count) in &self.refused {
            let at = self.named.iter().filter(|(_, named)| named == why);
            let at: Vec<String> = at.map(|(line, _)| line.to_string()).collect();
            let at =
                if at.is_empty() { String::new() } else { format!(" (line {})", at.join(", ")) };
            lines.push(format!("  NOT IMPORTED {count} rows: {}{at}", why.text()));
        }
        lines.join("\n") + "\n"
    }
}

/// Parameters of an import.
#[derive(Debug)]
pub struct Work<'a> {
    /// Folder of the lake.
    pub lake: &'a Path,
    /// Paths of the tapes.
    pub files: &'a [PathBuf],
    /// Mapping of the tapes' names.
    pub names: Names,
    /// Decimals of prices and sizes, where they differ from those of the tapes.
    pub scales: (Option<u8>, Option<u8>),
    /// Maximum number of rows of a segment, which bounds the memory.
    pub segment_rows: usize,
}

/// Called after each step. An error stops the work immediately.
pub type OnStep<'a> = &'a mut dyn FnMut(Step) -> anyhow::Result<()>;

/// Imports files, and calls `on_step` after each step.
///
/// # Errors
/// As [`run`], and those of `on_step`.
pub fn import(
    work: &Work<'_>,
    bar: &ProgressBar,
    on_step: OnStep<'_>,
) -> anyhow::Result<Vec<Outcome>> {
    let mut survey = Survey { names: work.names.clone(), ..Survey::default() };
    let tapes = work.files.iter().map(|file| survey.read(file));
    let mut tapes = tapes.collect::<Result<Vec<_>, _>>()?;
    survey.set_scales(work.scales);
    let catalogue = survey.catalogue()?;
    for surveyed in &mut tapes {
        surveyed.run = survey.run(surveyed)?;
    }
    bar.set_length(tapes.iter().map(|tape| tape.rows).sum());
    let _lock = lock::recording(work.lake).context("cannot write into this lake")?;
    check_new(work.lake, &tapes)?;
    let mut outcomes = Vec::new();
    for surveyed in &tapes {
        let (file, run) = (surveyed.file.clone(), surveyed.run);
        let outcome = Outcome { file, run, rows: 0, refused: BTreeMap::new(), named: Vec::new() };
        let importing = Importing {
            work,
            survey: &survey,
            catalogue: &catalogue,
            bar,
            on_step: &mut *on_step,
            outcome,
            records: Vec::new(),
            segment: 0,
            stages: StageCounts::of_records([]),
        };
        let again = || format!("{}: run the import again to continue", surveyed.file.display());
        outcomes.push(importing.run(surveyed).with_context(again)?);
    }
    Ok(outcomes)
}

/// Contents of a tape.
#[derive(Debug)]
struct Surveyed {
    file: PathBuf,
    checksum: u32,
    run: RunId,
    /// Number of lines after the first.
    rows: u64,
    first: Nanos,
    last: Nanos,
}

/// Contents of all tapes.
#[derive(Default)]
struct Survey {
    names: Names,
    /// Ids by venue and symbol in the tape.
    places: HashMap<(String, String), (VenueId, InstrumentId)>,
    venues: Vec<String>,
    instruments: Vec<Instrument>,
}

impl Survey {
    fn read(&mut self, file: &Path) -> anyhow::Result<Surveyed> {
        let in_file = || file.display().to_string();
        let mut tape = Tape::open(file)?;
        let (mut rows, mut first, mut last) = (0, Nanos::MAX, 0);
        while let Some((_, row)) = tape.next_row().with_context(in_file)? {
            rows += 1;
            let Ok(row) = row else { continue };
            self.note(row).with_context(in_file)?;
            if let Ok((time, _)) = tape::times(row) {
                (first, last) = (first.min(time), last.max(time));
            }
        }
        ensure!(first <= last, "{}: no row has a receive time", file.display());
        let (checksum, run) = (tape.checksum(), RunId::starting_at(0));
        Ok(Surveyed { file: file.to_owned(), checksum, run, rows, first, last })
    }

    /// Notes the venue, instrument and decimals of a row. Names that cannot be folder names are
    /// skipped.
    fn note(&mut self, row: &StringRecord) -> anyhow::Result<()> {
        let key = (row[2].to_owned(), row[3].to_owned());
        if !self.places.contains_key(&key) {
            let (venue, name) = (self.names.venue(&key.0), self.names.instrument(&key.0, &key.1));
            if layout::venue_folder(&venue).is_err() || layout::instrument_folder(&name).is_err() {
                return Ok(());
            }
            let venue = place_of(&mut self.venues, |known| *known == venue, || venue.clone());
            ensure!(
                venue < VENUES_MAX,
                "more than {VENUES_MAX} venues: import the files one by one"
            );
            let new = || Instrument { name: name.clone(), price_scale: 0, size_scale: 0 };
            let place = place_of(&mut self.instruments, |known| known.name == name, new);
            let ids = (VenueId(u8::try_from(venue)?), InstrumentId(u32::try_from(place)?));
            self.places.insert(key.clone(), ids);
        }
        let instrument = &mut self.instruments[self.places[&key].1.index()];
        let Instrument { price_scale, size_scale, .. } = instrument;
        *price_scale =
            [4, 6].map(|at| tape::decimals(&row[at])).into_iter().fold(*price_scale, u8::max);
        *size_scale =
            [5, 7].map(|at| tape::decimals(&row[at])).into_iter().fold(*size_scale, u8::max);
        Ok(())
    }

    fn set_scales(&mut self, (price, size): (Option<u8>, Option<u8>)) {
        for instrument in &mut self.instruments {
            instrument.price_scale = price.unwrap_or(instrument.price_scale).min(SCALE_MAX);
            instrument.size_scale = size.unwrap_or(instrument.size_scale).min(SCALE_MAX);
        }
    }

    fn catalogue(&self) -> anyhow::Result<Catalogue> {
        let venue = |name: &String| VenueInfo { name: name.clone(), taker_fee: 0.0, max_age: 0 };
        let catalogue = Catalogue {
            instruments: self.instruments.clone(),
            venues: self.venues.iter().map(venue).collect(),
            listings: Vec::new(),
        };
        Columns::new(&catalogue, "import").context("use --map or --instrument")?;
        Ok(catalogue)
    }

    /// Returns the run of a tape: `import-`, its checksum, and a checksum of its interpretation.
    fn run(&self, surveyed: &Surveyed) -> anyhow::Result<RunId> {
        let mut lines: Vec<String> = self
            .places
            .iter()
            .map(|((tape, symbol), (venue, instrument))| {
                let Instrument { name, price_scale, size_scale } =
                    &self.instruments[instrument.index()];
                let venue = &self.venues[venue.index()];
                format!("{tape}\t{symbol}\t{venue}\t{name}\t{price_scale}\t{size_scale}\n")
            })
            .collect();
        lines.sort();
        let how = crc32c::crc32c(lines.concat().as_bytes());
        let name = format!("{}{how:08x}", prefix(surveyed.checksum));
        RunId::new(&name).context("cannot name the run")
    }
}

/// Returns the common prefix of all runs of a tape.
fn prefix(checksum: u32) -> String {
    format!("import-{checksum:08x}-")
}

fn place_of<T>(known: &mut Vec<T>, is_it: impl Fn(&T) -> bool, new: impl Fn() -> T) -> usize {
    known.iter().position(is_it).unwrap_or_else(|| {
        known.push(new());
        known.len() - 1
    })
}

/// Refuses tapes that are already in the lake, are given twice, or were begun with other options.
fn check_new(lake: &Path, tapes: &[Surveyed]) -> anyhow::Result<()> {
    let (entries, errors) = ledger::read(lake);
    if let Some(error) = errors.into_iter().next() {
        return Err(error).context("cannot determine whether the files are in the lake already");
    }
    let marks = recover::leftovers(lake)?;
    for (at, surveyed) in tapes.iter().enumerate() {
        let file = surveyed.file.display();
        let twin = tapes[..at].iter().find(|other| other.checksum == surveyed.checksum);
        if let Some(twin) = twin {
            bail!("{file} has the same content as {}: leave one of them out", twin.file.display());
        }
        let begins = prefix(surveyed.checksum);
        let of_tape = |run: &str| run.starts_with(&begins);
        let runs = entries.iter().filter(|entry| entry.run.as_deref().is_some_and(of_tape));
        let is_end = |kind| kind == EntryKind::Ended;
        let mut ends =
            runs.clone().filter(|e| is_end(e.kind) && e.cause.as_deref() == Some("clean"));
        if let Some(run) = ends.find_map(|entry| entry.run.as_deref()) {
            bail!("{file} is in this lake already, as run {run}: leave it out");
        }
        let begun = runs.filter_map(|entry| entry.run.clone());
        let left = marks.iter().map(|left| left.run.as_str().to_owned()).filter(|run| of_tape(run));
        if let Some(run) = begun.chain(left).find(|run| run != surveyed.run.as_str()) {
            bail!(
                "{file} was imported in part, as run {run}, with other files beside it or with \
                 another --map, --instrument, --price-decimals or --size-decimals: run it again as \
                 it was"
            );
        }
    }
    Ok(())
}

/// Import of one tape.
struct Importing<'a> {
    work: &'a Work<'a>,
    survey: &'a Survey,
    catalogue: &'a Catalogue,
    bar: &'a ProgressBar,
    on_step: OnStep<'a>,
    outcome: Outcome,
    records: Vec<Record>,
    segment: u32,
    /// Counts as an engine's feeds, calculator, journal and sealer would have made them. Nothing is
    /// missed or lost: data that cannot be stored ends the import.
    stages: StageCounts,
}

impl Importing<'_> {
    fn run(mut self, surveyed: &Surveyed) -> anyhow::Result<Outcome> {
        let aside = self.work.lake.join(layout::JOURNAL).join(ASIDE);
        if aside.exists() {
            fs::remove_dir_all(&aside)?;
        }
        let (run, first, import) = (surveyed.run, surveyed.first, Provenance::Import);
        let mark = Mark::begin_or_resume(self.work.lake, run, first, self.catalogue, import)?;
        folder::create_in(self.work.lake, &aside)?;
        (self.on_step)(Step::Begun)?;
        let mut tape = Tape::open(&surveyed.file)?;
        while let Some((line, row)) = tape.next_row()? {
            self.bar.inc(1);
            match row.and_then(|row| self.quote(row)) {
                Ok(quote) => self.take(&quote),
                Err(why) => self.outcome.refuse(line, why),
            }
            if self.work.segment_rows <= self.records.len() {
                self.seal(&aside, &mark.book)?;
            }
        }
        ensure!(tape.checksum() == surveyed.checksum, "the file changed during the import");
        self.seal(&aside, &mark.book)?;
        fs::remove_dir_all(&aside)?;
        let numbered = self.stages.numbered();
        mark.end(self.work.lake, surveyed.last, numbered, &self.counts(), &self.stages)?;
        (self.on_step)(Step::Ended)?;
        Ok(self.outcome)
    }

    fn quote(&self, row: &StringRecord) -> Result<Quote, Refusal> {
        let (ts_recv, ts_event) = tape::times(row)?;
        let key = (row[2].to_owned(), row[3].to_owned());
        let (venue, instrument) = *self.survey.places.get(&key).ok_or(Refusal::Name)?;
        let Instrument { price_scale, size_scale, .. } = *self.catalogue.instrument(instrument);
        let scales = (price_scale, size_scale);
        let (bid_px, bid_sz) = tape::side(&row[4], &row[5], scales)?;
        let (ask_px, ask_sz) = tape::side(&row[6], &row[7], scales)?;
        if bid_px == 0 && ask_px == 0 {
            return Err(Refusal::NoPrice);
        }
        let crossed = 0 < ask_px && ask_px < bid_px;
        let mut bits = if crossed { flags::CROSSED } else { 0 };
        bits |= if ts_event.is_none() { flags::TS_EVENT_ABSENT } else { 0 };
        Ok(Quote {
            ts_recv,
            ts_event: ts_event.unwrap_or(0),
            bid_px,
            ask_px,
            bid_sz,
            ask_sz,
            sequence: 0,
            instrument,
            venue,

            flags: bits,
            ..Quote::default()
        })
    }

    /// Adds a quote to the current segment and gives it the next number.
    fn take(&mut self, quote: &Quote) {
        let listed = (quote.venue, quote.instrument);
        self.stages.add_listed(Stage::Decoded, listed, 1);
        self.stages.add(Stage::Fed, 1);
        self.stages.add(Stage::NumberedQuotes, 1);
        self.stages.add_listed(Stage::Passed, listed, 1);
        self.records.push((*quote).into());
    }

    /// Writes the current rows as a segment and seals it.
    fn seal(&mut self, aside: &Path, book: &Book) -> anyhow::Result<()> {
        let Some(first) = self.records.first() else { return Ok(()) };
        let (run, started_at) = (self.outcome.run, first.ts_recv());
        let origin = Origin { run, catalogue: catalogue_digest(self.catalogue) };
        let info = SegmentInfo { origin, number: self.segment, started_at };
        let mut writer = SegmentWriter::create(aside, info)?;
        let mut block = Block::new(BLOCK_ROWS, self.outcome.rows);
        for some in self.records.chunks(BLOCK_ROWS) {
            some.iter().for_each(|record| block.push(record));
            writer.write(&mut block)?;
            block.clear();
            for record in some {
                let listed = (record.venue, record.instrument);
                self.stages.add_listed(Stage::Journalled, listed, 1);
            }
        }
        let finished = writer.finish();
        finished.trim()?;
        finished.sync()?;
        let closed = finished.close()?;
        (self.on_step)(Step::Written)?;
        let journal = self.work.lake.join(layout::JOURNAL);
        let path = journal.join(format!("{}{CLOSED_SUFFIX}", segment_name(&run, self.segment)));
        folder::put_in_place(&closed.path, &path)?;
        (self.on_step)(Step::Journalled)?;
        let Sealed { tally, .. } = seal_segment(&path, book, self.catalogue)?;
        self.stages.add(Stage::SealedQuotes, tally.quotes);
        (self.on_step)(Step::Sealed)?;
        self.outcome.rows += self.records.len() as u64;
        self.records.clear();
        self.segment += 1;
        Ok(())
    }

    /// Returns the refused rows by reason, for the ledger.
    fn counts(&self) -> BTreeMap<String, u64> {
        let refused = self.outcome.refused.iter();
        refused.map(|(why, count)| (format!("import.refused.{}", why.name()), *count)).collect()
    }
}

impl Outcome {
    fn refuse(&mut self, line: u64, why: Refusal) {
        *self.refused.entry(why).or_default() += 1;
        if self.named.len() < NAMED_MAX {
            self.named.push((line, why));
        }
    }
}
