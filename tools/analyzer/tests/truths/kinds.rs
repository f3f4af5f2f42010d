//! Kinds of pairs of venues whose truth is known, and the prices of each.
//!
//! Both venues quote a common price times `exp(b / 10,000)`; `b1 - b2` is the basis, in bp. A kind is
//! what the basis does, and what goes wrong with the quotes. A round trip costs [`COST_BP`].

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Taker fee of both venues, in bp.
pub(crate) const FEE_BP: f64 = 2.0;
/// Difference of bid and ask, in bp of the mid.
pub(crate) const WIDTH_BP: f64 = 0.5;
/// Cost of a round trip: four fees and the widths of both books.
pub(crate) const COST_BP: f64 = 4.0 * FEE_BP + 2.0 * WIDTH_BP;
/// Price at which a pair begins.
const BEGIN: f64 = 100.0;
/// Seconds of an hour and of a day.
const HOUR_S: f64 = 3_600.0;
const DAY_S: f64 = 24.0 * HOUR_S;
/// The venues quote one after the other, so many ms apart: less than an order takes to arrive.
const AFTER_MS: i64 = 5;
/// Standard deviation of the quote noise of each venue, in bp.
const TREMBLE_BP: f64 = 0.3;

/// What the truth about a pair is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// The basis is a random walk with this standard deviation over an hour, in bp.
    RandomWalk { of_hour: f64 },
    /// The net spread is noise: each quote has a basis of its own, with this mean net spread and
    /// this standard deviation. An order arrives after the quote that it was decided on.
    Noise { edge_bp: f64, sd: f64 },
    /// Two prices that have nothing to do with each other.
    Unrelated,
    /// The basis drifts by 2 % within 28 minutes, for good.
    Drift,
    /// One venue repeats a price for two hours while the other one moves.
    Frozen,
    /// One venue has the prices of the other five seconds later.
    Late,
    /// An honest basis until noon; then one venue quotes no more, or the basis is flat.
    DeadAtNoon { is_silent: bool },
    /// The basis swings for a minute, once.
    LuckyMinute,
    /// A premium of 45 bp that does not return.
    StandingPremium,
    /// Six prints a day are 30 % too high.
    Prints,
    /// One row is a thousand times too high.
    OneRow,
    /// One venue quotes a thousand times the price.
    Scale,
    /// An Ornstein-Uhlenbeck basis: half-life in s, stationary standard deviation in round-trip
    /// costs, and by how much one venue lags the other, in ms.
    Honest { half_life_s: f64, strength: f64, lag_ms: i64 },
}

impl Kind {
    /// Returns the name in the table.
    pub(crate) fn name(self) -> String {
        match self {
            Kind::RandomWalk { of_hour } => format!("random walk, {of_hour} bp an hour"),
            Kind::Noise { edge_bp, .. } if edge_bp < 0.0 => format!("noise, edge {edge_bp} bp"),
            Kind::Noise { .. } => "noise, no edge".to_owned(),
            Kind::Unrelated => "two unrelated coins".to_owned(),
            Kind::Drift => "drift of 2 % in 28 min".to_owned(),
            Kind::Frozen => "frozen for 2 h".to_owned(),
            Kind::Late => "copy, 5 s late".to_owned(),
            Kind::DeadAtNoon { is_silent: true } => "dead at noon, silent".to_owned(),
            Kind::DeadAtNoon { is_silent: false } => "dead at noon, flat".to_owned(),
            Kind::LuckyMinute => "one lucky minute".to_owned(),
            Kind::StandingPremium => "standing premium of 45 bp".to_owned(),
            Kind::Prints => "six prints of +30 % a day".to_owned(),
            Kind::OneRow => "one row x 1000".to_owned(),
            Kind::Scale => "scales 1000 apart".to_owned(),
            Kind::Honest { half_life_s, strength, lag_ms: 0 } => {
                format!("half-life {half_life_s} s, sd of {strength} costs")
            }
            Kind::Honest { half_life_s, strength, lag_ms } => {
                format!("half-life {half_life_s} s, sd of {strength} costs, lag {lag_ms} ms")
            }
        }
    }

    /// Returns the seconds between two quotes of a venue.
    pub(crate) fn step_s(self) -> usize {
        match self {
            Kind::Honest { half_life_s, .. } if half_life_s < 10.0 => 1,
            Kind::Honest { .. }
            | Kind::RandomWalk { .. }
            | Kind::Noise { .. }
            | Kind::Unrelated
            | Kind::Drift
            | Kind::Frozen
            | Kind::Late
            | Kind::DeadAtNoon { .. }
            | Kind::LuckyMinute
            | Kind::StandingPremium
            | Kind::Prints
            | Kind::OneRow
            | Kind::Scale => 5,
        }
    }

    /// Returns by how much the second venue's quotes are received after the first one's, in ms.
    fn after_ms(self) -> i64 {
        if let Kind::Honest { lag_ms, .. } = self { AFTER_MS.max(lag_ms) } else { AFTER_MS }
    }

    /// Standard deviation of the common price over a second, in bp.
    fn volatility(self) -> f64 {
        match self {
            // So that what is missed is worth an order.
            Kind::Frozen | Kind::Late | Kind::Unrelated => 4.0,
            Kind::Honest { .. }
            | Kind::RandomWalk { .. }
            | Kind::Noise { .. }
            | Kind::Drift
            | Kind::DeadAtNoon { .. }
            | Kind::LuckyMinute
            | Kind::StandingPremium
            | Kind::Prints
            | Kind::OneRow
            | Kind::Scale => 1.5,
        }
    }

