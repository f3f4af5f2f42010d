//! A trader on paper over two venues and one instrument, `A/B`.

#![allow(dead_code, reason = "each test file uses a part")]

use spreadwire_market::clock::{MILLI, Nanos, SECOND};
use spreadwire_market::decision;
use spreadwire_market::instrument::{Catalogue, Instrument, InstrumentId, VenueId, VenueInfo};
use spreadwire_market::record::{Record, Spread, Status};
use spreadwire_market::spread::{FeeFactors, net};
use spreadwire_market::state::State;
use spreadwire_trading::amount::Amount;
use spreadwire_trading::entry::{Entry, Event};
use spreadwire_trading::kill::KillSwitch;
use spreadwire_trading::latency::Latencies;
use spreadwire_trading::order::{Answer, AssetName};
use spreadwire_trading::paper::{Paper, PaperSettings};
use spreadwire_trading::paper_trader::PaperTrader;
use spreadwire_trading::settings::{Exit, Hedge, Hedging, Limits, Settings};
use spreadwire_trading::terms::{Assets, FeeAsset, Settlement, Terms, Tier, VenueTerms};
use spreadwire_trading::trader::{Out, Trader};

/// Taker fee of both venues: 10 bp.
pub(crate) const FEE: f64 = 0.001;
/// One way, to both venues.
pub(crate) const LATENCY: Nanos = 5 * MILLI;

pub(crate) fn catalogue() -> Catalogue {
    let venue = |name: &str| VenueInfo { name: name.into(), taker_fee: FEE, max_age: SECOND };
    Catalogue {
        instruments: vec![Instrument { name: "A/B".into(), price_scale: 2, size_scale: 2 }],
        venues: vec![venue("x"), venue("y")],
        listings: Vec::new(),
    }
}

pub(crate) fn name(text: &str) -> AssetName {
    AssetName::new(text).unwrap()
}

pub(crate) fn amount(text: &str) -> Amount {
    Amount::parse(text).unwrap()
}

/// Returns an amount of so many units of 10^-18.
pub(crate) fn units(units: i128) -> Amount {
    Amount::of_units(units)
}

/// `A` is traded for `B`; `Z` is an asset of the venues' own, worth 4 `B`.
pub(crate) fn assets() -> Assets {
    let mut assets = Assets::default();
    for text in ["A", "B", "Z"] {
        assets.intern(name(text));
    }
    assets
}

pub(crate) fn settings() -> Settings {
    let assets = assets();
    let [base, quote] = ["A", "B"].map(|text| assets.find(name(text)).unwrap());
    let terms = Terms {
        settlement: Settlement::Spot,
        base,
        quote,
        px_scale: 2,
        sz_scale: 2,
        tick: 1,
        lot: 1,
        min_sz: 1,
        min_notional: Amount::parse("5").unwrap(),
    };
    let venue = VenueTerms {
        tiers: vec![Tier { from: Amount::ZERO, millionths: 1_000 }],
        volume: Amount::ZERO,
        fee_asset: FeeAsset::Quote,
        orders_per_second: 1_000,
        max_age: SECOND,
    };
    let most = Amount::parse("100000").unwrap();
    Settings {
        assets,
        currency: name("B"),
        rates: vec![None, Some(1_000_000), Some(4_000_000)],
        terms: vec![Some(terms); 2],
        venues: vec![venue; 2],
        sizes: vec![None; 4],
        exits: vec![None; 4],
        min_lifetime: 0,
        exit: Exit::Inventory,
        hedging: Hedging { policy: Hedge::Complete, band: 0.02, time_to_live: SECOND },
        limits: Limits {
            order: most,
            instrument: most,
            venue: most,
            total: most,
            open_deals: 8,
            loss_per_day: most,
            drawdown: most,
            failures: 100,
            max_net: 0.1,
        },
        latencies: vec![LATENCY; 2],
        answer_timeout: SECOND,
    }
}

pub(crate) fn thresholds() -> decision::Settings {
    decision::Settings { entry: 0.002, exit: 0.0005, cooldown: 0, enabled: vec![true], rules: None }
}

fn of(
    ts: Nanos,
    venues: (u8, u8),
    (buy_px, buy_sz): (i64, i64),
    (sell_px, sell_sz): (i64, i64),
) -> Record {
    let fee = FeeFactors::of(FEE);
    let net = net(sell_px, fee, buy_px, fee);
    let (buy_venue, sell_venue) = (VenueId(venues.0), VenueId(venues.1));
    Spread {
        ts_recv: ts,
        buy_px,
        buy_sz,
        sell_px,
        sell_sz,
        net,
        buy_venue,
        sell_venue,
        ..Spread::default()
    }
    .into()
}

/// Buy on `x` at that price and size, sell on `y`.
pub(crate) fn spread(ts: Nanos, buy: (i64, i64), sell: (i64, i64)) -> Record {
    of(ts, (0, 1), buy, sell)
}

/// Buy on `y`, sell on `x`.
pub(crate) fn reverse(ts: Nanos, buy: (i64, i64), sell: (i64, i64)) -> Record {
    of(ts, (1, 0), buy, sell)
}

pub(crate) fn status(ts: Nanos, venue: u8, state: State) -> Record {
    Status {
        ts_recv: ts,
        state: state as u8,
        instrument: InstrumentId(0),
        venue: VenueId(venue),
        ..Status::default()
    }
    .into()
}

