//! From what was played to what is decided about one pair, and the figures of money.

use crate::judge::{self, Judged, Refusal, Rules};
use crate::kernel::play::ledger::{Deal, End, Totals, Tried};
use crate::kernel::profile::HOUR;
use crate::kernel::timed::Timed;
use crate::kernel::times::{joined, length};
use crate::kernel::{Settings, VenueTerms};
use crate::recorded::Recorded;
use crate::report::{self, DayProfit, Decision, Period, Reason, Trade, Verdict};
use jiff::Timestamp;
use spreadwire_market::spread::BPS;
use std::collections::BTreeSet;

/// With more points than this, a curve is thinned out.
const POINTS: usize = 240;
/// Pieces of a curve that is thinned out, of four points each.
const PIECES: usize = POINTS / 4;
/// Changes of the taker fee whose profit is shown, in bp.
const TIERS: [f64; 6] = [-5.0, -2.0, -1.0, 1.0, 2.0, 5.0];

/// What is needed to decide about one pair.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// Instrument and the two venues, which name the pair.
    pub names: [&'a str; 3],
    /// The pair over time.
    pub timed: &'a Timed,
    /// The clock of every pair.
    pub recorded: &'a Recorded,
    /// What was computed.
    pub settings: &'a Settings,
}

impl Evidence<'_> {
    /// Judges the pair alone.
    #[must_use]
    pub fn judged(&self) -> Judged {
        let tried = &self.timed.played.tried;
        let deals: Vec<Vec<judge::Deal>> =
            tried.iter().map(|tried| in_order(&tried.deals)).collect();
        #[expect(clippy::cast_precision_loss, reason = "a time within an hour")]
        let live: Vec<(i64, f64)> = self
            .timed
            .hours
            .bins
            .iter()
            .map(|(hour, bin)| (*hour, bin.weight as f64 / 1e9))
            .collect();
        let tried = judge::Tried {
            strategies: deals.iter().map(Vec::as_slice).collect(),
            live: &live,
            recorded: &self.recorded_hours(),
        };
        judge::judge(&self.names.join(" "), &tried, &Rules::default())
    }

    /// Returns the decision in the form that every output shares. `unsound` has what is wrong with the
    /// feeds.
    #[must_use]
    pub fn decision(&self, judged: &Judged, unsound: &[String]) -> Decision {
        let strategy = judged.chosen.and_then(|chosen| self.timed.played.tried.get(chosen));
        let forward = judged.forward.as_ref();
        let per_day = forward.and_then(|forward| forward.per_day);
        let next_day = forward.and_then(|forward| forward.next_day);
        let held_out = judged.held_out.as_ref();
        let verdict = verdict(judged, unsound);
        Decision {
            verdict,
            reasons: reasons(judged, unsound),
            why: why(judged, unsound, strategy.map_or(0, |tried| tried.counts.halts)),
            strategy: strategy.map(|tried| self.played(tried)),
            per_day: per_day.map(|of| of.mean),
            per_day_low: per_day.map(|of| of.low),
            per_day_high: per_day.map(|of| of.high),
            next_day_low: next_day.map(|of| of.low),
            next_day_high: next_day.map(|of| of.high),
            events: judged.events,
            live_hours: judged.live_hours,
            recorded_hours: judged.recorded_hours,
            tried: judged.strategies,
            q: judged.q,
            held_out_per_day: held_out.map(|of| of.per_day),
            held_out_low: held_out.and_then(|of| of.low),
            held_out_events: held_out.map(|of| of.events),
            forward: forward.map(|of| of.periods.iter().map(period).collect()).unwrap_or_default(),
            best_in_hindsight: forward.map(|of| of.best_in_hindsight),
        }
    }

    /// Returns the recorded hours since 1970, with the recorded time in s.
    #[expect(clippy::cast_precision_loss, reason = "a time within an hour")]
    fn recorded_hours(&self) -> Vec<(i64, f64)> {
        let hours = self.recorded.hours().iter();
        hours.map(|(hour, recorded)| (*hour, *recorded as f64 / 1e9)).collect()
    }

    fn per_day(&self, amount: f64) -> f64 {
        self.recorded.per_day(amount)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
    fn played(&self, tried: &Tried) -> report::Played {
        let Tried { strategy, deals, counts, .. } = tried;
        let sum = |of: fn(&Deal) -> f64| deals.iter().map(of).sum::<f64>();
        let (profit, fees, volume) = (sum(|of| of.profit), sum(|of| of.fees), sum(|of| of.volume));
        let of_first = deals.iter().filter(|deal| deal.direction == 0).count();
        let is_first = strategy.direction.map_or(deals.len() <= 2 * of_first, |only| only == 0);
        let [_, one, two] = self.names;
        let (buy, sell) = if is_first { (one, two) } else { (two, one) };
        let share = |part: u64, of: u64| (0 < of).then(|| part as f64 / of as f64);
        let count =
            |is_it: fn(&Deal) -> bool| deals.iter().filter(|deal| is_it(deal)).count() as u64;
        let ended = in_order_of_end(deals);
        let earning = self.earning(tried);
        let trade = Trade {
            model: strategy.model.name().to_owned(),
            buy: buy.to_owned(),
            sell: sell.to_owned(),
            both_ways: strategy.direction.is_none() && 0 < of_first && of_first < deals.len(),
            entry_bps: strategy.entry_bps,
            entry_bps_min: earning.iter().copied().fold(strategy.entry_bps, f64::min),
            entry_bps_max: earning.iter().copied().fold(strategy.entry_bps, f64::max),
            exit_bps: strategy.exit_bps,
            first_share: share(of_first as u64, deals.len() as u64).unwrap_or(0.0),
            size_quote: self.settings.size,
        };
        report::Played {
            trade,
            deals: deals.len() as u64,
            profit,
            fees,
            volume,
            won_share: share(count(|deal| 0.0 < deal.profit), deals.len() as u64),
            still_there_share: share(counts.still_there, counts.decided),
            missed: counts.missed,
            hedged: counts.hedged,
            halts: counts.halts,
            day_ends: count(|deal| deal.end == End::DayEnd),
            drawdown: drawdown(&ended),
            worst: deals.iter().map(|deal| deal.worst).fold(0.0, f64::min),
            hours_held: hours_held(deals),
            break_even_fee_bps: (0.0 < volume).then(|| (profit + fees) / volume * BPS),
            size: if deals.is_empty() { 0.0 } else { sum(|of| of.notional) / deals.len() as f64 },
            ..report::Played::default()
        }
    }

    /// As [`decision`](Evidence::decision), with what only pictures need.
    #[must_use]
    pub fn pictured(&self, judged: &Judged, unsound: &[String]) -> Decision {
        let mut decision = self.decision(judged, unsound);
        let tried = judged.chosen.and_then(|chosen| self.timed.played.tried.get(chosen));
        if let Some((tried, played)) = tried.zip(decision.strategy.as_mut()) {
            let (profit, volume) = (played.profit, played.volume);
            let tier = |bps: f64| (bps, self.per_day(profit - bps / BPS * volume));
            played.curve = curve(&in_order_of_end(&tried.deals));
            played.days = self.days(&tried.deals);
            played.hours = self.hours(&tried.deals);
            played.latencies = self.latencies(tried);
            played.sizes = self.sizes(tried);
            played.fee_tiers = TIERS.map(tier).to_vec();
            played.maker = self.maker(profit, volume);
        }
        decision
    }

    /// Returns the entries at which the same model earned something in the same direction.
    fn earning(&self, like: &Tried) -> Vec<f64> {
        let is_like = |tried: &&Tried| {
            let (one, other) = (&tried.strategy, &like.strategy);
            (one.model, one.direction) == (other.model, other.direction)
        };
        let earned = |tried: &&Tried| 0.0 < tried.deals.iter().map(|deal| deal.profit).sum::<f64>();
        let all = self.timed.played.tried.iter().filter(is_like).filter(earned);
        all.map(|tried| tried.strategy.entry_bps).collect()
    }

    fn days(&self, deals: &[Deal]) -> Vec<DayProfit> {
        let mut days: Vec<(i64, f64)> = Vec::new();
        for (hour, recorded) in self.recorded_hours() {
            match days.last_mut() {
                Some((day, sum)) if *day == hour.div_euclid(24) => *sum += recorded,
                Some(_) | None => days.push((hour.div_euclid(24), recorded)),
            }
        }
        let of_day = |day: i64| {
            let of_day = deals.iter().filter(move |deal| day_of(deal) == day);
            of_day.map(|deal| deal.profit).sum::<f64>()
        };
        let told = |(day, recorded): (i64, f64)| DayProfit {
            day: date(day),
            profit: of_day(day),
            recorded_hours: recorded / 3_600.0,
        };
        days.into_iter().map(told).collect()
    }

    fn hours(&self, deals: &[Deal]) -> Vec<Option<f64>> {
        let of = |hour: i64| {
            let is_recorded = 0 < self.recorded.within(|at| at.rem_euclid(24) == hour);
            let of_hour = deals.iter().filter(|deal| hour_of(deal).rem_euclid(24) == hour);
            is_recorded.then(|| of_hour.map(|deal| deal.profit).sum())
        };
        (0..24).map(of).collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "a latency in ms")]
    fn latencies(&self, tried: &Tried) -> Vec<(f64, f64)> {
        let play = &self.settings.play;
        let [_, one, two] = self.names;
        let own = [one, two].map(|venue| self.settings.of(venue).latency_ns);
        let own = (own[0] + own[1]) as f64 / 2e6;
        let others = play.latencies_ns.iter().map(|ns| *ns as f64 / 1e6);
        let all = std::iter::once(own).chain(others).zip(&tried.variants);
        let mut all: Vec<(f64, f64)> =
            all.map(|(ms, totals)| (ms, self.per_day(totals.profit))).collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        all
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
    fn sizes(&self, tried: &Tried) -> Vec<(f64, f64, f64)> {
        let Settings { play, size, .. } = self.settings;
        let told = |factor: f64, totals: &Totals| {
            let mean = totals.notional / (totals.deals.max(1)) as f64;
            (factor * size, mean, self.per_day(totals.profit))
        };
        let others = tried.variants.iter().skip(1 + play.latencies_ns.len());
        let mut all: Vec<(f64, f64, f64)> =
            play.sizes.iter().zip(others).map(|(factor, totals)| told(*factor, totals)).collect();
        all.extend(tried.variants.first().map(|own| told(1.0, own)));
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        all
    }

    /// Returns the profit per day if one venue took no fee. Half of what is exchanged is exchanged there.
    fn maker(&self, profit: f64, volume: f64) -> Vec<(String, f64)> {
        let [_, one, two] = self.names;
        let of = |venue: &str| {
            let VenueTerms { taker_fee, .. } = self.settings.of(venue);
            (venue.to_owned(), self.per_day(profit + taker_fee * volume / 2.0))
        };
        vec![of(one), of(two)]
    }
}

