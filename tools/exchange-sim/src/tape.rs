//! Recorded quotes: CSV files, plain or gzip, merged by time.
//!
//! Columns `recv_ts_ns,exch_ts_ns,venue,symbol,bid,bid_qty,ask,ask_qty`; an empty field was not
//! recorded. A row without a price or of a venue that is not mapped is counted and left out; a
//! row without a size gets the default one. Numbers stay text. The tape is read once from end to
//! end before it is played, so that its instruments and their grids are known and a broken file
//! is found at the start. Must not know sockets, frames or the time of day.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use csv::StringRecord;
use flate2::read::MultiGzDecoder;

use crate::decimal;
use crate::error::SimError;
use crate::venue::Texts;
use crate::venues;

const COLUMNS: [&str; 8] =
    ["recv_ts_ns", "exch_ts_ns", "venue", "symbol", "bid", "bid_qty", "ask", "ask_qty"];

/// Quote currencies recognised at the end of a symbol without a separator, longest first.
const QUOTES: [&str; 8] = ["FDUSD", "USDT", "USDC", "BUSD", "USD", "EUR", "BTC", "ETH"];

/// Which tape is played, and as what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TapeOptions {
    /// A CSV or CSV.gz file, or a folder of them.
    pub path: PathBuf,
    /// Tape venue and the simulated venue that plays it. Two tape venues on one simulated venue
    /// are not told apart there.
    pub venues: Vec<(String, String)>,
    /// Tape symbol and the canonical instrument it is, where the rule does not find it: the rule
    /// takes `BTCUSDT`, `BTC-USDT`, `BTC_USDT`, `BTC/USDT` as `BTC/USDT` and cuts off `_PERP`.
    pub instruments: Vec<(String, String)>,
    /// Simulated venue, canonical instrument and the symbol it has there, where it is not the
    /// venue's usual spelling.
    pub symbols: Vec<(String, String, String)>,
    /// The size sent where none was recorded, decimal text.
    pub default_size: String,
}

impl Default for TapeOptions {
    fn default() -> TapeOptions {
        let pair = |tape: &str, venue: &str| (tape.to_owned(), venue.to_owned());
        TapeOptions {
            path: PathBuf::new(),
            venues: vec![
                pair("binance_spot", "binance"),
                pair("binance_usdm", "binance-usdm"),
                pair("bybit_spot", "bybit"),
                pair("okx_spot", "okx"),
            ],
            instruments: Vec::new(),
            symbols: Vec::new(),
            default_size: "1".to_owned(),
        }
    }
}

/// What is on a tape.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TapeSurvey {
    /// Instruments in the order of their first row.
    pub instruments: Vec<TapeInstrument>,
    /// Rows that are played.
    pub rows: u64,
    /// Rows of venues that are not mapped to a simulated one.
    pub unmapped: u64,
    /// Rows of mapped venues without a price on one side.
    pub incomplete: u64,
    /// Receive time of the first row played, ns since 1970 UTC.
    pub first_ns: u64,
    /// Receive time of the last row played, ns since 1970 UTC.
    pub last_ns: u64,
}

/// An instrument found on a tape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TapeInstrument {
    /// Canonical name, `BTC/USDT`.
    pub name: String,
    /// The most digits after the point of a price, zeros at the end not counted.
    pub price_decimals: usize,
    /// The most digits after the point of a size, zeros at the end not counted.
    pub size_decimals: usize,
    /// Simulated venues that have it, with its symbol there.
    pub venues: Vec<(String, String)>,
}

/// Reads a tape from end to end and says what is on it, for the simulated venues named.
///
/// # Errors
///
/// If a file cannot be read, has other columns, or holds a number that is not plain decimal text.
pub fn survey(options: &TapeOptions, venues: &[&str]) -> Result<TapeSurvey, SimError> {
    Surveyed::read(options, venues).map(|surveyed| surveyed.survey)
}

