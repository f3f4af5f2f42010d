//! The configuration proved consistent: what `launch` builds from, and nothing else does.
//!
//! [`Plan::new`] is the only validation. It takes what the host offers as an argument and reports
//! every problem at once. What comes out is built: addresses are parsed, certificates read, times in
//! ns, venues named by their ids, and each agent's settings are those that the agent takes.

use crate::broadcast::endpoint::Endpoint;
use crate::broadcast::tls::ServerTls;
use crate::runtime::runner::ThreadPlan;
use crate::socket::connector;
use crate::socket::socket_options::SocketOptions;
use crate::{broadcast, journal};
use rustls::ClientConfig;
use spreadwire_catalogue as catalogue;
use spreadwire_catalogue::trading::{self, TradingPlan};
use spreadwire_config::address::Address;
use spreadwire_config::config::{self, Config};
use spreadwire_lake::run::Provenance;
use spreadwire_market::approved::Approved;
use spreadwire_market::clock::{MILLI, Nanos};
use spreadwire_market::decision;
use spreadwire_market::instrument::{Catalogue, InstrumentId, VenueId};
use spreadwire_market::named;
use spreadwire_market::problem::{Faults, Problem};
use spreadwire_market::spread::BPS;
use spreadwire_venues::health::Bounds;
use spreadwire_venues::venue::{Contract, VenueSpec};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod access;
mod describe;
mod descriptors;
mod memory;
mod sections;
mod threads;
mod trader;
pub use threads::{COLD, FeedPlan};

/// What the machine offers.
#[derive(Clone, Debug)]
pub struct Host {
    /// CPUs that this process may run on.
    pub cpus: Vec<usize>,
    /// File descriptors that this process may have.
    pub descriptors: u64,
    /// The time, ns since 1970 UTC: what has expired by then opens nothing. With 0 nothing has.
    pub now: Nanos,
}

/// One venue to connect to, by [`VenueId`].
#[derive(Clone, Debug)]
pub struct PlannedVenue {
    /// The registry's row.
    pub spec: &'static VenueSpec,
    /// The whole addresses, path included, of the first and the second line.
    pub addresses: [Address; 2],
    /// Which certificates `wss://` trusts.
    pub tls: Arc<ClientConfig>,
    /// The bounds within which its quotes are taken for true.
    pub bounds: Bounds,
    /// Number of lines that carry the same symbols at once.
    pub lines: usize,
    /// What its sizes count, where that is contracts.
    contracts: BTreeMap<InstrumentId, Contract>,
}

impl PlannedVenue {
    /// Returns what the venue's sizes of an instrument count.
    #[must_use]
    pub fn contract_of(&self, instrument: InstrumentId) -> Contract {
        self.contracts.get(&instrument).copied().unwrap_or(Contract::ONE)
    }
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
    /// Where the broadcast listens.
    pub endpoint: Endpoint,
    /// The certificate of the broadcast; without one it speaks no TLS.
    pub tls: Option<ServerTls>,
    /// File of the audit log; `None` writes none.
    pub audit: Option<PathBuf>,
    /// Limits of the broadcast.
    pub broadcast: broadcast::Settings,
    /// Rule of the decision.
    pub decision: decision::Settings,
    /// A spread opens nothing if it was received longer ago than this, ns.
    pub decision_max_age: Nanos,
    /// A net further from zero than this is not believed, a fraction.
    pub max_net: f64,
    /// What is done about opportunities, where the engine acts on them.
    pub trading: Option<TradingPlan>,
    /// File of the approved pairs, where there is one.
    pub approved_file: Option<PathBuf>,
    /// Source of the decision's rules by pair, where there are such.
    pub approved: Option<Approved>,
    /// The time as of which it was read, ns since 1970 UTC: approvals that had expired by then have no
    /// rule.
    pub read_at: Nanos,
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
    /// When an agent is slow or stalls.
    pub watchdog: WatchdogPlan,
    /// How far the clock is trusted.
    pub clock: ClockPlan,
    /// Where the quotes come from.
    pub provenance: Provenance,
}

/// How far the clock is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockPlan {
    /// What to do at start if the kernel says that nothing keeps its clock right.
    pub at_start: AtStart,
    /// A larger difference between our clock and the wall clock is no drift, ns.
    pub max_error: Nanos,
}

