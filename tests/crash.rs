//! Kills an engine again and again: everything it had written must be in the lake, once and
//! unchanged.
//!
//! A simulator plays endlessly in this process. `spreadwire run` records it and is killed (SIGKILL)
//! at random moments: while it starts, recovers, writes, closes, seals, or ends in order. After
//! each kill, a reader that shares no code with the engine notes every complete block of the
//! journal. A last run ends in order. Then the lake must contain every noted record, and verify.
//!
//! ```text
//! cargo test -p spreadwire --test crash -- --nocapture                            100 kills
//! SPREADWIRE_CRASHES=1000 cargo test -p spreadwire --test crash -- --nocapture    the long run
//! SEED=7 cargo test -p spreadwire --test crash -- --nocapture                     the same delays
//! ```
//!
//! It is a test of the binary's package, because only there cargo gives a test the path of the
//! binary. The lake tool is used as a library.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "crash/lake_rows.rs"]
mod lake_rows;
#[path = "crash/segments.rs"]
mod segments;
#[path = "crash/victim.rs"]
mod victim;

use exchange_sim::{ModelOptions, Options, Simulator, Source, VenueAt};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use segments::Bytes;
use spreadwire_market::clock::{Clock, MILLI, Nanos};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use victim::{Scene, Victim, until};

const CRASHES: u64 = 100;
/// Number of kills from which every kind of moment must have been met.
const CRASHES_TELLING: u64 = 50;
/// One venue that sends event times and one that sends none.
const VENUES: [&str; 2] = ["okx", "binance"];
const INSTRUMENTS: usize = 1;
/// Quotes a second, over all venues.
const RATE: f64 = 2_000.0;
/// An engine that finds more runs to recover than this is not killed once: the longer the list, the
/// fewer kills would hit anything else.
const RECOVERIES_MAX: usize = 8;
/// Maximum lifetime of a victim, where it takes [`BEGIN_EXPECTED`] to write its first block.
const LIFE_MAX: Nanos = 1_200 * MILLI;
const BEGIN_EXPECTED: Nanos = 150 * MILLI;

/// Contents of the journal after an engine was killed.
#[derive(Default)]
struct Noted {
    /// Files that were read. The remains of a killed run do not change.
    read: BTreeSet<PathBuf>,
    /// Records by run and number.
    inputs: BTreeMap<String, BTreeMap<u64, Bytes>>,
    /// Number after the last record, by run.
    next: BTreeMap<String, u64>,
    /// Runs whose mark was left.
    marked: BTreeSet<String>,
    /// Runs that were killed while they ended in order, so either end is right.
    ending: BTreeSet<String>,
}

/// Kills by the moment that they hit.
#[derive(Debug, Default)]
struct Moments {
    kills: u64,
    before_its_mark: u64,
    open_segment: u64,
    header_cut_off: u64,
    closed_segment: u64,
    unfinished_file: u64,
    during_recovery: u64,
    while_ending: u64,
    ended_before: u64,
}

#[test]
fn what_was_written_before_a_kill_is_in_the_lake_once() {
    let crashes = number_of("SPREADWIRE_CRASHES").unwrap_or(CRASHES);
    let seed = number_of("SEED").unwrap_or_else(|| Clock::host().now() % 1_000_000);
    println!("SEED={seed}, {crashes} kills");
    let home = Home(Some(tempfile::tempdir().unwrap()));
    let simulator = Simulator::start(market(seed)).unwrap();
    let scene = Scene::set(home.path(), &simulator, INSTRUMENTS);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (mut noted, mut moments) = (Noted::default(), Moments::default());
    let life_max = longest_life(&scene);
    noted.look(&scene, &mut moments);
    for _ in 1..crashes {
        let before = marks(&scene.lake);
        let ending = kill_one(&scene, &mut random, life_max, &mut moments);
        let fresh: BTreeSet<String> = marks(&scene.lake).difference(&before).cloned().collect();
        moments.before_its_mark += u64::from(fresh.is_empty());
        moments.during_recovery += u64::from(!marks(&scene.lake).is_disjoint(&before));
        noted.ending.extend(fresh.into_iter().filter(|_| ending));
        noted.look(&scene, &mut moments);
    }
    println!("{moments:?}");
    let last = scene.start(&["--for", "1"]).wait(&scene.clock);
    assert!(last.success(), "the last run ended with {last}: {}", home.path().display());
    check_lake(&scene, &noted);
    check_verdict(&scene, &noted);
    if CRASHES_TELLING <= crashes {
        assert!(0 < moments.open_segment && 0 < moments.closed_segment, "{moments:?}");
    }
}

