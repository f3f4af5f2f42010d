//! Measures a sweep: records that pass through the decision and the paper execution, a second and core.
//!
//! The stream is drawn: four venues and eight instruments, 3 million spreads. `below` has no opportunity, so
//! that it is the price of looking at a record. `rare` has one spread in 4,000 above the threshold, `busy`
//! one in five, with a deal on most of the opportunities. `one` is a single configuration on one thread;
//! `grid` is eight of them, on one thread up to as many as the machine has cores. The rate of a core is by
//! the CPU time of all threads, so that other programs disturb little; that by the wall clock is beside it.

#![allow(clippy::print_stdout, reason = "a bench tells its figures")]

use benches::{header, results, timing};
use serde_json::json;
use spreadwire_backtest::grid::{Grid, Point};
use spreadwire_backtest::periods::Periods;
use spreadwire_backtest::run::Run;
use spreadwire_backtest::setup::{Fund, Setup};
use spreadwire_backtest::stream::{BLOCK, Stream};
use spreadwire_backtest::sweep::Sweep;
use spreadwire_kit::{catalogue, quotes};
use spreadwire_market::book::Book;
use spreadwire_market::clock::{Clock, MICRO, MILLI, SECOND};
use spreadwire_market::decision;
use spreadwire_market::instrument::{Catalogue, VenueId};
use spreadwire_market::record::{Quote, Record};
use spreadwire_market::state::State;
use spreadwire_trading::amount::Amount;
use spreadwire_trading::latency::Latencies;
use spreadwire_trading::order::AssetName;
use spreadwire_trading::paper::PaperSettings;
use spreadwire_trading::settings::{Exit, Hedge, Hedging, Limits, Settings};
use spreadwire_trading::terms::{Assets, FeeAsset, Settlement, Terms, Tier, VenueTerms};
use std::sync::Arc;

const VENUES: u8 = 4;
const INSTRUMENTS: u32 = 8;
/// Quotes of the stream, and of the one that `cargo test --benches` takes.
const QUOTES: (u64, u64) = (500_000, 20_000);
/// Name of a case, and its entry threshold, a fraction.
const CASES: [(&str, f64); 3] = [("below", 0.005), ("rare", 0.0003), ("busy", 0.0001)];
/// Configurations of the grid.
const LANES: u64 = 8;

fn market() -> Catalogue {
    let instruments = (0..INSTRUMENTS).map(|number| format!("A{number}/B"));
    catalogue::of(instruments, ["a", "b", "c", "d"]).max_age(SECOND).build()
}

/// Draws quotes whose prices are up to 3 bp apart (the generator of Knuth's MMIX).
fn stream(count: u64) -> Stream {
    let mut inputs: Vec<Record> = Vec::new();
    for instrument in 0..INSTRUMENTS {
        let live = |venue| Record::from(quotes::status(venue, instrument, State::Live, 1));
        inputs.extend((0..VENUES).map(live));
    }
    let mut seed = 1_u64;
    for number in 0..count {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let drawn = (seed >> 33).to_le_bytes();
        let (venue, instrument) = (drawn[0] % VENUES, u32::from(drawn[1]) % INSTRUMENTS);
        let whole = quotes::quote(venue, instrument, 10 + number * 100 * MICRO);
        let by = i64::from(u16::from_le_bytes([drawn[2], drawn[3]]) % 2_000);
        let (bid_px, ask_px) = (whole.bid_px + by, whole.ask_px + by + 100);
        inputs.push(Quote { bid_px, ask_px, bid_sz: whole.bid_sz + by, ..whole }.into());
    }
    Stream::of_inputs(Book::new(&market()), &inputs)
}

fn amount(text: &str) -> Amount {
    Amount::parse(text).expect("a decimal")
}

fn name(text: &str) -> AssetName {
    AssetName::new(text).expect("a short name")
}

