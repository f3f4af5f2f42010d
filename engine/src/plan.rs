//! The configuration proved consistent: what `launch` builds from, and nothing else does.
//!
//! [`Plan::new`] is the only validation. It takes what the host offers as an argument and reports
//! every problem at once. What comes out is built: addresses are parsed, certificates read, times in
//! ns, venues named by their ids, and each agent's settings are those that the agent takes.

use crate::runtime::agent::IdleStrategy;
use crate::runtime::runner::ThreadPlan;
use crate::socket::connector;
use crate::socket::socket_options::{RECEIVE_BUFFER_MIN, SocketOptions};
use crate::{broadcast, journal};
use rustls::ClientConfig;
use spreadwire_catalogue as catalogue;
use spreadwire_config::address::Address;
use spreadwire_config::config::{self, Config};
use spreadwire_market::clock::{MILLI, Nanos};
use spreadwire_market::decision;
use spreadwire_market::instrument::{Catalogue, Instrument, VenueId};
use spreadwire_market::problem::{Faults, Problem};
use spreadwire_market::recommendations::{self, Recommendations};
use spreadwire_market::spread::BPS;
use spreadwire_venues::venue::VenueSpec;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

mod describe;
mod settings;
mod threads;
pub use threads::FeedPlan;

/// What the machine offers.
#[derive(Clone, Debug)]
pub struct Host {
    /// CPUs that this process may run on.
    pub cpus: Vec<usize>,
    /// The time, ns since 1970 UTC: what has expired by then is refused. With 0 nothing has.
    pub now: Nanos,
}

/// One venue to connect to, by [`VenueId`].
#[derive(Clone, Debug)]
pub struct PlannedVenue {
    /// The registry's row.
    pub spec: &'static VenueSpec,
    /// The whole address, path included.
    pub address: Address,
    /// Which certificates `wss://` trusts.
    pub tls: Arc<ClientConfig>,
}

/// A consistent configuration.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Instruments, venues and listings.
    pub catalogue: Catalogue,
    /// Venues to connect to, by [`VenueId`].
    pub venues: Vec<PlannedVenue>,
    /// Threads with their agents.
    pub threads: Vec<ThreadPlan>,
    /// Feed agents with their venues.
    pub feeds: Vec<FeedPlan>,
    /// Address on which the broadcast listens.
    pub address: SocketAddr,
    /// Limits of the broadcast.
    pub broadcast: broadcast::Settings,
    /// Rule of the decision.
    pub decision: decision::Settings,
    /// Source of the decision's rules by pair, where there are such.
    pub recommendations: Option<Recommendations>,
    /// Folder of the lake.
    pub lake: PathBuf,
    /// When the journal writes, syncs and begins the next segment.
    pub journal: journal::Settings,
    /// Net spread, as a fraction, from which on spreads are recorded; `None` records none.
    pub spreads_min_net: Option<f64>,
    /// What is captured, where anything is.
    pub capture: Option<CapturePlan>,
    /// Folder for latencies; `None` writes none.
    pub hist: Option<PathBuf>,
    /// How the feeds' sockets are read.
    pub sockets: SocketOptions,
    /// Sizes of the edges.
    pub rings: RingSizes,
    /// Whether the process's memory is locked into RAM.
    pub lock_memory: bool,
}

/// Whose raw frames are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapturePlan {
    /// Venues whose frames are kept.
    pub venues: BTreeSet<VenueId>,
    /// Bytes of frames that may wait for the disk, for each feed.
    pub ring_bytes: usize,
}

/// Sizes of the edges, in records of 64 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingSizes {
    /// From each feed to the calculator.
    pub feed: usize,
    /// From the calculator to the broadcast.
    pub broadcast: usize,
    /// From the calculator to the decision.
    pub decision: usize,
    /// From the calculator to the journal.
    pub journal: usize,
}

impl Plan {
    /// Reads a configuration and proves it.
    ///
    /// # Errors
    /// Every problem there is, of reading and of meaning.
    pub fn read(file: &Path, host: &Host) -> Result<Plan, Vec<Problem>> {
        let mut problems = Vec::new();
        match config::read(file, &mut problems) {
            Some(config) => Plan::new(config, file, host, problems),
            None => Err(problems),
        }
    }

