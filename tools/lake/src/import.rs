//! `lake import`: imports recorded quotes into a lake, from the formats in `import/formats.rs`.
//!
//! Imported quotes take the same path as live ones: into segments of the journal, which are sealed
//! and added to the ledger. Each file is a run of its own, named by its content, so a file is
//! imported only once, and an interrupted import can be run again. A segment is written aside and
//! moved into the journal when it is complete. If an engine or `lake recover` seals the remains of
//! a killed import, it seals the same rows as the import would. Each file is read twice, the first
//! time for its format, units of time, instruments and their decimals (`import/survey.rs`).

mod binance;
mod columns;
mod contract;
mod cryptofeed;
mod format;
pub mod formats;
mod hftbacktest;
mod identity;
mod names;
mod nautilus;
mod outcome;
mod parquet;
mod refusal;
mod row;
mod source;
mod survey;
mod tape;
mod tardis;
mod tardis_snapshot;
mod time;

pub use contract::{Contract, ContractUnit, Contracts};
pub use format::{Format, Given};
pub use names::{Names, canonical};
pub use outcome::Outcome;
pub use refusal::Refusal;
pub use row::Row;
pub use survey::Reading;
pub use tape::COLUMNS;
pub use time::Unit;

use crate::progress;
use anyhow::{Context, anyhow, ensure};
use clap::{Args, ValueEnum};
use formats::FORMATS;
use indicatif::ProgressBar;
use serde_json::json;
use spreadwire_lake::mark::Mark;
use spreadwire_lake::provenance;
use spreadwire_lake::run::{Origin, Provenance, catalogue_digest, segment_name};
use spreadwire_lake::seal::{RunSealer, Sealed};
use spreadwire_lake::segment::{Block, CLOSED_SUFFIX, SegmentInfo, SegmentWriter};
use spreadwire_lake::stage::{Stage, StageCounts};
use spreadwire_lake::{folder, layout, lock};
use spreadwire_market::instrument::{Catalogue, Instrument};
use spreadwire_market::record::{Quote, Record, flags};
use spreadwire_output::{Stream, out, write};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use survey::{Survey, Surveyed};

/// Maximum number of rows of a segment.
const SEGMENT_ROWS: usize = 1 << 18;
/// Maximum number of rows of a block.
const BLOCK_ROWS: usize = 4096;
/// Folder in the journal in which segments are written.
pub(crate) const ASIDE: &str = "importing";

/// Arguments of `lake import`.
#[derive(Debug, Args)]
#[command(after_long_help = after_help())]
pub struct Import {
    /// Folder of the lake; created if it does not exist.
    lake: PathBuf,
    /// Files to import. The format of each is recognised by its columns, plain or in a gzip or zip
    /// file.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Read every file as this format; an error says what does not fit.
    #[arg(long, value_name = "FORMAT", value_parser = format_named)]
    format: Option<&'static Format>,
    /// Venue of files that do not name one, such as --venue binance-usdm.
    #[arg(long, value_name = "VENUE")]
    venue: Option<String>,
    /// Rename a venue of the files. Those of this project's venues are known by format; other
    /// venues keep their names.
    #[arg(long = "map", value_name = "THEIRS=VENUE", value_parser = pair)]
    venues: Vec<(String, String)>,
    /// Name the instrument of a symbol, on every venue or on one: THEIRS:SYMBOL=NAME. Otherwise
    /// BTCUSDT, BTC-USDT, BTC_USDT and BTC/USDT become BTC/USDT. Without =, the instrument of
    /// files that name none, such as --instrument BTC/USDT:PERP.
    #[arg(long = "instrument", value_name = "SYMBOL=NAME", value_parser = instrument)]
    instruments: Vec<(String, String)>,
    /// Unit of the times, of every column or of one: s, ms, us or ns, or COLUMN=UNIT. Otherwise it
    /// is recognised by the size of the numbers, as times between 2000 and 2100.
    #[arg(long = "time-unit", value_name = "UNIT", value_parser = unit)]
    units: Vec<(String, Unit)>,
    /// Number of decimals of every price; by default as many as the files have, by instrument.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(..=18))]
    price_decimals: Option<u8>,
    /// Number of decimals of every size; by default as many as the files have, by instrument.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(..=18))]
    size_decimals: Option<u8>,
    /// Sizes in the files are numbers of contracts, and one contract is N: of every symbol, or of one,
    /// SYMBOL=N. Sizes become sizes of the base asset.
    #[arg(long = "contract-size", value_name = "N", requires = "contract_unit")]
    contract_sizes: Vec<String>,
    /// The unit of --contract-size: base, such as 0.01 BTC, or quote for inverse contracts, such as
    /// 100 USD, which are converted at the price beside each size.
    #[arg(long, value_name = "UNIT", requires = "contract_sizes")]
    contract_unit: Option<ContractUnit>,
    /// Print the outcome as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Lists the formats and gives examples.
fn after_help() -> String {
    let formats = FORMATS.map(|format| format!("  {:<16} {}", format.name, format.what)).join("\n");
    format!(
        "Formats:\n{formats}\n\nExamples:\n  \
         lake import LAKE binance-futures_quotes_2024-08-08_BTCUSDT.csv.gz\n  \
         lake import LAKE BTCUSDT-bookTicker-2024-02-15.zip --venue binance-usdm --instrument \
         BTCUSDT=BTC/USDT:PERP\n  \
         lake import LAKE btc.npz --venue binance-usdm --instrument BTC/USDT:PERP\n  \
         lake import LAKE binance-delivery_quotes_2024-08-08_BTCUSD_PERP.csv.gz --contract-size 100 \
         --contract-unit quote --map binance-delivery=binance-coinm\n  \
         lake import LAKE CATALOG/data/quote_tick/*/*.parquet\n\n\
         Rows that cannot be quotes are counted by reason; the rest is imported, and the exit code \
         is 1."
    )
}

fn format_named(name: &str) -> Result<&'static Format, String> {
    let names = || FORMATS.map(|format| format.name).join(", ");
    formats::named(name).ok_or_else(|| format!("formats are {}", names()))
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((from, to)) if !from.is_empty() && !to.is_empty() => {
            Ok((from.to_owned(), to.to_owned()))
        }
        Some(_) | None => Err("write it as FROM=TO".to_owned()),
    }
}

