//! The strategies of a pair over its slots: choosing one by its past, and walking forward.

use super::axis::{Axis, HOUR};
use super::bound;
use super::event::Event;
use super::path::{Path, Sums};
use super::spa;
use super::student;
use std::ops::Range;

/// Least number of blocks that a part is divided into, unless positions are held for longer.
const BLOCKS: usize = 8;

/// All strategies of a pair.
#[derive(Debug)]
pub(super) struct Grid<'a> {
    pub(super) axis: &'a Axis<'a>,
    pub(super) paths: Vec<Path>,
    /// The confidence of lower bounds is one minus this.
    pub(super) level: f64,
}

/// What followed from choosing by the past, period by period.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// The slots of all periods that were traded.
    pub(super) slots: Range<usize>,
    /// For each of these slots, what was earned.
    pub(super) profits: Vec<f64>,
    /// The events, with their places in `profits`.
    pub(super) events: Vec<(usize, Event)>,
    /// Each period with the strategy that was chosen and its profit.
    pub(super) periods: Vec<(Range<usize>, Option<usize>, f64)>,
    /// For how long positions were held, in ns.
    pub(super) held: i64,
    /// Sums over all.
    pub(super) sums: Sums,
}

impl Grid<'_> {
    /// Returns the number of slots of a block: the cube root of the hours, at most an eighth of
    /// the slots, and at least twice as long as positions are held.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts of slots")]
    pub(super) fn block(&self, held: i64, slots: usize) -> usize {
        let of_hour = self.axis.of_hour() as f64;
        let hours = libm::cbrt(slots as f64 / of_hour);
        let usual = ((hours * of_hour) as usize).min(slots / BLOCKS);
        let twice = (2.0 * held as f64 / HOUR as f64 * of_hour).ceil() as usize;
        usual.max(twice).max(1)
    }

    /// Returns the strategy with the highest lower bound in these slots, among those that earned
    /// something in at least so many events.
    pub(super) fn choose(&self, slots: &Range<usize>, least_events: u32) -> Option<usize> {
        let low = |path: &Path| {
            let sums = path.sums(slots);
            if sums.events < least_events || sums.profit <= 0.0 {
                return None;
            }
            let block = self.block(path.held, slots.len());
            let error = bound::error(&path.profits(slots), block)?;
            let walk = sums.against_random_walk().unwrap_or(f64::INFINITY).max(f64::MIN_POSITIVE);
            let error = error.max(sums.profit / walk);
            Some(sums.profit - student::normal_critical(self.level) * error)
        };
        let lows =
            self.paths.iter().enumerate().filter_map(|(place, path)| Some((place, low(path)?)));
        // Of equals, the first one counts.
        lows.reduce(|best, next| if best.1 < next.1 { next } else { best }).map(|(place, _)| place)
    }

    /// Returns the strategies that had at least so many events in these slots, for the test of the
    /// best of them.
    pub(super) fn contenders(&self, slots: &Range<usize>, least: u32) -> Vec<spa::Strategy> {
        let of = |path: &Path| {
            let sums = path.sums(slots);
            (least <= sums.events).then(|| spa::Strategy {
                profits: path.profits(slots),
                most: sums.against_random_walk().unwrap_or(f64::INFINITY),
            })
        };
        self.paths.iter().filter_map(of).collect()
    }

    /// Chooses a strategy before every period but the first by all that was before, and adds up
    /// what it earned in the period.
    pub(super) fn walk(&self, periods: &[Range<usize>], least_events: u32) -> Walked {
        let (Some(first), Some(last)) = (periods.first(), periods.last()) else {
            return Walked::default();
        };
        let begin = first.end;
        let mut walked = Walked { slots: begin..last.end, ..Walked::default() };
        for period in &periods[1..] {
            let chosen = self.choose(&(0..period.start), least_events);
            let path = chosen.and_then(|chosen| self.paths.get(chosen));
            let profit = path.map_or(0.0, |path| walked.trade(path, period));
            if path.is_none() {
                walked.profits.extend(period.clone().map(|_| 0.0));
            }
            walked.periods.push((period.clone(), chosen, profit));
        }
        walked
    }

    /// Returns the profit of the strategy that would have been the best in these slots.
    pub(super) fn best_in_hindsight(&self, slots: &Range<usize>) -> f64 {
        self.paths.iter().map(|path| path.sums(slots).profit).fold(0.0, f64::max)
    }
}

impl Walked {
    fn trade(&mut self, path: &Path, period: &Range<usize>) -> f64 {
        self.profits.extend(path.profits(period));
        let within = path.events.iter().filter(|(slot, _)| period.contains(slot));
        self.events.extend(within.map(|(slot, event)| (slot - self.slots.start, *event)));
        self.held = self.held.max(path.held);
        let sums = path.sums(period);
        self.sums = self.sums + sums;
        sums.profit
    }
}