    /// Proves a configuration that was read with the problems given.
    ///
    /// # Errors
    /// Every problem there is, each with its key and what would be right.
    pub fn new(
        config: Config,
        file: &Path,
        host: &Host,
        problems: Vec<Problem>,
    ) -> Result<Plan, Vec<Problem>> {
        let mut faults = Faults::new(file, problems);
        let (proved, catalogue) = catalogue::prove(&config, &mut faults);
        let venues = venues(proved, &mut faults);
        let (threads, feeds) = threads::plan(&config, host, &mut faults);
        let address = address(&config.broadcast, &mut faults);
        let mut decision = decision(&config.decision, &catalogue, &mut faults);
        let recommendations = recommend(&config.decision, &catalogue, host.now, &mut faults);
        decision.rules = recommendations.as_ref().map(|all| all.rules(&catalogue).0);
        journal(&config.journal, &mut faults);
        let capture = capture(&config, &catalogue, &mut faults);
        sockets(&config.sockets, &mut faults);
        rings(&config.rings, &mut faults);
        let Some(address) = address.filter(|_| faults.is_empty()) else {
            return Err(faults.into_list());
        };
        Ok(Plan {
            catalogue,
            venues,
            threads,
            feeds,
            address,
            broadcast: (&config.broadcast).into(),
            decision,
            recommendations,
            journal: (&config.journal).into(),
            lake: config.journal.lake,
            spreads_min_net: config.journal.spreads_min_net_bps.map(|bps| bps / BPS),
            capture,
            hist: config.telemetry.hist,
            sockets: (&config.sockets).into(),
            rings: (&config.rings).into(),
            lock_memory: config.memory.lock,
        })
    }
}

/// Reads the certificates that each venue trusts.
fn venues(proved: Vec<catalogue::Venue>, faults: &mut Faults) -> Vec<PlannedVenue> {
    let mut planned = Vec::new();
    for venue in proved {
        match connector::tls_config(venue.ca_file.as_deref()) {
            Ok(tls) => {
                planned.push(PlannedVenue { spec: venue.spec, address: venue.address, tls });
            }
            Err(error) => faults.in_file(venue.place.file.as_deref(), |faults| {
                let remedy = "name a PEM file with the authority's certificate";
                faults.add(&venue.key("ca_file"), error, remedy);
            }),
        }
    }
    planned
}

fn address(broadcast: &config::Broadcast, faults: &mut Faults) -> Option<SocketAddr> {
    faults.within("broadcast.clients_max", broadcast.clients_max, 1..=100_000);
    faults.within(
        "broadcast.client_buffer_bytes",
        broadcast.client_buffer_bytes,
        1 << 12..=1 << 30,
    );
    faults.within("broadcast.stuck_timeout_ms", broadcast.stuck_timeout_ms, 1..=3_600_000);
    let address = broadcast.address.parse();
    if address.is_err() {
        let reason = format!("{:?} is no address", broadcast.address);
        faults.add("broadcast.address", reason, "write ip:port, as 127.0.0.1:8181");
    }
    address.ok()
}

fn decision(
    config: &config::Decision,
    catalogue: &Catalogue,
    faults: &mut Faults,
) -> decision::Settings {
    let ordered = config.exit_bps.is_finite() && config.exit_bps <= config.entry_bps;
    if !config.entry_bps.is_finite() {
        let reason = format!("{} is no threshold", config.entry_bps);
        faults.add("decision.entry_bps", reason, "write basis points, as 5.0");
    } else if !ordered {
        let reason = format!("{} is above entry_bps, {}", config.exit_bps, config.entry_bps);
        faults.add("decision.exit_bps", reason, "close at or below what opens");
    }
    let all = config.instruments.iter().any(|name| name == "*");
    for name in config.instruments.iter().filter(|name| *name != "*") {
        if catalogue.instrument_named(name).is_none() {
            let reason = format!("no instrument is called {name:?}");
            faults.add(
                "decision.instruments",
                reason,
                "name instruments of this configuration, or \"*\"",
            );
        }
    }
    let enabled = |i: &Instrument| all || config.instruments.contains(&i.name);
    decision::Settings {
        entry: config.entry_bps / BPS,
        exit: config.exit_bps / BPS,
        cooldown: config.cooldown_ms.saturating_mul(MILLI),
        enabled: catalogue.instruments.iter().map(enabled).collect(),
        rules: None,
    }
}

