//! One analysis, from the lake to ranked figures. Units of one instrument and day are computed on
//! all cores, or read from the partial results of an earlier night. They are added up by instrument
//! in the order of days, and ranked. The result is the same byte for byte with any number of
//! threads.

use crate::columns::{Column, columns};
use crate::completeness::{self, Trust};
use crate::figures::{Figures, Pair};
use crate::input::{Unit, find, midnight, venue};
use crate::kept::Kept;
use crate::kernel::partial::{PairPartial, Partial, Total};
use crate::met;
use crate::order::Order;
use crate::partials::{self, Key, Stored};
use crate::plan::{Plan, venue_named};
use crate::progress::Progress;
use crate::ranking;
use crate::recorded::{Recorded, has_runs};
use crate::report::{Problem, Report, Totals, Verdict};
use crate::torn::Torn;
use compute::{Computed, Computing, Day, are_as_found, are_same, bytes_of, openers, openings};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use spreadwire_lake::ledger::{Entry, Ledger};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

mod ahead;
mod compute;
mod digest;

/// Why there is no result at all.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The threads could not be started.
    #[error("cannot start {threads} threads")]
    Threads {
        /// Number of threads.
        threads: usize,
        /// The cause.
        #[source]
        source: rayon::ThreadPoolBuildError,
    },
}

/// Runs an analysis. `now_ns` is the time in ns since 1970.
///
/// # Errors
/// Returns [`RunError`]. Whatever is wrong with the lake is a problem in the report instead.
pub fn analyse(plan: &Plan, now_ns: i64, progress: &Progress) -> Result<Report, RunError> {
    let threads = plan.arguments.threads.unwrap_or(0);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|source| RunError::Threads { threads, source })?;
    let columns = columns(&plan.settings);
    let now = u64::try_from(now_ns).unwrap_or(0);
    let ledger = ledger(plan);
    let table = spreadwire_lake::completeness::table(&ledger.facts);
    let torn = if has_runs(&ledger.facts) { Torn::of(&table) } else { Torn::unknown() };
    let order = Order::of(plan, &columns);
    let work = Work::new(plan, &columns, progress, (torn, order));
    let days = period(plan, &work.days);
    let (recorded, figures) = pool.install(|| {
        let recorded = work.recorded(&ledger.facts, &days);
        let figures = work.figures(&recorded);
        (recorded, figures)
    });
    let mut report = ranking::report(plan, &columns, &recorded, (order, &work.kept), figures);
    report.version = env!("CARGO_PKG_VERSION").to_owned();
    let time = Timestamp::from_nanosecond(i128::from(now_ns)).unwrap_or_default();
    report.generated = time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    report.days = work.days.iter().map(ToString::to_string).collect();
    let trust = if plan.arguments.no_ledger { Trust::Acknowledged } else { Trust::Ledger };
    let told_of = if has_runs(&ledger.facts) { &days } else { &work.days };
    report.completeness = completeness::of_days(&ledger, trust, told_of, now);
    report.totals = Totals {
        instruments: work.instruments.len() as u64,
        pairs: report.pairs.len() as u64,
        rows: work.rows.load(Ordering::Relaxed),
        partials_reused: work.reused.load(Ordering::Relaxed),
        partials_computed: work.computed.load(Ordering::Relaxed),
        ..work.files()
    };
    report.data_digest = work.digest();
    let (promised, problem) = met::promised(&plan.lake, &plan.approvals, &table, &work.days);
    report.promised = promised;
    report.problems.extend(problem);
    report.problems.extend(work.strangers());
    report.problems.extend(work.unlisted());
    report.problems.extend(work.problems);
    report.problems.sort();
    report.problems.dedup();
    Ok(report)
}

/// Returns the ledger of the lake, of the runs of the chosen market; an empty one if the user said that
/// something else recorded the lake.
fn ledger(plan: &Plan) -> Ledger {
    if plan.arguments.no_ledger {
        return Ledger::default();
    }
    let mut ledger = Ledger::read(&plan.lake);
    if let Some(market) = &plan.selection.market {
        let is_chosen = |run: &str| market.runs.get(run) == Some(&market.provenance);
        ledger.facts.retain(|fact| fact.run.as_deref().is_none_or(is_chosen));
    }
    ledger
}

