//! The head of a run in the journal of decisions: whose it is, and what its names stand for.

use serde::{Deserialize, Serialize};
use spreadwire_market::clock::Nanos;
use spreadwire_market::instrument::{
    Catalogue, Instrument, InstrumentId, Listing, VENUES_MAX, VenueId, VenueInfo,
};
use spreadwire_trading::amount::Amount;
use spreadwire_trading::gateway::Mode;
use spreadwire_trading::order::{AssetName, Owner};
use spreadwire_trading::settings::{Exit, Hedge, Hedging, Limits, Settings};
use spreadwire_trading::terms::{Assets, FeeAsset, Settlement, Terms, VenueTerms};
use std::collections::BTreeMap;

/// Version of the journal's format.
pub const VERSION: u32 = 1;
/// What the head's event is called.
const EVENT: &str = "began";

/// The head of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Mode of all entries.
    pub mode: Mode,
    /// Who places orders.
    pub owner: String,
    /// Begin of the run, ns since 1970 UTC.
    pub began: Nanos,
    /// Currency of limits and profits.
    pub currency: AssetName,
    /// Names of the venues.
    pub venues: Vec<String>,
    /// The instruments.
    pub instruments: Vec<HeadInstrument>,
    /// What trades in each instrument on each venue move.
    pub markets: Vec<HeadMarket>,
    /// Assets, and the value of one unit in the currency, millionths, if it has one.
    pub rates: BTreeMap<AssetName, Option<i64>>,
}

/// An instrument, with the decimals of its mantissas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadInstrument {
    /// Canonical name.
    pub name: String,
    /// Decimals of prices.
    pub price_scale: u8,
    /// Decimals of sizes.
    pub size_scale: u8,
}

/// What a trade in an instrument on a venue moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadMarket {
    /// Name of the venue.
    pub venue: String,
    /// Name of the instrument.
    pub instrument: String,
    /// What is bought and sold.
    pub base: AssetName,
    /// What it is paid with.
    pub quote: AssetName,
    /// Whether the base is a position, which may be short.
    pub is_position: bool,
}

/// A head as it is written.
#[derive(Serialize, Deserialize)]
struct Line {
    mode: String,
    ts: Nanos,
    event: String,
    version: u32,
    owner: String,
    currency: AssetName,
    venues: Vec<String>,
    instruments: Vec<HeadInstrument>,
    markets: Vec<HeadMarket>,
    rates: BTreeMap<AssetName, Option<i64>>,
}

/// What a line begins with, of any version.
#[derive(Deserialize)]
struct Beginning {
    event: String,
    version: Option<u32>,
}

impl Head {
    /// Returns the head of a run that begins now.
    #[must_use]
    pub fn new(
        mode: Mode,
        owner: &Owner,
        began: Nanos,
        catalogue: &Catalogue,
        settings: &Settings,
    ) -> Head {
        let assets = settings.assets.ids();
        let rates = assets.map(|id| (settings.assets.name(id), settings.rates[id.index()]));
        let instruments = catalogue.instruments.iter().map(|it| HeadInstrument {
            name: it.name.clone(),
            price_scale: it.price_scale,
            size_scale: it.size_scale,
        });
        Head {
            mode,
            owner: owner.name().to_owned(),
            began,
            currency: settings.currency,
            venues: catalogue.venues.iter().map(|venue| venue.name.clone()).collect(),
            instruments: instruments.collect(),
            markets: markets(catalogue, settings),
            rates: rates.collect(),
        }
    }

    /// Returns the head as an object of JSON.
    pub(super) fn write(&self) -> String {
        let Head { mode, owner, began, currency, venues, instruments, markets, rates } =
            self.clone();
        let (mode, event) = (mode.name().to_owned(), EVENT.to_owned());
        let (ts, version) = (began, VERSION);
        let line =
            Line { mode, ts, event, version, owner, currency, venues, instruments, markets, rates };
        serde_json::to_string(&line).expect("texts and integers have a form in JSON")
    }

