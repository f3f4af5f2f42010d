//! The facts about one pair from which its cells are computed: its sums, and conclusions that
//! several columns share.

use crate::decided::Evidence;
use crate::judge::Judged;
use crate::kernel::Settings;
use crate::kernel::episode::Episodes;
use crate::kernel::lead_lag::LeadLagResult;
use crate::kernel::partial::{PairPartial, Total};
use crate::kernel::profile::{Bin, HOUR};
use crate::kernel::reversion::{Reversion, Verdict};
use crate::kernel::timed::Timed;
use crate::kernel::venue::VenueSums;
use crate::recorded::Recorded;
use crate::report::Decision;
use crate::soundness::{self, Finding, Identity};
use crate::statistics::adf::Adf;
use crate::statistics::level_shift::{LevelShift, level_shifts};
use crate::statistics::noise::Robust;

/// A shift of the level of the deviation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shift {
    /// When, in ns since 1970.
    pub time_ns: i64,
    /// By how much, and to which level, as fractions.
    pub of: LevelShift,
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
    /// What the deals of the strategies prove; `None` if the pair was never live.
    pub judged: Option<Judged>,
    decision: Option<Decision>,
    /// The clock of every pair.
    pub recorded: &'a Recorded,
    /// What the sums by lag say.
    pub lead_lag: Option<LeadLagResult>,
    /// The shifts of the level that matter, in time order; `None` if there is too little time to tell.
    pub shifts: Option<Vec<Shift>>,
    /// The test for a unit root.
    pub unit_root: Option<Adf>,
    /// The half-life without quote noise.
    pub robust: Option<Robust>,
    /// Its 95 % interval, in s.
    pub robust_interval: Option<(f64, f64)>,
    findings: Vec<Finding>,
}

impl<'a> Facts<'a> {
    /// Returns the facts about a pair; `None` if the total lacks one of its venues.
    #[must_use]
    pub fn new(
        instrument: &'a str,
        names: &'a (String, String),
        sums: &'a PairPartial,
        total: &'a Total,
        (settings, recorded): (&'a Settings, &'a Recorded),
    ) -> Option<Facts<'a>> {
        let venues = [total.venues.get(&names.0)?, total.venues.get(&names.1)?];
        let sampling_s = seconds(settings.sampling_ns);
        let live = sums.live();
        let reversion = live.map(|timed| &timed.reversion);
        let reversion = reversion.filter(|_| settings.metrics.reversion);
        let evidence = live.map(|timed| Evidence {
            names: [instrument, &names.0, &names.1],
            timed,
            recorded,
            settings,
        });
        let judged = evidence.map(|evidence| evidence.judged());
        let findings = soundness::Evidence {
            names: [&names.0, &names.1],
            venues,
            alike: sums.alike.as_ref(),
            freshest_ns: total.venues.values().map(|sums| sums.fresh_ns).max().unwrap_or(0),
            recorded: recorded.times(),
        }
        .findings();
        Some(Facts {
            instrument,
            one: &names.0,
            two: &names.1,
            sums,
            venues,
            settings,
            recorded,
            decision: evidence.zip(judged.as_ref()).map(|(of, judged)| of.decision(judged, &[])),
            judged,
            lead_lag: sums.lead_lag.as_ref().and_then(|sums| sums.result(&settings.lags)),
            shifts: live.and_then(shifts),
            unit_root: reversion.and_then(Reversion::adf),
            robust: reversion.and_then(|sums| sums.robust_half_life(sampling_s)),
            robust_interval: reversion.and_then(|sums| sums.robust_interval(sampling_s)),
            findings,
        })
    }

    /// Returns the sums over time, if the pair was ever live.
    #[must_use]
    pub fn timed(&self) -> Option<&Timed> {
        self.sums.live()
    }

    /// Returns what was decided about the pair alone. What depends on other pairs is not final.
    #[must_use]
    pub fn decision(&self) -> Option<&Decision> {
        self.decision.as_ref()
    }

    /// Returns why the feeds cannot be trusted, in words; empty if nothing speaks against them. That it is not
    /// known yet whether both are one asset does so only once there is enough evidence of anything else.
    #[must_use]
    pub fn unsound(&self) -> Vec<String> {
        let is_new = self.judged.as_ref().is_some_and(Judged::has_too_little);
        let is_unproven = |it: &Finding| matches!(it, Finding::Unproven { .. });
        let speaks = |it: &&Finding| it.refuses() && !(is_new && is_unproven(it));
        self.findings.iter().filter(speaks).map(ToString::to_string).collect()
    }

    /// Returns the sampling interval, in s.
    #[must_use]
    pub fn sampling_s(&self) -> f64 {
        seconds(self.settings.sampling_ns)
    }

    /// Returns whether both legs are the same asset, as far as prices tell.
    #[must_use]
    pub fn same_asset(&self) -> Option<&'static str> {
        self.timed()?;
        self.sums.alike.as_ref().map(|alike| Identity::of(alike).in_words())
    }

    /// Returns what was found about the feeds, reasons to refuse the pair first.
    #[must_use]
    pub fn soundness(&self) -> &[Finding] {
        &self.findings
    }

    /// Returns whether nothing that was found refuses the pair.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        !self.findings.iter().any(Finding::refuses)
    }

    /// Returns all findings in words; `None` if there are none.
    #[must_use]
    pub fn unsound_why(&self) -> Option<String> {
        let all: Vec<String> = self.findings.iter().map(ToString::to_string).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// Returns the last shift of the level.
    #[must_use]
    pub fn last_shift(&self) -> Option<&Shift> {
        self.shifts.as_ref()?.last()
    }

    /// Returns the verdict on the half-life if the pair is not a random walk. Whether it is one can
    /// only be told over all pairs.
    #[must_use]
    pub fn verdict_if_stationary(&self) -> Option<Verdict> {
        self.settings.metrics.reversion.then_some(())?;
        Some(self.timed()?.reversion.verdict_if_stationary(self.sampling_s()))
    }

    /// Returns the episodes of a direction at a threshold.
    #[must_use]
    pub fn episodes(&self, direction: usize, threshold: usize) -> Option<&Episodes> {
        self.timed()?.episodes[direction].get(threshold)
    }
}

