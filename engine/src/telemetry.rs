//! The telemetry agent: gathers latencies by stage and venue from every stopwatch once a second.
//!
//! It runs on a cold thread. It requests readings from all stopwatches at the same moment and takes
//! the answers as they arrive. They are added to the sums for the summary, shown on the [`Board`],
//! and written to the files of `files` if there is a folder for them. No other agent waits for it;
//! if it is late, its intervals become longer.

use crate::runtime::agent::{Agent, Report};
use crate::runtime::latency::Latency;
use crate::runtime::stopwatch::{DIGITS, Readings, Times};
use files::Files;
use hdrhistogram::Histogram;
use spreadwire_market::clock::{Nanos, SECOND};
use spreadwire_market::instrument::VenueId;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

mod files;
mod units;

/// Interval between two requests.
pub const INTERVAL: Nanos = SECOND;

/// Quantiles at which every latency is shown.
pub const QUANTILES: [(&str, f64); 4] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];

/// Latencies of one stage in the last interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Name of the stage.
    pub stage: &'static str,
    /// Number of samples of all venues.
    pub count: u64,
    /// Latencies of all venues at [`QUANTILES`], ns.
    pub quantiles: [Nanos; QUANTILES.len()],
    /// Maximum over all venues, ns.
    pub max: Nanos,
    /// Name and quantiles of each venue that had samples, ns.
    pub venues: Vec<(String, [Nanos; QUANTILES.len()])>,
}

/// Live latencies, shared with the cold threads that show them.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<Mutex<Vec<Row>>>);

impl Board {
    /// Returns the current rows in the order of the data flow.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, row: Row) {
        let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match rows.iter_mut().find(|known| known.stage == row.stage) {
            Some(known) => *known = row,
            None => rows.push(row),
        }
    }
}

/// Latencies of one venue in one stage.
#[derive(Debug)]
struct Cell {
    stage: &'static str,
    venue: VenueId,
    /// Latencies since the run began.
    sum: Latency,
    /// Latencies of the last interval.
    last: Latency,
}

/// The telemetry agent.
#[derive(Debug)]
pub struct Telemetry {
    readings: Vec<Readings>,
    store: Store,
    ask_at: Nanos,
}

/// Everything except the readings, so that `take` can borrow both.
#[derive(Debug)]
struct Store {
    /// Names of the venues, indexed by [`VenueId`].
    venues: Vec<String>,
    /// Cells in the order of the readings and, within each, of their venues.
    cells: Vec<Cell>,
    board: Board,
    files: Option<Files>,
    failures: Vec<String>,
}

impl Telemetry {
    /// Creates an agent that gathers these readings. `venues` has the venues' names by id. If a
    /// folder is given, files are written there and replace those of an earlier run. `now` is the
    /// begin of the run.
    ///
    /// # Errors
    /// If the folder or its interval log cannot be created.
    pub fn new(
        readings: Vec<Readings>,
        venues: Vec<String>,
        board: Board,
        folder: Option<&Path>,
        now: Nanos,
    ) -> std::io::Result<Telemetry> {
        let files = folder.map(|folder| Files::create(folder, now)).transpose()?;
        let mut cells: Vec<Cell> = Vec::new();
        for reading in &readings {
            for &venue in reading.venues() {
                let stage = reading.stage();
                if !cells.iter().any(|cell| cell.is(stage, venue)) {
                    let (sum, last) = (Latency::with_digits(DIGITS), Latency::with_digits(DIGITS));
                    cells.push(Cell { stage, venue, sum, last });
                }
            }
        }
        let store = Store { venues, cells, board, files, failures: Vec::new() };
        Ok(Telemetry { readings, store, ask_at: now.saturating_add(INTERVAL) })
    }

    fn take(&mut self) -> usize {
        let Telemetry { readings, store, .. } = self;
        let mut taken = 0;
        for reading in readings {
            let (stage, mut arrived) = (reading.stage(), 0);
            let venues = reading.venues().to_vec();
            arrived += reading.take(|times| store.take(stage, &venues, times));
            if 0 < arrived {
                store.show(stage);
            }
            taken += arrived;
        }
        taken
    }
}

