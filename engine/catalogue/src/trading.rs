//! The section `[trading]`, proved against a catalogue.

use spreadwire_config::address::{Address, BadAddress};
use spreadwire_config::secret::Source;
use spreadwire_config::trading::{
    FeeTier, Number, ORDERS_PER_SECOND_DEFAULT, RECV_WINDOW_MS_DEFAULT, Trading, TradingMarket,
    TradingVenue,
};
use spreadwire_market::approved::{Approval, Approved};
use spreadwire_market::clock::{MILLI, Nanos};
use spreadwire_market::decimal;
use spreadwire_market::instrument::{
    CanonicalName, Catalogue, Instrument, InstrumentId, Market, VenueId, VenueInfo,
};
use spreadwire_market::problem::Faults;
use spreadwire_market::spread::{BPS, TAKER_FEES_BPS};
use spreadwire_trading::amount::Amount;
use spreadwire_trading::latency::Latencies;
use spreadwire_trading::order::{AssetName, Owner};
use spreadwire_trading::paper::PaperSettings;
use spreadwire_trading::settings::{Exit, Hedge, Hedging, Limits, Settings};
use spreadwire_trading::terms::{AssetId, Assets, FeeAsset, Settlement, Terms, Tier, VenueTerms};
use spreadwire_venues::venues;
use std::path::{Path, PathBuf};

/// `[trading]`, proved.
#[derive(Clone, Debug, PartialEq)]
pub struct TradingPlan {
    /// Whether the engine executes on paper.
    pub is_on: bool,
    /// What the trader goes by.
    pub settings: Settings,
    /// What venues on paper are like.
    pub paper: PaperSettings,
    /// What venues on paper hold when the journal of decisions begins.
    pub balances: Vec<(VenueId, AssetName, Amount)>,
    /// Who places orders.
    pub owner: Owner,
    /// Folder of the journal of decisions, if the file names one.
    pub journal: Option<PathBuf>,
    /// While this file exists, no order is sent, if the file names one.
    pub kill_file: Option<PathBuf>,
    /// How far a threshold may move when the configuration is read again, a fraction.
    pub max_step: f64,
    /// How orders reach each venue, in the catalogue's order.
    pub accesses: Vec<Access>,
    /// What orders name that quotes do not, for each market that the file has it for.
    pub codes: Vec<MarketCode>,
}

/// How orders reach a venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The venue's table in the file, as `trading.venues[2]`; `trading.venues` if it has none.
    pub key: String,
    /// Base address of the WebSockets for orders, if it is not the venue's own.
    pub order_url: Option<Address>,
    /// Base address of the REST API for orders, if it is not the venue's own.
    pub rest_url: Option<Address>,
    /// Where the key to the account is, if the file says so.
    pub source: Option<Source>,
    /// How long after its time stamp a request may arrive, ms.
    pub recv_window: u64,
    /// Whether spot orders at OKX are on margin.
    pub is_cross: bool,
}

/// What orders in a market name or count that quotes do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarketCode {
    /// The instrument.
    pub instrument: InstrumentId,
    /// The venue.
    pub venue: VenueId,
    /// The venue's number of it.
    pub code: Option<u64>,
    /// Base asset in one contract.
    pub contract: Option<Amount>,
}

/// Windows that requests can have, ms: Binance takes no longer one.
const RECV_WINDOWS_MS: std::ops::RangeInclusive<u64> = 1..=60_000;

/// Latencies one way that orders can have, ms.
const LATENCIES_MS: std::ops::RangeInclusive<f64> = 0.0..=60_000.0;

