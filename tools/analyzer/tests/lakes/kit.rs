//! Lakes for tests: quotes by a formula or a random generator, written as recorders write them, and
//! the analyzer run on them as a user would.

#![allow(dead_code, reason = "each test uses its part")]

use arrow::array::{
    ArrayRef, Decimal128Array, Float64Array, RecordBatch, TimestampMicrosecondArray,
    TimestampNanosecondArray,
};
use parquet::arrow::ArrowWriter;
use spreadwire_lake::ledger::{Entry, EntryKind};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use tempfile::TempDir;

pub(crate) const SECOND: i64 = 1_000_000_000;
pub(crate) const HOUR: i64 = 3_600 * SECOND;
pub(crate) const DAY: i64 = 24 * HOUR;
/// 2024-08-08T00:00:00Z.
pub(crate) const MIDNIGHT: i64 = 1_723_075_200 * SECOND;

/// One row of a file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Row {
    /// Time in ns since 1970.
    pub(crate) time: i64,
    pub(crate) bid: Option<f64>,
    pub(crate) ask: Option<f64>,
}

/// Returns a quote with an ask one cent above the bid.
pub(crate) fn quote(time: i64, bid: f64) -> Row {
    Row { time, bid: Some(bid), ask: Some(((bid + 0.01) * 100.0).round() / 100.0) }
}

/// How times are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Unit {
    Micros,
    Nanos,
    #[default]
    NanosUtc,
}

/// How a venue's files are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) unit: Unit,
    /// Whether prices are decimals of two places.
    pub(crate) decimal: bool,
}

fn times(rows: &[Row], unit: Unit) -> ArrayRef {
    let all = rows.iter().map(|row| row.time);
    match unit {
        Unit::Micros => {
            Arc::new(TimestampMicrosecondArray::from_iter_values(all.map(|t| t / 1000)))
        }
        Unit::Nanos => Arc::new(TimestampNanosecondArray::from_iter_values(all)),
        Unit::NanosUtc => {
            Arc::new(TimestampNanosecondArray::from_iter_values(all).with_timezone("UTC"))
        }
    }
}

fn prices(values: impl Iterator<Item = Option<f64>>, decimal: bool) -> ArrayRef {
    if !decimal {
        return Arc::new(values.collect::<Float64Array>());
    }
    #[expect(clippy::cast_possible_truncation, reason = "prices of two places")]
    let cents = values.map(|value| value.map(|value| (value * 100.0).round() as i128));
    let cents = cents.collect::<Decimal128Array>().with_precision_and_scale(18, 2);
    Arc::new(cents.unwrap())
}

pub(crate) fn batch(rows: &[Row], style: Style) -> RecordBatch {
    let bids = prices(rows.iter().map(|row| row.bid), style.decimal);
    let asks = prices(rows.iter().map(|row| row.ask), style.decimal);
    let columns = [("Timestamp", times(rows, style.unit)), ("BestBid", bids), ("BestAsk", asks)];
    let columns = columns.into_iter().map(|(name, values)| (name, values, true));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

pub(crate) fn write(path: &Path, batch: &RecordBatch) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

/// Returns the folder of an hour since 1970, below the lake.
pub(crate) fn folder(venue: &str, symbol: &str, hour: i64) -> String {
    let at = jiff::Timestamp::from_second(hour * 3_600).unwrap();
    let symbol = symbol.replace('/', "#");
    let at = at.strftime("date=%Y-%m-%d/hour=%H");
    format!("exchange={venue}/symbol={symbol}/{at}")
}

/// Writes rows into one file per hour that has any; rows keep their order.
pub(crate) fn write_hours(
    lake: &Path,
    venue: &str,
    symbol: &str,
    name: &str,
    rows: &[Row],
    style: Style,
) {
    let mut hours: BTreeMap<i64, Vec<Row>> = BTreeMap::new();
    for row in rows {
        hours.entry(row.time.div_euclid(HOUR)).or_default().push(*row);
    }
    for (hour, rows) in hours {
        let path = lake.join(folder(venue, symbol, hour)).join(format!("{name}.parquet"));
        write(&path, &batch(&rows, style));
    }
}

/// A generator of whole numbers that is the same everywhere (splitmix64).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Returns a number from 0 to below `n`.
    pub(crate) fn below(&mut self, n: i64) -> i64 {
        i64::try_from(self.next() % n.unsigned_abs()).unwrap()
    }

    pub(crate) fn one_in(&mut self, n: i64) -> bool {
        self.below(n) == 0
    }
}

/// Returns a price in whole cents.
pub(crate) fn cents(count: i64) -> f64 {
    f64::from(i32::try_from(count).unwrap()) / 100.0
}

