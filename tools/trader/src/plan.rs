//! What the trader goes by, proved: the engine's configuration with the approved pairs and the options of
//! the command line. It can be read again while the trader runs; a change is taken as a whole or not at
//! all.

use crate::trader::Rule;
use spreadwire_catalogue::changes::{self, Rules};
use spreadwire_catalogue::trading::{self, TradingPlan};
use spreadwire_config::config::{self, Config};
use spreadwire_lake::layout;
use spreadwire_market::approved::{self, Approved, Expiries};
use spreadwire_market::clock::Nanos;
use spreadwire_market::decision;
use spreadwire_market::instrument::{Catalogue, InstrumentId};
use spreadwire_market::problem::Faults;
use spreadwire_market::spread;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Name of the kill file in that folder.
const KILL_NAME: &str = "kill";
/// Name of the control socket in the folder of the journal.
pub const SOCKET_NAME: &str = "trader.sock";

/// What overrides the configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// The file of approved pairs.
    pub approved: Option<PathBuf>,
    /// Entry threshold, basis points.
    pub entry_bps: Option<f64>,
    /// Exit threshold, basis points.
    pub exit_bps: Option<f64>,
    /// Cooldown, ns.
    pub cooldown: Option<Nanos>,
    /// Instruments to decide on.
    pub instruments: Vec<String>,
    /// Folder of the journal of decisions.
    pub journal: Option<PathBuf>,
    /// Largest notional of an order, in the currency of the books: the smaller of this and the limit
    /// holds.
    pub max_notional: Option<spreadwire_trading::amount::Amount>,
}

/// Where a trader keeps its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Folder of the journal of decisions.
    pub folder: PathBuf,
    /// While this file exists, no order is sent.
    pub kill_file: PathBuf,
    /// The control socket.
    pub socket: PathBuf,
}

impl Places {
    /// Returns the places of a configuration. `journal` overrides its folder.
    #[must_use]
    pub fn of(config: &Config, journal: Option<&Path>) -> Places {
        let written = journal.map(Path::to_owned).or(config.trading.journal.clone());
        let folder = written.unwrap_or_else(|| config.journal.lake.join(layout::TRADING));
        let kill_file = config.trading.kill_file.clone();
        Places {
            kill_file: kill_file.unwrap_or_else(|| folder.join(KILL_NAME)),
            socket: folder.join(SOCKET_NAME),
            folder,
        }
    }
}

/// Everything that a trader goes by.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Venues and instruments of the configuration.
    pub catalogue: Catalogue,
    /// Thresholds.
    pub thresholds: decision::Settings,
    /// Terms, limits, balances.
    pub trading: TradingPlan,
    /// Where its files are.
    pub places: Places,
    /// A net spread further from zero than this is no spread, a fraction.
    pub max_net: f64,
    /// When the approvals expire; `None` if there are none to go by.
    pub expiries: Option<Expiries>,
    /// The approved pairs in a sentence.
    pub described: Option<String>,
}

impl Plan {
    /// Reads the configuration and the approved pairs as of `now`, ns since 1970 UTC.
    ///
    /// # Errors
    /// Every problem, a line each, with the key and a remedy.
    pub fn read(file: &Path, overrides: &Overrides, now: Nanos) -> Result<Plan, Vec<String>> {
        let mut problems = Vec::new();
        let config = config::read(file, &mut problems);
        let Some(mut config) = config else { return Err(lines(&problems)) };
        if config.trading.mode == "off" {
            // That is for the engine. What trading needs is proved for this trader all the same.
            "paper".clone_into(&mut config.trading.mode);
        }
        let mut faults = Faults::new(file, problems);
        let (_, catalogue) = spreadwire_catalogue::prove(&config, &mut faults);
        let named = overrides.approved.as_ref().or(config.decision.approved.as_ref());
        let approved =
            named.and_then(|path| approved::read(path).map_err(|more| faults.extend(more)).ok());
        let mut trading =
            trading::prove(&config.trading, &catalogue, approved.as_ref(), &mut faults);
        if let Some(most) = overrides.max_notional {
            let limit = &mut trading.settings.limits.order;
            *limit = (*limit).min(most);
        }
        let rule = rule(&config, overrides, (approved, now), &mut faults);
        let file = named.filter(|_| rule.approved.is_some()).map(PathBuf::as_path);
        faults.in_file(file, |faults| unknown_pairs(&rule, &catalogue, faults));
        let places = Places::of(&config, overrides.journal.as_deref());
        if !faults.is_empty() {
            return Err(lines(&faults.into_list()));
        }
        let (thresholds, _) = rule.settings(&catalogue);
        let expiries = rule.approved.as_ref().map(|_| rule.expiries());
        let described = rule.describe();
        let max_net = spread::max_net(config.calculator.max_net_bps);
        Ok(Plan { catalogue, thresholds, trading, places, max_net, expiries, described })
    }

