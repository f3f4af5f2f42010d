//! The sections of the configuration, proved, as the settings that agents take.
//!
//! Ranges stand here and nowhere else, and so does the conversion of units: milliseconds and seconds
//! to ns, MiB to bytes. The defaults of what can be configured are the configuration's; what cannot be
//! is set here.

use super::{AtStart, CapturePlan, ClockPlan, PlannedVenue, RingSizes, WatchdogPlan};
use crate::socket::socket_options::{RECEIVE_BUFFER_MIN, SocketOptions};
use crate::{broadcast, journal};
use spreadwire_config::config::{self, Config};
use spreadwire_lake::run::Provenance;
use spreadwire_market::approved::{self, Approved};
use spreadwire_market::clock::{MICRO, MILLI, Nanos, SECOND};
use spreadwire_market::decision;
use spreadwire_market::instrument::{Catalogue, Instrument};
use spreadwire_market::problem::Faults;
use spreadwire_market::spread::{self, BPS, MAX_NETS_BPS};
use std::net::IpAddr;

/// Proves `[broadcast]`, all but where it listens and who may connect.
pub(super) fn broadcast(broadcast: &config::Broadcast, faults: &mut Faults) {
    if broadcast.audit.as_ref().is_some_and(|file| file.as_os_str().is_empty() || file.is_dir()) {
        faults.add("broadcast.audit", "it is no file", "name a file in a folder that exists");
    }
    faults.within("broadcast.clients_max", broadcast.clients_max, 1..=100_000);
    faults.within("broadcast.upgrades_max", broadcast.upgrades_max, 1..=10_000);
    faults.within("broadcast.clients_per_address", broadcast.clients_per_address, 1..=100_000);
    faults.within("broadcast.connects_per_second", broadcast.connects_per_second, 1..=1_000_000);
    for host in broadcast.hosts.iter().filter(|host| !is_host(host)) {
        let reason = format!("{host:?} is no name of a host");
        faults.add("broadcast.hosts", reason, "write the name alone, as spreads.example");
    }
    for origin in broadcast.origins.iter().filter(|origin| !is_origin(origin)) {
        let reason = format!("{origin:?} is no origin");
        let remedy =
            "write what browsers send, as https://spreads.example or http://localhost:8080";
        faults.add("broadcast.origins", reason, remedy);
    }
    faults.within(
        "broadcast.client_buffer_bytes",
        broadcast.client_buffer_bytes,
        1 << 12..=1 << 30,
    );
    faults.within("broadcast.stuck_timeout_ms", broadcast.stuck_timeout_ms, 1..=3_600_000);
}

/// Whether a text can be the host of a request, without its port.
fn is_host(text: &str) -> bool {
    let is_sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !text.is_empty() && text.chars().all(is_sound)
}

/// Whether a text is the origin of a web page: scheme, host and port, and nothing behind them.
fn is_origin(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let (host, port) = match rest.map(|rest| rest.rsplit_once(':').unwrap_or((rest, "0"))) {
        Some(parts) => parts,
        None => return false,
    };
    is_host(host) && port.parse::<u16>().is_ok()
}

impl From<&config::Broadcast> for broadcast::Settings {
    fn from(config: &config::Broadcast) -> broadcast::Settings {
        broadcast::Settings {
            max_clients: config.clients_max,
            max_upgrades: config.upgrades_max,
            clients_per_address: config.clients_per_address,
            connects_per_second: config.connects_per_second,
            hosts: config.hosts.clone(),
            origins: config.origins.clone(),
            tokens: Vec::new(),
            client_buffer_bytes: config.client_buffer_bytes,
            request_bytes_max: 16 * 1024,
            requests_per_second: 100,
            request_bytes_per_second: 256 * 1024,
            filters_max: 64,
            handshake_timeout: 5 * SECOND,
            ping_interval: 15 * SECOND,
            silent_timeout: 35 * SECOND,
            stuck_timeout: config.stuck_timeout_ms.saturating_mul(MILLI),
            poll_interval: 200 * MICRO,
        }
    }
}

impl Default for broadcast::Settings {
    fn default() -> broadcast::Settings {
        (&config::Broadcast::default()).into()
    }
}

/// Proves `[calculator]`. Returns the largest net that is believed, a fraction.
pub(super) fn calculator(config: &config::Calculator, faults: &mut Faults) -> f64 {
    faults.within("calculator.max_net_bps", config.max_net_bps, MAX_NETS_BPS);
    spread::max_net(config.max_net_bps)
}