fn settings() -> Settings {
    let mut assets = Assets::default();
    let (base, quote) = (assets.intern(name("A")), assets.intern(name("B")));
    let terms = Terms {
        settlement: Settlement::Position,
        base,
        quote,
        px_scale: 2,
        sz_scale: 8,
        tick: 1,
        lot: 1,
        min_sz: 1,
        min_notional: amount("5"),
    };
    let venue = VenueTerms {
        tiers: vec![Tier { from: Amount::ZERO, millionths: 0 }],
        volume: Amount::ZERO,
        fee_asset: FeeAsset::Quote,
        orders_per_second: 1_000,
        max_age: SECOND,
    };
    let (venues, instruments, most) =
        (usize::from(VENUES), INSTRUMENTS as usize, amount("1000000000"));
    Settings {
        assets,
        currency: name("B"),
        rates: vec![None, Some(1_000_000)],
        terms: vec![Some(terms); instruments * venues],
        venues: vec![venue; venues],
        sizes: vec![Some(amount("1000")); instruments * venues * venues],
        exits: vec![None; instruments * venues * venues],
        min_lifetime: 0,
        exit: Exit::Inventory,
        hedging: Hedging { policy: Hedge::Complete, band: 0.02, time_to_live: SECOND },
        limits: Limits {
            order: most,
            instrument: most,
            venue: most,
            total: most,
            open_deals: 16,
            loss_per_day: most,
            drawdown: most,
            failures: u32::MAX,
            max_net: 0.1,
        },
        latencies: vec![5 * MILLI; venues],
        answer_timeout: SECOND,
    }
}

fn setup(entry: f64) -> Setup {
    let fund =
        |venue| Fund { venue: VenueId(venue), asset: name("B"), amount: amount("1000000000") };
    Setup {
        catalogue: Arc::new(market()),
        thresholds: decision::Settings {
            entry,
            exit: entry / 2.0,
            cooldown: 0,
            enabled: vec![true; INSTRUMENTS as usize],
            rules: None,
        },
        settings: settings(),
        paper: PaperSettings {
            latencies: vec![Latencies::fixed(5 * MILLI); usize::from(VENUES)],
            rejects: 0.0,
            seed: 1,
        },
        funds: (0..VENUES).map(fund).collect(),
    }
}

/// Clock ticks a second, as Linux tells CPU times.
const TICKS: u64 = 100;

/// Returns the CPU time of this process, threads that are over included, ns.
fn cpu() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    // The name in brackets may have blanks; after it, user and system time are the fields 12 and 13.
    let (_, fields) = stat.rsplit_once(')').expect("a name in brackets");
    let ticks = fields.split_whitespace().skip(11).take(2).map(|field| field.parse().unwrap_or(0));
    ticks.sum::<u64>() * (SECOND / TICKS)
}

/// Runs something that takes so many records, and prints how many it takes a second: by the CPU time of
/// one core, and by the wall clock.
#[expect(clippy::cast_precision_loss, reason = "a rate")]
fn measure(case: &str, who: &str, records: u64, run: impl FnOnce()) {
    let clock = Clock::host();
    let (wall, cores) = (clock.now(), cpu());
    run();
    let (wall, cores) = (clock.now() - wall, cpu() - cores);
    let rate = |time: u64| records as f64 / time.max(1) as f64 * 1e9;
    println!(
        "{case:<6} {who:<10} {:>6.1} M/s a core, {:>6.1} M/s",
        rate(cores) / 1e6,
        rate(wall) / 1e6
    );
    results::append(&json!({
        "bench": "sweep", "case": case, "who": who, "unit": "records/s of a core",
        "per_second": rate(cores), "count": records,
    }));
}

fn main() {
    header::print("sweep");
    let is_test = !timing::measuring();
    let stream = stream(if is_test { QUOTES.1 } else { QUOTES.0 });
    let records = stream.records().len() as u64;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for (case, entry) in CASES {
        let setup = setup(entry);
        measure(case, "one", records, || {
            let mut run = Run::new(&setup, 0);
            stream.records().chunks(BLOCK).for_each(|block| run.feed(block));
            let outcome = run.finish();
            assert_eq!(outcome.records, records);
            assert_eq!(outcome.tally.decided == 0, case == "below", "{case}");
        });
        let grid =
            Grid { latencies: (1..=LANES).map(|ms| ms * MILLI).collect(), ..Grid::default() };
        let (points, _) = grid.points(&setup);
        let mut expected = None;
        for threads in 1..=cores {
            let profits = swept(&setup, &points, &stream, (case, threads));
            assert_eq!(*expected.get_or_insert_with(|| profits.clone()), profits);
        }
    }
}

/// Sweeps on so many threads; returns the profits.
fn swept(setup: &Setup, points: &[Point], stream: &Stream, at: (&str, usize)) -> Vec<Amount> {
    let (case, threads) = at;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
    let mut profits = Vec::new();
    let records = stream.records().len() as u64 * LANES;
    measure(case, &format!("grid on {threads}"), records, || {
        let mut sweep = Sweep::new(setup, points, Periods::default());
        pool.install(|| {
            stream.records().chunks(BLOCK).for_each(|block| sweep.feed(block));
            profits = sweep.finish().iter().map(|swept| swept.whole.profit()).collect();
        });
    });
    profits
}
