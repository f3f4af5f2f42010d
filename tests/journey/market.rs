//! Two venues that quote three instruments, drawn by a seed: of each it is known whether there is an edge.
//! What they quote is recorded as an engine records it.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use spreadwire_kit::{catalogue, quotes};
use spreadwire_lake::mark::Mark;
use spreadwire_lake::run::{Origin, Provenance, RunId, catalogue_digest};
use spreadwire_lake::seal::RunSealer;
use spreadwire_lake::segment::{Block, SegmentInfo, SegmentWriter};
use spreadwire_lake::stage::StageCounts;
use spreadwire_market::clock::{MILLI, Nanos, SECOND};
use spreadwire_market::instrument::Catalogue;
use spreadwire_market::record::{Quote, Record, numbers_taken};
use spreadwire_market::state::State;
use std::collections::BTreeMap;
use std::path::Path;

/// 2024-08-09 00:00 UTC.
pub(crate) const MIDNIGHT: Nanos = 1_723_161_600 * SECOND;
pub(crate) const DAY: Nanos = 86_400 * SECOND;
pub(crate) const VENUES: [&str; 2] = ["binance", "okx"];
/// Taker fee of both venues, in bp.
pub(crate) const FEE_BP: f64 = 2.0;
/// Decimals of prices, and of sizes.
pub(crate) const SCALES: (u8, u8) = (4, 4);
/// Time between two quotes of a venue.
const STEP: Nanos = 5 * SECOND;
/// Price at which an instrument begins.
const BEGIN: f64 = 100.0;
/// Half of what bid and ask are apart, in bp of the mid.
const HALF_WIDTH_BP: f64 = 0.25;
/// Standard deviations, in bp: of the common price over a step, and of the noise of each quote.
const VOLATILITY_BP: f64 = 3.0;
const NOISE_BP: f64 = 0.3;
/// What is displayed at every price, mantissa.
const DISPLAYED: i64 = 10_000_000;

/// What the difference of both venues' prices does, in bp.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Basis {
    /// It returns to a mean, by half within the half-life, and has a standard deviation.
    Reverts { mean: f64, half_life_s: f64, deviation: f64 },
    /// It is a random walk with this standard deviation over an hour.
    Wanders { of_hour: f64 },
}

/// The instruments. A round trip costs 9 bp.
pub(crate) const MARKET: [(&str, Basis); 3] = [
    ("BOTH/USDT", Basis::Reverts { mean: 0.0, half_life_s: 300.0, deviation: 15.0 }),
    ("PREMIUM/USDT", Basis::Reverts { mean: 40.0, half_life_s: 300.0, deviation: 18.0 }),
    ("NOTHING/USDT", Basis::Wanders { of_hour: 60.0 }),
];

pub(crate) fn catalogue() -> Catalogue {
    let names = MARKET.map(|(name, _)| name);
    catalogue::of(names, VENUES).scales(SCALES.0, SCALES.1).listed().build()
}

/// Draws what both venues quote over so many days from midnight on, in the order in which it is received.
pub(crate) fn draw(days: u64, seed: u64) -> Vec<Record> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut records = Vec::new();
    let (mut common, mut bases) = ([0.0; MARKET.len()], MARKET.map(|(_, basis)| basis.begin()));
    for step in 0..days * (DAY / STEP) {
        let ts = MIDNIGHT + step * STEP;
        for (place, (_, basis)) in MARKET.iter().enumerate() {
            common[place] += VOLATILITY_BP * normal(&mut rng);
            bases[place] = basis.next(bases[place], &mut rng);
            let ts = ts + rng.random_range(0..700) * MILLI;
            for (venue, of_basis) in [(0, 1.0), (1, 0.0)] {
                let noise = NOISE_BP * normal(&mut rng);
                let bp = common[place] + of_basis * bases[place] + noise;
                // The venues quote one after the other, within less than an order takes to arrive.
                let ts = ts + u64::from(venue) * 5 * MILLI;
                records.push(quote(venue, u32::try_from(place).unwrap(), ts, bp).into());
            }
        }
    }
    records.sort_by_key(Record::ts_recv);
    records
}

impl Basis {
    fn begin(self) -> f64 {
        match self {
            Basis::Reverts { mean, .. } => mean,
            Basis::Wanders { .. } => 0.0,
        }
    }

    /// Returns the basis a step after `last`.
    fn next(self, last: f64, rng: &mut ChaCha8Rng) -> f64 {
        let step_s = STEP as f64 / SECOND as f64;
        match self {
            Basis::Reverts { mean, half_life_s, deviation } => {
                let keep = 0.5_f64.powf(step_s / half_life_s);
                mean + keep * (last - mean) + deviation * (1.0 - keep * keep).sqrt() * normal(rng)
            }
            Basis::Wanders { of_hour } => last + of_hour * (step_s / 3_600.0).sqrt() * normal(rng),
        }
    }
}

/// Returns a quote whose mid is so many bp above the price at the beginning.
#[expect(clippy::cast_possible_truncation, reason = "prices of about 100 with 4 decimals")]
fn quote(venue: u8, instrument: u32, ts: Nanos, bp: f64) -> Quote {
    let mid = BEGIN * (bp / 1e4).exp() * 10_f64.powi(i32::from(SCALES.0));
    let px = |side: f64| (mid * (1.0 + side * HALF_WIDTH_BP / 1e4)).round() as i64;
    Quote {
        bid_px: px(-1.0),
        ask_px: px(1.0),
        bid_sz: DISPLAYED,
        ask_sz: DISPLAYED,
        ..quotes::quote(venue, instrument, ts)
    }
}

/// Returns a standard normal number (Box and Muller).
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let share: f64 = 1.0 - rng.random::<f64>();
    (-2.0 * share.ln()).sqrt() * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}

/// Records quotes from one time to another into a lake, as one run of an engine.
pub(crate) fn record(lake: &Path, quotes: &[Record], (from, until): (Nanos, Nanos)) {
    let catalogue = catalogue();
    let live = catalogue.listings.iter().map(|listing| -> Record {
        quotes::status(listing.venue.0, listing.instrument.0, State::Live, from).into()
    });
    let within = quotes.iter().filter(|quote| (from..until).contains(&quote.ts_recv())).copied();
    let records: Vec<Record> = live.chain(within).collect();
    let run = RunId::new("20240809T000000-000000000").unwrap();
    let mark = Mark::begin(lake, run, from, &catalogue, Provenance::Live).unwrap();
    let mut sealer = RunSealer::new(mark.book.clone(), catalogue.clone());
    let origin = Origin { run, catalogue: catalogue_digest(&catalogue) };
    let info = SegmentInfo { origin, number: 0, started_at: from };
    let mut writer = SegmentWriter::create(&lake.join("journal"), info).unwrap();
    let mut next = 0;
    for some in records.chunks(1_000) {
        let mut block = Block::new(some.len(), next);
        some.iter().for_each(|record| block.push(record));
        next += some.iter().map(numbers_taken).sum::<u64>();
        writer.write(&mut block).unwrap();
    }
    sealer.seal(&writer.finish().close().unwrap().path).unwrap();
    let stages = StageCounts::of_records([]);
    mark.end(lake, until, next, &BTreeMap::new(), &stages).unwrap();
}
