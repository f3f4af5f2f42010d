//! Whether a pair is recommended: what the deals of many strategies prove, and what may be luck.
//!
//! For every pair, many strategies are tried on the same quotes, and the best of them looks good
//! even if there is nothing to earn. So a strategy is chosen by the first part of the time and must
//! earn in the rest, which had no say in the choice. The figure to rank by is a lower bound of what
//! choosing by the past would have earned afterwards. Three things decide how sure that is:
//!
//! - Deals that belong together count as one event (`event`), and profits are drawn in blocks of
//!   time (`axis`, `bound`).
//! - The p-value of the best strategy accounts for how many were tried (`spa`), and q for how many
//!   pairs were tried ([`decide`]).
//! - A strategy that realises its gains and carries its losses is measured against a random walk by
//!   the marks of its open positions (`path`).
//!
//! Nothing here uses a file, a thread or a clock, and the draws are the same everywhere (`chance`).
//! `docs/metrics.md`, section Decision, has the rules and what they were measured to do.

use crate::statistics::discovery_rate::benjamini_hochberg;
use crate::statistics::normal;
use axis::{Axis, HOUR};
use bound::{Bound, Draws, bound};
use chance::Chance;
use grid::{Grid, Walked};
use path::{Path, Sums};
use refusal::BOUNDLESS;
use std::borrow::BorrowMut;
use std::ops::Range;

mod axis;
mod bound;
mod chance;
mod event;
mod grid;
mod path;
mod refusal;
mod rules;
mod spa;
mod student;
mod tried;

pub use refusal::Refusal;
pub use rules::Rules;
pub use tried::{Deal, Tried};

/// Seconds of a day.
const DAY_S: f64 = 86_400.0;
/// Seconds of an hour.
const HOUR_S: f64 = 3_600.0;
/// Events that must be expected in a time before it counts as quiet.
const EXPECTED: f64 = 5.0;
/// The last share of the recorded time that must not be quiet.
const AT_THE_END: f64 = 0.25;

/// What was decided about a pair, and what it rests on. Amounts are in quote currency.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// Number of strategies that were tried.
    pub strategies: usize,
    /// The strategy that was chosen by the first part, by its place in [`Tried::strategies`]; if
    /// none had enough events, the one that earned most.
    pub chosen: Option<usize>,
    /// Its events.
    pub events: u32,
    /// Its profit in all the time. This is the past, and of the best of many: not a forecast.
    pub earned: f64,
    /// Live time in hours.
    pub live_hours: f64,
    /// Recorded time in hours.
    pub recorded_hours: f64,
    /// What the chosen strategy earned in the part that it was not chosen by. `None` if there is
    /// too little evidence.
    pub held_out: Option<HeldOut>,
    /// What choosing by the past would have earned. `None` if there is too little evidence.
    pub forward: Option<Forward>,
    /// The p-value of the best strategy in the part that it was chosen by (Hansen's test), 1 if
    /// there is too little evidence.
    pub p_chosen: f64,
    /// The p-value of the chosen strategy in the held-out part, 1 if there is too little evidence.
    pub p_held_out: f64,
    /// Both together (Fisher's method).
    pub p: f64,
    /// `p`, adjusted over all pairs; 1 before [`decide`].
    pub q: f64,
    /// Why the pair is refused. A pair without any is recommended once [`decide`] was asked.
    pub refusals: Vec<Refusal>,
}

/// The held-out last part of the live time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeldOut {
    /// Its first hour, since 1970.
    pub from_hour: i64,
    /// Events in it.
    pub events: u32,
    /// Profit in it.
    pub profit: f64,
    /// Profit per day of recorded time.
    pub per_day: f64,
    /// Lower bound of the profit per day, one-sided. `None` if positions are held for too long.
    pub low: Option<f64>,
}

