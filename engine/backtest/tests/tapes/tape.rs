//! Recorded quotes of a tape, with what has to be known about its venues.

use flate2::read::GzDecoder;
use spreadwire_backtest::setup::{Fund, Setup};
use spreadwire_backtest::stream::Stream;
use spreadwire_kit::needs::real_data;
use spreadwire_kit::{catalogue, quotes};
use spreadwire_market::book::Book;
use spreadwire_market::clock::{MILLI, Nanos, SECOND};
use spreadwire_market::decimal;
use spreadwire_market::decision;
use spreadwire_market::instrument::{Catalogue, VenueId};
use spreadwire_market::record::{Quote, Record};
use spreadwire_market::state::State;
use spreadwire_trading::amount::Amount;
use spreadwire_trading::latency::Latencies;
use spreadwire_trading::order::AssetName;
use spreadwire_trading::paper::PaperSettings;
use spreadwire_trading::settings::{Exit, Hedge, Hedging, Limits, Settings};
use spreadwire_trading::terms::{AssetId, Assets, FeeAsset, Settlement, Terms, Tier, VenueTerms};
use std::fs::File;
use std::sync::Arc;

/// What a size of a venue counts.
#[derive(Clone, Copy)]
pub(crate) enum Counts {
    /// The base.
    Base,
    /// Contracts of so many units of the base.
    Contracts(i64),
    /// Inverse contracts of so many units of the quote currency. They become the base at the quote's own
    /// price, rounded down.
    Inverse(i128),
}

/// A venue of a tape.
#[derive(Clone, Copy)]
pub(crate) struct Venue {
    /// Its name in the tape.
    pub(crate) name: &'static str,
    /// Its taker fee, millionths.
    pub(crate) fee: i64,
    pub(crate) settlement: Settlement,
    pub(crate) counts: Counts,
}

/// A tape.
#[derive(Clone, Copy)]
pub(crate) struct Tape {
    pub(crate) file: &'static str,
    pub(crate) base: &'static str,
    pub(crate) px_scale: u8,
    pub(crate) sz_scale: u8,
    /// A quote older than this is not used.
    pub(crate) max_age: Nanos,
    pub(crate) venues: &'static [Venue],
    /// What each spot venue begins with, of the base.
    pub(crate) inventory: &'static str,
}

impl Tape {
    #[expect(clippy::cast_precision_loss, reason = "a fee")]
    pub(crate) fn catalogue(&self) -> Catalogue {
        catalogue::of([format!("{}/USDT:SPOT-PERP", self.base)], self.venues.iter().map(|v| v.name))
            .scales(self.px_scale, self.sz_scale)
            .fees(self.venues.iter().map(|venue| venue.fee as f64 / 1e6))
            .max_age(self.max_age)
            .build()
    }

    /// Returns the quotes, each venue live from the beginning.
    fn inputs(&self) -> Vec<Record> {
        let file = GzDecoder::new(File::open(real_data(self.file)).unwrap());
        let mut rows = csv::Reader::from_reader(file);
        let quotes = rows.records().map(|row| self.quote(&row.unwrap()));
        let mut quotes: Vec<Record> = quotes.collect();
        quotes.sort_by_key(Record::ts_recv);
        let begin = quotes[0].ts_recv();
        let venues = (0_u8..).zip(self.venues);
        let live = venues.map(|(venue, _)| quotes::status(venue, 0, State::Live, begin).into());
        live.chain(quotes).collect()
    }

    /// Reads `recv_ts_ns,exch_ts_ns,venue,symbol,bid,bid_qty,ask,ask_qty`.
    fn quote(&self, row: &csv::StringRecord) -> Record {
        let place = self.venues.iter().position(|venue| venue.name == &row[2]).unwrap();
        let number = |column: usize, scale| decimal::parse(row[column].as_bytes(), scale).unwrap();
        let sz = |column: usize, px: i64| self.size(number(column, self.sz_scale), px, place);
        let (bid_px, ask_px) = (number(4, self.px_scale), number(6, self.px_scale));
        Quote {
            ts_recv: row[0].parse().unwrap(),
            bid_px,
            ask_px,
            bid_sz: sz(5, bid_px),
            ask_sz: sz(7, ask_px),
            venue: VenueId(u8::try_from(place).unwrap()),
            ..Quote::default()
        }
        .into()
    }

