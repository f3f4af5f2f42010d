//! Quotes of two venues drawn by a seed, played by the kernel and traded by the trader.

use analyzer::kernel::lead_lag::Grid;
use analyzer::kernel::legs::Leg;
use analyzer::kernel::play::PlaySettings;
use analyzer::kernel::play::ledger::Played;
use analyzer::kernel::play::strategy::Strategy;
use analyzer::kernel::window::BadBatch;
use analyzer::kernel::{Metrics, Settings, Venue, VenueTerms, analyse};
use arrow::array::{ArrayRef, Float64Array, RecordBatch, TimestampNanosecondArray};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spreadwire_backtest::run::Run;
use spreadwire_backtest::setup::{Fund, Setup};
use spreadwire_backtest::stream::Stream;
use spreadwire_kit::{catalogue, quotes};
use spreadwire_market::book::Book;
use spreadwire_market::clock::{MILLI, Nanos, SECOND};
use spreadwire_market::decision::{self, PairRule, PairRules};
use spreadwire_market::instrument::{Catalogue, InstrumentId, VenueId};
use spreadwire_market::record::{Quote, Record};
use spreadwire_market::state::State;
use spreadwire_trading::amount::Amount;
use spreadwire_trading::entry::Entry;
use spreadwire_trading::latency::Latencies;
use spreadwire_trading::order::AssetName;
use spreadwire_trading::paper::PaperSettings;
use spreadwire_trading::settings::{Hedge, Hedging, Limits, Settings as TraderSettings};
use spreadwire_trading::terms::{
    Assets, FeeAsset, Settlement, Terms, Tier, VenueTerms as OrderTerms,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Mantissas per unit of price and of size.
pub(crate) const PRICES: f64 = 100.0;
pub(crate) const SIZES: f64 = 1e6;
const FEES: [f64; 2] = [0.0001, 0.0002];
pub(crate) const LATENCIES: [Nanos; 2] = [15 * MILLI, 25 * MILLI];
/// Largest order, and the least as the kernel has it.
const ORDER: f64 = 2_000.0;
const LEAST: &str = "10";
const BEGIN: Nanos = 1_723_075_200 * SECOND + 3_600 * SECOND;

/// One quote: time, venue, bid, ask, sizes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) ts: Nanos,
    pub(crate) venue: usize,
    pub(crate) px: [i64; 2],
    pub(crate) sz: [i64; 2],
}

#[derive(Clone, Debug)]
pub(crate) struct Drawn {
    pub(crate) rows: Vec<Row>,
}

/// Draws quotes that wander about each other, with jumps, no two at one time.
pub(crate) fn draw(seed: u64, count: u64) -> Drawn {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut prices = [10_000_i64; 2];
    let mut rows = Vec::new();
    for number in 0..count {
        let ts = BEGIN + number * 10 * MILLI + random.random_range(1..10 * MILLI);
        let venue = usize::from(number >= 2 && random.random_range(0..2) == 1 || number == 1);
        let middle = prices.iter().sum::<i64>() / 2;
        let price = &mut prices[venue];
        *price += (middle - *price) / 3 + random.random_range(-6..=6);
        if random.random_range(0..50) == 0 {
            *price += random.random_range(-40..=40);
        }
        let mut size = || random.random_range(50_000..60_000_000);
        rows.push(Row { ts, venue, px: [*price, *price + 2], sz: [size(), size()] });
    }
    Drawn { rows }
}

fn asset(name: &str) -> AssetName {
    AssetName::new(name).unwrap()
}

fn amount(text: &str) -> Amount {
    Amount::parse(text).unwrap()
}

fn market() -> Catalogue {
    let mut market =
        catalogue::of(["A/Q"], ["x", "y"]).scales(2, 6).max_age(3_600 * SECOND).build();
    for (venue, fee) in market.venues.iter_mut().zip(FEES) {
        venue.taker_fee = fee;
    }
    market
}