    /// Reads a line if it is a head, also one of another version.
    pub(super) fn read(text: &str) -> Option<Result<Head, String>> {
        // Heads are few: other lines are told apart without being parsed.
        if !text.contains("\"event\":\"began\"") {
            return None;
        }
        let beginning: Beginning = serde_json::from_str(text).ok()?;
        (beginning.event == EVENT).then(|| Head::parse(text, beginning.version))
    }

    fn parse(text: &str, version: Option<u32>) -> Result<Head, String> {
        if version != Some(VERSION) {
            let found = version.map_or("no".to_owned(), |version| version.to_string());
            return Err(format!("it is of version {found}, and this program knows {VERSION}"));
        }
        let line: Line = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mode = Mode::of_name(&line.mode);
        let mode = mode.ok_or_else(|| format!("the mode {:?} is not known", line.mode))?;
        let Line { ts, owner, currency, venues, instruments, markets, rates, .. } = line;
        Ok(Head { mode, owner, began: ts, currency, venues, instruments, markets, rates })
    }

    /// Checks that a run may go on where the run of this head ended.
    pub(super) fn fits(&self, next: &Head, catalogue: &Catalogue) -> Result<(), String> {
        if self.mode != next.mode {
            let (found, next) = (self.mode.name(), next.mode.name());
            return Err(format!("it is a journal of {found}, and this run is {next}"));
        }
        if self.owner != next.owner {
            return Err(format!("it is the journal of {:?}, not of {:?}", self.owner, next.owner));
        }
        if self.currency != next.currency {
            let (found, next) = (self.currency, next.currency);
            return Err(format!("its currency is {found}, and that of this run is {next}"));
        }
        for before in &self.instruments {
            let Some(id) = catalogue.instrument_named(&before.name) else { continue };
            let now = catalogue.instrument(id);
            if (before.price_scale, before.size_scale) != (now.price_scale, now.size_scale) {
                return Err(format!(
                    "{} had {} and {} decimals in prices and sizes, and now has {} and {}",
                    before.name,
                    before.price_scale,
                    before.size_scale,
                    now.price_scale,
                    now.size_scale
                ));
            }
        }
        Ok(())
    }
}

fn markets(catalogue: &Catalogue, settings: &Settings) -> Vec<HeadMarket> {
    let mut markets = Vec::new();
    for (place, terms) in settings.terms.iter().enumerate() {
        let Some(terms) = terms else { continue };
        let (instrument, venue) = (place / settings.venues.len(), place % settings.venues.len());
        markets.push(HeadMarket {
            venue: catalogue.venues[venue].name.clone(),
            instrument: catalogue.instruments[instrument].name.clone(),
            base: settings.assets.name(terms.base),
            quote: settings.assets.name(terms.quote),
            is_position: terms.settlement == Settlement::Position,
        });
    }
    markets
}

/// All heads of a journal together.
#[derive(Default)]
pub(super) struct Union {
    last: Option<Head>,
    venues: Vec<String>,
    instruments: Vec<HeadInstrument>,
    markets: Vec<HeadMarket>,
    rates: BTreeMap<AssetName, Option<i64>>,
}

impl Union {
    /// Adds the next head.
    pub(super) fn add(&mut self, head: Head) -> Result<(), String> {
        for venue in &head.venues {
            if !self.venues.contains(venue) {
                self.venues.push(venue.clone());
            }
        }
        if VENUES_MAX < self.venues.len() {
            return Err(format!("it names more than {VENUES_MAX} venues"));
        }
        for instrument in &head.instruments {
            match self.instruments.iter().find(|known| known.name == instrument.name) {
                None => self.instruments.push(instrument.clone()),
                Some(known) if known == instrument => {}
                Some(_) => return Err(format!("the decimals of {} change", instrument.name)),
            }
        }
        for market in &head.markets {
            let is_same = |known: &HeadMarket| {
                (&known.venue, &known.instrument) == (&market.venue, &market.instrument)
            };
            self.markets.retain(|known| !is_same(known));
            self.markets.push(market.clone());
        }
        self.rates.extend(head.rates.iter().map(|(asset, rate)| (*asset, *rate)));
        if self.last.as_ref().is_some_and(|last| last.mode != head.mode) {
            return Err("its mode changes".to_owned());
        }
        self.last = Some(head);
        Ok(())
    }

