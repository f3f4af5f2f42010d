//! `trader sweep`: runs a grid of thresholds, sizes and latencies over a lake on paper, on all cores.
//!
//! ```text
//! $ trader sweep lake --config engine.toml --entry-bps 1,2,5 --latency-ms 1,5,20 --walk-forward 4 --out sweep
//! ```
//!
//! How to read it: each line is one combination over the whole time, the highest profit first. Whoever
//! picks the first line also picks luck. With `--walk-forward` the time is divided, the combination that
//! gained most in one period is judged by the next, and the report says by how much the grid flatters.
//!
//! The lake is read piece by piece, so memory is bounded by the grid. Runs of the lake follow each other
//! as in one run, with a gap between them, over which no price is relied on.

use anyhow::{Context as _, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use spreadwire_backtest::grid::{Grid, POINTS_MAX, Point};
use spreadwire_backtest::page;
use spreadwire_backtest::periods::Periods;
use spreadwire_backtest::setup::{Fund, Setup};
use spreadwire_backtest::stream::Blocks;
use spreadwire_backtest::sweep::Sweep;
use spreadwire_backtest::table::Study;
use spreadwire_catalogue::trading::TradingPlan;
use spreadwire_lake::files;
use spreadwire_lake::history::{History, Run, Selection, Tally};
use spreadwire_market::book::Book;
use spreadwire_market::calculation::Calculation;
use spreadwire_market::clock::{MILLI, Nanos};
use spreadwire_market::decision;
use spreadwire_market::instrument::Catalogue;
use spreadwire_market::moment::time_of_text;
use spreadwire_market::record::{Gap, Record};
use spreadwire_market::spread::BPS;
use spreadwire_output::{Stream, err, out};
use spreadwire_trading::amount::Amount;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Latencies and lifetimes that can be asked for, ms.
const MILLIS: std::ops::RangeInclusive<f64> = 0.0..=60_000.0;
/// Thresholds that can be asked for, basis points.
const THRESHOLDS: std::ops::RangeInclusive<f64> = -10_000.0..=10_000.0;
/// Numbers of periods that can be asked for.
const PARTS: std::ops::RangeInclusive<u32> = 2..=1_000;

/// Which grid over which lake.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The lake whose quotes are swept.
    lake: PathBuf,
    /// The configuration: venues, fees, thresholds and the section `[trading]`.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Entry thresholds of the net spread, basis points; default is that of the configuration.
    #[arg(long, value_name = "BPS,...", value_delimiter = ',', allow_negative_numbers = true, value_parser = threshold)]
    entry_bps: Vec<f64>,
    /// Exit thresholds of the net spread, basis points; default is that of the configuration.
    #[arg(long, value_name = "BPS,...", value_delimiter = ',', allow_negative_numbers = true, value_parser = threshold)]
    exit_bps: Vec<f64>,
    /// Largest sizes of a pair, in its quote currency; default is that of the configuration.
    #[arg(long, value_name = "AMOUNT,...", value_delimiter = ',', value_parser = size)]
    size: Vec<Amount>,
    /// Latencies to every venue, one way, ms; default is that of the configuration.
    #[arg(long, value_name = "MS,...", value_delimiter = ',', value_parser = millis)]
    latency_ms: Vec<Nanos>,
    /// Least lifetimes of opportunities that are acted on, ms; default is that of the configuration.
    #[arg(long, value_name = "MS,...", value_delimiter = ',', value_parser = millis)]
    lifetime_ms: Vec<Nanos>,
    /// Sweep this run alone; may be given several times.
    #[arg(long = "run", value_name = "NAME")]
    runs: Vec<String>,
    /// Begin with the first quote received at or after this time, as 2024-08-08T23:54:00Z.
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Nanos>,
    /// End before the first quote received at or after this time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Nanos>,
    /// Divide the time into so many equal parts, or into `days` (UTC); choose on one and judge on the next.
    /// The lake is then read twice.
    #[arg(long, value_name = "PARTS", value_parser = division)]
    walk_forward: Option<Division>,
    /// Write sweep.html, sweep.csv, sweep.json and the pictures into this folder.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// How the time is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Division {
    Parts(u32),
    Days,
}

/// What the configuration says, proved.
#[derive(Clone, Debug)]
pub struct Base {
    /// Venues and instruments.
    pub catalogue: Catalogue,
    /// Thresholds.
    pub thresholds: decision::Settings,
    /// The section `[trading]`.
    pub trading: TradingPlan,
    /// A net spread further from zero than this is no spread, a fraction.
    pub max_net: f64,
}