impl Agent for Telemetry {
    fn role(&self) -> &'static str {
        "telemetry"
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        let taken = self.take();
        if now < self.ask_at {
            return taken;
        }
        // Counted from the current time, so that a host that slept does not send a burst of
        // requests.
        self.ask_at = now.max(self.ask_at.saturating_add(INTERVAL));
        taken + self.readings.iter_mut().filter_map(|r| r.ask().then_some(())).count()
    }

    fn is_finished(&self) -> bool {
        self.readings.iter().all(Readings::is_finished)
    }

    fn on_close(&mut self) {
        self.take();
        self.store.write_sums();
    }

    fn report(&mut self, report: &mut Report) {
        for cell in self.store.cells.iter().filter(|cell| 0 < cell.sum.count()) {
            report.latency(cell.stage, &cell.sum);
            let venue = self.store.name(cell.venue);
            report.latency_of_venue(cell.stage, venue, &cell.sum);
        }
        report.failures.append(&mut self.store.failures);
    }
}

impl Cell {
    fn is(&self, stage: &str, venue: VenueId) -> bool {
        self.stage == stage && self.venue == venue
    }
}

impl Store {
    fn name(&self, venue: VenueId) -> &str {
        name_of(&self.venues, venue)
    }

    /// Adds one set of readings.
    fn take(&mut self, stage: &'static str, venues: &[VenueId], times: &Times) {
        for (venue, histogram) in venues.iter().zip(&times.histograms) {
            if let Some(cell) = self.cells.iter_mut().find(|cell| cell.is(stage, *venue)) {
                cell.sum.merge_counts(histogram);
                cell.last = Latency::with_digits(DIGITS);
                cell.last.merge_counts(histogram);
            }
        }
        let Some(files) = &mut self.files else { return };
        let named = venues.iter().map(|venue| name_of(&self.venues, *venue));
        let with_samples: Vec<(&str, &Histogram<u32>)> =
            named.zip(&times.histograms).filter(|(_, histogram)| !histogram.is_empty()).collect();
        if let Err(error) = files.append(stage, times.since, times.until, &with_samples) {
            self.fail("cannot write the interval log", &error);
        }
    }

    /// Updates a stage's row on the board.
    fn show(&self, stage: &'static str) {
        let mut all = Latency::with_digits(DIGITS);
        let mut venues = Vec::new();
        let with_samples = |cell: &&Cell| cell.stage == stage && 0 < cell.last.count();
        for cell in self.cells.iter().filter(with_samples) {
            all.merge(&cell.last);
            venues.push((self.name(cell.venue).to_owned(), quantiles(&cell.last)));
        }
        let (count, quantiles, max) = (all.count(), quantiles(&all), all.max());
        self.board.set(Row { stage, count, quantiles, max, venues });
    }

    /// Writes the distributions of the whole run.
    fn write_sums(&mut self) {
        let Some(files) = &self.files else { return };
        let with_samples = self.cells.iter().filter(|cell| 0 < cell.sum.count());
        let sums: Vec<(&str, &str, &Latency)> =
            with_samples.map(|cell| (cell.stage, self.name(cell.venue), &cell.sum)).collect();
        if let Err(error) = files.write_sums(&sums) {
            self.fail("cannot write all latency distributions", &error);
        }
    }

    /// Records a failure. Files are not tried again, so each failure is reported once.
    fn fail(&mut self, what: &str, error: &std::io::Error) {
        self.failures.push(format!("{what}: {error}"));
        self.files = None;
    }
}

fn name_of(venues: &[String], venue: VenueId) -> &str {
    venues.get(venue.index()).map_or("unknown", String::as_str)
}

