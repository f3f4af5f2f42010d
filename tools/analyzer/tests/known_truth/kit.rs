//! Lakes whose truth is known, on disk as the recorder lays them out, and the rows of their
//! analysis by column name.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its lake has failed")]

use analyzer::options::Arguments;
use analyzer::plan::Plan;
use analyzer::progress::Progress;
use analyzer::report::{Cell, Report};
use analyzer::run::analyse;
use arrow::array::{
    ArrayRef, Float64Array, Int64Array, TimestampNanosecondArray, UInt8Array, UInt64Array,
};
use clap::Parser;
use exchange_sim::{INSTRUMENTS, Model, ModelOptions};
use spreadwire_lake::layout;
use spreadwire_lake::table::{Metadata, QUOTES, TableWriter, constant_text};
use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use tempfile::TempDir;

/// 2024-08-08T23:30:00Z: half an hour of recording is before midnight, the rest after it.
pub(crate) const BEGIN: i64 = 1_723_159_800_000_000_000;
pub(crate) const SECOND: i64 = 1_000_000_000;
pub(crate) const MS: i64 = 1_000_000;
const HOUR: i64 = 3_600 * SECOND;

/// One quote as the lake has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quote {
    pub(crate) time: i64,
    pub(crate) bid: f64,
    pub(crate) ask: f64,
    pub(crate) bid_size: f64,
    pub(crate) ask_size: f64,
}

/// Quotes by instrument and venue, each in time order.
pub(crate) type Quotes = BTreeMap<(String, String), Vec<Quote>>;

/// Returns the given seed, or that of `SEED`, and prints it.
pub(crate) fn seeds(first: u64, count: u64) -> impl Iterator<Item = u64> {
    let first = std::env::var("SEED").map_or(first, |text| text.parse().unwrap());
    println!("SEED={first} and the {} after it", count - 1);
    first..first + count
}

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    arguments: Arguments,
}

/// A lake in a temporary folder.
#[derive(Debug)]
pub(crate) struct Lake {
    folder: TempDir,
}

impl Lake {
    /// Writes quotes as the engine's recorder does: one file per venue, instrument and hour.
    pub(crate) fn of(quotes: &Quotes) -> Lake {
        let lake = Lake { folder: TempDir::new().unwrap() };
        for ((instrument, venue), quotes) in quotes {
            for hour in quotes.chunk_by(|a, b| a.time / HOUR == b.time / HOUR) {
                lake.write(instrument, venue, hour);
            }
        }
        lake
    }

    fn write(&self, instrument: &str, venue: &str, quotes: &[Quote]) {
        let folder = format!(
            "exchange={}/symbol={}/{}",
            layout::venue_folder(venue).unwrap(),
            layout::instrument_folder(instrument).unwrap(),
            layout::hour_folder(u64::try_from(quotes[0].time / HOUR).unwrap())
        );
        let folder = self.folder.path().join(folder);
        fs::create_dir_all(&folder).unwrap();
        let float = |of: fn(&Quote) -> f64| -> ArrayRef {
            Arc::new(Float64Array::from_iter_values(quotes.iter().map(of)))
        };
        let times = TimestampNanosecondArray::from_iter_values(quotes.iter().map(|it| it.time));
        let times: ArrayRef = Arc::new(times.with_timezone("UTC"));
        let rows = quotes.len();
        let batch = QUOTES.batch(vec![
            Arc::clone(&times),
            float(|it| it.bid),
            float(|it| it.ask),
            float(|it| it.bid_size),
            float(|it| it.ask_size),
            times,
            Arc::new(UInt64Array::new_null(rows)),
            Arc::new(Int64Array::from_iter_values((0..).take(rows))),
            Arc::new(UInt8Array::from(vec![0; rows])),
            constant_text("model", rows),
        ]);
        let path = folder.join("quotes.parquet");
        let mut writer = TableWriter::create(&path, &QUOTES, Metadata::new()).unwrap();
        writer.write(&batch.unwrap()).unwrap();
        assert_eq!(writer.finish().unwrap().rows, rows as u64);
    }

