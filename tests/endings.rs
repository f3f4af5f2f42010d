//! What may happen around a recording engine: signals of every kind, a terminal that goes away, and readers
//! of its output that leave, stop reading, or have a full disk. It goes on, or ends in order with a lake that
//! is complete.

#![allow(clippy::unwrap_used, reason = "a test that cannot prepare its files has failed")]

use exchange_sim::Simulator;
use parquet::file::reader::{FileReader, SerializedFileReader};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::Value;
use spreadwire_lake::run::Provenance;
use spreadwire_lake::{ledger, provenance};
use spreadwire_rigs::running::{self, Running, until};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const ENGINE: &str = env!("CARGO_BIN_EXE_spreadwire");

/// A market, an engine's configuration and its lake.
struct Scene {
    home: TempDir,
    simulator: Simulator,
}

impl Scene {
    fn new() -> Scene {
        let scene =
            Scene { home: tempfile::tempdir().unwrap(), simulator: running::simulator(500.0) };
        let journal = "[journal]\nlake = \"lake\"\ndisk_reserve_mb = 0\n";
        let text = format!("{}{journal}", running::configuration(&scene.simulator));
        fs::write(scene.path("engine.toml"), text).unwrap();
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Words that run the engine, for a shell.
    fn words(&self) -> String {
        format!("{ENGINE} run --config engine.toml --summary summary.json")
    }

    /// A command of a shell that becomes the engine.
    fn shell(&self, words: &str) -> Command {
        let mut command = Command::new("sh");
        command.current_dir(&self.home).args(["-c", words]).stdin(Stdio::null());
        command.stdout(Stdio::null());
        command
    }

    /// Starts an engine whose log goes to a file, and waits until it records.
    fn start(&self) -> Running {
        let words = format!("exec {} 2> log", self.words());
        let running = Running(self.shell(&words).spawn().unwrap());
        self.wait_for_quotes();
        running
    }

    /// Plays the market, and waits until the engine has written something of it.
    fn wait_for_quotes(&self) {
        self.simulator.release();
        let journal = self.path("lake/journal");
        let is_written = |file: &fs::DirEntry| file.metadata().is_ok_and(|it| 4_096 < it.len());
        let segments = || fs::read_dir(&journal).into_iter().flatten().flatten();
        until("a written segment", || segments().any(|file| is_written(&file)).then_some(()));
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn summary(&self) -> Value {
        serde_json::from_slice(&fs::read(self.path("summary.json")).unwrap()).unwrap()
    }

    /// Waits for an end in order: exit code 0, everything sealed, and a lake that is complete.
    fn ends_in_order(&self, mut running: Running, what: &str) {
        let ended = until("the end", || running.has_ended());
        assert_eq!(ended.code(), Some(0), "{what}: {}", self.log());
        is_complete(&self.path("lake"), what);
        assert_eq!(self.summary()["failures"], Value::Array(Vec::new()), "{what}");
    }
}

fn is_complete(lake: &Path, what: &str) {
    let verdict = lake::verify::verify(lake, None, &lake::progress::bar("", 0, true));
    assert!(verdict.is_complete(), "{what}: {}", verdict.to_text());
    assert!(verdict.to_text().contains("clean"), "{what}: {}", verdict.to_text());
}

#[test]
fn signals_that_ask_for_an_end_have_it_end_in_order() {
    for signal in ["INT", "TERM", "HUP", "QUIT", "XCPU", "PWR"] {
        let scene = Scene::new();
        let running = scene.start();
        running.signal(signal);
        scene.ends_in_order(running, signal);
        let is_told = scene.log().contains(&format!("SIG{signal}: ending in order"));
        assert_eq!(is_told, !matches!(signal, "INT" | "TERM"), "{signal}: {}", scene.log());
    }
}

#[test]
fn other_signals_are_told_and_change_nothing() {
    let scene = Scene::new();
    let mut running = scene.start();
    for (signal, name) in [
        ("USR1", "SIGUSR1"),
        ("USR2", "SIGUSR2"),
        ("ALRM", "SIGALRM"),
        ("VTALRM", "SIGVTALRM"),
        ("PROF", "SIGPROF"),
        ("IO", "SIGIO"),
        ("16", "SIGSTKFLT"),
        ("XFSZ", "SIGXFSZ"),
        ("34", "signal 34"),
        ("64", "signal 64"),
    ] {
        running.signal(signal);
        let told = format!("{name} means nothing here; recording goes on");
        until(&told, || scene.log().contains(&told).then_some(()));
        assert!(running.has_ended().is_none(), "{signal}: {}", scene.log());
    }
    running.signal("PIPE");
    running.signal("TERM");
    scene.ends_in_order(running, "other signals");
}

#[test]
fn an_engine_whose_terminal_goes_away_ends_in_order() {
    let scene = Scene::new();
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let terminal = OpenOptions::new().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let same = || Stdio::from(terminal.try_clone().unwrap());
    let words = format!("exec setsid --ctty {}", scene.words());
    let mut command = scene.shell(&words);
    let child = command.stdin(same()).stdout(same()).stderr(same()).spawn().unwrap();
    drop((command, terminal));
    scene.wait_for_quotes();
    drop(master);
    scene.ends_in_order(Running(child), "the terminal has gone");
}

#[test]
fn an_engine_that_was_started_with_nohup_outlives_a_hang_up() {
    let scene = Scene::new();
    let words = format!("trap '' HUP; exec {} 2> log", scene.words());
    let mut running = Running(scene.shell(&words).spawn().unwrap());
    scene.wait_for_quotes();
    running.signal("HUP");
    until("the line", || scene.log().contains("SIGHUP means nothing here").then_some(()));
    assert!(running.has_ended().is_none());
    running.signal("TERM");
    scene.ends_in_order(running, "nohup");
}

/// Runs an engine with this as its standard error for some status lines, and ends it.
fn with_log(stderr: Stdio, what: &str) -> Value {
    let scene = Scene::new();
    let mut command = scene.shell(&format!("exec {}", scene.words()));
    let running = Running(command.stderr(stderr).spawn().unwrap());
    drop(command);
    scene.wait_for_quotes();
    running.signal("USR1");
    running.signal("TERM");
    scene.ends_in_order(running, what);
    scene.summary()
}

#[test]
fn a_log_that_cannot_be_written_is_counted_and_ends_nothing() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (reader, left) = io::pipe().unwrap();
    drop(reader);
    for (stderr, what) in [(full.into(), "a full disk"), (left.into(), "the reader has left")] {
        let summary = with_log(stderr, what);
        let unwritten = summary["totals"]["output_unwritten"].as_u64().unwrap();
        assert!(3 <= unwritten, "{what}: {unwritten}");
        assert_eq!(summary["counters"]["output.unwritten"], unwritten, "{what}");
    }
}

/// Whether a pipe takes another page.
fn is_ready(pipe: &io::PipeWriter) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::new(pipe, PollFlags::OUT)], Some(&now)).unwrap() == 1
}

