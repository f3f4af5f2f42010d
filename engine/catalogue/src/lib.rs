//! The venues and instruments of a configuration, proved against the venues that there are.
//!
//! [`prove`] turns the two lists into the [`Catalogue`] by whose ids records name them, and tells
//! every problem at once. It decides which venue lists which instrument: one of its own market, or,
//! for what is compared across markets, one of either. Whoever needs the names alone, such as a tool
//! that reads a journal, needs nothing else of a configuration. [`trading`] proves what is done about
//! spreads.

use spreadwire_config::address::{Address, BadAddress};
use spreadwire_config::config::{self, Config};
use spreadwire_market::clock::{MILLI, Nanos, SECOND};
use spreadwire_market::decimal::SCALE_MAX;
use spreadwire_market::instrument::{
    CanonicalName, Catalogue, InstrumentId, Market, VENUES_MAX, VenueInfo,
};
use spreadwire_market::problem::{Faults, Problem};
use spreadwire_market::spread::{BPS, TAKER_FEES_BPS};
use spreadwire_venues::health::{Bounds, LINES_MAX};
use spreadwire_venues::venue::{Contract, VenueSpec};
use spreadwire_venues::venues;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub mod changes;
mod listings;
pub mod trading;

/// One venue of a configuration, proved.
#[derive(Clone, Debug)]
pub struct Venue {
    /// Where the configuration has it, for problems that are found later.
    pub place: config::Place,
    /// The registry's row.
    pub spec: &'static VenueSpec,
    /// The full addresses, including the path, of the first and the second line.
    pub addresses: [Address; 2],
    /// Base address of its REST API, without a path: `https://api.binance.com`.
    pub rest_url: String,
    /// PEM file of an authority to trust beside the public ones; it has not been read.
    pub ca_file: Option<PathBuf>,
    /// Its name, fee and age as the catalogue has them.
    pub info: VenueInfo,
    /// The bounds within which its quotes are taken for true.
    pub bounds: Bounds,
    /// Number of lines that carry the same symbols at once.
    pub lines: usize,
    /// What its sizes count, where that is contracts.
    pub contracts: BTreeMap<InstrumentId, Contract>,
}

impl Venue {
    /// The key of one of its fields: `venues[2].url`.
    #[must_use]
    pub fn key(&self, field: &str) -> String {
        key("venues", &self.place, field)
    }
}

fn key(list: &str, place: &config::Place, field: &str) -> String {
    format!("{list}[{}].{field}", place.number)
}

/// Reads a configuration for its catalogue alone; what the other sections mean is not looked at.
///
/// # Errors
/// Every problem of reading the file, and of its venues and instruments.
pub fn read(file: &Path) -> Result<Catalogue, Vec<Problem>> {
    let mut problems = Vec::new();
    let Some(config) = config::read(file, &mut problems) else { return Err(problems) };
    let mut faults = Faults::new(file, problems);
    let (_, catalogue) = prove(&config, &mut faults);
    if faults.is_empty() { Ok(catalogue) } else { Err(faults.into_list()) }
}

/// Adds instruments to a configuration under the list and the name that fit what their venues trade:
/// `BTC/USDT` on spot venues stays, on others it becomes `BTC/USDT:PERP` or `BTC/USDT:SPOT-PERP`. The
/// venues must stand in the configuration already. For configurations that a program writes.
pub fn add_by_market(config: &mut Config, instruments: Vec<config::Instrument>) {
    for mut instrument in instruments {
        let is_meant = |venue: &&config::Venue| {
            instrument.venues.as_ref().is_none_or(|list| list.contains(&venue.name))
        };
        let specs = config.venues.iter().filter(is_meant).filter_map(|v| venues::named(&v.name));
        let markets: Vec<Market> = specs.map(|spec| spec.market).collect();
        let common = markets.first().filter(|first| markets.iter().all(|it| it == *first));
        let written = CanonicalName::parse(&instrument.name);
        let name = written.map(|name| name.on(common.copied()).to_string());
        let spans = written.is_some() && common.is_none();
        instrument.name = name.unwrap_or(instrument.name);
        let list = if spans { &mut config.across_markets } else { &mut config.instruments };
        list.push(instrument);
    }
}

