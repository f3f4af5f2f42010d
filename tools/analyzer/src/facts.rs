//! The facts about one pair from which its cells are computed: its sums, and conclusions that
//! several columns share.

use crate::kernel::Settings;
use crate::kernel::episode::Episodes;
use crate::kernel::lead_lag::LeadLagResult;
use crate::kernel::partial::{PairPartial, Total};
use crate::kernel::reversion::Verdict;
use crate::kernel::timed::Timed;
use crate::kernel::venue::VenueSums;
use crate::statistics::level_shift::{LevelShift, level_shift};

/// One day, in ns.
pub const DAY: f64 = 86_400e9;
/// A pair whose mids differ on average by more than this fraction is not one asset, or not of one
/// contract size.
const APART: f64 = 0.05;
/// Number of minutes that a correlation of changes needs.
const MINUTES: u64 = 60;
/// Legs whose minute changes correlate by less than this are doubtful.
const TOGETHER: f64 = 0.3;
/// A shift of the level counts if its statistic is at least this; hours are not independent.
const SHIFT: f64 = 6.0;

/// The best direction and threshold of a pair.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Best {
    /// 0 means buying on the first venue, 1 on the second.
    pub direction: usize,
    /// Index of the threshold.
    pub threshold: usize,
    /// Expected capture, in quote currency per day.
    pub capture: f64,
}

/// The facts about one pair from which its cells are computed.
#[derive(Debug)]
pub struct Facts<'a> {
    /// Canonical name of the instrument.
    pub instrument: &'a str,
    /// The venue whose name comes first.
    pub one: &'a str,
    /// The other venue.
    pub two: &'a str,
    /// The sums of the pair.
    pub sums: &'a PairPartial,
    /// The sums of each venue.
    pub venues: [&'a VenueSums; 2],
    /// What to compute.
    pub settings: &'a Settings,
    /// Direction and threshold with the greatest capture; `None` if no order would have arrived.
    pub best: Option<Best>,
    /// What the sums by lag say.
    pub lead_lag: Option<LeadLagResult>,
    /// Largest shift of the hourly means.
    pub shift: Option<LevelShift>,
}

impl<'a> Facts<'a> {
    /// Returns the facts about a pair; `None` if the total lacks one of its venues.
    #[must_use]
    pub fn new(
        instrument: &'a str,
        names: &'a (String, String),
        sums: &'a PairPartial,
        total: &'a Total,
        settings: &'a Settings,
    ) -> Option<Facts<'a>> {
        let venues = [total.venues.get(&names.0)?, total.venues.get(&names.1)?];
        Some(Facts {
            instrument,
            one: &names.0,
            two: &names.1,
            sums,
            venues,
            settings,
            best: sums.timed.as_ref().and_then(best),
            lead_lag: sums.lead_lag.as_ref().and_then(|sums| sums.result(&settings.lags)),
            shift: sums.timed.as_ref().and_then(shift),
        })
    }

    /// Returns the sums over time, if the pair was ever live.
    #[must_use]
    pub fn timed(&self) -> Option<&Timed> {
        self.sums.timed.as_ref().filter(|timed| 0 < timed.deviation.weight)
    }

    /// Returns the sampling interval, in s.
    #[must_use]
    pub fn sampling_s(&self) -> f64 {
        seconds(self.settings.sampling_ns)
    }

    /// Returns whether the level moved for good.
    #[must_use]
    pub fn has_shifted(&self) -> Option<bool> {
        let sd = self.timed()?.deviation.deviation()?;
        self.shift.map(|shift| SHIFT <= shift.statistic && sd <= shift.shift.abs())
    }

    /// Returns whether both legs are the same asset, as far as prices tell.
    #[must_use]
    pub fn same_asset(&self) -> Option<&'static str> {
        let timed = self.timed()?;
        let mean = timed.deviation.mean()?;
        if APART < mean.abs() {
            let power = libm::log10(1.0 + mean);
            let scaled = 0.5 < power.abs() && (power - power.round()).abs() < 0.05;
            return Some(if scaled { "other contract size" } else { "no: prices are apart" });
        }
        let together = timed.together;
        match together.correlation() {
            Some(correlation) if MINUTES <= together.count && correlation < TOGETHER => {
                Some("doubtful: does not move together")
            }
            Some(_) | None => Some("yes"),
        }
    }

    /// Returns whether the half-life is that of a reversion.
    #[must_use]
    pub fn verdict(&self) -> Option<&'static str> {
        self.settings.metrics.reversion.then_some(())?;
        Some(match self.timed()?.reversion.verdict(self.sampling_s()) {
            Verdict::NoReversion => "none",
            Verdict::QuoteNoise => "quote noise",
            Verdict::Reversion => "reversion",
        })
    }

    /// Returns the episodes of a direction at a threshold.
    #[must_use]
    pub fn episodes(&self, direction: usize, threshold: usize) -> Option<&Episodes> {
        self.timed()?.episodes[direction].get(threshold)
    }

    /// Returns what those episodes captured, in quote currency per day of recording.
    #[must_use]
    pub fn capture(&self, direction: usize, threshold: usize) -> Option<f64> {
        let captured = self.episodes(direction, threshold)?.captured(|_| true);
        Some(captured / days(self.timed()?))
    }
}

#[expect(clippy::cast_precision_loss, reason = "times are shown with fewer digits")]
fn days(timed: &Timed) -> f64 {
    (timed.span_ns.max(1)) as f64 / DAY
}

/// Converts nanoseconds to seconds.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "times are shown with fewer digits")]
pub fn seconds(ns: i64) -> f64 {
    ns as f64 / 1e9
}

fn best(timed: &Timed) -> Option<Best> {
    let mut best: Option<Best> = None;
    for direction in 0..2 {
        for (threshold, episodes) in timed.episodes[direction].iter().enumerate() {
            let capture = episodes.captured(|_| true) / days(timed);
            if 0 < episodes.arrived && best.is_none_or(|best| best.capture < capture) {
                best = Some(Best { direction, threshold, capture });
            }
        }
    }
    best
}

fn shift(timed: &Timed) -> Option<LevelShift> {
    let bins = timed.hours.bins.iter().map(|(_, bin)| {
        #[expect(clippy::cast_precision_loss, reason = "times are shown with fewer digits")]
        let weight = bin.weight as f64 / 1e9;
        (weight, bin.mean())
    });
    level_shift(&bins.collect::<Vec<_>>())
}
