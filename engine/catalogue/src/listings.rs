//! Which venue lists which instrument, and under what symbol.

use crate::{Venue, key, prove_decimals};
use spreadwire_config::config::{self, Config};
use spreadwire_market::fit::NAME_BYTES_MAX;
use spreadwire_market::instrument::{
    CanonicalName, Catalogue, Instrument, InstrumentId, Listing, Market, VenueId,
};
use spreadwire_market::problem::Faults;
use spreadwire_venues::venue::{Contract, Sizes};
use spreadwire_venues::venues;

/// The list for instruments of one market.
const ONE_MARKET: &str = "instruments";
/// The list for instruments that are compared across markets.
const ACROSS: &str = "across_markets";

/// One instrument of a configuration, as it is looked at.
struct Looked<'a> {
    /// The list that it stands in.
    list: &'static str,
    written: &'a config::Instrument,
    name: CanonicalName<'a>,
}

pub(crate) fn prove(config: &Config, venues: &mut [Venue], faults: &mut Faults) -> Catalogue {
    let mut catalogue = Catalogue {
        venues: venues.iter().map(|venue| venue.info.clone()).collect(),
        ..Catalogue::default()
    };
    if config.instruments.is_empty() && config.across_markets.is_empty() {
        faults.add(ONE_MARKET, "there is none", "name what to compare: [[instruments]]");
    }
    // A venue or an instrument with a problem of its own is not followed by those that come of it.
    let are_known = venues.len() == config.venues.len();
    let one = config.instruments.iter().map(|it| (ONE_MARKET, it));
    let across = config.across_markets.iter().map(|it| (ACROSS, it));
    let mut names = Vec::new();
    for (list, written) in one.chain(across) {
        faults.in_file(written.place.file.as_deref(), |faults| {
            let Some(name) = prove_name(list, written, &catalogue, faults) else { return };
            let looked = Looked { list, written, name };
            let id = looked.add(&mut catalogue, faults);
            looked.prove_venues(venues, faults);
            looked.add_listings(id, venues, &mut catalogue, faults);
            if are_known && looked.prove_markets(venues, faults) {
                names.push(name);
            }
        });
    }
    if names.len() == config.instruments.len() + config.across_markets.len() {
        prove_use(&names, venues, &catalogue, faults);
    }
    catalogue
}

/// Returns the instrument's name in its parts, if it is one, is new, and stands in the right list.
fn prove_name<'a>(
    list: &str,
    written: &'a config::Instrument,
    catalogue: &Catalogue,
    faults: &mut Faults,
) -> Option<CanonicalName<'a>> {
    let key = key(list, &written.place, "name");
    let Some(name) = CanonicalName::parse(&written.name) else {
        let reason = format!("{:?} is no instrument", written.name);
        let remedy = if list == ACROSS {
            "write BASE/QUOTE:SPOT-PERP"
        } else {
            "write BASE/QUOTE or BASE/QUOTE:PERP"
        };
        faults.add(&key, reason, remedy);
        return None;
    };
    let bytes = written.name.len();
    if NAME_BYTES_MAX < bytes {
        let reason = format!("the name is {bytes} bytes long");
        faults.add(&key, reason, format!("the lake holds names of at most {NAME_BYTES_MAX} bytes"));
        return None;
    }
    if catalogue.instrument_named(&written.name).is_some() {
        let reason = format!("instrument {:?} stands twice", written.name);
        faults.add(&key, reason, "keep one of them");
        return None;
    }
    match name.market {
        Some(market) if list == ACROSS => {
            let reason = format!("{name} is listed on {market} venues alone");
            let spanning = name.on(None);
            let remedy = format!("write {spanning} here, or {name} under [[{ONE_MARKET}]]");
            faults.add(&key, reason, remedy);
        }
        None if list == ONE_MARKET => {
            let reason = format!("{name} compares spot with perpetual");
            faults.add(&key, reason, format!("write it under [[{ACROSS}]]"));
        }
        Some(_) | None => return Some(name),
    }
    None
}

