//! Kills an engine again and again: everything it had written must be in the lake, once and
//! unchanged.
//!
//! A simulator plays endlessly in this process. `spreadwire run` records it and is killed (SIGKILL).
//! After each kill, a reader that shares no code with the engine notes every complete block of the
//! journal. A last run ends in order. Then the lake must contain every noted record, and verify.
//!
//! `delays` kills after random times. `moments` kills before the system call that it chooses, for
//! which it needs strace: each moment has a name and can be repeated.
//!
//! ```text
//! cargo test -p spreadwire --test crash -- --nocapture                            both
//! SPREADWIRE_CRASHES=1000 cargo test -p spreadwire --test crash delays -- --nocapture  the long run
//! SEED=7 cargo test -p spreadwire --test crash delays -- --nocapture              the same delays
//! MOMENT=recovery/fsync:3 cargo test -p spreadwire --test crash moments -- --nocapture  one moment
//! ```
//!
//! It is a test of the binary's package, because only there cargo gives a test the path of the
//! binary. The lake tool is used as a library.

#![allow(clippy::print_stdout, reason = "a test tells what it did")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod delays;
mod lake_rows;
mod moments;
mod noted;
mod segments;
mod strace;
mod victim;

use spreadwire_kit::needs::{Need, tests};

fn main() -> std::process::ExitCode {
    let strace = Need::Command("strace");
    spreadwire_kit::needs::run(tests![
        segments::the_checksum_is_the_one_that_the_world_calls_crc32c: [],
        delays::what_was_written_before_a_kill_is_in_the_lake_once: [],
        moments::of_the_begin_and_the_end: [strace.clone()],
        moments::of_a_segment: [strace.clone()],
        moments::of_sealing: [strace.clone()],
        moments::of_recovery: [strace],
    ])
}
