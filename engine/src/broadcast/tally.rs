//! The counters of the broadcast.

use super::departure::Departure;
use spreadwire_market::counters::{Counter, Counters};

/// A counter for each thing that happens.
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
    pub(super) requests: Counter,
    pub(super) errors: Counter,
    pub(super) unknown: Counter,
    pub(super) accept_failures: Counter,
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
            requests: counter("requests"),
            errors: counter("errors"),
            unknown: counter("unknown"),
            accept_failures: counter("accept_failures"),
            disconnected: Departure::ALL.map(|d| counter(&format!("disconnected.{}", d.name()))),
        }
    }

    /// Counts the end of a connection.
    pub(super) fn disconnected(&self, departure: Departure) {
        self.disconnected[departure as usize].add(1);
    }
}
