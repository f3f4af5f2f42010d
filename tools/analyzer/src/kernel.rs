//! Turns Arrow record batches of quotes into a partial result that can be stored and merged.
//!
//! [`analyse`] takes the quotes of all venues of one instrument over one unit of time (the analyzer
//! uses a day), as batches in time order, and returns sums for each pair of venues. The result is
//! the same byte for byte however the rows are cut into batches. The results of consecutive units
//! add up ([`partial::Total`]). The spread arithmetic is the engine's own, so that a spread is the
//! same figure here and there.
//!
//! Memory: for each venue, its current batches and one hour of changes of its mid; for each pair,
//! about 170 KB.

use crate::kernel::alike::Alike;
use crate::kernel::compatible::Compatible;
use crate::kernel::lead_lag::{Changes, Grid, LeadLag};
use crate::kernel::legs::{Leg, Rows, turns};
use crate::kernel::partial::{PairPartial, Partial, VenuePartial};
use crate::kernel::play::PlaySettings;
use crate::kernel::profile::HOUR;
use crate::kernel::sampling::Sampling;
use crate::kernel::seconds::Block;
use crate::kernel::serving::Serving;
use crate::kernel::timed::Timed;
use crate::kernel::times::{common, length};
use crate::kernel::together::{Alone, Together, Work};
use crate::kernel::venue::{Counting, Mids, VenueSums};
use crate::kernel::watch::{Terms, Watch};
use crate::kernel::window::{BadBatch, Buffer, advance};
use arrow::array::RecordBatch;
use serde::{Deserialize, Serialize};
use spreadwire_market::spread::{BPS, FeeFactors};
use std::collections::{BTreeMap, BTreeSet};

pub mod alike;
pub mod blocks;
pub mod bounds;
pub mod compatible;
pub mod episode;
pub mod histogram;
pub mod lags;
pub mod lead_lag;
pub mod legs;
pub mod moments;
mod orders;
mod outliers;
pub mod partial;
pub mod pieces;
pub mod play;
pub mod profile;
pub mod reversion;
pub mod samples;
mod sampling;
mod seconds;
mod serving;
pub mod stillness;
pub mod timed;
pub mod times;
pub mod together;
pub mod venue;
pub mod watch;
pub mod window;

/// Everything that a partial result depends on besides the quotes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Which metrics to compute.
    pub metrics: Metrics,
    /// Age in ns above which a quote is stale. A stale quote counts only in the compatible metrics.
    pub max_age_ns: i64,
    /// Largest step from one mid of a venue to the next, as a fraction. A quote further off that no
    /// other venue confirms counts only in the compatible metrics.
    pub outlier: f64,
    /// Net spreads that start an episode, in bp, ascending.
    pub thresholds_bps: Vec<f64>,
    /// Largest size of one order, in the quote currency.
    pub size: f64,
    /// Sampling interval for mean reversion, in ns.
    pub sampling_ns: i64,
    /// Lags of the cross-correlation.
    pub lags: Grid,
    /// What is tried of the trader's strategies.
    pub play: PlaySettings,
    /// Venues between which an inventory is moved back rather than traded back, by their folders.
    pub transfers: BTreeSet<String>,
    /// Fee and latency of the venues that differ from `others`.
    pub venues: BTreeMap<String, VenueTerms>,
    /// Fee and latency of all other venues.
    pub others: VenueTerms,
}

/// The groups of metrics to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metrics {
    /// Metrics over the rows of the left venue, as customary scripts compute them.
    pub compatible: bool,
    /// Metrics over time: distributions, episodes, strategies.
    pub timed: bool,
    /// Half-life, unit root, variance ratio and Hurst exponent, from samples. Needs `timed`.
    pub reversion: bool,
    /// Cross-correlation by lag.
    pub lead_lag: bool,
}

/// What it takes to trade on a venue.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct VenueTerms {
    /// Taker fee as a fraction.
    pub taker_fee: f64,
    /// Time from sending an order to its arrival, in ns.
    pub latency_ns: i64,
}

