//! A running engine with an agent that is really stuck: the telemetry writes its log into a pipe that
//! nobody reads. The engine cannot end in order, and must end all the same.

#![allow(clippy::unwrap_used, reason = "a test that cannot prepare its files has failed")]

use exchange_sim::Simulator;
use parquet::file::reader::{FileReader, SerializedFileReader};
use spreadwire_lake::mark::MARK_SUFFIX;
use spreadwire_lake::{lock, recover};
use spreadwire_rigs::running::{self, Running, until};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;

/// Exit code of a run that was ended by a second SIGINT.
const HASTY: i32 = 4;

fn configuration(simulator: &Simulator, lake: &Path, hist: &Path) -> String {
    format!(
        "{}[journal]\nlake = {lake:?}\n[telemetry]\nhist = {hist:?}\n[watchdog]\nstall_ms = 100\n",
        running::configuration(simulator),
    )
}

/// Fills a pipe until it takes no more.
fn fill(mut pipe: &File) {
    let refused = loop {
        if let Err(error) = pipe.write(&[b'#'; 512]) {
            break error;
        }
    };
    assert_eq!(refused.kind(), ErrorKind::WouldBlock);
}

/// Number of quotes that the last status line says are journalled.
fn journalled(log: &str) -> usize {
    let mut lines = log.lines().rev().filter_map(|line| line.split_once(" journalled"));
    let before = lines.next().expect("a status line").0;
    before.split_whitespace().next_back().unwrap().parse().unwrap()
}

/// Number of quotes in a lake.
fn rows(folder: &Path) -> usize {
    let rows_of = |path: &Path| {
        let is_quotes = path.to_string_lossy().contains("/exchange=");
        let is_file = path.extension().is_some_and(|end| end == "parquet");
        if path.is_dir() {
            return rows(path);
        }
        if !is_quotes || !is_file {
            return 0;
        }
        let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
        usize::try_from(reader.metadata().file_metadata().num_rows()).unwrap()
    };
    fs::read_dir(folder).unwrap().map(|entry| rows_of(&entry.unwrap().path())).sum()
}

#[test]
fn a_second_sigint_ends_an_engine_with_a_stuck_agent_and_the_lake_has_what_was_recorded() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let (lake, hist, log) = (path("lake"), path("hist"), path("engine.log"));
    fs::create_dir(&hist).unwrap();
    let fifo = hist.join("latency.hlog");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let pipe = OpenOptions::new().read(true).write(true).custom_flags(flags).open(&fifo).unwrap();

    let simulator = running::simulator(2_000.0);
    fs::write(path("engine.toml"), configuration(&simulator, &lake, &hist)).unwrap();
    let output = File::create(&log).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_spreadwire"));
    command.arg("run").arg("--config").arg(path("engine.toml"));
    let command = command.stdout(output.try_clone().unwrap()).stderr(output);
    let mut victim = Running(command.spawn().unwrap());
    simulator.release();
    // The log's head is there, so the engine has started.
    until("the head of the log", || (&pipe).read(&mut [0; 16]).ok());
    fill(&pipe);
    let told = || fs::read_to_string(&log).unwrap();
    let stall = "agent \"telemetry\" on thread \"telemetry\" has made no progress";
    until("the watchdog", || told().contains(stall).then_some(()));
    let is_recorded = || recover::leftovers(&lake).is_ok_and(|left| !left.is_empty());
    until("a segment", || is_recorded().then_some(()));
    // Its mark is locked beside its segment, so nobody recovers it meanwhile.
    let [left] = &recover::leftovers(&lake).unwrap()[..] else { panic!("one run") };
    let mark = lake.join("journal").join(format!("{}{MARK_SUFFIX}", left.run));
    assert!(lock::owner_of(&mark).unwrap().is_some() && left.living(&lake).is_some());

    assert!(victim.has_ended().is_none());
    let ended = until("the end", || {
        victim.signal("INT");
        victim.has_ended()
    });
    assert_eq!(ended.code(), Some(HASTY), "{}", told());
    drop(simulator.stop());

    // What a person does next: the run counts as killed, and what it recorded is sealed.
    let leftovers = recover::leftovers(&lake).unwrap();
    let [left] = &leftovers[..] else { panic!("{} runs", leftovers.len()) };
    let recovered = left.recover(&lake, None, None, |_| {});
    assert!(recovered.failures.is_empty(), "{:?}", recovered.failures);
    let told = told();
    assert!(0 < journalled(&told) && journalled(&told) <= rows(&lake), "{told}");
}