/// Proves the venues and instruments. Both results are worth something only while `faults` is empty.
pub fn prove(config: &Config, faults: &mut Faults) -> (Vec<Venue>, Catalogue) {
    let mut proved = Vec::new();
    let mut seen = BTreeSet::new();
    for venue in &config.venues {
        faults.in_file(venue.place.file.as_deref(), |faults| {
            if seen.insert(venue.name.as_str()) {
                proved.extend(prove_venue(venue, faults));
            } else {
                let reason = format!("venue {:?} stands twice", venue.name);
                faults.add(&key("venues", &venue.place, "name"), reason, "keep one of them");
            }
        });
    }
    if config.venues.len() < 2 {
        let reason = format!("{} venue(s) make no pair", config.venues.len());
        faults.add("venues", reason, "name two venues or more");
    }
    faults.within("venues", config.venues.len(), 0..=VENUES_MAX);
    let catalogue = listings::prove(config, &mut proved, faults);
    (proved, catalogue)
}

fn prove_venue(venue: &config::Venue, faults: &mut Faults) -> Option<Venue> {
    let key = |field: &str| key("venues", &venue.place, field);
    let Some(spec) = venues::named(&venue.name) else {
        let known: Vec<_> = venues::VENUES.iter().map(|v| v.name).collect();
        let remedy = format!("known venues are {}", known.join(", "));
        faults.add(&key("name"), format!("no venue is called {:?}", venue.name), remedy);
        return None;
    };
    let base = venue.url.as_deref().unwrap_or(spec.url);
    let address = prove_address(base, (spec.url, spec.path), Address::parse, &key("url"), faults);
    let rest = &spec.instruments;
    let rest_url = venue.rest_url.as_deref().unwrap_or(rest.url);
    let own = (rest.url, rest.path);
    prove_address(rest_url, own, Address::parse_http, &key("rest_url"), faults);
    let rest_url = rest_url.trim_end_matches('/').to_owned();
    let fee = venue.taker_fee_bps.unwrap_or(spec.taker_fee_bps);
    faults.within(&key("taker_fee_bps"), fee, TAKER_FEES_BPS);
    let max_age_ms = venue.max_age_ms.unwrap_or(config::MAX_AGE_MS_DEFAULT);
    faults.within(&key("max_age_ms"), max_age_ms, 1..=3_600_000);
    let info = VenueInfo {
        name: venue.name.clone(),
        taker_fee: fee / BPS,
        max_age: max_age_ms.saturating_mul(MILLI),
    };
    let (place, ca_file) = (venue.place.clone(), venue.ca_file.clone());
    let bounds = prove_bounds(venue, spec, &info, &key, faults);
    let lines = venue.lines.unwrap_or(1);
    faults.within(&key("lines"), lines, 1..=LINES_MAX - 1);
    let second_address = match venue.second_url.as_deref() {
        None => address.clone(),
        Some(url) => {
            prove_address(url, (spec.url, spec.path), Address::parse, &key("second_url"), faults)
        }
    };
    if venue.second_url.is_some() && lines < 2 {
        let reason = format!("there is {lines} line");
        faults.add(&key("second_url"), reason, "set lines = 2, or remove it");
    }
    let addresses = [address?, second_address?];
    let contracts = BTreeMap::new();
    Some(Venue { place, spec, addresses, rest_url, ca_file, info, bounds, lines, contracts })
}

/// Proves a base address, to which the venue's path is added. `own` is the venue's own base and path.
fn prove_address(
    base: &str,
    own: (&str, &str),
    parse: fn(&str) -> Result<Address, BadAddress>,
    key: &str,
    faults: &mut Faults,
) -> Option<Address> {
    let has_path = base.splitn(4, '/').nth(3).is_some_and(|path| !path.is_empty());
    let address = parse(&format!("{}{}", base.trim_end_matches('/'), own.1));
    if has_path {
        let reason = format!("{base:?} has a path; the venue's own, {}, is added", own.1);
        faults.add(key, reason, "write scheme, host and port alone");
    } else if let Err(error) = &address {
        faults.add(key, error.to_string(), format!("the venue's own is {}", own.0));
    }
    address.ok()
}

