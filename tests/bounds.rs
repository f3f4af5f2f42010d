//! What the plan says that the engine needs at most: file descriptors and memory. A running engine is
//! held to it, and a configuration that does not fit is refused with the figure that would.

#![allow(clippy::unwrap_used, reason = "a test that cannot prepare its files has failed")]

use exchange_sim::Simulator;
use serde_json::Value;
use spreadwire_engine::plan::{Host, Plan, total};
use spreadwire_rigs::running::{self, Running, until};
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// Clients of the small configuration.
const CLIENTS: usize = 8;
/// Records of its journal's ring, which alone take 256 MiB.
const RING: usize = 1 << 22;

/// A configuration for what a simulator plays, in a folder.
struct Scene {
    _home: TempDir,
    folder: PathBuf,
    config: PathBuf,
    simulator: Simulator,
}

impl Scene {
    fn new() -> Scene {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().to_owned();
        let simulator = running::simulator(5_000.0);
        let config = folder.join("engine.toml");
        fs::write(&config, configuration(&simulator, &folder.join("lake"))).unwrap();
        Scene { _home: home, folder, config, simulator }
    }

    fn plan(&self, descriptors: u64) -> Result<Plan, Vec<String>> {
        let host = Host { cpus: vec![0, 1], descriptors, now: 0 };
        let plan = Plan::read(&self.config, &host);
        plan.map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    /// The engine's command, with at most so many descriptors.
    fn command(&self, descriptors: usize, words: &str) -> Command {
        let (engine, config) = (env!("CARGO_BIN_EXE_spreadwire"), self.config.display());
        let mut command = Command::new("sh");
        let line = format!("ulimit -n {descriptors} && exec {engine} {words} --config {config}");
        command.arg("-c").arg(line);
        command
    }

    /// Starts the engine and the market.
    fn start(&self, descriptors: usize, words: &str, log: &Path) -> Running {
        let log = fs::File::create(log).unwrap();
        let mut command = self.command(descriptors, words);
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        self.simulator.release();
        Running(child)
    }

    /// What `check --json` says.
    fn checked(&self) -> Value {
        let output = self.command(4_096, "check --json").output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// Waits until an engine has told its status a few times more.
fn run_on(log: &Path) {
    let told = || fs::read_to_string(log).unwrap().matches(" journalled").count();
    let before = told();
    until("some seconds of recording", || (before + 3 < told()).then_some(()));
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn configuration(simulator: &Simulator, lake: &Path) -> String {
    format!(
        "{}clients_max = {CLIENTS}\nclient_buffer_bytes = 65536\n\
         [rings]\njournal = {RING}\n\
         [journal]\nlake = {lake:?}\nsegment_records = 1000\nsegment_seconds = 1\ndisk_reserve_mb = 0\n",
        running::configuration(simulator),
    )
}

#[test]
fn a_configuration_that_needs_more_descriptors_than_there_are_is_refused_with_what_would_fit() {
    let scene = Scene::new();
    let need = total(&scene.plan(u64::MAX).unwrap().descriptors());
    assert!(scene.plan(need as u64).is_ok());
    let told = |room: usize| scene.plan(room as u64).unwrap_err();
    let reason = |room: usize| {
        format!(
            "broadcast.clients_max: with {CLIENTS} clients the engine can need {need} file descriptors, \
             and the limit is {room}; raise LimitNOFILE in the systemd unit (`ulimit -Hn` in a shell) \
             to {need}"
        )
    };
    let fewer = format!("{}, or set broadcast.clients_max = {}", reason(need - 1), CLIENTS - 1);
    assert!(told(need - 1)[0].ends_with(&fewer), "{:?}", told(need - 1));
    // Not even without clients.
    let room = need - CLIENTS;
    assert!(told(room)[0].ends_with(&reason(room)), "{:?}", told(room));
    assert_eq!(told(room).len(), 1);
    // The binary says the same, and starts nothing.
    for command in ["check", "run"] {
        let output = scene.command(need - 1, command).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(errors(&output).contains(&fewer), "{}", errors(&output));
    }
    assert!(!scene.folder.join("lake").exists());
}

#[test]
fn connections_that_never_speak_leave_the_recorder_its_descriptors() {
    let scene = Scene::new();
    let need = total(&scene.plan(u64::MAX).unwrap().descriptors());
    let summary = scene.folder.join("summary.json");
    let log = scene.folder.join("log");
    let words = format!("run --summary {}", summary.display());
    let mut engine = scene.start(need, &words, &log);
    let address = until("the address", || {
        let text = fs::read_to_string(&log).unwrap();
        let (_, rest) = text.split_once("ws://")?;
        Some(rest.split_once(';')?.0.to_owned())
    });
    // More than all descriptors that the engine may have.
    let mut held = Vec::new();
    for _ in 0..need {
        held.extend(TcpStream::connect(&address));
    }
    run_on(&log);
    engine.signal("TERM");
    assert!(engine.0.wait().unwrap().success(), "{}", fs::read_to_string(&log).unwrap());
    drop(held);
    let summary: Value = serde_json::from_slice(&fs::read(&summary).unwrap()).unwrap();
    assert_eq!(summary["complete"], true, "{summary}");
    let segments = summary["counters"]["journal.segments"].as_u64().unwrap();
    assert!(2 < segments, "{segments} segments were begun meanwhile");
}

#[test]
fn a_running_engine_stays_below_the_memory_that_check_prints() {
    let scene = Scene::new();
    let told = scene.checked();
    let parts = told["memory_bytes"].as_object().unwrap();
    let bytes = |part: &str| parts[part].as_u64().unwrap();
    let others: u64 = parts.keys().filter(|part| *part != "all").map(|part| bytes(part)).sum();
    assert_eq!(bytes("all"), others);
    let text = scene.command(4_096, "check").output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    for part in parts.keys() {
        let row = format!("{part:<15} {:>8} MiB", bytes(part).div_ceil(1 << 20));
        assert!(text.contains(&row), "{row} in {text}");
    }

    let log = scene.folder.join("log");
    let mut engine = scene.start(4_096, "run", &log);
    run_on(&log);
    let peak = engine.memory("VmHWM:");
    engine.signal("TERM");
    assert!(engine.0.wait().unwrap().success(), "{}", fs::read_to_string(&log).unwrap());
    let ring = 64 * RING as u64;
    assert!(ring < peak && peak <= bytes("all"), "{peak} bytes of {}", bytes("all"));
    assert!(ring <= bytes("rings"), "{told}");
}