/// Returns what was decided about a pair once all pairs were judged.
#[must_use]
pub fn verdict(judged: &Judged, unsound: &[String]) -> Verdict {
    match () {
        () if !unsound.is_empty() => Verdict::Unsound,
        () if judged.is_recommended() => Verdict::Recommended,
        () => Verdict::Refused,
    }
}

/// Returns why, in words. `halts` is how often the trader would have halted.
#[must_use]
pub fn why(judged: &Judged, unsound: &[String], halts: u64) -> Vec<String> {
    if !unsound.is_empty() {
        return unsound.to_vec();
    }
    if !judged.is_recommended() {
        return judged.refusals.iter().map(ToString::to_string).collect();
    }
    let Judged { events, live_hours, q, strategies, .. } = judged;
    let mut why = vec![format!(
        "{events} events in {live_hours:.1} live hours; the best of {strategies} strategies earned more \
         than luck would give (q = {q:.3})"
    )];
    if let Some(held_out) = &judged.held_out {
        let (per_day, events) = (held_out.per_day, held_out.events);
        why.push(format!("the held-out last part earned {per_day:.2} a day in {events} events"));
    }
    if 0 < halts {
        let times = if halts == 1 { "once".to_owned() } else { format!("{halts} times") };
        why.push(format!(
            "deals with a leg to hedge followed each other so often that the trader would have halted \
             {times} (failures in [trading.limits]), which is not in these figures"
        ));
    }
    why
}

