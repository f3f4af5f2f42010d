//! Sealing: a closed segment of the journal becomes Parquet files in the lake.
//!
//! The quotes of a segment are grouped by venue, instrument and hour of the receive time and sorted
//! by it, in the order of the journal where times are equal. Each group is one file, written under
//! another name, synced and renamed; only when the footers of all of them count the rows that were
//! written is the segment deleted. Names and content depend on the segment and the catalogue alone,
//! so that sealing again after a crash replaces each file by its equal. `docs/formats.md` has the
//! columns. It runs on a cold thread and must not know the journal's agent or any ring.

use crate::clock::{Nanos, SECOND};
use crate::counters::{Counter, Counters};
use crate::decimal;
use crate::folder;
use crate::instrument::{Catalogue, Instrument, InstrumentId, VenueId, VenueInfo};
use crate::record::{Kind, Quote, flags};
use crate::segment::{
    ClosedSegment, SegmentError, SegmentInfo, SegmentReader, catalogue_digest, numbers_taken,
    segment_name,
};
use arrow::array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, TimestampNanosecondArray, UInt8Array,
    UInt64Array,
};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use crossbeam::channel::Receiver;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnPath;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Version of the Parquet columns and metadata.
pub const VERSION: u32 = 1;

/// Rows are handed to the Parquet writer in batches of this many: bounds the copies in memory.
const BATCH_ROWS: usize = 65_536;
const HOUR: Nanos = 3600 * SECOND;
/// Longer names of venues and instruments are refused: a file name holds 255 bytes.
const NAME_BYTES_MAX: usize = 128;

/// What became of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// What the segment said of itself.
    pub info: SegmentInfo,
    /// The files in the order written.
    pub files: Vec<SealedFile>,
    /// What the segment held.
    pub tally: Tally,
    /// Where the last whole block ended, if the segment was cut off inside the one after it.
    pub truncated_at: Option<u64>,
}

/// A Parquet file of the lake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its rows, as its footer says.
    pub rows: u64,
}

/// Records of a segment by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Quotes: rows.
    pub quotes: u64,
    /// Statuses, which are no rows.
    pub statuses: u64,
    /// Gap marks, which are no rows.
    pub gaps: u64,
    /// Inputs that the gap marks stand for.
    pub missed: u64,
}

/// Why a segment was not sealed. It stays where it is; files that were finished stay as well and
/// are replaced by their equals the next time.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The segment cannot be read to its end.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// Its ids mean something else than those of the catalogue at hand.
    #[error("the segment was written with another catalogue of instruments and venues")]
    OtherCatalogue,
    /// It holds fewer or more records than its writer counted.
    #[error("the segment holds {found} records where {written} were written")]
    Incomplete {
        /// Records read.
        found: u64,
        /// Records that were written.
        written: u64,
    },
    /// A quote of an instrument or venue that the catalogue does not have.
    #[error("no venue {} or instrument {} in the catalogue", venue.0, instrument.0)]
    UnknownId {
        /// The quote's venue.
        venue: VenueId,
        /// The quote's instrument.
        instrument: InstrumentId,
    },
    /// A number that does not fit the signed column.
    #[error("{value} is beyond the range of the column {column}")]
    OutOfRange {
        /// The column.
        column: &'static str,
        /// The value.
        value: u64,
    },
    /// A name that cannot be a folder of the lake.
    #[error("{name:?} cannot be the name of a folder in the lake")]
    Name {
        /// The venue or instrument.
        name: String,
    },
    /// Two venues or instruments would share a folder.
    #[error("two venues or two instruments would share the folder {folder:?}")]
    SameFolder {
        /// The folder's name.
        folder: String,
    },
    /// The operating system refused.
    #[error("cannot {doing} {path}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Its answer.
        #[source]
        source: io::Error,
    },
    /// The Parquet library refused, or could not write.
    #[error("cannot {doing} {path}")]
    Parquet {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Its answer.
        #[source]
        source: ParquetError,
    },
    /// A written file does not count the rows that went into it.
    #[error("{path} has {found} rows where {written} were written")]
    Rows {
        /// The file.
        path: PathBuf,
        /// What its footer says.
        found: u64,
        /// What was written.
        written: u64,
    },
}

