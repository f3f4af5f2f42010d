//! `lake export`: writes quotes from a lake in other formats.
//!
//! The files of a venue and instrument are read folder by folder in time order. The files of one
//! hour, and several venues or instruments, are merged by receive time. No data is invented:
//! anything that a format cannot represent is left out and counted. The formats are in
//! `formats.rs`.

pub use crate::formats::Told;
use crate::formats::{self, Format};
use crate::merge::{self, Batches, Merge};
use crate::progress;
use anyhow::{Context, bail, ensure};
use clap::Args;
use flate2::Compression;
use flate2::write::GzEncoder;
use indicatif::ProgressBar;
use spreadwire_lake::folder;
use spreadwire_lake::layout::{self, PARQUET_SUFFIX};
use spreadwire_lake::table::{QUOTES, TableReader};
use spreadwire_market::clock::Nanos;
use spreadwire_output::{Output, err, out};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `lake export`.
#[derive(Debug, Args)]
pub struct Export {
    /// Folder of the lake.
    lake: PathBuf,
    /// csv: as read by `lake import`. tardis: the quotes format of tardis.dev. hftbacktest: an .npz
    /// of one instrument on one venue, sorted in memory (up to 1 KB a quote).
    #[arg(long, value_name = "FORMAT")]
    to: Format,
    /// Output file; compressed with gzip if the name ends in .gz. - is standard output, not for
    /// hftbacktest.
    #[arg(long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
    /// Only this venue, such as binance-usdm.
    #[arg(long, value_name = "VENUE")]
    venue: Option<String>,
    /// Only this instrument, such as BTC/USDT.
    #[arg(long, value_name = "NAME")]
    instrument: Option<String>,
    /// Start, inclusive, by receive time: 2024-08-08, 2024-08-08T12:00Z, or ns since 1970.
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Nanos>,
    /// End, exclusive, by receive time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Nanos>,
    /// Use the receive time where the venue sends no event time. hftbacktest cannot use such quotes
    /// otherwise.
    #[arg(long)]
    receive_time_for_absent: bool,
    /// Print the outcome as one JSON object; on standard error if the quotes go to standard output.
    #[arg(long)]
    json: bool,
}

/// Parses a time argument.
fn time(text: &str) -> Result<Nanos, String> {
    let wrong = || "write it as 2024-08-08, 2024-08-08T12:00:00Z or ns since 1970".to_owned();
    if let Ok(nanos) = text.parse() {
        return Ok(nanos);
    }
    let second = match text.parse::<jiff::civil::Date>() {
        Ok(date) if text.len() == "2024-08-08".len() => {
            date.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| wrong())?.timestamp()
        }
        Ok(_) | Err(_) => text.parse::<jiff::Timestamp>().map_err(|_| wrong())?,
    };
    Nanos::try_from(second.as_nanosecond()).map_err(|_| wrong())
}