/// One row, numbers as text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    pub(crate) recv_ns: u64,
    /// The venue's time, where recorded.
    pub(crate) exch_ns: Option<u64>,
    /// Index of the simulated venue.
    pub(crate) venue: usize,
    /// Index of the instrument in the survey.
    pub(crate) instrument: usize,
    pub(crate) texts: Texts,
}

/// A tape that was read once: what is on it and how its rows are understood.
#[derive(Debug)]
pub(crate) struct Surveyed {
    pub(crate) survey: TapeSurvey,
    files: Vec<PathBuf>,
    keys: Keys,
}

impl Surveyed {
    pub(crate) fn read(options: &TapeOptions, venues: &[&str]) -> Result<Surveyed, SimError> {
        if !decimal::is_plain(&options.default_size) {
            let text = &options.default_size;
            return Err(SimError::Option(format!("the default size {text:?} is not a number")));
        }
        let files = files(&options.path)?;
        let mut keys = Keys::new(options, venues);
        let mut survey = TapeSurvey { first_ns: u64::MAX, ..TapeSurvey::default() };
        for file in &files {
            let mut rows = Rows::open(file)?;
            let mut row = Row::default();
            while rows.next(&mut row, &mut keys, Some(&mut survey))? {
                survey.note(&row);
            }
        }
        if survey.rows == 0 {
            let path = options.path.display().to_string();
            return Err(SimError::Empty { path, unmapped: survey.unmapped });
        }
        Ok(Surveyed { survey, files, keys })
    }

    /// Opens the tape at its beginning.
    pub(crate) fn open(&self) -> Result<Merged, SimError> {
        let mut merged = Merged { heads: Vec::new(), keys: self.keys.clone() };
        for file in &self.files {
            let mut head = Head { rows: Rows::open(file)?, row: Row::default() };
            if head.rows.next(&mut head.row, &mut merged.keys, None)? {
                merged.heads.push(head);
            }
        }
        Ok(merged)
    }
}

impl TapeSurvey {
    fn note(&mut self, row: &Row) {
        self.rows += 1;
        self.first_ns = self.first_ns.min(row.recv_ns);
        self.last_ns = self.last_ns.max(row.recv_ns);
        let instrument = &mut self.instruments[row.instrument];
        let texts = &row.texts;
        for px in [&texts.bid, &texts.ask] {
            let places = decimal::significant_places(px);
            instrument.price_decimals = instrument.price_decimals.max(places);
        }
        for sz in [&texts.bid_qty, &texts.ask_qty] {
            let places = decimal::significant_places(sz);
            instrument.size_decimals = instrument.size_decimals.max(places);
        }
    }
}

/// The rows of all files of a tape, by receive time; at equal times by file name.
#[derive(Debug)]
pub(crate) struct Merged {
    heads: Vec<Head>,
    keys: Keys,
}

#[derive(Debug)]
struct Head {
    rows: Rows,
    row: Row,
}

impl Merged {
    /// Takes the next row into `row`; false at the end.
    pub(crate) fn next(&mut self, row: &mut Row) -> Result<bool, SimError> {
        let earliest = self.heads.iter().enumerate().min_by_key(|(_, head)| head.row.recv_ns);
        let Some(index) = earliest.map(|(index, _)| index) else { return Ok(false) };
        let head = &mut self.heads[index];
        std::mem::swap(row, &mut head.row);
        if !head.rows.next(&mut head.row, &mut self.keys, None)? {
            drop(self.heads.remove(index));
        }
        Ok(true)
    }
}

/// How a tape's venues and symbols are understood.
#[derive(Debug, Clone)]
struct Keys {
    /// Tape venue to simulated venue.
    venues: HashMap<String, usize>,
    names: Vec<String>,
    options: TapeOptions,
    /// By simulated venue: tape symbol to instrument.
    instruments: Vec<HashMap<String, usize>>,
}

