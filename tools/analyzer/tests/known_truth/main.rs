//! Known truth: lakes from the simulator's market model, whose half-lives, lags and shocks are
//! parameters, and a lake with gaps made by hand. The whole analysis, from files to the rows of the
//! ranking, must find what was put in.
//!
//! Seeds are printed; `SEED=` starts with another.

#![allow(clippy::print_stdout, reason = "a test tells what it did")]

use analyzer::report::Report;
use exchange_sim::{ModelOptions, ModelVenue};
use std::collections::BTreeMap;

mod kit;

use kit::{BEGIN, Lake, MS, Quote, Quotes, Row, play, rows, seeds};

/// Standard deviation of a basis where half-lives are examined, in bp.
const BASIS_BP: f64 = 3.0;

/// Returns two instruments with fine ticks (BTC and ETH: 0.0015 and 0.03 bp), without shocks, jumps
/// and bursts.
fn calm(seed: u64, rate: f64, venues: Vec<ModelVenue>) -> ModelOptions {
    ModelOptions {
        seed,
        rate,
        instruments: 2,
        venues,
        jumps_per_minute: 0.0,
        shocks_per_minute: 0.0,
        burst: 0.0,
        ..ModelOptions::default()
    }
}

/// Returns venues by half-life in s and deviation of the basis in bp, none lagging.
fn with_bases(of: &[(&str, u64, f64)]) -> Vec<ModelVenue> {
    let venue = |(name, half_life_s, basis_bp): &(&str, u64, f64)| {
        ModelVenue::new(name, [1_000 * half_life_s, 0, 0], *basis_bp, 1.0, 1.0)
    };
    of.iter().map(venue).collect()
}

/// Analyses the mean reversion of one hour of quotes. Quotes come at random, so that some are older
/// than the usual maximum age; those are no gaps here.
fn reversion(options: &ModelOptions) -> Report {
    let lake = Lake::of(&play(options, 3_600));
    lake.analyse(&["--metrics", "reversion", "--max-age", "30"])
}

/// Half-lives that were found, divided by the true ones.
#[derive(Default)]
struct Hits {
    within: usize,
    all: usize,
    ratios: Vec<f64>,
}

impl Hits {
    fn add(&mut self, row: Row<'_>, truth_s: f64) {
        let low = row.number("half_life_low_s");
        let high = row.number("half_life_high_s");
        self.within += usize::from((low..=high).contains(&truth_s));
        self.all += 1;
        self.ratios.push(row.number("half_life_s") / truth_s);
    }

    /// Prints and returns the mean, the least and the greatest ratio.
    fn told(&mut self, what: &str) -> [f64; 3] {
        self.ratios.sort_by(f64::total_cmp);
        let mean = self.ratios.iter().sum::<f64>() / self.all as f64;
        let (least, most) = (self.ratios[0], self.ratios[self.all - 1]);
        println!(
            "{what}: {} of {} intervals hold the truth; found over true {mean:.3}, {least:.2} to {most:.2}",
            self.within, self.all
        );
        [mean, least, most]
    }
}

/// `ln(mid1 / mid2)` is the difference of the two bases plus that of the common prices which two
/// quotes of different age have seen. It is an Ornstein-Uhlenbeck process of known half-life if
/// both bases have the same one, or one venue has no basis, and if the common price hardly moves
/// between quotes. Hence 0.2 bp of volatility per square root of a second, against bases of 3 bp;
/// no lags; and no shocks. (They decay with the same half-life, but the interval of a normal
/// likelihood is not theirs.) Half-lives are some samples long, and an hour has hundreds of them,
/// so that the bias of theta (docs/metrics.md) is small against the interval.
#[test]
fn the_interval_holds_the_half_life_of_the_model() {
    let mut hits = Hits::default();
    for seed in seeds(1, 5) {
        let venues = with_bases(&["a", "b", "c", "d"].map(|name| (name, 6, BASIS_BP)));
        let options = ModelOptions { volatility_bp: 0.2, ..calm(seed, 40.0, venues) };
        let report = reversion(&options);
        assert_eq!(report.pairs.len(), 12);
        for row in rows(&report) {
            hits.add(row, 6.0);
            assert!(row.number("adf_p_value") < 1e-3, "{}", row.name());
        }
    }
    for seed in seeds(101, 4) {
        let venues = with_bases(&[
            ("a", 4, BASIS_BP),
            ("b", 1, 0.0),
            ("c", 8, BASIS_BP),
            ("d", 16, BASIS_BP),
        ]);
        let truth = BTreeMap::from([("a", 4.0), ("c", 8.0), ("d", 16.0)]);
        let options = ModelOptions { volatility_bp: 0.2, ..calm(seed, 40.0, venues) };
        for row in rows(&reversion(&options)) {
            let of: Vec<f64> =
                row.venues().iter().filter_map(|it| truth.get(it).copied()).collect();
            match of[..] {
                [truth] => hits.add(row, truth),
                // A sum of two processes is no Ornstein-Uhlenbeck process, but something in
                // between.
                [one, two] => {
                    let found = row.number("half_life_s");
                    let between = 0.8 * one.min(two)..1.25 * one.max(two);
                    assert!(between.contains(&found), "{}: {found}", row.name());
                }
                _ => panic!("{}", row.name()),
            }
        }
    }
    let [mean, least, most] = hits.told("no noise");
    // Of 84 independent cases with a probability of 95 %, fewer than 74 hit in one of 300 lakes.
    // These cases share legs, which widens that.
    assert_eq!(hits.all, 84);
    assert!(74 <= hits.within);
    assert!((0.95..1.05).contains(&mean), "{mean}");
    // An hour has 225 of the slowest half-lives: an error of 12 %, more above than below.
    assert!(0.6 < least && most < 1.7, "{least} {most}");
}