/// Seals a segment, to which nobody writes any more, into `lake` and deletes it. What follows a cut-off block is not there to seal;
/// [`Sealed::truncated_at`] says so.
///
/// # Errors
/// [`SealError`]; the segment stays.
pub fn seal_segment(path: &Path, lake: &Path, catalogue: &Catalogue) -> Result<Sealed, SealError> {
    seal(path, lake, catalogue, None)
}

/// The cold side of the journal: seals what it is sent.
#[derive(Debug)]
pub struct Sealer {
    lake: PathBuf,
    catalogue: Catalogue,
    rows: Counter,
    files: Counter,
    segments: Counter,
    failed: Counter,
    statuses: Counter,
    gaps: Counter,
    missed: Counter,
}

impl Sealer {
    /// A sealer into `lake` for segments written with `catalogue`.
    #[must_use]
    pub fn new(lake: &Path, catalogue: Catalogue, counters: &Counters) -> Sealer {
        let named = |name: &str| counters.counter(&format!("seal.{name}"));
        Sealer {
            lake: lake.to_owned(),
            catalogue,
            rows: named("rows"),
            files: named("files"),
            segments: named("segments"),
            failed: named("failed"),
            statuses: named("statuses"),
            gaps: named("gaps"),
            missed: named("missed"),
        }
    }

    /// Seals what comes until every sender is gone and everything is sealed. For a cold thread: it
    /// blocks, and logs. Returns a sentence for each segment that was not sealed.
    pub fn run(&self, segments: &Receiver<ClosedSegment>) -> Vec<String> {
        segments.iter().filter_map(|closed| self.seal_one(&closed)).collect()
    }

    fn seal_one(&self, closed: &ClosedSegment) -> Option<String> {
        let path = closed.path.display();
        match seal(&closed.path, &self.lake, &self.catalogue, Some(closed.records)) {
            Ok(sealed) => {
                self.count(&sealed);
                tracing::debug!(%path, rows = sealed.tally.quotes, "segment sealed");
                None
            }
            Err(error) => {
                self.failed.add(1);
                let sentence = format!("segment {path} stays unsealed: {}", chain(&error));
                tracing::error!("{sentence}");
                Some(sentence)
            }
        }
    }

    fn count(&self, sealed: &Sealed) {
        self.segments.add(1);
        self.rows.add(sealed.tally.quotes);
        self.files.add(sealed.files.len() as u64);
        self.statuses.add(sealed.tally.statuses);
        self.gaps.add(sealed.tally.gaps);
        self.missed.add(sealed.tally.missed);
    }
}

/// An error with its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn seal(
    path: &Path,
    lake: &Path,
    catalogue: &Catalogue,
    written: Option<u64>,
) -> Result<Sealed, SealError> {
    let content = Content::read(path, catalogue, written)?;
    let names = Names::new(catalogue)?;
    let mut files = Vec::new();
    let order = content.order();
    let group_of = |at: &usize| Group::of(&content.quotes[*at]);
    for rows in order.chunk_by(|a, b| group_of(a) == group_of(b)) {
        let group = group_of(&rows[0]);
        let table = Table { content: &content, group, rows, catalogue };
        files.push(table.write(&lake.join(names.folder(&group)))?);
    }
    files.iter().try_for_each(check_rows)?;
    fs::remove_file(path).map_err(|source| io_error("delete", path, source))?;
    if let Some(journal) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        folder::sync(journal).map_err(|source| io_error("sync", journal, source))?;
    }
    let Content { info, tally, truncated_at, .. } = content;
    Ok(Sealed { info, files, tally, truncated_at })
}

