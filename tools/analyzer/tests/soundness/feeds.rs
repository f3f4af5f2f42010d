//! Feeds of known truth: venues that quote a common price honestly, each in its way, and what is
//! done to a feed that is not sound.

use analyzer::facts::Facts;
use analyzer::kernel::lead_lag::Grid;
use analyzer::kernel::legs::Leg;
use analyzer::kernel::partial::{Partial, Total};
use analyzer::kernel::play::PlaySettings;
use analyzer::kernel::window::BadBatch;
use analyzer::kernel::{Metrics, Settings, Venue, VenueTerms, analyse};
use analyzer::recorded::Recorded;
use analyzer::soundness::Finding;
use arrow::array::{ArrayRef, Float64Array, RecordBatch, TimestampNanosecondArray};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(crate) const MS: i64 = 1_000_000;
pub(crate) const SECOND: i64 = 1_000 * MS;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 3_600 * SECOND;
/// 2024-08-08T00:00:00Z.
pub(crate) const MIDNIGHT: i64 = 1_723_075_200 * SECOND;
/// Distance of two points of a price.
const STEP: i64 = 100 * MS;
/// One basis point.
pub(crate) const BP: f64 = 1e-4;

/// A source of chance.
pub(crate) struct Chance(ChaCha8Rng);

impl Chance {
    /// Prints the seed.
    pub(crate) fn new(seed: u64) -> Chance {
        println!("seed {seed}");
        Chance(ChaCha8Rng::seed_from_u64(seed))
    }

    pub(crate) fn share(&mut self) -> f64 {
        self.0.random_range(0.0..1.0)
    }

    pub(crate) fn normal(&mut self) -> f64 {
        let (one, two) = (1.0 - self.share(), self.share());
        (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * two).cos()
    }

    /// Returns a time in ns that passes between two events, `mean` apart on average.
    pub(crate) fn wait(&mut self, mean: i64) -> i64 {
        ((-(1.0 - self.share()).ln() * mean as f64) as i64).max(MS)
    }
}

/// The logarithm of a price over time.
#[derive(Clone)]
pub(crate) struct Price(Vec<f64>);

impl Price {
    /// A random walk about `level` with this many basis points per square root of a second.
    pub(crate) fn walk(chance: &mut Chance, level: f64, length: i64, bps: f64) -> Price {
        let mut log = level.ln();
        let step = bps * BP * (STEP as f64 / SECOND as f64).sqrt();
        let points = (0..=length / STEP).map(|_| {
            log += step * chance.normal();
            log
        });
        Price(points.collect())
    }

    /// The price with a jump by a fraction at a time.
    pub(crate) fn jump(mut self, at: i64, by: f64) -> Price {
        let from = usize::try_from(at / STEP).unwrap();
        self.0[from..].iter_mut().for_each(|log| *log += (1.0 + by).ln());
        self
    }

    /// The price with a deviation that reverts: its standard deviation in bp, and half-life.
    pub(crate) fn apart(mut self, chance: &mut Chance, sd_bps: f64, half_life: i64) -> Price {
        let keep = 0.5_f64.powf(STEP as f64 / half_life as f64);
        let step = sd_bps * BP * (1.0 - keep * keep).sqrt();
        let mut off = 0.0;
        for log in &mut self.0 {
            off = keep * off + step * chance.normal();
            *log += off;
        }
        self
    }

    fn at(&self, time: i64) -> f64 {
        let place = usize::try_from(time.max(0) / STEP).unwrap();
        self.0[place.min(self.0.len() - 1)].exp()
    }

    fn end(&self) -> i64 {
        i64::try_from(self.0.len() - 1).unwrap() * STEP
    }
}

/// One quote; its time is counted from midnight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quote {
    pub(crate) time: i64,
    pub(crate) bid: f64,
    pub(crate) ask: f64,
}

/// A venue's quotes in time order.
pub(crate) type Feed = Vec<Quote>;

fn quote(time: i64, mid: f64, width_bps: f64) -> Quote {
    let half = mid * width_bps * BP / 2.0;
    Quote { time, bid: mid - half, ask: mid + half }
}

/// A venue that quotes the price anew at random times, `mean` apart.
pub(crate) fn lively(chance: &mut Chance, price: &Price, mean: i64, width_bps: f64) -> Feed {
    let mut time = chance.wait(mean);
    let mut feed = Feed::new();
    while time < price.end() {
        feed.push(quote(time, price.at(time), width_bps));
        time += chance.wait(mean);
    }
    feed
}

/// A venue that quotes the price anew when it has left the quote, and not otherwise.
pub(crate) fn lazy(price: &Price, width_bps: f64) -> Feed {
    let mut feed = vec![quote(0, price.at(0), width_bps)];
    for step in 1..price.0.len() {
        let time = i64::try_from(step).unwrap() * STEP;
        let last = feed[feed.len() - 1];
        if !(last.bid..=last.ask).contains(&price.at(time)) {
            feed.push(quote(time, price.at(time), width_bps));
        }
    }
    feed
}