    /// Analyses the lake as the program does, with these options; nothing may be wrong with the
    /// lake.
    pub(crate) fn analyse(&self, options: &[&str]) -> Report {
        let lake = self.folder.path().to_str().unwrap();
        let always = ["analyzer", lake, "--no-partials", "--threads", "1"];
        let line = CommandLine::try_parse_from(always.iter().chain(options)).unwrap();
        let now_ns = BEGIN + 24 * HOUR;
        let plan = Plan::new(line.arguments, now_ns).unwrap();
        let report = analyse(&plan, now_ns, &Progress::new(true)).unwrap();
        assert_eq!(report.problems, []);
        report
    }
}

/// Returns what the model quotes in that many seconds, including bursts and shocks.
pub(crate) fn play(options: &ModelOptions, length_s: i64) -> Quotes {
    let mut model = Model::new(options).unwrap();
    let mut quotes = Quotes::new();
    let mut series = vec![Vec::new(); options.instruments * options.venues.len()];
    loop {
        let quote = model.next_quote();
        let at = i64::try_from(quote.at_ns).unwrap();
        if length_s * SECOND <= at {
            break;
        }
        let grid = &INSTRUMENTS[quote.instrument];
        let units = |count: u64, decimals: usize| {
            count as f64 / 10_f64.powi(i32::try_from(decimals).unwrap())
        };
        let place = quote.instrument * options.venues.len() + quote.venue;
        series[place].push(Quote {
            time: BEGIN + at,
            bid: units(quote.bid, grid.price_decimals),
            ask: units(quote.ask, grid.price_decimals),
            bid_size: units(quote.bid_qty, grid.size_decimals),
            ask_size: units(quote.ask_qty, grid.size_decimals),
        });
    }
    for (place, series) in series.into_iter().enumerate() {
        let (instrument, venue) = (place / options.venues.len(), place % options.venues.len());
        let venue = options.venues[venue].name.clone();
        quotes.insert((INSTRUMENTS[instrument].name.to_owned(), venue), series);
    }
    quotes
}

/// One pair's row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    report: &'a Report,
    place: usize,
}

/// Returns all rows, best first.
pub(crate) fn rows(report: &Report) -> impl Iterator<Item = Row<'_>> {
    (0..report.pairs.len()).map(move |place| Row { report, place })
}

impl<'a> Row<'a> {
    fn cell(self, column: &str) -> &'a Cell {
        let place = self.report.columns.iter().position(|it| it.name == column);
        let place = place.unwrap_or_else(|| panic!("there is no column {column}"));
        &self.report.pairs[self.place].cells[place]
    }

    /// Returns a figure that must be known.
    pub(crate) fn number(self, column: &str) -> f64 {
        self.known(column).unwrap_or_else(|| panic!("{} has no {column}", self.name()))
    }

    /// Returns a figure, if it is known.
    pub(crate) fn known(self, column: &str) -> Option<f64> {
        match self.cell(column) {
            Cell::Number(number) => Some(*number),
            Cell::Count(count) => Some(*count as f64),
            Cell::None => None,
            cell @ (Cell::Flag(_) | Cell::Text(_)) => panic!("{column} is {cell:?}"),
        }
    }

    /// Returns a text, if there is one.
    pub(crate) fn text(self, column: &str) -> Option<&'a str> {
        match self.cell(column) {
            Cell::Text(text) => Some(text),
            Cell::None => None,
            cell @ (Cell::Flag(_) | Cell::Count(_) | Cell::Number(_)) => {
                panic!("{column} is {cell:?}")
            }
        }
    }

    /// Returns the venues, exchange1 first.
    pub(crate) fn venues(self) -> [&'a str; 2] {
        ["exchange1", "exchange2"].map(|column| self.text(column).unwrap())
    }

    pub(crate) fn instrument(self) -> &'a str {
        self.text("symbol").unwrap()
    }

    /// Returns instrument and venues.
    pub(crate) fn name(self) -> String {
        format!("{} {}", self.instrument(), self.venues().join(" "))
    }
}
