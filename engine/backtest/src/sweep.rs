//! A grid of configurations over the same records, on all cores.
//!
//! Each block of records is taken by every configuration before the next block is looked at, so that a
//! recording of any length is read once and only one block of it is in memory. The configurations share
//! nothing, so the number of threads does not change an outcome.

use crate::grid::Point;
use crate::periods::Periods;
use crate::run::{Outcome, Run};
use crate::setup::Setup;
use crate::stream::Instruments;
use rayon::prelude::*;
use spreadwire_market::record::Record;

/// What one configuration came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Swept {
    /// Its place in the grid.
    pub point: Point,
    /// The whole time.
    pub whole: Outcome,
    /// Each period on its own, begun with the setup's funds; empty if there is one period.
    pub parts: Vec<Outcome>,
}

/// A sweep that is not over.
#[derive(Debug)]
pub struct Sweep {
    lanes: Vec<Lane>,
    periods: Periods,
    period: usize,
    instruments: Instruments,
    /// Records of the setup's instruments, where others are among a block.
    kept: Vec<Record>,
}

/// The runs of one configuration.
#[derive(Debug)]
struct Lane {
    point: Point,
    setup: Setup,
    whole: Option<Run>,
    part: Option<Run>,
    parts: Vec<Outcome>,
}

impl Sweep {
    /// Begins a sweep of these points.
    ///
    /// # Panics
    /// If the thresholds or the settings are not of the catalogue.
    #[must_use]
    pub fn new(setup: &Setup, points: &[Point], periods: Periods) -> Sweep {
        let lane = |point: &Point| {
            let setup = point.apply(setup);
            Lane { point: *point, setup, whole: None, part: None, parts: Vec::new() }
        };
        let instruments = Instruments::new(setup.thresholds.enabled.clone());
        let lanes = points.iter().map(lane).collect();
        Sweep { lanes, periods, period: 0, instruments, kept: Vec::new() }
    }

    /// Processes the next records, on all cores. Those of instruments that are not enabled are left out.
    pub fn feed(&mut self, records: &[Record]) {
        if self.instruments.are_all() {
            return self.take(records);
        }
        let mut kept = std::mem::take(&mut self.kept);
        kept.extend(records.iter().filter(|record| self.instruments.has(record)));
        self.take(&kept);
        kept.clear();
        self.kept = kept;
    }

    fn take(&mut self, mut records: &[Record]) {
        while let Some(first) = records.first() {
            while self.periods.end_of(self.period).is_some_and(|end| end <= first.ts_recv()) {
                self.lanes.par_iter_mut().for_each(Lane::end_part);
                self.period += 1;
            }
            let (now, later) = records.split_at(self.count_of_period(records));
            let has_parts = 1 < self.periods.count();
            self.lanes.par_iter_mut().for_each(|lane| lane.feed(now, has_parts));
            records = later;
        }
    }

    /// Returns how many of the next records belong to the period.
    fn count_of_period(&self, records: &[Record]) -> usize {
        let Some(end) = self.periods.end_of(self.period) else { return records.len() };
        records.iter().position(|record| end <= record.ts_recv()).unwrap_or(records.len())
    }

    /// Ends the sweep. The results are in the order of the points. Periods without records are among the
    /// parts, with nothing in them.
    #[must_use]
    pub fn finish(mut self) -> Vec<Swept> {
        if 1 < self.periods.count() {
            for _ in self.period..self.periods.count() {
                self.lanes.par_iter_mut().for_each(Lane::end_part);
            }
        }
        self.lanes.into_par_iter().map(Lane::finish).collect()
    }
}

impl Lane {
    fn feed(&mut self, records: &[Record], has_parts: bool) {
        let begin = records.first().map_or(0, Record::ts_recv);
        let setup = &self.setup;
        self.whole.get_or_insert_with(|| Run::new(setup, begin)).feed(records);
        if has_parts {
            self.part.get_or_insert_with(|| Run::new(setup, begin)).feed(records);
        }
    }

    fn end_part(&mut self) {
        self.parts.push(self.part.take().unwrap_or_else(|| Run::new(&self.setup, 0)).finish());
    }

    fn finish(self) -> Swept {
        let whole = self.whole.unwrap_or_else(|| Run::new(&self.setup, 0)).finish();
        Swept { point: self.point, whole, parts: self.parts }
    }
}