/// A segment in memory.
struct Content {
    info: SegmentInfo,
    /// In their order.
    quotes: Vec<Quote>,
    /// Of each quote its number in the journal.
    numbers: Vec<u64>,
    tally: Tally,
    /// Records that take no numbers and become no rows.
    annexed: u64,
    truncated_at: Option<u64>,
}

impl Content {
    fn read(
        path: &Path,
        catalogue: &Catalogue,
        written: Option<u64>,
    ) -> Result<Content, SealError> {
        let mut reader = SegmentReader::open(path)?;
        let info = *reader.info();
        if info.origin.catalogue != catalogue_digest(catalogue) {
            return Err(SealError::OtherCatalogue);
        }
        let tally = Tally::default();
        let (quotes, numbers) = (Vec::new(), Vec::new());
        let mut content = Content { info, quotes, numbers, tally, annexed: 0, truncated_at: None };
        for block in &mut reader {
            match block {
                Ok(block) => {
                    for (sequence, record) in block.numbered() {
                        content.take(sequence, record);
                    }
                }
                Err(SegmentError::Truncated { offset }) => content.truncated_at = Some(offset),
                Err(error) => return Err(error.into()),
            }
        }
        content.check(catalogue, written)?;
        Ok(content)
    }

    fn take(&mut self, sequence: u64, record: &crate::record::Record) {
        match record.kind() {
            Some(Kind::Quote) => {
                self.quotes.push(*record.view());
                self.numbers.push(sequence);
                self.tally.quotes += 1;
            }
            Some(Kind::Status) => self.tally.statuses += 1,
            Some(Kind::Gap) => {
                self.tally.gaps += 1;
                self.tally.missed = self.tally.missed.saturating_add(numbers_taken(record));
            }
            Some(Kind::Spread | Kind::Opened | Kind::Closed | Kind::Recording) | None => {
                self.annexed += 1;
            }
        }
    }

    fn check(&self, catalogue: &Catalogue, written: Option<u64>) -> Result<(), SealError> {
        let Tally { quotes, statuses, gaps, .. } = self.tally;
        let found = quotes + statuses + gaps + self.annexed;
        if let Some(written) = written.filter(|written| *written != found) {
            return Err(SealError::Incomplete { found, written });
        }
        for (quote, sequence) in self.quotes.iter().zip(&self.numbers) {
            let Quote { venue, instrument, .. } = *quote;
            let known = venue.index() < catalogue.venues.len()
                && instrument.index() < catalogue.instruments.len();
            if !known {
                return Err(SealError::UnknownId { venue, instrument });
            }
            signed("Timestamp", quote.ts_recv)?;
            signed("EventTime", quote.ts_event)?;
            signed("JournalSequence", *sequence)?;
        }
        Ok(())
    }

    /// The quotes' places in the order of the files and of the rows in them.
    fn order(&self) -> Vec<usize> {
        let mut places: Vec<usize> = (0..self.quotes.len()).collect();
        // Stable: the journal's order breaks ties.
        places.sort_by_key(|at| {
            let quote = &self.quotes[*at];
            (quote.venue, quote.instrument, quote.ts_recv)
        });
        places
    }
}

/// The rows that one file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Group {
    venue: VenueId,
    instrument: InstrumentId,
    /// Hours since 1970-01-01 00:00 UTC.
    hour: u64,
}

impl Group {
    fn of(quote: &Quote) -> Group {
        let Quote { venue, instrument, ts_recv, .. } = *quote;
        Group { venue, instrument, hour: ts_recv / HOUR }
    }
}

/// What the catalogue's names are as folders.
struct Names {
    venues: Vec<String>,
    instruments: Vec<String>,
}

