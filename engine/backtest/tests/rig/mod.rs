//! Two instruments on three venues, quotes drawn by a seed, and a setup that trades them.

#![allow(dead_code, reason = "each test file uses a part")]

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spreadwire_backtest::setup::{Fund, Setup};
use spreadwire_backtest::stream::Stream;
use spreadwire_kit::{catalogue, quotes};
use spreadwire_market::book::Book;
use spreadwire_market::clock::{MILLI, Nanos, SECOND};
use spreadwire_market::decision;
use spreadwire_market::instrument::{Catalogue, InstrumentId, VenueId};
use spreadwire_market::record::{Gap, Quote, Record};
use spreadwire_market::state::State;
use spreadwire_trading::amount::Amount;
use spreadwire_trading::latency::Latencies;
use spreadwire_trading::order::AssetName;
use spreadwire_trading::paper::PaperSettings;
use spreadwire_trading::settings::{Exit, Hedge, Hedging, Limits, Settings};
use spreadwire_trading::terms::{Assets, FeeAsset, Settlement, Terms, Tier, VenueTerms};
use std::sync::Arc;

/// Number of venues.
pub(crate) const VENUES: u8 = 3;
/// Number of instruments.
pub(crate) const INSTRUMENTS: u32 = 2;
/// Taker fee of every venue: 1 bp.
const FEE: f64 = 0.0001;
/// Time of the first record.
pub(crate) const BEGIN: Nanos = 86_400 * SECOND - 30 * SECOND;

pub(crate) fn amount(text: &str) -> Amount {
    Amount::parse(text).unwrap()
}

pub(crate) fn asset(name: &str) -> AssetName {
    AssetName::new(name).unwrap()
}

pub(crate) fn market() -> Catalogue {
    let names = ["x", "y", "z"];
    catalogue::of(["A/Q", "B/Q"], names).scales(2, 2).fee(FEE).max_age(SECOND).build()
}

pub(crate) fn setup() -> Setup {
    let mut assets = Assets::default();
    let quote = assets.intern(asset("Q"));
    let bases = ["A", "B"].map(|name| assets.intern(asset(name)));
    let terms = |instrument: u32| Terms {
        settlement: Settlement::Spot,
        base: bases[instrument as usize],
        quote,
        px_scale: 2,
        sz_scale: 2,
        tick: 1,
        lot: 1,
        min_sz: 1,
        min_notional: amount("5"),
    };
    let venue = VenueTerms {
        tiers: vec![Tier { from: Amount::ZERO, millionths: 100 }],
        volume: Amount::ZERO,
        fee_asset: FeeAsset::Quote,
        orders_per_second: 100,
        max_age: SECOND,
    };
    let most = amount("1000000");
    let limits = Limits {
        order: amount("2000"),
        instrument: most,
        venue: most,
        total: most,
        open_deals: 8,
        loss_per_day: most,
        drawdown: most,
        failures: 1_000_000,
        max_net: 0.1,
    };
    let (venues, pairs) = (usize::from(VENUES), INSTRUMENTS as usize * 9);
    let all = (0..INSTRUMENTS).flat_map(|instrument| vec![Some(terms(instrument)); venues]);
    let settings = Settings {
        currency: asset("Q"),
        rates: vec![Some(1_000_000), None, None],
        terms: all.collect(),
        venues: vec![venue; venues],
        sizes: vec![None; pairs],
        exits: vec![None; pairs],
        min_lifetime: 0,
        exit: Exit::Inventory,
        hedging: Hedging { policy: Hedge::Complete, band: 0.02, time_to_live: SECOND },
        limits,
        latencies: vec![15 * MILLI; venues],
        answer_timeout: SECOND,
        assets,
    };
    Setup {
        catalogue: Arc::new(market()),
        thresholds: decision::Settings {
            entry: 0.0005,
            exit: 0.0,
            cooldown: 0,
            enabled: vec![true; INSTRUMENTS as usize],
            rules: None,
        },
        settings,
        paper: PaperSettings {
            latencies: vec![Latencies::fixed(15 * MILLI); venues],
            rejects: 0.05,
            seed: 7,
        },
        funds: (0..VENUES).flat_map(funds).collect(),
    }
}

/// What a venue begins with.
fn funds(venue: u8) -> [Fund; 3] {
    [("A", "500"), ("B", "500"), ("Q", "100000")].map(|(name, text)| Fund {
        venue: VenueId(venue),
        asset: asset(name),
        amount: amount(text),
    })
}

/// A quote at that bid, 2 ticks wide, with this size on both sides.
pub(crate) fn quote(ts: Nanos, instrument: u32, venue: u8, bid: i64, sz: i64) -> Record {
    let whole = quotes::quote(venue, instrument, ts);
    Quote { bid_px: bid, ask_px: bid + 2, bid_sz: sz, ask_sz: sz, ..whole }.into()
}

/// The statuses with which everything begins.
pub(crate) fn live(ts: Nanos) -> Vec<Record> {
    let all = (0..INSTRUMENTS).flat_map(|i| (0..VENUES).map(move |v| (i, v)));
    all.map(|(instrument, venue)| quotes::status(venue, instrument, State::Live, ts).into())
        .collect()
}

/// Quotes that wander, with jumps of one venue that the others follow, a venue that is stale for a while,
/// and a gap.
pub(crate) fn drawn(seed: u64, count: u64) -> Stream {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut inputs = live(BEGIN);
    let mut prices = [[10_000_i64; 3]; 2];
    for number in 0..count {
        let ts = BEGIN + number * 2 * MILLI + random.random_range(0..MILLI);
        let instrument = random.random_range(0..INSTRUMENTS);
        let venue = random.random_range(0..VENUES);
        let of = &mut prices[instrument as usize];
        let middle = of.iter().sum::<i64>() / 3;
        let price = &mut of[usize::from(venue)];
        *price += (middle - *price) / 2 + random.random_range(-8..=8);
        if random.random_range(0..40) == 0 {
            *price += random.random_range(-40..=40);
        }
        inputs.push(quote(ts, instrument, venue, *price, random.random_range(1..=3_000)));
        if number % 50 == 40 {
            inputs.push(quotes::status(1, 0, State::Stale, ts).into());
        }
        if number % 50 == 49 {
            inputs.push(quotes::status(1, 0, State::Live, ts).into());
        }
        if number == count / 2 {
            inputs.push(Gap::new(ts, 3).into());
        }
    }
    Stream::of_inputs(Book::new(&market()), &inputs)
}

/// The ids of the instruments.
pub(crate) fn instruments() -> impl Iterator<Item = InstrumentId> {
    (0..INSTRUMENTS).map(InstrumentId)
}
