//! The configuration proved consistent: what `launch` builds from, and nothing else does.
//!
//! [`Plan::new`] is the only validation. It takes what the host offers as an argument, reports
//! every problem at once, and never touches the system. It must not know how agents work.

use crate::runtime::agent::IdleStrategy;
use crate::runtime::runner::ThreadPlan;
use crate::socket::connector;
use crate::socket::socket_options::{RECEIVE_BUFFER_MIN, SocketOptions};
use rustls::ClientConfig;
use spreadwire_config::address::Address;
use spreadwire_config::config::{self, Config};
use spreadwire_market::clock::{MILLI, Nanos, SECOND};
use spreadwire_market::decimal::SCALE_MAX;
use spreadwire_market::decision;
use spreadwire_market::instrument::{
    Catalogue, Instrument, InstrumentId, Listing, VENUES_MAX, VenueId, VenueInfo,
};
use spreadwire_market::problem::Problem;
use spreadwire_market::recommendations::{self, Recommendations};
use spreadwire_market::spread::BPS;
use spreadwire_venues::venue::VenueSpec;
use spreadwire_venues::venues;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

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
    /// By [`VenueId`].
    pub venues: Vec<PlannedVenue>,
    /// Threads with their agents.
    pub threads: Vec<ThreadPlan>,
    /// Feed agents with their venues.
    pub feeds: Vec<FeedPlan>,
    /// Where the broadcast listens.
    pub address: SocketAddr,
    /// The broadcast's limits as configured.
    pub broadcast: config::Broadcast,
    /// The decision's rule.
    pub decision: decision::Settings,
    /// What the decision's rules by pair come from, where there are such.
    pub recommendations: Option<Recommendations>,
    /// The journal's settings as configured.
    pub journal: config::Journal,
    /// The capture's settings as configured.
    pub capture: config::Capture,
    /// Where latencies are written, as configured.
    pub telemetry: config::Telemetry,
    /// How the feeds' sockets are read.
    pub sockets: SocketOptions,
    /// Ring sizes as configured.
    pub rings: config::Rings,
    /// The memory's settings as configured.
    pub memory: config::Memory,
}

/// Quotes are good for this long unless the file says otherwise.
pub const MAX_AGE_DEFAULT: Nanos = 5 * SECOND;

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
        let mut faults = Faults { file: file.to_owned(), list: problems };
        let venues = faults.venues(&config);
        let catalogue = faults.catalogue(&config, &venues);
        let (threads, feeds) = threads::plan(&config, host, &mut faults);
        let address = faults.address(&config.broadcast);
        let mut decision = faults.decision(&config.decision, &catalogue);
        let recommendations = faults.recommendations(&config.decision, &catalogue, host.now);
        decision.rules = recommendations.as_ref().map(|all| all.rules(&catalogue).0);
        faults.journal(&config.journal);
        faults.capture(&config);
        let sockets = faults.sockets(&config.sockets);
        faults.rings(&config.rings);
        let Some(address) = address.filter(|_| faults.list.is_empty()) else {
            return Err(faults.list);
        };
        let Config { broadcast, journal, capture, telemetry, rings, memory, .. } = config;
        Ok(Plan {
            catalogue,
            venues: venues.into_iter().map(|(planned, _)| planned).collect(),
            threads,
            feeds,
            address,
            broadcast,
            decision,
            recommendations,
            journal,
            capture,
            telemetry,
            sockets,
            rings,
            memory,
        })
    }
}

/// Problems as they are found.
struct Faults {
    /// Of what is looked at now.
    file: PathBuf,
    list: Vec<Problem>,
}

impl Faults {
    fn add(&mut self, key: &str, reason: impl Into<String>, remedy: impl Into<String>) {
        self.list.push(Problem {
            file: self.file.clone(),
            key: key.to_owned(),
            reason: reason.into(),
            remedy: remedy.into(),
        });
    }

