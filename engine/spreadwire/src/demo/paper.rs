//! What the demo's venues hold on paper.

use spreadwire_config::config::Config;
use spreadwire_config::trading::{Number, Trading, TradingVenue};
use spreadwire_market::instrument::CanonicalName;

/// What each venue holds of the currency.
const CURRENCY: &str = "100000";
/// What each venue holds of the assets of the model: about as much in value.
const ASSETS: [(&str, &str); 5] =
    [("BTC", "2"), ("ETH", "50"), ("SOL", "1000"), ("XRP", "100000"), ("DOGE", "500000")];
/// What it holds of an asset of a tape, whose value is not known here.
const OTHER: &str = "1000000";

/// Returns a section `[trading]` that executes on paper, if everything is paid with one currency.
pub(super) fn trading(config: &Config) -> Trading {
    let usual = Trading::default();
    let instruments = config.instruments.iter().chain(&config.across_markets);
    let names: Vec<_> = instruments.filter_map(|it| CanonicalName::parse(&it.name)).collect();
    if names.iter().any(|name| name.quote != usual.currency) {
        return usual;
    }
    let bases = names.iter().map(|name| (name.base.to_owned(), Number(of(name.base).to_owned())));
    let mut balances: std::collections::BTreeMap<String, Number> = bases.collect();
    balances.insert(usual.currency.clone(), Number(CURRENCY.to_owned()));
    let venue =
        |name: &str| TradingVenue { balances: balances.clone(), ..TradingVenue::named(name) };
    let venues = config.venues.iter().map(|it| venue(&it.name)).collect();
    Trading { mode: "paper".to_owned(), venues, ..usual }
}

fn of(asset: &str) -> &'static str {
    ASSETS.into_iter().find(|(name, _)| *name == asset).map_or(OTHER, |(_, amount)| amount)
}