    fn size(&self, sz: i64, px: i64, place: usize) -> i64 {
        match self.venues[place].counts {
            Counts::Base => sz,
            Counts::Contracts(units) => sz * units,
            Counts::Inverse(units) => {
                let scale = 10_i128.pow(u32::from(self.px_scale));
                i64::try_from(i128::from(sz) * units * scale / i128::from(px)).unwrap()
            }
        }
    }

    pub(crate) fn stream(&self) -> Stream {
        Stream::of_inputs(Book::new(&self.catalogue()).believing(0.1), &self.inputs())
    }

    /// Returns a setup that takes up to 5,000 USDT, 5 ms one way from every venue.
    pub(crate) fn setup(&self, entry: f64, exit: f64, ways: Exit) -> Setup {
        let mut assets = Assets::default();
        let name = |text: &str| AssetName::new(text).unwrap();
        let [base, quote] = [self.base, "USDT"].map(|text| assets.intern(name(text)));
        let count = self.venues.len();
        let settings = Settings {
            currency: name("USDT"),
            rates: vec![None, Some(1_000_000)],
            terms: self.venues.iter().map(|venue| Some(self.terms(venue, base, quote))).collect(),
            venues: self.venues.iter().map(|venue| self.venue(venue)).collect(),
            sizes: vec![None; count * count],
            exits: vec![None; count * count],
            min_lifetime: 0,
            exit: ways,
            hedging: Hedging { policy: Hedge::Complete, band: 0.005, time_to_live: 5 * SECOND },
            limits: limits(),
            latencies: vec![5 * MILLI; count],
            answer_timeout: SECOND,
            assets,
        };
        let fund = |(venue, of): (u8, &Venue)| {
            let base = if of.settlement == Settlement::Spot { self.inventory } else { "0" };
            [(self.base, base), ("USDT", "100000")].map(|(asset, text)| Fund {
                venue: VenueId(venue),
                asset: name(asset),
                amount: amount(text),
            })
        };
        Setup {
            catalogue: Arc::new(self.catalogue()),
            thresholds: decision::Settings {
                entry,
                exit,
                cooldown: 0,
                enabled: vec![true],
                rules: None,
            },
            settings,
            paper: PaperSettings {
                latencies: vec![Latencies::fixed(5 * MILLI); count],
                rejects: 0.0,
                seed: 1,
            },
            funds: (0..).zip(self.venues).flat_map(fund).collect(),
        }
    }

    fn terms(&self, venue: &Venue, base: AssetId, quote: AssetId) -> Terms {
        Terms {
            settlement: venue.settlement,
            base,
            quote,
            px_scale: self.px_scale,
            sz_scale: self.sz_scale,
            tick: 1,
            lot: 1,
            min_sz: 1,
            min_notional: amount("10"),
        }
    }

    fn venue(&self, venue: &Venue) -> VenueTerms {
        VenueTerms {
            tiers: vec![Tier { from: Amount::ZERO, millionths: venue.fee }],
            volume: Amount::ZERO,
            fee_asset: FeeAsset::Quote,
            orders_per_second: 10,
            max_age: self.max_age,
        }
    }
}

fn amount(text: &str) -> Amount {
    Amount::parse(text).unwrap()
}

fn limits() -> Limits {
    let most = amount("50000");
    Limits {
        order: amount("5000"),
        instrument: most,
        venue: most,
        total: most,
        open_deals: 8,
        loss_per_day: amount("500"),
        drawdown: amount("500"),
        failures: 1_000,
        max_net: 0.05,
    }
}
