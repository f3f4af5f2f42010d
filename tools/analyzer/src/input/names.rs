//! What a venue's symbol means: the instrument under one name for all venues, and the units of its
//! prices and sizes.
//!
//! `config/aliases.toml` has the table of names that is built in, and explains the form of such files.
//! Here alone symbols become names of instruments: the spelling comes first ([`spelling`]), then the
//! table.

use super::spelling;
use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch};
use arrow::datatypes::Float64Type;
use serde::{Deserialize, Serialize};
use spreadwire_market::problem::{Faults, Form, Problem};
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

/// The table that is built in.
const SHIPPED: &str = include_str!("../../../../config/aliases.toml");
const FORM: Form = Form {
    start: "config/aliases.toml is one that is explained",
    document: "config/aliases.toml",
    gone: &[],
};

/// Names of assets and meanings of symbols.
#[derive(Clone, Debug, PartialEq)]
pub struct Names {
    /// The asset of a name, and how many units of it one unit of the name is.
    assets: BTreeMap<String, (String, f64)>,
    /// Meanings of single symbols, by venue and symbol.
    listings: BTreeMap<(String, String), Listing>,
}

/// What a symbol means.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// The instrument: `PEPE/USDT`.
    pub instrument: String,
    /// The units of its prices and sizes.
    pub scale: Scale,
    /// Whether a table says so, rather than the symbol itself.
    pub is_alias: bool,
}

/// The units of a venue's prices and sizes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// How many units of the base asset one unit of the symbol's is.
    pub units: f64,
    /// What a contract is, where sizes are numbers of contracts.
    pub contract: Option<Contract>,
}

/// What a contract is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Contract {
    /// So much of the symbol's base.
    Base(f64),
    /// So much of the quote currency: an inverse contract.
    Quote(f64),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct File {
    aliases: Vec<Alias>,
    listings: Vec<Listing>,
}