/// A common price that moves makes two quotes of different age differ: independent noise in each
/// sample, of variance `volatility² E|age1 - age2|`, which is `volatility² / r` if both venues
/// quote at random r times a second. The plain half-life falls by what docs/metrics.md says; the
/// robust one stays.
#[test]
fn moves_between_quotes_shorten_the_plain_half_life_as_told_and_not_the_robust_one() {
    let (rate, half_life, volatility_bp) = (40.0, 6.0, 3.0);
    // By instrument: weights 1 and 0.625, as in the model.
    for (instrument, weight) in [("BTC/USDT", 1.0 / 1.625), ("ETH/USDT", 0.625 / 1.625)] {
        let (mut plain, mut robust) = (Hits::default(), Vec::new());
        for seed in seeds(201, 3) {
            let venues = with_bases(&["a", "b", "c", "d"].map(|name| (name, 6, BASIS_BP)));
            let report = reversion(&ModelOptions { volatility_bp, ..calm(seed, rate, venues) });
            for row in rows(&report).filter(|row| row.instrument() == instrument) {
                plain.add(row, half_life);
                robust.push(row.number("half_life_robust_s") / half_life);
            }
        }
        let noise = volatility_bp * volatility_bp / (rate * weight / 4.0);
        let variance = 2.0 * BASIS_BP * BASIS_BP;
        let gone = 1.0 - (-std::f64::consts::LN_2 / half_life).exp();
        let seen = (gone * variance + noise) / (variance + noise);
        let expected = -std::f64::consts::LN_2 / (1.0 - seen).ln() / half_life;
        let [mean, ..] = plain.told(instrument);
        robust.sort_by(f64::total_cmp);
        let middle = robust[robust.len() / 2];
        println!("expected {expected:.3}; robust over true {robust:.2?}");
        assert!(plain.within <= plain.all / 10, "the plain one is off");
        assert!((mean / expected - 1.0).abs() < 0.1, "{mean}, not {expected}");
        assert!((0.8..1.25).contains(&middle), "{middle}");
    }
}

/// Lags show if the common price moves much against the bases, and if quotes are as dense as lags
/// are fine: 200 a second per venue here. The model's common price has a value only at each quote
/// of any venue, so its lags are longer by about the time between those, 1 ms here. With few quotes
/// that alone exceeds a step of the grid.
#[test]
fn the_lead_lag_peak_is_the_lag_of_the_model_within_a_step() {
    let mut off = Vec::new();
    for seed in seeds(1, 6) {
        // On the 5 ms grid, and off it.
        let lags = if seed % 2 == 1 { [10, 0, 50, 25, 0] } else { [12, 0, 47, 33, 0] };
        let names = ["a", "b", "c", "d", "e"];
        let venue =
            |(name, lag): (&str, u64)| ModelVenue::new(name, [60_000, lag, 0], 0.1, 0.5, 1.0);
        let venues = names.into_iter().zip(lags).map(venue).collect();
        let options =
            ModelOptions { instruments: 1, volatility_bp: 5.0, ..calm(seed, 1_000.0, venues) };
        let report = Lake::of(&play(&options, 60)).analyse(&["--metrics", "lead-lag"]);
        assert_eq!(report.pairs.len(), 10);
        for row in rows(&report) {
            let [one, two] = row.venues().map(|venue| {
                let place = names.iter().position(|name| *name == venue);
                f64::from(u32::try_from(lags[place.expect("a venue")]).expect("small"))
            });
            // Positive: exchange1 leads, so exchange2 lags more.
            let truth = two - one;
            let found = row.known("lead_lag_ms");
            if let Some(found) = found {
                off.push((found - truth).abs());
                assert!((found - truth).abs() <= 5.0, "{} {found}, not {truth}", row.name());
            }
            let leader = match truth {
                truth if 10.0 <= truth => Some(row.venues()[0]),
                truth if truth <= -10.0 => Some(row.venues()[1]),
                _ => None,
            };
            assert_eq!(row.text("leader"), leader, "{}", row.name());
            assert_eq!(found.is_some(), leader.is_some(), "{}", row.name());
            let note = if leader.is_some() { "found" } else { "none found" };
            assert_eq!(row.text("lead_lag_note"), Some(note), "{}", row.name());
        }
    }
    let exact = off.iter().filter(|off| **off < 2.5).count();
    println!("{exact} of {} peaks are at the nearest lag of the grid", off.len());
}