    fn within<T: PartialOrd + std::fmt::Display + Copy>(
        &mut self,
        key: &str,
        value: T,
        min: T,
        max: T,
    ) {
        if !(min <= value && value <= max) {
            self.add(key, format!("{value} is out of range"), format!("choose {min} to {max}"));
        }
    }

    fn venues(&mut self, config: &Config) -> Vec<(PlannedVenue, VenueInfo)> {
        let mut planned = Vec::new();
        let mut seen = BTreeSet::new();
        let main = self.file.clone();
        for venue in &config.venues {
            self.file.clone_from(venue.place.file.as_ref().unwrap_or(&main));
            let key = |field: &str| format!("venues[{}].{field}", venue.place.number);
            if !seen.insert(venue.name.as_str()) {
                let reason = format!("venue {:?} stands twice", venue.name);
                self.add(&key("name"), reason, "keep one of them");
                continue;
            }
            if let Some(row) = self.venue(venue, &key) {
                planned.push(row);
            }
        }
        self.file = main;
        if config.venues.len() < 2 {
            let reason = format!("{} venue(s) make no pair", config.venues.len());
            self.add("venues", reason, "name two venues or more");
        }
        self.within("venues", config.venues.len(), 0, VENUES_MAX);
        planned
    }

    fn venue(
        &mut self,
        venue: &config::Venue,
        key: &impl Fn(&str) -> String,
    ) -> Option<(PlannedVenue, VenueInfo)> {
        let Some(spec) = venues::named(&venue.name) else {
            let known: Vec<_> = venues::VENUES.iter().map(|v| v.name).collect();
            let remedy = format!("known venues are {}", known.join(", "));
            self.add(&key("name"), format!("no venue is called {:?}", venue.name), remedy);
            return None;
        };
        let base = venue.url.as_deref().unwrap_or(spec.url);
        let url = format!("{}{}", base.trim_end_matches('/'), spec.path);
        let has_path = base.splitn(4, '/').nth(3).is_some_and(|path| !path.is_empty());
        let address = Address::parse(&url);
        if has_path {
            let reason = format!("{base:?} has a path; the venue's own, {}, is added", spec.path);
            self.add(&key("url"), reason, "write scheme, host and port alone");
        } else if let Err(error) = &address {
            self.add(&key("url"), error.to_string(), format!("the venue's own is {}", spec.url));
        }
        let fee = venue.taker_fee_bps.unwrap_or(spec.taker_fee_bps);
        self.within(&key("taker_fee_bps"), fee, -100.0, 1_000.0);
        let max_age_ms = venue.max_age_ms.unwrap_or(MAX_AGE_DEFAULT / MILLI);
        self.within(&key("max_age_ms"), max_age_ms, 1, 3_600_000);
        let tls = connector::tls_config(venue.ca_file.as_deref());
        if let Err(error) = &tls {
            let remedy = "name a PEM file with the authority's certificate";
            self.add(&key("ca_file"), error.as_str(), remedy);
        }
        let info = VenueInfo {
            name: venue.name.clone(),
            taker_fee: fee / BPS,
            max_age: max_age_ms.saturating_mul(MILLI),
        };
        Some((PlannedVenue { spec, address: address.ok()?, tls: tls.ok()? }, info))
    }

    fn catalogue(&mut self, config: &Config, venues: &[(PlannedVenue, VenueInfo)]) -> Catalogue {
        let mut catalogue = Catalogue {
            venues: venues.iter().map(|(_, info)| info.clone()).collect(),
            ..Catalogue::default()
        };
        if config.instruments.is_empty() {
            self.add("instruments", "there is none", "name what to compare: [[instruments]]");
        }
        let main = self.file.clone();
        for instrument in &config.instruments {
            self.file.clone_from(instrument.place.file.as_ref().unwrap_or(&main));
            self.instrument(instrument, venues, &mut catalogue);
        }
        self.file = main;
        catalogue
    }

