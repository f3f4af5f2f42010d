//! The most file descriptors that the engine can need, by part.
//!
//! A part that is bounded by the code has its bound here, rounded up. The plan refuses a configuration
//! whose sum exceeds the limit. Nobody can then take the descriptors of anybody else: the broadcast
//! holds no more connections than its part, so the recorder and the connectors always have theirs.

use super::{Plan, total};
use crate::feed::DIRECT_MAX;
use crate::runtime::descriptors::REMEDY;
use crate::socket::{connector, lookup};
use spreadwire_market::problem::Faults;
use spreadwire_venues::health::LINES_MAX;

/// Standard streams, locks, threads' pipes, `/proc`, libraries: what does not depend on the plan.
const PROCESS: usize = 32;
/// The journal's open segment, finished ones that wait for the syncer, and folders that are synced.
const JOURNAL: usize = 160;
/// A segment that is read, and the Parquet files that it is merged with and written to.
const SEALING: usize = 16;
/// The chronicle, the telemetry's log, and the ledger.
const LOGS: usize = 16;
/// The broadcast's listener, its polls and its audit log.
const LISTENING: usize = 8;
/// Descriptors of one lookup of a name: files, and sockets to resolvers.
const LOOKUP: usize = 4;

impl Plan {
    /// Returns the parts of the engine, each with the most descriptors that it can need.
    #[must_use]
    pub fn descriptors(&self) -> Vec<(&'static str, usize)> {
        let (mut attempts, mut sockets, mut captured, mut polls) = (0, 0, 0, 0);
        for feed in &self.feeds {
            let mut lines = 0;
            for name in &feed.venues {
                let Some(venue) = self.catalogue.venue_named(name) else { continue };
                let planned = &self.venues[venue.index()];
                let connections = self.connections_of(venue);
                lines += connections * planned.lines;
                // One more line while another is replaced.
                attempts += connections * (planned.lines + 1);
                sockets += connections * LINES_MAX;
                let is_captured = self.capture.as_ref().is_some_and(|c| c.venues.contains(&venue));
                captured += if is_captured { connections * LINES_MAX } else { 0 };
            }
            polls += if DIRECT_MAX < lines { 2 } else { 0 };
        }
        let clients = self.broadcast.descriptors_max(self.tls.is_some());
        vec![
            ("process", PROCESS),
            ("feeds", sockets + polls),
            ("connecting", attempts * connector::DESCRIPTORS_MAX),
            ("lookups", lookup::ABANDONED_MAX * LOOKUP),
            ("journal", JOURNAL),
            ("sealing", SEALING),
            ("logs", LOGS),
            ("capture", captured),
            ("broadcast", clients.saturating_add(LISTENING)),
        ]
    }
}

/// Proves that the engine's descriptors fit the limit.
pub(super) fn prove(plan: &Plan, limit: u64, faults: &mut Faults) {
    let need = total(&plan.descriptors());
    let room = usize::try_from(limit).unwrap_or(usize::MAX);
    if need <= room {
        return;
    }
    let reason = format!(
        "with {} clients the engine can need {need} file descriptors, and the limit is {limit}",
        plan.broadcast.max_clients
    );
    let fewer = plan.broadcast.max_clients.checked_sub(need - room).filter(|clients| 0 < *clients);
    let raise = format!("{REMEDY} to {need}");
    let remedy = match fewer {
        Some(clients) => format!("{raise}, or set broadcast.clients_max = {clients}"),
        None => raise,
    };
    faults.add("broadcast.clients_max", reason, remedy);
}