#[test]
fn a_log_that_nobody_reads_holds_nobody_up() {
    let (reader, mut log) = io::pipe().unwrap();
    while is_ready(&log) {
        log.write_all(&[b'#'; 4_096]).unwrap();
    }
    let summary = with_log(log.into(), "nobody reads");
    assert!(3 <= summary["totals"]["output_unwritten"].as_u64().unwrap());
    drop(reader);
}

fn tool(arguments: &[&str], stdout: Stdio) -> Output {
    Command::new(ENGINE).args(arguments).stdout(stdout).stderr(Stdio::piped()).output().unwrap()
}

#[test]
fn a_result_that_cannot_be_written_is_a_failure_and_a_reader_that_leaves_is_none() {
    let errors = |output: &Output| String::from_utf8(output.stderr.clone()).unwrap();
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = tool(&["venues"], full().into());
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(errors(&output), "standard output is not complete: it could not be written\n");
    let (reader, left) = io::pipe().unwrap();
    drop(reader);
    let output = tool(&["venues"], left.into());
    assert_eq!((output.status.code(), errors(&output).as_str()), (Some(0), ""));
    let output = tool(&["check", "--config", "no such file"], full().into());
    assert_eq!(output.status.code(), Some(2), "the exit code of a problem stays");
}

#[test]
fn a_demo_whose_reader_leaves_ends_in_order() {
    let home = tempfile::tempdir().unwrap();
    let lake = home.path().join("lake");
    let mut command = Command::new(ENGINE);
    command.args(["demo", "--listen", "127.0.0.1:0", "--lake"]).arg(&lake);
    let log = home.path().join("log");
    command.stdout(Stdio::piped()).stderr(File::create(&log).unwrap());
    let mut running = Running(command.spawn().unwrap());
    // As `head -2` does.
    let mut reader = BufReader::new(running.0.stdout.take().unwrap());
    let mut told = String::new();
    for _ in 0..2 {
        reader.read_line(&mut told).unwrap();
    }
    drop(reader);
    let ended = until("the end", || running.has_ended());
    let mut errors = String::new();
    File::open(log).unwrap().read_to_string(&mut errors).unwrap();
    assert_eq!(ended.code(), Some(0), "{told}{errors}");
    assert!(!errors.contains("panicked"), "{errors}");
    is_complete(&lake, "demo | head -2");
    let runs = provenance::of_runs(&ledger::read(&lake).0);
    assert_eq!(runs.into_values().collect::<Vec<_>>(), [Provenance::Simulated]);
    let mut files = Vec::new();
    quote_files(&lake, &mut files);
    assert!(!files.is_empty());
    for file in files {
        assert_eq!(
            footer(&file, "spreadwire.provenance").as_deref(),
            Some("simulated"),
            "{file:?}"
        );
    }
}

/// Finds the files of quotes below a folder.
fn quote_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            quote_files(&path, found);
        } else if path.to_string_lossy().contains("/exchange=") {
            found.push(path);
        }
    }
}

/// Returns what the footer of a file says under a key.
fn footer(file: &Path, key: &str) -> Option<String> {
    let reader = SerializedFileReader::new(File::open(file).unwrap()).unwrap();
    let pairs = reader.metadata().file_metadata().key_value_metadata().cloned().unwrap_or_default();
    pairs.into_iter().find(|pair| pair.key == key).and_then(|pair| pair.value)
}
