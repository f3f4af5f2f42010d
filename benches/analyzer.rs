//! Compares the analyzer with three other engines on the same lake, as whole processes.
//!
//! The lake is sampled from a recorded tape (`resampled.rs`) into a temporary folder, or is given
//! by path. Each round runs every engine in turn, so machine noise hits all equally. The first
//! round warms the page cache and is discarded. The other engines are
//! `../shared/baselines/pair_metrics.py`, run with the Python in `PYTHON`; those that it cannot run
//! are left out. Compatible columns are compared with those of the first available one. Peak memory
//! is the value that GNU time reports for the process.
//!
//! The analyzer is the binary in `ANALYZER`, or is built by cargo from this workspace. Without
//! `--bench` (`cargo test --benches`) the lake is small and there is one round.
#![allow(clippy::print_stdout, reason = "a bench tells its figures")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

mod resampled;

use benches::header;
use clap::Parser;
use resampled::Shape;
use spreadwire_lake::table::{Footer, QUOTES};
use spreadwire_market::clock::{Clock, Nanos};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const TIME: &str = "/usr/bin/time";
const BASELINES: [&str; 3] = ["polars", "script", "duckdb"];
/// The analyzer's runs: their metrics, and the number of threads; 0 is one per core.
const ASKED: [(&str, u32); 7] = [
    ("compatible", 0),
    ("compatible,time-weighted", 0),
    ("all", 0),
    ("compatible", 1),
    ("compatible", 2),
    ("all", 1),
    ("all", 2),
];

#[derive(Parser)]
struct Options {
    /// Number of quotes in the lake, over all venues.
    #[arg(long)]
    rows: Option<u64>,
    #[arg(long)]
    instruments: Option<u32>,
    #[arg(long)]
    days: Option<u32>,
    #[arg(long)]
    rounds: Option<usize>,
    /// Create the lake here and keep it.
    #[arg(long, value_name = "DIR", conflicts_with = "lake")]
    keep: Option<PathBuf>,
    /// Use this lake instead of creating one.
    #[arg(long, value_name = "DIR")]
    lake: Option<PathBuf>,
    /// Run only engines whose line contains this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Set by cargo when it measures.
    #[arg(long, hide = true)]
    bench: bool,
}

/// An engine that computes the figures, with the results of its runs.
struct Engine {
    name: String,
    /// File that it writes its table to.
    table: PathBuf,
    command: Vec<OsString>,
    threads: u32,
    runs: Vec<Run>,
}

/// One run of a process.
#[derive(Clone, Copy)]
struct Run {
    wall: Nanos,
    /// CPU seconds and KiB of peak memory, where GNU time is installed.
    told: Option<(f64, u64)>,
}

impl Engine {
    fn run(&self, clock: &Clock, folder: &Path) -> Run {
        let told = folder.join("told");
        let mut command = if Path::new(TIME).is_file() {
            let mut timed = Command::new(TIME);
            timed.args(["-f", "%U %S %M", "-o"]).arg(&told).arg(&self.command[0]);
            timed
        } else {
            Command::new(&self.command[0])
        };
        command.args(&self.command[1..]).stdin(Stdio::null()).stdout(Stdio::null());
        let start = clock.now();
        let ended = command.stderr(Stdio::piped()).output().unwrap();
        let wall = clock.now() - start;
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{}: {}\n{said}", self.name, ended.status);
        let told = std::fs::read_to_string(told).ok();
        let told = told.map(|told| {
            let mut words = told.split_whitespace();
            let mut seconds = || words.next().unwrap().parse::<f64>().unwrap();
            (seconds() + seconds(), words.next().unwrap().parse().unwrap())
        });
        Run { wall, told }
    }

