//! The details of one pair: its sums as the points of charts.

use crate::decided::Evidence;
use crate::facts::seconds;
use crate::figures::Pair;
use crate::kernel::Settings;
use crate::kernel::episode::Episodes as Sums;
use crate::kernel::histogram::Histogram;
use crate::kernel::lead_lag::Leader;
use crate::kernel::partial::PairPartial;
use crate::kernel::timed::Timed;
use crate::recorded::Recorded;
use crate::report::{
    Bar, DealRow, Detail, Episodes, HourBin, LagPoint, OrderRow, SignaturePoint, TimeBin,
};
use spreadwire_market::spread::BPS;

/// Number of bars of a distribution.
const BARS: usize = 60;
/// The quantiles between which a distribution is shown.
const SHOWN: (f64, f64) = (0.001, 0.999);

/// Returns the charts of a pair.
#[must_use]
pub fn of(pair: &Pair, sums: &PairPartial, settings: &Settings, recorded: &Recorded) -> Detail {
    let names = (pair.instrument.clone(), pair.one.clone(), pair.two.clone());
    let mut detail =
        Detail { instrument: names.0, exchange1: names.1, exchange2: names.2, ..Detail::default() };
    if let Some(timed) = sums.live() {
        let names = [pair.instrument.as_str(), &pair.one, &pair.two];
        let evidence = Evidence { names, timed, recorded, settings };
        let unsound = &pair.across.unsound;
        let judged = pair.across.judged.as_ref();
        detail.decision = judged.map(|of| evidence.pictured(of, unsound)).unwrap_or_default();
        (detail.deals, detail.orders) = ledger(pair, timed);
        detail.over_time = over_time(timed);
        detail.deviation = bars(&timed.deviations);
        detail.net_12 = bars(&timed.nets[0]);
        detail.net_21 = bars(&timed.nets[1]);
        detail.episodes = episodes(pair, timed, settings);
        detail.hours = hours(timed, recorded);
        if settings.metrics.reversion {
            detail.signature = signature(timed, settings);
        }
    }
    let lead_lag = sums.lead_lag.as_ref().and_then(|sums| sums.result(&settings.lags));
    if let Some(found) = lead_lag {
        let point = |(lag, correlation): &(i64, f64)| LagPoint {
            lag_ms: seconds(*lag) * 1e3,
            correlation: *correlation,
        };
        detail.lead_lag = found.correlations.iter().map(point).collect();
        detail.lead_lag_band = found.band;
        detail.leader = found.leader.map(|leader| match leader {
            Leader::Exchange1 => pair.one.clone(),
            Leader::Exchange2 => pair.two.clone(),
        });
        detail.leads_by_ms = found.leader.map(|_| seconds(found.peak_lag_ns.abs()) * 1e3);
    }
    detail
}

/// Returns what the chosen strategy did.
fn ledger(pair: &Pair, timed: &Timed) -> (Vec<DealRow>, Vec<OrderRow>) {
    let chosen = pair.across.judged.as_ref().and_then(|judged| judged.chosen);
    let Some(tried) = chosen.and_then(|chosen| timed.played.tried.get(chosen)) else {
        return (Vec::new(), Vec::new());
    };
    let venues = [pair.one.as_str(), &pair.two];
    let deals = tried.deals.iter().map(|deal| DealRow::of(deal, venues));
    let orders = tried.orders.iter().map(|order| OrderRow::of(order, venues));
    (deals.collect(), orders.collect())
}

fn over_time(timed: &Timed) -> Vec<TimeBin> {
    let bin = |(start_ns, width_ns, bin): (i64, i64, &crate::kernel::profile::Bin)| TimeBin {
        start_ns,
        width_ns,
        min_bps: bin.least * BPS,
        mean_bps: bin.mean() * BPS,
        max_bps: bin.greatest * BPS,
    };
    timed.profile.bins().map(bin).collect()
}

