//! The Ornstein-Uhlenbeck process by exact maximum likelihood, and the half-life from it.
//!
//! `dX = -theta (X - mean) dt + noise`: over dt seconds, with `a = exp(-theta dt)`,
//! `X(t + dt) ~ N(mean + a (X(t) - mean), sd² (1 - a²))`, where sd is the long-run standard
//! deviation. Times may be irregular; nothing is linearised. With `b = 1 - a`, `w = 1 / (1 - a²)`
//! and `c = step + b X(t)`, mean and sd have closed forms for any theta:
//!
//! `mean = sum w b c / sum w b²`, `sd² = sum w (c - b mean)² / n`,
//! `log likelihood = -n/2 log sd² - 1/2 sum log(1 - a²)`
//!
//! This leaves a search over log theta. If all transitions have one interval, there is no search
//! either: theta follows from the regression of the step on the level, and its interval from the
//! sum of squared residuals ([`Sums::half_life`]).
//!
//! The half-life is ln 2 / theta. Its 95 % interval is that of the profile likelihood: where the
//! log likelihood is at most 1.92 below its maximum. If that includes theta = 0, the half-life has
//! no upper bound.
//!
//! NB: theta is biased upwards by about 4 / T, where T is the time observed (2 / T if the mean is
//! known; Tang and Chen, J. Econometrics 149 (2009) 65; Yu, J. Econometrics 169 (2012) 114). The
//! bias is a third of the statistical error at T = 100 half-lives, and exceeds it below 10. Look at
//! T / half-life first.
//! Reference: all three parameters at once by `scipy.optimize`, see
//! `data/fixtures/statistics/make.py`.

use serde::{Deserialize, Serialize};
use std::f64::consts::LN_2;

/// Half of the 95 % quantile of chi squared with one degree of freedom.
const DROP: f64 = 1.920_729_410_347_062;

/// A half-life shorter than this share of the sampling interval cannot be told from none.
const SHORTEST: f64 = 0.1;

/// A half-life longer than this many times the observed time cannot be told from a random walk.
const LONGEST: f64 = 100.0;

/// With fewer transitions there is no spread to estimate.
const LEAST: usize = 3;

/// How quickly a series reverts to its mean.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HalfLife {
    /// Time in which a deviation halves, in s.
    pub half_life_s: f64,
    /// Lower bound of the 95 % interval, in s.
    pub low_s: f64,
    /// Upper bound, in s; `None` if the interval includes a random walk.
    pub high_s: Option<f64>,
    /// Rate of reversion, in 1/s.
    pub theta: f64,
    /// Long-run mean, in the unit of the values.
    pub mean: f64,
    /// Long-run standard deviation, in the unit of the values.
    pub sd: f64,
}

/// The step from one value to the next within one stretch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transition {
    /// Time between the two, in s; above 0.
    pub dt_s: f64,
    /// The earlier value.
    pub from: f64,
    /// The later value.
    pub to: f64,
}

/// Returns the transitions of a series. `times_s` must not decrease; of equal times, the last value
/// counts. No transition leads to a value whose index is in `breaks`, which must be in order.
#[must_use]
pub fn transitions(times_s: &[f64], values: &[f64], breaks: &[usize]) -> Vec<Transition> {
    let mut breaks = breaks.iter().copied().peekable();
    let mut found = Vec::with_capacity(values.len());
    let mut last: Option<(f64, f64)> = None;
    // The value before `last`, so that a later value at the same time can replace `last`.
    let mut before: Option<(f64, f64)> = None;
    for (at, (&time, &value)) in times_s.iter().zip(values).enumerate() {
        while breaks.next_if(|place| *place <= at).is_some() {
            (before, last) = (None, None);
        }
        let Some((then, _)) = last else {
            last = Some((time, value));
            continue;
        };
        if time <= then {
            if before.is_some() {
                found.pop();
            }
        } else {
            before = last;
        }
        found.extend(before.map(|(then, from)| Transition { dt_s: time - then, from, to: value }));
        last = Some((time, value));
    }
    found
}

/// The likelihood at one theta, with mean and sd at their best.
#[derive(Clone, Copy, Debug)]
struct Point {
    likelihood: f64,
    mean: f64,
    sd: f64,
}

