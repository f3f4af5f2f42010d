//! Markets of a few venues, made of lists that proptest can shrink, and their quotes as record
//! batches cut at arbitrary rows.

use analyzer::kernel::lead_lag::Grid;
use analyzer::kernel::legs::Leg;
use analyzer::kernel::partial::Partial;
use analyzer::kernel::play::PlaySettings;
use analyzer::kernel::window::BadBatch;
use analyzer::kernel::{Metrics, Settings, Venue, VenueTerms, analyse};
use arrow::array::{ArrayRef, Float64Array, RecordBatch, TimestampNanosecondArray, UInt8Array};
use proptest::prelude::*;
use std::sync::Arc;

pub(crate) const MS: i64 = 1_000_000;
pub(crate) const SECOND: i64 = 1_000 * MS;
pub(crate) const HOUR: i64 = 3_600 * SECOND;
/// 2024-08-08T00:00:00Z.
const DAY: i64 = 1_723_075_200_000_000_000;
/// Prices are in hundredths; one tick is a tenth of a basis point of this.
const BASE: i64 = 100_000;
pub(crate) const DECIMALS: u8 = 2;
const TICK: f64 = 100.0;
/// Largest step of a mid; a change may be larger, and then lasts for a quote or some.
pub(crate) const OUTLIER: f64 = 0.02;
/// Number of time steps after which a quote is stale.
const MAX_AGE: i64 = 50;

/// One quote.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) time: i64,
    pub(crate) ticks: [i64; 2],
    pub(crate) sizes: [Option<i32>; 2],
    pub(crate) event: Option<i64>,
    pub(crate) flags: u8,
}

impl Row {
    pub(crate) fn bid(&self) -> f64 {
        self.ticks[0] as f64 / TICK
    }

    pub(crate) fn ask(&self) -> f64 {
        self.ticks[1] as f64 / TICK
    }

    fn leg(&self) -> Leg {
        let sizes = self.sizes.map(|size| size.map_or(f64::NAN, f64::from));
        Leg { time: self.time, bid: self.bid(), ask: self.ask(), sizes }
    }
}

/// All quotes by venue, and the settings to analyse them with.
#[derive(Clone, Debug)]
pub(crate) struct Market {
    pub(crate) settings: Settings,
    /// The last quote before the unit.
    pub(crate) openings: Vec<Option<Row>>,
    pub(crate) rows: Vec<Vec<Row>>,
}

/// Ticks off the base, width in ticks, sizes, and whether prices stay as they were.
type Change = ((i64, i64), [Option<i32>; 2], bool);

fn change() -> impl Strategy<Value = Change> {
    let edges = vec![-250_i64, -200, -150, -100, -50, 0, 0, 0, 50, 100, 150, 200, 250];
    let near = (proptest::sample::select(edges), -1..=1_i64).prop_map(|(edge, off)| edge + off);
    // Some are outliers: alone, for long, or at several venues at once.
    let far = proptest::sample::select(vec![2_600_i64, 2_650, -2_700, 6_000]);
    let level = prop_oneof![30 => -300..300_i64, 40 => near, 3 => far];
    let width = prop_oneof![3 => Just(0_i64), 4 => 0..8_i64, 1 => -4..0_i64];
    let size = || proptest::option::weighted(0.8, 0..4_i32);
    ((level, width), [size(), size()], proptest::bool::weighted(0.25))
}

/// Returns the number of time steps to the next quote: bursts, usual steps, exactly the maximum
/// age, and silences.
fn gap() -> impl Strategy<Value = i64> {
    prop_oneof![6 => Just(0_i64), 8 => 1..12_i64, 2 => MAX_AGE - 1..=MAX_AGE + 1, 1 => 12..200_i64]
}

fn row(time: i64, ((level, width), sizes, _): Change, number: usize) -> Row {
    let bid = BASE + level;
    let event = [None, Some(time), Some(time - 3 * MS), Some(time + MS)][number % 4];
    let flags = u8::from(number.is_multiple_of(5));
    Row { time, ticks: [bid, bid + width], sizes, event, flags }
}

/// Returns two to four venues with up to `most` quotes in total, at the same time or `step` ns
/// apart.
pub(crate) fn markets(most: usize, steps: &'static [i64]) -> impl Strategy<Value = Market> {
    let events = proptest::collection::vec((0..4_usize, gap(), change()), 1..most);
    let opening = proptest::option::of((1..2 * MAX_AGE, change()));
    let openings = proptest::collection::vec(opening, 4);
    let terms = proptest::collection::vec(
        (
            proptest::sample::select(vec![0.0, 0.0, 0.000_25, 0.001]),
            proptest::sample::select(vec![0_i64, 1, 3, 20]),
        ),
        4,
    );
    let begin = prop_oneof![Just(0_i64), Just(HOUR - SECOND), 0..HOUR];
    let whole = (2..=4_usize, proptest::sample::select(steps), begin, terms, openings, events);
    whole.prop_map(|(venues, step, begin, terms, openings, events)| {
        let mut now = DAY + begin;
        let opened = openings.iter().take(venues).enumerate();
        let opened = opened.map(|(number, opening)| {
            opening.map(|(age, change)| row(now - age * step, change, number))
        });
        let openings: Vec<Option<Row>> = opened.collect();
        let mut rows = vec![Vec::new(); venues];
        let mut last: Vec<Option<Row>> = openings.clone();
        for (number, (venue, gap, change)) in events.into_iter().enumerate() {
            let venue = venue % venues;
            now += gap * step;
            let mut next = row(now, change, number);
            if let Some(before) = last[venue].filter(|_| change.2) {
                next.ticks = before.ticks;
            }
            last[venue] = Some(next);
            rows[venue].push(next);
        }
        let terms = terms.into_iter().enumerate().map(|(venue, (taker_fee, latency))| {
            (name(venue), VenueTerms { taker_fee, latency_ns: latency * step })
        });
        let settings = Settings {
            metrics: Metrics { compatible: true, timed: true, reversion: true, lead_lag: true },
            max_age_ns: MAX_AGE * step,
            outlier: OUTLIER,
            thresholds_bps: vec![0.0, 5.0, 10.0, 20.0],
            size: 2_500.0,
            sampling_ns: 10 * step,
            play: PlaySettings::default(),
            transfers: std::collections::BTreeSet::new(),
            lags: Grid { step_ns: step, steps: 3 },
            venues: terms.collect(),
            others: VenueTerms { taker_fee: 0.5, latency_ns: 0 },
        };
        Market { settings, openings, rows }
    })
}