/// Returns `count` quotes about a second apart from `from` on, whose bid oscillates about 100.
/// Venues with other numbers are alternately a little above and below each other.
pub(crate) fn walk(number: u64, from: i64, count: i64) -> Vec<Row> {
    let mut chance =
        Chance(number.wrapping_mul(77).wrapping_add(from.unsigned_abs() / 1_000_000_000));
    let mut apart = 0_i64;
    let rows = (0..count).map(|second| {
        apart += chance.below(21) - 10 - apart / 8;
        let common = (second * 7 / 10) % 50;
        let time = from + second * SECOND + chance.below(900) * 1_000_000;
        quote(time, cents(10_000 + common + apart))
    });
    rows.collect()
}

/// A lake in a folder of its own, which also holds its partial results.
pub(crate) struct Home {
    pub(crate) home: TempDir,
    pub(crate) lake: PathBuf,
}

impl Default for Home {
    fn default() -> Home {
        Home::new()
    }
}

impl Home {
    pub(crate) fn new() -> Home {
        let home = TempDir::new().unwrap();
        let lake = home.path().join("lake");
        fs::create_dir(&lake).unwrap();
        Home { home, lake }
    }

    /// Writes two instruments on some days after 2024-08-08: BTC on three venues, ETH on two.
    pub(crate) fn of_days(days: std::ops::Range<i64>) -> Home {
        let home = Home::new();
        days.for_each(|day| home.add_day(day));
        home
    }

    /// Writes seven hours of three instruments on two venues each, which are evidence enough that they pay
    /// without fees.
    pub(crate) fn paying() -> Home {
        let home = Home::new();
        let instruments = [("BTC/USDT", [1, 2]), ("ETH/USDT", [0, 2]), ("SOL/USDT", [0, 1])];
        for (number, (symbol, venues)) in (0..).zip(instruments) {
            for (leg, venue) in (1..).zip(venues) {
                let rows = walk(2 * number + leg, MIDNIGHT, 7 * 3_600);
                write_hours(&home.lake, VENUES[venue], symbol, "a", &rows, Style::default());
            }
        }
        home
    }

    pub(crate) fn add_day(&self, day: i64) {
        let venues =
            [("BTC/USDT", 0), ("BTC/USDT", 1), ("BTC/USDT", 2), ("ETH/USDT", 0), ("ETH/USDT", 2)];
        for (number, (symbol, venue)) in (1..).zip(venues) {
            for hour in [0, 13] {
                let rows = walk(number, MIDNIGHT + day * DAY + hour * HOUR, 400);
                write_hours(&self.lake, VENUES[venue], symbol, "a", &rows, Style::default());
            }
        }
    }

    /// Returns a path in the home; what is below `out/` is that of the last analysis.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        let path = self.home.path();
        match name.strip_prefix("out/") {
            Some(name) => last_of(&path.join("out")).join(name),
            None => path.join(name),
        }
    }

    /// Runs the analyzer on the lake; the results go to `out`. A lake without a ledger is
    /// acknowledged as such.
    pub(crate) fn run(&self, options: &[&str]) -> Outcome {
        if self.lake.join("ledger").exists() {
            return self.run_as_given(options);
        }
        self.run_as_given(&[options, &["--no-ledger"]].concat())
    }

    /// The same with these options alone.
    pub(crate) fn run_as_given(&self, options: &[&str]) -> Outcome {
        run(self.home.path(), &[&[self.lake.to_str().unwrap()], options].concat())
    }

    /// Runs the analyzer, which must exit with this code, and reads the report.
    pub(crate) fn report(&self, code: i32, options: &[&str]) -> serde_json::Value {
        let outcome = self.run(options);
        assert_eq!(outcome.code, Some(code), "{options:?}: {}{}", outcome.text, outcome.errors);
        self.json()
    }

    /// Reads the report, with the details of pairs from the files beside it, and the cells of
    /// `ranking.csv` if that is there.
    pub(crate) fn json(&self) -> serde_json::Value {
        let read = |path: &Path| -> serde_json::Value {
            serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
        };
        let path = self.file("out/report.json");
        let mut report = read(&path);
        let out = path.parent().unwrap();
        let rows = fs::read(out.join("ranking.csv")).unwrap_or_default();
        let mut rows = csv::Reader::from_reader(rows.as_slice()).into_records();
        let mut details = Vec::new();
        for pair in report["pairs"].as_array_mut().unwrap() {
            details.extend(pair["detail"].as_str().map(|file| read(&out.join(file))));
            if let Some(row) = rows.next() {
                pair["cells"] = row.unwrap().iter().map(value).collect();
            }
        }
        report["details"] = details.into();
        report
    }
}

