//! One analysis from the lake to ranked figures: units of one instrument and day are computed on all
//! cores or read from what an earlier night has kept, added up by instrument in the order of days,
//! and ranked. The same bytes come out whatever the number of threads. It must not know formats.

use crate::columns::{Column, columns};
use crate::completeness;
use crate::figures::{Figures, Pair};
use crate::input::{Caution, Columns, LastQuote, ReadError, Unit, VenueDay, find};
use crate::kernel::legs::Leg;
use crate::kernel::partial::{Partial, Total};

use crate::kernel::window::BadBatch;
use crate::kernel::{self, Settings, Venue};
use crate::plan::{Plan, venue_named};
use crate::partials::{self, Key, Stored};
use crate::progress::Progress;
use crate::ranking::{self, Order};
use crate::report::{Problem, Report, Totals};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Why there is no result at all.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Threads could not be started.
    #[error("cannot start {threads} threads")]
    Threads {
        /// How many.
        threads: usize,
        /// Why.
        #[source]
        source: rayon::ThreadPoolBuildError,
    },
    /// The column that is to rank does not exist.
    #[error("--rank: there is no column {0:?} that orders; {1}")]
    Rank(String, String),
}

/// Analyses. Time is handed in, ns since 1970.
///
/// # Errors
/// [`RunError`]; what is wrong with the lake is a problem in the report instead.
pub fn analyse(plan: &Plan, now_ns: i64, progress: &Progress) -> Result<Report, RunError> {
    let threads = plan.arguments.threads.unwrap_or(0);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|source| RunError::Threads { threads, source })?;
    let columns = columns(&plan.settings);
    let order = Order::of(plan, &columns)?;
    let work = Work::new(plan, &columns, progress);
    let figures = pool.install(|| work.figures());
    let mut report = ranking::report(plan, &columns, order, figures);
    report.version = env!("CARGO_PKG_VERSION").to_owned();
    let now = Timestamp::from_nanosecond(i128::from(now_ns)).unwrap_or_default();
    report.generated = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    report.days = work.days.iter().map(ToString::to_string).collect();
    let now = u64::try_from(now_ns).unwrap_or(0);
    report.completeness = completeness::of_days(&plan.lake, &work.days, now);
    report.totals = Totals {
        instruments: work.instruments.len() as u64,
        pairs: report.pairs.len() as u64,
        rows: work.rows.load(Ordering::Relaxed),
        partials_reused: work.reused.load(Ordering::Relaxed),
        partials_computed: work.computed.load(Ordering::Relaxed),
    };
    report.problems.extend(work.strangers());
    report.problems.extend(work.problems);
    report.problems.sort();
    report.problems.dedup();
    Ok(report)
}

/// What is to be done.
struct Work<'a> {
    plan: &'a Plan,
    columns: &'a [Column],
    progress: &'a Progress,
    days: Vec<Date>,
    problems: Vec<Problem>,
    /// By name: the units of the days, and of the day before for what it ended with.
    instruments: BTreeMap<String, Vec<Unit>>,
    rows: AtomicU64,
    reused: AtomicU64,
    computed: AtomicU64,
}