/// Returns why a pair is not recommended; nothing if it is.
#[must_use]
pub fn reasons(judged: &Judged, unsound: &[String]) -> Vec<Reason> {
    if !unsound.is_empty() {
        return vec![Reason::Feeds; unsound.len()];
    }
    judged.refusals.iter().map(reason).collect()
}

fn reason(refusal: &Refusal) -> Reason {
    match refusal {
        Refusal::NoDeals => Reason::NoDeals,
        Refusal::TooLittle { .. } | Refusal::FewEarned { .. } => Reason::TooLittle,
        Refusal::NothingEarned { .. } => Reason::NothingEarned,
        Refusal::FewHeldOut { .. } => Reason::FewHeldOut,
        Refusal::HeldOutLost { .. } => Reason::HeldOutLost,
        Refusal::HeldOutUnsure { .. } => Reason::HeldOutUnsure,
        Refusal::HeldTooLong { .. } => Reason::HeldTooLong,
        Refusal::ForwardUnsure { .. } => Reason::ForwardUnsure,
        Refusal::OneEvent { .. } => Reason::OneEvent,
        Refusal::OneHour { .. } => Reason::OneHour,
        Refusal::Quiet { .. } => Reason::Quiet,
        Refusal::Luck { .. } => Reason::Luck,
    }
}

