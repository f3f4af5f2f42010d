//! The way from a recorded lake to money: what an analysis recommends is approved by a person, the trader
//! trades it on the next day, and the next analysis says what was promised and what was met.
//!
//! The programs are the real ones, and nothing but files lies between them. The market is drawn by a seed,
//! which is printed; `SEED=` runs with another.
//!
//! Cargo gives a test the path of its own package's binary alone, so this binary is also the `analyzer`, at
//! a time that is told.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "what was met is for whoever repeats it")]

mod market;

use market::{DAY, FEE_BP, MARKET, MIDNIGHT, SCALES, VENUES, draw, record};
use serde_json::Value;
use spreadwire_engine::plan::{Host, Plan};
use spreadwire_kit::needs::{run, tests};
use spreadwire_lake::decisions::{Decisions, FILE_NAME, Head};
use spreadwire_market::approved;
use spreadwire_market::clock::{Nanos, SECOND};
use spreadwire_market::execution::Exit;
use spreadwire_market::recommendations::{self, Recommendations};
use spreadwire_trading::gateway::Mode;
use spreadwire_trading::line::{self, Names};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Output};
use tempfile::TempDir;

const ENGINE: &str = env!("CARGO_BIN_EXE_spreadwire");
/// The first argument with which the test is the analyzer; the second is the time, ns since 1970 UTC.
const WORD: &str = "analyzer";
/// Days that are analysed before anything is approved.
const DAYS: u64 = 2;
/// What both the analyzer and the trader go by.
const SIZE: u32 = 1_000;
const LATENCY_MS: u32 = 20;
const MAX_AGE_S: u32 = 12;
/// Deals of a day that are to be met for each pair: ten times what the inventory holds.
const DEALS_LEAST: u64 = 50;
/// What each venue is funded with, in quote currency.
const INVENTORY: u32 = 5_000;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1).peekable();
    if words.next_if(|word| word == WORD).is_some() {
        let now = words.next().unwrap().into_string().unwrap().parse().unwrap();
        let line = [WORD.into()].into_iter().chain(words).collect();
        return spreadwire_output::conclude(analyzer::command_line::run(line, now));
    }
    run(tests![
        what_is_approved_meets_what_was_promised: [],
    ])
}

/// A folder with the lake of some days, that of the next day, and what the programs leave.
struct Home(TempDir);