impl<'a> Work<'a> {
    fn new(plan: &'a Plan, columns: &'a [Column], progress: &'a Progress) -> Work<'a> {
        let from = plan.selection.from;
        let before = from.and_then(|from| from.checked_sub(1.day()).ok());
        let mut selection = plan.selection.clone();
        selection.from = before.or(from);
        let found = find(&plan.lake, &selection);
        let mut instruments: BTreeMap<String, Vec<Unit>> = BTreeMap::new();
        for unit in found.units {
            instruments.entry(unit.instrument.clone()).or_default().push(unit);
        }
        let is_of_period = |unit: &Unit| from.is_none_or(|from| from <= unit.date);
        instruments.retain(|_, units| units.iter().any(is_of_period));
        let units = instruments.values().flatten().filter(|unit| is_of_period(unit));
        progress.expect(units.map(bytes_of).sum());
        Work {
            plan,
            columns,
            progress,
            days: found
                .days
                .into_iter()
                .filter(|day| from.is_none_or(|from| from <= *day))
                .collect(),
            problems: found.problems,
            instruments,
            rows: AtomicU64::new(0),
            reused: AtomicU64::new(0),
            computed: AtomicU64::new(0),
        }
    }

    /// The figures of every instrument's pairs and what was wrong, in the order of names.
    fn figures(&self) -> Vec<Figures> {
        let instruments: Vec<&Vec<Unit>> = self.instruments.values().collect();
        instruments.par_iter().map(|units| self.instrument(units)).collect()
    }

    /// Venues that fees or latencies were given for and that were not chosen or are not there: a
    /// misspelt one would go by the general terms in silence.
    fn strangers(&self) -> Vec<Problem> {
        let days = self.instruments.values().flatten().flat_map(|unit| &unit.venues);
        let known: BTreeSet<&str> = days.map(|day| day.venue.as_str()).collect();
        let arguments = &self.plan.arguments;
        let given = [("--fees", &arguments.fees), ("--latency", &arguments.latency)];
        let given =
            given.into_iter().flat_map(|(option, all)| all.iter().map(move |of| (option, of)));
        let stranger = |(option, of): (&str, &String)| {
            let name = venue_named(of)?;
            let what = "no such venue among those that were analysed".to_owned();
            let subject = format!("{option} {of}");
            (!known.contains(name.as_str())).then_some(Problem { subject, what, left_out: false })
        };
        given.filter_map(stranger).collect()
    }

    fn instrument(&self, units: &[Unit]) -> Figures {
        let from = self.plan.selection.from;
        let first = units.iter().position(|unit| from.is_none_or(|from| from <= unit.date));
        let first = first.unwrap_or(units.len());
        let places: Vec<usize> = (first..units.len()).collect();
        let has_episodes = AtomicBool::new(false);
        let day = |place: &usize| self.day(&units[..=*place], &has_episodes);
        let days: Vec<Day> = places.par_iter().map(day).collect();
        let begin = units.get(first).map_or(0, |unit| midnight(unit.date));
        let mut total = Total::new(begin);
        let mut problems = Vec::new();
        for (partial, told) in &days {
            total.add(partial);
            problems.extend(told.iter().cloned());
        }
        // A venue that spoke on the day before alone is not of the period.
        let of_period = |venue: &String| {
            units[first..].iter().flat_map(|unit| &unit.venues).any(|day| day.venue == *venue)
        };
        total.pairs.retain(|(one, two), _| of_period(one) && of_period(two));
        let name = units.first().map_or("", |unit| unit.instrument.as_str());
        let mut figures = Pair::all(name, &total, &self.plan.settings, self.columns);
        figures.problems.extend(problems);
        figures
    }

    /// The last of these units, computed or read; the others are the days before it.
    fn day(&self, units: &[Unit], has_episodes: &AtomicBool) -> Day {
        let Some((unit, earlier)) = units.split_last() else { return Day::default() };
        let openers = openers(unit, earlier);
        let nearest = openers.values().filter_map(|days| days.first().copied());
        let files = unit.venues.iter().chain(nearest);
        let files = files.flat_map(|day| day.files.iter().map(|file| (day.venue.as_str(), file)));
        let key = Key::new(&self.plan.settings, files);
        let folder = self.plan.partials.as_deref();
        let path = folder.map(|folder| partials::path(folder, unit.date, &unit.symbol_folder));
        if let Some(stored) = path.as_deref().and_then(|path| partials::load(path, &key)) {
            self.reused.fetch_add(1, Ordering::Relaxed);
            self.rows.fetch_add(rows_of(&stored.partial), Ordering::Relaxed);
            self.progress.done(bytes_of(unit), 0);
            return (stored.partial, stored.problems);
        }
        let Computed { day: (partial, problems), keeps } =
            self.compute(unit, &openers, has_episodes);
        self.computed.fetch_add(1, Ordering::Relaxed);
        self.rows.fetch_add(rows_of(&partial), Ordering::Relaxed);
        let mut stored = Stored { key, partial, problems };
        if let Some(path) = path.as_ref().filter(|_| keeps)
            && let Err(error) = partials::store(path, &stored)
        {
            stored.problems.push(Problem {
                subject: path.display().to_string(),
                what: format!("a partial result cannot be kept: {error}"),
                left_out: false,
            });
        }
        (stored.partial, stored.problems)
    }

    /// Reads and computes a unit, again without a file that turns out to be damaged on the way, and
    /// again with sizes once an episode begins in it. `has_episodes`: whether one began in any unit of
    /// the instrument so far; it decides what is tried first, and nothing else.
    fn compute(&self, unit: &Unit, openers: &Openers<'_>, has_episodes: &AtomicBool) -> Computed {
        let mut caution = Caution::default();
        let mut reported = 0;
        let mut with_sizes = has_episodes.load(Ordering::Relaxed);
        loop {
            let columns = columns_for(&self.plan.settings, with_sizes);
            match self.try_compute(unit, openers, (columns, &caution), &mut reported) {
                Ok(outcome) => {
                    self.progress.done(bytes_of(unit).saturating_sub(reported), 0);
                    return outcome;
                }
                Err(Failure::Read(error)) => caution.heed(&error),
                Err(Failure::Batch(BadBatch::NoSizes)) if !with_sizes => {
                    with_sizes = true;
                    has_episodes.store(true, Ordering::Relaxed);
                }
                Err(Failure::Batch(error)) => {
                    let subject = format!("{} {}", unit.instrument, unit.date);
                    let problem = Problem { subject, what: error.to_string(), left_out: true };
                    return Computed { day: (Partial::default(), vec![problem]), keeps: true };
                }
            }
        }
    }

    fn try_compute(
        &self,
        unit: &Unit,
        openers: &Openers<'_>,
        (columns, caution): (Columns, &Caution),
        reported: &mut u64,
    ) -> Result<Computed, Failure> {
        let (lake, settings) = (&self.plan.lake, &self.plan.settings);
        let begin = midnight(unit.date);
        let names: BTreeSet<&str> = unit
            .venues
            .iter()
            .map(|day| day.venue.as_str())
            .chain(openers.keys().copied())
            .collect();
        let mut readers = Vec::new();
        let mut openings = Vec::new();
        let mut keeps = true;
        for name in names {
            let days = openers.get(name).map_or(&[][..], Vec::as_slice);
            let (days_back, leg) = opening(lake, days, begin, caution)?;
            keeps &= days_back == 0;
            openings.push((name, leg));
            let day = unit.venues.iter().find(|day| day.venue == name);
            readers.push(day.map(|day| day.open(lake, columns, caution)));
        }
        let per_row = bytes_of(unit);
        let mut count = |rows: u64| {
            let bytes = (rows * BYTES_A_ROW).min(per_row.saturating_sub(*reported));
            *reported += bytes;
            self.progress.done(bytes, rows);
        };
        let count = std::cell::RefCell::new(&mut count);
        let venues =
            openings.into_iter().zip(&mut readers).map(|((name, opening), reader)| Venue {
                name: name.to_owned(),
                opening,
                batches: reader.iter_mut().flatten().map(|batch| {
                    let batch = batch.map_err(Failure::from)?;
                    (count.borrow_mut())(batch.num_rows() as u64);
                    Ok::<_, Failure>(batch)
                }),
            });
        let partial = kernel::analyse(settings, venues.collect(), columns.sizes)?;
        let mut problems = Vec::new();
        for reader in readers.iter().flatten() {
            problems.extend(reader.problems().iter().cloned());
            problems.extend(reader.row_problems());
        }
        Ok(Computed { day: (partial, problems), keeps })
    }
}

/// What came of computing a unit.
struct Computed {
    day: Day,
    /// Whether it depends on no files but those of its key.
    keeps: bool,
}

/// What came of a unit, and what was wrong with it.
type Day = (Partial, Vec<Problem>);

/// What a row takes in a file, about: for the progress until a unit is done.
const BYTES_A_ROW: u64 = 9;

/// Why a unit could not be computed as it was opened.
enum Failure {
    Read(ReadError),
    Batch(BadBatch),
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Failure {
        Failure::Read(error)
    }
}

impl From<BadBatch> for Failure {
    fn from(error: BadBatch) -> Failure {
        Failure::Batch(error)
    }
}

/// By venue: the days before a unit with files of it, the last one first. As a rule that one says what
/// the venue's quote was when the unit began.
type Openers<'a> = BTreeMap<&'a str, Vec<&'a VenueDay>>;

fn openers<'a>(unit: &Unit, earlier: &'a [Unit]) -> Openers<'a> {
    let mut openers = Openers::new();
    let earlier = earlier.iter().rev().filter(|day| day.date < unit.date);
    for day in earlier.flat_map(|day| &day.venues).filter(|day| !day.files.is_empty()) {
        openers.entry(&day.venue).or_default().push(day);
    }
    openers
}

