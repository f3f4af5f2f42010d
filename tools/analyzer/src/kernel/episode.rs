//! Episodes of one direction at one threshold, and what two orders sent at the beginning of each
//! would get.
//!
//! An episode lasts as long as both legs are live and the net spread is at or above the threshold.
//! Both orders are sent when it begins, and each meets the quote that stands when it arrives.

use crate::kernel::histogram::Histogram;
use serde::{Deserialize, Serialize};

/// Millionths per unit.
const MICRO: f64 = 1e6;

/// The sums over all episodes of one direction and threshold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Episodes {
    /// Number of episodes that have ended.
    pub count: u64,
    /// Total duration, in ns.
    pub lasted_ns: u64,
    /// Distribution of durations, in s.
    pub durations: Histogram,
    /// Distribution of the highest net spread of each episode, in bp.
    pub peaks: Histogram,
    /// Highest net spread of all episodes, in bp.
    pub peak_bps: Option<f64>,
    /// Available notional times ns, in thousandths of the quote currency, over the time in which
    /// sizes are known.
    size_ns: u128,
    sized_ns: u64,
    /// Order pairs that arrived while both legs were live.
    pub arrived: u64,
    /// Of these, the ones that met a net spread at the threshold or above.
    pub still_there: u64,
    /// Sum of the net spreads that they met, in millionths of a basis point.
    met: i128,
    /// Episodes that began, by hour since 1970.
    pub began: Vec<(i64, u64)>,
}

/// What two orders met when they arrived.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Met {
    /// Net spread between the two prices, as a fraction.
    pub net: f64,
    /// The threshold, as a fraction.
    pub threshold: f64,
}

impl Episodes {
    /// Counts an episode that has ended.
    pub fn ended(&mut self, lasted_ns: u64, peak_bps: f64) {
        self.count += 1;
        self.lasted_ns += lasted_ns;
        #[expect(clippy::cast_precision_loss, reason = "a bucket is wider")]
        self.durations.add(lasted_ns as f64 / 1e9, 1);
        self.peaks.add(peak_bps, 1);
        self.peak_bps = Some(self.peak_bps.map_or(peak_bps, |peak| peak.max(peak_bps)));
    }

    /// Counts an episode that began in this hour since 1970.
    pub fn began(&mut self, hour: i64) {
        self.count_hour(hour, 1);
    }

    fn count_hour(&mut self, hour: i64, episodes: u64) {
        match self.began.last_mut() {
            Some((last, count)) if *last == hour => *count += episodes,
            Some(_) | None => self.began.push((hour, episodes)),
        }
    }

    /// Adds `lasted_ns` during which `notional` (quote currency) was available at the two prices.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a size is positive, and saturates"
    )]
    pub fn available(&mut self, notional: f64, lasted_ns: u64) {
        self.size_ns += u128::from((notional * 1e3) as u64) * u128::from(lasted_ns);
        self.sized_ns += lasted_ns;
    }

    /// Books two orders that have arrived.
    #[expect(clippy::cast_possible_truncation, reason = "it saturates far from any real figure")]
    pub fn arrived(&mut self, met: Met) {
        self.arrived += 1;
        self.still_there += u64::from(met.threshold <= met.net);
        self.met += i128::from((met.net * 1e4 * MICRO).round() as i64);
    }

    /// Adds the episodes of a later unit.
    pub fn merge(&mut self, later: &Episodes) {
        self.count += later.count;
        self.lasted_ns += later.lasted_ns;
        self.durations.merge(&later.durations);
        self.peaks.merge(&later.peaks);
        self.peak_bps = match (self.peak_bps, later.peak_bps) {
            (Some(mine), Some(theirs)) => Some(mine.max(theirs)),
            (mine, theirs) => mine.or(theirs),
        };
        self.size_ns += later.size_ns;
        self.sized_ns += later.sized_ns;
        self.arrived += later.arrived;
        self.still_there += later.still_there;
        self.met += later.met;
        later.began.iter().for_each(|(hour, count)| self.count_hour(*hour, *count));
    }

    /// Returns the mean available notional over time, in the quote currency; `None` where sizes are
    /// unknown.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "the last rounding before a figure is shown")]
    pub fn mean_size(&self) -> Option<f64> {
        (0 < self.sized_ns).then(|| self.size_ns as f64 / 1e3 / self.sized_ns as f64)
    }

    /// Returns the mean net spread that orders met, in bp.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "the last rounding before a figure is shown")]
    pub fn mean_met_bps(&self) -> Option<f64> {
        (0 < self.arrived).then(|| self.met as f64 / MICRO / self.arrived as f64)
    }

    /// Returns the share of arrived order pairs whose spread was still at the threshold.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
    pub fn still_there_share(&self) -> Option<f64> {
        (0 < self.arrived).then(|| self.still_there as f64 / self.arrived as f64)
    }
}