    /// Returns the instruments that anything may open in, by name.
    #[must_use]
    pub fn wanted(&self) -> Vec<String> {
        let pairs = changes::thresholds(self.rules());
        let wanted: BTreeSet<InstrumentId> = pairs.iter().map(|(pair, _)| pair.0).collect();
        wanted.into_iter().map(|id| self.catalogue.instrument(id).name.clone()).collect()
    }

    /// Returns why a running trader cannot go by another plan instead of this one; nothing if it can.
    #[must_use]
    pub fn obstacles(&self, next: &Plan) -> Vec<String> {
        let mut obstacles = changes::obstacles(self.rules(), next.rules());
        if self.places != next.places {
            let what = "the folder of the journal or the kill file";
            obstacles.push(format!("{what} cannot change while it runs; start it again"));
        }
        obstacles
    }

    fn rules(&self) -> Rules<'_> {
        let Plan { catalogue, thresholds, trading, .. } = self;
        Rules { catalogue, thresholds, trading: Some(trading) }
    }
}

fn rule(
    config: &Config,
    overrides: &Overrides,
    (approved, read_at): (Option<Approved>, Nanos),
    faults: &mut Faults,
) -> Rule {
    let decision = &config.decision;
    let instruments = match &overrides.instruments[..] {
        [] => decision.instruments.clone(),
        named => named.to_vec(),
    };
    let rule = Rule {
        entry_bps: overrides.entry_bps.unwrap_or(decision.entry_bps),
        exit_bps: overrides.exit_bps.unwrap_or(decision.exit_bps),
        cooldown: overrides.cooldown.unwrap_or_else(|| millis(decision.cooldown_ms)),
        instruments,
        approved,
        read_at,
    };
    let is_ordered = rule.exit_bps.is_finite() && rule.exit_bps <= rule.entry_bps;
    if !rule.entry_bps.is_finite() || !is_ordered {
        let (entry, exit) = (rule.entry_bps, rule.exit_bps);
        let reason = format!("the exit, {exit} bp, is above the entry, {entry} bp");
        faults.add("decision.exit_bps", reason, "lower it");
    }
    let is_asked = overrides.entry_bps.or(overrides.exit_bps).is_some();
    if rule.approved.is_some() && is_asked {
        let reason = "--entry-bps and --exit-bps have no effect with approved pairs";
        faults.add("decision", reason, "set entry_bps and exit_bps of the pair in that file");
    }
    rule
}

/// Reports what may open and is not in the catalogue.
fn unknown_pairs(rule: &Rule, catalogue: &Catalogue, faults: &mut Faults) {
    let (_, unknown) = rule.settings(catalogue);
    for name in unknown {
        let reason = format!("{name} is not among the configured venues and instruments");
        faults.add("decision", reason, "configure it, or revoke it with `analyzer revoke`");
    }
}

fn millis(millis: u64) -> Nanos {
    millis.saturating_mul(spreadwire_market::clock::MILLI)
}

fn lines(problems: &[spreadwire_market::problem::Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}