/// What the books begin with: 1,000 `A` and 100,000 `B` at both venues.
pub(crate) fn funded() -> Vec<Entry> {
    let balances = [(0, "A", "1000"), (0, "B", "100000"), (1, "A", "1000"), (1, "B", "100000")];
    let funded = |(venue, asset, held)| {
        let (venue, asset, amount) = (VenueId(venue), name(asset), amount(held));
        Entry { ts: 0, event: Event::Funded { venue, asset, amount } }
    };
    balances.map(funded).to_vec()
}

/// Returns the trader that has read the entries of earlier runs.
pub(crate) fn restored(entries: &[Entry], settings: Settings, kill: KillSwitch) -> PaperTrader {
    let mut trader = Trader::new(&catalogue(), thresholds(), settings, kill, 1).trusting();
    entries.iter().for_each(|entry| trader.restore(entry));
    let latencies = vec![Latencies::fixed(LATENCY); 2];
    let paper = PaperSettings { latencies, rejects: 0.0, seed: 1 };
    let (books, trades) = (trader.desk().books.clone(), trader.desk().tally.fills);
    PaperTrader::new(trader, Paper::new(paper, books).after(trades))
}

/// The trader, and what it said.
pub(crate) struct Rig {
    both: PaperTrader,
    pub(crate) kill: KillSwitch,
    pub(crate) entries: Vec<Entry>,
    pub(crate) records: Vec<Record>,
    settings: Settings,
}

impl Rig {
    pub(crate) fn new() -> Rig {
        Rig::with(settings())
    }

    pub(crate) fn with(settings: Settings) -> Rig {
        let kill = KillSwitch::default();
        let entries = funded();
        let both = restored(&entries, settings.clone(), kill.clone());
        Rig { both, kill, entries, records: Vec::new(), settings }
    }

    /// Ends the process and starts it again; the last `lost` entries had not reached the disk.
    pub(crate) fn restart(&mut self, lost: usize) {
        let funded = 4;
        let now = self.entries.last().map_or(0, |entry| entry.ts);
        self.entries.truncate((self.entries.len() - lost.min(self.entries.len())).max(funded));
        self.both = restored(&self.entries, self.settings.clone(), self.kill.clone());
        let mut out = Out::default();
        self.both.restored(now, &mut out);
        self.entries.append(&mut out.entries);
    }

    /// Ends the run at `stop`, and starts another one at `begin`.
    pub(crate) fn stop_and_begin(&mut self, stop: Nanos, begin: Nanos) {
        let mut out = Out::default();
        self.both.stop(stop, &mut out);
        self.entries.append(&mut out.entries);
        self.both = restored(&self.entries, self.settings.clone(), self.kill.clone());
        self.both.restored(begin, &mut out);
        self.entries.append(&mut out.entries);
    }

    pub(crate) fn paper(&self) -> &Paper {
        &self.both.paper
    }

    pub(crate) fn settings(&mut self, change: impl Fn(&mut Settings)) {
        change(&mut self.settings);
        self.both.trader.retune(thresholds(), self.settings.clone());
    }

    pub(crate) fn on(&mut self, record: Record) {
        let mut out = Out::default();
        self.both.on_record(&record, &mut out);
        self.entries.append(&mut out.entries);
        self.records.append(&mut out.records);
    }

    pub(crate) fn trader(&self) -> &Trader {
        &self.both.trader
    }

    pub(crate) fn balance(&self, venue: u8, asset: &str) -> Amount {
        let desk = self.trader().desk();
        let asset = desk.settings.assets.find(name(asset)).unwrap();
        desk.books.account(VenueId(venue), asset).balance()
    }

    /// Positions of the first open deal by leg, or none.
    pub(crate) fn position(&self) -> [i64; 2] {
        self.trader()
            .desk()
            .deals()
            .first()
            .map_or([0, 0], |deal| deal.legs.map(|leg| leg.position))
    }

    pub(crate) fn told(&self) -> Vec<String> {
        self.entries.iter().map(|entry| format!("{} {:?}", entry.ts, entry.event)).collect()
    }

    /// Checks what must hold at any time, computed from the entries alone.
    pub(crate) fn check(&self) {
        let fills = self.entries.iter().filter_map(|entry| {
            let Event::Answered(Answer::Filled(fill)) = entry.event else { return None };
            Some(fill)
        });
        for venue in 0..2 {
            for asset in ["A", "B"] {
                let mut expected = Amount::ZERO;
                for entry in &self.entries {
                    if let Event::Funded { venue: at, asset: of, amount } = entry.event
                        && at == VenueId(venue)
                        && of == name(asset)
                    {
                        expected += amount;
                    }
                }
                for fill in fills.clone().filter(|fill| fill.venue == VenueId(venue)) {
                    let units = i128::from(fill.side.sign()) * i128::from(fill.sz);
                    let moved = if asset == "A" {
                        Amount::of_units(units * 10_i128.pow(16))
                    } else {
                        Amount::of_units(-units * i128::from(fill.px) * 10_i128.pow(14))
                    };
                    expected += moved;
                    if fill.fee_asset == name(asset) {
                        expected -= fill.fee;
                    }
                }
                assert_eq!(self.balance(venue, asset), expected, "{asset} at venue {venue}");
            }
        }
    }
}