/// A walk forward: before every period but the first, the strategy is chosen by all that was
/// before.
#[derive(Clone, Debug, PartialEq)]
pub struct Forward {
    /// The periods: UTC days, or sixths of the live time if there are fewer than three days.
    pub periods: Vec<Period>,
    /// The sum of their profits.
    pub profit: f64,
    /// The profit of the strategy that would have been the best in all of them.
    pub best_in_hindsight: f64,
    /// Events in them.
    pub events: u32,
    /// Profit per day of recorded time, with the interval of its mean. Its lower end is the figure
    /// to rank by. `None` if positions are held for too long.
    pub per_day: Option<Interval>,
    /// The interval of the profit of one day to come, if it is like those before.
    pub next_day: Option<Interval>,
}

/// One period of a walk forward.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Period {
    /// Its first live hour, since 1970.
    pub from_hour: i64,
    /// Its last live hour, since 1970.
    pub to_hour: i64,
    /// The strategy that was chosen; `None` if none had earned anything before.
    pub chosen: Option<usize>,
    /// What it earned in the period.
    pub profit: f64,
}

/// A figure and its interval: it is below `low` with the probability of [`Rules::level`], and
/// above `high` with the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The figure.
    pub mean: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// Whether it bounds anything: losses without an end are no figure.
    fn says_something(&self) -> bool {
        [self.mean, self.low, self.high].iter().all(|of| of.abs() < BOUNDLESS)
    }
}

impl Judged {
    /// Whether nothing speaks against the pair.
    #[must_use]
    pub fn is_recommended(&self) -> bool {
        self.refusals.is_empty()
    }

    /// Whether there is too little evidence to say anything.
    #[must_use]
    pub fn has_too_little(&self) -> bool {
        let is_it = |of: &Refusal| matches!(of, Refusal::NoDeals | Refusal::TooLittle { .. });
        self.refusals.iter().any(is_it)
    }

    /// Returns the figure to rank by: the lower bound of what choosing by the past would have
    /// earned per day. `None` if there is too little evidence.
    #[must_use]
    pub fn rank(&self) -> Option<f64> {
        Some(self.forward.as_ref()?.per_day?.low)
    }
}

/// Judges one pair alone. `name` must be different for every pair; the draws depend on it.
#[must_use]
pub fn judge(name: &str, tried: &Tried<'_>, rules: &Rules) -> Judged {
    let axis = Axis::new(tried);
    let mut judged = Judged {
        strategies: tried.strategies.len(),
        chosen: None,
        events: 0,
        earned: 0.0,
        live_hours: axis.live_s() / HOUR_S,
        recorded_hours: axis.recorded_s() / HOUR_S,
        held_out: None,
        forward: None,
        p_chosen: 1.0,
        p_held_out: 1.0,
        p: 1.0,
        q: 1.0,
        refusals: Vec::new(),
    };
    if tried.strategies.iter().all(|deals| deals.is_empty()) {
        judged.refusals.push(Refusal::NoDeals);
        return judged;
    }
    let paths = tried.strategies.iter().map(|deals| Path::new(deals, &axis)).collect();
    let grid = Grid { axis: &axis, paths, level: rules.level };
    Judging { grid, rules, chance: Chance::of(name, rules.seed) }.fill(&mut judged);
    judged
}

/// Decides about all pairs that were tried: adjusts their p-values for how many there are, and
/// refuses what may be luck. Pairs without deals count too.
pub fn decide<J: BorrowMut<Judged>>(judged: &mut [J], rules: &Rules) {
    let p: Vec<f64> = judged.iter().map(|pair| pair.borrow().p).collect();
    for (pair, q) in judged.iter_mut().zip(benjamini_hochberg(&p)) {
        let pair = pair.borrow_mut();
        pair.q = q;
        let is_luck = rules.false_discoveries < q;
        // A pair that was refused before it was tested has no p-value to speak of.
        if is_luck && pair.forward.is_some() {
            pair.refusals.push(Refusal::Luck { strategies: pair.strategies, q });
        }
    }
}