/// Parses a rule for a symbol, or the name of an instrument, for which the symbol is empty.
fn instrument(text: &str) -> Result<(String, String), String> {
    if text.contains('=') { pair(text) } else { Ok((String::new(), text.to_owned())) }
}

/// Parses a unit, or a column and its unit.
fn unit(text: &str) -> Result<(String, Unit), String> {
    let (column, unit) = text.rsplit_once('=').unwrap_or(("", text));
    let unit = Unit::from_str(unit, false);
    Ok((column.to_owned(), unit.map_err(|_| "units are s, ms, us and ns".to_owned())?))
}

impl Import {
    fn reading(&self) -> anyhow::Result<Reading> {
        let (names, rules): (Vec<_>, Vec<_>) =
            self.instruments.iter().cloned().partition(|(symbol, _)| symbol.is_empty());
        ensure!(names.len() < 2, "--instrument without = can be given once");
        let instrument = names.into_iter().next().map(|(_, name)| name);
        Ok(Reading {
            format: self.format,
            given: Given { venue: self.venue.clone(), instrument },
            names: Names { venues: self.venues.clone(), instruments: rules },
            units: self.units.clone(),
            scales: (self.price_decimals, self.size_decimals),
            contracts: self.contracts()?,
        })
    }

    fn contracts(&self) -> anyhow::Result<Contracts> {
        let Some(unit) = self.contract_unit else { return Ok(Contracts::default()) };
        let mut contracts = Contracts::default();
        for text in &self.contract_sizes {
            let (symbol, size) = text.rsplit_once('=').unwrap_or(("", text));
            let contract = Contract::parse(size, unit);
            let contract = contract.map_err(|why| anyhow!("--contract-size {text}: {why}"))?;
            contracts.0.push((symbol.to_owned(), contract));
        }
        Ok(contracts)
    }
}

