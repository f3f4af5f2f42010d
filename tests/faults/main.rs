//! Lets every file call of a small run fail, one at a time: nothing that was acknowledged may be lost,
//! and after a recovery the lake is complete or says what is missing. Also checks the order of the
//! calls of a run in which none fails.
//!
//! The run is this binary again, as a child under strace (`life`), which makes the n-th call of a kind
//! fail. The calls are counted in a run without faults, and only those that concern the lake are chosen;
//! of calls in a row about one file, the first and the last.
//! A fault is named as `fsync:7`, and can be repeated alone:
//!
//! ```text
//! FAULT=fsync:7 cargo test -p lake --test faults failing -- --nocapture
//! ```

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stdout, reason = "a test says what to repeat, and the child what it did")]

mod calls;
mod life;
mod order;
mod outcome;

use calls::{Call, LAKE, traced};
use spreadwire_kit::needs::{Need, tests};
use std::path::Path;

/// Number of runs at the same time.
const RUNS_AT_ONCE: usize = 4;

/// Calls that can fail, each with the error that it fails with.
const FAULTS: [(&str, &str); 15] = [
    ("openat", "EACCES"),
    ("read", "EIO"),
    ("write", "EIO"),
    ("write", "ENOSPC"),
    ("fsync", "EIO"),
    ("fdatasync", "EIO"),
    ("rename", "EIO"),
    ("rename", "EACCES"),
    ("unlink", "EIO"),
    ("mkdir", "EACCES"),
    ("ftruncate", "EIO"),
    ("fallocate", "ENOSPC"),
    ("statx", "EIO"),
    ("getdents64", "EIO"),
    ("flock", "EINTR"),
];

fn main() -> std::process::ExitCode {
    if let Some(lake) = std::env::var_os(calls::CHILD) {
        return life::live(Path::new(&lake));
    }
    let strace = Need::Command("strace");
    spreadwire_kit::needs::run(tests![
        a_failing_call_costs_nothing_that_was_acknowledged: [strace.clone()],
        the_calls_of_a_run_are_in_an_order_that_a_power_cut_cannot_harm: [strace],
    ])
}

fn a_failing_call_costs_nothing_that_was_acknowledged() {
    let asked = std::env::var("FAULT").ok();
    let home = tempfile::tempdir().unwrap();
    let calls = traced(&home.path().join(LAKE), None).1;
    let mut faults = Vec::new();
    for (name, error) in FAULTS {
        let of_kind: Vec<&Call> = calls.iter().filter(|call| call.name == name).collect();
        for (count, call) in (1..).zip(&of_kind) {
            let fault = format!("{name}:{count}");
            let is_left_out = asked.as_ref().is_some_and(|asked| *asked != fault);
            if !call.is_of_lake() || is_left_out || is_within_a_row(&of_kind, count - 1) {
                continue;
            }
            faults.push((fault, format!("{name}:error={error}:when={count}"), &call.text));
        }
    }
    // Most of a run is waiting: for strace, and for the disk.
    std::thread::scope(|scope| {
        for first in 0..RUNS_AT_ONCE {
            let mine = faults.iter().skip(first).step_by(RUNS_AT_ONCE);
            scope.spawn(|| {
                mine.for_each(|(fault, injection, text)| {
                    println!("FAULT={fault} {injection}: {text}");
                    let home = tempfile::tempdir().unwrap();
                    let lake = home.path().join(LAKE);
                    let (said, _) = traced(&lake, Some(injection));
                    outcome::check(&lake, &said, fault);
                })
            });
        }
    });
    assert!(asked.is_some() || 100 < faults.len(), "only {} calls failed", faults.len());
}

/// Whether the calls before and after are about the same file. Of such a row, which is the reading or
/// writing of one file, only the first and the last call fail.
fn is_within_a_row(calls: &[&Call], at: usize) -> bool {
    let subject = |at: usize| calls.get(at).and_then(|call| call.subject());
    0 < at && subject(at - 1) == subject(at) && subject(at + 1) == subject(at)
}

fn the_calls_of_a_run_are_in_an_order_that_a_power_cut_cannot_harm() {
    let home = tempfile::tempdir().unwrap();
    let lake = home.path().join(LAKE);
    let (said, calls) = traced(&lake, None);
    outcome::check(&lake, &said, "no fault");
    order::check(&lake, &calls.iter().filter(|call| call.is_of_lake()).collect::<Vec<&Call>>());
}
