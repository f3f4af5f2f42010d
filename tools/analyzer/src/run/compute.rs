//! Computes one unit: reads its quotes and passes them through the kernel, again if necessary.

use crate::input::{Caution, Columns, LastQuote, ReadError, Unit, VenueDay, midnight};
use crate::kernel::legs::Leg;
use crate::kernel::partial::Partial;
use crate::kernel::window::BadBatch;
use crate::kernel::{self, Settings, Venue};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::report::Problem;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// A unit to compute.
pub(super) struct Computing<'a> {
    pub(super) plan: &'a Plan,
    pub(super) progress: &'a Progress,
    pub(super) unit: &'a Unit,
    /// By venue, the times in which nothing of it counts.
    pub(super) torn: Vec<(String, Vec<(i64, i64)>)>,
}

/// The outcome of computing a unit.
pub(super) struct Computed {
    pub(super) day: Day,
    /// Whether it depends only on files in its key, so that it may be stored.
    pub(super) keeps: bool,
}

/// The partial result of a unit, and what was wrong with it.
pub(super) type Day = (Partial, Vec<Problem>);

impl Computing<'_> {
    /// Reads and computes a unit. It starts again without a file that turns out to be damaged, and
    /// again with sizes if there is an episode. `has_episodes` says whether there is one in any
    /// unit of the instrument so far. It only decides which columns are tried first.
    pub(super) fn compute(&self, openers: &Openers<'_>, has_episodes: &AtomicBool) -> Computed {
        let mut caution = Caution::default();
        let mut reported = 0;
        let mut with_sizes = has_episodes.load(Ordering::Relaxed);
        loop {
            let columns = columns_for(&self.plan.settings, with_sizes);
            match self.try_compute(openers, (columns, &caution), &mut reported) {
                Ok(outcome) => {
                    self.progress.done(bytes_of(self.unit).saturating_sub(reported), 0);
                    return outcome;
                }
                Err(Failure::Read(error)) => caution.heed(&error),
                Err(Failure::Batch(BadBatch::NoSizes)) if !with_sizes => {
                    with_sizes = true;
                    has_episodes.store(true, Ordering::Relaxed);
                }
                Err(Failure::Batch(error)) => {
                    let subject = format!("{} {}", self.unit.instrument, self.unit.date);
                    let problem = Problem { subject, what: error.to_string(), left_out: true };
                    return Computed { day: (Partial::default(), vec![problem]), keeps: true };
                }
            }
        }
    }

    fn torn_of(&self, venue: &str) -> Vec<(i64, i64)> {
        let torn = self.torn.iter().find(|(name, _)| name == venue);
        torn.map_or_else(Vec::new, |(_, torn)| torn.clone())
    }

    fn try_compute(
        &self,
        openers: &Openers<'_>,
        (columns, caution): (Columns, &Caution),
        reported: &mut u64,
    ) -> Result<Computed, Failure> {
        let (lake, settings, unit) = (&self.plan.lake, &self.plan.settings, self.unit);
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
                torn: self.torn_of(name),
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

/// Approximate bytes per row in a file, for the progress bar until a unit is done.
const BYTES_A_ROW: u64 = 9;

/// Why an attempt to compute a unit failed.
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

/// For each venue, the earlier days on which it has files, the latest first. Usually the first of
/// them has the venue's last quote before the unit.
pub(super) type Openers<'a> = BTreeMap<&'a str, Vec<&'a VenueDay>>;

pub(super) fn openers<'a>(unit: &Unit, earlier: &'a [Unit]) -> Openers<'a> {
    let mut openers = Openers::new();
    let earlier = earlier.iter().rev().filter(|day| day.date < unit.date);
    for day in earlier.flat_map(|day| &day.venues).filter(|day| !day.files.is_empty()) {
        openers.entry(&day.venue).or_default().push(day);
    }
    openers
}

/// Returns the last quote of these days, and how many days before it had none.
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

/// Returns the size of all files of a unit, in bytes.
pub(super) fn bytes_of(unit: &Unit) -> u64 {
    unit.venues.iter().flat_map(|day| &day.files).map(|file| file.bytes).sum()
}