impl Keys {
    fn new(options: &TapeOptions, venues: &[&str]) -> Keys {
        let index = |name: &str| venues.iter().position(|venue| *venue == name);
        let mapped = options.venues.iter();
        Keys {
            venues: mapped.filter_map(|(tape, to)| Some((tape.clone(), index(to)?))).collect(),
            names: venues.iter().map(|&name| name.to_owned()).collect(),
            options: options.clone(),
            instruments: vec![HashMap::new(); venues.len()],
        }
    }

    /// The instrument of a tape symbol on a simulated venue; entered in the survey when new.
    fn instrument(
        &mut self,
        venue: usize,
        symbol: &str,
        survey: Option<&mut TapeSurvey>,
    ) -> Option<usize> {
        if let Some(index) = self.instruments[venue].get(symbol) {
            return Some(*index);
        }
        let survey = survey?;
        let named = self.options.instruments.iter().find(|(tape, _)| tape == symbol);
        let name = named.map_or_else(|| canonical(symbol), |(_, name)| name.clone());
        let found = survey.instruments.iter().position(|instrument| instrument.name == name);
        let index = found.unwrap_or_else(|| {
            let (price_decimals, size_decimals) = (0, 0);
            let name = name.clone();
            let venues = Vec::new();
            let new = TapeInstrument { name, price_decimals, size_decimals, venues };
            survey.instruments.push(new);
            survey.instruments.len() - 1
        });
        let here = (self.names[venue].clone(), self.symbol(venue, &name));
        let listed = &mut survey.instruments[index].venues;
        if !listed.contains(&here) {
            listed.push(here);
        }
        self.instruments[venue].insert(symbol.to_owned(), index);
        Some(index)
    }

    fn symbol(&self, venue: usize, instrument: &str) -> String {
        let here = &self.names[venue];
        let given = self.options.symbols.iter();
        given
            .filter(|(venue, name, _)| venue == here && name == instrument)
            .map(|(_, _, symbol)| symbol.clone())
            .next()
            .or_else(|| venues::venue_symbol(here, instrument))
            .unwrap_or_else(|| instrument.to_owned())
    }
}

/// `BASE/QUOTE` of a symbol in one of the usual spellings; the symbol itself when it has none.
fn canonical(symbol: &str) -> String {
    let symbol = symbol.strip_suffix("_PERP").unwrap_or(symbol);
    if let Some((base, quote)) = symbol.split_once(['/', '-', '_']) {
        return format!("{base}/{quote}");
    }
    let split = QUOTES.iter().find_map(|quote| {
        let base = symbol.strip_suffix(quote)?;
        (!base.is_empty()).then(|| format!("{base}/{quote}"))
    });
    split.unwrap_or_else(|| symbol.to_owned())
}

/// The rows of one file.
struct Rows {
    path: PathBuf,
    reader: csv::Reader<Box<dyn Read + Send>>,
    record: StringRecord,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Rows {
    fn open(path: &Path) -> Result<Rows, SimError> {
        let mut reader = csv::Reader::from_reader(unzipped(path)?);
        let header = reader.headers().map_err(|problem| broken(path, 1, &problem.to_string()))?;
        if header.iter().ne(COLUMNS) {
            return Err(broken(path, 1, &format!("the columns are not {}", COLUMNS.join(","))));
        }
        Ok(Rows { path: path.to_owned(), reader, record: StringRecord::new() })
    }

    /// Takes the next row that is played; false at the end.
    fn next(
        &mut self,
        row: &mut Row,
        keys: &mut Keys,
        mut survey: Option<&mut TapeSurvey>,
    ) -> Result<bool, SimError> {
        loop {
            let line = self.reader.position().line();
            let read = self.reader.read_record(&mut self.record);
            if !read.map_err(|problem| broken(&self.path, line, &problem.to_string()))? {
                return Ok(false);
            }
            let Some(&venue) = self.record.get(2).and_then(|name| keys.venues.get(name)) else {
                if let Some(survey) = &mut survey {
                    survey.unmapped += 1;
                }
                continue;
            };
            if self.record[4].is_empty() || self.record[6].is_empty() {
                if let Some(survey) = &mut survey {
                    survey.incomplete += 1;
                }
                continue;
            }
            self.take(row, &keys.options.default_size).map_err(|why| self.broken(&why))?;
            let instrument = keys.instrument(venue, &self.record[3], survey.as_deref_mut());
            row.venue = venue;
            row.instrument = instrument.ok_or_else(|| self.broken("the file has changed"))?;
            return Ok(true);
        }
    }