#[derive(Debug, Deserialize)]
struct Alias {
    name: String,
    asset: String,
    #[serde(default = "one")]
    units: f64,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Listing {
    venue: String,
    symbol: String,
    #[serde(default)]
    instrument: Option<String>,
    #[serde(default)]
    units: Option<f64>,
    #[serde(default)]
    contract_size: Option<f64>,
    #[serde(default)]
    contract_unit: Option<ContractUnit>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ContractUnit {
    Base,
    Quote,
}

fn one() -> f64 {
    1.0
}

impl Default for Names {
    /// Returns the names that are built in.
    fn default() -> Names {
        let mut names = Names { assets: BTreeMap::new(), listings: BTreeMap::new() };
        names.add(Path::new("config/aliases.toml"), SHIPPED, &mut Vec::new());
        names
    }
}

impl Names {
    /// Adds the names of a file, which come before those that are built in.
    ///
    /// # Errors
    /// Every problem of the file.
    pub fn with(mut self, path: &Path) -> Result<Names, Vec<Problem>> {
        let mut problems = Vec::new();
        if let Some(text) = FORM.text(path, &mut problems) {
            self.add(path, &text, &mut problems);
        }
        if problems.is_empty() { Ok(self) } else { Err(problems) }
    }

    fn add(&mut self, path: &Path, text: &str, problems: &mut Vec<Problem>) {
        let Some(file) = FORM.parse::<File>(path, text, problems) else { return };
        let mut faults = Faults::new(path, Vec::new());
        for (number, alias) in file.aliases.into_iter().enumerate() {
            check_positive(&format!("aliases[{number}].units"), alias.units, &mut faults);
            self.assets.insert(alias.name, (alias.asset, alias.units));
        }
        for (number, listing) in file.listings.into_iter().enumerate() {
            listing.check(&format!("listings[{number}]"), &mut faults);
            self.listings.insert(key(&listing.venue, &listing.symbol), listing);
        }
        problems.extend(faults.into_list());
    }

    /// Returns what a venue's symbol means. `BTC#USDT`, `BTC_USDT`, `BTC-USDT` and `BTCUSDT` are one
    /// instrument; a symbol that is no such pair stays as it is.
    #[must_use]
    pub fn named(&self, venue: &str, symbol: &str) -> Named {
        let (spelled, units, is_asset) = self.of_symbol(symbol);
        let Some(listing) = self.listings.get(&key(venue, symbol)) else {
            let scale = Scale { units, contract: None };
            return Named { instrument: spelled, scale, is_alias: is_asset };
        };
        let scale = Scale { units: listing.units.unwrap_or(units), contract: listing.contract() };
        let instrument = listing.instrument.clone().unwrap_or(spelled);
        Named { instrument, scale, is_alias: true }
    }

    /// Returns the instrument of a symbol, the units of its base, and whether a table has a part of
    /// it.
    fn of_symbol(&self, symbol: &str) -> (String, f64, bool) {
        let spelled = spelling::instrument(symbol);
        let Some((base, rest)) = split(&spelled) else { return (spelled, 1.0, false) };
        let (quote, market) = match rest.split_once(':') {
            Some((quote, market)) => (quote, format!(":{market}")),
            None => (rest, String::new()),
        };
        let base_asset = self.assets.get(base);
        // Prices in another unit of the quote currency would need a factor of their own.
        let quote_asset = self.assets.get(quote).filter(|(_, units)| is_one(*units));
        let (name, units) = base_asset.map_or((base, 1.0), |(asset, units)| (asset, *units));
        let quote_name = quote_asset.map_or(quote, |(asset, _)| asset);
        let is_alias = base_asset.is_some() || quote_asset.is_some();
        (format!("{name}/{quote_name}{market}"), units, is_alias)
    }
}

/// The meanings of the symbols that were looked up.
#[derive(Debug)]
pub(super) struct Meanings {
    names: Names,
    /// By venue and symbol.
    known: BTreeMap<String, BTreeMap<String, Rc<Named>>>,
}

impl Meanings {
    pub(super) fn new(names: Names) -> Meanings {
        Meanings { names, known: BTreeMap::new() }
    }

    /// Returns what a venue's symbol means.
    pub(super) fn of(&mut self, venue: &str, symbol: &str) -> Rc<Named> {
        let known = self.known.get(venue).and_then(|symbols| symbols.get(symbol));
        if let Some(named) = known {
            return Rc::clone(named);
        }
        let named = Rc::new(self.names.named(venue, symbol));
        let symbols = self.known.entry(venue.to_owned()).or_default();
        symbols.insert(symbol.to_owned(), Rc::clone(&named));
        named
    }
}

fn is_one(units: f64) -> bool {
    units.total_cmp(&1.0).is_eq()
}

fn check_positive(key: &str, number: f64, faults: &mut Faults) {
    if !(number.is_finite() && 0.0 < number) {
        faults.add(key, format!("{number} is out of range"), "write a number above 0");
    }
}

/// Returns base and quote of an instrument, if it has just these.
fn split(instrument: &str) -> Option<(&str, &str)> {
    let (base, rest) = instrument.split_once('/')?;
    let is_sound = !base.is_empty() && !rest.is_empty() && !rest.contains('/');
    is_sound.then_some((base, rest))
}

/// Returns the key of a listing, which is the same for every spelling of a venue and a symbol.
fn key(venue: &str, symbol: &str) -> (String, String) {
    (spelling::venue(venue), symbol.replace('/', "#"))
}

impl Listing {
    fn check(&self, key: &str, faults: &mut Faults) {
        for (name, number) in [("units", self.units), ("contract_size", self.contract_size)] {
            if let Some(number) = number {
                check_positive(&format!("{key}.{name}"), number, faults);
            }
        }
        if self.contract_size.is_some() != self.contract_unit.is_some() {
            let reason = "contract_size and contract_unit need each other";
            faults.add(key, reason, "write both, or neither");
        }
    }

    fn contract(&self) -> Option<Contract> {
        Some(match (self.contract_size?, self.contract_unit?) {
            (size, ContractUnit::Base) => Contract::Base(size),
            (size, ContractUnit::Quote) => Contract::Quote(size),
        })
    }
}

impl Default for Scale {
    fn default() -> Scale {
        Scale { units: 1.0, contract: None }
    }
}

impl Scale {
    /// Returns whether prices and sizes stay as they are.
    #[must_use]
    pub fn is_one(&self) -> bool {
        is_one(self.units) && self.contract.is_none()
    }

    /// Returns a price, in quote currency per unit of the base.
    #[must_use]
    pub fn price(&self, price: f64) -> f64 {
        price / self.units
    }

    /// Returns a size in units of the base. The price is that of [`price`](Scale::price).
    #[must_use]
    pub fn size(&self, size: f64, price: f64) -> f64 {
        match self.contract {
            None => size * self.units,
            Some(Contract::Base(contract)) => size * contract * self.units,
            Some(Contract::Quote(contract)) => size * contract / price,
        }
    }

    /// Returns what is done, in words; `None` if nothing is.
    #[must_use]
    pub fn told(&self) -> Option<String> {
        let Scale { units, contract } = self;
        let mut told = Vec::new();
        if !is_one(*units) {
            told.push(format!("prices divided by {units}, sizes multiplied"));
        }
        match contract {
            Some(Contract::Base(size)) => told.push(format!("a contract is {size} of the base")),
            Some(Contract::Quote(size)) => {
                told.push(format!("a contract is {size} of the quote currency"));
            }
            None => {}
        }
        (!told.is_empty()).then(|| told.join("; "))
    }

    /// Applies the scale to a batch of quotes.
    pub(super) fn apply(&self, rows: RecordBatch) -> RecordBatch {
        if self.is_one() {
            return rows;
        }
        let schema = rows.schema();
        let of = |name: &str| {
            rows.column_by_name(name).map(|column| column.as_primitive::<Float64Type>())
        };
        let scaled = |(field, column): (&Arc<arrow::datatypes::Field>, &ArrayRef)| -> ArrayRef {
            let price = match field.name().as_str() {
                "BestBidSize" => of("BestBid"),
                // Without asks, bids are near enough for a size.
                "BestAskSize" => of("BestAsk").or_else(|| of("BestBid")),
                "BestBid" | "BestAsk" => {
                    let prices = column.as_primitive::<Float64Type>();
                    return Arc::new(prices.unary::<_, Float64Type>(|price| self.price(price)));
                }
                _ => None,
            };
            let Some(prices) = price else { return Arc::clone(column) };
            let sizes = column.as_primitive::<Float64Type>();
            let size = |row: usize| {
                let price = self.price(prices.value(row));
                sizes.is_valid(row).then(|| self.size(sizes.value(row), price))
            };
            Arc::new((0..sizes.len()).map(size).collect::<Float64Array>())
        };
        let columns = schema.fields().iter().zip(rows.columns()).map(scaled).collect();
        // The schema is that of the batch, and types do not change.
        RecordBatch::try_new(Arc::clone(&schema), columns).unwrap_or(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_that_is_built_in_is_sound_and_without_doubles() {
        let mut problems = Vec::new();
        let file = FORM.parse::<File>(Path::new("x"), SHIPPED, &mut problems).unwrap();
        assert_eq!(problems, []);
        assert_eq!(file.aliases.len(), Names::default().assets.len());
        assert!(file.listings.is_empty());
        // An alias of an alias would be followed only once.
        assert!(file.aliases.iter().all(|of| file.aliases.iter().all(|it| it.name != of.asset)));
    }

    #[test]
    fn symbols_in_any_spelling_are_one_instrument_and_units_are_known() {
        let names = Names::default();
        for (symbol, instrument, units) in [
            ("BTC#USDT", "BTC/USDT", 1.0),
            ("BTC_USDT", "BTC/USDT", 1.0),
            ("BTC-USDT", "BTC/USDT", 1.0),
            ("XBT#USDT", "BTC/USDT", 1.0),
            ("ETH#XBT", "ETH/BTC", 1.0),
            ("PEPE#USDT:PERP", "PEPE/USDT:PERP", 1.0),
            ("1000PEPE#USDT:PERP", "PEPE/USDT:PERP", 1_000.0),
            ("kPEPE_USDC", "PEPE/USDC", 1_000.0),
            ("1000000MOG#USDT", "MOG/USDT", 1e6),
            ("1MBABYDOGE#USDT", "BABYDOGE/USDT", 1e6),
            ("1INCH#USDT", "1INCH/USDT", 1.0),
            ("BTCUSDT", "BTC/USDT", 1.0),
            ("XBTUSD", "BTC/USD", 1.0),
            ("XBT-USD-SWAP", "BTC/USD:PERP", 1.0),
            ("1000PEPEUSDT", "PEPE/USDT", 1_000.0),
            ("1000pepeusdt", "PEPE/USDT", 1_000.0),
            ("1000PEPEUSDT-PERP", "PEPE/USDT:PERP", 1_000.0),
            ("BTC-25SEP26-80000-C", "BTC-25SEP26-80000-C", 1.0),
            ("A#B#C", "A/B/C", 1.0),
            ("#USDT", "/USDT", 1.0),
            ("BTC_", "BTC_", 1.0),
        ] {
            let found = names.named("okx", symbol);
            assert_eq!(
                (found.instrument.as_str(), found.scale.units),
                (instrument, units),
                "{symbol}"
            );
        }
    }

    #[test]
    fn a_file_says_what_one_venues_symbol_is_and_its_problems_are_all_told() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("own.toml");
        let text = "[[aliases]]\nname = \"1000PEPE\"\nasset = \"PEPE2\"\nunits = 10\n\
            [[listings]]\nvenue = \"binance-coinm\"\nsymbol = \"BTCUSD_PERP\"\n\
            instrument = \"BTC/USD:PERP\"\ncontract_size = 100\ncontract_unit = \"quote\"\n";
        std::fs::write(&path, text).unwrap();
        let names = Names::default().with(&path).unwrap();
        let found = names.named("binance_coinm", "BTCUSD_PERP");
        assert_eq!(found.instrument, "BTC/USD:PERP");
        assert_eq!(found.scale.contract, Some(Contract::Quote(100.0)));
        assert_eq!(names.named("okx", "BTCUSD_PERP").scale.contract, None);
        assert_eq!(names.named("okx", "1000PEPE#USDT").instrument, "PEPE2/USDT");
        std::fs::write(&path, format!("{text}units = 0\ncontract_sise = 3\n")).unwrap();
        let told = Names::default().with(&path).unwrap_err();
        assert_eq!(told.len(), 2, "{told:?}");
        std::fs::write(&path, text.replace("contract_unit = \"quote\"", "")).unwrap();
        let told = Names::default().with(&path).unwrap_err();
        assert!(told[0].to_string().contains("listings[0]: contract_size"), "{told:?}");
    }

    #[test]
    fn sizes_of_contracts_become_sizes_of_the_base() {
        let scale = |units, contract| Scale { units, contract };
        for (scale, price, size) in [
            (scale(1.0, None), 50_000.0, 4.0),
            (scale(1_000.0, None), 50.0, 4_000.0),
            (scale(1.0, Some(Contract::Base(0.01))), 50_000.0, 0.04),
            (scale(1.0, Some(Contract::Quote(100.0))), 50_000.0, 0.008),
            (scale(1_000.0, Some(Contract::Quote(100.0))), 50.0, 8.0),
        ] {
            let found = scale.price(50_000.0);
            assert!((found - price).abs() < 1e-9, "{scale:?} {found}");
            assert!((scale.size(4.0, found) - size).abs() < 1e-12, "{scale:?}");
        }
    }
}