/// A pair while it is judged.
struct Judging<'a> {
    grid: Grid<'a>,
    rules: &'a Rules,
    chance: Chance,
}

impl Judging<'_> {
    fn fill(&mut self, judged: &mut Judged) {
        let all = 0..self.grid.axis.slots();
        let split = self.grid.axis.after(self.rules.chosen_on);
        let first = 0..split;
        let least = f64::from(self.rules.events) * self.rules.chosen_on;
        let best = self.best(&all);
        self.take(judged, best);
        if let Some(refusal) = self.too_little(judged.live_hours) {
            judged.refusals.push(refusal);
            return;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        let least = least.ceil() as u32;
        let Some(chosen) = self.grid.choose(&first, least) else {
            judged.refusals.push(self.nothing_earned(&first, judged.strategies, least));
            return;
        };
        self.take(judged, Some(chosen));
        let held_out = self.hold_out(chosen, &(split..all.end), judged);
        judged.held_out = Some(held_out);
        judged.p_chosen = self.test(chosen, &first);
        judged.p = fisher(judged.p_chosen, judged.p_held_out);
        judged.forward = Some(self.forward(judged));
        judged.refusals.extend(self.quiet(chosen));
    }

    /// Returns the strategy that earned most in these slots.
    fn best(&self, slots: &Range<usize>) -> Option<usize> {
        let profits = self.grid.paths.iter().map(|path| path.sums(slots));
        let traded = profits.enumerate().filter(|(_, sums)| 0 < sums.events);
        let best =
            traded.reduce(|best, next| if best.1.profit < next.1.profit { next } else { best });
        best.map(|(place, _)| place)
    }

    /// Writes down which strategy was chosen.
    fn take(&self, judged: &mut Judged, chosen: Option<usize>) {
        let path = chosen.and_then(|chosen| self.grid.paths.get(chosen));
        let sums = path.map_or(Sums::default(), |path| path.sums(&(0..self.grid.axis.slots())));
        (judged.chosen, judged.events, judged.earned) = (chosen, sums.events, sums.profit);
    }

    fn too_little(&self, live_hours: f64) -> Option<Refusal> {
        let all = 0..self.grid.axis.slots();
        let events = self.grid.paths.iter().map(|path| path.sums(&all).events).max().unwrap_or(0);
        let Rules { live_hours: least_hours, events: least_events, .. } = *self.rules;
        let is_little = events < least_events || live_hours < least_hours;
        is_little.then_some(Refusal::TooLittle { events, live_hours, least_events, least_hours })
    }

    /// Returns why no strategy was chosen.
    fn nothing_earned(&self, slots: &Range<usize>, strategies: usize, least: u32) -> Refusal {
        let best = self.best(slots).and_then(|best| self.grid.paths.get(best));
        let Sums { profit, events, .. } = best.map_or(Sums::default(), |path| path.sums(slots));
        match best {
            Some(path) if 0.0 < profit && least <= events => {
                Refusal::HeldTooLong { held_s: seconds(path.held) }
            }
            Some(_) if 0.0 < profit => Refusal::FewEarned { events, least },
            Some(_) | None => {
                Refusal::NothingEarned { strategies, per_day: profit * self.days(slots) }
            }
        }
    }

    /// Returns by what a profit in these slots is multiplied to be that of a day. They have as much of the
    /// recorded time as of the live time, so that a rate does not depend on when the pair was live.
    fn days(&self, slots: &Range<usize>) -> f64 {
        let axis = self.grid.axis;
        let recorded_s = axis.recorded_s() * axis.live_s_of(slots) / axis.live_s();
        if 0.0 < recorded_s { DAY_S / recorded_s } else { 0.0 }
    }

    fn draws(&self) -> Draws {
        Draws { first: self.rules.draws, most: self.rules.most_draws }
    }

    /// Returns the p-value of the best strategy of these slots.
    fn test(&mut self, chosen: usize, slots: &Range<usize>) -> f64 {
        let contenders = self.grid.contenders(slots, self.rules.held_out_events);
        let held = self.grid.paths[chosen].held;
        let block = self.grid.block(held, slots.len());
        spa::p_value(&contenders, block, true, self.draws(), &mut self.chance)
    }

    /// Returns the bounds of profits that had these sums.
    fn bound(&mut self, profits: &[f64], sums: Sums, held: i64, level: f64) -> Option<Bound> {
        let draws = self.draws();
        let block = self.grid.block(held, profits.len());
        let bound = bound(profits, block, level, draws, &mut self.chance)?;
        Some(against_random_walk(bound, sums, level))
    }

    fn hold_out(&mut self, chosen: usize, slots: &Range<usize>, judged: &mut Judged) -> HeldOut {
        let Rules { events, held_out_events: least, held_out_level: level, .. } = *self.rules;
        let path = &self.grid.paths[chosen];
        let (sums, held, profits) = (path.sums(slots), path.held, path.profits(slots));
        let days = self.days(slots);
        let bound = self.bound(&profits, sums, held, level);
        judged.p_held_out = bound.map_or(1.0, |bound| bound.p);
        let per_day = days * sums.profit;
        let low = bound.map(|bound| days * bound.low);
        if sums.events < least {
            judged.refusals.push(Refusal::FewHeldOut { events: sums.events, least });
            judged.p_held_out = 1.0;
        } else if judged.events < events {
            let (events, live_hours) = (judged.events, judged.live_hours);
            let (least_events, least_hours) = (self.rules.events, self.rules.live_hours);
            let refusal = Refusal::TooLittle { events, live_hours, least_events, least_hours };
            judged.refusals.push(refusal);
        } else if per_day <= 0.0 {
            judged.refusals.push(Refusal::HeldOutLost { per_day });
        } else if let Some(low) = low {
            if low <= 0.0 {
                judged.refusals.push(Refusal::HeldOutUnsure { low, level });
            }
        } else {
            judged.refusals.push(Refusal::HeldTooLong { held_s: seconds(held) });
        }
        let from_hour = self.grid.axis.hour(slots.start).unwrap_or(0);
        HeldOut { from_hour, events: sums.events, profit: sums.profit, per_day, low }
    }

    fn forward(&mut self, judged: &mut Judged) -> Forward {
        let walked = self.grid.walk(&self.grid.axis.periods(), self.rules.held_out_events);
        let bound = self.bound(&walked.profits, walked.sums, walked.held, self.rules.level);
        let days = self.days(&walked.slots);
        if let Some(bound) = bound {
            let (low, level) = (days * bound.low, self.rules.level);
            if low <= 0.0 {
                judged.refusals.push(Refusal::ForwardUnsure { low, level });
            } else {
                judged.refusals.extend(self.concentrated(&walked));
            }
        } else {
            judged.refusals.push(Refusal::HeldTooLong { held_s: seconds(walked.held) });
        }
        let axis = self.grid.axis;
        let hour = |slot: usize| axis.hour(slot).unwrap_or(0);
        let period = |(slots, chosen, profit): &(Range<usize>, Option<usize>, f64)| Period {
            from_hour: hour(slots.start),
            to_hour: hour(slots.end.saturating_sub(1)),
            chosen: *chosen,
            profit: *profit,
        };
        Forward {
            periods: walked.periods.iter().map(period).collect(),
            profit: walked.sums.profit,
            best_in_hindsight: self.grid.best_in_hindsight(&walked.slots),
            events: walked.sums.events,
            per_day: bound.map(|bound| per_day(&bound, days)).filter(Interval::says_something),
            next_day: bound
                .map(|bound| next_day(&bound, days, self.rules.level))
                .filter(Interval::says_something),
        }
    }

    /// Refuses profits that prove nothing without their best event or their best hour.
    fn concentrated(&mut self, walked: &Walked) -> Option<Refusal> {
        let of = walked.sums.profit;
        let best = walked.events.iter().max_by(|(_, a), (_, b)| a.profit.total_cmp(&b.profit));
        if let Some((place, event)) = best {
            let mut rest = walked.profits.clone();
            rest[*place] -= event.profit;
            if self.proves_nothing(&rest, walked.sums - Sums::from(event), walked.held) {
                return Some(Refusal::OneEvent { profit: event.profit, of });
            }
        }
        let of_hour = self.grid.axis.of_hour();
        let hours = walked.profits.chunks(of_hour).map(|hour| hour.iter().sum::<f64>());
        let (hour, profit) = hours.enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b))?;
        let within = hour * of_hour..((hour + 1) * of_hour).min(walked.profits.len());
        let mut rest = walked.profits.clone();
        rest[within.clone()].fill(0.0);
        let inside = walked.events.iter().filter(|(place, _)| within.contains(place));
        let sums = inside.fold(walked.sums, |sums, (_, event)| sums - Sums::from(event));
        let hour = self.grid.axis.hour(walked.slots.start + within.start).unwrap_or(0);
        let refusal = Refusal::OneHour { hour, profit, of };
        self.proves_nothing(&rest, sums, walked.held).then_some(refusal)
    }

    fn proves_nothing(&mut self, profits: &[f64], sums: Sums, held: i64) -> bool {
        self.bound(profits, sums, held, self.rules.level).is_none_or(|bound| bound.low <= 0.0)
    }

    /// Refuses a strategy that had no events at the end of the recorded time: in the last quarter,
    /// or in the last day if five were to be expected in that.
    fn quiet(&self, chosen: usize) -> Option<Refusal> {
        let axis = self.grid.axis;
        let path = &self.grid.paths[chosen];
        let all = 0..axis.slots();
        let recorded_s = axis.recorded_s();
        let events = f64::from(path.sums(&all).events);
        let enough_s = (EXPECTED / events * recorded_s).max(DAY_S);
        let end_s = enough_s.min(AT_THE_END * recorded_s);
        let happened = path.sums(&axis.last(end_s)).events;
        let expected = events * end_s / recorded_s;
        (happened == 0).then_some(Refusal::Quiet { hours: end_s / HOUR_S, expected })
    }
}