pub(crate) fn settings(inventory: f64) -> Settings {
    let venue = |place: usize| VenueTerms {
        taker_fee: FEES[place],
        latency_ns: LATENCIES[place].cast_signed(),
    };
    Settings {
        metrics: Metrics { compatible: false, timed: true, reversion: false, lead_lag: false },
        max_age_ns: (3_600 * SECOND).cast_signed(),
        outlier: 0.05,
        thresholds_bps: vec![2.0, 6.0],
        size: ORDER,
        sampling_ns: SECOND.cast_signed(),
        lags: Grid::default(),
        play: PlaySettings {
            entries_bps: vec![2.0, 6.0],
            margins_bps: vec![1.0, 4.0],
            latencies_ns: vec![0, 100 * MILLI.cast_signed()],
            sizes: vec![0.5, 4.0],
            inventory,
            transfer: None,
            band: 0.001,
            patience_ns: SECOND.cast_signed(),
            deals_per_hour: 1_000_000,
        },
        transfers: BTreeSet::new(),
        venues: BTreeMap::from([("x".to_owned(), venue(0)), ("y".to_owned(), venue(1))]),
        others: venue(0),
    }
}

/// One batch of a venue's rows.
fn batch(rows: &[Row], venue: usize) -> RecordBatch {
    let rows: Vec<&Row> = rows.iter().filter(|row| row.venue == venue).collect();
    let floats = |of: &dyn Fn(&Row) -> f64| -> ArrayRef {
        Arc::new(rows.iter().map(|row| Some(of(row))).collect::<Float64Array>())
    };
    let times: ArrayRef = Arc::new(TimestampNanosecondArray::from_iter_values(
        rows.iter().map(|row| row.ts.cast_signed()),
    ));
    RecordBatch::try_from_iter([
        ("Timestamp", times),
        ("BestBid", floats(&|row| row.px[0] as f64 / PRICES)),
        ("BestAsk", floats(&|row| row.px[1] as f64 / PRICES)),
        ("BestBidSize", floats(&|row| row.sz[0] as f64 / SIZES)),
        ("BestAskSize", floats(&|row| row.sz[1] as f64 / SIZES)),
    ])
    .unwrap()
}

/// Plays rows cut into batches at the times of `cuts`.
pub(crate) fn play(rows: &[Row], settings: &Settings, cuts: usize) -> Played {
    play_from(rows, settings, cuts, [None; 2])
}

/// Plays rows after a unit that ended with these bids, 2 ticks wide, a moment before.
pub(crate) fn play_after(rows: &[Row], settings: &Settings, bids: [i64; 2]) -> Played {
    let leg = |bid: i64| Leg {
        time: rows[0].ts.cast_signed() - 1,
        bid: bid as f64 / PRICES,
        ask: (bid + 2) as f64 / PRICES,
        sizes: [f64::NAN; 2],
    };
    play_from(rows, settings, 1, bids.map(|bid| Some(leg(bid))))
}

fn play_from(rows: &[Row], settings: &Settings, cuts: usize, opening: [Option<Leg>; 2]) -> Played {
    let size = rows.len().div_ceil(cuts).max(1);
    let venue = |place: usize| Venue {
        name: ["x", "y"][place].to_owned(),
        opening: opening[place],
        torn: Vec::new(),
        batches: rows.chunks(size).map(move |rows| Ok::<_, BadBatch>(batch(rows, place))),
    };
    let partial = analyse(settings, vec![venue(0), venue(1)], true).unwrap();
    partial.pairs[0].timed.as_ref().unwrap().played.clone()
}

impl Drawn {
    /// Returns what the kernel plays, which does not depend on how rows are cut into batches.
    pub(crate) fn played(&self, seed: u64) -> Played {
        let settings = settings(1e9);
        let whole = play(&self.rows, &settings, 1);
        assert_eq!(whole, play(&self.rows, &settings, 7), "seed {seed}: cut into batches");
        whole
    }

    /// Returns whether an order sent at `ts` arrives before the last quote.
    pub(crate) fn has_arrived(&self, ts: Nanos) -> bool {
        let last = self.rows.last().map_or(0, |row| row.ts);
        ts + LATENCIES[1] < last
    }