fn within<T: PartialOrd + std::fmt::Display>(
    value: T,
    range: &std::ops::RangeInclusive<T>,
) -> Result<T, String> {
    let (low, high) = (range.start(), range.end());
    if range.contains(&value) { Ok(value) } else { Err(format!("choose {low} to {high}")) }
}

fn number(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| "write a number".to_owned())
}

fn threshold(text: &str) -> Result<f64, String> {
    within(number(text)?, &THRESHOLDS)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "within the bounds, which are at or above 0"
)]
fn millis(text: &str) -> Result<Nanos, String> {
    Ok((within(number(text)?, &MILLIS)? * MILLI as f64).round() as Nanos)
}

fn size(text: &str) -> Result<Amount, String> {
    match Amount::parse(text) {
        Ok(amount) if Amount::ZERO < amount => Ok(amount),
        Ok(_) => Err("choose more than 0".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn time(text: &str) -> Result<Nanos, String> {
    time_of_text(text)
        .ok_or_else(|| "write a time with an offset, as 2024-08-08T23:54:00Z".to_owned())
}

fn division(text: &str) -> Result<Division, String> {
    if text == "days" {
        return Ok(Division::Days);
    }
    let parts = text.parse().map_err(|_| "write a number of parts, or days".to_owned())?;
    Ok(Division::Parts(within(parts, &PARTS)?))
}

/// A grid that was proved, and the setup that it applies to.
#[derive(Clone, Debug)]
pub struct Prepared {
    setup: Setup,
    max_net: f64,
    points: Vec<Point>,
    /// Combinations whose exit is above their entry.
    left_out: usize,
}

/// Proves the grid.
///
/// # Errors
/// Says what is wrong with the arguments: the grid is too large, or every exit threshold is above its entry
/// threshold.
pub fn prepare(arguments: &Arguments, base: Base) -> Result<Prepared, String> {
    let grid = arguments.grid();
    let all = grid.len();
    if POINTS_MAX < all {
        return Err(format!("the grid has {all} combinations; choose at most {POINTS_MAX}"));
    }
    let Base { catalogue, thresholds, trading, max_net } = base;
    let setup = setup(catalogue, thresholds, trading);
    let (points, left_out) = grid.points(&setup);
    if points.is_empty() {
        return Err("every exit threshold of the grid is above its entry threshold; choose \
                    --exit-bps at or below --entry-bps"
            .to_owned());
    }
    Ok(Prepared { setup, max_net, points, left_out })
}

/// Runs the sweep and prints it.
///
/// # Errors
/// If the lake cannot be read or has no quotes of that selection, or the folder cannot be written.
pub fn run(arguments: &Arguments, prepared: &Prepared) -> anyhow::Result<()> {
    let Prepared { setup, max_net, points, left_out } = prepared;
    let recording = Recording::open(arguments, &setup.catalogue, *max_net)?;
    let periods = match arguments.walk_forward {
        None => Periods::default(),
        Some(division) => {
            let (begin, end) = recording.period()?;
            match division {
                Division::Parts(parts) => Periods::equal(begin, end, parts),
                Division::Days => Periods::days(begin, end),
            }
        }
    };
    let mut sweep = Sweep::new(setup, points, periods);
    recording.play(|records| sweep.feed(records))?;
    let swept = sweep.finish();
    let source = arguments.lake.display().to_string();
    let study = Study::new(&source, setup, &swept, *left_out);
    if let Some(folder) = &arguments.out {
        write(folder, &study)?;
    }
    if arguments.json {
        out!("{:#}", study.json());
    } else {
        out!("{}", study.text().trim_end());
    }
    Ok(())
}

impl Arguments {
    fn grid(&self) -> Grid {
        let fractions = |bps: &[f64]| bps.iter().map(|bps| bps / BPS).collect();
        Grid {
            entries: fractions(&self.entry_bps),
            exits: fractions(&self.exit_bps),
            sizes: self.size.clone(),
            latencies: self.latency_ms.clone(),
            lifetimes: self.lifetime_ms.clone(),
        }
    }
}

fn setup(catalogue: Catalogue, thresholds: decision::Settings, trading: TradingPlan) -> Setup {
    let balances = trading.balances.iter();
    let funds = balances.map(|&(venue, asset, amount)| Fund { venue, asset, amount }).collect();
    let (settings, paper) = (trading.settings, trading.paper);
    Setup { catalogue: Arc::new(catalogue), thresholds, settings, paper, funds }
}

/// The selected runs of a lake.
struct Recording<'a> {
    history: History,
    catalogue: &'a Catalogue,
    max_net: f64,
}

impl<'a> Recording<'a> {
    fn open(
        arguments: &Arguments,
        catalogue: &'a Catalogue,
        max_net: f64,
    ) -> anyhow::Result<Recording<'a>> {
        let Arguments { lake, runs, from, until, .. } = arguments;
        let runs = runs.iter().cloned().collect();
        let selection = Selection { from: *from, until: *until, runs };
        let history = History::open(lake, catalogue, &selection)?;
        for unsealed in history.unsealed() {
            err!("run {} is not whole: {}", unsealed.run, unsealed.remedy());
        }
        if history.runs().is_empty() {
            bail!("{} has no quotes of that selection", lake.display());
        }
        Ok(Recording { history, catalogue, max_net })
    }

    /// Returns the earliest and the latest receive time, ns since 1970 UTC.
    fn period(&self) -> anyhow::Result<(Nanos, Nanos)> {
        let (mut begin, mut end) = (Nanos::MAX, 0);
        let bar = self.bar("times");
        for run in self.history.runs() {
            for block in self.history.read(run) {
                let block = block.with_context(|| cannot(run))?;
                for ts in block.records().iter().map(Record::ts_recv) {
                    (begin, end) = (begin.min(ts), end.max(ts));
                }
                bar.inc(block.records().len() as u64);
            }
        }
        bar.finish_and_clear();
        Ok((begin.min(end), end))
    }

    /// Returns a bar over the rows of the lake; one that shows nothing unless stderr is a terminal.
    fn bar(&self, what: &'static str) -> ProgressBar {
        let rows = self.history.runs().iter().map(Run::rows).sum();
        if !Stream::Err.is_terminal() {
            return ProgressBar::with_draw_target(Some(rows), ProgressDrawTarget::hidden());
        }
        let style = ProgressStyle::with_template("{prefix} [{bar:30}] {percent} % {eta}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::new(rows).with_style(style.progress_chars("=> ")).with_prefix(what)
    }

    /// Passes the records of the edge to the decision on in blocks: those of one run after the other.
    fn play(&self, take: impl FnMut(&[Record])) -> anyhow::Result<()> {
        let mut blocks = Blocks::new(take);
        let bar = self.bar("sweep");
        for (number, run) in self.history.runs().iter().enumerate() {
            if 0 < number {
                // What happened between two runs is not known.
                blocks.push(&Gap::new(run.begin, 0).into());
            }
            let book = Book::new(self.catalogue).believing(self.max_net);
            let mut calculation = Calculation::new(book);
            let mut inputs = self.history.read(run);
            for block in &mut inputs {
                let block = block.with_context(|| cannot(run))?;
                for (number, record) in block.iter() {
                    calculation.take_numbered(number, record, &mut blocks);
                }
                bar.inc(block.records().len() as u64);
            }
            bar.suspend(|| tell(run, inputs.tally()));
        }
        blocks.finish();
        bar.finish_and_clear();
        Ok(())
    }
}

fn cannot(run: &Run) -> String {
    format!("cannot read run {}", run.names.join(", "))
}

/// Says what of a run was left out.
fn tell(run: &Run, tally: &Tally) {
    let name = run.names.join("+");
    for ((venue, instrument), rows) in &tally.skipped {
        err!("run {name}: {rows} rows of {instrument} at {venue} are not in the configuration");
    }
    for (instrument, rows) in &tally.unfit {
        err!("run {name}: {rows} quotes of {instrument} have more decimals than the configuration");
    }
    if 0 < tally.missed {
        err!("run {name}: {} inputs are missing from the lake", tally.missed);
    }
}

/// Writes the page, its pictures, the CSV and the JSON.
fn write(folder: &Path, study: &Study<'_>) -> anyhow::Result<()> {
    let cannot = || format!("cannot write into {}", folder.display());
    std::fs::create_dir_all(folder).with_context(cannot)?;
    let own = [
        ("sweep.html".to_owned(), page::page(study)),
        ("sweep.csv".to_owned(), study.csv()),
        ("sweep.json".to_owned(), format!("{:#}\n", study.json())),
    ];
    for (name, text) in own.into_iter().chain(page::pictures(study)) {
        let mut file = files::output(&folder.join(&name)).with_context(cannot)?;
        file.write_all(text.as_bytes()).with_context(cannot)?;
    }
    Ok(())
}