/// Imports and prints the outcome. Returns 0 if every row is in the lake, otherwise 1.
///
/// # Errors
/// If a file cannot be read or was imported before, if an engine records into the lake, or if the
/// lake cannot be written.
pub fn run(arguments: &Import) -> anyhow::Result<ExitCode> {
    provenance::refuse_mixture(&arguments.lake, Provenance::Import)
        .context("import into another lake")?;
    let work = Work {
        lake: &arguments.lake,
        files: &arguments.files,
        reading: arguments.reading()?,
        segment_rows: SEGMENT_ROWS,
    };
    let bar = progress::bar("rows", 0, arguments.json);
    let outcomes = import(&work, &bar, &mut |_| Ok(()))?;
    bar.finish_and_clear();
    if arguments.json {
        out!("{}", json!({"files": outcomes.iter().map(Outcome::to_json).collect::<Vec<_>>()}));
    } else {
        outcomes.iter().for_each(|outcome| write(Stream::Out, &outcome.to_text()));
    }
    let whole = outcomes.iter().all(|outcome| outcome.refused.is_empty());
    Ok(ExitCode::from(u8::from(!whole)))
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

/// Parameters of an import.
#[derive(Debug)]
pub struct Work<'a> {
    /// Folder of the lake.
    pub lake: &'a Path,
    /// Paths of the files.
    pub files: &'a [PathBuf],
    /// How they are read.
    pub reading: Reading,
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
    let (catalogue, mut tapes) = Survey::of(&work.reading, work.files)?;
    identity::name_runs(&mut tapes, &catalogue, &work.reading.contracts)?;
    bar.set_length(tapes.iter().map(|tape| tape.rows).sum());
    let _lock = lock::recording(work.lake).context("cannot write into this lake")?;
    identity::check_new(work.lake, &mut tapes)?;
    let mut outcomes = Vec::new();
    for surveyed in &tapes {
        let importing = Importing {
            work,
            surveyed,
            catalogue: &catalogue,
            bar,
            on_step: &mut *on_step,
            outcome: Outcome::of(surveyed),
            records: Vec::new(),
            segment: 0,
            stages: StageCounts::of_records([]),
        };
        let again = || format!("{}: run the import again to continue", surveyed.file.display());
        outcomes.push(importing.run().with_context(again)?);
    }
    Ok(outcomes)
}

/// Import of one file.
struct Importing<'a> {
    work: &'a Work<'a>,
    surveyed: &'a Surveyed,
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
    fn run(mut self) -> anyhow::Result<Outcome> {
        let surveyed = self.surveyed;
        let aside = self.work.lake.join(layout::JOURNAL).join(ASIDE);
        if aside.exists() {
            fs::remove_dir_all(&aside)?;
        }
        let (run, first, import) = (surveyed.run, surveyed.first, Provenance::Import);
        let mark = Mark::begin_or_resume(self.work.lake, run, first, self.catalogue, import)?;
        identity::note_content(&mark.book, surveyed)?;
        // One for all segments, so that small files of an hour become one.
        let mut sealer = RunSealer::new(mark.book.clone(), self.catalogue.clone());
        folder::create_in(self.work.lake, &aside)?;
        (self.on_step)(Step::Begun)?;
        let (_, sum, mut rows) = self.work.reading.open(&surveyed.file)?;
        while let Some((place, row)) = rows.next_row()? {
            self.bar.inc(1);
            match row.and_then(|row| self.quote(row)) {
                Ok(quote) => self.take(&quote),
                Err(why) => self.outcome.refuse(place, why),
            }
            if self.work.segment_rows <= self.records.len() {
                self.seal(&aside, &mut sealer)?;
            }
        }
        ensure!(sum.identity() == surveyed.identity, "the file changed during the import");
        self.outcome.passed_over = rows.passed_over();
        self.seal(&aside, &mut sealer)?;
        fs::remove_dir_all(&aside)?;
        let numbered = self.stages.numbered();
        mark.end(self.work.lake, surveyed.last, numbered, &self.counts(), &self.stages)?;
        (self.on_step)(Step::Ended)?;
        Ok(self.outcome)
    }

    fn quote(&self, row: &Row) -> Result<Quote, Refusal> {
        let (ts_recv, ts_event) = row.times(&self.surveyed.clocks)?;
        let ids = self.surveyed.places.get(&row.venue, &row.symbol).flatten();
        let (venue, instrument) = ids.ok_or(Refusal::Name)?;
        let Instrument { price_scale, size_scale, .. } = *self.catalogue.instrument(instrument);
        let scales = (price_scale, size_scale);
        let contract = self.work.reading.contracts.of(&row.symbol);
        let (bid_px, bid_sz) = row::side(&row.bid, scales, contract)?;
        let (ask_px, ask_sz) = row::side(&row.ask, scales, contract)?;
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
            sequence: row.sequence()?,
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
    fn seal(&mut self, aside: &Path, sealer: &mut RunSealer) -> anyhow::Result<()> {
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
        let Sealed { tally, .. } = sealer.seal(&path)?;
        self.stages.add(Stage::SealedQuotes, tally.quotes);
        (self.on_step)(Step::Sealed)?;
        self.outcome.rows += self.records.len() as u64;
        self.records.clear();
        self.segment += 1;
        Ok(())
    }

    /// Returns the refused rows by reason, and the content, for the ledger.
    fn counts(&self) -> BTreeMap<String, u64> {
        let refused = self.outcome.refused.iter();
        let refused = refused.map(|(why, n)| (format!("import.refused.{}", why.name()), *n));
        refused.chain([identity::content_counter(self.surveyed)]).collect()
    }
}