    /// Returns the basis after `at_s` seconds; `last` is the one before, `step_s` ago.
    fn basis(self, last: f64, at_s: f64, step_s: f64, begins_s: f64, rng: &mut ChaCha8Rng) -> f64 {
        match self {
            Kind::RandomWalk { of_hour } => last + of_hour * (step_s / HOUR_S).sqrt() * normal(rng),
            Kind::Noise { edge_bp, sd } => {
                // Buying on the second venue and selling on the first has this net spread.
                edge_bp + 0.5 * COST_BP + sd * normal(rng)
            }
            Kind::Unrelated => last + 4.0 * step_s.sqrt() * normal(rng),
            Kind::Drift => 200.0 * ((at_s - begins_s) / (28.0 * 60.0)).clamp(0.0, 1.0),
            Kind::LuckyMinute if begins_s <= at_s && at_s < begins_s + 60.0 => {
                if rng.random::<bool>() { 60.0 } else { -60.0 }
            }
            Kind::StandingPremium => 45.0,
            Kind::DeadAtNoon { .. } if 0.5 * DAY_S < at_s => 0.0,
            Kind::DeadAtNoon { .. } => reverting(last, step_s / 60.0, 1.5 * COST_BP, rng),
            Kind::Honest { half_life_s, strength, .. } => {
                reverting(last, step_s / half_life_s, strength * COST_BP, rng)
            }
            Kind::Frozen
            | Kind::Late
            | Kind::LuckyMinute
            | Kind::Prints
            | Kind::OneRow
            | Kind::Scale => 0.0,
        }
    }
}

/// Returns the next value of an Ornstein-Uhlenbeck process after so many half-lives.
fn reverting(last: f64, half_lives: f64, sd: f64, rng: &mut ChaCha8Rng) -> f64 {
    let keep = 0.5_f64.powf(half_lives);
    keep * last + sd * (1.0 - keep * keep).sqrt() * normal(rng)
}

/// Returns a standard normal number (Box and Muller).
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let share: f64 = 1.0 - rng.random::<f64>();
    (-2.0 * share.ln()).sqrt() * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}

/// One quote: when it was received and when the venue made it, in ms after the beginning, and its
/// mid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quote {
    pub(crate) received_ms: i64,
    pub(crate) made_ms: i64,
    pub(crate) mid: f64,
}

/// Returns the quotes of both venues over so many days, in time order.
pub(crate) fn quotes(kind: Kind, days: usize, seed: u64) -> [Vec<Quote>; 2] {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let step_s = kind.step_s();
    let count = days * 86_400 / step_s;
    let begins_s = (0.2 + 0.7 * rng.random::<f64>()) * DAY_S * days as f64;
    let mut common = Vec::with_capacity(count);
    let (mut log, mut basis) = (0.0, 0.0);
    let mut venues = [Vec::with_capacity(count), Vec::with_capacity(count)];
    for step in 0..count {
        let at_s = (step * step_s) as f64;
        log += kind.volatility() * (step_s as f64).sqrt() * normal(&mut rng);
        common.push(log);
        basis = kind.basis(basis, at_s, step_s as f64, begins_s, &mut rng);
        let jitter_ms = rng.random_range(0..800);
        for (venue, quotes) in venues.iter_mut().enumerate() {
            if venue == 1 && is_silent(kind, at_s) {
                continue;
            }
            let tremble = TREMBLE_BP * normal(&mut rng);
            let bp = tremble + own(kind, venue, step, (&common, basis));
            let after_ms = jitter_ms + if venue == 1 { kind.after_ms() } else { 0 };
            let received_ms = i64::try_from(1_000 * step * step_s).unwrap() + after_ms;
            let late_ms = if kind == Kind::Late && venue == 1 { 5_000 } else { 0 };
            let mid = BEGIN * (bp / 1e4).exp() * mistake(kind, venue, step, count);
            quotes.push(Quote { received_ms, made_ms: received_ms - late_ms, mid });
        }
    }
    if kind == Kind::Frozen {
        freeze(&mut venues[1], begins_s.min((days as f64 - 0.1) * DAY_S));
    }
    venues
}

/// Returns the log price of a venue, in bp.
fn own(kind: Kind, venue: usize, step: usize, (common, basis): (&[f64], f64)) -> f64 {
    // A copy has the prices of the step before.
    let late = usize::from(kind == Kind::Late && venue == 1);
    let seen = common[step.saturating_sub(late)];
    match (kind, venue) {
        (Kind::Unrelated, 0) => basis,
        (_, 0) => seen + basis,
        (_, _) => seen,
    }
}

fn is_silent(kind: Kind, at_s: f64) -> bool {
    kind == Kind::DeadAtNoon { is_silent: true } && 0.5 * DAY_S < at_s
}

/// Returns what a price is multiplied by that is wrong.
fn mistake(kind: Kind, venue: usize, step: usize, count: usize) -> f64 {
    let is_print = step % (count / 6) == count / 12;
    let factor = if kind == Kind::Prints && is_print {
        1.3
    } else if kind == Kind::Scale || kind == Kind::OneRow && step == count / 3 {
        1_000.0
    } else {
        1.0
    };
    if venue == 1 { factor } else { 1.0 }
}

/// Repeats a price for two hours.
fn freeze(quotes: &mut [Quote], from_s: f64) {
    let mut price = None;
    for quote in quotes {
        let after_s = quote.received_ms as f64 / 1e3 - from_s;
        if (0.0..2.0 * HOUR_S).contains(&after_s) {
            quote.mid = *price.get_or_insert(quote.mid);
        }
    }
}
