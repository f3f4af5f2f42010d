//! The statistics against what other packages compute from the same series
//! (`data/fixtures/statistics`), sums against the whole series, and half-lives against processes
//! whose half-life is known. `outside/gaps.rs` has such a process over recorded times.
//!
//! Every simulation is seeded and prints its seed; `SEED=` runs it with another.

#![allow(clippy::print_stdout, reason = "a test tells what it did")]
#![allow(clippy::unwrap_used, reason = "a test that cannot read its input has failed")]

use analyzer::kernel::reversion::{BOXES, MULTIPLES, Reversion, Verdict, WINDOWS};
use analyzer::statistics::adf::{self, LagChoice, Regression};
use analyzer::statistics::ou::{self, HalfLife, Transition};
use analyzer::statistics::{dfa, discovery_rate, normal, ranks, variance_ratio};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use std::path::{Path, PathBuf};

mod half_lives;
mod sizes;

use half_lives::{GAPS, RUNS, about_95_percent, covers, gaussian, holds, ornstein_uhlenbeck, seed};

/// `data/fixtures/statistics/reference.json`; see `make.py` beside it.
#[derive(Deserialize)]
struct Reference {
    regular: Vec<Regular>,
    broken: Broken,
    irregular: Vec<Irregular>,
    mackinnon: Vec<Mackinnon>,
    many_tests: Vec<ManyTests>,
    ranks: Vec<Ranks>,
    normal: Vec<[f64; 3]>,
}

#[derive(Deserialize)]
struct Regular {
    name: String,
    values: Vec<f64>,
    /// Regression, lags, statistic, p-value, rows.
    adf: Vec<(String, u32, f64, f64, u64)>,
    /// Choice, most lags, statistic, p-value, lags, rows.
    chosen: Vec<(String, u32, f64, f64, u32, u64)>,
    /// q, ratio, z, p-value.
    variance_ratios: Vec<(u32, f64, f64, f64)>,
    dfa: Dfa,
}

#[derive(Deserialize)]
struct Dfa {
    /// Size, count, squared residuals.
    boxes: Vec<(u32, u64, f64)>,
    hurst: Option<f64>,
}

#[derive(Deserialize)]
struct Broken {
    values: Vec<f64>,
    breaks: Vec<usize>,
    most: u32,
    statistic: f64,
    p_value: f64,
    lags: u32,
    n: u64,
}

#[derive(Deserialize)]
struct Irregular {
    name: String,
    times_s: Vec<f64>,
    values: Vec<f64>,
    breaks: Vec<usize>,
    half_life_s: f64,
    low_s: f64,
    high_s: Option<f64>,
    mean: f64,
    sd: f64,
}

#[derive(Deserialize)]
struct Mackinnon {
    regression: String,
    p_values: Vec<(f64, f64)>,
    /// Rows, then the critical values at 1, 5 and 10 %.
    critical: Vec<(u64, f64, f64, f64)>,
}

#[derive(Deserialize)]
struct ManyTests {
    p_values: Vec<f64>,
    adjusted: Vec<f64>,
}

