//! Runs the engine's decision on the records of a listener, and describes what opened and closed.

use serde_json::Value;
use spreadwire_market::approved::{Approved, Expiries};
use spreadwire_market::client::Heard;
use spreadwire_market::clock::Nanos;
use spreadwire_market::decision::{DecisionMaker, Settings};
use spreadwire_market::escape::escape;
use spreadwire_market::instrument::Catalogue;
use spreadwire_market::record::{Gap, Kind, Record, Recording, RecordingState};
use spreadwire_market::spread::BPS;
use spreadwire_market::state::CloseReason;

/// Thresholds and limits by name, as in the engine's `[decision]` section.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Entry threshold: a net spread at or above this opens, basis points.
    pub entry_bps: f64,
    /// Exit threshold: a net spread below this closes, basis points; not above `entry_bps`.
    pub exit_bps: f64,
    /// Time after a close in which the pair opens nothing, ns.
    pub cooldown: Nanos,
    /// Instruments to decide on; `*` means all.
    pub instruments: Vec<String>,
    /// Approved pairs. If given, only they open, each at its own thresholds instead of the two above,
    /// and until it expires.
    pub approved: Option<Approved>,
    /// The time as of which the approvals were read, ns since 1970 UTC: those that had expired by then
    /// do not count.
    pub read_at: Nanos,
}

impl Rule {
    /// Describes how many pairs are enabled; `None` if all are.
    #[must_use]
    pub fn describe(&self) -> Option<String> {
        self.approved.as_ref().map(|all| all.describe(self.read_at))
    }

    /// Returns when the approvals expire.
    #[must_use]
    pub fn expiries(&self) -> Expiries {
        self.approved.as_ref().map(|all| Expiries::after(all, self.read_at)).unwrap_or_default()
    }

    /// Returns the rule for a server's catalogue, with the names and pairs that the catalogue does
    /// not have.
    pub(crate) fn settings(&self, catalogue: &Catalogue) -> (Settings, Vec<String>) {
        let all = self.instruments.iter().any(|name| name == "*");
        let unlisted = self
            .instruments
            .iter()
            .filter(|name| *name != "*" && catalogue.instrument_named(name).is_none());
        let enabled =
            catalogue.instruments.iter().map(|i| all || self.instruments.contains(&i.name));
        let mut unlisted: Vec<String> = unlisted.cloned().collect();
        let rules = self.approved.as_ref().map(|all| {
            let (rules, missing) = all.rules(catalogue, self.read_at);
            unlisted.extend(missing.into_iter().map(|number| all.pairs[number].name()));
            rules
        });
        let settings = Settings {
            entry: self.entry_bps / BPS,
            exit: self.exit_bps / BPS,
            cooldown: self.cooldown,
            enabled: enabled.collect(),
            rules,
        };
        (settings, unlisted)
    }
}

/// The decision on the records of one server.
#[derive(Debug)]
pub struct Trader {
    rule: Rule,
    catalogue: Catalogue,
    maker: Option<DecisionMaker>,
    last_ts: Nanos,
    expiries: Expiries,
    /// The last time at which an approval had expired, ns since 1970 UTC.
    expired_by: Nanos,
}

impl Trader {
    /// Creates a trader that decides by `rule` once a catalogue is known.
    #[must_use]
    pub fn new(rule: Rule) -> Trader {
        let expiries = rule.expiries();
        let catalogue = Catalogue::default();
        Trader { rule, catalogue, maker: None, last_ts: 0, expiries, expired_by: 0 }
    }

    /// Starts a new connection; the loss of an earlier one was taken before. Nothing opens until the
    /// client is in step. Returns the rule's instruments and approved pairs that the server does not
    /// list. Ids of opportunities continue if the catalogue is unchanged.
    pub fn connected(&mut self, catalogue: Catalogue) -> Vec<String> {
        let (settings, unlisted) = self.rule.settings(&catalogue);
        if self.maker.is_none() || self.catalogue != catalogue {
            let mut maker = DecisionMaker::new(&catalogue, settings);
            maker.expire(self.expired_by);
            self.maker = Some(maker);
            self.catalogue = catalogue;
        }
        if let Some(maker) = &mut self.maker {
            maker.on_record(&Gap::new(self.last_ts, 0).into(), &mut Vec::new());
        }
        unlisted
    }

    /// Checks which approvals have expired at `now`, ns since 1970 UTC. They open nothing any more,
    /// whatever the time of the records. Returns what is to be told, once.
    pub fn expire(&mut self, now: Nanos) -> Vec<String> {
        let told = self.expiries.pass(now);
        if !told.is_empty() {
            self.expired_by = now;
            if let Some(maker) = &mut self.maker {
                maker.expire(now);
            }
        }
        told
    }

    /// Processes decoded records and appends the opportunities that opened and closed to `out`.
    pub fn take(&mut self, heard: Heard, records: &[Record], out: &mut Vec<Record>) {
        let Some(maker) = &mut self.maker else { return };
        if heard == Heard::InStep {
            maker.caught_up();
        }
        // Changes of the engine's recording do not concern the decision.
        for record in records.iter().filter(|record| !record.is::<Recording>()) {
            self.last_ts = self.last_ts.max(record.ts_recv());
            maker.on_record(record, out);
        }
    }

    /// Closes all open opportunities at the end, at `now`, ns since 1970 UTC.
    pub fn stop(&mut self, now: Nanos, out: &mut Vec<Record>) {
        if let Some(maker) = &mut self.maker {
            maker.close_all(CloseReason::Stopped, self.last_ts.max(now), out);
        }
    }

    /// Returns the catalogue, which has the names of the ids in the output.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }
}

/// Describes a recording record for people; `None` for records of other kinds.
#[must_use]
pub fn told_of_recording(record: &Record) -> Option<String> {
    if record.kind() != Some(Kind::Recording) {
        return None;
    }
    let Recording { state, lost, .. } = *record.view();
    Some(match RecordingState::of_code(state) {
        Some(RecordingState::On) => format!("the engine records again; {lost} inputs were lost"),
        state => {
            let why = state.map_or("unknown", RecordingState::name);
            format!("the engine does NOT record ({why}); {lost} inputs were lost so far")
        }
    })
}

/// Formats an opportunity's JSON line (as made by `opportunity::line_of`) for people. Names are
/// escaped, so the text is one line.
#[must_use]
pub fn told(line: &Value) -> String {
    let text = |key: &str| escape(line[key].as_str().unwrap_or("?")).to_string();
    let number = |key: &str| line[key].as_f64().unwrap_or_default();
    let (id, instrument, buy, sell) = (&line["id"], text("instrument"), text("buy"), text("sell"));
    if line["event"] == "opened" {
        let prices = format!(
            "{} x {} -> {} x {}",
            text("buy_px"),
            text("buy_sz"),
            text("sell_px"),
            text("sell_sz")
        );
        return format!(
            "opened #{id} {instrument} buy {buy} sell {sell} {prices} net {:.2} bp",
            number("net_bps")
        );
    }
    let lifetime = number("lifetime_ns") / 1e6;
    let peak = number("peak_net_bps");
    format!(
        "closed #{id} {instrument} buy {buy} sell {sell} after {lifetime:.3} ms, peak {peak:.2} bp, {}",
        text("reason")
    )
}