fn number_of(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|value| value.parse().unwrap())
}

fn market(seed: u64) -> Options {
    let mut model =
        ModelOptions { seed, rate: RATE, instruments: INSTRUMENTS, ..ModelOptions::default() };
    model.venues.retain(|venue| VENUES.contains(&venue.name.as_str()));
    let venues = VENUES.into_iter().map(VenueAt::any_port).collect();
    Options { venues, source: Source::Model(model), ..Options::default() }
}

/// The first victim shows how long it takes here until blocks are written. Lifetimes are chosen by
/// that.
fn longest_life(scene: &Scene) -> Nanos {
    let begun = scene.clock.now();
    let victim = scene.start(&[]);
    until(&scene.clock, "the first block", || segments::is_written(&scene.lake).then_some(()));
    let took = scene.clock.now() - begun;
    victim.kill();
    println!("the first block was written after {} ms", took / MILLI);
    LIFE_MAX.max(LIFE_MAX / BEGIN_EXPECTED * took)
}

/// Starts an engine and kills it; returns whether it was ending in order.
fn kill_one(
    scene: &Scene,
    random: &mut ChaCha8Rng,
    life_max: Nanos,
    moments: &mut Moments,
) -> bool {
    let mut victim = scene.start(&[]);
    if RECOVERIES_MAX < marks(&scene.lake).len() {
        until(&scene.clock, "the recovery of every run but its own", || {
            (marks(&scene.lake).len() == 1).then_some(())
        });
    }
    // A quarter are killed while they start.
    let longest = if random.random_ratio(1, 4) { life_max / 12 } else { life_max };
    live(&scene.clock, &mut victim, random.random_range(MILLI..longest));
    let ending = random.random_ratio(1, 8);
    if ending {
        victim.ask_to_end();
        live(&scene.clock, &mut victim, random.random_range(MILLI..life_max / 3));
    }
    let ended = victim.kill();
    let alone = ended.code().is_some();
    assert!(!alone || (ending && ended.success()), "the engine gave up: {ended}");
    moments.kills += 1;
    moments.while_ending += u64::from(ending && !alone);
    moments.ended_before += u64::from(alone);
    ending
}

/// Lets a victim live for a time, or until it ends.
fn live(clock: &Clock, victim: &mut Victim, time: Nanos) {
    let end = clock.now() + time;
    while victim.has_ended().is_none() {
        let left = Duration::from_nanos(end.saturating_sub(clock.now()));
        if left.is_zero() {
            break;
        }
        std::thread::park_timeout(left.min(Duration::from_millis(5)));
    }
}

/// Returns the runs whose mark is in the journal.
fn marks(lake: &Path) -> BTreeSet<String> {
    let names = std::fs::read_dir(lake.join("journal")).into_iter().flatten();
    let names = names.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter_map(|name| name.strip_suffix(".run.json").map(str::to_owned)).collect()
}

impl Noted {
    /// Notes the current contents of the journal.
    fn look(&mut self, scene: &Scene, moments: &mut Moments) {
        self.marked.extend(marks(&scene.lake));
        let found = segments::new_in(&scene.lake, &self.read);
        self.read.extend(found.iter().map(|found| found.path.clone()));
        let is_unfinished = |path: &Path| path.extension().is_some_and(|end| end == "tmp");
        let files = lake_rows::files(&scene.lake);
        let met = |met: bool| u64::from(met);
        moments.unfinished_file += met(files.iter().any(|path| is_unfinished(path)));
        moments.open_segment += met(found.iter().any(|found| found.open));
        moments.closed_segment += met(found.iter().any(|found| !found.open));
        moments.header_cut_off += met(found.iter().any(|found| found.segment.is_none()));
        let catalogue = segments::crc32c(scene.names.text().as_bytes());
        for segment in found.into_iter().filter_map(|found| found.segment) {
            assert_eq!(segment.catalogue, catalogue, "the catalogue's order is the file's");
            let next = self.next.entry(segment.run.clone()).or_default();
            *next = segment.next.unwrap_or(0).max(*next);
            let inputs = self.inputs.entry(segment.run).or_default();
            for (number, record) in segment.inputs {
                let before = inputs.insert(number, record);
                assert!(before.is_none_or(|before| before == record), "{number} was rewritten");
            }
        }
    }
}

