//! Computes one unit: reads its quotes and passes them through the kernel, again if necessary.

use super::ahead::Ahead;
use crate::input::{Caution, Columns, LastQuote, ReadError, Unit, VenueDay, VenueQuotes, midnight};
use crate::kernel::legs::Leg;
use crate::kernel::partial::Partial;
use crate::kernel::together::{Alone, Together, Work};
use crate::kernel::window::BadBatch;
use crate::kernel::{self, Settings, Venue};
use crate::partials::{self, Opening, Searched};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::report::Problem;
use rayon::Scope;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// A unit to compute.
pub(super) struct Computing<'a> {
    pub(super) plan: &'a Plan,
    pub(super) progress: &'a Progress,
    pub(super) unit: &'a Unit,
    /// Whether there are as many units as threads.
    pub(super) is_crowded: bool,
    /// By venue, the times in which nothing of it counts.
    pub(super) torn: Vec<(String, Vec<(i64, i64)>)>,
}

/// The outcome of computing a unit.
pub(super) struct Computed {
    pub(super) day: Day,
    /// Paths of the files that were left out.
    pub(super) files_left_out: Vec<String>,
}

/// The partial result of a unit, and what was wrong with it.
pub(super) type Day = (Partial, Vec<Problem>);

impl Computing<'_> {
    /// Reads and computes a unit. It starts again without a file that turns out to be damaged, and
    /// again with sizes if there is an episode. `has_episodes` says whether there is one in any
    /// unit of the instrument so far. It only decides which columns are tried first.
    pub(super) fn compute(&self, openings: &[Opening], has_episodes: &AtomicBool) -> Computed {
        let mut caution = Caution::default();
        let mut reported = 0;
        let mut with_sizes = has_episodes.load(Ordering::Relaxed);
        loop {
            let columns = columns_for(&self.plan.settings, with_sizes);
            match self.try_compute(openings, (columns, &caution), &mut reported) {
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
                    let day = (Partial::default(), vec![problem]);
                    return Computed { day, files_left_out: Vec::new() };
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
        openings: &[Opening],
        (columns, caution): (Columns, &Caution),
        reported: &mut u64,
    ) -> Result<Computed, Failure> {
        let (lake, unit) = (&self.plan.lake, self.unit);
        let opens = openings.iter().map(|opening| opening.venue.as_str());
        let names = unit.venues.iter().map(|day| day.venue.as_str()).chain(opens);
        let names: BTreeSet<&str> = names.collect();
        let reader = |name: &&str| {
            let day = unit.venues.iter().find(|day| day.venue == *name);
            day.map(|day| day.open(lake, columns, caution))
        };
        let mut readers: Vec<_> = names.iter().map(reader).collect();
        let sources = readers.iter_mut().map(|reader| Ahead::new(reader.iter_mut().flatten()));
        let sources: Vec<_> = names.iter().copied().zip(sources).collect();
        let pass = Pass { openings, columns, reported };
        // A thread that waits for others takes whatever waits, and with many units that is a whole one.
        let partial = if self.is_crowded {
            self.analyse(&sources, pass, None)?
        } else {
            rayon::in_place_scope(|scope| self.analyse(&sources, pass, Some(scope)))?
        };
        drop(sources);
        let (mut problems, mut files_left_out) = (Vec::new(), Vec::new());
        for reader in readers.iter().flatten() {
            problems.extend(reader.problems().iter().cloned());
            problems.extend(reader.row_problems());
            files_left_out.extend(reader.files_left_out().map(str::to_owned));
        }
        Ok(Computed { day: (partial, problems), files_left_out })
    }

    /// Passes the batches of all venues through the kernel. `scope` has those who decode ahead.
    fn analyse<'s>(
        &self,
        sources: &'s [(&str, Ahead<Source<'_>>)],
        Pass { openings, columns, reported }: Pass<'_>,
        scope: Option<&Scope<'s>>,
    ) -> Result<Partial, Failure> {
        let bytes = bytes_of(self.unit);
        let reported = RefCell::new(reported);
        let count = |rows: u64| {
            let mut reported = reported.borrow_mut();
            let more = (rows * BYTES_A_ROW).min(bytes.saturating_sub(**reported));
            **reported += more;
            self.progress.done(more, rows);
        };
        let count = &count;
        let venues = sources.iter().map(|(name, source)| Venue {
            name: (*name).to_owned(),
            opening: openings.iter().find(|of| of.venue == *name).and_then(leg),
            torn: self.torn_of(name),
            batches: std::iter::from_fn(move || source.next(scope)).map(move |batch| {
                let batch = batch.map_err(Failure::from)?;
                count(batch.num_rows() as u64);
                Ok::<_, Failure>(batch)
            }),
        });
        let venues = venues.collect();
        let together: &dyn Together = if scope.is_some() { &Threads } else { &Alone };
        kernel::analyse_together(&self.plan.settings, venues, columns.sizes, together)
    }
}