    fn instrument(
        &mut self,
        instrument: &config::Instrument,
        venues: &[(PlannedVenue, VenueInfo)],
        catalogue: &mut Catalogue,
    ) {
        let key = |field: &str| format!("instruments[{}].{field}", instrument.place.number);
        let Some((base, quote)) = base_and_quote(&instrument.name) else {
            let reason = format!("{:?} is no instrument", instrument.name);
            return self.add(&key("name"), reason, "write BASE/QUOTE or BASE/QUOTE:PERP");
        };
        if catalogue.instrument_named(&instrument.name).is_some() {
            let reason = format!("instrument {:?} stands twice", instrument.name);
            return self.add(&key("name"), reason, "keep one of them");
        }
        self.within(&key("price_decimals"), instrument.price_decimals, 0, SCALE_MAX);
        self.within(&key("size_decimals"), instrument.size_decimals, 0, SCALE_MAX);
        let id = InstrumentId(u32::try_from(catalogue.instruments.len()).unwrap_or(u32::MAX));
        catalogue.instruments.push(Instrument {
            name: instrument.name.clone(),
            price_scale: instrument.price_decimals.min(SCALE_MAX),
            size_scale: instrument.size_decimals.min(SCALE_MAX),
        });
        let named = instrument.venues.iter().flatten().map(|name| (name, key("venues")));
        let spelt = instrument.symbols.keys().map(|name| (name, key("symbols")));
        for (name, key) in named.chain(spelt) {
            if !config_lists(venues, name) {
                let remedy = "name venues that stand in this configuration".to_owned();
                self.add(&key, format!("no venue {name:?} here"), remedy);
            }
        }
        for (number, (planned, info)) in venues.iter().enumerate() {
            if instrument.venues.as_ref().is_some_and(|list| !list.contains(&info.name)) {
                continue;
            }
            let customary = || (planned.spec.symbol)(base, quote);
            let symbol = instrument.symbols.get(&info.name).cloned().unwrap_or_else(customary);
            let venue = VenueId(u8::try_from(number).unwrap_or(u8::MAX));
            if symbol.is_empty() {
                let reason = format!("the symbol of {} is empty", info.name);
                self.add(&key("symbols"), reason, "leave it out for the customary spelling");
            }
            if catalogue.listings.iter().any(|l| l.venue == venue && l.symbol == symbol) {
                let reason = format!("{symbol} of {} stands for another instrument", info.name);
                self.add(&key("symbols"), reason, "a venue's symbol means one instrument");
            }
            catalogue.listings.push(Listing { venue, instrument: id, symbol });
        }
    }

    fn address(&mut self, broadcast: &config::Broadcast) -> Option<SocketAddr> {
        self.within("broadcast.clients_max", broadcast.clients_max, 1, 100_000);
        self.within(
            "broadcast.client_buffer_bytes",
            broadcast.client_buffer_bytes,
            1 << 12,
            1 << 30,
        );
        self.within("broadcast.stuck_timeout_ms", broadcast.stuck_timeout_ms, 1, 3_600_000);
        let address = broadcast.address.parse();
        if address.is_err() {
            let reason = format!("{:?} is no address", broadcast.address);
            self.add("broadcast.address", reason, "write ip:port, as 127.0.0.1:8181");
        }
        address.ok()
    }

