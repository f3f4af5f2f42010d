//! Tapes: recorded quotes in CSV files, plain or gzip, merged by time.
//!
//! A tape is read once from end to end before it is played. That finds its instruments and their
//! grids, and a broken file is noticed at the start.

mod mapping;
mod rows;
mod survey;

use std::path::{Path, PathBuf};

use crate::decimal;
use crate::error::SimError;
use crate::tape::mapping::Mapping;
use crate::tape::rows::Rows;

pub use crate::tape::mapping::TapeOptions;
pub(crate) use crate::tape::rows::Row;
pub use crate::tape::survey::{TapeInstrument, TapeSurvey};

/// Reads a tape from end to end and returns what `venues`, the simulated ones, can play of it.
///
/// # Errors
///
/// If a file cannot be read, has other columns, or holds a number that is not plain decimal text.
pub fn survey(options: &TapeOptions, venues: &[&str]) -> Result<TapeSurvey, SimError> {
    Surveyed::read(options, venues).map(|surveyed| surveyed.survey)
}

/// A tape that was read once, with the mapping of its venues and symbols.
#[derive(Debug)]
pub(crate) struct Surveyed {
    pub(crate) survey: TapeSurvey,
    files: Vec<PathBuf>,
    mapping: Mapping,
}

impl Surveyed {
    /// Reads a tape from end to end, for the simulated `venues`.
    pub(crate) fn read(options: &TapeOptions, venues: &[&str]) -> Result<Surveyed, SimError> {
        if !decimal::is_plain(&options.default_size) {
            let text = &options.default_size;
            return Err(SimError::Option(format!(
                "the default size {text:?} is not a plain decimal, such as 0.25"
            )));
        }
        let files = files(&options.path)?;
        let mut mapping = Mapping::new(options, venues);
        let mut survey = TapeSurvey { first_ns: u64::MAX, ..TapeSurvey::default() };
        for file in &files {
            let mut rows = Rows::open(file)?;
            let mut row = Row::default();
            while rows.next(&mut row, &mut mapping, Some(&mut survey))? {
                survey.note(row.recv_ns, row.instrument, &row.texts);
            }
        }
        if survey.rows == 0 {
            let path = options.path.display().to_string();
            return Err(SimError::Empty { path, unmapped: survey.unmapped });
        }
        Ok(Surveyed { survey, files, mapping })
    }

    /// Opens the tape at its start.
    pub(crate) fn open(&self) -> Result<Merged, SimError> {
        let mut merged = Merged { heads: Vec::new(), mapping: self.mapping.clone() };
        for file in &self.files {
            let mut head = Head { rows: Rows::open(file)?, row: Row::default() };
            if head.rows.next(&mut head.row, &mut merged.mapping, None)? {
                merged.heads.push(head);
            }
        }
        Ok(merged)
    }
}

/// The rows of all files of a tape, ordered by receive time and, at equal times, by file name.
#[derive(Debug)]
pub(crate) struct Merged {
    heads: Vec<Head>,
    mapping: Mapping,
}

#[derive(Debug)]
struct Head {
    rows: Rows,
    row: Row,
}

impl Merged {
    /// Reads the next row into `row`. Returns false at the end.
    pub(crate) fn next(&mut self, row: &mut Row) -> Result<bool, SimError> {
        let earliest = self.heads.iter().enumerate().min_by_key(|(_, head)| head.row.recv_ns);
        let Some(index) = earliest.map(|(index, _)| index) else { return Ok(false) };
        let head = &mut self.heads[index];
        std::mem::swap(row, &mut head.row);
        if !head.rows.next(&mut head.row, &mut self.mapping, None)? {
            drop(self.heads.remove(index));
        }
        Ok(true)
    }
}

/// Returns `path` if it is a file, or the `.csv` and `.csv.gz` files of the folder, by name.
fn files(path: &Path) -> Result<Vec<PathBuf>, SimError> {
    let failed = |source| SimError::file(path, source);
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
    use std::fs::File;
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
