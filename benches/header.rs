//! The first lines of every bench: what ran where, without which no figure means anything. The second is
//! the doctor's verdict on the machine.
//!
//! It must not know what is measured.

use std::fs;
use std::process::Command;

/// Prints the bench's name and the machine.
pub(crate) fn print(bench: &str) {
    let profile = if cfg!(debug_assertions) { "UNOPTIMISED" } else { "optimised" };
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    println!(
        "# {bench}, {profile}, RUSTFLAGS {} | {}, {cpus} CPUs | Linux {} | {} | governor {} | load {}",
        option_env!("RUSTFLAGS").filter(|flags| !flags.is_empty()).unwrap_or("none"),
        cpu_model(),
        line_of("/proc/sys/kernel/osrelease"),
        rustc(),
        line_of("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        load(),
    );
    println!("# {}", doctor::verdict());
}

fn line_of(path: &str) -> String {
    fs::read_to_string(path).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

/// Over 1, 5 and 15 minutes.
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

/// Of the toolchain that the folder pins, which is the one that built this.
fn rustc() -> String {
    let output = Command::new("rustc").arg("--version").output();
    output.map_or_else(
        |_| "rustc unknown".to_owned(),
        |said| String::from_utf8_lossy(&said.stdout).trim().to_owned(),
    )
}