/// Proves `[decision]`, all but its approved pairs.
pub(super) fn decision(
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

/// Reads the approved pairs that `[decision]` names, and proves those that have not expired against the
/// catalogue.
pub(super) fn approved(
    config: &config::Decision,
    catalogue: &Catalogue,
    now: Nanos,
    faults: &mut Faults,
) -> Option<Approved> {
    let file = config.approved.as_ref()?;
    let all = match approved::read(file) {
        Ok(all) => all,
        Err(problems) => {
            faults.extend(problems);
            return None;
        }
    };
    faults.in_file(Some(file), |faults| {
        for number in all.rules(catalogue, now).1 {
            let reason = format!("{} is approved, but not configured", all.pairs[number].name());
            let remedy = "configure the instrument and both venues, or revoke the pair with \
                          `analyzer revoke`";
            faults.add(&format!("pairs[{number}]"), reason, remedy);
        }
    });
    Some(all)
}

/// Proves `[journal]`.
pub(super) fn journal(journal: &config::Journal, faults: &mut Faults) {
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

impl From<&config::Journal> for journal::Settings {
    fn from(config: &config::Journal) -> journal::Settings {
        journal::Settings {
            segment_rows: config.segment_records,
            segment_age: config.segment_seconds.saturating_mul(SECOND),
            flush_interval: config.flush_ms.saturating_mul(MILLI),
            sync_interval: config.sync_ms.saturating_mul(MILLI),
            disk_reserve: config.disk_reserve_mb.saturating_mul(1 << 20),
            block_records_max: 4096,
        }
    }
}

impl Default for journal::Settings {
    fn default() -> journal::Settings {
        (&config::Journal::default()).into()
    }
}

/// Proves `[capture]`; returns what is captured, if anything is.
pub(super) fn capture(
    config: &Config,
    catalogue: &Catalogue,
    faults: &mut Faults,
) -> Option<CapturePlan> {
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

/// Proves `[sockets]`.
pub(super) fn sockets(sockets: &config::Sockets, faults: &mut Faults) {
    let key = "sockets.receive_buffer_bytes";
    faults.within(key, sockets.receive_buffer_bytes, RECEIVE_BUFFER_MIN..=1 << 24);
    faults.within("sockets.busy_poll_us", sockets.busy_poll_us, 0..=10_000);
}

impl From<&config::Sockets> for SocketOptions {
    fn from(config: &config::Sockets) -> SocketOptions {
        let config::Sockets { receive_buffer_bytes, busy_poll_us, kernel_timestamps, quick_ack } =
            *config;
        SocketOptions { receive_buffer_bytes, busy_poll_us, kernel_timestamps, quick_ack }
    }
}

impl Default for SocketOptions {
    fn default() -> SocketOptions {
        (&config::Sockets::default()).into()
    }
}

/// Proves `[rings]`.
pub(super) fn rings(rings: &config::Rings, faults: &mut Faults) {
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

/// Proves `[watchdog]`.
pub(super) fn watchdog(watchdog: &config::Watchdog, faults: &mut Faults) {
    faults.within("watchdog.slow_turn_us", watchdog.slow_turn_us, 100..=10_000_000);
    faults.within("watchdog.stall_ms", watchdog.stall_ms, 100..=60_000);
    if watchdog.stall_ms.saturating_mul(1_000) < watchdog.slow_turn_us {
        let reason = format!("{} is below slow_turn_us", watchdog.stall_ms);
        faults.add("watchdog.stall_ms", reason, "a stall is at least as long as a slow turn");
    }
}

/// Proves `[run]`: where the quotes of the venues come from. Simulators run on this host, and venues do not.
pub(super) fn provenance(
    run: &config::Run,
    venues: &[PlannedVenue],
    faults: &mut Faults,
) -> Provenance {
    let Some(name) = &run.provenance else {
        let mut addresses = venues.iter().flat_map(|venue| &venue.addresses);
        let all_local = addresses.all(|address| is_loopback(&address.host));
        return if all_local { Provenance::Simulated } else { Provenance::Live };
    };
    let known = [Provenance::Live, Provenance::Simulated, Provenance::Replay];
    let found = known.into_iter().find(|it| it.name() == name);
    if found.is_none() {
        let reason = format!("{name:?} is none of its values");
        faults.add("run.provenance", reason, "write \"live\", \"simulated\" or \"replay\"");
    }
    found.unwrap_or(Provenance::Live)
}

fn is_loopback(host: &str) -> bool {
    host.parse::<IpAddr>()
        .map_or(host == "localhost" || host.ends_with(".localhost"), |ip| ip.is_loopback())
}

/// Proves `[clock]`.
pub(super) fn clock(clock: &config::Clock, faults: &mut Faults) -> ClockPlan {
    faults.within("clock.max_error_ms", clock.max_error_ms, 1..=60_000);
    let at_start = AtStart::ALL.into_iter().find(|it| it.name() == clock.at_start);
    if at_start.is_none() {
        let reason = format!("{:?} is none of its values", clock.at_start);
        faults.add("clock.at_start", reason, "write \"warn\", \"wait\" or \"refuse\"");
    }
    let max_error = clock.max_error_ms.saturating_mul(MILLI);
    ClockPlan { at_start: at_start.unwrap_or(AtStart::Warn), max_error }
}

impl From<&config::Watchdog> for WatchdogPlan {
    fn from(config: &config::Watchdog) -> WatchdogPlan {
        let config::Watchdog { slow_turn_us, stall_ms } = *config;
        WatchdogPlan {
            slow_after: slow_turn_us.saturating_mul(MICRO),
            stall: stall_ms.saturating_mul(MILLI),
        }
    }
}

impl From<&config::Rings> for RingSizes {
    fn from(config: &config::Rings) -> RingSizes {
        let config::Rings { feed, broadcast, decision, journal } = *config;
        RingSizes { feed, broadcast, decision, journal }
    }
}
