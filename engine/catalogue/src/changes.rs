//! Which changes of a configuration a running trader can take.

use crate::trading::TradingPlan;
use spreadwire_market::decision::{PairRule, Settings};
use spreadwire_market::instrument::{Catalogue, InstrumentId, VenueId};
use spreadwire_market::spread::BPS;

/// What a trader goes by.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// Venues and instruments.
    pub catalogue: &'a Catalogue,
    /// Thresholds.
    pub thresholds: &'a Settings,
    /// The section `[trading]`; `None` for one that only watches.
    pub trading: Option<&'a TradingPlan>,
}

/// Entry and exit threshold, fractions, of an ordered pair: the instrument, the venue to buy on and that to
/// sell on.
pub type Threshold = ((InstrumentId, VenueId, VenueId), (f64, f64));

/// Returns why a running trader that goes by `old` cannot go by `new`, a sentence each; nothing if it can.
#[must_use]
pub fn obstacles(old: Rules<'_>, new: Rules<'_>) -> Vec<String> {
    let mut obstacles = Vec::new();
    let mut fixed = |is_same: bool, what: &str| {
        if !is_same {
            obstacles.push(format!("{what} cannot change while it runs; start it again"));
        }
    };
    fixed(old.catalogue == new.catalogue, "venues and instruments");
    fixed(old.trading.is_some() == new.trading.is_some(), "trading.mode");
    if let (Some(old), Some(new)) = (old.trading, new.trading) {
        fixed(old.settings.assets == new.settings.assets, "the traded assets");
        fixed(old.settings.currency == new.settings.currency, "trading.currency");
        fixed(old.settings.terms == new.settings.terms, "trading.markets");
        fixed(old.owner == new.owner, "trading.owner");
        fixed(old.paper == new.paper, "latencies, rejects and the seed of orders on paper");
        let files = |plan: &TradingPlan| (plan.journal.clone(), plan.kill_file.clone());
        fixed(files(old) == files(new), "trading.journal and trading.kill_file");
    }
    if obstacles.is_empty() {
        obstacles.extend(leaps(old, new));
    }
    obstacles
}

/// Returns the thresholds that move further than the old rules allow.
fn leaps(old: Rules<'_>, new: Rules<'_>) -> Vec<String> {
    let Some(max_step) = old.trading.map(|trading| trading.max_step) else { return Vec::new() };
    let before = thresholds(old);
    let mut leaps = Vec::new();
    for (pair, now) in thresholds(new) {
        let Some((_, was)) = before.iter().find(|(known, _)| *known == pair) else { continue };
        for (what, was, now) in [("entry", was.0, now.0), ("exit", was.1, now.1)] {
            // A thousandth of a basis point for the rounding of fractions.
            if max_step + 1e-7 < (now - was).abs() {
                leaps.push(format!(
                    "{} buy {} sell {}: the {what} would move from {:.2} to {:.2} bp, and \
                     trading.max_step_bps is {:.2}; move it in steps, or start again",
                    old.catalogue.instrument(pair.0).name,
                    old.catalogue.venue(pair.1).name,
                    old.catalogue.venue(pair.2).name,
                    was * BPS,
                    now * BPS,
                    max_step * BPS,
                ));
            }
        }
    }
    leaps
}

/// Returns entry and exit of each pair that may open.
#[must_use]
pub fn thresholds(rules: Rules<'_>) -> Vec<Threshold> {
    let Settings { entry, exit, enabled, rules: of_pairs, .. } = rules.thresholds;
    if let Some(of_pairs) = of_pairs {
        let on = of_pairs.pairs.iter().filter(|rule| enabled[rule.instrument.index()]);
        let of = |rule: &PairRule| {
            ((rule.instrument, rule.buy_venue, rule.sell_venue), (rule.entry, rule.exit))
        };
        return on.map(of).collect();
    }
    let mut all = Vec::new();
    for (id, _) in (0..).map(InstrumentId).zip(enabled).filter(|(_, on)| **on) {
        let venues = rules.catalogue.venues_of(id);
        for buy in &venues {
            let others = venues.iter().filter(|sell| *sell != buy);
            all.extend(others.map(|sell| ((id, *buy, *sell), (*entry, *exit))));
        }
    }
    all
}