    fn print(&self, rows: u64, baseline: Option<&Engine>) {
        let mut walls: Vec<f64> = self.runs.iter().map(|run| seconds(run.wall)).collect();
        let p50 = median(&mut walls);
        let cpu = self.runs.iter().filter_map(|run| run.told.map(|told| told.0));
        let cpu = Some(median(&mut cpu.collect::<Vec<_>>())).filter(|cpu| !cpu.is_nan());
        let memory = self.runs.iter().filter_map(|run| run.told.map(|told| told.1)).max();
        let ratio = baseline.map(|other| {
            let both = self.runs.iter().zip(&other.runs);
            median(&mut both.map(|(a, b)| seconds(b.wall) / seconds(a.wall)).collect::<Vec<_>>())
        });
        let cell = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        println!(
            "{:<40}{p50:>8.3}{:>8.3}{:>8.3}{:>8}{:>9.2}{:>9}{:>9}{:>9}",
            self.name,
            walls[0],
            walls[walls.len() - 1],
            cell(cpu.map(|cpu| format!("{cpu:.2}"))),
            as_float(rows) / p50 / 1e6,
            cell(cpu.map(|cpu| format!("{:.2}", as_float(rows) / cpu / 1e6))),
            cell(memory.map(|kib| format!("{}", kib / 1024))),
            cell(ratio.map(|ratio| format!("{ratio:.2}"))),
        );
    }
}

/// Returns all engines that can run here.
fn engines(lake: &Path, folder: &Path) -> Vec<Engine> {
    let analyzer = analyzer();
    let mut engines = Vec::new();
    for (metrics, threads) in ASKED {
        let out = folder.join(format!("{metrics}-{threads}"));
        let mut command = vec![analyzer.clone().into_os_string(), lake.into()];
        let arguments =
            ["--metrics", metrics, "--no-ledger", "--no-partials", "--format", "csv", "--out"];
        command.extend(arguments.map(OsString::from));
        command.push(out.clone().into());
        let mut name = format!("analyzer {metrics}");
        if threads != 0 {
            command.extend(["--threads".into(), threads.to_string().into()]);
            name.push_str(&format!(" --threads {threads}"));
        }
        let table = out.join("latest/ranking.csv");
        engines.push(Engine { name, table, command, threads, runs: Vec::new() });
    }
    let script = shared().join("baselines/pair_metrics.py");
    if !script.is_file() {
        println!("skipped: {} is absent (SPREADWIRE_REAL_DATA)", script.display());
        return engines;
    }
    let python = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    for name in BASELINES {
        let module = if name == "script" { "polars" } else { name };
        let mut check = Command::new(&python);
        check.args(["-c", &format!("import {module}, pyarrow")]).stderr(Stdio::null());
        if !check.status().is_ok_and(|status| status.success()) {
            println!("skipped: {name}: {} has no {module}, pyarrow (PYTHON)", python.display());
            continue;
        }
        let table = folder.join(format!("{name}.csv"));
        let words = [python.as_os_str(), script.as_os_str(), name.as_ref(), lake.as_os_str()];
        let mut command: Vec<OsString> = words.map(OsString::from).into();
        command.extend(["--csv".into(), table.clone().into()]);
        let name = format!("pair_metrics.py {name}");
        engines.push(Engine { name, table, command, threads: 0, runs: Vec::new() });
    }
    engines
}

fn shared() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    std::env::var_os("SPREADWIRE_REAL_DATA").map_or(beside, PathBuf::from)
}

/// Returns the path of the analyzer's binary, which is optimised like this bench.
fn analyzer() -> PathBuf {
    if let Some(path) = std::env::var_os("ANALYZER") {
        return path.into();
    }
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--quiet", "--locked", "-p", "analyzer"]);
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    assert!(build.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap().success());
    // This bench is target/<profile>/deps/analyzer-<hash>.
    let own = std::env::current_exe().unwrap();
    own.ancestors().nth(2).unwrap().join("analyzer")
}

/// Compares the compatible columns of two tables, row by row.
fn compare(one: &Engine, two: &Engine) {
    let (mine, theirs) = (table(&one.table), table(&two.table));
    assert_eq!(mine.len(), theirs.len(), "{} and {}: other pairs", one.name, two.name);
    let mut compared = 0;
    for (pair, expected) in &theirs {
        let found = &mine[pair];
        for (column, expected) in expected {
            let found = &found[column];
            let same = match (found.parse::<f64>(), expected.parse::<f64>()) {
                (Ok(found), Ok(expected)) => {
                    (found - expected).abs() <= 1e-9 * expected.abs().max(1.0)
                }
                _ => found.eq_ignore_ascii_case(expected),
            };
            assert!(same, "{pair:?} {column}: {found} of {}, {expected}", one.name);
            compared += 1;
        }
    }
    println!("{} and {} agree in {compared} figures", one.name, two.name);
}