pub(crate) fn name(venue: usize) -> String {
    format!("v{venue}")
}

/// Makes a batch. A column without values is left out, as by recorders that do not know it.
fn batch(rows: &[Row]) -> RecordBatch {
    let floats = |of: &dyn Fn(&Row) -> Option<f64>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<Float64Array>())
    };
    let size = |side: usize| floats(&|row| row.sizes[side].map(f64::from));
    let times = TimestampNanosecondArray::from_iter_values(rows.iter().map(|row| row.time));
    let events: TimestampNanosecondArray = rows.iter().map(|row| row.event).collect();
    let flags = UInt8Array::from_iter_values(rows.iter().map(|row| row.flags));
    let columns: [(&str, ArrayRef); 7] = [
        ("Timestamp", Arc::new(times)),
        ("BestBid", floats(&|row| Some(row.bid()))),
        ("BestAsk", floats(&|row| Some(row.ask()))),
        ("BestBidSize", size(0)),
        ("BestAskSize", size(1)),
        ("EventTime", Arc::new(events)),
        ("Flags", Arc::new(flags)),
    ];
    let silent = |name: &str| match name {
        "BestBidSize" => rows.iter().all(|row| row.sizes[0].is_none()),
        "BestAskSize" => rows.iter().all(|row| row.sizes[1].is_none()),
        "EventTime" => rows.iter().all(|row| row.event.is_none()),
        "Flags" => rows.iter().all(|row| row.flags == 0),
        _ => false,
    };
    let columns = columns.into_iter().filter(|(name, _)| !silent(name));
    let columns = columns.map(|(name, column)| (name, column, true));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

impl Market {
    /// Returns every two venues, in the order of a partial result.
    pub(crate) fn pairs(&self) -> Vec<[usize; 2]> {
        let venues = self.rows.len();
        (0..venues).flat_map(|one| (one + 1..venues).map(move |two| [one, two])).collect()
    }

    pub(crate) fn times(&self) -> impl Iterator<Item = i64> + '_ {
        self.rows.iter().flatten().map(|row| row.time)
    }

    /// Returns the first and last time of all rows.
    pub(crate) fn span(&self) -> Option<(i64, i64)> {
        Some((self.times().min()?, self.times().max()?))
    }

    /// Analyses the market with each venue's rows cut at these places; equal cuts make empty
    /// batches.
    pub(crate) fn analyse(&self, cuts: &[Vec<usize>]) -> Partial {
        let venues = self.rows.iter().zip(&self.openings).enumerate();
        let venues = venues.map(|(venue, (rows, opening))| {
            let mut places = cuts.get(venue).cloned().unwrap_or_default();
            places.iter_mut().for_each(|place| *place %= rows.len() + 1);
            places.extend([0, rows.len()]);
            places.sort_unstable();
            let parts = places.windows(2).map(|ends| batch(&rows[ends[0]..ends[1]]));
            let batches: Vec<Result<RecordBatch, BadBatch>> = parts.map(Ok).collect();
            let opening = opening.map(|row| row.leg());
            Venue { name: name(venue), opening, torn: Vec::new(), batches: batches.into_iter() }
        });
        analyse(&self.settings, venues.collect(), true).unwrap()
    }

    /// Splits the market at these times; each part opens with the last quotes before it.
    pub(crate) fn units(&self, cuts: &[i64]) -> Vec<Market> {
        let mut cuts = cuts.to_vec();
        cuts.extend([i64::MIN, i64::MAX]);
        cuts.sort_unstable();
        let mut openings = self.openings.clone();
        let unit = |ends: &[i64]| {
            let within = |row: &&Row| ends[0] <= row.time && row.time < ends[1];
            let part = |rows: &Vec<Row>| rows.iter().filter(within).copied().collect();
            let rows: Vec<Vec<Row>> = self.rows.iter().map(part).collect();
            let ends = rows.iter().zip(&openings);
            let closing = ends.map(|(rows, opening)| rows.last().copied().or(*opening)).collect();
            let opened = std::mem::replace(&mut openings, closing);
            Market { settings: self.settings.clone(), openings: opened, rows }
        };
        cuts.windows(2).map(unit).collect()
    }
}