/// Returns the folder of the last analysis, to which `latest` need not point; `latest` if there is none.
fn last_of(out: &Path) -> PathBuf {
    let entries = fs::read_dir(out).into_iter().flatten();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let dated = names.filter(|name| name.starts_with("20"));
    // A number of two digits comes after one of one digit.
    let last = dated.max_by_key(|name| (name[..16].to_owned(), name.len(), name.clone()));
    out.join(last.unwrap_or_else(|| "latest".to_owned()))
}

/// Returns a cell of a CSV file as JSON has it.
fn value(cell: &str) -> serde_json::Value {
    let parsed = serde_json::from_str(cell).ok();
    parsed.unwrap_or_else(|| if cell.is_empty() { ().into() } else { cell.into() })
}

/// Returns the cell of a column in the first pair of a report with these venues.
pub(crate) fn cell<'a>(
    report: &'a serde_json::Value,
    venues: [&str; 2],
    name: &str,
) -> &'a serde_json::Value {
    let columns = report["columns"].as_array().unwrap();
    let place = columns.iter().position(|column| column["name"] == name).unwrap();
    let pairs = report["pairs"].as_array().unwrap();
    let is_it = |pair: &&serde_json::Value| {
        pair["exchange1"] == venues[0] && pair["exchange2"] == venues[1]
    };
    &pairs.iter().find(is_it).unwrap()["cells"][place]
}

/// Returns the ledger's facts that a run recorded some of the venues' symbols, as their folders are
/// named.
pub(crate) fn recorded(run: &str, listings: &[(&str, &str)]) -> Vec<Entry> {
    let entry = |(venue, symbol): &(&str, &str)| Entry {
        venue: Some((*venue).to_owned()),
        instrument: Some((*symbol).to_owned()),
        folder: Some("date=2024-08-08".to_owned()),
        ..Entry::new(EntryKind::Rows, MIDNIGHT.unsigned_abs()).of_run(run)
    };
    listings.iter().map(entry).collect()
}

/// The venues' symbols of [`Home::of_days`].
pub(crate) const LISTINGS: [(&str, &str); 5] = [
    ("alpha", "BTC/USDT"),
    ("binance-usdm", "BTC/USDT"),
    ("okx", "BTC/USDT"),
    ("alpha", "ETH/USDT"),
    ("okx", "ETH/USDT"),
];

/// Venues of [`Home::of_days`], in order.
pub(crate) const VENUES: [&str; 3] = ["alpha", "binance_usdm", "okx"];

/// The outcome of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) text: String,
    pub(crate) errors: String,
}

/// Runs the analyzer in a folder; the results go to `out` in it.
pub(crate) fn run(folder: &Path, options: &[&str]) -> Outcome {
    run_as(folder, &[options, &["--out", "out"]].concat(), None)
}

/// Runs the analyzer in a folder, as somebody who is logged in or as nobody.
pub(crate) fn run_as(folder: &Path, arguments: &[&str], login: Option<&str>) -> Outcome {
    let analyzer = Command::new(env!("CARGO_BIN_EXE_analyzer"))
        .current_dir(folder)
        .args(arguments)
        .env_remove("LOGNAME")
        .env_remove("USER")
        .envs(login.map(|login| ("USER", login)))
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Outcome {
        code: analyzer.status.code(),
        text: text(analyzer.stdout),
        errors: text(analyzer.stderr),
    }
}

/// Returns the problems of a report: subject, what is wrong, whether something was left out.
pub(crate) fn problems(report: &serde_json::Value) -> Vec<(String, String, bool)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let problems = report["problems"].as_array().unwrap().iter();
    problems
        .map(|of| (text(&of["subject"]), text(&of["what"]), of["left_out"].as_bool().unwrap()))
        .collect()
}

/// Pairs of the CSV table: by names, the cells with their columns.
pub(crate) type Pairs = BTreeMap<[String; 3], Vec<(String, String)>>;

pub(crate) fn pairs(path: &Path) -> (Vec<String>, Pairs) {
    let mut csv = csv::Reader::from_path(path).unwrap();
    let names: Vec<String> = csv.headers().unwrap().iter().map(str::to_owned).collect();
    let mut pairs = Pairs::new();
    for line in csv.records() {
        let line = line.unwrap();
        let cells = names.iter().cloned().zip(line.iter().map(str::to_owned)).collect();
        pairs.insert([0, 1, 2].map(|at| line[at].to_owned()), cells);
    }
    (names, pairs)
}