/// Proves the section. The result is worth something only while `faults` is empty.
pub fn prove(
    config: &Trading,
    catalogue: &Catalogue,
    approved: Option<&Approved>,
    faults: &mut Faults,
) -> TradingPlan {
    let mut proof = Proof { config, catalogue, faults, assets: Assets::default() };
    let currency = proof.asset("trading.currency", &config.currency);
    let terms = proof.terms();
    let venues = proof.venues();
    let balances = proof.balances();
    let (accesses, codes) = (proof.accesses(), proof.codes());
    let rates = proof.rates(currency);
    let latencies = proof.latencies();
    let is_on = match config.mode.as_str() {
        "off" => false,
        "paper" => true,
        other => {
            let reason = format!("{other:?} is no mode of the engine");
            let remedy = "write \"off\" or \"paper\"; real orders are sent by `trader` alone";
            proof.faults.add("trading.mode", reason, remedy);
            false
        }
    };
    let owner = proof.owner();
    proof.faults.within("trading.rejects", config.rejects, 0.0..=1.0);
    proof.faults.within("trading.max_step_bps", config.max_step_bps, 0.0..=10_000.0);
    let settings = Settings {
        currency: proof.assets.name(currency),
        rates,
        terms,
        venues,
        sizes: proof.of_pairs(approved, |pair| {
            // A size that an amount cannot hold is beyond every other limit.
            Amount::parse(&format!("{:.8}", pair.size_quote)).ok()
        }),
        exits: proof.of_pairs(approved, |pair| Some(pair.model)),
        min_lifetime: proof.millis("min_lifetime_ms", config.min_lifetime_ms),
        exit: proof.named("exit", &config.exit, &Exit::ALL, Exit::name).unwrap_or(Exit::Inventory),
        hedging: proof.hedging(),
        limits: proof.limits(),
        latencies: latencies.iter().map(Latencies::median).collect(),
        answer_timeout: proof.millis("answer_timeout_ms", config.answer_timeout_ms.max(1)),
        assets: proof.assets,
    };
    let paper = PaperSettings { latencies, rejects: config.rejects, seed: config.seed };
    let there_and_back = 2 * settings.latencies.iter().max().copied().unwrap_or_default();
    if settings.answer_timeout <= there_and_back {
        let reason = format!("{} ms is over before an answer can come", config.answer_timeout_ms);
        let least = there_and_back / MILLI + 1;
        faults.add("trading.answer_timeout_ms", reason, format!("choose {least} or more"));
    }
    let (journal, kill_file) = (config.journal.clone(), config.kill_file.clone());
    let max_step = config.max_step_bps / BPS;
    TradingPlan {
        is_on,
        settings,
        paper,
        balances,
        owner,
        journal,
        kill_file,
        max_step,
        accesses,
        codes,
    }
}

/// What is being proved.
struct Proof<'a> {
    config: &'a Trading,
    catalogue: &'a Catalogue,
    faults: &'a mut Faults,
    assets: Assets,
}