    fn take(&self, row: &mut Row, default_size: &str) -> Result<(), String> {
        let time = |index: usize| {
            let text = &self.record[index];
            text.parse::<u64>().map_err(|_| format!("{}: {text:?} is not ns", COLUMNS[index]))
        };
        row.recv_ns = time(0)?;
        row.exch_ns = if self.record[1].is_empty() { None } else { Some(time(1)?) };
        let texts = &mut row.texts;
        for (index, text) in [
            (4, &mut texts.bid),
            (5, &mut texts.bid_qty),
            (6, &mut texts.ask),
            (7, &mut texts.ask_qty),
        ] {
            let field = &self.record[index];
            let field = if field.is_empty() { default_size } else { field };
            if !decimal::is_plain(field) {
                return Err(format!("{}: {field:?} is not a plain decimal", COLUMNS[index]));
            }
            text.clear();
            text.push_str(field);
        }
        Ok(())
    }

    fn broken(&self, why: &str) -> SimError {
        let line = self.record.position().map_or(0, csv::Position::line);
        broken(&self.path, line, why)
    }
}

/// A file's bytes, unzipped if its name ends in `.gz`.
pub(crate) fn unzipped(path: &Path) -> Result<Box<dyn Read + Send>, SimError> {
    let file = File::open(path)
        .map_err(|source| SimError::File { path: path.display().to_string(), source })?;
    let file = BufReader::with_capacity(1 << 16, file);
    let is_zipped = path.extension().is_some_and(|extension| extension == "gz");
    Ok(if is_zipped { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) })
}

fn broken(path: &Path, line: u64, why: &str) -> SimError {
    SimError::Row { path: path.display().to_string(), line, why: why.to_owned() }
}