impl Home {
    fn new(seed: u64) -> Home {
        let home = Home(tempfile::tempdir().unwrap());
        let quotes = draw(DAYS + 1, seed);
        let next = MIDNIGHT + DAYS * DAY;
        record(&home.path("lake"), &quotes, (MIDNIGHT, next));
        record(&home.path("next"), &quotes, (next, next + DAY));
        fs::write(home.path("engine.toml"), configuration()).unwrap();
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs the analyzer at a time and returns what it printed.
    fn analyzer(&self, now: Nanos, words: &[&str]) -> String {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(WORD).arg(now.to_string()).args(words).current_dir(&self.0);
        told(words, &command.output().unwrap())
    }

    /// Analyses a lake at a time, and returns the report.
    fn analyse(&self, lake: &str, now: Nanos) -> Value {
        let (fees, latency) = (FEE_BP.to_string(), LATENCY_MS.to_string());
        let (size, inventory) = (SIZE.to_string(), INVENTORY.to_string());
        let (age, out) = (MAX_AGE_S.to_string(), format!("of-{lake}"));
        let what =
            ["--metrics", "time-weighted", "--latencies", "0", "--sizes", "1", "--no-partials"];
        let play = ["--thresholds", "5,10,20,40,50", "--margins", "5", "--inventory", &inventory];
        let terms = ["--fees", &fees, "--latency", &latency, "--size", &size, "--max-age", &age];
        let files = ["--out", &out, "--format", "json,toml"];
        let words = [&[lake, "--strict"][..], &what, &play, &terms, &files].concat();
        let told = self.analyzer(now, &words);
        println!("{told}");
        let report = fs::read(self.path(&out).join("latest/report.json")).unwrap();
        serde_json::from_slice(&report).unwrap()
    }

    fn recommended(&self) -> Recommendations {
        recommendations::read(&self.path("of-lake/latest/recommendations.toml"), 0).unwrap()
    }

    /// Trades on the next day, and leaves the decisions where a trader leaves them.
    fn trade(&self) {
        let words = ["replay", "next", "--config", "engine.toml", "--out", "replayed"];
        let output = Command::new(ENGINE).args(words).current_dir(&self.0).output().unwrap();
        println!("{}", told(&words, &output));
        let run = fs::read_dir(self.path("replayed")).unwrap().next().unwrap().unwrap().path();
        self.keep(&fs::read_to_string(run.join(FILE_NAME)).unwrap());
    }

    /// Writes the lines of a replay into the journal of decisions of the next day's lake. A replay leaves
    /// them without head, numbers and checksums.
    fn keep(&self, lines: &str) {
        let host = Host { cpus: (0..8).collect(), descriptors: u64::MAX, now: 0 };
        let plan = Plan::read(&self.path("engine.toml"), &host).unwrap();
        let trading = plan.trading.unwrap();
        let (catalogue, settings) = (&plan.catalogue, &trading.settings);
        let began = MIDNIGHT + DAYS * DAY;
        let head = Head::new(Mode::Paper, &trading.owner, began, catalogue, settings);
        let assets = &settings.assets;
        let path = self.path("next/trading").join(FILE_NAME);
        let (mut journal, _) = Decisions::open(&path, &head, (catalogue, assets), |_| {}).unwrap();
        let entry = |text| line::read(text, Names { catalogue, assets }).unwrap().1;
        journal.append(&lines.lines().map(entry).collect::<Vec<_>>()).unwrap();
    }
}

/// Returns what a program printed, which must have ended well.
fn told(words: &[&str], output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{words:?}: {:?}\n{out}{err}", output.status);
    out.into_owned()
}

/// Returns the configuration of an engine that trades on paper what is approved.
fn configuration() -> String {
    let base = f64::from(INVENTORY) / 100.0;
    let balances: Vec<String> = MARKET
        .iter()
        .map(|(name, _)| format!("{} = {base}", name.split('/').next().unwrap()))
        .collect();
    let balances = balances.join(", ");
    let venues = VENUES.map(|name| {
        format!(
            "[[venues]]\nname = \"{name}\"\ntaker_fee_bps = {FEE_BP:?}\n\
             max_age_ms = {}\n[[trading.venues]]\nname = \"{name}\"\nfee_asset = \"quote\"\n\
             latency_ms = {LATENCY_MS}\norders_per_second = 1000\n\
             balances = {{ USDT = 1000000, {balances} }}\n",
            1_000 * MAX_AGE_S
        )
    });
    let instruments = MARKET.map(|(name, _)| {
        let (price, size) = SCALES;
        format!(
            "[[instruments]]\nname = \"{name}\"\nprice_decimals = {price}\nsize_decimals = {size}\n"
        )
    });
    format!(
        "[decision]\napproved = \"approved.toml\"\ncooldown_ms = 0\n\
         [trading]\nmode = \"paper\"\n\
         [trading.limits]\norder = {SIZE}\ninstrument = 1000000\nvenue = 1000000\n\
         total = 1000000\nopen_deals = 1000\nloss_per_day = 1000000\ndrawdown = 1000000\n\
         failures = 1000000\n\
         [[threads]]\nname = \"hot\"\nidle = \"backoff\"\n\
         agents = [\"feed\", \"calculator\", \"decision\", \"broadcast\", \"journal\"]\n{}{}",
        venues.concat(),
        instruments.concat()
    )
}

/// Returns the seed: `SEED`, or always the same one.
fn seed() -> u64 {
    std::env::var("SEED").map_or(1, |seed| seed.parse().unwrap())
}

fn what_is_approved_meets_what_was_promised() {
    let seed = seed();
    println!("SEED={seed}");
    let home = Home::new(seed);
    let next = MIDNIGHT + DAYS * DAY;

    // What has an edge is recommended, with intervals; the rest is refused, with a reason.
    let report = home.analyse("lake", next);
    for pair in report["pairs"].as_array().unwrap() {
        let name = pair["instrument"].as_str().unwrap();
        let is_honest = name != "NOTHING/USDT";
        assert_eq!(pair["verdict"] == "recommended", is_honest, "{name}: {}", pair["why"]);
        assert!(!pair["why"].as_array().unwrap().is_empty(), "{name}");
    }
    let recommended = home.recommended();
    for pair in &recommended.pairs {
        let (Some(low), Some(high)) = (pair.next_day_low, pair.next_day_high) else {
            panic!("{} has no interval of a day to come", pair.name());
        };
        assert!(0.0 < pair.per_day_low.unwrap(), "{}", pair.name());
        assert!(low < pair.per_day_low.unwrap() && pair.per_day_high.unwrap() < high);
    }
    let models = |name| {
        let pairs = recommended.pairs.iter().filter(move |pair| pair.instrument == name);
        pairs.map(|pair| pair.model).collect::<Vec<_>>()
    };
    // The premium of one venue does not go away, so only positions that are closed again pay there.
    assert_eq!(models("BOTH/USDT"), [Exit::Inventory; 2]);
    assert_eq!(models("PREMIUM/USDT"), [Exit::Convergence]);

    // A person approves it.
    let from = ["--from", "of-lake/latest/recommendations.toml"];
    home.analyzer(next, &[&["approve", "all", "--by", "ada"], &from[..]].concat());
    let approved = approved::read(&home.path("approved.toml")).unwrap();
    assert_eq!(approved.pairs.len(), 3);
    let listed = home.analyzer(next + SECOND, &[&["approved"], &from[..]].concat());
    for pair in &approved.pairs {
        assert!(listed.contains(&pair.name()), "{listed}");
    }

    // The trader trades it on the next day, and that day's analysis says what was met.
    home.trade();
    let report = home.analyse("next", next + DAY);
    let rows = report["promised"].as_array().unwrap();
    assert_eq!(rows.len(), approved.pairs.len());
    for (row, pair) in rows.iter().zip(&approved.pairs) {
        let name = pair.name();
        let figure = |key: &str| row[key].as_f64().unwrap();
        assert_eq!(row["instrument"], *pair.instrument);
        assert_eq!((row["per_day"].as_f64(), figure("recorded_hours")), (pair.per_day, 24.0));
        let (low, met, high) =
            (figure("expected_low"), figure("met_per_day"), figure("expected_high"));
        let stated = [pair.next_day_low.unwrap(), pair.next_day_high.unwrap()];
        assert!((stated[0] - low).abs().max((stated[1] - high).abs()) < 0.01, "{name}: {row:#}");
        assert!(low <= met && met <= high, "{name} met {met}, not {low} to {high}: {row:#}");
        assert_eq!(row["verdict"], "within", "{name}");
        // More than inventories that nothing fills again would give.
        assert!(DEALS_LEAST <= row["deals"].as_u64().unwrap(), "{name}: {row:#}");
    }
}