fn bars(of: &Histogram) -> Vec<Bar> {
    let (Some(low), Some(high)) = (of.quantile(SHOWN.0), of.quantile(SHOWN.1)) else {
        return Vec::new();
    };
    let margin = ((high - low) * 0.02).max(0.05);
    let bar = |(low_bps, high_bps, share)| Bar { low_bps, high_bps, share };
    of.bars(low - margin, high + margin, BARS).into_iter().map(bar).collect()
}

fn episodes(pair: &Pair, timed: &Timed, settings: &Settings) -> Vec<Episodes> {
    let names = [(&pair.one, &pair.two), (&pair.two, &pair.one)];
    let mut all = Vec::new();
    for (direction, (buy, sell)) in names.into_iter().enumerate() {
        for (sums, threshold) in timed.episodes[direction].iter().zip(&settings.thresholds_bps) {
            all.push(Episodes {
                buy: buy.clone(),
                sell: sell.clone(),
                threshold_bps: *threshold,
                count: sums.count,
                durations: durations(sums),
                peak_bps: sums.peak_bps,
                still_there: sums.still_there_share(),
            });
        }
    }
    all
}

/// Counts durations in three steps per decade: 10 ms, 20 ms, 50 ms, ...
fn durations(sums: &Sums) -> Vec<(f64, u64)> {
    let mut bounds: Vec<f64> = Vec::new();
    for decade in [0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1_000.0] {
        bounds.extend([decade, decade * 2.0, decade * 5.0]);
    }
    bounds.push(f64::INFINITY);
    let mut counts: Vec<(f64, u64)> = bounds.into_iter().map(|bound| (bound, 0)).collect();
    for (low, high, count) in sums.durations.buckets() {
        let middle = f64::midpoint(low, high);
        if let Some(place) = counts.iter_mut().find(|(bound, _)| middle <= *bound) {
            place.1 += count;
        }
    }
    let first = counts.iter().position(|(_, count)| 0 < *count);
    let last = counts.iter().rposition(|(_, count)| 0 < *count);
    let (Some(first), Some(last)) = (first, last) else { return Vec::new() };
    let mut shown = counts[first..=last].to_vec();
    // JSON has no infinity.
    shown.iter_mut().filter(|(bound, _)| bound.is_infinite()).for_each(|at| at.0 = 86_400.0);
    shown
}

/// Returns the figures by hour of the day. The episodes are those of both directions at the lowest
/// threshold.
#[expect(clippy::cast_precision_loss, reason = "a picture")]
fn hours(timed: &Timed, recorded: &Recorded) -> Vec<HourBin> {
    let of_hour = |hour: u8| {
        let is_this = |since: &i64| since.rem_euclid(24) == i64::from(hour);
        let (mut live_s, mut sum) = (0.0, 0.0);
        for (_, bin) in timed.hours.bins.iter().filter(|(since, _)| is_this(since)) {
            live_s += bin.weight as f64 / 1e9;
            sum += bin.weight as f64 / 1e9 * bin.mean() * BPS;
        }
        let lowest = timed.episodes.iter().filter_map(|of| of.first());
        let began = lowest.flat_map(|of| &of.began).filter(|(since, _)| is_this(since));
        let mean_bps = if 0.0 < live_s { sum / live_s } else { 0.0 };
        let recorded_s = recorded.within(|since| is_this(&since)) as f64 / 1e9;
        let episodes = began.map(|(_, count)| count).sum();
        HourBin { hour, recorded_s, live_s, mean_bps, episodes }
    };
    (0..24_u8).map(of_hour).collect()
}

fn signature(timed: &Timed, settings: &Settings) -> Vec<SignaturePoint> {
    let points = timed.reversion.signature(seconds(settings.sampling_ns));
    let point =
        |(interval_s, found): (f64, Option<crate::statistics::ou::HalfLife>)| SignaturePoint {
            interval_s,
            half_life_s: found.map(|found| found.half_life_s),
            low_s: found.map(|found| found.low_s),
            high_s: found.and_then(|found| found.high_s),
        };
    points.into_iter().map(point).collect()
}