/// Converts nanoseconds to seconds.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "times are shown with fewer digits")]
pub fn seconds(ns: i64) -> f64 {
    ns as f64 / 1e9
}

/// Returns the clear shifts of the level that are at least one standard deviation of all the time.
/// They are searched for by hour if that gives enough bins, and else by the bins of the profile.
fn shifts(timed: &Timed) -> Option<Vec<Shift>> {
    let sd = timed.deviation.deviation()?;
    let hours = timed.hours.bins.iter().map(|(hour, bin)| (hour * HOUR, HOUR, bin));
    let (first, width, found) = shifts_of(hours).or_else(|| shifts_of(timed.profile.bins()))?;
    let time = |at: usize| first + width * i64::try_from(at).unwrap_or(0);
    let found = found.into_iter().filter(|shift| sd <= shift.shift.abs());
    Some(found.map(|of| Shift { time_ns: time(of.at), of }).collect())
}

/// Returns the beginning of the first bin, the width of a bin, and the clear shifts.
fn shifts_of<'a>(
    bins: impl Iterator<Item = (i64, i64, &'a Bin)>,
) -> Option<(i64, i64, Vec<LevelShift>)> {
    let bins: Vec<(i64, i64, &Bin)> = bins.collect();
    let (first, width, _) = *bins.first()?;
    let place = |begin: i64| usize::try_from((begin - first) / width).unwrap_or(0);
    let mut means = vec![f64::NAN; place(bins.last()?.0) + 1];
    // A bin that was live for less than half of its time says little.
    let known = bins.iter().filter(|(_, width, bin)| width.unsigned_abs() <= 2 * bin.weight);
    known.for_each(|(begin, _, bin)| means[place(*begin)] = bin.mean());
    Some((first, width, level_shifts(&means)?))
}