named! {
    /// What to do at start if the kernel says that nothing keeps its clock right.
    pub enum AtStart {
        /// Say so, and start.
        Warn => "warn",
        /// Wait until something does.
        Wait => "wait",
        /// Do not start.
        Refuse => "refuse",
    }
}

/// When an agent is slow or stalls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchdogPlan {
    /// A turn that takes longer is slow, ns.
    pub slow_after: Nanos,
    /// A turn that takes this long is a stall, ns.
    pub stall: Nanos,
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

/// Returns the sum of what the parts of the engine need.
#[must_use]
pub fn total(parts: &[(&str, usize)]) -> usize {
    parts.iter().fold(0, |sum: usize, (_, need)| sum.saturating_add(*need))
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
        sections::broadcast(&config.broadcast, &mut faults);
        let endpoint = access::endpoint(&config, &mut faults);
        let tls = access::tls(&config, &mut faults);
        let tokens = access::tokens(&config, &mut faults);
        let mut decision = sections::decision(&config.decision, &catalogue, &mut faults);
        let approved = sections::approved(&config.decision, &catalogue, host.now, &mut faults);
        let max_net = sections::calculator(&config.calculator, &mut faults);
        decision.rules = approved.as_ref().map(|all| all.rules(&catalogue, host.now).0);
        let trading = trading::prove(&config.trading, &catalogue, approved.as_ref(), &mut faults);
        sections::journal(&config.journal, &mut faults);
        let capture = sections::capture(&config, &catalogue, &mut faults);
        sections::sockets(&config.sockets, &mut faults);
        sections::rings(&config.rings, &mut faults);
        sections::watchdog(&config.watchdog, &mut faults);
        let clock = sections::clock(&config.clock, &mut faults);
        let provenance = sections::provenance(&config.run, &venues, &mut faults);
        let Some(endpoint) = endpoint.filter(|_| faults.is_empty()) else {
            return Err(faults.into_list());
        };
        let plan = Plan {
            catalogue,
            venues,
            threads,
            feeds,
            endpoint,
            tls,
            audit: config.broadcast.audit.clone(),
            broadcast: broadcast::Settings { tokens, ..(&config.broadcast).into() },
            decision,
            decision_max_age: config.decision.max_age_ms.saturating_mul(MILLI),
            max_net,
            trading: Some(trading).filter(|trading| trading.is_on),
            approved,
            approved_file: config.decision.approved,
            read_at: host.now,
            journal: (&config.journal).into(),
            lake: config.journal.lake,
            spreads_min_net: config.journal.spreads_min_net_bps.map(|bps| bps / BPS),
            capture,
            hist: config.telemetry.hist,
            sockets: (&config.sockets).into(),
            rings: (&config.rings).into(),
            lock_memory: config.memory.lock,
            watchdog: (&config.watchdog).into(),
            clock,
            provenance,
        };
        descriptors::prove(&plan, host.descriptors, &mut faults);
        if faults.is_empty() { Ok(plan) } else { Err(faults.into_list()) }
    }

    /// Returns whether a change of the configuration can be taken while the engine runs: where people change
    /// thresholds by hand, in the approved pairs or for the trading.
    #[must_use]
    pub fn is_retunable(&self) -> bool {
        self.trading.is_some() || self.approved.is_some()
    }

    /// Returns the number of connections that a venue's symbols are split into.
    pub(crate) fn connections_of(&self, venue: VenueId) -> usize {
        let listed = self.catalogue.listings.iter().filter(|l| l.venue == venue).count();
        listed.div_ceil(self.venues[venue.index()].spec.symbols_per_connection)
    }
}

/// Reads the certificates that each venue trusts.
fn venues(proved: Vec<catalogue::Venue>, faults: &mut Faults) -> Vec<PlannedVenue> {
    let mut planned = Vec::new();
    for venue in proved {
        match connector::tls_config(venue.ca_file.as_deref()) {
            Ok(tls) => {
                let catalogue::Venue { spec, addresses, bounds, lines, contracts, .. } = venue;
                planned.push(PlannedVenue { spec, addresses, tls, bounds, lines, contracts });
            }
            Err(error) => faults.in_file(venue.place.file.as_deref(), |faults| {
                let remedy = "name a PEM file with the authority's certificate";
                faults.add(&venue.key("ca_file"), error, remedy);
            }),
        }
    }
    planned
}