/// The model as the simulator plays it, except for the rate: shocks of 32 to 60 bp with half-lives
/// of 0.9 to 1.5 s, five a minute over all venues and two instruments.
#[test]
fn the_shocks_of_the_model_are_found_counted_and_ranked() {
    for seed in seeds(1, 2) {
        let options = ModelOptions { seed, instruments: 2, rate: 120.0, ..ModelOptions::default() };
        let lake = Lake::of(&play(&options, 3_600));
        let report = lake.analyse(&["--metrics", "reversion", "--fees", "2"]);
        let (mut counted, mut expected) = (0.0, 0.0);
        for row in rows(&report) {
            let weight = if row.instrument() == "BTC/USDT" { 1.0 / 1.625 } else { 0.625 / 1.625 };
            let of = row.venues().map(|name| {
                let is_it = |venue: &&ModelVenue| venue.name.replace('-', "_") == name;
                options.venues.iter().find(is_it).expect("a venue")
            });
            let shocks = 300.0 * weight * (of[0].share + of[1].share);
            let episodes = row.number("episodes_20bp_12") + row.number("episodes_20bp_21");
            println!("{}: {episodes} episodes of {shocks:.0} shocks", row.name());
            (counted, expected) = (counted + episodes, expected + shocks);
            assert!((0.6..1.7).contains(&(episodes / shocks)), "{}", row.name());
            let half_lives = of.map(|venue| venue.half_life.as_secs_f64());
            let between =
                0.8 * half_lives[0].min(half_lives[1])..1.25 * half_lives[0].max(half_lives[1]);
            assert!(between.contains(&row.number("half_life_s")), "{}", row.name());
            assert_eq!(row.text("reversion"), Some("reversion"), "{}", row.name());
            let robust = row.number("half_life_robust_s") / row.number("half_life_s");
            assert!((0.8..1.25).contains(&robust), "{}: {robust}", row.name());
            assert!(0.0 < row.number("deals"), "{}", row.name());
            assert_eq!(row.text("same_asset"), Some("yes"), "{}", row.name());
        }
        // Some flicker at the threshold, and some shocks fall on an earlier one.
        assert!((0.9..1.4).contains(&(counted / expected)), "{counted} of {expected}");
        // Shocks are shared out by the venues' weights.
        let order: Vec<String> = rows(&report).map(Row::name).collect();
        assert_eq!(order[0], "BTC/USDT binance binance_usdm");
        assert_eq!(order[11], "ETH/USDT bybit okx");
        // With fees beyond every shock, nothing is left.
        let report = lake.analyse(&["--metrics", "time-weighted", "--fees", "100"]);
        for row in rows(&report) {
            assert_eq!(row.known("deals"), None, "{}", row.name());
            assert!(row.number("net_12_max_bps") < 0.0, "{}", row.name());
        }
    }
}

/// Returns what a reader of the definitions would count: the net spreads after each time, an
/// episode from each time at which one reaches the threshold, and its first net and amount.
fn entries(legs: [&[Quote]; 2], fee: f64, threshold_bps: f64) -> Vec<(i64, f64, f64)> {
    let [buy, sell] = legs;
    let mut times: Vec<i64> = buy.iter().chain(sell).map(|quote| quote.time).collect();
    times.sort_unstable();
    times.dedup();
    let (mut open, mut found) = (false, Vec::new());
    for time in times {
        let now = |quotes: &[Quote]| {
            let place = quotes.partition_point(|quote| quote.time <= time);
            place.checked_sub(1).map(|place| quotes[place])
        };
        let (Some(buy), Some(sell)) = (now(buy), now(sell)) else { continue };
        let net = 1e4 * (sell.bid * (1.0 - fee) / (buy.ask * (1.0 + fee)) - 1.0);
        let above = threshold_bps <= net;
        if above && !open {
            let amount = (buy.ask * buy.ask_size).min(sell.bid * sell.bid_size).min(1_000.0);
            found.push((time, net, amount));
        }
        open = above;
    }
    found
}