#[expect(clippy::cast_precision_loss, reason = "counts of samples are far below 2^53")]
fn profile(transitions: &[Transition], origin: f64, log_theta: f64) -> Point {
    let theta = libm::exp(log_theta);
    let [mut bb, mut bc, mut cc, mut logs] = [0.0; 4];
    for transition in transitions {
        let b = -libm::expm1(-theta * transition.dt_s);
        // 1 - a² computed from b keeps its digits when theta dt is small.
        let variance = b * (2.0 - b);
        let c = transition.to - transition.from + b * (transition.from - origin);
        let weighted = b / variance;
        bb += weighted * b;
        bc += weighted * c;
        cc += c * c / variance;
        logs += libm::log(variance);
    }
    let n = transitions.len() as f64;
    let variance = (cc - bc * bc / bb) / n;
    let likelihood = -0.5 * (n * libm::log(variance) + logs);
    Point { likelihood, mean: origin + bc / bb, sd: variance.sqrt() }
}

/// Returns the half-life from transitions over any times. `None` with fewer than three, if nothing
/// moves, or if there is no reversion: the best theta is 0.
#[must_use]
pub fn half_life(transitions: &[Transition]) -> Option<HalfLife> {
    let origin = transitions.first()?.from;
    let span: f64 = transitions.iter().map(|transition| transition.dt_s).sum();
    let shortest = transitions.iter().map(|transition| transition.dt_s).fold(span, f64::min);
    let moves = transitions.iter().any(|transition| transition.from < transition.to)
        || transitions.iter().any(|transition| transition.to < transition.from);
    if transitions.len() < LEAST || !moves {
        return None;
    }
    let least = libm::log(LN_2 / (LONGEST * span));
    let most = libm::log(LN_2 / (SHORTEST * shortest));
    let likelihood = |at: f64| profile(transitions, origin, at).likelihood;
    let best = top(&likelihood, least, most)?;
    let point = profile(transitions, origin, best);
    let above = |at: f64| likelihood(at) - (point.likelihood - DROP);
    let half = |log_theta: f64| LN_2 / libm::exp(log_theta);
    Some(HalfLife {
        half_life_s: half(best),
        low_s: half(if above(most) < 0.0 { crossing(&above, best, most) } else { most }),
        high_s: (above(least) < 0.0).then(|| half(crossing(&above, best, least))),
        theta: libm::exp(best),
        mean: point.mean,
        sd: point.sd,
    })
}

/// Number of steps of the coarse search over log theta.
const COARSE: u32 = 32;

/// Width in log theta at which golden section hands over to a parabola. The maximum is flat:
/// searched further, the last digits of the likelihood would decide.
const NARROW: f64 = 1e-3;

/// Returns the place where `f` is highest: the best of a coarse grid, then golden section around
/// it, then the top of the parabola through what is left. `None` if that is the lower end.
fn top(f: &impl Fn(f64) -> f64, least: f64, most: f64) -> Option<f64> {
    let place = |step: u32| least + (most - least) * f64::from(step) / f64::from(COARSE);
    let better = |best: (u32, f64), this: (u32, f64)| if best.1 < this.1 { this } else { best };
    let grid = (0..=COARSE).map(|step| (step, f(place(step))));
    let (best, _) = grid.fold((0, f64::NEG_INFINITY), better);
    let (low, high) =
        golden_section(f, place(best.saturating_sub(1)), place((best + 1).min(COARSE)));
    let (middle, half) = (0.5 * (low + high), 0.5 * (high - low));
    let (f_low, f_middle, f_high) = (f(low), f(middle), f(high));
    let bend = f_high - 2.0 * f_middle + f_low;
    let shift = if bend < 0.0 { -0.5 * half * (f_high - f_low) / bend } else { 0.0 };
    let found = middle + shift.clamp(-half, half);
    (least + 2.0 * NARROW < found).then_some(found)
}

/// Returns a bracket of the highest place of `f`, no wider than [`NARROW`].
fn golden_section(f: &impl Fn(f64) -> f64, mut low: f64, mut high: f64) -> (f64, f64) {
    let golden = 0.5 * (5.0_f64.sqrt() - 1.0);
    let (mut left, mut right) = (high - golden * (high - low), low + golden * (high - low));
    let (mut f_left, mut f_right) = (f(left), f(right));
    while NARROW < high - low {
        if f_left < f_right {
            (low, left, f_left) = (left, right, f_right);
            right = low + golden * (high - low);
            f_right = f(right);
        } else {
            (high, right, f_right) = (right, left, f_left);
            left = high - golden * (high - low);
            f_left = f(left);
        }
    }
    (low, high)
}

