//! Half-lives that are known, over the gaps between recorded quotes.

use crate::half_lives::{GAPS, RUNS, covers, seed};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use spreadwire_kit::needs::real_data;
use std::fs::File;

pub(crate) const TAPE: &str = "tapes/quotes_binance_spot_usdm_coinm_BTC_20240808T2354Z.csv.gz";

/// Returns the receive times of the recorded tape, in s from its beginning, each once.
fn recorded_times() -> Vec<f64> {
    let file = File::open(real_data(TAPE)).unwrap();
    let mut rows = csv::Reader::from_reader(flate2::read::MultiGzDecoder::new(file));
    let mut times: Vec<i64> =
        rows.records().map(|record| record.unwrap()[0].parse().unwrap()).collect();
    times.sort_unstable();
    times.dedup();
    times.iter().map(|time| (time - times[0]) as f64 * 1e-9).collect()
}

pub(crate) fn the_interval_holds_a_known_half_life_over_recorded_gaps() {
    let times = recorded_times();
    let gaps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let mut random = ChaCha8Rng::seed_from_u64(seed(2));
    let apart = (gaps.len() - GAPS) / RUNS;
    covers(|run, _| gaps[run * apart..][..GAPS].to_vec(), &mut random);
}
