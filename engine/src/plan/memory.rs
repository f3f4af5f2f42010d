//! The most memory that the engine can need, by part.
//!
//! Each part is what the plan allows it at its worst: every client reads nothing, every venue sends the
//! longest message, a whole segment is sealed. Parts without a bound of their own are estimated per
//! listing and thread, rounded up. A test holds a running engine to the sum (`tests/bounds.rs`).

use super::Plan;
use crate::broadcast::{self, tls};
use crate::runtime::latency::LATENCY_MAX;
use crate::runtime::stopwatch::{DIGITS, SETS};
use crate::socket::connector::{self, MESSAGE_MAX};
use crate::socket::lookup;
use hdrhistogram::Histogram;
use spreadwire_lake::seal::EDGE_ROWS_MAX;
use spreadwire_market::instrument::InstrumentId;
use spreadwire_market::record::Record;
use spreadwire_venues::health::LINES_MAX;
use std::sync::Arc;

/// Code, libraries, the allocator's own, certificates, and what else does not depend on the plan.
const PROGRAM: usize = 96 << 20;
/// Stack that a thread can touch, bytes: the standard library's default.
const STACK: usize = 2 << 20;
/// Threads beside those of the plan: the cold agents, connectors, the syncer, the sealer, the guards.
const COLD_THREADS: usize = 16;
/// Records of small edges: opportunities, the chronicle, states.
const SMALL_EDGES: usize = 1 << 14;
/// Bytes of each listing: its legs, states, subscription and counters.
const LISTING: usize = 8 << 10;
/// Bytes of each ordered pair: its decision, its last spread and its keys in the broadcast.
const PAIR: usize = 2 << 10;
/// Buffers of a TLS session, and what waits for a blocked socket.
const TLS: usize = 64 << 10;
const OUTGOING: usize = 2 << 20;
/// Stages of each feed, and those behind the calculator.
const FEED_STAGES: usize = 3;
const STAGES: usize = 4;
/// Sums of the telemetry for each stage and venue, with those that the summary makes.
const SUMS: usize = 5;
/// Blocks of the journal in memory, and the contents of segments that wait for the syncer.
const BLOCKS: usize = 4;
const WAITING_SEGMENTS: usize = 2 << 20;
/// Bytes of a record while its segment is sealed: read, numbered, sorted, encoded and read back.
const SEALED_RECORD: usize = 320;
/// Bytes of a row of a file that others join.
const JOINED_ROW: usize = 256;
/// Lines of a capture that wait, and the compressor.
const CAPTURE_STREAM: usize = 1 << 20;

/// Returns the size of the log that all clients share.
fn log(settings: &broadcast::Settings) -> usize {
    4 * (2 * settings.client_buffer_bytes.max(1 << 20)).next_power_of_two()
}

impl Plan {
    /// Returns the parts of the engine, each with the most memory that it can need, bytes.
    #[must_use]
    pub fn memory(&self) -> Vec<(&'static str, usize)> {
        let listings = self.catalogue.listings.len();
        let slots = self.connections() * LINES_MAX;
        let captured = self
            .capture
            .as_ref()
            .map_or(0, |c| self.feeds.len() * c.ring_bytes + slots * CAPTURE_STREAM);
        let settings = &self.broadcast;
        let sealed = usize::try_from(self.journal.segment_rows).unwrap_or(usize::MAX);
        let joined = usize::try_from(EDGE_ROWS_MAX).unwrap_or(usize::MAX);
        let message_max = 2 * MESSAGE_MAX;
        let over_tls = self.tls.as_ref().map_or(0, |_| tls::bytes_max(settings.connections_max()));
        let client = broadcast::client_bytes_max(settings, &Arc::new(self.catalogue.clone()));
        vec![
            ("program", PROGRAM),
            ("threads", (self.threads.len() + COLD_THREADS) * STACK),
            ("rings", self.ring_records() * size_of::<Record>()),
            ("books", listings * LISTING + self.pairs() * PAIR),
            ("latencies", self.latencies()),
            ("connecting", slots * connector::STACK + lookup::ABANDONED_MAX * lookup::STACK),
            ("receiving", slots * (self.sockets.receive_buffer_bytes + TLS + OUTGOING)),
            ("long messages", slots * message_max),
            ("capture", captured),
            (
                "journal",
                BLOCKS * self.journal.block_records_max * size_of::<Record>() + WAITING_SEGMENTS,
            ),
            ("sealing", sealed.saturating_mul(SEALED_RECORD).saturating_add(joined * JOINED_ROW)),
            ("broadcast", log(settings)),
            ("clients", settings.connections_max().saturating_mul(client).saturating_add(over_tls)),
        ]
    }

    /// Returns the number of connections of all venues.
    fn connections(&self) -> usize {
        let all = self.catalogue.venues.iter().filter_map(|v| self.catalogue.venue_named(&v.name));
        all.map(|venue| self.connections_of(venue)).sum()
    }

    fn ring_records(&self) -> usize {
        let rings = &self.rings;
        let spreads = if self.spreads_min_net.is_some() { rings.journal } else { 0 };
        let feeds = self.feeds.len() * rings.feed;
        feeds + rings.broadcast + rings.decision + rings.journal + spreads + SMALL_EDGES
    }

    /// Returns the number of ordered pairs of venues, over all instruments.
    pub(super) fn pairs(&self) -> usize {
        let venues = |id: u32| self.catalogue.venues_of(InstrumentId(id)).len();
        let all = u32::try_from(self.catalogue.instruments.len()).unwrap_or(u32::MAX);
        (0..all).map(venues).map(|venues| venues * venues.saturating_sub(1)).sum()
    }

    /// Returns the memory of all histograms: those of the stopwatches, and the sums of the telemetry.
    fn latencies(&self) -> usize {
        let venues = self.venues.len();
        let cells = venues * (FEED_STAGES + STAGES);
        let hot = SETS * size_of::<u32>() * buckets(DIGITS);
        let sums = SUMS * size_of::<u64>() * buckets(3);
        cells * (hot + sums)
    }
}

/// Returns the number of counts of a histogram of latencies.
fn buckets(digits: u8) -> usize {
    Histogram::<u32>::new_with_bounds(1, LATENCY_MAX, digits).map_or(0, |h| h.distinct_values())
}