impl Proof<'_> {
    fn asset(&mut self, key: &str, name: &str) -> AssetId {
        let known = AssetName::new(name).unwrap_or_else(|| {
            let reason = format!("{name:?} is no asset");
            self.faults.add(key, reason, "write a name of at most 23 bytes, as USDT");
            AssetName::new("?").expect("one character")
        });
        self.assets.intern(known)
    }

    fn amount(&mut self, key: &str, number: &Number, is_allowed: fn(Amount) -> bool) -> Amount {
        match Amount::parse(&number.0) {
            Ok(amount) if is_allowed(amount) => return amount,
            Ok(_) => {
                self.faults.add(key, format!("{} is out of range", number.0), "write more than 0");
            }
            Err(error) => {
                let reason = format!("{:?} is no amount: {error}", number.0);
                self.faults.add(key, reason, "write a decimal number, as 1000 or \"0.001\"");
            }
        }
        Amount::ZERO
    }

    fn millis(&mut self, key: &str, millis: u64) -> Nanos {
        self.faults.within(&format!("trading.{key}"), millis, 0..=3_600_000);
        millis.saturating_mul(MILLI)
    }

    fn named<T: Copy>(
        &mut self,
        key: &str,
        written: &str,
        all: &[T],
        name: fn(T) -> &'static str,
    ) -> Option<T> {
        let found = all.iter().copied().find(|it| name(*it) == written);
        if found.is_none() {
            let names: Vec<_> = all.iter().map(|it| name(*it)).collect();
            let reason = format!("{written:?} is not known");
            let remedy = format!("write one of {}", names.join(", "));
            self.faults.add(&format!("trading.{key}"), reason, remedy);
        }
        found
    }

    fn owner(&mut self) -> Owner {
        let name = &self.config.owner;
        Owner::new(name).unwrap_or_else(|| {
            let reason = format!("{name:?} cannot begin an order id");
            self.faults.add("trading.owner", reason, "write 1 to 8 lower-case letters and digits");
            Owner::new("x").expect("a letter")
        })
    }

    fn hedging(&mut self) -> Hedging {
        let Trading { hedge, hedge_band_bps, hedge_ttl_ms, .. } = self.config;
        let policy = self.named("hedge", hedge, &Hedge::ALL, Hedge::name).unwrap_or(Hedge::Hold);
        self.faults.within("trading.hedge_band_bps", *hedge_band_bps, 0.0..=5_000.0);
        let time_to_live = self.millis("hedge_ttl_ms", *hedge_ttl_ms);
        Hedging { policy, band: hedge_band_bps / BPS, time_to_live }
    }

    fn limits(&mut self) -> Limits {
        let limits = &self.config.limits;
        let above_zero = |amount| Amount::ZERO < amount;
        let mut amount = |key: &str, number: &Number| {
            self.amount(&format!("trading.limits.{key}"), number, above_zero)
        };
        let proved = Limits {
            order: amount("order", &limits.order),
            instrument: amount("instrument", &limits.instrument),
            venue: amount("venue", &limits.venue),
            total: amount("total", &limits.total),
            open_deals: limits.open_deals,
            loss_per_day: amount("loss_per_day", &limits.loss_per_day),
            drawdown: amount("drawdown", &limits.drawdown),
            failures: limits.failures,
            max_net: limits.max_net_bps / BPS,
        };
        self.faults.within("trading.limits.open_deals", limits.open_deals, 1..=1_000);
        self.faults.within("trading.limits.failures", limits.failures, 1..=1_000_000);
        self.faults.within("trading.limits.max_net_bps", limits.max_net_bps, 0.0..=1e9);
        proved
    }

    /// Proves what venues ask of orders: the defaults for every listing, then what the file says.
    fn terms(&mut self) -> Vec<Option<Terms>> {
        let venues = self.catalogue.venues.len();
        let mut all = vec![None; self.catalogue.instruments.len() * venues];
        let listings: Vec<_> =
            self.catalogue.listings.iter().map(|it| (it.instrument, it.venue)).collect();
        for (instrument, venue) in listings {
            all[instrument.index() * venues + venue.index()] = self.usual(instrument, venue);
        }
        for (number, market) in self.config.markets.iter().enumerate() {
            let key = |field: &str| format!("trading.markets[{number}].{field}");
            let Some((instrument, venue)) = self.listing(market, &key) else { continue };
            let is_same = |other: &TradingMarket| {
                (&other.venue, &other.instrument) == (&market.venue, &market.instrument)
            };
            if self.config.markets[..number].iter().any(is_same) {
                let reason = format!("{} at {} stands twice", market.instrument, market.venue);
                self.faults.add(&key("instrument"), reason, "keep one of them");
            }
            let place = instrument.index() * venues + venue.index();
            if let Some(terms) = all[place].as_mut() {
                self.refine(terms, market, &key);
            }
        }
        all
    }

    fn listing(
        &mut self,
        market: &TradingMarket,
        key: &impl Fn(&str) -> String,
    ) -> Option<(InstrumentId, VenueId)> {
        let instrument = self.catalogue.instrument_named(&market.instrument);
        let venue = self.catalogue.venue_named(&market.venue);
        let (Some(instrument), Some(venue)) = (instrument, venue) else {
            let (field, name) = match instrument {
                None => ("instrument", &market.instrument),
                Some(_) => ("venue", &market.venue),
            };
            let reason = format!("no {field} is called {name:?}");
            self.faults.add(&key(field), reason, "name one of this configuration");
            return None;
        };
        if !self.catalogue.venues_of(instrument).contains(&venue) {
            let reason = format!("{} does not list {}", market.venue, market.instrument);
            self.faults.add(&key("venue"), reason, "name a venue that lists it");
            return None;
        }
        Some((instrument, venue))
    }

    /// Returns the terms of a listing of which the file says nothing.
    fn usual(&mut self, id: InstrumentId, venue: VenueId) -> Option<Terms> {
        let Instrument { name, price_scale, size_scale } = self.catalogue.instrument(id).clone();
        let read = CanonicalName::parse(&name)?;
        let is_perpetual = match read.market {
            Some(market) => market == Market::LinearPerpetual,
            None => venues::named(&self.catalogue.venue(venue).name)
                .is_some_and(|spec| spec.market == Market::LinearPerpetual),
        };
        let (settlement, base) = if is_perpetual {
            (Settlement::Position, name.as_str())
        } else {
            (Settlement::Spot, read.base)
        };
        let key = "trading.markets";
        Some(Terms {
            settlement,
            base: self.asset(key, base),
            quote: self.asset(key, read.quote),
            px_scale: price_scale,
            sz_scale: size_scale,
            tick: 1,
            lot: 1,
            min_sz: 1,
            min_notional: Amount::ZERO,
        })
    }

    fn refine(&mut self, terms: &mut Terms, market: &TradingMarket, key: &impl Fn(&str) -> String) {
        let mut step = |field: &str, number: &Option<Number>, scale: u8, usual: i64| {
            let Some(number) = number else { return usual };
            match decimal::parse(number.0.as_bytes(), scale) {
                Ok(mantissa) if 0 < mantissa => mantissa,
                Ok(_) => {
                    let reason = format!("{} is no step", number.0);
                    self.faults.add(&key(field), reason, "write more than 0");
                    usual
                }
                Err(error) => {
                    let reason = format!("{:?}: {error}", number.0);
                    let remedy = format!("write at most {scale} decimals, as the instrument has");
                    self.faults.add(&key(field), reason, remedy);
                    usual
                }
            }
        };
        terms.tick = step("tick", &market.tick, terms.px_scale, 1);
        terms.lot = step("lot", &market.lot, terms.sz_scale, 1);
        terms.min_sz = step("min_size", &market.min_size, terms.sz_scale, terms.lot);
        if let Some(number) = &market.min_notional {
            terms.min_notional =
                self.amount(&key("min_notional"), number, |amount| Amount::ZERO <= amount);
        }
    }

    /// Proves what holds at each venue of the catalogue, in its order.
    fn venues(&mut self) -> Vec<VenueTerms> {
        self.known_venues();
        let catalogue = self.catalogue;
        catalogue.venues.iter().map(|info| self.venue(info)).collect()
    }

    /// Reports venues that are not configured, or stand twice.
    fn known_venues(&mut self) {
        for (number, venue) in self.config.venues.iter().enumerate() {
            let key = format!("trading.venues[{number}].name");
            if self.catalogue.venue_named(&venue.name).is_none() {
                let reason = format!("no venue is called {:?}", venue.name);
                self.faults.add(&key, reason, "name a venue of this configuration");
            }
            if self.config.venues[..number].iter().any(|other| other.name == venue.name) {
                let reason = format!("{:?} stands twice", venue.name);
                self.faults.add(&key, reason, "keep one of them");
            }
        }
    }

    fn written(&self, info: &VenueInfo) -> Option<(usize, &TradingVenue)> {
        self.config.venues.iter().enumerate().find(|(_, venue)| venue.name == info.name)
    }

    fn venue(&mut self, info: &VenueInfo) -> VenueTerms {
        let usual = Tier { from: Amount::ZERO, millionths: millionths(info.taker_fee * BPS) };
        let Some((number, venue)) = self.written(info).map(|(n, venue)| (n, venue.clone())) else {
            return VenueTerms {
                tiers: vec![usual],
                volume: Amount::ZERO,
                fee_asset: FeeAsset::Received,
                orders_per_second: ORDERS_PER_SECOND_DEFAULT,
                max_age: info.max_age,
            };
        };
        let key = |field: &str| format!("trading.venues[{number}].{field}");
        let tiers = self.tiers(&venue.fee_tiers, usual, &key("fee_tiers"));
        let fee_asset = match venue.fee_asset.as_deref() {
            None | Some("received") => FeeAsset::Received,
            Some("quote") => FeeAsset::Quote,
            Some(name) => FeeAsset::Own(self.asset(&key("fee_asset"), name)),
        };
        let volume = venue.volume.as_ref().map_or(Amount::ZERO, |number| {
            self.amount(&key("volume"), number, |amount| Amount::ZERO <= amount)
        });
        let orders_per_second = venue.orders_per_second.unwrap_or(ORDERS_PER_SECOND_DEFAULT);
        self.faults.within(&key("orders_per_second"), orders_per_second, 1..=100_000);
        VenueTerms { tiers, volume, fee_asset, orders_per_second, max_age: info.max_age }
    }

    /// Proves how orders reach each venue of the catalogue, in its order.
    fn accesses(&mut self) -> Vec<Access> {
        let catalogue = self.catalogue;
        catalogue.venues.iter().map(|info| self.access(info)).collect()
    }

    fn access(&mut self, info: &VenueInfo) -> Access {
        let Some((number, venue)) = self.written(info).map(|(n, venue)| (n, venue.clone())) else {
            return Access {
                key: "trading.venues".to_owned(),
                order_url: None,
                rest_url: None,
                source: None,
                recv_window: RECV_WINDOW_MS_DEFAULT,
                is_cross: false,
            };
        };
        let key = |field: &str| format!("trading.venues[{number}].{field}");
        let order_url = self.base(&key("order_url"), venue.order_url.as_deref(), Address::parse);
        let rest_url = venue.order_rest_url.as_deref();
        let rest_url = self.base(&key("order_rest_url"), rest_url, Address::parse_http);
        let recv_window = venue.recv_window_ms.unwrap_or(RECV_WINDOW_MS_DEFAULT);
        self.faults.within(&key("recv_window_ms"), recv_window, RECV_WINDOWS_MS);
        let is_cross = match venue.trade_mode.as_deref() {
            None | Some("cash") => false,
            Some("cross") => true,
            Some(other) => {
                let reason = format!("{other:?} is not known");
                self.faults.add(&key("trade_mode"), reason, "write \"cash\" or \"cross\"");
                false
            }
        };
        let source = self.source(&venue, &key("key_file"));
        let key = format!("trading.venues[{number}]");
        Access { key, order_url, rest_url, source, recv_window, is_cross }
    }

    /// Proves a base address: one that has no path.
    fn base(
        &mut self,
        key: &str,
        written: Option<&str>,
        parse: fn(&str) -> Result<Address, BadAddress>,
    ) -> Option<Address> {
        let written = written?;
        let remedy = "write scheme, host and port alone: the paths are the venue's";
        match parse(written) {
            Ok(address) if written.matches('/').count() == 2 && !written.contains('?') => {
                return Some(address);
            }
            Ok(_) => self.faults.add(key, format!("{written:?} has a path"), remedy),
            Err(bad) => self.faults.add(key, bad.to_string(), remedy),
        }
        None
    }

    /// Returns where the key to an account is.
    fn source(&mut self, venue: &TradingVenue, key: &str) -> Option<Source> {
        let env = venue.key_env.clone().map(Source::Environment);
        let credential = venue.key_credential.clone().map(Source::Credential);
        let file = venue.key_file.clone().map(Source::File);
        let mut sources: Vec<Source> = [env, credential, file].into_iter().flatten().collect();
        if 1 < sources.len() {
            let reason = format!("{} says in {} ways where its key is", venue.name, sources.len());
            let remedy = "keep one of key_env, key_credential and key_file";
            self.faults.add(key, reason, remedy);
        }
        sources.pop()
    }

    /// Proves what orders in markets name or count that quotes do not.
    fn codes(&mut self) -> Vec<MarketCode> {
        let (config, catalogue) = (self.config, self.catalogue);
        let mut codes = Vec::new();
        for (number, market) in config.markets.iter().enumerate() {
            let instrument = catalogue.instrument_named(&market.instrument);
            let Some((instrument, venue)) = instrument.zip(catalogue.venue_named(&market.venue))
            else {
                continue;
            };
            let key = format!("trading.markets[{number}].contract");
            let contract = market.contract.as_ref();
            let contract = contract.map(|it| self.amount(&key, it, |it| Amount::ZERO < it));
            let code = market.code;
            codes.push(MarketCode { instrument, venue, code, contract });
        }
        codes
    }

    fn tiers(&mut self, written: &[FeeTier], usual: Tier, key: &str) -> Vec<Tier> {
        if written.is_empty() {
            return vec![usual];
        }
        let mut tiers = Vec::new();
        for (number, tier) in written.iter().enumerate() {
            let at = format!("{key}[{number}]");
            self.faults.within(&format!("{at}.bps"), tier.bps, TAKER_FEES_BPS);
            let not_below_zero = |amount| Amount::ZERO <= amount;
            let from = self.amount(&format!("{at}.from"), &tier.from, not_below_zero);
            tiers.push(Tier { from, millionths: millionths(tier.bps) });
        }
        let is_rising = tiers.windows(2).all(|pair| pair[0].from < pair[1].from);
        if !is_rising || tiers.first().is_some_and(|first| first.from != Amount::ZERO) {
            let reason = "the volumes do not rise from 0";
            self.faults.add(
                key,
                reason,
                "begin with from = 0, and let each be above the one before",
            );
        }
        tiers
    }

    fn balances(&mut self) -> Vec<(VenueId, AssetName, Amount)> {
        let mut balances = Vec::new();
        for (number, venue) in self.config.venues.iter().enumerate() {
            let Some(id) = self.catalogue.venue_named(&venue.name) else { continue };
            for (asset, amount) in &venue.balances {
                let key = format!("trading.venues[{number}].balances.{asset}");
                let amount = self.amount(&key, amount, |amount| Amount::ZERO <= amount);
                let known = AssetName::new(asset).filter(|name| self.assets.find(*name).is_some());
                let Some(name) = known else {
                    let reason = format!("nothing here is traded in, or paid with, {asset:?}");
                    self.faults.add(&key, reason, "correct the name, or remove it");
                    continue;
                };
                balances.push((id, name, amount));
            }
        }
        balances
    }

    /// Proves the rates: every quote currency, and every asset that fees are taken in, needs one.
    fn rates(&mut self, currency: AssetId) -> Vec<Option<i64>> {
        for name in self.config.rates.keys() {
            self.asset(&format!("trading.rates.{name}"), name);
        }
        let mut rates = vec![None; self.assets.len()];
        for (name, number) in &self.config.rates {
            let key = format!("trading.rates.{name}");
            let asset = self.asset(&key, name);
            match decimal::parse(number.0.as_bytes(), 6) {
                Ok(rate) if 0 < rate => rates[asset.index()] = Some(rate),
                Ok(_) | Err(_) => {
                    let reason = format!("{:?} is no rate", number.0);
                    self.faults.add(&key, reason, "write more than 0, with at most 6 decimals");
                }
            }
        }
        if rates[currency.index()].is_some_and(|rate| rate != 1_000_000) {
            let key = format!("trading.rates.{}", self.config.currency);
            self.faults.add(&key, "it is the currency itself", "remove it, or write 1");
        }
        rates[currency.index()] = Some(1_000_000);
        self.need_rates(&rates);
        rates
    }

    fn need_rates(&mut self, rates: &[Option<i64>]) {
        if self.config.mode != "paper" {
            return;
        }
        let names = self.catalogue.instruments.iter().map(|it| CanonicalName::parse(&it.name));
        let quotes = names.flatten().map(|name| name.quote.to_owned());
        let own = self.config.venues.iter().filter_map(|venue| venue.fee_asset.clone());
        let own = own.filter(|name| name != "received" && name != "quote");
        let mut needed: Vec<String> = quotes.chain(own).collect();
        needed.sort_unstable();
        needed.dedup();
        for name in needed {
            let asset = AssetName::new(&name).and_then(|name| self.assets.find(name));
            if asset.is_none_or(|asset| rates[asset.index()].is_none()) {
                let reason = format!("{name} has no value in {}", self.config.currency);
                let remedy = "state one: different currencies are never taken for the same";
                self.faults.add(&format!("trading.rates.{name}"), reason, remedy);
            }
        }
    }

    fn latencies(&mut self) -> Vec<Latencies> {
        self.faults.within("trading.latency_ms", self.config.latency_ms, LATENCIES_MS);
        let catalogue = self.catalogue;
        catalogue.venues.iter().map(|info| self.latency(info)).collect()
    }

    fn latency(&mut self, info: &VenueInfo) -> Latencies {
        let usual = Latencies::fixed(nanos(self.config.latency_ms * 1e6));
        let Some((number, venue)) = self.written(info) else { return usual };
        let (latency_ms, file) = (venue.latency_ms, venue.latency_file.clone());
        let key = |field: &str| format!("trading.venues[{number}].{field}");
        if let Some(file) = file {
            if latency_ms.is_some() {
                let reason = "latency_ms is given too";
                self.faults.add(&key("latency_file"), reason, "keep one of them");
            }
            return self.measured(&file, &key("latency_file")).unwrap_or(usual);
        }
        let Some(latency_ms) = latency_ms else { return usual };
        self.faults.within(&key("latency_ms"), latency_ms, LATENCIES_MS);
        Latencies::fixed(nanos(latency_ms * 1e6))
    }

    /// Reads a file of measured latencies.
    fn measured(&mut self, file: &Path, key: &str) -> Option<Latencies> {
        let remedy = "name a text file with one time in microseconds a line";
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => {
                self.faults.add(key, format!("{} cannot be read: {error}", file.display()), remedy);
                return None;
            }
        };
        let mut samples = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.parse::<f64>() {
                Ok(micros) if (0.0..=60_000_000.0).contains(&micros) => {
                    samples.push(nanos(micros * 1e3));
                }
                Ok(_) | Err(_) => {
                    let reason = format!("line {} of {}: {line:?}", number + 1, file.display());
                    self.faults.add(key, reason, remedy);
                    return None;
                }
            }
        }
        let measured = Latencies::measured(samples, self.config.seed);
        if measured.is_none() {
            self.faults.add(key, format!("{} has no time", file.display()), remedy);
        }
        measured
    }

    /// Returns what was approved of each pair that an approval names.
    fn of_pairs<T: Clone>(
        &self,
        approved: Option<&Approved>,
        of: impl Fn(&Approval) -> Option<T>,
    ) -> Vec<Option<T>> {
        let (catalogue, venues) = (self.catalogue, self.catalogue.venues.len());
        let mut all = vec![None; catalogue.instruments.len() * venues * venues];
        for pair in approved.map_or(&[][..], |all| &all.pairs) {
            let ids = catalogue
                .instrument_named(&pair.instrument)
                .zip(catalogue.venue_named(&pair.buy))
                .zip(catalogue.venue_named(&pair.sell));
            let Some(((instrument, buy), sell)) = ids else { continue };
            let place = (instrument.index() * venues + buy.index()) * venues + sell.index();
            all[place] = of(pair);
        }
        all
    }
}