/// Checks that every noted record is a row, and that every row has a run and a number that were
/// used.
fn check_lake(scene: &Scene, noted: &Noted) {
    let rows = lake_rows::inputs(&scene.lake);
    let ledger = lake_rows::ledger(&scene.lake);
    for (run, inputs) in &noted.inputs {
        let of_run = rows.get(run);
        for (number, record) in inputs {
            let row = of_run.and_then(|rows| rows.get(number));
            let expected = lake_rows::row_of(record, &scene.names);
            assert_eq!(row, Some(&expected), "run {run}, number {number}");
        }
    }
    for (run, rows) in &rows {
        assert!(ledger.started.contains(run), "rows of a run that never began: {run}");
        let lost = ledger.lost.iter().filter(|(of, _, _)| of == run);
        let lost = lost.flat_map(|(_, first, last)| *first..=*last);
        let mut numbers: Vec<u64> = rows.keys().copied().chain(lost).collect();
        numbers.sort_unstable();
        let tiles = numbers.iter().zip(0..).all(|(found, expected)| *found == expected);
        assert!(tiles, "the numbers of run {run} have a hole or overlap");
        // The journal's contents at the kill were the end of the run.
        if let Some(next) = noted.next.get(run).filter(|next| 0 < **next) {
            let there = numbers.len() as u64;
            let ended = noted.ending.contains(run) && *next <= there;
            assert!(there == *next || ended, "run {run}: {there} numbers, {next} were written");
        }
    }
    let known = noted.marked.iter();
    let untold: Vec<_> = known.filter(|run| !ledger.started.contains(*run)).collect();
    assert!(untold.is_empty(), "runs whose beginning is not told: {untold:?}");
    let twofold: Vec<_> = ledger.ended.iter().filter(|(_, how)| how.len() != 1).collect();
    assert!(twofold.is_empty(), "runs that ended twice: {twofold:?}");
    let rows: usize = rows.values().map(BTreeMap::len).sum();
    let records: usize = noted.inputs.values().map(BTreeMap::len).sum();
    println!("{records} records noted in journals, {rows} rows in the lake");
}

/// Checks that `lake verify` agrees and that no files are left over.
fn check_verdict(scene: &Scene, noted: &Noted) {
    let verdict = lake::verify::verify(&scene.lake, None, &lake::progress::bar("", 0, true));
    let told = verdict.to_json();
    assert!(verdict.is_complete(), "{}", verdict.to_text());
    assert_eq!(told["complete"], true);
    let gaps = told["gaps"].as_array().unwrap().iter();
    let gaps = gaps.filter(|gap| gap["cause"] == "restart");
    let mut gaps: Vec<&str> = gaps.map(|gap| gap["run"].as_str().unwrap()).collect();
    gaps.sort_unstable();
    let sure = |run: &&str| !noted.ending.contains(*run);
    let killed: Vec<&str> =
        noted.marked.iter().map(String::as_str).filter(|run| sure(run)).collect();
    let stated: Vec<&str> = gaps.iter().copied().filter(sure).collect();
    assert_eq!(stated, killed, "each killed run has one gap");
    assert!(gaps.windows(2).all(|pair| pair[0] < pair[1]), "a run has two gaps: {gaps:?}");
    let journal = scene.lake.join("journal");
    assert_eq!(lake_rows::files(&journal), Vec::<PathBuf>::new(), "left in the journal");
    let unfinished = |path: &PathBuf| path.extension().is_some_and(|end| end == "tmp");
    let left: Vec<_> = lake_rows::files(&scene.lake).into_iter().filter(unfinished).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Returns the folder of the test. It is kept if the test fails.
struct Home(Option<TempDir>);

impl Home {
    fn path(&self) -> &Path {
        self.0.as_ref().unwrap().path()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(folder) = self.0.take().filter(|_| std::thread::panicking()) {
            println!("the lake and the engine's log are in {}", folder.keep().display());
        }
    }
}
