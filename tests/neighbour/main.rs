//! Hostile neighbours: whole engines beside clients and venues that do what they should not.
//!
//! A fixed number of quotes of good venues plays while every attack of `attacks.rs` goes on, and
//! while other venues (`bad_venue.rs`) flood the feed that reads the good ones. What the simulator
//! wrote, what two good clients heard, and what the lake contains must then be the same as without
//! any attack. Nothing may be dropped, and every connection must be counted under exactly one
//! reason. `process.rs` does the same to the binary itself, with few file descriptors and with the
//! memory that `check` prints.
//!
//! Attacks go on until the test tells them to stop, and the test ends by counts, not by time.
//! `SPREADWIRE_NEIGHBOUR=20` plays twenty times as many quotes:
//!
//! ```sh
//! SPREADWIRE_NEIGHBOUR=20 cargo test --release -p spreadwire --test neighbour -- --nocapture
//! ```

#![allow(clippy::print_stdout, reason = "a test tells what it did")]
#![allow(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

mod attacker;
mod attacks;
mod bad_venue;
mod beside;
mod process;
mod quoting_venue;

/// Returns this many quotes, or as many times as the environment says.
fn times(quotes: u64) -> u64 {
    let times = std::env::var("SPREADWIRE_NEIGHBOUR").ok();
    times.map_or(quotes, |times| quotes * times.parse::<u64>().unwrap())
}