/// The quotes of one venue.
#[derive(Debug)]
pub struct Venue<B> {
    /// Name of the venue.
    pub name: String,
    /// Last quote before the unit, if there is one.
    pub opening: Option<Leg>,
    /// Times in which nothing of the venue counts, each from a time to one after it, in ns since
    /// 1970: ascending, and apart.
    pub torn: Vec<(i64, i64)>,
    /// Quotes in time order. The columns `Timestamp` (ns) and `BestBid` (double) are required and
    /// have no nulls; prices are positive. `BestAsk` is needed for everything beyond the compatible
    /// metrics. `BestBidSize`, `BestAskSize`, `EventTime` and `Flags` are used where they are
    /// present.
    pub batches: B,
}

impl Settings {
    /// Returns what it takes to trade on a venue.
    #[must_use]
    pub fn of(&self, venue: &str) -> VenueTerms {
        self.venues.get(venue).copied().unwrap_or(self.others)
    }

    fn terms(&self, one: &str, two: &str) -> Terms {
        let venues = [self.of(one), self.of(two)];
        let is_open = [one, two].iter().all(|venue| self.transfers.contains(*venue));
        let transfer = self.play.transfer.filter(|_| is_open);
        Terms {
            max_age: self.max_age_ns,
            thresholds: self.thresholds_bps.iter().map(|bps| bps / BPS).collect(),
            fees: venues.map(|venue| FeeFactors::of(venue.taker_fee)),
            latency: venues.map(|venue| venue.latency_ns),
            size: self.size,
            sampling: self.sampling_ns,
            samples: self.metrics.reversion,
            play: PlaySettings { transfer, ..self.play.clone() },
        }
    }
}

/// Analyses one instrument over one unit of time. Venues are given in ascending order of name.
/// `with_sizes` says whether the batches include the known sizes: few instruments have episodes,
/// and only episodes need sizes.
///
/// # Errors
/// Returns the first error of a batch, or a [`BadBatch`]. [`BadBatch::NoSizes`] is returned if
/// there is an episode and the batches were read without sizes.
pub fn analyse<B, E>(
    settings: &Settings,
    venues: Vec<Venue<B>>,
    with_sizes: bool,
) -> Result<Partial, E>
where
    B: Iterator<Item = Result<RecordBatch, E>>,
    E: From<BadBatch>,
{
    analyse_together(settings, venues, with_sizes, &Alone)
}

/// As [`analyse`], with whoever does at once what can be. The result is the same.
///
/// # Errors
/// As [`analyse`].
pub fn analyse_together<B, E>(
    settings: &Settings,
    venues: Vec<Venue<B>>,
    with_sizes: bool,
    together: &dyn Together,
) -> Result<Partial, E>
where
    B: Iterator<Item = Result<RecordBatch, E>>,
    E: From<BadBatch>,
{
    let mut buffers = Vec::with_capacity(venues.len());
    let (mut known, mut torn) = (Vec::with_capacity(venues.len()), Vec::new());
    for venue in venues {
        torn.push(venue.torn.clone());
        buffers.push(Buffer::new(venue.batches, venue.torn));
        known.push((venue.name, venue.opening.map(Leg::of_known_sizes)));
    }
    let mut unit = Unit::new(settings, &known, torn, together);
    while advance(&mut buffers)? {
        unit.take(&buffers);
        let mut watches = unit.pairs.iter().filter_map(|pair| pair.watch.as_ref());
        if !with_sizes && watches.any(Watch::needs_sizes) {
            return Err(BadBatch::NoSizes.into());
        }
    }
    let partial = unit.finish();
    let mut timed = partial.pairs.iter().filter_map(|pair| pair.timed.as_ref());
    if !with_sizes && timed.any(Timed::needs_sizes) {
        return Err(BadBatch::NoSizes.into());
    }
    Ok(partial)
}

/// The state of one unit while its windows pass through.
struct Unit<'a> {
    settings: &'a Settings,
    together: &'a dyn Together,
    venues: Vec<VenuePartial>,
    counting: Vec<Counting>,
    mids: Vec<Mids>,
    /// For each venue, the times in which nothing of it counts.
    torn: Vec<Vec<(i64, i64)>>,
    serving: Serving,
    sampling: Sampling,
    /// For each venue, the rows of the window at which a pair over time can change.
    turns: Vec<Vec<usize>>,
    /// The hour since 1970 whose mid changes are being collected.
    hour: Option<i64>,
    /// Times of the unit's first and last row.
    span: Option<(i64, i64)>,
    pairs: Vec<Pair>,
}

/// The state of one pair while its windows pass through.
struct Pair {
    places: [usize; 2],
    compatible: Option<Compatible>,
    watch: Option<Watch>,
    lead_lag: Option<LeadLag>,
    alike: Option<Alike>,
}