/// Precision to which log theta, or a likelihood, is found.
const MET: f64 = 1e-9;

/// More steps than false position needs.
const STEPS: u32 = 100;

/// Returns where `f` crosses 0 between a place above and one below it, by false position in the
/// Illinois variant (an end that stays twice counts half).
fn crossing(f: &impl Fn(f64) -> f64, above: f64, below: f64) -> f64 {
    let (mut up, mut down) = ((above, f(above)), (below, f(below)));
    let mut was_above = None;
    for _ in 0..STEPS {
        let at = (up.0 * down.1 - down.0 * up.1) / (down.1 - up.1);
        let value = f(at);
        if value.abs() < MET || (up.0 - down.0).abs() < MET {
            return at;
        }
        let is_above = 0.0 < value;
        let again = was_above == Some(is_above);
        was_above = Some(is_above);
        if is_above {
            up = (at, value);
            down.1 *= if again { 0.5 } else { 1.0 };
        } else {
            down = (at, value);
            up.1 *= if again { 0.5 } else { 1.0 };
        }
    }
    0.5 * (up.0 + down.0)
}

/// Transitions over one interval, as sums of the level (relative to an origin) and of the step that
/// followed. Sums with one origin add up. Steps are summed rather than later levels: a step is 1e-3
/// of the level's spread or less, and would be lost in its square.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sums {
    /// Number of transitions.
    pub count: u64,
    /// Sum of levels.
    pub level: f64,
    /// Sum of steps.
    pub step: f64,
    /// Sum of squared levels.
    pub level_level: f64,
    /// Sum of level times step.
    pub level_step: f64,
    /// Sum of squared steps.
    pub step_step: f64,
}

impl Sums {
    /// Adds a transition: the level relative to the origin, and the step from it.
    #[inline]
    pub fn push(&mut self, level: f64, step: f64) {
        self.count += 1;
        self.level += level;
        self.step += step;
        self.level_level += level * level;
        self.level_step += level * step;
        self.step_step += step * step;
    }

    /// Adds the sums of later transitions, whose origin lies `by` above this one's.
    #[expect(clippy::cast_precision_loss, reason = "counts of samples are far below 2^53")]
    pub fn merge(&mut self, later: &Sums, by: f64) {
        let shifted = by * later.count as f64;
        self.count += later.count;
        self.level += later.level + shifted;
        self.step += later.step;
        self.level_level += later.level_level + by * (2.0 * later.level + shifted);
        self.level_step += later.level_step + by * later.step;
        self.step_step += later.step_step;
    }

    /// Returns the variance of the level; 0 without transitions.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of samples are far below 2^53")]
    pub fn variance(&self) -> f64 {
        let n = (self.count as f64).max(1.0);
        ((self.level_level - self.level * self.level / n) / n).max(0.0)
    }

    /// Returns the half-life, in closed form; its `mean` is relative to the origin. `None` as in
    /// [`half_life`]. A series that reverts within one step has a half-life of a tenth of the
    /// interval, the shortest possible.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of samples are far below 2^53")]
    pub fn half_life(&self, interval_s: f64) -> Option<HalfLife> {
        let n = self.count as f64;
        let (level, step) = (self.level / n, self.step / n);
        let spread = self.level_level - n * level * level;
        let shared = self.level_step - n * level * step;
        let squares = self.step_step - n * step * step;
        if self.count < LEAST as u64 || spread <= 0.0 || 0.0 <= shared {
            return None;
        }
        // The share of a deviation that is gone after one interval.
        let gone = -shared / spread;
        let least_squares = (squares - gone * -shared).max(0.0);
        let reach = (least_squares / spread * libm::expm1(2.0 * DROP / n)).sqrt();
        let most = 1.0 - libm::exp2(-1.0 / SHORTEST);
        let half = |gone: f64| -interval_s * LN_2 / libm::log1p(-gone.min(most));
        let bounded = gone.min(most);
        let residual = least_squares + spread * (gone - bounded).powi(2);
        Some(HalfLife {
            half_life_s: half(gone),
            low_s: half(gone + reach),
            high_s: (reach < gone).then(|| half(gone - reach)),
            theta: LN_2 / half(gone),
            mean: level + step / bounded,
            sd: (residual / n / (bounded * (2.0 - bounded))).sqrt(),
        })
    }
}