impl Names {
    fn new(catalogue: &Catalogue) -> Result<Names, SealError> {
        let venues: Result<Vec<_>, _> =
            catalogue.venues.iter().map(|v| venue_folder(&v.name)).collect();
        let instruments: Result<Vec<_>, _> =
            catalogue.instruments.iter().map(|i| instrument_folder(&i.name)).collect();
        let (venues, instruments) = (venues?, instruments?);
        for names in [&venues, &instruments] {
            let mut sorted: Vec<&String> = names.iter().collect();
            sorted.sort_unstable();
            if let Some(twin) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
                return Err(SealError::SameFolder { folder: twin[0].clone() });
            }
        }
        Ok(Names { venues, instruments })
    }

    fn folder(&self, group: &Group) -> PathBuf {
        let (venue, instrument) =
            (&self.venues[group.venue.index()], &self.instruments[group.instrument.index()]);
        let second = (group.hour * 3600).cast_signed();
        // Every time in range is within the calendar; 1970 is where there is none.
        let hour = jiff::Timestamp::from_second(second).unwrap_or_default();
        let day = hour.strftime("date=%Y-%m-%d/hour=%H");
        PathBuf::from(format!("exchange={venue}/symbol={instrument}/{day}"))
    }
}

/// `binance-usdm` becomes `binance_usdm`: existing readers use the folder's name as part of an SQL
/// identifier.
fn venue_folder(name: &str) -> Result<String, SealError> {
    if !fits_a_path(name) || name.contains('/') {
        return Err(SealError::Name { name: name.to_owned() });
    }
    Ok(name.replace('-', "_"))
}

/// `BTC/USDT:PERP` becomes `BTC#USDT:PERP`.
fn instrument_folder(name: &str) -> Result<String, SealError> {
    if !fits_a_path(name) || 1 < name.matches('/').count() {
        return Err(SealError::Name { name: name.to_owned() });
    }
    Ok(name.replace('/', "#"))
}

/// Refuses what would leave the folder, hide in it, or be read back as something else: dots at the
/// start, other separators, patterns, and the characters that partitions are spelled with.
fn fits_a_path(name: &str) -> bool {
    const REFUSED: &str = "\\#=%*?[]{}\"'<>|";
    let bad = |c: char| c.is_control() || c.is_whitespace() || REFUSED.contains(c);
    let hidden = name.starts_with(['.', '/']) || name.ends_with('/');
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && !hidden && !name.contains(bad)
}

/// A file to be.
struct Table<'a> {
    content: &'a Content,
    group: Group,
    /// Places of the quotes in the content.
    rows: &'a [usize],
    catalogue: &'a Catalogue,
}