    /// Returns the journal of the trader with a strategy, and the profit of what is over.
    pub(crate) fn traded(&self, strategy: Strategy) -> (Vec<Entry>, f64) {
        let live = (0..2).map(|venue| quotes::status(venue, 0, State::Live, BEGIN).into());
        let quote = |row: &Row| -> Record {
            let whole = quotes::quote(u8::try_from(row.venue).unwrap(), 0, row.ts);
            let ([bid_px, ask_px], [bid_sz, ask_sz]) = (row.px, row.sz);
            Quote { bid_px, ask_px, bid_sz, ask_sz, ..whole }.into()
        };
        let inputs: Vec<Record> = live.chain(self.rows.iter().map(quote)).collect();
        let stream = Stream::of_inputs(Book::new(&market()), &inputs);
        let mut run = Run::new(&setup(strategy), BEGIN);
        let mut entries = Vec::new();
        run.feed_telling(stream.records(), &mut |entry| entries.push(*entry));
        let outcome = run.finish_telling(&mut |entry| entries.push(*entry));
        let profit: f64 = outcome.tally.profit.to_string().parse().unwrap();
        (entries, profit)
    }
}

/// The assets, and what both venues ask of orders.
fn terms() -> (Assets, Terms) {
    let mut assets = Assets::default();
    let (quote, base) = (assets.intern(asset("Q")), assets.intern(asset("A")));
    let terms = Terms {
        settlement: Settlement::Spot,
        base,
        quote,
        px_scale: 2,
        sz_scale: 6,
        tick: 1,
        lot: 1,
        min_sz: 1,
        min_notional: amount(LEAST),
    };
    (assets, terms)
}

fn limits() -> Limits {
    let most = amount("1000000000");
    Limits {
        order: amount("2000"),
        instrument: most,
        venue: most,
        total: most,
        open_deals: 1_000,
        loss_per_day: most,
        drawdown: most,
        failures: u32::MAX,
        max_net: 1.0,
    }
}

fn setup(strategy: Strategy) -> Setup {
    let (assets, terms) = terms();
    let venue = |fee: i64| OrderTerms {
        tiers: vec![Tier { from: Amount::ZERO, millionths: fee }],
        volume: Amount::ZERO,
        fee_asset: FeeAsset::Quote,
        orders_per_second: 100_000,
        max_age: 3_600 * SECOND,
    };
    let settings = TraderSettings {
        currency: asset("Q"),
        rates: vec![Some(1_000_000), None],
        terms: vec![Some(terms); 2],
        venues: [100, 200].map(venue).to_vec(),
        sizes: vec![None; 4],
        exits: vec![None; 4],
        min_lifetime: 0,
        exit: strategy.model,
        hedging: Hedging { policy: Hedge::Complete, band: 0.001, time_to_live: SECOND },
        limits: limits(),
        latencies: LATENCIES.to_vec(),
        answer_timeout: 3_600 * SECOND,
        assets,
    };
    let thresholds = strategy.thresholds();
    let rule = |direction: usize| PairRule {
        instrument: InstrumentId(0),
        buy_venue: VenueId(u8::from(direction == 1)),
        sell_venue: VenueId(u8::from(direction == 0)),
        entry: thresholds.entry,
        exit: thresholds.exit,
        expires: Nanos::MAX,
    };
    let fund = |venue: u8, name: &str| Fund {
        venue: VenueId(venue),
        asset: asset(name),
        amount: amount("10000000"),
    };
    Setup {
        catalogue: Arc::new(market()),
        thresholds: decision::Settings {
            entry: 1.0,
            exit: 1.0,
            cooldown: 0,
            enabled: vec![true],
            rules: Some(PairRules { pairs: strategy.directions().map(rule).collect() }),
        },
        settings,
        paper: PaperSettings {
            latencies: LATENCIES.map(Latencies::fixed).to_vec(),
            rejects: 0.0,
            seed: 1,
        },
        funds: vec![fund(0, "A"), fund(0, "Q"), fund(1, "A"), fund(1, "Q")],
    }
}