/// Repeats the latest quote every second, as far as `end`.
pub(crate) fn repeated(feed: &[Quote], end: i64) -> Feed {
    let mut all = feed.to_vec();
    let mut standing = feed.iter().peekable();
    let mut last = feed[0];
    for time in (feed[0].time / SECOND + 1..end / SECOND).map(|second| second * SECOND) {
        while let Some(next) = standing.next_if(|next| next.time <= time) {
            last = *next;
        }
        all.push(Quote { time, ..last });
    }
    all.sort_by_key(|quote| quote.time);
    all
}

/// Everything a feed says comes later by that much.
pub(crate) fn late(feed: &[Quote], by: i64) -> Feed {
    feed.iter().map(|quote| Quote { time: quote.time + by, ..*quote }).collect()
}

/// The quotes keep coming, but with the price that stood at the beginning.
pub(crate) fn frozen(feed: &[Quote], from: i64, to: i64) -> Feed {
    let standing = *feed.iter().rfind(|quote| quote.time < from).unwrap();
    let held = |quote: &Quote| {
        let is_within = from <= quote.time && quote.time < to;
        if is_within { Quote { time: quote.time, ..standing } } else { *quote }
    };
    feed.iter().map(held).collect()
}

/// Multiplies the first quote from each of these times on.
pub(crate) fn prints(feed: &[Quote], times: impl IntoIterator<Item = i64>, factor: f64) -> Feed {
    let mut feed = feed.to_vec();
    for time in times {
        let quote = feed.iter_mut().find(|quote| time <= quote.time).unwrap();
        (quote.bid, quote.ask) = (quote.bid * factor, quote.ask * factor);
    }
    feed
}

fn batch(feed: &[Quote]) -> Result<RecordBatch, BadBatch> {
    let times = feed.iter().map(|quote| MIDNIGHT + quote.time);
    let floats = |of: fn(&Quote) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(feed.iter().map(of)))
    };
    let columns: [(&str, ArrayRef); 3] = [
        ("Timestamp", Arc::new(TimestampNanosecondArray::from_iter_values(times))),
        ("BestBid", floats(|quote| quote.bid)),
        ("BestAsk", floats(|quote| quote.ask)),
    ];
    Ok(RecordBatch::try_from_iter(columns).unwrap())
}

pub(crate) fn settings() -> Settings {
    Settings {
        metrics: Metrics { compatible: true, timed: true, reversion: true, lead_lag: true },
        max_age_ns: 2 * SECOND,
        outlier: 0.05,
        thresholds_bps: vec![0.0, 10.0],
        size: 1_000.0,
        sampling_ns: SECOND,
        lags: Grid::default(),
        venues: BTreeMap::new(),
        others: VenueTerms { taker_fee: 0.0, latency_ns: 20 * MS },
        // Whether a feed is sound does not depend on what is played.
        play: PlaySettings { entries_bps: Vec::new(), ..PlaySettings::default() },
        transfers: BTreeSet::new(),
    }
}

/// Analyses feeds as venues `a`, `b`, ... of one instrument, in batches of `rows`.
pub(crate) fn analysed(feeds: &[Feed], rows: usize) -> Partial {
    let names = ["a", "b", "c", "d"].into_iter();
    let venues = names.zip(feeds).map(|(name, feed)| Venue {
        name: name.to_owned(),
        opening: None::<Leg>,
        torn: Vec::new(),
        batches: feed.chunks(rows).map(batch),
    });
    analyse(&settings(), venues.collect(), true).unwrap()
}

/// What was found about two feeds.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) findings: Vec<Finding>,
    /// Whether the pair is not refused.
    pub(crate) sound: bool,
    pub(crate) told: String,
    /// Least and greatest deviation in bp, and the number of outliers and share of frozen time.
    pub(crate) range_bps: (f64, f64),
    pub(crate) outliers: [u64; 2],
    pub(crate) frozen: [f64; 2],
    /// Live time as a share.
    pub(crate) live: f64,
}

/// Analyses the first two of some feeds.
pub(crate) fn found(feeds: &[Feed]) -> Found {
    let partial = analysed(feeds, 8_192);
    let mut total = Total::new(MIDNIGHT);
    total.add(&partial);
    let settings = settings();
    let (names, sums) = total.pairs.first_key_value().unwrap();
    let spans = || total.venues.values().filter_map(|sums| sums.span);
    let span = spans().map(|(first, _)| first).min().zip(spans().map(|(_, last)| last).max());
    let recorded = Recorded::of(vec![span.unwrap()]);
    let facts = Facts::new("BTC/USDT", names, sums, &total, (&settings, &recorded)).unwrap();
    let timed = sums.timed.as_ref().unwrap();
    let deviation = |of: Option<f64>| of.unwrap_or(f64::NAN) / BP;
    let found = Found {
        findings: facts.soundness().to_vec(),
        sound: facts.is_sound(),
        told: facts.unsound_why().unwrap_or_default(),
        range_bps: (deviation(timed.deviation.least()), deviation(timed.deviation.greatest())),
        outliers: facts.venues.map(|sums| sums.outliers),
        frozen: facts.venues.map(|sums| sums.frozen.ns as f64 / sums.fresh_ns as f64),
        live: timed.deviation.weight as f64 / timed.span_ns as f64,
    };
    println!("{found:?}");
    found
}