/// Widens bounds to what the marks of open positions allow: were the price a random walk, moves
/// would scatter as those did.
fn against_random_walk(bound: Bound, sums: Sums, level: f64) -> Bound {
    let Some(walk) = sums.against_random_walk() else { return bound };
    let error = bound.error.max(bound.sum / walk.max(f64::MIN_POSITIVE));
    let widest = bound.sum - student::normal_critical(level) * error;
    let p = bound.p.max(normal::cdf(-walk));
    if bound.sum <= 0.0 {
        return Bound { p, ..bound };
    }
    Bound { low: bound.low.min(widest), error, p, ..bound }
}

fn per_day(bound: &Bound, days: f64) -> Interval {
    Interval { mean: days * bound.sum, low: days * bound.low, high: days * bound.high }
}

/// Returns the interval of one day: its own scatter and the error of the mean.
fn next_day(bound: &Bound, days: f64, level: f64) -> Interval {
    let variance = bound.error * bound.error * (days + days * days);
    let half = student::critical(level, bound.degrees) * variance.sqrt();
    let mean = days * bound.sum;
    Interval { mean, low: mean - half, high: mean + half }
}

/// Returns the p-value of two independent ones together, by Fisher's method.
fn fisher(one: f64, other: f64) -> f64 {
    let product = one * other;
    if product <= 0.0 {
        return 0.0;
    }
    (product * (1.0 - libm::log(product))).min(1.0)
}

fn seconds(ns: i64) -> f64 {
    ns as f64 / HOUR as f64 * HOUR_S
}