#[derive(Deserialize)]
struct Ranks {
    a: Vec<f64>,
    b: Vec<f64>,
    ranks: Vec<f64>,
    spearman: f64,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn reference() -> Reference {
    let path = root().join("data/fixtures/statistics/reference.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn regression(name: &str) -> Regression {
    match name {
        "n" => Regression::Nothing,
        "c" => Regression::Constant,
        "ct" => Regression::Trend,
        other => panic!("{other} is not a regression"),
    }
}

/// Checks equality to `within`: absolutely below 1 and relatively above.
#[track_caller]
fn close(found: f64, expected: f64, within: f64, what: &str) {
    let apart = (found - expected).abs() / expected.abs().max(1.0);
    assert!(apart <= within, "{what}: {found} is {apart:e} away from {expected}");
}

/// Checks equality to `within`, relatively.
#[track_caller]
fn near(found: f64, expected: f64, within: f64, what: &str) {
    let apart = (found - expected).abs() / expected.abs().max(f64::MIN_POSITIVE);
    assert!(apart <= within, "{what}: {found} is {apart:e} away from {expected}");
}

#[track_caller]
fn same_half_life(found: &HalfLife, expected: &HalfLife, within: f64, what: &str) {
    near(found.half_life_s, expected.half_life_s, within, &format!("{what}: half-life"));
    near(found.low_s, expected.low_s, within, &format!("{what}: low"));
    assert_eq!(found.high_s.is_some(), expected.high_s.is_some(), "{what}: {found:?}");
    let high = |half_life: &HalfLife| half_life.high_s.unwrap_or(1.0);
    near(high(found), high(expected), within, &format!("{what}: high"));
    near(found.theta, expected.theta, within, &format!("{what}: theta"));
    near(found.mean, expected.mean, within, &format!("{what}: mean"));
    near(found.sd, expected.sd, within, &format!("{what}: sd"));
}

/// Pushes all values; a new chain begins at each of `breaks`.
fn pushed(values: &[f64], breaks: &[usize]) -> Reversion {
    let mut reversion = Reversion::new();
    for (at, value) in values.iter().enumerate() {
        if breaks.contains(&at) {
            reversion.gap();
        }
        reversion.push(*value);
    }
    reversion.finish();
    reversion
}

#[test]
fn adf_is_that_of_statsmodels() {
    for case in reference().regular {
        for (name, lags, statistic, p_value, n) in case.adf {
            let what = format!("{} {name} {lags}", case.name);
            let found = adf::of_series(&case.values, lags, regression(&name)).unwrap();
            close(found.statistic, statistic, 1e-8, &what);
            close(found.p_value, p_value, 1e-8, &what);
            assert_eq!((found.n, found.lags), (n, lags), "{what}");
        }
    }
}

#[test]
fn mackinnon_is_that_of_statsmodels() {
    for case in reference().mackinnon {
        let of = regression(&case.regression);
        for (statistic, p_value) in case.p_values {
            let what = format!("{} {statistic}", case.regression);
            close(adf::p_value(statistic, of), p_value, 1e-14, &what);
        }
        for (n, one, five, ten) in case.critical {
            for (found, expected) in adf::critical_values(of, n).into_iter().zip([one, five, ten]) {
                close(found, expected, 1e-12, &format!("{} {n}", case.regression));
            }
        }
    }
}

#[test]
fn adf_with_lags_chosen_by_the_data_is_that_of_statsmodels() {
    for case in reference().regular {
        for (name, most, statistic, p_value, lags, n) in case.chosen {
            let what = format!("{} {name} {most}", case.name);
            let choice = match name.as_str() {
                "AIC" => LagChoice::Aic,
                "t-stat" => LagChoice::LastSignificant,
                "modified" => LagChoice::ModifiedAic,
                other => panic!("{other} is not a choice"),
            };
            let found = adf::chosen(&case.values, most, choice).unwrap();
            assert_eq!((found.lags, found.n), (lags, n), "{what}");
            close(found.statistic, statistic, 1e-8, &what);
            close(found.p_value, p_value, 1e-8, &what);
        }
    }
}

#[test]
fn adf_of_a_broken_series_is_one_regression_of_all_whole_rows() {
    let case = reference().broken;
    let mut values = case.values;
    case.breaks.iter().rev().for_each(|at| values.insert(*at, f64::NAN));
    let found = adf::chosen(&values, case.most, LagChoice::ModifiedAic).unwrap();
    assert_eq!((found.lags, found.n), (case.lags, case.n));
    close(found.statistic, case.statistic, 1e-8, "statistic");
    close(found.p_value, case.p_value, 1e-8, "p-value");
}

/// The means of blocks go through the same regression as any series, here with a gap.
#[test]
fn adf_from_sums_is_that_of_block_means() {
    let mut random = ChaCha8Rng::seed_from_u64(seed(12));
    let values = ornstein_uhlenbeck(&[1.0; 6_399], 60.0, &mut random);
    let mut sums = Reversion::starting_at(1_000_000_000);
    values[..3_200].iter().for_each(|value| sums.push(*value));
    sums.skip(320);
    values[3_520..].iter().for_each(|value| sums.push(*value));
    let mut means: Vec<f64> =
        values.chunks(16).map(|block| block.iter().sum::<f64>() / 16.0).collect();
    means[200..220].fill(f64::NAN);
    assert_eq!(sums.blocks().width(), 16);
    let direct = adf::chosen(&means, 6, LagChoice::ModifiedAic).unwrap();
    let found = sums.adf().unwrap();
    assert_eq!((found.lags, found.n), (direct.lags, direct.n));
    close(found.statistic, direct.statistic, 1e-9, "statistic");
}

#[test]
fn variance_ratios_are_those_of_arch() {
    for case in reference().regular {
        let sums = pushed(&case.values, &[]).variance_ratios();
        assert_eq!(sums.iter().map(|found| found.q).collect::<Vec<_>>(), WINDOWS);
        for (q, ratio, z, p_value) in case.variance_ratios {
            let direct = variance_ratio::of_series(&case.values, q).unwrap();
            let sum = sums.iter().find(|found| found.q == q).unwrap();
            for found in [&direct, sum] {
                let what = format!("{} {q}", case.name);
                close(found.ratio, ratio, 1e-8, &what);
                close(found.z, z, 1e-8, &what);
                close(found.p_value, p_value, 1e-8, &what);
            }
        }
    }
}

#[test]
fn dfa_is_that_of_a_fit_in_every_box() {
    for case in reference().regular {
        let boxes: Vec<_> =
            BOXES.iter().map(|size| (*size, dfa::boxes(&case.values, *size))).collect();
        for ((_, found), (size, count, residual)) in boxes.iter().zip(case.dfa.boxes) {
            assert_eq!(found.count, count);
            if 0 < count {
                near(found.residual, residual, 1e-8, &format!("{} {size}", case.name));
            }
        }
        let (direct, sums) = (dfa::hurst(&boxes), pushed(&case.values, &[]).hurst());
        for found in [direct, sums] {
            assert_eq!(found.is_some(), case.dfa.hurst.is_some(), "{}", case.name);
            close(found.unwrap_or(0.0), case.dfa.hurst.unwrap_or(0.0), 1e-8, &case.name);
        }
    }
}

#[test]
fn half_life_over_irregular_times_is_that_of_a_search_over_all_parameters() {
    for case in reference().irregular {
        let transitions = ou::transitions(&case.times_s, &case.values, &case.breaks);
        let expected = HalfLife {
            half_life_s: case.half_life_s,
            low_s: case.low_s,
            high_s: case.high_s,
            theta: std::f64::consts::LN_2 / case.half_life_s,
            mean: case.mean,
            sd: case.sd,
        };
        same_half_life(&ou::half_life(&transitions).unwrap(), &expected, 2e-6, &case.name);
        if case.name == "regular" {
            let sums = pushed(&case.values, &[]).half_life(0, 2.0).unwrap();
            same_half_life(&sums, &expected, 2e-6, "sums");
        }
    }
}

#[test]
fn half_life_from_sums_is_that_of_the_search_at_every_multiple() {
    let values = &reference().regular[1].values;
    let sums = pushed(values, &[]);
    for (at, multiple) in MULTIPLES.iter().enumerate() {
        let every: Vec<f64> = values.iter().copied().step_by(usize::from(*multiple)).collect();
        let interval = 0.5 * f64::from(*multiple);
        let times: Vec<f64> = (0..every.len()).map(|t| t as f64 * interval).collect();
        let whole = ou::half_life(&ou::transitions(&times, &every, &[]));
        match sums.half_life(at, 0.5) {
            Some(found) => same_half_life(&found, &whole.unwrap(), 2e-6, &format!("{multiple}")),
            None => assert!(every.len() <= 30, "{multiple}"),
        }
    }
}

#[test]
fn transitions_take_the_last_of_equal_times_and_bridge_nothing() {
    let times = [0.0, 0.0, 1.0, 2.0, 2.0, 2.0, 5.0, 6.0, 6.0];
    let values = [9.0, 1.0, 2.0, 9.0, 9.0, 3.0, 4.0, 9.0, 5.0];
    let step = |dt_s, from, to| Transition { dt_s, from, to };
    let expected = [step(1.0, 1.0, 2.0), step(1.0, 2.0, 3.0), step(1.0, 4.0, 5.0)];
    assert_eq!(ou::transitions(&times, &values, &[6]), expected);
}

#[test]
fn false_discovery_is_that_of_scipy() {
    for case in reference().many_tests {
        let found = discovery_rate::benjamini_hochberg(&case.p_values);
        assert_eq!(found.len(), case.adjusted.len());
        for (found, expected) in found.iter().zip(case.adjusted) {
            close(*found, expected, 1e-15, "adjusted");
        }
    }
    assert!(discovery_rate::benjamini_hochberg(&[]).is_empty());
}

#[test]
fn ranks_are_those_of_scipy() {
    for case in reference().ranks {
        assert_eq!(ranks::average(&case.a), case.ranks);
        close(ranks::spearman(&case.a, &case.b).unwrap(), case.spearman, 1e-14, "spearman");
    }
    assert_eq!(ranks::spearman(&[1.0, 1.0, 1.0], &[1.0, 2.0, 3.0]), None);
    assert_eq!(ranks::spearman(&[1.0, 2.0], &[1.0, 2.0]), None);
}

#[test]
fn the_normal_distribution_is_that_of_scipy() {
    for [z, below, beyond] in reference().normal {
        near(normal::cdf(z), below, 1e-12, &format!("{z}"));
        near(normal::two_sided(z), beyond, 1e-12, &format!("{z}"));
    }
}

/// Returns bursts: seven of ten gaps are about a millisecond, the others seconds; exponential each.
fn bursts(count: usize, random: &mut ChaCha8Rng) -> Vec<f64> {
    let gap = |random: &mut ChaCha8Rng| {
        let mean = if random.random_bool(0.7) { 1e-3 } else { 2.0 };
        -mean * (1.0 - random.random::<f64>()).ln()
    };
    (0..count).map(|_| gap(random)).collect()
}

#[test]
fn the_interval_holds_a_known_half_life_over_bursts() {
    let mut random = ChaCha8Rng::seed_from_u64(seed(1));
    covers(|_, random| bursts(GAPS, random), &mut random);
}

#[test]
fn the_interval_from_sums_holds_a_known_half_life() {
    let mut random = ChaCha8Rng::seed_from_u64(seed(3));
    let mut held = [0; 4];
    for _ in 0..RUNS {
        let found = pushed(&ornstein_uhlenbeck(&[1.0; 6_000], 12.0, &mut random), &[]);
        for (held, (_, half_life)) in held.iter_mut().zip(found.signature(1.0)) {
            *held += usize::from(holds(&half_life.unwrap(), 12.0));
        }
    }
    println!("{held:?} of {RUNS} intervals hold the truth, sampled every 1, 2, 5 and 10 s");
    held.into_iter().for_each(about_95_percent);
}

#[test]
fn a_gap_in_one_unit_is_the_border_of_two() {
    let mut random = ChaCha8Rng::seed_from_u64(seed(4));
    let mut values = ornstein_uhlenbeck(&[1.0; 6_000], 40.0, &mut random);
    values[2_500..].iter_mut().for_each(|value| *value += 1e-3);
    let whole = pushed(&values, &[700, 2_500, 2_503]);
    let mut merged = Reversion::new();
    merged.merge(&pushed(&values[..2_500], &[700]));
    let mut later = Reversion::starting_at(2_502);
    for (at, value) in values[2_500..].iter().enumerate() {
        if at == 3 {
            later.gap();
        }
        later.push(*value);
    }
    merged.merge(&later);
    assert_eq!(whole.steps(), merged.steps());
    for (one, other) in whole.signature(1.0).into_iter().zip(merged.signature(1.0)) {
        let what = format!("every {} s", one.0);
        assert_eq!(one.1.is_some(), other.1.is_some(), "{what}");
        if let (Some(one), Some(other)) = (one.1, other.1) {
            same_half_life(&other, &one, 1e-12, &what);
        }
    }
    let (one, other) = (whole.adf().unwrap(), merged.adf().unwrap());
    assert_eq!(one.n, other.n);
    near(other.statistic, one.statistic, 1e-12, "adf");
    for (one, other) in whole.variance_ratios().iter().zip(merged.variance_ratios()) {
        near(other.ratio, one.ratio, 1e-12, "ratio");
        near(other.z, one.z, 1e-12, "z");
    }
    near(merged.hurst().unwrap(), whole.hurst().unwrap(), 1e-12, "hurst");
    let robust = |sums: &Reversion| sums.robust_half_life(1.0).unwrap().half_life_s;
    near(robust(&merged), robust(&whole), 1e-12, "robust");
    let low = |sums: &Reversion| sums.robust_interval(1.0).map_or(0.0, |(low, _)| low);
    near(low(&merged), low(&whole), 1e-9, "robust interval");
    assert_eq!(whole.verdict(1.0), merged.verdict(1.0));
}

#[test]
fn what_is_stored_is_what_was_finished() {
    let mut random = ChaCha8Rng::seed_from_u64(seed(5));
    let values = ornstein_uhlenbeck(&[1.0; 500], 40.0, &mut random);
    let finished = pushed(&values, &[100]);
    let text = serde_json::to_string(&finished).unwrap();
    println!("{} bytes as JSON", text.len());
    assert_eq!(text, serde_json::to_string(&pushed(&values, &[100])).unwrap());
    let read: Reversion = serde_json::from_str(&text).unwrap();
    let theta = |sums: &Reversion| sums.half_life(0, 1.0).unwrap().theta;
    near(theta(&read), theta(&finished), 1e-12, "read again");
    let mut from_nothing = Reversion::new();
    from_nothing.merge(&finished);
    assert_eq!(from_nothing, finished);
    from_nothing.merge(&Reversion::new());
    assert_eq!(from_nothing, finished);
}

/// Returns the verdicts on 20 series: no reversion, noise, reversion.
fn verdicts(make: impl Fn(&mut ChaCha8Rng) -> Vec<f64>, random: &mut ChaCha8Rng) -> [usize; 3] {
    let mut counts = [0; 3];
    for _ in 0..20 {
        let found = pushed(&make(random), &[]);
        counts[match found.verdict(1.0) {
            Verdict::NoReversion => 0,
            Verdict::QuoteNoise => 1,
            Verdict::Reversion => 2,
        }] += 1;
    }
    println!("no reversion, noise, reversion: {counts:?}");
    counts
}

fn random_walk(random: &mut ChaCha8Rng) -> Vec<f64> {
    let mut level = 0.05;
    let mut next = || {
        level += 1e-5 * gaussian(random);
        level
    };
    (0..20_000).map(|_| next()).collect()
}

fn with_noise(mut values: Vec<f64>, size: f64, random: &mut ChaCha8Rng) -> Vec<f64> {
    values.iter_mut().for_each(|value| *value += size * gaussian(random));
    values
}

#[test]
fn the_sums_of_a_day_and_of_a_month_are_a_few_kilobytes() {
    let mut random = ChaCha8Rng::seed_from_u64(seed(13));
    let mut month = Reversion::new();
    for day in 0..30 {
        let mut sums = Reversion::starting_at(day * 86_400);
        let values = ornstein_uhlenbeck(&[1.0; 86_399], 40.0, &mut random);
        values.iter().for_each(|value| sums.push(*value));
        sums.finish();
        let bytes = postcard::to_allocvec(&sums).unwrap().len();
        assert!(bytes < 12_000, "{bytes}");
        month.merge(&sums);
    }
    let bytes = postcard::to_allocvec(&month).unwrap().len();
    println!("a month: {bytes} bytes");
    assert!(bytes < 12_000, "{bytes}");
    assert_eq!(month.blocks().width(), 8_192);
    assert!(month.robust_interval(1.0).is_some_and(|(low, high)| low < 40.0 && 40.0 < high));
    let mut short = month.clone();
    short.shorten();
    assert_eq!(short.signature(1.0), month.signature(1.0));
    assert_eq!((short.adf(), short.robust_interval(1.0)), (None, None));
}

#[test]
fn noise_is_told_from_reversion() {
    let mut random = ChaCha8Rng::seed_from_u64(seed(6));
    let path =
        |half_life, random: &mut ChaCha8Rng| ornstein_uhlenbeck(&[1.0; 20_000], half_life, random);
    for half_life in [3.0, 30.0, 200.0] {
        let found = verdicts(|random| path(half_life, random), &mut random);
        assert!(18 <= found[2], "reversion {half_life}");
    }
    let found = verdicts(|random| with_noise(path(60.0, random), 1e-4, random), &mut random);
    assert!(18 <= found[1], "reversion under noise");
    let found = verdicts(|random| with_noise(random_walk(random), 1e-4, random), &mut random);
    assert!(18 <= found[0] + found[1], "a random walk under noise");
    let found = verdicts(random_walk, &mut random);
    assert!(18 <= found[0], "a random walk");
}

#[test]
fn a_quarter_of_random_walks_seem_to_span_ten_half_lives() {
    let mut random = ChaCha8Rng::seed_from_u64(seed(11));
    let (mut plain, mut robust) = (0, 0);
    for _ in 0..100 {
        let sums = pushed(&random_walk(&mut random), &[]);
        let ten = |found: HalfLife| 10.0 <= sums.half_lives_observed(found.half_life_s, 1.0);
        plain += usize::from(sums.half_life(0, 1.0).is_some_and(ten));
        robust += usize::from(sums.robust_half_life(1.0).is_some());
    }
    println!("of 100 random walks seem to span ten half-lives: {plain}, robust {robust}");
    assert!((12..38).contains(&plain) && (12..38).contains(&robust), "a quarter, three errors");
}

#[test]
fn the_robust_half_life_survives_noise() {
    let mut random = ChaCha8Rng::seed_from_u64(seed(7));
    for (half_life, size, share) in
        [(5.0, 0.0, 0.0), (10.0, 1e-4, 0.1), (60.0, 3e-4, 0.5), (300.0, 1e-4, 0.1)]
    {
        let mut found: Vec<(f64, f64, f64)> = Vec::new();
        for _ in 0..7 {
            let path = ornstein_uhlenbeck(&[1.0; 86_400], half_life, &mut random);
            let sums = pushed(&with_noise(path, size, &mut random), &[]);
            let robust = sums.robust_half_life(1.0).unwrap();
            let plain = sums.half_life(0, 1.0).unwrap().half_life_s;
            found.push((robust.half_life_s / half_life, robust.noise_share, plain / half_life));
        }
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (least, middle, most) = (found[0], found[3], found[6]);
        println!("{half_life} s, noise {share}: {least:.3?} {middle:.3?} {most:.3?}");
        assert!((0.8..1.25).contains(&middle.0), "{middle:?}");
        assert!((middle.1 - share).abs() < 0.05, "{middle:?}");
    }
}

#[test]
fn a_series_that_runs_away_has_no_half_life() {
    let mut random = ChaCha8Rng::seed_from_u64(seed(10));
    let mut level = 1e-5;
    let mut values = Vec::new();
    for _ in 0..500 {
        level = 1.01 * level + 1e-6 * gaussian(&mut random);
        values.push(level);
    }
    let times: Vec<f64> = (0..500_u32).map(f64::from).collect();
    assert_eq!(ou::half_life(&ou::transitions(&times, &values, &[])), None);
    let sums = pushed(&values, &[]);
    assert_eq!(sums.half_life(0, 1.0), None);
    assert_eq!(sums.robust_half_life(1.0), None);
    assert_eq!(sums.rise(1.0), None);
    assert_eq!(sums.verdict(1.0), Verdict::NoReversion);
}

#[test]
fn without_movement_or_samples_nothing_is_concluded() {
    for reversion in [Reversion::new(), pushed(&[0.05], &[]), pushed(&[0.05; 3_000], &[])] {
        assert_eq!(reversion.half_life(0, 1.0), None);
        assert_eq!(reversion.adf(), None);
        assert_eq!(reversion.hurst(), None);
        assert_eq!(reversion.robust_half_life(1.0), None);
        assert_eq!(reversion.verdict(1.0), Verdict::NoReversion);
        assert!(reversion.variance_ratios().is_empty());
    }
    assert_eq!(adf::chosen(&[], 2, LagChoice::Aic), None);
    assert_eq!(adf::chosen(&[1.0; 50], 2, LagChoice::Aic), None);
    assert_eq!(adf::chosen(&[f64::NAN; 50], 2, LagChoice::Aic), None);
    assert_eq!(ou::half_life(&[]), None);
    assert_eq!(adf::of_series(&[1.0; 50], 2, Regression::Constant), None);
    assert_eq!(adf::of_series(&[], 2, Regression::Constant), None);
    assert_eq!(variance_ratio::of_series(&[1.0, 2.0], 2), None);
}

#[test]
fn a_value_that_is_not_finite_is_a_gap() {
    let mut random = ChaCha8Rng::seed_from_u64(seed(8));
    let mut values = ornstein_uhlenbeck(&[1.0; 500], 40.0, &mut random);
    let broken = pushed(&values, &[250]);
    values.insert(250, f64::NAN);
    assert_eq!(pushed(&values, &[]), broken);
}