#[test]
fn without_latency_every_episode_meets_its_first_net() {
    let length_s = 600;
    let mut episodes = 0;
    for seed in seeds(1, 2) {
        let options = ModelOptions {
            seed,
            instruments: 2,
            rate: 60.0,
            shocks_per_minute: 20.0,
            ..ModelOptions::default()
        };
        let quotes = play(&options, length_s);
        let arguments = ["--metrics", "time-weighted", "--fees", "2", "--latency", "0"];
        let arguments = [&arguments[..], &["--max-age", "3600", "--thresholds", "3,20"]].concat();
        let report = Lake::of(&quotes).analyse(&arguments);
        for row in rows(&report) {
            let legs = row.venues().map(|venue| {
                let key = (row.instrument().to_owned(), venue.replace('_', "-"));
                &quotes[&key][..]
            });
            let of_instrument = quotes.iter().filter(|(key, _)| key.0 == row.instrument());
            let times = of_instrument.flat_map(|(_, quotes)| quotes.iter().map(|it| it.time));
            let last = times.max().unwrap();
            for (legs, way) in [(legs, "12"), ([legs[1], legs[0]], "21")] {
                for threshold in [3.0, 20.0] {
                    let mut expected = entries(legs, 2e-4, threshold);
                    episodes += expected.len();
                    let tag = format!("{threshold}bp_{way}");
                    let number = |name: &str| row.known(&format!("{name}_{tag}"));
                    let name = format!("{} {tag}", row.name());
                    assert_eq!(number("episodes"), Some(expected.len() as f64), "{name}");
                    // Time ends with the last quote: an order sent then does not arrive.
                    expected.retain(|(time, ..)| *time < last);
                    let count = expected.len() as f64;
                    assert_eq!(number("arrived"), Some(count), "{name}");
                    if expected.is_empty() {
                        continue;
                    }
                    assert_eq!(number("still_there"), Some(1.0), "{name}");
                    let near = |figure: &str, expected: f64| {
                        let found = number(figure).expect("a figure");
                        let off = (found / expected - 1.0).abs();
                        assert!(off < 1e-6, "{name} {figure}: {found}, not {expected}");
                    };
                    let nets: f64 = expected.iter().map(|(_, net, _)| net).sum();
                    near("met_bps", nets / count);
                }
            }
        }
    }
    println!("{episodes} episodes");
    assert!(1_000 < episodes);
}

/// Returns a gap of 100 ms every 10 s: venue b goes up by 1 % and comes back.
fn gaps() -> Quotes {
    let quote = |at_ms: i64, bid: f64| Quote {
        time: BEGIN + at_ms * MS,
        bid,
        ask: bid + 0.02,
        bid_size: 100.0,
        ask_size: 100.0,
    };
    let standing = (0..1_200).map(|step| quote(500 * step, 100.0)).collect();
    let moving = (0..60).flat_map(|gap| {
        let at = 10_000 * gap;
        let quiet = (0..10).map(move |step| quote(at + 1_000 * step, 100.0));
        let up = [quote(at + 9_250, 101.0), quote(at + 9_350, 100.0)];
        quiet.chain(up)
    });
    let key = |venue: &str| ("BTC/USDT".to_owned(), venue.to_owned());
    Quotes::from([(key("a"), standing), (key("b"), moving.collect())])
}

#[test]
fn an_order_that_needs_longer_than_the_gap_lasts_finds_nothing() {
    let lake = Lake::of(&gaps());
    let fee = 5e-4;
    let net = |bid: f64| 1e4 * (bid * (1.0 - fee) / (100.02 * (1.0 + fee)) - 1.0);
    // In time, on the edge, too late, and too late on only the venue that moves or only the other.
    for (latency, met) in [
        ("0", 101.0),
        ("50", 101.0),
        ("99.9", 101.0),
        ("100", 100.0),
        ("150", 100.0),
        ("a=20,b=150", 100.0),
        ("a=150,b=20", 101.0),
    ] {
        let report =
            lake.analyse(&["--metrics", "time-weighted", "--fees", "5", "--latency", latency]);
        let row = rows(&report).next().expect("a pair");
        for threshold in ["0", "5", "10", "20"] {
            let number = |name: &str| row.known(&format!("{name}_{threshold}bp_12"));
            assert_eq!((number("episodes"), number("arrived")), (Some(60.0), Some(60.0)));
            let in_time = f64::from(u8::from(100.5 < met));
            assert_eq!(number("still_there"), Some(in_time), "{latency}");
            let found = number("met_bps").expect("met");
            assert!((found - net(met)).abs() < 1e-5, "{latency}: {found}, not {}", net(met));
            let lasted = number("duration_p50_s").expect("a duration");
            assert!((lasted / 0.1 - 1.0).abs() < 0.005, "{lasted}");
            assert_eq!(row.known(&format!("episodes_{threshold}bp_21")), Some(0.0));
        }
        assert!((row.number("live_hours") * 3_600.0 - 599.5).abs() < 1e-6);
    }
}