    fn decision(&mut self, config: &config::Decision, catalogue: &Catalogue) -> decision::Settings {
        let ordered = config.exit_bps.is_finite() && config.exit_bps <= config.entry_bps;
        if !config.entry_bps.is_finite() {
            let reason = format!("{} is no threshold", config.entry_bps);
            self.add("decision.entry_bps", reason, "write basis points, as 5.0");
        } else if !ordered {
            let reason = format!("{} is above entry_bps, {}", config.exit_bps, config.entry_bps);
            self.add("decision.exit_bps", reason, "close at or below what opens");
        }
        let all = config.instruments.iter().any(|name| name == "*");
        for name in config.instruments.iter().filter(|name| *name != "*") {
            if catalogue.instrument_named(name).is_none() {
                let reason = format!("no instrument is called {name:?}");
                self.add(
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

    fn recommendations(
        &mut self,
        config: &config::Decision,
        catalogue: &Catalogue,
        now: Nanos,
    ) -> Option<Recommendations> {
        let file = config.recommendations.as_ref()?;
        let all = match recommendations::read(file, now) {
            Ok(all) => all,
            Err(problems) => {
                self.list.extend(problems);
                return None;
            }
        };
        let main = std::mem::replace(&mut self.file, file.clone());
        for number in all.rules(catalogue).1 {
            let reason = format!("{} is enabled, but not configured", all.pairs[number].name());
            let remedy = "name an instrument of the configuration and two of its venues, or \
                          set enabled = false";
            self.add(&format!("pairs[{number}].enabled"), reason, remedy);
        }
        self.file = main;
        Some(all)
    }

    fn journal(&mut self, journal: &config::Journal) {
        self.within("journal.segment_records", journal.segment_records, 1, 16_000_000);
        self.within("journal.segment_seconds", journal.segment_seconds, 1, 86_400);
        self.within("journal.flush_ms", journal.flush_ms, 1, 10_000);
        self.within("journal.sync_ms", journal.sync_ms, 0, 60_000);
        self.within("journal.disk_reserve_mb", journal.disk_reserve_mb, 0, 1 << 30);
        if let Some(min) = journal.spreads_min_net_bps.filter(|min| !min.is_finite()) {
            let reason = format!("{min} is no threshold");
            self.add("journal.spreads_min_net_bps", reason, "write basis points, as 5.0");
        }
        if journal.lake.as_os_str().is_empty() {
            self.add("journal.lake", "it is empty", "name a folder");
        }
        if journal.lake.exists() && !journal.lake.is_dir() {
            let reason = format!("{} is no folder", journal.lake.display());
            self.add("journal.lake", reason, "name a folder; it is made if it does not exist");
        }
    }

    fn capture(&mut self, config: &Config) {
        let capture = &config.capture;
        self.within("capture.ring_bytes", capture.ring_bytes, 1 << 16, 1 << 30);
        for name in capture.venues.iter().filter(|name| *name != "*") {
            if !config.venues.iter().any(|venue| venue.name == *name) {
                let reason = format!("no venue {name:?} here");
                let remedy = "name venues that stand in this configuration, or \"*\"";
                self.add("capture.venues", reason, remedy);
            }
        }
        if capture.enabled && capture.venues.is_empty() {
            self.add("capture.venues", "it is empty", "name venues, or set enabled = false");
        }
    }

    fn sockets(&mut self, sockets: &config::Sockets) -> SocketOptions {
        let config::Sockets { receive_buffer_bytes, busy_poll_us, kernel_timestamps, quick_ack } =
            *sockets;
        let key = "sockets.receive_buffer_bytes";
        self.within(key, receive_buffer_bytes, RECEIVE_BUFFER_MIN, 1 << 24);
        self.within("sockets.busy_poll_us", busy_poll_us, 0, 10_000);
        SocketOptions { receive_buffer_bytes, busy_poll_us, kernel_timestamps, quick_ack }
    }

    fn rings(&mut self, rings: &config::Rings) {
        let sizes = [
            ("feed", rings.feed),
            ("broadcast", rings.broadcast),
            ("decision", rings.decision),
            ("journal", rings.journal),
        ];
        for (name, size) in sizes {
            self.within(&format!("rings.{name}"), size, 64, 1 << 24);
        }
    }
}

fn config_lists(venues: &[(PlannedVenue, VenueInfo)], name: &str) -> bool {
    venues.iter().any(|(_, info)| info.name == name)
}

/// `BTC/USDT` and `BTC/USDT:PERP` in their parts; `None` for anything else.
fn base_and_quote(name: &str) -> Option<(&str, &str)> {
    let (pair, kind) = name.split_once(':').unwrap_or((name, "PERP"));
    let (base, quote) = pair.split_once('/')?;
    let plain = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')
    };
    (plain(base) && plain(quote) && kind == "PERP").then_some((base, quote))
}

fn idle_of(thread: &config::Thread, key: &str, faults: &mut Faults) -> IdleStrategy {
    let sleep_max_us = thread.sleep_max_us.unwrap_or(1_000);
    faults.within(&format!("{key}.sleep_max_us"), sleep_max_us, 10, 1_000_000);
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

impl Plan {
    /// Whether the frames of a venue are captured.
    #[must_use]
    pub fn captures(&self, venue: &str) -> bool {
        let named = |name: &String| name == "*" || name == venue;
        self.capture.enabled && self.capture.venues.iter().any(named)
    }

    /// The plan for people: threads, edges with their memory, venues, pairs.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut lines = vec!["threads".to_owned()];
        for thread in &self.threads {
            let cpu = thread.cpu.map_or("any CPU".to_owned(), |cpu| format!("CPU {cpu}"));
            let agents = thread.agents.join(" > ");
            let idle = match thread.idle {
                IdleStrategy::Spin => "spin".to_owned(),
                IdleStrategy::Yield => "yield".to_owned(),
                IdleStrategy::Backoff { sleep_max } => format!("backoff to {sleep_max:?}"),
            };
            lines.push(format!("  {:<15} {cpu:<8} {idle:<18} {agents}", thread.name));
        }
        lines.push("venues".to_owned());
        for (info, planned) in self.catalogue.venues.iter().zip(&self.venues) {
            let listed = self.catalogue.venue_named(&info.name);
            let count = self.catalogue.listings.iter().filter(|l| Some(l.venue) == listed).count();
            lines.push(format!(
                "  {:<15} {count:>4} instruments, taker {:.2} bp, quotes good for {} ms, {}",
                info.name,
                info.taker_fee * BPS,
                info.max_age / MILLI,
                planned.address.url
            ));
        }
        let pairs = |id: usize| {
            let id = InstrumentId(u32::try_from(id).unwrap_or(u32::MAX));
            let venues = self.catalogue.venues_of(id).len();
            venues * venues.saturating_sub(1)
        };
        let instruments = self.catalogue.instruments.len();
        let pairs: usize = (0..instruments).map(pairs).sum();
        lines.push(format!("pairs\n  {pairs} ordered pairs of {instruments} instruments"));
        lines.extend(self.describe_recommendations());
        lines.push("edges".to_owned());
        let feeds = self.feeds.iter().map(|feed| (feed.role.as_str(), self.rings.feed));
        let others = [
            ("broadcast", self.rings.broadcast),
            ("decision", self.rings.decision),
            ("journal", self.rings.journal),
        ];
        let spreads =
            self.journal.spreads_min_net_bps.map(|_| ("journal_spreads", self.rings.journal));
        for (name, records) in feeds.chain(others).chain(spreads) {
            lines.push(format!("  {name:<15} {records:>8} records, {} KiB", records / 16));
        }
        lines.push(format!(
            "broadcast\n  ws://{}\nlake\n  {}\n",
            self.address,
            self.journal.lake.display()
        ));
        if self.capture.enabled {
            let (venues, kib) = (self.capture.venues.join(", "), self.capture.ring_bytes >> 10);
            lines.push(format!("capture\n  frames of {venues}; {kib} KiB for each feed\n"));
        }
        if let Some(folder) = &self.telemetry.hist {
            lines.push(format!("latency histograms\n  {}\n", folder.display()));
        }
        lines.join("\n")
    }

    /// Which pairs open, if not all do.
    fn describe_recommendations(&self) -> Option<String> {
        let all = self.recommendations.as_ref()?;
        let mut text = format!("decision\n  {}", all.describe());
        for (_, pair) in all.enabled() {
            let id = self.catalogue.instrument_named(&pair.instrument);
            let decided = id.is_some_and(|id| self.decision.enabled[id.index()]);
            let left_out = if decided { "" } else { ", left out by decision.instruments" };
            let (entry, exit) = (pair.entry_bps, pair.exit_bps);
            let name = pair.name();
            text.push_str(&format!("\n  {name}: entry {entry} bp, exit {exit} bp{left_out}"));
        }
        Some(text)
    }
}