impl Looked<'_> {
    fn key(&self, field: &str) -> String {
        key(self.list, &self.written.place, field)
    }

    fn add(&self, catalogue: &mut Catalogue, faults: &mut Faults) -> InstrumentId {
        let key = |field: &str| self.key(field);
        let (price_scale, size_scale) = prove_decimals(self.written, &key, faults);
        let id = InstrumentId(u32::try_from(catalogue.instruments.len()).unwrap_or(u32::MAX));
        let name = self.written.name.clone();
        catalogue.instruments.push(Instrument { name, price_scale, size_scale });
        id
    }

    /// Whether venues of this market may list it.
    fn may_be_on(&self, market: Market) -> bool {
        self.name.market.is_none_or(|own| own == market)
    }

    fn is_wanted_on(&self, venue: &Venue) -> bool {
        self.written.venues.as_ref().is_none_or(|list| list.contains(&venue.info.name))
    }

    /// Every venue that it names must be one of the configuration, and of its market.
    fn prove_venues(&self, venues: &[Venue], faults: &mut Faults) {
        let named = self.written.venues.iter().flatten().map(|name| (name, "venues"));
        let spelt = self.written.symbols.keys().map(|name| (name, "symbols"));
        let counted = self.written.contract_sizes.keys().map(|name| (name, "contract_sizes"));
        for (name, field) in named.chain(spelt).chain(counted) {
            let Some(venue) = venues.iter().find(|venue| venue.info.name == *name) else {
                let remedy = "name venues that stand in this configuration";
                faults.add(&self.key(field), format!("no venue {name:?} here"), remedy);
                continue;
            };
            if let Some(quotes) = venue.spec.quotes.filter(|own| !own.contains(&self.name.quote)) {
                let quotes = quotes.join(", ");
                let reason =
                    format!("{} is not paid in {quotes}, and {name} lists only that", self.name);
                let remedy = format!("remove {name}, or name the instrument in {quotes}");
                faults.add(&self.key(field), reason, remedy);
                continue;
            }
            let theirs = venue.spec.market;
            if let Some(own) = self.name.market.filter(|own| *own != theirs) {
                let reason = format!(
                    "{name} is a {theirs} venue, and {} is listed on {own} venues",
                    self.name
                );
                let there = self.name.on(Some(theirs));
                let spanning = self.name.on(None);
                let remedy = format!(
                    "{there} is its instrument there; to compare both markets, write {spanning} \
                     under [[{ACROSS}]]"
                );
                faults.add(&self.key(field), reason, remedy);
            }
        }
    }

    fn add_listings(
        &self,
        instrument: InstrumentId,
        venues: &mut [Venue],
        catalogue: &mut Catalogue,
        faults: &mut Faults,
    ) {
        for (number, listed) in venues.iter_mut().enumerate() {
            let may_list =
                self.may_be_on(listed.spec.market) && listed.spec.quotes_in(self.name.quote);
            if !self.is_wanted_on(listed) || !may_list {
                continue;
            }
            let venue_name = listed.info.name.clone();
            let customary = || (listed.spec.symbol)(self.name.base, self.name.quote);
            let symbol = self.written.symbols.get(&venue_name).cloned().unwrap_or_else(customary);
            let venue = VenueId(u8::try_from(number).unwrap_or(u8::MAX));
            if symbol.is_empty() {
                let reason = format!("the symbol of {venue_name} is empty");
                faults.add(&self.key("symbols"), reason, "leave it out for the customary spelling");
            }
            let twin = catalogue.listings.iter().find(|l| l.venue == venue && l.symbol == symbol);
            if let Some(twin) = twin {
                let other = &catalogue.instrument(twin.instrument).name;
                let reason =
                    format!("{symbol} of {venue_name} stands for another instrument, {other}");
                let remedy = format!(
                    "a venue's symbol means one instrument: keep one of the two, or part their \
                     venues by `venues`; what stands under [[{ACROSS}]] compares every venue with \
                     every other, those of one market too"
                );
                faults.add(&self.key("symbols"), reason, remedy);
            }
            if let Some(contract) = self.prove_contract(listed, &symbol, faults) {
                listed.contracts.insert(instrument, contract);
            }
            catalogue.listings.push(Listing { venue, instrument, symbol });
        }
    }

    /// Returns what the venue's sizes of this instrument count, where that is contracts.
    fn prove_contract(&self, venue: &Venue, symbol: &str, faults: &mut Faults) -> Option<Contract> {
        let (name, key) = (&venue.info.name, self.key("contract_sizes"));
        let written = self.written.contract_sizes.get(name);
        let Some(written) = written else {
            if venue.spec.sizes == Sizes::Contracts {
                let reason = format!("sizes of {symbol} on {name} are numbers of contracts");
                let remedy = format!(
                    "write contract_sizes = {{ {name} = \"SIZE\" }} with the base units of one \
                     contract; `spreadwire check --online` tells them"
                );
                faults.add(&key, reason, remedy);
            }
            return None;
        };
        if venue.spec.sizes == Sizes::Base {
            let reason = format!("sizes of {symbol} on {name} are in base units");
            faults.add(&key, reason, format!("remove {name} from `contract_sizes`"));
            return None;
        }
        let contract = Contract::parse(written);
        match &contract {
            Ok(contract) if self.written.size_decimals < contract.decimals() => {
                let needed = contract.decimals();
                let reason = format!(
                    "{} decimals do not hold the contract of {symbol} on {name} ({written})",
                    self.written.size_decimals
                );
                faults.add(
                    &self.key("size_decimals"),
                    reason,
                    format!("set size_decimals = {needed}"),
                );
            }
            Ok(_) => {}
            Err(fault) => {
                let reason = format!("the contract size of {symbol} on {name} {fault}");
                faults.add(&key, reason, "write a positive number such as \"0.001\"");
            }
        }
        contract.ok()
    }

    /// There must be a venue of its market, or of both where it is compared across them. Returns
    /// whether there is.
    fn prove_markets(&self, venues: &[Venue], faults: &mut Faults) -> bool {
        let mut all_there = true;
        let is_there = |market: Market| {
            let wanted = |venue: &&Venue| self.name.market.is_some() || self.is_wanted_on(venue);
            venues.iter().filter(wanted).any(|venue| venue.spec.market == market)
        };
        let needed = Market::ALL.into_iter().filter(|market| self.may_be_on(*market));
        for market in needed.filter(|market| !is_there(*market)) {
            all_there = false;
            let name = self.name;
            let known = venues::VENUES.iter().filter(|venue| venue.market == market);
            let known: Vec<&str> = known.map(|venue| venue.name).collect();
            let other = Market::ALL.into_iter().find(|other| *other != market);
            let (reason, instead) = match name.market {
                Some(_) => (
                    format!("{name} is listed on {market} venues, and there is none here"),
                    format!("name {}", name.on(other)),
                ),
                None => (
                    format!(
                        "{name} needs venues of both markets, and none of its is a {market} one"
                    ),
                    format!("write {} under [[{ONE_MARKET}]]", name.on(other)),
                ),
            };
            let remedy = format!("add a {market} venue ({}), or {instead}", known.join(", "));
            faults.add(&self.key("name"), reason, remedy);
        }
        all_there
    }
}

/// A venue on which nothing can be listed would be connected to for nothing: before venues had a
/// market, its prices were those of the other market's instruments.
fn prove_use(
    names: &[CanonicalName<'_>],
    venues: &[Venue],
    catalogue: &Catalogue,
    faults: &mut Faults,
) {
    let Some(example) = names.first() else { return };
    for (number, venue) in venues.iter().enumerate() {
        let market = venue.spec.market;
        let lists = catalogue.listings.iter().any(|listing| listing.venue.index() == number);
        let is_meant = names.iter().any(|name| name.market.is_none_or(|own| own == market));
        if lists || is_meant {
            continue;
        }
        let reason = format!(
            "{} is a {market} venue, and no instrument is listed on those",
            venue.info.name
        );
        let remedy = format!(
            "name {} under [[{ONE_MARKET}]], compare both markets as {} under [[{ACROSS}]], or \
             remove the venue",
            example.on(Some(market)),
            example.on(None)
        );
        faults.in_file(venue.place.file.as_deref(), |faults| {
            faults.add(&venue.key("name"), reason, remedy);
        });
    }
}
