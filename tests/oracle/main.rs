//! A check of the recorder that shares no code with it: a program in Python plays two venues, knows every
//! quote that it sent, and reads the lake with DuckDB.
//!
//! Each trial is a scenario of `oracle.py`: the binary records into a lake of its own, ends in some way, and
//! then every row must be one that was sent, once and unchanged, and nothing may be missing that the
//! ledger does not state. The word of `lake verify` must agree, also on lakes that somebody changed.
//!
//! ```text
//! cargo test -p spreadwire --test oracle -- --nocapture                                all, with rows and kills
//! SPREADWIRE_ORACLE_ROUNDS=30 cargo test -p spreadwire --test oracle killed -- --nocapture  the long run
//! SEED=7 cargo test -p spreadwire --test oracle killed_while_sealing -- --nocapture         the same delays
//! ```
//!
//! Cargo gives a test the path of its own package's binary alone, so this binary is also the `lake` tool
//! that Python calls.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what was done is for whoever repeats it"
)]

mod lake_tool;

use spreadwire_kit::needs::{Need, Test, python, run};
use std::collections::BTreeSet;
use std::process::{Command, ExitCode};
use std::time::{SystemTime, UNIX_EPOCH};

const ENGINE: &str = env!("CARGO_BIN_EXE_spreadwire");
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/oracle/oracle.py");
const PACKAGES: Need = Need::Python(&["websockets", "duckdb", "pyarrow"]);
/// Kills of a scenario, unless `SPREADWIRE_ORACLE_ROUNDS` multiplies them.
const KILLS: usize = 3;

/// Scenarios that need nothing else.
const PLAIN: &[&str] = &[
    "ends_after_its_time",
    "ends_by_sigterm",
    "ends_by_sigint",
    "killed_while_recording",
    "killed_while_sealing",
    "killed_while_joining",
    "killed_while_the_next_engine_recovers",
    "killed_while_lake_recover_recovers",
    "beside_a_second_engine",
    "beside_a_second_engine_after_the_lock_was_deleted",
    "in_a_lake_that_is_renamed_and_comes_back",
    "in_a_lake_that_is_removed",
    "in_a_lake_that_may_not_be_entered_for_a_while",
    "beside_a_copied_file",
    "beside_one_who_holds_the_lock_of_changes",
    "that_somebody_changed",
];
/// Scenarios at another time than now.
const AT_ANOTHER_TIME: &[&str] = &[
    "killed_while_compacting",
    "crosses_an_hour",
    "crosses_a_leap_day",
    "crosses_a_year",
    "with_a_clock_that_is_set",
];
/// Scenarios on a small disk.
const ON_A_SMALL_DISK: &[&str] = &["on_a_disk_that_is_full", "on_a_disk_without_inodes"];

fn main() -> ExitCode {
    if let Some(code) = lake_tool::asked() {
        return code;
    }
    let plain = PLAIN.iter().map(|name| scenario(name, vec![PACKAGES]));
    let faketime = vec![PACKAGES, Need::Command("faketime")];
    let moved = AT_ANOTHER_TIME.iter().map(|name| scenario(name, faketime.clone()));
    let small = ON_A_SMALL_DISK.iter().map(|name| scenario(name, vec![PACKAGES, Need::Mounts]));
    let all = plain.chain(moved).chain(small).chain([every_scenario_is_played()]);
    run(all.collect())
}

fn every_scenario_is_played() -> Test {
    let name = "every_scenario_of_the_program_is_played".to_owned();
    let program = include_str!("oracle.py");
    let defined = program.split("\n@scenario\nasync def ").skip(1);
    let defined: BTreeSet<&str> =
        defined.filter_map(|text| Some(text.split_once('(')?.0)).collect();
    let played: BTreeSet<&str> =
        [PLAIN, AT_ANOTHER_TIME, ON_A_SMALL_DISK].concat().into_iter().collect();
    Test { name, needs: Vec::new(), run: Box::new(move || assert_eq!(defined, played)) }
}

fn scenario(name: &'static str, needs: Vec<Need>) -> Test {
    let mounts = needs.contains(&Need::Mounts);
    Test { name: name.to_owned(), needs, run: Box::new(move || play(name, mounts)) }
}

/// Plays a scenario in a folder that is kept if it fails.
fn play(name: &str, mounts: bool) {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(if mounts { "unshare".to_owned() } else { python() });
    if mounts {
        command.args(Need::MOUNTS).arg(python());
    }
    command.arg(PROGRAM).arg("--engine").arg(ENGINE).arg("--home").arg(home.path());
    command.args(["--seed", &seed().to_string(), "--rounds", &rounds().to_string(), name, "--"]);
    command.arg(std::env::current_exe().unwrap()).arg(lake_tool::WORD);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    let output = command.output().unwrap();
    print!("{}", String::from_utf8_lossy(&output.stdout));
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        panic!("{said}\nthe lake and the logs are in {}", home.keep().display());
    }
}

/// Returns the seed of all drawn delays: `SEED`, or another one each time.
#[expect(clippy::disallowed_methods, reason = "a seed may be anything")]
fn seed() -> u64 {
    let asked = std::env::var("SEED").ok().map(|seed| seed.parse().unwrap());
    asked.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs())
}

fn rounds() -> usize {
    let times = std::env::var("SPREADWIRE_ORACLE_ROUNDS").ok().map(|times| times.parse().unwrap());
    KILLS * times.unwrap_or(1)
}