impl Table<'_> {
    /// Writes the file into `folder`, which is made, and makes both survive a power cut.
    fn write(&self, folder: &Path) -> Result<SealedFile, SealError> {
        folder::create(folder).map_err(|source| io_error("make the folder", folder, source))?;
        let info = &self.content.info;
        let name = segment_name(&info.origin.run, info.number);
        let path = folder.join(format!("{name}.parquet"));
        let unfinished = folder.join(format!("{name}.parquet.tmp"));
        let written = self.write_file(&unfinished).and_then(|()| {
            fs::rename(&unfinished, &path).map_err(|source| io_error("rename", &unfinished, source))
        });
        if let Err(error) = written {
            // Best effort: the next sealing overwrites it.
            fs::remove_file(&unfinished).unwrap_or_default();
            return Err(error);
        }
        folder::sync(folder).map_err(|source| io_error("sync", folder, source))?;
        Ok(SealedFile { path, rows: self.rows.len() as u64 })
    }

    fn write_file(&self, path: &Path) -> Result<(), SealError> {
        let parquet = |source| SealError::Parquet { doing: "write", path: path.to_owned(), source };
        let file = File::create(path).map_err(|source| io_error("create", path, source))?;
        let schema = Arc::new(schema());
        let properties = self.properties().map_err(parquet)?;
        let mut writer =
            ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties)).map_err(parquet)?;
        for rows in self.rows.chunks(BATCH_ROWS) {
            let batch = RecordBatch::try_new(Arc::clone(&schema), self.columns(rows));
            writer.write(&batch.map_err(|e| parquet(e.into()))?).map_err(parquet)?;
        }
        let file = writer.into_inner().map_err(parquet)?;
        file.sync_all().map_err(|source| io_error("sync", path, source))
    }

    /// The columns in the order of [`schema`].
    fn columns(&self, rows: &[usize]) -> Vec<ArrayRef> {
        let Instrument { price_scale, size_scale, .. } =
            *self.catalogue.instrument(self.group.instrument);
        let quotes = || rows.iter().map(|at| &self.content.quotes[*at]);
        let side = |side: fn(&Quote) -> (i64, i64), pick: fn((i64, i64)) -> i64, scale: u8| {
            let values = quotes().map(|quote| {
                let side = side(quote);
                (side != (0, 0)).then(|| decimal::to_f64(pick(side), scale))
            });
            Arc::new(values.collect::<Float64Array>()) as ArrayRef
        };
        let bid: fn(&Quote) -> (i64, i64) = |quote| (quote.bid_px, quote.bid_sz);
        let ask: fn(&Quote) -> (i64, i64) = |quote| (quote.ask_px, quote.ask_sz);
        let times = quotes().map(|quote| quote.ts_recv.cast_signed());
        let events = quotes().map(|quote| {
            (quote.flags & flags::TS_EVENT_ABSENT == 0).then_some(quote.ts_event.cast_signed())
        });
        let sequences = quotes().map(|quote| (quote.sequence != 0).then_some(quote.sequence));
        let numbers = rows.iter().map(|at| self.content.numbers[*at].cast_signed());
        vec![
            Arc::new(TimestampNanosecondArray::from_iter_values(times).with_timezone("UTC")),
            side(bid, |(px, _)| px, price_scale),
            side(ask, |(px, _)| px, price_scale),
            side(bid, |(_, sz)| sz, size_scale),
            side(ask, |(_, sz)| sz, size_scale),
            Arc::new(events.collect::<TimestampNanosecondArray>().with_timezone("UTC")),
            Arc::new(sequences.collect::<UInt64Array>()),
            Arc::new(Int64Array::from_iter_values(numbers)),
            Arc::new(UInt8Array::from_iter_values(quotes().map(|quote| quote.flags))),
        ]
    }

    fn properties(&self) -> Result<WriterProperties, ParquetError> {
        let by_time = SortingColumn { column_idx: 0, descending: false, nulls_first: false };
        let mut properties = WriterProperties::builder()
            .set_created_by(format!("spreadwire lake {VERSION}"))
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_sorting_columns(Some(vec![by_time]))
            .set_key_value_metadata(Some(self.metadata()));
        for name in ["Timestamp", "EventTime", "Sequence", "JournalSequence"] {
            let column = ColumnPath::from(name);
            // NB: while a column has a dictionary, its encoding is only what follows a full one.
            properties = properties
                .set_column_dictionary_enabled(column.clone(), false)
                .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
        }
        // Readers that look for a time find the page.
        let time = ColumnPath::from("Timestamp");
        Ok(properties.set_column_statistics_enabled(time, EnabledStatistics::Page).build())
    }

    fn metadata(&self) -> Vec<KeyValue> {
        let VenueInfo { name: venue, .. } = self.catalogue.venue(self.group.venue);
        let Instrument { name: instrument, price_scale, size_scale } =
            self.catalogue.instrument(self.group.instrument);
        let Content { info, tally, numbers, .. } = self.content;
        let numbers = self.rows.iter().map(|at| numbers[*at]);
        let pairs = [
            ("format", VERSION.to_string()),
            ("venue", venue.clone()),
            ("instrument", instrument.clone()),
            ("price_scale", price_scale.to_string()),
            ("size_scale", size_scale.to_string()),
            ("run", info.origin.run.to_string()),
            ("segment", info.number.to_string()),
            ("segment_quotes", tally.quotes.to_string()),
            ("segment_statuses", tally.statuses.to_string()),
            ("segment_gaps", tally.gaps.to_string()),
            ("segment_missed", tally.missed.to_string()),
            ("first_journal_sequence", numbers.clone().min().unwrap_or(0).to_string()),
            ("last_journal_sequence", numbers.max().unwrap_or(0).to_string()),
        ];
        pairs
            .into_iter()
            .map(|(key, value)| KeyValue::new(format!("spreadwire.{key}"), value))
            .collect()
    }
}