fn recommend(
    config: &config::Decision,
    catalogue: &Catalogue,
    now: Nanos,
    faults: &mut Faults,
) -> Option<Recommendations> {
    let file = config.recommendations.as_ref()?;
    let all = match recommendations::read(file, now) {
        Ok(all) => all,
        Err(problems) => {
            faults.extend(problems);
            return None;
        }
    };
    faults.in_file(Some(file), |faults| {
        for number in all.rules(catalogue).1 {
            let reason = format!("{} is enabled, but not configured", all.pairs[number].name());
            let remedy = "name an instrument of the configuration and two of its venues, or \
                          set enabled = false";
            faults.add(&format!("pairs[{number}].enabled"), reason, remedy);
        }
    });
    Some(all)
}

fn journal(journal: &config::Journal, faults: &mut Faults) {
    faults.within("journal.segment_records", journal.segment_records, 1..=16_000_000);
    faults.within("journal.segment_seconds", journal.segment_seconds, 1..=86_400);
    faults.within("journal.flush_ms", journal.flush_ms, 1..=10_000);
    faults.within("journal.sync_ms", journal.sync_ms, 0..=60_000);
    faults.within("journal.disk_reserve_mb", journal.disk_reserve_mb, 0..=1 << 30);
    if let Some(min) = journal.spreads_min_net_bps.filter(|min| !min.is_finite()) {
        let reason = format!("{min} is no threshold");
        faults.add("journal.spreads_min_net_bps", reason, "write basis points, as 5.0");
    }
    if journal.lake.as_os_str().is_empty() {
        faults.add("journal.lake", "it is empty", "name a folder");
    }
    if journal.lake.exists() && !journal.lake.is_dir() {
        let reason = format!("{} is no folder", journal.lake.display());
        faults.add("journal.lake", reason, "name a folder; it is made if it does not exist");
    }
}

fn capture(config: &Config, catalogue: &Catalogue, faults: &mut Faults) -> Option<CapturePlan> {
    let config::Capture { enabled, ref venues, ring_bytes } = config.capture;
    faults.within("capture.ring_bytes", ring_bytes, 1 << 16..=1 << 30);
    for name in venues.iter().filter(|name| *name != "*") {
        if !config.venues.iter().any(|venue| venue.name == *name) {
            let reason = format!("no venue {name:?} here");
            let remedy = "name venues that stand in this configuration, or \"*\"";
            faults.add("capture.venues", reason, remedy);
        }
    }
    if enabled && venues.is_empty() {
        faults.add("capture.venues", "it is empty", "name venues, or set enabled = false");
    }
    let all = venues.iter().any(|name| name == "*");
    let is_meant = |name: &String| all || venues.contains(name);
    let meant = catalogue.venues.iter().filter(|venue| is_meant(&venue.name));
    let venues = meant.filter_map(|venue| catalogue.venue_named(&venue.name)).collect();
    enabled.then_some(CapturePlan { venues, ring_bytes })
}

fn sockets(sockets: &config::Sockets, faults: &mut Faults) {
    let key = "sockets.receive_buffer_bytes";
    faults.within(key, sockets.receive_buffer_bytes, RECEIVE_BUFFER_MIN..=1 << 24);
    faults.within("sockets.busy_poll_us", sockets.busy_poll_us, 0..=10_000);
}

fn rings(rings: &config::Rings, faults: &mut Faults) {
    let sizes = [
        ("feed", rings.feed),
        ("broadcast", rings.broadcast),
        ("decision", rings.decision),
        ("journal", rings.journal),
    ];
    for (name, size) in sizes {
        faults.within(&format!("rings.{name}"), size, 64..=1 << 24);
    }
}

fn idle_of(thread: &config::Thread, key: &str, faults: &mut Faults) -> IdleStrategy {
    let sleep_max_us = thread.sleep_max_us.unwrap_or(config::SLEEP_MAX_US_DEFAULT);
    faults.within(&format!("{key}.sleep_max_us"), sleep_max_us, 10..=1_000_000);
    match thread.idle.as_str() {
        "spin" => IdleStrategy::Spin,
        "yield" => IdleStrategy::Yield,
        "backoff" => IdleStrategy::Backoff { sleep_max: Duration::from_micros(sleep_max_us) },
        other => {
            let reason = format!("{other:?} is no idle strategy");
            faults.add(&format!("{key}.idle"), reason, "choose spin, yield or backoff");
            IdleStrategy::Yield
        }
    }
}