/// Exports and prints what was left out. Returns 0 if everything requested was written, otherwise
/// 1.
///
/// # Errors
/// If nothing matches, a file cannot be read, or the output cannot be written.
pub fn run(arguments: &Export) -> anyhow::Result<ExitCode> {
    ensure!(arguments.lake.is_dir(), "{} is not a folder", arguments.lake.display());
    let wanted = Wanted {
        lake: &arguments.lake,
        venue: arguments.venue.clone(),
        instrument: arguments.instrument.clone(),
        from: arguments.from.unwrap_or(0),
        until: arguments.until.unwrap_or(Nanos::MAX),
    };
    let bar = progress::bar("files", 0, arguments.json);
    let to_stdout = arguments.out == Path::new("-");
    let told = if to_stdout {
        ensure!(arguments.to != Format::Hftbacktest, "an .npz needs a file: give --out FILE");
        let out = BufWriter::new(Output);
        export(&wanted, arguments.to, arguments.receive_time_for_absent, out, &bar)?
    } else {
        to_file(arguments, &wanted, &bar)?
    };
    bar.finish_and_clear();
    let text = if arguments.json { told.to_json().to_string() } else { told.to_text() };
    if to_stdout {
        err!("{text}");
    } else {
        out!("{text}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes to a temporary file and renames it, so a file with the final name is complete.
fn to_file(arguments: &Export, wanted: &Wanted<'_>, bar: &ProgressBar) -> anyhow::Result<Told> {
    let Export { out, to, receive_time_for_absent, .. } = arguments;
    let mut unfinished = out.clone().into_os_string();
    unfinished.push(".tmp");
    let zipped = out.extension().is_some_and(|extension| extension == "gz");
    let write = |file: &File| {
        if !zipped {
            return export(wanted, *to, *receive_time_for_absent, BufWriter::new(file), bar);
        }
        let mut gz = GzEncoder::new(BufWriter::new(file), Compression::default());
        let told = export(wanted, *to, *receive_time_for_absent, &mut gz, bar)?;
        gz.finish()?.flush()?;
        Ok(told)
    };
    folder::replace(Path::new(&unfinished), out, write)
        .with_context(|| format!("cannot write {}", out.display()))
}

/// Parameters of an export.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// Folder of the lake.
    pub lake: &'a Path,
    /// Only this venue, if given.
    pub venue: Option<String>,
    /// Only this instrument, if given.
    pub instrument: Option<String>,
    /// First receive time, inclusive.
    pub from: Nanos,
    /// Last receive time, exclusive.
    pub until: Nanos,
}

/// A venue and instrument of the lake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Book {
    /// The venue's name.
    pub venue: String,
    /// The instrument's name.
    pub instrument: String,
    /// Its files in time order, grouped by hour.
    hours: Vec<Vec<PathBuf>>,
}

/// Writes the requested quotes to `out`. With `receive_time_for_absent`, hftbacktest gets the
/// receive time where the venue sends no event time.
///
/// # Errors
/// As [`run`].
pub fn export<W: Write>(
    wanted: &Wanted<'_>,
    format: Format,
    receive_time_for_absent: bool,
    out: W,
    bar: &ProgressBar,
) -> anyhow::Result<Told> {
    let books = wanted.books()?;
    if books.is_empty() {
        bail!("{} has no quotes of this venue, instrument and time", wanted.lake.display());
    }
    if let (Format::Hftbacktest, [_, other, ..]) = (format, books.as_slice()) {
        bail!(
            "hftbacktest takes one instrument of one venue: give --venue and --instrument, such as \
             --venue {} --instrument {}",
            other.venue,
            other.instrument
        );
    }
    bar.set_length(
        books.iter().map(|book| book.hours.iter().map(Vec::len).sum::<usize>() as u64).sum(),
    );
    let sources = books.iter().map(|book| book.batches(bar.clone())).collect();
    let mut merge = Merge::new(&QUOTES, sources)?;
    let mut sink = formats::sink(format, receive_time_for_absent, out)?;
    while let Some(slice) = merge.next_slice()? {
        let (book, columns) = (&books[slice.source], formats::Columns::of(&slice.batch)?);
        for row in slice.rows.map(|row| columns.row(row)) {
            if (wanted.from..wanted.until).contains(&row.received) {
                sink.take(&book.venue, &book.instrument, &row)?;
            }
        }
    }
    sink.finish()
}

impl Wanted<'_> {
    /// Returns the venues and instruments in the order of their folders.
    fn books(&self) -> anyhow::Result<Vec<Book>> {
        let mut books = Vec::new();
        for exchange in folders(self.lake, "exchange=")? {
            for symbol in folders(&exchange, "symbol=")? {
                books.extend(self.book(&symbol)?);
            }
        }
        Ok(books)
    }

    fn book(&self, symbol: &Path) -> anyhow::Result<Option<Book>> {
        let mut hours = Vec::new();
        for date in folders(symbol, "date=")? {
            for hour in folders(&date, "hour=")? {
                let Some((first, end)) = layout::times_of(&hour) else { continue };
                if first < self.until && self.from < end {
                    hours.push(files(&hour)?);
                }
            }
        }
        hours.retain(|files| !files.is_empty());
        let Some(file) = hours.first().and_then(|files| files.first()) else { return Ok(None) };
        let reader = TableReader::open(file, &QUOTES)?;
        let name = |key: &str| {
            let name = reader.metadata().get(key).cloned();
            name.with_context(|| format!("{} does not state its {key}", file.display()))
        };
        let (venue, instrument) = (name("venue")?, name("instrument")?);
        let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|w| w == found);
        let fits = is(&self.venue, &venue) && is(&self.instrument, &instrument);
        Ok(fits.then_some(Book { venue, instrument, hours }))
    }
}

impl Book {
    /// Returns its rows in time order, hour by hour.
    fn batches(&self, bar: ProgressBar) -> Batches {
        let hours = self.hours.clone().into_iter();
        Box::new(hours.flat_map(move |files| {
            bar.inc(files.len() as u64);
            match merged(&files) {
                Ok(batches) => batches,
                Err(error) => Box::new(std::iter::once(Err(error))),
            }
        }))
    }
}

/// Returns the rows of an hour's files as one sorted stream.
fn merged(files: &[PathBuf]) -> anyhow::Result<Batches> {
    let open = |path: &PathBuf| anyhow::Ok(merge::batches_of(TableReader::open(path, &QUOTES)?));
    if let [file] = files {
        return open(file);
    }
    let mut merge = Merge::new(&QUOTES, files.iter().map(open).collect::<Result<_, _>>()?)?;
    let next = move || match merge.next_slice() {
        Ok(slice) => {
            let slice = slice?;
            Some(Ok(slice.batch.slice(slice.rows.start, slice.rows.len())))
        }
        Err(error) => Some(Err(error)),
    };
    // A merge ends at its first error.
    let mut failed = false;
    let slices = std::iter::from_fn(next).take_while(move |slice| {
        let first = !failed;
        failed |= slice.is_err();
        first
    });
    Ok(Box::new(slices))
}

/// Returns the folders whose names begin with `prefix`, sorted.
fn folders(of: &Path, prefix: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = listed(of)?;
    let is = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(prefix)) && path.is_dir()
    };
    found.retain(is);
    Ok(found)
}

/// Returns the Parquet files of a folder, sorted.
fn files(of: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = listed(of)?;
    found.retain(|path| path.to_string_lossy().ends_with(PARQUET_SUFFIX));
    Ok(found)
}

fn listed(of: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let list = || fs::read_dir(of)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>();
    let mut found = list().with_context(|| format!("cannot list {}", of.display()))?;
    found.sort();
    Ok(found)
}
