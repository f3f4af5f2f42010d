#![allow(clippy::all, missing_docs, clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods)]
use spreadwire_backtest::{grid::*, periods::*, run::*, setup::*, stream::*, sweep::*};
use spreadwire_kit::{catalogue, quotes};
use spreadwire_market::book::Book;
use spreadwire_market::clock::*;
use spreadwire_market::decision;
use spreadwire_market::record::*;
use spreadwire_market::state::State;
use spreadwire_trading::{amount::*, latency::*, order::*, paper::*, settings::*, terms::*};
use std::sync::Arc;
fn name(t: &str) -> AssetName { AssetName::new(t).unwrap() }
fn cpu() -> f64 { let t = std::fs::read_to_string("/proc/self/schedstat").unwrap(); let own: f64 = t.split(' ').next().unwrap().parse().unwrap();
 let mut all = 0.0; for e in std::fs::read_dir("/proc/self/task").unwrap() { let p = e.unwrap().path().join("schedstat"); all += std::fs::read_to_string(p).unwrap().split(' ').next().unwrap().parse::<f64>().unwrap(); } let _ = own; all / 1e9 }
fn main() {
    let venues = 4u8; let instruments = 8u32;
    let cat = catalogue::of((0..instruments).map(|i| format!("A{i}/B")), ["a", "b", "c", "d"]).fee(0.0).max_age(SECOND).build();
    let mut assets = Assets::default();
    let (base, quote) = (assets.intern(name("A")), assets.intern(name("B")));
    let terms = Terms { settlement: Settlement::Spot, base, quote, px_scale: 2, sz_scale: 8, tick: 1, lot: 1, min_sz: 1, min_notional: Amount::parse("5").unwrap() };
    let venue = VenueTerms { tiers: vec![Tier { from: Amount::ZERO, millionths: 0 }], volume: Amount::ZERO, fee_asset: FeeAsset::Quote, orders_per_second: 1000, max_age: SECOND };
    let most = Amount::parse("100000").unwrap();
    let settings = Settings { assets, currency: name("B"), rates: vec![None, Some(1_000_000)], terms: vec![Some(terms); 32], venues: vec![venue; 4], sizes: vec![None; 8*16],
        min_lifetime: 0, exit: Exit::Inventory, hedging: Hedging { policy: Hedge::Complete, band: 0.02, time_to_live: SECOND },
        limits: Limits { order: most, instrument: most, venue: most, total: most, open_deals: 8, loss_per_day: most, drawdown: most, failures: 1000000, max_net: 0.1 },
        latencies: vec![5*MILLI; 4], answer_timeout: SECOND };
    let entry: f64 = std::env::args().nth(1).map_or(0.005, |t| t.parse().unwrap());
    let setup = Setup { catalogue: Arc::new(cat.clone()), thresholds: decision::Settings { entry, exit: entry/2.0, cooldown: 0, enabled: vec![true; 8], rules: None },
        settings, paper: PaperSettings { latencies: vec![Latencies::fixed(5*MILLI); 4], rejects: 0.0, seed: 1 },
        funds: (0..4).flat_map(|v| [("A", "1000"), ("B", "1000000")].map(|(a, n)| Fund { venue: spreadwire_market::instrument::VenueId(v), asset: name(a), amount: Amount::parse(n).unwrap() })).collect() };
    let mut inputs: Vec<Record> = Vec::new();
    for i in 0..instruments { for v in 0..venues { inputs.push(quotes::status(v, i, State::Live, 1).into()); } }
    let mut seed = 1u64;
    for n in 0..1_000_000u64 {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let r = seed >> 33;
        let mut q = quotes::quote((r % 4) as u8, ((r >> 4) % 8) as u32, 10 + n * 100_000);
        let d = ((r >> 8) % 2000) as i64; q.bid_px += d; q.ask_px += d + 100; q.bid_sz += d;
        inputs.push(q.into());
    }
    let stream = Stream::of_inputs(Book::new(&cat), &inputs);
    drop(inputs);
    println!("{} records", stream.records().len());
    for _ in 0..3 {
        let t = cpu();
        let mut run = Run::new(&setup, 0);
        for b in stream.records().chunks(BLOCK) { run.feed(b); }
        let o = run.finish();
        let s = cpu() - t;
        println!("run {:.1} M/s  decided {} above {} acted {} profit {}", stream.records().len() as f64/s/1e6, o.tally.decided, o.above, o.acted, o.profit().to_f64());
    }
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let grid = Grid { latencies: (1..=8).map(|l| l*MILLI).collect(), ..Grid::default() };
        let (points, _) = grid.points(&setup);
        let t = cpu();
        let done = pool.install(|| { let mut sweep = Sweep::new(&setup, &points, Periods::default());
        for b in stream.records().chunks(BLOCK) { sweep.feed(b); } sweep.finish() });
        let s = cpu() - t;
        println!("sweep {threads} threads {:.1} M/s/core {}", done.len() as f64*stream.records().len() as f64/s/1e6, done[0].whole.profit().to_f64());
    }
}