/// The last quote of these days, and how many of them had none behind it.
fn opening(
    lake: &Path,
    days: &[&VenueDay],
    begin: i64,
    caution: &Caution,
) -> Result<(usize, Option<Leg>), ReadError> {
    for (days_back, day) in days.iter().enumerate() {
        if let Some(quote) = day.last_quote_before(lake, begin, caution)? {
            let sizes = [quote.bid_size, quote.ask_size].map(|size| size.unwrap_or(f64::NAN));
            let LastQuote { time_ns: time, bid, ask, .. } = quote;
            return Ok((days_back, Some(Leg { time, bid, ask, sizes })));
        }
    }
    Ok((days.len(), None))
}

fn columns_for(settings: &Settings, with_sizes: bool) -> Columns {
    let metrics = settings.metrics;
    if metrics.timed {
        return Columns { sizes: with_sizes, ..Columns::ALL };
    }
    Columns { ask: metrics.lead_lag, ..Columns::BID }
}

fn rows_of(partial: &Partial) -> u64 {
    partial.venues.iter().map(|venue| venue.sums.rows).sum()
}

fn bytes_of(unit: &Unit) -> u64 {
    unit.venues.iter().flat_map(|day| &day.files).map(|file| file.bytes).sum()
}

/// The beginning of a day, ns since 1970.
fn midnight(date: Date) -> i64 {
    let second = date.to_zoned(TimeZone::UTC).map_or(0, |at| at.timestamp().as_second());
    second.saturating_mul(1_000_000_000)
}
