//! From Arrow record batches of quotes to a partial result that can be stored and merged.
//!
//! [`analyse`] takes the quotes of all venues of one instrument over one unit of time (a day, for
//! the analyzer), as batches in order of time, and gives sums for each pair of venues. Whatever the
//! batches are cut to, the bytes of the result are the same; results of consecutive units add up
//! ([`partial::Total`]). It must not know files, threads, dates or the engine's records: of the
//! engine it uses the spread arithmetic, so that a spread is the same figure here and there.
//!
//! Memory: of each venue what its batches hold and the changes of its mid within an hour, and some
//! 200 KB for each pair.

use crate::kernel::compatible::Compatible;
use crate::kernel::lead_lag::{Changes, Grid, LeadLag};
use crate::kernel::legs::{Leg, turns};
use crate::kernel::partial::{PairPartial, Partial, VenuePartial};
use crate::kernel::profile::HOUR;
use crate::kernel::timed::Timed;
use crate::kernel::venue::{Counting, Mids};
use crate::kernel::watch::{Terms, Watch};
use crate::kernel::window::{BadBatch, Buffer, advance};
use arrow::array::RecordBatch;
use serde::{Deserialize, Serialize};
use spreadwire::spread::{BPS, FeeFactors};
use std::collections::BTreeMap;

pub mod compatible;
pub mod episode;
pub mod histogram;
pub mod lead_lag;
pub mod legs;
pub mod moments;
mod orders;
pub mod partial;
pub mod profile;
pub mod reversion;
pub mod samples;
pub mod timed;
pub mod venue;
pub mod watch;
pub mod window;

/// Whatever a partial result depends on beside the quotes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Which figures are wanted.
    pub metrics: Metrics,
    /// A quote older than this takes part in nothing but the compatible figures, ns.
    pub max_age_ns: i64,
    /// Net spreads from which an episode counts, bp, ascending.
    pub thresholds_bps: Vec<f64>,
    /// Most that one order trades, quote currency.
    pub size: f64,
    /// Distance of samples for the mean reversion, ns.
    pub sampling_ns: i64,
    /// Lags of the cross-correlation.
    pub lags: Grid,
    /// Fee and latency of venues that are not as `others`.
    pub venues: BTreeMap<String, VenueTerms>,
    /// Fee and latency of all others.
    pub others: VenueTerms,
}

/// Which figures are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metrics {
    /// Over the rows of the left venue, as the customary scripts have them.
    pub compatible: bool,
    /// Over time: distributions, episodes, capture.
    pub timed: bool,
    /// Half-life, unit root, variance ratio, Hurst: samples are taken. Needs `timed`.
    pub reversion: bool,
    /// Cross-correlation by lag.
    pub lead_lag: bool,
}

/// What trading on a venue takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct VenueTerms {
    /// Taker fee, fraction.
    pub taker_fee: f64,
    /// From sending an order to its arrival, ns.
    pub latency_ns: i64,
}

/// One venue's quotes.
#[derive(Debug)]
pub struct Venue<B> {
    /// Its name.
    pub name: String,
    /// Its last quote before the unit, if there is one.
    pub opening: Option<Leg>,
    /// Its quotes, in order of time. Columns `Timestamp` (ns) and `BestBid` (double), without nulls,
    /// prices positive; `BestAsk` for more than the compatible figures; `BestBidSize`, `BestAskSize`,
    /// `EventTime` and `Flags` where they are known.
    pub batches: B,
}

impl Settings {
    fn of(&self, venue: &str) -> VenueTerms {
        self.venues.get(venue).copied().unwrap_or(self.others)
    }

    fn terms(&self, one: &str, two: &str) -> Terms {
        let venues = [self.of(one), self.of(two)];
        Terms {
            max_age: self.max_age_ns,
            thresholds: self.thresholds_bps.iter().map(|bps| bps / BPS).collect(),
            fees: venues.map(|venue| FeeFactors::of(venue.taker_fee)),
            latency: venues.map(|venue| venue.latency_ns),
            size: self.size,
            sampling: self.sampling_ns,
            samples: self.metrics.reversion,
        }
    }
}

/// Analyses one instrument over one unit of time. Venues are given by ascending name. Whether the
/// batches have the sizes that are known: few instruments have episodes, and only those need sizes.
///
/// # Errors
/// The first error of a batch, or [`BadBatch`]: [`BadBatch::NoSizes`] as soon as sizes matter and were
/// left out.
pub fn analyse<B, E>(
    settings: &Settings,
    venues: Vec<Venue<B>>,
    with_sizes: bool,
) -> Result<Partial, E>
where
    B: Iterator<Item = Result<RecordBatch, E>>,
    E: From<BadBatch>,
{
    let mut buffers = Vec::with_capacity(venues.len());
    let mut known = Vec::with_capacity(venues.len());
    for venue in venues {
        buffers.push(Buffer::new(venue.batches));
        known.push((venue.name, venue.opening.map(Leg::of_known_sizes)));
    }
    let mut unit = Unit::new(settings, &known);
    while advance(&mut buffers)? {
        unit.take(&buffers);
        let mut watches = unit.pairs.iter().filter_map(|pair| pair.watch.as_ref());
        if !with_sizes && watches.any(Watch::has_episodes) {
            return Err(BadBatch::NoSizes.into());
        }
    }
    let partial = unit.finish();
    let mut timed = partial.pairs.iter().filter_map(|pair| pair.timed.as_ref());
    if !with_sizes && timed.any(Timed::has_episodes) {
        return Err(BadBatch::NoSizes.into());
    }
    Ok(partial)
}