    /// Returns the mode and the owner.
    pub(super) fn whose(&self) -> Option<(Mode, String)> {
        self.last.as_ref().map(|head| (head.mode, head.owner.clone()))
    }

    /// Returns the catalogue, and settings without limits.
    pub(super) fn build(&self) -> (Catalogue, Settings) {
        let instrument = |it: &HeadInstrument| Instrument {
            name: it.name.clone(),
            price_scale: it.price_scale,
            size_scale: it.size_scale,
        };
        let venue =
            |name: &String| VenueInfo { name: name.clone(), taker_fee: 0.0, max_age: Nanos::MAX };
        let mut catalogue = Catalogue {
            instruments: self.instruments.iter().map(instrument).collect(),
            venues: self.venues.iter().map(venue).collect(),
            listings: Vec::new(),
        };
        let mut assets = Assets::default();
        for asset in self.rates.keys() {
            assets.intern(*asset);
        }
        let venues = catalogue.venues.len();
        let mut terms = vec![None; catalogue.instruments.len() * venues];
        for market in &self.markets {
            let Some((instrument, venue)) = ids(&catalogue, market) else { continue };
            let scales = catalogue.instrument(instrument);
            terms[instrument.index() * venues + venue.index()] = Some(Terms {
                settlement: if market.is_position {
                    Settlement::Position
                } else {
                    Settlement::Spot
                },
                base: assets.intern(market.base),
                quote: assets.intern(market.quote),
                px_scale: scales.price_scale,
                sz_scale: scales.size_scale,
                tick: 1,
                lot: 1,
                min_sz: 1,
                min_notional: Amount::ZERO,
            });
            let symbol = market.instrument.clone();
            catalogue.listings.push(Listing { venue, instrument, symbol });
        }
        let settings = self.settings(assets, terms, &catalogue);
        (catalogue, settings)
    }

    fn settings(
        &self,
        assets: Assets,
        terms: Vec<Option<Terms>>,
        catalogue: &Catalogue,
    ) -> Settings {
        let rate = |id| self.rates.get(&assets.name(id)).copied().flatten();
        let rates = assets.ids().map(rate).collect();
        let venue = VenueTerms {
            tiers: Vec::new(),
            volume: Amount::ZERO,
            fee_asset: FeeAsset::Quote,
            orders_per_second: 1,
            max_age: Nanos::MAX,
        };
        let venues = catalogue.venues.len();
        let currency = self.last.as_ref().map(|head| head.currency);
        Settings {
            currency: currency.unwrap_or(AssetName::new("?").expect("one character")),
            rates,
            terms,
            venues: vec![venue; venues],
            sizes: vec![None; catalogue.instruments.len() * venues * venues],
            exits: vec![None; catalogue.instruments.len() * venues * venues],
            min_lifetime: 0,
            exit: Exit::Inventory,
            hedging: Hedging { policy: Hedge::Hold, band: 0.0, time_to_live: 0 },
            limits: unlimited(),
            latencies: vec![0; venues],
            answer_timeout: Nanos::MAX,
            assets,
        }
    }
}

fn ids(catalogue: &Catalogue, market: &HeadMarket) -> Option<(InstrumentId, VenueId)> {
    catalogue.instrument_named(&market.instrument).zip(catalogue.venue_named(&market.venue))
}

fn unlimited() -> Limits {
    let most = Amount::MAX;
    Limits {
        order: most,
        instrument: most,
        venue: most,
        total: most,
        open_deals: 1_000,
        loss_per_day: most,
        drawdown: most,
        failures: u32::MAX,
        max_net: f64::INFINITY,
    }
}
