//! The printed report of a simulator: status lines while it runs, and a summary at its end.

use exchange_sim::{Outcome, Stats};
use spreadwire_output::out;

/// Prints one status line. Its rate is that of the quotes sent since `before`.
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
    out!(
        "{state}  {:>7} quotes/s  {:>9} quotes sent  {connections} connections  \
         {} subscriptions  {faults} faults",
        stats.quotes().saturating_sub(before.quotes()),
        stats.quotes(),
        stats.subscriptions()
    );
}

/// Prints the totals, and a line for each venue.
pub(crate) fn summarise(outcome: &Outcome) {
    let stats = &outcome.stats;
    out!(
        "{} items of the source were played; the latest was {} us late",
        stats.produced,
        stats.late_ns_max / 1000
    );
    if 0 < stats.lost + stats.binary {
        out!(
            "the recording says that {} frames are missing; {} binary frames were not sent",
            stats.lost,
            stats.binary
        );
    }
    for venue in &stats.venues {
        out!(
            "{:<15}{} connections, {} lists, {} quotes sent, {} unheard, {} withheld, {} snapshots, \
             {} repeats, {} heartbeats, {} faults, {} errors, {} stuck, {} expelled, {} orders, {} fills",
            venue.name,
            venue.opened,
            venue.lists,
            venue.quotes,
            venue.unheard,
            venue.withheld,
            venue.snapshots,
            venue.repeats,
            venue.heartbeats + venue.pings,
            venue.faults,
            venue.errors,
            venue.stuck,
            venue.expelled,
            venue.orders,
            venue.fills
        );
    }
    if let Some(problem) = &stats.problem {
        out!("the source stopped early: {problem}");
    }
}