/// Returns every day from the first that is analysed to the last that was asked for, or is analysed:
/// a day without any file may be one on which nothing recorded.
fn period(plan: &Plan, days: &[Date]) -> Vec<Date> {
    let (Some(first), Some(last)) = (days.first(), days.last()) else { return Vec::new() };
    let last = plan.selection.to.unwrap_or(*last).max(*last);
    first.series(1.day()).take_while(|day| *day <= last).collect()
}

/// The work of one analysis.
struct Work<'a> {
    plan: &'a Plan,
    columns: &'a [Column],
    progress: &'a Progress,
    days: Vec<Date>,
    problems: Vec<Problem>,
    /// The units of each instrument, by name, including the day before the period: its last quotes
    /// are needed.
    instruments: BTreeMap<String, Vec<Unit>>,
    /// Number of units of the period.
    units: usize,
    torn: Torn,
    kept: Kept,
    rows: AtomicU64,
    reused: AtomicU64,
    computed: AtomicU64,
    /// Numbers of files that belong to no unit.
    not_read: u64,
    known: u64,
    /// Digest of each unit, by instrument and day.
    digests: Mutex<BTreeMap<(String, Date), String>>,
    /// Paths of files that were left out while reading.
    left_out: Mutex<BTreeSet<String>>,
}