/// The quotes of one venue, if it has any.
type Source<'a> = std::iter::Flatten<std::option::IterMut<'a, VenueQuotes>>;

/// One pass of a unit's quotes through the kernel.
struct Pass<'a> {
    openings: &'a [Opening],
    columns: Columns,
    /// Bytes of the unit that the progress bar has been told of.
    reported: &'a mut u64,
}

/// The threads of the analysis: those that have no unit of their own help with this one.
struct Threads;

impl Together for Threads {
    fn all(&self, work: Work<'_>) {
        rayon::scope(|scope| work.into_iter().for_each(|piece| scope.spawn(|_| piece())));
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

/// Returns the quote that each venue begins a unit with.
pub(super) fn openings(lake: &Path, unit: &Unit, openers: &Openers<'_>) -> Vec<Opening> {
    let begin = midnight(unit.date);
    let opening = |(venue, days): (&&str, &Vec<&VenueDay>)| {
        let (mut quote, mut searched) = (None, Vec::new());
        for day in days {
            searched.push(searched_day(day));
            quote = last_before(lake, day, begin);
            if quote.is_some() {
                break;
            }
        }
        Opening { venue: (*venue).to_owned(), quote: quote.map(|quote| bits(&quote)), searched }
    };
    openers.iter().map(opening).collect()
}

/// Returns whether these openings would be found again, because the files in which they were found
/// are as they were. Nothing is read.
pub(super) fn are_as_found(openings: &[Opening], openers: &Openers<'_>) -> bool {
    let is_as_found = |(opening, (venue, days)): (&Opening, (&&str, &Vec<&VenueDay>))| {
        let Opening { searched, quote, .. } = opening;
        let are_all = searched.len() == days.len();
        let mut both = searched.iter().zip(days);
        opening.venue == **venue
            && (are_all || (quote.is_some() && searched.len() < days.len()))
            && both.all(|(known, day)| *known == searched_day(day))
    };
    openings.len() == openers.len() && openings.iter().zip(openers).all(is_as_found)
}

/// Returns whether all venues begin with the same quotes.
pub(super) fn are_same(openings: &[Opening], others: &[Opening]) -> bool {
    let quotes = |of: &Opening| (of.venue.clone(), of.quote);
    openings.iter().map(quotes).eq(others.iter().map(quotes))
}

fn searched_day(day: &VenueDay) -> Searched {
    Searched { files: day.files.iter().map(partials::stamp).collect(), scale: day.scale }
}

/// Returns the last quote of a day's files before a time, without files that are damaged.
fn last_before(lake: &Path, day: &VenueDay, begin: i64) -> Option<LastQuote> {
    let mut caution = Caution::default();
    loop {
        match day.last_quote_before(lake, begin, &caution) {
            Ok(last) => return last,
            Err(error) => caution.heed(&error),
        }
    }
}

fn bits(quote: &LastQuote) -> [u64; 5] {
    let LastQuote { time_ns, bid, ask, bid_size, ask_size, .. } = quote;
    let sizes = [bid_size, ask_size].map(|size| size.unwrap_or(f64::NAN).to_bits());
    [time_ns.cast_unsigned(), bid.to_bits(), ask.to_bits(), sizes[0], sizes[1]]
}

fn leg(opening: &Opening) -> Option<Leg> {
    let [time, prices @ ..] = opening.quote?;
    let [bid, ask, bid_size, ask_size] = prices.map(f64::from_bits);
    Some(Leg { time: time.cast_signed(), bid, ask, sizes: [bid_size, ask_size] })
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
