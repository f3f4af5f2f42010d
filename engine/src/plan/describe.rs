//! The plan as text, for people who want to see what would run.

use super::{CapturePlan, Plan, PlannedVenue, total};
use crate::runtime::agent::IdleStrategy;
use spreadwire_market::approved::Approval;
use spreadwire_market::clock::{MILLI, Nanos};
use spreadwire_market::moment::time_to_text;
use spreadwire_market::spread::BPS;
use spreadwire_trading::settings::{Hedging, Limits};
use spreadwire_venues::health::Bounds;

impl Plan {
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
                addresses_of(planned)
            ));
            lines.push(format!("  {:<15} believed with {}", "", bounds_of(&planned.bounds)));
        }
        let (pairs, instruments) = (self.pairs(), self.catalogue.instruments.len());
        lines.push(format!(
            "pairs\n  {pairs} ordered pairs of {instruments} instruments; {}",
            net_of(self.max_net)
        ));
        lines.extend(self.describe_approved());
        lines.extend(self.describe_trading());
        lines.push("edges".to_owned());
        let feeds = self.feeds.iter().map(|feed| (feed.role.as_str(), self.rings.feed));
        let others = [
            ("broadcast", self.rings.broadcast),
            ("decision", self.rings.decision),
            ("journal", self.rings.journal),
        ];
        let spreads = self.spreads_min_net.map(|_| ("journal_spreads", self.rings.journal));
        for (name, records) in feeds.chain(others).chain(spreads) {
            lines.push(format!("  {name:<15} {records:>8} records, {} KiB", records / 16));
        }
        lines.push(self.describe_broadcast());
        lines.push(format!("lake\n  {}, for {} quotes\n", self.lake.display(), self.provenance));
        lines.extend(self.describe_needs());
        if let Some(CapturePlan { venues, ring_bytes }) = &self.capture {
            let names = venues.iter().map(|venue| self.catalogue.venue(*venue).name.as_str());
            let (venues, kib) = (names.collect::<Vec<_>>().join(", "), ring_bytes >> 10);
            lines.push(format!("capture\n  frames of {venues}; {kib} KiB for each feed\n"));
        }
        if let Some(folder) = &self.hist {
            lines.push(format!("latency histograms\n  {}\n", folder.display()));
        }
        lines.join("\n")
    }

    /// The most memory and file descriptors that each part can need.
    fn describe_needs(&self) -> [String; 2] {
        let (memory, descriptors) = (self.memory(), self.descriptors());
        let mut text = "memory, at most".to_owned();
        for (part, bytes) in memory.iter().copied().chain([("all", total(&memory))]) {
            // Rounded up, so that no part looks free.
            text.push_str(&format!("\n  {part:<15} {:>8} MiB", bytes.div_ceil(1 << 20)));
        }
        let parts = descriptors.iter().map(|(part, count)| format!("{part} {count}"));
        let parts = parts.collect::<Vec<_>>().join(", ");
        let all = total(&descriptors);
        [text + "\n", format!("file descriptors, at most\n  {all}: {parts}\n")]
    }

    /// Where clients connect, and what they need to.
    fn describe_broadcast(&self) -> String {
        let tokens = self.broadcast.tokens.iter();
        let tokens: Vec<String> = tokens.map(|it| format!("{} ({})", it.name, it.kind)).collect();
        let who = if tokens.is_empty() {
            "whoever reaches it".to_owned()
        } else {
            format!("with a token: {}", tokens.join(", "))
        };
        format!("broadcast\n  {}, {who}", self.endpoint.url(self.tls.is_some()))
    }

    /// Which pairs open, if not all do.
    fn describe_approved(&self) -> Option<String> {
        let all = self.approved.as_ref()?;
        let mut text = format!("decision\n  {}", all.describe(self.read_at));
        for pair in &all.pairs {
            let (entry, exit) = (pair.entry_bps, pair.exit_bps);
            let (name, state) = (pair.name(), self.state_of(pair));
            text.push_str(&format!("\n  {name}: entry {entry} bp, exit {exit} bp{state}"));
        }
        Some(text)
    }

    /// Says why an approved pair opens nothing, as the end of its line; nothing if it opens.
    fn state_of(&self, pair: &Approval) -> String {
        let id = self.catalogue.instrument_named(&pair.instrument);
        if pair.expires <= self.read_at {
            format!(", EXPIRED at {}", time_to_text(pair.expires))
        } else if id.is_some_and(|id| self.decision.enabled[id.index()]) {
            String::new()
        } else {
            ", left out by decision.instruments".to_owned()
        }
    }

    /// Returns a warning if the plan goes by approved pairs, and none of them may open.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let all = self.approved.as_ref()?;
        let is_open = |(_, pair): (usize, &Approval)| self.state_of(pair).is_empty();
        let left_out = "0 pairs enabled: nothing will open (decision.instruments leaves out every \
                        approved pair)";
        let is_none_open = || !all.live(self.read_at).any(is_open);
        all.warning(self.read_at).or_else(|| is_none_open().then(|| left_out.to_owned()))
    }
}

impl Plan {
    /// What is done about opportunities.
    fn describe_trading(&self) -> Option<String> {
        let trading = self.trading.as_ref()?;
        let Limits { order, instrument, venue, total, open_deals, .. } = &trading.settings.limits;
        let (currency, exit) = (trading.settings.currency, trading.settings.exit);
        let Hedging { policy, band, time_to_live } = trading.settings.hedging;
        Some(format!(
            "trading on PAPER\n  orders up to {order} {currency}; open at most {instrument} by \
             instrument, {venue} by venue, {total} in all, {open_deals} deals\n  exit by {exit}; a \
             residual: {policy} within {:.0} bp and {} ms\n  journal of decisions in {}, kill file {}",
            band * BPS,
            time_to_live / MILLI,
            self.decisions(trading).display(),
            self.kill_file(trading).display()
        ))
    }
}

/// Returns the bounds within which the quotes of a venue are taken for true.
fn bounds_of(bounds: &Bounds) -> String {
    let lag = match bounds.max_lag {
        Nanos::MAX => "any lag".to_owned(),
        lag => format!("a lag up to {} ms (max_lag_ms)", lag / MILLI),
    };
    let jump = if bounds.max_jump.is_finite() {
        format!("a jump up to {:.0} bp (max_jump_bps)", bounds.max_jump * BPS)
    } else {
        "any jump".to_owned()
    };
    format!("{lag}, {jump}")
}

/// Returns the bound within which nets are taken for true.
fn net_of(max_net: f64) -> String {
    if max_net.is_finite() {
        format!("nets up to {:.0} bp (max_net_bps)", max_net * BPS)
    } else {
        "any net".to_owned()
    }
}

/// Returns the address of each line that a venue's symbols are carried on.
fn addresses_of(planned: &PlannedVenue) -> String {
    let urls = planned.addresses.iter().take(planned.lines).map(|address| address.url.as_str());
    urls.collect::<Vec<_>>().join(" and ")
}