/// The file itself, or the `.csv` and `.csv.gz` files of a folder, by name.
fn files(path: &Path) -> Result<Vec<PathBuf>, SimError> {
    let failed = |source| SimError::File { path: path.display().to_string(), source };
    if !std::fs::metadata(path).map_err(failed)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        let name = file.to_string_lossy();
        if name.ends_with(".csv") || name.ends_with(".csv.gz") {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const VENUES: [&str; 4] = ["binance", "binance-usdm", "bybit", "okx"];
    const HEADER: &str = "recv_ts_ns,exch_ts_ns,venue,symbol,bid,bid_qty,ask,ask_qty\n";

    fn tape(folder: &Path) -> TapeOptions {
        TapeOptions { path: folder.to_owned(), ..TapeOptions::default() }
    }

    fn write(folder: &Path, name: &str, rows: &str) {
        std::fs::write(folder.join(name), format!("{HEADER}{rows}")).expect("temporary file");
    }

    fn play(options: &TapeOptions) -> (TapeSurvey, Vec<Row>) {
        let surveyed = Surveyed::read(options, &VENUES).expect("good tape");
        let mut merged = surveyed.open().expect("good tape");
        let mut rows = Vec::new();
        let mut row = Row::default();
        while merged.next(&mut row).expect("good tape") {
            rows.push(row.clone());
        }
        (surveyed.survey, rows)
    }

    #[test]
    fn files_are_merged_by_time_and_text_stays_exact() {
        let folder = tempfile::tempdir().expect("temporary folder");
        write(
            folder.path(),
            "a.csv",
            "100,90,binance_spot,BTCUSDT,61837.63000000,3.78826000,61837.64,1\n\
             300,,binance_spot,BTCUSDT,61837.6,2,61837.7,0.5\n",
        );
        let zipped = File::create(folder.path().join("b.csv.gz")).expect("temporary file");
        let mut zipped = GzEncoder::new(zipped, Compression::fast());
        let rows = "200,,okx_spot,BTC-USDT,61837.123456789012345678,,61838,7\n\
                    250,,kraken,XBTUSD,1,1,2,2\n\
                    260,,okx_spot,BTC-USDT,,,61838,7\n";
        zipped.write_all(format!("{HEADER}{rows}").as_bytes()).expect("temporary file");
        zipped.finish().expect("temporary file");

        let (survey, rows) = play(&tape(folder.path()));
        assert_eq!((survey.rows, survey.unmapped, survey.incomplete), (3, 1, 1));
        assert_eq!((survey.first_ns, survey.last_ns), (100, 300));
        assert_eq!(
            survey.instruments,
            [TapeInstrument {
                name: "BTC/USDT".into(),
                price_decimals: 18,
                size_decimals: 5,
                venues: vec![
                    ("binance".into(), "BTCUSDT".into()),
                    ("okx".into(), "BTC-USDT".into())
                ],
            }]
        );
        let times: Vec<u64> = rows.iter().map(|row| row.recv_ns).collect();
        assert_eq!(times, [100, 200, 300]);
        assert_eq!(rows[0].texts.bid, "61837.63000000");
        assert_eq!(rows[0].exch_ns, Some(90));
        assert_eq!(rows[1].texts.bid, "61837.123456789012345678");
        assert_eq!(rows[1].texts.bid_qty, "1");
        assert_eq!((rows[1].venue, rows[1].exch_ns), (3, None));
    }

    #[test]
    fn mappings_can_be_given() {
        let folder = tempfile::tempdir().expect("temporary folder");
        write(folder.path(), "a.csv", "1,,binance_coinm,BTCUSD_PERP,5,1,6,1\n");
        let mut options = tape(folder.path());
        options.venues = vec![("binance_coinm".into(), "bybit".into())];
        options.instruments = vec![("BTCUSD_PERP".into(), "BTC/USDT".into())];
        options.symbols = vec![("bybit".into(), "BTC/USDT".into(), "BTCX".into())];
        options.default_size = "0.01".into();
        let (survey, rows) = play(&options);
        assert_eq!(survey.instruments[0].venues, [("bybit".to_owned(), "BTCX".to_owned())]);
        assert_eq!(rows[0].venue, 2);
    }

    #[test]
    fn symbols_are_split_by_rule() {
        for (symbol, name) in [
            ("BTCUSDT", "BTC/USDT"),
            ("BTC-USDT", "BTC/USDT"),
            ("LUNC_USDT", "LUNC/USDT"),
            ("BTCUSD_PERP", "BTC/USD"),
            ("ETHBTC", "ETH/BTC"),
            ("BTC", "BTC"),
        ] {
            assert_eq!(canonical(symbol), name);
        }
    }

    #[test]
    fn broken_tapes_name_file_and_line() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let good = "1,,binance_spot,BTCUSDT,5,1,6,1\n";
        for (rows, hint) in [
            (format!("{good}2,,binance_spot,BTCUSDT,5e3,1,6,1\n"), "bid: \"5e3\""),
            (format!("{good}x,,binance_spot,BTCUSDT,5,1,6,1\n"), "recv_ts_ns: \"x\""),
            (format!("{good}2,binance_spot\n"), "line 3"),
        ] {
            write(folder.path(), "a.csv", &rows);
            let problem = survey(&tape(folder.path()), &VENUES).expect_err(hint).to_string();
            assert!(problem.contains(hint) && problem.contains("line 3"), "{problem}");
        }
        write(folder.path(), "a.csv", "1,,kraken,XBTUSD,1,1,2,2\n");
        assert!(matches!(
            survey(&tape(folder.path()), &VENUES),
            Err(SimError::Empty { unmapped: 1, .. })
        ));
        std::fs::write(folder.path().join("a.csv"), "a,b\n1,2\n").expect("temporary file");
        assert!(survey(&tape(folder.path()), &VENUES).is_err());
    }
}