fn in_order(deals: &[Deal]) -> Vec<judge::Deal> {
    let told = |deal: &Deal| {
        let Deal { opened, closed, profit, at_once, worst, .. } = *deal;
        judge::Deal { opened, closed, profit, at_once, worst: worst.min(at_once).min(profit) }
    };
    let mut deals: Vec<judge::Deal> = deals.iter().map(told).collect();
    deals.sort_by_key(|deal| (deal.opened, deal.closed));
    deals
}

fn in_order_of_end(deals: &[Deal]) -> Vec<(i64, f64)> {
    let mut ended: Vec<(i64, f64)> = deals.iter().map(|deal| (deal.closed, deal.profit)).collect();
    ended.sort_by_key(|(closed, _)| *closed);
    ended
}

/// Returns the profit after each deal. If these are many, each piece of the curve is its first, last, lowest and
/// highest point. The points between which it fell most are kept, so that the drawdown is that of all deals.
fn curve(ended: &[(i64, f64)]) -> Vec<(i64, f64)> {
    let mut sum = 0.0;
    let all = ended.iter().map(|(closed, profit)| {
        sum += profit;
        (*closed, sum)
    });
    let all: Vec<(i64, f64)> = all.collect();
    if all.len() <= POINTS {
        return all;
    }
    let mut kept: BTreeSet<usize> = deepest(&all).into_iter().collect();
    let length = all.len().div_ceil(PIECES);
    for (from, piece) in (0..).step_by(length).zip(all.chunks(length)) {
        let by_profit = |one: &usize, other: &usize| piece[*one].1.total_cmp(&piece[*other].1);
        let lowest = (0..piece.len()).min_by(by_profit);
        let highest = (0..piece.len()).max_by(by_profit);
        let ends = [0, piece.len() - 1].into_iter();
        kept.extend(ends.chain(lowest).chain(highest).map(|place| from + place));
    }
    kept.into_iter().map(|place| all[place]).collect()
}

/// Returns the places of the points of a curve between which it fell most; it begins at 0.
fn deepest(curve: &[(i64, f64)]) -> [usize; 2] {
    let (mut peak, mut fall, mut found) = ((0, 0.0), 0.0, [0; 2]);
    for (place, (_, profit)) in curve.iter().enumerate() {
        if peak.1 < *profit {
            peak = (place, *profit);
        }
        if fall < peak.1 - profit {
            (fall, found) = (peak.1 - profit, [peak.0, place]);
        }
    }
    found
}

fn drawdown(ended: &[(i64, f64)]) -> f64 {
    let (mut sum, mut peak, mut fall) = (0.0_f64, 0.0_f64, 0.0_f64);
    for (_, profit) in ended {
        sum += profit;
        peak = peak.max(sum);
        fall = fall.max(peak - sum);
    }
    fall
}

/// Returns the time in which at least one position was held, in hours.
#[expect(clippy::cast_precision_loss, reason = "times are shown with fewer digits")]
fn hours_held(deals: &[Deal]) -> f64 {
    let held = joined(deals.iter().map(|deal| (deal.opened, deal.closed)).collect());
    length(&held) as f64 / HOUR as f64
}

fn hour_of(deal: &Deal) -> i64 {
    // What the end of a day closes belongs to the day that ends.
    deal.closed.saturating_sub(1).max(deal.opened).div_euclid(HOUR)
}

fn day_of(deal: &Deal) -> i64 {
    hour_of(deal).div_euclid(24)
}

fn date(day: i64) -> String {
    let time = Timestamp::from_second(day.saturating_mul(86_400)).unwrap_or_default();
    time.strftime("%Y-%m-%d").to_string()
}

fn period(of: &judge::Period) -> Period {
    let (from_ns, to_ns) = (of.from_hour * HOUR, (of.to_hour + 1) * HOUR);
    Period { from_ns, to_ns, profit: of.profit }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_thinned_curve_falls_as_far_as_the_ledger(
            profits in prop::collection::vec(-9.0..10.0_f64, 0..3_000),
        ) {
            let ended: Vec<(i64, f64)> = (0..).zip(profits).collect();
            let curve = curve(&ended);
            prop_assert!(curve.len() <= POINTS + 2);
            prop_assert!(curve.is_sorted_by(|one, other| one.0 < other.0));
            let (mut peak, mut fall, mut sum) = (0.0_f64, 0.0_f64, 0.0);
            for (_, profit) in &curve {
                peak = peak.max(*profit);
                fall = fall.max(peak - profit);
            }
            ended.iter().for_each(|(_, profit)| sum += profit);
            prop_assert_eq!(fall.to_bits(), drawdown(&ended).to_bits());
            prop_assert_eq!(curve.last().map(|last| last.1), (!ended.is_empty()).then_some(sum));
        }
    }
}
