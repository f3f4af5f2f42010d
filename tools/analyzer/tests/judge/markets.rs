//! Deals of made-up markets whose truth is known: noise with or without an edge, and the round
//! trips of a grid of thresholds over a basis that is simulated.

use analyzer::judge::{Deal, Tried};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

pub(crate) const SECOND: i64 = 1_000_000_000;
pub(crate) const HOUR: i64 = 3_600 * SECOND;
/// A midnight, in hours since 1970.
pub(crate) const FIRST_HOUR: i64 = 24 * 20_000;

/// The deals of every strategy, and the hours observed.
#[derive(Clone, Debug)]
pub(crate) struct Market {
    pub(crate) strategies: Vec<Vec<Deal>>,
    pub(crate) hours: Vec<(i64, f64)>,
}

impl Market {
    pub(crate) fn new(strategies: Vec<Vec<Deal>>, hours: i64) -> Market {
        let hours = (FIRST_HOUR..FIRST_HOUR + hours).map(|hour| (hour, 3_600.0)).collect();
        Market { strategies, hours }
    }

    pub(crate) fn tried(&self) -> Tried<'_> {
        Tried {
            strategies: self.strategies.iter().map(Vec::as_slice).collect(),
            live: &self.hours,
            recorded: &self.hours,
        }
    }
}

pub(crate) fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// Returns a standard normal number (Box and Muller).
pub(crate) fn gaussian(rng: &mut ChaCha8Rng) -> f64 {
    let share: f64 = 1.0 - rng.random::<f64>();
    let angle = std::f64::consts::TAU * rng.random::<f64>();
    (-2.0 * share.ln()).sqrt() * angle.cos()
}

/// Returns a number with the tails of Student's t with three degrees and a variance of 1.
fn heavy(rng: &mut ChaCha8Rng) -> f64 {
    let square: f64 = (0..3).map(|_| gaussian(rng).powi(2)).sum();
    gaussian(rng) / (square / 3.0).sqrt() / 3_f64.sqrt()
}

/// Noise in which every strategy trades a part of what the others trade.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noise {
    pub(crate) hours: i64,
    pub(crate) per_hour: f64,
    /// Mean profit of an event in its standard deviations.
    pub(crate) sharpe: f64,
}

/// Number of strategies.
pub(crate) const STRATEGIES: usize = 36;

impl Noise {
    /// Returns deals in clusters, one event each: all deals of a cluster have a part of their profit
    /// in common, those of all strategies have another, tails are heavy, and the volatility of an
    /// hour depends on that of the hour before.
    pub(crate) fn market(self, seed: u64) -> Market {
        let mut rng = rng(seed);
        let mut strategies = vec![Vec::new(); STRATEGIES];
        let mut log_volatility = 0.0;
        for hour in 0..self.hours {
            log_volatility = 0.8 * log_volatility + 0.4 * gaussian(&mut rng);
            let volatility = f64::exp(log_volatility);
            let begin = (FIRST_HOUR + hour) * HOUR;
            for minute in 0..60 {
                if self.per_hour / 30.0 < rng.random::<f64>() || minute % 2 == 1 {
                    continue;
                }
                let common = heavy(&mut rng);
                for deals in &mut strategies {
                    if rng.random::<f64>() < 0.3 {
                        continue;
                    }
                    let own = 0.8 * common + 0.6 * heavy(&mut rng) + self.sharpe;
                    let opened = begin + minute * 60 * SECOND;
                    cluster(deals, opened, volatility * own, &mut rng);
                }
            }
        }
        Market::new(strategies, self.hours)
    }
}

/// Adds one to four deals that share a profit.
fn cluster(deals: &mut Vec<Deal>, opened: i64, profit: f64, rng: &mut ChaCha8Rng) {
    let count = rng.random_range(1..=4);
    for number in 0..count {
        let opened = opened + number * 5 * SECOND;
        let profit = profit / count as f64;
        let worst = profit.min(-0.1) - rng.random::<f64>();
        deals.push(Deal { opened, closed: opened + 3 * SECOND, profit, at_once: -0.1, worst });
    }
}

/// How a basis moves; amounts in bp.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Basis {
    /// A random walk with this standard deviation over an hour.
    Walk(f64),
    /// An Ornstein-Uhlenbeck process with this half-life in s and stationary standard deviation.
    Reverting(f64, f64),
    /// Independent noise with this standard deviation, a new value each step.
    Noise(f64),
}

/// Seconds between two values of a basis.
const STEP_S: i64 = 5;
/// What a round trip costs, in bp.
pub(crate) const COST: f64 = 20.0;
/// Quote currency for a basis point: 1,000 are traded.
const OF_BP: f64 = 0.1;

impl Basis {
    fn next(self, x: f64, rng: &mut ChaCha8Rng) -> f64 {
        let step_s = STEP_S as f64;
        match self {
            Basis::Walk(of_hour) => x + of_hour * (step_s / 3_600.0).sqrt() * gaussian(rng),
            Basis::Reverting(half_life_s, sd) => {
                let keep = 0.5_f64.powf(step_s / half_life_s);
                keep * x + sd * (1.0 - keep * keep).sqrt() * gaussian(rng)
            }
            Basis::Noise(sd) => sd * gaussian(rng),
        }
    }

    /// Returns the round trips of 36 strategies (direction, entry, exit). Orders arrive a step after
    /// they were sent. Positions are marked at the end of each day.
    pub(crate) fn market(self, hours: i64, seed: u64) -> Market {
        let mut rng = rng(seed);
        let steps = hours * 3_600 / STEP_S;
        let mut x = 0.0;
        let values: Vec<f64> = (0..steps)
            .map(|_| {
                x = self.next(x, &mut rng);
                x
            })
            .collect();
        let mut strategies = Vec::new();
        for sign in [1.0, -1.0] {
            for entry in [0.5, 0.75, 1.0, 1.25, 1.5, 2.0] {
                for exit in [0.0, -0.25, 0.25] {
                    strategies.push(round_trips(&values, sign, entry * COST, exit * COST));
                }
            }
        }
        Market::new(strategies, hours)
    }
}

fn round_trips(values: &[f64], sign: f64, entry: f64, exit: f64) -> Vec<Deal> {
    let mut deals = Vec::new();
    let mut open: Option<(Deal, f64)> = None;
    let of_day = usize::try_from(24 * 3_600 / STEP_S).unwrap();
    for (step, pair) in values.windows(2).enumerate() {
        let time = FIRST_HOUR * HOUR + i64::try_from(step + 1).unwrap() * STEP_S * SECOND;
        let [before, now] = [sign * pair[0], sign * pair[1]];
        let is_end = (step + 2) % of_day == 0 || step + 2 == values.len();
        if let Some((deal, level)) = &mut open {
            let mark = (*level - now - COST) * OF_BP;
            deal.worst = deal.worst.min(mark);
            if before <= exit || is_end {
                deals.push(Deal { closed: time, profit: mark, ..*deal });
                open = None;
            }
        } else if entry <= before && !is_end {
            let at_once = -COST * OF_BP;
            let deal = Deal { opened: time, closed: time, profit: 0.0, at_once, worst: at_once };
            open = Some((deal, now));
        }
    }
    deals
}