/// Returns a fee in millionths. A fee has at most four decimals of a basis point, and what is beyond is
/// rounded.
#[expect(clippy::cast_possible_truncation, reason = "fees are within -100 to 1,000 basis points")]
fn millionths(bps: f64) -> i64 {
    (bps * 100.0).round() as i64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at most a minute, and never below zero"
)]
fn nanos(nanos: f64) -> Nanos {
    nanos.round() as Nanos
}

#[cfg(test)]
mod tests {
    use super::*;
    use spreadwire_config::config;
    use spreadwire_market::instrument::Listing;

    fn catalogue() -> Catalogue {
        let venue = |name: &str| VenueInfo { name: name.into(), taker_fee: 0.001, max_age: 1 };
        let listing = |venue, instrument| Listing {
            venue: VenueId(venue),
            instrument: InstrumentId(instrument),
            symbol: String::new(),
        };
        let instrument =
            |name: &str| Instrument { name: name.into(), price_scale: 2, size_scale: 4 };
        Catalogue {
            instruments: vec![instrument("BTC/USDT"), instrument("BTC/USDC:SPOT-PERP")],
            venues: vec![venue("binance"), venue("binance-usdm"), venue("okx")],
            listings: vec![listing(0, 0), listing(2, 0), listing(0, 1), listing(1, 1)],
        }
    }

