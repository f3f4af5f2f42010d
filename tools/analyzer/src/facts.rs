//! What the cells of one pair are drawn from: its sums, and what several columns conclude from them.

use crate::kernel::Settings;
use crate::kernel::episode::Episodes;
use crate::kernel::lead_lag::LeadLagResult;
use crate::kernel::partial::{PairPartial, Total};
use crate::kernel::reversion::Verdict;
use crate::kernel::timed::Timed;
use crate::kernel::venue::VenueSums;
use crate::statistics::level_shift::{LevelShift, level_shift};

/// A day, ns.
pub const DAY: f64 = 86_400e9;
/// Mids further apart than this in the mean are no one asset, or not of one size, fraction.
const APART: f64 = 0.05;
/// Minutes that a correlation of changes needs to say something.
const MINUTES: u64 = 60;
/// Changes over a minute that go together less than this are doubtful.
const TOGETHER: f64 = 0.3;
/// A shift of the level counts from this size of its statistic on; hours are not independent.
const SHIFT: f64 = 6.0;

/// The best direction and threshold of a pair.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Best {
    /// 0: buy on the first venue.
    pub direction: usize,
    /// Place among the thresholds.
    pub threshold: usize,
    /// Quote currency per day.
    pub capture: f64,
}

/// What the cells of one pair are drawn from.
#[derive(Debug)]
pub struct Facts<'a> {
    /// As [`Pair`].
    pub instrument: &'a str,
    /// As [`Pair`].
    pub one: &'a str,
    /// As [`Pair`].
    pub two: &'a str,
    /// The sums.
    pub sums: &'a PairPartial,
    /// The venues' own.
    pub venues: [&'a VenueSums; 2],
    /// What was asked for.
    pub settings: &'a Settings,
    /// Where the gap pays best; `None` if no order would have arrived.
    pub best: Option<Best>,
    /// By lag.
    pub lead_lag: Option<LeadLagResult>,
    /// Of the hourly means.
    pub shift: Option<LevelShift>,
}

impl<'a> Facts<'a> {
    /// The facts of a pair; `None` if the total lacks one of its venues.
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

    /// The figures by time, if the pair was live at all.
    #[must_use]
    pub fn timed(&self) -> Option<&Timed> {
        self.sums.timed.as_ref().filter(|timed| 0 < timed.deviation.weight)
    }

    /// Distance of samples, s.
    #[must_use]
    pub fn sampling_s(&self) -> f64 {
        seconds(self.settings.sampling_ns)
    }

    /// Whether the level moved for good.
    #[must_use]
    pub fn has_shifted(&self) -> Option<bool> {
        let sd = self.timed()?.deviation.deviation()?;
        self.shift.map(|shift| SHIFT <= shift.statistic && sd <= shift.shift.abs())
    }

    /// Whether both legs are the same thing, as far as prices tell.
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

    /// Whether the half-life is one.
    #[must_use]
    pub fn verdict(&self) -> Option<&'static str> {
        self.settings.metrics.reversion.then_some(())?;
        Some(match self.timed()?.reversion.verdict(self.sampling_s()) {
            Verdict::NoReversion => "none",
            Verdict::QuoteNoise => "quote noise",
            Verdict::Reversion => "reversion",
        })
    }

    /// The episodes of a direction at a threshold.
    #[must_use]
    pub fn episodes(&self, direction: usize, threshold: usize) -> Option<&Episodes> {
        self.timed()?.episodes[direction].get(threshold)
    }

    /// What those captured, quote currency per day of recording.
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

/// Nanoseconds in seconds.
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