impl<'a> Unit<'a> {
    fn new(
        settings: &'a Settings,
        known: &[(String, Option<Leg>)],
        torn: Vec<Vec<(i64, i64)>>,
        together: &'a dyn Together,
    ) -> Unit<'a> {
        let Metrics { compatible, timed, lead_lag, .. } = settings.metrics;
        let openings: Vec<Option<Leg>> = known.iter().map(|(_, opening)| *opening).collect();
        let serving = Serving::new(settings.outlier, settings.max_age_ns, &openings);
        let usable = |venue| Some(serving.opening(venue)).filter(Leg::usable);
        let mids = (0..known.len()).map(|venue| Mids::new(usable(venue))).collect();
        let sampling = Sampling::new((0..known.len()).map(|venue| serving.opening(venue)));
        let venue = |(name, opening): &(String, Option<Leg>)| VenuePartial {
            name: name.clone(),
            opening: *opening,
            closing: *opening,
            ..VenuePartial::default()
        };
        let pair = |one: usize, two: usize| Pair {
            places: [one, two],
            compatible: compatible.then(Compatible::default),
            watch: None,
            lead_lag: lead_lag.then(LeadLag::default),
            alike: timed.then(Alike::default),
        };
        let two_of = |one| (one + 1..known.len()).map(move |two| (one, two));
        Unit {
            settings,
            together,
            venues: known.iter().map(venue).collect(),
            counting: known.iter().map(|_| Counting::new(settings.max_age_ns)).collect(),
            mids,
            torn,
            serving,
            sampling,
            turns: vec![Vec::new(); known.len()],
            hour: None,
            span: None,
            pairs: (0..known.len()).flat_map(two_of).map(|(one, two)| pair(one, two)).collect(),
        }
    }

    fn take<B, E>(&mut self, buffers: &[Buffer<B>])
    where
        B: Iterator<Item = Result<RecordBatch, E>>,
        E: From<BadBatch>,
    {
        let times = || buffers.iter().map(|buffer| buffer.rows().times);
        let first = times().filter_map(|times| times.first()).min();
        let last = times().filter_map(|times| times.last()).max();
        let (Some(first), Some(last)) = (first, last) else { return };
        if self.span.is_none() {
            self.begin(*first);
        }
        self.span = Some((self.span.map_or(*first, |span| span.0), *last));
        let raw: Vec<Rows<'_>> = buffers.iter().map(Buffer::rows).collect();
        let Metrics { timed, lead_lag, .. } = self.settings.metrics;
        if timed || lead_lag {
            self.serving.take(&raw, *last);
        }
        self.take_pairs(&raw);
        if timed {
            let served = |venue: usize| self.serving.rows(venue, raw[venue]);
            let served: Vec<Rows<'_>> = (0..raw.len()).map(served).collect();
            let (pairs, together) = (&mut self.pairs, self.together);
            self.sampling.take(&served, *last, |blocks| compare(pairs, blocks, together));
        }
        for ((buffer, venue), counting) in
            buffers.iter().zip(&mut self.venues).zip(&mut self.counting)
        {
            counting.take(buffer.rows(), buffer.extras());
            venue.closing = buffer.last().or(venue.closing);
        }
        if lead_lag {
            self.close_hours(first.div_euclid(HOUR));
            let served =
                raw.iter().enumerate().map(|(venue, rows)| self.serving.rows(venue, *rows));
            served.zip(&mut self.mids).for_each(|(rows, mids)| mids.take(rows));
            self.close_hours(last.div_euclid(HOUR));
        }
    }

    /// Passes the rows on to the pairs: as they came to the metrics over rows, and as they are
    /// served to those over time.
    fn take_pairs(&mut self, raw: &[Rows<'_>]) {
        if self.settings.metrics.timed {
            for (venue, found) in self.turns.iter_mut().enumerate() {
                turns(self.serving.rows(venue, raw[venue]), self.settings.max_age_ns, found);
            }
        }
        let Unit { pairs, venues, serving, turns, .. } = self;
        let (venues, serving, turns) = (&*venues, &*serving, &*turns);
        let mut work: Work<'_> = Vec::with_capacity(2 * pairs.len());
        for pair in pairs {
            let places = pair.places;
            let [one, two] = places;
            if let Some(compatible) = &mut pair.compatible {
                let (left, right) = (raw[one], raw[two]);
                let carried = venues[two].closing.map(|leg| leg.bid);
                work.push(Box::new(move || {
                    compatible.take((left.times, left.bids), (right.times, right.bids), carried);
                }));
            }
            if let Some(watch) = &mut pair.watch {
                work.push(Box::new(move || {
                    let served = places.map(|venue| serving.rows(venue, raw[venue]));
                    watch.take(served, [&turns[one], &turns[two]]);
                }));
            }
        }
        self.together.all(work);
    }

    /// Starts the clock of every pair at the unit's first row.
    fn begin(&mut self, first: i64) {
        if !self.settings.metrics.timed {
            return;
        }
        self.sampling.begin(first);
        for pair in &mut self.pairs {
            let [one, two] = pair.places.map(|place| &self.venues[place]);
            let terms = self.settings.terms(&one.name, &two.name);
            let legs = pair.places.map(|venue| self.serving.opening(venue));
            let torn = pair.places.map(|place| &self.torn[place][..]);
            pair.watch = Some(Watch::new(terms, first, legs, torn));
        }
    }

    /// Computes lead and lag for every hour before `hour`; those hours are complete.
    fn close_hours(&mut self, hour: i64) {
        while let Some(over) = self.hour.filter(|over| *over < hour) {
            let blocks: Vec<Changes> = self
                .mids
                .iter_mut()
                .map(|mids| mids.block(over * HOUR, (over + 1) * HOUR))
                .collect();
            let (lags, blocks) = (&self.settings.lags, &blocks);
            let mut work: Work<'_> = Vec::with_capacity(self.pairs.len());
            for pair in &mut self.pairs {
                let [one, two] = pair.places;
                if let Some(lead_lag) = &mut pair.lead_lag {
                    work.push(Box::new(move || {
                        lead_lag.add_block(lags, &blocks[one], &blocks[two]);
                    }));
                }
            }
            self.together.all(work);
            self.hour = Some(over + 1);
        }
        self.hour = Some(hour);
    }

    fn finish(mut self) -> Partial {
        let end = self.span.map_or(0, |(_, last)| last);
        if self.settings.metrics.lead_lag && self.span.is_some() {
            self.close_hours(end.div_euclid(HOUR) + 1);
        }
        let (pairs, together) = (&mut self.pairs, self.together);
        self.sampling.finish(|blocks| compare(pairs, blocks, together));
        let sound = self.serving.finish(end);
        let span = self.span;
        // What is torn at all venues is an outage rather than a fault of one.
        let all = self.torn.iter().cloned().reduce(|all, torn| common(&all, &torn));
        let within = |torn: &[(i64, i64)], span| length(&common(torn, &[span]));
        let own = |torn: &Vec<(i64, i64)>, span| {
            within(torn, span) - all.as_deref().map_or(0, |all| within(all, span))
        };
        let torn = self.torn.iter().map(|torn| span.map_or(0, |span| own(torn, span)));
        let venues = self.venues.iter_mut().zip(self.counting).zip(sound).zip(torn);
        for (((venue, counting), (outliers, frozen)), torn_ns) in venues {
            venue.sums = VenueSums { outliers, frozen, torn_ns, ..counting.finish() };
            // The bytes must be the same whether sizes were read or not.
            venue.closing = venue.closing.map(|leg| Leg { sizes: [f64::NAN; 2], ..leg });
        }
        let timed = |watch: Option<Watch>| -> Option<Timed> {
            self.settings
                .metrics
                .timed
                .then(|| watch.map_or_else(Timed::default, |watch| watch.finish(end)))
        };
        let pairs = self.pairs.into_iter().map(|pair| PairPartial {
            compatible: pair.compatible,
            timed: timed(pair.watch),
            lead_lag: pair.lead_lag,
            alike: pair.alike,
        });
        Partial { venues: self.venues, pairs: pairs.collect() }
    }
}

/// Compares the samples of an hour.
fn compare(pairs: &mut [Pair], blocks: &[Block], together: &dyn Together) {
    let mut work: Work<'_> = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let [one, two] = pair.places.map(|venue| &blocks[venue]);
        if let Some(alike) = &mut pair.alike {
            work.push(Box::new(move || alike.add(one, two)));
        }
    }
    together.all(work);
}