    fn proved(text: &str) -> Result<TradingPlan, Vec<String>> {
        let (config, unknown) = config::parse(&format!("[trading]\n{text}")).unwrap();
        assert!(unknown.is_empty(), "{unknown:?}");
        let mut faults = Faults::new(Path::new("x.toml"), Vec::new());
        let plan = prove(&config.trading, &catalogue(), None, &mut faults);
        if faults.is_empty() {
            return Ok(plan);
        }
        Err(faults.into_list().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn an_approved_pair_has_its_own_size_and_ends_by_its_own_model() {
        let of = |model, [buy, sell]: [&str; 2], size_quote| Approval {
            instrument: "BTC/USDT".into(),
            buy: buy.into(),
            sell: sell.into(),
            model,
            size_quote,
            ..Approval::default()
        };
        let pairs = vec![
            of(Exit::Convergence, ["binance", "okx"], 500.0),
            of(Exit::Convergence, ["binance", "nowhere"], 1.0),
        ];
        let approved = Approved { pairs, ..Approved::default() };
        let (config, _) = config::parse("[trading]\nexit = \"inventory\"").unwrap();
        let mut faults = Faults::new(Path::new("x.toml"), Vec::new());
        let plan = prove(&config.trading, &catalogue(), Some(&approved), &mut faults);
        assert!(faults.is_empty());
        let settings = plan.settings;
        let of = |buy, sell| {
            let place = settings.pair(InstrumentId(0), VenueId(buy), VenueId(sell));
            let exit = settings.exit_of(InstrumentId(0), [VenueId(buy), VenueId(sell)]);
            (settings.sizes[place], settings.exits[place], exit)
        };
        let size = Amount::parse("500").unwrap();
        assert_eq!(of(0, 2), (Some(size), Some(Exit::Convergence), Exit::Convergence));
        assert_eq!(of(2, 0), (None, None, Exit::Inventory), "the other direction");
    }

    #[test]
    fn the_defaults_are_sound_and_what_is_written_is_taken() {
        assert!(!proved("").unwrap().is_on);
        let plan = proved(
            r#"
            mode = "paper"
            rates = { USDC = 0.9998, BNB = "600" }
            exit = "convergence"
            [[trading.venues]]
            name = "okx"
            fee_asset = "BNB"
            fee_tiers = [{ from = 0, bps = 8.0 }, { from = 1000000, bps = -0.25 }]
            latency_ms = 12.5
            balances = { USDT = 1000, BTC = "0.25" }
            [[trading.markets]]
            venue = "okx"
            instrument = "BTC/USDT"
            tick = 0.1
            lot = "0.001"
            min_notional = 5
            "#,
        )
        .unwrap();
        let settings = &plan.settings;
        let terms = settings.terms(InstrumentId(0), VenueId(2)).unwrap();
        assert_eq!((terms.tick, terms.lot, terms.min_sz), (10, 10, 10));
        assert_eq!(terms.min_notional, Amount::parse("5").unwrap());
        let perpetual = settings.terms(InstrumentId(1), VenueId(1)).unwrap();
        assert_eq!(perpetual.settlement, Settlement::Position);
        assert_eq!(settings.assets.name(perpetual.base).as_str(), "BTC/USDC:SPOT-PERP");
        let spot = settings.terms(InstrumentId(1), VenueId(0)).unwrap();
        assert_eq!((spot.settlement, spot.base), (Settlement::Spot, terms.base));
        assert!(settings.terms(InstrumentId(0), VenueId(1)).is_none(), "not listed");
        let rate = |name| {
            settings.rates[settings.assets.find(AssetName::new(name).unwrap()).unwrap().index()]
        };
        let rates = ["USDT", "USDC", "BNB", "BTC"].map(rate);
        assert_eq!(rates, [Some(1_000_000), Some(999_800), Some(600_000_000), None]);
        assert_eq!(settings.venues[2].tiers[1].millionths, -25);
        assert_eq!(settings.venues[0].tiers[0].millionths, 1_000);
        assert_eq!(settings.latencies, [5_000_000, 5_000_000, 12_500_000]);
        assert_eq!((plan.balances.len(), settings.exit), (2, Exit::Convergence));
    }

    #[test]
    fn how_orders_reach_a_venue_is_taken_and_the_rest_are_defaults() {
        let plan = proved(
            r#"
            [[trading.venues]]
            name = "okx"
            order_url = "ws://127.0.0.1:1"
            order_rest_url = "http://127.0.0.1:2"
            key_env = "OKX_KEY"
            recv_window_ms = 900
            trade_mode = "cross"
            [[trading.markets]]
            venue = "okx"
            instrument = "BTC/USDT"
            code = 7
            contract = "0.01"
            "#,
        )
        .unwrap();
        let [binance, usdm, okx] = &plan.accesses[..] else { panic!() };
        assert_eq!((binance, binance.recv_window), (usdm, RECV_WINDOW_MS_DEFAULT));
        assert_eq!(okx.source, Some(Source::Environment("OKX_KEY".to_owned())));
        assert_eq!(okx.order_url.as_ref().unwrap().port, 1);
        assert_eq!(okx.rest_url.as_ref().unwrap().port, 2);
        assert_eq!((okx.recv_window, okx.is_cross), (900, true));
        assert_eq!(okx.key, "trading.venues[0]");
        let (instrument, venue) = (InstrumentId(0), VenueId(2));
        let (code, contract) = (Some(7), Some(Amount::parse("0.01").unwrap()));
        assert_eq!(plan.codes, [MarketCode { instrument, venue, code, contract }]);
    }

    #[test]
    fn every_problem_is_told_with_its_key() {
        for (text, key) in [
            ("mode = \"live\"", "trading.mode"),
            ("mode = \"paper\"", "trading.rates.USDC"),
            ("owner = \"Spread-1\"", "trading.owner"),
            ("currency = \"\"", "trading.currency"),
            ("exit = \"never\"", "trading.exit"),
            ("hedge = \"pray\"", "trading.hedge"),
            ("hedge_band_bps = -1.0", "trading.hedge_band_bps"),
            ("rejects = 2.0", "trading.rejects"),
            ("latency_ms = -1.0", "trading.latency_ms"),
            ("rates = { USDT = 2 }", "trading.rates.USDT"),
            ("rates = { USDC = 0 }", "trading.rates.USDC"),
            ("limits = { order = 0 }", "trading.limits.order"),
            ("limits = { total = \"1e5\" }", "trading.limits.total"),
            ("limits = { open_deals = 0 }", "trading.limits.open_deals"),
            ("limits = { max_net_bps = -5.0 }", "trading.limits.max_net_bps"),
            ("venues = [{ name = \"kraken\" }]", "trading.venues[0].name"),
            ("venues = [{ name = \"okx\" }, { name = \"okx\" }]", "trading.venues[1].name"),
            ("venues = [{ name = \"okx\", orders_per_second = 0 }]", "orders_per_second"),
            (
                "venues = [{ name = \"okx\", fee_tiers = [{ from = 5, bps = 1.0 }] }]",
                "trading.venues[0].fee_tiers",
            ),
            ("venues = [{ name = \"okx\", balances = { BTC = -1 } }]", "balances.BTC"),
            ("venues = [{ name = \"okx\", balances = { BTX = 1 } }]", "balances.BTX"),
            ("answer_timeout_ms = 10", "trading.answer_timeout_ms"),
            ("venues = [{ name = \"okx\", latency_file = \"absent\" }]", "latency_file"),
            ("venues = [{ name = \"okx\", order_url = \"ws://h/path\" }]", "[0].order_url"),
            ("venues = [{ name = \"okx\", order_url = \"http://h\" }]", "[0].order_url"),
            ("venues = [{ name = \"okx\", order_rest_url = \"ws://h\" }]", "order_rest_url"),
            ("venues = [{ name = \"okx\", recv_window_ms = 0 }]", "recv_window_ms"),
            ("venues = [{ name = \"okx\", trade_mode = \"isolated\" }]", "trade_mode"),
            (
                "venues = [{ name = \"okx\", key_env = \"A\", key_file = \"b\" }]",
                "trading.venues[0].key_file",
            ),
            (
                "markets = [{ venue = \"okx\", instrument = \"BTC/USDT\", contract = 0 }]",
                "trading.markets[0].contract",
            ),
            ("markets = [{ venue = \"okx\", instrument = \"A/B\" }]", "markets[0].instrument"),
            (
                "markets = [{ venue = \"okx\", instrument = \"BTC/USDT\" }, \
                 { venue = \"okx\", instrument = \"BTC/USDT\", lot = 1 }]",
                "trading.markets[1].instrument",
            ),
            ("markets = [{ venue = \"x\", instrument = \"BTC/USDT\" }]", "markets[0].venue"),
            (
                "markets = [{ venue = \"binance-usdm\", instrument = \"BTC/USDT\" }]",
                "markets[0].venue",
            ),
            (
                "markets = [{ venue = \"okx\", instrument = \"BTC/USDT\", lot = 0.00001 }]",
                "trading.markets[0].lot",
            ),
        ] {
            let problems = proved(text).unwrap_err();
            assert_eq!(problems.len(), 1, "{text}: {problems:?}");
            assert!(problems[0].contains(key), "{text}: {problems:?}");
        }
        let several = "owner = \"\"\nexit = \"x\"\nlimits = { order = \"a\", total = \"b\" }";
        assert_eq!(proved(several).unwrap_err().len(), 4);
    }
}