/// Returns the quantiles of a distribution that are shown.
#[must_use]
pub fn quantiles(latency: &Latency) -> [Nanos; QUANTILES.len()] {
    QUANTILES.map(|(_, quantile)| latency.quantile(quantile))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::stopwatch::{self, Stopwatch};
    use spreadwire_market::clock::{Clock, MICRO};

    const START: Nanos = 1_000 * SECOND;

    fn rig(folder: Option<&Path>) -> (Clock, [Stopwatch; 3], Telemetry, Board) {
        let (clock, board) = (Clock::manual(START), Board::default());
        let pair = |stage, venues: &[u8]| {
            let venues = venues.iter().map(|venue| VenueId(*venue)).collect();
            stopwatch::pair(stage, venues, clock.clone())
        };
        // Two feeds share a stage.
        let (feed_x, a) = pair("read_to_quote", &[0]);
        let (feed_y, b) = pair("read_to_quote", &[1]);
        let (calculator, c) = pair("read_to_spread", &[0, 1]);
        let names = vec!["x".to_owned(), "y".to_owned()];
        let telemetry = Telemetry::new(vec![a, b, c], names, board.clone(), folder, START).unwrap();
        (clock, [feed_x, feed_y, calculator], telemetry, board)
    }

    fn record(stopwatch: &mut Stopwatch, venue: u8, micros: Nanos) {
        stopwatch.record(VenueId(venue), START, START + micros * MICRO);
    }

    #[test]
    fn once_a_second_the_board_shows_the_last_interval_and_the_report_has_them_all() {
        let (clock, mut watches, mut telemetry, board) = rig(None);
        record(&mut watches[0], 0, 10);
        record(&mut watches[1], 1, 1_000);
        let now = START + SECOND;
        assert_eq!(telemetry.do_work(now - 1), 0);
        assert_eq!(telemetry.do_work(now), 3, "every stopwatch is asked");
        watches.iter_mut().for_each(|watch| watch.turn(now));
        assert_eq!(telemetry.do_work(now + 1), 3);
        let rows = board.rows();
        assert_eq!(rows.iter().map(|row| row.stage).collect::<Vec<_>>().len(), 2);
        assert_eq!((rows[0].count, rows[0].venues.len(), rows[1].count), (2, 2, 0));
        assert!(rows[0].max.abs_diff(MICRO * 1_000) < 10 * MICRO, "{rows:?}");
        assert!(rows[0].quantiles[0].abs_diff(10 * MICRO) < MICRO / 10, "{rows:?}");

        record(&mut watches[2], 1, 7);
        clock.set(now + 5);
        let mut rest = Report::default();
        watches.iter_mut().for_each(|watch| rest.stopwatch(watch));
        assert!(rest.latencies.is_empty(), "the telemetry has taken them");
        assert!(!telemetry.is_finished(), "there are readings to take");
        telemetry.do_work(now + 6);
        drop(watches);
        assert!(telemetry.is_finished());
        telemetry.on_close();
        assert_eq!((board.rows()[0].count, board.rows()[1].count), (0, 1));
        let mut report = Report::default();
        telemetry.report(&mut report);
        let counts: Vec<_> =
            report.latencies.iter().map(|(s, l)| (s.as_str(), l.count())).collect();
        assert_eq!(counts, [("read_to_quote", 2), ("read_to_spread", 1)]);
        let of_venues: Vec<_> =
            report.latencies_by_venue.iter().map(|(s, v, _)| format!("{s}.{v}")).collect();
        assert_eq!(of_venues, ["read_to_quote.x", "read_to_quote.y", "read_to_spread.y"]);
    }

    #[test]
    fn files_that_cannot_be_written_are_one_failure_and_the_figures_stay() {
        let folder = tempfile::tempdir().unwrap();
        let hist = folder.path().join("hist");
        let (_, mut watches, mut telemetry, _) = rig(Some(&hist));
        record(&mut watches[0], 0, 10);
        watches.iter_mut().for_each(|watch| assert!(watch.finish().is_none()));
        drop(watches);
        std::fs::remove_dir_all(&hist).unwrap();
        std::fs::write(&hist, "in the way").unwrap();
        telemetry.on_close();
        let mut report = Report::default();
        telemetry.report(&mut report);
        assert_eq!(report.latencies[0].1.count(), 1);
        assert_eq!(report.failures.len(), 1, "{:?}", report.failures);
        let again = Telemetry::new(Vec::new(), Vec::new(), Board::default(), Some(&hist), START);
        assert!(again.is_err(), "a folder that cannot be created is an error at the start");
    }
}
