//! What is printed of a simulator: a line a second while it runs, and a summary at its end.

use exchange_sim::{Outcome, Stats};

/// Prints one line about the time since `before`.
pub(crate) fn print_status(stats: &Stats, before: &Stats) {
    let state = if stats.finished {
        "ended  "
    } else if stats.playing {
        "playing"
    } else {
        "waiting"
    };
    let connections: u64 = stats.venues.iter().map(|venue| venue.connections).sum();
    let faults: u64 = stats.venues.iter().map(|venue| venue.faults).sum();
    println!(
        "{state}  {:>7} quotes/s sent  {:>9} in all  {connections} connections  {} subscriptions  \
         {faults} faults",
        stats.quotes().saturating_sub(before.quotes()),
        stats.quotes(),
        stats.subscriptions()
    );
}

/// Prints what each venue did.
pub(crate) fn summarise(outcome: &Outcome) {
    let stats = &outcome.stats;
    println!(
        "{} items were produced; the latest {} us late",
        stats.produced,
        stats.late_ns_max / 1000
    );
    if 0 < stats.lost + stats.binary {
        println!(
            "the recording lacks {} frames; {} binary ones were not sent",
            stats.lost, stats.binary
        );
    }
    for venue in &stats.venues {
        println!(
            "{:<13}{} connections, {} quotes sent, {} unheard, {} withheld, {} snapshots, \
             {} repeats, {} heartbeats, {} faults, {} errors, {} stuck, {} expelled",
            venue.name,
            venue.opened,
            venue.quotes,
            venue.unheard,
            venue.withheld,
            venue.snapshots,
            venue.repeats,
            venue.heartbeats + venue.pings,
            venue.faults,
            venue.errors,
            venue.stuck,
            venue.expelled
        );
    }
    if let Some(problem) = &stats.problem {
        println!("the source ended early: {problem}");
    }
}