/// One unit while its windows go by.
struct Unit<'a> {
    settings: &'a Settings,
    venues: Vec<VenuePartial>,
    counting: Vec<Counting>,
    mids: Vec<Mids>,
    /// Of each venue's rows of the window, for pairs over time.
    turns: Vec<Vec<usize>>,
    /// The hour since 1970 whose changes of mids are gathered.
    hour: Option<i64>,
    /// First and last time of the unit's rows.
    span: Option<(i64, i64)>,
    pairs: Vec<Pair>,
}

/// One pair while its windows go by.
struct Pair {
    places: [usize; 2],
    compatible: Option<Compatible>,
    watch: Option<Watch>,
    lead_lag: Option<LeadLag>,
}

impl<'a> Unit<'a> {
    fn new(settings: &'a Settings, known: &[(String, Option<Leg>)]) -> Unit<'a> {
        let Metrics { compatible, lead_lag, .. } = settings.metrics;
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
        };
        let two_of = |one| (one + 1..known.len()).map(move |two| (one, two));
        Unit {
            settings,
            venues: known.iter().map(venue).collect(),
            counting: known.iter().map(|_| Counting::new(settings.max_age_ns)).collect(),
            mids: known.iter().map(|(_, opening)| Mids::new(*opening)).collect(),
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
        if self.settings.metrics.timed {
            for (buffer, found) in buffers.iter().zip(&mut self.turns) {
                turns(buffer.rows(), self.settings.max_age_ns, found);
            }
        }
        for pair in &mut self.pairs {
            let [one, two] = pair.places;
            let (left, right) = (buffers[one].rows(), buffers[two].rows());
            if let Some(compatible) = &mut pair.compatible {
                let carried = self.venues[two].closing.map(|leg| leg.bid);
                compatible.take((left.times, left.bids), (right.times, right.bids), carried);
            }
            if let Some(watch) = &mut pair.watch {
                watch.take([left, right], [&self.turns[one], &self.turns[two]]);
            }
        }
        for ((buffer, venue), counting) in
            buffers.iter().zip(&mut self.venues).zip(&mut self.counting)
        {
            counting.take(buffer.rows(), buffer.extras());
            venue.closing = buffer.last().or(venue.closing);
        }
        if self.settings.metrics.lead_lag {
            self.close_hours(first.div_euclid(HOUR));
            buffers.iter().zip(&mut self.mids).for_each(|(buffer, mids)| mids.take(buffer.rows()));
            self.close_hours(last.div_euclid(HOUR));
        }
    }

    /// At the first row of the unit: time begins to count.
    fn begin(&mut self, first: i64) {
        if !self.settings.metrics.timed {
            return;
        }
        for pair in &mut self.pairs {
            let [one, two] = pair.places.map(|place| &self.venues[place]);
            let terms = self.settings.terms(&one.name, &two.name);
            let legs = [one, two].map(|venue| venue.opening.unwrap_or(Leg::NONE));
            pair.watch = Some(Watch::new(terms, first, legs));
        }
    }

    /// Every hour before this one is over: lead and lag within each are computed.
    fn close_hours(&mut self, hour: i64) {
        while let Some(over) = self.hour.filter(|over| *over < hour) {
            let blocks: Vec<Changes> = self
                .mids
                .iter_mut()
                .map(|mids| mids.block(over * HOUR, (over + 1) * HOUR))
                .collect();
            for pair in &mut self.pairs {
                let [one, two] = pair.places;
                if let Some(lead_lag) = &mut pair.lead_lag {
                    lead_lag.add_block(&self.settings.lags, &blocks[one], &blocks[two]);
                }
            }
            self.hour = Some(over + 1);
        }
        self.hour = Some(hour);
    }

    fn finish(mut self) -> Partial {
        let end = self.span.map_or(0, |(_, last)| last);
        if self.settings.metrics.lead_lag && self.span.is_some() {
            self.close_hours(end.div_euclid(HOUR) + 1);
        }
        for (venue, counting) in self.venues.iter_mut().zip(self.counting) {
            venue.sums = counting.finish();
            // With or without sizes, the bytes are the same.
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
        });
        Partial { venues: self.venues, pairs: pairs.collect() }
    }
}