impl<'a> Work<'a> {
    fn new(
        plan: &'a Plan,
        columns: &'a [Column],
        progress: &'a Progress,
        (torn, order): (Torn, Order),
    ) -> Work<'a> {
        let from = plan.selection.from;
        let before = from.and_then(|from| from.checked_sub(1.day()).ok());
        let mut selection = plan.selection.clone();
        selection.from = before.or(from);
        let found = find(&plan.lake, &selection);
        let mut instruments: BTreeMap<String, Vec<Unit>> = BTreeMap::new();
        for unit in found.units {
            instruments.entry(unit.instrument.clone()).or_default().push(unit);
        }
        let is_of_period = |date| plan.selection.begins_by(date);
        instruments.retain(|_, units| units.iter().any(|unit| is_of_period(unit.date)));
        let units = || instruments.values().flatten().filter(|unit| is_of_period(unit.date));
        progress.expect(units().map(bytes_of).sum());
        Work {
            plan,
            columns,
            progress,
            days: found.days.into_iter().filter(|day| is_of_period(*day)).collect(),
            units: units().count(),
            problems: found.problems,
            instruments,
            torn,
            kept: Kept::new(order, plan.arguments.top),
            rows: AtomicU64::new(0),
            reused: AtomicU64::new(0),
            computed: AtomicU64::new(0),
            not_read: found.not_read,
            known: found.known,
            digests: Mutex::default(),
            left_out: Mutex::default(),
        }
    }

    /// Returns the totals of files.
    fn files(&self) -> Totals {
        let units = self.instruments.values().flatten();
        let units = units.filter(|unit| self.plan.selection.begins_by(unit.date));
        let files = units.flat_map(|unit| &unit.venues).flat_map(|day| &day.files);
        let (of_a_day, divided): (Vec<_>, Vec<_>) = files.partition(|file| file.names_day);
        let divided: BTreeSet<&str> = divided.iter().map(|file| file.path.as_str()).collect();
        let left_out = self.left_out.lock().unwrap_or_else(PoisonError::into_inner).len() as u64;
        let files = (of_a_day.len() + divided.len()) as u64;
        Totals {
            files_read: files.saturating_sub(left_out),
            files_not_read: self.not_read + left_out,
            files_known: self.known,
            ..Totals::default()
        }
    }

    /// Returns the clock of every pair.
    fn recorded(&self, facts: &[Entry], days: &[Date]) -> Recorded {
        let (Some(first), Some(last)) = (days.first(), days.last()) else {
            return Recorded::default();
        };
        if has_runs(facts) {
            return Recorded::by_ledger(facts, *first, *last);
        }
        // The first quotes are on the first day that has any, and the last ones on the last.
        let ends = [self.days.first(), self.days.last()];
        let units: Vec<&Unit> = self
            .instruments
            .values()
            .flatten()
            .filter(|it| ends.contains(&Some(&it.date)))
            .collect();
        let spans = units.par_iter().flat_map_iter(|unit| &unit.venues);
        let spans = spans.filter_map(|day| day.span(&self.plan.lake));
        let span = spans.reduce_with(|one, two| (one.0.min(two.0), one.1.max(two.1)));
        Recorded::by_quotes(span, &self.days)
    }

    /// Returns the figures of every instrument's pairs and what was wrong, in the order of names.
    fn figures(&self, recorded: &Recorded) -> Vec<Figures> {
        let instruments: Vec<&Vec<Unit>> = self.instruments.values().collect();
        instruments.par_iter().map(|units| self.instrument(units, recorded)).collect()
    }

    /// Returns a problem for each venue's symbol of which the ledger has nothing, though there is one.
    fn unlisted(&self) -> Vec<Problem> {
        let days = self.instruments.values().flatten().flat_map(|unit| &unit.venues);
        let symbols = days.flat_map(|day| day.symbols.iter().map(move |symbol| (day, symbol)));
        let unlisted: BTreeSet<String> = symbols
            .filter(|(day, symbol)| !self.torn.knows(&day.venue, symbol))
            .map(|(day, symbol)| day.subject(symbol))
            .collect();
        let problem = |subject| Problem {
            subject,
            what:
                "the ledger has nothing of it, so that none of its time counts; bring such files \
                   in by lake import, or give --no-ledger"
                    .to_owned(),
            left_out: true,
        };
        unlisted.into_iter().map(problem).collect()
    }

    /// Returns a problem for each fee or latency that names a venue that was not analysed. Without
    /// it, a misspelt name would silently fall back to the general terms.
    fn strangers(&self) -> Vec<Problem> {
        let days = self.instruments.values().flatten().flat_map(|unit| &unit.venues);
        let known: BTreeSet<String> = days.map(|day| venue(&day.venue)).collect();
        let arguments = &self.plan.arguments;
        let given = [("--fees", &arguments.fees), ("--latency", &arguments.latency)];
        let given =
            given.into_iter().flat_map(|(option, all)| all.iter().map(move |of| (option, of)));
        let stranger = |(option, of): (&str, &String)| {
            let name = venue_named(of)?;
            let what = "names a venue that was not analysed".to_owned();
            let subject = format!("{option} {of}");
            (!known.contains(&name)).then_some(Problem { subject, what, left_out: false })
        };
        let mut told: Vec<Problem> = given.filter_map(stranger).collect();
        told.extend(self.strange_markets());
        told
    }

    /// Returns a problem if rates of funding or borrowing are of markets that were not analysed.
    fn strange_markets(&self) -> Option<Problem> {
        let of_unit = |unit: &'_ Unit| {
            let venues = unit.venues.iter().map(|day| venue(&day.venue));
            venues.map(|venue| (venue, unit.instrument.clone())).collect::<Vec<_>>()
        };
        let known: BTreeSet<_> = self.instruments.values().flatten().flat_map(of_unit).collect();
        let given = self.plan.carry.markets();
        let strange: Vec<_> = given.iter().filter(|market| !known.contains(**market)).collect();
        let (venue, instrument) = strange.first()?;
        let (strangers, all) = (strange.len(), given.len());
        let what = format!(
            "{strangers} of {all} markets were not analysed, such as {instrument} at {venue}"
        );
        Some(Problem { subject: "--funding, --borrow".to_owned(), what, left_out: false })
    }

    /// Returns the digest of the data in hexadecimal: the SHA-256 of the digests of all units of the
    /// period and of the quotes that they begin with, in the order of instruments and days.
    fn digest(&self) -> String {
        let digests = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sum = Sha256::new();
        for ((instrument, day), digest) in digests.iter() {
            sum.update(format!("{instrument} {day} {digest}\n"));
        }
        digest::hex(&sum.finalize())
    }

    fn instrument(&self, units: &[Unit], recorded: &Recorded) -> Figures {
        let first = units.iter().position(|unit| self.plan.selection.begins_by(unit.date));
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
        // A venue that has quotes only on the day before does not belong to the period.
        let of_period = |venue: &String| {
            units[first..].iter().flat_map(|unit| &unit.venues).any(|day| day.venue == *venue)
        };
        total.pairs.retain(|(one, two), _| of_period(one) && of_period(two));
        let name = units.first().map_or("", |unit| unit.instrument.as_str());
        for ((one, two), sums) in &mut total.pairs {
            let played = sums.timed.as_mut().map(|timed| &mut timed.played);
            played.into_iter().for_each(|of| self.plan.carry.book(name, [one, two], of));
        }
        let keep = |pair: &Pair, sums: &PairPartial| {
            let is_sure =
                pair.verdict() == Verdict::Recommended || ranking::is_approved(pair, self.plan);
            self.kept.offer(pair, sums, is_sure);
        };
        let settings = (&self.plan.settings, recorded);
        let mut figures = Pair::all(name, &total, settings, self.columns, keep);
        figures.problems.extend(problems);
        figures
    }

    /// Computes or loads the last of these units; the others are the days before it.
    fn day(&self, units: &[Unit], has_episodes: &AtomicBool) -> Day {
        let Some((unit, earlier)) = units.split_last() else { return Day::default() };
        let openers = openers(unit, earlier);
        let nearest = openers.values().filter_map(|days| days.first().copied());
        let torn = self.torn.of_unit(unit, nearest);
        let key = Key::new(&self.plan.settings, unit, torn.clone());
        let folder = self.plan.partials.as_deref();
        let path = folder.map(|folder| partials::path(folder, unit.date, &unit.symbol_folder));
        let stored = path.as_deref().and_then(|path| partials::load(path, &key));
        let is_as_found = |stored: &Stored| are_as_found(&stored.openings, &openers);
        let openings = match &stored {
            Some(stored) if is_as_found(stored) => stored.openings.clone(),
            Some(_) | None => openings(&self.plan.lake, unit, &openers),
        };
        if let Some(mut stored) = stored.filter(|of| are_same(&of.openings, &openings)) {
            self.reused.fetch_add(1, Ordering::Relaxed);
            self.progress.done(bytes_of(unit), 0);
            if stored.openings != openings {
                // Earlier files changed, but not what they end with: the next run need not look.
                stored.openings = openings;
                self.store(path.as_deref(), &mut stored);
            }
            return self.finished(unit, stored);
        }
        let computing = Computing {
            plan: self.plan,
            progress: self.progress,
            unit,
            is_crowded: rayon::current_num_threads() <= self.units,
            torn,
        };
        let compute = || computing.compute(&openings, has_episodes);
        let digest = || digest::of_files(&self.plan.lake, unit);
        // As below: whoever waits might take another unit.
        let (outcome, digest) =
            if computing.is_crowded { (compute(), digest()) } else { rayon::join(compute, digest) };
        let Computed { day: (partial, problems), files_left_out } = outcome;
        self.computed.fetch_add(1, Ordering::Relaxed);
        let mut stored = Stored { key, openings, partial, problems, files_left_out, digest };
        self.store(path.as_deref(), &mut stored);
        self.finished(unit, stored)
    }

    /// Counts a result and returns what the others need of it.
    fn finished(&self, unit: &Unit, stored: Stored) -> Day {
        let digest = digest::with_openings(&stored.digest, &stored.openings);
        let mut digests = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        digests.insert((unit.instrument.clone(), unit.date), digest);
        drop(digests);
        self.rows.fetch_add(rows_of(&stored.partial), Ordering::Relaxed);
        if !stored.files_left_out.is_empty() {
            let mut left_out = self.left_out.lock().unwrap_or_else(PoisonError::into_inner);
            left_out.extend(stored.files_left_out);
        }
        (stored.partial, stored.problems)
    }

    /// Stores a result; if it cannot be stored, that is one of its problems.
    fn store(&self, path: Option<&Path>, stored: &mut Stored) {
        if let Some(path) = path
            && let Err(error) = partials::store(path, stored)
        {
            stored.problems.push(Problem {
                subject: path.display().to_string(),
                what: format!("the partial result cannot be stored: {error}"),
                left_out: false,
            });
        }
    }
}

fn rows_of(partial: &Partial) -> u64 {
    partial.venues.iter().map(|venue| venue.sums.rows).sum()
}