/// Proves the bounds within which a venue's quotes are taken for true.
fn prove_bounds(
    venue: &config::Venue,
    spec: &VenueSpec,
    info: &VenueInfo,
    key: &impl Fn(&str) -> String,
    faults: &mut Faults,
) -> Bounds {
    let max_lag_ms = venue.max_lag_ms.unwrap_or(config::MAX_LAG_MS_DEFAULT);
    faults.within(&key("max_lag_ms"), max_lag_ms, 0..=3_600_000);
    let max_jump_bps = venue.max_jump_bps.unwrap_or(config::MAX_JUMP_BPS_DEFAULT);
    faults.within(&key("max_jump_bps"), max_jump_bps, 0.0..=1e9);
    Bounds {
        max_age: info.max_age,
        max_lag: if max_lag_ms == 0 { Nanos::MAX } else { max_lag_ms.saturating_mul(MILLI) },
        max_jump: if max_jump_bps == 0.0 { f64::INFINITY } else { max_jump_bps / BPS },
        // A venue that repeats quotes also sends the present one on subscription.
        first_quote: if spec.repeats_within.is_some() { 10 * SECOND } else { 60 * SECOND },
        repeats_within: spec.repeats_within,
    }
}

/// Proves the decimals of an instrument; returns those of prices and of sizes.
fn prove_decimals(
    instrument: &config::Instrument,
    key: &impl Fn(&str) -> String,
    faults: &mut Faults,
) -> (u8, u8) {
    let (prices, sizes) = (instrument.price_decimals, instrument.size_decimals);
    faults.within(&key("price_decimals"), prices, 0..=SCALE_MAX);
    faults.within(&key("size_decimals"), sizes, 0..=SCALE_MAX);
    (prices.min(SCALE_MAX), sizes.min(SCALE_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&str; 4] = ["binance", "binance-usdm", "bybit", "okx"];

    /// A configuration of these venues, and of instruments as lines of `list name rest`.
    fn text(venues: &[&str], instruments: &[(&str, &str, &str)]) -> String {
        let mut text = String::new();
        for venue in venues {
            text.push_str(&format!("[[venues]]\nname = {venue:?}\n"));
        }
        for (list, name, rest) in instruments {
            text.push_str(&format!(
                "[[{list}]]\nname = {name:?}\nprice_decimals = 2\nsize_decimals = 8\n{rest}\n"
            ));
        }
        text
    }

    fn proved(
        venues: &[&str],
        instruments: &[(&str, &str, &str)],
    ) -> Result<Catalogue, Vec<String>> {
        let (config, unknown) = config::parse(&text(venues, instruments)).unwrap();
        assert!(unknown.is_empty(), "{unknown:?}");
        let mut faults = Faults::new("test.toml".as_ref(), Vec::new());
        let (_, catalogue) = prove(&config, &mut faults);
        let told: Vec<String> = faults.into_list().iter().map(ToString::to_string).collect();
        if told.is_empty() { Ok(catalogue) } else { Err(told) }
    }

    /// The one problem, without the file.
    fn told(venues: &[&str], instruments: &[(&str, &str, &str)]) -> String {
        let all = proved(venues, instruments).unwrap_err();
        assert_eq!(all.len(), 1, "{all:#?}");
        all[0].strip_prefix("test.toml: ").unwrap().to_owned()
    }

    /// `venue symbol` of each listing of an instrument.
    fn listed(catalogue: &Catalogue, name: &str) -> Vec<String> {
        let id = catalogue.instrument_named(name).unwrap();
        let own = catalogue.listings.iter().filter(|listing| listing.instrument == id);
        own.map(|it| format!("{} {}", catalogue.venue(it.venue).name, it.symbol)).collect()
    }

    #[test]
    fn an_instrument_is_listed_on_the_venues_of_its_market() {
        let both = [("instruments", "BTC/USDT", ""), ("instruments", "BTC/USDT:PERP", "")];
        let catalogue = proved(&ALL, &both).unwrap();
        let spot = ["binance BTCUSDT", "bybit BTCUSDT", "okx BTC-USDT"];
        assert_eq!(listed(&catalogue, "BTC/USDT"), spot);
        assert_eq!(listed(&catalogue, "BTC/USDT:PERP"), ["binance-usdm BTCUSDT"]);
        let spanning = proved(&ALL, &[("across_markets", "BTC/USDT:SPOT-PERP", "")]).unwrap();
        assert_eq!(listed(&spanning, "BTC/USDT:SPOT-PERP").len(), 4);
        let some = "venues = [\"okx\", \"binance-usdm\"]";
        let spanning = proved(&ALL, &[("across_markets", "BTC/USDT:SPOT-PERP", some)]).unwrap();
        let two = ["binance-usdm BTCUSDT", "okx BTC-USDT"];
        assert_eq!(listed(&spanning, "BTC/USDT:SPOT-PERP"), two);
    }

    #[test]
    fn an_instrument_that_no_venue_can_list_is_refused_with_its_market() {
        assert_eq!(
            told(&["binance", "okx"], &[("instruments", "BTC/USDT:PERP", "")])
                .split("; ")
                .collect::<Vec<_>>(),
            [
                "instruments[0].name: BTC/USDT:PERP is listed on linear perpetual venues, and there is \
                 none here",
                "add a linear perpetual venue (binance-usdm, bingx-perp, bitget-perp, bybit-linear, \
                 cryptocom-perp, deribit, gate-perp, htx-perp, hyperliquid, kraken-futures, kucoin-perp, \
                 mexc-perp, okx-swap), or name BTC/USDT",
            ]
        );
        let one_market = told(&["binance", "okx"], &[("across_markets", "BTC/USDT:SPOT-PERP", "")]);
        assert!(
            one_market.ends_with(
                "none of its is a linear perpetual one; add a linear perpetual venue (binance-usdm, \
                 bingx-perp, bitget-perp, bybit-linear, cryptocom-perp, deribit, gate-perp, htx-perp, \
                 hyperliquid, kraken-futures, kucoin-perp, mexc-perp, okx-swap), or write \
                 BTC/USDT under [[instruments]]"
            ),
            "{one_market}"
        );
        let only = "venues = [\"binance\", \"okx\"]";
        let named = told(&ALL, &[("across_markets", "BTC/USDT:SPOT-PERP", only)]);
        assert_eq!(named, one_market);
    }

    #[test]
    fn a_venue_of_the_other_market_is_refused_where_it_is_named() {
        for (field, rest) in [
            ("venues", "venues = [\"okx\", \"binance-usdm\"]"),
            ("symbols", "symbols = { binance-usdm = \"BTCUSDT\" }"),
        ] {
            assert_eq!(
                told(
                    &ALL,
                    &[("instruments", "BTC/USDT", rest), ("instruments", "ETH/USDT:PERP", "")]
                ),
                format!(
                    "instruments[0].{field}: binance-usdm is a linear perpetual venue, and BTC/USDT \
                     is listed on spot venues; BTC/USDT:PERP is its instrument there; to compare both markets, write \
                     BTC/USDT:SPOT-PERP under [[across_markets]]"
                )
            );
        }
    }

    #[test]
    fn each_list_holds_the_names_of_its_kind() {
        assert_eq!(
            told(&ALL, &[("instruments", "BTC/USDT:SPOT-PERP", "")]),
            "instruments[0].name: BTC/USDT:SPOT-PERP compares spot with perpetual; write it under \
             [[across_markets]]"
        );
        assert_eq!(
            told(&ALL, &[("across_markets", "BTC/USDT", "")]),
            "across_markets[0].name: BTC/USDT is listed on spot venues alone; write BTC/USDT:SPOT-PERP \
             here, or BTC/USDT under [[instruments]]"
        );
    }

    /// A file of before venues had a market: spot names on a venue of perpetuals.
    #[test]
    fn a_venue_whose_market_no_instrument_has_is_refused_with_what_to_write() {
        assert_eq!(
            told(&ALL, &[("instruments", "BTC/USDT", "")]),
            "venues[1].name: binance-usdm is a linear perpetual venue, and no instrument is listed on those; name \
             BTC/USDT:PERP under [[instruments]], compare both markets as BTC/USDT:SPOT-PERP under \
             [[across_markets]], or remove the venue"
        );
    }

    #[test]
    fn a_symbol_stands_for_one_instrument() {
        let both = [("instruments", "BTC/USDT", ""), ("across_markets", "BTC/USDT:SPOT-PERP", "")];
        let all = proved(&ALL, &both).unwrap_err();
        assert_eq!(all.len(), 3, "one for each spot venue: {all:#?}");
        let expected = "across_markets[0].symbols: BTCUSDT of binance stands for another \
                        instrument, BTC/USDT; a venue's symbol means one instrument: keep one";
        assert!(all[0].contains(expected), "{}", all[0]);
        let parted = [
            ("instruments", "BTC/USDT", "venues = [\"binance\", \"bybit\"]"),
            ("across_markets", "BTC/USDT:SPOT-PERP", "venues = [\"okx\", \"binance-usdm\"]"),
        ];
        assert!(proved(&ALL, &parted).is_ok());
    }

    #[test]
    fn instruments_of_a_program_are_named_after_the_markets_of_their_venues() {
        let instruments = [
            ("instruments", "BTC/USDT", ""),
            ("instruments", "ETH/USDT", "venues = [\"okx\", \"bybit\"]"),
            ("instruments", "SOL/USDT", "venues = [\"binance-usdm\"]"),
        ];
        let (mut config, _) = config::parse(&text(&ALL, &instruments)).unwrap();
        let instruments = std::mem::take(&mut config.instruments);
        add_by_market(&mut config, instruments);
        let names =
            |list: &[config::Instrument]| list.iter().map(|it| it.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&config.instruments), ["ETH/USDT", "SOL/USDT:PERP"]);
        assert_eq!(names(&config.across_markets), ["BTC/USDT:SPOT-PERP"]);
    }

    #[test]
    fn names_alone_are_read_without_the_other_sections() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("engine.toml");
        let text = text(&["okx", "bybit"], &[("instruments", "BTC/USDT", "")]);
        std::fs::write(&file, format!("{text}[journal]\nflush_ms = 0\n")).unwrap();
        assert_eq!(listed(&read(&file).unwrap(), "BTC/USDT").len(), 2);
        std::fs::write(&file, text.replace("okx", "okks")).unwrap();
        assert_eq!(read(&file).unwrap_err().len(), 1);
    }

    #[test]
    fn a_venue_that_counts_contracts_needs_their_size_and_no_other_has_one() {
        let rest = |sizes: &str| format!("contract_sizes = {{ {sizes} }}");
        let one = |sizes: &str| {
            let rest = if sizes.is_empty() { String::new() } else { rest(sizes) };
            proved(&["binance-usdm", "gate-perp"], &[("instruments", "BTC/USDT:PERP", &rest)])
        };
        assert!(one("gate-perp = \"0.0001\"").is_ok());
        for (sizes, expected) in [
            (
                "",
                "instruments[0].contract_sizes: sizes of BTC_USDT on gate-perp are numbers of \
                 contracts; write contract_sizes = { gate-perp = \"SIZE\" } with the base units of \
                 one contract; `spreadwire check --online` tells them",
            ),
            (
                "gate-perp = \"0\"",
                "instruments[0].contract_sizes: the contract size of BTC_USDT on gate-perp is 0, which \
                 is no step; write a positive number such as \"0.001\"",
            ),
            (
                "gate-perp = \"0.0000000001\"",
                "instruments[0].size_decimals: 8 decimals do not hold the contract of BTC_USDT on \
                 gate-perp (0.0000000001); set size_decimals = 10",
            ),
            (
                "gate-perp = \"0.0001\", binance-usdm = \"1\"",
                "instruments[0].contract_sizes: sizes of BTCUSDT on binance-usdm are in base units; \
                 remove binance-usdm from `contract_sizes`",
            ),
            (
                "gate-perp = \"0.0001\", nowhere = \"1\"",
                "instruments[0].contract_sizes: no venue \"nowhere\" here; name venues that stand in \
                 this configuration",
            ),
        ] {
            let problems = one(sizes).unwrap_err();
            assert_eq!(problems, [format!("test.toml: {expected}")], "{sizes}");
        }
    }

    #[test]
    fn a_venue_of_one_quote_currency_lists_only_what_is_paid_in_it() {
        let venues = ["binance-usdm", "bitget-perp", "hyperliquid"];
        let both = [("instruments", "BTC/USDT:PERP", ""), ("instruments", "BTC/USDC:PERP", "")];
        let catalogue = proved(&venues, &both).unwrap();
        let usdt = ["binance-usdm BTCUSDT", "bitget-perp BTCUSDT"];
        assert_eq!(listed(&catalogue, "BTC/USDT:PERP"), usdt);
        let usdc = ["binance-usdm BTCUSDC", "bitget-perp BTCUSDC", "hyperliquid BTC"];
        assert_eq!(listed(&catalogue, "BTC/USDC:PERP"), usdc);
        let named = "venues = [\"binance-usdm\", \"hyperliquid\"]";
        assert_eq!(
            proved(&venues, &[both[1], ("instruments", "ETH/USDT:PERP", named)]).unwrap_err(),
            [
                "test.toml: instruments[1].venues: ETH/USDT:PERP is not paid in USDC, and hyperliquid \
                 lists only that; remove hyperliquid, or name the instrument in USDC"
            ]
        );
    }
}