/// Returns a table's rows by instrument and venues, with fields by column.
fn table(path: &Path) -> BTreeMap<Vec<String>, BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let columns = reader.headers().unwrap().clone();
    let rows = reader.records().map(|record| {
        let record = record.unwrap();
        let fields = columns.iter().zip(&record);
        let fields = fields.map(|(column, field)| (column.to_owned(), field.to_owned()));
        (record.iter().take(3).map(str::to_owned).collect(), fields.collect())
    });
    rows.collect()
}

/// Returns the number of quotes in a lake.
fn rows_of(folder: &Path) -> u64 {
    let mut rows = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rows += rows_of(&path);
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            rows += Footer::read(&path, &QUOTES).map_or(0, |footer| footer.rows);
        }
    }
    rows
}

fn bytes_of(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let of = entry.metadata().unwrap();
            if of.is_dir() { bytes_of(&entry.path()) } else { of.len() }
        })
        .sum()
}

#[expect(clippy::cast_precision_loss, reason = "for a table")]
fn as_float(count: u64) -> f64 {
    count as f64
}

fn seconds(time: Nanos) -> f64 {
    as_float(time) / 1e9
}

/// Sorts the values and returns their median; NaN if there are none.
fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Prints how much faster two threads are than one.
fn print_speed_ups(engines: &[Engine]) {
    for one in engines.iter().filter(|engine| engine.threads == 1) {
        let name = one.name.replace("--threads 1", "--threads 2");
        let Some(two) = engines.iter().find(|engine| engine.name == name) else { continue };
        let both = one.runs.iter().zip(&two.runs);
        let mut ratios: Vec<f64> =
            both.map(|(one, two)| seconds(one.wall) / seconds(two.wall)).collect();
        println!("{name}: {:.2} times as fast as on one", median(&mut ratios));
    }
}

fn main() {
    header::print("analyzer");
    let options = Options::parse();
    let measuring = options.bench;
    let or = |of: Option<u32>, large, small| of.unwrap_or(if measuring { large } else { small });
    let shape = Shape {
        rows: options.rows.unwrap_or(if measuring { 12_000_000 } else { 20_000 }),
        instruments: or(options.instruments, 4, 2),
        days: or(options.days, 2, 2),
    };
    let rounds = options.rounds.unwrap_or(if measuring { 5 } else { 1 });
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    let lake = options.lake.or_else(|| options.keep.clone());
    let lake = lake.unwrap_or_else(|| folder.join("lake"));
    if options.keep.is_some() || !lake.is_dir() {
        assert!(!lake.is_dir(), "{} exists already: see --lake", lake.display());
        resampled::make(&lake, shape);
    }
    // An absolute path, so that no engine depends on its working folder.
    let lake = lake.canonicalize().unwrap();
    let rows = rows_of(&lake);
    println!("{rows} rows, {:.2} bytes a row", as_float(bytes_of(&lake)) / as_float(rows));
    let mut engines = engines(&lake, folder);
    engines.retain(|engine| engine.name.contains(&options.only));
    let clock = Clock::host();
    for round in 0..=rounds {
        for engine in &mut engines {
            let run = engine.run(&clock, folder);
            if 0 < round {
                engine.runs.push(run);
            }
        }
    }
    let baseline = engines.iter().find(|engine| engine.name.starts_with("pair_metrics.py"));
    if let Some(baseline) = baseline {
        let ours = engines.iter().filter(|engine| engine.name.starts_with("analyzer"));
        ours.for_each(|engine| compare(engine, baseline));
    }
    println!(
        "\n{:<40}{:>8}{:>8}{:>8}{:>8}{:>9}{:>9}{:>9}{:>9}",
        "wall, s; M rows/s; MiB",
        "p50",
        "min",
        "max",
        "CPU s",
        "rows/s",
        "a core",
        "memory",
        "quicker"
    );
    engines.iter().for_each(|engine| engine.print(rows, baseline));
    print_speed_ups(&engines);
}
