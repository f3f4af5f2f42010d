//! Lakes of pairs whose truth is known, their analysis, and who was recommended.

use crate::kinds::{FEE_BP, Kind, Quote, WIDTH_BP, quotes};
use analyzer::options::Arguments;
use analyzer::plan::Plan;
use analyzer::progress::Progress;
use analyzer::report::{Cell, Report};
use analyzer::run::analyse;
use arrow::array::{
    ArrayRef, Float64Array, Int64Array, TimestampNanosecondArray, UInt8Array, UInt64Array,
};
use clap::Parser;
use rayon::prelude::*;
use spreadwire_lake::layout;
use spreadwire_lake::table::{Metadata, QUOTES, TableWriter, constant_text};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// 2024-08-09T00:00:00Z, in ns and in hours since 1970.
const MIDNIGHT: i64 = 1_723_161_600_000_000_000;
const HOUR: i64 = 3_600_000_000_000;
const MS: i64 = 1_000_000;
const DAY_MS: i64 = 86_400_000;
/// Venues of all pairs but those of noise, and those.
const VENUES: [&str; 2] = ["alpha", "beta"];
const NOISE_VENUES: [&str; 2] = ["gamma", "delta"];
/// What is displayed at every price, in the base currency.
const SIZE: f64 = 1_000.0;

/// Some pairs of each kind.
pub(crate) type Kinds = Vec<(Kind, usize)>;

/// Returns the kinds without an edge and how many pairs of each: 500 in all.
pub(crate) fn nulls() -> Kinds {
    let mut kinds: Kinds =
        [5.0, 20.0, 60.0, 200.0].map(|of_hour| (Kind::RandomWalk { of_hour }, 30)).to_vec();
    kinds.extend([
        (Kind::Noise { edge_bp: 0.0, sd: 6.0 }, 60),
        (Kind::Noise { edge_bp: -2.0, sd: 6.0 }, 40),
        (Kind::Unrelated, 40),
        (Kind::Drift, 30),
        (Kind::Frozen, 30),
        (Kind::Late, 30),
        (Kind::DeadAtNoon { is_silent: true }, 20),
        (Kind::DeadAtNoon { is_silent: false }, 20),
        (Kind::LuckyMinute, 30),
        (Kind::StandingPremium, 30),
        (Kind::Prints, 20),
        (Kind::OneRow, 15),
        (Kind::Scale, 15),
    ]);
    kinds
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
    /// The kind of every instrument.
    truths: BTreeMap<String, Kind>,
}

impl Lake {
    /// Writes pairs of these kinds over so many days; each has an instrument of its own.
    pub(crate) fn of(kinds: &Kinds, days: usize, seed: u64) -> Lake {
        let all = kinds.iter().flat_map(|(kind, count)| std::iter::repeat_n(*kind, *count));
        let truths: BTreeMap<String, Kind> =
            all.enumerate().map(|(number, kind)| (format!("P{number:04}/USDT"), kind)).collect();
        let lake = Lake { folder: TempDir::new().unwrap(), truths };
        let truths: Vec<(&String, &Kind)> = lake.truths.iter().collect();
        truths.par_iter().enumerate().for_each(|(number, (name, kind))| {
            let seed = seed.wrapping_mul(1_000_003).wrapping_add(number as u64);
            for (venue, quotes) in venues(**kind).iter().zip(quotes(**kind, days, seed)) {
                for day in quotes.chunk_by(|a, b| a.received_ms / DAY_MS == b.received_ms / DAY_MS)
                {
                    write(lake.folder.path(), name, venue, day);
                }
            }
        });
        lake
    }

    /// Analyses the lake as the program does.
    pub(crate) fn analyse(&self, days: usize) -> Report {
        let fees = FEE_BP.to_string();
        // An order in noise arrives after the quote that it was decided on.
        let has_noise = self.truths.values().any(|kind| matches!(kind, Kind::Noise { .. }));
        let latency = if has_noise { "20,gamma=6000,delta=6000" } else { "20" };
        let lake = self.folder.path().to_str().unwrap();
        let line = [
            "analyzer",
            lake,
            "--no-partials",
            "--metrics",
            "time-weighted",
            "--max-age",
            "12",
            "--fees",
            &fees,
            "--latency",
            latency,
            "--thresholds",
            "0,2,5,10",
            "--latencies",
            "0",
            "--sizes",
            "1",
        ];
        let line = CommandLine::try_parse_from(line).unwrap();
        let now_ns = MIDNIGHT + i64::try_from(days).unwrap() * 24 * HOUR;
        let plan = Plan::new(line.arguments, now_ns).unwrap();
        analyse(&plan, now_ns, &Progress::new(true)).unwrap()
    }

    /// Returns the kind of every pair of a report, and the texts of a column.
    pub(crate) fn told(&self, report: &Report, column: &str) -> Vec<(Kind, String)> {
        let place = |name: &str| report.columns.iter().position(|it| it.name == name);
        let (symbol, told) = (place("symbol").unwrap(), place(column).unwrap());
        let text = |cell: &Cell| match cell {
            Cell::Text(text) => text.clone(),
            cell @ (Cell::None | Cell::Flag(_) | Cell::Count(_) | Cell::Number(_)) => {
                format!("{cell:?}")
            }
        };
        let of = |cells: &Vec<Cell>| (self.truths[&text(&cells[symbol])], text(&cells[told]));
        report.pairs.iter().map(|pair| of(&pair.cells)).collect()
    }
}

fn venues(kind: Kind) -> [&'static str; 2] {
    if matches!(kind, Kind::Noise { .. }) { NOISE_VENUES } else { VENUES }
}

/// Writes the quotes of one day.
fn write(lake: &Path, instrument: &str, venue: &str, quotes: &[Quote]) {
    let ns = |ms: i64| MIDNIGHT + ms * MS;
    let folder = format!(
        "exchange={}/symbol={}/{}",
        layout::venue_folder(venue).unwrap(),
        layout::instrument_folder(instrument).unwrap(),
        layout::hour_folder(u64::try_from(ns(quotes[0].received_ms) / HOUR).unwrap())
    );
    let folder = lake.join(folder);
    fs::create_dir_all(&folder).unwrap();
    let rows = quotes.len();
    let float = |of: &dyn Fn(&Quote) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(quotes.iter().map(of)))
    };
    let times = |of: fn(&Quote) -> i64| -> ArrayRef {
        let times = quotes.iter().map(|quote| ns(of(quote)));
        Arc::new(TimestampNanosecondArray::from_iter_values(times).with_timezone("UTC"))
    };
    let half = 0.5 * WIDTH_BP / 1e4;
    let batch = QUOTES.batch(vec![
        times(|quote| quote.received_ms),
        float(&|quote| quote.mid * (1.0 - half)),
        float(&|quote| quote.mid * (1.0 + half)),
        float(&|_| SIZE),
        float(&|_| SIZE),
        times(|quote| quote.made_ms),
        Arc::new(UInt64Array::new_null(rows)),
        Arc::new(Int64Array::from_iter_values((0..).take(rows))),
        Arc::new(UInt8Array::from(vec![0; rows])),
        constant_text("truths", rows),
    ]);
    let path = folder.join("quotes.parquet");
    let mut writer = TableWriter::create(&path, &QUOTES, Metadata::new()).unwrap();
    writer.write(&batch.unwrap()).unwrap();
    writer.finish().unwrap();
}
