//! The header of every bench: the software and the machine, needed to interpret any figure. The
//! second line is the doctor's verdict on the machine.
//!
//! The header is printed, and appended to the results if they are requested.

use crate::results;
use serde_json::{Value, json};
use std::fs;
use std::process::Command;

/// Prints the bench's name and the machine, and appends both to the results.
pub fn print(bench: &str) {
    let header = collect(bench);
    let text = |key: &str| header[key].as_str().unwrap_or_default().to_owned();
    println!(
        "# {bench}, {}, RUSTFLAGS {} | {}, {} CPUs | Linux {} | {} | governor {} | load {}",
        text("profile"),
        text("rustflags"),
        text("cpu"),
        header["cpus"],
        text("kernel"),
        text("toolchain"),
        text("governor"),
        text("load"),
    );
    println!("# {}", text("doctor"));
    results::append(&json!({ "header": header }));
}

/// Collects the header as JSON.
pub fn collect(bench: &str) -> Value {
    json!({
        "bench": bench,
        "profile": if cfg!(debug_assertions) { "UNOPTIMISED" } else { "optimised" },
        "cpu": cpu_model(),
        "cpus": std::thread::available_parallelism().map_or(0, usize::from),
        "kernel": line_of("/proc/sys/kernel/osrelease"),
        "toolchain": rustc(),
        "rustflags": option_env!("RUSTFLAGS").filter(|flags| !flags.is_empty()).unwrap_or("none"),
        "governor": line_of("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "isolated": line_of("/sys/devices/system/cpu/isolated"),
        "load": load(),
        "doctor": doctor::verdict().to_string(),
        "commit": commit(),
        "arguments": std::env::args().skip(1).collect::<Vec<_>>().join(" "),
    })
}

fn line_of(path: &str) -> String {
    fs::read_to_string(path).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

/// Returns the load average over 1, 5 and 15 minutes.
fn load() -> String {
    line_of("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn cpu_model() -> String {
    let model = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    model(&line_of("/proc/cpuinfo")).unwrap_or_else(|| "unknown CPU".to_owned())
}

/// Returns the version of the toolchain that the folder pins, which built this bench.
fn rustc() -> String {
    said("rustc", &["--version"]).unwrap_or_else(|| "rustc unknown".to_owned())
}

/// Returns the checked-out commit, with the suffix `-dirty` if files differ.
fn commit() -> String {
    let arguments = ["describe", "--always", "--dirty", "--exclude=*"];
    said("git", &arguments).unwrap_or_else(|| "unknown".to_owned())
}

fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
