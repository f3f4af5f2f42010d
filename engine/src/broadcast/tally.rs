//! The counters of the broadcast and of the reception.

use super::departure::{Departure, Dismissal};
use spreadwire_market::counters::{Counter, Counters};

/// A counter for each thing that the broadcast does.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) clients: Counter,
    pub(super) connections: Counter,
    pub(super) messages: Counter,
    pub(super) spreads: Counter,
    pub(super) ended: Counter,
    pub(super) statuses: Counter,
    pub(super) gaps: Counter,
    pub(super) recordings: Counter,
    pub(super) conflated: Counter,
    pub(super) congestions: Counter,
    pub(super) unknown: Counter,
    disconnected: [Counter; Departure::ALL.len()],
}

impl Tally {
    /// Finds the counters, all of which begin with `broadcast.`.
    pub(super) fn new(counters: &Counters) -> Tally {
        let counter = |name: &str| counters.register(&format!("broadcast.{name}"));
        Tally {
            clients: counter("clients"),
            connections: counter("connections"),
            messages: counter("messages"),
            spreads: counter("spreads"),
            ended: counter("ended"),
            statuses: counter("statuses"),
            gaps: counter("gaps"),
            recordings: counter("recordings"),
            conflated: counter("conflated"),
            congestions: counter("congestions"),
            unknown: counter("unknown"),
            disconnected: Departure::ALL.map(|d| counter(&format!("disconnected.{}", d.name()))),
        }
    }

    /// Counts the end of a connection.
    pub(super) fn disconnected(&self, departure: Departure) {
        self.disconnected[departure as usize].add(1);
    }
}

/// A counter for each thing that the reception does.
#[derive(Debug)]
pub(super) struct ReceptionTally {
    /// Frames of clients.
    pub(super) requests: Counter,
    /// Requests that were answered with an error.
    pub(super) errors: Counter,
    pub(super) accept_failures: Counter,
    /// Those of them for which the process or the host had no file descriptor.
    pub(super) no_descriptor: Counter,
    dismissed: [Counter; Dismissal::ALL.len()],
}

impl ReceptionTally {
    /// Finds the counters, all of which begin with `broadcast.`.
    pub(super) fn new(counters: &Counters) -> ReceptionTally {
        let counter = |name: &str| counters.register(&format!("broadcast.{name}"));
        ReceptionTally {
            requests: counter("requests"),
            errors: counter("errors"),
            accept_failures: counter("accept_failures"),
            no_descriptor: counter("no_descriptor"),
            dismissed: Dismissal::ALL.map(|d| counter(&format!("disconnected.{}", d.name()))),
        }
    }

    /// Counts the end of a connection that never became a client's.
    pub(super) fn dismissed(&self, dismissal: Dismissal) {
        self.dismissed[dismissal as usize].add(1);
    }
}