fn schema() -> Schema {
    let time = || DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    Schema::new(vec![
        Field::new("Timestamp", time(), false),
        Field::new("BestBid", DataType::Float64, true),
        Field::new("BestAsk", DataType::Float64, true),
        Field::new("BestBidSize", DataType::Float64, true),
        Field::new("BestAskSize", DataType::Float64, true),
        Field::new("EventTime", time(), true),
        Field::new("Sequence", DataType::UInt64, true),
        Field::new("JournalSequence", DataType::Int64, false),
        Field::new("Flags", DataType::UInt8, false),
    ])
}

/// Reads a file's footer again and compares.
fn check_rows(file: &SealedFile) -> Result<(), SealError> {
    let SealedFile { path, rows: written } = file;
    let opened = File::open(path).map_err(|source| io_error("open", path, source))?;
    let reader = SerializedFileReader::new(opened).map_err(|source| SealError::Parquet {
        doing: "read the footer of",
        path: path.clone(),
        source,
    })?;
    let found = reader.metadata().file_metadata().num_rows().cast_unsigned();
    if found == *written {
        return Ok(());
    }
    Err(SealError::Rows { path: path.clone(), found, written: *written })
}

fn signed(column: &'static str, value: u64) -> Result<i64, SealError> {
    i64::try_from(value).map_err(|_| SealError::OutOfRange { column, value })
}

fn io_error(doing: &'static str, path: &Path, source: io::Error) -> SealError {
    SealError::Io { doing, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_folders_or_are_refused() {
        for (name, folder) in [
            ("BTC/USDT", "BTC#USDT"),
            ("BTC/USDT:PERP", "BTC#USDT:PERP"),
            ("1000PEPE/USDT", "1000PEPE#USDT"),
            ("币安人生/USDT", "币安人生#USDT"),
        ] {
            assert_eq!(instrument_folder(name).unwrap(), folder);
        }
        for name in [
            "",
            "..",
            "../BTC",
            "/BTC",
            "BTC/",
            "A/B/C",
            "A\\B",
            "A#B",
            "A=B",
            "A*/B",
            "A B",
            "A\0B",
            "A\nB",
            ".hidden/B",
            "50%/B",
        ] {
            assert!(instrument_folder(name).is_err(), "{name:?}");
        }
        assert!(instrument_folder(&"A".repeat(129)).is_err());
        assert_eq!(venue_folder("binance-usdm").unwrap(), "binance_usdm");
        assert!(venue_folder("a/b").is_err());
        assert!(venue_folder("..").is_err());
    }

    #[test]
    fn two_names_for_one_folder_are_refused() {
        let venue = |name: &str| VenueInfo { name: name.to_owned(), taker_fee: 0.0, max_age: 0 };
        let venues = vec![venue("a-b"), venue("a_b")];
        let catalogue = Catalogue { venues, ..Catalogue::default() };
        assert!(matches!(Names::new(&catalogue), Err(SealError::SameFolder { .. })));
    }

    #[test]
    fn hours_are_those_of_utc() {
        let names = Names { venues: vec!["v".into()], instruments: vec!["A#B".into()] };
        for (ts_recv, day) in [
            (0, "date=1970-01-01/hour=00"),
            (1_723_161_599_999_999_999, "date=2024-08-08/hour=23"),
            (1_723_161_600_000_000_000, "date=2024-08-09/hour=00"),
            (i64::MAX.cast_unsigned(), "date=2262-04-11/hour=23"),
        ] {
            let quote = Quote { ts_recv, ..bytemuck::Zeroable::zeroed() };
            let folder = names.folder(&Group::of(&quote));
            assert_eq!(folder, Path::new("exchange=v/symbol=A#B").join(day));
        }
    }
}
